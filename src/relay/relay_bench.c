/* What the relay takes and how fast it answers: getHeader while 100 submissions a second come in,
 * and how many submissions a second are accepted, simulated (at a validation node that takes 20 ms
 * a block) and optimistic, with the relay's own CPU time of each beside that of the signatures
 * alone. The relay runs in a process of its own; this one plays beacon node, validation node,
 * builders and proposer. One JSON line a case.
 *
 *     bench_relay_relay [SECONDS]
 *
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/list.h"
#include "eth/ssz_json.h"
#include "relay/ask.h"
#include "relay/relay.h"
#include "relay/testing.h"
#include "test/harness/bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RATE 100u /* submissions a second of the first case */
#define HEADER_EVERY_NS (5 * NS_PER_MS)
#define AT_ONCE 16u /* submissions at once of the other cases */
#define BURST 400u  /* of them all */
#define BUILDERS 4u
#define TXS 200u
#define TX_BYTES 500u
#define SLOT_NS (12 * NS_PER_S)
#define VALIDATION_NS (20 * NS_PER_MS)
#define SAMPLES_MAX 100000u

struct bench {
    struct loop *loop;
    struct server *stub, *probe;
    struct client *client, *internal;
    struct client
        *own; /* the proposer's, whom builders' submissions do not keep from a connection */
    unsigned stub_port, relay_port, internal_port;
    struct network n;
    uint64_t slot;
    struct hash parent;
    struct bid_signer proposer, builders[BUILDERS];
    struct exchange *events;
    struct arena memory;
    struct buf *bodies;
    size_t body_count, sent, answered, accepted;
    double header_us[SAMPLES_MAX], submit_us[SAMPLES_MAX];
    size_t header_count, submit_count;
    bool closed_loop;
    pid_t pid;
    char folder[64];
};

static void die(const char *what, const struct error *why) {
    (void)fprintf(stderr, "bench: %s: %s\n", what, why ? why->text : "");
    exit(1);
}

static void turn_for(struct bench *b, uint64_t ns) {
    struct error why;
    uint64_t until = bench_now_ns() + ns;
    while (bench_now_ns() < until) {
        if (loop_turn(b->loop, NS_PER_MS, &why) != 0) die("loop", &why);
    }
}

// ---- the stubs

static void on_genesis(struct exchange *x, void *context) {
    const struct bench *b = context;
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out,
               "{\"data\":{\"genesis_time\":\"%llu\",\"genesis_fork_version\":\"0x20000089\","
               "\"genesis_validators_root\":\"",
               (unsigned long long)b->n.genesis_s);
    hex_append_data(&out, BYTES_OF(b->n.genesis_validators_root));
    buf_append_str(&out, "\"}}");
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static void on_spec(struct exchange *x, void *context) {
    (void)context;
    exchange_respond_text(
        x, 200, "application/json",
        BYTES_LIT("{\"data\":{\"SECONDS_PER_SLOT\":\"12\",\"SLOTS_PER_EPOCH\":\"32\","
                  "\"BELLATRIX_FORK_EPOCH\":\"0\",\"BELLATRIX_FORK_VERSION\":\"0x20000090\","
                  "\"CAPELLA_FORK_EPOCH\":\"0\",\"CAPELLA_FORK_VERSION\":\"0x20000091\","
                  "\"DENEB_FORK_EPOCH\":\"0\",\"DENEB_FORK_VERSION\":\"0x20000092\"}}"));
}

