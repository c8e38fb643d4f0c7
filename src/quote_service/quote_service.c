/* SPDX-License-Identifier: MIT */
#include "quote_service/quote_service.h"

#include "attest/evidence.h"
#include "attest/quoter.h"
#include "base/confine.h"
#include "base/hex.h"
#include "base/list.h"
#include "base/pool.h"
#include "config/common.h"
#include "net/simple_service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct values {
    const char *listen_addr, *tls_certificate, *tls_key, *quote_source, *type;
    struct secret token;
    struct config_list fields;
    uint64_t quote_version, quote_wait_ns, waiting, requests_per_second;
    bool allow_anyone;
    struct common_log log;
    struct common_process process;
};

static const struct config_option options[] = {
    CONFIG_ADDRESS(values, listen_addr, "listen-addr", "127.0.0.1:8082", "Address to serve."),
    CONFIG_PATH(values, tls_certificate, "tls-certificate-path", NULL,
                "Certificate chain, PEM; empty: plain HTTP."),
    CONFIG_PATH(values, tls_key, "tls-private-key-path", NULL, "Its key, PEM."),
    CONFIG_SECRET(values, token, "token", "Token that callers must show, or file:PATH."),
    CONFIG_BOOL(values, allow_anyone, "allow-anyone", "false",
                "Start without a token: whoever reaches the port speaks as this machine."),
    CONFIG_STRING(values, quote_source, "quote-source", "tsm", "SOURCE",
                  "tsm[:FOLDER], simulator:FOLDER or another quote service."),
    CONFIG_STRING(values, type, "attestation-type", "dcap-tdx", "TYPE",
                  "What the evidence is called: dcap-tdx, qemu-tdx, gcp-tdx."),
    CONFIG_LIST(values, fields, "simulated-fields", NULL, "FIELD=HEX,...",
                "Fields of the simulated TD."),
    CONFIG_U64(values, quote_version, "quote-version", "4", "Version of simulated quotes: 4, 5."),
    CONFIG_DURATION(values, quote_wait_ns, "quote-timeout", "10s", "Most time for one quote."),
    CONFIG_U64(values, waiting, "quotes-waiting", "64", "Requests that may wait."),
    CONFIG_U64(values, requests_per_second, "max-requests-per-client", "20",
               "Requests a second of one address, with bursts of twice that; 0: no limit."),
    COMMON_LOG_ROWS(struct values, log, "BUILDERNET_", ""),
    COMMON_PROCESS_ROWS(struct values, process, ""),
};
const struct config_program quote_service_program = {
    .name = "quote-service",
    .summary = "quotes for guests that cannot reach the platform device",
    CONFIG_OPTIONS(options, struct values),
};

struct quote_service {
    const struct values *values;
    enum attestation_type type;
    struct log *log;
    struct simple_service simple;
    struct quoter *quoter; /* the worker's */
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd watch;
    bool watching;
};

/* ---- one request ---- */

struct asked {
    struct quote_service *s;
    struct exchange *x; /* held */
    uint8_t report_data[64];
    struct buf quote;
    int code;
    struct error why;
    struct pool_task task;
};

static void work(void *context) {
    struct asked *q = context;
    q->code = quoter_make(q->s->quoter, &q->quote, q->report_data, &q->why);
}

static void answer(void *context) {
    struct asked *q = context;
    struct buf out;
    buf_init(&out, QUOTE_BYTES_MAX + 256);
    if (q->code == 0) {
        const struct evidence_message m = {q->s->type, buf_view(&q->quote)};
        evidence_message_write(&out, &m);
        q->code = buf_check(&out, &q->why);
    }
    if (q->code == 0) {
        exchange_respond_text(q->x, 200, "application/octet-stream", buf_view(&out));
    } else { // the reason is the operator's: it tells about the machine
        log_error(q->s->log, "quote_failed", F_ERR(&q->why));
        bool later = q->code == ERR_BUSY || q->code == ERR_TIMEOUT;
        exchange_respond_text(q->x, later ? 503 : 500, "text/plain; charset=utf-8",
                              later ? BYTES_LIT("try again later\n")
                                    : BYTES_LIT("Internal server error\n"));
    }
    exchange_release(q->x);
    buf_free(&out);
    buf_free(&q->quote);
    free(q);
}

static bool may_ask(struct quote_service *s, const struct exchange *x) {
    struct bytes shown = exchange_header(x, "authorization");
    if (s->values->token.n == 0) return true; // --allow-anyone
    if (shown.n < 7 || strncasecmp((const char *)shown.p, "Bearer ", 7) != 0) return false;
    return bytes_equal_secret(bytes_slice(shown, 7, shown.n),
                              bytes_make(s->values->token.p, s->values->token.n));
}

static void refuse(struct exchange *x, int status, const char *text) {
    if (status == 401) (void)exchange_add_header(x, "WWW-Authenticate", BYTES_LIT("Bearer"));
    exchange_respond_text(x, status, "text/plain; charset=utf-8", bytes_from_str(text));
}

