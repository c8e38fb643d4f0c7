/* SPDX-License-Identifier: MIT */
#include "crypto/bench.h"
#include "crypto/blake2b.h"
#include "crypto/bls_bench.h"
#include "crypto/bn254.h"
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

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct sender_cache *cache;
    struct p256 *p256;
    uint8_t p256_input[160];
    uint8_t numbers[3][256], result[256];
    size_t modulus_bytes, exponent_bytes;
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

// Runs one case; `inner` calls of work in one run of body.
static void run(struct bench *b, const char *name, double inner, const char *unit,
                void (*body)(void *arg), double limit_of_one_ns) {
    if (!wanted(b, name)) return;
    double ns = bench_best_ns(body, b, b->budget_ms);
    bench_emit(name, inner, unit, ns, limit_of_one_ns * inner);
    b->ran++;
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
        double bare = 0;
        if (strstr("keccak256", b->only) || strncmp(b->only, "keccak", 6) == 0) {
            bare = bench_best_ns(body_permutations, b, b->budget_ms) / (8 * BARE_ROUNDS);
        }
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            char name[64];
            (void)snprintf(name, sizeof name, "keccak256_%s_%zu_bytes", keccak_path_name(b->path),
                           sizes[s]);
            for (size_t i = 0; i < MESSAGES; i++) {
                b->jobs[i] =
                    (struct keccak_job){bytes_make(b->messages[i], sizes[s]), &b->hashes[i]};
            }
            double permutations = (double)(MESSAGES * keccak_permutations(sizes[s]));
            run(b, name, permutations, "permutations", body_keccak, bare);
        }
    }
}

static void body_sha256(void *arg) {
    struct bench *b = arg;
    for (size_t i = 0; i < 64; i++) {
        b->hashes[i] = sha256(bytes_make(b->messages[i], 512));
    }
}
static void body_sha256_pairs(void *arg) {
    struct bench *b = arg;
    sha256_pairs(b->hashes, b->hashes, MESSAGES);
}
static void body_ripemd160(void *arg) {
    struct bench *b = arg;
    for (size_t i = 0; i < 64; i++) {
        struct address a = ripemd160(bytes_make(b->messages[i], 512));
        b->sink = b->sink + a.b[0];
    }
}
static void body_blake2b(void *arg) {
    struct bench *b = arg;
    uint64_t h[8] = {1}, m[16] = {2}, t[2] = {3, 4};
    blake2b_compress(h, m, t, true, 12000);
    b->sink = b->sink + h[0];
}

