/* SPDX-License-Identifier: MIT */
#include "node/chain_file.h"

#include "base/file.h"
#include "base/hex.h"
#include "eth/system_contracts.h"
#include "json/write.h"

#include <stdlib.h>

#define GENESIS_BYTES_MAX (1u << 30)
#define DEV_GAS_LIMIT 60000000u

int genesis_dev_key(struct ecdsa_secret_key *ret, struct address *ret_address, unsigned i,
                    struct error *why) {
    struct ecdsa_signer *signer;
    struct ecdsa_public_key public;
    dev_account_key(ret, i);
    int r = ecdsa_signer_new(&signer, why);
    if (r != 0) return r;
    r = ecdsa_public_key_of(signer, &public, ret, why);
    if (r == 0) *ret_address = ecdsa_address(&public);
    ecdsa_signer_free(signer);
    return r;
}

int genesis_read(struct genesis *ret, const char *path, struct arena *a, struct error *why) {
    const struct json_limits limits = {GENESIS_BYTES_MAX, 64, JSON_VALUES_MAX, false};
    const struct json *doc;
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    int r = file_read(&text, path, why);
    struct bytes kept = r == 0 ? arena_copy(a, buf_view(&text)) : (struct bytes){NULL, 0};
    buf_free(&text);
    if (r == 0) r = json_parse(&doc, kept, a, &limits, why);
    if (r == 0) r = genesis_decode(ret, doc, a, why);
    return r == 0 ? 0 : error_wrap(why, "genesis %s", path);
}

static void write_blobs(struct json_writer *w, const char *fork, unsigned target, unsigned max,
                        uint64_t fraction) {
    json_begin_object(w, fork);
    json_add_u64(w, "target", target);
    json_add_u64(w, "max", max);
    json_add_u64(w, "baseFeeUpdateFraction", fraction);
    json_end(w);
}

static void write_config(struct json_writer *w) {
    static const char *const blocks[] = {
        "homesteadBlock", "eip150Block",         "eip155Block",       "eip158Block",
        "byzantiumBlock", "constantinopleBlock", "petersburgBlock",   "istanbulBlock",
        "berlinBlock",    "londonBlock",         "mergeNetsplitBlock"};
    static const char *const times[] = {"shanghaiTime", "cancunTime", "pragueTime",
                                        "osakaTime",    "bpo1Time",   "bpo2Time"};
    json_begin_object(w, "config");
    json_add_u64(w, "chainId", DEV_CHAIN_ID);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        json_add_u64(w, blocks[i], 0);
    }
    json_add_u64(w, "terminalTotalDifficulty", 0);
    json_add_bool(w, "terminalTotalDifficultyPassed", true);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        json_add_u64(w, times[i], 0);
    }
    json_add_str(w, "depositContractAddress", "0x4242424242424242424242424242424242424242");
    json_begin_object(w, "blobSchedule"); // EIP-7840, EIP-7892: those of mainnet
    write_blobs(w, "cancun", 3, 6, 3338477);
    write_blobs(w, "prague", 6, 9, 5007716);
    write_blobs(w, "osaka", 6, 9, 5007716);
    write_blobs(w, "bpo1", 10, 15, 8346193);
    write_blobs(w, "bpo2", 14, 21, 11684671);
    json_end(w);
    json_end(w);
}

static void begin_account(struct json_writer *w, const struct address *address) {
    char key[43] = "0x";
    hex_encode(key + 2, bytes_make(address, sizeof *address));
    json_begin_object(w, key);
}

static int write_accounts(struct json_writer *w, unsigned accounts, struct error *why) {
    int r = 0;
    json_begin_object(w, "alloc");
    for (unsigned i = 0; i < accounts && r == 0; i++) {
        struct ecdsa_secret_key key;
        struct address address;
        r = genesis_dev_key(&key, &address, i, why);
        if (r != 0) break;
        begin_account(w, &address);
        json_add_str(w, "balance", "0x21e19e0c9bab2400000"); // 10,000 ether
        json_end(w);
    }
    for (size_t i = 0; i < SYSTEM_CONTRACTS; i++) {
        begin_account(w, &system_contracts[i].address);
        json_add_str(w, "balance", "0x0");
        json_add_str(w, "nonce", "0x1");
        json_add_data(w, "code", system_contracts[i].code);
        json_end(w);
    }
    json_end(w);
    return r;
}

int genesis_write_dev(struct buf *out, unsigned accounts, struct error *why) {
    struct json_writer w;
    struct hash zero = {{0}};
    json_writer_init(&w, out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    write_config(&w);
    json_add_str(&w, "nonce", "0x0");
    json_add_str(&w, "timestamp", "0x0");
    json_add_str(&w, "extraData", "0x");
    json_add_quantity(&w, "gasLimit", DEV_GAS_LIMIT);
    json_add_str(&w, "difficulty", "0x0");
    json_add_data(&w, "mixHash", BYTES_OF(zero));
    json_add_str(&w, "coinbase", "0x0000000000000000000000000000000000000000");
    int r = write_accounts(&w, accounts < DEV_ACCOUNTS_MAX ? accounts : DEV_ACCOUNTS_MAX, why);
    json_add_str(&w, "baseFeePerGas", "0x3b9aca00");
    json_add_str(&w, "excessBlobGas", "0x0");
    json_add_str(&w, "blobGasUsed", "0x0");
    json_end(&w);
    return r == 0 ? buf_check(out, why) : r;
}
