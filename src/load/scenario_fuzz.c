/* Any text as a scenario, as assembly, and as an amount. SPDX-License-Identifier: MIT */
#include "load/scenario.h"

#include "load/assembler.h"
#include "load/call_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    struct scenario s;
    struct call_form f;
    struct u256 n;
    struct buf code;
    struct bytes in = bytes_make(data, size);
    arena_init(&a, 64u << 20);
    buf_init(&code, 1u << 20);
    if (scenario_parse(&s, in, &a, NULL) < 0) s.spam_count = 0;
    if (assemble(&code, in, NULL) < 0) buf_clear(&code);
    buf_clear(&code);
    if (call_form_parse(&f, in, &a, NULL) == 0) {
        // The text itself as every argument.
        struct bytes args[CALL_ARGS_MAX];
        for (size_t i = 0; i < f.inputs.part_count; i++) {
            args[i] = in;
        }
        if (call_encode(&code, &f, args, f.inputs.part_count, NULL, &a, NULL) < 0) buf_clear(&code);
    }
    if (scenario_amount(&n, in, NULL) < 0) n = u256_from_u64(0);
    buf_free(&code);
    arena_free(&a);
    return 0;
}
