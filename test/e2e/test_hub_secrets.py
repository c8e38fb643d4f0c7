"""Where the hub's secrets lie: Vault, also a slow one and one that is away; a key in a TPM."""
import json
import pathlib
import tempfile
import threading
import time

from harness import PROGRAM, case, main, run, wait_until
from hub_process import FLEET, Hub, Vault, ask, node_document
from software_vtpm import EVENT, SoftwareTpm


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
            assert r.returncode == 75 and "503" in r.stderr, r
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
                fleet_of(hub, 1)
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
                assert r.returncode == 75 and "503" in r.stderr, r
                assert "the.jwt" not in hub.said() and "token-1" not in hub.said()
        finally:
            vault.close()


@case
def secrets_in_vault_go_with_their_builders():
    """While Vault is away builders go at once, and no other gets the name before their secrets went."""
    vault = Vault()
    try:
        with Hub("--vault-enabled", "--vault-address", vault.url,
                 env={"VAULT_TOKEN": "root"}) as hub:
            fleet_of(hub, 3)
            for i in range(1, 4):
                hub.good("secrets", "set", f"node-{i}", "-", text='{"key": "old"}')
            vault.tokens.clear()
            hub.good("builders", "delete", "node-1", "--yes")
            assert "node-1" not in hub.good("builders", "list") and len(vault.secrets) == 3
            assert "secrets_not_removed" in hub.said()
            r = hub.run("builders", "add", "node-1", "--ip", "10.0.0.1", "--network", "production")
            assert r.returncode == 75 and "503" in r.stderr, r
            vault.tokens.add("root")
            hub.good("builders", "add", "node-1", "--ip", "10.0.0.1", "--network", "production")
            assert len(vault.secrets) == 2
            hub.good("builders", "delete", "node-1", "--yes")
            none = "".join(FLEET.splitlines(keepends=True)[:-2]) + "builders: []\n"
            hub.good("apply", hub.write("none.yaml", none), "--unlisted", "delete", "--yes")
            assert vault.secrets == {}
            fleet_of(hub, 2)
            for address in ("10.0.0.1", "10.0.0.2"):
                assert node_document(hub, address=address) == (200, None, "{}")
    finally:
        vault.close()


@case
def a_kill_between_vault_and_the_database_loses_nothing():
    """kill -9 while Vault has a change and the hub no answer: the next start goes on."""
    vault = Vault()
    try:
        with Hub("--vault-enabled", "--vault-address", vault.url,
                 env={"VAULT_TOKEN": "root"}) as hub:
            fleet_of(hub, 3)
            for i in range(1, 4):
                hub.good("secrets", "set", f"node-{i}", "-", text=f'{{"key": {i}}}')

            def killed_while(stops, *words, text=""):
                vault.stops = stops
                vault.reached.clear()
                vault.go.clear()
                client = threading.Thread(target=lambda: hub.run(*words, text=text))
                client.start()
                assert vault.reached.wait(30), hub.said()
                hub.process.kill()
                hub.process.wait()
                vault.stops = None
                vault.go.set()
                client.join()
                hub.log.close()
                hub.start()

            def document(address):
                status, _, text = node_document(hub, address=address)
                assert status == 200, (status, text)
                return json.loads(text)

            for stops, name in (("before", "node-1"), ("after", "node-2")):
                killed_while(stops, "builders", "delete", name, "--yes")
                assert name not in hub.good("builders", "list")
                wait_until(lambda: not any(k.endswith(name) for k in vault.secrets), 60, hub.said)
            assert document("10.0.0.3") == {"key": 3}

            # A document that is set: the old one or the new, and a row that says who did it.
            for stops, key in (("before", 3), ("after", 5)):
                killed_while(stops, "secrets", "set", "node-3", "-", "--reason", f"killed {stops}",
                             text='{"key": 5}')
                assert document("10.0.0.3") == {"key": key}
                assert f"killed {stops}" in hub.good("changes", "list")

            # A whole state that deletes: whichever side of the change it ends on, it is made whole.
            none = "".join(FLEET.splitlines(keepends=True)[:-2]) + "builders: []\n"
            killed_while("before", "apply", hub.write("none.yaml", none), "--unlisted", "delete",
                         "--yes")
            wait_until(lambda: vault.secrets == {}, 60, hub.said)
            fleet_of(hub, 1)
            assert document("10.0.0.1") == {}
    finally:
        vault.close()


def fleet_of(hub, n):
    """n active nodes at 10.0.0.1 and on."""
    node = '  - {name: node-%d, ip_address: 10.0.0.%d, network: production, configuration: {}}\n'
    lines = FLEET.splitlines(keepends=True)[:-1]
    hub.good("apply", hub.write("fleet.yaml", "".join(lines) + "".join(
        node % (i, i) for i in range(1, n + 1))), "--yes")


def together(n, work):
    """Runs work(1..n) in threads; gives their results."""
    results = [None] * n
    threads = [threading.Thread(target=lambda i=i: results.__setitem__(i, work(i + 1)))
               for i in range(n)]
    for t in threads:
        t.start()
    return threads, results


def in_time(what, seconds):
    began = time.monotonic()
    result = what()
    assert time.monotonic() - began < seconds, f"{time.monotonic() - began:.2f} s"
    return result


