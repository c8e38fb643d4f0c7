/* SPDX-License-Identifier: MIT */
#include "crypto/bls.h"

#include "crypto/bls_map.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

static struct bls_secret_key secret(uint8_t seed) {
    uint8_t ikm[32];
    struct bls_secret_key sk;
    struct error why;
    memset(ikm, seed, sizeof ikm);
    CHECK_OK(bls_secret_key_generate(&sk, bytes_make(ikm, 32), (struct bytes){0}, &why), &why);
    return sk;
}

static struct bls_public_key public_of(const struct bls_secret_key *sk) {
    struct bytes48 encoded, again;
    struct bls_public_key pk;
    struct error why;
    bls_public_key_of(&encoded, sk);
    CHECK_OK(bls_public_key_parse(&pk, &encoded, &why), &why);
    bls_public_key_compress(&again, &pk);
    CHECK_BYTES(BYTES_OF(again), BYTES_OF(encoded));
    return pk;
}

static void check_hex(struct bytes got, const char *hex) {
    uint8_t expected[96];
    CHECK_BYTES(got, from_hex(expected, hex));
}

TEST(keygen_is_the_drafts) {
    uint8_t ikm[40], out[32];
    struct bls_secret_key sk = secret(1);
    struct error why;
    bls_secret_key_store(out, &sk);
    check_hex(bytes_make(out, 32),
              "144b27828e305a2d67fc7f4eea6de706b405cdd1ab8ad2daec046ccdeeec8b79");
    memset(ikm, 2, sizeof ikm);
    CHECK_OK(bls_secret_key_generate(&sk, bytes_make(ikm, 40), BYTES_LIT("info"), &why), &why);
    bls_secret_key_store(out, &sk);
    check_hex(bytes_make(out, 32),
              "3bceec19f636e57537db975a7bf57460edefda581a0e9c29118f7c3f180dc3c4");
    CHECK_ERR(bls_secret_key_generate(&sk, bytes_make(ikm, 31), (struct bytes){0}, &why),
              ERR_RANGE);
}

TEST(keys_and_signatures_have_their_known_encodings) {
    uint8_t bytes[32], message[32];
    struct bls_secret_key sk;
    struct bytes48 pk;
    struct bytes96 signature;
    struct error why;
    from_hex(bytes, "25295f0d1d592a90b333e26e85149708208e9f8e8bc18f6c77bd62f8ad7a6866");
    memset(message, 0xab, sizeof message);
    CHECK_OK(bls_secret_key_load(&sk, bytes, &why), &why);
    bls_public_key_of(&pk, &sk);
    check_hex(BYTES_OF(pk), "a99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4"
                            "bf2d153f649f7b53359fe8b94a38e44c");
    bls_sign(&signature, &sk, bytes_make(message, 32));
    check_hex(BYTES_OF(signature),
              "945d41c805215d034c33b31030b689490efc6783263250e5fdd03df37e0e0ab26e2c1ad97ea71f741f"
              "2d7bdb59d4bc9e1220dd2822d582c1a2e7f5590753ae84faf5f8d13857f4d98ba5f9783f8e146562a4"
              "0561209fde0015006b4786895be1");
}

