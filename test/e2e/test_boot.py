"""Boot: a node starts with the hub's address and ends with its services' files."""
import json
import os
import threading

from harness import PROGRAM, Folder, Process, case, free_port, is_listening, main, request, run, wait_until

NODE, STRANGER = "11" * 48, "22" * 48
SCHEMA = """
[variables]
instance_name = {type = "name"}
"service.port" = {type = "number", min = 1, max = 65535}
"service.key" = {type = "key", secret = true}
"service.motto" = {type = "text", default = "none"}
"""
SERVICE = 'port = {{service.port}}\nkey = "{{service.key}}"\nmotto = "{{service.motto}}"\n'
DOCUMENT = {"instance_name": "node-1", "service": {"port": 8645, "key": "0x" + "ab" * 32}}


class World:
    """A hub that lets one node in, the node's attested way to it, and templates."""

    def __init__(self, folder):
        self.folder = folder
        self.public, self.admin_port, self.internal = free_port(), free_port(), free_port()
        self.status_port = free_port()
        self.parts = []
        self.hub = None
        (folder / "hub.key").write_text("5a" * 32)
        (folder / "hub.key").chmod(0o600)
        (folder / "templates/etc").mkdir(parents=True)
        (folder / "target").mkdir()
        (folder / "templates/schema.toml").write_text(SCHEMA)
        (folder / "templates/etc/service.toml.mustache_0640").write_text(SERVICE)
        os.mkfifo(folder / "events")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def start(self):
        run(PROGRAM, "attest", "simulate", "platform", cwd=self.folder)
        self.start_hub()
        self.admin("/measurements", {"measurement_id": "image", "attestation_type": "dcap-tdx",
                                     "measurements": {"0": {"expected": NODE}}})
        self.admin("/measurements/activation/image", {"enabled": True})
        self.admin("/builders", {"name": "node_1", "ip_address": "127.0.0.1",
                                 "dns_name": "n", "network": "production"})
        self.configure(DOCUMENT)
        (self.folder / "images.json").write_text(json.dumps(
            [{"measurement_id": name, "attestation_type": "dcap-tdx",
              "measurements": {"0": {"expected": mrtd}}}
             for name, mrtd in (("image", NODE), ("other", STRANGER))]))
        self.front = self.proxy("server", self.public, NODE)
        return self

    def __exit__(self, *_):
        for p in reversed(self.parts):
            p.__exit__()
        if self.hub:
            self.hub.__exit__()

    def start_hub(self):
        self.hub = Process(PROGRAM, "hub", "--listen-addr", f"127.0.0.1:{self.public}",
                           "--admin-addr", f"127.0.0.1:{self.admin_port}", "--internal-addr",
                           f"127.0.0.1:{self.internal}", "--metrics-addr", "", "--database",
                           "hub.db", "--secrets-key", "file:hub.key", "--disable-admin-auth",
                           cwd=self.folder, log=self.folder / "hub.log")
        wait_until(lambda: self.answers(self.public, "/livez"), 20, "the hub does not start")

    def answers(self, port, path):
        try:
            return request(port, "GET", path, tls=False)[0] == 200
        except OSError:
            return False

    def admin(self, path, body):
        status, _, text = request(self.admin_port, "POST", "/api/admin/v1" + path,
                                  json.dumps(body), tls=False)
        assert status == 200, (path, status, text)

    def configure(self, document):
        self.admin("/builders/configuration/node_1", {})
        self.admin("/builders/secrets/node_1", document)

    def enable(self, enabled):
        self.admin("/builders/activation/node_1", {"enabled": enabled})

    def proxy(self, verb, target, mrtd):
        port, health = free_port(), free_port()
        flags = ["--allow-self-signed"] if verb == "client" else []
        p = Process(PROGRAM, "attested-proxy", verb, "--listen-addr", f"127.0.0.1:{port}",
                    "--listen-addr-healthcheck", f"127.0.0.1:{health}", "--target-addr",
                    f"127.0.0.1:{target}", f"--{verb}-attestation-type", "dcap-tdx",
                    "--quote-source", "simulator:platform", "--simulated-fields", f"mrtd={mrtd}",
                    "--measurements-file", "images.json", "--root", "platform/root.pem",
                    "--collateral", "platform/collateral", *flags, cwd=self.folder,
                    log=self.folder / f"proxy-{port}.log")
        self.parts.append(p)
        wait_until(lambda: is_listening(port), 20, "the proxy does not start")
        return port

    def boot(self, proxy, *flags):
        p = Process(PROGRAM, "boot", "--hub-url", f"http://127.0.0.1:{proxy}", "--templates",
                    "templates", "--target", "target", "--state-dir", "state", "--listen-addr",
                    f"127.0.0.1:{self.status_port}", "--events-fifo", "events", "--enabled-file",
                    "target/enabled", "--poll-peers", "100ms", "--poll-configuration", "100ms",
                    *flags, cwd=self.folder, log=self.folder / "boot.log")
        self.parts.append(p)
        wait_until(lambda: self.answers(self.status_port, "/livez"), 20, p.logged)
        return p

    def status(self):
        return json.loads(request(self.status_port, "GET", "/status", tls=False)[2])

    def ready(self):
        return request(self.status_port, "GET", "/readyz", tls=False)[0] == 200

    def made(self, name="etc/service.toml"):
        path = self.folder / "target" / name
        return path.read_text() if path.exists() else None


