/* Both stores against a model, through blocks, restarts and kills.
 * SPDX-License-Identifier: MIT */
#include "trie/store_backend.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/proof.h"
#include "trie/trie_plain.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/trie_store_XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void remove_folder(void) {
    char path[512];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)unlink(path);
    }
    if (d) (void)closedir(d);
    (void)rmdir(folder);
}

static struct trie_store *open_store(bool disk, size_t map_bytes) {
    const struct trie_store_lmdb_options options = {.map_bytes = map_bytes, .relaxed = true};
    struct trie_store *s;
    struct error why;
    if (disk) {
        CHECK_OK(trie_store_open_lmdb(&s, folder, &options, &why), &why);
    } else {
        CHECK_OK(trie_store_open_memory(&s, &why), &why);
    }
    return s;
}

static struct hash hash_of(uint64_t i) {
    return keccak256(bytes_make(&i, sizeof i));
}

static void check_values(bool disk) {
    struct error why;
    make_folder();
    struct trie_store *s = open_store(disk, 0);
    struct trie_store_head head, expected = {7, hash_of(1), hash_of(2)};
    const struct hash a = hash_of(10), b = hash_of(11), slot = hash_of(12);
    struct account account = {UINT64_MAX, U256_MAX, hash_of(4), hash_of(5)}, got; // the longest
    struct u256 value;
    uint8_t node[TRIE_NODE_MAX + 1] = {0}, got_node[TRIE_NODE_MAX];
    size_t n;
    struct trie_path path = {.key = {0x12, 0x30}, .depth = 3}, longer = path, deep = {.depth = 64};
    memcpy(deep.key, a.b, 32);
    longer.depth = 4;
    CHECK_ERR(trie_store_head(s, &head, &why), ERR_NOT_FOUND);
    CHECK_OK(trie_store_put_account(s, &a, &account, &why), &why);
    CHECK_OK(trie_store_put_slot(s, &a, &slot, u256_from_u64(0x1234), &why), &why);
    CHECK_OK(trie_store_put_slot(s, &b, &slot, U256_MAX, &why), &why);
    CHECK_OK(trie_store_put_node(s, NULL, &path, bytes_make(node, 532), &why), &why);
    CHECK_OK(trie_store_put_node(s, NULL, &deep, bytes_make(node, 31), &why), &why);
    CHECK_OK(trie_store_put_node(s, &a, &path, bytes_make(node, 40), &why), &why);
    CHECK_OK(trie_store_put_node(s, &a, &longer, bytes_make(node, 41), &why), &why);
    CHECK_OK(trie_store_put_node(s, &b, &path, bytes_make(node, 42), &why), &why);
    CHECK_ERR(trie_store_put_node(s, &b, &path, bytes_make(node, 533), &why), ERR_LIMIT);
    // Nothing can be seen before the commit.
    CHECK_ERR(trie_store_account(s, &a, &got, &why), ERR_NOT_FOUND);
    CHECK_OK(trie_store_commit(s, &expected, &why), &why);
    CHECK_OK(trie_store_head(s, &head, &why), &why);
    CHECK(head.number == 7 && hash_equal(&head.hash, &expected.hash) &&
          hash_equal(&head.root, &expected.root));
    CHECK_OK(trie_store_account(s, &a, &got, &why), &why);
    CHECK(got.nonce == UINT64_MAX && u256_equal(got.balance, U256_MAX));
    CHECK_OK(trie_store_slot(s, &a, &slot, &value, &why), &why);
    CHECK(u256_equal(value, u256_from_u64(0x1234)));
    CHECK_OK(trie_store_slot(s, &b, &slot, &value, &why), &why);
    CHECK(u256_equal(value, U256_MAX));
    CHECK_OK(trie_store_node(s, &a, &longer, got_node, &n, &why), &why);
    CHECK_U64(n, 41);
    // Dropped; then one owner cleared, of which something comes again in the same block.
    CHECK_OK(trie_store_clear(s, &b, &why), &why);
    trie_store_abort(s);
    CHECK_OK(trie_store_clear(s, &a, &why), &why);
    CHECK_OK(trie_store_put_node(s, &a, &longer, bytes_make(node, 99), &why), &why);
    CHECK_OK(trie_store_put_account(s, &a, NULL, &why), &why);
    CHECK_OK(trie_store_put_slot(s, &b, &slot, U256_ZERO, &why), &why);
    CHECK_OK(trie_store_put_node(s, NULL, &longer, bytes_make(node, 0), &why), &why);
    CHECK_OK(trie_store_commit(s, &expected, &why), &why);
    CHECK_ERR(trie_store_account(s, &a, &got, &why), ERR_NOT_FOUND);
    CHECK_ERR(trie_store_slot(s, &a, &slot, &value, &why), ERR_NOT_FOUND);
    CHECK_ERR(trie_store_slot(s, &b, &slot, &value, &why), ERR_NOT_FOUND);
    CHECK_ERR(trie_store_node(s, &a, &path, got_node, &n, &why), ERR_NOT_FOUND);
    CHECK_OK(trie_store_node(s, &a, &longer, got_node, &n, &why), &why);
    CHECK_U64(n, 99);
    CHECK_OK(trie_store_node(s, &b, &path, got_node, &n, &why), &why);
    CHECK_OK(trie_store_node(s, NULL, &path, got_node, &n, &why), &why);
    CHECK_U64(n, 532);
    CHECK_OK(trie_store_node(s, NULL, &deep, got_node, &n, &why), &why);
    CHECK_U64(n, 31);
    trie_store_close(s);
    remove_folder();
}

