/* SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"

#include "base/hex.h"
#include "chain/head.h"
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

// Adds what a later fork, and its blob parameters, change from a block or a time on.
static int change(struct chain_config *ret, int first, int last, bool timed, uint64_t when,
                  const struct chain_config *later, struct bytes to, const struct json *config,
                  struct error *why) {
    for (int f = first + 1; f <= last; f++) {
        ret->activation[f] = when;
    }
    uint64_t from = timed ? when : 0;
    for (unsigned i = 0; i < later->blobs_count; i++) {
        struct blob_params p = later->blobs[i];
        p.from = from;
        (void)chain_config_add_blobs(ret, p);
    }
    return fixture_blob_schedule(ret, config, to, from, why);
}

int blocktest_network(struct chain_config *ret, enum fork *ret_fork, struct bytes name,
                      const struct json *config, struct error *why) {
    struct bytes from = name, rest, to, at;
    struct chain_config later;
    int first = chain_config_at_name(ret, name, 1);
    bool whole = first >= 0;
    if (!whole && find_word(name, "To", &from, &rest) && find_word(rest, "At", &to, &at)) {
        first = chain_config_at_name(ret, from, 1);
    }
    if (first < 0) return error_set(why, ERR_NOT_FOUND, "unknown network");
    *ret_fork = (enum fork)first;
    int r = fixture_blob_schedule(ret, config, from, 0, why);
    if (r != 0 || whole) return r;
    bool dao = bytes_equal_str(to, "Dao");
    int last = chain_config_at_name(&later, dao ? BYTES_LIT("Homestead") : to, 1);
    if (last < 0) return error_set(why, ERR_NOT_FOUND, "unknown network");
    if (bytes_starts_with(at, BYTES_LIT("Diff"))) {
        ret->has_terminal_total_difficulty = true;
        return read_hex(&ret->terminal_total_difficulty, bytes_slice(at, 4, at.n))
                   ? 0
                   : error_set(why, ERR_NOT_FOUND, "unknown network");
    }
    bool timed = bytes_starts_with(at, BYTES_LIT("Time"));
    uint64_t when = read_number(timed ? bytes_slice(at, 4, at.n) : at);
    if (dao) ret->dao_block = when;
    return change(ret, first, last, timed, when, &later, to, config, why);
}

/* A test: blocks go into a head of their own, as they would into a node's. */

struct trial {
    struct workbench *w;
    struct genesis genesis;
    struct head *head;
};

static int plant(struct trial *t, const struct json *test, struct error *why) {
    struct bytes rlp;
    struct block first;
    struct genesis *g = &t->genesis;
    int r = fixture_get_bytes(&rlp, test, "genesisRLP", &t->w->arena, why);
    if (r == 0) r = block_decode(&first, rlp, &t->w->arena, why);
    if (r == 0) {
        r = genesis_alloc_decode(&g->accounts, &g->account_count, json_get(test, "pre"),
                                 &t->w->arena, why);
    }
    if (r != 0) return error_wrap(why, "genesis");
    g->header = first.header;
    const struct head_options options = {.genesis = g, .precompiles = t->w->precompiles};
    return head_open(&t->head, &options, why);
}

// With proof of work the heaviest chain is the head, with proof of stake the newest.
static int choose(struct trial *t, const struct hash *hash, struct error *why) {
    const struct head_block *latest = head_latest(t->head), *b;
    int r = head_block_by_hash(t->head, &b, hash, why);
    if (r == 0) {
        bool merged = u256_is_zero(b->block.header.difficulty);
        if (merged || u256_compare(b->total_difficulty, latest->total_difficulty) > 0) {
            r = head_set(t->head, hash, NULL, NULL, why);
        }
        head_block_release(b);
    }
    head_block_release(latest);
    return r;
}

