/* The parts made of settings, which a reload frees. SPDX-License-Identifier: MIT */
#include "attested/setup.h"
#include "test/harness/test.h"

#include <stdlib.h>

static struct error why;

struct fixture {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct attested_setup setup;
};

static void start(struct fixture *f) {
    *f = (struct fixture){0};
    CHECK_OK(loop_new(&f->loop, &(struct loop_options){0}, &why), &why);
    CHECK_OK(metrics_new(&f->metrics, NULL, &why), &why);
}

static void stop(struct fixture *f) {
    attested_setup_close(&f->setup);
    metrics_free(f->metrics);
    loop_free(f->loop);
}

TEST(settings_may_go_while_collateral_is_fetched) {
    struct fixture f;
    char url[] = "http://127.0.0.1:1", list[] = "http://127.0.0.1:1/root.der", ca[] = "/nowhere";
    struct attested_values v = {
        .quote_source = "tsm", .pccs_url = url, .root_crl_url = list, .pccs_ca = ca};
    start(&f);
    CHECK_OK(
        attested_setup_open(&f.setup, f.loop, f.log, f.metrics, &v, ATTESTATION_NONE, true, &why),
        &why);
    memset(url, 'x', sizeof url - 1);
    memset(list, 'x', sizeof list - 1);
    memset(ca, 'x', sizeof ca - 1);
    CHECK_STR(f.setup.source.url, "http://127.0.0.1:1");
    CHECK_STR(f.setup.source.root_crl_url, "http://127.0.0.1:1/root.der");
    CHECK_STR(f.setup.source.ca_file, "/nowhere");
    stop(&f);
}

TEST(a_platform_to_fetch_ahead_must_be_named_in_full) {
    static const char *const wrong[] = {"", "00806f05000", "00806f0500000", "00806f05000g",
                                        "00806f050000:platform"};
    static const char *const right[] = {"00806f050000", "00806F050000:processor"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fixture f;
        struct attested_values v = {.quote_source = "tsm",
                                    .collateral_cache = "/tmp",
                                    .collateral_ahead = {(const char *[]){wrong[i]}, 1}};
        start(&f);
        CHECK_ERR(attested_setup_open(&f.setup, f.loop, f.log, f.metrics, &v, ATTESTATION_NONE,
                                      true, &why),
                  ERR_SYNTAX);
        stop(&f);
    }
    struct fixture f;
    struct attested_values v = {.quote_source = "tsm",
                                .collateral_cache = "/tmp",
                                .collateral_ahead = {(const char **)(uintptr_t)right, 2}};
    start(&f);
    CHECK_OK(
        attested_setup_open(&f.setup, f.loop, f.log, f.metrics, &v, ATTESTATION_NONE, true, &why),
        &why);
    stop(&f);
}

TEST(who_neither_attests_nor_judges_needs_no_part) {
    struct fixture f;
    struct attested_values v = {.quote_source = "nonsense", .pccs_url = "http://127.0.0.1:1"};
    start(&f);
    CHECK_OK(
        attested_setup_open(&f.setup, f.loop, f.log, f.metrics, &v, ATTESTATION_NONE, false, &why),
        &why);
    CHECK(!f.setup.issuer && !f.setup.store);
    attested_setup_close(&f.setup);
    CHECK_ERR(attested_setup_open(&f.setup, f.loop, f.log, f.metrics, &v, ATTESTATION_DCAP_TDX,
                                  false, &why),
              ERR_SYNTAX);
    stop(&f);
}

struct seen {
    bool policy_folder, cache_written, collateral;
};

static void look(void *context, const char *path, unsigned rights, bool folder_of) {
    struct seen *s = context;
    s->policy_folder |= folder_of && strcmp(path, "/a/root.pem") == 0 && rights == SANDBOX_READ;
    s->cache_written |= strcmp(path, "/c") == 0 && rights == (SANDBOX_READ | SANDBOX_WRITE);
    s->collateral |= strcmp(path, "/d/one") == 0 && !folder_of;
}

TEST(a_sandbox_learns_every_path) {
    struct seen s = {0};
    struct attested_values v = {.quote_source = "simulator:/p",
                                .root = "/a/root.pem",
                                .collateral_cache = "/c",
                                .collateral = {(const char *[]){"/d/one"}, 1}};
    attested_setup_paths(&v, look, &s);
    CHECK(s.policy_folder && s.cache_written && s.collateral);
}

TEST_MAIN()
