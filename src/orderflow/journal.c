/* SPDX-License-Identifier: MIT */
#include "orderflow/journal.h"

#include "base/file.h"
#include "base/list.h"
#include "crypto/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_DEFAULT (UINT64_C(8) << 30)
#define FILES_MAX 65536u
#define SYNC_EVERY_NS (100 * NS_PER_MS)
#define TELL_EVERY_NS (10 * NS_PER_S)
#define PROBE_BYTES (64u << 10)
#define PROBE_EVERY_NS (5 * NS_PER_S) /* without orders */
#define PROBE_AGAIN_NS (500 * NS_PER_MS)

struct file {
    struct list_node link;
    uint64_t number, bytes;
    uint64_t kept_ns; /* of the record that is kept longest */
};

struct journal {
    struct journal_options options;
    int folder_fd;        /* of the lock file */
    pthread_mutex_t lock; /* guards all below but the sync fields */
    struct list files;    /* by number; the last one is written to */
    int fd;
    struct buf record;
    struct journal_stats stats;
    bool failing;              /* and the log says so */
    uint64_t told_ns;          /* when it did, monotonic */
    atomic_bool refusing;      /* the last order, probe or sync failed; read without the lock */
    uint64_t looked_ns;        /* when that was, monotonic; 0: never */
    size_t refused_bytes;      /* of that order's record; 0: none was refused */
    _Atomic uint64_t written;  /* records, for the syncs */
    pthread_mutex_t sync_lock; /* guards synced, sync_at_ns */
    uint64_t synced, sync_at_ns;
};

/* ---- records ---- */

static uint32_t check_of(struct bytes in) {
    struct hash h = sha256(in);
    return load_be32(h.b);
}

static void put_record(struct buf *out, const struct flow_order *o, struct bytes data) {
    size_t start = out->n;
    bool kept = o->kept_ns > o->expires_ns;
    buf_append_be32(out, (uint32_t)(JOURNAL_HEAD - 4 + (kept ? 8 : 0) + data.n));
    buf_append_be32(out, 0);
    buf_append_be64(out, o->kept_ns);
    buf_append_be64(out, o->received_ns);
    buf_append(out, BYTES_OF(o->signer));
    buf_append_byte(out, (uint8_t)o->order.method);
    unsigned flags =
        (o->source == FLOW_FROM_PEER ? JOURNAL_OF_PEER : 0) | (kept ? JOURNAL_KEPT : 0);
    buf_append_byte(out, (uint8_t)((unsigned)o->priority | flags));
    buf_append_be32(out, (uint32_t)o->bytes);
    if (kept) buf_append_be64(out, o->expires_ns);
    buf_append(out, data);
    if (out->failed) return;
    store_be32(out->p + start + 4, check_of(bytes_slice(buf_view(out), start + 8, out->n)));
}

int journal_read_record(struct journal_record *ret, size_t *ret_bytes, struct bytes in,
                        struct error *why) {
    if (in.n < 4) return error_set(why, ERR_AGAIN, "a record is cut off");
    uint64_t size = (uint64_t)load_be32(in.p) + 4;
    if (size < JOURNAL_HEAD) return error_set(why, ERR_SYNTAX, "a record is too short");
    if (size > in.n) return error_set(why, ERR_AGAIN, "a record is cut off");
    struct bytes record = {in.p, (size_t)size};
    *ret_bytes = (size_t)size;
    if (load_be32(in.p + 4) != check_of(bytes_slice(record, 8, record.n))) {
        return error_set(why, ERR_SYNTAX, "a record is damaged");
    }
    bool kept = in.p[45] & JOURNAL_KEPT;
    size_t head = JOURNAL_HEAD + (kept ? 8 : 0);
    if (size < head) return error_set(why, ERR_SYNTAX, "a record is too short");
    unsigned priority = in.p[45] & ~(JOURNAL_OF_PEER | JOURNAL_KEPT);
    struct journal_record r = {.kept_ns = load_be64(in.p + 8),
                               .expires_ns = load_be64(in.p + (kept ? JOURNAL_HEAD : 8)),
                               .received_ns = load_be64(in.p + 16),
                               .method = (enum order_method)in.p[44],
                               .priority = (enum order_priority)priority,
                               .of_peer = in.p[45] & JOURNAL_OF_PEER,
                               .bytes = load_be32(in.p + 46),
                               .data = bytes_slice(record, head, record.n)};
    memcpy(r.signer.b, in.p + 24, sizeof r.signer.b);
    if (r.expires_ns > r.kept_ns) {
        return error_set(why, ERR_SYNTAX, "a record is not kept until its order is over");
    }
    if (in.p[44] >= ORDER_METHOD_COUNT || r.priority > ORDER_LOW) {
        return error_set(why, ERR_SYNTAX, "a record is of no known method or priority");
    }
    *ret = r;
    return 0;
}

