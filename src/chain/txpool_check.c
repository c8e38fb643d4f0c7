/* What lets a transaction into the pool. SPDX-License-Identifier: MIT */
#include "chain/blob_check.h"
#include "chain/txpool_internal.h"

#include "crypto/kzg.h"
#include "eth/tx_check.h"

#include <stdlib.h>

#define ENTRY_ARENA_BYTES (16u << 20)

#define DECIMAL(name, value)                                                                       \
    char name[U256_DECIMAL_MAX + 1];                                                               \
    (void)u256_to_decimal(name, value)

// Who is named by good authorizations.
static int find_authorities(struct pool_tx *t, struct error *why) {
    if (t->tx.authorization_count == 0) return 0;
    struct address *found = arena_new_array(&t->memory, struct address, t->tx.authorization_count);
    if (!found) return error_set(why, ERR_NO_MEMORY, "no memory for authorities");
    for (size_t i = 0; i < t->tx.authorization_count; i++) {
        if (tx_authority(&found[t->authority_count], &t->tx.authorizations[i], NULL) == 0) {
            t->authority_count++;
        }
    }
    t->authorities = found;
    return 0;
}

int pool_tx_new(struct pool_tx **ret, struct txpool *p, struct bytes network, bool local,
                struct error *why) {
    bool blob = network.n && network.p[0] == TX_BLOB;
    if (network.n > (blob ? TXPOOL_BLOB_BYTES_MAX : TXPOOL_TX_BYTES_MAX)) {
        return error_set(why, ERR_LIMIT, "oversized data: transaction size %zu, limit %u",
                         network.n, blob ? TXPOOL_BLOB_BYTES_MAX : TXPOOL_TX_BYTES_MAX);
    }
    struct pool_tx *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a transaction");
    arena_init(&t->memory, ENTRY_ARENA_BYTES);
    atomic_init(&t->references, 1);
    t->local = local;
    t->network = arena_copy(&t->memory, network);
    int r = t->network.p || !network.n ? 0 : ERR_NO_MEMORY;
    if (r == 0) r = tx_decode_network(&t->tx, &t->sidecar, t->network, &t->memory, why);
    if (r == 0 && t->tx.type == TX_DEPOSIT) {
        r = error_set(why, ERR_UNSUPPORTED, "transaction type not supported");
    }
    if (r == 0) {
        r = p->options.senders ? tx_sender_cached(&t->sender, &t->tx, p->options.senders, why)
                               : tx_sender(&t->sender, &t->tx, why);
        if (r == ERR_RANGE || r == ERR_INVALID) r = error_set(why, r, "invalid sender");
    }
    if (r == 0) r = find_authorities(t, why);
    if (r != 0) {
        pool_tx_release(t);
        return r;
    }
    *ret = t;
    return 0;
}

// In the words that users of other clients know.
static int tell_fault(enum tx_fault f, const struct tx *t, const struct fork_rules *rules,
                      uint64_t chain_id, struct error *why) {
    unsigned long long gas = t->gas;
    switch (f) {
    case TX_FAULT_TYPE:
        return error_set(why, ERR_UNSUPPORTED, "transaction type not supported");
    case TX_FAULT_CHAIN_ID:
        return error_set(why, ERR_INVALID, "invalid chain id for signer: have %llu want %llu",
                         (unsigned long long)t->chain_id, (unsigned long long)chain_id);
    case TX_FAULT_SIGNATURE:
    case TX_FAULT_SIGNATURE_HIGH_S:
        return error_set(why, ERR_INVALID, "invalid sender");
    case TX_FAULT_NONCE_MAX:
        return error_set(why, ERR_RANGE, "nonce has max value");
    case TX_FAULT_GAS_CAP:
        return error_set(why, ERR_RANGE, "transaction gas limit too high (cap: %llu, tx: %llu)",
                         (unsigned long long)rules->gas_max, gas);
    case TX_FAULT_PRIORITY_ABOVE_MAX:
        return error_set(why, ERR_RANGE, "max priority fee per gas higher than max fee per gas");
    case TX_FAULT_INITCODE:
        return error_set(why, ERR_LIMIT, "max initcode size exceeded: code size %zu, limit %u",
                         t->data.n, rules->initcode_max);
    case TX_FAULT_COST_OVERFLOW:
        return error_set(why, ERR_RANGE, "insufficient funds for gas * price + value");
    case TX_FAULT_INTRINSIC_GAS:
        return error_set(why, ERR_RANGE, "intrinsic gas too low: gas %llu, minimum needed %llu",
                         gas, (unsigned long long)tx_intrinsic_gas(t, rules));
    case TX_FAULT_FLOOR_GAS:
        return error_set(why, ERR_RANGE,
                         "insufficient gas for floor data gas cost: gas %llu, minimum needed %llu",
                         gas, (unsigned long long)tx_floor_gas(t, rules));
    default:
        return error_set(why, ERR_INVALID, "%s", tx_fault_text(f));
    }
}

