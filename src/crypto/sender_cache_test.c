/* SPDX-License-Identifier: MIT */
#include "crypto/sender_cache.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <pthread.h>

struct signed_digest {
    struct hash digest;
    struct ecdsa_signature signature;
    struct address sender;
};

static void make_signed(struct signed_digest *ret, size_t count) {
    struct ecdsa_signer *signer;
    struct error why;
    uint64_t seed = 1;
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    for (size_t i = 0; i < count; i++) {
        struct ecdsa_secret_key key = {{0}};
        struct ecdsa_public_key public_key;
        key.b[31] = (uint8_t)(1 + i % 250);
        fill_random(ret[i].digest.b, 32, &seed);
        CHECK_OK(ecdsa_sign(signer, &ret[i].signature, &ret[i].digest, &key, &why), &why);
        CHECK_OK(ecdsa_public_key_of(signer, &public_key, &key, &why), &why);
        ret[i].sender = ecdsa_address(&public_key);
    }
    ecdsa_signer_free(signer);
}

static struct sender_cache *new_cache(size_t entries) {
    struct sender_cache *cache;
    struct error why;
    CHECK_OK(sender_cache_new(&cache, entries, &why), &why);
    return cache;
}

TEST(sender_cache_hits_the_second_time) {
    struct signed_digest s[3];
    make_signed(s, 3);
    struct sender_cache *cache = new_cache(0);
    struct error why;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            struct address got;
            CHECK(sender_cache_get(cache, &got, &s[i].digest, &s[i].signature) == (round == 1));
            CHECK_OK(sender_cache_recover(cache, &got, &s[i].digest, &s[i].signature, &why), &why);
            CHECK_BYTES(BYTES_OF(got), BYTES_OF(s[i].sender));
        }
    }
    struct sender_cache_stats stats = sender_cache_stats(cache);
    CHECK_U64(stats.hits, 6);
    CHECK_U64(stats.misses, 6);
    CHECK_U64(stats.evictions, 0);
    CHECK_U64(stats.entries, 3);
    sender_cache_free(cache);
    sender_cache_free(NULL);
}

TEST(sender_cache_any_changed_bit_misses) {
    struct signed_digest s;
    make_signed(&s, 1);
    struct sender_cache *cache = new_cache(0);
    struct error why;
    struct address got;
    CHECK_OK(sender_cache_recover(cache, &got, &s.digest, &s.signature, &why), &why);
    uint8_t *fields[] = {s.digest.b, s.signature.r, s.signature.s};
    for (size_t f = 0; f < 3; f++) {
        for (size_t bit = 0; bit < 256; bit++) {
            fields[f][bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK(!sender_cache_get(cache, &got, &s.digest, &s.signature));
            fields[f][bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    s.signature.y_parity ^= 1;
    CHECK(!sender_cache_get(cache, &got, &s.digest, &s.signature));
    sender_cache_free(cache);
}

TEST(sender_cache_keeps_no_failure) {
    struct signed_digest s;
    make_signed(&s, 1);
    struct sender_cache *cache = new_cache(0);
    struct error why;
    struct address got;
    memset(s.signature.s, 0, 32);
    for (int i = 0; i < 2; i++) {
        CHECK_ERR(sender_cache_recover(cache, &got, &s.digest, &s.signature, &why), ERR_RANGE);
        CHECK(!sender_cache_get(cache, &got, &s.digest, &s.signature));
    }
    sender_cache_free(cache);
}

TEST(sender_cache_is_bounded) {
    enum { COUNT = 1500 };
    static struct signed_digest s[COUNT];
    make_signed(s, COUNT);
    struct sender_cache *cache = new_cache(512);
    struct error why;
    struct address got;
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(sender_cache_recover(cache, &got, &s[i].digest, &s[i].signature, &why), &why);
    }
    size_t kept = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (!sender_cache_get(cache, &got, &s[i].digest, &s[i].signature)) continue;
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(s[i].sender));
        kept++;
    }
    CHECK(kept <= 512 && kept > 400);
    CHECK_U64(sender_cache_stats(cache).evictions, COUNT - kept);
    CHECK_U64(sender_cache_stats(cache).entries, kept);
    struct sender_cache *never;
    CHECK_ERR(sender_cache_new(&never, (size_t)1 << 40, &why), ERR_LIMIT);
    sender_cache_free(cache);
}

struct crowd {
    struct sender_cache *cache;
    const struct signed_digest *s;
    size_t count;
    uint64_t seed;
    int wrong;
};

static void *run_crowd(void *arg) {
    struct crowd *c = arg;
    for (int i = 0; i < 400; i++) {
        const struct signed_digest *s = &c->s[next_random(&c->seed) % c->count];
        struct address got;
        if (sender_cache_recover(c->cache, &got, &s->digest, &s->signature, NULL) != 0 ||
            !address_equal(&got, &s->sender)) {
            c->wrong++;
        }
    }
    return NULL;
}

TEST(sender_cache_serves_threads) {
    enum { COUNT = 100, THREADS = 4 };
    static struct signed_digest s[COUNT];
    make_signed(s, COUNT);
    struct sender_cache *cache = new_cache(512);
    pthread_t threads[THREADS];
    struct crowd crowds[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){cache, s, COUNT, i + 1, 0};
        CHECK(pthread_create(&threads[i], NULL, run_crowd, &crowds[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        CHECK_I64(crowds[i].wrong, 0);
    }
    sender_cache_free(cache);
}

TEST_MAIN()
