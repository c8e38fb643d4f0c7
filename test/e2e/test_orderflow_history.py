"""Orderflow's history: what the redistribution archive and ClickHouse get, also after outages."""
import http.server
import json
import pathlib
import shutil
import threading
import time
import urllib.error
import urllib.request

import harness
import wallet
from harness import Folder, Process, Skip, case, free_port, wait_until
from orderflow_node import Node

USER = 0x1111
RAW = ["0x" + wallet.transaction(USER, n).hex() for n in range(4)]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Archive:
    """The redistribution archive; keeps the requests it takes."""

    def __init__(self):
        archive = self
        self.requests, self.status = [], 200

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["content-length"]))
                if archive.status == 200:
                    archive.requests.append((self.headers["x-flashbots-signature"], body))
                answer = b'{"jsonrpc":"2.0","id":0,"result":null}'
                self.send_response(archive.status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        return [e for _, body in self.requests for e in json.loads(body)["params"][0]["orderEvents"]]


@case
def the_archive_gets_every_order_of_users_signed():
    """Bundles and transactions of users come in batches, signed by the node; an outage loses none."""
    archive = Archive()
    with Folder() as folder:
        (folder / "spill").mkdir()
        flags = ["--orderflow-archive-endpoint", archive.url, "--drain", "2s",
                 "--history-spill-folder", folder / "spill"]
        with Node(folder, *flags) as node:
            for n in range(100):
                node.send("eth_sendBundle", {"txs": RAW[:1], "blockNumber": hex(100 + n)}, USER)
            wait_until(lambda: len(archive.events()) == 100)  # a whole batch at once
            signature, body = archive.requests[0]
            assert signature.startswith("0x") and len(signature) == 175 and body[:11] == b'{"method":"'
            event = archive.events()[0]["eth_sendBundle"]
            assert event["params"]["txs"] == RAW[:1]
            assert event["params"]["signingAddress"] == "0x" + wallet.address(USER).hex()
            assert "bundleHash" not in event["params"]
            assert abs(event["metadata"]["receivedAt"] / 1e3 - time.time()) < 60
            wait_until(lambda: node.metric("orderflow_proxy_archive_events_sent_ok") == 100)
            assert node.metric("orderflow_proxy_archive_events_processed_total") == 100
            assert node.metric("orderflow_proxy_archive_rpc_duration_milliseconds_count") >= 1
            assert node.metric("flowproxy_indexer_clickhouse_"
                               "disk_backup_size_reject_flow_threshold_bytes") == 1 << 30
            archive.status = 503
            node.send("eth_sendRawTransaction", RAW[2], USER)
        archive.status = 200  # the node has ended meanwhile; what it could not tell is on its disk
        with Node(folder, *flags):
            wait_until(lambda: len(archive.events()) == 101, 20)
            share = archive.events()[-1]["mev_sendBundle"]["params"]
            assert share["body"] == [{"tx": RAW[2], "canRevert": True}], share


@case
def a_killed_node_loses_no_answered_order_from_its_history():
    """The node is killed right after its last answer; the next one tells the archive all of it."""
    archive = Archive()
    archive.status = 503
    with Folder() as folder:
        (folder / "spill").mkdir()
        (folder / "journal").mkdir()
        flags = ["--orderflow-archive-endpoint", archive.url, "--drain", "2s",
                 "--history-spill-folder", folder / "spill",
                 "--journal-folder", folder / "journal"]
        node = Node(folder, *flags).start()
        try:
            for n in range(130):
                node.send("eth_sendBundle", {"txs": RAW[:1], "blockNumber": hex(100 + n)}, USER)
        finally:
            node.kill()
        archive.status = 200

        def blocks():
            return {e["eth_sendBundle"]["params"]["blockNumber"] for e in archive.events()}

        with Node(folder, *flags):
            wait_until(lambda: blocks() == {hex(100 + n) for n in range(130)}, 30)
        count = len(archive.events())  # what was told already is told again, once at most
        assert 130 <= count <= 260, count
        with Node(folder, *flags) as node:  # this one had a quiet end before it
            node.send("eth_sendBundle", {"txs": RAW[:1], "blockNumber": "0x9999"}, USER)
            wait_until(lambda: "0x9999" in blocks(), 30)
            assert len(archive.events()) == count + 1


@case
def what_clickhouse_gets_is_counted_under_the_deployed_names():
    """Rows, batches, what is kept meanwhile and what failed, by the names of the second generation."""
    table = Archive()
    table.status = 503
    with Folder() as folder:
        (folder / "spill").mkdir()
        prefix = "flowproxy_indexer_clickhouse_"
        with Node(folder, "--indexer.clickhouse.host", table.url,
                  "--history-spill-folder", folder / "spill") as node:
            of = lambda name, labels="": node.metrics_of(prefix + name).get(labels)
            for n in range(20):
                node.send("eth_sendBundle", {"txs": RAW[:1], "blockNumber": hex(100 + n)}, USER)
            wait_until(lambda: of("commit_failures", '{error="Service Unavailable"}'))
            wait_until(lambda: of("queue_size", '{order="bundle"}') == 20)
            assert of("queue_size", '{order="bundle_receipt"}') == 0
            assert of("backup_size_bytes", '{order="bundle",backend="disk"}') > 1000
            wait_until(lambda: of("backup_data_rows_total") == 20)  # each once
            assert of("backup_data_bytes_total") > 1000
            for backend in ("disk", "memory"):
                assert of("backup_size_batches", f'{{order="bundle",backend="{backend}"}}') <= 20
            assert of("bytes_committed") == of("rows_committed") == of("batches_committed") == 0
            table.status = 200
            wait_until(lambda: of("rows_committed") == 20, 20)
            assert of("bytes_committed") > 1000 and of("batches_committed") >= 1
            assert of("batch_commit_time_count") == of("batches_committed")
            assert 0 < of("batch_commit_time_sum") < 60
            assert of("queue_size", '{order="bundle"}') == 0
            assert of("backup_size_bytes", '{order="bundle",backend="disk"}') == 0
            node.send("eth_sendBundle", {"txs": RAW[:1], "blockNumber": "0x2"}, USER)
            wait_until(lambda: of("rows_committed") == 21, 20)
            assert of("backup_data_rows_total") == 20  # that one passed through
            assert node.metric("orderflow_proxy_archive_events_processed_total") == 0  # no archive
            assert of("backup_data_lost_rows_total") == of("backup_data_lost_bytes_total") == 0
            for name in ("bundle", "bundle_receipt"):
                name = f"flowproxy_indexer_{name}_indexing_failures"
                assert node.metrics_of(name) == {'{error="busy"}': 0}
        with Node(folder, "--indexer.clickhouse.host", table.url, "--history-spill-folder",
                  folder / "spill") as node:
            shutil.rmtree(folder / "spill")  # and no file can be made any more
            big = {"txs": RAW[:1], "blockNumber": "0x1"}
            node.send("eth_sendBundle", big, USER)
            wait_until(lambda: node.metric(prefix + "rows_committed") == 1, 20)
            assert sum(node.metrics_of(prefix + "backup_disk_errors").values()) >= 1


class ClickHouse:
    """A server of its own in a folder."""

    def __init__(self, folder):
        program = shutil.which("clickhouse-server") or "/usr/sbin/clickhouse-server"
        if not pathlib.Path(program).exists():
            raise Skip("clickhouse-server is not installed")
        self.port, tcp = free_port(), free_port()
        (folder / "data").mkdir()
        (folder / "users.xml").write_text(
            "<yandex><profiles><default/></profiles><users><writer><password>secret</password>"
            "<networks><ip>127.0.0.1</ip></networks><profile>default</profile>"
            "<quota>default</quota></writer></users><quotas><default/></quotas></yandex>")
        (folder / "config.xml").write_text(
            f"<yandex><logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/err"
            f"</errorlog></logger><http_port>{self.port}</http_port><tcp_port>{tcp}</tcp_port>"
            f"<listen_host>127.0.0.1</listen_host><path>{folder}/data/</path>"
            f"<tmp_path>{folder}/data/tmp/</tmp_path><users_config>{folder}/users.xml</users_config>"
            "<default_profile>default</default_profile><default_database>default</default_database>"
            "<mark_cache_size>100000000</mark_cache_size></yandex>")
        self.process = Process(program, f"--config-file={folder}/config.xml", cwd=folder,
                               log=folder / "out")
        try:
            wait_until(lambda: harness.is_listening(self.port), 30)
        except AssertionError as e:
            self.close()
            raise Skip(f"clickhouse-server does not start: {self.process.logged()[-300:]}") from e

    def close(self):
        self.process.__exit__()

    def ask(self, statement):
        return self.ask_bytes(statement).decode().strip()

    def ask_bytes(self, statement):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/", data=statement.encode(),
            headers={"X-ClickHouse-User": "writer", "X-ClickHouse-Key": "secret"})
        with urllib.request.urlopen(request, timeout=20) as r:
            return r.read()

    def create(self):
        """The shipped tables; Debian's version is older than some types, whose bytes are the same."""
        text = (ROOT / "examples/clickhouse.sql").read_text()
        text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        for statement in filter(str.strip, text.split(";")):
            try:
                self.ask(statement)
            except urllib.error.HTTPError:
                for new, old in (("DateTime64(6, 'UTC')", "Int64"), ("UInt256", "FixedString(32)"),
                                 ("UInt128", "FixedString(16)"),
                                 ("LowCardinality(String)", "String")):
                    statement = statement.replace(new, old)
                for column in ("received_at", "at"):
                    statement = statement.replace(
                        f"toYYYYMM({column})", f"toYYYYMM(toDateTime(intDiv({column}, 1000000)))")
                self.ask(statement)


