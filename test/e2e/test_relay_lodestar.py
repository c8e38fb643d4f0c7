"""Lodestar, the consensus client, proposes blocks that our builder bids at our relay, on our node."""
import contextlib
import http.client
import json
import os
import queue
import signal
import threading
import time
import urllib.error
import urllib.request

from harness import Folder, PROGRAM, Process, case, free_port, main, wait_until
from npm import LODESTAR_PRELOAD, consensus_client
from relay_stub import Server, hex_of

VERSION = "1.5.1"  # newer ones need packages that the registry does not have
OVERRIDES = {**{f"@lodestar/{name}": VERSION for name in (
    "api", "beacon-node", "config", "db", "light-client", "params", "state-transition", "types",
    "utils", "validator", "fork-choice", "reqresp")},
    "@libp2p/tcp": "6.1.2", "@multiformats/multiaddr": "11.6.1", "@multiformats/mafmt": "11.1.0"}
PARAMS = """PRESET_BASE: minimal
CONFIG_NAME: devnet
SECONDS_PER_SLOT: 2
MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 8
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_EPOCH: 0
CAPELLA_FORK_EPOCH: 0
TERMINAL_TOTAL_DIFFICULTY: 0
"""
SLOTS_PER_EPOCH, MIXES = 8, 64  # minimal preset
RELAY_KEY = "00" * 31 + "2a"
BUILDER_KEY = f"{7:064x}"
COINBASE_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
GENESIS = {
    "config": {"chainId": 1337, **{f"{name}Block": 0 for name in (
        "homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg",
        "istanbul", "berlin", "london", "mergeNetsplit")},
        "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True, "shanghaiTime": 0},
    "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
    "difficulty": "0x0", "mixHash": hex_of(0, 32), "coinbase": hex_of(0, 20), "number": "0x0",
    "gasUsed": "0x0", "parentHash": hex_of(0, 32), "baseFeePerGas": "0x3b9aca00",
    "alloc": {"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266": {"balance": "0x21e19e0c9bab2400000"}}}


def ask(url, body=None):
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None,
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


class Bridge(Server):
    """Lodestar's beacon API with what this version lacks: payload_attributes events, which it makes
    of each head's state."""

    def __init__(self, lodestar):
        self.lodestar, self.streams, self.told, self.failure = lodestar, [], [], None
        super().__init__()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            try:
                with urllib.request.urlopen(self.lodestar + "/eth/v1/events?topics=head",
                                            timeout=60) as events:
                    for line in events:
                        if line.startswith(b"data:"):
                            self.take(json.loads(line[5:]))
            except (OSError, ValueError, KeyError, http.client.HTTPException) as why:
                self.failure = repr(why)
                time.sleep(0.3)

    def take(self, head):
        self.send("head", head)
        slot = int(head["slot"]) + 1
        state = ask(self.lodestar + "/eth/v2/debug/beacon/states/head")["data"]
        parent = state["latest_execution_payload_header"]
        attributes = {
            "timestamp": str(int(state["genesis_time"]) + 2 * slot),
            "prev_randao": state["randao_mixes"][int(state["slot"]) // SLOTS_PER_EPOCH % MIXES],
            "suggested_fee_recipient": hex_of(0xFE, 20), "withdrawals": []}
        self.told.append(slot)
        self.send("payload_attributes", {"version": "capella", "data": {
            "proposer_index": "0", "proposal_slot": str(slot),
            "parent_block_number": parent["block_number"], "parent_block_root": head["block"],
            "parent_block_hash": parent["block_hash"], "payload_attributes": attributes}})

    def send(self, kind, data):
        for events in list(self.streams):
            events.put((kind, data))

    def get(self, handler):
        if not handler.path.startswith("/eth/v1/events"):
            self.proxy(handler, None)
            return
        events = queue.Queue()
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        self.streams.append(events)
        try:
            while True:
                kind, data = events.get()
                handler.wfile.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        finally:
            self.streams.remove(events)

    def post(self, handler, body):
        self.proxy(handler, body)

    def proxy(self, handler, body):
        request = urllib.request.Request(self.lodestar + handler.path, body,
                                         {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.answer(handler, answer.status, answer.read())
        except urllib.error.HTTPError as refusal:
            self.answer(handler, refusal.code, refusal.read())
        except OSError as why:
            self.answer(handler, 502, str(why).encode())


class Network:
    def __init__(self, folder, stack, lodestar):
        self.folder, self.stack = folder, stack
        self.http, self.ws, self.engine, self.relay, self.rest, self.p2p = (
            free_port() for _ in range(6))
        (folder / "genesis.json").write_text(json.dumps(GENESIS))
        (folder / "params.yaml").write_text(PARAMS)
        jwt = folder / "jwt.hex"
        jwt.write_text(os.urandom(32).hex())
        jwt.chmod(0o600)
        self.run("node", "--genesis", folder / "genesis.json", "--data-folder", folder / "chain",
                 "--jwt-secret", jwt, "--http-addr", f"127.0.0.1:{self.http}",
                 "--ws-addr", f"127.0.0.1:{self.ws}", "--engine-addr", f"127.0.0.1:{self.engine}",
                 "--metrics-addr", "")
        genesis = wait_until(self.genesis_hash, 20, "the node does not answer")
        self.url = f"http://127.0.0.1:{self.rest}"
        self.bridge = Bridge(self.url)
        stack.callback(self.bridge.close)
        self.start_relay()
        stack.enter_context(Process(
            "node", lodestar / "node_modules/.bin/lodestar", "dev",
            "--network", "dev", "--paramsFile", folder / "params.yaml", "--dataDir", folder / "cl",
            "--reset", "--genesisValidators", "8", "--startValidators", "0..7",
            "--genesisEth1Hash", genesis, "--eth1", "true",
            "--eth1.providerUrls", f"http://127.0.0.1:{self.http}",
            "--execution.urls", f"http://127.0.0.1:{self.engine}", "--jwt-secret", jwt,
            "--beaconNodes", self.url, "--rest.address", "127.0.0.1", "--rest.port", self.rest, "--rest.namespace", "*",
            "--discv5", "false", "--listenAddress", "127.0.0.1", "--port", self.p2p,
            "--targetPeers", "0", "--suggestedFeeRecipient", hex_of(0xFE, 20), "--logFile", "none",
            "--builder", "true", "--builder.urls", f"http://127.0.0.1:{self.relay}",
            "--builder.selection", "builderalways", "--builder.timeout", "1000",
            cwd=folder, log=folder / "lodestar.log",
            env={"LODESTAR_PRESET": "minimal", "NODE_OPTIONS": f"--require={LODESTAR_PRELOAD}"}))
        self.run("builder", "--chain", folder / "genesis.json", "--node",
                 f"ws://127.0.0.1:{self.ws}", "--beacon", self.bridge.url,
                 "--relay", f"http://127.0.0.1:{self.relay}", "--coinbase-secret-key", COINBASE_KEY,
                 "--relay-secret-key", BUILDER_KEY, "--genesis-fork-version", "0x00000001",
                 "--rpc-port", "0", "--full-telemetry-port", "0", "--redacted-telemetry-port", "0",
                 "--subsidy", "0.01")

    def run(self, *command):
        return self.stack.enter_context(Process(PROGRAM, *command, cwd=self.folder,
                                                log=self.folder / f"{command[0]}.log"))

    def start_relay(self):
        self.relay_process = self.run(
            "relay", "--listen-addr", f"127.0.0.1:{self.relay}", "--beacon", self.bridge.url,
            "--validation", f"http://127.0.0.1:{self.http}", "--database", self.folder / "relay.db",
            "--secret-key", RELAY_KEY, "--publish-path", "/eth/v1/beacon/blocks",
            "--header-cutoff", "1800ms", "--payload-cutoff", "1900ms", "--registration-grace", "10m")

    def genesis_hash(self):
        try:
            return ask(f"http://127.0.0.1:{self.http}", {
                "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber",
                "params": ["0x0", False]})["result"]["hash"]
        except OSError:
            return None

    def head(self):
        try:
            return int(ask(self.url + "/eth/v1/beacon/headers/head")["data"]["header"]["message"]
                       ["slot"])
        except OSError:
            return 0

    def delivered(self):
        try:
            path = "/relay/v1/data/bidtraces/proposer_payload_delivered"
            return {int(row["slot"]): row["block_hash"]
                    for row in ask(f"http://127.0.0.1:{self.relay}{path}")}
        except OSError:
            return {}

    def block(self, slot):
        """The execution block of a slot, None when the slot has no block."""
        try:
            return ask(f"{self.url}/eth/v2/beacon/blocks/{slot}")["data"]["message"]["body"][
                "execution_payload"]["block_hash"]
        except urllib.error.HTTPError:
            return None

    def told(self):
        """What the programs logged last, for a failed test."""
        return f"bridge: told {self.bridge.told[-3:]}, {self.bridge.failure}\n" + "\n".join(f"-- {p.name}\n" + "\n".join(p.read_text(errors="replace").splitlines()[-12:])
                         for p in sorted(self.folder.glob("*.log")))


@case
def lodestar_proposes_through_the_relay():
    """Thirty slots without a gap, some of the builder's, the relay killed and started in between."""
    lodestar = consensus_client("lodestar", {"@chainsafe/lodestar": VERSION}, OVERRIDES)
    with Folder() as folder, contextlib.ExitStack() as stack:
        n = Network(folder, stack, lodestar)
        try:
            wait_until(lambda: n.head() >= 1, 180, "Lodestar does not begin")
            wait_until(lambda: len(n.delivered()) >= 3, 60, "nothing is delivered")
            before = n.delivered()
            n.relay_process.signal(signal.SIGKILL)
            n.relay_process.wait()
            time.sleep(5)
            n.start_relay()
            wait_until(lambda: len(n.delivered()) >= len(before) + 3, 60,
                       "nothing is delivered after the restart")
            wait_until(lambda: n.head() >= 31, 90, "the chain stands still")
            first = {slot: n.block(slot) for slot in range(1, 31)}

            def landed():  # on a busy machine many of the relay's bids come too late
                return [slot for slot, block in n.delivered().items() if n.block(slot) == block]
            wait_until(lambda: len(landed()) >= 5, 120, "few slots went through the relay")
        except AssertionError as why:
            raise AssertionError(f"{why}\n{n.told()}") from None
        missing = [slot for slot, block in first.items() if block is None]
        assert not missing, f"slots without a block: {missing}\n{n.told()}"


if __name__ == "__main__":
    main()
