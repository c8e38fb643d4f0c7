#!/usr/bin/env python3
"""The attested proxy, the collateral service and the quote service over real sockets, with
simulated platforms: who is let in, who is not and why, and what the service behind is told."""
import base64
import hashlib
import json
import pathlib
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time

from attested import GOOD, OTHER, Service, World, each_form, get, metric, policy, simulate
from harness import (BUILD, PROGRAM, Folder, Process, case, free_port, is_listening, main, need,
                     pass_on, read_exactly, request, run, wait_until)


@each_form
def two_proxies_attest_each_other(world, service):
    """Both sides learn what the other measured; forged and foreign headers never pass."""
    with world.server(service) as server, world.client(server) as client:
        status, headers, body = get(client.port, "/x", {
            "X-Flashbots-Measurement": "forged", "X-Flashbots-Attestation-Type": "azure-tdx",
            "X_Flashbots_Measurement": "forged", "X-Forwarded-For": "9.9.9.9"})
        assert status == 200, body
        seen = json.loads(body)
        for told in (headers, seen):
            assert told["x-flashbots-attestation-type"] in ("dcap-tdx", "qemu-tdx"), told
            assert json.loads(told["x-flashbots-measurement"])["0"] == GOOD, told
            assert "not Intel" in told["x-buildernet-attestation-root"], told
        assert seen["x-forwarded-for"] == "127.0.0.1", seen
        assert not [k for k in seen if "_" in k], seen
        for _ in range(20):
            assert get(client.port)[0] == 200
        assert metric(server, "attested_verdicts_total", '{verdict="accepted"}') <= 2
        big = secrets.token_bytes(3 << 20)
        assert get(client.port, data=big)[2] == big


@each_form
def unattested_configurations_must_say_so(world, service):
    """Without a policy a server starts only with --allow-unattested, and warns."""
    p = run(PROGRAM, "attested-proxy", "server", "--target-addr", f"127.0.0.1:{service.port}",
            *world.flags("server", judge=False))
    assert p.returncode != 0 and "--allow-unattested" in p.stderr, p.stderr
    with world.server(service, "--allow-unattested", judge=False) as server:
        assert "nothing about the peer is verified" in server.logged()
        with world.client(server, own=False) as client:
            status, headers, body = get(client.port, "/", {"X-Flashbots-Measurement": "forged"})
            assert status == 200 and "x-flashbots-measurement" in headers
            assert "x-flashbots-measurement" not in json.loads(body)


def refused(world, service, verdict, text, server=None, client=None):
    """The server refuses the client: 502 for the caller, the reason in the log and the metric."""
    with world.server(service, **(server or {})) as s:
        with world.client(s, **(client or {})) as c:
            assert get(c.port)[0] in (502, 503, 504)
            wait_until(lambda: f"verdict={verdict}" in s.logged(), 10, s.logged())
            assert re.search(text, s.logged()), s.logged()
            assert metric(s, "attested_verdicts_total", f'{{verdict="{verdict}"}}') >= 1
            assert metric(s, "attested_verdicts_total", '{verdict="accepted"}') == 0


@each_form
def a_wrong_measurement_is_refused(world, service):
    """A policy names MRTD; another one is shown beside what was expected."""
    refused(world, service, "policy", r"expected .*1111.*found .*2222", client={"mrtd": OTHER})


@case
def image_hashes_hold_on_the_shapes_that_the_policy_lists():
    """Portable measurements: image hashes and the shapes of machines they may run on, in a
    session; the log names the shape, and one that is not listed is refused."""
    hashes = {name: f"{i + 1:02x}" * 48 for i, name in enumerate(
        ("uki_authenticode", "kernel_authenticode", "cmdline_hash", "initrd_hash",
         "gpt_disk_guid_hash"))}

    def register(*events):
        value = bytes(48)
        for e in events:
            digest = bytes.fromhex(hashes[e]) if e in hashes else hashlib.sha384(e).digest()
            value = hashlib.sha384(value + digest).digest()
        return value.hex()

    rtmr1 = register(b"Calling EFI Application from Boot Option", bytes(4), "gpt_disk_guid_hash",
                     "uki_authenticode", "kernel_authenticode", b"Exit Boot Services Invocation",
                     b"Exit Boot Services Returned with Success")
    rtmr2 = register("cmdline_hash", "initrd_hash")
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        world.policy.write_text(json.dumps({
            "accept": [{"measurement_id": "release", "attestation_type": "gcp-tdx",
                        "dcap_image_hashes": hashes}],
            "platforms": [{"name": "small", "mrtd": GOOD, "rtmr0": GOOD},
                          {"name": "large", "mrtd": GOOD, "rtmr0": OTHER}]}))
        with world.server(service, own=False) as server:
            for rtmr0, status in ((OTHER, 200), ("33" * 48, 502)):
                fields = f"mrtd={GOOD},rtmr0={rtmr0},rtmr1={rtmr1},rtmr2={rtmr2}"
                with world.start("client", server.port, "--protocol", "ratls",
                                 "--allow-self-signed", "--allow-unattested",
                                 "--client-attestation-type", "gcp-tdx", "--quote-source",
                                 f"simulator:{world.platform}", "--simulated-fields",
                                 fields) as client:
                    answer = get(client.port)
                    assert answer[0] == status, server.logged()
            told = server.logged()
            assert "policy_entry=release platform=large" in told, told
            assert "1 (memory size" in told and "verdict=policy" in told, told


