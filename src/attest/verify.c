/* SPDX-License-Identifier: MIT */
#include "attest/verify.h"
#include "attest/digest.h"
#include "attest/verify_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_COLLATERALS 64
#define CACHE_PCK_CHAINS 256
#define CACHE_QUOTING_KEYS 256

// A QE report that was verified with its PCK key, and the attestation key that it vouches for.
struct quoting_key {
    bool signature_good;
    struct es256_key *key; // NULL: not a point of the curve
};

struct verifier {
    const struct trust_root *root;
    struct verify_cache collaterals; // struct collateral_check, by collateral id
    struct verify_cache pck_chains;  // struct pck_check, by collateral id and chain
    struct verify_cache quoting_keys;
    uint64_t signatures;
};

static const char *const finding_names[] = {
#define FINDING_NAME(name, text, help) text,
    VERDICT_FINDINGS(FINDING_NAME)
#undef FINDING_NAME
};
static const char *const finding_help[] = {
#define FINDING_HELP(name, text, help) help,
    VERDICT_FINDINGS(FINDING_HELP)
#undef FINDING_HELP
};

const char *verdict_finding_name(unsigned i) {
    return i < FINDING_COUNT ? finding_names[i] : "";
}

const char *verdict_finding_help(unsigned i) {
    return i < FINDING_COUNT ? finding_help[i] : "";
}

static void release_pck(void *value) {
    pck_check_free(value);
    free(value);
}

static void release_quoting_key(void *value) {
    struct quoting_key *q = value;
    es256_key_free(q->key);
    free(q);
}

int verifier_new(struct verifier **ret, const struct trust_root *root, struct error *why) {
    struct verifier *v = calloc(1, sizeof *v);
    if (!v || !verify_cache_init(&v->collaterals, CACHE_COLLATERALS, free) ||
        !verify_cache_init(&v->pck_chains, CACHE_PCK_CHAINS, release_pck) ||
        !verify_cache_init(&v->quoting_keys, CACHE_QUOTING_KEYS, release_quoting_key)) {
        verifier_free(v);
        return error_set(why, ERR_NO_MEMORY, "verifier");
    }
    v->root = root;
    *ret = v;
    return 0;
}

void verifier_free(struct verifier *v) {
    if (!v) return;
    verify_cache_free(&v->collaterals);
    verify_cache_free(&v->pck_chains);
    verify_cache_free(&v->quoting_keys);
    free(v);
}

const struct trust_root *verifier_root(const struct verifier *v) {
    return v->root;
}

uint64_t verifier_signatures(const struct verifier *v) {
    return v->signatures;
}

void verifier_forget_quoting_keys(struct verifier *v) {
    for (size_t i = 0; i < v->quoting_keys.capacity; i++) {
        struct verify_cache_slot *slot = &v->quoting_keys.slots[i];
        if (slot->used) release_quoting_key(slot->value);
        slot->used = 0;
    }
}

static int get_collateral_check(struct verifier *v, const struct collateral_check **ret,
                                const struct collateral *c, struct error *why) {
    struct collateral_check *k = verify_cache_get(&v->collaterals, c->id);
    if (!k) {
        k = malloc(sizeof *k);
        if (!k) return error_set(why, ERR_NO_MEMORY, "collateral check");
        collateral_check_signatures(k, c, v->root);
        v->signatures += 4; // root's list, signer, TCB Info, QE identity
        verify_cache_put(&v->collaterals, c->id, k);
    }
    *ret = k;
    return 0;
}

static int get_pck_check(struct verifier *v, const struct pck_check **ret, struct bytes pem,
                         const uint8_t pem_hash[32], const struct collateral *c,
                         enum qvl_code root_crl, struct error *why) {
    uint8_t key[32];
    if (!digest_sha256_two(bytes_make(c->id, 32), bytes_make(pem_hash, 32), key)) {
        return error_set(why, ERR_NO_MEMORY, "PCK chain check");
    }
    struct pck_check *k = verify_cache_get(&v->pck_chains, key);
    if (!k) {
        k = malloc(sizeof *k);
        if (!k) return error_set(why, ERR_NO_MEMORY, "PCK chain check");
        int code = pck_check_chain(k, pem, c, v->root, root_crl, why);
        if (code < 0) {
            release_pck(k);
            return code;
        }
        v->signatures += 3; // issuer, leaf, its list
        verify_cache_put(&v->pck_chains, key, k);
    }
    *ret = k;
    return 0;
}

