/* The vTPM: quotes over PCRs by the platform's attestation key, and what Azure keeps in NV areas.
 *
 * Through tpm2-tss. Blocking, for a worker thread; one thread at a time. The device is a TCTI
 * name: "device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321".
 *
 * Source: TPM 2.0 Library part 3; az-cvm-vtpm.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_VTPM_H
#define ATTEST_VTPM_H

#include "attest/azure.h"

#define VTPM_AK_HANDLE 0x81000003u
#define VTPM_NV_HCL_REPORT 0x01400001u
#define VTPM_NV_USER_DATA 0x01400002u
#define VTPM_NV_AK_CERTIFICATE 0x01c101d0u
#define VTPM_DEVICE_FILE "/dev/tpmrm0"
#define VTPM_DEVICE "device:" VTPM_DEVICE_FILE

struct vtpm;

/* vtpm_open connects, and silences the library's own log unless the environment has TSS2_LOG
 * (before threads start: it sets that). errors  ERR_NOT_FOUND: no such device; ERR_IO;
 * ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vtpm_open(struct vtpm **ret, const char *tcti, struct error *why);
void vtpm_close(struct vtpm *t);

/* A quote over all 24 SHA-256 PCRs. */
struct vtpm_quote {
    struct bytes message;   /* TPMS_ATTEST, in the arena */
    struct bytes signature; /* raw RSA */
    struct bytes public;    /* TPMT_PUBLIC of the key */
    struct tpm_pcrs pcrs;   /* read beside it; they give the quoted digest */
};

/* vtpm_quote_pcrs quotes with the key at `handle`. PCRs that change between the quote and the
 * reading are read again a few times.
 * nonce   at most 32 bytes.
 * errors  ERR_NOT_FOUND: no key there; ERR_UNSUPPORTED: not an RSA key; ERR_CONFLICT: the PCRs
 *         would not stand still; ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int vtpm_quote_pcrs(struct vtpm_quote *ret, struct vtpm *t,
                                                uint32_t handle, struct bytes nonce,
                                                struct arena *a, struct error *why);

/* vtpm_nv_read reads a whole NV area with owner authorisation.
 * errors  ERR_NOT_FOUND, ERR_LIMIT (above 64 KiB), ERR_IO. */
[[gnu::warn_unused_result]] int vtpm_nv_read(struct bytes *ret, struct vtpm *t, uint32_t index,
                                             struct arena *a, struct error *why);

/* vtpm_read_pcrs reads the SHA-256 bank. errors  ERR_UNSUPPORTED: it has none; ERR_IO. */
[[gnu::warn_unused_result]] int vtpm_read_pcrs(struct tpm_pcrs *ret, struct vtpm *t,
                                               struct error *why);

/* vtpm_nv_write writes a NV area, defining it (anew when its size differs).
 * content  1 to VTPM_NV_WRITE_MAX bytes. errors  ERR_RANGE, ERR_IO. */
#define VTPM_NV_WRITE_MAX 2048 /* the largest area that swtpm has */
[[gnu::warn_unused_result]] int vtpm_nv_write(struct vtpm *t, uint32_t index, struct bytes content,
                                              struct error *why);

/* What Azure needs beside the TPM: where TD quotes are made, and how long the paravisor may take to
 * refresh its report. */
struct azure_maker {
    struct vtpm *tpm;
    const char *imds_url;     /* NULL: "http://169.254.169.254/acc/tdquote" */
    const char *hcl_file;     /* a report to use instead of the NV area; tests only */
    const char *event_log;    /* the firmware's, for documents; NULL or absent: none */
    uint64_t refresh_wait_ms; /* most, after writing user data; 0: 6000 */
    uint64_t wait_ms;         /* of one request */
};

#define AZURE_EVENT_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"
#define AZURE_EVENT_LOG_BYTES_MAX (96u << 10) /* a certificate must still hold it, in base64 */

/* azure_make gathers evidence over 64 bytes of input data, which the paravisor takes up as user
 * data; everything lives in the arena.
 * errors  ERR_TIMEOUT: the paravisor does not take it up; those of the TPM and of the request. */
[[gnu::warn_unused_result]] int azure_make(struct azure_evidence *ret, const struct azure_maker *m,
                                           const uint8_t input[64], struct arena *a,
                                           struct error *why);

/* azure_make_document gathers what an aTLS document holds. The paravisor's report is used as it
 * is: here the TPM's nonce alone makes the evidence fresh.
 * binding  SHA-256(user_data ‖ the verifier's nonce). user_data  SHA-256 of the certificate's key.
 * errors   ERR_LIMIT: an event log above the limit; as azure_make. */
[[gnu::warn_unused_result]] int azure_make_document(struct azure_evidence *ret,
                                                    const struct azure_maker *m,
                                                    const uint8_t binding[32],
                                                    const uint8_t user_data[32], struct arena *a,
                                                    struct error *why);

#endif
