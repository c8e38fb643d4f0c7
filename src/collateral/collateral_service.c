/* SPDX-License-Identifier: MIT */
#include "collateral/collateral_service.h"

#include "base/confine.h"
#include "base/hex.h"
#include "collateral/shelf.h"
#include "config/common.h"
#include "net/simple_service.h"
#include "json/write.h"

#include <signal.h>
#include <stdio.h>

#define V1 "/certification/v4"

struct values {
    const char *listen_addr, *tls_certificate, *tls_key;
    uint64_t requests_per_second;
    struct common_log log;
    struct common_process process;
};

static const struct config_option options[] = {
    CONFIG_ADDRESS(values, listen_addr, "listen-addr", "127.0.0.1:8081", "Address to serve."),
    CONFIG_PATH(values, tls_certificate, "tls-certificate-path", NULL,
                "Certificate chain, PEM; empty: plain HTTP."),
    CONFIG_PATH(values, tls_key, "tls-private-key-path", NULL, "Its key, PEM."),
    CONFIG_U64(values, requests_per_second, "max-requests-per-client", "50",
               "Requests a second of one address, with bursts of twice that; 0: no limit."),
    COMMON_LOG_ROWS(struct values, log, "BUILDERNET_", ""),
    COMMON_PROCESS_ROWS(struct values, process, ""),
};
static const struct config_verb verbs[] = {
    {"serve", "FOLDER", "answer the PCCS API from a folder", 1, 1},
};
const struct config_program collateral_program = {
    .name = "collateral",
    .summary = "serve collateral from a folder",
    .details = "FOLDER holds one platform's collateral, or a folder or JSON container for each "
               "(as `buildernet attest fetch-collateral` writes them). SIGHUP reads it again.",
    CONFIG_OPTIONS(options, struct values),
    .verbs = verbs,
    .verb_count = 1,
};

struct service_state {
    const struct values *values;
    const char *folder;
    struct log *log;
    struct simple_service simple;
    struct shelf *shelf;
};

/* ---- answers ---- */

static void not_found(struct exchange *x, const char *text) {
    exchange_respond_text(x, 404, "text/plain; charset=utf-8", bytes_from_str(text));
}

// An issuer chain goes into a header as URL-encoded PEM.
static void add_chain(struct exchange *x, const char *name, struct bytes pem) {
    static const char digits[] = "0123456789ABCDEF";
    struct buf text;
    buf_init(&text, 64u << 10);
    for (size_t i = 0; i < pem.n; i++) {
        uint8_t c = pem.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (!plain) buf_append_byte(&text, '%');
        buf_append_byte(&text, plain ? c : (uint8_t)digits[c >> 4]);
        if (!plain) buf_append_byte(&text, (uint8_t)digits[c & 15]);
    }
    if (buf_check(&text, NULL) == 0) (void)exchange_add_header(x, name, buf_view(&text));
    buf_free(&text);
}

static enum tcb_info_id id_of(const struct exchange *x) {
    return bytes_starts_with(exchange_path(x), BYTES_LIT("/tdx")) ? TCB_INFO_TDX : TCB_INFO_SGX;
}

static void answer_tcb(struct exchange *x, void *context) {
    struct service_state *s = context;
    struct bytes text = exchange_query_get(x, "fmspc");
    uint8_t fmspc[6];
    if (text.n != 12 || hex_decode(fmspc, text, NULL) < 0) {
        exchange_respond_text(x, 400, "text/plain; charset=utf-8",
                              BYTES_LIT("fmspc: 12 hex digits\n"));
        return;
    }
    const struct collateral *c = shelf_find_tcb(s->shelf, id_of(x), fmspc);
    if (!c) {
        not_found(x, "no such platform\n");
        return;
    }
    // Intel's service and the caching one name the header differently: both are given.
    add_chain(x, "TCB-Info-Issuer-Chain", c->parts.signing_chain);
    add_chain(x, "SGX-TCB-Info-Issuer-Chain", c->parts.signing_chain);
    exchange_respond_text(x, 200, "application/json", c->parts.tcb_info);
}

static void answer_identity(struct exchange *x, void *context) {
    struct service_state *s = context;
    const struct collateral *c = shelf_find_identity(s->shelf, id_of(x));
    if (!c) {
        not_found(x, "no such identity\n");
        return;
    }
    bool own = c->parts.qe_signing_chain.n > 0;
    add_chain(x, "SGX-Enclave-Identity-Issuer-Chain",
              own ? c->parts.qe_signing_chain : c->parts.signing_chain);
    exchange_respond_text(x, 200, "application/json", c->parts.qe_identity);
}

static void respond_hex(struct exchange *x, struct bytes der) {
    char *text = arena_alloc_raw(exchange_arena(x), 2 * der.n + 1);
    if (!text) {
        exchange_respond_text(x, 500, "text/plain; charset=utf-8", BYTES_LIT("no memory\n"));
        return;
    }
    hex_encode(text, der);
    exchange_respond_text(x, 200, "text/plain; charset=utf-8", bytes_make(text, 2 * der.n));
}

