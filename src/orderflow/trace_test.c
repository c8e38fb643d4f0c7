/* What is remembered of orders. SPDX-License-Identifier: MIT */
#include "orderflow/trace.h"

#include "base/clock.h"
#include "test/harness/test.h"
#include "json/json.h"

#define ENTRIES 4096u

static struct error why;

static void add(struct trace *t, uint64_t id, uint64_t answer) {
    static const uint64_t times[TRACE_STAGES] = {1};
    struct flow_order o = {.bytes = 1};
    store_be64(o.id.b, id);
    store_be64(o.answer.b, answer);
    trace_order(t, &o, times);
}

/* How many orders of an answer are shown; the last of them, which is the newest, in *ret_newest. */
static size_t shown(struct trace *t, uint64_t answer, uint64_t *ret_newest) {
    struct hash h = {{0}};
    struct buf out;
    struct arena a;
    const struct json *doc;
    uint8_t id[32];
    buf_init(&out, 0);
    arena_init(&a, 1u << 20);
    store_be64(h.b, answer);
    bool found = trace_write(t, &out, &h, "n");
    CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
    size_t n = json_count(doc);
    CHECK(found == (n > 0));
    struct bytes text;
    if (n > 0) {
        CHECK_OK(json_data(&text, json_get(json_first(doc), "id"), &a, &why), &why);
        CHECK_U64(text.n, sizeof id);
        *ret_newest = load_be64(text.p);
    }
    buf_free(&out);
    arena_free(&a);
    return n;
}

TEST(the_oldest_are_forgotten_in_the_chain_of_their_answer) {
    struct trace *t;
    uint64_t newest = 0;
    CHECK_OK(trace_new(&t, 4, 1, &why), &why);
    for (uint64_t id = 1; id <= 5; id++) {
        add(t, id, id % 2 + 1);
    }
    CHECK_U64(shown(t, 2, &newest), 2); // 1 is forgotten, 3 and 5 are not
    CHECK_U64(newest, 5);
    CHECK_U64(shown(t, 1, &newest), 2);
    add(t, 6, 9);
    add(t, 7, 9);
    add(t, 8, 9);
    CHECK_U64(shown(t, 1, &newest), 0);
    CHECK_U64(shown(t, 2, &newest), 1);
    CHECK_U64(shown(t, 9, &newest), 3);
    CHECK_U64(newest, 8);
    trace_free(t);
}

/* All cancellations have one answer: none may cost a walk over those before it. */
TEST(orders_of_one_answer_cost_no_more_than_others) {
    struct trace *t;
    uint64_t took[2];
    CHECK_OK(trace_new(&t, ENTRIES, 1, &why), &why);
    for (uint64_t alike = 0; alike < 2; alike++) {
        uint64_t begun = 0;
        for (uint64_t id = 1; id <= 5 * ENTRIES; id++) {
            if (id == ENTRIES) begun = clock_monotonic_ns(&clock_system);
            add(t, id + alike * 1000000, alike ? 0 : id);
        }
        took[alike] = clock_monotonic_ns(&clock_system) - begun;
    }
    CHECK(took[1] < 4 * took[0]); // a walk made it some fifty times as much
    trace_free(t);
}

TEST_MAIN()
