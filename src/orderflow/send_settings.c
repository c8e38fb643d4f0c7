/* SPDX-License-Identifier: MIT */
#include "orderflow/send.h"

#define V struct send_values
#define ROW(kind, field_, flag_, value_, hint_, help_)                                             \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .hint = (hint_), .help = (help_)                                        \
    }

static const struct config_option options[] = {
    ROW(URL, url, "url", "http://127.0.0.1:5543", "URL", "The node, or a balancer before nodes."),
    ROW(PATH, ca, "ca", NULL, NULL,
        "https: the certificate that is trusted, PEM; the machine's roots else."),
    ROW(SECRET, key, "key", NULL, NULL,
        "Key that signs the request: 64 hex digits, or file:/path. It is who you are to the node; "
        "without one a fresh key is used."),
    ROW(SECRET, api_key, "api-key", NULL, NULL, "Sent as X-Api-Key; or file:/path of it."),
    ROW(BOOL, flashbots_header, "flashbots-header", "false", NULL,
        "Sign in X-Flashbots-Signature, for nodes that know no other."),
    ROW(BOOL, no_check, "no-check", "false", NULL, "Send also what the node will refuse."),
    ROW(BOOL, dry_run, "dry-run", "false", NULL, "Print the signed request, send nothing."),
    ROW(BOOL, json, "json", "false", NULL, "Print the node's answer as it came."),
    ROW(DURATION, timeout_ns, "timeout", "10s", NULL, "For the whole request."),
    ROW(STRING, rpc_url, "rpc-endpoint", NULL, "URL",
        "status: an execution client, which knows what was included."),
    ROW(LIST, nodes, "node", NULL, "URL,...",
        "status: metrics listeners of nodes, which know where the order went."),
    ROW(STRING, block, "block", NULL, "NUMBER", "bundle: the block it is for; none: the next one."),
    ROW(STRING, uuid, "uuid", NULL, "UUID",
        "bundle, cancel: replacement identity: a later order of it replaces an earlier one."),
    ROW(STRING, nonce, "nonce", NULL, "NUMBER",
        "bundle, cancel: which of them is later; without one the node's clock says."),
    ROW(STRING, min_timestamp, "min-timestamp", NULL, "SECONDS", "bundle: not before."),
    ROW(STRING, max_timestamp, "max-timestamp", NULL, "SECONDS", "bundle: not after."),
    ROW(LIST, reverting, "reverting", NULL, "HASH,...", "bundle: transactions that may revert."),
    ROW(LIST, dropping, "dropping", NULL, "HASH,...", "bundle: transactions that may be left out."),
    ROW(STRING, version, "bundle-version", NULL, "v1|v2", "bundle: whose rules hold for it."),
    ROW(STRING, refund_percent, "refund-percent", NULL, "1..99",
        "bundle: share of the payment that goes back."),
    ROW(STRING, refund_recipient, "refund-recipient", NULL, "ADDRESS",
        "bundle: to whom; the first transaction's sender else."),
    ROW(LIST, refund_txs, "refund-tx", NULL, "HASH",
        "bundle: whose payment it is; the last transaction's else."),
    ROW(STRING, refund_identity, "refund-identity", NULL, "ADDRESS",
        "bundle: who is credited with refunds instead of the signer."),
    ROW(BOOL, delayed_refund, "delayed-refund", "false", NULL, "bundle: refund after the block."),
    ROW(STRING, desired_state, "desired-state", NULL, "BottomOfBlock",
        "bundle: where in the block it wants to be."),
    ROW(LIST, targets, "target-address", NULL, "ADDRESS,...",
        "bundle: contracts after whose change it wants to be."),
    ROW(LIST, fields, "field", NULL, "NAME=JSON,...",
        "bundle: any further member; the JSON may have commas."),
};

static const struct config_verb verbs[] = {
    {"tx", "RAW...", "send signed transactions (0x..., or a file of them)", 1, 100},
    {"bundle", "[FILE|-] [RAW...]",
     "send a bundle: transactions as 0x..., or a file with its JSON object, whose members flags "
     "replace",
     0, 200},
    {"cancel", NULL, "cancel the bundle with --uuid", 0, 0},
    {"status", "HASH...", "tell what became of transactions (--rpc-endpoint) and orders (--node)",
     1, 100},
};

const struct config_program send_program = {
    .name = "send",
    .summary = "sign and send transactions and bundles to a node",
    .details = "Says in words what a refusal means. Exit status: 0 taken, 65 the order is wrong, "
               "69 the node is away, 75 come again later, 76 refused, 77 who signed is not known.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
};
