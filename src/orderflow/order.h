/* Flow order: one accepted order on its way: from intake to the builder, the peers, the journal and
 * the archive, which all hold the same object.
 *
 * Made once by a worker (flow_order_new), never changed afterwards, freed with its last hold. What
 * goes over a wire is built when it is first asked for and kept, so that ten peers cost one
 * encoding and one signature.
 *
 *   id      names the order everywhere in our network: SHA-256 of its method and all its fields,
 *           defaults filled in, without the bundleHash that somebody may have put there. Duplicates
 *           are told by it, never by what a peer claims.
 *   answer  what the sender gets back (second generation): bundleHash or transaction hash.
 *
 * Thread: any. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ORDER_H
#define ORDERFLOW_ORDER_H

#include "eth/request_signature.h"
#include "orderflow/order_request.h"
#include "orderflow/priority.h"

#include <stdatomic.h>

#define FLOW_BIG_BYTES 32768u /* messages from this size on are big */
#define FLOW_PEER_NAME_MAX 64u

struct custody_item;

enum flow_source {
    FLOW_FROM_USER,
    FLOW_FROM_PEER,    /* goes to the local builder only: one hop, full mesh */
    FLOW_FROM_JOURNAL, /* accepted before a restart; from a user: treated as FLOW_FROM_USER */
};

/* The forms in which an order goes over a wire. */
enum flow_form {
    FLOW_JSON_FIRST,  /* whole JSON-RPC request, as the first generation forwards it */
    FLOW_JSON_SECOND, /* whole JSON-RPC request, as the second generation's builder gets it */
    FLOW_BITCODE, /* data of a peer message: bitcode of a bundle (with bundleHash), raw bytes of a
                     transaction; for the other methods the JSON parameter */
    FLOW_FORM_COUNT,
};

/* A form, built. */
struct flow_body {
    struct bytes data;
    char signature[REQUEST_SIGNATURE_HEADER_BYTES + 1]; /* header value over data; "" unsigned */
};

/* Whose signature goes on what this node sends on. Outlives all orders. */
struct flow_identity {
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    struct address address;
};

struct flow_order {
    struct order order; /* decoded; its memory is the flow order's */
    struct hash id;
    struct hash answer;
    struct address signer;         /* who sent it to the network (not the peer that passed it on) */
    char peer[FLOW_PEER_NAME_MAX]; /* FLOW_FROM_PEER: the hub's name of who passed it on */
    enum flow_source source;
    enum order_priority priority;
    uint64_t received_ns;  /* wall clock, at this node */
    uint64_t sent_ns;      /* wall clock of the peer; 0: not known */
    uint64_t target_block; /* 0: the next block */
    uint64_t expires_ns;   /* wall clock: when its last block has surely passed; nothing is resent
                              after it */
    uint64_t kept_ns;      /* wall clock, not before expires_ns: when what it replaced is over too;
                              until then it is known of, and in the journal */
    size_t bytes;          /* of the request or message it came in */

    /* internal */
    atomic_uint holds;
    struct custody_item *custody; /* of orderflow/custody.h, by its lock */
    struct arena arena;
    _Atomic(struct flow_body *) body[FLOW_FORM_COUNT * 2]; /* unsigned, signed */
};

/* What the maker of an order knows besides its decoded form. */
struct flow_order_facts {
    struct address signer;
    const char *peer; /* NULL: from a user */
    enum flow_source source;
    enum order_priority priority;
    uint64_t received_ns, sent_ns, expires_ns;
    uint64_t kept_ns; /* 0: as long as it may land */
    size_t bytes;
};

/* flow_order_new makes an order with one hold. `order` must lie in `arena` (texts that still point
 * into the message are copied); the arena is taken over, and empty afterwards, also on errors.
 * errors  ERR_NO_MEMORY, ERR_LIMIT. cost  a bitcode encoding and a SHA-256. */
[[gnu::warn_unused_result]] int flow_order_new(struct flow_order **ret, const struct order *order,
                                               const struct flow_order_facts *facts,
                                               struct arena *arena, struct error *why);
struct flow_order *flow_order_hold(struct flow_order *o);
void flow_order_release(struct flow_order *o); /* NULL is fine */

/* flow_order_id_of gives the id of a decoded order. */
[[gnu::warn_unused_result]] int flow_order_id_of(struct hash *ret, const struct order *order,
                                                 struct error *why);

/* flow_order_body gives a form, built at the first call; it lives as long as the order.
 * signer  signs the body (the same one at every call); NULL: unsigned.
 * errors  ERR_NO_MEMORY, ERR_LIMIT, ERR_RANGE (key). */
[[gnu::warn_unused_result]] int flow_order_body(const struct flow_body **ret, struct flow_order *o,
                                                enum flow_form form,
                                                const struct flow_identity *signer,
                                                struct error *why);

#endif
