"""Evidence between orderflow nodes: no byte of an order reaches a peer that has not proved what it
runs."""
import functools
import signal
import socket
import threading
import time

import wallet
from attested import GOOD, OTHER, policy, simulate
from harness import PROGRAM, Folder, case, free_port, main, need, pass_on, run, wait_until
from orderflow_node import Hub, Node

USER = 0x1111


class Relay:
    """Passes a TCP port on and remembers the most bytes that went each way in one connection."""

    def __init__(self, target):
        self.target, self.forth, self.back = target, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                near = self.listener.accept()[0]
                try:
                    far = socket.create_connection(("127.0.0.1", self.target), 5)
                except OSError:
                    near.close()
                    continue
                for a, b, way in ((near, far, "forth"), (far, near, "back")):
                    count = functools.partial(self.count, way)
                    threading.Thread(target=pass_on, args=(a, b, count), daemon=True).start()
        except OSError:
            pass  # closed

    def count(self, way, passed):
        setattr(self, way, max(getattr(self, way), passed))

    def close(self):
        self.listener.close()


class Pair:
    """Two nodes that know each other through a hub, node_0 behind a link that counts."""

    def __init__(self, folder, first, second):
        self.folder = folder
        self.platform = folder / "platform"
        simulate(self.platform)
        self.nodes, self.hub = [], Hub()
        hub = f"http://127.0.0.1:{self.hub.port}"
        for i, flags in enumerate((first, second)):
            self.certify(i)
            self.nodes.append(Node(
                folder, "--system-tls", "--builder-hub-url", hub, "--peer.update-interval-s", "1",
                "--certificate-pem-file", folder / f"cert{i}.pem", "--private-key-pem-file",
                folder / f"key{i}.pem", *flags, name=f"node_{i}"))
        self.links = [Relay(n.system) for n in self.nodes]

    def certify(self, i):
        r = run(need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN=node{i}",
                "-keyout", self.folder / f"key{i}.pem", "-out", self.folder / f"cert{i}.pem")
        assert r.returncode == 0, r.stderr

    def __enter__(self):
        for n in self.nodes:
            n.start()
        wait_until(lambda: len(self.hub.registrations) >= 2, message="not registered")
        entries = {r["ecdsa_pubkey_address"]: r for _, r in self.hub.registrations}
        certificates = [(self.folder / f"cert{i}.pem").read_text() for i in range(2)]
        self.hub.builders = [
            {"name": f"node_{i}", "ip": "127.0.0.1",
             "dns_name": f"127.0.0.1:{self.links[i].port}",
             "orderflow_proxy": next(e for e in entries.values()
                                     if e["tls_cert"].strip() == certificates[i].strip()),
             "instance": {}} for i in range(2)]
        return self

    def __exit__(self, *_):
        for n in self.nodes:
            n.__exit__(*_)
        for link in self.links:
            link.close()
        self.hub.close()

    def log(self, i):
        return self.nodes[i].process.logged()


def flags(folder, mrtd=GOOD, accept=GOOD, name="policy"):
    platform = folder / "platform"
    return ["--measurements-file", policy(folder / f"{name}.json", accept), "--attestation-type",
            "dcap-tdx", "--quote-source", f"simulator:{platform}", "--simulated-fields",
            f"mrtd={mrtd}", "--root", platform / "root.pem", "--collateral",
            platform / "collateral", "--judge-again", "300ms"]


def send_large(node, nonce):
    """An order of 60 KB: no handshake with evidence is as long."""
    data = bytes([nonce]) * 60000
    raw = "0x" + wallet.transaction(USER, nonce, data=data, gas=2_000_000).hex()
    _, answer, _ = node.send("eth_sendRawTransaction", raw, USER)
    assert "error" not in answer, answer


def attested(node, peer):
    return node.metric(f'orderflow_peer_attested{{peer="{peer}"}}')


@case
def attested_nodes_share_and_say_so():
    """Two nodes of the right image prove themselves to each other; an order arrives."""
    with Folder() as folder, Pair(folder, flags(folder), flags(folder)) as pair:
        a, b = pair.nodes
        wait_until(lambda: attested(a, "node_1") == 1 and attested(b, "node_0") == 1, 20,
                   pair.log(0) + pair.log(1))
        send_large(a, 0)
        wait_until(lambda: b.builder.params("eth_sendRawTransaction"), message=pair.log(1))
        assert "peers_are_attested" in pair.log(0) and "attestation_accepted" in pair.log(0)


