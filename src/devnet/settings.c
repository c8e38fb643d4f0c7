/* SPDX-License-Identifier: MIT */
#include "devnet/devnet.h"

#include "devnet/folder.h"

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)

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
    CONFIG_STRING(devnet_settings, seed, "seed", DEVNET_SEED, "TEXT", "All keys are made from it."),
    {.flag = "nodes",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct devnet_settings, nodes),
     .value = TEXT_OF(DEVNET_NODES),
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
    CONFIG_STRING(devnet_settings, fork, "fork", NULL, "NAME[@SLOT]",
                  "Fork of the chain: shanghai to bpo2; with @SLOT the one before it until that "
                  "slot."),
    CONFIG_DURATION(
        devnet_settings, virtual_clock_ns, "virtual-clock", "0s",
        "Blocks tell a time of their own, and slot 0 begins so long after the start: two "
        "runs of one seed have the same block hashes. 0s: the machine's time."),
    CONFIG_PATH(devnet_settings, record, "record", NULL,
                "Record everything that passes between roles, from the start on."),
    CONFIG_PATH(devnet_settings, replay, "replay", NULL,
                "Send no bundles of the network's own, but the orders of this recording, at their "
                "times since the start."),
    CONFIG_BOOL(devnet_settings, play, "play", "false",
                "replay: send the running network the orders that the recording holds."),
    CONFIG_STRING(devnet_settings, shadow_node, "shadow-node", NULL, "http://HOST:PORT",
                  "Follow the chain of this node, in place of one of the network's own; build for "
                  "its slots (--slot says their length), and bid to nobody."),
    CONFIG_STRING(devnet_settings, shadow_ws, "shadow-ws", NULL, "ws://HOST:PORT",
                  "Its WebSocket."),
    CONFIG_STRING(devnet_settings, shadow_beacon, "shadow-beacon", NULL, "http://HOST:PORT",
                  "Its beacon node, with payload_attributes events."),
    CONFIG_STRING(devnet_settings, shadow_relay, "shadow-relay", NULL, "http://HOST:PORT",
                  "Relay that is read from: who proposes, and what was delivered."),
    CONFIG_PATH(devnet_settings, shadow_genesis, "shadow-genesis", NULL,
                "Genesis file of the chain."),
    CONFIG_STRING(devnet_settings, shadow_state, "shadow-state", NULL, "URL",
                  "Take the state from this node by checked proofs, instead of executing the chain "
                  "from its genesis."),
    CONFIG_STRING(devnet_settings, shadow_bids, "shadow-bids", NULL, "URL",
                  "Where bids go; on loopback only. Empty: the network keeps them."),
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
    PART(consensus, "cl", "own|lodestar",
         "What proposes blocks; lodestar: the consensus client, from npm."),
    CONFIG_STRING(devnet_settings, execution, "el", "own", "own|ethereumjs|PATH",
                  "With --cl lodestar: its execution client; PATH is a program that is run with "
                  "--genesis, --jwt-secret, --data, --http-port and --engine-port."),
    PART(tpm, "tpm", "none|swtpm",
         "What nodes attest themselves with; swtpm: a vTPM each, as on Azure."),
    PART(monitor, "metrics", "none|prometheus", "What collects the metrics of all roles."),
    PART(netns, "netns", "none|veth|netem",
         "As root: each node in a network namespace of its own, linked by veth devices; netem: the "
         "kernel makes delay, jitter and loss."),
    CONFIG_BOOL(devnet_settings, keep, "keep", "false",
                "Keep the folder at the end, so that up --continue can go on with it."),
    CONFIG_BOOL(devnet_settings, resume, "continue", "false",
                "Go on with the network whose folder was kept: its chain, hub, keys and nodes. The "
                "folder is kept again."),
    CONFIG_BOOL(devnet_settings, yes, "yes", "false", "allow FILE: do not ask."),
    CONFIG_BOOL(devnet_settings, json, "json", "false", "Print JSON."),
    CONFIG_STRING(devnet_settings, slot_filter, "of-slot", NULL, "N", "logs: of that slot only."),
    CONFIG_STRING(devnet_settings, order_filter, "order", NULL, "HASH",
                  "logs: what every role did with this order; of a transaction the same."),
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
                      "cut; reset 1%; corrupt 1%; rate 64KiB; stall; 'relay->chain' withhold; "
                      "'node-1->relay' wrong-root; slots FROM-TO.",
                      0, 32},
    [DEVNET_ROLE] = {"role", "kill|pause|resume|stop|start ROLE|NODE",
                     "Do that to the processes of a role or of a node.", 2, 2},
    [DEVNET_ALLOW] =
        {"allow", "IMAGE|NODE|FILE [NODE CONFIGURATION]",
         "Let an image's measurement in at the hub. FILE (with a \".\" or \"/\"): an image, "
         "a quote, an event log, a JSON measurement file, or a fleet; with a node's "
         "configuration. Shows the difference and asks.",
         1, 3},
    [DEVNET_REVOKE] = {"revoke", "IMAGE|NODE", "Withdraw it.", 1, 1},
    [DEVNET_ADD_NODE] = {"add-node", "[IMAGE]", "Start one more node, running that image.", 0, 1},
    [DEVNET_ROTATE] = {"rotate-cert", "NODE", "Give a node a new certificate.", 1, 1},
    [DEVNET_QUOTE] = {"quote", "NODE good|wrong|expired",
                      "What quotes a node attests itself with from now on.", 2, 2},
    [DEVNET_CLOCK] = {"clock", "ROLE|NODE SHIFT",
                      "Shift the clock of a role, or of all of a node: 90s, -250ms, 0s.", 2, 2},
    [DEVNET_MISS] = {"miss-slots", "N", "Let the proposers miss the next slots.", 1, 1},
    [DEVNET_REORG] = {"reorg", "N", "Replace the last blocks by others.", 1, 1},
    [DEVNET_RECORD] = {"record", "FILE|off", "Record everything that passes between roles.", 1, 1},
    [DEVNET_REPLAY] = {"replay", "FILE [ROLE]", "Tell what a recording holds.", 1, 2},
    [DEVNET_TX] = {"tx", "[TO [ETHER]]",
                   "Print a signed transaction of a development account, for `buildernet send`.", 0,
                   2},
    [DEVNET_SHADOW] = {"shadow", NULL,
                       "What a shadow's nodes would have bid, beside what was delivered.", 0, 0},
    [DEVNET_SHOW] = {"show", NULL, "Show the running network working, step by step.", 0, 0},
};

// A name must not lead out of the folder of networks.
static int check(const void *values, struct error *why) {
    const struct devnet_settings *s = values;
    if (folder_name_is_good(s->name)) return 0;
    return error_set(why, ERR_INVALID,
                     "--name: 1 to 40 letters, digits, \".\", \"_\", \"-\", the first no \".\"");
}

const struct config_program devnet_program = {
    .name = "devnet",
    .summary = "a whole network on this machine",
    .details = "`up` runs hub, collateral, simulated TDX platforms and nodes as processes of this "
               "program, in one folder, on loopback. The other verbs talk to it.",
    CONFIG_OPTIONS(options, struct devnet_settings),
    CONFIG_VERBS(verbs),
    .check = check,
};
