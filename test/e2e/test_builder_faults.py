"""The builder among faults: clocks, relays, floods, and many slots in a row under load."""
import hashlib
import json
import os
import random
import re
import signal
import threading
import time

import wallet
from builder_world import BUILDER_KEY, BURN, FINNEY, ONCE, PAY, PROPOSER, REVERT, World, rpc
from harness import Folder, case, main, request, wait_until
from orderflow_node import Node
from relay_stub import Server

BUILDER = "0x" + wallet.address(BUILDER_KEY).hex()
SLOTS = int(os.environ.get("BN_SLOTS", "40"))


class Network:
    """A World for one case, with its own slot length."""

    def __init__(self, slot="500ms", relays=(), options=(), env=None, known=()):
        self.folder = Folder()
        self.slot, self.relays, self.options, self.env = slot, relays, options, env
        self.known = known  # events of faults that are the case's own

    def __enter__(self):
        w = self.world = World(self.folder.__enter__(), self.slot)
        w.start_node()
        w.start_relay()
        config = w.folder / "builder.toml"
        config.write_text("".join(
            f'[[relays]]\nname = "{name}"\nurl = "{url}"\npriority = {priority}\n'
            for name, url, priority in (("real", w.url("relay"), 0), *self.relays)))
        w.start_builder("--config", config, *self.options, env=self.env)
        return w

    def __exit__(self, kind, *_):
        w = self.world
        try:
            for name in ("builder", "relay", "node"):
                try:
                    w.stop(name)
                except AssertionError:
                    if not kind:
                        raise
            if not kind:
                check_log(w, self.known)
            else:
                print(log(w)[-6000:])
        finally:
            self.folder.__exit__()


def log(w, name="builder"):
    return (w.folder / f"{name}.log").read_text()


def check_log(w, known):
    """No block of ours was ever found invalid, by anyone."""
    text = log(w)
    for event in {"relay_says_invalid", "block_invalid", "building_failed", "record_failed"} - set(known):
        assert f"event={event}" not in text, [line for line in text.splitlines() if event in line][:3]


def delivered(w):
    """What the relay's delivered payloads bid, by block."""
    bids, cursor = {}, ""
    while True:
        path = "/relay/v1/data/bidtraces/proposer_payload_delivered?limit=100" + cursor
        traces = json.loads(request(w.port["relay"], "GET", path, tls=False)[2])
        new = {int(t["block_number"]): int(t["value"]) for t in traces} if traces else {}
        if not set(new) - set(bids):
            return bids
        bids.update(new)
        cursor = f"&cursor={min(int(t['slot']) for t in traces)}"


def check_chain(w, first=1, last=None):
    """Every block of the builder pays its proposer once, what was bid, and holds no transaction twice."""
    seen, ours = set(), 0
    bids = delivered(w)
    for number in range(first, (last or w.head()) + 1):
        block = w.node("eth_getBlockByNumber", hex(number), True)
        for tx in block["transactions"]:
            assert tx["hash"] not in seen, (number, tx)
            seen.add(tx["hash"])
        if block["miner"].lower() != BUILDER:
            continue
        ours += 1
        payments = [tx for tx in block["transactions"] if tx["from"].lower() == BUILDER and
                    (tx["to"] or "").lower() == PROPOSER]
        assert len(payments) == 1 and payments[0] == block["transactions"][-1], (number, payments)
        grown = w.balance(PROPOSER, hex(number)) - w.balance(PROPOSER, hex(number - 1))
        assert grown == int(payments[0]["value"], 16), (number, grown)
        assert bids.get(number, grown) == grown, (number, grown, bids[number])
    assert ours, "no block is the builder's"
    return ours


class Load:
    """Senders that go on: payments to the node's pool, bundles with and without faults, refunds."""

    def __init__(self, w):
        self.w, self.ending, self.sent, self.why = w, False, 0, None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def once(self, dice):
        w = self.w
        sender = dice.choice(w.senders)
        sender.nonce = int(w.node("eth_getTransactionCount", sender.address, "latest"), 16)
        raw, _ = sender.tx(PAY, dice.randrange(1, 9) * FINNEY, tip=dice.randrange(5))
        what = dice.randrange(4)
        if what == 0:
            rpc(w.port["http"], "eth_sendRawTransaction", raw)
        elif what == 1:
            w.builder("eth_sendBundle", {"txs": [raw], "refundPercent": 40,
                                         "refundRecipient": "0x" + "9a" * 20})
        elif what == 2:
            bad, _ = sender.tx(REVERT)
            w.builder("eth_sendBundle", {"txs": [raw, bad]})
        else:
            other = dice.choice([s for s in w.senders if s is not sender])
            other.nonce = int(w.node("eth_getTransactionCount", other.address, "latest"), 16)
            w.builder("eth_sendBundle", {"txs": [raw, other.tx(ONCE, FINNEY)[0]]})
        self.sent += 1

    def run(self):
        dice = random.Random(7)
        try:
            while not self.ending:
                self.once(dice)
                time.sleep(0.01)
        except Exception as why:  # pylint: disable=broad-except
            self.why = why

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ending = True
        self.thread.join(20)
        assert kind or self.why is None, self.why


