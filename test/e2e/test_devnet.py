"""The devnet: the whole network from one command, and what it promises."""
import concurrent.futures
import json
import pathlib
import signal
import subprocess
import time
import tomllib
import urllib.error
import urllib.request

from devnet_network import Devnet, landed, processes_of, winner
from harness import PROGRAM, Folder, case, main, run, wait_until


@case
def a_bundle_lands_in_another_nodes_block_and_nothing_is_left():
    """`up --until-bundle` ends with 0, quickly, and removes its folder."""
    with Folder() as folder:
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--until-bundle",
                "--timeout", "60s", timeout=90)
        assert r.returncode == 0, r.stdout + r.stderr
        assert "sent through node-" in r.stdout, r.stdout
        assert not (folder / "net").exists() and not processes_of(folder)


@case
def everything_that_is_shown_works():
    """`up --show`: the network is shown working, step by step."""
    with Folder() as folder:
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--show", timeout=180)
        assert r.returncode == 0, r.stdout + r.stderr
        assert "FAILED" not in r.stdout and " ok, 0 failed" in r.stdout, r.stdout
        assert not processes_of(folder)


def attested(metrics, peer):
    """Has that peer proved itself to the node with these metrics?"""
    with urllib.request.urlopen(metrics + "/metrics", timeout=10) as answer:
        return f'orderflow_peer_attested{{peer="{peer}"}} 1' in answer.read().decode()


def won_slots(state):
    return [s for s in state["slots"] if not s["missed"] and s["by_relay"]]


@case
def the_chain_holds_what_is_told():
    """An order sent through each node lands; blocks are the named builder's; bids are counted."""
    with Folder() as folder, Devnet(folder) as net:
        names = [n["name"] for n in net.told["nodes"]]
        state = net.wait_for(lambda s: all(landed(s, n) for n in names) and won_slots(s), 40)
        for order in landed(state):
            block = net.block_of(order["tx"])
            assert block and int(block["number"], 16) == order["block"], order
            assert order["tx"] in block["transactions"] and winner(block) == order["winner"], order
        won = won_slots(state)
        assert all(s["winner"] in names and int(s["value_wei"]) > 0 for s in won), won
        for s in won:
            # The proposer was paid what the winning bid said: its balance says so.
            block = net.rpc("eth_getBlockByNumber", hex(s["number"]), True)
            payment = block["transactions"][-1]
            assert int(payment["value"], 16) == int(s["value_wei"]), (s, payment)


@case
def orderflows_share_over_attested_sessions_only():
    """Every node's session with every other is attested; nothing else is spoken between them."""
    with Folder() as folder, Devnet(folder) as net:
        nodes = net.told["nodes"]

        def lines(node, metric):
            url = net.role(f"{node['name']}.orderflow")["addresses"]["metrics"]
            with urllib.request.urlopen(url + "/metrics", timeout=10) as answer:
                return [line for line in answer.read().decode().splitlines()
                        if line.startswith(metric + "{")]

        for node in nodes:
            wait_until(lambda node=node: [line.endswith(" 1") for line in
                                          lines(node, "orderflow_peer_attested")] ==
                       [True] * (len(nodes) - 1), 20, lines(node, "orderflow_peer_attested"))
            verdicts = lines(node, "attested_verdicts_total")
            bad = [v for v in verdicts if "accepted" not in v and not v.endswith(" 0")]
            assert not bad, bad
            rendered = (net.folder / node["name"] / "etc/orderflow.toml").read_text()
            assert 'peer_attestation = "required"' in rendered


@case
def identities_come_from_the_seed_and_secrets_stay_at_home():
    """Two networks of one seed have the same keys; the state shows none of them."""
    with Folder() as folder:
        with Devnet(folder, "--seed", "same", ready=False) as one:
            first = one.told["nodes"]
            text = json.dumps(one.state())
            assert all(n["identity"][k] not in text for n in first
                       for k in ("orderflow_key", "builder_key", "relay_key"))
            assert (one.folder / "devnet.json").stat().st_mode & 0o077 == 0
        with Devnet(folder, "--seed", "same", ready=False) as two:
            assert [n["identity"] for n in two.told["nodes"]] == [n["identity"] for n in first]
        with Devnet(folder, "--seed", "other", ready=False) as three:
            assert three.told["nodes"][0]["identity"] != first[0]["identity"]


