/* SPDX-License-Identifier: MIT */
#include "builder/relay_wire.h"

#include "eth/ssz_json.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16)
#define GZIP_LEVEL 1 // bids are in a hurry

int relay_body(struct bytes *ret, struct built_block *b, bool ssz, bool optimistic,
               struct error *why) {
    struct bytes *kept = ssz ? &b->encoded[optimistic].ssz : &b->encoded[optimistic].json;
    const struct consensus_types *types = consensus_types_of(b->work->fork);
    if (!types->submit_request) {
        return error_set(why, ERR_UNSUPPORTED, "no submissions in %s",
                         consensus_fork_name(b->work->fork));
    }
    if (!kept->p) {
        struct submit_block_request request = b->request;
        struct buf out;
        if (optimistic) {
            request.message = b->optimistic_trace;
            request.signature = b->optimistic_signature;
        }
        buf_init(&out, 0);
        if (ssz) {
            ssz_encode(&out, types->submit_request, &request);
        } else {
            ssz_json_encode(&out, types->submit_request, &request);
        }
        int r = buf_check(&out, why);
        if (r == 0) *kept = arena_copy(&b->memory, buf_view(&out));
        buf_free(&out);
        if (r == 0 && !kept->p) r = error_set(why, ERR_NO_MEMORY, "no memory for a submission");
        if (r != 0) return r;
    }
    *ret = *kept;
    return 0;
}

int relay_gzip(struct buf *out, struct bytes in, struct error *why) {
    z_stream z = {0};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return error_set(why, ERR_NO_MEMORY, "no memory for gzip");
    }
    size_t room = deflateBound(&z, in.n);
    uint8_t *to = buf_reserve(out, room);
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = to;
    z.avail_out = (uInt)room;
    int done = to ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
    if (done == Z_STREAM_END) buf_commit(out, room - z.avail_out);
    (void)deflateEnd(&z);
    return done == Z_STREAM_END ? 0 : error_set(why, ERR_NO_MEMORY, "gzip failed");
}

const char *relay_answer_name(enum relay_answer a) {
    static const char *const names[RELAY_ANSWER_COUNT] = {
        "accepted",   "ignored",      "slot_over", "block_invalid",    "own_fault",
        "connection", "rate_limited", "not_yet",   "no_cancellations", "refused"};
    return a < RELAY_ANSWER_COUNT ? names[a] : "unknown";
}

static bool says(struct bytes body, const char *text) {
    return memmem(body.p, body.n, text, strlen(text)) != NULL;
}

enum relay_answer relay_classify(unsigned status, struct bytes body) {
    static const char *const over[] = {"submission for past slot",
                                       "submitted block is for past slot",
                                       "payload for this slot was already delivered"};
    static const char *const ignored[] = {"accepted bid below floor", "block already received",
                                          "already using a newer payload"};
    for (size_t i = 0; body.n && i < sizeof over / sizeof *over; i++) {
        if (says(body, over[i])) return RELAY_SLOT_OVER;
    }
    for (size_t i = 0; body.n && i < sizeof ignored / sizeof *ignored; i++) {
        if (says(body, ignored[i])) return RELAY_IGNORED;
    }
    if (says(body, "payload attributes not (yet) known")) return RELAY_NOT_YET;
    if (says(body, "cancellations are disabled")) return RELAY_NO_CANCELLATIONS;
    if (status == 200) return RELAY_ACCEPTED;
    if (status == 202) return RELAY_IGNORED;
    if (status == 429) return RELAY_RATE_LIMITED;
    if (status == 502 || status == 503 || status == 504) return RELAY_CONNECTION;
    if (body.n == 0) return RELAY_REFUSED;
    if (says(body, "read tcp") || says(body, "request timeout hit")) return RELAY_CONNECTION;
    if (!says(body, "simulation failed")) return RELAY_REFUSED;
    bool own = says(body, "unknown ancestor") || says(body, "missing trie node") ||
               says(body, "does not exist/is not available");
    return own ? RELAY_OWN_FAULT : RELAY_BLOCK_INVALID;
}

static int decode_duty(struct relay_duty *ret, const struct json *item, struct error *why) {
    const struct json *message = json_get(json_get(item, "entry"), "message");
    int r = json_get_decimal(&ret->slot, item, "slot", why);
    if (r == 0) r = json_get_address(&ret->fee_recipient, message, "fee_recipient", why);
    if (r == 0) r = json_get_decimal(&ret->gas_limit, message, "gas_limit", why);
    if (r == 0) r = json_get_fixed(ret->pubkey.b, sizeof ret->pubkey.b, message, "pubkey", why);
    return r;
}

int relay_duties_decode(const struct relay_duty **ret, size_t *ret_count, struct bytes body,
                        struct arena *a, struct error *why) {
    const struct json *doc;
    size_t count = 0;
    int r = json_parse(&doc, body, a, NULL, why);
    if (r == 0 && json_is_null(doc)) { // a relay without registrations yet
        *ret_count = 0;
        return 0;
    }
    if (r == 0) r = json_expect(doc, JSON_ARRAY, why);
    if (r != 0) return r;
    struct relay_duty *duties = arena_new_array(a, struct relay_duty, json_count(doc) + 1);
    if (!duties) return error_set(why, ERR_LIMIT, "too many proposers");
    json_each(item, doc) {
        r = decode_duty(&duties[count], item, why);
        if (r != 0) return r;
        count++;
    }
    *ret = duties;
    *ret_count = count;
    return 0;
}

int top_bid_decode(struct top_bid *ret, struct bytes in, struct error *why) {
    if (in.n != TOP_BID_BYTES) return error_set(why, ERR_SYNTAX, "%zu bytes, not 188", in.n);
    const uint8_t *p = in.p;
    ret->timestamp_ms = load_le64(p);
    ret->slot = load_le64(p + 8);
    ret->block_number = load_le64(p + 16);
    memcpy(ret->block_hash.b, p + 24, 32);
    memcpy(ret->parent_hash.b, p + 56, 32);
    memcpy(ret->builder_pubkey.b, p + 88, 48);
    memcpy(ret->fee_recipient.b, p + 136, 20);
    for (int i = 0; i < 4; i++) {
        ret->value.w[i] = load_le64(p + 156 + 8 * i);
    }
    return 0;
}
