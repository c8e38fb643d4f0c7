"""The hub's command line, for operators: one change at a time, and a fleet in a file."""
import json
import subprocess

from harness import PROGRAM, case, main, need
from hub_process import FLEET, Hub, ask


@case
def an_operator_adds_a_node_step_by_step():
    with Hub() as hub:
        hub.good("builders", "add", "node-1", "--ip", "10.0.0.1", "--network", "production",
                 "--dns", "node-1.example")
        r = hub.run("builders", "enable", "node-1")
        assert r.returncode == 1 and "active config not found" in r.stderr, r
        config = hub.write("config.toml", 'extra_data = "one"\n[builder]\nthreads = 4\n')
        hub.good("configs", "set", "node-1", config, "--author", "olga", "--reason", "first")
        hub.good("builders", "enable", "node-1")
        table = hub.good("builders", "list").splitlines()
        assert table[0].split() == ["name", "ip_address", "dns_name", "network", "enabled",
                                    "registered", "last_contact"], table
        assert table[1].split()[:5] == ["node-1", "10.0.0.1", "node-1.example", "production",
                                        "true"], table
        assert json.loads(hub.good("configs", "show", "node-1")) == {
            "extra_data": "one", "builder": {"threads": 4}}
        other = hub.write("other.yaml", "extra_data: one\nbuilder: {threads: 8}\n")
        r = hub.run("configs", "diff", "node-1", other)
        assert (r.returncode, r.stdout) == (2, "    builder.threads: 4 -> 8\n"), r
        assert hub.run("configs", "diff", "node-1", config).returncode == 0
        hub.good("configs", "set", "node-1", other)
        versions = hub.good("configs", "list", "node-1", "--json")
        oldest = json.loads(versions)[-1]["version"]
        hub.good("configs", "activate", "node-1", oldest)
        assert hub.run("configs", "diff", "node-1", config).returncode == 0
        hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
        assert json.loads(hub.good("secrets", "show", "node-1")) == {"key": "hidden"}
        changes = hub.good("changes", "list")
        assert "olga" in changes and "first" in changes and "hidden" not in changes, changes
        assert "hidden" not in hub.said()
        assert hub.run("builders", "disable", "nobody").returncode == 1
        assert hub.run("builders", "frob", "x").returncode == 64


@case
def measurements_are_allowed_from_files_and_quotes():
    with Hub() as hub:
        entry = {"measurement_id": "image-1", "attestation_type": "dcap-tdx",
                 "measurements": {"0": {"expected": "11" * 48}}}
        published = hub.write("published.json", json.dumps([entry]))
        assert hub.good("measurements", "allow", published) == "image-1: allowed\n"
        r = subprocess.run([PROGRAM, "attest", "simulate", "platform"], cwd=hub.folder,
                           capture_output=True, text=True, check=False)
        assert r.returncode == 0, r
        r = subprocess.run([PROGRAM, "attest", "quote", "--source", "platform", "--report-data",
                            "aa" * 64, "--out", "quote.bin"], cwd=hub.folder, capture_output=True,
                           text=True, check=False)
        assert r.returncode == 0, r
        assert hub.good("measurements", "add",
                        hub.folder / "quote.bin") == "quote.bin: added, not enabled\n"
        listed = json.loads(hub.good("measurements", "list", "--json"))
        assert {m["measurement_id"]: m["enabled"] for m in listed} == {
            "image-1": True, "quote.bin": False}
        hub.good("measurements", "disable", "image-1")
        assert json.loads(hub.good("measurements", "show", "image-1"))["enabled"] is False
        # With a builder's configuration, in one transaction: all of it or nothing.
        hub.good("builders", "add", "node-1", "--ip", "10.0.0.1", "--network", "production")
        threads = hub.write("threads.toml", "threads = 4\n")
        r = hub.run("measurements", "allow", published, "--builder", "nobody", "--configuration",
                    threads)
        assert r.returncode == 1 and "no builder is named nobody" in r.stderr, r
        assert json.loads(hub.good("measurements", "show", "image-1"))["enabled"] is False
        assert hub.run("measurements", "allow", published, "--builder", "x").returncode == 64
        hub.good("measurements", "allow", published, "--builder", "node-1", "--configuration",
                 threads)
        assert json.loads(hub.good("measurements", "show", "image-1"))["enabled"] is True
        assert json.loads(hub.good("configs", "show", "node-1")) == {"threads": 4}
        assert json.loads(hub.good("builders", "show", "node-1"))["ip_address"] == "10.0.0.1"
        entry["measurements"]["0"]["expected"] = "22" * 48
        r = hub.run("measurements", "allow", hub.write("other.json", json.dumps(entry)))
        assert r.returncode == 1 and "another content" in r.stderr, r
        r = hub.run("measurements", "allow", hub.write("noise", "MZ is no image"))
        assert r.returncode == 65 and "cannot be measured" in r.stderr, r
        r = hub.run("measurements", "allow", hub.folder / "missing")
        assert r.returncode == 66 and "No such file" in r.stderr, r


