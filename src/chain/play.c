/* SPDX-License-Identifier: MIT */
#include "chain/play.h"

#include "chain/head_internal.h"
#include "evm/opcode.h"

#include <stdio.h>
#include <unistd.h>

#define GAS_LIMIT 30000000u
#define TX_GAS 400000u

struct address play_address(uint8_t kind, uint64_t i) {
    return (struct address){{[0] = kind, [19] = (uint8_t)i}};
}

/* Contracts that do a little of everything that leaves traces: slots that clash, balances, logs,
 * calls with value, creations, reverts, self-destruction. */
size_t play_code(struct random_fast *dice, uint8_t code[PLAY_CODE_MAX]) {
    size_t n = 0;
    while (n < 120) {
        uint8_t slot = (uint8_t)random_fast_below(dice, 4);
        struct address to = random_fast_below(dice, 2) != 0
                                ? play_address(0xc0, random_fast_below(dice, PLAY_CONTRACTS))
                                : play_address(0xa0, random_fast_below(dice, 9));
        switch (random_fast_below(dice, 9)) {
        case 0: // slot += 1
            memcpy(code + n,
                   (uint8_t[]){0x60, slot, OP_SLOAD, 0x60, 1, OP_ADD, 0x60, slot, OP_SSTORE}, 9);
            n += 9;
            break;
        case 1: // slot = 0
            memcpy(code + n, (uint8_t[]){0x60, 0, 0x60, slot, OP_SSTORE}, 5);
            n += 5;
            break;
        case 2: // slot = caller
            memcpy(code + n, (uint8_t[]){OP_CALLER, 0x60, slot, OP_SSTORE}, 4);
            n += 4;
            break;
        case 3: // log of a slot
            memcpy(code + n,
                   (uint8_t[]){0x60, slot, OP_SLOAD, OP_PUSH0, OP_MSTORE, 0x60, slot, 0x60, 32,
                               OP_PUSH0, OP_LOG0 + 1},
                   11);
            n += 11;
            break;
        case 4: // slot = balance of someone
            code[n++] = 0x73;
            memcpy(code + n, to.b, 20);
            memcpy(code + n + 20, (uint8_t[]){OP_BALANCE, 0x60, slot, OP_SSTORE}, 4);
            n += 24;
            break;
        case 5: // call with 1 wei
            memcpy(code + n, (uint8_t[]){OP_PUSH0, OP_PUSH0, OP_PUSH0, OP_PUSH0, 0x60, 1, 0x73}, 7);
            memcpy(code + n + 7, to.b, 20);
            memcpy(code + n + 27, (uint8_t[]){0x61, 0x80, 0, OP_CALL, OP_POP}, 5);
            n += 32;
            break;
        case 6: // create an account with empty code and a slot
            memcpy(code + n,
                   (uint8_t[]){0x64, 0x60, 1, OP_PUSH0, OP_SSTORE, OP_STOP, OP_PUSH0, OP_MSTORE,
                               0x60, 5, 0x60, 27, 0x60, 1, OP_CREATE, OP_POP},
                   16);
            n += 16;
            break;
        case 7: // transient
            memcpy(code + n,
                   (uint8_t[]){0x60, slot, OP_TLOAD, 0x60, 1, OP_ADD, 0x60, slot, OP_TSTORE}, 9);
            n += 9;
            break;
        default: // the end, of one kind or another
            if (random_fast_below(dice, 3) != 0) break;
            if (random_fast_below(dice, 3) == 0) {
                memcpy(code + n, (uint8_t[]){OP_PUSH0, OP_PUSH0, OP_REVERT}, 3);
                return n + 3;
            }
            code[n++] = 0x73;
            memcpy(code + n, to.b, 20);
            code[n + 20] = OP_SELFDESTRUCT;
            return n + 21;
        }
    }
    return n;
}

/* The genesis. */

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a chain to play with");
}

// EIP-4788, 2935: keep their input, as the real ones do in more words. EIP-7002, 7251: nothing
// asked.
static const struct {
    struct address address;
    struct bytes code;
} system_contracts[] = {
    {{{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80, 0x7e, 0xf1, 0x31,
       0x9f, 0xb7, 0xb8, 0xbb, 0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}},
     BYTES_LIT("\x5f\x35\x42\x62\x00\x1f\xff\x06\x55")},
    {{{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
       0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}},
     BYTES_LIT("\x5f\x35\x60\x01\x43\x03\x61\x1f\xff\x06\x55")},
    {{{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e, 0xb5, 0x5e, 0x80,
       0xd1, 0x9a, 0xd8, 0x35, 0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}},
     BYTES_LIT("\x00")},
    {{{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48, 0x86, 0x42, 0xfb,
       0x57, 0x9f, 0x8b, 0x00, 0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}},
     BYTES_LIT("\x00")},
};
#define SYSTEM_CONTRACTS (sizeof system_contracts / sizeof *system_contracts)

