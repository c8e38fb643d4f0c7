/* The chain that a node follows: blocks, their outcomes, and the states of the last ones.
 *
 * What it is: every block that was found valid, with receipts; the canonical chain among them and
 * its head, safe and finalized marks; the state after each block of the last HEAD_DEPTH_MAX on any
 * branch. Blocks come in by head_import, which executes and checks all of them; head_set says which
 * one is the head. What it is not: a network, a pool of transactions, the Engine API; making blocks
 * stands in chain/produce.h, on the same path.
 *
 *     head_open ─▶ head_import (any branch) ─▶ head_set (fork choice) ─▶ subscribers
 *                       │                          └─▶ one commit to the store on disk
 *                       └─▶ head_view_open: the state after a block, for any thread
 *
 * The state on disk is that of a block HEAD_DEPTH_MAX behind the head; what lies above is kept in
 * memory, a layer of changes a block. Canonical blocks are on disk when head_set returns, so after
 * a crash head_open executes those above the disk's state again: no block that head_set has taken
 * is lost, and none is seen in part.
 *
 * Threads: any function from any thread. head_import and head_set take turns; look-ups and views do
 * not wait for them (beyond some microseconds). What is handed out is immutable and counted: give
 * each back once, before head_close.
 * Specification: Yellow Paper; Engine API (what VALID, INVALID and SYNCING mean); docs/evm.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_HEAD_H
#define CHAIN_HEAD_H

#include "base/list.h"
#include "chain/block_run.h"
#include "eth/genesis.h"
#include "trie/proof.h"
#include "trie/state_root.h"

#define HEAD_DEPTH_MAX 128               /* blocks behind the head whose states are kept */
#define HEAD_PENDING_MAX 4096            /* blocks in memory, on all branches */
#define HEAD_REJECTED_MAX 1024           /* invalid blocks that are remembered */
#define HEAD_CODES_MAX ((size_t)1 << 30) /* bytes of code and programs that are kept */
#define HEAD_BLOCK_HASHES 256            /* hashes of ancestors that code can ask for */

struct head;
struct remote_anchor;
struct remote_state;
struct sender_cache;
struct precompiles;
struct log;

/* head_threads: what a program's setting comes to: 0 is one for each processor that the process may
 * use, HEAD_THREADS_MAX at most. */
#define HEAD_THREADS_MAX 16u
unsigned head_threads(uint64_t setting);

struct head_options {
    const struct genesis *genesis; /* copied. Its header's number may be above 0 (a chain that
                                      begins with a given state) and then has its state root */
    const char *folder;            /* of the store, made if missing; NULL: in memory only */
    bool relaxed;                  /* a power cut may cost the last blocks (not a crash) */
    unsigned threads;              /* that execute, recover senders and hash; 0 or 1: the caller */
    /* The state comes from an execution client (chain/remote_state.h), from the anchor on, whose
     * state root is believed and which becomes the first block; the genesis only gives the
     * configuration. In memory only. NULL: from the genesis. */
    struct remote_state *remote;
    const struct remote_anchor *anchor;
    unsigned depth;                        /* 1..HEAD_DEPTH_MAX; 0: HEAD_DEPTH_MAX. For tests */
    struct sender_cache *senders;          /* shared with the pool; NULL: none */
    const struct precompiles *precompiles; /* outlive the head; NULL: its own */
    const struct transact_surcharge *surcharge; /* NULL: that of the chain (chain/op_fees.h) */
    struct log *log;                            /* NULL: none */
    const struct clock *clock;                  /* NULL: the system's */
};

/* head_open opens the store, makes the genesis block in an empty one, and executes what a crash or
 * an end left above the disk's state.
 * errors  ERR_CONFLICT (the store is of another genesis), ERR_BUSY (another process has it open),
 *         ERR_IO, ERR_NO_MEMORY, ERR_INVALID (a stored block does not execute any more: the store
 *         is damaged). */
[[gnu::warn_unused_result]] int head_open(struct head **ret, const struct head_options *options,
                                          struct error *why);

/* head_close ends it (NULL is allowed). Every block, view and producer must be back. */
void head_close(struct head *h);

/* head_check_store hashes the whole stored state from its flat content and compares with the root
 * of its block: for whoever doubts a store. Nothing is imported meanwhile; takes minutes and the
 * state's size in memory on a large chain. errors  ERR_INVALID (the store is damaged), ERR_IO,
 * ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_check_store(struct head *h, struct error *why);

/* What code that runs on views shares with the head: evm_init(&vm, head_codes(h),
 * head_precompiles(h), ...). They live as long as the head. */
