/* The pool's promises, on a state in memory. SPDX-License-Identifier: MIT */
#include "chain/txpool.h"

#include "chain/memory_state.h"
#include "crypto/ecdsa.h"
#include "test/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SENDERS 20

static struct error why;
static struct chain_config config;
static struct memory_state state;
static struct arena arena;
static struct ecdsa_signer *signer;
static struct ecdsa_secret_key keys[SENDERS];
static struct address senders[SENDERS];
static struct txpool *pool;
static uint64_t now_s;
static unsigned news;

static uint64_t fake_wall(void *context) {
    (void)context;
    return now_s * NS_PER_S;
}
static const struct clock fake = {.wall = fake_wall, .monotonic = fake_wall};

static void on_pending(void *context, struct pool_tx *t) {
    (void)context;
    (void)t;
    news++;
}

static uint64_t base_fee = 10;

static void set_head(enum fork fork) {
    const struct txpool_head head = {.reader = memory_state_reader(&state),
                                     .number = 1,
                                     .timestamp = 100,
                                     .gas_limit = 30000000,
                                     .base_fee = u256_from_u64(base_fee),
                                     .fork = fork};
    CHECK_OK(txpool_set_head(pool, &head, NULL, 0, &why), &why);
}

static void set_account(unsigned i, uint64_t balance, uint64_t nonce) {
    CHECK_OK(memory_state_set_account(&state, &senders[i], u256_from_u64(balance), nonce,
                                      (struct bytes){NULL, 0}, &why),
             &why);
}

static void begin(struct txpool_limits limits, const char *journal) {
    chain_config_all_at(&config, FORK_PRAGUE, 1);
    memory_state_init(&state);
    arena_init(&arena, 0);
    now_s = 1000;
    news = 0;
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    for (unsigned i = 0; i < SENDERS; i++) {
        struct ecdsa_public_key public;
        memset(&keys[i], 0, sizeof keys[i]);
        keys[i].b[31] = (uint8_t)(i + 1);
        CHECK_OK(ecdsa_public_key_of(signer, &public, &keys[i], &why), &why);
        senders[i] = ecdsa_address(&public);
        set_account(i, 1000000000000000, 0);
    }
    const struct txpool_options o = {
        .config = &config, .limits = limits, .journal = journal, .clock = &fake};
    CHECK_OK(txpool_open(&pool, &o, &why), &why);
    CHECK(txpool_subscribe(pool, on_pending, NULL, &why) > 0);
    set_head(FORK_PRAGUE);
}

static void finish(void) {
    txpool_close(pool);
    memory_state_free(&state);
    arena_free(&arena);
    ecdsa_signer_free(signer);
}

static struct tx plain(uint64_t nonce, uint64_t max_fee, uint64_t tip) {
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = 1,
                   .nonce = nonce,
                   .gas = 21000,
                   .max_fee = u256_from_u64(max_fee),
                   .max_priority_fee = u256_from_u64(tip)};
    t.to.b[19] = 0xee;
    return t;
}

static int put(unsigned i, struct tx t, bool local) {
    struct hash hash;
    CHECK_OK(tx_sign(&t, signer, &keys[i], &arena, &why), &why);
    return txpool_add(pool, t.raw, local, &hash, &why);
}

static void check_counts(size_t pending, size_t queued) {
    size_t p, q;
    txpool_count(pool, &p, &q);
    CHECK_U64(p, pending);
    CHECK_U64(q, queued);
}

static uint64_t nonce_of(unsigned i) {
    uint64_t nonce = 0;
    CHECK_OK(txpool_nonce(pool, &senders[i], &nonce, &why), &why);
    return nonce;
}

TEST(a_gap_waits_and_is_filled) {
    begin((struct txpool_limits){0}, NULL);
    CHECK_OK(put(0, plain(0, 20, 1), false), &why);
    CHECK_OK(put(0, plain(2, 20, 1), false), &why);
    CHECK_OK(put(0, plain(3, 20, 1), false), &why);
    check_counts(1, 2);
    CHECK_U64(news, 1);
    CHECK_U64(nonce_of(0), 1);
    CHECK_OK(put(0, plain(1, 20, 1), false), &why);
    check_counts(4, 0);
    CHECK_U64(news, 4);
    CHECK_U64(nonce_of(0), 4);
    CHECK_ERR(put(0, plain(1, 20, 1), false), ERR_CONFLICT);
    finish();
}

