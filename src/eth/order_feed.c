/* SPDX-License-Identifier: MIT */
#include "eth/order_feed.h"

#define HEAD 13u // size, kind, sequence
#define HEAD_AFTER_SIZE 9u

static const uint8_t magic[4] = {'B', 'N', 'O', 'F'};

enum order_flag {
    FLAG_FROM_PEER = 1,
    FLAG_SIGNER = 2,
    FLAG_REFUND_IDENTITY = 4,
    FLAG_ALL = 7,
};

enum share_flag {
    SHARE_UUID = 1,
    SHARE_MAX_BLOCK = 2,
    SHARE_METADATA = 4,
    SHARE_NONCE = 8,
    SHARE_CANCELLED = 16,
    SHARE_SIGNER = 32,
    SHARE_PRIVACY = 64,
    SHARE_ALL = 127,
};

enum item_flag {
    ITEM_HASH = 1,
    ITEM_TX = 2,
    ITEM_BUNDLE = 4,
    ITEM_REVERT_MODE = 8,
    ITEM_CAN_REVERT = 16,
    ITEM_ALL = 31,
};

#define BUNDLE_FIELDS_ALL ((1u << 15) - 1)

/* Reading. A reader that ran out stays so and gives zeros: one look at the end is enough. */

struct reader {
    struct bytes rest;
    struct arena *a;
    int failed; // 0 or an enum err
};

static struct bytes take(struct reader *r, size_t n) {
    if (r->failed == 0 && n > r->rest.n) r->failed = ERR_SYNTAX;
    if (r->failed != 0) return (struct bytes){0};
    struct bytes ret = {r->rest.p, n};
    r->rest = bytes_slice(r->rest, n, r->rest.n - n);
    return ret;
}

static uint8_t read_u8(struct reader *r) {
    struct bytes b = take(r, 1);
    return b.n ? b.p[0] : 0;
}

static uint16_t read_u16(struct reader *r) {
    struct bytes b = take(r, 2);
    return b.n ? load_be16(b.p) : 0;
}

static uint32_t read_u32(struct reader *r) {
    struct bytes b = take(r, 4);
    return b.n ? load_be32(b.p) : 0;
}

static uint64_t read_u64(struct reader *r) {
    struct bytes b = take(r, 8);
    return b.n ? load_be64(b.p) : 0;
}

static void read_fixed(struct reader *r, void *ret, size_t n) {
    struct bytes b = take(r, n);
    if (b.n) memcpy(ret, b.p, n);
}

static struct bytes read_text(struct reader *r) {
    return take(r, read_u32(r));
}

// Flags of which all are known.
static uint8_t read_flags(struct reader *r, uint8_t known) {
    uint8_t flags = read_u8(r);
    if (flags & ~known) r->failed = r->failed ? r->failed : ERR_SYNTAX;
    return flags;
}

static size_t read_count(struct reader *r, size_t most) {
    uint32_t count = read_u32(r);
    if (r->failed == 0 && count > most) r->failed = ERR_LIMIT;
    return r->failed == 0 ? count : 0;
}

// An array of `count` elements that the arena holds; NULL for none.
static void *array_of(struct reader *r, size_t count, size_t size) {
    if (count == 0 || r->failed != 0) return NULL;
    void *p = arena_alloc_array(r->a, count, size);
    if (!p) r->failed = ERR_LIMIT;
    return p;
}

static struct bundle_hashes read_hashes(struct reader *r) {
    size_t count = read_count(r, FEED_HASHES_MAX);
    struct bytes all = take(r, count * sizeof(struct hash));
    if (all.n == 0) return (struct bundle_hashes){0};
    return (struct bundle_hashes){(const struct hash *)(const void *)all.p, count};
}

static struct bundle_txs read_txs(struct reader *r) {
    size_t count = read_count(r, FEED_TXS_MAX);
    struct bytes *items = array_of(r, count, sizeof *items);
    for (size_t i = 0; items && i < count; i++) {
        items[i] = read_text(r);
    }
    return items ? (struct bundle_txs){items, count} : (struct bundle_txs){0};
}

