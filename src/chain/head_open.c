/* Opening and closing the head: genesis, and what a crash left. SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "base/pool.h"
#include "chain/head_internal.h"
#include "chain/op_fees.h"
#include "crypto/keccak.h"
#include "trie/snapshot.h"
#include "trie/team.h"

#include <stdlib.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a chain");
}

/* Genesis. */

static int genesis_changes(struct state_account_change **ret, const struct genesis *g,
                           struct arena *a, struct error *why) {
    struct state_account_change *all =
        arena_new_array(a, struct state_account_change, g->account_count);
    if (!all) return no_memory(why);
    for (size_t i = 0; i < g->account_count; i++) {
        const struct genesis_account *from = &g->accounts[i];
        struct state_slot_change *slots =
            arena_new_array(a, struct state_slot_change, from->slot_count);
        if (!slots) return no_memory(why);
        for (size_t k = 0; k < from->slot_count; k++) {
            slots[k] = (struct state_slot_change){from->slots[k].key, from->slots[k].value};
        }
        all[i] = (struct state_account_change){
            .address = from->address,
            .nonce = from->nonce,
            .balance = from->balance,
            .code_hash = from->code.n ? keccak256(from->code) : STATE_EMPTY_CODE_HASH,
            .slots = slots,
            .slot_count = from->slot_count,
        };
    }
    *ret = all;
    return 0;
}

static int put_codes(struct head *h, const struct genesis *g, struct error *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < g->account_count; i++) {
        if (g->accounts[i].code.n == 0) continue;
        struct hash hash = keccak256(g->accounts[i].code);
        r = trie_store_put(h->store, TRIE_STORE_CODES, BYTES_OF(hash), g->accounts[i].code, why);
    }
    return r;
}

// A rollup's withdrawals root, from Isthmus on.
static void take_passer_root(struct header *h, const struct genesis *g,
                             const struct state_root *state) {
    const struct block block = {.header = *h};
    const struct block_env env = block_env_of(&g->config, &block);
    struct hash key = keccak256(BYTES_OF(OP_MESSAGE_PASSER));
    if (!block_env_has_passer(&env)) return;
    if (state_root_storage(state, &key, &h->withdrawals_root, NULL) != 0) {
        h->withdrawals_root = TRIE_EMPTY_ROOT;
    }
}

// The first block, with the state root of the given accounts; *ret_state has them as its parent.
static int genesis_block(struct head_node **ret, struct state_root **ret_state,
                         const struct state_account_change *changes, const struct genesis *g,
                         struct error *why) {
    const struct state_root_options options = {.source = {.get = state_node_of_none},
                                               .stored = true};
    struct header header = g->header;
    struct buf rlp;
    int r = state_root_create(ret_state, &TRIE_EMPTY_ROOT, &options, why);
    if (r == 0) {
        r = state_root_compute(*ret_state, &header.state_root, changes, g->account_count, NULL,
                               NULL, NULL, why);
    }
    if (r != 0) return r;
    if (!hash_is_zero(&g->header.state_root) &&
        !hash_equal(&g->header.state_root, &header.state_root)) {
        return error_set(why, ERR_CONFLICT, "the genesis state has another root than its header");
    }
    take_passer_root(&header, g, *ret_state);
    state_root_advance(*ret_state);
    struct block block = {.header = header, .has_withdrawals = header.form >= HEADER_SHANGHAI};
    buf_init(&rlp, 0);
    block_encode(&rlp, &block);
    r = buf_check(&rlp, why);
    if (r == 0) r = head_node_new(ret, buf_view(&rlp), why);
    buf_free(&rlp);
    if (r == 0) r = head_node_link(*ret, NULL, why);
    if (r == 0) r = head_node_outcome(*ret, &(struct block_outcome){0}, why);
    return r;
}

