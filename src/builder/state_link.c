/* SPDX-License-Identifier: MIT */
#include "builder/state_link.h"

#include <stdlib.h>
#include <unistd.h>

#define REACH_TRIES 40
#define REACH_PAUSE_US 250000

static int call(void *context, const char *method, struct bytes params, struct arena *a,
                const struct json **ret, struct error *why) {
    return rpc_caller_call(context, method, params, a, ret, why);
}

static int find_anchor(struct state_link *s, struct log *log, struct error *why) {
    int r = 0;
    for (int i = 0; i < REACH_TRIES; i++) {
        arena_reset(&s->memory);
        r = remote_state_anchor(s->state, &s->anchor, &s->memory, why);
        if (r != ERR_IO) break;
        if (i == 0) log_warn(log, "state_not_reached", F_ERR(why));
        (void)usleep(REACH_PAUSE_US);
    }
    if (r == 0) {
        log_info(log, "state_from_node", F_U64("block", s->anchor.header.number),
                 F_HEX("hash", BYTES_OF(s->anchor.hash)));
    }
    return r;
}

int state_link_new(struct state_link **ret, const char *url, struct tls *tls, size_t cache_bytes,
                   struct log *log, struct error *why) {
    struct state_link *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a remote state");
    arena_init(&s->memory, 0);
    const struct rpc_caller_options caller = {.url = url, .tls = tls};
    int r = rpc_caller_new(&s->caller, &caller, why);
    const struct remote_state_options options = {
        .call = call, .context = s->caller, .cache_bytes = cache_bytes, .log = log};
    if (r == 0) r = remote_state_new(&s->state, &options, why);
    if (r == 0) r = find_anchor(s, log, why);
    if (r != 0) {
        state_link_free(s);
        return error_wrap(why, "state-rpc");
    }
    *ret = s;
    return 0;
}

void state_link_free(struct state_link *s) {
    if (!s) return;
    remote_state_free(s->state);
    rpc_caller_free(s->caller);
    arena_free(&s->memory);
    free(s);
}

void state_link_prefetch(struct state_link *s, struct head *h, const struct build_order *o) {
    const struct head_block *b = head_latest(h);
    const struct remote_at at = {b->hash, b->block.header.state_root};
    head_block_release(b);
    for (size_t i = 0; i < o->tx_count; i++) {
        remote_state_prefetch_tx(s->state, &at, &o->txs[i].tx, &o->txs[i].sender);
    }
}
