/* Sealing a block of a usual size: 180 transactions, about 350 accounts and 1,100 slots changed, in
 * a state of 200,000 accounts. First the whole change set on a parent whose tries are known, then
 * one transaction more a candidate, as a builder does; each with its stages. Medians.
 *
 * SPDX-License-Identifier: MIT */
#include "chain/play.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define FILLERS 200000
#define TOKENS 60
#define TOKEN_SLOTS 1000
#define TXS 180
#define ROUNDS 60

static struct play play;
static struct head *head;
static struct producer *producer;
static struct arena arena;
static struct tx txs[2 * TXS];
static struct address senders[2 * TXS];
static const struct tx *list[2 * TXS];

static void check(int r, const struct error *why) {
    if (r == 0) return;
    (void)fprintf(stderr, "bench: %s\n", why->text);
    exit(1);
}

static void make_world(void) {
    struct error why;
    check(play_init(&play, 1, FORK_PRAGUE, &why), &why);
    check(play_enlarge(&play, FILLERS, TOKENS, TOKEN_SLOTS, &why), &why);
}

// A plain transfer, a token transfer, or now and then something that changes many slots.
static void make_tx(size_t i) {
    struct error why;
    struct random_fast *dice = &play.dice;
    uint64_t kind = random_fast_below(dice, 10), words = kind == 0 ? 24 : 4;
    uint8_t data[24 * 32] = {0};
    struct tx *t = &txs[i];
    *t = (struct tx){.type = TX_FEE_MARKET,
                     .has_to = true,
                     .protected = true,
                     .chain_id = 1,
                     .gas = 1000000,
                     .max_fee = u256_from_u64(1000000000),
                     .max_priority_fee = u256_from_u64(1)};
    if (kind < 7) {
        t->to = play_token(random_fast_below(dice, TOKENS));
        for (uint64_t k = 0; k < words; k++) {
            store_be64(data + 32 * k + 24, random_fast_below(dice, TOKEN_SLOTS));
        }
        t->data = arena_copy(&arena, bytes_make(data, words * 32));
    } else {
        t->to = play_filler(random_fast_below(dice, FILLERS));
        t->value = U256_ONE;
    }
    senders[i] = play_filler(i * 500 + 7); // its own; no signature is looked at here
    check(tx_sign(t, play.signer, &play.keys[0], &arena, &why), &why);
    list[i] = t;
}

static void run_txs(size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        struct transact_result result;
        struct error why;
        check(block_run_tx(producer_run(producer), &txs[i], &senders[i], &result, &why), &why);
        if (result.fault != TRANSACT_VALID) {
            (void)fprintf(stderr, "bench: %s\n", transact_fault_text(&result));
            exit(1);
        }
    }
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void emit(const char *what, const char *stage, uint64_t *ns, size_t n) {
    char name[80];
    qsort(ns, n, sizeof *ns, compare);
    (void)snprintf(name, sizeof name, "seal_%s_%s", what, stage);
    const uint64_t median = ns[n / 2];
    bench_emit(name, TXS, "txs", (double)median, 0);
}

struct samples {
    uint64_t outcome[ROUNDS], root[ROUNDS], header[ROUNDS], all[ROUNDS];
    size_t n;
};

static void note(struct samples *s, const struct produce_times *t) {
    s->outcome[s->n] = t->outcome_ns;
    s->root[s->n] = t->root_ns;
    s->header[s->n] = t->header_ns;
    s->all[s->n++] = t->outcome_ns + t->root_ns + t->header_ns;
}

static void report(const char *what, struct samples *s) {
    emit(what, "outcome", s->outcome, s->n);
    emit(what, "state_root", s->root, s->n);
    emit(what, "header", s->header, s->n);
    emit(what, "all", s->all, s->n);
}

int main(void) {
    static struct samples whole, next;
    struct error why;
    arena_init(&arena, 0);
    make_world();
    const struct head_options options = {.genesis = &play.genesis};
    check(head_open(&head, &options, &why), &why);
    check(producer_new(&producer, head, NULL, &why), &why);
    for (size_t i = 0; i < 2 * TXS; i++) {
        make_tx(i);
    }
    const struct head_block *parent = head_latest(head);
    const struct produce_attributes attributes = {.timestamp = parent->block.header.timestamp + 12,
                                                  .fee_recipient = play_address(0xa0, 3)};
    struct arena sealed;
    struct produced made;
    arena_init(&sealed, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        arena_reset(&sealed);
        check(producer_begin(producer, &parent->hash, &attributes, &why), &why);
        if (round % 2) { // back to the empty block, so that all of it is news
            check(producer_seal(producer, &made, list, 0, &sealed, &why), &why);
        }
        run_txs(0, TXS);
        check(producer_seal(producer, &made, list, TXS, &sealed, &why), &why);
        if (round % 2 && round > 4) note(&whole, &made.times);
    }
    for (size_t n = TXS; n < TXS + ROUNDS; n++) {
        run_txs(n, n + 1);
        arena_reset(&sealed);
        check(producer_seal(producer, &made, list, n + 1, &sealed, &why), &why);
        note(&next, &made.times);
    }
    report("whole", &whole);
    report("next", &next);
    head_block_release(parent);
    producer_free(producer);
    head_close(head);
    play_free(&play);
    arena_free(&sealed);
    arena_free(&arena);
    return 0;
}
