"""The hub's own attested listener: a node attests straight to the hub, and the hub's allow-list
decides, by what was proved and by nothing that is said."""
import json
import types

from attested import FORMS, GOOD, OTHER, Service, World, get, simulate
from harness import PROGRAM, Folder, case, free_port, main, need, run, wait_until
from hub_process import Hub

API = "/api/l1-builder/v1/"
FORGED = {"X-Flashbots-Attestation-Type": "dcap-tdx", "X-Forwarded-For": "127.0.0.1",
          "X-Flashbots-Measurement": json.dumps({"0": GOOD})}


def fleet(enabled):
    entry = {"measurement_id": "image-1", "attestation_type": "dcap-tdx", "enabled": enabled,
             "measurements": {"0": {"expected": GOOD}}}
    node = {"name": "node-1", "ip_address": "127.0.0.1", "network": "production",
            "configuration": {}}
    return json.dumps({"measurements": [entry], "builders": [node]})


def attested_hub(world, *flags):
    hub = Hub("--attested-protocol", world.form, "--root", world.platform / "root.pem",
              "--collateral", world.platform / "collateral", "--attested-type", "dcap-tdx",
              "--quote-source", f"simulator:{world.platform}", "--simulated-fields", f"mrtd={GOOD}",
              "--config", "hub.toml", *flags)
    hub.attested = types.SimpleNamespace(port=free_port())
    hub.flags += ["--attested-addr", f"127.0.0.1:{hub.attested.port}"]
    hub.write("hub.toml", "")
    if world.form == "ratls":
        need("openssl")
        r = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=hub", "-days", "2", "-keyout",
                hub.folder / "key.pem", "-out", hub.folder / "cert.pem")
        assert r.returncode == 0, r.stderr
        hub.flags += ["--attested-tls-certificate", "cert.pem", "--attested-tls-key", "key.pem"]
    return hub


def each_form(function):
    def both():
        for form in FORMS:
            with Folder() as folder:
                world = World(folder, form)
                with attested_hub(world) as hub:
                    hub.good("apply", hub.write("fleet.json", fleet(True)), "--yes")
                    hub.good("secrets", "set", "node-1", "-", text='{"key": "hidden"}')
                    function(world, hub)
    both.__name__ = function.__name__
    return case(both)


@each_form
def a_node_attests_fetches_registers_and_sees_peers(world, hub):
    with world.client(hub.attested) as node:
        assert get(node.port, API + "configuration")[::2] == (200, b'{"key": "hidden"}')
        address = "0x" + "ab" * 20
        for service, body in (("instance", {"tls_cert": "x"}),
                              ("orderflow_proxy", {"ecdsa_pubkey_address": address})):
            status = get(node.port, API + "register_credentials/" + service,
                         data=json.dumps(body).encode())[0]
            assert status == 200, (service, status)
        status, _, body = get(node.port, API + "builders")
        assert status == 200 and json.loads(body)[0]["orderflow_proxy"] == {
            "ecdsa_pubkey_address": address}, body
        # Only what is for nodes is here.
        for path in ("/drain", "/ui", "/api/internal/l1-builder/v1/builders",
                     "/api/admin/v2/builders"):
            assert get(node.port, path)[0] == 404, path
        # A disabled measurement takes it off with the next request, and no session helps.
        hub.good("measurements", "disable", "image-1")
        for what in ("builders", "configuration"):
            status, _, body = get(node.port, API + what)
            assert (status, body) == (403, b""), (status, body)
        hub.good("measurements", "enable", "image-1")
        assert get(node.port, API + "builders")[0] == 200
        hub.good("builders", "disable", "node-1")
        assert get(node.port, API + "builders")[0] == 403
        assert "attested=true" in hub.said() and "hidden" not in hub.said()


@each_form
def what_is_said_counts_for_nothing(world, hub):
    """Another image with the right image's headers, and no evidence at all."""
    with world.client(hub.attested, mrtd=OTHER) as node:
        assert get(node.port, API + "builders", headers=FORGED)[0] == 403
    with world.client(hub.attested, own=False) as nobody:
        assert get(nobody.port, API + "builders", headers=FORGED)[0] in (502, 503, 504)
    simulate(world.folder / "stranger")
    with world.client(hub.attested, platform=world.folder / "stranger") as stranger:
        assert get(stranger.port, API + "builders", headers=FORGED)[0] in (502, 503, 504)


@each_form
def a_new_policy_cuts_what_it_does_not_let_through(world, hub):
    with world.client(hub.attested) as node:
        assert get(node.port, API + "builders")[0] == 200
        hub.write("policy.json", '{"accept": [{"attestation_type": "dcap-tdx"}], "typo": 1}')
        hub.write("hub.toml", 'attested_policy = "policy.json"\n')
        assert "reload_refused" in hub.reload()
        assert get(node.port, API + "builders")[0] == 200
        hub.write("policy.json", json.dumps({"accept": [{"attestation_type": "dcap-tdx"}],
                                             "fmspc": ["ffffffffffff"]}))
        assert "configuration_reloaded" in hub.reload()
        wait_until(lambda: get(node.port, API + "builders")[0] in (502, 503, 504), 10)
        hub.write("hub.toml", "")
        hub.reload()
        wait_until(lambda: get(node.port, API + "builders")[0] == 200, 10)


@case
def a_running_node_is_allowed_by_its_address():
    """It proves itself to the operator's command, under the roots that the operator names."""
    for form in FORMS:
        with Folder() as folder, Service() as service:
            world = World(folder, form)
            with Hub() as hub, world.server(service, "--allow-unattested", judge=False) as node:
                allow = ["measurements", "allow", f"https://127.0.0.1:{node.port}", "--protocol",
                         form]
                trust = ["--root", world.platform / "root.pem", "--collateral",
                         world.platform / "collateral"]
                r = hub.run(*allow, "--yes")  # Intel knows nothing of it
                assert r.returncode not in (0, 1, 2) and "no_collateral" in r.stderr, r
                r = hub.run(*allow, *trust)
                assert r.returncode == 1 and GOOD in r.stdout and "--yes" in r.stderr, r
                assert json.loads(hub.good("measurements", "list", "--json")) == []
                out = hub.good(*allow, *trust, "--name", "image-7", "--yes")
                assert GOOD in out and out.endswith("image-7: allowed\n"), out
                entry = json.loads(hub.good("measurements", "show", "image-7"))
                assert entry["enabled"] and entry["attestation_type"] in ("dcap-tdx", "qemu-tdx"), entry
                assert entry["measurements"]["0"] == {"expected": GOOD}, entry
            r = run(PROGRAM, "hub", *allow, *trust, "--yes")
            assert r.returncode == 69, r  # the node is away


main()
