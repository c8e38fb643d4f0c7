/* Requests of every method by both generations, from a body and as a signature header: never more
 * than an error, and what is accepted can be forwarded. SPDX-License-Identifier: MIT */
#include "eth/request_signature.h"
#include "orderflow/order_envelope.h"
#include "orderflow/priority.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(struct bytes in, enum order_generation generation, bool system) {
    struct arena a;
    struct order_envelope e;
    struct order o;
    struct uuid key;
    struct buf out;
    enum order_fault fault;
    const struct order_context c = {.generation = generation, .system = system, .trusted = true};
    arena_init(&a, 16u << 20);
    buf_init(&out, 0);
    if (order_envelope_parse(&e, &fault, in, generation, &a, NULL) == 0 &&
        order_from_param(&o, e.method, e.param, &c, &a, NULL) == 0) {
        if (order_forward(&out, &o, generation, NULL) != 0) abort();
        if (order_key(&key, &o, &a, NULL) != 0 && a.used_bytes < 8u << 20) abort();
        (void)order_priority_of(&o, 0);
    }
    buf_free(&out);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct request_signature s;
    for (int i = 0; i < 4; i++) {
        judge(in, i & 1 ? ORDER_SECOND : ORDER_FIRST, i & 2);
    }
    (void)!request_signature_parse(&s, in, NULL);
    return 0;
}
