"""The devnet's slots: short ones, a thousand of them, and runs that repeat block by block."""
import json
import os
import time

from devnet_network import Devnet, winner
from harness import PROGRAM, Folder, Skip, alongside, case, main, run

SLOTS = int(os.environ.get("BN_SLOTS", "1000"))


@alongside
def short_slots_keep_their_time():
    """200 ms slots (BN_SLOTS of them): most have a block, times are those of their slots, builders
    win, and bundles land in other nodes' blocks to the end."""
    with Folder() as folder, Devnet(folder, "--slot", "200ms", "--nodes", "2") as net:
        begun = net.state()["chain"]
        net.wait_for(lambda s: s["chain"]["slot"] >= begun["slot"] + SLOTS, SLOTS / 5 + 60)
        state = net.state()
        blocks = net.blocks(begun["head"] + 1, state["chain"]["head"])
        times = [int(b["timestamp"], 16) for b in blocks]
        assert all(a < b for a, b in zip(times, times[1:])), "times go back"
        assert times[-1] - times[0] >= 0.95 * SLOTS, (times[0], times[-1])  # a second a slot
        assert len(blocks) >= 0.9 * SLOTS, len(blocks)
        won = sum(winner(b).startswith("node-") for b in blocks)
        assert won >= 0.5 * len(blocks), (won, len(blocks))
        known = [s for s in state["slots"] if not s["missed"]]
        assert len({s["timestamp"] - s["slot"] for s in known}) == 1
        assert len({s["begins_ms"] - 200 * s["slot"] for s in known}) == 1
        late = [o for o in state["orders"] if o["state"] == "landed"
                and o["winner"] not in (o["node"], "devnet")]
        assert late and late[-1]["block"] > state["chain"]["head"] - 100, late[-1:]
        assert state["state"] == "ready" and all(r["starts"] == 1 for r in state["roles"]), state


@case
def forks_come_when_they_are_asked_for():
    """`--fork osaka@16`: Prague's blocks before, Osaka's from that slot on; builders win on both sides."""
    with Folder() as folder, Devnet(folder, "--fork", "osaka@16", ready=False) as net:
        state = net.wait_for(lambda s: any(x["slot"] > 22 and x.get("by_relay")
                                           for x in s["slots"]), 90)
        genesis = json.loads((net.folder / "genesis.json").read_text())["config"]
        blocks = {x["slot"]: net.rpc("eth_getBlockByNumber", hex(x["number"]), False)
                  for x in state["slots"] if not x["missed"]}
        zero = next(int(b["timestamp"], 16) - s for s, b in blocks.items())
        assert genesis["osakaTime"] == zero + 16 and "bpo1Time" not in genesis, (genesis, zero)
        assert any(s < 16 and winner(b).startswith("node-") for s, b in blocks.items()), blocks
        assert any(s > 16 and winner(b).startswith("node-") for s, b in blocks.items()), blocks
    for wrong in ("paris", "osaka@x", "osaka@15", "shanghai@16"):
        with Folder() as folder:
            r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", "--fork", wrong)
            assert r.returncode != 0 and "--fork" in r.stderr, (wrong, r.stderr)
            assert not (folder / "net").exists(), "what was never started is left behind"


def played(folder, *flags):
    """A run's first blocks."""
    with Devnet(folder, "--seed", "again", "--virtual-clock", "20s", *flags, ready=False) as net:
        state = net.wait_for(lambda s: s["state"] == "ready", 40)
        assert state["chain"]["head"] == 0, "the network was not there before its first slot"
        net.wait_for(lambda s: s["chain"]["head"] >= 12, 90)
        blocks = [net.rpc("eth_getBlockByNumber", hex(n), False) for n in range(13)]
        time.sleep(0.5)
    return blocks, net.process.logged()


def won_by_nodes(folder, *flags):
    """The same of a run in which no bid came too late, which no seed can prevent."""
    for _ in range(3):
        blocks, told = played(folder, *flags)
        if all(winner(b).startswith("node-") for b in blocks[1:]):
            return blocks, told
    raise Skip("this machine is too busy for bids to come in time in three runs")


@case
def two_runs_of_one_seed_have_the_same_blocks():
    """A virtual clock: orders, winners and all hashes of two runs are alike; and of a third that sends
    nothing of its own, but what was recorded of the first."""
    with Folder() as folder:
        one, _ = won_by_nodes(folder, "--record", folder / "first.rec")
        two, _ = won_by_nodes(folder)
        three, told = won_by_nodes(folder, "--replay", folder / "first.rec")
    for other in (two, three):
        assert [b["hash"] for b in one] == [b["hash"] for b in other], \
            [(winner(a), len(a["transactions"]), winner(b), len(b["transactions"]))
             for a, b in zip(one, other)]
    assert int(one[1]["timestamp"], 16) == 1700000001
    assert sum(len(b["transactions"]) > 1 for b in one) >= 8, "orders are missing"
    assert told


if __name__ == "__main__":
    main()
