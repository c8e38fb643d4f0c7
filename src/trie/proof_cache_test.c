/* Nodes of proofs: found by every root that has them, forgotten by age, never trusted by name.
 * SPDX-License-Identifier: MIT */
#include "trie/proof_cache.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/state_root.h"

static struct address address_of(size_t i) {
    struct address a = {{0}};
    store_be64(a.b + 12, 0x9000 + i);
    return a;
}

static struct hash slot_of(size_t i) {
    struct hash h = {{0}};
    store_be64(h.b + 24, i);
    return h;
}

#define ACCOUNTS 200
#define SLOTS 20

// Accounts of balance `base` + i; those that 5 divides have slots.
static void change_of(struct state_account_change change[ACCOUNTS], struct state_slot_change *slots,
                      uint64_t base) {
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i] = (struct state_slot_change){slot_of(i), u256_from_u64(i + 7)};
    }
    for (size_t i = 0; i < ACCOUNTS; i++) {
        change[i] = (struct state_account_change){.address = address_of(i),
                                                  .balance = u256_from_u64(base + i),
                                                  .code_hash = ACCOUNT_EMPTY_CODE,
                                                  .slots = slots,
                                                  .slot_count = i % 5 ? 0 : SLOTS};
    }
}

static struct state_root *make_state(struct hash *ret_root, uint64_t base) {
    static struct state_account_change change[ACCOUNTS];
    static struct state_slot_change slots[SLOTS];
    const struct state_root_options options = {.source = {.get = state_node_of_none}};
    struct state_root *s;
    struct error why;
    change_of(change, slots, base);
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    CHECK_OK(state_root_compute(s, ret_root, change, ACCOUNTS, NULL, NULL, NULL, &why), &why);
    return s;
}

static void add(struct proof_cache *c, struct state_root *s, const struct address *address,
                const struct hash *slot) {
    struct account_proof p;
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    CHECK_OK(account_proof_make(&p, s, address, slot, slot ? 1 : 0, &a, &why), &why);
    CHECK_OK(proof_cache_add_proof(c, &p, &why), &why);
    arena_free(&a);
}

TEST(what_was_proved_is_found_and_nothing_else) {
    struct proof_cache *c;
    struct account got;
    struct hash root, slot = slot_of(3), other = slot_of(SLOTS + 3);
    struct error why;
    struct u256 value;
    bool exists;
    CHECK_OK(proof_cache_new(&c, 1 << 22, &why), &why);
    struct state_root *s = make_state(&root, 1000);
    struct address here = address_of(5), there = address_of(6), nowhere = address_of(ACCOUNTS);
    CHECK_ERR(proof_cache_account(c, &got, &exists, &root, &here, &why), ERR_NOT_FOUND);
    add(c, s, &here, &slot);
    CHECK_OK(proof_cache_account(c, &got, &exists, &root, &here, &why), &why);
    CHECK(exists);
    CHECK_U64(got.balance.w[0], 1005);
    CHECK_OK(proof_cache_slot(c, &value, &got.storage_root, &slot, &why), &why);
    CHECK_U64(value.w[0], 10);
    CHECK_ERR(proof_cache_account(c, &got, &exists, &root, &there, &why), ERR_NOT_FOUND);
    add(c, s, &nowhere, NULL);
    CHECK_OK(proof_cache_account(c, &got, &exists, &root, &nowhere, &why), &why);
    CHECK(!exists && account_is_empty(&got));
    add(c, s, &here, &other);
    CHECK_OK(proof_cache_account(c, &got, NULL, &root, &here, &why), &why);
    CHECK_OK(proof_cache_slot(c, &value, &got.storage_root, &other, &why), &why);
    CHECK(u256_is_zero(value));
    state_root_free(s);
    proof_cache_free(c);
}

TEST(what_a_block_leaves_alone_stays_known) {
    struct proof_cache *c;
    struct hash before, after, slot = slot_of(1);
    struct error why;
    struct account got;
    struct u256 value;
    CHECK_OK(proof_cache_new(&c, 1 << 22, &why), &why);
    struct state_root *s = make_state(&before, 1), *t = make_state(&after, 2);
    struct address a = address_of(10);
    add(c, s, &a, &slot);
    add(c, t, &a, NULL); // the account is another one, its storage the same
    CHECK_OK(proof_cache_account(c, &got, NULL, &after, &a, &why), &why);
    CHECK_U64(got.balance.w[0], 12);
    CHECK_OK(proof_cache_slot(c, &value, &got.storage_root, &slot, &why), &why);
    CHECK_U64(value.w[0], 8);
    CHECK_OK(proof_cache_account(c, &got, NULL, &before, &a, &why), &why);
    CHECK_U64(got.balance.w[0], 11);
    state_root_free(s);
    state_root_free(t);
    proof_cache_free(c);
}

TEST(memory_is_bounded_and_what_is_used_stays) {
    struct proof_cache *c;
    struct error why;
    uint8_t kept[64] = "asked for again and again, and therefore never forgotten......";
    uint8_t node[TRIE_NODE_MAX], out[TRIE_NODE_MAX];
    size_t n;
    const size_t limit = 1 << 20;
    CHECK_OK(proof_cache_new(&c, limit, &why), &why);
    CHECK_OK(proof_cache_add(c, bytes_make(kept, sizeof kept), &why), &why);
    struct hash name = keccak256(bytes_make(kept, sizeof kept)), first = {{0}};
    memset(node, 7, sizeof node);
    for (uint32_t i = 0; i < 20000; i++) {
        store_be32(node, i);
        CHECK_OK(proof_cache_add(c, bytes_make(node, sizeof node), &why), &why);
        if (i == 0) first = keccak256(bytes_make(node, sizeof node));
        if (i % 50 == 0) CHECK(proof_cache_node(c, &name, out, &n) && n == sizeof kept);
        CHECK(proof_cache_bytes(c) <= limit + limit / 8);
    }
    CHECK(memcmp(out, kept, sizeof kept) == 0);
    CHECK(!proof_cache_node(c, &first, out, &n));
    uint8_t long_one[TRIE_NODE_MAX + 1] = {1};
    CHECK_OK(proof_cache_add(c, bytes_make(long_one, sizeof long_one), &why), &why);
    name = keccak256(bytes_make(long_one, sizeof long_one));
    CHECK(!proof_cache_node(c, &name, out, &n));
    proof_cache_free(c);
}

TEST_MAIN()
