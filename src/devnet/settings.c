/* SPDX-License-Identifier: MIT */
#include "devnet/devnet.h"

/* The choice of a part; the first is the network's own. */
#define PART(field, flag_, choices_, help_)                                                        \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_ENUM,                                                 \
        .offset = offsetof(struct devnet_settings, field), .choices = (choices_), .help = (help_)  \
    }

static const struct config_option options[] = {
    CONFIG_PATH(devnet_settings, folder, "folder", NULL,
                "The network's folder; empty: ~/.local/state/buildernet/NAME."),
    CONFIG_STRING(devnet_settings, name, "name", "devnet", "NAME",
                  "Name of the network; several may run beside each other."),
    CONFIG_STRING(devnet_settings, seed, "seed", "devnet", "TEXT", "All keys are made from it."),
    {.flag = "nodes",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct devnet_settings, nodes),
     .value = "3",
     .min = 1,
     .max = 32,
     .help = "How many BuilderNet nodes."},
    {.flag = "port-base",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct devnet_settings, port_base),
     .value = "0",
     .max = 60000,
     .help = "Ports are taken from this one on; 0: the system chooses."},
    {.flag = "page-port",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct devnet_settings, page_port),
     .value = "0",
     .max = 65535,
     .help = "Port of the control address; 0: the system chooses."},
    {.flag = "slot",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(struct devnet_settings, slot_ns),
     .value = "1s",
     .min = 100000000,
     .max = 60000000000,
     .help = "Length of a slot, 100ms to 60s."},
    CONFIG_DURATION(devnet_settings, timeout_ns, "timeout", "60s",
                    "With --until-…: how long to wait; 0s: for ever."),
    CONFIG_BOOL(devnet_settings, until_ready, "until-ready", "false",
                "End with status 0 as soon as every role is ready."),
    CONFIG_BOOL(devnet_settings, until_bundle, "until-bundle", "false",
                "End with status 0 once a block holds a bundle sent through a node other than the "
                "winner."),
    CONFIG_BOOL(devnet_settings, show, "show", "false",
                "Show the network working, step by step, then end."),
    CONFIG_PATH(devnet_settings, scenario, "scenario", NULL,
                "File with faults by slot, load, and expectations."),
    CONFIG_BOOL(devnet_settings, check, "check", "false",
                "With --scenario: end with a verdict, status 1 when something is not as expected."),
    PART(database, "db", "sqlite|postgres", "The hub's database; postgres: a cluster of its own."),
    PART(archive, "archive", "none|clickhouse", "Where the nodes' order history goes."),
    PART(secrets, "secrets", "database|vault",
         "Where the hub keeps secrets; vault: a server in "
         "its development mode."),
    PART(monitor, "metrics", "none|prometheus", "What collects the metrics of all roles."),
    CONFIG_BOOL(devnet_settings, keep, "keep", "false", "Keep the folder at the end."),
    CONFIG_BOOL(devnet_settings, json, "json", "false", "Print JSON."),
    CONFIG_STRING(devnet_settings, slot_filter, "of-slot", NULL, "N", "logs: of that slot only."),
    CONFIG_STRING(devnet_settings, order_filter, "order", NULL, "HASH",
                  "logs: lines that name this order."),
    {.flag = "account",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct devnet_settings, account),
     .value = "1",
     .max = 9,
     .help = "tx: which development account signs."},
    CONFIG_BOOL(devnet_settings, follow, "follow", "false", "logs, feed, status: go on."),
};

static const struct config_verb verbs[] = {
    [DEVNET_UP] = {"up", NULL, "Run a network until Ctrl-C.", 0, 0},
    [DEVNET_DOWN] = {"down", NULL, "End the running network.", 0, 0},
    [DEVNET_STATUS] = {"status", NULL, "A line for each role; status 0 only when all are ready.", 0,
                       0},
    [DEVNET_FEED] = {"feed", NULL, "What happens, a line each.", 0, 0},
    [DEVNET_LOGS] = {"logs", "[ROLE]", "Log lines of a role or of all.", 0, 1},
    [DEVNET_FAULT] = {"fault", "list|add|remove|clear …",
                      "Faults between roles: add 'node-1->node-2' delay 40ms jitter 5ms; drop 5%; "
                      "cut; reset 1%; corrupt 1%; rate 64KiB; stall; slots FROM-TO.",
                      0, 32},
    [DEVNET_ROLE] = {"role", "kill|pause|resume|stop|start ROLE|NODE",
                     "Do that to the processes of a role or of a node.", 2, 2},
    [DEVNET_ALLOW] = {"allow", "IMAGE|NODE", "Let an image's measurement in at the hub.", 1, 1},
    [DEVNET_REVOKE] = {"revoke", "IMAGE|NODE", "Withdraw it.", 1, 1},
    [DEVNET_ADD_NODE] = {"add-node", "[IMAGE]", "Start one more node, running that image.", 0, 1},
    [DEVNET_ROTATE] = {"rotate-cert", "NODE", "Give a node a new certificate.", 1, 1},
    [DEVNET_MISS] = {"miss-slots", "N", "Let the proposers miss the next slots.", 1, 1},
    [DEVNET_REORG] = {"reorg", "N", "Replace the last blocks by others.", 1, 1},
    [DEVNET_RECORD] = {"record", "FILE|off", "Record everything that passes between roles.", 1, 1},
    [DEVNET_REPLAY] = {"replay", "FILE [ROLE]", "Tell what a recording holds.", 1, 2},
    [DEVNET_TX] = {"tx", "[TO [ETHER]]",
                   "Print a signed transaction of a development account, for `buildernet send`.", 0,
                   2},
    [DEVNET_SHOW] = {"show", NULL, "Show the running network working, step by step.", 0, 0},
};

const struct config_program devnet_program = {
    .name = "devnet",
    .summary = "a whole network on this machine",
    .details = "`up` runs hub, collateral, simulated TDX platforms and nodes as processes of this "
               "program, in one folder, on loopback. The other verbs talk to it.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .values_bytes = sizeof(struct devnet_settings),
    .verbs = verbs,
    .verb_count = sizeof verbs / sizeof verbs[0],
};
