/* Candidates on one parent, in any order, against full rebuilds.
 * SPDX-License-Identifier: MIT */
#include "trie/state_root.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

#define ACCOUNTS 60
#define SLOTS 40

static uint64_t seed = 1;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A whole state, small enough to rebuild its root from nothing. */
struct world {
    bool exists[ACCOUNTS];
    uint64_t nonce[ACCOUNTS];
    struct u256 balance[ACCOUNTS];
    struct hash code_hash[ACCOUNTS];
    struct u256 slot[ACCOUNTS][SLOTS];
};

static struct address address_of(size_t i) {
    struct address a = {{0}};
    store_be64(a.b + 12, 0x1000 + i);
    return a;
}

static struct hash slot_of(size_t i) {
    struct hash h = {{0}};
    store_be64(h.b + 24, i);
    return h;
}

static size_t slot_number(const struct hash *slot) {
    return (size_t)load_be64(slot->b + 24);
}

static struct hash world_root(const struct world *w) {
    static struct trie_plain_account account[ACCOUNTS];
    static struct trie_plain_slot slot[ACCOUNTS][SLOTS];
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (!w->exists[i]) continue;
        for (size_t k = 0; k < SLOTS; k++) {
            slot[n][k] = (struct trie_plain_slot){slot_of(k), w->slot[i][k]};
        }
        account[n] = (struct trie_plain_account){address_of(i),   w->nonce[i], w->balance[i],
                                                 w->code_hash[i], slot[n],     SLOTS};
        n++;
    }
    struct hash root;
    struct error why;
    CHECK_OK(trie_plain_state_root(&root, account, n, &why), &why);
    return root;
}

struct candidate {
    struct state_account_change change[ACCOUNTS];
    struct state_slot_change slot[ACCOUNTS][SLOTS];
    size_t count;
};

static struct u256 some_value(void) {
    struct u256 v = U256_ZERO;
    if (next() % 3 == 0) return v;
    for (size_t i = 0; i < 1 + next() % 4; i++) {
        v.w[i] = next() >> (next() % 64);
    }
    return v;
}

/* What the last candidate with an account told about it: candidates share most of what they are
 * made of. */
static struct {
    bool known;
    struct state_account_change change;
    struct state_slot_change slot[SLOTS];
} told[ACCOUNTS];

// The change of account i: a new one, or what was told before.
static void make_change(struct state_account_change *a, struct state_slot_change *slots, size_t i,
                        const struct world *parent) {
    if (told[i].known && next() % 2 && (parent->exists[i] || told[i].change.storage_cleared)) {
        *a = told[i].change;
        a->slots = memcpy(slots, told[i].slot, sizeof told[i].slot);
        return;
    }
    *a = (struct state_account_change){.address = address_of(i), .slots = slots};
    a->removed = next() % 8 == 0;
    a->storage_cleared = a->removed || !parent->exists[i] || next() % 10 == 0;
    a->nonce = next() % 1000;
    a->balance = some_value();
    a->code_hash = next() % 2 ? ACCOUNT_EMPTY_CODE : keccak256(BYTES_LIT("code"));
    for (size_t k = 0; k < SLOTS && !a->removed; k++) {
        if (next() % 4) continue;
        slots[a->slot_count++] = (struct state_slot_change){slot_of(k), some_value()};
    }
    told[i].known = true;
    told[i].change = *a;
    memcpy(told[i].slot, slots, sizeof told[i].slot);
}

// The state that a candidate on `parent` leads to.
static void follow_candidate(const struct candidate *c, const struct world *parent,
                             struct world *after) {
    *after = *parent;
    for (size_t n = 0; n < c->count; n++) {
        const struct state_account_change *a = &c->change[n];
        size_t i = load_be64(a->address.b + 12) - 0x1000;
        if (a->storage_cleared) memset(after->slot[i], 0, sizeof after->slot[i]);
        for (size_t k = 0; k < a->slot_count; k++) {
            after->slot[i][slot_number(&a->slots[k].key)] = a->slots[k].value;
        }
        after->exists[i] = !a->removed;
        after->nonce[i] = a->nonce;
        after->balance[i] = a->balance;
        after->code_hash[i] = a->code_hash;
    }
}

// A candidate on `parent`; `after` becomes the state that it leads to.
static void make_candidate(struct candidate *c, const struct world *parent, struct world *after) {
    c->count = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (next() % 3) continue;
        make_change(&c->change[c->count], c->slot[c->count], i, parent);
        c->count++;
    }
    follow_candidate(c, parent, after);
}

