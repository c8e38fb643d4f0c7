/* SPDX-License-Identifier: MIT */
#include "load/presign.h"

#include "base/hex.h"
#include "base/pool.h"
#include "eth/request_signature.h"

#include <pthread.h>
#include <stdlib.h>

#define AHEAD_NS (250 * NS_PER_MS) /* of the schedule */
#define AHEAD_MIN 16u              /* orders, also of slow schedules */
#define RING 4096u                 /* more than the window, so that what was taken last stays */
#define AHEAD_MAX (RING / 2)
#define AHEAD_BYTES_MAX (64u << 20) /* of all that is made ahead, about */
#define WORKERS_MAX 4u
#define REQUEST_BYTES_MAX (16u << 20)
#define SCRATCH_BYTES_MAX (64u << 20)
#define BUMP_WEI 1000000000u /* each variant pays a gwei more */
#define TARGETS 2            /* blocks that a bundle is signed for */

struct wire {
    struct buf body, header;
    uint64_t target;
};

struct variant {
    struct hash tx;
    struct buf head, tail; // of a bundle's body, before and behind the block's number
    struct wire wires[TARGETS];
};

struct made {
    struct pool_task task;
    struct presign *owner;
    const struct form_group *group;
    struct account *account; // NULL: none
    uint64_t at, nonce, target, variant_count;
    unsigned doubts; // of the account, when it was chosen
    struct variant *variants;
    size_t bytes;
    bool done; // under the lock
    int code;  // with `why`: it could not be made
    struct error why;
};

struct presign {
    struct run *run;
    struct pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t made_one;
    uint64_t unique; // in replacement ids: of this run
    uint64_t next;   // the order that is chosen next
    size_t window;   // orders
    size_t largest;  // bytes of the largest order so far; 0: none is known
    struct made *taken;
    struct made ring[RING];
};

// Making: any thread. The run and its world are only read.

static void append_hex(struct buf *out, struct bytes raw) {
    buf_append_byte(out, '"');
    hex_append_data(out, raw);
    buf_append_byte(out, '"');
}

static uint64_t variants_of(const struct form_group *g) {
    if (g->spam->conflicts) return g->spam->conflicts;
    return g->spam->replacements ? g->spam->replacements : 1;
}

// The body for a block, and its signature.
static int make_wire(const struct made *m, const struct variant *v, struct wire *ret,
                     uint64_t target, struct error *why) {
    const struct run *r = m->owner->run;
    buf_clear(&ret->body);
    buf_clear(&ret->header);
    ret->target = target;
    buf_append(&ret->body, buf_view(&v->head));
    if (m->group->spam->bundle) {
        buf_printf(&ret->body, "\"0x%llx\"", (unsigned long long)target);
    }
    buf_append(&ret->body, buf_view(&v->tail));
    int code = buf_check(&ret->body, why);
    if (code < 0 || !r->signs) return code;
    return request_signature_make(&ret->header, r->w->signer, &m->account->key,
                                  buf_view(&ret->body), why);
}

static int make_tx(const struct made *m, struct variant *v, struct arena *a, struct error *why) {
    struct bytes raw;
    int code = world_tx(m->owner->run->w, &m->group->forms[0], m->account, m->nonce, m->at, 0, &raw,
                        &v->tx, a, why);
    if (code < 0) return code;
    buf_append_str(&v->head, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendRawTransaction\","
                             "\"params\":[");
    append_hex(&v->head, raw);
    buf_append_str(&v->tail, "]}");
    return 0;
}

static int make_bundle(const struct made *m, uint64_t number, struct variant *v, struct arena *a,
                       struct error *why) {
    const struct form_group *g = m->group;
    struct hash hashes[SCENARIO_BUNDLE_TXS_MAX];
    buf_append_str(&v->head, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendBundle\","
                             "\"params\":[{\"txs\":[");
    for (size_t i = 0; i < g->count; i++) {
        struct bytes raw;
        int code = world_tx(m->owner->run->w, &g->forms[i], m->account, m->nonce + i, m->at,
                            number * BUMP_WEI, &raw, &hashes[i], a, why);
        if (code < 0) return code;
        if (i) buf_append_byte(&v->head, ',');
        append_hex(&v->head, raw);
    }
    v->tx = hashes[0];
    buf_append_str(&v->head, "],\"blockNumber\":");
    if (g->spam->reverting) {
        buf_append_str(&v->tail, ",\"revertingTxHashes\":[");
        for (size_t i = 0; i < g->count; i++) {
            if (i) buf_append_byte(&v->tail, ',');
            append_hex(&v->tail, BYTES_OF(hashes[i]));
        }
        buf_append_byte(&v->tail, ']');
    }
    if (g->spam->replacements) {
        buf_printf(&v->tail, ",\"replacementUuid\":\"%08x-0000-4000-8000-%012llx\"",
                   (unsigned)(m->at + 1), (unsigned long long)(m->owner->unique & 0xffffffffffff));
        buf_printf(&v->tail, ",\"replacementNonce\":%llu", (unsigned long long)number + 1);
    }
    buf_append_str(&v->tail, "}]}");
    return 0;
}

