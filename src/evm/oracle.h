/* A second interpreter, written for clarity alone: the oracle that the fast one is fuzzed against.
 * For tests; not part of the program.
 *
 * Byte by byte over the code, every check where the Yellow Paper has it, arithmetic bit by bit.
 * What it shares with the fast one: the tables of the schedule, the state, and the machine's calls
 * and creations (evm.c), which come back to it for every frame.
 *
 *     vm.interpret = oracle_interpret;    instead of the fast one, for all frames
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_ORACLE_H
#define EVM_ORACLE_H

#include "evm/frame.h"

enum evm_status oracle_interpret(struct evm_frame *f, const int32_t **ret_handlers);

#endif
