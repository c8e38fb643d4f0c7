"""The table of scenarios of src/builder/fill_test.c on a running node, relay and builder: every order is
sent as users send it, all in one slot, and the block that lands has of each row what the table says."""
import json
import pathlib
import re
import time

import wallet
from builder_world import BUILDER_KEY, CODE_PAY, World
from harness import Folder, case, main, request, wait_until

TABLE = pathlib.Path(__file__).resolve().parents[2] / "src/builder/fill_test.c"
BUILDER = "0x" + wallet.address(BUILDER_KEY).hex()
FINNEY, GWEI = 10**15, 10**9
PAY, REVERT, ONCE, FLAG, LISTED, DEEP, DEAR, REFUSE = range(1, 9)
SLOT = 8


def rows():
    """(name, orders, block, statuses) of all rows without blobs, authorizations, and a block's limit of gas."""
    text = TABLE.read_text()
    text = text[text.index("scenarios[] = {"):text.index("\n};\n", text.index("scenarios[] = {"))]
    found = re.findall(r'\{"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*\d+\}', text)
    return [row for row in found if not re.search("blob|allow|gas:", row[1])]


class Row:
    """One row with accounts and contracts of its own, so that all can be in one block."""

    def __init__(self, index, name, orders, block, statuses):
        self.index, self.name, self.block = index, name, block
        self.texts = [o.strip() for o in orders.split(";")]
        self.statuses = statuses.split()
        letters = set("".join(re.findall(r"\b([a-z])\.[a-z]", orders) +
                              re.findall(r"(?:to|signer|cfg)=([a-z])\b", orders)))
        self.keys = {c: (index + 1) << 16 | ord(c) for c in letters}
        self.keys.setdefault("y", (index + 1) << 16 | ord("y"))
        self.addresses = {c: wallet.address(key) for c, key in self.keys.items()}
        self.addresses |= {"D": self.contract(DEAR), "X": self.contract(REFUSE)}
        self.nonces, self.signed = {}, {}
        self.sent = []  # (hashes of its transactions, request)

    def contract(self, kind):
        return bytes([0xC0]) + self.index.to_bytes(2, "big") + bytes(16) + bytes([kind])

    def codes(self):
        deep = "5f5f5f5f5f73" + self.contract(LISTED).hex() + "5af15000"
        return {PAY: CODE_PAY, REVERT: "5f5ffd", ONCE: "5f54156009575f5ffd5b60015f55" + CODE_PAY,
                FLAG: "36600c575f546012575f5ffd5b60015f55005b" + CODE_PAY, LISTED: CODE_PAY,
                DEEP: deep, DEAR: "345f5500", REFUSE: "5f5ffd"}

    def tx(self, word):
        """Signed once, however often it is asked for."""
        key = (word, self.nonces.get(word[0], 0))
        if key not in self.signed:
            self.signed[key] = self.sign(word)
        nonce = re.search(r"@(\d+)", word)
        nonce = int(nonce[1]) if nonce else key[1]
        self.nonces[word[0]] = max(key[1], nonce + 1)
        return self.signed[key]

    def sign(self, word):
        who, action, number, nonce, tip = re.fullmatch(
            r"([a-z])\.([a-z]+)(?::(\d+))?(?:@(\d+))?(?:\^(\d+))?", word).groups()
        nonce = int(nonce) if nonce else self.nonces.get(who, 0)
        kind = {"pay": PAY, "once": ONCE, "back": FLAG, "set": FLAG, "revert": REVERT, "list": LISTED,
                "deep": DEEP}.get(action)
        to = self.contract(kind) if kind else self.addresses["y"]
        value = int(number or 0) * FINNEY if action in ("pay", "once", "back") else 0
        raw = wallet.transaction(self.keys[who], nonce, 1337, to, value, 100000,
                                 b"\x01" if action == "set" else b"", int(tip or 0) * GWEI,
                                 7 if action == "cheap" else 100 * GWEI)
        return "0x" + raw.hex(), "0x" + wallet.keccak(raw).hex()

    def bundle(self, words, target):
        body, hashes, raws = {"version": "v2"}, [], []
        for word in words:
            if word[1] == ".":
                raw, tx_hash = self.tx(word)
                raws.append(raw)
                hashes.append(tx_hash)
                continue
            name, _, value = word.partition("=")
            listed = [hashes[int(i) - 1] for i in value.split(",")] if name in ("rev", "drop", "of") else 0
            body |= {"rev": {"revertingTxHashes": listed}, "drop": {"droppingTxHashes": listed},
                     "of": {"refundTxHashes": listed}, "v": {"version": value},
                     "pct": {"refundPercent": value and int(value) if name == "pct" else 0},
                     "to": {"refundRecipient": name == "to" and "0x" + self.addresses[value].hex()},
                     "delayed": {"delayedRefund": True},
                     "block": {"blockNumber": name == "block" and target.block(value)},
                     "min": {"minTimestamp": name == "min" and target.time(value)},
                     "max": {"maxTimestamp": name == "max" and target.time(value)},
                     "uuid": {"uuid": f"{value:0>8}-0000-0000-0000-{self.index:012d}"},
                     "nonce": {"replacementNonce": name == "nonce" and int(value)},
                     "signer": {"signingAddress": name == "signer" and "0x" + self.addresses[value].hex()},
                     }[name]
        if body["version"] == "v1":
            body.setdefault("blockNumber", target.block("100"))
        return hashes, ("eth_sendBundle", [{"txs": raws, **body}])

    def share(self, words, target, hashes):
        """The items up to the closing bracket."""
        body, refunds, configs, inclusion, version = [], [], [], target.block("100"), "v0.1"
        most = None
        while words:
            word = words.pop(0)
            if word == "(":
                inner, mark = self.share(words, target, hashes)
                body.append({"bundle": inner, **self.mode(mark)})
            elif word[0] == ")":
                break
            elif word[1] == ".":
                mark = word[-1] if word[-1] in "?!" else ""
                raw, tx_hash = self.tx(word.rstrip("?!"))
                hashes.append(tx_hash)
                body.append({"tx": raw, "canRevert": False, **self.mode(mark)})
            else:
                name, _, value = word.partition("=")
                first, _, second = value.partition(".." if name == "block" else ":")
                if name == "refund":
                    refunds.append({"bodyIdx": int(first), "percent": int(second)})
                elif name == "cfg":
                    configs.append({"address": "0x" + self.addresses[first].hex(), "percent": int(second)})
                elif name == "block":
                    inclusion, most = target.block(first), target.block(second)
                else:
                    version = value
        else:
            word = ")"
        whole = {"version": version, "inclusion": {"block": inclusion}, "body": body}
        if most:
            whole["inclusion"]["maxBlock"] = most
        whole["validity"] = {"refund": refunds, "refundConfig": configs}
        return whole, word[1:]

    @staticmethod
    def mode(mark):
        return {"": {}, "?": {"canRevert": True}, "!": {"canRevert": False, "revertMode": "drop"}}[mark]

    def prepare(self, target):
        for text in self.texts:
            kind, _, rest = text.partition(" ")
            if kind == "tx":
                raw, tx_hash = self.tx(rest)
                self.sent.append(([tx_hash], ("eth_sendRawTransaction", [raw])))
            elif kind == "bundle":
                self.sent.append(self.bundle(rest.split(), target))
            else:
                words = re.findall(r"\(|\)[?!]?|[^\s()]+", rest)
                hashes = []
                whole, _ = self.share(words, target, hashes)
                self.sent.append((hashes, ("mev_sendBundle", [whole])))

    def seen(self, block, failed):
        """What stands of it in a block, in the table's words."""
        names = {"0x" + a.hex(): c for c, a in self.addresses.items()}
        words = []
        for tx in block["transactions"]:
            who, to = tx["from"].lower(), (tx["to"] or "").lower()
            if who in names:
                words.append(names[who] + str(int(tx["nonce"], 16)) + "!" * (tx["hash"] in failed))
            elif who == BUILDER and to in names:
                words.append(">" + names[to])
        return " ".join(words)


