/* SPDX-License-Identifier: MIT */
#include "net/auth.h"

#include "base/base64.h"
#include "net/http.h"

/* What follows "<scheme> " in the field; ERR_AUTH when it is another scheme. */
static int take_scheme(struct bytes *ret, struct bytes value, const char *scheme,
                       struct error *why) {
    size_t n = strlen(scheme);
    if (!http_equal_nocase(bytes_slice(value, 0, n), scheme) || value.n <= n || value.p[n] != ' ') {
        return error_set(why, ERR_AUTH, "no %s credentials", scheme);
    }
    struct bytes rest = bytes_slice(value, n, value.n);
    while (rest.n && rest.p[0] == ' ') { // 1*SP
        rest = bytes_slice(rest, 1, rest.n);
    }
    *ret = rest;
    return 0;
}

static bool has_control(struct bytes in) {
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] < 0x20 || in.p[i] == 0x7f) return true;
    }
    return false;
}

int auth_basic_parse(struct auth_basic *ret, struct bytes value, struct error *why) {
    struct bytes text, pair = {NULL, 0};
    struct auth_basic out = {.text = {.n = 0}};
    struct arena scratch;
    if (value.n > AUTH_BASIC_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "credentials are too long");
    }
    int r = take_scheme(&text, value, "basic", why);
    if (r < 0) return r;
    arena_init(&scratch, AUTH_BASIC_BYTES_MAX);
    r = base64_decode(&pair, text, BASE64_ANY_PAD, &scratch, why);
    if (r == 0) r = secret_copy(&out.text, pair, why);
    if (pair.n) bytes_wipe((void *)(uintptr_t)pair.p, pair.n);
    arena_free(&scratch);
    if (r < 0) return r;
    pair = secret_view(&out.text);
    const uint8_t *colon = pair.n ? memchr(pair.p, ':', pair.n) : NULL;
    if (!colon || has_control(pair)) {
        secret_free(&out.text);
        return error_set(why, ERR_SYNTAX, "credentials are not user:password");
    }
    out.user = bytes_slice(pair, 0, (size_t)(colon - pair.p));
    out.password = bytes_slice(pair, out.user.n + 1, pair.n);
    *ret = out;
    return 0;
}

void auth_basic_free(struct auth_basic *b) {
    secret_free(&b->text);
    b->user = b->password = (struct bytes){NULL, 0};
}

int auth_basic_write(struct buf *out, struct bytes user, struct bytes password, struct error *why) {
    if (has_control(user) || has_control(password) || (user.n && memchr(user.p, ':', user.n))) {
        return error_set(why, ERR_INVALID, "credentials that Basic cannot carry");
    }
    struct secret pair;
    int r = secret_init(&pair, user.n + password.n + 1, why);
    if (r < 0) return r;
    if (user.n) memcpy(pair.p, user.p, user.n);
    pair.p[user.n] = ':';
    if (password.n) memcpy(pair.p + user.n + 1, password.p, password.n);
    buf_append_str(out, "Basic ");
    base64_append(out, secret_view(&pair), 0);
    secret_free(&pair);
    return buf_check(out, why);
}

static bool is_token_byte(uint8_t c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

int auth_bearer(struct bytes *ret, struct bytes value, struct error *why) {
    struct bytes token;
    int r = take_scheme(&token, value, "bearer", why);
    if (r < 0) return r;
    size_t i = 0;
    while (i < token.n && is_token_byte(token.p[i])) {
        i++;
    }
    size_t characters = i;
    while (i < token.n && token.p[i] == '=') {
        i++;
    }
    if (characters == 0 || i < token.n) return error_set(why, ERR_SYNTAX, "no right bearer token");
    *ret = token;
    return 0;
}
