/* SPDX-License-Identifier: MIT */
#include "chain/remote_state.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "crypto/keccak.h"
#include "eth/rpc_json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CACHE_BYTES ((size_t)512 << 20)
#define PREFETCHES 4u
#define PREFETCH_WAITING 4096u
#define PREFETCH_SLOTS 64u // of one call
#define TRIES 3
#define TRY_PAUSE_US 20000
#define ACCOUNTS_KNOWN_MAX 1000000u // whose addresses and slots are remembered
#define SEARCH_BATCH 256u
#define WITNESS_ITEMS_MAX 1000000u

/* An account that was asked for: proofs of its storage want its address, and keys. */
struct known {
    struct hash owner; // keccak256 of the address
    struct address address;
    struct hash *slots; // numbers that were read
    size_t slot_count, slot_room;
};

struct code {
    struct hash hash;
    struct address address; // of one account that has it
    struct bytes bytes;     // p NULL: not here
};

/* What is asked for; who wants the same waits for it. */
struct flight {
    struct list_node link;
    enum { FLIGHT_ACCOUNT, FLIGHT_SLOT, FLIGHT_CODE } what;
    struct hash of;         // the slot's number, or the code's hash
    struct hash root;       // but of code: the state's
    struct address address; // but of code
};

/* A number whose hash begins with a path. */
struct found_key {
    struct trie_path path;
    struct hash number;
};

struct remote_state {
    struct remote_state_options o;
    struct proof_cache *nodes;
    struct pool *pool;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t landed;
    struct list flights;
    struct map known; // by owner: struct known
    struct map codes; // by hash: struct code
    size_t code_bytes;
    struct map found; // by path: struct found_key
    atomic_bool no_witness;
    atomic_uint_least64_t proofs, code_calls, witnesses, refused, searches;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a remote state");
}

// What went wrong at the client is no verdict about a block: only these two codes leave.
static int out(int r, struct error *why) {
    if (r == 0 || r == ERR_NO_MEMORY) return r;
    if (why) why->code = ERR_IO;
    return ERR_IO;
}

/* Calls. */

static bool may_pass(int r) {
    return r == ERR_BUSY || r == ERR_CLOSED || r == ERR_IO;
}

static int call(struct remote_state *s, const char *method, struct buf *params, struct arena *a,
                const struct json **ret, struct error *why) {
    int r = buf_check(params, why);
    if (r != 0) return r;
    for (int i = 0;; i++) {
        r = s->o.call(s->o.context, method, buf_view(params), a, ret, why);
        if (r == 0 || !may_pass(r) || i + 1 == TRIES) return r;
        (void)usleep(TRY_PAUSE_US);
    }
}

static int refuse(struct remote_state *s, const char *what, struct error *why) {
    (void)atomic_fetch_add(&s->refused, 1);
    log_warn(s->o.log, "state_refused", F_STR("what", what), F_ERR(why));
    return error_wrap(why, "the execution client's %s does not hold", what);
}

/* What was asked for before. `lock` is held. */

static void forget_known(struct remote_state *s) {
    struct bytes key;
    void *value;
    for (size_t at = 0; map_next(&s->known, &at, &key, &value);) {
        struct known *k = value;
        free(k->slots);
        free(k);
    }
    map_clear(&s->known);
}

static struct known *know(struct remote_state *s, const struct address *address) {
    struct hash owner = keccak256(BYTES_OF(*address));
    struct known *k = map_get(&s->known, BYTES_OF(owner));
    if (k) return k;
    if (s->known.n >= ACCOUNTS_KNOWN_MAX) forget_known(s);
    k = calloc(1, sizeof *k);
    if (!k) return NULL;
    k->owner = owner;
    k->address = *address;
    if (map_put(&s->known, BYTES_OF(k->owner), k, NULL, NULL) == 0) return k;
    free(k);
    return NULL;
}

// Without memory a key is searched for when it is needed.
static void know_slot(struct known *k, const struct hash *slot) {
    if (!k) return;
    if (k->slot_count == k->slot_room) {
        size_t room = k->slot_room ? 2 * k->slot_room : 8;
        struct hash *more = realloc(k->slots, room * sizeof *more);
        if (!more) return;
        k->slots = more;
        k->slot_room = room;
    }
    k->slots[k->slot_count++] = *slot;
}