static void body_recover(void *arg) {
    struct bench *b = arg;
    struct address a;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)ecdsa_recover_address(&a, &b->digest, &b->signature, NULL);
    }
}
// The curve's part of a recovery, without the address: its limit.
static void body_recover_key(void *arg) {
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
static void body_sign(void *arg) {
    struct bench *b = arg;
    struct ecdsa_signature s;
    for (int i = 0; i < 10; i++) {
        b->sink = b->sink + (uint64_t)ecdsa_sign(b->signer, &s, &b->digest, &b->key, NULL);
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

static void body_modexp(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < 4; i++) {
        modexp(b->result, bytes_make(b->numbers[0], b->modulus_bytes),
               bytes_make(b->numbers[1], b->exponent_bytes),
               bytes_make(b->numbers[2], b->modulus_bytes));
    }
}

static void bench_modexp(struct bench *b) {
    for (b->modulus_bytes = 32; b->modulus_bytes <= 256; b->modulus_bytes *= 2) {
        for (int odd = 0; odd < 2; odd++) {
            uint8_t *last = &b->numbers[2][b->modulus_bytes - 1];
            *last = (uint8_t)((*last & 0xfe) | odd);
            char name[64];
            b->exponent_bytes = 32;
            (void)snprintf(name, sizeof name, "modexp_%zu_bytes_%s", b->modulus_bytes,
                           odd ? "odd" : "even");
            run(b, name, 4, "exponentiations", body_modexp, 0);
        }
    }
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
    b->sink = b->sink + bn254_pairing_check(b->g1, b->g2, b->pairs);
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
    b->sink = b->sink + bn254_pairing_check(b->g1, b->g2, b->pairs);
}

/* Field multiplications of each operation, counted once in an instrumented build; a sum of two
 * products counts by itself. The limit of a case is their bare cost. */
#define MUL_PRODUCTS 1135
#define MUL_SUMS 177
#define PARSE_G2_PRODUCTS 2218
#define PARSE_G2_SUMS 2250
#define PAIRING_PRODUCTS(n) (3411 + 1484 * (n))
#define PAIRING_SUMS(n) (4599 + 3322 * (n))

static void body_field_work(void *arg) {
    struct bench *b = arg;
    bn254_core()->field_work(b->numbers_fp, b->products, b->sums);
}

static double field_limit_ns(struct bench *b, size_t products, size_t sums) {
    b->products = products;
    b->sums = sums;
    return bench_best_ns(body_field_work, b, b->budget_ms / 4);
}

static void bench_bn254(struct bench *b) {
    run(b, "bn254_add", 20, "additions", body_bn254_add, 0);
    run(b, "bn254_mul", 10, "multiplications", body_bn254_mul,
        field_limit_ns(b, MUL_PRODUCTS, MUL_SUMS));
    run(b, "bn254_parse_g2", 1, "points", body_bn254_parse_g2,
        field_limit_ns(b, PARSE_G2_PRODUCTS, PARSE_G2_SUMS));
    for (b->pairs = 1; b->pairs <= 4; b->pairs *= 2) {
        char name[64];
        (void)snprintf(name, sizeof name, "bn254_pairing_%zu", b->pairs);
        double limit = field_limit_ns(b, PAIRING_PRODUCTS(b->pairs), PAIRING_SUMS(b->pairs)) /
                       (double)b->pairs;
        run(b, name, (double)b->pairs, "pairs", body_bn254_pairing, limit);
        (void)snprintf(name, sizeof name, "bn254_contract_%zu", b->pairs);
        double gas = (double)(45000 + 34000 * b->pairs);
        limit = field_limit_ns(b, PAIRING_PRODUCTS(b->pairs) + PARSE_G2_PRODUCTS * b->pairs,
                               PAIRING_SUMS(b->pairs) + PARSE_G2_SUMS * b->pairs);
        run(b, name, gas, "gas", body_bn254_contract, limit / gas);
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
    return ecdsa_signer_new(&b->signer, NULL) == 0 && p256_new(&b->p256, NULL) == 0 &&
           sender_cache_new(&b->cache, 1024, NULL) == 0 &&
           ecdsa_sign(b->signer, &b->signature, &b->digest, &b->key, NULL) == 0 &&
           sender_cache_recover(b->cache, &a, &b->digest, &b->signature, NULL) == 0 &&
           prepare_bn254(b);
}

unsigned crypto_bench(const char *only, unsigned budget_ms) {
    struct bench *b = aligned_alloc(64, (sizeof *b + 63) / 64 * 64);
    if (!b) return 0;
    memset(b, 0, sizeof *b);
    b->only = only;
    b->budget_ms = budget_ms;
    if (prepare(b)) {
        bench_keccak(b);
        run(b, "sha256_512_bytes", 64, "hashes", body_sha256, 0);
        run(b, "sha256_pairs", MESSAGES, "hashes", body_sha256_pairs, 0);
        run(b, "ripemd160_512_bytes", 64, "hashes", body_ripemd160, 0);
        run(b, "blake2b_compress", 12000, "rounds", body_blake2b, 0);
        run(b, "ecrecover", 10, "signatures", body_recover,
            bench_best_ns(body_recover_key, b, b->budget_ms / 4) / 10);
        run(b, "sender_cache_hit", 1000, "signatures", body_cached, 0);
        run(b, "ecdsa_sign", 10, "signatures", body_sign, 0);
        run(b, "p256_verify", 10, "signatures", body_p256, 0);
        bench_modexp(b);
        bench_bn254(b);
    }
    unsigned ran = b->ran + bls_bench(only, budget_ms) + kzg_bench(only, budget_ms);
    ecdsa_signer_free(b->signer);
    p256_free(b->p256);
    sender_cache_free(b->cache);
    free(b);
    return ran;
}
