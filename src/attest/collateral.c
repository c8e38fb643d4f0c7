/* SPDX-License-Identifier: MIT */
#include "attest/collateral.h"
#include "attest/digest.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

#define PART_BYTES_MAX (1u << 20)

const char *const collateral_file_names[COLLATERAL_PARTS] = {
    "tcb_info.json",
    "qe_identity.json",
    "root_ca_crl.der",
    "pck_crl.der",
    "tcb_signing_chain.pem",
    "qe_identity_signing_chain.pem",
    "pck_crl_issuer_chain.pem",
    "pck_chain.pem",
};

struct bytes *collateral_part(struct collateral_parts *parts, size_t i) {
    struct bytes *all[COLLATERAL_PARTS] = {
        &parts->tcb_info,         &parts->qe_identity,   &parts->root_crl,
        &parts->pck_crl,          &parts->signing_chain, &parts->qe_signing_chain,
        &parts->pck_issuer_chain, &parts->pck_chain,
    };
    return all[i];
}

// A revocation list's DER from what services serve: DER, PEM, or hexadecimal DER.
static int decode_crl(struct bytes *part, struct arena *a, struct error *why) {
    static const char begin[] = "-----BEGIN X509 CRL-----", end[] = "-----END X509 CRL-----";
    struct bytes in = *part;
    while (in.n > 0 && (in.p[in.n - 1] == '\n' || in.p[in.n - 1] == '\r')) {
        in.n--;
    }
    if (in.n == 0 || in.p[0] == DER_SEQUENCE) return 0;
    uint8_t *der = arena_alloc_raw(a, in.n / 2 + 1);
    if (!der) return error_set(why, ERR_NO_MEMORY, "collateral");
    if (hex_decode(der, in, NULL) == 0) {
        *part = (struct bytes){der, in.n / 2};
        return 0;
    }
    const uint8_t *from = memmem(in.p, in.n, begin, sizeof begin - 1);
    const uint8_t *to = memmem(in.p, in.n, end, sizeof end - 1);
    if (!from || !to || to < from) return 0;
    return cert_pem_body(
        part, bytes_make(from + sizeof begin - 1, (size_t)(to - from) - sizeof begin + 1), a, why);
}

static int copy_parts(struct collateral *c, const struct collateral_parts *parts,
                      struct error *why) {
    struct collateral_parts in = *parts;
    uint8_t digests[COLLATERAL_PARTS * 32];
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        struct bytes *to = collateral_part(&c->parts, i);
        *to = *collateral_part(&in, i);
        if (to->n > PART_BYTES_MAX) {
            return error_set(why, ERR_LIMIT, "collateral: %s is of %zu bytes",
                             collateral_file_names[i], to->n);
        }
        if (to == &c->parts.root_crl || to == &c->parts.pck_crl) {
            int code = decode_crl(to, &c->arena, why);
            if (code == ERR_NO_MEMORY) return code;
        }
        size_t n = to->n;
        *to = arena_copy(&c->arena, *to);
        if (n > 0 && !to->p) return error_set(why, ERR_NO_MEMORY, "collateral");
        digest_sha256(*to, digests + 32 * i);
    }
    digest_sha256((struct bytes){digests, sizeof digests}, c->id);
    return 0;
}

static void note_error(struct collateral *c, size_t part, int code, struct error *why) {
    if (code < 0 && c->why.code == 0) {
        (void)error_wrap(why, "%s", collateral_file_names[part]);
        c->why = *why;
    }
}

static void parse_parts(struct collateral *c) {
    struct error why = {0};
    struct collateral_parts *p = &c->parts;
    c->tcb_info_error = tcb_info_parse(&c->tcb_info, p->tcb_info, &c->arena, &why);
    note_error(c, 0, c->tcb_info_error, &why);
    c->qe_identity_error = enclave_identity_parse(&c->qe_identity, p->qe_identity, &c->arena, &why);
    note_error(c, 1, c->qe_identity_error, &why);
    c->root_crl_error = crl_parse(&c->root_crl, p->root_crl, &why);
    note_error(c, 2, c->root_crl_error, &why);
    c->pck_crl_error = crl_parse(&c->pck_crl, p->pck_crl, &why);
    note_error(c, 3, c->pck_crl_error, &why);
    c->signing_chain_error = cert_chain_parse(&c->signing_chain, p->signing_chain, &c->arena, &why);
    note_error(c, 4, c->signing_chain_error, &why);
    c->qe_signing_chain_error =
        cert_chain_parse(&c->qe_signing_chain, p->qe_signing_chain, &c->arena, &why);
    note_error(c, 5, c->qe_signing_chain_error, &why);
    c->pck_issuer_chain_error =
        cert_chain_parse(&c->pck_issuer_chain, p->pck_issuer_chain, &c->arena, &why);
    note_error(c, 6, c->pck_issuer_chain_error, &why);
}

int collateral_make(struct collateral **ret, const struct collateral_parts *parts,
                    struct error *why) {
    struct collateral *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "collateral");
    arena_init(&c->arena, 16u << 20);
    int code = copy_parts(c, parts, why);
    if (code < 0) {
        collateral_free(c);
        return code;
    }
    parse_parts(c);
    *ret = c;
    return 0;
}

void collateral_free(struct collateral *c) {
    if (!c) return;
    arena_free(&c->arena);
    free(c);
}

struct bound {
    const char *name;
    uint64_t issue, expiry;
};

int collateral_window_of(struct collateral_window *ret, const struct collateral *c,
                         struct error *why) {
    struct bound all[4 + 3 * CERT_CHAIN_MAX];
    size_t n = 0;
    if (c->tcb_info_error || c->qe_identity_error || c->root_crl_error || c->pck_crl_error ||
        c->signing_chain_error || c->qe_signing_chain_error || c->pck_issuer_chain_error) {
        return error_set(why, ERR_INVALID, "collateral: %s", c->why.text);
    }
    all[n++] = (struct bound){"TCB Info", c->tcb_info.issue_date, c->tcb_info.next_update};
    all[n++] = (struct bound){"QE identity", c->qe_identity.issue_date, c->qe_identity.next_update};
    all[n++] = (struct bound){"root CRL", c->root_crl.this_update, c->root_crl.next_update};
    all[n++] = (struct bound){"PCK CRL", c->pck_crl.this_update, c->pck_crl.next_update};
    const struct cert_chain *chains[] = {&c->signing_chain, &c->qe_signing_chain,
                                         &c->pck_issuer_chain};
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < chains[k]->n; i++) {
            const struct cert *cert = &chains[k]->at[i];
            all[n++] = (struct bound){"issuer certificate", cert->not_before, cert->not_after};
        }
    }
    *ret = (struct collateral_window){UINT64_MAX, 0, UINT64_MAX, ""};
    for (size_t i = 0; i < n; i++) {
        if (all[i].issue < ret->earliest_issue) ret->earliest_issue = all[i].issue;
        if (all[i].issue > ret->latest_issue) ret->latest_issue = all[i].issue;
        if (all[i].expiry < ret->earliest_expiry) {
            ret->earliest_expiry = all[i].expiry;
            ret->expires_first = all[i].name;
        }
    }
    return 0;
}
