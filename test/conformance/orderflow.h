/* Orderflow vectors: what the parts of the area share. SPDX-License-Identifier: MIT */
#ifndef TEST_CONFORMANCE_ORDERFLOW_H
#define TEST_CONFORMANCE_ORDERFLOW_H

#include "eth/bundle.h"
#include "test/conformance/conformance.h"

/* One vector file that is being run. The arena is emptied after each case. */
struct flow_file {
    const char *path;
    const struct json *root;
    struct arena *a;
    struct tally *t;
};

/* The case's name: its id, or its place. */
const char *flow_name(struct flow_file *f, const struct json *test, size_t i);

/* What a vector expects as text or hex against what came out. A missing expectation passes. */
bool flow_same_text(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, const char *got);
bool flow_same_data(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, struct bytes got);
bool flow_same_uuid(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, const struct uuid *got);

/* flow_run_each runs every element of a list with its name; the arena is as before after each. */
void flow_run_each(struct flow_file *f, const struct json *list,
                   void (*run)(struct flow_file *, const char *, const struct json *));

/* The formats; each tells whether the file is of its kind, and runs it. */
bool flow_run_signatures(struct flow_file *f);
bool flow_run_identifiers(struct flow_file *f);
bool flow_run_requests(struct flow_file *f);
bool flow_run_frames(struct flow_file *f);
bool flow_run_scores(struct flow_file *f);

#endif
