/* SPDX-License-Identifier: MIT */
#include "eth/abi.h"

#include "base/hex.h"
#include "test/harness/test.h"

static struct arena a;
static struct error why;

static struct bytes hex(const char *text) {
    struct bytes ret;
    CHECK_OK(hex_decode_data(&ret, &a, bytes_from_str(text), &why), &why);
    return ret;
}

static struct abi_type type_of(const char *text) {
    struct abi_type t;
    CHECK_OK(abi_type_parse(&t, bytes_from_str(text), &a, &why), &why);
    return t;
}

static void check_selector(const char *text, const char *canonical, uint32_t selector) {
    struct bytes name;
    struct abi_type inputs;
    struct hash h;
    struct buf b;
    CHECK_OK(abi_function_parse(&name, &inputs, bytes_from_str(text), &a, &why), &why);
    CHECK_OK(abi_signature_hash(&h, name, &inputs, &why), &why);
    CHECK_U64(load_be32(h.b), selector);
    buf_init(&b, 0);
    abi_type_format(&b, &inputs);
    CHECK_BYTES(buf_view(&b), bytes_from_str(canonical));
    buf_free(&b);
}

// The examples of the specification.
TEST(selectors_of_the_specification) {
    arena_init(&a, 1u << 22);
    check_selector("baz(uint32,bool)", "(uint32,bool)", 0xcdcd77c0);
    check_selector("bar(bytes3[2])", "(bytes3[2])", 0xfce353f6);
    check_selector("sam(bytes,bool,uint[])", "(bytes,bool,uint256[])", 0xa5643bf2);
    check_selector("function transfer(address to, uint256 value)", "(address,uint256)", 0xa9059cbb);
    check_selector("f(uint, uint32[] memory, bytes10, bytes calldata)",
                   "(uint256,uint32[],bytes10,bytes)", 0x8be65246);
    check_selector("g()", "()", 0xe2179b8e);
    check_selector("f(function)", "(function)", 0xd6cd4974);
    check_selector("function each(uint256[] list, function[2] calls)", "(uint256[],function[2])",
                   0x1a9abbc7);
    arena_free(&a);
}

/* Encodes, compares with words, decodes, encodes again. */
static void check_words(const char *types, const struct abi_value *items, size_t count,
                        const char *words) {
    struct abi_type type = type_of(types);
    struct abi_value v = {.items = items, .count = count}, back;
    struct buf b;
    buf_init(&b, 0);
    CHECK_OK(abi_encode(&b, &type, &v, &why), &why);
    CHECK_BYTES(buf_view(&b), hex(words));
    CHECK_OK(abi_decode(&back, &type, buf_view(&b), &a, &why), &why);
    struct buf again;
    buf_init(&again, 0);
    CHECK_OK(abi_encode(&again, &type, &back, &why), &why);
    CHECK_BYTES(buf_view(&again), buf_view(&b));
    for (size_t n = 0; n < b.n; n += 7) {
        CHECK_ERR(abi_decode(&back, &type, bytes_make(b.p, n), &a, &why), ERR_SYNTAX);
    }
    buf_free(&b);
    buf_free(&again);
}

#define NUMBER(N)                                                                                  \
    {                                                                                              \
        .number = { {N} }                                                                          \
    }
#define Z "000000000000000000000000000000000000000000000000000000000000"

TEST(encodings_of_the_specification) {
    arena_init(&a, 1u << 22);
    const struct abi_value flat[] = {NUMBER(69), NUMBER(1)};
    check_words("(uint32,bool)", flat, 2, "0x" Z "0045" Z "0001");
    const struct abi_value threes[] = {{.bytes = BYTES_LIT("abc")}, {.bytes = BYTES_LIT("def")}};
    const struct abi_value fixed[] = {{.items = threes, .count = 2}};
    check_words("(bytes3[2])", fixed, 1,
                "0x6162630000000000000000000000000000000000000000000000000000000000"
                "6465660000000000000000000000000000000000000000000000000000000000");
    const struct abi_value call[] = {{.bytes = BYTES_LIT("an address, a selector..")}};
    check_words("(function)", call, 1,
                "0x616e20616464726573732c20612073656c6563746f722e2e0000000000000000");
    const struct abi_value list[] = {NUMBER(1), NUMBER(2), NUMBER(3)};
    const struct abi_value sam[] = {
        {.bytes = BYTES_LIT("dave")}, NUMBER(1), {.items = list, .count = 3}};
    check_words("(bytes,bool,uint256[])", sam, 3,
                "0x" Z "0060" Z "0001" Z "00a0" Z "0004"
                "6461766500000000000000000000000000000000000000000000000000000000" Z "0003" Z
                "0001" Z "0002" Z "0003");
    // g(uint256[][],string[]) of the specification.
    const struct abi_value ones[] = {NUMBER(1), NUMBER(2)}, three[] = {NUMBER(3)};
    const struct abi_value outer[] = {{.items = ones, .count = 2}, {.items = three, .count = 1}};
    const struct abi_value names[] = {
        {.bytes = BYTES_LIT("one")}, {.bytes = BYTES_LIT("two")}, {.bytes = BYTES_LIT("three")}};
    const struct abi_value g[] = {{.items = outer, .count = 2}, {.items = names, .count = 3}};
    check_words("(uint256[][],string[])", g, 2,
                "0x" Z "0040" Z "0140" Z "0002" Z "0040" Z "00a0" Z "0002" Z "0001" Z "0002" Z
                "0001" Z "0003" Z "0003" Z "0060" Z "00a0" Z "00e0" Z "0003"
                "6f6e650000000000000000000000000000000000000000000000000000000000" Z "0003"
                "74776f0000000000000000000000000000000000000000000000000000000000" Z "0005"
                "7468726565000000000000000000000000000000000000000000000000000000");
    arena_free(&a);
}

