/* Machine: a virtual TPM as a paravisor keeps one for its guest: with an attestation key, its
 * certificate, and a report that names the key and what the guest wrote as user data.
 *
 * The TPM itself is swtpm's, reached over a Unix socket; its state lives in swtpm's folder, so that
 * a machine that is opened again is the same. Commands block for milliseconds. Thread: one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PARAVISOR_MACHINE_H
#define PARAVISOR_MACHINE_H

#include "base/arena.h"
#include "base/buf.h"

#define MACHINE_PCR 11            /* what the guest's image is measured into */
#define MACHINE_REPORT_BYTES 2048 /* of the report's NV area */

struct machine;

struct machine_options {
    const char *socket;    /* path of swtpm's */
    const char *authority; /* folder of who certifies the key (attest/ak_authority.h) */
    uint8_t mr_td[48];     /* of the paravisor */
    uint8_t image[32];     /* event that the image is measured with */
    uint64_t now;          /* seconds since 1970, for the certificate */
};

/* machine_open makes key, certificate and report where they are not yet, and measures the image
 * unless this start of the TPM has it already.
 * errors  ERR_NOT_FOUND (no TPM, no authority), ERR_TIMEOUT, ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int machine_open(struct machine **ret, const struct machine_options *o,
                                             struct error *why);
void machine_close(struct machine *m);

/* machine_command carries one command of the guest to the TPM and appends the response. User data
 * that is written goes into a new report before this returns.
 * command  whole.
 * errors   ERR_IO, ERR_TIMEOUT: the TPM is gone, and the machine with it. */
[[gnu::warn_unused_result]] int machine_command(struct machine *m, struct buf *ret,
                                                struct bytes command, struct error *why);

/* machine_fd: hangs up when the TPM goes. To watch, not to read. */
int machine_fd(const struct machine *m);

#endif
