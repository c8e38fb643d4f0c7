"""The user's JSON-RPC of `buildernet node`, tried with the clients that people use."""
import json
import pathlib
import shutil
import subprocess
import threading
import time

from harness import (PROGRAM, Folder, Process, Skip, case, free_port, is_listening, main, request,
                     run, wait_until)
from npm import packages

JS = pathlib.Path(__file__).resolve().parent / "js"
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
VIEM = {"viem": "2.57.20"}
ETHERS = {"ethers": "6.17.0"}
FOUNDRY = {"@foundry-rs/anvil": "1.7.1", "@foundry-rs/cast": "1.7.1"}


class Node:
    """A development chain with a block for each transaction."""

    def __init__(self, folder, *more):
        self.http, self.ws = free_port(), free_port()
        self.url, self.ws_url = f"http://127.0.0.1:{self.http}", f"ws://127.0.0.1:{self.ws}"
        self.process = Process(PROGRAM, "node", "--dev", "--http-addr", f"127.0.0.1:{self.http}",
                               "--ws-addr", f"127.0.0.1:{self.ws}", "--engine-addr", "",
                               "--metrics-addr", "", *more, log=folder / "node.log")

    def __enter__(self):
        self.process.__enter__()
        wait_until(lambda: is_listening(self.http) and is_listening(self.ws))
        return self

    def __exit__(self, *what):
        self.process.__exit__(*what)


