/* Backtests: what each algorithm would have built of recorded orders on a recorded block.
 *
 * Orders come from a file (JSON-RPC requests, an array or one a line), or are the block's own
 * transactions in a shuffled order. Each algorithm builds with a fill of its own; its block is
 * executed again from nothing, as an import does, before its value counts.
 * The block's value is what its transactions, without the builder's own, pay in their order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BACKTEST_H
#define BUILDER_BACKTEST_H

#include "builder/algorithm.h"
#include "builder/scene.h"

struct backtest_options {
    const char *block;  /* block.json or its folder */
    const char *orders; /* file; NULL: the block's transactions, shuffled */
    uint64_t seed;
    unsigned refine; /* sequences that refinement tries after each algorithm */
    bool json;
    bool explain;  /* tell about every order */
    int algorithm; /* one enum algorithm_kind; -1: all */
};

struct backtest_result {
    enum algorithm_kind algorithm;
    bool valid;          /* executed again with the same outcome */
    struct u256 value;   /* wei, what the coinbase gains */
    struct u256 refined; /* the same after refinement */
    size_t orders, txs;
    uint64_t gas, fill_ns, refill_ns, refine_ns; /* refill: again, with known outcomes */
    char failure[ERROR_TEXT_MAX];
};

struct backtest_report {
    uint64_t number;
    enum fork fork;
    size_t txs, orders, simulated_ok;
    struct u256 value; /* of the block as it was */
    uint64_t simulate_ns;
    struct backtest_result results[ALGORITHM_KIND_COUNT];
    size_t result_count;
};

/* backtest_run does one block. out  gets the explanation of orders, when asked for.
 * errors  files that cannot be read, ERR_NO_MEMORY; a block that is not valid is a result. */
[[gnu::warn_unused_result]] int backtest_run(struct backtest_report *ret,
                                             const struct backtest_options *o, struct buf *out,
                                             struct error *why);

/* backtest_print appends a report: a table, or one line of JSON. */
void backtest_print(struct buf *out, const struct backtest_report *r, bool json);

/* backtest_is_good: every algorithm's block is valid, and the best is worth what the block was. */
bool backtest_is_good(const struct backtest_report *r);

#endif
