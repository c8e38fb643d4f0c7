/* Proofs made from states, checked, and refused with any byte changed.
 * SPDX-License-Identifier: MIT */
#include "trie/proof.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/state_root.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

static struct address address_of(size_t i) {
    struct address a = {{0}};
    store_be64(a.b + 12, 0x7000 + i);
    return a;
}

static struct hash slot_of(size_t i) {
    struct hash h = {{0}};
    store_be64(h.b + 24, i);
    return h;
}

#define SLOTS 40

// A state of `count` accounts, of which every third has SLOTS slots.
static struct state_root *make_state(size_t count, struct hash *ret_root) {
    static struct state_account_change change[64];
    static struct state_slot_change slot[SLOTS];
    const struct state_root_options options = {.source = {.get = state_node_of_none}};
    struct state_root *s;
    struct error why;
    for (size_t i = 0; i < SLOTS; i++) {
        slot[i] = (struct state_slot_change){slot_of(i), u256_from_u64(i * i + 1)};
    }
    for (size_t i = 0; i < count; i++) {
        change[i] = (struct state_account_change){.address = address_of(i),
                                                  .nonce = i,
                                                  .balance = u256_from_u64(1000 * i),
                                                  .code_hash = ACCOUNT_EMPTY_CODE,
                                                  .slots = slot,
                                                  .slot_count = i % 3 ? 0 : SLOTS};
    }
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    CHECK_OK(state_root_compute(s, ret_root, change, count, NULL, NULL, NULL, &why), &why);
    return s;
}

TEST(proofs_of_accounts_and_slots_hold) {
    static const size_t counts[] = {0, 1, 2, 5, 60};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        struct hash root;
        struct arena a;
        struct error why;
        arena_init(&a, 0);
        struct state_root *s = make_state(counts[k], &root);
        for (size_t i = 0; i < 64; i++) {
            struct address address = address_of(i);
            const struct hash slots[3] = {slot_of(i % SLOTS), slot_of(SLOTS + i), slot_of(0)};
            struct account_proof p, again;
            bool exists;
            CHECK_OK(account_proof_make(&p, s, &address, slots, 3, &a, &why), &why);
            CHECK_OK(account_proof_check(&exists, &p, &root, &why), &why);
            CHECK(exists == (i < counts[k]));
            CHECK_U64(p.slots[0].value.w[0],
                      exists && i % 3 == 0 ? i % SLOTS * (i % SLOTS) + 1 : 0);
            CHECK(u256_is_zero(p.slots[1].value));
            struct buf out;
            struct json_writer w;
            const struct json *doc;
            buf_init(&out, 0);
            json_writer_init(&w, &out, 0);
            account_proof_encode(&w, NULL, &p);
            CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
            CHECK_OK(account_proof_decode(&again, doc, &a, &why), &why);
            CHECK_OK(account_proof_check(NULL, &again, &root, &why), &why);
            buf_free(&out);
        }
        arena_free(&a);
        state_root_free(s);
    }
}

TEST(proofs_say_what_they_prove) {
    struct hash root;
    struct arena a;
    struct error why;
    struct account_proof p, q;
    arena_init(&a, 0);
    struct state_root *s = make_state(10, &root);
    struct address address = address_of(3), absent = address_of(20);
    struct hash slot = slot_of(5);
    CHECK_OK(account_proof_make(&p, s, &address, &slot, 1, &a, &why), &why);
    q = p;
    q.account.nonce++;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    q = p;
    q.account.balance.w[3] = 1;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    q = p;
    q.account.code_hash.b[0] ^= 1;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    q = p;
    q.account.storage_root.b[31] ^= 1;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    q = p;
    q.address = absent;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    struct proof_slot changed = p.slots[0];
    changed.value.w[0]++;
    q = p;
    q.slots = &changed;
    CHECK_ERR(account_proof_check(NULL, &q, &root, &why), ERR_INVALID);
    root.b[0] ^= 1;
    CHECK_ERR(account_proof_check(NULL, &p, &root, &why), ERR_INVALID);
    root.b[0] ^= 1;

    // An absent account: empty, in either way that nodes write it, and nothing else.
    CHECK_OK(account_proof_make(&p, s, &absent, NULL, 0, &a, &why), &why);
    CHECK_OK(account_proof_check(NULL, &p, &root, &why), &why);
    p.account.code_hash = p.account.storage_root = (struct hash){{0}};
    CHECK_OK(account_proof_check(NULL, &p, &root, &why), &why);
    p.account.balance.w[0] = 1;
    CHECK_ERR(account_proof_check(NULL, &p, &root, &why), ERR_INVALID);
    arena_free(&a);
    state_root_free(s);
}

