"""The builder on a running chain: orders come in, bids win, blocks hold what they must and pay."""
import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import wallet
from builder_world import BUILDER_KEY, CHAIN, FINNEY, GAS_FEE, ONCE, PAY, PROPOSER, REVERT, World
from harness import Folder, PROGRAM, Skip, case, main, request, run, wait_until
from relay_stub import Server

WORLD = {}


def world():
    """One network for all cases that do not break it."""
    if not WORLD:
        WORLD["folder"] = Folder()
        WORLD["world"] = World(WORLD["folder"].__enter__()).__enter__()
    return WORLD["world"]


@case
def every_bid_is_what_the_proposer_gets():
    """The proposer's balance grows by the bid in every block, as the relay delivered it."""
    w = world()
    w.wait_won(3)
    _, _, body = request(w.port["relay"], "GET",
                         "/relay/v1/data/bidtraces/proposer_payload_delivered?limit=100", tls=False)
    delivered = json.loads(body)
    assert len(delivered) >= 3, delivered
    for trace in delivered:
        number = int(trace["block_number"])
        grown = w.balance(PROPOSER, hex(number)) - w.balance(PROPOSER, hex(number - 1))
        assert grown == int(trace["value"]), (number, grown, trace["value"])


@case
def transactions_of_the_pool_come_into_blocks():
    """What users send to the node is bid with by the builder."""
    w = world()
    raw, tx_hash = w.senders[0].tx(PAY, 5 * FINNEY)
    w.node("eth_sendRawTransaction", raw)
    receipt = w.receipt(tx_hash)
    block = w.node("eth_getBlockByNumber", receipt["blockNumber"], True)
    builder = "0x" + wallet.address(BUILDER_KEY).hex()
    assert block["miner"].lower() == builder
    payment = block["transactions"][-1]
    assert payment["from"].lower() == builder and payment["to"].lower() == PROPOSER
    assert int(payment["value"], 16) > 2 * FINNEY  # half of what it earned


@case
def bundles_land_whole_or_not_at_all():
    """A bundle's transactions stand in one block, in order; one that fails takes all with it."""
    w = world()
    a, b, c = w.senders[1], w.senders[2], w.senders[3]
    first, first_hash = a.tx(ONCE, 3 * FINNEY)
    second, second_hash = b.tx(PAY, 1 * FINNEY)
    third, third_hash = c.tx(PAY, 9 * FINNEY)
    bad, _ = a.tx(REVERT, nonce=a.nonce)
    assert w.builder("eth_sendBundle", {"txs": [third, bad]})["result"] is None
    assert w.builder("eth_sendBundle", {"txs": [first, second]})["result"] is None
    one, two = w.receipt(first_hash), w.receipt(second_hash)
    assert one["blockNumber"] == two["blockNumber"]
    assert int(two["transactionIndex"], 16) == int(one["transactionIndex"], 16) + 1
    w.wait_won(2)
    assert w.node("eth_getTransactionReceipt", third_hash) is None


@case
def the_fate_of_every_order_is_told():
    """order tells of simulations, bids and ends: for what landed, what failed and what never came."""
    w = world()
    def told(tx_hash):
        done = run(PROGRAM, "builder", "order", tx_hash, "--json", "--url", w.url("full"))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    good, good_hash = w.senders[10].tx(PAY, 4 * FINNEY)
    bad, bad_hash = w.senders[11].tx(REVERT)
    w.senders[11].nonce -= 1
    w.builder("eth_sendBundle", {"txs": [good]})
    w.builder("eth_sendBundle", {"txs": [bad]})
    w.receipt(good_hash)
    landed = wait_until(lambda: next((s for s in told(good_hash)[0]["slots"] if s["landed"]), None))
    assert landed["state"] == "ready" and landed["bids"] > 0, landed
    assert int(landed["profit"], 16) > 0 and landed["simulatedAt"] <= landed["firstBidAt"], landed
    wait_until(lambda: told(good_hash)[0].get("removed") == "nonce_used")
    failed = told(bad_hash)[0]["slots"][-1]
    assert failed["reason"] == "reverted" and failed["failedTx"] == bad_hash, failed
    text = run(PROGRAM, "builder", "order", bad_hash, "--url", w.url("full"))
    assert "reverted" in text.stdout and "slot" in text.stdout, text.stdout
    none = run(PROGRAM, "builder", "order", "0x" + "ab" * 32, "--url", w.url("full"))
    assert none.returncode != 0 and "remembers no order" in none.stderr, none
    for name in ("redacted", "rpc"):  # who may not see bids may not see orders
        status, _, _ = request(w.port[name], "GET", "/debug/orders/" + good_hash, tls=False)
        assert status in (404, 405), (name, status)