class Target:
    """The block that all is for: the table's block 100 at time 5000."""

    def __init__(self, number, timestamp):
        self.number, self.timestamp = number, timestamp

    def block(self, text):
        return hex(self.number + int(text) - 100 if int(text) else 0)

    def time(self, text):
        return self.timestamp + int(text) - 5000 if int(text) > 100 else int(text)


def make(w, table):
    doc = json.loads(w.genesis.read_text())
    for row in table:
        for kind, code in row.codes().items():
            doc["alloc"]["0x" + row.contract(kind).hex()] = {"balance": "0x0", "nonce": "0x1", "code": "0x" + code}
        for letter, address in row.addresses.items():
            if letter not in "pDX":
                doc["alloc"]["0x" + address.hex()] = {"balance": hex(10**21)}
    w.genesis.write_text(json.dumps(doc))
    listed = w.folder / "listed.json"
    listed.write_text(json.dumps(["0x" + row.contract(LISTED).hex() for row in table]))
    return listed


def send(w, table):
    """Everything in one message; gives the answers by id."""
    batch = [{"jsonrpc": "2.0", "id": f"{row.index}.{i}", "method": method, "params": params}
             for row in table for i, (_, (method, params)) in enumerate(row.sent)]
    status, _, body = request(w.port["rpc"], "POST", "/", json.dumps(batch),
                              {"Content-Type": "application/json"}, tls=False)
    assert status == 200, (status, body)
    return {a["id"]: a for a in json.loads(body)}


