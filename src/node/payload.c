/* SPDX-License-Identifier: MIT */
#include "node/payload.h"

#include "base/hex.h"
#include "eth/rlp.h"
#include "node/node.h"

#include <stdlib.h>

#define FILL_NS_MAX                                                                                \
    (1 * NS_PER_S) /* of taking transactions: a payload must be there when asked                   \
                    */
#define IMPROVE_NS_MAX (12 * NS_PER_S) /* nobody asks for one any more */
#define PAUSES_A_SLOT 8u
#define GAS_LEAST 21000u
#define HEADER_GROWTH 64u // bytes: numbers that are 0 before the block is filled, the list's length

struct payload {
    struct engine_payload_id id;
    struct hash parent;
    struct engine_attributes attributes; // lists in `memory`
    struct arena memory;
    struct built *best; // NULL as long as there is none
    struct error failed;
    uint64_t began_ns, due_ns, version;
    bool used, done, busy;
    uint64_t sequence;
};

struct payloads {
    struct node *node;
    struct producer *producer; // the thread's
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed; // a payload began, or one was made
    struct payload all[PAYLOADS_MAX];
    uint64_t next_sequence;
    bool stopping;
};

// What was built

struct built *built_hold(struct built *b) {
    (void)atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
    return b;
}

void built_release(struct built *b) {
    if (!b || atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < b->tx_count; i++) {
        pool_tx_release(b->txs[i]);
    }
    arena_free(&b->memory);
    free(b);
}

