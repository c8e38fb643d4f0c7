/* References of changed nodes, computed level by level across tries.
 *
 * A node can be hashed when its children are. All changed nodes at one depth, of all tries, are
 * therefore one batch; batches run from the deepest level up, and each fills Keccak's lanes.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "trie/team.h"
#include "trie/trie_node.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LANES 8 /* messages hashed at once: one or two rounds of the processor's lanes */
#define ROOM ((TRIE_NODE_MAX + KECCAK_RATE + 63) / 64 * 64) /* as keccak_pad wants it */
#define RANGE 128 /* nodes that a member of a team takes at a time */

#define HASH_AHEAD 24 /* nodes that are asked for early, at most */

bool trie_job_room(struct trie_job_list *l) {
    size_t more = l->capacity ? 2 * l->capacity : 64;
    struct trie_job *p = realloc(l->job, more * sizeof *p);
    if (!p) return false;
    l->job = p;
    l->capacity = more;
    return true;
}

// Lists the changed nodes below one that is listed.
static bool list_below(const struct trie_pool *pool, struct trie_work *work, uint32_t node,
                       unsigned depth) {
    bool ok = true;
    if (trie_kind(node) == TRIE_BRANCH) {
        struct trie_branch *b = trie_branch_at(pool, node);
        for (unsigned dirty = b->dirty; dirty && ok; dirty &= dirty - 1) {
            unsigned i = (unsigned)__builtin_ctz(dirty);
            uint32_t child = b->child[i];
            ok = trie_work_add(work, pool, depth + 1, child, &b->ref_n[i], trie_branch_ref(b, i)) &&
                 list_below(pool, work, child, depth + 1);
        }
    } else if (trie_kind(node) == TRIE_EXTENSION) {
        struct trie_extension *e = trie_extension_at(pool, node);
        if (!e->dirty) return true;
        ok = trie_work_add(work, pool, e->end, e->child, &e->ref.n, e->ref.b) &&
             list_below(pool, work, e->child, e->end);
    }
    return ok;
}

int trie_work_create(struct trie_work **ret, struct error *why) {
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : error_set(why, ERR_NO_MEMORY, "no memory to hash a trie");
}

void trie_work_reset(struct trie_work *work) {
    for (unsigned depth = 0; depth <= TRIE_DEPTH_MAX; depth++) {
        for (unsigned class = 0; class < TRIE_CLASSES; class ++) {
            work->level[depth][class].count = 0;
        }
    }
    work->done = (struct trie_stats){0};
}

void trie_work_clear(struct trie_work *work) {
    for (unsigned depth = 0; depth <= TRIE_DEPTH_MAX; depth++) {
        for (unsigned class = 0; class < TRIE_CLASSES; class ++) {
            free(work->level[depth][class].job);
        }
    }
    free(work->way);
}

void trie_work_free(struct trie_work *work) {
    if (work) trie_work_clear(work);
    free(work);
}

int trie_list(const struct trie_pool *pool, struct trie *t, struct trie_work *work,
              struct error *why) {
    if (!t->dirty || !t->root) return 0;
    t->dirty = false;
    if (trie_work_add(work, pool, 0, t->root, &t->ref.n, t->ref.b) &&
        list_below(pool, work, t->root, 0)) {
        return 0;
    }
    return error_set(why, ERR_NO_MEMORY, "no memory to hash a trie");
}

#define LISTS (TRIE_TEAM_MAX * TRIE_CLASSES)
static_assert(LISTS > TRIE_DEPTH_MAX, "the leaves of each depth are a list");

/* Jobs of which none waits for another. */
struct level {
    // The jobs of several lists, numbered through: those of list i end before number end[i].
    const struct trie_job *job[LISTS];
    size_t end[LISTS];
    uint8_t depth[LISTS]; /* at which the nodes of a list stand */
    unsigned lists;
    enum keccak_path path;
    struct keccak_soon *soon; /* lines that are asked for instead of those of the jobs; or NULL */
    _Atomic uint64_t permutations;
};

/* A place in a level's lists. */
struct cursor {
    const struct level *level;
    const struct trie_job *job, *end; /* the next job, and the end of its list */
    unsigned list;
    size_t left; /* jobs of the range */
};

/* Padded messages by their length in blocks, and where their hashes go. They are hashed as soon as
 * there are LANES of one length, while their encodings lie in the nearest cache. */
struct batch {
    _Alignas(64) uint8_t room[TRIE_BRANCH_BLOCKS * LANES][ROOM];
    uint8_t free[TRIE_BRANCH_BLOCKS * LANES]; /* rooms in no use */
    size_t free_n;
    struct queue {
        const uint8_t *message[LANES];
        uint8_t *ret[LANES];
        size_t count;
        uint8_t room[LANES]; /* those in use, fewer than messages: some lie ready */
        size_t room_n;
    } queue[TRIE_BRANCH_BLOCKS];
    struct cursor at;   /* the job that is looked at */
    struct cursor soon; /* the first job whose memory was not asked for */
    unsigned depth;     /* of that job's node */
    uint64_t permutations;
};