@each_form
def a_debug_td_is_refused(world, service):
    """Debug TDs pass no policy that does not ask for them."""
    refused(world, service, "policy", "debug|td_attributes",
            client={"fields": ("tdattr=0100001000000000",)})


@each_form
def no_evidence_is_refused(world, service):
    """A client without evidence stays outside of a server that judges."""
    with world.server(service) as s, world.client(s, own=False) as c:
        assert get(c.port)[0] in (502, 503, 504)
        wait_until(lambda: "verdict=no_evidence" in s.logged(), 10, s.logged())
        assert metric(s, "attested_verdicts_total", '{verdict="no_evidence"}') >= 1
        assert metric(s, "attested_verdicts_total", '{verdict="accepted"}') == 0


@each_form
def another_platforms_root_is_refused(world, service):
    """A simulated platform of other keys is as foreign as any."""
    stranger = world.folder / "stranger"
    simulate(stranger)
    refused(world, service, "not_valid", "UNTRUSTED|untrusted|root|INVALID|chain",
            client={"platform": stranger})


@each_form
def unknown_platforms_are_refused_without_a_network(world, service):
    """No collateral here: refused at once, nothing is fetched in the handshake."""
    stranger = world.folder / "stranger"
    simulate(stranger, "--fmspc", "00906ed50000")
    refused(world, service, "no_collateral", "no collateral", client={"platform": stranger})


@each_form
def expired_collateral_is_refused(world, service):
    """Collateral of last year proves nothing today."""
    old = world.folder / "old"
    shutil.copytree(world.platform, old)
    simulate(old, "--time", "2024-01-01T00:00:00Z")
    refused(world, service, "collateral_expired", "EXPIRED|expired",
            server={"collateral": old / "collateral"})


@each_form
def a_revoked_platform_is_refused(world, service):
    """A PCK certificate on the revocation list ends it, whatever else is in order."""
    simulate(world.platform, "--revoke-pck")
    with world.server(service) as s, world.client(s) as c:
        assert get(c.port)[0] in (502, 503, 504)
        wait_until(lambda: "verdict=revoked" in c.logged(), 10, c.logged())
        assert metric(c, "attested_verdicts_total", '{verdict="accepted"}') == 0


@each_form
def a_reload_ends_sessions_that_are_no_longer_good(world, service):
    """A new policy is applied to running sessions; a broken one changes nothing."""
    with world.server(service) as s, world.client(s, judge=True) as c:
        assert get(c.port)[0] == 200
        strict = policy(world.folder / "strict.json", OTHER).read_text()
        good = world.policy.read_text()
        world.policy.write_text("{ broken")
        s.signal(1)
        wait_until(lambda: "service_reload_refused" in s.logged())
        assert get(c.port)[0] == 200
        world.policy.write_text(strict)
        s.signal(1)
        wait_until(lambda: "judged again" in s.logged(), 10, s.logged())
        assert get(c.port)[0] in (403, 502, 503, 504)
        world.policy.write_text(good)
        s.signal(1)
        wait_until(lambda: s.logged().count("event=service_reloaded") >= 2)
        wait_until(lambda: get(c.port)[0] == 200)
        assert s.logged().count('event=configuration_reloaded changes=""') == 2, s.logged()
        c.signal(15)
        s.signal(15)
        assert s.wait() == 0 and c.wait() == 0, s.logged()


@each_form
def sessions_are_attested_anew(world, service):
    """A session past its age ends in order, without a failed request."""
    with world.server(service, "--reattest-after", "1s") as s, world.client(s) as c:
        end = time.monotonic() + 6
        while time.monotonic() < end:
            assert get(c.port)[0] == 200
            time.sleep(0.02)
        assert metric(s, "attested_verdicts_total", '{verdict="accepted"}') >= 2


