"""The relay between builders and proposers: what is taken, what is refused and how, what survives."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import time

from harness import (Folder, PROGRAM, Process, Skip, case, free_port, is_listening, main, run,
                     wait_until)
from relay_stub import (Beacon, Chain, FORKS, Payloads, Validation, get, hex_of, key_of, message_of,
                        post, submit)

RELAY_KEY = "00" * 31 + "2a"


class World:
    """A chain with stubs and a relay; slot `slot` has attributes on `parent` and an empty auction."""

    def __init__(self, folder, chain, beacon, validation):
        self.folder, self.chain, self.beacon, self.validation = folder, chain, beacon, validation
        self.port, self.internal = free_port(), free_port()
        self.parent = hex_of(0x99, 32)
        self.process = None
        self.slot = 0

    def start(self, *options, beacons=None):
        self.process = Process(PROGRAM, "relay", "--listen-addr", f"127.0.0.1:{self.port}",
                               "--internal-addr", f"127.0.0.1:{self.internal}",
                               "--beacon", beacons or self.beacon.url, "--validation", self.validation.url,
                               "--database", self.folder / "relay.db", "--secret-key", RELAY_KEY,
                               *options, log=self.folder / "relay.log")
        self.process.__enter__()
        wait_until(self.ready, 15, "the relay is not ready")
        return self

    def ready(self):
        try:
            return get(self.port, "/readyz")[0] == 200 and self.beacon.streams
        except OSError:
            return False

    def stop(self):
        """An orderly end, with nothing left behind."""
        process, self.process = self.process, None
        if not process:
            return
        process.__exit__()
        if process.popen.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"ended with {process.popen.returncode}: {process.logged()[-4000:]}")

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        self.stop()

    def register(self, indices=None):
        regs = [self.chain.registration(i) for i in indices or range(len(self.chain.keys))]
        answer = post(self.port, "/eth/v1/builder/validators", regs)
        assert answer[0] == 200, answer

    def open_slot(self, ahead=2):
        """Moves the head so that the slot `ahead` from now is the next one."""
        self.slot = self.chain.slot_now() + ahead
        self.parent = "0x" + os.urandom(32).hex()
        self.beacon.set_head(self.slot - 1)
        self.beacon.tell_attributes(self.slot, self.parent)
        probe = self.chain.submission(self.slot, self.parent, payload={"prev_randao": hex_of(0, 32)})
        wait_until(lambda: submit(self.port, probe)[1].startswith("incorrect prev_randao"), 5,
                   "attributes did not arrive")
        return self

    def submission(self, **options):
        return self.chain.submission(self.slot, self.parent, **options)

    def submit(self, body=None, **options):
        return submit(self.port, body or self.submission(), **options)

    def header(self, headers=None, slot=None, parent=None, pubkey=None):
        slot = slot or self.slot
        return get(self.port, f"/eth/v1/builder/header/{slot}/{parent or self.parent}/"
                   f"{pubkey or self.chain.pubkeys[self.chain.proposer(slot)]}", headers)

    def top(self):
        answer = self.header()
        if answer[0] == 204:
            return None
        assert answer[0] == 200, answer
        return json.loads(answer[2])["data"]["message"]

    def blinded(self, **options):
        top = self.top()
        return self.chain.blinded(self.slot, top["header"], top, **options)

    def give(self, block, version="v1", headers=None):
        return post(self.port, f"/eth/{version}/builder/blinded_blocks", block,
                    {"eth-consensus-version": self.chain.fork, **(headers or {})})

    def data(self, path):
        answer = get(self.port, "/relay/v1/data/" + path)
        assert answer[0] == 200, answer
        return json.loads(answer[2])


@contextlib.contextmanager
def world(fork="deneb", slot_seconds=1, options=(), **more):
    with Folder() as folder, contextlib.ExitStack() as stack:
        chain = Chain(fork, slot_seconds, **more)
        stack.callback(chain.close)
        beacon, validation = Beacon(chain), Validation()
        stack.callback(beacon.close)
        stack.callback(validation.close)
        w = World(folder, chain, beacon, validation)
        stack.callback(w.stop)
        beacon.head = chain.slot_now()
        w.start(*options)
        w.register()
        yield w


def same(got, expected):
    assert got == expected, f"{got!r} instead of {expected!r}"


@case
def block_of_every_fork_goes_from_builder_to_chain():
    """A bid in JSON or SSZ, gzip or not, is offered signed, and its block is published whole."""
    for fork in FORKS:
        with world(fork) as w:
            w.open_slot()
            low, high = w.submission(value=5), w.submission(value=10 ** 18 + 1)
            same(w.submit(low), (200, ""))
            ssz = w.chain.tool.ssz("submission", fork, high)
            same(w.submit(high, ssz=ssz, gzipped=True), (200, ""))
            status, fields, body = w.header()
            same((status, fields["eth-consensus-version"]), (200, fork))
            bid = json.loads(body)
            same(bid["version"], fork)
            same(bid["data"]["message"]["value"], str(10 ** 18 + 1))
            assert w.chain.tool.verify("bid", fork, w.chain.builder_domain,
                                       bid["data"]["message"]["pubkey"], bid["data"]["signature"],
                                       bid["data"]["message"])
            status, fields, body = w.header({"accept": "application/octet-stream"})
            same((status, fields["content-type"]), (200, "application/octet-stream"))
            same(w.chain.tool.json("signed_bid", fork, body), bid["data"])
            block = w.blinded()
            status, fields, body = w.give(block)
            same(status, 200)
            payload = json.loads(body)["data"]
            if w.chain.has("deneb"):
                same(payload["blobs_bundle"], high["blobs_bundle"])
                payload = payload["execution_payload"]
            same(payload, high["execution_payload"])
            version, published = w.beacon.published[0]
            same(version, fork)
            signed = published["signed_block"] if w.chain.has("deneb") else published
            same(signed["message"]["body"]["execution_payload"], high["execution_payload"])
            same(signed["signature"], block["signature"])
            kind = "block_contents" if w.chain.has("deneb") else "signed_block"
            assert w.chain.tool.ssz(kind, fork, published)
            method = w.validation.calls[-1]["method"]
            same(method, f"flashbots_validateBuilderSubmissionV{FORKS.index(fork) + 1}")


@case
def submissions_are_refused_with_the_known_texts():
    """Each wrong submission gets the answer that builders' clients know."""
    with world("deneb") as w:
        w.open_slot(4)
        p = {"payload": {}}
        slot, parent = w.slot, w.parent
        past = w.chain.submission(slot - 1, parent)
        same(w.submit(past), (400, "submission for past slot"))
        wrong = w.chain.slot_start(slot) + 1
        p = w.submission(payload={"timestamp": str(wrong)})
        same(w.submit(p), (400, f"incorrect timestamp. got {wrong}, expected {wrong - 1}"))
        p = w.submission(trace={"proposer_fee_recipient": hex_of(1, 20)})
        same(w.submit(p), (400, "fee recipient does not match"))
        p = w.submission(trace={"proposer_pubkey": w.chain.pubkeys[w.chain.proposer(slot) - 1]})
        same(w.submit(p), (400, "proposer public key does not match"))
        same(w.submit(w.submission(value=0)), (200, ""))
        same(w.submit(w.submission(payload={"transactions": []})), (200, ""))
        p = w.submission(trace={"block_hash": hex_of(5, 32)})
        same(w.submit(p), (400, "blockHash mismatch"))
        p = w.submission(trace={"parent_hash": hex_of(5, 32)})
        same(w.submit(p), (400, "parentHash mismatch"))
        p = w.submission(trace={"gas_limit": "29999999"})
        same(w.submit(p), (400, "gasLimit mismatch"))
        p = w.chain.submission(slot, hex_of(6, 32))
        same(w.submit(p), (400, "payload attributes not (yet) known"))
        p = w.submission(payload={"prev_randao": hex_of(8, 32)})
        same(w.submit(p), (400, f"incorrect prev_randao - got: {hex_of(8, 32)}, "
                           f"expected: {hex_of(0x77, 32)}"))
        p = w.submission(payload={"withdrawals": []})
        status, text = w.submit(p)
        same((status, text[:32]), (400, "incorrect withdrawals root - got"))
        for part in ("commitments", "proofs", "blobs"):  # one that nobody could propose
            p = w.submission()
            p["blobs_bundle"][part] = []
            same(w.submit(p), (400, "blobs bundle does not match the blob gas used"))
        p = w.submission(payload={"blob_gas_used": "0"})
        same(w.submit(p), (400, "blobs bundle does not match the blob gas used"))
        p = w.submission()
        p["message"]["value"] = "2"  # after it was signed
        same(w.submit(p), (400, "invalid signature"))
        p = w.submission(trace={"builder_pubkey": hex_of(0xFF, 48)})
        same(w.submit(p), (400, "failed verifying builder signature"))
        far = w.chain.submission(slot + 10 ** 6, parent)
        same(w.submit(far), (400, "could not find slot duty"))
        same(w.submit(w.submission(), headers={"eth-consensus-version": "capella"})[0], 400)
        same(w.submit({"message": {}})[0], 400)
        same(w.submit(None, ssz=b"\0" * 100)[0], 400)
        same(w.top(), None)
        # What passed once is at the floor the second time.
        good = w.submission()
        same(w.submit(good), (200, ""))
        same(w.submit(good), (202, "accepted bid below floor, skipped validation"))