static struct cursor cursor_at(const struct level *l, size_t from, size_t to) {
    unsigned i = 0;
    while (from >= l->end[i]) {
        i++;
    }
    size_t begin = i ? l->end[i - 1] : 0;
    return (struct cursor){l, l->job[i] + (from - begin), l->job[i] + (l->end[i] - begin), i,
                           to - from};
}

// The next job; there must be one left.
static inline const struct trie_job *cursor_next(struct cursor *c) {
    if (c->job == c->end) {
        c->list++;
        c->job = c->level->job[c->list];
        c->end = c->job + (c->level->end[c->list] - c->level->end[c->list - 1]);
    }
    c->left--;
    return c->job++;
}

#define LINES_MOST 12 /* cache lines of a node, and those of its reference */

// Nodes lie anywhere in memory, a branch over ten cache lines. Those of the next nodes, and of
// where their references go, come while others are hashed. Gives how many addresses it wrote.
static size_t next_lines(struct batch *b, const void **line, size_t room) {
    size_t n = 0, left = b->at.left > HASH_AHEAD ? b->at.left - HASH_AHEAD : 0;
    while (b->soon.left > left && room - n >= LINES_MOST) {
        const struct trie_job *job = cursor_next(&b->soon);
        const uint8_t *p = job->node;
        if (job->kind == TRIE_BRANCH) {
#pragma GCC unroll 16
            for (size_t i = 0; i < TRIE_BRANCH_LINES; i++) {
                line[n + i] = p + TRIE_LINE * i;
            }
            n += TRIE_BRANCH_LINES;
        } else {
            for (size_t i = 0; i < job->lines; i++) {
                line[n++] = p + TRIE_LINE * i;
            }
        }
        line[n++] = job->ret;
        if (!job->is_hash) line[n++] = job->ret + job->ret_n_at;
    }
    return n;
}

static void hash_queue(struct batch *b, size_t blocks) {
    const struct level *l = b->at.level;
    struct queue *q = &b->queue[blocks - 1];
    const void *line[LANES * TRIE_BRANCH_BLOCKS * KECCAK_SOON];
    size_t most = LANES / keccak_path_lanes(l->path) * blocks * KECCAK_SOON;
    struct keccak_soon soon = l->soon ? keccak_soon_take(l->soon, most)
                                      : (struct keccak_soon){line, next_lines(b, line, most)};
    keccak256_padded_soon(l->path, q->message, q->ret, q->count, (unsigned)blocks, soon);
    b->permutations += q->count * blocks;
    q->count = 0;
    while (q->room_n) {
        b->free[b->free_n++] = q->room[--q->room_n];
    }
}

// Asks for the next nodes at once: nothing was hashed meanwhile.
static void ask(struct batch *b) {
    const void *line[HASH_AHEAD / 2 * LINES_MOST];
    size_t n = next_lines(b, line, sizeof line / sizeof line[0]);
    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(line[i], 1);
    }
}

static inline void add_message(struct batch *b, const uint8_t *message, size_t blocks,
                               const struct trie_job *job) {
    struct queue *q = &b->queue[blocks - 1];
    q->message[q->count] = message;
    q->ret[q->count++] = job->ret;
    if (!job->is_hash) job->ret[job->ret_n_at] = 32;
    if (q->count == LANES) hash_queue(b, blocks);
}

// A room and its number is taken only if what is in it becomes a message.
static void add_encoded(struct batch *b, uint8_t number, size_t size, const struct trie_job *job) {
    uint8_t *room = b->room[number];
    if (size < 32 && b->depth > 0) { // roots are hashed whatever their size
        job->ret[job->ret_n_at] = (uint8_t)size;
        memcpy(job->ret, room, size);
        return;
    }
    keccak_pad(room, size);
    size_t blocks = keccak_permutations(size);
    struct queue *q = &b->queue[blocks - 1];
    b->free_n--;
    q->room[q->room_n++] = number;
    add_message(b, room, blocks, job);
}

// Hashes a node, or puts it into its queue. Everything below is hashed, so it is clean from now on,
// and differs from what a store holds.
static void add_job(struct batch *b, const struct trie_job *job) {
    uint8_t number = b->free[b->free_n - 1];
    if (job->kind == TRIE_BRANCH) {
        struct trie_branch *branch = job->node;
        branch->unsaved = true;
        branch->dirty = 0;
        if (trie_branch_full(branch)) {
            add_message(b, branch->rlp, TRIE_BRANCH_BLOCKS, job);
            return;
        }
        add_encoded(b, number, trie_branch_encode(b->room[number], branch), job);
    } else if (job->kind == TRIE_LEAF) {
        struct trie_leaf *leaf = job->node;
        size_t size = trie_leaf_encode(b->room[number], leaf, b->depth);
        leaf->unsaved = true; // not before it is read: wider reads wait for a store in their midst
        add_encoded(b, number, size, job);
    } else {
        struct trie_extension *extension = job->node;
        extension->unsaved = true;
        extension->dirty = false;
        add_encoded(b, number, trie_extension_encode(b->room[number], extension, b->depth), job);
    }
}