@case
def refunds_are_paid_after_their_bundle():
    """Half of what a transaction pays goes to the recipient, less the payout's gas."""
    w = world()
    recipient = "0x" + os.urandom(20).hex()
    raw, tx_hash = w.senders[4].tx(PAY, 10 * FINNEY)
    w.builder("eth_sendBundle", {"txs": [raw], "refundPercent": 50, "refundRecipient": recipient})
    receipt = w.receipt(tx_hash)
    block = w.node("eth_getBlockByNumber", receipt["blockNumber"], True)
    payout = block["transactions"][int(receipt["transactionIndex"], 16) + 1]
    assert payout["to"].lower() == recipient
    fee = 21000 * int(block["baseFeePerGas"], 16)
    assert int(payout["value"], 16) == 5 * FINNEY - fee == w.balance(recipient)


@case
def refunds_of_a_block_are_recorded_and_explained():
    """Who paid gets back of the profit by the flat tax rule; the record is signed and checked."""
    w = world()
    identity = "0x" + os.urandom(20).hex()
    raw, tx_hash = w.senders[10].tx(PAY, 40 * FINNEY)
    w.builder("eth_sendBundle", {"txs": [raw], "refundIdentity": identity})
    number = str(int(w.receipt(tx_hash)["blockNumber"], 16))
    records = w.folder / "records"
    wait_until(lambda: list(records.glob(f"{number}-*.json")), 10, "no record")
    shown = run(PROGRAM, "builder", "refunds", number, "--records-folder", records, "--json")
    assert shown.returncode == 0, shown.stderr
    record = json.loads(shown.stdout)
    party = {p["address"]: p for p in record["identities"]}[identity]
    kept = int(record["blockProfit"])
    assert int(party["paid"]) == int(party["blockValueDelta"]) == 40 * FINNEY
    assert 0 < kept <= int(record["blockValue"]) - int(record["bid"])
    assert int(party["redistributionValueReceived"]) == min(kept, 40 * FINNEY)
    text = run(PROGRAM, "builder", "refunds", number, "--records-folder", records).stdout
    assert identity in text and "gets back" in text
    path = next(records.glob(f"{number}-*.json"))
    path.write_text(path.read_text().replace(str(40 * FINNEY), str(41 * FINNEY)))
    assert run(PROGRAM, "builder", "refunds", path).returncode != 0


@case
def the_newest_of_a_key_lives():
    """A higher nonce replaces, a lower one is passed over, a cancellation ends it."""
    w = world()
    s, signer = w.senders[5], w.senders[5].address
    block = hex(w.head() + 4)
    key = {"replacementUuid": "3255ceb4-fdc5-592d-a501-2183727ca3df", "signingAddress": signer,
           "blockNumber": block}
    old, old_hash = s.tx(PAY, 1 * FINNEY, nonce=0)
    new, new_hash = s.tx(PAY, 2 * FINNEY, nonce=0)
    gone, gone_hash = w.senders[6].tx(PAY, 1 * FINNEY)
    w.builder("eth_sendBundle", {"txs": [new], "replacementNonce": 7, **key})
    w.builder("eth_sendBundle", {"txs": [old], "replacementNonce": 6, **key})
    other = {**key, "replacementUuid": "3255ceb4-fdc5-592d-a501-2183727ca3d0"}
    w.builder("eth_sendBundle", {"txs": [gone], "replacementNonce": 1, **other})
    cancel = {"replacementUuid": other["replacementUuid"], "signingAddress": signer}
    assert w.builder("eth_cancelBundle", cancel)["result"] is None
    receipt = w.receipt(new_hash)
    assert receipt["blockNumber"] == block
    assert w.node("eth_getTransactionReceipt", old_hash) is None
    assert w.node("eth_getTransactionReceipt", gone_hash) is None
    s.nonce = 1


