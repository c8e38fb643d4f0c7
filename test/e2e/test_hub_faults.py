"""What the hub does when what it stands on fails: PostgreSQL killed under load, failover to another
host, a full disk; and a thousand nodes at once."""
import http.client
import json
import os
import pathlib
import resource
import signal
import struct
import threading
import time

from harness import BUILD, Folder, case, main, wait_until
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


@case
def the_clock_is_put_forward_and_back():
    """Ten years ahead, ten years behind, and right again, while nodes work: nobody is refused, and
    no event is lost or doubled."""
    with Folder() as folder:
        shift = folder / "shift"
        shift.write_bytes(struct.pack("<q", 0))
        shim = BUILD / "src/hub/libclock_shift.so"
        with Hub("--required-services", "", "--keep-events", "720h",
                 env={"LD_PRELOAD": str(shim), "BN_CLOCK_SHIFT_FILE": str(shift)}) as hub:
            fleet(hub, 1, 3)
            load = Load(hub)
            years = 10 * 365 * 86400 * 1000
            for ms in (0, years, -years, 0):
                with open(shift, "r+b") as f:
                    f.write(struct.pack("<q", ms))
                done = len(load.seen)
                wait_until(lambda: len(load.seen) > done + 60, 20)
                time.sleep(0.5)  # events get their time when they are stored
            load.end()
            assert {status for _, _, status, _ in load.seen} == {200}
            hub.stop()
            hub.start()
            load.check_kept()
            events = json.loads(admin(hub, "/api/admin/v2/events")[1])
            read = sum(what == "configuration" for _, what, _, _ in load.seen)
            assert len({e["id"] for e in events}) == len(events) == min(read, 1000), read
            assert len({e["at"][:4] for e in events}) == 3  # its clock was believed


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
            slow = [SlowReader(hub, address_of(1 + i)) for i in range(100)]
            time.sleep(1)
            assert memory_of(hub) < 96 << 10, memory_of(hub)  # they share the 10 MB
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
