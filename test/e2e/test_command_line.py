"""The command line of the whole program: help, completion, what is misspelt."""
import subprocess

from harness import PROGRAM, case, main, need, run

COMPLETE = """
source <({program} --completion bash)
COMP_WORDS=({program} {words})
COMP_CWORD={last}
_buildernet
echo "${{COMPREPLY[@]}}"
"""


def complete(*words):
    r = subprocess.run([need("bash"), "-c", COMPLETE.format(
        program=PROGRAM, words=" ".join(words), last=len(words))], capture_output=True, text=True,
        timeout=30, check=False)
    assert r.stderr == "", r
    return r.stdout.split()


@case
def every_program_and_every_verb_helps_itself():
    listed = run(PROGRAM, "--help")
    assert listed.returncode == 0, listed
    programs = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    commands = [line.split() for line in run(PROGRAM, "--commands").stdout.splitlines()]
    assert [c[0] for c in commands if len(c) == 1] == programs, (programs, commands)
    assert len(commands) > 60 and ["evm", "bench"] in commands and ["hub", "apply"] in commands
    for command in commands:
        name = "buildernet " + " ".join(command)
        helped = run(PROGRAM, *command, "--help")
        assert helped.returncode == 0 and helped.stderr == "", helped
        assert helped.stdout.startswith(f"Usage: {name}") and len(helped.stdout) > 80, helped
        refused = run(PROGRAM, *command, "--no-such-flag", stdin=subprocess.DEVNULL)
        assert 0 < refused.returncode < 128 and refused.stderr, refused


@case
def a_program_lists_its_verbs_and_completes_them():
    for command in run(PROGRAM, "--commands").stdout.splitlines():
        program, _, verb = command.partition(" ")
        if verb:
            assert f"\n  {verb}" in run(PROGRAM, program, "--help").stdout, command
            assert verb.replace("-", "\\-") in run(PROGRAM, program, "--man").stdout, command
            assert verb in complete(program, verb), command


@case
def a_benchmark_without_files_says_what_it_needs():
    r = run(PROGRAM, "evm", "bench", env={"BN_VECTORS": "/no/such/folder"})
    assert r.returncode == 64 and "PATH" in r.stderr and "BN_VECTORS" in r.stderr, r


@case
def what_is_misspelt_is_refused_with_the_usage():
    r = run(PROGRAM, "hubb")
    assert r.returncode == 64 and "'hubb'" in r.stderr and "Programs:" in r.stderr, r
    assert run(PROGRAM).returncode == 64
    assert run(PROGRAM, "--version").stdout.startswith("buildernet ")


@case
def bash_completes_programs_and_their_flags():
    assert complete("hu") == ["hub"]
    assert "attested-proxy" in complete("")
    assert "--admin-addr" in complete("hub", "--adm")
    assert complete("hub", "--completion", "z") == ["zsh"]
    assert complete("attested-proxy", "--listen-addr-h") == ["--listen-addr-healthcheck"]
    assert complete("no-such-program", "--x") == []


main()
