/* SPDX-License-Identifier: MIT */
#include "orderflow/order_request.h"

#include "eth/tx_check.h"

static const struct method_row {
    const char *name;
    bool second; /* known to the second generation */
} methods[ORDER_METHOD_COUNT] = {
    [ORDER_SEND_BUNDLE] = {"eth_sendBundle", true},
    [ORDER_SEND_RAW_TX] = {"eth_sendRawTransaction", true},
    [ORDER_SEND_SHARE] = {"mev_sendBundle", false},
    [ORDER_CANCEL_BUNDLE] = {"eth_cancelBundle", false},
    [ORDER_SUBSIDISE] = {"bid_subsidiseBlock", false},
};

const char *order_method_name(enum order_method m) {
    return methods[m].name;
}

int order_method_find(struct bytes name, enum order_generation generation) {
    for (int m = 0; m < ORDER_METHOD_COUNT; m++) {
        if (bytes_equal_str(name, methods[m].name)) {
            return generation == ORDER_FIRST || methods[m].second ? m : -1;
        }
    }
    return -1;
}

static bool is_version(const struct bundle *b, const char *version) {
    return b->fields & BUNDLE_VERSION && bytes_equal_str(b->version, version);
}

static int invalid(struct error *why, const char *text) {
    return error_set(why, ERR_INVALID, "%s", text);
}

/* What the first generation's peers may not send in a bundle of version 1. */
static int check_first_system(const struct bundle *b, struct error *why) {
    if (b->version.n == 0) return invalid(why, "version field should be set");
    if (!is_version(b, "v1")) return 0;
    if (b->dropping.count > 0) return invalid(why, "dropping tx hashes field should not be set");
    if (b->fields & BUNDLE_REFUND_PERCENT) {
        return invalid(why, "refund percent field should not be set");
    }
    if (b->fields & BUNDLE_REFUND_RECIPIENT) {
        return invalid(why, "refund recipient field should not be set");
    }
    if (b->refund_txs.count > 0) {
        return invalid(why, "refund tx hashes field should not be set");
    }
    return 0;
}

static void set_version(struct bundle *b) {
    b->version = BYTES_LIT("v2");
    b->fields |= BUNDLE_VERSION;
}

static void set_signer(struct bundle *b, const struct address *signer) {
    b->signing_address = *signer;
    b->fields |= BUNDLE_SIGNING_ADDRESS;
}

static void set_nonce(struct bundle *b, uint64_t nonce) {
    if (!(b->fields & (BUNDLE_REPLACEMENT_UUID | BUNDLE_UUID)) ||
        b->fields & BUNDLE_REPLACEMENT_NONCE) {
        return;
    }
    b->replacement_nonce = nonce;
    b->fields |= BUNDLE_REPLACEMENT_NONCE;
}

/* Peers of the second generation, and our own streams, have one byte for it. */
static int check_percent(const struct bundle *b, struct error *why) {
    bool fits = !(b->fields & BUNDLE_REFUND_PERCENT) || b->refund_percent <= UINT8_MAX;
    return fits ? 0 : error_set(why, ERR_RANGE, "refundPercent: is above 255");
}

static int judge_first(struct bundle *b, const struct order_context *c, struct error *why) {
    if (b->fields & BUNDLE_UUID) {
        if (b->fields & BUNDLE_REPLACEMENT_UUID) {
            return invalid(why, "one of uuid or replacementUuid fields should be empty");
        }
        b->replacement_uuid = b->uuid;
        b->fields = (b->fields & ~(unsigned)BUNDLE_UUID) | BUNDLE_REPLACEMENT_UUID;
    }
    if (!c->system && b->fields & BUNDLE_SIGNING_ADDRESS) {
        return invalid(why, "signing address field should not be set");
    }
    if (!(b->fields & BUNDLE_VERSION)) b->version = (struct bytes){NULL, 0};
    if (b->version.n > 0 && !is_version(b, "v1") && !is_version(b, "v2")) {
        return invalid(why, "invalid version");
    }
    if (b->refund_txs.count > 1) {
        return invalid(why, "no more than one refund tx hash is allowed");
    }
    int r = check_percent(b, why);
    if (r != 0) return r;
    if (c->system) return check_first_system(b, why);
    set_signer(b, &c->signer);
    if (b->version.n == 0) set_version(b);
    set_nonce(b, c->now_us);
    return 0;
}

