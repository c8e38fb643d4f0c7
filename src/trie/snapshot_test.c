/* A store goes out and comes back, also in pieces, also damaged. SPDX-License-Identifier: MIT */
#include "trie/snapshot.h"
#include "trie/store_backend.h"

#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "test/harness/test.h"

#include <stdlib.h>
#include <unistd.h>

static struct error why;

#define ACCOUNTS 3000
#define BLOCK_BYTES (3u << 20)

// A state of some thousand accounts, a few with storage, and large values beside it that do not
// compress, so that there are several frames.
static struct trie_store *make(struct trie_store_head *ret) {
    static struct state_account_change changes[ACCOUNTS];
    static struct state_slot_change slots[50];
    static uint8_t block[BLOCK_BYTES];
    uint32_t noise = 1;
    const struct state_root_options options = {.source = {.get = state_node_of_none},
                                               .stored = true};
    struct state_root *root;
    struct trie_store *s;
    for (size_t i = 0; i < sizeof block; i++) {
        noise = noise * 1664525u + 1013904223u;
        block[i] = (uint8_t)(noise >> 24);
    }
    for (unsigned i = 0; i < 50; i++) {
        slots[i].key.b[31] = (uint8_t)(i + 1);
        slots[i].value = u256_from_u64(i + 1);
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        changes[i] = (struct state_account_change){.nonce = i + 1,
                                                   .balance = u256_from_u64(i),
                                                   .code_hash = keccak256((struct bytes){NULL, 0}),
                                                   .slots = slots,
                                                   .slot_count = i % 100 == 0 ? 50 : 0};
        store_be32(changes[i].address.b, i + 1);
    }
    CHECK_OK(trie_store_open_memory(&s, &why), &why);
    CHECK_OK(state_root_create(&root, &TRIE_EMPTY_ROOT, &options, &why), &why);
    CHECK_OK(state_root_compute(root, &ret->root, changes, ACCOUNTS, NULL, NULL, NULL, &why), &why);
    state_root_advance(root);
    CHECK_OK(trie_store_put_block(s, root, changes, ACCOUNTS, &why), &why);
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t key[] = {'b', (uint8_t)('0' + i)};
        block[0] = (uint8_t)i;
        CHECK_OK(trie_store_put(s, TRIE_STORE_BLOCKS, bytes_make(key, 2),
                                bytes_make(block, sizeof block), &why),
                 &why);
    }
    ret->number = 7;
    ret->hash.b[0] = 9;
    CHECK_OK(trie_store_commit(s, ret, &why), &why);
    state_root_free(root);
    return s;
}