@case
def answers_are_the_deployed_ones():
    """null for bundles whatever becomes of them, a hash for a transaction, codes for the rest."""
    w = world()
    raw, tx_hash = w.senders[7].tx(PAY, 1 * FINNEY)
    assert w.builder("eth_sendRawTransaction", raw)["result"] == tx_hash
    assert w.builder("eth_sendBundle", {"txs": ["0x01"]})["result"] is None
    assert w.builder("mev_sendBundle", {"version": "v7"})["result"] is None
    wrong = w.builder("eth_sendRawTransaction", "0x02")["error"]
    assert (wrong["code"], wrong["message"]) == (-32602, "failed to verify transaction")
    assert w.builder("eth_call")["error"]["code"] == -32601
    assert w.builder("bid_subsidiseBlock", 5)["result"] is None
    assert int(w.receipt(tx_hash)["status"], 16) == 1


def frame(kind, sequence, body=b""):
    content = bytes([kind]) + struct.pack(">Q", sequence) + body
    return struct.pack(">I", len(content)) + content


def feed_tx(raw):
    data = bytes.fromhex(raw[2:])
    return bytes([3, 0, 0]) + struct.pack(">QII", time.time_ns(), 0, len(data)) + data


def read_frame(s):
    size = struct.unpack(">I", s.recv(4, socket.MSG_WAITALL))[0]
    content = s.recv(size, socket.MSG_WAITALL)
    return content[0], struct.unpack(">Q", content[1:9])[0], content[9:]


@case
def the_feed_takes_acknowledges_and_goes_on():
    """Orders of the socket land; after a break the builder tells where to go on; faults end it."""
    w = world()
    session = 77
    hello = frame(1, session, b"BNOF\0\1")
    raw, tx_hash = w.senders[8].tx(PAY, 2 * FINNEY)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.folder / "orders.sock"))
        s.sendall(hello)
        assert read_frame(s) == (2, 0, struct.pack(">Q", session))
        s.sendall(frame(3, 1, feed_tx(raw)))
        assert read_frame(s)[:2] == (4, 1)
        s.sendall(frame(3, 2, feed_tx("0x02ff")))  # no transaction: refused, and taken
        kind, sequence, _ = read_frame(s)
        assert (kind, sequence) == (5, 2)
        assert read_frame(s)[:2] == (4, 2)
    assert int(w.receipt(tx_hash)["status"], 16) == 1
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.folder / "orders.sock"))
        s.sendall(hello)
        assert read_frame(s) == (2, 2, struct.pack(">Q", session))
        s.sendall(b"\xff" * 64)
        assert s.recv(1) == b""


def feed_bundle(raw, sender, min_timestamp):
    """A bundle of one transaction with a minimum timestamp, its sender told."""
    data = bytes.fromhex(raw[2:])
    return (bytes([1, 0, 0]) + struct.pack(">QI", time.time_ns(), 1) + bytes.fromhex(sender[2:]) +
            struct.pack(">HII", 1 << 1, 1, len(data)) + data + bytes(12) +
            struct.pack(">Q", min_timestamp))


