#!/usr/bin/env python3
"""What passes through two attested proxies beside plain requests: HTTP/2, WebSocket upgrades, long
streams both ways; and that none of it ends because evidence is judged again."""
import hashlib
import re
import secrets
import signal
import socket
import threading
import time

from attested import OTHER, each_form, get, metric, policy
from harness import BUILD, accept_each, main, need, run, wait_until

STREAM_BYTES = 12 << 20
TICKS = 30
TICKS_HASH = hashlib.sha256(b"".join(b"%04d\n" % i for i in range(TICKS))).hexdigest()


class Streams:
    """A service of raw sockets: /ticks sends a chunk ten times a second, /bulk a long body at once,
    /count answers the hash of what it is sent, and an upgrade becomes an echo."""

    def __enter__(self):
        self.body = secrets.token_bytes(STREAM_BYTES)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=accept_each, args=(self.listener, self.serve),
                         daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def serve(self, s):
        with s, s.makefile("rb") as f:
            try:
                while (line := f.readline()) and self.answer(s, f, line.split()[1]):
                    pass
            except OSError:
                pass

    def answer(self, s, f, path):
        fields = {}
        while (line := f.readline()) not in (b"\r\n", b""):
            name, value = line.split(b":", 1)
            fields[name.lower()] = value.strip()
        if b"upgrade" in fields:
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\n\r\n")
            while data := f.read1(65536):
                s.sendall(data)
            return False
        if path == b"/ticks":
            s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(TICKS):
                s.sendall(b"5\r\n%04d\n\r\n" % i)
                time.sleep(0.1)
            s.sendall(b"0\r\n\r\n")
            return True
        body = self.body
        if path == b"/count":
            digest, left = hashlib.sha256(), int(fields[b"content-length"])
            while left and (data := f.read1(min(left, 65536))):
                digest.update(data)
                left -= len(data)
            body = digest.hexdigest().encode()
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        s.sendall(body)
        return True


def upgrade(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        assert more, head
        head += more
    assert head.startswith(b"HTTP/1.1 101"), head
    return s


def echoes(s, data):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        more = s.recv(65536)
        if not more:
            return False
        got += more
    return got == data


@each_form
def long_bodies_pass_both_ways(world, _):
    """Megabytes down and up, byte for byte, with both sides attested."""
    with Streams() as service, world.server(service) as server, world.client(server) as client:
        assert get(client.port, "/bulk")[2] == service.body
        sent = secrets.token_bytes(STREAM_BYTES)
        assert get(client.port, "/count", data=sent)[2].decode() == hashlib.sha256(sent).hexdigest()


# Two bodies and a slow stream at once over one HTTP/2 connection; a line for each.
HTTP2_CLIENT = """
import http2 from 'node:http2'; import crypto from 'node:crypto';
const session = http2.connect(process.argv[1]);
let open = 0;
for (const path of process.argv.slice(2)) {
  const hash = crypto.createHash('sha256'), stream = session.request({':path': path});
  let head; open++;
  stream.on('response', h => head = h);
  stream.on('data', d => hash.update(d));
  stream.on('end', () => {
    console.log(path, head[':status'], hash.digest('hex'), head['x-flashbots-attestation-type']);
    if (!--open) session.close();
  });
}
"""


@each_form
def http2_passes(world, _):
    """A local program that speaks HTTP/2, with several requests at once over one connection."""
    node = need("node")
    with Streams() as service, world.server(service) as server, world.client(server) as client:
        p = run(node, "--input-type=module", "-e", HTTP2_CLIENT, f"http://127.0.0.1:{client.port}",
                "/bulk", "/ticks", "/bulk")
        bulk = hashlib.sha256(service.body).hexdigest()
        assert re.fullmatch(rf"(/bulk 200 {bulk} \S+-tdx\n){{2}}/ticks 200 {TICKS_HASH} \S+-tdx\n",
                            p.stdout), p.stdout + p.stderr


@each_form
def websockets_pass_and_outlive_their_sessions_age(world, _):
    """An upgrade becomes a tunnel; it lives on when its session is too old for new requests."""
    with Streams() as service, world.server(service, "--reattest-after", "500ms", "--judge-again",
                                            "200ms") as server:
        with world.client(server) as client, upgrade(client.port) as s:
            end = time.monotonic() + 2.5
            while time.monotonic() < end:
                assert echoes(s, secrets.token_bytes(3000))
                assert get(client.port, "/count", data=b"x")[0] == 200
                time.sleep(0.1)
            assert echoes(s, secrets.token_bytes(1 << 20))


@each_form
def streams_outlive_judgements(world, _):
    """A stream of seconds goes on while its session is judged again and again, by the clock and by
    reloads."""
    with Streams() as service, world.server(service, "--judge-again", "200ms") as server:
        with world.client(server, "--judge-again", "200ms") as client:
            result = {}
            reader = threading.Thread(target=lambda: result.update(got=get(client.port, "/ticks")))
            reader.start()
            time.sleep(0.5)
            for _ in range(3):
                server.signal(signal.SIGHUP)
                client.signal(signal.SIGHUP)
                time.sleep(0.5)
            reader.join()
            status, _, body = result["got"]
            assert status == 200 and hashlib.sha256(body).hexdigest() == TICKS_HASH, result
            for side in (server, client):
                assert metric(side, "attested_verdicts_total", '{verdict="accepted"}') >= 3
                assert side.logged().count("event=service_reloaded") == 3, side.logged()


@each_form
def a_stream_ends_when_its_session_is_no_longer_good(world, _):
    """The same stream, and a policy in the middle of it that no longer wants the peer."""
    with Streams() as service, world.server(service) as server:
        with world.client(server) as client, upgrade(client.port) as s:
            assert echoes(s, b"before")
            policy(world.policy, OTHER)
            server.signal(signal.SIGHUP)
            wait_until(lambda: "judged again" in server.logged(), 10, server.logged())
            try:
                assert not echoes(s, b"after")
            except ConnectionError:
                pass


if __name__ == "__main__":
    assert BUILD
    main()
