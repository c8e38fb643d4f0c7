/* Call data from a function's text and its arguments' texts. Pure. Thread: any.
 * SPDX-License-Identifier: MIT */
#ifndef LOAD_CALL_DATA_H
#define LOAD_CALL_DATA_H

#include "eth/abi.h"

#define CALL_ARGS_MAX 32

/* A function, read once. */
struct call_form {
    struct bytes name;
    struct abi_type inputs; /* tuple */
    uint8_t selector[4];
    bool is_constructor; /* the text began with its list: no selector is written */
};

/* call_form_parse reads "transfer(address to, uint256 amount) …" or "(uint256 a)"; what follows the
 * list is passed over. errors  ERR_SYNTAX, ERR_LIMIT. */
[[gnu::warn_unused_result]] int call_form_parse(struct call_form *ret, struct bytes text,
                                                struct arena *a, struct error *why);

/* call_parameter: index of the parameter of that name, SIZE_MAX when there is none. */
size_t call_parameter(const struct call_form *f, struct bytes name);

/* call_encode appends selector and arguments. Texts: numbers decimal or 0x, amounts ("1 eth"),
 * true, false, addresses and bytes in hex, strings as they are, "[a,b]" and "(a,b)".
 * numbers  where not NULL in place i: the number that stands for argument i.
 * errors   ERR_SYNTAX, ERR_RANGE, ERR_INVALID (a wrong count). */
[[gnu::warn_unused_result]] int call_encode(struct buf *out, const struct call_form *f,
                                            const struct bytes *args, size_t arg_count,
                                            const struct u256 *const *numbers, struct arena *a,
                                            struct error *why);

#endif