def played(folder, *relay_options):
    """The first blocks of a chain with a clock of its own, on which a builder bids."""
    w = World(folder)
    try:
        w.start_node("--genesis-time", "1700000000", "--virtual-clock", "8s")
        w.start_relay(*relay_options)
        w.start_builder()
        log = w.folder / "builder.log"
        wait_until(lambda: "event=node_synced block=0" in log.read_text(), 8, "not synced")
        for number, sender in enumerate(w.senders[:4]):
            raw, _ = sender.tx(PAY, (number + 1) * FINNEY, tip=number)
            w.node("eth_sendRawTransaction", raw)
        assert w.head() == 0, "eight seconds were not enough"
        wait_until(lambda: w.head() >= 4, 30, "no blocks")
        return [w.node("eth_getBlockByNumber", hex(n), False) for n in range(1, 5)]
    finally:
        for name in ("builder", "relay", "node"):
            w.stop(name)


@case
def two_runs_with_a_virtual_clock_are_the_same():
    """Genesis time and transactions alike: every hash is, from the first block, and bids won."""
    runs = []
    for _ in range(2):
        with Folder() as folder:
            runs.append(played(folder))
    first, second = runs
    assert [b["hash"] for b in first] == [b["hash"] for b in second], runs
    assert [int(b["timestamp"], 16) for b in first] == [1700000001 + i for i in range(4)]
    builder = "0x" + wallet.address(BUILDER_KEY).hex()
    assert all(b["miner"].lower() == builder for b in first), first
    assert len(first[0]["transactions"]) == 5  # those that waited, and the payment
    with Folder() as folder:  # equal bids cannot replace each other there; they win all the same
        assert all(b["miner"].lower() == builder for b in played(folder, "--cancellations=false"))


def pour(w, frames):
    """Gives frames to the builder's feed; done when the last one is acknowledged."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.folder / "orders.sock"))
        s.sendall(frame(1, 99, b"BNOF\0\1"))
        s.settimeout(60)
        assert read_frame(s)[0] == 2
        sent = threading.Thread(target=lambda: s.sendall(b"".join(frames)))
        sent.start()
        last = 0
        while last < len(frames):
            kind, last, _ = read_frame(s)
            assert kind == 4, kind
        sent.join()


@case
def a_payment_that_an_order_makes_dearer_is_made_all_the_same():
    """The proposer is paid by a contract's rules: what it takes is measured again where the block changes it."""
    with Folder() as folder:
        w = World(folder)
        doc = json.loads(w.genesis.read_text())
        # Keeps the last payment; data clears that, so that the next one fills an empty slot.
        doc["alloc"][PROPOSER] = {"balance": "0x0", "code": "0x36600857345f55005b5f5f5500",
                                  "storage": {"0x" + "00" * 32: "0x" + "00" * 31 + "01"}}
        w.genesis.write_text(json.dumps(doc))
        with w:
            sender = w.senders[0]
            raw = wallet.transaction(sender.key, 0, CHAIN, bytes.fromhex(PROPOSER[2:]), 0, 100000, b"\x01",
                                     50 * 10**9, GAS_FEE)
            w.builder("eth_sendBundle", {"txs": ["0x" + raw.hex()]})  # not the pool: the node builds as well
            block = int(w.receipt("0x" + wallet.keccak(raw).hex())["blockNumber"], 16)
            assert w.node("eth_getBlockByNumber", hex(block), False)["miner"].lower() == "0x" + wallet.address(BUILDER_KEY).hex()
            grown = w.balance(PROPOSER, hex(block)) - w.balance(PROPOSER, hex(block - 1))
            assert grown > w.balance(PROPOSER, hex(block - 1)) - w.balance(PROPOSER, hex(block - 2)) > 0, grown
            w.wait_won(2)


@case
def a_flood_of_orders_is_survived():
    """40,000 orders that get in each other's way, within some seconds: one lands, once, and bids go on."""
    w = world()
    sender = w.senders[11]
    raw, tx_hash = sender.tx(PAY, 1 * FINNEY)
    frames = [frame(3, i + 1, feed_bundle(raw, sender.address, i)) for i in range(40000)]
    log = w.folder / "builder.log"
    before = len(log.read_text())
    pour(w, frames)
    assert int(w.receipt(tx_hash, 60)["status"], 16) == 1
    w.wait_won(3)
    text = log.read_text()[before:]
    slots = [line for line in text.splitlines() if "event=slot " in line]
    assert all("submitted=0" not in line for line in slots[-2:]), slots
    for event in ("relay_says_invalid", "building_failed", "simulation_failed", "block_invalid"):
        assert event not in text, event
    assert w.processes["builder"].running()


