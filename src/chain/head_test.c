/* The head: import and production agree, branches, views, proofs, the store.
 * SPDX-License-Identifier: MIT */
#include "chain/head.h"

#include "chain/memory_state.h"
#include "chain/play.h"
#include "test/harness/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct play play;
static struct head *head;
static struct producer *producer;
static struct arena arena;
static char folder[64];
static unsigned depth;

static void open_head(void) {
    struct error why;
    const struct head_options options = {.genesis = &play.genesis,
                                         .folder = folder[0] ? folder : NULL,
                                         .relaxed = true,
                                         .threads = 2,
                                         .depth = depth};
    CHECK_OK(head_open(&head, &options, &why), &why);
    CHECK_OK(producer_new(&producer, head, NULL, &why), &why);
}

static void close_head(void) {
    producer_free(producer);
    head_close(head);
}

static void begin(bool disk, unsigned depth_of) {
    struct error why;
    arena_init(&arena, 0);
    folder[0] = 0;
    depth = depth_of;
    if (disk) {
        (void)snprintf(folder, sizeof folder, "/tmp/head_test.XXXXXX");
        CHECK(mkdtemp(folder));
    }
    CHECK_OK(play_init(&play, 7, FORK_PRAGUE, &why), &why);
    open_head();
}

static void end(void) {
    close_head();
    play_free(&play);
    arena_free(&arena);
    if (!folder[0]) return;
    CHECK(play_remove_folder(folder));
}

static struct hash latest(void) {
    const struct head_block *b = head_latest(head);
    struct hash hash = b->hash;
    head_block_release(b);
    return hash;
}

static struct hash add_block(const struct hash *parent, size_t txs) {
    struct produced made;
    struct head_verdict v;
    struct error why;
    CHECK_OK(play_block(&play, producer, parent, txs, 0, &made, &arena, &why), &why);
    CHECK_OK(head_import(head, &v, made.rlp, &why), &why);
    if (v.status != HEAD_VALID) FAIL("block is not valid: %s", v.reason.text);
    CHECK_BYTES(BYTES_OF(v.hash), BYTES_OF(made.hash));
    return made.hash;
}

static void extend(unsigned blocks) {
    struct error why;
    for (unsigned i = 0; i < blocks; i++) {
        struct hash parent = latest(), hash = add_block(&parent, 20);
        CHECK_OK(head_set(head, &hash, NULL, NULL, &why), &why);
        arena_reset(&arena);
    }
}

TEST(head_imports_what_it_produces) {
    struct error why;
    begin(false, 0);
    extend(12);
    const struct head_block *b, *found;
    size_t index;
    CHECK_OK(head_block_by_number(head, &b, 5, &why), &why);
    CHECK(b->block.tx_count > 3);
    CHECK_OK(head_tx_find(head, &found, &index, &b->block.txs[2].hash, &why), &why);
    CHECK(found == b && index == 2);
    uint64_t gas = 0;
    for (size_t i = 0; i < b->block.tx_count; i++) {
        gas += head_receipt_gas(b, i);
    }
    CHECK_U64(gas, b->block.header.gas_used);
    head_block_release(found);
    head_block_release(b);
    CHECK_ERR(head_block_by_number(head, &b, 13, &why), ERR_NOT_FOUND);
    CHECK_ERR(head_block_by_hash(head, &b, &(struct hash){{1}}, &why), ERR_NOT_FOUND);
    CHECK_ERR(head_tx_find(head, &b, &index, &(struct hash){{1}}, &why), ERR_NOT_FOUND);
    end();
}

// Some of a block's transactions, those that are valid without the others, in a producer.
static void seal_some(struct producer *p, const struct head_block *from, uint64_t which,
                      struct produced *ret) {
    const struct produce_attributes attributes = {.timestamp = from->block.header.timestamp,
                                                  .fee_recipient = play.senders[3]};
    const struct tx *txs[64];
    size_t count = 0;
    struct error why;
    CHECK_OK(producer_begin(p, &from->block.header.parent_hash, &attributes, &why), &why);
    for (size_t i = 0; i < from->block.tx_count; i++) {
        struct transact_result result;
        if (!(which >> i % 64 & 1)) continue;
        CHECK_OK(
            block_run_tx(producer_run(p), &from->block.txs[i], &from->senders[i], &result, &why),
            &why);
        if (result.fault == TRANSACT_VALID) txs[count++] = &from->block.txs[i];
    }
    CHECK_OK(producer_seal(p, ret, txs, count, &arena, &why), &why);
}

