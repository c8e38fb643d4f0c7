/* SPDX-License-Identifier: MIT */
#include "builder/crew.h"

#include "base/clock.h"

#include <stdlib.h>

#define REFINE_TRIES 16u         // sequences between two looks at what is new
#define THREAD_STACK (16u << 20) // nested calls of code stand on it
#define IDLE_MS 50u

/* What the threads look at. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t wakes; // counts what is new
    struct slot_work *work;
    uint64_t work_number; // counts works
    bool ending;
};

struct seat {
    struct crew *b;
    pthread_t thread;
    bool started;
    const struct builder_settings *settings; // NULL: a simulator
    unsigned worker;                         // its number
    uint64_t idle_since;                     // end of its last simulation
    struct producer *producer;
    struct block_fill fill;
    // Of a builder only:
    struct sealer sealer;
    struct algorithm *algorithm;
    struct plan plan;
    // The work at hand:
    struct slot_work *work;
    uint64_t work_number;
    uint64_t planned, auction; // versions that were built for
    bool begun, built;
    struct u256 built_profit; // of what was last looked at for sealing
};

struct crew {
    struct crew_options o;
    struct shared shared;
    struct seat *seats;
    size_t seat_count;
};

static uint64_t now_ns(void) {
    return clock_monotonic_ns(&clock_system);
}

/* Works. */

static void let_go(struct seat *s) {
    slot_work_release(s->work);
    s->work = NULL;
    s->begun = false;
}

// Takes the present work over; false when the thread is to end.
static bool take_work(struct seat *s) {
    struct shared *sh = &s->b->shared;
    struct slot_work *old = NULL;
    pthread_mutex_lock(&sh->lock);
    bool ending = sh->ending;
    if (s->work_number != sh->work_number) {
        old = s->work;
        s->work = sh->work ? slot_work_retain(sh->work) : NULL;
        s->work_number = sh->work_number;
        s->begun = false;
    }
    pthread_mutex_unlock(&sh->lock);
    slot_work_release(old);
    if (ending) let_go(s);
    return !ending;
}

static struct fill_options fill_options_of(const struct seat *s) {
    return (struct fill_options){
        .listed = s->work->listed,
        .payer = s->b->o.keys->address,
        .can_pay = s->b->o.can_pay,
        .allow_skip = s->settings ? s->settings->allow_skip : true,
        .reserved_bytes = FILL_PAYOUT_BYTES,
    };
}

static int begin(struct seat *s, struct error *why) {
    struct fill_options options = fill_options_of(s);
    struct arena *effects = job_effects(s->work->job);
    int r = producer_begin(s->producer, &s->work->parent_hash, &s->work->attributes, why);
    if (r == 0) r = fill_begin(&s->fill, producer_run(s->producer), &options, effects, why);
    if (r == 0 && s->settings) {
        r = sealer_begin(&s->sealer, s->work, &s->fill, why);
        s->fill.options.reserved_gas = s->sealer.payout_gas;
        algorithm_reset(s->algorithm);
    }
    s->begun = r == 0;
    s->planned = s->auction = UINT64_MAX;
    s->built = false;
    return r;
}

static void fail(struct seat *s, const char *event, const struct error *why) {
    struct error local = *why;
    log_warn(s->b->o.log, event, F_STR("builder", s->settings ? s->settings->name : "simulator"),
             F_U64("slot", s->work->slot), F_ERR(&local));
}

// Waits until something is new, or some time has passed.
static void wait_for_news(struct seat *s, uint64_t seen, unsigned ms) {
    struct shared *sh = &s->b->shared;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&sh->lock);
    if (sh->wakes == seen && !sh->ending && s->work_number == sh->work_number) {
        (void)pthread_cond_timedwait(&sh->changed, &sh->lock, &until);
    }
    pthread_mutex_unlock(&sh->lock);
}

static uint64_t wakes_now(struct shared *sh) {
    pthread_mutex_lock(&sh->lock);
    uint64_t n = sh->wakes;
    pthread_mutex_unlock(&sh->lock);
    return n;
}

/* Simulators. */

static int simulate_all(struct seat *s, struct error *why) {
    while (s->work && !atomic_load(&s->work->ended)) {
        const struct job_entry *e;
        uint64_t begun = now_ns();
        int r = job_simulate(s->work->job, &s->fill, begun, &e, why);
        if (r != 0) return r;
        if (!e) break;
        uint64_t ended = now_ns();
        const struct simulated cost = {.worker = s->worker,
                                       .took_ns = ended - begun,
                                       .waited_ns = s->idle_since ? begun - s->idle_since : 0};
        s->idle_since = ended;
        if (s->b->o.on_simulated) s->b->o.on_simulated(s->b->o.context, s->work, e, &cost);
        job_let_go(s->work->job, e);
        crew_wake(s->b);
    }
    return 0;
}

