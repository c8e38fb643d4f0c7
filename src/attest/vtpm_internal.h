/* What the files of the TPM share. SPDX-License-Identifier: MIT */
#ifndef ATTEST_VTPM_INTERNAL_H
#define ATTEST_VTPM_INTERNAL_H

#include "attest/vtpm_make.h"

#include <tss2/tss2_esys.h>

struct vtpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    struct vtpm_way way; /* exchange NULL: the library's own way */
};

/* vtpm_error: ERR_NOT_FOUND when an object is not there, else ERR_IO; names what was tried. */
int vtpm_error(TSS2_RC rc, const char *what, struct error *why);

/* vtpm_copy_public reads a loaded key's TPMT_PUBLIC. errors  ERR_UNSUPPORTED: not RSA; ERR_IO. */
int vtpm_copy_public(struct bytes *ret, struct vtpm *t, ESYS_TR key, struct arena *a,
                     struct error *why);

/* vtpm_way_close frees what vtpm_open_way made; nothing for other TPMs. */
void vtpm_way_close(struct vtpm *t);

#endif
