/* SPDX-License-Identifier: MIT */
#include "orderflow/listener.h"

#include "base/file.h"
#include "crypto/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKETS_MAX 64u
#define STATE_LISTEN 0x0Au

/* Columns of a table: number, local and remote address with port, state, queues, timer,
 * retransmissions, user, timeout, inode. */
enum { LOCAL = 1, STATE = 3, INODE = 9, COLUMNS = 10 };

struct sockets {
    uint64_t inode[SOCKETS_MAX];
    size_t count;
    bool whole;
};

static bool is_here(const struct url *u) {
    if (u->scheme == URL_UNIX) return false;
    return bytes_equal(u->host, BYTES_LIT("localhost")) || bytes_equal(u->host, BYTES_LIT("::1")) ||
           bytes_starts_with(u->host, BYTES_LIT("127."));
}

/* A table has those that listen first. Those at other addresses of the machine count too: more may
 * seem new than is. */
static void add_table(struct sockets *s, const char *path, unsigned port) {
    char line[512];
    FILE *f = fopen(path, "re");
    if (!f) return;
    if (!fgets(line, sizeof line, f)) line[0] = '\0'; // the heads of the columns
    while (fgets(line, sizeof line, f)) {
        char *column[COLUMNS] = {NULL}, *rest = line;
        for (size_t i = 0; i < COLUMNS; i++) {
            column[i] = strtok_r(NULL, " ", &rest);
        }
        const char *colon = column[LOCAL] ? strchr(column[LOCAL], ':') : NULL;
        if (!colon || !column[INODE] || strtoul(column[STATE], NULL, 16) != STATE_LISTEN) break;
        if (strtoul(colon + 1, NULL, 16) != port) continue;
        if (s->count == SOCKETS_MAX) s->whole = false;
        if (s->whole) s->inode[s->count++] = strtoull(column[INODE], NULL, 10);
    }
    (void)fclose(f);
}

static int by_number(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

uint64_t listener_life(const struct url *u) {
    struct sockets s = {.whole = true};
    struct buf all;
    uint64_t life = 0;
    if (!is_here(u)) return 0;
    add_table(&s, "/proc/self/net/tcp", u->port);
    add_table(&s, "/proc/self/net/tcp6", u->port);
    if (s.count == 0 || !s.whole) return 0;
    qsort(s.inode, s.count, sizeof *s.inode, by_number);
    buf_init(&all, 8192);
    if (file_read(&all, LISTENER_BOOT_FILE, NULL) == 0) {
        for (size_t i = 0; i < s.count; i++) {
            buf_append_be64(&all, s.inode[i]);
        }
        struct hash h = sha256(buf_view(&all));
        if (buf_check(&all, NULL) == 0) life = load_be64(h.b) | 1; // never 0
    }
    buf_free(&all);
    return life;
}
