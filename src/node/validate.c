/* SPDX-License-Identifier: MIT */
#include "node/validate.h"

#include "base/hex.h"
#include "chain/blob_check.h"
#include "chain/engine.h"
#include "chain/engine_versions.h"
#include "chain/produce.h"
#include "crypto/kzg.h"
#include "eth/fees.h"
#include "eth/ssz_json.h"
#include "node/engine_api.h"

#include <stdlib.h>

#define IDLE_MAX 64u
#define FAILED (-32000)

static const struct bytes none = {NULL, 0};

struct validate {
    struct node *node;
    struct kzg *kzg;
    struct blob_memory *blobs; // builders bid again and again with the same ones
    struct metric *valid, *invalid, *seconds;
    pthread_mutex_t lock;
    struct producer *idle[IDLE_MAX]; // each with the tries of the block it was on last
    size_t idle_count;
};

#define VALIDATE_METRICS(X)                                                                        \
    X(VALIDATE_RESULTS, METRIC_COUNTER, "node_validations_total", "Builder submissions judged.",   \
      "result")                                                                                    \
    X(VALIDATE_SECONDS, METRIC_SUMMARY, "node_validation_seconds", "Time of one.", NULL)
METRICS_DECLARE(validate_metric, VALIDATE_METRICS)

/* One submission on its way. */
struct judged {
    enum consensus_fork fork;
    struct submit_block_request request;
    uint64_t registered_gas_limit;
    struct engine_extra extra;
    unsigned parts;
    struct block block;
    const struct address *senders;
    struct u256 before; // what the fee recipient had
};

// Producers

static int take_producer(struct validate *v, struct producer **ret, struct error *why) {
    *ret = NULL;
    (void)pthread_mutex_lock(&v->lock);
    if (v->idle_count) *ret = v->idle[--v->idle_count];
    (void)pthread_mutex_unlock(&v->lock);
    return *ret ? 0 : producer_new(ret, v->node->head, NULL, why);
}

static void give_producer(struct validate *v, struct producer *p) {
    (void)pthread_mutex_lock(&v->lock);
    bool kept = v->idle_count < IDLE_MAX;
    if (kept) v->idle[v->idle_count++] = p;
    (void)pthread_mutex_unlock(&v->lock);
    if (!kept) producer_free(p);
}

// Reading

static int read_gas_limit(uint64_t *ret, const struct json *in, struct error *why) {
    const struct json *v = json_get(in, "registered_gas_limit");
    if (json_type_of(v) == JSON_NUMBER) return json_u64(ret, v, why);
    int r = json_decimal(ret, v, why);
    return r == 0 ? 0 : error_wrap(why, "registered_gas_limit");
}

static int read_submission(struct judged *j, struct node_call *c, struct error *why) {
    const struct json *in = node_param(c, 0);
    const struct consensus_types *types = consensus_types_of(j->fork);
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = ssz_json_decode(&j->request, types->submit_request, in, c->a, why);
    if (r == 0) r = read_gas_limit(&j->registered_gas_limit, in, why);
    if (r == 0 && j->fork >= CONSENSUS_DENEB) {
        j->extra.has_beacon_root = true;
        r = json_get_hash(&j->extra.beacon_root, in, "parent_beacon_block_root", why);
    }
    if (r == 0 && j->fork >= CONSENSUS_ELECTRA) {
        j->extra.has_requests = true;
        r = engine_requests_flatten(&j->extra.requests, &j->extra.request_count,
                                    &j->request.execution_requests, c->a, why);
    }
    j->parts = (j->fork >= CONSENSUS_CAPELLA ? ENGINE_WITHDRAWALS : 0) |
               (j->fork >= CONSENSUS_DENEB ? ENGINE_BLOB_GAS : 0);
    return r == 0 ? 0 : node_bad_params(c, why);
}

// Checks that need no state

static int fail_hashes(struct node_call *c, struct error *why, const char *what,
                       const struct hash *got, const struct hash *expected) {
    char a[65] = {0}, b[65] = {0};
    hex_encode(a, bytes_make(got, 32));
    hex_encode(b, bytes_make(expected, 32));
    return node_fail(c, why, FAILED, none, "incorrect %s 0x%s, expected 0x%s", what, a, b);
}

