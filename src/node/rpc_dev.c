/* What test tools ask of a development chain: blocks and time by hand, back to an earlier state
 * (evm_, and the same under the names that hardhat and anvil gave them). Only with --dev.
 *
 * Balances, codes and slots cannot be set from outside: every block here is a valid one. Calls take
 * state overrides instead. SPDX-License-Identifier: MIT */
#include "node/dev.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define DEV_MINE_MAX 4096u
#define SNAPSHOTS_MAX 1024u
#define SHIFT_MAX_S (100ll * 365 * 86400)

/* Where evm_snapshot was; the table lives as long as the node's memory. */
struct dev_methods {
    struct dev *dev;
    pthread_mutex_t lock;
    struct hash snapshots[SNAPSHOTS_MAX]; // id - 1
    size_t count;
};

static struct dev *dev_of(const struct node_call *c) {
    return ((struct dev_methods *)c->context)->dev;
}

/* A number, as a QUANTITY, a plain one, or decimal digits: tools differ. */
static int number(struct node_call *c, uint64_t *ret, const struct json *v, struct error *why) {
    int r;
    if (json_type_of(v) == JSON_NUMBER) {
        r = json_u64(ret, v, why);
    } else if (bytes_starts_with(json_text(v), BYTES_LIT("0x"))) {
        r = json_quantity(ret, v, why);
    } else {
        r = json_decimal(ret, v, why);
    }
    return r == 0 ? 0 : node_bad_params(c, why);
}

static int number_param(struct node_call *c, uint64_t *ret, size_t i, uint64_t otherwise,
                        struct error *why) {
    const struct json *v = node_param(c, i);
    *ret = otherwise;
    return v ? number(c, ret, v, why) : 0;
}

/* A time that far ahead could never be followed by another block's. */
static int check_time(struct node_call *c, uint64_t timestamp, struct error *why) {
    if (timestamp <= (uint64_t)SHIFT_MAX_S + rpc_now_s()) return 0;
    return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "too far into the future");
}

static int mine_blocks(struct node_call *c, uint64_t count, uint64_t interval_s,
                       struct error *why) {
    struct hash hash;
    if (count == 0) return 0;
    if (count > DEV_MINE_MAX) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "at most %u blocks at once",
                         DEV_MINE_MAX);
    }
    if (interval_s > (uint64_t)SHIFT_MAX_S / count) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "too far into the future");
    }
    struct error own = {.code = ERR_INTERNAL};
    int r = dev_mine(dev_of(c), (unsigned)count, interval_s, &hash, &own);
    if (r == 0) return 0;
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", own.text);
}

/* evm_mine([timestamp | {timestamp, blocks}]) */
static int evm_mine(struct node_call *c, struct error *why) {
    const struct json *v = node_param(c, 0), *at = v;
    uint64_t count = 1, timestamp;
    int r = 0;
    if (json_as_object(v)) {
        at = json_get(v, "timestamp");
        const struct json *blocks = json_get(v, "blocks");
        if (!json_is_null(blocks)) r = number(c, &count, blocks, why);
    }
    if (r == 0 && !json_is_null(at)) {
        r = number(c, &timestamp, at, why);
        if (r == 0) r = check_time(c, timestamp, why);
        if (r == 0) dev_set_next_timestamp(dev_of(c), timestamp);
    }
    if (r == 0) r = mine_blocks(c, count, 0, why);
    if (r == 0) json_add_str(c->result, NULL, "0x0");
    return r;
}

/* hardhat_mine([count, interval]), anvil_mine likewise. */
static int mine_many(struct node_call *c, struct error *why) {
    uint64_t count, interval_s;
    int r = number_param(c, &count, 0, 1, why);
    if (r == 0) r = number_param(c, &interval_s, 1, 0, why);
    if (r == 0) r = mine_blocks(c, count, interval_s, why);
    if (r == 0) json_add_null(c->result, NULL);
    return r;
}

static int increase_time(struct node_call *c, struct error *why) {
    uint64_t seconds;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = number_param(c, &seconds, 0, 0, why);
    if (r != 0) return r;
    if (seconds > SHIFT_MAX_S) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "too far into the future");
    }
    json_add_i64(c->result, NULL, dev_shift_clock(dev_of(c), (int64_t)seconds));
    return 0;
}

static int set_next_timestamp(struct node_call *c, struct error *why) {
    uint64_t timestamp;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = number_param(c, &timestamp, 0, 0, why);
    if (r != 0) return r;
    const struct head_block *b = head_latest(c->node->head);
    uint64_t last = b->block.header.timestamp;
    head_block_release(b);
    if (timestamp <= last) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "timestamp %llu is not after the last block's, %llu",
                         (unsigned long long)timestamp, (unsigned long long)last);
    }
    r = check_time(c, timestamp, why);
    if (r != 0) return r;
    dev_set_next_timestamp(dev_of(c), timestamp);
    json_add_null(c->result, NULL);
    return 0;
}

