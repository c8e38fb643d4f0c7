/* Common settings: what every server of the project has, declared once: logging, the user, the
 * sandbox, the metrics listener.
 *
 *     struct hub_values { ...; struct common_log log; struct common_process process; };
 *     static const struct config_option options[] = {
 *         COMMON_LOG_ROWS(struct hub_values, log, "BUILDERNET_", ""),
 *         COMMON_PROCESS_ROWS(struct hub_values, process, ""),
 *         ...
 *     r = common_log_open(&log, &values.log, "hub", why);
 *
 * `env` is the prefix of the environment names ("" where deployed programs read LOG_JSON), `table`
 * that of the TOML keys ("general."). SPDX-License-Identifier: MIT */
#ifndef CONFIG_COMMON_H
#define CONFIG_COMMON_H

#include "base/log.h"
#include "config/config.h"

struct common_log {
    int level; /* enum log_level */
    bool json, debug;
};

struct common_process {
    const char *user;
    bool sandbox;
};

#define COMMON_LOG_ROWS(type_, member_, env_, table_)                                              \
    {.flag = "log-level",                                                                          \
     .type = CONFIG_TYPE_ENUM,                                                                     \
     .offset = offsetof(type_, member_.level),                                                     \
     .value = "info",                                                                              \
     .choices = "debug|info|warn|error|off",                                                       \
     .env = env_ "LOG_LEVEL",                                                                      \
     .toml = table_ "log_level",                                                                   \
     .help = "Least level of the lines that are logged."},                                         \
        {.flag = "log-json",                                                                       \
         .type = CONFIG_TYPE_BOOL,                                                                 \
         .offset = offsetof(type_, member_.json),                                                  \
         .value = "false",                                                                         \
         .env = env_ "LOG_JSON",                                                                   \
         .toml = table_ "log_json",                                                                \
         .help = "Log JSON lines instead of logfmt."},                                             \
    {                                                                                              \
        .flag = "log-debug", .type = CONFIG_TYPE_BOOL, .offset = offsetof(type_, member_.debug),   \
        .value = "false", .env = env_ "LOG_DEBUG", .toml = table_ "log_debug",                     \
        .help = "Log debug lines too, as --log-level debug does."                                  \
    }

#define COMMON_PROCESS_ROWS(type_, member_, table_)                                                \
    {.flag = "user",                                                                               \
     .type = CONFIG_TYPE_STRING,                                                                   \
     .offset = offsetof(type_, member_.user),                                                      \
     .hint = "NAME",                                                                               \
     .toml = table_ "user",                                                                        \
     .restart = true,                                                                              \
     .help = "User that the serving process becomes; empty: stay."},                               \
    {                                                                                              \
        .flag = "sandbox", .type = CONFIG_TYPE_BOOL, .offset = offsetof(type_, member_.sandbox),   \
        .value = "true", .toml = table_ "sandbox", .restart = true,                                \
        .help = "Give up files and system calls that are not needed (Landlock, seccomp)."          \
    }

/* env  NULL: BUILDERNET_METRICS_ADDR. help  what else the program serves there. */
#define COMMON_METRICS_ROW(type_, member_, value_, env_, help_)                                    \
    {                                                                                              \
        .flag = "metrics-addr", .type = CONFIG_TYPE_STRING, .offset = offsetof(type_, member_),    \
        .value = (value_), .hint = "HOST:PORT", .env = (env_), .help = (help_), .restart = true    \
    }

/* common_log_open opens the log of a server, on standard error. common_log_set applies settings
 * that a reload read. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int common_log_open(struct log **ret, const struct common_log *s,
                                                const char *program, struct error *why);
void common_log_set(struct log *l, const struct common_log *s);

/* common_reload is the SIGHUP of a program that takes nothing but the log's settings: it reads all
 * settings again, and logs what has changed and what of it needs a restart
 * ("configuration_reloaded"). values  room for the program's, not used after the return. fresh  the
 * log's, inside of it. errors  config_reload's: everything stays as it was. */
[[gnu::warn_unused_result]] int common_reload(struct config *started, void *values,
                                              const struct common_log *fresh, struct log *l,
                                              struct error *why);

#endif