static int check_message(struct judged *j, struct node_call *c, struct error *why) {
    const struct bid_trace *m = &j->request.message;
    const struct execution_payload *p = &j->request.execution_payload;
    struct hash hash;
    int r = engine_payload_block(&j->block, p, j->parts, &j->extra, c->a, why);
    if (r == ERR_NO_MEMORY) return r;
    if (r != 0) {
        struct error own = *why;
        return node_fail(c, why, FAILED, none, "could not verify payload: %s", own.text);
    }
    r = header_hash(&hash, &j->block.header, why);
    if (r != 0) return r;
    if (!hash_equal(&m->parent_hash, &p->parent_hash)) {
        return fail_hashes(c, why, "ParentHash", &m->parent_hash, &p->parent_hash);
    }
    if (!hash_equal(&m->block_hash, &p->block_hash)) {
        return fail_hashes(c, why, "BlockHash", &m->block_hash, &p->block_hash);
    }
    if (!hash_equal(&hash, &p->block_hash)) {
        return fail_hashes(c, why, "blockhash", &p->block_hash, &hash);
    }
    if (m->gas_limit != p->gas_limit) {
        return node_fail(c, why, FAILED, none, "incorrect GasLimit %llu, expected %llu",
                         (unsigned long long)m->gas_limit, (unsigned long long)p->gas_limit);
    }
    if (m->gas_used != p->gas_used) {
        return node_fail(c, why, FAILED, none, "incorrect GasUsed %llu, expected %llu",
                         (unsigned long long)m->gas_used, (unsigned long long)p->gas_used);
    }
    return 0;
}

static int check_proofs(const struct validate *v, const struct judged *j, struct arena *a,
                        struct error *why) {
    const struct blobs_bundle *b = &j->request.blobs_bundle;
    bool cells = j->fork >= CONSENSUS_FULU;
    size_t per_blob = cells ? CELLS_PER_BLOB : 1;
    if (b->proofs.count != b->blobs.count * per_blob) {
        return error_set(why, ERR_INVALID, "there are %zu proofs of %zu blobs", b->proofs.count,
                         b->blobs.count);
    }
    const uint8_t **blobs = arena_alloc_array(a, b->blobs.count + 1, sizeof *blobs);
    if (!blobs) return error_set(why, ERR_NO_MEMORY, "no memory for blobs");
    for (size_t i = 0; i < b->blobs.count; i++) {
        blobs[i] = b->blobs.items[i].b;
    }
    const struct tx_sidecar s = {.present = true,
                                 .version = cells,
                                 .blob_count = b->blobs.count,
                                 .blobs = blobs,
                                 .commitments = b->commitments.items,
                                 .proof_count = b->proofs.count,
                                 .proofs = b->proofs.items};
    const struct fork_rules *rules = fork_rules_of(cells ? FORK_OSAKA : FORK_CANCUN);
    return blob_proofs_check(v->kzg, v->blobs, &s, rules, why);
}

// The bundle belongs to the block's transactions. One that came without blobs is the caller's wish.
static int check_blobs(const struct validate *v, const struct judged *j, struct node_call *c,
                       struct error *why) {
    const struct blobs_bundle *b = &j->request.blobs_bundle;
    size_t n = 0;
    if (b->commitments.count == 0 && b->blobs.count == 0) return 0;
    for (size_t i = 0; i < j->block.tx_count; i++) {
        const struct tx *t = &j->block.txs[i];
        for (size_t k = 0; k < t->blob_count; k++, n++) {
            struct hash hash = {{0}};
            if (n < b->commitments.count) hash = kzg_versioned_hash(&b->commitments.items[n]);
            if (!hash_equal(&hash, &t->blob_hashes[k])) {
                return node_fail(c, why, FAILED, none, "invalid blobs bundle: commitment %zu", n);
            }
        }
    }
    if (n != b->commitments.count || n != b->blobs.count) {
        return node_fail(c, why, FAILED, none,
                         "invalid blobs bundle: %zu commitments and %zu blobs for %zu hashes",
                         b->commitments.count, b->blobs.count, n);
    }
    int r = check_proofs(v, j, c->a, why);
    if (r == 0 || r == ERR_NO_MEMORY) return r;
    struct error own = *why;
    return node_fail(c, why, FAILED, none, "invalid blobs bundle: %s", own.text);
}

// Checks on the parent

static int check_parent(const struct judged *j, struct node_call *c, struct error *why) {
    struct node *n = c->node;
    const struct execution_payload *p = &j->request.execution_payload;
    const struct head_block *parent;
    if (head_block_by_hash(n->head, &parent, &p->parent_hash, NULL) != 0) {
        return node_fail(c, why, FAILED, none, "unknown ancestor");
    }
    const struct header *h = &parent->block.header;
    uint64_t wanted = gas_limit_next(h->gas_limit, j->registered_gas_limit);
    uint64_t number = h->number + 1;
    head_block_release(parent);
    int f = consensus_fork_of((int)engine_fork_at(n, number, p->timestamp));
    if (f != (int)j->fork) {
        return node_fail(c, why, FAILED, none, "the payload's timestamp is of another fork");
    }
    if (p->block_number != number) {
        return node_fail(c, why, FAILED, none, "invalid block number: %llu, expected %llu",
                         (unsigned long long)p->block_number, (unsigned long long)number);
    }
    if (p->gas_limit != wanted) {
        return node_fail(c, why, FAILED, none, "incorrect gas limit set, expected: %llu got: %llu",
                         (unsigned long long)wanted, (unsigned long long)p->gas_limit);
    }
    return 0;
}

