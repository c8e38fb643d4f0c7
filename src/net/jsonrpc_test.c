/* SPDX-License-Identifier: MIT */
#include "net/jsonrpc.h"
#include "test/harness/test.h"

#include <stdio.h>

struct context {
    unsigned calls;
};

static int add(void *context, const struct jsonrpc_request *r, struct json_writer *result,
               struct arena *a, struct error *why) {
    struct context *c = context;
    uint64_t sum = 0;
    (void)a;
    c->calls++;
    json_begin_array(result, NULL); // what a failing call has written does not come out
    json_each(v, r->params) {
        uint64_t n;
        int e = json_u64(&n, v, why);
        if (e < 0) return e;
        sum += n;
    }
    json_add_u64(result, NULL, sum);
    json_end(result);
    return 0;
}

static int fail(void *context, const struct jsonrpc_request *r, struct json_writer *result,
                struct arena *a, struct error *why) {
    (void)context, (void)result, (void)a;
    int64_t code = 0;
    int e = json_i64(&code, json_at(r->params, 0), why);
    return e < 0 ? e : error_set(why, (enum err)code, "told so");
}

static const struct jsonrpc_method methods[] = {
    {BYTES_LIT("add"), add},
    {BYTES_LIT("fail"), fail},
};

static void expect_within(const char *body, const char *answer,
                          const struct jsonrpc_limits *limits) {
    struct arena a;
    struct buf out;
    struct error why;
    struct context c = {0};
    arena_init(&a, 1u << 20);
    buf_init(&out, 0);
    CHECK_OK(jsonrpc_serve(&out, methods, 2, &c, bytes_from_str(body), &a, limits, &why), &why);
    CHECK_BYTES(buf_view(&out), bytes_from_str(answer));
    buf_free(&out);
    arena_free(&a);
}

static void expect(const char *body, const char *answer) {
    expect_within(body, answer, NULL);
}

#define V "{\"jsonrpc\":\"2.0\","
#define ADD V "\"method\":\"add\",\"params\":"

TEST(calls_are_answered) {
    expect(ADD "[1,2],\"id\":7}", V "\"id\":7,\"result\":[3]}");
    expect(ADD "[],\"id\":\"a\\u00e4\\\"\"}", V "\"id\":\"a\\u00e4\\\"\",\"result\":[0]}");
    expect(ADD "[],\"id\":1.0e2}", V "\"id\":1.0e2,\"result\":[0]}");
    expect(ADD "[],\"id\":null}", V "\"id\":null,\"result\":[0]}");
    expect(ADD "null,\"id\":1}", V "\"id\":1,\"result\":[0]}");
    expect("{\"id\":1,\"method\":\"add\",\"jsonrpc\":\"2.0\"}", V "\"id\":1,\"result\":[0]}");
}

TEST(notifications_are_not_answered) {
    expect(ADD "[1]}", "");
    expect(ADD "[\"x\"]}", "");
    expect(V "\"method\":\"none\"}", "");
    expect("[" ADD "[1]}," ADD "[1]}]", "");
}

TEST(batches) {
    expect("[" ADD "[1],\"id\":1}," ADD "[1]}," ADD "[2],\"id\":2}]",
           "[" V "\"id\":1,\"result\":[1]}," V "\"id\":2,\"result\":[2]}]");
    expect("[" ADD "[\"x\"],\"id\":1}," ADD "[2],\"id\":2}]",
           "[" V "\"id\":1,\"error\":{\"code\":-32602,\"message\":\"string where number is needed"
           "\"}}," V "\"id\":2,\"result\":[2]}]");
    expect("[1]", "[" V "\"id\":null,\"error\":{\"code\":-32600,\"message\":\"the request is no "
                  "object\"}}]");
    expect("[]", V "\"id\":null,\"error\":{\"code\":-32600,\"message\":\"an empty batch\"}}");
    struct jsonrpc_limits limits = JSONRPC_LIMITS_DEFAULT;
    limits.batch = 1;
    expect_within("[" ADD "[1],\"id\":1}]", "[" V "\"id\":1,\"result\":[1]}]", &limits);
    expect_within("[1,2]",
                  V "\"id\":null,\"error\":{\"code\":-32005,\"message\":\"a batch has at most 1 "
                    "requests\"}}",
                  &limits);
    limits.batch = 5;
    limits.answer_bytes = 10;
    expect_within("[" ADD "[1],\"id\":1}," ADD "[1]}," ADD "[1],\"id\":2}]",
                  "[" V "\"id\":1,\"result\":[1]}," V
                  "\"id\":2,\"error\":{\"code\":-32005,\"message\":\"the answers are too "
                  "large\"}}]",
                  &limits);
}

