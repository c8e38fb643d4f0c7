/* SPDX-License-Identifier: MIT */
#include "builder/bid_book.h"

#include "builder/job.h"
#include "chain/head.h"
#include "test/harness/test.h"

#include <stdlib.h>

/* A tree of blocks: each stands on the one before it, but where the test says otherwise. */
#define BLOCKS 100u

static struct head_block blocks[BLOCKS];
static const struct head_block *parents[BLOCKS];
static struct bid_book *book;
static struct error why;
static uint64_t landed[BIDS_KEPT];
static size_t landed_count;

static void set_block(unsigned at, uint64_t number, const struct head_block *parent) {
    blocks[at] =
        (struct head_block){.hash = {{1, (uint8_t)at}}, .block = {.header = {.number = number}}};
    parents[at] = parent;
}

static void begin(void) {
    book = calloc(1, sizeof *book);
    CHECK(book);
    for (unsigned i = 0; i < BLOCKS; i++) {
        set_block(i, i, i ? &blocks[i - 1] : NULL);
    }
    landed_count = 0;
}

static void end(void) {
    bid_book_forget(book, UINT64_MAX);
    free(book);
}

static const struct head_block *parent_of(void *context, const struct head_block *b) {
    (void)context;
    return parents[b - blocks];
}

static void note(void *context, const struct kept_bid *bid) {
    (void)context;
    landed[landed_count++] = bid->landed.number;
}

static void look(unsigned newest) {
    bid_book_landed(book, &blocks[newest], &(struct bid_book_calls){parent_of, note, NULL});
}

static struct slot_work *work_of(uint64_t slot) {
    struct slot_work values = {.slot = slot}, *w;
    CHECK_OK(job_new(&values.job, 1u << 20, &why), &why);
    CHECK_OK(slot_work_new(&w, &values, &why), &why);
    return w;
}

static void add(struct slot_work *w, uint64_t number, const struct hash *hash) {
    const struct landed_block b = {.number = number, .slot = w->slot, .hash = *hash};
    CHECK_OK(bid_book_add(book, &b, w, NULL, 0, &why), &why);
}

TEST(every_block_between_two_looks_is_found) {
    begin();
    struct slot_work *w = work_of(1);
    for (unsigned i = 11; i <= 15; i++) {
        add(w, i, &blocks[i].hash);
    }
    look(10);
    CHECK_U64(landed_count, 0);
    look(11);
    CHECK_U64(landed_count, 1);
    look(11);
    CHECK_U64(landed_count, 1); // once
    look(15);                   // 12, 13 and 14 came meanwhile
    CHECK_U64(landed_count, 5);
    CHECK(landed[0] == 11 && landed[1] == 15 && landed[4] == 12);
    slot_work_release(w);
    end();
}

TEST(blocks_that_come_back_are_found_under_a_new_head) {
    begin();
    struct slot_work *w = work_of(1);
    set_block(50, 12, &blocks[11]); // another 12, and ours under what comes next
    set_block(51, 13, &blocks[12]);
    add(w, 12, &blocks[12].hash);
    look(50);
    CHECK_U64(landed_count, 0);
    look(51);
    CHECK_U64(landed_count, 1);
    parents[51] = NULL; // nobody knows it any more
    add(w, 12, &blocks[12].hash);
    look(51);
    CHECK_U64(landed_count, 1);
    slot_work_release(w);
    end();
}

TEST(looks_end_at_a_depth) {
    begin();
    struct slot_work *w = work_of(1);
    add(w, 20, &blocks[20].hash);
    look(20 + BID_DEPTH_MAX);
    CHECK_U64(landed_count, 0);
    look(20 + BID_DEPTH_MAX - 1);
    CHECK_U64(landed_count, 1);
    slot_work_release(w);
    end();
}

TEST(the_newest_bids_are_kept) {
    begin();
    struct slot_work *w = work_of(1);
    struct hash hash = {{2}};
    add(w, 7, &blocks[7].hash);
    for (unsigned i = 1; i < BIDS_KEPT; i++) {
        store_le32(hash.b + 4, i);
        add(w, 8, &hash);
    }
    look(7); // the oldest of a full book
    CHECK_U64(landed_count, 1);
    add(w, 7, &blocks[7].hash);
    for (unsigned i = 0; i < BIDS_KEPT; i++) {
        store_le32(hash.b + 4, BIDS_KEPT + i);
        add(w, 8, &hash);
    }
    look(7); // gave way to a newer one
    CHECK_U64(landed_count, 1);
    blocks[8].hash = hash;
    look(9);
    CHECK_U64(landed_count, 2);
    slot_work_release(w);
    end();
}

TEST(bids_of_slots_that_are_over_are_forgotten) {
    begin();
    struct slot_work *old = work_of(10), *newer = work_of(11);
    add(old, 30, &blocks[30].hash);
    add(newer, 31, &blocks[31].hash);
    bid_book_forget(book, 10 + BID_SLOTS_KEPT);
    slot_work_release(old);
    slot_work_release(newer);
    look(30);
    CHECK_U64(landed_count, 1);
    add(book->bids[1].work, 30, &blocks[30].hash);
    bid_book_forget(book, 12 + BID_SLOTS_KEPT);
    look(31);
    CHECK_U64(landed_count, 1);
    end();
}

TEST_MAIN()
