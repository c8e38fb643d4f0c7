"""Shadow: a network that follows another's chain, builds for its slots, and bids to nobody."""
import json
import urllib.request

import wallet
from devnet_network import Devnet, winner
from harness import PROGRAM, Folder, case, main, run

KEY = 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d  # of account 1


def flags_of(net):
    told = net.told["addresses"]
    return ["--shadow-node", told["chain.rpc"], "--shadow-ws", told["chain.ws"],
            "--shadow-beacon", told["chain.beacon"], "--shadow-relay", told["relay.relay"],
            "--shadow-genesis", net.folder / "genesis.json"]


@case
def a_shadow_builds_every_slot_and_bids_nowhere():
    """Its bids for the slots of a live chain stand beside what was delivered; none reached the relay."""
    with Folder() as one, Folder() as two, Devnet(one) as live, \
            Devnet(two, "--seed", "shadow", "--nodes", "2", *flags_of(live), ready=False) as shadow:
        shadow.wait_for(lambda s: s["state"] == "ready", 60)
        assert shadow.state()["shadow"] and not live.state()["shadow"]
        sent = [0]

        def compared(state):
            # Public transactions: what both networks see.
            if sent[0] == int(live.rpc("eth_getTransactionCount", "0x" + wallet.address(KEY).hex(),
                                       "latest"), 16):
                raw = wallet.transaction(KEY, sent[0], chain=1337, fee=10**11,
                                         tip=2 * 10**10)
                live.rpc("eth_sendRawTransaction", "0x" + raw.hex())
                sent[0] += 1
            return len([s for s in state["slots"] if s.get("own_wei") and s.get("value_wei")]) >= 4
        state = shadow.wait_for(compared, 90)
        both = [s for s in state["slots"] if s.get("own_wei") and s.get("value_wei")]
        assert {s["own_builder"] for s in both} <= {"node-1", "node-2"}, both
        assert all(int(s["own_wei"]) > 0 for s in both), both
        told = json.loads(shadow.do("shadow", "--json"))
        assert told["compared"] >= 4 and told["median_share"] > 0, told
        assert "median share" in shadow.do("shadow")
        # The chain and the relay know nothing of the shadow's builders.
        keys = {n["identity"]["relay_pubkey"] for n in shadow.told["nodes"]}
        for s in both:
            url = (f"{live.told['addresses']['relay.relay']}/relay/v1/data/bidtraces/"
                   f"builder_blocks_received?slot={s['slot']}")
            with urllib.request.urlopen(url, timeout=10) as answer:
                bids = json.loads(answer.read())
            assert bids and not {b["builder_pubkey"] for b in bids} & keys, bids
            block = live.rpc("eth_getBlockByNumber", hex(s["number"]), False)
            assert block["miner"] not in {n["identity"]["builder_address"].lower()
                                          for n in shadow.told["nodes"]}, winner(block)
        config = (shadow.folder / "node-1/etc/builder.toml").read_text()
        urls = [line for line in config.splitlines() if line.startswith("url")]
        assert urls and all("@127.0.0.1:" in u for u in urls), urls
        assert "not its own" in shadow.do("miss-slots", "1", ok=False)
        assert "no shadow" in live.do("shadow", ok=False)


@case
def a_shadow_that_would_bid_outside_does_not_start():
    """An address for bids that is not on loopback is refused, before anything is made."""
    base = ["--shadow-node", "http://192.0.2.1:8545", "--shadow-ws", "ws://192.0.2.1:8546",
            "--shadow-beacon", "http://192.0.2.1:3500", "--shadow-relay", "http://192.0.2.1:5555",
            "--shadow-genesis", "genesis.json"]
    for flags, words in ((["--shadow-bids", "http://192.0.2.1:5555"], "on this machine only"),
                         (["--shadow-bids", "https://relay.example.org"], "on this machine only"),
                         (["--shadow-bids", "http://localhost.example.org"], "on this machine only"),
                         (["--shadow-bids", "http://127.0.0.1@192.0.2.1:1"], "on this machine only"),
                         (["--shadow-relay", ""], "--shadow-relay"),
                         (["--shadow-ws", "http://x"], "ws://HOST:PORT"),
                         (["--until-bundle"], "a shadow follows")):
        with Folder() as folder:
            own = [x for i in range(0, len(base), 2) if base[i] not in flags
                   for x in base[i:i + 2]]
            r = run(PROGRAM, "devnet", "up", "--folder", folder / "net", *own, *flags)
            assert r.returncode != 0 and words in r.stderr, (flags, r.stderr)
            assert not (folder / "net").exists()


if __name__ == "__main__":
    main()
