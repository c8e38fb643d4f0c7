/* A little world for the builder's tests and benchmarks: rich accounts, some contracts, and orders
 * written as text.
 *
 *     tx a.pay:10                        a transaction of account a that pays 10 finney
 *     bundle a.pay:10 b.revert rev=2     the second may revert
 *     share a.pay:1 (b.pay:2 cfg=c:100) refund=1:50
 *
 * A transaction is SENDER.ACTION[:NUMBER][@NONCE][^TIP]; NONCE defaults to the sender's next one
 * in this world, TIP is in gwei (default 0). Accounts a to y are rich, p is poor, z is the
 * builder.
 *   pay:V     gives V finney to the coinbase           tip      sends nothing to account y
 *   once:V    the same, and only the first caller      revert   fails
 *   set       sets a flag                              back:V   pays V finney if the flag is set
 *   gas:N     a limit of N thousand                    cheap    offers less than the base fee
 *   list      calls a listed address                   blob:N   with N blobs
 *   blobforged:N  with N blobs whose proofs are wrong
 *   deep      calls a contract that calls a listed one
 *   allowX    carries an authorization of account X for its next nonce (EIP-7702)
 * Options of a bundle: rev=1,2 drop=1 pct=50 to=r of=1 delayed block=N min=N max=N uuid=N nonce=N
 * signer=a v=v1; `to` takes D (takes money at a price), X (takes none), L (burns all its gas) too.
 * Of a share bundle: block=N..M refund=IDX:PCT cfg=ACC:PCT uuid nonce signer; an
 * item (…)?, tx? or tx! is one that may revert, or is dropped when it does.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_TESTING_H
#define BUILDER_TESTING_H

#include "builder/algorithm.h"
#include "builder/block_list.h"
#include "builder/scene.h"

#define WORLD_BLOCK 100u
#define WORLD_TIME 5000u

struct world {
    struct scene scene;
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key keys[26];
    struct address accounts[26];
    uint64_t nonces[26]; /* next one of each account */
    struct block_list *listed;
    struct job *job;
    struct fill_options options;
    struct scene_run sim_run, run;
    struct block_fill sim, fill;
    bool begun;
    struct arena memory;
};

/* world_init fails the test on errors. base_fee in gwei. */
void world_init(struct world *w);
void world_free(struct world *w);

/* world_order reads one order. *ret is NULL and why set when it is refused, or a cancellation. */
[[gnu::warn_unused_result]] int world_order(struct world *w, struct build_request *ret,
                                            const char *text, struct error *why);

/* world_begin makes the job and its runs; world_add puts an order in; world_simulate works the
 * queue off. */
void world_begin(struct world *w);
const struct job_entry *world_add(struct world *w, const char *text);
void world_simulate(struct world *w);

/* world_describe writes what stands in the fill: "a0 b1! >c" are a's nonce 0, b's nonce 1 that
 * failed, and a payout to c. In the world's memory. */
const char *world_describe(struct world *w, const struct block_fill *f);

/* world_verify executes the candidate again from nothing and compares. */
void world_verify(struct world *w, struct block_fill *f);

struct u256 world_finney(uint64_t n);

#endif
