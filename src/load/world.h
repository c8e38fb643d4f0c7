/* World: what a run stands on: the chain, the accounts with their money, the scenario's contracts,
 * and the making of its transactions.
 *
 * Accounts come from the seed and their pool's name: Keccak-256(seed 0x00 pool 0x00 number). Values
 * that a scenario varies are min + Keccak-256(seed + i, little-endian) mod (max - min), as
 * contender has them, so that a run can be repeated.
 *
 * Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef LOAD_WORLD_H
#define LOAD_WORLD_H

#include "crypto/kzg.h"
#include "eth/tx.h"
#include "eth/tx_sidecar.h"
#include "load/call_data.h"
#include "load/load.h"
#include "load/rpc.h"

#define WORLD_POOLS_MAX 16
#define WORLD_ACCOUNTS_MAX 20000
#define WORLD_CONTRACTS_MAX SCENARIO_STEPS_MAX

struct account {
    struct ecdsa_secret_key key;
    struct address address;
    uint64_t nonce;   /* next to use */
    unsigned at_work; /* orders on their way, or made ahead */
    unsigned doubts;  /* how often its nonce was in doubt: what was made before is of no use */
    uint64_t holder;  /* number, from 1, of the order whose bundles' fate is open; 0: none */
    bool stale;       /* its nonce must be asked for */
};

struct pool_of {
    struct bytes name;
    struct account *accounts;
    size_t count, next;
};

/* A scenario's transaction, made ready: what is the same each time is computed once. */
struct form {
    const struct scenario_tx *tx;
    struct pool_of *pool;
    struct call_form call;
    bool has_call, to_sender, uses_sender;
    struct address to;
    struct bytes *args; /* with contracts and variables filled in */
    struct bytes data;  /* whole call data, when nothing varies */
    uint64_t gas;
    struct u256 value;
    struct tx_access *access;
    size_t access_count;
    struct address authorization;
};

struct form_group { /* of one spam entry */
    const struct scenario_spam *spam;
    struct form *forms;
    size_t count;
};

struct contract {
    struct bytes name;
    struct address address;
};

struct world {
    const struct load_settings *s;
    struct arena *arena; /* for as long as the run */
    struct scenario scenario;
    struct rpc_caller *rpc;
    struct ecdsa_signer *signer;
    struct account funder;
    struct pool_of pools[WORLD_POOLS_MAX];
    size_t pool_count;
    struct contract contracts[WORLD_CONTRACTS_MAX];
    size_t contract_count;
    struct form_group groups[SCENARIO_STEPS_MAX];
    size_t group_count;
    uint64_t chain_id, weights;
    uint8_t seed[32];
    struct u256 max_fee, priority_fee;
    struct kzg *kzg; /* for blobs */
    const uint8_t *blob;
    struct tx_sidecar sidecar;
    struct hash blob_hash;
    char client[96];
};

/* world_open reads chain and scenario, funds accounts, makes contracts, runs the setup.
 * progress  called with a line for a person; NULL: silence. */
[[gnu::warn_unused_result]] int world_open(struct world *ret, const struct load_settings *s,
                                           struct arena *a, void (*progress)(const char *line),
                                           struct error *why);
void world_close(struct world *w);

/* world_group: which spam entry the i-th order is, by their weights. */
const struct form_group *world_group(const struct world *w, uint64_t i);

/* world_tx makes and signs a transaction; raw (network form, with a blob's sidecar) and hash stand
 * in `a`. i varies its values; bump adds to the priority fee, wei. thread  any: it only reads. */
[[gnu::warn_unused_result]] int world_tx(const struct world *w, const struct form *f,
                                         const struct account *from, uint64_t nonce, uint64_t i,
                                         uint64_t bump, struct bytes *ret_raw,
                                         struct hash *ret_hash, struct arena *a, struct error *why);

#endif
