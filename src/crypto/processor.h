/* What the processor can do, as far as this library has code for it.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_PROCESSOR_H
#define CRYPTO_PROCESSOR_H

#include <stdbool.h>

enum processor_feature {
    PROCESSOR_BMI2_ADX, /* mulx, adcx, adox, andn, rorx */
    PROCESSOR_SHA,      /* SHA-256 instructions (and SSE4.1) */
    PROCESSOR_AVX2,
    PROCESSOR_AVX512, /* F, VL, DQ, BW */
};

/* processor_has: found out once, before main. Any thread. */
bool processor_has(enum processor_feature feature);

#endif
