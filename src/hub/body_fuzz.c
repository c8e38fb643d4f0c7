/* Every request of every listener with any body and any measurement header: no answer is 5xx but
 * where the store says so, and JSON answers are JSON.
 * SPDX-License-Identifier: MIT */
#include "hub/hub.h"
#include "hub/hub_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hub *hub_of(bool compat) {
    static struct hub *hubs[2];
    struct error why;
    struct store_options s = {.url = "sqlite::memory:", .migrate = true};
    struct hub_options o = {.admin_open = true, .compat = compat};
    if (hubs[compat]) return hubs[compat];
    if (store_open(&o.store, &s, &why) != 0 || secrets_memory(&o.secrets, &why) != 0 ||
        hub_open(&hubs[compat], &o, &why) != 0) {
        abort();
    }
    return hubs[compat];
}

static void add(struct http_fields *f, struct arena *a, const char *name, struct bytes value) {
    struct error why;
    if (http_fields_add(f, a, bytes_from_str(name), value, &why) != 0) return;
}

// The pattern with "n" for each parameter.
static struct bytes path_of(const char *pattern, struct arena *a) {
    char *path = arena_str(a, bytes_from_str(pattern));
    size_t n = 0;
    for (const char *p = pattern; *p; p++) {
        path[n++] = *p == '{' ? 'n' : *p;
        while (*p == '{' && p[1] && p[1] != '}')
            p++;
        if (*p == '{' || (p[1] == '}')) p++;
    }
    return bytes_make(path, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct http_fields fields = {0};
    struct hub_response res;
    if (size < 2) return 0;
    const struct hub_route *r = &hub_routes[data[0] % hub_route_count];
    struct hub *h = hub_of(data[1] & 1);
    struct bytes text = bytes_make(data + 2, size - 2);
    arena_init(&a, 0);
    add(&fields, &a, "x-flashbots-attestation-type", BYTES_LIT("t"));
    add(&fields, &a, "x-flashbots-measurement", data[1] & 2 ? text : BYTES_LIT("{}"));
    add(&fields, &a, "x-forwarded-for", data[1] & 4 ? text : BYTES_LIT("1.2.3.4"));
    struct hub_request req = {
        .listener = r->listeners & HUB_PUBLIC ? HUB_PUBLIC : (enum hub_listener)r->listeners,
        .method = bytes_from_str(r->method),
        .target = data[1] & 8 ? text : path_of(r->pattern, &a),
        .fields = &fields,
        .body = text,
        .trusted = true};
    hub_response_init(&res);
    (void)hub_answer(h, &req, &res, true);
    if (res.status < 200 || (res.status >= 500 && !(data[1] & 1) && r->listeners == HUB_ADMIN)) {
        abort();
    }
    hub_response_free(&res);
    arena_free(&a);
    return 0;
}
