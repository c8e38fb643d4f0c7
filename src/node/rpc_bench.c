/* Calls of users a second, on one thread, through the node's table of methods (JSON in, JSON out;
 * no sockets): a state of 100,000 accounts and ten tokens of 1,000 holders, 256 blocks of 40 token
 * transfers. SPDX-License-Identifier: MIT */
#include "node/rpc_testing.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define FILLERS 100000u
#define TOKENS 10u
#define TOKEN_SLOTS 1000u
#define BLOCKS 256u
#define TXS 40u

static struct rpc_fixture f;
static struct error why;

static void check(int r) {
    if (r == 0) return;
    (void)fprintf(stderr, "bench: %s\n", why.text);
    exit(1);
}

/* Transfers of tokens by all senders, into one block. */
static void add_block(void) {
    for (size_t i = 0; i < TXS; i++) {
        struct tx t = {.type = TX_FEE_MARKET,
                       .has_to = true,
                       .to = play_token(random_fast_below(&f.play.dice, TOKENS)),
                       .gas = 200000,
                       .max_fee = u256_from_u64(200000000000),
                       .max_priority_fee = u256_from_u64(1000000000)};
        uint8_t words[64] = {0};
        store_be16(words + 30, (uint16_t)random_fast_below(&f.play.dice, TOKEN_SLOTS));
        store_be16(words + 62, (uint16_t)random_fast_below(&f.play.dice, TOKEN_SLOTS));
        t.data = bytes_make(words, sizeof words);
        check(rpc_fixture_send(&f, (unsigned)(i % PLAY_SENDERS), &t, &why));
    }
    check(rpc_fixture_mine(&f, &why));
    arena_reset(&f.arena);
}

/* ---- the calls ---- */

struct call {
    const char *name, *method;
    void (*params)(char *ret, size_t size);
};

static unsigned long long pick(uint64_t bound) {
    return (unsigned long long)random_fast_below(&f.play.dice, bound);
}

static void of_balance(char *ret, size_t size) {
    (void)snprintf(ret, size, "[\"0xf000000000000000%016llx00000000\",\"latest\"]", pick(FILLERS));
}

static void of_call(char *ret, size_t size) {
    (void)snprintf(
        ret, size,
        "[{\"to\":\"0xf1000000000000000000000000000000000000%02llx\",\"data\":\"0x%064llx"
        "%064llx\"},\"latest\"]",
        pick(TOKENS), pick(TOKEN_SLOTS), pick(TOKEN_SLOTS));
}

static void of_proof(char *ret, size_t size) {
    (void)snprintf(ret, size,
                   "[\"0xf1000000000000000000000000000000000000%02llx\",[\"0x%llx\",\"0x%llx\"],"
                   "\"latest\"]",
                   pick(TOKENS), pick(TOKEN_SLOTS), pick(TOKEN_SLOTS));
}

static void of_logs(char *ret, size_t size) {
    unsigned long long from = 1 + pick(BLOCKS - 100);
    (void)snprintf(ret, size,
                   "[{\"fromBlock\":\"0x%llx\",\"toBlock\":\"0x%llx\",\"address\":\"0xf100000000000"
                   "0000000000000000000000000%02llx\"}]",
                   from, from + 99, pick(TOKENS));
}

static void of_no_logs(char *ret, size_t size) {
    unsigned long long from = 1 + pick(BLOCKS - 100);
    (void)snprintf(ret, size,
                   "[{\"fromBlock\":\"0x%llx\",\"toBlock\":\"0x%llx\",\"address\":\"0xf200000000000"
                   "000000000000000000000000000\"}]",
                   from, from + 99);
}

static void of_block(char *ret, size_t size) {
    (void)snprintf(ret, size, "[\"0x%llx\",true]", 1 + pick(BLOCKS - 1));
}

static void of_trace(char *ret, size_t size) {
    (void)snprintf(ret, size, "[\"0x%llx\",{\"tracer\":\"callTracer\"}]", BLOCKS - 100 + pick(100));
}

static const struct call calls[] = {
    {"eth_getBalance", "eth_getBalance", of_balance},
    {"eth_call, a token transfer", "eth_call", of_call},
    {"eth_estimateGas, a token transfer", "eth_estimateGas", of_call},
    {"eth_getProof, an account and two slots", "eth_getProof", of_proof},
    {"eth_getLogs, 100 blocks, 4,000 logs, a tenth found", "eth_getLogs", of_logs},
    {"eth_getLogs, 100 blocks, none found", "eth_getLogs", of_no_logs},
    {"eth_getBlockByNumber, 40 whole transactions", "eth_getBlockByNumber", of_block},
    {"debug_traceBlockByNumber, 40 call trees", "debug_traceBlockByNumber", of_trace},
};

#define ROUND 50

static void one_round(void *arg) {
    const struct call *c = arg;
    for (size_t i = 0; i < ROUND; i++) {
        char params[512], message[768];
        c->params(params, sizeof params);
        int n = snprintf(message, sizeof message,
                         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
                         c->method, params);
        struct bytes answer = rpc_fixture_ask(&f, bytes_make(message, (size_t)n));
        static const struct bytes good = {
            (const uint8_t *)"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\"", 32};
        if (!bytes_starts_with(answer, good)) {
            (void)fprintf(stderr, "bench: %s%s: %.*s\n", c->method, params,
                          (int)(answer.n < 300 ? answer.n : 300), (const char *)answer.p);
            exit(1);
        }
    }
    arena_reset(&f.arena);
}

int main(void) {
    check(play_init(&f.play, 7, FORK_PRAGUE, &why));
    check(play_enlarge(&f.play, FILLERS, TOKENS, TOKEN_SLOTS, &why));
    check(rpc_fixture_start(&f, &why));
    for (size_t i = 0; i < BLOCKS; i++) {
        add_block();
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        double ns = bench_best_ns(one_round, (void *)(uintptr_t)&calls[i], 800);
        bench_emit(calls[i].name, ROUND, "request", ns, 0);
    }
    rpc_fixture_close(&f);
    return 0;
}
