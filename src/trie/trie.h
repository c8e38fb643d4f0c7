/* Sparse Merkle-Patricia tries with 32-byte keys: what state and storage roots are computed with.
 *
 * A trie knows its root and as much of what is below as has been revealed or inserted; the rest is
 * known by reference only (a hash, or a node shorter than 32 bytes as it stands in its parent).
 * Updates come as a batch sorted by key and visit every node once; they mark what has changed.
 * trie_hash then brings references up to date, level by level from the deepest and across any
 * number of tries, so that Keccak's SIMD lanes are full.
 *
 *      changes ──trie_apply──▶ dirty paths ──trie_hash──▶ roots
 *                  ▲
 *      source (proofs, store): nodes that are missing on the way, checked against their reference
 *
 * Nodes live in a pool and are named by 32-bit handles; nothing is allocated per node. Many tries
 * share one pool. Not here: what keys and values mean (trie/state_root.h), tries with other keys
 * (trie/trie_plain.h), disk (trie/store.h).
 *
 * Thread: a pool and its tries belong to one thread at a time, but trie_hash uses a team.
 * Source: yellow paper, appendix D; docs/state-root.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_TRIE_H
#define TRIE_TRIE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIE_VALUE_MAX 112 /* bytes of a value; an account needs 110 */
#define TRIE_NODE_MAX 532  /* bytes of the longest node (a full branch) */
#define TRIE_DEPTH_MAX 64  /* nibbles of a key */

/* A reference as a parent holds it: a 32-byte hash, or the RLP of a node shorter than that. */
struct trie_ref {
    uint8_t n; /* 0: no node; 1..31: that many bytes of RLP; 32: a hash */
    uint8_t b[32];
};

struct trie_pool;

/* trie_pool_create makes an empty pool. limit_bytes: most memory for nodes, 0 for none.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_pool_create(struct trie_pool **ret, size_t limit_bytes,
                                                 struct error *why);
void trie_pool_free(struct trie_pool *pool);

/* trie_pool_set_lanes has nodes hashed so many at once (1, 4 or 8, where the processor can) instead
 * of as many as it has. For comparison. */
void trie_pool_set_lanes(struct trie_pool *pool, unsigned lanes);

/* trie_pool_share: from true until false, several threads may work at the pool, each with tries
 * that no other one looks at: trie_apply without a source, trie_release, trie_list, trie_overwrite.
 */
void trie_pool_share(struct trie_pool *pool, bool shared);

/* trie_pool_reset forgets all nodes of all tries at once and keeps the memory. */
void trie_pool_reset(struct trie_pool *pool);

/* trie_pool_bytes gives the memory that nodes occupy. */
size_t trie_pool_bytes(const struct trie_pool *pool);

struct trie {
    uint32_t root;       /* handle; 0 when the root is known by reference only, or empty */
    uint32_t gone;       /* handle of the first path that was left, for trie_store_changes */
    bool dirty;          /* ref is out of date */
    bool stored;         /* paths that are left are noted for a store; set by the owner */
    struct trie_ref ref; /* n = 0: empty trie */
};

/* trie_init makes a trie that is known by its root hash (TRIE_EMPTY_ROOT: the empty one). */
void trie_init(struct trie *t, const struct hash *root);

/* trie_release gives the nodes of a trie back to the pool; t becomes the empty trie. */
void trie_release(struct trie_pool *pool, struct trie *t);

/* A place in a trie: the first `depth` nibbles of key, two a byte, high nibble first. */
struct trie_path {
    uint8_t key[32]; /* nibbles from depth on are zero */
    uint8_t depth;
};

/* A node that is needed and only known by reference. */
struct trie_missing {
    struct trie_path path;
    struct trie_ref ref;
};

/* Where missing nodes come from. get gives the RLP of the node at `path` (valid until the next
 * call), 0, or ERR_NOT_FOUND (the trie then reports it as missing), or another error.
 * trusted: nodes are not hashed again to be checked against their reference. */
struct trie_source {
    int (*get)(void *arg, const struct trie_path *path, const struct trie_ref *ref,
               struct bytes *ret, struct error *why);
    void *arg;
    bool trusted;
};

/* Receives the missing nodes of a call, some of them twice; by the calling thread only. */
struct trie_missing_sink {
    void (*add)(void *arg, const struct trie_missing *missing);
    void *arg;
};

/* trie_reveal makes one node known. A node that is known already is left as it is.
 * path   where it stands; every node above it must be known.
 * node   its RLP. Checked against the reference in its parent (or the root).
 * errors ERR_INVALID (does not match its reference), ERR_SYNTAX (not a node),
 *        ERR_NOT_FOUND (a node above is unknown, or nothing stands there), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_reveal(struct trie_pool *pool, struct trie *t,
                                            const struct trie_path *path, struct bytes node,
                                            struct error *why);

/* trie_get reads the value of a key.
 * ret     points into the pool until the trie changes; n = 0: the key is absent.
 * source  for nodes on the way; may be NULL.
 * errors  ERR_NOT_FOUND: *ret_missing (if not NULL) says which node; those of the source. */
[[gnu::warn_unused_result]] int trie_get(struct trie_pool *pool, struct trie *t,
                                         const struct hash *key, const struct trie_source *source,
                                         struct bytes *ret, struct trie_missing *ret_missing,
                                         struct error *why);

