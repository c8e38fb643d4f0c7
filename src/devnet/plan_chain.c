/* The chain that everybody builds on, and the relay. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/plan.h"

#include <stdio.h>

// The genesis that `node --dev` begins with, for the builders, which execute the chain themselves.
static int store_genesis(struct net *n, struct error *why) {
    const char *argv[] = {n->program, "node", "dev-genesis", NULL};
    const struct process_options o = {
        .argv = argv, .limit_ns = 10 * NS_PER_S, .output_bytes = 1u << 20};
    struct process p;
    int r = process_run(&p, &o, why);
    if (r == 0 && p.exit_status != 0) {
        r = error_set(why, ERR_INTERNAL, "genesis: %.*s", (int)p.out[1].n,
                      (const char *)p.out[1].p);
    }
    if (r == 0) r = plan_store(n, "genesis.json", buf_view(&p.out[0]), 0644, why);
    process_free(&p);
    return r;
}

int plan_chain(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "chain", "node");
    unsigned rpc = 0, ws = 0, metrics = 0, beacon = 0;
    char pubkey[97] = "";
    int code = identity_bls(&n->relay_key, n->s->seed, "relay", why);
    if (code == 0) code = store_genesis(n, why);
    if (code == 0) code = RESERVE(n, &rpc, &ws, &metrics, &beacon);
    if (code == 0) code = RESERVE(n, &n->chain_rpc, &n->chain_ws, &n->chain_beacon, &n->relay_port);
    if (code == 0) code = links_front(n->links, "chain", n->chain_rpc, rpc, why);
    if (code == 0) code = links_front(n->links, "chain", n->chain_ws, ws, why);
    if (code == 0) code = links_front(n->links, "chain", n->chain_beacon, beacon, why);
    if (code < 0) return code;
    hex_encode(pubkey, BYTES_OF(n->relay_key.pubkey));
    bool ok = WORDS(&r, "--engine-addr", "", "--extra-data", "devnet", "--slots") &&
              role_arg(&r, &n->arena, "%llums", (unsigned long long)(n->s->slot_ns / NS_PER_MS)) &&
              plan_listens(&r, n, "--http-addr", rpc) && plan_listens(&r, n, "--ws-addr", ws) &&
              plan_listens(&r, n, "--metrics-addr", metrics) &&
              plan_listens(&r, n, "--beacon-addr", beacon) && WORDS(&r, "--relay") &&
              role_arg(&r, &n->arena, "http://0x%s@127.0.0.1:%u", pubkey, n->relay_port) &&
              role_address(&r, &n->arena, "rpc", "http", n->chain_rpc) &&
              role_address(&r, &n->arena, "ws", "ws", n->chain_ws) &&
              role_address(&r, &n->arena, "beacon", "http", n->chain_beacon) &&
              role_address(&r, &n->arena, "metrics", "http", metrics);
    r.health_url = r.addresses[3].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
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
              role_address(&r, &n->arena, "relay", "http", n->relay_port) &&
              role_address(&r, &n->arena, "own", "http", port);
    r.health_url = r.addresses[1].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}
