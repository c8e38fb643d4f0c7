/* SPDX-License-Identifier: MIT */
#include "crypto/bench.h"
#include "base/cpu.h"
#include "crypto/blake2b.h"
#include "crypto/bls_bench.h"
#include "crypto/bn254.h"
#include "crypto/bn254_constants.h"
#include "crypto/bn254_impl.h"
#include "crypto/ecdsa.h"
#include "crypto/keccak.h"
#include "crypto/keccak_impl.h"
#include "crypto/modexp.h"
#include "crypto/p256.h"
#include "crypto/ripemd160.h"
#include "crypto/sender_cache.h"
#include "crypto/sha256.h"
#include "test/harness/bench.h"

#include <gmp.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <pthread.h>
#include <secp256k1_recovery.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MESSAGES 1024
#define MESSAGE_MAX 544

/* What the cases work on, made once. */
struct bench {
    const char *only;
    unsigned budget_ms, ran;
    uint8_t messages[MESSAGES][MESSAGE_MAX];
    struct keccak_job jobs[MESSAGES];
    struct hash hashes[2 * MESSAGES];
    enum keccak_path path;
    alignas(64) uint64_t states[25 * KECCAK_LANES_MAX];
    struct hash digest;
    struct ecdsa_signature signature;
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    secp256k1_context *secp256k1;
    struct sender_cache *cache;
    struct p256 *p256;
    uint8_t p256_input[160];
    struct bare_p256 {
        EC_GROUP *group;
        EC_POINT *key, *sum;
        BIGNUM *u1, *u2;
        BN_CTX *context;
    } bare_p256;
    uint8_t numbers[3][256], result[256];
    size_t modulus_bytes, exponent_bytes;
    mpz_t base, exponent, modulus, power;
    struct bn254_g1 g1[4], g1_result;
    struct bn254_g2 g2[4];
    uint8_t g2_bytes[128], scalar[32];
    size_t pairs, products, sums;
    struct bn254_fp numbers_fp[8];
    volatile uint64_t sink; /* results go here, so that the work is done */
};

static bool wanted(const struct bench *b, const char *name) {
    return strstr(name, b->only) != NULL;
}

// Runs one case: `inner` units of work in one run of body, which cannot take less than limit_ns.
static void run(struct bench *b, const char *name, double inner, const char *unit,
                void (*body)(void *arg), double limit_ns) {
    bench_emit(name, inner, unit, bench_best_ns(body, b, b->budget_ms), limit_ns);
    b->ran++;
}

// Runs a case that is wanted, beside the bare part of what body does.
static void run_beside(struct bench *b, const char *name, double inner, const char *unit,
                       void (*body)(void *arg), void (*bare)(void *arg)) {
    if (!wanted(b, name)) return;
    run(b, name, inner, unit, body, bench_best_ns(bare, b, b->budget_ms / 4));
}

static void body_keccak(void *arg) {
    struct bench *b = arg;
    keccak256_scatter_by(b->path, b->jobs, MESSAGES);
}

#define BARE_ROUNDS 256

// Bare permutations, eight states' worth a round on every path: the physical limit of the hash.
static void body_permutations(void *arg) {
    struct bench *b = arg;
    struct keccak_block blocks[KECCAK_LANES_MAX];
    for (size_t i = 0; i < KECCAK_LANES_MAX; i++) {
        blocks[i] = (struct keccak_block){b->messages[i], KECCAK_RATE};
    }
    for (int i = 0; i < BARE_ROUNDS; i++) {
        switch (b->path) {
        case KECCAK_PLAIN:
            for (int j = 0; j < 8; j++) {
                keccak_permute(b->states + 25 * (size_t)j);
            }
            break;
#if defined(__x86_64__)
        case KECCAK_AVX2X4:
            keccak_absorb_avx2x4(b->states, blocks, 0);
            keccak_absorb_avx2x4(b->states, blocks, 0);
            break;
        case KECCAK_AVX512X8:
            keccak_absorb_avx512x8(b->states, blocks, 0);
            break;
#else
        default:
            (void)blocks;
            break;
#endif
        }
    }
}

