/* buildernet attest: evidence made, verified and told.
 * SPDX-License-Identifier: MIT */
#include "main/attest.h"
#include "attest/files.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "main/program.h"

#include <stdio.h>
#include <string.h>

#define OPTION(kind, field, flag, value, hint, help)                                               \
    CONFIG_ROW(kind, attest_values, field, flag, value, hint, help)

static const struct config_option options[] = {
    OPTION(PATH, collateral, "collateral", NULL, "DIR", "Folder or container file of collateral."),
    OPTION(STRING, time, "time", NULL, "TIME", "Moment to judge at: RFC 3339 or seconds; now."),
    OPTION(PATH, policy, "policy", NULL, NULL,
           "Policy file; without it: TCB up to date, no debug."),
    OPTION(PATH, root, "root", NULL, "PEM", "Trust root instead of Intel's production root."),
    OPTION(PATH, ak_roots, "ak-roots", NULL, "PEM",
           "Trusted roots of vTPM key certificates instead of Azure's."),
    OPTION(STRING, report_data, "report-data", NULL, "HEX", "Report data to quote, or to expect."),
    OPTION(STRING, type, "type", NULL, "TYPE",
           "Attestation type: dcap-tdx, qemu-tdx, gcp-tdx, azure-tdx, self-hosted-tdx."),
    OPTION(BOOL, json, "json", "false", NULL, "Print JSON."),
    OPTION(STRING, source, "source", "auto", "SOURCE",
           "Quote from: auto, tsm[:FOLDER], azure, vtpm:TCTI, URL of a quote service, "
           "simulator:FOLDER or just that folder."),
    CONFIG_SECRET(attest_values, quote_token, "quote-token",
                  "Token for the quote service, or file:PATH."),
    OPTION(URL, imds_url, "imds-url", NULL, NULL,
           "Azure's quote endpoint, when it is another than the usual one."),
    OPTION(PATH, out, "out", NULL, NULL, "Write the result to this file."),
    OPTION(LIST, set, "set", NULL, "FIELD=HEX,...",
           "Fields of simulated quotes: mrtd, rtmr0..3, td_attributes, xfam, tee_tcb_svn, ..."),
    OPTION(U64, quote_version, "quote-version", "4", NULL, "Version of simulated quotes: 4 or 5."),
    OPTION(BOOL, revoke_pck, "revoke-pck", "false", NULL,
           "simulate: put the PCK certificate on the revocation list."),
    OPTION(STRING, stub, "stub", NULL, "VERSION", "Version of the image's systemd-stub: 252, 254."),
    OPTION(PATH, gpt, "disk", NULL, NULL, "Disk image: adds what its partition table measures."),
    OPTION(PATH, loader, "loader", NULL, NULL, "Boot loader that starts the image."),
    OPTION(PATH, firmware, "firmware", NULL, NULL, "TDVF firmware: adds MRTD."),
    OPTION(URL, url, "pccs-url", "https://api.trustedservices.intel.com", NULL,
           "Provisioning certification service."),
    OPTION(STRING, fmspc, "fmspc", NULL, "HEX", "Platform to fetch collateral for."),
    OPTION(STRING, ca, "ca", "platform", "CA",
           "Issuer of its PCK certificate: platform, processor."),
    OPTION(STRING, tee, "tee", "tdx", "TEE", "Its kind of quote: tdx, sgx."),
};

enum { VERB_VERIFY, VERB_INSPECT, VERB_MEASUREMENTS, VERB_QUOTE, VERB_SIMULATE, VERB_FETCH };

static const struct config_verb verbs[] = {
    [VERB_VERIFY] = {"verify", "FILE|-", "Verify a quote or Azure evidence.", 1, 1},
    [VERB_INSPECT] = {"inspect", "FILE|-", "Tell a quote, a chain, an event log, an HCL report.", 1,
                      1},
    [VERB_MEASUREMENTS] = {"measurements", "FILE|-",
                           "Registers of a quote or an event log, or those an image will leave.", 1,
                           1},
    [VERB_QUOTE] = {"quote", NULL, "Make evidence on this machine.", 0, 0},
    [VERB_SIMULATE] = {"simulate", "DIR", "Make a simulated platform.", 1, 1},
    [VERB_FETCH] = {"fetch-collateral", "DIR", "Fetch collateral into a folder.", 1, 1},
};

const struct config_program attest_program = {
    .name = "attest",
    .summary = "make, verify and explain attestation evidence",
    .details = "Exit status: 0 verified, 2 refused by policy, 3 not valid, 4 bad input.",
    CONFIG_OPTIONS(options, struct attest_values),
    CONFIG_VERBS(verbs),
};