static int begin(struct judged *j, struct producer *p, struct node_call *c, struct error *why) {
    const struct execution_payload *q = &j->request.execution_payload;
    struct state_base_account account;
    const struct produce_attributes attributes = {
        .timestamp = q->timestamp,
        .prev_randao = q->prev_randao,
        .fee_recipient = q->fee_recipient,
        .withdrawals = q->withdrawals.items,
        .withdrawal_count = q->withdrawals.count,
        .parent_beacon_root = j->extra.beacon_root,
        .gas_limit = q->gas_limit,
        .gas_limit_exact = true,
        .extra_data = q->extra_data,
    };
    int r = producer_begin(p, &q->parent_hash, &attributes, why);
    if (r == ERR_NOT_FOUND || r == ERR_STALE) {
        return node_fail(c, why, FAILED, none, "unknown ancestor: its state is not there");
    }
    if (r == ERR_INVALID) {
        struct error own = *why;
        return node_fail(c, why, FAILED, none, "invalid block: %s", own.text);
    }
    if (r == 0) {
        r = head_view_account(producer_view(p), &account,
                              &j->request.message.proposer_fee_recipient, why);
    }
    if (r == 0) j->before = account.exists ? account.balance : U256_ZERO;
    return r;
}

static int run_all(struct judged *j, struct producer *p, struct node_call *c, struct error *why) {
    struct address *senders = arena_new_array(c->a, struct address, j->block.tx_count + 1);
    if (!senders) return error_set(why, ERR_NO_MEMORY, "no memory for senders");
    for (size_t i = 0; i < j->block.tx_count; i++) {
        const struct tx *t = &j->block.txs[i];
        struct transact_result result;
        int r = tx_sender_cached(&senders[i], t, c->node->senders, why);
        if (r == ERR_NO_MEMORY) return r;
        if (r != 0) {
            struct error own = *why;
            return node_fail(c, why, FAILED, none, "could not apply tx %zu: %s", i, own.text);
        }
        r = block_run_tx(producer_run(p), t, &senders[i], &result, why);
        if (r != 0) return r;
        if (result.fault != TRANSACT_VALID) {
            return node_fail(c, why, FAILED, none, "could not apply tx %zu: %s", i,
                             transact_fault_text(&result));
        }
    }
    j->senders = senders;
    return 0;
}

// The last transaction as the payment, when the balance alone does not show it.
static const char *check_payment_tx(const struct judged *j, struct producer *p) {
    const struct block_run *run = producer_run(p);
    const struct bid_trace *m = &j->request.message;
    struct u256 base_fee = j->block.header.base_fee;
    if (j->block.tx_count == 0) return "no proposer payment tx";
    const struct tx *t = &j->block.txs[j->block.tx_count - 1];
    if (run->entries[run->count - 1].status != EVM_SUCCESS) {
        return "proposer payment not successful";
    }
    if (!t->has_to || !address_equal(&t->to, &m->proposer_fee_recipient)) {
        return "payment tx not to the proposers fee recipient";
    }
    if (!u256_equal(t->value, m->value)) return "inaccurate payment";
    if (t->data.n) return "malformed proposer payment, contains calldata";
    if (!u256_equal(tx_effective_price(t, base_fee), base_fee)) {
        return "malformed proposer payment, gas price not equal to base fee";
    }
    return NULL;
}

static int check_payment(const struct judged *j, struct producer *p, struct node_call *c,
                         struct error *why) {
    const struct bid_trace *m = &j->request.message;
    struct state *s = producer_run(p)->vm->state;
    struct u256 after = state_balance(state_account_find(s, &m->proposer_fee_recipient)), profit;
    bool less = u256_sub_borrow(&profit, after, j->before);
    if (!less && u256_compare(profit, m->value) >= 0) return 0; // withdrawals come later
    const char *wrong = check_payment_tx(j, p);
    if (!wrong) return 0;
    char expected[U256_DECIMAL_MAX + 1];
    (void)u256_to_decimal(expected, m->value);
    return node_fail(c, why, FAILED, none, "%s (expected profit %s)", wrong, expected);
}

