/* SPDX-License-Identifier: MIT */
#include "orderflow/spill.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define SEGMENT_HEAD 16u
#define RECORD_HEAD 16u
#define WRITE_BYTES (64u << 10)
#define READ_BYTES (256u << 10)
#define PATH_BYTES 4096
#define SUFFIX ".spill"

static const uint8_t magic[8] = {'B', 'N', 'S', 'P', 'I', 'L', 'L', '1'};

struct segment {
    struct list_node node;
    int fd;
    uint64_t number;
    uint64_t end;        /* bytes of it, those in the write buffer too */
    uint64_t at;         /* of the first record that was not taken */
    uint64_t records;    /* not taken */
    uint64_t weight;     /* of those */
    uint64_t expires_ns; /* the latest of its records; UINT64_MAX: never */
};

struct spill {
    char *folder, *prefix;
    uint64_t bytes_max;
    size_t segment_bytes;
    bool through;
    uint64_t (*weigh)(struct bytes record);
    struct list segments; /* oldest first */
    struct list taken;    /* wholly; named ones until they are marked */
    uint64_t next_number;
    uint64_t records, weight, bytes, dropped, dropped_bytes;
    struct buf out; /* the newest segment's end, not yet written */
    struct buf in;  /* a piece of the oldest segment */
    uint64_t in_at; /* its offset there */
    struct segment *in_of;
    size_t first_bytes; /* of the record that spill_first gave, with its head; 0: none */
    uint64_t first_weight;
};

static struct segment *oldest(const struct spill *s) {
    return LIST_ENTRY(list_first(&s->segments), struct segment, node);
}
static struct segment *newest(const struct spill *s) {
    return LIST_ENTRY(list_last(&s->segments), struct segment, node);
}

/* ---- files ---- */

static bool name_of(char ret[PATH_BYTES], const struct spill *s, uint64_t number) {
    int n = snprintf(ret, PATH_BYTES, "%s/%s-%016llx" SUFFIX, s->folder, s->prefix,
                     (unsigned long long)number);
    return n > 0 && n < PATH_BYTES;
}

static int open_unnamed(const char *folder) {
    char name[PATH_BYTES];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
    int n = snprintf(name, sizeof name, "%s/spill-XXXXXX", folder);
    if (n <= 0 || n >= (int)sizeof name) return -1;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) (void)unlink(name);
    return fd;
}

