/* ClickHouse rows and lines of files. SPDX-License-Identifier: MIT */
#include "orderflow/archive_rows.h"

#include "crypto/keccak.h"
#include "json/write.h"

#define ROW_ARENA_BYTES (64u << 20)

/* ---- RowBinary ---- */

static void put_length(struct buf *out, uint64_t n) {
    for (; n >= 0x80; n >>= 7) {
        buf_append_byte(out, (uint8_t)(n | 0x80));
    }
    buf_append_byte(out, (uint8_t)n);
}

static void put_string(struct buf *out, struct bytes s) {
    put_length(out, s.n);
    buf_append(out, s);
}

static void put_u64(struct buf *out, uint64_t v) {
    uint8_t le[8];
    store_le64(le, v);
    buf_append(out, bytes_make(le, sizeof le));
}

static void put_u32(struct buf *out, uint32_t v) {
    uint8_t le[4];
    store_le32(le, v);
    buf_append(out, bytes_make(le, sizeof le));
}

/* UInt256 and UInt128: the low words first. */
static void put_wide(struct buf *out, struct u256 v, size_t words) {
    for (size_t i = 0; i < words; i++) {
        put_u64(out, v.w[i]);
    }
}

static void put_time(struct buf *out, uint64_t ns) {
    put_u64(out, ns / NS_PER_US); // DateTime64(6): Int64
}

static bool put_present(struct buf *out, bool present) {
    buf_append_byte(out, !present);
    return present;
}

static void put_maybe_u64(struct buf *out, bool present, uint64_t v) {
    if (put_present(out, present)) put_u64(out, v);
}

static void put_maybe_address(struct buf *out, bool present, const struct address *a) {
    if (put_present(out, present)) buf_append(out, BYTES_OF(*a));
}

/* UUID: two words of 8 bytes, each little-endian. */
static void put_uuid(struct buf *out, const struct uuid *u) {
    put_u64(out, load_be64(u->b));
    put_u64(out, load_be64(u->b + 8));
}

static void put_hashes(struct buf *out, const struct bundle_hashes *h) {
    put_length(out, h->count);
    for (size_t i = 0; i < h->count; i++) {
        buf_append(out, BYTES_OF(h->items[i]));
    }
}

/* ---- bundles ---- */

struct decoded {
    struct order_tx tx;
    struct bytes raw;
    bool known; /* it decodes */
};

static int decode_txs(struct decoded **ret, const struct order *o, struct arena *a,
                      struct error *why) {
    size_t n = o->bundle.txs.count;
    struct decoded *d = arena_new_array(a, struct decoded, n + 1);
    if (!d) return error_set(why, ERR_LIMIT, "a bundle does not fit its memory limit");
    for (size_t i = 0; i < n; i++) {
        d[i].raw = o->bundle.txs.items[i];
        if (i < o->tx_count) {
            d[i].tx = o->txs[i];
            d[i].known = true;
            continue;
        }
        int r = tx_decode_network(&d[i].tx.tx, &d[i].tx.sidecar, d[i].raw, a, NULL);
        d[i].known = r == 0 && tx_sender(&d[i].tx.sender, &d[i].tx.tx, NULL) == 0;
    }
    *ret = d;
    return 0;
}

/* A list as it stands in the transaction, in RLP; NULL where there is none. */
static void put_maybe_rlp(struct buf *out, bool present, const struct tx *t,
                          void (*put)(struct buf *out, const struct tx *t)) {
    struct buf list;
    if (!put_present(out, present)) return;
    buf_init(&list, 0);
    put(&list, t);
    if (list.failed) out->failed = list.failed;
    put_string(out, buf_view(&list));
    buf_free(&list);
}

enum tx_column {
    TX_HASH,
    TX_FROM,
    TX_NONCE,
    TX_R,
    TX_S,
    TX_V,
    TX_TO,
    TX_GAS,
    TX_TYPE,
    TX_INPUT,
    TX_VALUE,
    TX_GAS_PRICE,
    TX_MAX_FEE,
    TX_MAX_PRIORITY_FEE,
    TX_ACCESS,
    TX_AUTHORIZATIONS,
    TX_RAW,
    TX_COLUMNS,
};