/* The fields that came with version 2. */
static int check_second_version(const struct bundle *b, struct error *why) {
    if (!(b->fields & BUNDLE_VERSION) || is_version(b, "v2")) return 0;
    if (!is_version(b, "v1")) {
        return error_set(why, ERR_UNSUPPORTED, "version: \"%.*s\" is not supported",
                         (int)(b->version.n < 32 ? b->version.n : 32), (const char *)b->version.p);
    }
    const char *extra = b->dropping.count > 0                 ? "droppingTxHashes"
                        : b->fields & BUNDLE_REFUND_PERCENT   ? "refundPercent"
                        : b->fields & BUNDLE_REFUND_RECIPIENT ? "refundRecipient"
                        : b->fields & BUNDLE_REFUND_TXS       ? "refundTxHashes"
                        : b->fields & BUNDLE_DELAYED_REFUND   ? "delayedRefund"
                                                              : NULL;
    return extra ? error_set(why, ERR_INVALID, "%s: is not supported by version v1", extra) : 0;
}

static int decode_tx(struct order_tx *ret, struct bytes raw, struct arena *a, struct error *why) {
    if (raw.n == 0) return error_set(why, ERR_SYNTAX, "is empty");
    int r = tx_decode_network(&ret->tx, &ret->sidecar, raw, a, why);
    if (r != 0) return r;
    if (ret->tx.type == TX_DEPOSIT) return error_set(why, ERR_UNSUPPORTED, "is a deposit");
    if (ret->tx.type == TX_BLOB && !ret->sidecar.present) {
        return error_set(why, ERR_INVALID, "is a blob transaction without its sidecar");
    }
    return 0;
}

static int recover(struct order_tx *t, const struct order_context *c, struct error *why) {
    return c->senders ? tx_sender_cached(&t->sender, &t->tx, c->senders, why)
                      : tx_sender(&t->sender, &t->tx, why);
}

static int decode_txs(struct order *o, const struct order_context *c, struct arena *a,
                      struct error *why) {
    size_t n = o->bundle.txs.count;
    struct order_tx *txs = arena_new_array(a, struct order_tx, n);
    if (!txs) return error_set(why, ERR_LIMIT, "txs: do not fit their memory limit");
    for (size_t i = 0; i < n; i++) {
        int r = decode_tx(&txs[i], o->bundle.txs.items[i], a, why);
        if (r == 0) r = recover(&txs[i], c, why);
        if (r != 0) return error_wrap(why, "txs[%zu]", i);
    }
    o->txs = txs;
    o->tx_count = n;
    return 0;
}

static int judge_second(struct order *o, const struct order_context *c, struct arena *a,
                        struct error *why) {
    struct bundle *b = &o->bundle;
    size_t most = c->txs_max > 0 ? c->txs_max : ORDER_TXS_MAX;
    if (!c->system) {
        set_signer(b, &c->signer);
        set_nonce(b, c->now_us);
        if (!(b->fields & BUNDLE_VERSION)) set_version(b);
    }
    int r = check_percent(b, why);
    if (r != 0) return r;
    o->answer = order_flow_hash(b);
    if (b->txs.count > most) {
        return error_set(why, ERR_LIMIT, "txs: %zu are more than %zu", b->txs.count, most);
    }
    bool replaces = b->fields & (BUNDLE_UUID | BUNDLE_REPLACEMENT_UUID);
    if (replaces && !(b->fields & BUNDLE_REPLACEMENT_NONCE)) {
        return invalid(why, "replacementNonce: is missing");
    }
    if (replaces && !(b->fields & BUNDLE_SIGNING_ADDRESS)) {
        return invalid(why, "signingAddress: is missing");
    }
    if (b->txs.count == 0) {
        return replaces ? 0 : invalid(why, "txs: are empty, and no uuid is given");
    }
    r = check_second_version(b, why);
    if (r == 0) r = decode_txs(o, c, a, why);
    if (r != 0) return r;
    if (b->fields & BUNDLE_REFUND_PERCENT && b->refund_percent >= 100) {
        return error_set(why, ERR_RANGE, "refundPercent: %llu is not below 100",
                         (unsigned long long)b->refund_percent);
    }
    return b->refund_txs.count > 1 ? invalid(why, "refundTxHashes: has more than one") : 0;
}

