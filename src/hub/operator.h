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

/* hub_is_operator_verb: argv[1] of `buildernet hub` is one of the operator's. */
bool hub_is_operator_verb(const char *word);

/* hub_operator runs one command; gives the exit status (0; 1: the hub refused; 2: there is a
 * difference, for diff; 64 and others: usage and errors, as base/error.h's classes). */
int hub_operator(int argc, char **argv);

extern const struct config_program hub_operator_program;

/* operator_print_table prints an array of objects as a table of these members (ended by NULL), or
 * as it came with json. operator_print_changes prints the answer of apply for a person. */
void operator_print_table(struct buf *out, const struct json *list, const char *const *members);
void operator_print_changes(struct buf *out, const struct json *changes);

/* operator_diff appends one line for each member that differs ("  a.b: 1 -> 2"); gives how many. */
size_t operator_diff(struct buf *out, const struct json *from, const struct json *to);

#endif
