/* A link's life: dialed by us or taken from the peers' listener, until it ends.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

#include "net/certificate.h"

#include <netinet/tcp.h>
#include <stdlib.h>

#define USER_TIMEOUT_MS 10000 /* the kernel gives a peer up that acknowledges nothing */

static void on_open(struct conn *c);
static void on_readable(struct conn *c);
static void on_drained(struct conn *c);
static void on_closed(struct conn *c, const struct error *why);
static const struct conn_events link_events = {on_open, on_readable, on_drained, on_closed};

/* ---- life ---- */

static void on_timer(struct loop_timer *t);

struct peer_link *link_new(struct share *s, bool dialed) {
    struct peer_link *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    l->share = s;
    l->dialed = dialed;
    l->holds = 1;
    l->begun_ns = loop_now_ns(s->loop);
    l->timer.fire = on_timer;
    buf_init(&l->in, 0);
    list_push_back(&s->links, &l->node);
    s->link_count++;
    return l;
}

void link_hold(struct peer_link *l) {
    l->holds++;
}

void link_release(struct peer_link *l) {
    if (--l->holds > 0) return;
    if (l->kind == LINK_STREAM) peer_stream_free(&l->stream);
    buf_free(&l->in);
    free(l->answers);
    free(l);
}

void link_end(struct peer_link *l, const struct error *reason) {
    struct share *s = l->share;
    struct peer *p = l->peer;
    if (l->ended) return;
    l->ended = true;
    // A peer that is away for long is told of ever more rarely.
    bool dull = l->dialed && l->kind == LINK_OPENING && p && (p->failures & (p->failures - 1)) != 0;
    if (reason && !dull) {
        log_info(s->log, "peer_session_ended", F_STR("peer", p ? p->name : ""),
                 F_BOOL("dialed", l->dialed), F_ERR(reason));
    }
    list_remove(&l->node);
    s->link_count--;
    loop_timer_clear(s->loop, &l->timer);
    if (l->server && l->conn) {
        server_drop(l->server, l->conn);
    } else if (l->conn) {
        conn_close(l->conn);
    }
    l->conn = NULL;
    if (l->proof) attested_session_done(s->options.attested, l->proof);
    l->proof = NULL;
    if (p) peer_link_lost(p, l, reason ? (int)reason->code : 0);
    l->peer = NULL;
    if (p) peer_release(p);
    link_release(l);
}

void link_flush(struct peer_link *l) {
    struct error why = {0};
    if (l->ended) return;
    int r = conn_queued(l->conn);
    if (r == ERR_NO_MEMORY) {
        error_set(&why, ERR_NO_MEMORY, "no memory for what is sent");
        link_end(l, &why);
    } else if (conn_pending(l->conn) > SHARE_UNREAD_BYTES + l->pumped) {
        error_set(&why, ERR_LIMIT, "the peer does not read");
        link_end(l, &why);
    }
}

unsigned link_accepted_of(const struct share *s, const struct peer *p) {
    unsigned n = 0;
    list_each(node, &s->links) {
        const struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        n += l->peer == p && !l->dialed;
    }
    return n;
}

/* ---- strangers: whoever connects, and has proved nothing yet ---- */

static bool is_stranger(const struct peer_link *l) {
    return !l->dialed && !l->peer && !l->requests.proved;
}

static void end_stranger(struct peer_link *l, const char *text) {
    struct error why = {0};
    metric_inc(l->share->accepted_refused);
    error_set(&why, ERR_LIMIT, "%s", text);
    link_end(l, &why);
}

/* Ends the oldest stranger of an address (NULL: of all) when there are `most`. */
static void bound_strangers(struct share *s, const uint8_t *client, unsigned most) {
    struct peer_link *oldest = NULL;
    unsigned n = 0;
    list_each(node, &s->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        if (!is_stranger(l)) continue;
        if (client && memcmp(l->client, client, sizeof l->client) != 0) continue;
        if (n++ == 0) oldest = l;
    }
    if (n >= most) end_stranger(oldest, "too many sessions of strangers");
}

/* Who only connects keeps nobody out: an address displaces its own first. */
static void make_room(struct share *s, const uint8_t client[16]) {
    bound_strangers(s, client, SHARE_STRANGERS_CLIENT_MAX);
    bound_strangers(s, NULL, SHARE_STRANGERS_MAX);
}

