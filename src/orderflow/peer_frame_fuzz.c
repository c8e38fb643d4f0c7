/* Frames, messages, answers and bundles: what decodes encodes to something that decodes to the
 * same encoding. SPDX-License-Identifier: MIT */
#include "orderflow/peer_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

static void check_bundle(struct bytes in, struct arena *a) {
    struct bundle b, back;
    struct buf out, again;
    if (peer_bundle_decode(&b, in, a, NULL) != 0) return;
    buf_init(&out, 0);
    buf_init(&again, 0);
    peer_bundle_encode(&out, &b);
    require(peer_bundle_decode(&back, buf_view(&out), a, NULL) == 0);
    peer_bundle_encode(&again, &back);
    require(bytes_equal(buf_view(&out), buf_view(&again)));
    buf_free(&out);
    buf_free(&again);
}

static void check_message(struct bytes in, struct arena *a) {
    struct peer_message m, back;
    struct buf out;
    if (peer_message_decode(&m, in, a, NULL) != 0) return;
    buf_init(&out, 0);
    peer_message_encode(&out, &m);
    require(peer_message_decode(&back, buf_view(&out), a, NULL) == 0);
    require(back.header_count == m.header_count && bytes_equal(back.data, m.data));
    check_bundle(m.data, a);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct bytes in = {data, size};
    struct peer_frame f;
    struct peer_answer answer;
    arena_init(&a, 16u << 20);
    if (peer_frame_parse(&f, in, 1u << 20, NULL) == 0) check_message(f.payload, &a);
    check_message(in, &a);
    check_bundle(in, &a);
    (void)!peer_answer_decode(&answer, in, &a, NULL);
    arena_free(&a);
    return 0;
}
