/* SPDX-License-Identifier: MIT */
#include "node/dev.h"

#include "base/hex.h"
#include "chain/head.h"
#include "chain/txpool.h"
#include "crypto/keccak.h"
#include "node/chain_file.h"
#include "node/payload.h"

#include <stdio.h>
#include <stdlib.h>

#define SAFE_DISTANCE 32u
#define FINAL_DISTANCE 64u
#define GATHER_NS (2 * NS_PER_MS) /* transactions that come together share a block */
#define MINE_MAX 1024u
#define REORG_MAX 64u

struct dev {
    struct node *node;
    struct producer *producer; // with `making`
    pthread_mutex_t making;    // one block at a time
    struct address fee_recipient;
    pthread_t thread;
    bool started;
    int subscription;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t wanted;
    bool work, stopping;
    bool manual;             // transactions make no blocks
    _Atomic int64_t shift_s; // of the blocks' clock
    _Atomic uint64_t next_s; // timestamp of the next block; 0: what the clock says
};

int node_fee_recipient(const struct node *n, struct address *ret, struct error *why) {
    const char *text = n->values->fee_recipient;
    struct ecdsa_secret_key key;
    if (!text || !*text) return genesis_dev_key(&key, ret, 0, why);
    struct bytes digits = bytes_from_str(text);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n != 40 || hex_decode(ret->b, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "--fee-recipient %.60s: not an address", text);
    }
    return 0;
}

int node_marks(const struct node *n, uint64_t number, uint64_t safe_distance,
               uint64_t final_distance, struct node_marks *ret, struct error *why) {
    uint64_t first = n->genesis->header.number;
    uint64_t safe = number > first + safe_distance ? number - safe_distance : first;
    uint64_t final = number > first + final_distance ? number - final_distance : first;
    int r = head_hash_of(n->head, &ret->safe, safe, why);
    return r == 0 ? head_hash_of(n->head, &ret->finalized, final, why) : r;
}

// One block

static struct hash derive(const struct hash *parent, const char *what) {
    uint8_t text[64];
    memcpy(text, parent->b, 32);
    memset(text + 32, 0, 32);
    (void)memccpy(text + 32, what, 0, 31);
    return keccak256(bytes_make(text, sizeof text));
}

static int make_block(struct dev *d, const struct hash *parent, uint64_t parent_timestamp,
                      const char *flavour, struct hash *ret_hash, uint64_t *ret_timestamp,
                      struct error *why) {
    struct node *n = d->node;
    struct built *b;
    struct head_verdict verdict;
    uint64_t now_s = dev_clock_s(d), exact_s = atomic_exchange(&d->next_s, 0);
    struct engine_attributes v = {
        .timestamp = exact_s                    ? exact_s
                     : now_s > parent_timestamp ? now_s
                                                : parent_timestamp + 1,
        .prev_randao = derive(parent, flavour),
        .fee_recipient = d->fee_recipient,
        .has_withdrawals = true,
        .has_beacon_root = true,
        .beacon_root = derive(parent, "beacon root"),
    };
    int r = payload_build(&b, n, d->producer, parent, &v, why);
    if (r != 0) return r;
    r = head_import(n->head, &verdict, b->sealed.rlp, why);
    if (r == 0 && verdict.status != HEAD_VALID && verdict.status != HEAD_KNOWN) {
        if (why) *why = verdict.reason;
        r = error_wrap(why, "a block made here is refused");
    }
    *ret_hash = b->sealed.hash;
    *ret_timestamp = v.timestamp;
    built_release(b);
    return r;
}

static int set_head(struct dev *d, const struct hash *hash, uint64_t number, struct error *why) {
    struct node_marks marks;
    struct node *n = d->node;
    // Marks are named by number: of the chain as it is when the head has moved.
    int r = head_set(n->head, hash, NULL, NULL, why);
    if (r == 0) r = node_marks(n, number, SAFE_DISTANCE, FINAL_DISTANCE, &marks, why);
    return r == 0 ? head_set(n->head, hash, &marks.safe, &marks.finalized, why) : r;
}

struct wish {
    unsigned back, count; // blocks, on the one that is `back` blocks behind the head
    uint64_t interval_s;  // between them; 0: as the clock says
    const char *flavour;
    bool if_pending; // none when nothing waits
};

static int mine_on(struct dev *d, const struct head_block *parent, const struct wish *w,
                   struct hash *ret_hash, struct error *why) {
    struct hash hash = parent->hash;
    uint64_t timestamp = parent->block.header.timestamp;
    int r = 0;
    for (unsigned i = 0; i < w->count && r == 0; i++) {
        if (i && w->interval_s) atomic_store(&d->next_s, timestamp + w->interval_s);
        r = make_block(d, &hash, timestamp, w->flavour, &hash, &timestamp, why);
    }
    if (r == 0) r = set_head(d, &hash, parent->block.header.number + w->count, why);
    *ret_hash = hash;
    return r;
}

