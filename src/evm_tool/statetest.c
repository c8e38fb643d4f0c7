/* SPDX-License-Identifier: MIT */
#include "evm_tool/statetest.h"

#include "base/hex.h"
#include "chain/transact.h"
#include "crypto/keccak.h"
#include "eth/fees.h"
#include "eth/receipt.h"
#include "evm_tool/fixture.h"

#include <stdio.h>

/* env */

static int number_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    (void)ctx;
    (void)why;
    char text[32];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    *ret = keccak256((struct bytes){(const uint8_t *)text, (size_t)n});
    return 0;
}

int statetest_env(struct statetest_env *ret, const struct json *env, struct error *why) {
    struct evm_block *b = &ret->block;
    *ret = (struct statetest_env){.block = {.chain_id = 1, .block_hash = number_hash}};
    int r = fixture_get_address(&b->coinbase, env, "currentCoinbase", why);
    if (r == 0) r = fixture_get_u64(&b->number, env, "currentNumber", why);
    if (r == 0) r = fixture_get_u64(&b->timestamp, env, "currentTimestamp", why);
    if (r == 0) r = fixture_get_u64(&b->gas_limit, env, "currentGasLimit", why);
    if (r == 0) r = fixture_get_u256(&ret->difficulty, env, "currentDifficulty", why);
    if (r == 0) r = fixture_get_u256(&ret->random, env, "currentRandom", why);
    if (r == 0) r = fixture_get_u256(&ret->base_fee, env, "currentBaseFee", why);
    if (r == 0) r = fixture_get_u64(&ret->excess_blob_gas, env, "currentExcessBlobGas", why);
    return r;
}

struct evm_block statetest_block(const struct statetest_env *env, enum fork fork,
                                 const struct blob_params *blobs) {
    struct evm_block b = env->block;
    b.prevrandao = fork >= FORK_PARIS ? env->random : env->difficulty;
    b.base_fee = fork >= FORK_LONDON ? env->base_fee : U256_ZERO;
    b.blob_base_fee =
        blobs ? blob_base_fee(env->excess_blob_gas, blobs->update_fraction) : U256_ZERO;
    return b;
}

/* transaction */

static int sender_of(struct address *ret, struct workbench *w, const struct json *transaction,
                     struct error *why) {
    if (json_get(transaction, "sender")) {
        return fixture_get_address(ret, transaction, "sender", why);
    }
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public_key;
    int r = fixture_fixed(key.b, sizeof key.b, json_get(transaction, "secretKey"), why);
    if (r == 0) r = ecdsa_public_key_of(w->signer, &public_key, &key, why);
    if (r == 0) *ret = ecdsa_address(&public_key);
    return r;
}

static int fees(struct tx *t, const struct json *transaction, struct error *why) {
    if (!json_get(transaction, "maxFeePerGas")) {
        int r = fixture_get_u256(&t->max_fee, transaction, "gasPrice", why);
        t->max_priority_fee = t->max_fee;
        return r;
    }
    t->type = TX_FEE_MARKET;
    int r = fixture_get_u256(&t->max_fee, transaction, "maxFeePerGas", why);
    if (r != 0) return r;
    return fixture_get_u256(&t->max_priority_fee, transaction, "maxPriorityFeePerGas", why);
}

// The lists that make a transaction one of a later type.
static int lists(struct tx *t, struct arena *a, const struct json *transaction, size_t data_at,
                 struct error *why) {
    const struct json *access = json_at(json_get(transaction, "accessLists"), data_at);
    if (!access) access = json_get(transaction, "accessList");
    const struct json *blobs = json_get(transaction, "blobVersionedHashes");
    const struct json *authorizations = json_get(transaction, "authorizationList");
    int r = 0;
    if (!json_is_null(access)) {
        if (t->type == TX_LEGACY) t->type = TX_ACCESS_LIST;
        r = fixture_access_list(&t->access, &t->access_count, access, a, why);
    }
    if (r == 0 && (blobs || json_get(transaction, "maxFeePerBlobGas"))) {
        t->type = TX_BLOB;
        r = fixture_get_u256(&t->max_blob_fee, transaction, "maxFeePerBlobGas", why);
        if (r == 0) r = fixture_hashes(&t->blob_hashes, &t->blob_count, blobs, a, why);
    }
    if (r == 0 && authorizations) {
        t->type = TX_SET_CODE;
        r = fixture_authorizations(&t->authorizations, &t->authorization_count, authorizations, a,
                                   why);
    }
    return r;
}

