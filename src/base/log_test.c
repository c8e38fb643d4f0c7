/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "test/harness/test.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

static struct log *l;
static struct clock_fake fake;
static int fds[2];
static char text[65536];
static struct error why;

static void open_log(enum log_format format, unsigned repeat_limit) {
    clock_fake_init(&fake, UINT64_C(1700000000) * NS_PER_S);
    CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    struct log_options o = {.fd = fds[1],
                            .level = LOG_INFO,
                            .format = format,
                            .clock = &fake.clock,
                            .program = "hub",
                            .repeat_limit_per_event = repeat_limit};
    CHECK_OK(log_open(&l, &o, &why), &why);
}

static const char *take(void) {
    ssize_t n = read(fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void close_log(void) {
    log_close(l);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

TEST(one_call_gives_logfmt_or_json) {
    open_log(LOG_LOGFMT, 0);
    (void)error_set(&why, ERR_STALE, "old \"block\"");
    for (int json = 0; json < 2; json++) {
        log_set(l, LOG_INFO, json ? LOG_JSON : LOG_LOGFMT);
        log_info(l, "bid_rejected", F_STR("relay", "a b"), F_U64("slot", UINT64_MAX),
                 F_I64("i", -1), F_BOOL("late", true), F_HEX("root", BYTES_LIT("\x01\xff")),
                 F_DURATION("took", 1500000), F_DOUBLE("r", 0.5), F_U256("wei", U256_ONE),
                 F_ERR(&why));
        CHECK_STR(take(),
                  json
                      ? "{\"time\":\"2023-11-14T22:13:20.000000Z\",\"level\":\"info\",\"program\":"
                        "\"hub\",\"event\":\"bid_rejected\",\"relay\":\"a b\",\"slot\":"
                        "18446744073709551615,\"i\":-1,\"late\":true,\"root\":\"0x01ff\",\"took\":"
                        "\"1.500ms\",\"r\":0.5,\"wei\":\"1\",\"error\":\"old \\\"block\\\"\","
                        "\"error_code\":\"stale\"}\n"
                      : "time=2023-11-14T22:13:20.000000Z level=info program=hub "
                        "event=bid_rejected relay=\"a b\" slot=18446744073709551615 i=-1 late=true "
                        "root=0x01ff took=1.500ms r=0.5 wei=1 error=\"old \\\"block\\\"\" "
                        "error_code=stale\n");
    }
    close_log();
}

TEST(levels_filter_and_no_log_is_silent) {
    open_log(LOG_LOGFMT, 0);
    log_debug(l, "quiet");
    CHECK_STR(take(), "");
    log_set(l, LOG_DEBUG, LOG_LOGFMT);
    log_debug(l, "loud");
    CHECK(strstr(take(), "event=loud\n") != NULL);
    log_set(l, LOG_OFF, LOG_LOGFMT);
    log_error(l, "gone");
    CHECK_STR(take(), "");
    close_log();
    log_error(NULL, "nobody", F_U64("x", 1));
    log_flush(NULL);
    log_set(NULL, LOG_INFO, LOG_JSON);
    log_close(NULL);
    CHECK(!log_enabled(NULL, LOG_ERROR));
}

TEST(values_stay_on_one_line_and_are_cut) {
    open_log(LOG_LOGFMT, 0);
    log_info(l, "x", F_BYTES("v", BYTES_LIT("a\nb\x1b[31m\xff\xc3\xa9\xc2\x85=")));
    CHECK(strstr(take(), "v=\"a\\nb\\u001b[31m\\u00ff\xc3\xa9\\u0085=\"\n") != NULL);
    char big[1000];
    memset(big, 'x', sizeof big);
    log_info(l, "x", F_BYTES("v", bytes_make(big, sizeof big)), F_HEX("h", bytes_make(big, 999)));
    const char *line = take();
    CHECK(strstr(line, "xxx...\"") != NULL && strlen(line) < 700);
    struct log_field many[41] = {{0}};
    for (size_t i = 1; i < 41; i++) {
        many[i] = F_BYTES("k", bytes_make(big, sizeof big));
    }
    log_write(l, LOG_INFO, "x", many, 41);
    line = take();
    CHECK(strlen(line) < LOG_LINE_MAX && strstr(line, "\" cut=true\n") != NULL);
    log_info(l, "x", F_STR("v", NULL), F_DOUBLE("n", (double)NAN));
    CHECK(strstr(take(), "v=\"\" n=") != NULL);
    close_log();
}

TEST(secrets_are_masked) {
    open_log(LOG_JSON, 0);
    log_info(l, "x", F_STR("Authorization", "hidden1"), F_STR("db_password", "hidden2"),
             F_HEX("private_key", BYTES_LIT("hidden3")), F_SECRET("thing"),
             F_STR("url", "postgres://user:hidden4@db:5432/x?y"));
    const char *line = take();
    CHECK(strstr(line, "hidden") == NULL && strstr(line, "68696464656e") == NULL);
    CHECK(strstr(line, "postgres://<secret>@db:5432/x?y") != NULL);
    close_log();
}

TEST(repeats_are_counted_for_each_event) {
    open_log(LOG_LOGFMT, 2);
    for (int i = 0; i < 10; i++) {
        log_info(l, "noisy");
    }
    log_info(l, "other");
    const char *got = take();
    size_t lines = 0;
    for (const char *c = got; *c; c++) {
        lines += *c == '\n';
    }
    CHECK_U64(lines, 3);
    clock_fake_advance(&fake, 10 * NS_PER_S);
    log_info(l, "noisy");
    CHECK(strstr(take(), "event=noisy suppressed=8\n") != NULL);
    log_info(l, "noisy");
    log_info(l, "noisy");
    (void)take();
    log_flush(l);
    CHECK(strstr(take(), "event=log_suppressed suppressed=1 of=noisy\n") != NULL);
    close_log();
}

TEST(names_are_read) {
    enum log_level level;
    enum log_format format;
    CHECK_OK(log_level_parse(&level, BYTES_LIT("warn"), &why), &why);
    CHECK_STR(log_level_name(level), "warn");
    CHECK_ERR(log_level_parse(&level, BYTES_LIT("WARN"), &why), ERR_SYNTAX);
    CHECK_OK(log_format_parse(&format, BYTES_LIT("json"), &why), &why);
    CHECK_ERR(log_format_parse(&format, BYTES_LIT("xml"), &why), ERR_SYNTAX);
}

TEST_MAIN()
