/* SPDX-License-Identifier: MIT */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define ASKED (1u << 31)

static const char *const names[] = {"avx2",       "avx512f", "avx512bw", "avx512vl",
                                    "avx512ifma", "sha_ni",  "adx",      "bmi2"};

const char *cpu_feature_name(enum cpu_feature feature) {
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((unsigned)feature == 1u << i) return names[i];
    }
    return NULL;
}

#if defined(__x86_64__)
// SHA and ADX have no name in gcc 12's __builtin_cpu_supports: CPUID leaf 7 tells them directly.
static unsigned detect(void) {
    unsigned f = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) f |= CPU_AVX2;
    if (__builtin_cpu_supports("avx512f")) f |= CPU_AVX512F;
    if (__builtin_cpu_supports("avx512bw")) f |= CPU_AVX512BW;
    if (__builtin_cpu_supports("avx512vl")) f |= CPU_AVX512VL;
    if (__builtin_cpu_supports("avx512ifma")) f |= CPU_AVX512IFMA;
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) f |= CPU_BMI2;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        if (b & (1u << 29)) f |= CPU_SHA_NI;
        if (b & (1u << 19)) f |= CPU_ADX;
    }
    return f;
}
#else
static unsigned detect(void) {
    return 0;
}
#endif

static unsigned narrow(unsigned have, const char *keep) {
    unsigned f = 0;
    while (*keep) {
        size_t n = strcspn(keep, ",");
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (strlen(names[i]) == n && memcmp(names[i], keep, n) == 0) f |= 1u << i;
        }
        keep += n;
        if (*keep) keep++;
    }
    return have & f;
}

unsigned cpu_features(void) {
    // Every thread that comes first computes the same value, so a race is harmless.
    static _Atomic unsigned cached;
    unsigned f = atomic_load_explicit(&cached, memory_order_relaxed);
    if (f & ASKED) return f & ~ASKED;
    f = detect();
    const char *keep = getenv("BUILDERNET_CPU");
    if (keep) f = narrow(f, keep);
    atomic_store_explicit(&cached, f | ASKED, memory_order_relaxed);
    return f;
}
