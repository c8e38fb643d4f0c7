/* Shared text: one that many answers hold at once, and that goes with its last holder, so that a
 * long list is in memory once however many read it. Not changed after it was made; any thread.
 * SPDX-License-Identifier: MIT */
#ifndef HUB_SHARED_TEXT_H
#define HUB_SHARED_TEXT_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdlib.h>

struct shared_text {
    atomic_uint holders;
    struct buf text;
};

/* shared_text_new takes the buffer over; the caller holds it. NULL: no memory, or the buffer failed
 * (freed). */
static inline struct shared_text *shared_text_new(struct buf *text) {
    struct shared_text *t = text->failed ? NULL : calloc(1, sizeof *t);
    if (!t) {
        buf_free(text);
        return NULL;
    }
    atomic_init(&t->holders, 1);
    t->text = *text;
    return t;
}

static inline struct shared_text *shared_text_hold(struct shared_text *t) {
    atomic_fetch_add_explicit(&t->holders, 1, memory_order_relaxed);
    return t;
}

/* NULL is allowed. */
static inline void shared_text_drop(struct shared_text *t) {
    if (!t || atomic_fetch_sub_explicit(&t->holders, 1, memory_order_acq_rel) > 1) return;
    buf_free(&t->text);
    free(t);
}

#endif
