"""Orderflow beside its neighbours: hub, certificate, balancers; and the published vectors of
requests through the running program."""
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import time

import harness
import wallet
from harness import PROGRAM, Folder, Skip, case, run, wait_until
from orderflow_node import Builder, Hub, Node, Server

USER, PEER, TRUSTED = 0x1111, 0x2222, 0x3333
RAW = ["0x" + wallet.transaction(USER, n).hex() for n in range(4)]


class Chain(Server):
    """An execution client that knows its newest block."""

    def __init__(self, head):
        self.head = head
        super().__init__()

    def post(self, path, headers, body):
        return 200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": hex(self.head)}).encode()

    def get(self, path):
        return 404, b""


def text_address(key):
    return "0x" + wallet.address(key).hex()


def vectors():
    """The objects of all files of published orderflow vectors."""
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = pathlib.Path(os.environ.get("BN_VECTORS", root / "../shared/data")) / "orderflow"
    if not folder.is_dir():
        raise Skip("no vectors; BN_VECTORS names their folder")
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


@case
def published_requests_are_judged_alike():
    """Each published request gets from the listener what `inspect` says of it."""
    rows = [t for doc in vectors() if isinstance(doc, list) for t in doc
            if "body" in t and any(k.startswith("X-") for k in t)]
    assert rows
    with Folder() as folder, Node(folder) as node:
        for test in rows:
            headers = {k: v for k, v in test.items() if k.startswith("X-")}
            status, text, _ = node.post(test["body"], headers)
            answer = json.loads(text)
            file = folder / "request.json"
            lower = {k.lower(): v for k, v in headers.items()}  # in any case, as HTTP's
            file.write_text(json.dumps([{"body": test["body"], **lower}]))
            told = json.loads(run(PROGRAM, "orderflow", "inspect", file).stdout)
            assert (status == 200) == told["valid"], (test["id"], text, told)
            if status != 200:
                assert answer["error"]["code"] == told["error"]["code"], (test["id"], text, told)
                assert status == told["error"]["httpStatus"]
            elif "bundleHash" in told and "replacement" not in told:
                assert answer["result"]["bundleHash"] == told["bundleHash"], test["id"]


@case
def published_transactions_and_bundles_get_their_identifiers():
    """Each published raw transaction gets its hash or a refusal, each bundle its bundleHash."""
    rows = [t for doc in vectors() if isinstance(doc, list) for t in doc]
    txs = [t for t in rows if "raw" in t and "accept" in t]
    bundles = [t for t in rows if "input_after_defaults" in t]
    assert txs and bundles
    with Folder() as folder, Node(folder) as node:
        for test in txs:
            status, answer, _ = node.send("eth_sendRawTransaction", test["raw"], USER)
            # One of another chain is good, but no order for this network by itself.
            if test["accept"] and test["chain_id"] in (1, None):
                assert (status, answer["result"]) == (200, test["hash"]), (test["id"], answer)
            else:
                assert status == 400 and answer["error"]["code"] == -32602, (test["id"], answer)
        tried = 0
        for test in bundles:
            # Defaults are in these; who signs, and what only peers say, is not the sender's to say.
            param = dict(test["input_after_defaults"])
            for name in ("signingAddress", "bundleHash"):
                param.pop(name, None)
            status, answer, _ = node.send("eth_sendBundle", param, USER)
            if status != 200:  # a stricter check than the hash's: any bytes are transactions there
                assert answer["error"]["data"].startswith("txs"), (test["id"], answer)
                continue
            assert answer["result"]["bundleHash"] == test["bundle_hash_flowproxy"], test["id"]
            tried += 1
        assert tried > len(bundles) / 2


