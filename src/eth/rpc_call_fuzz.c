/* Call objects, overrides, filters and block parameters never crash on any JSON.
 * SPDX-License-Identifier: MIT */
#include "eth/log_filter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    const struct json *doc;
    arena_init(&a, 8u << 20);
    if (json_parse(&doc, (struct bytes){data, size}, &a, NULL, NULL) == 0) {
        struct block_param p;
        struct call_object c;
        struct state_overrides s;
        struct block_overrides b;
        struct log_filter f;
        struct hash key;
        bool numbered = block_param_decode_number(&p, doc, BLOCK_PARAM_LATEST, NULL) == 0;
        if (numbered && block_param_decode(&p, doc, BLOCK_PARAM_LATEST, NULL) != 0) abort();
        if (call_object_decode(&c, doc, &a, NULL) == 0 && c.tx.type > TX_SET_CODE) abort();
        if (storage_key_decode(&key, doc, NULL) == 0 && json_text(doc).n > 66) abort();
        if (state_overrides_decode(&s, doc, &a, NULL) == 0 && s.count != json_count(doc)) abort();
        if (block_overrides_decode(&b, doc, &a, NULL) == 0 &&
            b.has_number != !json_is_null(json_get(doc, "number")))
            abort();
        if (log_filter_decode(&f, doc, &a, NULL) == 0) {
            struct log_filter_bits bits;
            struct event_log l = {.topic_count = LOG_TOPICS_MAX};
            struct bloom bloom = {{0}};
            bloom_add_logs(&bloom, &l, 1);
            log_filter_bits_init(&bits, &f);
            if (log_filter_matches(&f, &l) && !log_filter_may_match(&bits, &bloom)) abort();
        }
    }
    arena_free(&a);
    return 0;
}