@case
def simulation_decides_and_its_text_is_passed_on():
    """A block that the validation node refuses is not offered; its words reach the builder."""
    with world("capella", options=["--validation-timeout", "500ms"]) as w:
        w.open_slot(6)
        w.validation.error = "could not apply tx 0: gas limit reached"
        same(w.submit(), (400, "simulation failed: could not apply tx 0: gas limit reached"))
        same(w.top(), None)
        call = w.validation.calls[-1]["params"][0]
        same((call["registered_gas_limit"], call["message"]["slot"]), ("30000000", str(w.slot)))
        w.validation.error = "unknown ancestor"
        same(w.submit(), (400, "simulation failed: unknown ancestor"))
        w.validation.error, w.validation.delay = None, 1
        same(w.submit(), (504, "validation request timeout"))
        w.validation.delay = 0
        same(w.submit(), (200, ""))
        same(len(w.data(f"bidtraces/builder_blocks_received?slot={w.slot}")), 1)


@case
def cancellations_replace_and_the_floor_stays():
    """With cancellations the last bid counts, without them the highest; the floor never sinks."""
    with world("capella") as w:
        w.open_slot(8)
        a, b = key_of(7), key_of(8)
        same(w.submit(w.submission(key=a, value=100), query="?cancellations=1"), (200, ""))
        same(w.submit(w.submission(key=a, value=50), query="?cancellations=1"), (200, ""))
        wait_until(lambda: w.top()["value"] == "50")
        same(w.submit(w.submission(key=b, value=60)), (200, ""))
        same(w.top()["value"], "60")
        same(w.submit(w.submission(key=b, value=60)),
             (202, "accepted bid below floor, skipped validation"))
        same(w.submit(w.submission(key=a, value=90), query="?cancellations=1"), (200, ""))
        same(w.top()["value"], "90")
        # Below the floor a cancelling bid takes the builder's own away.
        same(w.submit(w.submission(key=a, value=10), query="?cancellations=1"),
             (202, "accepted bid below floor, skipped validation"))
        same(w.top()["value"], "60")
        same(w.submit(w.submission(key=a, value=95), query="?cancellations=1",
                      headers={"x-sequence": "7"}), (200, ""))
        same(w.submit(w.submission(key=a, value=96), query="?cancellations=1",
                      headers={"x-sequence": "6"}), (400, "already using a newer payload"))
    with world("capella", options=["--cancellations=false"]) as w:
        w.open_slot(4)
        same(w.submit(query="?cancellations=1"), (400, "cancellations are disabled"))