static void on_syncing(struct exchange *x, void *context) {
    const struct bench *b = context;
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "{\"data\":{\"head_slot\":\"%llu\"}}", (unsigned long long)(b->slot - 1));
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static void on_duties(struct exchange *x, void *context) {
    const struct bench *b = context;
    struct buf out;
    buf_init(&out, 0);
    buf_append_str(&out, "{\"data\":[");
    uint64_t first = strtoull((const char *)exchange_path(x).p + 34, NULL, 10) * 32;
    for (uint64_t s = first; s < first + 32; s++) {
        buf_printf(&out, "%s{\"slot\":\"%llu\",\"validator_index\":\"0\",\"pubkey\":\"",
                   s == first ? "" : ",", (unsigned long long)s);
        hex_append_data(&out, BYTES_OF(b->proposer.pubkey));
        buf_append_str(&out, "\"}");
    }
    buf_append_str(&out, "]}");
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static void on_validators(struct exchange *x, void *context) {
    const struct bench *b = context;
    struct buf out;
    buf_init(&out, 0);
    buf_append_str(&out, "{\"data\":[{\"index\":\"0\",\"validator\":{\"pubkey\":\"");
    hex_append_data(&out, BYTES_OF(b->proposer.pubkey));
    buf_append_str(&out, "\"}}]}");
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static void on_events(struct exchange *x, void *context) {
    struct bench *b = context;
    (void)exchange_add_header(x, "Content-Type", BYTES_LIT("text/event-stream"));
    exchange_begin(x, 200, -1);
    exchange_hold(x);
    b->events = x;
}

struct validation {
    struct loop_timer timer;
    struct exchange *x;
};

static void on_validated(struct loop_timer *t) {
    struct validation *v = LIST_ENTRY(t, struct validation, timer);
    exchange_respond_text(v->x, 200, "application/json",
                          BYTES_LIT("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}"));
    exchange_release(v->x);
    free(v);
}

// Takes the time that a real node needs for a block.
static void on_validate(struct exchange *x, void *context) {
    const struct bench *b = context;
    struct validation *v = calloc(1, sizeof *v);
    struct error why;
    if (!v) die("memory", NULL);
    v->x = x;
    v->timer.fire = on_validated;
    exchange_hold(x);
    if (loop_timer_set(b->loop, &v->timer, loop_now_ns(b->loop) + VALIDATION_NS, &why) != 0) {
        die("timer", &why);
    }
}

static void tell_attributes(struct bench *b) {
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out,
               "event: payload_attributes\ndata: {\"data\":{\"proposal_slot\":\"%llu\","
               "\"parent_block_hash\":\"",
               (unsigned long long)b->slot);
    hex_append_data(&out, BYTES_OF(b->parent));
    uint64_t timestamp;
    timestamp = network_timestamp(&b->n, b->slot);
    buf_printf(
        &out,
        "\",\"payload_attributes\":{\"timestamp\":\"%llu\",\"prev_randao\":\"0x%064d\"}}}\n\n",
        (unsigned long long)timestamp, 0);
    (void)exchange_write(b->events, buf_view(&out));
    buf_free(&out);
}

static void open_stub(struct bench *b) {
    static struct route routes[7];
    const struct route table[7] = {
        {"GET", "/eth/v1/beacon/genesis", on_genesis, b, 0, 0},
        {"GET", "/eth/v1/config/spec", on_spec, b, 0, 0},
        {"GET", "/eth/v1/node/syncing", on_syncing, b, 0, 0},
        {"GET", "/eth/v1/validator/duties/proposer/{epoch}", on_duties, b, 0, 0},
        {"GET", "/eth/v1/beacon/states/head/validators", on_validators, b, 0, 0},
        {"GET", "/eth/v1/events", on_events, b, 0, 0},
        {"POST", "/", on_validate, b, 16u << 20, 0},
    };
    memcpy(routes, table, sizeof table);
    const struct server_options o = {.routes = routes, .route_count = 7};
    struct server_listener listener = {.http2 = false};
    struct socket_address bound;
    struct error why;
    char text[SOCKET_TEXT_MAX];
    if (server_new(&b->stub, b->loop, &o, &why) != 0 ||
        socket_address_parse(&listener.address, BYTES_LIT("127.0.0.1:0"), 0, &why) != 0 ||
        server_listen(b->stub, &bound, &listener, &why) != 0) {
        die("stub", &why);
    }
    (void)socket_address_text(text, &bound);
    b->stub_port = (unsigned)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

// ---- the relay

static void run_relay(const struct bench *b) {
    char listen[64], internal[64], beacon[64], validation[64], database[96], key[96];
    char program[] = "relay", level[] = "--log-level=error";
    char *argv[] = {program, listen, internal, beacon, validation, database, key, level, NULL};
    struct config *config;
    struct relay_values values;
    struct error why;
    (void)snprintf(listen, sizeof listen, "--listen-addr=127.0.0.1:%u", b->relay_port);
    (void)snprintf(internal, sizeof internal, "--internal-addr=127.0.0.1:%u", b->internal_port);
    (void)snprintf(beacon, sizeof beacon, "--beacon=http://127.0.0.1:%u", b->stub_port);
    (void)snprintf(validation, sizeof validation, "--validation=http://127.0.0.1:%u", b->stub_port);
    (void)snprintf(database, sizeof database, "--database=%s/relay.db", b->folder);
    (void)snprintf(key, sizeof key, "--secret-key=%064d", 42);
    if (config_load(&config, &relay_program, &values, 8, argv, &why) != 0) die("settings", &why);
    exit(relay_serve(config, &values));
}

struct wait {
    bool done;
    unsigned status;
};

static void on_waited(void *context, const struct ask_answer *answer, const struct error *why) {
    struct wait *w = context;
    (void)why;
    w->done = true;
    w->status = answer ? answer->status : 0;
}

static unsigned call(struct bench *b, struct client *c, enum http_method method, const char *path,
                     struct bytes body) {
    struct wait w = {false, 0};
    struct error why;
    const struct ask_request q = {.method = method,
                                  .path = bytes_from_str(path),
                                  .content_type = body.n ? "application/json" : NULL,
                                  .body = body,
                                  .timeout_ns = 10 * NS_PER_S,
                                  .limit_bytes = 1u << 20};
    if (ask_start(NULL, c, &q, on_waited, &w, &why) != 0) die(path, &why);
    while (!w.done) {
        if (loop_turn(b->loop, NS_PER_MS, &why) != 0) die("loop", &why);
    }
    return w.status;
}

static struct client *client_to(struct bench *b, unsigned port) {
    char url[64];
    struct client *c;
    struct error why;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    const struct client_options o = {.url = url, .connections = 2 * AT_ONCE, .waiting = 100000};
    if (client_new(&c, b->loop, &o, &why) != 0) die("client", &why);
    return c;
}

static void enlist_proposer(struct bench *b) {
    struct signed_validator_registration reg = {.message = {.gas_limit = 30000000,
                                                            .timestamp = b->n.genesis_s + 1,
                                                            .pubkey = b->proposer.pubkey}};
    struct hash root;
    struct buf body;
    if (ssz_root(&root, &ssz_validator_registration, &reg.message, &b->memory, NULL) != 0) {
        die("registration", NULL);
    }
    root = ssz_signing_root(&root, &b->n.builder_domain);
    bls_sign(&reg.signature, &b->proposer.key, BYTES_OF(root));
    buf_init(&body, 0);
    buf_append_byte(&body, '[');
    ssz_json_encode(&body, &ssz_signed_validator_registration, &reg);
    buf_append_byte(&body, ']');
    unsigned status = call(b, b->client, HTTP_POST, "/eth/v1/builder/validators", buf_view(&body));
    if (status != 200) die("registration refused", NULL);
    buf_free(&body);
}

static void make_bodies(struct bench *b, size_t count, uint64_t first_value) {
    for (size_t i = 0; i < b->body_count; i++) {
        buf_free(&b->bodies[i]);
    }
    free(b->bodies);
    b->bodies = calloc(count, sizeof *b->bodies);
    b->body_count = count;
    for (size_t i = 0; i < count && b->bodies; i++) {
        struct submit_block_request *r = arena_new(&b->memory, struct submit_block_request);
        struct testing_block block = {.slot = b->slot,
                                      .value = first_value + i,
                                      .gas_limit = 30000000,
                                      .parent = b->parent,
                                      .proposer = b->proposer.pubkey,
                                      .txs = TXS,
                                      .tx_bytes = TX_BYTES};
        block.timestamp = network_timestamp(&b->n, b->slot);
        store_be64(block.block_hash.b, first_value + i);
        testing_submission(r, &b->n, CONSENSUS_DENEB, &block, &b->builders[i % BUILDERS],
                           &b->memory);
        ssz_encode(&b->bodies[i], consensus_types_of(CONSENSUS_DENEB)->submit_request, r);
        arena_reset(&b->memory);
    }
}

// ---- the load

struct sample {
    struct bench *bench;
    uint64_t began_ns;
};

static void submit_next(struct bench *b);

static void on_submitted(void *context, const struct ask_answer *answer, const struct error *why) {
    struct sample *s = context;
    struct bench *b = s->bench;
    (void)why;
    b->answered++;
    if (answer && answer->status == 200) b->accepted++;
    if (b->submit_count < SAMPLES_MAX) {
        b->submit_us[b->submit_count++] = (double)(bench_now_ns() - s->began_ns) / 1e3;
    }
    free(s);
    if (b->closed_loop) submit_next(b);
}

static void start(struct bench *b, struct client *c, const struct ask_request *q, ask_done *done) {
    struct sample *s = malloc(sizeof *s);
    struct error why;
    if (!s) die("memory", NULL);
    *s = (struct sample){b, bench_now_ns()};
    if (ask_start(NULL, c, q, done, s, &why) != 0) die("request", &why);
}

static void submit_next(struct bench *b) {
    if (b->sent == b->body_count) return;
    const struct ask_request q = {.method = HTTP_POST,
                                  .path = BYTES_LIT("/relay/v1/builder/blocks?cancellations=1"),
                                  .content_type = "application/octet-stream",
                                  .body = buf_view(&b->bodies[b->sent++]),
                                  .timeout_ns = 30 * NS_PER_S,
                                  .limit_bytes = 1u << 20};
    start(b, b->client, &q, on_submitted);
}

static void on_header(void *context, const struct ask_answer *answer, const struct error *why) {
    struct sample *s = context;
    struct bench *b = s->bench;
    (void)why;
    if (answer && answer->status == 200 && b->header_count < SAMPLES_MAX) {
        b->header_us[b->header_count++] = (double)(bench_now_ns() - s->began_ns) / 1e3;
    }
    free(s);
}

static void ask_header(struct bench *b) {
    struct buf path;
    buf_init(&path, 0);
    buf_printf(&path, "/eth/v1/builder/header/%llu/", (unsigned long long)b->slot);
    hex_append_data(&path, BYTES_OF(b->parent));
    buf_append_byte(&path, '/');
    hex_append_data(&path, BYTES_OF(b->proposer.pubkey));
    const struct ask_request q = {.method = HTTP_GET,
                                  .path = buf_view(&path),
                                  .timeout_ns = 30 * NS_PER_S,
                                  .limit_bytes = 1u << 20};
    start(b, b->own, &q, on_header);
    buf_free(&path);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double *v, size_t n, double q) {
    if (n == 0) return 0;
    qsort(v, n, sizeof *v, by_value);
    return v[(size_t)((double)(n - 1) * q)];
}

/* What the machine alone does to a thread that only sleeps, at the same time: a figure of the calls
 * cannot be better than that. */
struct sleeper {
    pthread_t thread;
    atomic_bool stop;
    double us[SAMPLES_MAX];
    size_t count;
};

static void *sleep_and_look(void *arg) {
    struct sleeper *s = arg;
    while (!atomic_load(&s->stop) && s->count < SAMPLES_MAX) {
        uint64_t began = bench_now_ns();
        (void)usleep(5000);
        s->us[s->count++] = (double)(bench_now_ns() - began) / 1e3 - 5000;
    }
    return NULL;
}

// User and system time of the relay so far, all its threads.
static double relay_cpu_us(const struct bench *b) {
    char path[64], text[1024] = "";
    unsigned long user = 0, system_ = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)b->pid);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(text, sizeof text, f)) die("cpu time", NULL);
    (void)fclose(f);
    const char *at = strrchr(text, ')');
    for (int i = 0; at && i < 12; i++) {
        at = strchr(at + 1, ' ');
    }
    if (!at || sscanf(at, "%lu %lu", &user, &system_) != 2) die("cpu time", NULL);
    return (double)(user + system_) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static void begin_case(struct bench *b) {
    b->sent = b->answered = b->accepted = b->submit_count = b->header_count = 0;
}

