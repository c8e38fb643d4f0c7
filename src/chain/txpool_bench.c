/* What a full pool costs: transactions that push out the cheapest, with few senders and with many.
 * The limit is what each costs before the pool's tables see it: decoding, and finding its sender.
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

struct maker {
    struct memory_state state;
    uint64_t next; // sender
};

static struct tx make(struct maker *m, uint64_t tip) {
    struct error why;
    struct ecdsa_secret_key key = {{0}};
    struct ecdsa_public_key public;
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = 1,
                   .gas = 21000,
                   .max_fee = u256_from_u64(1u << 30),
                   .max_priority_fee = u256_from_u64(tip)};
    store_be64(key.b + 24, ++m->next);
    int r = ecdsa_public_key_of(signer, &public, &key, &why);
    if (r == 0) r = tx_sign(&t, signer, &key, &arena, &why);
    if (r != 0) die("transaction", &why);
    struct address sender = ecdsa_address(&public);
    r = memory_state_set_account(&m->state, &sender, u256_from_u64(UINT64_MAX), 0,
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

static void run(size_t senders) {
    struct maker m = {.next = 0};
    struct error why;
    struct txpool *pool, *wide;
    memory_state_init(&m.state);
    const struct txpool_head head = {.reader = memory_state_reader(&m.state),
                                     .number = 1,
                                     .timestamp = 100,
                                     .gas_limit = 30000000,
                                     .base_fee = u256_from_u64(10),
                                     .fork = FORK_PRAGUE};
    const struct txpool_options full = {.config = &config,
                                        .limits = {.pending = senders, .queued = 1}};
    const struct txpool_options room = {.config = &config,
                                        .limits = {.pending = 1u << 20, .queued = 1u << 20}};
    struct tx *first = calloc(senders, sizeof *first), *more = calloc(ADDED, sizeof *more);
    if (!first || !more || txpool_open(&pool, &full, &why) != 0 ||
        txpool_open(&wide, &room, &why) != 0 || txpool_set_head(pool, &head, NULL, 0, &why) != 0 ||
        txpool_set_head(wide, &head, NULL, 0, &why) != 0) {
        die("pool", &why);
    }
    for (size_t i = 0; i < senders; i++) {
        first[i] = make(&m, 1000 + i);
    }
    for (size_t i = 0; i < ADDED; i++) {
        more[i] = make(&m, 1000000 + i);
    }
    (void)add_all(pool, first, senders);
    double limit = (double)add_all(wide, more, ADDED) / ADDED;
    double ns = (double)add_all(pool, more, ADDED) / ADDED;
    printf("{\"name\":\"pool, a transaction that pushes out another, %zu senders\",\"ns\":%.0f,"
           "\"limit_ns\":%.0f,\"cpu\":\"%s\"}\n",
           senders, ns, limit, bench_cpu_name());
    txpool_close(pool);
    txpool_close(wide);
    memory_state_free(&m.state);
    free(first);
    free(more);
}

int main(void) {
    struct error why;
    chain_config_all_at(&config, FORK_PRAGUE, 1);
    arena_init(&arena, 0);
    if (ecdsa_signer_new(&signer, &why) != 0) die("signer", &why);
    run(100);
    run(10000);
    run(100000);
    ecdsa_signer_free(signer);
    arena_free(&arena);
    return 0;
}
