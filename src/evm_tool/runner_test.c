/* SPDX-License-Identifier: MIT */
#include "evm_tool/runner.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Three cases, the last one a while after the others.
static void three_cases(struct workbench *w, struct bytes content) {
    (void)content;
    workbench_report(w, VERDICT_PASSED, "a", "ok");
    workbench_report(w, VERDICT_SKIPPED, "b", "ok");
    (void)usleep(60000);
    workbench_report(w, VERDICT_PASSED, "c", "ok");
}

// Standard error of a run over one file.
static void run(char *ret, size_t room, uint64_t progress_ns) {
    char path[] = "/tmp/runner_test.XXXXXX";
    const char *const paths[] = {path};
    const struct runner_options o = {
        .fork = -1, .jobs = 1, .paths = paths, .path_count = 1, .progress_ns = progress_ns};
    int file = mkstemp(path), before = dup(STDERR_FILENO);
    FILE *told = tmpfile();
    CHECK(file >= 0 && before >= 0 && told);
    CHECK(write(file, "{}", 2) == 2);
    CHECK(dup2(fileno(told), STDERR_FILENO) >= 0);
    int status = runner_run(&o, three_cases);
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    CHECK_I64(status, 0);
    rewind(told);
    ret[fread(ret, 1, room - 1, told)] = 0;
    (void)fclose(told);
    (void)close(before);
    (void)close(file);
    (void)unlink(path);
}

TEST(runner_shows_progress_where_no_terminal_is) {
    char text[1024];
    run(text, sizeof text, 50000000);
    CHECK(strstr(text, "2 passed, 0 failed, 1 skipped  /tmp/runner_test."));
    CHECK(text[strlen(text) - 1] == '\n' && !strchr(text, '\r'));
    run(text, sizeof text, 0);
    CHECK_STR(text, ""); // such a short run has none
}

TEST_MAIN()
