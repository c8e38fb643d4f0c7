"""The builder with its state from another execution client (anvil): proofs, and lies about them."""
import http.client
import json
import queue
import threading
import time

import wallet
from harness import (Folder, PROGRAM, Process, Skip, case, free_port, is_listening, main, request, run,
                     wait_until)
from npm import packages
from relay_stub import Server, Tool, hex_of, key_of

FOUNDRY = {"@foundry-rs/anvil": "1.7.1", "@foundry-rs/cast": "1.7.1"}
CHAIN = 1337
BUILDER_KEY = int("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d", 16)
BUILDER = "0x" + wallet.address(BUILDER_KEY).hex()
PROPOSER = hex_of(0xFE, 20)
GAS_LIMIT = 30_000_000
SLOT = 4
COUNTER = bytes([0xC1] + [0] * 19)
COUNTER_CODE = "5f35546001015f355500"  # sstore(calldata[0], sload(calldata[0]) + 1)
PAY = bytes([0xC2] + [0] * 19)
PAY_CODE = "5f5f5f5f34415af15000"


def anvil_program():
    folder = packages("foundry", FOUNDRY) / "node_modules/@foundry-rs"
    found = sorted(folder.glob("anvil-*/bin/anvil"))
    if not found:
        raise Skip("npm has no anvil for this machine")
    return found[0]


