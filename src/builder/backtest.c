/* SPDX-License-Identifier: MIT */
#include "builder/backtest.h"

#include "base/clock.h"
#include "base/file.h"
#include "builder/commit.h"
#include "builder/order_params.h"

#include <stdlib.h>

#define EFFECTS_BYTES_MAX (1ull << 30)

struct backtest {
    const struct backtest_options *o;
    struct scene scene;
    struct job *job;
    struct build_context context;
    struct fill_options fill_options;
    struct plan plan;
    bool *counts; // by transaction of the block: it is an order
    struct backtest_report *report;
    struct buf *out;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a backtest");
}

/* Orders. */

static int take_order(void *arg, const struct feed_order *f, struct error *why) {
    struct backtest *b = arg;
    struct build_request request;
    struct error refused;
    if (build_request_of(&request, f, &b->context, &refused) != 0) return 0; // as the pool would
    if (request.kind != BUILD_REQUEST_ORDER) return 0;
    int r = job_add(b->job, request.order, 0, NULL, why);
    if (r == 0) b->report->orders++;
    build_order_release(request.order);
    return r == ERR_CONFLICT ? 0 : r;
}

static int take_file(struct backtest *b, const char *path, struct error *why) {
    struct buf text;
    buf_init(&text, 0);
    int r = file_read(&text, path, why);
    if (r == 0) r = order_params_each(buf_view(&text), take_order, b, why);
    buf_free(&text);
    return r == 0 ? 0 : error_wrap(why, "%s", path);
}

