/* The set of peers: what the hub's list makes of them, their TLS, their counters.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

#include "net/certificate.h"
#include "orderflow/peer_wire.h"

#include <stdio.h>
#include <stdlib.h>

#define PEER_METRICS(X)                                                                            \
    X(PEER_UP, METRIC_GAUGE, "orderflow_peer_up", "A session with the peer stands.", "peer")       \
    X(PEER_SENT, METRIC_COUNTER, "orderflow_peer_sent_total", "Orders sent, repeats too.", "peer") \
    X(PEER_RESENT, METRIC_COUNTER, "orderflow_peer_resent_total",                                  \
      "Orders sent again after a lost session.", "peer")                                           \
    X(PEER_ACKNOWLEDGED, METRIC_COUNTER, "orderflow_peer_acknowledged_total",                      \
      "Orders that the peer has taken.", "peer")                                                   \
    X(PEER_REFUSED, METRIC_COUNTER, "orderflow_peer_refused_total",                                \
      "Orders that the peer refused.", "peer")                                                     \
    X(PEER_EXPIRED, METRIC_COUNTER, "orderflow_peer_expired_total",                                \
      "Orders whose last block passed before the peer had taken them.", "peer")                    \
    X(PEER_DROPPED, METRIC_COUNTER, "orderflow_peer_dropped_total",                                \
      "Orders for which neither memory nor disk had room.", "peer")                                \
    X(PEER_QUEUED, METRIC_GAUGE, "orderflow_peer_queued", "Orders in memory, sent ones too.",      \
      "peer")                                                                                      \
    X(PEER_QUEUED_BYTES, METRIC_GAUGE, "orderflow_peer_queued_bytes", "Their bytes.", "peer")      \
    X(PEER_SPILLED_BYTES, METRIC_GAUGE, "orderflow_peer_spilled_bytes", "Bytes spilled to disk.",  \
      "peer")                                                                                      \
    X(PEER_ACK_SECONDS, METRIC_SUMMARY, "orderflow_peer_acknowledge_seconds",                      \
      "From sending an order to its acknowledgement.", "peer")                                     \
    X(PEER_ROUND_TRIP, METRIC_GAUGE, "orderflow_peer_round_trip_seconds",                          \
      "Of the last ping over the peer's stream.", "peer")                                          \
    X(PEER_RECEIVED, METRIC_COUNTER, "orderflow_peer_received_total", "Orders of the peer.",       \
      "peer")                                                                                      \
    X(PEER_DUPLICATES, METRIC_COUNTER, "orderflow_peer_duplicates_total",                          \
      "Orders of the peer that a stream brought twice.", "peer")                                   \
    X(PEER_LATENCY, METRIC_SUMMARY, "orderflow_peer_one_way_seconds",                              \
      "From the peer's sending to the arrival here, by the difference of the clocks.", "peer")     \
    X(PEER_STALLING, METRIC_COUNTER, "orderflow_proxy_share_queue_peer_stalling_errors",           \
      "Orders dropped: the first generation's name.", "peer")                                      \
    X(PEER_ATTESTED, METRIC_GAUGE, "orderflow_peer_attested",                                      \
      "The session's peer has given evidence that the policy accepts.", "peer")
#define PEER_ROW_(id, type_, name_, help_, labels_)                                                \
    [id] = {.name = (name_), .type = (type_), .help = (help_), .labels = (labels_)},
static const struct metric_desc peer_metrics[] = {PEER_METRICS(PEER_ROW_)};

/* ---- TLS ---- */

static const char *const dial_protocols[] = {WIRE_ALPN, "h2", "http/1.1", NULL};
static const char *const http_protocols[] = {"h2", "http/1.1", NULL};
static const char *const mixed_protocols[] = {WIRE_ALPN_ATTESTED, "h2", "http/1.1", NULL};
static const char *const attested_protocols[] = {WIRE_ALPN_ATTESTED, NULL};

static int on_verify(SSL *session, X509 *leaf, STACK_OF(X509) * chain, void *user,
                     struct error *why) {
    (void)session, (void)leaf, (void)chain, (void)user, (void)why;
    return 0; // possession of the key is proved; whose it is, is asked when it matters
}

