/* What the hub answers and stores, the real program beside this one (../buildernet of this file's
 * build): configuration reads and peer lists (whole, and by callers that have them already) from
 * memory with 100 and 10,000 builders, CPU time of the whole process a request; latency at half of
 * what one core was just seen to serve, and at half of what is aimed at; registrations a second on
 * SQLite and on a PostgreSQL that is started here; memory. One JSON line a case.
 *
 * The hub has one processor for all its threads, those that write included, and this program
 * another. A time from when a request was due holds all waiting; one from when it was asked holds
 * the hub's only. Beside them stands how late it was asked: because all connections were waiting
 * for answers, or by this program itself. "others" is what of the processors was used by anything
 * else, which is in all of these times.
 *
 *     bench_hub_hub [SECONDS [BUILDERS]]     with BUILDERS: reads only
 *
 * SPDX-License-Identifier: MIT */
#include "db/testing.h"
#include "hub/store.h"
#include "net/client.h"
#include "test/harness/bench.h"
#include "test/harness/http_load.h"

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIGURATION "/api/l1-builder/v1/configuration"
#define PEERS "/api/l1-builder/v1/builders"
#define LIST "/api/internal/l1-builder/v2/network/production/builders"
#define REGISTER "/api/l1-builder/v1/register_credentials/instance"
#define CERTIFICATE_BYTES 900
#define AIM 30000.0 /* cached reads a second and core */

static char folder[64];
static double seconds = 3;
static cpu_set_t processors; /* that this program may use: the hub gets one, the load another */

static void die(const char *what, const struct error *why) {
    (void)fprintf(stderr, "bench: %s: %s\n", what, why ? why->text : "");
    exit(1);
}

/* ---- rows ---- */

static void fill(const char *url, unsigned builders) {
    struct error why;
    struct store *s = NULL;
    struct store_options o = {.url = url, .connections = 1, .migrate = true};
    char cert[CERTIFICATE_BYTES + 1];
    memset(cert, 'c', CERTIFICATE_BYTES);
    cert[CERTIFICATE_BYTES] = 0;
    if (store_open(&s, &o, &why) != 0) die("store", &why);
    for (unsigned i = 0; i < builders;) {
        struct arena a;
        struct store_batch b;
        const struct bytes none = {NULL, 0};
        arena_init(&a, 0);
        batch_init(&b, &a, none, none);
        if (i == 0) {
            batch_measurement_add(&b, BYTES_LIT("m"), BYTES_LIT("t"),
                                  BYTES_LIT("{\"4\": {\"expected\": \"aa\"}}"));
            batch_measurement_enable(&b, BYTES_LIT("m"), true, true);
        }
        for (unsigned end = i + 500; i < end && i < builders; i++) {
            char *name = arena_printf(&a, "node-%05u", i);
            char *ip = arena_printf(&a, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
            uint8_t *address = arena_alloc(&a, 20);
            if (!name || !ip || !address) die("memory", NULL);
            memcpy(address, name, 10);
            struct bytes n = bytes_from_str(name);
            batch_builder_add(&b, n, bytes_from_str(ip), BYTES_LIT("production"), BYTES_LIT(""));
            batch_config_set(&b, n, BYTES_LIT("{}"));
            batch_builder_enable(&b, n, true, true);
            struct store_credential c = {.builder = n,
                                         .service = BYTES_LIT("instance"),
                                         .tls_cert = bytes_make(cert, CERTIFICATE_BYTES),
                                         .measurement = BYTES_LIT("m")};
            batch_register(&b, &c, BYTES_LIT("t"));
            c.service = BYTES_LIT("orderflow_proxy");
            c.tls_cert = none;
            c.address = bytes_make(address, 20);
            batch_register(&b, &c, BYTES_LIT("t"));
        }
        if (store_commit(s, &b, NULL, &why) != 0) die("rows", &why);
        arena_free(&a);
    }
    store_close(s);
}

/* ---- the hub, a process of its own ---- */

struct hub_process {
    pid_t pid;
    unsigned port, admin;
};

static unsigned free_port(void) {
    struct socket_address a;
    struct error why;
    int fd = -1;
    if (socket_address_parse(&a, BYTES_LIT("127.0.0.1:0"), 0, &why) != 0 ||
        socket_listen(&fd, &a, NULL, &why) != 0 || socket_local(&a, fd, &why) != 0) {
        die("port", &why);
    }
    close(fd);
    return socket_address_port(&a);
}

static bool reachable(unsigned port) {
    struct client_answer answer;
    struct arena a;
    char url[64];
    struct error why;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    const struct client_options o = {.url = url};
    const struct http_request r = {.method = HTTP_GET,
                                   .method_text = BYTES_LIT("GET"),
                                   .path = BYTES_LIT("/livez"),
                                   .body = HTTP_BODY_NONE};
    arena_init(&a, 0);
    bool ok = client_ask(&answer, &a, &o, &r, (struct bytes){NULL, 0}, 1024, NS_PER_S, &why) == 0;
    arena_free(&a);
    return ok;
}

static struct hub_process start(const char *database, bool postgres) {
    struct hub_process h = {.port = free_port(), .admin = free_port()};
    char self[512], exe[560], listen[64], admin[64], key[65];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) die("where this program is", NULL);
    self[n] = 0;
    (void)snprintf(exe, sizeof exe, "%s/buildernet", dirname(self));
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", h.port);
    (void)snprintf(admin, sizeof admin, "127.0.0.1:%u", h.admin);
    memset(key, '5', 64);
    key[64] = 0;
    h.pid = fork();
    if (h.pid == 0) {
        (void)http_load_pin(0, 0, &processors);
        execl(exe, "buildernet", "hub", "--listen-addr", listen, "--admin-addr", admin,
              "--internal-addr", "127.0.0.1:0", "--metrics-addr", "", "--disable-admin-auth",
              "--log-level", "error", "--secrets-key", key,
              postgres ? "--postgres-dsn" : "--database", database, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 600 && !reachable(h.port); i++)
        usleep(50000);
    if (waitpid(h.pid, NULL, WNOHANG) != 0) die("the hub has ended", NULL);
    return h;
}

static void stop(const struct hub_process *h) {
    (void)kill(h->pid, SIGTERM);
    (void)waitpid(h->pid, NULL, 0);
}

static double cpu_ns_of(pid_t pid) {
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) (void)fclose(f);
    text[n] = 0;
    const char *p = strrchr(text, ')');
    if (p) {
        (void)sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    }
    return (double)(user + system) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

// "VmRSS", "VmHWM" in bytes.
static double memory_of(pid_t pid, const char *what) {
    char path[64], line[256];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, what, strlen(what)) == 0) kib = strtod(line + strlen(what) + 1, NULL);
    }
    if (f) (void)fclose(f);
    return kib * 1024;
}

