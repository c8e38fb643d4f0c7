/* Replies that are kept. SPDX-License-Identifier: MIT */
#include "orderflow/replies.h"

#include "test/harness/test.h"

#include <stdio.h>

static struct error why;

static struct hash key_of(unsigned n) {
    char body[16];
    (void)snprintf(body, sizeof body, "%u", n);
    return replies_key(0, BYTES_LIT("header"), bytes_from_str(body));
}

static struct address signer_of(unsigned n) {
    struct address a = {{0}};
    store_be32(a.b, n);
    return a;
}

static void put(struct replies *r, unsigned n, uint64_t now_ns) {
    struct hash key = key_of(n);
    struct address signer = signer_of(n);
    replies_put(r, &key, &signer, BYTES_OF(key), now_ns);
}

/* Whether there is one, which must be the right one. */
static bool has(struct replies *r, unsigned n, uint64_t now_ns) {
    struct hash key = key_of(n);
    struct address signer, right = signer_of(n);
    struct bytes reply;
    if (!replies_get(r, &reply, &signer, &key, now_ns)) return false;
    CHECK_BYTES(reply, BYTES_OF(key));
    CHECK_BYTES(BYTES_OF(signer), BYTES_OF(right));
    return true;
}

TEST(listener_header_and_body_tell_requests_apart) {
    struct hash k[5] = {
        replies_key(0, BYTES_LIT("ab"), BYTES_LIT("cd")),
        replies_key(1, BYTES_LIT("ab"), BYTES_LIT("cd")),
        replies_key(0, BYTES_LIT("abc"), BYTES_LIT("d")),
        replies_key(0, BYTES_LIT("ab"), BYTES_LIT("ce")),
        replies_key(0, BYTES_LIT("ad"), BYTES_LIT("cd")),
    };
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(!hash_equal(&k[i], &k[j]));
        }
    }
}

TEST(a_reply_is_kept_for_its_time) {
    struct replies *r;
    uint8_t large[REPLY_BYTES_MAX + 1] = {0};
    CHECK_OK(replies_new(&r, 8, 100, &why), &why);
    CHECK(!has(r, 1, 0));
    put(r, 1, 1000);
    CHECK(has(r, 1, 1099) && !has(r, 2, 1099));
    CHECK(!has(r, 1, 1100));
    put(r, 1, 1100); // anew, in its place
    CHECK(has(r, 1, 1199));
    struct hash key = key_of(3);
    struct address signer = signer_of(3);
    replies_put(r, &key, &signer, bytes_make(large, sizeof large), 1000);
    CHECK(!has(r, 3, 1001));
    replies_free(r);
}

TEST(the_latest_stay) {
    struct replies *r;
    CHECK_OK(replies_new(&r, 4, 1000000, &why), &why);
    for (unsigned n = 0; n < 100; n++) {
        put(r, n, n);
        if (n > 4) put(r, n - 1, n); // put again: it takes no second place
        for (unsigned before = 0; before <= n; before++) {
            CHECK(has(r, before, 200) == (before + 4 > n));
        }
    }
    replies_free(r);
}

TEST(few_of_an_eighth_are_lost) {
    struct replies *r;
    unsigned lost = 0;
    CHECK_OK(replies_new(&r, 0, 1000000, &why), &why);
    for (unsigned n = 0; n < 4096; n++) {
        put(r, n, n);
    }
    for (unsigned n = 0; n < 4096; n++) {
        lost += !has(r, n, 5000);
    }
    CHECK(lost < 8); // with one place for each key it would be 250
    replies_free(r);
}

int main(int argc, char **argv) {
    return test_main(argc, argv);
}
