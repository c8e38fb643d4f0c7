#!/usr/bin/env python3
"""Both attested protocols on the wire, against peers of another make: OpenSSL's and Python's TLS
with the messages, certificates and bindings put together here, after the protocols' description."""
import base64
import hashlib
import json
import re
import ssl
import socket
import subprocess
import threading

from attested import GOOD, OTHER, Service, World, get
from harness import BUILD, PROGRAM, Folder, accept_each, case, main, need, run, wait_until

REPORT_DATA = slice(48 + 520, 48 + 584)  # of a quote of version 4
EXPORTER = "EXPORTER-Channel-Binding"


def openssl(*arguments):
    p = subprocess.run([need("openssl"), *map(str, arguments)], capture_output=True, check=False)
    assert p.returncode == 0, p.stderr
    return p.stdout


def quote(world, report_data, mrtd=GOOD):
    out = world.folder / "own.quote"
    p = run(PROGRAM, "attest", "quote", "--source", world.platform, "--report-data",
            report_data.hex(), "--set", f"mrtd={mrtd}", "--out", out)
    assert p.returncode == 0, p.stderr
    return out.read_bytes()


def key(folder):
    """A P-256 key in a file, and its DER SubjectPublicKeyInfo."""
    path = folder / "peer.key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    return path, openssl("pkey", "-in", path, "-pubout", "-outform", "DER")


def compact(data):
    n = len(data)
    return (bytes([n << 2]) if n < 64 else (n << 2 | 1).to_bytes(2, "little")) + data


def frame(kind, evidence):
    body = compact(kind) + compact(evidence)
    return len(body).to_bytes(4, "big") + body


