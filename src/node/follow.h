/* Follow: the node follows another one's chain (chain/node_link.h): its blocks are executed here,
 * its pool's transactions are taken, and those of users here are passed on to it.
 * Thread: the main loop's. SPDX-License-Identifier: MIT */
#ifndef NODE_FOLLOW_H
#define NODE_FOLLOW_H

#include "node/node.h"

struct follow;

/* follow_open begins to follow --follow, with tokens of --jwt-secret when that is given.
 * errors  ERR_SYNTAX (the URL), those of the key file, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int follow_open(struct follow **ret, struct node *n, struct error *why);
void follow_close(struct follow *f); /* NULL is allowed */

#endif
