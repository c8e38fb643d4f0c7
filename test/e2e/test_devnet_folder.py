"""A devnet's folder: networks that go on, and folders, ports and disks that do not serve."""
import json
import os
import signal
import socket
import time

from devnet_network import Devnet, landed, processes_of, winner
from harness import PROGRAM, Folder, Process, case, main, run, wait_until


def up(folder, *flags, **options):
    return run(PROGRAM, "devnet", "up", "--folder", folder, *flags, **options)


@case
def an_ended_network_goes_on():
    """`up --keep`, `down`, `up --continue`: the same blocks, keys, certificates and nodes, and what
    the hub was told; bundles land on top."""
    with Folder() as folder:
        with Devnet(folder, "--keep", "--seed", "mine", "--nodes", "2") as net:
            net.do("add-node", "other-image")
            net.wait_for(lambda s: net.node("node-3", s)["hub"] == "refused")
            before = net.wait_for(landed, 40)
            net.do("revoke", "node-2")  # and with it node-1, which runs the same
            net.do("allow", "other-image")
            net.wait_for(lambda s: net.node("node-3", s)["enabled"]
                         and not net.node("node-1", s)["enabled"], 30)
            order = landed(before)[0]
            certificate = (net.folder / "node-1/cert.pem").read_bytes()
            told = json.loads((net.folder / "devnet.json").read_text())
            net.do("down")
            assert net.process.wait(20) == 0
        assert (net.folder / "network.json").exists() and not (net.folder / "devnet.json").exists()
        for flags, word in ((["--seed", "other"], "--seed"), (["--nodes", "7"], "--nodes"),
                            (["--slot", "2s"], "--slot"), (["--db", "postgres"], "--db"),
                            (["--fork", "prague"], "--fork")):
            r = up(net.folder, "--continue", "--until-ready", *flags)
            assert r.returncode != 0 and word in r.stderr, (flags, r.stdout + r.stderr)
        with Devnet(folder, "--continue", ready=False) as net:
            assert [n["identity"] for n in net.told["nodes"]] == [n["identity"]
                                                                 for n in told["nodes"]]
            assert (net.folder / "node-1/cert.pem").read_bytes() == certificate
            # What the hub was told still holds: the first image is out, the other one is in.
            net.wait_for(lambda s: net.node("node-3", s)["enabled"]
                         and net.node("node-1", s)["hub"] == "refused", 30)
            assert not net.node("node-1")["enabled"]
            net.do("allow", "node-1")
            state = net.wait_for(lambda s: s["state"] == "ready" and any(
                o["winner"] not in (o["node"], "devnet") for o in landed(s)), 60)
            assert state["chain"]["head"] > before["chain"]["head"]
            block = net.rpc("eth_getBlockByNumber", hex(order["block"]), False)
            assert order["tx"] in block["transactions"] and winner(block) == order["winner"]
            assert all(o["block"] > order["block"] for o in landed(state))
        assert (net.folder / "network.json").exists(), "what goes on is kept again"
        (net.folder / "network.json").write_text("{")
        r = up(net.folder, "--continue", "--until-ready")
        assert r.returncode != 0 and "network.json" in r.stderr, r.stderr
        assert (net.folder / "chain").exists(), "a network that could not go on is not removed"


@case
def a_fresh_start_is_said_to_be_one():
    """Without `--continue` a kept network is replaced, and `up` says so; there is nothing to go on
    with where none was kept."""
    with Folder() as folder:
        net = folder / "net"
        r = up(net, "--continue", "--until-ready")
        assert r.returncode != 0 and "no network to go on with" in r.stderr, r.stderr
        assert not net.exists()
        assert up(net, "--nodes", "1", "--until-ready", "--keep", "--seed", "one").returncode == 0
        r = up(net, "--nodes", "1", "--until-ready")
        assert r.returncode == 0 and "in place of one that ended here" in r.stdout, r.stdout
        assert not net.exists()
        for flags in (["--scenario", "x.toml"], ["--replay", "x.rec"], ["--cl", "lodestar"]):
            r = up(net, "--continue", *flags)
            assert r.returncode != 0, flags


@case
def a_start_that_fails_keeps_what_was_kept():
    """A new network in place of a kept one: the kept one goes when the new one has its ports and
    has begun, and not before."""
    with Folder() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        net, port = folder / "net", taken.getsockname()[1]
        recording = net / "orders.rec"
        r = up(net, "--nodes", "1", "--until-ready", "--keep", "--seed", "one", "--record", recording)
        assert r.returncode == 0, r.stderr
        kept = {p.name: p.read_bytes() for p in net.iterdir() if p.is_file()}
        for flags, word in ((["--port-base", port], "in use"), (["--page-port", port], "in use"),
                            (["--record", "/proc/nowhere"], "/proc/nowhere"),
                            (["--replay", recording], "move the recording")):
            r = up(net, "--nodes", "1", "--until-ready", *flags)
            assert r.returncode != 0 and word in r.stderr, (flags, r.stdout, r.stderr)
            left = {p.name: p.read_bytes() for p in net.iterdir() if p.is_file()}
            assert left == kept, (flags, [n for n in {*left, *kept} if left.get(n) != kept.get(n)])
        with Devnet(folder, "--continue") as again:
            assert again.told["seed"] == "one"


