/* SPDX-License-Identifier: MIT */
#include "hub/vault.h"

#include "base/file.h"
#include "net/client.h"
#include "net/url.h"
#include "json/json.h"
#include "json/write.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX (8u << 20)
#define JWT_FILE_MAX (64u << 10)
#define ASK_NS (10 * NS_PER_S)
#define AWAY_NS NS_PER_S
#define SLOW_NS (NS_PER_S / 2)

struct vault {
    struct vault_options options;
    const struct clock *clock;
    struct tls *tls;
    pthread_mutex_t lock;   /* of all below; never held while Vault is asked */
    struct secret token;    /* empty: none */
    uint64_t token_number;  /* rises with every new token */
    uint64_t renew_at_ns;   /* monotonic; 0: the token does not end, or cannot be renewed */
    uint64_t expires_at_ns; /* 0: never */
    bool refreshing;        /* one caller renews the token or logs in; `refreshed` tells the end */
    bool logging_in;        /* it is a login */
    pthread_cond_t refreshed;
    int refresh_code; /* of the last refresh, with its reason */
    struct error refresh_why;
    uint64_t away_until_ns; /* Vault did not answer: nobody asks until then, then one does */
};

int vault_new(struct vault **ret, const struct vault_options *o, struct error *why) {
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_options t = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM, .alpn = alpn};
    struct buf pem;
    int r = 0;
    if (o->auth == VAULT_TOKEN && o->token.n == 0) {
        return error_set(why, ERR_INVALID, "vault-token is needed for the method token");
    }
    if (o->auth != VAULT_TOKEN && (!o->role || !*o->role || !o->jwt_file || !*o->jwt_file)) {
        return error_set(why, ERR_INVALID, "role and JWT file are needed to log in at Vault");
    }
    struct vault *v = calloc(1, sizeof *v);
    if (!v) return error_set(why, ERR_NO_MEMORY, "no memory for Vault");
    v->options = *o;
    v->clock = o->clock ? o->clock : &clock_system;
    (void)pthread_mutex_init(&v->lock, NULL);
    (void)pthread_cond_init(&v->refreshed, NULL);
    buf_init(&pem, 1u << 20);
    if (o->token.n) r = secret_copy(&v->token, o->token, why);
    if (r == 0 && o->token.n) v->token_number = 1;
    if (r == 0 && o->ca_file) {
        r = file_read(&pem, o->ca_file, why);
        t.trust = TLS_TRUST_CA;
        t.ca_pem = buf_view(&pem);
    }
    if (r == 0 && strncmp(o->address, "https:", 6) == 0) r = tls_new(&v->tls, &t, why);
    buf_free(&pem);
    v->options.token = (struct bytes){NULL, 0};
    if (r == 0)
        *ret = v;
    else
        vault_free(v);
    return r;
}

void vault_free(struct vault *v) {
    if (!v) return;
    secret_free(&v->token);
    tls_free(v->tls);
    (void)pthread_mutex_destroy(&v->lock);
    (void)pthread_cond_destroy(&v->refreshed);
    free(v);
}

int vault_set_token(struct vault *v, struct bytes token, struct error *why) {
    struct secret fresh;
    if (v->options.auth != VAULT_TOKEN || token.n == 0) return 0;
    int r = secret_copy(&fresh, token, why);
    if (r != 0) return r;
    (void)pthread_mutex_lock(&v->lock);
    if (secret_equal(&v->token, token)) {
        (void)pthread_mutex_unlock(&v->lock);
        secret_free(&fresh);
        return 0;
    }
    struct secret old = v->token;
    v->token = fresh;
    v->token_number++;
    v->renew_at_ns = v->expires_at_ns = 0;
    (void)pthread_mutex_unlock(&v->lock);
    secret_free(&old);
    return 0;
}

/* ---- one request ---- */

struct call {
    struct vault *v;
    struct arena arena;
    struct client_answer answer;
    struct bytes token; /* the call's own copy */
    uint64_t token_number;
    struct error *why;
};

static int add(struct call *c, struct http_request *r, const char *name, struct bytes value) {
    return http_fields_add(&r->fields, &c->arena, bytes_from_str(name), value, c->why);
}

static int away(struct call *c) {
    return error_set(c->why, ERR_CLOSED, "Vault does not answer");
}

