/* What the operator's commands share. SPDX-License-Identifier: MIT */
#ifndef HUB_OPERATOR_INTERNAL_H
#define HUB_OPERATOR_INTERNAL_H

#include "base/secret.h"
#include "hub/operator.h"
#include "net/http.h"

#define V1 "/api/admin/v1/"
#define V2 "/api/admin/v2/"

enum { EXIT_GOOD = 0, EXIT_REFUSED = 1, EXIT_DIFFERS = 2 }; // others: of the error's class

struct operator_values {
    const char *url, *user, *ca, *author, *reason, *file, *ip, *dns, *network, *shadow_of,
        *unlisted, *id, *root, *ak_roots, *policy, *builder, *configuration;
    struct config_list collateral;
    int form; /* enum attested_form */
    struct secret password;
    bool json, yes;
};

struct command {
    struct operator_values values;
    struct config_list words; /* behind the verb */
    struct arena arena;
    struct buf out;
    struct error why;
    const struct json *answer; /* of the last request; NULL: empty or no JSON */
    bool refused;              /* the hub has answered, and said no */
    struct bytes body;
};

/* operator_ask makes one request; the path is a prefix and segments that are percent-encoded (ended
 * by NULL). The answer is in c->answer and c->body. errors  ERR_AUTH, ERR_BUSY, ERR_INVALID as the
 * hub says; ERR_CLOSED: it is away. operator_get, operator_post: of one name, which may be NULL. */
int operator_ask(struct command *c, enum http_method method, struct bytes body, const char *prefix,
                 const char *const *segments);
int operator_get(struct command *c, const char *prefix, const char *name);
int operator_post(struct command *c, const char *prefix, const char *name, struct bytes body);

/* operator_apply_request posts a wanted state. dry_run  only the difference and its digest come
 * back. expect  such a digest: another difference is refused; may be empty. */
int operator_apply_request(struct command *c, const struct json *state, bool dry_run,
                           struct bytes expect);

/* operator_agreed shows what is in c->out and asks; true with --yes. */
bool operator_agreed(struct command *c, const char *question);

/* operator_add_measurements adds what a file (an image, a quote, ...) measures, not enabled.
 * operator_allow adds and enables that of a file, or of a running node ("https://HOST:PORT") whose
 * evidence holds, and sets a builder's configuration, all in one transaction. *ret_status is
 * EXIT_REFUSED when nobody agreed. */
int operator_add_measurements(struct command *c, const char *path);
int operator_allow(struct command *c, int *ret_status, const char *what);

/* operator_probe asks a running node to prove itself and appends the entry of what it measures, as
 * measurement files have it; says to c->out on what that stands. errors  ERR_UNTRUSTED and those of
 * connections, files and judgements. */
int operator_probe(struct command *c, struct buf *entry, const char *url);

#endif
