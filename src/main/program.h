/* The programs of the multi-call binary: `buildernet PROGRAM [VERB] [flags]`.
 * Each program has a table of its settings and verbs (config/config.h), which gives help, manual
 * page and completions, and mostly one short file here that reads its command line and calls its
 * library. SPDX-License-Identifier: MIT */
#ifndef MAIN_PROGRAM_H
#define MAIN_PROGRAM_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>

/* A program's entry. argv[0] is the program's name ("system-api"); returns the exit status. */
typedef int program_run(int argc, char **argv);

program_run attest_main;
program_run attested_proxy_main;
program_run boot_main;
program_run builder_main;
program_run devnet_main;
program_run hub_main;
program_run load_main;
program_run node_main;
program_run orderflow_main;
program_run send_main;
program_run relay_main;
program_run system_api_main;

extern const struct config_program attest_program, crypto_program, eth_program, evm_program,
    trie_program;

struct program {
    const struct config_program *table;
    program_run *run; /* NULL: all its verbs have command lines of their own */
};

/* All programs, ended by a row without a table. */
extern const struct program programs[];

/* program_complain says on standard error why a command ("eth decode") failed, and at which byte of
 * its input where that is known. */
void program_complain(const char *command, const struct error *why);

/* completion_print prints a script for that shell ("bash", "zsh") which completes the programs'
 * names and, asking them, their verbs and flags. Gives the exit status. */
int completion_print(const char *shell);

#endif
