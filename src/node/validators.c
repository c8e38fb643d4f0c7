/* SPDX-License-Identifier: MIT */
#include "node/validators.h"

#include "crypto/sha256.h"

#include <stdio.h>
#include <stdlib.h>

/* The order of the BLS groups, whose numbers secret keys are. */
static const struct u256 group_order = {
    {0xffffffff00000001u, 0x53bda402fffe5bfeu, 0x3339d80809a1d805u, 0x73eda753299d7d48u}};

// eth2.0-pm, interop/mocked_start: little-endian SHA-256 of the index, modulo the order.
static int interop_key(struct bls_secret_key *ret, size_t index, struct error *why) {
    uint8_t text[32] = {0}, big[32];
    struct u256 n, quotient;
    store_le64(text, index);
    struct hash h = sha256(bytes_make(text, sizeof text));
    for (size_t i = 0; i < 32; i++) {
        big[i] = h.b[31 - i];
    }
    n = u256_load_be(big);
    u256_div_mod(&quotient, &n, n, group_order);
    u256_store_be(big, n);
    int r = bls_secret_key_load(ret, big, why);
    bytes_wipe(big, sizeof big);
    return r;
}

static int seeded_key(struct bls_secret_key *ret, const char *seed, size_t index,
                      struct error *why) {
    char text[512];
    int n = snprintf(text, sizeof text, "%.400s/%zu", seed, index);
    struct hash h = sha256(bytes_make(text, (size_t)n));
    int r = bls_secret_key_generate(ret, BYTES_OF(h), (struct bytes){NULL, 0}, why);
    bytes_wipe(&h, sizeof h);
    return r;
}

int validators_make(struct validators *ret, const char *seed, size_t count,
                    const uint8_t genesis_version[4], struct error *why) {
    struct validators v = {.count = count};
    if (count == 0 || count > VALIDATORS_MAX) {
        return error_set(why, ERR_RANGE, "between 1 and %u validators", VALIDATORS_MAX);
    }
    v.items = calloc(count, sizeof *v.items);
    struct bytes48 *keys = malloc(count * sizeof *keys);
    int r = v.items && keys ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for validators");
    memcpy(v.genesis_version, genesis_version, 4);
    for (size_t i = 0; i < count && r == 0; i++) {
        struct validator *one = &v.items[i];
        r = strcmp(seed, "interop") == 0 ? interop_key(&one->secret, i, why)
                                         : seeded_key(&one->secret, seed, i, why);
        if (r != 0) break;
        bls_public_key_of(&one->pubkey, &one->secret);
        keys[i] = one->pubkey;
    }
    if (r == 0) {
        v.root = sha256(bytes_make((const uint8_t *)keys, count * sizeof *keys));
        v.builder_domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, genesis_version, NULL);
        *ret = v;
    } else {
        validators_free(&v);
    }
    free(keys);
    return r;
}

void validators_free(struct validators *v) {
    if (v->items) bytes_wipe(v->items, v->count * sizeof *v->items);
    free(v->items);
    *v = (struct validators){0};
}

void validators_fork_version(const struct validators *v, enum consensus_fork f, uint8_t ret[4]) {
    memcpy(ret, v->genesis_version, 4);
    ret[3] = (uint8_t)(ret[3] + (unsigned)f + 2u);
}

static struct hash domain_of(const struct validators *v, uint8_t type, enum consensus_fork f) {
    uint8_t version[4];
    validators_fork_version(v, f, version);
    struct hash domain = ssz_domain_compute(SSZ_DOMAIN_BEACON_PROPOSER, version, &v->root);
    domain.b[0] = type; // the four bytes of the type are zero but for this one
    return domain;
}

struct bytes96 validators_sign_randao(const struct validators *v, size_t index, uint64_t epoch,
                                      enum consensus_fork f) {
    struct hash object = {{0}}, domain = domain_of(v, 2, f); // DOMAIN_RANDAO
    struct bytes96 ret;
    store_le64(object.b, epoch);
    struct hash root = ssz_signing_root(&object, &domain);
    bls_sign(&ret, &v->items[index].secret, BYTES_OF(root));
    return ret;
}

int validators_sign_block(const struct validators *v, struct signed_blinded_beacon_block *block,
                          struct hash *ret_root, enum consensus_fork f, struct arena *a,
                          struct error *why) {
    struct hash domain = domain_of(v, 0, f);
    int r = ssz_root(ret_root, consensus_types_of(f)->blinded_block, &block->message, a, why);
    if (r != 0) return r;
    struct hash root = ssz_signing_root(ret_root, &domain);
    bls_sign(&block->signature, &v->items[block->message.proposer_index].secret, BYTES_OF(root));
    return 0;
}

int validators_check_block(const struct validators *v, size_t index, const struct hash *root,
                           const struct bytes96 *signature, enum consensus_fork f,
                           struct error *why) {
    struct bls_public_key key;
    struct hash domain = domain_of(v, 0, f), signing = ssz_signing_root(root, &domain);
    if (index >= v->count) return error_set(why, ERR_INVALID, "no such validator");
    int r = bls_public_key_parse(&key, &v->items[index].pubkey, why);
    return r == 0 ? bls_verify(&key, BYTES_OF(signing), signature, why) : r;
}

int validators_sign_registration(const struct validators *v, size_t index,
                                 struct signed_validator_registration *s, struct arena *a,
                                 struct error *why) {
    struct hash root;
    s->message.pubkey = v->items[index].pubkey;
    int r = ssz_root(&root, &ssz_validator_registration, &s->message, a, why);
    if (r != 0) return r;
    root = ssz_signing_root(&root, &v->builder_domain);
    bls_sign(&s->signature, &v->items[index].secret, BYTES_OF(root));
    return 0;
}
