/* What the verbs of `buildernet attest` share: settings, inputs, exit statuses.
 * SPDX-License-Identifier: MIT */
#ifndef MAIN_ATTEST_H
#define MAIN_ATTEST_H

#include "attest/report.h"
#include "config/config.h"

/* Exit statuses of `attest`. */
enum {
    ATTEST_EXIT_GOOD = 0,      /* verified, and the policy accepts it */
    ATTEST_EXIT_REFUSED = 2,   /* verified, and the policy refuses it */
    ATTEST_EXIT_NOT_VALID = 3, /* not verified */
    ATTEST_EXIT_INPUT = 4,     /* unreadable input, unknown flag */
};

struct attest_values {
    const char *collateral, *time, *policy, *root, *ak_roots, *report_data, *type;
    const char *source, *out, *platform, *stub, *gpt, *loader, *firmware;
    const char *url, *fmspc, *ca, *tee;
    const char *imds_url;
    struct secret quote_token;
    struct config_list set;
    uint64_t quote_version;
    bool json, revoke_pck;
};

struct attest_run {
    struct attest_values values;
    struct config *config;
    struct arena arena;
    struct buf out;
    struct error why;
};

/* attest_time gives the moment to judge at: --time as seconds or RFC 3339, else now. */
[[gnu::warn_unused_result]] int attest_time(uint64_t *ret_s, struct attest_run *run);

/* attest_root reads --root or takes Intel's. */
[[gnu::warn_unused_result]] int attest_root(struct trust_root *ret, struct attest_run *run);

/* attest_policy reads --policy or takes the built-in one. */
[[gnu::warn_unused_result]] int attest_policy(struct policy *ret, struct attest_run *run);

/* attest_read reads a file ("-": standard input) whole. */
[[gnu::warn_unused_result]] int attest_read(struct bytes *ret, const char *path,
                                            struct attest_run *run);

/* attest_binary turns hexadecimal or base64 text of something binary into bytes; anything else is
 * left as it is. */
struct bytes attest_binary(struct bytes in, struct arena *a);

/* attest_type reads --type, with a default. */
[[gnu::warn_unused_result]] int attest_type(enum attestation_type *ret, struct attest_run *run,
                                            enum attestation_type otherwise);

/* attest_report_data reads --report-data, zeros behind it and without it. */
[[gnu::warn_unused_result]] int attest_report_data(uint8_t ret[64], struct attest_run *run);

/* attest_fail prints run->why and gives the status of bad input. */
int attest_fail(struct attest_run *run);

/* The verbs; each gives an exit status. */
int attest_verify(struct attest_run *run, const char *path);
int attest_inspect(struct attest_run *run, const char *path);
int attest_measurements(struct attest_run *run, const char *path);
int attest_simulate(struct attest_run *run, const char *folder);
int attest_quote(struct attest_run *run);
int attest_fetch(struct attest_run *run, const char *folder);

#endif
