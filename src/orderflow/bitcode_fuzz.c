/* Bitcode by itself: a list of fields of any kind, read from any bytes. What was read is written
 * and read again as the same, and any bytes and integers that are written read back.
 *
 * Input: how many fields (low four bits), for each its kind and how many values, then the stream.
 * SPDX-License-Identifier: MIT */
#include "orderflow/bitcode.h"

#include <stdlib.h>

#define FIELDS_MAX 15u
#define VALUES_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { RAW, BYTES, U64S, LENGTHS, LENGTH, TAG, KINDS };

struct field {
    struct bytes bytes;
    const uint64_t *numbers;
    uint64_t one, sum;
    bool tag;
};

static void require(bool holds) {
    if (!holds) abort();
}

static int read_u64s(struct bitcode_reader *r, struct field *f, size_t n) {
    uint64_t *v = arena_new_array(r->a, uint64_t, n + 1);
    f->numbers = v;
    return v ? bitcode_read_u64s(r, v, n, NULL) : ERR_LIMIT;
}

static int read_field(struct bitcode_reader *r, struct field *f, enum kind kind, size_t n) {
    switch (kind) {
    case RAW:
        return bitcode_read_raw(r, &f->bytes, n, NULL);
    case BYTES:
        return bitcode_read_bytes(r, &f->bytes, n, NULL);
    case U64S:
        return read_u64s(r, f, n);
    case LENGTHS:
        return bitcode_read_lengths(r, &f->numbers, &f->sum, n, NULL);
    case LENGTH:
        return bitcode_read_length(r, &f->one, NULL);
    default:
        return bitcode_read_tag(r, &f->tag, NULL);
    }
}

static void write_field(struct buf *out, const struct field *f, enum kind kind, size_t n) {
    switch (kind) {
    case RAW:
        buf_append(out, f->bytes);
        return;
    case BYTES:
        bitcode_put_bytes(out, f->bytes);
        return;
    case U64S:
        bitcode_put_u64s(out, f->numbers, n);
        return;
    case LENGTHS:
        bitcode_put_lengths(out, f->numbers, n);
        return;
    case LENGTH:
        bitcode_put_length(out, f->one);
        return;
    default:
        bitcode_put_tag(out, f->tag);
    }
}

static bool same(const struct field *x, const struct field *y, enum kind kind, size_t n) {
    if (kind == RAW || kind == BYTES) {
        return x->bytes.n == n && bytes_equal(x->bytes, y->bytes);
    }
    if (kind == U64S || kind == LENGTHS) {
        for (size_t i = 0; i < n; i++) {
            if (x->numbers[i] != y->numbers[i]) return false;
        }
    }
    return x->one == y->one && x->sum == y->sum && x->tag == y->tag;
}

/* kinds  two bytes a field: its kind, its number of values. */
static void check_fields(const uint8_t *kinds, size_t count, struct bytes stream, struct arena *a) {
    struct field got[FIELDS_MAX] = {0}, again[FIELDS_MAX] = {0};
    struct bitcode_reader r = {stream, a};
    struct buf out;
    size_t n = 0;
    while (n < count &&
           read_field(&r, &got[n], (enum kind)(kinds[2 * n] % KINDS), kinds[2 * n + 1]) == 0) {
        n++;
    }
    buf_init(&out, 0);
    for (size_t i = 0; i < n; i++) {
        write_field(&out, &got[i], (enum kind)(kinds[2 * i] % KINDS), kinds[2 * i + 1]);
    }
    r.rest = buf_view(&out);
    for (size_t i = 0; i < n; i++) {
        enum kind kind = (enum kind)(kinds[2 * i] % KINDS);
        require(read_field(&r, &again[i], kind, kinds[2 * i + 1]) == 0);
        require(same(&again[i], &got[i], kind, kinds[2 * i + 1]));
    }
    require(bitcode_read_end(&r, NULL) == 0);
    buf_free(&out);
}

/* The stream as values to write: all bytes, and integers of each width. */
static void check_values(struct bytes values, struct arena *a) {
    uint64_t numbers[VALUES_MAX];
    struct field plain = {.bytes = values, .numbers = numbers}, got = {0};
    struct bitcode_reader r = {{NULL, 0}, a};
    struct buf out, pieces;
    size_t width = values.n > 0 ? 1 + values.p[0] % 8u : 1, n = 0;
    for (; n < VALUES_MAX && (n + 1) * width <= values.n; n++) {
        uint8_t le[8] = {0};
        memcpy(le, values.p + n * width, width);
        numbers[n] = load_le64(le);
    }
    for (int kind = BYTES; kind <= U64S; kind++) {
        size_t count = kind == BYTES ? values.n : n;
        buf_init(&out, 0);
        write_field(&out, &plain, (enum kind)kind, count);
        r.rest = buf_view(&out);
        require(read_field(&r, &got, (enum kind)kind, count) == 0);
        require(same(&got, &plain, (enum kind)kind, count) && r.rest.n == 0);
        buf_free(&out);
    }
    size_t cut = values.n / 3;
    const struct bytes parts[] = {bytes_slice(values, 0, cut), bytes_slice(values, cut, values.n)};
    buf_init(&out, 0);
    buf_init(&pieces, 0);
    bitcode_put_bytes(&out, values);
    bitcode_put_pieces(&pieces, parts, 2);
    require(bytes_equal(buf_view(&out), buf_view(&pieces)));
    buf_free(&out);
    buf_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    size_t count = size > 0 ? data[0] & FIELDS_MAX : 0;
    if (size < 1 + 2 * count) return 0;
    struct bytes stream = {data + 1 + 2 * count, size - 1 - 2 * count};
    arena_init(&a, 16u << 20);
    check_fields(data + 1, count, stream, &a);
    check_values(stream, &a);
    arena_free(&a);
    return 0;
}
