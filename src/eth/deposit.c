/* SPDX-License-Identifier: MIT */
#include "eth/deposit.h"

#include "crypto/keccak.h"

enum domain { DOMAIN_USER = 0, DOMAIN_L1_INFO = 1, DOMAIN_UPGRADE = 2 };

static struct hash in_domain(enum domain domain, const struct hash *inner) {
    struct hash two[2] = {{{0}}, *inner};
    two[0].b[31] = (uint8_t)domain;
    return keccak256(bytes_make(two, sizeof two));
}

static struct hash by_block(enum domain domain, const struct hash *block, uint64_t number) {
    struct hash two[2] = {*block, {{0}}};
    store_be64(two[1].b + 24, number);
    struct hash inner = keccak256(bytes_make(two, sizeof two));
    return in_domain(domain, &inner);
}

struct hash deposit_source_user(const struct hash *l1_block_hash, uint64_t log_index) {
    return by_block(DOMAIN_USER, l1_block_hash, log_index);
}

struct hash deposit_source_l1_info(const struct hash *l1_block_hash, uint64_t sequence_number) {
    return by_block(DOMAIN_L1_INFO, l1_block_hash, sequence_number);
}

struct hash deposit_source_upgrade(struct bytes intent) {
    struct hash inner = keccak256(intent);
    return in_domain(DOMAIN_UPGRADE, &inner);
}