/* ---- files ---- */

static void path_of(char ret[4096], const struct journal *j, uint64_t number) {
    (void)snprintf(ret, 4096, "%s/orders-%016llu.log", j->options.folder,
                   (unsigned long long)number);
}

static struct file *add_file(struct journal *j, uint64_t number) {
    struct file *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->number = number;
    list_push_back(&j->files, &f->link);
    j->stats.files++;
    return f;
}

static struct file *last_file(const struct journal *j) {
    struct list_node *n = list_last(&j->files);
    return n ? LIST_ENTRY(n, struct file, link) : NULL;
}

static void remove_file(struct journal *j, struct file *f) {
    char path[4096];
    path_of(path, j, f->number);
    if (unlink(path) != 0 && errno != ENOENT) {
        log_warn(j->options.log, "journal_file_stays", F_U64("file", f->number),
                 F_I64("errno", errno));
    }
    j->stats.files--;
    j->stats.bytes -= f->bytes;
    list_remove(&f->link);
    free(f);
}

static int begin_file(struct journal *j, struct error *why) {
    char path[4096];
    const struct file *last = last_file(j);
    uint64_t number = last ? last->number + 1 : 1;
    path_of(path, j, number);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "journal file %s", path);
    if (!add_file(j, number)) {
        (void)close(fd);
        (void)unlink(path);
        return error_set(why, ERR_NO_MEMORY, "no memory for a journal file");
    }
    if (j->fd >= 0) {
        if (j->options.sync != JOURNAL_SYNC_NONE) (void)fdatasync(j->fd);
        (void)close(j->fd);
    }
    j->fd = fd;
    return file_sync_folder(path, why);
}

/* ---- reading at the start ---- */

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int find_files(struct journal *j, struct error *why) {
    DIR *d = opendir(j->options.folder);
    if (!d) return error_set_os(why, ERR_IO, errno, "folder %s", j->options.folder);
    uint64_t *numbers = malloc(FILES_MAX * sizeof *numbers);
    size_t n = 0;
    for (struct dirent *e = readdir(d); numbers && e && n < FILES_MAX; e = readdir(d)) {
        char *end;
        if (strncmp(e->d_name, "orders-", 7) != 0) continue;
        errno = 0;
        unsigned long long number = strtoull(e->d_name + 7, &end, 10);
        if (errno == 0 && end == e->d_name + 23 && strcmp(end, ".log") == 0) numbers[n++] = number;
    }
    (void)closedir(d);
    if (numbers) qsort(numbers, n, sizeof *numbers, by_number);
    bool whole = numbers != NULL;
    for (size_t i = 0; whole && i < n; i++) {
        whole = add_file(j, numbers[i]) != NULL;
    }
    free(numbers);
    return whole ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for the journal's files");
}

static void tell_damage(struct journal *j, const struct file *f, size_t at,
                        const struct error *wrong) {
    j->stats.damaged++;
    log_warn(j->options.log, "journal_damaged", F_U64("file", f->number), F_U64("at", at),
             F_ERR(wrong));
}

static int read_file(struct journal *j, struct file *f, struct buf *text,
                     void (*replay)(void *context, const struct journal_record *r), void *context,
                     struct error *why) {
    char path[4096];
    struct journal_record record;
    struct error wrong = {.text = ""};
    size_t n;
    uint64_t now = clock_wall_ns(j->options.clock);
    path_of(path, j, f->number);
    buf_clear(text);
    int r = file_read(text, path, why);
    if (r != 0) return r;
    f->bytes = text->n;
    j->stats.bytes += text->n;
    for (size_t at = 0; at < text->n; at += n) {
        n = 0;
        r = journal_read_record(&record, &n, bytes_slice(buf_view(text), at, text->n), &wrong);
        if (r != 0) tell_damage(j, f, at, &wrong);
        if (r != 0 && n == 0) break;
        if (r != 0) continue;
        if (record.kept_ns > f->kept_ns) f->kept_ns = record.kept_ns;
        if (record.kept_ns <= now) continue;
        j->stats.replayed++;
        replay(context, &record);
    }
    return 0;
}

static int read_all(struct journal *j,
                    void (*replay)(void *context, const struct journal_record *r), void *context,
                    struct error *why) {
    struct buf text;
    int r = find_files(j, why);
    buf_init(&text, 2 * (size_t)JOURNAL_FILE_BYTES + FLOW_BIG_BYTES);
    list_each(n, &j->files) {
        if (r == 0) r = read_file(j, LIST_ENTRY(n, struct file, link), &text, replay, context, why);
    }
    buf_free(&text);
    return r;
}

