/* Flow tool: sends bundles to orderflow programs, plays their builders, and the links between them,
 * and tells what arrived where, how often, how late. For test_orderflow_peers.py.
 *
 *     flow_tool COUNT RATE DELAY_MS LOSS SEED --node USER_URL --builder PORT ...
 *               --link NODE:NODE:PORT:ADDRESS ...
 *
 * Bundles of the published size distribution go to the nodes in turn. A link listens on PORT and
 * carries what NODE sends to another's ADDRESS, DELAY_MS later, both ways; LOSS of a thousand
 * pieces come a round trip later, and all behind them, as a retransmission holds a stream up.
 * Commands on the standard input, a line each: go         begin to send cut A B    nothing passes
 * between the two nodes any more (connections seem to stand) heal A B   what is under way passes
 * again skip A     no more bundles to that node;  use A  again stop       tell the result now The
 * result is one JSON object: told when every bundle that was answered is at every builder.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/list.h"
#include "base/random.h"
#include "eth/request_signature.h"
#include "eth/tx.h"
#include "net/client.h"
#include "net/server.h"
#include "json/write.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NODES_MAX 8
#define LINKS_MAX 64
#define MARK "feedfacecafebeef" /* before each bundle's number */
#define PIECES_MAX (64u << 20)  /* bytes under way on a link, each way */
#define PREPARED_MAX 200000u    /* of a longer run each is made when it is sent */
#define LINGER_NS (1500 * NS_PER_MS)

struct run;

struct node {
    struct run *run;
    unsigned index;
    struct client *client;
    struct server *builder;
    struct route route;
    uint8_t *seen;                 /* by number */
    double *late_own, *late_other; /* ms; of the node's own users, and of others' */
    size_t own_count, other_count;
    unsigned requests, strange;
    bool skip;
};

/* A piece of a stream, due at a time. */
struct piece {
    struct list_node node;
    uint64_t due_ns;
    size_t n, at;
    uint8_t data[];
};

struct carrier { /* one connection through a link: two ends */
    struct list_node node;
    struct link *link;
    struct conn end[2];
    bool open[2], closing[2];
    struct list pieces[2]; /* what goes to end i */
    size_t bytes[2];
    struct loop_timer timer;
};

struct link {
    struct run *run;
    unsigned from, to;
    struct socket_address target;
    int fd;
    struct loop_fd watch;
    struct list carriers;
    bool cut;
};

/* A request, signed before the run where there are not too many. */
struct prepared {
    struct buf body, signature;
    uint64_t sent_ns;
};

struct run {
    struct loop *loop;
    struct prepared *prepared; /* by number */
    uint64_t delay_ns;
    unsigned loss; /* of a thousand pieces */
    unsigned count, rate;
    struct node nodes[NODES_MAX];
    size_t node_count;
    struct link links[LINKS_MAX];
    size_t link_count;
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    struct random_fast random;
    unsigned next, open;
    uint8_t *acked, *origin; /* by number; origin: node + 1 */
    unsigned acked_count, unknown;
    uint64_t began_ns, complete_ns, bytes;
    struct loop_timer send_timer, look_timer;
    struct loop_fd commands;
    char line[200];
    size_t line_n;
    bool going, stopped;
};

struct call {
    struct node *node;
    unsigned number, status;
    bool answered;
};

static void die(const char *what, const struct error *why) {
    (void)fprintf(stderr, "flow_tool: %s: %s\n", what, why ? why->text : "");
    exit(2);
}

/* ---- the links ---- */

static void carrier_free(struct carrier *c) {
    list_remove(&c->node);
    loop_timer_clear(c->link->run->loop, &c->timer);
    for (int i = 0; i < 2; i++) {
        conn_close(&c->end[i]);
        for (struct list_node *n; (n = list_pop_front(&c->pieces[i])) != NULL;) {
            free(LIST_ENTRY(n, struct piece, node));
        }
    }
    free(c);
}

