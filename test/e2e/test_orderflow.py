"""Orderflow: promises to senders and to the builder, tried on the real program."""
import gzip
import json
import random
import signal
import socket
import threading
import time

import harness
import wallet
from harness import PROGRAM, Folder, case, free_port, run, wait_until
from orderflow_node import Builder, Feed, Node, Server

USER, OTHER = 0x1111, 0x2222
UUID = "550e8400-e29b-41d4-a716-446655440000"


class Sender(Node):
    """A node that is spoken to as USER unless another key is given."""

    def send(self, method, param, key=USER, **options):  # pylint: disable=arguments-differ
        return super().send(method, param, key, **options)


RAW = ["0x" + wallet.transaction(USER, n).hex() for n in range(4)]


@case
def a_bundle_reaches_the_builder_with_defaults_filled_in():
    """The builder gets a user's bundle with signer, version and bundleHash; the user the hash."""
    with Folder() as folder, Sender(folder) as node:
        status, answer, _ = node.send("eth_sendBundle", {"txs": RAW[:2], "blockNumber": "0x10"})
        assert status == 200, answer
        wait_until(lambda: node.builder.requests)
        headers, request = node.builder.requests[0]
        bundle = request["params"][0]
        assert bundle["txs"] == RAW[:2] and bundle["blockNumber"] == "0x10"
        assert bundle["signingAddress"] == "0x" + wallet.address(USER).hex()
        assert bundle["version"] == "v2"
        assert bundle["bundleHash"] == answer["result"]["bundleHash"]
        assert headers["x-buildernet-priority"] == "medium"
        assert abs(int(headers["x-buildernet-sentatus"]) / 1e6 - time.time()) < 5
        assert abs(answer["result"]["receivedTimestampMs"] / 1e3 - time.time()) < 5


@case
def a_transaction_answers_with_its_hash():
    """eth_sendRawTransaction answers the transaction's hash; one of another chain is refused."""
    with Folder() as folder, Sender(folder) as node:
        raw = wallet.transaction(USER, 7)
        status, answer, _ = node.send("eth_sendRawTransaction", "0x" + raw.hex())
        assert (status, answer["result"]) == (200, "0x" + wallet.keccak(raw).hex())
        wait_until(lambda: node.builder.params("eth_sendRawTransaction") == ["0x" + raw.hex()])
        other = wallet.transaction(USER, 8, chain=5)
        status, answer, _ = node.send("eth_sendRawTransaction", "0x" + other.hex())
        assert status == 400 and answer["error"]["code"] == -32602, answer
        assert "chain" in answer["error"]["data"], answer


@case
def refusals_have_the_deployed_codes_and_say_why():
    """Each kind of refusal has its code, HTTP status and message; data tells the reason."""
    with Folder() as folder, Sender(folder) as node:
        good = '{"jsonrpc":"2.0","id":7,"method":"eth_sendBundle","params":[{"txs":[]}]}'
        sign = lambda body: {"X-Flashbots-Signature": wallet.request_signature(USER, body.encode())}
        rows = [
            (good, {}, 400, -32603, "Invalid signature", None),
            (good, {"X-Flashbots-Signature": "0x00:0x00"}, 400, -32603, "Invalid signature", None),
            (good, sign(good + " "), 400, -32603, "Invalid signature", None),
            (good, sign(good), 400, -32602, "Invalid params", 7),
            (good[:-1], sign(good[:-1]), 400, -32700, "Parse error", None),
            (b := good.replace("2.0", "1.0"), sign(b), 400, -32600, "Invalid Request", None),
            (b := good.replace("eth_sendBundle", "eth_x"), sign(b), 404, -32601,
             "Method not found: eth_x", 7),
            (b := good.replace('[{"txs":[]}]', "[]"), sign(b), 400, -32602, "Invalid params", 7),
            (b := good.replace('"txs":[]', '"txs":["0x01"]'), sign(b), 400, -32602,
             "Invalid params", 7),
        ]
        for body, headers, status, code, message, ident in rows:
            got, text, _ = node.post(body, headers)
            answer = json.loads(text)
            assert (got, answer["error"]["code"], answer["error"]["message"], answer["id"]) == \
                (status, code, message, ident), (body, text)
            assert answer["error"]["data"], text
        assert "txs[0]" in answer["error"]["data"], answer
        assert not node.builder.requests


