/* SPDX-License-Identifier: MIT */
#include "net/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 256 /* answers kept; a full table forgets the oldest */

/* One question on its way: made by the loop, answered by the thread, taken back by the loop. */
struct resolver_job {
    struct resolver *resolver;
    struct loop *loop;
    struct resolver_query *query; /* NULL: cancelled. Loop's thread only. */
    char host[RESOLVER_NAME_MAX + 1];
    unsigned port;
    struct socket_address address[RESOLVER_ADDRESSES_MAX];
    size_t count;
    struct error why;
    struct resolver_job *next;
};

struct row {
    char host[RESOLVER_NAME_MAX + 1];
    struct socket_address address[RESOLVER_ADDRESSES_MAX];
    size_t count;
    struct error why;
    uint64_t until_ns;
};

struct resolver {
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;
    struct resolver_job *first, **last;
    bool stop;
    uint64_t keep_ns;
    struct row *rows;
    size_t row_at;
};

int resolver_lookup(struct socket_address *ret, size_t *ret_count, const char *host, unsigned port,
                    struct error *why) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);
    if (r != 0) {
        enum err code = r == EAI_NONAME || r == EAI_NODATA ? ERR_NOT_FOUND : ERR_IO;
        return error_set(why, code, "cannot resolve \"%s\": %s", host, gai_strerror(r));
    }
    size_t n = 0;
    for (struct addrinfo *a = list; a && n < RESOLVER_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof ret[n].local) continue;
        memset(&ret[n], 0, sizeof ret[n]);
        memcpy(&ret[n].any, a->ai_addr, a->ai_addrlen);
        ret[n].n = a->ai_addrlen;
        if (a->ai_family == AF_INET)
            ret[n].v4.sin_port = htons((uint16_t)port);
        else
            ret[n].v6.sin6_port = htons((uint16_t)port);
        n++;
    }
    freeaddrinfo(list);
    *ret_count = n;
    return n ? 0 : error_set(why, ERR_NOT_FOUND, "\"%s\" has no address", host);
}

static struct row *find(struct resolver *r, const char *host, uint64_t now) {
    for (size_t i = 0; r->rows && i < ROWS; i++) {
        if (r->rows[i].until_ns > now && strcmp(r->rows[i].host, host) == 0) return &r->rows[i];
    }
    return NULL;
}

static void set_ports(struct resolver_job *job) {
    for (size_t i = 0; i < job->count; i++) {
        if (job->address[i].any.sa_family == AF_INET) {
            job->address[i].v4.sin_port = htons((uint16_t)job->port);
        } else {
            job->address[i].v6.sin6_port = htons((uint16_t)job->port);
        }
    }
}

static void answer(struct resolver *r, struct resolver_job *job) {
    uint64_t now = clock_monotonic_ns(&clock_system);
    pthread_mutex_lock(&r->lock);
    struct row *row = find(r, job->host, now);
    if (row) {
        memcpy(job->address, row->address, sizeof job->address);
        job->count = row->count;
        job->why = row->why;
    }
    pthread_mutex_unlock(&r->lock);
    if (row) {
        set_ports(job);
        return;
    }
    if (resolver_lookup(job->address, &job->count, job->host, job->port, &job->why) < 0) {
        job->count = 0;
    }
    pthread_mutex_lock(&r->lock);
    if (r->rows && r->keep_ns) {
        row = &r->rows[r->row_at++ % ROWS];
        memcpy(row->host, job->host, sizeof row->host);
        memcpy(row->address, job->address, sizeof row->address);
        row->count = job->count;
        row->why = job->why;
        row->until_ns = now + (job->count ? r->keep_ns : r->keep_ns / 10);
    }
    pthread_mutex_unlock(&r->lock);
}

static void deliver(void *arg) {
    struct resolver_job *job = arg;
    struct resolver_query *q = job->query;
    if (q) {
        q->job = NULL;
        q->done(q, job->address, job->count, &job->why);
    }
    free(job);
}

static void *work(void *arg) {
    struct resolver *r = arg;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->first && !r->stop)
            pthread_cond_wait(&r->more, &r->lock);
        if (r->stop) break;
        struct resolver_job *job = r->first;
        r->first = job->next;
        if (!r->first) r->last = &r->first;
        pthread_mutex_unlock(&r->lock);
        answer(r, job);
        // A full loop frees places as it turns; this thread has nothing better to do than wait.
        while (loop_post(job->loop, deliver, job) == ERR_BUSY) {
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
        }
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

int resolver_new(struct resolver **ret, uint64_t keep_ns, struct error *why) {
    struct resolver *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for a resolver");
    r->keep_ns = keep_ns;
    r->last = &r->first;
    r->rows = calloc(ROWS, sizeof *r->rows);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    if (pthread_create(&r->thread, NULL, work, r) != 0) {
        pthread_mutex_destroy(&r->lock);
        pthread_cond_destroy(&r->more);
        free(r->rows);
        free(r);
        return error_set(why, ERR_NO_MEMORY, "no thread for a resolver");
    }
    *ret = r;
    return 0;
}

void resolver_free(struct resolver *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    while (r->first) {
        struct resolver_job *job = r->first;
        r->first = job->next;
        free(job);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->more);
    free(r->rows);
    free(r);
}

int resolver_ask(struct resolver *r, struct resolver_query *q, const char *host, unsigned port,
                 struct error *why) {
    if (strlen(host) > RESOLVER_NAME_MAX) {
        return error_set(why, ERR_RANGE, "host name is longer than %d", RESOLVER_NAME_MAX);
    }
    struct resolver_job *job = calloc(1, sizeof *job);
    if (!job) return error_set(why, ERR_NO_MEMORY, "no memory for a question");
    job->resolver = r;
    job->loop = q->loop;
    job->query = q;
    job->port = port;
    memcpy(job->host, host, strlen(host) + 1);
    q->job = job;
    pthread_mutex_lock(&r->lock);
    *r->last = job;
    r->last = &job->next;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

void resolver_cancel(struct resolver_query *q) {
    if (q->job) q->job->query = NULL;
    q->job = NULL;
}