/* ---- load ---- */

/* What is asked for, by `builders` who take turns. */
struct demand {
    const char *path, *body; /* body: it is a POST */
    unsigned builders;
    unsigned connections;
    bool has_list;  /* by callers that have the list */
    unsigned lists; /* whole lists that others ask for meanwhile, so many at once */
};

/* The requests of all builders. */
struct requests {
    struct arena arena;
    struct bytes *all;
};

static void identity(char ret[32], unsigned builder) {
    (void)snprintf(ret, 32, "10.%u.%u.%u", builder >> 16, builder >> 8 & 255, builder & 255);
}

static const char *list_tag(const struct hub_process *h, struct arena *a) {
    struct client_answer answer;
    char url[64];
    struct error why;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", h->port);
    const struct client_options o = {.url = url};
    const struct http_request r = {.method = HTTP_GET,
                                   .method_text = BYTES_LIT("GET"),
                                   .path = BYTES_LIT(LIST),
                                   .body = HTTP_BODY_NONE};
    int code =
        client_ask(&answer, a, &o, &r, (struct bytes){NULL, 0}, 16u << 20, 10 * NS_PER_S, &why);
    if (code != 0) die("list", &why);
    struct bytes tag = http_get(&answer.fields, HTTP_FIELD_ETAG);
    if (tag.n == 0) die("a list without an ETag", NULL);
    return arena_printf(a, "If-None-Match: %.*s\r\n", (int)tag.n, (const char *)tag.p);
}