@case
def a_flood_larger_than_the_pool_keeps_no_good_order_out():
    """What comes when ten times as many orders as the pool holds came before it lands all the same."""
    with Folder() as folder:
        w = World(folder, "3s")
        try:
            w.start_node()
            w.start_relay()
            w.start_builder("--orders-max", "2000")
            w.wait_won(1, 60)
            raw, _ = w.senders[0].tx(PAY, 1 * FINNEY)
            pour(w, [frame(3, i + 1, feed_bundle(raw, w.senders[0].address, i))
                     for i in range(20000)])
            good, good_hash = w.senders[1].tx(PAY, 50 * FINNEY)
            w.builder("eth_sendBundle", {"txs": [good]})
            assert int(w.receipt(good_hash, 60)["status"], 16) == 1
        finally:
            for name in ("builder", "relay", "node"):
                w.stop(name)


@case
def metrics_have_the_deployed_names():
    """All of them on one port; on the other only what anyone may see."""
    w = world()

    def text(name):
        status, _, body = request(w.port[name], "GET", "/debug/metrics/prometheus", tls=False)
        assert status == 200
        return body.decode()

    raw, tx_hash = w.senders[10].tx(PAY, FINNEY)
    w.node("eth_sendRawTransaction", raw)
    w.receipt(tx_hash)
    full, redacted = text("full"), text("redacted")
    for name in ("block_fill_time", "block_finalize_time", "block_root_hash_time", "current_block",
                 "orderpool_txs", "orderpool_bundles", "simulated_ok_orders", "active_slots",
                 "initiated_submissions", "relay_submit_time", "relay_accepted_submissions",
                 "block_built_sim_gas_used", "simulation_thread_work_time",
                 "simulation_thread_wait_time", "txfetcher_transaction_counter",
                 "txfetcher_transaction_query_time"):
        assert name in full, name
    assert "current_block" in redacted and "relay_" not in redacted and "orderpool" not in redacted
    assert request(w.port["redacted"], "GET", "/readyz", tls=False)[0] == 200


@case
def a_listed_address_gets_nothing_from_the_next_slot_on():
    """SIGHUP reads the block list again; listed senders are left out of blocks. The bids go as JSON,
    packed, with the optimistic key; the node gives its blocks as objects only."""
    with Folder() as folder:
        w = World(folder)
        listed = folder / "blocklist.json"
        listed.write_text("[]")
        w.start_node("--api", "eth,net,web3,flashbots")
        w.start_relay()
        config = folder / "builder.toml"
        config.write_text(f'''
optimistic_relay_secret_key = "{'00' * 31 + '2c'}"
optimistic_max_bid_value_eth = "100.0"
[[relays]]
name = "json"
url = "http://0xabcd@{w.address('relay')}/"
use_ssz_for_submit = false
use_gzip_for_submit = true
optimistic = true
cancellations = true
sequence = true
[[builders]]
name = "merging"
algo = "parallel-builder"
''')
        w.start_builder("--blocklist", listed, "--enable-file", folder / "enabled", "--config",
                        config, "--live-builders", "merging")
        try:
            wait_until(lambda: "bidding_disabled" in (folder / "builder.log").read_text(), 10)
            (folder / "enabled").write_text("")  # the hub's flag
            w.wait_won(1, 40)
            assert "node_gives_no_raw_blocks" in (folder / "builder.log").read_text()
            listed.write_text(json.dumps([w.senders[0].address]))
            w.processes["builder"].signal(signal.SIGHUP)
            wait_until(lambda: "addresses=1" in (folder / "builder.log").read_text(), 10)
            assert "configuration_reloaded" in (folder / "builder.log").read_text()
            config.write_text(config.read_text().replace("[[relays]]", "refine = false\n[[relays]]", 1))
            w.processes["builder"].signal(signal.SIGHUP)
            wait_until(lambda: "refine: true -> false (needs a restart)"
                       in (folder / "builder.log").read_text(), 10)
            w.wait_won(1)
            bad, bad_hash = w.senders[0].tx(PAY, 50 * FINNEY)
            good, good_hash = w.senders[1].tx(PAY, 1 * FINNEY)
            w.builder("eth_sendBundle", {"txs": [bad]})
            w.builder("eth_sendBundle", {"txs": [good]})
            w.receipt(good_hash)
            assert w.node("eth_getTransactionReceipt", bad_hash) is None
            (folder / "enabled").unlink()  # and stops at once when it is gone
            wait_until(lambda: (folder / "builder.log").read_text().count("bidding_disabled") == 2, 5)
            won, head = w.won(), w.head()
            wait_until(lambda: w.head() >= head + 3, 15, "the chain stands")
            assert w.won() <= won + 1
        finally:
            for name in ("builder", "relay", "node"):
                w.stop(name)


