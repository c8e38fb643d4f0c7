/* A chain whose state an execution client keeps: the same blocks as with the state here, and no
 * client can make it believe what is not so.
 * SPDX-License-Identifier: MIT */
#include "chain/remote_state.h"

#include "chain/play.h"
#include "crypto/keccak.h"
#include "eth/rpc_json.h"
#include "test/harness/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define BLOCKS 8
#define ANCHOR 3
#define TXS 14

enum lie {
    HONEST,
    BALANCE,       /* another balance than the proof shows */
    SLOT_VALUE,    /* another value of a slot */
    NODE,          /* a byte of a node turned */
    SHORT,         /* the last node left out */
    OLDER,         /* the state of an older block */
    OTHER_ACCOUNT, /* a good proof, but of another account */
    OTHER_SLOT,    /* a good proof, but of another slot */
    CODE,          /* other code */
    NO_MEMBERS,    /* an empty object */
    FAILS,         /* an error */
    LIES,
};

/* The client: a chain with its state. */
static struct play play;
static struct head *there;
static struct producer *maker;
static struct hash hashes[BLOCKS + 1];
static _Atomic(enum lie) lie; // read by the workers that fetch ahead
static atomic_uint told, asked;
static bool slow; /* with code */
static uint64_t newest;
static struct arena arena;

static void make_chain(uint64_t seed) {
    struct error why;
    struct head_verdict v;
    arena_init(&arena, 0);
    CHECK_OK(play_init(&play, seed, FORK_PRAGUE, &why), &why);
    const struct head_options options = {.genesis = &play.genesis, .threads = 1};
    CHECK_OK(head_open(&there, &options, &why), &why);
    CHECK_OK(producer_new(&maker, there, NULL, &why), &why);
    const struct head_block *b = head_latest(there);
    hashes[0] = b->hash;
    head_block_release(b);
    for (int i = 1; i <= BLOCKS; i++) {
        struct produced made;
        CHECK_OK(play_block(&play, maker, &hashes[i - 1], TXS, 0, &made, &arena, &why), &why);
        CHECK_OK(head_import(there, &v, made.rlp, &why), &why);
        CHECK(v.status == HEAD_VALID);
        CHECK_OK(head_set(there, &made.hash, NULL, NULL, &why), &why);
        hashes[i] = made.hash;
    }
    newest = ANCHOR;
    lie = HONEST;
    atomic_store(&told, 0);
}

static void end_chain(void) {
    producer_free(maker);
    head_close(there);
    play_free(&play);
    arena_free(&arena);
}

static const struct json *parsed(const struct buf *out, struct arena *a) {
    const struct json *doc;
    struct error why;
    CHECK_OK(json_parse(&doc, arena_copy(a, buf_view(out)), a, NULL, &why), &why);
    return doc;
}

static void tell(enum lie which, bool is_one) {
    if (lie == which && is_one) (void)atomic_fetch_add(&told, 1);
}

static void bend(struct account_proof *p, struct arena *a) {
    tell(BALANCE, true);
    tell(OTHER_ACCOUNT, true);
    tell(SLOT_VALUE, p->slot_count > 0);
    tell(OTHER_SLOT, p->slot_count > 0);
    tell(NODE, p->proof.count > 0);
    tell(SHORT, p->proof.count > 0);
    if (lie == BALANCE) p->account.balance.w[0] ^= 1;
    if (lie == SLOT_VALUE && p->slot_count) {
        struct proof_slot *s = arena_new_array(a, struct proof_slot, p->slot_count);
        memcpy(s, p->slots, p->slot_count * sizeof *s);
        s[0].value.w[0] ^= 1;
        p->slots = s;
    }
    if (lie == NODE && p->proof.count) {
        struct bytes *nodes = arena_new_array(a, struct bytes, p->proof.count);
        memcpy(nodes, p->proof.nodes, p->proof.count * sizeof *nodes);
        struct bytes last = arena_copy(a, nodes[p->proof.count - 1]);
        ((uint8_t *)(uintptr_t)last.p)[last.n / 2] ^= 4;
        nodes[p->proof.count - 1] = last;
        p->proof.nodes = nodes;
    }
    if (lie == SHORT && p->proof.count) p->proof.count--;
}

static int give_proof(const struct json *params, struct buf *out, struct arena *a,
                      struct error *why) {
    struct address address;
    struct hash block, slots[64];
    struct account_proof p;
    struct head_view *view;
    struct json_writer w;
    size_t n = 0;
    CHECK_OK(json_address(&address, json_at(params, 0), why), why);
    json_each(item, json_at(params, 1)) {
        CHECK(n < 64);
        CHECK_OK(json_hash(&slots[n++], item, why), why);
    }
    CHECK_OK(json_get_hash(&block, json_at(params, 2), "blockHash", why), why);
    if (lie == OLDER) {
        tell(OLDER, true);
        block = hashes[1];
    }
    if (lie == OTHER_ACCOUNT) address.b[19] ^= 1;
    if (lie == OTHER_SLOT && n) slots[0].b[31] ^= 1;
    CHECK_OK(head_view_open(there, &view, &block, why), why);
    CHECK_OK(head_view_prove(view, &p, &address, slots, n, a, why), why);
    head_view_close(view);
    bend(&p, a);
    json_writer_init(&w, out, 0);
    account_proof_encode(&w, NULL, &p);
    return 0;
}