/* Passes on what is due, in its order. */
static void carry(struct loop_timer *t) {
    struct carrier *c = LIST_ENTRY(t, struct carrier, timer);
    struct loop *l = c->link->run->loop;
    uint64_t now = loop_now_ns(l), next = UINT64_MAX;
    for (int i = 0; i < 2 && !c->link->cut; i++) {
        while (c->open[i] && !list_is_empty(&c->pieces[i])) {
            struct piece *p = LIST_ENTRY(list_first(&c->pieces[i]), struct piece, node);
            if (p->due_ns > now) {
                if (p->due_ns < next) next = p->due_ns;
                break;
            }
            int r = conn_write(&c->end[i], bytes_make(p->data, p->n));
            c->bytes[i] -= p->n;
            list_remove(&p->node);
            free(p);
            if (r == ERR_AGAIN) break;
        }
        if (c->bytes[i] < PIECES_MAX) conn_resume(&c->end[1 - i]);
        if (c->closing[i] && list_is_empty(&c->pieces[i])) {
            carrier_free(c);
            return;
        }
    }
    if (next != UINT64_MAX) (void)!loop_timer_set(l, &c->timer, next, NULL);
}

static struct carrier *carrier_of(struct conn *c, int *ret_end) {
    struct carrier *k = c->owner;
    *ret_end = c == &k->end[1];
    return k;
}

static void on_open(struct conn *c) {
    int i;
    struct carrier *k = carrier_of(c, &i);
    k->open[i] = true;
    carry(&k->timer);
}

static void on_readable(struct conn *c) {
    int i;
    struct carrier *k = carrier_of(c, &i);
    struct run *r = k->link->run;
    uint8_t *room = loop_scratch(r->loop);
    ssize_t n;
    while ((n = conn_read(c, room, LOOP_SCRATCH_BYTES)) > 0) {
        struct piece *p = malloc(sizeof *p + (size_t)n);
        if (!p) die("memory", NULL);
        p->n = (size_t)n;
        p->due_ns = loop_now_ns(r->loop) + r->delay_ns;
        if (random_fast_below(&r->random, 1000) < r->loss) p->due_ns += 2 * r->delay_ns;
        memcpy(p->data, room, p->n);
        list_push_back(&k->pieces[1 - i], &p->node);
        k->bytes[1 - i] += p->n;
        if (k->bytes[1 - i] >= PIECES_MAX) {
            conn_pause(c);
            break;
        }
    }
    if (n != ERR_AGAIN && n <= 0) {
        k->closing[1 - i] = true; // after what is under way
        conn_pause(c);
    }
    if (!loop_timer_armed(&k->timer)) {
        (void)!loop_timer_set(r->loop, &k->timer, loop_now_ns(r->loop) + r->delay_ns, NULL);
    }
}

static void on_drained(struct conn *c) {
    int i;
    carry(&carrier_of(c, &i)->timer);
}

static void on_closed(struct conn *c, const struct error *why) {
    int i;
    (void)why;
    carrier_free(carrier_of(c, &i));
}

static const struct conn_events carrier_events = {on_open, on_readable, on_drained, on_closed};

static void on_accept(struct loop_fd *w, unsigned events) {
    struct link *l = LIST_ENTRY(w, struct link, watch);
    struct error why = {0};
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct carrier *c = calloc(1, sizeof *c);
    if (!c) die("memory", NULL);
    c->link = l;
    c->timer.fire = carry;
    list_init(&c->pieces[0]);
    list_init(&c->pieces[1]);
    list_push_back(&l->carriers, &c->node);
    c->open[0] = true;
    if (conn_accept(&c->end[0], l->run->loop, fd, NULL, NULL, &carrier_events, c, &why) != 0 ||
        conn_connect(&c->end[1], l->run->loop, &l->target, NULL, &carrier_events, c, &why) != 0) {
        carrier_free(c);
    }
}

static void set_cut(struct run *r, unsigned a, unsigned b, bool cut) {
    for (size_t i = 0; i < r->link_count; i++) {
        struct link *l = &r->links[i];
        if (!((l->from == a && l->to == b) || (l->from == b && l->to == a))) continue;
        l->cut = cut;
        list_each_safe(node, &l->carriers) {
            struct carrier *c = LIST_ENTRY(node, struct carrier, node);
            if (!cut) (void)!loop_timer_set(r->loop, &c->timer, loop_now_ns(r->loop), NULL);
        }
    }
}

