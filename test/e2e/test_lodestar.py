"""A real consensus client from npm drives `buildernet node`: Lodestar, the version that is whole
there, on a devnet of Capella with the minimal preset."""
import http.server
import json
import pathlib
import signal
import threading
import time
import urllib.error
import urllib.request

from harness import PROGRAM, Folder, Process, case, free_port, is_listening, main, need, wait_until
from npm import packages
from wallet import transaction

LODESTAR = "1.5.1"
PARTS = ("api", "beacon-node", "config", "db", "light-client", "params", "state-transition",
         "types", "utils", "validator", "fork-choice", "reqresp")
OVERRIDES = {**{f"@lodestar/{p}": LODESTAR for p in PARTS}, "@libp2p/tcp": "6.1.2",
             "@multiformats/multiaddr": "11.6.1", "@multiformats/mafmt": "11.1.0"}
CHAIN_ID, KEY = 1337, 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
GENESIS = {
    "config": {**{f"{f}Block": 0 for f in ("homestead", "eip150", "eip155", "eip158", "byzantium",
                                           "constantinople", "petersburg", "istanbul", "berlin",
                                           "london", "mergeNetsplit")},
               "chainId": CHAIN_ID, "terminalTotalDifficulty": 0,
               "terminalTotalDifficultyPassed": True, "shanghaiTime": 0},
    "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
    "difficulty": "0x0", "mixHash": "0x" + "00" * 32, "coinbase": "0x" + "00" * 20,
    "alloc": {"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266": {"balance": "0x21e19e0c9bab2400000"},
              "0x70997970C51812dc3A010C7d01b50e0d17dc79C8": {"balance": "0x21e19e0c9bab2400000"}},
    "baseFeePerGas": "0x3b9aca00"}
PARAMETERS = """PRESET_BASE: minimal
CONFIG_NAME: devnet
SECONDS_PER_SLOT: 2
MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 8
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_EPOCH: 0
CAPELLA_FORK_EPOCH: 0
TERMINAL_TOTAL_DIFFICULTY: 0
"""
SLOTS = 32


