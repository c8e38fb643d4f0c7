/* SPDX-License-Identifier: MIT */
#include "eth/bundle.h"

#include "test/harness/test.h"

#define HASH_A "\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define ADDRESS_A "\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define UUID_TEXT "3255ceb4-fdc5-592d-a501-2183727ca3df"
#define UUID_A "\"" UUID_TEXT "\""

static struct arena a;
static struct error why;

/* Decodes and encodes again; gives the text or the error's name. */
static const char *again(const char *text) {
    const struct json *doc;
    struct bundle b;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    int r = json_parse(&doc, bytes_from_str(text), &a, NULL, &why);
    if (r == 0) r = bundle_decode(&b, doc, &a, &why);
    json_writer_init(&w, &out, 0);
    if (r == 0) bundle_encode(&w, NULL, &b);
    const char *ret = r == 0 ? arena_str(&a, buf_view(&out)) : error_name(r);
    buf_free(&out);
    return ret;
}

TEST(every_field_reads_back_in_order) {
    static const char all[] =
        "{\"txs\":[\"0x01\",\"0x\"],\"blockNumber\":\"0x10\",\"minTimestamp\":1,"
        "\"maxTimestamp\":2,\"revertingTxHashes\":[" HASH_A "],\"replacementUuid\":" UUID_A
        ",\"version\":\"v2\",\"replacementNonce\":7,\"signingAddress\":" ADDRESS_A
        ",\"refundIdentity\":" ADDRESS_A ",\"droppingTxHashes\":[" HASH_A "],\"uuid\":" UUID_A
        ",\"refundPercent\":99,\"refundRecipient\":" ADDRESS_A ",\"refundTxHashes\":[" HASH_A
        "],\"delayedRefund\":true,\"bundleHash\":" HASH_A "}";
    arena_init(&a, 1u << 20);
    CHECK_STR(again(all), all);
    CHECK_STR(again("{}"), "{\"txs\":null,\"blockNumber\":null}");
    CHECK_STR(again("{\"txs\":[],\"blockNumber\":16,\"revertingTxHashes\":null,\"other\":[]}"),
              "{\"txs\":[],\"blockNumber\":\"0x10\"}");
    CHECK_STR(again("{\"minTimestamp\":\"0x5\"}"),
              "{\"txs\":null,\"blockNumber\":null,\"minTimestamp\":5}");
    arena_free(&a);
}

TEST(wrong_fields_are_named) {
    static const struct {
        const char *text, *error, *member;
    } cases[] = {
        {"[]", "invalid", ""},
        {"{\"txs\":\"0x\"}", "invalid", "txs"},
        {"{\"txs\":[\"0x0\"]}", "syntax", "txs[0]"},
        {"{\"blockNumber\":\"16\"}", "syntax", "blockNumber"},
        {"{\"blockNumber\":-1}", "range", "blockNumber"},
        {"{\"revertingTxHashes\":[\"0x01\"]}", "range", "revertingTxHashes"},
        {"{\"uuid\":\"3255ceb4-fdc5-592d-a501-2183727ca3d\"}", "syntax", "uuid"},
        {"{\"uuid\":\"3255ceb4-fdc5-592d-a501+2183727ca3df\"}", "syntax", "uuid"},
        {"{\"uuid\":\"3255ceb4-fdc5-592d-a501-2183727ca3dg\"}", "syntax", "uuid"},
        {"{\"delayedRefund\":1}", "invalid", "delayedRefund"},
        {"{\"signingAddress\":\"0x\"}", "range", "signingAddress"},
        {"{\"version\":2}", "invalid", "version"},
    };
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STR(again(cases[i].text), cases[i].error);
        CHECK(strstr(why.text, cases[i].member) != NULL);
    }
    arena_free(&a);
    arena_init(&a, 100);
    CHECK_STR(again("{\"txs\":[\"0x\",\"0x\",\"0x\",\"0x\",\"0x\",\"0x\",\"0x\",\"0x\"]}"),
              "limit");
    arena_free(&a);
}

