/* SPDX-License-Identifier: MIT */
#include "trie/proof.h"

#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/trie_node.h"

/* A walk from the root towards a key. */
struct walk {
    const struct hash *key;
    const struct proof *proof; /* NULL: nodes come from the source */
    const struct proof_source *source;
    size_t used;           /* nodes of the proof */
    unsigned depth;        /* nibbles of key behind us */
    struct bytes next;     /* the reference to go on with; n = 0: nothing stands there */
    bool branch_must_come; /* an extension came last */
    struct bytes *ret;
    struct error *why;
};

static int wrong(const struct walk *w, const char *text) {
    return error_set(w->why, ERR_INVALID, "proof, depth %u: %s", w->depth, text);
}

// The items of a node; 17 or 2, more or fewer is none.
static int split(struct rlp_item item[17], unsigned *ret_count, struct bytes node,
                 const struct walk *w) {
    struct rlp_item list;
    int r = rlp_next(&list, &node, w->why);
    if (r != 0) return error_wrap(w->why, "proof, depth %u", w->depth);
    if (!list.is_list || node.n) return wrong(w, "a node is one list");
    unsigned n = 0;
    while (list.payload.n) {
        if (n == 17) return wrong(w, "a node with more than 17 items");
        r = rlp_next(&item[n++], &list.payload, w->why);
        if (r != 0) return error_wrap(w->why, "proof, depth %u", w->depth);
    }
    if (n != 2 && n != 17) return wrong(w, "a node has 2 or 17 items");
    *ret_count = n;
    return 0;
}

// A child as it stands in its parent: a hash (32 bytes without header), a short node, or nothing.
static int read_reference(struct bytes *ret, const struct rlp_item *item, const struct walk *w) {
    *ret = item->is_list ? item->encoding : item->payload;
    if (item->is_list ? ret->n < 32 : ret->n == 32 || ret->n == 0) return 0;
    return wrong(w, "a reference that is neither a hash nor a short node");
}

static int step_branch(struct walk *w, const struct rlp_item item[17]) {
    if (w->depth == TRIE_DEPTH_MAX) return wrong(w, "a branch below the end of the key");
    if (item[16].is_list || item[16].payload.n) return wrong(w, "a branch with a value");
    unsigned nibble = trie_nibble(w->key->b, w->depth), children = 0;
    for (unsigned i = 0; i < 16; i++) {
        struct bytes ref;
        int r = read_reference(&ref, &item[i], w);
        if (r != 0) return r;
        children += ref.n != 0;
        if (i == nibble) w->next = ref;
    }
    if (children < 2) return wrong(w, "a branch with fewer than two children");
    w->depth++;
    w->branch_must_come = false;
    return 0;
}

// Leaf or extension; *ret_end is set when the walk ends here.
static int step_path(struct walk *w, const struct rlp_item item[2], bool *ret_end) {
    struct bytes path = item[0].payload;
    if (item[0].is_list || path.n == 0 || path.p[0] >> 4 > 3 ||
        (!(path.p[0] & 0x10) && path.p[0] & 15)) {
        return wrong(w, "not a hex-prefix path");
    }
    bool odd = path.p[0] & 0x10, leaf = path.p[0] & 0x20, same = true;
    size_t count = 2 * (path.n - 1) + odd;
    if (w->branch_must_come) return wrong(w, "an extension that does not lead to a branch");
    size_t left = TRIE_DEPTH_MAX - w->depth;
    if (leaf ? count != left : count >= left) {
        return wrong(w, "a path that does not fit the key");
    }
    for (size_t i = 0; i < count && same; i++) {
        size_t at = odd ? i + 1 : i + 2;
        unsigned nibble = at % 2 ? path.p[at / 2] & 15u : path.p[at / 2] >> 4;
        same = nibble == trie_nibble(w->key->b, w->depth + (unsigned)i);
    }
    if (leaf) {
        if (item[1].is_list || item[1].payload.n == 0) return wrong(w, "a leaf without a value");
        if (same) *w->ret = item[1].payload;
        *ret_end = true;
        return 0;
    }
    if (count == 0) return wrong(w, "an extension without a path");
    int r = read_reference(&w->next, &item[1], w);
    if (r == 0 && w->next.n == 0) r = wrong(w, "an extension without a child");
    w->depth += (unsigned)count;
    w->branch_must_come = true;
    *ret_end = !same;
    return r;
}

// The node that the current reference names: the proof's next, or the reference itself.
static int fetch(struct bytes *ret, struct walk *w) {
    *ret = w->next;
    if (w->next.n != 32) return 0;
    if (w->source) {
        struct hash ref;
        memcpy(ref.b, w->next.p, 32);
        return w->source->get(w->source->arg, ret, &ref, w->depth, w->why);
    }
    if (w->used == w->proof->count) return wrong(w, "the next node is missing");
    *ret = w->proof->nodes[w->used++];
    if (ret->n > TRIE_NODE_MAX) {
        return error_set(w->why, ERR_LIMIT, "proof, depth %u: a node of %zu bytes", w->depth,
                         ret->n);
    }
    if (ret->n < 32 && w->used > 1) return wrong(w, "a short node stands in its parent");
    struct hash h = keccak256(*ret);
    if (memcmp(h.b, w->next.p, 32) != 0) return wrong(w, "a node that is not its reference's");
    return 0;
}

