/* Event logs: parsed, replayed, told.
 * SPDX-License-Identifier: MIT */
#include "attest/event_log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct event_log log;
    struct log_registers regs;
    struct arena a;
    arena_init(&a, 16u << 20);
    if (event_log_parse(&log, (struct bytes){data, size}, &a, NULL) == 0) {
        if (log.used_bytes > size) abort();
        for (int k = 0; k < EVENT_LOG_BANKS; k++) {
            (void)!event_log_replay(&regs, &log, (enum digest_kind)k, NULL);
        }
        for (size_t i = 0; i < log.n; i++) {
            char text[64];
            event_describe(&log.events[i], text, sizeof text);
        }
    }
    arena_free(&a);
    return 0;
}