// While Vault lets callers wait for nothing, one tries each second; the others are told at once, so
// that a hub full of requests does not become one that waits.
static bool may_ask(struct vault *v) {
    uint64_t now = clock_monotonic_ns(v->clock);
    (void)pthread_mutex_lock(&v->lock);
    bool may = now >= v->away_until_ns;
    if (may && v->away_until_ns) v->away_until_ns = now + ASK_NS; // the one that tries
    (void)pthread_mutex_unlock(&v->lock);
    return may;
}

static void has_answered(struct vault *v, bool answered, uint64_t began_ns) {
    uint64_t now = clock_monotonic_ns(v->clock);
    (void)pthread_mutex_lock(&v->lock);
    // A connection that is refused at once costs nobody anything.
    v->away_until_ns = answered || now - began_ns < SLOW_NS ? 0 : now + AWAY_NS;
    (void)pthread_mutex_unlock(&v->lock);
}

/* Asks; any answer is 0. path  after "/v1/". The lock is not held. */
static int ask(struct call *c, enum http_method method, struct bytes path, struct bytes body,
               bool with_token) {
    struct vault *v = c->v;
    const struct client_options o = {.url = v->options.address, .tls = v->tls};
    struct buf target;
    buf_init(&target, 0);
    buf_append_str(&target, "/v1/");
    buf_append(&target, path);
    struct http_request r = {.method = method,
                             .method_text = bytes_from_str(http_method_name(method)),
                             .path = arena_copy(&c->arena, buf_view(&target)),
                             .body = method == HTTP_GET ? HTTP_BODY_NONE : HTTP_BODY_LENGTH};
    buf_free(&target);
    int code = add(c, &r, "x-vault-request", BYTES_LIT("true"));
    if (code == 0 && with_token) code = add(c, &r, "x-vault-token", c->token);
    if (code == 0 && v->options.namespace_name) {
        code = add(c, &r, "x-vault-namespace", bytes_from_str(v->options.namespace_name));
    }
    if (code != 0) return code;
    if (!may_ask(v)) return away(c);
    uint64_t began_ns = clock_monotonic_ns(v->clock);
    code = client_ask(&c->answer, &c->arena, &o, &r, body, ANSWER_BYTES_MAX, ASK_NS, c->why);
    has_answered(v, code == 0, began_ns);
    // Whatever keeps Vault from answering: it is away.
    return code == 0 ? 0 : away(c);
}

// An answer that is not 2xx. Its text could repeat what was sent, and is not shown.
static int refused(struct call *c, const char *what) {
    unsigned status = c->answer.status;
    int code = status == 404 ? ERR_NOT_FOUND : ERR_CLOSED;
    return error_set(c->why, (enum err)code, "Vault answers %u to %s", status, what);
}

static int parse(struct call *c, const struct json **ret) {
    struct json_limits limits = {ANSWER_BYTES_MAX, 64, 1u << 18, true};
    if (json_parse(ret, c->answer.body, &c->arena, &limits, NULL) == 0) return 0;
    return error_set(c->why, ERR_INVALID, "Vault's answer is no JSON");
}

/* ---- the token ---- */

// "auth": {"client_token", "lease_duration" (seconds, 0: for ever), "renewable"}
static int take_token(struct call *c) {
    struct vault *v = c->v;
    const struct json *doc;
    struct bytes token;
    uint64_t seconds = 0, now = clock_monotonic_ns(v->clock);
    bool renewable = false;
    int r = parse(c, &doc);
    const struct json *auth = r == 0 ? json_get(doc, "auth") : NULL;
    if (r == 0) r = json_get_string(&token, auth, "client_token", NULL);
    if (r != 0 || token.n == 0) return error_set(c->why, ERR_INVALID, "Vault gave no token");
    if (json_get(auth, "lease_duration"))
        r = json_get_u64(&seconds, auth, "lease_duration", c->why);
    if (r == 0 && json_get(auth, "renewable")) {
        r = json_bool(&renewable, json_get(auth, "renewable"), c->why);
    }
    struct secret kept, old;
    if (r == 0) r = secret_copy(&kept, token, c->why);
    if (r != 0) return r;
    if (seconds > 10u * 365 * 86400) seconds = 0;
    (void)pthread_mutex_lock(&v->lock);
    old = v->token;
    v->token = kept;
    v->token_number++;
    v->expires_at_ns = seconds ? now + seconds * NS_PER_S : 0;
    v->renew_at_ns = seconds && renewable ? now + seconds * NS_PER_S / 3 * 2 : 0;
    (void)pthread_mutex_unlock(&v->lock);
    secret_free(&old);
    return 0;
}

