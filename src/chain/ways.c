/* SPDX-License-Identifier: MIT */
#include "chain/ways.h"

#include "chain/ahead.h"
#include "chain/memory_state.h"
#include "chain/play.h"
#include "evm/precompile.h"

#include <stdlib.h>

#define SENDERS 6
#define CONTRACTS 5 // the code calls more than there are

struct ways {
    struct evm_code_cache *codes;
    struct precompiles *precompiles;
    struct ahead *ahead;
    struct memory_state base;
    struct evm vm;
    struct state state;
    struct block_run run;
    struct arena arena;
    struct chain_config config;
    enum fork fork;
    struct tx txs[WAYS_TXS];
    struct address senders[WAYS_TXS];
};

/* What a way led to. */
struct end {
    struct hash root;
    uint64_t gas;
    size_t logs, held; /* held: effects that were applied */
    bool failed;
};

/* Life. */

struct ways *ways_new(unsigned threads) {
    struct ways *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    memory_state_init(&w->base);
    arena_init(&w->arena, 0);
    w->codes = evm_code_cache_new();
    int r = w->codes ? precompiles_new(&w->precompiles, NULL) : ERR_NO_MEMORY;
    if (r == 0) r = state_init(&w->state, memory_state_reader(&w->base), w->codes, NULL);
    if (r == 0) r = evm_init(&w->vm, w->codes, w->precompiles, NULL);
    if (r == 0) block_run_init(&w->run, &w->vm);
    if (r == 0) r = ahead_new(&w->ahead, threads, w->codes, w->precompiles, NULL);
    if (r == 0) return w;
    ways_free(w);
    return NULL;
}

void ways_free(struct ways *w) {
    if (!w) return;
    ahead_free(w->ahead);
    block_run_free(&w->run);
    evm_free(&w->vm);
    state_free(&w->state);
    precompiles_free(w->precompiles);
    evm_code_cache_free(w->codes);
    memory_state_free(&w->base);
    arena_free(&w->arena);
    free(w);
}

/* The world. */

static int add_contract(struct ways *w, unsigned i, uint64_t seed) {
    struct random_fast dice;
    uint8_t code[PLAY_CODE_MAX];
    struct address a = play_address(0xc0, i);
    random_fast_seed(&dice, seed);
    size_t n = play_code(&dice, code);
    struct u256 balance = u256_from_u64(random_fast_below(&dice, 50));
    int r = memory_state_set_account(&w->base, &a, balance, 1, bytes_make(code, n), NULL);
    for (unsigned k = 0; r == 0 && k < 4; k++) {
        struct u256 value = u256_from_u64(random_fast_below(&dice, 3));
        r = memory_state_set_slot(&w->base, &a, u256_from_u64(k), value, NULL);
    }
    return r;
}

static void make_tx(struct ways *w, size_t i, uint64_t nonces[SENDERS], uint64_t seed) {
    struct random_fast dice;
    random_fast_seed(&dice, seed);
    unsigned from = (unsigned)random_fast_below(&dice, SENDERS);
    uint64_t kind = random_fast_below(&dice, 10);
    struct tx *t = &w->txs[i];
    *t = (struct tx){.type = TX_LEGACY,
                     .has_to = true,
                     .nonce = nonces[from]++,
                     .gas = 400000,
                     .max_fee = u256_from_u64(10 + random_fast_below(&dice, 3)),
                     .value = u256_from_u64(random_fast_below(&dice, 3))};
    if (kind < 8) {
        t->to = play_address(0xc0, random_fast_below(&dice, CONTRACTS));
    } else {
        t->to = play_address(kind == 8 ? 0xee : 0xa0, random_fast_below(&dice, SENDERS));
    }
    t->max_priority_fee = t->max_fee;
    t->signature.r[31] = t->signature.s[31] = 1;
    w->senders[i] = play_address(0xee, from);
}

int ways_world(struct ways *w, enum fork fork, uint64_t (*seed)(void *arg), void *arg) {
    uint64_t nonces[SENDERS] = {0};
    int r = 0;
    state_reset(&w->state, memory_state_reader(&w->base));
    evm_code_cache_trim(w->codes, 1u << 20);
    memory_state_clear(&w->base);
    arena_reset(&w->arena);
    chain_config_all_at(&w->config, fork, 1);
    w->fork = fork;
    for (unsigned i = 0; r == 0 && i < CONTRACTS; i++) {
        r = add_contract(w, i, seed(arg));
    }
    for (unsigned i = 0; r == 0 && i < SENDERS; i++) {
        struct address a = play_address(0xee, i);
        r = memory_state_set_account(&w->base, &a, u256_from_u64(UINT64_MAX), 0, (struct bytes){0},
                                     NULL);
    }
    for (size_t i = 0; i < WAYS_TXS; i++) {
        make_tx(w, i, nonces, seed(arg));
    }
    return r;
}

