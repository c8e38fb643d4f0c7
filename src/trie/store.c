/* Keys, values and batches of every kind of store. SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/store_backend.h"

#include <stdlib.h>

void store_init(struct trie_store *s, const struct store_backend *backend) {
    s->backend = backend;
    buf_init(&s->batch, 0);
}

void trie_store_close(struct trie_store *s) {
    if (!s) return;
    buf_free(&s->batch);
    s->backend->close(s);
}

void trie_store_abort(struct trie_store *s) {
    buf_clear(&s->batch);
}

// Keys

struct key {
    uint8_t b[STORE_KEY_MAX];
    uint8_t n;
};

static void add(struct key *k, const void *p, size_t n) {
    memcpy(k->b + k->n, p, n);
    k->n = (uint8_t)(k->n + n);
}

static struct bytes view(const struct key *k) {
    return bytes_make(k->b, k->n);
}

#define SHORT_PATH 15 /* bytes; deeper nodes are rare */

static struct key node_key(const struct hash *owner, const struct trie_path *path) {
    struct key k = {.n = 0};
    if (owner) add(&k, owner->b, 32);
    add(&k, path->key, path->depth <= 2 * SHORT_PATH ? SHORT_PATH : 32);
    add(&k, &path->depth, 1);
    return k;
}

static struct key slot_key(const struct hash *owner, const struct hash *slot) {
    struct key k = {.n = 0};
    add(&k, owner->b, 32);
    add(&k, slot->b, 32);
    return k;
}

// The batch: table, length of key, length of value (ALL for a whole owner), key, value.

#define ALL UINT32_MAX
#define WRITE_HEADER 6

static int collect(struct trie_store *s, enum store_table table, struct bytes key,
                   struct bytes value, bool all, struct error *why) {
    if (value.n >= ALL) {
        return error_set(why, ERR_LIMIT, "a value of %zu bytes cannot be stored", value.n);
    }
    buf_append_byte(&s->batch, (uint8_t)table);
    buf_append_byte(&s->batch, (uint8_t)key.n);
    buf_append_be32(&s->batch, all ? ALL : (uint32_t)value.n);
    buf_append(&s->batch, key);
    buf_append(&s->batch, value);
    return buf_check(&s->batch, why);
}

bool store_batch_next(struct bytes *batch, struct store_write *ret) {
    if (!batch->n) return false;
    const uint8_t *p = batch->p;
    size_t key_n = p[1], value_n = load_be32(p + 2);
    *ret = (struct store_write){
        .table = p[0], .key = {p + WRITE_HEADER, key_n}, .all = value_n == ALL};
    if (ret->all) value_n = 0;
    ret->value = bytes_make(p + WRITE_HEADER + key_n, value_n);
    *batch = bytes_slice(*batch, WRITE_HEADER + key_n + value_n, SIZE_MAX);
    return true;
}

// A value of at most `max` bytes.
static int get_short(struct trie_store *s, enum store_table table, struct bytes key, uint8_t *ret,
                     size_t max, size_t *ret_n, struct error *why) {
    struct buf b = {.p = ret, .capacity = max, .limit_bytes = max};
    int r = s->backend->get(s, table, key, &b, why);
    *ret_n = b.n;
    return r;
}

// Head

#define HEAD_BYTES 72

int trie_store_head(struct trie_store *s, struct trie_store_head *ret, struct error *why) {
    uint8_t value[HEAD_BYTES];
    size_t n;
    int r = get_short(s, STORE_HEAD, BYTES_LIT("head"), value, sizeof value, &n, why);
    if (r != 0) return r;
    if (n != HEAD_BYTES) return error_set(why, ERR_IO, "the store's head has %zu bytes", n);
    ret->number = load_be64(value);
    memcpy(ret->hash.b, value + 8, 32);
    memcpy(ret->root.b, value + 40, 32);
    return 0;
}

int trie_store_commit(struct trie_store *s, const struct trie_store_head *head, struct error *why) {
    uint8_t value[HEAD_BYTES];
    int r = buf_check(&s->batch, why); // a write that failed may have left a part of itself
    if (r == 0 && head) {
        store_be64(value, head->number);
        memcpy(value + 8, head->hash.b, 32);
        memcpy(value + 40, head->root.b, 32);
        r = collect(s, STORE_HEAD, BYTES_LIT("head"), bytes_make(value, sizeof value), false, why);
    }
    if (r == 0) r = s->backend->commit(s, buf_view(&s->batch), why);
    trie_store_abort(s);
    return r;
}

// Accounts and slots

int trie_store_account(struct trie_store *s, const struct hash *key, struct account *ret,
                       struct error *why) {
    uint8_t value[ACCOUNT_RLP_MAX];
    size_t n;
    int r = get_short(s, STORE_ACCOUNTS, BYTES_OF(*key), value, sizeof value, &n, why);
    return r == 0 ? account_decode(ret, bytes_make(value, n), why) : r;
}

int trie_store_put_account(struct trie_store *s, const struct hash *key,
                           const struct account *account, struct error *why) {
    uint8_t wire[ACCOUNT_RLP_MAX];
    size_t n = account ? account_write(wire, account) : 0;
    return collect(s, STORE_ACCOUNTS, BYTES_OF(*key), bytes_make(wire, n), false, why);
}

int trie_store_slot(struct trie_store *s, const struct hash *owner, const struct hash *key,
                    struct u256 *ret, struct error *why) {
    uint8_t value[32], word[32] = {0};
    size_t n;
    struct key k = slot_key(owner, key);
    int r = get_short(s, STORE_SLOTS, view(&k), value, sizeof value, &n, why);
    if (r != 0) return r;
    memcpy(word + 32 - n, value, n);
    *ret = u256_load_be(word);
    return 0;
}

