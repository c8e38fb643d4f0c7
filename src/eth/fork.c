/* SPDX-License-Identifier: MIT */
#include "eth/fork.h"

#include <strings.h>

static const char *const names[FORK_COUNT] = {
    [FORK_FRONTIER] = "Frontier",
    [FORK_HOMESTEAD] = "Homestead",
    [FORK_TANGERINE] = "EIP150",
    [FORK_SPURIOUS] = "EIP158",
    [FORK_BYZANTIUM] = "Byzantium",
    [FORK_CONSTANTINOPLE] = "Constantinople",
    [FORK_PETERSBURG] = "ConstantinopleFix",
    [FORK_ISTANBUL] = "Istanbul",
    [FORK_BERLIN] = "Berlin",
    [FORK_LONDON] = "London",
    [FORK_PARIS] = "Paris",
    [FORK_SHANGHAI] = "Shanghai",
    [FORK_CANCUN] = "Cancun",
    [FORK_PRAGUE] = "Prague",
    [FORK_OSAKA] = "Osaka",
};

static const struct {
    const char *name;
    enum fork fork;
} synonyms[] = {
    {"Tangerine", FORK_TANGERINE},
    {"TangerineWhistle", FORK_TANGERINE},
    {"Spurious", FORK_SPURIOUS},
    {"SpuriousDragon", FORK_SPURIOUS},
    {"Petersburg", FORK_PETERSBURG},
    {"StPetersburg", FORK_PETERSBURG},
    {"MuirGlacier", FORK_ISTANBUL},
    {"ArrowGlacier", FORK_LONDON},
    {"GrayGlacier", FORK_LONDON},
    {"Merge", FORK_PARIS},
    {"Capella", FORK_SHANGHAI},
    {"Deneb", FORK_CANCUN},
    {"Electra", FORK_PRAGUE},
    {"Fulu", FORK_OSAKA},
    {"BPO1", FORK_OSAKA},
    {"BPO2", FORK_OSAKA},
    {"BPO3", FORK_OSAKA},
    {"BPO4", FORK_OSAKA},
    {"BPO5", FORK_OSAKA},
};

const char *fork_name(enum fork f) {
    return names[f];
}

static bool same_name(struct bytes a, const char *b) {
    return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

int fork_parse(struct bytes name) {
    for (int f = 0; f < FORK_COUNT; f++) {
        if (same_name(name, names[f])) return f;
    }
    for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++) {
        if (same_name(name, synonyms[i].name)) return (int)synonyms[i].fork;
    }
    return -1;
}

/* Each fork's row as its predecessor's with the changes: the macros nest, later fields win. */
#define FRONTIER_RULES .nonzero_gas = 68
#define HOMESTEAD_RULES FRONTIER_RULES, .low_s = true, .create_gas = 32000
#define SPURIOUS_RULES HOMESTEAD_RULES, .replay_protection = true
#define ISTANBUL_RULES                                                                             \
    .low_s = true, .create_gas = 32000, .replay_protection = true, .nonzero_gas = 16
#define BERLIN_RULES ISTANBUL_RULES, .typed_1 = true
#define LONDON_RULES BERLIN_RULES, .typed_2 = true
#define SHANGHAI_RULES LONDON_RULES, .initcode_word_gas = 2, .initcode_max = 49152
#define CANCUN_RULES SHANGHAI_RULES, .typed_3 = true
#define PRAGUE_RULES CANCUN_RULES, .typed_4 = true, .floor_token_gas = 10
#define OSAKA_RULES                                                                                \
    PRAGUE_RULES, .gas_max = 1u << 24, .blobs_per_tx_max = 6, .cell_proofs = true,                 \
                  .block_rlp_max = 8u << 20

static const struct fork_rules rules[FORK_COUNT] = {
    [FORK_FRONTIER] = {.fork = FORK_FRONTIER, FRONTIER_RULES},
    [FORK_HOMESTEAD] = {.fork = FORK_HOMESTEAD, HOMESTEAD_RULES},
    [FORK_TANGERINE] = {.fork = FORK_TANGERINE, HOMESTEAD_RULES},
    [FORK_SPURIOUS] = {.fork = FORK_SPURIOUS, SPURIOUS_RULES},
    [FORK_BYZANTIUM] = {.fork = FORK_BYZANTIUM, SPURIOUS_RULES},
    [FORK_CONSTANTINOPLE] = {.fork = FORK_CONSTANTINOPLE, SPURIOUS_RULES},
    [FORK_PETERSBURG] = {.fork = FORK_PETERSBURG, SPURIOUS_RULES},
    [FORK_ISTANBUL] = {.fork = FORK_ISTANBUL, ISTANBUL_RULES},
    [FORK_BERLIN] = {.fork = FORK_BERLIN, BERLIN_RULES},
    [FORK_LONDON] = {.fork = FORK_LONDON, LONDON_RULES},
    [FORK_PARIS] = {.fork = FORK_PARIS, LONDON_RULES},
    [FORK_SHANGHAI] = {.fork = FORK_SHANGHAI, SHANGHAI_RULES},
    [FORK_CANCUN] = {.fork = FORK_CANCUN, CANCUN_RULES},
    [FORK_PRAGUE] = {.fork = FORK_PRAGUE, PRAGUE_RULES},
    [FORK_OSAKA] = {.fork = FORK_OSAKA, OSAKA_RULES},
};

