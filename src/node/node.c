/* Life of the node: what is opened in which order, and how the pool follows the head.
 * SPDX-License-Identifier: MIT */
#include "node/node.h"

#include "base/file.h"
#include "chain/head.h"
#include "chain/txpool.h"
#include "crypto/sender_cache.h"
#include "eth/fees.h"
#include "net/service.h"
#include "net/tls.h"
#include "node/chain_file.h"
#include "node/confine.h"
#include "node/dev.h"
#include "node/engine_api.h"
#include "node/follow.h"
#include "node/listeners.h"
#include "node/payload.h"
#include "node/rpc.h"
#include "node/slots.h"
#include "node/validate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS_WAITING 4096
#define ENGINE_WAITING 1024
#define SENDERS_CACHED (1u << 16)

/* The parts that only this file knows. */
struct program {
    struct node node;
    struct config *config; // NULL: there is nothing to read again
    struct genesis genesis;
    struct service *service;
    struct head_subscriber subscriber;
    bool subscribed;
    struct head_view *pool_view; // that the pool reads
    struct dev *dev;
    struct follow *follow;
    struct slots *slots;
    struct validate *validate;
};

// The pool follows the head

static void fill_pool_head(const struct node *n, const struct header *h, struct txpool_head *ret) {
    ret->number = h->number + 1;
    ret->timestamp = node_time_after(n, h);
    ret->gas_limit = h->gas_limit;
    ret->fork = chain_fork_at(n->config, ret->number, ret->timestamp, true);
    ret->base_fee = h->form >= HEADER_LONDON
                        ? base_fee_next(h->gas_limit, h->gas_used, h->base_fee, BASE_FEE_ELASTICITY,
                                        BASE_FEE_DENOMINATOR)
                        : u256_from_u64(ret->fork >= FORK_LONDON ? BASE_FEE_INITIAL : 0);
    const struct blob_params *blobs = chain_blobs_at(n->config, ret->timestamp);
    ret->blob_base_fee = U256_ZERO;
    if (blobs && ret->fork >= FORK_CANCUN) {
        uint64_t excess = excess_blob_gas_next(h->excess_blob_gas, h->blob_gas_used, h->base_fee,
                                               blobs, ret->fork >= FORK_OSAKA);
        ret->blob_base_fee = blob_base_fee(excess, blobs->update_fraction);
    }
}

// Transactions of blocks that are canonical no more.
static const struct tx **removed_txs(const struct head_event *event, size_t *ret_count) {
    size_t n = 0;
    for (size_t i = 0; i < event->removed_count; i++) {
        n += event->removed[i]->block.tx_count;
    }
    const struct tx **txs = n ? malloc(n * sizeof *txs) : NULL;
    *ret_count = 0;
    for (size_t i = event->removed_count; i-- > 0 && txs;) {
        const struct block *b = &event->removed[i]->block;
        for (size_t k = 0; k < b->tx_count; k++) {
            txs[(*ret_count)++] = &b->txs[k];
        }
    }
    return txs;
}

static int move_pool(struct program *p, const struct head_block *block, const struct tx **back,
                     size_t back_count, struct error *why) {
    struct node *n = &p->node;
    struct head_view *view, *old = p->pool_view;
    struct txpool_head head = {0};
    int r = head_view_open(n->head, &view, &block->hash, why);
    if (r != 0) return r;
    head.reader = head_view_reader(view);
    fill_pool_head(n, &block->block.header, &head);
    r = txpool_set_head(n->txpool, &head, back, back_count, why);
    p->pool_view = view;
    head_view_close(old);
    return r;
}

static void on_head(void *context, const struct head_event *event) {
    struct program *p = context;
    struct error why = {0};
    size_t count;
    const struct header *h = &event->head->block.header;
    if (event->added_count == 0 && event->removed_count == 0) return; // only marks moved
    const struct tx **back = removed_txs(event, &count);
    if (move_pool(p, event->head, back, count, &why) != 0) {
        log_error(p->node.log, "pool_behind", F_ERR(&why));
    }
    free((void *)back);
    log_info(p->node.log, "head", F_U64("number", h->number),
             F_HEX("hash", BYTES_OF(event->head->hash)), F_U64("txs", event->head->block.tx_count),
             F_U64("gas", h->gas_used), F_U64("added", event->added_count),
             F_U64("removed", event->removed_count));
}

// Opening

