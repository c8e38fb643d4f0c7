/* SPDX-License-Identifier: MIT */
#include "chain/engine_versions.h"

static const struct engine_range new_payload[ENGINE_NEW_PAYLOAD_MAX] = {
    {FORK_PARIS, FORK_PARIS},
    {FORK_PARIS, FORK_SHANGHAI},
    {FORK_CANCUN, FORK_CANCUN},
    {FORK_PRAGUE, FORK_OSAKA},
};
static const struct engine_range forkchoice[ENGINE_FORKCHOICE_MAX] = {
    {FORK_PARIS, FORK_PARIS},
    {FORK_PARIS, FORK_SHANGHAI},
    {FORK_CANCUN, FORK_OSAKA},
};
static const struct engine_range get_payload[ENGINE_GET_PAYLOAD_MAX] = {
    {FORK_PARIS, FORK_PARIS},   {FORK_PARIS, FORK_SHANGHAI}, {FORK_CANCUN, FORK_CANCUN},
    {FORK_PRAGUE, FORK_PRAGUE}, {FORK_OSAKA, FORK_OSAKA},
};

const struct engine_range *engine_new_payload_range(unsigned version) {
    return version && version <= ENGINE_NEW_PAYLOAD_MAX ? &new_payload[version - 1] : NULL;
}

const struct engine_range *engine_forkchoice_range(unsigned version) {
    return version && version <= ENGINE_FORKCHOICE_MAX ? &forkchoice[version - 1] : NULL;
}

const struct engine_range *engine_get_payload_range(unsigned version) {
    return version && version <= ENGINE_GET_PAYLOAD_MAX ? &get_payload[version - 1] : NULL;
}

static unsigned newest(const struct engine_range *table, unsigned count, enum fork f) {
    while (count && !engine_range_has(&table[count - 1], f)) {
        count--;
    }
    return count;
}

unsigned engine_new_payload_version(enum fork f) {
    return newest(new_payload, ENGINE_NEW_PAYLOAD_MAX, f);
}

unsigned engine_forkchoice_version(enum fork f) {
    return newest(forkchoice, ENGINE_FORKCHOICE_MAX, f);
}

unsigned engine_get_payload_version(enum fork f) {
    return newest(get_payload, ENGINE_GET_PAYLOAD_MAX, f);
}

unsigned engine_parts_of(enum fork f) {
    return (f >= FORK_SHANGHAI ? ENGINE_WITHDRAWALS : 0) | (f >= FORK_CANCUN ? ENGINE_BLOB_GAS : 0);
}
