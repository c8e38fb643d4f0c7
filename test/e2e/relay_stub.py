"""A beacon node and a validation node for the relay's tests, and what builders and proposers send."""
import gzip
import http.server
import json
import math
import queue
import random
import subprocess
import threading
import time

from harness import BUILD, request

FORKS = ["bellatrix", "capella", "deneb", "electra", "fulu"]
ZERO32 = "0x" + "00" * 32


def hex_of(byte, n):
    return "0x" + f"{byte:02x}" * n


class Tool:
    """Signatures and SSZ, from the project's own libraries (test/e2e/ssz_tool.c)."""

    def __init__(self, preset="mainnet"):
        self.preset = preset
        self.lock = threading.Lock()
        self.popen = subprocess.Popen([BUILD / "src/relay/ssz_tool"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)

    def close(self):
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()

    def ask(self, **what):
        with self.lock:
            self.popen.stdin.write(json.dumps({**what, "preset": self.preset}) + "\n")
            self.popen.stdin.flush()
            answer = json.loads(self.popen.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{what['do']}: {answer['error']}")
        return answer

    def pubkey(self, key):
        return self.ask(do="pubkey", key=key)["pubkey"]

    def sign(self, kind, fork, domain, key, value):
        return self.ask(do="sign", type=kind, fork=fork, domain=domain, key=key,
                        value=value)["signature"]

    def verify(self, kind, fork, domain, pubkey, signature, value):
        return self.ask(do="verify", type=kind, fork=fork, domain=domain, pubkey=pubkey,
                        signature=signature, value=value)["valid"]

    def ssz(self, kind, fork, value):
        return bytes.fromhex(self.ask(do="ssz", type=kind, fork=fork, value=value)["ssz"][2:])

    def json(self, kind, fork, data):
        return self.ask(do="json", type=kind, fork=fork, ssz="0x" + data.hex())["value"]

    def root(self, kind, fork, value):
        return self.ask(do="root", type=kind, fork=fork, value=value)["root"]


def key_of(number):
    return "0x" + f"{number:064x}"


class Server:
    """A threaded HTTP server on a port of its own."""

    def __init__(self, port=0):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.post(self, body)

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # clients that went away

        self.server = Threads(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def answer(handler, status, body, content_type="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("content-type", content_type)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def get(self, handler):
        self.answer(handler, 404, {})

    def post(self, handler, body):
        self.answer(handler, 404, {})


class Chain:
    """Constants, keys, and the containers of a small network."""

    def __init__(self, fork="deneb", slot_seconds=1, validators=8, preset="mainnet"):
        self.fork, self.slot_seconds, self.preset = fork, slot_seconds, preset
        self.slots_per_epoch = 32 if preset == "mainnet" else 8
        self.tool = Tool(preset)
        self.genesis = int(time.time()) - 40 * max(1, int(slot_seconds))
        self.genesis_version = "0x20000089"
        self.validators_root = hex_of(0x11, 32)
        self.keys = [key_of(1000 + i) for i in range(validators)]
        self.pubkeys = [self.tool.pubkey(k) for k in self.keys]
        self.builder_domain = self.tool.ask(do="domain", kind="builder",
                                            version=self.genesis_version)["domain"]
        self.fork_version = f"0x2000009{FORKS.index(fork)}"
        self.proposer_domain = self.tool.ask(do="domain", kind="proposer",
                                             version=self.fork_version,
                                             root=self.validators_root)["domain"]

    def has(self, fork):
        return FORKS.index(self.fork) >= FORKS.index(fork)

    def close(self):
        self.tool.close()

    def slot_now(self):
        return int((time.time() - self.genesis) / self.slot_seconds)

    def slot_start(self, slot):
        return self.genesis + slot * self.slot_seconds

    def slot_timestamp(self, slot):
        """Of its payload: short slots are a whole second apart."""
        return self.genesis + slot * math.ceil(self.slot_seconds)

    def proposer(self, slot):
        return slot % len(self.keys)

    def spec(self):
        values = {"SECONDS_PER_SLOT": str(self.slot_seconds), "PRESET_BASE": self.preset,
                  "SLOTS_PER_EPOCH": str(self.slots_per_epoch), "CONFIG_NAME": "devnet"}
        for i, name in enumerate(FORKS):
            values[f"{name.upper()}_FORK_EPOCH"] = "0" if i <= FORKS.index(self.fork) \
                else str(2 ** 64 - 1)
            values[f"{name.upper()}_FORK_VERSION"] = f"0x2000009{i}"
        return values

    def registration(self, index, timestamp=None, fee_recipient=None, gas_limit=30_000_000):
        message = {"fee_recipient": fee_recipient or hex_of(0xFE, 20), "gas_limit": str(gas_limit),
                   "timestamp": str(timestamp or int(time.time())), "pubkey": self.pubkeys[index]}
        return {"message": message,
                "signature": self.tool.sign("registration", self.fork, self.builder_domain,
                                            self.keys[index], message)}

    def attributes(self, slot, parent):
        data = {"proposer_index": str(self.proposer(slot)), "proposal_slot": str(slot),
                "parent_block_number": str(slot - 1), "parent_block_root": hex_of(0x55, 32),
                "parent_block_hash": parent,
                "payload_attributes": {
                    "timestamp": str(self.slot_timestamp(slot)), "prev_randao": hex_of(0x77, 32),
                    "suggested_fee_recipient": hex_of(0xFE, 20)}}
        if self.has("capella"):
            data["payload_attributes"]["withdrawals"] = self.withdrawals()
        if self.has("deneb"):
            data["payload_attributes"]["parent_beacon_block_root"] = hex_of(0x55, 32)
        return {"version": self.fork, "data": data}

    @staticmethod
    def withdrawals():
        return [{"index": "1", "validator_index": "2", "address": hex_of(0xAA, 20),
                 "amount": "1000"}]

    def payload(self, slot, parent, **changes):
        payload = {
            "parent_hash": parent, "fee_recipient": hex_of(0xB0, 20), "state_root": hex_of(1, 32),
            "receipts_root": hex_of(2, 32), "logs_bloom": hex_of(0, 256),
            "prev_randao": hex_of(0x77, 32), "block_number": str(slot), "gas_limit": "30000000",
            "gas_used": "21000", "timestamp": str(self.slot_timestamp(slot)), "extra_data": "0x6869",
            "base_fee_per_gas": "7",
            "block_hash": "0x" + random.randbytes(32).hex(),
            "transactions": ["0x02" + "ab" * 100, "0x02" + "cd" * 50]}
        if self.has("capella"):
            payload["withdrawals"] = self.withdrawals()
        if self.has("deneb"):
            payload["blob_gas_used"] = "131072"
            payload["excess_blob_gas"] = "0"
        return {**payload, **changes}

    def blobs(self):
        return {"commitments": [hex_of(0xC1, 48)],
                "proofs": [hex_of(0xC2, 48)] * (128 if self.has("fulu") else 1),
                "blobs": ["0x" + "00" * 131072]}

    @staticmethod
    def requests():
        return {"deposits": [], "withdrawals": [{"source_address": hex_of(3, 20),
                                                 "validator_pubkey": hex_of(4, 48),
                                                 "amount": "5"}], "consolidations": []}

    def submission(self, slot, parent, key=key_of(7), value=10 ** 18, payload=None, trace=None):
        """A signed submission; payload and trace change single fields."""
        body = self.payload(slot, parent, **(payload or {}))
        message = {"slot": str(slot), "parent_hash": parent, "block_hash": body["block_hash"],
                   "builder_pubkey": self.tool.pubkey(key),
                   "proposer_pubkey": self.pubkeys[self.proposer(slot)],
                   "proposer_fee_recipient": hex_of(0xFE, 20), "gas_limit": body["gas_limit"],
                   "gas_used": body["gas_used"], "value": str(value), **(trace or {})}
        whole = {"message": message, "execution_payload": body}
        if self.has("deneb"):
            whole["blobs_bundle"] = self.blobs()
        if self.has("electra"):
            whole["execution_requests"] = self.requests()
        whole["signature"] = self.tool.sign("bid_trace", self.fork, self.builder_domain, key,
                                            message)
        return whole

    def blinded(self, slot, header, bid, key=None, index=None):
        """The block that a proposer signs for a bid."""
        index = self.proposer(slot) if index is None else index
        body = {
            "randao_reveal": hex_of(0, 96),
            "eth1_data": {"deposit_root": ZERO32, "deposit_count": "8", "block_hash": ZERO32},
            "graffiti": ZERO32, "proposer_slashings": [], "attester_slashings": [],
            "attestations": [], "deposits": [], "voluntary_exits": [],
            "sync_aggregate": {"sync_committee_bits":
                               hex_of(0xFF, 64 if self.preset == "mainnet" else 4),
                               "sync_committee_signature": hex_of(0, 96)},
            "execution_payload_header": header}
        if self.has("capella"):
            body["bls_to_execution_changes"] = []
        if self.has("deneb"):
            body["blob_kzg_commitments"] = bid["blob_kzg_commitments"]
        if self.has("electra"):
            body["execution_requests"] = bid["execution_requests"]
        message = {"slot": str(slot), "proposer_index": str(index), "parent_root": hex_of(0x55, 32),
                   "state_root": hex_of(0x66, 32), "body": body}
        return {"message": message,
                "signature": self.tool.sign("blinded_block", self.fork, self.proposer_domain,
                                            key or self.keys[index], message)}


class Beacon(Server):
    """The part of the beacon API that a relay uses."""

    def __init__(self, chain, with_attributes=True, port=0):
        self.chain, self.with_attributes = chain, with_attributes
        self.streams, self.published, self.refuse = [], [], False
        self.head = 0
        super().__init__(port)

    def get(self, handler):
        c, path = self.chain, handler.path
        if path == "/eth/v1/beacon/genesis":
            data = {"genesis_time": str(c.genesis), "genesis_validators_root": c.validators_root,
                    "genesis_fork_version": c.genesis_version}
        elif path == "/eth/v1/config/spec":
            data = c.spec()
        elif path == "/eth/v1/node/syncing":
            data = {"head_slot": str(self.head), "sync_distance": "0", "is_syncing": False}
        elif path.startswith("/eth/v1/validator/duties/proposer/"):
            first = int(path.rsplit("/", 1)[1]) * c.slots_per_epoch
            data = [{"pubkey": c.pubkeys[c.proposer(s)], "validator_index": str(c.proposer(s)),
                     "slot": str(s)} for s in range(first, first + c.slots_per_epoch)]
        elif path.startswith("/eth/v1/beacon/states/head/validators"):
            data = [{"index": str(i), "balance": "32000000000", "status": "active_ongoing",
                     "validator": {"pubkey": p}} for i, p in enumerate(c.pubkeys)]
        elif path.startswith("/eth/v1/events"):
            if not self.with_attributes and "payload_attributes" in path:
                self.answer(handler, 400, {"message": "unknown topic"})
                return
            self.stream(handler)
            return
        else:
            self.answer(handler, 404, {"message": "not found"})
            return
        self.answer(handler, 200, {"data": data})

    def stream(self, handler):
        events = queue.Queue()
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        self.streams.append(events)
        try:
            while True:
                item = events.get()
                if item is None:
                    return
                handler.wfile.write(f"event: {item[0]}\ndata: {json.dumps(item[1])}\n\n".encode())
        finally:
            self.streams.remove(events)
            handler.close_connection = True

    def post(self, handler, body):
        if handler.path.startswith("/eth/v2/beacon/blocks"):
            if not self.refuse:
                self.published.append((handler.headers["eth-consensus-version"], json.loads(body)))
            self.answer(handler, 400 if self.refuse else 200, {})
        else:
            self.answer(handler, 404, {})

    def send(self, kind, data):
        for events in list(self.streams):
            events.put((kind, data))

    def set_head(self, slot):
        self.head = slot
        self.send("head", {"slot": str(slot), "block": hex_of(0x55, 32), "state": ZERO32,
                           "epoch_transition": False})

    def tell_attributes(self, slot, parent):
        self.send("payload_attributes", self.chain.attributes(slot, parent))

    def close(self):
        for events in list(self.streams):
            events.put(None)
        super().close()


class Validation(Server):
    """flashbots_validateBuilderSubmission; `error` makes it refuse, `delay` slow."""

    def __init__(self):
        self.calls, self.error, self.delay = [], None, 0
        super().__init__()

    def post(self, handler, body):
        call = json.loads(body)
        self.calls.append(call)
        time.sleep(self.delay)
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        if self.error:
            answer["error"] = {"code": -32000, "message": self.error}
        else:
            answer["result"] = None
        self.answer(handler, 200, answer)


class Payloads(Server):
    """A builder that gives the payloads of the headers it sent first (path /get_payload_v3)."""

    def __init__(self, chain):
        self.chain, self.blocks, self.asked, self.ssz = chain, {}, [], True
        super().__init__()

    def post(self, handler, body):
        self.asked.append(json.loads(body))
        block = self.blocks.get(self.asked[-1]["message"]["block_hash"])
        if not block:
            self.answer(handler, 404, {"code": 404, "message": "no such payload"})
        elif self.ssz:
            self.answer(handler, 200, self.chain.tool.ssz("submission", self.chain.fork, block),
                        "application/octet-stream")
        else:
            self.answer(handler, 200, block)

    def header_submission(self, block, adjustable=False):
        """The SSZ that is sent in place of a whole submission."""
        c = self.chain
        header = c.tool.ask(do="header", fork=c.fork, value=block["execution_payload"])["value"]
        parts = [c.tool.ssz("payload_header", c.fork, header),
                 c.tool.ssz("requests", c.fork, block["execution_requests"]),
                 c.tool.ssz("commitments", c.fork, block["blobs_bundle"]["commitments"])]
        if adjustable:
            parts.append(b"adjustment")
        fixed = 236 + 4 * len(parts)
        offsets = [fixed + sum(map(len, parts[:i])) for i in range(len(parts))]

        def u32(*values):
            return b"".join(v.to_bytes(4, "little") for v in values)
        message = c.tool.ssz("bid_trace", c.fork, block["message"]) + u32(*offsets) + b"".join(parts)
        url = (self.url + "/get_payload_v3").encode()
        return (u32(12, len(block["execution_payload"]["transactions"]), 12 + len(url)) + url +
                u32(100) + bytes.fromhex(block["signature"][2:]) + message)


def post(port, path, body, headers=None, timeout=20):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, fields, answer = request(port, "POST", path, data,
                                     {"content-type": "application/json", **(headers or {})},
                                     tls=False, timeout=timeout)
    return status, fields, answer


def get(port, path, headers=None):
    return request(port, "GET", path, None, headers or {}, tls=False)


def message_of(answer):
    return json.loads(answer[2])["message"] if answer[2] else ""


def submit(port, body, ssz=None, gzipped=False, query="", headers=None):
    """Gives (status, message)."""
    fields = dict(headers or {})
    data = json.dumps(body).encode()
    if ssz is not None:
        data = ssz
        fields["content-type"] = "application/octet-stream"
    if gzipped:
        data = gzip.compress(data)
        fields["content-encoding"] = "gzip"
    answer = post(port, "/relay/v1/builder/blocks" + query, data, fields)
    return answer[0], message_of(answer)
