/* `buildernet builder order`. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "builder/order_log.h"
#include "main/builder_tools.h"
#include "net/client.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_NS (10 * NS_PER_S)
#define ANSWER_BYTES_MAX ((size_t)16 << 20)

static int usage(FILE *to) {
    (void)fputs("usage: buildernet builder order HASH [flags]\n"
                "\n"
                "Tells what became of an order at a running builder: when it came, what its\n"
                "simulation said in each slot, in how many bids it was, why it was left out,\n"
                "whether it landed, and why it is there no more. HASH is that of a bundle or of\n"
                "one of its transactions.\n"
                "\n"
                "  --url URL   the builder's port of all metrics (default http://127.0.0.1:6069)\n"
                "  --json      what the builder answers, as it is\n",
                to);
    return to == stdout ? 0 : 64;
}

static int ask(const char *url, const char *hash, bool json, struct buf *out, struct error *why) {
    const struct client_options options = {.url = url, .protocol = CLIENT_HTTP1};
    const struct json *orders;
    struct client_answer answer;
    struct arena a;
    arena_init(&a, 4 * ANSWER_BYTES_MAX);
    struct http_request q = {.method = HTTP_GET,
                             .path = bytes_from_str(arena_printf(&a, "/debug/orders/%s", hash))};
    int r = client_ask(&answer, &a, &options, &q, (struct bytes){0}, ANSWER_BYTES_MAX, TIMEOUT_NS,
                       why);
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

int builder_order(int argc, char **argv) {
    const char *url = "http://127.0.0.1:6069", *name = NULL;
    bool json = false;
    struct hash hash;
    struct error why;
    struct buf out;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return usage(stdout);
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--url") == 0 && i + 1 < argc) {
            url = argv[++i];
        } else if (argv[i][0] == '-' || name) {
            (void)fprintf(stderr, "builder: unknown flag, or one without its value: '%.200s'\n",
                          argv[i]);
            return 64;
        } else {
            name = argv[i];
        }
    }
    if (!name) return usage(stderr);
    int r = hex_decode_hash(&hash, bytes_from_str(name), &why);
    buf_init(&out, 0);
    if (r == 0) r = ask(url, name, json, &out, &why);
    if (r == 0) (void)fwrite(out.p, 1, out.n, stdout);
    if (r != 0) (void)fprintf(stderr, "builder: %s: %s\n", name, why.text);
    buf_free(&out);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
