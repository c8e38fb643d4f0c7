/* A simulated platform: for machines without TDX, a chain of our own from a root to a quoting key.
 *
 * Its quotes and collateral have exactly the form of genuine ones, so that every line of the
 * verifier runs unchanged; their measurements are whatever the caller says. Nothing of it can be
 * accepted by a verifier that was not given its root, whose name says what it is. Keys are random
 * and live in a folder. One thread at a time; quotes may be made by several at once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_SIMULATOR_H
#define ATTEST_SIMULATOR_H

#include "attest/collateral.h"
#include "base/buf.h"

#define SIMULATOR_ROOT_NAME "Simulated SGX Root CA (not Intel)"

/* What the collateral of a simulated platform says. Zero: an up-to-date platform. */
struct simulator_spec {
    uint64_t now;               /* issue date, seconds since 1970 */
    uint64_t lifetime_s;        /* until next update; 0: 30 days */
    uint8_t fmspc[6];           /* used when a platform is made */
    enum tcb_status status;     /* of the level that applies */
    enum tcb_status module;     /* UpToDate, OutOfDate, Revoked */
    enum tcb_status qe;         /* likewise */
    const char *advisory;       /* of the level when it is not up to date; NULL: none */
    uint32_t evaluation_number; /* 0: 1 */
    bool revoke_pck;
    bool revoke_issuer;
    uint64_t pck_not_after; /* 0: 20 years */
};

struct simulator;

/* simulator_new makes a platform with fresh keys and issues collateral.
 * errors  ERR_RANGE (a status that collateral cannot state), ERR_NO_MEMORY, ERR_INTERNAL. */
[[gnu::warn_unused_result]] int simulator_new(struct simulator **ret,
                                              const struct simulator_spec *spec, struct error *why);
void simulator_free(struct simulator *s);

/* simulator_issue replaces the collateral (and with pck_not_after the PCK certificate) by one of
 * another specification; the keys and the root stay. */
[[gnu::warn_unused_result]] int
simulator_issue(struct simulator *s, const struct simulator_spec *spec, struct error *why);

/* simulator_save writes root.pem, pck_chain.pem, its keys (mode 0600) and the folder
 * collateral/ into a folder; simulator_load reads it. errors  ERR_NOT_FOUND, ERR_IO, ERR_SYNTAX. */
[[gnu::warn_unused_result]] int simulator_save(const struct simulator *s, const char *folder,
                                               struct error *why);
[[gnu::warn_unused_result]] int simulator_load(struct simulator **ret, const char *folder,
                                               struct error *why);

/* simulator_root gives the root as PEM; simulator_collateral the parts. Both live until the next
 * issue or free. */
struct bytes simulator_root(const struct simulator *s);
struct collateral_parts simulator_collateral(const struct simulator *s);

/* simulator_td fills a TD body as a production TD on this platform would have it: attributes,
 * XFAM, current SVNs; measurements and report data zero. */
void simulator_td(const struct simulator *s, struct td_report *ret);

/* simulator_quote signs a TD body.
 * version  4 (TD 1.0 body) or 5 (TD 1.5 body; with body QUOTE_BODY_TD10 a TD 1.0 one).
 * errors   ERR_RANGE, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int simulator_quote(struct buf *out, const struct simulator *s,
                                                const struct td_report *td, unsigned version,
                                                enum quote_body body, struct error *why);

/* simulator_td_set sets a field by name ("mrtd", "rtmr0".."rtmr3", "reportdata", "tdattr", "xfam",
 * "mrseam", "mrsignerseam", "seamattr", "tcb_svn", "tcb_svn2", "mrservicetd", "mrconfigid",
 * "mrowner", "mrownerconfig") from hex. errors  ERR_NOT_FOUND, ERR_SYNTAX. */
[[gnu::warn_unused_result]] int simulator_td_set(struct td_report *td, struct bytes field,
                                                 struct bytes hex, struct error *why);

#endif
