/* SPDX-License-Identifier: MIT */
#include "test/conformance/conformance.h"

#include "base/walk.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct visit {
    struct tally *t;
    void (*each)(const char *path, struct bytes content, struct tally *t, void *arg);
    void *arg;
};

static bool visit_file(void *arg, const char *name, struct bytes content) {
    const struct visit *v = arg;
    v->t->file = name;
    v->each(name, content, v->t, v->arg);
    v->t->file = NULL;
    return true;
}

static bool visit_unreadable(void *arg, const char *name, const char *reason) {
    const struct visit *v = arg;
    v->t->file = name;
    tally_fail(v->t, "-", "cannot be read: %s", reason);
    v->t->file = NULL;
    return true;
}

static bool visit_skipped(void *arg, const char *name, const char *reason) {
    const struct visit *v = arg;
    v->t->file = name;
    tally_skip(v->t, "-", "%s", reason);
    v->t->file = NULL;
    return true;
}

void path_folder(char ret[PATH_MAX], const char *path) {
    const char *slash = strrchr(path, '/');
    (void)snprintf(ret, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

bool path_ends_with(const char *path, const char *end) {
    size_t n = strlen(path), k = strlen(end);
    return n >= k && strcmp(path + n - k, end) == 0;
}

void conformance_walk(const char *path, struct tally *t,
                      void (*each)(const char *path, struct bytes content, struct tally *t,
                                   void *arg),
                      void *arg) {
    struct visit v = {t, each, arg};
    struct walk_visitor visitor = {&v, visit_file, visit_unreadable, visit_skipped};
    (void)walk_path(path, &visitor);
}
