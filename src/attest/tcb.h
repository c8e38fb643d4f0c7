/* TCB Info (version 3, and SGX's version 2) and QE identity (version 2): what Intel says about
 * platforms and quoting enclaves, and the rules that turn it into a status.
 *
 * Parsing keeps the exact signed text; the documents are to be believed only after collateral.h
 * has verified it. Evaluation follows Intel's QVL: which level applies, how the TDX module's and
 * the quoting enclave's statuses weigh in, when a relaunch of the TD is advised. Pure; any thread.
 *
 * Source: Intel PCS API v4; QVL TcbLevelCheck, TdxModuleCheck, TDRelaunchCheck.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_TCB_H
#define ATTEST_TCB_H

#include "attest/pck.h"
#include "attest/quote.h"
#include "attest/qvl.h"
#include "base/arena.h"

#define TCB_DOCUMENT_BYTES_MAX (256u << 10)
#define TCB_LEVELS_MAX 256     /* of a platform, a module, an enclave */
#define TCB_IDENTITIES_MAX 64  /* of TDX modules */
#define TCB_ADVISORIES_MAX 256 /* of one level */

/* What every level tells. */
struct tcb_note {
    enum tcb_status status;
    uint64_t date; /* seconds since 1970 */
    const struct bytes *advisories;
    size_t advisory_count;
};

struct tcb_component {
    uint16_t svn;
    struct bytes category; /* "BIOS", "OS/VMM"; may be empty */
    struct bytes type;     /* "SEAMLDR ACM"; may be empty */
};

/* A platform's level. */
struct tcb_level {
    struct tcb_component sgx[16];
    struct tcb_component tdx[16];
    uint32_t pce_svn;
    struct tcb_note note;
};

/* A level of a TDX module or of a quoting enclave. */
struct isv_level {
    uint32_t isv_svn;
    struct tcb_note note;
};

struct tdx_module {
    struct bytes id; /* "TDX_01"; empty for the document's own tdxModule */
    uint8_t mr_signer[48];
    uint8_t attributes[8];
    uint8_t attributes_mask[8];
    struct isv_level *levels; /* descending by isv_svn */
    size_t level_count;
};

enum tcb_info_id { TCB_INFO_SGX, TCB_INFO_TDX };

struct tcb_info {
    enum tcb_info_id id;
    uint32_t version;
    uint64_t issue_date;
    uint64_t next_update;
    uint8_t fmspc[6];
    uint8_t pce_id[2];
    uint32_t evaluation_number;
    struct tdx_module module; /* TDX only */
    struct tdx_module *identities;
    size_t identity_count;
    struct tcb_level *levels; /* descending: SGX components, PCE SVN, TDX components */
    size_t level_count;
    struct bytes signed_text; /* the object `tcbInfo` as it stands in the document */
    uint8_t signature[64];
};

enum enclave_id { ENCLAVE_QE, ENCLAVE_QVE, ENCLAVE_TD_QE };

struct enclave_identity {
    enum enclave_id id;
    uint32_t version;
    uint64_t issue_date;
    uint64_t next_update;
    uint32_t evaluation_number;
    uint8_t misc_select[4];
    uint8_t misc_select_mask[4];
    uint8_t attributes[16];
    uint8_t attributes_mask[16];
    uint8_t mr_signer[32];
    uint32_t isv_prod_id;
    struct isv_level *levels; /* as they stand: the first that is reached applies */
    size_t level_count;
    struct bytes signed_text;
    uint8_t signature[64];
};

/* tcb_info_parse reads {"tcbInfo": {...}, "signature": "..."}.
 * ret     filled on success; points into `in` and `a`.
 * errors  ERR_SYNTAX: QVL's "unsupported format" (not JSON, a part is missing, anything wrong in a
 *         module or with a level's numbers); ERR_INVALID: QVL's "invalid" (a value out of form,
 *         unknown version or id, duplicate levels, no levels, no signature); ERR_LIMIT;
 *         ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tcb_info_parse(struct tcb_info *ret, struct bytes in,
                                               struct arena *a, struct error *why);

/* enclave_identity_parse reads {"enclaveIdentity": {...}, "signature": "..."}. errors  ERR_SYNTAX:
 * not JSON, no signature; ERR_UNSUPPORTED: another version than 2; ERR_INVALID: anything else;
 * ERR_LIMIT; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int enclave_identity_parse(struct enclave_identity *ret,
                                                       struct bytes in, struct arena *a,
                                                       struct error *why);

/* tcb_compact copies JSON text without the white space between tokens: what the QVL verifies
 * signatures over. p is NULL when there is no memory. */
struct bytes tcb_compact(struct bytes json, struct arena *a);

/* tcb_find_module finds "TDX_%02X" of a module's major version, letter case aside; NULL if none. */
const struct tdx_module *tcb_find_module(const struct tcb_info *info, uint8_t version);

/* tcb_match_enclave compares a QE report with its identity.
 * ret_level  the level that applies, NULL when none does.
 * Returns QVL_OK or QVL_QE_IDENTITY_MISMATCH. */
enum qvl_code tcb_match_enclave(const struct isv_level **ret_level,
                                const struct enclave_identity *identity,
                                const struct sgx_report *report);

/* What the rules chose. */
struct tcb_evaluation {
    enum qvl_code code; /* QVL's last word on the TCB */
    enum tcb_status sgx, tdx, module, qe;
    const struct tcb_level *sgx_level, *tdx_level; /* NULL when none matched */
    const struct tdx_module *module_identity;      /* NULL for the pre-1.5 numbering */
    const struct isv_level *module_level, *qe_level;
};

/* tcb_evaluate applies steps j to n of the QVL.
 * qe_level  as tcb_match_enclave gave it. */
void tcb_evaluate(struct tcb_evaluation *ret, const struct tcb_info *info,
                  const struct pck_extension *pck, const struct quote *quote,
                  const struct isv_level *qe_level);

#endif