static void bench_keccak(struct bench *b) {
    static const size_t sizes[] = {32, 100, 532};
    for (int path = KECCAK_PLAIN; path <= KECCAK_AVX512X8; path++) {
        if (!keccak_path_usable((enum keccak_path)path)) continue;
        b->path = (enum keccak_path)path;
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            char name[64];
            (void)snprintf(name, sizeof name, "keccak256_%s_%zu_bytes", keccak_path_name(b->path),
                           sizes[s]);
            if (!wanted(b, name)) continue;
            for (size_t i = 0; i < MESSAGES; i++) {
                b->jobs[i] =
                    (struct keccak_job){bytes_make(b->messages[i], sizes[s]), &b->hashes[i]};
            }
            double permutations = (double)(MESSAGES * keccak_permutations(sizes[s]));
            double bare = bench_best_ns(body_permutations, b, b->budget_ms / 2) / (8 * BARE_ROUNDS);
            run(b, name, permutations, "permutations", body_keccak, permutations * bare);
        }
    }
}

// OpenSSL's hash of as many blocks in one message: what the compressions alone cost.
static void digest(struct bench *b, const EVP_MD *md, size_t n) {
    uint8_t ret[EVP_MAX_MD_SIZE];
    b->sink = b->sink + (uint64_t)EVP_Digest(b->messages, n, ret, NULL, md, NULL);
}

#define BLOCK 64                               /* of SHA-256 and RIPEMD-160 */
#define BLOCKS_OF_512 (512 / BLOCK + 1)        /* one for the padding */
#define BLOCKS_OF_PAIRS ((size_t)2 * MESSAGES) /* again */
#define BLAKE2B_ROUNDS 12000

static void body_sha256(void *arg) {
    struct bench *b = arg;
    for (size_t i = 0; i < 64; i++) {
        b->hashes[i] = sha256(bytes_make(b->messages[i], 512));
    }
}
static void bare_sha256(void *arg) {
    digest(arg, EVP_sha256(), (size_t)64 * BLOCKS_OF_512 * BLOCK);
}

static void body_sha256_pairs(void *arg) {
    struct bench *b = arg;
    sha256_pairs(b->hashes, b->hashes, MESSAGES);
}
#if defined(__x86_64__)
// So many blocks' rounds, two an instruction, in four chains that do not wait for each other.
[[gnu::target("sha")]] static void sha256_rounds(struct bench *b, size_t blocks) {
    const __m128i *in = (const __m128i *)(const void *)b->hashes, k = _mm_loadu_si128(in);
    __m128i s[4];
    memcpy(s, in, sizeof s);
    for (size_t i = 0; i < blocks * 64 / 2 / 4; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            s[j] = _mm_sha256rnds2_epu32(s[j], k, k);
        }
    }
    memcpy(b->hashes, s, sizeof s);
}
#endif
// Pairs are hashed side by side, faster than one message: what bounds them is the instruction.
static void bare_sha256_pairs(void *arg) {
#if defined(__x86_64__)
    if (cpu_has(CPU_SHA_NI)) {
        sha256_rounds(arg, BLOCKS_OF_PAIRS);
        return;
    }
#endif
    digest(arg, EVP_sha256(), BLOCKS_OF_PAIRS * BLOCK);
}

static void body_ripemd160(void *arg) {
    struct bench *b = arg;
    for (size_t i = 0; i < 64; i++) {
        struct address a = ripemd160(bytes_make(b->messages[i], 512), NULL);
        b->sink = b->sink + a.b[0];
    }
}
static void bare_ripemd160(void *arg) {
    digest(arg, EVP_ripemd160(), (size_t)64 * BLOCKS_OF_512 * BLOCK);
}

static void body_blake2b(void *arg) {
    struct bench *b = arg;
    uint64_t h[8] = {1}, m[16] = {2}, t[2] = {3, 4};
    blake2b_compress(h, m, t, true, BLAKE2B_ROUNDS, NULL);
    b->sink = b->sink + h[0];
}
// In a round, 24 additions, exclusive ors and rotations wait for each other.
static void bare_blake2b(void *arg) {
    struct bench *b = arg;
    uint64_t v = b->sink, key = v + 1;
    for (int i = 0; i < BLAKE2B_ROUNDS * 24 / 2; i++) {
        v ^= key;
        v = v >> 24 | v << 40;
    }
    b->sink = v;
}

