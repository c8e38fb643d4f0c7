/* SPDX-License-Identifier: MIT */
#include "node/beacon_chain.h"

#include "base/clock.h"
#include "test/harness/test.h"

static struct error why;

static void begin(struct beacon_chain *c) {
    static const uint8_t version[4] = {0, 0, 0, 1};
    const struct hash exec = {{7}};
    *c = (struct beacon_chain){.genesis_s = 1000,
                               .zero_ns = 1000 * NS_PER_S,
                               .slot_ns = 2 * NS_PER_S,
                               .slots_per_epoch = 4};
    CHECK_OK(validators_make(&c->validators, "test", 5, version, &why), &why);
    CHECK_OK(beacon_chain_init(c, 0, &exec, 0, &why), &why);
}

static struct hash add(struct beacon_chain *c, const struct hash *parent, uint64_t slot,
                       uint8_t branch) {
    struct beacon_record r = {.slot = slot, .parent_root = *parent};
    r.root.b[0] = branch;
    store_be64(r.root.b + 1, slot);
    r.exec_hash = r.root;
    beacon_add(c, &r);
    return r.root;
}

TEST(slots_and_epochs_follow_the_clock) {
    struct beacon_chain c;
    begin(&c);
    CHECK_U64(beacon_slot_at(&c, 0), 0);
    CHECK_U64(beacon_slot_at(&c, 1000 * NS_PER_S), 0);
    CHECK_U64(beacon_slot_at(&c, 1002 * NS_PER_S), 1);
    CHECK_U64(beacon_slot_at(&c, 1003 * NS_PER_S + 999), 1);
    CHECK_U64(beacon_timestamp(&c, 10), 1020);
    CHECK_U64(beacon_start_ns(&c, 10), 1020 * NS_PER_S);
    CHECK_U64(beacon_slot_of(&c, 1020), 10);
    CHECK(!beacon_has_own_time(&c));
    CHECK_U64(beacon_epoch_of(&c, 7), 1);
    bool seen[5] = {false};
    for (uint64_t slot = 0; slot < 100; slot++) {
        CHECK(beacon_proposer(&c, slot) < 5);
        CHECK_U64(beacon_proposer(&c, slot), beacon_proposer(&c, slot));
        seen[beacon_proposer(&c, slot)] = true;
    }
    for (size_t i = 0; i < 5; i++) {
        CHECK(seen[i]);
    }
    beacon_chain_free(&c);
}

TEST(short_slots_have_a_time_of_their_own) {
    struct beacon_chain c;
    static const uint8_t version[4] = {0, 0, 0, 1};
    const struct hash exec = {{7}};
    c = (struct beacon_chain){.genesis_s = 1000,
                              .zero_ns = 5000 * NS_PER_S,
                              .slot_ns = 1500 * NS_PER_MS,
                              .slots_per_epoch = 4};
    CHECK_OK(validators_make(&c.validators, "test", 5, version, &why), &why);
    CHECK_OK(beacon_chain_init(&c, 1007, &exec, 3, &why), &why);
    CHECK_U64(beacon_head(&c)->slot, 3); // two whole seconds a slot
    CHECK_U64(beacon_timestamp(&c, 3), 1006);
    CHECK_U64(beacon_start_ns(&c, 3), 5004500 * NS_PER_MS);
    CHECK_U64(beacon_slot_at(&c, 5004500 * NS_PER_MS), 3);
    CHECK_U64(beacon_slot_at(&c, 5004500 * NS_PER_MS - 1), 2);
    CHECK(beacon_has_own_time(&c));
    beacon_chain_free(&c);
}

TEST(branches_and_marks_are_of_the_heads_chain) {
    struct beacon_chain c;
    const struct beacon_record *justified, *finalized;
    begin(&c);
    struct hash at = beacon_head(&c)->root, fork = at;
    for (uint64_t slot = 1; slot <= 14; slot++) {
        if (slot == 9) continue; // a slot without a block
        at = add(&c, &at, slot, 1);
        if (slot == 12) fork = at;
    }
    CHECK_U64(beacon_head(&c)->slot, 14);
    CHECK_U64(beacon_at(&c, 9)->slot, 8);
    CHECK_U64(beacon_ancestor(&c, 6)->slot, 7);
    beacon_marks(&c, &justified, &finalized);
    CHECK_U64(justified->slot, 8); // begins epoch 2; the head is in 3
    CHECK_U64(finalized->slot, 4);
    struct hash other = add(&c, &fork, 15, 2);
    CHECK(hash_equal(&beacon_head(&c)->root, &other));
    CHECK_U64(beacon_at(&c, 14)->slot, 12);
    CHECK(beacon_find(&c, &at) != NULL); // remembered, though on no chain
    CHECK(beacon_find(&c, &(struct hash){{99}}) == NULL);
    beacon_chain_free(&c);
}

TEST(more_blocks_than_are_remembered) {
    struct beacon_chain c;
    begin(&c);
    struct hash at = beacon_head(&c)->root;
    for (uint64_t slot = 1; slot <= BEACON_RECORDS + 10; slot++) {
        at = add(&c, &at, slot, 1);
    }
    CHECK_U64(beacon_head(&c)->slot, BEACON_RECORDS + 10);
    CHECK_U64(beacon_at(&c, 0)->slot, 11); // the oldest that is left
    beacon_chain_free(&c);
}

TEST(lengths_of_epochs_have_bounds) {
    struct beacon_chain c = {.slot_ns = NS_PER_S, .slots_per_epoch = BEACON_EPOCH_MAX + 1};
    CHECK_ERR(beacon_chain_init(&c, 0, &(struct hash){{0}}, 0, &why), ERR_RANGE);
    static const uint64_t wrong[] = {0, 99 * NS_PER_MS, 200 * NS_PER_MS + 1, 3601 * NS_PER_S};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        c = (struct beacon_chain){.slots_per_epoch = 4, .slot_ns = wrong[i]};
        CHECK_ERR(beacon_chain_init(&c, 0, &(struct hash){{0}}, 0, &why), ERR_RANGE);
    }
}

TEST_MAIN()
