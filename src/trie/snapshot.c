/* SPDX-License-Identifier: MIT */
#include "trie/snapshot.h"

#include "base/file.h"
#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "trie/store_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME_HEAD 40u
#define RECORD_HEAD 6u
#define REMOVES_ALL UINT32_MAX /* no length: such records are not part of snapshots */
#define MARK "import"
/* Sum of the file's head (32), sum of the last frame (32), frames, bytes. */
#define MARK_BYTES 80u

static const uint8_t magic[8] = {'B', 'N', 'S', 'N', 'A', 'P', '0', '1'};

static struct hash chain_sum(const struct hash *before, struct bytes packed) {
    struct hash two[2] = {*before, sha256(packed)};
    return sha256(bytes_make(two, sizeof two));
}

// Export

struct export {
    struct trie_store *s;
    const struct snapshot_options *o;
    int fd;
    struct buf frame, packed;
    struct hash sum;
    struct snapshot_progress progress;
    uint64_t began_ns;
    enum store_table table;
};

static void tell(const struct snapshot_options *o, struct snapshot_progress *p, uint64_t began_ns) {
    const struct clock *clock = o->clock ? o->clock : &clock_system;
    p->elapsed_ns = clock_monotonic_ns(clock) - began_ns;
    if (o->progress) o->progress(o->context, p);
}

