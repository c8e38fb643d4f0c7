/* SPDX-License-Identifier: MIT */
#include "trie/state_root.h"

#include "eth/rlp.h"
#include "trie/key_sort.h"
#include "trie/state_root_internal.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define KEY_CACHE_PLACES 32768

// Life

int state_node_of_none(void *arg, const struct hash *owner, const struct trie_path *path,
                       const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    (void)arg, (void)owner, (void)path, (void)ref, (void)ret;
    return error_set(why, ERR_NOT_FOUND, "an empty state has no nodes");
}

int state_root_create(struct state_root **ret, const struct hash *parent_root,
                      const struct state_root_options *options, struct error *why) {
    struct state_root *s = calloc(1, sizeof *s);
    if (!s) return state_root_no_memory(why);
    s->options = *options;
    s->parent_root = *parent_root;
    arena_init(&s->scratch, 0);
    for (size_t i = 0; i < TRIE_TEAM_MAX; i++) {
        arena_init(&s->member[i].scratch, 0);
    }
    map_init(&s->parked, 0);
    int r = trie_pool_create(&s->pool, options->limit_bytes, why);
    if (r == 0 && options->hash_lanes) trie_pool_set_lanes(s->pool, options->hash_lanes);
    if (r == 0) r = trie_work_create(&s->account_work, why);
    if (r == 0) r = key_cache_create(&s->keys, KEY_CACHE_PLACES, why);
    if (r != 0) {
        state_root_free(s);
        return r;
    }
    trie_init(&s->accounts, parent_root);
    s->accounts.stored = options->stored;
    *ret = s;
    return 0;
}

static void entry_free(struct entry *e) {
    free(e->slots);
    free(e->last.slots);
    free(e);
}

static void free_entries(struct state_root *s) {
    struct bytes key;
    void *parked;
    for (size_t i = 0; i < s->entry_count; i++) {
        entry_free(s->entries[i]);
    }
    s->entry_count = 0;
    for (size_t at = 0; map_next(&s->parked, &at, &key, &parked);) {
        entry_free(parked);
    }
    map_clear(&s->parked);
}

void state_root_free(struct state_root *s) {
    if (!s) return;
    free_entries(s);
    map_free(&s->parked);
    free(s->entries);
    free(s->last);
    arena_free(&s->scratch);
    for (size_t i = 0; i < TRIE_TEAM_MAX; i++) {
        arena_free(&s->member[i].scratch);
        trie_work_free(s->member[i].work);
    }
    trie_work_free(s->account_work);
    key_cache_free(s->keys);
    trie_pool_free(s->pool);
    free(s);
}

void state_root_forget(struct state_root *s) {
    free_entries(s);
    s->last_known = false;
    trie_work_reset(s->account_work);
    trie_pool_reset(s->pool);
    trie_init(&s->accounts, &s->parent_root);
    s->accounts.stored = s->options.stored;
}

size_t state_root_bytes(const struct state_root *s) {
    return trie_pool_bytes(s->pool);
}

struct hash state_root_parent(const struct state_root *s) {
    return s->parent_root;
}

// Candidates on a new parent should not pay for what those on the old one changed: entries go aside
// until one of them is changed again.
static void park(struct state_root *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry *e = s->entries[i];
        e->slot_count = 0;
        // Without memory for the map it stays where it is, which only costs time.
        if (map_put(&s->parked, BYTES_OF(e->key), e, NULL, NULL) != 0) s->entries[kept++] = e;
    }
    s->entry_count = kept;
    s->last_known = false; // it goes by the entries' order
}

static struct entry *find_entry(const struct state_root *s, const struct hash *key) {
    size_t from = 0, to = s->entry_count;
    while (from < to) {
        size_t i = from + (to - from) / 2;
        int order = memcmp(s->entries[i]->key.b, key->b, 32);
        if (order == 0) return s->entries[i];
        if (order < 0) {
            from = i + 1;
        } else {
            to = i;
        }
    }
    return map_get(&s->parked, BYTES_OF(*key));
}

void state_root_advance(struct state_root *s) {
    s->parent_root = trie_root(&s->accounts);
    s->last_known = false;
    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry *e = s->entries[i];
        e->base = e->now;
        e->base_exists = e->now_exists;
        e->replaced |= e->cleared;
        e->cleared = false;
        e->last.known = false;
        for (size_t k = 0; k < e->slot_count; k++) {
            e->slots[k].base = e->slots[k].now;
        }
    }
    if (!s->options.stored) park(s); // else state_root_store has to see them first
}

