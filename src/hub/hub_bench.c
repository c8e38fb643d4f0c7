/* What the hub answers and stores, the real program beside this one (../buildernet of this file's
 * build): configuration reads and peer lists (whole, and by callers that have them already) from
 * memory with 100 and 10,000 builders, CPU time of the whole process a request; latency at half of
 * what one core was just seen to serve, and whether this program kept up with sending that;
 * registrations a second on SQLite and on a PostgreSQL that is started here; memory. One JSON line
 * a case.
 *
 *     bench_hub_hub [SECONDS]
 *
 * SPDX-License-Identifier: MIT */
#include "db/testing.h"
#include "hub/store.h"
#include "net/client.h"
#include "net/loop.h"
#include "test/harness/bench.h"

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIGURATION "/api/l1-builder/v1/configuration"
#define PEERS "/api/l1-builder/v1/builders"
#define REGISTER "/api/l1-builder/v1/register_credentials/instance"
#define CERTIFICATE_BYTES 900
#define SAMPLES_MAX 400000u
#define IN_FLIGHT_MAX 8192u
#define LATE_NS (NS_PER_MS / 2) /* p99 of late starts from which on they are told */

static char folder[64];
static double seconds = 3;

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

/* What is asked for. */
struct demand {
    const char *path, *body; /* body: it is a POST */
    unsigned builders;       /* who take turns */
    bool has_list;           /* by callers that have the list */
};

struct load {
    struct loop *loop;
    struct client *client;
    struct demand demand;
    char tag[64];  /* of the list that callers have */
    unsigned next; /* whose turn it is */
    unsigned in_flight, refused;
    uint64_t done;
    uint64_t *latency_ns; /* NULL: not kept */
    size_t samples;
    bool again; /* closed loop: each answer asks anew */
};

struct asked {
    struct load *load;
    uint64_t began_ns; /* when it was due, which counts late starts in */
    bool has_list;
    int status;
};

static void ask(struct load *l, uint64_t due_ns);

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct asked *a = context;
    struct load *l = a->load;
    struct bytes tag = http_get(&r->fields, HTTP_FIELD_ETAG);
    (void)k;
    a->status = (int)r->status;
    if (l->demand.has_list) {
        (void)snprintf(l->tag, sizeof l->tag, "%.*s", (int)tag.n, (const char *)tag.p);
    }
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k, (void)context, (void)in;
}

static void on_end(struct client_call *k, void *context) {
    struct asked *a = context;
    struct load *l = a->load;
    (void)k;
    if (a->status != (a->has_list ? 304 : 200)) l->refused++;
    if (l->latency_ns && l->samples < SAMPLES_MAX) {
        l->latency_ns[l->samples++] = bench_now_ns() - a->began_ns;
    }
    free(a);
    l->in_flight--;
    l->done++;
    if (l->again) ask(l, bench_now_ns());
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k, (void)context;
    die("request", why);
}

static void ask(struct load *l, uint64_t due_ns) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    char ip[32];
    struct error why;
    struct client_call *k;
    const struct demand *d = &l->demand;
    unsigned i = l->next++ % d->builders;
    struct asked *a = calloc(1, sizeof *a);
    if (!a) die("memory", NULL);
    *a = (struct asked){.load = l, .began_ns = due_ns, .has_list = l->tag[0] != 0};
    (void)snprintf(ip, sizeof ip, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
    struct arena arena;
    struct bytes body = bytes_from_str(d->body ? d->body : "");
    struct http_request r = {.method = d->body ? HTTP_POST : HTTP_GET,
                             .method_text = d->body ? BYTES_LIT("POST") : BYTES_LIT("GET"),
                             .path = bytes_from_str(d->path),
                             .body = d->body ? HTTP_BODY_LENGTH : HTTP_BODY_NONE};
    arena_init(&arena, 0);
    if (http_fields_add(&r.fields, &arena, BYTES_LIT("x-flashbots-attestation-type"),
                        BYTES_LIT("t"), &why) != 0 ||
        http_fields_add(&r.fields, &arena, BYTES_LIT("x-flashbots-measurement"),
                        BYTES_LIT("{\"4\":\"aa\"}"), &why) != 0 ||
        http_fields_add(&r.fields, &arena, BYTES_LIT("x-forwarded-for"), bytes_from_str(ip),
                        &why) != 0 ||
        (a->has_list && http_fields_add(&r.fields, &arena, BYTES_LIT("if-none-match"),
                                        bytes_from_str(l->tag), &why) != 0) ||
        client_start(&k, l->client, &r, body, false, &events, a, &why) != 0) {
        die("request", &why);
    }
    arena_free(&arena);
    l->in_flight++;
}

