/* SPDX-License-Identifier: MIT */
#include "eth/order_id.h"

#include "base/hex.h"
#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "eth/tx_sidecar.h"
#include "eth/wyhash.h"

#include <stdlib.h>

#define SHARE_DEPTH_GO 1u
#define SHARE_DEPTH_RUST 5u
#define FLOW_PASSES 4

static void put(struct sha256 *s, const void *p, size_t n) {
    if (n > 0) sha256_update(s, bytes_make(p, n));
}

static void put_le(struct sha256 *s, uint64_t v) {
    uint8_t le[8];
    store_le64(le, v);
    put(s, le, sizeof le);
}

static void put_uvarint(struct sha256 *s, uint64_t v) {
    uint8_t out[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) {
        out[n++] = (uint8_t)(v | 0x80);
    }
    out[n++] = (uint8_t)v;
    put(s, out, n);
}

/* Version 5 and the RFC 4122 variant over the first half of a SHA-256. */
static struct uuid finish(struct sha256 *s) {
    struct uuid u;
    struct hash h = sha256_final(s);
    memcpy(u.b, h.b, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x50);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

static int compare_hashes(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct hash));
}

static int put_sorted(struct sha256 *s, struct bundle_hashes h, struct arena *a,
                      struct error *why) {
    if (h.count == 0) return 0;
    struct hash *sorted = arena_new_array(a, struct hash, h.count);
    if (!sorted) return error_set(why, ERR_LIMIT, "hashes do not fit their memory limit");
    memcpy(sorted, h.items, h.count * sizeof *sorted);
    qsort(sorted, h.count, sizeof *sorted, compare_hashes);
    put(s, sorted, h.count * sizeof *sorted);
    return 0;
}

static void put_refund_texts(struct sha256 *s, const struct bundle *b) {
    for (size_t i = 0; i < b->refund_txs.count; i++) {
        char text[2 + 64] = "0x";
        if (b->refund_tx_texts) {
            put(s, b->refund_tx_texts[i].p, b->refund_tx_texts[i].n);
            continue;
        }
        hex_encode(text + 2, BYTES_OF(b->refund_txs.items[i]));
        put(s, text, sizeof text);
    }
}

int order_key_bundle(struct uuid *ret, const struct bundle *b, struct arena *a, struct error *why) {
    struct sha256 s;
    sha256_init(&s);
    put_le(&s, b->fields & BUNDLE_BLOCK_NUMBER ? b->block_number : 0);
    for (size_t i = 0; i < b->txs.count; i++) {
        put(&s, b->txs.items[i].p, b->txs.items[i].n);
    }
    if (b->fields & BUNDLE_MIN_TIMESTAMP) put_le(&s, b->min_timestamp);
    if (b->fields & BUNDLE_MAX_TIMESTAMP) put_le(&s, b->max_timestamp);
    int r = put_sorted(&s, b->reverting, a, why);
    if (b->fields & BUNDLE_REPLACEMENT_UUID) put(&s, b->replacement_uuid.b, 16);
    if (b->fields & BUNDLE_REPLACEMENT_NONCE) put_le(&s, b->replacement_nonce);
    if (r == 0) r = put_sorted(&s, b->dropping, a, why);
    if (b->fields & BUNDLE_REFUND_PERCENT) put_le(&s, b->refund_percent);
    if (b->fields & BUNDLE_REFUND_RECIPIENT) put(&s, b->refund_recipient.b, 20);
    put_refund_texts(&s, b);
    if (b->fields & BUNDLE_SIGNING_ADDRESS) put(&s, b->signing_address.b, 20);
    if (r == 0) *ret = finish(&s);
    return r;
}

static void put_share(struct sha256 *s, const struct share_bundle *b) {
    static const struct address none;
    if (b->has_replacement_uuid) put(s, b->replacement_uuid.b, 16);
    put_le(s, b->block);
    put_le(s, b->has_max_block ? b->max_block : 0);
    for (size_t i = 0; i < b->body_count; i++) {
        const struct share_item *item = &b->body[i];
        if (item->bundle) {
            put_share(s, item->bundle);
        } else {
            put(s, item->tx.p, item->tx.n);
        }
        uint8_t can_revert = item->can_revert;
        put(s, &can_revert, 1);
        put(s, item->revert_mode_text.p, item->revert_mode_text.n);
    }
    put(s, b->has_signer ? b->signer.b : none.b, 20);
}

struct uuid order_key_share(const struct share_bundle *b) {
    struct sha256 s;
    sha256_init(&s);
    put_share(&s, b);
    return finish(&s);
}