void share_listener_tls(struct tls_options *o, enum share_evidence evidence) {
    static const struct tls_hooks hooks = {.verify = on_verify};
    o->role = TLS_SERVER;
    o->trust = TLS_TRUST_HOOK;
    o->peer_optional = true;
    o->hooks = &hooks;
    o->alpn = evidence == SHARE_PINNED ? dial_protocols : mixed_protocols;
}

static const char *const *protocols_of(const struct peer *p) {
    enum share_evidence e = p->share->options.evidence;
    if (e == SHARE_REQUIRED) return attested_protocols;
    if (p->configured == SHARE_HTTP) return http_protocols;
    if (p->configured == SHARE_FRAMES) return NULL;
    return e == SHARE_PINNED ? dial_protocols : mixed_protocols;
}

static int renew_tls(struct peer *p, struct error *why) {
    struct share *s = p->share;
    struct tls_options o = {.role = TLS_CLIENT,
                            .identity = {buf_view(&s->cert_pem), buf_view(&s->key_pem)},
                            .trust = TLS_TRUST_PINS,
                            .pins = p->pins,
                            .pin_count = p->pin_count,
                            .alpn = protocols_of(p),
                            .clock = s->clock};
    if (p->pin_count == 0) return 0;
    if (s->options.evidence != SHARE_PINNED) o.min_version = TLS1_3_VERSION;
    return p->tls ? tls_reload(p->tls, &o, why) : tls_new(&p->tls, &o, why);
}

static bool key_of(struct hash *ret, const X509 *cert) {
    unsigned n = sizeof ret->b;
    return X509_pubkey_digest(cert, EVP_sha256(), ret->b, &n) == 1;
}

void share_note_key(struct share *s) {
    X509 *cert;
    s->has_own_key = false;
    if (s->cert_pem.n == 0 || certificate_parse(&cert, buf_view(&s->cert_pem), NULL) != 0) return;
    s->has_own_key = key_of(&s->own_key, cert);
    X509_free(cert);
}

int share_set_certificate(struct share *s, struct tls_identity identity, struct error *why) {
    struct buf cert = s->cert_pem, key = s->key_pem;
    buf_init(&s->cert_pem, 0);
    buf_init(&s->key_pem, 0);
    buf_append(&s->cert_pem, identity.cert_pem);
    buf_append(&s->key_pem, identity.key_pem);
    int r = buf_check(&s->cert_pem, why);
    if (r == 0) r = buf_check(&s->key_pem, why);
    list_each(node, &s->peers) {
        if (r == 0) r = renew_tls(LIST_ENTRY(node, struct peer, node), why);
    }
    struct buf *old_cert = &cert, *old_key = &key;
    if (r == 0) share_note_key(s);
    if (r != 0) { // the old one stays; what was renewed is renewed back
        struct buf bad_cert = s->cert_pem, bad_key = s->key_pem;
        s->cert_pem = cert;
        s->key_pem = key;
        cert = bad_cert;
        key = bad_key;
        list_each(node, &s->peers) {
            (void)!renew_tls(LIST_ENTRY(node, struct peer, node), NULL);
        }
    }
    if (old_key->n) bytes_wipe(old_key->p, old_key->n);
    buf_free(old_cert);
    buf_free(old_key);
    return r;
}

/* ---- one peer ---- */

struct peer *peer_hold(struct peer *p) {
    p->holds++;
    return p;
}

void peer_release(struct peer *p) {
    if (--p->holds > 0) return;
    peer_inbox_free(&p->inbox);
    peer_outbox_free(&p->outbox);
    tls_free(p->tls);
    free(p->host);
    free(p->address);
    free(p);
}

static int open_spill(struct spill **ret, const struct share *s, struct error *why) {
    const struct spill_options o = {.folder = s->options.spill_folder,
                                    .bytes_max = s->options.spill_bytes_max};
    *ret = NULL;
    return o.folder ? spill_open(ret, &o, why) : 0;
}

