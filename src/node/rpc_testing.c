/* SPDX-License-Identifier: MIT */
#include "node/rpc_testing.h"

#include "crypto/ecdsa.h"
#include "eth/fees.h"
#include "node/rpc_internal.h"

#include <string.h>

static const char *api_names[] = {"eth",   "net",       "web3", "txpool",
                                  "debug", "flashbots", "mev",  "rpc"};

/* Connections are the listeners' matter: here what is sent to them is kept. The fixture stands
 * around its node. */
static struct rpc_fixture *fixture_of(struct node *n) {
    return (struct rpc_fixture *)((char *)n - offsetof(struct rpc_fixture, node));
}

void node_notify(struct node *n, uint64_t peer, struct bytes message) {
    struct buf *to = &fixture_of(n)->notified;
    buf_printf(to, "%llu:", (unsigned long long)peer);
    buf_append(to, message);
    buf_append_byte(to, '\n');
}

int node_on_peer_gone(struct node *n, void (*gone)(void *context, uint64_t peer), void *context,
                      struct error *why) {
    (void)why;
    fixture_of(n)->on_gone = gone;
    fixture_of(n)->on_gone_context = context;
    return 0;
}

/* The pool judges against the state after the head, in the block that comes next. */
static int follow(struct rpc_fixture *f, struct error *why) {
    const struct head_block *b = head_latest(f->head);
    struct head_view *view;
    struct header next;
    rpc_header_after(&next, f->node.config, &b->block.header, &b->hash,
                     b->block.header.timestamp + 12);
    int r = head_view_open(f->head, &view, &b->hash, why);
    head_block_release(b);
    if (r != 0) return r;
    const struct txpool_head head = {
        .reader = head_view_reader(view),
        .number = next.number,
        .timestamp = next.timestamp,
        .gas_limit = next.gas_limit,
        .base_fee = next.base_fee,
        .blob_base_fee = rpc_blob_base_fee(f->node.config, &next),
        .fork = chain_fork_at(f->node.config, next.number, next.timestamp, true),
    };
    r = txpool_set_head(f->txpool, &head, NULL, 0, why);
    head_view_close(f->view);
    f->view = view;
    return r;
}

int rpc_fixture_open(struct rpc_fixture *f, enum fork fork, struct error *why) {
    memset(f, 0, sizeof *f);
    int r = play_init(&f->play, 7, fork, why);
    return r == 0 ? rpc_fixture_start(f, why) : r;
}

int rpc_fixture_start(struct rpc_fixture *f, struct error *why) {
    arena_init(&f->arena, 0);
    arena_init(&f->node.memory, 0);
    map_init(&f->node.methods, 0);
    f->values = (struct node_values){
        .apis = {api_names, sizeof api_names / sizeof *api_names},
        .answer_bytes = 64u << 20,
        .batch = 100,
        .call_gas = 50000000,
        .call_ns = 5 * NS_PER_S,
        .log_blocks = 1000,
        .log_results = 10000,
        .extra_data = "",
    };
    const struct head_options options = {.genesis = &f->play.genesis, .threads = 1};
    int r = head_open(&f->head, &options, why);
    if (r == 0) r = producer_new(&f->producer, f->head, NULL, why);
    const struct txpool_options pool = {.config = &f->play.genesis.config,
                                        .limits = {.price_min = u256_from_u64(1)}};
    if (r == 0) r = txpool_open(&f->txpool, &pool, why);
    if (r == 0) r = pool_start(&f->node.workers, 1, 1024, why);
    clock_fake_init(&f->clock, 0);
    const struct loop_options loop = {.clock = &f->clock.clock};
    if (r == 0) r = loop_new(&f->node.loop, &loop, why);
    if (r != 0) return r;
    const struct head_block *genesis = head_genesis(f->head);
    f->node.values = &f->values;
    f->node.genesis = &f->play.genesis;
    f->node.config = &f->play.genesis.config;
    f->node.genesis_hash = genesis->hash;
    f->node.head = f->head;
    f->node.txpool = f->txpool;
    head_block_release(genesis);
    r = rpc_open(&f->node.rpc, &f->node, why);
    return r == 0 ? follow(f, why) : r;
}

