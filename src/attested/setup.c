/* SPDX-License-Identifier: MIT */
#include "attested/setup.h"

#include "attest/files.h"
#include "base/hex.h"

#include <stdlib.h>

#define PCS_WAIT_MS 15000
#define ROOT_BYTES_MAX (1u << 20)

#define SETUP_METRICS(X)                                                                           \
    X(SETUP_EXPIRY, METRIC_GAUGE, "attested_collateral_expiry_seconds",                            \
      "When the first part of the configured collateral expires, Unix time.", NULL)                \
    X(SETUP_QUOTES, METRIC_COUNTER, "attested_quotes_total", "Own evidence asked for.", "result")  \
    X(SETUP_QUOTE_SECONDS, METRIC_SUMMARY, "attested_quote_seconds",                               \
      "Time from the wish for own evidence to the evidence.", NULL)
METRICS_DECLARE(setup_metric, SETUP_METRICS)

void attested_setup_paths(const struct attested_values *v,
                          void (*each)(void *context, const char *path, unsigned rights,
                                       bool folder_of),
                          void *context) {
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    const char *const files[] = {v->root, v->hcl_file, v->event_log, v->pccs_ca, v->ak_roots};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i]) each(context, files[i], SANDBOX_READ, true);
    }
    for (size_t i = 0; i < v->collateral.count; i++) {
        each(context, v->collateral.items[i], SANDBOX_READ, false);
        each(context, v->collateral.items[i], SANDBOX_READ, true);
    }
    if (strncmp(v->quote_source, "simulator:", 10) == 0) {
        each(context, v->quote_source + 10, SANDBOX_READ, false);
    }
    if (strncmp(v->quote_source, "tsm:", 4) == 0) each(context, v->quote_source + 4, both, false);
    if (v->collateral_cache) each(context, v->collateral_cache, both, false);
    each(context, "/sys/kernel/config/tsm", both, false);
    each(context, "/dev", both, false);         // TPM
    each(context, "/etc", SANDBOX_READ, false); // TLS roots
    each(context, "/usr", SANDBOX_READ, false); // the same, TPM transports
    each(context, "/lib", SANDBOX_READ, false); // the same
}

/* ---- collateral ---- */

static int fetch(void *context, struct collateral_parts *ret, const struct collateral_key *key,
                 struct arena *arena, struct error *why) {
    struct attested_setup *s = context;
    int r = pcs_fetch(ret, key, &s->source, arena, why);
    if (r < 0) log_warn(s->log, "collateral_fetch_failed", F_ERR(why));
    return r;
}

// "00806f050000" or "00806f050000:processor": asked for, and so fetched by the store's thread.
static int ask_ahead(struct attested_setup *s, const char *text, struct error *why) {
    struct collateral_key key = {.tee = QUOTE_TEE_TDX, .platform_ca = true};
    struct collateral_item *item = NULL;
    size_t n = strcspn(text, ":");
    if (n != 12 || hex_decode(key.fmspc, bytes_make(text, n), NULL) < 0 ||
        (text[n] && strcmp(text + n, ":processor") != 0)) {
        return error_set(why, ERR_SYNTAX, "\"%.40s\" is no FMSPC[:processor]", text);
    }
    key.platform_ca = !text[n];
    if (collateral_store_get(&item, s->store, &key, NULL) == 0) collateral_item_free(item);
    return 0;
}

// A reload frees the settings while the store's thread goes on fetching.
static int keep(struct attested_setup *s, const struct attested_values *v, struct error *why) {
    const char *const from[] = {v->pccs_url, v->root_crl_url, v->pccs_ca};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        s->texts[i] = from[i] ? strdup(from[i]) : NULL;
        if (from[i] && !s->texts[i]) return error_set(why, ERR_NO_MEMORY, "no memory for a URL");
    }
    s->source = (struct pcs_source){.url = s->texts[0],
                                    .root_crl_url = s->texts[1],
                                    .ca_file = s->texts[2],
                                    .wait_ms = PCS_WAIT_MS};
    return 0;
}

// The configured trust root; empty: Intel's.
static int read_root(struct bytes *ret, const struct attested_values *v, struct arena *a,
                     struct error *why) {
    *ret = (struct bytes){NULL, 0};
    int r = v->root ? files_read(ret, v->root, ROOT_BYTES_MAX, a, why) : 0;
    return r < 0 ? error_wrap(why, "trust root %s", v->root) : 0;
}