static void write_requests(struct requests *ret, const struct hub_process *h,
                           const struct demand *d) {
    arena_init(&ret->arena, 0);
    ret->all = arena_new_array(&ret->arena, struct bytes, d->builders);
    const char *tag = d->has_list ? list_tag(h, &ret->arena) : "";
    const char *body = d->body ? d->body : "";
    for (unsigned i = 0; ret->all && tag && i < d->builders; i++) {
        char ip[32], length[48] = "";
        identity(ip, i);
        if (d->body) {
            (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", strlen(body));
        }
        const char *text = arena_printf(&ret->arena,
                                        "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                        "X-Flashbots-Attestation-Type: t\r\n"
                                        "X-Flashbots-Measurement: {\"4\":\"aa\"}\r\n"
                                        "X-Forwarded-For: %s\r\n%s%s\r\n%s",
                                        d->body ? "POST" : "GET", d->path, ip, length, tag, body);
        if (!text) die("memory", NULL);
        ret->all[i] = bytes_from_str(text);
    }
    if (!ret->all || !tag) die("memory", NULL);
}

/* What ran on all processors but the load itself, and how long they were idle. */
static void processors_used(double ret_ns[2]) {
    char line[256];
    unsigned long v[8] = {0};
    struct timespec own = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (f && fgets(line, sizeof line, f)) { // the first is of all together
        (void)sscanf(line, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1], &v[2], &v[3], &v[4],
                     &v[5], &v[6], &v[7]);
    }
    if (f) (void)fclose(f);
    double tick = 1e9 / (double)sysconf(_SC_CLK_TCK);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    ret_ns[0] = (double)(v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) * tick -
                ((double)own.tv_sec * 1e9 + (double)own.tv_nsec);
    ret_ns[1] = (double)(v[3] + v[4]) * tick;
}

/* A run, with the hub's CPU time, and the share of the processors that other programs had. */
struct measured {
    struct http_load_result load;
    double cpu_ns, others;
};

static void run(struct measured *ret, const struct hub_process *h, const struct demand *d,
                double rate, uint64_t count) {
    struct requests requests;
    const char *why;
    double before[2], after[2];
    write_requests(&requests, h, d);
    const struct http_load_plan plan = {.port = h->port,
                                        .connections = d->connections,
                                        .requests = requests.all,
                                        .request_count = d->builders,
                                        .status = d->has_list ? 304 : 200,
                                        .rate = rate,
                                        .time_ns = (uint64_t)(seconds * 1e9),
                                        .count = count,
                                        .beside = BYTES_LIT("GET " LIST " HTTP/1.1\r\n"
                                                            "Host: 127.0.0.1\r\n\r\n"),
                                        .beside_connections = d->lists};
    double cpu = cpu_ns_of(h->pid);
    processors_used(before);
    if (!http_load_run(&ret->load, &plan, &why)) die(why, NULL);
    processors_used(after);
    ret->cpu_ns = cpu_ns_of(h->pid) - cpu;
    double used = after[0] - before[0], idle = after[1] - before[1];
    ret->others = used > ret->cpu_ns ? (used - ret->cpu_ns) / (used + idle) : 0;
    arena_free(&requests.arena);
}

// Every builder asks once, so that all documents are in memory.
static void warm(const struct hub_process *h, unsigned builders) {
    struct measured m;
    const struct demand d = {.path = CONFIGURATION, .builders = builders, .connections = 64};
    double kept = seconds;
    seconds = 600;
    run(&m, h, &d, 0, builders);
    seconds = kept;
}

// Until all that was read is stored as well.
static double cpu_ns_at_rest(const struct hub_process *h) {
    double before, now = cpu_ns_of(h->pid);
    do {
        before = now;
        usleep(500000);
        now = cpu_ns_of(h->pid);
    } while (now > before + 2e7);
    return now;
}

// As many as are answered; CPU time of the hub a request, and of its row in the event log.
static double closed(const char *name, const struct hub_process *h, const struct demand *d) {
    struct measured m;
    double before = cpu_ns_at_rest(h);
    run(&m, h, d, 0, 0);
    double each = (cpu_ns_at_rest(h) - before) / (double)m.load.done;
    bench_emit(name, 1, "request of CPU time", each, 0);
    return each;
}