static int take_shuffled(struct backtest *b, struct error *why) {
    struct scene *s = &b->scene;
    size_t *order = arena_new_array(&s->memory, size_t, s->block.tx_count + 1), count = 0;
    struct random_fast random;
    if (!order) return no_memory(why);
    for (size_t i = 0; i < s->block.tx_count; i++) {
        if (b->counts[i]) order[count++] = i;
    }
    random_fast_seed(&random, b->o->seed);
    for (size_t i = count; i > 1; i--) {
        size_t k = random_fast_below(&random, i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (size_t i = 0; i < count; i++) {
        struct build_order *o;
        int r = build_order_of_tx(&o, s->block.txs[order[i]].raw, &s->senders[order[i]],
                                  &b->context, why);
        if (r != 0) return r;
        r = job_add(b->job, o, 0, NULL, why);
        build_order_release(o);
        if (r != 0) return r;
        b->report->orders++;
    }
    return 0;
}

/* What the block's own sequence pays. The builder's own transactions are no orders: they move its
 * payment on; and what is not valid without them counts on neither side. */
static int measure(struct backtest *b, struct error *why) {
    struct scene *s = &b->scene;
    struct scene_run run;
    b->counts = arena_new_array(&s->memory, bool, s->block.tx_count + 1);
    if (!b->counts) return no_memory(why);
    int r = scene_begin(&run, s, why);
    if (r != 0) return r;
    const struct state_account *coinbase = state_account_find(&run.state, &s->env.coinbase);
    struct u256 before = coinbase->now.balance;
    for (size_t i = 0; r == 0 && i < s->block.tx_count; i++) {
        struct transact_result result;
        if (address_equal(&s->senders[i], &s->block.header.coinbase)) continue;
        r = block_run_tx(&run.run, &s->block.txs[i], &s->senders[i], &result, why);
        b->counts[i] = r == 0 && result.fault == TRANSACT_VALID;
        b->report->txs += b->counts[i];
    }
    b->report->value = wei_gain(u256_sub(coinbase->now.balance, before));
    scene_end(&run);
    return r;
}

static int simulate(struct backtest *b, struct error *why) {
    struct scene_run run;
    struct block_fill fill;
    const struct job_entry *e;
    int r = scene_begin(&run, &b->scene, why);
    if (r != 0) return r;
    uint64_t begin = clock_monotonic_ns(&clock_system);
    fill_init(&fill);
    r = fill_begin(&fill, &run.run, &b->fill_options, job_effects(b->job), why);
    do {
        if (r == 0) r = job_simulate(b->job, &fill, 0, &e, why);
    } while (r == 0 && e);
    b->report->simulate_ns = clock_monotonic_ns(&clock_system) - begin;
    fill_free(&fill);
    scene_end(&run);
    if (r == 0) r = job_plan(b->job, &b->plan, why);
    b->report->simulated_ok = b->plan.count;
    return r;
}

/* One algorithm. */

// The candidate again, from nothing; its value as that execution finds it.
static int verify(struct backtest *b, struct block_fill *f, struct backtest_result *ret,
                  struct u256 *ret_value, struct error *why) {
    struct arena a;
    struct block_outcome outcome;
    arena_init(&a, 0);
    const struct tx **txs = arena_new_array(&a, const struct tx *, f->tx_count + 1);
    struct address *senders = arena_new_array(&a, struct address, f->tx_count + 1);
    struct u256 built = fill_profit(f);
    int r = txs && senders ? fill_check(f, why) : no_memory(why);
    for (size_t i = 0; r == 0 && i < f->tx_count; i++) {
        txs[i] = &f->txs[i].job->t->tx;
        senders[i] = f->txs[i].job->t->sender;
    }
    struct block_mark mark = block_run_mark(f->run);
    if (r == 0) r = block_run_finish(f->run, &outcome, &a, why);
    if (r == 0) {
        r = scene_replay(&b->scene, txs, senders, f->tx_count, &outcome, ret_value, why);
    }
    block_run_rewind(f->run, mark);
    if (r == 0 && !u256_equal(*ret_value, u256_add(built, f->owed))) {
        r = error_set(why, ERR_INVALID, "execution gives another value than building");
    }
    *ret_value = built;
    ret->txs = f->tx_count;
    ret->gas = f->run->gas_used;
    ret->orders = 0;
    for (size_t i = 0; i < f->step_count; i++) {
        ret->orders += f->steps[i].result.status == COMMIT_DONE;
    }
    arena_free(&a);
    return r;
}

static void explain(struct backtest *b, const struct block_fill *f, enum algorithm_kind kind);

static int timed_run(struct algorithm *a, struct block_fill *f, const struct plan *plan,
                     uint64_t *ret_ns, struct error *why) {
    uint64_t begin = clock_monotonic_ns(&clock_system);
    int r = algorithm_run(a, f, plan, NULL, why);
    *ret_ns = clock_monotonic_ns(&clock_system) - begin;
    return r;
}

static int build(struct backtest *b, struct algorithm *a, struct block_fill *f,
                 struct backtest_result *ret, struct error *why) {
    int r = timed_run(a, f, &b->plan, &ret->fill_ns, why);
    if (r == 0) r = verify(b, f, ret, &ret->value, why);
    if (r != 0) return r;
    // Once more from nothing: what building costs when outcomes are known.
    algorithm_reset(a);
    fill_restart(f);
    fill_end(f);
    r = timed_run(a, f, &b->plan, &ret->refill_ns, why);
    ret->refined = ret->value;
    if (r != 0 || b->o->refine == 0) return r;
    uint64_t begin = clock_monotonic_ns(&clock_system);
    r = algorithm_refine(a, f, &b->plan, b->o->refine, NULL, why);
    ret->refine_ns = clock_monotonic_ns(&clock_system) - begin;
    return r == 0 ? verify(b, f, ret, &ret->refined, why) : r;
}

static int run_algorithm(struct backtest *b, enum algorithm_kind kind, struct error *why) {
    struct backtest_result *ret = &b->report->results[b->report->result_count++];
    struct algorithm_settings settings = {
        .kind = kind, .retries = ALGORITHM_RETRIES_DEFAULT, .seed = b->o->seed};
    struct scene_run run;
    struct block_fill fill;
    struct algorithm *a;
    struct error failure;
    *ret = (struct backtest_result){.algorithm = kind};
    int r = scene_begin(&run, &b->scene, why);
    if (r != 0) return r;
    r = algorithm_new(&a, &settings, why);
    if (r != 0) {
        scene_end(&run);
        return r;
    }
    fill_init(&fill);
    r = fill_begin(&fill, &run.run, &b->fill_options, job_effects(b->job), &failure);
    if (r == 0) r = build(b, a, &fill, ret, &failure);
    ret->valid = r == 0;
    if (r != 0) memcpy(ret->failure, failure.text, sizeof ret->failure);
    if (r == 0 && b->o->explain) explain(b, &fill, kind);
    fill_free(&fill);
    algorithm_free(a);
    scene_end(&run);
    return 0;
}

int backtest_run(struct backtest_report *ret, const struct backtest_options *o, struct buf *out,
                 struct error *why) {
    struct backtest b = {.o = o, .report = ret, .out = out};
    *ret = (struct backtest_report){0};
    int r = scene_load(&b.scene, o->block, why);
    if (r != 0) return r;
    b.context = (struct build_context){b.scene.config.chain_id, BUILD_FROM_FILE, NULL};
    b.fill_options = (struct fill_options){.payer = b.scene.env.coinbase, .allow_skip = true};
    ret->number = b.scene.block.header.number;
    ret->fork = b.scene.env.fork;
    r = job_new(&b.job, EFFECTS_BYTES_MAX, why);
    if (r == 0) r = measure(&b, why);
    if (r == 0) r = o->orders ? take_file(&b, o->orders, why) : take_shuffled(&b, why);
    if (r == 0) r = simulate(&b, why);
    for (int kind = 0; r == 0 && kind < ALGORITHM_KIND_COUNT; kind++) {
        if (o->algorithm < 0 || o->algorithm == kind) {
            r = run_algorithm(&b, (enum algorithm_kind)kind, why);
        }
    }
    plan_free(&b.plan);
    job_free(b.job);
    scene_free(&b.scene);
    return r;
}

/* Explaining. */

struct explanation {
    struct backtest *b;
    const struct block_fill *f;
    enum algorithm_kind kind;
    struct json_writer w;
};

static const struct fill_step *last_step_of(const struct block_fill *f, const struct job_entry *e) {
    for (size_t i = f->step_count; i > 0; i--) {
        if (f->steps[i - 1].order == &e->job) return &f->steps[i - 1];
    }
    return NULL;
}

static const char *simulation_text(const struct job_entry *e) {
    if (e->state == ENTRY_WAITING) return "waits for a nonce that no order brings";
    if (e->state == ENTRY_READY) return "not tried: the block was full";
    if (e->sim.status == COMMIT_DONE) return "does nothing";
    return commit_status_text(e->sim.status);
}

static void explain_json(struct explanation *x, const struct job_entry *e,
                         const struct fill_step *step, const char *name) {
    bool in = step && step->result.status == COMMIT_DONE;
    json_begin_object(&x->w, NULL);
    json_add_str(&x->w, "algorithm", algorithm_name(x->kind));
    json_add_str(&x->w, "order", name);
    json_add_bool(&x->w, "included", in);
    json_add_str(&x->w, "status", commit_status_name(step ? step->result.status : e->sim.status));
    json_add_str(&x->w, "reason",
                 step ? commit_status_text(step->result.status) : simulation_text(e));
    json_add_decimal256(&x->w, "simulatedProfit", e->sim.profit);
    if (step) json_add_decimal256(&x->w, "profit", step->result.profit);
    json_add_u64(&x->w, "gas", in ? step->result.gas_used : e->sim.gas_used);
    json_end(&x->w);
    buf_append_byte(x->b->out, '\n');
    json_writer_init(&x->w, x->b->out, 0);
}

static void explain_entry(void *arg, const struct job_entry *e) {
    struct explanation *x = arg;
    const struct fill_step *step = last_step_of(x->f, e);
    const struct commit_result *result = step ? &step->result : &e->sim;
    bool in = step && step->result.status == COMMIT_DONE;
    const struct commit_result *worth = in ? &step->result : &e->sim; // what is out: alone
    char name[BUILD_ORDER_NAME_MAX], wei[U256_DECIMAL_MAX + 1];
    build_order_name(name, e->job.order);
    if (x->b->o->json) {
        explain_json(x, e, step, name);
        return;
    }
    (void)u256_to_decimal(wei, worth->profit);
    buf_printf(x->b->out, "  %-3s %s  %s wei  %llu gas  %s", in ? "in" : "out", name, wei,
               (unsigned long long)worth->gas_used,
               step ? commit_status_text(step->result.status) : simulation_text(e));
    if (!in && result->status != COMMIT_DONE && result->why.fault != TRANSACT_VALID) {
        buf_printf(x->b->out, ": transaction %u: %s", result->tx,
                   transact_fault_text(&result->why));
    } else if (!in && result->status == COMMIT_REVERTED) {
        buf_printf(x->b->out, ": transaction %u: %s", result->tx,
                   evm_status_name(result->why.status));
    }
    buf_append_byte(x->b->out, '\n');
}

static void explain(struct backtest *b, const struct block_fill *f, enum algorithm_kind kind) {
    struct explanation x = {b, f, kind, {0}};
    json_writer_init(&x.w, b->out, 0);
    if (!b->o->json) buf_printf(b->out, "%s\n", algorithm_name(kind));
    job_each(b->job, explain_entry, &x);
}

/* Printing. */

#define GWEI_DIGITS 9

// Wei as ether with nine digits behind the point.
static void put_ether(struct buf *out, struct u256 wei) {
    char digits[U256_DECIMAL_MAX + 1];
    struct u256 gwei;
    u256_div_mod(&gwei, NULL, wei, u256_from_u64(1000000000));
    size_t n = u256_to_decimal(digits, gwei);
    size_t whole = n > GWEI_DIGITS ? n - GWEI_DIGITS : 0;
    buf_printf(out, "%.*s.", whole ? (int)whole : 1, whole ? digits : "0");
    for (size_t i = n - whole; i < GWEI_DIGITS; i++) {
        buf_append_byte(out, '0');
    }
    buf_append_str(out, digits + whole);
}

static void print_json(struct buf *out, const struct backtest_report *r) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "block", r->number);
    json_add_str(&w, "fork", fork_name(r->fork));
    json_add_u64(&w, "txs", r->txs);
    json_add_u64(&w, "orders", r->orders);
    json_add_u64(&w, "simulatedOk", r->simulated_ok);
    json_add_decimal256(&w, "value", r->value);
    json_add_u64(&w, "simulateNs", r->simulate_ns);
    json_begin_array(&w, "algorithms");
    for (size_t i = 0; i < r->result_count; i++) {
        const struct backtest_result *one = &r->results[i];
        json_begin_object(&w, NULL);
        json_add_str(&w, "name", algorithm_name(one->algorithm));
        json_add_bool(&w, "valid", one->valid);
        if (!one->valid) json_add_str(&w, "failure", one->failure);
        json_add_decimal256(&w, "value", one->value);
        json_add_decimal256(&w, "refined", one->refined);
        json_add_u64(&w, "orders", one->orders);
        json_add_u64(&w, "txs", one->txs);
        json_add_u64(&w, "gas", one->gas);
        json_add_u64(&w, "fillNs", one->fill_ns);
        json_add_u64(&w, "refillNs", one->refill_ns);
        json_add_u64(&w, "refineNs", one->refine_ns);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    buf_append_byte(out, '\n');
}

void backtest_print(struct buf *out, const struct backtest_report *r, bool json) {
    if (json) {
        print_json(out, r);
        return;
    }
    buf_printf(out, "block %llu (%s): %zu transactions, value ", (unsigned long long)r->number,
               fork_name(r->fork), r->txs);
    put_ether(out, r->value);
    buf_printf(out, " ETH; %zu orders, %zu simulated, %.2f ms\n", r->orders, r->simulated_ok,
               (double)r->simulate_ns / 1e6);
    for (size_t i = 0; i < r->result_count; i++) {
        const struct backtest_result *one = &r->results[i];
        buf_printf(out, "  %-26s ", algorithm_name(one->algorithm));
        if (!one->valid) {
            buf_printf(out, "INVALID: %s\n", one->failure);
            continue;
        }
        put_ether(out, one->refined);
        buf_printf(out, " ETH  %4zu orders  %9llu gas  fill %7.2f ms, again %6.2f ms\n",
                   one->orders, (unsigned long long)one->gas, (double)one->fill_ns / 1e6,
                   (double)one->refill_ns / 1e6);
    }
}

bool backtest_is_good(const struct backtest_report *r) {
    bool reached = false;
    for (size_t i = 0; i < r->result_count; i++) {
        if (!r->results[i].valid) return false;
        reached |= u256_compare(r->results[i].refined, r->value) >= 0;
    }
    return reached;
}