@case
def the_older_methods_answer_in_their_own_way():
    """mev_sendBundle, eth_cancelBundle: null as result; bid_subsidiseBlock is not for users."""
    with Folder() as folder, Sender(folder) as node:
        share = {"version": "v0.1", "inclusion": {"block": "0x1"}, "body": [{"tx": RAW[0]}],
                 "replacementUuid": UUID}
        status, answer, _ = node.send("mev_sendBundle", share)
        assert (status, answer) == (200, {"jsonrpc": "2.0", "id": 1, "result": None})
        share["body"] = [{"tx": RAW[1]}]
        node.send("mev_sendBundle", share)
        status, answer, _ = node.send("mev_sendBundle", {**share, "version": "beta-1"})
        assert (status, answer["error"]["code"]) == (200, -32000)
        assert answer["error"]["message"].startswith("Incorrect version"), answer
        status, answer, _ = node.send("eth_cancelBundle", {"replacementUuid": UUID})
        assert (status, answer["result"]) == (200, None)
        status, answer, _ = node.send("bid_subsidiseBlock", 5)
        assert (status, answer["error"]["code"]) == (200, -32000)
        assert answer["error"]["message"] == "subsidy can only be called on system API"
        wait_until(lambda: len(node.builder.requests) == 3)
        nonces = [p["metadata"]["replacementNonce"] for p in node.builder.params("mev_sendBundle")]
        assert sorted(nonces) == [0, 1], nonces


@case
def the_first_generation_is_spoken_whole():
    """--api first: its verbs, content type, size, ids and texts."""
    with Folder() as folder, Sender(folder, "--api", "first", "--max-request-body-size-bytes",
                                  "4000") as node:
        status, answer, _ = node.send("eth_sendBundle", {"txs": RAW[:1]},
                                      header="X-Flashbots-Signature")
        assert (status, answer) == (200, {"jsonrpc": "2.0", "id": 1, "result": None})
        wait_until(lambda: node.builder.requests)
        headers, request = node.builder.requests[0]
        assert list(request) == ["method", "params", "id", "jsonrpc"], request
        assert headers["x-flashbots-signature"].startswith("0x")
        status, text, _ = node.post("x" * 5000)
        assert (status, json.loads(text)["error"]["code"]) == (200, -32600), text
        assert json.loads(text)["error"]["message"] == "request body is too big, max size: 4000"
        status, text, _ = node.post("{}")
        assert json.loads(text)["error"]["message"] == "no signature provided", text
        assert node.post("{}", {"content-type": "text/plain"})[0] == 415
        status, _, body = harness.request(node.user, "PUT", "/any", tls=False)
        assert (status, body) == (405, b"only POST method is allowed\n")
        status, answer, _ = node.send("eth_sendBundle", {"signingAddress": "0x" + "11" * 20},
                                      header="X-Flashbots-Signature")
        assert answer["error"]["message"] == "signing address field should not be set", answer


@case
def replacements_keep_their_order():
    """The higher nonce wins, A, B, A under one uuid is three orders, a repetition none."""
    with Folder() as folder, Sender(folder) as node:
        bundle = lambda n, **more: {"txs": [RAW[n]], "replacementUuid": UUID, **more}
        for n in (0, 1, 0):
            assert node.send("eth_sendBundle", bundle(n))[0] == 200
        wait_until(lambda: len(node.builder.requests) == 3)
        sent = [(p["replacementNonce"], p["txs"][0]) for p in node.builder.params()]
        assert [raw for _, raw in sorted(sent)] == [RAW[0], RAW[1], RAW[0]]
        high = bundle(2, replacementNonce=10**16 + 2)
        for param in (high, high, bundle(3, replacementNonce=10**16 + 1), high):
            assert node.send("eth_sendBundle", param)[0] == 200
        cancel = {"txs": [], "replacementUuid": UUID, "replacementNonce": 10**16 + 3}
        assert node.send("eth_sendBundle", cancel)[0] == 200
        assert node.send("eth_sendBundle", bundle(0, replacementNonce=10**16 + 2))[0] == 200
        wait_until(lambda: len(node.builder.requests) == 5)
        assert node.send("eth_sendBundle", bundle(0), key=OTHER)[0] == 200  # another namespace
        wait_until(lambda: len(node.builder.requests) == 6)
        assert [p["txs"] for p in node.builder.params()][3:5] == [[RAW[2]], []]


