/* What world.c and prepare.c share. SPDX-License-Identifier: MIT */
#ifndef LOAD_WORLD_INTERNAL_H
#define LOAD_WORLD_INTERNAL_H

#include "load/world.h"

/* Values of one transaction that its scenario varies. */
struct varied {
    struct u256 numbers[CALL_ARGS_MAX];
    const struct u256 *places[CALL_ARGS_MAX];
    struct u256 value, priority_fee;
    bool has_value, has_priority_fee;
};

int world_too_large(struct error *why);

/* world_init_account: the address of its key. */
[[gnu::warn_unused_result]] int world_init_account(struct world *w, struct account *k,
                                                   struct error *why);

/* world_fill: "{name}" in `text` replaced, in `a`. bare: addresses without 0x (inside bytecode).
 * errors  ERR_NOT_FOUND. */
[[gnu::warn_unused_result]] int world_fill(const struct world *w, struct bytes *ret,
                                           struct bytes text, const struct address *sender,
                                           bool bare, struct arena *a, struct error *why);

[[gnu::warn_unused_result]] int world_make_form(struct world *w, struct form *f,
                                                const struct scenario_tx *t, struct error *why);
void world_vary_all(const struct world *w, const struct form *f, uint64_t i, struct varied *v);
[[gnu::warn_unused_result]] int world_make_data(const struct world *w, const struct form *f,
                                                const struct account *from, const struct varied *v,
                                                struct bytes *ret, struct arena *a,
                                                struct error *why);

#endif
