/* SPDX-License-Identifier: MIT */
#include "builder/fill.h"

#include "builder/block_list.h"
#include "builder/commit.h"

#include <stdlib.h>

#define GAS_SEARCH_STEPS 24

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a candidate block");
}

const char *commit_status_name(enum commit_status s) {
    static const char *const names[COMMIT_STATUS_COUNT] = {"done",
                                                           "block_range",
                                                           "time_range",
                                                           "listed",
                                                           "gas_left",
                                                           "blob_gas_left",
                                                           "size_left",
                                                           "nonce_low",
                                                           "nonce_high",
                                                           "invalid",
                                                           "reverted",
                                                           "empty",
                                                           "refund_too_small",
                                                           "refund_failed",
                                                           "blob_proof",
                                                           "profit_negative",
                                                           "profit_too_low"};
    return s < COMMIT_STATUS_COUNT ? names[s] : "unknown";
}

const char *commit_status_text(enum commit_status s) {
    static const char *const texts[COMMIT_STATUS_COUNT] = {
        "is in the block",
        "is not for this block",
        "is not for this block's time",
        "touches an address of the block list",
        "the block has no room for its gas",
        "the block has no room for its blobs",
        "the block has no room for its bytes",
        "a nonce has been used",
        "a nonce is not reached",
        "a transaction is not valid",
        "a transaction failed that may not",
        "nothing of it is left",
        "its refund does not cover the payout's gas",
        "its refund cannot be paid",
        "a blob's proof is wrong",
        "it costs the builder more than it pays",
        "it pays less here than alone",
    };
    return s < COMMIT_STATUS_COUNT ? texts[s] : "unknown";
}

/* Growing arrays. */

static bool grow(void **p, size_t *room, size_t count, size_t size) {
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : 64;
    void *q = realloc(*p, more * size);
    if (!q) return false;
    *p = q;
    *room = more;
    return true;
}

static bool push_tx(struct block_fill *f, struct fill_tx t) {
    void *p = f->txs;
    if (!grow(&p, &f->tx_room, f->tx_count, sizeof *f->txs)) return false;
    f->txs = p;
    f->txs[f->tx_count++] = t;
    return true;
}

static struct fill_payout *push_payout(struct block_fill *f) {
    void *p = f->payouts;
    if (!grow(&p, &f->payout_room, f->payout_count, sizeof *f->payouts)) return NULL;
    f->payouts = p;
    return &f->payouts[f->payout_count++];
}

void fill_init(struct block_fill *f) {
    *f = (struct block_fill){0};
}

void fill_free(struct block_fill *f) {
    free(f->txs);
    free(f->payouts);
    free(f->steps);
    free(f->seen);
    *f = (struct block_fill){0};
}

int fill_begin(struct block_fill *f, struct block_run *run, const struct fill_options *options,
               struct arena *effects, struct error *why) {
    const struct fork_rules *rules = fork_rules_of(run->env.fork);
    struct state *s = run->vm->state;
    f->run = run;
    f->options = *options;
    f->effects = effects;
    f->tx_count = f->payout_count = f->step_count = f->cursor = f->bytes = 0;
    f->bytes_max = 0;
    f->owed = U256_ZERO;
    size_t kept = FILL_BLOCK_RESERVE_BYTES + options->reserved_bytes;
    if (rules->block_rlp_max > kept) f->bytes_max = rules->block_rlp_max - kept;
    f->coinbase = state_account_find(s, &run->env.coinbase);
    f->base_balance = f->coinbase->now.balance;
    return state_check(s, why);
}

struct fill_mark fill_mark_now(const struct block_fill *f) {
    return (struct fill_mark){block_run_mark(f->run), f->tx_count, f->payout_count, f->bytes,
                              f->owed};
}

void fill_rewind(struct block_fill *f, const struct fill_mark *mark) {
    block_run_rewind(f->run, mark->run);
    f->tx_count = mark->tx_count;
    f->payout_count = mark->payout_count;
    f->bytes = mark->bytes;
    f->owed = mark->owed;
}

