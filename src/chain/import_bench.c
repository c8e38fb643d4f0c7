/* Importing a chain of 300 blocks of 120 random transactions: in memory and on disk, on one thread
 * and two. So long that the state on disk moves (the depth is 128), with a head_set for each block.
 * Time of one block; execution and roots apart.
 *
 * SPDX-License-Identifier: MIT */
#include "chain/play.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 300
#define TXS 120

static struct play play;
static struct arena arena;
static struct bytes blocks[BLOCKS];
static double gas;

static void check(int r, const struct error *why) {
    if (r == 0) return;
    (void)fprintf(stderr, "bench: %s\n", why->text);
    exit(1);
}

static struct head *open_head(const char *folder, unsigned threads) {
    struct error why;
    struct head *h;
    const struct head_options options = {
        .genesis = &play.genesis, .folder = folder, .relaxed = true, .threads = threads};
    check(head_open(&h, &options, &why), &why);
    return h;
}

static void import(struct head *h, struct bytes rlp, struct head_verdict *ret) {
    struct error why;
    check(head_import(h, ret, rlp, &why), &why);
    if (ret->status != HEAD_VALID) check(ERR_INVALID, &ret->reason);
    check(head_set(h, &ret->hash, NULL, NULL, &why), &why);
}

static void make_chain(void) {
    struct error why;
    struct producer *producer;
    struct head *h = open_head(NULL, 1);
    check(producer_new(&producer, h, NULL, &why), &why);
    const struct head_block *b = head_latest(h);
    struct hash parent = b->hash;
    head_block_release(b);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct produced made;
        struct head_verdict v;
        check(play_block(&play, producer, &parent, TXS, 0, &made, &arena, &why), &why);
        blocks[i] = made.rlp;
        gas += (double)made.header.gas_used;
        import(h, made.rlp, &v);
        parent = made.hash;
    }
    producer_free(producer);
    head_close(h);
}

static void run(const char *name, bool disk, unsigned threads) {
    char folder[] = "/tmp/import_bench.XXXXXX", text[96];
    if (disk && !mkdtemp(folder)) abort();
    struct head *h = open_head(disk ? folder : NULL, threads);
    double execute = 0, root = 0;
    uint64_t begin = bench_now_ns();
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct head_verdict v;
        import(h, blocks[i], &v);
        execute += (double)v.execute_ns;
        root += (double)v.root_ns;
    }
    double all = (double)(bench_now_ns() - begin);
    head_close(h);
    (void)snprintf(text, sizeof text, "import_%s_all", name);
    bench_emit(text, gas / BLOCKS, "gas", all / BLOCKS, 0);
    (void)snprintf(text, sizeof text, "import_%s_execute", name);
    bench_emit(text, gas / BLOCKS, "gas", execute / BLOCKS, 0);
    (void)snprintf(text, sizeof text, "import_%s_state_root", name);
    bench_emit(text, gas / BLOCKS, "gas", root / BLOCKS, 0);
    if (disk) (void)play_remove_folder(folder);
}

int main(void) {
    struct error why;
    arena_init(&arena, 0);
    check(play_init(&play, 1, FORK_PRAGUE, &why), &why);
    make_chain();
    run("memory", false, 1);
    run("memory_two_threads", false, 2);
    run("disk", true, 1);
    run("disk_two_threads", true, 2);
    play_free(&play);
    arena_free(&arena);
    return 0;
}
