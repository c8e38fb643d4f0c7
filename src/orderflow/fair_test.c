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
static struct fair_crowd crowd;
static struct fair *f;

static struct fair_options options_of(size_t at_work, size_t waiting, size_t line) {
    return (struct fair_options){.at_work_max = at_work,
                                 .line_at_work_max = at_work > 1 ? at_work / 2 : 1,
                                 .alone_at_work_max = at_work + 1,
                                 .waiting_max = waiting,
                                 .line_max = line};
}

static void begin(size_t at_work, size_t waiting, size_t line) {
    const struct fair_options o = options_of(at_work, waiting, line);
    memset(things, 0, sizeof things);
    used = 0;
    crowd.alone = 0;
    CHECK_OK(fair_new(&f, &crowd, &o, &why), &why);
}

struct ip {
    uint8_t b[16];
};

static struct ip ip_of(unsigned client) {
    return (struct ip){{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)client}};
}

static bool add(unsigned client, size_t cost) {
    struct ip ip = ip_of(client);
    struct thing *t = &things[used];
    t->client = client;
    if (!fair_add(f, &t->turn, ip.b, cost)) return false;
    used++;
    return true;
}

static unsigned client_of(const struct fair_item *item) {
    return item ? LIST_ENTRY(item, struct thing, turn)->client : 0;
}

/* The client whose turn it is, whose item is done at once. */
static unsigned turn(void) {
    struct fair_item *item = fair_next(f);
    CHECK(item != NULL);
    fair_done(f, item);
    return client_of(item);
}

/* How many of the next n are a client's. */
static unsigned of_client(unsigned client, unsigned n) {
    unsigned ret = 0;
    for (unsigned i = 0; i < n; i++) {
        if (turn() == client) ret++;
    }
    return ret;
}

/* Clients' lines are by a random key (main draws it): two of them may be the same one. */
static unsigned another_line(unsigned than) {
    for (unsigned c = than + 1;; c++) {
        begin(1, 10, 1);
        bool apart = add(than, 1) && add(c, 1);
        fair_free(f);
        if (apart) return c;
    }
}

TEST(in_order_for_one_client) {
    begin(1, 10, 10);
    for (size_t i = 0; i < 5; i++) {
        CHECK(add(1, 100));
    }
    CHECK(fair_next(f) == &things[0].turn);
    CHECK(!fair_next(f)); // one is at work
    fair_done(f, &things[0].turn);
    CHECK(fair_next(f) == &things[1].turn);
    fair_done(f, &things[1].turn);
    CHECK(fair_next(f) == &things[2].turn);
    CHECK_U64(fair_waiting(f), 2);
    CHECK(fair_give_up(f) == &things[3].turn && fair_give_up(f) == &things[4].turn);
    CHECK(!fair_give_up(f));
    fair_free(f);
}

TEST(who_sends_little_does_not_wait_for_who_sends_much) {
    unsigned other = another_line(1), waited = 0;
    begin(1, ITEMS, ITEMS);
    for (size_t k = 0; k < 300; k++) {
        CHECK(add(1, FAIR_QUANTUM));
    }
    (void)of_client(1, 100);
    CHECK(add(other, FAIR_QUANTUM));
    while (turn() == 1) {
        waited++;
    }
    CHECK(waited <= 2);
    fair_free(f);
}

TEST(large_requests_count_for_what_they_cost) {
    unsigned other = another_line(1);
    begin(1, ITEMS, ITEMS);
    for (size_t k = 0; k < 100; k++) {
        CHECK(add(1, 8 * FAIR_QUANTUM) && add(other, FAIR_QUANTUM));
    }
    unsigned large = of_client(1, 90);
    CHECK(large >= 8 && large <= 12);
    fair_free(f);
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

TEST(beside_others_few_of_one_client_are_at_work) {
    unsigned other = another_line(1);
    begin(4, ITEMS, ITEMS);
    for (size_t k = 0; k < 10; k++) {
        CHECK(add(1, 1));
    }
    // It is not yet known whether somebody else comes.
    CHECK(client_of(fair_next(f)) == 1 && client_of(fair_next(f)) == 1);
    CHECK(!fair_next(f));
    CHECK(add(other, 1) && client_of(fair_next(f)) == other);
    CHECK(!fair_next(f)); // there is room, and nobody whose turn it is
    fair_done(f, &things[0].turn);
    CHECK(fair_next(f) == &things[2].turn && !fair_next(f));
    // Those that are held are given up like others.
    CHECK_U64(fair_waiting(f), 7);
    for (size_t k = 0; k < 7; k++) {
        CHECK(client_of(fair_give_up(f)) == 1);
    }
    CHECK(!fair_give_up(f) && fair_waiting(f) == 0);
    fair_free(f);
}

TEST(who_has_been_alone_for_long_has_more) {
    begin(4, ITEMS, ITEMS);
    for (size_t k = 0; k + 4 < FAIR_ALONE; k++) {
        used = 0;
        CHECK(add(1, 1) && turn() == 1);
    }
    used = 0;
    for (size_t k = 0; k < 3; k++) {
        CHECK(add(1, 1));
    }
    CHECK(fair_next(f) && fair_next(f) && !fair_next(f));
    CHECK(add(1, 1));
    fair_done(f, &things[0].turn);
    CHECK(fair_next(f) && fair_next(f) && !fair_next(f)); // held before, not any more
    for (size_t k = 0; k < 4; k++) {
        CHECK(add(1, 1));
    }
    CHECK(fair_next(f) && fair_next(f) && !fair_next(f)); // five
    fair_free(f);
}

/* How many of client 1 may be at work now; all are given up. */
static unsigned at_work_of_1(void) {
    unsigned n = 0;
    used = 0;
    for (size_t k = 0; k < 8; k++) {
        CHECK(add(1, 1));
    }
    struct fair_item *taken[8];
    while ((taken[n] = fair_next(f)) != NULL) {
        n++;
    }
    while (fair_give_up(f)) {
    }
    for (unsigned k = 0; k < n; k++) {
        fair_done(f, taken[k]);
    }
    return n;
}

TEST(nobody_is_alone_beside_those_that_wait_elsewhere_or_nowhere) {
    struct fair *other;
    unsigned who = another_line(1);
    struct ip ip = ip_of(who);
    struct fair_item waits;
    const struct fair_options o = options_of(4, ITEMS, ITEMS);
    begin(4, ITEMS, ITEMS);
    CHECK_OK(fair_new(&other, &crowd, &o, &why), &why);
    for (size_t k = 0; k < FAIR_ALONE; k++) {
        used = 0;
        CHECK(add(1, 1) && turn() == 1);
    }
    CHECK_U64(at_work_of_1(), 5);
    CHECK(fair_add(other, &waits, ip.b, 1));
    CHECK_U64(at_work_of_1(), 2);
    for (size_t k = 0; k < FAIR_ALONE; k++) {
        used = 0;
        CHECK(add(1, 1) && turn() == 1);
    }
    CHECK_U64(at_work_of_1(), 5);
    fair_met(&crowd, ip.b);
    CHECK_U64(at_work_of_1(), 2);
    CHECK(fair_give_up(other) == &waits);
    fair_free(other);
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
    fair_crowd_init(&crowd);
    return test_main(argc, argv);
}