def rpc(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["result"]


def rest(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def consensus(folder, where, genesis_hash, http, engine, beacon, *more):
    """Lodestar with its validators; a Node.js without Promise.withResolvers gets one."""
    (folder / "params.yaml").write_text(PARAMETERS)
    (folder / "poly.cjs").write_text(
        "if(!Promise.withResolvers)Promise.withResolvers=function(){let a,b;"
        "const p=new this((x,y)=>{a=x;b=y});return{promise:p,resolve:a,reject:b}};\n")
    program = where / "node_modules/@chainsafe/lodestar/bin/lodestar.js"
    if not program.exists():
        program = where / "node_modules/.bin/lodestar"
    return Process(need("node"), program, "dev", "--network", "dev", "--paramsFile",
                   folder / "params.yaml", "--dataDir", folder / "cl", "--reset",
                   "--genesisTime", str(int(time.time())),  # before validators register
                   "--genesisValidators", "8", "--startValidators", "0..7", "--genesisEth1Hash",
                   genesis_hash, "--eth1", "true", "--eth1.providerUrls",
                   f"http://127.0.0.1:{http}", "--execution.urls", f"http://127.0.0.1:{engine}",
                   "--jwt-secret", folder / "jwt.hex", "--rest.address", "127.0.0.1",
                   "--rest.port", str(beacon), "--beaconNodes", f"http://127.0.0.1:{beacon}",
                   "--rest.namespace", "*", "--discv5", "false",
                   "--listenAddress", "127.0.0.1", "--port", str(free_port()), "--targetPeers", "0",
                   "--suggestedFeeRecipient", "0x" + "00" * 19 + "fe", "--logFile", "none",
                   *more, cwd=folder,
                   env={"LODESTAR_PRESET": "minimal",
                        "NODE_OPTIONS": f"--require={folder / 'poly.cjs'}"},
                   log=folder / "lodestar.log")


@case
def lodestar_builds_its_chain_here():
    """A block for each of many slots in a row, with users' transactions, until blocks are final."""
    where = packages("lodestar", {"@chainsafe/lodestar": LODESTAR}, OVERRIDES, timeout=600)
    with Folder() as folder:
        (folder / "genesis.json").write_text(json.dumps(GENESIS))
        (folder / "jwt.hex").write_text("11" * 32)
        (folder / "jwt.hex").chmod(0o600)
        http, engine, beacon = free_port(), free_port(), free_port()
        with Process(PROGRAM, "node", "--genesis", folder / "genesis.json", "--data-folder",
                     folder / "el", "--http-addr", f"127.0.0.1:{http}", "--ws-addr", "",
                     "--engine-addr", f"127.0.0.1:{engine}", "--jwt-secret", folder / "jwt.hex",
                     "--metrics-addr", "", log=folder / "node.log"):
            wait_until(lambda: is_listening(engine))
            genesis = rpc(http, "eth_getBlockByNumber", "0x0", False)
            with consensus(folder, pathlib.Path(where), genesis["hash"], http, engine, beacon):
                wait_until(lambda: int(rpc(http, "eth_blockNumber"), 16) >= 2, 60,
                           "no block came from the consensus client")
                sent = [rpc(http, "eth_sendRawTransaction",
                            "0x" + transaction(KEY, i, chain=CHAIN_ID, fee=10**11).hex())
                        for i in range(5)]
                wait_until(lambda: int(rpc(http, "eth_blockNumber"), 16) >= SLOTS, 4 * SLOTS,
                           "the chain stands still")
                for h in sent:
                    assert rpc(http, "eth_getTransactionReceipt", h)["status"] == "0x1"
                blocks = [rpc(http, "eth_getBlockByNumber", hex(i), False)
                          for i in range(1, SLOTS + 1)]
                times = [int(b["timestamp"], 16) for b in blocks]
                assert times[-1] - times[0] == 2 * (SLOTS - 1), "a slot was lost"
                assert {b["miner"] for b in blocks} == {"0x" + "00" * 19 + "fe"}

                def final():
                    block = rpc(http, "eth_getBlockByNumber", "finalized", False)
                    return block and int(block["number"], 16)
                wait_until(final, 60, "nothing is final")
                assert rest(beacon, "/eth/v1/beacon/headers/head")


class Events(threading.Thread):
    """What this version of the client does not tell: payload attributes, worked out of its state;
    and its heads. Everything else is passed on to it."""

    def __init__(self, beacon):
        super().__init__(daemon=True)
        self.beacon, self.port, self.stopping = beacon, free_port(), False
        self.lock, self.streams, self.last = threading.Lock(), [], b""
        events = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                if "/validators?" in self.path:  # it takes no list of states
                    self.path = self.path.split("?")[0]
                names = ("content-type", "accept", "eth-consensus-version")
                headers = {k: v for k, v in self.headers.items() if k.lower() in names}
                q = urllib.request.Request(f"http://127.0.0.1:{events.beacon}{self.path}", body,
                                           headers, method=self.command)
                try:
                    with urllib.request.urlopen(q, timeout=10) as a:
                        status, text = a.status, a.read()
                except urllib.error.HTTPError as why:
                    status, text = why.code, why.read()
                if self.path == "/eth/v1/beacon/genesis":  # it names the fork that is on
                    text = text.replace(b"0x03000001", b"0x00000001")
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self):
                self.pass_on()

            def do_GET(self):
                if not self.path.startswith("/eth/v1/events"):
                    self.pass_on()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b": hello\n\n" + events.last)
                self.wfile.flush()
                with events.lock:
                    events.streams.append(self.wfile)
                while not events.stopping:
                    time.sleep(0.2)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tell(self, kind, data):
        text = f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
        if kind == "payload_attributes":
            self.last = text
        with self.lock:
            for stream in list(self.streams):
                try:
                    stream.write(text)
                    stream.flush()
                except OSError:
                    self.streams.remove(stream)

    def attributes(self, head, genesis_time):
        state = rest(self.beacon, "/eth/v2/debug/beacon/states/head")
        slot = int(head["header"]["message"]["slot"])
        payload = state["latest_execution_payload_header"]
        duties = rest(self.beacon, f"/eth/v1/validator/duties/proposer/{(slot + 1) // 8}")
        duty = next(d for d in duties if int(d["slot"]) == slot + 1)
        return {"version": "capella", "data": {
            "proposer_index": duty["validator_index"], "proposal_slot": str(slot + 1),
            "parent_block_number": payload["block_number"], "parent_block_root": head["root"],
            "parent_block_hash": payload["block_hash"], "payload_attributes": {
                "timestamp": str(genesis_time + 2 * (slot + 1)),
                "prev_randao": state["randao_mixes"][slot // 8 % 64],
                "suggested_fee_recipient": "0x" + "00" * 19 + "fe", "withdrawals": []}}}

    def run(self):
        known, genesis_time = None, None
        while not self.stopping:
            time.sleep(0.05)
            try:
                genesis_time = genesis_time or int(
                    rest(self.beacon, "/eth/v1/beacon/genesis")["genesis_time"])
                head = rest(self.beacon, "/eth/v1/beacon/headers/head")
                if head["root"] == known:
                    continue
                message = head["header"]["message"]
                self.tell("head", {"slot": message["slot"], "block": head["root"],
                                   "state": message["state_root"], "epoch_transition": False})
                self.tell("payload_attributes", self.attributes(head, genesis_time))
                known = head["root"]
            except (TypeError, KeyError, StopIteration, OSError, ValueError):
                continue  # not there yet

    def stop(self):
        self.stopping = True
        self.server.shutdown()


@case
def lodestar_takes_blocks_of_our_relay_and_builder():
    """Blocks come through relay and builder; the relay dies and comes back, and no slot is lost."""
    where = packages("lodestar", {"@chainsafe/lodestar": LODESTAR}, OVERRIDES, timeout=600)
    with Folder() as folder:
        (folder / "genesis.json").write_text(json.dumps(GENESIS))
        (folder / "jwt.hex").write_text("11" * 32)
        (folder / "jwt.hex").chmod(0o600)
        ports = {name: free_port() for name in ("http", "engine", "beacon", "relay")}
        events = Events(ports["beacon"])
        relay_url = f"http://127.0.0.1:{ports['relay']}"

        def relay():
            return Process(PROGRAM, "relay", "--listen-addr", f"127.0.0.1:{ports['relay']}",
                           "--secret-key", "5eae315483f028b5cdd5d1090ff0c7618b18737ea9bf3c35047189db"
                           "22835c48", "--beacon", f"http://127.0.0.1:{events.port}", "--validation",
                           f"http://127.0.0.1:{ports['http']}", "--publish-path",
                           "/eth/v1/beacon/blocks", "--header-cutoff", "1500ms", "--payload-cutoff",
                           "1900ms", "--database", folder / "relay.db",
                           log=folder / "relay.log")

        def by_builder():
            last = int(rpc(ports["http"], "eth_blockNumber"), 16)
            blocks = [rpc(ports["http"], "eth_getBlockByNumber", hex(i), False)
                      for i in range(1, last + 1)]
            mark = "0x" + b"from the builder".hex()
            return [b["extraData"] == mark for b in blocks], blocks

        with Process(PROGRAM, "node", "--genesis", folder / "genesis.json", "--http-addr",
                     f"127.0.0.1:{ports['http']}", "--ws-addr", "", "--engine-addr",
                     f"127.0.0.1:{ports['engine']}", "--jwt-secret", folder / "jwt.hex",
                     "--metrics-addr", "", log=folder / "node.log"):
            wait_until(lambda: is_listening(ports["engine"]))
            genesis = rpc(ports["http"], "eth_getBlockByNumber", "0x0", False)
            events.start()
            with consensus(folder, pathlib.Path(where), genesis["hash"], ports["http"],
                           ports["engine"], ports["beacon"], "--builder", "true", "--builder.urls",
                           relay_url, "--builder.selection", "builderalways", "--builder.timeout",
                           "500"), \
                    Process(PROGRAM, "builder", "--chain", folder / "genesis.json", "--node",
                            f"ws://127.0.0.1:{ports['http']}", "--beacon",
                            f"http://127.0.0.1:{events.port}", "--relay", relay_url,
                            "--coinbase-secret-key", "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a"
                            "8412f4603b6b78690d", "--relay-secret-key", "25295f0d1d592a90b333e26e85"
                            "149708208e9f8e8bc18f6c77bd62f8ad7a6866", "--genesis-fork-version",
                            "0x00000001", "--extra-data", "from the builder", "--rpc-port", "0",
                            "--full-telemetry-port", "0", "--redacted-telemetry-port", "0",
                            "--slot-duration", "2s", "--subsidy", "0.0001",
                            log=folder / "builder.log"):
                with relay() as first:
                    wait_until(lambda: sum(by_builder()[0]) >= 4, 120, "no block by the builder")
                    first.signal(signal.SIGKILL)
                    first.wait()
                begin = len(by_builder()[0])
                wait_until(lambda: len(by_builder()[0]) >= begin + 3, 20, "the chain stands still")
                with relay():
                    enough = sum(by_builder()[0]) + 2
                    wait_until(lambda: sum(by_builder()[0]) >= enough and
                               len(by_builder()[0]) >= 30, 120, "the builder does not come back")
                blocks = by_builder()[1]
                times = [int(b["timestamp"], 16) for b in blocks]
                # A relay that dies between a signature and its payload costs that slot.
                assert times[-1] - times[0] <= 2 * len(blocks), "slots were lost"
        events.stop()


if __name__ == "__main__":
    main()
