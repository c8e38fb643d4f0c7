/* Constant time: under valgrind's memcheck secret keys are marked undefined, so that a branch or an
 * address that depends on one is an error. The program runs itself under valgrind.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls.h"

#include "crypto/bls_group.h"
#include "crypto/bls_keystore.h"
#include "crypto/bls_scalar.h"
#include "crypto/kdf.h"
#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "test/harness/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <valgrind/memcheck.h>

#define INSIDE "BLS_SECRET_TEST_INSIDE"

/* What is made of a secret key; results are public and are declared so. */
static void use_secrets(void) {
    struct bls_secret_key sk = {
        {{0x123456789abcdef, 0xfedcba987654321, 0x5555aaaa5555aaaa, 0x0102030405060708}}};
    uint8_t bytes[32];
    struct bytes48 pk;
    struct bytes96 signature;
    (void)VALGRIND_MAKE_MEM_UNDEFINED(&sk, sizeof sk);
    bls_public_key_of(&pk, &sk);
    (void)VALGRIND_MAKE_MEM_DEFINED(&pk, sizeof pk);
    bls_sign(&signature, &sk, BYTES_LIT("message"));
    (void)VALGRIND_MAKE_MEM_DEFINED(&signature, sizeof signature);
    bls_secret_key_store(bytes, &sk);
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, sizeof bytes);
    struct bls_public_key key;
    struct error why;
    CHECK_OK(bls_public_key_parse(&key, &pk, &why), &why);
    CHECK_OK(bls_verify(&key, BYTES_LIT("message"), &signature, &why), &why);
}

/* Hashes over secrets, and the comparison of secrets. */
static void hash_secrets(void) {
    uint8_t secret[200];
    memset(secret, 0x5a, sizeof secret);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secret, sizeof secret);
    struct hash a = sha256(bytes_make(secret, sizeof secret));
    struct hash b = keccak256(bytes_make(secret, sizeof secret));
    struct hash pair;
    sha256_pairs(&pair, (const struct hash *)(const void *)secret, 1);
    bool equal = bytes_equal_secret(BYTES_OF(a), BYTES_OF(b));
    (void)VALGRIND_MAKE_MEM_DEFINED(&equal, sizeof equal);
    CHECK(!equal);
}

/* The steps of key derivation and of keystores. What they are put together with looks at the key
 * only to see that it is not zero. */
static void derive_secrets(void) {
    struct hash secret;
    const uint8_t iv[16] = {1};
    uint8_t expanded[255 * 32], plain[32];
    struct hash prk;
    struct u256 scalar;
    struct error why;
    memset(&secret, 0x5a, sizeof secret);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(&secret, sizeof secret);
    CHECK_OK(hkdf_sha256_extract(&prk, BYTES_LIT("salt"), BYTES_OF(secret), &why), &why);
    CHECK_OK(hkdf_sha256_expand(expanded, sizeof expanded, &prk, BYTES_LIT(""), &why), &why);
    bls_scalar_reduce_wide(&scalar, expanded, 48);
    CHECK_OK(pbkdf2_sha256(plain, sizeof plain, BYTES_OF(secret), BYTES_LIT("salt"), 2, &why),
             &why);
    CHECK_OK(aes128_ctr(plain, secret.b, iv, BYTES_OF(secret), &why), &why);
}

/* Shows that the method sees what it must see. */
static void leak_on_purpose(void) {
    volatile uint64_t secret = 3;
    (void)VALGRIND_MAKE_MEM_UNDEFINED((void *)(uintptr_t)&secret, sizeof secret);
    if (secret & 1) CHECK(write(STDERR_FILENO, "", 0) == 0);
}

/* Runs one case of this program under valgrind; its exit status. */
[[gnu::unused]] static int run_inside(const char *name) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(n > 0);
    self[n] = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        setenv(INSIDE, "1", 1);
        execlp("valgrind", "valgrind", "-q", "--error-exitcode=99", "--log-file=/dev/null", self,
               name, (char *)NULL);
        _exit(127);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check_inside(const char *name, void (*body)(void), int expected) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)name;
    (void)body;
    (void)expected;
    SKIP("valgrind does not run sanitized programs");
#else
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
    SKIP("valgrind does not run sanitized programs");
#endif
#endif
#ifndef __OPTIMIZE__
    // Only what is shipped counts: without optimisation a selection is compiled to a branch.
    SKIP("not an optimised build");
#endif
    if (RUNNING_ON_VALGRIND || getenv(INSIDE)) {
        body();
        return;
    }
    int status = run_inside(name);
    if (status == 127) SKIP("valgrind is not installed");
    CHECK_I64(status, expected);
#endif
}

TEST(signing_is_blind_to_the_key) {
    check_inside("signing_is_blind_to_the_key", use_secrets, 0);
}

TEST(hashing_is_blind_to_the_message) {
    check_inside("hashing_is_blind_to_the_message", hash_secrets, 0);
}

TEST(deriving_is_blind_to_the_key) {
    check_inside("deriving_is_blind_to_the_key", derive_secrets, 0);
}

TEST(a_leak_is_seen) {
    check_inside("a_leak_is_seen", leak_on_purpose, 99);
}

TEST_MAIN()