// Every byte of every node with every bit turned; nodes missing, twice, in another order.
static void check_refusals(const struct hash *root, const struct hash *key, struct proof proof) {
    struct error why;
    struct bytes value, nodes[PROOF_NODES_MAX + 1];
    uint8_t copy[600];
    struct proof p = {nodes, proof.count};
    CHECK(proof.count < PROOF_NODES_MAX);
    memcpy(nodes, proof.nodes, proof.count * sizeof *nodes);
    CHECK_OK(proof_check(&value, root, key, &p, &why), &why);
    for (size_t i = 0; i < proof.count; i++) {
        memcpy(copy, proof.nodes[i].p, proof.nodes[i].n);
        nodes[i].p = copy;
        for (size_t k = 0; k < 8 * proof.nodes[i].n; k++) {
            copy[k / 8] = (uint8_t)(copy[k / 8] ^ 1u << k % 8);
            CHECK(proof_check(&value, root, key, &p, &why) != 0);
            copy[k / 8] = (uint8_t)(copy[k / 8] ^ 1u << k % 8);
        }
        nodes[i].n--;
        CHECK(proof_check(&value, root, key, &p, &why) != 0);
        nodes[i].n += 2;
        copy[nodes[i].n - 1] = 0;
        CHECK(proof_check(&value, root, key, &p, &why) != 0);
        nodes[i] = proof.nodes[i];
    }
    nodes[proof.count] = proof.nodes[proof.count - 1];
    p.count = proof.count + 1;
    CHECK_ERR(proof_check(&value, root, key, &p, &why), ERR_INVALID);
    p.count = proof.count - 1;
    CHECK_ERR(proof_check(&value, root, key, &p, &why), ERR_INVALID);
    p = (struct proof){proof.nodes + 1, proof.count - 1};
    CHECK_ERR(proof_check(&value, root, key, &p, &why), ERR_INVALID);
}

TEST(proofs_with_any_bit_changed_are_refused) {
    struct hash root;
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    struct state_root *s = make_state(60, &root);
    for (size_t i = 0; i < 64; i += 9) {
        struct address address = address_of(i);
        const struct hash slots[2] = {slot_of(i % SLOTS), slot_of(SLOTS + i)};
        struct hash key = keccak256(BYTES_OF(address));
        struct account_proof p;
        CHECK_OK(account_proof_make(&p, s, &address, slots, 2, &a, &why), &why);
        check_refusals(&root, &key, p.proof);
        for (size_t k = 0; k < 2 && i % 3 == 0 && i < 60; k++) {
            key = keccak256(BYTES_OF(slots[k]));
            check_refusals(&p.account.storage_root, &key, p.slots[k].proof);
        }
    }
    arena_free(&a);
    state_root_free(s);
}

TEST(proofs_go_through_nodes_within_nodes) {
    // Keys that differ in their last nibbles only, with short values: leaves of a few bytes stand
    // in their branch, and that one in the extension, which is the only node.
    struct hash key[3], absent = {{0xaa}}, root;
    struct error why;
    struct trie_pool *pool;
    struct trie_change change[3];
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    for (uint8_t i = 0; i < 3; i++) {
        key[i] = (struct hash){{0xaa}};
        key[i].b[31] = (uint8_t)(i + 1);
        change[i] = (struct trie_change){.key = key[i], .value_n = 1, .value = {(uint8_t)(i + 7)}};
    }
    CHECK_OK(trie_apply(pool, &t, change, 3, NULL, NULL, &why), &why);
    struct trie *tries[1] = {&t};
    CHECK_OK(trie_hash(pool, tries, 1, NULL, NULL, &why), &why);
    root = trie_root(&t);
    uint8_t node[128];
    struct bytes nodes[1] = {{node, 0}};
    size_t n = 0;
    // Written by hand: [path of 63 nibbles, [leaf 1, leaf 2, leaf 3 within a branch]].
    node[n++] = 0xf8;
    node[n++] = 0; // length, below
    node[n++] = 0x80 + 32;
    node[n++] = 0x1a;
    node[n++] = 0xa0;
    memset(node + n, 0, 30);
    n += 30;
    size_t branch = n++;
    node[n++] = 0x80;
    for (uint8_t i = 0; i < 3; i++) {
        node[n++] = 0xc2;
        node[n++] = 0x20;
        node[n++] = (uint8_t)(i + 7);
    }
    memset(node + n, 0x80, 13);
    n += 13;
    node[branch] = (uint8_t)(0xc0 + n - branch - 1);
    node[1] = (uint8_t)(n - 2);
    nodes[0].n = n;
    struct hash by_hand = keccak256(nodes[0]);
    CHECK_BYTES(BYTES_OF(by_hand), BYTES_OF(root));
    struct proof proof = {nodes, 1};
    struct bytes value;
    for (uint8_t i = 0; i < 3; i++) {
        CHECK_OK(proof_check(&value, &root, &key[i], &proof, &why), &why);
        CHECK(value.n == 1 && value.p[0] == i + 7);
        check_refusals(&root, &key[i], proof);
    }
    CHECK_OK(proof_check(&value, &root, &absent, &proof, &why), &why);
    CHECK_U64(value.n, 0);
    absent.b[4] = 1; // leaves the path within the extension
    CHECK_OK(proof_check(&value, &root, &absent, &proof, &why), &why);
    CHECK_U64(value.n, 0);
    trie_pool_free(pool);
}

