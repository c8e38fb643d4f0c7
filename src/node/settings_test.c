/* SPDX-License-Identifier: MIT */
#include "node/settings.h"

#include "test/harness/test.h"

#include <stdlib.h>
#include <string.h>

static struct error why;

static int load(const char *one, const char *two) {
    char *argv[] = {(char[]){"node"}, strdup(one), strdup(two), NULL};
    struct config *config;
    struct node_values v;
    int r = config_load(&config, &node_program, &v, 3, argv, &why);
    config_free(config);
    free(argv[1]);
    free(argv[2]);
    return r;
}

TEST(what_is_usual_is_taken) {
    CHECK_OK(load("--dev-accounts", "10"), &why);
    CHECK_OK(load("--dev-accounts", "0"), &why);
    CHECK_OK(load("--extra-data", "12345678901234567890123456789012"), &why);
    CHECK_OK(load("--extra-data", ""), &why);
    CHECK_OK(load("--api", "eth,hardhat"), &why);
}

TEST(what_would_be_cut_or_passed_over_is_refused) {
    CHECK(load("--dev-accounts", "11") == ERR_RANGE);
    CHECK_STR(why.text, "--dev-accounts: there are 10");
    CHECK(load("--extra-data", "123456789012345678901234567890123") == ERR_RANGE);
    CHECK(load("--api", "eth,admin") == ERR_NOT_FOUND);
    CHECK_STR(why.text, "--api: there is no namespace admin");
}

TEST(one_hand_makes_the_blocks) {
    CHECK_OK(load("--slots=2s", "--virtual-clock=5s"), &why);
    CHECK_OK(load("--dev", "--dev-period=1s"), &why);
    CHECK(load("--dev", "--slots=2s") == ERR_INVALID);
    CHECK(load("--dev", "--follow=ws://127.0.0.1:1") == ERR_INVALID);
    CHECK(load("--slots=2s", "--follow=ws://127.0.0.1:1") == ERR_INVALID);
    CHECK(load("--virtual-clock", "5s") == ERR_INVALID);
}

TEST_MAIN()
