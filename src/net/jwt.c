/* JSON Web Tokens with HMAC-SHA-256. SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "base/hex.h"
#include "crypto/kdf.h"
#include "net/auth.h"
#include "net/http.h"
#include "json/json.h"

#include <math.h>

#define URL_FORM (BASE64_URL | BASE64_NO_PAD)

struct parts {
    struct bytes head, payload, signature; /* as text */
    struct bytes signed_text;              /* head "." payload */
};

static int split(struct parts *ret, struct bytes token, struct error *why) {
    if (token.n > JWT_BYTES_MAX) return error_set(why, ERR_LIMIT, "the token is too long");
    const uint8_t *first = token.n ? memchr(token.p, '.', token.n) : NULL;
    const uint8_t *last = token.n ? memrchr(token.p, '.', token.n) : NULL;
    if (!first || first == last) return error_set(why, ERR_SYNTAX, "the token has no three parts");
    ret->signed_text = bytes_slice(token, 0, (size_t)(last - token.p));
    ret->head = bytes_slice(token, 0, (size_t)(first - token.p));
    ret->payload = bytes_slice(ret->signed_text, ret->head.n + 1, token.n);
    ret->signature = bytes_slice(token, ret->signed_text.n + 1, token.n);
    return 0;
}

static int check_signature(const struct parts *p, struct bytes key, struct arena *a,
                           struct error *why) {
    struct bytes signature;
    struct hash expected;
    if (key.n < JWT_KEY_BYTES) return error_set(why, ERR_INVALID, "the key of tokens is too short");
    int r = base64_decode(&signature, p->signature, URL_FORM, a, why);
    if (r == 0) r = hmac_sha256(&expected, key, p->signed_text, why);
    if (r < 0) return r;
    bool same = bytes_equal_secret(signature, BYTES_OF(expected));
    bytes_wipe(&expected, sizeof expected);
    return same ? 0 : error_set(why, ERR_AUTH, "the token's signature is wrong");
}

static int parse_part(const struct json **ret, struct bytes *ret_text, struct bytes part,
                      struct arena *a, struct error *why) {
    static const struct json_limits limits = {JWT_BYTES_MAX, 8, 256, false};
    int r = base64_decode(ret_text, part, URL_FORM, a, why);
    if (r == 0) r = json_parse(ret, *ret_text, a, &limits, why);
    if (r == 0) r = json_expect(*ret, JSON_OBJECT, why);
    return r;
}

static int check_head(struct bytes part, struct arena *a, struct error *why) {
    const struct json *head;
    struct bytes text, alg = {NULL, 0}, typ;
    int r = parse_part(&head, &text, part, a, why);
    if (r == 0) r = json_get_string(&alg, head, "alg", why);
    if (r < 0) return r;
    if (!bytes_equal(alg, BYTES_LIT("HS256")) || json_get(head, "crit")) {
        return error_set(why, ERR_UNSUPPORTED, "a token is signed with HS256 and nothing else");
    }
    if (!json_get(head, "typ")) return 0;
    r = json_get_string(&typ, head, "typ", why);
    if (r == 0 && !http_equal_nocase(typ, "jwt")) {
        r = error_set(why, ERR_UNSUPPORTED, "the token is of another type");
    }
    return r;
}

/* Seconds since 1970; fractions are let through and dropped (RFC 7519, 2: NumericDate). */
static int get_time(int64_t *ret, const struct json *claims, const char *name, struct error *why) {
    double v;
    int r = json_get_double(&v, claims, name, why);
    if (r < 0) return r;
    if (v < 0 || v > 1e15) return error_set(why, ERR_INVALID, "%s is no time", name);
    *ret = (int64_t)floor(v);
    return 0;
}

static int check_times(int64_t *ret_iat, const struct json *claims, int64_t now,
                       struct error *why) {
    int64_t t;
    int r = get_time(ret_iat, claims, "iat", why);
    if (r < 0) return ERR_INVALID;
    if (*ret_iat < now - JWT_WINDOW_S || *ret_iat > now + JWT_WINDOW_S) {
        return error_set(why, ERR_STALE, "the token was issued %lld s away from now",
                         (long long)(*ret_iat - now));
    }
    if (json_get(claims, "exp")) {
        if (get_time(&t, claims, "exp", why) < 0) return ERR_INVALID;
        if (t <= now) return error_set(why, ERR_STALE, "the token has expired");
    }
    if (json_get(claims, "nbf")) {
        if (get_time(&t, claims, "nbf", why) < 0) return ERR_INVALID;
        if (t > now + JWT_WINDOW_S) return error_set(why, ERR_STALE, "the token is not valid yet");
    }
    return 0;
}

int jwt_verify(struct jwt_claims *ret, struct bytes token, struct bytes key, uint64_t now_s,
               struct arena *a, struct error *why) {
    struct parts p = {0};
    const struct json *claims = NULL;
    struct jwt_claims out = {.iat = 0};
    int64_t now = now_s > (uint64_t)1e15 ? (int64_t)1e15 : (int64_t)now_s;
    int r = split(&p, token, why);
    if (r == 0) r = check_signature(&p, key, a, why);
    if (r == 0) r = check_head(p.head, a, why);
    if (r == 0) r = parse_part(&claims, &out.payload, p.payload, a, why);
    if (r == 0) r = check_times(&out.iat, claims, now, why);
    if (r < 0) return r;
    if (json_get(claims, "id") && json_get_string(&out.id, claims, "id", why) < 0) {
        return ERR_INVALID;
    }
    if (json_get(claims, "clv") && json_get_string(&out.clv, claims, "clv", why) < 0) {
        return ERR_INVALID;
    }
    if (ret) *ret = out;
    return 0;
}

int jwt_write(struct buf *out, struct bytes key, uint64_t now_s, struct error *why) {
    size_t start = out->n;
    struct buf claims;
    struct hash signature;
    if (key.n < JWT_KEY_BYTES) return error_set(why, ERR_INVALID, "the key of tokens is too short");
    buf_init(&claims, 0);
    buf_printf(&claims, "{\"iat\":%llu}", (unsigned long long)now_s);
    int r = buf_check(&claims, why);
    base64_append(out, BYTES_LIT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), URL_FORM);
    buf_append_byte(out, '.');
    base64_append(out, buf_view(&claims), URL_FORM);
    buf_free(&claims);
    if (r == 0) r = buf_check(out, why);
    if (r == 0) r = hmac_sha256(&signature, key, bytes_slice(buf_view(out), start, out->n), why);
    if (r < 0) return r;
    buf_append_byte(out, '.');
    base64_append(out, BYTES_OF(signature), URL_FORM);
    return buf_check(out, why);
}

int jwt_key_read(struct secret *ret, const char *path, struct error *why) {
    struct secret text;
    int r = secret_read_file(&text, path, why);
    if (r < 0) return r;
    struct bytes digits = bytes_trim(secret_view(&text));
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n != 2 * JWT_KEY_BYTES) {
        r = error_set(why, ERR_SYNTAX, "%s: the key is not 64 hex digits", path);
    } else {
        r = secret_init(ret, JWT_KEY_BYTES, why);
    }
    if (r == 0 && hex_decode(ret->p, digits, why) < 0) {
        secret_free(ret);
        r = error_set(why, ERR_SYNTAX, "%s: the key is not 64 hex digits", path);
    }
    secret_free(&text);
    return r;
}
