/* L2 area: what its files share. SPDX-License-Identifier: MIT */
#ifndef TEST_CONFORMANCE_L2_H
#define TEST_CONFORMANCE_L2_H

#include "test/conformance/conformance.h"
#include "json/json.h"

#define L2_GENESIS_MAX 8

/* What outlives a file: the genesis files that were met, for the sessions on their chains. */
struct l2_memory {
    char *genesis[L2_GENESIS_MAX];
    size_t genesis_count;
};

struct l2_file {
    const char *path;
    struct bytes content;
    const struct json *root; /* NULL: lines of JSON */
    struct arena *a;
    struct tally *t;
    struct l2_memory *memory;
};

/* Formats: each gives false when the file is not of its kind. */
bool l2_run_session(struct l2_file *f);
bool l2_run_genesis(struct l2_file *f);
bool l2_run_tokens(struct l2_file *f);
bool l2_run_payload_ids(struct l2_file *f);
bool l2_run_examples(struct l2_file *f);
bool l2_run_rollup_values(struct l2_file *f);
bool l2_run_builder_api(struct l2_file *f);
bool l2_run_blocks(struct l2_file *f);

/* l2_same: two JSON values are equal, members in any order; `extra` names members of `expected`
 * that need not be there (NULL-ended, NULL: none). The first difference is told. */
bool l2_same(struct l2_file *f, const char *name, const struct json *expected,
             const struct json *got, const char *const *extra);
const struct json *l2_parse(struct l2_file *f, struct bytes text);

#endif
