/* toml++ behind a C function: the oracle of the reader's fuzz target. Not part of the library.
 * SPDX-License-Identifier: MIT */
#ifndef TOML_ORACLE_H
#define TOML_ORACLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* toml_oracle: 1 when toml++ takes the document, with *ret_text a malloc'ed form of its strings,
 * integers, booleans and structure that two readers agree on (keys sorted by bytes); 0 when it
 * refuses, -1 when it met a limit of its own. */
int toml_oracle(const char *p, size_t n, char **ret_text, size_t *ret_n);

#ifdef __cplusplus
}
#endif
#endif