int trie_store_put_slot(struct trie_store *s, const struct hash *owner, const struct hash *key,
                        struct u256 value, struct error *why) {
    uint8_t word[32];
    u256_store_be(word, value);
    size_t n = (u256_bit_length(value) + 7) / 8;
    struct key k = slot_key(owner, key);
    return collect(s, STORE_SLOTS, view(&k), bytes_make(word + 32 - n, n), false, why);
}

// Nodes

int trie_store_node(struct trie_store *s, const struct hash *owner, const struct trie_path *path,
                    uint8_t ret[TRIE_NODE_MAX], size_t *ret_n, struct error *why) {
    struct key k = node_key(owner, path);
    return get_short(s, owner ? STORE_STORAGE_NODES : STORE_ACCOUNT_NODES, view(&k), ret,
                     TRIE_NODE_MAX, ret_n, why);
}

int trie_store_put_node(struct trie_store *s, const struct hash *owner,
                        const struct trie_path *path, struct bytes node, struct error *why) {
    struct key k = node_key(owner, path);
    if (node.n > TRIE_NODE_MAX) {
        return error_set(why, ERR_LIMIT, "a node of %zu bytes cannot be stored", node.n);
    }
    return collect(s, owner ? STORE_STORAGE_NODES : STORE_ACCOUNT_NODES, view(&k), node, false,
                   why);
}

int trie_store_clear(struct trie_store *s, const struct hash *owner, struct error *why) {
    int r = collect(s, STORE_SLOTS, BYTES_OF(*owner), BYTES_LIT(""), true, why);
    if (r != 0) return r;
    return collect(s, STORE_STORAGE_NODES, BYTES_OF(*owner), BYTES_LIT(""), true, why);
}

static int get_node(void *arg, const struct hash *owner, const struct trie_path *path,
                    const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    (void)ref;
    struct trie_store_source *s = arg;
    size_t n;
    int r = trie_store_node(s->store, owner, path, s->node, &n, why);
    if (r == 0) *ret = bytes_make(s->node, n);
    return r;
}

struct state_node_source trie_store_source(struct trie_store_source *s, struct trie_store *store) {
    s->store = store;
    return (struct state_node_source){.get = get_node, .arg = s};
}

// Beside the state

#define BESIDE_KEY_MAX 64

int trie_store_get(struct trie_store *s, enum trie_store_table table, struct bytes key,
                   struct buf *ret, struct error *why) {
    return s->backend->get(s, STORE_BESIDE + (enum store_table)table, key, ret, why);
}

int trie_store_put(struct trie_store *s, enum trie_store_table table, struct bytes key,
                   struct bytes value, struct error *why) {
    if (key.n == 0 || key.n > BESIDE_KEY_MAX) {
        return error_set(why, ERR_LIMIT, "a key of %zu bytes cannot be stored", key.n);
    }
    return collect(s, STORE_BESIDE + (enum store_table)table, key, value, false, why);
}

// Blocks

static int put_node(void *arg, const struct hash *owner, const struct trie_path *path,
                    struct bytes node, struct error *why) {
    if (path) return trie_store_put_node(arg, owner, path, node, why);
    return collect(arg, STORE_STORAGE_NODES, BYTES_OF(*owner), BYTES_LIT(""), true, why);
}

// keys[0] is the account's, then those of its slots.
static int put_account_change(struct trie_store *s, const struct state_root *state,
                              const struct state_account_change *c, const struct hash *keys,
                              struct error *why) {
    struct account account = {.nonce = c->nonce, .balance = c->balance, .code_hash = c->code_hash};
    int r = 0;
    if (c->removed || c->storage_cleared) {
        r = collect(s, STORE_SLOTS, BYTES_OF(keys[0]), BYTES_LIT(""), true, why);
    }
    if (c->removed) return r == 0 ? trie_store_put_account(s, &keys[0], NULL, why) : r;
    if (r == 0) r = state_root_storage(state, &keys[0], &account.storage_root, why);
    if (r == 0) r = trie_store_put_account(s, &keys[0], &account, why);
    for (size_t i = 0; i < c->slot_count && r == 0; i++) {
        r = trie_store_put_slot(s, &keys[0], &keys[1 + i], c->slots[i].value, why);
    }
    return r;
}

static int put_flat(struct trie_store *s, const struct state_root *state,
                    const struct state_account_change *changes, size_t count, struct error *why) {
    size_t n = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        n += 1 + changes[i].slot_count;
    }
    struct keccak_job *job = calloc(n ? n : 1, sizeof *job);
    struct hash *keys = calloc(n ? n : 1, sizeof *keys);
    int r = job && keys ? 0 : error_set(why, ERR_NO_MEMORY, "no memory to store a block");
    for (size_t i = 0; i < count && r == 0; i++) {
        job[at] = (struct keccak_job){BYTES_OF(changes[i].address), &keys[at]};
        at++;
        for (size_t k = 0; k < changes[i].slot_count; k++, at++) {
            job[at] = (struct keccak_job){BYTES_OF(changes[i].slots[k].key), &keys[at]};
        }
    }
    if (r == 0) keccak256_scatter(job, n);
    at = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = put_account_change(s, state, &changes[i], &keys[at], why);
        at += 1 + changes[i].slot_count;
    }
    free(job);
    free(keys);
    return r;
}

int trie_store_put_block(struct trie_store *s, struct state_root *state,
                         const struct state_account_change *changes, size_t count,
                         struct error *why) {
    const struct state_store_sink sink = {put_node, s};
    int r = put_flat(s, state, changes, count, why);
    if (r == 0) r = state_root_store(state, &sink, why);
    if (r != 0) trie_store_abort(s);
    return r;
}
