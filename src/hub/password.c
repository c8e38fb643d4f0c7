/* Basic authentication of the admin listener.
 *
 * bcrypt is slow by design; a password that was found right is remembered as a keyed hash, so that
 * an operator's next requests cost nothing. Wrong ones pay in full each time.
 * SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "crypto/sha256.h"
#include "hub/hub_internal.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#define PASSWORD_BYTES_MAX 1024

// "Basic dXNlcjpwYXNz": the scheme in any case, exactly one space.
static bool read_basic(struct hub_call *c, struct bytes *ret_user, struct bytes *ret_password) {
    struct bytes v = hub_header_first(c, "authorization"), plain;
    struct error why;
    if (v.n < 6 || !http_equal_nocase(bytes_slice(v, 0, 6), "basic ")) return false;
    v = bytes_slice(v, 6, v.n);
    if (v.n > 2 * PASSWORD_BYTES_MAX) return false;
    if (base64_decode(&plain, v, 0, &c->arena, &why) != 0) return false;
    const uint8_t *colon = plain.n ? memchr(plain.p, ':', plain.n) : NULL;
    if (!colon) return false;
    *ret_user = bytes_make(plain.p, (size_t)(colon - plain.p));
    *ret_password = bytes_slice(plain, ret_user->n + 1, plain.n);
    return ret_password->n <= PASSWORD_BYTES_MAX &&
           !(ret_password->n && memchr(ret_password->p, 0, ret_password->n));
}

static struct hash keyed_hash(struct hub *h, struct bytes password) {
    uint8_t text[sizeof h->remember_key + PASSWORD_BYTES_MAX];
    struct hash ret;
    memcpy(text, h->remember_key, sizeof h->remember_key);
    if (password.n) memcpy(text + sizeof h->remember_key, password.p, password.n);
    ret = sha256(bytes_make(text, sizeof h->remember_key + password.n));
    bytes_wipe(text, sizeof text);
    return ret;
}

static bool is_remembered(struct hub *h, const struct hash *hash) {
    (void)pthread_mutex_lock(&h->remember_lock);
    bool same =
        h->remembered_set && bytes_equal_secret(BYTES_OF(*hash), bytes_make(h->remembered, 32));
    (void)pthread_mutex_unlock(&h->remember_lock);
    return same;
}

static bool bcrypt_matches(const char *setting, struct bytes password) {
    char *text = strndup((const char *)password.p, password.n);
    struct crypt_data *data = calloc(1, sizeof *data);
    bool ok = false;
    if (text && data) {
        const char *got = crypt_rn(text, setting, data, sizeof *data); // NULL on failure
        ok = got && got[0] == '$' &&
             bytes_equal_secret(bytes_from_str(got), bytes_from_str(setting));
    }
    if (text) bytes_wipe(text, password.n);
    if (data) bytes_wipe(data, sizeof *data);
    free(text);
    free(data);
    return ok;
}

static bool may_enter(struct hub_call *c, struct bytes *ret_password) {
    struct bytes user;
    const char *setting = c->hub->options.admin_bcrypt;
    if (!setting || strncmp(setting, "$2", 2) != 0) return false;
    if (!read_basic(c, &user, ret_password)) return false;
    return bytes_equal_secret(user, bytes_from_str(c->hub->options.admin_user));
}

bool hub_password_known(struct hub_call *c) {
    struct bytes password;
    if (!may_enter(c, &password)) return false;
    struct hash hash = keyed_hash(c->hub, password);
    return is_remembered(c->hub, &hash);
}

bool hub_password(struct hub_call *c) {
    struct bytes password;
    if (!may_enter(c, &password)) return false;
    struct hash hash = keyed_hash(c->hub, password);
    if (is_remembered(c->hub, &hash)) return true;
    if (!bcrypt_matches(c->hub->options.admin_bcrypt, password)) return false;
    (void)pthread_mutex_lock(&c->hub->remember_lock);
    memcpy(c->hub->remembered, hash.b, 32);
    c->hub->remembered_set = true;
    (void)pthread_mutex_unlock(&c->hub->remember_lock);
    return true;
}
