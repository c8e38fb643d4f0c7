/* A snapshot from a stranger. SPDX-License-Identifier: MIT */
#include "trie/snapshot.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trie_store *s;
    enum snapshot_result result;
    struct error why;
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0) abort();
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
