/* Intake: from the bytes of a request, or of a peer's message, to an accepted order that is on its
 * way everywhere, or to the refusal.
 *
 *   listener ─job─▶ worker: signature, limits, JSON, order, priority, duplicates, journal
 *                     └─▶ local builder, peers, archive     └─reply─▶ listener
 *
 * A job is filled in by its listener, runs on a worker of the pool and comes back to the listener's
 * loop. Everything dear is done here and nowhere else, each thing once: the signature first, so
 * that nothing unsigned is parsed. What is invalid is remembered nowhere.
 *
 * Thread: any for intake_submit; `done` comes on the loop of the job's mailbox.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_INTAKE_H
#define ORDERFLOW_INTAKE_H

#include "base/pool.h"
#include "orderflow/archive.h"
#include "orderflow/book.h"
#include "orderflow/custody.h"
#include "orderflow/gate.h"
#include "orderflow/journal.h"
#include "orderflow/local.h"
#include "orderflow/order_envelope.h"
#include "orderflow/peers.h"
#include "orderflow/share.h"
#include "orderflow/tip.h"
#include "orderflow/trace.h"

struct intake;

/* Which of the two public interfaces is spoken to users. */
enum intake_api {
    INTAKE_SECOND, /* FlowProxy's, and the first's further methods in the first's ways */
    INTAKE_FIRST,  /* the first generation's only */
    INTAKE_STRICT, /* FlowProxy's two methods, nothing else */
};

/* Where accepted orders go besides the builder, and what peers are told. Any of them may be NULL;
 * all are called on workers. */
struct intake_sinks {
    /* To the peers: as share_order. */
    int (*share)(void *context, struct flow_order *o, struct error *why);
    /* As share_is_full: users' orders are refused as busy. NULL: never. */
    bool (*share_is_full)(void *context);
    /* To the history: as archive_record. */
    void (*record)(void *context, const struct archive_event *e);
    bool record_again; /* users' orders of the journal too: the history may lack some of them */
    /* The answer to a peer's message: as share_answer. */
    void (*answer)(struct share_ticket *t, enum peer_status status, const struct hash *hash,
                   const char *text);
    void *context;
};

struct intake_options {
    struct pool *pool;
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock; /* NULL: clock_system */
    enum intake_api api;
    size_t body_max;              /* a request, also when inflated */
    size_t txs_max;               /* a bundle */
    uint64_t chain_id;            /* 0: mainnet */
    bool reply_timestamp;         /* receivedTimestampMs in replies */
    size_t jobs_max;              /* at once, waiting and at work; 0: 16,384 */
    uint64_t bytes_max;           /* of all their messages together; 0: 1 GiB */
    struct sender_cache *signers; /* of requests */
    struct sender_cache *senders; /* of transactions */
    struct gate *gate;
    struct book *book;
    struct peers *peers;
    struct tip *tip;
    struct trace *trace;     /* NULL: none */
    struct journal *journal; /* NULL: none */
    struct local *local;     /* NULL: none (forwarding is off) */
    struct custody *custody; /* NULL: peers are told at once */
    struct intake_sinks sinks;
};

enum intake_door {
    INTAKE_USER,   /* JSON-RPC of a user */
    INTAKE_SYSTEM, /* JSON-RPC of a peer */
    INTAKE_PEER,   /* a message that share received */
};

struct intake_job {
    struct pool_task task;
    struct intake *intake;
    struct intake_job *next; /* of the unused ones */
    enum intake_door door;
    bool first;       /* by the first generation's rules */
    bool gzip;        /* the body is compressed */
    uint64_t counted; /* of bytes_max */
    size_t body_max;  /* of the body, inflated too */