// Nodes

static int get_node(void *arg, const struct trie_path *path, const struct trie_ref *ref,
                    struct bytes *ret, struct error *why) {
    const struct owned_source *o = arg;
    const struct state_node_source *source = &o->s->options.source;
    return source->get(source->arg, o->owner, path, ref, ret, why);
}

struct trie_source state_root_source(struct owned_source *o) {
    return (struct trie_source){get_node, o, o->s->options.source.trusted};
}

void state_root_missing(void *arg, const struct trie_missing *missing) {
    struct owned_source *o = arg;
    o->missing = true;
    if (o->sink) o->sink->add(o->sink->arg, o->owner, missing);
}

void state_root_begin_storage(const struct state_root *s, struct entry *e, bool cleared) {
    const struct hash *root = cleared || !e->base_exists ? &TRIE_EMPTY_ROOT : &e->base.storage_root;
    trie_init(&e->storage, root);
    e->storage.stored = s->options.stored;
    e->cleared = cleared;
    e->slot_count = 0;
}

// The account as the parent has it. The trie still says so: no candidate has touched this one.
static int load_base(struct state_root *s, struct entry *e, const struct state_missing_sink *sink,
                     struct error *why) {
    struct owned_source o = {.s = s, .sink = sink};
    struct trie_source source = state_root_source(&o);
    struct trie_missing missing;
    struct bytes value;
    int r = trie_get(s->pool, &s->accounts, &e->key, &source, &value, &missing, why);
    if (r == ERR_NOT_FOUND) state_root_missing(&o, &missing);
    if (r == 0 && value.n) r = account_decode(&e->base, value, why);
    if (r != 0) return r;
    e->base_exists = value.n != 0;
    e->base_known = true;
    e->now = e->base;
    e->now_exists = e->base_exists;
    state_root_begin_storage(s, e, false);
    return 0;
}

// Candidates: keys and order

static_assert(offsetof(struct target, key) == 0 && offsetof(struct target_slot, key) == 0,
              "key_sort takes the first bytes for the key");

static int prepare_accounts(struct state_root *s, struct target **ret,
                            const struct state_account_change *changes, size_t count,
                            struct error *why) {
    struct target *t = arena_new_array(&s->scratch, struct target, count);
    struct target *sorted = arena_alloc_raw(&s->scratch, count * sizeof *t);
    struct key_cache_job *job = arena_alloc_raw(&s->scratch, count * sizeof *job);
    if (!t || !sorted || !job) return state_root_no_memory(why);
    for (size_t i = 0; i < count; i++) {
        t[i].change = &changes[i];
        s->last[i] = changes[i].address;
        job[i] = (struct key_cache_job){BYTES_OF(changes[i].address), &t[i].key};
    }
    (void)key_cache_hash(s->keys, job, count);
    if (!key_sort(sorted, t, count, sizeof *t, &s->scratch)) return state_root_no_memory(why);
    for (size_t i = 1; i < count; i++) {
        if (hash_equal(&sorted[i - 1].key, &sorted[i].key)) {
            return error_set(why, ERR_CONFLICT, "an account is changed twice");
        }
    }
    *ret = sorted;
    return 0;
}

// Makes an entry for each target that has none; entries stay sorted. matched[i] is the target of
// entry i, or NULL.
static int match(struct state_root *s, struct target *t, const struct state_account_change *changes,
                 size_t count, struct target ***ret_matched, struct error *why) {
    size_t most = s->entry_count + count, n = 0, i = 0, k = 0;
    struct entry **merged = malloc((most ? most : 1) * sizeof(struct entry *));
    struct target **matched = arena_alloc_array(&s->scratch, most, sizeof(struct target *));
    if (!merged || !matched) {
        free(merged);
        return state_root_no_memory(why);
    }
    while (i < s->entry_count || k < count) {
        int order = i == s->entry_count ? 1
                    : k == count        ? -1
                                        : key_compare(&s->entries[i]->key, &t[k].key);
        if (order > 0) {
            struct entry *e = map_remove(&s->parked, BYTES_OF(t[k].key));
            if (!e) e = calloc(1, sizeof *e);
            if (!e) break;
            e->key = t[k].key;
            merged[n] = e;
        } else {
            merged[n] = s->entries[i++];
        }
        merged[n]->at = order >= 0 ? (size_t)(t[k].change - changes) : NOT_CHANGED;
        matched[n++] = order >= 0 ? &t[k++] : NULL;
    }
    bool complete = i == s->entry_count && k == count;
    while (i < s->entry_count) {
        merged[n++] = s->entries[i++];
    }
    free(s->entries);
    s->entries = merged;
    s->entry_count = n;
    s->entry_capacity = most;
    *ret_matched = matched;
    return complete ? 0 : state_root_no_memory(why);
}

