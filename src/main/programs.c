/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include <stddef.h>

const struct program programs[] = {
    {"attest", "make, verify and explain attestation evidence", attest_main},
    {"attested-proxy", "put an HTTP service behind attestation", attested_proxy_main},
    {"boot", "bring a node from the hub's address to its services' files", boot_main},
    {"builder", "build the most valuable block and bid with it at the relays", builder_main},
    {"collateral", "serve collateral from a folder", collateral_main},
    {"crypto", "time the cryptography", crypto_main},
    {"devnet", "a whole network on this machine", devnet_main},
    {"eth", "tell what bytes are: transactions, blocks, SSZ, RLP", eth_main},
    {"evm", "run code and the field's test files", evm_main},
    {"hub", "identity, allow-list, configuration, secrets and discovery", hub_main},
    {"load", "send transactions and bundles at a steady rate", load_main},
    {"node", "a chain for devnets and builders: JSON-RPC, Engine API, slots", node_main},
    {"quote-service", "make quotes for guests without a device", quote_service_program},
    {"orderflow", "take, rank and share transactions and bundles", orderflow_main},
    {"send", "sign and send transactions and bundles to a node", send_main},
    {"relay", "auction between block builders and proposers", relay_main},
    {"system-api", "let an operator control a sealed node: events, actions, uploads",
     system_api_main},
    {"trie", "state roots and proofs: made, checked, timed", trie_main},
    {NULL, NULL, NULL},
};