static int check_blobs(struct txpool *p, const struct pool_tx *t, const struct fork_rules *rules,
                       uint64_t timestamp, struct error *why) {
    const struct tx_sidecar *s = &t->sidecar;
    const struct blob_params *params = chain_blobs_at(p->options.config, timestamp);
    if (!s->present) return error_set(why, ERR_INVALID, "missing sidecar in blob transaction");
    if (params && s->blob_count > params->max) {
        return error_set(why, ERR_LIMIT, "too many blobs in transaction: have %zu, permitted %u",
                         s->blob_count, params->max);
    }
    if (s->version != (rules->cell_proofs ? 1 : 0)) {
        return error_set(why, ERR_INVALID, "unexpected sidecar version, want: %d, got: %d",
                         rules->cell_proofs ? 1 : 0, s->version);
    }
    if (u256_is_zero(t->tx.max_blob_fee)) {
        return error_set(
            why, ERR_RANGE,
            "transaction underpriced: blob fee cap needed 1, blob fee cap permitted 0");
    }
    int r = tx_sidecar_check(&t->tx, s, why);
    if (r != 0) return error_wrap(why, "invalid blob proof");
    return blob_proofs_check(p->kzg, NULL, s, rules, why);
}

int pool_check_static(struct txpool *p, const struct pool_tx *t, const struct txpool_head *head,
                      struct error *why) {
    const struct fork_rules *rules = fork_rules_of(head->fork);
    enum tx_fault f = tx_check_static(&t->tx, rules, p->options.config->chain_id);
    if (f != TX_VALID) return tell_fault(f, &t->tx, rules, p->options.config->chain_id, why);
    if (t->tx.gas > head->gas_limit) {
        return error_set(why, ERR_RANGE, "exceeds block gas limit");
    }
    if (!t->local && u256_compare(t->tx.max_priority_fee, p->options.limits.price_min) < 0) {
        DECIMAL(needed, p->options.limits.price_min);
        DECIMAL(offered, t->tx.max_priority_fee);
        return error_set(why, ERR_RANGE,
                         "transaction underpriced: gas tip cap %s, minimum needed %s", offered,
                         needed);
    }
    return t->tx.type == TX_BLOB ? check_blobs(p, t, rules, head->timestamp, why) : 0;
}

/* Replacement: every price rises by the bump. */

static bool is_bumped(struct u256 old, struct u256 new, unsigned percent) {
    struct u256 wanted, got;
    bool over = u256_mul_overflow(&wanted, old, u256_from_u64(100 + percent));
    if (u256_mul_overflow(&got, new, u256_from_u64(100))) return true;
    return !over && u256_compare(got, wanted) >= 0 && u256_compare(new, old) > 0;
}

static int check_replacement(const struct pool_tx *old, const struct pool_tx *t,
                             struct error *why) {
    bool blob = t->tx.type == TX_BLOB;
    unsigned percent = blob ? TXPOOL_BLOB_BUMP_PERCENT : TXPOOL_BUMP_PERCENT;
    bool tip = is_bumped(old->tx.max_priority_fee, t->tx.max_priority_fee, percent) ||
               (u256_is_zero(old->tx.max_priority_fee) && u256_is_zero(t->tx.max_priority_fee));
    if (tip && is_bumped(old->tx.max_fee, t->tx.max_fee, percent) &&
        (!blob || is_bumped(old->tx.max_blob_fee, t->tx.max_blob_fee, percent))) {
        return 0;
    }
    return error_set(why, ERR_RANGE, "replacement transaction underpriced");
}

