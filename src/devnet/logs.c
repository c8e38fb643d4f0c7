/* `devnet logs`: the roles' log files as one stream in order of time. SPDX-License-Identifier: MIT
 */
#include "base/file.h"
#include "devnet/asker.h"
#include "devnet/log_line.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_BYTES_MAX (64u << 20) /* of one file, from its end */
#define FOLLOW_US 200000

struct line {
    const char *role;
    struct bytes text;
    uint64_t wall_ns; // of the line, or of the one before it in its file
    size_t order;
};

struct source {
    char role[NAME_MAX + 1];
    off_t read; // bytes that were shown
};

struct logs {
    struct asker *asker;
    const char *role; // NULL: all
    struct source *sources;
    size_t source_count;
    struct line *lines;
    size_t count, capacity;
    uint64_t slot, from_ns, to_ns; // with --of-slot; from_ns 0: any
    struct order_names order;      // with --order
    uint64_t order_shown_ns;       // the newest line of its trace that was shown
};

static bool wanted(const struct logs *g, const char *role) {
    size_t n = g->role ? strlen(g->role) : 0;
    return !g->role || (strncmp(role, g->role, n) == 0 && (role[n] == '\0' || role[n] == '.'));
}

// "time=2026-01-02T03:04:05.123456Z level=…" or {"time":"…"}.
static uint64_t time_of(struct bytes line, uint64_t before) {
    uint64_t ns;
    size_t from = bytes_starts_with(line, BYTES_LIT("time="))          ? 5
                  : bytes_starts_with(line, BYTES_LIT("{\"time\":\"")) ? 9
                                                                       : SIZE_MAX;
    if (from == SIZE_MAX) return before;
    size_t n = 0;
    while (from + n < line.n && line.p[from + n] != ' ' && line.p[from + n] != '"') {
        n++;
    }
    return clock_parse(&ns, bytes_slice(line, from, n), NULL) == 0 ? ns : before;
}

static bool by_order(const struct logs *g) {
    return g->asker->s->order_filter && *g->asker->s->order_filter;
}

static bool names_order(const struct logs *g, struct bytes text) {
    const struct order_names *o = &g->order;
    return memmem(text.p, text.n, o->order, strlen(o->order)) ||
           memmem(text.p, text.n, o->tx, strlen(o->tx));
}

// Lines that name a slot are of that one, though a block is built in the slot before.
static bool of_slot(const struct logs *g, struct bytes text, uint64_t at) {
    uint64_t slot;
    if (log_line_slot(&slot, text)) return slot == g->slot;
    return at >= g->from_ns && at < g->to_ns;
}

static int add_line(struct logs *g, const char *role, struct bytes text, uint64_t at,
                    struct error *why) {
    if (g->from_ns && !of_slot(g, text, at)) return 0;
    if (by_order(g) && !names_order(g, text)) return 0;
    if (g->count == g->capacity) {
        size_t capacity = g->capacity ? 2 * g->capacity : 4096;
        struct line *more = realloc(g->lines, capacity * sizeof *more);
        if (!more) return error_set(why, ERR_NO_MEMORY, "no memory for the logs");
        g->lines = more;
        g->capacity = capacity;
    }
    g->lines[g->count] = (struct line){role, text, at, g->count};
    g->count++;
    return 0;
}

static int read_source(struct logs *g, struct source *s, struct error *why) {
    char path[PATH_MAX];
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/logs/%s.log", g->asker->folder, s->role);
    buf_init(&text, LOG_BYTES_MAX);
    int r = file_read(&text, path, why);
    struct bytes kept = {NULL, 0};
    if (r == 0)
        kept = arena_copy(&g->asker->arena, bytes_slice(buf_view(&text), (size_t)s->read, text.n));
    buf_free(&text);
    if (r < 0) return r;
    uint64_t at = 0;
    while (kept.n) {
        const uint8_t *end = memchr(kept.p, '\n', kept.n);
        if (!end) break; // a line that is not finished comes the next time
        struct bytes line = {kept.p, (size_t)(end - kept.p)};
        at = time_of(line, at);
        r = add_line(g, s->role, line, at, why);
        if (r < 0) return r;
        s->read += (off_t)line.n + 1;
        kept = bytes_slice(kept, line.n + 1, kept.n);
    }
    return 0;
}

