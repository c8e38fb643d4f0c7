/* SPDX-License-Identifier: MIT */
#include "orderflow/given.h"

#include "orderflow/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct error why;
static char path[64];

static struct flow_order *order(unsigned n, uint64_t expires_ns) {
    char param[100];
    (void)snprintf(param, sizeof param, "{\"txs\":[\"0x%06x\"]}", n);
    return test_order("eth_sendBundle", param, 0, expires_ns);
}

static struct given *reopen(uint64_t now_ns) {
    struct given *g;
    (void)snprintf(path, sizeof path, "/tmp/given-test-%d", (int)getpid());
    CHECK_OK(given_open(&g, path, now_ns, &why), &why);
    return g;
}

static void note(struct given *g, uint64_t session, uint64_t sequence, unsigned n,
                 uint64_t expires_ns) {
    struct flow_order *o = order(n, expires_ns);
    given_note(g, session, sequence, o);
    flow_order_release(o);
}

static bool has(const struct given *g, unsigned n) {
    struct flow_order *o = order(n, 1);
    bool found = given_has(g, &o->id);
    flow_order_release(o);
    return found;
}

TEST(what_was_given_is_known_as_far_as_it_is_confirmed) {
    struct given *g = reopen(0);
    CHECK_U64(given_session(g), 0);
    for (unsigned n = 1; n <= 100; n++) {
        note(g, 7, n, n, n == 50 ? 1000 : 2000);
        if (n % 9 == 0) CHECK_OK(given_write(g, &why), &why);
    }
    CHECK_OK(given_write(g, &why), &why);
    CHECK(!has(g, 1)); // of this life nothing is asked
    given_close(g);
    g = reopen(1000);
    CHECK_U64(given_session(g), 7);
    CHECK_U64(given_sequence(g), 100);
    CHECK(has(g, 1) && has(g, 100) && !has(g, 50) && !has(g, 101));
    given_confirm(g, 7, 90);
    CHECK(has(g, 90) && !has(g, 91));
    given_confirm(g, 7, 100); // what was forgotten stays so
    CHECK(has(g, 90) && !has(g, 91));
    given_forget(g, 1999);
    CHECK(has(g, 90));
    given_forget(g, 2000);
    CHECK(!has(g, 90));
    given_close(g);
    g = reopen(1000);
    given_confirm(g, 8, UINT64_MAX);
    CHECK(!has(g, 1));
    given_close(g);
    CHECK(unlink(path) == 0);
}

TEST(the_newest_records_stand_when_the_file_is_full) {
    struct given *g = reopen(0);
    uint64_t last = 2 * (uint64_t)GIVEN_SLOTS + 10;
    // The second half of a round, the turn, and what stands behind it.
    for (uint64_t n = last - GIVEN_SLOTS - 5; n <= last; n++) {
        if (n == last - GIVEN_SLOTS + 3) n = last - 20; // numbers may be left out
        note(g, 9, n, (unsigned)n, 2000);
    }
    CHECK_OK(given_write(g, &why), &why);
    given_close(g);
    g = reopen(1000);
    CHECK_U64(given_sequence(g), last);
    CHECK(has(g, (unsigned)last) && has(g, (unsigned)last - 20));
    CHECK(has(g, (unsigned)(last - GIVEN_SLOTS + 1)));
    CHECK(!has(g, (unsigned)(last - GIVEN_SLOTS))); // overwritten
    given_close(g);
    CHECK(unlink(path) == 0);
}

TEST(damage_costs_only_what_is_damaged) {
    struct given *g = reopen(0);
    for (unsigned n = 1; n <= 10; n++) {
        note(g, 7, n, n, 2000);
    }
    CHECK_OK(given_write(g, &why), &why);
    given_close(g);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(pwrite(fd, "\xff\xff\xff\xff\xff", 5, 10 * GIVEN_RECORD + 16) == 5); // the last's number
    CHECK(pwrite(fd, "x", 1, 4 * GIVEN_RECORD + 40) == 1);
    CHECK(ftruncate(fd, 10 * GIVEN_RECORD + 63) == 0);
    (void)close(fd);
    g = reopen(1000);
    CHECK_U64(given_sequence(g), 9);
    CHECK(has(g, 3) && !has(g, 4) && has(g, 9) && !has(g, 10));
    given_close(g);
    CHECK(unlink(path) == 0);
}

TEST(a_file_that_cannot_be_is_said) {
    struct given *g;
    CHECK_ERR(given_open(&g, "/tmp/given-test-no/such/folder", 0, &why), ERR_IO);
    CHECK_ERR(given_open(&g, "/tmp", 0, &why), ERR_IO);
    given_close(NULL);
}

TEST_MAIN()