@case
def a_node_boots_follows_changes_and_stops_when_it_is_disabled():
    """Everything from one address; a wrong configuration changes nothing; disabling is seen."""
    with Folder() as folder, World(folder) as w:
        w.admin("/builders/activation/node_1", {"enabled": True})
        lines = []
        # Open for both, as the System API has it: there is always a writer, and no end.
        fifo = open(os.open(folder / "events", os.O_RDWR), encoding="utf-8", closefd=True)
        threading.Thread(target=lambda: lines.extend(fifo), daemon=True).start()
        boot = w.boot(w.proxy("client", w.front, NODE))
        wait_until(w.ready, 20, boot.logged)
        assert w.made() == f'port = 8645\nkey = "0x{"ab" * 32}"\nmotto = "none"\n', w.made()
        assert (folder / "target/etc/service.toml").stat().st_mode & 0o7777 == 0o640
        assert (folder / "target/enabled").exists()
        stages = {s["name"]: s for s in w.status()["stages"]}
        assert all(s["state"] == "done" and s["ms"] > 0 or s["name"] == "credentials" for s in stages.values()), stages
        # A wrong configuration: named, and nothing on disk changes.
        w.configure({"instance_name": "node-1", "service": {"port": 0, "key": "secret-value"}})
        wait_until(lambda: not w.ready(), 10)
        assert "service." in w.status()["reason"], w.status()
        assert "port = 8645" in w.made()
        # A right one: rendered, the one before kept beside it.
        w.configure({"instance_name": "node-1",
                     "service": {"port": 9000, "key": "cd" * 32, "motto": 'a "b"\nc'}})
        wait_until(lambda: "port = 9000" in w.made(), 10)
        assert 'motto = "a \\"b\\"\\nc"' in w.made(), w.made()
        assert "port = 8645" in w.made("etc/service.toml.previous")
        wait_until(w.ready, 10)
        # Its image is withdrawn: the hub answers 403.
        w.admin("/measurements/activation/image", {"enabled": False})
        wait_until(lambda: not (folder / "target/enabled").exists(), 10)
        assert not w.ready()
        w.admin("/measurements/activation/image", {"enabled": True})
        wait_until(lambda: (folder / "target/enabled").exists() and w.ready(), 10)
        # The hub is away: nothing changes.
        w.hub.__exit__()
        wait_until(lambda: w.status()["hub"] == "away", 10)
        assert (folder / "target/enabled").exists() and "port = 9000" in w.made()
        assert "secret-value" not in boot.logged() and "ab" * 32 not in boot.logged()
        wait_until(lambda: any("boot: render done in" in line for line in lines), 5,
                   "no stage on the FIFO")
        assert any("boot: rendered etc/service.toml" in line for line in lines), lines


@case
def another_image_gets_nothing():
    """The hub refuses the measurement: no file is made, and the reason is told."""
    with Folder() as folder, World(folder) as w:
        w.enable(True)
        boot = w.boot(w.proxy("client", w.front, STRANGER))
        wait_until(lambda: w.status()["hub"] == "refused", 20, boot.logged)
        assert w.made() is None and not (folder / "target/enabled").exists()
        assert "403" in w.status()["reason"], w.status()


@case
def a_node_that_ran_before_starts_while_the_hub_is_away():
    """The last good configuration is used, unless the hub refuses the node."""
    with Folder() as folder, World(folder) as w:
        w.enable(True)
        proxy = w.proxy("client", w.front, NODE)
        boot = w.boot(proxy)
        wait_until(w.ready, 20, boot.logged)
        boot.__exit__()
        assert (folder / "state/configuration.json").stat().st_mode & 0o777 == 0o600
        w.hub.__exit__()
        (folder / "target/etc/service.toml").unlink()
        boot = w.boot(proxy, "--last-good-after", "500ms")
        wait_until(lambda: w.made() is not None, 20, boot.logged)
        assert "port = 8645" in w.made() and not w.ready()
        w.start_hub()
        wait_until(w.ready, 20, boot.logged)


@case
def templates_are_checked_before_they_are_used():
    """A misspelt variable is named with template, line and key; `render` works without a hub."""
    with Folder() as folder:
        (folder / "t").mkdir()
        (folder / "out").mkdir()
        (folder / "t/schema.toml").write_text(SCHEMA)
        (folder / "t/a.env.mustache").write_text('A="{{service.motto}}"\nB={{service.prot}}\n')
        r = run(PROGRAM, "boot", "check", "--templates", folder / "t")
        assert r.returncode != 0
        assert "a.env.mustache, line 2" in r.stderr and '"service.prot"' in r.stderr, r.stderr
        (folder / "t/a.env.mustache").write_text('A="{{service.motto}}"\n')
        (folder / "doc.json").write_text(json.dumps(
            {**DOCUMENT, "service": {**DOCUMENT["service"], "motto": "$(id) `id`"}}))
        r = run(PROGRAM, "boot", "render", folder / "doc.json", "--templates", folder / "t",
                "--target", folder / "out")
        assert r.returncode == 0, r.stderr
        text = (folder / "out/a.env").read_text()
        assert text == 'A="\\$(id) \\`id\\`"\n', text
        r = run("sh", "-c", f'. {folder}/out/a.env; printf %s "$A"')
        assert r.stdout == "$(id) `id`", r
        (folder / "doc.json").write_text(json.dumps({"instance_name": "n"}))
        r = run(PROGRAM, "boot", "render", folder / "doc.json", "--templates", folder / "t",
                "--target", folder / "out")
        assert r.returncode != 0 and "service.key" in r.stderr, r.stderr


main()
