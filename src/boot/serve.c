/* The program around the boot: listener, signals, verbs. SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "base/file.h"
#include "boot/values.h"
#include "net/service.h"

#include <stdio.h>
#include <string.h>

struct serving {
    struct boot boot;
    struct service *service;
    struct server *server;
    struct loop_timer deadline;
    int status;
};

static struct serving *of(struct boot *b) {
    return LIST_ENTRY(b, struct serving, boot);
}

static void show_status(struct exchange *x, void *context) {
    struct serving *v = context;
    struct buf out;
    buf_init(&out, 1u << 20);
    boot_write_status(&v->boot, &out);
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static int ready(void *context, struct error *why) {
    return boot_ready(&((struct serving *)context)->boot, why);
}

static int reload(void *context, struct error *why) {
    return boot_reload(&((struct serving *)context)->boot, why);
}

static void changed(struct boot *b) {
    struct error why;
    struct serving *v = of(b);
    if (!b->s->once || boot_ready(b, &why) < 0) return;
    v->status = 0;
    service_stop(v->service);
}

static void too_late(struct loop_timer *t) {
    struct serving *v = LIST_ENTRY(t, struct serving, deadline);
    struct error why;
    if (boot_ready(&v->boot, &why) == 0) return;
    log_error(v->boot.log, "boot_not_ready", F_ERR(&why));
    v->status = error_class_of(ERR_TIMEOUT)->exit_status;
    service_stop(v->service);
}

static int open_server(struct serving *v, struct error *why) {
    static struct route routes[SERVICE_ROUTES + 1];
    const char *address = v->boot.s->listen_addr;
    struct server_listener listener = {.http2 = false};
    struct server_options o = {.routes = routes,
                               .route_count = SERVICE_ROUTES + 1,
                               .log = v->boot.log,
                               .metrics = v->boot.metrics,
                               .name = "boot"};
    if (!address || !*address) return 0;
    memcpy(routes, service_routes(v->service), SERVICE_ROUTES * sizeof routes[0]);
    routes[SERVICE_ROUTES] =
        (struct route){.methods = "GET", .path = "/status", .handle = show_status, .context = v};
    int r = server_new(&v->server, v->boot.loop, &o, why);
    if (r == 0) r = socket_address_parse(&listener.address, bytes_from_str(address), 0, why);
    if (r == 0) r = server_listen(v->server, NULL, &listener, why);
    if (r == 0) r = service_add_server(v->service, v->server, why);
    return r;
}

static int start(struct serving *v, struct error *why) {
    struct boot *b = &v->boot;
    const struct service_options o = {.name = "boot",
                                      .log = b->log,
                                      .metrics = b->metrics,
                                      .ready = ready,
                                      .reload = reload,
                                      .context = v};
    int r = service_new(&v->service, b->loop, &o, why);
    if (r == 0) r = open_server(v, why);
    b->changed = changed;
    if (r == 0) r = boot_open(b, why);
    v->deadline.fire = too_late;
    if (r == 0 && b->s->deadline_ns) {
        r = loop_timer_set(b->loop, &v->deadline, loop_now_ns(b->loop) + b->s->deadline_ns, why);
    }
    return r;
}

int boot_serve(const struct boot_settings *s) {
    struct serving v = {.boot = {.s = s}};
    struct error why;
    int r = common_log_open(&v.boot.log, &s->log, "boot", &why);
    if (r == 0) r = loop_new(&v.boot.loop, NULL, &why);
    if (r == 0) r = metrics_new(&v.boot.metrics, NULL, &why);
    if (r == 0) metrics_add_process(v.boot.metrics);
    if (r == 0) r = start(&v, &why);
    if (r == 0) {
        r = service_run(v.service, &why);
        loop_timer_clear(v.boot.loop, &v.deadline);
        boot_close(&v.boot);
    }
    if (r < 0) {
        log_error(v.boot.log, "failed", F_ERR(&why));
        v.status = error_class_of(r)->exit_status;
    }
    server_free(v.server);
    service_free(v.service);
    metrics_free(v.boot.metrics);
    loop_free(v.boot.loop);
    log_close(v.boot.log);
    return v.status;
}

static int complain(int code, const struct error *why) {
    (void)fprintf(stderr, "buildernet boot: %s\n", why->text);
    return error_class_of(code)->exit_status;
}

int boot_check(const struct boot_settings *s) {
    struct render render;
    struct error why;
    int r = render_open(&render, s->templates, &why);
    if (r < 0) return complain(r, &why);
    for (size_t i = 0; i < render.count; i++) {
        (void)printf("%s\n", render_name(&render, i));
    }
    (void)printf("%zu templates, %zu variables\n", render.count, render.schema.count);
    render_close(&render);
    return 0;
}

static void say_unknown(void *context, struct bytes key) {
    (void)context;
    (void)fprintf(stderr, "buildernet boot: the schema does not list %.*s\n", (int)key.n,
                  (const char *)key.p);
}

static void say_stored(void *context, const char *name) {
    (void)context;
    (void)printf("%s\n", name);
}

int boot_render(const struct boot_settings *s, const char *document) {
    struct render render;
    struct values values = {.root = NULL};
    struct error why;
    struct buf text;
    buf_init(&text, VALUES_BYTES_MAX);
    int r = render_open(&render, s->templates, &why);
    if (r < 0) return complain(r, &why);
    r = file_read(&text, document, &why);
    if (r == 0) r = values_read(&values, buf_view(&text), &why);
    if (r == 0) r = schema_check(&render.schema, values.root, say_unknown, NULL, &why);
    if (r == 0) r = render_make(&render, values.root, &why);
    if (r == 0) r = render_store(&render, s->target, say_stored, NULL, &why);
    if (values.root) values_free(&values);
    render_close(&render);
    bytes_wipe(text.p, text.capacity);
    buf_free(&text);
    return r < 0 ? complain(r, &why) : 0;
}
