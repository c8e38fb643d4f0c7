/* SPDX-License-Identifier: MIT */
#include "builder/build_order.h"

#include "base/hex.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* An order with its memory. The order comes first, so that one pointer stands for both. */
struct holder {
    struct build_order order;
    struct arena memory;
    atomic_uint holders;
    atomic_int blobs; // enum build_blobs
};

struct work {
    struct arena *a;
    const struct build_context *c;
    struct build_order *o;
    struct build_tx *txs;
    size_t room, count;
    const struct address *senders; // of the feed; NULL: none
    struct error *why;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for an order");
}

static struct holder *holder_new(void) {
    struct holder *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    arena_init(&h->memory, 0);
    atomic_init(&h->holders, 1);
    return h;
}

static void holder_free(struct holder *h) {
    arena_free(&h->memory);
    free(h);
}

const struct build_order *build_order_retain(const struct build_order *o) {
    struct holder *h = (struct holder *)(uintptr_t)o;
    atomic_fetch_add_explicit(&h->holders, 1, memory_order_relaxed);
    return o;
}

void build_order_release(const struct build_order *o) {
    struct holder *h = (struct holder *)(uintptr_t)o;
    if (!h || atomic_fetch_sub_explicit(&h->holders, 1, memory_order_acq_rel) != 1) return;
    holder_free(h);
}

enum build_blobs build_order_blobs(const struct build_order *o) {
    return (enum build_blobs)atomic_load(&((struct holder *)(uintptr_t)o)->blobs);
}

void build_order_set_blobs(const struct build_order *o, enum build_blobs b) {
    atomic_store(&((struct holder *)(uintptr_t)o)->blobs, (int)b);
}

/* Transactions. */

// Blocks of the past come without their blobs.
static int check_blobs(struct work *w, const struct build_tx *t) {
    if (t->sidecar.present) return tx_sidecar_check(&t->tx, &t->sidecar, w->why);
    if (w->c->source == BUILD_FROM_FILE) return 0;
    return error_set(w->why, ERR_INVALID, "blobs without their sidecar");
}

// They use up nonces, which an order of their signer may come after. Not all: each costs a
// recovery.
static int find_authorities(struct work *w, struct build_tx *t) {
    size_t count = t->tx.authorization_count;
    if (count > BUILD_AUTHORITIES_MAX) count = BUILD_AUTHORITIES_MAX;
    struct build_authority *all = arena_new_array(w->a, struct build_authority, count + 1);
    if (!all) return no_memory(w->why);
    t->authorities = all;
    for (size_t i = 0; i < count; i++) {
        const struct tx_authorization *a = &t->tx.authorizations[i];
        struct build_authority *to = &all[t->authority_count];
        if (tx_authority(&to->address, a, NULL) != 0) continue;
        to->nonce = a->nonce;
        t->authority_count++;
    }
    return 0;
}

static int add_tx(struct work *w, struct bytes raw, uint32_t *ret) {
    if (w->count == w->room) {
        return error_set(w->why, ERR_LIMIT, "more than %u transactions", BUILD_TXS_MAX);
    }
    struct build_tx *t = &w->txs[w->count];
    struct bytes copy = arena_copy(w->a, raw);
    if (raw.n && !copy.p) return no_memory(w->why);
    int r = tx_decode_network(&t->tx, &t->sidecar, copy, w->a, w->why);
    if (r == 0 && t->tx.type == TX_DEPOSIT) {
        r = error_set(w->why, ERR_UNSUPPORTED, "a deposit is no user's transaction");
    }
    if (r == 0 && t->tx.protected && t->tx.chain_id != w->c->chain_id) {
        r = error_set(w->why, ERR_INVALID, "is for chain %llu", (unsigned long long)t->tx.chain_id);
    }
    if (r == 0 && t->tx.type == TX_BLOB) r = check_blobs(w, t);
    if (r == 0 && w->senders) {
        t->sender = w->senders[w->count];
    } else if (r == 0 && w->c->senders) {
        r = tx_sender_cached(&t->sender, &t->tx, w->c->senders, w->why);
    } else if (r == 0) {
        r = tx_sender(&t->sender, &t->tx, w->why);
    }
    if (r == 0 && t->tx.authorization_count) r = find_authorities(w, t);
    if (r != 0) return error_wrap(w->why, "transaction %zu", w->count);
    *ret = (uint32_t)w->count++;
    return 0;
}