// A candidate of the same accounts and mostly the same slots in the same order, with other values.
static void vary_candidate(struct candidate *c, const struct world *parent, struct world *after) {
    for (size_t i = 0; i < c->count; i++) {
        struct state_account_change *a = &c->change[i];
        struct state_slot_change *slot = c->slot[i];
        if (next() % 3 == 0) continue;
        a->nonce = next() % 3 ? a->nonce : next() % 1000;
        for (size_t k = 0; k < a->slot_count; k++) {
            if (next() % 2) slot[k].value = some_value();
        }
        if (a->slot_count < 2 || next() % 4) continue;
        struct state_slot_change first = slot[0];
        slot[0] = slot[a->slot_count - 1];
        slot[a->slot_count - 1] = first;
        if (next() % 2) a->slot_count--;
    }
    if (c->count > 1 && next() % 4 == 0) c->count--;
    follow_candidate(c, parent, after);
}

/* A store by owner and path, a list. */
#define STORED_MAX 20000
static struct {
    struct hash owner; /* zero: account trie */
    struct trie_path path;
    uint16_t n;
    uint8_t node[TRIE_NODE_MAX];
} stored[STORED_MAX];
static size_t stored_n;

static bool same_owner(size_t i, const struct hash *owner) {
    static const struct hash none;
    return hash_equal(&stored[i].owner, owner ? owner : &none);
}

static int put(void *arg, const struct hash *owner, const struct trie_path *path, struct bytes node,
               struct error *why) {
    (void)arg;
    (void)why;
    size_t i;
    for (i = 0; i < stored_n; i++) {
        if (!same_owner(i, owner)) continue;
        if (!path) stored[i].n = 0;
        if (path && stored[i].path.depth == path->depth &&
            memcmp(stored[i].path.key, path->key, 32) == 0) {
            break;
        }
    }
    if (!path || (i == stored_n && !node.n)) return 0;
    if (i == stored_n) {
        CHECK(stored_n < STORED_MAX);
        stored[i].owner = owner ? *owner : (struct hash){{0}};
        stored[i].path = *path;
        stored_n++;
    }
    stored[i].n = (uint16_t)node.n;
    if (node.n) memcpy(stored[i].node, node.p, node.n);
    return 0;
}

static unsigned withheld; // per cent of look-ups that the source does not answer

static int get(void *arg, const struct hash *owner, const struct trie_path *path,
               const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    (void)arg;
    (void)ref;
    if (withheld && next() % 100 < withheld) return error_set(why, ERR_NOT_FOUND, "withheld");
    for (size_t i = 0; i < stored_n; i++) {
        if (!same_owner(i, owner) || stored[i].path.depth != path->depth || !stored[i].n) continue;
        if (memcmp(stored[i].path.key, path->key, 32) != 0) continue;
        *ret = bytes_make(stored[i].node, stored[i].n);
        return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "not stored");
}

static size_t missing_n;
static void count_missing(void *arg, const struct hash *owner, const struct trie_missing *missing) {
    (void)arg;
    (void)owner;
    (void)missing;
    missing_n++;
}

static const struct state_root_options options = {.source = {.get = get}, .stored = true};
static const struct state_store_sink store_sink = {put, NULL};

static void check_compute(struct state_root *s, const struct candidate *c,
                          const struct world *after, struct trie_team *team) {
    struct error why;
    struct hash got, expected = world_root(after);
    CHECK_OK(state_root_compute(s, &got, c->change, c->count, team, NULL, NULL, &why), &why);
    CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
}

TEST(state_root_follows_candidates_and_blocks) {
    static struct world parent, after;
    static struct candidate c;
    struct error why;
    struct state_root *s;
    struct trie_team *team;
    CHECK_OK(trie_team_create(&team, 2, &why), &why);
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    stored_n = 0;
    for (int block = 0; block < 8; block++) {
        for (int candidate = 0; candidate < 12; candidate++) {
            make_candidate(&c, &parent, &after);
            check_compute(s, &c, &after, candidate % 2 ? team : NULL);
            for (int variation = 0; variation < candidate % 4; variation++) {
                vary_candidate(&c, &parent, &after);
                check_compute(s, &c, &after, variation % 2 ? team : NULL);
            }
        }
        // Nothing changed at all is the parent again.
        struct candidate none = {.count = 0};
        check_compute(s, &none, &parent, NULL);
        make_candidate(&c, &parent, &after);
        check_compute(s, &c, &after, block % 2 ? team : NULL);
        state_root_advance(s);
        CHECK_OK(state_root_store(s, &store_sink, &why), &why);
        parent = after;
        if (block % 3 == 2) state_root_forget(s); // goes on from the store alone
    }
    state_root_free(s);
    trie_team_free(team);
}