// Nodes of forms that no trie has, each with its own hash as the root.
TEST(proofs_of_malformed_nodes_are_refused) {
    static const struct {
        const char *what;
        int code;
        struct bytes node;
    } cases[] = {
        {"a string", ERR_INVALID,
         BYTES_LIT("\x83"
                   "abc")},
        {"no item", ERR_INVALID, BYTES_LIT("\xc0")},
        {"three items", ERR_INVALID, BYTES_LIT("\xc3\x01\x02\x03")},
        {"18 items", ERR_INVALID,
         BYTES_LIT("\xd2\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")},
        {"an empty branch", ERR_INVALID,
         BYTES_LIT("\xd1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")},
        {"a branch with a value", ERR_INVALID,
         BYTES_LIT("\xd1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {"a reference of one byte", ERR_INVALID,
         BYTES_LIT("\xd1\x05\x06\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")},
        {"a list as a path", ERR_INVALID, BYTES_LIT("\xc2\xc0\x01")},
        {"no path", ERR_INVALID, BYTES_LIT("\xc2\x80\x01")},
        {"an unknown flag", ERR_INVALID, BYTES_LIT("\xc2\x40\x01")},
        {"padding that is not zero", ERR_INVALID, BYTES_LIT("\xc2\x05\x01")},
        {"a leaf too early", ERR_INVALID, BYTES_LIT("\xc2\x20\x01")},
        {"an extension of nothing", ERR_INVALID, BYTES_LIT("\xc2\x00\x01")},
        {"an extension to nothing", ERR_INVALID, BYTES_LIT("\xc2\x10\x80")},
        {"an extension to a leaf", ERR_INVALID, BYTES_LIT("\xc4\x10\xc2\x20\x01")},
        {"bytes behind", ERR_INVALID, BYTES_LIT("\xc2\x20\x01\x00")},
        {"a length beyond the end", ERR_SYNTAX, BYTES_LIT("\xc3\x20\x01")},
        {"an item beyond the end", ERR_SYNTAX, BYTES_LIT("\xc2\x20\x81")},
    };
    static const uint8_t long_node[600];
    struct hash key = {{0}};
    struct error why;
    struct bytes value;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hash root = keccak256(cases[i].node);
        struct proof p = {&cases[i].node, 1};
        int r = proof_check(&value, &root, &key, &p, &why);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].what, error_name(r));
    }
    struct bytes node = bytes_make(long_node, sizeof long_node);
    struct hash root = keccak256(node);
    CHECK_ERR(proof_check(&value, &root, &key, &(struct proof){&node, 1}, &why), ERR_LIMIT);
    CHECK_OK(proof_check(&value, &TRIE_EMPTY_ROOT, &key, &(struct proof){&node, 0}, &why), &why);
    CHECK_ERR(proof_check(&value, &TRIE_EMPTY_ROOT, &key, &(struct proof){&node, 1}, &why),
              ERR_INVALID);
    node = BYTES_LIT("\x80");
    CHECK_OK(proof_check(&value, &TRIE_EMPTY_ROOT, &key, &(struct proof){&node, 1}, &why), &why);
}

TEST(proof_json_is_refused_when_wrong) {
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"address\":\"0x00\"}",
        "{\"address\":\"0x0000000000000000000000000000000000000000\",\"nonce\":"
        "\"0x10000000000000000\",\"balance\":\"0x0\"}",
        "{\"address\":\"0x0000000000000000000000000000000000000000\",\"nonce\":\"0x0\","
        "\"balance\":\"0x0\",\"storageHash\":\"0x00\"}",
    };
    struct arena a;
    struct error why;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct json *doc;
        struct account_proof p;
        CHECK_OK(json_parse(&doc, bytes_from_str(bad[i]), &a, NULL, &why), &why);
        CHECK(account_proof_decode(&p, doc, &a, &why) != 0);
    }
    struct hash zero = {{0}};
    struct buf out;
    struct bytes nodes[PROOF_NODES_MAX + 1];
    for (size_t i = 0; i <= PROOF_NODES_MAX; i++) {
        nodes[i] = BYTES_OF(zero);
    }
    for (int where = 0; where < 2; where++) {
        struct proof many = {nodes, PROOF_NODES_MAX + 1}, none = {nodes, 0};
        struct proof_slot slot = {.proof = where ? many : none};
        struct account_proof p = {.proof = where ? none : many, .slots = &slot, .slot_count = 1};
        struct json_writer w;
        const struct json *doc;
        buf_init(&out, 0);
        json_writer_init(&w, &out, 0);
        account_proof_encode(&w, NULL, &p);
        CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
        CHECK_ERR(account_proof_decode(&p, doc, &a, &why), ERR_LIMIT);
        buf_free(&out);
    }
    arena_free(&a);
}

TEST_MAIN()
