"""What the hub does when what it stands on fails: PostgreSQL killed, ending sessions and not answering
under load, failover to another host, a full disk; and a thousand nodes at once."""
import calendar
import http.client
import json
import os
import pathlib
import resource
import signal
import struct
import threading
import time

from harness import BUILD, Folder, case, main, run, wait_until
from hub_process import FLEET, Hub, Postgres, node_document

REGISTER = "/api/l1-builder/v1/register_credentials/instance"
PEERS = "/api/l1-builder/v1/builders"


def fleet(hub, first, last):
    node = "  - {name: node-%d, ip_address: 10.%d.%d.%d, network: production, configuration: {}}\n"
    lines = FLEET.splitlines(keepends=True)[:-1]
    text = "".join(lines) + "".join(node % (i, i >> 16, i >> 8 & 255, i & 255)
                                    for i in range(first, last))
    hub.good("apply", hub.write("fleet.yaml", text), "--yes")


def address_of(i):
    return f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"


class Load:
    """Nodes that register, read their configuration and their peers without a pause."""

    def __init__(self, hub):
        self.hub, self.going = hub, True
        self.seen = []  # (time, what, status, Retry-After)
        self.good = {}  # node: what was registered with 200
        self.threads = [threading.Thread(target=self.work, args=(what, i))
                        for i in (1, 2) for what in ("register", "configuration", "peers")]
        for t in self.threads:
            t.start()

    def work(self, what, i):
        n = 0
        while self.going:
            n += 1
            if what == "register":
                got = node_document(self.hub, REGISTER, address_of(i),
                                    json.dumps({"tls_cert": f"certificate {n}"}))
                if got[0] == 200:
                    self.good.setdefault(i, []).append(f"certificate {n}")
            elif what == "peers":
                got = node_document(self.hub, PEERS, address_of(i))
            else:
                got = node_document(self.hub, address=address_of(i))
            self.seen.append((time.monotonic(), what, got[0], got[1]))
            time.sleep(0.01)

    def end(self):
        self.going = False
        for t in self.threads:
            t.join()

    def check_kept(self):
        """What was registered with 200 is in the database."""
        for i, certificates in self.good.items():
            status, text = admin(self.hub, f"/api/admin/v2/builders/node-{i}/credentials")
            assert status == 200
            kept = {c["tls_cert"] for c in json.loads(text)}
            lost = [c for c in certificates[-900:] if c not in kept]
            assert not lost, (i, lost)

    def between(self, begin, end, what):
        return [(s, r) for t, w, s, r in self.seen if begin <= t < end and w == what]


def killed_under_load(stale):
    with Folder() as folder, Postgres(folder, "pg") as database:
        dsn = f"host={database.data} user=hub dbname=postgres"
        with Hub("--postgres-dsn", dsn, "--required-services", "",
                 *(["--serve-stale"] if stale else [])) as hub:
            fleet(hub, 1, 3)
            load = Load(hub)
            time.sleep(1)
            killed = time.monotonic()
            database.kill()
            down_since = time.monotonic()  # what was at work then may have come through
            time.sleep(3)
            load_down = time.monotonic()
            database.start()
            begun = time.monotonic()
            wait_until(lambda: [s for s, _ in load.between(begun, time.monotonic(), "register")
                                if s == 200], 20, "no registration after the return")
            wait_until(lambda: {s for s, _ in load.between(
                time.monotonic() - 0.5, time.monotonic(), "configuration")} == {200}, 20)
            back = time.monotonic()
            time.sleep(1)
            load.end()
            for what in ("register", "configuration", "peers"):
                assert {s for s, _ in load.between(0, killed, what)} == {200}, what
                after = load.between(back, back + 60, what)
                assert after and {s for s, _ in after} == {200}, (what, after)
            down = load.between(down_since + 1, load_down, "register")
            assert down and all(s == 503 and retry for s, retry in down), down
            assert {s for s, _ in load.between(killed, back, "peers")} == {200}
            read = load.between(down_since + 1, load_down, "configuration")
            if stale:
                assert read and {s for s, _ in read} == {200}, read
            else:
                assert read and all(s == 503 and retry for s, retry in read), read
            load.check_kept()


