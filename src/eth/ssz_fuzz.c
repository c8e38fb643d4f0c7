/* The first byte picks a type. What decodes encodes to the same bytes, has a root, and reads back
 * from its JSON. SPDX-License-Identifier: MIT */
#include "eth/blinded_block.h"
#include "eth/ssz_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ssz_type *pick(uint8_t choice) {
    const struct consensus_types *t = consensus_types_of(choice % CONSENSUS_FORK_COUNT);
    switch (choice / CONSENSUS_FORK_COUNT % 10) {
    case 0:
        return t->payload;
    case 1:
        return t->payload_header;
    case 2:
        return t->submit_request;
    case 3:
        return t->signed_builder_bid;
    case 4:
        return t->signed_blinded_block;
    case 5:
        return t->payload_and_blobs;
    case 6:
        return &ssz_execution_requests;
    case 7:
        return &ssz_transactions;
    case 8:
        return &ssz_signed_validator_registrations;
    default:
        return &ssz_bid_trace;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const struct ssz_type *type = pick(data[0]);
    struct bytes in = {data + 1, size - 1};
    if (!type) return 0;
    struct arena a;
    arena_init(&a, 64u << 20);
    void *value = arena_alloc(&a, type->memory), *back = arena_alloc(&a, type->memory);
    if (value && back && ssz_decode(value, type, in, &a, NULL) == 0) {
        struct buf out, text;
        struct hash root;
        const struct json *doc;
        buf_init(&out, 0);
        buf_init(&text, 0);
        ssz_encode(&out, type, value);
        if (!bytes_equal(buf_view(&out), in) || ssz_size(type, value) != in.n) abort();
        if (ssz_root(&root, type, value, &a, NULL) != 0) abort();
        ssz_json_encode(&text, type, value);
        if (json_parse(&doc, buf_view(&text), &a, NULL, NULL) != 0) abort();
        if (ssz_json_decode(back, type, doc, &a, NULL) != 0) abort();
        buf_clear(&out);
        ssz_encode(&out, type, back);
        if (!bytes_equal(buf_view(&out), in)) abort();
        buf_free(&out);
        buf_free(&text);
    }
    arena_free(&a);
    return 0;
}
