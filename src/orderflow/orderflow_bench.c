/* What a user's request costs: bundles of one and three transactions, with the senders of the
 * transactions known and not, exact duplicates; each beside the limit that the same run finds from
 * its parts: recoveries, Keccak of the body and of the transactions, JSON, and an HTTP exchange
 * that does nothing; of a duplicate the SHA-256 of the body and that exchange.
 *
 * The program runs as it is, on one processor, all its threads there; requests come over kept
 * connections from another. CPU time of the serving process a request is the figure: what the
 * machine does beside it adds to wall time only. A processor's own speed varies by half within
 * seconds (others on the same core, its clock): so a case goes in SLICES, each followed by the
 * limit's parts on that processor, and its figures are medians of slices. Before them WARM_UP
 * other requests: a node that has run for a minute has met the pages of its tables.
 *
 * Then latency at half that rate, and that of an honest sender beside floods: from the request's
 * writing until the kernel has the answer, and how long the program worked in between (work_),
 * which tells its own part from the machine's.
 *
 *     bench_orderflow_orderflow [REQUESTS [costs|latency|floods]]
 *
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "eth/request_signature.h"
#include "eth/tx.h"
#include "net/loop.h"
#include "net/socket.h"
#include "orderflow/order_envelope.h"
#include "orderflow/orderflow.h"
#include "test/harness/bench.h"
#include "test/harness/test.h"
#include "json/write.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 32
#define ANSWER_MAX 4096

static unsigned request_count = 4000;
static const char *part = "";
static struct ecdsa_signer *signer;
static struct error why;

/* ---- the program, on processor 0 ---- */

struct served {
    pid_t pid;
    unsigned port;
};

static void pin(size_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static unsigned free_port(void) {
    struct socket_address a;
    int fd;
    CHECK_OK(socket_address_parse(&a, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(socket_listen(&fd, &a, NULL, &why), &why);
    CHECK_OK(socket_local(&a, fd, &why), &why);
    (void)close(fd);
    return socket_address_port(&a);
}

/* from  an address of this machine. */
static int dial(unsigned port, const char *from) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(from)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof own) == 0 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0) (void)close(fd);
    return -1;
}

static struct served start(void) {
    struct served s = {.port = free_port()};
    char address[40];
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", s.port);
    s.pid = fork();
    if (s.pid == 0) {
        struct config *config;
        struct orderflow_values values;
        char words[][32] = {"orderflow",
                            "--user-listen-addr",
                            "",
                            "--system-listen-addr=",
                            "--metrics-addr=",
                            "--disable-forwarding",
                            "--compute-threads=1",
                            "--sandbox=false"};
        char *argv[9] = {NULL};
        for (size_t i = 0; i < 8; i++) {
            argv[i] = words[i];
        }
        argv[2] = address;
        pin(0);
        (void)!freopen("/dev/null", "w", stderr);
        if (config_load(&config, &orderflow_program, &values, 8, argv, &why) != 0) _exit(1);
        _exit(orderflow_serve(config, &values));
    }
    for (int i = 0; i < 500; i++) {
        int fd = dial(s.port, "127.0.0.1");
        if (fd >= 0) {
            (void)close(fd);
            return s;
        }
        (void)usleep(10000);
    }
    FAIL("the program does not listen");
}

static void stop(struct served *s) {
    (void)kill(s->pid, SIGTERM);
    (void)waitpid(s->pid, NULL, 0);
}

/* What the kernel's scheduler counts of all threads: 0: on the processor, 1: waiting for it. */
static double scheduled_us_of(pid_t pid, int which) {
    char path[64], text[64];
    unsigned long long ns[2] = {0};
    double sum = 0;
    struct buf b;
    for (int tid = pid; tid < pid + 64; tid++) {
        (void)snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)pid, tid);
        buf_init(&b, sizeof text);
        if (file_read(&b, path, NULL) == 0 &&
            sscanf((const char *)b.p, "%llu %llu", &ns[0], &ns[1]) == 2) {
            sum += (double)ns[which];
        }
        buf_free(&b);
    }
    return sum / 1000;
}

