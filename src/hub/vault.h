/* Vault: secret documents in HashiCorp Vault's (or OpenBao's) KV version 2, over its HTTP API.
 *
 * A document is the secret at <mount>/<path>/<builder>. The token is renewed at two thirds of its
 * life; when that ends, or Vault says no, the login is made anew with the JWT file as it is then,
 * once for all callers. Calls block their caller only, 10 s for an answer at most; while none
 * comes, one caller a second tries and the others are told at once. Thread: any. Tokens and
 * documents never reach logs or error texts. Source: developer.hashicorp.com/vault/api-docs
 * (secret/kv/kv-v2, auth/token, auth/jwt, auth/kubernetes). SPDX-License-Identifier: MIT */
#ifndef HUB_VAULT_H
#define HUB_VAULT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/secret.h"

struct vault;

enum vault_auth { VAULT_TOKEN, VAULT_KUBERNETES, VAULT_JWT };

struct vault_options {
    const char *address;        /* "http://127.0.0.1:8200" */
    const char *ca_file;        /* roots for https, PEM; NULL: the machine's */
    const char *namespace_name; /* NULL: none */
    const char *mount, *path;   /* "secret", "secrets/builder-hub"; path may be empty */
    enum vault_auth auth;
    struct bytes token;    /* VAULT_TOKEN; copied */
    const char *role;      /* the others */
    const char *auth_path; /* NULL: "kubernetes" or "jwt" */
    const char *jwt_file;
    const struct clock *clock; /* NULL: clock_system */
};

/* vault_new asks nothing yet. Texts of the options outlive it.
 * errors  ERR_INVALID (what the method needs is missing), ERR_IO (ca_file), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vault_new(struct vault **ret, const struct vault_options *o,
                                          struct error *why);
void vault_free(struct vault *v);

/* vault_set_token: another token for the method token; the same one, an empty one and other methods
 * change nothing. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vault_set_token(struct vault *v, struct bytes token,
                                                struct error *why);

/* vault_get appends the document as JSON. errors  ERR_NOT_FOUND (never written, or deleted),
 * ERR_CLOSED (Vault is away, sealed, or lets nobody in now), ERR_INVALID (no answer of Vault's). */
[[gnu::warn_unused_result]] int vault_get(struct vault *v, struct bytes builder, struct buf *out,
                                          struct error *why);

/* vault_put writes a new version. document  a JSON object. errors  as vault_get. */
[[gnu::warn_unused_result]] int vault_put(struct vault *v, struct bytes builder,
                                          struct bytes document, struct error *why);

/* vault_delete removes all versions of the secret; one that is not there is fine.
 * errors  as vault_put. */
[[gnu::warn_unused_result]] int vault_delete(struct vault *v, struct bytes builder,
                                             struct error *why);

#endif