const struct fork_rules *fork_rules_of(enum fork f) {
    return &rules[f];
}

#define BLOBS_CANCUN(from)                                                                         \
    { from, 3, 6, 3338477 }
#define BLOBS_PRAGUE(from)                                                                         \
    { from, 6, 9, 5007716 }
#define BLOBS_BPO1(from)                                                                           \
    { from, 10, 15, 8346193 }
#define BLOBS_BPO2(from)                                                                           \
    { from, 14, 21, 11684671 }

#define TTD_MAINNET                                                                                \
    {                                                                                              \
        { 0xd808a128d7380000u, 0xc70u, 0, 0 }                                                      \
    } /* 58750000000000000000000 */

#define DEPOSIT_CONTRACT_MAINNET                                                                   \
    {                                                                                              \
        {                                                                                          \
            0x00, 0x00, 0x00, 0x00, 0x21, 0x9a, 0xb5, 0x40, 0x35, 0x6c, 0xbb, 0x83, 0x9c, 0xbe,    \
                0x05, 0x30, 0x3d, 0x77, 0x05, 0xfa                                                 \
        }                                                                                          \
    }
#define DEPOSIT_CONTRACT_SEPOLIA                                                                   \
    {                                                                                              \
        {                                                                                          \
            0x7f, 0x02, 0xc3, 0xe3, 0xc9, 0x8b, 0x13, 0x30, 0x55, 0xb8, 0xb3, 0x48, 0xb2, 0xac,    \
                0x62, 0x56, 0x69, 0xed, 0x29, 0x5d                                                 \
        }                                                                                          \
    }
#define DEPOSIT_CONTRACT_HOLESKY                                                                   \
    {                                                                                              \
        {                                                                                          \
            0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42, 0x42,    \
                0x42, 0x42, 0x42, 0x42, 0x42, 0x42                                                 \
        }                                                                                          \
    }
#define DEPOSIT_CONTRACT_HOODI                                                                     \
    {                                                                                              \
        {                                                                                          \
            0x00, 0x00, 0x00, 0x00, 0x21, 0x9a, 0xb5, 0x40, 0x35, 0x6c, 0xbb, 0x83, 0x9c, 0xbe,    \
                0x05, 0x30, 0x3d, 0x77, 0x05, 0xfa                                                 \
        }                                                                                          \
    }

/* Frontier .. London at block 0. */
#define PROOF_OF_WORK_FORKS_AT_GENESIS                                                             \
    [FORK_FRONTIER] = 0, [FORK_HOMESTEAD] = 0, [FORK_TANGERINE] = 0, [FORK_SPURIOUS] = 0,          \
    [FORK_BYZANTIUM] = 0, [FORK_CONSTANTINOPLE] = 0, [FORK_PETERSBURG] = 0, [FORK_ISTANBUL] = 0,   \
    [FORK_BERLIN] = 0, [FORK_LONDON] = 0

static const struct {
    const char *name;
    struct chain_config config;
} chains[] = {
    {"mainnet",
     {.chain_id = 1,
      .activation = {[FORK_FRONTIER] = 0,
                     [FORK_HOMESTEAD] = 1150000,
                     [FORK_TANGERINE] = 2463000,
                     [FORK_SPURIOUS] = 2675000,
                     [FORK_BYZANTIUM] = 4370000,
                     [FORK_CONSTANTINOPLE] = 7280000,
                     [FORK_PETERSBURG] = 7280000,
                     [FORK_ISTANBUL] = 9069000,
                     [FORK_BERLIN] = 12244000,
                     [FORK_LONDON] = 12965000,
                     [FORK_PARIS] = 15537394,
                     [FORK_SHANGHAI] = 1681338455,
                     [FORK_CANCUN] = 1710338135,
                     [FORK_PRAGUE] = 1746612311,
                     [FORK_OSAKA] = 1764798551},
      .dao_block = 1920000,
      .terminal_total_difficulty = TTD_MAINNET,
      .has_terminal_total_difficulty = true,
      .deposit_contract = DEPOSIT_CONTRACT_MAINNET,
      .blobs = {BLOBS_CANCUN(1710338135), BLOBS_PRAGUE(1746612311), BLOBS_BPO1(1765290071),
                BLOBS_BPO2(1767747671)},
      .blobs_count = 4}},
    {"sepolia",
     {.chain_id = 11155111,
      .activation =
          {PROOF_OF_WORK_FORKS_AT_GENESIS, [FORK_PARIS] = 1450409, [FORK_SHANGHAI] = 1677557088,
           [FORK_CANCUN] = 1706655072, [FORK_PRAGUE] = 1741159776, [FORK_OSAKA] = 1760427360},
      .dao_block = FORK_NEVER,
      .terminal_total_difficulty = {{17000000000000000u}},
      .has_terminal_total_difficulty = true,
      .deposit_contract = DEPOSIT_CONTRACT_SEPOLIA,
      .blobs = {BLOBS_CANCUN(1706655072), BLOBS_PRAGUE(1741159776), BLOBS_BPO1(1761017184),
                BLOBS_BPO2(1761607008)},
      .blobs_count = 4}},
    {"holesky",
     {.chain_id = 17000,
      .activation =
          {PROOF_OF_WORK_FORKS_AT_GENESIS, [FORK_PARIS] = 0, [FORK_SHANGHAI] = 1696000704,
           [FORK_CANCUN] = 1707305664, [FORK_PRAGUE] = 1740434112, [FORK_OSAKA] = 1759308480},
      .dao_block = FORK_NEVER,
      .has_terminal_total_difficulty = true,
      .deposit_contract = DEPOSIT_CONTRACT_HOLESKY,
      .blobs = {BLOBS_CANCUN(1707305664), BLOBS_PRAGUE(1740434112), BLOBS_BPO1(1759800000),
                BLOBS_BPO2(1760389824)},
      .blobs_count = 4}},
    {"hoodi",
     {.chain_id = 560048,
      .activation = {PROOF_OF_WORK_FORKS_AT_GENESIS, [FORK_PARIS] = 0, [FORK_SHANGHAI] = 0,
                     [FORK_CANCUN] = 0, [FORK_PRAGUE] = 1742999832, [FORK_OSAKA] = 1761677592},
      .dao_block = FORK_NEVER,
      .has_terminal_total_difficulty = true,
      .deposit_contract = DEPOSIT_CONTRACT_HOODI,
      .blobs = {BLOBS_CANCUN(0), BLOBS_PRAGUE(1742999832), BLOBS_BPO1(1762365720),
                BLOBS_BPO2(1762955544)},
      .blobs_count = 4}},
};