static void body_recover(void *arg) {
    struct bench *b = arg;
    struct address a;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)ecdsa_recover_address(&a, &b->digest, &b->signature, NULL);
    }
}
// The curve's part of a recovery, without the address.
static void bare_recover(void *arg) {
    struct bench *b = arg;
    struct ecdsa_public_key key;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)ecdsa_recover(&key, &b->digest, &b->signature, NULL);
    }
}
static void body_cached(void *arg) {
    struct bench *b = arg;
    struct address a;
    for (int i = 0; i < 1000; i++) {
        b->sink =
            b->sink + (uint64_t)sender_cache_recover(b->cache, &a, &b->digest, &b->signature, NULL);
    }
}
// What cannot be left out: a lock taken and given back, and the key, which is 96 bytes, compared.
static void bare_cached(void *arg) {
    struct bench *b = arg;
    uint8_t known[96];
    memcpy(known, b->messages[0], sizeof known);
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    for (int i = 0; i < 1000; i++) {
        (void)pthread_mutex_lock(&lock);
        b->sink = b->sink + (uint64_t)memcmp(known, b->messages[0], sizeof known);
        (void)pthread_mutex_unlock(&lock);
    }
}
static void body_sign(void *arg) {
    struct bench *b = arg;
    struct ecdsa_signature s;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)ecdsa_sign(b->signer, &s, &b->digest, &b->key, NULL);
    }
}
static void bare_sign(void *arg) {
    struct bench *b = arg;
    secp256k1_ecdsa_recoverable_signature s;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)secp256k1_ecdsa_sign_recoverable(
                                b->secp256k1, &s, b->digest.b, b->key.b, NULL, NULL);
    }
}
static void body_p256(void *arg) {
    struct bench *b = arg;
    struct hash digest;
    const uint8_t *in = b->p256_input;
    memcpy(digest.b, in, 32);
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + p256_verify(b->p256, &digest, in + 32, in + 64, in + 96, in + 128);
    }
}
// The curve's part of a verification: u1 G + u2 Q with all of them at hand.
static void bare_p256(void *arg) {
    struct bench *b = arg;
    const struct bare_p256 *c = &b->bare_p256;
    for (int i = 0; i < 10; i++) {
        b->sink =
            b->sink + (uint64_t)EC_POINT_mul(c->group, c->sum, c->u1, c->key, c->u2, c->context);
    }
}

static void body_modexp(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 4; i++) {
        if (modexp(b->result, bytes_make(b->numbers[0], b->modulus_bytes),
                   bytes_make(b->numbers[1], b->exponent_bytes),
                   bytes_make(b->numbers[2], b->modulus_bytes), NULL) != 0)
            abort();
    }
}

static void bare_modexp(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 4; i++) {
        mpz_powm(b->power, b->base, b->exponent, b->modulus);
    }
}

static void bench_modexp(struct bench *b) {
    mpz_inits(b->base, b->exponent, b->modulus, b->power, NULL);
    b->exponent_bytes = 32;
    for (b->modulus_bytes = 32; b->modulus_bytes <= 256; b->modulus_bytes *= 2) {
        mpz_import(b->base, b->modulus_bytes, 1, 1, 1, 0, b->numbers[0]);
        mpz_import(b->exponent, b->exponent_bytes, 1, 1, 1, 0, b->numbers[1]);
        for (int odd = 0; odd < 2; odd++) {
            uint8_t *last = &b->numbers[2][b->modulus_bytes - 1];
            *last = (uint8_t)((*last & 0xfe) | odd);
            mpz_import(b->modulus, b->modulus_bytes, 1, 1, 1, 0, b->numbers[2]);
            char name[64];
            (void)snprintf(name, sizeof name, "modexp_%zu_bytes_%s", b->modulus_bytes,
                           odd ? "odd" : "even");
            run_beside(b, name, 4, "exponentiations", body_modexp, bare_modexp);
        }
    }
    mpz_clears(b->base, b->exponent, b->modulus, b->power, NULL);
}