static void *simulator_main(void *arg) {
    struct seat *s = arg;
    while (take_work(s)) {
        struct error why;
        uint64_t seen = wakes_now(&s->b->shared);
        int r = s->work && !s->begun ? begin(s, &why) : 0;
        if (r == 0 && s->work) r = simulate_all(s, &why);
        if (r != 0) {
            fail(s, "simulation_failed", &why);
            s->begun = false;
        }
        if (r != 0 || !s->work || !job_has_queued(s->work->job)) {
            wait_for_news(s, seen, s->work ? IDLE_MS : 1000);
        }
    }
    return NULL;
}

/* Builders. */

static bool in_time(const struct seat *s) {
    uint64_t now = clock_wall_ns(&clock_system);
    return now >= s->work->bids_from_ns && now < s->work->bids_until_ns;
}

static void report(struct seat *s, uint64_t fill_ns, bool refined, const char *reason) {
    if (!s->b->o.on_report) return;
    struct build_report r = {.builder = s->settings->name,
                             .fill_ns = fill_ns,
                             .txs = s->fill.tx_count,
                             .gas = s->fill.run->gas_used,
                             .profit = fill_profit(&s->fill),
                             .refined = refined,
                             .reason = reason};
    s->b->o.on_report(s->b->o.context, &r);
}

// Seals what stands in the fill when it is worth a bid.
static int consider(struct seat *s, uint64_t fill_ns, bool refined, struct error *why) {
    struct built_block *built = NULL;
    const char *reason = "outside the time for bids";
    int r = 0;
    if (in_time(s)) {
        s->auction = slot_work_auction(s->work).version;
        r = seal_candidate(&s->sealer, s->producer, &s->fill, &built, &reason, why);
    }
    report(s, fill_ns, refined, built ? NULL : reason);
    if (!built) return r;
    built->builder = s->settings->name;
    built->fill_ns = fill_ns;
    s->b->o.on_built(s->b->o.context, built);
    return r;
}

static int build(struct seat *s, struct error *why) {
    uint64_t begun = now_ns();
    bool extended = false;
    int r = job_plan(s->work->job, &s->plan, why);
    s->sealer.plan_version = s->plan.version;
    if (r == 0 && s->built && !s->work->virtual_clock)
        r = algorithm_extend(s->algorithm, &s->fill, &s->plan, &extended, why);
    if (r == 0 && extended && u256_compare(fill_profit(&s->fill), s->built_profit) > 0) {
        s->built_profit = fill_profit(&s->fill);
        r = consider(s, now_ns() - begun, false, why);
        begun = now_ns();
    }
    if (r == 0) r = algorithm_run(s->algorithm, &s->fill, &s->plan, &s->work->ended, why);
    if (r != 0) return r;
    s->planned = s->plan.version;
    s->built = true;
    s->built_profit = fill_profit(&s->fill);
    return consider(s, now_ns() - begun, false, why);
}

static int refine(struct seat *s, struct error *why) {
    uint64_t begun = now_ns();
    int r = algorithm_refine(s->algorithm, &s->fill, &s->plan, REFINE_TRIES, &s->work->ended, why);
    if (r != 0) return r;
    struct u256 profit = fill_profit(&s->fill);
    if (u256_compare(profit, s->built_profit) <= 0) return 0;
    s->built_profit = profit;
    return consider(s, now_ns() - begun, true, why);
}

// One thing that is to be done; *ret_idle when there is none.
static int step(struct seat *s, bool *ret_idle, struct error *why) {
    *ret_idle = false;
    if (!s->begun) return begin(s, why);
    uint64_t wall = clock_wall_ns(&clock_system);
    if (wall >= s->work->bids_until_ns) {
        *ret_idle = true;
        return 0;
    }
    if (!s->built || s->planned != job_version(s->work->job)) return build(s, why);
    bool decide = in_time(s) && s->auction != slot_work_auction(s->work).version;
    if (decide) return consider(s, 0, false, why);
    *ret_idle = !s->b->o.refine || s->work->virtual_clock || s->plan.count < 2;
    return *ret_idle ? 0 : refine(s, why);
}

