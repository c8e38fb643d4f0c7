/* SPDX-License-Identifier: MIT */
#include "devnet/playbook.h"

#include "base/file.h"
#include "devnet/plan.h"
#include "toml/toml.h"
#include "json/json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PLAYBOOK_BYTES_MAX (1u << 20)
#define WORDS_MAX 32
#define LATE_NS (2 * NS_PER_S) /* so long after its end a slot may be told as missed */
#define SETTLE_SLOTS 2         /* orders of the last slots have no fate yet */

struct step {
    uint64_t slot;
    char *command;
    bool done;
};

struct stage {
    uint64_t slot;
    const char *scenario, *rate, *duration, *name;
    bool started;
};

struct expectation {
    bool set;
    double value;
};

enum {
    MISSED_MAX,
    BY_RELAY_MIN,
    LANDED_MIN,
    FOREIGN,
    LOAD_LANDED_MIN,
    LOAD_FORBIDDEN_MAX,
    READY,
    EXPECTATIONS
};

static const char *const expectation_names[EXPECTATIONS] = {
    "missed_slots_max", "by_relay_min",       "landed_min", "foreign_bundle",
    "load_landed_min",  "load_forbidden_max", "ready"};

struct playbook {
    struct step steps[PLAYBOOK_STEPS_MAX];
    size_t step_count;
    struct stage stages[PLAYBOOK_LOADS_MAX];
    size_t stage_count;
    struct chain_check checks[PLAYBOOK_CHECKS_MAX];
    size_t check_count;
    struct expectation expect[EXPECTATIONS];
    uint64_t slots, first; // first: slot of readiness; 0: not yet
    const char *name;
};

// Reading

static int take_text(const char **ret, const struct toml *v, struct arena *a, struct error *why) {
    struct bytes text;
    int r = 0;
    if (v->type == TOML_INTEGER) {
        *ret = arena_printf(a, "%lld", (long long)v->integer);
    } else {
        r = toml_string(&text, v, why);
        if (r == 0) *ret = arena_str(a, text);
    }
    return r == 0 && !*ret ? error_set(why, ERR_NO_MEMORY, "no memory") : r;
}

static int take_number(uint64_t *ret, const struct toml *v, uint64_t most, struct error *why) {
    int64_t n;
    int r = toml_i64(&n, v, why);
    if (r == 0 && (n < 0 || (uint64_t)n > most)) r = toml_error(why, ERR_RANGE, v, "out of range");
    if (r == 0) *ret = (uint64_t)n;
    return r;
}

static int unknown(const struct toml *v, struct error *why) {
    return toml_error(why, ERR_INVALID, v, "\"%.*s\" is not known here",
                      (int)(v->key.n < 40 ? v->key.n : 40), (const char *)v->key.p);
}

static int read_step(struct playbook *p, const struct toml *v, struct arena *a, struct error *why) {
    uint64_t slot = 0;
    const struct toml *list = toml_get(v, BYTES_LIT("do"));
    const struct toml *at = toml_get(v, BYTES_LIT("slot"));
    int r = at ? take_number(&slot, at, 1000000, why) : 0;
    toml_each(m, v) {
        if (r == 0 && m != list && m != at) r = unknown(m, why);
    }
    if (r == 0 && (!list || list->type != TOML_ARRAY)) {
        r = toml_error(why, ERR_NOT_FOUND, v, "a step has \"do\", a list of commands");
    }
    toml_each(item, r == 0 ? list : NULL) {
        const char *text = NULL;
        if (p->step_count == PLAYBOOK_STEPS_MAX) return error_set(why, ERR_LIMIT, "too many steps");
        r = take_text(&text, item, a, why);
        if (r < 0) return r;
        p->steps[p->step_count++] =
            (struct step){.slot = slot, .command = arena_str(a, bytes_from_str(text))};
    }
    return r;
}

