/* A snapshot from a stranger: bytes as they are, or, without a snapshot's first letter, the records
 * of a frame whose sums are right. SPDX-License-Identifier: MIT */
#include "trie/snapshot.h"

#include "crypto/sha256.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_frame(struct buf *out, struct hash *sum, size_t raw_n, struct bytes packed) {
    struct hash two[2] = {*sum, sha256(packed)};
    *sum = sha256(bytes_make(two, sizeof two));
    buf_append_be32(out, (uint32_t)raw_n);
    buf_append_be32(out, (uint32_t)packed.n);
    buf_append(out, BYTES_OF(*sum));
    buf_append(out, packed);
}

static void seal(struct buf *out, const uint8_t *data, size_t size) {
    size_t bound = ZSTD_compressBound(size);
    uint8_t *packed = malloc(bound);
    if (!packed) abort();
    size_t n = ZSTD_compress(packed, bound, data, size, 1);
    buf_append_str(out, "BNSNAP01");
    buf_append_fill(out, 0, 80);
    struct hash sum = sha256(buf_view(out));
    buf_append(out, BYTES_OF(sum));
    put_frame(out, &sum, size, bytes_make(packed, n));
    put_frame(out, &sum, 0, (struct bytes){NULL, 0});
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trie_store *s;
    enum snapshot_result result;
    struct error why;
    struct buf in;
    buf_init(&in, 0);
    if (size && data[0] != 'B') {
        seal(&in, data, size);
    } else {
        buf_append(&in, bytes_make(data, size));
    }
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0) abort();
    if (write(fd, in.p, in.n) != (ssize_t)in.n || lseek(fd, 0, SEEK_SET) != 0) abort();
    buf_free(&in);
    if (trie_store_open_memory(&s, &why) == 0) {
        if (snapshot_import(s, fd, NULL, &result, &why) == 0) {
            struct trie_store_head head;
            if (trie_store_head(s, &head, &why) != 0) abort();
        }
        trie_store_close(s);
    }
    (void)close(fd);
    return 0;
}
