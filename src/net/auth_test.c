/* SPDX-License-Identifier: MIT */
#include "net/auth.h"

#include "base/base64.h"
#include "crypto/kdf.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(basic_credentials) {
    static const struct {
        const char *value, *user, *password;
        int code;
    } cases[] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame", 0}, // RFC 7617
        {"basic  QTo=", "A", "", 0},
        {"BASIC OmI6Yw==", "", "b:c", 0},
        {"Basic QTpi", "A", "b", 0},
        {"Basic w6Q6w7Y=", "\xc3\xa4", "\xc3\xb6", 0},
        {"Basic QTo", "A", "", 0}, // padding left out
        {"", "", "", ERR_AUTH},
        {"Basic", "", "", ERR_AUTH},
        {"Basi QTpi", "", "", ERR_AUTH},
        {"BasicQTpi", "", "", ERR_AUTH},
        {"Bearer QTpi", "", "", ERR_AUTH},
        {"Basic ", "", "", ERR_SYNTAX},
        {"Basic QQ==", "", "", ERR_SYNTAX},
        {"Basic Q!pi", "", "", ERR_SYNTAX},
        {"Basic QTpi QTpi", "", "", ERR_SYNTAX},
        {"Basic QToK", "", "", ERR_SYNTAX}, // a line feed
    };
    struct error why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct auth_basic b;
        int r = auth_basic_parse(&b, bytes_from_str(cases[i].value), &why);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].value, error_name(r));
        if (r < 0) continue;
        CHECK_BYTES(b.user, bytes_from_str(cases[i].user));
        CHECK_BYTES(b.password, bytes_from_str(cases[i].password));
        auth_basic_free(&b);
    }
    static char longer[AUTH_BASIC_BYTES_MAX + 2];
    struct auth_basic b;
    memset(longer, 'A', sizeof longer - 1);
    CHECK_ERR(auth_basic_parse(&b, bytes_from_str(longer), &why), ERR_LIMIT);
}

TEST(basic_credentials_are_written) {
    struct buf out;
    struct error why;
    buf_init(&out, 0);
    CHECK_OK(auth_basic_write(&out, BYTES_LIT("Aladdin"), BYTES_LIT("open sesame"), &why), &why);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    CHECK_ERR(auth_basic_write(&out, BYTES_LIT("a:b"), BYTES_LIT(""), &why), ERR_INVALID);
    CHECK_ERR(auth_basic_write(&out, BYTES_LIT("a"), BYTES_LIT("\n"), &why), ERR_INVALID);
    buf_free(&out);
}

TEST(bearer_tokens) {
    struct bytes t;
    struct error why;
    CHECK_OK(auth_bearer(&t, BYTES_LIT("Bearer aZ0-._~+/=="), &why), &why);
    CHECK_BYTES(t, BYTES_LIT("aZ0-._~+/=="));
    CHECK_OK(auth_bearer(&t, BYTES_LIT("bearer   x"), &why), &why);
    CHECK_BYTES(t, BYTES_LIT("x"));
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Bearer"), &why), ERR_AUTH);
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Basic x"), &why), ERR_AUTH);
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Bearer ="), &why), ERR_SYNTAX);
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Bearer a=b"), &why), ERR_SYNTAX);
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Bearer a b"), &why), ERR_SYNTAX);
    CHECK_ERR(auth_bearer(&t, BYTES_LIT("Bearer "), &why), ERR_SYNTAX);
}

#define NOW 1700000000u
#define KEY BYTES_LIT("0123456789abcdef0123456789abcdef")

/* A token of any content, rightly signed. */
static int verify(const char *head, const char *claims, struct jwt_claims *ret, struct arena *a) {
    struct buf token;
    struct hash mac;
    struct error why;
    buf_init(&token, 0);
    base64_append(&token, bytes_from_str(head), BASE64_URL | BASE64_NO_PAD);
    buf_append_byte(&token, '.');
    base64_append(&token, bytes_from_str(claims), BASE64_URL | BASE64_NO_PAD);
    CHECK_OK(hmac_sha256(&mac, KEY, buf_view(&token), &why), &why);
    buf_append_byte(&token, '.');
    base64_append(&token, BYTES_OF(mac), BASE64_URL | BASE64_NO_PAD);
    int r = jwt_verify(ret, buf_view(&token), KEY, NOW, a, &why);
    buf_free(&token);
    return r;
}

#define HEAD "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

