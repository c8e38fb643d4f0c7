/* The head is killed again and again while it imports, reorganises and stores; it must come back
 * with the chain that it last reported, or the one that it was about to report.
 * SPDX-License-Identifier: MIT */
#include "chain/head.h"
#include "chain/play.h"
#include "test/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILLS 200
#define DEPTH 5
#define BLOCK_TXS 12
#define WAIT_MAX_NS 40000000u

/* What the child tells, in memory that both share. */
struct note {
    struct hash latest, finalized;
};
struct report {
    atomic_uint begun, done; /* notes of which head_set was called, and returned */
    struct note notes[4096];
};

static char folder[64];

static int open_head(struct head **ret, const struct play *play, struct error *why) {
    const struct head_options options = {
        .genesis = &play->genesis, .folder = folder, .threads = 2, .relaxed = true, .depth = DEPTH};
    return head_open(ret, &options, why);
}

static struct hash hash_and_release(const struct head_block *b) {
    struct hash hash = b ? b->hash : (struct hash){{0}};
    head_block_release(b);
    return hash;
}

static bool move_head(struct head *h, struct report *report, const struct hash *to,
                      const struct hash *finalized) {
    unsigned n = atomic_load(&report->begun);
    report->notes[n] = (struct note){*to, *finalized};
    atomic_store(&report->begun, n + 1);
    bool good = head_set(h, to, NULL, hash_is_zero(finalized) ? NULL : finalized, NULL) == 0;
    atomic_store(&report->done, n + 1);
    return good;
}

// The block some numbers behind the head, or the first.
static struct hash behind(struct head *h, uint64_t by) {
    const struct head_block *latest = head_latest(h), *b;
    uint64_t number = latest->block.header.number;
    head_block_release(latest);
    if (head_block_by_number(h, &b, number > by ? number - by : 0, NULL) != 0) _exit(3);
    return hash_and_release(b);
}

// Adds blocks, sometimes on a branch of two, until it is killed.
static void run_until_killed(struct play *play, struct report *report) {
    struct head *h;
    struct producer *producer;
    struct arena arena;
    arena_init(&arena, 0);
    if (open_head(&h, play, NULL) != 0 || producer_new(&producer, h, NULL, NULL) != 0) _exit(2);
    for (unsigned i = 0;; i++) {
        struct hash finalized = behind(h, 3), at = behind(h, i % 4 == 3 ? 1 : 0);
        for (unsigned k = 0; k < (i % 4 == 3 ? 2u : 1u); k++) {
            struct produced made;
            struct head_verdict v;
            arena_reset(&arena);
            if (play_block(play, producer, &at, BLOCK_TXS, 0, &made, &arena, NULL) != 0) _exit(4);
            if (head_import(h, &v, made.rlp, NULL) != 0 || v.status > HEAD_KNOWN) _exit(5);
            at = made.hash;
        }
        if (!move_head(h, report, &at, &finalized)) _exit(6);
    }
}

static bool is_canonical(struct head *h, const struct hash *hash) {
    const struct head_block *b;
    if (head_block_by_hash(h, &b, hash, NULL) != 0) return false;
    bool canonical = head_is_canonical(h, b);
    head_block_release(b);
    return canonical;
}

static bool same_note(const struct note *n, const struct hash *latest,
                      const struct hash *finalized) {
    return hash_equal(&n->latest, latest) && hash_equal(&n->finalized, finalized);
}

// The head is where the child left it; every finalized block is still there; the state is whole.
static struct note check_after(const struct play *play, const struct report *report,
                               const struct note *before) {
    struct head *h;
    struct error why;
    CHECK_OK(open_head(&h, play, &why), &why);
    struct hash latest = hash_and_release(head_latest(h));
    struct hash finalized = hash_and_release(head_finalized(h));
    unsigned begun = atomic_load(&report->begun), done = atomic_load(&report->done);
    CHECK(begun <= done + 1);
    const struct note *last = done ? &report->notes[done - 1] : before;
    bool next = begun > done && same_note(&report->notes[done], &latest, &finalized);
    CHECK(next || same_note(last, &latest, &finalized));
    for (unsigned i = 0; i < done; i++) {
        if (!hash_is_zero(&report->notes[i].finalized)) {
            CHECK(is_canonical(h, &report->notes[i].finalized));
        }
    }
    CHECK_OK(head_check_store(h, &why), &why);
    head_close(h);
    return (struct note){latest, finalized};
}

TEST(head_survives_kills) {
    static struct report *report;
    static struct note before;
    struct play play;
    struct head *h;
    struct error why;
    unsigned advanced = 0;
    (void)snprintf(folder, sizeof folder, "/tmp/head_crash.XXXXXX");
    CHECK(mkdtemp(folder));
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    CHECK_OK(play_init(&play, 3, FORK_PRAGUE, &why), &why);
    CHECK_OK(open_head(&h, &play, &why), &why);
    before.latest = hash_and_release(head_latest(h));
    head_close(h);
    for (unsigned i = 0; i < KILLS; i++) {
        atomic_store(&report->begun, 0);
        atomic_store(&report->done, 0);
        random_fast_seed(&play.dice, 1000 + i);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) run_until_killed(&play, report);
        // One in four is also killed while it opens and executes what the one before left.
        while (i % 4 != 0 && atomic_load(&report->begun) == 0) {
            CHECK(waitpid(child, NULL, WNOHANG) == 0);
            (void)nanosleep(&(struct timespec){0, 100000}, NULL);
        }
        const struct timespec wait = {0, (long)((i * 2654435761u) % WAIT_MAX_NS)};
        (void)nanosleep(&wait, NULL);
        CHECK(kill(child, SIGKILL) == 0);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        before = check_after(&play, report, &before);
        advanced += atomic_load(&report->done) > 1;
    }
    CHECK(advanced > KILLS / 10);
    play_free(&play);
    (void)munmap(report, sizeof *report);
    CHECK(play_remove_folder(folder));
}

TEST_MAIN()
