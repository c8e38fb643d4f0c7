/* Quotes verified per second and core, warm and cold, beside the P-256 verifications alone that
 * the same work needs, in the same run.
 *
 * cold: a new verifier and freshly parsed collateral for each quote. known platform: the verifier
 * knows collateral and PCK chain, the quoting key is new. warm: the quoting key is known too.
 *
 * SPDX-License-Identifier: MIT */
#include "attest/digest.h"
#include "attest/simulator.h"
#include "attest/verify.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW UINT64_C(1767225600)
#define BUDGET_MS 1500

struct work {
    struct simulator *simulator;
    struct trust_root root;
    struct verifier *verifier;
    struct collateral *collateral;
    struct buf quote;
    struct es256_key *key;
    uint8_t point[64], signature[64], digest[32];
    unsigned count; /* of P-256 verifications in one run of `signatures` */
};

static void check(bool ok, const char *what) {
    if (ok) return;
    (void)fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static struct verdict verdict;

static void verify(struct work *w, struct verifier *v, const struct collateral *c) {
    check(verifier_check(&verdict, v, buf_view(&w->quote), c, NOW, NULL) == 0 && verdict.valid,
          "verification");
}

static void warm(void *arg) {
    struct work *w = arg;
    verify(w, w->verifier, w->collateral);
}

static void cold(void *arg) {
    struct work *w = arg;
    struct collateral_parts parts = simulator_collateral(w->simulator);
    struct collateral *c = NULL;
    struct verifier *v = NULL;
    check(collateral_make(&c, &parts, NULL) == 0 && verifier_new(&v, &w->root, NULL) == 0,
          "set-up");
    verify(w, v, c);
    verifier_free(v);
    collateral_free(c);
}

static void known_platform(void *arg) {
    struct work *w = arg;
    verifier_forget_quoting_keys(w->verifier);
    verify(w, w->verifier, w->collateral);
}

static void signatures(void *arg) {
    struct work *w = arg;
    for (unsigned i = 0; i < w->count; i++) {
        check(es256_verify(w->key, w->digest, w->signature), "signature");
    }
}

static void parse(void *arg) {
    struct work *w = arg;
    struct quote q;
    for (int i = 0; i < 1000; i++) {
        check(quote_parse(&q, buf_view(&w->quote), NULL) == 0, "parsing");
    }
}

static double limit(struct work *w, unsigned count) {
    w->count = count;
    return bench_best_ns(signatures, w, BUDGET_MS / 3);
}

int main(void) {
    static struct work w;
    struct simulator_spec spec = {.now = NOW, .fmspc = {1, 2, 3, 4, 5, 6}};
    struct td_report td;
    struct bytes message = BYTES_LIT("message");
    uint8_t secret[32];
    buf_init(&w.quote, 0);
    check(simulator_new(&w.simulator, &spec, NULL) == 0 &&
              trust_root_parse(&w.root, simulator_root(w.simulator), NULL) == 0 &&
              verifier_new(&w.verifier, &w.root, NULL) == 0,
          "set-up");
    struct collateral_parts parts = simulator_collateral(w.simulator);
    simulator_td(w.simulator, &td);
    check(collateral_make(&w.collateral, &parts, NULL) == 0 &&
              simulator_quote(&w.quote, w.simulator, &td, 4, QUOTE_BODY_TD10, NULL) == 0 &&
              es256_key_generate(&w.key, secret, NULL) == 0 &&
              es256_sign_message(w.key, message, w.signature, NULL) == 0,
          "set-up");
    digest_sha256(message, w.digest);
    verify(&w, w.verifier, w.collateral);
    uint64_t before = verifier_signatures(w.verifier);
    unsigned all = (unsigned)before;
    warm(&w);
    unsigned one = (unsigned)(verifier_signatures(w.verifier) - before);
    // Best of interleaved rounds, so that a neighbour's load falls on both sides.
    double times[3] = {1e18, 1e18, 1e18}, limits[3] = {1e18, 1e18, 1e18};
    void (*const bodies[3])(void *) = {warm, known_platform, cold};
    const unsigned counts[3] = {one, one + 1, all};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            double t = bench_best_ns(bodies[i], &w, BUDGET_MS / 3), l = limit(&w, counts[i]);
            if (t < times[i]) times[i] = t;
            if (l < limits[i]) limits[i] = l;
        }
    }
    bench_emit("attest_verify_warm", 1, "quote", times[0], limits[0]);
    bench_emit("attest_verify_known_platform", 1, "quote", times[1], limits[1]);
    bench_emit("attest_verify_cold", 1, "quote", times[2], limits[2]);
    bench_emit("attest_quote_parse", 1000, "quote", bench_best_ns(parse, &w, 200), 0);
    es256_key_free(w.key);
    verifier_free(w.verifier);
    collateral_free(w.collateral);
    trust_root_free(&w.root);
    simulator_free(w.simulator);
    buf_free(&w.quote);
    return 0;
}
