/* Who this node is and which chain it follows: net_, web3_, rpc_modules, eth_config and the like.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "evm/precompile.h"
#include "node/rpc_internal.h"

#include <stdio.h>

#define FORKS_MAX (FORK_COUNT + BLOB_SCHEDULE_MAX)

/* ---- small answers ---- */

static int chain_id(struct node_call *c, struct error *why) {
    (void)why;
    json_add_quantity(c->result, NULL, c->node->config->chain_id);
    return 0;
}

static int net_version(struct node_call *c, struct error *why) {
    char text[24];
    (void)why;
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)c->node->config->chain_id);
    json_add_str(c->result, NULL, text);
    return 0;
}

static int yes(struct node_call *c, struct error *why) {
    (void)why;
    json_add_bool(c->result, NULL, true);
    return 0;
}

static int no(struct node_call *c, struct error *why) {
    (void)why;
    json_add_bool(c->result, NULL, false);
    return 0;
}

static int zero(struct node_call *c, struct error *why) {
    (void)why;
    json_add_quantity(c->result, NULL, 0);
    return 0;
}

static int empty_list(struct node_call *c, struct error *why) {
    (void)why;
    json_begin_array(c->result, NULL);
    json_end(c->result);
    return 0;
}

static int client_version(struct node_call *c, struct error *why) {
    (void)why;
    json_add_str(c->result, NULL, NODE_CLIENT_NAME "/v" BUILDERNET_VERSION "/linux-amd64");
    return 0;
}

static int sha3(struct node_call *c, struct error *why) {
    const struct json *v = node_param(c, 0);
    struct bytes data;
    int r = v ? json_data(&data, v, c->a, why)
              : error_set(why, ERR_NOT_FOUND, "missing value for required argument 0");
    if (r != 0) return node_bad_params(c, why);
    struct hash h = keccak256(data);
    json_add_data(c->result, NULL, BYTES_OF(h));
    return 0;
}

static int modules(struct node_call *c, struct error *why) {
    (void)why;
    json_begin_object(c->result, NULL);
    for (size_t i = 0; i < c->node->values->apis.count; i++) {
        json_add_str(c->result, c->node->values->apis.items[i], "1.0");
    }
    json_end(c->result);
    return 0;
}

/* ---- eth_config (EIP-7910) ---- */

/* What the fork identifier is made of: activations in order, by number and then by time. */
struct activations {
    uint64_t block[FORKS_MAX], time[FORKS_MAX];
    size_t blocks, times;
};

static void insert(uint64_t *list, size_t *count, uint64_t v) {
    size_t at = 0;
    while (at < *count && list[at] < v) {
        at++;
    }
    if (v == FORK_NEVER || *count == FORKS_MAX || (at < *count && list[at] == v)) return;
    memmove(list + at + 1, list + at, (*count - at) * sizeof *list);
    list[at] = v;
    ++*count;
}

static struct activations activations_of(const struct node *n) {
    // Mainnet's forks that only moved the difficulty bomb: Muir, Arrow and Gray Glacier.
    static const uint64_t bombs[] = {9200000, 13773000, 15050000};
    const struct chain_config *c = n->config;
    struct activations a = {.blocks = 0};
    for (int f = FORK_HOMESTEAD; f < FORK_COUNT; f++) {
        uint64_t at = c->activation[f];
        if (f >= FORK_SHANGHAI && at > n->genesis->header.timestamp) insert(a.time, &a.times, at);
        if (f < FORK_SHANGHAI && at != 0) insert(a.block, &a.blocks, at);
    }
    if (c->dao_block != 0) insert(a.block, &a.blocks, c->dao_block);
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs && c->chain_id == 1; i++) {
        insert(a.block, &a.blocks, bombs[i]);
    }
    for (unsigned i = 0; i < c->blobs_count; i++) {
        if (c->blobs[i].from > n->genesis->header.timestamp) {
            insert(a.time, &a.times, c->blobs[i].from);
        }
    }
    return a;
}

