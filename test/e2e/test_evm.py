"""`buildernet evm`: files of tests in all the forms they come in, and the transition tool."""
import gzip
import io
import json
import os
import subprocess
import tarfile

from harness import PROGRAM, Folder, case, main, run

EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
NO_LOGS = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
KEY = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8"
SENDER = "0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b"
COINBASE = "0x2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"
CONTRACT = "0x000000000000000000000000000000000000c0de"
SYSTEM = {  # EIP-7002, EIP-7251: no requests
    "0x00000961ef480eb55e80d19ad83579a64c007002": {"nonce": "0x1", "code": "0x00"},
    "0x0000bbddc7ce488642fb579f8b00f3a590007251": {"nonce": "0x1", "code": "0x00"},
}


def state_test(name="one", root=EMPTY_ROOT, **post):
    """A transaction that no one can pay, on a state of nothing."""
    return json.dumps({name: {
        "env": {"currentCoinbase": COINBASE, "currentNumber": "1", "currentTimestamp": "1000",
                "currentGasLimit": "0x1c9c380", "currentRandom": "0x00", "currentBaseFee": "0x7"},
        "pre": {},
        "transaction": {"data": ["0x"], "gasLimit": ["0x5208"], "value": ["0x1"], "nonce": "0x0",
                        "to": CONTRACT, "gasPrice": "0xa", "secretKey": KEY},
        "post": {fork: [{"hash": root, "logs": NO_LOGS, "expectException": "no funds",
                         "indexes": {"data": 0, "gas": 0, "value": 0}, **post}]
                 for fork in ("London", "Shanghai")}}}).encode()


def statetest(*arguments):
    r = run(PROGRAM, "evm", "statetest", *map(str, arguments))
    assert r.stderr == "", r
    return r.returncode, r.stdout.splitlines()