@case
def no_slot_of_many_is_without_a_bid():
    """While load runs, a bid leaves for every slot, most win, and each pays what was bid, once (BN_SLOTS:
    how many; 40 without it)."""
    with Network("1s") as w:
        w.wait_won(2, 60)
        first = w.head() + 1
        with Load(w) as load:
            last, won = first - 1, 0
            while last < first + SLOTS - 1:  # in pieces: old states are not kept
                begin, last = last + 1, min(last + 60, first + SLOTS - 1)
                wait_until(lambda to=last: w.head() >= to, 200, "the chain stands")
                won += check_chain(w, begin, last)
        bid = {int(m[1]) for m in re.finditer(r"event=slot slot=\d+ block=(\d+) .* submitted=(\d+)", log(w))
               if m[2] != "0"}
        bid |= {int(m[1]) for m in re.finditer(r"event=block_landed block=(\d+) ", log(w))}
        missed = set(range(first, last + 1)) - bid
        assert not missed, f"no bid left for blocks {sorted(missed)}"
        assert won >= SLOTS * 9 // 10, f"{won} of {SLOTS} blocks are the builder's"
        assert load.sent > SLOTS / 2, load.sent


@case
def kills_between_bid_and_block_do_not_raise_the_limit_of_a_day():
    """A builder that is killed after each bid, and started again when the block is there, spends of its own
    no more than it may in a day."""
    subsidy, most = 10**14, 3 * 10**14
    with Folder() as folder, World(folder, "1500ms") as w:
        w.stop("builder")
        head = w.head()
        spent = lambda: sum(max(w.balance(BUILDER, hex(n - 1)) - w.balance(BUILDER, hex(n)), 0)
                            for n in range(head + 1, w.head() + 1))
        for _ in range(7):
            told = len(log(w))
            w.start_builder("--data-folder", w.folder / "kept", "--subsidy", subsidy / 10**18,
                            "--subsidy-day-max", most / 10**18)
            try:
                wait_until(lambda told=told: re.search("event=block_built .*\n", log(w)[told:]), 6, "no bid")
            except AssertionError:
                break  # the day's limit is reached
            time.sleep(0.15)  # the relay has it
            block = w.head()
            w.stop("builder", signal.SIGKILL)
            wait_until(lambda block=block: w.head() > block, 10, "the chain stands")
        assert subsidy < spent() <= most, spent()


