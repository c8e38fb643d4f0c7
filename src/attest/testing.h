/* What attest's tests share: a simulated platform, its verifier and one verdict.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_TESTING_H
#define ATTEST_TESTING_H

#include "attest/policy.h"
#include "attest/simulator.h"
#include "test/harness/test.h"

#define TESTING_NOW UINT64_C(1767225600) /* 2026-01-01 */

struct testing {
    struct simulator *simulator;
    struct trust_root root;
    struct verifier *verifier;
    struct collateral *collateral;
    struct buf quote;
    struct td_report td;
    struct verdict verdict;
};

static inline struct simulator_spec testing_spec(void) {
    return (struct simulator_spec){.now = TESTING_NOW, .fmspc = {1, 2, 3, 4, 5, 6}};
}

/* testing_load parses what the simulator holds now. */
static inline void testing_load(struct testing *t) {
    struct error why = {0};
    struct collateral_parts parts = simulator_collateral(t->simulator);
    collateral_free(t->collateral);
    CHECK_OK(collateral_make(&t->collateral, &parts, &why), &why);
}

static inline void testing_start(struct testing *t, const struct simulator_spec *spec) {
    struct error why = {0};
    memset(t, 0, sizeof *t);
    CHECK_OK(simulator_new(&t->simulator, spec, &why), &why);
    CHECK_OK(trust_root_parse(&t->root, simulator_root(t->simulator), &why), &why);
    CHECK_OK(verifier_new(&t->verifier, &t->root, &why), &why);
    buf_init(&t->quote, QUOTE_BYTES_MAX);
    simulator_td(t->simulator, &t->td);
    testing_load(t);
}

/* testing_check quotes t->td and judges the quote at a time. */
static inline const struct verdict *testing_check(struct testing *t, unsigned version,
                                                  enum quote_body body, uint64_t now) {
    struct error why = {0};
    CHECK_OK(simulator_quote(&t->quote, t->simulator, &t->td, version, body, &why), &why);
    CHECK_OK(
        verifier_check(&t->verdict, t->verifier, buf_view(&t->quote), t->collateral, now, &why),
        &why);
    return &t->verdict;
}

static inline void testing_end(struct testing *t) {
    verifier_free(t->verifier);
    collateral_free(t->collateral);
    trust_root_free(&t->root);
    simulator_free(t->simulator);
    buf_free(&t->quote);
}

#endif
