/* Proofs as eth_getProof writes them, and made from a state.
 * SPDX-License-Identifier: MIT */
#include "eth/loose_number.h"
#include "trie/proof.h"
#include "trie/state_root.h"

static int number(struct u256 *ret, const struct json *in, const char *key, struct error *why) {
    int r = loose_number_json(ret, json_get(in, key), why);
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

static int decode_nodes(struct proof *ret, const struct json *in, const char *key, struct arena *a,
                        struct error *why) {
    const struct json *list = json_get(in, key);
    int r = json_expect(list, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "%s", key);
    if (json_count(list) > PROOF_NODES_MAX) {
        return json_error(why, ERR_LIMIT, list, "%s: more nodes than a key has nibbles", key);
    }
    struct bytes *nodes = arena_new_array(a, struct bytes, json_count(list));
    if (!nodes) return json_error(why, ERR_LIMIT, list, "%s does not fit its memory limit", key);
    size_t n = 0;
    json_each(node, list) {
        r = json_data(&nodes[n++], node, a, why);
        if (r != 0) return error_wrap(why, "%s", key);
    }
    *ret = (struct proof){nodes, n};
    return 0;
}

static int decode_slots(struct account_proof *p, const struct json *list, struct arena *a,
                        struct error *why) {
    int r = json_expect(list, JSON_ARRAY, why);
    if (r != 0) return r;
    if (json_count(list) > PROOF_SLOTS_MAX) return json_error(why, ERR_LIMIT, list, "too many");
    struct proof_slot *slots = arena_new_array(a, struct proof_slot, json_count(list));
    if (!slots) return json_error(why, ERR_LIMIT, list, "do not fit their memory limit");
    p->slots = slots;
    json_each(slot, list) {
        struct proof_slot *to = &slots[p->slot_count++];
        struct u256 key = U256_ZERO;
        r = json_expect(slot, JSON_OBJECT, why);
        if (r == 0) r = number(&key, slot, "key", why);
        if (r == 0) r = number(&to->value, slot, "value", why);
        if (r == 0) r = decode_nodes(&to->proof, slot, "proof", a, why);
        if (r != 0) return r;
        u256_store_be(to->key.b, key);
    }
    return 0;
}

int account_proof_decode(struct account_proof *ret, const struct json *in, struct arena *a,
                         struct error *why) {
    struct account_proof p = {.slot_count = 0};
    struct u256 nonce = U256_ZERO;
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_address(&p.address, in, "address", why);
    if (r == 0) r = number(&nonce, in, "nonce", why);
    if (r == 0 && !u256_fits_u64(nonce)) {
        r = json_error(why, ERR_RANGE, json_get(in, "nonce"), "nonce: too large");
    }
    if (r == 0) r = number(&p.account.balance, in, "balance", why);
    if (r == 0) r = json_get_hash(&p.account.storage_root, in, "storageHash", why);
    if (r == 0) r = json_get_hash(&p.account.code_hash, in, "codeHash", why);
    if (r == 0) r = decode_nodes(&p.proof, in, "accountProof", a, why);
    if (r == 0) {
        r = decode_slots(&p, json_get(in, "storageProof"), a, why);
        if (r != 0) return error_wrap(why, "storageProof");
    }
    p.account.nonce = nonce.w[0];
    if (r == 0) *ret = p;
    return r;
}

static void encode_nodes(struct json_writer *w, const char *key, const struct proof *proof) {
    json_begin_array(w, key);
    for (size_t i = 0; i < proof->count; i++) {
        json_add_data(w, NULL, proof->nodes[i]);
    }
    json_end(w);
}

void account_proof_encode(struct json_writer *w, const char *key, const struct account_proof *p) {
    json_begin_object(w, key);
    json_add_data(w, "address", BYTES_OF(p->address));
    json_add_quantity256(w, "balance", p->account.balance);
    json_add_data(w, "codeHash", BYTES_OF(p->account.code_hash));
    json_add_quantity(w, "nonce", p->account.nonce);
    json_add_data(w, "storageHash", BYTES_OF(p->account.storage_root));
    encode_nodes(w, "accountProof", &p->proof);
    json_begin_array(w, "storageProof");
    for (size_t i = 0; i < p->slot_count; i++) {
        json_begin_object(w, NULL);
        json_add_data(w, "key", BYTES_OF(p->slots[i].key));
        json_add_quantity256(w, "value", p->slots[i].value);
        encode_nodes(w, "proof", &p->slots[i].proof);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

/* Nodes on their way into an arena. */
struct collected {
    struct arena *a;
    struct bytes node[2][PROOF_NODES_MAX];
    size_t count[2]; /* of the account, of the slot */
    bool failed;
};

static void collect(struct collected *c, unsigned which, struct bytes node) {
    struct bytes copy = arena_copy(c->a, node);
    if (!copy.p || c->count[which] == PROOF_NODES_MAX) {
        c->failed = true;
    } else {
        c->node[which][c->count[which]++] = copy;
    }
}

static void collect_account(void *arg, struct bytes node) {
    collect(arg, 0, node);
}

static void collect_storage(void *arg, struct bytes node) {
    collect(arg, 1, node);
}

static int keep(struct proof *ret, struct collected *c, unsigned which, struct error *why) {
    struct bytes *nodes = arena_new_array(c->a, struct bytes, c->count[which]);
    if (!nodes || c->failed) return error_set(why, ERR_LIMIT, "a proof does not fit its memory");
    memcpy(nodes, c->node[which], c->count[which] * sizeof *nodes);
    *ret = (struct proof){nodes, c->count[which]};
    return 0;
}

int account_proof_make(struct account_proof *ret, struct state_root *s,
                       const struct address *address, const struct hash *slots, size_t slot_count,
                       struct arena *a, struct error *why) {
    struct account_proof p = {.address = *address, .slot_count = slot_count};
    struct proof_slot *to = arena_new_array(a, struct proof_slot, slot_count);
    if (!to) return error_set(why, ERR_LIMIT, "a proof does not fit its memory");
    p.slots = to;
    for (size_t i = 0; i == 0 || i < slot_count; i++) {
        struct collected c = {.a = a};
        const struct state_proof_sink sink = {collect_account, collect_storage, &c};
        struct u256 value;
        bool exists;
        struct arena_mark mark = arena_mark(a);
        int r = state_root_prove(s, address, slot_count ? &slots[i] : NULL, &exists, &p.account,
                                 &value, &sink, why);
        if (r == 0 && i == 0) r = keep(&p.proof, &c, 0, why);
        if (r == 0 && slot_count) {
            to[i].key = slots[i];
            to[i].value = value;
            r = keep(&to[i].proof, &c, 1, why);
        }
        if (r != 0) {
            arena_rewind(a, mark);
            return r;
        }
    }
    *ret = p;
    return 0;
}
