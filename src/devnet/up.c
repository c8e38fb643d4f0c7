/* `devnet up`: makes a network, looks after it, ends it. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/kept.h"
#include "devnet/parts.h"
#include "devnet/plan.h"
#include "devnet/playbook.h"
#include "devnet/shadow.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_NS (50 * NS_PER_MS)
#define SLOT_NS_MIN (100 * NS_PER_MS)
#define SLOT_NS_MAX (60 * NS_PER_S)
#define RESTARTS_MAX 20
#define START_LIMIT_NS (30 * NS_PER_S)

#define IMAGE "node-image"
#define PROBE_ACCOUNT 9 // of the development accounts

static void say(struct net *n, const char *part, const char *text) {
    if (n->s->json) return;
    double after = (double)(loop_now_ns(n->loop) - n->started_ns) / 1e9;
    (void)printf("%8.3f  %-18s %s\n", after, part, text);
    (void)fflush(stdout);
}

// Roles

static int fill_hub(struct net *n, struct error *why) {
    int r = hub_know_image(n, IMAGE, why);
    for (size_t i = 0; r == 0 && i < n->node_count; i++) {
        r = hub_add_node(n, &n->nodes[i], why);
    }
    return r;
}

// What a role needs at its first readiness; without it there is no network.
static void fill(struct net *n, bool *ret_done, int (*what)(struct net *n, struct error *why)) {
    struct error why;
    *ret_done = what(n, &why) == 0;
    if (*ret_done) return;
    say(n, "network", why.text);
    n->status = 1;
    n->failed = true;
    service_stop(n->service);
}

static void on_role(void *context, struct role *r, enum role_state before) {
    struct net *n = context;
    char text[ERROR_TEXT_MAX];
    struct json_writer *w = events_begin(n->events, "role");
    json_add_str(w, "role", r->name);
    json_add_str(w, "state", role_state_name(r->state));
    json_add_str(w, "before", role_state_name(before));
    json_add_str(w, "reason", r->why.code ? r->why.text : NULL);
    events_end(n->events);
    if (r->state == ROLE_READY && strcmp(r->name, "hub") == 0 && !n->hub_filled) {
        fill(n, &n->hub_filled, fill_hub);
    }
    if (r->state == ROLE_READY && strcmp(r->name, "archive") == 0 && !n->archive_filled) {
        fill(n, &n->archive_filled, part_archive_fill);
    }
    if (r->node && n->probe && n->state != NET_STOPPING && strcmp(r->program, "orderflow") == 0) {
        bool takes = r->state == ROLE_READY || r->state == ROLE_UNREADY;
        probe_enable(n->probe, r->node, takes);
        if (takes && before == ROLE_STARTING) probe_send(n->probe, slots_head(n->slots));
    }
    if (r->state == ROLE_READY && before == ROLE_STARTING) {
        (void)snprintf(text, sizeof text, "ready after %.0f ms%s%s", (double)r->ready_ns / 1e6,
                       r->address_count ? "  " : "", r->address_count ? r->addresses[0].url : "");
        say(n, r->name, text);
    } else if (r->state == ROLE_FAILED || r->state == ROLE_UNREADY) {
        say(n, r->name, r->why.text);
    }
}

static void on_process(void *context, struct role *r, pid_t pid) {
    struct net *n = context;
    links_role(n->links, r->name, pid, r->source);
}

// The end

static void on_all_stopped(void *context) {
    struct net *n = context;
    loop_stop(n->loop);
}

// The service drains its listener; the roles end meanwhile.
static void stopping(void *context) {
    struct net *n = context;
    n->state = NET_STOPPING;
    events_say(n->events, "network", "stopping");
    events_hang_up(n->events);
    loop_timer_clear(n->loop, &n->tick);
    watch_close(n);
}

static void stop_roles(struct net *n) {
    struct error why;
    bool had_roles = n->roles && roles_count(n->roles) > 0;
    if (had_roles) {
        roles_stop(n->roles, on_all_stopped, n);
        if (loop_run(n->loop, &why) < 0) log_error(n->log, "end_failed", F_ERR(&why));
    }
    roles_free(n->roles);
    n->roles = NULL;
}

// Looking after it

static int ready(void *context, struct error *why) {
    const struct net *n = context;
    if (n->state == NET_READY) return 0;
    return error_set(why, ERR_BUSY, "the network is not ready");
}

// --scenario: the run is over.
static void judge(struct net *n) {
    struct buf out;
    if (n->judged || !n->s->check) return;
    n->judged = true;
    buf_init(&out, 1u << 16);
    n->status = playbook_verdict(n->playbook, n, &out) ? 0 : 1;
    n->failed = n->status != 0;
    (void)fwrite(out.p, 1, out.n, stdout);
    buf_free(&out);
    service_stop(n->service);
}

static uint64_t on_block(void *context, const struct slot_record *r, const struct json *block) {
    struct net *n = context;
    uint64_t landed = probe_block(n->probe, r, block);
    links_slot(n->links, r->slot + 1);
    probe_send(n->probe, r->number);
    return landed;
}

static int open_eyes(struct net *n, struct error *why) {
    char users[48];
    const struct slots_options slots = {.loop = n->loop,
                                        .events = n->events,
                                        .log = n->log,
                                        .rpc_url = n->rpc_url,
                                        .beacon_url = n->beacon_url,
                                        .relay_url = n->relay_url,
                                        .slot_ns = n->s->slot_ns,
                                        .block = on_block,
                                        .look = look_slot,
                                        .context = n};
    const struct probe_options probe = {.loop = n->loop,
                                        .events = n->events,
                                        .log = n->log,
                                        .rpc_url = n->rpc_url,
                                        .chain_id = n->chain_id,
                                        .single = n->s->virtual_clock_ns != 0,
                                        .account = PROBE_ACCOUNT};
    int r = slots_new(&n->slots, &slots, why);
    if (r == 0) r = probe_new(&n->probe, &probe, why);
    if (r == 0) r = query_open(&n->chain_query, n->loop, n->rpc_url, why);
    // Without nodes the probe sends nothing.
    for (size_t i = 0; r == 0 && i < n->node_count && net_probes(n); i++) {
        (void)snprintf(users, sizeof users, "http://127.0.0.1:%u", n->nodes[i].user_front);
        r = probe_node(n->probe, n->nodes[i].name, users, why);
    }
    return r;
}

// --show

static void on_shown(struct loop_fd *w, unsigned what) {
    struct net *n = LIST_ENTRY(w, struct net, show_watch);
    struct error why;
    (void)what;
    if (process_reap(&n->show, &why) < 0) return;
    loop_fd_remove(n->loop, w);
    n->status = n->show.exit_status == 0 ? 0 : 1;
    n->failed = n->show.exit_status > 0; // not one that a Ctrl-C ended too
    n->show.pid = 0;
    if (n->s->show || n->status != 0) service_stop(n->service); // a replayed network goes on
}

static void start_verb(struct net *n, const char *verb, const char *file) {
    const char *argv[] = {
        n->program, "devnet", verb, "--folder", n->folder.path, file, file ? "--play" : NULL, NULL};
    const struct process_options o = {
        .argv = argv, .output_fd = STDOUT_FILENO, .die_with_parent = true};
    struct error why;
    int r = process_start(&n->show, &o, &why);
    n->show_watch = (struct loop_fd){n->show.pidfd, LOOP_READ, on_shown};
    if (r == 0) r = loop_fd_add(n->loop, &n->show_watch, &why);
    if (r == 0) return;
    say(n, verb, why.text);
    n->failed = true;
    service_stop(n->service);
}

static void end_show(struct net *n) {
    if (n->show.pid > 0) loop_fd_remove(n->loop, &n->show_watch);
    process_free(&n->show);
}

static void tell_ready(struct net *n) {
    char text[128];
    (void)snprintf(text, sizeof text, "ready after %.2f s; http://127.0.0.1:%u",
                   (double)n->ready_ns / 1e9, n->page_port);
    say(n, "network", text);
}

static void tell_proof(struct net *n) {
    const struct probe_order *k = probe_proof(n->probe);
    char text[ERROR_TEXT_MAX], hash[67] = "0x";
    hex_encode(hash + 2, BYTES_OF(k->tx));
    (void)snprintf(text, sizeof text, "bundle %s, sent through %s, is in block %llu of %s", hash,
                   k->node, (unsigned long long)k->block, k->winner);
    say(n, "proof", text);
    n->status = 0;
    service_stop(n->service);
}

// Why there is no proof yet, for whoever waited in vain.
static void tell_no_proof(struct net *n) {
    (void)snprintf(
        n->verdict, sizeof n->verdict,
        "no bundle in another node's block in time: %llu taken, %llu refused, %llu landed "
        "(in own or local blocks), %llu passed; %s",
        (unsigned long long)probe_count(n->probe, PROBE_TAKEN),
        (unsigned long long)probe_count(n->probe, PROBE_REFUSED),
        (unsigned long long)probe_count(n->probe, PROBE_LANDED),
        (unsigned long long)probe_count(n->probe, PROBE_PASSED),
        n->ready_ns ? "the network was ready" : "the network was never ready");
}

static void tell_late(struct net *n) {
    char missing[ERROR_TEXT_MAX];
    n->failed = true;
    if (n->s->until_bundle) tell_no_proof(n);
    if (!*n->verdict) (void)snprintf(n->verdict, sizeof n->verdict, "the time is up");
    say(n, "network", n->verdict);
    if (n->ready_ns) return;
    watch_missing(n, missing, sizeof missing);
    say(n, "network", missing);
}

// By the time too: when no block comes, faults of single slots and steps of a scenario go on.
static void follow_slots(struct net *n) {
    uint64_t next = slots_next(n->slots);
    if (!next) return;
    links_slot(n->links, next);
    if (n->playbook && !playbook_slot(n->playbook, n, next - 1)) judge(n);
}

static void on_tick(struct loop_timer *t) {
    struct net *n = LIST_ENTRY(t, struct net, tick);
    uint64_t now = loop_now_ns(n->loop);
    bool was_ready = n->ready_ns != 0;
    watch_tick(n);
    slots_tick(n->slots);
    follow_slots(n);
    if (n->s->until_bundle && probe_proof(n->probe) && n->status != 0) tell_proof(n);
    if (n->ready_ns && !was_ready) {
        tell_ready(n);
        if (n->s->until_ready) service_stop(n->service);
        if (n->s->show) start_verb(n, "show", NULL);
    }
    if (n->s->timeout_ns && now - n->started_ns > n->s->timeout_ns && n->status != 0 &&
        n->show.pid <= 0) {
        tell_late(n);
        service_stop(n->service);
        return;
    }
    (void)!loop_timer_set(n->loop, t, now + TICK_NS, NULL);
}

// The beginning

static bool recording_within(const struct net *n, const char *path) {
    char folder[PATH_MAX];
    if (!realpath(path, folder)) return false;
    size_t length = strlen(folder);
    return strncmp(n->recording, folder, length) == 0 && n->recording[length] == '/';
}

static int open_folder(struct net *n, struct error *why) {
    char *path = NULL;
    if (n->s->folder && *n->s->folder) {
        path = arena_str(&n->arena, bytes_from_str(n->s->folder));
    } else {
        path = folder_default(&n->arena, n->s->name);
    }
    if (!path)
        return error_set(why, ERR_NOT_FOUND, "no home for the network's folder: give --folder");
    if (n->s->resume && !kept_there(path)) {
        return error_set(why, ERR_NOT_FOUND,
                         "--continue: %s holds no network to go on with; `up --keep` keeps one",
                         path);
    }
    n->replaces = !n->s->resume && kept_there(path);
    if (!n->s->resume && recording_within(n, path)) {
        return error_set(why, ERR_CONFLICT,
                         "--replay: %s lies in the folder that the new network replaces: give it "
                         "another --folder, or move the recording",
                         n->recording);
    }
    return folder_open(&n->folder, &n->arena, path, n->s->resume, why);
}

static void forget_addresses(const struct net *n) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/devnet.json", n->folder.path);
    (void)unlink(path);
}

static int open_log(struct net *n, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/devnet.log", n->folder.path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return error_set(why, ERR_IO, "%s cannot be written", path);
    const struct log_options o = {.fd = fd, .level = LOG_INFO, .program = "devnet"};
    return log_open(&n->log, &o, why);
}

// What is to be replayed is looked for before anything is made.
static int find_recording(struct net *n, struct error *why) {
    const char *path = n->s->replay;
    if (!path || !*path || realpath(path, n->recording)) return 0;
    return error_set(why, ERR_NOT_FOUND, "--replay: %s cannot be read", path);
}

static int find_program(struct net *n, struct error *why) {
    ssize_t length = readlink("/proc/self/exe", n->program, sizeof n->program - 1);
    if (length <= 0) return error_set(why, ERR_NOT_FOUND, "this program's file is not known");
    n->program[length] = '\0';
    return 0;
}

static int open_parts(struct net *n, struct error *why) {
    const struct service_options service = {.name = "devnet",
                                            .log = n->log,
                                            .metrics = n->metrics,
                                            .drain_ns = 2 * NS_PER_S,
                                            .ready = ready,
                                            .stopping = stopping,
                                            .context = n};
    const struct roles_options roles = {.loop = n->loop,
                                        .log = n->log,
                                        .program = n->program,
                                        .folder = n->folder.path,
                                        .restarts_max = RESTARTS_MAX,
                                        .start_limit_ns = START_LIMIT_NS,
                                        .changed = on_role,
                                        .process = on_process,
                                        .context = n};
    uint64_t seed;
    identity_bytes(&seed, sizeof seed, n->s->seed, "links");
    int r = service_new(&n->service, n->loop, &service, why);
    if (r == 0) r = events_new(&n->events, n->loop, why);
    if (r == 0) r = links_new(&n->links, n->log, seed, n->places, why);
    if (r == 0) r = roles_new(&n->roles, &roles, why);
    n->page_port = (unsigned)n->s->page_port;
    if (r == 0 && !n->page_port) r = ports_reserve(&n->page_port, &n->ports, why);
    if (r == 0) r = api_open(n, why);
    return r;
}

// A scenario sets the slot too, so this comes behind it.
static int check_settings(const struct devnet_settings *s, struct error *why) {
    if (s->check && !(s->scenario && *s->scenario)) {
        return error_set(why, ERR_INVALID, "--check needs --scenario FILE");
    }
    if (s->until_bundle && s->replay && *s->replay) {
        return error_set(
            why, ERR_INVALID,
            "--until-bundle waits for the network's own bundles, which --replay replaces");
    }
    bool alone = !s->until_bundle && !s->show && !(s->scenario && *s->scenario);
    if (shadow_wanted(s) && !alone) {
        return error_set(why, ERR_INVALID,
                         "a shadow follows: no --until-bundle, no --show, no --scenario");
    }
    bool anew = shadow_wanted(s) || (s->scenario && *s->scenario) || (s->replay && *s->replay) ||
                s->consensus != CONSENSUS_OWN;
    if (s->resume && anew) {
        return error_set(why, ERR_INVALID,
                         "--continue goes on with a chain of the network's own: no --cl, --replay, "
                         "--scenario or --shadow-…");
    }
    if (s->netns && (shadow_wanted(s) || s->consensus != CONSENSUS_OWN)) {
        return error_set(why, ERR_INVALID,
                         "--netns is for a chain of the network's own: no --cl, "
                         "--shadow-…");
    }
    if (s->slot_ns < SLOT_NS_MIN || s->slot_ns > SLOT_NS_MAX || s->slot_ns % NS_PER_MS) {
        return error_set(why, ERR_RANGE, "a slot is 100ms to 60s, in whole milliseconds");
    }
    return 0;
}

// From here on there is something to take away: who ends it now ends it once the service runs.
static void hold_signals(void) {
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
}

// What becomes of a network that ended here.
static void tell_folder(struct net *n) {
    if (n->s->resume) say(n, "folder", "going on with the network that ended here");
    if (n->replaces) {
        say(n, "folder", "a new network in place of one that ended here; --continue goes on");
    }
}

static int start(struct net *n, struct error *why) {
    int r = n->s->scenario && *n->s->scenario
                ? playbook_read(&n->playbook, n->s, &n->arena, n->s->scenario, why)
                : 0;
    if (r == 0) part_consensus_settle(n->s);
    if (r == 0) r = check_settings(n->s, why);
    if (r == 0) r = parts_check(n->s, why);
    if (r == 0 && shadow_wanted(n->s)) r = shadow_check(n->s, why);
    if (r == 0) r = part_consensus_install(n->s, why);
    if (r == 0) r = find_recording(n, why);
    if (r == 0 && n->s->netns) r = places_new(&n->places, n->s->netns == NETNS_NETEM, why);
    if (r == 0) hold_signals();
    if (r == 0) r = open_folder(n, why);
    if (r == 0) forget_addresses(n); // of a network that was killed
    if (r == 0 && n->s->resume) r = kept_load(n, why);
    if (r == 0 && n->s->resume) r = parts_check(n->s, why); // those of the network
    if (r == 0) r = find_program(n, why);
    if (r == 0) r = open_log(n, why);
    if (r == 0) r = loop_new(&n->loop, NULL, why);
    if (r < 0) return r;
    n->started_ns = loop_now_ns(n->loop);
    tell_folder(n);
    r = metrics_new(&n->metrics, NULL, why);
    if (r == 0) r = open_parts(n, why);
    if (r == 0 && n->s->record && *n->s->record) r = links_record(n->links, n->s->record, why);
    if (r == 0) r = plan_network(n, why);
    if (r == 0) r = open_eyes(n, why);
    if (r == 0) r = describe_store(n, why);
    if (r == 0 && *n->recording) start_verb(n, "replay", n->recording);
    n->tick.fire = on_tick;
    if (r == 0) r = loop_timer_set(n->loop, &n->tick, loop_now_ns(n->loop) + TICK_NS, why);
    n->began = r == 0;
    if (n->began) folder_settle(&n->folder);
    return r;
}

static void close_all(struct net *n) {
    if (n->loop) {
        loop_timer_clear(n->loop, &n->tick);
        end_show(n);
        watch_close(n);
        stop_roles(n); // their ends are told to the probe: it goes after them
        query_close(&n->chain_query);
        probe_free(n->probe);
        slots_free(n->slots);
    }
    links_free(n->links);
    places_free(n->places);
    server_free(n->server);
    events_free(n->events);
    service_free(n->service);
    loop_free(n->loop);
    metrics_free(n->metrics);
    log_close(n->log);
    ports_release(&n->ports);
    if (n->folder.path) {
        if (!n->began) folder_restore(&n->folder);
        forget_addresses(n);
        bool keep = n->s->resume || (n->began ? n->s->keep || n->failed : n->folder.replaces);
        if (keep && !n->s->json) (void)printf("kept: %s\n", n->folder.path);
        folder_close(&n->folder, !keep);
    }
    shadow_free(n->shadow);
    bytes_wipe(n->nodes, sizeof n->nodes);
    arena_free(&n->arena);
}

int devnet_up(const struct devnet_settings *s) {
    static struct net n;             // large, and one a process
    struct devnet_settings own = *s; // a scenario changes them
    struct error why;
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    n = (struct net){.s = &own, .folder = {.lock_fd = -1}};
    n.show = (struct process){.pidfd = -1, .out_fd = {-1, -1}};
    n.status = s->until_ready || s->until_bundle || s->show ? 1 : 0;
    arena_init(&n.arena, 64u << 20);
    ports_init(&n.ports, (unsigned)s->port_base);
    int r = start(&n, &why);
    if (r == 0) r = service_run(n.service, &why);
    if (r == 0 && s->until_ready && n.ready_ns) n.status = 0;
    if (r < 0) {
        (void)fprintf(stderr, "buildernet devnet: %s\n", why.text);
        n.status = error_class_of(r)->exit_status;
        n.failed = true;
    }
    int status = n.status;
    close_all(&n);
    return status;
}
