/* SPDX-License-Identifier: MIT */
#include "eth/describe.h"

#include "eth/beacon_block.h"
#include "eth/block.h"
#include "eth/containers.h"
#include "eth/rlp.h"
#include "test/harness/test.h"
#include "json/json.h"

#include <stdio.h>

/* Describes the bytes and gives the kind that was found, or the error's name. */
static const char *kind_of(struct bytes in, const char *as, struct arena *a) {
    struct buf out, table;
    struct error why;
    const struct json *doc;
    struct bytes kind;
    buf_init(&out, 0);
    buf_init(&table, 0);
    int r = describe_json(&out, as, in, a, &why);
    if (r == 0) r = describe_table(&table, buf_view(&out), a, &why);
    if (r == 0) r = json_parse(&doc, buf_view(&out), a, NULL, &why);
    if (r == 0) r = json_get_string(&kind, doc, "kind", &why);
    const char *text = r == 0 ? arena_str(a, kind) : error_name(r);
    buf_free(&out);
    buf_free(&table);
    return text;
}

TEST(finds_every_kind_of_rlp) {
    struct arena a;
    struct buf b;
    arena_init(&a, 0);
    buf_init(&b, 0);
    struct tx t = {.type = TX_FEE_MARKET, .has_to = true};
    tx_encode(&b, &t);
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "transaction");
    buf_clear(&b);
    header_encode(&b, &(struct header){.form = HEADER_CANCUN});
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "header");
    CHECK_STR(kind_of(buf_view(&b), "rlp", &a), "rlp");
    CHECK_STR(kind_of(buf_view(&b), "block", &a), "syntax");
    buf_clear(&b);
    struct tx legacy = {.type = TX_LEGACY};
    struct withdrawal w = {.index = 1};
    block_encode(&b, &(struct block){.txs = &legacy,
                                     .tx_count = 1,
                                     .has_withdrawals = true,
                                     .withdrawals = &w,
                                     .withdrawal_count = 1});
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "block");
    buf_clear(&b);
    receipt_encode(&b, &(struct receipt){.type = TX_BLOB, .success = true});
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "receipt");
    buf_clear(&b);
    withdrawal_encode(&b, &w);
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "withdrawal");
    CHECK_STR(kind_of(BYTES_LIT("\xc3\xc1\x80\x01"), NULL, &a), "rlp");
    CHECK_STR(kind_of(BYTES_LIT("\x02\xc0"), NULL, &a), "syntax");
    CHECK_STR(kind_of(BYTES_LIT(""), NULL, &a), "syntax");
    CHECK_STR(kind_of(BYTES_LIT("\xc0"), "nonsense", &a), "not_found");
    buf_free(&b);
    arena_free(&a);
}

// A list of `count` empty lists.
static const char *kind_of_list(size_t count) {
    struct arena a;
    struct buf b;
    arena_init(&a, 0);
    buf_init(&b, 0);
    rlp_put_list_header(&b, count);
    buf_append_fill(&b, 0xc0, count);
    const char *kind = kind_of(buf_view(&b), "rlp", &a);
    static char text[32];
    (void)snprintf(text, sizeof text, "%s", kind);
    buf_free(&b);
    arena_free(&a);
    return text;
}

TEST(shows_so_many_items_of_rlp_and_no_more) {
    CHECK_STR(kind_of_list(DESCRIBE_RLP_ITEMS_MAX - 1), "rlp");
    CHECK_STR(kind_of_list(DESCRIBE_RLP_ITEMS_MAX), "limit");
}

TEST(finds_containers_by_fork) {
    struct arena a;
    struct buf b;
    arena_init(&a, 0);
    buf_init(&b, 0);
    static const struct bytes48 points[CELLS_PER_BLOB];
    static const struct blob blob;
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        struct submit_block_request s = {.message.slot = 0x80};
        s.blobs_bundle.blobs.items = &blob, s.blobs_bundle.blobs.count = 1;
        s.blobs_bundle.commitments.items = points, s.blobs_bundle.commitments.count = 1;
        s.blobs_bundle.proofs.items = points;
        s.blobs_bundle.proofs.count = f == CONSENSUS_FULU ? CELLS_PER_BLOB : 1;
        buf_clear(&b);
        ssz_encode(&b, consensus_types_of((enum consensus_fork)f)->submit_request, &s);
        char expected[64];
        (void)snprintf(expected, sizeof expected, "submit_request_%s",
                       consensus_fork_name((enum consensus_fork)f));
        CHECK_STR(kind_of(buf_view(&b), NULL, &a), expected);
        // Blocks as they are published. Electra's without blobs are Fulu's too.
        const struct consensus_types *t = consensus_types_of((enum consensus_fork)f);
        const char *name = consensus_fork_name((enum consensus_fork)f);
        struct block_contents c = {.signed_block.message.slot = 0x80};
        buf_clear(&b);
        ssz_encode(&b, t->signed_block, &c.signed_block);
        (void)snprintf(expected, sizeof expected, "signed_block_%s",
                       f == CONSENSUS_ELECTRA ? "fulu" : name);
        CHECK_STR(kind_of(buf_view(&b), NULL, &a), expected);
        (void)snprintf(expected, sizeof expected, "signed_block_%s", name);
        CHECK_STR(kind_of(buf_view(&b), expected, &a), expected);
        if (!t->block_contents) continue;
        c.blobs.items = &blob, c.blobs.count = 1;
        c.kzg_proofs.items = points, c.kzg_proofs.count = s.blobs_bundle.proofs.count;
        buf_clear(&b);
        ssz_encode(&b, t->block_contents, &c);
        (void)snprintf(expected, sizeof expected, "block_contents_%s", name);
        CHECK_STR(kind_of(buf_view(&b), NULL, &a), expected);
        buf_clear(&b);
        ssz_encode(&b, t->blobs_bundle, &s.blobs_bundle);
        (void)snprintf(expected, sizeof expected, "blobs_bundle_%s",
                       f == CONSENSUS_DENEB ? "electra" : name);
        CHECK_STR(kind_of(buf_view(&b), NULL, &a), expected);
    }
    buf_clear(&b);
    ssz_encode(&b, &ssz_bid_trace, &(struct bid_trace){.slot = 0x80});
    CHECK_STR(kind_of(buf_view(&b), NULL, &a), "bid_trace");
    CHECK_STR(kind_of(buf_view(&b), "payload_and_blobs_capella", &a), "not_found");
    buf_free(&b);
    arena_free(&a);
}

TEST_MAIN()