static double rss_mib_of(pid_t pid) {
    char path[64];
    unsigned long pages = 0, skip;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lu %lu", &skip, &pages) != 2) pages = 0;
    if (f) (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* ---- requests ---- */

struct request {
    struct buf text; /* the whole HTTP request */
    size_t body_at;
};

static size_t tx_bytes; /* of a transaction */

static struct ecdsa_secret_key key_of(uint64_t n) {
    struct ecdsa_secret_key k = {{0}};
    store_be64(k.b + 24, n + 1);
    store_be64(k.b, 7);
    return k;
}

static void put_tx(struct json_writer *w, uint64_t key, uint64_t nonce) {
    static uint8_t data[100];
    struct arena a;
    struct ecdsa_secret_key k = key_of(key);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = 1,
                   .nonce = nonce,
                   .gas = 100000,
                   .max_fee = u256_from_u64(1000000000),
                   .data = bytes_make(data, sizeof data)};
    arena_init(&a, 0);
    CHECK_OK(tx_sign(&t, signer, &k, &a, &why), &why);
    tx_bytes = t.raw.n;
    json_add_data(w, NULL, t.raw);
    arena_free(&a);
}

/* A bundle of `txs` transactions; first: number of its first transaction (the same number is the
 * same transaction). turn makes the request itself another one. */
static void make(struct request *r, uint64_t who, uint64_t first, unsigned txs, uint64_t turn) {
    struct buf body, header;
    struct json_writer w;
    struct ecdsa_secret_key k = key_of(1000000 + who);
    buf_init(&body, 0);
    buf_init(&header, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "jsonrpc", "2.0");
    json_add_u64(&w, "id", 1);
    json_add_str(&w, "method", "eth_sendBundle");
    json_begin_array(&w, "params");
    json_begin_object(&w, NULL);
    json_begin_array(&w, "txs");
    for (unsigned i = 0; i < txs; i++) {
        put_tx(&w, first + i, first);
    }
    json_end(&w);
    json_add_str(&w, "blockNumber", "0x1406f40");
    json_add_u64(&w, "minTimestamp", turn);
    json_end(&w);
    json_end(&w);
    json_end(&w);
    CHECK_OK(request_signature_make(&header, signer, &k, buf_view(&body), &why), &why);
    buf_clear(&r->text);
    buf_printf(&r->text,
               "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\n"
               "content-length: %zu\r\nx-flashbots-signature: %.*s\r\n\r\n",
               body.n, (int)header.n, (const char *)header.p);
    r->body_at = r->text.n;
    buf_append(&r->text, buf_view(&body));
    buf_free(&body);
    buf_free(&header);
}

/* ---- load ---- */

struct line {
    int fd;
    bool waits;                   /* for an answer */
    uint64_t sent_ns, program_ns; /* of its request: when, and the program's CPU time then */
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void read_answer(struct line *l) {
    char text[ANSWER_MAX];
    ssize_t n = read(l->fd, text, sizeof text - 1); // answers are one segment
    if (n <= 0) FAIL("the program closed a connection: %s", strerror(errno));
    text[n] = '\0';
    if (strncmp(text, "HTTP/1.1 200", 12) != 0) FAIL("refused: %s", text);
}

struct load {
    struct line lines[CONNECTIONS];
    struct pollfd polls[CONNECTIONS];
};

static void load_open(struct load *l, const struct served *s) {
    for (size_t i = 0; i < CONNECTIONS; i++) {
        l->lines[i] = (struct line){.fd = dial(s->port, "127.0.0.1")};
        l->polls[i] = (struct pollfd){.fd = l->lines[i].fd, .events = POLLIN};
        CHECK(l->lines[i].fd >= 0);
    }
}

static void load_close(struct load *l) {
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(l->lines[i].fd);
    }
}

static void write_request(struct line *l, const struct request *r) {
    struct bytes text = buf_view(&r->text);
    CHECK(write(l->fd, text.p, text.n) == (ssize_t)text.n);
    l->waits = true;
}

/* Sends all, as fast as connections allow. */
static void drive(struct load *l, const struct request *r, size_t count) {
    size_t sent = 0, answered = 0;
    while (answered < count) {
        for (size_t i = 0; i < CONNECTIONS && sent < count; i++) {
            if (!l->lines[i].waits) write_request(&l->lines[i], &r[sent++]);
        }
        // Not asleep: to wake this process up would be counted as the program's work.
        if (poll(l->polls, CONNECTIONS, 0) < 0) FAIL("poll");
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (!(l->polls[i].revents & POLLIN)) continue;
            read_answer(&l->lines[i]);
            l->lines[i].waits = false;
            answered++;
        }
    }
}

