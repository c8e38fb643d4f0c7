/* SPDX-License-Identifier: MIT */
#include "builder/block_source.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/client.h"
#include "net/tls.h"
#include "net/url.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FETCH_NS (10 * NS_PER_S)
#define RETRY_NS (30 * NS_PER_S)

struct block_source {
    struct block_source_options o;
    bool remote;
    char origin[512], copy[PATH_MAX]; // copy: empty for none
    struct bytes target;
    struct tls *tls;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; // guards what follows
    pthread_cond_t woken;
    struct block_list *fresh; // NULL: taken
    uint64_t fresh_ns;
    bool asked, ending;
};

/* What came becomes the newest list, when it is good. */
static int accept_list(struct block_source *s, struct bytes text, uint64_t at_ns,
                       struct error *why) {
    struct block_list *list;
    int r = block_list_parse(&list, text, why);
    if (r != 0) return r;
    size_t count = block_list_count(list);
    if (s->o.required && count == 0) {
        block_list_release(list);
        return error_set(why, ERR_INVALID, "the block list is empty");
    }
    (void)pthread_mutex_lock(&s->lock);
    struct block_list *old = s->fresh;
    s->fresh = list;
    s->fresh_ns = at_ns;
    (void)pthread_mutex_unlock(&s->lock);
    block_list_release(old);
    log_info(s->o.log, "block_list", F_U64("addresses", count));
    return 0;
}

static int read_file(struct block_source *s, const char *path, struct error *why) {
    struct stat st = {.st_size = 0};
    struct buf text;
    buf_init(&text, BLOCK_SOURCE_BYTES_MAX);
    int r = file_read(&text, path, why);
    // The time is asked for after the content: a change in between makes the list seem younger
    // until the reload that the change brings.
    if (r == 0 && stat(path, &st) != 0) r = error_set(why, ERR_IO, "its time is not known");
    if (r == 0) {
        uint64_t at_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
        r = accept_list(s, buf_view(&text), at_ns, why);
    }
    buf_free(&text);
    return r == 0 ? 0 : error_wrap(why, "blocklist %s", path);
}

/* The thread of a URL. */

static int fetch(struct block_source *s, struct error *why) {
    const struct client_options server = {
        .url = s->origin, .tls = s->tls, .protocol = CLIENT_HTTP1, .connections = 1};
    const struct http_request q = {.method = HTTP_GET, .path = s->target};
    struct client_answer answer;
    struct arena a;
    arena_init(&a, 2 * BLOCK_SOURCE_BYTES_MAX);
    int r = client_ask(&answer, &a, &server, &q, (struct bytes){0}, BLOCK_SOURCE_BYTES_MAX,
                       FETCH_NS, why);
    if (r == 0 && answer.status != 200) r = error_set(why, ERR_IO, "status %u", answer.status);
    if (r == 0) r = accept_list(s, answer.body, clock_wall_ns(&clock_system), why);
    if (r == 0 && s->copy[0]) {
        struct error kept;
        if (file_write_atomic(s->copy, answer.body, NULL, &kept) != 0) {
            log_warn(s->o.log, "block_list_not_kept", F_ERR(&kept));
        }
    }
    arena_free(&a);
    return r;
}

static void pause_ns(struct block_source *s, uint64_t ns) {
    uint64_t until = clock_monotonic_ns(&clock_system) + ns;
    const struct timespec at = {.tv_sec = (time_t)(until / NS_PER_S),
                                .tv_nsec = (long)(until % NS_PER_S)};
    int r = 0;
    (void)pthread_mutex_lock(&s->lock);
    while (r == 0 && !s->asked && !s->ending) {
        r = pthread_cond_timedwait(&s->woken, &s->lock, &at);
    }
    s->asked = false;
    (void)pthread_mutex_unlock(&s->lock);
}

static bool is_ending(struct block_source *s) {
    (void)pthread_mutex_lock(&s->lock);
    bool ending = s->ending;
    (void)pthread_mutex_unlock(&s->lock);
    return ending;
}

static void *run(void *arg) {
    struct block_source *s = arg;
    while (!is_ending(s)) {
        struct error why;
        uint64_t pause = s->o.refresh_ns;
        if (fetch(s, &why) != 0) {
            log_warn(s->o.log, "block_list_failed", F_STR("url", s->o.from), F_ERR(&why));
            if (pause > RETRY_NS) pause = RETRY_NS;
        }
        pause_ns(s, pause);
    }
    return NULL;
}

static void wake(struct block_source *s, bool *what) {
    (void)pthread_mutex_lock(&s->lock);
    *what = true;
    (void)pthread_cond_signal(&s->woken);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Life. */

static int read_url(struct block_source *s, struct error *why) {
    struct url u;
    int r = url_parse(&u, bytes_from_str(s->o.from), why);
    if (r == 0 && u.scheme != URL_HTTP && u.scheme != URL_HTTPS) {
        r = error_set(why, ERR_UNSUPPORTED, "neither http, https nor the path of a file");
    }
    s->target = u.target;
    if (r == 0) r = url_origin(s->origin, sizeof s->origin, &u, why);
    if (r == 0 && u.tls) r = tls_new_roots(&s->tls, NULL, why);
    return r == 0 ? 0 : error_wrap(why, "blocklist %s", s->o.from);
}

static int open_remote(struct block_source *s, struct error *why) {
    struct stat st;
    int r = read_url(s, why);
    if (r != 0) return r;
    if (s->o.folder && *s->o.folder) {
        int n = snprintf(s->copy, sizeof s->copy, "%s/blocklist", s->o.folder);
        if (n < 0 || (size_t)n >= sizeof s->copy) return error_set(why, ERR_LIMIT, "too long");
    }
    struct error kept;
    if (s->copy[0] && stat(s->copy, &st) == 0 && read_file(s, s->copy, &kept) != 0) {
        log_warn(s->o.log, "block_list_failed", F_STR("url", s->copy), F_ERR(&kept));
    }
    int failed = pthread_create(&s->thread, NULL, run, s);
    if (failed) return error_set_os(why, ERR_IO, failed, "thread");
    s->started = true;
    return 0;
}

int block_source_new(struct block_source **ret, const struct block_source_options *options,
                     struct error *why) {
    struct block_source *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a block list");
    s->o = *options;
    (void)pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->woken, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    s->remote = strstr(s->o.from, "://") != NULL;
    int r = s->remote ? open_remote(s, why) : read_file(s, s->o.from, why);
    if (r == 0) {
        *ret = s;
    } else {
        block_source_free(s);
    }
    return r;
}

void block_source_free(struct block_source *s) {
    if (!s) return;
    if (s->started) {
        wake(s, &s->ending);
        (void)pthread_join(s->thread, NULL);
    }
    block_list_release(s->fresh);
    tls_free(s->tls);
    (void)pthread_cond_destroy(&s->woken);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

int block_source_reload(struct block_source *s, struct error *why) {
    if (!s->remote) return read_file(s, s->o.from, why);
    wake(s, &s->asked);
    return 0;
}

struct block_list *block_source_take(struct block_source *s, uint64_t *ret_ns) {
    (void)pthread_mutex_lock(&s->lock);
    struct block_list *list = s->fresh;
    if (list) *ret_ns = s->fresh_ns;
    s->fresh = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return list;
}