void link_bound_bytes(struct peer_link *l) {
    if (l->ended || !is_stranger(l) || l->in.n <= LOOP_SCRATCH_BYTES) return;
    for (;;) {
        struct peer_link *largest = l;
        size_t bytes = 0;
        list_each(node, &l->share->links) {
            struct peer_link *o = LIST_ENTRY(node, struct peer_link, node);
            if (!is_stranger(o)) continue;
            bytes += o->in.n;
            if (o->in.n > largest->in.n) largest = o;
        }
        if (bytes <= SHARE_STRANGERS_BYTES) return;
        end_stranger(largest, "strangers' frames take too much memory");
        if (l->ended) return;
    }
}

bool link_certificate(struct hash *ret, const struct peer_link *l) {
    X509 *leaf = l->conn && l->conn->tls ? SSL_get0_peer_certificate(l->conn->tls) : NULL;
    if (leaf) certificate_fingerprint(ret, leaf);
    return leaf != NULL;
}

void link_set_timer(struct peer_link *l, uint64_t in_ns) {
    (void)!loop_timer_set(l->share->loop, &l->timer, loop_now_ns(l->share->loop) + in_ns, NULL);
}

static void on_timer(struct loop_timer *t) {
    struct peer_link *l = LIST_ENTRY(t, struct peer_link, timer);
    struct error why = {0};
    if (l->kind == LINK_OPENING) {
        error_set(&why, ERR_TIMEOUT, l->dialed ? "the peer does not answer" : "the peer is silent");
        link_end(l, &why);
        return;
    }
    if (l->old_ns && loop_now_ns(l->share->loop) - l->old_ns >= SHARE_OLD_NS) {
        error_set(&why, ERR_STALE, "the peer's certificate is no longer listed");
        link_end(l, &why);
        return;
    }
    if (l->aged_ns && loop_now_ns(l->share->loop) - l->aged_ns >= SHARE_OLD_NS) {
        error_set(&why, ERR_STALE, "the peer's evidence is too old");
        link_end(l, &why);
        return;
    }
    link_hold(l);
    if (l->resting) share_pump_later(l->peer);
    l->resting = false;
    if (l->held_back) link_go_on(l);
    if (!l->ended && l->kind == LINK_STREAM) link_stream_tick(l);
    if (!l->ended && l->kind == LINK_FRAMES_OUT) link_frames_tick(l);
    if (!l->ended && !loop_timer_armed(&l->timer)) link_set_timer(l, SHARE_TICK_NS);
    link_release(l);
}

/* ---- dialing ---- */

static void tune(int fd) {
    int timeout = USER_TIMEOUT_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
    socket_no_delay(fd);
}

int link_connect(struct peer *p, const struct socket_address *a, struct error *why) {
    struct share *s = p->share;
    SSL *session = NULL;
    if (s->link_count >= SHARE_LINKS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %u sessions", SHARE_LINKS_MAX);
    }
    int r = p->tls ? tls_session_new(&session, p->tls, p->host, why) : 0;
    if (r != 0) return r;
    struct peer_link *l = link_new(s, true);
    if (!l) {
        tls_session_free(session);
        return error_set(why, ERR_NO_MEMORY, "no memory for a session");
    }
    l->peer = peer_hold(p);
    r = conn_connect(&l->own, s->loop, a, session, &link_events, l, why);
    if (r != 0) {
        l->peer = NULL; // whoever dials hears it from the return
        peer_release(p);
        link_end(l, NULL);
        return r;
    }
    l->conn = &l->own;
    p->dialing = l;
    tune(l->own.watch.fd);
    link_set_timer(l, SHARE_CONNECT_NS);
    return 0;
}

/* ---- evidence, before the first frame ---- */

static struct bytes agreed(const struct conn *c) {
    return c->tls ? tls_session_alpn(c->tls) : (struct bytes){NULL, 0};
}

/* Both sides prove themselves; link_settled goes on. May end the link. */
static void prove(struct peer_link *l) {
    struct attested *a = l->share->options.attested;
    struct error why = {0};
    l->proof = attested_session_user(a);
    if (!l->proof) {
        error_set(&why, ERR_NO_MEMORY, "no memory for a session");
        link_end(l, &why);
        return;
    }
    link_set_timer(l, SHARE_PROVE_NS);
    tls_session_set_user(l->conn->tls, l->proof);
    attested_admit(a, l->conn);
}

