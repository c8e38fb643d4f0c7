/* SPDX-License-Identifier: MIT */
#include "load/load.h"

#include "base/file.h"
#include "load/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct config_option options[] = {
    {.flag = "url",
     .type = CONFIG_TYPE_URL,
     .offset = offsetof(struct load_settings, url),
     .value = "http://127.0.0.1:8545",
     .help = "Execution client: read from, and sent to when there is no orders-url."},
    CONFIG_LIST(load_settings, orders_urls, "orders-url", NULL, "URL,...",
                "Nodes' listeners for senders, in turn; requests are signed. Bundles need one."),
    CONFIG_STRING(load_settings, scenario, "scenario", "transfers", "NAME|FILE",
                  "A built-in scenario (--list) or a TOML file."),
    CONFIG_LIST(load_settings, env, "set", NULL, "NAME=VALUE,...",
                "Values of the scenario's [env], in place of the file's."),
    {.flag = "rate",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct load_settings, rate),
     .value = "10",
     .min = 1,
     .max = 1000000,
     .help = "Orders a second."},
    CONFIG_U64(load_settings, per_block, "per-block", "0",
               "Orders for each block instead; 0: by time."),
    CONFIG_DURATION(load_settings, duration_ns, "duration", "10s", "How long to send."),
    CONFIG_U64(load_settings, count, "count", "0", "How many orders; 0: by rate and duration."),
    {.flag = "accounts",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct load_settings, accounts),
     .value = "20",
     .min = 1,
     .max = 20000,
     .help = "Accounts of each pool."},
    CONFIG_STRING(load_settings, seed, "seed", "load", "TEXT",
                  "Accounts and varied values come from it."),
    CONFIG_SECRET(
        load_settings, key, "key",
        "Key of the account that pays, 64 hex digits; the first development account else."),
    CONFIG_STRING(load_settings, fund, "fund", "1 eth", "AMOUNT", "What each account gets."),
    CONFIG_STRING(load_settings, priority_fee, "priority-fee", "1 gwei", "AMOUNT",
                  "Priority fee, for a unit of gas."),
    CONFIG_U64(load_settings, connections, "connections", "32", "Connections to each target."),
    CONFIG_DURATION(load_settings, wait_ns, "wait", "12s",
                    "How long to wait, after the sending, for what has not landed."),
    CONFIG_DURATION(load_settings, poll_ns, "poll", "10ms", "How often to look for a new block."),
    CONFIG_DURATION(load_settings, rpc_timeout_ns, "timeout", "60s", "For one request."),
    CONFIG_PATH(load_settings, report, "report", NULL, "Write the report as JSON to this file."),
    CONFIG_PATH(load_settings, html, "html", NULL, "Write it as one HTML file with plots."),
    CONFIG_BOOL(load_settings, json, "json", "false", "Print JSON."),
    CONFIG_BOOL(load_settings, list, "list", "false", "Name the built-in scenarios and end."),
    CONFIG_BOOL(load_settings, quiet, "quiet", "false", "Print only the report."),
};

const struct config_program load_program = {
    .name = "load",
    .summary = "send transactions and bundles at a steady rate and report what becomes of them",
    .details = "Open-loop: an order is sent when its time has come, whatever became of the others. "
               "Scenario files are those of contender, with a few additions.",
    CONFIG_OPTIONS(options, struct load_settings),
};

static void say(const char *line) {
    (void)fprintf(stderr, "%s\n", line);
}

static int store(const char *path, void (*write)(struct buf *out, const struct load_report *r),
                 const struct load_report *r, struct error *why) {
    struct buf out;
    if (!path || !*path) return 0;
    buf_init(&out, 64u << 20);
    write(&out, r);
    int code = buf_check(&out, why);
    if (code == 0) {
        code = file_write_atomic(path, buf_view(&out), &(struct file_write_options){.mode = 0644},
                                 why);
    }
    buf_free(&out);
    return code;
}

// A report's folder that is not there is told before the run, not when its figures are lost.
static int check_place(const char *path, struct error *why) {
    char folder[PATH_MAX];
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!path || !*path) return 0;
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    return access(folder, W_OK) == 0 ? 0 : error_set_os(why, ERR_IO, errno, "%s", path);
}

static int run(const struct load_settings *s, struct load_result *result, struct error *why) {
    static struct world w; // large, and one a process
    struct arena a;
    struct buf out;
    void (*progress)(const char *) = s->quiet || s->json ? NULL : say;
    arena_init(&a, 1u << 30);
    int r = check_place(s->report, why);
    if (r == 0) r = check_place(s->html, why);
    if (r == 0) r = world_open(&w, s, &a, progress, why);
    if (r == 0) {
        r = run_load(result, &w, progress, why);
        char *name =
            arena_str(&a, w.scenario.name.n ? w.scenario.name : bytes_from_str(s->scenario));
        const struct load_report report = {s, result, name ? name : "", w.client, w.chain_id};
        buf_init(&out, 64u << 20);
        if (r == 0) (s->json ? report_json : report_text)(&out, &report);
        if (r == 0) r = buf_check(&out, why);
        if (r == 0) (void)fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        if (r == 0) r = store(s->report, report_json, &report, why);
        if (r == 0) r = store(s->html, report_html, &report, why);
        world_close(&w);
    }
    arena_free(&a);
    return r;
}

int load_run(const struct load_settings *s) {
    struct error why = {0};
    if (s->list) {
        const char *name;
        for (size_t i = 0; (name = scenario_builtin_name(i)); i++) {
            (void)printf("%s\n", name);
        }
        return 0;
    }
    struct load_result *result = calloc(1, sizeof *result);
    int r = result ? run(s, result, &why) : error_set(&why, ERR_NO_MEMORY, "no memory");
    free(result);
    if (r < 0) (void)fprintf(stderr, "buildernet load: %s\n", why.text);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}