static int write_at(int fd, struct bytes in, uint64_t at) {
    while (in.n > 0) {
        ssize_t n = pwrite(fd, in.p, in.n, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return ERR_IO;
        in = bytes_slice(in, (size_t)n, in.n);
        at += (uint64_t)n;
    }
    return 0;
}

static int write_mark(const struct segment *g) {
    uint8_t head[SEGMENT_HEAD];
    memcpy(head, magic, sizeof magic);
    store_le64(head + 8, g->at);
    return write_at(g->fd, bytes_make(head, sizeof head), 0);
}

static void segment_remove(struct spill *s, struct segment *g, bool keep_file) {
    char path[PATH_BYTES];
    if (s->in_of == g) {
        s->in_of = NULL;
        s->first_bytes = 0;
    }
    if (!list_is_empty(&s->segments) && newest(s) == g) buf_clear(&s->out);
    list_remove(&g->node);
    s->records -= g->records;
    s->weight -= g->weight;
    s->bytes -= g->end;
    close(g->fd);
    if (!keep_file && s->prefix && name_of(path, s, g->number)) (void)unlink(path);
    free(g);
}

static void segment_drop(struct spill *s, struct segment *g) {
    s->dropped += g->weight;
    s->dropped_bytes += g->end - g->at;
    segment_remove(s, g, false);
}

/* All of it was taken. */
static void segment_done(struct spill *s, struct segment *g) {
    if (!s->prefix) {
        segment_remove(s, g, false);
        return;
    }
    s->in_of = NULL;
    if (newest(s) == g) buf_clear(&s->out); // what the disk did not take was read from memory
    list_remove(&g->node);
    list_push_back(&s->taken, &g->node);
}

static uint64_t weight_of(const struct spill *s, struct bytes record) {
    return s->weigh ? s->weigh(record) : 1;
}

static int segment_new(struct spill *s, struct error *why) {
    char path[PATH_BYTES];
    struct segment *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for a spill file");
    g->number = s->next_number;
    g->at = g->end = SEGMENT_HEAD;
    if (!s->prefix) {
        g->fd = open_unnamed(s->folder);
    } else {
        g->fd = name_of(path, s, g->number)
                    ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                    : -1;
    }
    if (g->fd < 0) {
        free(g);
        return error_set_os(why, ERR_IO, errno, "cannot make a spill file in %s", s->folder);
    }
    s->next_number++;
    // Without its head nobody finds the file again, not to read and not to remove it.
    if (s->prefix && write_mark(g) != 0) {
        (void)error_set_os(why, ERR_IO, errno, "cannot write a spill file in %s", s->folder);
        (void)unlink(path);
        close(g->fd);
        free(g);
        return ERR_IO;
    }
    s->bytes += g->end;
    list_push_back(&s->segments, &g->node);
    return 0;
}

/* ---- writing ---- */

static int flush(struct spill *s, struct error *why) {
    if (s->out.n == 0) return 0;
    struct segment *g = newest(s);
    if (write_at(g->fd, buf_view(&s->out), g->end - s->out.n) != 0) {
        return error_set_os(why, ERR_IO, errno, "cannot write a spill file in %s", s->folder);
    }
    buf_clear(&s->out);
    return 0;
}

void spill_expire(struct spill *s, uint64_t now_ns) {
    list_each_safe(node, &s->segments) {
        struct segment *g = LIST_ENTRY(node, struct segment, node);
        bool expired = g->records > 0 && g->expires_ns < now_ns;
        if (expired || (g->records == 0 && g != newest(s))) segment_drop(s, g);
    }
}

/* Removes segments until `more` bytes fit. */
static int make_room(struct spill *s, uint64_t more, uint64_t now_ns, struct error *why) {
    if (more + SEGMENT_HEAD > s->bytes_max) {
        return error_set(why, ERR_LIMIT, "a record of %llu bytes is larger than the spill",
                         (unsigned long long)more);
    }
    if (s->bytes + more <= s->bytes_max) return 0;
    spill_expire(s, now_ns);
    while (s->bytes + more > s->bytes_max && !list_is_empty(&s->segments)) {
        segment_drop(s, oldest(s));
    }
    return 0;
}

/* The segment that takes the next record. */
static int tail(struct spill *s, size_t bytes, struct error *why) {
    if (!list_is_empty(&s->segments)) {
        const struct segment *g = newest(s);
        if (g->end == SEGMENT_HEAD || g->end + bytes <= s->segment_bytes) return 0;
    }
    int r = flush(s, why);
    return r == 0 ? segment_new(s, why) : r;
}

int spill_append(struct spill *s, struct bytes record, uint64_t expires_ns, uint64_t now_ns,
                 struct error *why) {
    uint8_t head[RECORD_HEAD];
    size_t bytes = RECORD_HEAD + record.n;
    s->first_bytes = 0;
    if (record.n > SPILL_RECORD_MAX) {
        return error_set(why, ERR_LIMIT, "a record of %zu bytes cannot be spilled", record.n);
    }
    int r = make_room(s, bytes + SEGMENT_HEAD, now_ns, why);
    if (r == 0) r = tail(s, bytes, why);
    if (r != 0) return r;
    struct segment *g = newest(s);
    store_le32(head, (uint32_t)record.n);
    store_le32(head + 4, (uint32_t)crc32(0, record.p, (uInt)record.n));
    store_le64(head + 8, expires_ns);
    size_t before = s->out.n;
    buf_append(&s->out, bytes_make(head, sizeof head));
    buf_append(&s->out, record);
    if (buf_check(&s->out, why) != 0) {
        s->out.failed = 0;
        s->out.n = before;
        return ERR_NO_MEMORY;
    }
    g->end += bytes;
    if ((s->through || s->out.n >= WRITE_BYTES) && (r = flush(s, why)) != 0) {
        g->end -= bytes;
        s->out.n = before;
        return r;
    }
    g->records++;
    if (g->expires_ns < expires_ns || expires_ns == 0) {
        g->expires_ns = expires_ns ? expires_ns : UINT64_MAX;
    }
    uint64_t weight = weight_of(s, record);
    g->weight += weight;
    s->weight += weight;
    s->records++;
    s->bytes += bytes;
    return 0;
}

/* ---- reading ---- */

static void filled(struct spill *s, struct segment *g) {
    s->in_of = g;
    s->in_at = g->at;
}

/* Has n bytes of segment g from its `at` on in the read buffer. What a full disk does not take is
 * read from memory. */
static int fill(struct spill *s, struct segment *g, size_t n, struct error *why) {
    if (s->in_of == g && g->at >= s->in_at && g->at + n <= s->in_at + s->in.n) return 0;
    if (g->at + n > g->end) return error_set(why, ERR_SYNTAX, "a spill file is cut short");
    bool unwritten = g == newest(s) && flush(s, NULL) != 0;
    uint64_t written = unwritten ? g->end - s->out.n : g->end;
    buf_clear(&s->in);
    s->in_of = NULL;
    if (g->at >= written) {
        buf_append(&s->in, bytes_slice(buf_view(&s->out), (size_t)(g->at - written), s->out.n));
        int r = buf_check(&s->in, why);
        if (r == 0) filled(s, g);
        return r;
    }
    uint64_t left = written - g->at;
    if (n > left) return error_set(why, ERR_SYNTAX, "a spill file is cut short");
    size_t want = n > READ_BYTES ? n : left < READ_BYTES ? (size_t)left : READ_BYTES;
    uint8_t *p = buf_reserve(&s->in, want);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory to read a spill file");
    size_t got = 0;
    while (got < want) {
        ssize_t k = pread(g->fd, p + got, want - got, (off_t)(g->at + got));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return error_set_os(why, ERR_IO, k < 0 ? errno : 0, "a spill file");
        got += (size_t)k;
    }
    buf_commit(&s->in, got);
    filled(s, g);
    return 0;
}

static int read_record(struct spill *s, struct segment *g, struct bytes *ret,
                       uint64_t *ret_expires_ns, struct error *why) {
    int r = fill(s, g, RECORD_HEAD, why);
    if (r != 0) return r;
    const uint8_t *head = s->in.p + (g->at - s->in_at);
    size_t n = load_le32(head);
    uint32_t sum = load_le32(head + 4);
    uint64_t expires_ns = load_le64(head + 8);
    if (n > SPILL_RECORD_MAX) return error_set(why, ERR_SYNTAX, "a spill file is damaged");
    r = fill(s, g, RECORD_HEAD + n, why);
    if (r != 0) return r;
    *ret = bytes_make(s->in.p + (g->at - s->in_at) + RECORD_HEAD, n);
    if (crc32(0, ret->p, (uInt)n) != sum) return error_set(why, ERR_SYNTAX, "a damaged record");
    *ret_expires_ns = expires_ns;
    s->first_bytes = RECORD_HEAD + n;
    s->first_weight = weight_of(s, *ret);
    return 0;
}

int spill_first(struct spill *s, struct bytes *ret, uint64_t *ret_expires_ns, struct error *why) {
    while (s && !list_is_empty(&s->segments)) {
        struct segment *g = oldest(s);
        if (g->records > 0) {
            int r = read_record(s, g, ret, ret_expires_ns, why);
            if (r == 0 || r == ERR_NO_MEMORY) return r;
            segment_drop(s, g);
            continue;
        }
        if (g == newest(s)) break; // kept for what comes
        segment_done(s, g);
    }
    return error_set(why, ERR_NOT_FOUND, "nothing is spilled");
}

void spill_pop(struct spill *s) {
    if (s->first_bytes == 0) return;
    struct segment *g = oldest(s);
    g->at += s->first_bytes;
    g->records--;
    g->weight -= s->first_weight;
    s->weight -= s->first_weight;
    s->records--;
    s->first_bytes = 0;
    if (g->records == 0) segment_done(s, g); // also the newest: an empty spill holds no disk
}

static void remove_all(struct spill *s, struct list *list, bool keep_files) {
    for (struct list_node *n; (n = list_first(list)) != NULL;) {
        segment_remove(s, LIST_ENTRY(n, struct segment, node), keep_files);
    }
}

void spill_mark(struct spill *s) {
    if (!s) return;
    remove_all(s, &s->taken, false);
    if (!list_is_empty(&s->segments)) (void)!write_mark(oldest(s)); // failing only costs repeats
}

/* ---- opening ---- */

/* Counts the whole records of a found file and cuts off the rest. */
static void recount(struct spill *s, struct segment *g, uint64_t file_end) {
    uint64_t at = g->at;
    struct bytes record;
    uint64_t expires_ns;
    g->end = file_end;
    while (g->at < file_end && read_record(s, g, &record, &expires_ns, NULL) == 0) {
        g->at += s->first_bytes;
        g->records++;
        g->weight += s->first_weight;
        if (expires_ns == 0) expires_ns = UINT64_MAX;
        if (g->expires_ns < expires_ns) g->expires_ns = expires_ns;
    }
    g->end = g->at;
    g->at = at;
    s->in_of = NULL;
    s->first_bytes = 0;
    if (g->end < file_end && ftruncate(g->fd, (off_t)g->end) != 0) {
        g->records = g->weight = 0;
    }
}

static void adopt(struct spill *s, uint64_t number) {
    char path[PATH_BYTES];
    uint8_t head[SEGMENT_HEAD];
    struct stat st;
    struct segment *g = calloc(1, sizeof *g);
    if (!g || !name_of(path, s, number)) {
        free(g);
        return;
    }
    g->number = number;
    g->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool fine = g->fd >= 0 && fstat(g->fd, &st) == 0 && S_ISREG(st.st_mode) &&
                pread(g->fd, head, sizeof head, 0) == (ssize_t)sizeof head &&
                memcmp(head, magic, sizeof magic) == 0;
    if (!fine) {
        if (g->fd >= 0) close(g->fd);
        free(g);
        return;
    }
    g->at = load_le64(head + 8);
    list_push_back(&s->segments, &g->node);
    if (g->at >= SEGMENT_HEAD && g->at <= (uint64_t)st.st_size) recount(s, g, (uint64_t)st.st_size);
    s->records += g->records;
    s->weight += g->weight;
    s->bytes += g->end;
    if (g->records == 0) segment_remove(s, g, false);
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int find(struct spill *s, struct error *why) {
    struct buf numbers;
    buf_init(&numbers, 0);
    DIR *d = opendir(s->folder);
    if (!d) return error_set_os(why, ERR_IO, errno, "cannot read the folder %s", s->folder);
    size_t prefix_n = strlen(s->prefix);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char *end;
        if (strncmp(e->d_name, s->prefix, prefix_n) != 0 || e->d_name[prefix_n] != '-') continue;
        uint64_t number = strtoull(e->d_name + prefix_n + 1, &end, 16);
        if (end != e->d_name + prefix_n + 17 || strcmp(end, SUFFIX) != 0) continue;
        buf_append(&numbers, bytes_make(&number, sizeof number));
    }
    closedir(d);
    int r = buf_check(&numbers, why);
    size_t count = numbers.n / sizeof(uint64_t);
    uint64_t *all = (uint64_t *)(void *)numbers.p;
    if (r == 0 && count > 0) qsort(all, count, sizeof *all, by_number);
    for (size_t i = 0; r == 0 && i < count; i++) {
        adopt(s, all[i]);
        s->next_number = all[i] + 1;
    }
    buf_free(&numbers);
    return r;
}

int spill_open(struct spill **ret, const struct spill_options *options, struct error *why) {
    struct spill *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a spill");
    list_init(&s->segments);
    list_init(&s->taken);
    s->through = options->through;
    s->weigh = options->weigh;
    buf_init(&s->out, 0);
    buf_init(&s->in, 0);
    s->segment_bytes = options->segment_bytes ? options->segment_bytes : SPILL_SEGMENT_BYTES;
    s->bytes_max = options->bytes_max;
    if (s->bytes_max < 2 * s->segment_bytes) s->segment_bytes = (size_t)(s->bytes_max / 2);
    s->folder = strdup(options->folder);
    s->prefix = options->prefix ? strdup(options->prefix) : NULL;
    int r = 0;
    if (!s->folder || (options->prefix && !s->prefix)) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for a spill");
    }
    if (r == 0 && access(s->folder, W_OK) != 0) {
        r = error_set_os(why, ERR_IO, errno, "cannot write in the folder %s", s->folder);
    }
    if (r == 0 && s->prefix) r = find(s, why);
    if (r != 0) {
        spill_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void spill_close(struct spill *s) {
    if (!s) return;
    (void)!flush(s, NULL);
    remove_all(s, &s->taken, true);
    while (!list_is_empty(&s->segments)) {
        segment_remove(s, oldest(s), oldest(s)->records > 0);
    }
    buf_free(&s->out);
    buf_free(&s->in);
    free(s->folder);
    free(s->prefix);
    free(s);
}

uint64_t spill_records(const struct spill *s) {
    return s ? s->records : 0;
}
uint64_t spill_weight(const struct spill *s) {
    return s ? s->weight : 0;
}
uint64_t spill_left(const struct spill *s) {
    uint64_t left = 0;
    if (!s) return 0;
    list_each(n, &s->segments) {
        const struct segment *g = LIST_ENTRY(n, struct segment, node);
        left += g->end - g->at;
    }
    return left;
}
uint64_t spill_bytes(const struct spill *s) {
    return s ? s->bytes : 0;
}
uint64_t spill_dropped(const struct spill *s) {
    return s ? s->dropped : 0;
}

uint64_t spill_dropped_bytes(const struct spill *s) {
    return s ? s->dropped_bytes : 0;
}