static int store_genesis(struct head *h, const struct head_node *n, struct state_root *state,
                         const struct state_account_change *changes, const struct genesis *g,
                         struct error *why) {
    const struct trie_store_head head = {n->block.block.header.number, n->block.hash,
                                         n->block.block.header.state_root};
    int r = trie_store_put_block(h->store, state, changes, g->account_count, why);
    if (r == 0) r = put_codes(h, g, why);
    if (r == 0) r = head_store_put(h, &n->block, why);
    if (r == 0) r = head_store_put_mark(h, "latest", head.number, &n->block.hash, why);
    if (r == 0) return trie_store_commit(h->store, &head, why);
    trie_store_abort(h->store);
    return r;
}

/* A chain whose state is elsewhere: the anchor's header is all that is stored of it. */
static int found_remote(struct head *h, const struct remote_anchor *anchor, struct error *why) {
    const struct block block = {.header = anchor->header,
                                .has_withdrawals = anchor->header.form >= HEADER_SHANGHAI};
    const struct trie_store_head head = {anchor->header.number, anchor->hash,
                                         anchor->header.state_root};
    struct head_node *n = NULL;
    struct buf rlp;
    buf_init(&rlp, 0);
    block_encode(&rlp, &block);
    int r = buf_check(&rlp, why);
    if (r == 0) r = head_node_new(&n, buf_view(&rlp), why);
    buf_free(&rlp);
    if (r == 0) r = head_node_link(n, NULL, why);
    if (r == 0) r = head_node_outcome(n, &(struct block_outcome){0}, why);
    if (r == 0) {
        const struct chain_config *c = &h->genesis.config;
        bool merged = u256_is_zero(anchor->header.difficulty) && c->has_terminal_total_difficulty;
        if (merged) n->block.total_difficulty = c->terminal_total_difficulty;
        h->genesis_hash = n->block.hash;
        h->genesis.header.number = anchor->header.number;
        r = head_store_put(h, &n->block, why);
    }
    if (r == 0) r = head_store_put_mark(h, "latest", head.number, &n->block.hash, why);
    if (r == 0) {
        r = trie_store_commit(h->store, &head, why);
    } else {
        trie_store_abort(h->store);
    }
    head_node_release(n);
    return r;
}

// The blocks below the first one, for whoever asks for their hashes.
static void plant_ancestors(struct head *h, const struct remote_anchor *anchor) {
    struct head_node *n = h->base;
    for (size_t i = 0; i < anchor->ancestor_count; i++) {
        n->hashes_from--;
        n->hashes[n->hashes_from % HEAD_BLOCK_HASHES] = anchor->ancestors[i];
    }
}

// Makes the first block in an empty store, or compares with the one that is there.
static int found(struct head *h, const struct genesis *g, struct error *why) {
    struct state_account_change *changes = NULL;
    struct state_root *state = NULL;
    struct head_node *n = NULL;
    struct trie_store_head there;
    struct hash hash;
    int r = genesis_changes(&changes, g, &h->scratch, why);
    if (r == 0) r = genesis_block(&n, &state, changes, g, why);
    if (r == 0) {
        h->genesis_hash = n->block.hash;
        h->genesis.header.number = n->block.block.header.number;
        r = trie_store_head(h->store, &there, why);
        if (r == ERR_NOT_FOUND && snapshot_is_unfinished(h->store)) {
            r = error_set(why, ERR_CONFLICT,
                          "the import of a snapshot is not finished: go on "
                          "with it, or empty the folder");
        } else if (r == ERR_NOT_FOUND) {
            r = store_genesis(h, n, state, changes, g, why);
        } else if (r == 0) {
            r = head_store_hash(h, &hash, g->header.number, why);
            if (r == ERR_NOT_FOUND || (r == 0 && !hash_equal(&hash, &n->block.hash))) {
                r = error_set(why, ERR_CONFLICT, "the store belongs to another genesis");
            }
        }
    }
    state_root_free(state);
    head_node_release(n);
    return r;
}

/* What is on disk. */