void rpc_fixture_close(struct rpc_fixture *f) {
    rpc_close(f->node.rpc);
    pool_stop(f->node.workers);
    if (f->node.loop) loop_free(f->node.loop);
    txpool_close(f->txpool);
    head_view_close(f->view);
    producer_free(f->producer);
    head_close(f->head);
    play_free(&f->play);
    map_free(&f->node.methods);
    arena_free(&f->node.memory);
    arena_free(&f->arena);
    buf_free(&f->notified);
}

static int take(struct rpc_fixture *f, const struct produced *made, struct error *why) {
    struct head_verdict v;
    int r = head_import(f->head, &v, made->rlp, why);
    if (r == 0 && v.status != HEAD_VALID && v.status != HEAD_KNOWN) {
        r = error_set(why, ERR_INVALID, "%s", v.reason.text);
    }
    if (r == 0) r = head_set(f->head, &made->hash, NULL, NULL, why);
    return r == 0 ? follow(f, why) : r;
}

int rpc_fixture_extend(struct rpc_fixture *f, size_t txs, struct error *why) {
    struct produced made;
    const struct head_block *parent = head_latest(f->head);
    int r = play_block(&f->play, f->producer, &parent->hash, txs, 0, &made, &f->arena, why);
    head_block_release(parent);
    return r == 0 ? take(f, &made, why) : r;
}

int rpc_fixture_mine(struct rpc_fixture *f, struct error *why) {
    struct txpool_list offered;
    struct produced made;
    const struct tx *txs[256];
    size_t n = 0;
    const struct head_block *parent = head_latest(f->head);
    struct produce_attributes attributes = {
        .timestamp = parent->block.header.timestamp + 12,
        .fee_recipient = parent->block.header.coinbase,
    };
    int r = producer_begin(f->producer, &parent->hash, &attributes, why);
    head_block_release(parent);
    if (r != 0) return r;
    r = txpool_pending(f->txpool, producer_header(f->producer)->base_fee, &offered, why);
    if (r != 0) return r;
    for (size_t i = 0; r == 0 && i < offered.count && n < 256; i++) {
        struct transact_result result;
        r = block_run_tx(producer_run(f->producer), &offered.items[i]->tx,
                         &offered.items[i]->sender, &result, why);
        if (r == 0 && result.fault == TRANSACT_VALID) txs[n++] = &offered.items[i]->tx;
    }
    if (r == 0) r = producer_seal(f->producer, &made, txs, n, &f->arena, why);
    txpool_list_free(&offered);
    return r == 0 ? take(f, &made, why) : r;
}

int rpc_fixture_send(struct rpc_fixture *f, unsigned sender, struct tx *t, struct error *why) {
    int r = txpool_nonce(f->txpool, &f->play.senders[sender], &t->nonce, why);
    t->chain_id = f->node.config->chain_id;
    t->protected = true;
    if (r == 0) r = tx_sign(t, f->play.signer, &f->play.keys[sender], &f->arena, why);
    struct hash hash;
    return r == 0 ? txpool_add(f->txpool, t->raw, true, &hash, why) : r;
}

struct bytes rpc_fixture_ask(struct rpc_fixture *f, struct bytes message) {
    struct node_message m = {.body = message, .where = NODE_USER, .peer = f->peer};
    void (*then)(void *) = NULL;
    void *then_arg = NULL;
    struct arena a;
    struct buf out;
    arena_init(&a, 1u << 30);
    buf_init(&out, 0);
    node_answer(&f->node, &m, &a, &out, &then, &then_arg);
    if (then) then(then_arg);
    struct bytes copy = arena_copy(&f->arena, buf_view(&out));
    buf_free(&out);
    arena_free(&a);
    return copy;
}
