/* The network's published data: vectors of the refund rule, and published allow-lists.
 * SPDX-License-Identifier: MIT */
#include "attest/policy.h"
#include "eth/refund.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>

struct reader {
    struct tally *tally;
    struct arena *arena;
};

// A number; negative ones (a loss) count as zero.
static struct u256 number(const struct json *v) {
    struct u256 ret = u256_from_u64(0);
    struct error why;
    if (json_raw(v).n && json_raw(v).p[0] == '-') return ret;
    return json_u256(&ret, v, &why) == 0 ? ret : u256_from_u64(0);
}

static struct u256 *numbers(struct reader *r, const struct json *array, size_t *ret_count) {
    struct u256 *ret = arena_new_array(r->arena, struct u256, json_count(array));
    *ret_count = 0;
    json_each(v, array) {
        if (ret) ret[(*ret_count)++] = number(v);
    }
    return ret;
}

static bool same_numbers(const struct u256 *got, const struct json *array) {
    json_each(v, array) {
        if (!u256_equal(*got++, number(v))) return false;
    }
    return true;
}

static void tell(struct reader *r, const char *name, size_t at, bool good) {
    const char *full = arena_printf(r->arena, "%s %zu", name, at);
    if (good) {
        tally_pass(r->tally, full);
    } else {
        tally_fail(r->tally, full, "other amounts");
    }
}

static void run_splits(struct reader *r, const struct json *array) {
    size_t at = 0;
    json_each(v, array) {
        struct error why;
        size_t n;
        const struct u256 *weights = numbers(r, json_get(v, "weights"), &n);
        struct u256 *out = arena_new_array(r->arena, struct u256, n);
        int status = refund_split(out, number(json_get(v, "value")), weights, n, &why);
        const struct json *expected = json_get(v, "out");
        tell(r, "split_value", at++,
             status == 0 && json_count(expected) == n && same_numbers(out, expected));
    }
}

static void run_pairs(struct reader *r, const struct json *array) {
    size_t at = 0;
    json_each(v, array) {
        struct u256 out[2] = {number(json_get(v, "a")), number(json_get(v, "b"))};
        refund_reduce_pair(&out[0], &out[1], number(json_get(v, "delta")));
        const struct json *expected = json_get(v, "out");
        tell(r, "adjust_pair", at++, json_count(expected) == 2 && same_numbers(out, expected));
    }
}

static size_t index_of(const struct json *identities, const struct json *id) {
    size_t at = 0;
    json_each(v, identities) {
        if (bytes_equal(json_raw(json_get(v, "id")), json_raw(id))) break;
        at++;
    }
    return at;
}

static bool matches(const struct refund_identity *ids, size_t n, const struct json *expected) {
    struct u256 total = u256_from_u64(0);
    const struct json *amounts = json_get(expected, "by_identity");
    const struct json *orders = json_get(expected, "by_order");
    for (size_t i = 0; i < n; i++) {
        total = u256_add(total, ids[i].refund);
        if (!u256_equal(ids[i].refund, number(json_at(amounts, i)))) return false;
        const struct json *list = json_at(orders, i);
        if (json_count(list) != ids[i].order_count) return false;
        if (!same_numbers(ids[i].order_refunds, list)) return false;
    }
    return u256_equal(total, number(json_get(expected, "total")));
}

static void run_redistributions(struct reader *r, const struct json *array) {
    size_t at = 0;
    json_each(v, array) {
        const struct json *list = json_get(v, "identities"), *pair_list = json_get(v, "pairs");
        size_t n = 0, pairs_n = 0;
        struct error why;
        struct refund_identity *ids =
            arena_new_array(r->arena, struct refund_identity, json_count(list));
        struct refund_pair *pairs =
            arena_new_array(r->arena, struct refund_pair, json_count(pair_list));
        json_each(id, list) {
            ids[n].block_value_delta = number(json_get(id, "block_value_delta"));
            ids[n].orders = numbers(r, json_get(id, "orders"), &ids[n].order_count);
            n++;
        }
        json_each(p, pair_list) {
            const struct json *two = json_get(p, "ids");
            pairs[pairs_n++] = (struct refund_pair){index_of(list, json_at(two, 0)),
                                                    index_of(list, json_at(two, 1)),
                                                    number(json_get(p, "joint_block_value_delta"))};
        }
        int status =
            refund_compute(ids, n, pairs, pairs_n, number(json_get(v, "profit")), r->arena, &why);
        tell(r, "redistribution", at++, status == 0 && matches(ids, n, json_get(v, "out")));
    }
}

// An entry of a published list is a policy that the attestation library reads.
static void run_entry(struct reader *r, const struct json *entry) {
    struct error why;
    struct policy policy;
    const char *name = arena_str(r->arena, json_text(json_get(entry, "measurement_id")));
    const char *text =
        arena_printf(r->arena, "[%.*s]", (int)json_raw(entry).n, (const char *)json_raw(entry).p);
    int status = policy_parse(&policy, bytes_from_str(text), r->arena, &why);
    if (status == 0) {
        tally_pass(r->tally, name);
    } else {
        tally_fail(r->tally, name, "%s", why.text);
    }
}

static void each(const char *path, struct bytes content, struct tally *t, void *arg) {
    struct error why;
    const struct json *doc;
    struct arena a;
    size_t n = strlen(path);
    (void)arg;
    if (n < 5 || strcmp(path + n - 5, ".json") != 0) return;
    t->file = path;
    arena_init(&a, 0);
    struct reader r = {t, &a};
    if (json_parse(&doc, content, &a, NULL, &why) != 0) {
        tally_fail(t, "whole file", "%s", why.text);
    } else if (json_get(doc, "redistribution")) {
        run_splits(&r, json_get(doc, "split_value"));
        run_pairs(&r, json_get(doc, "adjust_pair"));
        run_redistributions(&r, json_get(doc, "redistribution"));
    } else if (doc->type == JSON_ARRAY) {
        json_each(v, doc) {
            const struct json *entry = json_get(v, "entry");
            run_entry(&r, entry ? entry : v);
        }
    } else {
        tally_fail(t, "whole file", "not a known format");
    }
    arena_free(&a);
}

void area_buildernet_network(const char *path, struct tally *t);

void area_buildernet_network(const char *path, struct tally *t) {
    conformance_walk(path, t, each, NULL);
}
