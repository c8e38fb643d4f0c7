/* Accounts, storage, code and proofs. SPDX-License-Identifier: MIT */
#include "node/rpc_internal.h"

#define PROOF_SLOTS_ASKED_MAX 1024 // slots of one eth_getProof

/* The state that parameter i names, and the address of parameter 0. */
static int open_at(struct node_call *c, struct head_view **ret, struct address *ret_address,
                   size_t i, struct block_param *ret_param, struct error *why) {
    const struct head_block *b;
    int r = rpc_param_address(c, ret_address, 0, why);
    if (r == 0) r = rpc_need_param_block(c, &b, i, ret_param, why);
    if (r != 0) return r;
    r = rpc_need_view(c, ret, &b->hash, why);
    head_block_release(b);
    return r;
}

static int get_balance(struct node_call *c, struct error *why) {
    struct head_view *v;
    struct address a;
    struct state_base_account account;
    int r = open_at(c, &v, &a, 1, NULL, why);
    if (r != 0) return r;
    r = head_view_account(v, &account, &a, why);
    if (r == 0) json_add_quantity256(c->result, NULL, account.balance);
    head_view_close(v);
    return r == 0 ? 0 : rpc_state_failed(c, why);
}

static int get_nonce(struct node_call *c, struct error *why) {
    struct head_view *v;
    struct address a;
    struct block_param p;
    struct state_base_account account;
    int r = open_at(c, &v, &a, 1, &p, why);
    if (r != 0) return r;
    if (p.kind == BLOCK_PARAM_PENDING) {
        uint64_t nonce;
        head_view_close(v);
        r = txpool_nonce(c->node->txpool, &a, &nonce, why);
        if (r == 0) json_add_quantity(c->result, NULL, nonce);
        return r;
    }
    r = head_view_account(v, &account, &a, why);
    if (r == 0) json_add_quantity(c->result, NULL, account.nonce);
    head_view_close(v);
    return r == 0 ? 0 : rpc_state_failed(c, why);
}

static int get_code(struct node_call *c, struct error *why) {
    struct head_view *v;
    struct address a;
    struct bytes code;
    int r = open_at(c, &v, &a, 1, NULL, why);
    if (r != 0) return r;
    r = head_view_code(v, &code, &a, why);
    if (r == 0) json_add_data(c->result, NULL, code);
    head_view_close(v);
    return r == 0 ? 0 : rpc_state_failed(c, why);
}

static int storage_key(struct node_call *c, struct hash *ret, const struct json *in,
                       struct error *why) {
    if (storage_key_decode(ret, in, why) == 0) return 0;
    error_wrap(why, "unable to decode storage key");
    return node_bad_params(c, why);
}

static int get_storage(struct node_call *c, struct error *why) {
    struct head_view *v;
    struct address a;
    struct hash slot, word;
    struct u256 value;
    int r = storage_key(c, &slot, node_param(c, 1), why);
    if (r == 0) r = open_at(c, &v, &a, 2, NULL, why);
    if (r != 0) return r;
    struct u256 key = u256_load_be(slot.b);
    r = head_view_slot(v, &value, &a, &key, why);
    if (r == 0) {
        u256_store_be(word.b, value);
        json_add_data(c->result, NULL, BYTES_OF(word));
    }
    head_view_close(v);
    return r == 0 ? 0 : rpc_state_failed(c, why);
}

/* Slot keys of parameter i: an array, or nothing. */
static int proof_keys(struct node_call *c, struct hash **ret, size_t *ret_count, size_t i,
                      struct error *why) {
    const struct json *list = node_param(c, i);
    *ret_count = 0;
    if (list && json_type_of(list) != JSON_ARRAY) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "invalid argument %zu: an array of storage keys is needed", i);
    }
    if (json_count(list) > PROOF_SLOTS_ASKED_MAX) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "too many keys (max %d)",
                         PROOF_SLOTS_ASKED_MAX);
    }
    *ret = arena_new_array(c->a, struct hash, json_count(list));
    if (!*ret) return error_set(why, ERR_NO_MEMORY, "no memory for storage keys");
    json_each(item, list) {
        int r = storage_key(c, &(*ret)[(*ret_count)++], item, why);
        if (r != 0) return r;
    }
    return 0;
}

