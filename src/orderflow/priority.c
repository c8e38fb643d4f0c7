/* SPDX-License-Identifier: MIT */
#include "orderflow/priority.h"

#include "base/map.h"
#include "crypto/keccak.h"

#include <math.h>
#include <strings.h>

static const char *const names[] = {
    [ORDER_HIGH] = "high", [ORDER_MEDIUM] = "medium", [ORDER_LOW] = "low"};

const char *order_priority_name(enum order_priority p) {
    return names[p];
}

int order_priority_parse(struct bytes name) {
    for (int p = ORDER_HIGH; p <= ORDER_LOW; p++) {
        if (name.n == strlen(names[p]) &&
            strncasecmp((const char *)name.p, names[p], name.n) == 0) {
            return p;
        }
    }
    return -1;
}

double score_of_bucket(const struct score_bucket *b) {
    double requests = (double)b->requests, asked = 0;
    if (b->requests > 0) {
        asked = fmin(log10(requests), 3) + fmin(5 * (double)b->invalid / requests, 5);
    }
    double worth = 0.1 * (double)b->simulated_top + 0.2 * (double)b->included + 2 * b->contribution;
    return asked - fmin(10, worth);
}

double score_mean(const struct score_bucket *buckets, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += score_of_bucket(&buckets[i]);
    }
    return count > 0 ? sum / (double)count : 0;
}

/* How many buckets a lookback has. */
static uint64_t span(const struct score_settings *s) {
    uint64_t n = (s->lookback_s + s->bucket_s - 1) / s->bucket_s;
    return n < 1 ? 1 : n > SCORE_BUCKETS_MAX ? SCORE_BUCKETS_MAX : n;
}

struct score_bucket *score_at(struct score_tracker *t, const struct score_settings *s,
                              uint64_t now_s) {
    uint64_t number = now_s / s->bucket_s + 1;
    size_t i = number % SCORE_BUCKETS_MAX;
    if (t->number[i] != number) {
        t->number[i] = number;
        t->bucket[i] = (struct score_bucket){0};
    }
    return &t->bucket[i];
}

/* The bucket that is `back` before now's; NULL: nothing was counted in it. */
static const struct score_bucket *bucket_of(const struct score_tracker *t, uint64_t number,
                                            uint64_t back) {
    size_t i = (number - back) % SCORE_BUCKETS_MAX;
    return number > back && t->number[i] == number - back ? &t->bucket[i] : NULL;
}

double score_now(const struct score_tracker *t, const struct score_settings *s, uint64_t now_s) {
    const uint64_t number = now_s / s->bucket_s + 1, most = span(s);
    double sum = 0;
    unsigned n = 0;
    for (uint64_t back = 0; back < most; back++) {
        const struct score_bucket *b = bucket_of(t, number, back);
        if (!b) continue;
        sum += score_of_bucket(b);
        n++;
    }
    return n > 0 ? sum / n : 0;
}

bool score_is_idle(const struct score_tracker *t, const struct score_settings *s, uint64_t now_s) {
    const uint64_t number = now_s / s->bucket_s + 1, most = span(s);
    for (uint64_t back = 0; back < most; back++) {
        if (bucket_of(t, number, back)) return false;
    }
    return true;
}

static bool has_blobs(const struct order *o) {
    for (size_t i = 0; i < o->bundle.txs.count; i++) {
        struct bytes raw = o->bundle.txs.items[i];
        if (raw.n > 1 && raw.p[0] == TX_BLOB && raw.p[1] >= 0xc0) return true;
    }
    return o->method == ORDER_SEND_RAW_TX && o->raw.n > 0 && o->raw.p[0] == TX_BLOB;
}

static bool has_each(const struct map *listed, const struct bytes *txs, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct hash h = keccak256(txs[i]);
        if (!map_get(listed, BYTES_OF(h))) return false;
    }
    return true;
}

/* Of each transaction the hash of its bytes as they came is listed as one that may revert. There
 * may be hundreds of thousands of both. */
static bool all_listed(const struct bundle *b) {
    struct map listed;
    int r = 0;
    if (b->reverting.count == 0) return b->txs.count == 0;
    map_init(&listed, 0);
    for (size_t i = 0; r == 0 && i < b->reverting.count; i++) {
        r = map_put(&listed, BYTES_OF(b->reverting.items[i]), &listed, NULL, NULL); // a set
    }
    bool all = r == 0 && has_each(&listed, b->txs.items, b->txs.count);
    map_free(&listed);
    return all;
}

enum order_priority order_priority_of(const struct order *o, double score) {
    bool alone = o->method == ORDER_SEND_RAW_TX || o->cancels ||
                 (o->method == ORDER_SEND_BUNDLE && all_listed(&o->bundle));
    if (has_blobs(o)) return ORDER_LOW;
    if ((score < ORDER_SCORE_SPAM && o->replaces) || alone) return ORDER_HIGH;
    return score < ORDER_SCORE_SPAM ? ORDER_MEDIUM : ORDER_LOW;
}