@case
def rows_of_builders_are_read_to_the_letter():
    """A misspelt key would give a builder another standing than was meant: nothing starts."""
    with Folder() as folder:
        for row, said in (('pubkey = "0x%s"\nblacklist = true' % ("11" * 48), "unknown key blacklist"),
                          ("optimistic = true", "pubkey is missing")):
            (folder / "relay.toml").write_text("[[builder]]\n%s\n" % row)
            r = run(PROGRAM, "relay", "--config", folder / "relay.toml", "--secret-key", RELAY_KEY,
                    "--listen-addr", "127.0.0.1:0", "--database", folder / "relay.db", timeout=20)
            assert r.returncode == 66 and said in r.stderr, r.stderr


@case
def an_operators_slip_changes_no_builders_standing():
    """What is neither true nor false, no amount, or no name is refused; nobody becomes known by it."""
    with world() as w:
        pubkey = w.chain.tool.pubkey(key_of(7))
        path, collateral = (f"/internal/v1/builder/{x}{pubkey}" for x in ("", "collateral/"))
        slips = [(path + "?blacklisted=True", "blacklisted is true or false"),
                 (path + "?high_prio=1", "high_prio is true or false"),
                 (path + "?high_prio=false&optimistic=yes", "optimistic is true or false"),
                 (collateral + "?collateral=one", "value is the collateral in wei"),
                 (collateral + "?collateral=%ff&value=1", "the collateral's name is no text"),
                 (collateral + "?collateral=a%00b&value=1", "the collateral's name is no text")]
        for slip, text in slips:
            answer = post(w.internal, slip, b"")
            same((answer[0], message_of(answer)), (400, text))
        same(message_of(get(w.internal, path)), "builder not found")
        same(post(w.internal, path + "?high_prio=true&blacklisted=false", b"")[0], 200)
        same(post(w.internal, collateral + "?collateral=one&value=7", b"")[0], 200)
        before = get(w.internal, path)[2]
        for slip, _ in slips:
            same(post(w.internal, slip, b"")[0], 400)
        same(get(w.internal, path)[2], before)
        same([json.loads(before)[k] for k in ("is_high_prio", "builder_id", "collateral")],
             [True, "one", "7"])


@case
def a_reload_tells_what_was_taken():
    """SIGHUP: the log's settings count at once, what else changed is named with its need of a restart;
    a file that is wrong changes nothing."""
    with world(options=("--validation-blobs=false",)) as w:
        assert "validation_without_blobs" in w.process.logged()
        w.stop()
        file = w.folder / "relay.toml"
        file.write_text('log_level = "info"\n')
        w.start("--config", file)
        for text, told in (('log_json = true\ncancellations = false\n',
                            ('"event":"configuration_reloaded"', "log-json: false -> true",
                             "cancellations: true -> false (needs a restart)")),
                           ("log_level = 5\n", ("service_reload_refused",))):
            file.write_text(text)
            w.process.signal(signal.SIGHUP)
            wait_until(lambda t=told: all(part in w.process.logged() for part in t), 15,
                       lambda: w.process.logged()[-2000:])
        assert w.ready()


@case
def minimal_preset_is_served():
    """On a network of the minimal preset roots and blocks have that preset's limits."""
    with world("capella", preset="minimal") as w:
        w.open_slot(2)
        body = w.submission()
        same(w.submit(body, ssz=w.chain.tool.ssz("submission", "capella", body)), (200, ""))
        top = w.top()
        same(top["header"]["withdrawals_root"],
             w.chain.tool.root("withdrawals", "capella", body["execution_payload"]["withdrawals"]))
        same(w.give(w.blinded(), headers={"eth-consensus-version": ""})[0], 200)
        published = w.beacon.published[0][1]
        assert w.chain.tool.ssz("signed_block", "capella", published)
        same(len(published["message"]["body"]["sync_aggregate"]["sync_committee_bits"]), 10)