static void read_bundle(struct reader *r, struct bundle *b) {
    b->fields = read_u16(r);
    if (b->fields & ~BUNDLE_FIELDS_ALL) r->failed = r->failed ? r->failed : ERR_SYNTAX;
    b->txs = read_txs(r);
    b->reverting = read_hashes(r);
    b->dropping = read_hashes(r);
    b->refund_txs = read_hashes(r);
    if (b->fields & BUNDLE_BLOCK_NUMBER) b->block_number = read_u64(r);
    if (b->fields & BUNDLE_MIN_TIMESTAMP) b->min_timestamp = read_u64(r);
    if (b->fields & BUNDLE_MAX_TIMESTAMP) b->max_timestamp = read_u64(r);
    if (b->fields & BUNDLE_REPLACEMENT_NONCE) b->replacement_nonce = read_u64(r);
    if (b->fields & BUNDLE_REFUND_PERCENT) b->refund_percent = read_u64(r);
    if (b->fields & BUNDLE_REPLACEMENT_UUID) read_fixed(r, &b->replacement_uuid, 16);
    if (b->fields & BUNDLE_UUID) read_fixed(r, &b->uuid, 16);
    if (b->fields & BUNDLE_SIGNING_ADDRESS) read_fixed(r, &b->signing_address, 20);
    if (b->fields & BUNDLE_REFUND_IDENTITY) read_fixed(r, &b->refund_identity, 20);
    if (b->fields & BUNDLE_REFUND_RECIPIENT) read_fixed(r, &b->refund_recipient, 20);
    if (b->fields & BUNDLE_HASH) read_fixed(r, &b->bundle_hash, 32);
    if (b->fields & BUNDLE_VERSION) b->version = read_text(r);
    if (b->fields & BUNDLE_DELAYED_REFUND) b->delayed_refund = read_u8(r) != 0;
}

static void read_share(struct reader *r, struct share_bundle *b, unsigned depth);

static void read_item(struct reader *r, struct share_item *item, unsigned depth) {
    uint8_t flags = read_flags(r, ITEM_ALL);
    item->has_hash = flags & ITEM_HASH;
    item->has_tx = flags & ITEM_TX;
    item->has_revert_mode = flags & ITEM_REVERT_MODE;
    item->can_revert = flags & ITEM_CAN_REVERT;
    if (item->has_hash) read_fixed(r, &item->hash, 32);
    if (item->has_tx) item->tx = read_text(r);
    if (item->has_revert_mode) {
        uint8_t mode = read_u8(r);
        if (mode > REVERT_MODE_DROP) r->failed = r->failed ? r->failed : ERR_SYNTAX;
        item->revert_mode = (enum revert_mode)mode;
    }
    if (!(flags & ITEM_BUNDLE)) return;
    if (depth + 1 >= BUNDLE_DEPTH_MAX) r->failed = r->failed ? r->failed : ERR_LIMIT;
    struct share_bundle *inner = array_of(r, 1, sizeof *inner);
    if (!inner) return;
    read_share(r, inner, depth + 1);
    item->bundle = inner;
}

static void read_validity(struct reader *r, struct share_bundle *b) {
    size_t count = read_count(r, FEED_TXS_MAX);
    struct share_refund *refunds = array_of(r, count, sizeof *refunds);
    for (size_t i = 0; refunds && i < count; i++) {
        refunds[i].body_index = read_u64(r);
        refunds[i].percent = read_u64(r);
    }
    b->refunds = refunds;
    b->refund_count = refunds ? count : 0;
    count = read_count(r, FEED_TXS_MAX);
    struct share_refund_config *configs = array_of(r, count, sizeof *configs);
    for (size_t i = 0; configs && i < count; i++) {
        read_fixed(r, &configs[i].address, 20);
        configs[i].percent = read_u64(r);
    }
    b->refund_configs = configs;
    b->refund_config_count = configs ? count : 0;
}

static void read_share(struct reader *r, struct share_bundle *b, unsigned depth) {
    uint8_t flags = read_flags(r, SHARE_ALL);
    b->has_replacement_uuid = flags & SHARE_UUID;
    b->has_max_block = flags & SHARE_MAX_BLOCK;
    b->has_metadata = flags & SHARE_METADATA;
    b->has_nonce = flags & SHARE_NONCE;
    b->cancelled = flags & SHARE_CANCELLED;
    b->has_signer = flags & SHARE_SIGNER;
    b->has_privacy = flags & SHARE_PRIVACY;
    b->version = read_text(r);
    b->block = read_u64(r);
    if (b->has_max_block) b->max_block = read_u64(r);
    if (b->has_replacement_uuid) read_fixed(r, &b->replacement_uuid, 16);
    if (b->has_signer) read_fixed(r, &b->signer, 20);
    if (b->has_nonce) b->replacement_nonce = read_u64(r);
    size_t count = read_count(r, FEED_TXS_MAX);
    struct share_item *body = array_of(r, count, sizeof *body);
    for (size_t i = 0; body && i < count && r->failed == 0; i++) {
        read_item(r, &body[i], depth);
    }
    b->body = body;
    b->body_count = body ? count : 0;
    read_validity(r, b);
}

