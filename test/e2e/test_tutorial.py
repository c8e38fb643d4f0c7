"""The tutorial: every command of the page is run, and prints what the page says."""
import os
import pathlib
import re
import subprocess

from harness import BUILD, Folder, Process, case, main, need, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```console( background)?\n(.*?)^```", re.S | re.M)
# What differs from run to run: numbers, hex, and the padding that follows from them.
VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?")


def pattern(line):
    """A line of the page as an expression for a line of output."""
    words = [re.escape(VARIES.sub("\0", w)).replace("\0", r"(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?)")
             for w in line.split()]
    return re.compile(r"\s*" + r"\s+".join(words) + r"\s*$")


def steps(text):
    """(command, lines, background) of every prompt on the page."""
    for block in BLOCK.finditer(text):
        for part in re.split(r"^\$ ", block.group(2), flags=re.M)[1:]:
            command, *lines = part.rstrip("\n").split("\n")
            yield command, [x for x in lines if x.strip()], bool(block.group(1))


@case
def the_page_says_what_happens():
    """All commands in order, in one shell; each line that the page shows is among the output."""
    need("jq"), need("curl")
    text = (ROOT / "docs/tutorial.md").read_text()
    found = list(steps(text))
    assert len(found) > 12, found
    with Folder() as home:
        environment = {**os.environ, "HOME": str(home), "PATH": f"{BUILD}:{os.environ['PATH']}"}
        environment.pop("XDG_STATE_HOME", None)
        background, shell = [], None
        try:
            shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, cwd=home,
                                     env=environment)
            for command, lines, in_background in found:
                if in_background:
                    p = Process("bash", "-c", "exec " + command, cwd=home, env=environment,
                                log=home / "background.log")
                    background.append(p)
                    wait_until(lambda p=p, lines=lines: pattern(lines[-1]).search(
                        next((x for x in p.logged().splitlines()[::-1] if "network" in x), "")),
                        60, p.logged)
                    output = p.logged()
                else:
                    shell.stdin.write(f"{{ {command}\n}} </dev/null\n"
                                      "printf '\\n--- %s\\n' $?\n")
                    shell.stdin.flush()
                    output = ""
                    while not (end := re.search(r"^--- (\d+)$", output, re.M)):
                        line = shell.stdout.readline()
                        assert line, (command, output)
                        output += line
                    # A grep or a status tells by its status too; only a crash is a failure here.
                    assert int(end.group(1)) in (0, 1, 75), (command, output)
                for line in lines:
                    ok = any(pattern(line).match(got) for got in output.splitlines())
                    assert ok, f"$ {command}\n--- the page:\n{line}\n--- the output:\n{output}"
            wait_until(lambda: not background[0].running(), 20, "the network does not end")
        finally:
            if shell:
                shell.kill()
                shell.communicate()
            for p in background:
                p.__exit__()


main()
