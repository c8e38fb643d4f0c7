/* Routes: exact segments before "{name}", exact paths before prefixes. Tables are small (tens of
 * rows); a walk that compares lengths first costs less than a tree of them.
 * SPDX-License-Identifier: MIT */
#include "net/server_internal.h"

#include <stdlib.h>

#define SEGMENTS_MAX 16

/* The next segment of a path; *rest keeps what follows. False at the end. */
static bool segment_next(struct bytes *ret, struct bytes *rest) {
    if (rest->n == 0 || rest->p[0] != '/') return false;
    const uint8_t *start = rest->p + 1;
    const uint8_t *end = memchr(start, '/', rest->n - 1);
    size_t n = end ? (size_t)(end - start) : rest->n - 1;
    *ret = bytes_make(start, n);
    *rest = bytes_slice(*rest, n + 1, rest->n);
    return true;
}

static bool is_param(struct bytes segment) {
    return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

static int check_pattern(struct route_entry *e, struct error *why) {
    struct bytes rest = bytes_from_str(e->route->path), segment;
    while (segment_next(&segment, &rest)) {
        e->segments++;
        e->params += is_param(segment);
    }
    if (rest.n || !e->segments || e->segments > SEGMENTS_MAX || e->params > PARAMS_MAX) {
        return error_set(why, ERR_SYNTAX, "route \"%s\" is not a path", e->route->path);
    }
    if (!e->route->methods || !e->route->methods[0] || !e->route->handle) {
        return error_set(why, ERR_SYNTAX, "route \"%s\" lacks methods or a handler",
                         e->route->path);
    }
    return 0;
}

static bool has_method(const char *list, struct bytes method) {
    if (list[0] == '*') return true;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        struct bytes one = bytes_make(p, n);
        if (bytes_equal(one, method)) return true;
        if (bytes_equal_str(method, "HEAD") && bytes_equal_str(one, "GET")) return true;
        p += n + (p[n] == ',');
    }
    return false;
}

int routes_init(struct routes *r, const struct route *routes, size_t count, struct error *why) {
    static const struct route nothing = {.path = "", .methods = "*"};
    *r = (struct routes){.none.route = &nothing};
    r->entry = calloc(count ? count : 1, sizeof *r->entry);
    if (!r->entry) return error_set(why, ERR_NO_MEMORY, "no memory for routes");
    for (size_t i = 0; i < count; i++) {
        r->entry[i].route = &routes[i];
        int code = check_pattern(&r->entry[i], why);
        if (code < 0) return code;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(routes[k].path, routes[i].path) == 0 &&
                strcmp(routes[k].methods, routes[i].methods) == 0) {
                return error_set(why, ERR_CONFLICT, "route \"%s %s\" is there twice",
                                 routes[i].methods, routes[i].path);
            }
        }
    }
    r->count = count;
    return 0;
}

void routes_free(struct routes *r) {
    free(r->entry);
    *r = (struct routes){0};
}

/* How well a pattern fits: 0 not at all; higher is better. Bit by bit from the left, an exact
 * segment is worth more than a parameter; a prefix is worth less than any full path. */
static uint32_t fit(const struct route_entry *e, struct bytes path,
                    struct bytes params[PARAMS_MAX]) {
    struct bytes pattern_rest = bytes_from_str(e->route->path), pattern;
    struct bytes rest = path, segment;
    bool prefix = e->route->flags & ROUTE_PREFIX;
    uint32_t score = 1;
    unsigned param = 0;
    while (segment_next(&pattern, &pattern_rest)) {
        bool last_empty = pattern.n == 0 && pattern_rest.n == 0;
        if (prefix && last_empty) return score; // "/a/" takes everything below /a
        if (!segment_next(&segment, &rest)) return 0;
        bool exact = bytes_equal(pattern, segment);
        if (!exact && (!is_param(pattern) || segment.n == 0)) return 0;
        if (!exact) params[param++] = segment;
        score = score << 1 | exact;
    }
    if (rest.n && !prefix) return 0;
    return prefix ? score : score | UINT32_C(1) << 31;
}

struct route_entry *routes_find(const struct routes *r, struct bytes path, struct bytes method,
                                struct bytes params[PARAMS_MAX], bool *ret_path_known) {
    struct route_entry *best = NULL;
    uint32_t best_score = 0;
    *ret_path_known = false;
    for (size_t i = 0; i < r->count; i++) {
        struct route_entry *e = &r->entry[i];
        struct bytes taken[PARAMS_MAX];
        uint32_t score = fit(e, path, taken);
        if (!score) continue;
        *ret_path_known = true;
        if (score <= best_score || !has_method(e->route->methods, method)) continue;
        best = e;
        best_score = score;
        memcpy(params, taken, sizeof(struct bytes) * e->params);
    }
    return best;
}

void routes_allow(const struct routes *r, struct bytes path, struct buf *out) {
    struct bytes params[PARAMS_MAX];
    for (size_t i = 0; i < r->count; i++) {
        if (!fit(&r->entry[i], path, params)) continue;
        for (const char *p = r->entry[i].route->methods; *p;) {
            size_t n = strcspn(p, ",");
            if (out->n) buf_append_str(out, ", ");
            buf_append(out, bytes_make(p, n));
            if (n == 3 && memcmp(p, "GET", 3) == 0) buf_append_str(out, ", HEAD");
            p += n + (p[n] == ',');
        }
    }
}
