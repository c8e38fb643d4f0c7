/* One piece of code on the command line. SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_RUN_H
#define EVM_TOOL_RUN_H

/* run_main runs with the arguments behind the verb: --code HEX --input HEX [--gas N] [--value N]
 * [--fork NAME] [--create] [--json] [--bench] [--trace | --tracer NAME]. Prints the output (or a
 * JSON object with output, gasUsed, status), or with --help what they are; gives 0, 1 when the code
 * failed, 64 for flags. */
int run_main(int argc, char **argv);

#endif
