/* Quoters: where evidence about this machine comes from.
 *
 * One small interface, a member a file: configfs-tsm (quoter_tsm.c), a remote quote service
 * (quoter_remote.c), a simulated platform (quoter_simulator.c), and on Azure the vTPM (vtpm.h).
 * Making a quote blocks for milliseconds to seconds: call it on a worker, never on an event loop.
 * A quoter is used by one thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_QUOTER_H
#define ATTEST_QUOTER_H

#include "attest/measurement.h"
#include "base/buf.h"

struct quoter {
    enum attestation_type type;
    /* Appends a quote with that report data. errors  ERR_BUSY, ERR_TIMEOUT, ERR_IO,
     * ERR_UNSUPPORTED (no quoting service behind the device), ERR_INVALID. */
    int (*make)(struct quoter *q, struct buf *out, const uint8_t report_data[64],
                struct error *why);
    void (*release)(struct quoter *q);
};

/* quoter_make checks what came: it must parse and carry the report data. */
[[gnu::warn_unused_result]] int quoter_make(struct quoter *q, struct buf *out,
                                            const uint8_t report_data[64], struct error *why);
void quoter_free(struct quoter *q);

#define QUOTER_TSM_FOLDER "/sys/kernel/config/tsm/report"

/* quoter_tsm: Linux's configfs interface (6.7 and later).
 * root      QUOTER_TSM_FOLDER, or a test's.
 * wait_ms   most time for one quote.
 * errors    ERR_NOT_FOUND: no such interface; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int quoter_tsm(struct quoter **ret, const char *root,
                                           enum attestation_type type, uint64_t wait_ms,
                                           struct error *why);

/* quoter_remote: GET URL/attest/<128 hex>, which answers a raw quote or an evidence message.
 * token     sent as a bearer token; NULL: none. */
[[gnu::warn_unused_result]] int quoter_remote(struct quoter **ret, const char *url,
                                              const char *token, uint64_t wait_ms,
                                              struct error *why);

/* quoter_simulator: a simulated platform's folder.
 * td       the body to quote, without its report data; NULL: a production TD with zero
 *          measurements. version  4 or 5. */
[[gnu::warn_unused_result]] int quoter_simulator(struct quoter **ret, const char *folder,
                                                 const struct td_report *td, unsigned version,
                                                 struct error *why);

/* Any of them, by the text that configurations hold. */
struct quoter_source {
    const char *source; /* "tsm", "tsm:FOLDER", "simulator:FOLDER", "http(s)://..." */
    enum attestation_type type;
    const char *token;         /* of a quote service, or NULL */
    const char *const *fields; /* simulator: FIELD=HEX of the TD (simulator_td_set) */
    size_t field_count;
    unsigned version; /* simulator: 4 or 5 */
    uint64_t wait_ms;
};

/* quoter_open: errors  ERR_SYNTAX: no such source; and those of the members. */
[[gnu::warn_unused_result]] int quoter_open(struct quoter **ret, const struct quoter_source *from,
                                            struct error *why);

#endif
