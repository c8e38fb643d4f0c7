/* libsimdjson behind a C function: the oracle of the reader's tests. Not part of the library.
 * SPDX-License-Identifier: MIT */
#ifndef JSON_ORACLE_H
#define JSON_ORACLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum oracle_verdict {
    ORACLE_VALID,
    ORACLE_INVALID,
    ORACLE_NUMBER, /* refused for a number: its form or its size */
};

/* oracle_parse reads a document. ret_text  gets a form that two readers can agree on byte for byte
 * (see dump in json_fuzz.c), malloc'ed, when the document is valid; may be NULL. */
enum oracle_verdict oracle_parse(const char *p, size_t n, char **ret_text, size_t *ret_n);

/* oracle_time parses n times with one parser; 0 when the document is refused. */
int oracle_repeat(const char *p, size_t n, unsigned times);

#ifdef __cplusplus
}
#endif
#endif