def rpc(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    status, _, answer = request(port, "POST", "/", body, {"Content-Type": "application/json"},
                                tls=False)
    answer = json.loads(answer)
    assert status == 200 and "error" not in answer, (method, status, answer)
    return answer["result"]


class Beacon(Server):
    """Tells which blocks are to be built."""

    def __init__(self):
        self.events = queue.Queue()
        super().__init__()

    def get(self, handler):
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        while True:
            event = self.events.get()
            if event is None:
                return
            handler.wfile.write(f"event: payload_attributes\ndata: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()

    def close(self):
        self.events.put(None)
        super().close()


class Relay(Server):
    """Has every slot's proposer registered and keeps what builders submit."""

    def __init__(self, pubkey):
        self.pubkey = pubkey
        self.submissions = []
        super().__init__()

    def get(self, handler):
        self.answer(handler, 200, [
            {"slot": str(slot), "validator_index": "1", "entry": {
                "message": {"fee_recipient": PROPOSER, "gas_limit": str(GAS_LIMIT),
                            "timestamp": "1", "pubkey": self.pubkey},
                "signature": hex_of(0, 96)}} for slot in range(1000)])

    def post(self, handler, body):
        self.submissions.append(json.loads(body))
        self.answer(handler, 200, {})


class Liar(Server):
    """Passes calls on to the client, and changes its proofs while `lie` says how."""

    def __init__(self, port):
        self.port_behind = port
        self.lie = None
        self.told = 0
        super().__init__()

    def post(self, handler, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port_behind, timeout=20)
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        if self.lie and json.loads(body)["method"] == "eth_getProof" and "result" in answer:
            self.told += 1
            self.lie(answer["result"])
        self.answer(handler, 200, answer)


class World:
    """Anvil with contracts and rich senders, a beacon node and a relay that are only voices."""

    def __init__(self, folder):
        self.folder = folder
        self.tool = Tool()
        self.beacon, self.relay = Beacon(), Relay(self.tool.pubkey(key_of(5)))
        self.port, self.rpc_port = free_port(), free_port()
        self.senders = [0x2000 + i for i in range(6)]
        self.nonces = {key: 0 for key in self.senders}
        self.slot = 10
        self.processes = []

    def start_anvil(self):
        process = Process(anvil_program(), "--port", self.port, "--chain-id", CHAIN, "--hardfork", "cancun",
                          "--gas-limit", GAS_LIMIT, "--no-mining", "--order", "fifo", "--silent",
                          "--ipc", self.folder / "anvil.ipc", log=self.folder / "anvil.log")
        self.processes.append(process.__enter__())
        wait_until(lambda: is_listening(self.port), 30, "anvil does not listen")
        for key in self.senders:
            self.anvil("anvil_setBalance", "0x" + wallet.address(key).hex(), hex(10**21))
        self.anvil("anvil_setBalance", BUILDER, hex(10**20))
        self.anvil("anvil_setCode", "0x" + COUNTER.hex(), "0x" + COUNTER_CODE)
        self.anvil("anvil_setCode", "0x" + PAY.hex(), "0x" + PAY_CODE)
        for number in range(40):
            self.anvil("anvil_setStorageAt", "0x" + COUNTER.hex(), hex(number),
                       "0x" + f"{number + 1:064x}")
        self.mine()

    def start_builder(self, *more):
        doc = json.loads(run(PROGRAM, "node", "dev-genesis").stdout)
        for fork in ("pragueTime", "osakaTime", "bpo1Time", "bpo2Time"):
            doc["config"].pop(fork, None)
        (self.folder / "genesis.json").write_text(json.dumps(doc))
        process = Process(PROGRAM, "builder", "--chain", self.folder / "genesis.json",
                          "--node", f"ws://127.0.0.1:{self.port}", "--beacon", self.beacon.url,
                          "--config", self.config(), "--genesis-fork-version", "0x20000089",
                          "--rpc-ip", "127.0.0.1", "--rpc-port", self.rpc_port,
                          "--full-telemetry-port", "0", "--redacted-telemetry-port", "0",
                          "--slot-duration", f"{SLOT}s", "--bids-after", "3s",
                          "--log-level", "debug", *more, log=self.folder / "builder.log")
        self.processes.append(process.__enter__())
        wait_until(lambda: "event=node_synced" in self.log() or not process.running(), 30,
                   "the builder does not follow")
        assert process.running(), self.log()
        wait_until(lambda: is_listening(self.rpc_port), 10)
        return process

    def config(self):
        path = self.folder / "builder.toml"
        path.write_text(f"""coinbase_secret_key = "{BUILDER_KEY:064x}"
relay_secret_key = "{'00' * 31 + '2b'}"
live_builders = ["mp-ordering"]
[[relays]]
name = "voice"
url = "{self.relay.url}"
use_ssz_for_submit = false
use_gzip_for_submit = false
""")
        return path

    def log(self):
        path = self.folder / "builder.log"
        return path.read_text() if path.exists() else ""

    def anvil(self, method, *params):
        return rpc(self.port, method, *params)

    def mine(self, timestamp=None, coinbase=None):
        """A block of what waits; gives it."""
        if coinbase:
            self.anvil("anvil_setCoinbase", coinbase)
        parent = self.anvil("eth_getBlockByNumber", "latest", False)
        self.anvil("evm_mine", hex(timestamp or int(parent["timestamp"], 16) + 1))
        return self.anvil("eth_getBlockByNumber", "latest", True)

    def tx(self, key, to, data=b"", value=0, tip=10**9, gas=120000):
        nonce, self.nonces[key] = self.nonces[key], self.nonces[key] + 1
        return "0x" + wallet.transaction(key, nonce, CHAIN, to, value, gas, data, tip, 10**11).hex()

    def count(self, key, slot):
        return self.tx(key, COUNTER, slot.to_bytes(32, "big"))

    def send(self, *raws):
        for raw in raws:
            self.anvil("eth_sendRawTransaction", raw)

    def bundle(self, block, *raws):
        answer = rpc(self.rpc_port, "eth_sendBundle", {"txs": list(raws), "blockNumber": hex(block)})
        assert answer is None

    def build(self, *orders):
        """Has a block built on anvil's head from bundles; gives its payload with the bid."""
        head = self.anvil("eth_getBlockByNumber", "latest", False)
        number = int(head["number"], 16) + 1
        wait_until(lambda: f"event=block_imported block={number - 1} " in self.log() or
                   f"block={number - 1} hash=" in self.log(), 15, f"block {number - 1} is not known")
        self.slot += 1
        timestamp = max(int(time.time()) + 1, int(head["timestamp"], 16) + 1)
        self.relay.submissions.clear()
        for order in orders:
            self.bundle(number, *order)
        self.beacon.events.put({"version": "deneb", "data": {
            "proposer_index": "1", "proposal_slot": str(self.slot),
            "parent_block_number": str(number - 1), "parent_block_root": hex_of(0, 32),
            "parent_block_hash": head["hash"],
            "payload_attributes": {"timestamp": str(timestamp), "prev_randao": hex_of(0, 32),
                                   "suggested_fee_recipient": PROPOSER, "withdrawals": [],
                                   "parent_beacon_block_root": hex_of(0, 32)}}})
        txs = sum(len(order) for order in orders) + 1
        return wait_until(lambda: next((s for s in reversed(self.relay.submissions) if len(
            s["execution_payload"]["transactions"]) == txs), None), 12, "no bid comes")

    def check_block(self, submission):
        """Anvil makes the same block of the same transactions."""
        payload = submission["execution_payload"]
        self.send(*payload["transactions"])
        block = self.mine(int(payload["timestamp"]), payload["fee_recipient"])
        self.anvil("anvil_setCoinbase", hex_of(0, 20))
        assert len(block["transactions"]) == len(payload["transactions"]), block
        assert int(block["gasUsed"], 16) == int(payload["gas_used"])
        assert block["receiptsRoot"] == payload["receipts_root"], (block, payload)
        assert block["stateRoot"] == payload["state_root"], (block, payload)
        paid = (int(self.anvil("eth_getBalance", PROPOSER, block["number"]), 16) - int(
            self.anvil("eth_getBalance", PROPOSER, hex(int(block["number"], 16) - 1)), 16))
        assert paid == int(submission["message"]["value"]) > 0

    def __enter__(self):
        try:
            self.start_anvil()
        except BaseException:
            self.__exit__(None)
            raise
        return self

    def __exit__(self, kind, *_):
        for process in reversed(self.processes):
            process.__exit__()
        self.beacon.close()
        self.relay.close()
        self.tool.close()
        if kind:
            print(self.log()[-5000:])


@case
def blocks_on_another_clients_head_have_the_state_that_it_makes_of_them():
    """Blocks of anvil are executed on proofs; blocks built on its head come to the state, receipts and
    gas of the block that anvil makes of the same transactions; nothing of the chain below is executed.
    (No slot is cleared: anvil leaves such in its tries, as no other client does.)"""
    with Folder() as folder, World(folder) as w:
        w.send(*[w.count(key, number) for number, key in enumerate(w.senders)])
        w.mine()
        w.start_builder("--state-rpc", f"http://127.0.0.1:{w.port}")
        assert "event=state_from_node block=2 " in w.log(), w.log()
        for turn in range(4):
            w.send(*[w.count(key, 7 * turn + number) for number, key in enumerate(w.senders)])
            w.mine()
        assert "event=block_invalid" not in w.log(), w.log()
        for turn in range(3):
            orders = [[w.count(key, 11 * turn + number), w.tx(key, PAY, value=10**15)]
                      for number, key in enumerate(w.senders)]
            w.check_block(w.build(*orders))
        assert "event=state_refused" not in w.log()


@case
def the_state_comes_over_ipc_too():
    """The client's Unix socket in the place of its URL."""
    with Folder() as folder, World(folder) as w:
        w.start_builder("--state-rpc", folder / "anvil.ipc")
        w.check_block(w.build([w.count(w.senders[0], 3), w.tx(w.senders[0], PAY, value=10**15)]))


@case
def a_client_that_lies_gets_no_block():
    """Proofs that do not hold are errors: no bid is made of them, and bids come when they hold again."""
    def balance(proof):
        proof["balance"] = hex(int(proof["balance"], 16) + 10**18)

    def slots(proof):
        for slot in proof["storageProof"]:
            slot["value"] = hex(int(slot["value"], 16) + 1)

    def nodes(proof):
        last = proof["accountProof"][-1]
        proof["accountProof"][-1] = last[:-4] + ("0" if last[-4] != "0" else "1") + last[-3:]
    with Folder() as folder, World(folder) as w:
        liar = Liar(w.port)
        try:
            w.start_builder("--state-rpc", liar.url)
            for number, lie in enumerate((balance, slots, nodes)):
                key = w.senders[number]
                liar.lie, liar.told = lie, 0
                try:
                    w.build([w.count(key, 3 * number), w.tx(key, PAY, value=10**15)])
                    raise AssertionError("a bid was made of a lie")
                except AssertionError as why:
                    assert "no bid comes" in str(why), why
                assert liar.told and "event=state_refused" in w.log(), w.log()
                liar.lie = None
                w.nonces[key] -= 2
                w.check_block(w.build([w.count(key, 3 * number), w.tx(key, PAY, value=10**15)]))
        finally:
            liar.close()


@case
def a_reorganisation_within_a_slot_moves_the_work():
    """Another head of the same height while a slot is bid for: what leaves after the consensus client has
    named it stands on the new one, with its state, and pays once."""
    with Folder() as folder, World(folder) as w:
        w.start_builder("--state-rpc", f"http://127.0.0.1:{w.port}")
        order = [w.count(w.senders[0], 2), w.tx(w.senders[0], PAY, value=10**15)]
        for _ in range(2):
            fee = w.mine()["baseFeePerGas"]
            old = w.build(order)["message"]["parent_hash"]
            w.anvil("anvil_rollback", 1)  # but for the base fee
            w.anvil("anvil_setNextBlockBaseFeePerGas", fee)
            parent = w.anvil("eth_getBlockByNumber", "latest", False)
            head = w.mine(int(parent["timestamp"], 16) + 2)["hash"]
            assert head != old
            w.slot -= 1  # it is the same slot
            submission = w.build(order)
            assert submission["message"]["parent_hash"] == head, submission["message"]
            assert {s["message"]["parent_hash"] for s in w.relay.submissions} == {head}
        w.check_block(submission)
        assert "block_invalid" not in w.log()


@case
def a_client_that_is_not_there_is_named():
    """Without the client the builder does not start, and says why."""
    with Folder() as folder:
        port = free_port()
        genesis = folder / "genesis.json"
        genesis.write_text(run(PROGRAM, "node", "dev-genesis").stdout)
        done = run(PROGRAM, "builder", "--chain", genesis, "--state-rpc", f"http://127.0.0.1:{port}",
                   "--coinbase-secret-key", f"{BUILDER_KEY:064x}", "--relay-secret-key", "00" * 31 + "2b",
                   "--relay", "http://127.0.0.1:1", "--full-telemetry-port", "0",
                   "--redacted-telemetry-port", "0", "--rpc-port", "0")
        assert done.returncode != 0 and "state-rpc" in done.stderr, done.stderr


main()