static int read_stage(struct playbook *p, const struct toml *v, struct arena *a,
                      struct error *why) {
    if (p->stage_count == PLAYBOOK_LOADS_MAX) return error_set(why, ERR_LIMIT, "too many loads");
    struct stage *s = &p->stages[p->stage_count++];
    *s = (struct stage){.scenario = "transfers", .rate = "10", .duration = "5s"};
    s->name = arena_printf(a, "load-%zu", p->stage_count);
    toml_each(m, v) {
        int r;
        if (bytes_equal_str(m->key, "slot"))
            r = take_number(&s->slot, m, 1000000, why);
        else if (bytes_equal_str(m->key, "scenario"))
            r = take_text(&s->scenario, m, a, why);
        else if (bytes_equal_str(m->key, "rate"))
            r = take_text(&s->rate, m, a, why);
        else if (bytes_equal_str(m->key, "duration"))
            r = take_text(&s->duration, m, a, why);
        else
            r = unknown(m, why);
        if (r < 0) return r;
    }
    return s->name ? 0 : error_set(why, ERR_NO_MEMORY, "no memory");
}

static int read_check(struct playbook *p, const struct toml *v, struct arena *a,
                      struct error *why) {
    if (p->check_count == PLAYBOOK_CHECKS_MAX) return error_set(why, ERR_LIMIT, "too many checks");
    return chain_check_read(&p->checks[p->check_count++], v, a, why);
}

static int read_expectations(struct playbook *p, const struct toml *v, struct error *why) {
    toml_each(m, v) {
        size_t i = 0;
        bool truth;
        while (i < EXPECTATIONS && !bytes_equal_str(m->key, expectation_names[i])) {
            i++;
        }
        if (i == EXPECTATIONS) return unknown(m, why);
        int r = 0;
        if (m->type == TOML_BOOL) {
            r = toml_bool(&truth, m, why);
            p->expect[i].value = truth;
        } else {
            r = toml_double(&p->expect[i].value, m, why);
        }
        if (r < 0) return r;
        p->expect[i].set = true;
    }
    return 0;
}

static int each_of(struct playbook *p, const struct toml *v, struct arena *a,
                   int (*read)(struct playbook *, const struct toml *, struct arena *,
                               struct error *),
                   struct error *why) {
    if (v->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, v, "a list is needed");
    toml_each(item, v) {
        int r = read(p, item, a, why);
        if (r < 0) return r;
    }
    return 0;
}

static int read_member(struct playbook *p, struct devnet_settings *s, const struct toml *m,
                       struct arena *a, struct error *why) {
    const char *text;
    int r;
    if (bytes_equal_str(m->key, "name")) return take_text(&p->name, m, a, why);
    if (bytes_equal_str(m->key, "seed")) return take_text(&s->seed, m, a, why);
    if (bytes_equal_str(m->key, "slots")) return take_number(&p->slots, m, SLOTS_KEPT / 2, why);
    if (bytes_equal_str(m->key, "nodes")) {
        r = take_number(&s->nodes, m, NET_NODES_MAX, why);
        return r == 0 && s->nodes == 0 ? toml_error(why, ERR_RANGE, m, "at least one") : r;
    }
    if (bytes_equal_str(m->key, "slot")) {
        r = take_text(&text, m, a, why);
        return r == 0 ? config_parse_duration(&s->slot_ns, bytes_from_str(text), 0, why) : r;
    }
    if (bytes_equal_str(m->key, "step")) return each_of(p, m, a, read_step, why);
    if (bytes_equal_str(m->key, "load")) return each_of(p, m, a, read_stage, why);
    if (bytes_equal_str(m->key, "chain")) return each_of(p, m, a, read_check, why);
    if (bytes_equal_str(m->key, "expect")) return read_expectations(p, m, why);
    return unknown(m, why);
}