const struct chain_config *head_config(const struct head *h);
struct evm_code_cache *head_codes(struct head *h);
const struct precompiles *head_precompiles(const struct head *h);

/* Blocks. */

/* A valid block with its outcome. Immutable; everything it points to lives as long as it. */
struct head_block {
    struct hash hash;
    struct block block;             /* decoded from rlp */
    struct bytes rlp;               /* as in eth/block.h */
    const struct address *senders;  /* one a transaction */
    const struct receipt *receipts; /* one a transaction */
    struct bytes requests[3];       /* type || data, of those that have data (EIP-7685) */
    size_t request_count;
    struct u256 total_difficulty; /* up to and with this block */
};

/* head_block_retain counts one more holder and gives the block back; head_block_release gives one
 * holder up (NULL is allowed). Any thread. */
const struct head_block *head_block_retain(const struct head_block *b);
void head_block_release(const struct head_block *b);

/* head_block_by_hash gives any block that is known, of any branch in memory or of the canonical
 * chain. head_block_by_number gives the canonical one. ret is to be released.
 * errors  ERR_NOT_FOUND, ERR_IO, ERR_NO_MEMORY.  cost  0.2 us in memory; else it is read and
 *         decoded. */
[[gnu::warn_unused_result]] int head_block_by_hash(struct head *h, const struct head_block **ret,
                                                   const struct hash *hash, struct error *why);
[[gnu::warn_unused_result]] int head_block_by_number(struct head *h, const struct head_block **ret,
                                                     uint64_t number, struct error *why);

/* head_latest gives the head, never NULL; head_safe and head_finalized NULL as long as there is
 * none; head_genesis the first block. To be released. */
const struct head_block *head_latest(struct head *h);
const struct head_block *head_safe(struct head *h);
const struct head_block *head_finalized(struct head *h);
const struct head_block *head_genesis(struct head *h);

/* head_hash_of gives the hash of a canonical block. errors  ERR_NOT_FOUND, ERR_IO. */
[[gnu::warn_unused_result]] int head_hash_of(struct head *h, struct hash *ret, uint64_t number,
                                             struct error *why);

/* head_is_canonical: the block is the head or an ancestor of it. */
bool head_is_canonical(struct head *h, const struct head_block *b);

/* head_tx_find finds a transaction of the canonical chain: its block (to be released) and index.
 * errors  ERR_NOT_FOUND, ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_tx_find(struct head *h, const struct head_block **ret,
                                             size_t *ret_index, const struct hash *tx,
                                             struct error *why);

/* head_receipt_gas gives the gas that one transaction used. */
uint64_t head_receipt_gas(const struct head_block *b, size_t index);

/* Import. */

enum head_status {
    HEAD_VALID,          /* executed now, and good */
    HEAD_KNOWN,          /* was valid already */
    HEAD_INVALID,        /* breaks a rule, or stands on a block that does */
    HEAD_UNKNOWN_PARENT, /* nothing can be said; also when the parent's state is kept no more */
};

struct head_verdict {
    enum head_status status;
    struct hash hash;         /* of the block; zero when it cannot be decoded */
    struct hash latest_valid; /* HEAD_INVALID: the closest valid ancestor; zero where unknown */
    uint64_t gas_used, execute_ns, root_ns; /* HEAD_VALID: and the time it took */
    struct error reason;                    /* HEAD_INVALID, HEAD_UNKNOWN_PARENT */
};

/* head_import checks and executes a block on its parent, whichever branch that is on.
 * rlp     borrowed during the call.
 * ret     filled on 0: that a block is invalid is no error.
 * errors  ERR_LIMIT (HEAD_PENDING_MAX), ERR_IO, ERR_NO_MEMORY: it may be tried again. */
[[gnu::warn_unused_result]] int head_import(struct head *h, struct head_verdict *ret,
                                            struct bytes rlp, struct error *why);

/* head_import_block is head_import of a decoded block; its header's hash is found here. */
[[gnu::warn_unused_result]] int head_import_block(struct head *h, struct head_verdict *ret,
                                                  const struct block *block, struct error *why);

/* head_reject_of tells whether a block is remembered as invalid; ret may be NULL. */
bool head_reject_of(struct head *h, const struct hash *hash, struct hash *ret_latest_valid);