static void turn_until(struct load *l, uint64_t end_ns, bool drain) {
    struct error why;
    while (drain ? l->in_flight > 0 : bench_now_ns() < end_ns) {
        if (loop_turn(l->loop, NS_PER_MS, &why) != 0) die("loop", &why);
    }
}

static void load_open(struct load *l, const struct hub_process *h, const struct demand *d) {
    struct error why;
    char url[64];
    *l = (struct load){.demand = *d};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", h->port);
    const struct client_options o = {.url = url, .connections = 64, .waiting = 65536};
    if (loop_new(&l->loop, &(struct loop_options){0}, &why) != 0) die("loop", &why);
    if (client_new(&l->client, l->loop, &o, &why) != 0) die("client", &why);
    if (d->has_list) {
        ask(l, bench_now_ns());
        turn_until(l, 0, true);
        if (!l->tag[0]) die("a list without an ETag", NULL);
    }
}

static void load_close(struct load *l) {
    if (l->refused) die("an answer was not 200", NULL);
    client_free(l->client);
    loop_free(l->loop);
    free(l->latency_ns);
}

// Every builder asks once, so that all documents are in memory.
static void warm(const struct hub_process *h, unsigned builders) {
    struct load l;
    load_open(&l, h, &(struct demand){.path = CONFIGURATION, .builders = builders});
    for (unsigned i = 0; i < builders; i += 64) {
        for (unsigned k = 0; k < 64 && i + k < builders; k++)
            ask(&l, bench_now_ns());
        turn_until(&l, 0, true);
    }
    load_close(&l);
}