static int write_frame(struct export *e, struct error *why) {
    size_t bound = ZSTD_compressBound(e->frame.n);
    struct buf head;
    buf_clear(&e->packed);
    uint8_t *to = buf_reserve(&e->packed, bound);
    if (!to) return buf_check(&e->packed, why);
    size_t n = e->frame.n
                   ? ZSTD_compress(to, bound, e->frame.p, e->frame.n, e->o->level ? e->o->level : 3)
                   : 0;
    if (ZSTD_isError(n)) return error_set(why, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
    buf_commit(&e->packed, n);
    e->sum = chain_sum(&e->sum, buf_view(&e->packed));
    buf_init(&head, 0);
    buf_append_be32(&head, (uint32_t)e->frame.n);
    buf_append_be32(&head, (uint32_t)n);
    buf_append(&head, BYTES_OF(e->sum));
    int r = buf_check(&head, why);
    if (r == 0) r = file_write_all(e->fd, buf_view(&head), why);
    if (r == 0) r = file_write_all(e->fd, buf_view(&e->packed), why);
    buf_free(&head);
    e->progress.done_bytes += e->frame.n;
    e->progress.packed_bytes += n + FRAME_HEAD;
    e->progress.frames++;
    buf_clear(&e->frame);
    if (r == 0) tell(e->o, &e->progress, e->began_ns);
    return r;
}

static int take_record(void *arg, struct bytes key, struct bytes value, struct error *why) {
    struct export *e = arg;
    buf_append_byte(&e->frame, (uint8_t)e->table);
    buf_append_byte(&e->frame, (uint8_t)key.n);
    buf_append_be32(&e->frame, (uint32_t)value.n);
    buf_append(&e->frame, key);
    buf_append(&e->frame, value);
    int r = buf_check(&e->frame, why);
    return r == 0 && e->frame.n >= SNAPSHOT_FRAME_BYTES ? write_frame(e, why) : r;
}

static int count_record(void *arg, struct bytes key, struct bytes value, struct error *why) {
    uint64_t *total = arg;
    (void)why;
    *total += RECORD_HEAD + key.n + value.n;
    return 0;
}

// The head stands last, so that what is there before it is no store yet.
static int each_table(struct trie_store *s, enum store_table *ret_table,
                      const struct store_visitor *visitor, struct error *why) {
    int r = 0;
    for (int t = STORE_ACCOUNTS; t < STORE_TABLES && r == 0; t++) {
        *ret_table = (enum store_table)t;
        r = s->backend->each(s, *ret_table, (struct bytes){NULL, 0}, visitor, why);
    }
    *ret_table = STORE_HEAD;
    return r == 0 ? s->backend->each(s, STORE_HEAD, (struct bytes){NULL, 0}, visitor, why) : r;
}

static int write_head(struct export *e, const struct trie_store_head *head, struct error *why) {
    struct buf out;
    buf_init(&out, 0);
    buf_append(&out, bytes_make(magic, sizeof magic));
    buf_append_be64(&out, head->number);
    buf_append(&out, BYTES_OF(head->hash));
    buf_append(&out, BYTES_OF(head->root));
    buf_append_be64(&out, e->progress.total_bytes);
    int r = buf_check(&out, why);
    if (r == 0) {
        e->sum = sha256(buf_view(&out));
        buf_append(&out, BYTES_OF(e->sum));
        r = file_write_all(e->fd, buf_view(&out), why);
    }
    buf_free(&out);
    return r;
}

int snapshot_export(struct trie_store *s, int fd, const struct snapshot_options *o,
                    struct error *why) {
    static const struct snapshot_options defaults;
    struct export e = {.s = s, .o = o ? o : &defaults, .fd = fd};
    struct trie_store_head head;
    enum store_table table;
    const struct store_visitor count = {count_record, &e.progress.total_bytes};
    const struct store_visitor take = {take_record, &e};
    e.began_ns = clock_monotonic_ns(e.o->clock ? e.o->clock : &clock_system);
    buf_init(&e.frame, SNAPSHOT_FRAME_MAX);
    buf_init(&e.packed, 0);
    int r = trie_store_head(s, &head, why);
    if (r == 0) r = each_table(s, &table, &count, why);
    if (r == 0) r = write_head(&e, &head, why);
    if (r == 0) r = each_table(s, &e.table, &take, why);
    if (r == 0 && e.frame.n) r = write_frame(&e, why);
    if (r == 0) {
        e.progress.finished = true;
        r = write_frame(&e, why); // the end
    }
    buf_free(&e.frame);
    buf_free(&e.packed);
    return r;
}

// Import

struct import {
    struct trie_store *s;
    const struct snapshot_options *o;
    int fd;
    struct trie_store_head head;
    struct hash first, sum; // of the file's head, of the last frame
    struct buf packed, frame;
    struct snapshot_progress progress;
    uint64_t began_ns;
    uint64_t skip; // frames that were committed before
    struct hash skip_sum;
};

static int read_exactly(int fd, void *ret, size_t n, struct error *why) {
    uint8_t *to = ret;
    while (n) {
        ssize_t got = read(fd, to, n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_os(why, ERR_IO, errno, "cannot read the snapshot");
        if (got == 0) return error_set(why, ERR_CLOSED, "the snapshot ends early");
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

static int read_head(struct import *i, struct error *why) {
    uint8_t head[SNAPSHOT_HEAD_BYTES];
    int r = read_exactly(i->fd, head, sizeof head, why);
    if (r != 0) return r;
    if (memcmp(head, magic, sizeof magic) != 0) {
        return error_set(why, ERR_SYNTAX, "this is no snapshot, or of a later version");
    }
    i->first = sha256(bytes_make(head, 88));
    if (memcmp(i->first.b, head + 88, 32) != 0) {
        return error_set(why, ERR_INVALID, "the snapshot's head is damaged");
    }
    i->sum = i->first;
    i->head.number = load_be64(head + 8);
    memcpy(i->head.hash.b, head + 16, 32);
    memcpy(i->head.root.b, head + 48, 32);
    i->progress.total_bytes = load_be64(head + 80);
    return 0;
}

static int read_mark(struct import *i, bool *ret_begun, struct error *why) {
    struct buf mark;
    *ret_begun = false;
    buf_init(&mark, 2 * MARK_BYTES);
    int r = trie_store_get(i->s, TRIE_STORE_MARKS, BYTES_LIT(MARK), &mark, why);
    if (r == ERR_NOT_FOUND) {
        buf_free(&mark);
        return 0;
    }
    if (r == 0 && mark.n != MARK_BYTES) r = error_set(why, ERR_IO, "the import's mark is damaged");
    if (r == 0 && memcmp(mark.p, i->first.b, 32) != 0) {
        r = error_set(why, ERR_CONFLICT,
                      "another snapshot was begun in this folder: empty it, or import that one");
    }
    if (r == 0) {
        *ret_begun = true;
        memcpy(i->skip_sum.b, mark.p + 32, 32);
        i->skip = load_be64(mark.p + 64);
    }
    buf_free(&mark);
    return r;
}

static int put_mark(const struct import *i, struct error *why) {
    uint8_t mark[MARK_BYTES];
    memcpy(mark, i->first.b, 32);
    memcpy(mark + 32, i->sum.b, 32);
    store_be64(mark + 64, i->progress.frames);
    store_be64(mark + 72, i->progress.done_bytes);
    return trie_store_put(i->s, TRIE_STORE_MARKS, BYTES_LIT(MARK), bytes_make(mark, sizeof mark),
                          why);
}

// Accounts name their code by its hash: whoever has the hash believes what stands under it.
static bool is_foreign_code(enum store_table table, struct bytes key, struct bytes value) {
    if (table != STORE_BESIDE + (int)TRIE_STORE_CODES) return false;
    struct hash hash = keccak256(value);
    return !bytes_equal(key, BYTES_OF(hash));
}

// Keys are as long as the store makes them: it reads an owner, a slot or a path by its place.
static bool key_fits(uint8_t table, size_t n) {
    switch (table) {
    case STORE_HEAD:
        return n == sizeof "head" - 1;
    case STORE_ACCOUNTS:
        return n == 32;
    case STORE_SLOTS:
        return n == 64;
    case STORE_ACCOUNT_NODES:
        return n == 16 || n == 33;
    case STORE_STORAGE_NODES:
        return n == 48 || n == 65;
    default:
        return table < STORE_TABLES && n >= 1 && n <= 64;
    }
}

// The records of a frame, each within it, with keys and tables that the store has.
static int check_records(struct bytes in, struct error *why) {
    while (in.n) {
        size_t key = in.n >= RECORD_HEAD ? in.p[1] : 0;
        size_t value = in.n >= RECORD_HEAD ? load_be32(in.p + 2) : 0;
        if (in.n < RECORD_HEAD || !key_fits(in.p[0], key) || value == REMOVES_ALL ||
            in.n - RECORD_HEAD < key + value) {
            return error_set(why, ERR_SYNTAX, "a frame's records are damaged");
        }
        if (is_foreign_code(in.p[0], bytes_make(in.p + RECORD_HEAD, key),
                            bytes_make(in.p + RECORD_HEAD + key, value))) {
            return error_set(why, ERR_INVALID, "a code has another hash than the accounts know");
        }
        in = bytes_slice(in, RECORD_HEAD + key + value, in.n);
    }
    return 0;
}

// The head of the store is held back until the state was verified.
static int take_records(struct import *i, struct error *why) {
    struct bytes in = buf_view(&i->frame);
    int r = check_records(in, why);
    while (r == 0 && in.n) {
        size_t n = RECORD_HEAD + in.p[1] + load_be32(in.p + 2);
        if (in.p[0] != STORE_HEAD) buf_append(&i->s->batch, bytes_slice(in, 0, n));
        in = bytes_slice(in, n, in.n);
    }
    if (r == 0) r = buf_check(&i->s->batch, why);
    if (r == 0) r = put_mark(i, why);
    if (r == 0) return trie_store_commit(i->s, NULL, why);
    trie_store_abort(i->s);
    return r;
}

static int unpack(struct import *i, size_t raw_n, struct error *why) {
    buf_clear(&i->frame);
    uint8_t *to = buf_reserve(&i->frame, raw_n);
    if (!to) return buf_check(&i->frame, why);
    size_t n = ZSTD_decompress(to, raw_n, i->packed.p, i->packed.n);
    if (ZSTD_isError(n) || n != raw_n) {
        return error_set(why, ERR_INVALID, "a frame does not unpack to its length");
    }
    buf_commit(&i->frame, n);
    return 0;
}

// One frame; *ret_end at the last.
static int take_frame(struct import *i, bool *ret_end, struct error *why) {
    uint8_t head[FRAME_HEAD];
    int r = read_exactly(i->fd, head, sizeof head, why);
    if (r != 0) return r;
    size_t raw_n = load_be32(head), packed_n = load_be32(head + 4);
    if (raw_n > SNAPSHOT_FRAME_MAX || packed_n > ZSTD_compressBound(SNAPSHOT_FRAME_MAX)) {
        return error_set(why, ERR_LIMIT, "a frame of %zu bytes", raw_n);
    }
    buf_clear(&i->packed);
    uint8_t *to = buf_reserve(&i->packed, packed_n ? packed_n : 1);
    if (!to) return buf_check(&i->packed, why);
    r = read_exactly(i->fd, to, packed_n, why);
    if (r != 0) return r;
    buf_commit(&i->packed, packed_n);
    i->sum = chain_sum(&i->sum, buf_view(&i->packed));
    if (memcmp(i->sum.b, head + 8, 32) != 0) {
        return error_set(why, ERR_INVALID, "frame %llu is damaged",
                         (unsigned long long)i->progress.frames);
    }
    if (raw_n == 0 && packed_n) return error_set(why, ERR_INVALID, "the snapshot's end is damaged");
    *ret_end = raw_n == 0;
    i->progress.frames++;
    i->progress.done_bytes += raw_n;
    i->progress.packed_bytes += packed_n + FRAME_HEAD;
    if (*ret_end ? i->progress.frames <= i->skip
                 : i->progress.frames == i->skip && !hash_equal(&i->sum, &i->skip_sum)) {
        return error_set(why, ERR_CONFLICT, "the snapshot is another than the one begun with");
    }
    if (*ret_end || i->progress.frames <= i->skip) return 0;
    r = unpack(i, raw_n, why);
    return r == 0 ? take_records(i, why) : r;
}

static int check_no_more(struct import *i, struct error *why) {
    uint8_t more;
    int r = read_exactly(i->fd, &more, 1, why);
    if (r == ERR_CLOSED) return 0;
    return r == 0 ? error_set(why, ERR_INVALID, "bytes follow the snapshot's end") : r;
}

// What came is a state with the root that it says; then it becomes the store's.
static int finish(struct import *i, struct error *why) {
    struct hash root;
    int r = trie_store_flat_root(i->s, &root, why);
    if (r == 0 && !hash_equal(&root, &i->head.root)) {
        r = error_set(why, ERR_INVALID, "the state's root is another than the snapshot's");
    }
    if (r == 0) {
        r = trie_store_put(i->s, TRIE_STORE_MARKS, BYTES_LIT(MARK), (struct bytes){NULL, 0}, why);
    }
    return r == 0 ? trie_store_commit(i->s, &i->head, why) : r;
}

bool snapshot_is_unfinished(struct trie_store *s) {
    struct buf mark;
    buf_init(&mark, 0);
    int r = trie_store_get(s, TRIE_STORE_MARKS, BYTES_LIT(MARK), &mark, NULL);
    buf_free(&mark);
    return r == 0;
}

int snapshot_import(struct trie_store *s, int fd, const struct snapshot_options *o,
                    enum snapshot_result *ret, struct error *why) {
    static const struct snapshot_options defaults;
    struct import i = {.s = s, .o = o ? o : &defaults, .fd = fd};
    struct trie_store_head there;
    bool begun, end = false;
    int r = trie_store_head(s, &there, why);
    if (r == 0) {
        *ret = SNAPSHOT_SKIPPED;
        return 0;
    }
    if (r != ERR_NOT_FOUND) return r;
    i.began_ns = clock_monotonic_ns(i.o->clock ? i.o->clock : &clock_system);
    buf_init(&i.packed, 0);
    buf_init(&i.frame, SNAPSHOT_FRAME_MAX);
    r = read_head(&i, why);
    if (r == 0) r = read_mark(&i, &begun, why);
    if (r == 0 && !begun) r = put_mark(&i, why);
    if (r == 0 && !begun) r = trie_store_commit(s, NULL, why);
    while (r == 0 && !end) {
        r = take_frame(&i, &end, why);
        if (r == 0) tell(i.o, &i.progress, i.began_ns);
    }
    if (r == 0) r = check_no_more(&i, why);
    if (r == 0) r = finish(&i, why);
    if (r == 0) {
        i.progress.finished = true;
        tell(i.o, &i.progress, i.began_ns);
        *ret = SNAPSHOT_IMPORTED;
    }
    buf_free(&i.packed);
    buf_free(&i.frame);
    return r;
}