@case
def a_fleet_lives_in_a_file():
    with Hub() as hub:
        fleet = hub.write("fleet.yaml", FLEET)
        r = hub.run("apply", "-f", fleet, "--yes")
        assert r.returncode == 65 and "fleet.yaml" in r.stderr, r
        fleet.write_text(FLEET.replace("*no", "{threads: 4}"))
        r = hub.run("diff", "-f", fleet)
        assert r.returncode == 2, r
        assert "+ measurement image-1: add\n" in r.stdout and "+ builder node-1: add\n" in r.stdout
        r = hub.run("apply", "-f", fleet)
        assert r.returncode == 1 and "--yes" in r.stderr, r  # nobody to ask
        assert hub.good("builders", "list", "--json") == "[]\n"
        assert hub.good("apply", "-f", fleet, "--yes").endswith("applied\n")
        assert hub.good("apply", "-f", fleet, "--yes") == "nothing to change\n"
        assert hub.run("diff", fleet).returncode == 0
        fleet.write_text(FLEET.replace("*no", "{threads: 8}"))
        assert "    threads: 4 -> 8\n" in hub.run("diff", fleet).stdout
        for slip, word in (("builders:", "builder:"), ("threads: 8}}", "threads: 8}, enable: no}"),
                           ("    measurements:", "    measurement:")):
            fleet.write_text(FLEET.replace("*no", "{threads: 8}").replace(slip, word))
            r = hub.run("apply", fleet, "--yes", "--unlisted", "delete")
            assert r.returncode == 1 and "is not known here" in r.stderr, r
        empty = hub.write("empty.toml", 'unlisted = "disable"\n')
        out = hub.good("apply", empty, "--yes", "--reason", "closing")
        assert "~ builder node-1: disable\n" in out and "~ measurement image-1: disable\n" in out, out
        assert "closing" in hub.good("changes", "list")


@case
def a_terminal_is_asked():
    need("script")
    with Hub() as hub:
        fleet = hub.write("fleet.yaml", FLEET.replace("*no", "{}"))
        line = f"{PROGRAM} hub apply -f {fleet} --url http://127.0.0.1:{hub.admin}"
        for said, names in (("n", []), ("y", ["node-1"])):
            subprocess.run(["script", "-qec", line, "/dev/null"], input=said + "\n", text=True,
                           capture_output=True, timeout=60, check=False)
            listed = json.loads(hub.good("builders", "list", "--json"))
            assert [b["name"] for b in listed] == names, (said, listed)


@case
def the_description_of_the_api_holds():
    with Hub() as hub:
        status, text = ask(hub.admin, "GET", "/openapi.json")
        assert status == 200
        described = json.loads(text)
        tried = 0
        for path, operations in described["paths"].items():
            port = hub.admin if "/admin/" in path or path == "/openapi.json" else hub.public
            if path in ("/ui", "/drain"):  # on the internal listener; holds its request open
                continue
            for method, operation in operations.items():
                real = path
                for name in ("name", "service", "network", "version"):
                    real = real.replace("{" + name + "}", "1")
                status, _ = ask(port, method.upper(), real)
                assert str(status) in operation["responses"], (method, path, status)
                tried += 1
        assert tried > 25
        assert ask(hub.admin, "PATCH", "/api/admin/v2/builders")[0] == 405


main()