def admin(hub, path):
    c = http.client.HTTPConnection("127.0.0.1", hub.admin, timeout=20)
    try:
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


@case
def postgresql_is_killed_under_load():
    killed_under_load(stale=False)


@case
def the_last_good_state_is_served_while_postgresql_is_away():
    killed_under_load(stale=True)


@case
def another_host_takes_over():
    with Folder() as folder, Postgres(folder, "one") as first:
        second = folder / "two"
        dsn = f"host={first.data},{second} user=hub dbname=postgres"
        with Hub("--postgres-dsn", dsn, "--required-services", "") as hub:
            fleet(hub, 1, 2)
            first.kill()
            with Postgres(folder, "two", copy=first):
                body = '{"tls_cert": "after"}'
                wait_until(lambda: node_document(hub, REGISTER, address_of(1), body)[0] == 200, 20)
                assert node_document(hub, address=address_of(1))[0] == 200
                assert b"after" in admin(hub, "/api/admin/v2/builders/node-1/credentials")[1]


def postgres_pid(database):
    return int((database.data / "postmaster.pid").read_text().split()[0])


def sql(database, text):
    # Its own statements have time, whatever the server gives the hub's.
    r = run(database.tools / "psql", "-h", database.data, "-U", "hub", "-d",
            "dbname=postgres options='-c statement_timeout=0'", "-qAt", "-c", text, cwd="/")
    assert r.returncode == 0, r.stderr
    return r.stdout


