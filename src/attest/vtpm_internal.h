/* What the files of the TPM share. SPDX-License-Identifier: MIT */
#ifndef ATTEST_VTPM_INTERNAL_H
#define ATTEST_VTPM_INTERNAL_H

#include "attest/vtpm.h"

#include <tss2/tss2_esys.h>

struct vtpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
};

/* vtpm_error: ERR_NOT_FOUND when an object is not there, else ERR_IO; names what was tried. */
int vtpm_error(TSS2_RC rc, const char *what, struct error *why);

#endif
