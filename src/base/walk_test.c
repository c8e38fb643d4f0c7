/* SPDX-License-Identifier: MIT */
#include "base/walk.h"

#include "test/harness/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a walk tells, one letter and the name below the folder each. */
struct seen {
    size_t root; /* length of what every name begins with */
    char text[4096];
};

static bool note(struct seen *s, char what, const char *name) {
    size_t n = strlen(s->text);
    (void)snprintf(s->text + n, sizeof s->text - n, "%c %s\n", what, name + s->root);
    return true;
}
static bool file(void *arg, const char *name, struct bytes content) {
    return note(arg, content.n == 1 ? 'f' : '?', name);
}
static bool unreadable(void *arg, const char *name, const char *reason) {
    return note(arg, *reason ? 'u' : '?', name);
}
static bool skipped(void *arg, const char *name, const char *reason) {
    return note(arg, *reason ? 's' : '?', name);
}

static char root[32];

static const char *at(const char *name) {
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}
static void put_file(const char *name) {
    FILE *f = fopen(at(name), "w");
    CHECK(f && fputc('x', f) == 'x' && fclose(f) == 0);
}
static void begin(void) {
    (void)snprintf(root, sizeof root, "/tmp/walk_test.XXXXXX");
    CHECK(mkdtemp(root) != NULL);
}
static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where) {
    (void)st, (void)kind, (void)where;
    return remove(path);
}
static void end(void) {
    CHECK(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}
static void walk(struct seen *s) {
    const struct walk_visitor v = {s, file, unreadable, skipped};
    *s = (struct seen){.root = strlen(root) + 1};
    CHECK(walk_path(root, &v));
}

TEST(walk_leaves_out_what_would_not_end) {
    struct seen s;
    begin();
    CHECK(mkdir(at("a"), 0700) == 0);
    put_file("a/one");
    put_file("two");
    CHECK(symlink("..", at("a/up")) == 0);
    CHECK(symlink("a", at("b")) == 0);
    CHECK(symlink("two", at("three")) == 0);
    CHECK(mkfifo(at("pipe"), 0600) == 0);
    CHECK(symlink("pipe", at("to_pipe")) == 0);
    CHECK(symlink("nowhere", at("void")) == 0);
    walk(&s);
    CHECK_STR(s.text, "f a/one\ns a/up\ns b\ns pipe\nf three\ns to_pipe\nf two\nu void\n");
    const struct walk_visitor silent = {&s, file, unreadable, NULL};
    s.text[0] = 0;
    CHECK(walk_path(root, &silent));
    CHECK_STR(s.text, "f a/one\nf three\nf two\nu void\n");
    end();
}

TEST(walk_follows_a_link_to_a_folder_outside) {
    struct seen s;
    char outside[] = "/tmp/walk_test.XXXXXX";
    begin();
    CHECK(mkdtemp(outside) != NULL);
    CHECK(symlink(outside, at("a")) == 0);
    CHECK(symlink(outside, at("b")) == 0);
    put_file("a/one");
    walk(&s);
    CHECK_STR(s.text, "f a/one\ns b\n");
    CHECK(unlink(at("a/one")) == 0 && rmdir(outside) == 0);
    end();
}

TEST(walk_ends_where_folders_are_nested_too_deep) {
    struct seen s;
    char name[2 * WALK_DEPTH_MAX + 8], expected[2 * sizeof name];
    size_t n = 0;
    begin();
    for (unsigned i = 0; i < WALK_DEPTH_MAX; i++) {
        n += (size_t)snprintf(name + n, sizeof name - n, i ? "/d" : "d");
        CHECK(mkdir(at(name), 0700) == 0);
    }
    (void)snprintf(expected, sizeof expected, "u %s\nf %.*se\n", name, (int)n - 1, name);
    (void)snprintf(name + n - 1, 2, "e"); // a file beside the deepest folder
    put_file(name);
    walk(&s);
    CHECK_STR(s.text, expected);
    end();
}

TEST_MAIN()