static void headers_under_load(struct bench *b, unsigned seconds) {
    static struct sleeper sleeper;
    make_bodies(b, (size_t)RATE * seconds, 1000);
    if (pthread_create(&sleeper.thread, NULL, sleep_and_look, &sleeper) != 0) die("thread", NULL);
    begin_case(b);
    b->closed_loop = false;
    uint64_t began = bench_now_ns(), next_submit = began, next_header = began + NS_PER_S / 10;
    struct error why;
    while (b->answered < b->body_count) {
        uint64_t now = bench_now_ns();
        if (now >= next_submit && b->sent < b->body_count) {
            submit_next(b);
            next_submit += NS_PER_S / RATE;
        }
        if (now >= next_header) {
            ask_header(b);
            next_header += HEADER_EVERY_NS;
        }
        if (loop_turn(b->loop, NS_PER_MS / 4, &why) != 0) die("loop", &why);
    }
    turn_for(b, NS_PER_S / 5);
    atomic_store(&sleeper.stop, true);
    (void)pthread_join(sleeper.thread, NULL);
    double submit_p50 = quantile(b->submit_us, b->submit_count, 0.5),
           submit_p99 = quantile(b->submit_us, b->submit_count, 0.99);
    printf(
        "{\"name\":\"relay getHeader while %u submissions/s come\",\"calls\":%zu,\"p50_us\":%.0f,"
        "\"p99_us\":%.0f,\"target_p99_us\":5000,\"machine_p99_us\":%.0f,\"accepted\":%zu,\"of\":%"
        "zu,"
        "\"submission_p50_us\":%.0f,\"submission_p99_us\":%.0f,\"cpu\":\"%s\"}\n",
        RATE, b->header_count, quantile(b->header_us, b->header_count, 0.5),
        quantile(b->header_us, b->header_count, 0.99), quantile(sleeper.us, sleeper.count, 0.99),
        b->accepted, b->body_count, submit_p50, submit_p99, bench_cpu_name());
}

