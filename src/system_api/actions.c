/* Actions: started by name, awaited or followed by id.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/random.h"
#include "system_api/api.h"
#include "json/write.h"

#include <stdlib.h>

#define RUNS_KEPT 100
#define RUN_ID_DIGITS 32

/* One run of an action, the newest are kept. */
struct action_run {
    struct list_node link;
    struct api *api;
    char id[RUN_ID_DIGITS + 1];
    char *name;
    enum command_state state;
    uint64_t started_at_ns, ended_at_ns; // wall
    int exit_status, signal;
    char error[160];
    struct buf out, err;
    struct exchange *x; // waits for the end; held. NULL: nobody does
};

static void run_free(struct action_run *run) {
    list_remove(&run->link);
    buf_free(&run->out);
    buf_free(&run->err);
    free(run->name);
    free(run);
}

void api_runs_free(struct api *a) {
    list_each_safe(node, &a->runs) {
        run_free(LIST_ENTRY(node, struct action_run, link));
    }
    a->run_count = 0;
}

// Forgets the oldest run that has ended.
static void forget_one(struct api *a) {
    list_each(node, &a->runs) {
        struct action_run *run = LIST_ENTRY(node, struct action_run, link);
        if (run->state == RUN_RUNNING) continue;
        run_free(run);
        a->run_count--;
        return;
    }
}

static struct action_run *run_new(struct api *a, const char *name) {
    struct action_run *run = calloc(1, sizeof *run);
    if (run) run->name = strdup(name);
    if (!run || !run->name) {
        free(run);
        return NULL;
    }
    uint8_t id[RUN_ID_DIGITS / 2];
    random_bytes(id, sizeof id);
    hex_encode(run->id, bytes_make(id, sizeof id));
    run->api = a;
    run->started_at_ns = clock_wall_ns(loop_clock(a->loop));
    buf_init(&run->out, 0);
    buf_init(&run->err, 0);
    list_push_back(&a->runs, &run->link);
    if (++a->run_count > RUNS_KEPT) forget_one(a);
    return run;
}

static struct action_run *run_find(const struct api *a, struct bytes id) {
    list_each(node, &a->runs) {
        struct action_run *run = LIST_ENTRY(node, struct action_run, link);
        if (bytes_equal_str(id, run->id)) return run;
    }
    return NULL;
}

static const char *state_name(enum command_state state) {
    switch (state) {
    case RUN_RUNNING:
        return "running";
    case RUN_SUCCEEDED:
        return "succeeded";
    case RUN_FAILED:
        return "failed";
    case RUN_TIMED_OUT:
        return "timed_out";
    }
    return "failed";
}

static enum api_counter counter_of(enum command_state ended) {
    return ended == RUN_SUCCEEDED   ? ACTION_SUCCEEDED
           : ended == RUN_TIMED_OUT ? ACTION_TIMED_OUT
                                    : ACTION_FAILED;
}

static void add_time(struct json_writer *w, const char *key, uint64_t wall_ns) {
    char text[CLOCK_TEXT_MAX];
    (void)clock_format(text, wall_ns, -1);
    json_add_str(w, key, text);
}

