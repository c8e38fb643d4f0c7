/* The rules over parsed documents; tcb_parse.c reads them.
 * SPDX-License-Identifier: MIT */
#include "attest/tcb.h"

#include <string.h>

const struct tdx_module *tcb_find_module(const struct tcb_info *info, uint8_t version) {
    static const char digits[] = "0123456789ABCDEF";
    const char id[] = {'T', 'D', 'X', '_', digits[version >> 4], digits[version & 15]};
    for (size_t i = 0; i < info->identity_count; i++) {
        struct bytes have = info->identities[i].id;
        if (have.n != sizeof id) continue;
        size_t k = 0;
        while (k < sizeof id) {
            uint8_t c =
                have.p[k] >= 'a' && have.p[k] <= 'z' ? (uint8_t)(have.p[k] - 32) : have.p[k];
            if (c != (uint8_t)id[k]) break;
            k++;
        }
        if (k == sizeof id) return &info->identities[i];
    }
    return NULL;
}

static const struct isv_level *find_isv_level(const struct isv_level *levels, size_t n,
                                              uint32_t svn) {
    for (size_t i = 0; i < n; i++) {
        if (svn >= levels[i].isv_svn) return &levels[i];
    }
    return NULL;
}

static bool masked_equal(const uint8_t *value, const uint8_t *mask, const uint8_t *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((value[i] & mask[i]) != want[i]) return false;
    }
    return true;
}

enum qvl_code tcb_match_enclave(const struct isv_level **ret_level,
                                const struct enclave_identity *identity,
                                const struct sgx_report *report) {
    *ret_level = NULL;
    if (!masked_equal(report->misc_select, identity->misc_select_mask, identity->misc_select, 4) ||
        !masked_equal(report->attributes, identity->attributes_mask, identity->attributes, 16) ||
        memcmp(report->mr_signer, identity->mr_signer, 32) != 0 ||
        report->isv_prod_id != identity->isv_prod_id) {
        return QVL_QE_IDENTITY_MISMATCH;
    }
    *ret_level = find_isv_level(identity->levels, identity->level_count, report->isv_svn);
    return QVL_OK;
}

static bool reaches_sgx(const struct pck_extension *pck, const struct tcb_level *level) {
    for (int i = 0; i < 16; i++) {
        if (pck->component_svn[i] < level->sgx[i].svn) return false;
    }
    return pck->pce_svn >= level->pce_svn;
}

// With a versioned module (byte 1), bytes 0 and 1 are judged through the module's identity.
static bool reaches_tdx(const uint8_t svn[16], const struct tcb_level *level) {
    for (int i = svn[1] > 0 ? 2 : 0; i < 16; i++) {
        if (svn[i] < level->tdx[i].svn) return false;
    }
    return true;
}

static void choose_levels(struct tcb_evaluation *e, const struct tcb_info *info,
                          const struct pck_extension *pck, const uint8_t *tdx_svn) {
    for (size_t i = 0; i < info->level_count; i++) {
        const struct tcb_level *level = &info->levels[i];
        if (!reaches_sgx(pck, level)) continue;
        if (!e->sgx_level) e->sgx_level = level;
        if (!tdx_svn) return;
        if (reaches_tdx(tdx_svn, level)) {
            e->tdx_level = level;
            return;
        }
    }
}

// How an out-of-date or revoked part (module, QE) changes the platform's status.
static enum tcb_status converge(enum tcb_status platform, enum tcb_status part) {
    if (part == TCB_REVOKED) return TCB_REVOKED;
    if (part != TCB_OUT_OF_DATE) return platform;
    switch (platform) {
    case TCB_UP_TO_DATE:
    case TCB_SW_HARDENING_NEEDED:
        return TCB_OUT_OF_DATE;
    case TCB_CONFIGURATION_NEEDED:
    case TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED:
        return TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    default:
        return platform;
    }
}

