/* What sharing costs: orders a second and core over one kept mutual-TLS session of two nodes on two
 * threads, beside the encryption of the same bytes alone; how late an order comes at half of that
 * load; what a waiting order costs in memory. "messages_per_core" has what one core sends, what one
 * takes, and what one would do both for, by the CPU time of the two threads.
 *
 *     bench_orderflow_share [ORDERS]
 *
 * SPDX-License-Identifier: MIT */
#include "net/testing.h"
#include "orderflow/share_internal.h"
#include "test/harness/bench.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POOL 1024u  /* different orders */
#define AHEAD 4096u /* waiting for the peer at most */
#define LATENCY_NS (3 * NS_PER_S)

static struct error why;

struct node {
    const char *name;
    struct loop *loop;
    struct test_identity id;
    struct tls *tls;
    struct server *server;
    struct share *share;
    struct socket_address address;
    char address_text[SOCKET_TEXT_MAX];
    struct flow_identity identity;
    pthread_t thread;
    atomic_bool stop;
    atomic_ulong received;
    uint64_t cpu_ns;
    /* of the receiver */
    double *late_us;
    size_t late_max;
    /* of the sender */
    struct flow_order **orders;
    uint64_t to_send, sent;
    double per_ns; /* orders a nanosecond; 0: as fast as the peer takes them */
    uint64_t began_ns;
    struct loop_timer timer;
};

static uint64_t thread_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void on_received(void *context, const struct share_received *r, struct share_ticket *t) {
    struct node *n = context;
    unsigned long k = atomic_fetch_add_explicit(&n->received, 1, memory_order_relaxed);
    if (k < n->late_max) {
        uint64_t now = clock_wall_ns(&clock_system);
        n->late_us[k] = now > r->sent_ns ? (double)(now - r->sent_ns) * 1e-3 : 0;
    }
    share_answer(t, PEER_SUCCESS, NULL, NULL);
}

static void must(int r, const char *what) {
    if (r == 0) return;
    (void)fprintf(stderr, "%s: %s\n", what, why.text);
    exit(1);
}

static void node_open(struct node *n, const char *name) {
    memset(n, 0, sizeof *n);
    n->name = name;
    must(loop_new(&n->loop, NULL, &why), "loop");
    test_identity_make(&n->id, name);
    must(ecdsa_signer_new(&n->identity.signer, &why), "signer");
    ecdsa_secret_key_new(&n->identity.key);
    const struct share_options o = {.loop = n->loop,
                                    .name = name,
                                    .identity = &n->identity,
                                    .certificate = test_identity_of(&n->id),
                                    .received = on_received,
                                    .context = n};
    must(share_new(&n->share, &o, &why), "share");
    struct tls_options t = {.identity = test_identity_of(&n->id)};
    struct server_options so = {0};
    share_listener_tls(&t, SHARE_PINNED);
    must(tls_new(&n->tls, &t, &why), "tls");
    struct server_listener ln = {.admit = share_admit, .admit_context = n->share, .tls = n->tls};
    must(server_new(&n->server, n->loop, &so, &why), "server");
    must(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), "address");
    must(server_listen(n->server, &n->address, &ln, &why), "listener");
    socket_address_text(n->address_text, &n->address);
}

static void node_close(struct node *n) {
    share_free(n->share);
    server_free(n->server);
    tls_free(n->tls);
    loop_timer_clear(n->loop, &n->timer);
    loop_free(n->loop);
    ecdsa_signer_free(n->identity.signer);
    test_identity_free(&n->id);
}

static void know(struct node *n, const struct node *other) {
    const struct share_peer p = {.name = other->name,
                                 .address = other->address_text,
                                 .cert_pem = buf_view(&other->id.cert),
                                 .transport = SHARE_STREAM};
    must(share_set_peers(n->share, &p, 1, NULL, &why), "peers");
}

static struct flow_order *order_make(uint64_t number, size_t bytes) {
    struct arena a;
    struct flow_order *o;
    struct order order = {.method = ORDER_SEND_RAW_TX};
    const struct flow_order_facts facts = {
        .priority = ORDER_MEDIUM, .received_ns = clock_wall_ns(&clock_system), .bytes = bytes};
    arena_init(&a, 0);
    uint8_t *raw = arena_alloc(&a, bytes);
    store_be64(raw, number);
    order.raw = bytes_make(raw, bytes);
    must(flow_order_new(&o, &order, &facts, &a, &why), "order");
    return o;
}

