/* SPDX-License-Identifier: MIT */
#include "builder/job.h"

#include "chain/blob_check.h"

#include <stdlib.h>

#define EFFECTS_FILLS_MAX 64u

struct job_sender {
    struct address address;
    uint32_t index;
    bool known;
    uint64_t nonce; // before the block
};

/* Who brings a sender to a nonce, and who waits for it. */
struct nonce_place {
    struct {
        uint32_t sender, unused;
        uint64_t nonce;
    } key;
    const struct job_entry *best;
    struct job_entry *waiting;
};

struct job {
    pthread_mutex_t lock; // all below
    struct arena memory;
    struct map txs;     // by hash: struct job_tx
    struct map senders; // by address: struct job_sender
    struct map entries; // by order id: struct job_entry
    struct map places;  // by sender and nonce: struct nonce_place
    struct job_entry **all;
    size_t count, room, entries_max;
    uint32_t next_index;
    size_t cancelled; // since the last time that some were forgotten
    size_t forgotten;
    unsigned planning; // plans under way that have not pinned theirs yet
    struct job_sender **sender_list;
    size_t sender_count, sender_room;
    struct job_entry *queue, *queue_end;
    const struct kzg *kzg; // NULL: proofs are not looked at
    size_t effects_bytes_max;
    struct arena effects[EFFECTS_FILLS_MAX];
    unsigned effects_count;
    _Atomic uint64_t version;
    atomic_size_t queued;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a job");
}

int job_new(struct job **ret, size_t effects_bytes_max, struct error *why) {
    struct job *j = calloc(1, sizeof *j);
    if (!j) return no_memory(why);
    (void)pthread_mutex_init(&j->lock, NULL);
    arena_init(&j->memory, 0);
    map_init(&j->txs, 0);
    map_init(&j->senders, 0);
    map_init(&j->entries, 0);
    map_init(&j->places, 0);
    j->entries_max = JOB_ENTRIES_MAX;
    j->effects_bytes_max = effects_bytes_max;
    *ret = j;
    return 0;
}

