/* Addresses as text, and addresses of contracts to be.
 * Source: EIP-55, EIP-1014. (tx.h has tx_create_address for CREATE.) Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_ADDRESS_H
#define ETH_ADDRESS_H

#include "base/bytes.h"
#include "base/error.h"

/* address_to_text writes "0x", 40 digits with the checksum in their case (EIP-55), and a NUL. */
void address_to_text(char ret[43], const struct address *a);

/* address_from_text reads "0x" and 40 digits: of one case all, or with the right checksum.
 * errors  ERR_SYNTAX, ERR_RANGE (length), ERR_INVALID (mixed case with a wrong checksum). */
[[gnu::warn_unused_result]] int address_from_text(struct address *ret, struct bytes text,
                                                  struct error *why);

/* address_create2 gives the address of CREATE2: keccak256(0xff || creator || salt ||
 * keccak256(initcode))[12..]. */
struct address address_create2(const struct address *creator, const struct hash *salt,
                               const struct hash *initcode_hash);

#endif
