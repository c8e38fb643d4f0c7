/* Runs a fuzz target over a kept corpus, without a fuzzer: every input once, in any build.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned passed, failed;

static void run_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("not ok - %s cannot be opened\n", path);
        failed++;
        return;
    }
    static uint8_t input[1 << 20];
    size_t n = fread(input, 1, sizeof input, f);
    (void)fclose(f);
    // A copy of the exact size, so that a sanitizer sees a read behind the end.
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) abort();
    for (size_t i = 0; i < n; i++) {
        exact[i] = input[i];
    }
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    passed++;
}

static void run_folder(const char *path) {
    DIR *d = opendir(path);
    if (!d) return; // no corpus kept for this target yet
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        char file[4096];
        if (snprintf(file, sizeof file, "%s/%s", path, e->d_name) < (int)sizeof file) {
            run_file(file);
        }
    }
    (void)closedir(d);
}

int main(int argc, char **argv) {
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    passed++;
    for (int i = 1; i < argc; i++) {
        run_folder(argv[i]);
    }
    printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