/* The quoting key is named by everything its verification depends on: the PCK's key itself (which
 * leaf it is depends on the quote's certificates and, for a leaf alone, on the collateral's), the
 * report with its signature, and the attestation key. */
static int get_quoting_key(struct verifier *v, const struct quoting_key **ret,
                           const struct quote *q, const struct pck_check *pck, struct error *why) {
    uint8_t parts[64 + 384 + 64 + 64], key[32];
    es256_key_point(pck->leaf_key, parts);
    memcpy(parts + 64, q->qe_report_bytes.p, 384);
    memcpy(parts + 448, q->qe_report_signature.p, 64);
    memcpy(parts + 512, q->attestation_key.p, 64);
    digest_sha256((struct bytes){parts, sizeof parts}, key);
    struct quoting_key *k = verify_cache_get(&v->quoting_keys, key);
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k) return error_set(why, ERR_NO_MEMORY, "quoting key");
        k->signature_good =
            es256_verify_message(pck->leaf_key, q->qe_report_bytes, q->qe_report_signature.p);
        v->signatures++;
        if (es256_key_public(&k->key, q->attestation_key.p, NULL) < 0) k->key = NULL;
        verify_cache_put(&v->quoting_keys, key, k);
    }
    *ret = k;
    return 0;
}

// VerifyPCKCertificate: after the signatures, the times in its order.
static enum qvl_code pck_at(const struct pck_check *p, const struct collateral *c, uint64_t now) {
    if (p->code != QVL_OK) return p->code;
    if (now > p->not_after) return QVL_SGX_PCK_CERT_CHAIN_EXPIRED;
    if (now < c->root_crl.this_update || now > c->root_crl.next_update ||
        now < c->pck_crl.this_update || now > c->pck_crl.next_update) {
        return QVL_SGX_CRL_EXPIRED;
    }
    return QVL_OK;
}

static enum qvl_code document_at(const struct document_check *d, const struct collateral *c,
                                 uint64_t next_update, enum qvl_code expired, uint64_t now) {
    if (d->code != QVL_OK) return d->code;
    if (now > d->root_not_after || now > d->signer_not_after) {
        return QVL_SGX_SIGNING_CERT_CHAIN_EXPIRED;
    }
    if (now < c->root_crl.this_update || now > c->root_crl.next_update) return QVL_SGX_CRL_EXPIRED;
    return now > next_update ? expired : QVL_OK;
}

// Steps c to e: the documents fit the platform and the TDX module.
static enum qvl_code check_fit(const struct quote *q, const struct tcb_info *info,
                               const struct pck_extension *pck) {
    if (info->version >= 3) {
        enum quote_tee tee = info->id == TCB_INFO_TDX ? QUOTE_TEE_TDX : QUOTE_TEE_SGX;
        if (q->tee != tee) return QVL_TCB_INFO_MISMATCH;
    } else if (q->tee == QUOTE_TEE_TDX) {
        return QVL_TCB_INFO_MISMATCH;
    }
    if (memcmp(info->fmspc, pck->fmspc, 6) != 0 || memcmp(info->pce_id, pck->pce_id, 2) != 0) {
        return QVL_TCB_INFO_MISMATCH;
    }
    if (q->tee != QUOTE_TEE_TDX) return QVL_OK;
    const struct tdx_module *module = &info->module;
    if (q->td.tee_tcb_svn[1] > 0) {
        module = tcb_find_module(info, q->td.tee_tcb_svn[1]);
        if (!module) return QVL_TDX_MODULE_MISMATCH;
    }
    static const uint8_t zero[8];
    if (memcmp(q->td.mr_signer_seam, module->mr_signer, 48) != 0 ||
        memcmp(q->td.seam_attributes, module->attributes, 8) != 0 ||
        memcmp(q->td.seam_attributes, zero, 8) != 0) {
        return QVL_TDX_MODULE_MISMATCH;
    }
    return QVL_OK;
}