@case
def a_wrong_measurement_gets_nothing_until_it_is_allowed():
    """A node of another image is refused: no configuration, no services; `allow` lets it in."""
    with Folder() as folder, Devnet(folder) as net:
        net.do("add-node", "stranger-image")
        state = net.wait_for(lambda s: net.node("node-4", s)["hub"] == "refused")
        assert not net.node("node-4", state)["enabled"]
        time.sleep(1.5)
        assert not (net.folder / "node-4/etc").exists()
        assert net.role("node-4.orderflow")["state"] == "waiting"
        net.do("allow", "node-4")
        net.wait_for(lambda s: net.node("node-4", s)["enabled"]
                     and net.role("node-4.builder", s)["state"] == "ready", 30)
        assert (net.folder / "node-4/etc/builder.toml").exists()


@case
def files_are_allowed_after_their_difference_was_shown():
    """`allow FILE`: an image's measurement from its quote, with a node's configuration: the
    difference first, nothing without a yes, and then the node is let in."""
    with Folder() as folder, Devnet(folder) as net:
        net.do("add-node", "stranger-image")
        state = net.wait_for(lambda s: net.node("node-4", s)["hub"] == "refused")
        quote = folder / "stranger.quote"
        mrtd = net.node("node-4", state)["identity"]["mrtd"][2:]
        r = run(PROGRAM, "attest", "quote", "--source", net.folder / "platform", "--report-data",
                "00" * 64, "--set", f"mrtd={mrtd}", "--out", quote)
        assert r.returncode == 0, r.stderr
        configuration = folder / "node.json"
        configuration.write_text('{"greeting": "from a file"}')
        told = net.do("allow", quote, "node-4", configuration, ok=False)  # nobody says yes
        assert "measurement stranger.quote: add" in told and "greeting" in told, told
        assert "dns_name" not in told, told
        assert net.node("node-4")["hub"] == "refused"
        told = net.do("allow", quote, "node-4", configuration, "--yes")
        assert "measurement stranger.quote" in told, told
        net.wait_for(lambda s: net.node("node-4", s)["enabled"]
                     and net.role("node-4.builder", s)["state"] == "ready", 40)
        assert mrtd in (net.folder / "peers.json").read_text()  # nodes judge each other by it too
        others = [net.node(f"node-{i}")["addresses"]["orderflow.metrics"] for i in (1, 2, 3)]
        wait_until(lambda: all(attested(m, "node_4") for m in others), 30)
        url = net.told["addresses"]["hub.admin"] + "/api/admin/v1/builders/configuration/node_4/active"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert json.loads(answer.read()) == {"greeting": "from a file"}
        wrong = folder / "wrong.json"
        wrong.write_text("{}")
        assert "no measurements" in net.do("allow", wrong, ok=False)
        assert "no node node-9" in net.do("allow", quote, "node-9", configuration, ok=False)
        assert "cannot be read" in net.do("allow", "./nothing.efi", ok=False)


