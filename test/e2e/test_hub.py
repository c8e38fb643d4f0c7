"""The hub's command line, for operators: one change at a time, and a fleet in a file."""
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time

from harness import PROGRAM, case, free_port, main, need


class Hub:
    """A running hub on SQLite, and its operator."""

    def __init__(self, *flags, env=None):
        self.flags, self.env = flags, dict(os.environ, **(env or {}))
        self.scratch = tempfile.TemporaryDirectory(prefix="buildernet-e2e-")
        self.folder = pathlib.Path(self.scratch.name)
        self.admin, self.public = free_port(), free_port()
        (self.folder / "key").write_text("5a" * 32)
        (self.folder / "key").chmod(0o600)

    def __enter__(self):
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [PROGRAM, "hub", "--listen-addr", f"127.0.0.1:{self.public}", "--admin-addr",
             f"127.0.0.1:{self.admin}", "--internal-addr", f"127.0.0.1:{free_port()}",
             "--metrics-addr", "", "--database", self.folder / "hub.db", "--secrets-key",
             f"file:{self.folder / 'key'}", "--disable-admin-auth", *self.flags],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 20
        while self.run("builders", "list").returncode != 0:
            assert time.monotonic() < end and self.process.poll() is None, self.said()
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        self.scratch.cleanup()

    def said(self):
        return (self.folder / "log").read_text()

    def run(self, *words, text=""):
        env = dict(os.environ, HUB_ADMIN_URL=f"http://127.0.0.1:{self.admin}")
        return subprocess.run([PROGRAM, "hub", *map(str, words)], env=env, input=text,
                              capture_output=True, text=True, timeout=60, check=False)

    def good(self, *words, text=""):
        r = self.run(*words, text=text)
        assert r.returncode == 0, r
        return r.stdout

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name


@case
def an_operator_adds_a_node_step_by_step():
    with Hub() as hub:
        hub.good("builders", "add", "node-1", "--ip", "10.0.0.1", "--network", "production",
                 "--dns", "node-1.example")
        r = hub.run("builders", "enable", "node-1")
        assert r.returncode == 1 and "active config not found" in r.stderr, r
        config = hub.write("config.toml", 'extra_data = "one"\n[builder]\nthreads = 4\n')
        hub.good("configs", "set", "node-1", config, "--author", "olga", "--reason", "first")
        hub.good("builders", "enable", "node-1")
        table = hub.good("builders", "list").splitlines()
        assert table[0].split() == ["name", "ip_address", "dns_name", "network", "enabled",
                                    "registered", "last_contact"], table
        assert table[1].split()[:5] == ["node-1", "10.0.0.1", "node-1.example", "production",
                                        "true"], table
        assert json.loads(hub.good("configs", "show", "node-1")) == {
            "extra_data": "one", "builder": {"threads": 4}}
        other = hub.write("other.yaml", "extra_data: one\nbuilder: {threads: 8}\n")
        r = hub.run("configs", "diff", "node-1", other)
        assert (r.returncode, r.stdout) == (2, "    builder.threads: 4 -> 8\n"), r
        assert hub.run("configs", "diff", "node-1", config).returncode == 0
        hub.good("configs", "set", "node-1", other)
        versions = hub.good("configs", "list", "node-1", "--json")
        oldest = json.loads(versions)[-1]["version"]
        hub.good("configs", "activate", "node-1", oldest)
        assert hub.run("configs", "diff", "node-1", config).returncode == 0
        hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
        assert json.loads(hub.good("secrets", "show", "node-1")) == {"key": "hidden"}
        changes = hub.good("changes", "list")
        assert "olga" in changes and "first" in changes and "hidden" not in changes, changes
        assert "hidden" not in hub.said()
        assert hub.run("builders", "disable", "nobody").returncode == 1
        assert hub.run("builders", "frob", "x").returncode == 64


