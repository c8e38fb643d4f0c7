/* SPDX-License-Identifier: MIT */
#include "config/common.h"

#define LINES_PER_EVENT 1000 /* each 10 s */

static enum log_level level_of(const struct common_log *s) {
    return s->debug ? LOG_DEBUG : (enum log_level)s->level;
}

static enum log_format format_of(const struct common_log *s) {
    return s->json ? LOG_JSON : LOG_LOGFMT;
}

int common_log_open(struct log **ret, const struct common_log *s, const char *program,
                    struct error *why) {
    const struct log_options o = {.fd = 2,
                                  .level = level_of(s),
                                  .format = format_of(s),
                                  .program = program,
                                  .repeat_limit_per_event = LINES_PER_EVENT};
    return log_open(ret, &o, why);
}

void common_log_set(struct log *l, const struct common_log *s) {
    log_set(l, level_of(s), format_of(s));
}
