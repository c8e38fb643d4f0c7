/* Setup: the settings that every program with attested sessions has, and the parts made of them:
 * the issuer of own evidence, the collateral it judges by, judges.
 *
 *     struct my_values { ...; struct attested_values attested; };
 *     static const struct config_option options[] = {..., ATTESTED_OPTIONS(struct my_values,
 *                                                                          attested), ...};
 *     attested_setup_open, attested_setup_judge, then attested_new (attested.h)
 *
 * What a program attests as and which policy its peers must satisfy are settings of its own, for
 * their names differ. Thread: the loop's; the collateral is fetched by a thread of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_SETUP_H
#define ATTESTED_SETUP_H

#include "attest/pcs.h"
#include "attest/vtpm.h"
#include "attested/issuer.h"
#include "attested/judge.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "config/config.h"

struct attested_values {
    /* own evidence */
    const char *quote_source;
    struct secret quote_token;
    struct config_list simulated_fields;
    uint64_t quote_version, quote_wait_ns, quotes_waiting;
    const char *imds_url, *hcl_file, *event_log;
    /* the peer's */
    const char *root;
    struct config_list collateral;
    const char *collateral_cache, *pccs_url, *root_crl_url, *pccs_ca;
    uint64_t collateral_renew_ns, collateral_stale_ns;
    struct config_list collateral_ahead;
    bool require_ak_certificate;
    const char *ak_roots;
    uint64_t judge_again_ns, renew_ns;
};

/* The rows of T's table of options; `member` is its struct attested_values. */
#define ATTESTED_ROW(T, member, kind, field, flag_, value_, help_)                                 \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(T, member.field),          \
        .value = (value_), .help = (help_)                                                         \
    }
#define ATTESTED_ROW_ONCE(T, member, kind, field, flag_, value_, hint_, help_)                     \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(T, member.field),          \
        .value = (value_), .hint = (hint_), .help = (help_), .restart = true                       \
    }
#define ATTESTED_ROW_RANGE(T, member, field, flag_, value_, min_, max_, help_)                     \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_U64, .offset = offsetof(T, member.field),             \
        .value = (value_), .min = (min_), .max = (max_), .help = (help_), .restart = true          \
    }

