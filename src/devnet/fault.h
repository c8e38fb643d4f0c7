/* Faults: what can be made to go wrong with the bytes between two roles.
 *
 *     node-1->node-2 delay 40ms jitter 10ms        every chunk later
 *     node-1->node-2 drop 5%                       a lost packet: the stream stalls for a while
 *     hub<->node-3 cut                             nothing passes, connections are refused
 *     node-1->relay reset 1%                       the connection is reset
 *     node-1->node-2 corrupt 0.1%                  a bit of a chunk is flipped
 *     *->relay rate 64KiB                          bytes a second
 *     chain->* stall                               bytes stop; the connection stays
 *     relay->chain withhold                        no payload comes for a signed block
 *     node-1->relay wrong-root                     submitted blocks have another state root
 *
 * "A->B" is what A sends to B, on connections of either side; "A<->B" both ways. A name stands for
 * a role ("relay", "node-2.orderflow") or all roles of a node ("node-2"), "*" for anybody. Faults
 * may hold for slots FROM-TO only ("slots 10-20"). Pure. Thread: any.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_FAULT_H
#define DEVNET_FAULT_H

#include "base/buf.h"
#include "base/random.h"
#include "json/write.h"

#define FAULT_NAME_MAX 48
#define FAULTS_MAX 64

enum fault_kind {
    FAULT_DELAY,
    FAULT_DROP,
    FAULT_CUT,
    FAULT_RESET,
    FAULT_CORRUPT,
    FAULT_RATE,
    FAULT_STALL,
    FAULT_WITHHOLD,
    FAULT_WRONG_ROOT,
    FAULT_KINDS
};

struct fault {
    unsigned id;
    char from[FAULT_NAME_MAX], to[FAULT_NAME_MAX];
    bool both_ways;
    enum fault_kind kind;
    uint64_t delay_ns, jitter_ns;
    uint64_t bytes_per_second;
    double probability;          /* of a chunk */
    uint64_t slot_from, slot_to; /* 0, 0: always */
};

struct fault_list {
    struct fault faults[FAULTS_MAX];
    size_t count;
};

const char *fault_kind_name(enum fault_kind kind);

/* fault_parse reads the text form. errors  ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int fault_parse(struct fault *ret, struct bytes text,
                                            struct error *why);

/* fault_text appends the text form. */
void fault_text(struct buf *out, const struct fault *f);

/* fault_write adds an object with all of a fault. */
void fault_write(struct json_writer *w, const char *key, const struct fault *f);

/* fault_covers: the fault holds for what `from` sends to `to` in this slot. */
bool fault_covers(const struct fault *f, const char *from, const char *to, uint64_t slot);

/* What the faults of a list do together to the bytes of one direction. */
struct fault_effect {
    uint64_t delay_ns, jitter_ns, bytes_per_second;
    double drop, reset, corrupt;
    bool cut, stall, withhold, wrong_root;
};
void fault_effect(struct fault_effect *ret, const struct fault_list *list, const char *from,
                  const char *to, uint64_t slot);

#endif