@case
def measurements_are_allowed_from_files_and_quotes():
    with Hub() as hub:
        entry = {"measurement_id": "image-1", "attestation_type": "dcap-tdx",
                 "measurements": {"0": {"expected": "11" * 48}}}
        published = hub.write("published.json", json.dumps([entry]))
        assert hub.good("measurements", "allow", published) == "image-1: allowed\n"
        r = subprocess.run([PROGRAM, "attest", "simulate", "platform"], cwd=hub.folder,
                           capture_output=True, text=True, check=False)
        assert r.returncode == 0, r
        r = subprocess.run([PROGRAM, "attest", "quote", "--source", "platform", "--report-data",
                            "aa" * 64, "--out", "quote.bin"], cwd=hub.folder, capture_output=True,
                           text=True, check=False)
        assert r.returncode == 0, r
        assert hub.good("measurements", "allow", hub.folder / "quote.bin",
                        "--enable=false") == "quote.bin: added, not enabled\n"
        listed = json.loads(hub.good("measurements", "list", "--json"))
        assert {m["measurement_id"]: m["enabled"] for m in listed} == {
            "image-1": True, "quote.bin": False}
        hub.good("measurements", "disable", "image-1")
        assert json.loads(hub.good("measurements", "show", "image-1"))["enabled"] is False
        r = hub.run("measurements", "allow", hub.write("noise", "MZ is no image"))
        assert r.returncode == 1 and "cannot be measured" in r.stderr, r
        r = hub.run("measurements", "allow", hub.folder / "missing")
        assert r.returncode == 1 and "No such file" in r.stderr, r


FLEET = """
measurements:
  - measurement_id: image-1
    attestation_type: dcap-tdx
    measurements: {"0": {expected: "%s"}}
builders:
  - {name: node-1, ip_address: 10.0.0.1, network: production, configuration: *no}
""" % ("11" * 48)


@case
def a_fleet_lives_in_a_file():
    with Hub() as hub:
        fleet = hub.write("fleet.yaml", FLEET)
        r = hub.run("apply", "-f", fleet, "--yes")
        assert r.returncode == 1 and "fleet.yaml" in r.stderr, r
        fleet.write_text(FLEET.replace("*no", "{threads: 4}"))
        r = hub.run("diff", "-f", fleet)
        assert r.returncode == 2, r
        assert "+ measurement image-1: add\n" in r.stdout and "+ builder node-1: add\n" in r.stdout
        r = hub.run("apply", "-f", fleet)
        assert r.returncode == 1 and "--yes" in r.stderr, r  # nobody to ask
        assert hub.good("builders", "list", "--json") == "[]\n"
        assert hub.good("apply", "-f", fleet, "--yes").endswith("applied\n")
        assert hub.good("apply", "-f", fleet, "--yes") == "nothing to change\n"
        assert hub.run("diff", fleet).returncode == 0
        fleet.write_text(FLEET.replace("*no", "{threads: 8}"))
        assert "    threads: 4 -> 8\n" in hub.run("diff", fleet).stdout
        for slip, word in (("builders:", "builder:"), ("threads: 8}}", "threads: 8}, enable: no}"),
                           ("    measurements:", "    measurement:")):
            fleet.write_text(FLEET.replace("*no", "{threads: 8}").replace(slip, word))
            r = hub.run("apply", fleet, "--yes", "--unlisted", "delete")
            assert r.returncode == 1 and "is not known here" in r.stderr, r
        empty = hub.write("empty.toml", 'unlisted = "disable"\n')
        out = hub.good("apply", empty, "--yes", "--reason", "closing")
        assert "~ builder node-1: disable\n" in out and "~ measurement image-1: disable\n" in out, out
        assert "closing" in hub.good("changes", "list")


@case
def a_terminal_is_asked():
    need("script")
    with Hub() as hub:
        fleet = hub.write("fleet.yaml", FLEET.replace("*no", "{}"))
        line = f"{PROGRAM} hub apply -f {fleet} --url http://127.0.0.1:{hub.admin}"
        for said, names in (("n", []), ("y", ["node-1"])):
            subprocess.run(["script", "-qec", line, "/dev/null"], input=said + "\n", text=True,
                           capture_output=True, timeout=60, check=False)
            listed = json.loads(hub.good("builders", "list", "--json"))
            assert [b["name"] for b in listed] == names, (said, listed)