static void read_order(struct reader *r, struct feed_order *o) {
    uint8_t method = read_u8(r);
    uint8_t flags = read_flags(r, FLAG_ALL);
    uint8_t priority = read_u8(r);
    if (r->failed == 0 && (method < FEED_SEND_BUNDLE || method >= FEED_METHOD_END)) {
        r->failed = ERR_UNSUPPORTED;
    }
    if (priority >= FEED_PRIORITY_END) r->failed = r->failed ? r->failed : ERR_SYNTAX;
    o->method = (enum feed_method)method;
    o->priority = (enum feed_priority)priority;
    o->from_peer = flags & FLAG_FROM_PEER;
    o->has_signer = flags & FLAG_SIGNER;
    o->has_refund_identity = flags & FLAG_REFUND_IDENTITY;
    o->received_ns = read_u64(r);
    if (o->has_signer) read_fixed(r, &o->signer, 20);
    if (o->has_refund_identity) read_fixed(r, &o->refund_identity, 20);
    o->sender_count = read_count(r, FEED_TXS_MAX);
    struct bytes senders = take(r, o->sender_count * sizeof(struct address));
    o->senders = senders.n ? (const struct address *)(const void *)senders.p : NULL;
    switch (o->method) {
    case FEED_SEND_BUNDLE:
        read_bundle(r, &o->bundle);
        break;
    case FEED_SEND_SHARE:
        read_share(r, &o->share, 0);
        break;
    case FEED_SEND_RAW_TX:
        o->raw = read_text(r);
        break;
    case FEED_CANCEL:
        read_fixed(r, &o->cancel_uuid, 16);
        break;
    case FEED_SUBSIDISE:
        o->subsidy_block = read_u64(r);
        break;
    case FEED_METHOD_END:
        break;
    }
}

// Recovered senders are those of every transaction, or none are given.
static bool senders_fit(const struct feed_order *o) {
    size_t txs = o->method == FEED_SEND_BUNDLE   ? o->bundle.txs.count
                 : o->method == FEED_SEND_RAW_TX ? 1
                                                 : 0;
    return o->sender_count == 0 || o->sender_count == txs;
}

static int failure(int failed, struct error *why) {
    switch (failed) {
    case ERR_LIMIT:
        return error_set(why, ERR_LIMIT, "order feed: more than an order may hold");
    case ERR_UNSUPPORTED:
        return error_set(why, ERR_UNSUPPORTED, "order feed: unknown method");
    default:
        return error_set(why, ERR_SYNTAX, "order feed: an order that is not of its form");
    }
}

int feed_order_decode(struct feed_order *ret, struct bytes body, struct arena *a,
                      struct error *why) {
    struct reader r = {.rest = body, .a = a};
    struct feed_order o = {0};
    read_order(&r, &o);
    if (r.failed == 0 && (r.rest.n != 0 || !senders_fit(&o))) r.failed = ERR_SYNTAX;
    if (r.failed != 0) return failure(r.failed, why);
    *ret = o;
    return 0;
}

static int parse_body(struct feed_frame *f, struct reader *r, struct error *why) {
    switch (f->kind) {
    case FEED_HELLO: {
        struct bytes m = take(r, sizeof magic);
        uint16_t version = read_u16(r);
        f->session = f->sequence;
        f->sequence = 0;
        if (!bytes_equal(m, bytes_make(magic, sizeof magic))) r->failed = ERR_SYNTAX;
        if (r->failed == 0 && version != FEED_VERSION) {
            return error_set(why, ERR_UNSUPPORTED, "order feed: version %u", version);
        }
        break;
    }
    case FEED_WELCOME:
        f->session = read_u64(r);
        break;
    case FEED_ORDER:
        f->body = take(r, r->rest.n);
        break;
    case FEED_ACKNOWLEDGE:
        break;
    case FEED_REFUSE:
        f->code = (int)(int32_t)read_u32(r);
        f->text = read_text(r);
        if (f->code >= 0 || f->code < ERR_LOWEST) r->failed = ERR_SYNTAX;
        break;
    default:
        r->failed = ERR_SYNTAX;
    }
    if (r->failed == 0 && r->rest.n == 0) return 0;
    return error_set(why, ERR_SYNTAX, "order feed: a frame that is not of its form");
}