static int open_genesis(struct program *p, struct error *why) {
    const struct node_values *v = p->node.values;
    struct node *n = &p->node;
    int r = 0;
    if (v->genesis && *v->genesis) {
        r = genesis_read(&p->genesis, v->genesis, &n->memory, why);
    } else if (v->dev || v->slot_ns) {
        const struct json *doc;
        struct buf text;
        buf_init(&text, 0);
        r = genesis_write_dev(&text, (unsigned)v->dev_accounts, why);
        struct bytes kept = arena_copy(&n->memory, buf_view(&text));
        buf_free(&text);
        if (r == 0) r = json_parse(&doc, kept, &n->memory, NULL, why);
        if (r == 0) r = genesis_decode(&p->genesis, doc, &n->memory, why);
    } else {
        r = error_set(why, ERR_NOT_FOUND, "--genesis FILE is needed (or --dev, --slots)");
    }
    p->genesis.config.requests_optional = v->requests_optional;
    n->genesis = &p->genesis;
    n->config = &p->genesis.config;
    return r;
}

static int open_head(struct program *p, struct error *why) {
    struct node *n = &p->node;
    const struct node_values *v = n->values;
    const char *folder = v->data_folder && *v->data_folder ? v->data_folder : NULL;
    const struct head_options o = {.genesis = &p->genesis,
                                   .folder = folder,
                                   .threads = head_threads(v->threads),
                                   .senders = p->node.senders,
                                   .log = n->log,
                                   .clock = loop_clock(n->loop)};
    int r = head_open(&n->head, &o, why);
    if (r != 0) return r;
    const struct head_block *first = head_genesis(n->head), *latest = head_latest(n->head);
    n->genesis_hash = first->hash;
    p->genesis.header = first->block.header;
    p->genesis.header.extra_data = arena_copy(&n->memory, first->block.header.extra_data);
    log_info(n->log, "chain_open", F_U64("chain_id", n->config->chain_id),
             F_HEX("genesis", BYTES_OF(first->hash)), F_U64("head", latest->block.header.number),
             F_HEX("hash", BYTES_OF(latest->hash)));
    head_block_release(first);
    head_block_release(latest);
    return 0;
}

static int open_pool(struct program *p, struct error *why) {
    struct node *n = &p->node;
    const struct node_values *v = n->values;
    char journal[4096];
    bool keep = v->pool_journal && v->data_folder && *v->data_folder;
    (void)snprintf(journal, sizeof journal, "%s/transactions.journal", keep ? v->data_folder : "");
    const struct txpool_options o = {
        .config = n->config,
        .limits = {.pending = v->pool_pending,
                   .queued = v->pool_queued,
                   .pending_per_sender = v->pool_pending_per_sender,
                   .queued_per_sender = v->pool_queued_per_sender,
                   .bytes = v->pool_bytes,
                   .queued_s = v->pool_age_ns / NS_PER_S,
                   .price_min = u256_from_u64(v->pool_price_min)},
        .journal = keep ? arena_str(&n->memory, bytes_from_str(journal)) : NULL,
        .clock = loop_clock(n->loop),
        .log = n->log,
        .metrics = n->metrics,
        .senders = p->node.senders};
    int r = txpool_open(&n->txpool, &o, why);
    if (r != 0) return r;
    const struct head_block *latest = head_latest(n->head);
    r = move_pool(p, latest, NULL, 0, why);
    head_block_release(latest);
    if (r == 0) r = txpool_load_journal(n->txpool, why);
    p->subscriber = (struct head_subscriber){.changed = on_head, .arg = p};
    head_subscribe(n->head, &p->subscriber);
    p->subscribed = true;
    return r;
}

// SIGHUP: the log's settings count at once, the others with the next start.
static int reload(void *context, struct error *why) {
    struct program *p = context;
    struct node_values fresh = {0};
    return p->config ? common_reload(p->config, &fresh, &fresh.log, p->node.log, why) : 0;
}

static int is_ready(void *context, struct error *why) {
    const struct program *p = context;
    const char *folder = p->node.values->data_folder;
    int r = p->node.head ? head_health(p->node.head, why) : 0;
    return r == 0 && folder && *folder ? file_check_room(folder, NODE_ROOM_MIN, why) : r;
}

static int open_loop(struct program *p, struct error *why) {
    struct node *n = &p->node;
    int r = loop_new(&n->loop, &(struct loop_options){.post_capacity = 65536}, why);
    if (r == 0) r = metrics_new(&n->metrics, NULL, why);
    if (r != 0) return r;
    metrics_add_process(n->metrics);
    const struct service_options o = {.name = "node",
                                      .log = n->log,
                                      .metrics = n->metrics,
                                      .ready = is_ready,
                                      .reload = reload,
                                      .context = p};
    return service_new(&p->service, n->loop, &o, why);
}