TEST(wrong_requests) {
    static const struct {
        const char *body, *answer;
    } cases[] = {
        {"{\"method\":\"add\",\"id\":1}", "\"id\":1,\"error\":{\"code\":-32600,\"message\":"
                                          "\"jsonrpc is not \\\"2.0\\\"\"}}"},
        {"{\"jsonrpc\":\"1.0\",\"method\":\"add\",\"id\":1}",
         "\"id\":1,\"error\":{\"code\":-32600,\"message\":\"jsonrpc is not \\\"2.0\\\"\"}}"},
        {V "\"id\":1}", "\"id\":1,\"error\":{\"code\":-32600,\"message\":\"the method is no "
                        "string\"}}"},
        {V "\"id\":1,\"method\":5}",
         "\"id\":1,\"error\":{\"code\":-32600,\"message\":\"the method is no string\"}}"},
        {V "\"id\":[1],\"method\":\"add\"}", "\"id\":null,\"error\":{\"code\":-32600,\"message\":"
                                             "\"the id is no string, number or null\"}}"},
        {V "\"id\":true,\"method\":\"add\"}", "\"id\":null,\"error\":{\"code\":-32600,\"message\":"
                                              "\"the id is no string, number or null\"}}"},
        {V "\"id\":1,\"method\":\"add\",\"params\":5}",
         "\"id\":1,\"error\":{\"code\":-32600,\"message\":\"the params are no array or object\"}}"},
        {V "\"id\":1,\"method\":\"no\\u0074\"}", "\"id\":1,\"error\":{\"code\":-32601,\"message\":"
                                                 "\"the method not does not exist\"}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[300];
        (void)snprintf(answer, sizeof answer, "%s%s", V, cases[i].answer);
        expect(cases[i].body, answer);
    }
}

TEST(what_is_no_json_is_a_parse_error) {
    static const char *const bodies[] = {"", "{", "nul", "{\"a\":1,\"a\":2}", "[1,]", "\xff"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct arena a;
        struct buf out;
        struct error why;
        arena_init(&a, 0);
        buf_init(&out, 0);
        CHECK_OK(jsonrpc_serve(&out, methods, 2, NULL, bytes_from_str(bodies[i]), &a, NULL, &why),
                 &why);
        CHECK(bytes_starts_with(buf_view(&out),
                                BYTES_LIT(V "\"id\":null,\"error\":{\"code\":-32700,")));
        buf_free(&out);
        arena_free(&a);
    }
}

TEST(failures_have_the_codes_of_the_table) {
    for (int code = -1; code >= ERR_LOWEST; code--) {
        char body[100], answer[200];
        bool ours = code == ERR_IO || code == ERR_NO_MEMORY || code == ERR_INTERNAL;
        int rpc = code == ERR_SYNTAX ? -32602 : error_class_of(code)->json_rpc_code;
        (void)snprintf(body, sizeof body, V "\"method\":\"fail\",\"params\":[%d],\"id\":1}", code);
        (void)snprintf(answer, sizeof answer,
                       V "\"id\":1,\"error\":{\"code\":%d,\"message\":\"%s\"}}", rpc,
                       ours ? error_name(code) : "told so");
        expect(body, answer);
    }
}

TEST(answers_with_data) {
    struct buf out;
    struct jsonrpc_answers r;
    buf_init(&out, 0);
    jsonrpc_answers_begin(&r, &out, false);
    jsonrpc_add_error(&r, BYTES_LIT("5"), 3, "execution reverted", BYTES_LIT("\"0x08\""));
    jsonrpc_answers_end(&r);
    CHECK_BYTES(buf_view(&out), BYTES_LIT(V "\"id\":5,\"error\":{\"code\":3,\"message\":\"execution"
                                            " reverted\",\"data\":\"0x08\"}}"));
    buf_free(&out);
}

TEST(a_long_id_is_refused) {
    struct buf body;
    struct arena a;
    struct error why;
    struct jsonrpc_batch batch;
    arena_init(&a, 0);
    buf_init(&body, 0);
    buf_append_str(&body, ADD "[],\"id\":\"");
    buf_append_fill(&body, 'x', JSONRPC_ID_BYTES_MAX - 1);
    buf_append_str(&body, "\"}");
    CHECK_OK(jsonrpc_parse(&batch, buf_view(&body), &a, NULL, &why), &why);
    CHECK(batch.item[0].invalid != NULL);
    CHECK(batch.item[0].id.p == NULL);
    buf_free(&body);
    arena_free(&a);
}

TEST(memory_is_bounded) {
    struct buf out;
    struct error why;
    static const char body[] = "[" ADD "[1,2,3,4],\"id\":1}," ADD "[1,2,3,4],\"id\":1}]";
    buf_init(&out, 0);
    struct jsonrpc_batch batch;
    bool worked = false;
    for (size_t limit = 16; limit < 4000; limit += 16) {
        struct arena a;
        arena_init(&a, limit);
        int r = jsonrpc_parse(&batch, bytes_from_str(body), &a, NULL, &why);
        CHECK(r == 0 || (r == ERR_LIMIT && !worked));
        worked = r == 0;
        arena_free(&a);
    }
    CHECK(worked);
    struct arena a;
    arena_init(&a, 0);
    buf_init(&out, 20);
    CHECK_ERR(
        jsonrpc_serve(&out, methods, 2, &(struct context){0}, bytes_from_str(body), &a, NULL, &why),
        ERR_LIMIT);
    arena_free(&a);
    buf_free(&out);
}

TEST(a_client_writes_and_reads) {
    struct buf out;
    struct json_writer w;
    struct arena a;
    struct error why;
    struct jsonrpc_responses responses;
    arena_init(&a, 0);
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_array(&w, NULL);
    for (uint64_t id = 1; id <= 2; id++) {
        jsonrpc_begin_request(&w, id, id == 1 ? "add" : "fail");
        json_begin_array(&w, NULL);
        json_add_i64(&w, NULL, id == 1 ? 40 : ERR_NOT_FOUND);
        json_end(&w);
        jsonrpc_end_request(&w);
    }
    jsonrpc_begin_notification(&w, "add");
    json_begin_object(&w, NULL);
    json_end(&w);
    jsonrpc_end_request(&w);
    json_end(&w);
    struct buf answer;
    struct context c = {0};
    buf_init(&answer, 0);
    CHECK_OK(jsonrpc_serve(&answer, methods, 2, &c, buf_view(&out), &a, NULL, &why), &why);
    CHECK_U64(c.calls, 2);
    CHECK_OK(jsonrpc_parse_responses(&responses, buf_view(&answer), &a, NULL, &why), &why);
    CHECK_U64(responses.count, 2);
    const struct jsonrpc_response *r = jsonrpc_response_to(&responses, 1);
    CHECK(r != NULL);
    CHECK_ERR(jsonrpc_failure_of(r, &why), 0);
    CHECK_BYTES(json_raw(r->result), BYTES_LIT("[40]"));
    r = jsonrpc_response_to(&responses, 2);
    CHECK_ERR(jsonrpc_failure_of(r, &why), ERR_NOT_FOUND);
    CHECK_STR(why.text, "-32004: told so");
    CHECK(jsonrpc_response_to(&responses, 3) == NULL);
    buf_free(&answer);
    buf_free(&out);
    arena_free(&a);
}

TEST(wrong_responses) {
    static const struct {
        const char *body;
        int code;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"5", ERR_INVALID},
        {"{\"id\":1,\"result\":1}", ERR_INVALID},
        {V "\"result\":1}", ERR_INVALID},
        {V "\"id\":[],\"result\":1}", ERR_INVALID},
        {V "\"id\":1}", ERR_INVALID},
        {V "\"id\":1,\"error\":5}", ERR_INVALID},
        {V "\"id\":1,\"error\":{\"code\":\"x\",\"message\":\"\"}}", ERR_INVALID},
        {V "\"id\":1,\"error\":{\"code\":1}}", ERR_INVALID},
        {V "\"id\":1,\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}", ERR_INVALID},
        {"[" V "\"id\":1,\"result\":1},5]", ERR_INVALID},
        {V "\"id\":1,\"result\":null}", 0},
        {V "\"id\":1,\"result\":1,\"error\":null}", 0},
        {V "\"id\":null,\"result\":null,\"error\":{\"code\":1,\"message\":\"a\\nb\"}}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct error why;
        struct jsonrpc_responses r;
        arena_init(&a, 0);
        int code = jsonrpc_parse_responses(&r, bytes_from_str(cases[i].body), &a, NULL, &why);
        if (code != cases[i].code) FAIL("%s: %s", cases[i].body, error_name(code));
        if (code == 0 && !r.item[0].result) {
            CHECK_ERR(jsonrpc_failure_of(&r.item[0], &why), ERR_INVALID);
            CHECK_STR(why.text, "1: a b");
        }
        arena_free(&a);
    }
    struct jsonrpc_limits limits = JSONRPC_LIMITS_DEFAULT;
    struct jsonrpc_responses r;
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    limits.batch = 1;
    CHECK_ERR(jsonrpc_parse_responses(&r, BYTES_LIT("[1,2]"), &a, &limits, &why), ERR_LIMIT);
    arena_free(&a);
}

TEST_MAIN()
