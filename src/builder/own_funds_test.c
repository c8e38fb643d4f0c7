/* SPDX-License-Identifier: MIT */
#include "builder/own_funds.h"

#include "base/clock.h"
#include "base/file.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOUR (3600 * NS_PER_S)
#define NOW (UINT64_C(500000) * HOUR + 17)

static char folder[64], path[96];
static struct error why;

static void begin(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/own_funds_test.XXXXXX");
    CHECK(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/" OWN_FUNDS_FILE, folder);
}

static void end(void) {
    (void)unlink(path);
    CHECK(rmdir(folder) == 0); // nothing else is left there
}

static void add(struct own_funds *f, uint64_t wei, uint64_t at) {
    CHECK_OK(own_funds_add(f, u256_from_u64(wei), at, &why), &why);
}

static void check_day(const struct own_funds *f, uint64_t at, uint64_t wei) {
    CHECK(u256_equal(own_funds_day(f, at), u256_from_u64(wei)));
}

TEST(what_was_spent_is_known_after_a_restart) {
    struct own_funds f;
    begin();
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    check_day(&f, NOW, 0);
    add(&f, 5, NOW);
    add(&f, 7, NOW + HOUR);
    own_funds_close(&f);
    for (int i = 0; i < 2; i++) { // reading changes nothing
        CHECK_OK(own_funds_open(&f, folder, &why), &why);
        check_day(&f, NOW + 2 * HOUR, 12);
        own_funds_close(&f);
    }
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    add(&f, 1, NOW + HOUR);
    check_day(&f, NOW + 24 * HOUR, 13);
    check_day(&f, NOW + 25 * HOUR, 8);
    check_day(&f, NOW + 26 * HOUR, 0);
    own_funds_close(&f);
    end();
}

TEST(any_24_hours_count_and_the_file_stays_small) {
    struct own_funds f;
    begin();
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    for (uint64_t i = 0; i < 1000; i++) {
        add(&f, 1000000, NOW + i * HOUR / 2);
        CHECK(f.count <= OWN_FUNDS_HOURS);
    }
    check_day(&f, NOW + 999 * HOUR / 2, 50 * 1000000);
    check_day(&f, NOW, UINT64_C(50) * 1000000); // a clock that goes back frees nothing
    add(&f, 1, NOW);
    check_day(&f, NOW + 999 * HOUR / 2, 50 * 1000000 + 1);
    own_funds_close(&f);
    struct buf text;
    buf_init(&text, 0);
    CHECK_OK(file_read(&text, path, &why), &why);
    CHECK(text.n < 1024);
    buf_free(&text);
    CHECK_OK(own_funds_open(&f, NULL, &why), &why); // without a folder, in memory
    add(&f, 3, NOW);
    check_day(&f, NOW, 3);
    own_funds_close(&f);
    end();
}

TEST(a_file_that_is_broken_is_told) {
    static const char *const bad[] = {
        "1 2",        "1\n",        "1 2\n\n", "x 2\n",    "1 -2\n",
        "2 1\n2 1\n", "2 1\n1 1\n", "1 2 3\n", "1 2\nabc", "18446744073709551616 1\n"};
    struct own_funds f;
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_OK(file_write_atomic(path, bytes_from_str(bad[i]), NULL, &why), &why);
        CHECK_ERR(own_funds_open(&f, folder, &why), ERR_SYNTAX);
        CHECK(strstr(why.text, path) && !f.path);
    }
    struct buf long_text;
    buf_init(&long_text, 0);
    for (unsigned i = 0; i < 2000; i++) {
        buf_printf(&long_text, "%u 1\n", i);
    }
    CHECK_OK(file_write_atomic(path, buf_view(&long_text), NULL, &why), &why);
    CHECK_ERR(own_funds_open(&f, folder, &why), ERR_LIMIT);
    buf_free(&long_text);
    end();
}

TEST(what_cannot_be_written_counts_all_the_same) {
    struct own_funds f;
    begin();
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    end(); // the folder is gone
    CHECK_ERR(own_funds_add(&f, u256_from_u64(9), NOW, &why), ERR_NOT_FOUND);
    check_day(&f, NOW, 9);
    own_funds_close(&f);
}

TEST_MAIN()
