"""Faults that can be made in a devnet, each seen in what the chain holds."""
from devnet_network import Devnet, landed, winner
from harness import Folder, case, main, wait_until


def blocks_after(net, slot, count, seconds=60, proposed=True):
    """The records of `count` slots behind one, when the relay has been asked about them."""
    def known(s):
        return [x for x in s["slots"] if x["slot"] > slot
                and (x["missed"] or "bids" in x or not proposed)]
    state = net.wait_for(lambda s: len(known(s)) >= count, seconds)
    return known(state)


def now(net):
    return net.state()["chain"]["slot"]


@case
def a_withheld_payload_costs_its_slots_only():
    """The relay reveals nothing in six slots: no block of them is one that it was asked for, slots are
    missed and the reason told; before and after, its blocks are there."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 60)
        first = now(net) + 3
        last = first + 5
        net.do("fault", "add", "relay->chain", "withhold", "slots", f"{first}-{last}")
        state = net.wait_for(lambda s: any(x["slot"] > last + 1 and not x["missed"]
                                           and x["by_relay"] for x in s["slots"]), 90)
        held = [x for x in state["slots"] if first <= x["slot"] <= last]
        # Where no bid came in time the proposer built the block itself.
        assert all(x["missed"] or not x["by_relay"] for x in held), held
        missed = [x for x in held if x["missed"]]
        assert missed and any("payload" in (x["reason"] or "") for x in missed), held
        known = next(x for x in state["slots"] if not x["missed"])
        zero = known["timestamp"] - known["slot"]
        times = {int(b["timestamp"], 16) for b in net.blocks(1, state["chain"]["head"])}
        assert not times & {zero + x["slot"] for x in missed}, (times, missed)
        assert "payload" in net.do("feed")


@case
def wrong_roots_are_refused_and_others_win():
    """One builder's blocks have a wrong state root: the relay refuses each, and it wins no slot."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 40)
        net.do("fault", "add", "node-1->relay", "wrong-root")
        rows = blocks_after(net, now(net) + 1, 8)
        winners = {winner(net.rpc("eth_getBlockByNumber", hex(x["number"]), False))
                   for x in rows if not x["missed"]}
        assert "node-1" not in winners and winners & {"node-2", "node-3"}, winners
        # Orders that came through the node still land: its orderflow is sound.
        net.wait_for(lambda s: [o for o in landed(s, "node-1") if o["block"] >= rows[0].get(
            "number", 0) and o["winner"] in ("node-2", "node-3")], 40)
        assert sum(p["faults"] for p in net.state()["links"] if p["to"] == "relay") > 0
        net.do("fault", "clear")
        slot = now(net) + 1
        net.wait_for(lambda s: any(x["slot"] > slot and x.get("winner") == "node-1"
                                   and x["by_relay"] for x in s["slots"]), 60)


@case
def wrong_and_expired_quotes_are_refused():
    """A node whose quotes are of an unknown platform, or expired, gets nothing from the hub."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 40)
        for kind, words in (("expired", "PCK_CERT_CHAIN_EXPIRED"),
                            ("wrong", "PCK_CERT_CHAIN_UNTRUSTED")):
            net.do("quote", "node-2", kind)
            net.wait_for(lambda s: net.node("node-2", s)["hub"] != "ok", 30)
            wait_until(lambda w=words: w in net.do("logs", "hub-proxy"), 20, words)
            slot = now(net)
            rows = blocks_after(net, slot, 3)
            assert any(not x["missed"] for x in rows), rows  # the others go on
        net.do("quote", "node-2", "good")
        net.wait_for(lambda s: net.node("node-2", s)["hub"] == "ok"
                     and net.role("node-2.orderflow", s)["state"] == "ready", 40)
        begun = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s, "node-2") if o["sent_ms"] > begun], 60)
        assert "good, wrong or expired" in net.do("quote", "node-2", "nice", ok=False)
        assert "no node" in net.do("quote", "node-9", "good", ok=False)


@case
def a_node_with_a_wrong_clock_does_not_stop_the_others():
    """A node an hour ahead wins nothing; the other two go on sharing; it comes back with its time."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 40)
        net.do("clock", "node-2", "1h")
        wait_until(lambda: "shifted by 1h" in net.do("logs", "node-2.builder"), 20)
        slot = now(net) + 2
        rows = blocks_after(net, slot, 6)
        number = min(x["number"] for x in rows if not x["missed"])
        names = {winner(net.rpc("eth_getBlockByNumber", hex(x["number"]), False))
                 for x in rows if not x["missed"]}
        assert "node-2" not in names and names & {"node-1", "node-3"}, names
        net.wait_for(lambda s: [o for o in landed(s) if o["block"] >= number
                                and {o["node"], o["winner"]} == {"node-1", "node-3"}], 60)
        net.do("clock", "node-2", "0s")
        slot = now(net)
        net.wait_for(lambda s: any(x["slot"] > slot and x.get("winner") == "node-2"
                                   for x in s["slots"]), 90)
        net.do("clock", "node-3.builder", "-250ms")
        wait_until(lambda: "shifted by -250ms" in net.do("logs", "node-3.builder"), 20)
        assert "cannot be shifted" in net.do("clock", "chain", "1s", ok=False)
        assert "there is no role" in net.do("clock", "nobody", "1s", ok=False)


@case
def slow_and_broken_links_lose_no_slot():
    """Resets, flipped bits and slow bodies between a node and everybody: the others' blocks go on,
    and orders sent to it still land."""
    with Folder() as folder, Devnet(folder) as net:
        net.wait_for(landed, 40)
        for words in (("node-3->node-1", "reset", "5%"), ("node-3<->node-2", "corrupt", "1%"),
                      ("node-3->relay", "rate", "20KiB")):
            net.do("fault", "add", *words)
        rows = blocks_after(net, now(net) + 1, 10)
        assert sum(not x["missed"] for x in rows) >= 8, rows
        begun = net.state()["now_ms"]
        net.wait_for(lambda s: [o for o in landed(s, "node-3") if o["sent_ms"] > begun - 10000], 60)


if __name__ == "__main__":
    main()
