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

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* What --source stands for, as services' quote-source has it: "auto" is the device of this machine,
 * a bare folder a simulated platform. */
static int source_of(const char **ret, struct attest_run *run) {
    const char *text = run->values.source;
    struct stat st;
    if (strcmp(text, "auto") == 0) {
        bool azure = stat(QUOTER_TSM_FOLDER, &st) < 0 && stat(VTPM_DEVICE_FILE, &st) == 0;
        text = azure ? "azure" : "tsm";
    }
    if (strcmp(text, "azure") == 0) text = "vtpm:" VTPM_DEVICE;
    if (stat(text, &st) == 0) text = arena_printf(&run->arena, "simulator:%s", text);
    *ret = text;
    return text ? 0 : error_set(&run->why, ERR_NO_MEMORY, "--source");
}

// Evidence of an Azure TD: the JSON of the exporter form.
static int azure_quote(struct attest_run *run, struct buf *out, const char *tcti,
                       const uint8_t input[64]) {
    struct vtpm *tpm = NULL;
    struct azure_evidence evidence;
    int code = vtpm_open(&tpm, tcti, &run->why);
    struct azure_maker maker = {
        .tpm = tpm, .imds_url = run->values.imds_url, .wait_ms = QUOTE_WAIT_MS};
    if (code == 0) code = azure_make(&evidence, &maker, input, &run->arena, &run->why);
    if (code == 0) code = azure_evidence_write(out, &evidence, &run->why);
    vtpm_close(tpm);
    return code;
}

static int make_quote(struct attest_run *run, struct buf *out, const uint8_t input[64]) {
    const struct attest_values *v = &run->values;
    const struct secret *secret = &v->quote_token;
    struct quoter *q = NULL;
    struct quoter_source from = {.fields = v->set.items,
                                 .field_count = v->set.count,
                                 .version = (unsigned)v->quote_version,
                                 .wait_ms = QUOTE_WAIT_MS};
    int code = attest_type(&from.type, run, ATTESTATION_DCAP_TDX);
    if (code == 0) code = source_of(&from.source, run);
    if (code < 0) return code;
    if (strncmp(from.source, "vtpm:", 5) == 0) return azure_quote(run, out, from.source + 5, input);
    char *token = secret->n ? strndup((const char *)secret->p, secret->n) : NULL;
    if (secret->n && !token) return error_set(&run->why, ERR_NO_MEMORY, "--quote-token");
    from.token = token;
    code = quoter_open(&q, &from, &run->why);
    if (code == 0) code = quoter_make(q, out, input, &run->why);
    quoter_free(q);
    if (token) bytes_wipe(token, secret->n);
    free(token);
    return code;
}

int attest_quote(struct attest_run *run) {
    struct buf quote;
    uint8_t data[64];
    buf_init(&quote, AZURE_EVIDENCE_BYTES_MAX);
    int code = attest_report_data(data, run);
    if (code == 0) code = make_quote(run, &quote, data);
    if (code == 0 && run->values.out) {
        code = files_write(run->values.out, buf_view(&quote), 0644, &run->why);
    } else if (code == 0) {
        buf_append(&run->out, buf_view(&quote));
    }
    buf_free(&quote);
    return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
}
