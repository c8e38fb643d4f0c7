/* Scenario: what a load consists of: contracts, what prepares them, and what is sent.
 *
 * A TOML file in the form that contender reads: [env], [[create]], [[setup]], and [[spam]] with
 * [spam.tx] or [[spam.bundle.tx]]. "{name}" in texts stands for a contract's address or a value of
 * [env], "{_sender}" for the sender. Ours beside it: `assembly` in place of `bytecode`
 * (assembler.h), `weight` of a spam entry, and of bundles `reverting = true`, `conflicts = N` (so
 * many bundles of one sender and nonce, of which one can land), `replacements = N` (so many bundles
 * of one replacement id, of which the last counts).
 *
 * Built in: transfers, erc20, swaps, storage, gas, blobs, bundles, conflicts, reverts,
 * replacements, mix. Not read: `scenario:` names that are fetched from elsewhere. Source:
 * flashbots/contender, scenario files. Pure. Thread: any. SPDX-License-Identifier: MIT */
#ifndef LOAD_SCENARIO_H
#define LOAD_SCENARIO_H

#include "base/arena.h"
#include "base/error.h"
#include "base/u256.h"

#define SCENARIO_BYTES_MAX (4u << 20)
#define SCENARIO_STEPS_MAX 256
#define SCENARIO_BUNDLE_TXS_MAX 100

struct scenario_variable {
    struct bytes name, value;
};

struct scenario_create {
    struct bytes name, bytecode; /* bytecode: hex or code; see is_code */
    bool is_code;                /* `bytecode` is bytes, not hex digits with {names} in them */
    struct bytes signature;      /* of the constructor; empty: no arguments */
    const struct bytes *args;
    size_t arg_count;
    struct bytes from_pool; /* empty: the funding account */
};

/* What is made different each time. */
struct scenario_fuzz {
    struct bytes param;       /* name of a parameter; empty: value or the priority fee */
    bool value, priority_fee; /* these instead of a parameter */
    bool bounded;
    struct u256 min, max;
};

struct scenario_access {
    struct bytes address;
    const struct bytes *keys;
    size_t key_count;
};

struct scenario_tx {
    struct bytes to; /* empty: creates nothing, is refused when read */
    struct bytes from_pool, kind;
    struct bytes signature; /* "transfer(address to, uint256 amount)"; empty: no call data */
    const struct bytes *args;
    size_t arg_count;
    struct bytes value;         /* text: "0.01 eth"; empty: 0 */
    struct bytes blob_data;     /* hex; has_blob tells */
    struct bytes authorization; /* address that the sender delegates to; empty: none */
    const struct scenario_access *access;
    size_t access_count;
    const struct scenario_fuzz *fuzz;
    size_t fuzz_count;
    uint64_t gas_limit; /* 0: estimated once */
    bool has_blob, for_all_accounts;
};

struct scenario_spam {
    const struct scenario_tx *txs;
    size_t tx_count;
    bool bundle;
    uint64_t weight;
    uint64_t conflicts, replacements; /* 0: none */
    bool reverting;                   /* its transactions may revert */
};

struct scenario {
    struct bytes name;
    const struct scenario_variable *env;
    size_t env_count;
    const struct scenario_create *creates;
    size_t create_count;
    const struct scenario_tx *setups;
    size_t setup_count;
    const struct scenario_spam *spams;
    size_t spam_count;
};

/* scenario_parse reads a scenario; everything lies in `a`.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_NOT_FOUND (nothing to send), ERR_LIMIT. */
[[gnu::warn_unused_result]] int scenario_parse(struct scenario *ret, struct bytes toml,
                                               struct arena *a, struct error *why);

/* scenario_builtin gives the text of a built-in one; false: there is none of that name.
 * scenario_builtin_name: the i-th name, NULL behind the last. */
bool scenario_builtin(struct bytes *ret, const char *name);
const char *scenario_builtin_name(size_t i);

/* scenario_amount reads "0.01 eth", "10 gwei", "5", "0x1f" as wei. errors  ERR_SYNTAX, ERR_RANGE.
 */
[[gnu::warn_unused_result]] int scenario_amount(struct u256 *ret, struct bytes text,
                                                struct error *why);

#endif
