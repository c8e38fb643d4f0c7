/* buildernet attest fetch-collateral
 * SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "attest/pcs.h"
#include "base/hex.h"
#include "main/attest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_WAIT_MS 15000

static int read_key(struct collateral_key *ret, struct attest_run *run) {
    const char *fmspc = run->values.fmspc, *ca = run->values.ca, *tee = run->values.tee;
    if (!fmspc || strlen(fmspc) != 12 || hex_decode(ret->fmspc, bytes_from_str(fmspc), NULL) < 0) {
        return error_set(&run->why, ERR_SYNTAX, "--fmspc: 6 bytes of hex are needed");
    }
    bool known_ca = strcmp(ca, "platform") == 0 || strcmp(ca, "processor") == 0;
    bool known_tee = strcmp(tee, "tdx") == 0 || strcmp(tee, "sgx") == 0;
    if (!known_ca || !known_tee) {
        return error_set(&run->why, ERR_SYNTAX, "--ca is platform or processor, --tee tdx or sgx");
    }
    ret->platform_ca = strcmp(ca, "platform") == 0;
    ret->tee = strcmp(tee, "tdx") == 0 ? QUOTE_TEE_TDX : QUOTE_TEE_SGX;
    return 0;
}

int attest_fetch(struct attest_run *run, const char *folder) {
    struct collateral_key key;
    struct collateral_parts parts;
    struct pcs_source source = {.url = run->values.url, .wait_ms = REQUEST_WAIT_MS};
    int code = read_key(&key, run);
    if (code == 0) code = pcs_fetch(&parts, &key, &source, &run->arena, &run->why);
    if (code == 0) code = files_make_folder(folder, 0755, &run->why);
    for (size_t i = 0; code == 0 && i < COLLATERAL_PARTS; i++) {
        struct bytes part = *collateral_part(&parts, i);
        char path[PATH_MAX];
        if (part.n == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, collateral_file_names[i]);
        code = files_write(path, part, 0644, &run->why);
    }
    return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
}