// What a producer remembers from seal to seal changes no block.
TEST(head_seals_the_same_with_what_it_remembers) {
    for (int chain = 0; chain < 4; chain++) {
        struct producer *fresh;
        struct error why;
        begin(false, 0);
        producer_expect_repeats(producer);
        extend(1 + (unsigned)chain);
        struct hash parent = latest(), hash = add_block(&parent, 60);
        const struct head_block *b;
        CHECK_OK(head_block_by_hash(head, &b, &hash, &why), &why);
        uint64_t which = UINT64_MAX;
        for (int round = 0; round < 60; round++) {
            struct produced one, other;
            CHECK_OK(producer_new(&fresh, head, NULL, &why), &why);
            seal_some(producer, b, which, &one);
            seal_some(fresh, b, which, &other);
            CHECK_BYTES(BYTES_OF(one.hash), BYTES_OF(other.hash));
            CHECK_BYTES(one.rlp, other.rlp);
            which ^= UINT64_C(1) << random_fast_below(&play.dice, 64);
            which |= round % 9 ? 0 : UINT64_C(0xffffffff) << random_fast_below(&play.dice, 32);
            producer_free(fresh);
        }
        head_block_release(b);
        end();
    }
}

TEST(head_refuses_what_is_not_valid) {
    struct error why;
    struct head_verdict v;
    struct produced made, child;
    begin(false, 0);
    struct hash genesis = latest();
    CHECK_OK(play_block(&play, producer, &genesis, 10, 0, &made, &arena, &why), &why);
    struct block block;
    CHECK_OK(block_decode(&block, made.rlp, &arena, &why), &why);
    // Another body under the same header says nothing about the block.
    block.tx_count--;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    CHECK_BYTES(BYTES_OF(v.hash), BYTES_OF(made.hash));
    CHECK(!head_reject_of(head, &v.hash, NULL));
    block.tx_count++;
    block.withdrawal_count--;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    CHECK(!head_reject_of(head, &v.hash, NULL));
    block.withdrawal_count++;
    block.header.state_root.b[3] ^= 1;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    CHECK_BYTES(BYTES_OF(v.latest_valid), BYTES_OF(genesis));
    struct hash bad = v.hash, valid;
    CHECK(head_reject_of(head, &bad, &valid));
    // It is remembered, and so is what stands on it.
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    block.header.parent_hash = bad;
    block.header.number++;
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    CHECK_BYTES(BYTES_OF(v.latest_valid), BYTES_OF(genesis));
    block.header.parent_hash = (struct hash){{9}};
    CHECK_OK(head_import_block(head, &v, &block, &why), &why);
    CHECK_I64(v.status, HEAD_UNKNOWN_PARENT);
    CHECK_OK(head_import(head, &v, BYTES_LIT("\xc0"), &why), &why);
    CHECK_I64(v.status, HEAD_INVALID);
    CHECK(hash_is_zero(&v.hash));
    // The good one is still good, and a second time known.
    CHECK_OK(head_import(head, &v, made.rlp, &why), &why);
    CHECK_I64(v.status, HEAD_VALID);
    CHECK_OK(head_import(head, &v, made.rlp, &why), &why);
    CHECK_I64(v.status, HEAD_KNOWN);
    CHECK_OK(play_block(&play, producer, &made.hash, 10, 0, &child, &arena, &why), &why);
    CHECK_OK(head_import(head, &v, child.rlp, &why), &why);
    CHECK_I64(v.status, HEAD_VALID);
    CHECK_ERR(head_set(head, &bad, NULL, NULL, &why), ERR_NOT_FOUND);
    end();
}

static struct head_event last;
static unsigned events;
static void on_change(void *arg, const struct head_event *event) {
    (void)arg;
    last = *event;
    events++;
}

TEST(head_moves_between_branches) {
    struct error why;
    struct head_subscriber subscriber = {.changed = on_change};
    begin(true, 0);
    head_subscribe(head, &subscriber);
    extend(4);
    struct hash fork = latest(), a = fork, b = fork;
    for (int i = 0; i < 3; i++) {
        a = add_block(&a, 12);
    }
    for (int i = 0; i < 5; i++) {
        b = add_block(&b, 12);
    }
    CHECK_OK(head_set(head, &a, &fork, &fork, &why), &why);
    CHECK_U64(last.added_count, 3);
    CHECK_U64(last.removed_count, 0);
    CHECK_OK(head_set(head, &b, NULL, NULL, &why), &why);
    CHECK_U64(last.added_count, 5);
    CHECK_U64(last.removed_count, 3);
    const struct head_block *block;
    size_t index;
    CHECK_OK(head_block_by_hash(head, &block, &a, &why), &why);
    CHECK(!head_is_canonical(head, block));
    struct hash tx = block->block.txs[0].hash;
    head_block_release(block);
    CHECK_ERR(head_tx_find(head, &block, &index, &tx, &why), ERR_NOT_FOUND);
    CHECK_OK(head_set(head, &a, NULL, NULL, &why), &why);
    CHECK_OK(head_tx_find(head, &block, &index, &tx, &why), &why);
    head_block_release(block);
    CHECK_ERR(head_block_by_number(head, &block, 8, &why), ERR_NOT_FOUND);
    CHECK_ERR(head_set(head, &b, &a, NULL, &why), ERR_CONFLICT);
    CHECK_ERR(head_set(head, &b, NULL, &a, &why), ERR_CONFLICT);
    CHECK_OK(head_set(head, &b, &b, NULL, &why), &why);
    CHECK_U64(events, 4 + 4);
    block = head_finalized(head);
    CHECK_BYTES(BYTES_OF(block->hash), BYTES_OF(fork));
    head_block_release(block);
    block = head_safe(head);
    CHECK_BYTES(BYTES_OF(block->hash), BYTES_OF(b));
    head_block_release(block);
    head_unsubscribe(head, &subscriber);
    end();
}