static void body_bn254_add(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 20; i++) {
        bn254_g1_add(&b->g1_result, &b->g1[0], &b->g1[1]);
    }
}
static void body_bn254_mul(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 10; i++) {
        bn254_g1_mul(&b->g1_result, &b->g1[0], b->scalar);
    }
}
static void body_bn254_parse_g2(void *arg) {
    struct bench *b = arg;
    b->sink = b->sink + (uint64_t)bn254_g2_parse(&b->g2[3], b->g2_bytes, NULL);
}
static void body_bn254_pairing(void *arg) {
    struct bench *b = arg;
    b->sink = b->sink + bn254_pairing_check(b->g1, b->g2, b->pairs, NULL);
}
// What the contract does: read all points, then check.
static void body_bn254_contract(void *arg) {
    struct bench *b = arg;
    uint8_t g1[64];
    for (size_t i = 0; i < b->pairs; i++) {
        bn254_g1_write(g1, &b->g1[i]);
        b->sink = b->sink + (uint64_t)bn254_g1_parse(&b->g1[i], g1, NULL);
        b->sink = b->sink + (uint64_t)bn254_g2_parse(&b->g2[i], b->g2_bytes, NULL);
    }
    b->sink = b->sink + bn254_pairing_check(b->g1, b->g2, b->pairs, NULL);
}

/* Field multiplications of each operation, counted once in an instrumented build; a sum of two
 * products counts by itself. The limit of a case is their bare cost. */
#define ADD_PRODUCTS 4
#define MUL_PRODUCTS 1135
#define MUL_SUMS 177
#define PARSE_G2_PRODUCTS 2218
#define PARSE_G2_SUMS 2250
#define PAIRING_PRODUCTS(n) (3411 + 1484 * (n))
#define PAIRING_SUMS(n) (4599 + 3322 * (n))

// A sum of affine points is little more than its inversion.
static void bare_bn254_add(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 20; i++) {
        mp_limb_t u[5] = {0}, v[5] = {0}, gcd[5], inverse[6];
        mp_size_t n;
        memcpy(u, b->g1[1].x.w, sizeof b->g1[1].x.w);
        memcpy(v, bn254_p.w, sizeof bn254_p.w);
        b->sink = b->sink + (uint64_t)mpn_gcdext(gcd, inverse, &n, u, 4, v, 4);
    }
    bn254_core()->field_work(b->numbers_fp, (size_t)20 * ADD_PRODUCTS, 0);
}

static void bare_field_work(void *arg) {
    struct bench *b = arg;
    bn254_core()->field_work(b->numbers_fp, b->products, b->sums);
}

// As run_beside, beside so many products and sums of two.
static void run_field(struct bench *b, const char *name, double inner, const char *unit,
                      void (*body)(void *arg), size_t products, size_t sums) {
    b->products = products;
    b->sums = sums;
    run_beside(b, name, inner, unit, body, bare_field_work);
}

static void bench_bn254(struct bench *b) {
    run_beside(b, "bn254_add", 20, "additions", body_bn254_add, bare_bn254_add);
    run_field(b, "bn254_mul", 10, "multiplications", body_bn254_mul, (size_t)10 * MUL_PRODUCTS,
              (size_t)10 * MUL_SUMS);
    run_field(b, "bn254_parse_g2", 1, "points", body_bn254_parse_g2, PARSE_G2_PRODUCTS,
              PARSE_G2_SUMS);
    for (b->pairs = 1; b->pairs <= 4; b->pairs *= 2) {
        char name[64];
        (void)snprintf(name, sizeof name, "bn254_pairing_%zu", b->pairs);
        run_field(b, name, (double)b->pairs, "pairs", body_bn254_pairing,
                  PAIRING_PRODUCTS(b->pairs), PAIRING_SUMS(b->pairs));
        (void)snprintf(name, sizeof name, "bn254_contract_%zu", b->pairs);
        run_field(b, name, (double)(45000 + 34000 * b->pairs), "gas", body_bn254_contract,
                  PAIRING_PRODUCTS(b->pairs) + PARSE_G2_PRODUCTS * b->pairs,
                  PAIRING_SUMS(b->pairs) + PARSE_G2_SUMS * b->pairs);
    }
}

static void fill(uint8_t *p, size_t n, uint64_t *state) {
    for (size_t i = 0; i < n; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (uint8_t)(*state >> 56);
    }
}

