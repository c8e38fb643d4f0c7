/* SPDX-License-Identifier: MIT */
#include "attest/collateral_store.h"
#include "attest/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// An origin that serves what a simulator holds, or fails.
struct origin {
    struct testing *t;
    unsigned calls;
    int fail;
};

static int serve(void *context, struct collateral_parts *ret, const struct collateral_key *key,
                 struct arena *a, struct error *why) {
    struct origin *o = context;
    (void)key;
    (void)a;
    o->calls++;
    if (o->fail) return error_set(why, (enum err)o->fail, "the service is away");
    *ret = simulator_collateral(o->t->simulator);
    return 0;
}

TEST(items_are_fetched_kept_renewed_and_refused_when_stale) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct clock_fake clock;
    struct error why = {0};
    struct collateral_store *store;
    struct collateral_item *item;
    struct origin origin = {&t, 0, 0};
    struct collateral_key key = {QUOTE_TEE_TDX, {1, 2, 3, 4, 5, 6}, true};
    uint64_t next;
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    struct collateral_store_options o = {.origin = {serve, &origin}, .clock = &clock.clock};
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    CHECK_ERR(collateral_store_get(&item, store, &key, &why), ERR_NOT_FOUND);
    CHECK_U64(collateral_store_renew(store, &next), 1);
    CHECK_U64(next, TESTING_NOW + 30 * 86400 - 21600);
    CHECK_OK(collateral_store_get(&item, store, &key, &why), &why);
    CHECK_U64(collateral_store_renew(store, &next), 0);
    // The service fails at renewal: the old item stays until it expires, and not longer.
    clock_fake_advance(&clock, (30 * 86400 - 100) * NS_PER_S);
    origin.fail = ERR_TIMEOUT;
    CHECK_U64(collateral_store_renew(store, &next), 1);
    struct collateral_item *again;
    CHECK_OK(collateral_store_get(&again, store, &key, &why), &why);
    collateral_item_free(again);
    struct collateral_status status;
    CHECK_U64(collateral_store_status(store, &status, 1), 1);
    CHECK_U64(status.failures, 1);
    CHECK(strstr(status.last_error, "away") != NULL);
    clock_fake_advance(&clock, 200 * NS_PER_S);
    CHECK_ERR(collateral_store_get(&again, store, &key, &why), ERR_STALE);
    // It comes back with fresh collateral; who held the old item still may.
    origin.fail = 0;
    spec.now = TESTING_NOW + 30 * 86400;
    CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
    CHECK_U64(collateral_store_renew(store, &next), 1);
    CHECK_OK(collateral_store_get(&again, store, &key, &why), &why);
    CHECK(collateral_item_view(again) != collateral_item_view(item));
    CHECK_U64(collateral_item_view(item)->tcb_info.issue_date, TESTING_NOW);
    collateral_item_free(again);
    collateral_item_free(item);
    collateral_store_free(store);
    testing_end(&t);
}

TEST(older_collateral_does_not_replace_newer) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct collateral_store *store;
    struct collateral_store_options o = {0};
    struct collateral_key key = {QUOTE_TEE_TDX, {1}, true};
    testing_start(&t, &spec);
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    struct collateral_parts parts = simulator_collateral(t.simulator);
    CHECK_OK(collateral_store_put(store, &key, &parts, &why), &why);
    spec.now -= 86400;
    CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
    parts = simulator_collateral(t.simulator);
    CHECK_ERR(collateral_store_put(store, &key, &parts, &why), ERR_STALE);
    parts.tcb_info.n = 10;
    CHECK_ERR(collateral_store_put(store, &key, &parts, &why), ERR_INVALID);
    collateral_store_free(store);
    testing_end(&t);
}

TEST(the_folder_survives_the_process_and_the_thread_fetches) {
    char folder[] = "/tmp/attest-store-XXXXXX", command[64];
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct clock_fake clock;
    struct error why = {0};
    struct collateral_store *store;
    struct collateral_item *item = NULL;
    struct origin origin = {&t, 0, 0};
    struct collateral_key key = {QUOTE_TEE_SGX, {9, 8, 7, 6, 5, 4}, false};
    CHECK(mkdtemp(folder) != NULL);
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    struct collateral_store_options o = {
        .folder = folder, .origin = {serve, &origin}, .clock = &clock.clock};
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    CHECK_OK(collateral_store_start(store, &why), &why);
    CHECK_ERR(collateral_store_get(&item, store, &key, &why), ERR_NOT_FOUND);
    for (int i = 0; i < 500 && collateral_store_get(&item, store, &key, &why) < 0; i++) {
        usleep(10000);
    }
    CHECK(item != NULL);
    collateral_item_free(item);
    collateral_store_free(store);
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    CHECK_OK(collateral_store_load(store, &why), &why);
    CHECK_OK(collateral_store_get(&item, store, &key, &why), &why);
    collateral_item_free(item);
    collateral_store_free(store);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    testing_end(&t);
}

TEST_MAIN()
