/* Filters that are polled: eth_newFilter and its like. What a filter has to tell is written as JSON
 * when it happens, so that a poll only copies. SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define FILTERS_MAX 4096u
#define FILTER_AGE_NS (300 * NS_PER_S) // without a poll
#define FILTER_BYTES_MAX (16u << 20)   // told and not fetched; more ends the filter
#define FILTERS_BYTES_MAX (256u << 20) // the same of all; more ends the one that has most
#define FILTER_MEMORY_MAX (256u << 10) // of its addresses and topics

enum filter_kind { FILTER_LOGS, FILTER_BLOCKS, FILTER_PENDING };

struct filter {
    enum filter_kind kind;
    uint64_t id;
    uint64_t polled_ns;
    bool full_txs; // FILTER_PENDING: objects, not hashes
    struct log_filter logs;
    struct log_filter_bits bits;
    struct arena memory;
    struct buf out; // JSON values joined by commas
};

struct rpc_filters {
    pthread_mutex_t lock;
    struct filter *filters[FILTERS_MAX]; // NULL: free
    unsigned count;
    size_t bytes; // of what all have to tell
};

static void filter_free(struct filter *f) {
    if (!f) return;
    arena_free(&f->memory);
    buf_free(&f->out);
    free(f);
}

int rpc_filters_open(struct rpc *r, struct error *why) {
    r->filters = calloc(1, sizeof *r->filters);
    if (!r->filters) return error_set(why, ERR_NO_MEMORY, "no memory for filters");
    pthread_mutex_init(&r->filters->lock, NULL);
    return 0;
}

void rpc_filters_close(struct rpc *r) {
    if (!r->filters) return;
    for (unsigned i = 0; i < FILTERS_MAX; i++) {
        filter_free(r->filters->filters[i]);
    }
    pthread_mutex_destroy(&r->filters->lock);
    free(r->filters);
    r->filters = NULL;
}

/* ---- what happens ---- */

/* A writer of array elements onto what is there already. */
static struct json_writer elements(struct filter *f) {
    struct json_writer w;
    json_writer_init(&w, &f->out, 0);
    w.depth = 1;
    w.is_array = 1;
    w.has_child = f->out.n ? 1 : 0;
    return w;
}

static bool in_range(const struct filter *f, uint64_t number) {
    const struct log_filter *l = &f->logs;
    if (l->has_block_hash) return false;
    if (l->from.kind == BLOCK_PARAM_NUMBER && l->has_from && number < l->from.number) return false;
    return !(l->to.kind == BLOCK_PARAM_NUMBER && l->has_to && number > l->to.number);
}

static void tell(struct filter *f, const struct rpc_event *e) {
    struct json_writer w = elements(f);
    uint64_t count = 0;
    if (f->kind == FILTER_PENDING && e->tx) {
        if (f->full_txs) {
            rpc_put_pool_tx(&w, NULL, e->tx);
        } else {
            json_add_data(&w, NULL, BYTES_OF(e->tx->tx.hash));
        }
    }
    for (size_t i = 0; i < e->removed_count && f->kind == FILTER_LOGS; i++) {
        const struct head_block *b = e->removed[i];
        if (!in_range(f, b->block.header.number)) continue;
        (void)rpc_block_logs(&w, b, &f->logs, &f->bits, true, &count, UINT64_MAX);
    }
    for (size_t i = 0; i < e->added_count; i++) {
        const struct head_block *b = e->added[i];
        if (f->kind == FILTER_BLOCKS) json_add_data(&w, NULL, BYTES_OF(b->hash));
        if (f->kind != FILTER_LOGS || !in_range(f, b->block.header.number)) continue;
        (void)rpc_block_logs(&w, b, &f->logs, &f->bits, false, &count, UINT64_MAX);
    }
}

/* Takes a filter out of the table; the caller frees it. */
static struct filter *take_out(struct rpc_filters *fs, unsigned at) {
    struct filter *f = fs->filters[at];
    fs->filters[at] = NULL;
    fs->count--;
    fs->bytes -= f->out.capacity;
    return f;
}

/* Ends the filters with most to tell, until all have room together. */
static void make_room(struct rpc_filters *fs) {
    while (fs->bytes > FILTERS_BYTES_MAX) {
        unsigned most = FILTERS_MAX;
        for (unsigned i = 0; i < FILTERS_MAX; i++) {
            const struct filter *f = fs->filters[i];
            if (!f) continue;
            if (most == FILTERS_MAX || f->out.capacity > fs->filters[most]->out.capacity) most = i;
        }
        filter_free(take_out(fs, most));
    }
}

static uint64_t now_ns(const struct rpc *r) {
    return clock_monotonic_ns(loop_clock(r->node->loop));
}

/* Ends those that nobody has polled for long; one may have been polled since `now`. With the lock
 * held. */
static void end_forgotten(struct rpc_filters *fs, uint64_t now) {
    for (unsigned i = 0; i < FILTERS_MAX && fs->count; i++) {
        const struct filter *f = fs->filters[i];
        if (f && f->polled_ns + FILTER_AGE_NS < now) filter_free(take_out(fs, i));
    }
}

void rpc_filters_take(struct rpc *r, const struct rpc_event *e) {
    struct rpc_filters *fs = r->filters;
    pthread_mutex_lock(&fs->lock);
    end_forgotten(fs, now_ns(r));
    for (unsigned i = 0; i < FILTERS_MAX && fs->count; i++) {
        struct filter *f = fs->filters[i];
        if (!f) continue;
        fs->bytes -= f->out.capacity;
        tell(f, e);
        fs->bytes += f->out.capacity;
        if (f->out.failed) filter_free(take_out(fs, i));
        make_room(fs); // one event told to all can be much
    }
    pthread_mutex_unlock(&fs->lock);
}

