/* What decodes as a transaction encodes to the same bytes, in network and envelope form, and reads
 * back from its JSON. SPDX-License-Identifier: MIT */
#include "eth/rpc_json.h"
#include "eth/tx_check.h"
#include "eth/tx_sidecar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

static void check_json(const struct tx *t, struct arena *a) {
    struct buf text;
    struct json_writer w;
    const struct json *doc;
    struct tx back;
    struct address from = t->deposit.from;
    buf_init(&text, 0);
    json_writer_init(&w, &text, 0);
    tx_json_encode(&w, NULL, t, &from, NULL);
    require(json_parse(&doc, buf_view(&text), a, NULL, NULL) == 0);
    require(tx_json_decode(&back, doc, a, NULL) == 0);
    require(bytes_equal(back.raw, t->raw) && hash_equal(&back.hash, &t->hash));
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct tx t, plain;
    struct tx_sidecar sidecar;
    struct bytes in = {data, size};
    arena_init(&a, 16u << 20);
    int r = tx_decode_network(&t, &sidecar, in, &a, NULL);
    int r_plain = tx_decode(&plain, in, &a, NULL);
    require((r_plain == 0) == (r == 0 && !sidecar.present));
    if (r == 0) {
        struct buf out;
        buf_init(&out, 0);
        tx_encode(&out, &t);
        require(bytes_equal(buf_view(&out), t.raw));
        buf_clear(&out);
        tx_encode_network(&out, &t, &sidecar);
        require(bytes_equal(buf_view(&out), in));
        buf_free(&out);
        for (int f = 0; f < FORK_COUNT; f++) {
            (void)tx_check_static(&t, fork_rules_of((enum fork)f), t.chain_id);
        }
        check_json(&t, &a);
    }
    arena_free(&a);
    return 0;
}
