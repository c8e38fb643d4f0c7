/* SPDX-License-Identifier: MIT */
#include "orderflow/orderflow.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REJECT "--disk-backup-size-reject-flow-threshold-mb"
#define RESUME "--disk-backup-size-to-resume-flow-threshold-mb"

static struct error why;
static struct orderflow_values values;

static int load(const char *first, const char *second) {
    struct config *c;
    const char *argv[] = {"orderflow", first, second, NULL};
    int r = config_load(&c, &orderflow_program, &values, second ? 3 : 2, (char **)(uintptr_t)argv,
                        &why);
    if (r == 0) config_free(c);
    return r;
}

TEST(flow_is_not_taken_again_above_the_size_at_which_it_is_refused) {
    CHECK_ERR(load(REJECT "=100", RESUME "=101"), ERR_CONFLICT);
    CHECK_STR(why.text, RESUME " (101) is above " REJECT " (100)");
    CHECK_ERR(load(REJECT "=511", NULL), ERR_CONFLICT); // above stands the default
    CHECK_ERR(load(RESUME "=17592186044416", REJECT "=17592186044416"), ERR_RANGE);
    CHECK_OK(load(REJECT "=100", RESUME "=100"), &why);
    CHECK_OK(load(REJECT "=100", RESUME "=0"), &why);
    CHECK_OK(load(REJECT "=0", NULL), &why); // never refused
}

TEST(a_reload_refuses_what_a_start_does) {
    char path[] = "/tmp/settings-test-XXXXXX";
    static const char text[] = "disk_backup_size_reject_flow_threshold_mb = 10\n";
    struct config *c, *fresh;
    static struct orderflow_values after;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    const char *argv[] = {"orderflow", "--config", path, NULL};
    CHECK_OK(config_load(&c, &orderflow_program, &values, 3, (char **)(uintptr_t)argv, &why), &why);
    CHECK(write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1 && close(fd) == 0);
    CHECK_ERR(config_reload(&fresh, c, &after, NULL, &why), ERR_CONFLICT);
    config_free(c);
    CHECK(unlink(path) == 0);
}

TEST_MAIN()
