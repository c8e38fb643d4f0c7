/* SPDX-License-Identifier: MIT */
#include "eth/tx.h"

#include "crypto/keccak.h"
#include "crypto/kzg.h"
#include "eth/rlp.h"
#include "eth/tx_sidecar.h"
#include "test/harness/test.h"

#include <stdlib.h>

static const struct ecdsa_secret_key key = {{[0 ... 31] = 0x46}}; // the example of EIP-155

struct world {
    struct arena a;
    struct ecdsa_signer *signer;
    struct address sender;
    struct error why;
};

static void world_open(struct world *w) {
    arena_init(&w->a, 16u << 20);
    CHECK_OK(ecdsa_signer_new(&w->signer, &w->why), &w->why);
    struct ecdsa_public_key public;
    CHECK_OK(ecdsa_public_key_of(w->signer, &public, &key, &w->why), &w->why);
    w->sender = ecdsa_address(&public);
}

static void world_close(struct world *w) {
    ecdsa_signer_free(w->signer);
    arena_free(&w->a);
}

static struct bytes unhex(const char *hex, uint8_t *to) {
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        to[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes_make(to, n);
}

// The worked example of EIP-155: its signing hash and its signed bytes.
TEST(signs_as_the_example_of_eip_155) {
    struct world w;
    world_open(&w);
    struct tx t = {.protected = true,
                   .chain_id = 1,
                   .nonce = 9,
                   .gas = 21000,
                   .has_to = true,
                   .max_fee = u256_from_u64(20000000000),
                   .value = u256_from_u64(1000000000000000000)};
    memset(t.to.b, 0x35, 20);
    struct hash digest;
    uint8_t expected[200];
    CHECK_OK(tx_signing_hash(&digest, &t, &w.why), &w.why);
    CHECK_BYTES(
        BYTES_OF(digest),
        unhex("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53", expected));
    CHECK_OK(tx_sign(&t, w.signer, &key, &w.a, &w.why), &w.why);
    CHECK_BYTES(
        t.raw, unhex("f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a"
                     "76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
                     "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
                     expected));
    CHECK(u256_equal(tx_v(&t), u256_from_u64(37)));
    world_close(&w);
}

static const struct hash access_keys[2] = {{{1}}, {{2}}};
static const struct tx_access access_list[2] = {{{{0xaa}}, access_keys, 2}, {{{0xbb}}, NULL, 0}};
static const struct hash blob_hashes[2] = {{{1, 1}}, {{1, 2}}};

/* One transaction of each kind, with every field in use. */
static void sample(struct tx *t, enum tx_type type, struct arena *a) {
    static const uint8_t data[70000] = {1, 2, 3};
    *t = (struct tx){.type = type,
                     .protected = true,
                     .has_to = true,
                     .to = {{7}},
                     .nonce = 300,
                     .gas = 1000000,
                     .value = U256_MAX,
                     .data = bytes_make(data, 100)};
    if (type == TX_DEPOSIT) {
        t->deposit.source = (struct hash){{9}};
        t->deposit.from = (struct address){{8}};
        t->deposit.mint = u256_from_u64(5);
        t->nonce = 0;
        return;
    }
    t->chain_id = 1;
    t->max_fee = t->max_priority_fee = u256_from_u64(7);
    if (type == TX_LEGACY) return;
    t->data = bytes_make(data, sizeof data);
    t->access = access_list;
    t->access_count = 2;
    if (type >= TX_FEE_MARKET) t->max_fee = u256_from_u64(1000);
    if (type == TX_BLOB) {
        t->blob_hashes = blob_hashes;
        t->blob_count = 2;
        t->max_blob_fee = u256_from_u64(3);
    }
    if (type == TX_SET_CODE) {
        struct tx_authorization *auth = arena_new_array(a, struct tx_authorization, 2);
        auth[0] = (struct tx_authorization){.chain_id = U256_ONE, .address = {{5}}, .nonce = 2};
        auth[1] = (struct tx_authorization){
            .chain_id = U256_MAX, .nonce = UINT64_MAX, .signature = {.y_parity = 255}};
        t->authorizations = auth;
        t->authorization_count = 2;
    }
}

static const enum tx_type types[] = {TX_LEGACY, TX_ACCESS_LIST, TX_FEE_MARKET,
                                     TX_BLOB,   TX_SET_CODE,    TX_DEPOSIT};

TEST(every_type_reads_back_with_its_sender) {
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct tx t, back;
        sample(&t, types[i], &w.a);
        if (types[i] == TX_DEPOSIT) {
            CHECK_ERR(tx_sign(&t, w.signer, &key, &w.a, &w.why), ERR_UNSUPPORTED);
            CHECK_OK(tx_seal(&t, &w.a, &w.why), &w.why);
        } else {
            CHECK_OK(tx_sign(&t, w.signer, &key, &w.a, &w.why), &w.why);
        }
        CHECK_OK(tx_decode(&back, t.raw, &w.a, &w.why), &w.why);
        CHECK(hash_equal(&back.hash, &t.hash) && back.type == t.type && back.gas == t.gas);
        CHECK(back.protected && back.chain_id == t.chain_id && back.nonce == t.nonce);
        CHECK(u256_equal(back.max_fee, t.max_fee) && u256_equal(back.value, t.value));
        CHECK(u256_equal(back.max_priority_fee, t.max_priority_fee));
        CHECK(back.access_count == t.access_count && back.blob_count == t.blob_count);
        CHECK(back.authorization_count == t.authorization_count);
        CHECK_BYTES(back.data, t.data);
        struct buf again;
        buf_init(&again, 0);
        tx_encode(&again, &back);
        CHECK_BYTES(buf_view(&again), t.raw);
        buf_free(&again);
        struct address sender;
        CHECK_OK(tx_sender(&sender, &back, &w.why), &w.why);
        CHECK_BYTES(BYTES_OF(sender),
                    types[i] == TX_DEPOSIT ? BYTES_OF(t.deposit.from) : BYTES_OF(w.sender));
        struct sender_cache *cache;
        CHECK_OK(sender_cache_new(&cache, 512, &w.why), &w.why);
        for (int turn = 0; turn < 2; turn++) {
            struct address again_sender;
            CHECK_OK(tx_sender_cached(&again_sender, &back, cache, &w.why), &w.why);
            CHECK(address_equal(&again_sender, &sender));
        }
        sender_cache_free(cache);
    }
    world_close(&w);
}

