/* SPDX-License-Identifier: MIT */
#include "orderflow/fair.h"

#include "test/harness/test.h"

#define ITEMS 400u

struct thing {
    struct fair_item turn;
    unsigned client;
};

static struct error why;
static struct thing things[ITEMS];
static size_t used;
static struct fair *f;

static void begin(size_t at_work, size_t waiting, size_t line) {
    const struct fair_options o = {
        .at_work_max = at_work, .waiting_max = waiting, .line_max = line};
    memset(things, 0, sizeof things);
    used = 0;
    CHECK_OK(fair_new(&f, &o, &why), &why);
}

static bool add(unsigned client, size_t cost) {
    uint8_t ip[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)client};
    struct thing *t = &things[used];
    t->client = client;
    if (!fair_add(f, &t->turn, ip, cost)) return false;
    used++;
    return true;
}

/* The client whose turn it is; 0: none. */
static unsigned next(void) {
    struct fair_item *item = fair_next(f);
    return item ? LIST_ENTRY(item, struct thing, turn)->client : 0;
}

/* How many of the next n are a client's. */
static unsigned of_client(unsigned client, unsigned n) {
    unsigned ret = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned c = next();
        CHECK(c != 0);
        if (c == client) ret++;
        fair_done(f);
    }
    return ret;
}

/* Clients' lines are by a random key: two of them may be the same one, one time in a thousand. */
static unsigned another_line(unsigned than) {
    for (unsigned c = than + 1;; c++) {
        begin(1, 10, 1);
        bool apart = add(than, 1) && add(c, 1);
        fair_free(f);
        if (apart) return c;
    }
}

TEST(in_order_for_one_client) {
    begin(2, 10, 10);
    for (size_t i = 0; i < 5; i++) {
        CHECK(add(1, 100));
    }
    CHECK(fair_next(f) == &things[0].turn && fair_next(f) == &things[1].turn);
    CHECK(!fair_next(f)); // two are at work
    fair_done(f);
    CHECK(fair_next(f) == &things[2].turn);
    CHECK_U64(fair_waiting(f), 2);
    CHECK(fair_give_up(f) == &things[3].turn && fair_give_up(f) == &things[4].turn);
    CHECK(!fair_give_up(f));
    fair_free(f);
}

TEST(who_sends_little_does_not_wait_for_who_sends_much) {
    for (int i = 0; i < 3; i++) { // lines are by chance
        begin(1, ITEMS, ITEMS);
        for (size_t k = 0; k < 300; k++) {
            CHECK(add(1, FAIR_QUANTUM));
        }
        (void)of_client(1, 100);
        CHECK(add(2, FAIR_QUANTUM));
        unsigned waited = 0;
        while (next() == 1 && waited < 300) {
            waited++;
            fair_done(f);
        }
        if (waited <= 2) return fair_free(f);
        fair_free(f);
    }
    FAIL("the second client waited for the first's");
}

TEST(large_requests_count_for_what_they_cost) {
    for (int i = 0; i < 3; i++) {
        begin(1, ITEMS, ITEMS);
        for (size_t k = 0; k < 100; k++) {
            CHECK(add(1, 8 * FAIR_QUANTUM) && add(2, FAIR_QUANTUM));
        }
        unsigned large = of_client(1, 90);
        fair_free(f);
        if (large >= 8 && large <= 12) return;
    }
    FAIL("large requests had more than their share");
}

TEST(a_full_line_is_only_its_clients) {
    begin(1, 6, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK(add(1, 1));
    }
    CHECK(!add(1, 1));
    fair_free(f);
    unsigned other = another_line(1);
    CHECK(other > 1);
    begin(1, 3, 100);
    CHECK(add(1, 1) && add(1, 1) && add(other, 1));
    CHECK(!add(other, 1) && !add(1, 1)); // all is full
    fair_free(f);
}

TEST(a_network_of_ipv6_is_one_client) {
    uint8_t a[16] = {0x20, 0x01, 0xd, 0xb8, 0, 0, 0, 1, [15] = 1}, b[16];
    memcpy(b, a, sizeof b);
    b[15] = 2;
    begin(1, 10, 1);
    CHECK(fair_add(f, &things[0].turn, a, 1));
    CHECK(!fair_add(f, &things[1].turn, b, 1));
    fair_free(f);
}

int main(int argc, char **argv) {
    return test_main(argc, argv);
}
