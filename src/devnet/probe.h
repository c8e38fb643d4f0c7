/* Probe: bundles of our own through the nodes in turn, and the proof that one landed in another
 * node's block.
 *
 * For each new block, one bundle with one transaction of a development account goes to the next
 * node's users' listener, signed as a sender signs; before the proof, to several nodes at once.
 * Everything the network does must work for it to land: intake, sharing between attested peers,
 * building, the relay, the proposer. The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PROBE_H
#define DEVNET_PROBE_H

#include "devnet/events.h"
#include "devnet/query.h"
#include "devnet/slots.h"

#define PROBE_NODES_MAX 32
#define PROBES_KEPT 256
#define PROBE_SENDERS 3 /* development accounts that the bundles come from */

struct probe;

struct probe_options {
    struct loop *loop;
    struct events *events;
    struct log *log;
    const char *rpc_url;
    uint64_t chain_id;
    bool single;      /* one bundle a block from the start: their order is always the same */
    unsigned account; /* of the development accounts: this one, and those before it */
};

enum probe_state { PROBE_SENDING, PROBE_TAKEN, PROBE_REFUSED, PROBE_LANDED, PROBE_PASSED };

struct probe_order {
    struct hash tx;
    struct hash bundle;                    /* as the node named it; zero until it answered */
    char node[24];                         /* through which it was sent */
    char winner[SLOT_NAME_MAX];            /* whose block it landed in */
    uint64_t sent_ms, taken_ms, landed_ms; /* Unix time; 0: not yet */
    uint64_t block, target;
    size_t sender;  /* which account signed it, */
    uint64_t nonce; /* and with which nonce: of two alike, one lands at most */
    enum probe_state state;
    char reason[120]; /* of a refusal */
};

[[gnu::warn_unused_result]] int probe_new(struct probe **ret, const struct probe_options *o,
                                          struct error *why);
void probe_free(struct probe *p);

/* probe_node adds a node's users' listener. */
[[gnu::warn_unused_result]] int probe_node(struct probe *p, const char *name, const char *url,
                                           struct error *why);

/* probe_enable: whether a node takes orders now; a new node does not. */
void probe_enable(struct probe *p, const char *name, bool enabled);

/* probe_send sends the next bundle for the block after `head`, when a node takes orders; at most
 * one through a node for a block. */
void probe_send(struct probe *p, uint64_t head);

/* probe_block looks at a new block; gives how many of ours are in it. */
uint64_t probe_block(struct probe *p, const struct slot_record *r, const struct json *block);

/* probe_proof gives the first bundle that landed in the block of a node other than the one that it
 * was sent through; NULL: none yet. */
const struct probe_order *probe_proof(const struct probe *p);
/* probe_count: how many of the newest PROBES_KEPT are in that state. */
uint64_t probe_count(const struct probe *p, enum probe_state state);

/* probe_fate: how many bundles for blocks up to `block` were taken, and how many of them landed;
 * without those whose nonce another one of ours used. */
void probe_fate(const struct probe *p, uint64_t block, uint64_t *ret_orders, uint64_t *ret_landed);

/* probe_find gives the order with this transaction or bundle hash, or NULL. */
const struct probe_order *probe_find(const struct probe *p, const struct hash *h);

void probe_write(struct json_writer *w, const char *key, const struct probe *p);

#endif
