/* Storage tries of a candidate: what is to be written into each, and threads that share them.
 * SPDX-License-Identifier: MIT */
#include "eth/rlp.h"
#include "trie/key_sort.h"
#include "trie/state_root_internal.h"

#include <stdlib.h>

static void encode_slot(struct trie_change *c, struct u256 value) {
    if (u256_is_zero(value)) {
        c->value_n = 0;
        return;
    }
    uint8_t wire[64];
    u256_store_be(wire, value);
    unsigned n = (u256_bit_length(value) + 7) / 8;
    const uint8_t *digits = wire + 32 - n;
    bool single = n == 1 && digits[0] < 0x80;
    c->value[0] = (uint8_t)(0x80 + n);
    memcpy(c->value + !single, digits, 32); // a known number; what is too much is of no meaning
    c->value_n = (uint8_t)(n + !single);
}

int state_root_decode_slot(struct u256 *ret, const struct trie_change *c, struct error *why) {
    *ret = U256_ZERO;
    if (c->old_n == 0) return 0;
    struct rlp_source source;
    struct rlp_reader reader = rlp_open(&source, bytes_make(c->old, c->old_n), why);
    *ret = rlp_u256(&reader, "slot value");
    return rlp_finish(&reader, "slot value");
}

/* What is to be written into one storage trie, and the slots as they are afterwards. */
struct storage_work {
    struct trie_change *changes;
    struct slot **unknown;  /* by change: the slot whose base it tells, or NULL */
    struct trie_way **ways; /* by change */
    size_t change_count;
    struct slot *merged; /* the entry's slots and new ones; NULL when there are no new ones */
    size_t merged_count;
};

/* One storage trie of the candidate. */
struct storage_job {
    struct entry *entry;
    const struct target *target; /* NULL: as in the parent */
    struct storage_work work;
};

static size_t slots_wanted(const struct target *t) {
    return t && !t->change->removed ? t->slot_count : 0;
}

static void plan_change(struct storage_work *w, struct slot *slot, struct u256 value,
                        bool base_known) {
    if (base_known && u256_equal(slot->now, value)) return;
    slot->now = value;
    struct trie_change *c = &w->changes[w->change_count];
    c->key = slot->key;
    c->old_known = false;
    encode_slot(c, value);
    w->ways[w->change_count] = &slot->way;
    w->unknown[w->change_count++] = base_known ? NULL : slot;
}

