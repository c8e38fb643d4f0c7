/* Secrets: what is sealed, and the files that hold it.
 * SPDX-License-Identifier: MIT */
#include "hub/secrets.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define L(text) BYTES_LIT(text)

TEST(secrets_are_sealed) {
    struct error why = {0};
    struct buf sealed, plain;
    uint8_t key[SECRETS_KEY_BYTES] = {1}, other[SECRETS_KEY_BYTES] = {2};
    buf_init(&sealed, 0);
    buf_init(&plain, 0);
    CHECK_OK(secrets_seal(&sealed, bytes_make(key, 32), L("b1"), L("{\"k\":1}"), &why), &why);
    CHECK_OK(secrets_unseal(&plain, bytes_make(key, 32), L("b1"), buf_view(&sealed), &why), &why);
    CHECK_BYTES(buf_view(&plain), L("{\"k\":1}"));
    CHECK_ERR(secrets_unseal(&plain, bytes_make(other, 32), L("b1"), buf_view(&sealed), &why),
              ERR_INVALID);
    CHECK_ERR(secrets_unseal(&plain, bytes_make(key, 32), L("b2"), buf_view(&sealed), &why),
              ERR_INVALID);
    for (size_t i = 0; i < sealed.n; i++) {
        sealed.p[i] ^= 1;
        CHECK_ERR(secrets_unseal(&plain, bytes_make(key, 32), L("b1"), buf_view(&sealed), &why),
                  ERR_INVALID);
        sealed.p[i] ^= 1;
    }
    buf_free(&sealed);
    buf_free(&plain);
}

TEST(secrets_in_files) {
    struct error why = {0};
    struct secrets *s = NULL;
    struct store *log = NULL;
    struct store_batch b;
    struct arena a;
    struct buf out;
    uint8_t key[SECRETS_KEY_BYTES] = {1};
    char folder[] = "/tmp/hub-secrets-XXXXXX";
    struct store_options o = {.url = "sqlite::memory:", .migrate = true};
    CHECK(mkdtemp(folder) != NULL);
    arena_init(&a, 0);
    buf_init(&out, 0);
    CHECK_OK(store_open(&log, &o, &why), &why);
    CHECK_ERR(secrets_files(&s, folder, bytes_make(key, 5), &why), ERR_RANGE);
    CHECK_OK(secrets_files(&s, folder, bytes_make(key, 32), &why), &why);
    CHECK_ERR(secrets_get(s, L("../b"), &out, &why), ERR_NOT_FOUND);
    batch_init(&b, &a, L("x"), L(""));
    CHECK_OK(secrets_set(s, log, &b, L("b"), L("{\"k\":2}"), &why), &why);
    CHECK_OK(secrets_get(s, L("b"), &out, &why), &why);
    CHECK_BYTES(buf_view(&out), L("{\"k\":2}"));
    CHECK_OK(secrets_delete(s, L("b"), &why), &why);
    CHECK_ERR(secrets_get(s, L("b"), &out, &why), ERR_NOT_FOUND);
    CHECK_OK(secrets_delete(s, L("b"), &why), &why); // it is not there
    secrets_close(s);
    store_close(log);
    buf_free(&out);
    arena_free(&a);
    CHECK(rmdir(folder) == 0);
}

TEST(secrets_in_memory_are_deleted) {
    struct error why = {0};
    struct secrets *s = NULL;
    struct store *log = NULL;
    struct store_batch b;
    struct arena a;
    struct buf out;
    struct store_options o = {.url = "sqlite::memory:", .migrate = true};
    arena_init(&a, 0);
    buf_init(&out, 0);
    CHECK_OK(store_open(&log, &o, &why), &why);
    CHECK_OK(secrets_memory(&s, &why), &why);
    CHECK_OK(secrets_delete(s, L("b"), &why), &why); // it is not there
    batch_init(&b, &a, L("x"), L(""));
    CHECK_OK(secrets_set(s, log, &b, L("b"), L("{}"), &why), &why);
    CHECK_OK(secrets_delete(s, L("b"), &why), &why);
    CHECK_ERR(secrets_get(s, L("b"), &out, &why), ERR_NOT_FOUND);
    secrets_close(s);
    store_close(log);
    buf_free(&out);
    arena_free(&a);
}

TEST_MAIN()
