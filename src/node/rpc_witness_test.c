/* A witness is enough: blocks are validated from it alone. SPDX-License-Identifier: MIT */
#include "chain/block_run.h"
#include "chain/state_changes.h"
#include "crypto/keccak.h"
#include "node/rpc_ask_testing.h"

#include <stdlib.h>

static struct rpc_fixture f;
static struct error why;

/* A state whose only content is a witness. */
struct small_state {
    struct bytes nodes[4096], codes[256];
    struct hash node_hashes[4096], code_hashes[256];
    size_t node_count, code_count;
    struct state_root *root;
};
static struct small_state small;

static int find_node(void *arg, const struct hash *owner, const struct trie_path *path,
                     const struct trie_ref *ref, struct bytes *ret, struct error *error) {
    (void)arg, (void)owner, (void)path;
    for (size_t i = 0; i < small.node_count; i++) {
        if (memcmp(small.node_hashes[i].b, ref->b, 32) != 0) continue;
        *ret = small.nodes[i];
        return 0;
    }
    return error_set(error, ERR_NOT_FOUND, "the witness lacks a node");
}

static void nothing(void *arg, struct bytes node) {
    (void)arg, (void)node;
}
static const struct state_proof_sink sink = {nothing, nothing, NULL};

static int read_account(void *ctx, struct state_base_account *ret, const struct address *address,
                        struct error *error) {
    struct account a;
    struct u256 value;
    bool exists;
    (void)ctx;
    int r = state_root_prove(small.root, address, NULL, &exists, &a, &value, &sink, error);
    if (r != 0) return r;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    if (!exists) return 0;
    *ret =
        (struct state_base_account){.balance = a.balance,
                                    .nonce = a.nonce,
                                    .code_hash = a.code_hash,
                                    .exists = true,
                                    .has_storage = !hash_equal(&a.storage_root, &TRIE_EMPTY_ROOT)};
    return 0;
}

static int read_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *error) {
    struct account a;
    struct hash slot;
    bool exists;
    (void)ctx;
    u256_store_be(slot.b, *key);
    return state_root_prove(small.root, address, &slot, &exists, &a, ret, &sink, error);
}

static int read_code(void *ctx, struct bytes *ret, const struct hash *hash, struct error *error) {
    (void)ctx;
    for (size_t i = 0; i < small.code_count; i++) {
        if (!hash_equal(&small.code_hashes[i], hash)) continue;
        *ret = small.codes[i];
        return 0;
    }
    return error_set(error, ERR_NOT_FOUND, "the witness lacks a code");
}

static void read_pile(struct bytes *items, struct hash *hashes, size_t *count, size_t room,
                      const struct json *list) {
    *count = 0;
    json_each(item, list) {
        CHECK(*count < room);
        CHECK_OK(json_data(&items[*count], item, &f.arena, &why), &why);
        hashes[*count] = keccak256(items[*count]);
        if (*count) CHECK(bytes_compare(items[*count - 1], items[*count]) < 0);
        ++*count;
    }
}

static int no_hash(void *ctx, struct hash *ret, uint64_t number, struct error *error) {
    (void)ctx, (void)ret, (void)number;
    return error_set(error, ERR_NOT_FOUND, "the test's code asks for no hashes");
}

static void validate(uint64_t number) {
    const struct head_block *b;
    CHECK_OK(head_block_by_number(f.head, &b, number, &why), &why);
    const struct json *w =
        rpc_result(&f, "debug_executionWitness",
                   arena_printf(&f.arena, "[\"0x%llx\"]", (unsigned long long)number));
    read_pile(small.nodes, small.node_hashes, &small.node_count, 4096, json_get(w, "state"));
    read_pile(small.codes, small.code_hashes, &small.code_count, 256, json_get(w, "codes"));
    CHECK_U64(json_count(json_get(w, "headers")), 1);
    struct bytes rlp;
    struct header parent;
    struct hash parent_hash, root;
    CHECK_OK(json_data(&rlp, json_at(json_get(w, "headers"), 0), &f.arena, &why), &why);
    CHECK_OK(header_decode(&parent, rlp, &why), &why);
    CHECK_OK(header_hash(&parent_hash, &parent, &why), &why);
    CHECK_BYTES(BYTES_OF(parent_hash), BYTES_OF(b->block.header.parent_hash));

    const struct state_root_options options = {.source = {.get = find_node}};
    CHECK_OK(state_root_create(&small.root, &parent.state_root, &options, &why), &why);
    struct evm vm;
    struct state state;
    struct block_run run;
    struct block_outcome outcome;
    struct state_changes changes;
    struct evm_code_cache *codes = evm_code_cache_new();
    const struct state_reader reader = {NULL, read_account, read_slot, read_code};
    CHECK_OK(evm_init(&vm, codes, head_precompiles(f.head), &why), &why);
    CHECK_OK(state_init(&state, reader, codes, &why), &why);
    block_run_init(&run, &vm);
    struct block_env env = block_env_of(f.node.config, &b->block);
    env.block_hash = no_hash;
    CHECK_OK(block_run_all(&run, &state, &env, &b->block, NULL, NULL, &outcome, &f.arena, &why),
             &why);
    CHECK_OK(state_changes_of(&changes, &state, &f.arena, &why), &why);
    CHECK_OK(state_root_compute(small.root, &root, changes.accounts, changes.count, NULL, NULL,
                                NULL, &why),
             &why);
    CHECK_BYTES(BYTES_OF(root), BYTES_OF(b->block.header.state_root));
    block_run_free(&run);
    state_free(&state);
    evm_free(&vm);
    evm_code_cache_free(codes);
    state_root_free(small.root);
    head_block_release(b);
}

TEST(blocks_are_validated_from_their_witness) {
    rpc_begin(&f, 8, 30);
    for (uint64_t n = 1; n <= 8; n++) {
        validate(n);
    }
    rpc_check_error(&f, "debug_executionWitness", "[\"0x0\"]", -32000,
                    "block 0x0 found, but parent missing");
    rpc_check_error(&f, "debug_executionWitness", "[\"0x99\"]", -32000, NULL);
    rpc_check_error(&f, "debug_executionWitness", "[\"pending\"]", -32000, NULL);
    rpc_check_error(&f, "debug_executionWitness", "[]", -32602, NULL);
    rpc_fixture_close(&f);
}

TEST_MAIN()