static int open_chain(struct program *p, struct error *why) {
    struct node *n = &p->node;
    int r = sender_cache_new(&p->node.senders, SENDERS_CACHED, why);
    if (r == 0) r = open_genesis(p, why);
    if (r == 0) r = open_head(p, why);
    if (r == 0) r = open_pool(p, why);
    return r == 0 ? payloads_open(&n->payloads, n, why) : r;
}

static bool needs_tls(const struct node_values *v) {
    bool needs = v->follow && strncmp(v->follow, "wss:", 4) == 0;
    for (size_t i = 0; i < v->relays.count; i++) {
        needs = needs || strncmp(v->relays.items[i], "https:", 6) == 0;
    }
    return needs;
}

// Everything but what begins by itself: listeners for users, blocks.
static int open_parts(struct program *p, struct error *why) {
    struct node *n = &p->node;
    int r = open_loop(p, why);
    if (r == 0 && needs_tls(n->values)) r = tls_new_roots(&n->tls, n->values->ca_file, why);
    if (r == 0) r = open_chain(p, why);
    if (r == 0) r = pool_start(&n->workers, (unsigned)n->values->workers, WORKERS_WAITING, why);
    if (r == 0) r = pool_start(&n->engine, 1, ENGINE_WAITING, why);
    if (r == 0) r = node_listeners_open(&n->listeners, n, p->service, why);
    if (r == 0) r = engine_api_open(n, why);
    if (r == 0) r = rpc_open(&n->rpc, n, why);
    if (r == 0) r = validate_open(&p->validate, n, why);
    if (r == 0 && n->values->slot_ns) {
        r = slots_open(&p->slots, n, why);
    } else if (r == 0 && n->values->dev) {
        r = dev_open(&p->dev, n, why);
    }
    return r;
}

static int start(struct program *p, struct error *why) {
    int r = node_listeners_start(p->node.listeners, p->service, why);
    const char *follow = p->node.values->follow;
    if (r == 0 && follow && *follow) r = follow_open(&p->follow, &p->node, why);
    if (r == 0 && p->slots) r = slots_start(p->slots, why);
    return r == 0 && p->dev ? dev_start(p->dev, why) : r;
}

static void close_all(struct program *p) {
    struct node *n = &p->node;
    follow_close(p->follow);
    dev_close(p->dev);
    slots_close(p->slots);
    pool_stop(n->engine);
    pool_stop(n->workers);
    rpc_close(n->rpc);
    validate_close(p->validate);
    node_listeners_close(n->listeners);
    payloads_close(n->payloads);
    if (p->subscribed) head_unsubscribe(n->head, &p->subscriber);
    txpool_close(n->txpool);
    head_view_close(p->pool_view);
    head_close(n->head);
    sender_cache_free(p->node.senders);
    service_free(p->service);
    metrics_free(n->metrics);
    tls_free(n->tls);
    loop_free(n->loop);
    map_free(&n->methods);
    arena_free(&n->memory);
}

static struct program *program_of(struct node *n) {
    return (struct program *)((char *)n - offsetof(struct program, node));
}

int node_open(struct node **ret, const struct node_values *values, struct log *log,
              struct error *why) {
    struct program *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a node");
    p->node.values = values;
    p->node.log = log;
    map_init(&p->node.methods, 0);
    arena_init(&p->node.memory, 0);
    int r = open_parts(p, why);
    if (r != 0) {
        node_close(&p->node);
        return r;
    }
    *ret = &p->node;
    return 0;
}

void node_close(struct node *n) {
    if (!n) return;
    struct program *p = program_of(n);
    close_all(p);
    free(p);
}

int node_serve(struct config *config, const struct node_values *values) {
    struct log *log = NULL;
    struct node *n = NULL;
    struct error why = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    int r = common_log_open(&log, &values->log, "node", &why);
    if (r != 0) (void)fprintf(stderr, "buildernet node: %s\n", why.text);
    if (r == 0) r = node_confine(values, config_file(config), log, &why);
    if (r == 0) r = node_open(&n, values, log, &why);
    if (r == 0) program_of(n)->config = config;
    if (r == 0) r = start(program_of(n), &why);
    if (r == 0 && values->dev) dev_announce((unsigned)values->dev_accounts);
    if (r == 0) r = service_run(program_of(n)->service, &why);
    if (r != 0) log_error(log, "failed", F_ERR(&why));
    node_close(n);
    log_close(log);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