static void put_nodes(struct json_writer *w, const char *key, const struct proof *p) {
    json_begin_array(w, key);
    for (size_t i = 0; i < p->count; i++) {
        json_add_data(w, NULL, p->nodes[i]);
    }
    json_end(w);
}

/* Keys are given back in the form that they came in: as a hash, or as a number. */
static void put_proof(struct json_writer *w, const struct account_proof *p,
                      const struct json *keys) {
    json_begin_object(w, NULL);
    json_add_data(w, "address", BYTES_OF(p->address));
    put_nodes(w, "accountProof", &p->proof);
    json_add_quantity256(w, "balance", p->account.balance);
    json_add_data(w, "codeHash", BYTES_OF(p->account.code_hash));
    json_add_quantity(w, "nonce", p->account.nonce);
    json_add_data(w, "storageHash", BYTES_OF(p->account.storage_root));
    json_begin_array(w, "storageProof");
    size_t i = 0;
    json_each(key, keys) {
        const struct proof_slot *s = &p->slots[i++];
        json_begin_object(w, NULL);
        if (json_text(key).n == 66) {
            json_add_data(w, "key", BYTES_OF(s->key));
        } else {
            json_add_quantity256(w, "key", u256_load_be(s->key.b));
        }
        json_add_quantity256(w, "value", s->value);
        put_nodes(w, "proof", &s->proof);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

static int get_proof(struct node_call *c, struct error *why) {
    struct head_view *v;
    struct address a;
    struct hash *keys;
    size_t count;
    struct account_proof proof;
    int r = proof_keys(c, &keys, &count, 1, why);
    if (r == 0) r = open_at(c, &v, &a, 2, NULL, why);
    if (r != 0) return r;
    r = head_view_prove(v, &proof, &a, keys, count, c->a, why);
    if (r == 0) put_proof(c->result, &proof, node_param(c, 1));
    head_view_close(v);
    return r == 0 ? 0 : rpc_state_failed(c, why);
}

/* eth_getStorageValues: {address: [slot, ...]} at a block, many slots in one call. */
static int get_storage_values(struct node_call *c, struct error *why) {
    const struct json *asked = json_as_object(node_param(c, 0));
    const struct head_block *b;
    struct head_view *v;
    size_t total = 0;
    if (json_count(asked) == 0) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "empty request");
    }
    int r = rpc_need_param_block(c, &b, 1, NULL, why);
    if (r != 0) return r;
    r = rpc_need_view(c, &v, &b->hash, why);
    head_block_release(b);
    if (r != 0) return r;
    json_begin_object(c->result, NULL);
    json_members(name, slots, asked) {
        struct address a;
        if (r == 0 && json_address(&a, name, why) != 0) r = node_bad_params(c, why);
        if (r == 0 && (total += json_count(slots)) > PROOF_SLOTS_ASKED_MAX) {
            r = node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "too many slots (max %d)",
                          PROOF_SLOTS_ASKED_MAX);
        }
        if (r != 0) break;
        json_add_key(c->result, json_text(name));
        json_begin_array(c->result, NULL);
        json_each(slot, slots) {
            struct hash key, word;
            struct u256 value;
            r = storage_key(c, &key, slot, why);
            if (r != 0) break;
            struct u256 number = u256_load_be(key.b);
            r = head_view_slot(v, &value, &a, &number, why);
            if (r != 0) r = rpc_state_failed(c, why);
            if (r != 0) break;
            u256_store_be(word.b, value);
            json_add_data(c->result, NULL, BYTES_OF(word));
        }
        json_end(c->result);
        if (r != 0) break;
    }
    json_end(c->result);
    head_view_close(v);
    return r;
}

static int block_number(struct node_call *c, struct error *why) {
    (void)why;
    const struct head_block *b = head_latest(c->node->head);
    json_add_quantity(c->result, NULL, b->block.header.number);
    head_block_release(b);
    return 0;
}

static const struct node_method methods[] = {
    {"eth_blockNumber", block_number, NODE_USER | NODE_ENGINE | NODE_QUICK},
    {"eth_getBalance", get_balance, NODE_USER},
    {"eth_getTransactionCount", get_nonce, NODE_USER},
    {"eth_getCode", get_code, NODE_USER | NODE_ENGINE},
    {"eth_getStorageAt", get_storage, NODE_USER},
    {"eth_getStorageValues", get_storage_values, NODE_USER},
    {"eth_getProof", get_proof, NODE_USER},
};
RPC_TABLE(rpc_state_table, methods);
