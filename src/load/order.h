/* Order: one request of a run and what became of it; internal to run*.c.
 * SPDX-License-Identifier: MIT */
#ifndef LOAD_ORDER_H
#define LOAD_ORDER_H

#include "base/list.h"
#include "base/map.h"
#include "load/run.h"
#include "net/client.h"

#define RUN_URLS_MAX 64

struct run;
struct presign;

struct order {
    struct hash tx; /* of its first transaction: its key on the chain */
    struct account *account;
    const struct form_group *group;
    uint64_t sent_us, target; /* target: block of a bundle */
    uint64_t set;             /* number from 1: variants of one thing have the same */
    uint16_t variant;
    uint8_t state; /* enum order_state */
    bool bundle;
};

/* A question to the chain on its way; one of a kind at a time. */
struct ask {
    struct run *run;
    struct client_call *call;
    struct buf body;
    void (*done)(struct run *r, const struct json *result); /* NULL result: no answer */
};

struct run {
    struct world *w;
    struct load_result *result;
    struct loop *loop;
    struct client *chain;
    struct client *targets[RUN_URLS_MAX];
    struct bytes target_paths[RUN_URLS_MAX], chain_path;
    size_t target_count, next_target;
    bool signs;              /* orders go to senders' listeners: signed */
    struct presign *presign; /* what is sent next */
    struct order *orders;
    size_t order_count, order_most;
    struct map by_hash;
    struct loop_timer pace, poll, second;
    uint64_t begin_ns, planned, due_blocks; /* due_blocks: orders that blocks have released */
    uint64_t at;                            /* which order of the schedule comes next */
    bool sending, over;
    uint64_t sent_end_ns;
    uint64_t head;      /* newest block that was looked at */
    uint64_t announced; /* newest block that is known to exist */
    uint64_t announced_us;
    uint64_t reading; /* the block that is being read */
    struct ask head_ask, block_ask, receipts_ask, nonce_ask;
    struct account *nonce_account;
    struct arena scratch;
    void (*progress)(const char *line);
};

static inline uint64_t run_us(const struct run *r) {
    return (clock_monotonic_ns(&clock_system) - r->begin_ns) / NS_PER_US;
}

/* run_watch.c */
[[gnu::warn_unused_result]] int run_watch_open(struct run *r, struct error *why);
void run_watch_close(struct run *r);

/* run_send.c: sends the next order of the schedule. */
void run_send_next(struct run *r);
void run_note_reason(struct run *r, struct bytes text);
/* ret points into url. */
[[gnu::warn_unused_result]] int run_open_client(struct run *r, struct client **ret,
                                                struct bytes *ret_path, const char *url,
                                                unsigned connections, struct error *why);

#endif
