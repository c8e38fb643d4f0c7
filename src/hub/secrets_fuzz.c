/* The sealed form of secrets: what was sealed is read again, and changed as the input says, under
 * another name or cut off it is refused; any bytes are read without harm.
 * Input: 1 byte how long the name is, the name, 1 byte how many edits, edits (2 bytes where, 1 byte
 * how), and the document, which is also tried as a sealed one.
 * SPDX-License-Identifier: MIT */
#include "hub/secrets.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hash key = {{7, 7, 7}}; // SECRETS_KEY_BYTES

static void must(bool holds) {
    if (!holds) abort();
}

static int unseal(struct buf *out, struct bytes name, struct bytes sealed) {
    struct error why = {0};
    buf_clear(out);
    int r = secrets_unseal(out, BYTES_OF(key), name, sealed, &why);
    must(r == 0 || r == ERR_INVALID);
    must(r == 0 || out->n == 0); // nothing of what does not hold comes out
    return r;
}

static struct bytes take(struct bytes *in, size_t n) {
    struct bytes head = bytes_slice(*in, 0, n < in->n ? n : in->n);
    *in = bytes_slice(*in, head.n, in->n);
    return head;
}

static bool edit(struct buf *b, struct bytes how) {
    uint8_t *copy = malloc(b->n);
    must(copy != NULL);
    memcpy(copy, b->p, b->n);
    for (; how.n >= 3; how = bytes_slice(how, 3, how.n))
        b->p[load_be16(how.p) % b->n] ^= how.p[2];
    bool changed = !bytes_equal(bytes_make(copy, b->n), buf_view(b));
    free(copy);
    return changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = bytes_make(data, size);
    struct buf sealed, plain;
    struct error why = {0};
    if (size < 2) return 0;
    struct bytes name = take(&in, take(&in, 1).p[0]);
    struct bytes count = take(&in, 1);
    struct bytes edits = take(&in, count.n ? 3 * (size_t)count.p[0] : 0);
    buf_init(&sealed, 0);
    buf_init(&plain, 0);
    (void)unseal(&plain, name, in); // may hold: a fuzzer sees what was sealed before in comparisons
    must(secrets_seal(&sealed, BYTES_OF(key), name, in, &why) == 0);
    must(unseal(&plain, name, buf_view(&sealed)) == 0 && bytes_equal(buf_view(&plain), in));
    must(unseal(&plain, BYTES_LIT("another builder with a name that is its own"),
                buf_view(&sealed)) != 0);
    must(unseal(&plain, name, bytes_slice(buf_view(&sealed), 0, sealed.n - 1)) != 0);
    if (edit(&sealed, edits)) must(unseal(&plain, name, buf_view(&sealed)) != 0);
    buf_free(&sealed);
    buf_free(&plain);
    return 0;
}