static bool holds_hash(const struct bundle_hashes *list, const struct hash *h) {
    for (size_t i = 0; i < list->count; i++) {
        if (hash_equal(&list->items[i], h)) return true;
    }
    return false;
}

// What an authorization of the order uses up brings its signer's next nonce.
static void lower_by_authorities(const struct work *w, struct build_nonce *all) {
    for (size_t i = 0; i < w->count; i++) {
        for (size_t k = 0; k < w->txs[i].authority_count; k++) {
            const struct build_authority *a = &w->txs[i].authorities[k];
            for (size_t n = 0; n < w->o->nonce_count; n++) {
                bool brings = address_equal(&all[n].sender, &a->address) && a->nonce < all[n].nonce;
                if (brings) all[n].nonce = a->nonce;
            }
        }
    }
}

// The least nonces of each sender.
static int collect_nonces(struct work *w) {
    struct build_nonce *all = arena_new_array(w->a, struct build_nonce, w->count + 1);
    if (!all) return no_memory(w->why);
    size_t n = 0;
    w->o->optional = true;
    for (size_t i = 0; i < w->count; i++) {
        const struct build_tx *t = &w->txs[i];
        struct build_nonce *at = NULL;
        for (size_t k = 0; k < n && !at; k++) {
            if (address_equal(&all[k].sender, &t->sender)) at = &all[k];
        }
        if (!at) {
            at = &all[n++];
            *at = (struct build_nonce){t->sender, t->tx.nonce, BUILD_NONCE_NONE};
        }
        if (t->tx.nonce < at->nonce) at->nonce = t->tx.nonce;
        if (t->optional) continue;
        w->o->optional = false;
        if (t->tx.nonce < at->needed) at->needed = t->tx.nonce;
    }
    w->o->nonces = all;
    w->o->nonce_count = n;
    lower_by_authorities(w, all);
    return 0;
}

/* Bundles. */

static int check_version(const struct bundle *b, bool *ret_first, struct error *why) {
    bool given = b->fields & BUNDLE_VERSION && b->version.n != 0;
    *ret_first = given && bytes_equal_str(b->version, "v1");
    if (given && !*ret_first && !bytes_equal_str(b->version, "v2")) {
        return error_set(why, ERR_UNSUPPORTED, "version: unsupported bundle version");
    }
    if (!*ret_first) return 0;
    const char *field = NULL;
    if (b->dropping.count) field = "droppingTxHashes";
    if (b->fields & BUNDLE_REFUND_PERCENT && b->refund_percent) field = "refundPercent";
    if (b->fields & BUNDLE_REFUND_RECIPIENT) field = "refundRecipient";
    if (b->refund_txs.count) field = "refundTxHashes";
    if (b->fields & BUNDLE_DELAYED_REFUND && b->delayed_refund) field = "delayedRefund";
    return field ? error_set(why, ERR_INVALID, "%s: not in a bundle of version v1", field) : 0;
}

// The replacement key: uuid wins over replacementUuid; nonce and signer belong to it.
static int bundle_key(struct order_replacement *ret, bool *ret_has, const struct feed_order *f,
                      struct error *why) {
    const struct bundle *b = &f->bundle;
    *ret_has = order_replacement_of(ret, b);
    if (!*ret_has) return 0;
    if (!(b->fields & BUNDLE_SIGNING_ADDRESS) && f->has_signer) ret->signer = f->signer;
    bool signer = b->fields & BUNDLE_SIGNING_ADDRESS || f->has_signer;
    if (signer && b->fields & BUNDLE_REPLACEMENT_NONCE) return 0;
    return error_set(why, ERR_INVALID, "replacementUuid: Incorrect replacement data");
}

