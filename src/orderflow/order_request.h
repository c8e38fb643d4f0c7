/* Requests of senders and peers: from the bytes of a JSON-RPC message to an order, or to the
 * refusal that each public generation gives.
 *
 * The first generation (Go) forwards transactions as they are; the second (Rust) decodes each and
 * recovers its sender. Both fill in defaults: signer, version, nonce. Rate limits, dedup and
 * forwarding are the callers'.
 * Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy. Orders point into the body
 * and the arena. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ORDER_REQUEST_H
#define ORDERFLOW_ORDER_REQUEST_H

#include "crypto/sender_cache.h"
#include "eth/fork.h"
#include "eth/order_id.h"
#include "eth/tx_sidecar.h"

enum order_generation {
    ORDER_FIRST,
    ORDER_SECOND,
};

enum order_method {
    ORDER_SEND_BUNDLE,
    ORDER_SEND_RAW_TX,
    ORDER_SEND_SHARE,    /* mev_sendBundle; first generation only, like those after it */
    ORDER_CANCEL_BUNDLE, /* eth_cancelBundle */
    ORDER_SUBSIDISE,     /* bid_subsidiseBlock */
    ORDER_METHOD_COUNT,
};

/* order_method_name gives the JSON-RPC name; order_method_find its method, or -1 when the
 * generation has none of that name. */
const char *order_method_name(enum order_method m);
int order_method_find(struct bytes name, enum order_generation generation);

#define ORDER_TXS_MAX 100u
#define ORDER_BODY_MAX_FIRST 31457280u
#define ORDER_BODY_MAX_SECOND 10485760u

/* Who asks, where, and what is filled in. */
struct order_context {
    enum order_generation generation;
    bool system;           /* the peers' listener: signer and nonce are what the peer wrote */
    bool trusted;          /* the signer is the one that may set subsidies */
    struct address signer; /* of the request */
    uint64_t now_us;       /* the nonce of a replacement that names none */
    uint64_t share_nonce;  /* the same of a mev_sendBundle: counts up for each uuid and signer */
    size_t txs_max;        /* a bundle; 0: ORDER_TXS_MAX. Second generation */
    const struct fork_rules *rules; /* for raw transactions; NULL: Osaka */
    uint64_t chain_id;              /* 0: mainnet */
    struct sender_cache *senders;   /* NULL: none */
};

struct order_tx {
    struct tx tx;
    struct tx_sidecar sidecar;
    struct address sender;
};

struct order {
    enum order_method method;
    struct bundle bundle;       /* ORDER_SEND_BUNDLE, defaults filled in */
    struct share_bundle share;  /* ORDER_SEND_SHARE, metadata filled in */
    struct bytes raw;           /* ORDER_SEND_RAW_TX */
    const struct order_tx *txs; /* second generation: each transaction, in order */
    size_t tx_count;            /* of txs */
    bool replaces;              /* it has a replacement key */
    bool cancels;               /* and no transactions */
    struct order_replacement replacement;
    struct hash answer; /* second generation: bundleHash, or the transaction's hash */
    uint64_t subsidy;   /* ORDER_SUBSIDISE */
    bool has_signer;    /* ORDER_CANCEL_BUNDLE: replacement.signer was given or filled in */
};

/* order_from_bundle reads and judges the parameter of eth_sendBundle.
 * errors  ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED; the text is the first generation's
 *         message, in the second the detail for error.data. ERR_LIMIT, ERR_NO_MEMORY (arena). */
[[gnu::warn_unused_result]] int order_from_bundle(struct order *ret, const struct json *param,
                                                  const struct order_context *c, struct arena *a,
                                                  struct error *why);

/* order_from_raw_tx: the same for eth_sendRawTransaction, whose bytes are given. */
[[gnu::warn_unused_result]] int order_from_raw_tx(struct order *ret, struct bytes raw,
                                                  const struct order_context *c, struct arena *a,
                                                  struct error *why);

/* order_from_param: the same for any method by its name.
 * errors  also ERR_NOT_FOUND ("method not found"). */
[[gnu::warn_unused_result]] int order_from_param(struct order *ret, struct bytes method,
                                                 const struct json *param,
                                                 const struct order_context *c, struct arena *a,
                                                 struct error *why);

/* order_key gives the first generation's dedup key of any order. errors  ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int order_key(struct uuid *ret, const struct order *o, struct arena *a,
                                          struct error *why);

/* order_put_param appends the order's JSON parameter alone. Failures are kept in the buf. */
void order_put_param(struct buf *out, const struct order *o);

/* order_forward appends the request that the first generation sends on, byte for byte; params of
 * the second generation are as in bundle_encode. errors  the buf's. */
[[gnu::warn_unused_result]] int order_forward(struct buf *out, const struct order *o,
                                              enum order_generation generation, struct error *why);

#endif
