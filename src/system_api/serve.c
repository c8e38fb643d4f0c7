/* Start, reload and end of the System API.
 * SPDX-License-Identifier: MIT */
#include "system_api/system_api.h"

#include "base/confine.h"
#include "base/random.h"
#include "base/signals.h"
#include "system_api/api.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAIN_NS (10 * NS_PER_S)

// Sandbox

static int restrict_self(struct api *a, struct error *why) {
    const struct settings_values *v = &a->settings.values;
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    const char *const made[] = {v->pipe_file, v->events_path, v->secret_path,
                                v->tls_enabled ? v->tls_cert_path : NULL,
                                v->tls_enabled ? v->tls_key_path : NULL};
    struct confine c;
    confine_init(&c);
    (void)confine_allow_folder_of(&c, config_file(a->settings.config), SANDBOX_READ);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        (void)confine_allow_folder_of(&c, made[i], both);
    }
    struct config_list secrets = config_secret_files(a->settings.config);
    for (size_t i = 0; i < secrets.count; i++) {
        (void)confine_allow_folder_of(&c, secrets.items[i], SANDBOX_READ);
    }
    // A folder that is not there yet (a disk that is not mounted) is left out, and uploads to it
    // fail until the next start.
    for (size_t i = 0; i < a->settings.upload_count; i++) {
        const char *file = a->settings.uploads[i].path;
        if (!confine_allow_folder_of(&c, file, both)) {
            log_warn(a->log, "upload_folder_missing", F_STR("file", file));
        }
    }
    (void)confine_allow(&c, "/dev/null", both);
    (void)confine_allow(&c, "/proc/self", SANDBOX_READ); // metrics of the process
    // Owners of uploads, OpenSSL's settings, the zone: what a reload reads.
    static const char *const system[] = {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
                                         "/etc/ssl/openssl.cnf", "/etc/localtime"};
    for (size_t i = 0; i < sizeof system / sizeof system[0]; i++) {
        (void)confine_allow(&c, system[i], SANDBOX_READ);
    }
    return confine_enter(&c, v->process.sandbox, a->log, why);
}

// Folders of the files that this program makes exist after the first start.
static int make_folder(const char *file, struct error *why) {
    char path[4096];
    if (!file || strlen(file) >= sizeof path) return 0;
    memcpy(path, file, strlen(file) + 1);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            return error_set_os(why, ERR_IO, errno, "cannot make the folder %s", path);
        }
        *slash = '/';
    }
    return 0;
}

static int make_folders(const struct settings_values *v, struct error *why) {
    const char *const files[] = {v->pipe_file, v->events_path, v->secret_path, v->tls_cert_path,
                                 v->tls_key_path};
    int r = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && r == 0; i++) {
        r = make_folder(files[i], why);
    }
    return r;
}

// Start, in the deployed program's order: password, FIFO, certificate, server

// Reads the stored hash; where none is stored, the configuration's first password becomes it.
static int read_password(struct password_hash *ret, const struct api *a, struct error *why) {
    const struct settings_values *v = &a->settings.values;
    struct password_hash hash;
    int r = password_read(&hash, v->secret_path, why);
    if (r == 0 && !password_is_set(&hash) && v->first_password.n) {
        r = password_derive(&hash, secret_view(&v->first_password), why);
        if (r == 0) r = password_write(v->secret_path, &hash, why);
        if (r == 0) log_info(a->log, "first_password_set");
    } else if (r == 0 && !password_is_set(&hash)) {
        log_warn(a->log, "no_password",
                 F_STR("text", "everybody who reaches the port may set the first password"));
    }
    if (r == 0) *ret = hash;
    return r;
}

static int start_password(struct api *a, struct error *why) {
    const char *path = a->settings.values.secret_path;
    random_bytes(&a->remember_key, sizeof a->remember_key);
    int r = password_gate_new(&a->gate, why);
    if (r != 0 || !path) return r;
    a->secret_path = strdup(path);
    if (!a->secret_path) return error_set(why, ERR_NO_MEMORY, "no memory for a path");
    return read_password(&a->hash, a, why);
}

