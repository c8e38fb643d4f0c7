/* What a start does to the folder of an ended network. SPDX-License-Identifier: MIT */
#include "devnet/folder.h"

#include "test/harness/test.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
    char path[PATH_MAX];
    struct arena arena;
};

static const char *in(const struct place *p, const char *name) {
    static char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", p->path, name);
    return path;
}

static bool there(const struct place *p, const char *name) {
    return access(in(p, name), F_OK) == 0;
}

static void put(const struct place *p, const char *name) {
    int fd = open(in(p, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    (void)close(fd);
}

static void start(const struct place *p, struct folder *f, bool keep) {
    struct error why;
    CHECK_OK(folder_open(f, (struct arena *)&p->arena, p->path, keep, &why), &why);
}

// A folder with what an ended network left: a file, and one in a folder.
static void make(struct place *p) {
    struct folder f;
    struct error why;
    (void)snprintf(p->path, sizeof p->path, "/tmp/devnet-folder-XXXXXX");
    CHECK(mkdtemp(p->path) != NULL);
    arena_init(&p->arena, 1u << 20);
    start(p, &f, false);
    CHECK(!f.replaces);
    folder_settle(&f);
    put(p, "network.json");
    CHECK_OK(folder_make(&f, "chain", &why), &why);
    put(p, "chain/block");
    folder_close(&f, false);
}

static void drop(struct place *p) {
    folder_remove(p->path);
    arena_free(&p->arena);
}

static void check_old(const struct place *p) {
    CHECK(there(p, "network.json") && there(p, "chain/block") && !there(p, "new"));
    CHECK(!there(p, FOLDER_ENDED) && there(p, "devnet.lock"));
}

TEST(a_start_that_fails_gives_the_old_network_back) {
    struct place p;
    struct folder f;
    make(&p);
    start(&p, &f, false);
    CHECK(f.replaces && !there(&p, "network.json") && !there(&p, "chain"));
    put(&p, "new");
    put(&p, "network.json");
    folder_restore(&f);
    folder_close(&f, false);
    check_old(&p);
    drop(&p);
}

TEST(a_start_that_is_killed_does_too) {
    struct place p;
    struct folder f;
    for (int twice = 0; twice < 2; twice++) {
        make(&p);
        start(&p, &f, false);
        put(&p, "new");
        (void)close(f.lock_fd); // as the end of a process does
        start(&p, &f, twice);   // to go on with it, or to begin once more
        folder_restore(&f);
        folder_close(&f, false);
        check_old(&p);
        drop(&p);
    }
}

TEST(a_start_that_is_killed_while_it_sets_aside_or_gives_back_loses_nothing) {
    struct place p;
    struct folder f;
    struct error why;
    make(&p);
    start(&p, &f, true);
    // Half of it is aside; what stands beside it is old as well.
    CHECK_OK(folder_make(&f, FOLDER_ENDED ".part", &why), &why);
    char from[PATH_MAX + 64];
    (void)snprintf(from, sizeof from, "%s", in(&p, "network.json"));
    CHECK(rename(from, in(&p, FOLDER_ENDED ".part/network.json")) == 0);
    (void)close(f.lock_fd);
    start(&p, &f, true);
    folder_close(&f, false);
    check_old(&p);
    drop(&p);
}

TEST(a_start_that_serves_replaces_it) {
    struct place p;
    struct folder f;
    make(&p);
    start(&p, &f, false);
    put(&p, "new");
    folder_settle(&f);
    folder_close(&f, false);
    CHECK(there(&p, "new") && !there(&p, "network.json") && !there(&p, FOLDER_ENDED));
    start(&p, &f, true);
    CHECK(!f.replaces && there(&p, "new"));
    folder_close(&f, true);
    CHECK(access(p.path, F_OK) < 0);
    arena_free(&p.arena);
}

TEST_MAIN()
