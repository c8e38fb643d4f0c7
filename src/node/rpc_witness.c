/* debug_executionWitness: all of a state that a block needs, for validation without a state.
 * Source: ethereum/execution-apis (ExecutionWitness). SPDX-License-Identifier: MIT */
#include "chain/state_changes.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define ANCESTORS_MAX 256u

/* A growing list of byte strings in an arena. */
struct pile {
    struct arena *a;
    struct bytes *items;
    size_t count, room;
    bool failed;
};

struct witness {
    struct node_call *c;
    struct rpc_machine *m;
    struct pile nodes, codes, keys;
    struct head_view_nodes view_nodes;
    struct state_node_source below; /* the view's nodes */
    uint64_t lowest;                /* block whose header is needed */
};

static void pile_add(struct pile *p, struct bytes in) {
    if (p->count == p->room) {
        size_t room = p->room ? 2 * p->room : 256;
        struct bytes *items = arena_new_array(p->a, struct bytes, room);
        if (items && p->count) memcpy(items, p->items, p->count * sizeof *items);
        p->failed |= !items;
        if (p->failed) return;
        p->items = items;
        p->room = room;
    }
    struct bytes copy = arena_copy(p->a, in);
    p->failed |= in.n && !copy.p;
    p->items[p->count++] = copy;
}

