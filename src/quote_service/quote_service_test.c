/* The quote service as its callers meet it: a process of its own, spoken to over sockets.
 * SPDX-License-Identifier: MIT */
#include "quote_service/quote_service.h"

#include "attest/evidence.h"
#include "attest/quote.h"
#include "attest/simulator.h"
#include "base/clock.h"
#include "base/hex.h"
#include "test/harness/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOKEN "a-token-of-this-test"
#define WITH_TOKEN "Authorization: Bearer " TOKEN "\r\n"
#define DIGITS_64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DATA DIGITS_64 DIGITS_64
#define WORDS_MAX 24

struct service {
    char folder[64];
    unsigned port;
    pid_t pid;
};

/* ---- sockets ---- */

static int socket_to(unsigned port, bool listens) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval most = {.tv_sec = 10};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr *to = (const struct sockaddr *)&a;
    if ((listens ? bind(fd, to, sizeof a) : connect(fd, to, sizeof a)) == 0) return fd;
    close(fd);
    return -1;
}

static unsigned port_of(int fd) {
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    return ntohs(a.sin_port);
}

static void nap(void) {
    (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* ---- the service ---- */

static void start(struct service *s, const char *const *more) {
    struct error why = {0};
    struct simulator *platform;
    const struct simulator_spec spec = {.now = clock_wall_ns(&clock_system) / NS_PER_S};
    char listens[32], source[96];
    const char *words[WORDS_MAX] = {"quote-service", "--listen-addr", listens, "--quote-source",
                                    source,          "--token",       TOKEN};
    int n = 7, free_port = socket_to(0, true);
    (void)snprintf(s->folder, sizeof s->folder, "/tmp/quote-service-XXXXXX");
    CHECK(mkdtemp(s->folder) != NULL);
    CHECK_OK(simulator_new(&platform, &spec, &why), &why);
    CHECK_OK(simulator_save(platform, s->folder, &why), &why);
    simulator_free(platform);
    s->port = port_of(free_port);
    close(free_port);
    (void)snprintf(listens, sizeof listens, "127.0.0.1:%u", s->port);
    (void)snprintf(source, sizeof source, "simulator:%s", s->folder);
    for (; more && *more; more++) {
        CHECK(n < WORDS_MAX - 1);
        if (strcmp(*more, "--quote-source") == 0) {
            (void)snprintf(source, sizeof source, "%s", *++more);
        } else {
            words[n++] = *more;
        }
    }
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nowhere, 2);
        _exit(quote_service_main(n, (char **)(uintptr_t)words));
    }
    for (int i = 0, fd; i < 1000; i++, nap()) {
        if ((fd = socket_to(s->port, false)) < 0) continue;
        close(fd);
        return;
    }
    FAIL("the service does not listen");
}

static void stop(struct service *s) {
    char line[96];
    int status;
    (void)kill(s->pid, SIGTERM);
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)snprintf(line, sizeof line, "rm -rf %s", s->folder);
    CHECK(system(line) == 0);
}

/* ---- requests ---- */

struct answer {
    int status; /* 0: closed without one */
    char head[2048];
    struct buf body;
};

static void hear(struct answer *a, int fd) {
    struct buf all;
    uint8_t part[4096];
    ssize_t n;
    buf_init(&all, 0);
    while ((n = read(fd, part, sizeof part)) > 0)
        buf_append(&all, bytes_make(part, (size_t)n));
    const uint8_t *end = memmem(all.p, all.n, "\r\n\r\n", 4);
    size_t head = end ? (size_t)(end - all.p) + 4 : all.n;
    a->status = 0;
    (void)snprintf(a->head, sizeof a->head, "%.*s", (int)head, (const char *)all.p);
    if (all.n > 12 && memcmp(all.p, "HTTP/1.1 ", 9) == 0) a->status = atoi(a->head + 9);
    buf_init(&a->body, 0);
    buf_append(&a->body, bytes_slice(buf_view(&all), head, all.n));
    buf_free(&all);
    close(fd);
}

static int say(const struct service *s, struct bytes in) {
    int fd = socket_to(s->port, false);
    CHECK(fd >= 0);
    while (in.n > 0) {
        ssize_t n = send(fd, in.p, in.n, MSG_NOSIGNAL);
        if (n <= 0) break; // answered and closed before all was read
        in = bytes_slice(in, (size_t)n, in.n);
    }
    return fd;
}