static struct peer_link *find(const struct share *s, const struct conn *c) {
    list_each(node, &s->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        if (l->conn == c) return l;
    }
    return NULL;
}

void link_settled(void *context, struct conn *c, const struct error *why) {
    struct peer_link *l = find(context, c);
    if (!l) return;
    if (why) {
        if (!l->dialed) metric_inc(l->share->accepted_refused);
        link_end(l, why);
        return;
    }
    link_hold(l);
    conn_rebind(c, &link_events, l);
    if (l->server) server_keep(l->server, c);
    link_stream_begin(l);
    if (!l->ended) conn_resume(c);
    link_release(l);
}

/* Who has dialed the session replaces it; it goes on until the new one stands. */
void link_aged(void *context, struct conn *c) {
    struct peer_link *l = find(context, c);
    if (!l) return;
    l->aged_ns = loop_now_ns(l->share->loop);
    if (!l->dialed || !l->peer || l->peer->active != l) return;
    l->peer->renew = true;
    peer_dial_soon(l->peer, 0);
}

bool link_attested(const struct peer_link *l) {
    const struct attested_peer *p = l->conn && l->proof ? attested_peer(l->conn->tls) : NULL;
    return p && p->attested;
}

/* ---- which protocol ---- */

/* Which transport the peer has agreed to. */
static int agree(enum share_transport *ret, const struct peer_link *l, struct error *why) {
    enum share_transport wanted = l->peer->configured;
    struct bytes alpn = agreed(l->conn);
    bool attested = bytes_equal_str(alpn, WIRE_ALPN_ATTESTED);
    bool ours = attested || bytes_equal_str(alpn, WIRE_ALPN);
    *ret = ours || (wanted == SHARE_STREAM && !l->conn->tls) ? SHARE_STREAM
           : alpn.n > 0                                      ? SHARE_HTTP
                                                             : SHARE_FRAMES;
    enum share_evidence evidence = l->share->options.evidence;
    if (!attested &&
        (evidence == SHARE_REQUIRED || (evidence == SHARE_MIXED && *ret == SHARE_STREAM))) {
        return error_set(why, ERR_UNTRUSTED, "the peer offers no evidence");
    }
    if (wanted == SHARE_AUTO || wanted == *ret) return 0;
    return error_set(why, ERR_UNSUPPORTED, "the peer speaks %s, not %s", share_transport_name(*ret),
                     share_transport_name(wanted));
}

static void begin_http(struct peer_link *l) {
    struct peer *p = l->peer;
    p->spoken = SHARE_HTTP;
    p->dialing = NULL;
    l->dialed = false; // ended for good: nothing is dialed anew for it
    struct error why = {0};
    if (!p->http && peer_http_new(&p->http, p, &why) != 0) {
        peer_failed(p);
    } else {
        log_info(p->share->log, "peer_up", F_STR("peer", p->name), F_STR("transport", "http"));
        metric_set(p->metric[PEER_UP], 1);
        share_update_wants(p->share);
        share_pump_later(p);
    }
    link_end(l, NULL);
}

static void on_open(struct conn *c) {
    struct peer_link *l = c->owner;
    enum share_transport t;
    struct error why = {0};
    if (!l->dialed) return;
    l->stands = true;
    if (agree(&t, l, &why) != 0) {
        link_end(l, &why);
        return;
    }
    link_set_timer(l, SHARE_HELLO_NS);
    if (t == SHARE_STREAM && bytes_equal_str(agreed(c), WIRE_ALPN_ATTESTED)) {
        prove(l);
    } else if (t == SHARE_STREAM) {
        link_stream_begin(l);
    } else if (t == SHARE_HTTP) {
        begin_http(l);
    } else {
        link_frames_begin(l);
    }
}

/* ---- input ---- */

static void feed(struct peer_link *l, struct bytes in) {
    if (l->kind == LINK_STREAM) {
        link_stream_feed(l, in);
    } else {
        link_frames_feed(l, in);
    }
}

