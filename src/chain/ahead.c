/* SPDX-License-Identifier: MIT */
#include "chain/ahead.h"

#include <pthread.h>
#include <stdlib.h>

#define DISTANCE 2              // transactions that are left to the builder before the first
#define STACK_BYTES (16u << 20) // nested calls live on the thread's stack

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_READY };

struct slot {
    atomic_int state;
    struct effects effects;
};

struct worker {
    struct ahead *h;
    pthread_t thread;
    struct evm vm;
    struct state state;
    struct arena arena; // effects of this block
    bool ready;         // vm and state are made
};

struct ahead {
    struct worker *workers;
    unsigned count;
    pthread_mutex_t lock; // guards all below
    pthread_cond_t changed;
    bool quit, running;
    unsigned busy;                   // workers inside the block
    uint64_t block_number;           // counts blocks, so that a worker takes each once
    size_t next;                     // not yet taken by anyone
    size_t builder;                  // where the builder is
    struct transact_context context; // as the block began
    struct state_reader reader;
    enum fork fork;
    const struct block *block;
    const struct address *senders;
    struct evm_block env;
    atomic_bool stop;
    struct slot *slots;
    size_t slot_room;
};

/* Workers. */

// The next transaction to run; false when there is none left.
static bool pick(struct ahead *h, size_t *ret) {
    (void)pthread_mutex_lock(&h->lock);
    size_t least = h->builder + DISTANCE;
    if (h->next < least) h->next = least;
    bool any = h->running && h->next < h->block->tx_count;
    if (any) *ret = h->next++;
    (void)pthread_mutex_unlock(&h->lock);
    return any;
}

static void run_one(struct worker *w, size_t i) {
    struct ahead *h = w->h;
    struct slot *slot = &h->slots[i];
    struct transact_result result;
    struct error why;
    int free_state = SLOT_FREE;
    if (!atomic_compare_exchange_strong(&slot->state, &free_state, SLOT_TAKEN)) return;
    struct state_mark mark = state_mark_now(&w->state);
    int r = transact_run(&w->vm, &h->context, &h->block->txs[i], &h->senders[i], &result, &why);
    bool good = r == 0 && result.fault == TRANSACT_VALID &&
                effects_record(&slot->effects, &w->state, &result, &w->arena, &why) == 0;
    state_revert(&w->state, mark);
    if (good) atomic_store_explicit(&slot->state, SLOT_READY, memory_order_release);
}

static void run_block(struct worker *w) {
    struct ahead *h = w->h;
    size_t i;
    evm_use(&w->vm, &w->state, h->fork);
    w->vm.block = h->env;
    state_reset(&w->state, h->reader);
    arena_reset(&w->arena);
    while (!atomic_load(&h->stop) && pick(h, &i)) {
        run_one(w, i);
    }
    state_reset(&w->state, (struct state_reader){0}); // lets go of codes while it waits
}

static void *work(void *arg) {
    struct worker *w = arg;
    struct ahead *h = w->h;
    uint64_t seen = 0;
    (void)pthread_mutex_lock(&h->lock);
    while (!h->quit) {
        if (!h->running || h->block_number == seen) {
            (void)pthread_cond_wait(&h->changed, &h->lock);
            continue;
        }
        seen = h->block_number;
        h->busy++;
        (void)pthread_mutex_unlock(&h->lock);
        run_block(w);
        (void)pthread_mutex_lock(&h->lock);
        h->busy--;
        (void)pthread_cond_broadcast(&h->changed);
    }
    (void)pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* The builder's side. */

static int start_worker(struct ahead *h, struct worker *w, struct evm_code_cache *codes,
                        const struct precompiles *precompiles, struct error *why) {
    pthread_attr_t attributes;
    w->h = h;
    arena_init(&w->arena, 0);
    int r = evm_init(&w->vm, codes, precompiles, why);
    if (r != 0) return r;
    w->vm.abort = &h->stop;
    r = state_init(&w->state, (struct state_reader){0}, codes, why);
    if (r != 0) {
        evm_free(&w->vm);
        return r;
    }
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int e = pthread_create(&w->thread, &attributes, work, w);
    (void)pthread_attr_destroy(&attributes);
    if (e == 0) {
        w->ready = true;
        return 0;
    }
    state_free(&w->state);
    evm_free(&w->vm);
    return error_set_os(why, ERR_IO, e, "a thread cannot be started");
}

int ahead_new(struct ahead **ret, unsigned threads, struct evm_code_cache *codes,
              const struct precompiles *precompiles, struct error *why) {
    struct ahead *h = calloc(1, sizeof *h);
    if (h) h->workers = calloc(threads, sizeof *h->workers);
    if (!h || !h->workers) {
        free(h);
        return error_set(why, ERR_NO_MEMORY, "no memory for threads");
    }
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    for (unsigned i = 0; i < threads; i++) {
        int r = start_worker(h, &h->workers[i], codes, precompiles, why);
        if (r != 0) {
            ahead_free(h);
            return r;
        }
        h->count++;
    }
    *ret = h;
    return 0;
}

void ahead_free(struct ahead *h) {
    if (!h) return;
    (void)pthread_mutex_lock(&h->lock);
    h->quit = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    for (unsigned i = 0; i < h->count; i++) {
        (void)pthread_join(h->workers[i].thread, NULL);
        state_free(&h->workers[i].state);
        evm_free(&h->workers[i].vm);
        arena_free(&h->workers[i].arena);
    }
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    free(h->workers);
    free(h->slots);
    free(h);
}

int ahead_begin(struct ahead *h, const struct block_run *b, const struct block *block,
                const struct address *senders, struct error *why) {
    if (block->tx_count > h->slot_room) {
        struct slot *p = realloc(h->slots, block->tx_count * sizeof *p);
        if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for effects");
        h->slots = p;
        h->slot_room = block->tx_count;
    }
    for (size_t i = 0; i < block->tx_count; i++) {
        atomic_init(&h->slots[i].state, SLOT_FREE);
    }
    (void)pthread_mutex_lock(&h->lock);
    h->context = b->context;
    h->context.gas_left = b->env.gas_limit; // room is judged when effects are applied
    h->context.blob_gas_left = b->blob_gas_limit;
    h->reader = b->vm->state->reader;
    h->fork = b->env.fork;
    h->env = b->vm->block;
    h->block = block;
    h->senders = senders;
    h->next = h->builder = 0;
    h->block_number++;
    atomic_store(&h->stop, false);
    h->running = senders != NULL;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    return 0;
}

void ahead_end(struct ahead *h) {
    (void)pthread_mutex_lock(&h->lock);
    h->running = false;
    atomic_store(&h->stop, true);
    while (h->busy > 0) {
        (void)pthread_cond_wait(&h->changed, &h->lock);
    }
    (void)pthread_mutex_unlock(&h->lock);
}

const struct effects *ahead_take(struct ahead *h, size_t i) {
    struct slot *slot = &h->slots[i];
    int found = SLOT_FREE;
    (void)pthread_mutex_lock(&h->lock);
    h->builder = i;
    (void)pthread_mutex_unlock(&h->lock);
    // What no one has taken is the builder's.
    if (atomic_compare_exchange_strong(&slot->state, &found, SLOT_TAKEN)) return NULL;
    return found == SLOT_READY ? &slot->effects : NULL;
}
