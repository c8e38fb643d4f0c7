/* The unit tests' harness: cases, checks, and the closing line that the runner counts.
 *
 *     TEST(hex_refuses_odd_length) {
 *         CHECK_ERR(hex_decode(...), ERR_SYNTAX);
 *     }
 *     TEST_MAIN()
 *
 * A failed CHECK ends its case, prints file, line, expected and got, and the others go on.
 * `SKIP("reason")` ends a case that needs something absent. Every test program prints one line a
 * case and ends with `N passed, N failed, N skipped`; exit status 1 when a case failed. An
 * argument runs only the cases whose name contains it; `--list` names them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_HARNESS_TEST_H
#define TEST_HARNESS_TEST_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *c);
int test_main(int argc, char **argv);

/* test_fail prints and ends the running case; test_skip likewise. */
[[gnu::format(printf, 3, 4), gnu::noreturn]] void test_fail(const char *file, int line,
                                                            const char *format, ...);
[[gnu::format(printf, 1, 2), gnu::noreturn]] void test_skip(const char *format, ...);

/* test_vectors gives the folder of published vectors (BN_VECTORS, default ../shared/data seen
 * from the source tree) joined with `sub`, or ends the case as skipped when it is not there. The
 * string lives until the process ends. */
const char *test_vectors(const char *sub);

/* test_read_file reads a whole file or fails the case. The caller frees ret.p with free(). */
struct bytes test_read_file(const char *path);

void test_check_bytes(const char *file, int line, const char *what, struct bytes got,
                      struct bytes expected);
void test_check_str(const char *file, int line, const char *what, const char *got,
                    const char *expected);
void test_check_code(const char *file, int line, const char *what, int got, int expected);

#define TEST(NAME)                                                                                 \
    static void test_##NAME(void);                                                                 \
    [[gnu::constructor]] static void test_register_##NAME(void) {                                  \
        static struct test_case c = {#NAME, test_##NAME, NULL};                                    \
        test_register(&c);                                                                         \
    }                                                                                              \
    static void test_##NAME(void)

#define TEST_MAIN()                                                                                \
    int main(int argc, char **argv) {                                                              \
        return test_main(argc, argv);                                                              \
    }

#define SKIP(...) test_skip(__VA_ARGS__)
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) test_fail(__FILE__, __LINE__, "not true: %s", #cond);                         \
    } while (0)
#define CHECK_U64(got, expected)                                                                   \
    do {                                                                                           \
        uint64_t got_ = (uint64_t)(got), expected_ = (uint64_t)(expected);                         \
        if (got_ != expected_) {                                                                   \
            test_fail(__FILE__, __LINE__, "%s: got %llu, expected %llu", #got,                     \
                      (unsigned long long)got_, (unsigned long long)expected_);                    \
        }                                                                                          \
    } while (0)
#define CHECK_I64(got, expected)                                                                   \
    do {                                                                                           \
        int64_t got_ = (int64_t)(got), expected_ = (int64_t)(expected);                            \
        if (got_ != expected_) {                                                                   \
            test_fail(__FILE__, __LINE__, "%s: got %lld, expected %lld", #got, (long long)got_,    \
                      (long long)expected_);                                                       \
        }                                                                                          \
    } while (0)
#define CHECK_STR(got, expected) test_check_str(__FILE__, __LINE__, #got, (got), (expected))
#define CHECK_BYTES(got, expected) test_check_bytes(__FILE__, __LINE__, #got, (got), (expected))
/* Status of a fallible function: CHECK_OK(f(..., &why), &why) prints the reason. */
#define CHECK_OK(call, why)                                                                        \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != 0) {                                                                          \
            test_fail(__FILE__, __LINE__, "%s: %s: %s", #call, error_name(code_), (why)->text);    \
        }                                                                                          \
    } while (0)
#define CHECK_ERR(call, expected) test_check_code(__FILE__, __LINE__, #call, (call), (expected))

#endif
