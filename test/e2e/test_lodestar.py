"""A real consensus client from npm drives `buildernet node`: Lodestar, the version that is whole
there, on a devnet of Capella with the minimal preset."""
import json
import pathlib
import time
import urllib.request

from harness import PROGRAM, Folder, Process, case, free_port, is_listening, main, need, wait_until
from npm import LODESTAR_PRELOAD, consensus_client
from wallet import transaction

LODESTAR = "1.5.1"
PARTS = ("api", "beacon-node", "config", "db", "light-client", "params", "state-transition",
         "types", "utils", "validator", "fork-choice", "reqresp")
OVERRIDES = {**{f"@lodestar/{p}": LODESTAR for p in PARTS}, "@libp2p/tcp": "6.1.2",
             "@multiformats/multiaddr": "11.6.1", "@multiformats/mafmt": "11.1.0"}
CHAIN_ID, KEY = 1337, 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80
GENESIS = {
    "config": {**{f"{f}Block": 0 for f in ("homestead", "eip150", "eip155", "eip158", "byzantium",
                                           "constantinople", "petersburg", "istanbul", "berlin",
                                           "london", "mergeNetsplit")},
               "chainId": CHAIN_ID, "terminalTotalDifficulty": 0,
               "terminalTotalDifficultyPassed": True, "shanghaiTime": 0},
    "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
    "difficulty": "0x0", "mixHash": "0x" + "00" * 32, "coinbase": "0x" + "00" * 20,
    "alloc": {"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266": {"balance": "0x21e19e0c9bab2400000"},
              "0x70997970C51812dc3A010C7d01b50e0d17dc79C8": {"balance": "0x21e19e0c9bab2400000"}},
    "baseFeePerGas": "0x3b9aca00"}
PARAMETERS = """PRESET_BASE: minimal
CONFIG_NAME: devnet
SECONDS_PER_SLOT: 2
MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 8
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_EPOCH: 0
CAPELLA_FORK_EPOCH: 0
TERMINAL_TOTAL_DIFFICULTY: 0
"""
SLOTS = 32


def rpc(port, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}", body,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["result"]


def rest(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def consensus(folder, where, genesis_hash, http, engine, beacon):
    """Lodestar with its validators."""
    (folder / "params.yaml").write_text(PARAMETERS)
    program = where / "node_modules/@chainsafe/lodestar/bin/lodestar.js"
    if not program.exists():
        program = where / "node_modules/.bin/lodestar"
    return Process(need("node"), program, "dev", "--network", "dev", "--paramsFile",
                   folder / "params.yaml", "--dataDir", folder / "cl", "--reset",
                   "--genesisTime", str(int(time.time())),  # before validators register
                   "--genesisValidators", "8", "--startValidators", "0..7", "--genesisEth1Hash",
                   genesis_hash, "--eth1", "true", "--eth1.providerUrls",
                   f"http://127.0.0.1:{http}", "--execution.urls", f"http://127.0.0.1:{engine}",
                   "--jwt-secret", folder / "jwt.hex", "--rest.address", "127.0.0.1",
                   "--rest.port", str(beacon), "--beaconNodes", f"http://127.0.0.1:{beacon}",
                   "--rest.namespace", "*", "--discv5", "false",
                   "--listenAddress", "127.0.0.1", "--port", str(free_port()), "--targetPeers", "0",
                   "--suggestedFeeRecipient", "0x" + "00" * 19 + "fe", "--logFile", "none",
                   cwd=folder,
                   env={"LODESTAR_PRESET": "minimal",
                        "NODE_OPTIONS": f"--require={LODESTAR_PRELOAD}"},
                   log=folder / "lodestar.log")


@case
def lodestar_builds_its_chain_here():
    """A block for each of many slots in a row, with users' transactions, until blocks are final."""
    where = consensus_client("lodestar", {"@chainsafe/lodestar": LODESTAR}, OVERRIDES, timeout=600)
    with Folder() as folder:
        (folder / "genesis.json").write_text(json.dumps(GENESIS))
        (folder / "jwt.hex").write_text("11" * 32)
        (folder / "jwt.hex").chmod(0o600)
        http, engine, beacon = free_port(), free_port(), free_port()
        with Process(PROGRAM, "node", "--genesis", folder / "genesis.json", "--data-folder",
                     folder / "el", "--http-addr", f"127.0.0.1:{http}", "--ws-addr", "",
                     "--engine-addr", f"127.0.0.1:{engine}", "--jwt-secret", folder / "jwt.hex",
                     "--metrics-addr", "", log=folder / "node.log"):
            wait_until(lambda: is_listening(engine))
            genesis = rpc(http, "eth_getBlockByNumber", "0x0", False)
            with consensus(folder, pathlib.Path(where), genesis["hash"], http, engine, beacon):
                wait_until(lambda: int(rpc(http, "eth_blockNumber"), 16) >= 2, 180,
                           "no block came from the consensus client")
                sent = [rpc(http, "eth_sendRawTransaction",
                            "0x" + transaction(KEY, i, chain=CHAIN_ID, fee=10**11).hex())
                        for i in range(5)]
                row = []  # a busy machine may make the client lose one: then the row begins anew

                def whole():
                    number = row[-1]["number"] if row else "0x1"
                    block = rpc(http, "eth_getBlockByNumber", hex(int(number, 16) + bool(row)),
                                False)
                    if not block:
                        return False
                    if row and int(block["timestamp"], 16) != int(row[-1]["timestamp"], 16) + 2:
                        row.clear()
                    row.append(block)
                    return len(row) >= SLOTS
                wait_until(whole, 8 * SLOTS, "no such row of slots")
                for h in sent:
                    assert rpc(http, "eth_getTransactionReceipt", h)["status"] == "0x1"
                assert {b["miner"] for b in row} == {"0x" + "00" * 19 + "fe"}

                def final():
                    block = rpc(http, "eth_getBlockByNumber", "finalized", False)
                    return block and int(block["number"], 16)
                wait_until(final, 60, "nothing is final")
                assert rest(beacon, "/eth/v1/beacon/headers/head")


if __name__ == "__main__":
    main()
