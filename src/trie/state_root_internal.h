/* The parts of a state root that its files share. Internal to src/trie; the contract is in
 * trie/state_root.h.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_STATE_ROOT_INTERNAL_H
#define TRIE_STATE_ROOT_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "trie/key_cache.h"
#include "trie/state_root.h"
#include "trie/trie_node.h"

/* A slot that some candidate on this parent changed. */
struct slot {
    struct hash key;
    struct u256 base; /* in the parent */
    struct u256 now;  /* in the last candidate */
    size_t at;        /* which of the last candidate's slots it is, or NOT_CHANGED */
    struct trie_way way;
};
#define NOT_CHANGED SIZE_MAX

/* An account that some candidate on this parent changed. */
struct entry {
    struct hash key;
    size_t at;    /* which of the last candidate's accounts it is, or NOT_CHANGED */
    struct last { /* what the last candidate told, to see at once that another tells the same */
        bool known;
        uint64_t nonce;
        struct u256 balance;
        struct hash code_hash;
        struct state_slot_change *slots; /* as they came */
        size_t slot_count, slot_capacity;
    } last;
    struct account base, now; /* from here on nothing is looked at when it did */
    bool base_exists, now_exists;
    bool base_known;
    bool cleared;  /* `storage` began empty in the last candidate */
    bool replaced; /* the store holds another storage trie than the parent's */
    struct trie storage;
    struct slot *slots; /* by key */
    size_t slot_count, slot_capacity;
    struct trie_way way; /* in the account trie, while that has the shape of number way_shape */
    uint64_t way_shape;
};

/* An account of the candidate that is being computed. */
struct target {
    struct hash key;
    const struct state_account_change *change;
    bool same_slots; /* the slots are those of the last candidate, as they came: `slots` is left out
                      */
    struct target_slot {
        struct hash key;
        struct u256 value;
        size_t at; /* which of the change's slots */
    } * slots;     /* by key */
    size_t slot_count;
};

struct state_root {
    struct state_root_options options;
    struct hash parent_root;
    struct trie_pool *pool;
    struct trie accounts;
    uint64_t account_shape;         /* raised when it may have another shape */
    struct trie_work *account_work; /* what changed in it */
    struct key_cache *keys;
    struct entry **entries; /* by key */
    size_t entry_count, entry_capacity;
    struct address *last; /* of the last candidate's accounts, as they came */
    size_t last_count, last_capacity;
    bool last_known;     /* and the entries are those of that candidate */
    struct entry **todo; /* of one call, in scratch: those not as in the last candidate, by key */
    size_t todo_count;
    struct map parked;    /* entries of before, as the parent has them: kept for their tries */
    struct arena scratch; /* of one call */
    struct member {
        struct arena scratch;   /* of one call, for storage tries */
        struct window *left;    /* what it could not end without the source */
        struct trie_work *work; /* what it changed; made when it is first needed */
        bool missing;
        int failed;
        struct error why;
    } member[TRIE_TEAM_MAX];
};

static inline int state_root_no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a state root");
}

/* Nodes of one trie, for a call: state_root_source is where they come from, state_root_missing
 * tells the sink those that do not. */
struct owned_source {
    const struct state_root *s;
    const struct hash *owner;
    const struct state_missing_sink *sink;
    bool missing;
};

struct trie_source state_root_source(struct owned_source *o);
void state_root_missing(void *arg, const struct trie_missing *missing);

/* state_root_begin_storage makes an account's storage trie that of the parent, or empty. */
void state_root_begin_storage(const struct state_root *s, struct entry *e, bool cleared);

/* state_root_ask asks memory for those of `count` entries that come soon after number i: they lie
 * anywhere.  to  those from here on may be another thread's, so they are not looked into. */
void state_root_ask(struct entry *const *entries, size_t count, size_t i, size_t to);

/* state_root_decode_slot gives the value of a slot as it was before a change. */
int state_root_decode_slot(struct u256 *ret, const struct trie_change *c, struct error *why);

/* state_root_apply_storage changes the storage tries of s->todo to what the candidate says
 * (matched[i] of number i; NULL: as in the parent). Those whose base is not known are left out.
 * errors  ERR_NOT_FOUND: the sink has what is missing. Those of the source. */
int state_root_apply_storage(struct state_root *s, struct target *const *matched,
                             struct trie_team *team, const struct state_missing_sink *sink,
                             struct error *why);

/* state_root_hash_storage brings their roots up to date. */
void state_root_hash_storage(struct state_root *s, struct trie_team *team,
                             struct trie_stats *stats);

#endif
