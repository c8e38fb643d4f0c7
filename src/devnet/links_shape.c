/* Faults that the kernel makes: delay and loss between places, by netem.
 * SPDX-License-Identifier: MIT */
#include "devnet/links_internal.h"

#include <string.h>

// netem knows places, not their single roles.
bool links_is_for_kernel(const struct links *l, const struct fault *f) {
    const struct places *p = l->places;
    if (!p || (f->kind != FAULT_DELAY && f->kind != FAULT_DROP)) return false;
    const char *names[] = {f->from, f->to};
    for (size_t i = 0; i < 2; i++) {
        unsigned place = places_find(p, names[i]);
        bool all = strcmp(names[i], "*") == 0;
        bool whole = place != PLACES_HOST && strcmp(names[i], places_name(p, place)) == 0;
        if (!all && !whole) return false;
    }
    return true;
}

static void shape(struct links *l, const struct fault_list *kernel, uint64_t slot, unsigned from,
                  unsigned to) {
    struct fault_effect e, *last = &l->shaped[from][to];
    struct error why;
    fault_effect(&e, kernel, places_name(l->places, from), places_name(l->places, to), slot);
    bool same = e.delay_ns == last->delay_ns && e.jitter_ns == last->jitter_ns &&
                !(e.drop < last->drop) && !(e.drop > last->drop);
    if (same) return;
    if (places_shape(l->places, from, to, e.delay_ns, e.jitter_ns, e.drop, &why) == 0) {
        *last = e;
    } else {
        log_error(l->log, "netem_failed", F_ERR(&why));
    }
}

void links_shape(struct links *l) {
    struct fault_list kernel = {.count = 0};
    if (!l->places || !places_netem(l->places)) return;
    (void)pthread_mutex_lock(&l->lock);
    uint64_t slot = l->slot;
    for (size_t i = 0; i < l->faults.count; i++) {
        const struct fault *f = &l->faults.faults[i];
        if (links_is_for_kernel(l, f)) kernel.faults[kernel.count++] = *f;
    }
    (void)pthread_mutex_unlock(&l->lock);
    unsigned n = places_count(l->places);
    for (unsigned from = 1; from <= n; from++) {
        for (unsigned to = 1; to <= n; to++) {
            if (from != to) shape(l, &kernel, slot, from, to);
        }
    }
}
