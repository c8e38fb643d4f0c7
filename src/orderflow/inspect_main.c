/* `buildernet orderflow inspect`. SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/file.h"
#include "orderflow/inspect.h"

#include <stdio.h>
#include <string.h>

#define INPUT_MAX (256u << 20)
#define USAGE 64

static int inspect(const char *path, const struct flow_inspect_settings *s) {
    struct buf input, out;
    struct error why = {.text = ""};
    bool valid = true;
    buf_init(&input, INPUT_MAX);
    buf_init(&out, 0);
    int r = file_read_operand(&input, path, &why);
    if (r == 0) r = flow_inspect(&out, &valid, buf_view(&input), s, &why);
    if (r == 0 && fwrite(out.p, 1, out.n, stdout) != out.n) {
        r = error_set(&why, ERR_IO, "cannot write");
    }
    buf_free(&input);
    buf_free(&out);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet orderflow inspect: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    return valid ? 0 : 1;
}

int flow_inspect_main(int argc, char **argv) {
    struct flow_inspect_settings s = {.generation = ORDER_SECOND,
                                      .now_us = clock_wall_ns(&clock_system) / 1000};
    const char *path = NULL;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0) {
            s.generation = ORDER_FIRST;
        } else if (strcmp(argv[i], "--system") == 0) {
            s.system = true;
        } else if (!path && (argv[i][0] != '-' || strcmp(argv[i], "-") == 0)) {
            path = argv[i];
        } else {
            (void)fprintf(stderr,
                          "buildernet orderflow inspect: not its argument: %.100s (see --help)\n",
                          argv[i]);
            return USAGE;
        }
    }
    if (path) return inspect(path, &s);
    (void)fputs("buildernet orderflow inspect: needs FILE, or - (see --help)\n", stderr);
    return USAGE;
}
