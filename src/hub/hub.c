/* State of the hub and what runs beside the requests.
 * SPDX-License-Identifier: MIT */
#include "hub/hub.h"

#include "base/clock.h"
#include "base/random.h"
#include "hub/hub_internal.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_ROWS 5000    /* a transaction */
#define PRUNE_PORTIONS 200 /* an hour: the rest waits for the next */

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

/* ---- rules that can change ---- */

static int copy_texts(const char ***ret, struct arena *a, const struct config_list *list) {
    const char **items = arena_new_array(a, const char *, list->count + 1);
    if (!items) return ERR_NO_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        items[i] = arena_str(a, bytes_from_str(list->items[i]));
        if (!items[i]) return ERR_NO_MEMORY;
    }
    *ret = items;
    return 0;
}

static void rules_free(struct hub_rules *r) {
    if (!r) return;
    arena_free(&r->memory);
    free(r);
}

static int rules_new(struct hub_rules **ret, bool compat, const struct hub_switches *s,
                     struct error *why) {
    struct hub_rules *r = calloc(1, sizeof *r);
    const char **required = NULL;
    int code = r ? 0 : ERR_NO_MEMORY;
    if (r) arena_init(&r->memory, 0);
    struct config_list *firmware = r ? arena_new(&r->memory, struct config_list) : NULL;
    if (r && !firmware) code = ERR_NO_MEMORY;
    if (code == 0) code = copy_texts(&required, &r->memory, &s->required);
    if (code == 0) code = copy_texts(&firmware->items, &r->memory, &s->firmware);
    if (code != 0) {
        rules_free(r);
        return error_set(why, ERR_NO_MEMORY, "no memory for settings");
    }
    firmware->count = s->firmware.count;
    r->rules = (struct model_rules){compat, s->required.count ? required : NULL, firmware};
    *ret = r;
    return 0;
}

int hub_set_switches(struct hub *h, const struct hub_switches *s, struct error *why) {
    struct hub_rules *fresh = NULL, *old;
    int r = rules_new(&fresh, h->options.compat, s, why);
    if (r != 0) return r;
    (void)pthread_mutex_lock(&h->write_lock);
    old = h->rules;
    h->rules = fresh;
    (void)pthread_mutex_unlock(&h->write_lock);
    rules_free(old);
    atomic_store(&h->allow_empty, s->allow_empty_measurements);
    atomic_store(&h->public_only, s->public_only_nodes);
    atomic_store(&h->serve_stale, s->serve_stale);
    return 0;
}

int hub_open(struct hub **ret, const struct hub_options *o, struct error *why) {
    *ret = NULL;
    struct hub *h = calloc(1, sizeof *h);
    if (!h) return error_set(why, ERR_NO_MEMORY, "no memory for the hub");
    h->options = *o;
    (void)pthread_rwlock_init(&h->lock, NULL);
    (void)pthread_mutex_init(&h->write_lock, NULL);
    (void)pthread_mutex_init(&h->account_lock, NULL);
    random_bytes(h->remember_key, sizeof h->remember_key);
    model_init(&h->model, &(struct model_rules){.compat = o->compat});
    open_metrics(h);
    int r = hub_events_open(h, why);
    if (r == 0) r = hub_set_switches(h, &o->switches, why);
    if (r == 0) r = hub_reload(h, (struct bytes){NULL, 0}, why);
    if (r == 0) h->accounts = o->accounts;
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
    if (!h) return;
    hub_events_close(h);
    admins_free(h->accounts);
    rules_free(h->rules);
    model_free(&h->model);
    secrets_close(h->options.secrets);
    store_close(h->options.store);
    (void)pthread_rwlock_destroy(&h->lock);
    (void)pthread_mutex_destroy(&h->write_lock);
    (void)pthread_mutex_destroy(&h->account_lock);
    bytes_wipe(h->remember_key, sizeof h->remember_key);
    free(h);
}

int hub_set_vault_token(struct hub *h, const struct secret *token, struct error *why) {
    return secrets_set_token(h->options.secrets, secret_view(token), why);
}

bool hub_set_ready(struct hub *h, bool ready) {
    return atomic_exchange(&h->ready, ready) != ready;
}

bool hub_is_ready(const struct hub *h) {
    return atomic_load(&h->ready);
}

static void tell_unreadable(const struct hub *h) {
    for (size_t i = 0; i < h->model.measurement_count; i++) {
        const struct model_measurement *m = &h->model.measurements[i];
        if (m->active && m->unreadable)
            log_warn(h->options.log, "measurement_unreadable", F_BYTES("measurement", m->name));
    }
}

// Rows are read without the model's lock: a slow database keeps nobody from reading memory.
// With the writers' lock held, so that older rows never come after newer ones.
static int load(struct hub *h, struct bytes what, struct error *why) {
    struct model_rows *rows;
    const struct model_rules *rules = &h->rules->rules;
    int r = model_read(&rows, rules, h->options.store, what, why);
    if (r != 0) return r;
    (void)pthread_rwlock_wrlock(&h->lock);
    r = model_take(&h->model, rules, rows, why);
    (void)pthread_rwlock_unlock(&h->lock);
    if (!what.n) tell_unreadable(h); // the allow-list was among them; only writers change it
    model_rows_free(rows);
    return r;
}

