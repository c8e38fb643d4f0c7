"""`buildernet trie`, `buildernet eth` and `buildernet crypto`: roots, proofs, what bytes are."""
import json
import socket

from harness import PROGRAM, Folder, case, main, run

EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
ACCOUNT = "0x" + "11" * 20
ABSENT = "0x" + "22" * 20
STATE = {ACCOUNT: {"balance": "0x10", "nonce": "0x1", "code": "0x6000",
                   "storage": {"0x1": "0x2a", "0x2": "0x0", "0x3": "0xffff"}},
         "0x" + "33" * 20: {"balance": "0x1"}}
# The example of EIP-155, and what it says of it; the hash is Keccak-256 of the bytes.
SIGNED = ("0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025"
          "a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
          "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83")
SENDER = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"
HASH = "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"


def trie(*arguments, text=""):
    return run(PROGRAM, "trie", *arguments, input=text)


def prove(state, *what):
    made = trie("proof", "--json", "-", *what, text=json.dumps(state))
    assert made.returncode == 0, made
    return json.loads(made.stdout)


def root_of(state):
    made = trie("root", "-", text=json.dumps(state))
    assert made.returncode == 0, made
    return made.stdout.strip()


def check(root, proof):
    return trie("proof", "--check", root, "--json", "-", text=json.dumps(proof))


@case
def roots_are_those_of_the_published_examples():
    pairs = [["do", "verb"], ["dog", "puppy"], ["doge", "coin"], ["horse", "stallion"]]
    assert root_of(pairs) == "0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84"
    assert root_of({}) == root_of({"alloc": {}}) == EMPTY_ROOT
    assert root_of(STATE) == root_of({"alloc": STATE}) != EMPTY_ROOT
    for text in ("", "null", "[7]", '{"0x11":{"balance":"1"}}', "[" * 100000):
        refused = trie("root", "-", text=text)
        assert refused.returncode == 65 and refused.stderr and not refused.stdout, refused


@case
def a_proof_holds_until_anything_in_it_is_changed():
    root = root_of(STATE)
    proof = prove(STATE, ACCOUNT, "0x1", "0x2", "0x3")
    checked = check(root, proof)
    assert checked.returncode == 0 and json.loads(checked.stdout)["exists"], checked
    assert [s["value"] for s in proof["storageProof"]] == ["0x2a", "0x0", "0xffff"], proof
    assert check(root, {"jsonrpc": "2.0", "id": 1, "result": proof}).returncode == 0
    assert check(EMPTY_ROOT, proof).returncode == 65
    for field in ("balance", "nonce", "codeHash", "storageHash", "address"):
        text = proof[field][:-1] + ("0" if proof[field][-1] != "0" else "1")
        assert check(root, proof | {field: text}).returncode == 65, field
    node = proof["accountProof"][-1]
    for at in range(2, len(node), 7):
        bent = node[:at] + f"{int(node[at], 16) ^ 1:x}" + node[at + 1:]
        changed = proof | {"accountProof": proof["accountProof"][:-1] + [bent]}
        assert check(root, changed).returncode == 65, at
    longer = proof | {"accountProof": proof["accountProof"] + [node]}
    assert check(root, longer).returncode == 65


@case
def what_is_absent_is_proved_absent():
    for state in (STATE, {}):
        proof = prove(state, ABSENT, "0x0")
        checked = check(root_of(state), proof)
        assert checked.returncode == 0 and not json.loads(checked.stdout)["exists"], checked
        assert check(root_of(state), proof | {"balance": "0x1"}).returncode == 65


