"""Real parts on request: PostgreSQL, ClickHouse, Prometheus and Vault in place of the devnet's own."""
import json
import os
import pathlib
import re
import shutil
import signal
import time
import urllib.parse
import urllib.request

from devnet_network import Devnet, landed, processes_of
from harness import PROGRAM, Folder, Process, Skip, case, main, run, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACES = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin")


def need_part(program, pattern=None):
    """Skips the case without a program, which Debian may keep outside the usual path."""
    found = list(pathlib.Path("/").glob(pattern)) if pattern else []
    if not found and not any((pathlib.Path(p) / program).exists() for p in PLACES):
        raise Skip(f"{program} is not installed")


@case
def the_hub_works_over_postgres():
    """`--db postgres`: a cluster in the network's folder; hub and nodes live through its outage."""
    need_part("postgres", "usr/lib/postgresql/*/bin/postgres")
    with Folder() as folder:
        with Devnet(folder, "--db", "postgres", ready=False) as net:
            net.wait_for(lambda s: s["state"] == "ready", 60)
            assert not (net.folder / "hub.db").exists()
            psql = shutil.which("psql") or next(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))
            rows = run(psql, "-h", net.folder / "postgres", "-U", "hub", "-d", "postgres", "-At",
                       "-c", "select name from builders where is_active order by 1")
            assert rows.stdout.split() == ["node_1", "node_2", "node_3"], rows
            assert (net.folder / "postgres").stat().st_mode & 0o077 == 0
            net.wait_for(landed, 40)
            net.do("role", "stop", "database")
            net.wait_for(lambda s: net.role("database", s)["state"] == "stopped", 20)
            net.do("revoke", "node-image", ok=False)  # the hub can not keep it, and says so
            begun = net.state()["now_ms"]
            net.wait_for(lambda s: [o for o in landed(s) if o["sent_ms"] > begun], 40)
            assert all(n["enabled"] for n in net.state()["nodes"])
            net.do("role", "start", "database")
            net.wait_for(lambda s: net.role("database", s)["state"] == "ready", 40)
            net.do("add-node")
            net.wait_for(lambda s: net.node("node-4", s)["enabled"], 40)
        assert not processes_of(net.folder)


def abandoned_memory():
    """PostgreSQL's shared memory that no process has."""
    named = {str(p) for p in pathlib.Path("/dev/shm").glob("PostgreSQL.*")}
    for maps in pathlib.Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text()
        except OSError:
            continue
        named = {name for name in named if name not in text}
    return named


@case
def an_interrupted_database_leaves_no_shared_memory():
    """Ctrl-C while the cluster is made, and a killed server: nothing outside the network's folder."""
    need_part("postgres", "usr/lib/postgresql/*/bin/postgres")
    with Folder() as folder:
        before = abandoned_memory()
        for seconds in (0.4, 0.6, 0.8, 1.0):
            with Process(PROGRAM, "devnet", "up", "--folder", folder / "net", "--db", "postgres",
                         "--nodes", "1", log=folder / "up.log") as process:
                time.sleep(seconds)
                process.signal(signal.SIGINT)
                process.wait(20)
            assert not abandoned_memory() - before, seconds
            assert not (folder / "net").exists() and not processes_of(folder), seconds
        with Devnet(folder, "--db", "postgres", "--nodes", "1") as net:
            net.do("role", "kill", "database")
        assert not abandoned_memory() - before