@case
def proposers_cannot_take_two_payloads_or_a_wrong_one():
    """getPayload is given once a slot, to the right proposer, for what was offered."""
    with world("deneb", 2) as w:
        w.open_slot(1)
        same(w.submit(w.submission(value=1000)), (200, ""))
        first = w.blinded()
        same(w.submit(w.submission(value=2000)), (200, ""))
        second = w.blinded()
        key = w.chain.keys[w.chain.proposer(w.slot) - 1]
        answer = w.give(w.blinded(key=key))
        same((answer[0], message_of(answer)), (400, "could not verify payload signature"))
        answer = w.give(w.blinded(index=w.chain.proposer(w.slot) - 1))
        same((answer[0], message_of(answer)), (400, "not the expected proposer index"))
        header = dict(w.top()["header"], gas_used="20999")
        answer = w.give(w.chain.blinded(w.slot, header, w.top()))
        same((answer[0], message_of(answer)), (400, "invalid execution payload header"))
        header = dict(w.top()["header"], block_hash=hex_of(0x42, 32))
        answer = w.give(w.chain.blinded(w.slot, header, w.top()))
        same((answer[0], message_of(answer)),
             (400, "no execution payload for this request - block was never seen by this relay"))
        answer = w.give(second, headers={"eth-consensus-version": "electra"})
        same(answer[0], 400)
        same(w.beacon.published, [])
        same(w.give(second)[0], 200)
        assert time.time() >= w.chain.slot_start(w.slot)  # not before the slot began
        answer = w.give(first)
        same((answer[0], message_of(answer)),
             (400, "another payload for this slot was already delivered"))
        same(w.give(second)[0], 200)  # the same once more is harmless
        same(w.submit(w.submission(value=5000)),
             (400, "payload for this slot was already delivered"))
        delivered = w.data("bidtraces/proposer_payload_delivered")
        same([(d["slot"], d["value"], d["num_tx"]) for d in delivered],
             [(str(w.slot), "2000", "2")])


@case
def second_version_answers_without_the_payload():
    """POST /eth/v2/builder/blinded_blocks answers 202, and the block is published."""
    with world("fulu") as w:
        w.open_slot(1)
        body = w.submission()
        same(w.submit(body), (200, ""))
        block = w.blinded()
        ssz = w.chain.tool.ssz("signed_blinded_block", "fulu", block)
        answer = w.give(ssz, "v2", {"content-type": "application/octet-stream"})
        same((answer[0], answer[2]), (202, b""))
        wait_until(lambda: w.beacon.published, message="nothing was published")
        same(w.beacon.published[0][1]["signed_block"]["message"]["body"]["execution_payload"],
             body["execution_payload"])
        same(len(w.beacon.published[0][1]["kzg_proofs"]), 128)


@case
def late_calls_and_failed_publishing_are_refused():
    """After the cutoff nothing is given out; a block that no node takes is not given out."""
    with world("capella", 2, options=["--payload-cutoff", "300ms", "--header-cutoff", "300ms"]) as w:
        w.open_slot(1)
        same(w.submit(), (200, ""))
        block = w.blinded()
        time.sleep(max(0, w.chain.slot_start(w.slot) + 0.6 - time.time()))
        answer = w.header()
        same((answer[0], message_of(answer)[:13]), (400, "sent too late"))
        answer = w.give(block)
        same((answer[0], message_of(answer)[:13]), (400, "sent too late"))
        w.open_slot(1)
        same(w.submit(), (200, ""))
        w.beacon.refuse = True
        answer = w.give(w.blinded())
        same((answer[0], message_of(answer)), (400, "failed to publish block"))
        same(w.header(slot=w.slot - 5)[0], 400)
        same(message_of(w.header(slot=w.slot - 5)), "slot is too old")
        same(message_of(w.header(parent="0x12")), "invalid hash")
        same(message_of(w.header(pubkey="0x12")), "invalid pubkey")


@case
def registrations_are_checked_and_survive():
    """Wrong times, unknown validators and wrong signatures are refused; the newest is kept."""
    with world("capella") as w:
        url, c = "/eth/v1/builder/validators", w.chain
        now = int(time.time())
        answer = post(w.port, url, [c.registration(0, timestamp=c.genesis - 1)])
        same((answer[0], message_of(answer)), (400, "timestamp too early"))
        answer = post(w.port, url, [c.registration(0, timestamp=now + 100)])
        same((answer[0], message_of(answer)), (400, "timestamp too far in the future"))
        bad = c.registration(1, timestamp=now + 1)
        bad["message"]["gas_limit"] = "1"
        answer = post(w.port, url, [c.registration(0, timestamp=now + 2, gas_limit=7), bad,
                                    c.registration(2, timestamp=now + 2, gas_limit=8)])
        same((answer[0], message_of(answer)),
             (400, f"failed to verify validator signature for {c.pubkeys[1]}"))
        same(w.data(f"validator_registration?pubkey={c.pubkeys[0]}")["message"]["gas_limit"], "7")
        same(w.data(f"validator_registration?pubkey={c.pubkeys[2]}")["message"]["gas_limit"],
             "30000000")
        unknown = dict(c.registration(0)["message"], pubkey=c.tool.pubkey(key_of(5)),
                       timestamp=str(now))
        unknown = {"message": unknown, "signature": c.tool.sign(
            "registration", "capella", c.builder_domain, key_of(5), unknown)}
        answer = post(w.port, url, [unknown])
        same((answer[0], message_of(answer)),
             (400, f"not a known validator: {c.tool.pubkey(key_of(5))}"))
        ssz = c.tool.ssz("registrations", "capella",
                         [c.registration(3, timestamp=now + 3, gas_limit=9)])
        same(post(w.port, url, ssz, {"content-type": "application/octet-stream"})[0], 200)
        same(post(w.port, url, [])[0], 200)
        # Of one that is named again and again the newest counts; the others cost no signature.
        newest = c.registration(4, timestamp=now + 5, gas_limit=11)
        older = c.registration(4, timestamp=now + 4, gas_limit=10)
        older["signature"] = newest["signature"]
        same(post(w.port, url, [older, newest] * 2000)[0], 200)
        same(w.data(f"validator_registration?pubkey={c.pubkeys[4]}")["message"]["gas_limit"], "11")
        w.kill()
        w.start()
        same(w.data(f"validator_registration?pubkey={c.pubkeys[0]}")["message"]["gas_limit"], "7")
        same(w.data(f"validator_registration?pubkey={c.pubkeys[3]}")["message"]["gas_limit"], "9")
        duties = json.loads(get(w.port, "/relay/v1/builder/validators")[2])
        assert len(duties) >= 32 and duties[0]["entry"]["message"]["pubkey"] in c.pubkeys


