"""The devnet with Lodestar, the consensus client from npm, and other execution clients behind it."""
import os
import time

from devnet_network import Devnet, landed, processes_of, winner
from harness import BUILD, PROGRAM, Folder, Skip, case, main, need, run, wait_until

CACHE = {"XDG_CACHE_HOME": str(BUILD / "npm-cache")}


def asked_for():
    """Minutes of slots, and half a gigabyte to install."""
    if os.environ.get("BN_LODESTAR") != "1":
        raise Skip("takes minutes: run with BN_LODESTAR=1, or make test-lodestar")
    need("npm")
    run(PROGRAM, "devnet", "up", "--folder", BUILD / "npm-cache/first", "--cl", "lodestar", "--el",
        "ethereumjs", "--until-bundle", "--timeout", "1s", timeout=900,
        env={**os.environ, **CACHE})  # installs both


def chain_of_builders(net):
    """Blocks of nodes that Lodestar proposed through the relay, with bundles of other nodes."""
    state = net.wait_for(lambda s: any(o["winner"] not in (o["node"], "devnet")
                                       for o in landed(s)), 240)
    order = next(o for o in landed(state) if o["winner"] not in (o["node"], "devnet"))
    block = net.block_of(order["tx"])
    assert winner(block) == order["winner"], (block, order)
    assert block["miner"] != "0x" + "00" * 19 + "fe"  # the proposer's own
    return state


@case
def lodestar_proposes_what_nodes_build():
    """`--cl lodestar`: its blocks are the nodes' by way of the relay; it goes on after a pause, and a
    kill, which ends its chain, is told as what it is."""
    asked_for()
    with Folder() as folder:
        with Devnet(folder, "--cl", "lodestar", "--nodes", "2", ready=False, env=CACHE) as net:
            net.wait_for(lambda s: s["state"] == "ready", 120)
            chain_of_builders(net)
            net.do("role", "pause", "beacon")
            time.sleep(5)
            net.do("role", "resume", "beacon")
            head = net.state()["chain"]["head"]
            net.wait_for(lambda s: s["chain"]["head"] > head + 2, 120)
            net.do("role", "kill", "beacon")
            net.wait_for(lambda s: net.role("beacon", s)["state"] == "failed"
                         and "not final" in net.role("beacon", s)["reason"], 30)
            assert "Lodestar" in net.do("miss-slots", "1", ok=False)
        assert not processes_of(net.folder)


@case
def ethereumjs_executes_beside_it():
    """`--el ethereumjs`: Lodestar's execution client is that one; both hold one chain."""
    asked_for()
    with Folder() as folder, Devnet(folder, "--cl", "lodestar", "--el", "ethereumjs", "--nodes", "2",
                                    ready=False, env=CACHE) as net:
        net.wait_for(lambda s: s["state"] == "ready", 180)
        state = chain_of_builders(net)
        same_chain(net, state["chain"]["head"])


def same_chain(net, number):
    """The execution client and the devnet's own node have the same block."""
    def block(client):
        return net.rpc("eth_getBlockByNumber", hex(number), False, client=client)
    own, other = (wait_until(lambda c=c: block(c), 20, f"{c} has no block {number}")
                  for c in ("chain", "execution"))
    assert own["hash"] == other["hash"], (own, other)


@case
def any_program_may_be_its_execution_client():
    """`--el PATH`: run with the five words that the manual names."""
    asked_for()
    with Folder() as folder:
        script = folder / "client"
        script.write_text(f"""#!/bin/sh
[ "$1 $3 $5 $7 $9" = "--genesis --jwt-secret --data --http-port --engine-port" ] || exit 9
exec {PROGRAM} node --genesis "$2" --jwt-secret "$4" --data-folder "$6" --http-addr 127.0.0.1:"$8" \\
    --engine-addr 127.0.0.1:"${{10}}" --ws-addr "" --metrics-addr ""
""")
        script.chmod(0o755)
        with Devnet(folder, "--cl", "lodestar", "--el", script, "--nodes", "2", ready=False,
                    env=CACHE) as net:
            net.wait_for(lambda s: s["state"] == "ready", 120)
            same_chain(net, chain_of_builders(net)["chain"]["head"])


@case
def what_does_not_go_together_is_told():
    """Settings that Lodestar's chain can not have, and a registry that is out of reach."""
    with Folder() as folder:
        for words, text in ((["--el", "ethereumjs"], "--el needs --cl"),
                            (["--cl", "lodestar", "--slot", "500ms"], "--slot 2s"),
                            (["--cl", "lodestar", "--fork", "prague"], "--fork"),
                            (["--cl", "lodestar", "--virtual-clock", "5s"], "--virtual-clock"),
                            (["--cl", "lodestar", "--el", "geth"], "absolute path"),
                            (["--cl", "lodestar", "--el", "/etc/passwd"], "absolute path"),
                            (["--cl", "prysm"], "own|lodestar")):
            r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", *words)
            assert r.returncode != 0 and text in r.stderr, (words, r.stderr)
        need("npm")
        need("node")
        r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--cl", "lodestar",
                env={**os.environ, "XDG_CACHE_HOME": str(folder), "npm_config_fetch_retries": "0",
                     "npm_config_registry": "http://127.0.0.1:9", "npm_config_cache": str(folder / "c")})
        assert r.returncode != 0 and "does it reach a registry" in r.stderr, r.stderr
        assert not list((folder / "buildernet/npm").iterdir()) and not (folder / "net").exists()


if __name__ == "__main__":
    main()