static int bundle_refund(struct work *w, const struct bundle *b) {
    struct build_refund *refund = &w->o->refund;
    uint64_t percent = b->fields & BUNDLE_REFUND_PERCENT ? b->refund_percent : 0;
    if (percent >= 100) return error_set(w->why, ERR_RANGE, "refundPercent: 100 or more");
    if (b->refund_txs.count > 1) {
        return error_set(w->why, ERR_LIMIT, "refundTxHashes: more than one");
    }
    if (percent == 0) return 0;
    *refund = (struct build_refund){
        .percent = (uint8_t)percent,
        .delayed = b->fields & BUNDLE_DELAYED_REFUND && b->delayed_refund,
        .tx = (uint32_t)w->count - 1,
        .recipient = b->fields & BUNDLE_REFUND_RECIPIENT ? b->refund_recipient : w->txs[0].sender,
    };
    if (b->refund_txs.count == 0) return 0;
    for (uint32_t i = 0; i < w->count; i++) {
        if (!hash_equal(&w->txs[i].tx.hash, &b->refund_txs.items[0])) continue;
        refund->tx = i;
        return 0;
    }
    return error_set(w->why, ERR_INVALID, "refundTxHashes: no transaction of the bundle");
}

static int bundle_ids(struct work *w, const struct bundle *b) {
    struct hash *hashes = arena_new_array(w->a, struct hash, w->count);
    struct uuid uuid;
    if (!hashes) return no_memory(w->why);
    for (size_t i = 0; i < w->count; i++) {
        hashes[i] = w->txs[i].tx.hash;
    }
    int r = order_bundle_uuid(&uuid, b, ORDER_READING_RUST, hashes, w->count, &w->txs[0].sender,
                              w->a, w->why);
    if (r != 0) return r;
    memcpy(w->o->id.b, uuid.b, sizeof uuid.b);
    w->o->bundle_hash =
        b->fields & BUNDLE_HASH ? b->bundle_hash : order_bundle_hash(hashes, w->count);
    return 0;
}

static int bundle_body(struct work *w, const struct bundle *b) {
    struct build_item *items = arena_new_array(w->a, struct build_item, b->txs.count);
    if (!items) return no_memory(w->why);
    for (size_t i = 0; i < b->txs.count; i++) {
        int r = add_tx(w, b->txs.items[i], &items[i].tx);
        if (r != 0) return r;
        struct build_tx *t = &w->txs[i];
        items[i].may_revert = holds_hash(&b->reverting, &t->tx.hash);
        items[i].may_drop = holds_hash(&b->dropping, &t->tx.hash);
        t->optional = items[i].may_drop || items[i].may_revert;
        t->may_revert = items[i].may_revert && !items[i].may_drop;
    }
    w->o->root = (struct build_group){.items = items, .count = b->txs.count};
    return 0;
}

