/* Faults as text, and what they do together; recordings. SPDX-License-Identifier: MIT */
#include "devnet/fault.h"

#include "devnet/record.h"
#include "test/harness/test.h"

static struct fault parse(const char *text) {
    struct fault f;
    struct error why = {0};
    CHECK_OK(fault_parse(&f, bytes_from_str(text), &why), &why);
    return f;
}

TEST(texts_are_read_and_written) {
    static const char *const cases[] = {"node-1->node-2 delay 40ms jitter 10ms",
                                        "node-1->relay drop 5%",
                                        "hub<->node-3 cut",
                                        "a->b reset 1%",
                                        "a->b corrupt 0.1%",
                                        "*->relay rate 65536",
                                        "chain->* stall",
                                        "relay->chain withhold slots 4-4",
                                        "node-1->relay wrong-root",
                                        "a->b cut slots 10-20"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = parse(cases[i]);
        struct buf out;
        buf_init(&out, 0);
        fault_text(&out, &f);
        CHECK_BYTES(buf_view(&out), bytes_from_str(cases[i]));
        buf_free(&out);
    }
    CHECK_U64(parse("a->b rate 64KiB").bytes_per_second, 65536);
    CHECK_U64(parse("a->b cut slot 7").slot_to, 7);
}

TEST(wrong_texts_are_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"a b cut", ERR_SYNTAX},
        {"->b cut", ERR_SYNTAX},
        {"a-> cut", ERR_SYNTAX},
        {"a->b", ERR_SYNTAX},
        {"a->b explode", ERR_SYNTAX},
        {"a->b delay", ERR_SYNTAX},
        {"a->b delay soon", ERR_SYNTAX},
        {"a->b drop 101%", ERR_RANGE},
        {"a->b drop x", ERR_SYNTAX},
        {"a->b rate 0", ERR_RANGE},
        {"a->b cut slots 9-3", ERR_SYNTAX},
        {"a->b cut jitter 1ms", ERR_SYNTAX},
        {"a->b cut now", ERR_SYNTAX},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa->b cut", ERR_SYNTAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f;
        CHECK_ERR(fault_parse(&f, bytes_from_str(cases[i].text), NULL), cases[i].code);
    }
}

TEST(names_stand_for_nodes_and_ways) {
    struct fault f = parse("node-1->relay cut slots 5-6");
    CHECK(fault_covers(&f, "node-1.builder", "relay", 5));
    CHECK(fault_covers(&f, "node-1", "relay", 6));
    CHECK(!fault_covers(&f, "node-1.builder", "relay", 7));
    CHECK(!fault_covers(&f, "node-11.builder", "relay", 5));
    CHECK(!fault_covers(&f, "relay", "node-1.builder", 5));
    f = parse("node-1<->* cut");
    CHECK(fault_covers(&f, "hub", "node-1.proxy", 0) && fault_covers(&f, "node-1.boot", "hub", 99));
    CHECK(!fault_covers(&f, "hub", "node-2.proxy", 0));
}

TEST(faults_add_up) {
    struct fault_list list = {.count = 0};
    struct fault_effect e;
    list.faults[list.count++] = parse("a->b delay 10ms jitter 1ms");
    list.faults[list.count++] = parse("*->b delay 5ms");
    list.faults[list.count++] = parse("a->b drop 50%");
    list.faults[list.count++] = parse("a->* drop 50%");
    list.faults[list.count++] = parse("a->b rate 1000");
    list.faults[list.count++] = parse("a->b rate 500");
    list.faults[list.count++] = parse("b->a stall");
    fault_effect(&e, &list, "a", "b", 0);
    CHECK_U64(e.delay_ns, 15000000);
    CHECK_U64(e.jitter_ns, 1000000);
    CHECK(e.drop == 0.75 && e.bytes_per_second == 500 && !e.stall && !e.cut);
    fault_effect(&e, &list, "b", "a", 0);
    CHECK(e.stall && e.drop == 0);
}

TEST(recordings_are_read_back) {
    struct buf out;
    struct record r;
    struct error why = {0};
    buf_init(&out, 0);
    buf_append_str(&out, RECORD_MAGIC);
    record_append(&out, &(struct record){5, 1, RECORD_OPEN, BYTES_LIT("a b")});
    record_append(&out, &(struct record){6, 1, RECORD_UP, BYTES_LIT("bytes")});
    size_t whole = out.n;
    record_append(&out, &(struct record){7, 1, RECORD_END, {NULL, 0}});
    struct bytes in = buf_view(&out);
    CHECK_OK(record_begin(&in, &why), &why);
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK(r.at_ns == 5 && r.connection == 1 && r.kind == RECORD_OPEN);
    CHECK_BYTES(r.content, BYTES_LIT("a b"));
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK_BYTES(r.content, BYTES_LIT("bytes"));
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK_I64(record_next(&r, &in, &why), 0);
    for (size_t cut = 8; cut < whole; cut++) { // cut off anywhere: what is whole is read
        in = bytes_make(out.p, cut);
        CHECK_OK(record_begin(&in, &why), &why);
        int code;
        while ((code = record_next(&r, &in, &why)) == 1) {
        }
        CHECK_I64(code, 0);
    }
    out.p[8 + 12] = 9; // no such kind
    in = buf_view(&out);
    CHECK_OK(record_begin(&in, &why), &why);
    CHECK_ERR(record_next(&r, &in, NULL), ERR_SYNTAX);
    in = BYTES_LIT("BNRECRD2");
    CHECK_ERR(record_begin(&in, NULL), ERR_SYNTAX);
    buf_free(&out);
}

TEST_MAIN()
