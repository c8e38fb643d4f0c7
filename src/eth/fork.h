/* Forks of the execution layer: which is active when, and what each changes outside the
 * interpreter (transaction rules, blob parameters). A new fork is a row in two tables.
 *
 * Chain configurations are read from and named as in geth's genesis files (genesis.h reads them).
 * Opcode and precompile tables stand in evm/.
 * Source: the EIPs named at each field; mainnet activations of ethereum/go-ethereum params.
 * Constant data and pure functions; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_FORK_H
#define ETH_FORK_H

#include "base/bytes.h"
#include "base/u256.h"
#include "eth/op.h"

#include <stdbool.h>
#include <stdint.h>

/* In order of activation; each includes what came before. Forks that only moved the difficulty
 * bomb or the blob parameters do not appear: nothing else depends on them. */
enum fork {
    FORK_FRONTIER,
    FORK_HOMESTEAD,
    FORK_TANGERINE, /* EIP-150 */
    FORK_SPURIOUS,  /* EIP-155, 158, 161, 170 */
    FORK_BYZANTIUM,
    FORK_CONSTANTINOPLE,
    FORK_PETERSBURG, /* Constantinople without EIP-1283 */
    FORK_ISTANBUL,
    FORK_BERLIN,
    FORK_LONDON,
    FORK_PARIS, /* proof of stake */
    FORK_SHANGHAI,
    FORK_CANCUN,
    FORK_PRAGUE,
    FORK_OSAKA,
    FORK_COUNT,
};

/* fork_name gives the name of the reference tests ("EIP158", "ConstantinopleFix", "Cancun");
 * fork_parse reads such a name and the usual synonyms (Tangerine, SpuriousDragon, Petersburg,
 * Merge, BPO1..BPO5 as Osaka), case-insensitive; -1 for others. */
const char *fork_name(enum fork f);
int fork_parse(struct bytes name);

/* What a fork changes for a transaction before it runs. */
struct fork_rules {
    enum fork fork;
    bool low_s;                /* signatures with s > n/2 are refused (EIP-2) */
    bool replay_protection;    /* legacy transactions may name a chain (EIP-155) */
    bool typed_1;              /* access lists (EIP-2930) */
    bool typed_2;              /* fee market (EIP-1559) */
    bool typed_3;              /* blobs (EIP-4844) */
    bool typed_4;              /* set code (EIP-7702) */
    uint8_t nonzero_gas;       /* calldata byte that is not zero: 68, 16 (EIP-2028) */
    uint8_t floor_token_gas;   /* floor per calldata token, 0 for no floor (EIP-7623) */
    uint16_t create_gas;       /* a transaction that creates (EIP-2) */
    uint8_t initcode_word_gas; /* 0 for none (EIP-3860) */
    uint32_t initcode_max;     /* bytes of a creating transaction, 0 for no limit (EIP-3860) */
    uint64_t gas_max;          /* of one transaction, 0 for no limit (EIP-7825) */
    uint8_t blobs_per_tx_max;  /* 0 for no limit but the block's (EIP-7594) */
    bool cell_proofs;          /* sidecars carry cell proofs (EIP-7594) */
    uint32_t block_rlp_max;    /* bytes of a block, 0 for no limit (EIP-7934) */
};

/* fork_rules_of gives the constant row of a fork. */
const struct fork_rules *fork_rules_of(enum fork f);

/* Blob parameters; a row counts from its time until the next (EIP-7840, EIP-7892). */
struct blob_params {
    uint64_t from;            /* timestamp in seconds */
    uint32_t target;          /* blobs a block */
    uint32_t max;             /* blobs a block */
    uint64_t update_fraction; /* of the blob base fee */
};

#define FORK_NEVER UINT64_MAX
#define BLOB_SCHEDULE_MAX 16

#define GAS_PER_BLOB 131072u
#define BLOB_BASE_FEE_MIN 1u

struct chain_config {
    uint64_t chain_id;
    /* Activation of each fork: a block number up to London, a timestamp from Shanghai on,
     * FORK_NEVER for none. [FORK_PARIS] is a block number where it is known
     * (mergeNetsplitBlock), else FORK_NEVER: the merge happens by total difficulty. */
    uint64_t activation[FORK_COUNT];
    uint64_t dao_block; /* FORK_NEVER where the chain did not move the DAO's balances */
    struct u256 terminal_total_difficulty;
    bool has_terminal_total_difficulty;
    bool requests_optional; /* a chain without the contracts of EIP-7002 and 7251 has no requests;
                               else its blocks are invalid, as the EIPs say */
    struct address deposit_contract;             /* whose logs are deposit requests (EIP-6110) */
    struct blob_params blobs[BLOB_SCHEDULE_MAX]; /* sorted by time */
    unsigned blobs_count;
    struct op_config op; /* not enabled: a chain of Ethereum's own rules */
};

/* chain_config_named gives mainnet, sepolia, holesky or hoodi; NULL for other names. */
const struct chain_config *chain_config_named(struct bytes name);

/* chain_config_all_at makes a configuration in which `f` and all before it are active from the
 * genesis, with mainnet's blob parameters of that fork. For tests and tools. */
void chain_config_all_at(struct chain_config *ret, enum fork f, uint64_t chain_id);

/* chain_config_at_name is chain_config_all_at of a name that fork_parse reads, with the blob
 * parameters that go with it where the name is one of their own (BPO1, BPO2; of later ones none are
 * known, and those of BPO2 count). Gives the fork, -1 for other names. */
int chain_config_at_name(struct chain_config *ret, struct bytes name, uint64_t chain_id);

/* chain_config_add_blobs puts a row into the blob schedule at its place, replacing one of the same
 * time; false when it is full. */
bool chain_config_add_blobs(struct chain_config *c, struct blob_params row);

/* chain_fork_at gives the fork of a block.
 * merged  the block is one of proof of stake (its header's difficulty is 0). Counts only on chains
 *         that have a terminal total difficulty; needed between it and the configured block. */
enum fork chain_fork_at(const struct chain_config *c, uint64_t number, uint64_t timestamp,
                        bool merged);

/* chain_blobs_at gives the blob parameters at a timestamp; NULL before Cancun. */
const struct blob_params *chain_blobs_at(const struct chain_config *c, uint64_t timestamp);

#endif
