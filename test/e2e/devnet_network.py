"""A devnet that runs for a case, and what it says about itself."""
import json
import os
import pathlib
import time
import urllib.request

from harness import PROGRAM, Process, run, wait_until


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

    def __init__(self, folder, *flags, ready=True, env=None):
        self.folder = folder / "net"
        self.log = folder / "up.log"
        self.process = Process(PROGRAM, "devnet", "up", "--folder", self.folder, *flags,
                               log=self.log, env=env)
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

    def rpc(self, method, *params, client="chain"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(self.told["addresses"][f"{client}.rpc"], body.encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["result"]

    def blocks(self, first, last):
        """Blocks by their numbers, in requests of a hundred."""
        got = []
        for begin in range(first, last + 1, 100):
            body = json.dumps([{"jsonrpc": "2.0", "id": n, "method": "eth_getBlockByNumber",
                                "params": [hex(n), False]}
                               for n in range(begin, min(begin + 100, last + 1))])
            request = urllib.request.Request(self.told["addresses"]["chain.rpc"], body.encode(),
                                             {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                got += sorted(json.loads(answer.read()), key=lambda a: a["id"])
        return [a["result"] for a in got]

    def block_of(self, tx):
        """The block that holds a transaction on the chain, or None."""
        receipt = self.rpc("eth_getTransactionReceipt", tx)
        return self.rpc("eth_getBlockByNumber", receipt["blockNumber"], False) if receipt else None


def winner(block):
    return bytes.fromhex(block["extraData"][2:]).decode()


def landed(state, node=None):
    return [o for o in state["orders"] if o["state"] == "landed" and node in (None, o["node"])]