static bool accounts_as_last(const struct state_root *s, const struct state_account_change *changes,
                             size_t count) {
    if (!s->last_known || s->last_count != count) return false;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&s->last[i], &changes[i].address, sizeof s->last[i]) != 0) return false;
    }
    return true;
}

// Entries lie anywhere: asks for what tells that one is as in the last candidate.
static void ask_last(const struct state_root *s, size_t i) {
    if (i + 8 < s->entry_count) {
        const uint8_t *p = (const uint8_t *)s->entries[i + 8];
        for (size_t at = 0; at < offsetof(struct entry, base); at += 64) {
            __builtin_prefetch(p + at);
        }
    }
    if (i + 4 < s->entry_count) {
        const struct last *l = &s->entries[i + 4]->last;
        for (size_t k = 0; l->known && k < l->slot_count && k < 4; k++) {
            __builtin_prefetch(&l->slots[k]);
        }
    }
}

// The same for the accounts of the last candidate in the same order: keys and entries are known.
static int match_as_last(struct state_root *s, const struct state_account_change *changes,
                         size_t count, struct target ***ret_matched, struct error *why) {
    struct target *t = arena_new_array(&s->scratch, struct target, count);
    struct target **matched =
        arena_alloc_array(&s->scratch, s->entry_count, sizeof(struct target *));
    if (!t || !matched) return state_root_no_memory(why);
    for (size_t i = 0; i < s->entry_count; i++) {
        const struct entry *e = s->entries[i];
        ask_last(s, i);
        matched[i] = NULL;
        if (e->at == NOT_CHANGED) continue;
        *t = (struct target){.key = e->key, .change = &changes[e->at]};
        matched[i] = t++;
    }
    *ret_matched = matched;
    return 0;
}

static int match_accounts(struct state_root *s, const struct state_account_change *changes,
                          size_t count, struct target ***ret_matched, struct error *why) {
    if (accounts_as_last(s, changes, count)) {
        return match_as_last(s, changes, count, ret_matched, why);
    }
    s->last_known = false;
    if (count > s->last_capacity) {
        free(s->last);
        s->last_capacity = 0;
        s->last = malloc(count * sizeof *s->last);
        if (!s->last) return state_root_no_memory(why);
        s->last_capacity = count;
    }
    struct target *targets = NULL;
    int r = prepare_accounts(s, &targets, changes, count, why);
    if (r == 0) r = match(s, targets, changes, count, ret_matched, why);
    s->last_count = count;
    s->last_known = r == 0;
    return r;
}

// Candidates: what each account was told to be in the last one

static bool as_last(const struct entry *e, const struct state_account_change *c) {
    const struct last *l = &e->last;
    return l->known && !c->removed && !c->storage_cleared && l->nonce == c->nonce &&
           l->slot_count == c->slot_count && u256_equal(l->balance, c->balance) &&
           hash_equal(&l->code_hash, &c->code_hash) &&
           (!c->slot_count || memcmp(l->slots, c->slots, c->slot_count * sizeof *c->slots) == 0);
}

// Whether the slots are those of the last candidate in the same order, whatever their values.
static bool slots_as_last(const struct entry *e, const struct state_account_change *c) {
    const struct last *l = &e->last;
    if (!l->known || c->removed || c->storage_cleared || l->slot_count != c->slot_count) {
        return false;
    }
    for (size_t i = 0; i < c->slot_count; i++) {
        if (key_compare(&l->slots[i].key, &c->slots[i].key) != 0) return false;
    }
    return true;
}

