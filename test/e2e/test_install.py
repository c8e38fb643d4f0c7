"""What `make install` puts into a system, and what is in the Debian package."""
import pathlib
import re
import subprocess
import sys
import tempfile

from harness import PROGRAM, case, main, need, run

BUILD = pathlib.Path(sys.argv[1]).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def programs():
    return [line for line in run(PROGRAM, "--commands").stdout.splitlines() if " " not in line]


def check_tree(usr, gzipped):
    """The files below a prefix: they are there, and they work."""
    r = run(usr / "bin/buildernet", "--version")
    assert r.returncode == 0 and r.stdout.startswith("buildernet "), r
    suffix = ".8.gz" if gzipped else ".8"
    for name in programs():
        page = usr / f"share/man/man8/buildernet-{name}{suffix}"
        assert page.is_file(), page
        fish = usr / f"share/fish/vendor_completions.d/buildernet-{name}.fish"
        assert f"__fish_seen_subcommand_from {name}" in fish.read_text(), fish
    assert (usr / f"share/man/man8/buildernet{suffix}").is_file()
    page = usr / f"share/man/man8/buildernet-hub{suffix}"
    shown = subprocess.run([need("mandoc"), page], capture_output=True, text=True, timeout=30,
                           check=True).stdout
    shown = re.sub(".\x08", "", shown)  # bold is struck over
    assert "--listen-addr" in shown and "VERBS" in shown, shown[:500]
    completion = usr / "share/bash-completion/completions/buildernet.bash"
    r = run(need("bash"), "-c", f"source {completion} && complete -p buildernet")
    assert r.returncode == 0 and "_buildernet" in r.stdout, r
    assert (usr / "share/zsh/vendor-completions/_buildernet").read_text().startswith("#compdef")
    examples = {p.name for p in (usr / "share/doc/buildernet/examples").iterdir()}
    assert {"system-api.toml", "hub.toml", "node.toml"} <= examples, examples


@case
def make_install_fills_a_folder():
    with tempfile.TemporaryDirectory() as folder:
        r = run(need("meson"), "install", "-C", BUILD, "--no-rebuild", "--destdir", folder,
                cwd=SOURCE, timeout=120)
        assert r.returncode == 0, r
        prefix = [p.parent.parent for p in pathlib.Path(folder).rglob("bin/buildernet")]
        assert len(prefix) == 1, prefix
        check_tree(prefix[0], gzipped=False)


@case
def actions_of_the_packaged_system_api_may_go_through_sudo():
    # systemd.exec(5): with User=, each of these implies NoNewPrivileges=yes.
    implying = {"LockPersonality", "MemoryDenyWriteExecute", "PrivateDevices", "ProtectClock",
                "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
                "ProtectKernelTunables", "RestrictAddressFamilies", "RestrictNamespaces",
                "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures",
                "SystemCallFilter", "SystemCallLog", "DynamicUser", "NoNewPrivileges"}
    unit = (SOURCE / "packaging/buildernet-system-api.service").read_text()
    keys = set(re.findall(r"^(\w+)=", unit, re.M))
    assert "User" in keys and not keys & implying, keys & implying


@case
def the_debian_package_holds_all_of_it():
    need("dpkg-shlibdeps")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # A folder of its own for what is made: the build may be in use.
        r = run(SOURCE / "tools/deb", BUILD, folder, timeout=300)
        assert r.returncode == 0, r
        packages = list(folder.glob("*.deb"))
        assert len(packages) == 1, r
        fields = run("dpkg-deb", "--field", packages[0]).stdout
        assert re.search(r"^Package: buildernet$", fields, re.M), fields
        assert re.search(r"^Depends: .*libssl3.*libnghttp2", fields, re.M) or \
            re.search(r"^Depends: .*libnghttp2.*libssl3", fields, re.M), fields
        root = folder / "root"
        assert run("dpkg-deb", "--raw-extract", packages[0], root).returncode == 0
        check_tree(root / "usr", gzipped=True)
        units = {p.name for p in (root / "usr/lib/systemd/system").iterdir()}
        users = (root / "usr/lib/sysusers.d/buildernet.conf").read_text()
        for unit in units:
            text = (root / "usr/lib/systemd/system" / unit).read_text()
            user = re.search(r"^User=(.+)$", text, re.M)
            assert user and f"u {user[1]} " in users, (unit, users)
            page = re.search(r"^Documentation=man:(\S+)\((\d)\)$", text, re.M)
            assert page and (root / f"usr/share/man/man{page[2]}/{page[1]}.{page[2]}.gz").is_file()
        assert (root / "usr/lib/buildernet/templates/schema.toml").is_file()
        assert (root / "usr/share/doc/buildernet/copyright").read_text().count("MIT") >= 1
        sums = run("md5sum", "--check", "--quiet", root / "DEBIAN/md5sums", cwd=root)
        assert sums.returncode == 0, sums
        again = run(SOURCE / "tools/deb", BUILD, folder / "again", timeout=300)
        assert again.returncode == 0, again
        first, second = packages[0].read_bytes(), next((folder / "again").glob("*.deb")).read_bytes()
        assert first == second, "two packages of one tree differ"


main()
