/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK_FIRST 4096u
#define CHUNK_LARGEST (1u << 20)

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* usable bytes after this header */
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

// A chunk that is free for use is poisoned under AddressSanitizer, so that a pointer kept past
// reset is caught.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

void arena_init(struct arena *a, size_t limit_bytes) {
    *a = (struct arena){.limit_bytes = limit_bytes};
}

static void chunk_release(struct arena_chunk *c) {
    UNPOISON(c->data, c->size);
    free(c);
}

void arena_free(struct arena *a) {
    while (a->head) {
        struct arena_chunk *older = a->head->older;
        chunk_release(a->head);
        a->head = older;
    }
    arena_init(a, a->limit_bytes);
}

void arena_wipe(struct arena *a) {
    for (struct arena_chunk *c = a->head; c; c = c->older) {
        UNPOISON(c->data, c->size);
        bytes_wipe(c->data, c->size);
    }
    arena_free(a);
}

void arena_reset(struct arena *a) {
    if (!a->head) return;
    while (a->head->older) {
        struct arena_chunk *older = a->head->older;
        // The newest chunk is the largest: keep that one.
        struct arena_chunk *next = older->older;
        chunk_release(older);
        a->head->older = next;
    }
    a->at = a->head->data;
    a->end = a->head->data + a->head->size;
    a->used_bytes = 0;
    POISON(a->at, a->head->size);
}

static bool chunk_add(struct arena *a, size_t need) {
    if (a->chunk_bytes == 0) a->chunk_bytes = CHUNK_FIRST;
    size_t size = a->chunk_bytes > need ? a->chunk_bytes : need;
    if (size > SIZE_MAX - sizeof(struct arena_chunk)) return false;
    struct arena_chunk *c = malloc(sizeof *c + size);
    if (!c) return false;
    c->older = a->head;
    c->size = size;
    a->head = c;
    a->at = c->data;
    a->end = c->data + size;
    if (a->chunk_bytes < CHUNK_LARGEST) a->chunk_bytes *= 2;
    POISON(c->data, size);
    return true;
}

void *arena_alloc_raw(struct arena *a, size_t n) {
    if (n > SIZE_MAX - ARENA_ALIGN) return NULL;
    size_t size = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (size == 0) size = ARENA_ALIGN;
    if (a->limit_bytes && (size > a->limit_bytes || a->used_bytes > a->limit_bytes - size)) {
        return NULL;
    }
    if ((size_t)(a->end - a->at) < size && !chunk_add(a, size)) return NULL;
    uint8_t *p = a->at;
    a->at += size;
    a->used_bytes += size;
    UNPOISON(p, n ? n : 1);
    return p;
}

void *arena_alloc(struct arena *a, size_t n) {
    void *p = arena_alloc_raw(a, n);
    if (p) memset(p, 0, n);
    return p;
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) return NULL;
    return arena_alloc(a, n);
}

struct bytes arena_copy(struct arena *a, struct bytes in) {
    uint8_t *p = arena_alloc_raw(a, in.n);
    if (!p) return (struct bytes){0};
    if (in.n) memcpy(p, in.p, in.n);
    return (struct bytes){p, in.n};
}

char *arena_str(struct arena *a, struct bytes in) {
    if (in.n == SIZE_MAX) return NULL;
    char *p = arena_alloc_raw(a, in.n + 1);
    if (!p) return NULL;
    if (in.n) memcpy(p, in.p, in.n);
    p[in.n] = '\0';
    return p;
}

char *arena_printf(struct arena *a, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) return NULL;
    char *p = arena_alloc_raw(a, (size_t)n + 1);
    if (!p) return NULL;
    va_start(args, format);
    (void)vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return p;
}

struct arena_mark arena_mark(const struct arena *a) {
    return (struct arena_mark){a->head, a->at, a->used_bytes};
}

void arena_rewind(struct arena *a, struct arena_mark mark) {
    while (a->head != mark.head) {
        struct arena_chunk *older = a->head->older;
        chunk_release(a->head);
        a->head = older;
    }
    a->at = mark.at;
    a->end = a->head ? a->head->data + a->head->size : NULL;
    a->used_bytes = mark.used_bytes;
    if (a->head) POISON(a->at, (size_t)(a->end - a->at));
}
