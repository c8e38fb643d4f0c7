/* WyHash as the second generation's bundleHash uses it: 64 bits, seed 0, streaming over writes
 * whose borders count. Not collision-resistant: never a key that decides about money.
 * Source: BuilderNet/FlowProxy (crate wyhash 0.6.0). Pure; any thread.
 * SPDX-License-Identifier: MIT */
#ifndef ETH_WYHASH_H
#define ETH_WYHASH_H

#include "base/bytes.h"

/* A zeroed one is ready for use. */
struct wyhash {
    uint64_t h;
    uint64_t n; /* bytes written */
};

/* wyhash_write adds one write; splitting it in two gives another hash. */
void wyhash_write(struct wyhash *w, struct bytes in);
/* wyhash_write_u64 writes eight bytes, little-endian. */
void wyhash_write_u64(struct wyhash *w, uint64_t v);
/* wyhash_value gives the hash of what was written; writing may go on. */
uint64_t wyhash_value(const struct wyhash *w);

#endif