static struct peer *peer_new(struct share *s, const char *name, struct error *why) {
    struct spill *spill;
    struct peer *p = calloc(1, sizeof *p);
    if (!p) {
        error_set(why, ERR_NO_MEMORY, "no memory for a peer");
        return NULL;
    }
    if (open_spill(&spill, s, why) != 0) {
        free(p);
        return NULL;
    }
    p->holds = 1;
    p->share = s;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    random_bytes(&p->stream, sizeof p->stream);
    peer_inbox_init(&p->inbox);
    peer_outbox_init(&p->outbox, s->options.queue_orders, s->options.queue_bytes, spill,
                     &share_order_actions);
    const char *label = p->name;
    for (size_t i = 0; i < sizeof peer_metrics / sizeof *peer_metrics; i++) {
        p->metric[i] = metrics_get(s->options.metrics, &peer_metrics[i], &label);
    }
    forward_metrics_open(&p->forward, s->options.metrics, p->name);
    list_push_back(&s->peers, &p->node);
    s->peer_count++;
    return p;
}

static void remove_peer(struct peer *p) {
    struct share *s = p->share;
    p->removed = true;
    list_remove(&p->node);
    list_remove(&p->pump_node);
    s->peer_count--;
    peer_dial_stop(p);
    list_each_safe(node, &s->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        if (l->peer != p) continue;
        if (l->kind == LINK_STREAM) link_stream_bye(l, WIRE_BYE_END);
        link_end(l, NULL);
        node_next = s->links.head.next; // the callbacks may have ended others
    }
    peer_http_free(p->http);
    p->http = NULL;
    share_count(p);
    const enum peer_metric now[] = {PEER_UP, PEER_QUEUED, PEER_QUEUED_BYTES, PEER_SPILLED_BYTES};
    for (size_t i = 0; i < sizeof now / sizeof *now; i++) {
        metric_set(p->metric[now[i]], 0); // the name's, which may never come again
    }
    peer_release(p);
}

void share_count(struct peer *p) {
    const struct outbox_stats *now = &p->outbox.stats;
    struct outbox_stats *told = &p->told;
    metric_add(p->metric[PEER_SENT], now->sent - told->sent);
    metric_add(p->metric[PEER_RESENT], now->resent - told->resent);
    metric_add(p->metric[PEER_ACKNOWLEDGED], now->acknowledged - told->acknowledged);
    metric_add(p->metric[PEER_REFUSED], now->refused - told->refused);
    metric_add(p->metric[PEER_EXPIRED], now->expired - told->expired);
    metric_add(p->metric[PEER_DROPPED], now->dropped - told->dropped);
    metric_add(p->metric[PEER_STALLING], now->dropped - told->dropped);
    if (now->dropped > told->dropped) {
        log_warn(p->share->log, "orders_dropped", F_STR("peer", p->name),
                 F_U64("orders", now->dropped - told->dropped));
    }
    *told = *now;
    if (p->http) forward_in_flight(&p->forward, FORWARD_HTTP, p->outbox.unanswered);
    if (p->active) {
        forward_in_flight(&p->forward, FORWARD_TCP, p->outbox.unanswered);
        forward_socket(&p->forward, p->active->conn->watch.fd);
    }
    metric_set(p->metric[PEER_QUEUED], (double)peer_outbox_count(&p->outbox));
    metric_set(p->metric[PEER_QUEUED_BYTES], (double)p->outbox.bytes);
    metric_set(p->metric[PEER_SPILLED_BYTES], (double)spill_bytes(p->outbox.spill));
}

/* ---- the set ---- */

/* Splits "host", "host:port", "[ipv6]:port", a bare IPv6 address. */
static int split_address(char **ret_host, unsigned *ret_port, const char *address,
                         struct error *why) {
    struct bytes text = bytes_from_str(address);
    const char *colon = address ? strrchr(address, ':') : NULL;
    bool bare6 = colon && strchr(address, ':') != colon && address[0] != '[';
    bool port_given = colon && !bare6 && colon[1] != '\0' && strchr(colon, ']') == NULL;
    char *end = NULL;
    *ret_port = SHARE_PORT;
    if (text.n == 0) return error_set(why, ERR_INVALID, "no address");
    if (port_given) {
        unsigned long port = strtoul(colon + 1, &end, 10);
        if (*end != '\0' || port == 0 || port > 65535) {
            return error_set(why, ERR_RANGE, "a wrong port in the address");
        }
        *ret_port = (unsigned)port;
        text = bytes_slice(text, 0, (size_t)(colon - address));
    }
    if (text.n > 1 && text.p[0] == '[') text = bytes_slice(text, 1, text.n - 2);
    if (text.n == 0 || text.n > RESOLVER_NAME_MAX) {
        return error_set(why, ERR_INVALID, "no host in the address");
    }
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '/') {
            return error_set(why, ERR_INVALID, "a host name has letters, digits, dots, dashes");
        }
    }
    *ret_host = strndup((const char *)text.p, text.n);
    return *ret_host ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a peer");
}