@case
def a_withdrawn_measurement_stops_nodes_within_one_poll():
    """The hub's 403 stops orderflow and builder; blocks are then the proposer's own."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 30)
        begun = time.monotonic()
        net.do("revoke", "node-image")
        stopped = net.wait_for(lambda s: all(net.role(f"node-{i}.builder", s)["state"] == "stopped"
                                             for i in (1, 2, 3)), 10)
        assert time.monotonic() - begun < 5
        slot = stopped["chain"]["slot"]
        state = net.wait_for(lambda s: any(x["slot"] > slot + 1 for x in s["slots"]), 20)
        late = [x for x in state["slots"] if x["slot"] > slot + 1 and not x["missed"]]
        assert late and all(not x["by_relay"] for x in late), late
        net.do("allow", "node-image")
        slot = net.state()["chain"]["slot"]
        net.wait_for(lambda s: any(x["slot"] > slot and not x["missed"] and x["by_relay"]
                                   for x in s["slots"]), 30)


@case
def outages_of_hub_and_relay_are_survived():
    """Without the hub blocks go on; without the relay the proposer builds; both come back."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 30)

        def by_relay_after(slot):
            return lambda s: any(x["slot"] > slot and not x["missed"] and x["by_relay"]
                                 for x in s["slots"])
        net.do("role", "stop", "hub")
        net.wait_for(by_relay_after(net.state()["chain"]["slot"] + 1), 20)
        assert all(n["enabled"] for n in net.state()["nodes"])
        net.do("role", "start", "hub")
        net.do("role", "stop", "relay")
        slot = net.state()["chain"]["slot"]
        state = net.wait_for(lambda s: any(x["slot"] > slot + 2 for x in s["slots"]), 20)
        assert not any(x["missed"] for x in state["slots"] if x["slot"] > slot), state["slots"]
        net.do("role", "start", "relay")
        net.wait_for(by_relay_after(net.state()["chain"]["slot"]), 40)


@case
def a_killed_node_comes_back_and_a_partition_heals():
    """kill -9 of all of a node's roles; a node cut off from its peers, and back."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 30)
        net.do("role", "kill", "node-2")
        net.wait_for(lambda s: s["state"] != "ready", 10)
        net.wait_for(lambda s: s["state"] == "ready", 30)
        for other in ("node-1", "node-3"):
            net.do("fault", "add", f"node-2<->{other}", "cut")
        assert "cut" in net.do("fault", "list")
        begun = net.state()["now_ms"]
        # What goes through node-2 now reaches nobody else: it lands in blocks of node-2 only.
        state = net.wait_for(lambda s: [o for o in landed(s, "node-2") if o["sent_ms"] > begun], 60)
        alone = [o for o in landed(state, "node-2") if o["sent_ms"] > begun + 500]
        assert all(o["winner"] == "node-2" for o in alone), alone
        cut = [p for p in state["links"] if p["refused"] or p["faults"]]
        assert cut, state["links"]
        net.do("fault", "clear")
        healed = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s, "node-2") if o["sent_ms"] > healed
                                and o["winner"] != "node-2"], 60)


def memory_of(pid):
    """Bytes of a process that are its own, and its part of those it shares (PSS)."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(x.split()[1]) for x in lines if x.startswith("Pss:"))


