/* Conformance runner: `conformance AREA DIR…` runs every vector file under DIR in the formats of
 * that area. It knows formats, never names of cases; an unreadable or unrecognised file of a
 * format's kind counts as failed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_CONFORMANCE_CONFORMANCE_H
#define TEST_CONFORMANCE_CONFORMANCE_H

#include "base/bytes.h"

#include <limits.h>

struct tally {
    unsigned passed, failed, skipped;
    const char *file; /* the file that is being run, for the messages */
};

/* One result. `name` is the case within the file. Failures and skips are printed with file, case
 * and the formatted text (expected and got); passes only count. */
void tally_pass(struct tally *t, const char *name);
[[gnu::format(printf, 3, 4)]] void tally_fail(struct tally *t, const char *name, const char *format,
                                              ...);
[[gnu::format(printf, 3, 4)]] void tally_skip(struct tally *t, const char *name, const char *format,
                                              ...);

/* An area runs one folder or file as given on the command line. */
struct area {
    const char *name;
    void (*run)(const char *path, struct tally *t);
};

/* All areas, ended by a row without a name. */
extern const struct area areas[];

/* conformance_walk calls `each` for every regular file under path (or path itself), in sorted
 * order, with its content; .gz and .zst files and .tar, .tar.gz, .tar.zst archives are opened, and
 * `each` sees their members with the path "archive/member". An unreadable one is a failure. The
 * content lives during the call. */
void conformance_walk(const char *path, struct tally *t,
                      void (*each)(const char *path, struct bytes content, struct tally *t,
                                   void *arg),
                      void *arg);

/* path_folder gives the folder of a file ("." without one); path_ends_with compares ends. */
void path_folder(char ret[PATH_MAX], const char *path);
bool path_ends_with(const char *path, const char *end);

#endif