@case
def no_byte_of_an_order_reaches_a_peer_of_another_image():
    """It is listed, its certificate is right, and its measurement is wrong: it gets nothing."""
    with Folder() as folder, Pair(folder, flags(folder), flags(folder, mrtd=OTHER)) as pair:
        a, b = pair.nodes
        wait_until(lambda: 'verdict=policy' in pair.log(0), 20, pair.log(0))
        send_large(a, 0)
        time.sleep(1.5)
        assert 100 < max(pair.links[1].forth, pair.links[0].back) < 30000
        assert a.metric('orderflow_peer_sent_total{peer="node_1"}') == 0
        assert attested(a, "node_1") == 0 and not b.builder.bodies, pair.log(1)


@case
def no_byte_of_an_order_reaches_a_peer_without_evidence():
    """A node that keeps to certificates alone, as a listed peer, gets nothing."""
    with Folder() as folder, Pair(folder, flags(folder), ["--peer-attestation", "pinned"]) as pair:
        a, b = pair.nodes
        assert "peers_are_not_attested" in pair.log(1)
        wait_until(lambda: "no application protocol" in pair.log(0), 20, pair.log(0))
        send_large(a, 0)
        time.sleep(1.5)
        assert 100 < max(pair.links[1].forth, pair.links[0].back) < 30000
        assert a.metric('orderflow_peer_sent_total{peer="node_1"}') == 0 and not b.builder.bodies


@case
def a_policy_that_is_read_again_ends_what_it_refuses():
    """SIGHUP with a policy of another image ends the session; back, and what waited arrives."""
    with Folder() as folder, Pair(folder, flags(folder), flags(folder, name="other")) as pair:
        a, b = pair.nodes
        wait_until(lambda: attested(a, "node_1") == 1, 20, pair.log(0))
        policy(folder / "policy.json", OTHER)
        a.process.signal(signal.SIGHUP)
        wait_until(lambda: attested(a, "node_1") == 0, 20, pair.log(0))
        send_large(a, 0)
        time.sleep(1)
        assert not b.builder.bodies
        policy(folder / "policy.json", GOOD)
        a.process.signal(signal.SIGHUP)
        wait_until(lambda: b.builder.params("eth_sendRawTransaction"), 20, pair.log(0))


@case
def what_peers_must_prove_needs_a_restart():
    """SIGHUP keeps another choice for a restart, refuses an implied one, and says so; the rest is
    read again as ever."""
    with Folder() as folder:
        settings, some = folder / "flow.toml", policy(folder / "p.json")
        settings.write_text("")
        kept = r"peer-attestation: \"auto\" -> \"required\" (needs a restart)"
        refused = "what peers must prove is pinned, and needs a restart to be required"
        with Node(folder, "--config", settings) as node:
            for text, said in (('peer_attestation = "required"', kept),
                               (f'measurements_file = "{some}"', refused),
                               ('log_level = "debug"', "configuration_reloaded")):
                settings.write_text(text + "\n")
                before = len(node.process.logged())
                node.process.signal(signal.SIGHUP)
                wait_until(lambda: said in node.process.logged()[before:], 10, node.process.logged)


@case
def settings_that_would_judge_nothing_are_refused():
    """Each says what is missing; pinned is a choice of its own."""
    with Folder() as folder:
        some = policy(folder / "p.json")
        for words, text in (
                (["--peer-attestation", "required"], "measurements-file"),
                (["--peer-attestation", "mixed"], "measurements-file"),
                (["--measurements-file", some, "--system-tls"], "attestation-type"),
                (["--measurements-file", some, "--attestation-type", "dcap-tdx"], "system-tls"),
                (["--measurements-file", some, "--attestation-type", "tdx9"], "tdx9"),
                (["--measurements-file", some, "--attestation-type", "dcap-tdx", "--system-tls",
                  "--peer-transport", "http"], "carries no evidence"),
                (["--measurements-file", some, "--attestation-type", "dcap-tdx", "--system-tls",
                  "--allow-plain-peers"], "allow-plain-peers")):
            r = run(PROGRAM, "orderflow", "--user-listen-addr", f"127.0.0.1:{free_port()}",
                    "--metrics-addr", "", *words)
            assert r.returncode != 0 and text in r.stderr, (words, r.stderr)


main()