/* RFC 9380 appendices J.9.1 and J.10.1 (compressed). */
TEST(hash_to_curve_is_the_rfcs) {
    uint8_t long_message[517], out[96];
    memset(long_message, 'a', sizeof long_message);
    const struct bytes head = BYTES_LIT("a512_");
    memcpy(long_message, head.p, head.n);
    const struct {
        struct bytes message;
        const char *g1, *g2;
    } cases[] = {
        {BYTES_LIT(""),
         "852926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b7"
         "5"
         "9e79a1",
         "a5cb8437535e20ecffaef7752baddf98034139c38452458baeefab379ba13dff5bf5dd71b72418717047f5b0f"
         "3"
         "7da03d0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd539"
         "3"
         "faf5c41fb78a"},
        {BYTES_LIT("abc"),
         "83567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900b"
         "e"
         "2f6903",
         "939cddbccdc5e91b9623efd38c49f81a6f83f175e80b06fc374de9eb4b41dfe4ca3a230ed250fbe3a2acf73a4"
         "1"
         "177fd802c2d18e033b960562aae3cab37a27ce00d80ccd5ba4b7fe0e7a210245129dbec7780ccc7954725f416"
         "8"
         "aff2787776e6"},
        {bytes_make(long_message, sizeof long_message),
         "882aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3"
         "c"
         "a2dcfe",
         "91fca2ff525572795a801eed17eb12785887c7b63fb77a42be46ce4a34131d71f7a73e95fee3f812aea3de78b"
         "4"
         "d0156901a6ba2f9a11fa5598b2d8ace0fbe0a0eacb65deceb476fbbcb64fd24557c2f4b18ecfc5663e54ae16a"
         "8"
         "4f5ab7f62534"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bls_g1_affine p;
        struct bls_g2_affine q;
        bls_g1_hash(&p, cases[i].message,
                    BYTES_LIT("QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"));
        bls_g1_compress(out, &p);
        check_hex(bytes_make(out, 48), cases[i].g1);
        bls_g2_hash(&q, cases[i].message,
                    BYTES_LIT("QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"));
        bls_g2_compress(out, &q);
        check_hex(bytes_make(out, 96), cases[i].g2);
    }
}

/* RFC 9380 appendix K.1 and its long tag (K.2): the first bytes of the output. */
TEST(expand_message_hashes_a_long_tag_first) {
    uint8_t tag[256], a[64], b[64];
    memset(tag, 'x', sizeof tag);
    bls_expand_message_xmd(a, sizeof a, BYTES_LIT("abc"), bytes_make(tag, 256));
    bls_expand_message_xmd(b, sizeof b, BYTES_LIT("abc"), bytes_make(tag, 255));
    CHECK(memcmp(a, b, sizeof a) != 0);
    bls_expand_message_xmd(a, 32, BYTES_LIT("abc"),
                           BYTES_LIT("QUUX-V01-CS02-with-expander-SHA256-128"));
    check_hex(bytes_make(a, 32),
              "d8ccab23b5985ccea865c6c97b6e5b8350e794e603b4b97902f53a8a0d605615");
}

TEST(secret_keys_stand_in_their_range) {
    uint8_t bytes[32] = {0};
    struct bls_secret_key sk;
    struct error why;
    CHECK_ERR(bls_secret_key_load(&sk, bytes, &why), ERR_RANGE);
    from_hex(bytes, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    CHECK_ERR(bls_secret_key_load(&sk, bytes, &why), ERR_RANGE);
    bytes[31] = 0; // r - 1
    CHECK_OK(bls_secret_key_load(&sk, bytes, &why), &why);
    struct bls_public_key pk = public_of(&sk);
    struct bytes96 signature;
    bls_sign(&signature, &sk, BYTES_LIT("edge"));
    CHECK_OK(bls_verify(&pk, BYTES_LIT("edge"), &signature, &why), &why);
    memset(bytes, 0, sizeof bytes);
    bytes[31] = 1;
    CHECK_OK(bls_secret_key_load(&sk, bytes, &why), &why);
    pk = public_of(&sk);
    bls_sign(&signature, &sk, BYTES_LIT("edge"));
    CHECK_OK(bls_verify(&pk, BYTES_LIT("edge"), &signature, &why), &why);
}

TEST(verify_takes_its_own_message_and_no_other) {
    struct bls_secret_key sk = secret(3), other = secret(4);
    struct bls_public_key pk = public_of(&sk), other_pk = public_of(&other);
    struct bytes96 signature;
    struct error why;
    bls_sign(&signature, &sk, BYTES_LIT("a bid"));
    CHECK_OK(bls_verify(&pk, BYTES_LIT("a bid"), &signature, &why), &why);
    CHECK_ERR(bls_verify(&pk, BYTES_LIT("a bad"), &signature, &why), ERR_INVALID);
    CHECK_ERR(bls_verify(&other_pk, BYTES_LIT("a bid"), &signature, &why), ERR_INVALID);
    signature.b[0] ^= 0x20; // the other root: -signature
    CHECK_ERR(bls_verify(&pk, BYTES_LIT("a bid"), &signature, &why), ERR_INVALID);
    signature.b[0] ^= 0x80; // not compressed
    CHECK_ERR(bls_verify(&pk, BYTES_LIT("a bid"), &signature, &why), ERR_SYNTAX);
    struct bytes96 infinity = {{0xc0}};
    CHECK_ERR(bls_verify(&pk, BYTES_LIT("a bid"), &infinity, &why), ERR_INVALID);
    CHECK_OK(bls_signature_check(&infinity, &why), &why);
}

TEST(public_keys_are_validated) {
    struct bytes48 in = {{0xc0}};
    struct bls_public_key pk;
    struct error why;
    CHECK_ERR(bls_public_key_parse(&pk, &in, &why), ERR_INVALID); // infinity
    in.b[47] = 1;
    CHECK_ERR(bls_public_key_parse(&pk, &in, &why), ERR_SYNTAX);
    memset(in.b, 0xff, sizeof in.b);
    in.b[0] = 0x9f;
    CHECK_ERR(bls_public_key_parse(&pk, &in, &why), ERR_SYNTAX); // above p
    unsigned not_on_curve = 0, not_in_group = 0;
    for (uint8_t x = 1; x < 40; x++) {
        memset(in.b, 0, sizeof in.b);
        in.b[0] = 0x80;
        in.b[47] = x;
        CHECK_ERR(bls_public_key_parse(&pk, &in, &why), ERR_INVALID);
        not_on_curve += strstr(why.text, "no point") != NULL;
        not_in_group += strstr(why.text, "not in G1") != NULL;
    }
    CHECK(not_on_curve > 0 && not_in_group > 0);
}

TEST(aggregates_verify) {
    enum { N = 19 }; // more than one Miller loop holds
    struct bls_secret_key sk[N];
    struct bls_public_key pk[N];
    struct bytes96 part[N], sum;
    struct bytes message[N];
    uint8_t text[N];
    struct error why;
    for (unsigned i = 0; i < N; i++) {
        text[i] = (uint8_t)(i / 2); // some repeat
        message[i] = bytes_make(&text[i], 1);
        sk[i] = secret((uint8_t)(i + 10));
        pk[i] = public_of(&sk[i]);
        bls_sign(&part[i], &sk[i], message[i]);
    }
    CHECK_OK(bls_aggregate(&sum, part, N, &why), &why);
    CHECK_OK(bls_aggregate_verify(pk, message, N, &sum, &why), &why);
    CHECK_ERR(bls_aggregate_verify(pk, message, N - 1, &sum, &why), ERR_INVALID);
    CHECK_ERR(bls_aggregate_verify(pk, message, 0, &sum, &why), ERR_RANGE);
    CHECK_ERR(bls_aggregate(&sum, part, 0, &why), ERR_RANGE);
    part[3].b[5] ^= 1;
    CHECK(bls_aggregate(&sum, part, N, &why) < 0);
    for (int i = 0; i < N; i++)
        bls_sign(&part[i], &sk[i], BYTES_LIT("one"));
    CHECK_OK(bls_aggregate(&sum, part, N, &why), &why);
    CHECK_OK(bls_fast_aggregate_verify(pk, N, BYTES_LIT("one"), &sum, &why), &why);
    CHECK_ERR(bls_fast_aggregate_verify(pk, N, BYTES_LIT("two"), &sum, &why), ERR_INVALID);
    CHECK_ERR(bls_fast_aggregate_verify(pk, 0, BYTES_LIT("one"), &sum, &why), ERR_RANGE);
}

TEST(no_keys_and_infinity_pass_only_the_eth_variant) {
    struct bytes96 infinity = {{0xc0}};
    struct error why;
    CHECK_ERR(bls_fast_aggregate_verify(NULL, 0, BYTES_LIT("m"), &infinity, &why), ERR_RANGE);
    CHECK_OK(bls_fast_aggregate_verify_eth(NULL, 0, BYTES_LIT("m"), &infinity, &why), &why);
    infinity.b[95] = 1;
    CHECK_ERR(bls_fast_aggregate_verify_eth(NULL, 0, BYTES_LIT("m"), &infinity, &why), ERR_RANGE);
}

TEST(keys_that_cancel_do_not_aggregate) {
    struct bls_secret_key sk = secret(5);
    struct bls_public_key pk[2] = {public_of(&sk)};
    struct bytes48 encoded;
    struct error why;
    bls_public_key_compress(&encoded, &pk[0]);
    encoded.b[0] ^= 0x20;
    CHECK_OK(bls_public_key_parse(&pk[1], &encoded, &why), &why);
    struct bls_public_key sum;
    CHECK_ERR(bls_aggregate_public_keys(&sum, pk, 2, &why), ERR_INVALID);
}

TEST(batches_refuse_what_would_cancel) {
    enum { N = 18 };
    struct bls_secret_key sk[N];
    struct bls_public_key pk[N];
    struct bytes96 signature[N];
    struct bls_signed items[N];
    uint8_t text[N];
    struct error why;
    for (unsigned i = 0; i < N; i++) {
        text[i] = (uint8_t)i;
        sk[i] = secret((uint8_t)(i + 60));
        pk[i] = public_of(&sk[i]);
        bls_sign(&signature[i], &sk[i], bytes_make(&text[i], 1));
        items[i] = (struct bls_signed){&pk[i], bytes_make(&text[i], 1), &signature[i]};
    }
    CHECK_OK(bls_verify_batch(items, 0, &why), &why);
    CHECK_OK(bls_verify_batch(items, 1, &why), &why);
    CHECK_OK(bls_verify_batch(items, N, &why), &why);
    // two signatures exchanged: their plain sum is still right
    items[2].signature = &signature[3];
    items[3].signature = &signature[2];
    CHECK_ERR(bls_verify_batch(items, N, &why), ERR_INVALID);
    items[2].signature = &signature[2];
    items[3].signature = &signature[3];
    // one wrong, at each place: another key's, infinity, and no point at all
    static const struct bytes96 infinity = {{0xc0}}, none = {{0}};
    for (unsigned i = 0; i < N; i++) {
        items[i].signature = &signature[(i + 1) % N];
        CHECK_ERR(bls_verify_batch(items, N, &why), ERR_INVALID);
        items[i].signature = &infinity;
        CHECK_ERR(bls_verify_batch(items, N, &why), ERR_INVALID);
        items[i].signature = &none;
        CHECK_ERR(bls_verify_batch(items, N, &why), ERR_SYNTAX);
        items[i].signature = &signature[i];
    }
    // every size, over the sizes of parts
    for (unsigned n = 0; n <= N; n++)
        CHECK_OK(bls_verify_batch(items, n, &why), &why);
}

TEST_MAIN()
