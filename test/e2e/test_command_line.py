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
def help_names_every_program_and_each_helps_itself():
    listed = run(PROGRAM, "--help")
    assert listed.returncode == 0, listed
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert "hub" in names and "evm" in names, names
    for name in names:
        r = run(PROGRAM, name, "--help")
        assert r.returncode == 0 and len(r.stdout) > 50, (name, r)
        assert run(PROGRAM, name, "--no-such-flag").returncode != 0, name


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