static void add_note(struct verdict *r, const struct tcb_note *note) {
    if (r->tcb_date == 0 || note->date < r->tcb_date) r->tcb_date = note->date;
    for (size_t i = 0; i < note->advisory_count; i++) {
        size_t k = 0;
        while (k < r->advisory_count && !bytes_equal(r->advisories[k], note->advisories[i])) {
            k++;
        }
        if (k == r->advisory_count) r->advisories[r->advisory_count++] = note->advisories[i];
    }
}

static void evaluate_tcb(struct verdict *r, const struct collateral *c,
                         const struct isv_level *qe_level) {
    tcb_evaluate(&r->tcb, &c->tcb_info, &r->pck, &r->quote, qe_level);
    r->evaluated = true;
    r->quote_code = r->tcb.code;
    r->status = tcb_status_of(r->tcb.code);
    r->newest_tcb_date = c->tcb_info.levels[0].note.date;
    if (r->tcb.sgx_level) add_note(r, &r->tcb.sgx_level->note);
    if (r->tcb.tdx_level) add_note(r, &r->tcb.tdx_level->note);
    if (r->tcb.module_level) add_note(r, &r->tcb.module_level->note);
    if (r->tcb.qe_level) add_note(r, &r->tcb.qe_level->note);
}

// VerifyQuote, steps f to i, once the documents fit.
static int check_signatures(struct verdict *r, struct verifier *v, const struct pck_check *pck,
                            const struct collateral *c, struct error *why) {
    const struct quote *q = &r->quote;
    const struct quoting_key *k = NULL;
    uint8_t bound[32];
    int code = get_quoting_key(v, &k, q, pck, why);
    if (code < 0 || !k) return code;
    if (!k->signature_good) {
        r->quote_code = QVL_INVALID_QE_REPORT_SIGNATURE;
        return 0;
    }
    if (!digest_sha256_two(q->attestation_key, q->qe_auth, bound)) {
        return error_set(why, ERR_NO_MEMORY, "QE report data");
    }
    if (memcmp(bound, q->qe_report.report_data, 32) != 0) {
        r->quote_code = QVL_INVALID_QE_REPORT_DATA;
        return 0;
    }
    enum enclave_id expected = q->tee == QUOTE_TEE_TDX ? ENCLAVE_TD_QE : ENCLAVE_QE;
    const struct isv_level *qe_level = NULL;
    r->quote_code = c->qe_identity.id != expected
                        ? QVL_QE_IDENTITY_MISMATCH
                        : tcb_match_enclave(&qe_level, &c->qe_identity, &q->qe_report);
    if (r->quote_code != QVL_OK) return 0;
    if (!k->key) {
        r->quote_code = QVL_UNSUPPORTED_QUOTE_FORMAT;
        return 0;
    }
    v->signatures++;
    if (!es256_verify_message(k->key, q->signed_bytes, q->signature.p)) {
        r->quote_code = QVL_INVALID_QUOTE_SIGNATURE;
        return 0;
    }
    evaluate_tcb(r, c, qe_level);
    return 0;
}

static int check_quote(struct verdict *r, struct verifier *v, const struct pck_check *pck,
                       const struct collateral *c, struct error *why) {
    enum qvl_code code = QVL_OK;
    if (!r->parsed) {
        code = QVL_UNSUPPORTED_QUOTE_FORMAT;
    } else if (c->pck_crl_error < 0) {
        code = QVL_UNSUPPORTED_PCK_RL_FORMAT;
    } else if (c->tcb_info_error < 0) {
        code = QVL_UNSUPPORTED_TCB_INFO_FORMAT;
    } else if (c->qe_identity_error < 0) {
        code = QVL_UNSUPPORTED_QE_IDENTITY_FORMAT;
    } else if (pck->leaf_code != QVL_OK) {
        code = pck->leaf_code;
    } else if (pck->crl_code != QVL_OK) {
        code = pck->crl_code;
    } else {
        code = check_fit(&r->quote, &c->tcb_info, &pck->extension);
    }
    r->quote_code = code;
    return code == QVL_OK ? check_signatures(r, v, pck, c, why) : 0;
}

// Types 1 to 3 name the platform by its PPID; only 4 and 5 are certificates.
static bool says_certificates(const struct quote *q) {
    return q->cert_type == QUOTE_CERT_PCK_CHAIN || q->cert_type == QUOTE_CERT_PCK_LEAF;
}

