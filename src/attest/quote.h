/* Quotes of Intel TDX and SGX: versions 3, 4 and 5, parsed in place.
 *
 * The parser checks form and bounds only; nothing it gives is to be believed before dcap.h has
 * verified it. Views point into the caller's bytes. Pure; any thread.
 *
 *   off  size  header (all versions)                         where the parts stand
 *     0     2  version 3, 4, 5                                version   body      signed bytes
 *     2     2  attestation key type (2: ECDSA P-256)          3         48, 384   0..431
 *     4     4  TEE type 0 SGX, 0x81 TDX                       4 SGX     48, 384   0..431
 *     8     2  v3: QE SVN; else reserved                      4 TDX     48, 584   0..631
 *    10     2  v3: PCE SVN; else reserved                     5         54, size  0..53+size
 *    12    16  QE vendor id                                   (v5: u16 body type at 48, u32 size
 *    28    20  user data                                       at 50)
 *
 * After the body: u32 length, then signature data: signature 64, attestation key 64, and for v3
 * {QE report 384, its signature 64, u16 length + QE authentication data, u16 type, u32 length +
 * certification data}; v4 and v5 wrap the latter in {u16 type = 6, u32 length}.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix A; QVL QuoteStructures.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_QUOTE_H
#define ATTEST_QUOTE_H

#include "base/bytes.h"
#include "base/error.h"

#define QUOTE_BYTES_MAX (64u << 10) /* most bytes of a quote with padding that is looked at */
#define QUOTE_HEADER_BYTES 48u
#define QUOTE_SGX_BODY_BYTES 384u
#define QUOTE_TD10_BODY_BYTES 584u
#define QUOTE_TD15_BODY_BYTES 648u
#define QUOTE_KEY_TYPE_P256 2u
#define QUOTE_REPORT_DATA_BYTES 64u
#define TDREPORT_BYTES 1024u

enum quote_tee { QUOTE_TEE_SGX = 0, QUOTE_TEE_TDX = 0x81 };
enum quote_body { QUOTE_BODY_SGX = 1, QUOTE_BODY_TD10 = 2, QUOTE_BODY_TD15 = 3 };

/* Certification data types; only 4 and 5 carry certificates. */
enum {
    QUOTE_CERT_PPID_PLAIN = 1,
    QUOTE_CERT_PPID_RSA2048 = 2,
    QUOTE_CERT_PPID_RSA3072 = 3,
    QUOTE_CERT_PCK_LEAF = 4,
    QUOTE_CERT_PCK_CHAIN = 5,
    QUOTE_CERT_QE_REPORT = 6,
    QUOTE_CERT_PLATFORM_MANIFEST = 7,
};

extern const uint8_t quote_intel_vendor_id[16];

/* An SGX report body: an enclave's (v3) or a quoting enclave's. */
struct sgx_report {
    uint8_t cpu_svn[16];
    uint8_t misc_select[4];
    uint8_t attributes[16];
    uint8_t mr_enclave[32];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t report_data[64];
};

/* A TD's body; the last two fields are TD 1.5's and zero in a TD 1.0 body. */
struct td_report {
    uint8_t tee_tcb_svn[16];
    uint8_t mr_seam[48];
    uint8_t mr_signer_seam[48];
    uint8_t seam_attributes[8];
    uint64_t td_attributes; /* bit 0 DEBUG, 28 SEPT_VE_DISABLE, 30 PKS, 31 KL, 63 PERFMON */
    uint64_t xfam;
    uint8_t mr_td[48];
    uint8_t mr_config_id[48];
    uint8_t mr_owner[48];
    uint8_t mr_owner_config[48];
    uint8_t rtmr[4][48];
    uint8_t report_data[64];
    uint8_t tee_tcb_svn2[16];
    uint8_t mr_service_td[48];
};

struct quote {
    uint16_t version;
    uint16_t key_type;
    uint32_t tee;          /* enum quote_tee */
    uint16_t header_at_8;  /* v3: QE SVN; v4, v5: reserved */
    uint16_t header_at_10; /* v3: PCE SVN; v4, v5: reserved */
    uint8_t vendor_id[16];
    uint8_t user_data[20];
    enum quote_body body_type;
    union {
        struct td_report td; /* body_type TD10, TD15 */
        struct sgx_report enclave;
    };
    struct bytes signed_bytes;
    struct bytes signature;       /* 64: r, s */
    struct bytes attestation_key; /* 64: x, y */
    struct bytes qe_report_bytes; /* 384 */
    struct sgx_report qe_report;
    struct bytes qe_report_signature; /* 64: r, s */
    struct bytes qe_auth;
    uint16_t cert_type; /* of the innermost certification data */
    struct bytes cert_data;
    uint32_t signature_data_bytes; /* as stated by the length field */
    size_t spare_bytes;            /* inside the signature data and belonging to nothing */
    size_t trailing_bytes;         /* after the signature data: buffers' padding */
};

/* quote_parse reads a quote.
 * ret     filled on success; its views point into `in`.
 * in      the quote with or without padding after it.
 * errors  ERR_SYNTAX, ERR_LIMIT (why->at = byte offset), ERR_UNSUPPORTED: a version, key type, TEE
 *         type or vendor that Intel's verifier does not know. *ret undefined on error.
 * differs bytes after the wrapped certification data are told in spare_bytes, not refused: the
 *         QVL accepts them; the verdict does not (verdict.h). */
[[gnu::warn_unused_result]] int quote_parse(struct quote *ret, struct bytes in, struct error *why);

/* quote_find_chain gives the first run of PEM certificates anywhere in the bytes; empty when there
 * is none. For a quote that does not parse: tells whether its certificates at least are sound. */
struct bytes quote_find_chain(struct bytes in);

/* sgx_report_parse / td_report_parse read a body of QUOTE_SGX_BODY_BYTES, and of
 * QUOTE_TD10_BODY_BYTES or QUOTE_TD15_BODY_BYTES. */
void sgx_report_parse(struct sgx_report *ret, const uint8_t in[QUOTE_SGX_BODY_BYTES]);
void td_report_parse(struct td_report *ret, const uint8_t *in, size_t n);

/* td_report_write is the inverse; n bytes at ret. */
void td_report_write(uint8_t *ret, size_t n, const struct td_report *in);

/* quote_report_data gives the 64 bytes of report data of the quoted TD or enclave. */
const uint8_t *quote_report_data(const struct quote *q);

/* A TDREPORT (1,024 bytes, MACed for its own processor): what a TD reads and a host turns into a
 * quote. tdreport_parse takes the fields a quote also has (SVN, MRSEAM, ..., report data).
 * errors  ERR_SYNTAX: not TDREPORT_BYTES long or not of type 0x81. */
[[gnu::warn_unused_result]] int tdreport_parse(struct td_report *ret, struct bytes in,
                                               struct error *why);

#endif
