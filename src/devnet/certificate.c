/* A node's own certificate, made here as a node makes its own in production.
 * SPDX-License-Identifier: MIT */
#include "net/certificate.h"

#include "base/file.h"
#include "devnet/plan.h"

#include <limits.h>
#include <stdio.h>

#define VALID_NS (365 * 86400 * NS_PER_S)

static int store_pem(struct net *n, const struct net_node *node, const char *name,
                     const struct buf *pem, mode_t mode, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", node->name, name);
    return plan_store(n, path, buf_view(pem), mode, why);
}

int node_certificate(struct net *n, const struct net_node *node, struct error *why) {
    const char *const hosts[] = {"127.0.0.1", "localhost", NULL};
    uint64_t now = clock_wall_ns(&clock_system);
    const struct certificate_options o = {.common_name = node->name,
                                          .organization = "BuilderNet devnet",
                                          .hosts = hosts,
                                          .not_before_ns = now - 3600 * NS_PER_S,
                                          .not_after_ns = now + VALID_NS};
    struct buf cert_pem, key_pem;
    buf_init(&cert_pem, CERTIFICATE_PEM_MAX);
    buf_init(&key_pem, CERTIFICATE_PEM_MAX);
    int r = certificate_self_sign_pem(&cert_pem, &key_pem, &o, why);
    // The key first: a certificate without its key is of no use to whoever reads in between.
    if (r == 0) r = store_pem(n, node, "key.pem", &key_pem, 0600, why);
    if (r == 0) r = store_pem(n, node, "cert.pem", &cert_pem, 0644, why);
    if (key_pem.p) bytes_wipe(key_pem.p, key_pem.capacity);
    buf_free(&key_pem);
    buf_free(&cert_pem);
    return r;
}
