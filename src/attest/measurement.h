/* Measurements: the numbered registers that say what was booted, as policies and headers name them.
 *
 * DCAP types: 0 = MRTD, 1..4 = RTMR0..3 (48 bytes). Azure: the SHA-256 PCRs by their numbers
 * (32 bytes); 4, 9 and 11 are the ones an image determines. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_MEASUREMENT_H
#define ATTEST_MEASUREMENT_H

#include "attest/quote.h"
#include "attest/tpm_attest.h"
#include "base/buf.h"

/* What kind of evidence; the names are those of files, flags, headers and messages. */
enum attestation_type {
    ATTESTATION_NONE,        /* "none" */
    ATTESTATION_AZURE_TDX,   /* "azure-tdx" */
    ATTESTATION_GCP_TDX,     /* "gcp-tdx" */
    ATTESTATION_QEMU_TDX,    /* "qemu-tdx": bare metal, as the header spells it */
    ATTESTATION_DCAP_TDX,    /* "dcap-tdx": the same in files and flags */
    ATTESTATION_SELF_HOSTED, /* "self-hosted-tdx": the same in later messages */
};
#define ATTESTATION_TYPES 6

const char *attestation_type_name(enum attestation_type type);

/* attestation_type_parse: false when no type is named so. */
bool attestation_type_parse(enum attestation_type *ret, struct bytes name);

/* attestation_is_dcap: evidence that is a bare TD quote. attestation_same_kind: whether evidence
 * of one type satisfies a policy of the other: equal, or both names of a bare TD (dcap, qemu,
 * self-hosted; gcp-tdx satisfies dcap-tdx but not the other way round). */
bool attestation_is_dcap(enum attestation_type type);
bool attestation_same_kind(enum attestation_type policy, enum attestation_type evidence);

#define MEASUREMENTS_MAX 24

struct measurement {
    unsigned index;
    uint8_t value[48];
    size_t n; /* 32 or 48 */
};

struct measurements {
    enum attestation_type type;
    struct measurement at[MEASUREMENTS_MAX]; /* ascending by index */
    size_t count;
};

/* measurements_of_td takes MRTD and RTMR0..3. */
void measurements_of_td(struct measurements *ret, enum attestation_type type,
                        const struct td_report *td);

/* measurements_of_pcrs takes the PCRs that were quoted (bits of `selection`). */
void measurements_of_pcrs(struct measurements *ret, const struct tpm_pcrs *pcrs,
                          uint32_t selection);

const struct measurement *measurements_find(const struct measurements *m, unsigned index);

/* measurement_index_parse reads a register's name: a number, "mrtd", "rtmr0".."rtmr3", "pcrN" in
 * any case. false when it is none for that type. */
bool measurement_index_parse(unsigned *ret, enum attestation_type type, struct bytes name);

/* measurements_write_header appends the JSON object of the measurement header: keys as strings in
 * their sort order ("0", "1", "10", ...), values in lower-case hex. */
void measurements_write_header(struct buf *out, const struct measurements *m);

#endif