struct wanted {
    char *host, *address;
    unsigned port;
    struct hash pins[SHARE_PINS_MAX];
    size_t pin_count;
};

/* The node's own key under another name: it would dial itself for ever, and queue its orders. */
static int read_pin(struct wanted *w, const struct share *s, struct bytes pem, struct error *why) {
    X509 *cert;
    struct hash key;
    int r = certificate_parse(&cert, pem, why);
    if (r != 0) return r;
    if (s->has_own_key && key_of(&key, cert) && hash_equal(&key, &s->own_key)) {
        X509_free(cert);
        return error_set(why, ERR_CONFLICT, "its certificate has this node's own key");
    }
    certificate_fingerprint(&w->pins[w->pin_count], cert);
    if (w->pin_count == 0 || !hash_equal(&w->pins[0], &w->pins[w->pin_count])) w->pin_count++;
    X509_free(cert);
    return 0;
}

static int judge(struct wanted *w, const struct share *s, const struct share_peer *in,
                 struct error *why) {
    struct bytes name = bytes_from_str(in->name);
    *w = (struct wanted){0};
    if (name.n == 0 || name.n >= FLOW_PEER_NAME_MAX) {
        return error_set(why, ERR_INVALID, "a name has 1 to %u bytes", FLOW_PEER_NAME_MAX - 1);
    }
    if (in->cert_pem.n + in->cert_pem_more.n == 0 && !s->options.allow_plain) {
        return error_set(why, ERR_UNTRUSTED, "the hub has no certificate of it");
    }
    int r = in->cert_pem.n ? read_pin(w, s, in->cert_pem, why) : 0;
    if (r == 0 && in->cert_pem_more.n) r = read_pin(w, s, in->cert_pem_more, why);
    if (r == 0) r = split_address(&w->address, &w->port, in->address, why);
    if (r == 0) {
        w->host = strdup(in->host && *in->host ? in->host : w->address);
        if (!w->host) r = error_set(why, ERR_NO_MEMORY, "no memory for a peer");
    }
    return r;
}

/* Sessions that the old certificate has proved go on for a while: rotation breaks nothing. */
static void mark_old(struct peer *p) {
    struct hash shown;
    list_each(node, &p->share->links) {
        struct peer_link *l = LIST_ENTRY(node, struct peer_link, node);
        if (l->peer != p) continue;
        bool listed = link_certificate(&shown, l) && peer_has_pin(p, &shown);
        if (listed || p->pin_count == 0) {
            l->old_ns = 0;
        } else if (l->old_ns == 0) {
            l->old_ns = loop_now_ns(p->share->loop);
        }
    }
}

static void take(char **to, char **from) {
    free(*to);
    *to = *from;
    *from = NULL;
}

/* Makes a peer what the list says; what did not change goes on. */
static int update(struct peer *p, struct wanted *w, const struct share_peer *in, bool fresh,
                  struct error *why) {
    bool moved = fresh || strcmp(p->address, w->address) != 0 || p->port != w->port ||
                 p->configured != in->transport;
    bool certified = fresh || p->pin_count != w->pin_count ||
                     memcmp(p->pins, w->pins, sizeof p->pins) != 0 || strcmp(p->host, w->host) != 0;
    if (!moved && !certified) return 0;
    take(&p->host, &w->host);
    take(&p->address, &w->address);
    p->port = w->port;
    memcpy(p->pins, w->pins, sizeof p->pins);
    p->pin_count = w->pin_count;
    p->configured = in->transport;
    if (p->pin_count == 0) {
        tls_free(p->tls);
        p->tls = NULL;
    }
    int r = renew_tls(p, why);
    if (r != 0) return r;
    mark_old(p);
    if (moved && p->active && p->active->dialed) link_end(p->active, NULL);
    if (moved || p->http) {
        peer_http_free(p->http);
        p->http = NULL;
    }
    p->failures = 0;
    peer_dial_soon(p, 0);
    return 0;
}

