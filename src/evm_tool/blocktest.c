/* SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"

#include "base/hex.h"
#include "chain/engine_versions.h"
#include "chain/head.h"
#include "chain/new_payload.h"
#include "evm_tool/fixture.h"

#include <stdio.h>
#include <stdlib.h>

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

// The genesis's header, given as fields, as RLP, or both.
static int first_header(struct header *ret, struct arena *a, const struct json *test,
                        struct error *why) {
    const struct json *fields = json_get(test, "genesisBlockHeader");
    struct bytes rlp;
    struct block first;
    struct hash one, other;
    if (!json_get(test, "genesisRLP")) return fixture_header(ret, fields, a, why);
    int r = fixture_get_bytes(&rlp, test, "genesisRLP", a, why);
    if (r == 0) r = block_decode(&first, rlp, a, why);
    if (r == 0 && fields) r = fixture_header(ret, fields, a, why);
    if (r == 0 && fields) r = header_hash(&one, ret, why);
    if (r == 0 && fields) r = header_hash(&other, &first.header, why);
    if (r != 0) return r;
    if (fields && !hash_equal(&one, &other)) {
        return error_set(why, ERR_INVALID, "genesisBlockHeader is not that of genesisRLP");
    }
    *ret = first.header;
    return 0;
}

static int plant(struct trial *t, const struct json *test, struct error *why) {
    struct genesis *g = &t->genesis;
    struct arena *a = &t->w->arena;
    int r = first_header(&g->header, a, test, why);
    if (r == 0) {
        r = genesis_alloc_decode(&g->accounts, &g->account_count, json_get(test, "pre"), a, why);
    }
    if (r != 0) return error_wrap(why, "genesis");
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

/* Payloads, as a consensus client gives them. */

// The parameters: a list, or by name as the first files of the format had them.
static void payload_params(const struct json *ret[NEW_PAYLOAD_PARAMS], const struct json *item) {
    static const char *const names[NEW_PAYLOAD_PARAMS] = {
        "executionPayload", "expectedBlobVersionedHashes", "parentBeaconBlockRoot",
        "executionRequests"};
    const struct json *list = json_get(item, "params");
    for (unsigned i = 0; i < NEW_PAYLOAD_PARAMS; i++) {
        ret[i] = list ? json_at(list, i) : json_get(item, names[i]);
        if (json_is_null(ret[i])) ret[i] = NULL;
    }
}

static int payload_version(unsigned *ret, const struct json *item, struct error *why) {
    uint64_t v;
    const char *name = json_get(item, "newPayloadVersion") ? "newPayloadVersion" : "version";
    int r = fixture_get_u64(&v, item, name, why);
    if (r != 0) return r;
    if (v > ENGINE_NEW_PAYLOAD_MAX || !engine_new_payload_range((unsigned)v)) {
        return error_set(why, ERR_UNSUPPORTED, "newPayload of version %llu", (unsigned long long)v);
    }
    *ret = (unsigned)v;
    return 0;
}

// The code of the error that must be the answer; 0 where none is.
static int expected_code(const struct json *item) {
    char text[16];
    struct bytes code = json_text(json_get(item, "errorCode"));
    (void)snprintf(text, sizeof text, "%.*s", (int)(code.n < 15 ? code.n : 15),
                   (const char *)code.p);
    return (int)strtol(text, NULL, 0);
}

// What a payload that was no error came to must be what the test says.
static int judge_payload(const struct engine_payload_status *s, struct bytes expected,
                         struct error *why) {
    struct bytes before, after;
    bool refused = s->status == ENGINE_INVALID || s->status == ENGINE_INVALID_BLOCK_HASH;
    // Of a block without its parent nothing can be said, by the Engine API.
    refused |=
        s->status == ENGINE_SYNCING && find_word(expected, "UNKNOWN_PARENT", &before, &after);
    if (!expected.n && s->status != ENGINE_VALID) {
        return error_set(why, ERR_INVALID, "%s: %.*s", engine_status_name(s->status),
                         (int)s->error.n, (const char *)s->error.p);
    }
    if (expected.n && !refused) {
        return error_set(why, ERR_INVALID, "%s, expected %.*s", engine_status_name(s->status),
                         (int)expected.n, (const char *)expected.p);
    }
    return 0;
}

