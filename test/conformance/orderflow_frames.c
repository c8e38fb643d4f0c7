/* Orderflow vectors of the peer protocol: each decodes to what stands beside it and encodes to the
 * same bytes. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/order_id.h"
#include "eth/request_signature.h"
#include "orderflow/peer_frame.h"
#include "test/conformance/orderflow.h"

#define FRAME_MAX (64u << 20)

/* Hex with or without its prefix. */
static int hex_member(struct bytes *ret, struct flow_file *f, const struct json *test,
                      const char *key, struct error *why) {
    struct bytes text = json_text(json_get(test, key));
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    uint8_t *memory = arena_alloc(f->a, text.n / 2 + 1);
    *ret = bytes_make(memory, text.n / 2);
    return hex_decode(memory, text, why);
}

static bool same(struct flow_file *f, const char *name, const char *what, struct bytes expected,
                 struct bytes got) {
    if (bytes_equal(expected, got)) return true;
    tally_fail(f->t, name, "%s: expected %s, got %s", what, hex_text(f->a, expected),
               hex_text(f->a, got));
    return false;
}

/* A bundle both ways, against its JSON form and its bundleHash. */
static bool check_bundle(struct flow_file *f, const char *name, const struct json *test,
                         struct bytes data) {
    struct bundle given, decoded;
    struct error why = {.text = ""};
    struct buf out;
    int r = bundle_decode(&given, json_get(test, "bundle"), f->a, &why);
    if (r == 0) r = peer_bundle_decode(&decoded, data, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return false;
    }
    struct hash hash = order_flow_hash(&decoded), of_given = order_flow_hash(&given);
    const struct json *expected = json_get(test, "bundle_hash_flowproxy");
    given.bundle_hash = hash;
    given.fields |= BUNDLE_HASH;
    buf_init(&out, 0);
    peer_bundle_encode(&out, &decoded);
    bool ok = same(f, name, "data again", data, buf_view(&out)) &&
              flow_same_data(f, name, "hash", expected, BYTES_OF(hash)) &&
              flow_same_data(f, name, "hash", expected, BYTES_OF(of_given)) &&
              flow_same_data(f, name, "bundleHash", expected, BYTES_OF(decoded.bundle_hash));
    buf_clear(&out);
    peer_bundle_encode(&out, &given);
    ok = ok && same(f, name, "data of the JSON form", data, buf_view(&out));
    buf_free(&out);
    return ok;
}

static bool check_headers(struct flow_file *f, const char *name, const struct json *test,
                          const struct peer_message *m) {
    const struct json *headers = json_get(test, "headers");
    size_t n = 0;
    json_members(key, value, headers) {
        char *text = arena_str(f->a, json_text(key));
        struct bytes got = peer_message_header(m, text);
        n++;
        if (!same(f, name, text, json_text(value), got)) return false;
    }
    if (n != m->header_count) {
        tally_fail(f->t, name, "expected %zu headers, got %zu", n, m->header_count);
        return false;
    }
    struct bytes signature = peer_message_header(m, "x-buildernet-signature");
    struct address signer;
    struct error why = {.text = ""};
    if (request_signature_verify(&signer, signature, m->data, NULL, &why) == 0) {
        return flow_same_data(f, name, "signer", json_get(json_get(f->root, "peer_key"), "address"),
                              BYTES_OF(signer));
    }
    tally_fail(f->t, name, "%s", why.text);
    return false;
}

static void run_request(struct flow_file *f, const char *name, const struct json *test) {
    struct bytes bytes, payload, data;
    struct peer_frame frame;
    struct peer_message m;
    struct error why = {.text = ""};
    struct buf out;
    int r = hex_member(&bytes, f, test, "frame_hex", &why);
    if (r == 0) r = hex_member(&payload, f, test, "payload_hex", &why);
    if (r == 0) r = hex_member(&data, f, test, "data_hex", &why);
    if (r == 0) r = peer_frame_parse(&frame, bytes, FRAME_MAX, &why);
    if (r == 0) r = peer_message_decode(&m, frame.payload, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    buf_init(&out, 0);
    peer_message_encode(&out, &m);
    bool ok = same(f, name, "payload", payload, frame.payload) &&
              same(f, name, "data", data, m.data) &&
              same(f, name, "payload again", payload, buf_view(&out)) &&
              check_headers(f, name, test, &m) &&
              (json_is_null(json_get(test, "bundle")) || check_bundle(f, name, test, data));
    buf_clear(&out);
    peer_frame_put(&out, frame.id, frame.payload);
    if (ok && same(f, name, "frame again", bytes, buf_view(&out))) tally_pass(f->t, name);
    buf_free(&out);
}

static void run_response(struct flow_file *f, const char *name, const struct json *test) {
    struct bytes payload, expected = json_text(json_get(test, "data"));
    struct peer_answer answer;
    struct error why = {.text = ""};
    struct buf out;
    static const char *const kinds[] = {"none", "string", "hash"};
    int r = hex_member(&payload, f, test, "payload_hex", &why);
    if (r == 0) r = peer_answer_decode(&answer, payload, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    char *status = arena_printf(f->a, "%d", (int)answer.status);
    buf_init(&out, 0);
    peer_answer_encode(&out, &answer);
    bool ok = same(f, name, "payload again", payload, buf_view(&out)) &&
              flow_same_text(f, name, "status", json_get(test, "status"), status) &&
              flow_same_text(f, name, "kind", json_get(test, "data_kind"), kinds[answer.kind]);
    if (answer.kind == PEER_ANSWER_TEXT) ok = ok && same(f, name, "text", expected, answer.text);
    if (answer.kind == PEER_ANSWER_HASH) {
        ok = ok && flow_same_data(f, name, "hash", json_get(test, "data"), BYTES_OF(answer.hash));
    }
    if (ok) tally_pass(f->t, name);
    buf_free(&out);
}

static void run_ping(struct flow_file *f, const struct json *test) {
    struct bytes ping, pong;
    struct peer_frame frame;
    struct error why = {.text = "not a ping"};
    struct buf out;
    int r = hex_member(&ping, f, test, "ping_frame_hex", &why);
    if (r == 0) r = hex_member(&pong, f, test, "pong_frame_hex", &why);
    if (r == 0) r = peer_frame_parse(&frame, ping, FRAME_MAX, &why);
    buf_init(&out, 0);
    peer_frame_put_pong(&out);
    if (r != 0 || !peer_frame_is_ping(&frame)) {
        tally_fail(f->t, "ping", "%s", why.text);
    } else if (same(f, "ping", "pong", pong, buf_view(&out))) {
        tally_pass(f->t, "ping");
    }
    buf_free(&out);
}

static void run_data(struct flow_file *f, const char *name, const struct json *test) {
    struct bytes data;
    struct error why = {.text = ""};
    if (hex_member(&data, f, test, "data_hex", &why) != 0) {
        tally_fail(f->t, name, "%s", why.text);
    } else if (check_bundle(f, name, test, data)) {
        tally_pass(f->t, name);
    }
}

bool flow_run_frames(struct flow_file *f) {
    if (json_get(json_at(f->root, 0), "data_hex")) {
        flow_run_each(f, f->root, run_data);
        return true;
    }
    if (!json_get(f->root, "requests") && !json_get(f->root, "responses")) return false;
    if (json_get(f->root, "ping")) run_ping(f, json_get(f->root, "ping"));
    flow_run_each(f, json_get(f->root, "requests"), run_request);
    flow_run_each(f, json_get(f->root, "responses"), run_response);
    return true;
}
