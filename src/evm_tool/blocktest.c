/* SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"

#include "base/hex.h"
#include "chain/block_run.h"
#include "chain/header_check.h"
#include "chain/ommers.h"
#include "evm_tool/fixture.h"

#include <stdio.h>

/* Networks. */

static bool find_word(struct bytes text, const char *word, struct bytes *ret_before,
                      struct bytes *ret_after) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        if (memcmp(text.p + i, word, n) != 0) continue;
        *ret_before = bytes_slice(text, 0, i);
        *ret_after = bytes_slice(text, i + n, text.n);
        return true;
    }
    return false;
}

static uint64_t read_number(struct bytes text) {
    uint64_t v = 0;
    for (size_t i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    }
    return text.n && text.p[text.n - 1] == 'k' ? v * 1000 : v;
}

static bool read_hex(struct u256 *ret, struct bytes text) {
    *ret = U256_ZERO;
    for (size_t i = 0; i < text.n; i++) {
        const char digits[] = "0123456789abcdef";
        const char *d = strchr(digits, text.p[i] | 0x20);
        if (!d || text.n > 64) return false;
        *ret = u256_add(u256_shift_left(*ret, 4), u256_from_u64((uint64_t)(d - digits)));
    }
    return text.n > 0;
}

bool blocktest_network(struct chain_config *ret, enum fork *ret_fork, struct bytes name) {
    struct bytes from, rest, to, at;
    int first = fork_parse(name);
    if (first >= 0) {
        chain_config_all_at(ret, (enum fork)first, 1);
        *ret_fork = (enum fork)first;
        return true;
    }
    if (!find_word(name, "To", &from, &rest) || !find_word(rest, "At", &to, &at)) return false;
    bool dao = bytes_equal_str(to, "Dao");
    int last = dao ? FORK_HOMESTEAD : fork_parse(to);
    first = fork_parse(from);
    if (first < 0 || last < 0) return false;
    *ret_fork = (enum fork)first;
    struct chain_config later;
    chain_config_all_at(ret, (enum fork)first, 1);
    chain_config_all_at(&later, (enum fork)last, 1);
    if (bytes_starts_with(at, BYTES_LIT("Diff"))) {
        ret->has_terminal_total_difficulty = true;
        return read_hex(&ret->terminal_total_difficulty, bytes_slice(at, 4, at.n));
    }
    bool time = bytes_starts_with(at, BYTES_LIT("Time"));
    uint64_t when = read_number(time ? bytes_slice(at, 4, at.n) : at);
    if (dao) ret->dao_block = when;
    for (int f = first + 1; f <= last; f++) {
        ret->activation[f] = when;
    }
    for (unsigned i = 0; i < later.blobs_count; i++) {
        later.blobs[i].from = when;
        (void)chain_config_add_blobs(ret, later.blobs[i]);
    }
    return true;
}

/* The tree of blocks: every block with the state after it. */

struct node {
    struct node *next; // in order of import, newest first
    const struct node *parent;
    struct hash hash;
    struct block block;
    struct u256 total_difficulty;
    struct memory_state state;
};

struct tree {
    struct workbench *w;
    struct chain_config config;
    struct node *newest;
    const struct node *head;
    struct block_run run;
};

static const struct node *find_node(const struct tree *t, const struct hash *hash) {
    const struct node *n = t->newest;
    while (n && !hash_equal(&n->hash, hash)) {
        n = n->next;
    }
    return n;
}

static void free_tree(struct tree *t) {
    for (struct node *n = t->newest; n; n = n->next) {
        memory_state_free(&n->state); // the nodes stand in the arena
    }
    block_run_free(&t->run);
}

static int hash_above(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct node *n = ctx;
    while (n && n->block.header.number > number) {
        n = n->parent;
    }
    if (!n) return error_set(why, ERR_NOT_FOUND, "no block %llu", (unsigned long long)number);
    *ret = n->hash;
    return 0;
}

static int root_now(void *ctx, struct state *s, struct hash *ret, struct error *why) {
    struct memory_state *m = ctx;
    int r = memory_state_apply(m, s, why);
    return r == 0 ? memory_state_root(ret, m, why) : r;
}

static size_t ancestors_of(const struct node *parent, struct ommer_ancestor ret[OMMER_ANCESTORS]) {
    size_t n = 0;
    for (; parent && n < OMMER_ANCESTORS; parent = parent->parent) {
        ret[n++] = (struct ommer_ancestor){parent->hash, &parent->block};
    }
    return n;
}

static int execute(struct tree *t, struct node *n, struct error *why) {
    struct workbench *w = t->w;
    struct block_env env = block_env_of(&t->config, &n->block);
    struct block_outcome outcome;
    struct hash root;
    env.block_hash = hash_above;
    env.block_hash_ctx = (void *)(uintptr_t)n->parent;
    env.state_root = root_now;
    env.state_root_ctx = &n->state;
    state_reset(&w->state, memory_state_reader(&n->state));
    int r =
        block_run_all(&t->run, &w->state, &env, &n->block, NULL, NULL, &outcome, &w->arena, why);
    if (r == 0) r = root_now(&n->state, &w->state, &root, why);
    if (r == 0 && !hash_equal(&root, &n->block.header.state_root)) {
        r = error_set(why, ERR_INVALID, "state root differs from the header's");
    }
    return r;
}

