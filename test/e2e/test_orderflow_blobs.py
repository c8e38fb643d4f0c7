"""Blobs on their way from senders through orderflow, builder and relay into a block."""
import json
import urllib.request

from harness import PROGRAM, Folder, Process, case, main, run, wait_until

BLOB = "0x00f00d" + "00" * (131072 - 3)  # what the load generator makes of 0xf00d

BUNDLES = """
[[spam]]
[[spam.bundle.tx]]
to = "{_sender}"
blob_data = "0xf00d"
gas_limit = 21000
[[spam.bundle.tx]]
to = "{_sender}"
value = "1"
gas_limit = 21000
"""


def ask(url, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


@case
def blobs_land_and_can_be_fetched():
    """Blob transactions, alone and in bundles, sent through orderflow, land; the consensus client
    serves their blobs."""
    with Folder() as folder:
        net = folder / "net"
        with Process(PROGRAM, "devnet", "up", "--folder", net, "--slot", "2s",
                     log=folder / "up.log") as up:
            wait_until(lambda: (net / "devnet.json").exists(), 20, up.logged)
            at = json.loads((net / "devnet.json").read_text())["addresses"]
            wait_until(lambda: run(PROGRAM, "devnet", "status", "--folder", net).returncode == 0,
                       60, up.logged)
            rpc = lambda method, *params: ask(at["chain.rpc"], {
                "jsonrpc": "2.0", "id": 1, "method": method, "params": params})["result"]
            genesis = int(ask(at["chain.beacon"] + "/eth/v1/beacon/genesis")["data"]
                          ["genesis_time"])
            users = ",".join(at[f"node-{i}.orderflow.users"] for i in (1, 2, 3))
            (folder / "bundles.toml").write_text(BUNDLES)
            # A bundle is for one block: of those that come late in the slot some miss it.
            for scenario, least in (("blobs", 11), (folder / "bundles.toml", 6)):
                r = run(PROGRAM, "load", "--url", at["chain.rpc"], "--orders-url", users, "--json",
                        "--scenario", scenario, "--rate", "3", "--count", "12", "--wait", "40s",
                        timeout=150)
                report = json.loads(r.stdout)
                assert report["accepted"] == 12 and report["landed"] >= least, report
                fetched = 0
                for block in (b for b in report["blocks"] if b["ours"]):
                    got = rpc("eth_getBlockByNumber", hex(block["number"]), True)
                    hashes = [h for t in got["transactions"]
                              for h in t.get("blobVersionedHashes", [])]
                    slot = (int(got["timestamp"], 16) - genesis) // 2
                    url = f"{at['chain.beacon']}/eth/v1/beacon/blobs/{slot}"
                    blobs = ask(url)["data"]
                    assert blobs == [BLOB] * len(hashes), (len(blobs), hashes)
                    if hashes:
                        assert ask(f"{url}?versioned_hashes={hashes[0]}")["data"] == blobs
                        assert ask(f"{url}?versioned_hashes=0x{'01' * 32}")["data"] == []
                    assert all(h.startswith("0x01") for h in hashes)
                    fetched += len(hashes)
                assert fetched >= least, report


main()
