/* What happens, in order and then on change. SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "base/file.h"
#include "boot/values.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAST_GOOD "configuration.json"
#define CERTIFICATE_BYTES_MAX (256u << 10)

static void tell(struct boot *b) {
    if (b->changed) b->changed(b);
}

static struct boot *of(struct hub_watcher *w) {
    return LIST_ENTRY(w, struct boot, watcher);
}

// The enabled file

static void set_enabled(struct boot *b, bool enabled) {
    struct error why;
    if (b->enabled_known && b->enabled == enabled) return;
    b->enabled_known = true;
    b->enabled = enabled;
    report_say(b->report, enabled ? "node enabled" : "node disabled by the hub");
    if (b->s->enabled_file && *b->s->enabled_file) {
        int r = 0;
        if (enabled) {
            r = file_write_atomic(b->s->enabled_file, BYTES_LIT("enabled\n"),
                                  &(struct file_write_options){.mode = 0644}, &why);
        } else if (unlink(b->s->enabled_file) < 0 && errno != ENOENT) {
            r = error_set_os(&why, ERR_IO, errno, "%s", b->s->enabled_file);
        }
        if (r < 0) log_error(b->log, "enabled_file_failed", F_ERR(&why));
    }
    tell(b);
}

// Configuration

static int last_good_path(char ret[PATH_MAX], const struct boot *b, struct error *why) {
    int n = snprintf(ret, PATH_MAX, "%s/" LAST_GOOD, b->s->state_dir);
    return n < PATH_MAX ? 0 : error_set(why, ERR_LIMIT, "%s: name too long", b->s->state_dir);
}

static void keep_last_good(struct boot *b, struct bytes document) {
    char path[PATH_MAX];
    struct error why;
    if (!b->s->state_dir || !*b->s->state_dir) return;
    int r = last_good_path(path, b, &why);
    if (r == 0) r = file_write_atomic(path, document, NULL, &why);
    if (r < 0) log_error(b->log, "last_good_not_kept", F_ERR(&why));
}

static void on_stored(void *context, const char *name) {
    struct boot *b = context;
    report_say(b->report, "rendered %s", name);
}

static void on_unknown(void *context, struct bytes key) {
    struct boot *b = context;
    log_warn(b->log, "unknown_variable", F_BYTES("key", key));
}

static int take_name(struct boot *b, const struct json *root, struct error *why) {
    struct bytes name = bytes_from_str(b->s->instance_name);
    if (name.n == 0) {
        int r = json_get_string(&name, root, "instance_name", why);
        if (r < 0) return r;
    }
    return hub_builder_name(b->name, name, why);
}

// Checks a document and, when it is right, replaces the services' files.
static int apply(struct boot *b, struct bytes document, struct error *why) {
    struct values values;
    report_begin(b->report, STAGE_CONFIGURATION);
    int r = values_read(&values, document, why);
    if (r < 0) {
        report_fail(b->report, STAGE_CONFIGURATION, why);
        return r;
    }
    r = schema_check(&b->render.schema, values.root, on_unknown, b, why);
    if (r == 0) r = take_name(b, values.root, why);
    if (r < 0) {
        report_fail(b->report, STAGE_CONFIGURATION, why);
    } else {
        report_done(b->report, STAGE_CONFIGURATION);
        report_begin(b->report, STAGE_RENDER);
        r = render_make(&b->render, values.root, why);
        if (r == 0) r = render_store(&b->render, b->s->target, on_stored, b, why);
        if (r < 0) report_fail(b->report, STAGE_RENDER, why);
        if (r == 0) report_done(b->report, STAGE_RENDER);
    }
    values_free(&values);
    if (r == 0) {
        b->rendered = true;
        b->renders++;
    }
    tell(b);
    return r;
}

static void look_for_own_name(struct boot *b) {
    const struct hub_peers *peers = hub_client_peers(b->hub);
    struct error why;
    if (!*b->name || !b->listed || hub_client_state(b->hub) != HUB_OK) return;
    if (hub_peers_find(peers, bytes_from_str(b->name))) {
        report_done(b->report, STAGE_PEERS);
        set_enabled(b, true);
        return;
    }
    (void)error_set(&why, ERR_NOT_FOUND, "the hub's list of %zu builders lacks %s", peers->count,
                    b->name);
    report_fail(b->report, STAGE_PEERS, &why);
    if (peers->count) set_enabled(b, false);
}

static void on_configuration(struct hub_watcher *w, struct bytes document) {
    struct boot *b = of(w);
    struct error why;
    loop_timer_clear(b->loop, &b->last_good_timer);
    if (apply(b, document, &why) == 0) {
        keep_last_good(b, document);
        report_begin(b->report, STAGE_PEERS);
        look_for_own_name(b);
    }
}

// The hub is away, and this node ran before: it starts with what was last good.
static void on_last_good(struct loop_timer *t) {
    struct boot *b = LIST_ENTRY(t, struct boot, last_good_timer);
    char path[PATH_MAX];
    struct error why;
    struct buf document;
    if (b->rendered || hub_client_state(b->hub) == HUB_REFUSED) return;
    buf_init(&document, HUB_CONFIGURATION_BYTES_MAX);
    int r = last_good_path(path, b, &why);
    if (r == 0) r = file_read(&document, path, &why);
    if (r == 0) {
        report_say(b->report, "the hub is away: starting with the last good configuration");
        r = apply(b, buf_view(&document), &why);
    }
    if (r < 0) log_warn(b->log, "last_good_unusable", F_ERR(&why));
    bytes_wipe(document.p, document.capacity);
    buf_free(&document);
}

// Hub

static void on_peers(struct hub_watcher *w, const struct hub_peers *now) {
    (void)now;
    of(w)->listed = true;
    look_for_own_name(of(w));
    tell(of(w));
}

static void on_state(struct hub_watcher *w, enum hub_state state, const struct error *why) {
    struct boot *b = of(w);
    if (state == HUB_OK) {
        report_done(b->report, STAGE_HUB);
        look_for_own_name(b);
    } else {
        report_fail(b->report, STAGE_HUB, why);
    }
    if (state == HUB_REFUSED) set_enabled(b, false);
    tell(b);
}

static void on_enrolled(struct hub_watcher *w, const char *service) {
    (void)service;
    report_done(of(w)->report, STAGE_CREDENTIALS);
    tell(of(w));
}

static int enrol_certificate(struct boot *b, struct error *why) {
    struct buf pem;
    if (!b->s->certificate || !*b->s->certificate) {
        report_done(b->report, STAGE_CREDENTIALS); // other services register themselves
        return 0;
    }
    report_begin(b->report, STAGE_CREDENTIALS);
    buf_init(&pem, CERTIFICATE_BYTES_MAX);
    int r = file_read(&pem, b->s->certificate, why);
    const struct hub_registration registration = {.service = HUB_SERVICE_INSTANCE,
                                                  .tls_cert = buf_view(&pem),
                                                  .region = bytes_from_str(b->s->region)};
    if (r == 0) r = hub_client_enrol(b->hub, &registration, why);
    buf_free(&pem);
    return r < 0 ? error_wrap(why, "certificate") : 0;
}

static int open_hub(struct boot *b, struct error *why) {
    struct hub_source *source;
    const struct hub_http_options http = {.transport = {.url = b->s->hub_url},
                                          .list = HUB_LIST_NODE};
    const struct hub_client_options client = {.log = b->log,
                                              .metrics = b->metrics,
                                              .peers_every_ns = b->s->poll_peers_ns,
                                              .configuration_every_ns =
                                                  b->s->poll_configuration_ns};
    int r = hub_source_http(&source, b->loop, &http, why);
    if (r == 0) r = hub_client_new(&b->hub, b->loop, source, &client, why);
    if (r < 0) return error_wrap(why, "hub");
    b->watcher = (struct hub_watcher){on_peers, on_configuration, on_state, on_enrolled, {0}};
    hub_client_watch(b->hub, &b->watcher);
    return 0;
}

int boot_open(struct boot *b, struct error *why) {
    const struct report_options report = {b->loop, b->log, b->metrics, b->s->events_fifo};
    int r = report_new(&b->report, &report, why);
    if (r == 0) r = render_open(&b->render, b->s->templates, why);
    if (r == 0 && b->s->state_dir && *b->s->state_dir && mkdir(b->s->state_dir, 0700) < 0 &&
        errno != EEXIST) {
        r = error_set_os(why, ERR_IO, errno, "%s", b->s->state_dir);
    }
    if (r == 0) r = open_hub(b, why);
    if (r == 0) report_begin(b->report, STAGE_HUB);
    if (r == 0) r = enrol_certificate(b, why);
    b->last_good_timer.fire = on_last_good;
    if (r == 0 && b->s->use_last_good) {
        r = loop_timer_set(b->loop, &b->last_good_timer,
                           loop_now_ns(b->loop) + b->s->last_good_after_ns, why);
    }
    if (r < 0) boot_close(b);
    return r;
}

void boot_close(struct boot *b) {
    loop_timer_clear(b->loop, &b->last_good_timer);
    hub_client_free(b->hub);
    render_close(&b->render);
    report_free(b->report);
    b->hub = NULL;
    b->report = NULL;
}

int boot_reload(struct boot *b, struct error *why) {
    struct render fresh;
    int r = render_open(&fresh, b->s->templates, why);
    if (r < 0) return r;
    render_close(&b->render);
    b->render = fresh;
    r = enrol_certificate(b, why);
    hub_client_refresh(b->hub);
    return r;
}

int boot_ready(const struct boot *b, struct error *why) {
    if (!report_ready(b->report, why)) return ERR_BUSY;
    return b->enabled ? 0 : error_set(why, ERR_UNTRUSTED, "the hub has disabled this node");
}

void boot_write_status(const struct boot *b, struct buf *out) {
    struct json_writer w;
    struct error why = {0};
    bool ready = boot_ready(b, &why) == 0;
    json_writer_init(&w, out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    json_add_str(&w, "name", *b->name ? b->name : NULL);
    json_add_bool(&w, "ready", ready);
    json_add_str(&w, "reason", ready ? NULL : why.text);
    json_add_bool(&w, "enabled", b->enabled);
    json_add_str(&w, "hub", hub_state_name(hub_client_state(b->hub)));
    json_add_u64(&w, "peers", hub_client_peers(b->hub)->count);
    json_add_u64(&w, "renders", b->renders);
    report_write(b->report, &w);
    json_end(&w);
    buf_append_byte(out, '\n');
}