static int lock_folder(struct journal *j, struct error *why) {
    char path[4096];
    if (mkdir(j->options.folder, 0700) != 0 && errno != EEXIST) {
        return error_set_os(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "folder %s",
                            j->options.folder);
    }
    (void)snprintf(path, sizeof path, "%s/lock", j->options.folder);
    j->folder_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->folder_fd < 0) return error_set_os(why, ERR_IO, errno, "%s", path);
    if (flock(j->folder_fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(why, ERR_CONFLICT, "another process uses the journal %s",
                         j->options.folder);
    }
    return 0;
}

int journal_open(struct journal **ret, const struct journal_options *options,
                 void (*replay)(void *context, const struct journal_record *r), void *context,
                 struct error *why) {
    struct journal *j = calloc(1, sizeof *j);
    if (!j) return error_set(why, ERR_NO_MEMORY, "no memory for the journal");
    j->options = *options;
    if (!j->options.clock) j->options.clock = &clock_system;
    if (j->options.bytes_max == 0) j->options.bytes_max = BYTES_DEFAULT;
    j->fd = j->folder_fd = -1;
    list_init(&j->files);
    buf_init(&j->record, 0);
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_mutex_init(&j->sync_lock, NULL);
    int r = lock_folder(j, why);
    if (r == 0) r = read_all(j, replay, context, why);
    if (r == 0) r = begin_file(j, why);
    if (r != 0) {
        journal_close(j);
        return r;
    }
    journal_tidy(j);
    *ret = j;
    return 0;
}

void journal_close(struct journal *j) {
    if (!j) return;
    if (j->fd >= 0) {
        (void)fdatasync(j->fd);
        (void)close(j->fd);
    }
    if (j->folder_fd >= 0) (void)close(j->folder_fd);
    for (struct list_node *n = list_pop_front(&j->files); n; n = list_pop_front(&j->files)) {
        free(LIST_ENTRY(n, struct file, link));
    }
    buf_free(&j->record);
    (void)pthread_mutex_destroy(&j->lock);
    (void)pthread_mutex_destroy(&j->sync_lock);
    free(j);
}

/* ---- appending ---- */

/* With the lock. What was written after f's end is taken back, so that what follows can be read. */
static void take_back(struct journal *j, const struct file *f) {
    struct error why;
    if (ftruncate(j->fd, (off_t)f->bytes) != 0 && begin_file(j, &why) != 0) {
        log_error(j->options.log, "journal_broken", F_ERR(&why));
    }
}

/* With the lock. */
static int write_record(struct journal *j, struct file **ret_file, struct error *why) {
    struct file *f = last_file(j);
    if (f->bytes > 0 && f->bytes + j->record.n > JOURNAL_FILE_BYTES) {
        int r = begin_file(j, why);
        if (r != 0) return r;
        f = last_file(j);
    }
    int r = file_write_all(j->fd, buf_view(&j->record), why);
    if (r != 0) {
        take_back(j, f);
        return r;
    }
    f->bytes += j->record.n;
    j->stats.bytes += j->record.n;
    j->stats.records++;
    *ret_file = f;
    return 0;
}

/* One sync stands for all that was written before it began. */
static int sync_to(struct journal *j, uint64_t mine, struct error *why) {
    int r = 0;
    pthread_mutex_lock(&j->sync_lock);
    if (j->synced < mine) {
        pthread_mutex_lock(&j->lock); // the file may change
        uint64_t upto = atomic_load(&j->written);
        int fd = dup(j->fd);
        pthread_mutex_unlock(&j->lock);
        if (fd < 0 || fdatasync(fd) != 0) r = error_set_os(why, ERR_IO, errno, "journal sync");
        if (fd >= 0) (void)close(fd);
        if (r == 0) j->synced = upto;
    }
    pthread_mutex_unlock(&j->sync_lock);
    return r;
}

/* With the lock. The log tells when orders are refused and taken again, however often that changes
 * on a disk that is nearly full. */
static void note_outcome(struct journal *j, int r, const struct error *why) {
    uint64_t now = clock_monotonic_ns(j->options.clock);
    j->looked_ns = now;
    atomic_store(&j->refusing, r != 0);
    if (r == 0) j->refused_bytes = 0;
    if (r == 0 && j->failing) {
        j->failing = false;
        log_info(j->options.log, "journal_takes_orders_again");
    } else if (r != 0 && !j->failing && (j->told_ns == 0 || now - j->told_ns >= TELL_EVERY_NS)) {
        j->failing = true;
        j->told_ns = now;
        log_error(j->options.log, "journal_takes_no_orders", F_ERR(why));
    }
}

/* With the lock. */
static int check_room(const struct journal *j, size_t bytes, struct error *why) {
    if (j->stats.bytes + bytes <= j->options.bytes_max) return 0;
    return error_set(why, ERR_BUSY, "the journal is full");
}

