/* What links.c and links_shape.c share. SPDX-License-Identifier: MIT */
#ifndef DEVNET_LINKS_INTERNAL_H
#define DEVNET_LINKS_INTERNAL_H

#include "base/list.h"
#include "devnet/links.h"
#include "devnet/meddle.h"
#include "net/conn.h"

#include <pthread.h>
#include <stdatomic.h>

struct role {
    char name[FAULT_NAME_MAX];
    pid_t pid;
    unsigned source;
};

// A role's front, for all places.
struct base {
    char role[FAULT_NAME_MAX];
    unsigned port, target_port;
};

enum front_kind {
    FRONT,   // of a role: faults, counters and recording are here
    HOP,     // end of the way between two places, behind a front
    FORWARD, // of a port in a node's place
};

// A listener.
struct front {
    struct links *links;
    struct loop_fd watch;
    enum front_kind kind;
    char role[FAULT_NAME_MAX];
    unsigned at;          // the place that it listens in
    unsigned place;       // of the role
    unsigned target_port; // in the role's home
    unsigned hop_port;    // in the role's place
};

// Bytes that wait for their time.
struct chunk {
    struct chunk *next;
    uint64_t due_ns;
    size_t n, at;
    uint8_t data[];
};

struct relayed;

// What one side sends to the other.
struct way {
    struct relayed *owner;
    struct chunk *first, *last;
    size_t queued;
    uint64_t last_due_ns; // order is kept: no chunk is due before the one in front of it
    struct loop_timer timer;
    struct meddle meddle;
    bool ended;   // the sender is done
    bool held;    // the sender is paused
    bool blocked; // the receiver takes no more
};

struct relayed {
    struct links *links;
    struct list_node link;
    struct link_pair *pair;
    char from[FAULT_NAME_MAX], to[FAULT_NAME_MAX];
    uint32_t number;
    struct conn side[2];    // 0: who connected, 1: the role
    struct way way[2];      // way[i]: what side[i] sends
    struct loop_fd connect; // to the role, until it stands
    struct loop_timer connect_timer;
    int connect_fd;
    bool open[2];
    bool plain;     // no faults, not counted, not recorded
    bool by_kernel; // what netem makes is not made here
};

struct links {
    struct loop *loop;
    struct log *log;
    pthread_t thread;
    pthread_mutex_t lock; // guards everything down to `record`
    struct role roles[LINKS_ROLES_MAX];
    size_t role_count;
    struct fault_list faults;
    struct fault_list ours; // those of them that netem does not make
    uint64_t slot;
    struct link_pair pairs[LINKS_PAIRS_MAX];
    size_t pair_count;
    int record_fd;
    uint64_t record_begin_ns;
    struct buf record;
    // The relays' thread only:
    struct front *fronts[LINKS_LISTENERS_MAX];
    struct fault_effect shaped[PLACES_MAX + 1][PLACES_MAX + 1]; // as the kernel was told
    struct list relayed;
    struct random_fast random;
    uint32_t numbers;
    // Handed over:
    atomic_uint front_count;
    // Of whoever opens fronts:
    struct places *places; // NULL: none
    struct base bases[LINKS_FRONTS_MAX];
    unsigned base_count;
};

/* links_is_for_kernel: netem makes this fault. links_shape tells it of all that hold in this slot;
 * the relays' thread. */
bool links_is_for_kernel(const struct links *l, const struct fault *f);
void links_shape(struct links *l);

#endif
