/* Book: which orders were seen and which replacement is in force, so that every order goes on
 * exactly once, whatever comes twice, late or in another order.
 *
 * An order is told by its id (orderflow/order.h), never by what somebody claims. A replacement key
 * is (uuid, signer), of eth_sendBundle and of mev_sendBundle apart: the highest nonce wins, an
 * equal or lower one is stale. Since the nonce is part of the id, A, B, A under one uuid with
 * rising nonces is three orders, and a repeated message is one. A cancel is an order like others;
 * that of eth_cancelBundle has the last nonce there is. A key is remembered at least as long as any
 * of its orders may land, also those that were replaced.
 *
 * Bounded: ids and keys are forgotten when their time is over, the soonest to expire first when
 * there are too many. Thread: any; one lock, held for a look-up.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_BOOK_H
#define ORDERFLOW_BOOK_H

#include "orderflow/order.h"

struct book;

struct book_options {
    size_t ids_max;  /* 0: 1,048,576 */
    size_t keys_max; /* 0: 262,144 */
    uint64_t id_ns;  /* an id is kept at least so long; 0: 60 s */
    uint64_t key_ns; /* a replacement key after its last use; 0: 600 s */
};

enum book_verdict {
    BOOK_NEW,       /* goes on */
    BOOK_DUPLICATE, /* seen; answered like the first */
    BOOK_STALE,     /* a newer replacement is in force; answered like an accepted one */
    BOOK_RENUMBER,  /* its nonce was not the sender's, and is not above the one in force */
};

struct book_stats {
    uint64_t ids, keys;        /* now */
    uint64_t seen, duplicate;  /* since the start */
    uint64_t stale, forgotten; /* forgotten: before their time, for want of room */
};

[[gnu::warn_unused_result]] int book_new(struct book **ret, const struct book_options *options,
                                         struct error *why);
void book_free(struct book *b);

/* What a replacement finds under its key. */
struct book_before {
    struct hash id;      /* of the order that it replaces; all zero: there is none */
    uint64_t expires_ns; /* when all orders of before are over; wall, 0: none */
    uint64_t journal_ns; /* the same of those of them that the journal holds */
};

/* book_admit judges an order and notes it when it is new.
 * defaulted   the order's nonce was filled in by this node: BOOK_RENUMBER may come, with *ret_nonce
 *             the one to take instead.
 * ret_before  all zero unless it is a new replacement of a known key. */
enum book_verdict book_admit(struct book *b, const struct flow_order *o, bool defaulted,
                             uint64_t now_ns, uint64_t *ret_nonce, struct book_before *ret_before);

/* book_withdraw forgets an order that was admitted and could not be taken after all, so that its
 * repetition is new. before  the id that book_admit gave. */
void book_withdraw(struct book *b, const struct flow_order *o, const struct hash *before);

/* book_journaled notes that the journal holds this order, or will: what replaces it must be there
 * too, or a restart would bring it back. false: it was replaced already, and need not be kept. */
bool book_journaled(struct book *b, const struct flow_order *o);

/* book_has: this id was seen. book_in_force: the order is still the last of its replacement key
 * (true for orders without one). */
bool book_has(struct book *b, const struct hash *id);
bool book_in_force(struct book *b, const struct flow_order *o);

/* book_clock gives nonces for replacements that name none: the clock in microseconds, but always
 * above the last one given, and above what peers used lately (a peer's clock may be ahead, by at
 * most BOOK_AHEAD_US). */
#define BOOK_AHEAD_US UINT64_C(5000000)
uint64_t book_clock(struct book *b, uint64_t now_us);
void book_clock_observe(struct book *b, uint64_t nonce_us, uint64_t now_us);

struct book_stats book_stats(struct book *b);

#endif
