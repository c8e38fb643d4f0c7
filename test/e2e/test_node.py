"""`buildernet node`: the Engine API, slots with relay and builder, followers, crashes."""
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import threading
import time

from harness import (PROGRAM, Folder, Process, Skip, case, free_port, is_listening, main, need, run,
                     wait_until)
from wallet import address, transaction

CHAIN_ID = 1337
KEYS = [int(k, 16) for k in (
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")]
RELAY_KEY = "5eae315483f028b5cdd5d1090ff0c7618b18737ea9bf3c35047189db22835c48"
BUILDER_KEY = "25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866"
KILLS = int(os.environ.get("BN_KILLS", "20"))  # 200 for the long run
ZERO = "0x" + "00" * 32


def token(key, now=None):
    def text(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    message = text(b'{"alg":"HS256","typ":"JWT"}') + b"." + text(
        json.dumps({"iat": int(now or time.time())}).encode())
    return (message + b"." + text(hmac.new(key, message, hashlib.sha256).digest())).decode()


class Failed(Exception):
    """A JSON-RPC error."""

    def __init__(self, error):
        super().__init__(str(error))
        self.code = error["code"]


class Node:
    """A node with all its ports; its folder, when it has one, outlives it."""

    def __init__(self, folder, *options, data=None, name="node"):
        self.http, self.engine, self.metrics = free_port(), free_port(), free_port()
        self.key = bytes(range(32))
        jwt = folder / "jwt.hex"
        if not jwt.exists():
            jwt.write_text(self.key.hex())
            jwt.chmod(0o600)
        command = [PROGRAM, "node", "--http-addr", f"127.0.0.1:{self.http}", "--ws-addr", "",
                   "--engine-addr", f"127.0.0.1:{self.engine}", "--jwt-secret", jwt,
                   "--metrics-addr", f"127.0.0.1:{self.metrics}", *options]
        if data:
            command += ["--data-folder", data]
        self.command, self.log = command, folder / f"{name}.log"

    def __enter__(self):
        self.process = Process(*self.command, log=self.log)
        self.process.__enter__()
        wait_until(lambda: is_listening(self.engine) or not self.process.running(), 30)
        assert self.process.running(), self.log.read_text()[-2000:]
        return self

    def __exit__(self, *what):
        self.process.__exit__(*what)

    def post(self, port, body, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            c.request("POST", "/", body=json.dumps(body), headers={
                "Content-Type": "application/json", **(headers or {})})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def call(self, method, *params):
        engine = method.startswith("engine_")
        headers = {"Authorization": "Bearer " + token(self.key)} if engine else {}
        status, body = self.post(self.engine if engine else self.http, {
            "jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, headers)
        assert status == 200, (status, body)
        answer = json.loads(body)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def block(self, tag="latest"):
        return self.call("eth_getBlockByNumber", tag, False)

    def number(self):
        return int(self.call("eth_blockNumber"), 16)

    def metric(self, name):
        c = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=5)
        c.request("GET", "/metrics")
        lines = c.getresponse().read().decode().splitlines()
        c.close()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " ") or
                    line.startswith(name + "{"))


    def metrics_of(self, name, label):
        """The sum of a metric's series that have the label's value."""
        c = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=5)
        c.request("GET", "/metrics")
        lines = c.getresponse().read().decode().splitlines()
        c.close()
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith(name + "{") and f'"{label}"' in line)


def dev_genesis(folder):
    path = folder / "genesis.json"
    path.write_text(run(PROGRAM, "node", "dev-genesis").stdout)
    return path


def pay(nonce, key=KEYS[0], **options):
    return "0x" + transaction(key, nonce, chain=CHAIN_ID, fee=10**11, **options).hex()


class Driver:
    """A consensus client in a few lines: builds on the head, or on any block."""

    def __init__(self, node, final_distance=4):
        self.node, self.chain, self.final_distance = node, [node.block("0x0")], final_distance

    def state(self, head, chain):
        final = chain[max(0, len(chain) - 1 - self.final_distance)]
        return {"headBlockHash": head["hash"], "safeBlockHash": final["hash"],
                "finalizedBlockHash": final["hash"]}

    def attributes(self, parent, flavour=0):
        return {"timestamp": hex(int(parent["timestamp"], 16) + 12), "withdrawals": [],
                "prevRandao": "0x" + bytes([flavour] * 32).hex(),
                "suggestedFeeRecipient": "0x" + "fe" * 20,
                "parentBeaconBlockRoot": "0x" + "bb" * 32}

    def extend(self, chain=None, flavour=0):
        """One more block on a branch; it becomes the head."""
        chain = self.chain if chain is None else chain
        parent = chain[-1]
        f = self.node.call("engine_forkchoiceUpdatedV3", self.state(parent, chain),
                           self.attributes(parent, flavour))
        assert f["payloadStatus"]["status"] == "VALID" and f["payloadId"], f
        time.sleep(0.02)
        p = self.node.call("engine_getPayloadV5", f["payloadId"])
        payload, requests = p["executionPayload"], p["executionRequests"]
        s = self.node.call("engine_newPayloadV4", payload, [], "0x" + "bb" * 32, requests)
        assert s["status"] == "VALID", s
        chain.append({"hash": payload["blockHash"], "timestamp": payload["timestamp"]})
        f = self.node.call("engine_forkchoiceUpdatedV3", self.state(chain[-1], chain), None)
        assert f["payloadStatus"]["status"] == "VALID", f
        return payload


class WebSocket:
    """As much of RFC 6455 as a test needs: text messages, both ways."""

    def __init__(self, port, headers=""):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.s.sendall((f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        f"{headers}\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            data = self.s.recv(4096)
            assert data, self.buffer
            self.buffer += data
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])

    def take(self, n):
        while len(self.buffer) < n:
            data = self.s.recv(65536)
            assert data, "closed"
            self.buffer += data
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def send(self, value):
        data = json.dumps(value).encode()
        head = bytes([0x81]) + (bytes([0x80 | len(data)]) if len(data) < 126 else
                                bytes([0xfe]) + len(data).to_bytes(2, "big") if len(data) < 65536
                                else bytes([0xff]) + len(data).to_bytes(8, "big"))
        self.s.sendall(head + bytes(4) + data)  # a mask of zeros

    def skip_message(self):
        """Its length, without keeping it; None when the peer closed instead."""
        first, second = self.take(2)
        n = second & 0x7f
        if n >= 126:
            n = int.from_bytes(self.take(2 if n == 126 else 8), "big")
        if first & 0xf == 8:
            return None
        left = n - len(self.buffer)
        self.buffer = self.buffer[n:]
        while left > 0:
            data = self.s.recv(min(left, 1 << 20))
            assert data, f"closed with {left} bytes to come"
            left -= len(data)
        return n

    def receive(self):
        while True:
            first, second = self.take(2)
            n = second & 0x7f
            if n >= 126:
                n = int.from_bytes(self.take(2 if n == 126 else 8), "big")
            data = self.take(n)
            if first & 0xf == 1:
                return json.loads(data)

    def close(self):
        self.s.close()


@case
def development_chain_includes_what_is_sent():
    """A transaction is in a block at once; blocks can be asked for and replaced."""
    with Folder() as folder, Node(folder, "--dev") as node:
        who = "0x" + address(KEYS[0]).hex()
        assert int(node.call("eth_getBalance", who, "latest"), 16) == 10**22
        h = node.call("eth_sendRawTransaction", pay(0, value=5))
        receipt = wait_until(lambda: node.call("eth_getTransactionReceipt", h))
        assert receipt["status"] == "0x1" and receipt["blockNumber"] == "0x1", receipt
        node.call("dev_mine", 2)
        assert node.number() == 3
        try:
            raise AssertionError(node.call("dev_mine", 0))
        except Failed as why:
            assert why.code == -32602, str(why)
        node.call("dev_reorg", 3)  # the block with the transaction goes, and it comes back
        assert node.number() in (4, 5)  # 5: what came back late has a block of its own
        receipt = wait_until(lambda: node.call("eth_getTransactionReceipt", h))
        assert receipt["status"] == "0x1", receipt
        assert node.call("eth_getTransactionCount", who, "latest") == "0x1"


@case
def engine_wants_a_token_and_builds_the_chain():
    """Without a good token nobody drives the node; with one, blocks, branches and bodies work."""
    with Folder() as folder, Node(folder, "--genesis", dev_genesis(folder)) as node, \
            Node(folder, "--genesis", folder / "genesis.json", name="other") as other:
        ask = {"jsonrpc": "2.0", "id": 1, "method": "engine_exchangeCapabilities", "params": [[]]}
        for bad in ({}, {"Authorization": "Bearer x.y.z"},
                    {"Authorization": "Bearer " + token(bytes(32))},
                    {"Authorization": "Bearer " + token(node.key, time.time() - 90)}):
            assert node.post(node.engine, ask, bad)[0] == 401, bad
        assert node.post(node.http, ask)[0] == 200
        assert b"-32601" in node.post(node.http, ask)[1]  # not on the users' port
        d = Driver(node)
        node.call("eth_sendRawTransaction", pay(0))
        node.call("eth_sendRawTransaction", pay(1))
        payload = d.extend()
        assert len(payload["transactions"]) == 2, payload
        d.extend()
        assert node.block()["hash"] == d.chain[-1]["hash"]
        # A longer branch that another node made: the head moves over, the transactions come back.
        elsewhere = Driver(other)
        payloads = [elsewhere.extend(flavour=1) for _ in range(3)]
        branch = elsewhere.chain
        unknown = node.call("engine_newPayloadV4", payloads[2], [], "0x" + "bb" * 32, [])
        assert unknown["status"] == "SYNCING", unknown
        for p in payloads:
            s = node.call("engine_newPayloadV4", p, [], "0x" + "bb" * 32, [])
            assert s["status"] == "VALID", s
        assert node.block()["hash"] == d.chain[-1]["hash"]
        f = node.call("engine_forkchoiceUpdatedV3", d.state(branch[-1], branch), None)
        assert f["payloadStatus"]["status"] == "VALID", f
        assert node.block()["hash"] == branch[-1]["hash"] and node.number() == 3
        assert node.call("txpool_status")["pending"] == "0x2"
        # An ancestor that is named again changes nothing.
        f = node.call("engine_forkchoiceUpdatedV3", d.state(branch[1], branch[:2]),
                      d.attributes(branch[1]))
        assert f["payloadStatus"]["status"] == "VALID" and f["payloadId"] is None, f
        assert node.number() == 3
        bodies = node.call("engine_getPayloadBodiesByHashV1", [d.chain[1]["hash"], ZERO])
        assert len(bodies[0]["transactions"]) == 2 and bodies[1] is None, bodies
        assert len(node.call("engine_getPayloadBodiesByRangeV1", "0x1", "0x10")) == 3
        for method, params, code in (
                ("engine_getPayloadV5", ["0x0000000000000001"], -38001),
                ("engine_getPayloadBodiesByRangeV1", ["0x0", "0x1"], -32602),
                ("engine_getPayloadBodiesByRangeV1", ["0x1", "0x401"], -38004),
                ("engine_getBlobsV1", [[ZERO]], -38005),
                ("engine_forkchoiceUpdatedV3", [{"headBlockHash": branch[-1]["hash"],
                                                 "safeBlockHash": "0x" + "77" * 32,
                                                 "finalizedBlockHash": ZERO}, None], -38002),
                ("engine_forkchoiceUpdatedV3", [d.state(branch[-1], branch), {
                    **d.attributes(branch[-1]), "timestamp": "0x1"}], -38003),
                ("engine_forkchoiceUpdatedV3", [d.state(branch[-1], branch), {
                    **d.attributes(branch[-1]), "withdrawals": [{
                        "index": "0x0", "validatorIndex": "0x0", "address": "0x" + "11" * 20,
                        "amount": "0x1"}] * 30000}], -38003),
                ("engine_forkchoiceUpdatedV2", [d.state(branch[-1], branch),
                                                d.attributes(branch[-1])], -38003)):
            try:
                raise AssertionError(f"{method}: {node.call(method, *params)}")
            except Failed as why:
                assert why.code == code, (method, str(why))
        assert node.call("engine_getBlobsV2", [ZERO]) is None
        assert node.call("engine_getBlobsV3", [ZERO]) == [None]
        assert node.call("engine_getClientVersionV1", {"code": "LS", "name": "x", "version": "1",
                                                       "commit": "0x00000000"})[0]["code"] == "BN"


@case
def parameters_are_those_of_each_fork():
    """Structures of another fork get the specification's codes; what is right builds and is taken."""
    with Folder() as folder:
        genesis = json.loads(dev_genesis(folder).read_text())
        config = {k: v for k, v in genesis["config"].items()
                  if k not in ("pragueTime", "osakaTime") and not k.startswith("bpo")}
        config.update(shanghaiTime=24, cancunTime=1000, blobSchedule={
            "cancun": genesis["config"]["blobSchedule"]["cancun"]})
        genesis["config"] = config
        genesis["timestamp"] = "0x0"
        for name in ("excessBlobGas", "blobGasUsed"):
            genesis.pop(name, None)
        (folder / "genesis.json").write_text(json.dumps(genesis))
        with Node(folder, "--genesis", folder / "genesis.json") as node:
            head = node.block("0x0")["hash"]
            state = {"headBlockHash": head, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}

            def attributes(timestamp, **more):
                return {"timestamp": hex(timestamp), "prevRandao": ZERO,
                        "suggestedFeeRecipient": "0x" + "fe" * 20, **more}

            def code(method, *params):
                try:
                    return node.call(method, *params)
                except Failed as why:
                    return why.code
            paid, root = {"withdrawals": []}, {"parentBeaconBlockRoot": ZERO}
            for version, wanted, given in (
                    (1, -32602, attributes(12, **paid)),
                    (2, -32602, attributes(12, **paid)),  # of Shanghai, and it is not yet
                    (2, -32602, attributes(24)),  # of Paris, and it is not any more
                    (2, -32602, {**attributes(24, **paid), "prevRandao": "0x12"}),
                    (2, -38003, attributes(24, **paid, **root)),
                    (2, -38003, attributes(1000, **paid, **root)),
                    (2, -38005, attributes(1000, **paid)),
                    (2, -38003, attributes(0)),  # not after the head
                    (3, -38003, attributes(24, **paid)),
                    (3, -38005, attributes(24, **paid, **root)),
                    (3, -38003, attributes(1000, **paid)),
                    (3, -38003, {**attributes(1000, **paid, **root), "prevRandao": "0x12"})):
                got = code(f"engine_forkchoiceUpdatedV{version}", state, given)
                assert got == wanted, (version, given, wanted, got)
            for version, given in ((1, attributes(12)), (2, attributes(12)),
                                   (2, attributes(24, **paid)),
                                   (3, attributes(1000, **paid, **root))):
                got = code(f"engine_forkchoiceUpdatedV{version}", state, given)
                assert got["payloadId"], (version, given, got)
            assert code("engine_getPayloadV2", got["payloadId"]) == -38005
            built = node.call("engine_forkchoiceUpdatedV2", state, attributes(24, **paid))
            assert code("engine_getPayloadV3", built["payloadId"]) == -38005
            payload = node.call("engine_getPayloadV2", built["payloadId"])["executionPayload"]
            bare = {k: v for k, v in payload.items() if k != "withdrawals"}
            blobs = {"blobGasUsed": "0x0", "excessBlobGas": "0x0"}
            for method, params, wanted in (
                    ("engine_newPayloadV1", [payload], -32602),
                    ("engine_newPayloadV2", [bare], -32602),
                    ("engine_newPayloadV3", [payload, [], ZERO], -32602),
                    ("engine_newPayloadV3", [{**payload, **blobs}, [], None], -32602),
                    ("engine_newPayloadV3", [{**payload, **blobs}, None, ZERO], -32602),
                    ("engine_newPayloadV3", [{**payload, **blobs}, [], ZERO], -38005)):
                assert code(method, *params) == wanted, (method, params, code(method, *params))
            assert node.call("engine_newPayloadV2", payload)["status"] == "VALID"
            # Blobs with another kind of proof are blobs that are not there.
            assert node.call("engine_getBlobsV1", [ZERO]) == [None]
            assert node.call("engine_getBlobsV2", [ZERO]) is None
            assert node.call("engine_getBlobsV3", [ZERO]) == [None]


@case
def engine_works_over_websocket_and_the_socket_has_everything():
    """The handshake proves the token once; the Unix socket needs none and has every namespace."""
    with Folder() as folder, Node(folder, "--dev", "--api", "eth", "--ipc-path",
                                  folder / "node.ipc") as node:
        refused = WebSocket(node.engine)
        assert refused.status == 401
        refused.close()
        ws = WebSocket(node.engine, f"Authorization: Bearer {token(node.key)}\r\n")
        assert ws.status == 101
        ws.send({"jsonrpc": "2.0", "id": 7, "method": "engine_exchangeCapabilities", "params": [[]]})
        answer = ws.receive()
        assert answer["id"] == 7 and "engine_newPayloadV4" in answer["result"], answer
        ws.close()
        try:
            node.call("dev_mine", 1)
            raise AssertionError("a namespace that is not offered answers")
        except Failed as why:
            assert why.code == -32601
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(folder / "node.ipc"))
            s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"dev_mine","params":[2]}'
                      b'[{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"},')
            time.sleep(0.1)
            s.sendall(b'{"jsonrpc":"2.0","id":3,"method":"eth_chainId"}]')
            text = b""
            while text.count(b"\n") < 2:
                text += s.recv(65536)
            first, second = (json.loads(line) for line in text.splitlines())
            assert {first["id"] if isinstance(first, dict) else 0,
                    second["id"] if isinstance(second, dict) else 0} == {0, 1}, text


