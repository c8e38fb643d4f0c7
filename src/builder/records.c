/* SPDX-License-Identifier: MIT */
#include "builder/records.h"

#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/address.h"

#include <stdio.h>

/* Signatures of texts, as requests have them: over the hex of their hash (EIP-191). */
static struct hash digest_of(struct bytes text) {
    static const char prefix[] = "\x19"
                                 "Ethereum Signed Message:\n66";
    char message[sizeof prefix - 1 + 66];
    struct hash h = keccak256(text);
    struct bytes before = bytes_make(prefix, sizeof prefix - 1);
    memcpy(message, before.p, before.n);
    message[sizeof prefix - 1] = '0';
    message[sizeof prefix] = 'x';
    hex_encode(message + sizeof prefix + 1, BYTES_OF(h));
    return keccak256(bytes_make(message, sizeof message));
}

static void put_address(struct json_writer *w, const char *key, const struct address *a) {
    json_add_data(w, key, BYTES_OF(*a));
}

static void put_party(struct json_writer *w, const struct refund_party *p) {
    json_begin_object(w, NULL);
    put_address(w, "address", &p->identity);
    json_add_decimal256(w, "paid", p->paid);
    json_add_decimal256(w, "blockValueDelta", p->delta);
    json_add_decimal256(w, "redistributionValueReceived", p->refund);
    json_end(w);
}

static void put_orders(struct json_writer *w, const struct refund_party *p) {
    for (size_t i = 0; i < p->order_count; i++) {
        char name[BUILD_ORDER_NAME_MAX];
        const struct build_order *o = p->orders[i].entry->job.order;
        build_order_name(name, o);
        json_begin_object(w, NULL);
        json_add_str(w, "id", name);
        json_add_data(w, "bundleHash", BYTES_OF(o->bundle_hash));
        put_address(w, "address", &p->identity);
        json_add_decimal256(w, "landedCoinbaseProfit", p->orders[i].paid);
        json_add_decimal256(w, "redistributionValueReceived", p->orders[i].refund);
        if (!u256_is_zero(p->orders[i].delayed)) {
            json_add_decimal256(w, "delayedRefund", p->orders[i].delayed);
            put_address(w, "refundRecipient", &o->refund.recipient);
        }
        json_end(w);
    }
}