@case
def a_repetition_is_known_however_it_comes():
    """The same bytes in one piece, in pieces, in chunks, and one after the other on a connection:
    the same answer, and the builder gets one order. One byte more is another request."""
    with Folder() as folder, Sender(folder) as node:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendBundle",
                           "params": [{"txs": RAW[:1], "blockNumber": "0x10"}]}).encode()
        head = lambda framing: ("POST / HTTP/1.1\r\nHost: a\r\nX-Flashbots-Signature: " +
                                wallet.request_signature(USER, body) + f"\r\n{framing}\r\n\r\n"
                                ).encode()
        whole = head(f"Content-Length: {len(body)}")
        chunked = head("Transfer-Encoding: chunked")
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:9], body[9:], b""))
        with socket.create_connection(("127.0.0.1", node.user), timeout=20) as s:
            answers, stream = [], s.makefile("rb")

            def hear():
                assert stream.readline().startswith(b"HTTP/1.1 200 ")
                length = 0
                while (line := stream.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.append(json.loads(stream.read(length))["result"])

            for pieces in ([whole + body], [whole + body], [whole, body], [whole + body[:9], body[9:]],
                           [chunked + chunks], [chunked, chunks[:20], chunks[20:]]):
                for piece in pieces:
                    s.sendall(piece)
                    time.sleep(0.02)  # so that pieces come apart
                hear()
            s.sendall(3 * (whole + body))
            for _ in range(3):
                hear()
        assert len(answers) == 9 and all(a == answers[0] for a in answers), answers
        hits = node.metrics_of("flowproxy_ingress_order_cache_hit")
        assert sum(hits.values()) == 8, hits
        longer = body + b" "
        assert node.post(longer, {"X-Flashbots-Signature": wallet.request_signature(USER, body)}
                         )[0] == 400
        wait_until(lambda: node.builder.requests)
        assert len(node.builder.params()) == 1


@case
def nothing_invalid_is_remembered():
    """After a refused twin the valid order is taken: with a bad signature, as a stranger's."""
    with Folder() as folder, Sender(folder) as node:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction",
                           "params": [RAW[0]]}).encode()
        good = wallet.request_signature(USER, body)
        bad = good[:-4] + ("00" if good[-4:-2] != "00" else "01") + good[-2:]
        assert node.post(body, {"X-BuilderNet-Signature": bad})[0] == 400
        assert node.post(body, {"X-BuilderNet-Signature": good})[0] == 200
        assert node.post(body, {"X-BuilderNet-Signature": bad})[0] == 400
        wait_until(lambda: len(node.builder.requests) == 1)


@case
def a_builder_that_was_away_gets_everything():
    """Orders that were taken while the builder was down or failing arrive when it is back."""
    with Folder() as folder:
        port = free_port()
        builder = Builder(port)
        builder.close()
        with Sender(folder, "--builder-url", f"http://127.0.0.1:{port}", builder=builder) as node:
            for n in range(4):
                assert node.send("eth_sendRawTransaction", RAW[n])[0] == 200
            status, _, text = harness.request(node.user, "GET", "/readyz", tls=False)
            assert status == 503 and text == b"builder not answering readyz request", text
            back = Builder(port)
            back.status = 503
            time.sleep(0.3)
            assert not back.requests
            back.status = 200
            wait_until(lambda: len(back.requests) == 4, 15)
            assert sorted(back.params("eth_sendRawTransaction")) == sorted(RAW)
            wait_until(lambda: harness.request(node.user, "GET", "/readyz", tls=False)[0] == 200)
            back.ready = False
            wait_until(lambda: harness.request(node.user, "GET", "/readyz", tls=False)[2] ==
                       b"builder not ready")
            back.close()


@case
def without_an_endpoint_for_it_readiness_still_tells_of_the_builder():
    """A builder that is away, or that takes no orders, makes the node not ready; any answer shows
    that it is there."""
    with Folder() as folder:
        port = free_port()
        url = ("--builder-url", f"http://127.0.0.1:{port}", "--builder-ready-endpoint", "")
        away = Builder(port)
        away.close()
        with Sender(folder, *url, builder=away) as node:
            wait_until(lambda: node.ready() == (503, "builder not answering readyz request"))
            time.sleep(0.6)
            assert node.ready()[0] == 503
            back = Builder(port)
            back.ready = False  # it knows no such path, but answers
            wait_until(lambda: node.ready()[0] == 200)
            back.status = 500
            assert node.send("eth_sendRawTransaction", RAW[0])[0] == 200
            wait_until(lambda: node.ready() == (503, "builder does not take orders"))
            back.status = 200
            wait_until(lambda: node.ready()[0] == 200)
            assert len(back.requests) == 1
            back.close()
        with Sender(folder, "--api", "first", *url, builder=away, name="first") as node:
            wait_until(lambda: harness.request(node.user, "GET", "/readyz", tls=False)[::2] ==
                       (503, b"not ready"))


@case
def the_feed_gives_a_builder_everything_again():
    """Over the direct feed: in order, once; after a cut what was not acknowledged, and to a builder
    that restarted all that may still land."""
    with Folder() as folder:
        feed = Feed(folder / "orders.sock")
        with Sender(folder, "--builder-url", f"feed:{feed.path}") as node:
            wait_until(lambda: node.ready()[0] == 200)
            give = lambda n: node.send("eth_sendRawTransaction", RAW[n])[0]
            assert give(0) == 200 and give(1) == 200
            wait_until(lambda: [s for s, _ in feed.orders] == [1, 2])
            assert all(bytes.fromhex(RAW[n][2:]) in feed.orders[n][1] for n in (0, 1))
            feed.silent = True
            assert give(2) == 200
            wait_until(lambda: len(feed.orders) == 3)
            feed.close()
            wait_until(lambda: node.ready() == (503, "builder not connected"))
            assert give(3) == 200
            feed.silent, feed.orders = False, []
            feed.open()
            wait_until(lambda: [s for s, _ in feed.orders] == [3, 4])
            wait_until(lambda: node.metric("orderflow_builder_in_flight_orders") == 0)
            feed.close(forget=True)
            feed.orders = []
            feed.open()
            wait_until(lambda: [s for s, _ in feed.orders] == [5, 6, 7, 8])
            assert all(bytes.fromhex(RAW[n][2:]) in feed.orders[n][1] for n in range(4))
            assert node.metric("orderflow_builder_delivered") == 4
            feed.close()