static const char *share_again(const char *text) {
    const struct json *doc;
    struct share_bundle b;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    int r = json_parse(&doc, bytes_from_str(text), &a, NULL, &why);
    if (r == 0) r = share_bundle_decode(&b, doc, &a, &why);
    json_writer_init(&w, &out, 0);
    if (r == 0) share_bundle_encode(&w, NULL, &b);
    const char *ret = r == 0 ? arena_str(&a, buf_view(&out)) : error_name(r);
    buf_free(&out);
    return ret;
}

TEST(uuids_are_read_in_all_forms_of_the_deployed_libraries) {
    static const char *const good[] = {UUID_TEXT,
                                       "3255CEB4-FDC5-592D-A501-2183727CA3DF",
                                       "3255ceb4fdc5592da5012183727ca3df",
                                       "{" UUID_TEXT "}",
                                       "urn:uuid:" UUID_TEXT,
                                       "URN:UUID:" UUID_TEXT};
    static const char *const bad[] = {"",
                                      "{" UUID_TEXT,
                                      "{" UUID_TEXT ")",
                                      "{3255ceb4fdc5592da5012183727ca3df}",
                                      "urn:uuid:{" UUID_TEXT "}",
                                      "urn-uuid:" UUID_TEXT,
                                      "{{3255ceb4-fdc5-592d-a501-2183727ca3}}",
                                      "3255ceb4fdc5592da5012183727ca3d-",
                                      "3255ceb4fdc5592da5012183727ca3df0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct uuid u;
        char text[37];
        CHECK_OK(uuid_parse(&u, bytes_from_str(good[i]), &why), &why);
        uuid_format(text, &u);
        CHECK_STR(text, UUID_TEXT);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct uuid u;
        CHECK_ERR(uuid_parse(&u, bytes_from_str(bad[i]), &why), ERR_SYNTAX);
    }
}

TEST(share_bundles_read_back) {
    static const char all[] =
        "{\"version\":\"v0.1\",\"replacementUuid\":" UUID_A
        ",\"inclusion\":{\"block\":\"0x1\",\"maxBlock\":\"0x2\"},\"body\":[{\"hash\":" HASH_A
        "},{\"tx\":\"0x02\",\"canRevert\":true,\"revertMode\":\"drop\"},{\"bundle\":{"
        "\"version\":\"v0.1\",\"inclusion\":{\"block\":\"0x1\"},\"body\":[],\"validity\":{}}}],"
        "\"validity\":{\"refund\":[{\"bodyIdx\":0,\"percent\":90}],\"refundConfig\":[{"
        "\"address\":" ADDRESS_A ",\"percent\":100}]},\"metadata\":{\"signer\":" ADDRESS_A
        ",\"replacementNonce\":3,\"cancelled\":true}}";
    arena_init(&a, 1u << 20);
    CHECK_STR(share_again(all), all);
    CHECK_STR(share_again("{\"version\":\"v0.1\"}"), "not_found");
    CHECK_STR(share_again("{\"version\":\"v0.1\",\"inclusion\":{\"block\":1},\"body\":[7]}"),
              "invalid");
    CHECK(strstr(why.text, "body[0]") != NULL);
    struct buf deep;
    buf_init(&deep, 0);
    for (int i = 0; i < 20; i++) {
        buf_append_str(&deep, "{\"version\":\"v0.1\",\"inclusion\":{\"block\":1},\"body\":[{"
                              "\"bundle\":");
    }
    buf_append_str(&deep, "null");
    for (int i = 0; i < 20; i++) {
        buf_append_str(&deep, "}]}");
    }
    buf_append_byte(&deep, 0);
    CHECK_STR(share_again((const char *)deep.p), "limit");
    buf_free(&deep);
    arena_free(&a);
}

TEST_MAIN()