TEST(subscribers_hear_of_each_once) {
    begin((struct txpool_limits){0}, NULL);
    for (uint64_t nonce = 0; nonce < 4; nonce++) {
        CHECK_OK(put(0, plain(nonce, 1000, 100), false), &why);
    }
    set_account(0, 1000000000000000, 1); // a block took the first
    set_head(FORK_PRAGUE);
    check_counts(3, 0);
    CHECK_U64(news, 4);
    set_account(0, 1, 1); // what is left cannot be paid, and then can
    set_head(FORK_PRAGUE);
    check_counts(0, 3);
    set_account(0, 1000000000000000, 1);
    set_head(FORK_PRAGUE);
    check_counts(3, 0);
    CHECK_U64(news, 4);
    CHECK_OK(put(0, plain(2, 1100, 110), false), &why);
    check_counts(3, 0);
    CHECK_U64(news, 5);
    finish();
}

/* A reader that counts how often accounts are read. */
static unsigned account_reads;
static int counted_account(void *ctx, struct state_base_account *ret, const struct address *a,
                           struct error *e) {
    account_reads++;
    return memory_state_reader(ctx).account(ctx, ret, a, e);
}

TEST(a_new_head_reads_each_account_once) {
    enum { MANY = 400 };
    struct ecdsa_secret_key key = {{0}};
    static struct address who[MANY];
    begin((struct txpool_limits){0}, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        struct ecdsa_public_key public;
        struct tx t = plain(0, 1000, 100);
        struct hash hash;
        store_be32(key.b + 28, 1000 + i);
        CHECK_OK(ecdsa_public_key_of(signer, &public, &key, &why), &why);
        who[i] = ecdsa_address(&public);
        CHECK_OK(memory_state_set_account(&state, &who[i], u256_from_u64(1000000000000000), 0,
                                          (struct bytes){NULL, 0}, &why),
                 &why);
        CHECK_OK(tx_sign(&t, signer, &key, &arena, &why), &why);
        CHECK_OK(txpool_add(pool, t.raw, false, &hash, &why), &why);
    }
    check_counts(MANY, 0);
    for (unsigned i = 0; i < MANY; i++) { // a block took all of them
        CHECK_OK(memory_state_set_account(&state, &who[i], u256_from_u64(1000000000000000), 1,
                                          (struct bytes){NULL, 0}, &why),
                 &why);
    }
    struct txpool_head head = {.reader = memory_state_reader(&state),
                               .number = 2,
                               .timestamp = 112,
                               .gas_limit = 30000000,
                               .base_fee = u256_from_u64(base_fee),
                               .fork = FORK_PRAGUE};
    head.reader.account = counted_account;
    account_reads = 0;
    CHECK_OK(txpool_set_head(pool, &head, NULL, 0, &why), &why);
    check_counts(0, 0);
    CHECK_U64(account_reads, MANY);
    finish();
}

TEST(a_pending_one_does_not_grow_too_old) {
    begin((struct txpool_limits){0}, NULL);
    CHECK_OK(put(0, plain(0, 20, 1), false), &why);
    CHECK_OK(put(0, plain(1, 20, 1), false), &why);
    CHECK_OK(put(0, plain(3, 20, 1), false), &why);
    now_s += 3 * 3600 + 1;
    set_account(0, 1000000000000000, 1);
    set_head(FORK_PRAGUE);
    check_counts(1, 0);
    finish();
}

TEST(room_is_made_for_what_a_replacement_grows_by) {
    begin((struct txpool_limits){.bytes = 2000}, NULL);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_OK(put(i, plain(0, 1000, 5), false), &why); // some 110 bytes each
    }
    static uint8_t zeros[1500];
    struct tx grown = plain(0, 2000, 6);
    grown.gas = 100000;
    grown.data = bytes_make(zeros, sizeof zeros);
    struct tx cheap = grown;
    cheap.max_priority_fee = u256_from_u64(2);
    CHECK_OK(put(10, plain(0, 1000, 1), false), &why);
    CHECK_ERR(put(10, cheap, false), ERR_LIMIT); // nobody pays less
    check_counts(11, 0);
    CHECK_OK(put(0, grown, false), &why); // those that pay less make room
    size_t pending, queued;
    txpool_count(pool, &pending, &queued);
    CHECK(pending < 6);
    finish();
}

