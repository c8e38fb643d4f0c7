/* Which bids a proposer takes. SPDX-License-Identifier: MIT */
#include "node/relays.h"

#include "crypto/bls.h"
#include "test/harness/test.h"

static struct error why;
static struct arena arena;
static struct bls_secret_key key;
static struct hash domain;

static struct bid_terms terms = {.slot = 9,
                                 .fork = CONSENSUS_ELECTRA,
                                 .parent_hash = {{1}},
                                 .timestamp = 100,
                                 .number = 5,
                                 .prev_randao = {{2}}};

static void sign(struct signed_builder_bid *b) {
    struct hash root;
    CHECK_OK(
        ssz_root(&root, consensus_types_of(terms.fork)->builder_bid, &b->message, &arena, &why),
        &why);
    root = ssz_signing_root(&root, &domain);
    bls_sign(&b->signature, &key, BYTES_OF(root));
}

static struct signed_builder_bid good_bid(void) {
    static const uint8_t version[4] = {0x20, 0, 0, 0x89}, secret[32] = {[31] = 7};
    struct signed_builder_bid b = {.message.value = u256_from_u64(1000)};
    arena_init(&arena, 0);
    domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, version, NULL);
    CHECK_OK(bls_secret_key_load(&key, secret, &why), &why);
    bls_public_key_of(&b.message.pubkey, &key);
    b.message.header.parent_hash = terms.parent_hash;
    b.message.header.timestamp = terms.timestamp;
    b.message.header.block_number = terms.number;
    b.message.header.prev_randao = terms.prev_randao;
    sign(&b);
    return b;
}

static int judge(const struct signed_builder_bid *b, const struct bytes48 *pinned, uint64_t least) {
    return relay_bid_judge(b, &terms, pinned, &domain, least, &arena, &why);
}

TEST(a_good_bid_is_taken) {
    struct signed_builder_bid b = good_bid();
    struct bytes48 pinned = b.message.pubkey;
    CHECK_OK(judge(&b, NULL, 0), &why);
    CHECK_OK(judge(&b, &pinned, 1000), &why);
    arena_free(&arena);
}

TEST(what_was_not_asked_for_is_refused) {
    struct signed_builder_bid b = good_bid();
    struct bytes48 pinned = b.message.pubkey;
    pinned.b[5] ^= 1;
    CHECK_ERR(judge(&b, &pinned, 0), ERR_INVALID);
    CHECK_ERR(judge(&b, NULL, 1001), ERR_INVALID);
    for (int i = 0; i < 4; i++) { // signed well, and for something else
        struct signed_builder_bid other = good_bid();
        struct execution_payload_header *h = &other.message.header;
        if (i == 0) h->parent_hash.b[0]++;
        if (i == 1) h->timestamp++;
        if (i == 2) h->block_number++;
        if (i == 3) h->prev_randao.b[0]++;
        sign(&other);
        CHECK_ERR(judge(&other, NULL, 0), ERR_INVALID);
    }
    b.message.value = u256_from_u64(2000); // changed after the signature
    CHECK_ERR(judge(&b, NULL, 0), ERR_INVALID);
    b = good_bid();
    domain.b[3] ^= 2; // of another network
    CHECK_ERR(judge(&b, NULL, 0), ERR_INVALID);
    arena_free(&arena);
}

TEST_MAIN()
