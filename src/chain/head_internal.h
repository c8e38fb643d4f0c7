/* What the files of the head share. Internal to src/chain.
 *
 * Two locks. `work` is held by whoever imports, sets, opens or closes: it guards the machine, the
 * tips and everything that only these use. `lock` guards the tree: the map of blocks, their links
 * and flags, the marks; changes are made under both, look-ups take `lock` alone and shortly.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_HEAD_INTERNAL_H
#define CHAIN_HEAD_INTERNAL_H

#include "base/clock.h"
#include "base/map.h"
#include "chain/ahead.h"
#include "chain/head.h"
#include "chain/layer.h"
#include "chain/remote_state.h"
#include "evm/precompile.h"

#include <pthread.h>

/* A block, and while it is in the tree its place there. */
struct head_node {
    struct head_block block; /* first: what callers hold */
    atomic_uint holders;
    struct arena memory;
    struct layer *layer;  /* what it changed; NULL: read from the store, no state */
    struct hash *hashes;  /* of HEAD_BLOCK_HASHES ancestors and itself, at number % count */
    uint64_t hashes_from; /* the first number that is there */
    /* guarded by `lock` */
    struct head_node *parent; /* NULL: the base */
    bool canonical;
};

/* Tries as they are after some block, warm, with where more nodes come from. */
struct head_tip {
    struct hash block;
    struct state_root *root; /* NULL: unused */
    struct head_view_nodes nodes;
    uint64_t used;
};
#define HEAD_TIPS 3

struct head_reject {
    struct hash hash, latest_valid;
};

struct head {
    struct genesis genesis; /* only config and header count after head_open */
    unsigned threads, depth;
    struct sender_cache *senders;
    const struct transact_surcharge *surcharge;
    struct transact_surcharge op_surcharge; /* of a rollup, when the options have none */
    struct log *log;
    const struct clock *clock;
    struct trie_store *store;
    struct remote_state *remote; /* NULL: the state below the layers is in the store */
    struct state_seed seed;      /* of all layers */
    struct evm_code_cache *codes;
    const struct precompiles *precompiles;
    struct precompiles *own_precompiles; /* NULL: they are the caller's */

    pthread_mutex_t work;
    struct evm vm;
    struct state state;
    struct block_run run;
    struct ahead *ahead;    /* NULL: one thread */
    struct trie_team *team; /* NULL: one thread */
    struct arena scratch;
    struct head_tip tips[HEAD_TIPS];
    uint64_t tip_clock;
    struct list subscribers;

    pthread_rwlock_t lock;
    struct map tree; /* by hash: struct head_node, held once */
    struct head_node *base, *latest;
    struct hash safe, finalized; /* zero: none */
    struct error unstored;       /* code 0: the newest change was stored */
    struct hash genesis_hash;
    struct map rejects; /* by hash: into the ring */
    struct head_reject *reject_ring;
    size_t reject_next;
};

struct head_view {
    struct head *h;
    struct head_node *node;
    struct layer **layers; /* newest first; the last one is the base's */
    size_t layer_count;
    pthread_mutex_t code_lock; /* guards codes */
    struct arena codes;        /* code read from the store */
};

/* head_block.c: life and wire forms of blocks. */

/* head_node_new makes a block from its RLP (copied) with one holder. errors  of block_decode. */
[[gnu::warn_unused_result]] int head_node_new(struct head_node **ret, struct bytes rlp,
                                              struct error *why);
void head_node_release(struct head_node *n);
/* head_node_check_body tells whether the lists are those of the header, by their roots. A body that
 * is not says nothing about the block of that hash. errors  ERR_INVALID, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_node_check_body(const struct head_node *n,
                                                     const struct chain_config *c,
                                                     struct arena *scratch, struct error *why);
/* head_node_senders fills senders: recovered, by the team. errors  of tx_sender, with the index. */
[[gnu::warn_unused_result]] int head_node_senders(struct head_node *n, struct sender_cache *cache,
                                                  struct trie_team *team, struct error *why);
/* head_node_outcome copies the outcome of a run. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_node_outcome(struct head_node *n,
                                                  const struct block_outcome *o, struct error *why);
/* head_node_link fills hashes and total difficulty from the parent. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int head_node_link(struct head_node *n, const struct head_node *parent,
                                               struct error *why);
/* head_copy_receipts copies receipts with their logs and data. NULL without memory. */
const struct receipt *head_copy_receipts(struct arena *a, const struct receipt *from, size_t count);

/* head_store.c: what stands beside the state in the store.
 *   blocks    be64 number -> hash, RLP            outcomes  be64 number -> hash, RLP
 *   hashes    hash -> be64 number, be64 number -> hash      txs  hash -> be64 number, be32 index
 *   marks     "latest", "safe", "finalized" -> be64 number, hash
 * Only canonical blocks are there. */
[[gnu::warn_unused_result]] int head_store_put(struct head *h, const struct head_block *b,
                                               struct error *why);
[[gnu::warn_unused_result]] int head_store_remove(struct head *h, const struct head_block *b,
                                                  struct error *why);
[[gnu::warn_unused_result]] int head_store_read(struct head *h, struct head_node **ret,
                                                uint64_t number, struct error *why);
[[gnu::warn_unused_result]] int head_store_hash(struct head *h, struct hash *ret, uint64_t number,
                                                struct error *why);
[[gnu::warn_unused_result]] int head_store_number(struct head *h, uint64_t *ret,
                                                  const struct hash *hash, struct error *why);
[[gnu::warn_unused_result]] int head_store_tx(struct head *h, uint64_t *ret_number,
                                              size_t *ret_index, const struct hash *tx,
                                              struct error *why);
[[gnu::warn_unused_result]] int head_store_put_mark(struct head *h, const char *name,
                                                    uint64_t number, const struct hash *hash,
                                                    struct error *why);
/* gives ERR_NOT_FOUND when it was never set. */
[[gnu::warn_unused_result]] int head_store_mark(struct head *h, const char *name,
                                                uint64_t *ret_number, struct hash *ret_hash,
                                                struct error *why);

/* head_store_damaged turns a failure of what the store gave into ERR_IO; the text stays. */
int head_store_damaged(struct error *why);

/* head_import.c */

/* head_execute imports a block on a parent of the tree; `work` is held. The new node is in the tree
 * when the verdict is HEAD_VALID. again: whether it is in the store does not count. */
[[gnu::warn_unused_result]] int head_execute(struct head *h, struct head_verdict *ret,
                                             struct bytes rlp, bool again, struct error *why);
/* head_tips_forget drops tries of blocks that are not in the tree any more; all: of all. */
void head_tips_forget(struct head *h, bool all);

/* head_view.c */

/* head_find gives the node of a hash in the tree, NULL for none; `lock` or `work` is held. */
struct head_node *head_find(struct head *h, const struct hash *hash);
/* head_passer_root gives the storage root of the rollup's message passer after the last candidate
 * of s on the view's block. errors  those of the view. */
[[gnu::warn_unused_result]] int head_passer_root(struct hash *ret, const struct state_root *s,
                                                 struct head_view *v, struct error *why);
/* head_view_make opens a view of a node of the tree; `work` is held. */
[[gnu::warn_unused_result]] int head_view_make(struct head *h, struct head_view **ret,
                                               struct head_node *node, struct error *why);

#endif