@case
def files_of_tests_come_as_files_folders_and_archives():
    with Folder() as folder:
        content = state_test()
        (folder / "a").mkdir()
        (folder / "a" / "test.json").write_bytes(content)
        (folder / "a" / "notes.txt").write_bytes(b"not a test")
        (folder / "test").write_bytes(content)
        (folder / "test.json.gz").write_bytes(gzip.compress(content))
        with tarfile.open(folder / "tests.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
            for name in ("deep/test.json", "\u00fc\u03b1.json"):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        for path in ("a", "a/test.json", "test", "test.json.gz"):
            assert statetest(folder / path) == (0, ["2 passed, 0 failed, 0 skipped"]), path
        assert statetest(folder / "tests.tar.gz") == (0, ["4 passed, 0 failed, 0 skipped"])
        assert statetest("--fork=London", folder / "a")[1] == ["1 passed, 0 failed, 0 skipped"]
        assert statetest("--fork", "London", "--jobs=2", folder / "a")[1][-1].startswith("1 passed")
        assert statetest("--filter", "/Shanghai/", folder / "a")[1][-1].startswith("1 passed")


@case
def a_folder_with_a_loop_and_a_pipe_is_read_once():
    with Folder() as folder:
        (folder / "a").mkdir()
        (folder / "a" / "test.json").write_bytes(state_test())
        (folder / "a" / "up").symlink_to("..")
        os.mkfifo(folder / "a" / "pipe.json")
        status, lines = statetest("--verbose", folder)
        assert (status, lines[-1]) == (0, "2 passed, 0 failed, 2 skipped"), lines
        assert any("pipe.json" in line and "no regular file" in line for line in lines), lines
        assert any("a/up" in line and "walked already" in line for line in lines), lines


@case
def what_is_no_test_is_a_failure_with_a_reason():
    with Folder() as folder:
        (folder / "wrong.json").write_bytes(state_test(root=NO_LOGS))
        (folder / "cut.json").write_bytes(state_test()[:100])
        (folder / "other.json").write_bytes(b"[1]")
        (folder / "empty.json").write_bytes(b"")
        (folder / "garbage.tar.gz").write_bytes(b"garbage" * 99)
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w:gz") as archive:
            entry = tarfile.TarInfo("test.json")
            entry.size = 1 << 20
            archive.addfile(entry, io.BytesIO(bytes(range(256)) * 4096))
        (folder / "cut.tar.gz").write_bytes(whole.getvalue()[:-200])
        for name, failed in (("wrong.json", 2), ("cut.json", 1), ("other.json", 1), ("empty.json", 1),
                             ("garbage.tar.gz", 1), ("cut.tar.gz", 1), ("none", 1)):
            status, lines = statetest(folder / name)
            closing = f"0 passed, {failed} failed, 0 skipped"
            assert status == 1 and lines[-1] == closing, (name, lines)
            assert lines[0].startswith("FAILED ") and name in lines[0], lines
        status, lines = statetest("--json", folder / "wrong.json")
        told = [json.loads(line) for line in lines[:-1]]
        assert [t["pass"] for t in told] == [False, False], told
        assert "state root" in told[0]["error"], told


@case
def a_case_is_the_bytes_that_it_gives():
    """They count where they say more than the fields: here, that there is no transaction."""
    with Folder() as folder:
        (folder / "test.json").write_bytes(state_test(txbytes="0x05", root=NO_LOGS))
        status, lines = statetest(folder / "test.json")
        assert status == 1 and "refused: " in lines[0] and "funds" not in lines[0], lines


@case
def an_archive_cannot_fill_the_memory():
    with Folder() as folder:
        size = 300 << 20
        with gzip.open(folder / "bomb.tar.gz", "wb", compresslevel=1) as out:
            entry = tarfile.TarInfo("test.json")
            entry.size = size
            out.write(entry.tobuf())
            for _ in range(size >> 20):
                out.write(bytes(1 << 20))
            entry = tarfile.TarInfo("good.json")
            content = state_test()
            entry.size = len(content)
            padded = content.ljust(-len(content) // 512 * -512, b"\0")
            out.write(entry.tobuf() + padded + bytes(1024))
        status, lines = statetest(folder / "bomb.tar.gz")
        assert status == 1 and lines[-1] == "2 passed, 1 failed, 0 skipped", lines
        assert "larger" in lines[0], lines


# The transition tool.

def tx(**fields):
    return {"type": "0x0", "nonce": "0x0", "gas": "0x186a0", "gasPrice": "0xa", "value": "0x0",
            "to": CONTRACT, "input": "0x", "v": "0x0", "r": "0x0", "s": "0x0", "secretKey": KEY,
            **fields}


def environment(**fields):
    return {"currentCoinbase": COINBASE, "currentNumber": "0x1", "currentTimestamp": "0x3e8",
            "currentGasLimit": "0x1c9c380", **fields}


def merged(**fields):
    return environment(currentRandom="0x0", currentBaseFee="0x7", withdrawals=[],
                       parentBeaconBlockRoot="0x" + "00" * 32,
                       blockHashes={"0x0": "0x" + "11" * 32}, **fields)


def t8n(fork, env, txs, *flags, alloc=None, code="0x00", **more):
    accounts = {SENDER: {"balance": "0xde0b6b3a7640000", "nonce": "0x0"},
                CONTRACT: {"nonce": "0x1", "balance": "0x0", "code": code}, **(alloc or {})}
    document = {"alloc": accounts, "env": env, "txs": txs, **more}
    r = run(PROGRAM, "evm", "t8n", "--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin",
            "--output.alloc=stdout", "--output.result=stdout", f"--state.fork={fork}", *flags,
            input=json.dumps(document))
    return r, json.loads(r.stdout) if r.returncode == 0 else None


@case
def transactions_are_signed_as_their_fork_knows():
    for fork in ("Frontier", "Homestead", "EIP150", "EIP158", "Istanbul"):
        r, out = t8n(fork, environment(currentDifficulty="0x20000"), [tx()])
        assert r.returncode == 0 and "rejected" not in out["result"], (fork, out)
        assert len(out["result"]["receipts"]) == 1, (fork, out)


@case
def a_creation_has_its_address_though_it_fails():
    r, out = t8n("Istanbul", environment(currentDifficulty="0x20000"), [tx(to="", input="0xfe")])
    receipt = out["result"]["receipts"][0]
    assert receipt["status"] == "0x0", (r, receipt)
    assert receipt["contractAddress"] == "0x6295ee1b4f6dd65047762f924ecd367c17eabf8f", receipt


@case
def blob_parameters_are_those_of_the_forks_name_or_given():
    env = merged(parentExcessBlobGas=hex(30 << 17), parentBlobGasUsed=hex(21 << 17),
                 parentBaseFee="0x7")

    def excess(fork, *flags, **more):
        _, out = t8n(fork, env, [], *flags, alloc=SYSTEM, **more)
        return int(out["result"]["currentExcessBlobGas"], 16) >> 17

    assert excess("Osaka") == 51 - 6
    assert excess("BPO1") == 51 - 10
    assert excess("BPO2") == 51 - 14
    given = {"target": "0x1", "max": "0x2", "baseFeeUpdateFraction": "0x50"}
    assert excess("Osaka", "--input.blobParams=stdin", blobParams=given) == 51 - 1


@case
def rejections_are_in_the_words_that_fillers_look_for():
    env = merged(currentExcessBlobGas="0x0")
    txs = [tx(nonce="0x5"), tx(gas="0x5207"), tx(gas="0x1000001"), tx(gasPrice="0x6"),
           tx(value=hex(10**20)), tx(to="", input="0x" + "00" * 49153, gas="0xf42400")]
    _, out = t8n("Osaka", env, txs, alloc=SYSTEM)
    told = {x["index"]: x["error"] for x in out["result"]["rejected"]}
    words = ["nonce too high", "intrinsic gas too low", "transaction gas limit too high",
             "max fee per gas less than block base fee",
             "insufficient funds for gas * price + value", "max initcode size exceeded"]
    assert [word in told[i] for i, word in enumerate(words)] == [True] * len(words), told


@case
def an_invalid_block_has_a_result_that_says_so():
    _, out = t8n("Prague", merged(currentExcessBlobGas="0x0"), [tx()])
    assert "missing" in out["result"]["blockException"], out["result"]
    _, out = t8n("Prague", merged(currentExcessBlobGas="0x0"), [tx()], "--state-test")
    assert "blockException" not in out["result"] and len(out["result"]["receipts"]) == 1, out


@case
def traces_go_to_a_folder_that_is_made():
    with Folder() as made:
        folder = made / "some" / "where"
        env = merged(currentExcessBlobGas="0x0")
        common = ("--output.basedir", str(folder), "--verbosity", "3", "--trace.callframes=false")
        r, _ = t8n("Cancun", env, [tx()], "--trace", "--trace.memory", *common, code="0x5f5ffd")
        assert r.returncode == 0, r
        [trace] = folder.glob("trace-0-0x*.jsonl")
        lines = [json.loads(line) for line in trace.read_text().splitlines()]
        assert [x["opName"] for x in lines[:-1]] == ["PUSH0", "PUSH0", "REVERT"], lines
        assert lines[0]["memory"] == "0x" and lines[1]["stack"] == ["0x0"], lines
        assert lines[-1] == {"output": "0x", "gasUsed": "0x4", "error": "execution reverted"}, lines
        r, _ = t8n("Cancun", env, [tx()], "--trace.tracer", "callTracer", *common)
        [trace] = folder.glob("trace-0-0x*.json")
        assert json.loads(trace.read_text())["to"] == CONTRACT, trace


@case
def what_cannot_be_run_has_its_exit_status():
    env = merged(currentExcessBlobGas="0x0")
    without = {k: v for k, v in env.items() if k != "currentRandom"}
    assert t8n("Frontier+1346", env, [])[0].returncode == 3
    assert t8n("Cancun", without, [])[0].returncode == 3
    assert t8n("Shanghai", environment(currentRandom="0x0", currentBaseFee="0x7"), [])[
        0].returncode == 3
    asks = "0x6000405000"  # BLOCKHASH of block 0, which is not given
    r, _ = t8n("Istanbul", environment(currentDifficulty="0x20000"), [tx()], code=asks)
    assert r.returncode == 4 and "block 0" in r.stderr, r
    for flags in (["--state.chainid", "x"], ["--no-such"], ["--state.reward"]):
        r, _ = t8n("Cancun", env, [], *flags)
        assert r.returncode == 2 and r.stderr, r
    stdin = [f"--input.{name}=stdin" for name in ("alloc", "env", "txs")]
    for text in ("{", "[]", "{}", '{"alloc": [], "env": {}}',
                 '{"alloc": {}, "env": {}, "txs": {}}'):
        r = run(PROGRAM, "evm", "t8n", *stdin, input=text)
        assert r.returncode == 10 and r.stderr.startswith("ERROR(10)"), (text, r)
    assert run(PROGRAM, "evm", "t8n", "--input.alloc=/no/such").returncode == 11


@case
def a_command_line_that_is_wrong_says_what_is():
    for flags, text in ((["--gas", "-1"], "--gas"), (["--gas", str(1 << 63)], "--gas"),
                        (["--value", str(1 << 256)], "--value"), (["--fork", "Nope"], "Nope"),
                        (["--input"], "--input"), (["--cod", "00"], "--cod"),
                        (["--gas", "0x"], "--gas")):
        r = run(PROGRAM, "evm", "run", "--code", "00", *flags)
        assert r.returncode == 64 and text in r.stderr and not r.stdout, (flags, r)
    assert "--code" in run(PROGRAM, "evm", "run").stderr
    asked = "0x345f5260205ff3"  # CALLVALUE, returned
    r = run(PROGRAM, "evm", "run", "--code", asked, "--value", str((1 << 256) - 1))
    assert (r.returncode, r.stdout) == (0, "0x" + "ff" * 32 + "\n"), r
    r = run(PROGRAM, "evm", "run", "--code", asked, "--value", "0x10")
    assert (r.returncode, r.stdout) == (0, f"0x{16:064x}\n"), r
    with Folder() as folder:
        (folder / "block.txt").write_text("nothing to run")
        for verb in ("statetest", "replay", "bench"):
            r = run(PROGRAM, "evm", verb, folder / "block.txt" if verb != "bench" else folder)
            assert r.returncode == 1 and (r.stderr or "FAILED" in r.stdout), (verb, r)


@case
def output_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w") as full:
        r = subprocess.run([PROGRAM, "evm", "run", "--code", "00"], stdout=full,
                           stderr=subprocess.PIPE, text=True)
    assert r.returncode == 74 and "output" in r.stderr, r


main()
