/* The state that the interpreter works on: accounts and slots in memory over a reader, with a
 * journal.
 *
 * What it is: a cache of everything execution has touched since state_init, the changes made to
 * it, and the order they were made in. Every change appends one journal entry, so that going back
 * costs as much as was changed (state_revert), for one call frame as for a whole run of
 * transactions: a candidate block is rolled back to any of its transactions by the same means.
 * Warm sets, transient storage, created and touched accounts carry the number of their
 * transaction (its epoch) instead of being cleared.
 * What is read and written by a transaction is recorded by construction: whatever is looked at is
 * entered in the transaction's lists with its value at the transaction's start.
 * What it is not: a store, a trie. Roots and persistence work on the changes (state_changes.h).
 *
 * Specification: Yellow Paper 4.1, 6.1; EIP-161, 1153, 2929, 6780, 7702.
 * Ownership: the state owns accounts and slots until state_free or state_reset; pointers to them
 * stay valid as long. Code belongs to the code cache. One thread at a time; the reader must allow
 * as many threads as there are states over it.
 * Errors: a reader or memory failure is remembered in `failed`; execution goes on with zeros and
 * whoever asked must look at state_check before it uses a result.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_STATE_H
#define EVM_STATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/u256.h"
#include "evm/code.h"

/* What is below: the head state in memory, a database, a witness. Every function gives 0 or a
 * negative enum err; what does not exist is no error. */
struct state_base_account {
    struct u256 balance;
    uint64_t nonce;
    struct hash code_hash; /* STATE_EMPTY_CODE_HASH for none */
    bool exists;           /* is in the trie */
    bool has_storage;      /* its storage trie is not empty */
};
struct state_reader {
    void *ctx;
    int (*account)(void *ctx, struct state_base_account *ret, const struct address *address,
                   struct error *why);
    int (*slot)(void *ctx, struct u256 *ret, const struct address *address, const struct u256 *key,
                struct error *why);
    /* the bytes of code_hash, borrowed until the next call */
    int (*code)(void *ctx, struct bytes *ret, const struct hash *code_hash, struct error *why);
};

extern const struct hash STATE_EMPTY_CODE_HASH; /* keccak256 of nothing */
extern const struct state_reader STATE_NOTHING; /* below which is no account, slot or code */

/* What a transaction looked at in an account. Writes are found by comparing. */
enum state_read {
    STATE_READ_BALANCE = 1,
    STATE_READ_NONCE = 2,
    STATE_READ_CODE = 4,
    STATE_READ_EMPTINESS = 8, /* only: exists, is empty */
};

struct state_slot {
    struct u256 key;
    struct u256 value;    /* now; counts only while generation is the account's */
    struct u256 original; /* at the start of the transaction `epoch` */
    struct u256 base;     /* as the reader gave it */
    struct state_account *account;
    struct state_slot *next_dirty; /* chain of slots written since the state began */
    uint64_t epoch;                /* last transaction that looked at it */
    uint64_t warm_epoch;           /* transaction in which it is warm */
    uint32_t generation;           /* of the account's storage when value was set */
    bool dirty;                    /* in the chain */
    bool base_known;               /* base was read */
    bool transient;                /* a slot of EIP-1153: gone with its epoch */
};

/* Where addresses and slots go in a table. Whoever makes transactions chooses them, and could have
 * all of them meet in one place if he knew where they go: so every table has numbers of its own
 * that no one else knows. */
struct state_seed {
    uint64_t k[4];
};
void state_seed_init(struct state_seed *ret);

static inline uint64_t state_mix(uint64_t a, uint64_t b) {
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}
static inline uint32_t state_hash_address(const struct state_seed *s, const struct address *a) {
    return (uint32_t)(state_mix(load_le64(a->b) ^ s->k[0], load_le64(a->b + 8) ^ s->k[1]) ^
                      state_mix(load_le32(a->b + 16) ^ s->k[2], s->k[3]));
}
static inline uint32_t state_hash_key(const struct state_seed *s, const struct u256 *k) {
    return (uint32_t)(state_mix(k->w[0] ^ s->k[0], k->w[1] ^ s->k[1]) ^
                      state_mix(k->w[2] ^ s->k[2], k->w[3] ^ s->k[3]));
}

struct state_slots { /* open addressing, power of two, at most 3/4 full */
    struct state_slot **at;
    uint32_t mask, count;
};

/* The part of an account that is in the trie. */
struct state_fields {
    struct u256 balance;
    uint64_t nonce;
    struct hash code_hash;
    bool exists;
};

