/* SPDX-License-Identifier: MIT */
#include "eth/order_feed.h"

#include "test/harness/test.h"

static struct arena a;
static struct error why;

static struct hash hash_of(uint8_t fill) {
    struct hash h;
    memset(&h, fill, sizeof h);
    return h;
}

static struct address address_of(uint8_t fill) {
    struct address h;
    memset(&h, fill, sizeof h);
    return h;
}

/* Encodes, parses and decodes; what comes back encodes to the same bytes. */
static struct feed_order again(const struct feed_order *o, uint64_t sequence) {
    struct buf one, two;
    struct feed_frame f;
    struct feed_order back;
    buf_init(&one, 0);
    buf_init(&two, 0);
    feed_put_order(&one, sequence, o);
    CHECK_OK(buf_check(&one, &why), &why);
    struct bytes whole = arena_copy(&a, buf_view(&one));
    CHECK_OK(feed_frame_parse(&f, whole, &why), &why);
    CHECK_U64(f.kind, FEED_ORDER);
    CHECK_U64(f.sequence, sequence);
    CHECK_U64(f.bytes, whole.n);
    CHECK_OK(feed_order_decode(&back, f.body, &a, &why), &why);
    feed_put_order(&two, sequence, &back);
    CHECK_BYTES(buf_view(&two), whole);
    buf_free(&one);
    buf_free(&two);
    return back;
}

/* A bundle in which everything is set. */
static struct feed_order full_bundle(void) {
    static struct bytes txs[2];
    static struct hash hashes[3];
    static struct address senders[2];
    txs[0] = BYTES_LIT("\x01\x02\x03");
    txs[1] = BYTES_LIT("");
    for (uint8_t i = 0; i < 3; i++) {
        hashes[i] = hash_of(i);
    }
    senders[0] = address_of(1);
    senders[1] = address_of(2);
    return (struct feed_order){
        .method = FEED_SEND_BUNDLE,
        .priority = FEED_PRIORITY_LOW,
        .from_peer = true,
        .has_signer = true,
        .has_refund_identity = true,
        .received_ns = 1234567890123456789u,
        .signer = address_of(7),
        .refund_identity = address_of(8),
        .senders = senders,
        .sender_count = 2,
        .bundle = {.fields = (1u << 15) - 1,
                   .txs = {txs, 2},
                   .block_number = 21,
                   .min_timestamp = 5,
                   .max_timestamp = 6,
                   .reverting = {hashes, 1},
                   .dropping = {hashes + 1, 1},
                   .refund_txs = {hashes + 2, 1},
                   .replacement_uuid = {{1, 2, 3}},
                   .uuid = {{4, 5, 6}},
                   .version = BYTES_LIT("v2"),
                   .replacement_nonce = 77,
                   .signing_address = address_of(9),
                   .refund_identity = address_of(8),
                   .refund_recipient = address_of(10),
                   .refund_percent = 99,
                   .delayed_refund = true,
                   .bundle_hash = hash_of(0xcc)},
    };
}

TEST(bundles_come_back_with_every_field) {
    arena_init(&a, 1u << 20);
    struct feed_order o = full_bundle(), b = again(&o, 3);
    CHECK_U64(b.method, FEED_SEND_BUNDLE);
    CHECK_U64(b.priority, FEED_PRIORITY_LOW);
    CHECK(b.from_peer && b.has_signer && b.has_refund_identity);
    CHECK_U64(b.received_ns, o.received_ns);
    CHECK(address_equal(&b.signer, &o.signer));
    CHECK(address_equal(&b.refund_identity, &o.refund_identity));
    CHECK_U64(b.sender_count, 2);
    CHECK(address_equal(&b.senders[1], &o.senders[1]));
    CHECK_U64(b.bundle.fields, o.bundle.fields);
    CHECK_U64(b.bundle.txs.count, 2);
    CHECK_BYTES(b.bundle.txs.items[0], o.bundle.txs.items[0]);
    CHECK_U64(b.bundle.block_number, 21);
    CHECK_U64(b.bundle.max_timestamp, 6);
    CHECK(hash_equal(&b.bundle.dropping.items[0], &o.bundle.dropping.items[0]));
    CHECK_U64(b.bundle.replacement_nonce, 77);
    CHECK_U64(b.bundle.refund_percent, 99);
    CHECK(b.bundle.delayed_refund);
    CHECK_BYTES(b.bundle.version, BYTES_LIT("v2"));
    CHECK(hash_equal(&b.bundle.bundle_hash, &o.bundle.bundle_hash));
    struct feed_order empty = {.method = FEED_SEND_BUNDLE};
    b = again(&empty, UINT64_MAX);
    CHECK(!b.has_signer && b.senders == NULL && b.bundle.txs.count == 0 && b.bundle.fields == 0);
    arena_free(&a);
}

