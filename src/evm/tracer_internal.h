/* Inside of the tracers: one struct for all kinds. SPDX-License-Identifier: MIT */
#ifndef EVM_TRACER_INTERNAL_H
#define EVM_TRACER_INTERNAL_H

#include "evm/tracer_access.h"
#include "evm/tracers.h"
#include "json/write.h"

struct tracer_call;
struct tracer_slot;

struct selector {
    uint8_t bytes[4];
    size_t size;
    uint64_t count;
};

struct tracer {
    struct evm_tracer interface;
    struct buf *out;
    struct arena memory;
    struct tracer_options options;
    struct tracer_transaction transaction;
    bool has_transaction;
    void (*end)(struct tracer *t, const struct state *s);
    bool failed; /* a limit or memory */

    /* structlog and opcodes: the step that waits for its cost */
    struct evm_step pending;
    bool has_pending;
    uint64_t step_count;
    struct tracer_slot *slots; /* opcodes: what was seen of storage */
    size_t slot_count, slot_room;

    struct tracer_call *calls; /* call: the tree, a parent before its children */
    uint32_t call_count, call_room, open;

    struct selector *selectors;
    size_t selector_count;

    struct access_list access;
};

void tracer_call_init(struct tracer *t);
void tracer_opcodes_init(struct tracer *t);
void tracer_prestate_end(struct tracer *t, const struct state *s);

/* tracer_add_word writes 32 bytes as DATA into an array. */
void tracer_add_word(struct json_writer *w, const struct u256 *v);
/* tracer_add_word_key begins a member whose key is such a word; tracer_add_address_key likewise. */
void tracer_add_word_key(struct json_writer *w, const struct u256 *v);
void tracer_add_address_key(struct json_writer *w, const struct address *a);

#endif