TEST(store_in_memory_keeps_values) {
    check_values(false);
}

TEST(store_on_disk_keeps_values) {
    check_values(true);
}

/* A chain whose blocks follow from their number, so that any process knows each state. */
#define ACCOUNTS 24
#define SLOTS 8

struct chain {
    uint64_t number;
    bool exists[ACCOUNTS];
    uint64_t nonce[ACCOUNTS];
    uint64_t slot[ACCOUNTS][SLOTS];
};

struct block {
    struct state_account_change change[ACCOUNTS];
    struct state_slot_change slot[ACCOUNTS][SLOTS];
    size_t count;
};

static struct address address_of(size_t i) {
    struct address a = {{0}};
    store_be64(a.b, 0x5000 + i);
    return a;
}

static struct hash slot_of(size_t i) {
    struct hash h = {{0}};
    h.b[31] = (uint8_t)i;
    return h;
}

// Makes the next block and what it leads to.
static void next_block(struct chain *c, struct block *b) {
    uint64_t x = ++c->number * 0x9e3779b97f4a7c15u + 1;
    b->count = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        if (x >> 62) continue;
        struct state_account_change *a = &b->change[b->count];
        *a = (struct state_account_change){.address = address_of(i),
                                           .nonce = c->number,
                                           .code_hash = ACCOUNT_EMPTY_CODE,
                                           .slots = b->slot[b->count]};
        a->removed = (x >> 58) % 8 == 0;
        a->storage_cleared = a->removed || !c->exists[i];
        if (a->storage_cleared) memset(c->slot[i], 0, sizeof c->slot[i]);
        for (size_t k = 0; k < SLOTS && !a->removed; k++) {
            if (x >> (20 + k) & 1) continue;
            c->slot[i][k] = x >> (30 + k) & 1 ? c->number * 1000 + k : 0;
            b->slot[b->count][a->slot_count++] =
                (struct state_slot_change){slot_of(k), u256_from_u64(c->slot[i][k])};
        }
        c->exists[i] = !a->removed;
        c->nonce[i] = c->number;
        b->count++;
    }
}

static struct hash chain_root(const struct chain *c) {
    static struct trie_plain_account account[ACCOUNTS];
    static struct trie_plain_slot slot[ACCOUNTS][SLOTS];
    struct hash root;
    struct error why;
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (!c->exists[i]) continue;
        for (size_t k = 0; k < SLOTS; k++) {
            slot[n][k] = (struct trie_plain_slot){slot_of(k), u256_from_u64(c->slot[i][k])};
        }
        account[n] = (struct trie_plain_account){address_of(i),      c->nonce[i], U256_ZERO,
                                                 ACCOUNT_EMPTY_CODE, slot[n],     SLOTS};
        n++;
    }
    CHECK_OK(trie_plain_state_root(&root, account, n, &why), &why);
    return root;
}

