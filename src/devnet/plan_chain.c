/* The chain that everybody builds on, and the relay. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <stdio.h>

static void set_urls(struct net *n, const char *pubkey) {
    n->chain_id = NET_CHAIN_ID;
    (void)snprintf(n->rpc_url, NET_URL_MAX, "http://127.0.0.1:%u", n->chain_rpc);
    (void)snprintf(n->ws_url, NET_URL_MAX, "ws://127.0.0.1:%u", n->chain_ws);
    (void)snprintf(n->beacon_url, NET_URL_MAX, "http://127.0.0.1:%u", n->chain_beacon);
    (void)snprintf(n->relay_url, NET_URL_MAX, "http://127.0.0.1:%u", n->relay_port);
    (void)snprintf(n->bids_url, NET_URL_MAX, "http://0x%s@127.0.0.1:%u", pubkey, n->relay_port);
}

// The consensus stub within, with its proposers.
static int add_stub(struct net *n, struct role *r, unsigned beacon, struct error *why) {
    int code = links_front(n->links, "chain", n->chain_beacon, beacon, why);
    if (code < 0) return code;
    bool ok = WORDS(r, "--engine-addr", "", "--slots") &&
              role_arg(r, &n->arena, "%llums", (unsigned long long)(n->s->slot_ns / NS_PER_MS)) &&
              plan_listens(r, n, "--beacon-addr", beacon) && WORDS(r, "--relay") &&
              role_arg(r, &n->arena, "%s", n->bids_url) &&
              role_address(r, &n->arena, "beacon", "http", n->chain_beacon);
    if (n->genesis_s) {
        ok = ok && WORDS(r, "--genesis-time") &&
             role_arg(r, &n->arena, "%llu", (unsigned long long)n->genesis_s);
    }
    if (n->s->virtual_clock_ns) {
        ok = ok && WORDS(r, "--virtual-clock") &&
             role_arg(r, &n->arena, "%llums",
                      (unsigned long long)(n->s->virtual_clock_ns / NS_PER_MS));
    }
    if (n->s->fork && *n->s->fork) {
        ok = ok && WORDS(r, "--genesis", "genesis.json", "--slots-per-epoch") &&
             role_arg(r, &n->arena, "%d", GENESIS_FORK_EPOCH_SLOTS);
    }
    return ok ? 0 : plan_too_large(why);
}

int plan_chain(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "chain", "node");
    unsigned rpc = 0, ws = 0, metrics = 0, beacon = 0;
    char pubkey[97] = "";
    bool stub = n->s->consensus == CONSENSUS_OWN;
    int code = identity_bls(&n->relay_key, n->s->seed, "relay", why);
    if (code == 0 && !stub) code = part_engine(n, &r, why);
    if (code == 0) code = genesis_store(n, why);
    if (code == 0) code = RESERVE(n, &rpc, &ws, &metrics, &beacon);
    if (code == 0) code = RESERVE(n, &n->chain_rpc, &n->chain_ws, &n->chain_beacon, &n->relay_port);
    if (code == 0) code = links_front(n->links, "chain", n->chain_rpc, rpc, why);
    if (code == 0) code = links_front(n->links, "chain", n->chain_ws, ws, why);
    if (code < 0) return code;
    hex_encode(pubkey, BYTES_OF(n->relay_key.pubkey));
    set_urls(n, pubkey);
    // Kept, so that one that is killed goes on with its blocks and its time.
    bool ok = WORDS(&r, "--extra-data", "devnet", "--data-folder", "chain") &&
              plan_listens(&r, n, "--http-addr", rpc) && plan_listens(&r, n, "--ws-addr", ws) &&
              plan_listens(&r, n, "--metrics-addr", metrics) &&
              role_address(&r, &n->arena, "rpc", "http", n->chain_rpc) &&
              role_address(&r, &n->arena, "ws", "ws", n->chain_ws) &&
              role_address(&r, &n->arena, "metrics", "http", metrics);
    r.health_url = r.addresses[2].url;
    r.health_path = "/readyz";
    if (ok && stub) code = add_stub(n, &r, beacon, why);
    if (code == 0) code = ok ? plan_add(n, &r, why) : plan_too_large(why);
    return code == 0 && !stub ? part_consensus(n, beacon, why) : code;
}

// Lodestar asks late in its slots, publishes where it does, and registers validators of genesis.
static bool late_proposers(struct role *r) {
    return WORDS(r, "--publish-path", "/eth/v1/beacon/blocks", "--header-cutoff", "1800ms",
                 "--payload-cutoff", "1900ms", "--registration-grace", "10m") &&
           role_need(r, "bridge");
}

int plan_relay(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "relay", "relay");
    unsigned port = 0;
    char digits[65] = "";
    hex_encode(digits, bytes_make(n->relay_key.key, 32));
    int code = plan_store(n, "relay.key", bytes_from_str(digits), 0600, why);
    bytes_wipe(digits, sizeof digits);
    if (code == 0) code = RESERVE(n, &port);
    if (code == 0) code = links_front(n->links, "relay", n->relay_port, port, why);
    if (code < 0) return code;
    bool ok = WORDS(&r, "--database", "relay.db", "--secret-key", "file:relay.key", "--beacon") &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", n->chain_beacon) &&
              WORDS(&r, "--validation") &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", n->chain_rpc) &&
              plan_listens(&r, n, "--listen-addr", port) && role_need(&r, "chain") &&
              (n->s->consensus == CONSENSUS_OWN || late_proposers(&r)) &&
              role_address(&r, &n->arena, "relay", "http", n->relay_port) &&
              role_address(&r, &n->arena, "own", "http", port);
    r.health_url = r.addresses[1].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}
