/* Who may call: one operator, Basic authentication.
 * SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "base/secret.h"
#include "crypto/kdf.h"
#include "net/http.h"
#include "system_api/api.h"

#include <stdio.h>
#include <stdlib.h>

#define REALM "Basic realm=\"system-api\""
#define USER "admin"

/* A password on its way through a worker. */
struct check {
    struct api *api;
    struct exchange *x;
    void (*then)(struct api *a, struct exchange *x, void *context);
    void *context;
    struct pool_task task;
    struct secret password;
    struct password_hash hash, upgraded;
    char *salt;
    bool upgrade;
    // outcome
    int status;
    bool matched;
    struct error why;
};

static void let_in(struct api *a, struct exchange *x,
                   void (*then)(struct api *a, struct exchange *x, void *context), void *context) {
    metric_inc(a->counters[LOGIN_GOOD]);
    then(a, x, context);
}

static void refuse(struct api *a, struct exchange *x) {
    metric_inc(a->counters[LOGIN_FAILED]);
    (void)exchange_add_header(x, "WWW-Authenticate", BYTES_LIT(REALM));
    api_respond_error(x, 401, "Unauthorized");
}

static int remember_hash(struct hash *ret, const struct api *a, struct bytes password) {
    return hmac_sha256(ret, BYTES_OF(a->remember_key), password, NULL);
}

static bool is_remembered(const struct api *a, struct bytes password) {
    struct hash h;
    if (!a->remembered_set || remember_hash(&h, a, password) != 0) return false;
    return bytes_equal_secret(BYTES_OF(h), BYTES_OF(a->remembered));
}

// Gives the password of "Authorization: Basic ..." if the user's name is the right one.
static bool credentials(struct secret *ret, const struct exchange *x) {
    struct bytes header = exchange_header(x, "authorization");
    static const size_t scheme = sizeof "Basic " - 1;
    if (header.n <= scheme || header.n > 2 * PASSWORD_BYTES_MAX ||
        !http_equal_nocase(bytes_slice(header, 0, scheme), "basic ")) {
        return false;
    }
    struct arena scratch;
    struct bytes pair;
    arena_init(&scratch, 4 * PASSWORD_BYTES_MAX);
    bool ok = base64_decode(&pair, bytes_slice(header, scheme, SIZE_MAX), 0, &scratch, NULL) == 0;
    if (ok) {
        const uint8_t *colon = pair.n ? memchr(pair.p, ':', pair.n) : NULL;
        size_t user_n = colon ? (size_t)(colon - pair.p) : 0;
        ok = colon && bytes_equal_secret(bytes_make(pair.p, user_n), BYTES_LIT(USER)) &&
             secret_copy(ret, bytes_slice(pair, user_n + 1, SIZE_MAX), NULL) == 0;
        if (pair.n) bytes_wipe((void *)(uintptr_t)pair.p, pair.n);
    }
    arena_free(&scratch);
    return ok;
}

// Only the worker changes the file, so between this and a write nothing comes.
static bool is_stored(const char *path, const struct password_hash *h) {
    struct password_hash now;
    return password_read(&now, path, NULL) == 0 && strcmp(now.text, h->text) == 0;
}

static void check_run(void *context) {
    struct check *c = context;
    struct bytes password = secret_view(&c->password);
    c->status = password_matches(&c->matched, &c->hash, password, c->salt, &c->why);
    if (c->status != 0 || !c->matched || !password_is_old(&c->hash)) return;
    // The old form is replaced now that the password is at hand.
    const char *path = c->api->secret_path;
    c->upgrade = is_stored(path, &c->hash) &&
                 password_derive(&c->upgraded, password, &c->why) == 0 &&
                 password_write(path, &c->upgraded, &c->why) == 0;
}

static void check_free(struct check *c) {
    secret_free(&c->password);
    free(c->salt);
    free(c);
}

static void check_done(void *context) {
    struct check *c = context;
    struct api *a = c->api;
    bool known = c->status == 0 && strcmp(c->hash.text, a->hash.text) == 0;
    uint8_t client[16];
    socket_address_client(client, exchange_client(c->x));
    password_gate_end(a->gate, client,
                      !known       ? PASSWORD_UNKNOWN
                      : c->matched ? PASSWORD_RIGHT
                                   : PASSWORD_WRONG,
                      loop_now_ns(a->loop));
    if (c->status != 0) {
        log_error(a->log, "password_check_failed", F_ERR(&c->why));
        api_respond_error(c->x, 500, "Failed to check the password");
    } else if (!known) {
        // Another was stored meanwhile: once more.
        if (exchange_is_open(c->x)) api_authorize(a, c->x, c->then, c->context);
    } else {
        if (c->matched) {
            a->remembered_set = remember_hash(&a->remembered, a, secret_view(&c->password)) == 0;
            if (c->upgrade) {
                a->hash = c->upgraded;
                log_info(a->log, "password_hash_upgraded");
            }
            if (exchange_is_open(c->x)) let_in(a, c->x, c->then, c->context);
        } else {
            char host[SOCKET_TEXT_MAX];
            (void)socket_address_host(host, exchange_client(c->x));
            log_info(a->log, "login_failed", F_STR("client", host));
            refuse(a, c->x);
        }
    }
    exchange_release(c->x);
    check_free(c);
}