/* The ways. */

static void begin(struct ways *w, struct end *ret) {
    const struct block_env env = {.config = &w->config,
                                  .fork = w->fork,
                                  .coinbase = play_address(0xa0, 3),
                                  .number = 1,
                                  .timestamp = 1,
                                  .gas_limit = 30000000,
                                  .base_fee = u256_from_u64(7)};
    *ret = (struct end){.failed = false};
    state_reset(&w->state, memory_state_reader(&w->base));
    if (block_run_begin(&w->run, &w->state, &env, NULL) != 0) ret->failed = true;
}

static void finish(struct ways *w, struct end *ret) {
    struct memory_state copy;
    memory_state_init(&copy);
    int r = memory_state_copy(&copy, &w->base, NULL);
    if (r == 0) r = memory_state_apply(&copy, &w->state, NULL);
    if (r == 0) r = memory_state_root(&ret->root, &copy, NULL);
    memory_state_free(&copy);
    ret->gas = w->run.gas_used;
    ret->logs = w->state.log_count;
    if (r != 0 || w->state.failed.code != 0) ret->failed = true;
}

static void run_plain(struct ways *w, size_t from, size_t to, struct end *ret) {
    struct transact_result r;
    for (size_t i = from; i < to; i++) {
        if (block_run_tx(&w->run, &w->txs[i], &w->senders[i], &r, NULL) != 0 ||
            r.fault != TRANSACT_VALID) {
            ret->failed = true;
        }
    }
}

// Each is run, recorded, undone, and applied from what was recorded.
static void run_recorded(struct ways *w, struct end *ret) {
    for (size_t i = 0; i < WAYS_TXS; i++) {
        struct transact_result r;
        struct effects e;
        bool held = false;
        struct block_mark mark = block_run_mark(&w->run);
        int code = block_run_tx(&w->run, &w->txs[i], &w->senders[i], &r, NULL);
        if (code == 0) code = effects_record(&e, &w->state, &r, &w->arena, NULL);
        block_run_rewind(&w->run, mark);
        if (code == 0) code = block_run_apply(&w->run, &w->txs[i], &e, &r, &held, NULL);
        if (code != 0 || !held) ret->failed = true;
        ret->held += held;
    }
}

static void run_ahead(struct ways *w, struct end *ret) {
    const struct block block = {.txs = w->txs, .tx_count = WAYS_TXS};
    if (ahead_begin(w->ahead, &w->run, &block, w->senders, NULL) != 0) {
        ret->failed = true;
        return;
    }
    for (size_t i = 0; i < WAYS_TXS; i++) {
        const struct effects *e = ahead_take(w->ahead, i);
        struct transact_result r;
        bool held = false;
        int code = e ? block_run_apply(&w->run, &w->txs[i], e, &r, &held, NULL) : 0;
        if (code == 0 && !held) {
            code = block_run_tx(&w->run, &w->txs[i], &w->senders[i], &r, NULL);
        }
        if (code != 0) ret->failed = true;
        ret->held += held;
    }
    ahead_end(w->ahead);
}

static bool same(const struct end *a, const struct end *b) {
    return !a->failed && !b->failed && hash_equal(&a->root, &b->root) && a->gas == b->gas &&
           a->logs == b->logs;
}

const char *ways_difference(struct ways *w, size_t undo_from) {
    struct end plain, other, before, undone;
    begin(w, &plain);
    run_plain(w, 0, WAYS_TXS, &plain);
    finish(w, &plain);

    begin(w, &other);
    run_recorded(w, &other);
    finish(w, &other);
    if (!same(&plain, &other)) return "from recorded effects";

    begin(w, &before);
    run_plain(w, 0, undo_from, &before);
    struct block_mark mark = block_run_mark(&w->run);
    finish(w, &before);
    run_plain(w, undo_from, WAYS_TXS, &before);
    block_run_rewind(&w->run, mark);
    undone = before;
    finish(w, &undone);
    if (!same(&before, &undone)) return "undone";
    run_plain(w, undo_from, WAYS_TXS, &undone);
    finish(w, &undone);
    if (!same(&plain, &undone)) return "undone and run again";

    begin(w, &other);
    run_ahead(w, &other);
    finish(w, &other);
    return same(&plain, &other) ? NULL : "with threads ahead";
}