static bool has_certificates(struct bytes in) {
    static const char begin[] = "-----BEGIN CERTIFICATE";
    return in.n > 0 && memmem(in.p, in.n, begin, sizeof begin - 1) != NULL;
}

static void note_findings(struct verdict *r, const struct collateral_check *k,
                          const struct pck_check *p, const struct collateral *c) {
    uint32_t f = 0;
    if (r->parsed) {
        static const uint8_t zero[32];
        if (r->quote.spare_bytes > 0) f |= FINDING_SPARE_BYTES;
        if (!says_certificates(&r->quote) && has_certificates(r->quote.cert_data)) {
            f |= FINDING_CERTIFICATION_TYPE;
        }
        if (memcmp(r->quote.qe_report.report_data + 32, zero, 32) != 0) {
            f |= FINDING_QE_REPORT_DATA_TAIL;
        }
        if (r->quote.version >= 4 && (r->quote.header_at_8 || r->quote.header_at_10)) {
            f |= FINDING_RESERVED_HEADER;
        }
    }
    if (k->tcb_info.text_differs) f |= FINDING_TCB_INFO_TEXT;
    if (k->qe_identity.text_differs) f |= FINDING_QE_IDENTITY_TEXT;
    if (p->root_differs || k->tcb_info.root_differs || k->qe_identity.root_differs) {
        f |= FINDING_ROOT_BYTES;
    }
    if (p->ca_flags_wrong || k->tcb_info.ca_flags_wrong || k->qe_identity.ca_flags_wrong) {
        f |= FINDING_CA_FLAGS;
    }
    if (r->time < p->not_before || r->time < k->tcb_info.not_before ||
        r->time < k->qe_identity.not_before) {
        f |= FINDING_CERT_NOT_YET_VALID;
    }
    if (c->tcb_info_error == 0 && r->time < c->tcb_info.issue_date) f |= FINDING_TCB_INFO_FUTURE;
    if (c->qe_identity_error == 0 && r->time < c->qe_identity.issue_date) {
        f |= FINDING_QE_IDENTITY_FUTURE;
    }
    r->findings = f;
}

static void note_leaf(struct verdict *r, const struct pck_check *p) {
    r->leaf_known = p->leaf_code == QVL_OK;
    r->pck = p->extension;
    r->pck_not_before = p->leaf_not_before;
    r->pck_not_after = p->leaf_not_after;
    r->pck_serial_n = p->leaf_serial_n;
    memcpy(r->pck_serial, p->leaf_serial, sizeof r->pck_serial);
    memcpy(r->pck_issuer, p->issuer_cn, sizeof r->pck_issuer);
}

static void begin(struct verdict *r, const struct verifier *v, struct bytes quote, uint64_t now) {
    memset(r, 0, sizeof *r);
    r->time = now;
    r->status = TCB_NONE;
    memcpy(r->root_name, v->root->name, sizeof r->root_name);
    memcpy(r->root_fingerprint, v->root->fingerprint, 32);
    r->root_is_intel = v->root->is_intel;
    r->parsed = quote_parse(&r->quote, quote, &r->quote_error) == 0;
    if (!r->parsed) memset(&r->quote, 0, sizeof r->quote);
}

// The certificates: in the quote, in the collateral for quotes without, or found in a broken one.
static struct bytes find_pem(const struct verdict *r, struct bytes quote,
                             const struct collateral *c) {
    if (!r->parsed) return quote_find_chain(quote);
    struct bytes own = r->quote.cert_data;
    bool there = says_certificates(&r->quote) && has_certificates(own);
    return there || c->parts.pck_chain.n == 0 ? own : c->parts.pck_chain;
}

