/* Settings of the System API: the configuration file of the deployed program, with what is new.
 *
 * [general] holds values (flags and environment reach them too), [actions] commands and
 * [file_uploads] destinations, each either in the old short form or as a table. Unknown keys are
 * ignored, as the deployed program does.
 * Ownership: settings_free frees everything, the views and strings live as long.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_SETTINGS_H
#define SYSTEM_API_SETTINGS_H

#include "base/clock.h"
#include "base/secret.h"
#include "config/common.h"

#include <sys/types.h>

#define ACTION_OUTPUT_MAX (32u << 10) /* bytes kept of each of stdout and stderr */
#define ACTION_TIMEOUT_MS 600000      /* where the file says nothing */
#define UPLOAD_BYTES_DEFAULT (64u << 20)
#define EVENTS_DEFAULT 1000
#define EVENTS_MOST 1000000
#define COMMAND_WORDS_MAX 64
#define SETTINGS_NAME_MAX 255 /* of an action or upload */

/* A command, ready to be started. */
struct command {
    const char *const *argv; /* ended by NULL; argv[0] may be a name that PATH leads to */
    const char *text;        /* as events show it */
    uint64_t timeout_ns;
    size_t output_bytes;
};

struct action {
    const char *name;
    struct command command;
};

struct upload {
    const char *name;
    const char *path;
    mode_t mode;
    bool set_owner;
    uid_t uid;
    gid_t gid;
    uint64_t bytes_max;
    bool has_validator;
    struct command validator; /* the word {} stands for the new file */
};

/* What the configuration table fills. */
struct settings_values {
    const char *listen_addr;
    const char *pipe_file;
    struct common_log log;
    bool pprof; /* known to the deployed program; there is no such profiler here */
    uint64_t log_max_entries;
    const char *events_path;
    const char *secret_path;
    const char *secret_salt;
    struct secret first_password;
    uint64_t http_read_timeout_ns;
    uint64_t http_write_timeout_ns;
    bool tls_enabled;
    bool tls_create_if_missing;
    struct config_list tls_cert_hosts;
    const char *tls_cert_path;
    const char *tls_key_path;
    struct common_process process;
    const struct toml *actions;
    const struct toml *uploads;
    // of the verbs that speak to a running System API
    const char *url;
    struct secret password;
    const char *pin;
    bool wait;
    bool follow;
    uint64_t since;
};

struct settings {
    struct config *config;
    struct settings_values values;
    struct arena arena;
    struct action *actions;
    size_t action_count;
    struct upload *uploads;
    size_t upload_count;
    size_t events_kept; /* log_max_entries, or what stands for its 0 */
};

/* The table: flags, environment, keys, help. */
extern const struct config_program settings_program;

enum { SETTINGS_CALL, SETTINGS_UPLOAD, SETTINGS_EVENTS, SETTINGS_SET_PASSWORD };

/* settings_load reads command line, environment and file.
 * argc, argv  borrowed until settings_free.
 * errors      those of config_load, with the key named. *ret is unusable then. */
[[gnu::warn_unused_result]] int settings_load(struct settings *ret, int argc, char **argv,
                                              struct error *why);

/* settings_reload reads everything again; `old` goes on on error. changes: see config_reload. */
[[gnu::warn_unused_result]] int settings_reload(struct settings *ret, const struct settings *old,
                                                struct buf *changes, struct error *why);

/* settings_move: *ret gets what `from` holds; `from` is empty afterwards. A plain copy would leave
 * the configuration pointing at values that are gone. */
void settings_move(struct settings *ret, struct settings *from);
void settings_free(struct settings *s);

/* settings_action, settings_upload find by name; NULL when there is none. */
const struct action *settings_action(const struct settings *s, struct bytes name);
const struct upload *settings_upload(const struct settings *s, struct bytes name);

#endif
