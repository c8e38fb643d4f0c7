/* SPDX-License-Identifier: MIT */
#include "eth/receipt.h"

#include "crypto/keccak.h"
#include "eth/rlp.h"

#define LOG_MIN (1 + 21 + 1 + 1) /* RLP of the shortest log: no topic, no data */
#define BLOOM_BATCH 64           /* values hashed together; one log has at most 5 */

/* The three bits of a value are the low 11 bits of the first three pairs of its hash. */
static void set_bits(struct bloom *b, const struct hash *h) {
    for (int i = 0; i < 6; i += 2) {
        unsigned bit = load_be16(h->b + i) & 2047u;
        b->b[255 - bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

void bloom_add(struct bloom *b, struct bytes value) {
    struct hash h = keccak256(value);
    set_bits(b, &h);
}

static void set_batch(struct bloom *b, const struct bytes *values, size_t count) {
    struct hash h[BLOOM_BATCH];
    keccak256_batch(h, values, count);
    for (size_t i = 0; i < count; i++) {
        set_bits(b, &h[i]);
    }
}

void bloom_add_logs(struct bloom *b, const struct event_log *logs, size_t count) {
    struct bytes values[BLOOM_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (n + 1 + LOG_TOPICS_MAX > BLOOM_BATCH) {
            set_batch(b, values, n);
            n = 0;
        }
        values[n++] = BYTES_OF(logs[i].address);
        for (unsigned t = 0; t < logs[i].topic_count; t++) {
            values[n++] = BYTES_OF(logs[i].topics[t]);
        }
    }
    if (n > 0) set_batch(b, values, n);
}

static unsigned place_of(struct bytes value) {
    const uint8_t *end = value.p + value.n; // 20 bytes at least
    uint64_t x = load_le64(end - 8) ^ load_le64(end - 16) * 0x9e3779b97f4a7c15u ^
                 load_le32(value.p) * UINT64_C(0xff51afd7ed558ccd);
    return (unsigned)((x ^ x >> 32) * 0x9e3779b97f4a7c15u >> 51) % BLOOM_CACHE_PLACES;
}

static void set_cached(struct bloom *b, const uint16_t bits[3]) {
    for (int i = 0; i < 3; i++) {
        b->b[255 - bits[i] / 8] |= (uint8_t)(1u << bits[i] % 8);
    }
}

static void add_cached(struct bloom *b, struct bytes value, struct bloom_cache *c) {
    unsigned at = place_of(value);
    if (c->place[at].n != value.n || memcmp(c->place[at].value, value.p, value.n) != 0) {
        struct hash h = keccak256(value);
        memcpy(c->place[at].value, value.p, value.n);
        c->place[at].n = (uint8_t)value.n;
        for (unsigned i = 0; i < 3; i++) {
            c->place[at].bits[i] = load_be16(h.b + 2 * i) & 2047u;
        }
    }
    set_cached(b, c->place[at].bits);
}

void bloom_add_logs_cached(struct bloom *b, const struct event_log *logs, size_t count,
                           struct bloom_cache *cache) {
    for (size_t i = 0; i < count; i++) {
        add_cached(b, BYTES_OF(logs[i].address), cache);
        for (unsigned t = 0; t < logs[i].topic_count; t++) {
            add_cached(b, BYTES_OF(logs[i].topics[t]), cache);
        }
    }
}

void bloom_merge(struct bloom *b, const struct bloom *other) {
    for (size_t i = 0; i < sizeof b->b; i += 8) {
        store_le64(b->b + i, load_le64(b->b + i) | load_le64(other->b + i));
    }
}

bool bloom_may_contain(const struct bloom *b, struct bytes value) {
    struct bloom one = {{0}};
    bloom_add(&one, value);
    for (size_t i = 0; i < sizeof b->b; i++) {
        if ((b->b[i] & one.b[i]) != one.b[i]) return false;
    }
    return true;
}

static size_t log_payload(const struct event_log *l) {
    return 21 + rlp_size_list(33 * (size_t)l->topic_count) + rlp_size_string(l->data);
}

static size_t logs_payload(const struct event_log *logs, size_t count) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += rlp_size_list(log_payload(&logs[i]));
    }
    return n;
}

void logs_encode(struct buf *out, const struct event_log *logs, size_t count) {
    rlp_put_list_header(out, logs_payload(logs, count));
    for (size_t i = 0; i < count; i++) {
        const struct event_log *l = &logs[i];
        rlp_put_list_header(out, log_payload(l));
        rlp_put_string(out, BYTES_OF(l->address));
        rlp_put_list_header(out, 33 * (size_t)l->topic_count);
        for (unsigned t = 0; t < l->topic_count; t++) {
            rlp_put_string(out, BYTES_OF(l->topics[t]));
        }
        rlp_put_string(out, l->data);
    }
}

void receipt_encode(struct buf *out, const struct receipt *r) {
    size_t payload = r->has_state_root ? 33 : 1;
    payload += rlp_size_u64(r->cumulative_gas) + rlp_size_header(256) + 256;
    payload += rlp_size_list(logs_payload(r->logs, r->log_count));
    if (r->has_deposit_nonce) payload += rlp_size_u64(r->deposit_nonce);
    if (r->has_deposit_version) payload += rlp_size_u64(r->deposit_version);

    if (r->type != TX_LEGACY) buf_append_byte(out, (uint8_t)r->type);
    rlp_put_list_header(out, payload);
    if (r->has_state_root) {
        rlp_put_string(out, BYTES_OF(r->state_root));
    } else {
        rlp_put_u64(out, r->success);
    }
    rlp_put_u64(out, r->cumulative_gas);
    rlp_put_string(out, BYTES_OF(r->bloom));
    logs_encode(out, r->logs, r->log_count);
    if (r->has_deposit_nonce) rlp_put_u64(out, r->deposit_nonce);
    if (r->has_deposit_version) rlp_put_u64(out, r->deposit_version);
}

static void read_logs(struct rlp_reader *r, struct receipt *ret, struct arena *a) {
    struct rlp_reader list = rlp_list(r, "logs");
    struct event_log *logs =
        rlp_array(&list, &ret->log_count, SIZE_MAX, LOG_MIN, sizeof *logs, a, "logs");
    for (size_t i = 0; i < ret->log_count; i++) {
        struct rlp_reader l = rlp_list(&list, "log");
        rlp_fixed(&l, logs[i].address.b, 20, "log address");
        struct rlp_reader topics = rlp_list(&l, "log topics");
        logs[i].topic_count = (unsigned)rlp_count(&topics, LOG_TOPICS_MAX, "log topics");
        for (unsigned t = 0; t < logs[i].topic_count; t++) {
            rlp_fixed(&topics, logs[i].topics[t].b, 32, "log topic");
        }
        logs[i].data = rlp_string(&l, "log data");
        rlp_end(&l, "log");
    }
    ret->logs = logs;
}

int receipt_decode(struct receipt *ret, struct bytes in, struct arena *a, struct error *why) {
    struct receipt got = {.type = TX_LEGACY};
    struct bytes list = in;
    if (in.n > 0 && in.p[0] < 0x80) {
        got.type = (enum tx_type)in.p[0];
        if (got.type == TX_LEGACY || (got.type > TX_SET_CODE && got.type != TX_DEPOSIT)) {
            return error_set_at(why, ERR_UNSUPPORTED, 0, "receipt: type 0x%02x is unknown",
                                in.p[0]);
        }
        list = bytes_slice(in, 1, SIZE_MAX);
    }
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, list, why);
    source.start = in.p;
    struct rlp_reader r = rlp_list(&outer, "receipt");
    struct bytes outcome = rlp_string(&r, "receipt status");
    got.has_state_root = outcome.n == 32;
    got.success = outcome.n == 1 && outcome.p[0] == 1;
    if (got.has_state_root) {
        memcpy(got.state_root.b, outcome.p, 32);
    } else if (!got.success && outcome.n != 0) {
        rlp_fail(&r, ERR_SYNTAX, "receipt status: neither 0, 1 nor a state root");
    }
    got.cumulative_gas = rlp_u64(&r, "receipt gas");
    rlp_fixed(&r, got.bloom.b, sizeof got.bloom.b, "receipt bloom");
    read_logs(&r, &got, a);
    if (got.type == TX_DEPOSIT && rlp_more(&r)) {
        got.has_deposit_nonce = true;
        got.deposit_nonce = rlp_u64(&r, "deposit nonce");
        got.has_deposit_version = rlp_more(&r);
        if (got.has_deposit_version) got.deposit_version = rlp_u64(&r, "deposit version");
    }
    rlp_end(&r, "receipt");
    int status = rlp_finish(&outer, "receipt");
    if (status == 0) *ret = got;
    return status;
}
