#!/usr/bin/env python3
"""Attestation by a vTPM, end to end in both protocols: the guest's PCRs are what peers are told,
and every broken link between the TD and the TPM is refused."""
import json
import re

from attested import FORMS, GOOD, Service, World, get, metric
from harness import BUILD, PROGRAM, Folder, case, main, run, wait_until
from software_vtpm import PCR11, Machine, make_authority, openssl


class AzureWorld(World):
    """One side attests with a vTPM; the other judges."""

    def __init__(self, folder, form):
        super().__init__(folder, form)
        self.write_policy(PCR11)

    def write_policy(self, pcr11):
        self.policy.write_text(json.dumps([{"measurement_id": "guest",
                                            "attestation_type": "azure-tdx",
                                            "measurements": {"11": {"expected": pcr11}}}]))

    def judging(self, roots, *more):
        return ["--protocol", self.form, "--measurements-file", self.policy, "--root",
                self.platform / "root.pem", "--collateral", self.platform / "collateral",
                "--ak-roots", roots, *more]

    def attesting(self, side, machine):
        return ["--protocol", self.form, f"--{side}-attestation-type", "azure-tdx", *machine.flags]


def each_form(function):
    def both():
        for form in FORMS:
            with Folder() as folder, Service() as service:
                function(AzureWorld(folder, form), service)
    both.__name__, both.__doc__ = function.__name__, function.__doc__
    return case(both)


def pair(world, service, machine, roots=None, judging=()):
    """A server that attests, a client that judges."""
    server = world.start("server", service.port, "--allow-unattested",
                         *world.attesting("server", machine))
    try:
        client = world.start("client", server.port, "--allow-self-signed",
                             *world.judging(roots or machine.ca, *judging))
    except BaseException:
        server.__exit__()
        raise
    return server, client


@each_form
def a_server_attests_with_its_vtpm(world, service):
    """The client learns all 24 PCRs, the root is told, one handshake serves many requests."""
    with Machine(world.folder, world.platform, GOOD) as machine:
        server, client = pair(world, service, machine)
        with server, client:
            status, headers, _ = get(client.port)
            assert status == 200, client.logged() + server.logged()
            assert headers["x-flashbots-attestation-type"] == "azure-tdx", headers
            told = json.loads(headers["x-flashbots-measurement"])
            assert len(told) == 24 and told["11"] == PCR11 and told["8"] == "00" * 32, told
            assert "not Intel" in headers["x-buildernet-attestation-root"], headers
            for _ in range(10):
                assert get(client.port)[0] == 200
            assert machine.quotes <= 2, machine.quotes


@case
def a_verdict_names_the_link_that_fails():
    """`attest verify` of what `attest quote` made here, as a whole and with a link broken."""
    with Folder() as folder:
        world = AzureWorld(folder, "ratls")
        with Machine(folder, world.platform, GOOD) as machine:
            path = folder / "evidence.json"

            def attest(verb, *arguments):
                return run(PROGRAM, "attest", verb, *arguments)

            def verify(*more):
                return attest("verify", path, "--root", world.platform / "root.pem",
                              "--collateral", world.platform / "collateral", *more)
            flags = dict(zip(machine.flags[::2], machine.flags[1::2]))
            p = attest("quote", "--source", flags["--quote-source"], "--imds-url",
                       flags["--imds-url"], "--report-data", "ab" * 64, "--out", path)
            assert p.returncode == 0, p
            p = verify("--ak-roots", machine.ca, "--report-data", "ab" * 64)
            assert p.returncode == 0 and "VERIFIED" in p.stdout, p
            evidence = json.loads(path.read_text())
            broken = json.loads(path.read_text())
            broken["tpm_attestation"]["quote"]["signature"][5] ^= 1
            for text, reason, more in (
                    (json.dumps(evidence), "AK certificate", []),
                    (json.dumps(evidence), "user data", ["--ak-roots", machine.ca,
                                                         "--report-data", "ac" * 64]),
                    (json.dumps(broken), "TPM quote", ["--ak-roots", machine.ca])):
                path.write_text("\n" + text)
                p = verify("--json", *more)
                verdict = json.loads(p.stdout)
                assert p.returncode == 3 and not verdict["valid"], p
                told = verdict["reason"], verdict["policy"]["reason"], verdict["azure"]["reason"]
                assert all(reason in t for t in told), told
                assert reason in verify(*more).stdout