class Relay:
    """A man in the middle who ends TLS on both sides with a certificate of his own, and passes the
    evidence messages on as they come."""

    def __init__(self, folder, target):
        self.target, self.log = target, []
        openssl = need("openssl")
        run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=relay", "-keyout", folder / "k.pem", "-out", folder / "c.pem")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "c.pem", folder / "k.pem")
        self.context.set_alpn_protocols(["flashbots-ratls/1+http/1.1"])
        self.outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.outer.check_hostname, self.outer.verify_mode = False, ssl.CERT_NONE
        self.outer.set_alpn_protocols(["flashbots-ratls/1+http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                near = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
                far = self.outer.wrap_socket(socket.create_connection(("127.0.0.1", self.target)))
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=pass_on, args=(a, b), daemon=True).start()
            except OSError:
                return


@case
def a_relayed_session_is_refused():
    """Evidence passed on through another's TLS session does not fit: exporter and key differ."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        with world.server(service) as s:
            relay = Relay(folder, s.port)
            with world.client(relay) as c:
                assert get(c.port)[0] in (502, 503, 504)
                wait_until(lambda: "verdict=not_bound" in c.logged(), 10, c.logged())
            relay.listener.close()


def frame(message_type, evidence):
    def compact(data):
        n = len(data)
        head = (bytes([n << 2]) if n < 64 else (n << 2 | 1).to_bytes(2, "little") if n < 1 << 14
                else (n << 2 | 2).to_bytes(4, "little"))
        return head + data
    body = compact(message_type.encode()) + compact(evidence)
    return len(body).to_bytes(4, "big") + body


def take_frame(s):
    return read_exactly(s, int.from_bytes(read_exactly(s, 4), "big"))


def exporter_peer(port, alpn="flashbots-ratls/1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))


def is_closed(s):
    try:
        s.settimeout(10)
        return s.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


@case
def replayed_and_broken_messages_are_refused():
    """The exporter form by an independent peer: replay, lengths, types, other protocols."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        with world.server(service) as server:
            with exporter_peer(server.port) as s:
                evidence = take_frame(s)  # the server's own, reflected and replayed below
                quote = evidence[evidence.index(b"dcap-tdx") + 8 + 2:]
                s.sendall(len(evidence).to_bytes(4, "big") + evidence)
                assert is_closed(s)
            with exporter_peer(server.port) as s:
                take_frame(s)
                s.sendall(frame("dcap-tdx", quote))
                assert is_closed(s)
            assert "verdict=not_bound" in server.logged(), server.logged()
            for broken in (b"\xff\xff\xff\xff", frame("sgx", quote), frame("none", b"x"),
                           frame("none", b""), b"\0\0\0\1\0", frame("dcap-tdx", quote[:-900])):
                with exporter_peer(server.port) as s:
                    take_frame(s)
                    s.sendall(broken)
                    assert is_closed(s), broken[:8]
            with exporter_peer(server.port, None) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert is_closed(s)
            assert metric(server, "attested_verdicts_total", '{verdict="accepted"}') == 0


@case
def openssl_is_a_peer_of_the_certificate_form():
    """openssl s_client sends a nonce as server name; the certificate carries evidence over it."""
    openssl = need("openssl")
    with Folder() as folder, Service() as service:
        world = World(folder, "atls")
        with world.server(service, "--allow-unattested", judge=False) as server:
            seen = []
            for _ in range(2):
                nonce = base64.b64encode(secrets.token_bytes(32)).decode()
                p = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{server.port}",
                                    "-servername", nonce, "-showcerts"], input=b"",
                                   capture_output=True, timeout=20, check=False)
                pem = re.search(rb"-----BEGIN CERT.*?-----END CERTIFICATE-----\n", p.stdout, re.S)
                (folder / "peer.pem").write_bytes(pem.group(0))
                text = run(openssl, "x509", "-in", folder / "peer.pem", "-noout", "-text").stdout
                assert "CN = Constellation" in text and "1.3.9900.5.99" in text, text
                seen.append(pem.group(0))
            assert seen[0] != seen[1]
        with world.server(service) as server:  # judges: a client without evidence stays outside
            p = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{server.port}",
                                "-servername", base64.b64encode(b"n" * 32).decode(), "-ign_eof"],
                               input=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", capture_output=True,
                               timeout=20, check=False)
            assert b"HTTP/1.1 200" not in p.stdout
            names = p.stdout.decode(errors="replace")
            assert re.search(r'CN ?= ?"?[A-Za-z0-9+/]{43}=', names), names


