/* SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include "test/harness/test.h"

TEST(arena_gives_zeroed_aligned_pieces) {
    struct arena a;
    arena_init(&a, 0);
    for (size_t n = 0; n < 3000; n += 7) {
        uint8_t *p = arena_alloc(&a, n);
        CHECK(p != NULL);
        CHECK_U64((uintptr_t)p % ARENA_ALIGN, 0);
        for (size_t i = 0; i < n; i++) {
            CHECK_U64(p[i], 0);
        }
        memset(p, 0xff, n);
    }
    arena_free(&a);
}

TEST(arena_keeps_its_limit) {
    struct arena a;
    arena_init(&a, 1024);
    CHECK(arena_alloc(&a, 1000) != NULL);
    CHECK(arena_alloc(&a, 17) == NULL);
    CHECK(arena_alloc(&a, 16) != NULL);
    volatile size_t huge = SIZE_MAX; // volatile: the compiler would refuse the call
    CHECK(arena_alloc(&a, huge) == NULL);
    CHECK(arena_alloc_array(&a, huge / 2, 4) == NULL);
    arena_reset(&a);
    CHECK(arena_alloc(&a, 1024) != NULL);
    arena_free(&a);
}

TEST(arena_rewind_takes_back_what_came_after) {
    struct arena a;
    arena_init(&a, 0);
    struct bytes kept = arena_copy(&a, BYTES_LIT("kept"));
    struct arena_mark mark = arena_mark(&a);
    size_t used = a.used_bytes;
    for (int i = 0; i < 100; i++) {
        CHECK(arena_alloc(&a, 10000) != NULL);
    }
    arena_rewind(&a, mark);
    CHECK_U64(a.used_bytes, used);
    CHECK_BYTES(kept, BYTES_LIT("kept"));
    CHECK_STR(arena_printf(&a, "%s-%d", "x", 5), "x-5");
    CHECK_STR(arena_str(&a, kept), "kept");
    arena_free(&a);
}

TEST(an_arena_of_zeros_gives_pieces_of_one_chunk) {
    struct arena a = {0};
    uint8_t *first = arena_alloc(&a, 1), *second = arena_alloc(&a, 1);
    CHECK(second == first + ARENA_ALIGN);
    arena_reset(&a);
    CHECK(arena_alloc(&a, 1) == first);
    arena_free(&a);
}

TEST_MAIN()