@case
def the_first_generations_forwarding_is_the_published_one():
    """What goes to the builder is, byte for byte, what the Go proxy forwards."""
    docs = [doc for doc in vectors() if isinstance(doc, dict) and "cases" in doc]
    assert docs
    for doc in docs:
        key = int(doc["common"]["user_key"], 16)
        with Folder() as folder, Node(folder, "--api", "first", "--flashbots-signer",
                                      text_address(TRUSTED)) as node:
            for test in doc["cases"]:
                if "method" not in test:
                    continue
                port = node.system if test.get("listener") == "system" else node.user
                signer = TRUSTED if test.get("signer") == "flashbots" else key
                seen = len(node.builder.bodies)
                _, answer, _ = node.send(test["method"], test["param"], signer, port=port,
                                         header="X-Flashbots-Signature")
                if "error" in test:
                    assert answer["error"] == test["error"], (test["id"], answer)
                    continue
                assert answer["result"] is None and "error" not in answer, (test["id"], answer)
                wait_until(lambda: len(node.builder.bodies) > seen, message=test["id"])
                clock = re.compile(r'"replacementNonce":\d{16}')
                got, expected = [clock.sub("CLOCK", t)
                                 for t in (node.builder.bodies[-1], test["forwarded"])]
                assert got == expected, (test["id"], got, expected)


@case
def only_peers_may_use_the_system_listener():
    """The hub's list says who is a peer; a stranger is told so; the list is read again."""
    with Folder() as folder:
        hub = Hub()
        with Node(folder, "--builder-hub-url", f"http://127.0.0.1:{hub.port}",
                  "--peer.update-interval-s", "1s") as node:
            order = lambda key: node.send("eth_sendRawTransaction", RAW[0], key, port=node.system,
                                          header="X-Flashbots-Signature")[1]
            wait_until(lambda: node.ready()[0] == 200)
            node.send("eth_sendRawTransaction", RAW[0], PEER,  # as a user he may
                      header="X-Flashbots-Signature")
            wait_until(lambda: len(node.builder.requests) == 1)
            assert order(PEER)["error"]["message"] == \
                "unknown peers can't send to the system address"
            hub.builders = [
                {"name": "half", "ip": "1.2.3.4", "dns_name": ""},
                {"name": "peer", "ip": "127.0.0.1", "dns_name": "",
                 "orderflow_proxy": {"ecdsa_pubkey_address": text_address(PEER)}}]
            wait_until(lambda: "error" not in order(PEER))
            assert len(node.builder.requests) == 1  # it was known
            assert "peer_left_out" in node.process.logged()  # and the others are taken all the same
            hub.status = 500
            failures = lambda: node.metrics_of("flowproxy_builderhub_peer_request_failures")
            wait_until(lambda: sum(failures().values()) >= 2, 20)  # each time, not the first only
            assert all(k.startswith('{error="') for k in failures())
            assert node.metric("orderflow_proxy_confighub_errors") >= 2
        hub.close()


@case
def what_was_replaced_does_not_come_back_after_a_crash():
    """What a sender cancelled or replaced, here or at another node, is not given to the builder
    again when the journal is, however much longer than its replacement it could have landed."""
    uuid = "550e8400-e29b-41d4-a716-44665544000"
    with Folder() as folder, Folder() as journal:
        chain, hub = Chain(100), Hub()
        hub.builders = [{"name": "peer", "ip": "127.0.0.1", "dns_name": "",
                         "orderflow_proxy": {"ecdsa_pubkey_address": text_address(PEER)}}]
        node = Node(folder, "--builder-hub-url", f"http://127.0.0.1:{hub.port}",
                    "--rpc-endpoint", f"http://127.0.0.1:{chain.port}", "--block-time", "200ms",
                    "--journal-folder", journal).start()
        wait_until(lambda: node.metric("orderflow_newest_block") == 100 and
                   node.metric("flowproxy_builderhub_peer_count") == 1)

        def send(last, nonce, key=USER, port=None, **members):
            param = {"txs": [RAW[nonce]], "blockNumber": hex(900), "replacementUuid": uuid + last,
                     "replacementNonce": nonce, **members}
            assert node.send("eth_sendBundle", param, key, port=port,
                             header="X-Flashbots-Signature")[0] == 200

        for last in "012345":
            send(last, 1)
        send("1", 2, txs=[], blockNumber=None)
        node.send("eth_cancelBundle", {"replacementUuid": uuid + "2"}, USER)
        send("3", 2, blockNumber=hex(101))
        send("4", 2, PEER, node.system, txs=[], version="v2", signingAddress=text_address(USER))
        send("5", 2, blockNumber=None)  # for the next block, as the first was not
        wait_until(lambda: len(node.builder.requests) == 11)
        time.sleep(2.5)  # their own time is over
        node.kill()
        node.builder.close()
        node.builder = Builder(node.builder.port)  # started again too: it lacks everything
        with node:
            of = lambda last: [b for b in node.builder.params() if b["txs"] and
                               b["replacementUuid"] == uuid + last]
            wait_until(lambda: of("0"))
            time.sleep(0.5)
            assert not of("1") and not of("2") and not of("4"), node.builder.params()
            assert not [b for b in of("3") if b["replacementNonce"] == 1]
            assert not of("5"), node.builder.params()
        hub.close()
        chain.close()