/* Status of one request; its answer's body is dropped. */
static int ask(const struct service *s, const char *method, const char *path, const char *fields) {
    char text[1024];
    struct answer a;
    int n = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n",
                     method, path, fields);
    CHECK(n > 0 && (size_t)n < sizeof text);
    hear(&a, say(s, bytes_make(text, (size_t)n)));
    buf_free(&a.body);
    return a.status;
}

TEST(a_quote_over_what_was_asked) {
    struct service s;
    struct answer a;
    struct evidence_message m;
    struct quote quote;
    uint8_t wanted[64];
    struct error why = {0};
    start(&s, NULL);
    hear(&a, say(&s, BYTES_LIT("GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n"
                               "Connection: close\r\n" WITH_TOKEN "\r\n")));
    CHECK_U64((uint64_t)a.status, 200);
    CHECK_OK(evidence_message_read(&m, buf_view(&a.body), &why), &why);
    CHECK(m.type == ATTESTATION_DCAP_TDX);
    CHECK_OK(quote_parse(&quote, m.evidence, &why), &why);
    CHECK(hex_decode(wanted, BYTES_LIT(DATA), NULL) == 0);
    CHECK_BYTES(bytes_make(quote_report_data(&quote), 64), bytes_make(wanted, 64));
    buf_free(&a.body);
    stop(&s);
}

TEST(nobody_without_the_token_gets_a_quote) {
    static const char *const wrong[] = {
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer a-token-of-this-tesu\r\n",
        "Authorization: Bearer a-token-of-this-tes\r\n",
        "Authorization: Bearer " TOKEN "x\r\n",
        "Authorization: Basic " TOKEN "\r\n",
        "Authorization: " TOKEN "\r\n",
        "X-Authorization: Bearer " TOKEN "\r\n",
    };
    struct service s;
    struct answer a;
    start(&s, (const char *const[]){"--max-requests-per-client", "0", NULL});
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, wrong[i]), 401);
    }
    // Who may not ask is not told whether the question was well formed.
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/zz", ""), 401);
    hear(&a, say(&s, BYTES_LIT("GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n"
                               "Connection: close\r\n\r\n")));
    CHECK(strcasestr(a.head, "\r\nwww-authenticate: bearer") != NULL);
    buf_free(&a.body);
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, WITH_TOKEN), 200);
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, "Authorization: bearer " TOKEN "\r\n"),
              200); // names of schemes have no case
    stop(&s);
}

TEST(malformed_questions_are_refused) {
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/attest/", 404},
        {"GET", "/attest", 404},
        {"GET", "/", 404},
        {"GET", "/attest/" DATA "/more", 404},
        {"POST", "/attest/" DATA, 405},
        {"GET", "/attest/00", 400},
        {"GET", "/attest/" DIGITS_64, 400},
        {"GET", "/attest/" DATA "00", 400},
        {"GET", "/attest/" DIGITS_64 DIGITS_64 "0", 400},
        {"GET", "/attest/0x" DATA, 400},
        {"GET", "/attest/%2e" DATA, 400},
    };
    struct service s;
    char path[160];
    start(&s, (const char *const[]){"--max-requests-per-client", "0", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = ask(&s, cases[i].method, cases[i].path, WITH_TOKEN);
        if (status != cases[i].status) FAIL("%s: %d", cases[i].path, status);
    }
    (void)snprintf(path, sizeof path, "/attest/%s", DATA);
    path[40] = 'g'; // no digit
    CHECK_U64((uint64_t)ask(&s, "GET", path, WITH_TOKEN), 400);
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, WITH_TOKEN), 200);
    stop(&s);
}

