/* Gate: how often somebody may ask, and how he is ranked: rate limits and spam scores of clients
 * (network addresses), signers and holders of API keys, and the rules that set them apart.
 *
 * Three questions, in this order, so that nothing dear is done for somebody over his limit:
 *   gate_client   before anything of a request is read: the client's address, or its API key
 *   gate_claimed  before the signature is recovered: whom the header claims, only looked at, so
 *                 that nobody can use up another's limit
 *   gate_signer   after it was recovered: counted
 *
 * Bounded: GATE_ENTRIES_MAX of each kind; the one longest not seen goes first. Thread: any.
 * Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_GATE_H
#define ORDERFLOW_GATE_H

#include "orderflow/priority.h"
#include "orderflow/rules.h"

#define GATE_ENTRIES_MAX 16384u

struct gate;

struct gate_options {
    uint64_t total_per_second;    /* all users together, with a burst of one second; 0: no limit */
    uint64_t client_per_second;   /* an address, burst two seconds; 0: no limit */
    uint64_t signer_count;        /* requests of a signer in the window; 0: no limit */
    uint64_t signer_window_ns;    /* in eight parts; 0: 1 s */
    struct score_settings scores; /* zero: SCORE_SETTINGS_DEFAULT */
};

/* Who asks, as the gate knows him. */
struct gate_pass {
    int priority;      /* enum order_priority that a rule fixes; -1: none */
    bool over;         /* over the limit: refuse */
    bool known;        /* gate_claimed: this signer has asked before, and its signature was good */
    bool suspect;      /* gate_client: many of its signatures were no good lately */
    bool greedy;       /* gate_client: asks much more than its share, beside others */
    uint64_t retry_ns; /* when over: how long to wait */
    double score;
};

[[gnu::warn_unused_result]] int gate_new(struct gate **ret, const struct gate_options *options,
                                         struct error *why);
void gate_free(struct gate *g);

/* gate_set_rules swaps the rules (taken over; NULL: none). */
void gate_set_rules(struct gate *g, struct rules *rules);

/* ip: 16 bytes (socket_address_client). key: of the request, empty when it has none.
 * now_ns  monotonic. */
struct gate_pass gate_client(struct gate *g, const uint8_t ip[16], struct bytes key,
                             uint64_t now_ns);

/* A client is greedy when there are others, all together ask GATE_GREEDY_LEAST times in two steps
 * of GATE_STEP_NS or more, and it asks half as much again as were its share, were all alike. */
#define GATE_STEP_NS (50 * NS_PER_MS)
#define GATE_GREEDY_LEAST 300u
struct gate_pass gate_claimed(struct gate *g, const struct address *signer, uint64_t now_ns);
struct gate_pass gate_signer(struct gate *g, const struct address *signer, uint64_t now_ns);
/* gate_signer_again counts a request that is answered as before. false: over the limit. */
bool gate_signer_again(struct gate *g, const struct address *signer, uint64_t now_ns);

/* gate_count_forged: a request of this client had no good signature. A client that sends more than
 * a few is suspect for a while; its requests wait behind those of others. */
void gate_count_forged(struct gate *g, const uint8_t ip[16], uint64_t now_ns);

/* gate_count_invalid: an order of this signer was refused for what it is. gate_count_worth: what
 * the builder tells of a signer's orders. */
void gate_count_invalid(struct gate *g, const struct address *signer, uint64_t now_ns);
void gate_count_worth(struct gate *g, const struct address *signer, uint64_t simulated,
                      uint64_t included, double contribution, uint64_t now_ns);

/* gate_entities: signers that are known now. */
size_t gate_entities(struct gate *g);

#endif