TEST(no_prefix_of_a_transaction_is_one) {
    struct world w;
    world_open(&w);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct tx t, back = {.gas = 77};
        sample(&t, types[i], &w.a);
        if (t.data.n > 100) t.data.n = 100;
        CHECK_OK(tx_seal(&t, &w.a, &w.why), &w.why);
        for (size_t n = 0; n < t.raw.n; n++) {
            CHECK_ERR(tx_decode(&back, bytes_make(t.raw.p, n), &w.a, &w.why), ERR_SYNTAX);
        }
        CHECK_U64(back.gas, 77);
    }
    world_close(&w);
}

TEST(refuses_unknown_types_and_broken_fields) {
    struct world w;
    world_open(&w);
    struct tx t;
    for (unsigned first = 0; first < 0x80; first++) {
        uint8_t in[2] = {(uint8_t)first, 0xc0};
        bool known = (first >= 1 && first <= 4) || first == 0x7e;
        CHECK_ERR(tx_decode(&t, bytes_make(in, 2), &w.a, &w.why),
                  known ? ERR_SYNTAX : ERR_UNSUPPORTED);
    }
    CHECK_ERR(tx_decode(&t, BYTES_LIT("\x80"), &w.a, &w.why), ERR_SYNTAX);
    // Creation by types that cannot, v that no rule gives, y parity above 1.
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 3; i < 5; i++) {
        sample(&t, types[i], &w.a);
        t.has_to = false;
        buf_clear(&b);
        tx_encode(&b, &t);
        CHECK_ERR(tx_decode(&t, buf_view(&b), &w.a, &w.why), ERR_SYNTAX);
        CHECK(strstr(w.why.text, "to:") != NULL);
    }
    sample(&t, TX_FEE_MARKET, &w.a);
    t.signature.y_parity = 2;
    buf_clear(&b);
    tx_encode(&b, &t);
    CHECK_ERR(tx_decode(&t, buf_view(&b), &w.a, &w.why), ERR_RANGE);
    sample(&t, TX_LEGACY, &w.a);
    t.protected = false;
    t.signature.y_parity = 2; // v = 29
    buf_clear(&b);
    tx_encode(&b, &t);
    CHECK_ERR(tx_decode(&t, buf_view(&b), &w.a, &w.why), ERR_RANGE);
    buf_free(&b);
    world_close(&w);
}

