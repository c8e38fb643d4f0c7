/* SPDX-License-Identifier: MIT */
#include "node/settings.h"

#include "node/chain_file.h"

#include <string.h>

#define V struct node_values
#define ROW(kind, field_, flag_, value_, hint_, help_)                                             \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .hint = (hint_), .help = (help_), .restart = true                       \
    }

static const struct config_option options[] = {
    ROW(PATH, genesis, "genesis", NULL, NULL, "Genesis file in geth's format."),
    ROW(BOOL, requests_optional, "allow-missing-contracts", "false", NULL,
        "Let a chain of Prague or later do without the contracts of execution requests, as some "
        "clients do; the specification makes its blocks invalid."),
    ROW(PATH, data_folder, "data-folder", NULL, NULL,
        "Where the chain is kept; empty: in memory only."),
    ROW(STRING, http_addr, "http-addr", "127.0.0.1:8545", "HOST:PORT",
        "JSON-RPC over HTTP and WebSocket; empty for none."),
    ROW(STRING, ws_addr, "ws-addr", "127.0.0.1:8546", "HOST:PORT",
        "A second listener of the same kind, where clients look for WebSockets; empty for none."),
    ROW(STRING, engine_addr, "engine-addr", "127.0.0.1:8551", "HOST:PORT",
        "Engine API over HTTP and WebSocket; empty for none."),
    ROW(PATH, ipc_path, "ipc-path", NULL, NULL, "JSON-RPC over a Unix socket; empty for none."),
    COMMON_METRICS_ROW(V, metrics_addr, "127.0.0.1:6060", NULL,
                       "/livez, /readyz, /metrics; empty for none."),
    ROW(PATH, jwt_secret, "jwt-secret", NULL, NULL,
        "File with the Engine API's key, 64 hex digits; made in the data folder when not given."),
    ROW(LIST, apis, "api", "eth,net,web3,txpool,debug,flashbots,mev,rpc,dev,evm,anvil,hardhat",
        "NAME,...",
        "Namespaces offered to users over HTTP and WebSocket; the Unix socket has all."),
    ROW(LIST, cors, "http-cors", NULL, "ORIGIN,...", "Origins whose pages may call; * for all."),
    ROW(U64, workers, "rpc-workers", "4", NULL, "Threads that answer users."),
    ROW(SIZE, body_bytes, "rpc-body-max", "16MiB", NULL, "Largest request."),
    ROW(SIZE, answer_bytes, "rpc-answer-max", "64MiB", NULL, "Largest answer to one request."),
    ROW(SIZE, held_bytes, "rpc-held-max", "256MiB", NULL,
        "Most memory of requests that come in and of answers that clients have not read, over all "
        "connections; at least twice the largest of each."),
    ROW(U64, batch, "rpc-batch-max", "1000", NULL, "Most calls in one batch."),
    ROW(U64, connections, "rpc-connections", "4096", NULL, "Most connections of users."),
    ROW(U64, call_gas, "rpc-call-gas", "50000000", NULL, "Most gas of eth_call and its like."),
    ROW(DURATION, call_ns, "rpc-call-timeout", "5s", NULL, "Most time of one call."),
    ROW(U64, log_blocks, "rpc-log-blocks", "100000", NULL, "Most blocks of one eth_getLogs."),
    ROW(U64, log_results, "rpc-log-results", "20000", NULL, "Most logs of one eth_getLogs."),
    ROW(U64, pool_pending, "pool-pending", "8192", NULL, "Most pending transactions."),
    ROW(U64, pool_queued, "pool-queued", "2048", NULL, "Most queued transactions."),
    ROW(U64, pool_pending_per_sender, "pool-pending-per-sender", "256", NULL,
        "Most pending transactions of one sender."),
    ROW(U64, pool_queued_per_sender, "pool-queued-per-sender", "64", NULL,
        "Most queued transactions of one sender."),
    ROW(SIZE, pool_bytes, "pool-bytes", "256MiB", NULL, "Most memory of transactions."),
    ROW(U64, pool_price_min, "pool-price-min", "1", NULL,
        "Least priority fee, wei a gas, of transactions that are not local."),
    ROW(DURATION, pool_age_ns, "pool-queued-age", "3h", NULL,
        "How long a queued transaction may wait."),
    ROW(BOOL, pool_journal, "pool-journal", "true", NULL,
        "Keep local transactions over a restart (with a data folder)."),
    ROW(STRING, fee_recipient, "fee-recipient", NULL, "ADDRESS",
        "Who is paid for blocks made here without a consensus client."),
    ROW(STRING, extra_data, "extra-data", "BuilderNet", "TEXT", "Extra data of blocks made here."),
    ROW(U64, gas_limit, "gas-limit", "0", NULL,
        "Gas limit that blocks made here move to; 0: the parent's."),
    ROW(U64, blobs_max, "blobs-max", "0", NULL, "Most blobs in blocks made here; 0: the fork's."),
    ROW(DURATION, payload_interval_ns, "payload-interval", "250ms", NULL,
        "How often a payload that was asked for is made better."),
    ROW(BOOL, dev, "dev", "false", NULL,
        "A chain of one's own: funded accounts, a block for each transaction."),
    ROW(DURATION, dev_period_ns, "dev-period", "0s", NULL,
        "With --dev: a block this often, with or without transactions; 0s: on demand."),
    ROW(U64, dev_accounts, "dev-accounts", "10", NULL, "With --dev: how many funded accounts."),
    ROW(DURATION, slot_ns, "slots", "0s", NULL,
        "Play the consensus layer: a slot this often (from 100ms), with validators, relays and "
        "a beacon API."),
    ROW(U64, validators, "validators", "64", NULL, "With --slots: how many validators."),
    ROW(DURATION, relay_wait_ns, "relay-timeout", "950ms", NULL,
        "With --slots: how long a relay's bid is waited for."),
    ROW(U64, genesis_time, "genesis-time", "0", NULL,
        "With --slots: Unix time of slot 0; 0: that of the genesis block, or the start."),
    ROW(DURATION, virtual_clock_ns, "virtual-clock", "0s", NULL,
        "With --slots: slot 0 begins this long after the start, whatever the genesis time is, so "
        "that runs at other times have the same timestamps; 0s: at the genesis time."),
    ROW(U64, slots_per_epoch, "slots-per-epoch", "32", NULL, "With --slots: slots of an epoch."),
    ROW(U64, min_bid, "min-bid", "0", NULL,
        "With --slots: wei that a bid must be worth to be taken."),
    ROW(STRING, beacon_addr, "beacon-addr", "127.0.0.1:3500", "HOST:PORT",
        "With --slots: beacon API for builders and relays; empty for none."),
    ROW(STRING, validator_seed, "validator-seed", "interop", "TEXT",
        "With --slots: interop for the consensus layer's well-known test keys, or any text that "
        "others are made from."),
    ROW(STRING, fork_version, "genesis-fork-version", "0x20000089", "HEX",
        "With --slots: genesis fork version, for the builders' domain."),
    ROW(LIST, relays, "relay", NULL, "URL,...",
        "With --slots: relays to ask, http or https; http://PUBKEY@HOST:PORT pins a relay's key."),
    ROW(PATH, ca_file, "ca-file", NULL, NULL,
        "Roots (PEM) for https relays and a wss node to follow; without it the machine's."),
    ROW(STRING, follow, "follow", NULL, "ws://HOST:PORT",
        "Follow another node's chain through its WebSocket; on its authenticated port with the "
        "key of --jwt-secret."),
    ROW(PATH, progress_fifo, "progress-fifo", NULL, NULL,
        "Lines about a snapshot's progress go here too (the System API's events pipe)."),
    ROW(U64, threads, "threads", "0", NULL,
        "Threads that execute blocks and compute roots; 0: one a processor."),
    COMMON_PROCESS_ROWS(V, process, ""),
    COMMON_LOG_ROWS(V, log, "BUILDERNET_", ""),
};

