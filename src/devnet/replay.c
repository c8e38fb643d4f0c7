/* `devnet replay`: what a recording holds, a line a record.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "devnet/asker.h"
#include "devnet/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDING_BYTES_MAX (1u << 30)
#define SHOWN_BYTES 100

struct seen {
    uint32_t number;
    char names[100]; // "FROM TO"
    uint64_t bytes[2];
};

struct reading {
    const char *role;
    struct seen *connections;
    size_t count, capacity;
};

static struct seen *find(struct reading *r, uint32_t number) {
    for (size_t i = r->count; i-- > 0;) {
        if (r->connections[i].number == number) return &r->connections[i];
    }
    return NULL;
}

static bool wanted(const struct reading *r, const struct seen *s) {
    if (!r->role) return true;
    const char *to = strchr(s->names, ' ');
    size_t n = strlen(r->role);
    bool from = strncmp(s->names, r->role, n) == 0 && strchr(" .", s->names[n]);
    bool there = to && strncmp(to + 1, r->role, n) == 0 && strchr(".", to[1 + n]);
    return from || there;
}

// The beginning of what was sent, as far as it is text: a request line, or JSON.
static void show_content(struct bytes in) {
    size_t n = 0;
    while (n < in.n && n < SHOWN_BYTES && in.p[n] >= 0x20 && in.p[n] < 0x7f) {
        n++;
    }
    if (n >= 4) {
        (void)printf("  %.*s", (int)n, (const char *)in.p);
    } else if (in.n > 5 && in.p[0] >= 0x14 && in.p[0] <= 0x17 && in.p[1] == 3) {
        static const char *const kinds[] = {"change", "alert", "handshake", "data"};
        (void)printf("  TLS %s", kinds[in.p[0] - 0x14]);
    }
}

static void show(struct reading *r, const struct record *k) {
    struct seen *s = find(r, k->connection);
    double at = (double)k->at_ns / 1e9;
    if (k->kind == RECORD_OPEN) {
        if (r->count == r->capacity) {
            size_t capacity = r->capacity ? 2 * r->capacity : 256;
            struct seen *more = realloc(r->connections, capacity * sizeof *more);
            if (!more) return;
            r->connections = more;
            r->capacity = capacity;
        }
        s = &r->connections[r->count++];
        *s = (struct seen){.number = k->connection};
        (void)snprintf(s->names, sizeof s->names, "%.*s", (int)k->content.n,
                       (const char *)k->content.p);
    }
    if (!s || !wanted(r, s)) return;
    const char *space = strchr(s->names, ' ');
    int from = space ? (int)(space - s->names) : 0;
    const char *to = space ? space + 1 : "";
    switch (k->kind) {
    case RECORD_OPEN:
        (void)printf("%12.6f  #%u  %.*s connects to %s\n", at, k->connection, from, s->names, to);
        break;
    case RECORD_END:
        (void)printf("%12.6f  #%u  ends: %llu bytes there, %llu back\n", at, k->connection,
                     (unsigned long long)s->bytes[0], (unsigned long long)s->bytes[1]);
        break;
    default:
        s->bytes[k->kind == RECORD_DOWN] += k->content.n;
        if (k->kind == RECORD_UP) {
            (void)printf("%12.6f  #%u  %.*s -> %s  %zu bytes", at, k->connection, from, s->names,
                         to, k->content.n);
        } else {
            (void)printf("%12.6f  #%u  %s -> %.*s  %zu bytes", at, k->connection, to, from,
                         s->names, k->content.n);
        }
        show_content(k->content);
        (void)printf("\n");
    }
}

int replay_print(const char *path, const char *role, struct error *why) {
    struct buf text;
    struct record k;
    struct reading r = {.role = role};
    buf_init(&text, RECORDING_BYTES_MAX);
    int code = file_read(&text, path, why); // names the file itself
    if (code < 0) {
        buf_free(&text);
        return code;
    }
    struct bytes in = buf_view(&text);
    code = record_begin(&in, why);
    while (code == 0) {
        code = record_next(&k, &in, why);
        if (code <= 0) break;
        show(&r, &k);
        code = 0;
    }
    free(r.connections);
    buf_free(&text);
    return code < 0 ? error_wrap(why, "%s", path) : 0;
}