@case
def readiness_tells_the_truth():
    """Ready only when builder and hub were seen and the hub took the registration."""
    with Folder() as folder:
        hub = Hub()
        hub.status = 500
        with Node(folder, "--builder-hub-url", f"http://127.0.0.1:{hub.port}", "--system-tls",
                  "--peer.update-interval-s", "1s") as node:
            wait_until(lambda: "hub" in node.ready()[1])
            assert node.ready()[0] == 503
            hub.status = 200
            wait_until(lambda: node.ready()[0] == 200, message=node.process.logged())
            path, body = hub.registrations[0]
            assert path == "/api/l1-builder/v1/register_credentials/orderflow_proxy"
            assert body["tls_cert"].startswith("-----BEGIN CERTIFICATE-----")
            assert re.fullmatch("0x[0-9a-fA-F]{40}", body["ecdsa_pubkey_address"])
            hub.status = 500  # a hub that is away later takes no node from its balancer
            wait_until(lambda: "hub_away" in node.process.logged().split("hub_enrolled")[-1])
            assert node.ready()[0] == 200
            hub.status = 200  # it may have lost the registration
            wait_until(lambda: len(hub.registrations) == 2)
            hub.status = 403
            wait_until(lambda: node.ready() == (503, "the hub does not know this node"))
            hub.status = 200
            wait_until(lambda: node.ready()[0] == 200)
            node.builder.ready = False
            wait_until(lambda: node.ready() == (503, "builder not ready"))
        hub.close()
        with Node(folder, "--journal-folder", folder / "journal", "--journal-size", "1",
                  name="full") as node:
            wait_until(lambda: node.ready()[0] == 200)
            assert node.send("eth_sendRawTransaction", RAW[0], USER)[0] == 503
            assert node.ready() == (503, "the journal takes no orders")


@case
def a_node_is_no_peer_of_its_own():
    """An entry with the node's own key or signer under another name is skipped and counted."""
    with Folder() as folder:
        hub = Hub()
        with Node(folder, "--builder-hub-url", f"http://127.0.0.1:{hub.port}", "--system-tls",
                  "--peer.update-interval-s", "1s") as node:
            wait_until(lambda: hub.registrations)
            body = hub.registrations[0][1]
            entry = lambda name, address, cert: {
                "name": name, "ip": "127.0.0.1", "dns_name": f"127.0.0.1:{node.system}",
                "orderflow_proxy": {"tls_cert": cert, "ecdsa_pubkey_address": address},
                "instance": {"tls_cert": cert}}
            own, other = body["ecdsa_pubkey_address"], text_address(PEER)
            hub.builders = [entry("mirror", own, body["tls_cert"]),
                            entry("node", own, body["tls_cert"]),
                            entry("mask", other, body["tls_cert"])]
            wait_until(lambda: node.metric("orderflow_share_peers_skipped_total") >= 2,
                       message=node.process.logged())
            text = node.process.logged()
            assert 'peer=mirror reason="it has this node\'s own signer address"' in text, text
            assert "peer_skipped peer=mask" in text and "peer=node" not in text, text
            assert not node.metrics_of("orderflow_peer_up"), "it is dialed"
        hub.close()


