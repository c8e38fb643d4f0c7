"""The devnet in network namespaces: every node in one of its own, linked by veth devices."""
import os
import pathlib
import shutil
import signal
import subprocess

from devnet_network import Devnet, landed, processes_of
from harness import PROGRAM, Folder, Skip, case, main, run, wait_until


def need_namespaces(*flags):
    """Skips what this machine does not allow, with the program's own reason."""
    with Folder() as folder:
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--until-ready", "--nodes", "1",
                "--netns", *flags)
        if r.returncode and ("netns" in r.stderr or "namespace" in r.stderr
                             or "iproute2" in r.stderr):
            raise Skip(r.stderr.strip())
        assert r.returncode == 0, r.stdout + r.stderr


def namespace_of(net, role):
    return os.readlink(f"/proc/{net.role(role)['pid']}/ns/net")


def processes_in(space):
    """Ids of the processes in a network namespace."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns/net") == space:
                found.append(entry.name)
        except OSError:
            pass
    return found


def devices_of(net, role):
    """Bytes that came in, by device, in the namespace of a role."""
    lines = pathlib.Path(f"/proc/{net.role(role)['pid']}/net/dev").read_text().splitlines()[2:]
    return {x.split(":")[0].strip(): int(x.split(":")[1].split()[0]) for x in lines}


def shaped(net, role, device):
    """What tc shows of a device in a role's namespace."""
    return run("nsenter", "-t", net.role(role)["pid"], "-n", "tc", "qdisc", "show", "dev",
               device).stdout


@case
def nodes_have_networks_of_their_own():
    """`--netns veth`: each node's roles in one namespace, what they say to others on their veth
    devices; bundles land across, faults and nodes that are added work as ever, nothing is left."""
    need_namespaces("veth")
    before = run("ip", "-brief", "link").stdout
    with Folder() as folder, Devnet(folder, "--netns", "veth", "--nodes", "2") as net:
        own = os.readlink("/proc/self/ns/net")
        spaces = {x: namespace_of(net, f"{x}.orderflow") for x in ("node-1", "node-2")}
        assert len({own, *spaces.values()}) == 3 and namespace_of(net, "chain") == own, spaces
        for role in ("boot", "proxy", "builder", "system-api"):
            assert namespace_of(net, f"node-1.{role}") == spaces["node-1"], role
        net.wait_for(lambda s: any(o["winner"] not in (o["node"], "devnet")
                                   for o in landed(s)), 60)
        # hub, chain, relay, and the other node: each on a device of its own.
        came = devices_of(net, "node-1.orderflow")
        assert sorted(x for x in came if x.startswith("v")) == sorted(
            x for x, n in came.items() if n > 0 and x != "lo") and len(came) == 5, came
        assert run("ip", "-brief", "link").stdout == before, "the machine's own network changed"
        net.do("fault", "add", "node-1<->node-2", "cut")
        begun = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s, "node-1") if o["sent_ms"] > begun + 500], 60)
        assert all(o["winner"] in ("node-1", "devnet") for o in landed(net.state(), "node-1")
                   if o["sent_ms"] > begun + 500)
        net.do("fault", "clear")
        net.do("add-node")
        net.wait_for(lambda s: s["state"] == "ready"
                     and net.role("node-3.builder", s)["state"] == "ready", 40)
        assert namespace_of(net, "node-3.builder") not in (own, *spaces.values())
        net.wait_for(lambda s: landed(s, "node-3"), 60)
        # The network knows who speaks, also across namespaces.
        pairs = {(p["from"], p["to"]) for p in net.state()["links"]}
        assert ("node-1.orderflow", "node-2.orderflow") in pairs or \
            ("node-2.orderflow", "node-1.orderflow") in pairs, pairs
        assert ("node-3.builder", "relay") in pairs and ("node-1.proxy", "hub") in pairs, pairs
        net.process.signal(signal.SIGINT)
        net.process.wait(20)
    assert run("ip", "-brief", "link").stdout == before


@case
def killed_networks_leave_no_namespace():
    """kill -9 of `up --netns`: roles, devices and namespaces end with it."""
    need_namespaces("veth")
    with Folder() as folder:
        net = Devnet(folder, "--netns", "veth", "--nodes", "1")
        with net:
            space = namespace_of(net, "node-1.orderflow")
            net.process.signal(signal.SIGKILL)
            net.process.wait(10)
            # The kernel ends them one after the other: soon, not at once.
            wait_until(lambda: not processes_of(folder), 10, "roles outlive the supervisor")
            wait_until(lambda: not processes_in(space), 10, "the namespace has processes still")


@case
def the_kernel_makes_delay_and_loss():
    """`--netns netem`: delay, jitter and drop between places are netem's, on the sender's device;
    gone with the fault."""
    need_namespaces("netem")
    with Folder() as folder, Devnet(folder, "--netns", "netem", "--nodes", "2") as net:
        net.do("fault", "add", "node-1->node-2", "delay", "40ms", "jitter", "20ms")
        net.do("fault", "add", "node-1->relay", "drop", "5%")
        devices = [x for x in devices_of(net, "node-1.orderflow") if x.startswith("v")]

        def shows(*words):
            return any(all(w in shaped(net, "node-1.orderflow", d) for w in words)
                       for d in devices)
        net.wait_for(lambda s: shows("netem", "delay 50ms", "10ms"), 10)
        net.wait_for(lambda s: shows("netem", "loss 5%"), 10)
        net.wait_for(landed, 60)
        net.do("fault", "clear")
        net.wait_for(lambda s: not shows("delay 50ms") and not shows("loss 5%"), 10)


@case
def what_is_missing_is_said():
    """Without root, and with parts that it does not go with."""
    with Folder() as folder:
        for flags in (["--cl", "lodestar"], ["--netns", "bridge"]):
            r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--netns", "veth", *flags)
            assert r.returncode != 0 and "netns" in r.stderr or "lodestar" in r.stderr, r.stderr
        if os.geteuid() != 0:
            raise Skip("only root can become another user")
        own = folder / "own"
        own.mkdir(mode=0o755)
        folder.chmod(0o755)
        shutil.copy(PROGRAM, own / "buildernet")
        os.chown(own, 65534, 65534)
        r = subprocess.run([own / "buildernet", "devnet", "up", "--folder", own / "net", "--netns",
                            "veth"], capture_output=True, text=True, timeout=30, user=65534,
                           group=65534, extra_groups=[], check=False)
        assert r.returncode != 0 and "--netns needs root" in r.stderr, r.stdout + r.stderr
        assert not (own / "net").exists()


if __name__ == "__main__":
    main()