@case
def clickhouse_gets_rows_of_bundles_and_events():
    """Users' bundles and everything that happened to orders become rows of a real ClickHouse."""
    with Folder() as folder:
        (folder / "clickhouse").mkdir()
        server = ClickHouse(folder / "clickhouse")
        try:
            server.create()
            with Node(folder, "--indexer.clickhouse.host", f"http://127.0.0.1:{server.port}",
                      "--indexer.clickhouse.username", "writer",
                      "--indexer.clickhouse.password", "secret",
                      "--indexer.clickhouse.events-table-name", "order_events",
                      name="node_x") as node:
                bundle = {"txs": RAW[:2], "blockNumber": "0x1234", "minTimestamp": 7,
                          "replacementUuid": "550e8400-e29b-41d4-a716-446655440000",
                          "replacementNonce": 9, "refundPercent": 40,
                          "revertingTxHashes": ["0x" + "ab" * 32]}
                _, answer, _ = node.send("eth_sendBundle", bundle, USER)
                node.send("eth_sendRawTransaction", RAW[3], USER)
                wait_until(lambda: server.ask("SELECT count() FROM order_events") == "2", 20,
                           node.process.logged())
                try:
                    wait_until(lambda: server.ask("SELECT count() FROM bundles") == "1")
                except AssertionError as e:
                    raise AssertionError(node.process.logged()[-2000:]) from e
                row = server.ask(
                    "SELECT lower(hex(hash)), lower(hex(assumeNotNull(signer_address))), "
                    "block_number, min_timestamp, max_timestamp, replacement_uuid, "
                    "replacement_nonce, refund_percent, version, builder_name, "
                    "length(`transactions.hash`), lower(hex(`transactions.hash`[2])), "
                    "lower(hex(`transactions.raw`[1])), lower(hex(reverting_tx_hashes[1])), "
                    "`transactions.nonce`[2], lower(hex(assumeNotNull(`transactions.to`[1]))) "
                    "FROM bundles").split("\t")
                assert row[:12] == [
                    answer["result"]["bundleHash"][2:], wallet.address(USER).hex(), "4660", "7",
                    "\\N", "550e8400-e29b-41d4-a716-446655440000", "9", "40", "2", "node_x", "2",
                    wallet.keccak(bytes.fromhex(RAW[1][2:])).hex()], row
                assert row[12] == RAW[0][2:] and row[13] == "ab" * 32 and row[14] == "1", row
                kinds = server.ask("SELECT kind, method, block_number FROM order_events "
                                   "ORDER BY method").splitlines()
                assert [k.split("\t")[:2] for k in kinds] == [
                    ["received", "eth_sendBundle"], ["received", "eth_sendRawTransaction"]], kinds
        finally:
            server.close()


