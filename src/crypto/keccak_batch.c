/* Many messages at once: a message a lane, the next message as soon as a lane is free.
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/keccak.h"
#include "crypto/keccak_impl.h"

#include <stdalign.h>

/* Where messages come from and hashes go: either jobs, or two arrays. */
struct source {
    bool scattered; /* jobs, not the arrays */
    const struct keccak_job *jobs;
    const struct bytes *in;
    struct hash *ret;
    size_t count, next;
};

static struct bytes source_message(const struct source *s, size_t i) {
    return s->scattered ? s->jobs[i].in : s->in[i];
}

static struct hash *source_place(const struct source *s, size_t i) {
    return s->scattered ? s->jobs[i].ret : &s->ret[i];
}

static void hash_one_by_one(struct source *s) {
    for (; s->next < s->count; s->next++) {
        *source_place(s, s->next) = keccak256(source_message(s, s->next));
    }
}

#if defined(__x86_64__)
struct lane {
    const uint8_t *p; /* rest of the message */
    size_t n;
    struct hash *ret; /* NULL: the lane is idle */
    bool last;        /* the block that is now taken in ends the message */
};

struct lanes {
    alignas(64) uint64_t state[25 * KECCAK_LANES_MAX];
    struct lane lane[KECCAK_LANES_MAX];
    unsigned width, busy;
    unsigned fresh; /* lanes whose message begins with the next block */
};

static void lane_start(struct lanes *ls, unsigned l, struct source *s) {
    struct lane *lane = &ls->lane[l];
    if (s->next == s->count) {
        lane->ret = NULL;
        return;
    }
    struct bytes in = source_message(s, s->next);
    lane->p = in.p;
    lane->n = in.n;
    lane->last = false;
    lane->ret = source_place(s, s->next);
    s->next++;
    ls->busy++;
    ls->fresh |= 1u << l;
}

// The lane's next block; nothing for an idle lane.
static struct keccak_block lane_block(struct lane *lane) {
    if (!lane->ret) return (struct keccak_block){NULL, 0};
    size_t n = lane->n < KECCAK_RATE ? lane->n : KECCAK_RATE;
    struct keccak_block block = {lane->p, n};
    lane->last = n < KECCAK_RATE;
    lane->p += n;
    lane->n -= n;
    return block;
}

static void lane_finish(struct lanes *ls, unsigned l) {
    for (unsigned w = 0; w < 4; w++) {
        store_le64(ls->lane[l].ret->b + 8 * (size_t)w, ls->state[w * ls->width + l]);
    }
    ls->busy--;
}

// Finishes one lane's message alone: what is left when too few lanes are busy.
static void lane_finish_alone(struct lanes *ls, unsigned l) {
    struct lane *lane = &ls->lane[l];
    uint64_t a[25];
    for (unsigned w = 0; w < 25; w++) {
        a[w] = ls->fresh >> l & 1 ? 0 : ls->state[w * ls->width + l];
    }
    keccak_finish(a, bytes_make(lane->p, lane->n));
    memcpy(lane->ret->b, a, sizeof lane->ret->b);
}

/* Runs messages through `width` lanes until fewer than `least` lanes are busy and nothing waits,
 * then ends the remaining ones one by one. */
static void hash_in_lanes(struct source *s, unsigned width, unsigned least, keccak_absorb *absorb) {
    struct lanes ls;
    ls.width = width;
    ls.busy = 0;
    ls.fresh = 0;
    memset(ls.state, 0, sizeof ls.state);
    for (unsigned l = 0; l < width; l++) {
        lane_start(&ls, l, s);
    }
    while (ls.busy >= least) {
        struct keccak_block blocks[KECCAK_LANES_MAX];
        for (unsigned l = 0; l < width; l++) {
            blocks[l] = lane_block(&ls.lane[l]);
        }
        absorb(ls.state, blocks, ls.fresh);
        ls.fresh = 0;
        for (unsigned l = 0; l < width; l++) {
            if (!ls.lane[l].ret || !ls.lane[l].last) continue;
            lane_finish(&ls, l);
            lane_start(&ls, l, s);
        }
    }
    for (unsigned l = 0; l < width; l++) {
        if (ls.lane[l].ret) lane_finish_alone(&ls, l);
    }
}
#endif

