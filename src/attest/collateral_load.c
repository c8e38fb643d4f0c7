/* Collateral from a folder or a container file.
 * SPDX-License-Identifier: MIT */
#include "attest/collateral.h"
#include "attest/files.h"
#include "base/buf.h"
#include "json/json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

// The other names that the parts go by, as Intel's sample data has them.
static const char *const sample_names[COLLATERAL_PARTS] = {
    "tcbInfo.json",          "qeIdentity.json",  "rootCaCrl.der",
    "intermediateCaCrl.der", "tcbSignChain.pem", NULL,
    "pckSignChain.pem",      "pckCert.pem",
};

static int read_part(struct bytes *ret, const char *folder, const char *name, struct arena *a,
                     struct error *why) {
    char path[PATH_MAX];
    if (!name || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return ERR_NOT_FOUND;
    }
    return files_read(ret, path, 1u << 20, a, why);
}

static int load_folder(struct collateral_parts *parts, const char *folder, struct arena *a,
                       struct error *why) {
    bool any = false;
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        struct bytes *part = collateral_part(parts, i);
        int code = read_part(part, folder, collateral_file_names[i], a, why);
        if (code == ERR_NOT_FOUND) code = read_part(part, folder, sample_names[i], a, why);
        if (code < 0 && code != ERR_NOT_FOUND) return code;
        any |= code == 0;
    }
    return any ? 0 : error_set(why, ERR_NOT_FOUND, "%s: no collateral in it", folder);
}

// {"KEY": <text>, "signature": "…"}: the body that PCS serves, put together again.
static int join_body(struct bytes *ret, const struct json *root, const char *name, const char *key,
                     struct arena *a, struct error *why) {
    struct bytes text = {NULL, 0}, signature = {NULL, 0};
    char signature_name[64];
    (void)snprintf(signature_name, sizeof signature_name, "%s_signature", name);
    int code = json_get_string(&text, root, name, why);
    if (code == 0) code = json_get_string(&signature, root, signature_name, why);
    if (code < 0) return code;
    size_t n = text.n + signature.n + strlen(key) + 32;
    char *joined = arena_alloc_raw(a, n);
    if (!joined) return error_set(why, ERR_NO_MEMORY, "collateral");
    int length = snprintf(joined, n, "{\"%s\":%.*s,\"signature\":\"%.*s\"}", key, (int)text.n,
                          (const char *)text.p, (int)signature.n, (const char *)signature.p);
    *ret = bytes_make(joined, (size_t)length);
    return 0;
}

static int load_container(struct collateral_parts *parts, struct bytes text, struct arena *a,
                          struct error *why) {
    static const struct json_limits limits = {8u << 20, 8, 1u << 16, false};
    const struct json *root = NULL;
    int code = json_parse(&root, text, a, &limits, why);
    if (code == 0) code = join_body(&parts->tcb_info, root, "tcb_info", "tcbInfo", a, why);
    if (code == 0) {
        code = join_body(&parts->qe_identity, root, "qe_identity", "enclaveIdentity", a, why);
    }
    if (code == 0) code = json_get_string(&parts->root_crl, root, "root_ca_crl", why);
    if (code == 0) code = json_get_string(&parts->pck_crl, root, "pck_crl", why);
    if (code == 0)
        code = json_get_string(&parts->signing_chain, root, "tcb_info_issuer_chain", why);
    if (code == 0) {
        code = json_get_string(&parts->qe_signing_chain, root, "qe_identity_issuer_chain", why);
    }
    if (code == 0) {
        code = json_get_string(&parts->pck_issuer_chain, root, "pck_crl_issuer_chain", why);
    }
    const struct json *chain = json_get(root, "pck_certificate_chain");
    if (code == 0 && !json_is_null(chain)) code = json_string(&parts->pck_chain, chain, why);
    return code;
}

int collateral_load(struct collateral **ret, const char *path, struct error *why) {
    struct collateral_parts parts = {0};
    struct arena a;
    struct stat st;
    struct bytes text = {NULL, 0};
    arena_init(&a, 64u << 20);
    int code;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        code = load_folder(&parts, path, &a, why);
    } else {
        code = files_read(&text, path, 8u << 20, &a, why);
        if (code == 0) code = load_container(&parts, text, &a, why);
        if (code < 0) (void)error_wrap(why, "collateral");
    }
    if (code == 0) code = collateral_make(ret, &parts, why);
    arena_free(&a);
    return code;
}