def flood_and_kill(node, kills):
    """Sends 240 transactions, each until it is taken, while the node is killed and started again.
    Gives them and the times of the kills."""
    raws = ["0x" + wallet.transaction(USER, 200 + n).hex() for n in range(240)]
    moments = random.Random(5)

    def flood():
        for raw in raws:
            while True:
                try:
                    if node.send("eth_sendRawTransaction", raw)[0] == 200:
                        break
                except OSError:
                    time.sleep(0.01)

    thread = threading.Thread(target=flood)
    thread.start()
    killed = []
    for _ in range(kills):
        time.sleep(moments.uniform(0.05, 0.3))
        killed.append(time.monotonic())
        node.kill()
        node.start()
    thread.join()
    return raws, killed


@case
def a_killed_node_repeats_nothing_on_the_feed():
    """Killed at any moment under load, a node gives a builder that lives on what it lacks and nothing
    else; one that restarted, alone or with the node, gets all that may still land."""
    with Folder() as folder:
        feed = Feed(folder / "orders.sock")
        flags = ("--builder-url", f"feed:{feed.path}", "--journal-folder", folder / "journal")
        node = Sender(folder, *flags).start()
        raws, _ = flood_and_kill(node, 6)

        def seen():
            return [raw for raw in raws for _, body in feed.orders if bytes.fromhex(raw[2:]) in body]

        wait_until(lambda: set(seen()) == set(raws))
        node.kill()
        node.start()
        wait_until(lambda: node.metric("orderflow_builder_known") == len(raws))
        assert len(seen()) == len(raws), f"{len(seen()) - len(raws)} orders twice"
        feed.close(forget=True)
        feed.orders = []
        feed.open()
        wait_until(lambda: len(seen()) == len(raws))
        wait_until(lambda: node.metric("orderflow_builder_in_flight_orders") == 0)
        feed.close(forget=True)
        node.kill()
        feed.orders = []
        feed.open()
        node.start()
        wait_until(lambda: len(seen()) == len(raws))
        assert node.metric("orderflow_builder_known") == 0
        node.kill()
        feed.close()


@case
def a_killed_node_repeats_what_was_not_answered():
    """Over JSON-RPC a builder that listens on gets again only what it had not answered; one that was
    started again meanwhile gets all that may still land."""
    with Folder() as folder:
        builder = Builder()
        node = Sender(folder, "--journal-folder", folder / "journal", builder=builder).start()
        raws, killed = flood_and_kill(node, 6)
        seen = lambda: builder.params("eth_sendRawTransaction")
        wait_until(lambda: set(seen()) == set(raws))
        wait_until(lambda: node.metric("orderflow_builder_in_flight_orders") == 0)
        came = {}
        for raw, at in zip(seen(), builder.arrived):
            # Again only what was on its way at a kill; up to 64 are.
            assert raw not in came or any(-3 < kill - came[raw] < 0.5 for kill in killed), (came[raw], at, killed)
            came[raw] = at
        before = len(seen())
        node.kill()
        node.start()
        wait_until(lambda: node.metric("orderflow_builder_known") == len(raws))
        assert len(seen()) == before
        node.kill()
        builder.close()
        node.builder = builder = Builder(builder.port)
        node.start()
        wait_until(lambda: sorted(seen()) == sorted(raws))
        assert node.metric("orderflow_builder_known") == 0
        node.kill()
        builder.close()


@case
def a_crash_loses_no_answered_order():
    """Orders that were answered before a SIGKILL reach the builder after the restart, once."""
    with Folder() as folder:
        builder = Builder()
        builder.status = 503
        node = Sender(folder, "--journal-folder", folder / "journal", builder=builder)
        node.start()
        taken = []
        raws = ["0x" + wallet.transaction(USER, 100 + n).hex() for n in range(30)]

        def flood():
            for raw in raws:
                try:
                    if node.send("eth_sendRawTransaction", raw)[0] == 200:
                        taken.append(raw)
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        wait_until(lambda: len(taken) >= 10)
        node.kill()
        thread.join()
        assert not builder.requests
        builder.status = 200
        node.flags += ("--builder-queue-orders", "4")  # they come back as fast as there is room
        with node:
            wait_until(lambda: set(taken) <= set(builder.params("eth_sendRawTransaction")), 20)
            got = builder.params("eth_sendRawTransaction")
            assert len(got) == len(set(got)), "twice"
            before = len(got)
            assert node.send("eth_sendRawTransaction", taken[0])[0] == 200
            time.sleep(0.3)
            assert len(builder.requests) == before, "a known order went on again"
        builder.close()


