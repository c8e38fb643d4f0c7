/* Hub: who the nodes are, what they get, and what they see of each other, as requests and answers.
 *
 * One function answers a request of any of the three listeners; no sockets are involved. Reads are
 * answered from memory; writes commit to the store first, then memory follows. In strict mode
 * (the default) what operators tripped over is refused; `compat` behaves as the deployed hub does.
 *
 * Source: the deployed BuilderHub's routes, statuses and bodies. Thread: any, all at once.
 * SPDX-License-Identifier: MIT */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include "attest/measurement.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "config/config.h"
#include "hub/admins.h"
#include "hub/secrets.h"
#include "hub/shared_text.h"
#include "hub/store.h"
#include "net/http.h"

#define HUB_STATE_BYTES_MAX (16u << 20) /* a whole wanted state; other bodies are much smaller */

enum hub_listener { HUB_PUBLIC = 1, HUB_INTERNAL = 2, HUB_ADMIN = 4 };

/* What may change while the hub runs. */
struct hub_switches {
    bool allow_empty_measurements; /* strict mode: take entries that match everything */
    bool public_only_nodes;        /* the public listener serves only nodes and health */
    bool serve_stale;              /* answer nodes while events or secrets cannot be had */
    struct config_list required;   /* services that a listed builder has */
    struct config_list firmware;   /* MRTDs (hex) under which image hashes are believed */
};

struct hub_options {
    struct store *store;     /* the hub's from then on, closed by hub_close */
    struct secrets *secrets; /* likewise */
    struct log *log;         /* borrowed, may be NULL; so is metrics */
    struct metrics *metrics;
    bool compat;
    bool admin_open;         /* no password on the admin listener */
    bool merge;              /* the document is the configuration with the secrets put in */
    struct admins *accounts; /* who comes in; the hub's from then on. NULL: nobody */
    struct hub_switches switches;
};

struct hub;

/* hub_open loads everything from the store. hub_close stores waiting events. */
[[gnu::warn_unused_result]] int hub_open(struct hub **ret, const struct hub_options *o,
                                         struct error *why);
void hub_close(struct hub *h);

/* What a node proved on the hub's own attested listener. */
struct hub_proof {
    enum attestation_type type;
    struct bytes measurements; /* JSON: register to lower-case hex */
    uint8_t address[16];       /* where it came from, IPv4 mapped */
};

struct hub_request {
    enum hub_listener listener;
    struct bytes method, target; /* as sent; the target may have a query */
    const struct http_fields *fields;
    struct bytes body;
    bool trusted; /* the peer may speak for a node (attestation headers, X-Forwarded-For) */
    const struct hub_proof *proof; /* not NULL: headers say nothing, and only nodes are served */
};

enum hub_wait {
    HUB_WAITS_FOR_STORE,
    HUB_WAITS_FOR_SECRETS,
    HUB_WAITS_FOR_PASSWORD, /* that is not known yet: whoever guesses costs much time */
    HUB_WAIT_COUNT
};
#define HUB_HEADERS_MAX 12
struct hub_header {
    const char *name; /* literal */
    struct bytes value;
};
struct hub_response {
    int status;
    const char *content_type; /* NULL: none */
    const char *route;        /* pattern, "" when none matched */
    struct hub_header headers[HUB_HEADERS_MAX];
    size_t header_count;
    enum hub_wait waits; /* of a request that was not answered: for what */
    struct buf body;
    struct shared_text *list; /* the body when it is a list that others get too; NULL: body is */
    struct arena arena;       /* of the header values */
};
void hub_response_init(struct hub_response *r);
void hub_response_free(struct hub_response *r);
struct bytes hub_response_body(const struct hub_response *r);

/* hub_answer: true, and the answer is in *res. With may_block off it gives false where it would
 * have to wait for the store or a password hash; the caller asks again from a worker. *res says
 * then whether that waits for the backend of the secrets, which may be slow on its own. */
bool hub_answer(struct hub *h, const struct hub_request *req, struct hub_response *res,
                bool may_block);

/* hub_set_switches takes other settings (copied); who is listed as a peer, and which images match,
 * follows with the next hub_reload. errors  ERR_NO_MEMORY: the old ones stay. May wait for a
 * change that is being committed. */
[[gnu::warn_unused_result]] int hub_set_switches(struct hub *h, const struct hub_switches *s,
                                                 struct error *why);

/* hub_set_accounts takes other accounts (NULL: nobody); logins under the old ones are forgotten. */
void hub_set_accounts(struct hub *h, struct admins *accounts);

/* hub_set_vault_token takes another token, where secrets are in Vault by the method token; else,
 * and for an empty one, nothing happens. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int hub_set_vault_token(struct hub *h, const struct secret *token,
                                                    struct error *why);

/* hub_drain: readiness off or on; true when that changed it. hub_ready: not drained. */
bool hub_set_ready(struct hub *h, bool ready);
bool hub_is_ready(const struct hub *h);

/* Work in the background: storing events, loading what others changed (payload as notified; p NULL
 * loads everything), pruning events and replaced credentials of before a wall-clock time (0: none),
 * removing the secrets of builders that went (p NULL: of all). All may block. */
int hub_flush_events(struct hub *h, struct error *why);
int hub_reload(struct hub *h, struct bytes payload, struct error *why);
int hub_prune(struct hub *h, uint64_t events_before_ns, uint64_t credentials_before_ns,
              struct error *why);
int hub_remove_secrets(struct hub *h, struct bytes builder, struct error *why);

#endif
