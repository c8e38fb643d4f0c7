/* SPDX-License-Identifier: MIT */
#include "paravisor/paravisor.h"

#include "attest/quoter.h"
#include "attest/simulator.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/list.h"
#include "config/common.h"
#include "net/simple_service.h"
#include "paravisor/guests.h"
#include "paravisor/machine.h"
#include "json/json.h"
#include "json/write.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_VERSION 4
#define REQUEST_BYTES_MAX 8192

struct values {
    const char *listen_addr, *metadata_addr, *tpm_socket, *platform, *authority, *mr_td, *image;
    struct common_log log;
};

static const struct config_option options[] = {
    CONFIG_ADDRESS(values, listen_addr, "listen-addr", "127.0.0.1:2321",
                   "Address of the vTPM; its control channel is on the next port."),
    CONFIG_ADDRESS(values, metadata_addr, "metadata-addr", "127.0.0.1:8083",
                   "Address of the metadata service: POST /acc/tdquote."),
    CONFIG_PATH(values, tpm_socket, "tpm-socket", NULL, "swtpm's Unix socket."),
    CONFIG_PATH(values, platform, "platform", NULL,
                "Folder of the simulated platform (buildernet attest simulate)."),
    CONFIG_PATH(values, authority, "authority", NULL,
                "Folder of a platform whose authority certifies the attestation key; empty: of "
                "--platform."),
    CONFIG_STRING(values, mr_td, "mrtd", NULL, "HEX", "MRTD of the TD; empty: zeros."),
    CONFIG_STRING(values, image, "image", NULL, "HEX",
                  "Event of 32 bytes that PCR 11 is extended with: the guest's image."),
    COMMON_LOG_ROWS(struct values, log, "BUILDERNET_", ""),
};
const struct config_program paravisor_program = {
    .name = "paravisor",
    .summary = "a simulated Azure machine: vTPM, report, metadata service",
    .details = "For tests and devnets, with swtpm behind it. Give its address as --quote-source "
               "vtpm:swtpm:host=HOST,port=PORT and --imds-url http://METADATA-ADDR/acc/tdquote, "
               "and the platform's ak_root.pem to verifiers as --ak-roots.",
    CONFIG_OPTIONS(options, struct values),
};

struct paravisor {
    struct config *config;
    struct values values;
    struct log *log;
    struct simple_service simple;
    struct machine *machine;
    struct guests *guests;
    bool watching;
    struct quoter *quoter;
    struct loop_fd tpm; /* only its hang-up is waited for */
    struct error lost;  /* code 0: the TPM is there */
};

/* ---- the metadata service ---- */

// The report data of the TDREPORT that was sent, in the arena's bytes.
static int read_report(uint8_t ret[64], struct exchange *x, struct error *why) {
    static const struct json_limits limits = {REQUEST_BYTES_MAX, 4, 64, false};
    struct arena *a = exchange_arena(x);
    const struct json *doc;
    struct bytes text, report;
    struct td_report td;
    int r = json_parse(&doc, exchange_body(x), a, &limits, why);
    if (r == 0) r = json_get_string(&text, doc, "report", why);
    if (r == 0) r = base64_decode(&report, text, BASE64_URL | BASE64_ANY_PAD, a, why);
    if (r == 0) r = tdreport_parse(&td, report, why);
    if (r == 0) memcpy(ret, td.report_data, 64);
    return r;
}

static void refuse(struct exchange *x, int status, const char *text) {
    exchange_respond_text(x, status, "text/plain; charset=utf-8", bytes_from_str(text));
}

static void answer_quote(struct exchange *x, void *context) {
    struct paravisor *p = context;
    uint8_t report_data[64];
    struct error why;
    struct buf quote, text, out;
    struct json_writer w;
    if (!bytes_equal_str(exchange_header(x, "metadata"), "true")) {
        refuse(x, 400, "Metadata: true is required\n");
        return;
    }
    if (read_report(report_data, x, &why) < 0) {
        refuse(x, 400, "no TDREPORT\n");
        return;
    }
    buf_init(&quote, QUOTE_BYTES_MAX);
    buf_init(&text, 2 * QUOTE_BYTES_MAX);
    buf_init(&out, 2 * QUOTE_BYTES_MAX + 64);
    int r = quoter_make(p->quoter, &quote, report_data, &why);
    base64_append(&text, buf_view(&quote), BASE64_URL | BASE64_NO_PAD);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_text(&w, "quote", buf_view(&text));
    json_end(&w);
    if (r == 0) r = buf_check(&out, &why);
    if (r == 0) {
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
    } else {
        log_error(p->log, "quote_failed", F_ERR(&why));
        refuse(x, 500, "Internal server error\n");
    }
    buf_free(&quote);
    buf_free(&text);
    buf_free(&out);
}

/* ---- life ---- */

