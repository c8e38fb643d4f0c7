/* Routing: exact segments, one parameter a segment, no clean-up of paths, GET is not HEAD.
 * SPDX-License-Identifier: MIT */
#include "hub/hub_internal.h"
#include "net/url.h"

#include <string.h>

#define CALL_BYTES_MAX (64u << 20)

void hub_response_init(struct hub_response *r) {
    *r = (struct hub_response){.status = 500, .route = ""};
    buf_init(&r->body, 0);
    arena_init(&r->arena, 64u << 10);
}

void hub_response_free(struct hub_response *r) {
    shared_text_drop(r->list);
    buf_free(&r->body);
    arena_free(&r->arena);
}

struct bytes hub_response_body(const struct hub_response *r) {
    return buf_view(r->list ? &r->list->text : &r->body);
}

void hub_add_header(struct hub_response *r, const char *name, struct bytes value) {
    if (r->header_count == HUB_HEADERS_MAX) return;
    struct bytes kept = arena_copy(&r->arena, value);
    if (kept.p || value.n == 0) r->headers[r->header_count++] = (struct hub_header){name, kept};
}

void hub_status(struct hub_call *c, int status) {
    buf_clear(&c->res->body);
    c->res->status = status;
    c->res->content_type = NULL;
}

void hub_json(struct hub_call *c, int status) {
    c->res->status = status;
    c->res->content_type = "application/json";
    if (c->res->body.failed) hub_status(c, 500);
}

