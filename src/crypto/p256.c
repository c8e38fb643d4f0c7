/* The curve's functions below the EVP layer are marked as deprecated in OpenSSL 3; there is no
 * other way to verify without parsing and copying a key object (three times the cost).
 * SPDX-License-Identifier: MIT */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>

struct p256 {
    EC_GROUP *group;
};

int p256_new(struct p256 **ret, struct error *why) {
    struct p256 *curve = calloc(1, sizeof *curve);
    if (curve) curve->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (!curve || !curve->group) {
        free(curve);
        return error_set(why, ERR_NO_MEMORY, "no memory for P-256");
    }
    *ret = curve;
    return 0;
}

void p256_free(struct p256 *curve) {
    if (!curve) return;
    EC_GROUP_free(curve->group);
    free(curve);
}

// A number in [1, limit-1] from 32 bytes.
static bool load_scalar(BIGNUM *ret, const uint8_t in[32], const BIGNUM *limit) {
    return BN_bin2bn(in, 32, ret) && !BN_is_zero(ret) && BN_cmp(ret, limit) < 0;
}

struct work {
    BN_CTX *context;
    EC_POINT *key, *sum;
};

static bool verify(const EC_GROUP *group, const struct work *w, const struct hash *digest,
                   const uint8_t *r_bytes, const uint8_t *s_bytes, const uint8_t *x_bytes,
                   const uint8_t *y_bytes) {
    const BIGNUM *n = EC_GROUP_get0_order(group), *p = EC_GROUP_get0_field(group);
    BIGNUM *r = BN_CTX_get(w->context), *s = BN_CTX_get(w->context);
    BIGNUM *x = BN_CTX_get(w->context), *y = BN_CTX_get(w->context);
    BIGNUM *u1 = BN_CTX_get(w->context), *u2 = BN_CTX_get(w->context);
    if (!u2) return false;
    if (!load_scalar(r, r_bytes, n) || !load_scalar(s, s_bytes, n)) return false;
    // Setting the point checks that it is on the curve; that x and y are reduced is ours to check.
    if (!BN_bin2bn(x_bytes, 32, x) || !BN_bin2bn(y_bytes, 32, y) || BN_cmp(x, p) >= 0 ||
        BN_cmp(y, p) >= 0 || !EC_POINT_set_affine_coordinates(group, w->key, x, y, w->context)) {
        return false;
    }
    if (!BN_bin2bn(digest->b, 32, u1) || !BN_mod_inverse(s, s, n, w->context) ||
        !BN_mod_mul(u1, u1, s, n, w->context) || !BN_mod_mul(u2, r, s, n, w->context)) {
        return false;
    }
    if (!EC_POINT_mul(group, w->sum, u1, w->key, u2, w->context) ||
        EC_POINT_is_at_infinity(group, w->sum) ||
        !EC_POINT_get_affine_coordinates(group, w->sum, x, NULL, w->context)) {
        return false;
    }
    return BN_nnmod(x, x, n, w->context) && BN_cmp(x, r) == 0;
}

bool p256_verify(const struct p256 *curve, const struct hash *digest, const uint8_t r[32],
                 const uint8_t s[32], const uint8_t x[32], const uint8_t y[32]) {
    struct work w = {BN_CTX_new(), EC_POINT_new(curve->group), EC_POINT_new(curve->group)};
    bool good = false;
    if (w.context && w.key && w.sum) {
        BN_CTX_start(w.context);
        good = verify(curve->group, &w, digest, r, s, x, y);
        BN_CTX_end(w.context);
    }
    EC_POINT_free(w.sum);
    EC_POINT_free(w.key);
    BN_CTX_free(w.context);
    return good;
}