int feed_frame_parse(struct feed_frame *ret, struct bytes in, struct error *why) {
    if (in.n < 4) return ERR_AGAIN;
    uint32_t size = load_be32(in.p);
    if (size < HEAD_AFTER_SIZE) {
        return error_set(why, ERR_SYNTAX, "order feed: a frame of %u bytes", size);
    }
    if (size > FEED_FRAME_MAX) {
        return error_set(why, ERR_LIMIT, "order feed: a frame of %u bytes", size);
    }
    if (in.n < 4 + (size_t)size) return ERR_AGAIN;
    struct feed_frame f = {.kind = (enum feed_kind)in.p[4],
                           .sequence = load_be64(in.p + 5),
                           .bytes = 4 + (size_t)size};
    struct reader r = {.rest = bytes_slice(in, HEAD, size - HEAD_AFTER_SIZE)};
    int code = parse_body(&f, &r, why);
    if (code == 0) *ret = f;
    return code;
}

/* Writing. */

// A frame begins with room for its size, which frame_end fills in.
static size_t frame_begin(struct buf *out, enum feed_kind kind, uint64_t sequence) {
    size_t at = out->n;
    buf_append_be32(out, 0);
    buf_append_byte(out, (uint8_t)kind);
    buf_append_be64(out, sequence);
    return at;
}

static void frame_end(struct buf *out, size_t at) {
    if (out->failed) return;
    store_be32(out->p + at, (uint32_t)(out->n - at - 4));
}

static void put_text(struct buf *out, struct bytes text) {
    buf_append_be32(out, (uint32_t)text.n);
    buf_append(out, text);
}

static void put_hashes(struct buf *out, const struct bundle_hashes *h) {
    buf_append_be32(out, (uint32_t)h->count);
    for (size_t i = 0; i < h->count; i++) {
        buf_append(out, BYTES_OF(h->items[i]));
    }
}

static void put_bundle(struct buf *out, const struct bundle *b) {
    buf_append_be16(out, (uint16_t)b->fields);
    buf_append_be32(out, (uint32_t)b->txs.count);
    for (size_t i = 0; i < b->txs.count; i++) {
        put_text(out, b->txs.items[i]);
    }
    put_hashes(out, &b->reverting);
    put_hashes(out, &b->dropping);
    put_hashes(out, &b->refund_txs);
    if (b->fields & BUNDLE_BLOCK_NUMBER) buf_append_be64(out, b->block_number);
    if (b->fields & BUNDLE_MIN_TIMESTAMP) buf_append_be64(out, b->min_timestamp);
    if (b->fields & BUNDLE_MAX_TIMESTAMP) buf_append_be64(out, b->max_timestamp);
    if (b->fields & BUNDLE_REPLACEMENT_NONCE) buf_append_be64(out, b->replacement_nonce);
    if (b->fields & BUNDLE_REFUND_PERCENT) buf_append_be64(out, b->refund_percent);
    if (b->fields & BUNDLE_REPLACEMENT_UUID) buf_append(out, BYTES_OF(b->replacement_uuid));
    if (b->fields & BUNDLE_UUID) buf_append(out, BYTES_OF(b->uuid));
    if (b->fields & BUNDLE_SIGNING_ADDRESS) buf_append(out, BYTES_OF(b->signing_address));
    if (b->fields & BUNDLE_REFUND_IDENTITY) buf_append(out, BYTES_OF(b->refund_identity));
    if (b->fields & BUNDLE_REFUND_RECIPIENT) buf_append(out, BYTES_OF(b->refund_recipient));
    if (b->fields & BUNDLE_HASH) buf_append(out, BYTES_OF(b->bundle_hash));
    if (b->fields & BUNDLE_VERSION) put_text(out, b->version);
    if (b->fields & BUNDLE_DELAYED_REFUND) buf_append_byte(out, b->delayed_refund);
}

static void put_share(struct buf *out, const struct share_bundle *b);

static void put_item(struct buf *out, const struct share_item *item) {
    unsigned flags = (item->has_hash ? ITEM_HASH : 0u) | (item->has_tx ? ITEM_TX : 0u) |
                     (item->bundle ? ITEM_BUNDLE : 0u) |
                     (item->has_revert_mode ? ITEM_REVERT_MODE : 0u) |
                     (item->can_revert ? ITEM_CAN_REVERT : 0u);
    buf_append_byte(out, (uint8_t)flags);
    if (item->has_hash) buf_append(out, BYTES_OF(item->hash));
    if (item->has_tx) put_text(out, item->tx);
    if (item->has_revert_mode) buf_append_byte(out, (uint8_t)item->revert_mode);
    if (item->bundle) put_share(out, item->bundle);
}

