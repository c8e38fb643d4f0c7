/* A real PostgreSQL for tests, in a temporary folder, on a Unix socket.
 * Not for programs. SPDX-License-Identifier: MIT */
#ifndef DB_TESTING_H
#define DB_TESTING_H

#include <stdbool.h>
#include <sys/types.h>

struct test_postgres {
    char folder[64];
    char dsn[160];
    pid_t pid;
};

/* test_postgres_start: false when there is no server to start; reason in *ret_why. The server runs
 * with `durable` settings or the quick ones. */
bool test_postgres_start(struct test_postgres *p, bool durable, const char **ret_why);
/* test_postgres_kill ends it as a crash would; test_postgres_run starts it again on its data. */
void test_postgres_kill(struct test_postgres *p);
bool test_postgres_run(struct test_postgres *p);
/* test_postgres_stop ends it and removes its folder. */
void test_postgres_stop(struct test_postgres *p);

#endif