def javascript(folder, script, *arguments, timeout=180):
    """Runs one of js/ beside the packages; its output, with the failure's in the assertion."""
    for name in (script, "probe.json"):
        shutil.copy(JS / name, folder / name)
    done = subprocess.run(["node", script, *map(str, arguments)], cwd=folder, capture_output=True,
                          text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


@case
def viem_does_everything():
    """Deploy, call, logs, filters, fees, every type of transaction, proofs, subscriptions."""
    with Folder() as folder, Node(folder) as node:
        output = javascript(packages("viem", VIEM), "node_viem.mjs", node.url, node.ws_url,
                            "probe.json")
        assert output.count("done - ") == 13, output


@case
def ethers_does_everything():
    """Deploy, call, errors, events by filter and by subscription, fees, every common type."""
    with Folder() as folder, Node(folder) as node:
        output = javascript(packages("ethers", ETHERS), "node_ethers.mjs", node.url, node.ws_url,
                            "probe.json")
        assert "done - ethers" in output, output


@case
def anvil_agrees():
    """The same transactions give the same receipts, gas, state and traces on anvil."""
    port = free_port()
    with Folder() as folder, Node(folder, "--fee-recipient", "0x" + "00" * 20) as node, \
            Process(foundry("anvil"), "--port", port, "--chain-id", "1337",
                    "--hardfork", "osaka", "--gas-limit", "60000000", "--base-fee", "875000000",
                    "--silent", "--steps-tracing", log=folder / "anvil.log"):
        wait_until(lambda: is_listening(port), 20)
        output = javascript(packages("viem", VIEM), "node_oracle.mjs", node.url,
                            f"http://127.0.0.1:{port}", "probe.json")
        assert output.count("done - ") == 5, output


def foundry(name):
    """The program itself: npm's wrapper around it ends with 0 whatever happened."""
    folder = packages("foundry", FOUNDRY) / "node_modules/@foundry-rs"
    found = sorted(folder.glob(f"{name}-*/bin/{name}"))
    if not found:
        raise Skip(f"npm has no {name} for this machine")
    return found[0]


class Cast:
    """The command line client against one endpoint; gives what it prints."""

    def __init__(self, url):
        self.program = foundry("cast")
        self.url = url

    def __call__(self, *arguments, fails=False, timeout=60):
        # Options first: what follows --create is of a command of its own.
        done = run(self.program, arguments[0], "--rpc-url", self.url, *arguments[1:],
                   timeout=timeout)
        assert (done.returncode != 0) == fails, (arguments, done.stdout, done.stderr)
        return (done.stderr if fails else done.stdout).strip()

    def json(self, *arguments):
        return json.loads(self(arguments[0], "--json", *arguments[1:]))

    def send(self, *arguments):
        return self.json("send", "--private-key", KEY, *arguments)


@case
def cast_does_everything():
    """Deploy, call, logs, fees, blobs, delegation, proofs and traces on the command line."""
    probe = json.loads((JS / "probe.json").read_text())
    with Folder() as folder, Node(folder) as node:
        cast = Cast(node.url)
        assert cast("chain-id") == "1337"
        assert cast("client").startswith("buildernet/")
        deployed = cast.send("--create", "0x" + probe["bytecode"])
        assert deployed["status"] == "0x1"
        contract = deployed["contractAddress"]
        assert len(cast("code", contract)) > 1000
        receipt = cast.send(contract, "set(uint256,uint256)", "5", "42")
        assert cast("call", contract, "values(uint256)(uint256)", "5") == "42"
        slot = run(cast.program, "index", "uint256", "5", "0").stdout.strip()
        assert int(cast("storage", contract, slot), 16) == 42
        assert cast("call", contract, "values(uint256)(uint256)", "5", "--block",
                    str(int(receipt["blockNumber"], 16) - 1)) == "0"
        assert "because" in cast("call", contract, "fail(string)", "because", fails=True)
        proof = json.loads(cast("proof", contract, slot))
        assert int(proof["storageProof"][0]["value"], 16) == 42
        logs = cast.json("logs", "Set(address indexed,uint256 indexed,uint256)",
                         "--address", contract, "--from-block", "0")
        assert len(logs) == 1 and logs[0]["transactionHash"] == receipt["transactionHash"]
        gas = int(cast("estimate", contract, "set(uint256,uint256)", "6", "1", "--from", ALICE))
        assert 21000 < gas < 100000
        assert int(cast("gas-price")) > 0 and int(cast("base-fee")) > 0
        assert slot[2:] in cast("access-list", contract, "values(uint256)", "5")
        transaction = cast.json("tx", receipt["transactionHash"])
        assert transaction["blockHash"] == receipt["blockHash"]
        block = cast.json("block", receipt["blockHash"])
        assert receipt["transactionHash"] in block["transactions"]
        assert cast.json("receipt", receipt["transactionHash"])["gasUsed"] == receipt["gasUsed"]
        assert cast("nonce", ALICE) == "2"
        assert int(cast("balance", ALICE)) < 10000 * 10**18
        legacy = cast.send(contract, "--legacy", "--value", "0")
        assert legacy["type"] == "0x0"
        trace = json.loads(cast("rpc", "debug_traceTransaction", receipt["transactionHash"],
                                '{"tracer":"callTracer"}'))
        assert trace["gasUsed"] == receipt["gasUsed"]
        delegated = cast.send("--auth", contract, ALICE)
        assert delegated["type"] == "0x4"
        assert cast("code", ALICE).lower() == "0xef0100" + contract[2:].lower()


@case
def blobs_are_sent_and_paid_for():
    """A blob transaction gets into a block, and its receipt has its price."""
    with Folder() as folder, Node(folder) as node:
        cast = Cast(node.url)
        data = folder / "blob"
        data.write_bytes(b"data that is kept for some weeks" * 100)
        receipt = cast.send("--blob", "--path", data, "0x" + "ab" * 20)
        assert receipt["type"] == "0x3" and receipt["status"] == "0x1"
        assert receipt["blobGasUsed"] == "0x20000" and receipt["blobGasPrice"] == "0x1"
        transaction = cast.json("tx", receipt["transactionHash"])
        assert len(transaction["blobVersionedHashes"]) == 1
        assert cast.json("block", "latest")["blobGasUsed"] == "0x20000"


@case
def test_tools_drive_blocks_and_time():
    """viem's test client mines, moves time, goes back to snapshots, in both of its modes."""
    with Folder() as folder, Node(folder) as node:
        output = javascript(packages("viem", VIEM), "node_dev.mjs", node.url)
        assert output.count("done - ") == 3, output


def ask(port, method, *params, timeout=30):
    """One call over HTTP; its answer."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    status, _, answer = request(port, "POST", "/", body, {"content-type": "application/json"},
                                tls=False, timeout=timeout)
    assert status == 200, answer
    return json.loads(answer)


@case
def calls_that_never_end_are_stopped():
    """Endless code is stopped in time, and meanwhile the node answers others."""
    endless = {"to": "0x" + "cc" * 20}, "latest", {"0x" + "cc" * 20: {"code": "0x5b600056"}}
    with Folder() as folder, Node(folder, "--rpc-call-gas", "0", "--rpc-call-timeout", "700ms",
                                  "--rpc-workers", "2") as node:
        began = time.monotonic()
        slow = [threading.Thread(target=lambda: answers.append(
            ask(node.http, "eth_call", *endless))) for _ in range(4)]
        answers = []
        for thread in slow:
            thread.start()
        while any(thread.is_alive() for thread in slow):
            asked = time.monotonic()
            assert ask(node.http, "eth_chainId")["result"] == "0x539"
            assert time.monotonic() - asked < 0.5  # it is answered on the loop
            time.sleep(0.01)
        assert 1.3 < time.monotonic() - began < 10  # four of them, two at a time
        assert [a["error"]["code"] for a in answers] == [-32016] * 4, answers


@case
def limits_hold():
    """Batches, searches and answers have limits, and say so."""
    with Folder() as folder, Node(folder, "--rpc-batch-max", "3", "--rpc-log-blocks", "2",
                                  "--rpc-answer-max", "20KiB") as node:
        assert ask(node.http, "dev_mine", "0x8")["result"]
        batch = [{"jsonrpc": "2.0", "id": i, "method": "eth_chainId"} for i in range(4)]
        _, _, answer = request(node.http, "POST", "/", json.dumps(batch), tls=False)
        assert "error" in json.loads(answer)
        _, _, answer = request(node.http, "POST", "/", json.dumps(batch[:3]), tls=False)
        assert [a["result"] for a in json.loads(answer)] == ["0x539"] * 3
        assert ask(node.http, "eth_getLogs", {"fromBlock": "0x1"})["error"]["code"] == -32005
        assert ask(node.http, "eth_getLogs", {"fromBlock": "0x7"})["result"] == []
        code = {"0x" + "cc" * 20: {"code": "0x5b600160010150600056"}}
        trace = ask(node.http, "debug_traceCall", {"to": "0x" + "cc" * 20, "gas": "0xffff"},
                    "latest", {"stateOverrides": code})
        assert trace["error"]["code"] == -32005, str(trace)[:200]


@case
def many_clients_at_once():
    """Calls, traces, proofs and subscriptions of many clients agree while blocks come."""
    with Folder() as folder, Node(folder) as node:
        output = javascript(packages("viem", VIEM), "node_load.mjs", node.url, node.ws_url,
                            "probe.json", 3)
        assert "done - " in output, output


@case
def every_transport_gives_the_same():
    """HTTP, WebSocket and the Unix socket give the same answers."""
    with Folder() as folder:
        ipc = folder / "node.ipc"
        with Node(folder, "--ipc-path", ipc) as node:
            answers = set()
            for url in (node.url, node.ws_url, f"ws://127.0.0.1:{node.http}", ipc):
                answers.add(Cast(url)("block", "latest", "--json"))
            assert len(answers) == 1


if __name__ == "__main__":
    main()
