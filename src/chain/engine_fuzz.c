/* What a consensus client may send. SPDX-License-Identifier: MIT */
#include "chain/engine.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    const struct json *doc;
    struct execution_payload payload;
    struct engine_attributes attributes;
    struct engine_payload_status status;
    struct blobs_bundle blobs;
    struct error why;
    unsigned parts;
    arena_init(&a, 64u << 20);
    if (json_parse(&doc, bytes_make(data, size), &a, NULL, &why) == 0) {
        if (engine_payload_decode(&payload, &parts, doc, &a, &why) == 0) {
            const struct engine_extra extra = {.has_beacon_root = (parts & ENGINE_BLOB_GAS) != 0};
            struct block b, again;
            struct execution_payload back;
            struct hash hash, hash_again;
            if (engine_payload_block(&b, &payload, parts, &extra, &a, &why) == 0) {
                if (header_hash(&hash, &b.header, &why) != 0) abort();
                if (engine_payload_of(&back, &parts, &b, &hash, &a, &why) != 0) abort();
                if (engine_payload_block(&again, &back, parts, &extra, &a, &why) != 0) abort();
                if (header_hash(&hash_again, &again.header, &why) != 0) abort();
                if (!hash_equal(&hash, &hash_again)) abort();
            }
        }
        int r = engine_attributes_decode(&attributes, doc, &a, &why);
        r += engine_payload_status_decode(&status, doc, &why);
        r += engine_blobs_decode(&blobs, doc, &a, &why);
        if (r > 0) abort();
    }
    arena_free(&a);
    return 0;
}
