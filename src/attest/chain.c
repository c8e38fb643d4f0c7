/* SPDX-License-Identifier: MIT */
#include "attest/chain.h"

#include <string.h>

static bool cn_contains(struct bytes cn, const char *phrase) {
    return cn.n > 0 && memmem(cn.p, cn.n, phrase, strlen(phrase)) != NULL;
}

// A key of the chain: the trust root's own when the certificates are equal, else parsed.
struct chain_key {
    const struct es256_key *key;
    struct es256_key *owned;
};

static void chain_key_free(struct chain_key *k) {
    es256_key_free(k->owned);
}

/* The chain's root: self-issued and signed by itself. A certificate equal to the trust root was
 * checked when that was made. */
static enum qvl_code open_root(struct chain_key *ret, const struct cert *c,
                               const struct trust_root *root) {
    *ret = (struct chain_key){NULL, NULL};
    if (!cert_is_self_issued(c)) return QVL_SGX_ROOT_CA_INVALID_ISSUER;
    if (bytes_equal(c->der, root->cert.der)) {
        ret->key = root->key;
        return QVL_OK;
    }
    if (es256_key_public(&ret->owned, c->point, NULL) < 0) return QVL_SGX_ROOT_CA_INVALID_ISSUER;
    ret->key = ret->owned;
    return cert_signed_by(c, ret->key) ? QVL_OK : QVL_SGX_ROOT_CA_INVALID_ISSUER;
}

static enum qvl_code check_crl(const struct crl *crl, const struct cert *issuer,
                               const struct es256_key *key) {
    if (!bytes_equal(crl->issuer, issuer->subject)) return QVL_SGX_CRL_UNKNOWN_ISSUER;
    if (!crl->has_number || !crl->has_aki) return QVL_SGX_CRL_INVALID_EXTENSIONS;
    return crl_signed_by(crl, key) ? QVL_OK : QVL_SGX_CRL_INVALID_SIGNATURE;
}

// The root's list: checked against the trust root once; against another root each time.
static enum qvl_code check_root_crl(const struct collateral *c, const struct cert *chain_root,
                                    const struct chain_key *key, const struct trust_root *root,
                                    enum qvl_code known) {
    if (key->key == root->key) return known;
    return check_crl(&c->root_crl, chain_root, key->key);
}

static const struct cert *find_root(const struct cert_chain *chain) {
    const struct cert *found = NULL;
    for (size_t i = 0; i < chain->n; i++) {
        if (cert_is_self_issued(&chain->at[i])) found = &chain->at[i];
    }
    return found;
}

// The last certificate that issued none of the others.
static const struct cert *find_leaf(const struct cert_chain *chain) {
    const struct cert *found = NULL;
    for (size_t i = 0; i < chain->n; i++) {
        bool issued = false;
        for (size_t k = 0; k < chain->n; k++) {
            issued |= !bytes_equal(chain->at[k].subject, chain->at[i].subject) &&
                      bytes_equal(chain->at[k].issuer, chain->at[i].subject);
        }
        if (!issued) found = &chain->at[i];
    }
    return found;
}

static enum qvl_code signing_chain_form(const struct cert_chain *chain, int error) {
    if (error < 0 || chain->n == 0) return QVL_UNSUPPORTED_CERT_FORMAT;
    for (size_t i = 0; i < chain->n; i++) {
        if (cert_has_required(&chain->at[i])) continue;
        return i == 0 ? QVL_SGX_ROOT_CA_INVALID_EXTENSIONS
                      : QVL_SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS;
    }
    return chain->n == 2 ? QVL_OK : QVL_UNSUPPORTED_CERT_FORMAT;
}

static void note_times(struct document_check *d, const struct cert *signer,
                       const struct cert *root) {
    d->root_not_after = root->not_after;
    d->signer_not_after = signer->not_after;
    d->not_before = signer->not_before > root->not_before ? signer->not_before : root->not_before;
}