@case
def slots_can_be_left_out_and_replaced():
    """Every slot has a block, but those that are skipped; a reorganisation can be asked for."""
    with Folder() as folder, Node(folder, "--slots", "1s", "--beacon-addr",
                                  f"127.0.0.1:{free_port()}") as node:
        wait_until(lambda: node.number() >= 3, 10)
        node.call("dev_skipSlots", 2)
        wait_until(lambda: node.metric('node_slots_total{outcome="skipped"}') == 2, 6)
        before = node.block()
        node.call("dev_reorg", 1)
        wait_until(lambda: "removed=1" in node.log.read_text(), 6)
        wait_until(lambda: node.number() > int(before["number"], 16), 8)
        assert node.metric('node_slots_total{outcome="missed"}') == 0


class Market:
    """A relay and a builder beside a node that keeps slots."""

    def __init__(self, folder, node, beacon, relay_port):
        self.folder, self.node, self.beacon, self.port = folder, node, beacon, relay_port

    def relay(self):
        return Process(PROGRAM, "relay", "--listen-addr", f"127.0.0.1:{self.port}",
                       "--secret-key", RELAY_KEY, "--beacon", f"http://127.0.0.1:{self.beacon}",
                       "--validation", f"http://127.0.0.1:{self.node.http}",
                       "--database", self.folder / "relay.db", log=self.folder / "relay.log")

    def builder(self, genesis):
        return Process(PROGRAM, "builder", "--chain", genesis, "--node",
                       f"ws://127.0.0.1:{self.node.http}", "--beacon",
                       f"http://127.0.0.1:{self.beacon}", "--relay",
                       f"http://127.0.0.1:{self.port}", "--coinbase-secret-key", f"{KEYS[1]:064x}",
                       "--relay-secret-key", BUILDER_KEY, "--genesis-fork-version", "0x20000089",
                       "--rpc-port", "0", "--full-telemetry-port", "0",
                       "--redacted-telemetry-port", "0", "--slot-duration", "1s",
                       "--subsidy", "0.0001", log=self.folder / "builder.log")