struct state_account {
    struct address address;
    uint32_t generation;     /* of the storage; 0: the reader's slots show through */
    struct state_fields now; /* the present values */
    struct evm_code *code;   /* of now.code_hash once asked for, else NULL */
    uint64_t epoch;          /* last transaction that entered it */
    uint32_t place;          /* in that transaction's `entered` */
    uint64_t warm_epoch;
    uint64_t touched_epoch;
    uint64_t created_epoch;
    uint64_t destructed_epoch;
    uint8_t reads; /* enum state_read, of the transaction `epoch` */
    bool has_storage;
    bool dirty;                       /* in the chain of changed accounts */
    struct state_account *next_dirty; /* that chain */
    uint32_t start_generation;        /* generation at the start of the transaction */
    uint32_t changes;                 /* scratch of state_changes_of */
    struct state_slots slots;
    struct state_fields start; /* values at the start of the transaction `epoch` */
    struct state_fields base;  /* as the reader gave them */
};

enum state_journal_kind {
    STATE_J_BALANCE,
    STATE_J_NONCE,
    STATE_J_CODE,
    STATE_J_EXISTS,
    STATE_J_SLOT,
    STATE_J_WARM_ACCOUNT,
    STATE_J_WARM_SLOT,
    STATE_J_TOUCHED,
    STATE_J_CREATED,
    STATE_J_DESTRUCTED,
    STATE_J_STORAGE, /* the whole storage was wiped */
};

struct state_journal {
    void *what; /* struct state_account or struct state_slot */
    uint32_t kind;
    uint32_t small; /* generation, or the old flag */
    union {
        struct u256 value;
        struct hash code_hash;
        uint64_t number;
    } old;
};

struct state_log {
    struct address address;
    uint32_t topic_count;
    struct hash topics[4];
    size_t data_at, data_size; /* in state.log_data */
};

/* A point to go back to. Points are nested: going back to one ends all later ones. */
struct state_mark {
    size_t journal, logs, log_data, touched, destructed;
    int64_t refund;
};

struct state {
    struct state_reader reader;
    struct state_seed seed;          /* of all tables below */
    struct evm_code_cache *codes;    /* borrowed */
    struct evm_code_user code_user;  /* of codes; so a state stays where it is */
    struct arena memory;             /* accounts and slots */
    struct state_account **accounts; /* open addressing, power of two */
    uint32_t account_mask, account_count;
    struct state_slots transients; /* keyed by account and key */

    uint64_t epoch; /* of the running transaction; never used twice */
    uint32_t next_generation;
    int64_t refund;

    struct state_journal *journal;
    size_t journal_count, journal_room;
    struct state_log *logs;
    size_t log_count, log_room;
    struct buf log_data;

    /* Of the running transaction. */
    struct state_account **touched; /* accounts that EIP-161 looks at in the end */
    size_t touched_count, touched_room;
    struct state_account **destructed;
    size_t destructed_count, destructed_room;
    struct state_account **entered; /* every account looked at */
    size_t entered_count, entered_room;
    struct state_slot **slots; /* every slot looked at */
    size_t slot_count, slot_room;

    struct state_account *dirty_accounts; /* changed since the state began or was committed */
    struct state_slot *dirty_slots;
    struct error failed;        /* code 0: all is well */
    struct state_journal spare; /* written to when there is no memory */
    struct state_account *lost; /* given out when there is no memory */
    struct state_slot *lost_slot;
};

/* state_init makes an empty state over a reader. codes outlives the state and may be shared. */
[[gnu::warn_unused_result]] int state_init(struct state *s, struct state_reader reader,
                                           struct evm_code_cache *codes, struct error *why);
void state_free(struct state *s);

/* state_reset forgets everything, keeps the memory, and reads from `reader` from now on. */
void state_reset(struct state *s, struct state_reader reader);

/* state_check gives the first failure of the reader or of memory since state_init, or 0. */
[[gnu::warn_unused_result]] int state_check(const struct state *s, struct error *why);

/* state_begin starts a transaction (a system call counts as one): new epoch, nothing warm, no
 * logs of before are dropped, refund 0, empty read and write lists. */
void state_begin(struct state *s);

/* state_end closes a transaction: destroyed accounts are deleted, and with clear_empty touched
 * empty ones (EIP-161). The lists of what was read stay until the next state_begin. */
void state_end(struct state *s, bool clear_empty);

struct state_mark state_mark_now(const struct state *s);
void state_revert(struct state *s, struct state_mark mark);

/* state_commit makes the present the new base: the journal is emptied, nothing is dirty any more,
 * and marks of before are void. Call it when the store below has taken the changes. */
void state_commit(struct state *s);

/* Slow paths of the inline functions below. */
struct state_account *state_account_load(struct state *s, const struct address *address);
void state_account_enter(struct state *s, struct state_account *a);
struct state_slot *state_slot_load(struct state *s, struct state_account *a,
                                   const struct u256 *key);
struct state_journal *state_journal_grow(struct state *s);
void state_slot_enter(struct state *s, struct state_slot *slot);

/* state_account_find gives the account of an address, entered in the running transaction's list.
 * Never NULL: what does not exist has now.exists = false. */