int playbook_read(struct playbook **ret, struct devnet_settings *s, struct arena *a,
                  const char *path, struct error *why) {
    struct buf text;
    const struct toml *root = NULL;
    struct playbook *p = arena_new(a, struct playbook);
    buf_init(&text, PLAYBOOK_BYTES_MAX);
    *ret = p;
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for the scenario");
    p->slots = 10;
    p->name = path;
    int r = file_read(&text, path, why);
    struct bytes kept = arena_copy(a, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = toml_parse(&root, kept, a, why);
    toml_each(m, root) {
        if (r == 0) r = read_member(p, s, m, a, why);
    }
    if (r < 0) (void)error_wrap(why, "scenario %s", path);
    return r;
}

// Doing

static void run_step(struct net *n, const struct step *s) {
    char text[512];
    const char *words[WORDS_MAX];
    struct config_list list = {.items = words};
    struct buf out;
    struct error why = {0};
    char *rest = NULL;
    (void)snprintf(text, sizeof text, "%s", s->command);
    for (char *word = strtok_r(text, " ", &rest); word && list.count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        words[list.count++] = word;
    }
    buf_init(&out, 1u << 20);
    if (devnet_command(n, &list, &out, &why) < 0) {
        events_say(n->events, "scenario", "%s: %s", s->command, why.text);
        n->status = 1;
        n->failed = true;
    } else {
        events_say(n->events, "scenario", "%s", s->command);
    }
    buf_free(&out);
}

static void start_stage(struct net *n, const struct stage *s) {
    struct role r = plan_describe(n, s->name, "load");
    struct error why;
    struct buf urls;
    buf_init(&urls, 4096);
    for (size_t i = 0; i < n->node_count; i++) {
        buf_printf(&urls, "%shttp://127.0.0.1:%u", i ? "," : "", n->nodes[i].user_front);
    }
    bool ok = WORDS(&r, "--scenario", s->scenario, "--rate", s->rate, "--duration", s->duration,
                    "--seed", s->name, "--quiet", "--url") &&
              role_arg(&r, &n->arena, "%s", n->rpc_url) && WORDS(&r, "--orders-url") &&
              role_arg(&r, &n->arena, "%.*s", (int)urls.n, (const char *)urls.p) &&
              WORDS(&r, "--report") && role_arg(&r, &n->arena, "%s.json", s->name);
    r.may_end = true;
    buf_free(&urls);
    int code = ok ? plan_add(n, &r, &why) : plan_too_large(&why);
    if (code < 0) events_say(n->events, "scenario", "%s: %s", s->name, why.text);
}

// The slots of the run, and how they ended; the newest has yet to be asked for.
static bool all_known(const struct playbook *p, const struct net *n) {
    uint64_t slots, missed, by_relay;
    slots_count(n->slots, p->first + 1, p->first + p->slots, &slots, &missed, &by_relay);
    return slots >= p->slots;
}

bool playbook_slot(struct playbook *p, struct net *n, uint64_t slot) {
    if (!n->ready_ns) return true;
    if (!p->first) p->first = slot;
    uint64_t at = slot - p->first;
    for (size_t i = 0; i < p->step_count; i++) {
        struct step *s = &p->steps[i];
        if (s->done || s->slot > at) continue;
        s->done = true;
        run_step(n, s);
    }
    for (size_t i = 0; i < p->stage_count; i++) {
        struct stage *s = &p->stages[i];
        if (s->started || s->slot > at) continue;
        s->started = true;
        start_stage(n, s);
    }
    uint64_t limit = p->slots + SETTLE_SLOTS + LATE_NS / n->s->slot_ns;
    if (at < p->slots || (at < limit && !all_known(p, n))) return true;
    for (size_t i = 0; i < p->stage_count; i++) { // a load that runs is waited for
        const struct role *r = roles_find(n->roles, p->stages[i].name);
        if (r && role_runs(r)) return true;
    }
    return false;
}

// The verdict

struct measured {
    uint64_t slots, missed, by_relay;
    uint64_t orders, landed;
    uint64_t load_accepted, load_landed, load_forbidden, load_reports;
};

static void read_load(struct net *n, const struct stage *s, struct measured *m) {
    struct arena a;
    struct buf text;
    const struct json *doc;
    char path[PATH_MAX];
    uint64_t accepted = 0, landed = 0, forbidden = 0;
    (void)snprintf(path, sizeof path, "%s/%s.json", n->folder.path, s->name);
    arena_init(&a, 64u << 20);
    buf_init(&text, 16u << 20);
    if (file_read(&text, path, NULL) == 0 &&
        json_parse(&doc, buf_view(&text), &a, NULL, NULL) == 0 &&
        json_get_u64(&accepted, doc, "accepted", NULL) == 0 &&
        json_get_u64(&landed, doc, "landed", NULL) == 0 &&
        json_get_u64(&forbidden, doc, "forbidden", NULL) == 0) {
        m->load_reports++;
    }
    m->load_accepted += accepted;
    m->load_landed += landed;
    m->load_forbidden += forbidden;
    buf_free(&text);
    arena_free(&a);
}

static void measure(struct playbook *p, struct net *n, struct measured *m) {
    *m = (struct measured){.slots = 0};
    slots_count(n->slots, p->first + 1, p->first + p->slots, &m->slots, &m->missed, &m->by_relay);
    uint64_t head = slots_head(n->slots);
    probe_fate(n->probe, head > SETTLE_SLOTS ? head - SETTLE_SLOTS : 0, &m->orders, &m->landed);
    for (size_t i = 0; i < p->stage_count; i++) {
        read_load(n, &p->stages[i], m);
    }
}

static double share(uint64_t part, uint64_t all) {
    return all ? (double)part / (double)all : 0;
}

static bool line(struct buf *out, const struct playbook *p, unsigned i, double got, bool ok) {
    if (!p->expect[i].set) return true;
    buf_printf(out, "%-6s  %-20s expected %g, is %g\n", ok ? "ok" : "FAILED", expectation_names[i],
               p->expect[i].value, got);
    return ok;
}

bool playbook_verdict(struct playbook *p, struct net *n, struct buf *out) {
    struct measured m;
    const struct expectation *e = p->expect;
    bool foreign = probe_proof(n->probe) != NULL, ready = n->state == NET_READY;
    measure(p, n, &m);
    double relay = share(m.by_relay, m.slots - m.missed), landed = share(m.landed, m.orders);
    double load = share(m.load_landed, m.load_accepted);
    buf_printf(out, "%s: %llu slots, %llu bundles of the network's own, %llu orders of load\n",
               p->name, (unsigned long long)m.slots, (unsigned long long)m.orders,
               (unsigned long long)m.load_accepted);
    bool ok = line(out, p, MISSED_MAX, (double)m.missed, (double)m.missed <= e[MISSED_MAX].value);
    ok &= line(out, p, BY_RELAY_MIN, relay, relay >= e[BY_RELAY_MIN].value);
    ok &= line(out, p, LANDED_MIN, landed, landed >= e[LANDED_MIN].value);
    ok &= line(out, p, FOREIGN, foreign, foreign == (e[FOREIGN].value != 0));
    for (size_t i = 0; i < p->check_count; i++) {
        ok &= chain_check_verdict(&p->checks[i], n->slots, p->first, out);
    }
    bool reported = m.load_reports == p->stage_count;
    ok &= line(out, p, LOAD_LANDED_MIN, load, reported && load >= e[LOAD_LANDED_MIN].value);
    ok &= line(out, p, LOAD_FORBIDDEN_MAX, (double)m.load_forbidden,
               reported && (double)m.load_forbidden <= e[LOAD_FORBIDDEN_MAX].value);
    ok &= line(out, p, READY, ready, ready == (e[READY].value != 0));
    if (!reported) {
        buf_append_str(out, "FAILED  a load made no report: see its log\n");
        ok = false;
    }
    if (n->status != 0) {
        buf_append_str(out, "FAILED  a step was refused: see the events\n");
        ok = false;
    }
    return ok;
}