@each_form
def a_client_attests_with_its_vtpm(world, service):
    """The other way round: the service behind is told what the client measured."""
    with Machine(world.folder, world.platform, GOOD) as machine:
        with world.start("server", service.port, *world.judging(machine.ca)) as server:
            with world.start("client", server.port, "--allow-self-signed", "--allow-unattested",
                             *world.attesting("client", machine)) as client:
                status, _, body = get(client.port)
                assert status == 200, client.logged() + server.logged()
                seen = json.loads(body)
                assert seen["x-flashbots-attestation-type"] == "azure-tdx", seen
                assert json.loads(seen["x-flashbots-measurement"])["11"] == PCR11, seen


def refused(world, service, machine, verdict, text, **how):
    server, client = pair(world, service, machine, **how)
    with server, client:
        assert get(client.port)[0] in (502, 503, 504)
        wait_until(lambda: f"verdict={verdict}" in client.logged(), 15, client.logged())
        assert re.search(text, client.logged()), client.logged()
        assert metric(client, "attested_verdicts_total", '{verdict="accepted"}') == 0


@each_form
def other_pcrs_are_refused(world, service):
    """A guest that booted something else, on a machine that is otherwise good."""
    world.write_policy("aa" * 32)
    with Machine(world.folder, world.platform, GOOD) as machine:
        refused(world, service, machine, "policy", f"expected 11: aaaa.*found 11: {PCR11}")


@each_form
def a_key_that_the_td_does_not_vouch_for_is_refused(world, service):
    """The report names another key than the one that signs."""
    with Machine(world.folder, world.platform, GOOD) as machine:
        make_authority(machine.folder, "another")
        (machine.folder / "another.pub").write_text(
            openssl(machine.folder, "x509", "-in", "another.pem", "-noout", "-pubkey"))
        machine.vouch_for(machine.folder / "another.pub")
        refused(world, service, machine, "not_valid", "vouches for|signature")


@each_form
def a_quote_of_another_report_is_refused(world, service):
    """The TD quote must be over the report that names the key."""
    with Machine(world.folder, world.platform, GOOD) as machine:
        machine.quote_other = True
        refused(world, service, machine, "not_valid", "HCL report is not|hash of the runtime data")


@each_form
def a_certificate_of_another_authority_is_refused(world, service):
    """The attestation key's certificate must lead to the roots that the judge was given."""
    with Machine(world.folder, world.platform, GOOD) as machine:
        make_authority(machine.folder, "stranger")
        refused(world, service, machine, "not_valid", "AK certificate chain",
                roots=machine.folder / "stranger.pem")


@case
def a_missing_certificate_is_for_the_judge_to_decide():
    """aTLS documents may come without it: refused by default, accepted when that is asked for."""
    with Folder() as folder, Service() as service:
        world = AzureWorld(folder, "atls")
        with Machine(folder, world.platform, GOOD, certificate=False) as machine:
            refused(world, service, machine, "not_valid", "no certificate of the attestation key")
            server, client = pair(world, service, machine,
                                  judging=("--require-ak-certificate=false",))
            with server, client:
                assert get(client.port)[0] == 200, client.logged()


@case
def a_paravisor_that_takes_up_no_user_data_is_an_error_of_the_server():
    """No evidence is sent over a report of another session; the reason is told."""
    with Folder() as folder, Service() as service:
        world = AzureWorld(folder, "ratls")
        with Machine(folder, world.platform, GOOD, deaf=True) as machine:
            server, client = pair(world, service, machine)
            with server, client:
                assert get(client.port)[0] in (502, 503, 504)
                wait_until(lambda: "does not take up the user data" in server.logged(), 15,
                           server.logged())
                assert machine.quotes == 0


@case
def the_event_log_goes_into_the_document():
    """aTLS: verifiers that replay the firmware's log find it."""
    with Folder() as folder, Service() as service:
        world = AzureWorld(folder, "atls")
        (folder / "log").write_bytes(b"\x5a" * 40000)
        with Machine(folder, world.platform, GOOD) as machine:
            machine_flags = [*world.attesting("server", machine), "--event-log", folder / "log"]
            with world.start("server", service.port, "--allow-unattested",
                             *machine_flags) as server:
                with world.start("client", server.port, *world.judging(machine.ca)) as client:
                    assert get(client.port)[0] == 200, client.logged() + server.logged()
            (folder / "log").write_bytes(b"\x5a" * (97 << 10))
            with world.start("server", service.port, "--allow-unattested",
                             *machine_flags) as server:
                with world.start("client", server.port, *world.judging(machine.ca)) as client:
                    assert get(client.port)[0] in (502, 503, 504)
                    wait_until(lambda: "event log" in server.logged(), 10, server.logged())


if __name__ == "__main__":
    assert BUILD
    main()