/* ---- threads ---- */

static void on_timer(struct loop_timer *t) {
    struct node *n = LIST_ENTRY(t, struct node, timer);
    uint64_t now = clock_monotonic_ns(&clock_system), due = n->to_send;
    if (n->per_ns > 0) due = (uint64_t)((double)(now - n->began_ns) * n->per_ns);
    if (due > n->to_send) due = n->to_send;
    struct share_peer_stats s;
    (void)share_stats(n->share, &s, 1);
    while (n->sent < due && s.queued++ < AHEAD) {
        must(share_order(n->share, n->orders[n->sent++ % POOL], &why), "order");
    }
    if (n->sent < n->to_send) {
        must(loop_timer_set(n->loop, t, loop_now_ns(n->loop) + 100000, &why), "timer");
    }
}

static void *node_run(void *context) {
    struct node *n = context;
    uint64_t cpu = thread_cpu_ns();
    n->share->thread = (unsigned long)pthread_self();
    n->began_ns = clock_monotonic_ns(&clock_system);
    n->timer.fire = on_timer;
    if (n->orders) on_timer(&n->timer);
    while (!atomic_load(&n->stop)) {
        must(loop_turn(n->loop, NS_PER_MS, &why), "turn");
    }
    n->cpu_ns = thread_cpu_ns() - cpu;
    return NULL;
}

/* Sends `count` orders; gives the wall time. */
static uint64_t run(struct node *from, struct node *to, uint64_t count, double per_ns) {
    atomic_store(&from->stop, false);
    atomic_store(&to->stop, false);
    atomic_store(&to->received, 0);
    from->to_send = count;
    from->sent = 0;
    from->per_ns = per_ns;
    uint64_t start = bench_now_ns();
    must(pthread_create(&to->thread, NULL, node_run, to), "thread");
    must(pthread_create(&from->thread, NULL, node_run, from), "thread");
    while (atomic_load(&to->received) < count) {
        struct timespec pause = {0, 200000};
        (void)nanosleep(&pause, NULL);
    }
    uint64_t wall = bench_now_ns() - start;
    atomic_store(&from->stop, true);
    atomic_store(&to->stop, true);
    pthread_join(from->thread, NULL);
    pthread_join(to->thread, NULL);
    return wall;
}

/* ---- the limit: encryption alone, in records of 16 KiB ---- */

static struct {
    EVP_CIPHER_CTX *ctx;
    uint8_t in[16384], out[16384 + 32];
} aes;

static void encrypt_record(void *unused) {
    uint8_t iv[12] = {0}, key[16] = {0};
    int n;
    (void)unused;
    EVP_EncryptInit_ex(aes.ctx, EVP_aes_128_gcm(), NULL, key, iv);
    EVP_EncryptUpdate(aes.ctx, aes.out, &n, aes.in, sizeof aes.in);
    EVP_EncryptFinal_ex(aes.ctx, aes.out, &n);
}

static double limit_ns(size_t bytes) {
    if (!aes.ctx) aes.ctx = EVP_CIPHER_CTX_new();
    double record = bench_best_ns(encrypt_record, NULL, 100);
    return record * (double)(bytes + WIRE_ORDER_HEAD) / (double)sizeof aes.in;
}

/* ---- cases ---- */

static void orders_of(struct node *n, size_t bytes) {
    n->orders = calloc(POOL, sizeof(struct flow_order *));
    for (unsigned i = 0; i < POOL; i++) {
        n->orders[i] = order_make(i, bytes);
    }
}

