/* A spill's file with any content: it is read as far as it is whole, and can be written on.
 * SPDX-License-Identifier: MIT */
#include "orderflow/spill.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char folder[] = "/tmp/spill-fuzz-XXXXXX", path[100];
    struct spill *s;
    struct bytes record;
    uint64_t expires_ns;
    unsigned count = 0;
    if (!mkdtemp(folder)) return 0;
    (void)snprintf(path, sizeof path, "%s/x-0000000000000001.spill", folder);
    const struct spill_options o = {.folder = folder, .prefix = "x", .bytes_max = 1u << 20};
    FILE *f = fopen(path, "wb");
    bool written = f && fwrite(data, 1, size, f) == size;
    if (f) (void)fclose(f);
    if (written && spill_open(&s, &o, NULL) == 0) {
        uint64_t records = spill_records(s);
        if (spill_append(s, BYTES_LIT("more"), 0, 0, NULL) != 0) abort();
        while (spill_first(s, &record, &expires_ns, NULL) == 0) {
            count++;
            spill_pop(s);
        }
        if (count != records + 1 || spill_left(s) != 0 || spill_weight(s) != 0) abort();
        spill_mark(s); // nothing is left in the folder
        if (spill_bytes(s) != 0) abort();
        spill_close(s);
    }
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}