static int read_hex(uint8_t *ret, size_t n, const char *text, const char *flag, struct error *why) {
    struct bytes digits = bytes_from_str(text ? text : "");
    memset(ret, 0, n);
    if (digits.n == 0) return 0;
    if (digits.n != 2 * n || hex_decode(ret, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "%s: %zu bytes of hex are needed", flag, n);
    }
    return 0;
}

// Quotes are of the TD that the machine's reports are of.
static int open_quoter(struct paravisor *p, const uint8_t mr_td[48], struct error *why) {
    struct simulator *s;
    struct td_report td;
    int r = simulator_load(&s, p->values.platform, why);
    if (r < 0) return r;
    simulator_td(s, &td);
    simulator_free(s);
    memcpy(td.mr_td, mr_td, sizeof td.mr_td);
    return quoter_simulator(&p->quoter, p->values.platform, &td, QUOTE_VERSION, why);
}

static int open_machine(struct paravisor *p, struct error *why) {
    const struct values *v = &p->values;
    struct machine_options o = {.socket = v->tpm_socket,
                                .authority =
                                    v->authority && *v->authority ? v->authority : v->platform,
                                .now = clock_wall_ns(&clock_system) / NS_PER_S};
    if (!v->tpm_socket || !*v->tpm_socket || !v->platform || !*v->platform) {
        return error_set(why, ERR_INVALID, "--tpm-socket and --platform are needed");
    }
    int r = read_hex(o.mr_td, sizeof o.mr_td, v->mr_td, "--mrtd", why);
    if (r == 0) r = read_hex(o.image, sizeof o.image, v->image, "--image", why);
    if (r == 0) r = open_quoter(p, o.mr_td, why);
    return r == 0 ? machine_open(&p->machine, &o, why) : r;
}

static int on_command(void *context, struct buf *ret, struct bytes command, struct error *why) {
    struct paravisor *p = context;
    return machine_command(p->machine, ret, command, why);
}

static void on_lost(void *context, const struct error *why) {
    struct paravisor *p = context;
    p->lost = *why;
    service_stop(p->simple.service);
}

static void on_hangup(struct loop_fd *w, unsigned events) {
    struct paravisor *p = LIST_ENTRY(w, struct paravisor, tpm);
    struct error why;
    if (!(events & LOOP_HANGUP)) return;
    loop_fd_remove(p->simple.loop, w);
    p->watching = false;
    (void)error_set(&why, ERR_IO, "the TPM has gone");
    on_lost(p, &why);
}

static int serve(struct paravisor *p, struct error *why) {
    const struct simple_options o = {
        .name = "paravisor", .log = p->log, .listen_addr = p->values.metadata_addr};
    const struct route route = {"POST", "/acc/tdquote", answer_quote, p, 0, 0};
    const struct server_limits limits = {.connections = 100, .body_bytes = REQUEST_BYTES_MAX};
    log_warn(p->log, "simulated_platform",
             F_STR("text", "the evidence proves nothing outside of tests"));
    int r = simple_open(&p->simple, &o, why);
    if (r == 0) r = open_machine(p, why);
    if (r < 0) return r;
    const struct guests_options guests = {.loop = p->simple.loop,
                                          .address = p->values.listen_addr,
                                          .command = on_command,
                                          .lost = on_lost,
                                          .context = p};
    p->tpm = (struct loop_fd){machine_fd(p->machine), 0, on_hangup};
    r = loop_fd_add(p->simple.loop, &p->tpm, why);
    p->watching = r == 0;
    if (r == 0) r = guests_open(&p->guests, &guests, why);
    if (r == 0) r = simple_listen(&p->simple, &route, 1, &limits, why);
    if (r < 0) return r;
    log_info(p->log, "listening", F_STR("tpm", p->values.listen_addr),
             F_STR("metadata", p->simple.address));
    r = service_run(p->simple.service, why);
    if (r == 0 && p->lost.code) {
        *why = p->lost;
        r = why->code;
    }
    return r;
}

static void stop(struct paravisor *p) {
    guests_close(p->guests);
    if (p->watching) loop_fd_remove(p->simple.loop, &p->tpm);
    simple_close(&p->simple);
    machine_close(p->machine);
    quoter_free(p->quoter);
    config_free(p->config);
    log_close(p->log);
}

int paravisor_main(int argc, char **argv) {
    struct paravisor p = {0};
    struct error why = {0};
    int r = config_load(&p.config, &paravisor_program, &p.values, argc, argv, &why);
    if (r == 0 && config_output(p.config).n) {
        struct bytes text = config_output(p.config);
        (void)fwrite(text.p, 1, text.n, stdout);
        config_free(p.config);
        return 0;
    }
    if (r < 0) {
        (void)fprintf(stderr, "buildernet paravisor: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    r = common_log_open(&p.log, &p.values.log, "paravisor", &why);
    (void)signal(SIGPIPE, SIG_IGN);
    if (r == 0) r = serve(&p, &why);
    if (r < 0) log_error(p.log, "failed", F_ERR(&why));
    stop(&p);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}
