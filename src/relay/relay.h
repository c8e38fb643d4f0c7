/* Relay: what the files of this folder share: the one struct behind all requests, on the loop.
 *
 *     submissions ─▶ worker: decode ─▶ loop: checks ─▶ worker: signature, roots, signed answer
 *        ─▶ loop: floor ─▶ validation node ─▶ records (committed) ─▶ auction ─▶ answer
 *     getHeader   ─▶ loop: the auction's top, bytes that lie ready
 *     getPayload  ─▶ worker: decode, signature ─▶ records (committed) ─▶ beacon nodes ─▶ answer
 *
 * A bid that getHeader gives out has been committed with its payload before: what was signed
 * survives a crash. All state lives on the loop's thread; workers get copies.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/pool.h"
#include "net/server.h"
#include "net/service.h"
#include "relay/auction.h"
#include "relay/beacon.h"
#include "relay/builders.h"
#include "relay/check.h"
#include "relay/program.h"
#include "relay/records.h"
#include "relay/simulate.h"

#define RELAY_METRICS(X)                                                                           \
    X(RELAY_SUBMISSIONS, METRIC_COUNTER, "relay_submissions_total", "Submissions by outcome.",     \
      "outcome")                                                                                   \
    X(RELAY_SUBMISSION_SECONDS, METRIC_SUMMARY, "relay_submission_seconds",                        \
      "Time from a submission's arrival to its answer.", "outcome")                                \
    X(RELAY_HEADERS, METRIC_COUNTER, "relay_get_header_total", "getHeader calls by outcome.",      \
      "outcome")                                                                                   \
    X(RELAY_PAYLOADS, METRIC_COUNTER, "relay_get_payload_total", "getPayload calls by outcome.",   \
      "outcome")                                                                                   \
    X(RELAY_PAYLOAD_SECONDS, METRIC_SUMMARY, "relay_get_payload_seconds", "Time of getPayload.",   \
      NULL)                                                                                        \
    X(RELAY_REGISTRATIONS, METRIC_COUNTER, "relay_registrations_total",                            \
      "Validator registrations by outcome.", "outcome")                                            \
    X(RELAY_DEMOTIONS, METRIC_COUNTER, "relay_demotions_total", "Builders demoted.", NULL)         \
    X(RELAY_FOLLOWERS, METRIC_GAUGE, "relay_stream_followers", "Open streams by kind.", "kind")
enum relay_metric {
#define RELAY_METRIC_ID(id, type, name, help, labels) id,
    RELAY_METRICS(RELAY_METRIC_ID)
#undef RELAY_METRIC_ID
        RELAY_METRIC_COUNT
};
extern const struct metric_desc relay_metric_table[RELAY_METRIC_COUNT];

#define RELAY_ROUTES_MAX 24

struct live;

struct relay {
    const struct relay_values *values;
    struct config *config;
    struct log *log;
    struct metrics *metrics;
    struct loop *loop;
    struct service *service;
    struct server *server, *internal, *metrics_server;
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd mailbox_watch;
    struct resolver *names;
    struct tls *tls; /* for https nodes */

    struct bid_signer signer;
    struct network network;
    bool has_network;
    struct duties duties;
    struct builders builders;
    struct auctions auctions;
    struct records *records;
    struct beacon *beacon;
    struct simulators *simulators;
    struct live *live;
    struct loop_timer housekeeping;

    uint64_t head_slot;
    uint64_t delivered_slot; /* newest with a payload given out; 0: none */
    struct hash delivered_hash;
    struct buf validators_json; /* GET /relay/v1/builder/validators, ready */
    struct route routes[RELAY_ROUTES_MAX];
    bool stopping;
};

/* relay_run gives a task to the workers, relay_read to the records' reading thread; `done` comes on
 * the loop. False: they are busy, or the relay ends. */
[[gnu::warn_unused_result]] bool relay_run(struct relay *r, struct pool_task *task);
[[gnu::warn_unused_result]] bool relay_read(struct relay *r, struct pool_task *task);

/* ---- answers ---- */

/* relay_refuse answers {"code","message"}. relay_refuse_unready: 503 while the network is not
 * known. */
void relay_refuse(struct exchange *x, int status, const char *message);
bool relay_refuse_unready(struct relay *r, struct exchange *x);
void relay_answer_empty(struct exchange *x, int status);

enum relay_media { MEDIA_NONE, MEDIA_JSON, MEDIA_SSZ };
/* relay_accepts: what the Accept header prefers. relay_content: what the body is. */
enum relay_media relay_accepts(const struct exchange *x);
enum relay_media relay_content(const struct exchange *x);
/* relay_answer answers with JSON or SSZ (and the fork's name). */
void relay_answer(struct exchange *x, enum relay_media media, enum consensus_fork fork,
                  const struct buf *json, const struct buf *ssz);

/* relay_count counts an outcome (a literal). */
void relay_count(struct relay *r, enum relay_metric m, const char *outcome);

static inline uint64_t relay_now(const struct relay *r) {
    return clock_wall_ns(loop_clock(r->loop));
}

/* ---- the APIs' handlers; context: struct relay ---- */

exchange_handle relay_on_status, relay_on_register, relay_on_get_header, relay_on_blinded_v1,
    relay_on_blinded_v2;
exchange_handle relay_on_validators, relay_on_blocks, relay_on_headers;
exchange_handle relay_on_delivered, relay_on_received, relay_on_registration;
exchange_handle relay_on_builder, relay_on_collateral;
exchange_handle relay_on_page, relay_on_live, relay_on_top_bid;

/* ---- what happens ---- */

/* relay_head: a block came. relay_duties_changed makes the list of validators anew. */
void relay_head(void *context, uint64_t slot);
void relay_duties_changed(void *context);
void relay_attributes(void *context, const struct payload_attributes *p);

/* relay_settle does what follows a change of an auction. */
void relay_settle(struct relay *r, struct auction *b);

/* relay_mark marks a bid's stored payload (records.h); what fails is logged. */
void relay_mark(struct relay *r, struct bid *bid, enum records_mark mark);

/* relay_passes: the simulation leaves nothing against a block. text  as simulate gives it. */
bool relay_passes(const struct relay *r, enum simulation_result result, const char *text);

/* relay_demote takes a builder's optimistic mark away because of this bid. */
void relay_demote(struct relay *r, struct bid *bid, const char *reason);

/* relay_read_key reads the signing key. errors  ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int relay_read_key(struct bid_signer *ret, const struct relay_values *v,
                                               struct error *why);

/* relay_reload_bids puts the stored payloads of the open slots back into their auctions. */
[[gnu::warn_unused_result]] int relay_reload_bids(struct relay *r, struct error *why);

/* ---- live.c: followers of the auctions ---- */

[[gnu::warn_unused_result]] int live_new(struct live **ret, struct relay *r, struct error *why);
void live_free(struct live *l);
void live_bid(struct live *l, const struct bid *b);
void live_top(struct live *l, const struct auction *b);
void live_delivered(struct live *l, const struct bid *b);
void live_slot(struct live *l, uint64_t slot);
void live_stop(struct live *l); /* ends all streams */

#endif