#define ATTESTED_OPTIONS(T, m)                                                                     \
    ATTESTED_ROW_ONCE(                                                                             \
        T, m, STRING, quote_source, "quote-source", "tsm", "SOURCE",                               \
        "Where own quotes come from: tsm[:FOLDER], vtpm:TCTI (Azure), http(s)://... "              \
        "(a quote service), simulator:FOLDER."),                                                   \
        ATTESTED_ROW(T, m, SECRET, quote_token, "quote-token", NULL,                               \
                     "Token for the quote service, or file:PATH."),                                \
        ATTESTED_ROW_ONCE(T, m, LIST, simulated_fields, "simulated-fields", NULL, "FIELD=HEX,...", \
                          "Fields of the simulated TD."),                                          \
        ATTESTED_ROW_RANGE(T, m, quote_version, "quote-version", "4", 4, 5,                        \
                           "Version of simulated quotes."),                                        \
        ATTESTED_ROW_ONCE(T, m, DURATION, quote_wait_ns, "quote-timeout", "10s", NULL,             \
                          "Most time for one quote."),                                             \
        ATTESTED_ROW_RANGE(T, m, quotes_waiting, "quotes-waiting", "256", 1, 65536,                \
                           "Handshakes that may wait for a quote."),                               \
        ATTESTED_ROW_ONCE(T, m, URL, imds_url, "imds-url", NULL, NULL,                             \
                          "Azure's quote endpoint, when it is another than the usual one."),       \
        ATTESTED_ROW_ONCE(T, m, PATH, hcl_file, "hcl-report", NULL, NULL,                          \
                          "File instead of the vTPM's report area; tests only."),                  \
        ATTESTED_ROW_ONCE(T, m, PATH, event_log, "event-log", AZURE_EVENT_LOG, NULL,               \
                          "Azure, atls: the firmware's event log, which goes into the document "   \
                          "where it exists."),                                                     \
        ATTESTED_ROW(T, m, PATH, root, "root", NULL,                                               \
                     "Trust root of quotes, PEM, instead of Intel's; every verdict says so."),     \
        {.flag = "collateral",                                                                     \
         .type = CONFIG_TYPE_LIST,                                                                 \
         .offset = offsetof(T, m.collateral),                                                      \
         .hint = "PATH,...",                                                                       \
         .help = "Collateral of a platform each: a folder or a JSON container."},                  \
        ATTESTED_ROW_ONCE(T, m, PATH, collateral_cache, "collateral-cache", NULL, NULL,            \
                          "Folder that keeps fetched collateral."),                                \
        ATTESTED_ROW_ONCE(T, m, URL, pccs_url, "pccs-url", NULL, NULL,                             \
                          "Service that collateral is fetched from, in the background; none: not " \
                          "fetched."),                                                             \
        ATTESTED_ROW_ONCE(T, m, URL, root_crl_url, "root-crl-url", NULL, NULL,                     \
                          "Revocation list of the root, when the service has none."),              \
        ATTESTED_ROW_ONCE(T, m, PATH, pccs_ca, "pccs-ca", NULL, NULL,                              \
                          "Certificates that vouch for the service; empty: the system's."),        \
        ATTESTED_ROW_ONCE(T, m, DURATION, collateral_renew_ns, "collateral-renew", "6h", NULL,     \
                          "How long before its expiry collateral is fetched again."),              \
        ATTESTED_ROW_ONCE(T, m, DURATION, collateral_stale_ns, "collateral-stale", "0s", NULL,     \
                          "How long past its expiry it is still looked at (and refused as "        \
                          "expired)."),                                                            \
        ATTESTED_ROW_ONCE(T, m, LIST, collateral_ahead, "collateral-ahead", NULL,                  \
                          "FMSPC[:processor],...",                                                 \
                          "Platforms whose collateral is fetched at start."),                      \
        ATTESTED_ROW(T, m, BOOL, require_ak_certificate, "require-ak-certificate", "true",         \
                     "Azure: the attestation key needs a certificate."),                           \
        ATTESTED_ROW(T, m, PATH, ak_roots, "ak-roots", NULL,                                       \
                     "Azure: roots of that certificate, PEM, instead of the built-in ones."),      \
        {.flag = "judge-again",                                                                    \
         .type = CONFIG_TYPE_DURATION,                                                             \
         .offset = offsetof(T, m.judge_again_ns),                                                  \
         .value = "60s",                                                                           \
         .min = 1,                                                                                 \
         .restart = true,                                                                          \
         .help = "Running sessions are judged again after (and at each reload)."},                 \
        ATTESTED_ROW_ONCE(T, m, DURATION, renew_ns, "reattest-after", "1h", NULL,                  \
                          "A session this old gives way to a new one: its peer attests anew. 0: "  \
                          "never.")

/* attested_setup_paths tells each path that the parts need, for a sandbox.
 * each  rights: SANDBOX_READ and the like; folder_of: the folder of the path, for a reload may find
 *       the file replaced. */
void attested_setup_paths(const struct attested_values *v,
                          void (*each)(void *context, const char *path, unsigned rights,
                                       bool folder_of),
                          void *context);

struct attested_setup {
    struct log *log;
    struct issuer *issuer; /* NULL: no own evidence */
    struct pcs_source source;
    char *texts[3]; /* of the source */
    struct collateral_store *store;
    struct metric *expiry;
};

/* attested_setup_open makes issuer and collateral store. *s stays in place until closed; nothing
 * of *v is kept, so that a reload may replace it. Threads start here: signals are blocked and the
 * sandbox stands already.
 * own     NONE: no own evidence. judges  peers are judged.
 * errors  of the parts; attested_setup_close frees what there is (all zeros too). */
[[gnu::warn_unused_result]] int attested_setup_open(struct attested_setup *s, struct loop *l,
                                                    struct log *log, struct metrics *metrics,
                                                    const struct attested_values *v,
                                                    enum attestation_type own, bool judges,
                                                    struct error *why);
void attested_setup_close(struct attested_setup *s);

/* attested_setup_judge makes a judge by settings, new ones too, and warns of a trust root that is
 * not Intel's. errors  those of judge_new. */
[[gnu::warn_unused_result]] int attested_setup_judge(struct judge **ret, struct attested_setup *s,
                                                     const struct attested_values *v,
                                                     const char *policy, struct error *why);

#endif