@case
def no_slot_is_lost_with_or_without_a_relay():
    """Builder and relay make blocks; while the relay is dead the node does, and no slot is lost."""
    with Folder() as folder:
        beacon, port = free_port(), free_port()
        genesis = dev_genesis(folder)
        with Node(folder, "--genesis", genesis, "--slots", "1s", "--slots-per-epoch", "4",
                  "--beacon-addr", f"127.0.0.1:{beacon}", "--relay", f"http://127.0.0.1:{port}",
                  "--fee-recipient", "0x" + "fe" * 20) as node:
            market = Market(folder, node, beacon, port)

            def by_relay():
                return node.metric('node_slots_total{outcome="relay"}')

            with market.builder(genesis):
                with market.relay() as relay:
                    wait_until(lambda: by_relay() >= 3, 40, folder / "node.log")
                    relay.signal(signal.SIGKILL)
                    relay.wait()
                begin = node.number()
                wait_until(lambda: node.number() >= begin + 3, 10)  # by itself
                alone = by_relay()
                with market.relay():
                    wait_until(lambda: by_relay() >= alone + 2, 40)
            slots = sum(node.metric(f'node_slots_total{{outcome="{o}"}}')
                        for o in ("local", "relay"))
            # The relay may die between a signature and the payload; that slot is lost by design.
            assert node.metric('node_slots_total{outcome="missed"}') <= 1
            assert node.number() >= slots - 1
            paid = int(node.call("eth_getBalance", "0x" + "fe" * 20, "latest"), 16)
            assert paid >= 3 * 10**14, paid


