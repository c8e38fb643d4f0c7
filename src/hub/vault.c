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

struct vault {
    struct vault_options options;
    const struct clock *clock;
    struct tls *tls;
    pthread_mutex_t lock;
    struct secret token;    /* empty: none */
    uint64_t renew_at_ns;   /* monotonic; 0: the token does not end, or cannot be renewed */
    uint64_t expires_at_ns; /* 0: never */
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
    buf_init(&pem, 1u << 20);
    if (o->token.n) r = secret_copy(&v->token, o->token, why);
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
    free(v);
}

/* ---- one request ---- */

struct call {
    struct vault *v;
    struct arena arena;
    struct client_answer answer;
    struct error *why;
};

static int add(struct call *c, struct http_request *r, const char *name, struct bytes value) {
    return http_fields_add(&r->fields, &c->arena, bytes_from_str(name), value, c->why);
}

/* Asks; any answer is 0. path  after "/v1/". */
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
    if (code == 0 && with_token) code = add(c, &r, "x-vault-token", secret_view(&v->token));
    if (code == 0 && v->options.namespace_name) {
        code = add(c, &r, "x-vault-namespace", bytes_from_str(v->options.namespace_name));
    }
    if (code != 0) return code;
    code = client_ask(&c->answer, &c->arena, &o, &r, body, ANSWER_BYTES_MAX, ASK_NS, c->why);
    // Whatever keeps Vault from answering: it is away.
    return code == 0 ? 0 : error_set(c->why, ERR_CLOSED, "Vault does not answer");
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
    struct secret kept;
    if (r == 0) r = secret_copy(&kept, token, c->why);
    if (r != 0) return r;
    secret_free(&v->token);
    v->token = kept;
    if (seconds > 10u * 365 * 86400) seconds = 0;
    v->expires_at_ns = seconds ? now + seconds * NS_PER_S : 0;
    v->renew_at_ns = seconds && renewable ? now + seconds * NS_PER_S / 3 * 2 : 0;
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

// A renewal that fails is no failure while the token lives; a login follows when it does not.
static int fresh_token(struct call *c) {
    struct vault *v = c->v;
    uint64_t now = clock_monotonic_ns(v->clock);
    bool may_log_in = v->options.auth != VAULT_TOKEN;
    if (v->token.n && v->renew_at_ns && now >= v->renew_at_ns) {
        v->renew_at_ns = 0;
        int r = ask(c, HTTP_PUT, BYTES_LIT("auth/token/renew-self"), BYTES_LIT("{}"), true);
        if (r == 0 && c->answer.status == 200) r = take_token(c);
    }
    bool ended = v->token.n && v->expires_at_ns && now >= v->expires_at_ns;
    bool ending = v->token.n && v->expires_at_ns && !v->renew_at_ns &&
                  now + 30 * NS_PER_S >= v->expires_at_ns;
    if (v->token.n && !ended && !(ending && may_log_in)) return 0;
    if (may_log_in) return login(c);
    return error_set(c->why, ERR_CLOSED, "Vault's token has ended");
}

/* A request with a token; 403 may mean that it was revoked: once with a new login then. */
static int ask_as_self(struct call *c, enum http_method method, struct bytes path,
                       struct bytes body) {
    int r = fresh_token(c);
    if (r == 0) r = ask(c, method, path, body, true);
    if (r == 0 && c->answer.status == 403 && c->v->options.auth != VAULT_TOKEN) {
        r = login(c);
        if (r == 0) r = ask(c, method, path, body, true);
    }
    return r;
}

/* ---- documents ---- */

static void append_path(struct buf *out, const struct vault *v, struct bytes builder) {
    buf_printf(out, "%s/data/", v->options.mount);
    if (v->options.path && *v->options.path) buf_printf(out, "%s/", v->options.path);
    url_append_encoded(out, builder);
}

static int get(struct call *c, struct bytes builder, struct buf *out) {
    const struct json *doc, *data;
    struct buf path;
    buf_init(&path, 0);
    append_path(&path, c->v, builder);
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
    append_path(&path, c->v, builder);
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

static void begin(struct call *c, struct vault *v, struct error *why) {
    *c = (struct call){.v = v, .why = why};
    arena_init(&c->arena, 4u * ANSWER_BYTES_MAX);
    (void)pthread_mutex_lock(&v->lock);
}

static int end(struct call *c, int r) {
    (void)pthread_mutex_unlock(&c->v->lock);
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