def ask(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=b"{}" if method in ("POST", "PUT") else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@case
def the_description_of_the_api_holds():
    with Hub() as hub:
        status, text = ask(hub.admin, "GET", "/openapi.json")
        assert status == 200
        described = json.loads(text)
        tried = 0
        for path, operations in described["paths"].items():
            port = hub.admin if "/admin/" in path or path == "/openapi.json" else hub.public
            if path in ("/ui", "/drain"):  # on the internal listener; holds its request open
                continue
            for method, operation in operations.items():
                real = path
                for name in ("name", "service", "network", "version"):
                    real = real.replace("{" + name + "}", "1")
                status, _ = ask(port, method.upper(), real)
                assert str(status) in operation["responses"], (method, path, status)
                tried += 1
        assert tried > 25
        assert ask(hub.admin, "PATCH", "/api/admin/v2/builders")[0] == 405



class Vault(http.server.ThreadingHTTPServer):
    """Enough of Vault: KV version 2, logins with a JWT, tokens that end and can be renewed."""

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), VaultRequest)
        self.secrets, self.tokens, self.logins, self.renewals, self.lease = {}, {"root"}, 0, 0, 3600
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()


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
            return self.answer(200, self.auth(self.headers["X-Vault-Token"]))
        v.secrets[self.path] = body["data"]
        return self.answer(200, {"data": {"version": 1}})

    def do_GET(self):
        v = self.server
        if self.headers["X-Vault-Token"] not in v.tokens:
            return self.answer(403, {"errors": ["permission denied"]})
        if self.path not in v.secrets:
            return self.answer(404, {"errors": []})
        return self.answer(200, {"data": {"data": v.secrets[self.path], "metadata": {}}})


def node_document(hub, path="/api/l1-builder/v1/configuration"):
    connection = http.client.HTTPConnection("127.0.0.1", hub.public, timeout=30)
    try:
        connection.request("GET", path, headers={
            "X-Flashbots-Attestation-Type": "dcap-tdx", "X-Forwarded-For": "10.0.0.1",
            "X-Flashbots-Measurement": json.dumps({"0": "11" * 48})})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read().decode()
    finally:
        connection.close()


@case
def secrets_live_in_vault():
    vault = Vault()
    try:
        with Hub("--vault-enabled", "--vault-address", vault.url,
                 env={"VAULT_TOKEN": "root"}) as hub:
            fleet = hub.write("fleet.yaml", FLEET.replace("*no", "{}"))
            hub.good("apply", fleet, "--yes")
            assert node_document(hub) == (200, None, "{}")  # never written
            hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
            assert vault.secrets == {"/v1/secret/data/secrets/builder-hub/node-1":
                                     {"key": "hidden"}}
            assert json.loads(node_document(hub)[2]) == {"key": "hidden"}
            assert "hidden" not in hub.said() and "root" not in hub.said()
            port = vault.server_port
            vault.close()
            r = hub.run("secrets", "set", "node-1", "-", text='{"key": "other"}')
            assert r.returncode == 1 and "503" in r.stderr, r
            vault = Vault(port)
            hub.good("secrets", "set", "node-1", "-", text='{"key": "other"}')
            assert json.loads(node_document(hub)[2]) == {"key": "other"}
    finally:
        vault.close()


@case
def vault_tokens_are_renewed_and_logins_made_anew():
    vault = Vault()
    vault.lease = 2
    with tempfile.TemporaryDirectory() as folder:
        jwt = pathlib.Path(folder) / "jwt"
        jwt.write_text("the.jwt\n")
        try:
            with Hub("--vault-enabled", "--vault-address", vault.url, "--vault-auth-method",
                     "kubernetes", "--vault-kubernetes-role", "hub", "--vault-kubernetes-jwt-path",
                     jwt) as hub:
                hub.good("secrets", "set", "node-1", "-", text='{"n": 1}')
                assert vault.logins == 1
                time.sleep(1.5)  # two thirds of its life
                hub.good("secrets", "set", "node-1", "-", text='{"n": 2}')
                assert (vault.logins, vault.renewals) == (1, 1)
                vault.tokens.clear()  # revoked
                hub.good("secrets", "set", "node-1", "-", text='{"n": 3}')
                assert vault.logins == 2
                jwt.write_text("another")
                vault.tokens.clear()
                r = hub.run("secrets", "set", "node-1", "-", text='{"n": 4}')
                assert r.returncode == 1 and "503" in r.stderr, r
                assert "the.jwt" not in hub.said() and "token-1" not in hub.said()
        finally:
            vault.close()


main()
