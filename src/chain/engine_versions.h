/* Which version of an Engine API method is for which forks, and what stands in it.
 *
 * Source: ethereum/execution-apis, src/engine/{paris,shanghai,cancun,prague,osaka}.md. Constant
 * data; any thread. SPDX-License-Identifier: MIT */
#ifndef CHAIN_ENGINE_VERSIONS_H
#define CHAIN_ENGINE_VERSIONS_H

#include "chain/engine.h"

#define ENGINE_NEW_PAYLOAD_MAX 4u
#define ENGINE_FORKCHOICE_MAX 3u
#define ENGINE_GET_PAYLOAD_MAX 5u

/* The forks, both ends included, whose payloads a version takes. */
struct engine_range {
    enum fork first, last;
};

/* By version, from 1; NULL for versions that are not there. */
const struct engine_range *engine_new_payload_range(unsigned version);
const struct engine_range *engine_forkchoice_range(unsigned version); /* of attributes */
const struct engine_range *engine_get_payload_range(unsigned version);

static inline bool engine_range_has(const struct engine_range *r, enum fork f) {
    return f >= r->first && f <= r->last;
}

/* The newest versions for a fork, for the asking side; 0 before Paris. */
unsigned engine_new_payload_version(enum fork f);
unsigned engine_forkchoice_version(enum fork f);
unsigned engine_get_payload_version(enum fork f);

/* engine_parts_of: what payloads of a fork have beyond Paris. */
unsigned engine_parts_of(enum fork f);

#endif