static void init_variant(struct variant *v) {
    *v = (struct variant){.tx = {{0}}};
    buf_init(&v->head, REQUEST_BYTES_MAX);
    buf_init(&v->tail, REQUEST_BYTES_MAX);
    for (size_t i = 0; i < TARGETS; i++) {
        buf_init(&v->wires[i].body, REQUEST_BYTES_MAX);
        buf_init(&v->wires[i].header, 1024);
    }
}

static void free_variants(struct made *m) {
    for (uint64_t i = 0; m->variants && i < m->variant_count; i++) {
        struct variant *v = &m->variants[i];
        buf_free(&v->head);
        buf_free(&v->tail);
        for (size_t k = 0; k < TARGETS; k++) {
            buf_free(&v->wires[k].body);
            buf_free(&v->wires[k].header);
        }
    }
    free(m->variants);
    m->variants = NULL;
}

// Everything of one order; `targets` blocks of a bundle.
static void make(struct made *m, size_t targets) {
    struct arena a;
    bool bundle = m->group->spam->bundle;
    arena_init(&a, SCRATCH_BYTES_MAX);
    m->code = 0;
    m->bytes = 0;
    m->variants = calloc(m->variant_count, sizeof *m->variants);
    if (!m->variants) m->code = error_set(&m->why, ERR_NO_MEMORY, "no memory for an order");
    for (uint64_t i = 0; m->variants && i < m->variant_count; i++) {
        init_variant(&m->variants[i]);
    }
    for (uint64_t i = 0; m->code == 0 && i < m->variant_count; i++) {
        struct variant *v = &m->variants[i];
        m->code = bundle ? make_bundle(m, i, v, &a, &m->why) : make_tx(m, v, &a, &m->why);
        if (m->code == 0) m->code = buf_check(&v->head, &m->why);
        if (m->code == 0) m->code = buf_check(&v->tail, &m->why);
        for (size_t k = 0; m->code == 0 && k < (bundle ? targets : 1); k++) {
            m->code = make_wire(m, v, &v->wires[k], m->target + k, &m->why);
            m->bytes += v->wires[k].body.n;
        }
        m->bytes += v->head.n + v->tail.n;
        arena_reset(&a);
    }
    arena_free(&a);
}

static void on_worker(void *context) {
    struct made *m = context;
    struct presign *a = m->owner;
    make(m, TARGETS);
    (void)pthread_mutex_lock(&a->lock);
    m->done = true;
    (void)pthread_cond_signal(&a->made_one);
    (void)pthread_mutex_unlock(&a->lock);
}

// Choosing: the main thread.

static struct account *pick(struct pool_of *p, bool bundle) {
    for (size_t tries = 0; tries < p->count; tries++) {
        struct account *k = &p->accounts[p->next++ % p->count];
        if (k->stale || k->holder || (bundle && k->at_work)) continue;
        return k;
    }
    return NULL;
}

// The account is the order's from now on, and of a transaction the nonce.
static void choose(struct presign *a, struct made *m, uint64_t at) {
    const struct form_group *g = world_group(a->run->w, at);
    *m = (struct made){.owner = a,
                       .group = g,
                       .at = at,
                       .target = a->run->announced + 1,
                       .variant_count = variants_of(g),
                       .account = pick(g->forms[0].pool, g->spam->bundle)};
    struct account *k = m->account;
    if (!k) return;
    m->nonce = k->nonce;
    m->doubts = k->doubts;
    if (g->spam->bundle) {
        k->holder = at + 1;
    } else {
        k->nonce++;
        k->at_work++;
    }
}

static struct made *place(struct presign *a, uint64_t at) {
    return &a->ring[at % RING];
}

