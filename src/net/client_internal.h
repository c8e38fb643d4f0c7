/* What the files of the client share. SPDX-License-Identifier: MIT */
#ifndef NET_CLIENT_INTERNAL_H
#define NET_CLIENT_INTERNAL_H

#include "base/list.h"
#include "net/client.h"
#include "net/http1.h"
#include "net/http2.h"
#include "net/resolver.h"

#define CALLS_KEPT 256        /* free calls kept for reuse */
#define BODY_KEPT_BYTES 65536 /* longer bodies are not kept for a second try */

enum client_conn_state {
    CLIENT_CONN_CONNECTING,
    CLIENT_CONN_ADMIT,
    CLIENT_CONN_IDLE, /* HTTP/1: free; HTTP/2: in use or not */
    CLIENT_CONN_BUSY, /* HTTP/1: carries a call */
    CLIENT_CONN_GIVEN /* upgraded: another owner's */
};

struct client_conn {
    struct conn conn;
    struct client *client;
    struct list_node link; /* of all; idle ones last used first */
    struct list_node free; /* of the idle HTTP/1 ones and the HTTP/2 ones that take calls */
    enum client_conn_state state;
    uint64_t deadline_ns; /* of connecting, or of being kept */
    void *session_user;
    unsigned busy;
    bool dead : 1, closing : 1, doomed : 1;
    bool used : 1;    /* carried a whole call already */
    bool last : 1;    /* takes no further call */
    bool feeding : 1; /* the engine is on the stack */
    bool held : 1;    /* HTTP/1: the call was paused; the engine may have more without bytes */
    struct client_call *call; /* HTTP/1 */
    struct http1_parser *h1;
    struct buf in; /* HTTP/1: response bytes that wait while the call is paused */
    struct http2 *h2;
    struct loop_task flush;
    struct list calls; /* HTTP/2 */
};

struct client_call {
    struct client *client;
    struct list_node link;   /* waiting, or of all at work */
    struct list_node stream; /* HTTP/2: of the connection */
    struct client_conn *cc;  /* NULL: waits */
    struct http2_stream *s;
    struct arena arena, response_arena;
    struct http_request request;
    struct buf body; /* given whole, or written before there is a connection */
    const struct client_events *events;
    void *context;
    uint64_t deadline_ns;
    size_t untaken;
    unsigned holds;
    bool more : 1;      /* the caller streams the body */
    bool finished : 1;  /* the request is written (call_finish, or it was whole) */
    bool answering : 1; /* the head of the response came */
    bool paused : 1;
    bool over : 1; /* nothing is called back any more */
    bool retried : 1;
    bool on_used : 1; /* sent on a connection that had carried another call */
    bool full : 1;    /* waits: call_write said ERR_AGAIN */
    bool at_work : 1; /* in the list of working calls */
    bool sent : 1;    /* it had a connection once */
};

struct client {
    struct loop *loop;
    struct client_options options;
    char host[RESOLVER_NAME_MAX + 1];
    char authority[RESOLVER_NAME_MAX + 16];
    unsigned port;
    bool https, named, unix_path;
    struct socket_address address[RESOLVER_ADDRESSES_MAX];
    size_t address_count, address_at;
    struct resolver_query query;
    bool asking;
    bool speaks_http2; /* the last connection did */
    struct list conns, free_conns;
    struct list waiting, working;
    unsigned conn_count, connecting, waiting_count, working_count;
    unsigned last_count; /* of the connections, those that take no further call */
    struct client_call *free_calls;
    unsigned free_count;
    struct loop_timer tick;
    bool ticking;
    struct loop_task serve;  /* gives waiting calls to connections */
    struct error last_error; /* why the last connection could not be made */
    uint64_t rest_until_ns;  /* no address answered: none is tried before */
};

/* ---- connections (client_conn.c) ---- */

[[gnu::warn_unused_result]] int client_connect(struct client *c, struct error *why);
void client_conn_close(struct client_conn *cc, const struct error *why);
void client_conn_unbusy(struct client_conn *cc);
void client_conn_ready(struct client_conn *cc); /* may take a call */
void client_conn_set_last(struct client_conn *cc);
void client_http2_flush_later(struct client_conn *cc);
/* client_conn_send puts a call on a connection: its head and what there is of its body. */
[[gnu::warn_unused_result]] int client_conn_send(struct client_conn *cc, struct client_call *k,
                                                 struct error *why);
int client_conn_write(struct client_conn *cc, struct client_call *k, struct bytes in, bool end);
void client_conn_pause(struct client_conn *cc, struct client_call *k, bool paused);
/* client_conn_leave takes an unfinished call off its connection. */
void client_conn_leave(struct client_conn *cc, struct client_call *k);
void client_http1_readable(struct client_conn *cc);
void client_http1_sent(struct client_conn *cc);
int client_http2_begin(struct client_conn *cc, struct error *why);
void client_http2_readable(struct client_conn *cc);

/* ---- calls (client.c) ---- */

void client_call_response(struct client_call *k, const struct http_response *r);
void client_call_body(struct client_call *k, struct bytes in);
void client_call_end(struct client_call *k);
/* client_call_lost: the connection ended under the call: sent again, or failed. safe: the server
 * said that it did not look at it. */
void client_call_lost(struct client_call *k, const struct error *why, bool safe);
void client_call_fail(struct client_call *k, const struct error *why);
void client_call_release(struct client_call *k);
void client_serve(struct client *c);
void client_tick_start(struct client *c);

#endif