class Row:
    """Reads rows of the format RowBinary."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        assert self.at <= len(self.data)
        return self.data[self.at - n:self.at]

    def integer(self, n):
        return int.from_bytes(self.take(n), "little")

    def length(self):
        n, shift = 0, 0
        while (byte := self.integer(1)) & 0x80:
            n, shift = n | (byte & 0x7F) << shift, shift + 7
        return n | byte << shift

    def value(self, kind):
        """A number or bytes; ?: it may be None; []: a list."""
        if kind.startswith("[]"):
            return [self.value(kind[2:]) for _ in range(self.length())]
        if kind.startswith("?"):
            return None if self.integer(1) else self.value(kind[1:])
        if kind == "text":
            return self.take(self.length())
        if kind == "uuid":
            return (self.take(8)[::-1] + self.take(8)[::-1]).hex()
        return self.integer(int(kind[1:])) if kind[0] == "u" else self.take(int(kind[1:]))


TX_COLUMNS = {"hash": "b32", "from": "b20", "nonce": "u8", "r": "u32", "s": "u32", "v": "u1",
              "to": "?b20", "gas": "u8", "type": "u1", "input": "text", "value": "u32",
              "gasPrice": "?u16", "maxFeePerGas": "?u16", "maxPriorityFeePerGas": "?u16",
              "accessList": "?text", "authorizationList": "?text", "raw": "text"}
BUNDLE_COLUMNS = {
    "received_at": "u8", **{name: "[]" + kind for name, kind in TX_COLUMNS.items()},
    "block_number": "u8", "min_timestamp": "?u8", "max_timestamp": "?u8",
    "reverting_tx_hashes": "[]b32", "dropping_tx_hashes": "[]b32", "refund_tx_hashes": "[]b32",
    "replacement_uuid": "?uuid", "replacement_nonce": "?u8", "refund_percent": "?u1",
    "refund_recipient": "?b20", "delayed_refund": "?u1", "refund_identity": "?b20",
    "signer_address": "?b20", "hash_of_bundle": "b32", "internal_uuid": "uuid",
    "builder_name": "text", "version": "u1"}


def inspected(bundle):
    """What `orderflow inspect` says of a bundle."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle", "params": [bundle]})
    return json.loads(harness.run(harness.PROGRAM, "orderflow", "inspect", "-", input=body).stdout)