def make_certificate(folder, name):
    openssl = harness.need("openssl")
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    r = run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "1", "-subj", f"/CN={name}", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
    assert r.returncode == 0, r.stderr
    return cert, key


def connect(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10))


def ask_live(s):
    s.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    return s.recv(4096).startswith(b"HTTP/1.1 200")


@case
def a_certificate_is_rotated_without_dropping_sessions():
    """SIGHUP: new sessions see the new certificate, the hub hears of it, old sessions go on."""
    with Folder() as folder:
        hub = Hub()
        cert, key = make_certificate(folder, "node")
        rules = folder / "rules.toml"
        rules.write_text("")
        with Node(folder, "--user-tls", "--certificate-pem-file", cert, "--private-key-pem-file",
                  key, "--builder-hub-url", f"http://127.0.0.1:{hub.port}", "--rules-file",
                  rules) as node:
            old = connect(node.user)
            first = old.getpeercert(True)
            assert ask_live(old)
            done = run(PROGRAM, "send", "bundle", RAW[0], "--url",
                       f"https://127.0.0.1:{node.user}", "--ca", cert)
            assert done.returncode == 0, done.stderr
            fresh_cert, fresh_key = make_certificate(folder, "fresh")
            fresh_key.replace(key)
            fresh_cert.replace(cert)
            new_pem = cert.read_text()
            node.process.signal(signal.SIGHUP)
            wait_until(lambda: len(hub.registrations) == 2)
            assert hub.registrations[1][1]["tls_cert"] == cert.read_text()
            new = connect(node.user)
            assert new.getpeercert(True) != first
            assert ask_live(old) and ask_live(new)
            cert.write_text("damaged")
            rules.write_text('[[sender]]\nkey = "a key of sixteen bytes"\npriority = "high"\n')
            node.process.signal(signal.SIGHUP)
            wait_until(lambda: "level=error" in node.process.logged())
            assert ask_live(old) and ask_live(connect(node.user))
            assert "senders=1" not in node.process.logged()  # all or nothing
            cert.write_text(new_pem)
            node.process.signal(signal.SIGHUP)
            wait_until(lambda: "senders=1" in node.process.logged())
        hub.close()


@case
def a_self_made_certificate_is_given_out():
    """Without a certificate one is made, and the certificate listener gives it to who asks."""
    with Folder() as folder:
        port = harness.free_port()
        with Node(folder, "--user-tls", "--cert-listen-addr", f"127.0.0.1:{port}") as node:
            status, headers, pem = harness.request(port, "GET", "/cert", tls=False)
            assert (status, headers["content-type"]) == (200, "application/octet-stream")
            seen = ssl.DER_cert_to_PEM_cert(connect(node.user).getpeercert(True))
            assert seen.split() == pem.decode().split()


@case
def who_asks_gets_in_beside_connections_that_ask_nothing():
    """More than the certificate and the metrics listener hold stay silent, or stop in the middle of
    a request: a scrape and a peer are answered all the same."""
    with Folder() as folder:
        port = harness.free_port()
        with Node(folder, "--cert-listen-addr", f"127.0.0.1:{port}") as node:
            for at, path in (node.metrics, "/metrics"), (port, "/cert"):
                silent = [socket.create_connection(("127.0.0.1", at)) for _ in range(300)]
                for s in silent[::2]:
                    try:
                        s.sendall(b"GET / HTTP/1.1\r\nHost: ")
                    except OSError:
                        pass  # it gave way already
                for _ in range(3):
                    assert harness.request(at, "GET", path, tls=False)[0] == 200
                for s in silent:
                    s.close()