/* ---- the builders ---- */

static uint64_t hex_number(const uint8_t *p) {
    uint8_t b[8];
    return hex_decode(b, bytes_make(p, 16), NULL) == 0 ? load_be64(b) : UINT64_MAX;
}

static void on_order(struct exchange *x, void *context) {
    struct node *n = context;
    struct run *r = n->run;
    struct bytes body = exchange_body(x);
    const uint8_t *at = memmem(body.p, body.n, MARK, strlen(MARK));
    n->requests++;
    uint64_t now = clock_wall_ns(&clock_system);
    if (at && at + 32 <= body.p + body.n) {
        uint64_t number = hex_number(at + 16);
        if (number < r->count) {
            double ms = (double)(now - r->prepared[number].sent_ns) * 1e-6;
            if (n->seen[number]++ == 0) {
                bool own = r->origin[number] == n->index + 1;
                if (own) n->late_own[n->own_count++] = ms;
                if (!own) n->late_other[n->other_count++] = ms;
            }
        } else {
            n->strange++;
        }
    } else {
        n->strange++;
    }
    exchange_respond_text(x, 200, "application/json",
                          BYTES_LIT("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"));
}

static void on_ready(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT("OK"));
}

/* ---- the users ---- */

/* Bytes of a bundle: 2,966 at the median, 19,376 at 90 %, 40,390 at 99 %, 6.9 KB on average. */
static size_t draw_size(struct run *r) {
    static const double q[] = {0, 0.5, 0.9, 0.99, 1}, size[] = {400, 2966, 19376, 40390, 60000};
    double u = random_fast_unit(&r->random);
    unsigned i = 0;
    while (i < 3 && u > q[i + 1]) {
        i++;
    }
    double part = (u - q[i]) / (q[i + 1] - q[i]);
    return (size_t)exp(log(size[i]) + part * (log(size[i + 1]) - log(size[i])));
}

static void make_request(struct run *r, struct buf *body, struct buf *signature, unsigned number,
                         struct arena *a) {
    struct error why = {0};
    size_t size = draw_size(r), n = size > 150 ? size - 120 : 30;
    uint8_t *data = arena_alloc(a, n);
    if (!data) die("memory", NULL);
    for (size_t i = 16; i < n; i++) {
        data[i] = (uint8_t)random_fast_u64(&r->random);
    }
    (void)!hex_decode(data, BYTES_LIT(MARK), NULL);
    store_be64(data + 8, number);
    struct tx tx = {.type = TX_FEE_MARKET,
                    .has_to = true,
                    .protected = true,
                    .chain_id = 1,
                    .nonce = number,
                    .gas = 21000 + n * 40,
                    .max_fee = {{1000000000, 0, 0, 0}},
                    .max_priority_fee = {{1, 0, 0, 0}},
                    .data = bytes_make(data, n)};
    if (tx_sign(&tx, r->signer, &r->key, a, &why) != 0) die("tx", &why);
    struct json_writer w;
    json_writer_init(&w, body, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "jsonrpc", "2.0");
    json_add_u64(&w, "id", number);
    json_add_str(&w, "method", "eth_sendBundle");
    json_begin_array(&w, "params");
    json_begin_object(&w, NULL);
    json_begin_array(&w, "txs");
    json_add_data(&w, NULL, tx.raw);
    json_end(&w);
    json_add_str(&w, "blockNumber", "0x1000000");
    json_end(&w);
    json_end(&w);
    json_end(&w);
    if (request_signature_make(signature, r->signer, &r->key, buf_view(body), &why) != 0) {
        die("signature", &why);
    }
    r->bytes += size;
}

