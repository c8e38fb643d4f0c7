/* Any message to the user's JSON-RPC of a node with a small chain: no crash, and an answer that is
 * JSON. SPDX-License-Identifier: MIT */
#include "node/rpc_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rpc_fixture fixture;
static bool opened;

static void begin(void) {
    struct error why;
    int r = rpc_fixture_open(&fixture, FORK_PRAGUE, &why);
    for (size_t i = 0; i < 4 && r == 0; i++) {
        r = rpc_fixture_extend(&fixture, 10, &why);
    }
    if (r != 0) {
        (void)fprintf(stderr, "no chain to ask: %s\n", why.text);
        abort();
    }
    fixture.values.call_gas = 300000;
    fixture.values.batch = 4;
    fixture.values.answer_bytes = 4u << 20;
    opened = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct json *doc;
    struct json_limits limits = JSON_LIMITS_DEFAULT;
    if (!opened) begin();
    arena_reset(&fixture.arena);
    fixture.peer = size % 3; // HTTP, or one of two peers
    buf_clear(&fixture.notified);
    struct bytes answer = rpc_fixture_ask(&fixture, (struct bytes){data, size});
    limits.depth = JSON_DEPTH_MAX;
    if (answer.n && json_parse(&doc, answer, &fixture.arena, &limits, NULL) == ERR_SYNTAX) abort();
    return 0;
}