static struct code *know_code(struct remote_state *s, const struct hash *hash,
                              const struct address *address) {
    struct code *c = map_get(&s->codes, BYTES_OF(*hash));
    if (c && address && address_is_zero(&c->address)) c->address = *address; // of a witness
    if (c || !address) return c;
    c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->hash = *hash;
    c->address = *address;
    if (map_put(&s->codes, BYTES_OF(c->hash), c, NULL, NULL) == 0) return c;
    free(c);
    return NULL;
}

static void drop_codes(struct remote_state *s) {
    struct bytes key;
    void *value;
    for (size_t at = 0; map_next(&s->codes, &at, &key, &value);) {
        struct code *c = value;
        free((void *)(uintptr_t)c->bytes.p);
        c->bytes = (struct bytes){0};
    }
    s->code_bytes = 0;
}

// Without memory it is asked for again.
static void keep_code(struct remote_state *s, struct code *c, struct bytes bytes) {
    if (!c || c->bytes.p || bytes.n == 0) return;
    if (s->code_bytes + bytes.n > s->o.cache_bytes) drop_codes(s);
    uint8_t *copy = malloc(bytes.n);
    if (!copy) return;
    memcpy(copy, bytes.p, bytes.n);
    c->bytes = bytes_make(copy, bytes.n);
    s->code_bytes += bytes.n;
}

/* Proofs. */

static void write_proof_params(struct buf *out_, const struct remote_at *at,
                               const struct address *address, const struct hash *slots,
                               size_t slot_count) {
    struct json_writer w;
    json_writer_init(&w, out_, 0);
    json_begin_array(&w, NULL);
    json_add_data(&w, NULL, BYTES_OF(*address));
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < slot_count; i++) {
        json_add_data(&w, NULL, BYTES_OF(slots[i]));
    }
    json_end(&w);
    json_begin_object(&w, NULL);
    json_add_data(&w, "blockHash", BYTES_OF(at->block));
    json_end(&w);
    json_end(&w);
}

static bool same_question(const struct account_proof *p, const struct address *address,
                          const struct hash *slots, size_t slot_count) {
    if (!address_equal(&p->address, address) || p->slot_count != slot_count) return false;
    for (size_t i = 0; i < slot_count; i++) {
        if (!hash_equal(&p->slots[i].key, &slots[i])) return false;
    }
    return true;
}

// Asks for a proof, checks it against the state root and keeps its nodes.
static int fetch(struct remote_state *s, const struct remote_at *at, const struct address *address,
                 const struct hash *slots, size_t slot_count, struct account_proof *ret,
                 bool *ret_exists, struct arena *a, struct error *why) {
    const struct json *answer;
    struct buf params;
    buf_init(&params, 0);
    write_proof_params(&params, at, address, slots, slot_count);
    (void)atomic_fetch_add(&s->proofs, 1);
    int r = call(s, "eth_getProof", &params, a, &answer, why);
    buf_free(&params);
    if (r != 0) return r;
    r = account_proof_decode(ret, answer, a, why);
    if (r == 0 && !same_question(ret, address, slots, slot_count)) {
        r = error_set(why, ERR_INVALID, "it is of another account or other slots");
    }
    if (r == 0) r = account_proof_check(ret_exists, ret, &at->root, why);
    if (r != 0) return refuse(s, "proof", why);
    return proof_cache_add_proof(s->nodes, ret, why);
}

static bool same_flight(const struct flight *f, const struct flight *g) {
    return f->what == g->what && hash_equal(&f->of, &g->of) && hash_equal(&f->root, &g->root) &&
           address_equal(&f->address, &g->address);
}