static int give_code(const struct json *params, struct buf *out, struct error *why) {
    struct address address;
    struct hash block;
    struct head_view *view;
    struct bytes code;
    struct json_writer w;
    CHECK_OK(json_address(&address, json_at(params, 0), why), why);
    CHECK_OK(json_get_hash(&block, json_at(params, 1), "blockHash", why), why);
    CHECK_OK(head_view_open(there, &view, &block, why), why);
    CHECK_OK(head_view_code(view, &code, &address, why), why);
    tell(CODE, true);
    if (slow) (void)usleep(20000);
    json_writer_init(&w, out, 0);
    json_add_data(&w, NULL, lie == CODE ? BYTES_LIT("\x60\x00") : code);
    head_view_close(view);
    return 0;
}

static int give_block(const struct json *params, struct buf *out, struct error *why) {
    const struct head_block *b;
    struct json_writer w;
    uint64_t number = newest;
    if (!bytes_equal_str(json_text(json_at(params, 0)), "latest")) {
        CHECK_OK(json_quantity(&number, json_at(params, 0), why), why);
    }
    CHECK_OK(head_block_by_number(there, &b, number, why), why);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    header_json_encode(&w, &b->block.header, &b->hash);
    json_end(&w);
    head_block_release(b);
    return 0;
}

static int serve(void *context, const char *method, struct bytes params, struct arena *a,
                 const struct json **ret, struct error *why) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct buf out;
    const struct json *in;
    (void)context;
    CHECK_OK(json_parse(&in, arena_copy(a, params), a, NULL, why), why);
    (void)pthread_mutex_lock(&lock);
    (void)atomic_fetch_add(&asked, 1);
    buf_init(&out, 0);
    int r = error_set(why, ERR_UNSUPPORTED, "the method %s does not exist", method);
    if (strcmp(method, "eth_getProof") == 0) r = give_proof(in, &out, a, why);
    if (strcmp(method, "eth_getCode") == 0) r = give_code(in, &out, why);
    if (strcmp(method, "eth_getBlockByNumber") == 0) r = give_block(in, &out, why);
    if (r == 0 && lie == NO_MEMBERS) {
        tell(NO_MEMBERS, true);
        buf_clear(&out);
        buf_append_str(&out, "{}");
    }
    if (r == 0 && lie == FAILS) {
        tell(FAILS, true);
        r = error_set(why, ERR_INVALID, "missing trie node");
    }
    if (r == 0) *ret = parsed(&out, a);
    buf_free(&out);
    (void)pthread_mutex_unlock(&lock);
    return r;
}

/* Us. */

static struct remote_state *remote;
static struct head *here;

static void open_here(void) {
    static struct remote_anchor anchor;
    const struct remote_state_options options = {.call = serve, .prefetches = 2};
    struct error why;
    CHECK_OK(remote_state_new(&remote, &options, &why), &why);
    CHECK_OK(remote_state_anchor(remote, &anchor, &arena, &why), &why);
    CHECK(hash_equal(&anchor.hash, &hashes[newest]));
    CHECK_U64(anchor.ancestor_count, newest);
    const struct head_options head = {
        .genesis = &play.genesis, .threads = 1, .remote = remote, .anchor = &anchor};
    CHECK_OK(head_open(&here, &head, &why), &why);
}

static void close_here(void) {
    head_close(here);
    remote_state_free(remote);
}

static int import(uint64_t number, struct head_verdict *v, struct error *why) {
    const struct head_block *b;
    CHECK_OK(head_block_by_number(there, &b, number, why), why);
    int r = head_import(here, v, b->rlp, why);
    head_block_release(b);
    return r;
}

static void import_all(uint64_t to) {
    for (uint64_t i = ANCHOR + 1; i <= to; i++) {
        struct head_verdict v;
        struct error why;
        CHECK_OK(import(i, &v, &why), &why);
        if (v.status != HEAD_VALID) FAIL("block %d: %s", (int)i, v.reason.text);
        CHECK_OK(head_set(here, &v.hash, NULL, NULL, &why), &why);
    }
}

TEST(remote_blocks_have_the_same_state) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        make_chain(seed);
        open_here();
        import_all(BLOCKS);
        // What is made here is good there, and the other way round.
        struct producer *own;
        struct produced made;
        struct head_verdict v;
        struct error why;
        CHECK_OK(producer_new(&own, here, NULL, &why), &why);
        CHECK_OK(play_block(&play, own, &hashes[BLOCKS], TXS, 0, &made, &arena, &why), &why);
        CHECK_OK(head_import(there, &v, made.rlp, &why), &why);
        if (v.status != HEAD_VALID) FAIL("seed %d: %s", (int)seed, v.reason.text);
        producer_free(own);
        close_here();
        end_chain();
    }
}