// The block of the stored state becomes the base of the tree.
static int plant_base(struct head *h, struct error *why) {
    struct trie_store_head there;
    struct head_node *n;
    int r = trie_store_head(h->store, &there, why);
    if (r == 0) r = head_store_read(h, &n, there.number, why);
    if (r != 0) return error_wrap(why, "the stored state's block");
    struct u256 total = n->block.total_difficulty;
    n->layer = layer_new(&h->seed);
    r = n->layer ? head_node_link(n, NULL, why) : no_memory(why);
    n->block.total_difficulty = total;
    for (uint64_t number = there.number; r == 0 && number > h->genesis.header.number &&
                                         there.number - number < HEAD_BLOCK_HASHES - 1;) {
        number--;
        r = head_store_hash(h, &n->hashes[number % HEAD_BLOCK_HASHES], number, why);
        n->hashes_from = number;
    }
    if (r == 0) r = map_put(&h->tree, BYTES_OF(n->block.hash), n, NULL, why);
    if (r != 0) {
        head_node_release(n);
        return r;
    }
    n->canonical = true;
    h->base = h->latest = n;
    return 0;
}

static int read_rlp(struct head *h, struct buf *ret, uint64_t number, struct error *why) {
    uint8_t key[8];
    store_be64(key, number);
    buf_clear(ret);
    return trie_store_get(h->store, TRIE_STORE_BLOCKS, bytes_make(key, sizeof key), ret, why);
}

// Executes the canonical blocks above the stored state again.
static int replay(struct head *h, struct error *why) {
    uint64_t last, number = h->base->block.block.header.number;
    struct hash hash;
    struct buf rlp;
    int r = head_store_mark(h, "latest", &last, &hash, why);
    if (r != 0) return r;
    if (number < last) {
        log_info(h->log, "chain_replay", F_U64("from", number), F_U64("to", last));
    }
    buf_init(&rlp, 0);
    while (r == 0 && number++ < last) {
        struct head_verdict v;
        r = read_rlp(h, &rlp, number, why);
        if (r != 0) break;
        struct hash expected = h->latest->block.hash;
        r = head_execute(h, &v, bytes_slice(buf_view(&rlp), 32, SIZE_MAX), true, why);
        struct head_node *n = r == 0 && v.status == HEAD_VALID ? head_find(h, &v.hash) : NULL;
        if (r == 0 && (!n || !hash_equal(&n->block.block.header.parent_hash, &expected))) {
            r = error_set(why, ERR_INVALID, "stored block %llu does not execute: %s",
                          (unsigned long long)number, v.reason.text);
        }
        if (r != 0) break;
        n->canonical = true;
        h->latest = n;
    }
    buf_free(&rlp);
    if (r == 0 && !hash_equal(&h->latest->block.hash, &hash)) {
        r = error_set(why, ERR_INVALID, "the stored chain does not lead to its head");
    }
    return r;
}

static int read_marks(struct head *h, struct error *why) {
    uint64_t number;
    int r = head_store_mark(h, "safe", &number, &h->safe, why);
    if (r == 0 || r == ERR_NOT_FOUND) {
        r = head_store_mark(h, "finalized", &number, &h->finalized, why);
    }
    return r == ERR_NOT_FOUND ? 0 : r;
}

int head_check_store(struct head *h, struct error *why) {
    struct trie_store_head there;
    struct hash root;
    if (h->remote) return error_set(why, ERR_UNSUPPORTED, "the state is not stored here");
    (void)pthread_mutex_lock(&h->work);
    int r = trie_store_head(h->store, &there, why);
    if (r == 0) r = trie_store_flat_root(h->store, &root, why);
    (void)pthread_mutex_unlock(&h->work);
    if (r != 0 || hash_equal(&root, &there.root)) return r;
    return error_set(why, ERR_INVALID, "the stored state of block %llu has another root",
                     (unsigned long long)there.number);
}

/* Life. */

static int open_store(struct head *h, const struct head_options *o, struct error *why) {
    if (o->remote && o->folder) {
        return error_set(why, ERR_INVALID, "a chain with its state elsewhere has no folder");
    }
    if (!o->folder) return trie_store_open_memory(&h->store, why);
    const struct trie_store_lmdb_options options = {.relaxed = o->relaxed};
    return trie_store_open_lmdb(&h->store, o->folder, &options, why);
}

