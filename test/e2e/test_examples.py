"""Every file of settings in examples/ is started as its first lines say, by an ordinary user."""
import os
import pathlib
import re
import shutil
import subprocess

from harness import BUILD, Folder, Skip, case, main, need, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Ports that the programs serve; those that they speak to stay as they are, and nobody is there.
SERVED = re.compile(r'^(?:\w*(?:listen|internal|admin|metrics|http|ws|engine)_addr\w*|'
                    r'\w*_server_port)\s*=\s*"?(?:[0-9.]+:)?(\d+)', re.M)
STARTED = re.compile(r"event=(service_ready|listening listener=metrics|listening address=)")
# Not settings of a program: read by one, or by `devnet up`.
OTHERS = {"orderflow-rules.toml"}


def commands(text):
    """The commands among a file's first lines, which are comments; the last one starts it."""
    head = re.match(r"(?:#.*\n)+", text).group(0)
    return re.findall(r"^#   (\S.*)$", head, re.M)


def ordinary(folder):
    """Words before a command that make it an ordinary user's."""
    if os.getuid() != 0:
        return []
    if not shutil.which("runuser"):
        raise Skip("no runuser")
    shutil.chown(folder, "nobody")
    os.chmod(folder.parent, 0o755)
    return ["runuser", "-u", "nobody", "--"]


def start(name):
    with Folder() as scratch:
        folder = pathlib.Path(scratch) / "home"
        shutil.copytree(ROOT / "examples", folder / "examples")
        shutil.copy(BUILD / "buildernet", scratch)
        text = (folder / "examples" / name).read_text()
        found = commands(text)
        assert found and f"--config examples/{name}" in found[-1], (name, found)
        assert len(found) <= 3, (name, found)  # the start, and two that prepare it
        # Other programs use these ports as well: any free ones.
        moved, ports = SERVED.subn(lambda m: m.group(0)[:-len(m.group(1))] + "0", text)
        assert ports > 0, name
        (folder / "examples" / name).write_text(moved)
        user = ordinary(folder)
        environment = {"HOME": str(folder), "PATH": f"{scratch}:{os.environ['PATH']}"}
        for command in found[:-1]:
            r = subprocess.run([*user, "sh", "-c", command], cwd=folder, env=environment,
                               capture_output=True, text=True, timeout=60, check=False)
            assert r.returncode == 0, (name, command, r.stderr)
        log = pathlib.Path(scratch) / "log"
        with open(log, "wb") as out:
            p = subprocess.Popen([*user, "sh", "-c", f"exec {found[-1]}"], cwd=folder,
                                 env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            def state():
                assert p.poll() is None, (name, log.read_text())
                return STARTED.search(log.read_text())
            wait_until(state, 60, log.read_text)
        finally:
            p.terminate()
            p.wait(60)
        assert p.returncode in (0, -15, 143), (name, p.returncode, log.read_text())


@case
def every_file_of_settings_starts_as_it_says():
    need("openssl")
    names = sorted(p.name for p in (ROOT / "examples").glob("*.toml") if p.name not in OTHERS)
    assert len(names) >= 8, names
    for name in names:
        start(name)


main()