@case
def certificates_are_delivered_after_attestation():
    """get-tls-cert prints the certificate of a server whose evidence is good, and only then."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        flags = ["--allow-self-signed", *world.flags("client")]
        with world.server(service, "--tls-hosts", "127.0.0.1") as server:
            ask = (PROGRAM, "attested-proxy", "get-tls-cert", "--target-addr",
                   f"127.0.0.1:{server.port}", *flags)
            p = run(*ask)
            assert p.returncode == 0 and p.stdout.startswith("-----BEGIN CERTIFICATE"), p.stderr
            (folder / "delivered.pem").write_text(p.stdout)
            with world.start("client", server.port,  # trusts it from now on
                             "--tls-ca-certificate", folder / "delivered.pem",
                             *world.flags("client", judge=False)) as client:
                assert get(client.port)[0] == 200, client.logged()
        with world.server(service, mrtd=OTHER) as server:
            p = run(PROGRAM, "attested-proxy", "get-tls-cert", "--target-addr",
                    f"127.0.0.1:{server.port}", *flags)
            assert p.returncode != 0 and not p.stdout, p.stdout


def certificate(folder, name="server"):
    """A self-signed certificate of 127.0.0.1 and its key; gives their paths."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    p = run(need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
    assert p.returncode == 0, p.stderr
    return cert, key


@each_form
def a_certificate_may_speak_for_the_server(world, service):
    """The server shows an ordinary certificate, which the client checks; the client attests
    itself, and the server judges it. Another certificate is refused, and so is no evidence."""
    cert, key = certificate(world.folder)
    other, _ = certificate(world.folder, "other")
    own = ("--tls-certificate-path", cert, "--tls-private-key-path", key)
    check = ("--verify-tls",) if world.form == "atls" else ()
    with world.server(service, *own, own=False) as server:
        def ask(ca, *more, **how):
            return world.start("client", server.port, *check, "--tls-ca-certificate", ca, *more,
                               *world.flags("client", judge=False, **how))
        with ask(cert) as client:
            status, headers, body = get(client.port)
            assert status == 200, server.logged() + client.logged()
            assert json.loads(json.loads(body)["x-flashbots-measurement"])["0"] == GOOD
            assert "x-flashbots-measurement" not in headers
            assert "no evidence" in client.logged(), client.logged()
        with ask(other) as client:
            assert get(client.port)[0] in (502, 503, 504)
        with ask(cert, own=False) as client:
            assert get(client.port)[0] in (502, 503, 504)
            wait_until(lambda: "verdict=no_evidence" in server.logged(), 10, server.logged())


@case
def a_server_attests_or_shows_a_certificate():
    """atls makes the certificates that carry evidence itself: files beside a type are an error."""
    with Folder() as folder, Service() as service:
        world = World(folder, "atls")
        cert, key = certificate(folder)
        p = run(PROGRAM, "attested-proxy", "server", "--target-addr", f"127.0.0.1:{service.port}",
                "--tls-certificate-path", cert, "--tls-private-key-path", key,
                *world.flags("server"))
        assert p.returncode != 0 and "tls-certificate-path" in p.stderr, p.stderr


@each_form
def a_peer_has_limits(world, service):
    """Connections and requests of one address are bounded, others' sessions live on."""
    limits = ("--max-connections-per-peer", "2", "--max-requests-per-peer", "2")
    with world.server(service, *limits) as server, world.client(server) as client:
        assert get(client.port)[0] == 200
        spare = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        refused_by = '{server="attested",reason="client_connections"}'
        wait_until(lambda: metric(server, "http_refused_total", refused_by) >= 3, 10)
        codes = [get(client.port)[0] for _ in range(40)]
        assert 200 in codes and 429 in codes and set(codes) == {200, 429}, codes
        for s in spare:
            s.close()
        time.sleep(1)
        assert get(client.port)[0] == 200