int verifier_check(struct verdict *ret, struct verifier *v, struct bytes quote,
                   const struct collateral *c, uint64_t now, struct error *why) {
    const struct collateral_check *k = NULL;
    const struct pck_check *p = NULL;
    uint8_t pem_hash[32];
    begin(ret, v, quote, now);
    if (!c) {
        ret->pck_chain = ret->tcb_info = ret->qe_identity = QVL_MISSING_PARAMETERS;
        ret->quote_code = ret->parsed ? QVL_MISSING_PARAMETERS : QVL_UNSUPPORTED_QUOTE_FORMAT;
        return 0;
    }
    struct bytes pem = find_pem(ret, quote, c);
    digest_sha256(pem, pem_hash);
    int code = get_collateral_check(v, &k, c, why);
    if (code == 0) code = get_pck_check(v, &p, pem, pem_hash, c, k->root_crl, why);
    if (code < 0 || !k || !p) return code;
    note_leaf(ret, p);
    ret->pck_chain = pck_at(p, c, now);
    ret->tcb_info =
        document_at(&k->tcb_info, c, c->tcb_info.next_update, QVL_SGX_TCB_INFO_EXPIRED, now);
    ret->qe_identity = document_at(&k->qe_identity, c, c->qe_identity.next_update,
                                   QVL_SGX_ENCLAVE_IDENTITY_EXPIRED, now);
    if ((code = check_quote(ret, v, p, c, why)) < 0) return code;
    note_findings(ret, k, p, c);
    if (collateral_window_of(&ret->window, c, NULL) < 0) {
        memset(&ret->window, 0, sizeof ret->window);
    } else {
        uint32_t a = c->tcb_info.evaluation_number, b = c->qe_identity.evaluation_number;
        ret->evaluation_number = a < b ? a : b;
    }
    ret->valid = ret->pck_chain == QVL_OK && ret->tcb_info == QVL_OK &&
                 ret->qe_identity == QVL_OK && ret->status < TCB_REVOKED && ret->findings == 0;
    return 0;
}

void verdict_reason(const struct verdict *v, char ret[256]) {
    if (!v->parsed) {
        (void)snprintf(ret, 256, "%s", v->quote_error.text);
    } else if (v->pck_chain != QVL_OK) {
        (void)snprintf(ret, 256, "PCK certificate chain: %s", qvl_name(v->pck_chain));
    } else if (v->tcb_info != QVL_OK) {
        (void)snprintf(ret, 256, "TCB Info: %s", qvl_name(v->tcb_info));
    } else if (v->qe_identity != QVL_OK) {
        (void)snprintf(ret, 256, "QE identity: %s", qvl_name(v->qe_identity));
    } else if (v->status >= TCB_REVOKED) {
        (void)snprintf(ret, 256, "quote: %s", qvl_name(v->quote_code));
    } else if (v->findings) {
        (void)snprintf(ret, 256, "%s", verdict_finding_help((unsigned)__builtin_ctz(v->findings)));
    } else if (v->beyond[0]) {
        (void)snprintf(ret, 256, "%s", v->beyond);
    } else {
        (void)snprintf(ret, 256, "TCB status %s", tcb_status_name(v->status));
    }
}

int verifier_platform(uint8_t ret_fmspc[6], bool *ret_platform_ca, enum quote_tee *ret_tee,
                      struct bytes quote, struct error *why) {
    struct quote q;
    int code = quote_parse(&q, quote, why);
    if (code < 0) return code;
    if (q.cert_type != QUOTE_CERT_PCK_CHAIN && q.cert_type != QUOTE_CERT_PCK_LEAF) {
        return error_set(why, ERR_UNSUPPORTED,
                         "quote: certification data type %u has no certificate", q.cert_type);
    }
    struct arena scratch;
    struct cert_chain chain;
    struct pck_extension pck;
    arena_init(&scratch, 1u << 20);
    code = cert_chain_parse(&chain, q.cert_data, &scratch, why);
    if (code == 0 && (chain.n == 0 || chain.at[0].sgx.n == 0)) {
        code = error_set(why, ERR_SYNTAX, "quote: its first certificate is no PCK certificate");
    }
    if (code == 0) code = pck_extension_parse(&pck, chain.at[0].sgx, why);
    if (code == 0) {
        static const char platform[] = "Platform";
        struct bytes cn = chain.at[0].issuer_cn;
        memcpy(ret_fmspc, pck.fmspc, 6);
        *ret_platform_ca = memmem(cn.p, cn.n, platform, sizeof platform - 1) != NULL;
        *ret_tee = (enum quote_tee)q.tee;
    }
    arena_free(&scratch);
    return code;
}
