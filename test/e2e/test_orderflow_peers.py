"""Orderflow between nodes: every bundle arrives at every node once, whatever happens meanwhile.

FLOW_COUNT=100000 FLOW_RATE=2000 try the full number; FLOW_REPORT=1 prints the latencies.
"""
import http.server
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import harness
from harness import BUILD, PROGRAM, Folder, Process, Skip, case, free_port, need, run, wait_until

COUNT = int(os.environ.get("FLOW_COUNT", "3000"))
RATE = int(os.environ.get("FLOW_RATE", "300"))
DELAY_MS = 40
NODES = 3


class Hub:
    """One hub; each node sees the others behind the links that lead to them."""

    def __init__(self, addresses):
        hub = self
        self.addresses, self.entries, self.servers, self.ports = addresses, {}, [], []
        self.lock = threading.Lock()
        self.extra = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, body=b""):
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):  # pylint: disable=invalid-name
                self.answer(json.dumps(hub.list_for(self.server.node)).encode())

            def do_POST(self):  # pylint: disable=invalid-name
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with hub.lock:
                    hub.entries[self.server.node] = body
                self.answer()

            def log_message(self, *_):
                pass

        self.handler = Handler
        self.ports = [free_port() for _ in range(NODES)]
        self.open()

    def open(self):
        for node, port in enumerate(self.ports):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler)
            server.daemon_threads, server.node = True, node
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.servers.append(server)

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []

    def list_for(self, node):
        with self.lock:
            listed = [{"name": f"node_{n}", "ip": "127.0.0.1", "dns_name": self.addresses(node, n),
                       "orderflow_proxy": entry, "instance": {}}
                      for n, entry in self.entries.items()]
        return listed + self.extra