static const struct config_verb verbs[] = {
    [NODE_VERB_EXPORT] = {"snapshot-export", "FILE",
                          "Write the whole store of a node that is not running to a file.", 1, 1},
    [NODE_VERB_IMPORT] = {"snapshot-import", "FILE",
                          "Fill an empty data folder from such a file; goes on where it stopped.",
                          1, 1},
    [NODE_VERB_GENESIS] = {"dev-genesis", NULL, "Print the genesis file of --dev.", 0, 0},
};

static bool is_namespace(const char *name) {
    static const char *const names[] = {"eth", "net", "web3", "txpool", "debug", "flashbots",
                                        "mev", "rpc", "dev",  "evm",    "anvil", "hardhat"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

// Refuses (ERR_RANGE, ERR_NOT_FOUND, ERR_INVALID) what would otherwise be cut or passed over
// without a word: more accounts than there are, extra data that no header takes, a namespace that
// does not exist.
static int check(const void *values, struct error *why) {
    const struct node_values *v = values;
    if (v->dev_accounts > DEV_ACCOUNTS_MAX) {
        return error_set(why, ERR_RANGE, "--dev-accounts: there are %u", DEV_ACCOUNTS_MAX);
    }
    if (v->held_bytes < 2 * v->answer_bytes || v->held_bytes < 2 * v->body_bytes) {
        return error_set(why, ERR_RANGE,
                         "--rpc-held-max: twice --rpc-answer-max and --rpc-body-max at least");
    }
    if (v->extra_data && strlen(v->extra_data) > NODE_EXTRA_DATA_MAX) {
        return error_set(why, ERR_RANGE, "--extra-data: a header has room for %d bytes",
                         NODE_EXTRA_DATA_MAX);
    }
    if (v->dev && v->slot_ns) {
        return error_set(why, ERR_INVALID,
                         "--dev and --slots both make blocks: --slots alone has the accounts and "
                         "the genesis of --dev too");
    }
    if (v->follow && *v->follow && (v->dev || v->slot_ns)) {
        return error_set(why, ERR_INVALID,
                         "--follow takes another node's blocks: not with --dev or --slots");
    }
    if (v->virtual_clock_ns && !v->slot_ns) {
        return error_set(why, ERR_INVALID, "--virtual-clock is a matter of --slots");
    }
    for (size_t i = 0; i < v->apis.count; i++) {
        if (!is_namespace(v->apis.items[i])) {
            return error_set(why, ERR_NOT_FOUND, "--api: there is no namespace %.100s",
                             v->apis.items[i]);
        }
    }
    return 0;
}

const struct config_program node_program = {
    .name = "node",
    .summary = "an execution client: a chain for devnets and for builders",
    .details =
        "Without a verb, serves. With --dev the node makes blocks by itself; with --slots it "
        "plays the consensus layer too, asks relays for blocks and serves what builders and "
        "relays need of a beacon node; else a consensus client drives it over the Engine "
        "API, or --follow another node.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
    .check = check,
};