@case
def sessions_are_ended_under_load():
    """pg_terminate_backend of every session again and again, the listening one and those in a
    transaction among them; then a statement timeout: nothing that was answered 200 is lost, and
    another hub's changes are seen at once."""
    with Folder() as folder, Postgres(folder, "pg") as database:
        flags = ("--postgres-dsn", f"host={database.data} user=hub dbname=postgres",
                 "--required-services", "", "--refresh", "1h")
        with Hub(*flags) as hub, Hub(*flags) as other:
            fleet(hub, 1, 3)
            load = Load(hub)
            for _ in range(30):
                sql(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE pid <> pg_backend_pid() AND application_name <> 'psql'")
                time.sleep(0.1)
            sql(database, "ALTER SYSTEM SET statement_timeout = '1ms'")
            sql(database, "SELECT pg_reload_conf()")
            sql(database, "BEGIN; SET LOCAL statement_timeout = 0; LOCK TABLE builder_configs,"
                          " service_credential_registrations, event_log; SELECT pg_sleep(1)")
            sql(database, "ALTER SYSTEM RESET statement_timeout")
            sql(database, "SELECT pg_reload_conf()")
            calm = time.monotonic()
            for what in ("register", "configuration"):
                wait_until(lambda what=what: len([s for s, _ in load.between(
                    calm, time.monotonic(), what) if s == 200]) > 3, 30, hub.said)
            load.end()
            assert {status for _, _, status, _ in load.seen} <= {200, 503}
            assert all(retry for _, _, status, retry in load.seen if status == 503)
            load.check_kept()
            hub.good("builders", "disable", "node-1")
            wait_until(lambda: node_document(other, PEERS, address_of(1))[0] == 403, 20, other.said)


@case
def a_database_that_takes_connections_and_never_answers():
    """Stopped processes: reads from memory go on, the others are told 503 before long, and it is as
    before when it goes on."""
    with Folder() as folder, Postgres(folder, "pg") as database:
        with Hub("--postgres-dsn", f"host={database.data} user=hub dbname=postgres",
                 "--required-services", "") as hub:
            fleet(hub, 1, 3)
            assert node_document(hub)[0] == 200
            leader = postgres_pid(database)
            stopped = [leader] + [int(p) for p in run("pgrep", "-P", str(leader)).stdout.split()]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                got = []
                body = json.dumps({"tls_cert": "late"})
                threads = [threading.Thread(target=lambda: got.append(
                    patient(hub, REGISTER, address_of(1), body))) for _ in range(20)]
                for t in threads:
                    t.start()
                while any(t.is_alive() for t in threads):
                    assert node_document(hub, PEERS, address_of(2))[0] == 200
                    time.sleep(0.1)
                assert len(got) == 20 and all(s == 503 and retry for s, retry in got), got
                began = time.monotonic()  # who comes later waits for one attempt to connect at most
                assert patient(hub, REGISTER, address_of(1), body)[0] == 503
                assert time.monotonic() - began < 30
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            wait_until(lambda: node_document(hub, REGISTER, address_of(1), body)[0] == 200, 60,
                       hub.said)


def patient(hub, path, address, body):
    """Status and Retry-After, however long it takes."""
    c = http.client.HTTPConnection("127.0.0.1", hub.public, timeout=180)
    try:
        c.request("POST", path, body=body, headers={
            "X-Flashbots-Attestation-Type": "dcap-tdx", "X-Forwarded-For": address,
            "X-Flashbots-Measurement": json.dumps({"0": "11" * 48})})
        r = c.getresponse()
        return r.status, r.getheader("Retry-After")
    finally:
        c.close()


@case
def a_server_that_takes_no_writes_any_more_is_left():
    """Its sessions stay, so that nothing but the refusal tells; the next host takes writes."""
    with Folder() as folder, Postgres(folder, "first") as first:
        dsn = f"host={first.data},{folder / 'second'} user=hub dbname=postgres"
        with Hub("--postgres-dsn", dsn, "--required-services", "") as hub:
            fleet(hub, 1, 3)
            first.kill()
            standby = Postgres(folder, "second", copy=first)
            first.start()

            def added(name, ip):
                return hub.run("builders", "add", name, "--ip", ip, "--network",
                               "production").returncode == 0
            wait_until(lambda: added("node-8", "10.9.9.8"), 30, hub.said)
            with standby as second:
                sql(first, "ALTER SYSTEM SET default_transaction_read_only = on")
                sql(first, "SELECT pg_reload_conf()")
                wait_until(lambda: sql(first, "SHOW default_transaction_read_only") == "on\n", 20)
                wait_until(lambda: added("node-9", "10.9.9.9"), 30, hub.said)
                assert "node-9" in sql(second, "SELECT name FROM builders")
                assert "node-9" not in sql(first, "SELECT name FROM builders")


@case
def a_full_disk_refuses_writes_and_nothing_else():
    """No file of the hub may grow beyond 1 MB: what the disk does not take is refused with 503, and
    the hub goes on."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error, as a full disk gives
    hub = Hub("--required-services", "")
    try:
        with hub:
            fleet(hub, 1, 3)
            hub.stop()
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, old[1]))
            hub.start()
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            body = json.dumps({"tls_cert": "x" * 60000})
            answers = [node_document(hub, REGISTER, address_of(1), body) for _ in range(40)]
            assert answers[0][0] == 200, answers[0]
            refused = [a for a in answers if a[0] != 200]
            assert refused and all(a[0] == 503 and a[1] for a in refused), refused[:3]
            assert node_document(hub, PEERS, address_of(2))[0] == 200
            good = len(answers) - len(refused)
            hub.stop()
            hub.start()  # there is room again
            assert node_document(hub, REGISTER, address_of(2), '{"tls_cert": "y"}')[0] == 200
            kept = json.loads(admin(hub, "/api/admin/v2/builders/node-1/credentials")[1])
            assert len(kept) >= good, (len(kept), good)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def wall_time(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def stored(hub):
    return json.loads(admin(hub, "/api/admin/v2/events")[1])


@case
def the_clock_is_put_forward_and_back():
    """An hour and ten years ahead and behind, and right again, while nodes work: nobody is refused, and
    no event is lost or doubled."""
    with Folder() as folder:
        shift = folder / "shift"
        shift.write_bytes(struct.pack("<q", 0))
        shim = BUILD / "src/hub/libclock_shift.so"
        assert shim.is_file(), "not built"
        with Hub("--required-services", "", "--keep-events", "720h",
                 env={"LD_PRELOAD": str(shim), "BN_CLOCK_SHIFT_FILE": str(shift)}) as hub:
            fleet(hub, 1, 3)
            load = Load(hub)
            hour = 3600 * 1000
            years = 10 * 365 * 86400 * 1000
            for ms in (0, hour, -hour, years, -years, 0):
                with open(shift, "r+b") as f:
                    f.write(struct.pack("<q", ms))
                done = len(load.seen)
                wait_until(lambda done=done: len(load.seen) > done + 60, 60)
                wait_until(lambda ms=ms: abs(wall_time(stored(hub)[0]["at"]) - time.time() -
                                             ms / 1000) < 300, 60, "its clock was not believed")
            load.end()
            assert {status for _, _, status, _ in load.seen} == {200}
            hub.stop()
            hub.start()
            load.check_kept()
            events = stored(hub)
            read = sum(what == "configuration" for _, what, _, _ in load.seen)
            assert len({e["id"] for e in events}) == len(events) == min(read, 1000), read


@case
def a_thousand_nodes_poll():
    with Hub("--required-services", "") as hub:
        fleet(hub, 1, 1001)
        wrong = []

        def poll(part):
            c = http.client.HTTPConnection("127.0.0.1", hub.public, timeout=30)
            for i in range(1 + part, 1001, 4):
                headers = {"X-Flashbots-Attestation-Type": "dcap-tdx",
                           "X-Forwarded-For": address_of(i),
                           "X-Flashbots-Measurement": json.dumps({"0": "11" * 48})}
                for path in (PEERS, "/api/l1-builder/v1/configuration"):
                    c.request("GET", path, headers=headers)
                    r = c.getresponse()
                    text = r.read()
                    if r.status != 200 or (path == PEERS and text.count(b'"name"') != 1000):
                        wrong.append((i, path, r.status))
            c.close()

        threads = [threading.Thread(target=poll, args=(part,)) for part in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong, wrong[:5]
        events = json.loads(admin(hub, "/api/admin/v2/events")[1])
        assert len({e["builder"] for e in events}) == 1000


def memory_of(hub):
    status = pathlib.Path(f"/proc/{hub.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


class SlowReader:
    """Asks for the peers and reads nothing of the answer until it is told to."""

    def __init__(self, hub, address):
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.public, timeout=60)
        self.connection.request("GET", PEERS, headers={
            "X-Flashbots-Attestation-Type": "dcap-tdx", "X-Forwarded-For": address,
            "X-Flashbots-Measurement": json.dumps({"0": "11" * 48})})

    def read(self):
        text = self.connection.getresponse().read()
        self.connection.close()
        return text


@case
def ten_thousand_builders_are_in_the_table():
    """All of it through the program: one file, lists, peers, configurations, registrations, little
    memory, and a start that finds them."""
    count = 10000
    with Hub("--required-services", "") as hub:
        fleet(hub, 1, count + 1)
        assert hub.good("apply", hub.folder / "fleet.yaml", "--yes") == "nothing to change\n"
        rows = json.loads(admin(hub, "/api/admin/v2/builders")[1])
        assert len(rows) == count and all(r["enabled"] and r["has_configuration"] for r in rows)
        assert len(hub.good("builders", "list").splitlines()) == count + 1
        certificate = json.dumps({"tls_cert": "c" * 9000})  # as much as if all had one
        wrong = []

        def work(part):
            for i in range(1 + part, count + 1, 40):
                for path, body in ((REGISTER, certificate),
                                   ("/api/l1-builder/v1/configuration", None)):
                    status = node_document(hub, path, address_of(i), body)[0]
                    if status != 200:
                        wrong.append((i, path, status))

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not wrong, wrong[:5]
        for _ in range(2):
            for address in (address_of(1), address_of(count)):
                status, _, peers = node_document(hub, PEERS, address)
                assert status == 200 and peers.count('"name"') == count
                assert peers.count('"tls_cert"') == count // 10
            assert memory_of(hub) < 64 << 10, memory_of(hub)
            before = memory_of(hub)
            slow = [SlowReader(hub, address_of(1 + i)) for i in range(100)]
            time.sleep(1)
            # They share the 10 MB, and each has a piece of its own.
            assert memory_of(hub) < before + (14 << 10), (before, memory_of(hub))
            assert {r.read() for r in slow} == {peers.encode()}
            gone = SlowReader(hub, address_of(1))
            time.sleep(0.2)
            gone.connection.close()
            hub.stop()
            hub.start()
        hub.good("builders", "disable", f"node-{count}")
        assert node_document(hub, PEERS, address_of(count))[0] == 403
        assert node_document(hub, PEERS, address_of(1))[2].count('"name"') == count - 1


main()
