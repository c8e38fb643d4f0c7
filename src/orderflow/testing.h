/* Helpers of the orderflow tests: orders made from JSON. Not for programs.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_TESTING_H
#define ORDERFLOW_TESTING_H

#include "base/clock.h"
#include "orderflow/order.h"
#include "test/harness/test.h"

#include <signal.h>
#include <sys/resource.h>

#define TEST_UUID "3255ceb4-fdc5-592d-a501-2183727ca3df"

/* An order as a user's request makes it, by the first generation's rules (any bytes are
 * transactions). nonce: of a replacement that names none. */
static inline struct flow_order *test_order(const char *method, const char *param, uint64_t nonce,
                                            uint64_t expires_ns) {
    struct arena a, scratch;
    struct error why = {.text = ""};
    const struct json *doc;
    struct order order;
    struct flow_order *o;
    struct order_context c = {
        .generation = ORDER_FIRST, .signer = {{1, 2, 3}}, .now_us = nonce, .share_nonce = nonce};
    arena_init(&a, 1u << 20);
    arena_init(&scratch, 1u << 20);
    CHECK_OK(json_parse(&doc, bytes_from_str(param), &scratch, NULL, &why), &why);
    CHECK_OK(order_from_param(&order, bytes_from_str(method), doc, &c, &a, &why), &why);
    const struct flow_order_facts facts = {.signer = c.signer,
                                           .received_ns = 1000,
                                           .expires_ns = expires_ns,
                                           .priority = ORDER_MEDIUM,
                                           .bytes = strlen(param)};
    CHECK_OK(flow_order_new(&o, &order, &facts, &a, &why), &why);
    arena_free(&scratch);
    return o;
}

/* The disk is full, by a limit on files' sizes that holds for the process. */
static inline void test_fill_disk(struct rlimit *old, rlim_t bytes) {
    CHECK(getrlimit(RLIMIT_FSIZE, old) == 0);
    const struct rlimit few = {.rlim_cur = bytes, .rlim_max = old->rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
}

#endif