static int set_one(struct share *s, const struct share_peer *in, struct error *why) {
    struct wanted w = {0};
    const char *name = in->name ? in->name : "";
    struct peer *p = share_find_name(s, name);
    bool fresh = !p;
    int r = 0;
    // All that is cheap comes before its certificate is read: a list may be of any length.
    if (s->name[0] && strcmp(name, s->name) == 0) {
        r = error_set(why, ERR_CANCELLED, "this is the node itself");
    } else if (p && p->kept) {
        r = error_set(why, ERR_CONFLICT, "the name stands twice in the list");
    } else if (fresh && s->peer_count >= SHARE_PEERS_MAX) {
        r = error_set(why, ERR_LIMIT, "more than %u peers", SHARE_PEERS_MAX);
    } else {
        r = judge(&w, s, in, why);
    }
    if (r == 0 && fresh) {
        p = peer_new(s, in->name, why);
        if (!p) r = why->code ? (int)why->code : ERR_INTERNAL;
    }
    if (r == 0) r = update(p, &w, in, fresh, why);
    if (r == 0) p->kept = true;
    if (r == 0 && fresh) share_greet(p);
    free(w.host);
    free(w.address);
    return r;
}

int share_set_peers(struct share *s, const struct share_peer *peers, size_t count, size_t *ret_used,
                    struct error *why) {
    size_t used = 0;
    int status = 0;
    list_each(node, &s->peers) {
        LIST_ENTRY(node, struct peer, node)->kept = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct error reason = {0};
        int r = set_one(s, &peers[i], &reason);
        used += r == 0;
        if (r == 0 || r == ERR_CANCELLED) continue; // the node itself is no peer
        // One that cannot be used keeps nobody else from being reached.
        metric_inc(s->skipped);
        log_warn(s->log, "peer_skipped", F_STR("peer", peers[i].name), F_ERR(&reason));
        if (r == ERR_NO_MEMORY) status = error_set(why, ERR_NO_MEMORY, "%s", reason.text);
    }
    list_each_safe(node, &s->peers) {
        struct peer *p = LIST_ENTRY(node, struct peer, node);
        if (!p->kept) remove_peer(p);
    }
    share_update_wants(s);
    if (ret_used) *ret_used = used;
    return status;
}

void share_count_skipped(struct share *s, size_t count) {
    metric_add(s->skipped, count);
}

void share_update_wants(struct share *s) {
    bool first = false, bitcode = false;
    list_each(node, &s->peers) {
        const struct peer *p = LIST_ENTRY(node, struct peer, node);
        first |= p->spoken == SHARE_HTTP;
        bitcode |= p->spoken == SHARE_FRAMES;
    }
    atomic_store_explicit(&s->wants_first, first, memory_order_relaxed);
    atomic_store_explicit(&s->wants_bitcode, bitcode, memory_order_relaxed);
}

bool peer_has_pin(const struct peer *p, const struct hash *fingerprint) {
    for (size_t i = 0; i < p->pin_count; i++) {
        if (hash_equal(&p->pins[i], fingerprint)) return true;
    }
    return false;
}

struct peer *share_find_name(struct share *s, const char *name) {
    list_each(node, &s->peers) {
        struct peer *p = LIST_ENTRY(node, struct peer, node);
        if (strcmp(p->name, name) == 0) return p;
    }
    return NULL;
}

struct peer *share_find(struct share *s, const struct hash *fingerprint, struct bytes name) {
    struct peer *found = NULL;
    list_each(node, &s->peers) {
        struct peer *p = LIST_ENTRY(node, struct peer, node);
        if (!peer_has_pin(p, fingerprint)) continue;
        if (bytes_equal_str(name, p->name)) return p;
        if (!found) found = p;
    }
    return found;
}
