/* Request signatures: the X-Flashbots-Signature header (X-BuilderNet-Signature alike).
 *
 * Header: address ":" signature, where the signature is 65 bytes r, s, v (27/28 or 0/1) over
 * keccak256("\x19Ethereum Signed Message:\n66" || "0x" || hex(keccak256(body))). The address is
 * compared as bytes; s must be in the lower half.
 * Not a policy: who may sign is decided by the caller.
 * Source: flashbots/go-utils (signature). Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_REQUEST_SIGNATURE_H
#define ETH_REQUEST_SIGNATURE_H

#include "base/buf.h"
#include "crypto/ecdsa.h"
#include "crypto/sender_cache.h"

#define REQUEST_SIGNATURE_HEADER_BYTES 175 /* of a header that request_signature_make wrote */

struct request_signature {
    struct address claimed; /* who the header says has signed */
    struct ecdsa_signature signature;
};

/* request_signature_digest gives what is signed for a body. */
struct hash request_signature_digest(struct bytes body);

/* request_signature_parse reads a header's value.
 * errors  ERR_AUTH ("no signature provided": empty), ERR_SYNTAX ("invalid signature provided:
 * ..."): no separator, no hex, a wrong length, a wrong v. */
[[gnu::warn_unused_result]] int request_signature_parse(struct request_signature *ret,
                                                        struct bytes header, struct error *why);

/* request_signature_verify recovers the signer of a body and compares it with the header's address.
 * cache   remembers recoveries (a retry costs a look-up); NULL for none. A failure is never kept.
 * errors  as request_signature_parse, and ERR_INVALID (s in the upper half, nothing recovers, or
 *         another address than claimed). cost  one hash of the body, about 40 us. */
[[gnu::warn_unused_result]] int request_signature_verify(struct address *ret, struct bytes header,
                                                         struct bytes body,
                                                         struct sender_cache *cache,
                                                         struct error *why);

/* request_signature_make appends a header's value for a body: the address in EIP-55 form, v 27/28.
 * errors  ERR_RANGE (key), ERR_NO_MEMORY, ERR_LIMIT (buf). */
[[gnu::warn_unused_result]] int request_signature_make(struct buf *out,
                                                       const struct ecdsa_signer *signer,
                                                       const struct ecdsa_secret_key *key,
                                                       struct bytes body, struct error *why);

#endif