static int import(struct trial *t, struct bytes rlp, bool *ret_refused, struct error *why) {
    struct head_verdict v;
    int r = head_import(t->head, &v, rlp, why);
    if (r != 0) return r;
    *ret_refused = v.status == HEAD_INVALID || v.status == HEAD_UNKNOWN_PARENT;
    if (*ret_refused) *why = v.reason;
    return *ret_refused ? 0 : choose(t, &v.hash, why);
}

// Why a block must be refused; no text when it must not. The word's ending names forks in older
// files; some have no word, and only leave out what the block would decode to.
static struct bytes expected_exception(const struct json *block) {
    json_members(key, value, block) {
        if (bytes_starts_with(json_text(key), BYTES_LIT("expectException"))) {
            return json_text(value);
        }
    }
    return json_get(block, "blockHeader") ? (struct bytes){0} : BYTES_LIT("an invalid block");
}

static int import_all(struct trial *t, const struct json *blocks, struct error *why) {
    unsigned i = 0;
    json_each(item, blocks) {
        struct bytes rlp;
        bool refused = false;
        struct bytes expected = expected_exception(item);
        int r = fixture_get_bytes(&rlp, item, "rlp", &t->w->arena, why);
        if (r == 0) {
            r = import(t, rlp, &refused, why);
        } else {
            refused = true; // not even bytes
        }
        if (refused && !expected.n) return error_wrap(why, "block %u", i);
        if (r != 0 && !refused) return error_wrap(why, "block %u", i);
        if (!refused && expected.n) {
            return error_set(why, ERR_INVALID, "block %u is accepted, expected %.*s", i,
                             (int)expected.n, (const char *)expected.p);
        }
        i++;
    }
    return 0;
}

static int expected_root(struct trial *t, const struct json *test, struct hash *ret,
                         struct error *why) {
    struct memory_state post;
    if (!json_get(test, "postState")) return fixture_get_hash(ret, test, "postStateHash", why);
    memory_state_init(&post);
    int r = fixture_accounts(&post, json_get(test, "postState"), &t->w->arena, why);
    if (r == 0) r = memory_state_root(ret, &post, why);
    memory_state_free(&post);
    return r;
}

static int check_head(struct trial *t, const struct json *test, struct error *why) {
    struct hash last, expected;
    int r = fixture_get_hash(&last, test, "lastblockhash", why);
    if (r == 0) r = expected_root(t, test, &expected, why);
    if (r != 0) return r;
    const struct head_block *b = head_latest(t->head);
    if (!hash_equal(&last, &b->hash)) {
        char hex[65] = {0};
        hex_encode(hex, BYTES_OF(b->hash));
        r = error_set(why, ERR_INVALID, "the head is 0x%s", hex);
    } else if (!hash_equal(&expected, &b->block.header.state_root)) {
        r = error_set(why, ERR_INVALID, "the state in the end is another");
    }
    head_block_release(b);
    return r;
}

static void run_test(struct workbench *w, struct bytes name, const struct json *test) {
    struct trial t = {.w = w};
    struct error why = {0};
    enum fork fork;
    char text[256];
    struct chain_config *config = &t.genesis.config;
    (void)snprintf(text, sizeof text, "%.*s", (int)name.n, (const char *)name.p);
    if (!workbench_wants(w, text)) return;
    int r = blocktest_network(config, &fork, json_text(json_get(test, "network")),
                              json_get(test, "config"), &why);
    if (r == ERR_NOT_FOUND) {
        workbench_report(w, VERDICT_SKIPPED, text, "%s", why.text);
        return;
    }
    if (w->fork >= 0 && r == 0 && (int)fork != w->fork) return;
    if (r == 0) r = plant(&t, test, &why);
    if (r == 0) r = import_all(&t, json_get(test, "blocks"), &why);
    if (r == 0) r = check_head(&t, test, &why);
    workbench_report(w, r == 0 ? VERDICT_PASSED : VERDICT_FAILED, text, "%s", why.text);
    head_close(t.head);
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
