/* The builder's program: what belongs together while it runs. Everything on the loop's thread but
 * the builders and the import of blocks.
 *
 *   beacon (attributes) ─┐
 *   relays (proposers) ──┼─▶ slots ─▶ work ─▶ builders ─▶ built block ─▶ relays
 *   node (blocks) ───────┘              ▲
 *   RPC, feed, node's pool ─▶ order pool ┘
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_APP_H
#define BUILDER_APP_H

#include "builder/accounts.h"
#include "builder/beacon_link.h"
#include "builder/bid_book.h"
#include "builder/crew.h"
#include "builder/order_log.h"
#include "builder/order_pool.h"
#include "builder/own_funds.h"
#include "builder/relay_link.h"
#include "builder/settings.h"
#include "builder/state_link.h"
#include "builder/telemetry.h"
#include "chain/node_link.h"
#include "net/resolver.h"
#include "net/service.h"
#include "net/ws.h"

#define ORDERS_PATH "/debug/orders/"
#define BEACONS_MAX 8u
#define TOP_BIDS_MAX 8u
#define ATTRIBUTES_KEPT 10u

/* Attributes that came, with what they point to. */
struct kept_attributes {
    struct slot_attributes a;
    struct arena memory;
    bool used;  /* a work was begun with them, or they were passed over for good */
    bool taken; /* the place is in use */
    bool refused_logged;
};

/* What a slot came to, for its log line. */
struct slot_tally {
    unsigned built, submitted, accepted, refused;
    struct u256 value, true_value;
    size_t orders, txs;
    uint64_t gas;
    const char *builder;
};

struct top_bid_link;
struct feed_server;
struct registration;
struct block_source;

struct app {
    struct config *config;
    struct builder_values values;
    struct builder_setup setup;
    struct log *log;
    struct loop *loop;
    struct service *service;
    struct telemetry telemetry;
    struct server *rpc_server, *full_server, *redacted_server;
    struct resolver *names;
    struct tls *tls;
    struct arena genesis_memory;
    struct genesis genesis;
    struct state_link *state; /* NULL: the state is in the head */
    struct head *head;
    struct sender_cache *senders;
    struct kzg *kzg; /* checks blobs' proofs */
    struct order_pool *pool;
    struct order_log *order_log; /* NULL: none is kept */
    struct crew *builders;
    struct node_link *node;
    struct beacon_link *beacons[BEACONS_MAX];
    size_t beacon_count;
    struct relay_link *relays[RELAYS_MAX]; /* by priority */
    size_t relay_count;
    struct top_bid_link *top_bids[TOP_BIDS_MAX];
    size_t top_bid_count;
    struct feed_server *feed;
    struct registration *registration;
    struct accounts *accounts;         /* NULL: none are kept */
    struct block_source *block_source; /* NULL: nothing is listed */
    struct block_list *listed;         /* NULL: not known yet, or no source */
    uint64_t listed_at_ns;             /* wall: when it was current */

    /* slots.c */
    struct kept_attributes attributes[ATTRIBUTES_KEPT];
    size_t attributes_at;
    struct slot_work *work; /* at hand */
    struct slot_tally tally;
    struct built_block *newest;         /* of the work, that was submitted */
    const struct build_order **backlog; /* held: those of the pool that the job does not have yet */
    size_t backlog_count, backlog_at, backlog_room;
    struct loop_timer slot_end, tick, backlog_turn;
    uint64_t last_begun_ns;
    uint64_t must_win[64]; /* blocks that were asked for, a ring */
    size_t must_win_at;
    struct bid_book bids;
    struct own_funds own_funds; /* of landed blocks */
    bool enabled;               /* by the enable file and the block list */
    bool stopping;
};

/* app.c: puts the newest block list in force, from the next slot on. */
void app_take_block_list(struct app *a);

/* slots.c: which block to build, and what becomes of it. */
[[gnu::warn_unused_result]] int build_slots_start(struct app *a, struct error *why);
void build_slots_stop(struct app *a);
void build_slots_attributes(void *app, const struct slot_attributes *s);
void build_slots_duties(void *app, struct relay_link *r);
void build_slots_head(void *app);
void build_slots_built(void *app, struct built_block *b); /* any thread */
void build_slots_answered(void *app, struct relay_link *r, const struct built_block *b,
                          enum relay_answer answer, struct bytes text, uint64_t took_ns);
void build_slots_best_bid(struct app *a, const struct top_bid *bid);
void build_slots_must_win(struct app *a, uint64_t block);

/* intake.c: orders come in. */
void intake_added(void *app, const struct build_order *o); /* news of the pool */
enum pool_worth intake_worth(void *app, const struct build_order *o, struct u256 *ret_price);
void intake_removed(void *app, const struct build_order *o, enum pool_removal reason);
/* order_log.c's answers: GET /debug/orders/HASH. */
void intake_order_asked(struct exchange *x, void *app);
void intake_transaction(void *app, struct bytes raw, uint64_t took_ns); /* of the node's pool */
/* intake_order takes one order in; ret_hash its name for the sender, may be NULL.
 * errors  those of build_request_of and the pool. */
[[gnu::warn_unused_result]] int intake_order(struct app *a, const struct feed_order *o,
                                             enum build_source source, struct hash *ret_hash,
                                             struct error *why);
void intake_rpc(struct exchange *x, void *app);

/* feed_server.c: the orderflow program's socket. */
[[gnu::warn_unused_result]] int feed_server_new(struct feed_server **ret, struct app *a,
                                                const char *path, struct error *why);
void feed_server_free(struct feed_server *f);

/* top_bid_link.c: streams of the best bids. */
[[gnu::warn_unused_result]] int top_bid_link_new(struct top_bid_link **ret, struct app *a,
                                                 const char *url, struct error *why);
void top_bid_link_free(struct top_bid_link *t);

/* app_run serves until the end; gives the exit status. */
int app_run(struct config *config, const struct builder_values *values);

#endif