const struct chain_config *chain_config_named(struct bytes name) {
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        if (bytes_equal_str(name, chains[i].name)) return &chains[i].config;
    }
    return NULL;
}

void chain_config_all_at(struct chain_config *ret, enum fork f, uint64_t chain_id) {
    static const struct blob_params cancun = BLOBS_CANCUN(0), prague = BLOBS_PRAGUE(0);
    *ret = (struct chain_config){.chain_id = chain_id,
                                 .dao_block = FORK_NEVER,
                                 .deposit_contract = DEPOSIT_CONTRACT_MAINNET,
                                 .has_terminal_total_difficulty = f >= FORK_PARIS};
    for (unsigned i = 0; i < FORK_COUNT; i++) {
        ret->activation[i] = i <= f ? 0 : FORK_NEVER;
    }
    if (f < FORK_CANCUN) return;
    ret->blobs[0] = f == FORK_CANCUN ? cancun : prague;
    ret->blobs_count = 1;
}

int chain_config_at_name(struct chain_config *ret, struct bytes name, uint64_t chain_id) {
    static const struct blob_params bpo1 = BLOBS_BPO1(0), bpo2 = BLOBS_BPO2(0);
    int fork = fork_parse(name);
    if (fork < 0) return -1;
    chain_config_all_at(ret, (enum fork)fork, chain_id);
    if (name.n == 4 && strncasecmp((const char *)name.p, "BPO", 3) == 0) {
        ret->blobs[0] = name.p[3] == '1' ? bpo1 : bpo2;
    }
    return fork;
}

bool chain_config_add_blobs(struct chain_config *c, struct blob_params row) {
    unsigned at = 0;
    while (at < c->blobs_count && c->blobs[at].from < row.from) {
        at++;
    }
    if (at < c->blobs_count && c->blobs[at].from == row.from) {
        c->blobs[at] = row;
        return true;
    }
    if (c->blobs_count == BLOB_SCHEDULE_MAX) return false;
    memmove(&c->blobs[at + 1], &c->blobs[at], (c->blobs_count - at) * sizeof row);
    c->blobs[at] = row;
    c->blobs_count++;
    return true;
}

enum fork chain_fork_at(const struct chain_config *c, uint64_t number, uint64_t timestamp,
                        bool merged) {
    for (unsigned f = FORK_OSAKA; f >= FORK_SHANGHAI; f--) {
        if (c->activation[f] != FORK_NEVER && timestamp >= c->activation[f]) return (enum fork)f;
    }
    if ((merged && c->has_terminal_total_difficulty) ||
        (c->activation[FORK_PARIS] != FORK_NEVER && number >= c->activation[FORK_PARIS])) {
        return FORK_PARIS;
    }
    for (unsigned f = FORK_LONDON; f > FORK_FRONTIER; f--) {
        if (c->activation[f] != FORK_NEVER && number >= c->activation[f]) return (enum fork)f;
    }
    return FORK_FRONTIER;
}

const struct blob_params *chain_blobs_at(const struct chain_config *c, uint64_t timestamp) {
    const struct blob_params *found = NULL;
    for (unsigned i = 0; i < c->blobs_count && c->blobs[i].from <= timestamp; i++) {
        found = &c->blobs[i];
    }
    return found;
}
