/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include "base/clock_shift.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK_SHIFT "BUILDERNET_CLOCK_SHIFT"

static void print_help(FILE *to) {
    (void)fputs("usage: buildernet PROGRAM [VERB] [flags]\n\nPrograms:\n", to);
    for (const struct program *p = programs; p->table; p++) {
        (void)fprintf(to, "  %-16s %s\n", p->table->name, p->table->summary);
    }
    (void)fputs(
        "\n`buildernet PROGRAM --help` tells more of one, and `buildernet PROGRAM VERB --help` "
        "of a verb;\n"
        "`buildernet --commands` lists all programs with all verbs, a line each;\n"
        "`buildernet --completion bash|zsh` prints completions of all.\n",
        to);
}

static void print_commands(void) {
    for (const struct program *p = programs; p->table; p++) {
        (void)puts(p->table->name);
        for (size_t i = 0; i < p->table->verb_count; i++) {
            (void)printf("%s %s\n", p->table->name, p->table->verbs[i].name);
        }
    }
}

static void print_roff(const char *text) {
    for (; *text; text++)
        (void)(*text == '-' ? fputs("\\-", stdout) : fputc(*text, stdout));
}

// The manual page of the whole: each program has its own.
static void print_man(void) {
    (void)puts(".TH BUILDERNET 8 \"\" \"buildernet " BUILDERNET_VERSION "\"\n"
               ".SH NAME\nbuildernet \\- network of block\\-building nodes in confidential VMs\n"
               ".SH SYNOPSIS\n.B buildernet\nPROGRAM [VERB] [FLAGS]\n.SH PROGRAMS");
    for (const struct program *p = programs; p->table; p++) {
        (void)fputs(".TP\n.BR buildernet\\-", stdout);
        print_roff(p->table->name);
        (void)fputs(" (8)\n", stdout);
        print_roff(p->table->summary);
        (void)putchar('\n');
    }
    (void)puts(
        ".SH OPTIONS\n.TP\n.B \\-\\-commands\nList all programs with all verbs, a line each.\n"
        ".TP\n.BR \\-\\-completion \" bash|zsh\"\nPrint completions of all.\n"
        ".TP\n.B \\-\\-version\nPrint the version.\n"
        ".TP\n.B \\-\\-help\nList the programs.");
}

// Of a program whose verbs all have command lines of their own: help, manual page, completions.
static int nothing(struct config *config, void *values) {
    (void)config, (void)values;
    return 0;
}

void program_complain(const char *command, const struct error *why) {
    (void)fprintf(stderr, "buildernet %s: %s", command, why->text);
    if (why->at > 0) (void)fprintf(stderr, " (at byte %u)", why->at);
    (void)fputc('\n', stderr);
}

// What was to be printed must have gone out: a full disk is no success.
static int printed(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    (void)fputs("buildernet: standard output could not be written\n", stderr);
    return status ? status : 74;
}

static int run(const struct program *p, int argc, char **argv) {
    int status;
    if (config_run_verb(&status, p->table, argc, argv)) return status;
    if (p->run) return p->run(argc, argv);
    uint8_t no_values; // all of its work is in verbs: what is left is --help and what is wrong
    return config_main(p->table, &no_values, argc, argv, nothing);
}

// A wrong clock, as `buildernet devnet clock` gives one to a role: "90s", "-250ms".
static int shift_clock(const char *text) {
    struct error why;
    uint64_t ns = 0;
    bool behind = *text == '-';
    int r = config_parse_duration(&ns, bytes_from_str(text + (behind || *text == '+')), 0, &why);
    if (r == 0 && ns > INT64_MAX / 2) r = error_set(&why, ERR_RANGE, "too far");
    if (r < 0) {
        (void)fprintf(stderr, "buildernet: " CLOCK_SHIFT "=%.40s: %s\n", text, why.text);
        return 64;
    }
    (void)fprintf(stderr, "buildernet: the clock is shifted by %.40s (" CLOCK_SHIFT ")\n", text);
    clock_shift(behind ? -(int64_t)ns : (int64_t)ns);
    return 0;
}

int main(int argc, char **argv) {
    const char *shift = getenv(CLOCK_SHIFT);
    int shifted = shift && *shift ? shift_clock(shift) : 0;
    if (shifted) return shifted;
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
    if (strcmp(argv[1], "--commands") == 0) {
        print_commands();
        return 0;
    }
    if (strcmp(argv[1], "--man") == 0) {
        print_man();
        return 0;
    }
    if (strcmp(argv[1], "--completion") == 0) return completion_print(argc > 2 ? argv[2] : "");
    for (const struct program *p = programs; p->table; p++) {
        if (strcmp(argv[1], p->table->name) == 0) return printed(run(p, argc - 1, argv + 1));
    }
    (void)fprintf(stderr, "buildernet: no program is named '%.64s'\n\n", argv[1]);
    print_help(stderr);
    return 64;
}