static int add_contract(struct play *p, struct genesis_account *ret, uint64_t i,
                        struct error *why) {
    uint8_t code[PLAY_CODE_MAX];
    size_t n = play_code(&p->dice, code);
    struct genesis_slot *slots = arena_new_array(&p->memory, struct genesis_slot, 4);
    *ret = (struct genesis_account){
        .address = play_address(0xc0, i),
        .nonce = 1,
        .balance = u256_from_u64(random_fast_below(&p->dice, 50)),
        .code = arena_copy(&p->memory, bytes_make(code, n)),
        .slots = slots,
    };
    if (!slots || (n && !ret->code.p)) return no_memory(why);
    for (uint8_t k = 0; k < 4; k++) {
        if (random_fast_below(&p->dice, 2) == 0) continue;
        slots[ret->slot_count++] =
            (struct genesis_slot){{{[31] = k}}, u256_from_u64(1 + random_fast_below(&p->dice, 3))};
    }
    return 0;
}

static int make_senders(struct play *p, struct genesis_account *accounts, struct error *why) {
    int r = ecdsa_signer_new(&p->signer, why);
    for (unsigned i = 0; r == 0 && i < PLAY_SENDERS; i++) {
        struct ecdsa_public_key key;
        p->keys[i] = (struct ecdsa_secret_key){.b = {[0] = 0x77, [31] = (uint8_t)(i + 1)}};
        r = ecdsa_public_key_of(p->signer, &key, &p->keys[i], why);
        if (r != 0) break;
        p->senders[i] = ecdsa_address(&key);
        accounts[i] = (struct genesis_account){.address = p->senders[i], .balance = {{0, 0, 1, 0}}};
    }
    return r;
}

int play_init(struct play *p, uint64_t seed, enum fork fork, struct error *why) {
    *p = (struct play){0};
    random_fast_seed(&p->dice, seed);
    arena_init(&p->memory, 0);
    size_t count = PLAY_SENDERS + PLAY_CONTRACTS + SYSTEM_CONTRACTS;
    struct genesis_account *accounts = arena_new_array(&p->memory, struct genesis_account, count);
    int r = accounts ? make_senders(p, accounts, why) : no_memory(why);
    for (unsigned i = 0; r == 0 && i < PLAY_CONTRACTS; i++) {
        r = add_contract(p, &accounts[PLAY_SENDERS + i], i, why);
    }
    for (unsigned i = 0; r == 0 && i < SYSTEM_CONTRACTS; i++) {
        accounts[PLAY_SENDERS + PLAY_CONTRACTS + i] = (struct genesis_account){
            .address = system_contracts[i].address, .nonce = 1, .code = system_contracts[i].code};
    }
    if (r != 0) {
        play_free(p);
        return r;
    }
    struct header *h = &p->genesis.header;
    chain_config_all_at(&p->genesis.config, fork, 1);
    *h = (struct header){.ommers_hash = BLOCK_EMPTY_OMMERS,
                         .transactions_root = TRIE_EMPTY_ROOT,
                         .receipts_root = TRIE_EMPTY_ROOT,
                         .gas_limit = GAS_LIMIT,
                         .timestamp = 1000,
                         .form = fork >= FORK_PRAGUE   ? HEADER_PRAGUE
                                 : fork >= FORK_CANCUN ? HEADER_CANCUN
                                                       : HEADER_SHANGHAI,
                         .base_fee = u256_from_u64(1000),
                         .withdrawals_root = TRIE_EMPTY_ROOT,
                         .requests_hash = requests_hash(NULL, 0)};
    p->genesis.accounts = accounts;
    p->genesis.account_count = count;
    return 0;
}

void play_free(struct play *p) {
    ecdsa_signer_free(p->signer);
    arena_free(&p->memory);
    *p = (struct play){0};
}

struct address play_filler(uint64_t i) {
    struct address a = play_address(0xf0, 0);
    store_be64(a.b + 8, i);
    return a;
}

struct address play_token(uint64_t i) {
    return play_address(0xf1, i);
}

