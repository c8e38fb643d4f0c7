/* SPDX-License-Identifier: MIT */
#include "crypto/bls.h"

#include "base/random.h"
#include "crypto/bls_map.h"
#include "crypto/bls_pairing.h"
#include "crypto/bls_scalar.h"
#include "crypto/kdf.h"
#include "crypto/sha256.h"

#define SUITE BYTES_LIT("BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_")

static struct bls_g1_affine key_point(const struct bls_public_key *pk) {
    struct bls_g1_affine p = {.infinity = false};
    memcpy(p.x.w, pk->x, sizeof pk->x);
    memcpy(p.y.w, pk->y, sizeof pk->y);
    return p;
}

static void key_from_point(struct bls_public_key *ret, const struct bls_g1_affine *p) {
    memcpy(ret->x, p->x.w, sizeof ret->x);
    memcpy(ret->y, p->y.w, sizeof ret->y);
}

int bls_secret_key_load(struct bls_secret_key *ret, const uint8_t in[32], struct error *why) {
    struct u256 k;
    bool below = bls_scalar_load_be(&k, in);
    if (!below || u256_is_zero(k)) {
        bytes_wipe(&k, sizeof k);
        return error_set(why, ERR_RANGE, "BLS secret key is not in 1 .. r-1");
    }
    ret->k = k;
    bytes_wipe(&k, sizeof k);
    return 0;
}

void bls_secret_key_store(uint8_t ret[32], const struct bls_secret_key *sk) {
    u256_store_be(ret, sk->k);
}

int bls_secret_key_generate(struct bls_secret_key *ret, struct bytes ikm, struct bytes info,
                            struct error *why) {
    if (ikm.n < 32) {
        return error_set(why, ERR_RANGE, "BLS key material of %zu bytes, at least 32", ikm.n);
    }
    return bls_scalar_from_hkdf(&ret->k, ikm, info, why);
}

void bls_public_key_of(struct bytes48 *ret, const struct bls_secret_key *sk) {
    struct bls_g1_affine p;
    bls_g1_mul_secret(&p, &bls_g1_generator, &sk->k);
    bls_g1_compress(ret->b, &p);
}

int bls_public_key_parse(struct bls_public_key *ret, const struct bytes48 *in, struct error *why) {
    struct bls_g1_affine p;
    int r = bls_g1_decompress(&p, in->b, why);
    if (r < 0) return r;
    if (p.infinity) return error_set(why, ERR_INVALID, "public key is infinity");
    if (!bls_g1_in_subgroup(&p)) return error_set(why, ERR_INVALID, "public key is not in G1");
    key_from_point(ret, &p);
    return 0;
}

void bls_public_key_compress(struct bytes48 *ret, const struct bls_public_key *pk) {
    struct bls_g1_affine p = key_point(pk);
    bls_g1_compress(ret->b, &p);
}

void bls_sign(struct bytes96 *ret, const struct bls_secret_key *sk, struct bytes message) {
    struct bls_g2_affine p;
    bls_g2_hash(&p, message, SUITE);
    bls_g2_mul_secret(&p, &p, &sk->k);
    bls_g2_compress(ret->b, &p);
}

static int parse_signature(struct bls_g2_affine *ret, const struct bytes96 *in, struct error *why) {
    int r = bls_g2_decompress(ret, in->b, why);
    if (r < 0) return r;
    if (!bls_g2_in_subgroup(ret)) return error_set(why, ERR_INVALID, "signature is not in G2");
    return 0;
}

int bls_signature_check(const struct bytes96 *signature, struct error *why) {
    struct bls_g2_affine unused;
    return parse_signature(&unused, signature, why);
}

/* The product in the making: pairs are gathered until a Miller loop is full. */
struct product {
    struct bls_fp12 f;
    struct bls_g1_affine p[BLS_PAIRS_AT_ONCE];
    struct bls_g2_affine q[BLS_PAIRS_AT_ONCE];
    size_t n;
};

static void product_flush(struct product *t) {
    struct bls_fp12 part;
    if (t->n == 0) return;
    bls_miller_loop(&part, t->p, t->q, t->n);
    bls_fp12_mul(&t->f, &t->f, &part);
    t->n = 0;
}

static void product_add(struct product *t, const struct bls_g1_affine *p,
                        const struct bls_g2_affine *q) {
    t->p[t->n] = *p;
    t->q[t->n++] = *q;
    if (t->n == BLS_PAIRS_AT_ONCE) product_flush(t);
}

static void product_start(struct product *t) {
    t->f = bls_fp12_one;
    t->n = 0;
}

/* Closes with e(-generator, signature): 0 when the product is 1. */
static int product_close(struct product *t, const struct bls_g2_affine *signature,
                         struct error *why) {
    struct bls_g1_affine minus;
    bls_g1_neg_affine(&minus, &bls_g1_generator);
    product_add(t, &minus, signature);
    product_flush(t);
    bls_final_exponentiation(&t->f, &t->f);
    if (!bls_fp12_is_one(&t->f)) return error_set(why, ERR_INVALID, "signature is wrong");
    return 0;
}

int bls_verify(const struct bls_public_key *pk, struct bytes message,
               const struct bytes96 *signature, struct error *why) {
    return bls_aggregate_verify(pk, &message, 1, signature, why);
}

