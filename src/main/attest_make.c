/* buildernet attest quote, simulate
 * SPDX-License-Identifier: MIT */
#include "attest/ak_authority.h"
#include "attest/files.h"
#include "attest/quoter.h"
#include "attest/simulator.h"
#include "attest/vtpm.h"
#include "base/clock.h"
#include "base/hex.h"
#include "main/attest.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TSM_FOLDER "/sys/kernel/config/tsm/report"
#define QUOTE_WAIT_MS 10000

int attest_simulate(struct attest_run *run, const char *folder) {
    struct simulator_spec spec = {.fmspc = {0x5e, 0x70, 0, 0, 0, 0},
                                  .revoke_pck = run->values.revoke_pck};
    struct simulator *s = NULL;
    int code = attest_time(&spec.now, run);
    const char *fmspc = run->values.fmspc;
    if (code == 0 && fmspc) {
        if (strlen(fmspc) != 12 || hex_decode(spec.fmspc, bytes_from_str(fmspc), NULL) < 0) {
            code = error_set(&run->why, ERR_SYNTAX, "--fmspc: not 6 bytes of hex");
        }
    }
    // An existing platform keeps its keys and gets fresh collateral.
    if (code == 0) {
        code = simulator_load(&s, folder, &run->why);
        code = code == 0               ? simulator_issue(s, &spec, &run->why)
               : code == ERR_NOT_FOUND ? simulator_new(&s, &spec, &run->why)
                                       : code;
    }
    if (code == 0) code = simulator_save(s, folder, &run->why);
    if (code == 0) code = ak_authority_make(folder, spec.now, &run->why);
    simulator_free(s);
    if (code < 0) return attest_fail(run);
    buf_printf(&run->out,
               "simulated platform in %s: not Intel's; verifiers need --root %s/root.pem\n", folder,
               folder);
    return ATTEST_EXIT_GOOD;
}

static int set_fields(struct attest_run *run, struct td_report *td) {
    for (size_t i = 0; i < run->values.set.count; i++) {
        const char *item = run->values.set.items[i], *equal = strchr(item, '=');
        if (!equal) return error_set(&run->why, ERR_SYNTAX, "--set: '%s' has no '='", item);
        int code = simulator_td_set(td, bytes_make(item, (size_t)(equal - item)),
                                    bytes_from_str(equal + 1), &run->why);
        if (code < 0) return error_wrap(&run->why, "--set"), code;
    }
    return 0;
}

static int open_quoter(struct quoter **ret, struct attest_run *run) {
    const char *source = run->values.source;
    enum attestation_type type = ATTESTATION_DCAP_TDX;
    struct td_report td;
    struct simulator *s = NULL;
    struct stat st;
    int code = attest_type(&type, run, ATTESTATION_DCAP_TDX);
    if (code < 0) return code;
    if (strcmp(source, "auto") == 0 || strcmp(source, "tsm") == 0) {
        return quoter_tsm(ret, TSM_FOLDER, type, QUOTE_WAIT_MS, &run->why);
    }
    if (strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0) {
        return quoter_remote(ret, source, NULL, QUOTE_WAIT_MS, &run->why);
    }
    if (stat(source, &st) < 0) {
        return error_set(&run->why, ERR_NOT_FOUND, "--source: no '%s'", source);
    }
    if ((code = simulator_load(&s, source, &run->why)) < 0) return code;
    simulator_td(s, &td);
    simulator_free(s);
    code = set_fields(run, &td);
    return code < 0
               ? code
               : quoter_simulator(ret, source, &td, (unsigned)run->values.quote_version, &run->why);
}

// Evidence of an Azure TD: the JSON of the exporter form.
static int azure_quote(struct attest_run *run, struct buf *out, const uint8_t input[64]) {
    struct vtpm *tpm = NULL;
    struct azure_evidence evidence;
    int code = vtpm_open(&tpm, VTPM_DEVICE, &run->why);
    struct azure_maker maker = {.tpm = tpm, .wait_ms = QUOTE_WAIT_MS};
    if (code == 0) code = azure_make(&evidence, &maker, input, &run->arena, &run->why);
    if (code == 0) code = azure_evidence_write(out, &evidence, &run->why);
    vtpm_close(tpm);
    return code;
}

int attest_quote(struct attest_run *run) {
    struct quoter *q = NULL;
    struct buf quote;
    uint8_t data[64] = {0};
    const char *digits = run->values.report_data ? run->values.report_data : "";
    buf_init(&quote, AZURE_EVIDENCE_BYTES_MAX);
    int code = 0;
    if (strlen(digits) > 128 || strlen(digits) % 2 ||
        hex_decode(data, bytes_from_str(digits), NULL) < 0) {
        code = error_set(&run->why, ERR_SYNTAX, "--report-data: not up to 64 bytes of hex");
    }
    if (code == 0 && strcmp(run->values.source, "azure") == 0) {
        code = azure_quote(run, &quote, data);
    } else {
        if (code == 0) code = open_quoter(&q, run);
        if (code == 0) code = quoter_make(q, &quote, data, &run->why);
    }
    if (code == 0 && run->values.out) {
        code = files_write(run->values.out, buf_view(&quote), 0644, &run->why);
    } else if (code == 0) {
        buf_append(&run->out, buf_view(&quote));
    }
    quoter_free(q);
    buf_free(&quote);
    return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
}
