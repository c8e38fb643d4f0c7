/* SPDX-License-Identifier: MIT */
#include "test/conformance/conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

[[gnu::format(printf, 4, 0)]] static void say(const struct tally *t, const char *word,
                                              const char *name, const char *format, va_list args) {
    printf("%s %s [%s]: ", word, t->file ? t->file : "-", name);
    (void)vprintf(format, args);
    printf("\n");
}

void tally_pass(struct tally *t, const char *name) {
    (void)name;
    t->passed++;
}

void tally_fail(struct tally *t, const char *name, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(t, "FAILED", name, format, args);
    va_end(args);
    t->failed++;
}

void tally_skip(struct tally *t, const char *name, const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(t, "skipped", name, format, args);
    va_end(args);
    t->skipped++;
}

static int usage(void) {
    (void)fputs("usage: conformance AREA [DIR...] | conformance --list\n\n"
                "Without DIR: AREA's folder in the one that BN_VECTORS names.\n\nAreas:",
                stderr);
    for (const struct area *a = areas; a->name; a++) {
        (void)fprintf(stderr, " %s", a->name);
    }
    (void)fputs("\n", stderr);
    return 64;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const struct area *a = areas; a->name; a++) {
            printf("%s\n", a->name);
        }
        return 0;
    }
    char published[4096];
    const char *vectors = getenv("BN_VECTORS");
    if (argc < 2 || (argc == 2 && (!vectors || !*vectors))) return usage();
    (void)snprintf(published, sizeof published, "%s/%s", vectors ? vectors : "", argv[1]);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (const struct area *a = areas; a->name; a++) {
        if (strcmp(argv[1], a->name) != 0) continue;
        struct tally t = {0};
        if (argc == 2) a->run(published, &t);
        for (int i = 2; i < argc; i++) {
            a->run(argv[i], &t);
        }
        printf("%u passed, %u failed, %u skipped\n", t.passed, t.failed, t.skipped);
        return t.failed || t.passed + t.skipped == 0 ? 1 : 0;
    }
    (void)fprintf(stderr, "conformance: no area is named '%.64s'\n", argv[1]);
    return usage();
}