static void put_record(struct json_writer *w, const struct landed_block *b,
                       const struct refund_report *r) {
    json_begin_object(w, NULL);
    json_add_u64(w, "blockNumber", b->number);
    json_add_data(w, "blockHash", BYTES_OF(b->hash));
    json_add_data(w, "parentHash", BYTES_OF(b->parent_hash));
    json_add_u64(w, "slot", b->slot);
    json_add_u64(w, "timestamp", b->timestamp);
    put_address(w, "proposer", &b->proposer);
    put_address(w, "coinbase", &b->coinbase);
    json_add_str(w, "builder", b->builder);
    json_add_decimal256(w, "bid", b->bid);
    json_add_decimal256(w, "trueValue", b->true_value);
    json_add_decimal256(w, "ownFunds", b->own);
    json_add_decimal256(w, "blockValue", r->value);
    json_add_decimal256(w, "blockProfit", r->profit);
    json_begin_array(w, "identities");
    for (size_t i = 0; i < r->party_count; i++) {
        put_party(w, &r->parties[i]);
    }
    json_end(w);
    json_begin_array(w, "landedOrders");
    for (size_t i = 0; i < r->party_count; i++) {
        put_orders(w, &r->parties[i]);
    }
    json_end(w);
    json_begin_array(w, "jointContribution");
    for (size_t i = 0; i < r->joint_count; i++) {
        json_begin_object(w, NULL);
        put_address(w, "first", &r->parties[r->joints[i].first].identity);
        put_address(w, "second", &r->parties[r->joints[i].second].identity);
        json_add_decimal256(w, "blockValueDelta", r->joints[i].delta);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

int record_write(struct buf *out, const struct landed_block *b, const struct refund_report *r,
                 const struct ecdsa_signer *signer, const struct ecdsa_secret_key *key,
                 struct error *why) {
    struct ecdsa_signature signature;
    struct ecdsa_public_key public;
    struct json_writer w;
    struct buf record;
    uint8_t raw[65];
    buf_init(&record, RECORD_BYTES_MAX);
    json_writer_init(&w, &record, 0);
    put_record(&w, b, r);
    int code = buf_check(&record, why);
    struct hash digest = digest_of(buf_view(&record));
    if (code == 0) code = ecdsa_sign(signer, &signature, &digest, key, why);
    if (code == 0) code = ecdsa_public_key_of(signer, &public, key, why);
    if (code == 0) {
        struct address own = ecdsa_address(&public);
        memcpy(raw, signature.r, 32);
        memcpy(raw + 32, signature.s, 32);
        raw[64] = (uint8_t)(27 + signature.y_parity);
        json_writer_init(&w, out, 0);
        json_begin_object(&w, NULL);
        json_add_raw(&w, "record", buf_view(&record));
        put_address(&w, "address", &own);
        json_add_data(&w, "signature", bytes_make(raw, sizeof raw));
        json_end(&w);
        buf_append_byte(out, '\n');
        code = buf_check(out, why);
    }
    buf_free(&record);
    return code;
}

int record_check(const struct json **ret_record, struct address *ret_signer, struct bytes text,
                 struct arena *a, struct error *why) {
    const struct json *doc;
    struct ecdsa_signature signature;
    struct address says, is;
    uint8_t raw[65];
    int r = json_parse(&doc, text, a, NULL, why);
    if (r == 0) r = json_expect(json_get(doc, "record"), JSON_OBJECT, why);
    if (r == 0) r = json_get_address(&says, doc, "address", why);
    if (r == 0) r = json_get_fixed(raw, sizeof raw, doc, "signature", why);
    if (r != 0) return r;
    memcpy(signature.r, raw, 32);
    memcpy(signature.s, raw + 32, 32);
    signature.y_parity = (uint8_t)(raw[64] - 27);
    struct hash digest = digest_of(json_raw(json_get(doc, "record")));
    r = ecdsa_recover_address(&is, &digest, &signature, why);
    if (r == 0 && !address_equal(&is, &says)) {
        r = error_set(why, ERR_INVALID, "the record was not signed by whom it names");
    }
    if (r != 0) return r;
    *ret_record = json_get(doc, "record");
    *ret_signer = is;
    return 0;
}

/* For people. */

#define GWEI_DIGITS 9

static void put_ether(struct buf *out, const struct json *object, const char *key) {
    char digits[U256_DECIMAL_MAX + 1];
    struct u256 wei = U256_ZERO, gwei;
    if (json_get_decimal256(&wei, object, key, NULL) != 0) wei = U256_ZERO;
    u256_div_mod(&gwei, NULL, wei, u256_from_u64(1000000000));
    size_t n = u256_to_decimal(digits, gwei);
    size_t whole = n > GWEI_DIGITS ? n - GWEI_DIGITS : 0;
    buf_printf(out, "%.*s.", whole ? (int)whole : 1, whole ? digits : "0");
    buf_append_fill(out, '0', GWEI_DIGITS - (n - whole));
    buf_append_str(out, digits + whole);
}

static void put_text(struct buf *out, const struct json *object, const char *key) {
    buf_append(out, json_text(json_get(object, key)));
}

// A row: {key} stands for a member as it is written, [key] for one of wei, in ether.
static void put_row(struct buf *out, const struct json *object, const char *row) {
    while (*row) {
        size_t plain = strcspn(row, "{[");
        buf_append(out, bytes_make(row, plain));
        row += plain;
        if (!*row) break;
        char key[32];
        bool ether = *row == '[';
        size_t n = strcspn(row + 1, ether ? "]" : "}");
        (void)snprintf(key, sizeof key, "%.*s", (int)n, row + 1);
        (ether ? put_ether : put_text)(out, object, key);
        row += n + 2;
    }
}

static void explain_text(struct buf *out, const struct json *r, const struct address *signer) {
    char text[43];
    address_to_text(text, signer);
    put_row(out, r, "block {blockNumber} {blockHash}, signed by ");
    buf_append_str(out, text);
    put_row(out, r,
            "\n  earned [blockValue] ETH, bid [bid] ETH to {proposer}; "
            "to give back at most [blockProfit] ETH\n");
    json_each(party, json_get(r, "identities")) {
        put_row(out, party,
                "  {address}  paid [paid], the block is worth less without it by "
                "[blockValueDelta], gets back [redistributionValueReceived] ETH\n");
        struct bytes whose = json_text(json_get(party, "address"));
        json_each(order, json_get(r, "landedOrders")) {
            if (!bytes_equal(json_text(json_get(order, "address")), whose)) continue;
            put_row(out, order,
                    "    {id}  paid [landedCoinbaseProfit], "
                    "gets back [redistributionValueReceived]\n");
            if (!json_get(order, "delayedRefund")) continue;
            put_row(out, order,
                    "      its refund is due: [delayedRefund] ETH to {refundRecipient}\n");
        }
    }
    json_each(joint, json_get(r, "jointContribution")) {
        put_row(out, joint, "  together {first} and {second} get at most [blockValueDelta] ETH\n");
    }
}

static void explain_csv(struct buf *out, const struct json *r) {
    json_each(party, json_get(r, "identities")) {
        put_row(out, r, "{blockNumber},{blockHash},");
        put_row(out, party, "{address},{redistributionValueReceived}\n");
    }
    json_each(order, json_get(r, "landedOrders")) {
        if (!json_get(order, "delayedRefund")) continue;
        put_row(out, r, "{blockNumber},{blockHash},");
        put_row(out, order, "{refundRecipient},{delayedRefund}\n");
    }
}

int record_explain(struct buf *out, const struct json *record, const struct address *signer,
                   enum record_form form, struct error *why) {
    uint64_t number;
    int r = json_get_u64(&number, record, "blockNumber", why);
    if (r != 0) return r;
    switch (form) {
    case RECORD_TEXT:
        explain_text(out, record, signer);
        break;
    case RECORD_JSON:
        buf_append(out, json_raw(record));
        buf_append_byte(out, '\n');
        break;
    case RECORD_CSV:
        explain_csv(out, record);
        break;
    }
    return buf_check(out, why);
}