// The signer's chain up to the trust root; *key is the signer's.
static enum qvl_code check_signer(struct document_check *d, struct es256_key **ret_key,
                                  const struct collateral *c, const struct cert_chain *chain,
                                  const struct trust_root *root, enum qvl_code root_crl) {
    const struct cert *top = find_root(chain), *signer = find_leaf(chain);
    struct chain_key root_key = {NULL, NULL};
    if (!top || !cn_contains(top->subject_cn, "SGX Root CA")) return QVL_SGX_ROOT_CA_MISSING;
    enum qvl_code code = open_root(&root_key, top, root);
    if (code != QVL_OK) goto out;
    if (!signer || !cn_contains(signer->subject_cn, "SGX TCB Signing")) {
        code = QVL_SGX_TCB_SIGNING_CERT_MISSING;
        goto out;
    }
    note_times(d, signer, top);
    if (!bytes_equal(signer->issuer, top->subject) || !cert_signed_by(signer, root_key.key) ||
        es256_key_public(ret_key, signer->point, NULL) < 0) {
        code = QVL_SGX_TCB_SIGNING_CERT_INVALID_ISSUER;
        goto out;
    }
    code = check_root_crl(c, top, &root_key, root, root_crl);
    if (code != QVL_OK) goto out;
    if (crl_revokes(&c->root_crl, signer->serial)) {
        code = QVL_SGX_TCB_SIGNING_CERT_REVOKED;
    } else if (!bytes_equal(top->signature_der, root->cert.signature_der)) {
        code = QVL_SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED;
    } else {
        d->root_differs = root_key.key != root->key;
        d->ca_flags_wrong = !cert_is_issuer(top, 0) || signer->is_ca;
    }
out:
    chain_key_free(&root_key);
    return code;
}

// The signature over the text as served, or as the QVL prints it anew: without white space.
static bool text_signed(struct document_check *d, const struct es256_key *key, struct bytes text,
                        const uint8_t signature[64]) {
    if (es256_verify_message(key, text, signature)) return true;
    struct arena scratch;
    arena_init(&scratch, 2 * TCB_DOCUMENT_BYTES_MAX);
    struct bytes compact = tcb_compact(text, &scratch);
    d->text_differs =
        compact.p && compact.n < text.n && es256_verify_message(key, compact, signature);
    arena_free(&scratch);
    return d->text_differs;
}

static enum qvl_code tcb_info_form(const struct collateral *c) {
    if (c->tcb_info_error == 0) return QVL_OK;
    return c->tcb_info_error == ERR_INVALID ? QVL_SGX_TCB_INFO_INVALID
                                            : QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT;
}

static enum qvl_code qe_identity_form(const struct collateral *c) {
    switch (c->qe_identity_error) {
    case 0:
        return QVL_OK;
    case ERR_INVALID:
        return QVL_SGX_ENCLAVE_IDENTITY_INVALID;
    case ERR_UNSUPPORTED:
        return QVL_SGX_ENCLAVE_IDENTITY_UNSUPPORTED_VERSION;
    default:
        return QVL_SGX_ENCLAVE_IDENTITY_UNSUPPORTED_FORMAT;
    }
}

static enum qvl_code signer_ready(const struct collateral *c, const struct cert_chain *chain,
                                  int chain_error) {
    enum qvl_code code = signing_chain_form(chain, chain_error);
    if (code == QVL_OK && c->root_crl_error < 0) code = QVL_SGX_CRL_UNSUPPORTED_FORMAT;
    return code;
}

