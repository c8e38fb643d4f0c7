/* The runner as a process of its own.
 * SPDX-License-Identifier: MIT */
#include "system_api/runner.h"

#include "base/file.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], config[96];

static const char base_file[] =
    "[general]\nlisten_addr = \"127.0.0.1:0\"\n"
    "[actions]\n"
    "greet = \"echo hello; echo trouble >&2\"\n"
    "words = [\"printf\", \"%s|\", \"a b\", \"$HOME\", \";\"]\n"
    "fail = [\"sh\", \"-c\", \"echo why >&2; exit 7\"]\n"
    "die = \"kill -9 $$\"\n"
    "missing = [\"/no/such/program\"]\n"
    "descriptors = [\"sh\", \"-c\", \"ls /proc/self/fd | wc -l\"]\n"
    "environment = [\"env\"]\n"
    "slow = {command = [\"sleep\", \"30\"], timeout_ms = 100}\n"
    "loud = {command = \"head -c 100000 /dev/zero | tr '\\\\0' x; echo end\", output_limit_bytes = "
    "1000}\n"
    "[file_uploads]\n"
    "plain = \"/tmp/x\"\n"
    "checked = {path = \"/tmp/y\", validator = [\"test\", \"-s\", \"{}\"]}\n";

struct outcome {
    bool done;
    enum command_state state;
    int exit_status, signal;
    char error[160], out[2048], err[2048];
    size_t out_n;
};

static void ended(void *context, const struct command_result *r) {
    struct outcome *o = context;
    o->done = true;
    o->state = r->state;
    o->exit_status = r->exit_status;
    o->signal = r->signal;
    o->out_n = r->out.n;
    memcpy(o->error, r->error, sizeof o->error);
    (void)snprintf(o->out, sizeof o->out, "%.*s", (int)r->out.n, (const char *)r->out.p);
    (void)snprintf(o->err, sizeof o->err, "%.*s", (int)r->err.n, (const char *)r->err.p);
}

static void died(void *context) {
    *(bool *)context = true;
}

static struct settings settings;
static struct command_runner *runner;
static struct loop *loop;
static bool gone;

static void write_config(const char *text) {
    struct error why;
    CHECK_OK(file_write_atomic(config, bytes_from_str(text), NULL, &why), &why);
}

static void begin(void) {
    static char program[] = "system-api", flag[] = "--config";
    static char *argv[] = {program, flag, config, NULL};
    struct error why;
    (void)strcpy(folder, "/tmp/runner-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(config, sizeof config, "%s/config.toml", folder);
    write_config(base_file);
    gone = false;
    CHECK_OK(settings_load(&settings, 3, argv, &why), &why);
    (void)fflush(stdout);
    CHECK_OK(command_start(&runner, &settings, NULL, &why), &why);
    CHECK_OK(loop_new(&loop, &(struct loop_options){0}, &why), &why);
    CHECK_OK(command_attach(runner, loop, died, &gone, &why), &why);
}

static void end(void) {
    command_stop(runner);
    loop_free(loop);
    settings_free(&settings);
    CHECK(unlink(config) == 0 && rmdir(folder) == 0);
}

static void wait_for(const struct outcome *o) {
    struct error why;
    for (int i = 0; i < 400 && !o->done; i++) {
        CHECK_OK(loop_turn(loop, 50 * NS_PER_MS, &why), &why);
    }
    CHECK(o->done);
}

static struct outcome run(const char *action) {
    struct outcome o = {0};
    struct error why;
    CHECK_OK(command_run(runner, action, ended, &o, &why), &why);
    wait_for(&o);
    return o;
}

TEST(runner_runs_commands_and_tells_how_they_ended) {
    begin();
    struct outcome o = run("greet");
    CHECK_U64(o.state, RUN_SUCCEEDED);
    CHECK_STR(o.out, "hello\n");
    CHECK_STR(o.err, "trouble\n");
    o = run("words"); // no shell sees these
    CHECK_STR(o.out, "a b|$HOME|;|");
    o = run("fail");
    CHECK_U64(o.state, RUN_FAILED);
    CHECK_I64(o.exit_status, 7);
    CHECK_STR(o.error, "exit status 7");
    CHECK_STR(o.err, "why\n");
    o = run("die");
    CHECK_U64(o.state, RUN_FAILED);
    CHECK_I64(o.signal, 9);
    o = run("missing");
    CHECK_U64(o.state, RUN_FAILED);
    CHECK(strstr(o.error, "/no/such/program") != NULL);
    o = run("not configured");
    CHECK_U64(o.state, RUN_FAILED);
    end();
}

TEST(runner_gives_commands_nothing_of_its_own) {
    begin();
    CHECK(setenv("RUNNER_TEST_SECRET", "x", 1) == 0);
    struct outcome o = run("descriptors"); // 0, 1, 2 and the listing's own
    CHECK_STR(o.out, "4\n");
    o = run("environment");
    CHECK(strstr(o.out, "RUNNER_TEST_SECRET") == NULL);
    CHECK(strstr(o.out, "PATH=") != NULL);
    end();
}

TEST(runner_limits_time_output_and_concurrency) {
    begin();
    struct outcome slow = {0}, again = {0};
    struct error why;
    CHECK_OK(command_run(runner, "slow", ended, &slow, &why), &why);
    CHECK_OK(command_run(runner, "slow", ended, &again, &why), &why);
    wait_for(&again);
    CHECK_U64(again.state, RUN_FAILED);
    CHECK_STR(again.error, "it runs already");
    wait_for(&slow);
    CHECK_U64(slow.state, RUN_TIMED_OUT);
    CHECK(strstr(slow.error, "100 ms") != NULL);
    struct outcome o = run("loud");
    CHECK_U64(o.state, RUN_SUCCEEDED);
    CHECK_U64(o.out_n, 1000);
    CHECK_STR(o.out + 1000 - 5, "xend\n");
    end();
}

TEST(runner_validates_files) {
    begin();
    struct outcome good = {0}, bad = {0}, none = {0};
    struct error why;
    CHECK_OK(command_validate(runner, "checked", config, ended, &good, &why), &why);
    wait_for(&good);
    CHECK_U64(good.state, RUN_SUCCEEDED);
    CHECK_OK(command_validate(runner, "checked", "/dev/null", ended, &bad, &why), &why);
    wait_for(&bad);
    CHECK_U64(bad.state, RUN_FAILED);
    CHECK_OK(command_validate(runner, "plain", config, ended, &none, &why), &why);
    wait_for(&none);
    CHECK_U64(none.state, RUN_FAILED);
    end();
}

TEST(runner_reloads_and_refuses_a_bad_configuration) {
    begin();
    struct outcome bad = {0}, good = {0};
    struct error why;
    write_config("[actions]\nbroken = [1]\n");
    CHECK_OK(command_reload(runner, ended, &bad, &why), &why);
    wait_for(&bad);
    CHECK_U64(bad.state, RUN_FAILED);
    CHECK_U64(run("greet").state, RUN_SUCCEEDED); // the old one goes on
    write_config("[actions]\nfresh = \"echo new\"\n");
    CHECK_OK(command_reload(runner, ended, &good, &why), &why);
    wait_for(&good);
    CHECK_U64(good.state, RUN_SUCCEEDED);
    CHECK_STR(run("fresh").out, "new\n");
    CHECK_U64(run("greet").state, RUN_FAILED);
    end();
}

TEST_MAIN()
