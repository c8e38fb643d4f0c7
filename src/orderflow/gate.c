/* SPDX-License-Identifier: MIT */
#include "orderflow/gate.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#define WINDOW_PARTS 8u
#define WINDOW_DEFAULT_NS NS_PER_S
#define KEY_MAX 32
#define USED_APART_NS (50 * NS_PER_MS)   /* who was moved in the order of use lately, stays */
#define FORGED_STEP_NS (100 * NS_PER_MS) /* a forged signature counts so long */
#define FORGED_FREE_NS (400 * NS_PER_MS) /* and so much of it is let pass */
#define FORGED_MOST_NS (10 * NS_PER_S)

/* Counts of the step that is on and the one before. */
struct lately {
    uint64_t step, now, before;
};

/* Somebody who asks. */
struct entity {
    struct list_node link; /* in order of use, but for USED_APART_NS */
    uint64_t used_ns;      /* when it was moved there */
    uint8_t name[KEY_MAX];
    uint8_t name_bytes;
    struct lately asked;
    uint64_t forged_ns;          /* how far forged signatures reach into the future */
    uint64_t free_ns;            /* when the next request would be in time (GCRA) */
    uint64_t part[WINDOW_PARTS]; /* requests in each part of the window */
    uint64_t part_number[WINDOW_PARTS];
    struct score_tracker scores;
};

struct table {
    struct map map;
    struct list used; /* longest not used first */
};

struct gate {
    pthread_mutex_t lock; /* guards all below */
    struct gate_options options;
    struct table clients, keys, signers;
    uint64_t total_free_ns;
    struct lately asked, asking; /* requests of all clients; clients that asked */
    struct rules *rules;
};

static void table_init(struct table *t) {
    map_init(&t->map, 0);
    list_init(&t->used);
}

static void drop(struct table *t, struct entity *e) {
    (void)map_remove(&t->map, bytes_make(e->name, e->name_bytes));
    list_remove(&e->link);
    free(e);
}

static void table_free(struct table *t) {
    while (!list_is_empty(&t->used)) {
        drop(t, LIST_ENTRY(list_first(&t->used), struct entity, link));
    }
    map_free(&t->map);
}

/* NULL only without memory: then nothing is limited. */
static struct entity *find(struct table *t, struct bytes name, uint64_t now_ns) {
    struct entity *e = map_get(&t->map, name);
    if (e && now_ns - e->used_ns < USED_APART_NS) return e; // its neighbours are not in the cache
    if (e) {
        e->used_ns = now_ns;
        list_remove(&e->link);
        list_push_back(&t->used, &e->link);
        return e;
    }
    if (t->map.n >= GATE_ENTRIES_MAX) {
        drop(t, LIST_ENTRY(list_first(&t->used), struct entity, link));
    }
    e = calloc(1, sizeof *e);
    if (!e) return NULL;
    memcpy(e->name, name.p, name.n);
    e->name_bytes = (uint8_t)name.n;
    e->used_ns = now_ns;
    if (map_put(&t->map, bytes_make(e->name, e->name_bytes), e, NULL, NULL) != 0) {
        free(e);
        return NULL;
    }
    list_push_back(&t->used, &e->link);
    return e;
}

int gate_new(struct gate **ret, const struct gate_options *options, struct error *why) {
    struct gate *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for a gate");
    g->options = *options;
    if (g->options.signer_window_ns < WINDOW_PARTS) g->options.signer_window_ns = WINDOW_DEFAULT_NS;
    if (g->options.scores.bucket_s == 0) g->options.scores = SCORE_SETTINGS_DEFAULT;
    (void)pthread_mutex_init(&g->lock, NULL);
    table_init(&g->clients);
    table_init(&g->keys);
    table_init(&g->signers);
    *ret = g;
    return 0;
}

