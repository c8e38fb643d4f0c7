/* A whole block of the consensus layer, as it is published: what a relay makes of a blinded block
 * and the payload that it kept. containers.h has the descriptions.
 *
 * Source: ethereum/consensus-specs; ethereum/beacon-APIs, "publishBlockV2". Data only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_BEACON_BLOCK_H
#define ETH_BEACON_BLOCK_H

#include "eth/blinded_block.h"

struct beacon_block_body {
    struct blinded_block_body rest; /* its execution_payload_header is not looked at */
    struct execution_payload execution_payload;
};
struct beacon_block {
    uint64_t slot, proposer_index;
    struct hash parent_root, state_root;
    struct beacon_block_body body;
};
struct signed_beacon_block {
    struct beacon_block message;
    struct bytes96 signature;
};
/* From Deneb on. */
struct block_contents {
    struct signed_beacon_block signed_block;
    SSZ_LIST_OF(struct bytes48) kzg_proofs;
    SSZ_LIST_OF(struct blob) blobs;
};

#endif
