"""The hub as a process: what it refuses to start with, SIGHUP, accounts, exit statuses."""
import base64
import concurrent.futures
import http.client
import json
import os
import signal
import time
import urllib.error
import urllib.request

from harness import PROGRAM, case, free_port, main, need, run, wait_until
from hub_process import FLEET, Hub, ask, node_document

SECRET = "$2y$04$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiCpJKFSdBcWsko6Syc/yu"  # of "secret"


def fails(hub, status, text):
    """It ends by itself, and says why."""
    hub.start(wait=False)
    try:
        assert hub.process.wait(20) == status and text in hub.said(), hub.said()
    finally:
        hub.__exit__()


@case
def a_bad_password_hash_is_refused_at_start():
    for bad, text in (("secret", "$2y$"), (SECRET[:-1], "60 characters"),
                      (SECRET.replace("$04$", "$03$"), "cost"), ("$6$salt$hash", "$2y$")):
        fails(Hub(env={"ADMIN_BASIC_PASSWORD_BCRYPT": bad}, open_admin=False), 65, text)
    hub = Hub("--admin-accounts", "accounts", open_admin=False)
    hub.write("accounts", f"# people\nolga:{SECRET}\nkim:{SECRET[:20]}\n")
    fails(hub, 65, "line 3")
    fails(Hub("--admin-accounts", "missing", open_admin=False), 66, "missing")


@case
def the_deployed_settings_are_read_and_drain_holds_its_request():
    hub = Hub("--drain-seconds", "1", env={"MOCK_SECRETS": "t", "DISABLE_ADMIN_AUTH": "1"},
              open_admin=False, secrets=False)
    with hub:
        assert ask(hub.public, "GET", "/readyz") == (200, b"")
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            draining = pool.submit(ask, hub.public, "GET", "/drain")
            wait_until(lambda: ask(hub.public, "GET", "/readyz") == (503, b""), 10, hub.said)
            assert ask(hub.public, "GET", "/drain") == (200, b"")  # at once: it drains already
            assert not draining.done() or time.monotonic() - start > 1
            assert draining.result(30) == (200, b"") and time.monotonic() - start >= 1
        assert ask(hub.public, "GET", "/livez") == (200, b"")
        assert ask(hub.public, "GET", "/undrain") == (200, b"")
        assert ask(hub.public, "GET", "/readyz") == (200, b"")


@case
def who_logs_in_is_the_author():
    hub = Hub("--admin-accounts", "accounts", open_admin=False)
    hub.write("accounts", f"olga:{SECRET}\nkim:{SECRET}\n")
    with hub:
        hub.tells = {"HUB_ADMIN_PASSWORD": "secret", "HUB_ADMIN_USER": "olga"}
        hub.good("builders", "add", "b1", "--ip", "10.0.0.1", "--network", "n", "--author", "kim")
        changes = json.loads(hub.good("changes", "list", "--json"))
        assert [c["author"] for c in changes] == ["olga"], changes
        hub.tells["HUB_ADMIN_PASSWORD"] = "wrong"
        assert hub.run("builders", "list").returncode == 77
        # Kim leaves, Ana comes; a file that is not good changes nothing.
        hub.write("accounts", f"olga:{SECRET}\nana:{SECRET[:-2]}\n")
        assert "line 2" in hub.reload()
        hub.tells.update(HUB_ADMIN_PASSWORD="secret", HUB_ADMIN_USER="kim")
        hub.good("builders", "list")
        hub.write("accounts", f"olga:{SECRET}\nana:{SECRET}\n")
        assert "configuration_reloaded" in hub.reload()
        assert hub.run("builders", "list").returncode == 77
        hub.tells["HUB_ADMIN_USER"] = "ana"
        hub.good("builders", "list")
        assert SECRET[10:30] not in hub.said() and '"secret' not in hub.said()