/* ---- methods ---- */

static int add(struct node_call *c, struct filter *f, struct error *why) {
    struct rpc_filters *fs = rpc_of(c)->filters;
    rpc_events_drain(rpc_of(c)); // it tells of what comes after it
    buf_init(&f->out, FILTER_BYTES_MAX);
    f->polled_ns = now_ns(rpc_of(c));
    f->id = (random_u64() >> 1) | 1;
    pthread_mutex_lock(&fs->lock);
    end_forgotten(fs, f->polled_ns);
    unsigned at = 0;
    while (at < FILTERS_MAX && fs->filters[at]) {
        at++;
    }
    if (at < FILTERS_MAX) {
        fs->filters[at] = f;
        fs->count++;
    }
    uint64_t id = f->id;
    pthread_mutex_unlock(&fs->lock);
    if (at == FILTERS_MAX) {
        filter_free(f);
        return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "too many filters");
    }
    json_add_quantity(c->result, NULL, id);
    return 0;
}

static struct filter *filter_new(enum filter_kind kind) {
    struct filter *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->kind = kind;
    arena_init(&f->memory, FILTER_MEMORY_MAX);
    return f;
}

static int new_log_filter(struct node_call *c, struct error *why) {
    struct filter *f = filter_new(FILTER_LOGS);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for a filter");
    struct log_filter decoded;
    int r = log_filter_decode(&decoded, node_param(c, 0), c->a, why);
    if (r == 0) r = log_filter_copy(&f->logs, &decoded, &f->memory, why);
    if (r != 0) {
        filter_free(f);
        return node_bad_params(c, why);
    }
    log_filter_bits_init(&f->bits, &f->logs);
    return add(c, f, why);
}

static int new_block_filter(struct node_call *c, struct error *why) {
    struct filter *f = filter_new(FILTER_BLOCKS);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for a filter");
    return add(c, f, why);
}

static int new_pending_filter(struct node_call *c, struct error *why) {
    bool full;
    int r = rpc_param_bool(c, &full, 0, false, why);
    if (r != 0) return r;
    struct filter *f = filter_new(FILTER_PENDING);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for a filter");
    f->full_txs = full;
    return add(c, f, why);
}

/* The filter of parameter 0, with the lock held; NULL (and no lock) when there is none. */
static struct filter *find(struct node_call *c, unsigned *ret_at, int *ret_code,
                           struct error *why) {
    struct rpc_filters *fs = rpc_of(c)->filters;
    uint64_t id;
    *ret_code = rpc_param_quantity(c, &id, 0, why);
    if (*ret_code != 0) return NULL;
    uint64_t now = now_ns(rpc_of(c));
    pthread_mutex_lock(&fs->lock);
    end_forgotten(fs, now);
    for (unsigned i = 0; i < FILTERS_MAX; i++) {
        if (!fs->filters[i] || fs->filters[i]->id != id) continue;
        fs->filters[i]->polled_ns = now;
        *ret_at = i;
        return fs->filters[i];
    }
    pthread_mutex_unlock(&fs->lock);
    return NULL;
}

static int not_found(struct node_call *c, struct error *why) {
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "filter not found");
}

static int uninstall(struct node_call *c, struct error *why) {
    struct rpc_filters *fs = rpc_of(c)->filters;
    unsigned at;
    int r;
    struct filter *f = find(c, &at, &r, why);
    if (r != 0) return r;
    if (f) {
        (void)take_out(fs, at);
        pthread_mutex_unlock(&fs->lock);
        filter_free(f);
    }
    json_add_bool(c->result, NULL, f != NULL);
    return 0;
}

static int changes(struct node_call *c, struct error *why) {
    unsigned at;
    int r;
    rpc_events_drain(rpc_of(c));
    struct filter *f = find(c, &at, &r, why);
    if (!f) return r != 0 ? r : not_found(c, why);
    json_begin_array(c->result, NULL);
    if (f->out.n) json_add_raw(c->result, NULL, buf_view(&f->out));
    json_end(c->result);
    rpc_of(c)->filters->bytes -= f->out.capacity;
    buf_free(&f->out); // forgets its memory too: most filters are polled often and have little
    buf_init(&f->out, FILTER_BYTES_MAX);
    pthread_mutex_unlock(&rpc_of(c)->filters->lock);
    return 0;
}

static int logs(struct node_call *c, struct error *why) {
    struct log_filter copy;
    unsigned at;
    int r;
    struct filter *f = find(c, &at, &r, why);
    if (!f) return r != 0 ? r : not_found(c, why);
    bool is_logs = f->kind == FILTER_LOGS;
    r = is_logs ? log_filter_copy(&copy, &f->logs, c->a, why) : 0;
    pthread_mutex_unlock(&rpc_of(c)->filters->lock);
    if (r != 0) return r;
    return is_logs ? rpc_get_logs(c, &copy, why) : not_found(c, why);
}

static const struct node_method methods[] = {
    {"eth_newFilter", new_log_filter, NODE_USER},
    {"eth_newBlockFilter", new_block_filter, NODE_USER},
    {"eth_newPendingTransactionFilter", new_pending_filter, NODE_USER},
    {"eth_getFilterChanges", changes, NODE_USER},
    {"eth_getFilterLogs", logs, NODE_USER},
    {"eth_uninstallFilter", uninstall, NODE_USER},
};
RPC_TABLE(rpc_filter_table, methods);