static void wait_for(struct presign *a, const struct made *m) {
    (void)pthread_mutex_lock(&a->lock);
    while (!m->done) {
        (void)pthread_cond_wait(&a->made_one, &a->lock);
    }
    (void)pthread_mutex_unlock(&a->lock);
}

static bool is_done(struct presign *a, const struct made *m) {
    (void)pthread_mutex_lock(&a->lock);
    bool done = m->done;
    (void)pthread_mutex_unlock(&a->lock);
    return done;
}

static void note_size(struct presign *a, const struct made *m) {
    if (m->bytes > a->largest) a->largest = m->bytes;
}

static size_t window(const struct presign *a) {
    size_t fits = a->largest ? AHEAD_BYTES_MAX / a->largest + 1 : AHEAD_MIN;
    return fits < a->window ? fits : a->window;
}

void presign_fill(struct presign *a, bool wait) {
    struct run *r = a->run;
    while (a->next < r->planned && a->next - r->at < window(a)) {
        struct made *m = place(a, a->next);
        choose(a, m, a->next++);
        if (!m->account) {
            m->done = true; // nobody works on it
            continue;
        }
        m->task = (struct pool_task){.run = on_worker, .context = m};
        // The ring holds as many as the pool takes.
        if (!pool_submit(a->pool, &m->task)) on_worker(m);
    }
    for (uint64_t at = r->at; wait && at < a->next; at++) {
        wait_for(a, place(a, at));
        note_size(a, place(a, at));
    }
}

// What was chosen has been given back, or never was: chosen and made now.
static void make_now(struct presign *a, struct made *m) {
    free_variants(m);
    choose(a, m, m->at);
    m->done = true;
    if (m->account) make(m, 1);
    a->run->result->late_signed += m->account != NULL;
}

void presign_take(struct presign *a, struct presign_order *ret) {
    struct run *r = a->run;
    if (a->taken) free_variants(a->taken);
    a->taken = NULL;
    if (a->next == r->at) presign_fill(a, false);
    struct made *m = place(a, r->at);
    bool late = !is_done(a, m);
    if (late) wait_for(a, m);
    r->result->late_signed += late;
    note_size(a, m);
    struct account *k = m->account;
    bool doubtful = k && !m->group->spam->bundle && (k->stale || k->doubts != m->doubts);
    if (doubtful) k->at_work--;
    if (!k || doubtful) make_now(a, m);
    a->taken = m;
    *ret = (struct presign_order){m->group, m->account, m->variant_count};
}

int presign_request(struct presign *a, uint64_t number, uint64_t target,
                    struct presign_request *ret, struct error *why) {
    struct made *m = a->taken;
    if (m->code < 0) {
        *why = m->why;
        return m->code;
    }
    struct variant *v = &m->variants[number];
    struct wire *w = &v->wires[0];
    if (m->group->spam->bundle && w->target != target) {
        w = &v->wires[1];
        if (w->target != target) { // more blocks came than were expected: only its signature
            int code = make_wire(m, v, w, target, why);
            if (code < 0) return code;
            if (number == 0) a->run->result->late_signed++;
        }
    }
    *ret = (struct presign_request){v->tx, buf_view(&w->body), buf_view(&w->header), w->target};
    return 0;
}

static unsigned workers(void) {
    unsigned n = pool_processors();
    n = n > 1 ? n - 1 : 1; // one is the loop's
    return n < WORKERS_MAX ? n : WORKERS_MAX;
}

int presign_open(struct presign **ret, struct run *r, struct error *why) {
    const struct load_settings *s = r->w->s;
    struct presign *a = calloc(1, sizeof *a);
    if (!a) return error_set(why, ERR_NO_MEMORY, "no memory to make orders ahead");
    a->run = r;
    a->unique = clock_monotonic_ns(&clock_system);
    uint64_t n = s->per_block ? 2 * s->per_block : s->rate * AHEAD_NS / NS_PER_S;
    a->window = n < AHEAD_MIN ? AHEAD_MIN : n < AHEAD_MAX ? (size_t)n : AHEAD_MAX;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_cond_init(&a->made_one, NULL);
    int code = pool_start(&a->pool, workers(), RING, why);
    if (code < 0) {
        presign_close(a);
        return code;
    }
    *ret = a;
    return 0;
}

void presign_close(struct presign *a) {
    if (!a) return;
    pool_stop(a->pool);
    for (size_t i = 0; i < RING; i++) {
        free_variants(&a->ring[i]);
    }
    (void)pthread_cond_destroy(&a->made_one);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}