void job_free(struct job *j) {
    if (!j) return;
    for (size_t i = 0; i < j->count; i++) {
        build_order_release(j->all[i]->job.order);
    }
    for (unsigned i = 0; i < j->effects_count; i++) {
        arena_free(&j->effects[i]);
    }
    free(j->all);
    free(j->sender_list);
    map_free(&j->txs);
    map_free(&j->senders);
    map_free(&j->entries);
    map_free(&j->places);
    arena_free(&j->memory);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

void job_check_blobs(struct job *j, const struct kzg *kzg) {
    j->kzg = kzg;
}

void job_limit(struct job *j, size_t entries_max) {
    j->entries_max = entries_max;
}

struct arena *job_effects(struct job *j) {
    struct arena *a = NULL;
    pthread_mutex_lock(&j->lock);
    if (j->effects_count < EFFECTS_FILLS_MAX) {
        a = &j->effects[j->effects_count++];
        arena_init(a, j->effects_bytes_max / 4);
    }
    pthread_mutex_unlock(&j->lock);
    return a;
}

/* Adding. */

static struct job_sender *sender_of(struct job *j, const struct address *address) {
    struct job_sender *s = map_get(&j->senders, BYTES_OF(*address));
    if (s) return s;
    if (j->sender_count == j->sender_room) {
        size_t room = j->sender_room ? 2 * j->sender_room : 256;
        struct job_sender **p = realloc(j->sender_list, room * sizeof(struct job_sender *));
        if (!p) return NULL;
        j->sender_list = p;
        j->sender_room = room;
    }
    s = arena_new(&j->memory, struct job_sender);
    if (!s) return NULL;
    s->address = *address;
    s->index = (uint32_t)j->sender_count;
    if (map_put(&j->senders, BYTES_OF(s->address), s, NULL, NULL) != 0) return NULL;
    j->sender_list[j->sender_count++] = s;
    return s;
}

static struct job_tx *tx_of(struct job *j, const struct build_tx *t) {
    struct job_tx *known = map_get(&j->txs, BYTES_OF(t->tx.hash));
    // Blob sidecars differ by order, and whether one may fail does too: only the outcome is shared.
    if (known && known->t == t) return known;
    struct job_sender *s = sender_of(j, &t->sender);
    struct job_tx *n = s ? arena_new(&j->memory, struct job_tx) : NULL;
    if (!n) return NULL;
    n->t = t;
    n->sender = s->index;
    uint32_t *authorities = arena_new_array(&j->memory, uint32_t, t->authority_count);
    if (!authorities) return NULL;
    for (size_t i = 0; i < t->authority_count; i++) {
        const struct job_sender *a = sender_of(j, &t->authorities[i].address);
        if (!a) return NULL;
        authorities[i] = a->index;
    }
    n->authorities = authorities;
    n->shared = known ? known->shared : arena_new(&j->memory, struct tx_outcomes);
    if (!n->shared) return NULL;
    if (!known && map_put(&j->txs, BYTES_OF(t->tx.hash), n, NULL, NULL) != 0) return NULL;
    return n;
}

static struct job_entry *entry_of(struct job *j, const struct build_order *o) {
    struct job_entry *e = arena_new(&j->memory, struct job_entry);
    struct job_tx **txs = arena_new_array(&j->memory, struct job_tx *, o->tx_count);
    uint32_t *senders = arena_new_array(&j->memory, uint32_t, o->nonce_count);
    if (!e || !txs || !senders) return NULL;
    for (size_t i = 0; i < o->tx_count; i++) {
        if (!(txs[i] = tx_of(j, &o->txs[i]))) return NULL;
    }
    for (size_t i = 0; i < o->nonce_count; i++) {
        const struct job_sender *s = sender_of(j, &o->nonces[i].sender);
        if (!s) return NULL;
        senders[i] = s->index;
    }
    e->job = (struct job_order){o, txs, senders};
    return e;
}

static void enqueue(struct job *j, struct job_entry *e) {
    e->state = ENTRY_QUEUED;
    e->next = NULL;
    if (j->queue) {
        j->queue_end->next = e;
    } else {
        j->queue = e;
    }
    j->queue_end = e;
    atomic_fetch_add(&j->queued, 1);
}

/* Forgetting. */

static bool may_forget(const struct job *j, const struct job_entry *e) {
    if (!e->cancelled || e->pinned || e->at_work) return false;
    return e->state != ENTRY_READY || j->planning == 0;
}

static void forget_brought(struct job *j, const struct job_entry *e, uint32_t sender,
                           uint64_t nonce) {
    struct nonce_place p = {.key = {.sender = sender, .nonce = nonce}};
    struct nonce_place *at = map_get(&j->places, bytes_make(&p.key, sizeof p.key));
    if (at && at->best == e) at->best = NULL;
}

// Keys of the maps, and what else points into the order, go before it.
static void forget(struct job *j, struct job_entry *e) {
    const struct build_order *o = e->job.order;
    if (map_get(&j->entries, BYTES_OF(o->id)) == e) (void)map_remove(&j->entries, BYTES_OF(o->id));
    for (size_t i = 0; i < o->tx_count; i++) {
        struct bytes hash = BYTES_OF(o->txs[i].tx.hash);
        if (map_get(&j->txs, hash) == e->job.txs[i]) (void)map_remove(&j->txs, hash);
        forget_brought(j, e, e->job.txs[i]->sender, o->txs[i].tx.nonce + 1);
        for (size_t k = 0; k < o->txs[i].authority_count; k++) {
            forget_brought(j, e, e->job.txs[i]->authorities[k], o->txs[i].authorities[k].nonce + 1);
        }
    }
    build_order_release(o);
    j->forgotten++;
}

// Takes those that are to be forgotten out of a list.
static void sift(const struct job *j, struct job_entry **list) {
    while (*list) {
        if (may_forget(j, *list)) {
            *list = (*list)->next;
        } else {
            list = &(*list)->next;
        }
    }
}

static void sift_lists(struct job *j) {
    size_t at = 0, n = 0;
    struct bytes key;
    void *place;
    sift(j, &j->queue);
    j->queue_end = NULL;
    for (struct job_entry *e = j->queue; e; e = e->next) {
        j->queue_end = e;
        n++;
    }
    atomic_store(&j->queued, n);
    while (map_next(&j->places, &at, &key, &place)) {
        sift(j, &((struct nonce_place *)place)->waiting);
    }
}

// Makes room; not for a few, since all are walked through.
static bool forget_cancelled(struct job *j) {
    if (j->cancelled <= j->entries_max / 64) return false;
    j->cancelled = 0;
    sift_lists(j);
    size_t kept = 0;
    for (size_t i = 0; i < j->count; i++) {
        if (may_forget(j, j->all[i])) {
            forget(j, j->all[i]);
        } else {
            j->all[kept++] = j->all[i];
        }
    }
    j->count = kept;
    return kept < j->entries_max;
}

static int add(struct job *j, const struct build_order *o, uint64_t now_ns,
               const struct job_entry **ret, struct error *why) {
    struct job_entry *old = map_get(&j->entries, BYTES_OF(o->id));
    if (old && !old->cancelled) return error_set(why, ERR_CONFLICT, "the order is there already");
    if (j->count >= j->entries_max && !forget_cancelled(j)) {
        return error_set(why, ERR_LIMIT, "too many orders");
    }
    if (j->count == j->room) {
        size_t room = j->room ? 2 * j->room : 1024;
        struct job_entry **p = realloc(j->all, room * sizeof(struct job_entry *));
        if (!p) return no_memory(why);
        j->all = p;
        j->room = room;
    }
    struct job_entry *e = entry_of(j, o);
    if (!e) return no_memory(why);
    int r = map_put(&j->entries, BYTES_OF(o->id), e, NULL, why);
    if (r != 0) return r;
    (void)build_order_retain(o);
    e->index = j->next_index++;
    e->added_ns = now_ns;
    j->all[j->count++] = e;
    enqueue(j, e);
    if (ret) *ret = e;
    return 0;
}

int job_add(struct job *j, const struct build_order *o, uint64_t now_ns,
            const struct job_entry **ret, struct error *why) {
    pthread_mutex_lock(&j->lock);
    int r = add(j, o, now_ns, ret, why);
    pthread_mutex_unlock(&j->lock);
    return r;
}

bool job_cancel(struct job *j, const struct build_order *o) {
    pthread_mutex_lock(&j->lock);
    struct job_entry *e = map_get(&j->entries, BYTES_OF(o->id));
    bool found = e && !e->cancelled;
    if (found) {
        e->cancelled = true;
        j->cancelled++;
        if (e->state == ENTRY_READY) atomic_fetch_add(&j->version, 1);
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

/* Simulating. */

static struct nonce_place *place_of(struct job *j, uint32_t sender, uint64_t nonce) {
    struct nonce_place p = {.key = {.sender = sender, .nonce = nonce}};
    struct nonce_place *at = map_get(&j->places, bytes_make(&p.key, sizeof p.key));
    if (at) return at;
    at = arena_new(&j->memory, struct nonce_place);
    if (!at) return NULL;
    at->key = p.key;
    if (map_put(&j->places, bytes_make(&at->key, sizeof at->key), at, NULL, NULL) != 0) return NULL;
    return at;
}

/* The nonces before the block that this order needs to know; the fill stands at its beginning. */
static int learn_nonces(struct job *j, struct block_fill *f, const struct job_entry *e,
                        struct error *why) {
    struct state *s = f->run->vm->state;
    fill_restart(f);
    fill_end(f);
    for (size_t i = 0; i < e->job.order->nonce_count; i++) {
        pthread_mutex_lock(&j->lock);
        struct job_sender *sender = j->sender_list[e->job.senders[i]];
        bool known = sender->known;
        pthread_mutex_unlock(&j->lock);
        if (known) continue;
        uint64_t nonce = state_account_find(s, &e->job.order->nonces[i].sender)->now.nonce;
        int r = state_check(s, why);
        if (r != 0) return r;
        pthread_mutex_lock(&j->lock);
        sender->nonce = nonce;
        sender->known = true;
        pthread_mutex_unlock(&j->lock);
    }
    return 0;
}

/* The orders that must go before one, their own first. */
struct lineage {
    const struct job_entry *at[JOB_PARENTS_MAX];
    size_t count;
};

static bool lineage_push(struct lineage *l, const struct job_entry *e) {
    for (size_t i = l->count; i > 0; i--) {
        if (l->at[i - 1] == e) return true;
    }
    if (l->count == JOB_PARENTS_MAX) return false;
    l->at[l->count++] = e;
    return true;
}

// An order's parents are all of its line, so that one level is enough.
static bool lineage_add(struct lineage *l, const struct job_entry *e) {
    for (size_t i = 0; i < e->parent_count; i++) {
        if (!lineage_push(l, e->parents[i])) return false;
    }
    return lineage_push(l, e);
}

enum readiness { READY_NOW, READY_LATER, READY_NEVER };

/* Finds the order's parents; one that waits is put with what it waits for. Under the lock. */
static enum readiness find_parents(struct job *j, struct job_entry *e, struct lineage *l) {
    const struct build_order *o = e->job.order;
    uint64_t now[BUILD_TXS_MAX];
    enum build_reach reach;
    for (size_t i = 0; i < o->nonce_count; i++) {
        now[i] = j->sender_list[e->job.senders[i]]->nonce;
    }
    for (size_t i = 0; (reach = build_order_reach(o, now, &i)) != BUILD_REACHED; i++) {
        if (reach == BUILD_PASSED) {
            e->sim = (struct commit_result){.status = COMMIT_NONCE_LOW};
            return READY_NEVER;
        }
        struct nonce_place *p = place_of(j, e->job.senders[i], o->nonces[i].nonce);
        if (!p) return READY_NEVER;
        if (!p->best || p->best->cancelled || !lineage_add(l, p->best)) {
            e->sim = (struct commit_result){.status = COMMIT_NONCE_HIGH};
            e->state = ENTRY_WAITING;
            e->next = p->waiting;
            p->waiting = e;
            return READY_LATER;
        }
    }
    for (size_t i = 0; i < l->count; i++) {
        ((struct job_entry *)(uintptr_t)l->at[i])->pinned = true;
    }
    return READY_NOW;
}

/* Which transactions of an order were in the block when it was simulated. */
struct standing {
    bool tx[BUILD_TXS_MAX];
};

// Puts those that waited for a nonce into the queue, and notes who brings it best.
static void bring_nonce(struct job *j, const struct job_entry *e, uint32_t sender, uint64_t nonce) {
    struct nonce_place *p = place_of(j, sender, nonce);
    if (!p) return;
    bool better =
        !p->best || p->best->cancelled || u256_compare(e->sim.profit, p->best->sim.profit) > 0;
    if (better) p->best = e;
    while (p->waiting) {
        struct job_entry *w = p->waiting;
        p->waiting = w->next;
        enqueue(j, w);
    }
}

static void bring_nonces(struct job *j, const struct job_entry *e,
                         const struct standing *standing) {
    if (e->cancelled) return;
    for (size_t i = 0; i < e->job.order->tx_count; i++) {
        if (!standing->tx[i]) continue; // left out: it brings nothing
        const struct job_tx *t = e->job.txs[i];
        bring_nonce(j, e, t->sender, t->t->tx.nonce + 1);
        for (size_t k = 0; k < t->t->authority_count; k++) {
            bring_nonce(j, e, t->authorities[k], t->t->authorities[k].nonce + 1);
        }
    }
}

static struct u256 price_of(const struct commit_result *r) {
    struct u256 price = U256_ZERO;
    if (r->gas_used) u256_div_mod(&price, NULL, r->profit, u256_from_u64(r->gas_used));
    return price;
}

// A block with a wrong proof cannot be proposed: whoever sends one is not believed.
static bool blobs_are_good(const struct job *j, const struct block_fill *f,
                           const struct build_order *o) {
    const struct fork_rules *rules = fork_rules_of(f->run->env.fork);
    enum build_blobs known = build_order_blobs(o);
    if (!j->kzg || known != BUILD_BLOBS_UNKNOWN) return known != BUILD_BLOBS_BAD;
    int r = 0;
    for (size_t i = 0; r == 0 && i < o->tx_count; i++) {
        const struct tx_sidecar *s = &o->txs[i].sidecar;
        if (s->present) r = blob_proofs_check(j->kzg, NULL, s, rules, NULL);
    }
    if (r != ERR_NO_MEMORY) build_order_set_blobs(o, r == 0 ? BUILD_BLOBS_GOOD : BUILD_BLOBS_BAD);
    return r == 0;
}

static void find_standing(struct standing *ret, const struct block_fill *f,
                          const struct job_entry *e) {
    size_t from, to;
    fill_step_txs(f, f->cursor - 1, &from, &to);
    for (size_t i = 0; i < e->job.order->tx_count && from < to; i++) {
        while (from < to && !f->txs[from].job) {
            from++; // a payout
        }
        if (from == to || f->txs[from].job != e->job.txs[i]) continue;
        ret->tx[i] = true;
        from++;
    }
}

static int run(struct block_fill *f, const struct job_entry *e, const struct lineage *l,
               struct commit_result *ret, struct standing *ret_standing, struct error *why) {
    const struct commit_result *result = NULL;
    fill_restart(f);
    for (size_t i = 0; i <= l->count; i++) {
        const struct job_entry *one = i < l->count ? l->at[i] : e;
        int r = fill_step(f, &one->job, &U256_ZERO, &result, why);
        if (r != 0) return r;
        if (result->status != COMMIT_DONE) break;
    }
    *ret = *result;
    if (ret->status == COMMIT_DONE) find_standing(ret_standing, f, e);
    // Outputs belong to the machine or to an outcome that may go: texts are made from the rest.
    ret->why.output = (struct bytes){0};
    fill_restart(f); // no step may point to an order that is forgotten
    fill_end(f);
    return 0;
}

static void settle(struct job *j, struct job_entry *e, const struct commit_result *result,
                   const struct lineage *l, const struct standing *standing, uint64_t now_ns) {
    e->sim = *result;
    e->simulated_ns = now_ns;
    bool useful = result->status == COMMIT_DONE && result->gas_used > 0;
    e->state = useful ? ENTRY_READY : ENTRY_FAILED;
    if (!useful) return;
    e->price = price_of(result);
    const struct job_entry **parents =
        arena_new_array(&j->memory, const struct job_entry *, l->count + 1);
    if (parents) {
        memcpy(parents, l->at, l->count * sizeof(struct job_entry *));
        e->parents = parents;
        e->parent_count = l->count;
    }
    bring_nonces(j, e, standing);
    if (!e->cancelled) atomic_fetch_add(&j->version, 1);
}

int job_simulate(struct job *j, struct block_fill *f, uint64_t now_ns,
                 const struct job_entry **ret_entry, struct error *why) {
    pthread_mutex_lock(&j->lock);
    struct job_entry *e = j->queue;
    if (e) {
        j->queue = e->next;
        e->at_work = true;
        atomic_fetch_sub(&j->queued, 1);
    }
    pthread_mutex_unlock(&j->lock);
    *ret_entry = e;
    if (!e) return 0;
    struct lineage l = {.count = 0};
    struct standing standing = {{false}};
    struct commit_result result;
    int r = learn_nonces(j, f, e, why);
    pthread_mutex_lock(&j->lock);
    enum readiness ready = r == 0 ? find_parents(j, e, &l) : READY_NEVER;
    if (r == 0 && ready == READY_NEVER) e->state = ENTRY_FAILED;
    pthread_mutex_unlock(&j->lock);
    if (ready == READY_NOW && !blobs_are_good(j, f, e->job.order)) {
        result = (struct commit_result){.status = COMMIT_BLOB_PROOF};
    } else if (ready == READY_NOW) {
        r = run(f, e, &l, &result, &standing, why);
    }
    pthread_mutex_lock(&j->lock);
    if (r != 0) {
        e->at_work = false;
        enqueue(j, e);
    }
    if (r == 0 && ready == READY_NOW) settle(j, e, &result, &l, &standing, now_ns);
    pthread_mutex_unlock(&j->lock);
    return r;
}

void job_let_go(struct job *j, const struct job_entry *e) {
    pthread_mutex_lock(&j->lock);
    ((struct job_entry *)(uintptr_t)e)->at_work = false;
    pthread_mutex_unlock(&j->lock);
}

bool job_has_queued(const struct job *j) {
    return atomic_load(&((struct job *)(uintptr_t)j)->queued) > 0;
}

/* Plans. */

void plan_free(struct plan *p) {
    free(p->orders);
    free(p->nonces);
    *p = (struct plan){0};
}

static int plan_room(struct plan *p, size_t orders, size_t senders, struct error *why) {
    if (orders > p->room) {
        struct plan_order *more = realloc(p->orders, orders * sizeof *more);
        if (!more) return no_memory(why);
        p->orders = more;
        p->room = orders;
    }
    if (senders > p->sender_room) {
        uint64_t *more = realloc(p->nonces, senders * sizeof *more);
        if (!more) return no_memory(why);
        p->nonces = more;
        p->sender_room = senders;
    }
    return 0;
}

uint64_t job_version(const struct job *j) {
    return atomic_load(&((struct job *)(uintptr_t)j)->version);
}

static int by_price(const void *a, const void *b) {
    const struct plan_order *x = a, *y = b;
    int order = u256_compare(y->price, x->price);
    if (order) return order;
    return memcmp(x->entry->job.order->id.b, y->entry->job.order->id.b, sizeof(struct hash));
}

// More than any block can hold: a flood is not looked at as a whole in every pass.
static void keep_best(struct plan *p) {
    if (p->count <= PLAN_ORDERS_MAX) return;
    qsort(p->orders, p->count, sizeof *p->orders, by_price);
    p->count = PLAN_ORDERS_MAX;
}

int job_plan(struct job *j, struct plan *ret, struct error *why) {
    pthread_mutex_lock(&j->lock);
    int r = plan_room(ret, j->count, j->sender_count, why);
    ret->count = 0;
    ret->version = atomic_load(&j->version);
    for (size_t i = 0; r == 0 && i < j->count; i++) {
        const struct job_entry *e = j->all[i];
        if (e->state != ENTRY_READY || e->cancelled) continue;
        ret->orders[ret->count++] = (struct plan_order){e, e->sim.profit, e->price};
    }
    for (size_t i = 0; r == 0 && i < j->sender_count; i++) {
        ret->nonces[i] = j->sender_list[i]->nonce;
    }
    ret->sender_count = j->sender_count;
    j->planning++;
    pthread_mutex_unlock(&j->lock);
    keep_best(ret); // sorts: not under the lock
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < ret->count; i++) {
        ((struct job_entry *)(uintptr_t)ret->orders[i].entry)->pinned = true;
    }
    j->planning--;
    pthread_mutex_unlock(&j->lock);
    return r;
}

/* Looking. */

struct job_counts job_counts_now(struct job *j) {
    struct job_counts c = {0};
    pthread_mutex_lock(&j->lock);
    c.cancelled = j->forgotten;
    for (size_t i = 0; i < j->count; i++) {
        const struct job_entry *e = j->all[i];
        c.cancelled += e->cancelled;
        c.queued += e->state == ENTRY_QUEUED;
        c.waiting += e->state == ENTRY_WAITING;
        c.ready += e->state == ENTRY_READY;
        c.failed += e->state == ENTRY_FAILED;
    }
    pthread_mutex_unlock(&j->lock);
    return c;
}

void job_each(struct job *j, void (*each)(void *arg, const struct job_entry *e), void *arg) {
    pthread_mutex_lock(&j->lock);
    for (size_t i = 0; i < j->count; i++) {
        each(arg, j->all[i]);
    }
    pthread_mutex_unlock(&j->lock);
}

const struct job_entry *job_find(struct job *j, const struct build_order *o) {
    pthread_mutex_lock(&j->lock);
    const struct job_entry *e = map_get(&j->entries, BYTES_OF(o->id));
    pthread_mutex_unlock(&j->lock);
    return e;
}

int job_standing(struct job *j, const struct build_order *o, struct u256 *ret_price) {
    pthread_mutex_lock(&j->lock);
    const struct job_entry *e = map_get(&j->entries, BYTES_OF(o->id));
    int state = e && !e->cancelled ? (int)e->state : -1;
    if (state == ENTRY_READY) *ret_price = e->price;
    pthread_mutex_unlock(&j->lock);
    return state;
}