@case
def interrupted_starts_leave_nothing():
    """Ctrl-C at every moment of the start: no process, no folder."""
    with Folder() as folder:
        net = folder / "net"
        for ms in [*range(30, 130, 10), 200, 350, 600, 900, 1400]:
            with Process(PROGRAM, "devnet", "up", "--folder", net, "--nodes", "2",
                         log=folder / "up.log") as process:
                time.sleep(ms / 1000)
                process.signal(signal.SIGINT)
                process.wait(20)
            assert not net.exists(), (ms, list(net.iterdir()), process.logged()[-500:])
            assert not processes_of(net), ms


@case
def interrupted_proofs_leave_nothing():
    """Ctrl-C before what was waited for has come: status 1 and no folder; when it came just before,
    status 0 and no folder. A network that failed is kept, to be looked at."""
    with Folder() as folder:
        net = folder / "net"
        cases = ((["--until-bundle"], 100), (["--until-bundle"], 800), (["--until-bundle"], 2500),
                 (["--until-ready"], 400), (["--show"], 300), (["--show"], 2500))
        for flags, ms in cases:
            log = folder / f"up{flags[0]}-{ms}.log"
            with Process(PROGRAM, "devnet", "up", "--folder", net, "--nodes", "2", "--slot", "60s",
                         *flags, log=log) as process:
                time.sleep(ms / 1000)
                process.signal(signal.SIGINT)
                # On a busy machine it may not look after signals yet: it ends by this one then. On
                # an idle one the network may have been ready before the interrupt.
                code = process.wait(20)
                came = flags == ["--until-ready"] and "network            ready" in process.logged()
                expected = (0,) if came else (1, -signal.SIGINT)
                assert code in expected, (flags, ms, code, process.logged()[-500:])
            assert not net.exists(), (flags, ms, process.logged()[-500:])
            assert not processes_of(net), (flags, ms)
        r = up(net, "--nodes", "1", "--slot", "60s", "--until-bundle", "--timeout", "1s")
        assert r.returncode == 1 and net.exists(), (r.stdout, r.stderr)


@case
def places_that_do_not_serve_are_named():
    """Ports that are taken, folders that are somebody's, that cannot be written, that are full."""
    with Folder() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        net = folder / "net"
        for flags in (["--port-base", port], ["--page-port", port]):
            r = up(net, "--until-ready", *flags)
            assert r.returncode != 0 and str(port) in r.stderr and "in use" in r.stderr, r.stderr
            assert not net.exists()
        (folder / "own").mkdir()
        (folder / "own/file").write_text("kept")
        r = up(folder / "own", "--until-ready")
        assert r.returncode != 0 and "no devnet's folder" in r.stderr, r.stderr
        assert (folder / "own/file").read_text() == "kept"
        r = up("/proc/nowhere", "--until-ready")
        assert r.returncode != 0 and "/proc/nowhere" in r.stderr, r.stderr
        if os.geteuid() != 0:
            return
        small = folder / "small"
        small.mkdir()
        for size, word in (("64k", "No space left"), ("512k", "full"), ("1200k", "full")):
            if run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", small).returncode:
                return  # not allowed here
            try:
                r = up(small / "net", "--until-ready", "--timeout", "8s")
                assert r.returncode != 0 and word in r.stdout + r.stderr, (size, r.stdout, r.stderr)
            finally:
                run("umount", small)


@case
def networks_run_beside_each_other():
    """Two names, two folders; a second one in a folder is refused and changes nothing."""
    with Folder() as folder:
        env = {"XDG_STATE_HOME": str(folder)}
        ones = [Process(PROGRAM, "devnet", "up", "--name", name, "--nodes", "1", env=env,
                        log=folder / f"{name}.log") for name in ("one", "two")]
        try:
            for name, one in zip(("one", "two"), ones):
                wait_until(lambda one=one: "network            ready" in one.logged(), 60, one.logged)
                r = run(PROGRAM, "devnet", "status", "--name", name,
                        env={**os.environ, **env})
                assert r.returncode == 0 and r.stdout.startswith(f"{name}: ready"), r.stdout
            r = run(PROGRAM, "devnet", "up", "--name", "one", env={**os.environ, **env})
            assert r.returncode != 0 and "runs in" in r.stderr, r.stderr
            r = run(PROGRAM, "devnet", "down", "--name", "two", env={**os.environ, **env})
            assert r.returncode == 0, r.stderr
            r = run(PROGRAM, "devnet", "status", "--name", "one", env={**os.environ, **env})
            assert r.returncode == 0, r.stdout + r.stderr
        finally:
            for one in ones:
                one.__exit__()
        assert not (folder / "buildernet/one").exists()


if __name__ == "__main__":
    main()
