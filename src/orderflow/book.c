/* SPDX-License-Identifier: MIT */
#include "orderflow/book.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#define IDS_DEFAULT 1048576u
#define KEYS_DEFAULT 262144u
#define ID_DEFAULT_NS (60 * NS_PER_S)
#define KEY_DEFAULT_NS (600 * NS_PER_S)
#define SEEN_AT_ONCE 1024u

struct seen {
    struct heap_node expiry;
    union {
        struct hash id;
        struct seen *next; /* of the spare ones */
    };
};

/* Ids stay for a minute, while what an order needs on its way comes and goes: apart from that, they
 * leave no gaps in it. */
struct seen_block {
    struct seen_block *next;
    struct seen seen[SEEN_AT_ONCE];
};

struct key {
    struct heap_node expiry;
    struct {
        struct uuid uuid;
        struct address signer;
        uint8_t share; /* mev_sendBundle: a namespace of its own */
    } name;
    uint64_t nonce;
    uint64_t before;     /* the nonce before this one, for a withdrawal */
    struct hash id;      /* of the order in force */
    uint64_t expires_ns; /* when all its orders are over, replaced ones too */
    uint64_t journal_ns; /* the same of those in the journal */
};

struct book {
    pthread_mutex_t lock; /* guards all below */
    struct book_options options;
    struct map ids, keys;
    struct heap id_expiry, key_expiry;
    struct seen *spare;
    struct seen_block *blocks; /* as many as were ever needed at once */
    struct book_stats stats;
    _Atomic uint64_t clock_us;
};

int book_new(struct book **ret, const struct book_options *options, struct error *why) {
    struct book *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a book");
    b->options = *options;
    if (b->options.ids_max == 0) b->options.ids_max = IDS_DEFAULT;
    if (b->options.keys_max == 0) b->options.keys_max = KEYS_DEFAULT;
    if (b->options.id_ns == 0) b->options.id_ns = ID_DEFAULT_NS;
    if (b->options.key_ns == 0) b->options.key_ns = KEY_DEFAULT_NS;
    (void)pthread_mutex_init(&b->lock, NULL);
    map_init(&b->ids, 0);
    map_init(&b->keys, 0);
    heap_init(&b->id_expiry);
    heap_init(&b->key_expiry);
    *ret = b;
    return 0;
}

static void put_spare(struct book *b, struct seen *s) {
    s->next = b->spare;
    b->spare = s;
}

static struct seen *take_spare(struct book *b) {
    if (!b->spare) {
        struct seen_block *block = calloc(1, sizeof *block);
        if (!block) return NULL;
        block->next = b->blocks;
        b->blocks = block;
        for (size_t i = SEEN_AT_ONCE; i-- > 0;) {
            put_spare(b, &block->seen[i]);
        }
    }
    struct seen *s = b->spare;
    b->spare = s->next;
    return s;
}

static void drop_id(struct book *b, struct seen *s) {
    (void)map_remove(&b->ids, BYTES_OF(s->id));
    heap_remove(&b->id_expiry, &s->expiry);
    put_spare(b, s);
}

static void drop_key(struct book *b, struct key *k) {
    (void)map_remove(&b->keys, bytes_make(&k->name, sizeof k->name));
    heap_remove(&b->key_expiry, &k->expiry);
    free(k);
}

static struct seen *first_id(const struct book *b) {
    struct heap_node *n = heap_first(&b->id_expiry);
    return n ? (struct seen *)(void *)n : NULL;
}

static struct key *first_key(const struct book *b) {
    struct heap_node *n = heap_first(&b->key_expiry);
    return n ? (struct key *)(void *)n : NULL;
}

void book_free(struct book *b) {
    if (!b) return;
    for (struct key *k = first_key(b); k; k = first_key(b)) {
        drop_key(b, k);
    }
    map_free(&b->ids);
    map_free(&b->keys);
    heap_free(&b->id_expiry);
    heap_free(&b->key_expiry);
    while (b->blocks) { // after the heaps, which forget their nodes
        struct seen_block *block = b->blocks;
        b->blocks = block->next;
        free(block);
    }
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}

