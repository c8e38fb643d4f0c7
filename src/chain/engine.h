/* Engine: the values of the Engine API as C structs, their JSON, and what they are to blocks.
 *
 * For both sides: an execution client answers with it, and whoever plays a consensus client, builds
 * or simulates asks with it. Which method takes which version at which fork stands in
 * engine_versions.h. Payloads are `struct execution_payload` of eth/containers.h, whose JSON in the
 * beacon API has other names.
 *
 * Source: ethereum/execution-apis, src/engine (paris.md to osaka.md); OP Stack attributes:
 * ethereum-optimism/specs, exec-engine.md. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_ENGINE_H
#define CHAIN_ENGINE_H

#include "eth/containers.h"
#include "eth/fork.h"
#include "json/json.h"
#include "json/write.h"

/* Codes of errors. */
#define ENGINE_UNKNOWN_PAYLOAD (-38001)
#define ENGINE_INVALID_FORKCHOICE (-38002)
#define ENGINE_INVALID_ATTRIBUTES (-38003)
#define ENGINE_TOO_LARGE (-38004)
#define ENGINE_UNSUPPORTED_FORK (-38005)
#define ENGINE_TOO_DEEP_REORG (-38006)

#define ENGINE_BODIES_MAX 1024u /* blocks of one request of bodies */
#define ENGINE_BLOBS_MAX 128u   /* hashes of one request of blobs */
#define ENGINE_PAYLOAD_ID_BYTES 8u

/* ---- payloads ---- */

/* What a payload's object has beyond Paris. */
#define ENGINE_WITHDRAWALS 1u /* V2 */
#define ENGINE_BLOB_GAS 2u    /* V3: blobGasUsed and excessBlobGas */

/* engine_payload_encode writes a payload. parts  ENGINE_*, or-ed. */
void engine_payload_encode(struct json_writer *w, const char *key,
                           const struct execution_payload *p, unsigned parts);

/* engine_payload_decode reads one; null members count as missing.
 * ret_parts  which optional members are there (one of the two blob members alone is an error).
 * errors     ERR_NOT_FOUND, ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int engine_payload_decode(struct execution_payload *ret,
                                                      unsigned *ret_parts, const struct json *in,
                                                      struct arena *a, struct error *why);

/* What stands beside a payload in newPayload and makes its header complete. */
struct engine_extra {
    bool has_beacon_root; /* V3 */
    struct hash beacon_root;
    bool has_requests;            /* V4 */
    const struct bytes *requests; /* type || data */
    size_t request_count;
};

/* engine_payload_block makes the block of a payload: header with its roots, decoded transactions.
 * ret    points into the payload's bytes and `a`.
 * errors ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED (a transaction), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int
engine_payload_block(struct block *ret, const struct execution_payload *p, unsigned parts,
                     const struct engine_extra *extra, struct arena *a, struct error *why);

/* engine_payload_of gives the payload of a block; it points into the block and `a`.
 * errors ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int engine_payload_of(struct execution_payload *ret,
                                                  unsigned *ret_parts, const struct block *b,
                                                  const struct hash *hash, struct arena *a,
                                                  struct error *why);

/* Bodies (ExecutionPayloadBodyV1). */
void engine_body_encode(struct json_writer *w, const char *key, const struct block *b);

/* ---- lists ---- */

/* engine_requests_decode reads executionRequests: each of more than its type byte, types rising.
 * errors  ERR_INVALID, ERR_SYNTAX. */
[[gnu::warn_unused_result]] int engine_requests_decode(const struct bytes **ret, size_t *ret_count,
                                                       const struct json *in, struct arena *a,
                                                       struct error *why);
void engine_requests_encode(struct json_writer *w, const char *key, const struct bytes *requests,
                            size_t count);

/* engine_hashes_decode reads an array of 32-byte values. errors  ERR_INVALID, ERR_SYNTAX. */
[[gnu::warn_unused_result]] int engine_hashes_decode(const struct hash **ret, size_t *ret_count,
                                                     const struct json *in, struct arena *a,
                                                     struct error *why);