static void burst(struct bench *b, const char *name, uint64_t first_value, double limit_ns) {
    make_bodies(b, BURST, first_value);
    begin_case(b);
    b->closed_loop = true;
    uint64_t began = bench_now_ns();
    double cpu_us = relay_cpu_us(b);
    struct error why;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        submit_next(b);
    }
    while (b->answered < b->body_count) {
        if (loop_turn(b->loop, NS_PER_MS, &why) != 0) die("loop", &why);
    }
    double ns = (double)(bench_now_ns() - began);
    turn_for(b, NS_PER_S); // simulations that nobody waited for belong to it
    cpu_us = (relay_cpu_us(b) - cpu_us) / (double)b->body_count;
    printf(
        "{\"name\":\"relay submissions accepted, %s\",\"work\":%zu,\"of\":%zu,\"per_s\":%.0f,"
        "\"p50_us\":%.0f,\"p99_us\":%.0f,\"cpu_us\":%.0f,\"limit_cpu_us\":%.0f,\"cpu\":\"%s\"}\n",
        name, b->accepted, b->body_count, (double)b->accepted * 1e9 / ns,
        quantile(b->submit_us, b->submit_count, 0.5), quantile(b->submit_us, b->submit_count, 0.99),
        cpu_us, limit_ns / 1e3, bench_cpu_name());
}

