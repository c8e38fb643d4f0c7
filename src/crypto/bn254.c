/* Checks of ranges and the choice of code; the arithmetic is in bn254_core.c.
 * SPDX-License-Identifier: MIT */
#include "crypto/bn254.h"
#include "base/cpu.h"
#include "base/u256.h"
#include "crypto/bn254_constants.h"
#include "crypto/bn254_impl.h"

const struct bn254_core *bn254_core(void) {
#if defined(__x86_64__)
    if (cpu_has(CPU_ADX | CPU_BMI2)) return &bn254_core_adx;
#endif
    return &bn254_core_plain;
}

static bool in_range(const uint8_t *in, size_t count) {
    struct u256 p = {{bn254_p.w[0], bn254_p.w[1], bn254_p.w[2], bn254_p.w[3]}};
    for (size_t i = 0; i < count; i++) {
        if (u256_compare(u256_load_be(in + 32 * i), p) >= 0) return false;
    }
    return true;
}

int bn254_g1_parse(struct bn254_g1 *ret, const uint8_t in[64], struct error *why) {
    struct bn254_g1 p;
    if (!in_range(in, 2)) return error_set(why, ERR_RANGE, "coordinate not below the prime");
    if (!bn254_core()->g1_load(&p, in))
        return error_set(why, ERR_INVALID, "point not on the curve");
    *ret = p;
    return 0;
}

int bn254_g2_parse(struct bn254_g2 *ret, const uint8_t in[128], struct error *why) {
    struct bn254_g2 q;
    bool on_curve;
    if (!in_range(in, 4)) return error_set(why, ERR_RANGE, "coordinate not below the prime");
    if (!bn254_core()->g2_load(&q, in, &on_curve)) {
        return error_set(why, ERR_INVALID, "point not %s",
                         on_curve ? "in the subgroup" : "on the curve");
    }
    *ret = q;
    return 0;
}

void bn254_g1_write(uint8_t ret[64], const struct bn254_g1 *p) {
    bn254_core()->g1_store(ret, p);
}

void bn254_g2_write(uint8_t ret[128], const struct bn254_g2 *p) {
    bn254_core()->g2_store(ret, p);
}

void bn254_g1_add(struct bn254_g1 *ret, const struct bn254_g1 *a, const struct bn254_g1 *b) {
    bn254_core()->g1_add(ret, a, b);
}

void bn254_g1_mul(struct bn254_g1 *ret, const struct bn254_g1 *p, const uint8_t scalar[32]) {
    bn254_core()->g1_mul(ret, p, scalar);
}

bool bn254_pairing_check(const struct bn254_g1 *p, const struct bn254_g2 *q, size_t count,
                         const atomic_bool *stop) {
    return bn254_core()->pairing_check(p, q, count, stop);
}
