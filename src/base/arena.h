/* Arena: memory that is given out piece by piece and taken back all at once.
 *
 * For everything that lives as long as one request, one block, one slot. Pieces come from chunks
 * that grow geometrically; reset keeps the first chunk for the next use. A limit turns hostile
 * input into ERR_LIMIT instead of memory pressure. One thread at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define ARENA_ALIGN 16 /* every piece is aligned so */

struct arena_chunk;

struct arena {
    struct arena_chunk *head; /* newest chunk; NULL before the first piece */
    uint8_t *at;              /* next free byte of head */
    uint8_t *end;             /* end of head */
    size_t used_bytes;        /* given out, alignment included */
    size_t limit_bytes;       /* 0: none */
    size_t chunk_bytes;       /* size of the next chunk; 0: the first */
};

/* A point to go back to. */
struct arena_mark {
    struct arena_chunk *head;
    uint8_t *at;
    size_t used_bytes;
};

/* arena_init makes an empty arena; allocates nothing. All zero is one too, without a limit.
 * limit_bytes  most bytes ever given out at once, 0 for no limit. */
void arena_init(struct arena *a, size_t limit_bytes);

/* arena_free gives all memory back; the arena is empty and usable again. */
void arena_free(struct arena *a);

/* arena_wipe is arena_free for an arena that held secrets: all of its memory is zeroed first. */
void arena_wipe(struct arena *a);

/* arena_reset forgets all pieces and keeps one chunk for reuse. */
void arena_reset(struct arena *a);

/* arena_alloc gives n zeroed bytes, aligned to ARENA_ALIGN; NULL when the limit is passed or the
 * system has no memory. n = 0 gives a unique non-NULL pointer. */
[[gnu::malloc, gnu::alloc_size(2)]] void *arena_alloc(struct arena *a, size_t n);

/* arena_alloc_array is arena_alloc(count * size) with the multiplication checked. */
[[gnu::malloc, gnu::alloc_size(2, 3)]] void *arena_alloc_array(struct arena *a, size_t count,
                                                               size_t size);

/* arena_alloc_raw is arena_alloc without zeroing, for large buffers that are filled at once. */
[[gnu::malloc, gnu::alloc_size(2)]] void *arena_alloc_raw(struct arena *a, size_t n);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_new_array(a, type, count) ((type *)arena_alloc_array((a), (count), sizeof(type)))

/* arena_copy copies bytes into the arena; p is NULL (with n = 0) when there is no memory and
 * in.n > 0. */
struct bytes arena_copy(struct arena *a, struct bytes in);

/* arena_str copies bytes into a NUL-terminated string; NULL when there is no memory. */
char *arena_str(struct arena *a, struct bytes in);

/* arena_printf formats into the arena; NULL when there is no memory. */
[[gnu::format(printf, 2, 3)]] char *arena_printf(struct arena *a, const char *format, ...);

/* arena_mark/arena_rewind: everything given out after the mark is taken back. */
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

#endif