static int open_machine(struct head *h, struct error *why) {
    h->codes = evm_code_cache_new();
    h->reject_ring = calloc(HEAD_REJECTED_MAX, sizeof *h->reject_ring);
    if (!h->codes || !h->reject_ring) return no_memory(why);
    int r = h->precompiles ? 0 : precompiles_new(&h->own_precompiles, why);
    if (!h->precompiles) h->precompiles = h->own_precompiles;
    if (r == 0) r = evm_init(&h->vm, h->codes, h->precompiles, why);
    if (r == 0) r = state_init(&h->state, (struct state_reader){0}, h->codes, why);
    if (r == 0) block_run_init(&h->run, &h->vm);
    if (r == 0 && h->threads > 1) r = trie_team_create(&h->team, h->threads, why);
    if (r == 0 && h->threads > 1) {
        r = ahead_new(&h->ahead, h->threads - 1, h->codes, h->precompiles, why);
    }
    return r;
}

unsigned head_threads(uint64_t setting) {
    uint64_t n = setting ? setting : pool_processors();
    return n < HEAD_THREADS_MAX ? (unsigned)n : HEAD_THREADS_MAX;
}

int head_open(struct head **ret, const struct head_options *options, struct error *why) {
    struct head *h = calloc(1, sizeof *h);
    if (!h) return no_memory(why);
    unsigned depth = options->depth ? options->depth : HEAD_DEPTH_MAX;
    h->genesis = (struct genesis){.config = options->genesis->config};
    h->threads = options->threads ? options->threads : 1;
    h->depth = depth < HEAD_DEPTH_MAX ? depth : HEAD_DEPTH_MAX;
    h->senders = options->senders;
    h->remote = options->remote;
    h->precompiles = options->precompiles;
    h->surcharge = options->surcharge;
    h->op_surcharge = op_surcharge(&h->genesis.config.op);
    if (!h->surcharge && h->genesis.config.op.enabled) h->surcharge = &h->op_surcharge;
    h->log = options->log;
    h->clock = options->clock ? options->clock : &clock_system;
    (void)pthread_mutex_init(&h->work, NULL);
    (void)pthread_rwlock_init(&h->lock, NULL);
    state_seed_init(&h->seed);
    arena_init(&h->scratch, 0);
    list_init(&h->subscribers);
    map_init(&h->tree, 0);
    map_init(&h->rejects, 0);
    int r = open_machine(h, why);
    if (r == 0) r = open_store(h, options, why);
    if (r == 0) {
        r = h->remote ? found_remote(h, options->anchor, why) : found(h, options->genesis, why);
    }
    if (r == 0) r = plant_base(h, why);
    if (r == 0 && h->remote) plant_ancestors(h, options->anchor);
    if (r == 0) r = read_marks(h, why);
    if (r == 0) r = replay(h, why);
    if (r != 0) {
        head_close(h);
        return r;
    }
    *ret = h;
    return 0;
}

static void free_machine(struct head *h) {
    ahead_free(h->ahead);
    trie_team_free(h->team);
    block_run_free(&h->run);
    state_free(&h->state);
    if (h->vm.codes) evm_free(&h->vm);
    precompiles_free(h->own_precompiles);
    evm_code_cache_free(h->codes);
}

void head_close(struct head *h) {
    struct bytes key;
    void *value;
    if (!h) return;
    head_tips_forget(h, true);
    for (size_t at = 0; map_next(&h->tree, &at, &key, &value);) {
        head_node_release(value);
    }
    map_free(&h->tree);
    map_free(&h->rejects);
    free(h->reject_ring);
    free_machine(h);
    trie_store_close(h->store);
    arena_free(&h->scratch);
    (void)pthread_rwlock_destroy(&h->lock);
    (void)pthread_mutex_destroy(&h->work);
    free(h);
}
