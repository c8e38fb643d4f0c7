"""What the tests of attested proxies share: a service behind, simulated platforms, proxies on
demand, requests through them."""
import http.server
import json
import re
import threading
import urllib.request

from harness import PROGRAM, Folder, Process, case, free_port, is_listening, run, wait_until

GOOD = "11" * 48
OTHER = "22" * 48
FORMS = ("ratls", "atls")


class Service:
    """The service behind: tells the headers it got, streams, and forges attestation headers."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()
                self.answer(body)

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Flashbots-Measurement", "forged")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def simulate(folder, *more):
    p = run(PROGRAM, "attest", "simulate", folder, *more)
    assert p.returncode == 0, p.stderr


def policy(path, mrtd=GOOD):
    path.write_text(json.dumps([{"measurement_id": "test", "attestation_type": "dcap-tdx",
                                 "measurements": {"0": {"expected": mrtd}}}]))
    return path


class World:
    """Two platforms-worth of files, a service, and proxies on demand."""

    def __init__(self, folder, form):
        self.folder, self.form = folder, form
        self.platform = folder / "platform"
        simulate(self.platform)
        self.policy = policy(folder / "policy.json")
        self.count = 0

    def flags(self, side, own=True, mrtd=GOOD, fields=(), judge=True, platform=None,
              collateral=None):
        flags = ["--protocol", self.form]
        if own:
            all_fields = ",".join([f"mrtd={mrtd}", *fields])
            flags += [f"--{side}-attestation-type", "dcap-tdx", "--quote-source",
                      f"simulator:{platform or self.platform}", "--simulated-fields", all_fields]
        if judge:
            flags += ["--measurements-file", self.policy, "--root", self.platform / "root.pem",
                      "--collateral", collateral or self.platform / "collateral"]
        return flags

    def start(self, verb, target, *flags):
        self.count += 1
        port, health = free_port(), free_port()
        p = Process(PROGRAM, "attested-proxy", verb, "--listen-addr", f"127.0.0.1:{port}",
                    "--listen-addr-healthcheck", f"127.0.0.1:{health}", "--target-addr",
                    f"127.0.0.1:{target}", *flags, log=self.folder / f"{verb}{self.count}.log")
        p.port, p.health = port, health
        try:
            wait_until(lambda: is_listening(port) or not p.running(), 15)
        except AssertionError:
            p.__exit__()
            raise
        assert p.running(), p.logged()
        return p

    def server(self, service, *flags, **how):
        return self.start("server", service.port, *self.flags("server", **how), *flags)

    def client(self, server, *flags, **how):
        return self.start("client", server.port, "--allow-self-signed",
                          *self.flags("client", **how), *flags)


def get(port, path="/", headers=None, data=None, timeout=20):
    """GET through a proxy; gives (status, headers, body)."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {},
                                     data=data)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as r:
            return r.status, {k.lower(): v for k, v in r.headers.items()}, r.read()
    except urllib.error.HTTPError as e:
        return e.code, {k.lower(): v for k, v in e.headers.items()}, e.read()


def metric(process, name, label=""):
    text = get(process.health, "/metrics")[2].decode()
    found = re.search(rf"^{name}{re.escape(label)} (\S+)$", text, re.M)
    return float(found.group(1)) if found else 0.0


def each_form(function):
    def both():
        for form in FORMS:
            with Folder() as folder, Service() as service:
                function(World(folder, form), service)
    both.__name__ = function.__name__
    both.__doc__ = function.__doc__
    return case(both)