/* One update. The caller fills key and value and clears old_known. */
struct trie_change {
    struct hash key;
    uint8_t value_n; /* 0: the key is removed */
    bool old_known;  /* old and old_n hold what stood here before the first trie_apply */
    uint8_t old_n;   /* 0: the key was absent */
    uint8_t value[TRIE_VALUE_MAX];
    uint8_t old[TRIE_VALUE_MAX];
};

/* trie_change_compare orders changes by key, for qsort. */
int trie_change_compare(const void *a, const void *b);

/* trie_apply makes changes that are sorted by key, no key twice.
 * Nodes that are missing are taken from the source; those that it does not have go to the sink, all
 * that can be seen at once. The trie is then between two states: reveal them and apply the same
 * array again (what was made stays made, old values stay those of the first time).
 * source, sink  may be NULL.
 * errors  ERR_NOT_FOUND (nodes are missing), ERR_NO_MEMORY, ERR_LIMIT, those of the source. */
[[gnu::warn_unused_result]] int trie_apply(struct trie_pool *pool, struct trie *t,
                                           struct trie_change *changes, size_t count,
                                           const struct trie_source *source,
                                           const struct trie_missing_sink *sink, struct error *why);

/* Work done, so that a time can be explained. */
struct trie_stats {
    uint64_t nodes_hashed;
    uint64_t permutations; /* of keccak-f[1600], for nodes */
    uint64_t nodes_revealed;
};

struct trie_team;

/* trie_hash brings the references of all given tries up to date; afterwards t->ref is the root.
 * team   threads that take part beside the caller; NULL: none.
 * stats  added to; may be NULL.
 * errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_hash(struct trie_pool *pool, struct trie *const *tries,
                                          size_t count, struct trie_team *team,
                                          struct trie_stats *stats, struct error *why);

/* Changed nodes, listed to be hashed. The same in two steps, so that listing can follow trie_apply
 * at once, while the nodes are near, and threads can each list what they changed. */
struct trie_work;

/* trie_work_create makes an empty list. errors ERR_NO_MEMORY. trie_work_free: NULL is allowed. */
[[gnu::warn_unused_result]] int trie_work_create(struct trie_work **ret, struct error *why);
void trie_work_free(struct trie_work *work);
void trie_work_reset(struct trie_work *work);

/* trie_list lists what changed in a trie; its reference counts as up to date from then on.
 * errors  ERR_NO_MEMORY: what is listed is of no use. */
[[gnu::warn_unused_result]] int trie_list(const struct trie_pool *pool, struct trie *t,
                                          struct trie_work *work, struct error *why);

/* The way to a key, as trie_overwrite leaves it: known until trie_apply or trie_release has the
 * trie. Zero: not known. */
struct trie_way; /* trie/trie_node.h */

/* Changes of one trie among those of many. */
struct trie_batch {
    struct trie *trie;
    struct trie_change *changes; /* as trie_apply wants them */
    size_t count;
    struct trie_way **ways; /* NULL, or a place for each change's way */
    bool done;              /* set by trie_overwrite */
};

/* trie_overwrite does trie_apply's and trie_list's work for those batches whose changes do nothing
 * but put values into leaves that are there and known, and sets their `done`. What is left is as it
 * was, but near: its known nodes were asked for. All keys go down side by side, so nothing waits
 * for one line of memory at a time; best for some tens of keys and more. A trie can have several
 * batches. One that trie_apply changed is left until it is listed. Leaves that `work` lists from
 * before may be hashed meanwhile.
 * errors  ERR_NO_MEMORY: what is listed is of no use, and some batches are made. */
[[gnu::warn_unused_result]] int trie_overwrite(const struct trie_pool *pool,
                                               struct trie_batch *batches, size_t count,
                                               struct trie_work *work, struct error *why);

/* trie_hash_listed hashes all that up to TRIE_TEAM_MAX lists hold, before any of these tries
 * changes again, and empties them. team, stats  as in trie_hash. */
void trie_hash_listed(const struct trie_pool *pool, struct trie_work *const *works, size_t count,
                      struct trie_team *team, struct trie_stats *stats);

/* trie_root gives the root hash of a trie that is up to date. */
struct hash trie_root(const struct trie *t);

/* trie_prove walks from the root towards key and gives each node's RLP, the root first, as
 * eth_getProof lists them (nodes shorter than 32 bytes stand in their parent and are not listed).
 * The trie must be up to date.
 * each    called for each node; the bytes are valid during the call.
 * errors  ERR_NOT_FOUND (missing node), ERR_INTERNAL (not up to date), those of source. */
[[gnu::warn_unused_result]] int trie_prove(struct trie_pool *pool, struct trie *t,
                                           const struct hash *key, const struct trie_source *source,
                                           void (*each)(void *arg, struct bytes node), void *arg,
                                           struct error *why);

/* Differences between what a path-keyed store holds and the trie, since the last call. */
struct trie_store_sink {
    /* The node at path has this RLP now (n = 0: nothing stands there any more). */
    int (*put)(void *arg, const struct trie_path *path, struct bytes node, struct error *why);
    void *arg;
};

/* trie_store_changes gives every node that was changed, added or removed since the trie was made or
 * last stored. The trie must be up to date. Removals come before additions; a path can be in both.
 * errors  those of the sink, ERR_NO_MEMORY, ERR_INTERNAL (not up to date). */
[[gnu::warn_unused_result]] int trie_store_changes(struct trie_pool *pool, struct trie *t,
                                                   const struct trie_store_sink *sink,
                                                   struct error *why);

#endif