static int take_bundle(struct build_request *ret, struct work *w, const struct feed_order *f) {
    const struct bundle *b = &f->bundle;
    struct build_order *o = w->o;
    bool first;
    int r = check_version(b, &first, w->why);
    if (r == 0) r = bundle_key(&o->key, &o->has_key, f, w->why);
    if (r != 0) return r;
    uint64_t block = b->fields & BUNDLE_BLOCK_NUMBER ? b->block_number : 0;
    if (b->txs.count == 0) {
        if (!o->has_key) return error_set(w->why, ERR_INVALID, "txs: a bundle with no txs");
        ret->kind = BUILD_REQUEST_CANCEL;
        ret->cancel = (struct build_cancel){o->key, 0};
        return 0;
    }
    r = bundle_body(w, b);
    if (r == 0) r = bundle_refund(w, b);
    if (r == 0) r = bundle_ids(w, b);
    o->kind = BUILD_BUNDLE;
    o->first_block = o->last_block = block;
    o->min_timestamp = b->fields & BUNDLE_MIN_TIMESTAMP ? b->min_timestamp : 0;
    bool bounded = b->fields & BUNDLE_MAX_TIMESTAMP && b->max_timestamp != 0;
    o->max_timestamp = bounded ? b->max_timestamp : UINT64_MAX;
    if (b->fields & BUNDLE_SIGNING_ADDRESS) {
        o->has_signer = true;
        o->signer = b->signing_address;
    }
    if (b->fields & BUNDLE_REFUND_IDENTITY) {
        o->has_refund_identity = true;
        o->refund_identity = b->refund_identity;
    }
    if (r == 0 && o->min_timestamp > o->max_timestamp) {
        r = error_set(w->why, ERR_RANGE, "maxTimestamp: before minTimestamp");
    }
    return r;
}

/* Share bundles. */

static int share_refunds(struct build_group *g, struct work *w, const struct share_bundle *b) {
    uint64_t sum = 0;
    g->refunds = arena_new_array(w->a, struct share_refund, b->refund_count + 1);
    g->refund_configs =
        arena_new_array(w->a, struct share_refund_config, b->refund_config_count + 1);
    if (!g->refunds || !g->refund_configs) return no_memory(w->why);
    for (size_t i = 0; i < b->refund_count; i++) {
        const struct share_refund *refund = &b->refunds[i];
        if (refund->body_index >= b->body_count) {
            return error_set(w->why, ERR_RANGE, "validity.refund[%zu]: no such body item", i);
        }
        if (refund->percent > 100 || (sum += refund->percent) > 100) {
            return error_set(w->why, ERR_RANGE, "Total refund percent exceeds 100");
        }
        ((struct share_refund *)(uintptr_t)g->refunds)[i] = *refund;
    }
    sum = 0;
    for (size_t i = 0; i < b->refund_config_count; i++) {
        const struct share_refund_config *config = &b->refund_configs[i];
        if (config->percent > 100 || (sum += config->percent) > 100) {
            return error_set(w->why, ERR_RANGE, "Total refund config percent exceeds 100");
        }
        ((struct share_refund_config *)(uintptr_t)g->refund_configs)[i] = *config;
    }
    g->refund_count = b->refund_count;
    g->refund_config_count = b->refund_config_count;
    return 0;
}

static int share_group(struct build_group *g, struct work *w, const struct share_bundle *b,
                       unsigned depth, bool optional) {
    if (depth > BUILD_SHARE_DEPTH) return error_set(w->why, ERR_LIMIT, "Bundle too deep");
    if (!share_version_is_known(b->version)) {
        return error_set(w->why, ERR_UNSUPPORTED, "Incorrect version");
    }
    if (b->body_count == 0) return error_set(w->why, ERR_INVALID, "Empty body");
    struct build_item *items = arena_new_array(w->a, struct build_item, b->body_count);
    if (!items) return no_memory(w->why);
    g->items = items;
    g->count = b->body_count;
    for (size_t i = 0; i < b->body_count; i++) {
        const struct share_item *in = &b->body[i];
        bool drop = in->has_revert_mode && in->revert_mode == REVERT_MODE_DROP;
        bool allow = in->has_revert_mode ? in->revert_mode == REVERT_MODE_ALLOW : in->can_revert;
        items[i].may_drop = drop;
        items[i].may_revert = allow;
        int r = 0;
        if (in->has_tx) {
            r = add_tx(w, in->tx, &items[i].tx);
            if (r != 0) return r;
            w->txs[items[i].tx].optional = optional || drop || allow;
            w->txs[items[i].tx].may_revert = allow;
        } else if (in->bundle) {
            struct build_group *inner = arena_new(w->a, struct build_group);
            items[i].group = inner;
            r = inner ? share_group(inner, w, in->bundle, depth + 1, optional || drop || allow)
                      : no_memory(w->why);
        } else {
            r = error_set(w->why, ERR_INVALID, "body[%zu]: Empty body", i);
        }
        if (r != 0) return r;
    }
    return share_refunds(g, w, b);
}

