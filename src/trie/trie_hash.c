/* References of changed nodes, computed level by level across tries.
 *
 * A node can be hashed when its children are. All changed nodes at one depth, of all tries, are
 * therefore one batch; batches run from the deepest level up, and each fills Keccak's lanes.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "trie/team.h"
#include "trie/trie_node.h"

#include <stdatomic.h>
#include <stdlib.h>

#define LANES 8 /* messages hashed at once: one or two rounds of the processor's lanes */
#define ROOM ((TRIE_NODE_MAX + KECCAK_RATE + 63) / 64 * 64) /* as keccak_pad wants it */
#define RANGE 128 /* nodes that a member of a team takes at a time */

#define HASH_AHEAD 24 /* nodes that are asked for early, at most */

#define BRANCH_LINES (offsetof(struct trie_branch, child) / TRIE_LINE)

// Nodes of one class come one after the other, so that the processor can foresee what is done.
static enum trie_class class_of(const struct trie_pool *pool, uint32_t node, uint16_t *ret_lines) {
    switch (trie_kind(node)) {
    case TRIE_LEAF: {
        size_t size = offsetof(struct trie_leaf, value) + trie_leaf_at(pool, node)->value_n;
        *ret_lines = (uint16_t)((size + TRIE_LINE - 1) / TRIE_LINE);
        return TRIE_CLASS_LEAF;
    }
    case TRIE_BRANCH:
        *ret_lines = BRANCH_LINES;
        return trie_branch_full(trie_branch_at(pool, node)) ? TRIE_CLASS_FULL : TRIE_CLASS_OTHER;
    default:
        *ret_lines = (sizeof(struct trie_extension) + TRIE_LINE - 1) / TRIE_LINE;
        return TRIE_CLASS_OTHER;
    }
}

