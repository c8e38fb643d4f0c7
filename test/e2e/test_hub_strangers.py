"""Requests as strangers make them: bodies, parameters and paths of every kind, to every listener, on
SQLite and on PostgreSQL. Nothing is answered 5xx, both databases answer the same, and a name that was
taken is given back as it was."""
import contextlib
import json
import socket
import urllib.parse

from harness import Folder, case, main
from hub_process import FLEET, Hub, Postgres, node_document

NAMES = [
    "a/b", "%", "_", "a%b", "a_b", "' OR 1=1 --", "\";DROP TABLE builders;--", "ü", "u\u0308", "名前",
    "\U0001f600", " ", " lead", "trail ", ".", "..", "a\\b", "a\nb", "a\tb", "a\u007fb", "\u202eabc",
    "a?b", "a#b", "a&b=c", "a+b", "%2F", "%00", "$1", "{name}", "x" * 255, "ü" * 127, "NULL", "0",
    "true", "[]", "\ufeffa", "\ufffd", "<script>alert(1)</script>", "A", "a",
]
BAD_NAMES = ["", "x" * 256, "a\0b", "x" * 70000]
BODIES = [
    b"", b" ", b"{", b"}", b"null", b"[]", b"{}", b"0", b"\"\"", b"true", b"{}{}", b"\xff\xfe", b"\0",
    b"{\"a\":\xff}", b"{\"a\":\"\\ud800\"}", b"{\"a\":\"\\u0000\"}", b"[" * 100000, b"{\"a\":" * 50000,
    b"{\"a\":1,\"a\":2}", b"{\"\":{}}", b"1e999999999", b"-", b"1" * 100000,
    b"{\"name\":null,\"ip_address\":null,\"network\":null}", b"{\"name\":1}", b"{\"enabled\":null}",
    b"{\"enabled\":\"true\"}", b"{\"enabled\":1}", b"{\"ENABLED\":false,\"enabled\":{}}",
    b"{\"measurement_id\":[],\"attestation_type\":{},\"measurements\":1}",
    b"{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"0\":null}}",
    b"{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"0\":{\"expected\":{}}}}",
    b"{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"0\":{\"expected_any\":[1]}}}",
    b"{\"name\":\"n\",\"ip_address\":\"1.2.3.4/8\",\"network\":\"x\"}",
    b"{\"name\":\"n\",\"ip_address\":\"999.1.1.1\",\"network\":\"x\"}",
    b"{\"name\":\"n\",\"ip_address\":\"::1%lo\",\"network\":\"x\"}",
    b"{\"name\":\"n\",\"ip_address\":\"01.2.3.4\",\"network\":\"x\"}",
    b"{\"tls_cert\":{}}", b"{\"ecdsa_pubkey_address\":\"0x\"}", b"{\"tls_cert\":\"a\\u0000b\"}",
    b"{\"region\":\"a\\u0000\",\"tls_cert\":\"x\"}", b"{\"builders\":{}}", b"{\"builders\":[null]}",
    b"{\"builders\":[{}]}", b"{\"measurements\":[[]]}", b"{\"unlisted\":\"all\"}", b"{\"dry_run\":\"yes\"}",
    b"{\"expect\":\"" + b"a" * 70000 + b"\"}", b"{\"k\":\"" + b"v" * 900000 + b"\"}",
    b"{\"deep\":" + b"[" * 60 + b"]" * 60 + b"}", b"{\"n\":1e400}", b"{\"n\":123456789012345678901234567890}",
    b"{\"n\":-0}", b"{\"\xc3\xbc\":\"\xf0\x9f\x98\x80\"}",
]
ADMIN = [
    ("POST", "/api/admin/v1/measurements"), ("POST", "/api/admin/v1/measurements/activation/{}"),
    ("POST", "/api/admin/v1/builders"), ("POST", "/api/admin/v1/builders/activation/{}"),
    ("POST", "/api/admin/v1/builders/configuration/{}"), ("POST", "/api/admin/v1/builders/secrets/{}"),
    ("GET", "/api/admin/v1/builders/configuration/{}/active"),
    ("GET", "/api/admin/v1/builders/configuration/{}/full"),
    ("DELETE", "/api/admin/v2/measurements/{}"), ("POST", "/api/admin/v2/match"),
    ("PUT", "/api/admin/v2/builders/{}"), ("DELETE", "/api/admin/v2/builders/{}"),
    ("GET", "/api/admin/v2/builders/{}/configurations"),
    ("GET", "/api/admin/v2/builders/n/configurations/{}"),
    ("POST", "/api/admin/v2/builders/n/configurations/{}"),
    ("GET", "/api/admin/v2/builders/{}/credentials"), ("POST", "/api/admin/v2/apply"),
]
INTERNAL = [("GET", "/api/internal/l1-builder/v2/network/{}/builders")]
PUBLIC = INTERNAL + [("POST", "/api/l1-builder/v1/register_credentials/{}")]
PATHS = [
    "/", "//", "/%", "/%2", "/%zz", "/%2e%2e/", "/api/admin/v2/builders/", "/api/admin/v2/builders//",
    "/api/admin/v2/builders/%2f", "/api/admin/v2//builders", "/API/ADMIN/v2/builders",
    "/api/admin/v2/builders/..", "/api/admin/v2/builders?x=" + "y" * 6000, "/api/admin/v2/builders?%00",
    "/api/admin/v2/events?limit=-1", "/api/admin/v2/events?limit=99999999999999999999",
    "/api/admin/v2/events?limit=abc", "/api/admin/v2/changes?limit=", "/api/admin/v2/changes?limit=%27",
    "/api/admin/v2/builders/\xff", "/ui?x=<script>", "/ui/../", "/openapi.json?", "/livez/", "*",
]