static void *builder_main(void *arg) {
    struct seat *s = arg;
    while (take_work(s)) {
        struct error why = {0};
        bool idle = true;
        uint64_t seen = wakes_now(&s->b->shared);
        int r = s->work ? step(s, &idle, &why) : 0;
        if (r != 0 && r != ERR_CANCELLED) {
            fail(s, "building_failed", &why);
            s->begun = false;
            wait_for_news(s, seen, 1000);
        } else if (idle) {
            wait_for_news(s, seen, s->work ? IDLE_MS : 1000);
        }
    }
    return NULL;
}

/* Life. */

static int start_thread(struct seat *s, struct error *why) {
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
    int failed =
        pthread_create(&s->thread, &attributes, s->settings ? builder_main : simulator_main, s);
    (void)pthread_attr_destroy(&attributes);
    s->started = failed == 0;
    return failed ? error_set_os(why, ERR_IO, failed, "thread") : 0;
}

static int open_seat(struct seat *s, struct error *why) {
    struct crew *b = s->b;
    fill_init(&s->fill);
    int r = producer_new(&s->producer, b->o.head, NULL, why);
    if (r != 0 || !s->settings) return r;
    producer_expect_repeats(s->producer); // but the one that checks remembers nothing
    s->sealer.keys = b->o.keys;
    s->sealer.options = b->o.seal;
    s->sealer.builder = s->worker;
    r = algorithm_new(&s->algorithm, &s->settings->algorithm, why);
    if (r == 0 && b->o.seal.check) r = producer_new(&s->sealer.check, b->o.head, NULL, why);
    return r;
}

static void close_seat(struct seat *s) {
    if (s->started) (void)pthread_join(s->thread, NULL);
    slot_work_release(s->work);
    fill_free(&s->fill);
    plan_free(&s->plan);
    algorithm_free(s->algorithm);
    producer_free(s->sealer.check);
    sealer_free(&s->sealer);
    producer_free(s->producer);
}

int crew_new(struct crew **ret, const struct crew_options *options, struct error *why) {
    struct crew *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for builders");
    pthread_condattr_t attributes;
    b->o = *options;
    b->seat_count = options->count + options->simulators;
    b->seats = calloc(b->seat_count, sizeof *b->seats);
    (void)pthread_mutex_init(&b->shared.lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&b->shared.changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = b->seats ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for builders");
    for (size_t i = 0; r == 0 && i < b->seat_count; i++) {
        b->seats[i].b = b;
        b->seats[i].settings = i < options->count ? &options->list[i] : NULL;
        b->seats[i].worker = (unsigned)(i < options->count ? i : i - options->count);
        r = open_seat(&b->seats[i], why);
    }
    for (size_t i = 0; r == 0 && i < b->seat_count; i++) {
        r = start_thread(&b->seats[i], why);
    }
    if (r != 0) {
        crew_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

void crew_free(struct crew *b) {
    if (!b) return;
    pthread_mutex_lock(&b->shared.lock);
    b->shared.ending = true;
    if (b->shared.work) atomic_store(&b->shared.work->ended, true);
    pthread_cond_broadcast(&b->shared.changed);
    pthread_mutex_unlock(&b->shared.lock);
    for (size_t i = 0; b->seats && i < b->seat_count; i++) {
        close_seat(&b->seats[i]);
    }
    slot_work_release(b->shared.work);
    (void)pthread_cond_destroy(&b->shared.changed);
    (void)pthread_mutex_destroy(&b->shared.lock);
    free(b->seats);
    free(b);
}

static void set_work(struct crew *b, struct slot_work *work) {
    struct shared *sh = &b->shared;
    pthread_mutex_lock(&sh->lock);
    struct slot_work *old = sh->work;
    sh->work = work ? slot_work_retain(work) : NULL;
    sh->work_number++;
    sh->wakes++;
    if (old) atomic_store(&old->ended, true);
    pthread_cond_broadcast(&sh->changed);
    pthread_mutex_unlock(&sh->lock);
    slot_work_release(old);
}

void crew_begin(struct crew *b, struct slot_work *work) {
    set_work(b, work);
}

void crew_end(struct crew *b) {
    set_work(b, NULL);
}

void crew_wake(struct crew *b) {
    struct shared *sh = &b->shared;
    pthread_mutex_lock(&sh->lock);
    sh->wakes++;
    pthread_cond_broadcast(&sh->changed);
    pthread_mutex_unlock(&sh->lock);
}