static int walk(struct walk *w) {
    for (bool end = false; w->next.n && !end;) {
        struct bytes node;
        struct rlp_item item[17];
        unsigned count = 0;
        int r = fetch(&node, w);
        if (r == 0) r = split(item, &count, node, w);
        if (r == 0) r = count == 17 ? step_branch(w, item) : step_path(w, item, &end);
        if (r != 0) return r;
    }
    return 0;
}

int proof_walk(struct bytes *ret, const struct hash *root, const struct hash *key,
               const struct proof_source *source, struct error *why) {
    struct bytes value = {NULL, 0};
    struct walk w = {
        .key = key, .source = source, .next = BYTES_OF(*root), .ret = &value, .why = why};
    if (hash_equal(root, &TRIE_EMPTY_ROOT)) w.next.n = 0;
    int r = walk(&w);
    if (r == 0) *ret = value;
    return r;
}

int proof_check(struct bytes *ret, const struct hash *root, const struct hash *key,
                const struct proof *proof, struct error *why) {
    struct bytes value = {NULL, 0};
    struct walk w = {
        .key = key, .proof = proof, .next = BYTES_OF(*root), .ret = &value, .why = why};
    if (hash_equal(root, &TRIE_EMPTY_ROOT)) {
        w.next.n = 0;
        if (proof->count == 1 && bytes_equal(proof->nodes[0], BYTES_LIT("\x80"))) w.used = 1;
    }
    int r = walk(&w);
    if (r != 0) return r;
    if (w.used != proof->count) return wrong(&w, "nodes are left over");
    *ret = value;
    return 0;
}

static int check_account(bool *ret_exists, const struct account_proof *p, const struct hash *root,
                         struct error *why) {
    static const struct hash zero;
    struct bytes value;
    struct hash key = keccak256(BYTES_OF(p->address));
    const struct account *said = &p->account;
    int r = proof_check(&value, root, &key, &p->proof, why);
    if (r != 0) return error_wrap(why, "account");
    *ret_exists = value.n != 0;
    if (!value.n) {
        bool empty = account_is_empty(&(struct account){said->nonce, said->balance, TRIE_EMPTY_ROOT,
                                                        ACCOUNT_EMPTY_CODE}) &&
                     (hash_equal(&said->code_hash, &zero) ||
                      hash_equal(&said->code_hash, &ACCOUNT_EMPTY_CODE)) &&
                     (hash_equal(&said->storage_root, &zero) ||
                      hash_equal(&said->storage_root, &TRIE_EMPTY_ROOT));
        if (empty) return 0;
        return error_set(why, ERR_INVALID, "the account is proved to be absent");
    }
    struct account got;
    r = account_decode(&got, value, why);
    if (r != 0) return r;
    if (got.nonce != said->nonce || !u256_equal(got.balance, said->balance) ||
        !hash_equal(&got.storage_root, &said->storage_root) ||
        !hash_equal(&got.code_hash, &said->code_hash)) {
        return error_set(why, ERR_INVALID, "the account is proved to be another");
    }
    return 0;
}

static int check_slot(const struct proof_slot *s, const struct hash *storage_root,
                      struct error *why) {
    struct bytes value;
    struct u256 got = U256_ZERO;
    struct hash key = keccak256(BYTES_OF(s->key));
    int r = proof_check(&value, storage_root, &key, &s->proof, why);
    if (r == 0 && value.n) {
        struct rlp_source source;
        struct rlp_reader reader = rlp_open(&source, value, why);
        got = rlp_u256(&reader, "slot value");
        r = rlp_finish(&reader, "slot value");
        if (r == 0 && u256_is_zero(got)) {
            r = error_set(why, ERR_INVALID, "a slot that holds zero has no place in a trie");
        }
    }
    if (r == 0 && !u256_equal(got, s->value)) {
        r = error_set(why, ERR_INVALID, "the slot is proved to hold another value");
    }
    return r;
}

int account_proof_check(bool *ret_exists, const struct account_proof *p, const struct hash *root,
                        struct error *why) {
    bool exists = false;
    int r = check_account(&exists, p, root, why);
    const struct hash *storage_root = exists ? &p->account.storage_root : &TRIE_EMPTY_ROOT;
    for (size_t i = 0; i < p->slot_count && r == 0; i++) {
        r = check_slot(&p->slots[i], storage_root, why);
        if (r != 0) return error_wrap(why, "slot %zu of the list", i);
    }
    if (r == 0 && ret_exists) *ret_exists = exists;
    return r;
}
