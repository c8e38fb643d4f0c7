/* Published values of the OP Stack and of orderflow, where they are at hand.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/bundle.h"
#include "eth/deposit.h"
#include "eth/rpc_json.h"
#include "eth/testing.h"
#include "eth/tx_sidecar.h"

static struct arena a;
static struct error why;

TEST(deposits_have_their_hashes) {
    arena_init(&a, 0);
    const struct json *raws = vectors_json("l2/deposit/raw.json", &a);
    json_each(item, raws) {
        struct bytes raw;
        struct tx t;
        struct hash h;
        CHECK_OK(json_get_data(&raw, item, "raw", &a, &why), &why);
        CHECK_OK(tx_decode(&t, raw, &a, &why), &why);
        CHECK_U64(t.type, TX_DEPOSIT);
        if (json_get_hash(&h, item, "hash", &why) == 0) CHECK(hash_equal(&h, &t.hash));
    }
    struct tx t;
    CHECK_OK(tx_json_decode(&t, vectors_json("l2/deposit/rpc-tx-ecotone.json", &a), &a, &why),
             &why);
    arena_free(&a);
}

TEST(deposit_receipts_read_back) {
    arena_init(&a, 0);
    const struct json *receipts = vectors_json("l2/deposit/receipt-rlp.json", &a);
    json_each(item, receipts) {
        struct bytes payload;
        struct receipt r;
        uint64_t nonce, version;
        struct buf b;
        buf_init(&b, 0);
        CHECK_OK(json_get_data(&payload, item, "rlpWithoutTypeByte", &a, &why), &why);
        CHECK_OK(json_get_u64(&nonce, item, "depositNonce", &why), &why);
        CHECK_OK(json_get_u64(&version, item, "depositReceiptVersion", &why), &why);
        buf_append_byte(&b, TX_DEPOSIT);
        buf_append(&b, payload);
        CHECK_OK(receipt_decode(&r, buf_view(&b), &a, &why), &why);
        CHECK(r.deposit_nonce == nonce && r.deposit_version == version && r.success);
        buf_clear(&b);
        receipt_encode(&b, &r);
        CHECK_BYTES(bytes_slice(buf_view(&b), 1, SIZE_MAX), payload);
        buf_free(&b);
    }
    arena_free(&a);
}

TEST(upgrades_have_their_source_hashes) {
    arena_init(&a, 0);
    const struct json *upgrades = vectors_json("l2/deposit/upgrade-source-hash.json", &a);
    json_each(item, upgrades) {
        struct bytes intent;
        struct hash expected;
        CHECK_OK(json_get_string(&intent, item, "intent", &why), &why);
        CHECK_OK(json_get_hash(&expected, item, "sourceHash", &why), &why);
        struct hash got = deposit_source_upgrade(intent);
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
    arena_free(&a);
}

/* bundle_hash of the vectors: of the hashes of the transactions, one behind the other. */
static struct hash hash_of_txs(const struct bundle *b) {
    struct keccak k;
    keccak_init(&k);
    for (size_t i = 0; i < b->txs.count; i++) {
        struct tx t;
        struct tx_sidecar sidecar;
        CHECK_OK(tx_decode_network(&t, &sidecar, b->txs.items[i], &a, &why), &why);
        keccak_update(&k, BYTES_OF(t.hash));
    }
    return keccak_final(&k);
}

TEST(bundles_read_and_hash) {
    arena_init(&a, 0);
    const struct json *doc = vectors_json("orderflow/bundle-uuid.json", &a);
    json_members(group, list, doc) {
        json_each(item, list) {
            struct bundle b;
            struct hash expected;
            CHECK_OK(bundle_decode(&b, json_get(item, "payload"), &a, &why), &why);
            if (json_get_hash(&expected, item, "bundle_hash", &why) != 0) continue;
            struct hash got = hash_of_txs(&b);
            CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
        }
    }
    const struct json *shares = vectors_json("orderflow/mev-bundle.json", &a);
    json_each(item, shares) {
        struct share_bundle b;
        CHECK_OK(share_bundle_decode(&b, json_get(item, "payload"), &a, &why), &why);
    }
    arena_free(&a);
}

TEST(raw_transactions_have_their_senders) {
    arena_init(&a, 0);
    const struct json *doc = vectors_json("orderflow/raw-transactions.json", &a);
    json_each(item, doc) {
        struct tx t;
        struct tx_sidecar sidecar;
        struct bytes raw;
        struct hash hash;
        struct address sender, expected;
        if (json_get_data(&raw, item, "raw", &a, &why) != 0) continue;
        if (json_get_hash(&hash, item, "hash", &why) != 0) continue;
        CHECK_OK(tx_decode_network(&t, &sidecar, raw, &a, &why), &why);
        CHECK_BYTES(BYTES_OF(t.hash), BYTES_OF(hash));
        if (json_get_address(&expected, item, "sender", &why) != 0) continue;
        CHECK_OK(tx_sender(&sender, &t, &why), &why);
        CHECK_BYTES(BYTES_OF(sender), BYTES_OF(expected));
    }
    arena_free(&a);
}

TEST_MAIN()
