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
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".upload-XXXXXX"

struct transfer {
    struct api *api;
    struct exchange *x;
    const struct endpoint *endpoint;
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
    api_event(t->api, "file upload error (failed to %s): %s = %s - error: %s", step, t->name,
              t->path, why);
    api_respond_error(t->x, status, "%s", text);
    end(t);
}

static void succeed(struct transfer *t) {
    char size[24];
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
    if (!pool_submit(t->api->pool, &t->task)) {
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
    api_event(t->api, "file upload error (failed to read): %s = %s - error: the client is gone",
              t->name, t->path);
    end(t);
}

static const struct exchange_events transfer_events = {.body = body_part, .gone = client_gone};

// The caller is let in: where the body goes.
static void begin(struct api *a, struct exchange *x, void *context) {
    struct transfer *t = context;
    struct bytes method = exchange_request(x)->method_text;
    if (!bytes_equal_str(method, t->endpoint->method)) {
        (void)exchange_add_header(x, "Allow", bytes_from_str(t->endpoint->method));
        exchange_respond(x, 405, (struct bytes){NULL, 0});
        end(t);
        return;
    }
    const struct upload *u = settings_upload(&a->settings, exchange_param(x, "name"));
    if (!u) {
        api_respond_error(x, 400, "Specified file upload not configured");
        end(t);
        return;
    }
    t->upload = *u;
    t->name = strdup(u->name);
    t->path = strdup(u->path);
    t->temporary = malloc(strlen(u->path) + sizeof SUFFIX);
    if (!t->name || !t->path || !t->temporary) {
        api_respond_error(x, 503, "No memory");
        end(t);
        return;
    }
    api_event(a, "file upload: %s = %s", t->name, t->path);
    (void)sprintf(t->temporary, "%s" SUFFIX, u->path);
    t->fd = mkostemp(t->temporary, O_CLOEXEC);
    if (t->fd < 0) {
        free(t->temporary);
        t->temporary = NULL;
        fail(t, 500, "write", "Failed to write content to file", strerror(errno));
        return;
    }
    int64_t length;
    if (!exchange_has_body(x, &length)) {
        body_part(x, t, (struct bytes){NULL, 0}, true);
    } else {
        exchange_resume(x);
    }
}

// Refused before the body was wanted.
static void unwanted_part(struct exchange *x, void *context, struct bytes in, bool last) {
    (void)x;
    (void)context;
    (void)in;
    (void)last;
}

void api_upload(struct exchange *x, void *context) {
    const struct endpoint *e = context;
    struct transfer *t = calloc(1, sizeof *t);
    if (!t) {
        static const struct exchange_events drop = {.body = unwanted_part};
        exchange_set_events(x, &drop, NULL);
        api_respond_error(x, 503, "No memory");
        return;
    }
    *t = (struct transfer){.api = e->api, .x = x, .endpoint = e, .fd = -1};
    exchange_hold(x);
    exchange_set_events(x, &transfer_events, t);
    exchange_pause(x);
    api_authorize(e->api, x, begin, t);
}