static int append(struct journal *j, const struct flow_order *o, struct bytes data,
                  uint64_t *ret_mine, struct error *why) {
    struct file *f = NULL;
    pthread_mutex_lock(&j->lock);
    buf_clear(&j->record);
    put_record(&j->record, o, data);
    int r = buf_check(&j->record, why);
    if (r == 0) r = check_room(j, j->record.n, why);
    if (r == 0) r = write_record(j, &f, why);
    if (r == 0) {
        if (o->kept_ns > f->kept_ns) f->kept_ns = o->kept_ns;
        *ret_mine = atomic_fetch_add(&j->written, 1) + 1;
    } else {
        j->stats.refused++;
        j->refused_bytes = j->record.n;
    }
    note_outcome(j, r, why);
    pthread_mutex_unlock(&j->lock);
    return r;
}

static int sync_noted(struct journal *j, uint64_t mine, struct error *why) {
    int r = sync_to(j, mine, why);
    if (r == 0) return 0;
    pthread_mutex_lock(&j->lock);
    note_outcome(j, r, why);
    pthread_mutex_unlock(&j->lock);
    return r;
}

int journal_append(struct journal *j, struct flow_order *o, struct error *why) {
    const struct flow_body *body;
    uint64_t mine = 0;
    int r = flow_order_body(&body, o, FLOW_BITCODE, NULL, why);
    if (r == 0) r = append(j, o, body->data, &mine, why);
    return r == 0 && j->options.sync == JOURNAL_SYNC_ALWAYS ? sync_noted(j, mine, why) : r;
}

bool journal_takes(const struct journal *j) {
    return !atomic_load(&j->refusing);
}

/* A record that is over from the start, in case that the process ends before it is taken back. */
static void put_probe(struct buf *out, size_t bytes) {
    buf_append_be32(out, (uint32_t)(bytes - 4));
    while (out->n < bytes && !out->failed) {
        static const uint8_t zeros[1024];
        buf_append(out, bytes_make(zeros, bytes - out->n < 1024 ? bytes - out->n : 1024));
    }
    if (!out->failed) store_be32(out->p + 4, check_of(bytes_slice(buf_view(out), 8, out->n)));
}

/* With the lock. Whether an order could be written: as large a one as was refused last. */
static int probe(struct journal *j, struct error *why) {
    int r = check_room(j, j->refused_bytes > 0 ? j->refused_bytes : 1, why);
    if (r != 0) return r;
    buf_clear(&j->record);
    put_probe(&j->record, j->refused_bytes > PROBE_BYTES ? j->refused_bytes : PROBE_BYTES);
    r = buf_check(&j->record, why);
    if (r != 0) return r;
    r = file_write_all(j->fd, buf_view(&j->record), why);
    bool syncs = atomic_load(&j->refusing) && j->options.sync != JOURNAL_SYNC_NONE;
    if (r == 0 && syncs && fdatasync(j->fd) != 0) {
        r = error_set_os(why, ERR_IO, errno, "journal sync");
    }
    take_back(j, last_file(j));
    return r;
}

/* With the lock. Without orders nobody else would see that the disk is full, or has room again. */
static void look(struct journal *j) {
    struct error why = {.text = ""};
    uint64_t past_ns = clock_monotonic_ns(j->options.clock) - j->looked_ns;
    uint64_t wait_ns = atomic_load(&j->refusing) ? PROBE_AGAIN_NS : PROBE_EVERY_NS;
    if (j->looked_ns == 0 || past_ns >= wait_ns) note_outcome(j, probe(j, &why), &why);
}

void journal_tidy(struct journal *j) {
    struct error why = {.text = ""};
    uint64_t now = clock_wall_ns(j->options.clock);
    if (j->options.sync == JOURNAL_SYNC_INTERVAL && now - j->sync_at_ns >= SYNC_EVERY_NS) {
        j->sync_at_ns = now;
        if (sync_noted(j, atomic_load(&j->written), &why) != 0) {
            log_error(j->options.log, "journal_not_synced", F_ERR(&why));
        }
    }
    pthread_mutex_lock(&j->lock);
    const struct file *last = last_file(j);
    list_each_safe(n, &j->files) {
        struct file *f = LIST_ENTRY(n, struct file, link);
        if (f != last && f->kept_ns <= now) remove_file(j, f);
    }
    // The one that is written to ends when all of it is over, so that an idle node keeps nothing.
    if (last && last->bytes > 0 && last->kept_ns <= now && begin_file(j, &why) != 0) {
        log_error(j->options.log, "journal_broken", F_ERR(&why));
    }
    look(j);
    pthread_mutex_unlock(&j->lock);
}

struct journal_stats journal_stats(struct journal *j) {
    pthread_mutex_lock(&j->lock);
    struct journal_stats s = j->stats;
    pthread_mutex_unlock(&j->lock);
    return s;
}
