/* A team's rounds: every index once, whoever comes in or comes too late.
 * SPDX-License-Identifier: MIT */
#include "trie/team.h"

#include "test/harness/test.h"

#include <stdatomic.h>

#define INDEXES 1000u

struct round {
    atomic_uint seen[INDEXES];
    atomic_uint wrong; // ranges that are no ranges
    size_t count, grain;
    unsigned threads;
};

static void mark(void *arg, unsigned member, size_t from, size_t to) {
    struct round *r = arg;
    if (member >= r->threads || from >= to || to > r->count || to - from > r->grain) {
        (void)atomic_fetch_add(&r->wrong, 1);
    }
    for (size_t i = from; i < to; i++) {
        (void)atomic_fetch_add(&r->seen[i], 1);
    }
}

static void check_rounds(struct trie_team *team, unsigned threads, unsigned rounds) {
    static struct round r;
    for (unsigned n = 0; n < rounds; n++) {
        r.count = (n * 37u) % (INDEXES + 1);
        r.grain = 1 + n % 7;
        r.threads = threads;
        for (size_t i = 0; i < INDEXES; i++) {
            atomic_store(&r.seen[i], 0);
        }
        trie_team_run(team, r.count, r.grain, mark, &r);
        for (size_t i = 0; i < INDEXES; i++) {
            unsigned expected = i < r.count ? 1 : 0;
            if (atomic_load(&r.seen[i]) != expected) FAIL("round %u, index %zu", n, i);
        }
        CHECK_U64(atomic_load(&r.wrong), 0);
    }
}

TEST(every_index_is_done_once) {
    static const unsigned threads[] = {1, 2, 3, 8};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct trie_team *team;
        struct error why;
        CHECK_OK(trie_team_create(&team, threads[i], &why), &why);
        CHECK_U64(trie_team_threads(team), threads[i]);
        check_rounds(team, threads[i], 2000);
        trie_team_free(team);
    }
}

TEST(no_team_is_the_caller_alone) {
    struct trie_team *team;
    struct error why;
    check_rounds(NULL, 1, 50);
    CHECK_ERR(trie_team_create(&team, 0, &why), ERR_RANGE);
    CHECK_ERR(trie_team_create(&team, TRIE_TEAM_MAX + 1, &why), ERR_RANGE);
    trie_team_free(NULL);
}

TEST_MAIN()
