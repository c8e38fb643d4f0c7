/* Replies: what was answered to exactly these bytes a moment ago, so that a repeated request costs
 * a SHA-256 and a look-up, no recovery and no JSON.
 *
 * The key covers listener, signature header and body, so a hit says that the signature is valid.
 * Fixed size: of the keys that fall on one set the latest four stay. Only accepted orders whose
 * repetition changes nothing are put in. One thread at a time. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_REPLIES_H
#define ORDERFLOW_REPLIES_H

#include "base/buf.h"

struct replies;

#define REPLY_BYTES_MAX 256u

/* replies_new: places 0: 32,768 (11 MiB). errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int replies_new(struct replies **ret, size_t places, uint64_t keep_ns,
                                            struct error *why);
void replies_free(struct replies *r);

/* replies_key: door  a number for each listener, whose replies are apart. */
struct hash replies_key(unsigned door, struct bytes header, struct bytes body);

/* replies_get gives the reply (valid until the next put) and who had signed; false: none. */
bool replies_get(struct replies *r, struct bytes *ret, struct address *ret_signer,
                 const struct hash *key, uint64_t now_ns);
/* replies_put: replies longer than REPLY_BYTES_MAX are not kept. */
void replies_put(struct replies *r, const struct hash *key, const struct address *signer,
                 struct bytes reply, uint64_t now_ns);

#endif
