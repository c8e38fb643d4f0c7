/* SPDX-License-Identifier: MIT */
#include "crypto/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>

static bool features[PROCESSOR_AVX512 + 1];

[[gnu::constructor]] static void look(void) {
    unsigned a, b, c, d;
    __builtin_cpu_init();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    features[PROCESSOR_BMI2_ADX] = (b & bit_BMI) && (b & bit_BMI2) && (b & bit_ADX);
    features[PROCESSOR_SHA] = (b & bit_SHA) && __builtin_cpu_supports("sse4.1");
    // The builtin also asks whether the operating system saves the wide registers.
    features[PROCESSOR_AVX2] = __builtin_cpu_supports("avx2");
    features[PROCESSOR_AVX512] =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}

bool processor_has(enum processor_feature feature) {
    return features[feature];
}
#else
bool processor_has(enum processor_feature feature) {
    (void)feature;
    return false;
}
#endif