@case
def requests_are_counted_under_the_deployed_names():
    """After good and bad requests each name of both deployed proxies has its value and labels."""
    with Folder() as folder, Sender(folder, "--api", "first") as node:
        first = {"header": "X-Flashbots-Signature"}
        for n in range(3):
            assert node.send("eth_sendBundle", {"txs": [RAW[n]]}, **first)[0] == 200
        node.send("eth_sendRawTransaction", RAW[3], **first)
        node.send("eth_sendBundle", {"txs": 7}, **first)
        node.send("no_such", {}, **first)
        node.post("{}", {"X-Flashbots-Signature": "nonsense"})
        wait_until(lambda: node.metric("orderflow_builder_delivered") == 4)

        def check(name, labels, least, most):
            got = {k: v for k, v in node.metrics_of(name).items()
                   if all(f'{label}="{value}"' in k for label, value in labels.items())}
            assert got and least <= sum(got.values()) <= most, (name, labels, got)

        go = {"server_name": "user_server"}
        bundle = {"method": "eth_sendBundle", **go, "is_big": "false"}
        check("goutils_rpcserver_request_count", bundle, 4, 4)
        check("goutils_rpcserver_request_count", {"method": "unknown", **go}, 2, 2)
        check("goutils_rpcserver_request_duration_milliseconds_count", bundle, 4, 4)
        check("goutils_rpcserver_request_duration_milliseconds_sum", bundle, 0.01, 20000)
        for step in ("io", "parse", "call"):
            name = "goutils_rpcserver_request_step_duration_milliseconds_"
            check(name + "count", {**bundle, "step": step}, 4, 4)
            check(name + "sum", {**bundle, "step": step}, 0, 20000)
        check(name + "count", {**bundle, "step": "response"}, 3, 3)
        check("goutils_rpcserver_request_size_bytes_count", {"method": "eth_sendBundle", **go}, 4, 4)
        check("goutils_rpcserver_request_size_bytes_sum", {"method": "eth_sendBundle", **go}, 400, 9000)
        check("goutils_rpcserver_error_count", {"method": "eth_sendBundle", **go}, 1, 1)
        check("goutils_rpcserver_incorrect_request_total", go, 2, 2)
        check("goutils_rpcserver_internal_errors_total", go, 0, 0)
        check("orderflow_proxy_api_request_processing_duration_milliseconds_count",
              {"method": "eth_sendBundle", **go, "step": "validation"}, 3, 3)
        check("flowproxy_ingress_http_request_duration_count",
              {"handler": "user", "method": "POST", "path": "/", "status": "OK"}, 4, 7)
        check("flowproxy_ingress_signer_cache_entry_count", {}, 0, 4)
        check("flowproxy_worker_task_duration_seconds_count", {}, 5, 7)
        check("flowproxy_worker_task_duration_seconds_sum", {}, 1e-5, 60)
        for name in ("hits", "almost_hits"):
            check("flowproxy_system_queue_capacity_" + name, {"priority": "low"}, 0, 0)
        # The builder is one of those that orders are forwarded to.
        builder = {"peer_name": "local-builder", "transport": "http"}
        check("flowproxy_forwarder_rpc_call_duration_count",
              {**builder, "order_type": "bundle", "big_request": "false"}, 3, 3)
        check("flowproxy_forwarder_rpc_call_duration_count",
              {**builder, "order_type": "transaction"}, 1, 1)
        check("flowproxy_forwarder_inflight_requests", builder, 0, 0)
        for name in ("queue", "e2e"):
            name = f"orderflow_proxy_share_queue_peer_{name}_duration_milliseconds"
            check(name + "_count", {"peer": "local-builder", "method": "eth_sendBundle",
                                    "system_endpoint": "false", "is_big": "false"}, 3, 3)
            check(name + "_sum", {"peer": "local-builder"}, 0.01, 60000)
        check("orderflow_proxy_share_queue_peer_rpc_duration_milliseconds_count",
              {"peer": "local-builder", "is_big": "false"}, 4, 4)
        check("orderflow_proxy_share_queue_peer_rpc_errors", {"peer": "local-builder"}, 0, 0)
        node.builder.status = 503
        node.send("eth_sendRawTransaction", "0x" + wallet.transaction(USER, 9).hex(), **first)
        wait_until(lambda: node.metrics_of("flowproxy_forwarder_http_call_failures"))
        check("flowproxy_forwarder_http_call_failures",
              {**builder, "reason": "Service Unavailable"}, 1, 99)
        check("orderflow_proxy_share_queue_peer_rpc_errors", {"peer": "local-builder"}, 1, 99)
    with Folder() as folder, Sender(folder, "--drain", "0s", "--builder-url",
                                    f"http://127.0.0.1:{free_port()}") as node:
        node.send("eth_sendRawTransaction", RAW[0])
        wait_until(lambda: node.metrics_of("flowproxy_forwarder_http_connect_failures"))
        check("flowproxy_forwarder_http_connect_failures", builder, 1, 99)


