/* bench_trie_state_root [NAME_PART]: the same cases as `buildernet trie bench`.
 * SPDX-License-Identifier: MIT */
#include "trie/bench.h"

int main(int argc, char **argv) {
    return trie_bench(argc > 1 ? argv[1] : "", 1000) > 0 ? 0 : 1;
}