static void handle(struct exchange *x, void *context) {
    struct quote_service *s = context;
    struct bytes digits = exchange_param(x, "data");
    if (!may_ask(s, x)) {
        refuse(x, 401, "a token is needed\n");
        return;
    }
    struct asked *q = calloc(1, sizeof *q);
    if (!q || digits.n != 128 || hex_decode(q->report_data, digits, NULL) < 0) {
        refuse(x, q ? 400 : 500, q ? "Input data must be 64 bytes\n" : "Internal server error\n");
        free(q);
        return;
    }
    q->s = s;
    q->x = x;
    q->task = (struct pool_task){work, answer, q, &s->mailbox, NULL};
    buf_init(&q->quote, QUOTE_BYTES_MAX);
    exchange_hold(x);
    if (pool_submit(s->pool, &q->task)) return;
    exchange_release(x);
    free(q);
    refuse(x, 503, "too many requests wait for quotes\n");
}

/* ---- life ---- */

static void drain(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct quote_service, watch)->mailbox);
}

static int open_source(struct quote_service *s, struct error *why) {
    const struct values *v = s->values;
    if (!attestation_type_parse(&s->type, bytes_from_str(v->type)) || s->type == ATTESTATION_NONE ||
        s->type == ATTESTATION_AZURE_TDX) {
        return error_set(why, ERR_SYNTAX, "--attestation-type %.40s: not a type of bare quotes",
                         v->type);
    }
    if (strncmp(v->quote_source, "simulator:", 10) == 0) {
        log_warn(s->log, "simulated_platform",
                 F_STR("text", "the quotes prove nothing outside of tests"));
    }
    return quoter_open(&s->quoter,
                       &(struct quoter_source){.source = v->quote_source,
                                               .type = s->type,
                                               .fields = v->fields.items,
                                               .field_count = v->fields.count,
                                               .version = (unsigned)v->quote_version,
                                               .wait_ms = v->quote_wait_ns / NS_PER_MS},
                       why);
}

static int open_worker(struct quote_service *s, struct error *why) {
    int r = pool_mailbox_open(&s->mailbox, why);
    if (r == 0) {
        s->watch = (struct loop_fd){s->mailbox.fd, LOOP_READ, drain};
        r = loop_fd_add(s->simple.loop, &s->watch, why);
        s->watching = r == 0;
    }
    return r == 0 ? pool_start(&s->pool, 1, (size_t)s->values->waiting, why) : r;
}

static int check_token(const struct quote_service *s, struct error *why) {
    if (s->values->token.n) return 0;
    if (!s->values->allow_anyone) {
        return error_set(why, ERR_INVALID, "--token is missing (or --allow-anyone)");
    }
    log_warn(s->log, "anyone_may_ask",
             F_STR("text", "whoever reaches the port speaks as this machine"));
    return 0;
}

static int restrict_self(const struct quote_service *s, struct error *why) {
    const struct values *v = s->values;
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    struct confine c;
    confine_init(&c);
    if (strncmp(v->quote_source, "simulator:", 10) == 0) {
        (void)confine_allow(&c, v->quote_source + 10, SANDBOX_READ);
    }
    if (strncmp(v->quote_source, "tsm:", 4) == 0) {
        (void)confine_allow(&c, v->quote_source + 4, both);
    }
    (void)confine_allow(&c, QUOTER_TSM_FOLDER, both);
    (void)confine_allow_folder_of(&c, v->tls_certificate, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, v->tls_key, SANDBOX_READ);
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, s->log, why);
}

static int serve(struct quote_service *s, struct error *why) {
    const struct simple_options o = {.name = "quote-service",
                                     .log = s->log,
                                     .listen_addr = s->values->listen_addr,
                                     .tls_certificate = s->values->tls_certificate,
                                     .tls_key = s->values->tls_key};
    const struct route route = {"GET", "/attest/{data}", handle, s, 0, 0};
    const struct server_limits limits = {.connections = 1000,
                                         .body_bytes = 4096,
                                         .requests_per_second =
                                             (unsigned)s->values->requests_per_second};
    int r = check_token(s, why);
    if (r == 0) r = sandbox_change_user(s->values->process.user, why);
    if (r == 0) r = simple_open(&s->simple, &o, why);
    if (r == 0) r = restrict_self(s, why);
    if (r == 0) r = open_source(s, why);
    if (r == 0) r = open_worker(s, why);
    if (r == 0) r = simple_listen(&s->simple, &route, 1, &limits, why);
    if (r < 0) return r;
    log_info(s->log, "listening", F_STR("address", s->simple.address),
             F_BOOL("tls", s->simple.tls != NULL));
    return service_run(s->simple.service, why);
}

static void stop(struct quote_service *s) {
    pool_stop(s->pool);
    if (s->watching) {
        (void)pool_mailbox_drain(&s->mailbox);
        loop_fd_remove(s->simple.loop, &s->watch);
        pool_mailbox_close(&s->mailbox);
    }
    simple_close(&s->simple);
    quoter_free(s->quoter);
    log_close(s->log);
}

static int run(struct config *config, void *values) {
    (void)config;
    struct quote_service s = {.values = values};
    struct error why;
    int r = common_log_open(&s.log, &s.values->log, "quote-service", &why);
    (void)signal(SIGPIPE, SIG_IGN);
    if (r == 0) r = serve(&s, &why);
    if (r < 0) log_error(s.log, "failed", F_ERR(&why));
    stop(&s);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}

int quote_service_main(int argc, char **argv) {
    struct values values;
    return config_main(&quote_service_program, &values, argc, argv, run);
}
