"""The devnet with a vTPM in every node: hub and peers judge what swtpm quotes."""
import shutil
import socket
import urllib.request

from devnet_network import Devnet, landed, processes_of
from harness import PROGRAM, Folder, Skip, case, main, run, wait_until


def need_swtpm():
    if not shutil.which("swtpm"):
        raise Skip("swtpm is not installed")


def metric(net, node, name):
    address = net.node(node)["addresses"]["orderflow.metrics"]
    try:
        with urllib.request.urlopen(address + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return []  # it is about to start
    return [float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith(name + "{")]


def closes(port, text):
    """Whoever sends that is hung up on."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(text)
        try:
            return s.recv(100) == b""
        except ConnectionResetError:
            return True


@case
def nodes_attest_with_the_quotes_of_their_tpm():
    """`--tpm swtpm`: hub and peers know nodes by PCR 11; bundles land in other nodes' blocks; an
    image that is not allowed is refused, by its PCR alone; nothing is left behind."""
    need_swtpm()
    with Folder() as folder:
        with Devnet(folder, "--tpm", "swtpm") as net:
            state = net.wait_for(lambda s: any(o["winner"] not in (o["node"], "devnet")
                                               for o in landed(s)), 60)
            pcrs = {n["identity"]["pcr11"] for n in state["nodes"]}
            assert len(pcrs) == 1 and "mrtd" not in state["nodes"][0]["identity"], pcrs
            policy = (net.folder / "peers.json").read_text()
            assert "azure-tdx" in policy and pcrs.pop()[2:] in policy, policy
            wait_until(lambda: metric(net, "node-1", "orderflow_peer_attested") == [1, 1], 20)
            config = (net.folder / "node-1/etc/orderflow.toml").read_text()
            assert "vtpm:swtpm:" in config and "simulated_fields" not in config, config
            port = int(net.node("node-1")["addresses"]["paravisor.tpm"].rsplit(":", 1)[1])
            for garbage in (b"\xff" * 5000, b"\x80\x01\0\0\0\x09\0\0\x01\x44", b"\x80\x01\xff" * 9,
                            (b"\x80\x01\0\0\0\x0c\0\0\x01\x44\0\0") * 2):
                assert closes(port, garbage), garbage  # no command, too long, two at once
            assert closes(port + 1, b"\0\0\0\x77")
            net.do("add-node", "stranger-image")
            net.wait_for(lambda s: net.node("node-4", s)["hub"] == "refused", 30)
            net.do("allow", "stranger-image")
            net.wait_for(lambda s: net.node("node-4", s)["enabled"]
                         and net.role("node-4.builder", s)["state"] == "ready", 40)
            wait_until(lambda: metric(net, "node-4", "orderflow_peer_attested") == [1, 1, 1], 30)
        assert not processes_of(net.folder)
        assert not net.folder.exists()


@case
def a_tpm_that_begins_anew_attests_again():
    """The TPM or the paravisor killed: its PCRs begin at zero, are measured again, and who lost it
    finds it. Quotes of an unknown platform are refused."""
    need_swtpm()
    with Folder() as folder, Devnet(folder, "--tpm", "swtpm") as net:
        for role in ("tpm", "paravisor"):
            starts = net.role("node-1.paravisor")["starts"]
            net.do("role", "kill", f"node-1.{role}")
            if role == "tpm":  # who speaks to it ends when it does, and comes again
                net.wait_for(lambda s, n=starts: net.role("node-1.paravisor", s)["starts"] > n, 30)
            net.wait_for(lambda s: net.role("node-1.paravisor", s)["state"] == "ready", 30)
            net.do("role", "kill", "node-1.orderflow")
            wait_until(lambda: 1 in metric(net, "node-1", "orderflow_peer_attested"), 40)
            begun = net.state()["now_ms"]
            net.wait_for(lambda s, b=begun: [o for o in landed(s, "node-1") if o["sent_ms"] > b], 60)
        net.do("quote", "node-1", "wrong")
        net.wait_for(lambda s: net.node("node-1", s)["hub"] in ("refused", "away"), 40)
        net.do("quote", "node-1", "good")
        net.wait_for(lambda s: net.node("node-1", s)["hub"] == "ok", 40)


@case
def the_paravisor_says_what_it_lacks():
    """Without a TPM or a platform, it ends with the reason."""
    with Folder() as folder:
        for words, text in (([], "--tpm-socket and --platform"),
                            (["--tpm-socket", "x", "--platform", "y"], "y"),
                            (["--tpm-socket", "x", "--platform", "y", "--image", "00"], "--image")):
            r = run(PROGRAM, "paravisor", *words, cwd=folder)
            assert r.returncode != 0 and text in r.stderr + r.stdout, (words, r.stderr)


if __name__ == "__main__":
    main()