/* The least that a submission costs on one core: its signature checked, the answer signed. */
static void verify_and_sign(void *arg) {
    struct bench *b = arg;
    struct bls_public_key key;
    struct bytes96 signature;
    bls_sign(&signature, &b->builders[0].key, BYTES_OF(b->parent));
    if (bls_public_key_parse(&key, &b->builders[0].pubkey, NULL) != 0 ||
        bls_verify(&key, BYTES_OF(b->parent), &signature, NULL) != 0) {
        die("signature", NULL);
    }
}

static unsigned free_port(void) {
    struct loop *l = NULL;
    struct server *s = NULL;
    struct socket_address bound;
    struct server_listener listener = {.http2 = false};
    const struct server_options o = {.routes = NULL};
    char text[SOCKET_TEXT_MAX];
    if (loop_new(&l, NULL, NULL) != 0 || server_new(&s, l, &o, NULL) != 0 ||
        socket_address_parse(&listener.address, BYTES_LIT("127.0.0.1:0"), 0, NULL) != 0 ||
        server_listen(s, &bound, &listener, NULL) != 0) {
        die("port", NULL);
    }
    (void)socket_address_text(text, &bound);
    server_free(s);
    loop_free(l);
    return (unsigned)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

static void start_all(struct bench *b) {
    struct error why;
    uint64_t now = clock_wall_ns(&clock_system) / NS_PER_S;
    b->n = testing_network(CONSENSUS_DENEB, now - now % 12 - 12000, SLOT_NS);
    b->slot = 1000 + 20; // far ahead: the auction stays open
    memset(b->parent.b, 9, sizeof b->parent.b);
    b->proposer = testing_key(77);
    for (unsigned i = 0; i < BUILDERS; i++) {
        b->builders[i] = testing_key(100 + i);
    }
    arena_init(&b->memory, 0);
    (void)strcpy(b->folder, "/tmp/relay-bench-XXXXXX");
    if (!mkdtemp(b->folder)) die("folder", NULL);
    b->relay_port = free_port();
    b->internal_port = free_port();
    if (loop_new(&b->loop, &(struct loop_options){0}, &why) != 0) die("loop", &why);
    open_stub(b);
    b->pid = fork();
    if (b->pid == 0) run_relay(b);
    b->client = client_to(b, b->relay_port);
    b->internal = client_to(b, b->internal_port);
    b->own = client_to(b, b->relay_port);
    for (int i = 0;
         i < 100 && call(b, b->client, HTTP_GET, "/readyz", (struct bytes){NULL, 0}) != 200; i++) {
        turn_for(b, NS_PER_S / 20);
    }
    while (!b->events) {
        turn_for(b, NS_PER_S / 20);
    }
    tell_attributes(b);
    enlist_proposer(b);
    turn_for(b, NS_PER_S / 5);
}

static void trust_builders(struct bench *b) {
    for (unsigned i = 0; i < BUILDERS; i++) {
        char key[97] = {0}, path[256];
        hex_encode(key, BYTES_OF(b->builders[i].pubkey));
        (void)snprintf(path, sizeof path, "/internal/v1/builder/0x%s?optimistic=true", key);
        if (call(b, b->internal, HTTP_POST, path, BYTES_LIT("{}")) != 200) die("builder", NULL);
        (void)snprintf(path, sizeof path, "/internal/v1/builder/collateral/0x%s?value=%llu", key,
                       1000000000000000000ull);
        if (call(b, b->internal, HTTP_POST, path, BYTES_LIT("{}")) != 200) die("builder", NULL);
    }
}

int main(int argc, char **argv) {
    static struct bench b;
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
    char command[128];
    (void)signal(SIGPIPE, SIG_IGN);
    start_all(&b);
    headers_under_load(&b, seconds);
    double limit = bench_best_ns(verify_and_sign, &b, 200);
    burst(&b, "simulated", 1u << 20, limit);
    trust_builders(&b);
    burst(&b, "optimistic", 1u << 24, limit);
    (void)kill(b.pid, SIGTERM);
    (void)waitpid(b.pid, NULL, 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", b.folder);
    return system(command) == 0 ? 0 : 1;
}