void collateral_check_signatures(struct collateral_check *ret, const struct collateral *c,
                                 const struct trust_root *root) {
    struct document_check *tcb = &ret->tcb_info, *qe = &ret->qe_identity, tcb_signer = {0};
    struct document_check qe_signer = {0};
    struct es256_key *key = NULL, *qe_key = NULL;
    const struct cert_chain *qe_chain = &c->signing_chain;
    int qe_chain_error = c->signing_chain_error;
    bool own_chain = c->parts.qe_signing_chain.n > 0 &&
                     !bytes_equal(c->parts.qe_signing_chain, c->parts.signing_chain);
    if (own_chain) {
        qe_chain = &c->qe_signing_chain;
        qe_chain_error = c->qe_signing_chain_error;
    }
    memset(ret, 0, sizeof *ret);
    ret->root_crl = c->root_crl_error < 0 ? QVL_SGX_CRL_UNSUPPORTED_FORMAT
                                          : check_crl(&c->root_crl, &root->cert, root->key);
    tcb_signer.code = signer_ready(c, &c->signing_chain, c->signing_chain_error);
    if (tcb_signer.code == QVL_OK) {
        tcb_signer.code =
            check_signer(&tcb_signer, &key, c, &c->signing_chain, root, ret->root_crl);
    }
    qe_signer = tcb_signer;
    if (own_chain) {
        qe_signer = (struct document_check){.code = signer_ready(c, qe_chain, qe_chain_error)};
        if (qe_signer.code == QVL_OK) {
            qe_signer.code = check_signer(&qe_signer, &qe_key, c, qe_chain, root, ret->root_crl);
        }
    }
    *tcb = tcb_signer;
    *qe = qe_signer;
    enum qvl_code form = tcb_info_form(c);
    if (form != QVL_OK) {
        tcb->code = form;
    } else if (tcb->code == QVL_OK &&
               !text_signed(tcb, key, c->tcb_info.signed_text, c->tcb_info.signature)) {
        tcb->code = QVL_TCB_INFO_INVALID_SIGNATURE;
    }
    form = qe_identity_form(c);
    if (form != QVL_OK) {
        qe->code = form;
    } else if (qe->code == QVL_OK &&
               !text_signed(qe, own_chain ? qe_key : key, c->qe_identity.signed_text,
                            c->qe_identity.signature)) {
        qe->code = QVL_SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE;
    }
    es256_key_free(key);
    es256_key_free(qe_key);
}

// The PCK's list against its issuer, and that against the trust root.
static enum qvl_code check_pck_list(const struct collateral *c, const struct trust_root *root) {
    const struct cert *top = find_root(&c->pck_issuer_chain), *issuer = NULL;
    struct es256_key *key = NULL;
    for (size_t i = 0; i < c->pck_issuer_chain.n; i++) {
        const struct cert *at = &c->pck_issuer_chain.at[i];
        if (!cert_is_self_issued(at)) issuer = at;
    }
    if (!top || !bytes_equal(top->signature_der, root->cert.signature_der)) {
        return QVL_SGX_PCK_CERT_CHAIN_UNTRUSTED;
    }
    if (!issuer || !issuer->is_ca || !bytes_equal(issuer->issuer, root->cert.subject) ||
        !cert_signed_by(issuer, root->key) || es256_key_public(&key, issuer->point, NULL) < 0) {
        return QVL_SGX_INTERMEDIATE_CA_INVALID_ISSUER;
    }
    enum qvl_code code = check_crl(&c->pck_crl, issuer, key);
    es256_key_free(key);
    return code;
}

int collateral_check_origin(const struct collateral *c, const struct trust_root *root,
                            struct error *why) {
    struct collateral_check k;
    collateral_check_signatures(&k, c, root);
    const struct {
        const char *what;
        enum qvl_code code;
    } parts[] = {{"root CRL", k.root_crl},
                 {"TCB Info", k.tcb_info.code},
                 {"QE identity", k.qe_identity.code},
                 {"PCK CRL", check_pck_list(c, root)}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].code == QVL_OK || parts[i].code == QVL_SGX_TCB_SIGNING_CERT_REVOKED) continue;
        return error_set(why, ERR_UNTRUSTED, "%s: %s", parts[i].what, qvl_name(parts[i].code));
    }
    return 0;
}

// The three certificates of a PCK chain by the names they carry.
struct pck_chain {
    const struct cert *root, *issuer, *leaf;
};

