/* Orderflow vectors of identifiers: bundles, mev bundles, other methods, bundleHash.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/order_id.h"
#include "eth/tx_sidecar.h"
#include "orderflow/order_request.h"
#include "test/conformance/orderflow.h"

#include <string.h>

/* A bundle's transactions, decoded. */
struct decoded {
    struct bundle b;
    struct hash *hashes;
    struct address first;
    bool has_first;
};

static int decode(struct decoded *ret, const struct json *payload, struct arena *a,
                  struct error *why) {
    int r = bundle_decode(&ret->b, payload, a, why);
    if (r != 0) return r;
    ret->hashes = arena_new_array(a, struct hash, ret->b.txs.count);
    ret->has_first = false;
    for (size_t i = 0; r == 0 && i < ret->b.txs.count; i++) {
        struct tx t;
        struct tx_sidecar sidecar;
        r = tx_decode_network(&t, &sidecar, ret->b.txs.items[i], a, why);
        if (r != 0) return r;
        ret->hashes[i] = t.hash;
        if (i == 0) {
            r = tx_sender(&ret->first, &t, why);
            ret->has_first = r == 0;
        }
    }
    return r;
}

static bool check_uuid(struct flow_file *f, const char *name, const struct json *expected,
                       const struct decoded *d, enum order_reading reading) {
    struct uuid u;
    struct error why = {.text = ""};
    if (json_is_null(expected)) return true;
    int r = order_bundle_uuid(&u, &d->b, reading, d->hashes, d->b.txs.count,
                              d->has_first ? &d->first : NULL, f->a, &why);
    if (r == 0) return flow_same_uuid(f, name, "uuid", expected, &u);
    tally_fail(f->t, name, "%s", why.text);
    return false;
}

static void run_bundle(struct flow_file *f, const char *name, const struct json *test) {
    struct decoded d;
    struct uuid key;
    struct error why = {.text = ""};
    int r = decode(&d, json_get(test, "payload"), f->a, &why);
    if (r == 0) r = order_key_bundle(&key, &d.b, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    struct hash hash = order_bundle_hash(d.hashes, d.b.txs.count);
    if (flow_same_data(f, name, "hash", json_get(test, "bundle_hash"), BYTES_OF(hash)) &&
        flow_same_uuid(f, name, "unique key", json_get(test, "unique_key_v1proxy"), &key) &&
        check_uuid(f, name, json_get(test, "uuid_goutils"), &d, ORDER_READING_GO) &&
        check_uuid(f, name, json_get(test, "uuid_rbuilder_default_v2"), &d, ORDER_READING_RUST) &&
        check_uuid(f, name, json_get(test, "uuid"), &d, ORDER_READING_RUST)) {
        tally_pass(f->t, name);
    }
}

/* "accept...", "reject: reason", "cancellation: key (uuid,signer), sequence N". */
static void run_outcome(struct flow_file *f, const char *name, const struct json *test) {
    static const char cancel_text[] = "cancellation";
    struct bytes expected = json_text(json_get(test, "expect"));
    struct error why = {.text = "accepted"};
    struct order order;
    struct order_context context = {.generation = ORDER_SECOND, .system = true};
    int r = order_from_bundle(&order, json_get(test, "payload"), &context, f->a, &why);
    const char *got = r != 0 ? "reject" : order.cancels ? cancel_text : "accept";
    if (!bytes_starts_with(expected, bytes_from_str(got))) {
        tally_fail(f->t, name, "expected %.*s, got %s (%s)", (int)expected.n, expected.p, got,
                   why.text);
        return;
    }
    if (r == 0 && order.cancels) {
        char *sequence = arena_printf(f->a, " %llu", (unsigned long long)order.replacement.nonce);
        size_t n = strlen(sequence);
        if (expected.n < n || memcmp(expected.p + expected.n - n, sequence, n) != 0) {
            tally_fail(f->t, name, "expected %.*s, got%s", (int)expected.n, expected.p, sequence);
            return;
        }
    }
    tally_pass(f->t, name);
}

static void run_flow_hash(struct flow_file *f, const char *name, const struct json *test) {
    struct bundle b;
    struct error why = {.text = ""};
    if (bundle_decode(&b, json_get(test, "input_after_defaults"), f->a, &why) != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    struct hash hash = order_flow_hash(&b), twice = order_flow_double_hash(&hash);
    if (flow_same_data(f, name, "hash", json_get(test, "bundle_hash_flowproxy"), BYTES_OF(hash)) &&
        flow_same_data(f, name, "double hash", json_get(test, "double_bundle_hash"),
                       BYTES_OF(twice))) {
        tally_pass(f->t, name);
    }
}

static void run_share(struct flow_file *f, const char *name, const struct json *test) {
    struct share_bundle b;
    struct hash go, rust;
    struct error why = {.text = "accepted"};
    const struct json *error = json_get(test, "error");
    int r = share_bundle_decode(&b, json_get(test, "payload"), f->a, &why);
    if (r == 0) r = order_share_hash(&go, &b, ORDER_READING_GO, f->a, &why);
    if (!json_is_null(error)) {
        if (flow_same_text(f, name, "error", error, why.text)) tally_pass(f->t, name);
        return;
    }
    if (r == 0) r = order_share_hash(&rust, &b, ORDER_READING_RUST, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    struct uuid key = order_key_share(&b);
    if (flow_same_data(f, name, "hash", json_get(test, "hash_goutils"), BYTES_OF(go)) &&
        flow_same_data(f, name, "hash", json_get(test, "hash_rbuilder"), BYTES_OF(rust)) &&
        flow_same_uuid(f, name, "unique key", json_get(test, "unique_key_v1proxy"), &key)) {
        tally_pass(f->t, name);
    }
}

/* The dedup key of a method's one parameter. */
static void run_key(struct flow_file *f, const char *name, const struct json *test) {
    struct order order;
    struct uuid key;
    struct error why = {.text = ""};
    struct order_context context = {.generation = ORDER_FIRST, .system = true, .trusted = true};
    int r = order_from_param(&order, json_text(json_get(test, "method")), json_get(test, "param"),
                             &context, f->a, &why);
    if (r == 0) r = order_key(&key, &order, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
    } else if (flow_same_uuid(f, name, "unique key", json_get(test, "unique_key"), &key)) {
        tally_pass(f->t, name);
    }
}

bool flow_run_identifiers(struct flow_file *f) {
    const struct json *first = json_at(f->root, 0);
    if (json_get(first, "input_after_defaults")) {
        flow_run_each(f, f->root, run_flow_hash);
    } else if (json_get(first, "unique_key")) {
        flow_run_each(f, f->root, run_key);
    } else if (json_get(first, "payload")) {
        flow_run_each(f, f->root, run_share);
    } else if (json_get(f->root, "goutils") || json_get(f->root, "rbuilder")) {
        flow_run_each(f, json_get(f->root, "goutils"), run_bundle);
        flow_run_each(f, json_get(f->root, "rbuilder"), run_bundle);
        flow_run_each(f, json_get(f->root, "rbuilder_decode_outcomes"), run_outcome);
    } else {
        return false;
    }
    return true;
}