@case
def limits_are_asked_before_the_signature():
    """Over its limit a signer gets 429 with Retry-After; a stranger cannot use his limit up."""
    with Folder() as folder, Sender(folder, "--enable-rate-limiting", "--rate-limit-count", "5",
                                  "--rate-limit-lookback-s", "60s") as node:
        param = lambda n: {"txs": [RAW[n % 4]], "minTimestamp": n}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x", "params": []}).encode()
        forged = wallet.request_signature(OTHER, body).split(":")[1]
        for _ in range(20):
            claimed = "0x" + wallet.address(USER).hex() + ":" + forged
            assert node.post(body, {"X-BuilderNet-Signature": claimed})[0] == 400
        statuses = [node.send("eth_sendBundle", param(n))[0] for n in range(8)]
        assert statuses == [200] * 5 + [429] * 3, statuses
        for name in ("user", "local"):  # the name of the deployed program, and of its dashboards
            assert node.metric(f"orderflow_proxy_api_{name}_rate_limits") >= 3
        status, answer, headers = node.send("eth_sendBundle", param(9))
        assert answer["error"]["message"] == "Rate limited" and answer["error"]["code"] == -32603
        assert int(headers["retry-after"]) >= 1
        assert node.send("eth_sendBundle", param(1), key=OTHER)[0] == 200


@case
def a_full_node_says_so_and_keeps_nothing():
    """When too much waits for the builder, users get 503 with a code of its own, and can repeat."""
    with Folder() as folder:
        builder = Builder()
        builder.status = 503
        with Sender(folder, "--builder-queue-orders", "3", "--builder-connections", "1",
                    builder=builder) as node:
            answers = [node.send("eth_sendRawTransaction", "0x" + wallet.transaction(USER, n).hex())
                       for n in range(8)]
            full = [a for a in answers if a[0] != 200]
            assert full and all(a[0] == 503 and a[1]["error"]["code"] == -32005 and
                                a[1]["error"]["data"] and a[2]["retry-after"] for a in full)
            builder.status = 200
            wait_until(lambda: len(builder.requests) == 8 - len(full))
            for n in range(8):  # those of before are known, the others are new
                assert node.send("eth_sendRawTransaction",
                                 "0x" + wallet.transaction(USER, n).hex())[0] == 200
                wait_until(lambda: node.metric("orderflow_builder_waiting_orders") == 0)
            wait_until(lambda: len(builder.requests) == 8)
            assert len({r["params"][0] for _, r in builder.requests}) == 8
        builder.close()


@case
def compressed_requests_are_taken_within_the_limit():
    """gzip where it is enabled; what grows beyond the limit is refused like any large request."""
    with Folder() as folder, Sender(folder, "--http.enable-gzip", "--max-request-size",
                                    "100KiB") as node:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction",
                           "params": [RAW[0]]}).encode()
        headers = {"X-BuilderNet-Signature": wallet.request_signature(USER, body),
                   "Content-Encoding": "gzip"}
        assert node.post(gzip.compress(body), headers)[0] == 200
        for name in ("GZIP", "x-gzip"):
            assert node.post(gzip.compress(body), {**headers, "Content-Encoding": name})[0] == 200
        wait_until(lambda: node.builder.params("eth_sendRawTransaction") == RAW[:1])
        status, text, _ = node.post(gzip.compress(bytes(10**7)), headers)
        assert status == 413 and json.loads(text)["error"]["code"] == -32600, text
        status, text, _ = node.post(gzip.compress(body)[:-9], headers)
        assert status == 400 and json.loads(text)["error"]["code"] == -32700, text
        refuses_codings(node, headers, ("deflate", "BR", "zstd", "gzip, br", "gzip,gzip"), "gzip")
        for name in ("identity", "utf-8"):  # nothing that changes the body
            assert node.post(body, {**headers, "Content-Encoding": name})[0] == 200


def refuses_codings(node, headers, names, taken):
    """415 that names the coding, and what is taken."""
    for name in names:
        status, text, got = node.post(b"\x28\xb5\x2f\xfd", {**headers, "Content-Encoding": name})
        error = json.loads(text)["error"]
        assert (status, error["code"], got["accept-encoding"]) == (415, -32600, taken), text
        why = error.get("data", error["message"])
        assert name.split(",")[0].lower() in why and taken in why, text


@case
def without_gzip_a_compressed_request_is_called_that():
    """Not a wrong signature: the sender learns that his compression is not taken."""
    for api in ("second", "first"):
        with Folder() as folder, Sender(folder, "--api", api) as node:
            headers = {"X-Flashbots-Signature": wallet.request_signature(USER, b"{}")}
            refuses_codings(node, headers, ("gzip", "x-gzip", "zstd"), "identity")


