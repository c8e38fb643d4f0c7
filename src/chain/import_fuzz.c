/* Block bodies: a good block with bytes changed, removed and put in as the input says, with or
 * without its header's roots made right again, and input that stands for itself. A head must judge
 * each without harm, stay what it was, and still find the good block valid.
 * SPDX-License-Identifier: MIT */
#include "chain/head_internal.h"
#include "chain/play.h"
#include "trie/ordered_root.h"

#include <stdlib.h>

#define BLOCKS_BELOW 3
#define REOPEN_AFTER 500 // blocks that were found valid pile up
#define EDITS_MAX 24

static struct play play;
static struct head *head;
static struct arena arena, scratch;
static struct produced good;
static struct hash parent;
static unsigned runs;

static void must(bool good_so_far) {
    if (!good_so_far) abort();
}

static void open_head(void) {
    struct producer *producer;
    const struct head_options options = {.genesis = &play.genesis};
    play_free(&play);
    arena_reset(&arena);
    must(play_init(&play, 5, FORK_PRAGUE, NULL) == 0);
    must(head_open(&head, &options, NULL) == 0);
    must(producer_new(&producer, head, NULL, NULL) == 0);
    const struct head_block *b = head_latest(head);
    parent = b->hash;
    head_block_release(b);
    for (unsigned i = 0; i <= BLOCKS_BELOW; i++) {
        struct head_verdict v;
        must(play_block(&play, producer, &parent, 6, 0, &good, &arena, NULL) == 0);
        if (i == BLOCKS_BELOW) break;
        must(head_import(head, &v, good.rlp, NULL) == 0 && v.status == HEAD_VALID);
        must(head_set(head, &good.hash, NULL, NULL, NULL) == 0);
        parent = good.hash;
    }
    producer_free(producer);
}

// Edits of three bytes each: where, and what.
static struct bytes edit(const uint8_t *data, size_t size) {
    struct buf out;
    buf_init(&out, 0);
    buf_append(&out, good.rlp);
    for (unsigned i = 0; i < EDITS_MAX && size >= 4; i++, data += 4, size -= 4) {
        size_t at = load_be16(data + 1) % (out.n ? out.n : 1);
        switch (data[0] % 4) {
        case 0:
            if (out.n) out.p[at] = data[3];
            break;
        case 1:
            if (out.n) out.p[at] ^= (uint8_t)(1u << data[3] % 8);
            break;
        case 2: // cut out
            if (out.n > at + data[3]) {
                memmove(out.p + at, out.p + at + data[3], out.n - at - data[3]);
                out.n -= data[3];
            }
            break;
        default: // double; appending must not move what it reads
            (void)buf_reserve(&out, UINT8_MAX);
            buf_append(&out, bytes_slice(buf_view(&out), at, data[3]));
            break;
        }
    }
    struct bytes copy = arena_copy(&scratch, buf_view(&out));
    buf_free(&out);
    return copy;
}

// The lists' roots, so that what is wrong in the body is found by executing it.
static struct bytes mend(struct bytes rlp) {
    struct block b;
    if (block_decode(&b, rlp, &scratch, NULL) != 0) return rlp;
    struct bytes *raws = arena_new_array(&scratch, struct bytes, b.tx_count);
    must(raws);
    for (size_t i = 0; i < b.tx_count; i++) {
        raws[i] = b.txs[i].raw;
    }
    must(trie_ordered_root(&b.header.transactions_root, raws, b.tx_count, &scratch, NULL) == 0);
    struct bytes *values = arena_new_array(&scratch, struct bytes, b.withdrawal_count);
    must(values);
    for (size_t i = 0; i < b.withdrawal_count; i++) {
        struct buf one;
        buf_init(&one, 0);
        withdrawal_encode(&one, &b.withdrawals[i]);
        values[i] = arena_copy(&scratch, buf_view(&one));
        buf_free(&one);
    }
    must(trie_ordered_root(&b.header.withdrawals_root, values, b.withdrawal_count, &scratch,
                           NULL) == 0);
    b.header.parent_hash = parent;
    struct buf out;
    buf_init(&out, 0);
    block_encode(&out, &b);
    struct bytes copy = arena_copy(&scratch, buf_view(&out));
    buf_free(&out);
    return copy;
}

static void check(struct bytes rlp) {
    struct head_verdict v;
    must(head_import(head, &v, rlp, NULL) == 0);
    const struct head_block *b = head_latest(head);
    must(hash_equal(&b->hash, &parent));
    head_block_release(b);
    if (v.status == HEAD_VALID) {
        // Then its own hash is what the bytes say.
        must(head_block_by_hash(head, &b, &v.hash, NULL) == 0);
        must(bytes_equal(b->rlp, rlp));
        head_block_release(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (runs++ % REOPEN_AFTER == 0) {
        if (head) head_close(head);
        open_head();
    }
    if (size < 1 || size > 4096) return 0;
    arena_reset(&scratch);
    switch (data[0] % 3) {
    case 0:
        check(bytes_make(data + 1, size - 1));
        break;
    case 1:
        check(edit(data + 1, size - 1));
        break;
    default:
        check(mend(edit(data + 1, size - 1)));
        break;
    }
    struct head_verdict v;
    must(head_import(head, &v, good.rlp, NULL) == 0 && v.status <= HEAD_KNOWN);
    return 0;
}