int order_from_bundle(struct order *ret, const struct json *param, const struct order_context *c,
                      struct arena *a, struct error *why) {
    struct order o = {.method = ORDER_SEND_BUNDLE};
    bool first = c->generation == ORDER_FIRST;
    int r = first && json_is_null(param) ? 0 : bundle_decode(&o.bundle, param, a, why);
    if (r == 0) r = first ? judge_first(&o.bundle, c, why) : judge_second(&o, c, a, why);
    if (r != 0) return r;
    o.replaces = order_replacement_of(&o.replacement, &o.bundle);
    o.cancels = o.replaces && o.bundle.txs.count == 0;
    *ret = o;
    return 0;
}

int order_from_raw_tx(struct order *ret, struct bytes raw, const struct order_context *c,
                      struct arena *a, struct error *why) {
    struct order o = {.method = ORDER_SEND_RAW_TX, .raw = raw};
    if (c->generation == ORDER_FIRST) {
        *ret = o;
        return 0;
    }
    struct order_tx *t = arena_new(a, struct order_tx);
    if (!t) return error_set(why, ERR_LIMIT, "does not fit its memory limit");
    int r = decode_tx(t, raw, a, why);
    if (r != 0) return r;
    enum tx_fault fault = tx_check_static(&t->tx, c->rules ? c->rules : fork_rules_of(FORK_OSAKA),
                                          c->chain_id > 0 ? c->chain_id : 1);
    if (fault != TX_VALID) return error_set(why, ERR_INVALID, "%s", tx_fault_text(fault));
    r = recover(t, c, why);
    if (r != 0) return r;
    o.answer = t->tx.hash;
    o.txs = t;
    o.tx_count = 1;
    *ret = o;
    return 0;
}

/* The deployed proxy passes any version on, and its builder then says nothing and drops the bundle.
 * The sender is told; a peer's is the builder's to judge. */
static int check_versions(const struct share_bundle *b, struct error *why) {
    if (!share_version_is_known(b->version)) {
        return invalid(why, "Incorrect version: v0.1 or version-1 is expected");
    }
    for (size_t i = 0; i < b->body_count; i++) { // as deep as the decoder goes: BUNDLE_DEPTH_MAX
        int r = b->body[i].bundle ? check_versions(b->body[i].bundle, why) : 0;
        if (r != 0) return r;
    }
    return 0;
}

/* Only a message that cancels may come without transactions. */
static int from_share(struct order *ret, const struct json *param, const struct order_context *c,
                      struct arena *a, struct error *why) {
    struct order o = {.method = ORDER_SEND_SHARE};
    struct hash hash;
    int r = share_bundle_decode(&o.share, param, a, why);
    if (r == 0 && !c->system) r = check_versions(&o.share, why);
    if (r == 0) r = order_share_hash(&hash, &o.share, ORDER_READING_GO, a, why);
    if (r != 0) return r;
    if (!c->system) {
        if (o.share.has_metadata) {
            return invalid(
                why, "mev share bundle should not contain metadata when sent to local endpoint");
        }
        o.share.has_metadata = true;
        o.share.has_signer = true;
        o.share.signer = c->signer;
        if (o.share.has_replacement_uuid) {
            o.share.has_nonce = true;
            o.share.replacement_nonce = c->share_nonce;
            o.share.cancelled = o.share.body_count == 0;
        }
    }
    o.share.has_max_block = true;
    o.replaces = o.share.has_replacement_uuid;
    o.cancels = o.replaces && (o.share.cancelled || o.share.body_count == 0);
    o.replacement = (struct order_replacement){o.share.replacement_uuid, o.share.signer,
                                               o.share.replacement_nonce};
    *ret = o;
    return 0;
}

static int from_cancel(struct order *ret, const struct json *param, const struct order_context *c,
                       struct error *why) {
    struct order o = {.method = ORDER_CANCEL_BUNDLE, .replaces = true, .cancels = true};
    struct bytes text;
    const struct json *signer = json_get(param, "signingAddress");
    int r = json_expect(param, JSON_OBJECT, why);
    if (r == 0) r = json_get_string(&text, param, "replacementUuid", why);
    if (r == 0) r = uuid_parse(&o.replacement.uuid, text, why);
    if (r == 0 && !json_is_null(signer)) {
        r = json_get_address(&o.replacement.signer, param, "signingAddress", why);
        o.has_signer = true;
    }
    if (r != 0) return r;
    if (!c->system) {
        if (o.has_signer) return invalid(why, "signing address field should not be set");
        o.replacement.signer = c->signer;
        o.has_signer = true;
    }
    o.replacement.nonce = ORDER_NONCE_FINAL;
    *ret = o;
    return 0;
}

