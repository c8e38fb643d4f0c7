/* The endpoints of the System API, in one table.
 *
 * Every path, known or not, is behind the password. A path has one method; others are answered 405
 * with Allow, HEAD included, as the deployed program does.
 *
 * SPDX-License-Identifier: MIT */
#include "system_api/api.h"

#include <stdlib.h>

static void respond_live(struct api *a, struct exchange *x) {
    (void)a;
    exchange_respond_text(x, 200, "application/json", BYTES_LIT("{\"status\":\"ok\"}\n"));
}

static void respond_ready(struct api *a, struct exchange *x) {
    if (a->ready && !server_is_draining(a->server)) {
        exchange_respond_text(x, 200, "application/json", BYTES_LIT("{\"status\":\"ready\"}\n"));
    } else {
        api_respond_error(x, 503, "Not ready");
    }
}

static void respond_metrics(struct api *a, struct exchange *x) {
    struct buf out;
    buf_init(&out, 0);
    metrics_write(a->metrics, &out);
    exchange_respond_text(x, 200, METRICS_CONTENT_TYPE, buf_view(&out));
    buf_free(&out);
}

static void new_event(struct api *a, struct exchange *x) {
    if (api_keep_event(a, exchange_query_get(x, "message")) != 0) {
        api_respond_error(x, 500, "Failed to keep the event");
        return;
    }
    exchange_respond(x, 200, (struct bytes){NULL, 0});
}

// A decimal id; false when the text is anything else.
static bool parse_id(uint64_t *ret, struct bytes text) {
    struct u256 v;
    if (!u256_from_decimal(&v, text) || !u256_fits_u64(v)) return false;
    *ret = v.w[0];
    return true;
}

static void respond_events(struct api *a, struct exchange *x) {
    struct bytes since_text = exchange_query_get(x, "since");
    struct bytes last_id = exchange_header(x, "last-event-id");
    struct bytes follow = exchange_query_get(x, "follow");
    bool following = follow.p && !bytes_equal_str(follow, "0") && !bytes_equal_str(follow, "false");
    uint64_t since = 0;
    if (following && last_id.p) since_text = last_id; // a client that comes back
    if (since_text.p && !parse_id(&since, since_text)) {
        api_respond_error(x, 400, "since is an event's id");
    } else if (following) {
        api_follow(a, x, since);
    } else if (bytes_equal_str(exchange_query_get(x, "format"), "text")) {
        api_list(a, x, LISTING_TEXT, since);
    } else { // since: only later events, and each with its id
        api_list(a, x, since_text.p ? LISTING_JSON_IDS : LISTING_JSON, since);
    }
}

static void respond_logs(struct api *a, struct exchange *x) {
    api_list(a, x, LISTING_TEXT, 0);
}

static const struct {
    const char *method;
    const char *path;
    void (*handle)(struct api *a, struct exchange *x); // NULL: an upload
    uint64_t body_bytes_max;
} table[] = {
    {"GET", "/", respond_live, 0},
    {"GET", "/livez", respond_live, 0},
    {"GET", "/readyz", respond_ready, 0},
    {"GET", "/metrics", respond_metrics, 0},
    {"GET", "/logs", respond_logs, 0},
    {"GET", "/api/v1/new_event", new_event, 0},
    {"GET", "/api/v1/events", respond_events, 0},
    {"POST", "/api/v1/set-basic-auth", api_set_password, PASSWORD_BYTES_MAX},
    {"GET", "/api/v1/actions", api_action_list, 0},
    {"GET", "/api/v1/actions/{name}", api_action, 0},
    {"POST", "/api/v1/file-upload/{name}", NULL, UINT64_MAX},
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

// A page of another site must not make an operator's browser act here.
static bool is_cross_site(const struct exchange *x) {
    return bytes_equal_str(exchange_header(x, "sec-fetch-site"), "cross-site");
}

bool api_endpoint_takes(const struct endpoint *e, struct exchange *x) {
    if (!bytes_equal_str(exchange_request(x)->method_text, e->method)) {
        (void)exchange_add_header(x, "Allow", bytes_from_str(e->method));
        exchange_respond(x, 405, (struct bytes){NULL, 0});
        return false;
    }
    if (is_cross_site(x)) {
        api_respond_error(x, 403, "Cross-site request");
        return false;
    }
    return true;
}

static void let_in(struct api *a, struct exchange *x, void *context) {
    const struct endpoint *e = context;
    if (api_endpoint_takes(e, x)) e->handle(a, x);
}

static void enter(struct exchange *x, void *context) {
    struct endpoint *e = context;
    api_authorize(e->api, x, let_in, e);
}

static void not_found(struct api *a, struct exchange *x, void *context) {
    (void)a;
    (void)context;
    exchange_respond_text(x, 404, "text/plain; charset=utf-8", BYTES_LIT("404 page not found\n"));
}

void api_unknown(struct exchange *x, void *context) {
    api_authorize(context, x, not_found, NULL);
}

int api_routes(struct api *a, struct error *why) {
    a->endpoints = calloc(TABLE_COUNT, sizeof *a->endpoints);
    a->routes = calloc(TABLE_COUNT, sizeof *a->routes);
    if (!a->endpoints || !a->routes) return error_set(why, ERR_NO_MEMORY, "no memory for routes");
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        a->endpoints[i] = (struct endpoint){a, table[i].method, table[i].handle};
        a->routes[i] = (struct route){
            .methods = "*",
            .path = table[i].path,
            .handle = table[i].handle ? enter : api_upload,
            .context = &a->endpoints[i],
            .body_bytes_max = table[i].body_bytes_max,
            .flags = table[i].handle ? 0 : ROUTE_STREAM,
        };
    }
    a->route_count = TABLE_COUNT;
    return 0;
}
