/* Sealing: from a candidate in a fill to a signed submission.
 *
 *     candidate ─▶ decision (bid_policy) ─▶ payout ─▶ block ─▶ check ─▶ bid trace, signature
 *
 * The payout to the proposer is the last transaction and must succeed. The block is checked by
 * executing it once more from the parent on a producer of its own: what leaves has the same hash
 * there. The fill's candidate is as before in the end.
 * Threads: a sealer belongs to its fill's thread. Source: flashbots/rbuilder, live_builder;
 * flashbots/relay-specs.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_SEAL_H
#define BUILDER_SEAL_H

#include "builder/slot_work.h"
#include "crypto/bls.h"

/* Keys of the builder. Borrowed by all threads; wiped by their owner. */
struct build_keys {
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key coinbase;
    struct address address; /* of coinbase */
    struct bls_secret_key relay, optimistic;
    struct bytes48 relay_pubkey, optimistic_pubkey;
    bool has_optimistic;
    struct ecdsa_secret_key records; /* fresh at each start: signs records (registration.h) */
    struct address records_address;
    struct hash domain; /* builder domain of the chain */
};

/* An order that a candidate could not hold at its place, and why. */
struct left_out {
    const struct job_entry *entry;
    enum commit_status status;
};

/* A block that may leave. Immutable, reference counted; everything in it lives as long. */
struct built_block {
    atomic_uint holders;
    struct arena memory;
    struct slot_work *work; /* held */
    void *app;              /* for whoever carries it between threads */
    const char *builder;    /* name of who built it */
    struct produced produced;
    struct submit_block_request request; /* signed with the relay key */
    struct bytes96 optimistic_signature; /* and with the other one, when there is one */
    struct bid_trace optimistic_trace;
    struct u256 value;                 /* bid: what the proposer gets */
    struct slot_offer offer;           /* the same, as bids are compared */
    struct u256 true_value;            /* earnings less the payout's gas */
    struct u256 own;                   /* from the builder's funds */
    const struct job_entry **included; /* its orders, as they stand in it: the work's */
    size_t checked;                    /* transactions that the check executed for it */
    struct left_out *left;             /* what was tried after them and did not fit in */
    size_t left_count;
    size_t orders, txs, blobs;
    uint64_t gas, newest_order_ns; /* monotonic: arrival of the newest order in it */
    /* monotonic; and the parts of time */
    uint64_t fill_ns, seal_ns, check_ns, sign_ns, done_at_ns;
    struct {
        struct bytes ssz, json; /* encoded when first asked for, by the loop */
    } encoded[2];               /* plain key, optimistic key */
};
struct built_block *built_block_retain(struct built_block *b);
void built_block_release(struct built_block *b); /* NULL is allowed */

struct seal_options {
    struct bid_policy policy;
    bool check; /* execute once more before it leaves */
};

/* A transaction that the check has executed, and the point before it. */
struct checked_tx {
    struct hash hash;
    struct block_mark before;
};

struct sealer {
    const struct build_keys *keys;
    struct seal_options options;
    struct producer *check;     /* NULL with check off */
    struct checked_tx *checked; /* what stands in its run, in order */
    size_t checked_count, checked_room;
    bool check_begun;   /* its run is that of the work and of `checked` */
    bool check_is_dear; /* of the work: from nothing it takes long */
    struct slot_work *work;
    unsigned builder;      /* whose it is: place in the settings */
    uint64_t plan_version; /* of the plan that the candidate is of */
    uint64_t payout_gas;   /* of a payment to the work's proposer */
    bool payout_possible;
    struct u256 wallet; /* of the builder's account before the block */
};

/* sealer_begin looks at the work's proposer on a fill that has just begun; the fill's reserve must
 * be set to payout_gas then. errors  those of the reader. */
[[gnu::warn_unused_result]] int sealer_begin(struct sealer *s, struct slot_work *work,
                                             struct block_fill *f, struct error *why);

/* sealer_free gives back what a sealer holds; its producer and work are the caller's. */
void sealer_free(struct sealer *s);

/* seal_candidate decides about the fill's candidate and seals it when it is to be bid.
 * ret      NULL: no bid now; *ret_reason (a literal, may be NULL) tells why.
 * errors   ERR_INVALID (the check found another outcome: the block does not leave), those of the
 *          producer, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int seal_candidate(struct sealer *s, struct producer *p,
                                               struct block_fill *f, struct built_block **ret,
                                               const char **ret_reason, struct error *why);

#endif