/* evm_setTime: the clock says that now. */
static int set_time(struct node_call *c, struct error *why) {
    uint64_t timestamp;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = number_param(c, &timestamp, 0, 0, why);
    if (r != 0) return r;
    r = check_time(c, timestamp, why);
    if (r != 0) return r;
    int64_t by = (int64_t)(timestamp - dev_clock_s(dev_of(c)));
    json_add_i64(c->result, NULL, dev_shift_clock(dev_of(c), by));
    return 0;
}

static int snapshot(struct node_call *c, struct error *why) {
    struct dev_methods *m = c->context;
    const struct head_block *b = head_latest(c->node->head);
    pthread_mutex_lock(&m->lock);
    size_t id = m->count < SNAPSHOTS_MAX ? ++m->count : 0;
    if (id) m->snapshots[id - 1] = b->hash;
    pthread_mutex_unlock(&m->lock);
    head_block_release(b);
    if (!id) return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "too many snapshots");
    json_add_quantity(c->result, NULL, id);
    return 0;
}

/* evm_revert(id): it and all later ones are used up. */
static int revert(struct node_call *c, struct error *why) {
    struct dev_methods *m = c->context;
    uint64_t id;
    struct hash hash = {{0}};
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = number_param(c, &id, 0, 0, why);
    if (r != 0) return r;
    pthread_mutex_lock(&m->lock);
    bool known = id >= 1 && id <= m->count;
    if (known) {
        hash = m->snapshots[id - 1];
        m->count = id - 1;
    }
    pthread_mutex_unlock(&m->lock);
    struct error own = {.code = ERR_INTERNAL};
    if (known && dev_move_head(dev_of(c), &hash, &own) != 0) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", own.text);
    }
    json_add_bool(c->result, NULL, known);
    return 0;
}

/* debug_setHead(number) */
static int set_head(struct node_call *c, struct error *why) {
    uint64_t number_of_block;
    struct hash hash;
    int r = rpc_param_quantity(c, &number_of_block, 0, why);
    if (r != 0) return r;
    struct error own = {.code = ERR_INTERNAL};
    r = head_hash_of(c->node->head, &hash, number_of_block, &own);
    if (r == 0) r = dev_move_head(dev_of(c), &hash, &own);
    if (r != 0) return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", own.text);
    json_add_null(c->result, NULL);
    return 0;
}

static int set_automine(struct node_call *c, struct error *why) {
    bool on;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_param_bool(c, &on, 0, true, why);
    if (r != 0) return r;
    dev_set_automine(dev_of(c), on);
    json_add_null(c->result, NULL);
    return 0;
}

static int get_automine(struct node_call *c, struct error *why) {
    (void)why;
    json_add_bool(c->result, NULL, dev_automine(dev_of(c)));
    return 0;
}

static int drop_transaction(struct node_call *c, struct error *why) {
    struct hash hash;
    int r = rpc_param_hash(c, &hash, 0, why);
    if (r != 0) return r;
    json_add_bool(c->result, NULL, txpool_remove(c->node->txpool, &hash));
    return 0;
}

static const struct node_method methods[] = {
    {"evm_mine", evm_mine, NODE_USER},
    {"anvil_mine", mine_many, NODE_USER},
    {"hardhat_mine", mine_many, NODE_USER},
    {"evm_increaseTime", increase_time, NODE_USER},
    {"evm_setNextBlockTimestamp", set_next_timestamp, NODE_USER},
    {"evm_setTime", set_time, NODE_USER},
    {"evm_snapshot", snapshot, NODE_USER},
    {"evm_revert", revert, NODE_USER},
    {"evm_setAutomine", set_automine, NODE_USER},
    {"anvil_getAutomine", get_automine, NODE_USER},
    {"hardhat_getAutomine", get_automine, NODE_USER},
    {"anvil_dropTransaction", drop_transaction, NODE_USER},
    {"hardhat_dropTransaction", drop_transaction, NODE_USER},
    {"debug_setHead", set_head, NODE_USER},
};

int rpc_dev_add(struct node *n, struct dev *d, struct error *why) {
    struct dev_methods *m = arena_new(&n->memory, struct dev_methods);
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for methods");
    m->dev = d;
    pthread_mutex_init(&m->lock, NULL);
    return node_add_methods(n, methods, sizeof methods / sizeof *methods, m, why);
}