static void drain_mailbox(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct api, mailbox_watch)->mailbox);
}

static int start_worker(struct api *a, struct error *why) {
    int r = pool_start(&a->pool, 1, 16, why);
    if (r == 0) r = pool_mailbox_open(&a->mailbox, why);
    a->mailbox_watch = (struct loop_fd){a->mailbox.fd, LOOP_READ, drain_mailbox};
    return r == 0 ? loop_fd_add(a->loop, &a->mailbox_watch, why) : r;
}

static void refuse(struct exchange *x, int status, const char *text) {
    api_respond_error(x, status, "%s", text);
}

static int start_server(struct api *a, struct error *why) {
    const struct settings_values *v = &a->settings.values;
    struct server_listener listener = {.tls = a->tls};
    struct socket_address bound;
    int r = api_routes(a, why);
    const struct server_options options = {
        .routes = a->routes,
        .route_count = a->route_count,
        .limits = {.connections = 1000,
                   .connections_per_client = 100,
                   .body_ns = v->http_read_timeout_ns,
                   .whole_body_ns = v->http_read_timeout_ns,
                   .write_ns = v->http_write_timeout_ns},
        .log = a->log,
        .metrics = a->metrics,
        .name = "system-api",
        .fallback = api_unknown,
        .fallback_context = a,
        .refuse = refuse,
        .access_log = true,
    };
    if (r == 0) r = server_new(&a->server, a->loop, &options, why);
    if (r == 0) {
        r = socket_address_parse(&listener.address, bytes_from_str(v->listen_addr), 0, why);
    }
    if (r == 0) r = server_listen(a->server, &bound, &listener, why);
    if (r != 0) return r;
    char address[SOCKET_TEXT_MAX];
    (void)socket_address_text(address, &bound);
    log_info(a->log, "listening", F_STR("address", address), F_BOOL("tls", a->tls != NULL));
    return 0;
}

static void runner_died(void *context) {
    struct api *a = context;
    log_error(a->log, "runner_died");
    a->exit_status = 1;
    loop_stop(a->loop);
}

// An operator needs the API most when the disk is full: events stay in memory until it has room.
static void write_events(struct api *a) {
    struct error why;
    if (events_rewrite(a->events, &why) == 0) return;
    log_error(a->log, "event_not_kept", F_ERR(&why));
    api_event(a, "the event log cannot be written: %s", why.text);
}

static int start(struct api *a, struct error *why) {
    const struct settings_values *v = &a->settings.values;
    int r = make_folders(v, why);
    if (r == 0) r = command_start(&a->runner, &a->settings, a->log, why);
    if (r == 0) r = sandbox_change_user(v->process.user, why);
    if (r == 0) r = loop_new(&a->loop, &(struct loop_options){0}, why);
    if (r == 0) r = metrics_new(&a->metrics, NULL, why);
    if (r == 0) metrics_add_process(a->metrics);
    if (r == 0) api_counters_open(a);
    if (r == 0) {
        r = events_open(&a->events, a->settings.events_kept, v->events_path, &clock_system, why);
    }
    if (r == 0) write_events(a);
    if (r == 0) api_uploads_clean(&a->settings);
    if (r == 0) r = start_password(a, why);
    if (r == 0 && v->pipe_file && *v->pipe_file) r = fifo_open(&a->fifo, a, v->pipe_file, why);
    if (r == 0 && v->tls_enabled) {
        r = api_certificate_prepare(&a->settings, a->log, why);
        if (r == 0) r = api_certificate_load(a, false, why);
    }
    if (r == 0) r = start_server(a, why);
    if (r == 0) r = command_attach(a->runner, a->loop, runner_died, a, why);
    return r;
}

// Reload

static void runner_reloaded(void *context, const struct command_result *result) {
    struct api *a = context;
    if (result->state == RUN_SUCCEEDED) return;
    log_error(a->log, "runner_kept_old_configuration", F_STR("error", result->error));
}

static void take_settings(struct api *a, struct settings *fresh) {
    settings_free(&a->settings);
    settings_move(&a->settings, fresh);
    common_log_set(a->log, &a->settings.values.log);
    events_resize(a->events, a->settings.events_kept);
}

