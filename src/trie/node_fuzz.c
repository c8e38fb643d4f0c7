/* A node that can be read is written back as it was. The first byte tells the depth.
 * SPDX-License-Identifier: MIT */
#include "trie/trie_node.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trie_pool *pool;
    uint8_t key[32] = {0x12, 0x34}, out[TRIE_NODE_MAX];
    uint32_t node;
    if (size == 0 || trie_pool_create(&pool, 0, NULL) != 0) return 0;
    unsigned depth = data[0] % (TRIE_DEPTH_MAX + 1);
    struct bytes in = {data + 1, size - 1};
    if (trie_node_decode(&node, pool, key, depth, in, NULL) == 0) {
        if (in.n > TRIE_NODE_MAX || trie_node_encode(out, pool, node, depth) != in.n) abort();
        if (memcmp(out, in.p, in.n) != 0) abort();
    }
    trie_pool_free(pool);
    return 0;
}
