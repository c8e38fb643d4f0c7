"""The user's JSON-RPC of `buildernet node`, tried with the clients that people use."""
import json
import pathlib
import re
import shutil
import subprocess

from harness import PROGRAM, Folder, Process, case, free_port, is_listening, main, run, wait_until
from npm import packages

JS = pathlib.Path(__file__).resolve().parent / "js"
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
VIEM = {"viem": "2.57.20"}
FOUNDRY = {"@foundry-rs/anvil": "1.7.1", "@foundry-rs/cast": "1.7.1"}


class Node:
    """A development chain with a block for each transaction."""

    def __init__(self, folder, *more):
        self.http, self.ws = free_port(), free_port()
        self.url, self.ws_url = f"http://127.0.0.1:{self.http}", f"ws://127.0.0.1:{self.ws}"
        self.process = Process(PROGRAM, "node", "--dev", "--http-addr", f"127.0.0.1:{self.http}",
                               "--ws-addr", f"127.0.0.1:{self.ws}", "--engine-addr", "",
                               "--metrics-addr", "", *more, log=folder / "node.log")

    def __enter__(self):
        self.process.__enter__()
        wait_until(lambda: is_listening(self.http) and is_listening(self.ws))
        return self

    def __exit__(self, *what):
        self.process.__exit__(*what)


def javascript(folder, script, *arguments, timeout=180):
    """Runs one of js/ beside the packages; its output, with the failure's in the assertion."""
    for name in (script, "probe.json"):
        shutil.copy(JS / name, folder / name)
    done = subprocess.run(["node", script, *map(str, arguments)], cwd=folder, capture_output=True,
                          text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


@case
def viem_does_everything():
    """Deploy, call, logs, filters, fees, every type of transaction, proofs, subscriptions."""
    with Folder() as folder, Node(folder) as node:
        output = javascript(packages("viem", VIEM), "node_viem.mjs", node.url, node.ws_url,
                            "probe.json")
        assert output.count("done - ") == 12, output


@case
def anvil_agrees():
    """The same transactions give the same receipts, gas, state and traces on anvil."""
    tools = packages("foundry", FOUNDRY)
    port = free_port()
    with Folder() as folder, Node(folder, "--fee-recipient", "0x" + "00" * 20) as node, \
            Process(tools / "node_modules/.bin/anvil", "--port", port, "--chain-id", "1337",
                    "--hardfork", "osaka", "--gas-limit", "60000000", "--base-fee", "875000000",
                    "--silent", "--steps-tracing", log=folder / "anvil.log"):
        wait_until(lambda: is_listening(port), 20)
        output = javascript(packages("viem", VIEM), "node_oracle.mjs", node.url,
                            f"http://127.0.0.1:{port}", "probe.json")
        assert output.count("done - ") == 4, output


if __name__ == "__main__":
    main()