@case
def bids_survive_kill():
    """What was answered is offered, and its payload given out, after kill -9."""
    with world("deneb", 2) as w:
        w.open_slot(3)
        body = w.submission(value=777)
        same(w.submit(body), (200, ""))
        before = w.top()
        block = w.blinded()
        w.kill()
        w.start()
        same(w.top(), before)
        status, _, answer = w.give(block)
        same(status, 200)
        same(json.loads(answer)["data"]["execution_payload"], body["execution_payload"])
        w.kill()
        w.start()
        # The delivery is known as well: another block of the slot stays refused.
        same(w.data(f"bidtraces/proposer_payload_delivered?slot={w.slot}")[0]["value"], "777")
        same(w.data(f"bidtraces/builder_blocks_received?slot={w.slot}")[0]["value"], "777")


@case
def what_was_offered_is_given_whatever_the_duties_have_become():
    """A beacon node may name another proposer of a slot later than the header was given out."""
    with world("deneb", 2) as w:
        w.open_slot(4)
        body = w.submission(value=777)
        same(w.submit(body), (200, ""))
        block, other = w.blinded(), w.blinded(index=w.chain.proposer(w.slot) - 2)
        w.kill()
        w.chain.proposer = lambda slot: (slot + 3) % len(w.chain.keys)
        w.start()
        answer = w.give(other)
        same((answer[0], message_of(answer)), (400, "not the expected proposer index"))
        status, _, answer = w.give(block)
        same(status, 200)
        same(json.loads(answer)["data"]["execution_payload"], body["execution_payload"])


@case
def withdrawn_bids_do_not_come_back_after_a_crash():
    """A bid that was cancelled, or not validated yet, is not offered after kill -9; who signed for
    it before still gets the payload."""
    with world("capella", 2) as w:
        w.open_slot(5)
        a, b = key_of(7), key_of(8)
        same(w.submit(w.submission(key=b, value=60)), (200, ""))
        same(w.submit(w.submission(key=a, value=100), query="?cancellations=1"), (200, ""))
        signed = w.blinded()
        same(w.top()["value"], "100")
        same(w.submit(w.submission(key=a, value=61), query="?cancellations=1"), (200, ""))
        same(w.submit(w.submission(key=a, value=10), query="?cancellations=1")[0], 202)
        pubkey = w.chain.tool.pubkey(key_of(9))
        same(post(w.internal, f"/internal/v1/builder/{pubkey}?optimistic=true", b"")[0], 200)
        same(post(w.internal, f"/internal/v1/builder/collateral/{pubkey}?value=1000", b"")[0], 200)
        w.validation.delay = 3
        same(w.submit(w.submission(key=key_of(9), value=900)), (200, ""))
        same(w.top()["value"], "900")
        w.kill()
        w.start()
        same(w.top()["value"], "60")
        same(w.give(signed)[0], 200)


@case
def optimistic_builders_are_believed_until_they_cheat():
    """A builder with collateral is offered at once; a block that fails then demotes all its keys."""
    with world("capella") as w:
        w.open_slot(6)
        key, other = key_of(7), key_of(8)
        for k in (key, other):
            pubkey = w.chain.tool.pubkey(k)
            path = f"/internal/v1/builder/{pubkey}?optimistic=true&high_prio=true"
            same(post(w.internal, path, b"")[0], 200)
            path = f"/internal/v1/builder/collateral/{pubkey}?collateral=one&value=1000"
            same(post(w.internal, path, b"")[0], 200)
        w.validation.delay = 0.5
        began = time.monotonic()
        same(w.submit(w.submission(key=key, value=900)), (200, ""))
        assert time.monotonic() - began < 0.45
        same(w.top()["value"], "900")
        time.sleep(0.8)  # it is validated meanwhile
        w.validation.error = "invalid merkle root"
        same(w.submit(w.submission(key=key, value=950)), (200, ""))
        same(w.top()["value"], "950")

        def demoted(k):
            return not json.loads(get(w.internal, "/internal/v1/builder/" +
                                      w.chain.tool.pubkey(k))[2])["is_optimistic"]
        wait_until(lambda: demoted(key) and demoted(other), message="nobody was demoted")
        same(w.top()["value"], "900")  # what cheated is not offered any more
        w.kill()
        w.start()
        assert demoted(key) and demoted(other)


@case
def optimistic_bids_keep_nobody_waiting():
    """What is simulated later stands behind what somebody waits for, and no queue demotes anybody."""
    options = ["--validation-at-work", "1", "--validation-timeout", "1s"]
    with world("capella", options=options) as w:
        w.open_slot(8)
        key, slow = key_of(7), 0.4
        pubkey = w.chain.tool.pubkey(key)
        same(post(w.internal, f"/internal/v1/builder/{pubkey}?optimistic=true", b"")[0], 200)
        same(post(w.internal, f"/internal/v1/builder/collateral/{pubkey}?collateral=one&value=1000",
                  b"")[0], 200)
        w.validation.delay = slow
        for value in range(101, 106):  # two seconds of simulations, twice the limit for one
            same(w.submit(w.submission(key=key, value=value)), (200, ""))
        began = time.monotonic()
        same(w.submit(w.submission(key=key_of(9), value=500)), (200, ""))
        assert time.monotonic() - began < 2.9 * slow  # after the one that is at work
        wait_until(lambda: len(w.validation.calls) == 6, 10, "not all are simulated")
        time.sleep(2 * slow)
        standing = json.loads(get(w.internal, f"/internal/v1/builder/{pubkey}")[2])
        assert standing["is_optimistic"], standing