// The last field, s of the signature, gets a leading zero; where that stands is told in the bytes
// that the caller gave.
TEST(errors_tell_where_in_the_input_they_are) {
    struct world w;
    world_open(&w);
    struct buf b;
    struct tx t, back;
    struct tx_sidecar none;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i] == TX_DEPOSIT) continue;
        sample(&t, types[i], &w.a);
        memset(t.signature.s, 0x11, sizeof t.signature.s);
        buf_clear(&b);
        tx_encode(&b, &t);
        b.p[b.n - 32] = 0;
        CHECK_ERR(tx_decode(&back, buf_view(&b), &w.a, &w.why), ERR_SYNTAX);
        CHECK_U64(w.why.at, b.n - 33);
    }
    sample(&t, TX_BLOB, &w.a);
    memset(t.signature.s, 0x11, sizeof t.signature.s);
    buf_clear(&b);
    tx_encode_network(&b, &t, &(struct tx_sidecar){.present = true});
    b.p[b.n - 3 - 32] = 0; // before three empty lists
    CHECK_ERR(tx_decode_network(&back, &none, buf_view(&b), &w.a, &w.why), ERR_SYNTAX);
    CHECK_U64(w.why.at, b.n - 3 - 33);
    CHECK_ERR(tx_decode(&back, BYTES_LIT("\x02\xc1"), &w.a, &w.why), ERR_SYNTAX);
    CHECK_U64(w.why.at, 1);
    buf_free(&b);
    world_close(&w);
}

TEST(lists_beyond_the_memory_limit_are_refused) {
    struct world w;
    world_open(&w);
    struct arena small;
    arena_init(&small, 64);
    for (size_t i = 1; i < 5; i++) {
        struct tx t, back;
        sample(&t, types[i], &w.a);
        CHECK_OK(tx_seal(&t, &w.a, &w.why), &w.why);
        CHECK_ERR(tx_decode(&back, t.raw, &small, &w.why), ERR_LIMIT);
        arena_reset(&small);
    }
    arena_free(&small);
    world_close(&w);
}

TEST(lists_of_small_wrong_items_cost_no_memory) {
    enum { COUNT = 100000 };
    // What stands before and behind the list of a transaction's type, numbers being one.
    static const struct {
        struct bytes before;
        uint8_t item;
    } cases[] = {
        {BYTES_LIT("\x01"), 0xc0}, // access list
        {BYTES_LIT("\x03\xc0\x01"), 0x80},
        {BYTES_LIT("\x04\xc0"), 0xc0},
    };
    struct buf b;
    struct arena a;
    struct error why;
    struct tx t;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        arena_init(&a, 6 * COUNT);
        buf_clear(&b);
        buf_append_byte(&b, cases[i].before.p[0]);
        size_t list = rlp_list_begin(&b);
        buf_append_fill(&b, 1, cases[i].before.p[0] == TX_ACCESS_LIST ? 4 : 5);
        rlp_put_string(&b, bytes_make("01234567890123456789", 20));
        buf_append(&b, BYTES_LIT("\x01\x80")); // value, data
        buf_append(&b, bytes_slice(cases[i].before, 1, SIZE_MAX));
        size_t items = rlp_list_begin(&b);
        buf_append_fill(&b, cases[i].item, COUNT);
        rlp_list_close(&b, items);
        buf_append(&b, BYTES_LIT("\x01\x01\x01"));
        rlp_list_close(&b, list);
        CHECK_ERR(tx_decode(&t, buf_view(&b), &a, &why), ERR_SYNTAX);
        CHECK_U64(why.at, b.n - 3 - COUNT + (cases[i].item == 0xc0));
        arena_free(&a);
    }
    buf_free(&b);
}