static int login(struct call *c) {
    struct vault *v = c->v;
    const struct vault_options *o = &v->options;
    const char *place = o->auth_path && *o->auth_path ? o->auth_path
                        : o->auth == VAULT_KUBERNETES ? "kubernetes"
                                                      : "jwt";
    struct buf jwt, body, path;
    struct json_writer w;
    buf_init(&jwt, JWT_FILE_MAX);
    buf_init(&body, 0);
    buf_init(&path, 0);
    buf_printf(&path, "auth/%s/login", place);
    int r = file_read(&jwt, o->jwt_file, c->why);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "role", o->role);
    struct bytes text = buf_view(&jwt);
    while (text.n && strchr(" \t\r\n", text.p[text.n - 1]))
        text.n--;
    json_add_text(&w, "jwt", text);
    json_end(&w);
    if (r == 0) r = ask(c, HTTP_PUT, buf_view(&path), buf_view(&body), false);
    if (r == 0 && c->answer.status != 200) r = refused(c, "the login");
    if (r == 0) r = take_token(c);
    if (jwt.p) bytes_wipe(jwt.p, jwt.n);
    if (body.p) bytes_wipe(body.p, body.n);
    buf_free(&jwt);
    buf_free(&body);
    buf_free(&path);
    return r;
}

static int renew(struct call *c) {
    int r = ask(c, HTTP_PUT, BYTES_LIT("auth/token/renew-self"), BYTES_LIT("{}"), true);
    if (r == 0 && c->answer.status != 200) r = refused(c, "the renewal");
    return r == 0 ? take_token(c) : r;
}

/* ---- one renewal or login at a time; with the lock held ---- */

// The token as it is now, for this call.
static int copy_token(struct call *c) {
    struct vault *v = c->v;
    c->token = arena_copy(&c->arena, secret_view(&v->token));
    c->token_number = v->token_number;
    return c->token.p ? 0 : error_set(c->why, ERR_NO_MEMORY, "no memory for a token");
}

// Does the work without the lock, and tells who waits for it.
static int refresh(struct call *c, int (*work)(struct call *c)) {
    struct vault *v = c->v;
    struct error why = {0}, *callers = c->why;
    v->refreshing = true;
    (void)pthread_mutex_unlock(&v->lock);
    c->why = &why;
    int r = work(c);
    c->why = callers;
    (void)pthread_mutex_lock(&v->lock);
    v->refreshing = false;
    v->refresh_code = r;
    v->refresh_why = why;
    (void)pthread_cond_broadcast(&v->refreshed);
    return r;
}

// Logs in, or waits for another caller's login. The wait ends: a login does (ASK_NS).
static int log_in_once(struct call *c) {
    struct vault *v = c->v;
    uint64_t before = v->token_number;
    bool waited_for_login = false;
    while (v->refreshing) {
        waited_for_login = v->logging_in;
        (void)pthread_cond_wait(&v->refreshed, &v->lock);
    }
    if (v->token_number != before) return 0;
    if (!waited_for_login) {
        v->logging_in = true;
        (void)refresh(c, login);
        v->logging_in = false;
    }
    if (v->refresh_code != 0 && c->why) *c->why = v->refresh_why;
    return v->refresh_code;
}

// A renewal that fails is no failure while the token lives; a login follows when it does not.
static int fresh_token(struct call *c) {
    struct vault *v = c->v;
    uint64_t now = clock_monotonic_ns(v->clock);
    bool may_log_in = v->options.auth != VAULT_TOKEN;
    int r = 0;
    if (v->token.n && v->renew_at_ns && now >= v->renew_at_ns && !v->refreshing) {
        v->renew_at_ns = 0;
        r = copy_token(c);
        if (r == 0) (void)refresh(c, renew);
        if (r != 0) return r;
    }
    bool ended = v->token.n && v->expires_at_ns && now >= v->expires_at_ns;
    bool ending = v->token.n && v->expires_at_ns && !v->renew_at_ns && !v->refreshing &&
                  now + 30 * NS_PER_S >= v->expires_at_ns;
    if (v->token.n && !ended && !(ending && may_log_in)) return copy_token(c);
    if (!may_log_in) return error_set(c->why, ERR_CLOSED, "Vault's token has ended");
    r = log_in_once(c);
    if (r != 0 && v->token.n && !ended) r = 0; // it still lives
    return r == 0 ? copy_token(c) : r;
}

