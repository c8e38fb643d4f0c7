/* Cpu: which instruction sets the processor and the operating system offer, asked once.
 *
 * One binary runs on every x86-64 machine: fast paths are chosen at run time through cpu_has. The
 * environment variable BUILDERNET_CPU narrows the choice, for tests: "plain" turns everything off,
 * otherwise a list of names to keep ("avx2,bmi2"). Other architectures have none of these.
 * Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>

enum cpu_feature {
    CPU_AVX2 = 1 << 0,
    CPU_AVX512F = 1 << 1,
    CPU_AVX512BW = 1 << 2,
    CPU_AVX512VL = 1 << 3,
    CPU_AVX512IFMA = 1 << 4,
    CPU_SHA_NI = 1 << 5,
    CPU_ADX = 1 << 6,
    CPU_BMI2 = 1 << 7, /* BMI1 and BMI2 */
};

/* cpu_features gives the set as bits; the first call asks the processor and reads the variable. */
unsigned cpu_features(void);

/* cpu_has: all of the given features (joined by |) are there. */
static inline bool cpu_has(unsigned features) {
    return (cpu_features() & features) == features;
}

/* cpu_feature_name gives "avx2", "avx512f", ...; NULL for anything but one feature. */
const char *cpu_feature_name(enum cpu_feature feature);

#endif