// True: no one else asks for it, and `f` is listed until end_flight. False: someone did, and has
// the answer by now.
static bool begin_flight(struct remote_state *s, struct flight *f) {
    bool first = true;
    (void)pthread_mutex_lock(&s->lock);
    for (bool again = true; again;) {
        again = false;
        list_each_safe(node, &s->flights) {
            if (!same_flight(LIST_ENTRY(node, struct flight, link), f)) continue;
            first = false;
            again = true;
            (void)pthread_cond_wait(&s->landed, &s->lock);
            break;
        }
    }
    if (first) list_push_back(&s->flights, &f->link);
    (void)pthread_mutex_unlock(&s->lock);
    return first;
}

static void end_flight(struct remote_state *s, struct flight *f) {
    (void)pthread_mutex_lock(&s->lock);
    list_remove(&f->link);
    (void)pthread_cond_broadcast(&s->landed);
    (void)pthread_mutex_unlock(&s->lock);
}

static void note_account(struct remote_state *s, const struct address *address,
                         const struct account *a, const struct hash *slot) {
    (void)pthread_mutex_lock(&s->lock);
    struct known *k = know(s, address);
    if (slot) know_slot(k, slot);
    if (!hash_equal(&a->code_hash, &ACCOUNT_EMPTY_CODE)) {
        (void)know_code(s, &a->code_hash, address);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

int remote_state_account(struct remote_state *s, const struct remote_at *at,
                         const struct address *address, struct account *ret, bool *ret_exists,
                         struct error *why) {
    struct flight f = {.what = FLIGHT_ACCOUNT, .root = at->root, .address = *address};
    int r = proof_cache_account(s->nodes, ret, ret_exists, &at->root, address, why);
    while (r == ERR_NOT_FOUND) {
        if (!begin_flight(s, &f)) {
            r = proof_cache_account(s->nodes, ret, ret_exists, &at->root, address, why);
            continue;
        }
        struct account_proof p;
        struct arena a;
        bool exists = false;
        arena_init(&a, 0);
        r = fetch(s, at, address, NULL, 0, &p, &exists, &a, why);
        end_flight(s, &f);
        if (r == 0) {
            static const struct account none = {.nonce = 0};
            *ret = exists ? p.account : none;
            if (!exists) ret->storage_root = TRIE_EMPTY_ROOT, ret->code_hash = ACCOUNT_EMPTY_CODE;
            if (ret_exists) *ret_exists = exists;
        }
        arena_free(&a);
        if (r != 0) break;
    }
    if (r == 0) note_account(s, address, ret, NULL);
    return out(r, why);
}

int remote_state_slot(struct remote_state *s, const struct remote_at *at,
                      const struct address *address, const struct hash *storage_root,
                      const struct u256 *slot, struct u256 *ret, struct error *why) {
    struct flight f = {.what = FLIGHT_SLOT, .root = at->root, .address = *address};
    *ret = U256_ZERO;
    if (hash_equal(storage_root, &TRIE_EMPTY_ROOT)) return 0;
    u256_store_be(f.of.b, *slot);
    int r = proof_cache_slot(s->nodes, ret, storage_root, &f.of, why);
    while (r == ERR_NOT_FOUND) {
        if (!begin_flight(s, &f)) {
            r = proof_cache_slot(s->nodes, ret, storage_root, &f.of, why);
            continue;
        }
        struct account_proof p;
        struct arena a;
        bool exists = false;
        arena_init(&a, 0);
        r = fetch(s, at, address, &f.of, 1, &p, &exists, &a, why);
        end_flight(s, &f);
        if (r == 0 && (!exists || !hash_equal(&p.account.storage_root, storage_root))) {
            r = error_set(why, ERR_INTERNAL, "the account has another storage in that block");
        }
        if (r == 0) *ret = p.slots[0].value;
        if (r == 0) note_account(s, address, &p.account, &f.of);
        arena_free(&a);
        break;
    }
    return out(r, why);
}

/* Code. */

static bool code_here(struct remote_state *s, const struct hash *hash, struct buf *ret,
                      struct address *ret_address, bool *ret_known) {
    (void)pthread_mutex_lock(&s->lock);
    const struct code *c = know_code(s, hash, NULL);
    bool here = c && c->bytes.p;
    if (here) buf_append(ret, c->bytes);
    *ret_known = c != NULL;
    if (c) *ret_address = c->address;
    (void)pthread_mutex_unlock(&s->lock);
    return here;
}

static int fetch_code(struct remote_state *s, const struct remote_at *at,
                      const struct address *address, const struct hash *hash, struct buf *ret,
                      struct error *why) {
    const struct json *answer;
    struct json_writer w;
    struct bytes code;
    struct buf params;
    struct arena a;
    arena_init(&a, 0);
    buf_init(&params, 0);
    json_writer_init(&w, &params, 0);
    json_begin_array(&w, NULL);
    json_add_data(&w, NULL, BYTES_OF(*address));
    json_begin_object(&w, NULL);
    json_add_data(&w, "blockHash", BYTES_OF(at->block));
    json_end(&w);
    json_end(&w);
    (void)atomic_fetch_add(&s->code_calls, 1);
    int r = call(s, "eth_getCode", &params, &a, &answer, why);
    buf_free(&params);
    if (r == 0) {
        r = json_data(&code, answer, &a, why);
        struct hash got = r == 0 ? keccak256(code) : *hash;
        if (r == 0 && !hash_equal(&got, hash)) {
            r = error_set(why, ERR_INVALID, "it has another hash than the account's");
        }
        if (r != 0) r = refuse(s, "code", why);
    }
    if (r == 0) {
        (void)pthread_mutex_lock(&s->lock);
        keep_code(s, know_code(s, hash, address), code);
        (void)pthread_mutex_unlock(&s->lock);
        buf_append(ret, code);
    }
    arena_free(&a);
    return r;
}

int remote_state_code(struct remote_state *s, const struct remote_at *at,
                      const struct hash *code_hash, struct buf *ret, struct error *why) {
    struct flight f = {.what = FLIGHT_CODE, .of = *code_hash};
    struct address address;
    bool known;
    while (!code_here(s, code_hash, ret, &address, &known)) {
        if (!known) return error_set(why, ERR_IO, "code of an account that was never read");
        if (!begin_flight(s, &f)) continue;
        int r = 0;
        if (!code_here(s, code_hash, ret, &address, &known)) { // it may have come just now
            r = fetch_code(s, at, &address, code_hash, ret, why);
        }
        end_flight(s, &f);
        return r == 0 ? buf_check(ret, why) : out(r, why);
    }
    return buf_check(ret, why);
}

/* Nodes by place. */

static bool begins_with(const struct hash *hash, const struct trie_path *path) {
    unsigned full = path->depth / 2;
    if (memcmp(hash->b, path->key, full) != 0) return false;
    return path->depth % 2 == 0 || (hash->b[full] & 0xf0) == (path->key[full] & 0xf0);
}

// A slot of the owner that was read and whose hash begins with the path. `lock` is held.
static bool read_before(const struct known *k, const struct trie_path *path, struct hash *ret) {
    for (size_t i = 0; k && i < k->slot_count; i++) {
        struct hash hash = keccak256(BYTES_OF(k->slots[i]));
        if (!begins_with(&hash, path)) continue;
        *ret = k->slots[i];
        return true;
    }
    return false;
}

// Tries numbers of `n` bytes (32: slots, 20: addresses) until one's hash begins with the path.
static bool search(const struct trie_path *path, size_t n, struct hash *ret) {
    uint8_t number[SEARCH_BATCH][32];
    struct bytes in[SEARCH_BATCH];
    struct hash hash[SEARCH_BATCH];
    uint64_t most = (UINT64_C(1) << 4 * path->depth) * 40; // misses one time in e^40
    memset(number, 0, sizeof number);
    for (uint64_t at = 0; at < most; at += SEARCH_BATCH) {
        for (unsigned i = 0; i < SEARCH_BATCH; i++) {
            store_be64(number[i] + n - 8, at + i);
            in[i] = bytes_make(number[i], n);
        }
        keccak256_batch(hash, in, SEARCH_BATCH);
        for (unsigned i = 0; i < SEARCH_BATCH; i++) {
            if (!begins_with(&hash[i], path)) continue;
            memcpy(ret->b, number[i], 32);
            return true;
        }
    }
    return false;
}

static int key_below(struct remote_state *s, const struct trie_path *path, size_t n,
                     struct hash *ret, struct error *why) {
    struct found_key *f;
    (void)pthread_mutex_lock(&s->lock);
    f = n == 32 ? map_get(&s->found, bytes_make(path, sizeof *path)) : NULL;
    if (f) *ret = f->number;
    (void)pthread_mutex_unlock(&s->lock);
    if (f) return 0;
    if (path->depth > REMOTE_SEARCH_DEPTH) {
        return error_set(why, ERR_UNSUPPORTED, "no key is known below a node at depth %u",
                         path->depth);
    }
    (void)atomic_fetch_add(&s->searches, 1);
    if (!search(path, n, ret)) return error_set(why, ERR_INTERNAL, "no key begins with a path");
    if (n != 32) return 0;
    f = calloc(1, sizeof *f);
    if (!f) return 0;
    f->path = *path;
    f->number = *ret;
    void *old = NULL;
    (void)pthread_mutex_lock(&s->lock);
    int r = map_put(&s->found, bytes_make(&f->path, sizeof f->path), f, &old, NULL);
    (void)pthread_mutex_unlock(&s->lock);
    free(r == 0 ? old : f);
    return 0;
}

int remote_state_node(struct remote_state *s, const struct remote_at *at, const struct hash *owner,
                      const struct trie_path *path, const struct hash *ref,
                      uint8_t ret[TRIE_NODE_MAX], size_t *ret_n, struct error *why) {
    struct address address = {{0}};
    struct hash slot, number;
    bool found = false;
    if (proof_cache_node(s->nodes, ref, ret, ret_n)) return 0;
    int r = 0;
    if (owner) {
        (void)pthread_mutex_lock(&s->lock);
        const struct known *k = map_get(&s->known, BYTES_OF(*owner));
        if (k) address = k->address;
        found = read_before(k, path, &slot);
        (void)pthread_mutex_unlock(&s->lock);
        if (!k) return error_set(why, ERR_IO, "storage of an account that was never read");
        if (!found) r = key_below(s, path, 32, &slot, why);
    } else {
        r = key_below(s, path, 20, &number, why);
        if (r == 0) memcpy(address.b, number.b, 20);
    }
    if (r != 0) return out(r, why);
    struct account_proof p;
    struct arena a;
    bool exists;
    arena_init(&a, 0);
    r = fetch(s, at, &address, &slot, owner ? 1 : 0, &p, &exists, &a, why);
    arena_free(&a);
    if (r == 0 && !proof_cache_node(s->nodes, ref, ret, ret_n)) {
        r = error_set(why, ERR_INTERNAL, "a proof does not pass the place of a node");
    }
    return out(r, why);
}

void remote_state_note(struct remote_state *s, struct bytes node) {
    (void)!proof_cache_add(s->nodes, node, NULL);
}

/* Ahead of need. */

struct ahead {
    struct pool_task task;
    struct remote_state *s;
    struct remote_at at;
    struct address address;
    size_t slot_count;
    struct hash slots[];
};

static void ahead_run(void *context) {
    struct ahead *w = context;
    struct account account;
    struct error why;
    bool exists;
    size_t missing = 0;
    int r = proof_cache_account(w->s->nodes, &account, &exists, &w->at.root, &w->address, &why);
    if (r == 0) note_account(w->s, &w->address, &account, NULL);
    for (size_t i = 0; i < w->slot_count; i++) {
        struct u256 value;
        if (r == 0 && exists &&
            proof_cache_slot(w->s->nodes, &value, &account.storage_root, &w->slots[i], &why) == 0) {
            continue;
        }
        if (r == 0 && !exists) continue;
        w->slots[missing++] = w->slots[i];
    }
    if (r == 0 && missing == 0) return;
    struct account_proof p;
    struct arena a;
    arena_init(&a, 0);
    r = fetch(w->s, &w->at, &w->address, w->slots, missing, &p, &exists, &a, &why);
    if (r == 0) note_account(w->s, &w->address, &p.account, NULL);
    for (size_t i = 0; r == 0 && i < missing; i++) {
        note_account(w->s, &w->address, &p.account, &w->slots[i]);
    }
    arena_free(&a);
    if (r == 0 && exists && !hash_equal(&p.account.code_hash, &ACCOUNT_EMPTY_CODE)) {
        struct buf code;
        buf_init(&code, 0);
        (void)!remote_state_code(w->s, &w->at, &p.account.code_hash, &code, NULL);
        buf_free(&code);
    }
}

static void ahead_done(void *context) {
    free(context);
}

void remote_state_prefetch(struct remote_state *s, const struct remote_at *at,
                           const struct address *address, const struct hash *slots,
                           size_t slot_count) {
    do {
        size_t n = slot_count < PREFETCH_SLOTS ? slot_count : PREFETCH_SLOTS;
        struct ahead *w = calloc(1, sizeof *w + n * sizeof *slots);
        if (!w) return;
        *w = (struct ahead){.task = {.run = ahead_run, .done = ahead_done, .context = w},
                            .s = s,
                            .at = *at,
                            .address = *address,
                            .slot_count = n};
        if (n) memcpy(w->slots, slots, n * sizeof *slots);
        if (!pool_submit(s->pool, &w->task)) {
            free(w);
            return;
        }
        slots += n;
        slot_count -= n;
    } while (slot_count);
}

void remote_state_prefetch_tx(struct remote_state *s, const struct remote_at *at,
                              const struct tx *t, const struct address *sender) {
    remote_state_prefetch(s, at, sender, NULL, 0);
    if (t->has_to) remote_state_prefetch(s, at, &t->to, NULL, 0);
    for (size_t i = 0; i < t->access_count; i++) {
        remote_state_prefetch(s, at, &t->access[i].address, t->access[i].keys,
                              t->access[i].key_count);
    }
}

static void take_witness(struct remote_state *s, const struct json *witness) {
    struct arena a;
    size_t n = 0;
    arena_init(&a, 0);
    json_each(item, json_get(witness, "state")) {
        struct bytes node;
        if (n++ == WITNESS_ITEMS_MAX || json_data(&node, item, &a, NULL) != 0) break;
        remote_state_note(s, node);
        if (n % 1024 == 0) arena_reset(&a);
    }
    n = 0;
    json_each(item, json_get(witness, "codes")) {
        struct bytes code;
        static const struct address none;
        if (n++ == WITNESS_ITEMS_MAX || json_data(&code, item, &a, NULL) != 0) break;
        struct hash hash = keccak256(code);
        (void)pthread_mutex_lock(&s->lock);
        keep_code(s, know_code(s, &hash, &none), code);
        (void)pthread_mutex_unlock(&s->lock);
        arena_reset(&a);
    }
    arena_free(&a);
}

static bool witness_of(struct remote_state *s, const struct block *block) {
    const struct json *answer;
    struct error why;
    struct arena a;
    struct buf params;
    if (atomic_load(&s->no_witness)) return false;
    arena_init(&a, 0);
    buf_init(&params, 0);
    buf_printf(&params, "[\"0x%llx\"]", (unsigned long long)block->header.number);
    int r = call(s, "debug_executionWitness", &params, &a, &answer, &why);
    buf_free(&params);
    if (r == 0) {
        take_witness(s, answer);
        (void)atomic_fetch_add(&s->witnesses, 1);
    } else if (r == ERR_UNSUPPORTED) {
        atomic_store(&s->no_witness, true);
        log_info(s->o.log, "node_gives_no_witness", F_ERR(&why));
    } else {
        log_debug(s->o.log, "witness_failed", F_ERR(&why));
    }
    arena_free(&a);
    return r == 0;
}

void remote_state_prepare(struct remote_state *s, const struct remote_at *at,
                          const struct block *block, const struct address *senders) {
    if (witness_of(s, block)) return;
    remote_state_prefetch(s, at, &block->header.coinbase, NULL, 0);
    for (size_t i = 0; i < block->withdrawal_count; i++) {
        remote_state_prefetch(s, at, &block->withdrawals[i].address, NULL, 0);
    }
    for (size_t i = 0; i < block->tx_count; i++) {
        remote_state_prefetch_tx(s, at, &block->txs[i], &senders[i]);
    }
}

/* Where to begin. */

static int ask_header(struct remote_state *s, const char *block, struct header *ret,
                      struct hash *ret_hash, struct arena *a, struct error *why) {
    const struct json *answer;
    struct hash said;
    struct buf params;
    buf_init(&params, 0);
    buf_printf(&params, "[\"%s\",false]", block);
    int r = call(s, "eth_getBlockByNumber", &params, a, &answer, why);
    buf_free(&params);
    if (r == 0 && json_is_null(answer)) {
        r = error_set(why, ERR_NOT_FOUND, "the execution client does not have block %s", block);
    }
    if (r == 0) r = header_json_decode(ret, answer, a, why);
    if (r == 0) r = json_get_hash(&said, answer, "hash", why);
    if (r == 0) r = header_hash(ret_hash, ret, why);
    if (r == 0 && !hash_equal(&said, ret_hash)) {
        r = error_set(why, ERR_UNSUPPORTED, "block %s does not hash to what the client says",
                      block);
    }
    return r;
}

int remote_state_anchor(struct remote_state *s, struct remote_anchor *ret, struct arena *a,
                        struct error *why) {
    struct arena scratch;
    int r = ask_header(s, "latest", &ret->header, &ret->hash, a, why);
    if (r != 0) return r == ERR_UNSUPPORTED ? r : out(r, why);
    uint64_t number = ret->header.number;
    struct hash wanted = ret->header.parent_hash;
    ret->ancestor_count = 0;
    arena_init(&scratch, 0);
    while (r == 0 && number > 0 && ret->ancestor_count < REMOTE_ANCESTORS) {
        char name[24];
        struct header h;
        struct hash hash;
        ret->ancestors[ret->ancestor_count++] = wanted;
        if (--number == 0 || ret->ancestor_count == REMOTE_ANCESTORS) break;
        (void)snprintf(name, sizeof name, "0x%llx", (unsigned long long)number);
        arena_reset(&scratch);
        r = ask_header(s, name, &h, &hash, &scratch, why);
        if (r == 0 && !hash_equal(&hash, &wanted)) {
            r = error_set(why, ERR_CONFLICT, "block %s is no ancestor of the newest block", name);
        }
        if (r == 0) wanted = h.parent_hash;
    }
    arena_free(&scratch);
    return out(r, why);
}

/* Life. */

int remote_state_new(struct remote_state **ret, const struct remote_state_options *options,
                     struct error *why) {
    struct remote_state *s = calloc(1, sizeof *s);
    if (!s) return no_memory(why);
    s->o = *options;
    if (!s->o.cache_bytes) s->o.cache_bytes = CACHE_BYTES;
    if (!s->o.prefetches) s->o.prefetches = PREFETCHES;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->landed, NULL);
    list_init(&s->flights);
    map_init(&s->known, 0);
    map_init(&s->codes, 0);
    map_init(&s->found, 0);
    int r = proof_cache_new(&s->nodes, s->o.cache_bytes, why);
    if (r == 0) r = pool_start(&s->pool, s->o.prefetches, PREFETCH_WAITING, why);
    if (r != 0) {
        remote_state_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void free_values(struct map *m) {
    struct bytes key;
    void *value;
    for (size_t at = 0; map_next(m, &at, &key, &value);) {
        free(value);
    }
    map_free(m);
}

void remote_state_free(struct remote_state *s) {
    if (!s) return;
    pool_stop(s->pool);
    forget_known(s);
    map_free(&s->known);
    drop_codes(s);
    free_values(&s->codes);
    free_values(&s->found);
    proof_cache_free(s->nodes);
    (void)pthread_cond_destroy(&s->landed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

void remote_state_count(struct remote_state *s, struct remote_counts *ret) {
    *ret = (struct remote_counts){.proofs = atomic_load(&s->proofs),
                                  .codes = atomic_load(&s->code_calls),
                                  .witnesses = atomic_load(&s->witnesses),
                                  .refused = atomic_load(&s->refused),
                                  .searches = atomic_load(&s->searches),
                                  .cached_bytes = proof_cache_bytes(s->nodes)};
}