// As many as are answered, `width` at a time; CPU time of the hub a request.
static double closed(const char *name, const struct hub_process *h, const struct demand *d,
                     unsigned width, double *ret_rate) {
    struct load l;
    load_open(&l, h, d);
    l.again = true;
    double cpu = cpu_ns_of(h->pid);
    uint64_t began = bench_now_ns(), before = l.done;
    for (unsigned i = 0; i < width; i++)
        ask(&l, began);
    turn_until(&l, began + (uint64_t)(seconds * 1e9), false);
    l.again = false;
    turn_until(&l, 0, true);
    double took = (double)(bench_now_ns() - began), count = (double)(l.done - before);
    cpu = cpu_ns_of(h->pid) - cpu;
    if (ret_rate) *ret_rate = count * 1e9 / took;
    if (name) bench_emit(name, 1, "request of CPU time", cpu / count, 0);
    load_close(&l);
    return cpu / count;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double p99_of(uint64_t *samples, size_t n) {
    qsort(samples, n, sizeof *samples, compare);
    size_t at = n - n / 100 - 1;
    return (double)samples[at];
}

// An open loop: requests are due at even times, however late the answers are (the ones that are not
// begun because too many wait are late). Both programs share the machine: where this one began its
// requests late, the lines say so.
static void at_rate(const char *name, const struct hub_process *h, const struct demand *d,
                    double rate) {
    static uint64_t late_ns[SAMPLES_MAX];
    struct load l;
    struct error why;
    size_t begun = 0;
    load_open(&l, h, d);
    l.latency_ns = calloc(SAMPLES_MAX, sizeof *l.latency_ns);
    if (!l.latency_ns) die("memory", NULL);
    uint64_t began = bench_now_ns(), step = (uint64_t)(1e9 / rate), due = began;
    uint64_t end = began + (uint64_t)(seconds * 1e9);
    while (due < end) {
        uint64_t now = bench_now_ns();
        for (; due <= now && due < end && l.in_flight < IN_FLIGHT_MAX; due += step) {
            if (begun < SAMPLES_MAX) late_ns[begun++] = bench_now_ns() - due;
            ask(&l, due);
        }
        if (loop_turn(l.loop, step < NS_PER_MS ? step : NS_PER_MS, &why) != 0) die("loop", &why);
    }
    turn_until(&l, 0, true);
    double late = p99_of(late_ns, begun), p99 = p99_of(l.latency_ns, l.samples);
    size_t middle = l.samples / 2;
    double p50 = (double)l.latency_ns[middle];
    char line[160], note[60] = "";
    if (late > LATE_NS) {
        (void)snprintf(note, sizeof note, ", asked up to %.1f ms late (p99)", late / 1e6);
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(line, sizeof line, "%s %s at %.0f/s%s", name, i ? "p99" : "p50", rate, note);
        bench_emit(line, 1, "request", i ? p99 : p50, 0);
    }
    load_close(&l);
}

static void emit_memory(const char *name, double bytes) {
    printf("{\"name\":\"%s\",\"bytes\":%.0f,\"cpu\":\"%s\"}\n", name, bytes, bench_cpu_name());
    (void)fflush(stdout);
}

// At the load that one core bears, and then at half of it.
static void both(const char *name, const struct hub_process *h, const struct demand *d,
                 unsigned width) {
    double each = closed(name, h, d, width, NULL);
    at_rate(name, h, d, 5e8 / each);
}

static void reads(unsigned builders) {
    char path[128], name[120];
    (void)snprintf(path, sizeof path, "%s/%u.db", folder, builders);
    fill(path, builders);
    struct hub_process h = start(path, false);
    warm(&h, builders);
    (void)snprintf(name, sizeof name, "hub memory, %u builders and their documents", builders);
    emit_memory(name, memory_of(h.pid, "VmRSS"));
    struct demand d = {.path = CONFIGURATION, .builders = builders};
    (void)snprintf(name, sizeof name, "hub configuration, %u builders", builders);
    both(name, &h, &d, 32);
    d.path = PEERS;
    (void)snprintf(name, sizeof name, "hub peers, %u builders", builders);
    both(name, &h, &d, builders > 1000 ? 2 : 32);
    d.has_list = true;
    (void)snprintf(name, sizeof name, "hub peers, unchanged, %u builders", builders);
    both(name, &h, &d, 32);
    (void)snprintf(name, sizeof name, "hub memory, %u builders, after all reads", builders);
    emit_memory(name, memory_of(h.pid, "VmRSS"));
    stop(&h);
}

static void writes(const char *database, const char *url, bool postgres) {
    char name[120];
    double rate;
    fill(url, 100);
    struct hub_process h = start(url, postgres);
    const struct demand d = {.path = REGISTER,
                             .body = "{\"tls_cert\":\"-----BEGIN CERTIFICATE-----\"}",
                             .builders = 100};
    (void)closed(NULL, &h, &d, 16, &rate);
    (void)snprintf(name, sizeof name, "hub registration, %s, 16 at once (wall time)", database);
    bench_emit(name, 1, "request", 1e9 / rate, 0);
    stop(&h);
}

int main(int argc, char **argv) {
    struct test_postgres pg;
    char path[128], line[160];
    const char *why = NULL;
    if (argc > 1) seconds = strtod(argv[1], NULL);
    (void)snprintf(folder, sizeof folder, "/tmp/hub-bench-XXXXXX");
    if (!mkdtemp(folder)) die("folder", NULL);
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
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line) == 0 ? 0 : 1;
}
