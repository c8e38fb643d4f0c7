/* SHA-256 and SHA-384, one shot, and the extend operation of measurement registers.
 *
 * Pure; any thread. Source: FIPS 180-4; TCG PC Client Platform Firmware Profile for extend.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_DIGEST_H
#define ATTEST_DIGEST_H

#include "base/bytes.h"

#define DIGEST_BYTES_MAX 64u

enum digest_kind { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

/* digest_size gives 20, 32, 48 or 64; digest_name "sha256" and so on. */
size_t digest_size(enum digest_kind kind);
const char *digest_name(enum digest_kind kind);

void digest_sha256(struct bytes in, uint8_t ret[32]);
void digest_sha384(struct bytes in, uint8_t ret[48]);

/* digest_of hashes with a kind chosen at run time; digest_size(kind) bytes at ret. */
void digest_of(enum digest_kind kind, struct bytes in, uint8_t *ret);

/* digest_sha256_two hashes a ‖ b; false when there is no memory. */
[[gnu::warn_unused_result]] bool digest_sha256_two(struct bytes a, struct bytes b, uint8_t ret[32]);

/* digest_extend: reg := H(reg ‖ event digest), both digest_size(kind) bytes. */
void digest_extend(enum digest_kind kind, uint8_t *reg, const uint8_t *event);

#endif