TEST(the_cheapest_sender_is_not_locked_out_of_a_full_pool) {
    begin((struct txpool_limits){.pending = 3, .queued = 1}, NULL);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(put(i, plain(0, 1000, 1 + i), false), &why);
    }
    // Its own first one pays least of all, and stays: its second one takes another's place.
    CHECK_OK(put(0, plain(1, 1000, 100), false), &why);
    check_counts(4, 0);
    CHECK_U64(nonce_of(0), 2);
    CHECK_U64(nonce_of(1), 0);
    CHECK_ERR(put(0, plain(2, 1000, 2), false), ERR_LIMIT);
    CHECK_OK(put(4, plain(0, 1000, 101), false), &why); // and its place in the order is as it was
    CHECK_U64(nonce_of(2), 0);
    finish();
}

TEST(a_replacement_pays_a_tenth_more_of_every_price) {
    begin((struct txpool_limits){0}, NULL);
    CHECK_OK(put(0, plain(0, 1000, 100), false), &why);
    CHECK_OK(put(0, plain(1, 1000, 100), false), &why);
    CHECK_ERR(put(0, plain(0, 1099, 110), false), ERR_RANGE);
    CHECK_ERR(put(0, plain(0, 1100, 109), false), ERR_RANGE);
    CHECK(strcmp(why.text, "replacement transaction underpriced") == 0);
    CHECK_OK(put(0, plain(0, 1100, 110), false), &why);
    check_counts(2, 0);
    CHECK_U64(news, 3);
    finish();
}

TEST(a_sender_needs_the_money_for_all_that_are_pending) {
    begin((struct txpool_limits){0}, NULL);
    set_account(1, 21000 * 20 * 2, 0);
    CHECK_OK(put(1, plain(0, 20, 1), false), &why);
    CHECK_OK(put(1, plain(1, 20, 1), false), &why);
    CHECK_ERR(put(1, plain(2, 20, 1), false), ERR_RANGE);
    CHECK(strncmp(why.text, "insufficient funds for gas * price + value", 42) == 0);
    set_account(1, 21000 * 20, 0);
    set_head(FORK_PRAGUE);
    check_counts(1, 1);
    set_account(1, 21000 * 20, 1);
    set_head(FORK_PRAGUE);
    check_counts(1, 0);
    CHECK_ERR(put(1, plain(0, 20, 1), false), ERR_STALE);
    CHECK(strcmp(why.text, "nonce too low: next nonce 1, tx nonce 0") == 0);
    finish();
}

TEST(what_no_block_could_take_is_refused) {
    begin((struct txpool_limits){.price_min = u256_from_u64(5)}, NULL);
    struct tx t = plain(0, 20, 21);
    CHECK_ERR(put(0, t, false), ERR_RANGE);
    t = plain(0, 20, 4);
    CHECK_ERR(put(0, t, false), ERR_RANGE);
    CHECK_OK(put(0, t, true), &why); // the price rule is for remote ones
    t = plain(1, 20, 5);
    t.gas = 20999;
    CHECK_ERR(put(0, t, false), ERR_RANGE);
    t.gas = 30000001;
    CHECK_ERR(put(0, t, false), ERR_RANGE);
    t = plain(1, 20, 5);
    t.chain_id = 2;
    CHECK_ERR(put(0, t, false), ERR_INVALID);
    t = plain(UINT64_MAX, 20, 5);
    CHECK_ERR(put(0, t, false), ERR_RANGE);
    const uint8_t code[] = {0x60, 0x00};
    CHECK_OK(memory_state_set_account(&state, &senders[2], u256_from_u64(1000000000), 0,
                                      bytes_make(code, sizeof code), &why),
             &why);
    set_head(FORK_PRAGUE);
    CHECK_ERR(put(2, plain(0, 20, 5), false), ERR_INVALID);
    CHECK(strcmp(why.text, "sender not an eoa") == 0);
    CHECK_ERR(txpool_add(pool, BYTES_LIT("\x02\xc0"), false, &(struct hash){0}, &why), ERR_SYNTAX);
    finish();
}

