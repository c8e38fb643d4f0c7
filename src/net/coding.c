/* SPDX-License-Identifier: MIT */
#include "net/coding.h"

#include <stdlib.h>
#include <zlib.h>

#define PIECE_BYTES 16384u    /* decoded at a time */
#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, with the gzip format */
#define ZLIB_WINDOW 15

struct coding_reader {
    z_stream z;
    enum coding coding;
    size_t left;  /* bytes that may still come out */
    bool started; /* inside of a stream (gzip: of a member) */
    bool ended;   /* at least one stream is complete, and nothing after it yet */
};

int coding_of(enum coding *ret, const struct http_fields *f, struct error *why) {
    unsigned count = 0;
    enum coding coding = CODING_IDENTITY;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != HTTP_FIELD_CONTENT_ENCODING) continue;
        struct bytes rest = f->item[i].value, name;
        while (http_list_next(&name, &rest)) {
            if (http_equal_nocase(name, "identity")) continue;
            if (http_equal_nocase(name, "gzip") || http_equal_nocase(name, "x-gzip")) {
                coding = CODING_GZIP;
            } else if (http_equal_nocase(name, "deflate")) {
                coding = CODING_DEFLATE;
            } else {
                return error_set(why, ERR_UNSUPPORTED, "unknown content coding");
            }
            if (++count > 1) return error_set(why, ERR_UNSUPPORTED, "several content codings");
        }
    }
    *ret = coding;
    return 0;
}

int coding_reader_new(struct coding_reader **ret, enum coding coding, size_t limit_bytes,
                      struct error *why) {
    struct coding_reader *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory to decode");
    r->coding = coding;
    r->left = limit_bytes;
    r->ended = coding == CODING_IDENTITY;
    if (coding != CODING_IDENTITY &&
        inflateInit2(&r->z, coding == CODING_GZIP ? GZIP_WINDOW : ZLIB_WINDOW) != Z_OK) {
        free(r);
        return error_set(why, ERR_NO_MEMORY, "no memory to decode");
    }
    *ret = r;
    return 0;
}

void coding_reader_free(struct coding_reader *r) {
    if (!r) return;
    if (r->coding != CODING_IDENTITY) inflateEnd(&r->z);
    free(r);
}

/* Where the next bytes go. One byte more than may come tells a body of just the limit from a
 * larger one. */
static int make_room(struct coding_reader *r, struct buf *out, struct error *why) {
    size_t room = r->left < PIECE_BYTES ? r->left + 1 : PIECE_BYTES;
    r->z.next_out = buf_reserve(out, room);
    r->z.avail_out = (uInt)room;
    return r->z.next_out ? 0 : buf_check(out, why);
}

static int inflate_some(struct coding_reader *r, struct buf *out, struct error *why) {
    int e = make_room(r, out, why);
    if (e < 0) return e;
    size_t room = r->z.avail_out;
    int z = inflate(&r->z, Z_NO_FLUSH);
    size_t n = room - r->z.avail_out;
    if (n > r->left) return error_set(why, ERR_LIMIT, "the decoded body is too large");
    buf_commit(out, n);
    r->left -= n;
    if (z == Z_STREAM_END) {
        r->ended = true;
        r->started = false;
        return 0;
    }
    if (z == Z_OK || z == Z_BUF_ERROR) return 0;
    return z == Z_MEM_ERROR ? error_set(why, ERR_NO_MEMORY, "no memory to decode")
                            : error_set(why, ERR_SYNTAX, "the compressed body is damaged");
}

static int feed_compressed(struct coding_reader *r, struct bytes in, struct buf *out,
                           struct error *why) {
    r->z.next_in = (z_const Bytef *)(uintptr_t)in.p;
    r->z.avail_in = (uInt)in.n;
    bool full = false; // the last step filled all the room: more may come without input
    while (r->z.avail_in > 0 || full) {
        if (r->ended && r->z.avail_in > 0) {
            /* A gzip file may be several members one after the other; nothing else may follow. */
            if (r->coding != CODING_GZIP || inflateReset(&r->z) != Z_OK) {
                return error_set(why, ERR_SYNTAX, "something follows the compressed body");
            }
            r->ended = false;
        }
        r->started = true;
        int e = inflate_some(r, out, why);
        if (e < 0) return e;
        full = !r->ended && r->z.avail_out == 0;
    }
    return 0;
}

int coding_reader_feed(struct coding_reader *r, struct bytes in, struct buf *out,
                       struct error *why) {
    if (r->coding == CODING_IDENTITY) {
        if (in.n > r->left) return error_set(why, ERR_LIMIT, "the body is too large");
        r->left -= in.n;
        buf_append(out, in);
        return buf_check(out, why);
    }
    while (in.n) {
        struct bytes piece = bytes_slice(in, 0, 1u << 30);
        int e = feed_compressed(r, piece, out, why);
        if (e < 0) return e;
        in = bytes_slice(in, piece.n, in.n);
    }
    return 0;
}

int coding_reader_end(const struct coding_reader *r, struct error *why) {
    if (r->ended && !r->started) return 0;
    return error_set(why, ERR_SYNTAX, "the compressed body is cut off");
}

int coding_decode(struct buf *out, struct bytes in, enum coding coding, size_t limit_bytes,
                  struct error *why) {
    struct coding_reader *r;
    int e = coding_reader_new(&r, coding, limit_bytes, why);
    if (e < 0) return e;
    e = coding_reader_feed(r, in, out, why);
    if (e == 0) e = coding_reader_end(r, why);
    coding_reader_free(r);
    return e;
}
