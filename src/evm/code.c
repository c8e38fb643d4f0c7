/* SPDX-License-Identifier: MIT */
#include "evm/code.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS_FIRST 1024u

struct evm_code_cache {
    pthread_mutex_t lock; /* guards everything below, and the making of programs */
    struct evm_code **buckets;
    uint32_t mask, count;
    size_t held_bytes;
    struct evm_code_user *users;
    struct arena scratch;        /* for decoding */
    atomic_size_t program_bytes; /* of held_bytes; written under the lock */
    atomic_size_t programs_kept;
    struct evm_program *dropped; /* by next: found no more, maybe running */
    atomic_bool any_dropped;
    atomic_uint_least64_t program_epoch; /* counts the times that programs were dropped */
    struct evm_code *taken_out;          /* by chain: not found any more, maybe pointed at */
    atomic_uint_least64_t epoch;         /* counts the times that codes were taken out */
    atomic_uint_least64_t clock;
    struct evm_code empty;
    uint8_t padding[EVM_CODE_PADDING];
};

static uint32_t bucket_of(const struct evm_code_cache *c, const struct hash *hash) {
    return load_le32(hash->b + 4) & c->mask;
}

struct evm_code_cache *evm_code_cache_new(void) {
    struct evm_code_cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->buckets = calloc(BUCKETS_FIRST, sizeof *c->buckets);
    if (!c->buckets || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c->buckets);
        free(c);
        return NULL;
    }
    arena_init(&c->scratch, 0);
    c->mask = BUCKETS_FIRST - 1;
    atomic_store(&c->programs_kept, EVM_PROGRAMS_KEPT);
    c->empty.bytes = c->padding;
    c->empty.cache = c;
    return c;
}

// The arena of a program is kept right behind the struct that the stream hangs on.
struct owned_program {
    struct evm_program program; /* first: what the list of a code points to */
    struct arena memory;
    uint64_t dropped; /* in which epoch of the programs */
};

static struct owned_program *owned(struct evm_program *p) {
    return (struct owned_program *)(void *)p;
}

static void free_program(struct evm_program *p) {
    struct owned_program *o = owned(p);
    arena_free(&o->memory);
    free(o);
}

static size_t program_bytes(const struct evm_code *code) {
    size_t bytes = 0;
    struct evm_program *p = atomic_load_explicit(&code->programs, memory_order_relaxed);
    for (; p; p = p->next) {
        bytes += owned(p)->memory.used_bytes + sizeof(struct owned_program);
    }
    return bytes;
}

static void free_programs(struct evm_code *code) {
    struct evm_program *p = atomic_load_explicit(&code->programs, memory_order_relaxed), *next;
    for (; p; p = next) {
        next = p->next;
        free_program(p);
    }
    atomic_store_explicit(&code->programs, NULL, memory_order_relaxed);
}

static void free_code(struct evm_code *code) {
    free_programs(code);
    free(code);
}

// Frees what was taken out before an epoch.
static void free_taken_out(struct evm_code_cache *c, uint64_t before) {
    struct evm_code **at = &c->taken_out;
    while (*at) {
        struct evm_code *code = *at;
        if (code->taken_out > before) {
            at = &code->chain;
        } else {
            *at = code->chain;
            free_code(code);
        }
    }
}

// Frees programs that were dropped before an epoch.
static void free_dropped(struct evm_code_cache *c, uint64_t before) {
    struct evm_program **at = &c->dropped;
    while (*at) {
        struct evm_program *p = *at;
        if (owned(p)->dropped >= before) {
            at = &p->next;
        } else {
            *at = p->next;
            free_program(p);
        }
    }
    atomic_store(&c->any_dropped, c->dropped != NULL);
}

void evm_code_cache_free(struct evm_code_cache *c) {
    if (!c) return;
    free_taken_out(c, UINT64_MAX);
    for (uint32_t i = 0; i <= c->mask; i++) {
        for (struct evm_code *code = c->buckets[i], *next; code; code = next) {
            next = code->chain;
            free_code(code);
        }
    }
    free_programs(&c->empty);
    free_dropped(c, UINT64_MAX);
    arena_free(&c->scratch);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->buckets);
    free(c);
}

static struct evm_code *find_locked(struct evm_code_cache *c, const struct hash *hash) {
    struct evm_code *code = c->buckets[bucket_of(c, hash)];
    while (code && !hash_equal(&code->hash, hash)) {
        code = code->chain;
    }
    if (code) {
        atomic_store_explicit(&code->used, atomic_fetch_add(&c->clock, 1), memory_order_relaxed);
    }
    return code;
}

struct evm_code *evm_code_find(struct evm_code_cache *c, const struct hash *hash) {
    (void)pthread_mutex_lock(&c->lock);
    struct evm_code *code = find_locked(c, hash);
    (void)pthread_mutex_unlock(&c->lock);
    return code;
}

