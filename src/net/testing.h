/* Helpers of the net tests: certificates made on the spot, and turning a loop until something
 * happened. Not for programs. SPDX-License-Identifier: MIT */
#ifndef NET_TESTING_H
#define NET_TESTING_H

#include "net/certificate.h"
#include "net/loop.h"
#include "net/tls.h"
#include "test/harness/test.h"

struct test_identity {
    struct buf cert, key;
    struct hash fingerprint;
};

static inline void test_identity_make(struct test_identity *id, const char *host) {
    struct error why = {0};
    EVP_PKEY *key;
    X509 *cert;
    const char *hosts[] = {host, "127.0.0.1", NULL};
    uint64_t now = clock_wall_ns(&clock_system);
    struct certificate_options o = {.organization = "Test",
                                    .hosts = hosts,
                                    .not_before_ns = now - 3600 * NS_PER_S,
                                    .not_after_ns = now + 86400 * NS_PER_S};
    buf_init(&id->cert, 0);
    buf_init(&id->key, 0);
    CHECK_OK(certificate_key_new(&key, &why), &why);
    CHECK_OK(certificate_self_sign(&cert, key, &o, &why), &why);
    CHECK_OK(certificate_pem(&id->cert, cert, &why), &why);
    CHECK_OK(certificate_key_pem(&id->key, key, &why), &why);
    certificate_fingerprint(&id->fingerprint, cert);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline void test_identity_free(struct test_identity *id) {
    buf_free(&id->cert);
    buf_free(&id->key);
}

static inline struct tls_identity test_identity_of(const struct test_identity *id) {
    return (struct tls_identity){buf_view(&id->cert), buf_view(&id->key)};
}

static inline struct tls *test_tls(const struct tls_options *o) {
    struct error why = {0};
    struct tls *t = NULL;
    CHECK_OK(tls_new(&t, o, &why), &why);
    return t;
}

/* Turns the loop until the condition holds, at most `seconds`. */
#define TURN_UNTIL_WITHIN(loop, seconds, cond)                                                     \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ns(&clock_system) + (seconds)*NS_PER_S;                    \
        while (!(cond)) {                                                                          \
            struct error why_ = {0};                                                               \
            CHECK_OK(loop_turn((loop), 20 * NS_PER_MS, &why_), &why_);                             \
            if (clock_monotonic_ns(&clock_system) > end_) FAIL("waited in vain: %s", #cond);       \
        }                                                                                          \
    } while (0)
#define TURN_UNTIL(loop, cond) TURN_UNTIL_WITHIN(loop, 5, cond)

#endif