/* engine_requests_of gives the requests as the consensus layer's containers, and back.
 * errors  ERR_INVALID (an unknown type, or a length that is no multiple), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int engine_requests_of(struct execution_requests *ret,
                                                   const struct bytes *requests, size_t count,
                                                   struct arena *a, struct error *why);
[[gnu::warn_unused_result]] int engine_requests_flatten(const struct bytes **ret, size_t *ret_count,
                                                        const struct execution_requests *r,
                                                        struct arena *a, struct error *why);

/* engine_blobs_encode writes the BlobsBundle of sidecars, in the order given. */
void engine_blobs_encode(struct json_writer *w, const char *key,
                         const struct tx_sidecar *const *sidecars, size_t count);
/* engine_blobs_bundle gives it as a container (about 128 KiB a blob copied into `a`). */
[[gnu::warn_unused_result]] int engine_blobs_bundle(struct blobs_bundle *ret,
                                                    const struct tx_sidecar *const *sidecars,
                                                    size_t count, struct arena *a,
                                                    struct error *why);
/* engine_blobs_decode reads a BlobsBundle. errors  as engine_payload_decode. */
[[gnu::warn_unused_result]] int engine_blobs_decode(struct blobs_bundle *ret, const struct json *in,
                                                    struct arena *a, struct error *why);

/* ---- attributes ---- */

struct engine_attributes {
    uint64_t timestamp;
    struct hash prev_randao;
    struct address fee_recipient;
    bool has_withdrawals; /* V2 */
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
    bool has_beacon_root; /* V3 */
    struct hash beacon_root;
    /* OP Stack. */
    bool has_rollup; /* any of the members below is there */
    const struct bytes *transactions;
    size_t transaction_count;
    bool no_tx_pool;
    bool has_gas_limit, has_eip1559_params, has_min_base_fee;
    uint64_t gas_limit, min_base_fee;
    uint8_t eip1559_params[8]; /* denominator, elasticity: u32 BE each */
};

[[gnu::warn_unused_result]] int engine_attributes_decode(struct engine_attributes *ret,
                                                         const struct json *in, struct arena *a,
                                                         struct error *why);
void engine_attributes_encode(struct json_writer *w, const char *key,
                              const struct engine_attributes *v);

struct engine_payload_id {
    uint8_t b[ENGINE_PAYLOAD_ID_BYTES];
};
/* engine_payload_id_of: SHA-256 over parent and attributes, the first byte replaced by the version
 * of forkchoiceUpdated (as go-ethereum and op-geth do). errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int engine_payload_id_of(struct engine_payload_id *ret,
                                                     const struct hash *parent,
                                                     const struct engine_attributes *v,
                                                     uint8_t version, struct error *why);
[[gnu::warn_unused_result]] int engine_payload_id_decode(struct engine_payload_id *ret,
                                                         const struct json *in, struct error *why);

/* ---- status ---- */

enum engine_status {
    ENGINE_VALID,
    ENGINE_INVALID,
    ENGINE_SYNCING,
    ENGINE_ACCEPTED,
    ENGINE_INVALID_BLOCK_HASH,
    ENGINE_STATUS_COUNT,
};
const char *engine_status_name(enum engine_status s);

struct engine_payload_status {
    enum engine_status status;
    bool has_latest_valid;
    struct hash latest_valid;
    struct bytes error; /* p NULL: null */
};
void engine_payload_status_encode(struct json_writer *w, const char *key,
                                  const struct engine_payload_status *s);
[[gnu::warn_unused_result]] int engine_payload_status_decode(struct engine_payload_status *ret,
                                                             const struct json *in,
                                                             struct error *why);

struct engine_forkchoice {
    struct hash head, safe, finalized; /* zero: none */
};
[[gnu::warn_unused_result]] int engine_forkchoice_decode(struct engine_forkchoice *ret,
                                                         const struct json *in, struct error *why);
void engine_forkchoice_encode(struct json_writer *w, const char *key,
                              const struct engine_forkchoice *f);

#endif