/* A store and the state at its head. */
struct node {
    struct trie_store *store;
    struct trie_store_source source;
    struct state_root *state;
    struct trie_store_head head;
};

static void node_open(struct node *n, struct trie_store *store) {
    struct error why;
    n->store = store;
    n->head = (struct trie_store_head){.root = TRIE_EMPTY_ROOT};
    int r = trie_store_head(store, &n->head, &why);
    if (r != ERR_NOT_FOUND) CHECK_OK(r, &why);
    const struct state_root_options options = {.source = trie_store_source(&n->source, store),
                                               .stored = true};
    CHECK_OK(state_root_create(&n->state, &n->head.root, &options, &why), &why);
}

static void node_close(struct node *n) {
    state_root_free(n->state);
    trie_store_close(n->store);
}

static void node_add(struct node *n, const struct block *b, uint64_t number) {
    struct error why;
    struct trie_store_head head = {.number = number, .hash = hash_of(number)};
    CHECK_OK(state_root_compute(n->state, &head.root, b->change, b->count, NULL, NULL, NULL, &why),
             &why);
    state_root_advance(n->state);
    CHECK_OK(trie_store_put_block(n->store, n->state, b->change, b->count, &why), &why);
    CHECK_OK(trie_store_commit(n->store, &head, &why), &why);
    n->head = head;
}

static bool is_missing(int r, const struct error *why) {
    if (r != ERR_NOT_FOUND) CHECK_OK(r, why);
    return r == ERR_NOT_FOUND;
}

// All that the store has is what the chain says at its head, and no root is wrong.
static void check_node(struct node *n, const struct chain *c) {
    struct error why;
    struct hash expected = chain_root(c);
    struct arena arena;
    arena_init(&arena, 0);
    CHECK_U64(n->head.number, c->number);
    CHECK_BYTES(BYTES_OF(n->head.root), BYTES_OF(expected));
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct address address = address_of(i);
        struct hash key = keccak256(BYTES_OF(address)), slots[SLOTS];
        struct account a;
        struct account_proof proof;
        bool missing = is_missing(trie_store_account(n->store, &key, &a, &why), &why);
        CHECK(missing == !c->exists[i] && (missing || a.nonce == c->nonce[i]));
        for (size_t k = 0; k < SLOTS; k++) {
            struct u256 value = U256_ZERO;
            slots[k] = slot_of(k);
            struct hash slot = keccak256(BYTES_OF(slots[k]));
            (void)is_missing(trie_store_slot(n->store, &key, &slot, &value, &why), &why);
            CHECK(u256_equal(value, u256_from_u64(c->slot[i][k])));
        }
        // Through the nodes, which are all there and fit together.
        CHECK_OK(account_proof_make(&proof, n->state, &address, slots, SLOTS, &arena, &why), &why);
        CHECK_OK(account_proof_check(NULL, &proof, &expected, &why), &why);
        CHECK(missing || hash_equal(&proof.account.storage_root, &a.storage_root));
        for (size_t k = 0; k < SLOTS && !missing; k++) {
            CHECK(u256_equal(proof.slots[k].value, u256_from_u64(c->slot[i][k])));
        }
    }
    arena_free(&arena);
}

static void run_blocks(bool disk) {
    static struct chain chain;
    static struct block block;
    struct node n;
    make_folder();
    memset(&chain, 0, sizeof chain);
    node_open(&n, open_store(disk, 0));
    for (int i = 0; i < 40; i++) {
        next_block(&chain, &block);
        node_add(&n, &block, chain.number);
        if (i % 7 == 3) state_root_forget(n.state);
        if (disk && i % 9 == 4) {
            node_close(&n);
            node_open(&n, open_store(true, 0));
        }
        if (i % 5 == 0) check_node(&n, &chain);
    }
    check_node(&n, &chain);
    node_close(&n);
    remove_folder();
}

TEST(store_in_memory_follows_blocks) {
    run_blocks(false);
}

TEST(store_on_disk_follows_blocks) {
    run_blocks(true);
}