// After a change documents are read anew; what is in memory is good only while that fails.
static void age_secrets(struct hub *h, struct bytes what) {
    if (what.p && what.n == 0) return; // of the allow-list
    (void)pthread_rwlock_wrlock(&h->lock);
    model_age_secrets(&h->model, what);
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
    int r = load(h, what, why);
    if (r == 0) age_secrets(h, what);
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
    if (r == 0) age_secrets(h, what);
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

// Old rows

static int prune_some(struct hub *h, struct bytes before, bool credentials, uint64_t *removed,
                      struct error *why) {
    struct arena a;
    struct store_batch b;
    const struct bytes none = {NULL, 0};
    arena_init(&a, 0);
    batch_init(&b, &a, none, none);
    if (credentials) {
        batch_prune_credentials(&b, before, PRUNE_ROWS);
    } else {
        batch_prune(&b, before, PRUNE_ROWS);
    }
    int r = store_commit(h->options.store, &b, removed, why);
    arena_free(&a);
    return r;
}

static int prune(struct hub *h, uint64_t before_wall_ns, bool credentials, struct error *why) {
    char text[CLOCK_TEXT_MAX];
    uint64_t removed = PRUNE_ROWS, sum = 0;
    int r = 0;
    if (before_wall_ns == 0) return 0;
    struct bytes before = bytes_make(text, clock_format(text, before_wall_ns, 3));
    for (unsigned i = 0; r == 0 && removed == PRUNE_ROWS && i < PRUNE_PORTIONS; i++) {
        r = prune_some(h, before, credentials, &removed, why);
        if (r == 0) sum += removed;
    }
    if (sum) {
        log_info(h->options.log, credentials ? "credentials_pruned" : "events_pruned",
                 F_U64("count", sum));
    }
    return r;
}

int hub_prune(struct hub *h, uint64_t events_before_ns, uint64_t credentials_before_ns,
              struct error *why) {
    int r = prune(h, events_before_ns, false, why);
    return r == 0 ? prune(h, credentials_before_ns, true, why) : r;
}

// Secrets of builders that went

struct removal {
    struct hub *hub;
    struct bytes builder;
};

struct removals {
    struct arena arena;
    struct bytes *name;
    size_t count, capacity;
};

static int take_removal(void *context, struct bytes name, struct error *why) {
    struct removals *list = context;
    if (list->count == list->capacity) {
        size_t more = 2 * list->capacity + 8;
        struct bytes *grown = arena_new_array(&list->arena, struct bytes, more);
        if (!grown) return error_set(why, ERR_NO_MEMORY, "no memory for names");
        if (list->count) memcpy(grown, list->name, list->count * sizeof *grown);
        list->name = grown;
        list->capacity = more;
    }
    struct bytes kept = arena_copy(&list->arena, name);
    if (!kept.p) return error_set(why, ERR_NO_MEMORY, "no memory for a name");
    list->name[list->count++] = kept;
    return 0;
}

static int remove_now(void *context, struct error *why) {
    const struct removal *r = context;
    return secrets_delete(r->hub->options.secrets, r->builder, why);
}

// Within the transaction that says it is done: killed before its end, it is done again.
static int remove_one(struct hub *h, struct arena *a, struct bytes builder, struct error *why) {
    struct removal removal = {h, builder};
    struct store_batch b;
    const struct bytes none = {NULL, 0};
    batch_init(&b, a, none, none);
    batch_removal_done(&b, builder);
    b.before_commit = remove_now;
    b.context = &removal;
    int r = store_commit(h->options.store, &b, NULL, why);
    return r == ERR_NOT_FOUND ? 0 : r; // another hub was first
}

int hub_remove_secrets(struct hub *h, struct bytes builder, struct error *why) {
    struct removals list = {.count = 0};
    if (!secrets_apart(h->options.secrets)) return 0;
    arena_init(&list.arena, 0);
    int r = store_removals(h->options.store, builder, take_removal, &list, why);
    for (size_t i = 0; r == 0 && i < list.count; i++)
        r = remove_one(h, &list.arena, list.name[i], why);
    arena_free(&list.arena);
    return r;
}

void hub_removed(struct hub *h, struct bytes builder) {
    struct error why;
    if (hub_remove_secrets(h, builder, &why) == 0) return;
    log_error(h->options.log, "secrets_not_removed", F_BYTES("builder", builder), F_ERR(&why));
}

bool hub_name_is_free(struct hub_call *c, struct bytes name) {
    struct error why;
    int r = hub_remove_secrets(c->hub, name, &why);
    if (r != 0) hub_failure(c, r, &why);
    return r == 0;
}