// How many of the wanted slots were changed by a candidate before.
static size_t count_known(const struct entry *e, const struct target *t, size_t wanted) {
    size_t known = 0;
    for (size_t i = 0, k = 0; i < e->slot_count && k < wanted;) {
        int order = key_compare(&e->slots[i].key, &t->slots[k].key);
        known += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    return known;
}

// The plan where all wanted slots are known: nothing but their values changes.
static void plan_known(const struct entry *e, const struct target *t, size_t wanted,
                       struct storage_work *w) {
    size_t k = 0;
    for (size_t i = 0; i < e->slot_count; i++) {
        struct slot *slot = &e->slots[i];
        bool same = k < wanted && key_compare(&slot->key, &t->slots[k].key) == 0;
        slot->at = same ? t->slots[k].at : NOT_CHANGED;
        plan_change(w, slot, same ? t->slots[k].value : slot->base, true);
        k += same;
    }
}

// The plan where the slots are those of the last candidate, in the same order.
static void plan_same(const struct entry *e, const struct target *t, struct storage_work *w) {
    for (size_t i = 0; i < e->slot_count; i++) {
        struct slot *slot = &e->slots[i];
        const struct state_slot_change *to = t->change->slots;
        if (i + 8 < e->slot_count && e->slots[i + 8].at != NOT_CHANGED) {
            __builtin_prefetch(&to[e->slots[i + 8].at].value);
        }
        plan_change(w, slot, slot->at == NOT_CHANGED ? slot->base : to[slot->at].value, true);
    }
}

static void plan_merged(const struct entry *e, const struct target *t, size_t wanted,
                        struct storage_work *w) {
    size_t i = 0, k = 0;
    while (i < e->slot_count || k < wanted) {
        int order = i == e->slot_count ? 1
                    : k == wanted      ? -1
                                       : key_compare(&e->slots[i].key, &t->slots[k].key);
        struct slot *to = &w->merged[w->merged_count++];
        *to = order <= 0 ? e->slots[i] : (struct slot){.key = t->slots[k].key};
        to->at = order >= 0 ? t->slots[k].at : NOT_CHANGED;
        plan_change(w, to, order < 0 ? to->base : t->slots[k].value, order <= 0);
        i += order <= 0;
        k += order >= 0;
    }
}

static int plan_storage(struct storage_job *j, struct arena *scratch, struct error *why) {
    const struct entry *e = j->entry;
    const struct target *t = j->target;
    struct storage_work *w = &j->work;
    size_t wanted = slots_wanted(t), most = e->slot_count + wanted;
    if (most == 0) return 0;
    bool same = t && t->same_slots, known = same || count_known(e, t, wanted) == wanted;
    if (known) most = e->slot_count;
    w->changes = arena_alloc_raw(scratch, most * sizeof(struct trie_change));
    w->unknown = arena_alloc_raw(scratch, most * sizeof(struct slot *));
    w->ways = arena_alloc_raw(scratch, most * sizeof(struct trie_way *));
    if (!known) w->merged = arena_alloc_raw(scratch, most * sizeof(struct slot));
    if (!w->changes || !w->unknown || !w->ways || (!known && !w->merged))
        return state_root_no_memory(why);
    if (same) {
        plan_same(e, t, w);
    } else if (known) {
        plan_known(e, t, wanted, w);
    } else {
        plan_merged(e, t, wanted, w);
    }
    return 0;
}

static int plan_job(struct state_root *s, struct storage_job *j, struct arena *scratch,
                    struct error *why) {
    struct entry *e = j->entry;
    const struct target *t = j->target;
    bool cleared = t && (t->change->storage_cleared || t->change->removed);
    if (cleared != e->cleared) {
        trie_release(s->pool, &e->storage);
        state_root_begin_storage(s, e, cleared);
    }
    return plan_storage(j, scratch, why);
}

static int keep_slots(struct entry *e, const struct storage_work *w, struct error *why) {
    if (!w->merged) return 0;
    if (w->merged_count > e->slot_capacity) {
        size_t more = 2 * w->merged_count;
        struct slot *p = realloc(e->slots, more * sizeof *p);
        if (!p) return state_root_no_memory(why);
        e->slots = p;
        e->slot_capacity = more;
    }
    memcpy(e->slots, w->merged, w->merged_count * sizeof *e->slots);
    e->slot_count = w->merged_count;
    return 0;
}

// Bases that the changes told, and slots that are new.
static int end_job(struct storage_job *j, struct error *why) {
    struct storage_work *w = &j->work;
    int r = 0;
    for (size_t i = 0; i < w->change_count && r == 0; i++) {
        if (w->unknown[i]) r = state_root_decode_slot(&w->unknown[i]->base, &w->changes[i], why);
    }
    return r == 0 ? keep_slots(j->entry, w, why) : r;
}

// sink is used together with the source only.
static int apply_job(struct state_root *s, struct storage_job *j, bool with_source,
                     const struct state_missing_sink *sink, struct error *why) {
    struct entry *e = j->entry;
    struct storage_work *w = &j->work;
    struct owned_source o = {.s = s, .owner = &e->key, .sink = sink};
    struct trie_source source = state_root_source(&o);
    struct trie_missing_sink missing = {state_root_missing, &o};
    int r = trie_apply(s->pool, &e->storage, w->changes, w->change_count,
                       with_source ? &source : NULL, with_source ? &missing : NULL, why);
    if (r == 0) r = end_job(j, why);
    for (size_t i = 0; i < e->slot_count; i++) {
        e->slots[i].way.leaf = 0; // it may have another one now
    }
    return r;
}

/* Storage tries whose changes are made together: their nodes are asked for side by side. */
struct window {
    struct window *next;
    size_t count, changes;
    struct storage_job job[32];
};
#define WINDOW_JOBS (sizeof(((struct window *)0)->job) / sizeof(struct storage_job))
#define WINDOW_CHANGES 64 /* no further trie when there are so many */

// Those that lack nodes stay in the window; all others are ended.
static int apply_window(struct state_root *s, struct window *w, struct member *m, bool with_source,
                        const struct state_missing_sink *sink, struct error *why) {
    struct trie_batch batch[WINDOW_JOBS];
    for (size_t i = 0; i < w->count; i++) {
        const struct storage_job *j = &w->job[i];
        const struct storage_work *work = &j->work;
        batch[i] = (struct trie_batch){&j->entry->storage, work->changes, work->change_count,
                                       work->ways, false};
    }
    int r = trie_overwrite(s->pool, batch, w->count, m->work, why);
    if (r != 0) return r;
    size_t left = 0;
    for (size_t i = 0; i < w->count; i++) {
        r = batch[i].done ? end_job(&w->job[i], why)
                          : apply_job(s, &w->job[i], with_source, sink, why);
        if (r == ERR_NOT_FOUND) {
            w->job[left++] = w->job[i];
            continue;
        }
        if (r == 0 && !batch[i].done) {
            r = trie_list(s->pool, &w->job[i].entry->storage, m->work, why);
        }
        if (r != 0) return r;
    }
    w->count = left;
    return left ? ERR_NOT_FOUND : 0;
}

struct storage_phase {
    struct state_root *s;
    struct target *const *matched;
    const struct state_missing_sink *sink;
    bool shared; /* by a team: sources are for the caller alone */
};

static int plan_window(struct state_root *s, struct target *const *matched, size_t *at, size_t to,
                       struct member *m, struct window *w) {
    w->count = w->changes = 0;
    while (*at < to && w->count < WINDOW_JOBS && w->changes < WINDOW_CHANGES) {
        state_root_ask(s->todo, s->todo_count, *at, to);
        struct storage_job *j = &w->job[w->count];
        *j = (struct storage_job){.entry = s->todo[*at], .target = matched[*at]};
        ++*at;
        if (!j->entry->base_known) continue; // it is missing: this candidate fails
        int r = plan_job(s, j, &m->scratch, &m->why);
        if (r != 0) return r;
        w->changes += j->work.change_count;
        if (j->work.change_count || j->work.merged) w->count++;
    }
    return 0;
}

// Changes the storage tries of entries [from, to); in a team as far as known nodes lead.
static void apply_entries(void *arg, unsigned member, size_t from, size_t to) {
    const struct storage_phase *p = arg;
    struct member *m = &p->s->member[member];
    while (from < to && !m->failed) {
        struct arena_mark mark = arena_mark(&m->scratch);
        struct window *w = arena_alloc_raw(&m->scratch, sizeof *w);
        int r = m->work ? 0 : trie_work_create(&m->work, &m->why);
        if (r == 0)
            r = w ? plan_window(p->s, p->matched, &from, to, m, w) : state_root_no_memory(&m->why);
        if (r == 0) r = apply_window(p->s, w, m, !p->shared, p->sink, &m->why);
        if (r == ERR_NOT_FOUND && p->shared) {
            w->next = m->left;
            m->left = w;
            continue;
        }
        m->missing |= r == ERR_NOT_FOUND;
        if (r != 0 && r != ERR_NOT_FOUND) m->failed = r;
        arena_rewind(&m->scratch, mark); // what is used again is in the cache
    }
}

#define ENTRIES_RANGE 32 /* entries that a member of a team takes at a time */

int state_root_apply_storage(struct state_root *s, struct target *const *matched,
                             struct trie_team *team, const struct state_missing_sink *sink,
                             struct error *why) {
    int missing = 0;
    unsigned threads = trie_team_threads(team);
    for (unsigned i = 0; i < threads; i++) {
        arena_reset(&s->member[i].scratch);
        s->member[i].left = NULL;
        if (s->member[i].work) trie_work_reset(s->member[i].work);
        s->member[i].missing = false;
        s->member[i].failed = 0;
    }
    struct storage_phase phase = {s, matched, sink, threads > 1};
    trie_pool_share(s->pool, phase.shared);
    trie_team_run(team, s->todo_count, phase.shared ? ENTRIES_RANGE : s->todo_count + 1,
                  apply_entries, &phase);
    trie_pool_share(s->pool, false);
    for (unsigned i = 0; i < threads; i++) {
        struct member *m = &s->member[i];
        if (m->missing) missing = ERR_NOT_FOUND;
        if (m->failed) {
            if (why) *why = m->why;
            return m->failed;
        }
        for (struct window *w = m->left; w; w = w->next) {
            int r = apply_window(s, w, m, true, sink, why);
            if (r == ERR_NOT_FOUND) missing = r;
            if (r != 0 && r != ERR_NOT_FOUND) return r;
        }
    }
    return missing;
}

void state_root_hash_storage(struct state_root *s, struct trie_team *team,
                             struct trie_stats *stats) {
    struct trie_work *work[TRIE_TEAM_MAX];
    size_t n = 0;
    for (unsigned i = 0; i < trie_team_threads(team); i++) {
        if (s->member[i].work) work[n++] = s->member[i].work;
    }
    trie_hash_listed(s->pool, work, n, team, stats);
}
