/* SPDX-License-Identifier: MIT */
#include "orderflow/fair.h"

#include "base/random.h"

#include <stdlib.h>

struct line {
    struct list_node active; /* in the round, when something waits; else with those held */
    struct list items;
    size_t count, at_work;
    bool held;      /* enough of it is at work */
    int64_t credit; /* what it may still take in its turn; after a dear item below 0 */
};

struct fair {
    struct fair_options options;
    struct fair_crowd *crowd;
    struct list round, held;
    size_t waiting, at_work;
    struct line line[FAIR_LINES];
};

void fair_crowd_init(struct fair_crowd *c) {
    *c = (struct fair_crowd){.alone = 0};
    random_bytes(&c->key, sizeof c->key);
}

/* Counts who comes, and tells his line. */
static uint16_t meet(struct fair_crowd *c, const uint8_t ip[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(ip, mapped, sizeof mapped) == 0;
    uint16_t line = (uint16_t)(siphash13(&c->key, bytes_make(ip, v4 ? 16 : 8)) % FAIR_LINES);
    if (c->last != line) c->alone = 0;
    if (c->alone < FAIR_ALONE) c->alone++;
    c->last = line;
    return line;
}

void fair_met(struct fair_crowd *c, const uint8_t ip[16]) {
    (void)meet(c, ip);
}

int fair_new(struct fair **ret, struct fair_crowd *crowd, const struct fair_options *options,
             struct error *why) {
    struct fair *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for the lines of clients");
    f->options = *options;
    f->crowd = crowd;
    list_init(&f->round);
    list_init(&f->held);
    for (size_t i = 0; i < FAIR_LINES; i++) {
        list_init(&f->line[i].items);
    }
    *ret = f;
    return 0;
}

void fair_free(struct fair *f) {
    free(f);
}

bool fair_add(struct fair *f, struct fair_item *item, const uint8_t ip[16], size_t cost) {
    struct line *l = &f->line[meet(f->crowd, ip)];
    if (f->waiting >= f->options.waiting_max || l->count >= f->options.line_max) return false;
    item->cost = cost < FAIR_COST_MAX ? (uint32_t)cost : FAIR_COST_MAX;
    item->line = (uint16_t)(l - f->line);
    list_push_back(&l->items, &item->link);
    if (l->count++ == 0) {
        l->credit = 0;
        l->held = false;
        list_push_back(&f->round, &l->active);
    }
    f->waiting++;
    return true;
}

static bool is_alone(const struct fair *f) {
    return f->crowd->alone >= FAIR_ALONE;
}

static bool has_enough(const struct fair *f, const struct line *l) {
    return !is_alone(f) && l->at_work >= f->options.line_at_work_max;
}

static struct fair_item *take(struct fair *f, struct line *l) {
    struct fair_item *item = LIST_ENTRY(list_pop_front(&l->items), struct fair_item, link);
    f->waiting--;
    if (--l->count == 0) {
        list_remove(&l->active);
        l->held = false;
    }
    return item;
}

static void put_last(struct list *list, struct line *l) {
    list_remove(&l->active);
    list_push_back(list, &l->active);
}

struct fair_item *fair_next(struct fair *f) {
    struct list_node *node;
    if (f->at_work >= (is_alone(f) ? f->options.alone_at_work_max : f->options.at_work_max)) {
        return NULL;
    }
    // Each line is held once at most, and gets a turn within FAIR_COST_MAX / FAIR_QUANTUM rounds.
    while ((node = list_first(&f->round)) != NULL) {
        struct line *l = LIST_ENTRY(node, struct line, active);
        l->held = has_enough(f, l);
        if (l->held) {
            put_last(&f->held, l);
        } else if (l->credit < 0) {
            l->credit += FAIR_QUANTUM;
            put_last(&f->round, l);
        } else {
            struct fair_item *item = take(f, l);
            l->credit -= item->cost;
            l->at_work++;
            f->at_work++;
            return item;
        }
    }
    return NULL;
}

void fair_done(struct fair *f, const struct fair_item *item) {
    struct line *l = &f->line[item->line];
    f->at_work--;
    l->at_work--;
    if (!l->held || has_enough(f, l)) return;
    l->held = false;
    put_last(&f->round, l);
}

struct fair_item *fair_give_up(struct fair *f) {
    struct list_node *node = list_first(list_is_empty(&f->round) ? &f->held : &f->round);
    return node ? take(f, LIST_ENTRY(node, struct line, active)) : NULL;
}

size_t fair_waiting(const struct fair *f) {
    return f->waiting;
}

size_t fair_waiting_max(const struct fair *f) {
    return f->options.waiting_max;
}