// The whole state by the reader, hashed from nothing, against the header's root; and proofs.
static void check_view(const struct hash *hash) {
    struct error why;
    struct head_view *v;
    CHECK_OK(head_view_open(head, &v, hash, &why), &why);
    const struct header *h = &head_view_block(v)->block.header;
    for (unsigned i = 0; i < PLAY_CONTRACTS; i++) {
        struct address a = play_address(0xc0, i);
        struct hash slots[4] = {{{0}}, {{[31] = 1}}, {{[31] = 2}}, {{[31] = 3}}};
        struct account_proof proof;
        struct state_base_account account;
        bool exists;
        CHECK_OK(head_view_prove(v, &proof, &a, slots, 4, &arena, &why), &why);
        CHECK_OK(account_proof_check(&exists, &proof, &h->state_root, &why), &why);
        CHECK_OK(head_view_account(v, &account, &a, &why), &why);
        CHECK(account.exists == exists);
        CHECK_U64(account.nonce, proof.account.nonce);
        for (unsigned k = 0; k < 4; k++) {
            struct u256 value, key = u256_from_u64(k);
            CHECK_OK(head_view_slot(v, &value, &a, &key, &why), &why);
            CHECK(u256_equal(value, proof.slots[k].value));
        }
    }
    head_view_close(v);
}

static void check_depth(void) {
    struct error why;
    const struct head_block *b;
    struct head_view *v;
    begin(true, 8);
    extend(30);
    for (uint64_t n = 22; n <= 30; n++) {
        CHECK_OK(head_block_by_number(head, &b, n, &why), &why);
        check_view(&b->hash);
        head_block_release(b);
    }
    CHECK_OK(head_block_by_number(head, &b, 21, &why), &why);
    CHECK_ERR(head_view_open(head, &v, &b->hash, &why), ERR_STALE);
    CHECK_ERR(head_set(head, &b->hash, NULL, NULL, &why), ERR_STALE);
    head_block_release(b);
}

TEST(head_keeps_states_to_its_depth) {
    check_depth();
    end();
}

TEST(head_opens_where_it_was) {
    struct error why;
    check_depth();
    struct hash before = latest();
    const struct head_block *b, *again;
    CHECK_OK(head_block_by_number(head, &b, 10, &why), &why);
    close_head();
    open_head();
    struct hash after = latest();
    CHECK_BYTES(BYTES_OF(after), BYTES_OF(before));
    CHECK_OK(head_block_by_hash(head, &again, &b->hash, &why), &why);
    CHECK_BYTES(again->rlp, b->rlp);
    CHECK_U64(again->receipts[1].cumulative_gas, b->receipts[1].cumulative_gas);
    CHECK(u256_equal(again->total_difficulty, b->total_difficulty));
    CHECK(memcmp(again->senders, b->senders, b->block.tx_count * sizeof *b->senders) == 0);
    head_block_release(again);
    head_block_release(b);
    check_view(&before);
    extend(6);
    check_view(&before);
    close_head();
    struct play other;
    CHECK_OK(play_init(&other, 8, FORK_PRAGUE, &why), &why);
    const struct head_options options = {.genesis = &other.genesis, .folder = folder};
    CHECK_ERR(head_open(&head, &options, &why), ERR_CONFLICT);
    play_free(&other);
    open_head();
    end();
}

TEST(head_views_go_stale) {
    struct error why;
    struct head_view *v;
    begin(true, 4);
    extend(2);
    struct hash old = latest();
    CHECK_OK(head_view_open(head, &v, &old, &why), &why);
    struct state_base_account a;
    struct address nobody = play_address(0xa0, 77);
    CHECK_OK(head_view_account(v, &a, &nobody, &why), &why);
    extend(4); // the base is now that block
    CHECK_OK(head_view_account(v, &a, &nobody, &why), &why);
    extend(1);
    CHECK_ERR(head_view_account(v, &a, &nobody, &why), ERR_STALE);
    head_view_close(v);
    CHECK_ERR(head_view_open(head, &v, &old, &why), ERR_STALE);
    end();
}