/* Transactions. */

static bool touches_listed(const struct block_fill *f, const struct state *s) {
    if (!f->options.listed) return false;
    for (size_t i = 0; i < s->entered_count; i++) {
        if (block_list_has(f->options.listed, &s->entered[i]->address)) return true;
    }
    return false;
}

// Keeps what the last transaction did for all fills of the job; failing to is no harm.
static void remember(struct block_fill *f, struct tx_outcomes *t,
                     const struct transact_result *result, bool listed) {
    unsigned count = atomic_load_explicit(&t->count, memory_order_relaxed);
    if (!f->effects || count >= FILL_EFFECTS_MAX) return;
    struct known_effects *k = arena_new(f->effects, struct known_effects);
    if (!k) return;
    k->listed = listed;
    if (effects_record(&k->effects, f->run->vm->state, result, f->effects, NULL) != 0) return;
    atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
    k->next = atomic_load_explicit(&t->known, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&t->known, &k->next, k, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

static int execute(struct block_fill *f, const struct job_tx *t, struct transact_result *ret,
                   bool *ret_listed, struct error *why) {
    const struct tx *tx = &t->t->tx;
    const struct known_effects *k = atomic_load_explicit(&t->shared->known, memory_order_acquire);
    for (; k; k = k->next) {
        bool held;
        int r = block_run_apply(f->run, tx, &k->effects, ret, &held, why);
        if (r != 0) return r;
        if (!held) continue;
        *ret_listed = k->listed;
        f->applied++;
        return 0;
    }
    f->executed++;
    int r = block_run_tx(f->run, tx, &t->t->sender, ret, why);
    if (r != 0 || ret->fault != TRANSACT_VALID) return r;
    *ret_listed = touches_listed(f, f->run->vm->state);
    remember(f, t->shared, ret, *ret_listed);
    return 0;
}

// Room of the block and the list, before anything runs.
static enum commit_status room_for(const struct block_fill *f, const struct build_tx *t) {
    const struct block_run *run = f->run;
    const struct tx *tx = &t->tx;
    if (tx_blob_gas(tx) > run->blob_gas_limit - run->blob_gas_used) return COMMIT_BLOB_GAS_LEFT;
    if (block_list_has(f->options.listed, &t->sender)) return COMMIT_LISTED;
    if (tx->has_to && block_list_has(f->options.listed, &tx->to)) return COMMIT_LISTED;
    uint64_t left = run->env.gas_limit - run->gas_used;
    if (left < f->options.reserved_gas || tx->gas > left - f->options.reserved_gas) {
        return COMMIT_GAS_LEFT;
    }
    if (f->bytes_max && f->bytes + tx->raw.n > f->bytes_max) return COMMIT_SIZE_LEFT;
    return COMMIT_DONE;
}

static enum commit_status status_of(const struct transact_result *r) {
    switch (r->fault) {
    case TRANSACT_VALID:
        return COMMIT_DONE;
    case TRANSACT_NONCE_LOW:
        return COMMIT_NONCE_LOW;
    case TRANSACT_NONCE_HIGH:
        return COMMIT_NONCE_HIGH;
    case TRANSACT_RULES:
    case TRANSACT_SENDER_HAS_CODE:
    case TRANSACT_BALANCE:
        break;
    }
    return COMMIT_INVALID;
}

int fill_run_tx(struct block_fill *f, const struct job_order *o, uint32_t tx,
                enum commit_status *status, struct transact_result *ret_result,
                struct u256 *ret_gain, struct error *why) {
    const struct job_tx *t = o->txs[tx];
    struct fill_mark mark = fill_mark_now(f);
    struct u256 before = f->coinbase->now.balance;
    bool listed = false;
    *status = room_for(f, t->t);
    if (*status != COMMIT_DONE) return 0;
    int r = execute(f, t, ret_result, &listed, why);
    if (r != 0) return r;
    *status = status_of(ret_result);
    if (*status != COMMIT_DONE) return 0;
    if (listed) {
        fill_rewind(f, &mark);
        *status = COMMIT_LISTED;
        return 0;
    }
    *ret_gain = u256_sub(f->coinbase->now.balance, before);
    f->bytes += t->t->tx.raw.n;
    return push_tx(f, (struct fill_tx){t, o, 0}) ? 0 : no_memory(why);
}

int fill_force(struct block_fill *f, const struct job_tx *t, struct error *why) {
    struct transact_result result;
    if (f->step_count) return error_set(why, ERR_CONFLICT, "orders stand in the block already");
    int r = block_run_tx(f->run, &t->t->tx, &t->t->sender, &result, why);
    if (r == 0 && result.fault != TRANSACT_VALID) {
        r = error_set(why, ERR_INVALID, "%s", transact_fault_text(&result));
    }
    if (r != 0) return error_wrap(why, "transaction %zu of the attributes", f->tx_count);
    f->bytes += t->t->tx.raw.n;
    f->base_balance = f->coinbase->now.balance;
    return push_tx(f, (struct fill_tx){t, NULL, 0}) ? 0 : no_memory(why);
}

/* Payouts. */

// A payment of the builder's, with a signature that is well-formed and nobody's.
static struct tx payout_tx(const struct block_fill *f, const struct address *to, struct u256 value,
                           uint64_t gas) {
    const struct block_env *env = &f->run->env;
    struct tx t = {
        .type = TX_FEE_MARKET,
        .has_to = true,
        .protected = true,
        .chain_id = env->config->chain_id,
        .gas = gas,
        .max_fee = env->base_fee,
        .to = *to,
        .value = value,
    };
    struct state *s = f->run->vm->state;
    t.nonce = state_account_find(s, &f->options.payer)->now.nonce;
    t.signature.r[31] = t.signature.s[31] = 1;
    return t;
}

int fill_run_payout(struct block_fill *f, const struct job_order *o, const struct address *to,
                    struct u256 value, uint64_t gas, uint64_t reserved_gas, bool *ret_paid,
                    struct error *why) {
    struct block_run *run = f->run;
    struct fill_mark mark = fill_mark_now(f);
    uint64_t left = run->env.gas_limit - run->gas_used;
    *ret_paid = false;
    if (left < reserved_gas || gas > left - reserved_gas) return 0;
    struct fill_payout *p = push_payout(f);
    if (!p) return no_memory(why);
    *p = (struct fill_payout){payout_tx(f, to, value, gas), *to, value};
    struct transact_result result;
    int r = block_run_tx(run, &p->tx, &f->options.payer, &result, why);
    if (r != 0) return r;
    if (result.fault != TRANSACT_VALID || result.status != EVM_SUCCESS ||
        touches_listed(f, run->vm->state)) {
        fill_rewind(f, &mark);
        return 0;
    }
    f->bytes += FILL_PAYOUT_BYTES;
    *ret_paid = true;
    return push_tx(f, (struct fill_tx){NULL, o, f->payout_count - 1}) ? 0 : no_memory(why);
}

// Whether a payment of a fortune succeeds with that gas; its gas before refunds.
static int try_payout(struct block_fill *f, const struct address *to, uint64_t gas, bool *ret_done,
                      uint64_t *ret_used, struct error *why) {
    struct block_run *run = f->run;
    struct state *s = run->vm->state;
    struct state_mark mark = state_mark_now(s);
    struct tx t = payout_tx(f, to, (struct u256){{UINT64_MAX, UINT64_MAX, 0, 0}}, gas);
    struct transact_context c = run->context;
    struct transact_result result;
    c.skip_balance = c.skip_nonce = true;
    c.gas_left = gas;
    c.blob_gas_left = 0;
    int r = transact_run(run->vm, &c, &t, &f->options.payer, &result, why);
    state_revert(s, mark);
    if (r != 0) return r;
    *ret_done = result.fault == TRANSACT_VALID && result.status == EVM_SUCCESS;
    *ret_used = result.gas_used + result.gas_refunded;
    f->sought_gas += result.gas_used;
    return 0;
}

int fill_payout_gas(struct block_fill *f, const struct address *to, uint64_t most,
                    uint64_t *ret_gas, bool *ret_possible, struct error *why) {
    struct block_run *run = f->run;
    struct state *s = run->vm->state;
    const struct fork_rules *rules = fork_rules_of(run->env.fork);
    const struct state_account *a = state_account_find(s, to);
    *ret_gas = FILL_PAYOUT_GAS;
    *ret_possible = true;
    if (hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH)) return state_check(s, why);
    uint64_t high = run->env.gas_limit - run->gas_used, low = 0;
    if (rules->gas_max && high > rules->gas_max) high = rules->gas_max;
    if (high > most) high = most;
    int r = try_payout(f, to, high, ret_possible, &low, why);
    *ret_gas = low;
    if (r != 0 || !*ret_possible) return r;
    bool done = false;
    uint64_t unused = 0;
    r = try_payout(f, to, low, &done, &unused, why);
    // What a call keeps back (EIP-150) can make it need more than it uses.
    for (int i = 0; r == 0 && !done && high - low > 1 && i < GAS_SEARCH_STEPS; i++) {
        uint64_t middle = low + (high - low) / 2;
        bool enough = false;
        r = try_payout(f, to, middle, &enough, &unused, why);
        if (enough) {
            high = middle;
        } else {
            low = middle;
        }
    }
    *ret_gas = done ? low : high;
    return r;
}

int fill_pay(struct block_fill *f, const struct address *to, const struct u256 *value, uint64_t gas,
             bool *ret_paid, struct error *why) {
    f->before_pay = fill_mark_now(f);
    return fill_run_payout(f, NULL, to, *value, gas, 0, ret_paid, why);
}

void fill_unpay(struct block_fill *f) {
    const struct fill_tx *last = f->tx_count ? &f->txs[f->tx_count - 1] : NULL;
    if (!last || last->order || last->job) return; // there is no payment
    fill_rewind(f, &f->before_pay);
}

/* Steps. */

void fill_restart(struct block_fill *f) {
    f->cursor = 0;
}

// Takes the run back to where step i began and forgets it and all later ones.
static void forget_from(struct block_fill *f, size_t i) {
    if (i >= f->step_count) return;
    fill_rewind(f, &f->steps[i].before);
    f->step_count = i;
}

static bool is_same(const struct fill_step *step, const struct job_order *order,
                    const struct u256 *least_profit) {
    return step->order == order && u256_equal(step->least_profit, *least_profit);
}

int fill_step(struct block_fill *f, const struct job_order *order, const struct u256 *least_profit,
              const struct commit_result **ret, struct error *why) {
    if (f->cursor < f->step_count) {
        struct fill_step *known = &f->steps[f->cursor];
        if (is_same(known, order, least_profit)) {
            f->cursor++;
            *ret = &known->result;
            return 0;
        }
        forget_from(f, f->cursor);
    }
    void *p = f->steps;
    if (!grow(&p, &f->step_room, f->step_count, sizeof *f->steps)) return no_memory(why);
    f->steps = p;
    struct fill_step *step = &f->steps[f->step_count];
    *step = (struct fill_step){order, *least_profit, fill_mark_now(f), {0}};
    int r = commit_order(f, order, &step->result, why);
    if (r != 0) return r;
    if (step->result.status == COMMIT_DONE &&
        u256_compare(step->result.profit, *least_profit) < 0) {
        step->result.status = COMMIT_PROFIT_TOO_LOW;
    }
    if (step->result.status != COMMIT_DONE) fill_rewind(f, &step->before);
    f->step_count++;
    f->cursor++;
    *ret = &step->result;
    return 0;
}

void fill_end(struct block_fill *f) {
    forget_from(f, f->cursor);
}

struct u256 fill_profit(const struct block_fill *f) {
    return wei_gain(u256_sub(u256_sub(f->coinbase->now.balance, f->base_balance), f->owed));
}

void fill_step_txs(const struct block_fill *f, size_t step, size_t *ret_from, size_t *ret_to) {
    *ret_from = f->steps[step].before.tx_count;
    *ret_to = step + 1 < f->step_count ? f->steps[step + 1].before.tx_count : f->tx_count;
}

/* Leaving. */

int fill_sign(struct block_fill *f, const struct tx *const **ret, const struct ecdsa_signer *signer,
              const struct ecdsa_secret_key *key, struct arena *a, struct error *why) {
    const struct tx **all = arena_new_array(a, const struct tx *, f->tx_count + 1);
    if (!all) return no_memory(why);
    for (size_t i = 0; i < f->tx_count; i++) {
        if (f->txs[i].job) {
            all[i] = &f->txs[i].job->t->tx;
            continue;
        }
        struct tx *t = arena_new(a, struct tx);
        if (!t) return no_memory(why);
        *t = f->payouts[f->txs[i].payout].tx;
        int r = tx_sign(t, signer, key, a, why);
        if (r != 0) return r;
        all[i] = t;
    }
    *ret = all;
    return 0;
}

static int check_once(struct map *m, struct bytes key, const char *what, struct error *why) {
    void *old = NULL;
    int r = map_put(m, key, m, &old, why);
    if (r == 0 && old) r = error_set(why, ERR_INTERNAL, "%s stands in the block twice", what);
    return r;
}

static int clear_seen(struct block_fill *f, struct error *why) {
    size_t room = 1024;
    while (room < 2 * f->tx_count) {
        room *= 2;
    }
    if (room != f->seen_room) {
        free(f->seen);
        f->seen = malloc(room * sizeof *f->seen);
        f->seen_room = f->seen ? room : 0;
        if (!f->seen) return error_set(why, ERR_NO_MEMORY, "no memory for a check");
    }
    memset(f->seen, 0, room * sizeof *f->seen);
    return 0;
}

// Hashes are their own hash, and no one makes many that begin alike.
static bool is_repeat(struct block_fill *f, const struct hash *tx, size_t index) {
    size_t at = load_le64(tx->b) & (f->seen_room - 1);
    for (; f->seen[at]; at = (at + 1) & (f->seen_room - 1)) {
        if (hash_equal(&f->txs[f->seen[at] - 1].job->t->tx.hash, tx)) return true;
    }
    f->seen[at] = (uint32_t)index + 1;
    return false;
}

static int check_txs(struct block_fill *f, struct error *why) {
    int r = clear_seen(f, why);
    if (r != 0) return r;
    for (size_t i = 0; i < f->tx_count; i++) {
        const struct build_tx *t = f->txs[i].job ? f->txs[i].job->t : NULL;
        bool failed = f->run->entries[i].status != EVM_SUCCESS;
        if (failed && !(t && t->may_revert)) {
            return error_set(why, ERR_INTERNAL, "transaction %zu failed and may not", i);
        }
        if (!t) continue;
        if (is_repeat(f, &t->tx.hash, i)) {
            return error_set(why, ERR_INTERNAL, "a transaction stands in the block twice");
        }
        if (block_list_has(f->options.listed, &t->sender)) {
            return error_set(why, ERR_INTERNAL, "transaction %zu is of a listed sender", i);
        }
    }
    return 0;
}

int fill_check(struct block_fill *f, struct error *why) {
    if (f->tx_count != f->run->count) {
        return error_set(why, ERR_INTERNAL, "%zu transactions, %zu receipts", f->tx_count,
                         f->run->count);
    }
    struct map seen;
    map_init(&seen, 0);
    int r = check_txs(f, why);
    for (size_t i = 0; r == 0 && i < f->step_count; i++) {
        const struct build_order *o = f->steps[i].order->order;
        if (f->steps[i].result.status != COMMIT_DONE || !o->has_key) continue;
        struct bytes key = bytes_make(&o->key, offsetof(struct order_replacement, nonce));
        r = check_once(&seen, key, "a replacement key", why);
    }
    map_free(&seen);
    return r;
}
