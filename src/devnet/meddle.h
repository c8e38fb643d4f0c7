/* Meddle: faults that know what is said: a request that passes a relay of the links is followed,
 * and what a fault says of it is done.
 *
 *     withhold      a proposer's signed block never gets to the relay, which so reveals no payload
 *     wrong-root    the state root of a submitted block is another than the builder computed
 *
 * HTTP/1 requests with a length, whose head comes in one piece, as this program's clients send
 * them; anything else passes untouched. Pure. Thread: one at a time. SPDX-License-Identifier: MIT
 */
#ifndef DEVNET_MEDDLE_H
#define DEVNET_MEDDLE_H

#include "base/bytes.h"

#include <stdbool.h>

enum meddle_request { MEDDLE_OTHER, MEDDLE_SUBMISSION, MEDDLE_SIGNED_BLOCK };

/* One direction of one connection. Zero at its begin. */
struct meddle {
    uint64_t left, at; /* of the request's body: bytes to come, bytes that passed */
    uint64_t root_at;  /* where the state root is; 0: not known yet */
    enum meddle_request request;
    bool ssz, done;
    uint8_t offset[4];
};

/* meddle_follow looks at the next bytes of what a client sends; true when they begin a request that
 * carries a proposer's signed block. wrong_root: bytes of a submission's root are changed in place,
 * and *ret_changed is set. */
bool meddle_follow(struct meddle *m, uint8_t *data, size_t n, bool wrong_root, bool *ret_changed);

#endif