static void answer_crl(struct exchange *x, void *context) {
    struct service_state *s = context;
    struct bytes ca = exchange_query_get(x, "ca");
    struct bytes encoding = exchange_query_get(x, "encoding");
    bool processor = bytes_equal_str(ca, "processor");
    if (!processor && !bytes_equal_str(ca, "platform")) {
        exchange_respond_text(x, 400, "text/plain; charset=utf-8",
                              BYTES_LIT("ca: platform or processor\n"));
        return;
    }
    const struct collateral *c = shelf_find_crl(s->shelf, processor);
    if (!c) {
        not_found(x, "no such list\n");
        return;
    }
    add_chain(x, "SGX-PCK-CRL-Issuer-Chain", c->parts.pck_issuer_chain);
    if (bytes_equal_str(encoding, "der"))
        exchange_respond_text(x, 200, "application/pkix-crl", c->parts.pck_crl);
    else
        respond_hex(x, c->parts.pck_crl);
}

static void answer_root_crl(struct exchange *x, void *context) {
    struct service_state *s = context;
    const struct collateral *c = shelf_find_root_crl(s->shelf);
    if (c)
        respond_hex(x, c->parts.root_crl);
    else
        not_found(x, "no such list\n");
}

static void answer_platforms(struct exchange *x, void *context) {
    struct service_state *s = context;
    struct json_writer w;
    struct buf out;
    buf_init(&out, 1u << 20);
    json_writer_init(&w, &out, 0);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < s->shelf->count; i++) {
        const struct collateral *c = s->shelf->item[i];
        char fmspc[13] = {0};
        hex_encode(fmspc, bytes_make(c->tcb_info.fmspc, 6));
        json_begin_object(&w, NULL);
        json_add_str(&w, "fmspc", fmspc);
        json_add_str(&w, "platform", shelf_is_processor(c) ? "processor" : "platform");
        json_end(&w);
    }
    json_end(&w);
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

/* ---- life ---- */

static int reload(void *context, struct error *why) {
    struct service_state *s = context;
    struct shelf *fresh;
    int r = shelf_open(&fresh, s->folder, why);
    if (r < 0) return r;
    shelf_free(s->shelf);
    s->shelf = fresh;
    return 0;
}

static int restrict_self(const struct service_state *s, struct error *why) {
    struct confine c;
    confine_init(&c);
    (void)confine_allow(&c, s->folder, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, s->folder, SANDBOX_READ); // a file, or replaced as a whole
    (void)confine_allow_folder_of(&c, s->values->tls_certificate, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, s->values->tls_key, SANDBOX_READ);
    confine_allow_system(&c);
    return confine_enter(&c, s->values->process.sandbox, s->log, why);
}

static int serve(struct service_state *s, struct error *why) {
    const struct simple_options o = {.name = "collateral",
                                     .log = s->log,
                                     .listen_addr = s->values->listen_addr,
                                     .tls_certificate = s->values->tls_certificate,
                                     .tls_key = s->values->tls_key,
                                     .reload = reload,
                                     .context = s};
    const struct route routes[] = {
        {"GET", "/tdx" V1 "/tcb", answer_tcb, s, 0, 0},
        {"GET", "/sgx" V1 "/tcb", answer_tcb, s, 0, 0},
        {"GET", "/tdx" V1 "/qe/identity", answer_identity, s, 0, 0},
        {"GET", "/sgx" V1 "/qe/identity", answer_identity, s, 0, 0},
        {"GET", "/sgx" V1 "/pckcrl", answer_crl, s, 0, 0},
        {"GET", "/sgx" V1 "/rootcacrl", answer_root_crl, s, 0, 0},
        {"GET", "/sgx" V1 "/fmspcs", answer_platforms, s, 0, 0},
    };
    const struct server_limits limits = {
        .connections = 1000, .requests_per_second = (unsigned)s->values->requests_per_second};
    int r = sandbox_change_user(s->values->process.user, why);
    if (r == 0) r = simple_open(&s->simple, &o, why);
    if (r == 0) r = restrict_self(s, why);
    if (r == 0) r = shelf_open(&s->shelf, s->folder, why);
    if (r == 0) {
        r = simple_listen(&s->simple, routes, sizeof routes / sizeof routes[0], &limits, why);
    }
    if (r < 0) return r;
    log_info(s->log, "listening", F_STR("address", s->simple.address),
             F_U64("platforms", s->shelf->count));
    return service_run(s->simple.service, why);
}

static void stop(struct service_state *s) {
    simple_close(&s->simple);
    shelf_free(s->shelf);
    log_close(s->log);
}

static int run(struct config *config, void *values) {
    struct service_state s = {.values = values, .folder = config_arguments(config).items[0]};
    struct error why;
    int r = common_log_open(&s.log, &s.values->log, "collateral", &why);
    (void)signal(SIGPIPE, SIG_IGN);
    if (r == 0) r = serve(&s, &why);
    if (r < 0) log_error(s.log, "failed", F_ERR(&why));
    stop(&s);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}

int collateral_service_main(int argc, char **argv) {
    struct values values;
    return config_main(&collateral_program, &values, argc, argv, run);
}