static void grow_buckets(struct evm_code_cache *c) {
    uint32_t old = c->mask;
    struct evm_code **buckets = calloc(2 * ((size_t)old + 1), sizeof *buckets);
    if (!buckets) return; // longer chains are no error
    struct evm_code **from = c->buckets;
    c->buckets = buckets;
    c->mask = 2 * old + 1;
    for (uint32_t i = 0; i <= old; i++) {
        for (struct evm_code *code = from[i], *next; code; code = next) {
            next = code->chain;
            uint32_t b = bucket_of(c, &code->hash);
            code->chain = c->buckets[b];
            c->buckets[b] = code;
        }
    }
    free(from);
}

static struct evm_code *make_code(struct evm_code_cache *c, const struct hash *hash,
                                  struct bytes bytes) {
    struct evm_code *code = malloc(sizeof *code + bytes.n + EVM_CODE_PADDING);
    if (!code) return NULL;
    *code = (struct evm_code){.hash = *hash, .size = (uint32_t)bytes.n, .cache = c};
    uint8_t *to = (uint8_t *)(code + 1);
    if (bytes.n) memcpy(to, bytes.p, bytes.n);
    memset(to + bytes.n, 0, EVM_CODE_PADDING);
    code->bytes = to;
    if (bytes.n == 23 && to[0] == 0xef && to[1] == 0x01 && to[2] == 0x00) {
        code->delegates = true;
        memcpy(code->delegate.b, to + 3, 20);
    }
    return code;
}

