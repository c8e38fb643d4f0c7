/* Beacon's insides: nodes, their event streams, and what is being asked.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_BEACON_INTERNAL_H
#define RELAY_BEACON_INTERNAL_H

#include "net/sse.h"
#include "relay/ask.h"
#include "relay/beacon.h"

#define BEACON_TIMEOUT_NS (10 * NS_PER_S)
#define BEACON_ANSWER_MAX (4u << 20)
#define BEACON_VALIDATORS_MAX JSON_BYTES_MAX
#define BEACON_EVENT_MAX (1u << 20)
#define BEACON_GENESIS_PATH "/eth/v1/beacon/genesis"

struct beacon_node {
    struct beacon *beacon;
    struct client *client;
    const char *url;
    struct client_call *events; /* NULL: no stream is open */
    struct ask *checking;       /* its genesis, before the stream is opened */
    bool foreign;               /* it has another: nothing of it counts */
    uint64_t told_ns;           /* when that was logged last */
    struct sse_reader reader;
    struct loop_timer retry;
    unsigned status;
    bool head_only; /* it refused payload_attributes */
};

enum beacon_step { STEP_GENESIS, STEP_SPEC, STEP_SYNCING, STEP_RUNNING };

struct beacon {
    struct beacon_options options;
    struct beacon_events events;
    struct beacon_node nodes[BEACON_NODES_MAX];
    size_t node_count, turn; /* turn: the node that is asked next */
    enum beacon_step step;
    struct arena arena; /* genesis until the specification is there */
    const struct json *genesis;
    struct network network;
    struct loop_timer timer;
    bool asking; /* an answer of a step, or duties, is awaited */
    bool asking_validators, have_validators, have_duties, stopped;
    bool all_statuses; /* a node that does not know "active" as a filter: all are asked for */
    uint64_t current_loaded, next_loaded; /* epochs + 1; 0: none */
    uint64_t head_epoch;                  /* of the newest head */
    uint64_t asking_epoch;
    uint64_t validators_due_ns;
    struct ask *step_ask, *validators_ask;
    struct pool_task parse; /* of validators */
    struct buf parse_body;
    struct beacon_validator *parsed;
    size_t parsed_count;
    struct error parse_why;
    int parse_status;
    bool parsing;
    struct metric *head_slot, *stream_breaks, *attributes_seen;
};

struct beacon_validator {
    uint64_t index;
    struct bytes48 pubkey;
};

/* beacon_get asks the node whose turn it is. */
[[gnu::warn_unused_result]] int beacon_get(struct beacon *b, struct ask **ret, const char *path,
                                           size_t limit, ask_done *done, struct error *why);
/* beacon_data_of gives the `data` of an answer; the document lives in `a`. */
[[gnu::warn_unused_result]] int beacon_data_of(const struct json **ret,
                                               const struct ask_answer *answer, struct arena *a,
                                               struct error *why);
/* beacon_listen opens a node's event stream (beacon_events.c), once it is on the relay's chain. */
void beacon_listen(struct beacon_node *n);
void beacon_unlisten(struct beacon_node *n);
/* beacon_refresh_validators asks for them (beacon_validators.c). */
void beacon_refresh_validators(struct beacon *b);
void beacon_tick_soon(struct beacon *b, uint64_t in_ns);

#endif
