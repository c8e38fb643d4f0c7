/* Assembler: EVM code from readable text, for the contracts that load scenarios bring along.
 *
 *     PUSH 0x20  CALLDATALOAD        ; PUSH chooses its size; the text after ; is a comment
 *     @done JUMPI                    ; @name pushes a label's place (two bytes)
 *     done: JUMPDEST  STOP           ; name: stands for the place
 *     'transfer(address,uint256)'    ; pushes a function's selector (four bytes)
 *     "Swap(address,uint256)"        ; pushes an event's topic (32 bytes)
 *
 * Opcodes are those of the newest fork, by their names. Pure. Thread: any.
 * SPDX-License-Identifier: MIT */
#ifndef LOAD_ASSEMBLER_H
#define LOAD_ASSEMBLER_H

#include "base/buf.h"

#define ASSEMBLER_LABELS_MAX 256
#define ASSEMBLER_CODE_MAX 24576

/* assemble appends the code of a text.
 * errors  ERR_SYNTAX with the line, ERR_NOT_FOUND (a label), ERR_CONFLICT, ERR_LIMIT. */
[[gnu::warn_unused_result]] int assemble(struct buf *out, struct bytes text, struct error *why);

/* assemble_deploy appends what creates a contract of that code: it copies and returns it. */
[[gnu::warn_unused_result]] int assemble_deploy(struct buf *out, struct bytes code,
                                                struct error *why);

#endif