static void put_tx(struct buf *out, enum tx_column c, const struct decoded *d) {
    const struct tx *t = &d->tx.tx;
    bool market = t->type != TX_LEGACY && t->type != TX_ACCESS_LIST;
    switch (c) {
    case TX_HASH:
        buf_append(out, BYTES_OF(t->hash));
        break;
    case TX_FROM:
        buf_append(out, BYTES_OF(d->tx.sender));
        break;
    case TX_NONCE:
        put_u64(out, t->nonce);
        break;
    case TX_R:
        put_wide(out, u256_load_be(t->signature.r), 4);
        break;
    case TX_S:
        put_wide(out, u256_load_be(t->signature.s), 4);
        break;
    case TX_V:
        buf_append_byte(out, t->signature.y_parity);
        break;
    case TX_TO:
        put_maybe_address(out, t->has_to, &t->to);
        break;
    case TX_GAS:
        put_u64(out, t->gas);
        break;
    case TX_TYPE:
        buf_append_byte(out, (uint8_t)t->type);
        break;
    case TX_INPUT:
        put_string(out, t->data);
        break;
    case TX_VALUE:
        put_wide(out, t->value, 4);
        break;
    case TX_GAS_PRICE:
        if (put_present(out, !market)) put_wide(out, t->max_fee, 2);
        break;
    case TX_MAX_FEE:
        // Of an access list transaction this is the gas price, as the original has it.
        if (put_present(out, t->type != TX_LEGACY)) put_wide(out, t->max_fee, 2);
        break;
    case TX_MAX_PRIORITY_FEE:
        if (put_present(out, market)) put_wide(out, t->max_priority_fee, 2);
        break;
    case TX_ACCESS:
        put_maybe_rlp(out, t->access_count > 0, t, tx_put_access_list);
        break;
    case TX_AUTHORIZATIONS:
        put_maybe_rlp(out, t->type == TX_SET_CODE, t, tx_put_authorizations);
        break;
    case TX_RAW:
    case TX_COLUMNS:
        put_string(out, d->raw);
        break;
    }
}

/* Arrays stand column by column. A transaction that does not decode has its raw bytes and zeros. */
static void put_txs(struct buf *out, const struct decoded *d, size_t n) {
    for (int c = 0; c < TX_COLUMNS; c++) {
        put_length(out, n);
        for (size_t i = 0; i < n; i++) {
            put_tx(out, (enum tx_column)c, &d[i]);
        }
    }
}

/* Of zeros where a transaction does not decode; an order that cancels has that of what it cancels.
 */
static struct uuid internal_uuid(const struct order *o, const struct decoded *d, struct arena *a) {
    struct uuid u = {{0}};
    size_t n = o->bundle.txs.count;
    struct hash *hashes = arena_new_array(a, struct hash, n + 1);
    bool all = hashes != NULL;
    for (size_t i = 0; all && i < n; i++) {
        hashes[i] = d[i].tx.tx.hash;
        all = d[i].known;
    }
    const struct address *first = n > 0 ? &d[0].tx.sender : NULL;
    bool made = all && order_bundle_uuid(&u, &o->bundle, ORDER_READING_RUST, hashes, n, first, a,
                                         NULL) == 0;
    return made ? u : (struct uuid){{0}};
}

static int put_bundle(struct buf *out, const struct archive_event *e, const char *builder_name,
                      struct arena *a, struct error *why) {
    const struct flow_order *f = e->order;
    const struct bundle *b = &f->order.bundle;
    unsigned has = b->fields;
    struct decoded *d = NULL;
    int r = decode_txs(&d, &f->order, a, why);
    if (r != 0) return r;
    bool replaces = has & (BUNDLE_UUID | BUNDLE_REPLACEMENT_UUID);
    const struct uuid *replacement = has & BUNDLE_UUID ? &b->uuid : &b->replacement_uuid;
    bool cancels = replaces && b->txs.count == 0;
    struct uuid internal = cancels ? *replacement : internal_uuid(&f->order, d, a);
    put_time(out, f->received_ns);
    put_txs(out, d, b->txs.count);
    put_u64(out, has & BUNDLE_BLOCK_NUMBER ? b->block_number : 0);
    put_maybe_u64(out, has & BUNDLE_MIN_TIMESTAMP, b->min_timestamp);
    put_maybe_u64(out, has & BUNDLE_MAX_TIMESTAMP, b->max_timestamp);
    put_hashes(out, &b->reverting);
    put_hashes(out, &b->dropping);
    put_hashes(out, &b->refund_txs);
    if (put_present(out, replaces)) put_uuid(out, replacement);
    put_maybe_u64(out, has & BUNDLE_REPLACEMENT_NONCE, b->replacement_nonce);
    if (put_present(out, has & BUNDLE_REFUND_PERCENT)) {
        buf_append_byte(out, (uint8_t)b->refund_percent);
    }
    put_maybe_address(out, has & BUNDLE_REFUND_RECIPIENT, &b->refund_recipient);
    if (put_present(out, has & BUNDLE_DELAYED_REFUND)) buf_append_byte(out, b->delayed_refund);
    put_maybe_address(out, has & BUNDLE_REFUND_IDENTITY, &b->refund_identity);
    put_maybe_address(out, true, &f->signer);
    buf_append(out, BYTES_OF(f->answer));
    put_uuid(out, &internal);
    put_string(out, bytes_from_str(builder_name));
    buf_append_byte(out, bytes_equal_str(b->version, "v1") ? 1 : 2);
    return 1;
}

/* ---- the others ---- */

static int put_receipt(struct buf *out, const struct archive_event *e, const char *builder_name) {
    const struct flow_order *f = e->order;
    struct hash twice = order_flow_double_hash(&f->answer);
    buf_append(out, BYTES_OF(f->answer));
    buf_append(out, BYTES_OF(twice));
    if (put_present(out, f->sent_ns != 0)) put_time(out, f->sent_ns);
    put_time(out, f->received_ns);
    put_string(out, bytes_from_str(builder_name));
    put_string(out, bytes_from_str(f->peer));
    put_u32(out, (uint32_t)f->bytes);
    buf_append_byte(out, (uint8_t)f->priority);
    return 1;
}

