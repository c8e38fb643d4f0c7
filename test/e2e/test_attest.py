#!/usr/bin/env python3
"""`buildernet attest`: its exit statuses, where quotes come from, what the verdict tells."""
import json

from attested import GOOD, OTHER, policy, simulate
from harness import PROGRAM, Folder, Process, case, free_port, is_listening, main, run, wait_until


def attest(*arguments):
    return run(PROGRAM, "attest", *arguments)


def quoted(folder, *more):
    path = folder / "quote.bin"
    p = attest("quote", "--source", f"simulator:{folder / 'platform'}", "--out", path, *more)
    assert p.returncode == 0, p.stderr
    return path


def trusted(folder):
    return ("--root", folder / "platform/root.pem", "--collateral", folder / "platform/collateral")


@case
def each_exit_status_has_its_reason():
    """0 verified, 2 refused by policy, 3 not valid, 4 bad input; the reason is told."""
    with Folder() as folder:
        simulate(folder / "platform")
        good = quoted(folder, "--set", f"mrtd={GOOD}", "--report-data", "ab")
        flags = trusted(folder)
        wrong = policy(folder / "wrong.json", OTHER)
        (folder / "broken.json").write_text("{")
        (folder / "short.bin").write_bytes(good.read_bytes()[:700])
        changed = bytearray(good.read_bytes())
        changed[200] ^= 1
        (folder / "changed.bin").write_bytes(changed)
        for status, text, *arguments in (
                (0, "VERIFIED", good, *flags),
                (0, "freshness      not checked", good, *flags),
                (0, "VERIFIED", good, *flags, "--policy", policy(folder / "p.json", GOOD)),
                (0, "VERIFIED", good, *flags, "--report-data", "ab"),
                (2, "REFUSED BY POLICY", good, *flags, "--policy", wrong),
                (2, "report_data", good, *flags, "--report-data", "ac"),
                (3, "SGX_PCK_CERT_CHAIN_UNTRUSTED", good, *flags[2:]),
                (3, "--collateral DIR", good, *flags[:2]),
                (3, "EXPIRED", good, *flags, "--time", "2040-01-01T00:00:00Z"),
                (3, "INVALID_QUOTE_SIGNATURE", folder / "changed.bin", *flags),
                (3, "UNSUPPORTED_QUOTE_FORMAT", folder / "short.bin", *flags),
                (4, "--report-data", good, *flags, "--report-data", "no hex"),
                (4, "--time", good, *flags, "--time", "yesterday"),
                (4, "broken.json", good, *flags, "--policy", folder / "broken.json"),
                (4, "No such file", folder / "absent", *flags),
                (4, "no certificate", good, "--root", wrong, *flags[2:]),
                (4, "unknown flag", good, "--rot", "x")):
            p = attest("verify", *arguments)
            assert p.returncode == status and text in p.stdout + p.stderr, (arguments, p)
        p = attest("verify", good, *flags, "--json", "--policy", wrong)
        verdict = json.loads(p.stdout)
        assert p.returncode == 2 and verdict["valid"] and not verdict["verified"], p.stdout
        assert verdict["freshness"] == "unchecked", p.stdout
        p = attest("verify", good, *flags, "--json", "--report-data", "ab")
        assert json.loads(p.stdout)["freshness"] == "checked", p.stdout
        p = attest("verify", good, *flags, "--report-data", "ab")
        assert "freshness" not in p.stdout, p.stdout
        assert set(verdict["result_codes"]) == {"pck_chain", "tcb_info", "qe_identity", "quote"}
        assert set(verdict["result_codes"].values()) == {"STATUS_OK"}
        assert verdict["policy"]["rule"] == "measurement" and OTHER in verdict["policy"]["expected"]
        assert not verdict["root"]["is_intel"] and verdict["fields"]["mrtd"] == GOOD


@case
def quotes_come_from_where_services_take_them():
    """The sources of --source are those of the services' --quote-source, the token included."""
    with Folder() as folder:
        simulate(folder / "platform")
        (folder / "token").write_text("sesame")
        (folder / "token").chmod(0o600)
        port = free_port()
        for source in (f"simulator:{folder / 'platform'}", folder / "platform"):
            p = attest("quote", "--source", source, "--out", folder / "q", "--quote-version", "5")
            assert p.returncode == 0 and (folder / "q").read_bytes()[:2] == b"\5\0", p.stderr
        with Process(PROGRAM, "quote-service", "--listen-addr", f"127.0.0.1:{port}", "--token",
                     f"file:{folder / 'token'}", "--quote-source",
                     f"simulator:{folder / 'platform'}", log=folder / "log") as service:
            wait_until(lambda: is_listening(port), 10, service.logged())
            remote = ("quote", "--source", f"http://127.0.0.1:{port}", "--report-data", "cd",
                      "--out", folder / "r")
            p = attest(*remote)
            assert p.returncode == 4 and "401" in p.stderr, p
            p = attest(*remote, "--quote-token", f"file:{folder / 'token'}")
            assert p.returncode == 0, p.stderr
            p = attest("verify", folder / "r", *trusted(folder), "--report-data", "cd")
            assert p.returncode == 0, p.stdout
        for source, text in (("tsm:/nowhere", "/nowhere"), ("/nowhere", "quote source"),
                             ("vtpm:swtpm:host=127.0.0.1,port=1", "TPM")):
            p = attest("quote", "--source", source)
            assert p.returncode == 4 and text in p.stderr, p


if __name__ == "__main__":
    main()