static void on_response(struct client_call *k, void *context, const struct http_response *res) {
    (void)k;
    ((struct call *)context)->status = res->status;
}
static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct call *c = context;
    (void)k;
    c->answered |= memmem(in.p, in.n, "bundleHash", 10) != NULL;
}
static void on_end(struct client_call *k, void *context) {
    struct call *c = context;
    struct run *r = c->node->run;
    (void)k;
    r->open--;
    if (c->status == 200 && c->answered) {
        r->acked[c->number] = 1;
        r->acked_count++;
    } else {
        r->unknown++;
    }
    free(c);
}
static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct call *c = context;
    (void)k, (void)why;
    c->node->run->open--;
    c->node->run->unknown++; // it may have been taken, or not
    free(c);
}
static const struct client_events user_events = {on_response, on_body, on_end,
                                                 on_failed,   NULL,    NULL};

static void prepare(struct run *r, unsigned number) {
    struct prepared *p = &r->prepared[number];
    struct arena a;
    if (p->body.n > 0) return;
    arena_init(&a, 0);
    buf_init(&p->body, 0);
    buf_init(&p->signature, 0);
    make_request(r, &p->body, &p->signature, number, &a);
    arena_free(&a);
}

static void send_one(struct run *r) {
    struct node *n = NULL;
    for (unsigned i = 0; i < r->node_count && !n; i++) {
        struct node *candidate = &r->nodes[(r->next + i) % r->node_count];
        if (!candidate->skip) n = candidate;
    }
    if (!n) return;
    struct error why = {0};
    struct http_field fields[2];
    unsigned number = r->next++;
    struct prepared *p = &r->prepared[number];
    prepare(r, number);
    p->sent_ns = clock_wall_ns(&clock_system);
    r->origin[number] = (uint8_t)(n->index + 1);
    fields[0] = (struct http_field){.name = BYTES_LIT("content-type"),
                                    .value = BYTES_LIT("application/json")};
    fields[1] = (struct http_field){.name = BYTES_LIT("x-buildernet-signature"),
                                    .value = buf_view(&p->signature)};
    struct http_request q = {.method = HTTP_POST,
                             .method_text = BYTES_LIT("POST"),
                             .path = BYTES_LIT("/"),
                             .fields = {.item = fields, .count = 2, .capacity = 2}};
    struct call *c = calloc(1, sizeof *c);
    if (!c) die("memory", NULL);
    c->node = n;
    c->number = number;
    r->open++;
    if (client_start(NULL, n->client, &q, buf_view(&p->body), false, &user_events, c, &why) != 0) {
        r->open--;
        r->unknown++;
        free(c);
    }
    buf_free(&p->body);
    buf_free(&p->signature);
}

static void on_send(struct loop_timer *t) {
    struct run *r = LIST_ENTRY(t, struct run, send_timer);
    uint64_t now = loop_now_ns(r->loop);
    uint64_t due = (now - r->began_ns) * r->rate / NS_PER_S + 1;
    for (unsigned i = 0; r->next < r->count && r->next < due && i < 32; i++) {
        send_one(r);
    }
    if (r->next >= r->count) return;
    (void)!loop_timer_set(r->loop, t, now + NS_PER_MS, NULL);
}

/* ---- the end ---- */

static unsigned missing_at(const struct run *r, const struct node *n) {
    unsigned missing = 0;
    for (unsigned i = 0; i < r->next; i++) {
        missing += r->acked[i] && !n->seen[i];
    }
    return missing;
}

static void on_look(struct loop_timer *t) {
    struct run *r = LIST_ENTRY(t, struct run, look_timer);
    uint64_t now = loop_now_ns(r->loop);
    bool complete = r->next == r->count && r->open == 0;
    for (size_t i = 0; complete && i < r->node_count; i++) {
        complete = missing_at(r, &r->nodes[i]) == 0;
    }
    if (!complete) r->complete_ns = 0;
    if (complete && r->complete_ns == 0) r->complete_ns = now;
    // A little longer, for what comes twice.
    if (r->stopped || (complete && now - r->complete_ns >= LINGER_NS)) {
        loop_stop(r->loop);
        return;
    }
    (void)!loop_timer_set(r->loop, t, now + 50 * NS_PER_MS, NULL);
}

