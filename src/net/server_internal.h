/* What the files of the server share. SPDX-License-Identifier: MIT */
#ifndef NET_SERVER_INTERNAL_H
#define NET_SERVER_INTERNAL_H

#include "base/siphash.h"
#include "net/http1.h"
#include "net/http2.h"
#include "net/server.h"

#define PARAMS_MAX 8
#define EXCHANGES_KEPT 256 /* free exchanges kept for reuse */

struct listener {
    struct server *server;
    struct loop_fd watch;
    struct server_listener options;
    struct listener *next;
    bool resting; /* no descriptors or memory: accepts again at the next tick */
};

/* A client address: how many connections, and its bucket of requests. */
struct client_row {
    uint8_t ip[16];
    unsigned connections;
    double tokens;
    uint64_t at_ns; /* when tokens was right */
    struct client_row *next;
};

struct clients {
    struct client_row **slots; /* chained; capacity a power of two */
    size_t capacity, count;
    struct siphash_key key;
};

enum protocol { PROTOCOL_NONE, PROTOCOL_ADMIT, PROTOCOL_HTTP1, PROTOCOL_HTTP2, PROTOCOL_TUNNEL };

struct server_conn {
    struct conn conn;
    struct server *server;
    struct listener *listener;
    struct server_conn *next, *previous; /* all of the server; see server's first */
    struct client_row *client;
    uint64_t deadline_ns; /* closed by the sweep when passed; 0: none */
    uint64_t seen_out;    /* conn.out_bytes at the last sweep */
    uint64_t stuck_ns;    /* since when nothing was written although something waits */
    uint64_t keeps_ns;    /* since when something is kept for the client, as sweeps saw; 0: not */
    uint64_t wind_ns;     /* HTTP/2: since when the client knows of the end */
    void *session_user;
    unsigned busy; /* calls on the stack that use this struct */
    uint8_t protocol;
    bool dead : 1;
    bool ended : 1; /* the client has closed its direction */
    bool idle : 1;
    bool closing : 1;
    bool retiring : 1;
    bool doomed : 1;  /* closed as soon as the engine returns */
    bool held : 1;    /* HTTP/1: the exchange was paused; the engine may have more without bytes */
    bool giving : 1;  /* HTTP/2: the engine is on the stack, giving output */
    bool noticed : 1; /* HTTP/2: the first GOAWAY went out, and a ping behind it */
    bool last_said : 1;   /* HTTP/2: the second: no later stream is taken */
    struct exchange *x;   /* HTTP/1: the one at work */
    struct bytes *cursor; /* set while the engine is on the stack: HTTP/1's input */
    struct buf in;        /* input that waits */
    struct http1_parser *h1;
    struct http2 *h2;
    struct loop_task flush;   /* HTTP/2: writes what the engine has */
    struct exchange *streams; /* HTTP/2: all at work */
};

/* How an exchange speaks its protocol. */
struct exchange_wire {
    /* Head of the answer; end: no body follows. */
    int (*head)(struct exchange *x, bool end);
    int (*write)(struct exchange *x, struct bytes in, bool end);
    void (*pause)(struct exchange *x, bool paused);
    void (*took)(struct exchange *x, size_t n); /* body bytes were used */
    void (*proceed)(struct exchange *x);        /* send 100 (Continue) */
    void (*abort)(struct exchange *x);
};

struct route_entry;

struct exchange {
    struct server *server;
    struct server_conn *sc; /* NULL: the client is gone, or the answer is complete */
    const struct exchange_wire *wire;
    const struct http_request *request;
    struct http_request request_copy; /* HTTP/2 */
    struct http2_stream *stream;
    struct http_response response;
    struct arena arena;
    struct bytes path, query;
    const struct route_entry *route;
    struct bytes params[PARAMS_MAX];
    struct buf body;
    uint64_t body_max;
    size_t untaken;    /* HTTP/2: body bytes whose window is held back */
    uint64_t moved_ns; /* HTTP/2: when the body last moved, or was wanted again */
    uint64_t stuck_ns; /* HTTP/2: since when the client's window lets nothing of the answer out */
    uint64_t taken_bytes; /* HTTP/2: of the answer, what had gone out by then */
    const struct exchange_events *events;
    void *context;
    uint64_t start_ns, in_bytes, out_bytes;
    struct socket_address client;
    unsigned holds;
    bool streaming : 1;     /* the handler takes the body by events */
    bool handled : 1;       /* the handler was called */
    bool request_ended : 1; /* the whole request is here */
    bool begun : 1;
    bool answered : 1; /* the whole answer was written */
    bool paused : 1;
    bool finished : 1; /* recorded, taken off the connection */
    bool head_only : 1;
    bool close : 1;                   /* the connection ends with this answer */
    struct exchange *next, *previous; /* of the connection's streams, or the free list */
};

/* ---- routes ---- */

struct route_code {
    int status;
    struct metric *count;
};

struct route_entry {
    const struct route *route;
    unsigned segments, params;
    struct metric *duration;
    struct route_code codes[8]; /* handles of the codes seen so far */
};

struct routes {
    struct route_entry *entry;
    size_t count;
    struct route_entry none; /* requests that match nothing */
};

[[gnu::warn_unused_result]] int routes_init(struct routes *r, const struct route *routes,
                                            size_t count, struct error *why);