static void hash_range(void *arg, unsigned member, size_t from, size_t to) {
    (void)member;
    struct level *l = arg;
    struct batch b;
    b.at = b.soon = cursor_at(l, from, to);
    b.permutations = 0;
    b.free_n = 0;
    for (size_t i = 0; i < sizeof b.room / sizeof b.room[0]; i++) {
        b.free[b.free_n++] = (uint8_t)i;
    }
    for (size_t i = 0; i < TRIE_BRANCH_BLOCKS; i++) {
        b.queue[i].count = b.queue[i].room_n = 0;
    }
    while (b.at.left) {
        if (!l->soon && b.soon.left >= b.at.left) ask(&b);
        const struct trie_job *job = cursor_next(&b.at);
        b.depth = l->depth[b.at.list];
        add_job(&b, job);
    }
    for (size_t blocks = 1; blocks <= TRIE_BRANCH_BLOCKS; blocks++) {
        if (b.queue[blocks - 1].count) hash_queue(&b, blocks);
    }
    atomic_fetch_add_explicit(&l->permutations, b.permutations, memory_order_relaxed);
}

// The last `count` jobs of a list, which are then not in it any more.
static void level_take(struct level *l, struct trie_job_list *list, size_t count, unsigned depth) {
    if (count == 0) return;
    list->count -= count;
    l->job[l->lists] = list->job + list->count;
    l->depth[l->lists] = (uint8_t)depth;
    l->end[l->lists] = count + (l->lists ? l->end[l->lists - 1] : 0);
    l->lists++;
}

static size_t level_jobs(const struct level *l) {
    return l->lists ? l->end[l->lists - 1] : 0;
}

static void hash_level(const struct trie_pool *pool, struct trie_work *const *works, size_t count,
                       unsigned depth, struct trie_team *team, struct trie_stats *stats) {
    struct level l = {.path = pool->path};
    for (unsigned class = 0; class < TRIE_CLASSES; class ++) {
        for (size_t i = 0; i < count; i++) {
            struct trie_job_list *list = &works[i]->level[depth][class];
            level_take(&l, list, list->count, depth);
        }
    }
    size_t jobs = level_jobs(&l);
    if (jobs == 0) return;
    size_t threads = trie_team_threads(team), share = threads > 1 ? jobs / (4 * threads) : jobs;
    trie_team_run(team, jobs, share > RANGE ? share : RANGE, hash_range, &l);
    stats->nodes_hashed += jobs;
    stats->permutations += l.permutations;
}

void trie_hash_leaves(const struct trie_pool *pool, struct trie_work *work,
                      struct keccak_soon soon) {
    struct level l = {.path = pool->path, .soon = &soon};
    size_t jobs = 0;
    for (unsigned depth = 0; depth <= TRIE_DEPTH_MAX; depth++) {
        jobs += work->level[depth][TRIE_CLASS_LEAF].count;
    }
    jobs -= jobs % LANES; // the others come with those that are listed later
    for (unsigned depth = 0; depth <= TRIE_DEPTH_MAX && level_jobs(&l) < jobs; depth++) {
        struct trie_job_list *list = &work->level[depth][TRIE_CLASS_LEAF];
        size_t left = jobs - level_jobs(&l);
        level_take(&l, list, list->count < left ? list->count : left, depth);
    }
    if (jobs) hash_range(&l, 0, 0, jobs);
    work->done.nodes_hashed += jobs;
    work->done.permutations += l.permutations;
    for (size_t i = 0; i < soon.n; i++) {
        __builtin_prefetch(soon.line[i], 1);
    }
}

void trie_hash_listed(const struct trie_pool *pool, struct trie_work *const *works, size_t count,
                      struct trie_team *team, struct trie_stats *stats) {
    struct trie_stats sum = {0};
    for (size_t i = 0; i < count; i++) {
        sum.nodes_hashed += works[i]->done.nodes_hashed;
        sum.permutations += works[i]->done.permutations;
        works[i]->done = (struct trie_stats){0};
    }
    for (unsigned depth = TRIE_DEPTH_MAX + 1; depth-- > 0;) {
        hash_level(pool, works, count, depth, team, &sum);
    }
    if (!stats) return;
    stats->nodes_hashed += sum.nodes_hashed;
    stats->permutations += sum.permutations;
}

int trie_hash(struct trie_pool *pool, struct trie *const *tries, size_t count,
              struct trie_team *team, struct trie_stats *stats, struct error *why) {
    struct trie_work *work = &pool->work;
    for (size_t i = 0; i < count; i++) {
        int r = trie_list(pool, tries[i], work, why);
        if (r == 0) continue;
        trie_work_reset(work);
        return r;
    }
    trie_hash_listed(pool, &work, 1, team, stats);
    return 0;
}