TEST(the_token_of_the_standard) { // RFC 7515, A.1; its key and its times
    static const char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    struct arena a;
    struct bytes key;
    struct error why;
    arena_init(&a, 0);
    CHECK_OK(base64_decode(&key,
                           BYTES_LIT("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                                     "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                           BASE64_URL | BASE64_NO_PAD, &a, &why),
             &why);
    /* Well signed; without iat it does not fit the Engine API. */
    CHECK_ERR(jwt_verify(NULL, bytes_from_str(token), key, NOW, &a, &why), ERR_INVALID);
    CHECK_ERR(jwt_verify(NULL, bytes_from_str(token), KEY, NOW, &a, &why), ERR_AUTH);
    arena_free(&a);
}

TEST(tokens_are_proved) {
    static const struct {
        const char *head, *claims;
        int code;
    } cases[] = {
        {HEAD, "{\"iat\":1700000000}", 0},
        {HEAD, "{\"iat\":1700000060}", 0},
        {HEAD, "{\"iat\":1699999940}", 0},
        {HEAD, "{\"iat\":1700000000.75}", 0},
        {HEAD, "{\"iat\":1700000061}", ERR_STALE},
        {HEAD, "{\"iat\":1699999939}", ERR_STALE},
        {HEAD, "{\"iat\":1700000000,\"exp\":1700000001}", 0},
        {HEAD, "{\"iat\":1700000000,\"exp\":1700000000}", ERR_STALE},
        {HEAD, "{\"iat\":1700000000,\"nbf\":1700000060}", 0},
        {HEAD, "{\"iat\":1700000000,\"nbf\":1700000061}", ERR_STALE},
        {HEAD, "{\"iat\":1700000000,\"exp\":\"x\"}", ERR_INVALID},
        {HEAD, "{\"iat\":1700000000,\"nbf\":null}", ERR_INVALID},
        {HEAD, "{\"iat\":1700000000,\"id\":5}", ERR_INVALID},
        {HEAD, "{\"iat\":1700000000,\"clv\":5}", ERR_INVALID},
        {HEAD, "{}", ERR_INVALID},
        {HEAD, "{\"iat\":\"1700000000\"}", ERR_INVALID},
        {HEAD, "{\"iat\":-1}", ERR_INVALID},
        {HEAD, "{\"iat\":1e30}", ERR_INVALID},
        {HEAD, "[]", ERR_INVALID},
        {HEAD, "x", ERR_SYNTAX},
        {"{\"alg\":\"HS256\"}", "{\"iat\":1700000000}", 0},
        {"{\"alg\":\"HS256\",\"typ\":\"jwt\"}", "{\"iat\":1700000000}", 0},
        {"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"alg\":\"none\"}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"alg\":\"hs256\"}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"alg\":\"HS512\"}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"alg\":\"RS256\"}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"alg\":\"HS256\",\"crit\":[\"b64\"]}", "{\"iat\":1700000000}", ERR_UNSUPPORTED},
        {"{\"typ\":\"JWT\"}", "{\"iat\":1700000000}", ERR_NOT_FOUND},
        {"[]", "{\"iat\":1700000000}", ERR_INVALID},
        {"{", "{\"iat\":1700000000}", ERR_SYNTAX},
    };
    struct jwt_claims c;
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int r = verify(cases[i].head, cases[i].claims, &c, &a);
        if (r != cases[i].code) FAIL("%s %s: %s", cases[i].head, cases[i].claims, error_name(r));
    }
    CHECK_ERR(verify(HEAD, "{\"iat\":1700000000,\"id\":\"x\",\"clv\":\"v1\"}", &c, &a), 0);
    CHECK_U64(c.iat, NOW);
    CHECK_BYTES(c.id, BYTES_LIT("x"));
    CHECK_BYTES(c.clv, BYTES_LIT("v1"));
    arena_free(&a);
}

TEST(what_is_no_token) {
    static const char *const cases[] = {"", ".", "..", "a", "a.b", "a.b.c", "a.b.c.d"};
    static char longer[JWT_BYTES_MAX + 2];
    struct error why;
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int r = jwt_verify(NULL, bytes_from_str(cases[i]), KEY, NOW, &a, &why);
        CHECK(r == ERR_SYNTAX || r == ERR_AUTH);
    }
    memset(longer, 'a', sizeof longer - 1);
    CHECK_ERR(jwt_verify(NULL, bytes_from_str(longer), KEY, NOW, &a, &why), ERR_LIMIT);
    CHECK_ERR(jwt_verify(NULL, BYTES_LIT("a.b.c"), BYTES_LIT("short"), NOW, &a, &why), ERR_INVALID);
    arena_free(&a);
}

TEST(tokens_that_were_written_are_proved_and_no_bit_can_change) {
    struct buf token;
    struct error why;
    struct arena a;
    buf_init(&token, 0);
    arena_init(&a, 0);
    CHECK_ERR(jwt_write(&token, BYTES_LIT("short"), NOW, &why), ERR_INVALID);
    CHECK_OK(jwt_write(&token, KEY, NOW, &why), &why);
    CHECK_OK(jwt_verify(NULL, buf_view(&token), KEY, NOW + 60, &a, &why), &why);
    for (size_t i = 0; i < token.n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            token.p[i] ^= (uint8_t)(1u << bit);
            if (jwt_verify(NULL, buf_view(&token), KEY, NOW, &a, &why) == 0) {
                FAIL("bit %u of byte %zu", bit, i);
            }
            token.p[i] ^= (uint8_t)(1u << bit);
        }
        arena_reset(&a);
    }
    buf_free(&token);
    arena_free(&a);
}

TEST(key_files) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"0x3031323334353637383961626364656630313233343536373839616263646566\n", 0},
        {"3031323334353637383961626364656630313233343536373839616263646566", 0},
        {"0x30313233343536373839616263646566303132333435363738396162636465\n", ERR_SYNTAX},
        {"0x303132333435363738396162636465663031323334353637383961626364656g\n", ERR_SYNTAX},
        {"", ERR_SYNTAX},
    };
    struct error why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[] = "/tmp/jwt_key_XXXXXX";
        int fd = mkstemp(path);
        CHECK(fd >= 0);
        CHECK(fchmod(fd, 0600) == 0);
        size_t n = strlen(cases[i].text);
        CHECK(write(fd, cases[i].text, n) == (ssize_t)n);
        close(fd);
        struct secret key;
        int r = jwt_key_read(&key, path, &why);
        unlink(path);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].text, error_name(r));
        if (r == 0) {
            CHECK_BYTES(secret_view(&key), KEY);
            secret_free(&key);
        }
    }
    struct secret key;
    CHECK_ERR(jwt_key_read(&key, "/nonexistent/key", &why), ERR_NOT_FOUND);
}

TEST_MAIN()