static int token_for(struct call *c, bool was_refused) {
    struct vault *v = c->v;
    int r;
    (void)pthread_mutex_lock(&v->lock);
    if (!was_refused)
        r = fresh_token(c);
    else if (v->token_number != c->token_number)
        r = copy_token(c); // another caller has been refused too, and has logged in
    else
        r = log_in_once(c);
    if (r == 0 && was_refused) r = copy_token(c);
    (void)pthread_mutex_unlock(&v->lock);
    return r;
}

/* A request with a token; 403 may mean that it was revoked: once with a new login then. */
static int ask_as_self(struct call *c, enum http_method method, struct bytes path,
                       struct bytes body) {
    int r = token_for(c, false);
    if (r == 0) r = ask(c, method, path, body, true);
    if (r == 0 && c->answer.status == 403 && c->v->options.auth != VAULT_TOKEN) {
        r = token_for(c, true);
        if (r == 0) r = ask(c, method, path, body, true);
    }
    return r;
}

/* ---- documents ---- */

// kind  "data", or "metadata", with which all versions stand and fall.
static void append_path(struct buf *out, const struct vault *v, const char *kind,
                        struct bytes builder) {
    buf_printf(out, "%s/%s/", v->options.mount, kind);
    if (v->options.path && *v->options.path) buf_printf(out, "%s/", v->options.path);
    url_append_encoded(out, builder);
}

static int get(struct call *c, struct bytes builder, struct buf *out) {
    const struct json *doc, *data;
    struct buf path;
    buf_init(&path, 0);
    append_path(&path, c->v, "data", builder);
    int r = ask_as_self(c, HTTP_GET, buf_view(&path), (struct bytes){NULL, 0});
    buf_free(&path);
    if (r == 0 && c->answer.status != 200) r = refused(c, "a read");
    if (r == 0) r = parse(c, &doc);
    if (r != 0) return r;
    data = json_get(json_get(doc, "data"), "data");
    if (json_is_null(data)) return error_set(c->why, ERR_NOT_FOUND, "no secret of this builder");
    if (json_type_of(data) != JSON_OBJECT) {
        return error_set(c->why, ERR_INVALID, "Vault's secret is no object");
    }
    buf_append(out, json_raw(data));
    return buf_check(out, c->why);
}

static int put(struct call *c, struct bytes builder, struct bytes document) {
    struct buf path, body;
    buf_init(&path, 0);
    buf_init(&body, 0);
    append_path(&path, c->v, "data", builder);
    buf_append_str(&body, "{\"data\":");
    buf_append(&body, document);
    buf_append_byte(&body, '}');
    int r = buf_check(&body, c->why);
    if (r == 0) r = ask_as_self(c, HTTP_PUT, buf_view(&path), buf_view(&body));
    if (r == 0 && c->answer.status / 100 != 2) r = refused(c, "a write");
    if (body.p) bytes_wipe(body.p, body.n);
    buf_free(&path);
    buf_free(&body);
    return r;
}

static int remove_all(struct call *c, struct bytes builder) {
    struct buf path;
    buf_init(&path, 0);
    append_path(&path, c->v, "metadata", builder);
    int r = ask_as_self(c, HTTP_DELETE, buf_view(&path), (struct bytes){NULL, 0});
    buf_free(&path);
    if (r == 0 && c->answer.status == 404) return 0;
    return r == 0 && c->answer.status / 100 != 2 ? refused(c, "a deletion") : r;
}

static void begin(struct call *c, struct vault *v, struct error *why) {
    *c = (struct call){.v = v, .why = why};
    arena_init(&c->arena, 4u * ANSWER_BYTES_MAX);
}

static int end(struct call *c, int r) {
    arena_wipe(&c->arena); // token, JWT and document
    return r;
}

int vault_get(struct vault *v, struct bytes builder, struct buf *out, struct error *why) {
    struct call c;
    begin(&c, v, why);
    return end(&c, get(&c, builder, out));
}

int vault_put(struct vault *v, struct bytes builder, struct bytes document, struct error *why) {
    struct call c;
    begin(&c, v, why);
    return end(&c, put(&c, builder, document));
}

int vault_delete(struct vault *v, struct bytes builder, struct error *why) {
    struct call c;
    begin(&c, v, why);
    return end(&c, remove_all(&c, builder));
}
