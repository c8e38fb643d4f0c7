/* Making what a platform keeps in its vTPM, for platforms that are simulated: the attestation key
 * and what was measured. NV areas: vtpm_nv_write. Blocking; one thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_VTPM_MAKE_H
#define ATTEST_VTPM_MAKE_H

#include "attest/vtpm.h"

#define VTPM_MESSAGE_BYTES_MAX 4096 /* of a command or a response */

/* A way to a TPM that is not one of the library's.
 * exchange  takes one command, and appends the TPM's response to `ret` (empty before). */
struct vtpm_way {
    int (*exchange)(void *context, struct buf *ret, struct bytes command, struct error *why);
    void *context;
};

/* vtpm_open_way opens a TPM that is reached that way. errors  as vtpm_open. */
[[gnu::warn_unused_result]] int vtpm_open_way(struct vtpm **ret, const struct vtpm_way *way,
                                              struct error *why);

/* vtpm_make_key makes an attestation key as Azure's vTPMs have one (RSA of 2,048 bits, restricted
 * to signing what the TPM made itself, RSASSA with SHA-256) and keeps it at `handle`; a key that is
 * there already stays.
 * ret_public  its TPMT_PUBLIC, in the arena. errors  ERR_UNSUPPORTED: another kind of key is there;
 *             ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vtpm_make_key(struct bytes *ret_public, struct vtpm *t,
                                              uint32_t handle, struct arena *a, struct error *why);

/* vtpm_extend extends a PCR of the SHA-256 bank. errors  ERR_IO. */
[[gnu::warn_unused_result]] int vtpm_extend(struct vtpm *t, unsigned pcr, const uint8_t digest[32],
                                            struct error *why);

#endif