@case
def an_api_key_has_its_own_limit_and_priority():
    """X-Api-Key of the rules file sets a client apart from others of its address."""
    with Folder() as folder:
        rules = folder / "rules.toml"
        rules.write_text('[[sender]]\nkey = "a-long-enough-key"\npriority = "high"\n'
                         'requests_per_second = 0\n')
        with Sender(folder, "--rules-file", rules, "--max-client-requests-per-second",
                    "1") as node:
            key = {"X-Api-Key": "a-long-enough-key"}
            for n in range(6):
                param = {"txs": RAW[:2], "minTimestamp": n}
                assert node.send("eth_sendBundle", param, **key)[0] == 200
            wait_until(lambda: len(node.builder.requests) == 6)
            assert {h["x-buildernet-priority"] for h, _ in node.builder.requests} == {"high"}
            statuses = [node.send("eth_sendBundle", {"txs": RAW[:1], "minTimestamp": n})[0]
                        for n in range(8)]
            assert 429 in statuses, statuses
            file = folder / "api-key"  # in a file, and never shown
            file.write_text("a-long-enough-key\n")
            file.chmod(0o600)
            send = lambda *words: run(PROGRAM, "send", "bundle", RAW[2], "--url",
                                      f"http://127.0.0.1:{node.user}", "--api-key", *words)
            node.builder.requests.clear()
            assert send(f"file:{file}").returncode == 0
            wait_until(lambda: node.builder.requests)
            assert node.builder.requests[0][0]["x-buildernet-priority"] == "high"
            assert "a-long" not in send("a-long-enough-key", "--print-config").stdout


@case
def rules_set_senders_apart():
    """A rules file gives a signer a priority and a limit; SIGHUP reads it again."""
    with Folder() as folder:
        rules = folder / "rules.toml"
        signer = "0x" + wallet.address(USER).hex()
        rules.write_text(f'[[sender]]\nsigner = "{signer}"\npriority = "low"\n')
        with Sender(folder, "--rules-file", rules) as node:
            node.send("eth_sendBundle", {"txs": RAW[:2]})
            wait_until(lambda: len(node.builder.requests) == 1)
            assert node.builder.requests[0][0]["x-buildernet-priority"] == "low"
            rules.write_text(f'[[sender]]\nsigner = "{signer}"\npriority = "high"\n')
            node.process.signal(signal.SIGHUP)
            wait_until(lambda: "configuration_reloaded" in node.process.logged())
            node.send("eth_sendBundle", {"txs": RAW[1:3]})
            wait_until(lambda: len(node.builder.requests) == 2)
            assert node.builder.requests[1][0]["x-buildernet-priority"] == "high"
            rules.write_text("[[sender]]\nprioriti = 1\n")
            node.process.signal(signal.SIGHUP)
            wait_until(lambda: "unknown member" in node.process.logged())
            assert node.send("eth_sendBundle", {"txs": RAW[2:]})[0] == 200


@case
def hostile_requests_do_no_harm():
    """Oversized, deeply nested, mistyped and cut-off requests are refused; honest ones go on."""
    with Folder() as folder, Sender(folder, "--max-request-size", "64KiB") as node:
        signed = lambda body: {"X-BuilderNet-Signature": wallet.request_signature(USER, body)}
        deep = b'{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":' + b"[" * 20000
        assert node.post(deep, signed(deep))[0] == 400
        status, text, _ = node.post(b"x" * 70000)
        assert status == 413 and json.loads(text)["error"]["code"] == -32600, text
        for param in (None, 5, "0x", [], {"txs": 5}, {"txs": [5]}, {"txs": ["0xzz"]},
                      {"txs": RAW[:1], "refundPercent": 100}, {"txs": RAW[:1], "version": "v3"},
                      {"txs": RAW[:1], "replacementUuid": "x"}, {"txs": RAW[:1] * 101}):
            status, answer, _ = node.send("eth_sendBundle", param)
            assert status in (400, 413), (param, answer)
        with socket.create_connection(("127.0.0.1", node.user)) as s:
            s.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
        assert node.send("eth_sendBundle", {"txs": RAW[:1]})[0] == 200
        wait_until(lambda: len(node.builder.requests) == 1)