int statetest_tx(struct tx *ret, struct address *ret_sender, struct workbench *w,
                 const struct json *transaction, const struct statetest_indexes *at,
                 struct error *why) {
    struct tx t = {.type = TX_LEGACY};
    const struct json *data = json_at(json_get(transaction, "data"), at->data);
    const struct json *gas = json_at(json_get(transaction, "gasLimit"), at->gas);
    const struct json *value = json_at(json_get(transaction, "value"), at->value);
    if (!data || !gas || !value) return error_set(why, ERR_RANGE, "an index is out of range");
    int r = fixture_u64(&t.gas, gas, why);
    if (r == 0) r = fixture_u256(&t.value, value, why);
    if (r == 0) r = fixture_bytes(&t.data, data, &w->arena, why);
    if (r == 0) r = fixture_get_u64(&t.nonce, transaction, "nonce", why);
    if (r == 0) r = fees(&t, transaction, why);
    if (r == 0) r = lists(&t, &w->arena, transaction, at->data, why);
    if (r == 0) r = sender_of(ret_sender, w, transaction, why);
    struct bytes to = json_text(json_get(transaction, "to"));
    t.has_to = to.n > 0;
    if (r == 0 && t.has_to) r = fixture_get_address(&t.to, transaction, "to", why);
    if (r != 0) return r;
    if (t.type != TX_LEGACY) {
        t.protected = true;
        t.chain_id = 1;
    }
    // The sender is given: a signature only has to be one in form.
    t.signature.r[31] = t.signature.s[31] = 1;
    *ret = t;
    return 0;
}

/* post */

struct state_case {
    const char *name;
    const struct json *test, *post;
    const struct statetest_env *env;
    enum fork fork;
    struct bytes fork_name;
};

static int logs_hash(struct hash *ret, struct workbench *w, size_t first, size_t count,
                     struct error *why) {
    const struct state *s = &w->state;
    struct event_log *logs = arena_new_array(&w->arena, struct event_log, count + 1);
    if (!logs) return error_set(why, ERR_NO_MEMORY, "no memory");
    for (size_t i = 0; i < count; i++) {
        const struct state_log *l = &s->logs[first + i];
        logs[i] = (struct event_log){.address = l->address,
                                     .topic_count = l->topic_count,
                                     .data = {s->log_data.p + l->data_at, l->data_size}};
        memcpy(logs[i].topics, l->topics, sizeof l->topics);
    }
    struct buf out;
    buf_init(&out, 0);
    logs_encode(&out, logs, count);
    *ret = keccak256(buf_view(&out));
    int r = buf_check(&out, why);
    buf_free(&out);
    return r;
}

struct outcome {
    struct hash root, logs;
    const char *fault; /* NULL: the transaction was valid */
};

static int run_tx(struct workbench *w, const struct state_case *c, const struct tx *t,
                  const struct address *sender, const struct blob_params *blobs,
                  struct outcome *ret, struct error *why) {
    w->vm.block = statetest_block(c->env, c->fork, blobs);
    struct transact_context context = {
        .rules = fork_rules_of(c->fork),
        .gas_left = w->vm.block.gas_limit,
        .blob_gas_left = blobs ? (uint64_t)blobs->max * GAS_PER_BLOB : 0,
    };
    struct transact_result result;
    int r = transact_run(&w->vm, &context, t, sender, &result, why);
    if (r != 0) return r;
    if (result.fault != TRANSACT_VALID) ret->fault = transact_fault_text(&result);
    r = logs_hash(&ret->logs, w, result.log_first, result.log_count, why);
    return r;
}

// The fillers pay the block's reward of nothing: the coinbase exists, where the fork allows it.
static int finish_block(struct workbench *w, const struct state_case *c, struct error *why) {
    struct state *s = &w->state;
    state_begin(s);
    state_touch(s, state_account_find(s, &c->env->block.coinbase));
    state_end(s, w->vm.schedule.p.clear_empty);
    return memory_state_apply(&w->memory, s, why);
}

// The case's transaction: its bytes where they are given, for some say what fields cannot (another
// chain's, a broken signature). *ret_fault: why it is none, NULL when it is one.
static int tx_of_case(struct tx *ret, struct address *ret_sender, const char **ret_fault,
                      struct workbench *w, const struct state_case *c,
                      const struct statetest_indexes *at, struct error *why) {
    const struct json *raw = json_get(c->post, "txbytes");
    struct bytes envelope;
    int r;
    if (json_is_null(raw)) {
        r = statetest_tx(ret, ret_sender, w, json_get(c->test, "transaction"), at, why);
        if (r == 0 && ret->protected) ret->chain_id = c->env->block.chain_id;
        if (r != ERR_RANGE) return r;
        *ret_fault = "a value of the transaction does not fit";
        return 0;
    }
    r = fixture_bytes(&envelope, raw, &w->arena, why);
    if (r != 0) return r;
    r = tx_decode(ret, envelope, &w->arena, why);
    if (r == 0) r = tx_sender(ret_sender, ret, why);
    if (r == ERR_NO_MEMORY) return r;
    if (r != 0) *ret_fault = arena_str(&w->arena, bytes_from_str(why->text));
    return r == 0 || *ret_fault ? 0 : error_set(why, ERR_NO_MEMORY, "no memory");
}