bool trie_work_add(struct trie_work *work, const struct trie_pool *pool, unsigned depth,
                   uint32_t node, uint8_t *ret_n, uint8_t *ret) {
    uint16_t lines;
    struct trie_job_list *l = &work->level[depth][class_of(pool, node, &lines)];
    if (l->count == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 64;
        struct trie_job *p = realloc(l->job, more * sizeof *p);
        if (!p) return false;
        l->job = p;
        l->capacity = more;
    }
    l->job[l->count++] = (struct trie_job){node, lines, *ret_n == 32, ret_n, ret};
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

struct level {
    const struct trie_pool *pool;
    // The jobs of several lists, numbered through: those of list i end before number end[i].
    const struct trie_job *job[LISTS];
    size_t end[LISTS];
    unsigned lists;
    unsigned depth;
    _Atomic uint64_t permutations;
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
    const struct level *level;
    size_t at, to; /* the job that is looked at, and the end of the range */
    size_t asked;  /* the first job whose memory was not asked for */
    uint64_t permutations;
};

static const struct trie_job *job_at(const struct level *l, size_t number) {
    unsigned i = 0;
    while (number >= l->end[i]) {
        i++;
    }
    return &l->job[i][i ? number - l->end[i - 1] : number];
}

// Everything below is hashed: this node is clean, and differs from what a store holds.
static void settle(const struct trie_pool *pool, uint32_t node) {
    switch (trie_kind(node)) {
    case TRIE_LEAF:
        trie_leaf_at(pool, node)->unsaved = true;
        break;
    case TRIE_EXTENSION:
        trie_extension_at(pool, node)->unsaved = true;
        trie_extension_at(pool, node)->dirty = false;
        break;
    case TRIE_BRANCH:
        trie_branch_at(pool, node)->unsaved = true;
        trie_branch_at(pool, node)->dirty = 0;
        break;
    case TRIE_NONE:
        break;
    }
}

#define LINES_MOST 12 /* cache lines of a node, and those of its reference */

// Nodes lie anywhere in memory, a branch over ten cache lines. Those of the next nodes, and of
// where their references go, come while others are hashed. Gives how many addresses it wrote.
static size_t next_lines(struct batch *b, const void **line, size_t room) {
    const struct level *l = b->level;
    size_t n = 0, end = b->to - b->at > HASH_AHEAD ? b->at + HASH_AHEAD : b->to;
    for (; b->asked < end && room - n >= LINES_MOST; b->asked++) {
        const struct trie_job *job = job_at(l, b->asked);
        const uint8_t *p = trie_node_at(l->pool, job->node);
        if (trie_kind(job->node) == TRIE_BRANCH) {
            for (size_t i = 0; i < BRANCH_LINES; i++) {
                line[n + i] = p + TRIE_LINE * i;
            }
            n += BRANCH_LINES;
        } else {
            for (size_t i = 0; i < job->lines; i++) {
                line[n++] = p + TRIE_LINE * i;
            }
        }
        line[n++] = job->ret;
        if (!job->is_hash) line[n++] = job->ret_n;
    }
    return n;
}

static void hash_queue(struct batch *b, size_t blocks) {
    struct queue *q = &b->queue[blocks - 1];
    const void *line[LANES * TRIE_BRANCH_BLOCKS * KECCAK_SOON];
    size_t rounds = LANES / keccak_path_lanes(b->level->pool->path) * blocks;
    struct keccak_soon soon = {line, next_lines(b, line, rounds * KECCAK_SOON)};
    keccak256_padded_soon(b->level->pool->path, q->message, q->ret, q->count, (unsigned)blocks,
                          soon);
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

static void add_message(struct batch *b, const uint8_t *message, size_t blocks,
                        const struct trie_job *job) {
    struct queue *q = &b->queue[blocks - 1];
    q->message[q->count] = message;
    q->ret[q->count++] = job->ret;
    if (!job->is_hash) *job->ret_n = 32;
    if (q->count == LANES) hash_queue(b, blocks);
}

static void add_job(struct batch *b, const struct level *l, const struct trie_job *job) {
    if (trie_kind(job->node) == TRIE_BRANCH) {
        const struct trie_branch *branch = trie_branch_at(l->pool, job->node);
        if (trie_branch_full(branch)) {
            add_message(b, branch->rlp, TRIE_BRANCH_BLOCKS, job);
            return;
        }
    }
    uint8_t number = b->free[b->free_n - 1], *room = b->room[number];
    size_t size = trie_node_encode(room, l->pool, job->node, l->depth);
    if (size < 32 && l->depth > 0) { // roots are hashed whatever their size
        *job->ret_n = (uint8_t)size;
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

static void hash_range(void *arg, unsigned member, size_t from, size_t to) {
    (void)member;
    struct level *l = arg;
    struct batch b;
    b.level = l;
    b.at = b.asked = from;
    b.to = to;
    b.permutations = 0;
    b.free_n = 0;
    for (size_t i = 0; i < sizeof b.room / sizeof b.room[0]; i++) {
        b.free[b.free_n++] = (uint8_t)i;
    }
    for (size_t i = 0; i < TRIE_BRANCH_BLOCKS; i++) {
        b.queue[i].count = b.queue[i].room_n = 0;
    }
    for (; b.at < to; b.at++) {
        if (b.asked <= b.at) ask(&b);
        const struct trie_job *job = job_at(l, b.at);
        add_job(&b, l, job);
        settle(l->pool, job->node);
    }
    for (size_t blocks = 1; blocks <= TRIE_BRANCH_BLOCKS; blocks++) {
        if (b.queue[blocks - 1].count) hash_queue(&b, blocks);
    }
    atomic_fetch_add_explicit(&l->permutations, b.permutations, memory_order_relaxed);
}

static void hash_level(const struct trie_pool *pool, struct trie_work *const *works, size_t count,
                       unsigned depth, struct trie_team *team, struct trie_stats *stats) {
    struct level l = {.pool = pool, .depth = depth};
    size_t jobs = 0;
    for (unsigned class = 0; class < TRIE_CLASSES; class ++) {
        for (size_t i = 0; i < count; i++) {
            struct trie_job_list *list = &works[i]->level[depth][class];
            if (list->count == 0) continue;
            jobs += list->count;
            l.job[l.lists] = list->job;
            l.end[l.lists++] = jobs;
            list->count = 0;
        }
    }
    if (jobs == 0) return;
    size_t threads = trie_team_threads(team), share = threads > 1 ? jobs / (4 * threads) : jobs;
    trie_team_run(team, jobs, share > RANGE ? share : RANGE, hash_range, &l);
    if (stats) {
        stats->nodes_hashed += jobs;
        stats->permutations += l.permutations;
    }
}

void trie_hash_listed(const struct trie_pool *pool, struct trie_work *const *works, size_t count,
                      struct trie_team *team, struct trie_stats *stats) {
    for (unsigned depth = TRIE_DEPTH_MAX + 1; depth-- > 0;) {
        hash_level(pool, works, count, depth, team, stats);
    }
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