int play_enlarge(struct play *p, size_t fillers, size_t tokens, size_t slots, struct error *why) {
    static const uint8_t token_code[] = {
        OP_PUSH0, OP_JUMPDEST, OP_DUP1,         OP_CALLDATALOAD, OP_DUP1,   OP_SLOAD,
        0x60,     1,           OP_ADD,          OP_SWAP1,        OP_SSTORE, 0x60,
        32,       OP_ADD,      OP_CALLDATASIZE, OP_DUP1 + 1,     OP_LT,     0x60,
        1,        OP_JUMPI,    OP_CALLER,       OP_CALLER,       OP_CALLER, 0x60,
        32,       OP_PUSH0,    OP_LOG0 + 3,     OP_STOP};
    struct genesis *g = &p->genesis;
    struct genesis_account *all =
        arena_new_array(&p->memory, struct genesis_account, g->account_count + fillers + tokens);
    struct genesis_slot *values = arena_new_array(&p->memory, struct genesis_slot, slots);
    if (!all || !values) return no_memory(why);
    memcpy(all, g->accounts, g->account_count * sizeof *all);
    g->accounts = all;
    all += g->account_count;
    g->account_count += fillers + tokens;
    for (size_t i = 0; i < fillers; i++) {
        *all++ = (struct genesis_account){.address = play_filler(i), .balance = {{0, 1, 0, 0}}};
    }
    for (size_t i = 0; i < slots; i++) {
        values[i] = (struct genesis_slot){.value = u256_from_u64(i + 1)};
        store_be64(values[i].key.b + 24, i);
    }
    for (size_t i = 0; i < tokens; i++) {
        *all++ = (struct genesis_account){.address = play_token(i),
                                          .nonce = 1,
                                          .code = bytes_make(token_code, sizeof token_code),
                                          .slots = values,
                                          .slot_count = slots};
    }
    return 0;
}

bool play_remove_folder(const char *folder) {
    static const char *const files[] = {"data.mdb", "lock.mdb", "writer.lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    return rmdir(folder) == 0;
}

/* Blocks. */

static int random_tx(struct play *p, struct producer *producer, struct tx *ret,
                     const struct address **ret_sender, struct arena *a, struct error *why) {
    struct random_fast *dice = &p->dice;
    unsigned from = (unsigned)random_fast_below(dice, PLAY_SENDERS);
    struct state *s = producer_run(producer)->vm->state;
    bool contract = random_fast_below(dice, 5) != 0;
    *ret = (struct tx){
        .type = random_fast_below(dice, 2) != 0 ? TX_FEE_MARKET : TX_LEGACY,
        .has_to = random_fast_below(dice, 12) != 0,
        .protected = true,
        .chain_id = 1,
        .nonce = state_nonce(state_account_find(s, &p->senders[from])),
        .gas = TX_GAS,
        .max_fee = u256_from_u64(1000000000),
        .max_priority_fee = u256_from_u64(random_fast_below(dice, 50)),
        .value = u256_from_u64(random_fast_below(dice, 3)),
    };
    if (ret->type == TX_LEGACY) ret->max_priority_fee = ret->max_fee;
    if (!ret->has_to) {
        uint8_t code[PLAY_CODE_MAX];
        ret->data = arena_copy(a, bytes_make(code, play_code(dice, code)));
    } else if (contract) {
        ret->to = play_address(0xc0, random_fast_below(dice, PLAY_CONTRACTS));
    } else {
        ret->to = play_address(0xa0, 9 + random_fast_below(dice, 100));
    }
    *ret_sender = &p->senders[from];
    return tx_sign(ret, p->signer, &p->keys[from], a, why);
}

int play_block(struct play *p, struct producer *producer, const struct hash *parent, size_t count,
               uint64_t timestamp, struct produced *ret, struct arena *a, struct error *why) {
    const struct head_block *before;
    int r = head_block_by_hash(producer_head(producer), &before, parent, why);
    if (r != 0) return r;
    const struct withdrawal withdrawal = {.index = before->block.header.number,
                                          .validator_index = 7,
                                          .address = play_address(0xa0, 200),
                                          .amount_gwei = random_fast_below(&p->dice, 100)};
    const struct produce_attributes attributes = {
        .timestamp = timestamp ? timestamp : before->block.header.timestamp + 12,
        .fee_recipient = play_address(0xa0, 3),
        .withdrawals = &withdrawal,
        .withdrawal_count = 1,
        .prev_randao = {{random_fast_u64(&p->dice) & 0xff}},
        .extra_data = BYTES_LIT("play"),
    };
    head_block_release(before);
    struct tx *txs = arena_new_array(a, struct tx, count);
    const struct tx **list = arena_alloc_array(a, count, sizeof(struct tx *));
    if (!txs || !list) return no_memory(why);
    size_t n = 0;
    r = producer_begin(producer, parent, &attributes, why);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct address *sender;
        struct transact_result result;
        r = random_tx(p, producer, &txs[n], &sender, a, why);
        if (r == 0) r = block_run_tx(producer_run(producer), &txs[n], sender, &result, why);
        if (r != 0 || result.fault != TRANSACT_VALID) continue;
        list[n] = &txs[n];
        n++;
    }
    return r == 0 ? producer_seal(producer, ret, list, n, a, why) : r;
}