@case
def settings_are_reloaded_all_or_none():
    hub = Hub("--config", "hub.toml")
    hub.write("hub.toml", 'required_services = []\n')
    with hub:
        hub.good("apply", hub.write("fleet.yaml", FLEET.replace("*no", "{}")), "--yes")
        peers = "/api/internal/l1-builder/v1/builders"
        assert len(json.loads(node_document(hub, peers)[2])) == 1
        # The first that is not good refuses the rest.
        hub.write("hub.toml", 'required_services = ["instance"]\ntrusted_firmware = ["12"]\n')
        assert "trusted-firmware" in hub.reload()
        assert len(json.loads(node_document(hub, peers)[2])) == 1
        hub.write("hub.toml", 'required_services = [')
        assert "hub.toml" in hub.reload()
        hub.write("hub.toml", 'required_services = ["instance"]\ntrusted_proxy = ["10.9.9.9"]\n'
                              'log_debug = true\n')
        line = hub.reload()
        assert "required-services" in line and "trusted-proxy" in line, line
        for _ in range(100):
            if json.loads(node_document(hub, peers)[2]) == []:
                break
        else:
            raise AssertionError("still listed")
        assert node_document(hub)[0] == 403  # the proxy is another now
        # What needs a restart is told and not done.
        hub.write("hub.toml", 'trusted_proxy = ["127.0.0.1"]\nworkers = 9\n')
        line = hub.reload()
        assert "workers: 4 -> 9 (needs a restart)" in line, line
        assert node_document(hub)[0] == 200


@case
def a_reload_may_end_after_the_hub_was_told_to_stop():
    hub = Hub("--admin-accounts", "accounts", open_admin=False)
    accounts = hub.write("accounts", f"olga:{SECRET}\n")
    with hub:
        accounts.unlink()
        os.mkfifo(accounts)
        hub.process.send_signal(signal.SIGHUP)
        with open(accounts, "w", encoding="ascii") as writer:  # opens when the reload reads
            hub.process.terminate()
            wait_until(lambda: "event=stopping" in hub.said(), 20, hub.said)
            writer.write(f"olga:{SECRET}\n")
        assert hub.process.wait(20) == 0, hub.said()
        assert "configuration_reloaded" in hub.said()


@case
def guesses_that_wait_do_not_keep_it_from_ending():
    """Two at a time are checked, half a second of a processor each; the rest is answered at the end."""
    slow = "$2b$13$abcdefghijklmnopqrstuu" + SECRET[29:]
    with Hub(env={"ADMIN_BASIC_PASSWORD_BCRYPT": slow}, open_admin=False) as hub:
        guesses = []
        for number in range(40):
            guess = http.client.HTTPConnection("127.0.0.1", hub.admin, timeout=60)
            word = base64.b64encode(f"admin:{number}".encode()).decode()
            guess.request("GET", "/api/admin/v2/builders", headers={"Authorization": "Basic " + word})
            guesses.append(guess)
        assert guesses[0].getresponse().status == 401
        hub.process.terminate()
        seen = []
        for guess in guesses[1:]:
            answer = guess.getresponse()
            seen.append((answer.status, answer.headers["Retry-After"]))
        assert (503, "2") in seen and set(seen) <= {(401, None), (503, "2")}, seen


@case
def guessing_passwords_delays_no_node():
    # Of "secret", at a cost that keeps a core busy for half a second.
    slow = "$2b$13$abcdefghijklmnopqrstuu" + SECRET[29:]
    hub = Hub("--admin-accounts", "accounts", "--workers", "1", open_admin=False)
    hub.write("accounts", f"olga:{SECRET}\nkim:{slow}\n")
    hub.tells = {"HUB_ADMIN_PASSWORD": "secret", "HUB_ADMIN_USER": "olga"}
    with hub:
        hub.good("apply", hub.write("fleet.yaml", FLEET.replace("*no", "{}")), "--yes")
        guesses = []
        for number in range(20):
            guess = http.client.HTTPConnection("127.0.0.1", hub.admin, timeout=60)
            word = base64.b64encode(f"kim:{number}".encode()).decode()
            guess.request("GET", "/api/admin/v2/builders", headers={"Authorization": "Basic " + word})
            guesses.append(guess)
        begun = time.monotonic()
        assert node_document(hub, "/api/l1-builder/v1/register_credentials/instance",
                             body=json.dumps({"tls_cert": "c"}))[0] == 200
        assert node_document(hub)[0] == 200
        assert time.monotonic() - begun < 5
        for guess in guesses:
            guess.close()