static inline struct state_account *state_account_find(struct state *s,
                                                       const struct address *address) {
    uint32_t i = state_hash_address(&s->seed, address) & s->account_mask;
    struct state_account *a;
    while ((a = s->accounts[i]) != NULL) {
        if (address_equal(&a->address, address)) break;
        i = (i + 1) & s->account_mask;
    }
    if (!a) a = state_account_load(s, address);
    if (a->epoch != s->epoch) state_account_enter(s, a);
    return a;
}

/* state_slot_find gives a slot of an account, entered, with `value` valid. */
static inline struct state_slot *state_slot_find(struct state *s, struct state_account *a,
                                                 const struct u256 *key) {
    uint32_t i = state_hash_key(&s->seed, key) & a->slots.mask;
    struct state_slot *slot = NULL;
    if (a->slots.at) {
        while ((slot = a->slots.at[i]) != NULL) {
            if (u256_equal(slot->key, *key)) break;
            i = (i + 1) & a->slots.mask;
        }
    }
    if (!slot) slot = state_slot_load(s, a, key);
    if (slot->epoch != s->epoch || slot->generation != a->generation) state_slot_enter(s, slot);
    return slot;
}

static inline struct state_journal *state_journal_add(struct state *s, void *what,
                                                      enum state_journal_kind kind) {
    struct state_journal *j = s->journal_count < s->journal_room ? &s->journal[s->journal_count++]
                                                                 : state_journal_grow(s);
    j->what = what;
    j->kind = kind;
    return j;
}

/* state_warm_account / state_warm_slot make it warm; true when it was already. */
static inline bool state_warm_account(struct state *s, struct state_account *a) {
    if (a->warm_epoch == s->epoch) return true;
    state_journal_add(s, a, STATE_J_WARM_ACCOUNT);
    a->warm_epoch = s->epoch;
    return false;
}
static inline bool state_warm_slot(struct state *s, struct state_slot *slot) {
    if (slot->warm_epoch == s->epoch) return true;
    state_journal_add(s, slot, STATE_J_WARM_SLOT);
    slot->warm_epoch = s->epoch;
    return false;
}

/* state_slot_set writes a slot of state_slot_find. */
void state_slot_set_slow(struct state *s, struct state_slot *slot);
static inline void state_slot_set(struct state *s, struct state_slot *slot, struct u256 value) {
    struct state_journal *j = state_journal_add(s, slot, STATE_J_SLOT);
    j->old.value = slot->value;
    j->small = slot->generation;
    slot->value = value;
    if (!slot->dirty) state_slot_set_slow(s, slot);
}

/* EIP-1153. */
struct u256 state_transient_get(struct state *s, struct state_account *a, const struct u256 *key);
void state_transient_set(struct state *s, struct state_account *a, const struct u256 *key,
                         struct u256 value);

/* Reads that are recorded. Empty: no nonce, no balance, no code (EIP-161). */
static inline bool state_account_is_empty(const struct state_account *a) {
    return a->now.nonce == 0 && u256_is_zero(a->now.balance) &&
           hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH);
}
static inline bool state_is_empty(struct state_account *a) {
    a->reads |= STATE_READ_EMPTINESS;
    return state_account_is_empty(a);
}
static inline bool state_exists(struct state_account *a) {
    a->reads |= STATE_READ_EMPTINESS;
    return a->now.exists;
}
static inline struct u256 state_balance(struct state_account *a) {
    a->reads |= STATE_READ_BALANCE;
    return a->now.balance;
}
static inline uint64_t state_nonce(struct state_account *a) {
    a->reads |= STATE_READ_NONCE;
    return a->now.nonce;
}
static inline const struct hash *state_code_hash(struct state_account *a) {
    a->reads |= STATE_READ_CODE;
    return &a->now.code_hash;
}
/* state_code gives the code of an account; an empty one for none. Never NULL. */
struct evm_code *state_code_load(struct state *s, struct state_account *a);
static inline struct evm_code *state_code(struct state *s, struct state_account *a) {
    a->reads |= STATE_READ_CODE;
    return a->code ? a->code : state_code_load(s, a);
}

/* Writes. All are journalled; a change makes the account exist and touched. */
void state_touch(struct state *s, struct state_account *a);
void state_set_balance(struct state *s, struct state_account *a, struct u256 balance);
/* state_add_balance wraps; it counts as a read of the balance only by what it changes. */
void state_add_balance(struct state *s, struct state_account *a, struct u256 amount);
void state_set_nonce(struct state *s, struct state_account *a, uint64_t nonce);
/* state_set_code takes bytes of any length (copied into the code cache). */
void state_set_code(struct state *s, struct state_account *a, struct bytes code);
/* state_create makes the account one created in this transaction: exists, nonce as given, no
 * code, fresh storage. The balance stays. */
void state_create(struct state *s, struct state_account *a, uint64_t nonce);
void state_destruct(struct state *s, struct state_account *a);
/* state_delete removes an account with its storage. */
void state_delete(struct state *s, struct state_account *a);
/* state_log_add appends a log; data is copied. */
void state_log_add(struct state *s, const struct address *address, const struct hash *topics,
                   uint32_t topic_count, struct bytes data);

#endif