static void read_failed(struct peer_link *l, ssize_t n) {
    struct error why = {0};
    if (n == 0) {
        error_set(&why, ERR_CLOSED, "the peer has ended the session");
    } else {
        error_set(&why, (enum err)n, "connection lost");
    }
    link_end(l, &why);
}

static void read_all(struct peer_link *l) {
    uint8_t *p = loop_scratch(l->share->loop);
    size_t read = 0;
    link_hold(l);
    while (!l->ended && !l->held_back && read < SHARE_READ_BYTES) {
        ssize_t n = conn_read(l->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) break;
        if (n <= 0) {
            read_failed(l, n);
            break;
        }
        read += (size_t)n;
        feed(l, bytes_make(p, (size_t)n));
    }
    link_release(l);
}

/* The first byte tells the protocol where nothing was agreed on. */
static void look(struct peer_link *l) {
    uint8_t first;
    struct server *server = l->server;
    struct conn *c = l->conn;
    ssize_t n = conn_peek(c, &first, 1);
    if (n == ERR_AGAIN) return;
    if (n <= 0) {
        read_failed(l, n);
        return;
    }
    if (first == WIRE_HELLO && l->share->options.evidence != SHARE_PINNED) {
        struct error why = {0};
        error_set(&why, ERR_UNTRUSTED, "a stream without evidence");
        metric_inc(l->share->accepted_refused);
        link_end(l, &why);
        return;
    }
    if (first == WIRE_HELLO || first == PEER_FRAME_MAGIC) {
        server_keep(server, c);
        if (first == WIRE_HELLO) {
            link_stream_begin(l);
        } else {
            link_frames_begin(l);
        }
        if (!l->ended) read_all(l);
        return;
    }
    l->conn = NULL; // the server's again
    l->server = NULL;
    link_end(l, NULL);
    server_adopt(server, c);
}

static void on_readable(struct conn *c) {
    struct peer_link *l = c->owner;
    if (l->kind == LINK_OPENING) {
        link_hold(l);
        look(l);
        link_release(l);
    } else {
        read_all(l);
    }
}

static void on_drained(struct conn *c) {
    struct peer_link *l = c->owner;
    if (l->kind == LINK_STREAM) link_stream_pump(l);
    if (l->kind == LINK_FRAMES_OUT) link_frames_pump(l);
}

static void on_closed(struct conn *c, const struct error *why) {
    struct peer_link *l = c->owner;
    if (l->dialed && why->code == ERR_UNTRUSTED) share_is_stale(l->share);
    link_end(l, why);
}

void link_hold_back(struct peer_link *l) {
    l->held_back = true;
    conn_pause(l->conn);
    l->stream.heard_ns = loop_now_ns(l->share->loop); // silence of our own making
    link_set_timer(l, SHARE_AGAIN_NS);
}

void link_go_on(struct peer_link *l) {
    l->held_back = false;
    link_set_timer(l, l->resting ? SHARE_REST_NS : SHARE_TICK_NS);
    feed(l, (struct bytes){NULL, 0});
    if (!l->ended && !l->held_back) conn_resume(l->conn);
}

void link_rest(struct peer_link *l) {
    if (l->resting) return;
    l->resting = true;
    link_set_timer(l, SHARE_REST_NS);
}

/* ---- accepting ---- */

void share_admit(struct server *server, struct conn *c, void *context) {
    struct share *s = context;
    bool attested = bytes_equal_str(agreed(c), WIRE_ALPN_ATTESTED);
    if (agreed(c).n > 0 && !attested && !bytes_equal_str(agreed(c), WIRE_ALPN)) { // HTTP
        server_adopt(server, c);
        return;
    }
    struct peer_link *l = NULL;
    uint8_t client[16];
    socket_address_client(client, &c->peer);
    make_room(s, client);
    if (!s->stopping && s->link_count < SHARE_LINKS_MAX) l = link_new(s, false);
    if (!l) {
        metric_inc(s->accepted_refused);
        server_drop(server, c);
        return;
    }
    l->server = server;
    l->conn = c;
    memcpy(l->client, client, sizeof l->client);
    conn_rebind(c, &link_events, l);
    tune(c->watch.fd);
    link_set_timer(l, SHARE_HELLO_NS);
    link_hold(l);
    if (attested) {
        prove(l);
    } else {
        look(l); // bytes may have come with the handshake's last
    }
    link_release(l);
}
