/* SPDX-License-Identifier: MIT */
#include "test/harness/test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct test_case *first, **last = &first;
static jmp_buf leave;
enum { PASSED, FAILED, SKIPPED };

void test_register(struct test_case *c) {
    *last = c;
    last = &c->next;
}

void test_fail(const char *file, int line, const char *format, ...) {
    printf("    %s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    longjmp(leave, FAILED);
}

void test_skip(const char *format, ...) {
    printf("    skipped: ");
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    longjmp(leave, SKIPPED);
}

const char *test_vectors(const char *sub) {
    static char path[4096];
    const char *root = getenv("BN_VECTORS");
    if (!root || !*root) root = TEST_SOURCE_ROOT "/../shared/data";
    (void)snprintf(path, sizeof path, "%s/%s", root, sub);
    struct stat st;
    if (stat(path, &st) != 0) test_skip("no vectors at %s", path);
    return path;
}

struct bytes test_read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) test_fail(path, 0, "cannot be opened");
    uint8_t *p = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        if (n == room) {
            room = room ? 2 * room : 65536;
            uint8_t *q = realloc(p, room);
            if (!q) abort();
            p = q;
        }
        size_t got = fread(p + n, 1, room - n, f);
        if (got == 0) break;
        n += got;
    }
    (void)fclose(f);
    return (struct bytes){p, n};
}

static void print_bytes(const char *label, struct bytes b) {
    printf("        %s (%zu bytes) ", label, b.n);
    for (size_t i = 0; i < b.n && i < 64; i++) {
        printf("%02x", b.p[i]);
    }
    printf("%s\n", b.n > 64 ? "..." : "");
}

void test_check_bytes(const char *file, int line, const char *what, struct bytes got,
                      struct bytes expected) {
    if (bytes_equal(got, expected)) return;
    print_bytes("got     ", got);
    print_bytes("expected", expected);
    test_fail(file, line, "%s differs", what);
}

void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *expected) {
    if (got && expected && strcmp(got, expected) == 0) return;
    test_fail(file, line, "%s: got \"%s\", expected \"%s\"", what, got ? got : "(null)",
              expected ? expected : "(null)");
}

void test_check_code(const char *file, int line, const char *what, int got, int expected) {
    if (got == expected) return;
    test_fail(file, line, "%s: got %s, expected %s", what, error_name(got), error_name(expected));
}

// The frame that longjmp comes back to holds nothing that changes meanwhile.
static int run_case(const struct test_case *c) {
    int outcome = setjmp(leave);
    if (outcome == PASSED) c->run();
    return outcome;
}

int test_main(int argc, char **argv) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned count[3] = {0};
    for (struct test_case *c = first; c; c = c->next) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0) {
            printf("%s\n", c->name);
            continue;
        }
        if (argc > 1 && !strstr(c->name, argv[1])) continue;
        int outcome = run_case(c);
        static const char *const word[] = {"ok", "not ok", "skipped"};
        printf("%s - %s\n", word[outcome], c->name);
        count[outcome]++;
    }
    printf("%u passed, %u failed, %u skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
    return count[FAILED] ? 1 : 0;
}