@case
def the_default_network_is_small():
    """Hub, chain, relay, three nodes and what looks after them: less than 300 MB."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 40)
        used = sum(map(memory_of, [net.process.pid, *processes_of(net.folder)]))
        assert 50e6 < used < 300e6, used


@case
def ten_nodes_work():
    """Ten nodes, every one attested, each with orders that land."""
    with Folder() as folder, Devnet(folder, "--nodes", "10", ready=False) as net:
        net.wait_for(lambda s: s["state"] == "ready", 90)
        state = net.wait_for(lambda s: len({o["node"] for o in landed(s)}) == 10, 120)
        assert len({n["identity"]["orderflow_address"] for n in state["nodes"]}) == 10


@case
def the_verbs_show_what_happens():
    """status, feed, logs, and events as they come."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(lambda s: any(x.get("by_relay") for x in s["slots"]), 30)
        assert "node-1.orderflow" in net.do("status")
        lines = [json.loads(x) for x in net.do("feed", "--json").splitlines()]
        assert any(x["by_relay"] for x in lines if not x["missed"]), lines
        text = net.do("logs", "relay")
        assert text and all(x.startswith("relay ") for x in text.splitlines()), text[:500]
        slot = next(x["slot"] for x in lines if x["by_relay"])
        said = [json.loads(x) for x in net.do("logs", "--of-slot", str(slot), "--json").splitlines()]
        assert {x.get("slot", slot) for x in said} == {slot}, said
        assert {"block_built", "bid_taken", "slot_block", "head"} <= {x["event"] for x in said}, said
        follower = subprocess.Popen([PROGRAM, "devnet", "feed", "--follow", "--json", "--folder",
                                     net.folder], stdout=subprocess.PIPE, text=True)
        try:
            kinds = set()
            end = time.monotonic() + 20
            while not {"slot", "order", "block", "role"} <= kinds and time.monotonic() < end:
                kinds.add(json.loads(follower.stdout.readline())["kind"])
            assert {"slot", "order", "block", "role"} <= kinds, kinds
        finally:
            follower.kill()
            follower.wait()
        order = landed(net.state())[-1]
        told = net.get("/api/order/" + order["tx"])
        assert int(told["receipt"]["blockNumber"], 16) == order["block"], told
        assert order["node"] in [n["node"] for n in told["nodes"]], told
        assert "no role" in net.do("logs", "nobody", ok=False)
        assert "there is no role" in net.do("role", "kill", "nobody", ok=False)
        assert "begins with" in net.do("fault", "add", "nonsense", ok=False)
        assert "no role node-9" in net.do("fault", "add", "node-1->node-9", "cut", ok=False)
        assert "from 1 to 1000" in net.do("miss-slots", "3x", ok=False)
        order = landed(net.wait_for(landed, 40))[0]["tx"]
        # Programs do not log orders: their way is told from what was traced, by either hash.
        told = net.do("logs", "--order", order)
        for step in ("event=order_received", "event=order_accepted", "event=order_acknowledged",
                     "event=order_simulated", "event=order_in_bid", "landed=true"):
            assert step in told, (step, told)
        assert all(x.split()[0].startswith("node-2") for x in
                   net.do("logs", "node-2", "--order", order).splitlines())
        bundle = json.loads(net.do("logs", "--order", order, "--json").splitlines()[0])
        assert bundle["event"].startswith("order_") and bundle["role"].startswith("node-"), bundle
        assert "order_received" in net.do("logs", "--order", bundle["order"])
        assert "no node knows" in net.do("logs", "--order", "0x" + "ab" * 32, ok=False)
        assert "64 digits" in net.do("logs", "--order", "0x12", ok=False)
        lines = [json.loads(x) for x in net.do("logs", "--json").splitlines()]
        assert any(x.get("event") == "block_built" and isinstance(x["slot"], int) for x in lines)
        assert all(x["role"] for x in lines)
        assert "--of-slot" in net.do("logs", "--of-slot", "zz", ok=False)
        assert "is of slot 99999" in net.do("logs", "relay", "--of-slot", "99999", ok=False)
        assert "delay such as" in net.do("fault", "add", "node-1->node-2", "delay", ok=False)
        assert "jitter such as" in net.do("fault", "add", "node-1->hub", "delay", "1ms", "jitter",
                                          "x", ok=False)
        assert "a shift such as" in net.do("clock", "node-1", "soon", ok=False)
        assert "no address" in net.do("tx", "0x12", ok=False)
        assert "from 1 to 1000" in net.do("reorg", "-1", ok=False)
        assert "up.log: not a rec" in net.do("replay", net.log, "--play", ok=False)
        assert "no node node-9" in net.do("rotate-cert", "node-9", ok=False)
        for name in ("x" * 32, "", "two words", "quo\"te"):
            assert "1 to 31 letters" in net.do("add-node", name, ok=False)
            assert "1 to 31 letters" in net.do("allow", name, ok=False)
        assert "1 to 31 letters" in net.do("add-node", "../else", ok=False)
        told = net.do("revoke", "nobody", ok=False)
        assert "no measurement of nobody" in told and "{" not in told, told
        assert "blocks" in net.do("reorg", "1000", ok=False)
        for words in (("chain->relay", "withhold"), ("hub<->node-1", "withhold"),
                      ("relay->node-1", "wrong-root")):
            assert "the relay can" in net.do("fault", "add", *words, ok=False)
        for verb in ("list", "clear"):
            assert "fault list |" in net.do("fault", verb, "1", ok=False)