static int import(struct tree *t, struct bytes rlp, struct error *why) {
    struct node *n = arena_new(&t->w->arena, struct node);
    struct ommer_ancestor ancestors[OMMER_ANCESTORS];
    if (!n) return error_set(why, ERR_NO_MEMORY, "no memory");
    memory_state_init(&n->state);
    int r = block_decode(&n->block, rlp, &t->w->arena, why);
    if (r == 0) r = header_hash(&n->hash, &n->block.header, why);
    if (r != 0) return r;
    const struct header *h = &n->block.header;
    n->parent = find_node(t, &h->parent_hash);
    if (!n->parent) return error_set(why, ERR_NOT_FOUND, "unknown parent");
    r = header_check(&t->config, h, &n->parent->block.header, &n->parent->total_difficulty, why);
    size_t count = ancestors_of(n->parent, ancestors);
    if (r == 0) r = ommers_check(&t->config, &n->block, ancestors, count, why);
    if (r == 0) r = memory_state_copy(&n->state, &n->parent->state, why);
    if (r == 0) r = execute(t, n, why);
    if (r != 0) {
        memory_state_free(&n->state);
        return r;
    }
    n->total_difficulty = u256_add(n->parent->total_difficulty, h->difficulty);
    n->next = t->newest;
    t->newest = n;
    bool merged = u256_is_zero(h->difficulty);
    if (merged || u256_compare(n->total_difficulty, t->head->total_difficulty) > 0) t->head = n;
    return 0;
}

static int plant(struct tree *t, const struct json *test, struct error *why) {
    struct node *n = arena_new(&t->w->arena, struct node);
    struct bytes rlp;
    struct hash root;
    if (!n) return error_set(why, ERR_NO_MEMORY, "no memory");
    memory_state_init(&n->state);
    t->newest = n;
    t->head = n;
    int r = fixture_get_bytes(&rlp, test, "genesisRLP", &t->w->arena, why);
    if (r == 0) r = block_decode(&n->block, rlp, &t->w->arena, why);
    if (r == 0) r = header_hash(&n->hash, &n->block.header, why);
    if (r == 0) r = fixture_accounts(&n->state, json_get(test, "pre"), &t->w->arena, why);
    if (r == 0) r = memory_state_root(&root, &n->state, why);
    if (r != 0) return error_wrap(why, "genesis");
    n->total_difficulty = n->block.header.difficulty;
    if (hash_equal(&root, &n->block.header.state_root)) return 0;
    return error_set(why, ERR_INVALID, "the genesis has another state root");
}

static int import_all(struct tree *t, const struct json *blocks, struct error *why) {
    unsigned i = 0;
    json_each(item, blocks) {
        struct bytes rlp;
        const struct json *refused = json_get(item, "expectException");
        if (!refused) refused = json_get(item, "expectExceptionALL");
        int r = fixture_get_bytes(&rlp, item, "rlp", &t->w->arena, why);
        if (r == 0) r = import(t, rlp, why);
        if (r == ERR_NO_MEMORY || r == ERR_INTERNAL) return r;
        if (r != 0 && !refused) return error_wrap(why, "block %u", i);
        if (r == 0 && refused) {
            struct bytes text = json_text(refused);
            return error_set(why, ERR_INVALID, "block %u is accepted, expected %.*s", i,
                             (int)text.n, (const char *)text.p);
        }
        i++;
    }
    return 0;
}

static int check_head(struct tree *t, const struct json *test, struct error *why) {
    struct hash last, root, expected;
    int r = fixture_get_hash(&last, test, "lastblockhash", why);
    if (r != 0) return r;
    if (!hash_equal(&last, &t->head->hash)) {
        char hex[65] = {0};
        hex_encode(hex, BYTES_OF(t->head->hash));
        return error_set(why, ERR_INVALID, "the head is 0x%s", hex);
    }
    r = memory_state_root(&root, &t->head->state, why);
    if (r != 0) return r;
    if (json_get(test, "postState")) {
        struct memory_state post;
        memory_state_init(&post);
        r = fixture_accounts(&post, json_get(test, "postState"), &t->w->arena, why);
        if (r == 0) r = memory_state_root(&expected, &post, why);
        memory_state_free(&post);
    } else {
        r = fixture_get_hash(&expected, test, "postStateHash", why);
    }
    if (r != 0 || hash_equal(&root, &expected)) return r;
    return error_set(why, ERR_INVALID, "the state in the end is another");
}

static void run_test(struct workbench *w, struct bytes name, const struct json *test) {
    struct tree t = {.w = w};
    struct error why = {0};
    enum fork fork;
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.n, (const char *)name.p);
    if (!blocktest_network(&t.config, &fork, json_text(json_get(test, "network")))) {
        workbench_report(w, VERDICT_SKIPPED, text, "unknown network");
        return;
    }
    if (w->fork >= 0 && (int)fork != w->fork) return;
    block_run_init(&t.run, &w->vm);
    int r = fixture_blob_schedule(&t.config, json_get(test, "config"), fork, &why);
    if (r == 0) r = plant(&t, test, &why);
    if (r == 0) r = import_all(&t, json_get(test, "blocks"), &why);
    if (r == 0) r = check_head(&t, test, &why);
    workbench_report(w, r == 0 ? VERDICT_PASSED : VERDICT_FAILED, text, "%s", why.text);
    state_reset(&w->state, memory_state_reader(&w->memory));
    free_tree(&t);
}

bool blocktest_is_format(const struct json *doc) {
    const struct json *first = json_member_value(json_first(json_as_object(doc)));
    return json_get(first, "genesisRLP") && json_get(first, "blocks") && json_get(first, "network");
}

void blocktest_run_json(struct workbench *w, const struct json *doc) {
    json_members(key, test, doc) {
        run_test(w, json_text(key), test);
    }
}

void blocktest_run(struct workbench *w, struct bytes content) {
    const struct json *doc = workbench_parse(w, content);
    if (!doc) return;
    if (blocktest_is_format(doc)) {
        blocktest_run_json(w, doc);
    } else {
        workbench_report(w, VERDICT_FAILED, "-", "not a file of block tests");
    }
}
