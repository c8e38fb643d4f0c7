/* The verbs that talk to a running network. SPDX-License-Identifier: MIT */
#include "devnet/asker.h"
#include "devnet/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int down(struct asker *k, struct error *why) {
    int r = asker_command(k, "down", (struct config_list){NULL, 0}, NULL, why);
    for (unsigned i = 0; r == 0 && folder_is_running(k->folder); i++) {
        if (i == 300) return error_set(why, ERR_TIMEOUT, "the network does not end");
        (void)usleep(100000);
    }
    if (r == 0) (void)printf("stopped\n");
    return r;
}

// Status

static void print_role(struct asker *k, const struct json *r) {
    const struct json *addresses = json_get(r, "addresses");
    const struct json *first = json_member_value(json_first(addresses));
    const char *reason = asker_text(k, r, "reason");
    struct bytes url = first ? json_text(first) : (struct bytes){NULL, 0};
    (void)printf("%-22s %-9s %7llu %8.1fs %5.1f%% %7.1f MB  %s%.*s\n", asker_text(k, r, "name"),
                 asker_text(k, r, "state"), (unsigned long long)asker_u64(r, "pid"),
                 (double)asker_u64(r, "uptime_ms") / 1e3, asker_number(r, "cpu_percent"),
                 (double)asker_u64(r, "resident_bytes") / 1048576, reason, *reason ? 0 : (int)url.n,
                 (const char *)url.p);
}

static void print_node(struct asker *k, const struct json *node) {
    bool enabled = asker_bool(node, "enabled");
    const struct json *identity = json_get(node, "identity");
    (void)printf("%-22s %-9s hub %s, image %s, orderflow %s\n", asker_text(k, node, "name"),
                 enabled ? "enabled" : "disabled", asker_text(k, node, "hub"),
                 asker_text(k, identity, "image"), asker_text(k, identity, "orderflow_address"));
}

static int print_status(struct asker *k, bool *ret_ready, struct error *why) {
    const struct json *state;
    struct bytes text = {NULL, 0};
    int r = asker_state(k, &state, &text, why);
    if (r < 0) return r;
    *ret_ready = strcmp(asker_text(k, state, "state"), "ready") == 0;
    if (k->s->json) {
        (void)fwrite(text.p, 1, text.n, stdout);
        (void)printf("\n");
        return 0;
    }
    (void)printf("%s: %s, up %.1f s, ready after %.2f s   %s\n", asker_text(k, state, "name"),
                 asker_text(k, state, "state"), (double)asker_u64(state, "uptime_ms") / 1e3,
                 asker_number(state, "ready_after_ms") / 1e3, asker_text(k, state, "control"));
    (void)printf("%-22s %-9s %7s %9s %6s %10s  %s\n", "ROLE", "STATE", "PID", "UPTIME", "CPU",
                 "RSS", "ADDRESS");
    json_each(item, json_get(state, "roles")) print_role(k, item);
    json_each(node, json_get(state, "nodes")) print_node(k, node);
    json_each(fault, json_get(state, "faults")) {
        (void)printf("fault %llu: %s\n", (unsigned long long)asker_u64(fault, "id"),
                     asker_text(k, fault, "text"));
    }
    return 0;
}

static int status(struct asker *k, struct error *why) {
    bool ready = false;
    bool live = k->s->follow && isatty(STDOUT_FILENO) && !k->s->json;
    for (;;) {
        if (live) (void)printf("\033[H\033[2J");
        int r = print_status(k, &ready, why);
        if (r < 0) return r;
        (void)fflush(stdout);
        if (!k->s->follow) break;
        asker_forget(k);
        (void)usleep(1000000);
    }
    return ready ? 0 : error_set(why, ERR_BUSY, "not everything is ready");
}

static int run_command(struct asker *k, const char *name, struct config_list words,
                       struct error *why) {
    struct bytes text = {NULL, 0};
    int r = asker_command(k, name, words, &text, why);
    if (r == 0) (void)fwrite(text.p, 1, text.n, stdout);
    return r;
}

// The network runs in a folder of its own: a relative name is one in the caller's.
static int record(struct asker *k, struct config_list words, struct error *why) {
    char folder[PATH_MAX];
    const char *path = words.items[0];
    if (strcmp(path, "off") != 0 && *path != '/') {
        if (!getcwd(folder, sizeof folder)) return error_set_os(why, ERR_IO, errno, "this folder");
        path = arena_printf(&k->arena, "%s/%s", folder, path);
        if (!path) return error_set(why, ERR_NO_MEMORY, "no memory");
    }
    return run_command(k, "record", (struct config_list){.items = &path, .count = 1}, why);
}

static int ask(struct asker *k, enum devnet_verb verb, struct config_list words,
               struct error *why) {
    static const char *const names[] = {
        [DEVNET_FAULT] = "fault",   [DEVNET_ROLE] = "role",          [DEVNET_ALLOW] = "allow",
        [DEVNET_REVOKE] = "revoke", [DEVNET_ADD_NODE] = "add-node",  [DEVNET_MISS] = "miss-slots",
        [DEVNET_REORG] = "reorg",   [DEVNET_ROTATE] = "rotate-cert", [DEVNET_QUOTE] = "quote",
        [DEVNET_CLOCK] = "clock"};
    switch (verb) {
    case DEVNET_DOWN:
        return down(k, why);
    case DEVNET_STATUS:
        return status(k, why);
    case DEVNET_FEED:
        return feed_print(k, why);
    case DEVNET_LOGS:
        return logs_print(k, words.count ? words.items[0] : NULL, why);
    case DEVNET_TX:
        return tx_print(k, words, why);
    case DEVNET_ALLOW:
        return words.count > 1 || allow_is_file(words.items[0])
                   ? allow_file(k, words, why)
                   : run_command(k, "allow", words, why);
    case DEVNET_RECORD:
        return record(k, words, why);
    case DEVNET_REPLAY:
        return play_run(k, words.items[0], why);
    case DEVNET_SHADOW:
        return shadow_print(k, why);
    case DEVNET_SHOW:
        return show_run(k, why);
    default:
        return run_command(k, names[verb], words, why);
    }
}

int devnet_ask(const struct devnet_settings *s, enum devnet_verb verb, struct config_list words) {
    struct asker k;
    struct error why = {0};
    int r;
    if (verb == DEVNET_REPLAY && !s->play) {
        r = replay_print(words.items[0], words.count > 1 ? words.items[1] : NULL, &why);
    } else if ((r = asker_open(&k, s, &why)) == 0) {
        r = ask(&k, verb, words, &why);
        asker_close(&k);
    }
    if (r < 0) (void)fprintf(stderr, "buildernet devnet: %s\n", why.text);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}