int built_sidecars(const struct built *b, const struct tx_sidecar *const **ret, size_t *ret_count,
                   struct arena *a, struct error *why) {
    const struct tx_sidecar **items = arena_alloc_array(a, b->tx_count + 1, sizeof *items);
    size_t n = 0;
    if (!items) return error_set(why, ERR_NO_MEMORY, "no memory for sidecars");
    for (size_t i = 0; i < b->tx_count; i++) {
        if (b->txs[i]->sidecar.present) items[n++] = &b->txs[i]->sidecar;
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

// Making one

static struct produce_attributes attributes_of(const struct node *n,
                                               const struct engine_attributes *v) {
    struct bytes extra = bytes_from_str(n->values->extra_data);
    return (struct produce_attributes){
        .timestamp = v->timestamp,
        .prev_randao = v->prev_randao,
        .fee_recipient = v->fee_recipient,
        .withdrawals = v->withdrawals,
        .withdrawal_count = v->withdrawal_count,
        .parent_beacon_root = v->beacon_root,
        .gas_limit = n->values->gas_limit,
        .extra_data = bytes_slice(extra, 0, 32),
    };
}

// How many bytes of transactions the block may have (EIP-7934).
static size_t bytes_left(struct producer *producer) {
    const struct block_run *run = producer_run(producer);
    const struct block empty = {.header = *producer_header(producer),
                                .has_withdrawals = run->env.fork >= FORK_SHANGHAI,
                                .withdrawals = run->env.withdrawals,
                                .withdrawal_count = run->env.withdrawal_count};
    size_t most = fork_rules_of(run->env.fork)->block_rlp_max;
    size_t taken = block_encoded_size(&empty) + HEADER_GROWTH;
    return most == 0 ? SIZE_MAX : most > taken ? most - taken : 0;
}

// Takes transactions until the block is full or the time is over.
static int fill(struct built *b, struct node *n, struct producer *producer,
                const struct txpool_list *list, struct error *why) {
    struct block_run *run = producer_run(producer);
    size_t room = bytes_left(producer);
    const struct clock *clock = loop_clock(n->loop);
    uint64_t end_ns = clock_monotonic_ns(clock) + FILL_NS_MAX;
    uint64_t blob_gas_max = n->values->blobs_max * GAS_PER_BLOB;
    for (size_t i = 0; i < list->count; i++) {
        struct pool_tx *t = list->items[i];
        struct transact_result result;
        if (run->gas_used + GAS_LEAST > run->env.gas_limit) break;
        if (i % 16 == 0 && clock_monotonic_ns(clock) > end_ns) break;
        if (blob_gas_max && run->blob_gas_used + tx_blob_gas(&t->tx) > blob_gas_max) continue;
        size_t bytes = rlp_size_string(t->tx.raw); // a few too many for a legacy one
        if (bytes > room) continue;
        int r = block_run_tx(run, &t->tx, &t->sender, &result, why);
        if (r != 0) return r;
        if (result.fault != TRANSACT_VALID) continue; // no room, or another of the sender's failed
        room -= bytes;
        b->value = u256_add(b->value, run->entries[run->count - 1].fee_to_coinbase);
        b->txs[b->tx_count++] = pool_tx_hold(t);
    }
    return 0;
}

static int seal(struct built *b, struct producer *producer, struct error *why) {
    const struct tx **txs = arena_alloc_array(&b->memory, b->tx_count + 1, sizeof *txs);
    if (!txs) return error_set(why, ERR_NO_MEMORY, "no memory for a payload");
    for (size_t i = 0; i < b->tx_count; i++) {
        txs[i] = &b->txs[i]->tx;
    }
    int r = producer_seal(producer, &b->sealed, txs, b->tx_count, &b->memory, why);
    return r == 0 ? block_decode(&b->block, b->sealed.rlp, &b->memory, why) : r;
}

int payload_build(struct built **ret, struct node *n, struct producer *producer,
                  const struct hash *parent, const struct engine_attributes *v, struct error *why) {
    const struct produce_attributes attributes = attributes_of(n, v);
    struct txpool_list list = {0};
    struct built *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a payload");
    arena_init(&b->memory, 0);
    atomic_init(&b->references, 1);
    b->value = U256_ZERO;
    int r = producer_begin(producer, parent, &attributes, why);
    if (r == 0) r = txpool_pending(n->txpool, producer_header(producer)->base_fee, &list, why);
    if (r == 0) {
        b->txs = arena_alloc_array(&b->memory, list.count + 1, sizeof(struct pool_tx *));
        if (!b->txs) r = error_set(why, ERR_NO_MEMORY, "no memory for a payload");
    }
    if (r == 0) r = fill(b, n, producer, &list, why);
    if (r == 0) r = seal(b, producer, why);
    txpool_list_free(&list);
    if (r != 0) {
        built_release(b);
        return r;
    }
    *ret = b;
    return 0;
}

// The thread

static uint64_t now(const struct payloads *p) {
    return clock_monotonic_ns(loop_clock(p->node->loop));
}

// The one to work on next: due, and the newest of those. NULL: *ret_wait_ns until one is due.
static struct payload *choose(struct payloads *p, uint64_t *ret_wait_ns) {
    uint64_t at = now(p);
    struct payload *best = NULL;
    *ret_wait_ns = NS_PER_S;
    for (size_t i = 0; i < PAYLOADS_MAX; i++) {
        struct payload *q = &p->all[i];
        if (!q->used || q->done) continue;
        if (q->due_ns > at) {
            if (q->due_ns - at < *ret_wait_ns) *ret_wait_ns = q->due_ns - at;
        } else if (!best || q->sequence > best->sequence) {
            best = q;
        }
    }
    return best;
}

static void work_on(struct payloads *p, struct payload *q) {
    struct built *made = NULL;
    struct error why = {0};
    uint64_t version = txpool_version(p->node->txpool);
    uint64_t pause_ns = p->node->values->payload_interval_ns;
    uint64_t most_ns = p->node->values->slot_ns / PAUSES_A_SLOT; // short slots want it oftener
    if (most_ns && most_ns < pause_ns) pause_ns = most_ns;
    q->due_ns = now(p) + pause_ns;
    if (q->best && q->version == version) return; // nothing new
    q->version = version;
    q->busy = true;
    (void)pthread_mutex_unlock(&p->lock);
    int r = payload_build(&made, p->node, p->producer, &q->parent, &q->attributes, &why);
    (void)pthread_mutex_lock(&p->lock);
    q->busy = false;
    if (r != 0) {
        log_warn(p->node->log, "payload_failed", F_ERR(&why));
        q->done = true;
        if (!q->best) q->failed = why;
    } else if (!q->best || u256_compare(made->value, q->best->value) > 0) {
        built_release(q->best);
        q->best = made;
    } else {
        built_release(made);
    }
    if (q->began_ns + IMPROVE_NS_MAX < now(p)) q->done = true;
    (void)pthread_cond_broadcast(&p->changed);
}

static void *run(void *argument) {
    struct payloads *p = argument;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        uint64_t wait_ns;
        struct payload *q = choose(p, &wait_ns);
        if (q) {
            work_on(p, q);
            continue;
        }
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t ns = (uint64_t)until.tv_nsec + wait_ns;
        until.tv_sec += (time_t)(ns / NS_PER_S);
        until.tv_nsec = (long)(ns % NS_PER_S);
        (void)pthread_cond_timedwait(&p->changed, &p->lock, &until);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

// Asking

static struct payload *find(struct payloads *p, const struct engine_payload_id *id) {
    for (size_t i = 0; i < PAYLOADS_MAX; i++) {
        if (p->all[i].used && memcmp(p->all[i].id.b, id->b, sizeof id->b) == 0) return &p->all[i];
    }
    return NULL;
}

static void clear(struct payload *q) {
    built_release(q->best);
    arena_free(&q->memory);
    *q = (struct payload){0};
}

// A free place, or the oldest that nobody works on.
static struct payload *make_room(struct payloads *p) {
    struct payload *oldest = NULL;
    for (size_t i = 0; i < PAYLOADS_MAX; i++) {
        struct payload *q = &p->all[i];
        if (!q->used) return q;
        if (!q->busy && (!oldest || q->sequence < oldest->sequence)) oldest = q;
    }
    if (oldest) clear(oldest);
    return oldest;
}

static int copy_attributes(struct payload *q, const struct engine_attributes *v,
                           struct error *why) {
    size_t n = v->withdrawal_count;
    struct withdrawal *copy = arena_new_array(&q->memory, struct withdrawal, n + 1);
    if (!copy) return error_set(why, ERR_NO_MEMORY, "no memory for attributes");
    if (n) memcpy(copy, v->withdrawals, n * sizeof *copy);
    q->attributes = *v;
    q->attributes.withdrawals = copy;
    return 0;
}

int payloads_start(struct payloads *p, const struct engine_payload_id *id,
                   const struct hash *parent, const struct engine_attributes *v,
                   struct error *why) {
    int r = 0;
    (void)pthread_mutex_lock(&p->lock);
    if (!find(p, id)) {
        struct payload *q = make_room(p);
        if (!q) r = error_set(why, ERR_BUSY, "too many payloads are being made");
        if (q) {
            arena_init(&q->memory, 1u << 20);
            q->id = *id;
            q->parent = *parent;
            q->began_ns = q->due_ns = now(p);
            q->sequence = ++p->next_sequence;
            r = copy_attributes(q, v, why);
            q->used = r == 0;
            if (r != 0) clear(q);
        }
        (void)pthread_cond_broadcast(&p->changed);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

int payloads_get(struct payloads *p, const struct engine_payload_id *id, struct built **ret,
                 struct error *why) {
    (void)pthread_mutex_lock(&p->lock);
    struct payload *q = find(p, id);
    int r = q ? 0 : error_set(why, ERR_NOT_FOUND, "unknown payload");
    while (q && !q->best && !q->failed.code && !p->stopping) {
        (void)pthread_cond_wait(&p->changed, &p->lock);
        q = find(p, id); // it may have been pushed out
    }
    if (r == 0 && !q) r = error_set(why, ERR_NOT_FOUND, "unknown payload");
    if (r == 0 && !q->best) {
        if (q->failed.code && why) *why = q->failed;
        r = q->failed.code ? (int)q->failed.code : error_set(why, ERR_CANCELLED, "stopping");
    }
    if (r == 0) {
        *ret = built_hold(q->best);
        q->done = true;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

// Life

int payloads_open(struct payloads **ret, struct node *n, struct error *why) {
    struct payloads *p = calloc(1, sizeof *p);
    pthread_condattr_t attributes;
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for payloads");
    p->node = n;
    *ret = p;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = producer_new(&p->producer, n->head, NULL, why);
    if (r != 0) return r;
    int os = pthread_create(&p->thread, NULL, run, p);
    if (os != 0) return error_set_os(why, ERR_IO, os, "cannot start the thread of payloads");
    p->started = true;
    return 0;
}

void payloads_close(struct payloads *p) {
    if (!p) return;
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->started) (void)pthread_join(p->thread, NULL);
    for (size_t i = 0; i < PAYLOADS_MAX; i++) {
        if (p->all[i].used) clear(&p->all[i]);
    }
    producer_free(p->producer);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->changed);
    free(p);
}