def signed(kind, fields, nonce, prices, to, value, data, lists):
    """A transaction of a type: its raw bytes, and what its columns have to say."""
    r, s, odd = wallet.sign(USER, wallet.keccak(kind + wallet.rlp(
        fields + ([1, 0, 0] if kind == b"" else []))))
    raw = kind + wallet.rlp(fields + [odd + 37 if kind == b"" else odd, r, s])
    access, authorizations = lists
    return raw, {
        "hash": wallet.keccak(raw), "from": wallet.address(USER), "nonce": nonce, "r": r, "s": s,
        "v": odd, "to": to or None, "gas": 90000, "type": kind[0] if kind else 0, "input": data,
        "value": value, "gasPrice": prices[0], "maxFeePerGas": prices[1],
        "maxPriorityFeePerGas": prices[2], "accessList": access and wallet.rlp(access),
        "authorizationList": authorizations and wallet.rlp(authorizations), "raw": raw}


def one_of_each_type():
    """Transactions of the types 0, 1, 2 and 4."""
    to, data, value, gas = b"\x22" * 20, b"\xde\xad" * 40, 2**130 + 7, 90000
    access = [[b"\x33" * 20, [b"\x44" * 32, b"\x55" * 32]], [b"\x66" * 20, []]]
    r, s, odd = wallet.sign(USER, wallet.keccak(b"\x05" + wallet.rlp([1, b"\x77" * 20, 9])))
    allowed = [[1, b"\x77" * 20, 9, odd, r, s]]
    return [
        signed(b"", [1, 10**10, gas, b"", value, data], 1, (10**10, None, None), b"", value, data,
               (None, None)),
        signed(b"\x01", [1, 2, 10**10, gas, to, value, data, access], 2, (10**10, 10**10, None),
               to, value, data, (access, None)),
        signed(b"\x02", [1, 3, 5, 2**70, gas, to, value, data, []], 3, (None, 2**70, 5), to,
               value, data, (None, None)),
        signed(b"\x04", [1, 4, 5, 10**10, gas, to, 0, b"", access, allowed], 4,
               (None, 10**10, 5), to, 0, b"", (access, allowed))]


