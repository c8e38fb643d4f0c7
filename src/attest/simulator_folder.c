/* A simulated platform's folder, and fields by name.
 * SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "attest/simulator.h"
#include "attest/simulator_state.h"
#include "base/hex.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *const key_names[SIM_KEYS] = {"root", "pck-ca", "tcb-signing", "pck", "quoting"};

// The files of a platform beside its keys, and where their content is kept.
struct platform_file {
    const char *name;
    struct buf *content;
};
#define PLATFORM_FILES 8

static void list_files(struct platform_file ret[PLATFORM_FILES], struct simulator *s) {
    const struct platform_file all[PLATFORM_FILES] = {
        {"root.pem", &s->root_pem},
        {"pck_chain.pem", &s->pck_chain},
        {"collateral/tcb_info.json", &s->tcb_info},
        {"collateral/qe_identity.json", &s->qe_identity},
        {"collateral/root_ca_crl.der", &s->root_crl},
        {"collateral/pck_crl.der", &s->pck_crl},
        {"collateral/tcb_signing_chain.pem", &s->signing_chain},
        {"collateral/pck_crl_issuer_chain.pem", &s->issuer_chain},
    };
    memcpy(ret, all, sizeof all);
}

static int join(char ret[PATH_MAX], const char *folder, const char *name, struct error *why) {
    if (snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX) return 0;
    return error_set(why, ERR_LIMIT, "path too long");
}

static int key_path(char ret[PATH_MAX], const char *folder, int key, struct error *why) {
    char name[32];
    (void)snprintf(name, sizeof name, "keys/%s.key", key_names[key]);
    return join(ret, folder, name, why);
}

static int save_keys(const struct simulator *s, const char *folder, struct error *why) {
    char path[PATH_MAX];
    int code = join(path, folder, "keys", why);
    if (code == 0) code = files_make_folder(path, 0700, why);
    for (int i = 0; code == 0 && i < SIM_KEYS; i++) {
        char digits[65];
        hex_encode(digits, bytes_make(s->secrets[i], 32));
        digits[64] = '\n';
        code = key_path(path, folder, i, why);
        if (code == 0) code = files_write(path, bytes_make(digits, 65), 0600, why);
        bytes_wipe(digits, sizeof digits);
    }
    return code;
}

int simulator_save(const struct simulator *s, const char *folder, struct error *why) {
    struct platform_file all[PLATFORM_FILES];
    struct simulator *self = (struct simulator *)(uintptr_t)s; // only read through `all`
    char path[PATH_MAX], fmspc[13];
    int code = join(path, folder, "collateral", why);
    if (code == 0) code = files_make_folder(path, 0755, why);
    if (code == 0) code = save_keys(s, folder, why);
    list_files(all, self);
    for (size_t i = 0; code == 0 && i < PLATFORM_FILES; i++) {
        code = join(path, folder, all[i].name, why);
        if (code == 0) code = files_write(path, buf_view(all[i].content), 0644, why);
    }
    hex_encode(fmspc, bytes_make(s->pck.fmspc, 6));
    if (code == 0) code = join(path, folder, "fmspc", why);
    if (code == 0) code = files_write(path, bytes_make(fmspc, 12), 0644, why);
    return code;
}

static int load_hex(uint8_t *ret, size_t n, const char *path, struct error *why) {
    struct arena a;
    struct bytes text = {NULL, 0};
    arena_init(&a, 1u << 16);
    int code = files_read(&text, path, 4096, &a, why);
    while (text.n > 0 && text.p[text.n - 1] == '\n') {
        text.n--;
    }
    if (code == 0 && (text.n != 2 * n || hex_decode(ret, text, NULL) < 0)) {
        code = error_set(why, ERR_SYNTAX, "%s: not %zu bytes of hex", path, n);
    }
    if (text.n > 0) bytes_wipe((void *)(uintptr_t)text.p, text.n);
    arena_free(&a);
    return code;
}

static int load_file(struct buf *ret, const char *path, struct error *why) {
    struct arena a;
    struct bytes content = {NULL, 0};
    arena_init(&a, 8u << 20);
    int code = files_read(&content, path, 1u << 20, &a, why);
    if (code == 0) {
        buf_append(ret, content);
        code = buf_check(ret, why);
    }
    arena_free(&a);
    return code;
}

int simulator_load(struct simulator **ret, const char *folder, struct error *why) {
    struct simulator *s = simulator_empty();
    struct platform_file all[PLATFORM_FILES];
    char path[PATH_MAX];
    uint8_t fmspc[6];
    if (!s) return error_set(why, ERR_NO_MEMORY, "simulator");
    int code = 0;
    for (int i = 0; code == 0 && i < SIM_KEYS; i++) {
        code = key_path(path, folder, i, why);
        if (code == 0) code = load_hex(s->secrets[i], 32, path, why);
    }
    if (code == 0) code = join(path, folder, "fmspc", why);
    if (code == 0) code = load_hex(fmspc, 6, path, why);
    if (code == 0) code = simulator_derive(s, fmspc, why);
    list_files(all, s);
    for (size_t i = 0; code == 0 && i < PLATFORM_FILES; i++) {
        code = join(path, folder, all[i].name, why);
        if (code == 0) code = load_file(all[i].content, path, why);
    }
    if (code < 0) {
        simulator_free(s);
        return code;
    }
    *ret = s;
    return 0;
}

int simulator_td_set(struct td_report *td, struct bytes field, struct bytes hex,
                     struct error *why) {
    const struct {
        const char *name;
        void *to;
        size_t n;
    } fields[] = {
        {"mrtd", td->mr_td, 48},
        {"rtmr0", td->rtmr[0], 48},
        {"rtmr1", td->rtmr[1], 48},
        {"rtmr2", td->rtmr[2], 48},
        {"rtmr3", td->rtmr[3], 48},
        {"reportdata", td->report_data, 64},
        {"tdattr", &td->td_attributes, 8},
        {"xfam", &td->xfam, 8},
        {"mrseam", td->mr_seam, 48},
        {"mrsignerseam", td->mr_signer_seam, 48},
        {"seamattr", td->seam_attributes, 8},
        {"tcb_svn", td->tee_tcb_svn, 16},
        {"tcb_svn2", td->tee_tcb_svn2, 16},
        {"mrservicetd", td->mr_service_td, 48},
        {"mrconfigid", td->mr_config_id, 48},
        {"mrowner", td->mr_owner, 48},
        {"mrownerconfig", td->mr_owner_config, 48},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!bytes_equal_str(field, fields[i].name)) continue;
        uint8_t value[64];
        if (hex.n != 2 * fields[i].n || hex_decode(value, hex, NULL) < 0) {
            return error_set(why, ERR_SYNTAX, "%s: not %zu bytes of hex", fields[i].name,
                             fields[i].n);
        }
        memcpy(fields[i].to, value, fields[i].n); // numbers are little-endian, as in the quote
        return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "a TD has no field '%.*s'",
                     (int)(field.n < 40 ? field.n : 40), (const char *)field.p);
}
