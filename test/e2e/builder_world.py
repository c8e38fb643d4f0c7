"""The builder's surroundings for its tests: a node that plays the consensus layer, a relay, senders."""
import json
import signal

import wallet
from harness import PROGRAM, Process, free_port, is_listening, request, run, wait_until

RELAY_KEY = "00" * 31 + "2a"
BUILDER_KEY = int("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d", 16)
BLS_KEY = "00" * 31 + "2b"
PROPOSER = "0x" + "77" * 20
GAS_FEE = 100 * 10**9
FINNEY = 10**15
CHAIN = 1337
PAY, REVERT, ONCE, BURN = (bytes([0xC0] + [0] * 18 + [n]) for n in (1, 2, 3, 4))
CODE_PAY = "5f5f5f5f34415af15000"
CODES = {PAY: CODE_PAY, REVERT: "5f5ffd", ONCE: "5f54156009575f5ffd5b60015f55" + CODE_PAY,
         BURN: "5b6104005f20506107d05a115f5700"  # hashes until the gas is gone
         }


def rpc(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    status, _, answer = request(port, "POST", "/", body, {"Content-Type": "application/json"},
                                tls=False)
    assert status == 200, (status, answer)
    return json.loads(answer)


class Sender:
    """A rich account of the genesis, with its next nonce."""

    def __init__(self, key):
        self.key, self.nonce = key, 0
        self.address = "0x" + wallet.address(key).hex()

    def tx(self, to=PAY, value=0, tip=0, gas=100000, nonce=None):
        if nonce is None:
            nonce, self.nonce = self.nonce, self.nonce + 1
        raw = wallet.transaction(self.key, nonce, CHAIN, to, value, gas, b"", tip, GAS_FEE)
        return "0x" + raw.hex(), "0x" + wallet.keccak(raw).hex()


class World:
    """A node that plays the consensus layer, a relay that has every block validated, a builder."""

    def __init__(self, folder, slot="1s"):
        self.folder, self.slot = folder, slot
        names = ("http", "ws", "engine", "beacon", "relay", "rpc", "full", "redacted")
        self.port = {name: free_port() for name in names}
        self.senders = [Sender(0x1000 + i) for i in range(12)]
        self.genesis = folder / "genesis.json"
        self.processes = {}
        doc = json.loads(run(PROGRAM, "node", "dev-genesis").stdout)
        for address, code in CODES.items():
            doc["alloc"]["0x" + address.hex()] = {"balance": "0x0", "code": "0x" + code}
        for sender in self.senders:
            doc["alloc"][sender.address] = {"balance": hex(10**21)}
        self.genesis.write_text(json.dumps(doc))

    def url(self, name, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port[name]}"

    def address(self, name):
        return f"127.0.0.1:{self.port[name]}"

    def start_node(self, *more):
        pubkey = run(PROGRAM, "relay", "pubkey", "--secret-key", RELAY_KEY).stdout.strip()
        self.start("node", "--genesis", self.genesis, "--slots", self.slot, "--slots-per-epoch", "4",
                   "--validators", "8", "--http-addr", self.address("http"), "--ws-addr",
                   self.address("ws"), "--engine-addr", self.address("engine"), "--metrics-addr", "",
                   "--beacon-addr", self.address("beacon"), "--data-folder", self.folder / "chain",
                   "--relay", f"http://{pubkey}@{self.address('relay')}", "--fee-recipient", PROPOSER,
                   "--jwt-secret", self.folder / "jwt", *more)
        wait_until(lambda: is_listening(self.port["beacon"]), 15, "the node does not listen")

    def start_relay(self, *more):
        self.start("relay", "--listen-addr", self.address("relay"), "--beacon", self.url("beacon"),
                   "--validation", self.url("http"), "--database", self.folder / "relay.db",
                   "--secret-key", RELAY_KEY, *more)

    def start_builder(self, *more, env=None):
        options = {"--chain": self.genesis, "--node": self.url("ws", "ws"),
                   "--beacon": self.url("beacon"),
                   "--coinbase-secret-key": f"{BUILDER_KEY:064x}", "--relay-secret-key": BLS_KEY,
                   "--genesis-fork-version": "0x20000089", "--rpc-ip": "127.0.0.1",
                   "--rpc-port": self.port["rpc"], "--full-telemetry-ip": "127.0.0.1",
                   "--full-telemetry-port": self.port["full"], "--redacted-telemetry-ip": "127.0.0.1",
                   "--redacted-telemetry-port": self.port["redacted"], "--subsidy": "0.0001",
                   "--slot-duration": self.slot, "--orders-socket": self.folder / "orders.sock",
                   "--records-folder": self.folder / "records", "--bid-policy": "fraction",
                   "--bid-fraction": "0.5"}
        if "--config" not in more:
            options["--relay"] = self.url("relay")
        options = {name: value for name, value in options.items() if name not in more}
        self.start("builder", *[str(x) for pair in options.items() for x in pair], *more, env=env)

    def start(self, name, *options, env=None):
        process = Process(PROGRAM, name, *options, env=env, log=self.folder / f"{name}.log")
        process.__enter__()
        self.processes[name] = process

    def stop(self, name, how=signal.SIGTERM):
        process = self.processes.pop(name, None)
        if not process:
            return
        if process.running():
            process.signal(how)
            process.wait(20)
        process.__exit__()
        good = process.popen.returncode in (0, -signal.SIGKILL)
        assert good or how == signal.SIGKILL, (name, process.popen.returncode, process.logged()[-3000:])

    def __enter__(self):
        self.start_node()
        self.start_relay()
        self.start_builder()
        self.wait_won(2, 40)
        return self

    def __exit__(self, kind, *_):
        for name in ("builder", "relay", "node"):
            try:
                self.stop(name)
            except AssertionError:
                if not kind:
                    raise
        if kind:
            for name in ("node", "relay", "builder"):
                print(f"-- {name}\n", (self.folder / f"{name}.log").read_text()[-3000:])

    def node(self, method, *params):
        answer = rpc(self.port["http"], method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def builder(self, method, *params):
        return rpc(self.port["rpc"], method, *params)

    def head(self):
        return int(self.node("eth_blockNumber"), 16)

    def won(self):
        return (self.folder / "builder.log").read_text().count("event=block_landed")

    def wait_won(self, more, seconds=20):
        target = self.won() + more
        wait_until(lambda: self.won() >= target, seconds, "no bid wins")

    def receipt(self, tx_hash, seconds=15):
        return wait_until(lambda: self.node("eth_getTransactionReceipt", tx_hash), seconds,
                          f"{tx_hash} is not included")

    def balance(self, address, block="latest"):
        return int(self.node("eth_getBalance", address, block), 16)
