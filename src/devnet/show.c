/* `devnet show`: the running network works, step by step. Each step says what is promised, does it,
 * and looks at what others can see: the hub's answers, files, blocks. SPDX-License-Identifier: MIT
 */
#include "base/process.h"
#include "devnet/asker.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_NS (30 * NS_PER_S)
#define LOOK_US 100000

struct show {
    struct asker *asker;
    unsigned ok, failed;
    char program[PATH_MAX];
};

static void result(struct show *w, const char *part, const char *what, bool ok,
                   const char *detail) {
    *(ok ? &w->ok : &w->failed) += 1;
    (void)printf("%-6s  %-10s %s%s%s\n", ok ? "ok" : "FAILED", part, what, ok ? "" : ": ",
                 ok ? "" : detail);
    (void)fflush(stdout);
}

// Waits until the state shows something.
typedef bool shows(struct show *w, const struct json *state, const void *what);

static bool wait_for(struct show *w, shows *see, const void *what) {
    uint64_t end = clock_monotonic_ns(&clock_system) + STEP_NS;
    do {
        const struct json *state;
        struct error why;
        asker_forget(w->asker);
        if (asker_state(w->asker, &state, NULL, &why) == 0 && see(w, state, what)) return true;
        (void)usleep(LOOK_US);
    } while (clock_monotonic_ns(&clock_system) < end);
    return false;
}

static bool command(struct show *w, const char *name, const char *a, const char *b, const char *c) {
    const char *items[3] = {a, b, c};
    struct config_list words = {items, c ? 3u : b ? 2u : a ? 1u : 0u};
    struct error why = {0};
    if (asker_command(w->asker, name, words, NULL, &why) == 0) return true;
    result(w, "operator", name, false, why.text);
    return false;
}

// A program of ours to its end; its standard output (in the arena) goes to ret.
static int run_with(struct show *w, const char *const *words, const char *environment, int input_fd,
                    struct bytes *ret) {
    const char *argv[40] = {w->program};
    const char *variables[] = {"PATH=/usr/bin:/bin", environment, NULL};
    struct error why;
    struct process p;
    size_t n = 1;
    for (; words[n - 1] && n < 39; n++) {
        argv[n] = words[n - 1];
    }
    const struct process_options o = {.argv = argv,
                                      .environment = variables,
                                      .folder = w->asker->folder,
                                      .limit_ns = STEP_NS,
                                      .input_fd = input_fd,
                                      .output_bytes = 1u << 20};
    int r = process_run(&p, &o, &why);
    int status = r < 0 ? -1 : p.exit_status;
    if (ret) *ret = arena_copy(&w->asker->arena, buf_view(&p.out[0]));
    process_free(&p);
    return status;
}

static int run(struct show *w, const char *const *words, const char *environment,
               struct bytes *ret) {
    return run_with(w, words, environment, 0, ret);
}
#define RUN(w, ret, ...) run((w), (const char *const[]){__VA_ARGS__, NULL}, NULL, (ret))

// Attestation