/* What the account can pay: its pending ones before this nonce, and this one. */
static int check_funds(const struct pool_account *a, const struct pool_tx *t, struct error *why) {
    struct u256 cost, all;
    if (!tx_max_cost(&cost, &t->tx)) {
        return error_set(why, ERR_RANGE, "insufficient funds for gas * price + value");
    }
    if (u256_compare(cost, a->balance) > 0) {
        DECIMAL(have, a->balance);
        DECIMAL(want, cost);
        return error_set(why, ERR_RANGE,
                         "insufficient funds for gas * price + value: balance %s, tx cost %s", have,
                         want);
    }
    struct u256 spent = u256_sub(a->balance, a->left);
    for (size_t i = a->pending; i > 0 && a->txs[i - 1]->tx.nonce >= t->tx.nonce; i--) {
        struct u256 one;
        (void)tx_max_cost(&one, &a->txs[i - 1]->tx);
        spent = u256_sub(spent, one);
    }
    if (!u256_add_carry(&all, spent, cost) && u256_compare(all, a->balance) <= 0) return 0;
    DECIMAL(have, a->balance);
    DECIMAL(queued, spent);
    DECIMAL(want, cost);
    return error_set(why, ERR_RANGE,
                     "insufficient funds for gas * price + value: balance %s, queued cost %s, tx "
                     "cost %s",
                     have, queued, want);
}

/* EIP-7702: whose code may move its funds, or who may get such code, has one transaction at a time
 * here, since the next could become void without its owner. */
static int check_delegation(struct txpool *p, const struct pool_account *a, const struct pool_tx *t,
                            const struct pool_tx *old, struct error *why) {
    if (a->delegated || pool_authority_count(p, &a->address)) {
        if (!old && a->count) {
            return error_set(why, ERR_LIMIT,
                             "in-flight transaction limit reached for delegated accounts");
        }
        if (!old && t->tx.nonce != a->nonce) {
            return error_set(why, ERR_INVALID, "gapped-nonce tx from delegated accounts");
        }
    }
    for (size_t i = 0; i < t->authority_count; i++) {
        const struct pool_account *other = pool_account_find(p, &t->authorities[i]);
        bool itself = address_equal(&t->authorities[i], &t->sender);
        if (other && other->count > 1 && !itself) {
            return error_set(why, ERR_CONFLICT, "authority already reserved");
        }
    }
    return 0;
}

int pool_check_account(struct txpool *p, const struct pool_account *a, const struct pool_tx *t,
                       struct pool_tx **ret_old, struct error *why) {
    const struct txpool_limits *l = &p->options.limits;
    size_t at = pool_account_place(a, t->tx.nonce);
    struct pool_tx *old = at < a->count && a->txs[at]->tx.nonce == t->tx.nonce ? a->txs[at] : NULL;
    bool blob = t->tx.type == TX_BLOB;
    *ret_old = old;
    if (a->has_code) return error_set(why, ERR_INVALID, "sender not an eoa");
    if (t->tx.nonce < a->nonce) {
        return error_set(why, ERR_STALE, "nonce too low: next nonce %llu, tx nonce %llu",
                         (unsigned long long)a->nonce, (unsigned long long)t->tx.nonce);
    }
    if (a->count && (a->txs[0]->tx.type == TX_BLOB) != blob) {
        return error_set(why, ERR_CONFLICT, "address already reserved");
    }
    if (blob && !old && t->tx.nonce != a->nonce + a->count) {
        return error_set(why, ERR_INVALID, "nonce too high: tx nonce %llu, gapped nonce %llu",
                         (unsigned long long)t->tx.nonce,
                         (unsigned long long)(a->nonce + a->count));
    }
    int r = check_funds(a, t, why);
    if (r == 0 && old) r = check_replacement(old, t, why);
    if (r == 0) r = check_delegation(p, a, t, old, why);
    if (r != 0 || old) return r;
    uint64_t most = blob ? l->blobs_per_sender : l->pending_per_sender + l->queued_per_sender;
    bool gap = t->tx.nonce > a->nonce + a->pending;
    if (a->count >= most || (gap && a->count - a->pending >= l->queued_per_sender) ||
        (!gap && !blob && a->pending >= l->pending_per_sender)) {
        return error_set(why, ERR_LIMIT, "account limit exceeded: pooled %zu txs", a->count);
    }
    return 0;
}