static int run_case(struct workbench *w, const struct state_case *c, struct outcome *ret,
                    struct error *why) {
    struct statetest_indexes at;
    const struct json *indexes = json_get(c->post, "indexes");
    struct chain_config config;
    struct tx t;
    struct address sender;
    *ret = (struct outcome){0};
    memory_state_clear(&w->memory);
    int r = fixture_accounts(&w->memory, json_get(c->test, "pre"), &w->arena, why);
    if (r == 0) r = fixture_get_u64(&at.data, indexes, "data", why);
    if (r == 0) r = fixture_get_u64(&at.gas, indexes, "gas", why);
    if (r == 0) r = fixture_get_u64(&at.value, indexes, "value", why);
    (void)chain_config_at_name(&config, c->fork_name, 1);
    if (r == 0) {
        r = fixture_blob_schedule(&config, json_get(c->test, "config"), c->fork_name, 0, why);
    }
    if (r != 0) return r;
    const struct blob_params *blobs = chain_blobs_at(&config, c->env->block.timestamp);
    state_reset(&w->state, memory_state_reader(&w->memory));
    evm_use(&w->vm, &w->state, c->fork);
    r = tx_of_case(&t, &sender, &ret->fault, w, c, &at, why);
    if (r == 0 && ret->fault) {
        r = logs_hash(&ret->logs, w, 0, 0, why);
    } else if (r == 0) {
        r = run_tx(w, c, &t, &sender, blobs, ret, why);
    }
    if (r == 0) r = finish_block(w, c, why);
    return r == 0 ? memory_state_root(&ret->root, &w->memory, why) : r;
}

static void judge(struct workbench *w, const struct state_case *c) {
    struct outcome got;
    struct error why = {0};
    struct hash root, logs;
    int r = run_case(w, c, &got, &why);
    if (r == 0) r = fixture_get_hash(&root, c->post, "hash", &why);
    if (r == 0) r = fixture_get_hash(&logs, c->post, "logs", &why);
    const struct json *exception = json_get(c->post, "expectException");
    if (r != 0) {
        workbench_report(w, VERDICT_FAILED, c->name, "%s", why.text);
    } else if (!json_is_null(exception) && !got.fault) {
        struct bytes text = json_text(exception);
        workbench_report(w, VERDICT_FAILED, c->name, "accepted, expected %.*s", (int)text.n,
                         (const char *)text.p);
    } else if (!hash_equal(&root, &got.root) || !hash_equal(&logs, &got.logs)) {
        bool in_root = !hash_equal(&root, &got.root);
        char a[65] = {0}, b[65] = {0};
        hex_encode(a, in_root ? BYTES_OF(got.root) : BYTES_OF(got.logs));
        hex_encode(b, in_root ? BYTES_OF(root) : BYTES_OF(logs));
        workbench_report(w, VERDICT_FAILED, c->name, "%s 0x%s, expected 0x%s%s%s",
                         in_root ? "state root" : "logs hash", a, b, got.fault ? "; refused: " : "",
                         got.fault ? got.fault : "");
    } else {
        workbench_report(w, VERDICT_PASSED, c->name, "%s", "");
    }
}

static void run_fork(struct workbench *w, struct bytes test_name, const struct json *test,
                     const struct statetest_env *env, const struct json *fork_name,
                     const struct json *list) {
    struct bytes text = json_text(fork_name);
    int fork = fork_parse(text);
    unsigned index = 0;
    if (w->fork >= 0 && fork != w->fork) return;
    json_each(post, list) {
        char name[320];
        (void)snprintf(name, sizeof name, "%.*s/%.*s/%u", (int)test_name.n,
                       (const char *)test_name.p, (int)text.n, (const char *)text.p, index++);
        if (!workbench_wants(w, name)) continue;
        if (fork < 0) {
            workbench_report(w, VERDICT_SKIPPED, name, "unknown fork");
            continue;
        }
        struct state_case c = {name, test, post, env, (enum fork)fork, text};
        judge(w, &c);
    }
}

static void run_test(struct workbench *w, struct bytes name, const struct json *test) {
    struct statetest_env env;
    struct error why = {0};
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.n, (const char *)name.p);
    int r = statetest_env(&env, json_get(test, "env"), &why);
    if (r == 0) r = fixture_chain_id(&env.block.chain_id, json_get(test, "config"), &why);
    if (r != 0) {
        workbench_report(w, VERDICT_FAILED, text, "%s", why.text);
        return;
    }
    json_members(fork, list, json_get(test, "post")) {
        run_fork(w, name, test, &env, fork, list);
    }
}

bool statetest_is_format(const struct json *doc) {
    const struct json *first = json_member_value(json_first(json_as_object(doc)));
    return json_as_object(json_get(first, "post")) && json_get(first, "transaction") &&
           json_get(first, "env");
}

void statetest_run_json(struct workbench *w, const struct json *doc) {
    json_members(key, test, doc) {
        run_test(w, json_text(key), test);
    }
}

void statetest_run(struct workbench *w, struct bytes content) {
    const struct json *doc = workbench_parse(w, content);
    if (!doc) return;
    if (statetest_is_format(doc)) {
        statetest_run_json(w, doc);
    } else {
        workbench_report(w, VERDICT_FAILED, "-", "not a file of state tests");
    }
}