static enum qvl_code pck_chain_form(const struct cert_chain *chain, struct pck_check *p) {
    static const enum qvl_code missing[] = {QVL_SGX_ROOT_CA_INVALID_EXTENSIONS,
                                            QVL_SGX_INTERMEDIATE_CA_INVALID_EXTENSIONS,
                                            QVL_SGX_PCK_INVALID_EXTENSIONS};
    if (chain->n == 0) return QVL_UNSUPPORTED_CERT_FORMAT;
    for (size_t i = 0; i < chain->n; i++) {
        if (cert_has_required(&chain->at[i])) continue;
        if (i == 1 && chain->n == 2) return QVL_SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS;
        return missing[i < 2 ? i : 2];
    }
    if (p->leaf_code == QVL_INVALID_PCK_CERT) return QVL_SGX_PCK_INVALID_EXTENSIONS;
    return chain->n == 3 ? QVL_OK : QVL_UNSUPPORTED_CERT_FORMAT;
}

static void find_pck_chain(struct pck_chain *ret, const struct cert_chain *chain) {
    memset(ret, 0, sizeof *ret);
    ret->root = find_root(chain);
    for (size_t i = 0; i < chain->n; i++) {
        const struct cert *c = &chain->at[i];
        if (cn_contains(c->subject_cn, "SGX PCK Certificate")) {
            ret->leaf = c;
        } else if (!ret->issuer && !cert_is_self_issued(c) && cn_contains(c->subject_cn, "CA")) {
            ret->issuer = c;
        }
    }
}

// What the leaf itself says; kept even when its chain is not sound, for the report.
static void read_leaf(struct pck_check *p, const struct cert *leaf, const struct collateral *c) {
    if (!leaf) return;
    p->leaf_not_before = leaf->not_before;
    p->leaf_not_after = leaf->not_after;
    p->leaf_serial_n =
        leaf->serial.n < sizeof p->leaf_serial ? leaf->serial.n : sizeof p->leaf_serial;
    memcpy(p->leaf_serial, leaf->serial.p, p->leaf_serial_n);
    size_t n =
        leaf->issuer_cn.n < sizeof p->issuer_cn - 1 ? leaf->issuer_cn.n : sizeof p->issuer_cn - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t ch = leaf->issuer_cn.p[i];
        p->issuer_cn[i] = ch >= 0x20 && ch < 0x7f && ch != '"' && ch != '\\' ? (char)ch : '?';
    }
    p->leaf_code = QVL_INVALID_PCK_CERT;
    if (!cert_has_required(leaf) || leaf->sgx.n == 0 ||
        pck_extension_parse(&p->extension, leaf->sgx, NULL) < 0 ||
        p->extension.has_platform != p->extension.has_configuration ||
        es256_key_public(&p->leaf_key, leaf->point, NULL) < 0) {
        return;
    }
    p->leaf_code = QVL_OK;
    p->crl_code = QVL_OK;
    if (c->pck_crl_error < 0) {
        p->crl_code = QVL_UNSUPPORTED_PCK_RL_FORMAT;
    } else if (!cn_contains(c->pck_crl.issuer_cn, "CA") ||
               !bytes_equal(c->pck_crl.issuer, leaf->issuer)) {
        p->crl_code = QVL_INVALID_PCK_CRL;
    } else if (crl_revokes(&c->pck_crl, leaf->serial)) {
        p->crl_code = QVL_PCK_REVOKED;
    }
}