static void orders_free(struct node *n) {
    for (unsigned i = 0; i < POOL; i++) {
        flow_order_release(n->orders[i]);
    }
    free(n->orders);
    n->orders = NULL;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void latency(struct node *a, struct node *b, double rate, const char *name) {
    uint64_t count = (uint64_t)(rate * (double)LATENCY_NS * 1e-9);
    b->late_us = calloc(count, sizeof *b->late_us);
    b->late_max = count;
    (void)run(a, b, count, rate * 1e-9);
    qsort(b->late_us, count, sizeof *b->late_us, by_value);
    (void)printf("{\"name\":\"%s_half_load_latency\",\"orders_per_s\":%.0f,\"p50_us\":%.1f,"
                 "\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
                 name, rate, b->late_us[count / 2], b->late_us[count * 9 / 10],
                 b->late_us[count * 99 / 100], b->late_us[count * 999 / 1000]);
    free(b->late_us);
    b->late_us = NULL;
    b->late_max = 0;
}

/* The session that both nodes keep: who proved himself how. */
static void print_session(const struct node *n, const char *key) {
    const struct peer *p = LIST_ENTRY(list_first(&n->share->peers), struct peer, node);
    SSL *tls = p->active->conn->tls;
    if (!tls || !SSL_get0_peer_certificate(tls)) {
        (void)fprintf(stderr, "%s has no certificate of its peer\n", n->name);
        exit(1);
    }
    (void)printf("\"%s\":\"%s %s, peer's certificate\"", key, SSL_get_version(tls),
                 SSL_get_cipher_name(tls));
}

/* Messages a second that one core sends, that one takes, and that one would do both for. */
static void print_per_core(const struct node *from, const struct node *to, size_t bytes,
                           const char *name, uint64_t count) {
    double sent = (double)from->cpu_ns / (double)count;
    double received = (double)to->cpu_ns / (double)count;
    (void)printf("{\"name\":\"%s_messages_per_core\",\"order_bytes\":%zu,\"sent_per_s\":%.0f,"
                 "\"received_per_s\":%.0f,\"sent_and_received_per_s\":%.0f,",
                 name, bytes, 1e9 / sent, 1e9 / received, 1e9 / (sent + received));
    print_session(from, "sender");
    (void)printf(",");
    print_session(to, "receiver");
    (void)printf("}\n");
    (void)fflush(stdout);
}

static void messages(size_t bytes, const char *name, uint64_t count) {
    struct node a, b;
    char text[80];
    node_open(&a, "a");
    node_open(&b, "b");
    know(&a, &b);
    know(&b, &a);
    orders_of(&a, bytes);
    (void)run(&a, &b, 1000, 0); // the session stands, buffers are there
    uint64_t wall = run(&a, &b, count, 0);
    double limit = limit_ns(bytes) * (double)count;
    (void)snprintf(text, sizeof text, "%s_send_cpu", name);
    bench_emit(text, (double)count, "orders", (double)a.cpu_ns, limit);
    (void)snprintf(text, sizeof text, "%s_receive_cpu", name);
    bench_emit(text, (double)count, "orders", (double)b.cpu_ns, limit);
    (void)snprintf(text, sizeof text, "%s_wall", name);
    bench_emit(text, (double)count, "orders", (double)wall, limit);
    print_per_core(&a, &b, bytes, name, count);
    latency(&a, &b, (double)count / ((double)wall * 1e-9) / 2, name);
    orders_free(&a);
    node_close(&a);
    node_close(&b);
}

static size_t resident_bytes(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    if (f) (void)fclose(f);
    return (size_t)pages * 4096;
}

/* Peers that are away: each holds every order, but only once in memory. */
static void memory(unsigned peers, unsigned orders) {
    struct node a, away;
    struct share_peer list[8];
    char names[8][8];
    node_open(&a, "a");
    node_open(&away, "z");
    for (unsigned i = 0; i < peers; i++) {
        (void)snprintf(names[i], sizeof names[i], "p%u", i);
        list[i] = (struct share_peer){.name = names[i],
                                      .address = "127.0.0.1:1",
                                      .cert_pem = buf_view(&away.id.cert),
                                      .transport = SHARE_STREAM};
    }
    must(share_set_peers(a.share, list, peers, NULL, &why), "peers");
    size_t before = resident_bytes();
    for (unsigned i = 0; i < orders; i++) {
        struct flow_order *o = order_make(i, 2300);
        must(share_order(a.share, o, &why), "order");
        flow_order_release(o);
    }
    size_t used = resident_bytes() - before;
    (void)printf("{\"name\":\"waiting_orders_memory\",\"peers\":%u,\"orders\":%u,"
                 "\"order_bytes\":2300,\"bytes_each\":%.0f}\n",
                 peers, orders, (double)used / orders);
    node_close(&a);
    node_close(&away);
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    messages(300, "order_300b", count);
    messages(2300, "order_2300b", count);
    messages(6900, "order_6900b", count / 2);
    memory(1, 10000);
    memory(8, 10000);
    EVP_CIPHER_CTX_free(aes.ctx);
    return 0;
}
