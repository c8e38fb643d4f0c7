/* Certificates, lists, the SGX extension and aTLS certificates. What our strict reader takes as a
 * certificate, OpenSSL takes too, with the same serial number.
 * SPDX-License-Identifier: MIT */
#include "attest/atls.h"
#include "attest/cert.h"
#include "attest/pck.h"

#include <openssl/bn.h>
#include <openssl/x509.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const struct cert *c) {
    const uint8_t *p = c->der.p;
    X509 *x = d2i_X509(NULL, &p, (long)c->der.n);
    if (!x) return; // extensions inside which OpenSSL reads and we do not
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    BIGNUM *ours = BN_bin2bn(c->serial.p, (int)c->serial.n, NULL);
    if (!n || !ours || BN_cmp(n, ours) != 0) abort();
    BN_free(n);
    BN_free(ours);
    X509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct cert c;
    struct crl l;
    struct pck_extension pck;
    struct atls_certificate atls;
    struct cert_chain chain;
    struct arena a;
    arena_init(&a, 1u << 20);
    if (cert_parse(&c, in, NULL) == 0) {
        compare(&c);
        if (c.sgx.n > 0) (void)!pck_extension_parse(&pck, c.sgx, NULL);
    }
    if (crl_parse(&l, in, NULL) == 0) (void)crl_revokes(&l, in);
    (void)!pck_extension_parse(&pck, in, NULL);
    (void)!atls_certificate_read(&atls, in, 0, NULL);
    (void)!cert_chain_parse(&chain, in, &a, NULL);
    arena_free(&a);
    return 0;
}
