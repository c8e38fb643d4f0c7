/* SPDX-License-Identifier: MIT */
#include "attest/quoter.h"
#include "attest/simulator.h"

#include <stdlib.h>
#include <string.h>

struct simulator_quoter {
    struct quoter base;
    struct simulator *simulator;
    struct td_report td;
    unsigned version;
};

static int make(struct quoter *base, struct buf *out, const uint8_t report_data[64],
                struct error *why) {
    struct simulator_quoter *q = (struct simulator_quoter *)base;
    struct buf quote;
    struct td_report td = q->td;
    memcpy(td.report_data, report_data, 64);
    buf_init(&quote, QUOTE_BYTES_MAX);
    int code = simulator_quote(&quote, q->simulator, &td, q->version,
                               q->version == 5 ? QUOTE_BODY_TD15 : QUOTE_BODY_TD10, why);
    if (code == 0) buf_append(out, buf_view(&quote));
    buf_free(&quote);
    return code;
}

static void release(struct quoter *base) {
    struct simulator_quoter *q = (struct simulator_quoter *)base;
    simulator_free(q->simulator);
    free(q);
}

int quoter_simulator(struct quoter **ret, const char *folder, const struct td_report *td,
                     unsigned version, struct error *why) {
    struct simulator_quoter *q = calloc(1, sizeof *q);
    if (!q) return error_set(why, ERR_NO_MEMORY, "quoter");
    q->base = (struct quoter){ATTESTATION_DCAP_TDX, make, release};
    q->version = version;
    int code = simulator_load(&q->simulator, folder, why);
    if (code < 0) {
        free(q);
        return error_wrap(why, "simulated platform"), code;
    }
    if (td) {
        q->td = *td;
    } else {
        simulator_td(q->simulator, &q->td);
    }
    *ret = &q->base;
    return 0;
}
