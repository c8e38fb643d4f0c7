/* What a TPM says when it quotes: TPMS_ATTEST, its signature, and the PCRs behind its digest.
 *
 * Strict: one SHA-256 bank, no trailing bytes. Big-endian on the wire. Views point into the
 * caller's bytes. Pure; any thread.
 *
 *   TPMS_ATTEST  u32 magic ff544347, u16 type 8018, TPM2B signer, TPM2B extra data, u64 clock,
 *                u32 resets, u32 restarts, u8 safe, u64 firmware, u32 count {u16 hash, u8 size,
 *                bitmap}, TPM2B PCR digest
 *
 * Source: TPM 2.0 Library part 2, 10.12.8; part 3, 18.4.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_TPM_ATTEST_H
#define ATTEST_TPM_ATTEST_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

#define TPM_PCRS 24
#define TPM_ATTEST_BYTES_MAX 2048

struct tpm_attest {
    struct bytes signer;     /* qualified name of the signing key */
    struct bytes extra_data; /* the nonce */
    uint64_t clock;
    uint32_t reset_count, restart_count;
    bool safe;
    uint64_t firmware;
    uint32_t selection; /* bit i: PCR i is in the digest */
    uint8_t pcr_digest[32];
};

/* The SHA-256 bank. */
struct tpm_pcrs {
    uint8_t value[TPM_PCRS][32];
};

/* tpm_attest_parse reads a TPMS_ATTEST of a quote.
 * errors  ERR_SYNTAX, ERR_UNSUPPORTED: not a quote, more than one bank, another bank than
 *         SHA-256. why->at = offset. */
[[gnu::warn_unused_result]] int tpm_attest_parse(struct tpm_attest *ret, struct bytes in,
                                                 struct error *why);

/* tpm_attest_check_pcrs compares the digest with SHA-256 over the selected PCRs in their order.
 * errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int
tpm_attest_check_pcrs(const struct tpm_attest *a, const struct tpm_pcrs *pcrs, struct error *why);

/* tpm_signature_parse takes the RSA signature out of a TPMT_SIGNATURE {0014 RSASSA, 000b SHA-256,
 * u16 size, bytes}. errors  ERR_SYNTAX, ERR_UNSUPPORTED. */
[[gnu::warn_unused_result]] int tpm_signature_parse(struct bytes *ret, struct bytes in,
                                                    struct error *why);

/* tpm_signature_write is its inverse. */
void tpm_signature_write(struct buf *out, struct bytes signature);

/* An RSA public key as a modulus and an exponent, big-endian. */
struct rsa_public {
    struct bytes n;
    uint32_t e;
};

/* tpm_public_parse reads an RSA TPMT_PUBLIC; exponent 0 reads as 65537.
 * errors  ERR_SYNTAX, ERR_UNSUPPORTED: not RSA. */
[[gnu::warn_unused_result]] int tpm_public_parse(struct rsa_public *ret, struct bytes in,
                                                 struct error *why);

/* tpm_verify checks RSASSA-PKCS1-v1_5 with SHA-256 over the message.
 * errors  ERR_INVALID: the signature or the key is not right; ERR_RANGE: a key below 2,048 bits or
 *         above 8,192; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tpm_verify(const struct rsa_public *key, struct bytes message,
                                           struct bytes signature, struct error *why);

#endif
