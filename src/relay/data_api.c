/* Data API: what was delivered, what was bid, who registered. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/ssz_json.h"
#include "relay/records_read.h"
#include "relay/relay.h"

#include <stdio.h>
#include <stdlib.h>

#define DELIVERED_MAX 200u
#define RECEIVED_MAX 500u
#define ARGUMENT_MAX 100

struct query {
    struct relay *relay;
    struct exchange *x;
    struct pool_task task;
    struct records_filter filter;
    char hash[67], builder[99], proposer[99];
    bool received;
    struct buf out;
    int status;
    struct error why;
};

static struct bytes argument(struct exchange *x, const char *name) {
    struct bytes v = exchange_query_get(x, name);
    return v.p ? v : (struct bytes){NULL, 0};
}

// NULL, or what to say. Absent arguments leave *ret alone.
static const char *read_number(int64_t *ret, struct exchange *x, const char *name,
                               const char *text) {
    struct bytes v = argument(x, name);
    int64_t n = 0;
    if (v.n == 0) return NULL;
    if (v.n > 18) return text;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return text;
        n = n * 10 + (v.p[i] - '0');
    }
    *ret = n;
    return NULL;
}

// A value of n bytes, kept as lower-case digits, as the records hold it.
static const char *read_digits(struct bytes *ret, char *keep, size_t n, struct exchange *x,
                               const char *name, const char *text) {
    struct bytes v = argument(x, name);
    uint8_t bytes[48];
    if (v.n == 0) return NULL;
    if (hex_decode_fixed(bytes, n, v, NULL) != 0) return text;
    keep[0] = '0';
    keep[1] = 'x';
    hex_encode(keep + 2, bytes_make(bytes, n));
    *ret = bytes_make(keep, 2 + 2 * n);
    return NULL;
}

static const char *read_pubkey(struct bytes *ret, char keep[99], struct exchange *x,
                               const char *name, const char *text) {
    const char *wrong = read_digits(ret, keep, 48, x, name, text);
    struct bls_public_key key;
    struct bytes48 bytes;
    if (wrong || !ret->n) return wrong;
    if (hex_decode_fixed(bytes.b, 48, *ret, NULL) != 0) return text;
    return bls_public_key_parse(&key, &bytes, NULL) == 0 ? NULL : text;
}

static const char *read_common(struct query *q, struct exchange *x) {
    struct records_filter *f = &q->filter;
    const char *wrong =
        read_digits(&f->block_hash, q->hash, 32, x, "block_hash", "invalid block_hash argument");
    if (!wrong) {
        wrong = read_number(&f->block_number, x, "block_number", "invalid block_number argument");
    }
    return wrong;
}

static const char *read_limit(struct query *q, struct exchange *x, uint64_t most, char text[64]) {
    int64_t limit = (int64_t)most;
    const char *wrong = read_number(&limit, x, "limit", "invalid limit argument");
    q->filter.limit = (uint64_t)limit;
    if (wrong || (uint64_t)limit <= most) return wrong;
    (void)snprintf(text, 64, "maximum limit is %llu", (unsigned long long)most);
    return text;
}

static const char *read_delivered(struct query *q, struct exchange *x, char text[64]) {
    struct records_filter *f = &q->filter;
    if (argument(x, "slot").n && argument(x, "cursor").n) {
        return "cannot specify both slot and cursor";
    }
    const char *wrong = read_number(&f->slot, x, "slot", "invalid slot argument");
    if (!wrong) wrong = read_number(&f->cursor, x, "cursor", "invalid cursor argument");
    if (!wrong) wrong = read_common(q, x);
    if (!wrong) {
        wrong = read_pubkey(&f->proposer_pubkey, q->proposer, x, "proposer_pubkey",
                            "invalid proposer_pubkey argument");
    }
    if (!wrong) {
        wrong = read_pubkey(&f->builder_pubkey, q->builder, x, "builder_pubkey",
                            "invalid builder_pubkey argument");
    }
    if (!wrong) wrong = read_limit(q, x, DELIVERED_MAX, text);
    struct bytes order = argument(x, "order_by");
    if (bytes_equal_str(order, "value")) f->order = RECORDS_VALUE_RISING;
    if (bytes_equal_str(order, "-value")) f->order = RECORDS_VALUE_FALLING;
    return wrong;
}

static const char *read_received(struct query *q, struct exchange *x, char text[64]) {
    struct records_filter *f = &q->filter;
    if (argument(x, "cursor").n) return "cursor argument not supported";
    const char *wrong = read_number(&f->slot, x, "slot", "invalid slot argument");
    if (!wrong) wrong = read_common(q, x);
    if (!wrong) {
        wrong = read_pubkey(&f->builder_pubkey, q->builder, x, "builder_pubkey",
                            "invalid builder_pubkey argument");
    }
    if (wrong) return wrong;
    if (f->slot < 0 && f->block_number < 0 && !f->block_hash.n && !f->builder_pubkey.n) {
        return "need to query for specific slot or block_hash or block_number or builder_pubkey";
    }
    return read_limit(q, x, RECEIVED_MAX, text);
}

static void query_run(void *context) {
    struct query *q = context;
    q->status = q->received
                    ? records_write_submissions(q->relay->records, &q->out, &q->filter, &q->why)
                    : records_write_delivered(q->relay->records, &q->out, &q->filter, &q->why);
}

static void query_free(struct query *q) {
    exchange_release(q->x);
    buf_free(&q->out);
    free(q);
}

static void query_done(void *context) {
    struct query *q = context;
    if (q->status != 0) {
        log_error(q->relay->log, "records_not_read", F_ERR(&q->why));
        relay_refuse(q->x, 500, "the records could not be read");
    } else {
        exchange_respond_text(q->x, 200, "application/json", buf_view(&q->out));
    }
    query_free(q);
}

static void start(struct relay *r, struct exchange *x, bool received) {
    char text[64];
    if (relay_refuse_unready(r, x)) return;
    struct query *q = calloc(1, sizeof *q);
    if (!q) {
        relay_refuse(x, 503, "the relay is busy");
        return;
    }
    exchange_hold(x);
    q->relay = r;
    q->x = x;
    q->received = received;
    q->filter = (struct records_filter){.slot = -1, .cursor = -1, .block_number = -1};
    q->task =
        (struct pool_task){.run = query_run, .done = query_done, .context = q, .home = &r->mailbox};
    const char *wrong = received ? read_received(q, x, text) : read_delivered(q, x, text);
    if (wrong) {
        relay_refuse(x, 400, wrong);
        query_free(q);
    } else if (!relay_read(r, &q->task)) {
        relay_refuse(x, 503, "the relay is busy");
        query_free(q);
    }
}

void relay_on_delivered(struct exchange *x, void *context) {
    start(context, x, false);
}

void relay_on_received(struct exchange *x, void *context) {
    start(context, x, true);
}

void relay_on_registration(struct exchange *x, void *context) {
    struct relay *r = context;
    struct bytes text = argument(x, "pubkey");
    struct bytes48 pubkey;
    struct bls_public_key key;
    if (relay_refuse_unready(r, x)) return;
    if (text.n == 0) {
        relay_refuse(x, 400, "missing pubkey argument");
        return;
    }
    if (hex_decode_fixed(pubkey.b, 48, text, NULL) != 0 ||
        bls_public_key_parse(&key, &pubkey, NULL) != 0) {
        relay_refuse(x, 400, "invalid pubkey");
        return;
    }
    const struct validator *v = duties_validator(&r->duties, &pubkey);
    if (!v || !v->registration) {
        char refusal[160];
        (void)snprintf(refusal, sizeof refusal, "no registration found for validator %.*s",
                       (int)text.n, (const char *)text.p);
        relay_refuse(x, 400, refusal);
        return;
    }
    struct buf out;
    buf_init(&out, 0);
    ssz_json_encode(&out, &ssz_signed_validator_registration, v->registration);
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}