@case
def the_admin_listener_speaks_tls_and_takes_new_certificates():
    need("openssl")
    hub = Hub("--admin-tls-certificate", "cert.pem", "--admin-tls-key", "key.pem")

    def certificate(name):
        r = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days",
                "2", "-keyout", hub.folder / "key.pem", "-out", hub.folder / "cert.pem")
        assert r.returncode == 0, r.stderr

    certificate("one")
    hub.tells = {"HUB_ADMIN_URL": f"https://127.0.0.1:{hub.admin}"}
    with hub:
        first = (hub.folder / "cert.pem").read_text()
        hub.write("first.pem", first)
        hub.good("builders", "list", "--ca", hub.folder / "first.pem")
        assert hub.run("builders", "list").returncode == 77  # not of the machine's roots
        certificate("two")
        (hub.folder / "key.pem").write_text("no key")
        assert "reload_refused" in hub.reload()
        hub.good("builders", "list", "--ca", hub.folder / "first.pem")
        certificate("three")
        assert "configuration_reloaded" in hub.reload()
        assert hub.run("builders", "list", "--ca", hub.folder / "first.pem").returncode == 77
        hub.good("builders", "list", "--ca", hub.folder / "cert.pem")
    fails(Hub("--admin-tls-key", "key.pem"), 65, "together")


@case
def exit_statuses_say_what_to_do():
    with Hub() as hub:
        words = {
            0: [("builders", "list"), ("measurements", "--help")],
            1: [("builders", "enable", "nobody"), ("builders", "show", "nobody"),
                ("measurements", "delete", "none"), ("configs", "show", "nobody")],
            64: [("builders", "frob", "x"), ("secrets", "set", "x"), ("apply",),
                 ("builders", "add", "x", "--shadow-of", "y")],
            65: [("apply", "-f", hub.write("bad.json", "{"), "--yes"),
                 ("configs", "set", "x", hub.write("bad.toml", "= 1"))],
            66: [("apply", "-f", "missing.yaml"), ("builders", "list", "--frob")],
        }
        for status, lines in words.items():
            for line in lines:
                r = hub.run(*line)
                assert r.returncode == status and (status == 0) == (r.stderr == ""), (status, r)
        fleet = hub.write("fleet.yaml", FLEET.replace("*no", "{}"))
        assert hub.run("diff", fleet).returncode == 2
        hub.tells = {"HUB_ADMIN_URL": f"http://127.0.0.1:{free_port()}"}
        assert hub.run("builders", "list").returncode == 69
    r = run(PROGRAM, "hub", "migrate", "--database", "/nonexistent/hub.db")
    assert r.returncode == 74 and r.stderr.startswith("buildernet hub:"), r
    r = run(PROGRAM, "hub", "--database", "/tmp/x", "--metrics-addr", "")
    assert r.returncode == 66 and "no secrets backend" in r.stderr, r


@case
def the_page_says_what_there_is():
    """Plain HTML that works without script, and says nothing that is secret."""
    with Hub() as hub:
        fleet = FLEET.replace("*no", "{}") + \
            "  - {name: stage, ip_address: 10.0.0.2, network: staging, shadow_of: node-1}\n"
        hub.good("apply", hub.write("fleet.yaml", fleet), "--yes", "--reason", "<b>why</b>")
        hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
        assert node_document(hub)[0] == 200
        url = f"http://127.0.0.1:{hub.internal}/ui"
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "<script" not in page and "hidden" not in page and "<b>why" not in page
        for text in ("node-1", "10.0.0.1", "production", "image-1", "11" * 48, "&lt;b&gt;why",
                     "stage", "enabled", "secret set"):
            assert text in page, text
        assert "never" in page and page.count("T") > 1  # stage was never here, node-1 was
        for port in (hub.public, hub.admin):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ui", timeout=10)
                raise AssertionError("the page is on another listener")
            except urllib.error.HTTPError as e:
                assert e.code == 404


main()
