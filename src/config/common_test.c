/* SPDX-License-Identifier: MIT */
#include "config/common.h"

#include "test/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct values {
    struct common_log log;
    struct common_process process;
    const char *metrics_addr;
};

static const struct config_option options[] = {
    COMMON_LOG_ROWS(struct values, log, "", "general."),
    COMMON_PROCESS_ROWS(struct values, process, "general."),
    COMMON_METRICS_ROW(struct values, metrics_addr, "127.0.0.1:9", NULL, "Metrics listener."),
};
static const struct config_program program = {
    .name = "common", .summary = "test", CONFIG_OPTIONS(options, struct values)};

static struct config *load(struct values *v, int argc, const char *const *argv) {
    struct config *c;
    struct error why;
    CHECK_OK(config_load(&c, &program, v, argc, (char **)(uintptr_t)argv, &why), &why);
    return c;
}

TEST(defaults_are_a_quiet_logfmt_in_a_sandbox) {
    struct values v;
    struct config *c = load(&v, 1, (const char *const[]){"common", NULL});
    CHECK(v.log.level == LOG_INFO && !v.log.json && !v.log.debug);
    CHECK(v.process.sandbox && v.process.user == NULL);
    CHECK_STR(v.metrics_addr, "127.0.0.1:9");
    config_free(c);
}

TEST(environment_and_file_use_the_prefixes) {
    char path[] = "/tmp/common-test-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "[general]\nlog_level = \"warn\"\nsandbox = false\nuser = \"x\"\n";
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    CHECK(close(fd) == 0 && setenv("LOG_JSON", "true", 1) == 0);
    struct values v;
    struct config *c = load(&v, 3, (const char *const[]){"common", "--config", path, NULL});
    CHECK(v.log.level == LOG_WARN && v.log.json && !v.process.sandbox);
    CHECK_STR(v.process.user, "x");
    config_free(c);
    CHECK(unsetenv("LOG_JSON") == 0 && unlink(path) == 0);
}

// What a log of these settings writes to standard error.
static size_t written(const struct common_log *s, char *ret, size_t size) {
    int out[2], saved = dup(2);
    struct log *l;
    struct error why;
    CHECK(saved >= 0 && pipe2(out, O_NONBLOCK) == 0 && dup2(out[1], 2) == 2);
    CHECK_OK(common_log_open(&l, s, "common", &why), &why);
    log_debug(l, "small");
    log_warn(l, "large");
    log_close(l);
    CHECK(dup2(saved, 2) == 2);
    ssize_t n = read(out[0], ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
    (void)close(out[0]);
    (void)close(out[1]);
    (void)close(saved);
    return n > 0 ? (size_t)n : 0;
}

TEST(level_and_form_hold) {
    char text[1024];
    (void)written(&(struct common_log){.level = LOG_INFO}, text, sizeof text);
    CHECK(strstr(text, "large") && !strstr(text, "small") && text[0] != '{');
    (void)written(&(struct common_log){.level = LOG_INFO, .debug = true, .json = true}, text,
                  sizeof text);
    CHECK(strstr(text, "large") && strstr(text, "small") && text[0] == '{');
    CHECK(written(&(struct common_log){.level = LOG_OFF}, text, sizeof text) == 0);
}

TEST_MAIN()