/* The program's CPU time a request. */
static double served_us(const struct served *s, struct load *l, const struct request *r,
                        size_t count) {
    double before = scheduled_us_of(s->pid, 0);
    drive(l, r, count);
    return (scheduled_us_of(s->pid, 0) - before) / (double)count;
}

/* ---- the limit ---- */

static struct request sample;

static void one_recovery(void *arg) {
    struct address a;
    struct bytes text = buf_view(&sample.text);
    const char *header = memmem(text.p, text.n, "0x", 2);
    struct request_signature sig;
    (void)arg;
    CHECK_OK(request_signature_parse(&sig, bytes_make(header, 175), &why), &why);
    struct hash digest = {{1}};
    CHECK_OK(ecdsa_recover_address(&a, &digest, &sig.signature, &why), &why);
}

static struct bytes sample_body(void) {
    return bytes_slice(buf_view(&sample.text), sample.body_at, sample.text.n);
}

static void one_keccak(void *arg) {
    *(struct hash *)arg = keccak256(sample_body());
}

static void one_tx_keccak(void *arg) {
    *(struct hash *)arg = keccak256(bytes_slice(sample_body(), 0, tx_bytes));
}

static void one_parse(void *arg) {
    struct arena *a = arg;
    const struct json *doc;
    arena_reset(a);
    CHECK_OK(json_parse(&doc, sample_body(), a, NULL, &why), &why);
}

static void one_sha256(void *arg) {
    *(struct hash *)arg = sha256(sample_body());
}

/* Mean CPU time of one run. */
static double mean_us(void (*body)(void *arg), void *arg, unsigned runs) {
    struct timespec before, after;
    body(arg);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (unsigned i = 0; i < runs; i++) {
        body(arg);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e6 +
            (double)(after.tv_nsec - before.tv_nsec) / 1e3) /
           runs;
}

/* The limit but for the exchange, on the processor of the program, which rests meanwhile. */
static double parts_us(unsigned recoveries, unsigned txs, unsigned runs) {
    struct arena a;
    struct hash h;
    double us;
    arena_init(&a, 0);
    pin(0);
    if (recoveries == 0) {
        us = mean_us(one_sha256, &h, runs); // a repetition is known by its bytes
    } else {
        us = recoveries * mean_us(one_recovery, NULL, runs) + mean_us(one_keccak, &h, runs) +
             txs * mean_us(one_tx_keccak, &h, runs) + mean_us(one_parse, &a, runs);
    }
    pin(1);
    arena_free(&a);
    return us;
}

/* ---- cases ---- */

#define SLICES 20u

static double middle(double *x) {
    qsort(x, SLICES, sizeof *x, by_value);
    return (x[SLICES / 2 - 1] + x[SLICES / 2]) / 2;
}

static void make_nothing(struct request *r, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_clear(&r[i].text);
        buf_append_str(&r[i].text, "GET /livez HTTP/1.1\r\nhost: node\r\n\r\n");
    }
}