TEST(remote_ancestors_are_known) {
    make_chain(5);
    open_here();
    struct head_view *view;
    struct hash got;
    struct error why;
    CHECK_OK(head_view_open(here, &view, &hashes[ANCHOR], &why), &why);
    for (uint64_t i = 0; i <= ANCHOR; i++) {
        CHECK_OK(head_view_block_hash(view, &got, i, &why), &why);
        CHECK(hash_equal(&got, &hashes[i]));
    }
    head_view_close(view);
    close_here();
    end_chain();
}

TEST(remote_reads_come_from_the_cache) {
    make_chain(6);
    open_here();
    struct head_view *view;
    struct state_base_account a, b;
    struct head_view *real;
    struct error why;
    CHECK_OK(head_view_open(here, &view, &hashes[ANCHOR], &why), &why);
    CHECK_OK(head_view_open(there, &real, &hashes[ANCHOR], &why), &why);
    for (int round = 0; round < 2; round++) {
        if (round) atomic_store(&asked, 0);
        for (size_t i = 0; i < PLAY_SENDERS; i++) {
            CHECK_OK(head_view_account(view, &a, &play.senders[i], &why), &why);
            CHECK_OK(head_view_account(real, &b, &play.senders[i], &why), &why);
            CHECK(u256_equal(a.balance, b.balance) && a.nonce == b.nonce && a.exists == b.exists);
        }
        for (uint64_t i = 0; i < PLAY_CONTRACTS; i++) {
            struct address contract = play_address(0xc0, i);
            struct bytes code, expected;
            CHECK_OK(head_view_code(view, &code, &contract, &why), &why);
            CHECK_OK(head_view_code(real, &expected, &contract, &why), &why);
            CHECK_BYTES(code, expected);
            for (uint64_t k = 0; k < 8; k++) {
                struct u256 x, y, key = u256_from_u64(k);
                CHECK_OK(head_view_slot(view, &x, &contract, &key, &why), &why);
                CHECK_OK(head_view_slot(real, &y, &contract, &key, &why), &why);
                CHECK(u256_equal(x, y));
            }
        }
    }
    CHECK_U64(atomic_load(&asked), 0);
    head_view_close(view);
    head_view_close(real);
    close_here();
    end_chain();
}

#define READERS 8

struct reader {
    struct hash code_hash;
    pthread_barrier_t together;
};

static void *read_code(void *arg) {
    struct reader *q = arg;
    const struct remote_at at = {.block = hashes[ANCHOR]};
    struct buf code;
    struct error why;
    buf_init(&code, 0);
    (void)pthread_barrier_wait(&q->together);
    CHECK_OK(remote_state_code(remote, &at, &q->code_hash, &code, &why), &why);
    struct hash got = keccak256(buf_view(&code));
    CHECK(hash_equal(&got, &q->code_hash));
    buf_free(&code);
    return NULL;
}

TEST(remote_code_that_many_miss_is_asked_for_once) {
    const struct address contract = play_address(0xc0, 0);
    pthread_t threads[READERS];
    struct state_base_account a;
    struct remote_counts counts;
    struct reader q;
    struct head_view *view;
    struct error why;
    make_chain(6);
    open_here();
    CHECK_OK(head_view_open(here, &view, &hashes[ANCHOR], &why), &why);
    CHECK_OK(head_view_account(view, &a, &contract, &why), &why);
    q.code_hash = a.code_hash;
    slow = true;
    CHECK(pthread_barrier_init(&q.together, NULL, READERS) == 0);
    for (int i = 0; i < READERS; i++) {
        CHECK(pthread_create(&threads[i], NULL, read_code, &q) == 0);
    }
    for (int i = 0; i < READERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    (void)pthread_barrier_destroy(&q.together);
    slow = false;
    remote_state_count(remote, &counts);
    CHECK_U64(counts.codes, 1);
    head_view_close(view);
    close_here();
    end_chain();
}

// An import while the client lies fails, is no verdict about the block, and succeeds afterwards.
TEST(remote_lies_are_errors) {
    for (enum lie which = BALANCE; which < LIES; which++) {
        make_chain(9);
        open_here();
        struct head_verdict v;
        struct error why;
        struct remote_counts counts;
        lie = which;
        int r = import(ANCHOR + 1, &v, &why);
        if (atomic_load(&told) == 0) FAIL("lie %d was not told", (int)which);
        if (r != ERR_IO) FAIL("lie %d: code %d, verdict %d", (int)which, r, (int)v.status);
        remote_state_count(remote, &counts);
        CHECK(counts.refused > 0 || which == FAILS);
        CHECK(!head_reject_of(here, &hashes[ANCHOR + 1], NULL));
        lie = HONEST;
        import_all(BLOCKS);
        close_here();
        end_chain();
    }
}

TEST(remote_header_must_be_what_it_hashes_to) {
    static struct remote_anchor anchor;
    const struct remote_state_options options = {.call = serve};
    struct error why;
    make_chain(3);
    lie = NO_MEMBERS;
    CHECK_OK(remote_state_new(&remote, &options, &why), &why);
    CHECK_ERR(remote_state_anchor(remote, &anchor, &arena, &why), ERR_IO);
    remote_state_free(remote);
    end_chain();
}

TEST_MAIN()