/* What is over goes, and what is too much. */
static void tidy(struct book *b, uint64_t now_ns) {
    for (struct seen *s = first_id(b);
         s && (s->expiry.key <= now_ns || b->ids.n >= b->options.ids_max); s = first_id(b)) {
        if (s->expiry.key > now_ns) b->stats.forgotten++;
        drop_id(b, s);
    }
    for (struct key *k = first_key(b);
         k && (k->expiry.key <= now_ns || b->keys.n >= b->options.keys_max); k = first_key(b)) {
        if (k->expiry.key > now_ns) b->stats.forgotten++;
        drop_key(b, k);
    }
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Without memory the order goes on unnoted: a repetition is better than a loss. */
static void note_id(struct book *b, const struct flow_order *o, uint64_t now_ns) {
    struct seen *s = take_spare(b);
    if (!s) return;
    s->id = o->id;
    uint64_t until = later(now_ns + b->options.id_ns, o->expires_ns);
    if (map_put(&b->ids, BYTES_OF(s->id), s, NULL, NULL) != 0) {
        put_spare(b, s);
    } else if (heap_add(&b->id_expiry, &s->expiry, until, NULL) != 0) {
        (void)map_remove(&b->ids, BYTES_OF(s->id));
        put_spare(b, s);
    }
}

static struct key *find_key(const struct book *b, const struct order *o) {
    struct key name = {
        .name = {o->replacement.uuid, o->replacement.signer, o->method == ORDER_SEND_SHARE}};
    return map_get(&b->keys, bytes_make(&name.name, sizeof name.name));
}

static void note_key(struct book *b, struct key *k, const struct flow_order *o, uint64_t now_ns) {
    const struct order_replacement *r = &o->order.replacement;
    uint64_t expires = later(k ? k->expires_ns : 0, o->kept_ns);
    uint64_t until = later(now_ns + b->options.key_ns, expires);
    if (k) {
        k->expires_ns = expires;
        k->before = k->nonce;
        k->nonce = r->nonce;
        k->id = o->id;
        heap_move(&b->key_expiry, &k->expiry, until);
        return;
    }
    k = calloc(1, sizeof *k);
    if (!k) return;
    k->name.uuid = r->uuid;
    k->name.signer = r->signer;
    k->name.share = o->order.method == ORDER_SEND_SHARE;
    k->nonce = r->nonce;
    k->id = o->id;
    k->expires_ns = expires;
    if (map_put(&b->keys, bytes_make(&k->name, sizeof k->name), k, NULL, NULL) != 0) {
        free(k);
    } else if (heap_add(&b->key_expiry, &k->expiry, until, NULL) != 0) {
        (void)map_remove(&b->keys, bytes_make(&k->name, sizeof k->name));
        free(k);
    }
}

/* What a replacement is, beside the one in force. */
static enum book_verdict judge_key(const struct key *k, const struct flow_order *o, bool defaulted,
                                   uint64_t *ret_nonce) {
    const struct order_replacement *r = &o->order.replacement;
    if (!k || r->nonce > k->nonce) return BOOK_NEW;
    if (o->order.method == ORDER_CANCEL_BUNDLE) return BOOK_NEW; // never a duplicate
    if (!defaulted || k->nonce == ORDER_NONCE_FINAL || k->nonce + 1 == ORDER_NONCE_FINAL) {
        return BOOK_STALE;
    }
    *ret_nonce = k->nonce + 1;
    return BOOK_RENUMBER;
}

enum book_verdict book_admit(struct book *b, const struct flow_order *o, bool defaulted,
                             uint64_t now_ns, uint64_t *ret_nonce, struct book_before *ret_before) {
    bool cancel = o->order.method == ORDER_CANCEL_BUNDLE;
    enum book_verdict v = BOOK_NEW;
    *ret_before = (struct book_before){.expires_ns = 0};
    pthread_mutex_lock(&b->lock);
    tidy(b, now_ns);
    b->stats.seen++;
    if (!cancel && map_get(&b->ids, BYTES_OF(o->id))) v = BOOK_DUPLICATE;
    struct key *k = v == BOOK_NEW && o->order.replaces ? find_key(b, &o->order) : NULL;
    if (v == BOOK_NEW && o->order.replaces) v = judge_key(k, o, defaulted, ret_nonce);
    if (v == BOOK_NEW) {
        if (k) *ret_before = (struct book_before){k->id, k->expires_ns, k->journal_ns};
        if (!cancel) note_id(b, o, now_ns);
        if (o->order.replaces) note_key(b, k, o, now_ns);
    }
    if (v == BOOK_DUPLICATE) b->stats.duplicate++;
    if (v == BOOK_STALE) b->stats.stale++;
    pthread_mutex_unlock(&b->lock);
    return v;
}

void book_withdraw(struct book *b, const struct flow_order *o, const struct hash *before) {
    pthread_mutex_lock(&b->lock);
    struct seen *s = map_get(&b->ids, BYTES_OF(o->id));
    if (s) drop_id(b, s);
    struct key *k = o->order.replaces ? find_key(b, &o->order) : NULL;
    if (k && hash_equal(&k->id, &o->id)) { // unless a newer one came in between
        if (hash_is_zero(before)) {
            drop_key(b, k);
        } else {
            k->id = *before;
            k->nonce = k->before;
        }
    }
    pthread_mutex_unlock(&b->lock);
}

bool book_journaled(struct book *b, const struct flow_order *o) {
    if (!o->order.replaces) return true;
    pthread_mutex_lock(&b->lock);
    struct key *k = find_key(b, &o->order);
    bool in_force = !k || hash_equal(&k->id, &o->id);
    if (k && in_force) k->journal_ns = later(k->journal_ns, o->kept_ns);
    pthread_mutex_unlock(&b->lock);
    return in_force;
}

bool book_has(struct book *b, const struct hash *id) {
    pthread_mutex_lock(&b->lock);
    bool has = map_get(&b->ids, BYTES_OF(*id)) != NULL;
    pthread_mutex_unlock(&b->lock);
    return has;
}

bool book_in_force(struct book *b, const struct flow_order *o) {
    if (!o->order.replaces) return true;
    pthread_mutex_lock(&b->lock);
    const struct key *k = find_key(b, &o->order);
    bool in_force = !k || hash_equal(&k->id, &o->id);
    pthread_mutex_unlock(&b->lock);
    return in_force;
}

/* ---- nonces ---- */

uint64_t book_clock(struct book *b, uint64_t now_us) {
    uint64_t last = atomic_load(&b->clock_us), next;
    do {
        next = last >= now_us ? last + 1 : now_us;
    } while (!atomic_compare_exchange_weak(&b->clock_us, &last, next));
    return next;
}

void book_clock_observe(struct book *b, uint64_t nonce_us, uint64_t now_us) {
    if (nonce_us > now_us + BOOK_AHEAD_US) return;
    uint64_t last = atomic_load(&b->clock_us);
    while (last < nonce_us && !atomic_compare_exchange_weak(&b->clock_us, &last, nonce_us)) {
    }
}

struct book_stats book_stats(struct book *b) {
    pthread_mutex_lock(&b->lock);
    struct book_stats s = b->stats;
    s.ids = b->ids.n;
    s.keys = b->keys.n;
    pthread_mutex_unlock(&b->lock);
    return s;
}
