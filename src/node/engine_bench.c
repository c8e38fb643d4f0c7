/* The Engine API as a consensus client sees it: JSON in, JSON out, on a chain in memory. One node
 * builds blocks of transfers from its pool, another imports them.
 * SPDX-License-Identifier: MIT */
#include "chain/txpool.h"
#include "node/chain_file.h"
#include "node/node.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 20u
#define TXS 400u /* a block */

struct side {
    struct config *config;
    struct node_values values;
    struct node *node;
};

static struct error why;
static struct arena arena;

static void must(int r, const char *what) {
    if (r >= 0) return;
    (void)fprintf(stderr, "%s: %s\n", what, why.text);
    exit(1);
}

static void open_side(struct side *s) {
    char *argv[] = {(char[]){"node"},
                    (char[]){"--dev"},
                    (char[]){"--http-addr="},
                    (char[]){"--ws-addr="},
                    (char[]){"--engine-addr="},
                    (char[]){"--metrics-addr="},
                    (char[]){"--pool-pending-per-sender=100000"},
                    (char[]){"--pool-pending=100000"}};
    must(config_load(&s->config, &node_program, &s->values, sizeof argv / sizeof *argv, argv, &why),
         "settings");
    must(node_open(&s->node, &s->values, NULL, &why), "node");
}

static const struct json *ask(struct side *s, const char *format_or_text, struct bytes body) {
    struct buf out;
    const struct json *doc;
    struct bytes request = body.n ? body : bytes_from_str(format_or_text);
    const struct node_message m = {request, NODE_ENGINE | NODE_USER, true, 0};
    buf_init(&out, 0);
    node_answer(s->node, &m, &arena, &out, NULL, NULL);
    struct bytes kept = arena_copy(&arena, buf_view(&out));
    buf_free(&out);
    must(json_parse(&doc, kept, &arena, NULL, &why), "answer");
    if (json_get(doc, "error")) {
        struct bytes e = json_raw(json_get(doc, "error"));
        (void)fprintf(stderr, "refused: %.*s\n", (int)e.n, (const char *)e.p);
        exit(1);
    }
    return json_get(doc, "result");
}

static void send_transfers(struct side *s, uint64_t first) {
    static struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    struct address from;
    struct hash hash;
    if (!signer) must(ecdsa_signer_new(&signer, &why), "signer");
    must(genesis_dev_key(&key, &from, 0, &why), "key");
    for (uint64_t i = 0; i < TXS; i++) {
        struct tx t = {.type = TX_FEE_MARKET,
                       .has_to = true,
                       .protected = true,
                       .chain_id = DEV_CHAIN_ID,
                       .nonce = first + i,
                       .gas = 21000,
                       .value = U256_ONE,
                       .max_fee = u256_from_u64(100000000000),
                       .max_priority_fee = u256_from_u64(1000000000)};
        store_be64(t.to.b + 12, first + i + 1);
        must(tx_sign(&t, signer, &key, &arena, &why), "sign");
        must(txpool_add(s->node->txpool, t.raw, true, &hash, &why), "pool");
    }
}

static struct bytes forkchoice(struct bytes head, uint64_t timestamp, bool build) {
    const char *zeros = "0x0000000000000000000000000000000000000000000000000000000000000000";
    char *attributes =
        arena_printf(&arena,
                     "{\"timestamp\":\"0x%llx\",\"prevRandao\":\"%s\",\"suggestedFeeRecipient\":"
                     "\"0x00000000000000000000000000000000000000fe\",\"withdrawals\":[],"
                     "\"parentBeaconBlockRoot\":\"%s\"}",
                     (unsigned long long)timestamp, zeros, zeros);
    char *text =
        arena_printf(&arena,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
                     "\"engine_forkchoiceUpdatedV3\",\"params\":[{\"headBlockHash\":"
                     "\"%.*s\",\"safeBlockHash\":\"%s\",\"finalizedBlockHash\":\"%s\"},%s]}",
                     (int)head.n, (const char *)head.p, zeros, zeros, build ? attributes : "null");
    return bytes_from_str(text);
}

int main(void) {
    struct side maker = {0}, importer = {0};
    double forkchoice_ns = 0, get_ns = 0, import_ns = 0, set_ns = 0;
    arena_init(&arena, 0);
    open_side(&maker);
    open_side(&importer);
    const struct json *genesis = ask(&maker,
                                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
                                     "\"eth_getBlockByNumber\",\"params\":[\"0x0\",false]}",
                                     (struct bytes){NULL, 0});
    struct bytes head = json_text(json_get(genesis, "hash"));
    for (uint64_t i = 0; i < BLOCKS; i++) {
        send_transfers(&maker, i * TXS);
        uint64_t at = bench_now_ns();
        const struct json *f = ask(&maker, "", forkchoice(head, 12 * (i + 1), true));
        forkchoice_ns += (double)(bench_now_ns() - at);
        struct bytes id = json_text(json_get(f, "payloadId"));
        char *get = arena_printf(&arena,
                                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"engine_getPayloadV5\","
                                 "\"params\":[\"%.*s\"]}",
                                 (int)id.n, (const char *)id.p);
        at = bench_now_ns();
        const struct json *p = ask(&maker, get, (struct bytes){NULL, 0});
        get_ns += (double)(bench_now_ns() - at);
        struct bytes payload = json_raw(json_get(p, "executionPayload"));
        struct bytes requests = json_raw(json_get(p, "executionRequests"));
        head = json_text(json_get(json_get(p, "executionPayload"), "blockHash"));
        char *give = arena_printf(
            &arena,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"engine_newPayloadV4\",\"params\":[%.*s,[],"
            "\"0x0000000000000000000000000000000000000000000000000000000000000000\",%.*s]}",
            (int)payload.n, (const char *)payload.p, (int)requests.n, (const char *)requests.p);
        at = bench_now_ns();
        (void)ask(&importer, give, (struct bytes){NULL, 0});
        import_ns += (double)(bench_now_ns() - at);
        at = bench_now_ns();
        (void)ask(&importer, "", forkchoice(head, 0, false));
        set_ns += (double)(bench_now_ns() - at);
        (void)ask(&maker, give, (struct bytes){NULL, 0});
        (void)ask(&maker, "", forkchoice(head, 0, false));
    }
    double gas = 21000.0 * TXS;
    bench_emit("forkchoiceUpdated with attributes", 1, "calls", forkchoice_ns / BLOCKS, 0);
    bench_emit("getPayload, block of 400 transfers built meanwhile", gas, "gas", get_ns / BLOCKS,
               0);
    bench_emit("newPayload, 400 transfers", gas, "gas", import_ns / BLOCKS, 0);
    bench_emit("forkchoiceUpdated, new head", 1, "calls", set_ns / BLOCKS, 0);
    node_close(maker.node);
    node_close(importer.node);
    config_free(maker.config);
    config_free(importer.config);
    arena_free(&arena);
    return 0;
}
