/* Basic authentication of the admin listener.
 *
 * bcrypt is slow by design; a password that was found right is remembered as a keyed hash, so that
 * an operator's next requests cost nothing. Wrong ones pay in full each time.
 * SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "crypto/sha256.h"
#include "hub/hub_internal.h"

#include <crypt.h>
#include <stdio.h>
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

static struct hash keyed_hash(struct hub *h, struct bytes user, struct bytes password) {
    uint8_t text[sizeof h->remember_key + ADMINS_USER_BYTES_MAX + 1 + PASSWORD_BYTES_MAX];
    size_t n = sizeof h->remember_key;
    struct hash ret;
    memcpy(text, h->remember_key, n);
    if (user.n) memcpy(text + n, user.p, user.n);
    n += user.n;
    text[n++] = 0; // no user's name has one
    if (password.n) memcpy(text + n, password.p, password.n);
    n += password.n;
    ret = sha256(bytes_make(text, n));
    bytes_wipe(text, sizeof text);
    return ret;
}

static bool is_remembered(struct hub *h, const struct hash *hash) {
    bool same = false;
    (void)pthread_mutex_lock(&h->account_lock);
    for (size_t i = 0; i < HUB_REMEMBERED; i++) {
        const struct hub_remembered *m = &h->remembered[i];
        if (m->set && bytes_equal_secret(BYTES_OF(*hash), BYTES_OF(m->hash))) same = true;
    }
    (void)pthread_mutex_unlock(&h->account_lock);
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

struct login {
    struct bytes user, password;
    char bcrypt[64]; /* of the user, or of another when `known` is false; "": nobody comes in */
    bool known, named;
    uint64_t generation; /* of the accounts */
};

// What the request says and what the accounts hold of that user.
static bool read_login(struct hub_call *c, struct login *ret) {
    struct hub *h = c->hub;
    *ret = (struct login){.known = false};
    if (!read_basic(c, &ret->user, &ret->password)) return false;
    if (ret->user.n > ADMINS_USER_BYTES_MAX) return false;
    (void)pthread_mutex_lock(&h->account_lock);
    const struct admins *a = h->accounts;
    const char *hash = a ? admins_hash(a, ret->user) : NULL;
    ret->known = hash != NULL;
    if (!hash && a) hash = admins_any_hash(a);
    if (hash) (void)snprintf(ret->bcrypt, sizeof ret->bcrypt, "%s", hash);
    ret->named = a && admins_are_named(a);
    ret->generation = h->account_generation;
    (void)pthread_mutex_unlock(&h->account_lock);
    return ret->bcrypt[0] != '\0';
}

// Who logged in is the author, but for the one account that several people may share.
static void let_in(struct hub_call *c, const struct login *l) {
    if (l->named || c->author.n == 0) c->author = arena_copy(&c->arena, l->user);
}

bool hub_password_known(struct hub_call *c) {
    struct login l;
    if (!read_login(c, &l) || !l.known) return false;
    struct hash hash = keyed_hash(c->hub, l.user, l.password);
    if (!is_remembered(c->hub, &hash)) return false;
    let_in(c, &l);
    return true;
}

static void remember(struct hub *h, const struct login *l, struct hash hash) {
    (void)pthread_mutex_lock(&h->account_lock);
    if (h->account_generation == l->generation) {
        h->remembered[h->remember_next] = (struct hub_remembered){true, hash};
        h->remember_next = (h->remember_next + 1) % HUB_REMEMBERED;
    }
    (void)pthread_mutex_unlock(&h->account_lock);
}

bool hub_password(struct hub_call *c) {
    struct login l;
    if (!read_login(c, &l)) return false;
    struct hash hash = keyed_hash(c->hub, l.user, l.password);
    if (!l.known || !is_remembered(c->hub, &hash)) {
        // A name that is not there takes as long as one that is.
        bool right = bcrypt_matches(l.bcrypt, l.password);
        if (!right || !l.known) return false;
        remember(c->hub, &l, hash);
    }
    let_in(c, &l);
    return true;
}

void hub_set_accounts(struct hub *h, struct admins *fresh) {
    (void)pthread_mutex_lock(&h->account_lock);
    struct admins *old = h->accounts;
    h->accounts = fresh;
    h->account_generation++;
    bytes_wipe(h->remembered, sizeof h->remembered);
    (void)pthread_mutex_unlock(&h->account_lock);
    admins_free(old);
}