@case
def header_comes_first_and_the_payload_when_it_is_needed():
    """A trusted builder sends only a header; one that does not give the payload is demoted."""
    with world("fulu", 2) as w:
        payloads = Payloads(w.chain)
        key = key_of(7)
        pubkey = w.chain.tool.pubkey(key)
        ssz = {"content-type": "application/octet-stream"}

        def send(body, adjustable=False):
            answer = post(w.port, "/relay/v3/builder/headers",
                          payloads.header_submission(body, adjustable), ssz)
            return answer[0], message_of(answer)

        def allow(what):
            same(post(w.internal, f"/internal/v1/builder/{what}", b"")[0], 200)
        w.open_slot(2)
        body = w.submission(key=key, value=500)
        same(send(body), (400, "received v3 submission from builder without header_submissions "
                          "enabled"))
        allow(f"{pubkey}?header_submissions=true")
        same(send(body), (400, "received v3 submission from pessimistic builder"))
        allow(f"{pubkey}?optimistic=true")
        allow(f"collateral/{pubkey}?value=499")
        same(send(body), (400, "received v3 submission with value above optimistic collateral"))
        allow(f"collateral/{pubkey}?value=1000")
        same(send(body), (200, ""))
        same(send(w.submission(key=key, value=400), True), (200, ""))
        bad = dict(body, signature=hex_of(0xC0, 96))
        same(send(bad)[0], 400)
        for in_ssz in (True, False):
            payloads.ssz = in_ssz
            w.open_slot(2)
            body = w.submission(key=key, value=600)
            same(send(body), (200, ""))
            payloads.blocks[body["message"]["block_hash"]] = body
            status, _, answer = w.give(w.blinded())
            same(status, 200)
            same(json.loads(answer)["data"]["execution_payload"], body["execution_payload"])
            asked = payloads.asked[-1]
            same(asked["message"]["block_hash"], body["message"]["block_hash"])
            assert abs(int(asked["message"]["request_ts"]) / 1000 - time.time()) < 10
            # What stands beside the payload then is not what was signed and offered.
            w.validation.error = "block already known"  # it is published, after all
            w.open_slot(2)
            body = w.submission(key=key, value=650)
            same(send(body), (200, ""))
            lie = dict(body["message"], value="1", builder_pubkey=w.chain.tool.pubkey(key_of(9)))
            payloads.blocks[body["message"]["block_hash"]] = dict(body, message=lie)
            same(w.give(w.blinded())[0], 200)
            row = w.data("bidtraces/proposer_payload_delivered?limit=1")[0]
            same((row["value"], row["builder_pubkey"]), ("650", pubkey))
            wait_until(lambda: w.validation.calls and w.validation.calls[-1]["params"][0]
                       ["message"]["block_hash"] == body["message"]["block_hash"], 5,
                       "the delivered block was not validated")
            same(w.validation.calls[-1]["params"][0]["message"], body["message"])
            w.validation.error = None
        # It cannot give this one.
        w.open_slot(2)
        same(send(w.submission(key=key, value=700)), (200, ""))
        answer = w.give(w.blinded())
        same((answer[0], message_of(answer)), (400, "no execution payload for this request"))
        same(json.loads(get(w.internal, "/internal/v1/builder/" + pubkey)[2])["is_optimistic"], False)
        payloads.close()


def postgres(folder):
    """A database server of the test's own, or a skip."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise Skip("no PostgreSQL server is installed")
    tools, data = found[-1].parent, folder / "pg"
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    data.mkdir()
    os.chmod(folder, 0o755)
    if user:
        shutil.chown(data, "postgres")
    made = run(*user, tools / "initdb", "-D", data, "-A", "trust", "-U", "relay", cwd="/")
    if made.returncode:
        raise Skip("initdb: " + made.stderr.strip()[-200:])
    return Process(*user, tools / "postgres", "-D", data, "-k", data, "-c", "listen_addresses=",
                   cwd="/", log=folder / "postgres.log"), \
        f"host={data} user=relay dbname=postgres"


@case
def postgresql_keeps_bids_too():
    """The same with PostgreSQL: bids, deliveries and registrations are there after kill -9."""
    with Folder() as folder:
        server, dsn = postgres(folder)
        with server:
            wait_until(lambda: "ready to accept" in server.logged(), 20, "no PostgreSQL")
            with world("capella", 2, options=["--postgres-dsn", dsn]) as w:
                w.open_slot(3)
                body = w.submission(value=777)
                same(w.submit(body), (200, ""))
                before, block = w.top(), w.blinded()
                w.kill()
                w.start("--postgres-dsn", dsn)
                same(w.top(), before)
                same(w.give(block)[0], 200)
                same(w.data("bidtraces/proposer_payload_delivered")[0]["value"], "777")
                same(w.data(f"bidtraces/builder_blocks_received?slot={w.slot}")[0]["value"], "777")


@case
def nodes_without_attributes_and_several_nodes_work():
    """A node that knows no payload_attributes gives heads; another one's attributes count."""
    with world("capella") as w:
        other = Beacon(w.chain, with_attributes=False)
        w.stop()
        w.start(beacons=f"{other.url},{w.beacon.url}")
        wait_until(lambda: other.streams, 5, "the other node was not listened to")
        w.open_slot(3)
        same(w.submit(), (200, ""))
        other.set_head(w.slot)
        wait_until(lambda: w.submit()[1] == "submission for past slot", 5, "its head did not count")
        other.close()