@case
def a_transaction_tells_its_sender_and_hash():
    with Folder() as folder:
        binary = folder / "transaction.bin"
        binary.write_bytes(bytes.fromhex(SIGNED[2:]))
        for given in (SIGNED, SIGNED[2:], str(binary)):
            told = run(PROGRAM, "eth", "decode", "--json", given)
            assert told.returncode == 0, told
            told = json.loads(told.stdout)
            assert (told["kind"], told["sender"], told["hash"]) == ("transaction", SENDER, HASH)
    table = run(PROGRAM, "eth", "decode", "-", input=SIGNED + "\n")
    assert SENDER in table.stdout and HASH in table.stdout, table
    for broken in (SIGNED[:-2], SIGNED + "00", SIGNED.replace("0xf86c09", "0xf86c00")):
        refused = run(PROGRAM, "eth", "decode", "--as", "transaction", broken)
        assert refused.returncode == 65 and refused.stderr and not refused.stdout, refused


@case
def what_is_wrong_is_said_with_its_place():
    def told(*arguments, text=None):
        refused = run(PROGRAM, *arguments, input=text)
        assert refused.returncode == 65 and not refused.stdout, refused
        return refused.stderr

    # The signature's s gets a leading zero, a digit of the text goes wrong, the nonce is text.
    zero = "a067cbe9"
    at = SIGNED.index(zero) // 2 - 1
    assert f"(at byte {at})" in told("eth", "decode", "--as", "transaction",
                                     SIGNED.replace(zero, "a000cbe9"))
    typo = SIGNED.replace(zero, "ao67cbe9")
    for place in ("-", typo):
        assert f"'o', which is no hex digit (at byte {typo.index('o')})" in told(
            "eth", "decode", place, text=typo)
    state = '{"alloc": {"%s": {"balance": "1", "nonce": "x"}}}' % ACCOUNT
    assert f"(at byte {state.index('x', state.index('nonce')) - 1})" in told("trie", "root", "-", text=state)
    assert run(PROGRAM, "eth", "decode", "no-such-file").returncode == 66


@case
def benchmarks_print_a_line_a_case_with_its_limit():
    for folder, part in (("trie", "state_root_block"), ("crypto", "bn254_pairing")):
        timed = run(PROGRAM, folder, "bench", "--budget-ms", "1")
        assert timed.returncode == 0, timed
        lines = [json.loads(line) for line in timed.stdout.splitlines()]
        for line in lines:
            assert line["ns"] > 0 and line["limit_ns"] > 0 and line["work"] > 0, line
            assert line["unit"] and line["cpu"], line
        some = run(PROGRAM, folder, "bench", "--budget-ms", "1", part)
        assert some.returncode == 0, some
        names = [json.loads(line)["name"] for line in some.stdout.splitlines()]
        assert len(names) >= 2 and names == [line["name"] for line in lines if part in line["name"]]
    assert run(PROGRAM, "crypto", "bench", "no_such_case").returncode == 1


@case
def standard_input_may_be_a_socket():
    # As Node's child processes have it.
    for arguments, text in ((("trie", "root", "-"), b"{}"), (("eth", "decode", "-"), b"c0")):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(text)
            ours.shutdown(socket.SHUT_WR)
            told = run(PROGRAM, *arguments, stdin=theirs)
        assert told.returncode == 0 and told.stdout, told


@case
def wrong_command_lines_are_told_in_a_line():
    for arguments in (["eth", "decode"], ["eth", "decode", "c0", "c0"], ["eth", "decode", "--as"],
                      ["trie", "root"], ["trie", "bench", "a", "b"],
                      ["trie", "root", "--check", EMPTY_ROOT, "/dev/null"],
                      ["trie", "root", "--budget-ms", "1", "/dev/null"],
                      ["trie", "proof", "--secure", "/dev/null", ACCOUNT],
                      ["trie", "bench", "--json", "no_such_case"],
                      ["crypto", "bench", "--budget-ms"],
                      ["crypto", "bench", "--budget-ms", "1", "sha256_pairs", "blake2b"]):
        refused = run(PROGRAM, *arguments)
        assert refused.returncode == 64 and not refused.stdout, refused
        assert len(refused.stderr.splitlines()) == 1 and "--help" in refused.stderr, refused


main()
