/* `get-tls-cert`: the certificate of a server that passed judgement, for programs that shall trust
 * it afterwards without attestation. No request is sent.
 * SPDX-License-Identifier: MIT */
#include "attested_proxy/app.h"

#include "attest/files.h"
#include "net/certificate.h"

#include <signal.h>
#include <unistd.h>

struct errand {
    struct app app; /* first: it is the context of the hooks */
    struct buf pem;
    struct error why;
    bool done;
};

static void finish(struct errand *e, struct conn *c, const struct error *why) {
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(c->tls);
    struct error gone = {0};
    if (why) e->why = *why;
    int n = why ? 0 : sk_X509_num(chain), r = 0;
    for (int i = 0; i < n && r == 0; i++)
        r = certificate_pem(&e->pem, sk_X509_value(chain, i), &e->why);
    if (!why && e->pem.n == 0 && !e->why.code) {
        error_set(&e->why, ERR_NOT_FOUND, "the server has no certificate");
    }
    e->done = true;
    error_set(&gone, ERR_CANCELLED, "the certificate was fetched");
    client_drop(e->app.origin, c, why ? why : &gone);
}

static void settled(void *context, struct conn *c, const struct error *why) {
    finish(context, c, why);
}

static void admit(struct client *c, struct conn *conn, void *context) {
    (void)c;
    if (attested_needs_admit(context))
        attested_admit(context, conn);
    else
        finish(attested_context(context), conn, NULL);
}

/* The call only makes the client connect: it ends before anything of it is sent. */
static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k, (void)context, (void)r;
}
static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k, (void)context, (void)in;
}
static void on_end(struct client_call *k, void *context) {
    (void)k;
    loop_stop(((struct errand *)context)->app.loop);
}
static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct errand *e = context;
    (void)k;
    if (!e->done) e->why = *why;
    loop_stop(e->app.loop);
}

static int run(struct errand *e) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    const struct service_options service = {.name = "attested-proxy", .context = e};
    const struct http_request request = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT("/")};
    struct client_call *call;
    struct error why = {0};
    int r = app_open(&e->app, &service, settled, &why);
    if (r == 0) r = app_client(&e->app, admit, &why);
    if (r == 0) {
        r = client_start(&call, e->app.origin, &request, BYTES_LIT(""), false, &events, e, &why);
    }
    if (r == 0) r = loop_run(e->app.loop, &why);
    if (r < 0) e->why = why;
    return (int)e->why.code;
}

static int deliver(struct errand *e) {
    const char *path = e->app.settings.values.out;
    if (path) return files_write(path, buf_view(&e->pem), 0644, &e->why);
    struct bytes rest = buf_view(&e->pem);
    while (rest.n > 0) {
        ssize_t n = write(STDOUT_FILENO, rest.p, rest.n);
        if (n <= 0) return error_set(&e->why, ERR_IO, "cannot write the certificate");
        rest = bytes_slice(rest, (size_t)n, rest.n);
    }
    return 0;
}

int attested_proxy_get_certificate(struct proxy_settings *settings) {
    struct errand e = {.app = {.settings = *settings}};
    const struct log_options o = {.fd = 2, .level = LOG_WARN, .program = "attested-proxy"};
    if (log_open(&e.app.log, &o, &e.why) < 0) return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&e.pem, CERTIFICATE_PEM_MAX);
    int r = run(&e);
    if (r == 0) r = deliver(&e);
    if (r < 0) log_error(e.app.log, "failed", F_ERR(&e.why));
    buf_free(&e.pem);
    app_close(&e.app);
    return r < 0 ? error_class_of(e.why.code)->exit_status : 0;
}
