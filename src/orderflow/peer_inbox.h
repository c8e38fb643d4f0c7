/* Peer inbox: what was taken of a peer's stream, so that nothing is taken twice and everything is
 * acknowledged once it is settled, over any number of sessions.
 *
 * An order is `offered` by its sequence number; a new one gets a place, is handed on, and settles
 * later, in any order. peer_inbox_answer writes what the peer may be told: refusals, and one
 * acknowledgement for all orders up to the first that is not settled.
 * Pure; one thread at a time. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEER_INBOX_H
#define ORDERFLOW_PEER_INBOX_H

#include "orderflow/peer_wire.h"

#define PEER_INBOX_OPEN_MAX 4096u    /* orders handed on and not settled */
#define PEER_INBOX_REFUSED_MAX 4096u /* refusals that a new session repeats */

struct inbox_place {
    uint64_t seq;
    bool settled;
    uint8_t status; /* enum peer_status */
};

struct peer_inbox {
    struct wire_id stream;       /* of the peer's orders; all zero: none yet */
    uint64_t generation;         /* rises with each new stream */
    uint64_t handed;             /* the highest number that was handed on */
    uint64_t acked;              /* up to here all is settled */
    struct inbox_place *places;  /* ring of PEER_INBOX_OPEN_MAX; made when first needed */
    uint64_t first, end;         /* places in use: [first, end) modulo the ring */
    struct inbox_place *refused; /* ring of PEER_INBOX_REFUSED_MAX, made with places */
    unsigned refused_count, refused_at;
    bool news; /* something was settled since the last answer */
};

void peer_inbox_init(struct peer_inbox *in);
void peer_inbox_free(struct peer_inbox *in);

/* peer_inbox_begin: the peer says with which stream it goes on. Gives the number after which it
 * shall; settles nothing. Another stream than before is begun anew: orders of the old one that are
 * still open are not acknowledged any more. */
uint64_t peer_inbox_begin(struct peer_inbox *in, const struct wire_id *stream);

enum inbox_verdict {
    INBOX_NEW,
    INBOX_DUPLICATE, /* taken before: drop it */
    INBOX_FULL,      /* too many are open: offer it again when some are settled */
};

/* peer_inbox_offer: *ret_place is given for INBOX_NEW. errors  ERR_NO_MEMORY (as INBOX_FULL). */
enum inbox_verdict peer_inbox_offer(struct peer_inbox *in, uint64_t seq, uint64_t *ret_place);

/* peer_inbox_take_back undoes the newest offer: it could not be handed on and comes again. */
void peer_inbox_take_back(struct peer_inbox *in, uint64_t place);

/* peer_inbox_settle: status 0 is success. Of an older generation: nothing. */
void peer_inbox_settle(struct peer_inbox *in, uint64_t generation, uint64_t place, uint8_t status);

/* peer_inbox_answer appends what is new to be told; `all` also what was told before (a session has
 * begun). */
void peer_inbox_answer(struct peer_inbox *in, struct buf *out, bool all);

#endif
