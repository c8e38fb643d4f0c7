/* The inside of a simulated platform, shared by simulator.c and simulator_folder.c.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_SIMULATOR_STATE_H
#define ATTEST_SIMULATOR_STATE_H

#include "attest/simulator.h"
#include "attest/simulator_pki.h"

enum { SIM_ROOT, SIM_ISSUER, SIM_SIGNER, SIM_PCK, SIM_QUOTING, SIM_KEYS };

struct simulator {
    uint8_t secrets[SIM_KEYS][32];
    struct pki_party parties[SIM_KEYS];
    struct pck_extension pck;
    uint8_t qe_mr_signer[32];
    struct buf root_pem, pck_chain, issuer_chain, signing_chain;
    struct buf tcb_info, qe_identity, root_crl, pck_crl;
};

/* simulator_empty allocates one without keys; NULL without memory. simulator_derive makes keys and
 * ids from the secrets. */
struct simulator *simulator_empty(void);
[[gnu::warn_unused_result]] int simulator_derive(struct simulator *s, const uint8_t fmspc[6],
                                                 struct error *why);

#endif