static int keep_last(struct entry *e, const struct state_account_change *c, struct error *why) {
    struct last *l = &e->last;
    l->known = !c->removed && !c->storage_cleared;
    if (!l->known) return 0;
    if (c->slot_count > l->slot_capacity) {
        free(l->slots);
        l->slot_capacity = 0;
        l->slots = malloc(c->slot_count * sizeof *l->slots);
        if (!l->slots) return state_root_no_memory(why);
        l->slot_capacity = c->slot_count;
    }
    l->nonce = c->nonce;
    l->balance = c->balance;
    l->code_hash = c->code_hash;
    l->slot_count = c->slot_count;
    if (c->slot_count) memcpy(l->slots, c->slots, c->slot_count * sizeof *l->slots);
    return 0;
}

// Entries lie anywhere; their fields fill some lines each, and their slots more.
void state_root_ask(struct entry *const *entries, size_t count, size_t i, size_t to) {
    if (i + 8 < count) {
        const uint8_t *p = (const uint8_t *)entries[i + 8];
        for (size_t at = 0; at < sizeof(struct entry); at += 64) {
            __builtin_prefetch(p + at, 1);
        }
    }
    if (i + 4 < to) {
        const struct entry *e = entries[i + 4];
        for (size_t k = 0; k < e->slot_count && k < 4; k++) {
            __builtin_prefetch(&e->slots[k], 1);
            if (e->last.known && k < e->last.slot_count) __builtin_prefetch(&e->last.slots[k], 1);
        }
    }
}

// Leaves out entries that are as in the last candidate: all others are in s->todo, and matched is
// by its order from here on. Gives how many slots must be looked for.
static int compare_with_last(struct state_root *s, struct target **matched, size_t *ret,
                             struct error *why) {
    *ret = 0;
    s->todo_count = 0;
    s->todo = arena_alloc_raw(&s->scratch, s->entry_count * sizeof(struct entry *));
    if (!s->todo) return state_root_no_memory(why);
    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry *e = s->entries[i];
        struct target *t = matched[i];
        ask_last(s, i);
        if (t && as_last(e, t->change)) continue;
        matched[s->todo_count] = t;
        s->todo[s->todo_count++] = e;
        if (!t) {
            e->last.known = false;
            continue;
        }
        t->same_slots = slots_as_last(e, t->change);
        int r = keep_last(e, t->change, why);
        if (r != 0) return r;
        if (!t->same_slots) *ret += t->change->slot_count;
    }
    return 0;
}

static int prepare_slots(struct state_root *s, struct target **matched, struct error *why) {
    size_t slots, jobs = 0;
    int r = compare_with_last(s, matched, &slots, why);
    if (r != 0) return r;
    struct target_slot *slot = arena_alloc_raw(&s->scratch, slots * sizeof *slot);
    struct target_slot *sorted = arena_alloc_raw(&s->scratch, slots * sizeof *slot);
    struct key_cache_job *job = arena_alloc_raw(&s->scratch, slots * sizeof *job);
    if (!slot || !sorted || !job) return state_root_no_memory(why);
    for (size_t i = 0; i < s->todo_count; i++) {
        struct target *t = matched[i];
        if (!t || t->same_slots) continue;
        t->slots = slot;
        t->slot_count = t->change->slot_count;
        for (size_t k = 0; k < t->slot_count; k++, slot++) {
            slot->value = t->change->slots[k].value;
            slot->at = k;
            job[jobs++] = (struct key_cache_job){BYTES_OF(t->change->slots[k].key), &slot->key};
        }
    }
    (void)key_cache_hash(s->keys, job, jobs);
    for (size_t i = 0; i < s->todo_count; i++) {
        struct target *t = matched[i];
        if (!t || t->same_slots) continue;
        size_t n = t->slot_count;
        if (!key_sort(sorted, t->slots, n, sizeof *slot, &s->scratch))
            return state_root_no_memory(why);
        t->slots = sorted;
        sorted += n;
        for (size_t k = 1; k < n; k++) {
            if (hash_equal(&t->slots[k - 1].key, &t->slots[k].key)) {
                return error_set(why, ERR_CONFLICT, "a slot is changed twice");
            }
        }
    }
    return 0;
}

// Accounts

static bool account_equal(const struct account *a, const struct account *b) {
    return a->nonce == b->nonce && u256_equal(a->balance, b->balance) &&
           hash_equal(&a->storage_root, &b->storage_root) &&
           hash_equal(&a->code_hash, &b->code_hash);
}

static_assert(ACCOUNT_RLP_MAX <= TRIE_VALUE_MAX, "an account is a value");

#define WINDOW 128 /* accounts that go down their trie side by side */

