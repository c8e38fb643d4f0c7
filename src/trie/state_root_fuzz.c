/* Candidates, blocks, a store and forgetting, in any order, against full rebuilds.
 *
 * Bytes are commands: accounts get nonces, slots get values, accounts go and come; then a candidate
 * is computed, a block is made of the last one, or all nodes are forgotten. The source may run dry
 * on the way; the candidate is then tried again later, or given up for another one.
 * SPDX-License-Identifier: MIT */
#include "trie/state_root.h"

#include "crypto/keccak.h"
#include "trie/store.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCOUNTS 16
#define SLOTS 16

struct world {
    bool exists[ACCOUNTS];
    uint8_t nonce[ACCOUNTS];
    uint8_t slot[ACCOUNTS][SLOTS];
};

/* The parent, the state after the open candidate, and what the candidate changes. */
struct model {
    struct world parent, now;
    bool changed[ACCOUNTS], cleared[ACCOUNTS], slot_changed[ACCOUNTS][SLOTS];
};

static struct address address_of(size_t i) {
    struct address a = {{0}};
    a.b[19] = (uint8_t)(i + 1);
    return a;
}

static struct hash slot_of(size_t i) {
    struct hash h = {{0}};
    h.b[31] = (uint8_t)i;
    return h;
}

static struct u256 value_of(uint8_t v) {
    struct u256 x = u256_from_u64(v);
    if (v & 1) x.w[3] = v; // short values stand within their branch, long ones do not
    return x;
}

static struct hash rebuild(const struct world *w) {
    static struct trie_plain_account account[ACCOUNTS];
    static struct trie_plain_slot slot[ACCOUNTS][SLOTS];
    size_t n = 0;
    struct hash root;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        if (!w->exists[i]) continue;
        for (size_t k = 0; k < SLOTS; k++) {
            slot[n][k] = (struct trie_plain_slot){slot_of(k), value_of(w->slot[i][k])};
        }
        account[n] = (struct trie_plain_account){address_of(i),      w->nonce[i], U256_ZERO,
                                                 ACCOUNT_EMPTY_CODE, slot[n],     SLOTS};
        n++;
    }
    if (trie_plain_state_root(&root, account, n, NULL) != 0) abort();
    return root;
}

static void begin_candidate(struct model *m) {
    m->now = m->parent;
    memset(m->changed, 0, sizeof m->changed);
    memset(m->cleared, 0, sizeof m->cleared);
    memset(m->slot_changed, 0, sizeof m->slot_changed);
}

static void clear(struct model *m, size_t i) {
    memset(m->now.slot[i], 0, SLOTS);
    memset(m->slot_changed[i], 0, SLOTS);
    m->cleared[i] = true;
}

// One change of one account in the open candidate.
static void change(struct model *m, uint8_t command, uint8_t operand) {
    size_t i = command & 15, k = operand & 15;
    bool existed = m->now.exists[i];
    m->changed[i] = true;
    if (command >> 4 == 1) {
        m->now.exists[i] = false;
        clear(m, i);
        return;
    }
    if (!existed || command >> 4 == 2) clear(m, i);
    m->now.exists[i] = true;
    if (command >> 4 == 3) {
        m->now.nonce[i] = operand;
    } else {
        m->now.slot[i][k] = (uint8_t)(operand >> 4 | command >> 4 << 4);
        if (operand >> 4 == 0) m->now.slot[i][k] = 0;
        m->slot_changed[i][k] = true;
    }
}

struct changes {
    struct state_account_change account[ACCOUNTS];
    struct state_slot_change slot[ACCOUNTS][SLOTS];
    size_t count;
};

