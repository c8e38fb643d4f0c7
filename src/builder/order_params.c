/* SPDX-License-Identifier: MIT */
#include "builder/order_params.h"

#include "base/hex.h"

static const struct {
    const char *name;
    enum feed_method method;
} methods[] = {
    {"eth_sendBundle", FEED_SEND_BUNDLE},         {"mev_sendBundle", FEED_SEND_SHARE},
    {"eth_sendRawTransaction", FEED_SEND_RAW_TX}, {"eth_cancelBundle", FEED_CANCEL},
    {"bid_subsidiseBlock", FEED_SUBSIDISE},
};

enum feed_method order_params_method(struct bytes name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (bytes_equal_str(name, methods[i].name)) return methods[i].method;
    }
    return (enum feed_method)0;
}

static int decode_cancel(struct feed_order *ret, const struct json *param, struct error *why) {
    const struct json *uuid = json_get(param, "replacementUuid");
    int r = json_expect(uuid, JSON_STRING, why);
    if (r == 0) r = uuid_parse(&ret->cancel_uuid, json_text(uuid), why);
    if (r != 0) return error_wrap(why, "replacementUuid");
    if (json_is_null(json_get(param, "signingAddress"))) return 0;
    ret->has_signer = true;
    return json_get_address(&ret->signer, param, "signingAddress", why);
}

// A number, or a quantity in hex.
static int decode_number(uint64_t *ret, const struct json *v, struct error *why) {
    return json_type_of(v) == JSON_STRING ? json_quantity(ret, v, why) : json_u64(ret, v, why);
}

int order_params_decode(struct feed_order *ret, struct bytes method, const struct json *params,
                        struct arena *a, struct error *why) {
    struct feed_order o = {.method = order_params_method(method)};
    if (!o.method) return error_set(why, ERR_NOT_FOUND, "no method for orders");
    if (json_type_of(params) != JSON_ARRAY || json_count(params) != 1) {
        return error_set(why, ERR_INVALID, "params: not an array of one");
    }
    const struct json *param = json_first(params);
    int r = 0;
    switch (o.method) {
    case FEED_SEND_BUNDLE:
        r = bundle_decode(&o.bundle, param, a, why);
        break;
    case FEED_SEND_SHARE:
        r = share_bundle_decode(&o.share, param, a, why);
        break;
    case FEED_SEND_RAW_TX:
        r = json_data(&o.raw, param, a, why);
        break;
    case FEED_CANCEL:
        r = decode_cancel(&o, param, why);
        break;
    case FEED_SUBSIDISE:
        r = decode_number(&o.subsidy_block, param, why);
        break;
    case FEED_METHOD_END:
        break;
    }
    if (r == 0) *ret = o;
    return r;
}

static int decode_request(struct feed_order *ret, const struct json *request, struct arena *a,
                          struct error *why) {
    uint64_t received_ms;
    struct bytes method;
    int r = json_get_string(&method, request, "method", why);
    if (r == 0) r = order_params_decode(ret, method, json_get(request, "params"), a, why);
    if (r != 0) return r;
    if (!json_is_null(json_get(request, "receivedAt"))) {
        r = json_get_u64(&received_ms, request, "receivedAt", why);
        if (r == 0) ret->received_ns = received_ms * 1000000;
    }
    if (r == 0 && !json_is_null(json_get(request, "signer"))) {
        ret->has_signer = true;
        r = json_get_address(&ret->signer, request, "signer", why);
    }
    return r;
}

static const struct json_limits file_limits = {JSON_BYTES_MAX, 64, JSON_VALUES_MAX, false};

int order_params_each(struct bytes text,
                      int (*each)(void *arg, const struct feed_order *o, struct error *why),
                      void *arg, struct error *why) {
    struct arena a;
    size_t line = 0, at = 0;
    int r = 0;
    arena_init(&a, 0);
    while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\n' || text.p[at] == '\t')) {
        at++;
    }
    bool array = at < text.n && text.p[at] == '[';
    while (r == 0 && at < text.n) {
        const struct json *doc;
        struct feed_order o;
        const uint8_t *newline = array ? NULL : memchr(text.p + at, '\n', text.n - at);
        size_t end = newline ? (size_t)(newline - text.p) : text.n;
        struct bytes one = bytes_slice(text, at, end - at);
        at = end + 1;
        line++;
        if (one.n == 0) continue;
        r = json_parse(&doc, one, &a, &file_limits, why);
        if (r == 0 && !array) {
            r = decode_request(&o, doc, &a, why);
            if (r == 0) r = each(arg, &o, why);
        } else if (r == 0) {
            json_each(item, doc) {
                if (r == 0) r = decode_request(&o, item, &a, why);
                if (r == 0) r = each(arg, &o, why);
            }
        }
        if (r != 0 && !array) (void)error_wrap(why, "line %zu", line);
        arena_reset(&a);
    }
    arena_free(&a);
    return r;
}
