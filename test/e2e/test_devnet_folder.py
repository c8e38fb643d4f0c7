"""A devnet's folder: networks that go on, and folders, ports and disks that do not serve."""
import json
import os
import socket

from devnet_network import Devnet, landed, processes_of, winner
from harness import PROGRAM, Folder, case, main, run


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


if __name__ == "__main__":
    main()