TEST(store_grows_its_map) {
    struct error why;
    make_folder();
    struct trie_store *s = open_store(true, 64 << 10);
    uint8_t node[TRIE_NODE_MAX] = {7}, got[TRIE_NODE_MAX];
    size_t n;
    for (uint64_t number = 1; number <= 3; number++) {
        for (uint64_t i = 0; i < 2000; i++) {
            struct hash owner = hash_of(number << 32 | i);
            CHECK_OK(trie_store_put_node(s, &owner, &(struct trie_path){.depth = 0},
                                         bytes_make(node, sizeof node), &why),
                     &why);
        }
        CHECK_OK(trie_store_commit(s, &(struct trie_store_head){.number = number}, &why), &why);
    }
    trie_store_close(s);
    s = open_store(true, 64 << 10); // less than the file has
    for (uint64_t i = 0; i < 2000; i++) {
        struct hash owner = hash_of((uint64_t)2 << 32 | i);
        CHECK_OK(trie_store_node(s, &owner, &(struct trie_path){.depth = 0}, got, &n, &why), &why);
        CHECK_U64(n, sizeof node);
    }
    trie_store_close(s);
    remove_folder();
}

#define VALUE_BYTES (24u << 20)

static int put_large(struct trie_store *s) {
    uint8_t *value = calloc(1, VALUE_BYTES);
    struct bytes view = {value, value ? VALUE_BYTES : 0};
    int r = trie_store_put(s, TRIE_STORE_BLOCKS, BYTES_LIT("large"), view, NULL);
    free(value);
    return r;
}

static int commit_number(struct trie_store *s, uint64_t number) {
    return trie_store_commit(s, &(struct trie_store_head){.number = number}, NULL);
}

static uint64_t head_number(struct trie_store *s) {
    struct trie_store_head head = {.number = UINT64_MAX};
    return trie_store_head(s, &head, NULL) == 0 ? head.number : UINT64_MAX;
}

static rlim_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu", &pages) != 1) pages = 0;
    if (f) (void)fclose(f);
    return pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

// Gives the step that went wrong, 0 for none.
static int grow_without_room(void) {
    struct trie_store *s = open_store(true, 1u << 20);
    struct rlimit limit, before;
    if (commit_number(s, 1) != 0 || put_large(s) != 0) return 1;
    if (getrlimit(RLIMIT_AS, &before) != 0) return 2;
    limit = before;
    limit.rlim_cur = address_space() + VALUE_BYTES;
    if (setrlimit(RLIMIT_AS, &limit) != 0) return 3;
    if (commit_number(s, 2) != ERR_NO_MEMORY) return 4;
    if (head_number(s) != 1) return 5;
    if (setrlimit(RLIMIT_AS, &before) != 0) return 6;
    if (put_large(s) != 0 || commit_number(s, 2) != 0 || head_number(s) != 2) return 7;
    trie_store_close(s);
    return 0;
}

TEST(store_stays_when_its_map_cannot_grow) {
    make_folder();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(grow_without_room());
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_I64(WEXITSTATUS(status), 0);
    remove_folder();
}

TEST(a_write_that_failed_keeps_the_batch_from_being_committed) {
    struct trie_store *s = open_store(false, 0);
    struct error why;
    struct hash key = hash_of(1);
    CHECK_OK(trie_store_put_slot(s, &key, &key, U256_ONE, &why), &why);
    s->batch.limit_bytes = s->batch.n + 10; // the header and a part of the key
    CHECK_ERR(trie_store_put_slot(s, &key, &key, U256_ONE, &why), ERR_LIMIT);
    CHECK_ERR(trie_store_commit(s, NULL, &why), ERR_LIMIT);
    CHECK_OK(trie_store_commit(s, NULL, &why), &why); // nothing is left of it
    struct u256 value;
    CHECK_ERR(trie_store_slot(s, &key, &key, &value, &why), ERR_NOT_FOUND);
    trie_store_close(s);
}

TEST(keys_beside_the_state_are_bounded) {
    struct trie_store *s = open_store(false, 0);
    struct error why;
    uint8_t key[65] = {1};
    CHECK_OK(trie_store_put(s, TRIE_STORE_MARKS, bytes_make(key, 64), BYTES_LIT("x"), &why), &why);
    CHECK_ERR(trie_store_put(s, TRIE_STORE_MARKS, bytes_make(key, 65), BYTES_LIT("x"), &why),
              ERR_LIMIT);
    CHECK_ERR(trie_store_put(s, TRIE_STORE_MARKS, bytes_make(key, 0), BYTES_LIT("x"), &why),
              ERR_LIMIT);
    trie_store_close(s);
}