@case
def recordings_lie_where_their_caller_is():
    """`record FILE`: relative to the caller's folder; told as it is; `off` only when there is one."""
    with Folder() as folder, Devnet(folder, "--nodes", "1") as net:
        def do(*words):
            return run(PROGRAM, "devnet", *words, "--folder", net.folder, cwd=folder)
        assert "nothing is being recorded" in do("record", "off").stderr
        r = do("record", "here.rec")
        assert r.stdout.strip() == f"recording to {folder / 'here.rec'}", r.stdout + r.stderr
        net.wait_for(lambda s: len(landed(s)) > 2, 40)
        assert do("record", "off").stdout == "recording ended\n"
        assert not (net.folder / "here.rec").exists()
        r = do("replay", "here.rec", "node-1.orderflow")
        assert r.returncode == 0 and "outside -> node-1.orderflow" in r.stdout, r.stdout + r.stderr
        r = do("record", "/nowhere/x.rec")
        assert r.returncode != 0 and "/nowhere/x.rec" in r.stderr, r.stderr


@case
def a_role_that_is_ending_starts_again():
    """`role start` right behind `role stop` is obeyed; a role that is stopped is not ready."""
    with Folder() as folder, Devnet(folder) as net:
        before = {r["name"]: r["pid"] for r in net.state()["roles"] if r["node"] == "node-2"}
        for verb in ("stop", "start"):  # at once, so that they are still ending
            body = json.dumps({"words": ["role", verb, "node-2"]}).encode()
            request = urllib.request.Request(net.told["control"] + "/api/command", body,
                                             {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.loads(answer.read())["ok"]
        net.wait_for(lambda s: s["state"] == "ready" and all(
            net.role(x, s)["state"] == "ready" and net.role(x, s)["pid"] != pid
            for x, pid in before.items()), 30)
        net.wait_for(lambda s: sum(r["cpu_percent"] for r in s["roles"]) > 0, 10)
        net.do("role", "stop", "relay")
        net.wait_for(lambda s: net.role("relay", s)["state"] == "stopped", 10)
        assert "not everything is ready" in net.do("status", ok=False)


@case
def a_killed_chain_goes_on():
    """kill -9 of the chain: its blocks are still there, and builders win again."""
    with Folder() as folder, Devnet(folder) as net:
        before = net.wait_for(landed, 40)["chain"]["head"]
        kept = net.rpc("eth_getBlockByNumber", hex(before), False)["hash"]
        net.do("role", "kill", "chain")
        net.wait_for(lambda s: s["state"] == "ready" and net.role("chain", s)["starts"] > 0 and any(
            x.get("by_relay") and x["number"] > before + 3 for x in s["slots"]), 60)
        assert net.rpc("eth_getBlockByNumber", hex(before), False)["hash"] == kept


@case
def a_replay_has_no_bundle_to_wait_for():
    """`--replay` with `--until-bundle`: said at once."""
    with Folder() as folder:
        (folder / "recording").write_bytes(b"")
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--until-bundle", "--replay",
                folder / "recording", timeout=30)
        assert r.returncode == 65 and "--until-bundle" in r.stderr, r.stdout + r.stderr


@case
def who_waits_in_vain_is_told_for_what():
    """`--timeout`: the role that was not ready is named."""
    with Folder() as folder:
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--until-ready", "--timeout",
                "1ms", timeout=30)
        assert r.returncode == 1 and "the time is up" in r.stdout, r.stdout + r.stderr
        assert any(x.split()[1] == "network" and " is " in x and "time" not in x
                   for x in r.stdout.splitlines() if len(x.split()) > 2), r.stdout


