/* Uploads: a body that becomes a file at a configured place, whole or not at all.
 *
 * The body goes to a temporary file beside its place as it comes; then fsync, the validator if
 * there is one, rename, fsync of the folder. Slow steps run on a worker, the validator in the
 * runner.
 *
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "system_api/api.h"
#include "json/write.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".upload-XXXXXX"

struct transfer {
    struct api *api;
    struct exchange *x;
    // Copies: the configuration may be read again while the body comes.
    char *name, *path, *temporary;
    struct upload upload;
    int fd;
    uint64_t received;
    bool answered;
    struct pool_task task;
    int status; // of the worker's step
    struct error why;
};

static void transfer_free(struct transfer *t) {
    if (t->fd >= 0) (void)close(t->fd);
    if (t->temporary) (void)unlink(t->temporary);
    free(t->name);
    free(t->path);
    free(t->temporary);
    free(t);
}

// Ends a transfer that was answered, or whose client is gone.
static void end(struct transfer *t) {
    struct exchange *x = t->x;
    exchange_set_events(x, NULL, NULL);
    transfer_free(t);
    exchange_release(x);
}

static void fail(struct transfer *t, int status, const char *step, const char *text,
                 const char *why) {
    metric_inc(t->api->counters[status < 500 ? UPLOAD_REFUSED : UPLOAD_FAILED]);
    api_event(t->api, "file upload error (failed to %s): %s = %s - error: %s", step, t->name,
              t->path, why);
    api_respond_error(t->x, status, "%s", text);
    end(t);
}

static void succeed(struct transfer *t) {
    char size[24];
    metric_inc(t->api->counters[UPLOAD_STORED]);
    (void)snprintf(size, sizeof size, "%llu", (unsigned long long)t->received);
    api_event(t->api, "file upload success: %s = %s - content: %s bytes", t->name, t->path, size);
    struct buf body;
    struct json_writer w;
    buf_init(&body, 0);
    json_writer_init(&w, &body, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    json_add_str(&w, "file", t->path);
    json_add_str(&w, "message", "File uploaded successfully");
    json_add_str(&w, "size_bytes", size);
    json_end(&w);
    buf_append_byte(&body, '\n');
    api_respond_json(t->x, 200, &body);
    buf_free(&body);
    end(t);
}

static void submit(struct transfer *t, void (*run)(void *context), void (*done)(void *context)) {
    t->task = (struct pool_task){.run = run, .done = done, .context = t, .home = &t->api->mailbox};
    if (!api_submit(t->api, &t->task)) {
        fail(t, 503, "write", "Failed to write content to file", "too much work waits");
    }
}

// Last step, on a worker: into place, durably.
static void rename_run(void *context) {
    struct transfer *t = context;
    t->status = 0;
    if (rename(t->temporary, t->path) != 0) {
        t->status = error_set_os(&t->why, ERR_IO, errno, "cannot replace %s", t->path);
        return;
    }
    free(t->temporary);
    t->temporary = NULL;
    t->status = file_sync_folder(t->path, &t->why);
}

static void rename_done(void *context) {
    struct transfer *t = context;
    if (t->status == 0) {
        succeed(t);
    } else {
        fail(t, 500, "write", "Failed to write content to file", t->why.text);
    }
}

static void validated(void *context, const struct command_result *result) {
    struct transfer *t = context;
    if (result->state == RUN_SUCCEEDED) {
        submit(t, rename_run, rename_done);
        return;
    }
    char text[400];
    (void)snprintf(text, sizeof text, "Validator refused the file: %s%s%.*s", result->error,
                   result->err.n ? ": " : "", (int)(result->err.n < 200 ? result->err.n : 200),
                   (const char *)result->err.p);
    fail(t, 422, "validate", text, text);
}

// First step after the last byte, on a worker.
static void sync_run(void *context) {
    struct transfer *t = context;
    t->status = 0;
    if ((t->upload.set_owner && fchown(t->fd, t->upload.uid, t->upload.gid) != 0) ||
        fchmod(t->fd, t->upload.mode) != 0 || fsync(t->fd) != 0) {
        t->status = error_set_os(&t->why, ERR_IO, errno, "cannot write %s", t->temporary);
    }
}

static void sync_done(void *context) {
    struct transfer *t = context;
    if (t->status != 0) {
        fail(t, 500, "write", "Failed to write content to file", t->why.text);
        return;
    }
    if (!t->upload.has_validator) {
        submit(t, rename_run, rename_done);
        return;
    }
    if (command_validate(t->api->runner, t->name, t->temporary, validated, t, &t->why) != 0) {
        fail(t, 503, "validate", "Failed to validate the file", t->why.text);
    }
}

static void body_part(struct exchange *x, void *context, struct bytes in, bool last) {
    (void)x;
    struct transfer *t = context;
    t->received += in.n;
    if (t->received > t->upload.bytes_max) {
        char text[96];
        (void)snprintf(text, sizeof text, "The file is larger than %llu bytes",
                       (unsigned long long)t->upload.bytes_max);
        fail(t, 413, "read", text, text);
        return;
    }
    struct error why;
    if (file_write_all(t->fd, in, &why) != 0) {
        fail(t, 500, "write", "Failed to write content to file", why.text);
        return;
    }
    if (last) {
        t->answered =
            true; // from here on the file is whole: it goes in place even if the client leaves
        submit(t, sync_run, sync_done);
    }
}

static void client_gone(struct exchange *x, void *context) {
    (void)x;
    struct transfer *t = context;
    if (t->answered) return;
    metric_inc(t->api->counters[UPLOAD_FAILED]);
    api_event(t->api, "file upload error (failed to read): %s = %s - error: the client is gone",
              t->name, t->path);
    end(t);
}

static const struct exchange_events transfer_events = {.body = body_part, .gone = client_gone};

// Removes what uploads to one place left when the process was killed.
static void clean(const char *path) {
    char pattern[PATH_MAX];
    glob_t found;
    // A name that is a pattern itself is left alone.
    if (strpbrk(path, "*?[\\") ||
        snprintf(pattern, sizeof pattern, "%s.upload-??????", path) >= (int)sizeof pattern ||
        glob(pattern, GLOB_NOSORT, NULL, &found) != 0) {
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        (void)unlink(found.gl_pathv[i]);
    }
    globfree(&found);
}

void api_uploads_clean(const struct settings *s) {
    for (size_t i = 0; i < s->upload_count; i++) {
        clean(s->uploads[i].path);
    }
}

static struct transfer *transfer_new(struct api *a, struct exchange *x, const struct upload *u) {
    struct transfer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    *t = (struct transfer){.api = a, .x = x, .upload = *u, .fd = -1};
    t->name = strdup(u->name);
    t->path = strdup(u->path);
    if (t->name && t->path) return t;
    transfer_free(t);
    return NULL;
}

// Opens the temporary file. errors  ERR_NO_MEMORY, ERR_IO.
static int open_temporary(struct transfer *t, struct error *why) {
    size_t size = strlen(t->path) + sizeof SUFFIX;
    char *path = malloc(size);
    if (!path) return error_set(why, ERR_NO_MEMORY, "no memory for a path");
    (void)snprintf(path, size, "%s" SUFFIX, t->path);
    t->fd = mkostemp(path, O_CLOEXEC);
    if (t->fd < 0) {
        int os = errno;
        free(path);
        return error_set_os(why, ERR_IO, os, "cannot make a file beside %s", t->path);
    }
    t->temporary = path;
    return 0;
}

// The caller is let in: where the body goes.
static void begin(struct api *a, struct exchange *x, void *context) {
    const struct endpoint *e = context;
    if (!api_endpoint_takes(e, x)) return;
    const struct upload *u = settings_upload(&a->settings, exchange_param(x, "name"));
    if (!u) {
        api_respond_error(x, 400, "Specified file upload not configured");
        return;
    }
    struct transfer *t = transfer_new(a, x, u);
    if (!t) {
        api_respond_error(x, 503, "No memory");
        return;
    }
    exchange_hold(x);
    exchange_set_events(x, &transfer_events, t);
    api_event(a, "file upload: %s = %s", t->name, t->path);
    struct error why;
    if (open_temporary(t, &why) != 0) {
        fail(t, 500, "write", "Failed to write content to file", why.text);
        return;
    }
    int64_t length;
    if (!exchange_has_body(x, &length)) {
        body_part(x, t, (struct bytes){NULL, 0}, true);
    } else {
        exchange_resume(x);
    }
}

// Of a caller who is not let in, or not yet.
static void unwanted_part(struct exchange *x, void *context, struct bytes in, bool last) {
    (void)x;
    (void)context;
    (void)in;
    (void)last;
}

void api_upload(struct exchange *x, void *context) {
    static const struct exchange_events drop = {.body = unwanted_part};
    struct endpoint *e = context;
    exchange_set_events(x, &drop, NULL);
    exchange_pause(x);
    api_authorize(e->api, x, begin, e);
}
