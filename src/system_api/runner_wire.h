/* Messages between the api and its runner. Internal to src/system_api.
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_RUNNER_WIRE_H
#define SYSTEM_API_RUNNER_WIRE_H

#include "system_api/runner.h"

enum command_kind { RUNNER_RUN = 1, RUNNER_VALIDATE, RUNNER_RELOAD };

struct command_request {
    uint64_t id;
    uint32_t kind;
    char name[SETTINGS_NAME_MAX + 1];
    char path[RUNNER_PATH_MAX]; /* RUNNER_VALIDATE */
};

struct command_reply {
    uint64_t id;
    int32_t state; /* enum command_state */
    int32_t exit_status;
    int32_t signal;
    uint32_t out_n, err_n;
    char error[160];
    uint8_t output[2 * ACTION_OUTPUT_MAX]; /* out_n bytes, then err_n bytes */
};

#define RUNNER_REPLY_HEAD offsetof(struct command_reply, output)

/* command_child is the runner's whole life; it returns its exit status. */
int command_child(int fd, const struct settings *settings, struct log *log);

#endif
