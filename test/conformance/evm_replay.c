/* Real blocks with their pre-state, run by the same code as `buildernet evm replay`.
 * SPDX-License-Identifier: MIT */
#include "evm_tool/replay.h"

#include "test/conformance/evm.h"

static void count(void *arg, const char *name, const char *failure) {
    struct tally *t = arg;
    t->file = name;
    if (failure) {
        tally_fail(t, "block", "%s", failure);
    } else {
        tally_pass(t, "block");
    }
    t->file = NULL;
}

bool evm_run_replay(const struct evm_file *f, struct tally *t) {
    if (!f->memory->replay) f->memory->replay = replay_open();
    if (f->memory->replay) return replay_take(f->memory->replay, f->path, f->content);
    tally_fail(t, "-", "no memory");
    return true;
}

void evm_finish_replay(struct evm_memory *memory, struct tally *t) {
    if (!memory->replay) return;
    replay_check(memory->replay, count, t);
    replay_close(memory->replay);
    memory->replay = NULL;
}