@case
def certificates_rotate_without_a_lost_order():
    """`rotate-cert`: the hub lists the new certificate, and orders go on to land elsewhere."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 30)
        before = (net.folder / "node-1/cert.pem").read_text()
        net.do("rotate-cert", "node-1")
        after = (net.folder / "node-1/cert.pem").read_text()
        assert after != before
        peers = net.told["addresses"]["hub.internal"] + \
            "/api/internal/l1-builder/v2/network/devnet/builders"

        def listed():
            with urllib.request.urlopen(peers, timeout=10) as answer:
                me = next(b for b in json.loads(answer.read()) if b["name"] == "node_1")
            return {me[s]["tls_cert"] for s in ("instance", "orderflow_proxy")}
        wait_until(lambda: listed() == {after}, 15, listed)
        rotated = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s, "node-1") if o["sent_ms"] > rotated
                                and o["winner"] not in ("node-1", "devnet")], 60)
        net.wait_for(lambda s: [o for o in landed(s) if o["sent_ms"] > rotated
                                and o["node"] != "node-1" and o["winner"] == "node-1"], 60)


@case
def slots_can_be_missed_and_blocks_replaced():
    """`miss-slots` and `reorg`: the feed tells of it, and the network goes on."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 30)
        net.do("miss-slots", "2")
        state = net.wait_for(lambda s: sum(x["missed"] for x in s["slots"]) >= 2, 20)
        missed = [x["slot"] for x in state["slots"] if x["missed"]]
        blocks = {int(net.rpc("eth_getBlockByNumber", hex(x["number"]), False)["timestamp"], 16)
                  for x in state["slots"] if not x["missed"]}
        known = next(x for x in state["slots"] if not x["missed"])
        base = known["timestamp"] - known["slot"]
        assert not blocks & {base + s for s in missed}
        head = net.rpc("eth_getBlockByNumber", "latest", False)
        net.do("reorg", "1")
        wait_until(lambda: net.rpc("eth_getBlockByNumber", head["number"], False)["hash"]
                   != head["hash"], 10, "the block is still there")
        later = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s) if o["sent_ms"] > later], 30)


@case
def the_shipped_scenarios_pass():
    """`up --scenario --check` of each; two networks at a time, for they mostly wait."""
    examples = pathlib.Path(__file__).resolve().parents[2] / "examples/devnet"

    def check(path):
        r = run(PROGRAM, "devnet", "up", "--folder", folder / path.stem, "--scenario", path,
                "--check", timeout=150)
        assert r.returncode == 0, r.stdout + r.stderr
        assert "FAILED" not in r.stdout and "ok      ready" in r.stdout, r.stdout
        asked = tomllib.loads(path.read_text())["slots"]
        assert f": {asked} slots, " in r.stdout, (asked, r.stdout)
    with Folder() as folder, concurrent.futures.ThreadPoolExecutor(2) as two:
        assert len(list(two.map(check, sorted(examples.glob("*.toml"))))) >= 4


@case
def scenarios_end_with_a_verdict():
    """`up --scenario --check`: one that asks too much fails, one that asks for nonsense does not begin."""
    with Folder() as folder:
        wrong = folder / "wrong.toml"
        wrong.write_text('slots = 3\n[[step]]\nslot = 1\ndo = ["role stop relay"]\n'
                         '[expect]\nby_relay_min = 1.0\nready = true\n')
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--scenario", wrong, "--check",
                timeout=100)
        assert r.returncode == 1 and "FAILED  by_relay_min" in r.stdout, r.stdout + r.stderr
        wrong.write_text('nodes = 1\nslots = 3\n[[load]]\nscenario = "nobody"\n')
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--scenario", wrong, "--check",
                timeout=100)
        assert r.returncode == 1 and "FAILED  a load made no report" in r.stdout, r.stdout + r.stderr
        for flags, word in ((["--check"], "--scenario"), (["--slot", "50ms"], "--slot"),
                            (["--name", "../../else"], "--name")):
            r = run(PROGRAM, "devnet", "up", "--until-ready", *flags)
            assert r.returncode != 0 and word in r.stderr, r.stdout + r.stderr
        wrong.write_text("[expect]\nby_realy_min = 1\n")
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--scenario", wrong)
        assert r.returncode != 0 and "by_realy_min" in r.stderr and "line 2" in r.stderr, r.stderr


