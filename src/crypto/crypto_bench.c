/* bench_crypto_crypto [NAME_PART]: the same cases as `buildernet crypto bench`.
 * SPDX-License-Identifier: MIT */
#include "crypto/bench.h"

int main(int argc, char **argv) {
    return crypto_bench(argc > 1 ? argv[1] : "", 200) > 0 ? 0 : 1;
}
