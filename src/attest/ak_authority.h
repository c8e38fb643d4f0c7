/* Authority: certifies the attestation keys of simulated vTPMs, as Azure's does those of its own.
 *
 * Two files in a simulated platform's folder: ak_root.pem, which verifiers are given (--ak-roots),
 * and ak_root_key.pem (mode 0600). Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_AK_AUTHORITY_H
#define ATTEST_AK_AUTHORITY_H

#include "attest/tpm_attest.h"
#include "base/arena.h"

#define AK_AUTHORITY_ROOT "ak_root.pem"
#define AK_AUTHORITY_KEY "ak_root_key.pem"
#define AK_AUTHORITY_NAME "Simulated vTPM Root CA (not Microsoft)"

/* ak_authority_make makes both files, unless they are there already.
 * now     seconds since 1970; the certificate holds for ten years from a day before.
 * errors  ERR_IO, ERR_NO_MEMORY, ERR_INTERNAL. */
[[gnu::warn_unused_result]] int ak_authority_make(const char *folder, uint64_t now,
                                                  struct error *why);

/* ak_authority_certify gives a DER certificate of a key, in the arena; it holds for a year.
 * errors  ERR_NOT_FOUND, ERR_SYNTAX: the files; ERR_NO_MEMORY, ERR_INTERNAL. */
[[gnu::warn_unused_result]] int ak_authority_certify(struct bytes *ret_der, const char *folder,
                                                     const struct rsa_public *key, uint64_t now,
                                                     struct arena *a, struct error *why);

#endif
