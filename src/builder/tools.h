/* Verbs of `buildernet builder` that are no service, as config_run_verb runs them: argv[1] is the
 * verb. SPDX-License-Identifier: MIT */
#ifndef BUILDER_TOOLS_H
#define BUILDER_TOOLS_H

#define BACKTEST_FLAGS                                                                             \
    "PATH is a recorded block: its folder or block.json, with pre_state.json beside it and\n"      \
    "codes.json there or above.\n"                                                                 \
    "  --block PATH       a block; may be given more than once\n"                                  \
    "  --orders FILE      requests: a JSON array, or one a line; without it the block's own\n"     \
    "                     transactions, shuffled\n"                                                \
    "  --seed N           of the shuffle and of random sequences (default 1)\n"                    \
    "  --refine N         sequences to try after each algorithm (default 3000; explain 0)\n"       \
    "  --algorithm NAME   only this one\n"                                                         \
    "  --json             a line of JSON a block\n"

#define REFUNDS_FLAGS                                                                              \
    "Who paid what, what the block would have been worth without them, what they get back.\n"      \
    "  --records-folder PATH  where the builder keeps its records, for BLOCK\n"                    \
    "  --signer ADDRESS       only a record of this signer\n"                                      \
    "  --json                 the record as JSON\n"                                                \
    "  --csv                  block_number,block_hash,address,amount\n"

#define ORDER_FLAGS                                                                                \
    "When it came, what its simulation said in each slot, in how many bids it was, why it was "    \
    "left\n"                                                                                       \
    "out, whether it landed, and why it is there no more. HASH is that of a bundle or of one of\n" \
    "its transactions.\n"                                                                          \
    "  --url URL   the builder's port of all metrics (default http://127.0.0.1:6069)\n"            \
    "  --json      what the builder answers, as it is\n"

int builder_backtest(int argc, char **argv);
int builder_explain(int argc, char **argv);

/* builder_refunds: the signed records of a landed block, checked and explained. */
int builder_refunds(int argc, char **argv);

/* builder_order: what became of an order at a running builder. */
int builder_order(int argc, char **argv);

#endif