/* CRC-32 (IEEE), as EIP-2124 has it. */
static uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n) {
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static uint32_t fork_id(const struct node *n, const struct activations *a, uint64_t until) {
    uint32_t crc = crc32(0, n->genesis_hash.b, 32);
    uint8_t word[8];
    for (size_t i = 0; i < a->blocks; i++) {
        store_be64(word, a->block[i]);
        crc = crc32(crc, word, 8);
    }
    for (size_t i = 0; i < a->times && a->time[i] <= until; i++) {
        store_be64(word, a->time[i]);
        crc = crc32(crc, word, 8);
    }
    return crc;
}

static void put_precompiles(struct json_writer *w, enum fork fork) {
    static const char *const names[] = {
        [0x01] = "ECREC",
        [0x02] = "SHA256",
        [0x03] = "RIPEMD160",
        [0x04] = "ID",
        [0x05] = "MODEXP",
        [0x06] = "BN254_ADD",
        [0x07] = "BN254_MUL",
        [0x08] = "BN254_PAIRING",
        [0x09] = "BLAKE2F",
        [0x0a] = "KZG_POINT_EVALUATION",
        [0x0b] = "BLS12_G1ADD",
        [0x0c] = "BLS12_G1MSM",
        [0x0d] = "BLS12_G2ADD",
        [0x0e] = "BLS12_G2MSM",
        [0x0f] = "BLS12_PAIRING_CHECK",
        [0x10] = "BLS12_MAP_FP_TO_G1",
        [0x11] = "BLS12_MAP_FP2_TO_G2",
    };
    struct address a;
    json_begin_object(w, "precompiles");
    for (unsigned i = 0; precompile_at(&a, fork, i); i++) {
        unsigned number = load_be16(a.b + 18);
        const char *name = number < sizeof names / sizeof *names ? names[number] : NULL;
        if (number == 0x100) name = "P256VERIFY";
        if (name) json_add_data(w, name, BYTES_OF(a));
    }
    json_end(w);
}

static void put_system(struct json_writer *w, const struct chain_config *c, enum fork fork) {
    json_begin_object(w, "systemContracts");
    if (fork >= FORK_CANCUN) {
        json_add_str(w, "BEACON_ROOTS_ADDRESS", "0x000f3df6d732807ef1319fb7b8bb8522d0beac02");
    }
    if (fork >= FORK_PRAGUE) {
        json_add_str(w, "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS",
                     "0x0000bbddc7ce488642fb579f8b00f3a590007251");
        json_add_data(w, "DEPOSIT_CONTRACT_ADDRESS", BYTES_OF(c->deposit_contract));
        json_add_str(w, "HISTORY_STORAGE_ADDRESS", "0x0000f90827f1c53a10cb7a02335b175320002935");
        json_add_str(w, "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS",
                     "0x00000961ef480eb55e80d19ad83579a64c007002");
    }
    json_end(w);
}

/* The rules from `time` on. */
static void put_config(struct json_writer *w, const char *key, const struct node *n,
                       const struct activations *a, uint64_t time) {
    char id[11];
    enum fork fork = chain_fork_at(n->config, UINT64_MAX - 1, time, true);
    const struct blob_params *blobs = chain_blobs_at(n->config, time);
    (void)snprintf(id, sizeof id, "0x%08x", fork_id(n, a, time));
    json_begin_object(w, key);
    json_add_u64(w, "activationTime", time);
    json_begin_object(w, "blobSchedule");
    json_add_u64(w, "baseFeeUpdateFraction", blobs ? blobs->update_fraction : 0);
    json_add_u64(w, "max", blobs ? blobs->max : 0);
    json_add_u64(w, "target", blobs ? blobs->target : 0);
    json_end(w);
    json_add_quantity(w, "chainId", n->config->chain_id);
    json_add_str(w, "forkId", id);
    put_precompiles(w, fork);
    put_system(w, n->config, fork);
    json_end(w);
}

static int config(struct node_call *c, struct error *why) {
    const struct node *n = c->node;
    struct activations a = activations_of(n);
    const struct head_block *head = head_latest(n->head);
    uint64_t now = head->block.header.timestamp, current = 0;
    size_t next = 0;
    (void)why;
    head_block_release(head);
    while (next < a.times && a.time[next] <= now) {
        current = a.time[next++];
    }
    json_begin_object(c->result, NULL);
    put_config(c->result, "current", n, &a, current);
    if (next < a.times) {
        put_config(c->result, "next", n, &a, a.time[next]);
        put_config(c->result, "last", n, &a, a.time[a.times - 1]);
    } else {
        json_add_null(c->result, "next");
        json_add_null(c->result, "last");
    }
    json_end(c->result);
    return 0;
}

/* ---- eth_capabilities ---- */

static void put_kept(struct json_writer *w, const char *key, uint64_t oldest, uint64_t window) {
    json_begin_object(w, key);
    json_add_bool(w, "disabled", false);
    json_add_quantity(w, "oldestBlock", oldest);
    if (window) {
        json_begin_object(w, "deleteStrategy");
        json_add_str(w, "type", "window");
        json_add_quantity(w, "retentionBlocks", window);
        json_end(w);
    }
    json_end(w);
}

static int capabilities(struct node_call *c, struct error *why) {
    struct json_writer *w = c->result;
    const struct head_block *b = head_latest(c->node->head);
    uint64_t number = b->block.header.number, first = c->node->genesis->header.number;
    uint64_t state = number - first > HEAD_DEPTH_MAX ? number - HEAD_DEPTH_MAX : first;
    (void)why;
    json_begin_object(w, NULL);
    json_begin_object(w, "head");
    json_add_quantity(w, "number", number);
    json_add_data(w, "hash", BYTES_OF(b->hash));
    json_end(w);
    put_kept(w, "state", state, HEAD_DEPTH_MAX);
    put_kept(w, "tx", first, 0);
    put_kept(w, "logs", first, 0);
    put_kept(w, "receipts", first, 0);
    put_kept(w, "blocks", first, 0);
    put_kept(w, "stateproofs", state, HEAD_DEPTH_MAX);
    json_end(w);
    head_block_release(b);
    return 0;
}

static const struct node_method methods[] = {
    {"eth_chainId", chain_id, NODE_USER | NODE_ENGINE | NODE_QUICK},
    {"eth_syncing", no, NODE_USER | NODE_ENGINE | NODE_QUICK},
    {"eth_accounts", empty_list, NODE_USER | NODE_QUICK},
    {"eth_mining", no, NODE_USER | NODE_QUICK},
    {"eth_hashrate", zero, NODE_USER | NODE_QUICK},
    {"eth_config", config, NODE_USER | NODE_QUICK},
    {"eth_capabilities", capabilities, NODE_USER | NODE_QUICK},
    {"net_version", net_version, NODE_USER | NODE_QUICK},
    {"net_listening", yes, NODE_USER | NODE_QUICK},
    {"net_peerCount", zero, NODE_USER | NODE_QUICK},
    {"web3_clientVersion", client_version, NODE_USER | NODE_QUICK},
    {"web3_sha3", sha3, NODE_USER | NODE_QUICK},
    {"rpc_modules", modules, NODE_USER | NODE_QUICK},
};
RPC_TABLE(rpc_net_table, methods);