class Client(Server):
    """An execution client that answers everything alike."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__()

    def post(self, path, headers, body):
        return 200, self.answer.encode()


@case
def send_and_trace_tell_what_happens():
    """`send` signs, sends and explains; `orderflow trace` tells the order's way."""
    with Folder() as folder, Sender(folder, name="alpha") as node:
        key = folder / "key"
        key.write_text(f"{USER:064x}")
        key.chmod(0o600)
        url = f"http://127.0.0.1:{node.user}"
        send = lambda *words: run(PROGRAM, "send", *words, "--url", url, "--key", f"file:{key}")
        done = send("bundle", *RAW[:2], "--block", "20", "--uuid", UUID, "--reverting",
                    "0x" + "22" * 32, "--nonce", "5", "--refund-percent", "10", "--field",
                    "desiredState=\"BottomOfBlock\"")
        assert done.returncode == 0, done.stderr
        assert ("0x" + wallet.address(USER).hex()) in done.stdout.lower()
        wait_until(lambda: node.builder.params())
        bundle = node.builder.params()[0]
        assert bundle["blockNumber"] == "0x14" and bundle["refundPercent"] == 10
        assert bundle["replacementNonce"] == 5 and bundle["replacementUuid"] == UUID
        taken = done.stdout.split("taken: ")[1].strip()
        metrics = f"http://127.0.0.1:{node.metrics}"
        wait_until(lambda: "delivered" in run(PROGRAM, "orderflow", "trace", taken, metrics).stdout)
        story = run(PROGRAM, "orderflow", "trace", taken, metrics).stdout
        for word in ("alpha", "received from user", "verified", "accepted", "delivered"):
            assert word in story, story
        assert send("cancel", "--uuid", UUID, "--nonce", "6").returncode == 0
        wait_until(lambda: len(node.builder.params()) == 2)
        bad = run(PROGRAM, "send", "cancel", "--uuid", UUID, "--url", url)  # cancels nothing
        assert bad.returncode == 64 and "--key" in bad.stderr, bad.stderr
        assert "replaced" in run(PROGRAM, "orderflow", "trace", taken, metrics).stdout
        bad = send("bundle", "0x01")
        assert bad.returncode == 65 and "txs[0]" in bad.stderr, bad.stderr
        bad = send("bundle", RAW[0], "--field", "replacementNonce:9")  # would be left out unseen
        assert bad.returncode == 65 and "NAME=JSON" in bad.stderr, bad.stderr
        dry = lambda *words: send(*words, "--dry-run", "--no-check")
        slots = '{"a":[["0x1","x, y"],[]],"b":2}'  # commas part members, and stand in them
        done = dry("bundle", RAW[0], "--field", f"targetSlots={slots},x=1", "--nonce", "007",
                   "--max-timestamp", str(2**64 - 1))
        told = json.loads(done.stdout.split("\n\n")[1])["params"][0]
        assert told["targetSlots"] == json.loads(slots) and told["x"] == 1, told
        assert told["replacementNonce"] == 7 and told["maxTimestamp"] == 2**64 - 1, told
        bad = dry("bundle", RAW[0], "--field", "targetSlots=[[],x=1")
        assert bad.returncode == 65 and "targetSlots" in bad.stderr, bad.stderr
        many = folder / "many"
        many.write_text("\n".join("0x%064x" % n for n in range(5000)))
        assert dry("tx", str(many)).stdout.count("eth_sendRawTransaction") == 5000
        bad = send("status", "0x" + "12" * 32, "--node", f"http://127.0.0.1:{harness.free_port()}")
        assert bad.returncode == 69, bad
        bad = send("status", "0x12", "--rpc-endpoint", url)
        assert bad.returncode == 65 and "64 hex digits" in bad.stderr, bad.stderr
        for answer, code, text in (("result\":null", 76, "not included"),
                                   ("error\":{\"code\":1,\"message\":\"syncs\"}", 69, "syncs")):
            client = Client(f'{{"jsonrpc":"2.0","id":1,"{answer}}}')
            bad = send("status", "0x" + "12" * 32, "--rpc-endpoint",
                       f"http://127.0.0.1:{client.port}")
            client.close()
            assert bad.returncode == code and text in bad.stdout + bad.stderr, bad
        bad = send("bundle", "0x01", "--no-check")
        assert bad.returncode == 65 and "Invalid params" in bad.stderr, bad.stderr
        balancer = Builder()  # answers in JSON, but takes nothing
        for balancer.status, code in ((500, 76), (503, 75)):
            bad = run(PROGRAM, "send", "tx", RAW[0], "--url", f"http://127.0.0.1:{balancer.port}")
            assert bad.returncode == code and "taken" not in bad.stdout, bad
        balancer.close()
        file = folder / "bundle.json"
        file.write_text(json.dumps({"txs": RAW[2:3], "blockNumber": "0x1", "minTimestamp": 1}))
        done = send("bundle", str(file), "--block", "0x30")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(node.builder.params()) == 3)
        assert node.builder.params()[2]["blockNumber"] == "0x30"
        assert send("tx", RAW[3]).returncode == 0
        assert run(PROGRAM, "orderflow", "trace", "0x" + "00" * 32, metrics).returncode != 0
        bad = run(PROGRAM, "orderflow", "trace", "0x12", metrics)  # asks nobody
        assert bad.returncode == 65 and "64 hex digits" in bad.stderr, bad.stderr
        bad = send("bundle", str(folder / "none.json"))
        assert bad.returncode == 66 and bad.stderr.count("none.json") == 1, bad.stderr


@case
def what_is_on_its_way_goes_out_at_the_end():
    """SIGTERM: orders that were answered still reach a slow builder."""
    with Folder() as folder, Sender(folder, "--builder-connections", "1") as node:
        node.builder.delay = 0.2
        for raw in RAW:
            assert node.send("eth_sendRawTransaction", raw)[0] == 200
        node.process.signal(signal.SIGTERM)
        assert node.process.wait() == 0
        assert len(node.builder.requests) == 4



harness.main()