static void reload(void *arg, int signo) {
    (void)signo;
    struct api *a = arg;
    struct settings fresh;
    struct error why;
    struct buf changes;
    buf_init(&changes, 64u << 10);
    (void)notify_reloading(NULL);
    int r = settings_reload(&fresh, &a->settings, &changes, &why);
    if (r == 0) r = command_reload(a->runner, runner_reloaded, a, &why);
    if (r == 0) {
        take_settings(a, &fresh);
        log_info(a->log, "configuration_reloaded", F_BYTES("changes", buf_view(&changes)));
        api_event(a, "configuration reloaded");
    } else {
        log_error(a->log, "configuration_refused", F_ERR(&why));
        api_event(a, "configuration refused, the old one goes on: %s", why.text);
    }
    if (a->tls) {
        r = api_certificate_load(a, true, &why);
        if (r != 0) log_error(a->log, "certificate_refused", F_ERR(&why));
    }
    // A password file that was replaced by hand counts from now on.
    struct password_hash hash;
    if (a->settings.values.secret_path) {
        r = read_password(&hash, a, &why);
        if (r == 0 && strcmp(hash.text, a->hash.text) != 0) {
            a->hash = hash;
            a->remembered_set = false;
        }
        if (r != 0) log_error(a->log, "password_file_refused", F_ERR(&why));
    }
    (void)notify_send("READY=1", NULL);
    buf_free(&changes);
}

// End

static void drained(void *context) {
    struct api *a = context;
    loop_stop(a->loop);
}

static void terminate(void *arg, int signo) {
    struct api *a = arg;
    if (server_is_draining(a->server)) {
        loop_stop(a->loop); // asked twice
        return;
    }
    log_info(a->log, "stopping", F_STR("signal", strsignal(signo)));
    (void)notify_send("STOPPING=1", NULL);
    a->ready = false;
    api_followers_end(a);
    server_drain(a->server, DRAIN_NS, drained, a);
}

static void stop(struct api *a) {
    if (a->events && a->loop) api_followers_end(a);
    fifo_close(a->fifo);
    // Work that was given away holds exchanges: it comes back before their server goes.
    pool_stop(a->pool);
    a->pool = NULL;
    if (a->loop && a->mailbox_watch.ready) loop_fd_remove(a->loop, &a->mailbox_watch);
    if (a->mailbox_watch.ready) {
        (void)pool_mailbox_drain(&a->mailbox);
        pool_mailbox_close(&a->mailbox);
    }
    command_stop(a->runner);
    server_free(a->server);
    api_runs_free(a);
    if (a->loop) loop_timer_clear(a->loop, &a->certificate_timer);
    tls_free(a->tls);
    loop_free(a->loop);
    events_close(a->events);
    password_gate_free(a->gate);
    free(a->secret_path);
    metrics_free(a->metrics);
    free(a->routes);
    free(a->endpoints);
    settings_free(&a->settings);
    log_close(a->log);
}

int system_api_serve(struct settings *settings) {
    struct api a = {.settings = *settings, .exit_status = 0};
    struct error why;
    list_init(&a.runs);
    list_init(&a.followers);
    if (common_log_open(&a.log, &a.settings.values.log, "system-api", &why) != 0) return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    int r = start(&a, &why);
    if (r == 0) r = loop_signal(a.loop, SIGTERM, terminate, &a, &why);
    if (r == 0) r = loop_signal(a.loop, SIGINT, terminate, &a, &why);
    if (r == 0) r = loop_signal(a.loop, SIGHUP, reload, &a, &why);
    if (r == 0) r = start_worker(&a, &why); // its thread inherits the blocked signals
    if (r == 0) r = restrict_self(&a, &why);
    if (r == 0) {
        if (a.tls) api_certificate_watch(&a);
        a.ready = true;
        (void)notify_send("READY=1", NULL);
        r = loop_run(a.loop, &why);
    }
    if (r != 0) {
        log_error(a.log, "failed", F_ERR(&why));
        a.exit_status = 1;
    }
    int status = a.exit_status;
    stop(&a);
    return status;
}
