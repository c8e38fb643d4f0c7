/* SPDX-License-Identifier: MIT */
#include "builder/accounts.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define WAITING_MAX 64u

struct accounts {
    struct accounts_options o;
    struct pool *pool; // one thread
    struct producer *producer;
};

struct task {
    struct pool_task task;
    struct accounts *a;
    struct slot_work *work;
    struct landed_block block;
    struct sequence landed;
};

static void task_free(struct task *t) {
    slot_work_release(t->work);
    sequence_free(&t->landed);
    free(t);
}

static struct u256 kept_of(const struct landed_block *b) {
    return u256_compare(b->true_value, b->bid) > 0 ? u256_sub(b->true_value, b->bid) : U256_ZERO;
}

static int compute(struct task *t, struct refund_report *ret, struct arena *arena,
                   struct error *why) {
    const struct accounts_options *o = &t->a->o;
    const struct algorithm_settings settings = {
        .kind = ALGORITHM_MAX_PROFIT, .retries = ALGORITHM_RETRIES_DEFAULT, .seed = o->seed};
    const struct fill_options options = {.listed = t->work->listed,
                                         .payer = o->keys->address,
                                         .can_pay = true,
                                         .allow_skip = true,
                                         .reserved_gas = 21000};
    struct producer *p = t->a->producer;
    struct algorithm *alg = NULL;
    struct block_fill f;
    struct plan plan = {0};
    fill_init(&f);
    int r = producer_begin(p, &t->work->parent_hash, &t->work->attributes, why);
    if (r == 0) r = fill_begin(&f, producer_run(p), &options, job_effects(t->work->job), why);
    if (r == 0) r = algorithm_new(&alg, &settings, why);
    if (r == 0) r = job_plan(t->work->job, &plan, why);
    if (r == 0) {
        r = refunds_compute(ret, alg, &f, &t->landed, &plan, kept_of(&t->block), arena, why);
    }
    plan_free(&plan);
    algorithm_free(alg);
    fill_free(&f);
    return r;
}

static int store(struct task *t, const struct refund_report *r, struct error *why) {
    const struct accounts_options *o = &t->a->o;
    char path[4096], hash[65] = "";
    struct buf out;
    hex_encode(hash, BYTES_OF(t->block.hash));
    (void)snprintf(path, sizeof path, "%s/%llu-0x%s.json", o->folder,
                   (unsigned long long)t->block.number, hash);
    buf_init(&out, RECORD_BYTES_MAX);
    int code = record_write(&out, &t->block, r, o->keys->signer, &o->keys->records, why);
    if (code == 0) code = file_write_atomic(path, buf_view(&out), NULL, why);
    buf_free(&out);
    return code;
}

static void run(void *context) {
    struct task *t = context;
    struct refund_report report;
    struct arena arena;
    struct error why;
    arena_init(&arena, 0);
    int r = compute(t, &report, &arena, &why);
    if (r == 0) r = store(t, &report, &why);
    if (r != 0) {
        log_error(t->a->o.log, "record_failed", F_U64("block", t->block.number), F_ERR(&why));
    } else {
        log_info(t->a->o.log, "record", F_U64("block", t->block.number),
                 F_U64("identities", report.party_count), F_U256("profit_wei", report.profit));
    }
    arena_free(&arena);
}

static void done(void *context) {
    task_free(context);
}

int accounts_new(struct accounts **ret, const struct accounts_options *options, struct error *why) {
    struct accounts *a = calloc(1, sizeof *a);
    if (!a) return error_set(why, ERR_NO_MEMORY, "no memory for accounts");
    a->o = *options;
    int r = 0;
    if (mkdir(options->folder, 0755) != 0 && errno != EEXIST) {
        r = error_set_os(why, ERR_IO, errno, "records-folder %s", options->folder);
    }
    if (r == 0) r = producer_new(&a->producer, options->head, NULL, why);
    if (r == 0) r = pool_start(&a->pool, 1, WAITING_MAX, why);
    if (r != 0) {
        producer_free(a->producer);
        free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void accounts_free(struct accounts *a) {
    if (!a) return;
    pool_stop(a->pool);
    producer_free(a->producer);
    free(a);
}

void accounts_landed(struct accounts *a, struct slot_work *work, const struct landed_block *b,
                     const struct job_entry *const *included, size_t count) {
    struct task *t = calloc(1, sizeof *t);
    struct error why = {.text = "no memory"};
    int r = t ? 0 : ERR_NO_MEMORY;
    if (t) t->work = slot_work_retain(work);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = sequence_add(&t->landed, included[i], &why);
    }
    if (r == 0) {
        t->a = a;
        t->block = *b;
        t->task = (struct pool_task){.run = run, .done = done, .context = t};
        if (pool_submit(a->pool, &t->task)) return;
        (void)error_set(&why, ERR_BUSY, "too many records wait");
    }
    log_error(a->o.log, "record_failed", F_U64("block", b->number), F_ERR(&why));
    if (t) task_free(t);
}
