/* `buildernet builder order`. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "builder/order_log.h"
#include "builder/tools.h"
#include "net/client.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_NS (10 * NS_PER_S)
#define ANSWER_BYTES_MAX ((size_t)16 << 20)

static int ask(const char *url, const char *hash, bool json, struct buf *out, struct error *why) {
    const struct client_options options = {.url = url, .protocol = CLIENT_HTTP1};
    const struct json *orders;
    struct client_answer answer;
    struct arena a;
    arena_init(&a, 4 * ANSWER_BYTES_MAX);
    struct http_request q = {.method = HTTP_GET,
                             .path = bytes_from_str(arena_printf(&a, "/debug/orders/%s", hash))};
    int r =
        client_ask(&answer, &a, &options, &q, (struct bytes){0}, ANSWER_BYTES_MAX, TIMEOUT_NS, why);
    if (r == 0 && answer.status == 404) {
        r = error_set(why, ERR_NOT_FOUND, "the builder remembers no order of that name");
    } else if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_UNSUPPORTED, "%s answers with status %u", url, answer.status);
    }
    if (r == 0 && json) {
        buf_append(out, answer.body);
        buf_append_str(out, "\n");
    } else if (r == 0) {
        r = json_parse(&orders, answer.body, &a, NULL, why);
        if (r == 0) r = order_log_explain(out, orders, why);
    }
    arena_free(&a);
    return r;
}

static int misused(const char *what, const char *arg) {
    (void)fprintf(stderr, "buildernet builder order: %s '%.200s'; see --help\n", what, arg);
    return 64;
}

int builder_order(int argc, char **argv) {
    const char *url = "http://127.0.0.1:6069", *name = NULL;
    bool json = false;
    struct hash hash;
    struct error why;
    struct buf out;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--url") == 0 && i + 1 < argc) {
            url = argv[++i];
        } else if (argv[i][0] == '-' || name) {
            return misused("unknown flag, or one without its value:", argv[i]);
        } else {
            name = argv[i];
        }
    }
    if (!name) return misused("HASH is missing after", argv[1]);
    int r = hex_decode_hash(&hash, bytes_from_str(name), &why);
    buf_init(&out, 0);
    if (r == 0) r = ask(url, name, json, &out, &why);
    if (r == 0) (void)fwrite(out.p, 1, out.n, stdout);
    if (r != 0) (void)fprintf(stderr, "builder: %s: %s\n", name, why.text);
    buf_free(&out);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
