/* bn254 (alt_bn128): the groups and the pairing of the precompiled contracts of EIP-196 and 197.
 *
 * Points are affine, coordinates in Montgomery form inside; (0, 0) is the point at infinity, as on
 * the wire. G1 has prime order, so being on the curve is enough; G2 points are checked to be in the
 * subgroup when they are read. The field runs on mulx/adcx/adox where the processor has them.
 *
 * Not for secrets: time depends on values. Nothing is allocated; any thread.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BN254_H
#define CRYPTO_BN254_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/stop.h"

struct bn254_fp {
    uint64_t w[4];
};
struct bn254_fp2 {
    struct bn254_fp c0, c1; /* c0 + c1 i */
};
struct bn254_g1 {
    struct bn254_fp x, y;
};
struct bn254_g2 {
    struct bn254_fp2 x, y;
};

/* bn254_g1_parse reads x, y (32 bytes each, big-endian).
 * errors: ERR_RANGE (a coordinate is not below the prime), ERR_INVALID (not on the curve). */
[[gnu::warn_unused_result]] int bn254_g1_parse(struct bn254_g1 *ret, const uint8_t in[64],
                                               struct error *why);

/* bn254_g2_parse reads x.c1, x.c0, y.c1, y.c0 (EIP-197's order).
 * errors: ERR_RANGE, ERR_INVALID (not on the curve, or not in the subgroup). */
[[gnu::warn_unused_result]] int bn254_g2_parse(struct bn254_g2 *ret, const uint8_t in[128],
                                               struct error *why);

void bn254_g1_write(uint8_t ret[64], const struct bn254_g1 *p);
void bn254_g2_write(uint8_t ret[128], const struct bn254_g2 *p);

/* bn254_g1_add: a + b. ret may be a or b. */
void bn254_g1_add(struct bn254_g1 *ret, const struct bn254_g1 *a, const struct bn254_g1 *b);

/* bn254_g1_mul: scalar * p, the scalar any 256-bit number, big-endian. ret may be p. */
void bn254_g1_mul(struct bn254_g1 *ret, const struct bn254_g1 *p, const uint8_t scalar[32]);

/* bn254_pairing_check: whether the product of e(p[i], q[i]) is one; true for count 0.
 * stop is looked at every eight pairs. */
bool bn254_pairing_check(const struct bn254_g1 *p, const struct bn254_g2 *q, size_t count,
                         const atomic_bool *stop);

#endif