@case
def collateral_is_fetched_in_the_background():
    """A sealed network: the collateral service answers, the proxy fetches and then accepts."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        pccs = free_port()
        with Process(PROGRAM, "collateral", "serve", world.platform / "collateral",
                     "--listen-addr", f"127.0.0.1:{pccs}", log=folder / "pccs.log") as p:
            wait_until(lambda: is_listening(pccs), 10, p.logged())
            status, headers, body = get(pccs, "/tdx/certification/v4/tcb?fmspc=5e7000000000")
            assert status == 200 and b"tcbInfo" in body and "tcb-info-issuer-chain" in headers
            assert get(pccs, "/tdx/certification/v4/tcb?fmspc=000000000000")[0] == 404
            p.signal(1)
            wait_until(lambda: "service_reloaded" in p.logged(), 10, p.logged())
            assert get(pccs, "/sgx/certification/v4/pckcrl?ca=nobody")[0] == 400
            bytes.fromhex(get(pccs, "/sgx/certification/v4/rootcacrl")[2].decode())
            assert json.loads(get(pccs, "/sgx/certification/v4/fmspcs")[2])[0]["fmspc"]
            p = run(PROGRAM, "attest", "fetch-collateral", folder / "fetched", "--pccs-url",
                    f"http://127.0.0.1:{pccs}", "--fmspc", "5e7000000000")
            assert p.returncode == 0, p.stderr
            (folder / "cache").mkdir()
            flags = ["--protocol", "ratls", "--measurements-file", world.policy, "--root",
                     world.platform / "root.pem", "--pccs-url", f"http://127.0.0.1:{pccs}",
                     "--collateral-cache", folder / "cache"]
            with world.start("server", service.port, *flags) as server:
                with world.client(server, "--allow-unattested",
                                  judge=False) as client:
                    wait_until(lambda: get(client.port)[0] == 200, 20, server.logged())


@case
def the_quote_service_asks_for_a_token():
    """Quotes for those who show the token, at a limited rate; a proxy attests with them."""
    with Folder() as folder, Service() as service:
        world = World(folder, "ratls")
        port, data = free_port(), "ab" * 64
        (folder / "token").write_text("sesame")
        (folder / "token").chmod(0o600)
        with Process(PROGRAM, "quote-service", "--listen-addr", f"127.0.0.1:{port}", "--token",
                     f"file:{folder / 'token'}", "--quote-source",
                     f"simulator:{world.platform}", "--simulated-fields", f"mrtd={GOOD}",
                     log=folder / "quotes.log") as p:
            wait_until(lambda: is_listening(port), 10, p.logged())
            assert get(port, f"/attest/{data}")[0] == 401
            assert get(port, f"/attest/{data}", {"Authorization": "Bearer wrong"})[0] == 401
            good = {"Authorization": "Bearer sesame"}
            assert get(port, "/attest/abcd", good)[0] == 400
            status, _, body = get(port, f"/attest/{data}", good)
            assert status == 200 and bytes.fromhex(data) in body
            flags = ["--protocol", "ratls", "--client-attestation-type", "dcap-tdx",
                     "--quote-source", f"http://127.0.0.1:{port}", "--quote-token",
                     f"file:{folder / 'token'}"]
            with world.server(service) as s, world.start(
                    "client", s.port, "--allow-self-signed", "--allow-unattested",
                    *flags) as c:
                assert get(c.port)[0] == 200, s.logged()
            codes = [get(port, f"/attest/{data}", good)[0] for _ in range(80)]
            assert 429 in codes or 503 in codes, set(codes)


@case
def the_services_speak_tls():
    """With a certificate both services are reached by https only; half a certificate is an error."""
    openssl = need("openssl")
    with Folder() as folder:
        simulate(folder / "platform")
        run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=service", "-keyout", folder / "k.pem", "-out",
            folder / "c.pem")
        for command, path, status in (
                (["collateral", "serve", folder / "platform/collateral"],
                 "/sgx/certification/v4/fmspcs", 200),
                (["quote-service", "--allow-anyone", "--quote-source",
                  f"simulator:{folder / 'platform'}"], f"/attest/{'00' * 64}", 200)):
            port = free_port()
            half = [PROGRAM, *command, "--listen-addr", f"127.0.0.1:{port}",
                    "--tls-certificate-path", folder / "c.pem"]
            p = run(*half)
            assert p.returncode != 0 and "without its key" in p.stderr, p.stderr
            log = folder / f"{command[0]}.log"
            with Process(*half, "--tls-private-key-path", folder / "k.pem", log=log) as service:
                wait_until(lambda: is_listening(port), 10, service.logged())
                assert request(port, "GET", path)[0] == status, service.logged()
                assert request(port, "GET", "/readyz")[0] == 200
                limits = pathlib.Path(f"/proc/{service.pid}/status").read_text()
                assert re.search(r"^Seccomp:\s+2$", limits, re.M), limits
                try:
                    assert get(port, path)[0] != status
                except OSError:
                    pass
                service.signal(15)
                assert service.wait() == 0, service.logged()


if __name__ == "__main__":
    assert BUILD
    main()
