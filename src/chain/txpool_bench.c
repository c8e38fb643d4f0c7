/* What a full pool costs: transactions that push out the cheapest, with few senders and with many;
 * and one sender's that come in order. The limit is what each costs before the pool's tables see
 * it: decoding, and finding its sender.
 *
 *     bench_chain_txpool
 *
 * SPDX-License-Identifier: MIT */
#include "chain/memory_state.h"
#include "chain/txpool.h"
#include "crypto/ecdsa.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDED 4000u

static struct chain_config config;
static struct ecdsa_signer *signer;
static struct arena arena;

static void die(const char *what, const struct error *why) {
    (void)fprintf(stderr, "bench: %s: %s\n", what, why->text);
    exit(1);
}

static struct tx make(struct memory_state *state, uint64_t sender, uint64_t nonce, uint64_t tip) {
    struct error why;
    struct ecdsa_secret_key key = {{0}};
    struct ecdsa_public_key public;
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = 1,
                   .nonce = nonce,
                   .gas = 21000,
                   .max_fee = u256_from_u64(1u << 24),
                   .max_priority_fee = u256_from_u64(tip)};
    store_be64(key.b + 24, sender);
    int r = ecdsa_public_key_of(signer, &public, &key, &why);
    if (r == 0) r = tx_sign(&t, signer, &key, &arena, &why);
    if (r != 0) die("transaction", &why);
    struct address address = ecdsa_address(&public);
    r = memory_state_set_account(state, &address, u256_from_u64(UINT64_MAX), 0,
                                 (struct bytes){NULL, 0}, &why);
    if (r != 0) die("account", &why);
    return t;
}

static uint64_t add_all(struct txpool *pool, const struct tx *txs, size_t n) {
    struct error why;
    struct hash hash;
    uint64_t began = bench_cpu_ns();
    for (size_t i = 0; i < n; i++) {
        if (txpool_add(pool, txs[i].raw, false, &hash, &why) != 0) die("add", &why);
    }
    return bench_cpu_ns() - began;
}

static struct txpool *open_pool(struct memory_state *state, struct txpool_limits limits) {
    const struct txpool_head head = {.reader = memory_state_reader(state),
                                     .number = 1,
                                     .timestamp = 100,
                                     .gas_limit = 30000000,
                                     .base_fee = u256_from_u64(10),
                                     .fork = FORK_PRAGUE};
    const struct txpool_options o = {.config = &config, .limits = limits};
    struct txpool *pool;
    struct error why;
    if (txpool_open(&pool, &o, &why) != 0 || txpool_set_head(pool, &head, NULL, 0, &why) != 0) {
        die("pool", &why);
    }
    return pool;
}

static struct txpool_limits room_for_all(void) {
    return (struct txpool_limits){
        .pending = 1u << 20, .queued = 1u << 20, .pending_per_sender = 1u << 20};
}

static void say(const char *name, size_t count, double ns, double limit) {
    printf("{\"name\":\"pool, %s, %zu\",\"ns\":%.0f,\"limit_ns\":%.0f,\"cpu\":\"%s\"}\n", name,
           count, ns, limit, bench_cpu_name());
}

static void evictions(size_t senders) {
    struct memory_state state;
    memory_state_init(&state);
    struct txpool *pool =
        open_pool(&state, (struct txpool_limits){.pending = senders, .queued = 1});
    struct txpool *wide = open_pool(&state, room_for_all());
    struct tx *first = calloc(senders, sizeof *first), *more = calloc(ADDED, sizeof *more);
    if (!first || !more) abort();
    for (size_t i = 0; i < senders; i++) {
        first[i] = make(&state, 1 + i, 0, 1000 + i);
    }
    for (size_t i = 0; i < ADDED; i++) {
        more[i] = make(&state, 1 + senders + i, 0, 1000000 + i);
    }
    (void)add_all(pool, first, senders);
    double limit = (double)add_all(wide, more, ADDED) / ADDED;
    double ns = (double)add_all(pool, more, ADDED) / ADDED;
    say("a transaction that pushes out another, senders", senders, ns, limit);
    txpool_close(pool);
    txpool_close(wide);
    memory_state_free(&state);
    free(first);
    free(more);
}

static void one_sender(size_t before) {
    struct memory_state state;
    memory_state_init(&state);
    struct txpool *pool = open_pool(&state, room_for_all());
    struct txpool *few = open_pool(&state, room_for_all());
    struct tx *own = calloc(before + ADDED, sizeof *own), *others = calloc(ADDED, sizeof *others);
    if (!own || !others) abort();
    for (size_t i = 0; i < before + ADDED; i++) {
        own[i] = make(&state, 1, i, 1000);
    }
    for (size_t i = 0; i < ADDED; i++) {
        others[i] = make(&state, 2 + i, 0, 1000);
    }
    (void)add_all(pool, own, before);
    double limit = (double)add_all(few, others, ADDED) / ADDED;
    double ns = (double)add_all(pool, own + before, ADDED) / ADDED;
    say("a sender's next transaction after many", before, ns, limit);
    txpool_close(pool);
    txpool_close(few);
    memory_state_free(&state);
    free(own);
    free(others);
}

int main(void) {
    struct error why;
    chain_config_all_at(&config, FORK_PRAGUE, 1);
    arena_init(&arena, 0);
    if (ecdsa_signer_new(&signer, &why) != 0) die("signer", &why);
    evictions(100);
    evictions(10000);
    evictions(100000);
    one_sender(20000);
    ecdsa_signer_free(signer);
    arena_free(&arena);
    return 0;
}