TEST(other_orders_come_back) {
    arena_init(&a, 1u << 20);
    struct address sender = address_of(3);
    struct feed_order o = {.method = FEED_SEND_RAW_TX,
                           .raw = BYTES_LIT("\x02rest"),
                           .senders = &sender,
                           .sender_count = 1};
    struct feed_order b = again(&o, 1);
    CHECK_BYTES(b.raw, o.raw);
    CHECK(address_equal(&b.senders[0], &sender));
    o = (struct feed_order){.method = FEED_CANCEL,
                            .has_signer = true,
                            .signer = address_of(4),
                            .cancel_uuid = {{9, 8, 7}}};
    b = again(&o, 2);
    CHECK(memcmp(&b.cancel_uuid, &o.cancel_uuid, 16) == 0 && address_equal(&b.signer, &o.signer));
    o = (struct feed_order){.method = FEED_SUBSIDISE, .subsidy_block = 123456};
    CHECK_U64(again(&o, 3).subsidy_block, 123456);
    arena_free(&a);
}

TEST(share_bundles_come_back_with_their_trees) {
    arena_init(&a, 1u << 20);
    struct share_refund refund = {.body_index = 1, .percent = 90};
    struct share_refund_config config = {.address = address_of(5), .percent = 100};
    struct share_item inner_body[] = {{.has_tx = true, .tx = BYTES_LIT("\x02inner")}};
    struct share_bundle inner = {.version = BYTES_LIT("v0.1"),
                                 .block = 9,
                                 .body = inner_body,
                                 .body_count = 1,
                                 .refund_configs = &config,
                                 .refund_config_count = 1};
    struct share_item body[] = {
        {.has_hash = true, .hash = hash_of(1)},
        {.has_tx = true,
         .tx = BYTES_LIT("\x02tx"),
         .can_revert = true,
         .has_revert_mode = true,
         .revert_mode = REVERT_MODE_DROP},
        {.bundle = &inner, .can_revert = true},
    };
    struct feed_order o = {.method = FEED_SEND_SHARE,
                           .share = {.version = BYTES_LIT("version-1"),
                                     .has_replacement_uuid = true,
                                     .has_max_block = true,
                                     .has_metadata = true,
                                     .has_nonce = true,
                                     .cancelled = true,
                                     .has_signer = true,
                                     .has_privacy = true,
                                     .replacement_uuid = {{1}},
                                     .block = 10,
                                     .max_block = 12,
                                     .body = body,
                                     .body_count = 3,
                                     .refunds = &refund,
                                     .refund_count = 1,
                                     .signer = address_of(6),
                                     .replacement_nonce = 5}};
    struct feed_order b = again(&o, 8);
    CHECK_U64(b.share.body_count, 3);
    CHECK(b.share.body[0].has_hash && b.share.body[1].revert_mode == REVERT_MODE_DROP);
    CHECK_U64(b.share.max_block, 12);
    CHECK_U64(b.share.refunds[0].percent, 90);
    const struct share_bundle *i = b.share.body[2].bundle;
    CHECK(i != NULL && i->body_count == 1 && i->refund_config_count == 1);
    CHECK_BYTES(i->body[0].tx, inner_body[0].tx);
    arena_free(&a);
}

TEST(control_frames_come_back) {
    struct buf out;
    struct feed_frame f;
    buf_init(&out, 0);
    feed_put_hello(&out, 42);
    feed_put_welcome(&out, 42, 17);
    feed_put_acknowledge(&out, 18);
    feed_put_refuse(&out, 19, ERR_STALE, "its block has passed");
    struct bytes in = buf_view(&out);
    CHECK_OK(feed_frame_parse(&f, in, &why), &why);
    CHECK(f.kind == FEED_HELLO && f.session == 42);
    in = bytes_slice(in, f.bytes, in.n);
    CHECK_OK(feed_frame_parse(&f, in, &why), &why);
    CHECK(f.kind == FEED_WELCOME && f.session == 42 && f.sequence == 17);
    in = bytes_slice(in, f.bytes, in.n);
    CHECK_OK(feed_frame_parse(&f, in, &why), &why);
    CHECK(f.kind == FEED_ACKNOWLEDGE && f.sequence == 18);
    in = bytes_slice(in, f.bytes, in.n);
    CHECK_OK(feed_frame_parse(&f, in, &why), &why);
    CHECK(f.kind == FEED_REFUSE && f.sequence == 19 && f.code == ERR_STALE);
    CHECK_BYTES(f.text, BYTES_LIT("its block has passed"));
    CHECK_U64(f.bytes, in.n);
    buf_free(&out);
}

