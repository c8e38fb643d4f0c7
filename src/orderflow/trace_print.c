/* `orderflow trace HASH`: asks nodes for an order's way and prints it, merged by time.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "net/client.h"
#include "net/url.h"
#include "orderflow/orderflow.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 4096
#define ANSWER_MAX (4u << 20)
#define WAIT_NS (5 * NS_PER_S)

struct event {
    uint64_t at_ns;
    const char *node, *what;
};

struct story {
    struct arena a;
    struct event events[EVENTS_MAX];
    size_t count, nodes, failed;
};

static void add(struct story *s, uint64_t at_ns, const char *node, const char *what) {
    if (at_ns > 0 && what && node && s->count < EVENTS_MAX) {
        s->events[s->count++] = (struct event){at_ns, node, what};
    }
}

static const char *text_of(struct story *s, const struct json *v, const char *key) {
    struct bytes t = {NULL, 0};
    if (json_get_string(&t, v, key, NULL) != 0) return "";
    return arena_str(&s->a, t);
}

/* One node's entry of the order. */
static void add_entry(struct story *s, const struct json *e) {
    const char *node = text_of(s, e, "node"), *peer = text_of(s, e, "peer");
    const char *from = text_of(s, e, "from");
    uint64_t at;
    json_members(key, value, json_get(e, "stages")) {
        if (json_u64(&at, value, NULL) != 0) continue;
        const char *what = arena_str(&s->a, json_text(key));
        if (what && strcmp(what, "received") == 0) {
            what =
                arena_printf(&s->a, "received from %s%s%s, %s, priority %s", from, *peer ? " " : "",
                             peer, text_of(s, e, "method"), text_of(s, e, "priority"));
        }
        add(s, at, node, what);
    }
    json_each(p, json_get(e, "peers")) {
        if (json_get_u64(&at, p, "acknowledgedNs", NULL) != 0) continue;
        add(s, at, node, arena_printf(&s->a, "acknowledged by %s", text_of(s, p, "name")));
    }
}

#define NODE_AWAY 69 /* as `send` ends */

static int ask(struct story *s, const char *url, const char *hash, struct error *why) {
    struct client_answer answer;
    const struct json *doc;
    char *path = arena_printf(&s->a, "/trace/%s", hash);
    struct http_request r = {.method = HTTP_GET,
                             .method_text = BYTES_LIT("GET"),
                             .path = bytes_from_str(path ? path : "/")};
    const struct client_options o = {.url = url};
    int code = client_ask(&answer, &s->a, &o, &r, BYTES_LIT(""), ANSWER_MAX, WAIT_NS, why);
    if (code != 0) return code;
    if (answer.status == 404) return 0; // this node has not seen it
    if (answer.status != 200) {
        return error_set(why, ERR_INVALID, "it answered %u: %.*s", answer.status,
                         (int)(answer.body.n < 80 ? answer.body.n : 80),
                         (const char *)answer.body.p);
    }
    code = json_parse(&doc, answer.body, &s->a, NULL, why);
    if (code != 0) return code;
    json_each(e, doc) {
        add_entry(s, e);
        s->nodes++;
    }
    return 0;
}

static int by_time(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

static void print(struct story *s) {
    char when[CLOCK_TEXT_MAX];
    qsort(s->events, s->count, sizeof s->events[0], by_time);
    for (size_t i = 0; i < s->count; i++) {
        const struct event *e = &s->events[i];
        (void)clock_format(when, e->at_ns, 6);
        (void)printf("%s  +%9.3f ms  %-20s %s\n", when,
                     (double)(e->at_ns - s->events[0].at_ns) / 1e6, e->node, e->what);
    }
}

static bool is_hash(const char *text) {
    struct hash h;
    struct bytes digits = bytes_from_str(text);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    return digits.n == 2 * sizeof h.b && hex_decode(h.b, digits, NULL) == 0;
}

int orderflow_trace(const struct orderflow_values *values, const char *const *arguments,
                    size_t count) {
    char own[256];
    const char *ours = own;
    struct error why = {.text = ""};
    if (!is_hash(arguments[0])) {
        (void)fprintf(stderr, "buildernet orderflow: trace %.80s: a hash has 64 hex digits\n",
                      arguments[0]);
        return error_class_of(ERR_SYNTAX)->exit_status;
    }
    struct story *s = calloc(1, sizeof *s);
    if (!s) return error_class_of(ERR_NO_MEMORY)->exit_status;
    arena_init(&s->a, 64u << 20);
    (void)snprintf(own, sizeof own, "http://%s", values->metrics_addr ? values->metrics_addr : "");
    const char *const *urls = count > 1 ? arguments + 1 : &ours;
    size_t n = count > 1 ? count - 1 : 1;
    for (size_t i = 0; i < n; i++) {
        if (ask(s, urls[i], arguments[0], &why) == 0) continue;
        (void)fprintf(stderr, "buildernet orderflow: %s: %s\n", urls[i], why.text);
        s->failed++;
    }
    print(s);
    int status = s->failed > 0 ? NODE_AWAY : 0;
    if (s->nodes == 0 && s->failed == 0) {
        (void)fprintf(stderr, "buildernet orderflow: no node remembers this order\n");
        status = error_class_of(ERR_NOT_FOUND)->exit_status;
    }
    arena_free(&s->a);
    free(s);
    return status;
}