@case
def a_slow_vault_keeps_only_those_who_ask_it():
    vault = Vault()
    try:
        with Hub("--vault-enabled", "--vault-address", vault.url, "--required-services", "",
                 env={"VAULT_TOKEN": "root"}) as hub:
            fleet_of(hub, 12)
            vault.delay = 1.5
            threads, got = together(12, lambda i: node_document(hub, address=f"10.0.0.{i}"))
            time.sleep(0.3)
            peers = "/api/l1-builder/v1/builders"
            for _ in range(3):
                assert in_time(lambda: node_document(hub, peers), 0.5)[0] == 200
                registered = in_time(lambda: node_document(
                    hub, "/api/l1-builder/v1/register_credentials/instance",
                    body='{"tls_cert": "x"}'), 0.8)
                assert registered[0] == 200, registered
            assert in_time(lambda: ask(hub.admin, "GET", "/api/admin/v2/measurements"), 0.5)[0] == 200
            for t in threads:
                t.join()
            # Four at a time and none after another's login or renewal.
            assert [g[0] for g in got] == [200] * 12, got
    finally:
        vault.close()


@case
def a_slow_renewal_keeps_nobody():
    vault = Vault()
    vault.lease = 6
    with tempfile.TemporaryDirectory() as folder:
        jwt = pathlib.Path(folder) / "jwt"
        jwt.write_text("the.jwt\n")
        try:
            with Hub("--vault-enabled", "--vault-address", vault.url, "--vault-auth-method",
                     "kubernetes", "--vault-kubernetes-role", "hub", "--vault-kubernetes-jwt-path",
                     jwt) as hub:
                fleet_of(hub, 4)
                # Many at once make one login.
                threads, got = together(4, lambda i: hub.run("secrets", "set", f"node-{i}", "-",
                                                             text="{}").returncode)
                for t in threads:
                    t.join()
                assert got == [0] * 4 and vault.logins == 1, (got, vault.logins)
                vault.renewal_delay = 2.5
                time.sleep(4.1)  # two thirds of its life: the next caller renews
                threads, got = together(1, lambda _: hub.run("secrets", "set", "node-1", "-",
                                                             text="{}").returncode)
                wait_until(lambda: vault.renewals == 1)
                in_time(lambda: hub.good("secrets", "set", "node-2", "-", text="{}"), 1.5)
                threads[0].join()
                assert got == [0] and vault.renewals == 1, (got, vault.renewals)
        finally:
            vault.close()


@case
def the_last_good_secrets_are_served_while_vault_is_away():
    for flags, status in ((["--serve-stale"], 200), ([], 503)):
        vault = Vault()
        try:
            with Hub("--vault-enabled", "--vault-address", vault.url, "--refresh", "200ms", *flags,
                     env={"VAULT_TOKEN": "root"}) as hub:
                fleet_of(hub, 2)
                hub.good("secrets", "set", "node-1", "-", text='{"key": "one"}')
                assert node_document(hub)[2] == '{"key": "one"}'
                vault.close()
                time.sleep(0.6)  # what is in memory is old now
                got = node_document(hub)
                assert got[0] == status and (got[2] == '{"key": "one"}') == (status == 200), got
                assert (got[1] is not None) == (status == 503), got
                never = node_document(hub, address="10.0.0.2")  # was never read
                assert never[0] == 503 and never[1], never
                vault = Vault(vault.server_port)
                vault.secrets["/v1/secret/data/secrets/builder-hub/node-1"] = {"key": "two"}
                assert json.loads(node_document(hub)[2]) == {"key": "two"}
        finally:
            vault.close()


@case
def the_key_of_sealed_secrets_comes_from_the_tpm():
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as other, \
            tempfile.TemporaryDirectory() as place:
        sealed = pathlib.Path(place) / "sealed"
        with SoftwareTpm(pathlib.Path(state)) as tpm:
            at = ["--tpm", f"swtpm:host=127.0.0.1,port={tpm.port}"]
            r = run(PROGRAM, "hub", "seal-key", sealed, *at, "--tpm-pcrs", "4,11")
            assert r.returncode == 0 and sealed.stat().st_mode & 0o077 == 0, r
            r = run(PROGRAM, "hub", "seal-key", sealed, *at)  # not over one that is in use
            assert r.returncode == 73 and "is there already" in r.stderr, r
            r = run(PROGRAM, "hub", "seal-key", sealed, *at, "--tpm-pcrs", "24")
            assert r.returncode == 65, r
            flags = ["--secrets-dir", "secrets", "--secrets-key-tpm", sealed, *at]
            with Hub(*flags, secrets=False) as hub:
                hub.good("apply", hub.write("fleet.yaml", FLEET.replace("*no", "{}")), "--yes")
                hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
                files = list((hub.folder / "secrets").iterdir())
                assert len(files) == 1 and b"hidden" not in files[0].read_bytes()
                hub.stop()
                hub.start()
                assert json.loads(hub.good("secrets", "show", "node-1")) == {"key": "hidden"}
                hub.stop()
                tpm.tool("tpm2_pcrextend", f"11:sha256={EVENT}")  # another image
                hub.start(wait=False)
                assert hub.process.wait(20) == 77 and "PCR" in hub.said(), hub.said()
        with SoftwareTpm(pathlib.Path(other)) as tpm:
            with_other = ["--tpm", f"swtpm:host=127.0.0.1,port={tpm.port}"]
            hub = Hub("--secrets-key-tpm", sealed, *with_other, secrets=False)
            hub.start(wait=False)
            assert hub.process.wait(20) == 77 and "another TPM" in hub.said(), hub.said()
            hub.__exit__()


main()
