/* SPDX-License-Identifier: MIT */
#include "orderflow/inspect.h"

#include "eth/address.h"
#include "eth/request_signature.h"
#include "net/http.h"
#include "orderflow/order_envelope.h"
#include "orderflow/priority.h"

static const struct json_limits limits = {JSON_BYTES_MAX, 64, JSON_VALUES_MAX, false};

struct inspection {
    struct json_writer w;
    struct arena a;
    const struct flow_inspect_settings *settings;
    bool valid;
};

static void put_uuid(struct json_writer *w, const char *key, const struct uuid *u) {
    char text[37];
    uuid_format(text, u);
    json_add_str(w, key, text);
}

static void put_address(struct json_writer *w, const char *key, const struct address *a) {
    char text[43];
    address_to_text(text, a);
    json_add_str(w, key, text);
}

static void put_error(struct inspection *s, const char *key, const char *text) {
    json_add_str(&s->w, key, text);
    s->valid = false;
}

/* The transactions one by one, and their hashes; NULL when one does not decode. */
static struct hash *put_txs(struct inspection *s, const struct order *o,
                            struct address *ret_first) {
    struct bytes one[] = {o->raw};
    const struct bytes *raw = o->method == ORDER_SEND_RAW_TX ? one : o->bundle.txs.items;
    size_t n = o->method == ORDER_SEND_RAW_TX ? 1 : o->bundle.txs.count;
    struct hash *hashes = arena_new_array(&s->a, struct hash, n);
    bool whole = hashes;
    json_begin_array(&s->w, "transactions");
    for (size_t i = 0; hashes && i < n; i++) {
        struct tx t;
        struct tx_sidecar sidecar;
        struct address sender;
        struct error why = {.text = ""};
        json_begin_object(&s->w, NULL);
        int r = tx_decode_network(&t, &sidecar, raw[i], &s->a, &why);
        if (r == 0) {
            hashes[i] = t.hash;
            json_add_data(&s->w, "hash", BYTES_OF(t.hash));
            json_add_u64(&s->w, "type", (uint64_t)t.type);
            json_add_u64(&s->w, "nonce", t.nonce);
            if (t.type == TX_BLOB) json_add_bool(&s->w, "sidecar", sidecar.present);
            r = tx_sender(&sender, &t, &why);
        }
        if (r == 0) {
            put_address(&s->w, "sender", &sender);
            if (i == 0) *ret_first = sender;
        } else {
            json_add_str(&s->w, "error", why.text);
            whole = false;
        }
        json_end(&s->w);
    }
    json_end(&s->w);
    return whole ? hashes : NULL;
}

static void put_bundle(struct inspection *s, const struct order *o) {
    struct address first = {{0}};
    struct hash *hashes = put_txs(s, o, &first);
    size_t n = o->bundle.txs.count;
    struct hash flow = order_flow_hash(&o->bundle), twice = order_flow_double_hash(&flow);
    json_add_data(&s->w, "bundleHash", BYTES_OF(flow));
    json_add_data(&s->w, "doubleBundleHash", BYTES_OF(twice));
    if (!hashes) return;
    struct hash hash = order_bundle_hash(hashes, n);
    struct uuid u;
    json_add_data(&s->w, "hash", BYTES_OF(hash));
    const struct address *sender = n > 0 ? &first : NULL;
    if (order_bundle_uuid(&u, &o->bundle, ORDER_READING_GO, hashes, n, sender, &s->a, NULL) == 0) {
        put_uuid(&s->w, "uuidGo", &u);
    }
    if (order_bundle_uuid(&u, &o->bundle, ORDER_READING_RUST, hashes, n, sender, &s->a, NULL) ==
        0) {
        put_uuid(&s->w, "uuidRust", &u);
    }
}

static void put_share(struct inspection *s, const struct order *o) {
    struct hash h;
    if (order_share_hash(&h, &o->share, ORDER_READING_GO, &s->a, NULL) == 0) {
        json_add_data(&s->w, "hashGo", BYTES_OF(h));
    }
    if (order_share_hash(&h, &o->share, ORDER_READING_RUST, &s->a, NULL) == 0) {
        json_add_data(&s->w, "hashRust", BYTES_OF(h));
    }
}

static void put_order(struct inspection *s, const struct order *o) {
    struct uuid key;
    struct address sender;
    if (order_key(&key, o, &s->a, NULL) == 0) put_uuid(&s->w, "uniqueKey", &key);
    if (o->method == ORDER_SEND_BUNDLE) put_bundle(s, o);
    if (o->method == ORDER_SEND_RAW_TX) put_txs(s, o, &sender);
    if (o->method == ORDER_SEND_SHARE) put_share(s, o);
    if (o->replaces) {
        json_begin_object(&s->w, "replacement");
        put_uuid(&s->w, "uuid", &o->replacement.uuid);
        put_address(&s->w, "signer", &o->replacement.signer);
        json_add_u64(&s->w, "nonce", o->replacement.nonce);
        json_add_bool(&s->w, "cancels", o->cancels);
        json_end(&s->w);
    }
    json_add_str(&s->w, "priority", order_priority_name(order_priority_of(o, 0)));
}