/* Fork choice. */

/* head_set makes a known block the head, and moves the marks. safe and finalized  NULL: as they
 * are. When it returns 0, the canonical chain up to the head and the marks are durable, and
 * subscribers have been called.
 * errors  ERR_NOT_FOUND (the head is not known), ERR_CONFLICT (safe or finalized is no ancestor of
 *         the head, or the head is none of the finalized one's descendants), ERR_STALE (the head
 *         branches off deeper than the depth), ERR_IO, ERR_NO_MEMORY. Nothing has changed then. */
[[gnu::warn_unused_result]] int head_set(struct head *h, const struct hash *head,
                                         const struct hash *safe, const struct hash *finalized,
                                         struct error *why);

/* head_health: 0, or why the newest change could not be stored; 0 again once one was. Any thread.
 */
[[gnu::warn_unused_result]] int head_health(struct head *h, struct error *why);

/* What head_set did. The arrays are borrowed during the call; retain a block to keep it. */
struct head_event {
    const struct head_block *head;
    const struct head_block *const *added; /* now canonical, oldest first; none if the head stays
                                              or moved back */
    size_t added_count;
    const struct head_block *const *removed; /* no more canonical, newest first */
    size_t removed_count;
};

/* A subscriber: called by the thread that called head_set, after the change is durable and visible,
 * in the order of changes. It may look up and open views, but not import, set, subscribe or close;
 * it should hand the event to its own thread. */
struct head_subscriber {
    void (*changed)(void *arg, const struct head_event *event);
    void *arg;
    struct list_node link; /* internal */
};
void head_subscribe(struct head *h, struct head_subscriber *s);
void head_unsubscribe(struct head *h, struct head_subscriber *s);

/* Views. */

/* The state after a block. Read-only; any number of threads may read one view at a time. It stays
 * good while its block is on the kept depth; after that reads of what is not in memory any more
 * fail with ERR_STALE. */
struct head_view;

/* head_view_open opens the state after a known block.
 * errors  ERR_NOT_FOUND (unknown block), ERR_STALE (a block that is known, but deeper than the
 *         depth: its state is not kept), ERR_NO_MEMORY.  cost  some microseconds. */
[[gnu::warn_unused_result]] int head_view_open(struct head *h, struct head_view **ret,
                                               const struct hash *block, struct error *why);
void head_view_close(struct head_view *v); /* NULL is allowed */

/* head_view_block gives the view's block, held by the view. */
const struct head_block *head_view_block(const struct head_view *v);

/* head_view_reader gives the interface for state_init and state_reset, for as long as the view is
 * open. Code bytes that it gives live as long. */
struct state_reader head_view_reader(struct head_view *v);

/* head_view_block_hash is for block_env.block_hash (ctx: a struct head_view): hashes of the view's
 * block and of 255 before it. */
int head_view_block_hash(void *view, struct hash *ret, uint64_t number, struct error *why);

/* head_view_account and head_view_slot read one value; what does not exist is zero, with
 * exists = false. head_view_code gives the code of an account (n = 0: none), valid while the view
 * is open. errors  ERR_STALE, ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_view_account(struct head_view *v,
                                                  struct state_base_account *ret,
                                                  const struct address *address, struct error *why);
[[gnu::warn_unused_result]] int head_view_slot(struct head_view *v, struct u256 *ret,
                                               const struct address *address,
                                               const struct u256 *key, struct error *why);
[[gnu::warn_unused_result]] int head_view_code(struct head_view *v, struct bytes *ret,
                                               const struct address *address, struct error *why);

/* head_view_source gives the view's trie nodes, for a state_root of the caller's
 * (state_root_create with the header's state root). s stands where it is as long as it is used, by
 * one thread. */
struct head_view_nodes {
    struct head_view *view;
    uint8_t node[TRIE_NODE_MAX];
};
struct state_node_source head_view_source(struct head_view_nodes *s, struct head_view *v);

/* head_view_prove proves an account and slots (EIP-1186). slots  numbers, big-endian. ret  stands
 * in the arena.  errors  ERR_STALE, ERR_IO, ERR_LIMIT (arena), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_view_prove(struct head_view *v, struct account_proof *ret,
                                                const struct address *address,
                                                const struct hash *slots, size_t slot_count,
                                                struct arena *a, struct error *why);

#endif