void hub_message(struct hub_call *c, int status, const char *message, const char *error) {
    struct json_writer w;
    buf_clear(&c->res->body);
    json_writer_init(&w, &c->res->body, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    json_add_str(&w, "message", message);
    if (error) json_add_str(&w, "error", error);
    json_end(&w);
    buf_append_byte(&c->res->body, '\n');
    hub_json(c, status);
}

void hub_failure(struct hub_call *c, int code, const struct error *why) {
    log_warn(c->hub->options.log, "store_refused", F_STR("route", c->res->route), F_ERR(why));
    if (code == ERR_CLOSED || code == ERR_BUSY || code == ERR_IO) { // away, or its disk is full
        hub_status(c, 503);
        hub_add_header(c->res, "Retry-After", BYTES_LIT("2"));
    } else if (c->hub->options.compat) {
        hub_status(c, 500);
    } else if (code == ERR_NOT_FOUND) {
        hub_message(c, 404, "not found", why->text);
    } else if (code == ERR_CONFLICT) {
        hub_message(c, 409, "exists already", NULL);
    } else if (code == ERR_RANGE || code == ERR_INVALID) {
        hub_message(c, 400, "value refused", NULL);
    } else {
        hub_status(c, 500);
    }
}

struct bytes hub_header_first(const struct hub_call *c, const char *lower_name) {
    const struct http_fields *f = c->req->fields;
    for (unsigned i = 0; i < f->count; i++) {
        if (bytes_equal_str(f->item[i].name, lower_name)) {
            struct bytes v = f->item[i].value;
            return v.p ? v : BYTES_LIT("");
        }
    }
    return (struct bytes){NULL, 0};
}

struct bytes hub_header_last(const struct hub_call *c, const char *lower_name) {
    const struct http_fields *f = c->req->fields;
    for (unsigned i = f->count; i-- > 0;) {
        if (bytes_equal_str(f->item[i].name, lower_name)) {
            struct bytes v = f->item[i].value;
            return v.p ? v : BYTES_LIT("");
        }
    }
    return (struct bytes){NULL, 0};
}

// Paths

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Go leaves these as they are when it escapes a path.
static bool is_plain(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.~$&+,/:;=@", c));
}

// The decoded path, unless escaping it again gives another text: then the path as it was sent.
// False: a wrong escape.
static bool path_to_match(struct bytes *ret, struct bytes raw, struct arena *a) {
    static const uint8_t digits[] = "0123456789ABCDEF";
    uint8_t *out = arena_alloc_raw(a, raw.n + 1);
    bool same = true;
    size_t n = 0;
    if (!out) return false;
    for (size_t i = 0; i < raw.n; i++) {
        uint8_t c = raw.p[i];
        if (c == '%') {
            int high = i + 2 < raw.n ? digit(raw.p[i + 1]) : -1;
            int low = high >= 0 ? digit(raw.p[i + 2]) : -1;
            if (low < 0) return false;
            c = (uint8_t)(high << 4 | low);
            if (is_plain(c) || raw.p[i + 1] != digits[high] || raw.p[i + 2] != digits[low]) {
                same = false;
            }
            i += 2;
        } else if (!is_plain(c)) {
            same = false;
        }
        out[n++] = c;
    }
    *ret = same ? bytes_make(out, n) : raw;
    return true;
}

static struct bytes next_segment(struct bytes *rest) {
    const uint8_t *slash = rest->n ? memchr(rest->p, '/', rest->n) : NULL;
    struct bytes segment = {rest->p, slash ? (size_t)(slash - rest->p) : rest->n};
    *rest = slash ? bytes_slice(*rest, segment.n + 1, rest->n) : (struct bytes){NULL, 0};
    return segment;
}

// Both begin with a slash. An empty middle segment is a parameter's value, an empty last is not.
static bool matches(const char *pattern_text, struct bytes path, struct bytes params[3]) {
    struct bytes pattern = bytes_from_str(pattern_text);
    size_t n = 0;
    if (path.n == 0 || path.p[0] != '/') return false;
    pattern = bytes_slice(pattern, 1, pattern.n);
    path = bytes_slice(path, 1, path.n);
    for (;;) {
        struct bytes want = next_segment(&pattern), got = next_segment(&path);
        if (want.n && want.p[0] == '{') {
            if (got.n == 0 && !path.p) return false;
            params[n++] = got.p ? got : BYTES_LIT("");
        } else if (!bytes_equal(want, got)) {
            return false;
        }
        if (!pattern.p || !path.p) return !pattern.p && !path.p;
    }
}

static bool is_offered(const struct hub_call *c, const struct hub_route *r) {
    if (!(r->listeners & c->req->listener)) return false;
    bool only_nodes =
        c->req->proof || (atomic_load(&c->hub->public_only) && c->req->listener == HUB_PUBLIC);
    return r->node || !only_nodes;
}

static void not_found(struct hub_call *c) {
    buf_clear(&c->res->body);
    buf_append_str(&c->res->body, "404 page not found\n");
    c->res->status = 404;
    c->res->content_type = "text/plain; charset=utf-8";
    hub_add_header(c->res, "X-Content-Type-Options", BYTES_LIT("nosniff"));
}

// The route; NULL: 404 or 405 was answered.
static const struct hub_route *route_of(struct hub_call *c, struct bytes path) {
    bool known = false;
    for (size_t i = 0; i < hub_route_count; i++) {
        const struct hub_route *r = &hub_routes[i];
        if (!is_offered(c, r) || !matches(r->pattern, path, c->params)) continue;
        c->res->route = r->pattern;
        if (bytes_equal_str(c->req->method, r->method)) return r;
        if (!known) hub_status(c, 405);
        known = true;
        hub_add_header(c->res, "Allow", bytes_from_str(r->method));
    }
    if (!known) not_found(c);
    return NULL;
}

// Of a path that was matched as it was sent: "%2F" and "%40" in a name are "/" and "@". The
// deployed hub leaves them, so that whoever escapes more than Go does names another builder.
static bool decode_params(struct hub_call *c) {
    for (size_t i = 0; i < sizeof c->params / sizeof c->params[0]; i++) {
        struct error why;
        if (c->params[i].n && url_decode(&c->params[i], c->params[i], 0, &c->arena, &why) != 0) {
            return false; // no memory: the escapes are good
        }
    }
    return true;
}

static void refuse_password(struct hub_call *c) {
    buf_append_str(&c->res->body, "Unauthorized\n");
    c->res->status = 401;
    c->res->content_type = "text/plain; charset=utf-8";
    hub_add_header(c->res, "WWW-Authenticate", BYTES_LIT("Basic realm=admin"));
    hub_add_header(c->res, "X-Content-Type-Options", BYTES_LIT("nosniff"));
}

static void answer(struct hub_call *c) {
    struct bytes target = c->req->target, path;
    const uint8_t *mark = target.n ? memchr(target.p, '?', target.n) : NULL;
    if (mark) {
        c->query = bytes_slice(target, (size_t)(mark - target.p) + 1, target.n);
        target.n = (size_t)(mark - target.p);
    }
    if (c->req->listener == HUB_ADMIN && !c->hub->options.admin_open) {
        if (!c->may_block && !hub_password_known(c)) {
            c->blocked = true;
            c->res->waits = HUB_WAITS_FOR_PASSWORD;
            return;
        }
        if (c->may_block && !hub_password(c)) {
            refuse_password(c);
            return;
        }
    }
    if (!path_to_match(&path, target, &c->arena)) {
        hub_status(c, 400);
        return;
    }
    const struct hub_route *r = route_of(c, path);
    if (!r) return;
    if (path.p == target.p && !c->hub->options.compat && !decode_params(c)) {
        hub_status(c, 500);
        return;
    }
    if (r->waits != HUB_QUICK && !c->may_block) {
        c->blocked = true;
        c->res->waits = r->waits == HUB_ASKS_SECRETS ? HUB_WAITS_FOR_SECRETS : HUB_WAITS_FOR_STORE;
        return;
    }
    c->res->header_count = 0; // of other methods on this path
    r->handle(c);
}

bool hub_answer(struct hub *h, const struct hub_request *req, struct hub_response *res,
                bool may_block) {
    struct hub_call c = {.hub = h, .req = req, .res = res, .may_block = may_block};
    arena_init(&c.arena, CALL_BYTES_MAX);
    if (h->options.admin_open) c.author = BYTES_LIT("admin");
    if (req->listener == HUB_ADMIN) {
        struct bytes author = hub_header_first(&c, "x-hub-author");
        struct bytes reason = hub_header_first(&c, "x-hub-reason");
        if (author.n) c.author = author;
        if (reason.n) c.reason = reason;
    }
    answer(&c);
    if (c.blocked) {
        buf_clear(&res->body);
        res->header_count = 0;
        arena_reset(&res->arena);
    }
    arena_free(&c.arena);
    return !c.blocked;
}

// Bodies

int hub_parse(struct hub_call *c, const struct json **ret, struct error *why) {
    return json_parse(ret, c->req->body, &c->arena, &JSONB_LIMITS, why);
}

const struct json *hub_member(const struct json *object, const char *name) {
    const struct json *found = NULL;
    json_members(key, value, object) {
        if (http_equal_nocase(json_text(key), name)) found = value;
    }
    return found;
}

int hub_text(struct bytes *ret, const struct json *object, const char *name, struct error *why) {
    const struct json *v = hub_member(object, name);
    *ret = BYTES_LIT("");
    if (json_is_null(v)) return 0;
    if (v->type != JSON_STRING) return json_error(why, ERR_INVALID, v, "%s is no string", name);
    *ret = json_text(v);
    return 0;
}

int hub_check_members(const struct json *object, const char *const *names, struct error *why) {
    json_members(key, value, object) {
        size_t i = 0;
        while (names[i] && !http_equal_nocase(json_text(key), names[i]))
            i++;
        if (names[i]) continue;
        struct bytes name = json_text(key);
        return json_error(why, ERR_INVALID, value, "\"%.*s\" is not known here",
                          (int)(name.n < 40 ? name.n : 40), (const char *)name.p);
    }
    return 0;
}

void hub_batch(struct hub_call *c, struct store_batch *b) {
    batch_init(b, &c->arena, c->author, c->reason);
}
