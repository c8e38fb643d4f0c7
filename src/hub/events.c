/* Events: rows of what nodes read, which wait in memory and are stored together.
 * SPDX-License-Identifier: MIT */
#include "hub/hub_internal.h"

#include <stdlib.h>
#include <string.h>

#define A_COMMIT 512

int hub_events_open(struct hub *h, struct error *why) {
    struct hub_events *e = &h->events;
    (void)pthread_mutex_init(&e->lock, NULL);
    e->ring = calloc(HUB_EVENTS_MAX, sizeof *e->ring);
    return e->ring ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for events");
}

static struct hub_event *at(struct hub_events *e, size_t i) {
    return &e->ring[(e->first + i) % HUB_EVENTS_MAX];
}

void hub_events_close(struct hub *h) {
    struct hub_events *e = &h->events;
    struct error why;
    if (!e->ring) return;
    if (h->options.store && hub_flush_events(h, &why) != 0) {
        log_error(h->options.log, "events_lost", F_U64("count", e->count), F_ERR(&why));
    }
    for (size_t i = 0; i < e->count; i++) {
        free(at(e, i)->builder);
    }
    free(e->ring);
    (void)pthread_mutex_destroy(&e->lock);
}

bool hub_events_crowded(const struct hub *h) {
    return !atomic_load(&h->events.failing) &&
           atomic_load_explicit(&h->events.count, memory_order_relaxed) >= HUB_EVENTS_CROWDED;
}

bool hub_event_note(struct hub *h, const char *builder, struct bytes measurement) {
    struct hub_events *e = &h->events;
    size_t n = strlen(builder) + 1;
    char *names = malloc(n + measurement.n + 1);
    bool kept = false;
    if (!names) return false;
    memcpy(names, builder, n);
    if (measurement.n) memcpy(names + n, measurement.p, measurement.n);
    names[n + measurement.n] = 0;
    (void)pthread_mutex_lock(&e->lock);
    if (e->count < HUB_EVENTS_MAX) {
        *at(e, e->count++) = (struct hub_event){names, names + n};
        kept = true;
    }
    (void)pthread_mutex_unlock(&e->lock);
    if (!kept) free(names);
    return kept;
}

static size_t take(struct hub_events *e, struct hub_event *ret, size_t most) {
    (void)pthread_mutex_lock(&e->lock);
    size_t n = e->count < most ? e->count : most;
    for (size_t i = 0; i < n; i++) {
        ret[i] = *at(e, i);
    }
    e->first = (e->first + n) % HUB_EVENTS_MAX;
    e->count -= n;
    (void)pthread_mutex_unlock(&e->lock);
    return n;
}

// What could not be stored goes back in front, the newest of it as far as there is room.
static void give_back(struct hub_events *e, const struct hub_event *some, size_t n) {
    (void)pthread_mutex_lock(&e->lock);
    while (n > 0 && e->count < HUB_EVENTS_MAX) {
        e->first = (e->first + HUB_EVENTS_MAX - 1) % HUB_EVENTS_MAX;
        e->ring[e->first] = some[--n];
        e->count++;
    }
    (void)pthread_mutex_unlock(&e->lock);
    while (n > 0) {
        free(some[--n].builder);
    }
}

static int commit(struct hub *h, const struct hub_event *some, size_t n, struct error *why) {
    struct arena a;
    struct store_batch b;
    const struct bytes none = {NULL, 0};
    arena_init(&a, 0);
    batch_init(&b, &a, none, none);
    b.gives_way = true;
    for (size_t i = 0; i < n; i++) {
        batch_event(&b, BYTES_LIT("GetConfig"), bytes_from_str(some[i].builder),
                    bytes_from_str(some[i].measurement));
    }
    int r = store_commit(h->options.store, &b, NULL, why);
    arena_free(&a);
    return r;
}

// ret_stored: less than A_COMMIT were all that waited.
static int store_portion(struct hub *h, size_t *ret_stored, struct error *why) {
    struct hub_event some[A_COMMIT];
    size_t n = *ret_stored = take(&h->events, some, A_COMMIT);
    if (n == 0) return 0;
    int r = commit(h, some, n, why);
    atomic_store(&h->events.failing, r != 0);
    if (r != 0) {
        give_back(&h->events, some, n);
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        free(some[i].builder);
    }
    return 0;
}

void hub_events_store_some(struct hub *h) {
    struct error why;
    size_t n;
    if (store_portion(h, &n, &why) != 0) {
        log_error(h->options.log, "events_not_stored", F_ERR(&why));
    }
}

// Those that waited when it was called: what comes while it commits waits for others, lest each few
// have a commit of their own.
int hub_flush_events(struct hub *h, struct error *why) {
    size_t n = A_COMMIT;
    int r = 0;
    while (r == 0 && n == A_COMMIT) {
        r = store_portion(h, &n, why);
    }
    return r;
}
