/* Ten thousand idle TLS connections in one server process: all held, all still answered, and what
 * each costs. SPDX-License-Identifier: MIT */
#include "net/server.h"
#include "net/testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_KIB_MAX 20 /* what is promised; 15.5 KiB were measured */
#define AT_ONCE 64      /* handshakes under way */
#define ASKED_AGAIN 97  /* one of so many */

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const unsigned wanted = SANITIZED ? 500 : 10000;

static void greet(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT("hello"));
}

/* ---- the server, a process of its own ---- */

static const struct route routes[] = {{"GET", "/", greet, NULL, 0, 0}};

[[gnu::noreturn]] static void serve(const struct test_identity *id, int report) {
    struct error why = {0};
    struct loop *l;
    struct server *s;
    struct socket_address bound;
    struct server_options o = {.routes = routes,
                               .route_count = 1,
                               .limits = {.connections = 2 * wanted, .idle_ns = 600 * NS_PER_S}};
    struct server_listener ln = {.tls = test_tls(&(struct tls_options){
                                     .role = TLS_SERVER, .identity = test_identity_of(id)})};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (loop_new(&l, NULL, &why) != 0 || server_new(&s, l, &o, &why) != 0 ||
        socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why) != 0 ||
        server_listen(s, &bound, &ln, &why) != 0) {
        _exit(1);
    }
    unsigned port = socket_address_port(&bound);
    if (write(report, &port, sizeof port) != sizeof port) _exit(1);
    _exit(loop_run(l, &why) == 0 ? 0 : 1);
}

static double rss_kib(pid_t pid) {
    char path[64];
    unsigned long pages = 0, all;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%lu %lu", &all, &pages) == 2);
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- clients ---- */

struct idle {
    struct conn conn;
    unsigned answers;
    bool open, closed;
};

static unsigned open_count;

static void idle_open(struct conn *c) {
    ((struct idle *)c->owner)->open = true;
    open_count++;
}
static void idle_readable(struct conn *c) {
    struct idle *i = c->owner;
    char text[512];
    ssize_t n;
    while ((n = conn_read(c, text, sizeof text - 1)) > 0) {
        text[n] = '\0';
        if (strstr(text, "hello")) i->answers++;
    }
    if (n == ERR_AGAIN) return;
    i->closed = true;
    conn_close(c);
}
static void idle_closed(struct conn *c, const struct error *why) {
    (void)why;
    ((struct idle *)c->owner)->closed = true;
    conn_close(c);
}
static const struct conn_events idle_events = {idle_open, idle_readable, NULL, idle_closed};

static void ask(struct idle *i) {
    CHECK(conn_write(&i->conn, BYTES_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) == 0);
}

static unsigned closed_of(const struct idle *all, unsigned n) {
    unsigned closed = 0;
    for (unsigned i = 0; i < n; i++)
        closed += all[i].closed;
    return closed;
}

// Opens them in batches; each asks once, as a peer does before it falls silent.
static void open_all(struct loop *l, struct tls *t, const struct socket_address *a,
                     struct idle *all) {
    struct error why = {0};
    for (unsigned n = 0; n < wanted;) {
        unsigned end = n + AT_ONCE < wanted ? n + AT_ONCE : wanted;
        for (unsigned i = n; i < end; i++) {
            SSL *session;
            CHECK_OK(tls_session_new(&session, t, NULL, &why), &why);
            CHECK_OK(conn_connect(&all[i].conn, l, a, session, &idle_events, &all[i], &why), &why);
        }
        TURN_UNTIL_WITHIN(l, 30, open_count >= end || closed_of(all, end) > 0);
        for (unsigned i = n; i < end; i++)
            ask(&all[i]);
        for (unsigned i = n; i < end; i++) // two answers that come together would count as one
            TURN_UNTIL_WITHIN(l, 30, all[i].answers > 0 || all[i].closed);
        n = end;
    }
}

static void need_descriptors(rlim_t count) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= count) return;
    if (limit.rlim_max < count) limit.rlim_max = count; // root may
    limit.rlim_cur = count;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        SKIP("this user may not open %llu files", (unsigned long long)count);
    }
}

TEST(ten_thousand_idle_tls_connections_are_held) {
    struct error why = {0};
    struct test_identity id;
    struct loop *l;
    int report[2];
    unsigned port = 0;
    char text[64];
    struct socket_address a;
    need_descriptors(wanted + 100);
    test_identity_make(&id, "localhost");
    CHECK(pipe(report) == 0);
    (void)fflush(stdout);
    pid_t server = fork();
    CHECK(server >= 0);
    if (server == 0) serve(&id, report[1]);
    CHECK(read(report[0], &port, sizeof port) == sizeof port);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", port);
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    struct tls *t = test_tls(&(struct tls_options){
        .role = TLS_CLIENT, .trust = TLS_TRUST_PINS, .pins = &id.fingerprint, .pin_count = 1});
    struct idle *all = calloc(wanted, sizeof *all);
    CHECK(all != NULL);
    double before = rss_kib(server);
    open_all(l, t, &a, all);
    double each = (rss_kib(server) - before) / wanted;
    CHECK_U64(open_count, wanted);
    CHECK_U64(closed_of(all, wanted), 0);

    // Old ones and new ones are still spoken to.
    for (unsigned i = 0; i < wanted; i += ASKED_AGAIN)
        ask(&all[i]);
    for (unsigned i = 0; i < wanted; i += ASKED_AGAIN)
        TURN_UNTIL_WITHIN(l, 30, all[i].answers == 2 || all[i].closed);
    CHECK_U64(closed_of(all, wanted), 0);
    (void)printf("    %u connections, %.1f KiB each\n", wanted, each);
    if (!SANITIZED && each > IDLE_KIB_MAX) FAIL("%.1f KiB a connection", each);

    for (unsigned i = 0; i < wanted; i++)
        conn_close(&all[i].conn);
    free(all);
    tls_free(t);
    loop_free(l);
    CHECK(kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server);
    (void)close(report[0]);
    (void)close(report[1]);
    test_identity_free(&id);
}

TEST_MAIN()
