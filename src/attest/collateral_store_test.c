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
    struct collateral_store_options o = {
        .root = simulator_root(t.simulator), .origin = {serve, &origin}, .clock = &clock.clock};
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
    struct collateral_key key = {QUOTE_TEE_TDX, {1, 2, 3, 4, 5, 6}, true};
    struct collateral_item *item;
    struct clock_fake clock;
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    struct collateral_store_options o = {.root = simulator_root(t.simulator),
                                         .clock = &clock.clock};
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    struct collateral_parts parts = simulator_collateral(t.simulator);
    CHECK_OK(collateral_store_put(store, &key, &parts, &why), &why);
    CHECK_OK(collateral_store_get(&item, store, &key, &why), &why);
    const struct collateral *first = collateral_item_view(item);
    spec.now -= 86400;
    CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
    parts = simulator_collateral(t.simulator);
    CHECK_ERR(collateral_store_put(store, &key, &parts, &why), ERR_STALE);
    for (size_t i = 0; i < 4; i++) { // the documents and lists, each alone
        struct collateral_parts mixed = first->parts;
        *collateral_part(&mixed, i) = *collateral_part(&parts, i);
        CHECK_ERR(collateral_store_put(store, &key, &mixed, &why), ERR_STALE);
    }
    collateral_item_free(item);
    parts.tcb_info.n = 10;
    CHECK_ERR(collateral_store_put(store, &key, &parts, &why), ERR_INVALID);
    collateral_store_free(store);
    testing_end(&t);
}

// What a hostile service can put together of what it has: nothing of it may take a place that the
// genuine documents need.
TEST(only_what_is_signed_under_the_root_becomes_an_item) {
    struct testing t, other;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct collateral_store *store;
    struct collateral_key key = {QUOTE_TEE_TDX, {1, 2, 3, 4, 5, 6}, true};
    testing_start(&t, &spec);
    spec.now += 86400;
    testing_start(&other, &spec);
    struct collateral_store_options o = {.root = simulator_root(t.simulator)};
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    struct collateral_parts good = simulator_collateral(t.simulator);
    struct collateral_parts bad = simulator_collateral(other.simulator);
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        struct collateral_parts mixed = good;
        if (collateral_part(&bad, i)->n == 0) continue;
        *collateral_part(&mixed, i) = *collateral_part(&bad, i);
        CHECK_ERR(collateral_store_put(store, &key, &mixed, &why), ERR_UNTRUSTED);
    }
    CHECK_ERR(collateral_store_put(store, &key, &bad, &why), ERR_UNTRUSTED);
    struct collateral_key foreign[] = {key, key, key};
    foreign[0].tee = QUOTE_TEE_SGX;
    foreign[1].fmspc[5]++;
    foreign[2].platform_ca = false;
    for (size_t i = 0; i < 3; i++)
        CHECK_ERR(collateral_store_put(store, &foreign[i], &good, &why), ERR_INVALID);
    CHECK_OK(collateral_store_put(store, &key, &good, &why), &why);
    // Another root: what was trusted is no longer, and the other way about.
    CHECK_ERR(collateral_store_trust(store, BYTES_LIT("0"), &why), ERR_SYNTAX);
    CHECK_OK(collateral_store_trust(store, simulator_root(other.simulator), &why), &why);
    CHECK_ERR(collateral_store_put(store, &key, &good, &why), ERR_UNTRUSTED);
    CHECK_OK(collateral_store_put(store, &key, &bad, &why), &why);
    collateral_store_free(store);
    testing_end(&other);
    testing_end(&t);
}

TEST(keys_that_peers_make_up_do_not_keep_out_the_next) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct clock_fake clock;
    struct error why = {0};
    struct collateral_store *store;
    struct collateral_item *item;
    struct origin origin = {&t, 0, 0};
    struct collateral_key key = {QUOTE_TEE_TDX, {1, 2, 3, 4, 5, 6}, true};
    struct collateral_key made_up = {QUOTE_TEE_TDX, {9}, true};
    uint64_t next;
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    struct collateral_store_options o = {
        .root = simulator_root(t.simulator), .origin = {serve, &origin}, .clock = &clock.clock};
    CHECK_OK(collateral_store_new(&store, &o, &why), &why);
    for (unsigned i = 0; i < COLLATERAL_STORE_ITEMS_MAX; i++) {
        store_le32(made_up.fmspc + 1, i);
        CHECK_ERR(collateral_store_get(&item, store, &made_up, &why), ERR_NOT_FOUND);
    }
    CHECK_U64(collateral_store_renew(store, &next), COLLATERAL_STORE_ITEMS_MAX);
    CHECK_ERR(collateral_store_get(&item, store, &key, &why), ERR_NOT_FOUND);
    CHECK_U64(collateral_store_renew(store, &next), 1);
    CHECK_OK(collateral_store_get(&item, store, &key, &why), &why);
    // What is there stays, whatever is made up.
    for (unsigned i = 0; i < 2 * COLLATERAL_STORE_ITEMS_MAX; i++) {
        struct collateral_item *none;
        store_le32(made_up.fmspc + 1, i + 1000);
        CHECK_ERR(collateral_store_get(&none, store, &made_up, &why), ERR_NOT_FOUND);
        (void)collateral_store_renew(store, &next);
    }
    collateral_item_free(item);
    CHECK_OK(collateral_store_get(&item, store, &key, &why), &why);
    collateral_item_free(item);
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
    struct collateral_key key = {QUOTE_TEE_TDX, {1, 2, 3, 4, 5, 6}, true};
    CHECK(mkdtemp(folder) != NULL);
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    struct collateral_store_options o = {.folder = folder,
                                         .root = simulator_root(t.simulator),
                                         .origin = {serve, &origin},
                                         .clock = &clock.clock};
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