    /* What came. */
    struct buf body;
    char header[256]; /* the signature's; "" when there was none */
    bool has_header;
    uint64_t received_ns, arrived_ns; /* wall; monotonic */
    uint64_t begun_ns;                /* monotonic: its head came; 0: it had none */
    int priority;                     /* fixed by a rule or said by a peer; -1 */
    /* INTAKE_PEER */
    enum order_method method;
    enum flow_form form;
    char peer[FLOW_PEER_NAME_MAX]; /* proved; "" when only the signature can tell */
    uint64_t sent_ns;
    struct address origin; /* who sent it to the network, as the peer verified it; zero: not said */
    uint64_t expires_ns;   /* as the peer says; 0: not said */
    uint64_t kept_ns;      /* journal: until when; 0: as long as it may land */
    size_t bytes;          /* of the message, when it is not the body; 0: it is */
    struct share_ticket *ticket; /* NULL: another answers it */
    bool again; /* the peer sends it again until it is acknowledged; INTAKE_PEER, journal: of a peer
                 */
    /* Where the reply goes. */
    void *owner;
    void (*done)(struct intake_job *job);

    /* What became of it. */
    enum order_fault fault;
    struct error why;
    int http_status;
    uint64_t retry_ns; /* ORDER_FAULT_RATE, ORDER_FAULT_BUSY: when to come again */
    struct buf reply;
    bool repeatable; /* the same bytes get the same reply, and need not be judged again */
    struct address signer;
    enum peer_status status; /* INTAKE_PEER */
    struct hash answer;
    bool duplicate; /* it was known */

    /* Of the worker. */
    struct arena scratch; /* the message's JSON */
    struct arena arena;   /* the order's */
    struct order order;
    uint64_t times[TRACE_STAGES]; /* wall */
};

/* intake_new: everything in options outlives it. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int intake_new(struct intake **ret,
                                           const struct intake_options *options, struct error *why);
/* intake_free after the pool has stopped. */
void intake_free(struct intake *i);

/* intake_set: parts that are made after the intake, before the first job. */
void intake_set_local(struct intake *i, struct local *l);
void intake_set_sinks(struct intake *i, const struct intake_sinks *sinks);
void intake_set_journal(struct intake *i, struct journal *j);

/* intake_job_new gives an empty job; NULL: too many are at work (answer busy) or no memory. Any
 * thread. intake_job_free takes it back. */
struct intake_job *intake_job_new(struct intake *i, enum intake_door door);
void intake_job_free(struct intake_job *job);

/* intake_job_arrived notes the time: the message is whole. Once, before it is submitted. */
void intake_job_arrived(struct intake_job *job);

/* intake_append adds to a job's message.
 * false  all messages at work together are more than bytes_max, or no memory: answer busy. */
[[gnu::warn_unused_result]] bool intake_append(struct intake_job *job, struct bytes in);

/* intake_submit sends a filled job to a worker.
 * home    whose drain calls `done`. lane  0 first .. POOL_LANES-1.
 * false   the lane is full: answer busy. The job stays the caller's. */
[[gnu::warn_unused_result]] bool intake_submit(struct intake_job *job, struct pool_mailbox *home,
                                               unsigned lane);

/* intake_refuse fills the reply of a job that was not submitted. */
void intake_refuse(struct intake_job *job, enum order_fault fault, const char *text);

/* intake_count_unread counts a request that was answered without being submitted.
 * fault  ORDER_ACCEPTED: by what an earlier one was answered. took_ns  since its head came. */
void intake_count_unread(struct intake *i, enum intake_door door, enum order_fault fault,
                         uint64_t took_ns);
/* intake_count_line counts that a line before the workers is full, or three quarters full. */
void intake_count_line(struct intake *i, unsigned lane, bool full, size_t waiting, size_t most);

/* intake_received is share's callback: makes a job of a peer's message. */
void intake_received(void *intake, const struct share_received *r, struct share_ticket *t);

/* intake_replay takes up an order of the journal: it is known from now on. intake_replay_on hands
 * such orders on, as many as builder and peers take; called on the loop until intake_replaying
 * says 0. Both before and beside users' orders. */
void intake_replay(void *intake, const struct journal_record *r);
void intake_replay_on(struct intake *i);
size_t intake_replaying(const struct intake *i);

/* intake_jobs, intake_bytes: at work now. */
size_t intake_jobs(const struct intake *i);
uint64_t intake_bytes(const struct intake *i);

#endif
