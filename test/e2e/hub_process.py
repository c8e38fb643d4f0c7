"""A hub of the end-to-end tests: started, spoken to as operator and as node; and a Vault and a
PostgreSQL for it."""
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from harness import PROGRAM, Process, Skip, free_port, is_listening, run, wait_until


class Hub:
    """A running hub on SQLite, and its operator."""

    def __init__(self, *flags, env=None, open_admin=True, secrets=True):
        self.flags, self.env = list(flags), dict(os.environ, **(env or {}))
        self.tells = {}  # environment of the operator's commands
        if open_admin:
            self.flags.append("--disable-admin-auth")
        self.secrets = secrets
        self.scratch = tempfile.TemporaryDirectory(prefix="buildernet-e2e-")
        self.folder = pathlib.Path(self.scratch.name)
        self.admin, self.public, self.internal = free_port(), free_port(), free_port()
        (self.folder / "key").write_text("5a" * 32)
        (self.folder / "key").chmod(0o600)

    def start(self, wait=True):
        """Starts it (again)."""
        self.log = open(self.folder / "log", "ab")
        key = ["--secrets-key", f"file:{self.folder / 'key'}"] if self.secrets else []
        self.process = subprocess.Popen(
            [PROGRAM, "hub", "--listen-addr", f"127.0.0.1:{self.public}", "--admin-addr",
             f"127.0.0.1:{self.admin}", "--internal-addr", f"127.0.0.1:{self.internal}",
             "--metrics-addr", "", "--database", self.folder / "hub.db", *key, *self.flags],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 20
        while wait and not is_listening(self.admin):
            assert time.monotonic() < end and self.process.poll() is None, self.said()
            time.sleep(0.05)
        return self

    def __enter__(self):
        return self.start()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def __exit__(self, *_):
        self.stop()
        self.scratch.cleanup()

    def reload(self):
        """SIGHUP; gives what the log says of it."""
        before = len(self.said())
        self.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: next((line for line in self.said()[before:].splitlines()
                                        if "configuration_reloaded" in line or
                                        "reload_refused" in line), None), 20, self.said)

    def said(self):
        return (self.folder / "log").read_text()

    def run(self, *words, text=""):
        env = dict(os.environ, **{"HUB_ADMIN_URL": f"http://127.0.0.1:{self.admin}", **self.tells})
        return subprocess.run([PROGRAM, "hub", *map(str, words)], env=env, input=text,
                              capture_output=True, text=True, timeout=60, check=False)

    def good(self, *words, text=""):
        r = self.run(*words, text=text)
        assert r.returncode == 0, (words, r.returncode, r.stdout[-2000:], r.stderr)
        return r.stdout

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name


FLEET = """
measurements:
  - measurement_id: image-1
    attestation_type: dcap-tdx
    measurements: {"0": {expected: "%s"}}
builders:
  - {name: node-1, ip_address: 10.0.0.1, network: production, configuration: *no}
""" % ("11" * 48)


def ask(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=b"{}" if method in ("POST", "PUT") else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Postgres:
    """A database server of the test's own, on a Unix socket, or a skip."""

    def __init__(self, folder, name, copy=None):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            raise Skip("no PostgreSQL server is installed")
        self.tools, self.data = found[-1].parent, folder / name
        self.log = folder / f"{name}.log"
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        os.chmod(folder, 0o755)
        if copy:
            r = run("cp", "-a", copy.data, self.data)
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        else:
            self.data.mkdir()
            if self.user:
                shutil.chown(self.data, "postgres")
            r = run(*self.user, self.tools / "initdb", "-D", self.data, "-A", "trust", "-U", "hub",
                    "--no-sync", cwd="/")
        if r.returncode:
            raise Skip("no database: " + r.stderr.strip()[-200:])

    def start(self):
        before = self.log.read_text().count("ready to accept") if self.log.exists() else 0
        self.process = Process(*self.user, self.tools / "postgres", "-D", self.data, "-k", self.data,
                               "-c", "listen_addresses=", cwd="/", log=self.log)
        wait_until(lambda: self.log.read_text().count("ready to accept") > before, 30,
                   "PostgreSQL does not start")
        return self

    def kill(self):
        """As a crash: no last word to anybody."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        self.process.wait(20)
        time.sleep(0.3)  # its children notice

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.running():
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGQUIT)
        self.process.__exit__()


class Vault(http.server.ThreadingHTTPServer):
    """Enough of Vault: KV version 2, logins with a JWT, tokens that end and can be renewed."""

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), VaultRequest)
        self.secrets, self.tokens, self.logins, self.renewals, self.lease = {}, {"root"}, 0, 0, 3600
        self.delay = self.renewal_delay = 0  # seconds before a secret, a renewal
        self.stops = None  # "before" or "after" a change it answers no more, until `go`
        self.reached, self.go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.go.set()
        self.shutdown()
        self.server_close()

    def change(self, act):
        """Makes a change, unless it is to stop before."""
        stops = self.stops
        if stops != "before":
            act()
        if stops:
            self.reached.set()
            self.go.wait(60)


class VaultRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def auth(self, token):
        return {"auth": {"client_token": token, "lease_duration": self.server.lease,
                         "renewable": True}}

    def do_PUT(self):
        v = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/auth/kubernetes/login":
            if body != {"role": "hub", "jwt": "the.jwt"}:
                return self.answer(403, {"errors": ["permission denied"]})
            v.logins += 1
            v.tokens.add(f"token-{v.logins}")
            return self.answer(200, self.auth(f"token-{v.logins}"))
        if self.headers["X-Vault-Token"] not in v.tokens:
            return self.answer(403, {"errors": ["permission denied"]})
        if self.path == "/v1/auth/token/renew-self":
            v.renewals += 1
            time.sleep(v.renewal_delay)
            return self.answer(200, self.auth(self.headers["X-Vault-Token"]))
        time.sleep(v.delay)
        v.change(lambda: v.secrets.update({self.path: body["data"]}))
        return self.answer(200, {"data": {"version": 1}})

    def do_DELETE(self):
        v = self.server
        if self.headers["X-Vault-Token"] not in v.tokens:
            return self.answer(403, {"errors": ["permission denied"]})
        if "/metadata/" not in self.path:  # of /data/ only the newest version is hidden
            return self.answer(405, {"errors": ["unsupported here"]})
        v.change(lambda: v.secrets.pop(self.path.replace("/metadata/", "/data/"), None))
        return self.answer(204)

    def do_GET(self):
        v = self.server
        if self.headers["X-Vault-Token"] not in v.tokens:
            return self.answer(403, {"errors": ["permission denied"]})
        time.sleep(v.delay)
        if self.path not in v.secrets:
            return self.answer(404, {"errors": []})
        return self.answer(200, {"data": {"data": v.secrets[self.path], "metadata": {}}})


def node_document(hub, path="/api/l1-builder/v1/configuration", address="10.0.0.1", body=None):
    """What a node asks, as its proxy tells it: status, Retry-After, body."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.public, timeout=30)
    try:
        connection.request("POST" if body else "GET", path, body=body, headers={
            "X-Flashbots-Attestation-Type": "dcap-tdx", "X-Forwarded-For": address,
            "X-Flashbots-Measurement": json.dumps({"0": "11" * 48})})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read().decode()
    finally:
        connection.close()
