/* TCB Info and QE identity: levels come out sorted, the signed text lies inside the input.
 * SPDX-License-Identifier: MIT */
#include "attest/tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct tcb_info info;
    struct enclave_identity identity;
    struct arena a;
    arena_init(&a, 32u << 20);
    if (tcb_info_parse(&info, in, &a, NULL) == 0) {
        struct tcb_evaluation e;
        struct pck_extension pck = {0};
        struct quote q = {.version = 5, .tee = QUOTE_TEE_TDX, .body_type = QUOTE_BODY_TD15};
        q.td.tee_tcb_svn[1] = q.td.tee_tcb_svn2[1] = 1;
        if (info.level_count == 0) abort();
        tcb_evaluate(&e, &info, &pck, &q, NULL);
        if (info.signed_text.p < data || info.signed_text.p + info.signed_text.n > data + size) {
            abort();
        }
        if (tcb_compact(info.signed_text, &a).n > info.signed_text.n) abort();
    }
    if (enclave_identity_parse(&identity, in, &a, NULL) == 0) {
        for (size_t i = 1; i < identity.level_count; i++) {
            if (identity.levels[i - 1].isv_svn < identity.levels[i].isv_svn) abort();
        }
    }
    arena_free(&a);
    return 0;
}