void routes_free(struct routes *r);

/* routes_find: the entry for path and method, params filled. *ret_allow: the entry that has the
 * path but not the method (NULL when no path matches). */
struct route_entry *routes_find(const struct routes *r, struct bytes path, struct bytes method,
                                struct bytes params[PARAMS_MAX], bool *ret_path_known);
/* routes_allow appends the methods of all entries that match the path ("GET, HEAD"). */
void routes_allow(const struct routes *r, struct bytes path, struct buf *out);

/* ---- clients ---- */

int clients_init(struct clients *c);
void clients_free(struct clients *c);
/* clients_enter finds or makes the row and counts a connection; NULL without memory. */
struct client_row *clients_enter(struct clients *c, const struct socket_address *a, uint64_t now_ns,
                                 unsigned per_second);
void clients_leave(struct client_row *row);
/* clients_take takes a token; false when the bucket is empty. */
bool clients_take(struct client_row *row, uint64_t now_ns, unsigned per_second);
/* clients_sweep forgets rows without connections whose bucket is full again. */
void clients_sweep(struct clients *c, uint64_t now_ns, unsigned per_second);

/* ---- server ---- */

enum server_metric_id {
    SERVER_REQUESTS,
    SERVER_DURATION,
    SERVER_CONNECTIONS,
    SERVER_ACCEPTED,
    SERVER_REFUSED,
    SERVER_METRIC_COUNT
};

struct announced;

struct server {
    struct loop *loop;
    struct server_options options;
    struct server_limits limits;
    struct http_limits http_limits;
    struct routes routes;
    struct clients clients;
    bool count_clients;
    struct listener *listeners;
    struct server_conn *first, *last; /* by when it came, last went idle or began to ask */
    unsigned connection_count, exchange_count;
    uint64_t held; /* bytes kept for clients, or more: what went since the last count is in it */
    struct announced *announced; /* accepted, their PROXY header has not come */
    unsigned announced_count;
    struct exchange *free_exchanges;
    unsigned free_count;
    struct loop_timer tick;
    uint64_t tick_ns;
    bool draining, drained, freed;
    uint64_t drain_deadline_ns;
    void (*drain_done)(void *context);
    void *drain_context;
    uint64_t date_s; /* second that `date` tells */
    char date[32];
    struct metric *connections_metric, *accepted_metric, *refused_metric;
};

extern const struct metric_desc server_metric_table[SERVER_METRIC_COUNT];

struct metric *server_refused(struct server *s, const char *reason);

/* server_accept makes a connection of an accepted descriptor; it is closed on error. Gives 0 or
 * ERR_NO_MEMORY. */
int server_accept(struct listener *ln, int fd, const struct socket_address *client);

/* server_await_header is server_accept for a listener behind a balancer: the connection begins with
 * the client that its PROXY header names. server_sweep_headers closes those whose header is late.
 */
int server_await_header(struct listener *ln, int fd, const struct socket_address *peer);
void server_sweep_headers(struct server *s, uint64_t now_ns);

/* server_conn_close ends a connection and everything on it; the struct is freed when no call on
 * the stack uses it. */
void server_conn_close(struct server_conn *sc);
void server_conn_unbusy(struct server_conn *sc);
/* server_conn_touch: something happened; the deadline is `wait_ns` from now (0: none). */
void server_conn_touch(struct server_conn *sc, uint64_t wait_ns);
/* server_conn_idle: nothing is at work; first to give way when room is needed. */
void server_conn_idle(struct server_conn *sc);
/* server_conn_begun: a request begins; of those that do not finish theirs, the last to give way. */
void server_conn_begun(struct server_conn *sc);
/* server_conn_finish: the connection closes when what is queued is written. */
void server_conn_finish(struct server_conn *sc);
struct bytes server_date(struct server *s);

/* ---- exchanges ---- */

struct exchange *exchange_new(struct server_conn *sc, const struct exchange_wire *wire);
/* exchange_start: the head is there; finds the route. */
void exchange_start(struct exchange *x, const struct http_request *r);
void exchange_data(struct exchange *x, struct bytes in);
void exchange_data_end(struct exchange *x);
/* exchange_finish takes the exchange off its connection: records it; `gone` is called when the
 * answer was not complete. */
void exchange_finish(struct exchange *x);
void exchange_drained(struct exchange *x);
/* exchange_refuse answers before any route: status and text. */
void exchange_refuse(struct exchange *x, int status, const char *text);
/* exchange_cut is exchange_refuse in the middle of a body: a handler that reads it hears of its end
 * as if the client were gone. */
void exchange_cut(struct exchange *x, int status, const char *text);

/* ---- protocols ---- */

int server_http1_begin(struct server_conn *sc, struct error *why);
void server_http1_readable(struct server_conn *sc);
void server_http1_continue(struct server_conn *sc);
int server_http2_begin(struct server_conn *sc, struct error *why);
void server_http2_readable(struct server_conn *sc);
void server_http2_flush(struct server_conn *sc);
/* server_http2_sweep ends the streams whose bodies do not come. */
void server_http2_sweep(struct server_conn *sc, uint64_t now);
/* server_http2_wind_up begins the connection's orderly end. */
void server_http2_wind_up(struct server_conn *sc);

#endif
