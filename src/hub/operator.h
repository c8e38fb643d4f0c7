/* The operator's command line: verbs that talk to a running hub's admin API.
 *
 *     buildernet hub builders list            buildernet hub apply -f fleet.yaml
 *     buildernet hub measurements allow FILE  buildernet hub configs diff NAME FILE
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_OPERATOR_H
#define HUB_OPERATOR_H

#include "config/config.h"
#include "json/json.h"

/* Rows of the operator's verbs; run_ is hub_operator in the hub's own table, NULL in the
 * operator's.
 */
#define HUB_OPERATOR_VERBS(run_)                                                                   \
    {"builders",                                                                                   \
     "list|show|add|set|enable|disable|delete [NAME]",                                             \
     "Nodes: who they are and whether they may come in.",                                          \
     1,                                                                                            \
     2,                                                                                            \
     .run = (run_)},                                                                               \
        {"measurements",                                                                           \
         "list|show|add|allow|enable|disable|delete [NAME|FILE|https://HOST:PORT]",                \
         "Images that may come in. allow takes an image, a quote, an event log, a measurement "    \
         "file, or a running node (which proves itself), adds and enables it.",                    \
         1,                                                                                        \
         2,                                                                                        \
         .run = (run_)},                                                                           \
        {"configs",                                                                                \
         "list|show|set|diff|activate BUILDER [VERSION|FILE]",                                     \
         "Configurations and their versions.",                                                     \
         2,                                                                                        \
         3,                                                                                        \
         .run = (run_)},                                                                           \
        {"secrets", "set|show BUILDER [FILE]", "A node's secrets document.", 2, 3, .run = (run_)}, \
        {"events", "list", "What nodes did.", 1, 1, .run = (run_)},                                \
        {"changes", "list", "What operators did, who and why.", 1, 1, .run = (run_)},              \
        {"apply",                                                                                  \
         "[FILE]",                                                                                 \
         "Bring the hub to the state of a file (JSON, TOML, YAML), in one transaction; shows the " \
         "difference and asks first.",                                                             \
         0,                                                                                        \
         1,                                                                                        \
         .run = (run_)},                                                                           \
    {                                                                                              \
        "diff", "[FILE]", "The difference only; exit status 2 when there is one.", 0, 1,           \
            .run = (run_)                                                                          \
    }

/* hub_operator runs one command; gives the exit status (0; 1: the hub refused; 2: there is a
 * difference, for diff; others: base/error.h's classes; docs/hub.md). */
int hub_operator(int argc, char **argv);

extern const struct config_program hub_operator_program;

/* operator_print_table prints an array of objects as a table of these members (ended by NULL), or
 * as it came with json. operator_print_changes prints the answer of apply for a person. */
void operator_print_table(struct buf *out, const struct json *list, const char *const *members);
void operator_print_changes(struct buf *out, const struct json *changes);

/* operator_diff appends one line for each member that differs ("  a.b: 1 -> 2"); gives how many. */
size_t operator_diff(struct buf *out, const struct json *from, const struct json *to);

#endif
