/* Log lines as JSON objects. SPDX-License-Identifier: MIT */
#include "devnet/log_line.h"

#include "test/harness/test.h"
#include "json/json.h"

static void check(const char *line, const char *wanted) {
    struct buf out;
    struct arena a;
    const struct json *doc;
    struct error why = {0};
    buf_init(&out, 0);
    arena_init(&a, 1u << 20);
    log_line_json(&out, "node-1.builder", bytes_from_str(line));
    CHECK_BYTES(buf_view(&out), bytes_from_str(wanted));
    CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
    arena_free(&a);
    buf_free(&out);
}

#define ROLE "{\"role\":\"node-1.builder\","

TEST(logfmt_gives_its_members) {
    check("time=2026-01-02T03:04:05Z level=info slot=6 took=5.1us ok=true hash=0x00",
          ROLE "\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"info\",\"slot\":6,\"took\":\"5.1us\","
               "\"ok\":true,\"hash\":\"0x00\"}");
    check("time=x reason=\"a \\\"b\\\" \\\\ \\u001b\" next=1",
          ROLE "\"time\":\"x\",\"reason\":\"a \\\"b\\\" \\\\ \\u001b\",\"next\":1}");
    check("time=x empty=", ROLE "\"time\":\"x\",\"empty\":\"\"}");
}

TEST(numbers_stay_exact) {
    check("time=x wei=999999999999999 more=1000000000000000 zero=0 id=007 less=-1",
          ROLE "\"time\":\"x\",\"wei\":999999999999999,\"more\":\"1000000000000000\",\"zero\":0,"
               "\"id\":\"007\",\"less\":\"-1\"}");
}

TEST(objects_get_the_role) {
    check("{\"time\":\"x\",\"slot\":6,\"why\":{\"a\":[1]}}",
          ROLE "\"time\":\"x\",\"slot\":6,\"why\":{\"a\":[1]}}");
    check("{}", "{\"role\":\"node-1.builder\"}");
}

TEST(other_text_is_text) {
    check("panic: \"x\" = 1", ROLE "\"text\":\"panic: \\\"x\\\" = 1\"}");
    check("", ROLE "\"text\":\"\"}");
    check("time=x not a pair", ROLE "\"text\":\"time=x not a pair\"}");
    check("time=x open=\"cut off", ROLE "\"text\":\"time=x open=\\\"cut off\"}");
    check("time=x bad=\"\\x\"", ROLE "\"text\":\"time=x bad=\\\"\\\\x\\\"\"}");
    check("time=x a=\"b\"c", ROLE "\"text\":\"time=x a=\\\"b\\\"c\"}");
    check("[1]", ROLE "\"text\":\"[1]\"}");
    check("time=x y=\"\\", ROLE "\"text\":\"time=x y=\\\"\\\\\"}");
}

TEST(a_slot_is_known_by_its_member_alone) {
    uint64_t slot = 0;
    CHECK(log_line_slot(&slot, BYTES_LIT("time=x event=block_built slot=31 block=29")));
    CHECK_U64(slot, 31);
    CHECK(log_line_slot(&slot, BYTES_LIT("{\"time\":\"x\",\"slot\":6}")));
    CHECK_U64(slot, 6);
    CHECK(!log_line_slot(&slot, BYTES_LIT("time=x why=\"at slot=7 of\" my_slot=8")));
    CHECK(!log_line_slot(&slot, BYTES_LIT("time=x event=slots slot=500.000ms")));
    CHECK(!log_line_slot(&slot, BYTES_LIT("{\"time\":\"x\",\"of\":{\"slot\":6}}")));
    CHECK(!log_line_slot(&slot, BYTES_LIT("text slot=9")));
    CHECK(!log_line_slot(&slot, BYTES_LIT("")));
}

TEST_MAIN()