void gate_free(struct gate *g) {
    if (!g) return;
    table_free(&g->clients);
    table_free(&g->keys);
    table_free(&g->signers);
    rules_free(g->rules);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

void gate_set_rules(struct gate *g, struct rules *rules) {
    pthread_mutex_lock(&g->lock);
    struct rules *old = g->rules;
    g->rules = rules;
    pthread_mutex_unlock(&g->lock);
    rules_free(old);
}

/* One request of a bucket that fills with `per_second` and holds `burst_ns` worth of it. */
static bool spend(uint64_t *free_ns, uint64_t per_second, uint64_t burst_ns, uint64_t now_ns,
                  uint64_t *ret_wait_ns) {
    uint64_t step = NS_PER_S / per_second, at = *free_ns > now_ns ? *free_ns : now_ns;
    if (at - now_ns > burst_ns) {
        *ret_wait_ns = at - now_ns - burst_ns;
        return false;
    }
    *free_ns = at + step;
    return true;
}

static uint64_t window_part(const struct gate *g, uint64_t now_ns) {
    return now_ns / (g->options.signer_window_ns / WINDOW_PARTS) + 1;
}

static uint64_t window_count(const struct gate *g, const struct entity *e, uint64_t now_ns) {
    uint64_t now = window_part(g, now_ns), sum = 0;
    for (size_t i = 0; i < WINDOW_PARTS; i++) {
        if (e->part_number[i] > 0 && now - e->part_number[i] < WINDOW_PARTS) sum += e->part[i];
    }
    return sum;
}

static void window_add(const struct gate *g, struct entity *e, uint64_t now_ns) {
    uint64_t now = window_part(g, now_ns);
    size_t i = now % WINDOW_PARTS;
    if (e->part_number[i] != now) {
        e->part_number[i] = now;
        e->part[i] = 0;
    }
    e->part[i]++;
}

static void apply(struct gate_pass *p, const struct rule *r) {
    if (r && r->priority >= 0) p->priority = r->priority;
}

/* A rule's rate, or the general one; 0: none. */
static uint64_t rate_of(const struct rule *r, uint64_t general) {
    return r && r->has_rate ? r->per_second : general;
}

static void lately_turn(struct lately *l, uint64_t step) {
    if (l->step == step) return;
    l->before = l->step + 1 == step ? l->now : 0;
    l->now = 0;
    l->step = step;
}

static uint64_t lately_sum(const struct lately *l) {
    return l->now + l->before;
}

/* Counts a client's request. true: it asks for much more than its share. */
static bool is_greedy(struct gate *g, struct entity *e, uint64_t now_ns) {
    uint64_t step = now_ns / GATE_STEP_NS;
    lately_turn(&g->asked, step);
    lately_turn(&g->asking, step);
    lately_turn(&e->asked, step);
    if (e->asked.now++ == 0) g->asking.now++;
    g->asked.now++;
    uint64_t all = lately_sum(&g->asked), mine = lately_sum(&e->asked);
    uint64_t clients = g->asking.now > g->asking.before ? g->asking.now : g->asking.before;
    return clients > 1 && all >= GATE_GREEDY_LEAST && 2 * mine * clients > 3 * all;
}

struct gate_pass gate_client(struct gate *g, const uint8_t ip[16], struct bytes key,
                             uint64_t now_ns) {
    struct gate_pass p = {.priority = -1};
    struct hash digest;
    pthread_mutex_lock(&g->lock);
    const struct rule *rule = key.n > 0 ? rules_by_key(g->rules, key) : NULL;
    if (rule) digest = rule->key;
    apply(&p, rule);
    struct entity *e = rule ? find(&g->keys, BYTES_OF(digest), now_ns)
                            : find(&g->clients, bytes_make(ip, 16), now_ns);
    uint64_t rate = rate_of(rule, g->options.client_per_second);
    p.suspect = e && !rule && e->forged_ns > now_ns + FORGED_FREE_NS;
    p.greedy = e && !rule && is_greedy(g, e, now_ns);
    if (e && rate > 0) p.over = !spend(&e->free_ns, rate, 2 * NS_PER_S, now_ns, &p.retry_ns);
    if (!p.over && g->options.total_per_second > 0) {
        p.over =
            !spend(&g->total_free_ns, g->options.total_per_second, NS_PER_S, now_ns, &p.retry_ns);
    }
    pthread_mutex_unlock(&g->lock);
    return p;
}

/* Whether a signer is over his limit now. */
static void judge(const struct gate *g, struct gate_pass *p, const struct entity *e,
                  const struct rule *rule, uint64_t now_ns) {
    if (rule && rule->has_rate) {
        uint64_t ahead = e->free_ns > now_ns ? e->free_ns - now_ns : 0;
        p->over = rule->per_second > 0 && ahead > NS_PER_S;
        p->retry_ns = p->over ? ahead - NS_PER_S : 0;
    } else if (g->options.signer_count > 0) {
        p->over = window_count(g, e, now_ns) >= g->options.signer_count;
        p->retry_ns = p->over ? g->options.signer_window_ns / WINDOW_PARTS : 0;
    }
}

static double score_of(const struct gate *g, const struct entity *e, uint64_t now_ns) {
    return e ? score_now(&e->scores, &g->options.scores, now_ns / NS_PER_S) : 0;
}

struct gate_pass gate_claimed(struct gate *g, const struct address *signer, uint64_t now_ns) {
    struct gate_pass p = {.priority = -1};
    pthread_mutex_lock(&g->lock);
    const struct rule *rule = rules_by_signer(g->rules, signer);
    const struct entity *e = map_get(&g->signers.map, BYTES_OF(*signer));
    apply(&p, rule);
    if (e) judge(g, &p, e, rule, now_ns);
    p.score = score_of(g, e, now_ns);
    p.known = e != NULL;
    pthread_mutex_unlock(&g->lock);
    return p;
}

void gate_count_forged(struct gate *g, const uint8_t ip[16], uint64_t now_ns) {
    pthread_mutex_lock(&g->lock);
    struct entity *e = find(&g->clients, bytes_make(ip, 16), now_ns);
    if (e) {
        uint64_t from = e->forged_ns > now_ns ? e->forged_ns : now_ns;
        e->forged_ns = from + FORGED_STEP_NS;
        if (e->forged_ns > now_ns + FORGED_MOST_NS) e->forged_ns = now_ns + FORGED_MOST_NS;
    }
    pthread_mutex_unlock(&g->lock);
}

/* Counts a request of a signer. scored: the score is asked too, which costs the most. */
static struct gate_pass count_signer(struct gate *g, const struct address *signer, uint64_t now_ns,
                                     bool scored) {
    struct gate_pass p = {.priority = -1};
    pthread_mutex_lock(&g->lock);
    const struct rule *rule = rules_by_signer(g->rules, signer);
    struct entity *e = find(&g->signers, BYTES_OF(*signer), now_ns);
    apply(&p, rule);
    if (e) {
        judge(g, &p, e, rule, now_ns);
        if (scored) p.score = score_of(g, e, now_ns);
        if (g->options.signer_count > 0) window_add(g, e, now_ns);
        if (!p.over && rule && rule->has_rate && rule->per_second > 0) {
            (void)spend(&e->free_ns, rule->per_second, NS_PER_S, now_ns, &p.retry_ns);
        }
        if (!p.over) score_at(&e->scores, &g->options.scores, now_ns / NS_PER_S)->requests++;
    }
    pthread_mutex_unlock(&g->lock);
    return p;
}

struct gate_pass gate_signer(struct gate *g, const struct address *signer, uint64_t now_ns) {
    return count_signer(g, signer, now_ns, true);
}

bool gate_signer_again(struct gate *g, const struct address *signer, uint64_t now_ns) {
    return !count_signer(g, signer, now_ns, false).over;
}

void gate_count_invalid(struct gate *g, const struct address *signer, uint64_t now_ns) {
    pthread_mutex_lock(&g->lock);
    struct entity *e = map_get(&g->signers.map, BYTES_OF(*signer));
    if (e) score_at(&e->scores, &g->options.scores, now_ns / NS_PER_S)->invalid++;
    pthread_mutex_unlock(&g->lock);
}

void gate_count_worth(struct gate *g, const struct address *signer, uint64_t simulated,
                      uint64_t included, double contribution, uint64_t now_ns) {
    pthread_mutex_lock(&g->lock);
    struct entity *e = find(&g->signers, BYTES_OF(*signer), now_ns);
    if (e) {
        struct score_bucket *b = score_at(&e->scores, &g->options.scores, now_ns / NS_PER_S);
        b->simulated_top += simulated;
        b->included += included;
        if (contribution > b->contribution) b->contribution = contribution;
    }
    pthread_mutex_unlock(&g->lock);
}

size_t gate_entities(struct gate *g) {
    pthread_mutex_lock(&g->lock);
    size_t n = g->signers.map.n;
    pthread_mutex_unlock(&g->lock);
    return n;
}
