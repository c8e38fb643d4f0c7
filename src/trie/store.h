/* What a node keeps of the head state: flat accounts and slots for execution, and trie nodes keyed
 * by their path for roots and proofs, with the number and root of the block that they belong to.
 *
 * Writes are collected and take effect together at trie_store_commit, with the block's number, hash
 * and root: a reader, and a process that starts after a crash, sees all of a block or nothing.
 * Reads give what was committed last. Two members: memory (tests, devnets) and LMDB (disk).
 *
 *     state_root_advance ─▶ trie_store_put_block ─▶ trie_store_commit
 *     trie_store_source ─▶ state_root_create(head.root)
 *
 * Keys: flat accounts by keccak256(address), flat slots by that and keccak256(slot); nodes by owner
 * (keccak256(address), none for the account trie) and path. A path takes 16 bytes, 33 beyond 30
 * nibbles. Code, blocks and what else belongs to the same commit stand beside, as plain tables.
 * Thread: any may read; writes and commits belong to one thread at a time, beside readers.
 * docs/state-root.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_STORE_H
#define TRIE_STORE_H

#include "trie/state_root.h"

struct trie_store;

/* trie_store_open_memory makes an empty store in memory. After ERR_NO_MEMORY from a commit it gives
 * only errors. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_store_open_memory(struct trie_store **ret, struct error *why);

struct trie_store_lmdb_options {
    size_t map_bytes; /* of address space to begin with, 0: 1 GiB; doubled whenever it is full */
    bool relaxed;     /* a power cut may cost the last blocks (never a part of one); faster */
};

/* trie_store_open_lmdb opens the store in a folder, which is made if it is missing. One process at
 * a time has it open. options  NULL: none set.
 * errors  ERR_BUSY (another process has it open), ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_store_open_lmdb(struct trie_store **ret, const char *folder,
                                                     const struct trie_store_lmdb_options *options,
                                                     struct error *why);

/* trie_store_close also drops what was not committed. */
void trie_store_close(struct trie_store *s);

/* The block that the content belongs to. */
struct trie_store_head {
    uint64_t number;
    struct hash hash; /* of the block */
    struct hash root; /* of the state */
};

/* Reads. A value is copied to ret; *ret_n is its length.
 * errors  ERR_NOT_FOUND (nothing there; an empty store has no head), ERR_IO. */
[[gnu::warn_unused_result]] int trie_store_head(struct trie_store *s, struct trie_store_head *ret,
                                                struct error *why);
[[gnu::warn_unused_result]] int trie_store_account(struct trie_store *s, const struct hash *key,
                                                   struct account *ret, struct error *why);
[[gnu::warn_unused_result]] int trie_store_slot(struct trie_store *s, const struct hash *owner,
                                                const struct hash *key, struct u256 *ret,
                                                struct error *why);
[[gnu::warn_unused_result]] int trie_store_node(struct trie_store *s, const struct hash *owner,
                                                const struct trie_path *path,
                                                uint8_t ret[TRIE_NODE_MAX], size_t *ret_n,
                                                struct error *why);

/* trie_store_flat_root computes the state root of the flat accounts and slots, from nothing: for
 * whoever doubts a store. It holds the whole state in memory meanwhile; no block is committed on
 * the same thread.
 * errors  ERR_INVALID (an account's slots do not have its storage root, with the owner in the text;
 *         a key of another length), ERR_SYNTAX (an account that is none), ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int trie_store_flat_root(struct trie_store *s, struct hash *ret,
                                                     struct error *why);

/* Writes, collected until the commit, of several to one place the last counts.
 * account   NULL removes it (its storage is removed by trie_store_clear).
 * value     zero removes the slot.   node  n = 0 removes it, at most TRIE_NODE_MAX bytes.
 * clear     removes all slots and nodes of an owner that were there before.
 * errors    ERR_NO_MEMORY, ERR_LIMIT (node too long). */
[[gnu::warn_unused_result]] int trie_store_put_account(struct trie_store *s, const struct hash *key,
                                                       const struct account *account,
                                                       struct error *why);
[[gnu::warn_unused_result]] int trie_store_put_slot(struct trie_store *s, const struct hash *owner,
                                                    const struct hash *key, struct u256 value,
                                                    struct error *why);
[[gnu::warn_unused_result]] int trie_store_put_node(struct trie_store *s, const struct hash *owner,
                                                    const struct trie_path *path, struct bytes node,
                                                    struct error *why);
[[gnu::warn_unused_result]] int trie_store_clear(struct trie_store *s, const struct hash *owner,
                                                 struct error *why);

/* trie_store_put_block collects all that a block changed.
 * state    made with `stored`; its last candidate had these changes and has been advanced to.
 * errors   as above; what was collected is dropped then, and the state is of no more use: make a
 *          new one at the store's head. So after a failed commit. */
[[gnu::warn_unused_result]] int trie_store_put_block(struct trie_store *s, struct state_root *state,
                                                     const struct state_account_change *changes,
                                                     size_t count, struct error *why);

/* What the chain keeps beside the state, in the same commits. What keys and values mean is the
 * chain's matter (chain/head_store.h); a removed or never written key is ERR_NOT_FOUND. */
enum trie_store_table {
    TRIE_STORE_CODES,
    TRIE_STORE_BLOCKS,
    TRIE_STORE_OUTCOMES,
    TRIE_STORE_HASHES,
    TRIE_STORE_TXS,
    TRIE_STORE_MARKS,
    TRIE_STORE_TABLES,
};

/* trie_store_get appends a value to ret.   errors  ERR_NOT_FOUND, ERR_IO, those of the buf.
 * trie_store_put collects a write; value.n = 0 removes.
 * key     1 to 64 bytes.   value  below 4 GiB.   errors  ERR_NO_MEMORY, ERR_LIMIT. */
[[gnu::warn_unused_result]] int trie_store_get(struct trie_store *s, enum trie_store_table table,
                                               struct bytes key, struct buf *ret,
                                               struct error *why);
[[gnu::warn_unused_result]] int trie_store_put(struct trie_store *s, enum trie_store_table table,
                                               struct bytes key, struct bytes value,
                                               struct error *why);

/* trie_store_commit makes everything collected durable at once, with the head it leads to (NULL:
 * the head stays).
 * errors  ERR_IO (disk full), ERR_NO_MEMORY (also of address space, and when a write before it
 *         found none); the store is as it was and what was collected is dropped. */
[[gnu::warn_unused_result]] int
trie_store_commit(struct trie_store *s, const struct trie_store_head *head, struct error *why);

/* trie_store_abort drops what was collected. */
void trie_store_abort(struct trie_store *s);

/* A source of nodes for one state_root; each thread has its own. Nodes are checked against their
 * references, so a store that has moved on shows as ERR_INVALID or as missing nodes. */
struct trie_store_source {
    struct trie_store *store;
    uint8_t node[TRIE_NODE_MAX];
};
struct state_node_source trie_store_source(struct trie_store_source *s, struct trie_store *store);

#endif
