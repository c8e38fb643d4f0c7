"""The devnet: the whole network from one command, and what it promises."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness import PROGRAM, Folder, Process, case, main, run, wait_until


def processes_of(folder):
    """Ids of processes that work in a folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd").startswith(str(folder)):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


class Devnet:
    """A network that runs for a case, and what it says about itself."""

    def __init__(self, folder, *flags, ready=True):
        self.folder = folder / "net"
        self.log = folder / "up.log"
        self.process = Process(PROGRAM, "devnet", "up", "--folder", self.folder, *flags,
                               log=self.log)
        self.ready = ready

    def __enter__(self):
        try:
            wait_until(lambda: (self.folder / "devnet.json").exists(), 20, self.process.logged)
            self.told = json.loads((self.folder / "devnet.json").read_text())
            if self.ready:
                self.wait_for(lambda s: s["state"] == "ready", 30)
        except BaseException:
            self.process.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.__exit__()
        left = processes_of(self.folder)
        assert not left, f"left behind: {left}"

    def get(self, path):
        with urllib.request.urlopen(self.told["control"] + path, timeout=10) as answer:
            return json.loads(answer.read())

    def state(self):
        return self.get("/api/state")

    def node(self, name, state=None):
        return next(n for n in (state or self.state())["nodes"] if n["name"] == name)

    def role(self, name, state=None):
        return next(r for r in (state or self.state())["roles"] if r["name"] == name)

    def wait_for(self, shows, seconds=20):
        """Waits until the state shows something; gives that state."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if shows(state):
                return state
            time.sleep(0.05)
        raise AssertionError(json.dumps(state, indent=1)[:6000])

    def do(self, *words, ok=True):
        r = run(PROGRAM, "devnet", *words, "--folder", self.folder)
        assert (r.returncode == 0) == ok, (words, r.stdout, r.stderr)
        return r.stdout + r.stderr

    def rpc(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(self.told["addresses"]["chain.rpc"], body.encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["result"]

    def block_of(self, tx):
        """The block that holds a transaction on the chain, or None."""
        receipt = self.rpc("eth_getTransactionReceipt", tx)
        return self.rpc("eth_getBlockByNumber", receipt["blockNumber"], False) if receipt else None


def winner(block):
    return bytes.fromhex(block["extraData"][2:]).decode()


def landed(state, node=None):
    return [o for o in state["orders"] if o["state"] == "landed" and node in (None, o["node"])]


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


@case
def the_chain_holds_what_is_told():
    """An order sent through each node lands; blocks are the named builder's; bids are counted."""
    with Folder() as folder, Devnet(folder) as net:
        names = [n["name"] for n in net.told["nodes"]]
        state = net.wait_for(lambda s: all(landed(s, n) for n in names), 40)
        for order in landed(state):
            block = net.block_of(order["tx"])
            assert block and int(block["number"], 16) == order["block"], order
            assert order["tx"] in block["transactions"] and winner(block) == order["winner"], order
        won = [s for s in state["slots"] if not s["missed"] and s["by_relay"]]
        assert won and all(s["winner"] in names and int(s["value_wei"]) > 0 for s in won), won
        for s in won:
            # The proposer was paid what the winning bid said: its balance says so.
            block = net.rpc("eth_getBlockByNumber", hex(s["number"]), True)
            payment = block["transactions"][-1]
            assert int(payment["value"], 16) == int(s["value_wei"]), (s, payment)


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
        slot = lines[-1]["slot"]
        assert "chain" in net.do("logs", "--of-slot", str(slot))
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


@case
def other_sites_pages_cannot_command_it():
    """A foreign Origin or Host is refused."""
    with Folder() as folder, Devnet(folder, ready=False) as net:
        body = json.dumps({"words": ["down"]}).encode()
        for header in ({"Origin": "http://example.org"}, {"Host": "example.org"}):
            request = urllib.request.Request(net.told["control"] + "/api/command", body, header)
            try:
                urllib.request.urlopen(request, timeout=10)
                raise AssertionError(f"{header} was let in")
            except urllib.error.HTTPError as e:
                assert e.code == 403, e


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
