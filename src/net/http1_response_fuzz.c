/* Responses of HTTP/1; the first byte is the method they answer. SPDX-License-Identifier: MIT */
#include "net/http1_fuzzing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n == 0) return 0;
    enum http_method asked = (enum http_method)(data[0] % HTTP_METHOD_COUNT);
    http1_compare(true, asked, bytes_make(data + 1, n - 1), NULL);
    return 0;
}