TEST(authorization_gives_its_authority) {
    struct world w;
    world_open(&w);
    struct tx_authorization auth = {.chain_id = U256_MAX, .address = {{5}}, .nonce = UINT64_MAX};
    struct hash digest = tx_authorization_hash(&auth);
    CHECK_OK(ecdsa_sign(w.signer, &auth.signature, &digest, &key, &w.why), &w.why);
    struct address who;
    CHECK_OK(tx_authority(&who, &auth, &w.why), &w.why);
    CHECK_BYTES(BYTES_OF(who), BYTES_OF(w.sender));
    auth.signature.y_parity = 2;
    CHECK_ERR(tx_authority(&who, &auth, &w.why), ERR_RANGE);
    memset(auth.signature.s, 0xf0, 32);
    CHECK_ERR(tx_authority(&who, &auth, &w.why), ERR_RANGE);
    world_close(&w);
}

TEST(created_address_is_that_of_the_first_known_deployments) {
    uint8_t bytes[20];
    struct address sender;
    memcpy(sender.b, unhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", bytes).p, 20);
    struct address a = tx_create_address(&sender, 0);
    CHECK_BYTES(BYTES_OF(a), unhex("cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d", bytes));
    a = tx_create_address(&sender, 1);
    CHECK_BYTES(BYTES_OF(a), unhex("343c43a37d37dff08ae8c4a11544c718abb4fcf8", bytes));
}

TEST(sidecars_of_both_versions_read_back) {
    struct world w;
    world_open(&w);
    static uint8_t blobs[2][BLOB_BYTES];
    const uint8_t *pointers[2] = {blobs[0], blobs[1]};
    static struct bytes48 commitments[2] = {{{1}}, {{2}}}, proofs[2 * CELLS_PER_BLOB];
    blobs[1][5] = 9;
    struct hash hashes[2] = {kzg_versioned_hash(&commitments[0]),
                             kzg_versioned_hash(&commitments[1])};
    struct tx t;
    sample(&t, TX_BLOB, &w.a);
    t.blob_hashes = hashes;
    CHECK_OK(tx_sign(&t, w.signer, &key, &w.a, &w.why), &w.why);
    for (uint8_t version = 0; version < 2; version++) {
        struct tx_sidecar s = {
            true, version, 2, pointers, commitments, version ? 2 * CELLS_PER_BLOB : 2, proofs};
        struct buf b;
        buf_init(&b, 0);
        tx_encode_network(&b, &t, &s);
        struct tx back;
        struct tx_sidecar s2;
        CHECK_OK(tx_decode_network(&back, &s2, buf_view(&b), &w.a, &w.why), &w.why);
        CHECK(hash_equal(&back.hash, &t.hash) && s2.present && s2.version == version);
        CHECK_BYTES(back.raw, t.raw);
        CHECK(s2.blob_count == 2 && s2.proof_count == s.proof_count);
        CHECK(memcmp(s2.blobs[1], blobs[1], BLOB_BYTES) == 0);
        CHECK_OK(tx_sidecar_check(&back, &s2, &w.why), &w.why);
        for (size_t n = 0; n < b.n; n += n < 200 ? 1 : 997) {
            CHECK_ERR(tx_decode_network(&back, &s2, bytes_make(b.p, n), &w.a, &w.why), ERR_SYNTAX);
        }
        s.proof_count--; // one proof too few
        buf_clear(&b);
        tx_encode_network(&b, &t, &s);
        CHECK_ERR(tx_decode_network(&back, &s2, buf_view(&b), &w.a, &w.why), ERR_SYNTAX);
        buf_free(&b);
    }
    struct tx_sidecar none, bad = {true, 0, 1, pointers, commitments, 1, proofs};
    CHECK_OK(tx_decode_network(&t, &none, t.raw, &w.a, &w.why), &w.why);
    CHECK(!none.present);
    CHECK_ERR(tx_sidecar_check(&t, &bad, &w.why), ERR_INVALID);
    struct bytes48 swapped[2] = {commitments[1], commitments[0]};
    bad = (struct tx_sidecar){true, 0, 2, pointers, swapped, 2, proofs};
    CHECK_ERR(tx_sidecar_check(&t, &bad, &w.why), ERR_INVALID);
    world_close(&w);
}

TEST_MAIN()
