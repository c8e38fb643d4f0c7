/* Guests: who speaks to the TPM: any number of connections, in the form of swtpm's TCP socket (TPM
 * commands on one port, the control channel on the next), though the TPM behind takes one at a
 * time.
 *
 * A connection that sends what is no command, or more than one before it has the answer, is closed.
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef PARAVISOR_GUESTS_H
#define PARAVISOR_GUESTS_H

#include "base/buf.h"
#include "net/loop.h"

#define GUESTS_MAX 64                 /* connections */
#define GUESTS_COMMAND_BYTES_MAX 4096 /* as swtpm's */

struct guests;

struct guests_options {
    struct loop *loop;
    const char *address; /* of the commands: an IPv4 address and port, of which the next is free */
    /* Carries one whole command to the TPM and appends the response. errors  the TPM is gone. */
    int (*command)(void *context, struct buf *ret, struct bytes command, struct error *why);
    /* The TPM is gone: nothing can be answered any more. */
    void (*lost)(void *context, const struct error *why);
    void *context;
};

/* guests_open listens on both ports. errors  ERR_SYNTAX, ERR_CONFLICT, ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int guests_open(struct guests **ret, const struct guests_options *o,
                                            struct error *why);
void guests_close(struct guests *g);

#endif