static void put_share(struct buf *out, const struct share_bundle *b) {
    unsigned flags = (b->has_replacement_uuid ? SHARE_UUID : 0u) |
                     (b->has_max_block ? SHARE_MAX_BLOCK : 0u) |
                     (b->has_metadata ? SHARE_METADATA : 0u) | (b->has_nonce ? SHARE_NONCE : 0u) |
                     (b->cancelled ? SHARE_CANCELLED : 0u) | (b->has_signer ? SHARE_SIGNER : 0u) |
                     (b->has_privacy ? SHARE_PRIVACY : 0u);
    buf_append_byte(out, (uint8_t)flags);
    put_text(out, b->version);
    buf_append_be64(out, b->block);
    if (b->has_max_block) buf_append_be64(out, b->max_block);
    if (b->has_replacement_uuid) buf_append(out, BYTES_OF(b->replacement_uuid));
    if (b->has_signer) buf_append(out, BYTES_OF(b->signer));
    if (b->has_nonce) buf_append_be64(out, b->replacement_nonce);
    buf_append_be32(out, (uint32_t)b->body_count);
    for (size_t i = 0; i < b->body_count; i++) {
        put_item(out, &b->body[i]);
    }
    buf_append_be32(out, (uint32_t)b->refund_count);
    for (size_t i = 0; i < b->refund_count; i++) {
        buf_append_be64(out, b->refunds[i].body_index);
        buf_append_be64(out, b->refunds[i].percent);
    }
    buf_append_be32(out, (uint32_t)b->refund_config_count);
    for (size_t i = 0; i < b->refund_config_count; i++) {
        buf_append(out, BYTES_OF(b->refund_configs[i].address));
        buf_append_be64(out, b->refund_configs[i].percent);
    }
}

void feed_put_hello(struct buf *out, uint64_t session) {
    size_t at = frame_begin(out, FEED_HELLO, session);
    buf_append(out, bytes_make(magic, sizeof magic));
    buf_append_be16(out, FEED_VERSION);
    frame_end(out, at);
}

void feed_put_welcome(struct buf *out, uint64_t session, uint64_t last_sequence) {
    size_t at = frame_begin(out, FEED_WELCOME, last_sequence);
    buf_append_be64(out, session);
    frame_end(out, at);
}

void feed_put_order(struct buf *out, uint64_t sequence, const struct feed_order *o) {
    size_t at = frame_begin(out, FEED_ORDER, sequence);
    unsigned flags = (o->from_peer ? FLAG_FROM_PEER : 0u) | (o->has_signer ? FLAG_SIGNER : 0u) |
                     (o->has_refund_identity ? FLAG_REFUND_IDENTITY : 0u);
    buf_append_byte(out, (uint8_t)o->method);
    buf_append_byte(out, (uint8_t)flags);
    buf_append_byte(out, (uint8_t)o->priority);
    buf_append_be64(out, o->received_ns);
    if (o->has_signer) buf_append(out, BYTES_OF(o->signer));
    if (o->has_refund_identity) buf_append(out, BYTES_OF(o->refund_identity));
    buf_append_be32(out, (uint32_t)o->sender_count);
    for (size_t i = 0; i < o->sender_count; i++) {
        buf_append(out, BYTES_OF(o->senders[i]));
    }
    switch (o->method) {
    case FEED_SEND_BUNDLE:
        put_bundle(out, &o->bundle);
        break;
    case FEED_SEND_SHARE:
        put_share(out, &o->share);
        break;
    case FEED_SEND_RAW_TX:
        put_text(out, o->raw);
        break;
    case FEED_CANCEL:
        buf_append(out, BYTES_OF(o->cancel_uuid));
        break;
    case FEED_SUBSIDISE:
        buf_append_be64(out, o->subsidy_block);
        break;
    case FEED_METHOD_END:
        break;
    }
    frame_end(out, at);
}

void feed_put_acknowledge(struct buf *out, uint64_t sequence) {
    frame_end(out, frame_begin(out, FEED_ACKNOWLEDGE, sequence));
}

void feed_put_refuse(struct buf *out, uint64_t sequence, int code, const char *text) {
    size_t at = frame_begin(out, FEED_REFUSE, sequence);
    buf_append_be32(out, (uint32_t)code);
    put_text(out, bytes_from_str(text));
    frame_end(out, at);
}