// Makes the changes that only put a value where one is, and lists them; gives how many are left, at
// the beginning of the array.
static int overwrite_accounts(struct state_root *s, struct trie_change *changes,
                              struct trie_way **ways, size_t *n, struct error *why) {
    struct trie_batch batch[WINDOW];
    size_t left = 0;
    for (size_t from = 0; from < *n; from += WINDOW) {
        size_t count = *n - from < WINDOW ? *n - from : WINDOW;
        for (size_t i = 0; i < count; i++) {
            batch[i] =
                (struct trie_batch){&s->accounts, &changes[from + i], 1, &ways[from + i], false};
        }
        int r = trie_overwrite(s->pool, batch, count, s->account_work, why);
        if (r != 0) return r;
        for (size_t i = 0; i < count; i++) {
            if (!batch[i].done) changes[left++] = changes[from + i];
        }
    }
    *n = left;
    return 0;
}

static int apply_accounts(struct state_root *s, struct target *const *matched,
                          const struct state_missing_sink *sink, struct error *why) {
    struct trie_change *changes =
        arena_alloc_raw(&s->scratch, s->todo_count * sizeof(struct trie_change));
    struct trie_way **ways =
        arena_alloc_raw(&s->scratch, s->todo_count * sizeof(struct trie_way *));
    if (!changes || !ways) return state_root_no_memory(why);
    size_t n = 0;
    for (size_t i = 0; i < s->todo_count; i++) {
        struct entry *e = s->todo[i];
        state_root_ask(s->todo, s->todo_count, i, s->todo_count);
        const struct state_account_change *c = matched[i] ? matched[i]->change : NULL;
        struct account now = e->base;
        bool exists = c ? !c->removed : e->base_exists;
        if (c) {
            now.nonce = c->nonce;
            now.balance = c->balance;
            now.code_hash = c->code_hash;
        }
        if (exists) now.storage_root = trie_root(&e->storage);
        if (exists == e->now_exists && (!exists || account_equal(&now, &e->now))) continue;
        changes[n].key = e->key;
        changes[n].value_n = 0;
        changes[n].old_known = false;
        if (exists) changes[n].value_n = (uint8_t)account_write(changes[n].value, &now);
        e->now = now;
        e->now_exists = exists;
        if (e->way_shape != s->account_shape) e->way.leaf = 0;
        e->way_shape = s->account_shape;
        ways[n++] = &e->way;
    }
    struct owned_source o = {.s = s, .sink = sink};
    struct trie_source source = state_root_source(&o);
    struct trie_missing_sink missing = {state_root_missing, &o};
    int r = overwrite_accounts(s, changes, ways, &n, why);
    if (r == 0 && n) {
        s->account_shape++;
        r = trie_apply(s->pool, &s->accounts, changes, n, &source, &missing, why);
    }
    if (r != 0 || !s->accounts.dirty) return r;
    trie_work_reset(s->account_work); // what is listed may stand elsewhere now
    return trie_list(s->pool, &s->accounts, s->account_work, why);
}

static int load_bases(struct state_root *s, const struct state_missing_sink *sink,
                      struct error *why) {
    int missing = 0;
    for (size_t i = 0; i < s->todo_count; i++) {
        struct entry *e = s->todo[i];
        int r = e->base_known ? 0 : load_base(s, e, sink, why);
        if (r == ERR_NOT_FOUND) missing = r; // go on: the sink wants all of them
        if (r != 0 && r != ERR_NOT_FOUND) return r;
    }
    return missing;
}

// The whole

int state_root_compute(struct state_root *s, struct hash *ret,
                       const struct state_account_change *changes, size_t count,
                       struct trie_team *team, const struct state_missing_sink *sink,
                       struct trie_stats *stats, struct error *why) {
    arena_reset(&s->scratch);
    struct target **matched = NULL;
    int r = match_accounts(s, changes, count, &matched, why);
    if (r == 0) r = prepare_slots(s, matched, why);
    if (r == 0) r = load_bases(s, sink, why);
    if (r == 0 || r == ERR_NOT_FOUND) { // go on: the sink wants all that is missing
        int storage = state_root_apply_storage(s, matched, team, sink, why);
        if (storage != 0) r = storage;
    }
    if (r == 0) state_root_hash_storage(s, team, stats);
    if (r == 0) r = apply_accounts(s, matched, sink, why);
    if (r == 0) trie_hash_listed(s->pool, &s->account_work, 1, team, stats);
    if (r != 0) {
        // Tries may be between two states: begin again from the parent.
        state_root_forget(s);
        return r;
    }
    *ret = trie_root(&s->accounts);
    return 0;
}

