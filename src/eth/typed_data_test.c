/* SPDX-License-Identifier: MIT */
#include "eth/typed_data.h"

#include "base/buf.h"
#include "base/hex.h"
#include "test/harness/bench.h"
#include "test/harness/test.h"

#include <stdio.h>

static int load(struct typed_data_hashes *ret, const char *text, struct error *why) {
    struct arena a;
    arena_init(&a, 16u << 20);
    const struct json *doc;
    int r = json_parse(&doc, bytes_from_str(text), &a, NULL, why);
    if (r == 0) r = typed_data_hash(ret, doc, &a, why);
    arena_free(&a);
    return r;
}

static void check_hash(const struct hash *got, const char *expected) {
    char text[65];
    hex_encode(text, BYTES_OF(*got));
    text[64] = 0;
    CHECK_STR(text, expected);
}

#define MAIL_TYPES                                                                                 \
    "\"types\":{\"EIP712Domain\":[{\"name\":\"name\",\"type\":\"string\"},"                        \
    "{\"name\":\"version\",\"type\":\"string\"},{\"name\":\"chainId\",\"type\":\"uint256\"},"      \
    "{\"name\":\"verifyingContract\",\"type\":\"address\"}],"                                      \
    "\"Person\":[{\"name\":\"name\",\"type\":\"string\"},"                                         \
    "{\"name\":\"wallet\",\"type\":\"address\"}],"                                                 \
    "\"Mail\":[{\"name\":\"from\",\"type\":\"Person\"},{\"name\":\"to\",\"type\":\"Person\"},"     \
    "{\"name\":\"contents\",\"type\":\"string\"}]},\"domain\":{\"name\":\"Ether Mail\","           \
    "\"version\":\"1\",\"chainId\":1,"                                                             \
    "\"verifyingContract\":\"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC\"}"

// The example of EIP-712.
TEST(mail_of_eip_712) {
    struct typed_data_hashes h;
    struct error why;
    CHECK_OK(load(&h,
                  "{" MAIL_TYPES
                  ",\"primaryType\":\"Mail\",\"message\":{\"from\":{\"name\":\"Cow\","
                  "\"wallet\":\"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826\"},\"to\":"
                  "{\"name\":\"Bob\",\"wallet\":\"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB\"},"
                  "\"contents\":\"Hello, Bob!\"}}",
                  &why),
             &why);
    check_hash(&h.domain, "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f");
    check_hash(&h.message, "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e");
    check_hash(&h.digest, "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
}

static int one_member(struct typed_data_hashes *h, const char *type, const char *value,
                      struct error *why) {
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "{\"types\":{\"EIP712Domain\":[],\"T\":[{\"name\":\"x\",\"type\":\"%s\"}]},"
                   "\"primaryType\":\"T\",\"domain\":{},\"message\":{\"x\":%s}}",
                   type, value);
    return load(h, text, why);
}