TEST(type_texts_that_are_none) {
    arena_init(&a, 1u << 22);
    static const char *const bad[] = {"",       "uint7",   "uint264",   "uint0",
                                      "uint08", "bytes0",  "bytes33",   "foo",
                                      "(uint8", "uint8]",  "uint8[",    "uint8[0]",
                                      "(,)",    "(int8,)", "uint8[-1]", "uint8[99999999]"};
    struct abi_type t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_ERR(abi_type_parse(&t, bytes_from_str(bad[i]), &a, &why), ERR_SYNTAX);
    }
    CHECK_ERR(
        abi_type_parse(&t, BYTES_LIT("((((((((((((((((((((uint8))))))))))))))))))))"), &a, &why),
        ERR_LIMIT);
    CHECK_ERR(abi_type_parse(&t, BYTES_LIT("int8[][][][][][][][][][][][][][][][][][]"), &a, &why),
              ERR_LIMIT);
    struct bytes name;
    CHECK_ERR(abi_function_parse(&name, &t, BYTES_LIT("(uint8)"), &a, &why), ERR_SYNTAX);
    CHECK_ERR(abi_function_parse(&name, &t, BYTES_LIT("f(uint8) x("), &a, &why), ERR_SYNTAX);
    arena_free(&a);
}

TEST(decoder_refuses_what_does_not_fit) {
    static const struct {
        const char *type, *data;
        int code;
    } cases[] = {
        {"(bool)", "0x" Z "0002", ERR_RANGE},
        {"(uint8)", "0x" Z "0100", ERR_RANGE},
        {"(int8)", "0x" Z "0080", ERR_RANGE},
        {"(address)", "0x0000000000000000000000010000000000000000000000000000000000000000",
         ERR_RANGE},
        {"(bytes2)", "0x6162630000000000000000000000000000000000000000000000000000000000",
         ERR_SYNTAX},
        {"(bytes)", "0x" Z "0040" Z "0000", ERR_SYNTAX},
        {"(bytes)", "0x" Z "0020" Z "0021" Z "0000", ERR_SYNTAX},
        {"(bytes)", "0x" Z "0020" Z "0001" Z "0001", ERR_SYNTAX},
        {"(uint8[])", "0xff" Z "20", ERR_SYNTAX},
        {"(uint8[])", "0x" Z "0020" Z "0002" Z "0001", ERR_SYNTAX},
        {"uint8", "0x" Z "0001", ERR_INVALID},
    };
    arena_init(&a, 1u << 22);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct abi_type type = type_of(cases[i].type);
        struct abi_value v;
        CHECK_ERR(abi_decode(&v, &type, hex(cases[i].data), &a, &why), cases[i].code);
    }
    // Arrays that point at themselves, again and again.
    struct abi_type type = type_of("(uint8[][][][][][][][][][])");
    uint8_t loop[32 * 64] = {0};
    for (size_t i = 0; i < 64; i++) {
        loop[32 * i + 31] = 32;
    }
    struct abi_value v;
    CHECK_ERR(abi_decode(&v, &type, bytes_make(loop, sizeof loop), &a, &why), ERR_LIMIT);
    arena_free(&a);
}

TEST(encoder_refuses_values_outside_of_their_type) {
    arena_init(&a, 1u << 22);
    static const struct {
        const char *type;
        struct abi_value v;
    } cases[] = {
        {"(uint8)", {.number = {{256}}}},
        {"(int8)", {.number = {{128}}}},
        {"(bytes2)", {.bytes = BYTES_LIT("abc")}},
        {"(uint8[2])", {.count = 1}},
        {"((uint8))", {.count = 2}},
    };
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct abi_type type = type_of(cases[i].type);
        struct abi_value v = {.items = &cases[i].v, .count = 1};
        CHECK_ERR(abi_encode(&b, &type, &v, &why), ERR_RANGE);
    }
    struct abi_type type = type_of("(int8,uint8)");
    const struct abi_value minus[] = {{.number = U256_MAX}, NUMBER(255)};
    struct abi_value v = {.items = minus, .count = 2};
    CHECK_OK(abi_encode(&b, &type, &v, &why), &why);
    v.count = 1;
    CHECK_ERR(abi_encode(&b, &type, &v, &why), ERR_RANGE);
    CHECK_ERR(abi_encode(&b, &type.parts[0], &v, &why), ERR_INVALID);
    buf_free(&b);
    arena_free(&a);
}

TEST_MAIN()