class ListServer(Server):
    """Serves a block list; at first it has none."""

    addresses = None

    def get(self, handler):
        self.answer(handler, 200 if self.addresses is not None else 503, self.addresses or [])


@case
def nothing_is_bid_before_a_fetched_block_list_is_there():
    """Without a list from its URL no bid leaves; when it comes, and after SIGHUP, it holds."""
    server = ListServer()
    try:
        with Folder() as folder:
            w = World(folder)
            log = folder / "builder.log"
            w.start_node()
            w.start_relay()
            w.start_builder("--blocklist", server.url + "/list", "--data-folder", folder / "own")
            try:
                wait_until(lambda: "block_list_failed" in log.read_text(), 10)
                head = w.head()
                wait_until(lambda: w.head() >= head + 3, 15, "the chain stands")
                assert w.won() == 0 and "bidding_disabled" in log.read_text()
                server.addresses = [w.senders[0].address]
                w.processes["builder"].signal(signal.SIGHUP)
                w.wait_won(2, 20)
                bad, bad_hash = w.senders[0].tx(PAY, 50 * FINNEY)
                good, good_hash = w.senders[1].tx(PAY, 1 * FINNEY)
                w.builder("eth_sendBundle", {"txs": [bad]})
                w.builder("eth_sendBundle", {"txs": [good]})
                w.receipt(good_hash)
                assert w.node("eth_getTransactionReceipt", bad_hash) is None
                server.addresses = None  # and a restart has it without the server
                w.stop("builder")
                w.start_builder("--blocklist", server.url + "/list", "--data-folder",
                                folder / "own")
                w.wait_won(2, 20)
                assert "block_list addresses=1" in log.read_text()
            finally:
                for name in ("builder", "relay", "node"):
                    w.stop(name)
    finally:
        server.close()