/* of_limit: of the slices' medians; of_limit_mean: of all that they took, with what is rare. */
static void measure(const struct served *s, const char *name, const struct request *r,
                    const struct request *nothing, unsigned recoveries, unsigned txs) {
    const unsigned slice = request_count / SLICES;
    double us[SLICES], limit[SLICES], of[SLICES], all_us = 0, all_limit = 0;
    struct load l;
    sample = r[0];
    load_open(&l, s);
    for (size_t i = 0; i < SLICES; i++) {
        us[i] = served_us(s, &l, r + i * slice, slice);
        limit[i] = served_us(s, &l, nothing, slice) + parts_us(recoveries, txs, slice);
        of[i] = limit[i] / us[i];
        all_us += us[i];
        all_limit += limit[i];
    }
    load_close(&l);
    double cpu_us = middle(us);
    (void)printf("{\"name\":\"%s\",\"requests\":%u,\"body_bytes\":%zu,\"cpu_us\":%.1f,"
                 "\"per_core\":%.0f,\"limit_us\":%.1f,\"of_limit\":%.2f,\"of_limit_mean\":%.2f,"
                 "\"rss_mib\":%.0f}\n",
                 name, SLICES * slice, r[0].text.n - r[0].body_at, cpu_us, 1e6 / cpu_us,
                 middle(limit), middle(of), all_limit / all_us, rss_mib_of(s->pid));
    (void)fflush(stdout);
}

#define WARM_UP 12000u

static void warm_up(const struct served *s, struct request *r) {
    struct load l;
    load_open(&l, s);
    for (size_t done = 0; done < WARM_UP; done += request_count) {
        for (size_t i = 0; i < request_count; i++) {
            make(&r[i], 5000000 + done + i, 80000000 + done + i, 1, i);
        }
        drive(&l, r, request_count);
    }
    load_close(&l);
}

static void measure_costs(const struct served *s, struct request *r) {
    struct request *nothing = calloc(request_count, sizeof *nothing);
    const size_t n = request_count;
    char text[64];
    CHECK(nothing != NULL);
    make_nothing(nothing, n);
    warm_up(s, r);
    for (unsigned txs = 1; txs <= 3; txs += 2) {
        for (size_t i = 0; i < n; i++) {
            make(&r[i], i, i * txs + txs * 10000000, txs, i);
        }
        (void)snprintf(text, sizeof text, "bundle of %u, all cold", txs);
        measure(s, text, r, nothing, 1 + txs, txs);
        for (size_t i = 0; i < n; i++) {
            make(&r[i], i, i * txs + txs * 10000000, txs, n + i);
        }
        (void)snprintf(text, sizeof text, "bundle of %u, senders known", txs);
        measure(s, text, r, nothing, 1, txs);
        (void)snprintf(text, sizeof text, "bundle of %u, exact duplicates", txs);
        measure(s, text, r, nothing, 0, txs);
    }
    for (size_t i = 0; i < n; i++) {
        buf_free(&nothing[i].text);
    }
    free(nothing);
}

/* ---- a flood beside an honest sender ---- */

/* The flood is a process of its own, which is stopped and goes on in turn, so that what else the
 * machine does falls on the honest sender's quiet and loud rounds alike. The honest one sends at
 * its times from an address of its own. */
#define ROUNDS 24u
#define ROUND_REQUESTS 50u
#define HONEST (2u * ROUNDS * ROUND_REQUESTS)
#define HONEST_GAP_NS 4000000u
#define SETTLE_US 50000
#define READ_LATE_NS 60000u /* then the program has worked for others since */

struct flood {
    pid_t pid;
    _Atomic uint64_t *answered; /* shared with it */
};

/* Any answer will do: floods are refused. */
static void flood_run(const struct served *s, const struct request *r, size_t count,
                      _Atomic uint64_t *answered) {
    struct pollfd polls[CONNECTIONS];
    char text[ANSWER_MAX];
    size_t sent = 0;
    (void)!nice(10); // the honest sender's clock is not the flood's matter
    for (size_t i = 0; i < CONNECTIONS; i++) {
        polls[i] = (struct pollfd){.fd = dial(s->port, "127.0.0.1"), .events = POLLIN};
        if (polls[i].fd < 0) return;
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct bytes b = buf_view(&r[sent++ % count].text);
        if (write(polls[i].fd, b.p, b.n) != (ssize_t)b.n) return;
    }
    for (;;) {
        if (poll(polls, CONNECTIONS, 1000) < 0) return;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (!(polls[i].revents & POLLIN)) continue;
            if (read(polls[i].fd, text, sizeof text) <= 0) return;
            atomic_fetch_add(answered, 1);
            struct bytes b = buf_view(&r[sent++ % count].text);
            if (write(polls[i].fd, b.p, b.n) != (ssize_t)b.n) return;
        }
    }
}