static int deliver(struct trial *t, const struct json *item, struct error *why) {
    const struct json *params[NEW_PAYLOAD_PARAMS];
    struct new_payload q;
    struct head_verdict verdict;
    unsigned version = 0;
    int code, expected = expected_code(item);
    payload_params(params, item);
    int r = payload_version(&version, item, why);
    if (r != 0) return r;
    r = new_payload_read(&q, &code, head_config(t->head), version, params, &t->w->arena, why);
    if (r != 0 && (code == 0 || code != expected)) return error_wrap(why, "error %d", code);
    if (r != 0) return 0;
    if (expected) {
        return error_set(why, ERR_INVALID, "no error, expected %d", expected);
    }
    if (q.is_block) {
        r = head_import_block(t->head, &verdict, &q.block, why);
        if (r != 0) return r;
        new_payload_status(&q.status, &verdict);
    }
    r = judge_payload(&q.status, json_text(json_get(item, "validationError")), why);
    return r == 0 && q.status.status == ENGINE_VALID ? choose(t, &q.hash, why) : r;
}

static int deliver_all(struct trial *t, const struct json *payloads, struct error *why) {
    unsigned i = 0;
    json_each(item, payloads) {
        if (deliver(t, item, why) != 0) return error_wrap(why, "payload %u", i);
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
    bool has_state = json_get(test, "postState") || json_get(test, "postStateHash");
    if (r == 0 && has_state) r = expected_root(t, test, &expected, why);
    if (r != 0) return r;
    const struct head_block *b = head_latest(t->head);
    if (!hash_equal(&last, &b->hash)) {
        char hex[65] = {0};
        hex_encode(hex, BYTES_OF(b->hash));
        r = error_set(why, ERR_INVALID, "the head is 0x%s", hex);
    } else if (has_state && !hash_equal(&expected, &b->block.header.state_root)) {
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
    const struct json *own = json_get(test, "config");
    const struct json *payloads = json_get(test, "engineNewPayloads");
    (void)snprintf(text, sizeof text, "%.*s", (int)name.n, (const char *)name.p);
    if (!workbench_wants(w, text)) return;
    if (!json_get(test, "pre") && json_get(test, "preHash")) {
        workbench_report(w, VERDICT_SKIPPED, text, "its state before stands in another file");
        return;
    }
    int r = blocktest_network(config, &fork, json_text(json_get(test, "network")), own, &why);
    if (r == ERR_NOT_FOUND) {
        workbench_report(w, VERDICT_SKIPPED, text, "%s", why.text);
        return;
    }
    if (w->fork >= 0 && r == 0 && (int)fork != w->fork) return;
    if (r == 0) r = fixture_chain_id(&config->chain_id, own, &why);
    if (r == 0) r = plant(&t, test, &why);
    if (r == 0) {
        r = payloads ? deliver_all(&t, payloads, &why)
                     : import_all(&t, json_get(test, "blocks"), &why);
    }
    if (r == 0) r = check_head(&t, test, &why);
    workbench_report(w, r == 0 ? VERDICT_PASSED : VERDICT_FAILED, text, "%s", why.text);
    head_close(t.head);
}

bool blocktest_is_format(const struct json *doc) {
    const struct json *first = json_member_value(json_first(json_as_object(doc)));
    bool blocks = json_get(first, "genesisRLP") && json_get(first, "blocks");
    bool payloads = json_get(first, "genesisBlockHeader") && json_get(first, "engineNewPayloads");
    return (blocks || payloads) && json_get(first, "network");
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