bool keccak_path_usable(enum keccak_path path) {
    switch (path) {
    case KECCAK_PLAIN:
        return true;
    case KECCAK_AVX2X4:
        return cpu_has(CPU_AVX2);
    case KECCAK_AVX512X8:
        return cpu_has(CPU_AVX512F | CPU_AVX512BW);
    }
    return false;
}

enum keccak_path keccak_path_best(void) {
    if (keccak_path_usable(KECCAK_AVX512X8)) return KECCAK_AVX512X8;
    return keccak_path_usable(KECCAK_AVX2X4) ? KECCAK_AVX2X4 : KECCAK_PLAIN;
}

const char *keccak_path_name(enum keccak_path path) {
    switch (path) {
    case KECCAK_AVX2X4:
        return "avx2x4";
    case KECCAK_AVX512X8:
        return "avx512x8";
    case KECCAK_PLAIN:
        break;
    }
    return "plain";
}

static void hash_source(enum keccak_path path, struct source *s) {
#if defined(__x86_64__)
    // A call of the lanes costs what about two single permutations cost, whatever they hold.
    if (path == KECCAK_AVX512X8 && s->count >= 3) {
        hash_in_lanes(s, 8, 3, keccak_absorb_avx512x8);
    } else if (path != KECCAK_PLAIN && s->count >= 3) {
        hash_in_lanes(s, 4, 3, keccak_absorb_avx2x4);
    }
#else
    (void)path;
#endif
    hash_one_by_one(s);
}

void keccak256_batch(struct hash *ret, const struct bytes *in, size_t count) {
    struct source s = {.in = in, .ret = ret, .count = count};
    hash_source(keccak_path_best(), &s);
}

void keccak256_scatter_by(enum keccak_path path, const struct keccak_job *jobs, size_t count) {
    struct source s = {.scattered = true, .jobs = jobs, .count = count};
    hash_source(path, &s);
}

void keccak256_scatter(const struct keccak_job *jobs, size_t count) {
    keccak256_scatter_by(keccak_path_best(), jobs, count);
}

// One message whose padding stands in it already.
static void hash_padded(const uint8_t *message, uint8_t *ret, unsigned blocks) {
    uint64_t a[25] = {0};
    for (unsigned b = 0; b < blocks; b++, message += KECCAK_RATE) {
        for (size_t i = 0; i < KECCAK_RATE / 8; i++) {
            a[i] ^= load_le64(message + 8 * i);
        }
        keccak_permute(a);
    }
    memcpy(ret, a, 32);
}

void keccak256_padded_soon(enum keccak_path path, const uint8_t *const *messages,
                           uint8_t *const *rets, size_t count, unsigned blocks,
                           struct keccak_soon soon) {
    size_t i = 0, width = keccak_path_lanes(path);
    size_t share = count ? soon.n / ((count + width - 1) / width) + 1 : soon.n;
#if defined(__x86_64__)
    keccak_whole *whole = width == 8 ? keccak_whole_avx512x8 : keccak_whole_avx2x4;
    for (; width > 1 && count - i >= width; i += width) {
        whole(messages + i, rets + i, blocks, keccak_soon_take(&soon, share));
    }
    // A call costs less than two single messages: few left repeat one and throw its hash away.
    if (width > 1 && count - i >= 2) {
        const uint8_t *rest[KECCAK_LANES_MAX];
        uint8_t unused[32], *rest_ret[KECCAK_LANES_MAX];
        for (size_t l = 0; l < width; l++) {
            rest[l] = messages[i + l < count ? i + l : i];
            rest_ret[l] = i + l < count ? rets[i + l] : unused;
        }
        whole(rest, rest_ret, blocks, soon);
        return;
    }
#endif
    for (; i < count; i++) {
        struct keccak_soon taken = keccak_soon_take(&soon, share);
        keccak_ask(&taken, 0, 1);
        hash_padded(messages[i], rets[i], blocks);
    }
    keccak_ask(&soon, 0, 1);
}

void keccak256_padded_by(enum keccak_path path, const uint8_t *const *messages,
                         uint8_t *const *rets, size_t count, unsigned blocks) {
    keccak256_padded_soon(path, messages, rets, count, blocks, (struct keccak_soon){NULL, 0});
}

void keccak256_padded(const uint8_t *const *messages, uint8_t *const *rets, size_t count,
                      unsigned blocks) {
    keccak256_padded_by(keccak_path_best(), messages, rets, count, blocks);
}