static struct flood flood_start(const struct served *s, const struct request *r, size_t count) {
    struct flood f = {.answered = mmap(NULL, sizeof *f.answered, PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    CHECK(f.answered != MAP_FAILED);
    f.pid = fork();
    CHECK(f.pid >= 0);
    if (f.pid == 0) {
        flood_run(s, r, count, f.answered);
        _exit(1);
    }
    return f;
}

static uint64_t flood_end(struct flood *f) {
    uint64_t answered = atomic_load(f->answered);
    if (waitpid(f->pid, NULL, WNOHANG) != 0) FAIL("the flood ended early");
    (void)kill(f->pid, SIGKILL);
    (void)waitpid(f->pid, NULL, 0);
    (void)munmap((void *)f->answered, sizeof *f->answered);
    return answered;
}

/* One answer, as the honest sender sees it. */
struct answer {
    double us;      /* from the write until the kernel had the answer */
    double work_us; /* the program's CPU time until it was read; below 0: it was read too late */
    size_t stretch; /* of drive_timed */
};

/* The kernel's time of what was read; CLOCK_REALTIME. */
static uint64_t read_stamped(int fd) {
    char text[ANSWER_MAX], control[256];
    struct iovec v = {text, sizeof text - 1};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    if (n <= 0) FAIL("the program closed a connection: %s", strerror(errno));
    text[n] = '\0';
    if (strncmp(text, "HTTP/1.1 200", 12) != 0) FAIL("refused: %s", text);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        struct timespec t;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    FAIL("no time of an answer");
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* The answer on a line whose request was written just now or earlier. */
static struct answer timed_answer(const struct line *l, clockid_t program) {
    uint64_t there = read_stamped(l->fd);
    bool late = clock_ns(CLOCK_REALTIME) - there > READ_LATE_NS;
    return (struct answer){.us = (double)(there - l->sent_ns) / 1000,
                           .work_us =
                               late ? -1 : (double)(clock_ns(program) - l->program_ns) / 1000};
}

static void honest_round(const struct served *s, int fd, const struct request *r,
                         struct answer *ret) {
    uint64_t begin = bench_now_ns();
    clockid_t program;
    CHECK(clock_getcpuclockid(s->pid, &program) == 0);
    for (size_t i = 0; i < ROUND_REQUESTS; i++) {
        uint64_t due = begin + i * HONEST_GAP_NS;
        while (bench_now_ns() < due) {
            (void)usleep(100);
        }
        // From now on, not from when it was due: this machine may have been late.
        struct line l = {.fd = fd, .program_ns = clock_ns(program)};
        l.sent_ns = clock_ns(CLOCK_REALTIME);
        write_request(&l, &r[i]);
        ret[i] = timed_answer(&l, program);
    }
}

/* Senders' signatures: of one signer who is known, or of a new one each time. */
static void make_honest(struct request *honest, uint64_t round, bool newcomers) {
    for (size_t i = 0; i < HONEST; i++) {
        uint64_t n = round * HONEST + i;
        make(&honest[i], newcomers ? 3000000 + n : 0, 50000000 + n, 1, 1000000 + n);
    }
}

/* Percentiles of n answers: latency and, of those that were read in time, the program's work. */
static void print_answers(const char *when, const struct answer *a, size_t n) {
    double *us = calloc(n, sizeof *us), *work = calloc(n, sizeof *work);
    size_t in_time = 0;
    CHECK(us && work);
    for (size_t i = 0; i < n; i++) {
        us[i] = a[i].us;
        if (a[i].work_us >= 0) work[in_time++] = a[i].work_us;
    }
    qsort(us, n, sizeof *us, by_value);
    qsort(work, in_time, sizeof *work, by_value);
    (void)printf(",\"%s\":{\"samples\":%zu,\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f", when,
                 n, us[n / 2], us[n * 9 / 10], us[n * 99 / 100]);
    if (in_time > 0) {
        (void)printf(",\"work_samples\":%zu,\"work_p50_us\":%.0f,\"work_p90_us\":%.0f,"
                     "\"work_p99_us\":%.0f",
                     in_time, work[in_time / 2], work[in_time * 9 / 10], work[in_time * 99 / 100]);
    }
    (void)printf("}");
    free(us);
    free(work);
}

/* A time in which the program had something to do all along, from the first request's writing to
 * the last answer. What of it was not the program's CPU time, others had the processor for. */
struct stretch {
    uint64_t begin_ns, program_ns;
    double others_us;
};

#define OTHERS_US 250.0 /* a stretch is theirs: waking up takes some of it too */

/* One request each gap, on a connection that is free. A sender that was late, because its own
 * processor had other work, goes on from there: it does not send in one burst what was due. */
static void drive_timed(const struct served *s, const struct request *r, size_t count,
                        uint64_t gap_ns, struct answer *ret, struct stretch *stretches) {
    struct load load;
    struct stretch *now_on = stretches; // the one that is on, or the next
    struct line *lines = load.lines;
    const int on = 1;
    size_t sent = 0, answered = 0;
    clockid_t program;
    CHECK(clock_getcpuclockid(s->pid, &program) == 0);
    load_open(&load, s);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        CHECK(setsockopt(lines[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0);
    }
    (void)prctl(PR_SET_TIMERSLACK, 1);
    (void)usleep(SETTLE_US);
    for (uint64_t due = bench_now_ns(); answered < count;) {
        for (size_t i = 0; i < CONNECTIONS && sent < count; i++) {
            uint64_t now = bench_now_ns();
            if (lines[i].waits) continue;
            if (due > now) break;
            due = due + gap_ns > now ? due + gap_ns : now + gap_ns;
            lines[i].program_ns = clock_ns(program);
            lines[i].sent_ns = clock_ns(CLOCK_REALTIME);
            if (sent == answered) {
                *now_on = (struct stretch){lines[i].sent_ns, lines[i].program_ns, 0};
            }
            write_request(&lines[i], &r[sent++]);
        }
        // Not in a loop: it would want a whole processor.
        uint64_t now = bench_now_ns();
        const struct timespec rest = {0, due > now ? (long)(due - now) : 0};
        if (ppoll(load.polls, CONNECTIONS, &rest, NULL) < 0) FAIL("poll");
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (!(load.polls[i].revents & POLLIN)) continue;
            struct answer *a = &ret[answered++];
            *a = timed_answer(&lines[i], program);
            a->stretch = (size_t)(now_on - stretches);
            lines[i].waits = false;
            if (answered < sent) continue;
            double end_us = (double)(lines[i].sent_ns - now_on->begin_ns) / 1000 + a->us;
            now_on->others_us = end_us - (double)(clock_ns(program) - now_on->program_ns) / 1000;
            now_on++;
        }
    }
    load_close(&load);
}

/* half: of all; alone: without the stretches in which others had the processor. */
static void measure_latency(const struct served *s, const struct request *r, double per_second) {
    struct answer *answers = calloc(request_count, sizeof *answers);
    struct stretch *stretches = calloc(request_count + 1, sizeof *stretches);
    size_t alone = 0;
    CHECK(answers != NULL && stretches != NULL);
    drive_timed(s, r, request_count, (uint64_t)(1e9 / per_second), answers, stretches);
    (void)printf("{\"name\":\"latency at half load\",\"rate\":%.0f", per_second);
    print_answers("half", answers, request_count);
    for (size_t i = 0; i < request_count; i++) {
        if (stretches[answers[i].stretch].others_us < OTHERS_US) answers[alone++] = answers[i];
    }
    if (alone > 0) print_answers("alone", answers, alone);
    (void)printf("}\n");
    free(stretches);
    free(answers);
}

static void measure_flood(const struct served *s, const char *name, const struct request *flood,
                          size_t count, uint64_t round, bool newcomers) {
    struct request *honest = calloc(HONEST, sizeof *honest);
    static struct answer answers[2][ROUNDS * ROUND_REQUESTS];
    const int on = 1;
    CHECK(honest != NULL);
    make_honest(honest, round, newcomers);
    struct flood f = flood_start(s, flood, count);
    int fd = dial(s->port, "127.0.0.2");
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0);
    for (size_t i = 0; i < 2 * ROUNDS; i++) {
        bool loud = i % 2;
        (void)kill(f.pid, loud ? SIGCONT : SIGSTOP);
        (void)usleep(SETTLE_US);
        honest_round(s, fd, honest + i * ROUND_REQUESTS, answers[loud] + i / 2 * ROUND_REQUESTS);
    }
    (void)close(fd);
    uint64_t answered = flood_end(&f);
    (void)printf("{\"name\":\"honest %s beside %s\",\"flood_requests\":%llu",
                 newcomers ? "newcomers" : "sender", name, (unsigned long long)answered);
    print_answers("loud", answers[1], ROUNDS * ROUND_REQUESTS);
    print_answers("quiet", answers[0], ROUNDS * ROUND_REQUESTS);
    (void)printf("}\n");
    (void)fflush(stdout);
    for (size_t i = 0; i < HONEST; i++) {
        buf_free(&honest[i].text);
    }
    free(honest);
}

/* More requests than the program can take in the time, so that none comes twice. */
#define STRANGERS 40000u

static void measure_floods(const struct served *s) {
    struct request *r = calloc(STRANGERS, sizeof *r);
    CHECK(r != NULL);
    for (size_t i = 0; i < STRANGERS; i++) {
        make(&r[i], 2000000 + i, 60000000 + i, 1, 9500000 + i);
    }
    measure_flood(s, "strangers with good signatures", r, STRANGERS / 2, 1, false);
    measure_flood(s, "strangers with good signatures", r + STRANGERS / 2, STRANGERS / 2, 2, true);
    for (size_t i = 0; i < STRANGERS / 2; i++) { // few enough of each to be no spam
        make(&r[i], 4000000 + i % 200, 70000000 + i, 1, 9800000 + i);
    }
    measure_flood(s, "200 known signers of one address", r, STRANGERS / 2, 6, false);
    measure_flood(s, "duplicates", r, 1, 3, false);
    for (size_t i = 0; i < STRANGERS; i++) {
        r[i].text.p[r[i].text.n - 20] ^= 1; // another body than was signed
    }
    measure_flood(s, "forged signatures", r, STRANGERS, 4, false);
    for (size_t i = 0; i < STRANGERS; i++) {
        buf_clear(&r[i].text);
        buf_printf(&r[i].text, "POST / HTTP/1.1\r\nhost: node\r\ncontent-length: 4000\r\n\r\n");
        buf_append_fill(&r[i].text, '[', 4000);
    }
    measure_flood(s, "unsigned garbage", r, 1000, 5, false);
    for (size_t i = 0; i < STRANGERS; i++) {
        buf_free(&r[i].text);
    }
    free(r);
}

static bool wanted(const char *what) {
    return !*part || strcmp(part, what) == 0;
}

TEST(all) {
    struct served s = start();
    struct request *r = calloc(request_count, sizeof *r);
    size_t n = request_count;
    CHECK(r != NULL);
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    pin(1);
    loop_short_slices(); // what waits for this processor here is not the program's delay
    if (wanted("costs")) measure_costs(&s, r);
    for (size_t i = 0; i < n; i++) {
        make(&r[i], i, i, 1, 3 * n + i);
    }
    if (wanted("latency")) measure_latency(&s, r, 3000);
    if (wanted("floods")) measure_floods(&s);
    stop(&s);
    for (size_t i = 0; i < n; i++) {
        buf_free(&r[i].text);
    }
    free(r);
    ecdsa_signer_free(signer);
}

int main(int argc, char **argv) {
    if (argc > 1) request_count = (unsigned)strtoul(argv[1], NULL, 10);
    if (request_count < 100) request_count = 100;
    if (argc > 2) part = argv[2];
    return test_main(1, argv);
}
