/* State of the hub and what runs beside the requests.
 * SPDX-License-Identifier: MIT */
#include "hub/hub.h"

#include "base/clock.h"
#include "base/random.h"
#include "hub/hub_internal.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_A_COMMIT 512

static const struct metric_desc refused_desc = {
    .name = "hub_nodes_refused_total",
    .type = METRIC_COUNTER,
    .help = "Requests of nodes that were answered 403.",
    .labels = "reason",
};

static void open_metrics(struct hub *h) {
    static const char *const reasons[] = {"headers", "measurement", "address", "proxy"};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        h->refused[i] =
            metrics_get(h->options.metrics, &refused_desc, (const char *[]){reasons[i]});
    }
}

int hub_open(struct hub **ret, const struct hub_options *o, struct error *why) {
    *ret = NULL;
    struct hub *h = calloc(1, sizeof *h);
    if (!h) return error_set(why, ERR_NO_MEMORY, "no memory for the hub");
    h->options = *o;
    (void)pthread_rwlock_init(&h->lock, NULL);
    (void)pthread_mutex_init(&h->write_lock, NULL);
    (void)pthread_mutex_init(&h->event_lock, NULL);
    (void)pthread_mutex_init(&h->remember_lock, NULL);
    random_bytes(h->remember_key, sizeof h->remember_key);
    model_init(&h->model, o->compat, o->required);
    open_metrics(h);
    h->events = calloc(HUB_EVENTS_MAX, sizeof *h->events);
    int r = h->events ? hub_reload(h, (struct bytes){NULL, 0}, why)
                      : error_set(why, ERR_NO_MEMORY, "no memory for events");
    if (r != 0) {
        h->options.store = NULL; // the caller's still
        h->options.secrets = NULL;
        hub_close(h);
        return r;
    }
    atomic_store(&h->ready, true);
    *ret = h;
    return 0;
}

void hub_close(struct hub *h) {
    struct error why;
    if (!h) return;
    if (h->options.store && hub_flush_events(h, &why) != 0) {
        log_error(h->options.log, "events_lost", F_U64("count", h->event_count), F_ERR(&why));
    }
    for (size_t i = 0; h->events && i < h->event_count; i++) {
        free(h->events[i].builder);
        free(h->events[i].measurement);
    }
    free(h->events);
    model_free(&h->model);
    secrets_close(h->options.secrets);
    store_close(h->options.store);
    (void)pthread_rwlock_destroy(&h->lock);
    (void)pthread_mutex_destroy(&h->write_lock);
    (void)pthread_mutex_destroy(&h->event_lock);
    (void)pthread_mutex_destroy(&h->remember_lock);
    bytes_wipe(h->remember_key, sizeof h->remember_key);
    free(h);
}

bool hub_set_ready(struct hub *h, bool ready) {
    return atomic_exchange(&h->ready, ready) != ready;
}

bool hub_is_ready(const struct hub *h) {
    return atomic_load(&h->ready);
}

// Loading happens under the writer's lock; other hubs' changes are rare.
static int load(struct hub *h, struct bytes what, struct error *why) {
    (void)pthread_rwlock_wrlock(&h->lock);
    int r = 0;
    if (!what.p || what.n == 0) r = model_load_measurements(&h->model, h->options.store, why);
    if (r == 0 && !what.p) r = model_load_builders(&h->model, h->options.store, why);
    if (r == 0 && what.n) r = model_load_builder(&h->model, h->options.store, what, why);
    (void)pthread_rwlock_unlock(&h->lock);
    return r;
}

static void forget_secrets(struct hub *h, struct bytes what) {
    (void)pthread_rwlock_wrlock(&h->lock);
    if (what.n) {
        struct model_builder *b = model_builder(&h->model, what);
        if (b) model_set_secret(b, (struct bytes){NULL, 0});
    }
    for (size_t i = 0; !what.p && i < h->model.count; i++) {
        model_set_secret(h->model.sorted[i], (struct bytes){NULL, 0});
    }
    (void)pthread_rwlock_unlock(&h->lock);
}

