/* Proofs of accounts and storage slots (EIP-1186), checked against a root and made from a state.
 *
 * A proof is the nodes on the way from the root to a key, the root first; nodes shorter than 32
 * bytes stand in their parent and are not listed. It shows what stands at the key, or that nothing
 * does. Checking is strict: every node hashes to the reference above it and has the one allowed
 * form, none is missing, none is left over. So no byte of a proof can be changed unnoticed.
 *
 * Source: EIP-1186; yellow paper, appendix D. Any thread; checking allocates nothing.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_PROOF_H
#define TRIE_PROOF_H

#include "trie/account.h"
#include "json/json.h"
#include "json/write.h"

#define PROOF_NODES_MAX 65    /* of one key: one for each nibble, and the leaf */
#define PROOF_SLOTS_MAX 65536 /* of one account, in JSON */

struct proof {
    const struct bytes *nodes; /* root first */
    size_t count;
};

/* proof_check walks a proof of one key.
 * key     as it stands in the trie, that is hashed.
 * ret     the value, within the proof's last node; n = 0: proved that the key is absent.
 * differs an empty trie may be shown by no node, or by its own encoding (0x80).
 * errors  ERR_INVALID (a node that does not hash to its reference, is missing or left over, or of
 *         a form that no trie has), ERR_SYNTAX (not RLP), ERR_LIMIT (a node that is too long). */
[[gnu::warn_unused_result]] int proof_check(struct bytes *ret, const struct hash *root,
                                            const struct hash *key, const struct proof *proof,
                                            struct error *why);

/* Where the nodes of a walk come from, by hash. get gives the node of `ref`, good until the next
 * call, which the source has checked to hash to it; depth is that of the node, in nibbles. */
struct proof_source {
    int (*get)(void *arg, struct bytes *ret, const struct hash *ref, unsigned depth,
               struct error *why);
    void *arg;
};

/* proof_walk looks a key up, node by node, as strictly as proof_check.
 * ret     the value, within the node that came last; n = 0: the key is absent.
 * errors  those of the source and of proof_check. */
[[gnu::warn_unused_result]] int proof_walk(struct bytes *ret, const struct hash *root,
                                           const struct hash *key,
                                           const struct proof_source *source, struct error *why);

struct proof_slot {
    struct hash key; /* slot number, big-endian */
    struct u256 value;
    struct proof proof;
};

/* An account as eth_getProof gives it, with what the proofs are to show. */
struct account_proof {
    struct address address;
    struct account account;
    struct proof proof;
    const struct proof_slot *slots;
    size_t slot_count;
};

/* account_proof_check checks the account's proof and all slots against a state root: what it says
 * is what stands there.
 * ret_exists  whether the account is there; may be NULL. One that is not has no nonce, no balance
 *             and the code hash and storage root of an empty one (or zero, as some nodes write).
 * errors      those of proof_check; ERR_INVALID when it says something else than it proves. */
[[gnu::warn_unused_result]] int account_proof_check(bool *ret_exists, const struct account_proof *p,
                                                    const struct hash *root, struct error *why);

/* account_proof_decode reads an eth_getProof result.
 * ret     its parts stand in the arena. Slot keys may be of 32 bytes or numbers, values may have
 *         leading zeros.
 * errors  ERR_NOT_FOUND, ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int account_proof_decode(struct account_proof *ret,
                                                     const struct json *in, struct arena *a,
                                                     struct error *why);

/* account_proof_encode writes an eth_getProof result. Failures are kept in the writer's buf. */
void account_proof_encode(struct json_writer *w, const char *key, const struct account_proof *p);

struct state_root;

/* account_proof_make proves an account and slots in the state of the last computed candidate of s
 * (state_root_prove).
 * slots   slot numbers, big-endian.   ret  stands in the arena.
 * errors  ERR_NOT_FOUND (a node is missing), ERR_LIMIT (arena), those of the source. */
[[gnu::warn_unused_result]] int account_proof_make(struct account_proof *ret, struct state_root *s,
                                                   const struct address *address,
                                                   const struct hash *slots, size_t slot_count,
                                                   struct arena *a, struct error *why);

#endif
