/* A team: threads that take part in one piece of work at a time, split into index ranges.
 *
 * For work of tens of microseconds and more: members spin shortly before they sleep, so a run costs
 * about a microsecond to begin. The caller works too and returns when all is done; a member that
 * wakes too late is not waited for.
 * Thread: one caller at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_TEAM_H
#define TRIE_TEAM_H

#include "base/error.h"

#include <stddef.h>

struct trie_team;

#define TRIE_TEAM_MAX 64

/* trie_team_create starts threads - 1 members (the caller is one). threads 1..TRIE_TEAM_MAX.
 * errors  ERR_RANGE, ERR_NO_MEMORY, ERR_IO (no thread). */
[[gnu::warn_unused_result]] int trie_team_create(struct trie_team **ret, unsigned threads,
                                                 struct error *why);
void trie_team_free(struct trie_team *team);

/* trie_team_threads gives their number, the caller included; 1 for NULL. */
unsigned trie_team_threads(const struct trie_team *team);

/* trie_team_run calls body(arg, member, from, to) over [0, count) in ranges of at most `grain`, by
 * whoever is free; member is 0 for the caller. Returns when all ranges are done. */
void trie_team_run(struct trie_team *team, size_t count, size_t grain,
                   void (*body)(void *arg, unsigned member, size_t from, size_t to), void *arg);

#endif
