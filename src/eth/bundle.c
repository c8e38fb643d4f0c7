/* SPDX-License-Identifier: MIT */
#include "eth/bundle.h"

#include "base/hex.h"
#include "eth/loose_number.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const uint8_t uuid_groups[] = {4, 2, 2, 2, 6}; /* bytes between the dashes */

static bool has_ends(struct bytes text, const char *before, const char *after) {
    size_t b = strlen(before), a = strlen(after);
    return text.n >= b + a && strncasecmp((const char *)text.p, before, b) == 0 &&
           memcmp(text.p + text.n - a, after, a) == 0;
}

int uuid_parse(struct uuid *ret, struct bytes text, struct error *why) {
    struct uuid u;
    if (text.n == 45 && has_ends(text, "urn:uuid:", "")) text = bytes_slice(text, 9, 36);
    if (text.n == 38 && has_ends(text, "{", "}")) text = bytes_slice(text, 1, 36);
    bool dashes = text.n == 36;
    if (!dashes && text.n != 32) {
        return error_set(why, ERR_SYNTAX, "UUID: has neither 36 nor 32 characters");
    }
    size_t from = 0, to = 0;
    for (size_t g = 0; g < sizeof uuid_groups; g++) {
        size_t n = uuid_groups[g];
        if (dashes && g > 0 && text.p[from++] != '-') {
            return error_set_at(why, ERR_SYNTAX, from - 1, "UUID: a dash is missing");
        }
        int r = hex_decode(u.b + to, bytes_slice(text, from, 2 * n), why);
        if (r != 0) return error_wrap(why, "UUID");
        from += 2 * n;
        to += n;
    }
    *ret = u;
    return 0;
}

void uuid_format(char ret[37], const struct uuid *u) {
    size_t from = 0;
    for (size_t g = 0; g < sizeof uuid_groups; g++) {
        if (g > 0) *ret++ = '-';
        hex_encode(ret, bytes_make(u->b + from, uuid_groups[g]));
        ret += 2 * uuid_groups[g];
        from += uuid_groups[g];
    }
    *ret = 0;
}

/* A number as QUANTITY, as hex with leading zeros or without digits, or as a JSON number. */
static int number(uint64_t *ret, const struct json *v, struct error *why) {
    struct u256 wide;
    if (json_type_of(v) == JSON_NUMBER) return json_u64(ret, v, why);
    int r = loose_number_json(&wide, v, why);
    if (r != 0) return r;
    if (!u256_fits_u64(wide)) return json_error(why, ERR_RANGE, v, "does not fit 64 bits");
    *ret = wide.w[0];
    return 0;
}

static int read_uuid(struct uuid *ret, const struct json *v, struct error *why) {
    struct bytes text;
    int r = json_string(&text, v, why);
    if (r != 0) return r;
    if (uuid_parse(ret, text, why) != 0) return json_error(why, ERR_SYNTAX, v, "is not a UUID");
    return 0;
}

/* Memory for an array's items; *ret_count 0 and no memory for null. */
static int array_memory(void **ret, size_t *ret_count, const struct json *v, size_t size,
                        struct arena *a, struct error *why) {
    *ret = NULL;
    *ret_count = 0;
    if (json_is_null(v)) return 0;
    int r = json_expect(v, JSON_ARRAY, why);
    if (r != 0) return r;
    *ret_count = json_count(v);
    *ret = arena_alloc_array(a, *ret_count, size);
    return *ret ? 0 : json_error(why, ERR_LIMIT, v, "list does not fit its memory limit");
}

