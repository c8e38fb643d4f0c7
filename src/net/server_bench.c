/* What a request costs: the echo of a 1 KB POST over TLS, HTTP/1.1 and HTTP/2, and the same
 * through the reverse proxy, beside nginx in the same rotation; memory of an idle connection; the
 * mutual-TLS handshake. Load comes from wrk and h2load on another processor. CPU time of the
 * serving process a request is the steady figure, wall time the noisy one.
 *
 *     bench_net_server [SECONDS [ROUNDS]]
 *
 * SPDX-License-Identifier: MIT */
#include "net/proxy.h"
#include "net/service.h"
#include "net/testing.h"
#include "test/harness/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_BYTES 1024

static char folder[64];
static struct test_identity id;
static int seconds = 3, rounds = 3;
static size_t spare_cpu;

struct served {
    pid_t pid;
    unsigned port;
    const char *name;
};

struct result {
    double cpu_us, rate, p50_us, p99_us;
};

/* ---- small helpers ---- */

static void pin(size_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void write_file(const char *name, struct bytes data) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data.p, data.n) != (ssize_t)data.n) exit(1);
    close(fd);
}

/* User and system time of a process and its children-by-fork, in us. */
static double cpu_us_of(pid_t pid) {
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *p = strrchr(text, ')');
    if (p) sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double rss_kib_of(pid_t pid) {
    char path[64];
    unsigned long pages = 0, skip;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lu %lu", &skip, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static unsigned free_port(void) {
    struct socket_address a;
    struct error why = {0};
    int fd;
    if (socket_address_parse(&a, BYTES_LIT("127.0.0.1:0"), 0, &why) < 0 ||
        socket_listen(&fd, &a, NULL, &why) < 0 || socket_local(&a, fd, &why) < 0) {
        exit(1);
    }
    close(fd);
    return socket_address_port(&a);
}

/* ---- our servers, each a child process on processor 0 ---- */

static void on_echo(struct exchange *x, void *context) {
    (void)context;
    exchange_respond_text(x, 200, "application/json", exchange_body(x));
}

static struct tls *serving_tls(bool mutual) {
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    struct tls_options o = {.role = TLS_SERVER, .identity = test_identity_of(&id), .alpn = alpn};
    if (mutual) {
        o.trust = TLS_TRUST_PINS;
        o.pins = &id.fingerprint;
        o.pin_count = 1;
    }
    return test_tls(&o);
}

static void serve(const struct served *s, bool secure, bool mutual, unsigned upstream, size_t cpu) {
    struct error why = {0};
    struct loop *l;
    struct server *server;
    struct proxy *proxy = NULL;
    struct client *origin = NULL;
    struct service *v;
    char text[64];
    struct server_listener ln = {.tls = secure ? serving_tls(mutual) : NULL};
    struct route route = {"*", "/", on_echo, NULL, 0, ROUTE_PREFIX};
    pin(cpu);
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    if (upstream) {
        snprintf(text, sizeof text, "http://127.0.0.1:%u", upstream);
        struct client_options co = {.url = text, .connections = 128};
        CHECK_OK(client_new(&origin, l, &co, &why), &why);
        CHECK_OK(proxy_new(&proxy, &(struct proxy_options){.origin = origin}, &why), &why);
        route =
            (struct route){"*", "/", proxy_handle, proxy, UINT64_MAX, ROUTE_PREFIX | ROUTE_STREAM};
    }
    struct server_options o = {
        .routes = &route, .route_count = 1, .limits = {.connections = 100000}};
    CHECK_OK(server_new(&server, l, &o, &why), &why);
    snprintf(text, sizeof text, "127.0.0.1:%u", s->port);
    CHECK_OK(socket_address_parse(&ln.address, bytes_from_str(text), 0, &why), &why);
    CHECK_OK(server_listen(server, NULL, &ln, &why), &why);
    CHECK_OK(service_new(&v, l, &(struct service_options){.name = s->name, .drain_ns = 1}, &why),
             &why);
    CHECK_OK(service_add_server(v, server, &why), &why);
    CHECK_OK(service_run(v, &why), &why);
    _exit(0);
}

static struct served start(const char *name, bool secure, bool mutual, unsigned upstream,
                           size_t cpu) {
    struct served s = {.port = free_port(), .name = name};
    s.pid = fork();
    if (s.pid == 0) serve(&s, secure, mutual, upstream, cpu);
    usleep(200000);
    return s;
}

static void stop(const struct served *s) {
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

/* ---- nginx doing the same ---- */

static bool have(const char *program) {
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

static struct served start_nginx(unsigned upstream) {
    struct served s = {.port = free_port(), .name = "nginx"};
    struct buf conf = {0};
    buf_printf(&conf,
               "daemon off; worker_processes 1; worker_cpu_affinity 1; pid %s/nginx.pid;\n"
               "error_log %s/error.log crit;\nevents { worker_connections 20000; }\nhttp {\n"
               "access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;\n"
               "client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/f;\n"
               "uwsgi_temp_path %s/u; scgi_temp_path %s/s;\n",
               folder, folder, folder, folder, folder, folder, folder);
    if (upstream) {
        buf_printf(&conf,
                   "upstream u { server 127.0.0.1:%u; keepalive 128; "
                   "keepalive_requests 1000000000; }\n",
                   upstream);
    }
    buf_printf(&conf,
               "server { listen 127.0.0.1:%u ssl http2; ssl_certificate %s/cert.pem;\n"
               "ssl_certificate_key %s/key.pem; ssl_protocols TLSv1.2 TLSv1.3;\nlocation / {\n",
               s.port, folder, folder);
    if (upstream) {
        buf_append_str(&conf, "proxy_pass http://u; proxy_http_version 1.1; "
                              "proxy_set_header Connection \"\";\n");
    } else {
        buf_append_str(&conf, "default_type application/json; return 200 \"");
        buf_append_fill(&conf, 'x', BODY_BYTES);
        buf_append_str(&conf, "\";\n");
    }
    buf_append_str(&conf, "} } }\n");
    write_file("nginx.conf", buf_view(&conf));
    buf_free(&conf);
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", folder);
    pid_t master = fork();
    if (master == 0) {
        execlp("nginx", "nginx", "-c", path, (char *)NULL);
        _exit(1);
    }
    s.pid = master;
    usleep(500000);
    return s;
}

/* nginx works in a child of the process that was started. */
static pid_t worker_of(const struct served *s) {
    if (strcmp(s->name, "nginx") != 0) return s->pid;
    char path[80];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%d", &child) != 1) child = 0;
    if (f) fclose(f);
    return child ? child : s->pid;
}

/* ---- load ---- */

static double unit_us(const char *text) {
    double v = strtod(text, (char **)&text);
    return text[0] == 'u' ? v : text[0] == 'm' ? v * 1000 : v * 1e6;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* h2load prints no percentiles; its log has a line a request: when it began, the status, and how
 * long it took, in us. */
static void read_percentiles(struct result *r, const char *path) {
    double *took = NULL, one;
    size_t n = 0, room = 0;
    int status;
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%*s %d %lf", &status, &one) == 2) {
        if (n == room) {
            room = room ? 2 * room : 65536;
            double *more = realloc(took, room * sizeof *took);
            if (!more) exit(1);
            took = more;
        }
        if (status == 200) took[n++] = one;
    }
    if (f) fclose(f);
    if (n) {
        qsort(took, n, sizeof *took, by_size);
        r->p50_us = took[n / 2];
        r->p99_us = took[n - 1 - n / 100];
    }
    free(took);
}

static struct result load(const struct served *s, bool http2) {
    char command[512], line[512], log[128];
    struct result r = {0};
    double requests = 0;
    pid_t worker = worker_of(s);
    snprintf(log, sizeof log, "%s/h2load.log", folder);
    if (http2) {
        snprintf(command, sizeof command,
                 "taskset -c %zu h2load -t1 -c16 -m8 -D %d -d %s/body.json --log-file=%s "
                 "https://127.0.0.1:%u/ 2>&1",
                 spare_cpu, seconds, folder, log, s->port);
    } else {
        snprintf(command, sizeof command,
                 "taskset -c %zu wrk -t1 -c64 -d%ds --latency -s %s/post.lua https://127.0.0.1:%u/ "
                 "2>&1",
                 spare_cpu, seconds, folder, s->port);
    }
    (void)unlink(log); // h2load adds to it
    double before = cpu_us_of(worker);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
        char a[32], b[32];
        double n;
        if (sscanf(line, " 50%% %31s", a) == 1) r.p50_us = unit_us(a);
        if (sscanf(line, " 99%% %31s", a) == 1) r.p99_us = unit_us(a);
        if (sscanf(line, " %lf requests in %31s", &n, a) == 2) requests = n;
        if (sscanf(line, "requests: %lf total, %*s %*s %31s", &n, b) >= 1) requests = n;
        if (strstr(line, "Non-2xx") || strstr(line, "Socket errors")) fprintf(stderr, "%s", line);
    }
    if (f) pclose(f);
    double spent = cpu_us_of(worker) - before;
    r.cpu_us = requests > 0 ? spent / requests : 0;
    r.rate = requests / seconds;
    if (http2) read_percentiles(&r, log);
    return r;
}

static void print(const char *name, const char *peer, const struct result *r) {
    printf("{\"name\":\"%s\",\"peer\":\"%s\",\"cpu_us\":%.2f,\"requests_per_s\":%.0f,"
           "\"p50_us\":%.0f,\"p99_us\":%.0f,\"cpu\":\"%s\"}\n",
           name, peer, r->cpu_us, r->rate, r->p50_us, r->p99_us, bench_cpu_name());
    fflush(stdout);
}

/* Rotation: every round asks each server once; the least CPU time of the rounds counts. */
static void compare(const char *name, struct served *servers, size_t count, bool http2) {
    struct result best[4] = {0};
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            struct result r = load(&servers[i], http2);
            if (round == 0 || (r.cpu_us > 0 && r.cpu_us < best[i].cpu_us)) best[i] = r;
        }
    }
    for (size_t i = 0; i < count; i++)
        print(name, servers[i].name, &best[i]);
}

