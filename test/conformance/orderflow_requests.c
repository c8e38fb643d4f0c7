/* Orderflow vectors of requests: raw transactions, what is forwarded, signed messages, scores.
 * SPDX-License-Identifier: MIT */
#include "eth/request_signature.h"
#include "orderflow/archive_rows.h"
#include "orderflow/order_envelope.h"
#include "orderflow/priority.h"
#include "test/conformance/orderflow.h"

#include <math.h>
#include <string.h>

static void run_raw(struct flow_file *f, const char *name, const struct json *test) {
    struct order order;
    struct error why = {.text = "accepted"};
    struct bytes raw = {NULL, 0};
    bool expected = false;
    struct order_context context = {.generation = ORDER_SECOND, .system = true};
    int r = json_get_bool(&expected, test, "accept", &why);
    if (r == 0) r = json_get_data(&raw, test, "raw", f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    struct tx t;
    struct tx_sidecar sidecar;
    struct address sender = {{0}};
    if (expected) { /* as in a bundle: of any chain */
        r = tx_decode_network(&t, &sidecar, raw, f->a, &why);
        if (r == 0) r = tx_sender(&sender, &t, &why);
    } else {
        r = order_from_raw_tx(&order, raw, &context, f->a, &why);
    }
    if ((r == 0) != expected) {
        tally_fail(f->t, name, "expected %s: %s", expected ? "accepted" : "refused", why.text);
        return;
    }
    uint64_t type = 0;
    if (expected && json_get_u64(&type, test, "type", NULL) == 0 && type != (uint64_t)t.type) {
        tally_fail(f->t, name, "expected type %llu", (unsigned long long)type);
    } else if (!expected ||
               (flow_same_data(f, name, "hash", json_get(test, "hash"), BYTES_OF(t.hash)) &&
                flow_same_data(f, name, "sender", json_get(test, "sender"), BYTES_OF(sender)))) {
        tally_pass(f->t, name);
    }
}

/* How often the cases before this one replaced the same mev bundle: what its nonce is. */
static uint64_t share_nonce(const struct json *cases, const struct json *test) {
    struct bytes uuid = json_text(json_get(json_get(test, "param"), "replacementUuid"));
    uint64_t n = 0;
    json_each(before, cases) {
        const struct json *param = json_get(before, "param");
        if (before == test) break;
        if (bytes_equal_str(json_text(json_get(before, "method")), "mev_sendBundle") &&
            bytes_equal(json_text(json_get(param, "replacementUuid")), uuid)) {
            n++;
        }
    }
    return n;
}

static int context_of(struct order_context *ret, const struct flow_file *f, const struct json *test,
                      struct error *why) {
    const struct json *common = json_get(f->root, "common");
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public_key;
    struct ecdsa_signer *signer;
    uint64_t clock_s = 0;
    *ret = (struct order_context){.generation = ORDER_FIRST};
    int r = json_get_fixed(key.b, sizeof key.b, common, "user_key", why);
    if (r == 0) r = json_get_u64(&clock_s, common, "clock_unix_s", why);
    if (r == 0) r = ecdsa_signer_new(&signer, why);
    if (r != 0) return r;
    r = ecdsa_public_key_of(signer, &public_key, &key, why);
    ecdsa_signer_free(signer);
    const struct json *listener = json_get(test, "listener");
    if (!listener) listener = json_get(common, "listener");
    ret->system = bytes_equal_str(json_text(listener), "system");
    ret->trusted = bytes_equal_str(json_text(json_get(test, "signer")), "flashbots");
    ret->now_us = clock_s * 1000000;
    ret->share_nonce = share_nonce(json_get(f->root, "cases"), test);
    if (r == 0) ret->signer = ecdsa_address(&public_key);
    return r;
}

static void run_forward(struct flow_file *f, const char *name, const struct json *test) {
    struct order_context context;
    struct order order;
    struct error why = {.text = "accepted"};
    struct buf out;
    const struct json *error = json_get(test, "error");
    int r = context_of(&context, f, test, &why);
    if (r == 0) {
        r = order_from_param(&order, json_text(json_get(test, "method")), json_get(test, "param"),
                             &context, f->a, &why);
    }
    if (!json_is_null(error)) {
        struct order_refusal refusal =
            order_refusal_of(r == 0 ? ORDER_FAULT_INTERNAL : ORDER_FAULT_PARAMS, ORDER_FIRST,
                             BYTES_LIT(""), &why, f->a);
        char *code = arena_printf(f->a, "%d", refusal.code);
        if (flow_same_text(f, name, "message", json_get(error, "message"), refusal.message) &&
            flow_same_text(f, name, "code", json_get(error, "code"), code)) {
            tally_pass(f->t, name);
        }
        return;
    }
    buf_init(&out, 0);
    if (r == 0) r = order_forward(&out, &order, ORDER_FIRST, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
    } else if (flow_same_text(f, name, "request", json_get(test, "forwarded"),
                              arena_str(f->a, buf_view(&out)))) {
        tally_pass(f->t, name);
    }
    buf_free(&out);
}

static const char *signature_of(struct flow_file *f, const struct json *test) {
    const struct json *v = json_get(test, "X-Flashbots-Signature");
    if (!v) v = json_get(test, "X-BuilderNet-Signature");
    return arena_str(f->a, json_text(v));
}

/* A ready request: its signature holds; one that a generation refuses says so in its note. */
static void run_signed(struct flow_file *f, const char *name, const struct json *test) {
    struct bytes body = json_text(json_get(test, "body"));
    struct error why = {.text = ""};
    struct address signer;
    struct order_envelope envelope;
    struct order order;
    enum order_fault fault;
    int r =
        request_signature_verify(&signer, bytes_from_str(signature_of(f, test)), body, NULL, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    if (!flow_same_data(f, name, "signer", json_get(test, "signer"), BYTES_OF(signer))) return;
    struct order_context context = {.generation = ORDER_SECOND, .signer = signer, .now_us = 1};
    r = order_envelope_parse(&envelope, &fault, body, ORDER_SECOND, f->a, &why);
    if (r == 0) {
        r = order_from_param(&order, envelope.method, envelope.param, &context, f->a, &why);
    }
    bool expected = json_is_null(json_get(test, "note"));
    if ((r == 0) != expected) {
        tally_fail(f->t, name, "expected %s: %s", expected ? "accepted" : "refused", why.text);
    } else {
        tally_pass(f->t, name);
    }
}

/* One event of the archive's: its order is made again and written anew. */
static int archive_again(struct buf *out, const struct json *event, struct error *why) {
    const struct order_context context = {.generation = ORDER_FIRST, .system = true};
    const struct json *method = json_first(event), *order = json_member_value(method);
    struct flow_order_facts facts = {.source = FLOW_FROM_USER};
    struct flow_order *flow;
    struct order made = {0};
    struct arena own;
    uint64_t received_ms = 0;
    int r = json_get_u64(&received_ms, json_get(order, "metadata"), "receivedAt", why);
    facts.received_ns = received_ms * NS_PER_MS;
    arena_init(&own, 0);
    if (r == 0)
        r = order_from_param(&made, json_text(method), json_get(order, "params"), &context, &own,
                             why);
    if (r == 0) r = flow_order_new(&flow, &made, &facts, &own, why);
    arena_free(&own);
    if (r != 0) return r;
    if (out->n > 0) buf_append_byte(out, ',');
    r = archive_put_event(out, flow, 0, why);
    flow_order_release(flow);
    return r;
}

static void run_archive(struct flow_file *f, const char *name, const struct json *test) {
    const struct json *doc;
    struct error why = {.text = ""};
    struct buf events, request;
    struct bytes text = json_text(json_get(test, "archive_request"));
    buf_init(&events, 0);
    buf_init(&request, 0);
    int r = json_parse(&doc, text, f->a, NULL, &why);
    const struct json *batch = r == 0 ? json_first(json_get(doc, "params")) : NULL;
    json_each(event, json_get(batch, "orderEvents")) {
        if (r == 0) r = archive_again(&events, event, &why);
    }
    archive_put_request(&request, buf_view(&events));
    if (r == 0) r = buf_check(&request, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
    } else if (!bytes_equal(buf_view(&request), text)) {
        tally_fail(f->t, name, "another request: %.*s", (int)request.n, (const char *)request.p);
    } else {
        tally_pass(f->t, name);
    }
    buf_free(&events);
    buf_free(&request);
}

bool flow_run_requests(struct flow_file *f) {
    const struct json *cases = json_get(f->root, "cases"), *first = json_at(f->root, 0);
    void (*run)(struct flow_file *, const char *, const struct json *) = NULL;
    size_t i = 0;
    if (json_get(first, "raw") && json_get(first, "accept")) run = run_raw;
    if (json_get(first, "body") && json_get(first, "signer")) run = run_signed;
    if (json_get(f->root, "common") && cases) run = run_forward;
    if (!run) return false;
    json_each(test, cases ? cases : f->root) {
        struct arena_mark mark = arena_mark(f->a);
        const char *name = flow_name(f, test, i++);
        (json_get(test, "archive_request") ? run_archive : run)(f, name, test);
        arena_rewind(f->a, mark);
    }
    return true;
}

static void run_score(struct flow_file *f, const char *name, const struct json *test) {
    struct score_bucket buckets[SCORE_BUCKETS_MAX];
    size_t n = 0;
    double expected = 0;
    struct error why = {.text = ""};
    int r = json_get_double(&expected, test, "score", &why);
    json_each(in, json_get(test, "buckets")) {
        if (n == SCORE_BUCKETS_MAX || r != 0) break;
        struct score_bucket *b = &buckets[n++];
        r = json_get_u64(&b->requests, in, "requests", &why);
        if (r == 0) r = json_get_u64(&b->invalid, in, "invalid", &why);
        if (r == 0) r = json_get_u64(&b->simulated_top, in, "tob", &why);
        if (r == 0) r = json_get_u64(&b->included, in, "included", &why);
        if (r == 0) r = json_get_double(&b->contribution, in, "contrib", &why);
    }
    double got = score_mean(buckets, n);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
    } else if (fabs(got - expected) > 1e-9 * fmax(1, fabs(expected))) {
        tally_fail(f->t, name, "expected %.12g, got %.12g", expected, got);
    } else {
        tally_pass(f->t, name);
    }
}

bool flow_run_scores(struct flow_file *f) {
    const struct json *first = json_at(f->root, 0);
    size_t i = 0;
    if (!json_get(first, "buckets")) return false;
    json_each(test, f->root) {
        run_score(f, flow_name(f, test, i++), test);
    }
    return true;
}