@case
def a_private_order_is_seen_by_nobody_else():
    """All traffic is recorded: bundles are readable only on the way to the node they were sent to
    and, as part of a block, to relay and chain; in no log and no file but the nodes' own."""
    with Folder() as folder, Devnet(folder) as net:
        net.do("record", net.folder / "all.rec")
        begun = net.state()["now_ms"]
        state = net.wait_for(lambda s: len([o for o in landed(s) if o["sent_ms"] > begun]) >= 3, 40)
        net.do("record", "off")
        order = [o for o in landed(state) if o["sent_ms"] > begun][0]
        raw = bytes.fromhex(net.rpc("eth_getRawTransactionByHash", order["tx"])[2:])
        told = run(PROGRAM, "devnet", "replay", net.folder / "all.rec").stdout
        assert "-> hub" in told or "connects to hub" in told or "TLS" in told, told[:2000]
        assert "POST" in told, told[:2000]
        # Who was shown the transaction, as text or bytes, before its block was seen?
        names, seen = {}, set()
        data = (net.folder / "all.rec").read_bytes()
        assert data[:8] == b"BNRECRD1"
        at = 8
        while at + 17 <= len(data):
            number = int.from_bytes(data[at + 8:at + 12], "little")
            kind, size = data[at + 12], int.from_bytes(data[at + 13:at + 17], "little")
            content = data[at + 17:at + 17 + size]
            at += 17 + size
            if kind == 0:
                names[number] = content.decode()
            elif kind == 1 and (raw in content or raw.hex().encode() in content):
                seen.add(names.get(number))
        assert f"outside {order['node']}.orderflow" in seen, seen
        peers = [s for s in seen if s and ".orderflow" in s and ".orderflow" in s.split()[0]]
        assert not peers, peers  # between nodes only TLS passes
        allowed = {"relay", "chain"}
        assert all(s.split()[1] in allowed or s == f"outside {order['node']}.orderflow"
                   for s in seen if s), seen
        for path in (net.folder / "logs").glob("*.log"):
            assert raw.hex() not in path.read_text(errors="replace"), path


@case
def other_sites_pages_cannot_command_it():
    """A foreign Origin or Host is refused, and what is no command stops nothing."""
    with Folder() as folder, Devnet(folder, ready=False) as net:
        down = {"words": ["down"]}
        for body, header, status in ((down, {"Origin": "http://example.org"}, 403),
                                     (down, {"Host": "example.org"}, 403), ({}, {}, 400),
                                     ({"words": ["down", "node-1"]}, {}, 400)):
            request = urllib.request.Request(net.told["control"] + "/api/command",
                                             json.dumps(body).encode(), header)
            try:
                urllib.request.urlopen(request, timeout=10)
                raise AssertionError(f"{body} {header} was taken")
            except urllib.error.HTTPError as e:
                assert e.code == status, (body, header, e.code)


@case
def ctrl_c_and_a_killed_supervisor_leave_nothing():
    """SIGINT ends everything in order; SIGKILL of the supervisor takes its roles along."""
    with Folder() as folder:
        net = Devnet(folder)
        with net:
            assert len(processes_of(net.folder)) > 15
            second = run(PROGRAM, "devnet", "up", "--folder", net.folder)
            assert second.returncode != 0 and "runs in" in second.stderr, second.stderr
            net.process.signal(signal.SIGINT)
            assert net.process.wait(20) == 0, net.process.logged()
            assert not net.folder.exists()
        net = Devnet(folder)
        with net:
            net.process.signal(signal.SIGKILL)
            net.process.wait()
            wait_until(lambda: not processes_of(net.folder), 10, "roles outlive the supervisor")
        with Devnet(folder, ready=False):  # what was left is taken over
            pass
        other = folder / "other"
        other.mkdir()
        (other / "precious").write_text("x")
        r = run(PROGRAM, "devnet", "up", "--folder", other)
        assert r.returncode != 0 and (other / "precious").exists(), r.stderr


main()