static int take_share(struct build_request *ret, struct work *w, const struct feed_order *f) {
    const struct share_bundle *b = &f->share;
    struct build_order *o = w->o;
    bool signer = b->has_signer || f->has_signer;
    o->has_key = b->has_replacement_uuid && b->has_nonce && signer;
    o->key = (struct order_replacement){b->replacement_uuid, b->has_signer ? b->signer : f->signer,
                                        b->replacement_nonce};
    if (b->cancelled) {
        if (!o->has_key) {
            return error_set(w->why, ERR_INVALID, "metadata: Incorrect replacement data");
        }
        ret->kind = BUILD_REQUEST_CANCEL;
        ret->cancel = (struct build_cancel){o->key, b->block};
        return 0;
    }
    int r = share_group(&o->root, w, b, 0, false);
    if (r != 0) return r;
    o->kind = BUILD_SHARE;
    o->first_block = b->block;
    o->last_block = b->has_max_block ? b->max_block : b->block;
    o->max_timestamp = UINT64_MAX;
    if (o->last_block < o->first_block) {
        return error_set(w->why, ERR_RANGE, "inclusion.maxBlock: before block");
    }
    if (b->has_signer) {
        o->has_signer = true;
        o->signer = b->signer;
    }
    r = order_share_hash(&o->id, b, ORDER_READING_RUST, w->a, w->why);
    o->bundle_hash = o->id;
    return r;
}

/* Transactions as orders. */

static int take_tx(struct work *w, struct bytes raw) {
    struct build_order *o = w->o;
    struct build_item *item = arena_new(w->a, struct build_item);
    if (!item) return no_memory(w->why);
    int r = add_tx(w, raw, &item->tx);
    if (r != 0) return r;
    item->may_revert = w->txs[0].may_revert = true; // one that fails still pays
    o->kind = BUILD_TX;
    o->id = o->bundle_hash = w->txs[0].tx.hash;
    o->max_timestamp = UINT64_MAX;
    o->root = (struct build_group){.items = item, .count = 1};
    return 0;
}

static int take(struct build_request *ret, struct work *w, const struct feed_order *f) {
    ret->kind = BUILD_REQUEST_ORDER;
    switch (f->method) {
    case FEED_SEND_BUNDLE:
        return take_bundle(ret, w, f);
    case FEED_SEND_SHARE:
        return take_share(ret, w, f);
    case FEED_SEND_RAW_TX:
        return take_tx(w, f->raw);
    case FEED_CANCEL:
        if (!f->has_signer) {
            return error_set(w->why, ERR_INVALID, "signingAddress: Incorrect replacement data");
        }
        ret->kind = BUILD_REQUEST_CANCEL;
        ret->cancel = (struct build_cancel){{f->cancel_uuid, f->signer, ORDER_NONCE_FINAL}, 0};
        return 0;
    case FEED_SUBSIDISE:
        ret->kind = BUILD_REQUEST_SUBSIDY;
        ret->subsidy_block = f->subsidy_block;
        return 0;
    case FEED_METHOD_END:
        break;
    }
    return error_set(w->why, ERR_UNSUPPORTED, "unknown method");
}

// How many transactions an order names at most; share trees are counted on the way.
static size_t txs_of(const struct feed_order *f) {
    if (f->method == FEED_SEND_RAW_TX) return 1;
    if (f->method == FEED_SEND_SHARE) return BUILD_TXS_MAX;
    return f->bundle.txs.count < BUILD_TXS_MAX ? f->bundle.txs.count : BUILD_TXS_MAX;
}

