/* `buildernet orderflow`: serves; tells what requests are, and where an order went.
 * SPDX-License-Identifier: MIT */
#include "orderflow/orderflow.h"
#include "base/clock.h"
#include "base/file.h"
#include "main/program.h"
#include "orderflow/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (256u << 20)
#define USAGE 64

static const char inspect_usage[] =
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

static int inspect_main(int argc, char **argv) {
    struct flow_inspect_settings s = {.generation = ORDER_SECOND,
                                      .now_us = clock_wall_ns(&clock_system) / 1000};
    const char *path = NULL;
    bool help = argc == 1 && strcmp(argv[0], "--help") == 0, known = true;
    for (int i = 0; known && i < argc; i++) {
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
    fputs(inspect_usage, help ? stdout : stderr);
    return help ? 0 : USAGE;
}

int orderflow_main(int argc, char **argv) {
    struct config *config;
    struct orderflow_values values;
    struct error why;
    if (argc > 1 && strcmp(argv[1], "inspect") == 0) return inspect_main(argc - 2, argv + 2);
    int r = config_load(&config, &orderflow_program, &values, argc, argv, &why);
    if (r != 0) return fail(&why);
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == ORDERFLOW_VERB_TRACE) {
        struct config_list arguments = config_arguments(config);
        status = orderflow_trace(&values, arguments.items, arguments.count);
    } else {
        status = orderflow_serve(config, &values);
    }
    config_free(config);
    return status;
}