static int order(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* Sorted, and each once. */
static void put_pile(struct json_writer *w, const char *key, struct pile *p) {
    if (p->count) qsort(p->items, p->count, sizeof *p->items, order);
    json_begin_array(w, key);
    for (size_t i = 0; i < p->count; i++) {
        if (i && bytes_equal(p->items[i - 1], p->items[i])) continue;
        json_add_data(w, NULL, p->items[i]);
    }
    json_end(w);
}

/* ---- what is looked at ---- */

static int note_node(void *arg, const struct hash *owner, const struct trie_path *path,
                     const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    struct witness *x = arg;
    int r = x->below.get(x->below.arg, owner, path, ref, ret, why);
    if (r == 0) pile_add(&x->nodes, *ret);
    return r;
}

static int note_hash(void *arg, struct hash *ret, uint64_t number, struct error *why) {
    struct witness *x = arg;
    if (number < x->lowest) x->lowest = number;
    return head_view_block_hash(x->m->view, ret, number, why);
}

static void no_node(void *arg, struct bytes node) {
    (void)arg, (void)node; // the source has noted it
}

/* The way to an account, and to each of its slots that was read. */
static int walk_account(struct witness *x, struct state_root *root, const struct state_account *a,
                        struct error *why) {
    const struct state_proof_sink sink = {no_node, no_node, NULL};
    struct account account;
    struct u256 value;
    bool exists;
    int r = state_root_prove(root, &a->address, NULL, &exists, &account, &value, &sink, why);
    pile_add(&x->keys, BYTES_OF(a->address));
    for (uint32_t i = 0; a->slots.at && i <= a->slots.mask && r == 0; i++) {
        const struct state_slot *slot = a->slots.at[i];
        if (!slot || !slot->base_known) continue;
        struct hash key;
        u256_store_be(key.b, slot->key);
        pile_add(&x->keys, BYTES_OF(key));
        r = state_root_prove(root, &a->address, &key, &exists, &account, &value, &sink, why);
    }
    return r;
}

/* The code that an account had before, when somebody asked for its code. */
static int take_code(struct witness *x, const struct state_account *a, struct error *why) {
    const struct hash *hash = &a->base.code_hash;
    struct state *s = &x->m->state;
    if (!a->code || hash_equal(hash, &STATE_EMPTY_CODE_HASH)) return 0;
    const struct evm_code *code = evm_code_find(s->codes, hash);
    struct bytes bytes = code ? (struct bytes){code->bytes, code->size} : rpc_none();
    int r = code ? 0 : s->reader.code(s->reader.ctx, &bytes, hash, why);
    if (r == 0) pile_add(&x->codes, bytes);
    return r;
}

/* Walks to everything that the state has read, then computes the state root after the block, which
 * looks at what else stands where nodes fall together. */
static int walk(struct witness *x, const struct hash *root_before, struct error *why) {
    struct state *s = &x->m->state;
    struct state_root *root = NULL;
    struct state_changes changes;
    struct hash after;
    const struct state_root_options options = {.source = {.get = note_node, .arg = x}};
    x->below = head_view_source(&x->view_nodes, x->m->view);
    int r = state_root_create(&root, root_before, &options, why);
    for (uint32_t i = 0; i <= s->account_mask && r == 0; i++) {
        if (!s->accounts[i]) continue;
        if (rpc_stopped(x->m)) r = ERR_CANCELLED;
        if (r == 0) r = walk_account(x, root, s->accounts[i], why);
        if (r == 0) r = take_code(x, s->accounts[i], why);
    }
    if (r == 0) r = state_changes_of(&changes, s, x->c->a, why);
    if (r == 0) {
        r = state_root_compute(root, &after, changes.accounts, changes.count, NULL, NULL, NULL,
                               why);
    }
    state_root_free(root);
    return r;
}

/* ---- the method ---- */

static int run_block(struct witness *x, const struct head_block *b, struct error *why) {
    struct block_outcome outcome;
    struct block_env env = block_env_of(x->c->node->config, &b->block);
    env.block_hash = note_hash;
    env.block_hash_ctx = x;
    return block_run_all(&x->m->run, &x->m->state, &env, &b->block, b->senders, NULL, &outcome,
                         x->c->a, why);
}

static int put_headers(struct witness *x, const struct head_block *b, struct error *why) {
    struct json_writer *w = x->c->result;
    struct hash hashes[ANCESTORS_MAX];
    uint64_t parent = b->block.header.number - 1, count = parent - x->lowest + 1;
    struct hash hash = b->block.header.parent_hash;
    struct buf out;
    int r = 0;
    // Newest first up the parents, then written oldest first.
    for (uint64_t i = 0; i < count && r == 0; i++) {
        const struct head_block *ancestor;
        hashes[i] = hash;
        r = head_block_by_hash(x->c->node->head, &ancestor, &hash, why);
        if (r != 0) break;
        hash = ancestor->block.header.parent_hash;
        head_block_release(ancestor);
    }
    buf_init(&out, 0);
    json_begin_array(w, "headers");
    for (uint64_t i = count; i-- > 0 && r == 0;) {
        const struct head_block *ancestor;
        r = head_block_by_hash(x->c->node->head, &ancestor, &hashes[i], why);
        if (r != 0) break;
        buf_clear(&out);
        header_encode(&out, &ancestor->block.header);
        json_add_data(w, NULL, buf_view(&out));
        head_block_release(ancestor);
    }
    json_end(w);
    if (r == 0) r = buf_check(&out, why);
    buf_free(&out);
    return r;
}

static int put_witness(struct witness *x, const struct head_block *b, struct error *why) {
    if (x->nodes.failed || x->codes.failed || x->keys.failed) {
        return error_set(why, ERR_NO_MEMORY, "no memory for a witness");
    }
    json_begin_object(x->c->result, NULL);
    put_pile(x->c->result, "state", &x->nodes);
    put_pile(x->c->result, "codes", &x->codes);
    put_pile(x->c->result, "keys", &x->keys);
    int r = put_headers(x, b, why);
    json_end(x->c->result);
    return r;
}

static int make_witness(struct node_call *c, const struct head_block *b, struct error *why) {
    struct witness x = {.c = c, .nodes.a = c->a, .codes.a = c->a, .keys.a = c->a};
    struct error own = {.code = ERR_INTERNAL};
    const struct head_block *parent;
    x.lowest = b->block.header.number - 1;
    int r = head_block_by_hash(c->node->head, &parent, &b->block.header.parent_hash, why);
    if (r != 0) return r;
    struct hash root = parent->block.header.state_root;
    head_block_release(parent);
    r = rpc_machine_take(c, &x.m, &b->block.header.parent_hash, 0, why);
    if (r != 0) return r;
    r = run_block(&x, b, &own);
    if (r == 0) r = walk(&x, &root, &own);
    if (r == ERR_CANCELLED) {
        r = rpc_timed_out(c, why);
    } else if (r != 0) {
        *why = own;
        r = rpc_state_failed(c, why);
    } else {
        r = put_witness(&x, b, why);
    }
    rpc_machine_give(rpc_of(c), x.m);
    return r;
}

static int execution_witness(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_need_param_block(c, &b, 0, &p, why);
    if (r != 0) return r;
    if (p.kind == BLOCK_PARAM_PENDING) {
        r = node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "the pending block has no witness");
    } else if (b->block.header.number == c->node->genesis->header.number) {
        r = node_fail(c, why, RPC_ERROR_FAILED, rpc_none(),
                      "block 0x%llx found, but parent missing",
                      (unsigned long long)b->block.header.number);
    } else {
        r = make_witness(c, b, why);
    }
    head_block_release(b);
    return r;
}

static const struct node_method methods[] = {
    {"debug_executionWitness", execution_witness, NODE_USER},
};
RPC_TABLE(rpc_witness_table, methods);
