"""A running orderflow program and what stands around it: builder, hub, senders."""
import http.client
import http.server
import json
import signal
import socket
import struct
import threading
import time

import harness
import wallet
from harness import PROGRAM, Process, free_port, wait_until


class Server:
    """A small HTTP server in a thread; get and post answer (status, body)."""

    def __init__(self, port=0):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body=b""):
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["content-length"]))
                self.answer(*owner.post(self.path, dict(self.headers), body))

            def do_GET(self):  # pylint: disable=invalid-name
                self.answer(*owner.get(self.path))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def get(self, path):
        raise NotImplementedError

    def post(self, path, headers, body):
        raise NotImplementedError


class Builder(Server):
    """A block builder's JSON-RPC and readiness; keeps what it gets."""

    def __init__(self, port=0):
        self.requests, self.bodies, self.ready, self.status, self.delay = [], [], True, 200, 0
        self.arrived = []  # when each request came
        super().__init__(port)

    def post(self, path, headers, body):
        time.sleep(self.delay)
        if self.status == 200:
            self.arrived.append(time.monotonic())
            self.bodies.append(body.decode())
            self.requests.append((headers, json.loads(body)))
        return self.status, b'{"jsonrpc":"2.0","id":1,"result":null}'

    def get(self, path):
        return 200 if self.ready else 503, b""

    def params(self, method="eth_sendBundle"):
        return [r["params"][0] for _, r in self.requests if r["method"] == method]


class Feed:
    """A block builder's side of the order feed: takes frames, acknowledges those it is told to."""

    HELLO, WELCOME, ORDER, ACKNOWLEDGE = 1, 2, 3, 4

    def __init__(self, path):
        self.path, self.orders, self.held, self.session = path, [], 0, None
        self.silent, self.connection, self.listener = False, None, None
        self.open()

    def open(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def serve(self, listener):
        try:
            while True:
                self.connection = listener.accept()[0]
                try:
                    self.talk(self.connection.makefile("rb"))
                except OSError:
                    pass
        except OSError:
            pass  # closed

    def say(self, kind, sequence, body=b""):
        self.connection.sendall(struct.pack(">IBQ", 9 + len(body), kind, sequence) + body)

    def talk(self, stream):
        while head := stream.read(13):
            size, kind, sequence = struct.unpack(">IBQ", head)
            body = stream.read(size - 9)
            if kind == self.HELLO:
                if sequence != self.session:
                    self.session, self.held = sequence, 0
                self.say(self.WELCOME, self.held, struct.pack(">Q", sequence))
            elif kind == self.ORDER:
                self.orders.append((sequence, body))
                if not self.silent:
                    self.held = sequence
                    self.say(self.ACKNOWLEDGE, sequence)

    def close(self, forget=False):
        """The builder ends; forget: and will know nothing of before."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.connection:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
        if forget:
            self.session, self.held = None, 0


class Hub(Server):
    """A hub's list of builders and its registrations."""

    def __init__(self, port=0):
        self.builders, self.registrations, self.status = [], [], 200
        super().__init__(port)

    def post(self, path, headers, body):
        if self.status == 200:
            self.registrations.append((path, json.loads(body)))
        return self.status, b""

    def get(self, path):
        return self.status, json.dumps(self.builders).encode() if self.status == 200 else b""


class Node:
    """A running orderflow program with its builder."""

    def __init__(self, folder, *flags, builder=None, name="node"):
        self.folder, self.flags, self.name = folder, flags, name
        self.own_builder = builder is None
        self.builder = builder or Builder()
        self.user, self.system, self.metrics = free_port(), free_port(), free_port()
        self.process = None

    def start(self):
        builder = f"http://127.0.0.1:{self.builder.port}"
        self.process = Process(
            PROGRAM, "orderflow", "--builder-name", self.name,
            "--user-listen-addr", f"127.0.0.1:{self.user}",
            "--system-listen-addr", f"127.0.0.1:{self.system}",
            "--metrics-addr", f"127.0.0.1:{self.metrics}",
            *(["--builder-url", builder] if "--builder-url" not in self.flags else []),
            *(["--builder-ready-endpoint", builder]
              if "--builder-ready-endpoint" not in self.flags else []),
            *self.flags, log=self.folder / f"{self.name}.log").__enter__()
        wait_until(lambda: harness.is_listening(self.metrics), message=self.process.logged)
        return self

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        self.process.__exit__()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.process.__exit__()
        if self.own_builder:
            self.builder.close()
        if kind is None:
            assert self.process.popen.returncode == 0, self.process.logged()

    def post(self, body, headers=None, port=None, path="/"):
        if isinstance(body, str):
            body = body.encode()
        c = http.client.HTTPConnection("127.0.0.1", port or self.user, timeout=20)
        try:
            c.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
            r = c.getresponse()
            return r.status, r.read().decode(), {k.lower(): v for k, v in r.getheaders()}
        finally:
            c.close()

    def send(self, method, param, key, port=None, header="X-BuilderNet-Signature", **extra):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": [param]}).encode()
        signed = {header: wallet.request_signature(key, body), **extra}
        status, text, headers = self.post(body, signed, port)
        return status, json.loads(text), headers

    def ready(self):
        """Status and text of /readyz on the metrics listener."""
        status, _, text = harness.request(self.metrics, "GET", "/readyz", tls=False)
        return status, text.decode().strip()

    def metrics_of(self, name):
        """All series of a metric: from the text of its labels to the value."""
        _, _, text = harness.request(self.metrics, "GET", "/metrics", tls=False)
        lines = [line.rsplit(" ", 1) for line in text.decode().splitlines()]
        return {series[len(name):]: float(value) for series, value in lines
                if series.startswith((name + "{", name + " ")) or series == name}

    def metric(self, name):
        _, _, text = harness.request(self.metrics, "GET", "/metrics", tls=False)
        for line in text.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return None
