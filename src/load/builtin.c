/* SPDX-License-Identifier: MIT */
#include "load/scenario.h"

#define SCENARIOS(X)                                                                               \
    X(transfers)                                                                                   \
    X(erc20)                                                                                       \
    X(swaps)                                                                                       \
    X(storage)                                                                                     \
    X(gas)                                                                                         \
    X(blobs)                                                                                       \
    X(bundles)                                                                                     \
    X(conflicts)                                                                                   \
    X(reverts)                                                                                     \
    X(replacements)                                                                                \
    X(mix)

#define DECLARE(name)                                                                              \
    extern const uint8_t load_scenario_##name[] __attribute__((visibility("hidden")));             \
    extern const uint8_t load_scenario_##name##_end[] __attribute__((visibility("hidden")));
SCENARIOS(DECLARE)

#define ROW(name) {#name, load_scenario_##name, load_scenario_##name##_end},

static const struct {
    const char *name;
    const uint8_t *begin, *end;
} table[] = {SCENARIOS(ROW)};

const char *scenario_builtin_name(size_t i) {
    return i < sizeof table / sizeof table[0] ? table[i].name : NULL;
}

bool scenario_builtin(struct bytes *ret, const char *name) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) != 0) continue;
        *ret = bytes_make(table[i].begin, (size_t)(table[i].end - table[i].begin));
        return true;
    }
    return false;
}