@case
def every_column_of_clickhouse_says_what_was_sent():
    """Bundles with all fields, of each type of transaction, and cancels, in the deployed table."""
    with Folder() as folder:
        (folder / "clickhouse").mkdir()
        server = ClickHouse(folder / "clickhouse")
        uuid, other = "550e8400-e29b-41d4-a716-446655440000", "00112233-4455-4677-8899-aabbccddeeff"
        txs = one_of_each_type()
        hashes = [told["hash"] for _, told in txs]
        text = ["0x" + h.hex() for h in hashes]
        full = {"txs": ["0x" + raw.hex() for raw, _ in txs], "blockNumber": "0x1234",
                "minTimestamp": 7, "maxTimestamp": 2**40, "revertingTxHashes": [text[1], text[0]],
                "droppingTxHashes": text[2:], "replacementUuid": uuid, "replacementNonce": 9,
                "refundPercent": 40, "refundRecipient": "0x" + "12" * 20,
                "refundTxHashes": text[3:], "delayedRefund": True,
                "refundIdentity": "0x" + "34" * 20, "version": "v2"}
        plain = {"txs": RAW[:1], "version": "v1", "blockNumber": "0x5"}
        cancel = {"txs": [], "uuid": other, "replacementNonce": 2**63}
        try:
            server.create()
            with Node(folder, "--indexer.clickhouse.host", f"http://127.0.0.1:{server.port}",
                      "--indexer.clickhouse.username", "writer",
                      "--indexer.clickhouse.password", "secret", name="node_x") as node:
                before = time.time()
                sent = [node.send("eth_sendBundle", b, USER)[1]["result"] for b in
                        (full, plain, cancel)]
                wait_until(lambda: server.ask("SELECT count() FROM bundles") == "3", 20,
                           node.process.logged())
            table = Row(server.ask_bytes("SELECT * FROM bundles ORDER BY block_number DESC "
                                         "FORMAT RowBinary"))
            rows = [{name: table.value(kind) for name, kind in BUNDLE_COLUMNS.items()}
                    for _ in range(3)]
            assert table.at == len(table.data)
        finally:
            server.close()
    ids = [inspected(body)["uuidRust"].replace("-", "") for body in (full, plain)]
    for row, answer in zip(rows, sent):
        assert abs(row["received_at"] / 1e6 - before) < 60
        assert abs(row.pop("received_at") / 1e3 - answer["receivedTimestampMs"]) < 1
        assert "0x" + row.pop("hash_of_bundle").hex() == answer["bundleHash"]
        assert row.pop("signer_address") == wallet.address(USER)
        assert row.pop("builder_name") == b"node_x"
    for name in TX_COLUMNS:
        want = [told[name] for _, told in txs]
        assert rows[0].pop(name) == want, (name, want)
        assert len(rows[1].pop(name)) == 1 and rows[2].pop(name) == []
    assert rows[0] == {
        "block_number": 0x1234, "min_timestamp": 7, "max_timestamp": 2**40,
        "reverting_tx_hashes": [hashes[1], hashes[0]], "dropping_tx_hashes": hashes[2:],
        "refund_tx_hashes": hashes[3:], "replacement_uuid": uuid.replace("-", ""),
        "replacement_nonce": 9, "refund_percent": 40, "refund_recipient": b"\x12" * 20,
        "delayed_refund": 1, "refund_identity": b"\x34" * 20, "internal_uuid": ids[0],
        "version": 2}, rows[0]
    nothing = {name: [] if kind.startswith("[]") else None for name, kind in BUNDLE_COLUMNS.items()
               if name in rows[1]}
    assert rows[1] == {**nothing, "block_number": 5, "internal_uuid": ids[1], "version": 1}, rows[1]
    key = other.replace("-", "")
    assert rows[2] == {**nothing, "block_number": 0, "replacement_uuid": key,
                       "replacement_nonce": 2**63, "internal_uuid": key, "version": 2}, rows[2]


harness.main()
