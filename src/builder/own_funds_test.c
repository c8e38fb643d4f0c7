/* SPDX-License-Identifier: MIT */
#include "builder/own_funds.h"

#include "base/clock.h"
#include "base/file.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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
    CHECK_OK(own_funds_landed(f, 0, u256_from_u64(wei), at, &why), &why);
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
    static const char *const bad[] = {"1 2",
                                      "1\n",
                                      "1 2\n\n",
                                      "x 2\n",
                                      "1 -2\n",
                                      "2 1\n2 1\n",
                                      "2 1\n1 1\n",
                                      "1 2 3\n",
                                      "1 2\nabc",
                                      "18446744073709551616 1\n",
                                      "bid\n",
                                      "bid 1\n",
                                      "bid 1 2 3\n",
                                      "bid 1 2 3 x\n",
                                      "bid 1 2 3 4 5\n",
                                      "bid 1 2 3 4\n1 2\n",
                                      "bid 1 2 18446744073709551616 4\n"};
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
    CHECK_ERR(own_funds_landed(&f, 0, u256_from_u64(9), NOW, &why), ERR_NOT_FOUND);
    check_day(&f, NOW, 9);
    CHECK_ERR(own_funds_retry(&f, &why), ERR_NOT_FOUND);
    CHECK_ERR(own_funds_bid_leaves(&f, 1, 1, u256_from_u64(5), NOW, &why), ERR_NOT_FOUND);
    // The same again must not leave either, though it is counted already.
    CHECK_ERR(own_funds_bid_leaves(&f, 1, 1, u256_from_u64(5), NOW, &why), ERR_NOT_FOUND);
    CHECK(mkdir(folder, 0700) == 0);
    CHECK_OK(own_funds_retry(&f, &why), &why);
    CHECK_OK(own_funds_retry(&f, &why), &why);
    own_funds_close(&f);
    end();
}

static void leave(struct own_funds *f, uint64_t slot, uint64_t wei) {
    CHECK_OK(own_funds_bid_leaves(f, 12 * slot, slot, u256_from_u64(wei), NOW, &why), &why);
}

static void start_again(struct own_funds *f) {
    own_funds_close(f); // nothing is written: as if it was killed
    CHECK_OK(own_funds_open(f, folder, &why), &why);
}

TEST(bids_that_left_before_a_kill_count_until_their_fate_is_known) {
    struct own_funds f;
    begin();
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    leave(&f, 1, 10);
    leave(&f, 1, 30);
    leave(&f, 1, 20); // of one slot only one lands: the most
    leave(&f, 2, 0);
    leave(&f, 3, 7);
    check_day(&f, NOW, 0); // their fate will be seen
    start_again(&f);
    check_day(&f, NOW, 37);
    own_funds_lost(&f, 12 * 3);
    check_day(&f, NOW, 30);
    CHECK_OK(own_funds_landed(&f, 12, u256_from_u64(30), NOW, &why), &why);
    check_day(&f, NOW, 30);
    start_again(&f);
    check_day(&f, NOW, 30);
    CHECK_U64(f.bid_count, 0);
    leave(&f, 4, 5);
    CHECK_OK(own_funds_landed(&f, 12 * 4, u256_from_u64(4), NOW, &why), &why); // less than the most
    leave(&f, 5, 5);
    own_funds_lost(&f, 12 * 5);
    start_again(&f);
    check_day(&f, NOW, 34 + 5); // of the last the chain tells again
    check_day(&f, NOW + 25 * HOUR, 0);
    own_funds_close(&f);
    end();
}

TEST(bids_are_bounded_and_those_of_unknown_fate_count) {
    struct own_funds f;
    begin();
    CHECK_OK(own_funds_open(&f, folder, &why), &why);
    for (uint64_t slot = 1; slot <= 100; slot++) {
        leave(&f, slot, 1);
    }
    CHECK_U64(f.bid_count, OWN_FUNDS_BIDS);
    check_day(&f, NOW, 0); // this process saw that they did not land
    start_again(&f);
    check_day(&f, NOW, OWN_FUNDS_BIDS);
    for (uint64_t slot = 101; slot <= 200; slot++) {
        leave(&f, slot, 1);
    }
    check_day(&f, NOW, OWN_FUNDS_BIDS); // of the earlier process, all counted as spent by now
    start_again(&f);
    check_day(&f, NOW, 2 * OWN_FUNDS_BIDS);
    own_funds_close(&f);
    end();
}

TEST_MAIN()