static int find_sources(struct logs *g, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/logs", g->asker->folder);
    DIR *d = opendir(path);
    if (!d) return error_set_os(why, ERR_IO, errno, "%s", path);
    for (const struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        char role[NAME_MAX + 1];
        if (n < 5 || strcmp(e->d_name + n - 4, ".log") != 0) continue;
        (void)snprintf(role, sizeof role, "%.*s", (int)n - 4, e->d_name);
        bool known = !wanted(g, role);
        for (size_t i = 0; i < g->source_count; i++) {
            if (strcmp(g->sources[i].role, role) == 0) known = true;
        }
        if (known) continue;
        struct source *more = realloc(g->sources, (g->source_count + 1) * sizeof *more);
        if (!more) break;
        g->sources = more;
        more[g->source_count] = (struct source){.read = 0};
        memcpy(more[g->source_count++].role, role, sizeof role);
    }
    (void)closedir(d);
    return g->source_count
               ? 0
               : error_set(why, ERR_NOT_FOUND, "no role %s has a log", g->role ? g->role : "");
}

static int by_time(const void *left, const void *right) {
    const struct line *a = left, *b = right;
    if (a->wall_ns != b->wall_ns) return a->wall_ns < b->wall_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

// A line of the order's trace; those that were shown are in it each time.
static int take_traced(void *context, const char *role, struct bytes text, uint64_t at,
                       struct error *why) {
    struct logs *g = context;
    if (at <= g->order_shown_ns || !wanted(g, role)) return 0;
    const char *name = arena_str(&g->asker->arena, bytes_from_str(role));
    struct bytes kept = arena_copy(&g->asker->arena, text);
    if (!name || !kept.p) return error_set(why, ERR_NO_MEMORY, "no memory for the logs");
    return add_line(g, name, kept, at, why);
}

static int read_order(struct logs *g, struct error *why) {
    int r = order_lines(g->asker, g->asker->s->order_filter, &g->order, take_traced, g, why);
    for (size_t i = 0; r == 0 && i < g->count; i++) {
        if (g->lines[i].wall_ns > g->order_shown_ns) g->order_shown_ns = g->lines[i].wall_ns;
    }
    return r;
}

static void print_line(const struct logs *g, const struct line *l) {
    struct buf out;
    if (!g->asker->s->json) {
        (void)printf("%-20s %.*s\n", l->role, (int)l->text.n, (const char *)l->text.p);
        return;
    }
    buf_init(&out, 0);
    log_line_json(&out, l->role, l->text);
    (void)printf("%.*s\n", (int)out.n, (const char *)out.p);
    buf_free(&out);
}

static int print_new(struct logs *g, struct error *why) {
    int r = find_sources(g, why);
    g->count = 0;
    if (r == 0 && by_order(g)) r = read_order(g, why);
    for (size_t i = 0; r == 0 && i < g->source_count; i++) {
        r = read_source(g, &g->sources[i], why);
    }
    if (r == 0 && g->count) qsort(g->lines, g->count, sizeof *g->lines, by_time);
    for (size_t i = 0; r == 0 && i < g->count; i++) {
        print_line(g, &g->lines[i]);
    }
    (void)fflush(stdout);
    return r;
}

// A slot's time, from the records of it and its neighbours.
static int slot_window(struct logs *g, const char *text, struct error *why) {
    const struct json *state;
    char *end;
    g->slot = strtoull(text, &end, 10);
    if (end == text || *end) return error_set(why, ERR_SYNTAX, "--of-slot: not a number");
    int r = asker_state(g->asker, &state, NULL, why);
    if (r < 0) return r;
    uint64_t length_ns = asker_u64(json_get(state, "chain"), "slot_ms") * NS_PER_MS;
    json_each(item, json_get(state, "slots")) {
        uint64_t slot = asker_u64(item, "slot"), at = asker_u64(item, "begins_ms") * NS_PER_MS;
        if (!at) continue; // missed: a neighbour tells
        g->from_ns = at + (g->slot - slot) * length_ns;
        g->to_ns = g->from_ns + length_ns;
    }
    return g->from_ns ? 0 : error_set(why, ERR_NOT_FOUND, "no block was seen yet");
}

int logs_print(struct asker *k, const char *role, struct error *why) {
    struct logs g = {.asker = k, .role = role, .order = {"", ""}};
    int r = 0;
    if (k->s->slot_filter && *k->s->slot_filter) r = slot_window(&g, k->s->slot_filter, why);
    if (r == 0) r = print_new(&g, why);
    if (r == 0 && by_order(&g) && g.count == 0 && !k->s->follow) {
        r = error_set(why, ERR_NOT_FOUND, "no node knows an order or transaction %.66s",
                      k->s->order_filter);
    }
    if (r == 0 && g.from_ns && g.count == 0 && !k->s->follow) {
        r = error_set(why, ERR_NOT_FOUND, "no log line%s%s is of slot %.20s", role ? " of " : "",
                      role ? role : "", k->s->slot_filter);
    }
    while (r == 0 && k->s->follow) {
        asker_forget(k);
        (void)usleep(FOLLOW_US);
        r = print_new(&g, why);
    }
    free(g.lines);
    free(g.sources);
    return r;
}
