/* The journal of local transactions: records of
 *
 *     offset 0  u32 BE  length of the transaction's network form
 *            4  u32 BE  first bytes of its Keccak-256
 *            8  bytes   the network form
 *
 * A record that was cut off by a crash ends the file for readers and is dropped at the next
 * rewrite. SPDX-License-Identifier: MIT */
#include "chain/txpool_internal.h"

#include "base/file.h"
#include "crypto/keccak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define RECORD_HEAD 8u
#define JOURNAL_BYTES_MAX (1u << 30)
#define REWRITE_SLACK 1024u
#define REWRITE_SLACK_BYTES (64u << 20)

static void write_record(struct buf *out, struct bytes network) {
    struct hash sum = keccak256(network);
    buf_append_be32(out, (uint32_t)network.n);
    buf_append(out, bytes_make(sum.b, 4));
    buf_append(out, network);
}

// Gives the next record and moves on; false at the end or at what a crash left.
static bool read_record(struct bytes *ret, struct bytes *in) {
    if (in->n < RECORD_HEAD) return false;
    size_t n = load_be32(in->p);
    if (n > in->n - RECORD_HEAD) return false;
    *ret = bytes_slice(*in, RECORD_HEAD, n);
    struct hash sum = keccak256(*ret);
    if (memcmp(sum.b, in->p + 4, 4) != 0) return false;
    *in = bytes_slice(*in, RECORD_HEAD + n, in->n);
    return true;
}

static int open_file(struct txpool *p, struct error *why) {
    if (p->journal_fd >= 0) (void)close(p->journal_fd);
    p->journal_fd = open(p->options.journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (p->journal_fd >= 0) return 0;
    return error_set_os(why, ERR_IO, errno, "cannot open %s", p->options.journal);
}

// More than the pool can hold and what may be out of date.
static bool is_large(const struct txpool *p) {
    return p->journal_bytes > p->options.limits.bytes + REWRITE_SLACK_BYTES;
}

int pool_journal_append(struct txpool *p, const struct pool_tx *t, struct error *why) {
    struct buf out;
    if (!p->options.journal || !t->local) return 0;
    buf_init(&out, 0);
    write_record(&out, t->network);
    int r = buf_check(&out, why);
    (void)pthread_mutex_lock(&p->journal_lock);
    if (r == 0 && p->journal_fd < 0) r = open_file(p, why);
    if (r == 0) r = file_write_all(p->journal_fd, buf_view(&out), why);
    p->journal_lines++;
    p->journal_bytes += out.n;
    bool large = is_large(p);
    (void)pthread_mutex_unlock(&p->journal_lock);
    buf_free(&out);
    return r == 0 && large ? pool_journal_rewrite(p, why) : r; // heads may be long in coming
}

int pool_journal_rewrite(struct txpool *p, struct error *why) {
    struct txpool_list all;
    size_t pending, locals = 0;
    if (!p->options.journal || !p->journal_read) return 0;
    (void)pthread_mutex_lock(&p->journal_lock);
    bool is_short = p->journal_fd >= 0 && p->journal_lines < REWRITE_SLACK && !is_large(p);
    int r = is_short ? 0 : txpool_content(p, NULL, &all, &pending, why);
    if (is_short || r != 0) {
        (void)pthread_mutex_unlock(&p->journal_lock);
        return r;
    }
    for (size_t i = 0; i < all.count; i++) {
        locals += all.items[i]->local;
    }
    if (p->journal_lines > 2 * locals + REWRITE_SLACK || is_large(p) || p->journal_fd < 0) {
        struct buf out;
        buf_init(&out, JOURNAL_BYTES_MAX + p->options.limits.bytes);
        for (size_t i = 0; i < all.count; i++) {
            if (all.items[i]->local) write_record(&out, all.items[i]->network);
        }
        r = buf_check(&out, why);
        if (r == 0) r = file_write_atomic(p->options.journal, buf_view(&out), NULL, why);
        if (r == 0) r = open_file(p, why);
        if (r == 0) p->journal_lines = locals, p->journal_bytes = out.n;
        buf_free(&out);
    }
    (void)pthread_mutex_unlock(&p->journal_lock);
    txpool_list_free(&all);
    return r;
}

int txpool_load_journal(struct txpool *p, struct error *why) {
    struct buf file;
    struct bytes record;
    size_t count = 0, kept = 0;
    if (!p->options.journal) return 0;
    buf_init(&file, JOURNAL_BYTES_MAX + p->options.limits.bytes);
    int r = file_read(&file, p->options.journal, why);
    if (r == ERR_NOT_FOUND) r = 0;
    // The file is written anew below, so that what is added here is not appended to it.
    struct bytes in = buf_view(&file);
    const char *name = p->options.journal;
    p->options.journal = NULL;
    while (r == 0 && read_record(&record, &in)) {
        struct hash hash;
        struct error refused;
        kept += txpool_add(p, record, true, &hash, &refused) == 0;
        count++;
    }
    p->options.journal = name;
    if (count) log_info(p->options.log, "pool_restored", F_U64("read", count), F_U64("kept", kept));
    if (r == 0 && in.n) log_warn(p->options.log, "pool_journal_cut", F_U64("bytes", in.n));
    buf_free(&file);
    p->journal_read = r == 0;
    return r == 0 ? pool_journal_rewrite(p, why) : r;
}