def said(port, method, target, body=b"", headers=()):
    """Status and body of one request, whatever its bytes are."""
    lines = [f"{method} ".encode() + target.encode("latin-1") + b" HTTP/1.1", b"Host: h",
             b"Connection: close", *headers]
    if body or method in ("POST", "PUT"):
        lines.append(b"Content-Length: %d" % len(body))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        with contextlib.suppress(OSError):  # it may answer and close before it has read all
            s.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        data = b""
        with contextlib.suppress(ConnectionError):
            while part := s.recv(65536):
                data += part
    head, _, text = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), (method, target[:100], body[:100], data[:100])
    return int(head.split()[1]), text


def node_headers(address):
    return (b"X-Flashbots-Attestation-Type: dcap-tdx",
            b"X-Flashbots-Measurement: " + json.dumps({"0": "11" * 48}).encode(),
            b"X-Forwarded-For: " + address.encode())


def quoted(name):
    return urllib.parse.quote(name, safe="")


def requests(hub):
    """All of them, as (port, method, target, body, headers)."""
    for port, routes in ((hub.admin, ADMIN), (hub.internal, INTERNAL), (hub.public, PUBLIC)):
        headers = node_headers("10.0.0.1") if port == hub.public else ()
        for method, path in routes:
            for body in BODIES:
                yield port, method, path.replace("{}", "node-1"), body, headers
            for name in NAMES + BAD_NAMES if "{}" in path else ():
                yield port, method, path.replace("{}", quoted(name)), b"{}", headers
        for path in PATHS:
            for method in ("GET", "POST", "DELETE", "X" * 40):
                yield port, method, path, b"{}" if method == "POST" else b"", headers


def names_come_back(hub):
    """Builders of every name: added, configured, given secrets, listed, and deleted by that name."""
    for i, name in enumerate(NAMES):
        body = json.dumps({"name": name, "ip_address": f"10.7.0.{i}", "network": name}).encode()
        for method, path, data in (
                ("POST", "/api/admin/v1/builders", body),
                ("POST", "/api/admin/v1/builders/configuration/{}", b"{\"a\": 1}"),
                ("POST", "/api/admin/v1/builders/secrets/{}", json.dumps({"s": name}).encode()),
                ("POST", "/api/admin/v1/builders/activation/{}", b"{\"enabled\":true}")):
            got = said(hub.admin, method, path.replace("{}", quoted(name)), data)
            assert got[0] == 200, (name, path, got)
        status, _, text = node_document(hub, address=f"10.7.0.{i}")
        assert status == 200 and json.loads(text) == {"s": name}, (name, status, text)
        status, text = said(hub.internal, "GET",
                            f"/api/internal/l1-builder/v2/network/{quoted(name)}/builders")
        assert status == 200 and [b["name"] for b in json.loads(text)] == [name], (name, text)
    rows = json.loads(said(hub.admin, "GET", "/api/admin/v2/builders")[1])
    assert sorted(NAMES) == sorted(r["name"] for r in rows if r["name"] in NAMES)
    page = said(hub.internal, "GET", "/ui")[1]
    assert b"<script>" not in page
    for left, name in reversed(list(enumerate(NAMES))):
        got = said(hub.admin, "DELETE", f"/api/admin/v2/builders/{quoted(name)}")
        assert got[0] == 200, (name, got)
        rows = json.loads(said(hub.admin, "GET", "/api/admin/v2/builders")[1])
        assert {r["name"] for r in rows if r["name"] in NAMES} == set(NAMES[:left]), name


@case
def strangers_get_the_same_answers_from_both_databases():
    with Folder() as folder, Postgres(folder, "pg") as database:
        with Hub("--required-services", "") as lite, Hub(
                "--required-services", "", "--postgres-dsn",
                f"host={database.data} user=hub dbname=postgres") as full:
            for hub in (lite, full):
                hub.good("apply", hub.write("fleet.yaml", FLEET.replace("*no", "{}")), "--yes")
                names_come_back(hub)
            wrong = []
            for one, other in zip(requests(lite), requests(full)):
                a, b = said(*one), said(*other)
                if a[0] != b[0] or a[0] >= 500:
                    wrong.append((a[0], b[0], one[1], one[2][:80], one[3][:80], a[1][:90], b[1][:90]))
            assert not wrong, "\n".join(map(str, wrong))
            for hub in (lite, full):
                assert hub.process.poll() is None
                assert said(hub.public, "GET", "/livez")[0] == 200


main()