static int mine(struct dev *d, const struct wish *w, struct hash *ret_hash, struct error *why) {
    const struct head_block *latest, *parent = NULL;
    size_t pending, queued;
    (void)pthread_mutex_lock(&d->making);
    txpool_count(d->node->txpool, &pending, &queued);
    if (w->if_pending && !pending) {
        (void)pthread_mutex_unlock(&d->making);
        return 0;
    }
    latest = head_latest(d->node->head);
    uint64_t number = latest->block.header.number;
    int r = number - d->node->genesis->header.number < w->back
                ? error_set(why, ERR_RANGE, "the chain is shorter than %u blocks", w->back)
                : head_block_by_number(d->node->head, &parent, number - w->back, why);
    head_block_release(latest);
    if (r == 0) r = mine_on(d, parent, w, ret_hash, why);
    head_block_release(parent);
    (void)pthread_mutex_unlock(&d->making);
    return r;
}

// The thread

static void on_pending(void *context, struct pool_tx *t) {
    struct dev *d = context;
    (void)t;
    (void)pthread_mutex_lock(&d->lock);
    d->work = true;
    (void)pthread_cond_signal(&d->wanted);
    (void)pthread_mutex_unlock(&d->lock);
}

static void wait_for(struct dev *d, uint64_t ns) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    ns += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    (void)pthread_cond_timedwait(&d->wanted, &d->lock, &until);
}

static void make_one(struct dev *d, bool if_pending) {
    const struct wish w = {.count = 1, .flavour = "dev", .if_pending = if_pending};
    struct hash hash;
    struct error why = {0};
    (void)pthread_mutex_unlock(&d->lock);
    if (mine(d, &w, &hash, &why) != 0) log_error(d->node->log, "dev_block", F_ERR(&why));
    (void)pthread_mutex_lock(&d->lock);
}

static void *run(void *context) {
    struct dev *d = context;
    const struct clock *clock = loop_clock(d->node->loop);
    uint64_t period = d->node->values->dev_period_ns;
    uint64_t due = clock_monotonic_ns(clock) + period;
    (void)pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        uint64_t now = clock_monotonic_ns(clock);
        if (period && now < due) {
            wait_for(d, due - now);
        } else if (period) {
            due = now - (now - due) % period + period;
            make_one(d, false);
        } else if (!d->work || d->manual) {
            wait_for(d, NS_PER_S);
        } else {
            wait_for(d, GATHER_NS);
            d->work = false;
            make_one(d, true);
        }
    }
    (void)pthread_mutex_unlock(&d->lock);
    return NULL;
}

// Methods

// dev_mine([count]): that many blocks now. Gives the hash of the last.
static int call_mine(struct node_call *c, struct error *why) {
    uint64_t count;
    struct hash hash;
    int r = node_param_count(c, &count, MINE_MAX, why);
    if (r != 0) return r;
    if (count == 0) {
        (void)error_set(why, ERR_RANGE, "at least 1");
        return node_bad_params(c, why);
    }
    const struct wish w = {.count = (unsigned)count, .flavour = "dev"};
    r = mine(c->context, &w, &hash, why);
    if (r == 0) json_add_data(c->result, NULL, BYTES_OF(hash));
    return r;
}

// dev_reorg([depth]): replaces the last blocks by others, one more of them. Gives the new head.
static int call_reorg(struct node_call *c, struct error *why) {
    uint64_t depth;
    struct hash hash;
    int r = node_param_count(c, &depth, REORG_MAX, why);
    if (r != 0) return r;
    const struct wish w = {
        .back = (unsigned)depth, .count = (unsigned)depth + 1, .flavour = "reorg"};
    r = mine(c->context, &w, &hash, why);
    if (r == ERR_RANGE) return node_bad_params(c, why);
    if (r == 0) json_add_data(c->result, NULL, BYTES_OF(hash));
    return r;
}

static const struct node_method methods[] = {
    {"dev_mine", call_mine, NODE_USER},
    {"dev_reorg", call_reorg, NODE_USER},
};

// For test tools

int dev_mine(struct dev *d, unsigned count, uint64_t interval_s, struct hash *ret_hash,
             struct error *why) {
    const struct wish w = {.count = count, .interval_s = interval_s, .flavour = "dev"};
    return mine(d, &w, ret_hash, why);
}

