/* Shelf: the collateral of many platforms, read from a folder and found by what a request names.
 *
 * The folder holds one platform's collateral itself, or one folder or JSON container a platform
 * (names beginning with a dot aside). Nothing is verified: who fetches it verifies. Read only
 * after opening; one thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef COLLATERAL_SHELF_H
#define COLLATERAL_SHELF_H

#include "attest/collateral.h"

#define SHELF_ITEMS_MAX 1024

struct shelf {
    struct collateral *item[SHELF_ITEMS_MAX];
    size_t count;
};

/* shelf_open: every item must parse. errors  ERR_NOT_FOUND (nothing there), ERR_INVALID,
 * ERR_LIMIT, and those of collateral_load. The caller frees *ret with shelf_free. */
[[gnu::warn_unused_result]] int shelf_open(struct shelf **ret, const char *folder,
                                           struct error *why);
void shelf_free(struct shelf *s);

/* Each gives the newest that fits; NULL when there is none. */
const struct collateral *shelf_find_tcb(const struct shelf *s, enum tcb_info_id id,
                                        const uint8_t fmspc[6]);
const struct collateral *shelf_find_identity(const struct shelf *s, enum tcb_info_id id);
const struct collateral *shelf_find_crl(const struct shelf *s, bool processor);
const struct collateral *shelf_find_root_crl(const struct shelf *s);

/* shelf_is_processor: the PCK certificates are the Processor CA's, else the Platform CA's. */
bool shelf_is_processor(const struct collateral *c);

#endif