TEST(a_full_pool_keeps_who_pays_most_and_the_locals) {
    begin((struct txpool_limits){.pending = 3, .queued = 1}, NULL);
    CHECK_OK(put(0, plain(0, 1000, 5), true), &why);
    CHECK_OK(put(1, plain(0, 1000, 10), false), &why);
    CHECK_OK(put(2, plain(0, 1000, 20), false), &why);
    CHECK_OK(put(3, plain(0, 1000, 30), false), &why);
    CHECK_ERR(put(4, plain(0, 1000, 10), false), ERR_LIMIT); // pays no more than the cheapest
    CHECK(strcmp(why.text, "txpool is full") == 0);
    CHECK_OK(put(4, plain(0, 1000, 11), false), &why);
    check_counts(4, 0);
    CHECK_U64(nonce_of(1), 0);
    CHECK_U64(nonce_of(0), 1);
    CHECK_OK(put(5, plain(0, 1000, 1), true), &why); // a local one pushes out a remote one
    CHECK_U64(nonce_of(4), 0);
    finish();
}

static uint64_t tip_of(const struct pool_tx *t) {
    uint64_t fee = t->tx.max_fee.w[0], tip = t->tx.max_priority_fee.w[0];
    if (fee >= base_fee + tip) return tip;
    return fee < base_fee ? 0 : fee - base_fee;
}

// What a linear search over all other senders would evict: the tip of the cheapest last
// transaction.
static uint64_t cheapest_tip(bool queued_only, const struct address *except) {
    struct txpool_list all;
    size_t pending;
    uint64_t least = UINT64_MAX;
    CHECK_OK(txpool_content(pool, NULL, &all, &pending, &why), &why);
    for (size_t i = 0; i < all.count; i++) {
        const struct pool_tx *t = all.items[i];
        bool last = true, queued = i >= pending;
        if (address_equal(&t->sender, except)) continue;
        for (size_t k = 0; k < all.count; k++) {
            if (!address_equal(&all.items[k]->sender, &t->sender)) continue;
            last = last && all.items[k]->tx.nonce <= t->tx.nonce;
        }
        if (!last || t->local || (queued_only && !queued)) continue;
        if (tip_of(t) < least) least = tip_of(t);
    }
    txpool_list_free(&all);
    return least;
}

static bool is_there(const struct hash *h) {
    struct pool_tx *t = txpool_get(pool, h);
    if (t) pool_tx_release(t);
    return t != NULL;
}

TEST(the_cheapest_gives_way_whatever_happened_before) {
    struct txpool_list before;
    uint64_t random = 1;
    size_t pending, evictions = 0;
    begin((struct txpool_limits){.pending = 30, .queued = 10}, NULL);
    for (unsigned round = 0; round < 3000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned r = (unsigned)(random >> 33);
        unsigned i = r % SENDERS;
        if (r % 97 == 0) { // all are ranked anew
            base_fee = 1 + r % 60;
            set_head(FORK_PRAGUE);
        }
        CHECK_OK(txpool_content(pool, NULL, &before, &pending, &why), &why);
        if (r % 31 == 0 && before.count) {
            CHECK(txpool_remove(pool, &before.items[r % before.count]->tx.hash));
            txpool_list_free(&before);
            continue;
        }
        uint64_t tip = 1 + (r >> 8) % 90, nonce = nonce_of(i) + ((r >> 5) % 4 == 0);
        uint64_t least = cheapest_tip(false, &senders[i]);
        uint64_t least_queued = cheapest_tip(true, &senders[i]);
        bool local = r % 41 == 0;
        if (put(i, plain(nonce, 60 + (r >> 12) % 90, tip), local) == 0) {
            bool any = false, right = false; // one that waits may have taken the room of two
            size_t local_gone = 0; // behind a local one that goes, a dear remote one may be next
            for (size_t k = 0; k < before.count; k++) {
                const struct pool_tx *t = before.items[k];
                bool replaced = address_equal(&t->sender, &senders[i]) && t->tx.nonce == nonce;
                if (is_there(&t->tx.hash) || replaced) continue;
                local_gone += t->local;
                if (t->local) continue;
                uint64_t paid = tip_of(t);
                any = true;
                right = right || paid == least || (k >= pending && paid == least_queued);
                evictions++;
            }
            CHECK(local || local_gone == 0);
            CHECK(right || !any || local_gone > 0);
        }
        txpool_list_free(&before);
    }
    base_fee = 10;
    CHECK(evictions > 300);
    finish();
}