static void at_rate(const char *name, const struct hub_process *h, const struct demand *d,
                    double rate) {
    struct measured m;
    char line[256];
    run(&m, h, d, rate, 0);
    const struct {
        const char *what;
        double ns;
    } figures[] = {
        {"p50 from due", m.load.due.p50},
        {"p99 from due", m.load.due.p99},
        {"p50 from asked", m.load.asked.p50},
        {"p99 from asked", m.load.asked.p99},
        {"asked late, p99", m.load.late.p99},
        {"asked late by the load itself, p99", m.load.own.p99},
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        (void)snprintf(line, sizeof line, "%s at %.0f/s, %s (others had %.0f %% of the processors)",
                       name, rate, figures[i].what, 100 * m.others);
        bench_emit(line, 1, "request", figures[i].ns, 0);
    }
}

static void emit_memory(const char *name, double bytes) {
    printf("{\"name\":\"%s\",\"bytes\":%.0f,\"cpu\":\"%s\"}\n", name, bytes, bench_cpu_name());
    (void)fflush(stdout);
}

// At the load that one core bears, and then at half of it, and at half of what is aimed at.
static void both(const char *name, const struct hub_process *h, const struct demand *d,
                 double aim) {
    double each = closed(name, h, d);
    struct demand open = *d;
    open.connections = 64;
    at_rate(name, h, &open, 5e8 / each);
    if (aim > 0) at_rate(name, h, &open, aim / 2);
}

static void reads(unsigned builders) {
    char path[128], name[120];
    (void)snprintf(path, sizeof path, "%s/%u.db", folder, builders);
    fill(path, builders);
    struct hub_process h = start(path, false);
    warm(&h, builders);
    (void)snprintf(name, sizeof name, "hub memory, %u builders and their documents", builders);
    emit_memory(name, memory_of(h.pid, "VmRSS"));
    struct demand d = {.path = CONFIGURATION, .builders = builders, .connections = 32};
    (void)snprintf(name, sizeof name, "hub configuration, %u builders", builders);
    both(name, &h, &d, AIM);
    struct demand beside = d;
    beside.connections = 64;
    beside.lists = 8;
    (void)snprintf(name, sizeof name, "hub configuration beside 8 lists at once, %u builders",
                   builders);
    at_rate(name, &h, &beside, builders > 1000 ? 2000 : AIM / 10);
    d.path = PEERS;
    d.connections = builders > 1000 ? 2 : 32;
    (void)snprintf(name, sizeof name, "hub peers, %u builders", builders);
    both(name, &h, &d, 0);
    d.has_list = true;
    d.connections = 32;
    (void)snprintf(name, sizeof name, "hub peers, unchanged, %u builders", builders);
    both(name, &h, &d, AIM);
    (void)snprintf(name, sizeof name, "hub memory, %u builders, after all reads", builders);
    emit_memory(name, memory_of(h.pid, "VmRSS"));
    stop(&h);
}

static void writes(const char *database, const char *url, bool postgres) {
    char name[120];
    struct measured m;
    fill(url, 100);
    struct hub_process h = start(url, postgres);
    const struct demand d = {.path = REGISTER,
                             .body = "{\"tls_cert\":\"-----BEGIN CERTIFICATE-----\"}",
                             .builders = 100,
                             .connections = 16};
    run(&m, &h, &d, 0, 0);
    (void)snprintf(name, sizeof name, "hub registration, %s, 16 at once (wall time)", database);
    bench_emit(name, 1, "request", (double)m.load.took_ns / (double)m.load.done, 0);
    stop(&h);
}

int main(int argc, char **argv) {
    struct test_postgres pg;
    char path[128], line[160];
    const char *why = NULL;
    if (argc > 1) seconds = strtod(argv[1], NULL);
    if (sched_getaffinity(0, sizeof processors, &processors) != 0) die("processors", NULL);
    if (!http_load_pin(0, 1, &processors)) {
        (void)fprintf(stderr, "bench: one processor only: the load's own work is in all times\n");
    }
    (void)snprintf(folder, sizeof folder, "/tmp/hub-bench-XXXXXX");
    if (!mkdtemp(folder)) die("folder", NULL);
    if (argc > 2) {
        reads((unsigned)strtoul(argv[2], NULL, 10));
    } else {
        reads(100);
        reads(10000);
        (void)snprintf(path, sizeof path, "%s/writes.db", folder);
        writes("SQLite", path, false);
        if (test_postgres_start(&pg, true, &why)) {
            writes("PostgreSQL", pg.dsn, true);
            test_postgres_stop(&pg);
        } else {
            (void)fprintf(stderr, "bench: no PostgreSQL: %s\n", why);
        }
    }
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line) == 0 ? 0 : 1;
}