class Network:
    """Three nodes, their builders, users and links."""

    def __init__(self, folder, count, rate, delay_ms, flags=(), loss=0):
        self.folder, self.flags = folder, list(flags)
        self.users, self.systems = ([free_port() for _ in range(NODES)] for _ in range(2))
        self.metrics = [free_port() for _ in range(NODES)]
        builders = [free_port() for _ in range(NODES)]
        self.builders = builders
        self.links = {(a, b): free_port() for a in range(NODES) for b in range(NODES) if a != b}
        self.hub = Hub(lambda a, b: f"127.0.0.1:{self.links.get((a, b), self.systems[b])}")
        arguments = []
        for n in range(NODES):
            arguments += ["--node", f"http://127.0.0.1:{self.users[n]}", "--builder", builders[n]]
        for (a, b), port in self.links.items():
            arguments += ["--link", f"{a}:{b}:{port}:127.0.0.1:{self.systems[b]}"]
        self.tool = subprocess.Popen(
            [str(x) for x in (BUILD / "src/orderflow/flow_tool", count, rate, delay_ms, loss, 7,
                              *arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.tool.stdout.readline() == "ready\n"
        self.nodes = [None] * NODES
        for n in range(NODES):
            self.certify(n)
            (folder / f"spill{n}").mkdir()
            self.start(n)

    def certify(self, n):
        """A new certificate and key for a node."""
        r = run(need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN=node{n}",
                "-keyout", self.folder / f"key{n}.pem", "-out", self.folder / f"cert{n}.pem")
        assert r.returncode == 0, r.stderr

    def start(self, n):
        builder = f"http://127.0.0.1:{self.builders[n]}"
        folder = self.folder
        self.nodes[n] = Process(
            PROGRAM, "orderflow", "--builder-name", f"node_{n}", "--system-tls",
            "--user-listen-addr", f"127.0.0.1:{self.users[n]}",
            "--system-listen-addr", f"127.0.0.1:{self.systems[n]}",
            "--metrics-addr", f"127.0.0.1:{self.metrics[n]}",
            "--certificate-pem-file", folder / f"cert{n}.pem",
            "--private-key-pem-file", folder / f"key{n}.pem",
            "--builder-url", builder, "--builder-ready-endpoint", builder,
            "--builder-hub-url", f"http://127.0.0.1:{self.hub.ports[n]}",
            "--peer.update-interval-s", "1", "--spill-folder", folder / f"spill{n}",
            "--journal-folder", folder / f"journal{n}", "--drain", "5s", *self.flags,
            log=folder / f"node{n}.log").__enter__()
        wait_until(lambda: harness.is_listening(self.metrics[n]), message=self.nodes[n].logged)

    def kill(self, n):
        self.nodes[n].signal(signal.SIGKILL)
        self.nodes[n].wait()
        self.nodes[n].__exit__()

    def metric(self, n, name):
        _, _, text = harness.request(self.metrics[n], "GET", "/metrics", tls=False)
        return sum(float(line.split()[-1]) for line in text.decode().splitlines()
                   if line.startswith(name + "{") or line.startswith(name + " "))

    def sessions(self, n):
        return self.metric(n, "orderflow_peer_up")

    def wait_for_sessions(self, seconds=20):
        for n in range(NODES):
            wait_until(lambda n=n: self.sessions(n) == NODES - 1, seconds,
                       f"node {n}: {self.nodes[n].logged()[-2000:]}")

    def say(self, line):
        self.tool.stdin.write(line + "\n")
        self.tool.stdin.flush()

    def result(self, seconds):
        """Waits until everything has arrived; gives what the tool tells."""
        timer = threading.Timer(seconds, lambda: self.say("stop"))
        timer.start()
        line = self.tool.stdout.readline()
        timer.cancel()
        result = json.loads(line)
        if os.environ.get("FLOW_REPORT"):
            print(json.dumps(result, indent=1), file=sys.stderr)
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.__exit__()
        self.tool.kill()
        self.tool.wait()
        self.hub.close()


def check_all(result, kills=()):
    """All is everywhere, once; but over JSON-RPC nobody knows of what a builder had not answered when
    its node was killed: 64 orders at most are on their way."""
    assert result["acknowledged"] > 0
    for n, node in enumerate(result["nodes"]):
        assert node["missing"] == 0, (n, result)
        assert node["strange"] == 0, (n, result)
        assert node["twice"] <= 64 * dict(kills).get(n, 0), (n, result)


@case
def every_bundle_arrives_everywhere_once():
    """Bundles of the published sizes reach the builders of all nodes, 40 ms away, once each."""
    with Folder() as folder, Network(folder, COUNT, RATE, DELAY_MS) as net:
        net.wait_for_sessions()
        net.say("go")
        result = net.result(COUNT / RATE + 60)
        check_all(result)
        assert result["acknowledged"] == COUNT, result
        check_forwarding(net, "tcp", COUNT)
        late = [(n["other_ms"]["p50"], n["own_ms"]["p50"]) for n in result["nodes"]]
        for other, own in late:  # the link's delay, and not many times what it takes at home
            assert DELAY_MS <= other < DELAY_MS + 3 * own + 200, result
        for n in range(NODES):
            assert net.metric(n, "orderflow_peer_dropped_total") == 0
            assert net.metric(n, "orderflow_peer_duplicates_total") == 0


@case
def links_that_lose_packets_only_delay():
    """Where one piece of a hundred comes a round trip late, orders are late with it and none is lost."""
    with Folder() as folder, Network(folder, COUNT, RATE, DELAY_MS, loss=10) as net:
        net.wait_for_sessions()
        net.say("go")
        result = net.result(COUNT / RATE + 60)
        check_all(result)
        assert result["acknowledged"] == COUNT, result


@case
def links_cut_nodes_killed_certificates_rotated_hub_away():
    """A link that is cut, a killed node, a new certificate and an absent hub lose and repeat nothing."""
    with Folder() as folder, Network(folder, COUNT, RATE, DELAY_MS) as net:
        net.wait_for_sessions()
        net.say("go")
        step = max(COUNT / RATE / 10, 0.5)
        time.sleep(step)
        net.say("cut 0 1")
        time.sleep(max(2.1 * step, 3))  # 30 s of the full number at 700/s, and a minute without hub
        net.say("heal 0 1")
        time.sleep(step)
        net.certify(2)
        net.nodes[2].signal(signal.SIGHUP)
        time.sleep(step)
        net.hub.close()
        net.say("skip 1")
        time.sleep(0.5)  # what it was asked is answered
        net.kill(1)
        time.sleep(step)
        net.start(1)
        time.sleep(3.2 * step)
        net.hub.open()
        net.say("use 1")
        result = net.result(COUNT / RATE + 90)
        check_all(result, kills=[(1, 1)])


@case
def a_receiver_killed_at_any_moment_loses_nothing():
    """A node that only receives is killed again and again: what it acknowledged to its peers is at
    its builder, and the rest comes again. FLOW_KILLS says how often, FLOW_SEED when."""
    kills = int(os.environ.get("FLOW_KILLS", "20"))
    moments = random.Random(int(os.environ.get("FLOW_SEED", "1")))
    with Folder() as folder, Network(folder, 1000000, RATE, 5) as net:
        net.wait_for_sessions()
        net.say("skip 1")
        net.say("go")
        for _ in range(kills):
            time.sleep(moments.uniform(0.2, 1))
            net.kill(1)
            time.sleep(moments.uniform(0, 0.2))
            net.start(1)
            wait_until(lambda: net.sessions(1) == NODES - 1, 20, net.nodes[1].logged)
        time.sleep(1)
        net.say("skip 0")
        net.say("skip 2")  # nobody is left to send to: what is under way arrives
        time.sleep(5)
        result = net.result(1)
        assert result["acknowledged"] > kills * 20, result
        check_all(result, kills=[(1, kills)])


@case
def netem_delays_and_loses():
    """The same over a kernel that delays by 40 ms and loses 1 % of the packets between nodes."""
    name = f"flow{os.getpid()}"
    ip, tc = need("ip"), need("tc")
    if run(ip, "netns", "add", name).returncode != 0:
        raise Skip("no right to make network namespaces")
    try:
        inside = [ip, "netns", "exec", name]
        run(*inside, ip, "link", "set", "lo", "up")
        r = run(*inside, tc, "qdisc", "add", "dev", "lo", "root", "handle", "1:", "netem", "delay",
                f"{DELAY_MS}ms", "loss", "1%", "limit", "100000")
        if r.returncode != 0:
            raise Skip(f"this kernel has no netem: {r.stderr.strip()}")
        # Only what goes between the nodes: the links' ports; all else goes undisturbed.
        run(*inside, tc, "qdisc", "del", "dev", "lo", "root")
        env = {**os.environ, "FLOW_NETEM": "1"}
        r = subprocess.run([*inside, sys.executable, __file__, str(BUILD)], env=env, timeout=600,
                           capture_output=True, text=True, check=False)
        assert r.returncode == 0, r.stdout + r.stderr
    finally:
        run(ip, "netns", "del", name)


def netem_inside():
    """Inside the namespace: links without delay of their own, on ports that netem knows."""
    tc = need("tc")
    with Folder() as folder, Network(folder, COUNT, RATE, 0) as net:
        for command in (
                ["qdisc", "add", "dev", "lo", "root", "handle", "1:", "prio"],
                ["qdisc", "add", "dev", "lo", "parent", "1:3", "handle", "30:", "netem", "delay",
                 f"{DELAY_MS}ms", "loss", "1%", "limit", "100000"],
                *(["filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "u32", "match",
                   "ip", end, str(port), "0xffff", "flowid", "1:3"]
                  for port in net.links.values() for end in ("dport", "sport"))):
            r = run(tc, *command)
            assert r.returncode == 0, r.stderr
        net.wait_for_sessions(60)
        net.say("go")
        result = net.result(COUNT / RATE + 90)
        check_all(result)
        print(json.dumps(result))


@case
def malformed_and_strange_peers_are_left_out():
    """Peers that are half registered, malformed or unreachable keep nobody from sharing."""
    with Folder() as folder, Network(folder, 50, 100, 0) as net:
        def count():
            text = harness.request(net.metrics[0], "GET", "/metrics", tls=False)[2].decode()
            name = "orderflow_share_peers_skipped_total "
            return float(next(x for x in text.splitlines() if x.startswith(name)).split()[-1])

        before = count()
        net.hub.extra = [
            {"name": "half", "ip": "127.0.0.1", "dns_name": ""},
            {"name": "no_certificate", "ip": "127.0.0.1", "dns_name": "",
             "orderflow_proxy": {"ecdsa_pubkey_address": "0x" + "11" * 20}},
            {"name": "garbage", "ip": "127.0.0.1", "dns_name": "",
             "orderflow_proxy": {"ecdsa_pubkey_address": "0x" + "12" * 20, "tls_cert": "nonsense"}},
            {"name": "away", "ip": "127.0.0.1", "dns_name": f"127.0.0.1:{free_port()}",
             "orderflow_proxy": {"ecdsa_pubkey_address": "0x" + "13" * 20,
                                 "tls_cert": (folder / "cert0.pem").read_text()}},
            {"name": "no_address", "ip": 5}, None,
        ]
        wait_until(lambda: "peer_skipped" in net.nodes[0].logged(), 10)
        wait_until(lambda: "hub_peers_left_out count=2 " in net.nodes[0].logged())
        wait_until(lambda: count() >= before + 4)  # these, when the list changed
        net.say("go")
        check_all(net.result(30))


def check_forwarding(net, transport, count):
    """What the nodes gave each other is counted under the deployed proxies' names."""
    def total(name, *labels):
        values = 0
        for port in net.metrics:
            text = harness.request(port, "GET", "/metrics", tls=False)[2].decode()
            values += sum(float(line.split()[-1]) for line in text.splitlines()
                          if line.startswith(name + "{") and "local-builder" not in line
                          and all(label in line for label in labels))
        return values

    both = (NODES - 1) * count
    name = "flowproxy_forwarder_rpc_call_duration_"
    labels = f'transport="{transport}"', 'order_type="bundle"', 'big_request='
    wait_until(lambda: total(name + "count", *labels) >= both, 10,
               lambda: total(name + "count", *labels))
    assert total(name + "count", *labels) == both and 0 < total(name + "sum") < both
    assert total("flowproxy_forwarder_inflight_requests", labels[0]) == 0
    name = "orderflow_proxy_share_queue_peer_"
    assert total(name + "rpc_duration_milliseconds_count", 'is_big=') == both
    for part in ("queue", "e2e"):
        assert total(f"{name}{part}_duration_milliseconds_count", 'method="eth_sendBundle"',
                     'system_endpoint="false"', 'is_big=') == both
    # None, but for what was on its way when a session ended, and came again.
    assert total(name + "rpc_errors") == sum(total(f"flowproxy_forwarder_{kind}_failures") for kind in
                                             ("http_connect", "http_call", "tcp_call", "tcp_response"))
    assert total("flowproxy_system_e2e_bundle_processing_time_count",
                 'direction="user_to_system"') == both
    assert total("flowproxy_system_e2e_system_order_processing_time_count",
                 'direction="system_to_local"', 'order_type="bundle"') == both
    if transport == "tcp":
        assert total("flowproxy_socket_congestion_window", 'id="0"', 'range="0..') > 1000
        assert total("flowproxy_socket_receive_window") >= 0
        for part in ("bytes", "packets"):
            assert total(f"flowproxy_socket_retransmitted_{part}", 'peer_name="node_1"') >= 0


@case
def peers_of_the_second_generation_are_served():
    """With frames as the transport the nodes share as FlowProxy 2.1 does, signatures and all."""
    with Folder() as folder, \
            Network(folder, 300, 150, 5, ["--peer-transport", "frames"]) as net:
        net.wait_for_sessions()
        net.say("go")
        result = net.result(60)
        check_all(result)
        assert result["acknowledged"] == 300
        check_forwarding(net, "tcp", 300)


@case
def peers_of_the_first_generation_are_served():
    """With HTTP as the transport the nodes share signed JSON-RPC requests."""
    with Folder() as folder, Network(folder, 300, 150, 5, ["--peer-transport", "http"]) as net:
        net.wait_for_sessions()
        net.say("go")
        result = net.result(60)
        check_all(result)
        assert result["acknowledged"] == 300
        check_forwarding(net, "http", 300)


if __name__ == "__main__":
    if os.environ.get("FLOW_NETEM"):
        netem_inside()
    else:
        assert pathlib.Path(BUILD / "src/orderflow/flow_tool").exists(), "build flow_tool first"
        harness.main()
