/* Submission: what a builder sends, decoded: a whole block (JSON or SSZ, gzip or plain), or only
 * its header (SSZ, "optimistic v3"), and what follows from it: roots, sizes, counts.
 *
 * Source: flashbots/relay-specs, "submitBlock"; ethereum/builder-specs; "optimistic v3" as its
 * relays document it. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_SUBMISSION_H
#define RELAY_SUBMISSION_H

#include "net/coding.h"
#include "relay/network.h"

#define SUBMISSION_BYTES_MAX (15u << 20) /* of the body, after decompression */
#define SUBMISSION_ARENA_MAX (SUBMISSION_BYTES_MAX * 4u)
#define SUBMISSION_URL_MAX 2048u

struct submission {
    enum consensus_fork fork;
    const struct consensus_types *types;
    bool header_only;                    /* the payload stays with the builder */
    struct submit_block_request request; /* header_only: without payload and blobs */
    /* Of the payload or of the header that came instead. */
    struct execution_payload_header header; /* transactions_root: after submission_complete */
    uint64_t num_txs, num_blobs;
    SSZ_LIST_OF(struct bytes48) commitments;
    struct bytes url; /* header_only: where the builder gives the payload */
    struct bytes ssz; /* the request as SSZ: as it came, else after submission_complete */
};

struct submission_input {
    struct bytes body; /* outlives the submission */
    bool ssz;          /* application/octet-stream; else JSON */
    enum coding coding;
    struct bytes version; /* Eth-Consensus-Version; empty: by the slot in the body */
};

/* submission_decode reads a body of POST /relay/v1/builder/blocks. The submission points into the
 * body and the arena.
 * errors   ERR_SYNTAX, ERR_NOT_FOUND, ERR_INVALID, ERR_RANGE (text for the builder), ERR_LIMIT. */
[[gnu::warn_unused_result]] int submission_decode(struct submission *ret,
                                                  const struct submission_input *in,
                                                  const struct network *n, struct arena *a,
                                                  struct error *why);

/* submission_decode_header reads a body of POST /relay/v3/builder/headers, with or without the data
 * for bid adjustments behind the commitments, which is passed over. Electra and later.
 * errors   as above. */
[[gnu::warn_unused_result]] int submission_decode_header(struct submission *ret,
                                                         const struct submission_input *in,
                                                         const struct network *n, struct arena *a,
                                                         struct error *why);

/* submission_complete computes what is dear: the transactions' root and, where it came as JSON, the
 * SSZ form. errors  ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int submission_complete(struct submission *s, struct arena *a,
                                                    struct error *why);

/* submission_reload reads what submission_complete left in `ssz` (a stored payload).
 * header_only submissions are read by submission_decode_header. */
[[gnu::warn_unused_result]] int submission_reload(struct submission *ret, struct bytes ssz,
                                                  enum consensus_fork fork, const struct network *n,
                                                  struct arena *a, struct error *why);

#endif