static int read_hashes(struct bundle_hashes *ret, const struct json *in, const char *key,
                       struct arena *a, struct error *why) {
    void *memory;
    const struct json *list = json_get(in, key);
    int r = array_memory(&memory, &ret->count, list, sizeof(struct hash), a, why);
    struct hash *items = memory;
    ret->items = items;
    size_t i = 0;
    if (r == 0) {
        json_each(item, list) {
            r = json_hash(&items[i++], item, why);
            if (r != 0) break;
        }
    }
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

/* The texts of hashes that were read: the first generation's keys are made of them. */
static int read_texts(const struct bytes **ret, const struct json *list, struct arena *a,
                      struct error *why) {
    if (json_count(list) == 0) return 0;
    struct bytes *texts = arena_new_array(a, struct bytes, json_count(list));
    if (!texts) return json_error(why, ERR_LIMIT, list, "list does not fit its memory limit");
    *ret = texts;
    json_each(item, list) {
        *texts++ = json_text(item);
    }
    return 0;
}

static int read_txs(struct bundle *b, const struct json *in, struct arena *a, struct error *why) {
    void *memory;
    const struct json *list = json_get(in, "txs");
    int r = array_memory(&memory, &b->txs.count, list, sizeof(struct bytes), a, why);
    struct bytes *items = memory;
    b->txs.items = items;
    if (items) b->fields |= BUNDLE_TXS;
    size_t i = 0;
    if (r == 0) {
        json_each(item, list) {
            r = json_data(&items[i], item, a, why);
            if (r != 0) return error_wrap(why, "txs[%zu]", i);
            i++;
        }
    }
    return r != 0 ? error_wrap(why, "txs") : 0;
}

enum scalar { NUMBER, UUID, ADDRESS, HASH, FLAG, TEXT };

/* The scalar members: where each goes and how it is read and written. */
static const struct member {
    const char *name;
    enum bundle_field field;
    enum scalar scalar;
    size_t offset;
} members[] = {
#define MEMBER(NAME, FIELD, SCALAR, PLACE)                                                         \
    { NAME, FIELD, SCALAR, offsetof(struct bundle, PLACE) }
    MEMBER("blockNumber", BUNDLE_BLOCK_NUMBER, NUMBER, block_number),
    MEMBER("minTimestamp", BUNDLE_MIN_TIMESTAMP, NUMBER, min_timestamp),
    MEMBER("maxTimestamp", BUNDLE_MAX_TIMESTAMP, NUMBER, max_timestamp),
    MEMBER("replacementUuid", BUNDLE_REPLACEMENT_UUID, UUID, replacement_uuid),
    MEMBER("version", BUNDLE_VERSION, TEXT, version),
    MEMBER("replacementNonce", BUNDLE_REPLACEMENT_NONCE, NUMBER, replacement_nonce),
    MEMBER("signingAddress", BUNDLE_SIGNING_ADDRESS, ADDRESS, signing_address),
    MEMBER("refundIdentity", BUNDLE_REFUND_IDENTITY, ADDRESS, refund_identity),
    MEMBER("uuid", BUNDLE_UUID, UUID, uuid),
    MEMBER("refundPercent", BUNDLE_REFUND_PERCENT, NUMBER, refund_percent),
    MEMBER("refundRecipient", BUNDLE_REFUND_RECIPIENT, ADDRESS, refund_recipient),
    MEMBER("delayedRefund", BUNDLE_DELAYED_REFUND, FLAG, delayed_refund),
    MEMBER("bundleHash", BUNDLE_HASH, HASH, bundle_hash),
};

static int read_scalar(void *to, enum scalar scalar, const struct json *v, struct error *why) {
    switch (scalar) {
    case NUMBER:
        return number(to, v, why);
    case UUID:
        return read_uuid(to, v, why);
    case ADDRESS:
        return json_address(to, v, why);
    case HASH:
        return json_hash(to, v, why);
    case FLAG:
        return json_bool(to, v, why);
    case TEXT:
        return json_string(to, v, why);
    }
    return error_set(why, ERR_INTERNAL, "unknown kind of member");
}

int bundle_decode(struct bundle *ret, const struct json *in, struct arena *a, struct error *why) {
    struct bundle b = {.fields = 0};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = read_txs(&b, in, a, why);
    if (r == 0) r = read_hashes(&b.reverting, in, "revertingTxHashes", a, why);
    if (r == 0) r = read_hashes(&b.dropping, in, "droppingTxHashes", a, why);
    if (r == 0) r = read_hashes(&b.refund_txs, in, "refundTxHashes", a, why);
    if (r == 0) r = read_texts(&b.refund_tx_texts, json_get(in, "refundTxHashes"), a, why);
    if (!json_is_null(json_get(in, "refundTxHashes"))) b.fields |= BUNDLE_REFUND_TXS;
    for (size_t i = 0; r == 0 && i < sizeof members / sizeof *members; i++) {
        const struct member *m = &members[i];
        const struct json *v = json_get(in, m->name);
        if (json_is_null(v)) continue;
        r = read_scalar((uint8_t *)&b + m->offset, m->scalar, v, why);
        if (r != 0) return error_wrap(why, "%s", m->name);
        b.fields |= m->field;
    }
    if (r == 0) *ret = b;
    return r;
}

static void put_scalar(struct json_writer *w, const struct bundle *b, const char *name) {
    const struct member *m = members;
    while (strcmp(m->name, name) != 0) {
        m++;
    }
    if (!(b->fields & m->field)) return;
    const uint8_t *from = (const uint8_t *)b + m->offset;
    char text[37];
    switch (m->scalar) {
    case NUMBER:
        json_add_u64(w, name, *(const uint64_t *)(const void *)from);
        break;
    case ADDRESS:
        json_add_data(w, name, bytes_make(from, 20));
        break;
    case HASH:
        json_add_data(w, name, bytes_make(from, 32));
        break;
    case FLAG:
        json_add_bool(w, name, *(const bool *)from);
        break;
    case TEXT:
        json_add_text(w, name, *(const struct bytes *)(const void *)from);
        break;
    case UUID:
        uuid_format(text, (const struct uuid *)from);
        json_add_str(w, name, text);
        break;
    }
}

static void put_hashes(struct json_writer *w, const char *name, const struct bundle_hashes *h) {
    if (h->count == 0) return;
    json_begin_array(w, name);
    for (size_t i = 0; i < h->count; i++) {
        json_add_data(w, NULL, BYTES_OF(h->items[i]));
    }
    json_end(w);
}

static void put_texts(struct json_writer *w, const char *name, const struct bundle *b) {
    if (!b->refund_tx_texts) {
        put_hashes(w, name, &b->refund_txs);
        return;
    }
    json_begin_array(w, name);
    for (size_t i = 0; i < b->refund_txs.count; i++) {
        json_add_text(w, NULL, b->refund_tx_texts[i]);
    }
    json_end(w);
}

void bundle_encode(struct json_writer *w, const char *key, const struct bundle *b) {
    json_begin_object(w, key);
    if (b->fields & BUNDLE_TXS) {
        json_begin_array(w, "txs");
        for (size_t i = 0; i < b->txs.count; i++) {
            json_add_data(w, NULL, b->txs.items[i]);
        }
        json_end(w);
    } else {
        json_add_null(w, "txs");
    }
    if (b->fields & BUNDLE_BLOCK_NUMBER) {
        json_add_quantity(w, "blockNumber", b->block_number);
    } else {
        json_add_null(w, "blockNumber");
    }
    put_scalar(w, b, "minTimestamp");
    put_scalar(w, b, "maxTimestamp");
    put_hashes(w, "revertingTxHashes", &b->reverting);
    put_scalar(w, b, "replacementUuid");
    put_scalar(w, b, "version");
    put_scalar(w, b, "replacementNonce");
    put_scalar(w, b, "signingAddress");
    put_scalar(w, b, "refundIdentity");
    put_hashes(w, "droppingTxHashes", &b->dropping);
    put_scalar(w, b, "uuid");
    put_scalar(w, b, "refundPercent");
    put_scalar(w, b, "refundRecipient");
    put_texts(w, "refundTxHashes", b);
    put_scalar(w, b, "delayedRefund");
    put_scalar(w, b, "bundleHash");
    json_end(w);
}