static int file_of(char path[32]) {
    strcpy(path, "/tmp/snapshot_test_XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    return fd;
}

static void check_same(struct trie_store *s, const struct trie_store_head *want) {
    struct trie_store_head got;
    struct hash root;
    struct buf value;
    CHECK_OK(trie_store_head(s, &got, &why), &why);
    CHECK(got.number == want->number && hash_equal(&got.hash, &want->hash));
    CHECK_OK(trie_store_flat_root(s, &root, &why), &why);
    CHECK(hash_equal(&root, &want->root) && hash_equal(&got.root, &want->root));
    buf_init(&value, 0);
    CHECK_OK(trie_store_get(s, TRIE_STORE_BLOCKS, BYTES_LIT("b5"), &value, &why), &why);
    CHECK_U64(value.n, BLOCK_BYTES);
    CHECK_U64(value.p[0], 5);
    buf_free(&value);
    CHECK(!snapshot_is_unfinished(s));
}

static int import(struct trie_store *s, int fd, enum snapshot_result *ret) {
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    return snapshot_import(s, fd, NULL, ret, &why);
}

TEST(a_store_comes_back_as_it_was) {
    struct trie_store_head head;
    struct trie_store *from = make(&head), *to;
    enum snapshot_result result;
    char path[32];
    int fd = file_of(path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    CHECK_OK(trie_store_open_memory(&to, &why), &why);
    CHECK_OK(import(to, fd, &result), &why);
    CHECK(result == SNAPSHOT_IMPORTED);
    check_same(to, &head);
    CHECK_OK(import(to, fd, &result), &why); // not empty any more
    CHECK(result == SNAPSHOT_SKIPPED);
    trie_store_close(from);
    trie_store_close(to);
    CHECK(close(fd) == 0 && unlink(path) == 0);
}

TEST(an_import_goes_on_where_it_stopped) {
    struct trie_store_head head, none;
    struct trie_store *from = make(&head), *to;
    enum snapshot_result result;
    char path[32], cut_path[32];
    int fd = file_of(path), cut = file_of(cut_path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *all = malloc((size_t)size);
    CHECK(all && pread(fd, all, (size_t)size, 0) == size);
    CHECK_OK(trie_store_open_memory(&to, &why), &why);
    for (int part = 1; part < 8; part++) {
        size_t n = (size_t)size * (size_t)part / 8;
        CHECK(ftruncate(cut, 0) == 0 && pwrite(cut, all, n, 0) == (ssize_t)n);
        CHECK_ERR(import(to, cut, &result), ERR_CLOSED);
        CHECK_ERR(trie_store_head(to, &none, &why), ERR_NOT_FOUND);
        CHECK(snapshot_is_unfinished(to)); // from its beginning, within the first frame too
    }
    CHECK_OK(import(to, fd, &result), &why);
    check_same(to, &head);
    free(all);
    trie_store_close(from);
    trie_store_close(to);
    CHECK(close(fd) == 0 && unlink(path) == 0 && close(cut) == 0 && unlink(cut_path) == 0);
}

TEST(damage_is_found) {
    struct trie_store_head head, none;
    struct trie_store *from = make(&head);
    enum snapshot_result result;
    char path[32];
    int fd = file_of(path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at += 1 + size / 23) {
        struct trie_store *to;
        uint8_t byte;
        CHECK(pread(fd, &byte, 1, at) == 1);
        byte ^= 0x10;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
        CHECK_OK(trie_store_open_memory(&to, &why), &why);
        CHECK(import(to, fd, &result) < 0);
        CHECK_ERR(trie_store_head(to, &none, &why), ERR_NOT_FOUND);
        trie_store_close(to);
        byte ^= 0x10;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    trie_store_close(from);
    CHECK(close(fd) == 0 && unlink(path) == 0);
}

// The import of a file that is wrong at its end.
static void check_end_refused(int fd, size_t at, struct bytes wrong, const char *text) {
    struct trie_store_head none;
    struct trie_store *to;
    enum snapshot_result result;
    CHECK(pwrite(fd, wrong.p, wrong.n, (off_t)at) == (ssize_t)wrong.n);
    CHECK_OK(trie_store_open_memory(&to, &why), &why);
    CHECK_ERR(import(to, fd, &result), ERR_INVALID);
    CHECK_STR(why.text, text);
    CHECK_ERR(trie_store_head(to, &none, &why), ERR_NOT_FOUND);
    trie_store_close(to);
}

// Neither may a frame say that it is the last one, nor may anything follow that one.
TEST(the_end_is_the_end) {
    struct trie_store_head head;
    struct trie_store *from = make(&head);
    char path[32];
    uint8_t frame[8];
    int fd = file_of(path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    size_t size = (size_t)lseek(fd, 0, SEEK_END), at = SNAPSHOT_HEAD_BYTES, last = 0;
    for (;;) { // the last frame with records: blocks, which the state's root does not know
        CHECK(pread(fd, frame, sizeof frame, (off_t)at) == sizeof frame);
        if (load_be32(frame) == 0) break;
        last = at;
        at += 40 + load_be32(frame + 4);
    }
    CHECK_U64(at + 40, size);
    CHECK(pread(fd, frame, sizeof frame, (off_t)last) == sizeof frame);
    check_end_refused(fd, last, BYTES_LIT("\0\0\0\0"), "the snapshot's end is damaged");
    CHECK(pwrite(fd, frame, sizeof frame, (off_t)last) == sizeof frame);
    check_end_refused(fd, size, BYTES_LIT("x"), "bytes follow the snapshot's end");
    trie_store_close(from);
    CHECK(close(fd) == 0 && unlink(path) == 0);
}

TEST(codes_are_those_of_their_hashes) {
    struct bytes code = BYTES_LIT("\x60\x01"), other = BYTES_LIT("\x60\x02");
    struct hash hash = keccak256(code);
    for (int forged = 0; forged < 2; forged++) {
        struct trie_store_head head;
        struct trie_store *from = make(&head), *to;
        enum snapshot_result result;
        char path[32];
        int fd = file_of(path);
        CHECK_OK(
            trie_store_put(from, TRIE_STORE_CODES, BYTES_OF(hash), forged ? other : code, &why),
            &why);
        CHECK_OK(trie_store_commit(from, &head, &why), &why);
        CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
        CHECK_OK(trie_store_open_memory(&to, &why), &why);
        int r = import(to, fd, &result);
        CHECK_I64(r, forged ? ERR_INVALID : 0);
        if (forged) CHECK(snapshot_is_unfinished(to) || trie_store_head(to, &head, NULL) != 0);
        trie_store_close(from);
        trie_store_close(to);
        CHECK(close(fd) == 0 && unlink(path) == 0);
    }
}

TEST(another_snapshot_is_not_mixed_in) {
    struct trie_store_head head;
    struct trie_store *from = make(&head), *to;
    enum snapshot_result result;
    char path[32], other_path[32];
    int fd = file_of(path), other = file_of(other_path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    off_t size = lseek(fd, 0, SEEK_END);
    head.number++;
    CHECK_OK(trie_store_commit(from, &head, &why), &why);
    CHECK_OK(snapshot_export(from, other, NULL, &why), &why);
    CHECK(ftruncate(fd, size - 100) == 0);
    CHECK_OK(trie_store_open_memory(&to, &why), &why);
    CHECK_ERR(import(to, fd, &result), ERR_CLOSED);
    CHECK_ERR(import(to, other, &result), ERR_CONFLICT);
    trie_store_close(from);
    trie_store_close(to);
    CHECK(close(fd) == 0 && unlink(path) == 0 && close(other) == 0 && unlink(other_path) == 0);
}

// The same head over fewer frames than were taken already: what came of the first is not all there.
TEST(another_snapshot_that_ends_earlier_is_not_mixed_in) {
    struct trie_store_head head;
    struct trie_store *from = make(&head), *to;
    enum snapshot_result result;
    char path[32];
    uint8_t frame[40] = {0};
    int fd = file_of(path);
    CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
    off_t size = lseek(fd, 0, SEEK_END);
    CHECK(ftruncate(fd, size - 100) == 0);
    CHECK_OK(trie_store_open_memory(&to, &why), &why);
    CHECK_ERR(import(to, fd, &result), ERR_CLOSED);
    struct hash two[2]; // the end, right after the head
    CHECK(pread(fd, two[0].b, 32, SNAPSHOT_HEAD_BYTES - 32) == 32);
    two[1] = sha256((struct bytes){NULL, 0});
    struct hash sum = sha256(bytes_make(two, sizeof two));
    memcpy(frame + 8, sum.b, 32);
    CHECK(ftruncate(fd, SNAPSHOT_HEAD_BYTES) == 0);
    CHECK(pwrite(fd, frame, sizeof frame, SNAPSHOT_HEAD_BYTES) == sizeof frame);
    CHECK_ERR(import(to, fd, &result), ERR_CONFLICT);
    trie_store_close(from);
    trie_store_close(to);
    CHECK(close(fd) == 0 && unlink(path) == 0);
}

// Whoever writes a snapshot may write keys that no store makes.
TEST(keys_have_their_tables_lengths) {
    static const struct {
        uint8_t table, key_n;
    } wrong[] = {{STORE_HEAD, 5},           {STORE_ACCOUNTS, 31}, {STORE_ACCOUNTS, 65},
                 {STORE_SLOTS, 32},         {STORE_SLOTS, 65},    {STORE_ACCOUNT_NODES, 32},
                 {STORE_STORAGE_NODES, 64}, {STORE_BESIDE, 65}};
    const struct account account = {.storage_root = TRIE_EMPTY_ROOT};
    uint8_t wire[ACCOUNT_RLP_MAX], key[STORE_KEY_MAX] = {0xff};
    size_t n = account_write(wire, &account);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct trie_store *from, *to;
        const struct trie_store_head head = {.number = 1};
        enum snapshot_result result;
        struct hash root;
        char path[32];
        int fd = file_of(path);
        CHECK_OK(trie_store_open_memory(&from, &why), &why);
        buf_append_byte(&from->batch, wrong[i].table);
        buf_append_byte(&from->batch, wrong[i].key_n);
        buf_append_be32(&from->batch, (uint32_t)n);
        buf_append(&from->batch, bytes_make(key, wrong[i].key_n));
        buf_append(&from->batch, bytes_make(wire, n));
        CHECK_OK(trie_store_commit(from, &head, &why), &why);
        if (wrong[i].table == STORE_ACCOUNTS) {
            CHECK_ERR(trie_store_flat_root(from, &root, &why), ERR_INVALID);
        }
        CHECK_OK(snapshot_export(from, fd, NULL, &why), &why);
        CHECK_OK(trie_store_open_memory(&to, &why), &why);
        CHECK_ERR(import(to, fd, &result), ERR_SYNTAX);
        trie_store_close(from);
        trie_store_close(to);
        CHECK(close(fd) == 0 && unlink(path) == 0);
    }
}

TEST_MAIN()
