/* A state that an execution client keeps, read with proofs: for a builder without a chain of its
 * own on disk.
 *
 * Everything that comes is checked: accounts and slots by eth_getProof against the state root of
 * the block they are asked for (trie/proof.h), code and the nodes of debug_executionWitness by
 * their hash. What does not hold is an error, never a value. What held is kept by hash, so that it
 * counts for later blocks too; the head puts in what its own blocks change (remote_state_note), and
 * so only what was never looked at is asked for.
 *
 *     head_view ──account, slot, code, node──▶ cache ──miss──▶ eth_getProof, eth_getCode
 *     head_import ──remote_state_prepare──▶ debug_executionWitness, or what the block's
 *                                           transactions name, asked for ahead
 *
 * Calls wait for the client. Threads: any. Source: EIP-1186, EIP-1898; geth's and reth's debug
 * namespace. SPDX-License-Identifier: MIT */
#ifndef CHAIN_REMOTE_STATE_H
#define CHAIN_REMOTE_STATE_H

#include "base/log.h"
#include "eth/block.h"
#include "trie/proof_cache.h"
#include "json/json.h"

struct remote_state;

struct remote_state_options {
    /* Makes one JSON-RPC call and waits for its answer, from any thread (rpc_caller_call). */
    int (*call)(void *context, const char *method, struct bytes params, struct arena *a,
                const struct json **ret, struct error *why);
    void *context;
    size_t cache_bytes;  /* of trie nodes, and as much again of code; 0: 512 MiB */
    unsigned prefetches; /* threads that ask ahead; 0: 4 */
    struct log *log;     /* NULL: none */
};

[[gnu::warn_unused_result]] int remote_state_new(struct remote_state **ret,
                                                 const struct remote_state_options *options,
                                                 struct error *why);
void remote_state_free(struct remote_state *s); /* NULL is allowed */

/* The block after which the state is read. */
struct remote_at {
    struct hash block, root;
};

/* Values; what does not exist is zero. storage_root  the account's there.
 * errors  ERR_IO (the client does not answer, or what it answers does not hold), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int remote_state_account(struct remote_state *s,
                                                     const struct remote_at *at,
                                                     const struct address *address,
                                                     struct account *ret, bool *ret_exists,
                                                     struct error *why);
[[gnu::warn_unused_result]] int
remote_state_slot(struct remote_state *s, const struct remote_at *at, const struct address *address,
                  const struct hash *storage_root, const struct u256 *slot, struct u256 *ret,
                  struct error *why);

/* remote_state_code appends the code of a hash that an account had which was read before.
 * errors  as above; ERR_IO also when no such account was. */
[[gnu::warn_unused_result]] int remote_state_code(struct remote_state *s,
                                                  const struct remote_at *at,
                                                  const struct hash *code_hash, struct buf *ret,
                                                  struct error *why);

/* remote_state_node gives a trie node by its hash. Where it is not known, a key below its path is
 * looked for: one that was read, else any number whose hash begins so (REMOTE_SEARCH_DEPTH nibbles
 * at most: seconds), for the client proves keys, not places. Only the neighbours of removed slots
 * need that. owner  as in struct state_node_source.
 * errors  as above. */
#define REMOTE_SEARCH_DEPTH 6u
[[gnu::warn_unused_result]] int
remote_state_node(struct remote_state *s, const struct remote_at *at, const struct hash *owner,
                  const struct trie_path *path, const struct hash *ref, uint8_t ret[TRIE_NODE_MAX],
                  size_t *ret_n, struct error *why);

/* remote_state_note takes in a node that was computed here. Without memory it is asked for later.
 */
void remote_state_note(struct remote_state *s, struct bytes node);

/* remote_state_prepare gets ahead what executing a block on `at` will need. A hint: failures show
 * when something is read. senders  one a transaction. */
void remote_state_prepare(struct remote_state *s, const struct remote_at *at,
                          const struct block *block, const struct address *senders);

/* remote_state_prefetch asks ahead for an account and slots, and returns at once. Dropped when too
 * much waits. remote_state_prefetch_tx: what a transaction names. */
void remote_state_prefetch(struct remote_state *s, const struct remote_at *at,
                           const struct address *address, const struct hash *slots,
                           size_t slot_count);
void remote_state_prefetch_tx(struct remote_state *s, const struct remote_at *at,
                              const struct tx *t, const struct address *sender);

/* Where a chain begins that has its state from the client. */
#define REMOTE_ANCESTORS 255
struct remote_anchor {
    struct header header; /* in the arena */
    struct hash hash;
    struct hash ancestors[REMOTE_ANCESTORS]; /* the parent's first */
    size_t ancestor_count;
};

/* remote_state_anchor gives the client's newest block, and its ancestors' hashes as the headers
 * show them. errors  as above; ERR_UNSUPPORTED (a header of another form than is known here). */
[[gnu::warn_unused_result]] int remote_state_anchor(struct remote_state *s,
                                                    struct remote_anchor *ret, struct arena *a,
                                                    struct error *why);

struct remote_counts {
    uint64_t proofs;     /* asked for */
    uint64_t codes;      /* asked for */
    uint64_t witnesses;  /* that were given */
    uint64_t refused;    /* answers that did not hold */
    uint64_t searches;   /* keys looked for */
    size_t cached_bytes; /* of nodes */
};
void remote_state_count(struct remote_state *s, struct remote_counts *ret);

#endif