static void respond_run(struct exchange *x, int status, const struct action_run *run) {
    struct buf body;
    struct json_writer w;
    buf_init(&body, 0);
    json_writer_init(&w, &body, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    json_add_str(&w, "id", run->id);
    json_add_str(&w, "action", run->name);
    json_add_str(&w, "state", state_name(run->state));
    add_time(&w, "started_at", run->started_at_ns);
    if (run->state != RUN_RUNNING) {
        add_time(&w, "ended_at", run->ended_at_ns);
        if (run->exit_status >= 0) json_add_i64(&w, "exit_status", run->exit_status);
        if (run->signal) json_add_i64(&w, "signal", run->signal);
        if (run->error[0]) json_add_str(&w, "error", run->error);
        json_add_text(&w, "stdout", buf_view(&run->out));
        json_add_text(&w, "stderr", buf_view(&run->err));
    }
    json_end(&w);
    buf_append_byte(&body, '\n');
    api_respond_json(x, status, &body);
    buf_free(&body);
}

static void answer(struct action_run *run) {
    struct exchange *x = run->x;
    if (!x) return;
    if (run->state == RUN_SUCCEEDED) {
        struct buf body;
        buf_init(&body, 0);
        buf_append_str(&body, "{\"message\":\"Action executed successfully\"}\n");
        api_respond_json(x, 200, &body);
        buf_free(&body);
    } else {
        api_respond_error(x, 500, "Failed to execute action: %s - error: %s", run->name,
                          run->error);
    }
    run->x = NULL;
    exchange_release(x);
}

static void ended(void *context, const struct command_result *result) {
    struct action_run *run = context;
    struct api *a = run->api;
    run->state = result->state;
    metric_inc(a->counters[counter_of(run->state)]);
    run->exit_status = result->exit_status;
    run->signal = result->signal;
    memcpy(run->error, result->error, sizeof run->error);
    buf_append(&run->out, result->out);
    buf_append(&run->err, result->err);
    run->ended_at_ns = clock_wall_ns(loop_clock(a->loop));
    const struct action *action = settings_action(&a->settings, bytes_from_str(run->name));
    const char *text = action ? action->command.text : "";
    if (run->state == RUN_SUCCEEDED) {
        api_event(a, "executing action success: %s = %s", run->name, text);
    } else {
        api_event(a, "error executing action: %s - error: %s (stderr: %.*s)", run->name, run->error,
                  (int)result->err.n, (const char *)result->err.p);
    }
    log_info(a->log, "action_ended", F_STR("action", run->name), F_STR("id", run->id),
             F_STR("state", state_name(run->state)),
             F_DURATION("duration", run->ended_at_ns - run->started_at_ns));
    answer(run);
}

static bool is_running(const struct api *a, const char *name) {
    list_each(node, &a->runs) {
        const struct action_run *run = LIST_ENTRY(node, struct action_run, link);
        if (run->state == RUN_RUNNING && strcmp(run->name, name) == 0) return true;
    }
    return false;
}

static void start(struct api *a, struct exchange *x, const struct action *action) {
    if (is_running(a, action->name)) {
        metric_inc(a->counters[ACTION_REFUSED]);
        api_respond_error(x, 409, "Action is already running: %s", action->name);
        return;
    }
    struct action_run *run = run_new(a, action->name);
    if (!run) {
        metric_inc(a->counters[ACTION_FAILED]);
        api_respond_error(x, 503, "No memory");
        return;
    }
    api_event(a, "executing action: %s = %s", action->name, action->command.text);
    struct error why;
    bool wait = !bytes_equal_str(exchange_query_get(x, "wait"), "false");
    if (command_run(a->runner, action->name, ended, run, &why) != 0) {
        metric_inc(a->counters[ACTION_FAILED]);
        api_event(a, "error executing action: %s - error: %s (stderr: )", action->name, why.text);
        api_respond_error(x, 503, "Failed to execute action: %s - error: %s", action->name,
                          why.text);
        run_free(run); // nobody has its id
        a->run_count--;
        return;
    }
    if (wait) {
        run->x = x;
        exchange_hold(x);
    } else {
        respond_run(x, 202, run);
    }
}

void api_action(struct api *a, struct exchange *x) {
    struct bytes name = exchange_param(x, "name");
    const struct action *action = settings_action(&a->settings, name);
    if (action) {
        start(a, x, action);
        return;
    }
    const struct action_run *run = run_find(a, name);
    if (run) {
        respond_run(x, 200, run);
    } else {
        api_respond_error(x, 400, "Specified action not configured");
    }
}

void api_action_list(struct api *a, struct exchange *x) {
    struct buf body;
    struct json_writer w;
    buf_init(&body, 0);
    json_writer_init(&w, &body, JSON_GO_HTML);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < a->settings.action_count; i++) {
        const struct action *action = &a->settings.actions[i];
        json_begin_object(&w, NULL);
        json_add_str(&w, "name", action->name);
        json_add_str(&w, "command", action->command.text);
        json_add_u64(&w, "timeout_ms", action->command.timeout_ns / NS_PER_MS);
        json_add_bool(&w, "running", is_running(a, action->name));
        json_end(&w);
    }
    json_end(&w);
    buf_append_byte(&body, '\n');
    api_respond_json(x, 200, &body);
    buf_free(&body);
}