def told(w, tx_hash, hashes):
    """What the builder tells of the order of those transactions."""
    status, _, body = request(w.port["full"], "GET", "/debug/orders/" + tx_hash, tls=False)
    orders = json.loads(body) if status == 200 else []
    return next((o for o in orders if o["txs"] == hashes and o["slots"]), None)


def check_statuses(w, row, answers, number):
    for i, ((hashes, _), expected) in enumerate(zip(row.sent, row.statuses)):
        answer = answers[f"{row.index}.{i}"]
        if expected == "refused":
            assert "error" in answer, (row.name, answer)
            continue
        if expected == "block_range":
            continue  # refused when the block has passed, else not even given to this one's job
        assert "result" in answer, (row.name, answer)
        order = told(w, hashes[0], hashes)
        slot = next((s for s in order["slots"] if s["block"] == number), None) if order else None
        assert slot, (row.name, i, order)
        got = "done" if slot["state"] == "ready" else slot.get("reason", slot["state"])
        assert got == expected or (expected == "nonce_high" and got == "waiting"), (row.name, i, slot)


@case
def the_whole_table_comes_to_one_block():
    """Bundles, share bundles and transactions with every feature: what lands is what the table says, what
    does not has the reason that the table says, and the relay's simulation took the block."""
    table = [Row(i, *row) for i, row in enumerate(rows())]
    assert len(table) >= 60, len(table)
    with Folder() as folder:
        w = World(folder, f"{SLOT}s")
        listed = make(w, table)
        w.start_node()
        w.start_relay()
        w.start_builder("--blocklist", listed, "--rpc-typed-answers", "--live-builders",
                        "mp-ordering", "--refine=false", "--bids-after", "2s")
        try:
            w.wait_won(1, 60)
            for row in table:  # most of the work once before, for its time
                row.prepare(Target(100, 5000))
                row.sent, row.nonces = [], {}
            head = wait_until(lambda at=w.head(): w.head() > at and w.node(
                "eth_getBlockByNumber", "latest", False), 3 * SLOT, "the chain stands")
            target = Target(int(head["number"], 16) + 1, int(head["timestamp"], 16) + SLOT)
            for row in table:
                row.prepare(target)
            answers = send(w, table)
            wait_until(lambda: w.head() >= target.number, 3 * SLOT, "the chain stands")
            block = w.node("eth_getBlockByNumber", hex(target.number), True)
            assert block["miner"].lower() == BUILDER, "the block is not the builder's"
            assert int(block["timestamp"], 16) == target.timestamp
            failed = {r["transactionHash"] for r in w.node("eth_getBlockReceipts", hex(target.number))
                      if r["status"] == "0x0"}
            wrong = [(row.name, row.seen(block, failed), row.block) for row in table
                     if not re.fullmatch(re.escape(row.block).replace(r"\?", "."), row.seen(block, failed))]
            assert not wrong, wrong
            for row in table:
                check_statuses(w, row, answers, target.number)
            text = (folder / "builder.log").read_text()
            assert "relay_says_invalid" not in text and "building_failed" not in text
        finally:
            for name in ("builder", "relay", "node"):
                w.stop(name)


main()
