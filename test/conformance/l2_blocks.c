/* Blockchain tests of proof of stake, imported through newPayload: each block as a payload of the
 * version of its fork, valid ones made the head by forkchoiceUpdated.
 *
 * A block's RLP does not hold the execution requests, so from Prague on only blocks without any can
 * be given. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "chain/engine_versions.h"
#include "config/config.h"
#include "node/chain_file.h"
#include "node/node.h"
#include "test/conformance/l2.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TRANSITION_S 15000 /* "AtTime15k", the only time that the names have */

struct network {
    const char *name;
    uint64_t times[4]; /* Shanghai, Cancun, Prague, Osaka; FORK_NEVER for none */
};
#define NEVER FORK_NEVER
static const struct network networks[] = {
    {"Paris", {NEVER, NEVER, NEVER, NEVER}},
    {"Merge", {NEVER, NEVER, NEVER, NEVER}},
    {"Shanghai", {0, NEVER, NEVER, NEVER}},
    {"Cancun", {0, 0, NEVER, NEVER}},
    {"Prague", {0, 0, 0, NEVER}},
    {"Osaka", {0, 0, 0, 0}},
    {"ParisToShanghaiAtTime15k", {TRANSITION_S, NEVER, NEVER, NEVER}},
    {"ShanghaiToCancunAtTime15k", {0, TRANSITION_S, NEVER, NEVER}},
    {"CancunToPragueAtTime15k", {0, 0, TRANSITION_S, NEVER}},
};

struct chain {
    struct l2_file *f;
    const char *name;
    struct node *node;
    struct node_values values;
    struct config *config;
    struct hash head;
};

static const struct network *network_of(const struct json *test) {
    struct bytes name = json_text(json_get(test, "network"));
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        if (bytes_equal_str(name, networks[i].name)) return &networks[i];
    }
    return NULL;
}

// The genesis file of a test: its header's members have geth's names but for two.

static void write_genesis(struct buf *out, const struct json *test, const struct network *n) {
    static const char *const blocks[] = {
        "homesteadBlock", "eip150Block",         "eip155Block",       "eip158Block",
        "byzantiumBlock", "constantinopleBlock", "petersburgBlock",   "istanbulBlock",
        "berlinBlock",    "londonBlock",         "mergeNetsplitBlock"};
    static const char *const times[] = {"shanghaiTime", "cancunTime", "pragueTime", "osakaTime"};
    static const char *const same[] = {"nonce",         "timestamp",   "extraData",    "gasLimit",
                                       "difficulty",    "mixHash",     "coinbase",     "number",
                                       "baseFeePerGas", "blobGasUsed", "excessBlobGas"};
    const struct json *header = json_get(test, "genesisBlockHeader");
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "config");
    json_add_u64(&w, "chainId", 1);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        json_add_u64(&w, blocks[i], 0);
    }
    json_add_u64(&w, "terminalTotalDifficulty", 0);
    json_add_bool(&w, "terminalTotalDifficultyPassed", true);
    for (size_t i = 0; i < 4; i++) {
        if (n->times[i] != NEVER) json_add_u64(&w, times[i], n->times[i]);
    }
    json_add_raw(
        &w, "blobSchedule",
        BYTES_LIT("{\"cancun\":{\"target\":3,\"max\":6,\"baseFeeUpdateFraction\":3338477},"
                  "\"prague\":{\"target\":6,\"max\":9,\"baseFeeUpdateFraction\":5007716},"
                  "\"osaka\":{\"target\":6,\"max\":9,\"baseFeeUpdateFraction\":5007716}}"));
    json_end(&w);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const struct json *v = json_get(header, same[i]);
        if (v) json_add_raw(&w, same[i], json_raw(v));
    }
    json_add_raw(&w, "alloc", json_raw(json_get(test, "pre")));
    json_end(&w);
}

static int open_chain(struct chain *c, const struct json *test, const struct network *n,
                      struct error *why) {
    static char program[] = "node", none[] = "";
    char path[] = "/tmp/conformance_genesis_XXXXXX";
    char *argv[] = {program, (char[]){"--genesis"},      path, (char[]){"--http-addr"},
                    none,    (char[]){"--ws-addr"},      none, (char[]){"--engine-addr"},
                    none,    (char[]){"--metrics-addr"}, none, (char[]){"--threads=1"}};
    struct buf text;
    buf_init(&text, 0);
    write_genesis(&text, test, n);
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
    if (fd >= 0) (void)close(fd);
    buf_free(&text);
    int r = written ? 0 : error_set(why, ERR_IO, "cannot write a genesis file");
    if (r == 0) {
        r = config_load(&c->config, &node_program, &c->values, (int)(sizeof argv / sizeof *argv),
                        argv, why);
    }
    if (r == 0) r = node_open(&c->node, &c->values, NULL, why);
    if (fd >= 0) (void)unlink(path);
    return r;
}

// Calls

static const struct json *call(struct chain *c, struct buf *request) {
    struct buf out;
    struct bytes body = arena_copy(c->f->a, buf_view(request));
    const struct node_message m = {body, NODE_ENGINE, true, 0};
    buf_init(&out, 0);
    node_answer(c->node, &m, c->f->a, &out, NULL, NULL);
    const struct json *doc = l2_parse(c->f, arena_copy(c->f->a, buf_view(&out)));
    buf_free(&out);
    buf_free(request);
    return doc;
}