static void show_attestation(struct show *w) {
    static const char report_data[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    int r = RUN(w, NULL, "attest", "quote", "--source", "platform", "--report-data", report_data,
                "--out", "quote.bin");
    result(w, "platform", "quotes for a trusted domain", r == 0, "attest quote failed");
    r = RUN(w, NULL, "attest", "verify", "quote.bin", "--collateral", "platform/collateral",
            "--root", "platform/root.pem");
    result(w, "verifier", "accepts the quote under the platform's root", r == 0, "refused");
    r = RUN(w, NULL, "attest", "verify", "quote.bin", "--collateral", "platform/collateral");
    result(w, "verifier", "refuses it under Intel's root", r != 0, "accepted");
}

// Nodes

static bool all_ready(struct show *w, const struct json *state, const void *what) {
    (void)what;
    return strcmp(asker_text(w->asker, state, "state"), "ready") == 0;
}

static const struct json *find_node(struct show *w, const struct json *state, const char *name) {
    json_each(node, json_get(state, "nodes")) {
        if (strcmp(asker_text(w->asker, node, "name"), name) == 0) return node;
    }
    return NULL;
}

static const struct json *find_role(struct show *w, const struct json *state, const char *name) {
    json_each(role, json_get(state, "roles")) {
        if (strcmp(asker_text(w->asker, role, "name"), name) == 0) return role;
    }
    return NULL;
}

static bool role_is(struct show *w, const struct json *state, const char *name, const char *is) {
    return strcmp(asker_text(w->asker, find_role(w, state, name), "state"), is) == 0;
}

static bool foreign_bundle(struct show *w, const struct json *state, const void *what) {
    (void)what;
    json_each(order, json_get(state, "orders")) {
        const char *winner = asker_text(w->asker, order, "winner");
        if (strncmp(winner, "node-", 5) == 0 &&
            strcmp(winner, asker_text(w->asker, order, "node")) != 0) {
            return true;
        }
    }
    return false;
}

static void show_nodes(struct show *w) {
    const struct json *state;
    struct error why;
    result(w, "network", "every role is ready", wait_for(w, all_ready, NULL), "see devnet status");
    size_t enabled = 0, different = 0;
    if (asker_state(w->asker, &state, NULL, &why) == 0) {
        const char *before = "";
        json_each(node, json_get(state, "nodes")) {
            const char *address =
                asker_text(w->asker, json_get(node, "identity"), "orderflow_address");
            enabled += asker_bool(node, "enabled");
            different += *address && strcmp(address, before) != 0;
            before = address;
        }
    }
    result(w, "nodes", "attested to the hub and got configuration and secrets",
           enabled > 0 && enabled == different, "not all are enabled");
    result(w, "bundle", "sent through one node, is in a block of another",
           wait_for(w, foreign_bundle, NULL), "none in time");
}

static bool is_refused(struct show *w, const struct json *state, const void *what) {
    return strcmp(asker_text(w->asker, find_node(w, state, what), "hub"), "refused") == 0;
}

static void show_stranger(struct show *w) {
    const struct json *state;
    struct error why;
    char name[24] = "", path[PATH_MAX];
    if (!command(w, "add-node", "stranger-image", NULL, NULL)) return;
    if (asker_state(w->asker, &state, NULL, &why) == 0) {
        json_each(node, json_get(state, "nodes")) {
            (void)snprintf(name, sizeof name, "%s", asker_text(w->asker, node, "name"));
        }
    }
    bool refused = wait_for(w, is_refused, name);
    result(w, "stranger", "another image is refused by the hub", refused, "it was not");
    (void)snprintf(path, sizeof path, "%s/%s/etc/orderflow.toml", w->asker->folder, name);
    result(w, "stranger", "got no configuration and no secrets", access(path, F_OK) < 0,
           "a file was rendered");
    (void)command(w, "role", "stop", name, NULL);
}

struct slot_mark {
    uint64_t slot;
};

static bool slot_after(struct show *w, const struct json *state, const void *what) {
    const struct slot_mark *m = what;
    json_each(slot, json_get(state, "slots")) {
        if (asker_u64(slot, "slot") > m->slot && asker_bool(slot, "by_relay")) return true;
    }
    (void)w;
    return false;
}

static uint64_t slot_now(struct show *w) {
    const struct json *state;
    struct error why;
    if (asker_state(w->asker, &state, NULL, &why) < 0) return 0;
    return asker_u64(json_get(state, "chain"), "slot");
}

static bool node_one_off(struct show *w, const struct json *state, const void *what) {
    (void)what;
    return !asker_bool(find_node(w, state, "node-1"), "enabled") &&
           role_is(w, state, "node-1.orderflow", "stopped") &&
           role_is(w, state, "node-1.builder", "stopped");
}

static bool node_one_on(struct show *w, const struct json *state, const void *what) {
    (void)what;
    return asker_bool(find_node(w, state, "node-1"), "enabled") &&
           role_is(w, state, "node-1.orderflow", "ready") &&
           role_is(w, state, "node-1.builder", "ready");
}

static void show_withdrawal(struct show *w) {
    if (!command(w, "revoke", "node-1", NULL, NULL)) return;
    result(w, "node-1", "stops its services once its image is withdrawn",
           wait_for(w, node_one_off, NULL), "it goes on");
    if (!command(w, "allow", "node-1", NULL, NULL)) return;
    result(w, "node-1", "works again once it is allowed", wait_for(w, node_one_on, NULL),
           "it does not");
    struct slot_mark m = {slot_now(w)};
    result(w, "chain", "blocks come from builders through the relay again",
           wait_for(w, slot_after, &m), "they do not");
}

static void show_faults(struct show *w) {
    struct slot_mark m = {slot_now(w)};
    if (!command(w, "fault", "add", "hub<->*", "cut")) return;
    result(w, "outage", "without the hub, blocks go on", wait_for(w, slot_after, &m), "they stop");
    (void)command(w, "fault", "clear", NULL, NULL);
    if (!command(w, "role", "kill", "node-1.builder", NULL)) return;
    result(w, "crash", "a killed builder comes back", wait_for(w, node_one_on, NULL),
           "it does not");
}

// System API

static int set_password(struct show *w, const char *url, const char *pin) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    bool written = write(ends[1], "devnet\n", 7) == 7;
    (void)close(ends[1]);
    int r = written ? run_with(w,
                               (const char *const[]){"system-api", "set-password", "--url", url,
                                                     "--pin", pin, NULL},
                               NULL, ends[0], NULL)
                    : -1;
    (void)close(ends[0]);
    return r;
}

static void show_system_api(struct show *w) {
    const struct json *state;
    struct error why;
    struct bytes out = {NULL, 0};
    const char *url = "";
    if (asker_state(w->asker, &state, NULL, &why) == 0) {
        url = asker_text(w->asker, json_get(find_role(w, state, "node-1.system-api"), "addresses"),
                         "operator");
    }
    const char *const pin = "node-1/system-api/cert.pem";
    int r = set_password(w, url, pin);
    result(w, "operator", "sets the first password of node-1's System API", r == 0, "not taken");
    r = run(w, (const char *const[]){"system-api", "events", "--url", url, "--pin", pin, NULL},
            NULL, NULL);
    result(w, "stranger", "is refused without it", r != 0, "let in");
    r = run(w,
            (const char *const[]){"system-api", "call", "uptime", "--url", url, "--pin", pin, NULL},
            "SYSTEM_API_PASSWORD=devnet", NULL);
    result(w, "operator", "runs an action", r == 0, "refused");
    r = run(w, (const char *const[]){"system-api", "events", "--url", url, "--pin", pin, NULL},
            "SYSTEM_API_PASSWORD=devnet", &out);
    result(w, "operator", "reads how the node booted",
           r == 0 && out.n && memmem(out.p, out.n, "boot: render done", 17), "no such event");
}

int show_run(struct asker *k, struct error *why) {
    struct show w = {.asker = k};
    ssize_t n = readlink("/proc/self/exe", w.program, sizeof w.program - 1);
    if (n <= 0) return error_set(why, ERR_NOT_FOUND, "this program's file is not known");
    show_attestation(&w);
    show_nodes(&w);
    show_system_api(&w);
    show_stranger(&w);
    show_withdrawal(&w);
    show_faults(&w);
    (void)printf("%u ok, %u failed\n", w.ok, w.failed);
    return w.failed ? error_set(why, ERR_INVALID, "%u steps failed", w.failed) : 0;
}