static void check_later(struct api *a, struct exchange *x, struct secret *password,
                        void (*then)(struct api *a, struct exchange *x, void *context),
                        void *context) {
    struct check *c = calloc(1, sizeof *c);
    char *salt = strdup(a->settings.values.secret_salt);
    if (!c || !salt) {
        secret_free(password);
        free(c);
        free(salt);
        api_respond_error(x, 503, "No memory");
        return;
    }
    *c = (struct check){.api = a,
                        .x = x,
                        .then = then,
                        .context = context,
                        .hash = a->hash,
                        .password = *password,
                        .salt = salt};
    c->task =
        (struct pool_task){.run = check_run, .done = check_done, .context = c, .home = &a->mailbox};
    if (!api_submit(a, &c->task)) {
        check_free(c);
        (void)exchange_add_header(x, "Retry-After", BYTES_LIT("1"));
        api_respond_error(x, 503, "Too many logins at once");
        return;
    }
    uint8_t client[16];
    socket_address_client(client, exchange_client(x));
    password_gate_begin(a->gate, client, loop_now_ns(a->loop));
    exchange_hold(x);
}

void api_authorize(struct api *a, struct exchange *x,
                   void (*then)(struct api *a, struct exchange *x, void *context), void *context) {
    if (!password_is_set(&a->hash)) {
        then(a, x, context);
        return;
    }
    struct secret password;
    if (!credentials(&password, x)) {
        refuse(a, x);
        return;
    }
    uint8_t client[16];
    socket_address_client(client, exchange_client(x));
    uint64_t wait_ns = password_gate_wait_ns(a->gate, client, loop_now_ns(a->loop));
    if (wait_ns) {
        char seconds[24];
        (void)snprintf(seconds, sizeof seconds, "%llu",
                       (unsigned long long)(wait_ns / NS_PER_S + 1));
        secret_free(&password);
        (void)exchange_add_header(x, "Retry-After", bytes_from_str(seconds));
        metric_inc(a->counters[LOGIN_WAITING]);
        api_respond_error(x, 429, "Too many logins that failed or are under way");
        return;
    }
    // Behind the gate: else who has to wait could go on guessing what is remembered.
    if (is_remembered(a, secret_view(&password))) {
        secret_free(&password);
        let_in(a, x, then, context);
        return;
    }
    check_later(a, x, &password, then, context);
}

// A new password

struct change {
    struct api *api;
    struct exchange *x;
    struct pool_task task;
    struct secret password;
    struct password_hash hash;
    int status;
    struct error why;
};

static void change_run(void *context) {
    struct change *c = context;
    c->status = password_derive(&c->hash, secret_view(&c->password), &c->why);
    if (c->status == 0) c->status = password_write(c->api->secret_path, &c->hash, &c->why);
}

static void change_done(void *context) {
    struct change *c = context;
    struct api *a = c->api;
    a->password_changing = false;
    if (c->status == 0) {
        a->hash = c->hash;
        a->remembered_set = remember_hash(&a->remembered, a, secret_view(&c->password)) == 0;
        api_event(a, "basic auth secret updated");
        struct buf body;
        buf_init(&body, 0);
        buf_append_str(&body, "{\"message\":\"Basic auth secret updated\"}\n");
        api_respond_json(c->x, 200, &body);
        buf_free(&body);
    } else {
        log_error(a->log, "password_not_set", F_ERR(&c->why));
        exchange_respond(c->x, 500, (struct bytes){NULL, 0});
    }
    exchange_release(c->x);
    secret_free(&c->password);
    free(c);
}

void api_set_password(struct api *a, struct exchange *x) {
    struct bytes password = exchange_body(x);
    if (!a->secret_path) {
        exchange_respond(x, 501, (struct bytes){NULL, 0});
        return;
    }
    // It was let in by the password (or for want of one) that this change is about to replace.
    if (a->password_changing) {
        api_respond_error(x, 409, "The password is being changed");
        return;
    }
    if (password.n == 0) {
        api_respond_error(x, 400, "The password is empty");
        return;
    }
    struct change *c = calloc(1, sizeof *c);
    if (!c || secret_copy(&c->password, password, NULL) != 0) {
        free(c);
        exchange_respond(x, 500, (struct bytes){NULL, 0});
        return;
    }
    c->api = a;
    c->x = x;
    c->task = (struct pool_task){
        .run = change_run, .done = change_done, .context = c, .home = &a->mailbox};
    if (!api_submit(a, &c->task)) {
        secret_free(&c->password);
        free(c);
        api_respond_error(x, 503, "Too many logins at once");
        return;
    }
    a->password_changing = true;
    exchange_hold(x);
}
