/* Messages that people sign: EIP-191 personal messages and EIP-712 typed data.
 *
 * Typed data comes as the JSON of eth_signTypedData_v4: {types, primaryType, domain, message}.
 * Numbers may be JSON numbers, decimal text or hex; a missing or null struct member hashes as 32
 * zero bytes, as wallets do. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_TYPED_DATA_H
#define ETH_TYPED_DATA_H

#include "base/arena.h"
#include "crypto/ecdsa.h"
#include "json/json.h"

#define TYPED_DATA_DEPTH_MAX 32        /* structs and arrays within each other */
#define TYPED_DATA_TYPES_MAX 128       /* struct types */
#define TYPED_DATA_FIELDS_MAX 1024     /* of all struct types together */
#define TYPED_DATA_TYPE_TEXT_MAX 65536 /* bytes of one encodeType */

struct typed_data_hashes {
    struct hash domain;  /* domain separator */
    struct hash message; /* hashStruct of the message; zero where the primary type is the domain */
    struct hash digest;  /* keccak256(0x1901 || domain || message): what is signed */
};

/* typed_data_hash computes what is signed. a  scratch. cost  linear in the document, the types'
 * limits apart.
 * errors  ERR_NOT_FOUND (a part, a type or a member is missing), ERR_SYNTAX, ERR_RANGE,
 *         ERR_INVALID (two members of one name; a value of another JSON type), ERR_LIMIT,
 *         ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int typed_data_hash(struct typed_data_hashes *ret,
                                                const struct json *in, struct arena *a,
                                                struct error *why);

/* personal_message_hash: keccak256("\x19Ethereum Signed Message:\n" || decimal length || message),
 * version 0x45 of EIP-191. */
struct hash personal_message_hash(struct bytes message);

/* validator_message_hash: keccak256(0x19 || 0x00 || validator || message), version 0x00. */
struct hash validator_message_hash(const struct address *validator, struct bytes message);

/* signature_to_bytes / signature_from_bytes: the 65 bytes r || s || v of wallets, v 27 or 28 when
 * written, 0, 1, 27 or 28 when read. errors  ERR_SYNTAX (length), ERR_RANGE (v). */
void signature_to_bytes(uint8_t ret[65], const struct ecdsa_signature *s);
[[gnu::warn_unused_result]] int signature_from_bytes(struct ecdsa_signature *ret, struct bytes in,
                                                     struct error *why);

#endif