int hub_reload(struct hub *h, struct bytes payload, struct error *why) {
    struct bytes what = {NULL, 0};
    if (payload.p) {
        const char *origin = store_origin(h->options.store);
        struct bytes own = bytes_from_str(origin);
        if (bytes_starts_with(payload, own)) return 0;
        what = bytes_slice(payload, own.n + 1, payload.n);
        if (!what.p) what.p = payload.p;
    }
    (void)pthread_mutex_lock(&h->write_lock);
    int r = store_ping(h->options.store, why); // no waiting for it under the model's lock
    if (r == 0) r = load(h, what, why);
    if (r == 0) forget_secrets(h, what);
    (void)pthread_mutex_unlock(&h->write_lock);
    return r;
}

static int commit_and_load(struct hub *h, struct store_batch *b, struct bytes what,
                           struct error *why) {
    struct error load_why;
    (void)pthread_mutex_lock(&h->write_lock);
    int r = store_commit(h->options.store, b, NULL, why);
    if (r == 0 && load(h, what, &load_why) != 0) {
        // Committed, and to be answered so; the next reload brings memory up to date.
        log_error(h->options.log, "reload_failed", F_ERR(&load_why));
    }
    if (r == 0) forget_secrets(h, what);
    (void)pthread_mutex_unlock(&h->write_lock);
    return r;
}

int hub_change(struct hub *h, struct store_batch *b, struct bytes builder, struct error *why) {
    batch_notify(b, h->options.store, builder);
    return commit_and_load(h, b, builder.n ? builder : BYTES_LIT(""), why);
}

int hub_change_all(struct hub *h, struct store_batch *b, struct error *why) {
    return commit_and_load(h, b, (struct bytes){NULL, 0}, why);
}

// Events

static int store_some(struct hub *h, const struct hub_event *e, size_t n, struct error *why) {
    struct arena a;
    struct store_batch b;
    const struct bytes none = {NULL, 0};
    arena_init(&a, 0);
    batch_init(&b, &a, none, none);
    for (size_t i = 0; i < n; i++) {
        batch_event(&b, BYTES_LIT("GetConfig"), bytes_from_str(e[i].builder),
                    bytes_from_str(e[i].measurement));
    }
    int r = store_commit(h->options.store, &b, NULL, why);
    arena_free(&a);
    return r;
}

static size_t take_events(struct hub *h, struct hub_event *ret, size_t most) {
    (void)pthread_mutex_lock(&h->event_lock);
    size_t n = h->event_count < most ? h->event_count : most;
    memcpy(ret, h->events, n * sizeof *ret);
    memmove(h->events, h->events + n, (h->event_count - n) * sizeof *h->events);
    h->event_count -= n;
    (void)pthread_mutex_unlock(&h->event_lock);
    return n;
}

// What could not be stored goes back in front, as far as there is room.
static void give_back(struct hub *h, struct hub_event *e, size_t n) {
    (void)pthread_mutex_lock(&h->event_lock);
    size_t room = HUB_EVENTS_MAX - h->event_count;
    size_t keep = n < room ? n : room;
    memmove(h->events + keep, h->events, h->event_count * sizeof *h->events);
    memcpy(h->events, e + (n - keep), keep * sizeof *e);
    h->event_count += keep;
    (void)pthread_mutex_unlock(&h->event_lock);
    for (size_t i = 0; i < n - keep; i++) {
        free(e[i].builder);
        free(e[i].measurement);
    }
}

int hub_flush_events(struct hub *h, struct error *why) {
    struct hub_event some[EVENTS_A_COMMIT];
    size_t n;
    while ((n = take_events(h, some, EVENTS_A_COMMIT)) > 0) {
        int r = store_some(h, some, n, why);
        atomic_store(&h->events_failing, r != 0);
        if (r != 0) {
            give_back(h, some, n);
            return r;
        }
        for (size_t i = 0; i < n; i++) {
            free(some[i].builder);
            free(some[i].measurement);
        }
    }
    return 0;
}

int hub_prune(struct hub *h, uint64_t before_wall_ns, struct error *why) {
    struct arena a;
    struct store_batch b;
    char text[CLOCK_TEXT_MAX];
    const struct bytes none = {NULL, 0};
    arena_init(&a, 0);
    batch_init(&b, &a, none, none);
    batch_prune(&b, bytes_make(text, clock_format(text, before_wall_ns, 3)));
    uint64_t removed = 0;
    int r = store_commit(h->options.store, &b, &removed, why);
    if (r == 0 && removed) log_info(h->options.log, "events_pruned", F_U64("count", removed));
    arena_free(&a);
    return r;
}