static bool needs_configuration(enum tcb_status s) {
    return s == TCB_CONFIGURATION_NEEDED || s == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
           s == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

// Whether the platform, unlike the TD that was launched on it, is now current: the TD's second SVN
// against the newest level. false with *mismatch set when the module's identity is unknown.
static bool platform_is_current(const struct tcb_info *info, const uint8_t svn2[16],
                                bool *mismatch) {
    const struct tcb_level *newest = &info->levels[0];
    if (svn2[1] == 0) return svn2[0] >= newest->tdx[0].svn && svn2[2] >= newest->tdx[2].svn;
    const struct tdx_module *module = tcb_find_module(info, svn2[1]);
    if (!module) {
        *mismatch = true;
        return false;
    }
    return svn2[0] >= module->levels[0].isv_svn && svn2[2] >= newest->tdx[2].svn;
}

static enum qvl_code check_relaunch(const struct tcb_evaluation *e, const struct tcb_info *info,
                                    const struct quote *quote, enum tcb_status *tdx) {
    bool qe_fine = e->qe != TCB_OUT_OF_DATE && e->qe != TCB_REVOKED && e->qe != TCB_NONE;
    bool sgx_fine = e->sgx == TCB_UP_TO_DATE || e->sgx == TCB_SW_HARDENING_NEEDED ||
                    e->sgx == TCB_CONFIGURATION_NEEDED ||
                    e->sgx == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
    bool old = *tdx == TCB_OUT_OF_DATE || *tdx == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    if (!qe_fine || !sgx_fine || !old || e->module != TCB_OUT_OF_DATE) return QVL_OK;
    bool mismatch = false;
    if (platform_is_current(info, quote->td.tee_tcb_svn2, &mismatch)) {
        *tdx = needs_configuration(e->sgx) || needs_configuration(*tdx)
                   ? TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                   : TCB_RELAUNCH_ADVISED;
    }
    // The QVL finds a mismatch here and then, weighing in the QE, no longer knows that status.
    return mismatch ? QVL_TCB_UNRECOGNIZED_STATUS : QVL_OK;
}

static enum qvl_code evaluate_tdx(struct tcb_evaluation *e, const struct tcb_info *info,
                                  const struct quote *quote, enum tcb_status *ret) {
    uint8_t version = quote->td.tee_tcb_svn[1];
    if (!e->tdx_level) return QVL_TCB_NOT_SUPPORTED;
    e->tdx = e->tdx_level->note.status;
    e->module = TCB_UP_TO_DATE;
    if (version > 0) {
        e->module_identity = tcb_find_module(info, version);
        if (!e->module_identity) return QVL_TDX_MODULE_MISMATCH;
        e->module_level = find_isv_level(e->module_identity->levels,
                                         e->module_identity->level_count, quote->td.tee_tcb_svn[0]);
        e->module = e->module_level ? e->module_level->note.status : TCB_NONE;
        if (!e->module_level) return QVL_TCB_NOT_SUPPORTED;
    }
    *ret = converge(e->tdx, e->module);
    if (*ret == TCB_REVOKED || quote->body_type != QUOTE_BODY_TD15) return QVL_OK;
    return check_relaunch(e, info, quote, ret);
}

void tcb_evaluate(struct tcb_evaluation *ret, const struct tcb_info *info,
                  const struct pck_extension *pck, const struct quote *quote,
                  const struct isv_level *qe_level) {
    bool tdx = info->id == TCB_INFO_TDX && quote->tee == QUOTE_TEE_TDX;
    memset(ret, 0, sizeof *ret);
    ret->sgx = ret->tdx = ret->module = TCB_NONE;
    ret->qe_level = qe_level;
    ret->qe = qe_level ? qe_level->note.status : TCB_NONE;
    choose_levels(ret, info, pck, tdx ? quote->td.tee_tcb_svn : NULL);
    if (!ret->sgx_level) {
        ret->code = QVL_TCB_NOT_SUPPORTED;
        return;
    }
    ret->sgx = ret->sgx_level->note.status;
    enum tcb_status status = ret->sgx;
    if (tdx) {
        ret->code = evaluate_tdx(ret, info, quote, &status);
        if (ret->code != QVL_OK) return;
        if (status == TCB_REVOKED) {
            ret->code = QVL_TCB_REVOKED;
            return;
        }
    }
    ret->code =
        ret->qe == TCB_NONE ? QVL_TCB_NOT_SUPPORTED : tcb_status_code(converge(status, ret->qe));
}