class ExporterPeer:
    """A client of the exporter form around `openssl s_client`, which tells the exporter's bytes."""

    def __init__(self, world, port):
        self.popen = subprocess.Popen(
            [need("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-alpn",
             "flashbots-ratls/1+http/1.1", "-keymatexport", EXPORTER, "-keymatexportlen", "32",
             "-ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.out = b""
        threading.Thread(target=self.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()

    def read(self):
        while data := self.popen.stdout.read1(65536):
            self.out += data

    def send(self, data):
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def server_frame(self):
        """The server's message, once it is whole."""
        at = self.out.find(b"\x20dcap-tdx") - 4
        if at < 0:
            return None
        n = int.from_bytes(self.out[at:at + 4], "big")
        return self.out[at:at + 4 + n] if len(self.out) >= at + 4 + n else None

    def exporter(self):
        return bytes.fromhex(re.search(rb"Keying material: ([0-9A-F]{64})", self.out)[1].decode())

    def server_point(self):
        pem = re.search(rb"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", self.out, re.S)[0]
        p = subprocess.run([need("openssl"), "x509", "-noout", "-pubkey"], input=pem,
                           capture_output=True, check=True)
        der = subprocess.run([need("openssl"), "pkey", "-pubin", "-outform", "DER"],
                             input=p.stdout, capture_output=True, check=True).stdout
        return der[-65:]


def exchange(world, server, bound, mrtd=GOOD):
    """Server's message checked, own one sent, one request; gives what came back to it."""
    with ExporterPeer(world, server.port) as peer:
        wait_until(peer.server_frame, 15, peer.out)
        got, exporter = peer.server_frame(), peer.exporter()
        evidence = got[4 + 9 + 2:]
        assert got == frame(b"dcap-tdx", evidence)
        assert evidence[REPORT_DATA] == hashlib.sha256(peer.server_point()).digest() + exporter
        own = quote(world, bound(peer, exporter), mrtd)
        peer.send(frame(b"dcap-tdx", own) + b"GET /wire HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: b"HTTP/1.1 200" in peer.out and peer.out.endswith(b"}") or
                   peer.popen.poll() is not None, 15, peer.out)
        return peer.out


@case
def a_foreign_client_of_the_exporter_form_is_served():
    """Key and exporter in both directions, as another implementation computes them: a client has no
    certificate, and zeros stand for its key."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        with world.server(service) as server:
            out = exchange(world, server, lambda peer, exporter: bytes(32) + exporter)
            seen = json.loads(out[out.rindex(b"\r\n\r\n"):])
            assert json.loads(seen["x-flashbots-measurement"])["0"] == GOOD, seen
            wrong = (("not_bound", lambda _, exporter: bytes(32) + exporter[::-1], GOOD),
                     ("not_bound", lambda peer, exporter:
                      hashlib.sha256(peer.server_point()).digest() + exporter, GOOD),
                     ("policy", lambda _, exporter: bytes(32) + exporter, OTHER))
            for i, (verdict, bound, mrtd) in enumerate(wrong, 1):
                out = exchange(world, server, bound, mrtd)
                assert b"HTTP/1.1 200" not in out, out
                refusals = re.findall(r"event=attestation_refused.*verdict=(\w+)", server.logged())
                assert len(refusals) == i and refusals[-1] == verdict, server.logged()


class CertificateServer:
    """A server of the certificate form around Python's TLS: its certificate is made when the
    client's nonce is known, by OpenSSL's command line.

    change  what the evidence is made over, from (SHA-256 of the key, nonce)."""

    def __init__(self, world, change=lambda user, nonce: (user, nonce), extensions=1):
        self.world, self.change, self.extensions = world, change, extensions
        self.path, self.spki = key(world.folder)
        self.nonces = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.sni_callback = self.choose
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=accept_each, args=(self.listener, self.serve),
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def certificate(self, nonce):
        user = hashlib.sha256(self.spki).digest()
        told, over = self.change(user, nonce)
        raw = quote(self.world, hashlib.sha256(told + over).digest() + bytes(32))
        document = json.dumps({"RawQuote": base64.b64encode(raw).decode(),
                               "UserData": base64.b64encode(told).decode()}).encode()
        lines = ["1.3.9900.5.99", "1.3.9900.4.3"][:self.extensions]
        config = self.world.folder / "certificate.cnf"
        config.write_text("[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=Constellation\n[x]\n"
                          "subjectKeyIdentifier=none\n" +
                          "".join(f"{oid}=DER:{document.hex()}\n" for oid in lines))
        pem = self.world.folder / "certificate.pem"
        openssl("req", "-x509", "-new", "-key", self.path, "-config", config, "-extensions", "x",
                "-days", "1", "-out", pem)
        return pem

    def choose(self, session, name, _):
        self.nonces.append(base64.b64decode(name, validate=True))
        fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        fresh.load_cert_chain(self.certificate(self.nonces[-1]), self.path)
        session.context = fresh

    def serve(self, s):
        try:
            with self.context.wrap_socket(s, server_side=True) as t, t.makefile("rb") as f:
                while f.readline():
                    while f.readline() not in (b"\r\n", b""):
                        pass
                    t.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:
            pass


@case
def a_foreign_server_of_the_certificate_form_is_judged():
    """Nonce in the server name, document in the extension; and one thing wrong at a time."""
    wrong = (
        ("not_bound", {"change": lambda user, nonce: (user, bytes(32))}),
        ("not_bound", {"change": lambda user, nonce: (user, b"")}),
        ("not_bound", {"change": lambda user, nonce: (hashlib.sha256(user).digest(), nonce)}),
        ("no_evidence", {"extensions": 0}),
        ("malformed", {"extensions": 2}),
    )
    with Folder() as folder:
        world = World(folder, "atls")
        with CertificateServer(world) as server, world.client(server, own=False) as client:
            status, headers, body = get(client.port)
            assert (status, body) == (200, b"ok"), client.logged()
            assert json.loads(headers["x-flashbots-measurement"])["0"] == GOOD, headers
            assert all(len(nonce) == 32 for nonce in server.nonces), server.nonces
        for verdict, how in wrong:
            with CertificateServer(world, **how) as server:
                with world.client(server, own=False) as client:
                    assert get(client.port)[0] in (502, 503, 504), verdict
                    wait_until(lambda: f"verdict={verdict}" in client.logged(), 10,
                               client.logged())
                    assert get(client.port)[0] in (502, 503, 504), verdict
                    assert len(set(server.nonces)) == len(server.nonces) > 1, server.nonces


if __name__ == "__main__":
    assert BUILD
    main()
