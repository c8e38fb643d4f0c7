/* SPDX-License-Identifier: MIT */
#include "node/settings.h"

#include "test/harness/test.h"

#include <stdlib.h>
#include <string.h>

static struct error why;

static int check(const char *flag, const char *value) {
    char *argv[] = {(char[]){"node"}, strdup(flag), strdup(value), NULL};
    struct config *config;
    struct node_values v;
    CHECK_OK(config_load(&config, &node_program, &v, 3, argv, &why), &why);
    int r = node_values_check(&v, &why);
    config_free(config);
    free(argv[1]);
    free(argv[2]);
    return r;
}

TEST(what_is_usual_is_taken) {
    CHECK_OK(check("--dev-accounts", "10"), &why);
    CHECK_OK(check("--dev-accounts", "0"), &why);
    CHECK_OK(check("--extra-data", "12345678901234567890123456789012"), &why);
    CHECK_OK(check("--extra-data", ""), &why);
    CHECK_OK(check("--api", "eth,hardhat"), &why);
}

TEST(what_would_be_cut_or_passed_over_is_refused) {
    CHECK(check("--dev-accounts", "11") == ERR_RANGE);
    CHECK_STR(why.text, "--dev-accounts: there are 10");
    CHECK(check("--extra-data", "123456789012345678901234567890123") == ERR_RANGE);
    CHECK(check("--api", "eth,admin") == ERR_NOT_FOUND);
    CHECK_STR(why.text, "--api: there is no namespace admin");
}

static int check_two(const char *one, const char *two) {
    char *argv[] = {(char[]){"node"}, strdup(one), strdup(two), NULL};
    struct config *config;
    struct node_values v;
    CHECK_OK(config_load(&config, &node_program, &v, 3, argv, &why), &why);
    int r = node_values_check(&v, &why);
    config_free(config);
    free(argv[1]);
    free(argv[2]);
    return r;
}

TEST(one_hand_makes_the_blocks) {
    CHECK_OK(check_two("--slots=2s", "--virtual-clock=5s"), &why);
    CHECK_OK(check_two("--dev", "--dev-period=1s"), &why);
    CHECK(check_two("--dev", "--slots=2s") == ERR_INVALID);
    CHECK(check_two("--dev", "--follow=ws://127.0.0.1:1") == ERR_INVALID);
    CHECK(check_two("--slots=2s", "--follow=ws://127.0.0.1:1") == ERR_INVALID);
    CHECK(check("--virtual-clock", "5s") == ERR_INVALID);
}

TEST_MAIN()
