/* Bid: an accepted submission as the auction holds it: what was bid, the signed answer for the
 * proposer, ready to send, and the payload that goes with it.
 *
 * Immutable once made, except for `stored`, `storing`, `unproven` and `refused`, and counted by
 * references. Making one is for workers (hashing, a signature); holding and releasing for the
 * loop's thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_BID_H
#define RELAY_BID_H

#include "crypto/bls.h"
#include "relay/submission.h"

struct bid {
    unsigned refs;
    enum consensus_fork fork;
    struct bid_trace trace;
    struct bytes96 signature;     /* the builder's */
    struct address fee_recipient; /* of the payload */
    uint64_t block_number, timestamp;
    uint64_t num_txs, num_blobs, blob_gas_used, excess_blob_gas;
    uint64_t received_ns; /* wall */
    uint64_t sequence;    /* of the builder's own count; 0: none */
    bool cancellable, optimistic, header_only;
    bool unproven;           /* offered before anybody validated it */
    bool refused;            /* its simulation failed since */
    bool stored;             /* the payload is where a crash does not reach it */
    bool storing;            /* ... or on its way there */
    struct hash header_root; /* of the payload header */
    struct hash commitments_root, requests_root; /* zero where the fork has none */
    struct buf json, ssz;                        /* the answers of getHeader */
    struct buf payload; /* the submission as SSZ (submission_reload); a header submission's body */
    struct buf url;     /* header_only: where to ask, NUL-terminated */
};

struct bid_signer {
    struct bls_secret_key key;
    struct bytes48 pubkey;
};

/* bid_make makes the bid of a completed submission and signs it. The caller sets times and flags.
 * a  scratch.  errors  ERR_LIMIT, ERR_NO_MEMORY.  cost  about one signature. */
[[gnu::warn_unused_result]] int bid_make(struct bid **ret, const struct submission *s,
                                         const struct network *n, const struct bid_signer *signer,
                                         struct arena *a, struct error *why);
static inline struct bid *bid_hold(struct bid *b) {
    b->refs++;
    return b;
}
/* bid_release: NULL is allowed. */
void bid_release(struct bid *b);

/* bid_roots fills the roots that a blinded block must have too. */
struct bid_roots {
    struct hash header, commitments, requests;
};
[[gnu::warn_unused_result]] int
bid_roots_of(struct bid_roots *ret, const struct execution_payload_header *header,
             const struct ssz_list *commitments, const struct execution_requests *requests,
             const struct consensus_types *types, enum consensus_fork fork, struct arena *a,
             struct error *why);

#endif