static int check_sealed(const struct judged *j, const struct produced *made, struct node_call *c,
                        struct error *why) {
    const struct header *want = &made->header, *got = &j->block.header;
    if (hash_equal(&made->hash, &j->request.execution_payload.block_hash)) return 0;
    if (want->gas_used != got->gas_used) {
        return node_fail(c, why, FAILED, none, "invalid gas used (remote: %llu local: %llu)",
                         (unsigned long long)got->gas_used, (unsigned long long)want->gas_used);
    }
    if (!hash_equal(&want->state_root, &got->state_root)) {
        return fail_hashes(c, why, "merkle root", &got->state_root, &want->state_root);
    }
    if (!hash_equal(&want->receipts_root, &got->receipts_root)) {
        return fail_hashes(c, why, "receipt root hash", &got->receipts_root, &want->receipts_root);
    }
    if (!hash_equal(&want->requests_hash, &got->requests_hash)) {
        return fail_hashes(c, why, "requests hash", &got->requests_hash, &want->requests_hash);
    }
    return fail_hashes(c, why, "blockhash", &j->request.execution_payload.block_hash, &made->hash);
}

static int execute(struct judged *j, struct producer *p, struct node_call *c, struct error *why) {
    struct produced made;
    int r = begin(j, p, c, why);
    if (r == 0) r = run_all(j, p, c, why);
    if (r == 0) r = check_payment(j, p, c, why);
    if (r != 0) return r;
    const struct tx **txs = arena_alloc_array(c->a, j->block.tx_count + 1, sizeof *txs);
    if (!txs) return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    for (size_t i = 0; i < j->block.tx_count; i++) {
        txs[i] = &j->block.txs[i];
    }
    r = producer_seal(p, &made, txs, j->block.tx_count, c->a, why);
    if (r == ERR_INVALID) {
        struct error own = *why;
        return node_fail(c, why, FAILED, none, "invalid block: %s", own.text);
    }
    return r == 0 ? check_sealed(j, &made, c, why) : r;
}

static int judge(struct validate *v, struct node_call *c, struct error *why) {
    struct judged *j = arena_new(c->a, struct judged);
    struct producer *p;
    if (!j) return error_set(why, ERR_NO_MEMORY, "no memory for a submission");
    j->fork = (enum consensus_fork)(engine_version_of(c) - 1 + CONSENSUS_BELLATRIX);
    int r = read_submission(j, c, why);
    if (r == 0) r = check_message(j, c, why);
    if (r == 0) r = check_blobs(v, j, c, why);
    if (r == 0) r = check_parent(j, c, why);
    if (r == 0) r = take_producer(v, &p, why);
    if (r != 0) return r;
    r = execute(j, p, c, why);
    give_producer(v, p);
    return r;
}

static int call_validate(struct node_call *c, struct error *why) {
    struct validate *v = c->context;
    const struct clock *clock = loop_clock(c->node->loop);
    uint64_t begin_ns = clock_monotonic_ns(clock);
    int r = judge(v, c, why);
    metric_inc(r == 0 ? v->valid : v->invalid);
    metric_observe_ns(v->seconds, clock_monotonic_ns(clock) - begin_ns);
    if (r == 0) json_add_null(c->result, NULL);
    return r;
}

static const struct node_method methods[] = {
    {"flashbots_validateBuilderSubmissionV1", call_validate, NODE_USER},
    {"flashbots_validateBuilderSubmissionV2", call_validate, NODE_USER},
    {"flashbots_validateBuilderSubmissionV3", call_validate, NODE_USER},
    {"flashbots_validateBuilderSubmissionV4", call_validate, NODE_USER},
    {"flashbots_validateBuilderSubmissionV5", call_validate, NODE_USER},
};

int validate_open(struct validate **ret, struct node *n, struct error *why) {
    struct validate *v = calloc(1, sizeof *v);
    if (!v) return error_set(why, ERR_NO_MEMORY, "no memory for validation");
    v->node = n;
    (void)pthread_mutex_init(&v->lock, NULL);
    *ret = v;
    const struct metric_desc *results = &validate_metric_table[VALIDATE_RESULTS];
    v->valid = metrics_get(n->metrics, results, (const char *[]){"valid"});
    v->invalid = metrics_get(n->metrics, results, (const char *[]){"invalid"});
    v->seconds = metrics_get(n->metrics, &validate_metric_table[VALIDATE_SECONDS], NULL);
    int r = kzg_open(&v->kzg, KZG_VERIFY, why);
    if (r == 0) r = blob_memory_new(&v->blobs, why);
    return r == 0 ? node_add_methods(n, methods, sizeof methods / sizeof methods[0], v, why) : r;
}

void validate_close(struct validate *v) {
    if (!v) return;
    for (size_t i = 0; i < v->idle_count; i++) {
        producer_free(v->idle[i]);
    }
    blob_memory_free(v->blobs);
    kzg_close(v->kzg);
    (void)pthread_mutex_destroy(&v->lock);
    free(v);
}