static void read_hex(uint8_t *ret, const char *hex) {
    for (size_t i = 0; hex[2 * i]; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        ret[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

// The generator of G2 and multiples of the one of G1.
static bool prepare_bn254(struct bench *b) {
    uint8_t g1[64] = {[31] = 1, [63] = 2};
    read_hex(b->g2_bytes, "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                          "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                          "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                          "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa");
    for (size_t i = 0; i < 4; i++) {
        if (bn254_g1_parse(&b->g1[i], g1, NULL) != 0) return false;
        b->scalar[0] ^= (uint8_t)(i + 1);
        bn254_g1_mul(&b->g1[i], &b->g1[i], b->scalar);
        if (bn254_g2_parse(&b->g2[i], b->g2_bytes, NULL) != 0) return false;
    }
    return true;
}

// The key of p256_input; r and s stand for the two scalars, which are as long.
static bool prepare_bare_p256(struct bench *b) {
    struct bare_p256 *c = &b->bare_p256;
    uint8_t key[65] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(key + 1, b->p256_input + 96, 64);
    c->u1 = BN_bin2bn(b->p256_input + 32, 32, NULL);
    c->u2 = BN_bin2bn(b->p256_input + 64, 32, NULL);
    c->context = BN_CTX_new();
    c->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (!c->u1 || !c->u2 || !c->context || !c->group) return false;
    c->key = EC_POINT_new(c->group);
    c->sum = EC_POINT_new(c->group);
    return c->key && c->sum &&
           EC_POINT_oct2point(c->group, c->key, key, sizeof key, c->context) == 1;
}

static void bare_p256_free(struct bare_p256 *c) {
    BN_free(c->u1);
    BN_free(c->u2);
    EC_POINT_free(c->key);
    EC_POINT_free(c->sum);
    EC_GROUP_free(c->group);
    BN_CTX_free(c->context);
}

static bool prepare(struct bench *b) {
    uint64_t state = 1;
    struct address a;
    fill(b->messages[0], sizeof b->messages, &state);
    fill(b->hashes[0].b, sizeof b->hashes, &state);
    fill(b->digest.b, sizeof b->digest, &state);
    fill(b->numbers[0], sizeof b->numbers, &state);
    fill(b->scalar, sizeof b->scalar, &state);
    fill(b->key.b, sizeof b->key, &state);
    for (size_t i = 0; i < 8; i++) {
        b->numbers_fp[i].w[0] = i + 1;
    }
    b->key.b[0] = 1;
    for (size_t i = 0; i < 3; i++) {
        b->numbers[i][0] |= 0x80;
    }
    // A signature of the NIST curve over the digest in the first 32 bytes: h, r, s, x, y.
    read_hex(b->p256_input, "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
                            "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
                            "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
                            "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
                            "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e");
    b->secp256k1 = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    return ecdsa_signer_new(&b->signer, NULL) == 0 && p256_new(&b->p256, NULL) == 0 &&
           prepare_bare_p256(b) && sender_cache_new(&b->cache, 1024, NULL) == 0 &&
           ecdsa_sign(b->signer, &b->signature, &b->digest, &b->key, NULL) == 0 &&
           sender_cache_recover(b->cache, &a, &b->digest, &b->signature, NULL) == 0 &&
           prepare_bn254(b);
}

static const struct {
    const char *name;
    double inner;
    const char *unit;
    void (*body)(void *arg), (*bare)(void *arg);
} cases[] = {
    {"sha256_512_bytes", 64, "hashes", body_sha256, bare_sha256},
    {"sha256_pairs", MESSAGES, "hashes", body_sha256_pairs, bare_sha256_pairs},
    {"ripemd160_512_bytes", 64, "hashes", body_ripemd160, bare_ripemd160},
    {"blake2b_compress", BLAKE2B_ROUNDS, "rounds", body_blake2b, bare_blake2b},
    {"ecrecover", 10, "signatures", body_recover, bare_recover},
    {"sender_cache_hit", 1000, "signatures", body_cached, bare_cached},
    {"ecdsa_sign", 10, "signatures", body_sign, bare_sign},
    {"p256_verify", 10, "signatures", body_p256, bare_p256},
};

unsigned crypto_bench(const char *only, unsigned budget_ms) {
    struct bench *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    if (!b) return 0;
    memset(b, 0, sizeof *b);
    b->only = only;
    b->budget_ms = budget_ms;
    if (prepare(b)) {
        bench_keccak(b);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            run_beside(b, cases[i].name, cases[i].inner, cases[i].unit, cases[i].body,
                       cases[i].bare);
        }
        bench_modexp(b);
        bench_bn254(b);
    }
    unsigned ran = b->ran + bls_bench(only, budget_ms) + kzg_bench(only, budget_ms);
    ecdsa_signer_free(b->signer);
    secp256k1_context_destroy(b->secp256k1);
    p256_free(b->p256);
    bare_p256_free(&b->bare_p256);
    sender_cache_free(b->cache);
    free(b);
    return ran;
}
