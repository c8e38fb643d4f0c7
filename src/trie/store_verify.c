/* The root of what is stored flat. SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "base/hex.h"
#include "eth/rlp.h"
#include "trie/store_backend.h"
#include "trie/trie_plain.h"

struct pairs {
    struct arena *memory;
    struct trie_pair *at;
    size_t n, room;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory to hash a whole state");
}

static int add(struct pairs *p, struct bytes key, struct bytes value, struct error *why) {
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        struct trie_pair *more = arena_new_array(p->memory, struct trie_pair, room);
        if (!more) return no_memory(why);
        if (p->n) memcpy(more, p->at, p->n * sizeof *more);
        p->at = more;
        p->room = room;
    }
    p->at[p->n] = (struct trie_pair){arena_copy(p->memory, key), arena_copy(p->memory, value)};
    if (!p->at[p->n].key.p || !p->at[p->n].value.p) return no_memory(why);
    p->n++;
    return 0;
}

static int wrong_key(struct error *why) {
    return error_set(why, ERR_INVALID, "a key is not of its table's length");
}

static int visit_account(void *arg, struct bytes key, struct bytes value, struct error *why) {
    return key.n == 32 ? add(arg, key, value, why) : wrong_key(why);
}

static int visit_slot(void *arg, struct bytes key, struct bytes value, struct error *why) {
    struct buf rlp;
    if (key.n != 64) return wrong_key(why);
    buf_init(&rlp, 0);
    rlp_put_string(&rlp, value);
    int r = buf_check(&rlp, why);
    if (r == 0) r = add(arg, bytes_slice(key, 32, SIZE_MAX), buf_view(&rlp), why);
    buf_free(&rlp);
    return r;
}

static int check_storage(struct trie_store *s, const struct trie_pair *of, struct error *why) {
    struct arena memory;
    struct pairs slots = {.memory = &memory};
    const struct store_visitor visitor = {visit_slot, &slots};
    struct account account;
    struct hash root;
    arena_init(&memory, 0);
    int r = account_decode(&account, of->value, why);
    if (r == 0) r = s->backend->each(s, STORE_SLOTS, of->key, &visitor, why);
    if (r == 0) r = trie_plain_root(&root, slots.at, slots.n, false, why);
    arena_free(&memory);
    if (r != 0 || hash_equal(&root, &account.storage_root)) return r;
    char hex[65] = {0};
    hex_encode(hex, of->key);
    return error_set(why, ERR_INVALID, "the slots of account %s have another root", hex);
}

int trie_store_flat_root(struct trie_store *s, struct hash *ret, struct error *why) {
    struct arena memory;
    struct pairs accounts = {.memory = &memory};
    const struct store_visitor visitor = {visit_account, &accounts};
    arena_init(&memory, 0);
    int r = s->backend->each(s, STORE_ACCOUNTS, (struct bytes){0}, &visitor, why);
    for (size_t i = 0; r == 0 && i < accounts.n; i++) {
        r = check_storage(s, &accounts.at[i], why);
    }
    if (r == 0) r = trie_plain_root(ret, accounts.at, accounts.n, false, why);
    arena_free(&memory);
    return r;
}
