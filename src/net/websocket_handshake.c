/* The handshake of WebSocket. SPDX-License-Identifier: MIT */
#include "net/websocket.h"

#include <openssl/evp.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

void websocket_new_key(char ret[WEBSOCKET_KEY_BYTES]) {
    uint8_t nonce[16];
    char text[WEBSOCKET_KEY_BYTES + 1];
    random_bytes(nonce, sizeof nonce);
    EVP_EncodeBlock((unsigned char *)text, nonce, sizeof nonce);
    memcpy(ret, text, WEBSOCKET_KEY_BYTES);
}

void websocket_accept_key(char ret[WEBSOCKET_ACCEPT_BYTES], struct bytes key) {
    uint8_t input[WEBSOCKET_KEY_BYTES + sizeof WEBSOCKET_GUID - 1];
    uint8_t digest[20] = {0};
    char text[WEBSOCKET_ACCEPT_BYTES + 1];
    size_t n = key.n < WEBSOCKET_KEY_BYTES ? key.n : WEBSOCKET_KEY_BYTES;
    if (n) memcpy(input, key.p, n);
    memcpy(input + n, WEBSOCKET_GUID, sizeof WEBSOCKET_GUID - 1);
    /* Without memory the answer stays zero, and the peer refuses it. */
    (void)EVP_Digest(input, n + sizeof WEBSOCKET_GUID - 1, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
    memcpy(ret, text, WEBSOCKET_ACCEPT_BYTES);
}

static bool is_key(struct bytes key) {
    uint8_t decoded[18];
    return key.n == WEBSOCKET_KEY_BYTES && key.p[21] != '=' && key.p[22] == '=' &&
           key.p[23] == '=' &&
           EVP_DecodeBlock(decoded, key.p, WEBSOCKET_KEY_BYTES) == sizeof decoded;
}

static unsigned count_fields(const struct http_fields *f, enum http_field_id id) {
    unsigned n = 0;
    for (unsigned i = 0; i < f->count; i++) {
        n += f->item[i].id == id;
    }
    return n;
}

int websocket_check_request(const struct http_request *r, struct error *why) {
    const struct http_fields *f = &r->fields;
    bool extended = r->method == HTTP_CONNECT && r->version == HTTP_2;
    if (extended) {
        if (!bytes_equal(r->protocol, BYTES_LIT("websocket"))) {
            return error_set(why, ERR_INVALID, "CONNECT for another protocol");
        }
    } else if (r->method != HTTP_GET || r->version != HTTP_1_1 || !r->upgrade ||
               r->body != HTTP_BODY_NONE || !http_has_token(f, HTTP_FIELD_UPGRADE, "websocket")) {
        return error_set(why, ERR_INVALID, "this is no websocket handshake");
    }
    if (!http_has(f, HTTP_FIELD_SEC_WEBSOCKET_VERSION)) {
        return error_set(why, ERR_INVALID, "no websocket version");
    }
    if (count_fields(f, HTTP_FIELD_SEC_WEBSOCKET_VERSION) != 1 ||
        !bytes_equal(http_get(f, HTTP_FIELD_SEC_WEBSOCKET_VERSION), BYTES_LIT("13"))) {
        return error_set(why, ERR_UNSUPPORTED, "only version 13 of websocket is spoken");
    }
    if (extended) return 0;
    if (count_fields(f, HTTP_FIELD_SEC_WEBSOCKET_KEY) != 1 ||
        !is_key(http_get(f, HTTP_FIELD_SEC_WEBSOCKET_KEY))) {
        return error_set(why, ERR_INVALID, "invalid websocket key");
    }
    return 0;
}

static int put_copy(struct http_fields *f, struct arena *a, enum http_field_id id,
                    struct bytes value, struct error *why) {
    struct bytes copy = arena_copy(a, value);
    if (!copy.p) return error_set(why, ERR_LIMIT, "no memory for a header field");
    return http_fields_put(f, a, id, copy, why);
}

int websocket_answer(struct http_response *ret, struct arena *a, const struct http_request *r,
                     const char *protocol, struct error *why) {
    bool extended = r->method == HTTP_CONNECT;
    struct http_response out = {.status = extended ? 200 : 101,
                                .version = r->version,
                                .body = HTTP_BODY_TUNNEL,
                                .keep_alive = true,
                                .upgrade = !extended};
    int e = 0;
    if (protocol) {
        if (!http_has_token(&r->fields, HTTP_FIELD_SEC_WEBSOCKET_PROTOCOL, protocol)) {
            return error_set(why, ERR_INVALID, "the subprotocol was not offered");
        }
        e = put_copy(&out.fields, a, HTTP_FIELD_SEC_WEBSOCKET_PROTOCOL, bytes_from_str(protocol),
                     why);
    }
    if (e == 0 && !extended) {
        char accept[WEBSOCKET_ACCEPT_BYTES];
        websocket_accept_key(accept, http_get(&r->fields, HTTP_FIELD_SEC_WEBSOCKET_KEY));
        e = put_copy(&out.fields, a, HTTP_FIELD_SEC_WEBSOCKET_ACCEPT,
                     bytes_make(accept, sizeof accept), why);
        if (e == 0) {
            e = http_fields_put(&out.fields, a, HTTP_FIELD_UPGRADE, BYTES_LIT("websocket"), why);
        }
    }
    if (e < 0) return e;
    *ret = out;
    return 0;
}

int websocket_offer(struct http_request *r, struct arena *a, const char key[WEBSOCKET_KEY_BYTES],
                    struct error *why) {
    r->method = HTTP_GET;
    r->version = HTTP_1_1;
    r->body = HTTP_BODY_NONE;
    r->keep_alive = r->upgrade = true;
    int e = http_fields_put(&r->fields, a, HTTP_FIELD_UPGRADE, BYTES_LIT("websocket"), why);
    if (e == 0) {
        e = http_fields_put(&r->fields, a, HTTP_FIELD_SEC_WEBSOCKET_VERSION, BYTES_LIT("13"), why);
    }
    if (e < 0) return e;
    return put_copy(&r->fields, a, HTTP_FIELD_SEC_WEBSOCKET_KEY,
                    bytes_make(key, WEBSOCKET_KEY_BYTES), why);
}

int websocket_check_response(const struct http_response *r, const char key[WEBSOCKET_KEY_BYTES],
                             struct error *why) {
    char accept[WEBSOCKET_ACCEPT_BYTES];
    websocket_accept_key(accept, bytes_make(key, WEBSOCKET_KEY_BYTES));
    if (r->status != 101 || !r->upgrade ||
        !http_has_token(&r->fields, HTTP_FIELD_UPGRADE, "websocket")) {
        return error_set(why, ERR_INVALID, "the server does not switch to websocket (status %u)",
                         r->status);
    }
    if (count_fields(&r->fields, HTTP_FIELD_SEC_WEBSOCKET_ACCEPT) != 1 ||
        !bytes_equal(http_get(&r->fields, HTTP_FIELD_SEC_WEBSOCKET_ACCEPT),
                     bytes_make(accept, sizeof accept))) {
        return error_set(why, ERR_INVALID, "the server's websocket key is wrong");
    }
    if (http_has(&r->fields, HTTP_FIELD_SEC_WEBSOCKET_EXTENSIONS)) {
        return error_set(why, ERR_INVALID, "the server chose an extension that was not offered");
    }
    return 0;
}
