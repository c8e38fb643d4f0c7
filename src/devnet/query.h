/* Query: one JSON document from one of the network's HTTP addresses, asked for and called back.
 * At most one question at a time for each struct query. The loop's thread only.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_QUERY_H
#define DEVNET_QUERY_H

#include "net/client.h"
#include "json/json.h"

#define QUERY_BYTES_MAX (32u << 20)

struct query {
    /* code 0: doc is the answer (status 200), valid during the call; else why tells. */
    void (*done)(struct query *f, int code, const struct json *doc, const struct error *why);
    void *context;
    /* The rest is its own. */
    struct loop *loop;
    struct client *client;
    struct client_call *call;
    struct buf body;
    unsigned status;
};

/* query_open makes it ready for one address ("http://127.0.0.1:PORT"). */
[[gnu::warn_unused_result]] int query_open(struct query *f, struct loop *l, const char *url,
                                           struct error *why);
void query_close(struct query *f);

static inline bool query_busy(const struct query *f) {
    return f->call != NULL;
}

/* query_get asks for a path; query_rpc calls a JSON-RPC method, params being JSON text, and gives
 * `done` its result (an error of the server is ERR_INVALID). header: one more request header, or
 * NULL. errors  ERR_BUSY, and those of client_start. */
[[gnu::warn_unused_result]] int query_get(struct query *f, const char *path, struct error *why);
[[gnu::warn_unused_result]] int query_rpc(struct query *f, const char *method, const char *params,
                                          struct error *why);
[[gnu::warn_unused_result]] int query_post(struct query *f, const char *path, struct bytes body,
                                           const char *header, struct bytes value,
                                           struct error *why);

#endif
