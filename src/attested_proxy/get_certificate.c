/* `get-tls-cert`: the certificate of a server that passed judgement, for programs that shall trust
 * it afterwards without attestation. No request is sent.
 * SPDX-License-Identifier: MIT */
#include "attested_proxy/app.h"

#include "attest/files.h"
#include "attested/probe.h"
#include "net/certificate.h"

#include <signal.h>
#include <unistd.h>

struct errand {
    struct app app; /* first: it is the context of the hooks */
    struct buf pem;
    struct error why;
};

static int take_chain(void *context, struct conn *c, struct error *why) {
    struct errand *e = context;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(c->tls);
    int n = sk_X509_num(chain), r = 0;
    for (int i = 0; i < n && r == 0; i++)
        r = certificate_pem(&e->pem, sk_X509_value(chain, i), why);
    if (r == 0 && e->pem.n == 0) {
        r = error_set(why, ERR_NOT_FOUND, "the server has no certificate");
    }
    return r;
}

static int run(struct errand *e) {
    const struct service_options service = {.name = "attested-proxy", .context = e};
    int r = app_open(&e->app, &service, NULL, &e->why);
    if (r == 0) r = app_client(&e->app, attested_probe_admit, &e->why);
    if (r != 0) return r;
    struct attested_probe probe = {
        .attested = e->app.attested, .client = e->app.origin, .take = take_chain, .context = e};
    return attested_probe(&probe, &e->why);
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
    struct errand e = {0};
    const struct log_options o = {.fd = 2, .level = LOG_WARN, .program = "attested-proxy"};
    proxy_settings_move(&e.app.settings, settings);
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