static int open_store(struct attested_setup *s, const struct attested_values *v,
                      struct error *why) {
    if (!v->pccs_url && !v->collateral_cache) return 0;
    struct arena a;
    struct bytes root;
    arena_init(&a, 0);
    int r = read_root(&root, v, &a, why);
    if (r == 0) r = keep(s, v, why);
    const struct collateral_store_options o = {
        .folder = v->collateral_cache,
        .root = root,
        .origin = {v->pccs_url ? fetch : NULL, s},
        .clock = &clock_system,
        .renew_ahead_s = v->collateral_renew_ns / NS_PER_S,
        .stale_s = v->collateral_stale_ns / NS_PER_S,
    };
    if (r == 0) r = collateral_store_new(&s->store, &o, why);
    arena_free(&a);
    if (r == 0 && v->collateral_cache) r = collateral_store_load(s->store, why);
    for (size_t i = 0; r == 0 && i < v->collateral_ahead.count; i++)
        r = ask_ahead(s, v->collateral_ahead.items[i], why);
    if (r == 0 && v->pccs_url) r = collateral_store_start(s->store, why);
    return r;
}

// What is fetched from now on must be signed under the root that judges ask for.
static int trust_anew(struct attested_setup *s, const struct attested_values *v,
                      struct error *why) {
    struct arena a;
    struct bytes root;
    if (!s->store) return 0;
    arena_init(&a, 0);
    int r = read_root(&root, v, &a, why);
    if (r == 0) r = collateral_store_trust(s->store, root, why);
    arena_free(&a);
    return r;
}

int attested_setup_judge(struct judge **ret, struct attested_setup *s,
                         const struct attested_values *v, const char *policy, struct error *why) {
    const struct judge_options o = {.policy = policy,
                                    .root = v->root,
                                    .collateral = v->collateral,
                                    .store = s->store,
                                    .require_ak_certificate = v->require_ak_certificate,
                                    .ak_roots = v->ak_roots,
                                    .clock = &clock_system};
    int r = judge_new(ret, &o, why);
    if (r < 0) return r;
    if ((r = trust_anew(s, v, why)) < 0) {
        judge_free(*ret);
        *ret = NULL;
        return r;
    }
    if (!judge_root_is_intel(*ret)) {
        log_warn(s->log, "trust_root_is_not_intel", F_STR("root", v->root),
                 F_STR("text", "simulated platforms may pass as genuine"));
    }
    uint64_t expiry = judge_expiry_s(*ret);
    if (expiry != UINT64_MAX) metric_set(s->expiry, (double)expiry);
    return 0;
}

/* ---- own evidence ---- */

static int open_issuer(struct attested_setup *s, struct loop *l, struct metrics *metrics,
                       const struct attested_values *v, enum attestation_type own,
                       struct error *why) {
    const struct metric_desc *quotes = &setup_metric_table[SETUP_QUOTES];
    const struct secret *secret = &v->quote_token;
    char *token = secret->n ? strndup((const char *)secret->p, secret->n) : NULL;
    if (secret->n && !token) return error_set(why, ERR_NO_MEMORY, "no memory for a token");
    const struct issuer_options o = {
        .source = v->quote_source,
        .type = own,
        .token = token,
        .fields = v->simulated_fields.items,
        .field_count = v->simulated_fields.count,
        .quote_version = (unsigned)v->quote_version,
        .imds_url = v->imds_url,
        .hcl_file = v->hcl_file,
        .event_log = v->event_log,
        .wait_ns = v->quote_wait_ns,
        .waiting = (unsigned)v->quotes_waiting,
        .made = metrics_get(metrics, quotes, (const char *[]){"made"}),
        .failed = metrics_get(metrics, quotes, (const char *[]){"failed"}),
        .seconds = metrics_get(metrics, &setup_metric_table[SETUP_QUOTE_SECONDS], NULL),
    };
    int r = issuer_new(&s->issuer, l, &o, why);
    if (token) bytes_wipe(token, secret->n);
    free(token);
    if (r == 0 && issuer_is_simulated(s->issuer)) {
        log_warn(s->log, "simulated_platform",
                 F_STR("text", "own evidence proves nothing outside of tests"));
    }
    return r;
}

int attested_setup_open(struct attested_setup *s, struct loop *l, struct log *log,
                        struct metrics *metrics, const struct attested_values *v,
                        enum attestation_type own, bool judges, struct error *why) {
    *s = (struct attested_setup){.log = log};
    s->expiry = metrics_get(metrics, &setup_metric_table[SETUP_EXPIRY], NULL);
    int r = own == ATTESTATION_NONE ? 0 : open_issuer(s, l, metrics, v, own, why);
    return r == 0 && judges ? open_store(s, v, why) : r;
}

void attested_setup_close(struct attested_setup *s) {
    issuer_free(s->issuer);
    collateral_store_free(s->store);
    for (size_t i = 0; i < sizeof s->texts / sizeof s->texts[0]; i++)
        free(s->texts[i]);
    *s = (struct attested_setup){0};
}