static const char *const kinds[] = {
    [ARCHIVE_RECEIVED] = "received",
    [ARCHIVE_FROM_PEER] = "from_peer",
    [ARCHIVE_SHARED] = "shared",
    [ARCHIVE_CANCELLED] = "cancelled",
};

static const char *peer_of(const struct archive_event *e) {
    return e->peer ? e->peer : e->order->peer;
}

static int put_happening(struct buf *out, const struct archive_event *e, const char *builder_name) {
    const struct flow_order *f = e->order;
    put_time(out, e->at_ns);
    put_string(out, bytes_from_str(kinds[e->kind]));
    buf_append(out, BYTES_OF(f->id));
    buf_append(out, BYTES_OF(f->answer));
    put_string(out, bytes_from_str(order_method_name(f->order.method)));
    buf_append(out, BYTES_OF(f->signer));
    put_string(out, bytes_from_str(peer_of(e)));
    put_string(out, bytes_from_str(builder_name));
    put_u64(out, f->target_block);
    put_u32(out, (uint32_t)f->bytes);
    buf_append_byte(out, (uint8_t)f->priority);
    return 1;
}

const char *archive_columns(enum archive_table t) {
    static const char *const columns[] = {
        [ARCHIVE_BUNDLES] =
            "received_at,`transactions.hash`,`transactions.from`,`transactions.nonce`,"
            "`transactions.r`,`transactions.s`,`transactions.v`,`transactions.to`,"
            "`transactions.gas`,`transactions.type`,`transactions.input`,`transactions.value`,"
            "`transactions.gasPrice`,`transactions.maxFeePerGas`,"
            "`transactions.maxPriorityFeePerGas`,`transactions.accessList`,"
            "`transactions.authorizationList`,`transactions.raw`,block_number,min_timestamp,"
            "max_timestamp,reverting_tx_hashes,dropping_tx_hashes,refund_tx_hashes,"
            "replacement_uuid,replacement_nonce,refund_percent,refund_recipient,delayed_refund,"
            "refund_identity,signer_address,hash,internal_uuid,builder_name,version",
        [ARCHIVE_RECEIPTS] = "bundle_hash,double_bundle_hash,sent_at,received_at,dst_builder_name,"
                             "src_builder_name,payload_size,priority",
        [ARCHIVE_EVENTS] = "at,kind,id,hash,method,signer_address,peer_name,builder_name,"
                           "block_number,payload_size,priority",
    };
    return columns[t];
}

int archive_put_row(struct buf *out, enum archive_table t, const struct archive_event *e,
                    const char *builder_name, struct error *why) {
    bool bundle = e->order->order.method == ORDER_SEND_BUNDLE;
    size_t before = out->n;
    int r = 0;
    if (t == ARCHIVE_BUNDLES && bundle && e->kind == ARCHIVE_RECEIVED) {
        struct arena a;
        arena_init(&a, ROW_ARENA_BYTES);
        r = put_bundle(out, e, builder_name, &a, why);
        arena_free(&a);
    } else if (t == ARCHIVE_RECEIPTS && bundle && e->kind == ARCHIVE_FROM_PEER) {
        r = put_receipt(out, e, builder_name);
    } else if (t == ARCHIVE_EVENTS) {
        r = put_happening(out, e, builder_name);
    }
    if (r >= 0 && out->failed) r = buf_check(out, why);
    if (r < 0) out->n = before;
    return r;
}

void archive_put_line(struct buf *out, const struct archive_event *e, const char *builder_name) {
    const struct flow_order *f = e->order;
    char at[CLOCK_TEXT_MAX], received[CLOCK_TEXT_MAX];
    struct json_writer w;
    clock_format(at, e->at_ns, 6);
    clock_format(received, f->received_ns, 6);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "at", at);
    json_add_str(&w, "kind", kinds[e->kind]);
    json_add_data(&w, "id", BYTES_OF(f->id));
    json_add_data(&w, "hash", BYTES_OF(f->answer));
    json_add_str(&w, "method", order_method_name(f->order.method));
    json_add_data(&w, "signer", BYTES_OF(f->signer));
    if (*peer_of(e)) json_add_str(&w, "peer", peer_of(e));
    json_add_str(&w, "builder", builder_name);
    json_add_str(&w, "received_at", received);
    json_add_u64(&w, "block_number", f->target_block);
    json_add_u64(&w, "payload_size", f->bytes);
    json_add_str(&w, "priority", order_priority_name(f->priority));
    if (e->kind == ARCHIVE_RECEIVED) {
        struct buf param;
        buf_init(&param, 0);
        order_put_param(&param, &f->order);
        json_add_raw(&w, "param", buf_view(&param));
        if (param.failed) out->failed = param.failed;
        buf_free(&param);
    }
    json_end(&w);
    buf_append_byte(out, '\n');
}
