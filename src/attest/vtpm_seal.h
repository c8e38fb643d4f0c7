/* Sealing: a few bytes that only one TPM gives back, if wanted only after the same boot.
 *
 * The bytes are the sensitive part of an object under the owner's storage key (ECC P-256, made anew
 * from its seed each time, so nothing has to be kept in the TPM). With PCRs the object carries
 * their policy and is not given out under other values. What passes between here and the TPM is
 * encrypted under a session key. The sealed form:
 *
 *     0   11  "bn-sealed-1"
 *     11   4  SHA-256 PCRs of the policy, a bit each, big-endian; 0: none
 *     15   .  TPM2B_PUBLIC, TPM2B_PRIVATE
 *
 * Source: TPM 2.0 Library part 1, 27 (object hierarchy) and 19.7 (policies); part 3.
 * Thread: as vtpm.h. SPDX-License-Identifier: MIT */
#ifndef ATTEST_VTPM_SEAL_H
#define ATTEST_VTPM_SEAL_H

#include "attest/vtpm.h"
#include "base/secret.h"

#define VTPM_SEALED_BYTES_MAX 2048
#define VTPM_SECRET_BYTES_MAX 128

/* vtpm_seal appends the sealed form of 1..VTPM_SECRET_BYTES_MAX bytes.
 * errors  ERR_RANGE (length, PCRs above 23), ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vtpm_seal(struct buf *out, struct vtpm *t, struct bytes secret,
                                          uint32_t pcrs, struct error *why);

/* vtpm_unseal gives the bytes back. errors  ERR_SYNTAX (not of the form), ERR_UNTRUSTED: sealed by
 * another TPM, or the PCRs are others now; ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vtpm_unseal(struct secret *ret, struct vtpm *t, struct bytes sealed,
                                            struct error *why);

#endif