// Store

int state_root_storage(const struct state_root *s, const struct hash *key, struct hash *ret,
                       struct error *why) {
    const struct entry *e = find_entry(s, key);
    if (!e) return error_set(why, ERR_NOT_FOUND, "no candidate changed this account");
    *ret = e->now.storage_root;
    return 0;
}

struct owned_sink {
    const struct state_store_sink *sink;
    const struct hash *owner;
};

static int put_node(void *arg, const struct trie_path *path, struct bytes node, struct error *why) {
    const struct owned_sink *o = arg;
    return o->sink->put(o->sink->arg, o->owner, path, node, why);
}

int state_root_store(struct state_root *s, const struct state_store_sink *sink, struct error *why) {
    for (size_t i = 0; i < s->entry_count; i++) {
        struct entry *e = s->entries[i];
        if (e->replaced) {
            int r = sink->put(sink->arg, &e->key, NULL, (struct bytes){NULL, 0}, why);
            if (r != 0) return r;
            e->replaced = false;
        }
        struct owned_sink o = {sink, &e->key};
        struct trie_store_sink trie_sink = {put_node, &o};
        int r = trie_store_changes(s->pool, &e->storage, &trie_sink, why);
        if (r != 0) return r;
    }
    struct owned_sink o = {sink, NULL};
    struct trie_store_sink trie_sink = {put_node, &o};
    int r = trie_store_changes(s->pool, &s->accounts, &trie_sink, why);
    if (r == 0) park(s);
    return r;
}

// Proofs

// The storage trie of an account in the last candidate, whether a candidate changed it or not.
static int prove_slot(struct state_root *s, struct trie *storage, const struct hash *owner,
                      const struct hash *key, struct u256 *ret_value,
                      const struct state_proof_sink *sink, struct error *why) {
    struct owned_source o = {.s = s, .owner = owner};
    struct trie_source source = state_root_source(&o);
    struct trie_change found = {0};
    struct bytes value;
    int r = trie_prove(s->pool, storage, key, &source, sink->storage_node, sink->arg, why);
    if (r == 0) r = trie_get(s->pool, storage, key, &source, &value, NULL, why);
    if (r != 0) return r;
    if (value.n > sizeof found.old)
        return error_set(why, ERR_INVALID, "a slot of %zu bytes", value.n);
    found.old_n = (uint8_t)value.n;
    if (value.n) memcpy(found.old, value.p, value.n);
    return state_root_decode_slot(ret_value, &found, why);
}

int state_root_prove(struct state_root *s, const struct address *address, const struct hash *slot,
                     bool *ret_exists, struct account *ret_account, struct u256 *ret_value,
                     const struct state_proof_sink *sink, struct error *why) {
    struct hash keys[2];
    struct key_cache_job jobs[2] = {{BYTES_OF(*address), &keys[0]}};
    if (slot) jobs[1] = (struct key_cache_job){BYTES_OF(*slot), &keys[1]};
    (void)key_cache_hash(s->keys, jobs, slot ? 2 : 1);
    struct owned_source o = {.s = s};
    struct trie_source source = state_root_source(&o);
    struct bytes value;
    int r =
        trie_prove(s->pool, &s->accounts, &keys[0], &source, sink->account_node, sink->arg, why);
    if (r == 0) r = trie_get(s->pool, &s->accounts, &keys[0], &source, &value, NULL, why);
    if (r != 0) return r;
    *ret_exists = value.n != 0;
    *ret_value = U256_ZERO;
    *ret_account =
        (struct account){.storage_root = TRIE_EMPTY_ROOT, .code_hash = ACCOUNT_EMPTY_CODE};
    if (value.n) r = account_decode(ret_account, value, why);
    if (r != 0 || !slot) return r;
    struct entry *e = find_entry(s, &keys[0]);
    if (e) return prove_slot(s, &e->storage, &keys[0], &keys[1], ret_value, sink, why);
    struct trie storage;
    trie_init(&storage, &ret_account->storage_root);
    r = prove_slot(s, &storage, &keys[0], &keys[1], ret_value, sink, why);
    trie_release(s->pool, &storage);
    return r;
}