static int from_subsidy(struct order *ret, const struct json *param, const struct order_context *c,
                        struct error *why) {
    struct order o = {.method = ORDER_SUBSIDISE};
    int r = json_is_null(param) ? 0 : json_u64(&o.subsidy, param, why);
    if (r != 0) return r;
    if (!c->system) return invalid(why, "subsidy can only be called on system API");
    if (!c->trusted) return invalid(why, "subsidy can only be called by Flashbots");
    *ret = o;
    return 0;
}

int order_from_param(struct order *ret, struct bytes method, const struct json *param,
                     const struct order_context *c, struct arena *a, struct error *why) {
    struct bytes raw = {NULL, 0};
    int r;
    switch (order_method_find(method, c->generation)) {
    case ORDER_SEND_BUNDLE:
        return order_from_bundle(ret, param, c, a, why);
    case ORDER_SEND_RAW_TX:
        r = c->generation == ORDER_FIRST && json_is_null(param) ? 0
                                                                : json_data(&raw, param, a, why);
        return r == 0 ? order_from_raw_tx(ret, raw, c, a, why) : r;
    case ORDER_SEND_SHARE:
        return from_share(ret, param, c, a, why);
    case ORDER_CANCEL_BUNDLE:
        return from_cancel(ret, param, c, why);
    case ORDER_SUBSIDISE:
        return from_subsidy(ret, param, c, why);
    default:
        return error_set(why, ERR_NOT_FOUND, "method not found");
    }
}

int order_key(struct uuid *ret, const struct order *o, struct arena *a, struct error *why) {
    switch (o->method) {
    case ORDER_SEND_BUNDLE:
        return order_key_bundle(ret, &o->bundle, a, why);
    case ORDER_SEND_RAW_TX:
        *ret = order_key_raw_tx(o->raw);
        return 0;
    case ORDER_SEND_SHARE:
        *ret = order_key_share(&o->share);
        return 0;
    case ORDER_CANCEL_BUNDLE:
        *ret = order_key_cancel(&o->replacement.uuid, &o->replacement.signer);
        return 0;
    default:
        *ret = order_key_subsidy(o->subsidy);
        return 0;
    }
}

static void put_param(struct json_writer *w, const struct order *o) {
    char uuid[37];
    switch (o->method) {
    case ORDER_SEND_BUNDLE:
        bundle_encode(w, NULL, &o->bundle);
        break;
    case ORDER_SEND_RAW_TX:
        json_add_data(w, NULL, o->raw);
        break;
    case ORDER_SEND_SHARE:
        share_bundle_encode(w, NULL, &o->share);
        break;
    case ORDER_CANCEL_BUNDLE:
        uuid_format(uuid, &o->replacement.uuid);
        json_begin_object(w, NULL);
        json_add_str(w, "replacementUuid", uuid);
        if (o->has_signer) json_add_data(w, "signingAddress", BYTES_OF(o->replacement.signer));
        json_end(w);
        break;
    default:
        json_add_u64(w, NULL, o->subsidy);
        break;
    }
}

void order_put_param(struct buf *out, const struct order *o) {
    struct json_writer w;
    json_writer_init(&w, out, JSON_GO_HTML);
    put_param(&w, o);
}

int order_forward(struct buf *out, const struct order *o, enum order_generation generation,
                  struct error *why) {
    struct json_writer w;
    json_writer_init(&w, out, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    if (generation == ORDER_SECOND) {
        json_add_u64(&w, "id", 1);
        json_add_str(&w, "jsonrpc", "2.0");
    }
    json_add_str(&w, "method", order_method_name(o->method));
    json_begin_array(&w, "params");
    put_param(&w, o);
    json_end(&w);
    if (generation == ORDER_FIRST) {
        json_add_u64(&w, "id", 0);
        json_add_str(&w, "jsonrpc", "2.0");
    }
    json_end(&w);
    return buf_check(out, why);
}
