/* SPDX-License-Identifier: MIT */
#include "system_api/password.h"

#include "base/clock.h"
#include "base/file.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool matches(const struct password_hash *h, const char *password, const char *salt) {
    struct error why;
    bool ret = false;
    CHECK_OK(password_matches(&ret, h, bytes_from_str(password), salt, &why), &why);
    return ret;
}

TEST(password_old_form_is_sha256_of_password_and_salt) {
    struct password_hash h = {"f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee"};
    CHECK(password_is_old(&h));
    CHECK(matches(&h, "secret", "salt"));
    CHECK(!matches(&h, "secret", "pepper"));
    CHECK(!matches(&h, "secre", "tsalt2"));
    CHECK(!matches(&h, "", "salt"));
}

TEST(password_new_form_is_salted_and_slow) {
    struct password_hash a, b;
    struct error why;
    CHECK_OK(password_derive(&a, BYTES_LIT("secret"), &why), &why);
    CHECK_OK(password_derive(&b, BYTES_LIT("secret"), &why), &why);
    CHECK(strcmp(a.text, b.text) != 0);
    CHECK(!password_is_old(&a) && password_is_set(&a));
    CHECK(matches(&a, "secret", "any"));
    CHECK(!matches(&a, "Secret", "any"));
    CHECK(matches(&b, "secret", ""));
}

TEST(password_file) {
    char folder[] = "/tmp/password-test-XXXXXX", path[64];
    struct password_hash h, again;
    struct error why;
    struct stat st;
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/hash", folder);
    CHECK_OK(password_read(&h, path, &why), &why);
    CHECK(!password_is_set(&h));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_size == 0);
    CHECK_OK(password_derive(&h, BYTES_LIT("x"), &why), &why);
    CHECK_OK(password_write(path, &h, &why), &why);
    CHECK_OK(password_read(&again, path, &why), &why);
    CHECK_STR(again.text, h.text);
    static const char *const wrong[] = {
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee\n",
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0e",
        "g84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "scrypt$16384$8$1$00$11",
        "scrypt$16384$8$1$zz$f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "scrypt$-16384$8$1$00$"
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "scrypt$99999999999999999999$8$1$00$"
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "scrypt$16384$ 8$1$00$"
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "scrypt$16384$8$00$"
        "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee",
        "plain",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_OK(file_write_atomic(path, bytes_from_str(wrong[i]), NULL, &why), &why);
        CHECK_ERR(password_read(&h, path, &why), ERR_SYNTAX);
    }
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

static void fail(struct password_gate *g, const uint8_t client[16], uint64_t now) {
    password_gate_begin(g, client, now);
    password_gate_end(g, client, PASSWORD_WRONG, now);
}

TEST(password_gate_slows_guessing) {
    struct password_gate *g;
    struct error why;
    uint8_t a[16] = {1}, b[16] = {2};
    uint64_t now = 1000 * NS_PER_S;
    CHECK_OK(password_gate_new(&g, &why), &why);
    for (int i = 0; i < PASSWORD_FREE_TRIES; i++) {
        CHECK_U64(password_gate_wait_ns(g, a, now), 0);
        fail(g, a, now);
    }
    CHECK_U64(password_gate_wait_ns(g, a, now), NS_PER_S);
    CHECK_U64(password_gate_wait_ns(g, b, now), 0);
    fail(g, a, now);
    CHECK_U64(password_gate_wait_ns(g, a, now), 2 * NS_PER_S);
    for (int i = 0; i < 50; i++) {
        fail(g, a, now);
    }
    CHECK_U64(password_gate_wait_ns(g, a, now), 60 * NS_PER_S);
    fail(g, a, now + 601 * NS_PER_S); // ten quiet minutes
    CHECK_U64(password_gate_wait_ns(g, a, now + 601 * NS_PER_S), 0);
    password_gate_begin(g, a, now);
    password_gate_end(g, a, PASSWORD_RIGHT, now);
    CHECK_U64(password_gate_wait_ns(g, a, now), 0);
    // A flood of clients does not grow without bound.
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t c[16] = {3};
        memcpy(c + 4, &i, sizeof i);
        fail(g, c, now);
    }
    password_gate_free(g);
}

TEST(password_gate_counts_checks_under_way) {
    struct password_gate *g;
    struct error why;
    uint8_t a[16] = {1}, b[16] = {2};
    uint64_t now = 1000 * NS_PER_S;
    CHECK_OK(password_gate_new(&g, &why), &why);
    for (int i = 0; i < PASSWORD_FREE_TRIES; i++) {
        CHECK_U64(password_gate_wait_ns(g, a, now), 0);
        password_gate_begin(g, a, now);
    }
    CHECK(password_gate_wait_ns(g, a, now) > 0);
    CHECK_U64(password_gate_wait_ns(g, b, now), 0);
    // One that did not come to an end leaves room for another, and no failure.
    password_gate_end(g, a, PASSWORD_UNKNOWN, now);
    CHECK_U64(password_gate_wait_ns(g, a, now), 0);
    password_gate_begin(g, a, now);
    for (int i = 0; i < PASSWORD_FREE_TRIES; i++) {
        password_gate_end(g, a, PASSWORD_WRONG, now);
    }
    CHECK_U64(password_gate_wait_ns(g, a, now), NS_PER_S);
    // After the wait they come one at a time.
    now += NS_PER_S;
    CHECK_U64(password_gate_wait_ns(g, a, now), 0);
    password_gate_begin(g, a, now);
    CHECK(password_gate_wait_ns(g, a, now) > 0);
    password_gate_end(g, a, PASSWORD_RIGHT, now);
    CHECK_U64(password_gate_wait_ns(g, a, now), 0);
    password_gate_free(g);
}

TEST_MAIN()
