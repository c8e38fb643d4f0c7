/* `buildernet orderflow`: what the orderflow core makes of requests.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/file.h"
#include "main/program.h"
#include "orderflow/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (256u << 20)
#define USAGE 64

static const char usage[] =
    "usage: buildernet orderflow inspect [--first] [--system] FILE|-\n\n"
    "inspect  tells identifiers, signers and validity of requests, one JSON line each. FILE holds\n"
    "         a JSON-RPC request a line, or objects {\"body\": \"...\", "
    "\"X-Flashbots-Signature\":\n"
    "         \"...\"}, whose signature is checked too; or one JSON array of such.\n"
    "         --first   by the first generation's rules (default: the second's)\n"
    "         --system  as from a peer, not from a user\n\n"
    "Exit status: 0 when all are valid, 1 when one is not.\n";

static int fail(const struct error *why) {
    fprintf(stderr, "buildernet orderflow: %s\n", why->text);
    return error_class_of(why->code)->exit_status;
}

static int inspect(const char *path, const struct flow_inspect_settings *s) {
    struct buf input, out;
    struct error why = {.text = ""};
    bool valid = true;
    buf_init(&input, INPUT_MAX);
    buf_init(&out, 0);
    int r = file_read(&input, strcmp(path, "-") == 0 ? "/dev/stdin" : path, &why);
    if (r == 0) r = flow_inspect(&out, &valid, buf_view(&input), s, &why);
    if (r == 0 && fwrite(out.p, 1, out.n, stdout) != out.n) {
        r = error_set(&why, ERR_IO, "cannot write");
    }
    buf_free(&input);
    buf_free(&out);
    if (r != 0) return fail(&why);
    return valid ? 0 : 1;
}

int orderflow_main(int argc, char **argv) {
    struct flow_inspect_settings s = {.generation = ORDER_SECOND,
                                      .now_us = clock_wall_ns(&clock_system) / 1000};
    const char *path = NULL;
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    bool known = argc >= 3 && strcmp(argv[1], "inspect") == 0;
    for (int i = 2; known && i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0) {
            s.generation = ORDER_FIRST;
        } else if (strcmp(argv[i], "--system") == 0) {
            s.system = true;
        } else if (!path && (argv[i][0] != '-' || strcmp(argv[i], "-") == 0)) {
            path = argv[i];
        } else {
            known = false;
        }
    }
    if (known && path) return inspect(path, &s);
    fputs(usage, help ? stdout : stderr);
    return help ? 0 : USAGE;
}