@case
def clickhouse_keeps_the_history_of_orders():
    """`--archive clickhouse`: what every node was sent is there, as rows of the shipped tables."""
    need_part("clickhouse-server")
    with Folder() as folder, Devnet(folder, "--archive", "clickhouse", ready=False) as net:
        net.wait_for(lambda s: s["state"] == "ready", 90)
        state = net.wait_for(lambda s: len({o["node"] for o in landed(s)}) == 3, 60)
        config = (net.folder / "node-1/etc/orderflow.toml").read_text()
        secret = re.search(r'clickhouse\.password = "(\w+)"', config).group(1)
        assert secret not in json.dumps(state)

        def ask(statement):
            request = urllib.request.Request(
                net.told["addresses"]["archive.own"], statement.encode(),
                {"X-ClickHouse-User": "devnet", "X-ClickHouse-Key": secret})
            with urllib.request.urlopen(request, timeout=20) as r:
                return r.read().decode().split()
        wanted = {o["tx"][2:].upper() for o in landed(state)}
        wait_until(lambda: wanted <= set(ask(
            "select hex(arrayJoin(`transactions.hash`)) from bundles")), 30, "rows are missing")
        builders = set(ask("select distinct builder_name from bundles"))
        assert builders == {"node_1", "node_2", "node_3"}, builders
        assert int(ask("select count() from order_events where kind = 'from_peer'")[0]) > 0


@case
def prometheus_collects_from_every_role():
    """`--metrics prometheus`: all roles are up there, also one that came later; the shipped
    dashboard asks for nothing that nobody has."""
    need_part("prometheus")
    with Folder() as folder, Devnet(folder, "--metrics", "prometheus") as net:
        base = net.told["addresses"]["prometheus.http"]

        def ask(path):
            with urllib.request.urlopen(base + path, timeout=10) as answer:
                return json.loads(answer.read())["data"]

        def up():
            rows = ask("/api/v1/query?query=up")["result"]
            return {r["metric"]["role"] for r in rows if r["value"][1] == "1"}
        roles = {r["name"] for r in net.state()["roles"]} - {"prometheus", "node-1.system-api",
                                                             "node-2.system-api",
                                                             "node-3.system-api"}
        wait_until(lambda: roles | {"devnet"} <= up(), 30, lambda: roles - up())
        net.wait_for(landed, 40)
        net.do("add-node")
        wait_until(lambda: "node-4.builder" in up(), 40, up)
        dashboard = json.loads((ROOT / "packaging/grafana/buildernet.json").read_text())
        asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", ())]
        assert len(asked) >= 10
        for expression in asked:
            plain = re.sub(r'\$\w+', ".*", expression.replace("$__rate_interval", "10s"))
            query = "/api/v1/query?query=" + urllib.parse.quote(plain)
            rows = wait_until(lambda q=query: ask(q)["result"], 30, f"nobody has {plain}")
            for label in re.findall(r"by \((\w+)\)", plain):
                assert all(label in r["metric"] for r in rows), (plain, rows[0])


@case
def vault_keeps_the_secrets():
    """`--secrets vault`: the nodes' secrets come out of a Vault server."""
    need_part("vault")
    with Folder() as folder, Devnet(folder, "--secrets", "vault", ready=False) as net:
        net.wait_for(lambda s: s["state"] == "ready", 60)
        net.wait_for(landed, 40)


@case
def a_part_that_is_missing_is_named_with_its_package():
    """Nothing is begun without a program that was asked for."""
    with Folder() as folder:
        empty = folder / "empty"
        empty.mkdir()
        missing = [("--secrets", "vault", "vault")]
        for flag, value, word in missing:
            if any((pathlib.Path(p) / value).exists() for p in PLACES):
                raise Skip(f"{value} is installed")
            r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", flag, value)
            assert r.returncode != 0 and word in r.stderr and flag in r.stderr, r.stderr
            assert "is not installed" in r.stderr and not (folder / "net").exists(), r.stderr
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--db", "oracle")
        assert r.returncode != 0 and "sqlite" in r.stderr, r.stderr
        if os.geteuid() == 0 and shutil.which("postgres"):
            r = run(PROGRAM, "devnet", "up", "--folder", folder / ("x" * 120), "--db", "postgres")
            assert r.returncode != 0 and "too long for PostgreSQL" in r.stderr, r.stderr


if __name__ == "__main__":
    main()