@case
def bids_do_not_execute_again_what_takes_long():
    """Orders that hash for a million gas: before a bid leaves, the block is executed anew only from where
    it differs from the one checked before, and they share blocks."""
    with Network("4s", options=("--live-builders", "mp-ordering")) as w:
        w.wait_won(2, 60)
        hashes = []
        for number, sender in enumerate(w.senders[:8]):  # each pays less than those before
            raw, tx_hash = sender.tx(BURN, tip=(20 - number) * 10**9, gas=1_000_000)
            w.builder("eth_sendBundle", {"txs": [raw]})
            hashes.append(tx_hash)
            time.sleep(0.1)
        blocks = {w.receipt(tx_hash, 60)["blockNumber"] for tx_hash in hashes}
        assert len(blocks) <= 3, blocks
        pairs = [(int(m[1]), int(m[2])) for m in re.finditer(
            r"event=block_built .* txs=(\d+) .* checked=(\d+)", log(w))]
        assert all(0 < checked <= txs for txs, checked in pairs), pairs
        assert any(checked <= txs // 2 for txs, checked in pairs if txs >= 4), pairs
        check_chain(w)


def shifted(ms):
    return {"BUILDERNET_CLOCK_SHIFT": f"{ms}ms"}


@case
def a_clock_two_seconds_behind_bids_still():
    """The builder's slot ends with the next block, not with its clock: bids win, none is wrong."""
    with Network("1s", env=shifted(-2000)) as w:
        w.wait_won(4, 40)
        check_chain(w)


@case
def a_clock_two_seconds_ahead_stops_early_and_no_more():
    """Of slots long enough it bids for the first part; of short ones it passes over what its clock says
    is over. No bid is wrong."""
    with Network("8s", env=shifted(2000), options=("--bids-after", "2500ms")) as w:
        w.wait_won(2, 60)
        check_chain(w)
    with Network("1s", env=shifted(2000)) as w:
        head = w.head()
        wait_until(lambda: w.head() >= head + 6, 20, "the chain stands")
        assert w.processes["builder"].running()


class Crook(Server):
    """A relay that says what it likes."""

    def __init__(self, world_port=None):
        self.behind, self.mode, self.posts, self.early = world_port, "ok", 0, {}
        super().__init__()

    def get(self, handler):
        body = b"[]"
        if self.behind:
            body = request(self.behind, "GET", handler.path, tls=False)[2]
        if self.mode == "garbage":
            body = b'[{"slot": "1", "entry": {"message": ' + b"[" * 300
        if self.mode == "others":  # another fee recipient and gas limit for every slot
            duties = json.loads(body)
            for duty in duties:
                duty["entry"]["message"]["fee_recipient"] = "0x" + "66" * 20
                duty["entry"]["message"]["gas_limit"] = "1"
            body = json.dumps(duties).encode()
        self.answer(handler, 200, body)

    def post(self, handler, body):
        self.posts += 1
        if self.mode == "early":
            block = hashlib.sha256(body).hexdigest()
            self.early[block] = self.early.get(block, 0) + 1
            if self.early[block] < 3:
                self.answer(handler, 400, {"code": 400, "message": "payload attributes not (yet) known"})
                return
        if self.mode == "slow":
            time.sleep(3)
        answers = {"invalid": (400, {"code": 400, "message": "simulation failed: invalid state root"}),
                   "over": (400, {"code": 400, "message": "payload for this slot was already delivered"}),
                   "huge": (200, b"x" * (8 << 20)), "busy": (429, {}), "broken": (500, b"\x00\xff")}
        self.answer(handler, *answers.get(self.mode, (200, {})))


@case
def a_relay_that_lies_or_is_slow_costs_the_others_nothing():
    """Beside a good relay: one that names other proposers, says garbage, says that blocks are invalid or
    slots over, answers late, too much or not at all. The good one gets its bid in every slot."""
    crook = Crook()
    with Network("500ms", relays=(("crook", crook.url, 5),)) as w:
        crook.behind = w.port["relay"]
        w.wait_won(2, 60)
        try:
            for mode in ("ok", "others", "garbage", "over", "slow", "huge", "busy", "broken"):
                crook.mode, crook.posts = mode, 0
                first = w.head() + 2
                w.wait_won(5, 30)
                for number in range(first, first + 3):
                    block = w.node("eth_getBlockByNumber", hex(number), False)
                    assert block["miner"].lower() == BUILDER, (mode, number)
            check_chain(w)
        finally:
            crook.close()


@case
def a_bid_that_came_too_early_goes_again():
    """A relay that has not seen the slot's payload attributes gets the same bid until it has."""
    crook = Crook()
    crook.mode = "early"
    try:
        with Network("1s", relays=(("crook", crook.url, 5),)) as w:
            crook.behind = w.port["relay"]
            w.wait_won(5, 60)
        taken = [block for block, tries in crook.early.items() if tries == 3]
        assert len(taken) >= 3, crook.early
        assert max(crook.early.values()) == 3, crook.early
    finally:
        crook.close()


@case
def a_relay_that_calls_blocks_invalid_is_named():
    """It costs nothing elsewhere, the operator is told, and the block is kept."""
    crook = Crook()
    crook.mode = "invalid"
    try:
        with Folder() as kept, Network("500ms", relays=(("crook", crook.url, 5),), known=(
                "relay_says_invalid",), options=("--error-storage", kept)) as w:
            crook.behind = w.port["relay"]
            w.wait_won(4, 60)
            wait_until(lambda: "relay_says_invalid relay=crook" in log(w), 20, "nobody is told")
            assert list(kept.glob("*.rlp"))
            w.wait_won(3, 30)
            check_chain(w)
            assert "relay_says_invalid relay=real" not in log(w)
    finally:
        crook.close()


@case
def a_killed_orderflow_gives_each_order_once():
    """The orderflow program, killed again and again, goes on where the builder stands; a builder that
    was started again gets everything, once."""
    with Network() as w, Folder() as folder:
        chain = int(w.node("eth_chainId"), 16)
        node = Node(folder, "--builder-url", f"feed:{w.folder / 'orders.sock'}", "--chain-id",
                    str(chain), "--journal-folder", folder / "journal").start()
        for n in range(200):
            raw = "0x" + wallet.transaction(BUILDER_KEY + 1, n, chain=chain).hex()
            assert node.send("eth_sendRawTransaction", raw, BUILDER_KEY + 1)[0] == 200
            if n % 50 == 49:
                node.kill()
                node.start()
        held = lambda: [int(n) for n in re.findall(r"event=feed_connected .*last=(\d+)", log(w))]
        wait_until(lambda: node.metric("orderflow_builder_known") == 200, 10, node.process.logged)
        assert len(held()) == 5 and held()[-1] == 200, held()
        w.stop("builder")
        w.start_builder()
        state = lambda: [node.metric("orderflow_builder_" + name)
                         for name in ("retried", "connected", "in_flight_orders")]
        wait_until(lambda: state() == [200, 1, 0], 10, node.process.logged)
        node.kill()
        node.start()
        wait_until(lambda: node.metric("orderflow_builder_known") == 200, 10, node.process.logged)
        assert held()[-1] == 400, held()
        node.kill()


main()
