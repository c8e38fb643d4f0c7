"""The load generator: against anvil, our own node, and a whole devnet."""
import contextlib
import http.server
import json
import os
import pathlib
import threading
import time

from devnet_network import Devnet
from harness import PROGRAM, Folder, Process, Skip, case, free_port, main, request, run, wait_until
from npm import packages

FOUNDRY = {"@foundry-rs/anvil": "1.7.1", "@foundry-rs/cast": "1.7.1"}
VECTORS = pathlib.Path(os.environ.get("BN_VECTORS", pathlib.Path(__file__).resolve()
                                      .parents[3] / "shared/data"))


def rpc(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    answer = json.loads(request(port, "POST", "/", body, {"content-type": "application/json"},
                                tls=False)[2])
    assert "error" not in answer, answer
    return answer["result"]


def answers(port):
    try:
        return rpc(port, "eth_chainId")
    except (OSError, ValueError):
        return None


class Node:
    """A node of ours that makes a block each second, or period."""

    def __init__(self, folder, period="1s"):
        self.port = free_port()
        self.process = Process(PROGRAM, "node", "--dev", "--dev-period", period, "--http-addr",
                               f"127.0.0.1:{self.port}", "--ws-addr", "", "--engine-addr", "",
                               "--metrics-addr", "", log=folder / "node.log")

    def __enter__(self):
        wait_until(lambda: answers(self.port), 20, self.process.logged)
        return self

    def __exit__(self, *_):
        self.process.__exit__()


def load(port, *flags, status=0):
    r = run(PROGRAM, "load", "--url", f"http://127.0.0.1:{port}", "--json", *flags, timeout=150)
    assert r.returncode == status, r.stderr
    return json.loads(r.stdout) if status == 0 else r.stderr


def check_chain(port, report):
    """What the report says stands on the chain: counted block by block."""
    landed = gas = 0
    for block in report["blocks"]:
        got = rpc(port, "eth_getBlockByNumber", hex(block["number"]), False)
        assert len(got["transactions"]) == block["txs"] >= block["ours"], (got, block)
        assert int(got["gasUsed"], 16) == block["gas_used"]
        landed += block["ours"]
        gas += block["gas_used"]
    assert landed == report["landed"] and gas >= report["gas_used"] > 0, report
    return landed


@case
def anvil_takes_every_kind_of_transaction():
    """Built-in scenarios against anvil: all land, none reverts; the report agrees with the chain."""
    found = sorted((packages("foundry", FOUNDRY) / "node_modules/@foundry-rs")
                   .glob("anvil-*/bin/anvil"))
    if not found:
        raise Skip("npm has no anvil for this machine")
    with Folder() as folder:
        port = free_port()
        with Process(found[0], "--port", port, "--chain-id", "1337", "--block-time", "1", "--silent",
                     log=folder / "anvil.log") as process:
            wait_until(lambda: answers(port), 60, process.logged)
            for scenario in ("transfers", "erc20", "swaps", "storage", "gas"):
                report = load(port, "--scenario", scenario, "--rate", "20", "--duration", "3s",
                              "--seed", scenario)
                assert report["sent"] == report["accepted"] == report["landed"] == 60, report
                assert report["reverted"] == report["refused"] == 0, report
                assert check_chain(port, report) == 60
                assert "anvil" in report["client"], report


@case
def our_node_takes_blobs_and_a_mix_and_the_report_is_complete():
    """Blobs with their proofs, the mix, and the report as JSON and as one HTML file."""
    with Folder() as folder, Node(folder) as node:
        report = load(node.port, "--scenario", "blobs", "--rate", "2", "--duration", "3s")
        assert report["landed"] == 6 and report["reverted"] == 0, report
        report = load(node.port, "--scenario", "mix", "--rate", "30", "--duration", "3s",
                      "--report", folder / "r.json", "--html", folder / "r.html")
        assert report["landed"] == 90 and report["reverted"] == 0, report
        assert check_chain(node.port, report) == 90
        assert json.loads((folder / "r.json").read_text()) == report
        assert sum(report["sent_each_second"]) == report["sent"]
        assert 25 < report["achieved_rate"] < 35 and report["inclusion"]["p50_ms"] > 1
        page = (folder / "r.html").read_text()
        assert page.count("<svg") == 5 and "http" not in page.replace("http-equiv", ""), page[:300]


@case
def a_run_can_be_repeated():
    """The same seed sends the same transactions from the same accounts; another seed others."""
    def senders(seed):
        with Folder() as folder, Node(folder) as node:
            report = load(node.port, "--scenario", "erc20", "--rate", "10", "--duration", "1s",
                          "--seed", seed)
            return {(t["from"], t["input"]) for b in report["blocks"] if b["ours"]
                    for t in rpc(node.port, "eth_getBlockByNumber", hex(b["number"]),
                                 True)["transactions"]}
    first = senders("one")
    assert first == senders("one") and not first & senders("two")


@case
def published_scenarios_run():
    """Scenario files of the field, as they are."""
    folder_of = VECTORS / "devnet/contender-scenarios"
    if not folder_of.exists():
        raise Skip("no published scenarios here")
    with Folder() as folder, Node(folder) as node:
        for name in ("simple.toml", "simpler.toml", "mempool.toml", "uniV2.toml", "reverts.toml",
                     "simpleAccessList.toml", "slotContention.toml", "setCode.toml"):
            path = folder_of / name
            if not path.exists():
                continue
            report = load(node.port, "--scenario", path, "--rate", "5", "--duration", "2s",
                          "--seed", name, "--accounts", "5")
            # Pools hold one transaction of an account that delegates: the second has to wait.
            least = 5 if name == "setCode.toml" else 10
            assert report["sent"] == 10 and report["landed"] >= least, (name, report)
            if name not in ("mempool.toml", "slotContention.toml"):  # these revert now and then
                assert report["reverted"] == (10 if name == "reverts.toml" else 0), (name, report)


@case
def failures_are_named():
    """A sender without money, bundles without a place for them, and a file that is none."""
    with Folder() as folder, Node(folder) as node:
        report = load(node.port, "--rate", "10", "--duration", "1s", "--fund", "1 wei")
        assert report["refused"] == report["sent"] > 0 and report["landed"] == 0, report
        assert report["reasons"] and "insufficient funds" in report["reasons"][0]["text"], report
        r = run(PROGRAM, "load", "--url", f"http://127.0.0.1:{node.port}", "--scenario", "bundles")
        assert r.returncode != 0 and "--orders-url" in r.stderr, r.stderr
        assert "funding" not in r.stderr, r.stderr  # said before it costs anything
        r = run(PROGRAM, "load", "--url", f"http://127.0.0.1:{node.port}", "--duration", "0s")
        assert r.returncode != 0 and "--duration" in r.stderr, r.stderr
        assert "funding" not in r.stderr, r.stderr
        for flags, word in ((("--set", "nobody=1"), "{nobody}"), (("--set", "nobody"), "NAME=VALUE"),
                            (("--report", folder / "none/r.json"), "r.json")):
            r = run(PROGRAM, "load", "--url", f"http://127.0.0.1:{node.port}", "--count", "1", *flags)
            assert r.returncode != 0 and word in r.stderr and "funding" not in r.stderr, r.stderr
        (folder / "bad.toml").write_text('[[spam]]\n[spam.tx]\nto = "{nobody}"\n')
        r = run(PROGRAM, "load", "--url", f"http://127.0.0.1:{node.port}", "--scenario",
                folder / "bad.toml")
        assert r.returncode != 0 and "{nobody}" in r.stderr, r.stderr
        r = run(PROGRAM, "load", "--url", "http://127.0.0.1:1", "--quiet")
        assert r.returncode != 0 and "cannot connect" in r.stderr, r.stderr


@case
def an_open_loop_does_not_wait():
    """A node that stops answering does not slow the sending down."""
    with Folder() as folder, Node(folder) as node:
        process = Process(PROGRAM, "load", "--url", f"http://127.0.0.1:{node.port}", "--rate", "50",
                          "--duration", "4s", "--wait", "8s", "--report", folder / "r.json",
                          "--accounts", "100", "--connections", "256", log=folder / "load.log")
        with process:
            wait_until(lambda: "sent" in process.logged(), 30)
            node.process.signal(19)  # SIGSTOP
            wait_until(lambda: "sent 200" in process.logged(), 10, process.logged)
            node.process.signal(18)
            assert process.wait(60) == 0, process.logged()
        report = json.loads((folder / "r.json").read_text())
        assert report["sent"] == 200 and report["answer"]["max_ms"] > 1000, report
        assert report["latest_ms"] < 1000, report


@case
def orders_are_signed_ahead_of_their_time():
    """Sixteen orders and more are ready before their time; nonces that come into doubt are made anew."""
    with Folder() as folder, Node(folder) as node:
        # Three seconds' worth lie ready, so that a busy machine's workers are not behind either.
        report = load(node.port, "--rate", "5", "--duration", "4s", "--accounts", "3")
        assert report["sent"] == report["landed"] == 20 and report["late_signed"] == 0, report
        # More senders than a node keeps transactions of the one who funds them.
        report = load(node.port, "--rate", "300", "--duration", "1s", "--accounts", "300", "--seed",
                      "many")
        assert report["sent"] == report["landed"] == 300 and report["starved"] == 0, report
        # Each sender sends many in a row: a gap or a nonce twice would leave some behind.
        report = load(node.port, "--rate", "300", "--duration", "2s", "--accounts", "4", "--seed",
                      "few")
        assert report["sent"] == report["accepted"] == report["landed"] == 600, report
        # Every refusal spoils what was made ahead of the same account.
        report = load(node.port, "--rate", "100", "--duration", "1s", "--fund", "1 wei", "--seed",
                      "poor", "--accounts", "2")
        assert report["refused"] == report["sent"] > 0, report
        assert report["sent"] + report["starved"] == 100, report
        assert all("insufficient funds" in r["text"] for r in report["reasons"]), report


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes every bundle, and lands none."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        time.sleep(self.server.delay)
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bundles.append(call["params"][0])
        body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def taking(delay=0):
    """A taker that answers so many seconds late: its address, and the bundles that it took."""
    taker = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    taker.delay, taker.bundles = delay, []
    threading.Thread(target=taker.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{taker.server_port}", taker.bundles
    finally:
        taker.shutdown()
        taker.server_close()


@case
def an_answer_that_comes_blocks_later_frees_its_account():
    with Folder() as folder, Node(folder, "100ms") as node, taking(1.5) as (url, _):
        report = load(node.port, "--orders-url", url, "--scenario", "bundles", "--rate", "10",
                      "--duration", "6s", "--accounts", "1", "--wait", "5s")
        assert report["sent"] == report["accepted"] >= 2, report


@case
def an_account_has_one_bundle_a_block():
    """Also when what comes next is made ahead: the same transaction in a bundle that may revert and
    in one that may not would land for both."""
    with Folder() as folder, Node(folder) as node, taking() as (url, bundles):
        report = load(node.port, "--orders-url", url, "--scenario", "reverts", "--rate", "20",
                      "--duration", "5s", "--accounts", "10", "--wait", "3s")
        sent = [(b["blockNumber"], b["txs"][0]) for b in bundles]
        assert len(sent) == report["sent"] == report["accepted"] > 20, report
        twice = len(sent) - len(set(sent))
        assert twice == 0, f"{twice} of {len(sent)} for a block that had the transaction"


@case
def bundles_obey_their_rules_on_a_devnet():
    """Conflicts, forbidden reverts and replacements: nothing lands that must not."""
    with Folder() as folder, Devnet(folder, ready=False) as net:
        # By what the chain holds, not by the time: a busy machine may miss slots.
        net.wait_for(lambda s: sum(x.get("by_relay", False) for x in s["slots"]) >= 2, 90)
        addresses = net.told["addresses"]
        users = ",".join(addresses[f"node-{i}.orderflow.users"] for i in (1, 2, 3))
        port = int(addresses["chain.rpc"].rsplit(":", 1)[1])
        (folder / "low.toml").write_text('[[spam]]\n[spam.tx]\nto = "{_sender}"\ngas_limit = 1000\n')
        report = load(port, "--orders-url", users, "--scenario", folder / "low.toml", "--count", "1",
                      "--wait", "1s")
        assert report["refused"] == 1 and " gas" in report["reasons"][0]["text"], report
        for scenario in ("bundles", "conflicts", "reverts", "replacements"):
            for attempt in range(4):  # until builders of the network won a block meanwhile
                report = load(port, "--orders-url", users, "--scenario", scenario, "--per-block",
                              "10", "--count", "50", "--seed", f"{scenario} {attempt}", "--wait",
                              "20s")
                assert report["forbidden"] == 0, (scenario, report)
                if report["landed"]:
                    break
            assert report["landed"] > 0, (scenario, report)
            released = report["achieved_rate"] * report["sending_ms"] / 1000
            assert abs(released - report["planned"] + report["starved"]) < 1, report
            if scenario == "reverts":
                assert report["reverted"] == report["landed"], report
            if scenario in ("conflicts", "replacements"):
                assert report["landed"] * 3 < report["accepted"], report


main()
