/* SIGHUP. Everything new is read and checked on a worker, where waiting for a file or for a change
 * that is being committed delays no request; only then does anything take effect.
 * SPDX-License-Identifier: MIT */
#include "hub/service.h"

#include "base/signals.h"

#include <stdlib.h>

#define CHANGES_BYTES_MAX (64u << 10)

struct reload {
    struct service *service;
    struct pool_task task;
    struct service_settings *settings;
    struct service_proxies proxies;
    struct admins *accounts;
    struct attested_door_fresh *attested;
    struct buf changes;
    struct error why;
    int code;
    bool again; /* another SIGHUP came meanwhile */
};

static void settings_free(struct service_settings *s) {
    if (!s) return;
    config_free(s->config); // wipes secrets in the values
    free(s);
}

static void reload_free(struct reload *r) {
    if (!r) return;
    settings_free(r->settings);
    admins_free(r->accounts);
    attested_door_drop(r->attested);
    buf_free(&r->changes);
    free(r);
}

// Reads and checks; nothing of it is in force yet.
static int read_all(struct reload *r, struct hub_switches *ret) {
    struct service *s = r->service;
    struct hub_values *v = &r->settings->values;
    int code = config_reload(&r->settings->config, s->config, v, &r->changes, &r->why);
    if (code == 0) code = hub_read_switches(ret, v, &r->why);
    if (code == 0) code = hub_read_accounts(&r->accounts, v, &r->why);
    if (code == 0) code = serving_read_proxies(&r->proxies, v, &r->why);
    bool wants_tls = v->admin_certificate && *v->admin_certificate;
    if (code == 0 && wants_tls != (s->admin_tls != NULL)) {
        code = error_set(&r->why, ERR_INVALID,
                         "whether the admin listener has TLS cannot change while running");
    }
    struct tls *trial = NULL;
    if (code == 0) code = serving_admin_tls(&trial, v, &r->why);
    tls_free(trial);
    if (code == 0 && s->attested) {
        code = attested_door_prepare(&r->attested, s->attested, v, &r->why);
    }
    return code;
}

static void run(void *context) {
    struct reload *r = context;
    struct service *s = r->service;
    struct hub_switches switches;
    int code = read_all(r, &switches);
    if (code == 0) code = serving_admin_tls(&s->admin_tls, &r->settings->values, &r->why);
    if (code == 0) code = hub_set_vault_token(s->hub, &r->settings->values.vault_token, &r->why);
    if (code == 0) code = hub_set_switches(s->hub, &switches, &r->why);
    if (code == 0) {
        hub_set_accounts(s->hub, r->accounts);
        r->accounts = NULL;
    }
    r->code = code;
}

static void take(struct service *s, struct reload *r) {
    const struct hub_values *v = &r->settings->values;
    struct service_settings *old = s->reloaded;
    s->proxies = r->proxies;
    attested_door_take(s->attested, r->attested);
    r->attested = NULL;
    s->chores[CHORE_REFRESH].every_ns = v->refresh_ns;
    atomic_store(&s->keep_events_ns, v->keep_events_ns);
    atomic_store(&s->keep_credentials_ns, v->keep_credentials_ns);
    retention_trust(&s->retention, &clock_system);
    common_log_set(s->log, &v->log);
    s->values = v;
    s->config = r->settings->config;
    s->reloaded = r->settings;
    r->settings = NULL;
    settings_free(old);
    log_info(s->log, "configuration_reloaded", F_BYTES("changes", buf_view(&r->changes)));
    serving_hurry(s, CHORE_REFRESH); // who is listed, which images match
}

static void done(void *context) {
    struct reload *r = context;
    struct service *s = r->service;
    bool again = r->again;
    s->reload = NULL;
    if (r->code == 0) {
        take(s, r);
    } else {
        log_error(s->log, "reload_refused", F_ERR(&r->why));
    }
    reload_free(r);
    (void)notify_send("READY=1", NULL);
    if (again && !atomic_load(&s->stopping)) serving_reload(s, 0);
}

void serving_reload(void *context, int signo) {
    struct service *s = context;
    (void)signo;
    if (s->draining) return;
    if (s->reload) {
        s->reload->again = true;
        return;
    }
    struct reload *r = calloc(1, sizeof *r);
    if (r) {
        r->service = s;
        r->settings = calloc(1, sizeof *r->settings);
        buf_init(&r->changes, CHANGES_BYTES_MAX);
        r->task = (struct pool_task){.run = run, .done = done, .context = r, .home = &s->mailbox};
    }
    if (!r || !r->settings || !pool_submit(s->pool, &r->task)) {
        log_error(s->log, "reload_refused", F_STR("text", "no memory, or too much to do"));
        reload_free(r);
        return;
    }
    s->reload = r;
    (void)notify_reloading(NULL);
}

void serving_reload_free(struct service *s) {
    reload_free(s->reload);
    settings_free(s->reloaded);
    s->reload = NULL;
    s->reloaded = NULL;
}
