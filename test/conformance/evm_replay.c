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
    static const char *const names[] = {"block.json", "pre_state.json", "codes.json",
                                        "block_hashes.json"};
    const char *slash = strrchr(f->path, '/');
    bool ours = false;
    for (size_t i = 0; slash && i < sizeof names / sizeof *names; i++) {
        ours |= strcmp(slash + 1, names[i]) == 0;
    }
    if (!ours) return false;
    if (!f->memory->replay) f->memory->replay = replay_open();
    if (!f->memory->replay) {
        tally_fail(t, "-", "no memory");
        return true;
    }
    return replay_take(f->memory->replay, f->path, f->content);
}

void evm_finish_replay(struct evm_memory *memory, struct tally *t) {
    if (!memory->replay) return;
    replay_check(memory->replay, count, t);
    replay_close(memory->replay);
    memory->replay = NULL;
}