static void put_refusal(struct inspection *s, enum order_fault fault,
                        const struct order_envelope *e, const struct error *why) {
    struct order_refusal refusal =
        order_refusal_of(fault, s->settings->generation, e->method, why, &s->a);
    json_begin_object(&s->w, "error");
    json_add_i64(&s->w, "code", refusal.code);
    json_add_str(&s->w, "message", refusal.message);
    json_add_str(&s->w, "detail", why->text);
    json_add_u64(&s->w, "httpStatus", (uint64_t)refusal.http_status);
    json_end(&s->w);
    s->valid = false;
}

/* The signature's line; the zero address without one. */
static struct address put_signature(struct inspection *s, struct bytes header, struct bytes body,
                                    bool given) {
    struct address signer = {{0}};
    struct error why = {.text = ""};
    if (!given) return signer;
    if (request_signature_verify(&signer, header, body, NULL, &why) == 0) {
        put_address(&s->w, "signer", &signer);
    } else {
        put_error(s, "signatureError", why.text);
    }
    return signer;
}

static void put_body(struct inspection *s, struct bytes body, struct bytes header, bool given) {
    struct order_envelope e;
    struct order o;
    enum order_fault fault;
    struct error why = {.text = ""};
    struct order_context c = {.generation = s->settings->generation,
                              .system = s->settings->system,
                              .now_us = s->settings->now_us};
    c.signer = put_signature(s, header, body, given);
    c.trusted = c.system;
    int r = order_envelope_parse(&e, &fault, body, c.generation, &s->a, &why);
    if (e.method.p) json_add_text(&s->w, "method", e.method);
    if (r == 0) {
        r = order_from_param(&o, e.method, e.param, &c, &s->a, &why);
        if (r != 0) fault = ORDER_FAULT_PARAMS;
    }
    if (r == 0) {
        put_order(s, &o);
    } else {
        put_refusal(s, fault, &e, &why);
    }
    json_add_bool(&s->w, "valid", s->valid);
}

/* As HTTP's, the headers' names are in any case. */
static const struct json *get_header(const struct json *doc, const char *name) {
    json_members(key, value, doc) {
        if (http_equal_nocase(json_text(key), name)) return value;
    }
    return NULL;
}

/* A request as it is, or in an object with its signature. */
static void put_document(struct inspection *s, const struct json *doc, struct bytes text) {
    const struct json *body = json_get(doc, "body");
    const struct json *header = get_header(doc, "X-BuilderNet-Signature");
    if (!header) header = get_header(doc, "X-Flashbots-Signature");
    if (!header) header = json_get(doc, "header");
    if (json_type_of(body) == JSON_STRING) {
        put_body(s, json_text(body), json_text(header), true);
    } else {
        put_body(s, text, (struct bytes){NULL, 0}, false);
    }
}

static bool put_line(struct buf *out, const struct json *doc, struct bytes text,
                     const struct flow_inspect_settings *settings) {
    struct inspection s = {.settings = settings, .valid = true};
    arena_init(&s.a, 0);
    json_writer_init(&s.w, out, 0);
    json_begin_object(&s.w, NULL);
    put_document(&s, doc, text);
    json_end(&s.w);
    buf_append_byte(out, '\n');
    arena_free(&s.a);
    return s.valid;
}

static bool is_blank(struct bytes text) {
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return false;
    }
    return true;
}

static void put_lines(struct buf *out, bool *ret_valid, struct bytes in,
                      const struct flow_inspect_settings *s) {
    while (in.n > 0) {
        const uint8_t *end = memchr(in.p, '\n', in.n);
        struct bytes line = {in.p, end ? (size_t)(end - in.p) : in.n};
        in = bytes_slice(in, line.n + 1, in.n);
        if (is_blank(line)) continue;
        struct arena a;
        const struct json *doc = NULL;
        arena_init(&a, 0);
        if (json_parse(&doc, line, &a, &limits, NULL) != 0) doc = NULL;
        if (!put_line(out, doc, line, s)) *ret_valid = false;
        arena_free(&a);
    }
}

int flow_inspect(struct buf *out, bool *ret_valid, struct bytes in,
                 const struct flow_inspect_settings *s, struct error *why) {
    struct arena a;
    const struct json *doc;
    *ret_valid = true;
    arena_init(&a, 0);
    if (json_parse(&doc, in, &a, &limits, NULL) != 0) {
        put_lines(out, ret_valid, in, s);
    } else if (json_type_of(doc) == JSON_ARRAY) {
        json_each(item, doc) {
            if (!put_line(out, item, json_raw(item), s)) *ret_valid = false;
        }
    } else if (!put_line(out, doc, in, s)) {
        *ret_valid = false;
    }
    arena_free(&a);
    return buf_check(out, why);
}
