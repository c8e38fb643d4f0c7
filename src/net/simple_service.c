/* SPDX-License-Identifier: MIT */
#include "net/simple_service.h"

#include "net/certificate.h"

static int open_tls(struct simple_service *s, struct error *why) {
    struct buf cert, key;
    if (!s->options.tls_certificate) return 0;
    if (!s->options.tls_key) {
        return error_set(why, ERR_INVALID, "a TLS certificate without its key");
    }
    buf_init(&cert, CERTIFICATE_PEM_MAX);
    buf_init(&key, CERTIFICATE_PEM_MAX);
    int r = tls_read_identity(&cert, &key, s->options.tls_certificate, s->options.tls_key, why);
    const struct tls_options o = {.role = TLS_SERVER,
                                  .identity = {buf_view(&cert), buf_view(&key)}};
    if (r == 0) r = tls_new(&s->tls, &o, why);
    if (key.p) bytes_wipe(key.p, key.n);
    buf_free(&cert);
    buf_free(&key);
    return r;
}

int simple_open(struct simple_service *s, const struct simple_options *options, struct error *why) {
    *s = (struct simple_service){.options = *options};
    int r = loop_new(&s->loop, &(struct loop_options){0}, why);
    if (r == 0) r = metrics_new(&s->metrics, NULL, why);
    if (r < 0) return r;
    metrics_add_process(s->metrics);
    const struct service_options o = {.name = options->name,
                                      .log = options->log,
                                      .metrics = s->metrics,
                                      .reload = options->reload,
                                      .context = options->context};
    r = service_new(&s->service, s->loop, &o, why);
    return r == 0 ? open_tls(s, why) : r;
}

int simple_listen(struct simple_service *s, const struct route *routes, size_t count,
                  const struct server_limits *limits, struct error *why) {
    struct server_listener ln = {.tls = s->tls};
    struct socket_address bound;
    if (count > SIMPLE_ROUTES_MAX) return error_set(why, ERR_LIMIT, "%zu routes", count);
    memcpy(s->routes, routes, count * sizeof *routes);
    memcpy(s->routes + count, service_routes(s->service), SERVICE_ROUTES * sizeof *routes);
    const struct server_options o = {.routes = s->routes,
                                     .route_count = count + SERVICE_ROUTES,
                                     .limits = *limits,
                                     .log = s->options.log,
                                     .metrics = s->metrics,
                                     .name = s->options.name,
                                     .access_log = true};
    int r = server_new(&s->server, s->loop, &o, why);
    if (r == 0) r = service_add_server(s->service, s->server, why);
    if (r == 0) {
        r = socket_address_parse(&ln.address, bytes_from_str(s->options.listen_addr), 0, why);
    }
    if (r == 0) r = server_listen(s->server, &bound, &ln, why);
    if (r == 0) (void)socket_address_text(s->address, &bound);
    return r;
}

void simple_close(struct simple_service *s) {
    server_free(s->server);
    tls_free(s->tls);
    service_free(s->service);
    metrics_free(s->metrics);
    loop_free(s->loop);
    *s = (struct simple_service){0};
}