int attest_fail(struct attest_run *run) {
    (void)fprintf(stderr, "attest: %s\n", run->why.text);
    return ATTEST_EXIT_INPUT;
}

int attest_time(uint64_t *ret_s, struct attest_run *run) {
    const char *text = run->values.time;
    uint64_t ns = 0;
    if (!text) {
        *ret_s = clock_wall_ns(&clock_system) / NS_PER_S;
        return 0;
    }
    if (strlen(text) < 12 && bytes_parse_u64(ret_s, bytes_from_str(text))) return 0;
    int code = clock_parse(&ns, bytes_from_str(text), &run->why);
    *ret_s = ns / NS_PER_S;
    return code < 0 ? error_wrap(&run->why, "--time") : 0;
}

int attest_read(struct bytes *ret, const char *path, struct attest_run *run) {
    return files_read(ret, path, FILES_BYTES_MAX, &run->arena, &run->why);
}

int attest_root(struct trust_root *ret, struct attest_run *run) {
    struct bytes pem = {NULL, 0};
    if (!run->values.root) return trust_root_intel(ret, &run->why);
    int code = attest_read(&pem, run->values.root, run);
    return code < 0 ? code : trust_root_parse(ret, pem, &run->why);
}

int attest_policy(struct policy *ret, struct attest_run *run) {
    struct bytes text = {NULL, 0};
    *ret = policy_default;
    if (!run->values.policy) return 0;
    int code = attest_read(&text, run->values.policy, run);
    if (code == 0) code = policy_parse(ret, text, &run->arena, &run->why);
    return code < 0 ? error_wrap(&run->why, "%s", run->values.policy) : 0;
}

int attest_type(enum attestation_type *ret, struct attest_run *run,
                enum attestation_type otherwise) {
    *ret = otherwise;
    if (!run->values.type || attestation_type_parse(ret, bytes_from_str(run->values.type)))
        return 0;
    return error_set(&run->why, ERR_INVALID, "--type: no attestation type '%s'", run->values.type);
}

int attest_report_data(uint8_t ret[64], struct attest_run *run) {
    struct bytes digits = bytes_from_str(run->values.report_data ? run->values.report_data : "");
    memset(ret, 0, 64);
    if (digits.n <= 128 && digits.n % 2 == 0 && hex_decode(ret, digits, NULL) == 0) return 0;
    return error_set(&run->why, ERR_SYNTAX, "--report-data: not up to 64 bytes of hex");
}

struct bytes attest_binary(struct bytes in, struct arena *a) {
    struct bytes text = in, ret;
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--;
    }
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    uint8_t *decoded = arena_alloc_raw(a, text.n / 2 + 1);
    if (text.n >= 32 && decoded && hex_decode(decoded, text, NULL) == 0) {
        return (struct bytes){decoded, text.n / 2};
    }
    unsigned flags = BASE64_ANY_PAD | BASE64_WHITESPACE;
    if (text.n >= 32 && (base64_decode(&ret, text, flags, a, NULL) == 0 ||
                         base64_decode(&ret, text, flags | BASE64_URL, a, NULL) == 0)) {
        return ret;
    }
    return in;
}

static int run_verb(struct attest_run *run) {
    struct config_list arguments = config_arguments(run->config);
    const char *first = arguments.count > 0 ? arguments.items[0] : NULL;
    switch (config_verb_index(run->config)) {
    case VERB_VERIFY:
        return attest_verify(run, first);
    case VERB_INSPECT:
        return attest_inspect(run, first);
    case VERB_MEASUREMENTS:
        return attest_measurements(run, first);
    case VERB_QUOTE:
        return attest_quote(run);
    case VERB_SIMULATE:
        return attest_simulate(run, first);
    default:
        return attest_fetch(run, first);
    }
}

int attest_main(int argc, char **argv) {
    static struct attest_run run;
    arena_init(&run.arena, 0);
    buf_init(&run.out, 0);
    int status = ATTEST_EXIT_GOOD;
    if (config_load(&run.config, &attest_program, &run.values, argc, argv, &run.why) < 0) {
        status = attest_fail(&run);
    } else if (config_output(run.config).n > 0) {
        buf_append(&run.out, config_output(run.config));
    } else {
        status = run_verb(&run);
    }
    (void)fwrite(run.out.p, 1, run.out.n, stdout);
    if (run.out.failed || fflush(stdout) != 0) status = ATTEST_EXIT_INPUT;
    config_free(run.config);
    buf_free(&run.out);
    arena_free(&run.arena);
    return status;
}