TEST(members_keep_to_their_types) {
    static const struct {
        const char *type, *value;
        int code;
    } cases[] = {
        {"uint8", "255", 0},
        {"uint8", "\"0xff\"", 0},
        {"uint8", "256", ERR_RANGE},
        {"uint8", "-1", ERR_RANGE},
        {"int8", "127", 0},
        {"int8", "\"-128\"", 0},
        {"int8", "128", ERR_RANGE},
        {"int8", "-129", ERR_RANGE},
        {"int256", "\"-0x1\"", 0},
        {"uint8", "1.5", ERR_SYNTAX},
        {"uint8", "true", ERR_SYNTAX},
        {"bool", "true", 0},
        {"bool", "1", ERR_INVALID},
        {"bytes4", "\"0x01020304\"", 0},
        {"bytes4", "\"0x0102030405\"", ERR_RANGE},
        {"bytes", "\"0x01\"", 0},
        {"bytes", "\"x\"", ERR_SYNTAX},
        {"string", "7", ERR_INVALID},
        {"address", "\"0x01\"", ERR_RANGE},
        {"uint8[]", "[1,2,3]", 0},
        {"uint8[3]", "[1,2,3]", 0},
        {"uint8[2]", "[1,2,3]", ERR_RANGE},
        {"uint8[][2]", "[[1],[2,3]]", 0},
        {"uint8[]", "7", ERR_INVALID},
        {"Unknown", "7", ERR_SYNTAX},
        {"T", "null", 0},
        {"T", "{\"x\":{\"x\":null}}", 0},
        {"(uint8)", "[1]", ERR_SYNTAX},
        {"bytes4", "\"0x0102\"", ERR_RANGE},
        // Names of types, and nothing beside them.
        {"]", "[]", ERR_SYNTAX},
        {"[]", "[]", ERR_SYNTAX},
        {"1]", "[]", ERR_SYNTAX},
        {"uint8]", "[]", ERR_SYNTAX},
        {"uint8[[]", "[]", ERR_SYNTAX},
        {"uint8[x]", "[]", ERR_SYNTAX},
        {"Unknown[]", "[]", ERR_SYNTAX},
        {"uint8[][][]", "[]", 0},
        {"T[]", "[]", 0},
        {"uint8 memory", "1", ERR_SYNTAX},
        {"address payable", "\"0x0000000000000000000000000000000000000001\"", ERR_SYNTAX},
        {"uint8 ", "1", ERR_SYNTAX},
        {"function", "\"0x000000000000000000000000000000000000000000000000\"", ERR_SYNTAX},
        {"", "1", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct typed_data_hashes h;
        struct error why = {.text = ""};
        int r = one_member(&h, cases[i].type, cases[i].value, &why);
        if (r != cases[i].code) {
            FAIL("%s %s: %s %s", cases[i].type, cases[i].value, error_name(r), why.text);
        }
    }
}

TEST(numbers_hash_the_same_in_every_form) {
    struct typed_data_hashes a, b, c;
    struct error why;
    CHECK_OK(one_member(&a, "uint256", "256", &why), &why);
    CHECK_OK(one_member(&b, "uint256", "\"256\"", &why), &why);
    CHECK_OK(one_member(&c, "uint256", "\"0x0100\"", &why), &why);
    CHECK(hash_equal(&a.digest, &b.digest) && hash_equal(&a.digest, &c.digest));
}

TEST(nesting_is_limited) {
    struct buf value;
    buf_init(&value, 0);
    for (int i = 0; i < 40; i++) {
        buf_append_str(&value, "{\"x\":");
    }
    buf_append_str(&value, "null");
    buf_append_fill(&value, '}', 40);
    buf_append_byte(&value, 0);
    struct typed_data_hashes h;
    struct error why;
    CHECK_ERR(one_member(&h, "T", (const char *)value.p, &why), ERR_LIMIT);
    buf_free(&value);
    CHECK_ERR(load(&h, "{}", &why), ERR_NOT_FOUND);
    CHECK_ERR(load(&h, "{\"types\":{},\"primaryType\":\"T\"}", &why), ERR_NOT_FOUND);
}

// A document of `types` empty struct types, one with `fields` fields, the first of a long name, and
// a message of `structs` structs of that type.
static int crowd(size_t types, size_t fields, size_t name_n, size_t structs, struct error *why) {
    struct buf text;
    buf_init(&text, 0);
    buf_append_str(&text,
                   "{\"types\":{\"EIP712Domain\":[],\"M\":[{\"name\":\"x\",\"type\":\"S[]\"}],"
                   "\"S\":[{\"name\":\"x\",\"type\":\"T[]\"}],\"T\":[");
    for (size_t i = 0; i < fields; i++) {
        buf_append_str(&text, i ? ",{\"name\":\"" : "{\"name\":\"");
        if (i) buf_printf(&text, "b%zu", i);
        if (!i) buf_append_fill(&text, 'a', name_n);
        buf_append_str(&text, "\",\"type\":\"bool\"}");
    }
    buf_append_byte(&text, ']');
    for (size_t i = 0; i < types; i++) {
        buf_printf(&text, ",\"E%zu\":[]", i);
    }
    buf_append_str(&text, "},\"primaryType\":\"M\",\"domain\":{},\"message\":{\"x\":[");
    for (size_t i = 0; i < structs; i++) {
        buf_append_str(&text, i ? ",{\"x\":[]}" : "{\"x\":[]}");
    }
    buf_append_str(&text, "]}}");
    buf_append_byte(&text, 0);
    struct typed_data_hashes h;
    int r = load(&h, (const char *)text.p, why);
    buf_free(&text);
    return r;
}

TEST(types_are_limited) {
    struct error why;
    CHECK_OK(crowd(TYPED_DATA_TYPES_MAX - 4, 1, 1, 1, &why), &why);
    CHECK_ERR(crowd(TYPED_DATA_TYPES_MAX - 3, 1, 1, 1, &why), ERR_LIMIT);
    CHECK_OK(crowd(0, TYPED_DATA_FIELDS_MAX - 2, 1, 1, &why), &why);
    CHECK_ERR(crowd(0, TYPED_DATA_FIELDS_MAX - 1, 1, 1, &why), ERR_LIMIT);
    CHECK_OK(crowd(0, 1, TYPED_DATA_TYPE_TEXT_MAX - 32, 1, &why), &why);
    CHECK_ERR(crowd(0, 1, TYPED_DATA_TYPE_TEXT_MAX, 1, &why), ERR_LIMIT);
    struct typed_data_hashes h; // a type that no value reaches
    CHECK_ERR(load(&h,
                   "{\"types\":{\"EIP712Domain\":[],\"T\":{\"a\":{}}},"
                   "\"primaryType\":\"EIP712Domain\",\"domain\":{}}",
                   &why),
              ERR_INVALID);
}

// Hashing its type's 64 KB for each of 20,000 structs would take seconds.
TEST(many_structs_of_a_large_type_cost_no_more_than_their_text) {
    struct error why;
    uint64_t before = bench_cpu_ns();
    CHECK_OK(crowd(0, 1, TYPED_DATA_TYPE_TEXT_MAX - 32, 20000, &why), &why);
    CHECK(bench_cpu_ns() - before < 1000000000u);
}

// Two members of one name are one value: thirty levels of them would be a billion structs.
TEST(a_type_names_a_member_once) {
    struct typed_data_hashes h;
    struct error why;
    const char *const twice =
        "{\"types\":{\"EIP712Domain\":[],\"T\":[{\"name\":\"x\",\"type\":\"T\"},"
        "{\"name\":\"%s\",\"type\":\"T\"}]},\"primaryType\":\"T\",\"domain\":{},\"message\":";
    for (int same = 0; same < 2; same++) {
        struct buf text;
        buf_init(&text, 0);
        buf_printf(&text, twice, same ? "x" : "y");
        for (int i = 0; i < 30; i++) {
            buf_append_str(&text, "{\"x\":");
        }
        buf_append_str(&text, "null");
        buf_append_fill(&text, '}', 31);
        buf_append_byte(&text, 0);
        int r = load(&h, (const char *)text.p, &why);
        CHECK_I64(r, same ? ERR_INVALID : 0);
        buf_free(&text);
    }
}

TEST(personal_messages_of_eip_191) {
    struct hash h = personal_message_hash(BYTES_LIT("Some data"));
    check_hash(&h, "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655");
    struct address validator = {{1}};
    struct hash a = validator_message_hash(&validator, BYTES_LIT("x"));
    struct hash b = validator_message_hash(&validator, BYTES_LIT("y"));
    CHECK(!hash_equal(&a, &b));
}

TEST(signatures_of_wallets) {
    struct ecdsa_signature s = {.r = {1}, .s = {2}, .y_parity = 1}, back;
    struct error why;
    uint8_t in[65];
    signature_to_bytes(in, &s);
    CHECK_U64(in[64], 28);
    CHECK_OK(signature_from_bytes(&back, bytes_make(in, 65), &why), &why);
    CHECK(back.y_parity == 1 && back.r[0] == 1 && back.s[0] == 2);
    in[64] = 0;
    CHECK_OK(signature_from_bytes(&back, bytes_make(in, 65), &why), &why);
    in[64] = 2;
    CHECK_ERR(signature_from_bytes(&back, bytes_make(in, 65), &why), ERR_RANGE);
    CHECK_ERR(signature_from_bytes(&back, bytes_make(in, 64), &why), ERR_SYNTAX);
}

TEST_MAIN()