struct uuid order_key_raw_tx(struct bytes raw) {
    struct sha256 s;
    sha256_init(&s);
    put(&s, raw.p, raw.n);
    return finish(&s);
}

struct uuid order_key_cancel(const struct uuid *replacement, const struct address *signer) {
    struct sha256 s;
    sha256_init(&s);
    put(&s, replacement->b, 16);
    put(&s, signer->b, 20);
    return finish(&s);
}

struct uuid order_key_subsidy(uint64_t amount) {
    struct sha256 s;
    sha256_init(&s);
    put_le(&s, amount);
    return finish(&s);
}

struct hash order_bundle_hash(const struct hash *tx_hashes, size_t count) {
    return keccak256(bytes_make(tx_hashes, count * sizeof *tx_hashes));
}

/* The part of the second version that tells of a refund. */
static int put_refund(struct sha256 *s, const struct bundle *b, const struct hash *tx_hashes,
                      size_t count, const struct address *first_sender, struct arena *a,
                      struct error *why) {
    uint8_t percent = (uint8_t)b->refund_percent;
    bool given = b->fields & BUNDLE_REFUND_RECIPIENT;
    if (count == 0) return error_set(why, ERR_INVALID, "bundle with no txs");
    if (!given && !first_sender) {
        return error_set(why, ERR_INVALID, "the first transaction has no sender");
    }
    put(s, &percent, 1);
    put(s, given ? b->refund_recipient.b : first_sender->b, 20);
    struct bundle_hashes refunds = b->refund_txs;
    if (refunds.count == 0) refunds = (struct bundle_hashes){tx_hashes + count - 1, 1};
    put_uvarint(s, refunds.count);
    return put_sorted(s, refunds, a, why);
}

int order_bundle_uuid(struct uuid *ret, const struct bundle *b, enum order_reading reading,
                      const struct hash *tx_hashes, size_t count,
                      const struct address *first_sender, struct arena *a, struct error *why) {
    static const uint8_t namespace[16];
    struct sha256 s;
    struct hash hash = order_bundle_hash(tx_hashes, count);
    bool rust = reading == ORDER_READING_RUST;
    bool none = !(b->fields & BUNDLE_VERSION) || b->version.n == 0;
    bool first = none ? !rust : bytes_equal_str(b->version, "v1");
    if (!first && !none && !bytes_equal_str(b->version, "v2")) {
        return error_set(why, ERR_UNSUPPORTED, "unsupported bundle version");
    }
    uint64_t block = b->fields & BUNDLE_BLOCK_NUMBER ? b->block_number : 0;
    sha256_init(&s);
    put(&s, namespace, sizeof namespace);
    if (first) { /* zigzag of a number that is never negative as int64 */
        put_uvarint(&s, block << 1 ^ (uint64_t) - (int64_t)(block >> 63));
        put(&s, hash.b, sizeof hash.b);
        int r = put_sorted(&s, b->reverting, a, why);
        if (r == 0) *ret = finish(&s);
        return r;
    }
    bool bounded = b->fields & BUNDLE_MAX_TIMESTAMP && !(rust && b->max_timestamp == 0);
    put_uvarint(&s, block);
    put_uvarint(&s, b->fields & BUNDLE_MIN_TIMESTAMP ? b->min_timestamp : 0);
    put_uvarint(&s, bounded ? b->max_timestamp : UINT64_MAX);
    put_uvarint(&s, b->reverting.count);
    put_uvarint(&s, b->dropping.count);
    put(&s, hash.b, sizeof hash.b);
    int r = put_sorted(&s, b->reverting, a, why);
    if (r == 0) r = put_sorted(&s, b->dropping, a, why);
    if (r == 0 && b->fields & BUNDLE_REFUND_PERCENT && b->refund_percent > 0) {
        r = put_refund(&s, b, tx_hashes, count, first_sender, a, why);
    }
    if (r == 0) *ret = finish(&s);
    return r;
}

