/* The genesis that `node --dev` begins with, for the builders too, which execute the chain
 * themselves; with --fork, of an earlier fork, or with a transition in a slot to come.
 * SPDX-License-Identifier: MIT */
#include "devnet/kept.h"
#include "devnet/plan.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENESIS_AHEAD_S 2 /* where the time of genesis must be known before the chain starts */
#define SLOT_MAX 1000000u

static const char *const forks[][2] = {{"shanghai", "shanghaiTime"}, {"cancun", "cancunTime"},
                                       {"prague", "pragueTime"},     {"osaka", "osakaTime"},
                                       {"bpo1", "bpo1Time"},         {"bpo2", "bpo2Time"}};
#define FORKS (sizeof forks / sizeof forks[0])
#define CANCUN 1u

/* "prague", or "osaka@16". errors  ERR_NOT_FOUND, ERR_SYNTAX, ERR_RANGE. */
static int read_fork(const char *text, size_t *ret_fork, uint64_t *ret_slot, struct error *why) {
    size_t n = strcspn(text, "@"), i = 0;
    char *end = NULL;
    while (i < FORKS && (strlen(forks[i][0]) != n || strncmp(forks[i][0], text, n) != 0)) {
        i++;
    }
    if (i == FORKS) {
        return error_set(why, ERR_NOT_FOUND,
                         "--fork: shanghai, cancun, prague, osaka, bpo1 or bpo2");
    }
    *ret_fork = i;
    *ret_slot = 0;
    if (!text[n]) return 0;
    *ret_slot = strtoull(text + n + 1, &end, 10);
    if (end == text + n + 1 || *end || *ret_slot == 0 || *ret_slot > SLOT_MAX) {
        return error_set(why, ERR_SYNTAX, "--fork %s@SLOT: a slot's number", forks[i][0]);
    }
    if (*ret_slot % GENESIS_FORK_EPOCH_SLOTS || i == 0) {
        return error_set(why, ERR_RANGE,
                         "--fork: a transition is one of cancun to bpo2, at a slot that begins an "
                         "epoch, a multiple of %d",
                         GENESIS_FORK_EPOCH_SLOTS);
    }
    return 0;
}

// By its name (column 0) or the name of its time (1).
static int index_of(struct bytes key, int column) {
    for (size_t i = 0; i < FORKS; i++) {
        if (bytes_equal_str(key, forks[i][column])) return (int)i;
    }
    return -1;
}

// Of the chain's forks alone: clients refuse those they do not know.
static void write_schedule(struct json_writer *w, const struct json *schedule, size_t fork) {
    json_begin_object(w, "blobSchedule");
    json_members(key, value, schedule) {
        struct bytes text = json_text(key);
        if (index_of(text, 0) > (int)fork) continue;
        json_add_key(w, text);
        json_add_raw(w, NULL, json_raw(value));
    }
    json_end(w);
}

static void write_config(struct json_writer *w, const struct json *config, size_t fork,
                         uint64_t time) {
    char name[64];
    json_begin_object(w, "config");
    json_members(key, value, config) {
        struct bytes text = json_text(key);
        int i = index_of(text, 1);
        (void)snprintf(name, sizeof name, "%.*s", (int)text.n, (const char *)text.p);
        if (i > (int)fork) continue;
        if (i == (int)fork) {
            json_add_u64(w, name, time);
        } else if (strcmp(name, "blobSchedule") == 0) {
            write_schedule(w, value, fork);
        } else {
            json_add_raw(w, name, json_raw(value));
        }
    }
    json_end(w);
}

// Members of a header that has them from Cancun on.
static bool is_of_blobs(const char *name) {
    return strcmp(name, "excessBlobGas") == 0 || strcmp(name, "blobGasUsed") == 0 ||
           strcmp(name, "parentBeaconBlockRoot") == 0;
}

static int rewrite(struct buf *out, struct bytes genesis, size_t fork, uint64_t time,
                   struct error *why) {
    struct arena a;
    const struct json *doc;
    struct json_writer w;
    char name[64];
    arena_init(&a, 16u << 20);
    int r = json_parse(&doc, genesis, &a, NULL, why);
    if (r == 0) {
        json_writer_init(&w, out, 0);
        json_begin_object(&w, NULL);
        json_members(key, value, doc) {
            struct bytes text = json_text(key);
            (void)snprintf(name, sizeof name, "%.*s", (int)text.n, (const char *)text.p);
            if (strcmp(name, "config") == 0) {
                write_config(&w, value, fork, time);
            } else if (fork >= CANCUN || !is_of_blobs(name)) {
                json_add_raw(&w, name, json_raw(value));
            }
        }
        json_end(&w);
        r = buf_check(out, why);
    }
    arena_free(&a);
    return r;
}

static int store(struct net *n, struct bytes genesis, struct error *why) {
    struct buf out;
    size_t fork = 0;
    uint64_t slot = 0, step_s = (n->s->slot_ns + NS_PER_S - 1) / NS_PER_S;
    if (!n->s->fork || !*n->s->fork) return plan_store(n, "genesis.json", genesis, 0644, why);
    int r = read_fork(n->s->fork, &fork, &slot, why);
    if (r < 0) return r;
    if (slot && !n->genesis_s) {
        n->genesis_s = clock_wall_ns(&clock_system) / NS_PER_S + GENESIS_AHEAD_S;
    }
    buf_init(&out, 16u << 20);
    r = rewrite(&out, genesis, fork, slot ? n->genesis_s + slot * step_s : 0, why);
    if (r == 0) r = plan_store(n, "genesis.json", buf_view(&out), 0644, why);
    buf_free(&out);
    return r;
}

int genesis_store(struct net *n, struct error *why) {
    const char *argv[] = {n->program, "node", "dev-genesis", NULL};
    const struct process_options o = {
        .argv = argv, .limit_ns = 10 * NS_PER_S, .output_bytes = 1u << 20};
    struct process p;
    if (kept_has(n, "genesis.json")) return 0;
    if (n->s->virtual_clock_ns) n->genesis_s = GENESIS_VIRTUAL_S;
    int r = process_run(&p, &o, why);
    if (r == 0 && p.exit_status != 0) {
        r = error_set(why, ERR_INTERNAL, "genesis: %.*s", (int)p.out[1].n,
                      (const char *)p.out[1].p);
    }
    if (r == 0) r = store(n, buf_view(&p.out[0]), why);
    process_free(&p);
    return r;
}