@case
def relays_may_speak_https():
    """Roots come from --ca-file; a relay whose certificate they do not sign gets nothing."""
    asked = []

    class Relay(http.server.BaseHTTPRequestHandler):
        def answer(self, status):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):  # pylint: disable=invalid-name
            self.answer(204)

        def do_POST(self):  # pylint: disable=invalid-name
            self.answer(200)

        def log_message(self, *_):
            pass

    with Folder() as folder:
        cert, key = folder / "cert.pem", folder / "key.pem"
        made = run(need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=relay",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key)
        assert made.returncode == 0, made.stderr
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ("--genesis", dev_genesis(folder), "--slots", "500ms", "--beacon-addr", "",
                   "--relay", f"https://127.0.0.1:{server.server_port}")
        with Node(folder, *options) as node:
            wait_until(lambda: node.number() >= 1, 10)
            wait_until(lambda: "registration_failed" in node.log.read_text(), 10)
        assert not asked, asked
        with Node(folder, *options, "--ca-file", cert, name="b") as node:
            wait_until(lambda: "validators_registered" in node.log.read_text(), 10)
            wait_until(lambda: node.number() >= 2, 10)
        server.shutdown()
        assert "/eth/v1/builder/validators" in asked, asked
        assert [p for p in asked if p.startswith("/eth/v1/builder/header/")], asked


@case
def followers_have_the_same_chain():
    """Another node has the same head, over reorganisations, transactions both ways, and kill -9."""
    with Folder() as folder:
        genesis = dev_genesis(folder)
        with Node(folder, "--genesis", genesis, "--slots", "1s", "--beacon-addr", "") as first:
            url = f"ws://127.0.0.1:{first.engine}"
            second = Node(folder, "--genesis", genesis, "--follow", url, data=folder / "b", name="b")
            with second:
                wait_until(lambda: second.number() >= 2, 10)
                h = second.call("eth_sendRawTransaction", pay(0))  # reaches the node that builds
                wait_until(lambda: first.call("eth_getTransactionReceipt", h), 8)
                wait_until(lambda: second.call("eth_getTransactionReceipt", h), 8)
                first.call("dev_reorg", 2)
                wait_until(lambda: "removed=2" in second.log.read_text(), 8)
                second.process.signal(signal.SIGKILL)
                second.process.wait()
            with second:
                wait_until(lambda: second.block()["hash"] == first.block()["hash"], 10)


@case
def a_full_disk_is_no_readiness():
    """/readyz is 503 with the reason while the data folder's disk is full, and 200 again after."""
    unshare = need("unshare")
    with Folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        if run(unshare, "-Um", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", disk).returncode:
            raise Skip("no user namespaces")
        node = Node(folder, "--genesis", dev_genesis(folder), "--slots", "500ms", "--beacon-addr", "",
                    data=disk / "data")
        mount = f"mount -t tmpfs -o size=64m tmpfs {disk} && exec \"$@\""
        node.command = [unshare, "-Um", "--map-root-user", "sh", "-c", mount, "sh", *node.command]

        def ready():
            c = http.client.HTTPConnection("127.0.0.1", node.metrics, timeout=5)
            c.request("GET", "/readyz")
            r = c.getresponse()
            text = r.read().decode()
            c.close()
            return r.status, text
        with node:
            wait_until(lambda: ready()[0] == 200, 10)
            # The node's own view of its disk.
            ballast = pathlib.Path(f"/proc/{node.process.popen.pid}/root{disk}/ballast")
            ballast.write_bytes(bytes(56 << 20))
            status, text = ready()
            assert status == 503 and "is full" in text, (status, text)
            ballast.unlink()
            wait_until(lambda: ready()[0] == 200, 10)
            wait_until(lambda: node.number() > 1, 10)


@case
def a_node_of_another_genesis_is_not_followed():
    """The follower says once what differs, both hashes, and asks for nothing more."""
    with Folder() as folder:
        genesis = dev_genesis(folder)
        other = json.loads(genesis.read_text())
        other["extraData"] = "0x01"
        (folder / "other.json").write_text(json.dumps(other))
        with Node(folder, "--genesis", genesis, "--slots", "200ms", "--beacon-addr", "") as first:
            second = Node(folder, "--genesis", folder / "other.json", "--follow",
                          f"ws://127.0.0.1:{first.http}", data=folder / "b", name="b")
            with second:
                wait_until(lambda: "node_on_another_chain" in second.log.read_text(), 10)
                time.sleep(2)
                log = second.log.read_text()
                assert log.count("node_on_another_chain") == 1, log
                for node in (first, second):
                    assert node.block("0x0")["hash"] in log, log
                assert "node_request_failed" not in log and second.number() == 0, log


@case
def kill_loses_no_finalised_block():
    """kill -9 at any point: after the start every finalised block is there, and roots are right."""
    rng = random.Random(1)
    with Folder() as folder:
        genesis = dev_genesis(folder)
        data = folder / "data"
        chain, nonce = None, 0
        for i in range(KILLS):
            with Node(folder, "--genesis", genesis, data=data) as node:
                d = Driver(node)
                if chain:
                    final = chain[max(0, len(chain) - 1 - d.final_distance)]
                    for b in chain[:chain.index(final) + 1]:  # all that was ever finalised
                        found = node.call("eth_getBlockByHash", b["hash"], False)
                        assert found, f"kill {i}: block {b} is lost"
                        at = node.block(found["number"])
                        assert at["hash"] == b["hash"], f"kill {i}"
                    head = node.block()
                    known = [b["hash"] for b in chain]
                    assert head["hash"] in known, f"kill {i}: the head is another"
                    d.chain = chain[:known.index(head["hash"]) + 1]
                    nonce = int(node.call("eth_getTransactionCount", "0x" + address(KEYS[0]).hex(),
                                          "latest"), 16)
                    # The state is that of the head: a block builds on it and is valid.
                chain = d.chain
                stop = threading.Timer(rng.uniform(0.02, 0.4),
                                       lambda n=node: n.process.signal(signal.SIGKILL))
                stop.start()
                try:
                    while True:
                        try:
                            node.call("eth_sendRawTransaction", pay(nonce, value=nonce + 1))
                        except Failed:  # the journal had it
                            pass
                        nonce += 1
                        d.extend()
                except (OSError, http.client.HTTPException):
                    stop.join()
                    node.process.wait()
        assert len(chain) > KILLS, "the blows came before the blocks"
        with Node(folder, "--genesis", genesis, data=data) as node:
            d = Driver(node)
            d.chain = chain[:[b["hash"] for b in chain].index(node.block()["hash"]) + 1]
            d.extend()


@case
def local_transactions_survive_a_restart():
    """What users sent and no block has taken is there again after the end and after kill -9."""
    with Folder() as folder:
        genesis = dev_genesis(folder)
        for end in (signal.SIGTERM, signal.SIGKILL):
            with Node(folder, "--genesis", genesis, data=folder / "data") as node:
                status = node.call("txpool_status")
                if end == signal.SIGKILL:
                    assert status == {"pending": "0x1", "queued": "0x1"}, status
                else:
                    node.call("eth_sendRawTransaction", pay(0))
                    node.call("eth_sendRawTransaction", pay(2))
                node.process.signal(end)
                node.process.wait()
        with Node(folder, "--genesis", genesis, data=folder / "data") as node:
            assert node.call("txpool_status") == {"pending": "0x1", "queued": "0x1"}


@case
def snapshots_bring_a_node_to_another_machine():
    """A store goes out as one file and comes back, also after a broken import; never over another."""
    with Folder() as folder:
        genesis = dev_genesis(folder)
        with Node(folder, "--genesis", genesis, data=folder / "a") as node:
            d = Driver(node)
            for i in range(12):
                node.call("eth_sendRawTransaction", pay(i, value=7))
                d.extend()
            head = node.block()
        os.mkfifo(folder / "events")
        events = os.open(folder / "events", os.O_RDONLY | os.O_NONBLOCK)

        def verb(name, file, data):
            return run(PROGRAM, "node", name, file, "--data-folder", data, "--progress-fifo",
                       folder / "events")
        file = folder / "snapshot"
        done = verb("snapshot-export", file, folder / "a")
        assert done.returncode == 0 and "finished" in done.stderr, done.stderr
        assert verb("snapshot-export", file, folder / "a").returncode != 0  # nothing is overwritten
        cut = folder / "cut"
        cut.write_bytes(file.read_bytes()[:-20])
        done = verb("snapshot-import", cut, folder / "b")
        assert done.returncode != 0 and "ends early" in done.stderr, done.stderr
        done = run(PROGRAM, "node", "--genesis", genesis, "--data-folder", folder / "b")
        assert done.returncode != 0 and "not finished" in done.stderr, done.stderr
        assert verb("snapshot-import", file, folder / "b").returncode == 0
        done = verb("snapshot-import", file, folder / "b")
        assert done.returncode == 0 and "skipped" in done.stderr, done.stderr
        lines = os.read(events, 65536).decode().splitlines()
        os.close(events)
        assert any("import finished" in x for x in lines) and any("skipped" in x for x in lines)
        with Node(folder, "--genesis", genesis, data=folder / "b", name="b") as node:
            assert node.block() == head
            assert int(node.call("eth_getBalance", "0x" + "11" * 20, "latest"), 16) == 12 * 7
            again = Driver(node)
            again.chain = d.chain
            again.extend()


@case
def strangers_pages_are_refused():
    """A page of another origin reaches the node only where it was let in."""
    with Folder() as folder, Node(folder, "--dev", "--http-cors", "https://good.example") as node:
        ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        assert node.post(node.http, ask, {"Origin": "https://bad.example"})[0] == 403
        assert node.post(node.http, ask, {"Origin": "https://good.example"})[0] == 200
        ws = WebSocket(node.http, "Origin: https://bad.example\r\n")
        assert ws.status == 403
        ws.close()


def trace_of(steps, number=1):
    """A call whose answer has about 120 bytes a step."""
    code = {"0x" + "cc" * 20: {"code": "0x5b600160010150600056"}}
    return {"jsonrpc": "2.0", "id": number, "method": "debug_traceCall", "params": [
        {"to": "0x" + "cc" * 20, "gas": hex(21000 + 4 * steps)}, "latest",
        {"stateOverrides": code}]}


@case
def large_messages_come_and_have_their_limits():
    """A WebSocket brings an answer of 40 MB whole, and takes no more than --rpc-body-max."""
    with Folder() as folder, Node(folder, "--dev", "--rpc-body-max", "256KiB",
                                  "--rpc-call-timeout", "60s") as node:
        ws = WebSocket(node.http)
        ws.s.settimeout(60)
        ws.send(trace_of(420_000))
        assert ws.skip_message() > 40 << 20
        ws.send({"jsonrpc": "2.0", "id": 2, "method": "eth_chainId", "params": ["x" * 200_000]})
        assert ws.skip_message()
        ws.send({"jsonrpc": "2.0", "id": 3, "method": "eth_chainId", "params": ["x" * 300_000]})
        assert ws.skip_message() is None
        ws.close()


@case
def answers_that_nobody_reads_are_bounded():
    """However many clients leave large answers unread, they take --rpc-held-max together; a client
    that reads is told so, or served once they are cut off."""
    with Folder() as folder, Node(folder, "--dev", "--rpc-answer-max", "16MiB", "--rpc-held-max",
                                  "32MiB", "--rpc-call-timeout", "60s") as node:
        ask = json.dumps(trace_of(100_000)).encode()
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(ask)}\r\n\r\n".encode()
        lazy, refused = [], 0
        before = int(resident(node.process.pid))
        for _ in range(12):
            s = socket.create_connection(("127.0.0.1", node.http), timeout=60)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(head + ask)
            refused += b"no room for an answer" in s.recv(4096)  # the rest stays unread
            lazy.append(s)
        said = sum(node.metrics_of("http_refused_total", reason) for reason in ("held", "hoarder"))
        assert said >= refused and said > 5, (said, refused)
        # Four workers may have an answer at hand each, in a buffer that doubled.
        assert resident(node.process.pid) - before < 32 + 4 * 32 + 64
        wait_until(lambda: "result" in json.loads(node.post(node.http, trace_of(100_000))[1]), 60)
        for s in lazy:
            s.close()


def resident(pid):
    """Memory of a process, in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines()
                if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