static int share_hash(struct hash *ret, const struct share_bundle *b, enum order_reading reading,
                      unsigned depth, struct arena *a, struct error *why) {
    if (depth > (reading == ORDER_READING_GO ? SHARE_DEPTH_GO : SHARE_DEPTH_RUST)) {
        return error_set(why, ERR_INVALID, "mev bundle too deep");
    }
    bool may_be_empty = reading == ORDER_READING_GO && (depth > 0 || b->has_replacement_uuid);
    if (b->body_count == 0 && !may_be_empty) {
        return error_set(why, ERR_INVALID, "bundle with no txs");
    }
    struct hash *children = arena_new_array(a, struct hash, b->body_count);
    if (!children) return error_set(why, ERR_LIMIT, "body does not fit its memory limit");
    for (size_t i = 0; i < b->body_count; i++) {
        const struct share_item *item = &b->body[i];
        struct tx t;
        struct tx_sidecar sidecar;
        int r = 0;
        if (item->has_tx) {
            r = tx_decode_network(&t, &sidecar, item->tx, a, why);
            if (r == 0) children[i] = t.hash;
        } else if (item->bundle) {
            r = share_hash(&children[i], item->bundle, reading, depth + 1, a, why);
        } else {
            return error_set(why, ERR_INVALID, "mev bundle with unmatched tx");
        }
        if (r != 0) return r;
    }
    bool alone = reading == ORDER_READING_RUST && b->body_count == 1;
    *ret = alone ? children[0] : order_bundle_hash(children, b->body_count);
    return 0;
}

int order_share_hash(struct hash *ret, const struct share_bundle *b, enum order_reading reading,
                     struct arena *a, struct error *why) {
    return share_hash(ret, b, reading, 0, a, why);
}

static void walk_hashes(struct wyhash *w, const struct bundle_hashes *h) {
    if (h->count == 0) return;
    wyhash_write_u64(w, h->count);
    for (size_t i = 0; i < h->count; i++) {
        wyhash_write_u64(w, sizeof(struct hash));
        wyhash_write(w, BYTES_OF(h->items[i]));
    }
}

static void walk_text(struct wyhash *w, struct bytes text) {
    wyhash_write(w, text);
    wyhash_write(w, BYTES_LIT("\xff"));
}

static void walk_address(struct wyhash *w, const struct address *a) {
    wyhash_write_u64(w, sizeof a->b);
    wyhash_write(w, bytes_make(a->b, sizeof a->b));
}

static void walk_replacement(struct wyhash *w, const struct bundle *b) {
    char text[37];
    if (!(b->fields & (BUNDLE_UUID | BUNDLE_REPLACEMENT_UUID))) return;
    uuid_format(text, b->fields & BUNDLE_UUID ? &b->uuid : &b->replacement_uuid);
    walk_text(w, bytes_make(text, 36));
    if (b->fields & BUNDLE_REPLACEMENT_NONCE) wyhash_write_u64(w, b->replacement_nonce);
}

static void walk(struct wyhash *w, const struct bundle *b) {
    uint8_t delayed = b->delayed_refund;
    if (b->fields & BUNDLE_BLOCK_NUMBER) {
        wyhash_write_u64(w, 1);
        wyhash_write_u64(w, b->block_number);
    }
    if (b->txs.count > 0) wyhash_write_u64(w, b->txs.count);
    for (size_t i = 0; i < b->txs.count; i++) {
        wyhash_write_u64(w, b->txs.items[i].n);
        wyhash_write(w, b->txs.items[i]);
    }
    walk_hashes(w, &b->reverting);
    walk_hashes(w, &b->dropping);
    walk_replacement(w, b);
    if (b->fields & BUNDLE_REFUND_PERCENT) wyhash_write_u64(w, b->refund_percent);
    if (b->fields & BUNDLE_REFUND_RECIPIENT) walk_address(w, &b->refund_recipient);
    walk_hashes(w, &b->refund_txs);
    if (b->fields & BUNDLE_REFUND_IDENTITY) walk_address(w, &b->refund_identity);
    if (b->fields & BUNDLE_VERSION) walk_text(w, b->version);
    if (b->fields & BUNDLE_MIN_TIMESTAMP) wyhash_write_u64(w, b->min_timestamp);
    if (b->fields & BUNDLE_MAX_TIMESTAMP) wyhash_write_u64(w, b->max_timestamp);
    if (b->fields & BUNDLE_DELAYED_REFUND) wyhash_write(w, bytes_make(&delayed, 1));
}

struct hash order_flow_hash(const struct bundle *b) {
    struct hash ret;
    struct wyhash w = {0, 0};
    for (int pass = 0; pass < FLOW_PASSES; pass++) {
        walk(&w, b);
        store_be64(ret.b + 8 * pass, wyhash_value(&w));
    }
    return ret;
}

struct hash order_flow_double_hash(const struct hash *flow_hash) {
    return keccak256(bytes_make(flow_hash->b, sizeof flow_hash->b));
}

bool order_replacement_of(struct order_replacement *ret, const struct bundle *b) {
    if (!(b->fields & (BUNDLE_UUID | BUNDLE_REPLACEMENT_UUID))) return false;
    ret->uuid = b->fields & BUNDLE_UUID ? b->uuid : b->replacement_uuid;
    ret->signer = b->signing_address;
    ret->nonce = b->replacement_nonce;
    return true;
}