int build_request_of(struct build_request *ret, const struct feed_order *f,
                     const struct build_context *c, struct error *why) {
    struct holder *h = holder_new();
    struct build_request request = {0};
    struct error local;
    if (!h) return no_memory(why);
    struct build_order *o = &h->order;
    o->source = c->source;
    o->priority = f->priority;
    o->from_peer = f->from_peer;
    o->received_ns = f->received_ns;
    o->has_signer = f->has_signer;
    o->signer = f->signer;
    o->has_refund_identity = f->has_refund_identity;
    o->refund_identity = f->refund_identity;
    struct work w = {.a = &h->memory, .c = c, .o = o, .room = txs_of(f), .why = why ? why : &local};
    if (f->sender_count) w.senders = f->senders;
    w.txs = arena_new_array(w.a, struct build_tx, w.room + 1);
    int r = w.txs ? take(&request, &w, f) : no_memory(why);
    if (r == 0 && request.kind == BUILD_REQUEST_ORDER) r = collect_nonces(&w);
    if (r != 0 || request.kind != BUILD_REQUEST_ORDER) {
        holder_free(h);
        if (r == 0) *ret = request;
        return r;
    }
    o->txs = w.txs;
    o->tx_count = w.count;
    o->bytes = sizeof *h + h->memory.used_bytes;
    bool blobs = false;
    for (size_t i = 0; i < w.count; i++) {
        blobs |= w.txs[i].sidecar.present;
    }
    // The node's pool has looked at those that come from it.
    bool known = !blobs || c->source == BUILD_FROM_MEMPOOL;
    atomic_init(&h->blobs, known ? BUILD_BLOBS_GOOD : BUILD_BLOBS_UNKNOWN);
    request.order = o;
    *ret = request;
    return 0;
}

int build_order_of_tx(struct build_order **ret, struct bytes raw, const struct address *sender,
                      const struct build_context *c, struct error *why) {
    struct feed_order f = {
        .method = FEED_SEND_RAW_TX, .raw = raw, .senders = sender, .sender_count = sender ? 1 : 0};
    struct build_request request;
    int r = build_request_of(&request, &f, c, why);
    if (r == 0) *ret = request.order;
    return r;
}

// Nothing of it could stand before one of its nonces is reached.
static bool is_all_ahead(const struct build_order *o, const uint64_t *now) {
    for (size_t i = 0; i < o->nonce_count; i++) {
        if (now[i] >= o->nonces[i].nonce) return false;
    }
    return true;
}

enum build_reach build_order_reach(const struct build_order *o, const uint64_t *now, size_t *at) {
    if (o->optional) return *at == 0 && is_all_ahead(o, now) ? BUILD_AHEAD : BUILD_REACHED;
    for (; *at < o->nonce_count; ++*at) {
        const struct build_nonce *n = &o->nonces[*at];
        if (n->needed == BUILD_NONCE_NONE) continue;
        if (now[*at] > n->needed) return BUILD_PASSED;
        if (now[*at] < n->nonce) return BUILD_AHEAD;
    }
    return BUILD_REACHED;
}

struct address build_order_identity(const struct build_order *o) {
    if (o->has_refund_identity) return o->refund_identity;
    return o->has_signer ? o->signer : o->txs[0].sender;
}

void build_order_name(char ret[BUILD_ORDER_NAME_MAX], const struct build_order *o) {
    char text[65] = "";
    if (o->kind == BUILD_BUNDLE) {
        struct uuid u;
        memcpy(u.b, o->id.b, sizeof u.b);
        uuid_format(text, &u);
        (void)snprintf(ret, BUILD_ORDER_NAME_MAX, "bundle:%.36s", text);
        return;
    }
    hex_encode(text, BYTES_OF(o->id));
    (void)snprintf(ret, BUILD_ORDER_NAME_MAX, "%s:0x%.64s", o->kind == BUILD_TX ? "tx" : "share",
                   text);
}