static const struct json *give_payload(struct chain *c, const struct block *b,
                                       const struct hash *hash, enum fork f) {
    struct execution_payload p;
    struct buf out;
    struct json_writer w;
    unsigned parts, version = engine_new_payload_version(f);
    if (engine_payload_of(&p, &parts, b, hash, c->f->a, NULL) != 0) return NULL;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "jsonrpc", "2.0");
    json_add_u64(&w, "id", 1);
    json_add_str(&w, "method", arena_printf(c->f->a, "engine_newPayloadV%u", version));
    json_begin_array(&w, "params");
    engine_payload_encode(&w, NULL, &p, parts);
    if (version >= 3) {
        json_begin_array(&w, NULL);
        for (size_t i = 0; i < b->tx_count; i++) {
            for (size_t k = 0; k < b->txs[i].blob_count; k++) {
                json_add_data(&w, NULL, BYTES_OF(b->txs[i].blob_hashes[k]));
            }
        }
        json_end(&w);
        json_add_data(&w, NULL, BYTES_OF(b->header.parent_beacon_root));
    }
    if (version >= 4) {
        json_begin_array(&w, NULL);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    return call(c, &out);
}

static bool set_head(struct chain *c, const struct hash *hash, enum fork f) {
    const struct hash zero = {{0}};
    struct buf out;
    struct json_writer w;
    const struct engine_forkchoice state = {*hash, zero, zero};
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "jsonrpc", "2.0");
    json_add_u64(&w, "id", 1);
    json_add_str(
        &w, "method",
        arena_printf(c->f->a, "engine_forkchoiceUpdatedV%u", engine_forkchoice_version(f)));
    json_begin_array(&w, "params");
    engine_forkchoice_encode(&w, NULL, &state);
    json_end(&w);
    json_end(&w);
    const struct json *status = json_get(json_get(call(c, &out), "result"), "payloadStatus");
    return bytes_equal_str(json_text(json_get(status, "status")), "VALID");
}

// One block: false when the test is over.

static bool run_block(struct chain *c, const struct json *in, unsigned number) {
    bool refused = json_get(in, "expectException") || json_get(in, "expectExceptionALL");
    struct bytes rlp;
    struct block block;
    struct hash hash;
    struct error why = {.text = ""};
    int r = json_get_data(&rlp, in, "rlp", c->f->a, &why);
    if (r == 0) r = block_decode(&block, rlp, c->f->a, &why);
    if (r == 0) r = header_hash(&hash, &block.header, &why);
    if (r != 0) { // no payload could say this
        if (!refused) tally_fail(c->f->t, c->name, "block %u: %s", number, why.text);
        return refused;
    }
    enum fork f = chain_fork_at(c->node->config, block.header.number, block.header.timestamp, true);
    struct hash no_requests = requests_hash(NULL, 0);
    bool has_requests = f >= FORK_PRAGUE && !hash_equal(&block.header.requests_hash, &no_requests);
    if (has_requests && !refused) {
        tally_skip(c->f->t, c->name, "block %u has requests, which its RLP does not hold", number);
        return false;
    }
    const struct json *answer = give_payload(c, &block, &hash, f);
    struct bytes status = json_text(json_get(json_get(answer, "result"), "status"));
    bool valid = bytes_equal_str(status, "VALID");
    if (valid == refused) {
        struct bytes text = json_raw(answer);
        tally_fail(c->f->t, c->name, "block %u: expected %s, got %.*s", number,
                   refused ? "a refusal" : "VALID", (int)(text.n > 240 ? 240 : text.n),
                   text.n ? (const char *)text.p : "");
        return false;
    }
    if (!valid) return true;
    c->head = hash;
    if (set_head(c, &hash, f)) return true;
    tally_fail(c->f->t, c->name, "block %u does not become the head", number);
    return false;
}

static void run_test(struct l2_file *f, const char *name, const struct json *test) {
    const struct network *n = network_of(test);
    struct chain c = {.f = f, .name = name};
    struct hash genesis = {0}, last = {0};
    struct error why = {.text = ""};
    unsigned number = 0;
    if (!n) return; // of proof of work
    int r = open_chain(&c, test, n, &why);
    if (r == 0) r = json_get_hash(&genesis, json_get(test, "genesisBlockHeader"), "hash", &why);
    if (r == 0) r = json_get_hash(&last, test, "lastblockhash", &why);
    if (r == 0 && !hash_equal(&genesis, &c.node->genesis_hash)) {
        r = error_set(&why, ERR_INVALID, "the genesis block has another hash");
    }
    if (r != 0) tally_fail(f->t, name, "%s", why.text);
    c.head = genesis;
    bool going = r == 0;
    json_each(block, json_get(test, "blocks")) {
        if (going) going = run_block(&c, block, number++);
    }
    if (going && !hash_equal(&c.head, &last)) {
        tally_fail(f->t, name, "another block is the last");
    } else if (going) {
        tally_pass(f->t, name);
    }
    node_close(c.node);
    config_free(c.config);
}

bool l2_run_blocks(struct l2_file *f) {
    const struct json *first = json_member_value(json_first(json_as_object(f->root)));
    if (!json_get(first, "genesisRLP") || !json_get(first, "blocks")) return false;
    json_members(key, test, f->root) {
        run_test(f, arena_str(f->a, json_text(key)), test);
    }
    return true;
}