TEST(state_root_asks_for_what_is_missing) {
    static struct world parent, after;
    static struct candidate c;
    struct error why;
    struct state_root *s;
    memset(&parent, 0, sizeof parent);
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    stored_n = 0;
    make_candidate(&c, &parent, &after);
    check_compute(s, &c, &after, NULL);
    state_root_advance(s);
    CHECK_OK(state_root_store(s, &store_sink, &why), &why);
    parent = after;
    state_root_forget(s);
    const struct state_missing_sink sink = {count_missing, NULL};
    unsigned refused = 0;
    for (int i = 0; i < 60; i++) {
        make_candidate(&c, &parent, &after);
        struct hash got, expected = world_root(&after);
        int r;
        for (withheld = 4;; withheld--) {
            missing_n = 0;
            r = state_root_compute(s, &got, c.change, c.count, NULL, &sink, NULL, &why);
            if (r != ERR_NOT_FOUND) break;
            CHECK(missing_n > 0);
            refused++;
        }
        CHECK_OK(r, &why);
        CHECK_BYTES(BYTES_OF(got), BYTES_OF(expected));
    }
    withheld = 0;
    CHECK(refused > 0);
    state_root_free(s);
}

TEST(state_root_refuses_a_change_that_is_there_twice) {
    struct error why;
    struct state_root *s;
    struct hash root;
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    const struct state_slot_change slot = {slot_of(1), u256_from_u64(7)};
    const struct state_slot_change slots[2] = {slot, slot};
    const struct state_account_change twice[2] = {
        {.address = address_of(1), .nonce = 1, .code_hash = ACCOUNT_EMPTY_CODE, .slots = slots},
        {.address = address_of(1), .nonce = 2, .code_hash = ACCOUNT_EMPTY_CODE}};
    CHECK_ERR(state_root_compute(s, &root, twice, 2, NULL, NULL, NULL, &why), ERR_CONFLICT);
    struct state_account_change one = twice[0];
    one.slot_count = 2;
    CHECK_ERR(state_root_compute(s, &root, &one, 1, NULL, NULL, NULL, &why), ERR_CONFLICT);
    one.slot_count = 1;
    CHECK_OK(state_root_compute(s, &root, &one, 1, NULL, NULL, NULL, &why), &why);
    state_root_free(s);
}

TEST(state_root_takes_accounts_of_all_lengths) {
    for (unsigned i = 0; i <= 64; i += 8) {
        const uint64_t nonce = i ? UINT64_MAX >> (64 - i) : 0;
        for (unsigned k = 0; k <= 256; k += 8) {
            const struct u256 balance = k ? u256_shift_right(U256_MAX, 256 - k) : U256_ZERO;
            struct error why;
            struct state_root *s;
            struct hash got, expected;
            const struct state_account_change change = {.address = address_of(1),
                                                        .nonce = nonce,
                                                        .balance = balance,
                                                        .code_hash = ACCOUNT_EMPTY_CODE};
            const struct trie_plain_account plain = {address_of(1),      nonce, balance,
                                                     ACCOUNT_EMPTY_CODE, NULL,  0};
            CHECK_OK(trie_plain_state_root(&expected, &plain, 1, &why), &why);
            CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
            CHECK_OK(state_root_compute(s, &got, &change, 1, NULL, NULL, NULL, &why), &why);
            CHECK(hash_equal(&got, &expected));
            state_root_free(s);
        }
    }
}

static size_t proof_nodes;
static void count_node(void *arg, struct bytes node) {
    (void)arg;
    CHECK(node.n >= 32 || proof_nodes == 0);
    proof_nodes++;
}

TEST(state_root_proves_accounts_and_slots) {
    static struct world parent, after;
    static struct candidate c;
    struct error why;
    struct state_root *s;
    memset(&parent, 0, sizeof parent);
    CHECK_OK(state_root_create(&s, &TRIE_EMPTY_ROOT, &options, &why), &why);
    make_candidate(&c, &parent, &after);
    check_compute(s, &c, &after, NULL);
    const struct state_proof_sink sink = {count_node, count_node, NULL};
    for (size_t i = 0; i < ACCOUNTS; i++) {
        for (size_t k = 0; k < SLOTS; k++) {
            struct address a = address_of(i);
            struct hash slot = slot_of(k);
            bool exists;
            struct account account;
            struct u256 value;
            proof_nodes = 0;
            CHECK_OK(state_root_prove(s, &a, &slot, &exists, &account, &value, &sink, &why), &why);
            CHECK_U64(exists, after.exists[i]);
            CHECK(!exists || account.nonce == after.nonce[i]);
            CHECK(!exists || u256_equal(value, after.slot[i][k]));
            CHECK(proof_nodes > 0);
        }
    }
    state_root_free(s);
}

TEST_MAIN()
