/* The wrapped functions call the real ones, so that sanitizers see every piece as well.
 * SPDX-License-Identifier: MIT */
#include "test/harness/alloc.h"

#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 100000u

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void __real_free(void *p);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t count, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static struct {
    bool on, lasting;
    unsigned made, fail_at; /* fail_at: 1 for the first */
    long live;              /* pieces taken and not given back */
} watch;

static bool refuse(void) {
    if (!watch.on) return false;
    watch.made++;
    return watch.lasting ? watch.made >= watch.fail_at : watch.made == watch.fail_at;
}

static void *taken(void *p) {
    if (watch.on && p) watch.live++;
    return p;
}

void *__wrap_malloc(size_t n) {
    return refuse() ? NULL : taken(__real_malloc(n));
}

void *__wrap_calloc(size_t count, size_t n) {
    return refuse() ? NULL : taken(__real_calloc(count, n));
}

void *__wrap_realloc(void *p, size_t n) {
    if (refuse()) return NULL;
    return p ? __real_realloc(p, n) : taken(__real_malloc(n));
}

void *__wrap_reallocarray(void *p, size_t count, size_t n) {
    size_t all;
    return __builtin_mul_overflow(count, n, &all) ? NULL : __wrap_realloc(p, all);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n) {
    return refuse() ? NULL : taken(__real_aligned_alloc(alignment, n));
}

char *__wrap_strdup(const char *s) {
    char *p = __wrap_malloc(strlen(s) + 1);
    return p ? strcpy(p, s) : NULL;
}

void __wrap_free(void *p) {
    if (watch.on && p) watch.live--;
    __real_free(p);
}

// One run; gives whether an allocation was refused.
static bool run(alloc_work *work, void *arg, unsigned fail_at, bool lasting) {
    struct error why = {0};
    watch.made = 0;
    watch.live = 0;
    watch.fail_at = fail_at;
    watch.lasting = lasting;
    watch.on = true;
    int r = work(arg, &why);
    watch.on = false;
    bool refused = watch.made >= fail_at;
    if (watch.live != 0) {
        FAIL("allocation %u%s refused: %ld pieces were not given back", fail_at,
             lasting ? " and all later ones" : "", watch.live);
    }
    // A refusal may be borne: a cache that stays small, a name that is not kept.
    if (r != 0 && !(refused && (r == ERR_NO_MEMORY || r == ERR_LIMIT))) {
        FAIL("allocation %u of %u refused: %s (%s)", fail_at, watch.made, error_name(r), why.text);
    }
    return refused;
}

unsigned alloc_fail_each(alloc_work *work, void *arg) {
    unsigned n = 1;
    while (run(work, arg, n, false)) {
        (void)run(work, arg, n, true);
        if (++n > RUNS_MAX) FAIL("more than %u allocations", RUNS_MAX);
    }
    return n - 1;
}