int bls_aggregate(struct bytes96 *ret, const struct bytes96 *signatures, size_t n,
                  struct error *why) {
    struct bls_g2 sum = {0};
    struct bls_g2_affine p;
    if (n == 0) return error_set(why, ERR_RANGE, "no signatures to aggregate");
    for (size_t i = 0; i < n; i++) {
        int r = parse_signature(&p, &signatures[i], why);
        if (r < 0) return r;
        bls_g2_add_affine(&sum, &sum, &p);
    }
    bls_g2_to_affine(&p, &sum);
    bls_g2_compress(ret->b, &p);
    return 0;
}

int bls_aggregate_public_keys(struct bls_public_key *ret, const struct bls_public_key *pks,
                              size_t n, struct error *why) {
    struct bls_g1 sum = {0};
    struct bls_g1_affine p;
    if (n == 0) return error_set(why, ERR_RANGE, "no public keys to aggregate");
    for (size_t i = 0; i < n; i++) {
        p = key_point(&pks[i]);
        bls_g1_add_affine(&sum, &sum, &p);
    }
    bls_g1_to_affine(&p, &sum);
    if (p.infinity) return error_set(why, ERR_INVALID, "aggregate public key is infinity");
    key_from_point(ret, &p);
    return 0;
}

int bls_aggregate_verify(const struct bls_public_key *pks, const struct bytes *messages, size_t n,
                         const struct bytes96 *signature, struct error *why) {
    struct bls_g2_affine s, h;
    struct bls_g1_affine pk;
    struct product t;
    if (n == 0) return error_set(why, ERR_RANGE, "no public keys to verify with");
    int r = parse_signature(&s, signature, why);
    if (r < 0) return r;
    product_start(&t);
    for (size_t i = 0; i < n; i++) {
        pk = key_point(&pks[i]);
        bls_g2_hash(&h, messages[i], SUITE);
        product_add(&t, &pk, &h);
    }
    return product_close(&t, &s, why);
}

int bls_fast_aggregate_verify(const struct bls_public_key *pks, size_t n, struct bytes message,
                              const struct bytes96 *signature, struct error *why) {
    struct bls_public_key sum;
    int r = bls_aggregate_public_keys(&sum, pks, n, why);
    return r < 0 ? r : bls_verify(&sum, message, signature, why);
}

int bls_fast_aggregate_verify_eth(const struct bls_public_key *pks, size_t n, struct bytes message,
                                  const struct bytes96 *signature, struct error *why) {
    static const struct bytes96 infinity = {{0xc0}};
    if (n == 0 && memcmp(signature->b, infinity.b, 96) == 0) return 0;
    return bls_fast_aggregate_verify(pks, n, message, signature, why);
}

/* Random 64 bits as a0 + a2 x^2: what both groups split a scalar into, so that no part has more
 * than 32 bits to double for. No two of them are the same modulo r. */
static struct u256 random_weight(void) {
    uint64_t bits = random_u64() | 1;
    struct u256 x = u256_from_u64(BLS_X_ABS);
    return u256_add(u256_from_u64((uint32_t)bits),
                    u256_mul(u256_mul(x, x), u256_from_u64(bits >> 32)));
}

#define BATCH_PART BLS_PAIRS_AT_ONCE /* signatures whose sums and inversions are shared */

/* Adds up to BATCH_PART items, each times its weight, to the product and the sum of signatures. */
static int batch_add(struct product *t, struct bls_g2 *sum, const struct bls_signed *items,
                     size_t n, struct error *why) {
    struct bls_g2_affine signatures[BATCH_PART], h;
    struct bls_g1_affine keys[BATCH_PART];
    struct bls_g1 weighted[BATCH_PART];
    struct bls_fp scratch[BATCH_PART];
    struct u256 weights[BATCH_PART];
    struct bls_g2 part;
    for (size_t i = 0; i < n; i++) {
        int r = parse_signature(&signatures[i], items[i].signature, why);
        if (r < 0) return r;
        weights[i] = random_weight();
        keys[i] = key_point(items[i].pk);
        bls_g1_mul(&weighted[i], &keys[i], &weights[i]);
    }
    int r = bls_g2_msm(&part, signatures, weights, n, NULL, why);
    if (r < 0) return r;
    bls_g2_add(sum, sum, &part);
    bls_g1_to_affine_many(keys, weighted, n, scratch);
    for (size_t i = 0; i < n; i++) {
        bls_g2_hash(&h, items[i].message, SUITE);
        product_add(t, &keys[i], &h);
    }
    return 0;
}

int bls_verify_batch(const struct bls_signed *items, size_t n, struct error *why) {
    struct bls_g2 sum = {0};
    struct bls_g2_affine signature;
    struct product t;
    if (n == 0) return 0;
    if (n == 1) return bls_verify(items[0].pk, items[0].message, items[0].signature, why);
    product_start(&t);
    for (size_t from = 0; from < n; from += BATCH_PART) {
        size_t count = n - from < BATCH_PART ? n - from : BATCH_PART;
        int r = batch_add(&t, &sum, items + from, count, why);
        if (r < 0) return r;
    }
    bls_g2_to_affine(&signature, &sum);
    return product_close(&t, &signature, why);
}
