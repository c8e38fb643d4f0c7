/* SPDX-License-Identifier: MIT */
#include "config/common.h"

#define LINES_PER_EVENT 1000 /* each 10 s */
#define CHANGES_BYTES_MAX (64u << 10)

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

int common_reload(struct config *started, void *values, const struct common_log *fresh,
                  struct log *l, struct error *why) {
    struct config *config;
    struct buf changes;
    buf_init(&changes, CHANGES_BYTES_MAX);
    int r = config_reload(&config, started, values, &changes, why);
    if (r == 0) {
        common_log_set(l, fresh);
        log_info(l, "configuration_reloaded", F_BYTES("changes", buf_view(&changes)));
        config_took(started, config);
    }
    buf_free(&changes);
    return r;
}