TEST(what_is_no_request_is_refused_and_bodies_are_bounded) {
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"nonsense\r\n\r\n", 400},
        {"GET /attest/" DATA " HTTP/9.9\r\nHost: a\r\n\r\n", 505},
        {"GET /attest/" DATA " HTTP/1.1\r\n" WITH_TOKEN "\r\n", 400}, // no Host
        {"GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n" WITH_TOKEN "Content-Length: 4097\r\n\r\n",
         413},
        {"GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n" WITH_TOKEN
         "Content-Length: 18446744073709551616\r\n\r\n",
         400},
        {"GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n" WITH_TOKEN
         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
    };
    struct service s;
    struct answer a;
    start(&s, (const char *const[]){"--max-requests-per-client", "0", NULL});
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hear(&a, say(&s, bytes_from_str(cases[i].text)));
        if (a.status != cases[i].status) FAIL("case %zu: %d", i, a.status);
        buf_free(&a.body);
    }
    // A body that does not say how long it is.
    char chunked[6000];
    int head = snprintf(chunked, sizeof chunked,
                        "GET /attest/%s HTTP/1.1\r\nHost: a\r\n%sTransfer-Encoding: "
                        "chunked\r\n\r\nffff\r\n",
                        DATA, WITH_TOKEN);
    memset(chunked + head, 'x', sizeof chunked - (size_t)head);
    hear(&a, say(&s, bytes_make(chunked, sizeof chunked)));
    CHECK_U64((uint64_t)a.status, 413);
    buf_free(&a.body);
    // A head without end.
    static const char begin[] = "GET / HTTP/1.1\r\nA: ";
    size_t n = 1u << 20;
    char *endless = malloc(n);
    CHECK(endless != NULL);
    memset(endless, 'x', n);
    memcpy(endless, begin, sizeof begin - 1);
    hear(&a, say(&s, bytes_make(endless, n)));
    CHECK(a.status == 431 || a.status == 0); // or reset while it still sent
    buf_free(&a.body);
    free(endless);
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, WITH_TOKEN), 200);
    stop(&s);
}

TEST(a_client_is_limited_whether_it_has_the_token_or_not) {
    struct service s;
    unsigned good = 0, limited = 0;
    start(&s, (const char *const[]){"--max-requests-per-client", "2", NULL});
    for (int i = 0; i < 12; i++) {
        int status = ask(&s, "GET", "/attest/" DATA, i % 2 ? "" : WITH_TOKEN);
        good += status == 200 || status == 401;
        limited += status == 429;
    }
    CHECK(good >= 4 && limited >= 4); // bursts of twice the rate
    CHECK_U64(good + limited, 12);
    for (int i = 0; i < 200; i++)
        nap();
    CHECK_U64((uint64_t)ask(&s, "GET", "/attest/" DATA, WITH_TOKEN), 200);
    stop(&s);
}

TEST(a_source_that_hangs_holds_a_bounded_line) {
    struct service s;
    struct answer a;
    int silent = socket_to(0, true), asked[6];
    char source[64];
    unsigned busy = 0, late = 0;
    CHECK(listen(silent, 16) == 0);
    (void)snprintf(source, sizeof source, "http://127.0.0.1:%u", port_of(silent));
    start(&s, (const char *const[]){"--quote-source", source, "--quotes-waiting", "2",
                                    "--quote-timeout", "1s", NULL});
    for (int i = 0; i < 6; i++) {
        asked[i] = say(&s, BYTES_LIT("GET /attest/" DATA " HTTP/1.1\r\nHost: a\r\n"
                                     "Connection: close\r\n" WITH_TOKEN "\r\n"));
    }
    for (int i = 0; i < 6; i++) {
        hear(&a, asked[i]);
        CHECK_U64((uint64_t)a.status, 503);
        busy += bytes_equal_str(buf_view(&a.body), "too many requests wait for quotes\n");
        late += bytes_equal_str(buf_view(&a.body), "try again later\n");
        buf_free(&a.body);
    }
    CHECK_U64(busy + late, 6);
    CHECK(busy >= 2 && late >= 1);
    close(silent);
    stop(&s);
}

/* The exit status of a service that does not start. */
static int status_of(const char *const *words) {
    const char *copy[WORDS_MAX] = {"quote-service", "--listen-addr", "127.0.0.1:0"};
    int n = 3, status;
    for (; *words; words++)
        copy[n++] = *words;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nowhere, 2);
        (void)alarm(10);
        _exit(quote_service_main(n, (char **)(uintptr_t)copy));
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(it_does_not_start_with_settings_that_open_or_mean_nothing) {
    static const char *const cases[][8] = {
        {"--quote-source", "tsm:/nowhere", NULL}, // no token
        {"--token", "t", "--quote-source", "simulator:/nowhere", NULL},
        {"--token", "t", "--quote-source", "nonsense", NULL},
        {"--token", "t", "--attestation-type", "azure-tdx", NULL},
        {"--token", "t", "--attestation-type", "none", NULL},
        {"--token", "t", "--attestation-type", "sgx", NULL},
        {"--token", "file:/nowhere/token", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = status_of(cases[i]);
        if (status <= 0) FAIL("case %zu: %d", i, status);
    }
}

TEST_MAIN()
