"""Several hubs on one database, and databases of other versions."""
import json
import sqlite3

from harness import PROGRAM, Folder, case, main, run, wait_until
from hub_process import Hub, Postgres, node_document

REGISTER = "/api/l1-builder/v1/register_credentials/instance"
PEERS = "/api/l1-builder/v1/builders"
FLEET = {"measurements": [{"measurement_id": "image-1", "attestation_type": "dcap-tdx",
                           "measurements": {"0": {"expected": "11" * 48}}}],
         "builders": [{"name": "node-1", "ip_address": "10.0.0.1", "network": "production",
                       "configuration": {}}]}


@case
def hubs_on_one_database_see_each_others_changes_at_once():
    """By notification, for nothing is read again for an hour; after a restart of PostgreSQL too."""
    with Folder() as folder, Postgres(folder, "pg") as database:
        flags = ["--postgres-dsn", f"host={database.data} user=hub dbname=postgres",
                 "--required-services", "", "--refresh", "1h"]
        with Hub(*flags) as one, Hub(*flags) as other:
            one.good("apply", one.write("fleet.json", json.dumps(FLEET)), "--yes")
            for turn in range(2):
                wait_until(lambda: node_document(other)[0] == 200, 5, other.said)
                certificate = f"certificate {turn}"
                body = json.dumps({"tls_cert": certificate})
                wait_until(lambda: node_document(one, REGISTER, body=body)[0] == 200, 20, one.said)
                wait_until(lambda: certificate in node_document(other, PEERS)[2], 5, other.said)
                other.good("measurements", "disable", "image-1")
                wait_until(lambda: node_document(one)[0] == 403, 5, one.said)
                if turn == 0:
                    database.kill()
                    database.start()
                wait_until(lambda: one.run("measurements", "enable", "image-1").returncode == 0, 20)


@case
def a_database_that_is_newer_is_refused():
    """By migrate and at start, and nothing in it is touched; an older one waits where nobody may
    migrate it."""
    with Hub() as hub:
        hub.stop()
        file = hub.folder / "hub.db"
        database = sqlite3.connect(file)
        known = database.execute("SELECT max(version) FROM hub_schema").fetchone()[0]
        database.execute("INSERT INTO hub_schema (version) VALUES (?)", (known + 1,))
        database.commit()
        database.close()
        before = file.read_bytes()
        for words in (["migrate"], []):
            r = run(PROGRAM, "hub", *words, "--database", file, "--mock-secrets",
                    "--disable-admin-auth", "--listen-addr", "127.0.0.1:0", "--metrics-addr", "")
            assert r.returncode != 0 and f"schema version {known + 1}" in r.stderr, r
        assert file.read_bytes() == before
        r = run(PROGRAM, "hub", "--database", hub.folder / "none.db", "--mock-secrets",
                "--disable-admin-auth", "--auto-migrate=false")
        assert r.returncode != 0 and "schema version 0" in r.stderr, r
        hub.start(wait=False)
        hub.process.wait(20)


main()