@case
def users_may_speak_http_2():
    """With TLS and without both versions of HTTP are spoken, on one listener."""
    curl = harness.need("curl")
    if "HTTP2" not in run(curl, "--version").stdout:
        raise Skip("this curl speaks no HTTP/2")
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction",
                       "params": [RAW[0]]})
    signed = "X-BuilderNet-Signature: " + wallet.request_signature(USER, body.encode())
    for scheme, flags, second in (("https", ["--user-tls"], "--http2"),
                                  ("http", [], "--http2-prior-knowledge")):
        with Folder() as folder, Node(folder, *flags) as node:
            for version in (second, "--http1.1"):
                r = run(curl, "-sk", version, "-H", signed, "-d", body, "-w",
                        " %{http_code} %{http_version}", f"{scheme}://127.0.0.1:{node.user}/")
                assert r.stdout.endswith(" 200 2" if version == second else " 200 1.1"), r
            wait_until(lambda: node.builder.params("eth_sendRawTransaction") == RAW[:1])


@case
def behind_a_balancer_the_real_address_is_limited():
    """X-Forwarded-For of a trusted balancer says whose limit it is; of others it is not believed."""
    with Folder() as folder:
        flags = ("--max-client-requests-per-second", "1")
        for trusted in (True, False):
            more = ("--trusted-proxy", "127.0.0.0/8") if trusted else ()
            with Node(folder, *flags, *more) as node:
                statuses = [node.send("eth_sendBundle", {"txs": RAW[:1], "minTimestamp": n}, USER,
                                      **{"X-Forwarded-For": f"10.0.0.{n}"})[0] for n in range(8)]
                assert (statuses == [200] * 8) == trusted, statuses


@case
def who_has_one_address_of_ipv6_has_a_whole_network():
    flags = ("--max-client-requests-per-second", "1", "--trusted-proxy", "127.0.0.0/8")
    with Folder() as folder, Node(folder, *flags) as node:
        def ask(client, number):
            return node.send("eth_sendBundle", {"txs": RAW[:1], "minTimestamp": number}, USER,
                             **{"X-Forwarded-For": client})[0]
        assert 429 in [ask(f"2001:db8::{n:x}", n) for n in range(1, 9)]
        assert [ask(f"2001:db8:0:{n:x}::1", n) for n in range(11, 19)] == [200] * 8


@case
def the_builder_tells_what_senders_are_worth():
    """What the statistics listener takes lowers a spammer's score, and so raises his priority."""
    with Folder() as folder:
        port = harness.free_port()
        with Node(folder, "--builder-listen-addr", f"127.0.0.1:{port}") as node:
            spam = lambda n: node.send("eth_sendBundle", {"txs": ["0x01"], "minTimestamp": n}, USER)
            for n in range(20):
                assert spam(n)[0] == 400
            bundle = lambda n: node.send("eth_sendBundle", {"txs": RAW[:2], "minTimestamp": n}, USER)
            assert bundle(1)[0] == 200
            wait_until(lambda: len(node.builder.requests) == 1)
            assert node.builder.requests[0][0]["x-buildernet-priority"] == "low"
            worth = {text_address(USER): {"passed_tob_simulation_total": 500,
                                          "included_in_the_block_total": 0,
                                          "max_block_contribution_pct": 1.5}}
            status, _, _ = harness.request(port, "POST", "/", json.dumps(worth), tls=False)
            assert status == 200
            assert bundle(2)[0] == 200
            wait_until(lambda: len(node.builder.requests) == 2)
            assert node.builder.requests[1][0]["x-buildernet-priority"] == "medium"
            tell = lambda told: harness.request(port, "POST", "/", json.dumps(told), tls=False)
            assert tell([1])[0] == 400
            # One mistake and nothing of it counts; what is said names it.
            for wrong in (1, [], {"included_in_the_block_total": "5"},
                          {"included_in_the_block_total": -1},
                          {"passed_tob_simulation_total": 1.5},
                          {"max_block_contribution_pct": True},
                          {"max_block_contribution_pct": -1}):
                status, _, text = tell({text_address(PEER): wrong})
                assert status == 400 and text_address(PEER).encode() in text, (wrong, text)
            # What is left out, is null or is not known is no mistake.
            assert tell({text_address(PEER): {"included_in_the_block_total": None, "x": "y"},
                         "someone": {}})[0] == 200


harness.main()
