/* Trust roots: the certificate at which every chain must end.
 *
 * Intel's production root is built in and is the default. Any other root (a simulated platform's,
 * a test's) must be given explicitly, is never Intel's, and every verdict carries its name and
 * fingerprint. Read only after making; shared by threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_TRUST_H
#define ATTEST_TRUST_H

#include "attest/cert.h"

struct trust_root {
    struct arena arena;
    struct cert cert;
    struct es256_key *key;
    uint8_t fingerprint[32]; /* SHA-256 of the DER */
    bool is_intel;           /* Intel's production root, by fingerprint */
    char name[64];           /* common name, NUL-terminated, printable */
};

/* trust_root_intel gives Intel SGX Root CA. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trust_root_intel(struct trust_root *ret, struct error *why);

/* trust_root_parse reads a root from PEM (its first certificate) or DER. Intel's own certificate
 * given so is recognised as such.
 * errors  ERR_SYNTAX, ERR_INVALID: not self-issued, its signature not by its own key; ERR_LIMIT,
 *         ERR_NO_MEMORY. The caller frees. */
[[gnu::warn_unused_result]] int trust_root_parse(struct trust_root *ret, struct bytes in,
                                                 struct error *why);
void trust_root_free(struct trust_root *root);

#endif