TEST(limits_of_a_sender_hold) {
    begin((struct txpool_limits){.pending_per_sender = 2, .queued_per_sender = 2}, NULL);
    CHECK_OK(put(0, plain(5, 20, 1), false), &why);
    CHECK_OK(put(0, plain(6, 20, 1), false), &why);
    CHECK_ERR(put(0, plain(7, 20, 1), false), ERR_LIMIT);
    CHECK_OK(put(0, plain(0, 20, 1), false), &why);
    CHECK_OK(put(0, plain(1, 20, 1), false), &why);
    CHECK_ERR(put(0, plain(2, 20, 1), false), ERR_LIMIT);
    check_counts(2, 2);
    now_s += 3 * 3600 + 1;
    set_head(FORK_PRAGUE);
    check_counts(2, 0);
    finish();
}

TEST(the_best_of_each_sender_comes_first) {
    begin((struct txpool_limits){0}, NULL);
    CHECK_OK(put(0, plain(0, 100, 5), false), &why);
    CHECK_OK(put(0, plain(1, 100, 50), false), &why);
    CHECK_OK(put(1, plain(0, 100, 20), false), &why);
    CHECK_OK(put(2, plain(0, 12, 12), false), &why); // pays 2 above the base fee
    CHECK_OK(put(3, plain(0, 9, 9), false), &why);   // below the base fee
    struct txpool_list l;
    CHECK_OK(txpool_pending(pool, u256_from_u64(10), &l, &why), &why);
    CHECK_U64(l.count, 4);
    static const unsigned order[] = {1, 0, 0, 2};
    for (size_t i = 0; i < l.count; i++) {
        CHECK(address_equal(&l.items[i]->sender, &senders[order[i]]));
    }
    CHECK_U64(l.items[1]->tx.nonce, 0);
    CHECK_U64(l.items[2]->tx.nonce, 1);
    txpool_list_free(&l);
    size_t pending;
    CHECK_OK(txpool_content(pool, &senders[0], &l, &pending, &why), &why);
    CHECK_U64(l.count, 2);
    CHECK_U64(pending, 2);
    txpool_list_free(&l);
    finish();
}

static struct tx set_code(uint64_t nonce, const struct tx_authorization *auths, size_t count) {
    struct tx t = plain(nonce, 20, 1);
    t.type = TX_SET_CODE;
    t.gas = 100000;
    t.authorizations = auths;
    t.authorization_count = count;
    return t;
}

TEST(delegated_accounts_have_one_transaction_at_a_time) {
    begin((struct txpool_limits){0}, NULL);
    struct tx_authorization auth = {.chain_id = U256_ONE, .address = senders[5], .nonce = 0};
    struct hash digest = tx_authorization_hash(&auth);
    CHECK_OK(ecdsa_sign(signer, &auth.signature, &digest, &keys[1], &why), &why);
    CHECK_OK(put(0, set_code(0, &auth, 1), false), &why); // names sender 1
    CHECK_ERR(put(1, plain(1, 20, 1), false), ERR_INVALID);
    CHECK_OK(put(1, plain(0, 20, 1), false), &why);
    CHECK_ERR(put(1, plain(1, 20, 1), false), ERR_LIMIT);
    CHECK_OK(put(1, plain(0, 22, 2), false), &why); // may be replaced
    // An authority that has several in the pool cannot be named any more.
    CHECK_OK(put(2, plain(0, 20, 1), false), &why);
    CHECK_OK(put(2, plain(1, 20, 1), false), &why);
    CHECK_OK(ecdsa_sign(signer, &auth.signature, &digest, &keys[2], &why), &why);
    CHECK_ERR(put(3, set_code(0, &auth, 1), false), ERR_CONFLICT);
    uint8_t code[23] = {0xef, 0x01, 0x00};
    CHECK_OK(memory_state_set_account(&state, &senders[4], u256_from_u64(1000000000), 0,
                                      bytes_make(code, sizeof code), &why),
             &why);
    set_head(FORK_PRAGUE);
    CHECK_OK(put(4, plain(0, 20, 1), false), &why);
    CHECK_ERR(put(4, plain(1, 20, 1), false), ERR_LIMIT);
    finish();
}