// Takes the transactions of a block, and of those before it down to number `until`, out of the
// pool.
static void forget_txs(struct dev *d, const struct head_block *b, uint64_t until) {
    while (b && b->block.header.number > until) {
        const struct head_block *parent = NULL;
        for (size_t i = 0; i < b->block.tx_count; i++) {
            (void)txpool_remove(d->node->txpool, &b->block.txs[i].hash);
        }
        if (head_block_by_hash(d->node->head, &parent, &b->block.header.parent_hash, NULL) != 0) {
            parent = NULL;
        }
        head_block_release(b);
        b = parent;
    }
    head_block_release(b);
}

int dev_move_head(struct dev *d, const struct hash *hash, struct error *why) {
    const struct head_block *b;
    int r = head_block_by_hash(d->node->head, &b, hash, why);
    if (r != 0) return r;
    (void)pthread_mutex_lock(&d->making);
    const struct head_block *latest = head_latest(d->node->head);
    r = set_head(d, hash, b->block.header.number, why);
    // What was undone stays undone: its transactions do not come back by themselves.
    if (r == 0) {
        forget_txs(d, latest, b->block.header.number);
    } else {
        head_block_release(latest);
    }
    (void)pthread_mutex_unlock(&d->making);
    head_block_release(b);
    return r;
}

int64_t dev_shift_clock(struct dev *d, int64_t seconds) {
    return atomic_fetch_add(&d->shift_s, seconds) + seconds;
}

uint64_t dev_clock_s(struct dev *d) {
    int64_t now_s = (int64_t)(clock_wall_ns(loop_clock(d->node->loop)) / NS_PER_S);
    now_s += atomic_load(&d->shift_s);
    return now_s > 0 ? (uint64_t)now_s : 0;
}

void dev_set_next_timestamp(struct dev *d, uint64_t timestamp) {
    atomic_store(&d->next_s, timestamp);
}

void dev_set_automine(struct dev *d, bool on) {
    (void)pthread_mutex_lock(&d->lock);
    d->manual = !on;
    if (on) d->work = true;
    (void)pthread_cond_signal(&d->wanted);
    (void)pthread_mutex_unlock(&d->lock);
}

bool dev_automine(struct dev *d) {
    (void)pthread_mutex_lock(&d->lock);
    bool on = !d->manual;
    (void)pthread_mutex_unlock(&d->lock);
    return on;
}

// Life

int dev_open(struct dev **ret, struct node *n, struct error *why) {
    struct dev *d = calloc(1, sizeof *d);
    pthread_condattr_t attributes;
    if (!d) return error_set(why, ERR_NO_MEMORY, "no memory for a development chain");
    d->node = n;
    *ret = d;
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_mutex_init(&d->making, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->wanted, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = node_fee_recipient(n, &d->fee_recipient, why);
    if (r == 0) r = producer_new(&d->producer, n->head, NULL, why);
    if (r == 0) r = node_add_methods(n, methods, sizeof methods / sizeof methods[0], d, why);
    return r == 0 ? rpc_dev_add(n, d, why) : r;
}

int dev_start(struct dev *d, struct error *why) {
    size_t pending, queued;
    d->subscription = txpool_subscribe(d->node->txpool, on_pending, d, why);
    if (d->subscription < 0) return d->subscription;
    txpool_count(d->node->txpool, &pending, &queued);
    d->work = pending > 0;
    int os = pthread_create(&d->thread, NULL, run, d);
    if (os != 0) return error_set_os(why, ERR_IO, os, "cannot start the development chain");
    d->started = true;
    return 0;
}

void dev_close(struct dev *d) {
    if (!d) return;
    if (d->subscription > 0) txpool_unsubscribe(d->node->txpool, d->subscription);
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    (void)pthread_cond_signal(&d->wanted);
    (void)pthread_mutex_unlock(&d->lock);
    if (d->started) (void)pthread_join(d->thread, NULL);
    producer_free(d->producer);
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_mutex_destroy(&d->making);
    (void)pthread_cond_destroy(&d->wanted);
    free(d);
}

void dev_announce(unsigned accounts) {
    (void)fprintf(stderr, "\nAccounts of this development chain, 10,000 ether each. Their keys are "
                          "public: never use them elsewhere.\n\n");
    for (unsigned i = 0; i < accounts && i < DEV_ACCOUNTS_MAX; i++) {
        struct ecdsa_secret_key key;
        struct address address;
        char a[41] = {0}, k[65] = {0};
        if (genesis_dev_key(&key, &address, i, NULL) != 0) return;
        hex_encode(a, BYTES_OF(address));
        hex_encode(k, bytes_make(key.b, sizeof key.b));
        (void)fprintf(stderr, "(%u) 0x%s  key 0x%s\n", i, a, k);
    }
    (void)fprintf(stderr, "\n");
}