struct evm_code *evm_code_add(struct evm_code_cache *c, const struct hash *hash,
                              struct bytes bytes) {
    if (bytes.n == 0) return &c->empty;
    if (bytes.n > INT32_MAX) return NULL;
    (void)pthread_mutex_lock(&c->lock);
    struct evm_code *code = find_locked(c, hash);
    if (!code && (code = make_code(c, hash, bytes)) != NULL) {
        if (c->count > c->mask) grow_buckets(c);
        uint32_t b = bucket_of(c, hash);
        code->chain = c->buckets[b];
        c->buckets[b] = code;
        atomic_store_explicit(&code->used, atomic_fetch_add(&c->clock, 1), memory_order_relaxed);
        c->count++;
        c->held_bytes += sizeof *code + bytes.n + EVM_CODE_PADDING;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return code;
}

struct evm_code *evm_code_empty(struct evm_code_cache *c) {
    return &c->empty;
}

// Decodes into memory that is no larger than the program; `lock` is held.
static struct owned_program *make_program(struct evm_code_cache *c, const struct evm_code *code,
                                          const struct evm_schedule *schedule, bool traced) {
    struct owned_program *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    arena_init(&o->memory, 0);
    o->memory.chunk_bytes = 1; // as large as the one piece that is asked for
    const struct evm_program *made =
        evm_decode(&o->memory, &c->scratch, code->bytes, code->size, schedule, traced);
    if (!made) {
        arena_free(&o->memory);
        free(o);
        return NULL;
    }
    o->program = *made;
    return o;
}

const struct evm_program *evm_code_program_slow(struct evm_code *code,
                                                const struct evm_schedule *schedule, bool traced) {
    struct evm_code_cache *c = code->cache;
    (void)pthread_mutex_lock(&c->lock);
    struct evm_program *first = atomic_load_explicit(&code->programs, memory_order_relaxed);
    struct evm_program *p = first;
    while (p && (p->fork != schedule->fork || p->traced != traced)) {
        p = p->next;
    }
    struct owned_program *o = p ? NULL : make_program(c, code, schedule, traced);
    if (o) {
        p = &o->program;
        size_t bytes = code->taken_out ? 0 : o->memory.used_bytes + sizeof *o;
        c->held_bytes += bytes;
        atomic_fetch_add(&c->program_bytes, bytes);
        if (traced && first) { // who does not trace finds his at the first look
            p->next = first->next;
            first->next = p;
        } else {
            p->next = first;
            atomic_store(&code->programs, p);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return p;
}

/* Users. */

void evm_code_user_join(struct evm_code_cache *c, struct evm_code_user *u) {
    (void)pthread_mutex_lock(&c->lock);
    atomic_store(&u->seen, atomic_load(&c->epoch));
    atomic_store(&u->running, 0);
    u->next = c->users;
    u->link = &c->users;
    if (u->next) u->next->link = &u->next;
    c->users = u;
    (void)pthread_mutex_unlock(&c->lock);
}

void evm_code_user_leave(struct evm_code_cache *c, struct evm_code_user *u) {
    if (!u->link) return;
    (void)pthread_mutex_lock(&c->lock);
    *u->link = u->next;
    if (u->next) u->next->link = u->link;
    u->link = NULL;
    (void)pthread_mutex_unlock(&c->lock);
}

void evm_code_user_pass(struct evm_code_cache *c, struct evm_code_user *u) {
    // What it finds from now on was not taken out in this epoch or before.
    atomic_store(&u->seen, atomic_load(&c->epoch));
}

// The epoch that all users have passed.
static uint64_t passed_by_all(struct evm_code_cache *c) {
    uint64_t least = atomic_load(&c->epoch);
    for (struct evm_code_user *u = c->users; u; u = u->next) {
        uint64_t seen = atomic_load(&u->seen);
        if (seen < least) least = seen;
    }
    return least;
}

size_t evm_code_cache_bytes(struct evm_code_cache *c) {
    (void)pthread_mutex_lock(&c->lock);
    size_t bytes = c->held_bytes;
    (void)pthread_mutex_unlock(&c->lock);
    return bytes;
}

static size_t bytes_of(const struct evm_code *code) {
    return code->size + sizeof *code + EVM_CODE_PADDING + program_bytes(code);
}

static int by_use(const void *a, const void *b) {
    uint64_t x = atomic_load(&(*(struct evm_code *const *)a)->used);
    uint64_t y = atomic_load(&(*(struct evm_code *const *)b)->used);
    return x < y ? -1 : x > y;
}

// All codes, the one that was not asked for longest first; NULL when there is no memory.
static struct evm_code **list_by_use(struct evm_code_cache *c) {
    struct evm_code **all = malloc((c->count + 1u) * sizeof(struct evm_code *));
    uint32_t n = 0;
    if (!all) return NULL;
    for (uint32_t i = 0; i <= c->mask; i++) {
        for (struct evm_code *code = c->buckets[i]; code; code = code->chain) {
            all[n++] = code;
        }
    }
    qsort(all, n, sizeof *all, by_use);
    return all;
}

void evm_code_cache_trim(struct evm_code_cache *c, size_t bytes_max) {
    (void)pthread_mutex_lock(&c->lock);
    struct evm_code **all = c->held_bytes > bytes_max ? list_by_use(c) : NULL;
    if (all) {
        uint32_t n = c->count;
        for (uint32_t i = 0; i < n && c->held_bytes > bytes_max; i++) {
            struct evm_code **at = &c->buckets[bucket_of(c, &all[i]->hash)];
            while (*at != all[i]) {
                at = &(*at)->chain;
            }
            *at = all[i]->chain;
            c->held_bytes -= bytes_of(all[i]);
            atomic_fetch_sub(&c->program_bytes, program_bytes(all[i]));
            c->count--;
            all[i]->chain = c->taken_out;
            all[i]->taken_out = atomic_load(&c->epoch) + 1;
            c->taken_out = all[i];
        }
        (void)atomic_fetch_add(&c->epoch, 1); // now no one finds them
        free(all);
    }
    free_taken_out(c, passed_by_all(c));
    (void)pthread_mutex_unlock(&c->lock);
}

/* Programs between transactions. */

void evm_code_cache_keep_programs(struct evm_code_cache *c, size_t bytes) {
    atomic_store(&c->programs_kept, bytes);
}

void evm_code_user_begin(struct evm_code_cache *c, struct evm_code_user *u) {
    // Whoever drops programs from now on sees this; what was dropped before is not found any more.
    atomic_store(&u->running, 1 + atomic_load(&c->program_epoch));
}

// Takes programs from codes, the codes that were not asked for longest first; `lock` is held.
static void drop_programs(struct evm_code_cache *c, size_t bytes_max) {
    struct evm_code **all = list_by_use(c);
    if (!all) return;
    uint64_t epoch = atomic_load(&c->program_epoch);
    for (uint32_t i = 0; i < c->count && atomic_load(&c->program_bytes) > bytes_max; i++) {
        size_t bytes = program_bytes(all[i]);
        struct evm_program *p = atomic_exchange(&all[i]->programs, NULL);
        while (p) {
            struct evm_program *next = p->next;
            owned(p)->dropped = epoch;
            p->next = c->dropped;
            c->dropped = p;
            p = next;
        }
        c->held_bytes -= bytes;
        atomic_fetch_sub(&c->program_bytes, bytes);
    }
    free(all);
    (void)atomic_fetch_add(&c->program_epoch, 1); // who begins now finds none of them
}

// The first epoch of the programs that someone runs code of; all dropped before are no one's.
static uint64_t first_running(struct evm_code_cache *c) {
    uint64_t first = UINT64_MAX;
    for (struct evm_code_user *u = c->users; u; u = u->next) {
        uint64_t running = atomic_load(&u->running);
        if (running != 0 && running - 1 < first) first = running - 1;
    }
    return first;
}

void evm_code_user_end(struct evm_code_cache *c, struct evm_code_user *u) {
    atomic_store(&u->running, 0);
    size_t kept = atomic_load_explicit(&c->programs_kept, memory_order_relaxed);
    bool many = atomic_load_explicit(&c->program_bytes, memory_order_relaxed) > kept;
    if (!many && !atomic_load_explicit(&c->any_dropped, memory_order_relaxed)) return;
    (void)pthread_mutex_lock(&c->lock);
    if (atomic_load(&c->program_bytes) > kept) drop_programs(c, kept / 4 * 3);
    free_dropped(c, first_running(c));
    (void)pthread_mutex_unlock(&c->lock);
}