class TopBids:
    """A stream of best bids for whom it knows: 188 bytes of SSZ a WebSocket message."""

    def __init__(self, user):
        self.known = base64.b64encode(user.encode())
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/ws/v1/top_bid"
        self.followers, self.refused = [], 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(4096)
            fields = {name.lower(): value for name, value in (
                line.split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])}
            if fields.get(b"authorization") != b"Basic " + self.known:
                self.refused += 1
                s.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                s.close()
                continue
            accept = base64.b64encode(hashlib.sha1(
                fields[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
            self.followers.append(s)

    def tell(self, slot, block, parent, value):
        bid = struct.pack("<QQQ", int(time.time() * 1000), slot, block) + b"\x77" * 32 + \
            bytes.fromhex(parent[2:]) + b"\x88" * 48 + b"\x99" * 20 + value.to_bytes(32, "little")
        for s in self.followers:
            s.sendall(b"\x82\x7e" + struct.pack(">H", len(bid)) + bid)

    def close(self):
        self.listener.close()
        for s in self.followers:
            s.close()


@case
def bids_go_just_above_the_best_of_others():
    """By competition: the least share of a block's worth where others bid less, else a little more than
    they do, as a stream tells that asks for a password."""
    others, more = 20 * FINNEY, 10**12
    stream = TopBids("reader:a word")
    with Folder() as folder:
        w = World(folder)
        w.start_node()
        w.start_relay()
        w.start_builder("--bid-policy", "competition", "--bid-fraction", "0.25", "--top-bid", stream.url,
                        "--top-bid-basic-auth", "reader:a word", "--bid-increment", "0.000001")
        try:
            w.wait_won(2, 40)
            assert stream.followers and not stream.refused
            paid = set()

            def bid_of(sender, tell):
                raw, tx_hash = sender.tx(PAY, 40 * FINNEY)
                w.builder("eth_sendBundle", {"txs": [raw]})

                def told():
                    if tell:
                        head = json.loads(request(w.port["beacon"], "GET",
                                                  "/eth/v1/beacon/headers/head", tls=False)[2])
                        block = w.node("eth_getBlockByNumber", "latest", False)
                        slot = int(head["data"]["header"]["message"]["slot"])
                        stream.tell(slot + 1, int(block["number"], 16) + 1, block["hash"], others)
                    return w.node("eth_getTransactionReceipt", tx_hash)
                receipt = wait_until(told, 20, "the bundle is not included")
                block = w.node("eth_getBlockByNumber", receipt["blockNumber"], True)
                if block["miner"].lower() == "0x" + wallet.address(BUILDER_KEY).hex():
                    paid.add(int(block["transactions"][-1]["value"], 16))
                return paid

            wait_until(lambda: bid_of(w.senders[0], False), 60, "no bid wins")
            assert all(10 * FINNEY <= value < 11 * FINNEY for value in paid), paid
            paid.clear()
            wait_until(lambda: others + more in bid_of(w.senders[0], True), 60, paid)
            assert max(paid) == others + more, paid
        finally:
            for name in ("builder", "relay", "node"):
                w.stop(name)
            stream.close()


@case
def it_outlives_node_and_relay():
    """A relay that hangs, a killed one and a killed node cost slots, not the builder; it bids again
    by itself."""
    w = world()
    w.processes["relay"].signal(signal.SIGSTOP)
    time.sleep(4)
    w.processes["relay"].signal(signal.SIGCONT)
    w.wait_won(2, 40)
    w.stop("relay", signal.SIGKILL)
    time.sleep(2)
    w.start_relay()
    w.wait_won(2, 40)
    w.stop("node", signal.SIGKILL)
    time.sleep(2)
    w.start_node()
    w.wait_won(2, 60)
    raw, tx_hash = w.senders[9].tx(PAY, 3 * FINNEY)
    w.node("eth_sendRawTransaction", raw)
    assert int(w.receipt(tx_hash, 30)["status"], 16) == 1
    log = (w.folder / "builder.log").read_text()
    assert "relay_says_invalid" not in log and "block_invalid" not in log, log[-2000:]


@case
def a_restart_of_the_builder_catches_up():
    """A builder that starts late executes the chain so far and bids."""
    w = world()
    w.stop("builder")
    head = w.head()
    wait_until(lambda: w.head() >= head + 3, 15, "the chain stands")
    w.start_builder()
    w.wait_won(2, 40)


@case
def the_state_of_our_own_node_over_its_socket():
    """With --state-rpc the builder begins at the node's newest block: proofs and witnesses over the
    socket bring the state, nothing before is executed, and bids win."""
    with Folder() as folder:
        w = World(folder)
        w.start_node("--ipc-path", folder / "node.ipc")
        w.start_relay()
        try:
            wait_until(lambda: w.head() >= 4, 20, "the chain stands")
            w.start_builder("--state-rpc", folder / "node.ipc")
            w.wait_won(3, 40)
            raw, tx_hash = w.senders[0].tx(PAY, 5 * FINNEY)
            w.builder("eth_sendBundle", {"txs": [raw]})
            assert int(w.receipt(tx_hash)["status"], 16) == 1
            _, _, body = request(w.port["full"], "GET", "/debug/metrics/prometheus", tls=False)
            values = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if line[0] != "#")
            assert float(values["state_witnesses"]) > 0 and float(values["state_refused"]) == 0, values
            log = (folder / "builder.log").read_text()
            assert "event=state_from_node" in log and "block_invalid" not in log
            assert "block_imported block=1 " not in log
        finally:
            for name in ("builder", "relay", "node"):
                w.stop(name)


@case
def recorded_blocks_are_built_again():
    """Of a mainnet block's shuffled transactions at least its value, in a valid block; every order is
    explained."""
    root = pathlib.Path(os.environ.get("BN_VECTORS") or
                        pathlib.Path(__file__).resolve().parents[3] / "shared/data")
    archive = root / "evm/mainnet-blocks.tar.zst"
    if not archive.exists():
        raise Skip("no vectors; BN_VECTORS names their folder")
    with Folder() as folder:
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", folder], check=True)
        for block, transactions in (("930196", 18), ("12520364", 10), ("19934116", 58)):
            path = folder / "blocks" / block
            result = run(PROGRAM, "builder", "backtest", "--block", path, "--refine", "200", "--json")
            assert result.returncode == 0, result.stdout + result.stderr
            report = json.loads(result.stdout.splitlines()[0])
            assert report["orders"] == transactions
            assert all(a["valid"] for a in report["algorithms"])
            best = max(int(a["refined"]) for a in report["algorithms"])
            assert best >= int(report["value"]) > 0
            explained = run(PROGRAM, "builder", "explain", path / "block.json", "--algorithm",
                            "mp-ordering", "--json")
            lines = [json.loads(line) for line in explained.stdout.splitlines()[:-1]]
            assert sum("included" in line for line in lines) == transactions
        orders = folder / "orders.jsonl"
        orders.write_text('{"method": "eth_sendRawTransaction", "params": ["0x02"]}\n')
        empty = run(PROGRAM, "builder", "backtest", "--block", folder / "blocks/930196", "--orders",
                    orders, "--json")
        assert empty.returncode == 1  # nothing can be built of what is no transaction
        assert json.loads(empty.stdout.splitlines()[0])["orders"] == 0


def end():
    if WORLD:
        WORLD["world"].__exit__(None)
        WORLD["folder"].__exit__()


@case
def wrong_files_are_named_by_the_tools():
    """backtest and refunds say what is wrong with what they were given, and with which."""
    with Folder() as folder:
        r = run(PROGRAM, "builder", "backtest", "--block", folder / "nothing")
        assert r.returncode == 1 and "no block.json there or above" in r.stderr, r.stderr
        (folder / "1-0x00.json").write_text("{}")
        r = run(PROGRAM, "builder", "refunds", "1", "--records-folder", folder, "--signer", "zz")
        assert r.returncode == 64 and "no address for --signer: 'zz'" in r.stderr, r.stderr


@case
def a_file_at_the_sockets_path_is_kept():
    """What stands where the orders' socket is to be and is no socket is not the builder's to remove."""
    with Folder() as folder:
        (folder / "orders").write_text("of somebody")
        made = run(PROGRAM, "node", "dev-genesis")
        (folder / "genesis.json").write_text(made.stdout)
        r = run(PROGRAM, "builder", "--chain", folder / "genesis.json", "--coinbase-secret-key", "01" * 32,
                "--relay-secret-key", "01" * 32, "--rpc-port", "0", "--full-telemetry-port", "0",
                "--redacted-telemetry-port", "0", "--orders-socket", folder / "orders", timeout=20)
        assert r.returncode != 0 and "orders-socket" in r.stderr, r.stderr
        assert (folder / "orders").read_text() == "of somebody"


@case
def everything_ends_in_order():
    """SIGTERM ends the builder with status 0."""
    world()
    end()


if __name__ == "__main__":
    main()