/* Readers beside an importer: what they read fits together, or is said to be stale. */

struct reading {
    _Atomic bool stop;
    atomic_uint proofs, stale;
    _Atomic(const char *) wrong;
};

static const char *read_once(struct head *h, struct random_fast *dice, struct arena *a,
                             struct reading *shared) {
    struct head_view *v;
    struct error why;
    const struct head_block *b = head_latest(h);
    struct hash slots[2] = {{{0}}, {{[31] = 1}}};
    struct address who = play_address(0xc0, random_fast_below(dice, PLAY_CONTRACTS));
    int r = head_view_open(h, &v, &b->hash, &why);
    head_block_release(b);
    if (r == ERR_STALE) return NULL;
    if (r != 0) return "no view of the head";
    for (unsigned i = 0; i < 4; i++) {
        struct account_proof proof;
        struct u256 value, key = U256_ONE;
        r = head_view_prove(v, &proof, &who, slots, 2, a, &why);
        if (r == 0) {
            r = account_proof_check(NULL, &proof, &head_view_block(v)->block.header.state_root,
                                    &why);
            if (r != 0) break;
            r = head_view_slot(v, &value, &who, &key, &why);
            if (r == 0 && !u256_equal(value, proof.slots[1].value)) r = ERR_INVALID;
            if (r == 0) (void)atomic_fetch_add(&shared->proofs, 1);
        }
        if (r == ERR_STALE) (void)atomic_fetch_add(&shared->stale, 1);
        if (r != 0) break;
    }
    head_view_close(v);
    return r == 0 || r == ERR_STALE ? NULL : "a proof and a slot do not fit";
}

static void *read_along(void *arg) {
    struct reading *shared = arg;
    struct random_fast dice;
    struct arena a;
    random_fast_init(&dice);
    arena_init(&a, 0);
    while (!atomic_load(&shared->stop)) {
        const char *wrong = read_once(head, &dice, &a, shared);
        if (wrong) atomic_store(&shared->wrong, wrong);
        arena_reset(&a);
    }
    arena_free(&a);
    return NULL;
}

static void *produce_along(void *arg) {
    struct reading *shared = arg;
    struct play own;
    struct producer *p;
    struct arena a;
    arena_init(&a, 0);
    if (play_init(&own, 9, FORK_PRAGUE, NULL) != 0 || producer_new(&p, head, NULL, NULL) != 0) {
        atomic_store(&shared->wrong, "no producer");
        return NULL;
    }
    while (!atomic_load(&shared->stop)) {
        struct produced made;
        const struct head_block *b = head_latest(head);
        int r = play_block(&own, p, &b->hash, 8, 0, &made, &a, NULL);
        head_block_release(b);
        // Its parent may have been left behind meanwhile.
        if (r != 0 && r != ERR_STALE && r != ERR_NOT_FOUND) {
            atomic_store(&shared->wrong, "a block cannot be made");
        }
        arena_reset(&a);
    }
    producer_free(p);
    play_free(&own);
    arena_free(&a);
    return NULL;
}

TEST(head_is_read_while_it_moves) {
    static struct reading shared;
    struct error why;
    pthread_t threads[3];
    begin(true, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, i == 2 ? produce_along : read_along, &shared) == 0);
    }
    for (unsigned i = 0; i < 40; i++) {
        struct hash at = latest(), a = add_block(&at, 8), b = add_block(&at, 8);
        CHECK_OK(head_set(head, &a, NULL, NULL, &why), &why);
        CHECK_OK(head_set(head, &b, NULL, NULL, &why), &why);
        arena_reset(&arena);
    }
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    if (shared.wrong) FAIL("%s", (const char *)shared.wrong);
    CHECK(atomic_load(&shared.proofs) > 0);
    end();
}

TEST(head_seals_candidates_in_any_order) {
    struct error why;
    struct produced made[6];
    struct head_verdict v;
    begin(false, 0);
    extend(3);
    struct hash parent = latest();
    for (unsigned i = 0; i < 6; i++) {
        CHECK_OK(play_block(&play, producer, &parent, 5 + 7 * (i % 3), 0, &made[i], &arena, &why),
                 &why);
    }
    for (unsigned i = 6; i-- > 0;) {
        CHECK_OK(head_import(head, &v, made[i].rlp, &why), &why);
        if (v.status != HEAD_VALID) FAIL("candidate %u: %s", i, v.reason.text);
    }
    struct produce_attributes none = {0};
    CHECK_ERR(producer_begin(producer, &parent, &none, &why), ERR_INVALID);
    CHECK_ERR(producer_begin(producer, &(struct hash){{1}}, &none, &why), ERR_NOT_FOUND);
    CHECK_ERR(producer_seal(producer, &made[0], NULL, 0, &arena, &why), ERR_CONFLICT);
    end();
}

TEST_MAIN()
