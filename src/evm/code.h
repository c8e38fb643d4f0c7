/* Code and what it is decoded to, and the cache that keeps both by code hash.
 *
 * A program is the interpreter's form of code under one schedule: a stream of 8-byte instructions
 * with the address of their handler, gas and stack checks summed up per block, constants folded
 * and laid out, static jumps resolved (decode.c tells how). It is made once per code and schedule.
 *
 * Ownership: the cache owns codes and programs. What evm_code_cache_trim takes out lives on until
 * every user of the cache (a state; evm_code_user) has let go once, so it may be called at any
 * time. Programs are up to 18 times as large as their code, and a block can call thousands: they
 * are bounded between transactions already, and live on until whoever runs code then has ended. The
 * cache is safe for any number of threads; a code is constant once it is in; free only when no
 * state of that cache is left.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_CODE_H
#define EVM_CODE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/u256.h"
#include "evm/schedule.h"

#include <stdatomic.h>

#define EVM_PROGRAMS_KEPT ((size_t)256 << 20) /* bytes of programs that outlive a transaction */
#define EVM_CODE_PADDING 40 /* zero bytes after every code: reads past its end need no check */

/* One step of the stream. What arg means is the handler's business: a number, an index into
 * constants or entries, a count. */
struct evm_insn {
    int32_t handler; /* offset of the handler's address from the interpreter's base */
    uint32_t arg;
};

/* What must hold when a block is entered: its whole static gas, the stack items it needs and
 * those it adds at most. Stands in the stream (as one evm_insn) after whatever ends a block. */
struct evm_check {
    uint32_t gas;
    uint16_t need, grow;
};
_Static_assert(sizeof(struct evm_check) == sizeof(struct evm_insn), "a check takes one place");

/* A JUMPDEST. */
struct evm_entry {
    uint32_t insn;          /* index in the stream of what comes after it */
    struct evm_check check; /* of the block from here, the JUMPDEST's own gas included */
};

/* Where 64 bytes of code can be jumped to: a bit for each JUMPDEST, and how many come before. */
struct evm_places {
    uint64_t here;
    uint32_t before;
};

/* evm_place_entry gives the index of the entry at an offset of the code, UINT32_MAX for none. */
static inline uint32_t evm_place_entry(const struct evm_places *places, uint64_t pc) {
    const struct evm_places *p = &places[pc / 64];
    uint64_t bit = UINT64_C(1) << pc % 64;
    if (!(p->here & bit)) return UINT32_MAX;
    return p->before + (uint32_t)__builtin_popcountll(p->here & (bit - 1));
}

struct evm_program {
    struct evm_program *next; /* the same code under another schedule */
    enum fork fork;
    bool traced;
    struct evm_insn *insns;
    struct u256 *constants;
    struct evm_entry *entries;
    uint16_t *entry_of;        /* per byte of code: 1 + index of its entry, 0 when none */
    struct evm_places *places; /* instead of it where there are too many entries */
    uint32_t jump_end;         /* nothing from here on is a place to jump to */
    uint32_t insn_count, constant_count, entry_count;
    struct evm_check first; /* of the block at the start */
};

struct evm_code {
    struct hash hash;
    const uint8_t *bytes; /* EVM_CODE_PADDING zeros follow */
    uint32_t size;
    bool delegates;          /* EIP-7702: bytes are 0xef0100 and an address */
    struct address delegate; /* that address */
    _Atomic(struct evm_program *) programs;
    struct evm_code *chain; /* in the cache's table, or among what was taken out */
    uint64_t taken_out;     /* the cache's epoch since which no one finds it */
    struct evm_code_cache *cache;
    atomic_uint_least64_t used; /* the cache's clock at the last lookup */
};

struct evm_code_cache;

/* evm_code_cache_new gives an empty cache; NULL when there is no memory.
 * evm_code_cache_free takes everything back (NULL is allowed). */
struct evm_code_cache *evm_code_cache_new(void);
void evm_code_cache_free(struct evm_code_cache *c);

/* Whoever keeps pointers to codes between calls. join and leave when it begins and ends; pass when
 * it has let go of all codes. One thread at a time for each user. */
struct evm_code_user {
    atomic_uint_least64_t seen;    /* the epoch of the last pass */
    atomic_uint_least64_t running; /* 1 + the programs' epoch at begin; 0: runs no code */
    struct evm_code_user *next, **link;
};
void evm_code_user_join(struct evm_code_cache *c, struct evm_code_user *u);
void evm_code_user_leave(struct evm_code_cache *c, struct evm_code_user *u);
void evm_code_user_pass(struct evm_code_cache *c, struct evm_code_user *u);

/* evm_code_user_begin and evm_code_user_end stand around the running of code: only between them may
 * a program be held. At the end programs that were not asked for longest are dropped when there are
 * more bytes of them than the cache keeps. */
void evm_code_user_begin(struct evm_code_cache *c, struct evm_code_user *u);
void evm_code_user_end(struct evm_code_cache *c, struct evm_code_user *u);

/* evm_code_cache_keep_programs sets that number of bytes instead of EVM_PROGRAMS_KEPT. */
void evm_code_cache_keep_programs(struct evm_code_cache *c, size_t bytes);

/* evm_code_cache_bytes gives the bytes of code and programs that can be found. */
size_t evm_code_cache_bytes(struct evm_code_cache *c);

/* evm_code_cache_trim drops the codes that were not asked for longest until at most bytes_max
 * bytes of code and programs are held. */
void evm_code_cache_trim(struct evm_code_cache *c, size_t bytes_max);

/* evm_code_find gives the code with that hash or NULL; evm_code_add puts one in (bytes are
 * copied, hash is the caller's word) and gives it, or the one that is there already, or NULL when
 * there is no memory. */
struct evm_code *evm_code_find(struct evm_code_cache *c, const struct hash *hash);
struct evm_code *evm_code_add(struct evm_code_cache *c, const struct hash *hash,
                              struct bytes bytes);

/* evm_code_empty gives the code of accounts that have none. */
struct evm_code *evm_code_empty(struct evm_code_cache *c);

/* evm_code_program gives the program of a cached code, decoding it the first time; NULL when there
 * is no memory. traced: every instruction announces itself to the tracer. */
const struct evm_program *evm_code_program_slow(struct evm_code *code,
                                                const struct evm_schedule *schedule, bool traced);
static inline const struct evm_program *
evm_code_program(struct evm_code *code, const struct evm_schedule *schedule, bool traced) {
    // Not before the user's begin is seen by all: whoever drops programs looks the other way round.
    const struct evm_program *p = atomic_load(&code->programs);
    if (p && p->fork == schedule->fork && p->traced == traced) return p;
    return evm_code_program_slow(code, schedule, traced);
}

/* evm_decode decodes code that has EVM_CODE_PADDING zero bytes behind it into one piece of `a`. The
 * caller keeps `code` as long as the program. NULL when there is no memory or n >= 2^31.
 * scratch  what only decoding needs, about 110 bytes a byte of code; empty before and after, and
 *          best the same one every time: its memory is kept.
 * cost  about 3 ns a byte of code. */
struct evm_program *evm_decode(struct arena *a, struct arena *scratch, const uint8_t *code,
                               size_t n, const struct evm_schedule *schedule, bool traced);

#endif
