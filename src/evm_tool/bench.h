/* Timing EVM programs given as state tests (the field's benchmark format).
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_BENCH_H
#define EVM_TOOL_BENCH_H

#include "evm_tool/runner.h"

struct bench_options {
    const char *const *paths;
    size_t path_count;
    unsigned budget_ms; /* for each case */
    const char *filter; /* only names that contain it; NULL: all */
};

/* bench_run prints a JSON line per case: name, ns of one run (the best), gas, mgas_s, the count of
 * instructions, limit_ns (instructions times the least this machine takes for one, measured in
 * the same run), cpu. Code is decoded before. Gives the exit status. */
int bench_run(const struct bench_options *o);

/* bench_message times one message in a prepared state: best ns of many runs within the budget,
 * each undone. ret_gas  gas used by the last. */
double bench_message(struct evm *vm, const struct evm_message *m, unsigned budget_ms,
                     struct evm_result *ret, int64_t *ret_gas);

#endif
