/* Order requests in JSON: the methods of the builder's JSON-RPC, and files of such requests.
 *
 * Source: flashbots/rbuilder, rbuilder-primitives (serialize). Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_ORDER_PARAMS_H
#define BUILDER_ORDER_PARAMS_H

#include "eth/order_feed.h"

/* order_params_method gives the feed's method of a JSON-RPC method, 0 for others. */
enum feed_method order_params_method(struct bytes name);

/* order_params_decode reads the parameters of an order method; what ret points to lies in the
 * document and the arena. The signer is left open: it comes from the signature, or the fields.
 * errors  ERR_NOT_FOUND (a method that takes no orders), ERR_INVALID, ERR_SYNTAX, ERR_RANGE,
 *         ERR_LIMIT; the text names the member. */
[[gnu::warn_unused_result]] int order_params_decode(struct feed_order *ret, struct bytes method,
                                                    const struct json *params, struct arena *a,
                                                    struct error *why);

/* order_params_each reads a file's text: an array of requests or one a line, each
 * {"method", "params"} and, where known, "receivedAt" (unix ms) and "signer". Stops at the first
 * error of a call. errors  those of the document (with its line) and of `each`. */
[[gnu::warn_unused_result]] int order_params_each(struct bytes text,
                                                  int (*each)(void *arg, const struct feed_order *o,
                                                              struct error *why),
                                                  void *arg, struct error *why);

#endif