TEST(store_has_one_process) {
    struct error why;
    struct trie_store *other;
    make_folder();
    struct trie_store *s = open_store(true, 0);
    CHECK_ERR(trie_store_open_lmdb(&other, folder, NULL, &why), ERR_BUSY);
    trie_store_close(s);
    CHECK_ERR(trie_store_open_lmdb(&other, "/nonexistent/folder", NULL, &why), ERR_IO);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *f = fopen(path, "wb"); // not a database
    CHECK(f && fputs("no database here, though long enough to be looked at", f) >= 0);
    CHECK(fclose(f) == 0);
    CHECK_ERR(trie_store_open_lmdb(&other, folder, NULL, &why), ERR_IO);
    remove_folder();
}

struct reading {
    struct trie_store *store;
    _Atomic bool stop;
};

static void *read_heads(void *arg) {
    struct reading *r = arg;
    uint64_t last = 0;
    while (!atomic_load(&r->stop)) {
        struct trie_store_head head;
        struct error why;
        if (trie_store_head(r->store, &head, &why) != 0) continue;
        if (head.number < last || !hash_equal(&head.hash, &(struct hash){{0}})) {
            const struct hash expected = hash_of(head.number);
            if (head.number < last || !hash_equal(&head.hash, &expected)) return r;
        }
        last = head.number;
    }
    return NULL;
}

TEST(stores_are_read_beside_a_writer) {
    for (int disk = 0; disk < 2; disk++) {
        static struct chain chain;
        static struct block block;
        struct node n;
        make_folder();
        memset(&chain, 0, sizeof chain);
        node_open(&n, open_store(disk, 64 << 10)); // the map grows meanwhile
        struct reading reading = {.store = n.store};
        pthread_t thread[2];
        for (int i = 0; i < 2; i++) {
            CHECK(pthread_create(&thread[i], NULL, read_heads, &reading) == 0);
        }
        for (int i = 0; i < 30; i++) {
            next_block(&chain, &block);
            node_add(&n, &block, chain.number);
        }
        atomic_store(&reading.stop, true);
        for (int i = 0; i < 2; i++) {
            void *wrong;
            CHECK(pthread_join(thread[i], &wrong) == 0);
            CHECK(wrong == NULL);
        }
        node_close(&n);
        remove_folder();
    }
}

// Adds blocks until it is killed.
static void run_until_killed(const struct chain *from) {
    static struct chain chain;
    static struct block block;
    struct node n;
    chain = *from;
    node_open(&n, open_store(true, 64 << 10));
    for (;;) {
        next_block(&chain, &block);
        node_add(&n, &block, chain.number);
    }
}

#define KILLS 200

TEST(store_survives_kills) {
    static struct chain chain;
    static struct block block;
    uint64_t before = 0, advanced = 0;
    uint64_t most_ns = 30000000; // that a child lives: longer where others keep it from running
    make_folder();
    memset(&chain, 0, sizeof chain);
    for (unsigned i = 0; i < KILLS; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            run_until_killed(&chain);
            _exit(1);
        }
        const struct timespec wait = {0, (long)((i * 2654435761u) % most_ns)};
        (void)nanosleep(&wait, NULL);
        CHECK(kill(child, SIGKILL) == 0);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct node n;
        node_open(&n, open_store(true, 0));
        CHECK(n.head.number >= before);
        while (chain.number < n.head.number) {
            next_block(&chain, &block);
        }
        check_node(&n, &chain);
        advanced += n.head.number > before;
        if (n.head.number > before) {
            most_ns = most_ns > 60000000 ? most_ns / 2 : 30000000;
        } else if (most_ns < 400000000) {
            most_ns *= 2;
        }
        before = n.head.number;
        node_close(&n);
    }
    CHECK(advanced > KILLS / 10); // killed between commits and in them, not before any
    remove_folder();
}

TEST_MAIN()
