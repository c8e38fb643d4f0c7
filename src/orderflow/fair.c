/* SPDX-License-Identifier: MIT */
#include "orderflow/fair.h"

#include "base/random.h"
#include "base/siphash.h"

#include <stdlib.h>

struct line {
    struct list_node active; /* in the round, when something waits */
    struct list items;
    size_t count;
    int64_t credit; /* what it may still take in its turn; after a dear item below 0 */
};

struct fair {
    struct fair_options options;
    struct siphash_key key;
    struct list round;
    size_t waiting, at_work;
    struct line line[FAIR_LINES];
};

int fair_new(struct fair **ret, const struct fair_options *options, struct error *why) {
    struct fair *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for the lines of clients");
    f->options = *options;
    random_bytes(&f->key, sizeof f->key);
    list_init(&f->round);
    for (size_t i = 0; i < FAIR_LINES; i++) {
        list_init(&f->line[i].items);
    }
    *ret = f;
    return 0;
}

void fair_free(struct fair *f) {
    free(f);
}

static struct line *line_of(struct fair *f, const uint8_t ip[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(ip, mapped, sizeof mapped) == 0;
    return &f->line[siphash13(&f->key, bytes_make(ip, v4 ? 16 : 8)) % FAIR_LINES];
}

bool fair_add(struct fair *f, struct fair_item *item, const uint8_t ip[16], size_t cost) {
    struct line *l = line_of(f, ip);
    if (f->waiting >= f->options.waiting_max || l->count >= f->options.line_max) return false;
    item->cost = cost < FAIR_COST_MAX ? (uint32_t)cost : FAIR_COST_MAX;
    list_push_back(&l->items, &item->link);
    if (l->count++ == 0) {
        l->credit = 0;
        list_push_back(&f->round, &l->active);
    }
    f->waiting++;
    return true;
}

static struct fair_item *take(struct fair *f, struct line *l) {
    struct fair_item *item = LIST_ENTRY(list_pop_front(&l->items), struct fair_item, link);
    f->waiting--;
    if (--l->count == 0) list_remove(&l->active);
    return item;
}

struct fair_item *fair_next(struct fair *f) {
    if (f->at_work >= f->options.at_work_max || f->waiting == 0) return NULL;
    struct line *l = LIST_ENTRY(list_first(&f->round), struct line, active);
    while (l->credit < 0) { // at most FAIR_COST_MAX / FAIR_QUANTUM rounds
        l->credit += FAIR_QUANTUM;
        list_remove(&l->active);
        list_push_back(&f->round, &l->active);
        l = LIST_ENTRY(list_first(&f->round), struct line, active);
    }
    struct fair_item *item = take(f, l);
    l->credit -= item->cost;
    f->at_work++;
    return item;
}

void fair_done(struct fair *f) {
    f->at_work--;
}

struct fair_item *fair_give_up(struct fair *f) {
    if (f->waiting == 0) return NULL;
    return take(f, LIST_ENTRY(list_first(&f->round), struct line, active));
}

size_t fair_waiting(const struct fair *f) {
    return f->waiting;
}
