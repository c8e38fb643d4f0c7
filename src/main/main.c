/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include <stdio.h>
#include <string.h>

static void print_help(FILE *to) {
    (void)fputs("usage: buildernet PROGRAM [VERB] [flags]\n\nPrograms:\n", to);
    for (const struct program *p = programs; p->name; p++) {
        (void)fprintf(to, "  %-16s %s\n", p->name, p->summary);
    }
    (void)fputs("\n`buildernet PROGRAM --help` tells more of one;\n"
                "`buildernet --completion bash|zsh` prints completions of all.\n",
                to);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return 64;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("buildernet " BUILDERNET_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--completion") == 0) return completion_print(argc > 2 ? argv[2] : "");
    for (const struct program *p = programs; p->name; p++) {
        if (strcmp(argv[1], p->name) == 0) return p->run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "buildernet: no program is named '%.64s'\n\n", argv[1]);
    print_help(stderr);
    return 64;
}