/* ---- connections of our own: idle memory, handshakes ---- */

struct many {
    struct conn conn;
    unsigned *open;
};
static void many_open(struct conn *c) {
    (*((struct many *)c->owner)->open)++;
}
static void many_readable(struct conn *c) {
    uint8_t drop[256];
    while (conn_read(c, drop, sizeof drop) > 0)
        continue;
    conn_pause(c);
}
static void many_closed(struct conn *c, const struct error *why) {
    (void)why;
    conn_close(c);
}
static const struct conn_events many_events = {many_open, many_readable, NULL, many_closed};

static struct tls *client_tls(bool identified) {
    struct tls_options o = {
        .role = TLS_CLIENT, .trust = TLS_TRUST_PINS, .pins = &id.fingerprint, .pin_count = 1};
    if (identified) o.identity = test_identity_of(&id);
    return test_tls(&o);
}

/* Opens connections, `at_once` at a time, and (idle) leaves each after one request. */
static void idle_memory(unsigned count) {
    struct error why = {0};
    struct served s = start("ours", true, false, 0, 0);
    struct loop *l;
    struct tls *t = client_tls(false);
    struct many *m = calloc(count, sizeof *m);
    unsigned open = 0;
    char text[64];
    struct socket_address a;
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    snprintf(text, sizeof text, "127.0.0.1:%u", s.port);
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    double before = rss_kib_of(s.pid);
    for (unsigned i = 0; i < count; i++) {
        SSL *session;
        m[i].open = &open;
        CHECK_OK(tls_session_new(&session, t, NULL, &why), &why);
        CHECK_OK(conn_connect(&m[i].conn, l, &a, session, &many_events, &m[i], &why), &why);
        TURN_UNTIL_WITHIN(l, 10, open == i + 1);
        CHECK(conn_write(&m[i].conn, BYTES_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")) == 0);
    }
    for (int i = 0; i < 50; i++)
        CHECK(loop_turn(l, 10 * NS_PER_MS, &why) == 0);
    double each = (rss_kib_of(s.pid) - before) / count;
    printf("{\"name\":\"idle TLS connection\",\"connections\":%u,\"kib\":%.1f,\"limit_kib\":20}\n",
           count, each);
    for (unsigned i = 0; i < count; i++)
        conn_close(&m[i].conn);
    free(m);
    tls_free(t);
    loop_free(l);
    stop(&s);
}

static void handshakes(const char *name, bool mutual, unsigned count) {
    struct error why = {0};
    struct served s = start("ours", true, mutual, 0, 0);
    struct loop *l;
    struct tls *t = client_tls(mutual);
    char text[64];
    struct socket_address a;
    CHECK_OK(loop_new(&l, NULL, &why), &why);
    snprintf(text, sizeof text, "127.0.0.1:%u", s.port);
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    double before = cpu_us_of(s.pid);
    for (unsigned i = 0; i < count; i++) {
        struct many one = {0};
        unsigned open = 0;
        SSL *session;
        one.open = &open;
        CHECK_OK(tls_session_new(&session, t, NULL, &why), &why);
        CHECK_OK(conn_connect(&one.conn, l, &a, session, &many_events, &one, &why), &why);
        TURN_UNTIL_WITHIN(l, 10, open == 1);
        conn_close(&one.conn);
    }
    printf("{\"name\":\"%s\",\"handshakes\":%u,\"server_cpu_us\":%.0f}\n", name, count,
           (cpu_us_of(s.pid) - before) / count);
    tls_free(t);
    loop_free(l);
    stop(&s);
}

TEST(all) {
    test_identity_make(&id, "localhost");
    snprintf(folder, sizeof folder, "/tmp/bn-bench-%d", (int)getpid());
    if (mkdir(folder, 0700) < 0) FAIL("cannot make %s", folder);
    write_file("cert.pem", buf_view(&id.cert));
    write_file("key.pem", buf_view(&id.key));
    struct buf body = {0}, lua = {0};
    buf_append_str(&body, "{\"data\":\"");
    buf_append_fill(&body, 'a', BODY_BYTES - 11);
    buf_append_str(&body, "\"}");
    write_file("body.json", buf_view(&body));
    buf_printf(&lua,
               "wrk.method = \"POST\"\nwrk.body = '%.*s'\n"
               "wrk.headers[\"Content-Type\"] = \"application/json\"\n",
               (int)body.n, (const char *)body.p);
    write_file("post.lua", buf_view(&lua));
    spare_cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;
    pin(spare_cpu);
    bool nginx = have("nginx");
    struct served echo[2] = {start("ours", true, false, 0, 0)};
    if (nginx) echo[1] = start_nginx(0);
    if (have("wrk")) compare("echo 1 KB, HTTP/1.1, TLS", echo, nginx ? 2 : 1, false);
    if (have("h2load")) compare("echo 1 KB, HTTP/2, TLS", echo, nginx ? 2 : 1, true);
    for (int i = 0; i < (nginx ? 2 : 1); i++)
        stop(&echo[i]);
    struct served origin = start("origin", false, false, 0, spare_cpu);
    struct served proxy[2] = {start("ours", true, false, origin.port, 0)};
    if (nginx) proxy[1] = start_nginx(origin.port);
    if (have("wrk")) compare("proxy 1 KB, HTTP/1.1, TLS", proxy, nginx ? 2 : 1, false);
    if (have("h2load")) compare("proxy 1 KB, HTTP/2 to HTTP/1.1, TLS", proxy, nginx ? 2 : 1, true);
    for (int i = 0; i < (nginx ? 2 : 1); i++)
        stop(&proxy[i]);
    stop(&origin);
    idle_memory(1000);
    handshakes("TLS 1.3 handshake", false, 500);
    handshakes("mutual TLS 1.3 handshake, known peer", true, 500);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) FAIL("cannot remove %s", folder);
}

int main(int argc, char **argv) {
    if (argc > 1) seconds = atoi(argv[1]);
    if (argc > 2) rounds = atoi(argv[2]);
    return test_main(1, argv);
}