static enum qvl_code check_issuers(struct pck_check *p, const struct pck_chain *k,
                                   const struct collateral *c, const struct trust_root *root,
                                   enum qvl_code root_crl, struct chain_key *root_key,
                                   struct chain_key *issuer_key) {
    enum qvl_code code = open_root(root_key, k->root, root);
    if (code != QVL_OK) return code;
    if (!bytes_equal(k->issuer->issuer, k->root->subject) ||
        !cert_signed_by(k->issuer, root_key->key) ||
        es256_key_public(&issuer_key->owned, k->issuer->point, NULL) < 0) {
        return QVL_SGX_INTERMEDIATE_CA_INVALID_ISSUER;
    }
    issuer_key->key = issuer_key->owned;
    if (!bytes_equal(k->leaf->issuer, k->issuer->subject) ||
        !cert_signed_by(k->leaf, issuer_key->key)) {
        return QVL_SGX_PCK_INVALID_ISSUER;
    }
    if (!bytes_equal(k->root->signature_der, root->cert.signature_der)) {
        return QVL_SGX_PCK_CERT_CHAIN_UNTRUSTED;
    }
    p->root_differs = root_key->key != root->key;
    p->ca_flags_wrong =
        !cert_is_issuer(k->root, 1) || !cert_is_issuer(k->issuer, 0) || k->leaf->is_ca;
    code = check_root_crl(c, k->root, root_key, root, root_crl);
    if (code == QVL_OK) code = check_crl(&c->pck_crl, k->issuer, issuer_key->key);
    if (code != QVL_OK) return code;
    if (crl_revokes(&c->root_crl, k->issuer->serial)) return QVL_SGX_INTERMEDIATE_CA_REVOKED;
    return crl_revokes(&c->pck_crl, k->leaf->serial) ? QVL_SGX_PCK_REVOKED : QVL_OK;
}

static enum qvl_code check_pck(struct pck_check *p, const struct cert_chain *chain,
                               const struct collateral *c, const struct trust_root *root,
                               enum qvl_code root_crl) {
    struct pck_chain k;
    struct chain_key root_key = {NULL, NULL}, issuer_key = {NULL, NULL};
    find_pck_chain(&k, chain);
    read_leaf(p, k.leaf, c);
    enum qvl_code code = pck_chain_form(chain, p);
    if (!k.leaf && chain->n > 0) p->leaf_code = QVL_INVALID_PCK_CERT; // there are only others
    if (code != QVL_OK) return code;
    if (c->root_crl_error < 0 || c->pck_crl_error < 0) return QVL_SGX_CRL_UNSUPPORTED_FORMAT;
    if (!k.root || !cn_contains(k.root->subject_cn, "SGX Root CA")) return QVL_SGX_ROOT_CA_MISSING;
    if (!k.issuer) return QVL_SGX_INTERMEDIATE_CA_MISSING;
    if (!k.leaf) return QVL_SGX_PCK_MISSING;
    p->not_after = k.leaf->not_after;
    p->not_before = k.leaf->not_before;
    const struct cert *above[] = {k.issuer, k.root};
    for (int i = 0; i < 2; i++) {
        if (above[i]->not_after < p->not_after) p->not_after = above[i]->not_after;
        if (above[i]->not_before > p->not_before) p->not_before = above[i]->not_before;
    }
    code = check_issuers(p, &k, c, root, root_crl, &root_key, &issuer_key);
    chain_key_free(&root_key);
    chain_key_free(&issuer_key);
    return code;
}

int pck_check_chain(struct pck_check *ret, struct bytes pem, const struct collateral *c,
                    const struct trust_root *root, enum qvl_code root_crl, struct error *why) {
    struct arena scratch;
    struct cert_chain chain;
    memset(ret, 0, sizeof *ret);
    ret->leaf_code = QVL_UNSUPPORTED_PCK_CERT_FORMAT;
    ret->crl_code = QVL_UNSUPPORTED_PCK_CERT_FORMAT;
    arena_init(&scratch, 1u << 20);
    int code = cert_chain_parse(&chain, pem, &scratch, why);
    if (code == 0 && chain.n == 1 && c->pck_issuer_chain_error == 0) {
        for (size_t i = 0; i < c->pck_issuer_chain.n && i < 2; i++) {
            chain.at[chain.n++] = c->pck_issuer_chain.at[i];
        }
    }
    ret->code = code < 0 ? QVL_UNSUPPORTED_CERT_FORMAT : check_pck(ret, &chain, c, root, root_crl);
    arena_free(&scratch);
    return code == ERR_NO_MEMORY ? code : 0;
}

void pck_check_free(struct pck_check *p) {
    es256_key_free(p->leaf_key);
    p->leaf_key = NULL;
}