static void command(struct run *r, char *line) {
    unsigned a = 0, b = 0;
    char word[16] = "";
    int n = sscanf(line, "%15s %u %u", word, &a, &b);
    if (strcmp(word, "cut") == 0 && n == 3) set_cut(r, a, b, true);
    if (strcmp(word, "heal") == 0 && n == 3) set_cut(r, a, b, false);
    if (strcmp(word, "skip") == 0 && n == 2 && a < r->node_count) r->nodes[a].skip = true;
    if (strcmp(word, "use") == 0 && n == 2 && a < r->node_count) r->nodes[a].skip = false;
    if (strcmp(word, "go") == 0) r->going = true;
    if (strcmp(word, "stop") == 0) r->stopped = true;
}

static void on_command(struct loop_fd *w, unsigned events) {
    struct run *r = LIST_ENTRY(w, struct run, commands);
    (void)events;
    ssize_t n = read(w->fd, r->line + r->line_n, sizeof r->line - 1 - r->line_n);
    if (n <= 0) {
        loop_fd_remove(r->loop, w);
        return;
    }
    r->line_n += (size_t)n;
    r->line[r->line_n] = '\0';
    for (char *end; (end = strchr(r->line, '\n')) != NULL;) {
        *end = '\0';
        command(r, r->line);
        r->line_n -= (size_t)(end + 1 - r->line);
        memmove(r->line, end + 1, r->line_n + 1);
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void put_latency(struct json_writer *w, const char *key, double *v, size_t n) {
    static const struct {
        const char *name;
        double q;
    } rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    qsort(v, n, sizeof *v, by_value);
    json_begin_object(w, key);
    json_add_u64(w, "count", n);
    for (size_t i = 0; n > 0 && i < sizeof rows / sizeof *rows; i++) {
        size_t at = (size_t)(rows[i].q * (double)n);
        json_add_double(w, rows[i].name, round(v[at < n ? at : n - 1] * 1e3) / 1e3);
    }
    json_end(w);
}

static void tell(struct run *r) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "sent", r->next);
    json_add_u64(&w, "acknowledged", r->acked_count);
    json_add_u64(&w, "unknown", r->unknown);
    json_add_u64(&w, "average_bytes", r->next ? r->bytes / r->next : 0);
    json_add_double(&w, "seconds", (double)(loop_now_ns(r->loop) - r->began_ns) * 1e-9);
    json_begin_array(&w, "nodes");
    for (size_t i = 0; i < r->node_count; i++) {
        struct node *n = &r->nodes[i];
        unsigned twice = 0, arrived = 0;
        for (unsigned k = 0; k < r->next; k++) {
            twice += n->seen[k] > 1;
            arrived += n->seen[k] > 0;
        }
        json_begin_object(&w, NULL);
        json_add_u64(&w, "arrived", arrived);
        json_add_u64(&w, "missing", missing_at(r, n));
        json_add_u64(&w, "twice", twice);
        json_add_u64(&w, "strange", n->strange);
        put_latency(&w, "own_ms", n->late_own, n->own_count);
        put_latency(&w, "other_ms", n->late_other, n->other_count);
        for (size_t k = 0; k < n->other_count; k++) {
            n->late_other[k] -= (double)r->delay_ns * 1e-6;
        }
        put_latency(&w, "above_the_link_ms", n->late_other, n->other_count);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    (void)printf("%.*s\n", (int)out.n, (const char *)out.p);
    buf_free(&out);
}

/* ---- opening ---- */

static void open_node(struct run *r, const char *url, const char *port) {
    struct node *n = &r->nodes[r->node_count];
    struct error why = {0};
    char text[64];
    n->run = r;
    n->index = (unsigned)r->node_count++;
    n->seen = calloc(r->count, 1);
    n->late_own = calloc(r->count, sizeof *n->late_own);
    n->late_other = calloc(r->count, sizeof *n->late_other);
    const struct client_options o = {.url = url, .connections = 64, .waiting = 65536};
    if (client_new(&n->client, r->loop, &o, &why) != 0) die(url, &why);
    static struct route routes[NODES_MAX][2];
    routes[n->index][0] = (struct route){"POST", "/", on_order, n, 32u << 20, ROUTE_PREFIX};
    routes[n->index][1] = (struct route){"GET", "/", on_ready, n, 0, ROUTE_PREFIX};
    const struct server_options so = {.routes = routes[n->index], .route_count = 2};
    struct server_listener ln = {0};
    (void)snprintf(text, sizeof text, "127.0.0.1:%s", port);
    if (server_new(&n->builder, r->loop, &so, &why) != 0 ||
        socket_address_parse(&ln.address, bytes_from_str(text), 0, &why) != 0 ||
        server_listen(n->builder, NULL, &ln, &why) != 0) {
        die(port, &why);
    }
}

static void open_link(struct run *r, const char *text) {
    struct link *l = &r->links[r->link_count++];
    struct error why = {0};
    struct socket_address at;
    unsigned port;
    char target[64], own[64];
    if (sscanf(text, "%u:%u:%u:%63s", &l->from, &l->to, &port, target) != 4) die(text, NULL);
    (void)snprintf(own, sizeof own, "127.0.0.1:%u", port);
    l->run = r;
    list_init(&l->carriers);
    if (socket_address_parse(&l->target, bytes_from_str(target), 0, &why) != 0 ||
        socket_address_parse(&at, bytes_from_str(own), 0, &why) != 0 ||
        socket_listen(&l->fd, &at, &(struct socket_listen_options){0}, &why) != 0) {
        die(text, &why);
    }
    l->watch = (struct loop_fd){l->fd, LOOP_READ, on_accept};
    if (loop_fd_add(r->loop, &l->watch, &why) != 0) die(text, &why);
}

int main(int argc, char **argv) {
    static struct run r;
    struct error why = {0};
    const char *url = NULL;
    if (argc < 6)
        die("usage: flow_tool COUNT RATE DELAY_MS LOSS SEED --node URL --builder PORT ...", NULL);
    r.count = (unsigned)strtoul(argv[1], NULL, 10);
    r.rate = (unsigned)strtoul(argv[2], NULL, 10);
    r.delay_ns = strtoul(argv[3], NULL, 10) * NS_PER_MS;
    r.loss = (unsigned)strtoul(argv[4], NULL, 10);
    random_fast_seed(&r.random, strtoul(argv[5], NULL, 10));
    r.acked = calloc(r.count, 1);
    r.origin = calloc(r.count, 1);
    if (loop_new(&r.loop, NULL, &why) != 0 || ecdsa_signer_new(&r.signer, &why) != 0) {
        die("start", &why);
    }
    ecdsa_secret_key_new(&r.key);
    for (int i = 6; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--node") == 0) url = argv[i + 1];
        if (strcmp(argv[i], "--builder") == 0 && url) open_node(&r, url, argv[i + 1]);
        if (strcmp(argv[i], "--link") == 0) open_link(&r, argv[i + 1]);
    }
    (void)fcntl(0, F_SETFL, O_NONBLOCK);
    r.commands = (struct loop_fd){0, LOOP_READ, on_command};
    if (loop_fd_add(r.loop, &r.commands, &why) != 0) die("standard input", &why);
    r.prepared = calloc(r.count, sizeof *r.prepared);
    if (!r.prepared) die("memory", NULL);
    for (unsigned i = 0; i < r.count && r.count <= PREPARED_MAX; i++) {
        prepare(&r, i);
    }
    // Builders and links are there: nodes can be started; the bundles begin with "go".
    (void)printf("ready\n");
    (void)fflush(stdout);
    while (!r.going && !r.stopped) {
        if (loop_turn(r.loop, 10 * NS_PER_MS, &why) != 0) die("loop", &why);
    }
    r.began_ns = loop_now_ns(r.loop);
    r.send_timer.fire = on_send;
    r.look_timer.fire = on_look;
    on_send(&r.send_timer);
    on_look(&r.look_timer);
    if (loop_run(r.loop, &why) != 0) die("loop", &why);
    tell(&r);
    return 0;
}