TEST(transactions_of_removed_blocks_come_back) {
    begin((struct txpool_limits){0}, NULL);
    struct tx t = plain(0, 20, 1);
    CHECK_OK(tx_sign(&t, signer, &keys[0], &arena, &why), &why);
    const struct tx *back[] = {&t};
    const struct txpool_head head = {.reader = memory_state_reader(&state),
                                     .timestamp = 100,
                                     .gas_limit = 30000000,
                                     .fork = FORK_PRAGUE};
    CHECK_OK(txpool_set_head(pool, &head, back, 1, &why), &why);
    check_counts(1, 0);
    struct pool_tx *found = txpool_get(pool, &t.hash);
    CHECK(found && address_equal(&found->sender, &senders[0]));
    pool_tx_release(found);
    CHECK(txpool_remove(pool, &t.hash) && !txpool_remove(pool, &t.hash));
    check_counts(0, 0);
    finish();
}

TEST(local_transactions_survive_a_restart) {
    char path[] = "/tmp/txpool_test_XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    (void)close(fd);
    begin((struct txpool_limits){0}, path);
    CHECK_OK(txpool_load_journal(pool, &why), &why);
    CHECK_OK(put(0, plain(0, 20, 1), true), &why);
    CHECK_OK(put(0, plain(2, 20, 1), true), &why);
    CHECK_OK(put(1, plain(0, 20, 1), false), &why);
    finish();
    FILE *f = fopen(path, "ab"); // what a crash leaves of the last record
    CHECK(f && fwrite("\0\0\0\x50half", 1, 8, f) == 8 && fclose(f) == 0);
    begin((struct txpool_limits){0}, path);
    CHECK_OK(txpool_load_journal(pool, &why), &why);
    check_counts(1, 1);
    CHECK_OK(put(0, plain(1, 20, 1), true), &why);
    check_counts(3, 0);
    finish();
    begin((struct txpool_limits){0}, path);
    set_account(0, 1000000000, 1);
    set_head(FORK_PRAGUE);
    CHECK_OK(txpool_load_journal(pool, &why), &why);
    check_counts(2, 0);
    finish();
    CHECK(unlink(path) == 0);
}

TEST(the_journal_does_not_grow_with_what_left_the_pool) {
    static uint8_t zeros[120 << 10];
    char path[] = "/tmp/txpool-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    begin((struct txpool_limits){.bytes = 1 << 20}, path);
    CHECK_OK(txpool_load_journal(pool, &why), &why);
    struct tx t = plain(0, 20, 1);
    t.gas = 2000000;
    t.data = bytes_make(zeros, sizeof zeros);
    for (unsigned i = 0; i < 600; i++) { // 70 MiB, and no new head
        struct hash hash;
        struct tx one = t;
        one.value = u256_from_u64(i);
        CHECK_OK(tx_sign(&one, signer, &keys[0], &arena, &why), &why);
        CHECK_OK(txpool_add(pool, one.raw, true, &hash, &why), &why);
        if (i < 599) CHECK(txpool_remove(pool, &hash));
    }
    (void)close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC); // another file than at the beginning
    CHECK(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    (void)close(fd);
    CHECK(size > (off_t)sizeof zeros && size < 66 << 20);
    finish();
    begin((struct txpool_limits){0}, path);
    CHECK_OK(txpool_load_journal(pool, &why), &why);
    check_counts(1, 0);
    finish();
    CHECK(unlink(path) == 0);
}

TEST(a_fork_drops_what_it_forbids) {
    begin((struct txpool_limits){0}, NULL);
    struct tx t = plain(0, 20, 1);
    t.gas = 20000000; // above the limit of one transaction from Osaka on
    CHECK_OK(put(0, t, false), &why);
    CHECK_OK(put(0, plain(1, 20, 1), false), &why);
    set_head(FORK_OSAKA);
    check_counts(0, 1);
    finish();
}

TEST_MAIN()
