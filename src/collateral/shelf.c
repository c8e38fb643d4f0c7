/* SPDX-License-Identifier: MIT */
#include "collateral/shelf.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int add(struct shelf *s, const char *path, struct error *why) {
    struct collateral_window window;
    if (s->count == SHELF_ITEMS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d platforms", SHELF_ITEMS_MAX);
    }
    int r = collateral_load(&s->item[s->count], path, why);
    if (r < 0) return error_wrap(why, "%s", path);
    s->count++;
    r = collateral_window_of(&window, s->item[s->count - 1], why);
    return r < 0 ? error_wrap(why, "%s", path) : 0;
}

static int add_children(struct shelf *s, const char *folder, struct error *why) {
    DIR *d = opendir(folder);
    char path[PATH_MAX];
    int r = 0;
    if (!d) return error_set(why, ERR_NOT_FOUND, "no folder %s", folder);
    for (struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        int n = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        r = n < (int)sizeof path ? add(s, path, why) : error_set(why, ERR_LIMIT, "%s", folder);
    }
    (void)closedir(d);
    if (r == 0 && s->count == 0) r = error_set(why, ERR_NOT_FOUND, "nothing in %s", folder);
    return r;
}

static bool is_one(const char *folder) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, collateral_file_names[0]);
    FILE *f = n < (int)sizeof path ? fopen(path, "re") : NULL;
    if (f) (void)fclose(f);
    return f != NULL;
}

int shelf_open(struct shelf **ret, const char *folder, struct error *why) {
    struct shelf *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for collateral");
    int r = is_one(folder) ? add(s, folder, why) : add_children(s, folder, why);
    if (r < 0) {
        shelf_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void shelf_free(struct shelf *s) {
    if (!s) return;
    for (size_t i = 0; i < s->count; i++)
        collateral_free(s->item[i]);
    free(s);
}

bool shelf_is_processor(const struct collateral *c) {
    struct bytes cn = c->pck_crl.issuer_cn;
    return cn.n > 0 && memmem(cn.p, cn.n, "Processor", 9) != NULL;
}

const struct collateral *shelf_find_tcb(const struct shelf *s, enum tcb_info_id id,
                                        const uint8_t fmspc[6]) {
    const struct collateral *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct collateral *c = s->item[i];
        if (c->tcb_info.id != id || memcmp(c->tcb_info.fmspc, fmspc, 6) != 0) continue;
        if (!best || c->tcb_info.issue_date > best->tcb_info.issue_date) best = c;
    }
    return best;
}

const struct collateral *shelf_find_identity(const struct shelf *s, enum tcb_info_id id) {
    const struct collateral *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct collateral *c = s->item[i];
        if ((c->qe_identity.id == ENCLAVE_TD_QE) != (id == TCB_INFO_TDX)) continue;
        if (!best || c->qe_identity.issue_date > best->qe_identity.issue_date) best = c;
    }
    return best;
}

const struct collateral *shelf_find_crl(const struct shelf *s, bool processor) {
    const struct collateral *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct collateral *c = s->item[i];
        if (shelf_is_processor(c) != processor) continue;
        if (!best || c->pck_crl.this_update > best->pck_crl.this_update) best = c;
    }
    return best;
}

const struct collateral *shelf_find_root_crl(const struct shelf *s) {
    const struct collateral *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct collateral *c = s->item[i];
        if (!best || c->root_crl.this_update > best->root_crl.this_update) best = c;
    }
    return best;
}
