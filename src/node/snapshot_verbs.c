/* SPDX-License-Identifier: MIT */
#include "node/snapshot_verbs.h"

#include "base/file.h"
#include "trie/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_NS (200 * NS_PER_MS)
#define LINE_NS (5 * NS_PER_S)
#define TEXT_BYTES 256

struct report {
    const char *word; // "export", "import"
    const char *fifo; // NULL: none
    bool terminal;
    uint64_t terminal_due_ns, line_due_ns;
};

static void write_amount(char ret[32], uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    size_t unit = 0;
    while (v >= 1024 && unit < 4) {
        v /= 1024;
        unit++;
    }
    (void)snprintf(ret, 32, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

static int write_line(char ret[TEXT_BYTES], const struct report *r,
                      const struct snapshot_progress *p) {
    char done[32], total[32], rate[32];
    double s = (double)p->elapsed_ns * 1e-9;
    double per_s = s > 0 ? (double)p->done_bytes / s : 0;
    write_amount(done, p->done_bytes);
    write_amount(total, p->total_bytes);
    write_amount(rate, (uint64_t)per_s);
    if (p->finished || p->total_bytes == 0 || per_s < 1) {
        return snprintf(ret, TEXT_BYTES, "snapshot %s%s: %s, %s/s, %.0f s", r->word,
                        p->finished ? " finished" : "", done, rate, s);
    }
    double left =
        p->done_bytes < p->total_bytes ? (double)(p->total_bytes - p->done_bytes) / per_s : 0;
    return snprintf(ret, TEXT_BYTES, "snapshot %s: %.1f %%, %s of %s, %s/s, %.0f s left", r->word,
                    100.0 * (double)p->done_bytes / (double)p->total_bytes, done, total, rate,
                    left);
}

// A reader that is not there, or does not read, must not stop the work.
static void to_fifo(const struct report *r, const char *text, int n) {
    char line[TEXT_BYTES + 1];
    if (!r->fifo || !*r->fifo) return;
    int fd = open(r->fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    (void)snprintf(line, sizeof line, "%.*s\n", n, text);
    if (write(fd, line, strlen(line)) < 0) errno = 0;
    (void)close(fd);
}

static void on_progress(void *context, const struct snapshot_progress *p) {
    struct report *r = context;
    char text[TEXT_BYTES];
    int n = write_line(text, r, p);
    if (r->terminal && (p->finished || p->elapsed_ns >= r->terminal_due_ns)) {
        (void)fprintf(stderr, "\r\033[K%s%s", text, p->finished ? "\n" : "");
        r->terminal_due_ns = p->elapsed_ns + TERMINAL_NS;
    }
    if (!p->finished && p->elapsed_ns < r->line_due_ns) return;
    if (!r->terminal) (void)fprintf(stderr, "%s\n", text);
    to_fifo(r, text, n);
    r->line_due_ns = p->elapsed_ns + LINE_NS;
}

static int open_file(const char *file, bool export, struct error *why) {
    if (strcmp(file, "-") == 0) return export ? STDOUT_FILENO : STDIN_FILENO;
    int fd = export ? open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                    : open(file, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : error_set_os(why, ERR_IO, errno, "cannot open %s", file);
}

static int run(struct trie_store *s, struct report *report, const char *file, bool export,
               struct error *why) {
    const struct snapshot_options o = {.progress = on_progress, .context = report};
    enum snapshot_result result = SNAPSHOT_IMPORTED;
    int fd = open_file(file, export, why);
    if (fd < 0) return fd;
    int r = export ? snapshot_export(s, fd, &o, why) : snapshot_import(s, fd, &o, &result, why);
    if (r == 0 && export && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) {
        r = error_set_os(why, ERR_IO, errno, "cannot write %s", file);
    }
    if (fd > STDERR_FILENO) (void)close(fd);
    if (r != 0 && export && fd > STDERR_FILENO) (void)unlink(file); // half of it is of no use
    if (r == 0 && result == SNAPSHOT_SKIPPED) {
        static const char text[] = "snapshot import skipped: the data folder is not empty";
        (void)fprintf(stderr, "%s\n", text);
        to_fifo(report, text, (int)sizeof text - 1);
    }
    return r;
}

int node_snapshot(const struct node_values *v, bool export, const char *file) {
    struct report report = {.word = export ? "export" : "import",
                            .fifo = v->progress_fifo,
                            .terminal = isatty(STDERR_FILENO) == 1};
    struct trie_store *s = NULL;
    struct error why = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    int r = v->data_folder && *v->data_folder
                ? trie_store_open_lmdb(&s, v->data_folder, NULL, &why)
                : error_set(&why, ERR_NOT_FOUND, "--data-folder is needed");
    if (r == 0) r = run(s, &report, file, export, &why);
    trie_store_close(s);
    if (r == 0) return 0;
    (void)fprintf(stderr, "buildernet node: %s\n", why.text);
    char text[TEXT_BYTES];
    int n = snprintf(text, sizeof text, "snapshot %s failed: %.180s", report.word, why.text);
    to_fifo(&report, text, n);
    return error_class_of(r)->exit_status;
}