@case
def relay_waits_for_its_beacon_node():
    """Without a beacon node the relay says so, and works once the node is there."""
    with world("capella") as w:
        w.stop()
        port = w.beacon.port
        w.beacon.close()
        w.process = Process(PROGRAM, "relay", "--listen-addr", f"127.0.0.1:{w.port}", "--beacon",
                            f"http://127.0.0.1:{port}", "--database", w.folder / "relay.db",
                            "--secret-key", RELAY_KEY, log=w.folder / "relay.log")
        wait_until(lambda: is_listening(w.port))
        same(get(w.port, "/livez")[0], 200)
        same(get(w.port, "/readyz")[0], 503)
        same(get(w.port, "/eth/v1/builder/status")[0], 503)
        same(w.submit()[0], 503)
        w.beacon = Beacon(w.chain, port=port)
        w.beacon.head = w.chain.slot_now()
        wait_until(w.ready, 15, "the relay did not become ready")
        same(get(w.port, "/eth/v1/builder/status")[0], 200)


@case
def top_bids_are_streamed():
    """Each new top bid reaches the followers of /ws/v1/top_bid in 188 bytes."""
    with world("capella") as w:
        w.open_slot(6)
        with socket.create_connection(("127.0.0.1", w.port)) as s:
            s.settimeout(10)
            s.sendall(b"GET /ws/v1/top_bid HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += s.recv(1)
            assert b" 101 " in head
            body = w.submission(value=123456789)
            same(w.submit(body), (200, ""))
            frame = b""
            while len(frame) < 4 + 188:
                frame += s.recv(4 + 188 - len(frame))
            same(frame[:4], struct.pack(">BBH", 0x82, 126, 188))
            ms, slot, number = struct.unpack_from("<QQQ", frame, 4)
            assert abs(ms / 1000 - time.time()) < 10
            same((slot, number), (w.slot, w.slot))
            same("0x" + frame[28:60].hex(), body["message"]["block_hash"])
            same("0x" + frame[60:92].hex(), w.parent)
            same("0x" + frame[92:140].hex(), body["message"]["builder_pubkey"])
            same("0x" + frame[140:160].hex(), hex_of(0xB0, 20))
            same(int.from_bytes(frame[160:192], "little"), 123456789)


@case
def page_follows_the_auction():
    """The page comes without foreign parts, and its events tell slots, bids and the winner."""
    with world("capella") as w:
        status, fields, page = get(w.port, "/")
        same(status, 200)
        parts = set(re.findall(rb'(?:src|href)="(?!data:|#)([^"]*)"', page))
        same(parts, {b"page/page.js", b"page/style.css"})
        assert b"<html lang=" in page and b"<style" not in page and b"style=" not in page
        for part in [""] + sorted(p.decode() for p in parts):
            status, fields, text = get(w.port, "/" + part)
            same(status, 200)
            assert not re.findall(rb'url\(|@import|https?://(?!www.w3.org/2000/svg)', text), part
            policy = fields["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy, policy
        same(get(w.port, "/page/no.js")[0], 404)
        c = http.client.HTTPConnection("127.0.0.1", w.port, timeout=10)
        c.request("GET", "/live/events")
        stream = c.getresponse()

        def next_event(kind):
            while True:
                name = stream.readline().decode().strip()
                if name == f"event: {kind}":
                    return json.loads(stream.readline().decode()[6:])
        assert next_event("snapshot")["slot_ms"] == 1000
        w.open_slot(2)
        same(next_event("slot")["slot"], w.slot)
        same(w.submit(w.submission(value=55)), (200, ""))
        same(next_event("bid")["bid"]["value"], "55")
        same(next_event("top")["bid"]["value"], "55")
        same(w.give(w.blinded())[0], 200)
        told = next_event("delivered")
        same((told["slot"], told["txs"], told["bid"]["value"]), (w.slot, 2, "55"))
        c.close()


@case
def data_api_filters_and_limits():
    """Filters, orders and limits of the data API, and what it refuses."""
    with world("capella") as w:
        w.open_slot(6)
        hashes = []
        for value in (3, 20, 100):
            body = w.submission(value=value)
            hashes.append(body["message"]["block_hash"])
            same(w.submit(body), (200, ""))
        received = "bidtraces/builder_blocks_received?"
        rows = w.data(received + f"slot={w.slot}")
        same([r["value"] for r in rows], ["100", "20", "3"])
        assert int(rows[0]["timestamp_ms"]) // 1000 == int(rows[0]["timestamp"])
        same(w.data(received + f"block_hash={hashes[1]}")[0]["value"], "20")
        same(len(w.data(received + f"block_number={w.slot}&limit=2")), 2)
        builder = rows[0]["builder_pubkey"]
        same(len(w.data(received + f"builder_pubkey={builder}")), 3)

        def refused(path, text):
            answer = get(w.port, "/relay/v1/data/" + path)
            same((answer[0], message_of(answer)), (400, text))
        refused(received, "need to query for specific slot or block_hash or block_number or "
                "builder_pubkey")
        refused(received + "cursor=1", "cursor argument not supported")
        refused(received + "slot=x", "invalid slot argument")
        refused(received + "slot=1&limit=501", "maximum limit is 500")
        delivered = "bidtraces/proposer_payload_delivered?"
        refused(delivered + "limit=201", "maximum limit is 200")
        refused(delivered + "slot=1&cursor=1", "cannot specify both slot and cursor")
        refused(delivered + "proposer_pubkey=0x12", "invalid proposer_pubkey argument")
        refused("validator_registration", "missing pubkey argument")
        refused("validator_registration?pubkey=0x12", "invalid pubkey")
        same(w.data(delivered + "order_by=-value"), [])


@case
def fast_slots_work():
    """Slots of 200 ms: duties, heads and auctions keep up."""
    with world("deneb", 0.2) as w:
        done = 0
        for _ in range(10):
            w.open_slot(3)
            if w.submit()[0] != 200:
                continue
            top = w.header()
            if top[0] == 200 and w.give(w.blinded())[0] == 200:
                done += 1
        assert done >= 5, f"{done} of 10 slots"
        same(len(w.beacon.published), done)


GENESIS = {
    "config": {"chainId": 1337, **{f"{name}Block": 0 for name in (
        "homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg",
        "istanbul", "berlin", "london", "mergeNetsplit")},
        "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True, "shanghaiTime": 0,
        "cancunTime": 0,
        "blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}}},
    "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
    "difficulty": "0x0", "mixHash": hex_of(0, 32), "coinbase": hex_of(0, 20), "number": "0x0",
    "gasUsed": "0x0", "parentHash": hex_of(0, 32), "baseFeePerGas": "0x3b9aca00",
    "excessBlobGas": "0x0", "blobGasUsed": "0x0",
    # The first account of the field's well-known test keys.
    "alloc": {"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266": {"balance": "0x21e19e0c9bab2400000"}}}
COINBASE_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


class Network:
    """The real programs: a node that plays the consensus layer, a relay, a builder."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack
        self.http, self.ws, self.engine, self.beacon, self.relay, self.rpc = (
            free_port() for _ in range(6))
        (folder / "genesis.json").write_text(json.dumps(GENESIS))
        self.node = self.run("node", "--genesis", folder / "genesis.json", "--data-folder",
                             folder / "chain", "--slots", "1s", "--validators", "8",
                             "--http-addr", f"127.0.0.1:{self.http}",
                             "--ws-addr", f"127.0.0.1:{self.ws}",
                             "--engine-addr", f"127.0.0.1:{self.engine}", "--metrics-addr", "",
                             "--beacon-addr", f"127.0.0.1:{self.beacon}",
                             "--relay", f"http://127.0.0.1:{self.relay}", "--relay-timeout", "400ms")
        self.start_relay()
        self.run("builder", "--chain", folder / "genesis.json", "--node",
                 f"ws://127.0.0.1:{self.ws}", "--beacon", f"http://127.0.0.1:{self.beacon}",
                 "--relay", f"http://127.0.0.1:{self.relay}", "--coinbase-secret-key", COINBASE_KEY,
                 "--relay-secret-key", f"{7:064x}", "--genesis-fork-version", "0x20000089",
                 "--rpc-ip", "127.0.0.1", "--rpc-port", self.rpc, "--full-telemetry-port", "0",
                 "--redacted-telemetry-port", "0", "--subsidy", "0.01")

    def run(self, *command):
        return self.stack.enter_context(Process(PROGRAM, *command, cwd=self.folder,
                                                log=self.folder / f"{command[0]}.log"))

    def start_relay(self):
        self.relay_process = self.run(
            "relay", "--listen-addr", f"127.0.0.1:{self.relay}", "--beacon",
            f"http://127.0.0.1:{self.beacon}", "--validation", f"http://127.0.0.1:{self.http}",
            "--database", self.folder / "relay.db", "--secret-key", RELAY_KEY)

    def slots(self):
        """Slots with a block, and who made it, as the node logged them."""
        return [(int(slot), by) for slot, by in
                re.findall(r"event=slot_block slot=(\d+) by=(\w+)", self.node.logged())]

    def by_relay(self):
        return [slot for slot, by in self.slots() if by == "relay"]

    def delivered(self):
        answer = get(self.relay, "/relay/v1/data/bidtraces/proposer_payload_delivered")
        return [int(row["slot"]) for row in json.loads(answer[2])]


@case
def real_builder_and_node_meet_at_the_relay():
    """Blocks of the real builder land on the real node's chain through the relay; with the relay
    killed in between no slot is lost."""
    with Folder() as folder, contextlib.ExitStack() as stack:
        n = Network(folder, stack)
        wait_until(lambda: len(n.by_relay()) >= 5, 40, "the builder's blocks do not land")
        n.relay_process.signal(signal.SIGKILL)
        n.relay_process.wait()
        known = len(n.slots())
        wait_until(lambda: len(n.slots()) >= known + 3, 15, "the chain stands still")
        before = len(n.by_relay())
        n.start_relay()
        wait_until(lambda: len(n.by_relay()) >= before + 5, 40, "no block after the restart")
        slots = [slot for slot, _ in n.slots()]
        same(slots, list(range(slots[0], slots[0] + len(slots))))
        delivered = n.delivered()
        # Its last delivery may be newer than what the node has logged.
        assert set(n.by_relay()) <= set(delivered), (n.by_relay(), delivered)


if __name__ == "__main__":
    main()