static void list_changes(struct changes *c, const struct model *m) {
    c->count = 0;
    for (size_t i = ACCOUNTS; i-- > 0;) {
        if (!m->changed[i]) continue;
        struct state_account_change *a = &c->account[c->count];
        *a = (struct state_account_change){.address = address_of(i),
                                           .removed = !m->now.exists[i],
                                           .storage_cleared = m->cleared[i],
                                           .nonce = m->now.nonce[i],
                                           .code_hash = ACCOUNT_EMPTY_CODE,
                                           .slots = c->slot[c->count]};
        for (size_t k = 0; k < SLOTS && m->now.exists[i]; k++) {
            if (!m->slot_changed[i][k]) continue;
            c->slot[c->count][a->slot_count++] =
                (struct state_slot_change){slot_of(k), value_of(m->now.slot[i][k])};
        }
        c->count++;
    }
}

static void compute(struct state_root *s, const struct model *m, struct changes *c) {
    struct hash got, expected = rebuild(&m->now);
    list_changes(c, m);
    if (state_root_compute(s, &got, c->account, c->count, NULL, NULL, NULL, NULL) != 0) abort();
    if (!hash_equal(&got, &expected)) abort();
}

/* A source that has so many nodes left to give. */
struct scarce {
    struct state_node_source inner;
    bool limited;
    unsigned left;
};

static int get_scarce(void *arg, const struct hash *owner, const struct trie_path *path,
                      const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    struct scarce *s = arg;
    if (s->limited && s->left == 0) return error_set(why, ERR_NOT_FOUND, "no more nodes");
    s->left -= s->limited;
    return s->inner.get(s->inner.arg, owner, path, ref, ret, why);
}

static void count_missing(void *arg, const struct hash *owner, const struct trie_missing *missing) {
    unsigned *count = arg;
    (void)owner, (void)missing;
    ++*count;
}

static void compute_scarce(struct state_root *s, const struct model *m, struct changes *c,
                           struct scarce *source, unsigned nodes) {
    struct hash got, expected = rebuild(&m->now);
    unsigned missing = 0;
    const struct state_missing_sink sink = {count_missing, &missing};
    list_changes(c, m);
    source->limited = true;
    source->left = nodes;
    int r = state_root_compute(s, &got, c->account, c->count, NULL, &sink, NULL, NULL);
    source->limited = false;
    if (r == 0 ? !hash_equal(&got, &expected) : r != ERR_NOT_FOUND || missing == 0) abort();
}

static void add_block(struct state_root *s, struct trie_store *store, struct model *m,
                      struct changes *c) {
    compute(s, m, c);
    state_root_advance(s);
    const struct trie_store_head head = {.root = state_root_parent(s)};
    if (trie_store_put_block(store, s, c->account, c->count, NULL) != 0) abort();
    if (trie_store_commit(store, &head, NULL) != 0) abort();
    m->parent = m->now;
    begin_candidate(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct changes c;
    static struct model m;
    struct trie_store *store;
    struct trie_store_source source;
    struct scarce scarce = {.limited = false};
    struct state_root *s;
    memset(&m, 0, sizeof m);
    if (trie_store_open_memory(&store, NULL) != 0) abort();
    scarce.inner = trie_store_source(&source, store);
    const struct state_root_options options = {
        .source = {get_scarce, &scarce, scarce.inner.trusted}, .stored = true};
    if (state_root_create(&s, &TRIE_EMPTY_ROOT, &options, NULL) != 0) abort();
    unsigned computed = 0;
    for (size_t at = 0; at + 1 < size && computed < 16; at += 2) {
        uint8_t command = data[at];
        if (command < 0xe0) {
            change(&m, command, data[at + 1]);
            continue;
        }
        computed++;
        if (command < 0xe8) {
            compute(s, &m, &c);
        } else if (command < 0xf0) {
            compute(s, &m, &c);
            begin_candidate(&m);
        } else if (command < 0xf8) {
            add_block(s, store, &m, &c);
        } else if (command < 0xfc) {
            state_root_forget(s);
        } else {
            if (command & 1) state_root_forget(s);
            compute_scarce(s, &m, &c, &scarce, data[at + 1] & 15);
            if (command & 2) begin_candidate(&m);
        }
    }
    compute(s, &m, &c);
    begin_candidate(&m);
    compute(s, &m, &c); // nothing changed is the parent
    state_root_free(s);
    trie_store_close(store);
    return 0;
}
