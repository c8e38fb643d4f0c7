/* Both builds of bn254 against each other and, for some operations, the slow model. The first byte
 * chooses the operation; the rest are scalars, or points that are made from scalars, or raw points.
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/bn254.h"
#include "crypto/bn254_impl.h"
#include "crypto/bn254_model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct bn254_core *other_core(void) {
#if defined(__x86_64__)
    if (cpu_has(CPU_ADX | CPU_BMI2)) return &bn254_core_adx;
#endif
    return &bn254_core_plain;
}

static void expect(const uint8_t *a, const uint8_t *b, size_t n) {
    if (memcmp(a, b, n) != 0) abort();
}

// A point from 33 bytes: a multiple of the generator, or zero.
static void make_point(uint8_t ret[64], const uint8_t in[33]) {
    static const uint8_t generator[64] = {[31] = 1, [63] = 2};
    struct bn254_g1 p;
    if (in[0] == 0 || !bn254_core_plain.g1_load(&p, generator)) {
        memset(ret, 0, 64);
        return;
    }
    bn254_core_plain.g1_mul(&p, &p, in + 1);
    bn254_core_plain.g1_store(ret, &p);
}

// Sum and multiple, on both builds and in the model.
static void fuzz_groups(const uint8_t data[98]) {
    uint8_t a[64], b[64], expected[64], got[64];
    struct bn254_model m;
    struct bn254_model_point ma, mb;
    make_point(a, data);
    make_point(b, data + 33);
    if (data[0] == data[33]) memcpy(b, a, sizeof b); // doublings would be rare otherwise
    bn254_model_init(&m);
    bn254_model_point_init(&ma);
    bn254_model_point_init(&mb);
    bn254_model_load_g1(&m, &ma, a);
    bn254_model_load_g1(&m, &mb, b);
    if (!bn254_model_on_curve(&m, &ma) || !bn254_model_on_curve(&m, &mb)) abort();
    bn254_model_add(&m, &mb, &ma, &mb);
    bn254_model_store_g1(expected, &mb);
    mpz_t k;
    mpz_init(k);
    const struct bn254_core *core[2] = {&bn254_core_plain, other_core()};
    for (int c = 0; c < 2; c++) {
        struct bn254_g1 p, q, r;
        if (!core[c]->g1_load(&p, a) || !core[c]->g1_load(&q, b)) abort();
        core[c]->g1_add(&r, &p, &q);
        core[c]->g1_store(got, &r);
        expect(got, expected, 64);
    }
    mpz_import(k, 32, 1, 1, 1, 0, data + 66);
    bn254_model_mul(&m, &mb, &ma, k);
    bn254_model_store_g1(expected, &mb);
    for (int c = 0; c < 2; c++) {
        struct bn254_g1 p;
        if (!core[c]->g1_load(&p, a)) abort();
        core[c]->g1_mul(&p, &p, data + 66);
        core[c]->g1_store(got, &p);
        expect(got, expected, 64);
    }
    mpz_clear(k);
    bn254_model_point_clear(&ma);
    bn254_model_point_clear(&mb);
    bn254_model_clear(&m);
}

// Raw bytes: both builds accept the same points, and those that the model says are on the curve.
static void fuzz_parse(const uint8_t data[128]) {
    struct bn254_g1 p;
    struct bn254_g2 q;
    uint8_t again[128];
    struct bn254_model m;
    struct bn254_model_point a;
    bool good = bn254_g1_parse(&p, data, NULL) == 0;
    if (good) {
        bn254_model_init(&m);
        bn254_model_point_init(&a);
        bn254_model_load_g1(&m, &a, data);
        if (!bn254_model_on_curve(&m, &a)) abort();
        bn254_model_point_clear(&a);
        bn254_model_clear(&m);
        bn254_g1_write(again, &p);
        expect(again, data, 64);
    }
    if (bn254_g2_parse(&q, data, NULL) == 0) {
        bn254_g2_write(again, &q);
        expect(again, data, 128);
    }
    bool on_curve[2];
    if (bn254_core_plain.g2_load(&q, data, &on_curve[0]) !=
            other_core()->g2_load(&q, data, &on_curve[1]) ||
        on_curve[0] != on_curve[1]) {
        abort();
    }
}

// e(aG, Q) e(bG, Q) e(-(a+b)G, Q) = 1, and the reduced pairing is the same on both builds.
static void fuzz_pairing(const uint8_t data[66]) {
    static const uint8_t generator_g2[128] = {
        0x19, 0x8e, 0x93, 0x93, 0x92, 0x0d, 0x48, 0x3a, 0x72, 0x60, 0xbf, 0xb7, 0x31, 0xfb, 0x5d,
        0x25, 0xf1, 0xaa, 0x49, 0x33, 0x35, 0xa9, 0xe7, 0x12, 0x97, 0xe4, 0x85, 0xb7, 0xae, 0xf3,
        0x12, 0xc2, 0x18, 0x00, 0xde, 0xef, 0x12, 0x1f, 0x1e, 0x76, 0x42, 0x6a, 0x00, 0x66, 0x5e,
        0x5c, 0x44, 0x79, 0x67, 0x43, 0x22, 0xd4, 0xf7, 0x5e, 0xda, 0xdd, 0x46, 0xde, 0xbd, 0x5c,
        0xd9, 0x92, 0xf6, 0xed, 0x09, 0x06, 0x89, 0xd0, 0x58, 0x5f, 0xf0, 0x75, 0xec, 0x9e, 0x99,
        0xad, 0x69, 0x0c, 0x33, 0x95, 0xbc, 0x4b, 0x31, 0x33, 0x70, 0xb3, 0x8e, 0xf3, 0x55, 0xac,
        0xda, 0xdc, 0xd1, 0x22, 0x97, 0x5b, 0x12, 0xc8, 0x5e, 0xa5, 0xdb, 0x8c, 0x6d, 0xeb, 0x4a,
        0xab, 0x71, 0x80, 0x8d, 0xcb, 0x40, 0x8f, 0xe3, 0xd1, 0xe7, 0x69, 0x0c, 0x43, 0xd3, 0x7b,
        0x4c, 0xe6, 0xcc, 0x01, 0x66, 0xfa, 0x7d, 0xaa};
    uint8_t bytes[64], reduced[2][12][32], minus_one[32] = {0};
    struct bn254_g1 p[3];
    struct bn254_g2 q[3];
    // r - 1, to turn a sum into its negative
    static const uint8_t order_less_one[32] = {0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29,
                                               0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
                                               0x28, 0x33, 0xe8, 0x48, 0x79, 0xb9, 0x70, 0x91,
                                               0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x00};
    memcpy(minus_one, order_less_one, 32);
    for (size_t i = 0; i < 2; i++) {
        make_point(bytes, data + 33 * i);
        if (bn254_g1_parse(&p[i], bytes, NULL) != 0) abort();
    }
    for (size_t i = 0; i < 3; i++) {
        if (bn254_g2_parse(&q[i], generator_g2, NULL) != 0) abort();
    }
    bn254_g1_add(&p[2], &p[0], &p[1]);
    bn254_g1_mul(&p[2], &p[2], minus_one);
    if (!bn254_core_plain.pairing_check(p, q, 3, NULL) ||
        !other_core()->pairing_check(p, q, 3, NULL))
        abort();
    bn254_core_plain.pairing(reduced[0], &p[0], &q[0]);
    other_core()->pairing(reduced[1], &p[0], &q[0]);
    expect(reduced[0][0], reduced[1][0], sizeof reduced[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 129) return 0;
    switch (data[0] % 3) {
    case 0:
        fuzz_groups(data + 1);
        break;
    case 1:
        fuzz_parse(data + 1);
        break;
    default:
        fuzz_pairing(data + 1);
        break;
    }
    return 0;
}