TEST(every_cut_asks_for_more_or_fails) {
    struct buf out;
    struct feed_frame f;
    struct feed_order o = full_bundle(), back;
    arena_init(&a, 1u << 20);
    buf_init(&out, 0);
    feed_put_order(&out, 1, &o);
    for (size_t n = 0; n < out.n; n++) {
        CHECK_ERR(feed_frame_parse(&f, (struct bytes){out.p, n}, &why), ERR_AGAIN);
    }
    CHECK_OK(feed_frame_parse(&f, buf_view(&out), &why), &why);
    for (size_t n = 0; n < f.body.n; n++) {
        CHECK_ERR(feed_order_decode(&back, bytes_slice(f.body, 0, n), &a, &why), ERR_SYNTAX);
    }
    buf_append_byte(&out, 0);
    struct bytes longer = bytes_slice(buf_view(&out), 13, out.n);
    CHECK_ERR(feed_order_decode(&back, longer, &a, &why), ERR_SYNTAX);
    buf_free(&out);
    arena_free(&a);
}

TEST(hostile_frames_meet_limits) {
    struct feed_frame f;
    struct feed_order o;
    arena_init(&a, 1u << 20);
    CHECK_ERR(feed_frame_parse(&f, BYTES_LIT("\0\0\0\x08........."), &why), ERR_SYNTAX);
    CHECK_ERR(feed_frame_parse(&f, BYTES_LIT("\xff\xff\xff\xff"), &why), ERR_LIMIT);
    CHECK_ERR(feed_frame_parse(&f, BYTES_LIT("\0\0\0\x09\x09\0\0\0\0\0\0\0\0"), &why), ERR_SYNTAX);
    static const char other[] = "\0\0\0\x0f\x01\0\0\0\0\0\0\0\x01"
                                "BNOF\0\x02";
    CHECK_ERR(feed_frame_parse(&f, bytes_make(other, sizeof other - 1), &why), ERR_UNSUPPORTED);
    // An order: method, flags, priority, time, and a count of senders.
    uint8_t body[16] = {FEED_SEND_BUNDLE};
    store_be32(body + 11, FEED_TXS_MAX + 1);
    CHECK_ERR(feed_order_decode(&o, bytes_make(body, 15), &a, &why), ERR_LIMIT);
    body[0] = 99;
    CHECK_ERR(feed_order_decode(&o, bytes_make(body, 15), &a, &why), ERR_UNSUPPORTED);
    body[0] = FEED_SEND_RAW_TX;
    body[1] = 0x80;
    CHECK_ERR(feed_order_decode(&o, bytes_make(body, 15), &a, &why), ERR_SYNTAX);
    arena_free(&a);
}

TEST(trees_that_are_too_deep_are_refused) {
    static struct share_bundle level[20];
    static struct share_item item[20];
    struct buf out;
    struct feed_frame f;
    struct feed_order back, o = {.method = FEED_SEND_SHARE};
    arena_init(&a, 1u << 20);
    for (int i = 0; i < 20; i++) {
        item[i] = (struct share_item){.bundle = i < 19 ? &level[i + 1] : NULL};
        level[i] = (struct share_bundle){.body = &item[i], .body_count = 1};
    }
    o.share = level[0];
    buf_init(&out, 0);
    feed_put_order(&out, 1, &o);
    CHECK_OK(feed_frame_parse(&f, buf_view(&out), &why), &why);
    CHECK_ERR(feed_order_decode(&back, f.body, &a, &why), ERR_LIMIT);
    o.share = level[20 - BUNDLE_DEPTH_MAX];
    (void)again(&o, 2);
    arena_free(&a);
    arena_init(&a, 64);
    CHECK_ERR(feed_order_decode(&back, f.body, &a, &why), ERR_LIMIT);
    buf_free(&out);
    arena_free(&a);
}

TEST_MAIN()
