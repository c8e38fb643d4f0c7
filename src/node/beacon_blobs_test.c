/* SPDX-License-Identifier: MIT */
#include "node/beacon_blobs.h"

#include "crypto/kzg.h"
#include "test/harness/test.h"

static struct error why;
static struct blob blobs[BEACON_BLOBS_MAX];
static struct bytes48 commitments[BEACON_BLOBS_MAX];

static struct blobs_bundle bundle_of(size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        store_be64(blobs[i].b, i + 1);
        store_be64(commitments[i].b, i + 1);
    }
    return (struct blobs_bundle){.commitments = {commitments + first, n},
                                 .blobs = {blobs + first, n}};
}

static struct hash root_of(uint8_t n) {
    return (struct hash){{n}};
}

TEST(a_block_has_to_come_with_its_blobs) {
    struct blobs_bundle b = bundle_of(0, 3);
    CHECK_OK(beacon_blobs_check(commitments, 3, &b, &why), &why);
    CHECK_ERR(beacon_blobs_check(commitments, 2, &b, &why), ERR_INVALID);
    CHECK_ERR(beacon_blobs_check(commitments + 1, 3, &b, &why), ERR_INVALID);
    b.blobs.count = 2;
    CHECK_ERR(beacon_blobs_check(commitments, 3, &b, &why), ERR_INVALID);
    const struct blobs_bundle none = {.blobs = {NULL, 0}};
    CHECK_OK(beacon_blobs_check(NULL, 0, &none, &why), &why);
    CHECK_ERR(beacon_blobs_check(commitments, 1, &none, &why), ERR_INVALID);
}

TEST(the_newest_blocks_blobs_are_kept) {
    struct beacon_blobs kept;
    beacon_blobs_init(&kept);
    struct blobs_bundle few = bundle_of(0, 2), many = bundle_of(2, BEACON_BLOBS_MAX - 2);
    const struct hash one = root_of(1), two = root_of(2), three = root_of(3);
    CHECK_OK(beacon_blobs_put(&kept, &one, &few, &why), &why);
    CHECK_OK(beacon_blobs_put(&kept, &two, &many, &why), &why);
    const struct beacon_block_blobs *e = beacon_blobs_find(&kept, &one);
    CHECK(e && e->count == 2);
    CHECK_BYTES(BYTES_OF(e->blobs[1]), BYTES_OF(blobs[1]));
    const struct hash hash = kzg_versioned_hash(&commitments[1]);
    CHECK(hash_equal(&e->hashes[1], &hash));
    CHECK_OK(beacon_blobs_put(&kept, &three, &few, &why), &why); // the oldest makes room
    CHECK(!beacon_blobs_find(&kept, &one));
    CHECK(beacon_blobs_find(&kept, &two) && beacon_blobs_find(&kept, &three));
    few.blobs.count = 0;
    CHECK_OK(beacon_blobs_put(&kept, &one, &few, &why), &why); // none: nothing to keep
    CHECK(!beacon_blobs_find(&kept, &one));
    few.blobs.count = BEACON_BLOBS_MAX + 1;
    CHECK_ERR(beacon_blobs_put(&kept, &one, &few, &why), ERR_LIMIT);
    CHECK_U64(kept.count, BEACON_BLOBS_MAX);
    beacon_blobs_free(&kept);
}

int main(int argc, char **argv) {
    return test_main(argc, argv);
}
