/* SPDX-License-Identifier: MIT */
#include "system_api/settings.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define V struct settings_values

static const struct config_option options[] = {
    {.flag = "listen-addr",
     .type = CONFIG_TYPE_ADDRESS,
     .offset = offsetof(V, listen_addr),
     .value = "0.0.0.0:3535",
     .toml = "general.listen_addr",
     .restart = true,
     .help = "Address to serve."},
    {.flag = "pipe-file",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, pipe_file),
     .toml = "general.pipe_file",
     .restart = true,
     .help = "FIFO whose lines become events; made when it is missing."},
    COMMON_LOG_ROWS(V, log, "BUILDERNET_", "general."),
    {.flag = "pprof",
     .type = CONFIG_TYPE_BOOL,
     .offset = offsetof(V, pprof),
     .value = "false",
     .toml = "general.pprof",
     .file_only = true,
     .help = "Accepted for old files; there is no such profiler here."},
    {.flag = "log-max-entries",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, log_max_entries),
     .value = "0",
     .toml = "general.log_max_entries",
     .max = EVENTS_MOST,
     .help = "Events that are kept; 0: MAX_EVENTS from the environment, or 1000."},
    {.flag = "events-path",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, events_path),
     .toml = "general.events_path",
     .restart = true,
     .help = "File that keeps the events across restarts; empty: memory only."},
    {.flag = "basic-auth-secret-path",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, secret_path),
     .toml = "general.basic_auth_secret_path",
     .restart = true,
     .help = "File with the password's hash; empty: no authentication, none can be set."},
    {.flag = "basic-auth-secret-salt",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(V, secret_salt),
     .value = "",
     .toml = "general.basic_auth_secret_salt",
     .help = "Salt of hashes in the old form (64 hex digits)."},
    {.flag = "basic-auth-first-password",
     .type = CONFIG_TYPE_SECRET,
     .offset = offsetof(V, first_password),
     .toml = "general.basic_auth_first_password",
     .help = "Password that is set at start while none is stored, so that the port is never open "
             "unprotected."},
    {.flag = "http-read-timeout-ms",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, http_read_timeout_ns),
     .value = "0",
     .toml = "general.http_read_timeout_ms",
     .unit = NS_PER_MS,
     .restart = true,
     .help = "Longest time that a request's body may take; 0: no limit, but 30 s without a byte."},
    {.flag = "http-write-timeout-ms",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, http_write_timeout_ns),
     .value = "0",
     .toml = "general.http_write_timeout_ms",
     .unit = NS_PER_MS,
     .restart = true,
     .help = "Longest wait for a client to take bytes; 0: 30 s."},
    {.flag = "tls-enabled",
     .type = CONFIG_TYPE_BOOL,
     .offset = offsetof(V, tls_enabled),
     .value = "false",
     .toml = "general.tls_enabled",
     .restart = true,
     .help = "Serve TLS."},
    {.flag = "tls-create-if-missing",
     .type = CONFIG_TYPE_BOOL,
     .offset = offsetof(V, tls_create_if_missing),
     .value = "false",
     .toml = "general.tls_create_if_missing",
     .help = "Make a self-signed certificate when both files are missing, and renew it."},
    {.flag = "tls-cert-hosts",
     .type = CONFIG_TYPE_LIST,
     .offset = offsetof(V, tls_cert_hosts),
     .toml = "general.tls_cert_hosts",
     .hint = "HOST,...",
     .help = "Names and addresses in the self-made certificate."},
    {.flag = "tls-cert-path",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, tls_cert_path),
     .toml = "general.tls_cert_path",
     .restart = true,
     .help = "Certificate, PEM."},
    {.flag = "tls-key-path",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, tls_key_path),
     .toml = "general.tls_key_path",
     .restart = true,
     .help = "Private key, PEM."},
    COMMON_PROCESS_ROWS(V, process, "general."),
    {.flag = "actions",
     .type = CONFIG_TYPE_TABLE,
     .offset = offsetof(V, actions),
     .toml = "actions",
     .file_only = true,
     .help = "NAME = \"shell command\", [\"program\", \"argument\"], or a table with command, "
             "timeout_ms, output_limit_bytes."},
    {.flag = "file-uploads",
     .type = CONFIG_TYPE_TABLE,
     .offset = offsetof(V, uploads),
     .toml = "file_uploads",
     .file_only = true,
     .help = "NAME = \"/path\", or a table with path, mode, owner, max_bytes, validator."},
    {.flag = "url",
     .type = CONFIG_TYPE_URL,
     .offset = offsetof(V, url),
     .value = "https://127.0.0.1:3535",
     .env = "SYSTEM_API_URL",
     .toml = "",
     .help = "System API that the verbs speak to."},
    {.flag = "password",
     .type = CONFIG_TYPE_SECRET,
     .offset = offsetof(V, password),
     .env = "SYSTEM_API_PASSWORD",
     .toml = "",
     .help = "Password for the verbs; or file:/path."},
    {.flag = "pin",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(V, pin),
     .hint = "FILE|SHA256",
     .env = "SYSTEM_API_PIN",
     .toml = "",
     .help = "The server's certificate: a PEM file, or the SHA-256 of its DER in hex."},
    {.flag = "wait",
     .type = CONFIG_TYPE_BOOL,
     .offset = offsetof(V, wait),
     .value = "true",
     .env = "",
     .toml = "",
     .help = "call: wait for the action's end."},
    {.flag = "follow",
     .type = CONFIG_TYPE_BOOL,
     .offset = offsetof(V, follow),
     .value = "false",
     .env = "",
     .toml = "",
     .help = "events: go on with new ones as they come."},
    {.flag = "since",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, since),
     .value = "0",
     .env = "",
     .toml = "",
     .help = "events: only those after this id."},
};

static const struct config_verb verbs[] = {
    [SETTINGS_CALL] = {"call", "ACTION", "Run an action and tell how it ended.", 1, 1},
    [SETTINGS_UPLOAD] = {"upload", "NAME FILE", "Send a file to its place on the node.", 2, 2},
    [SETTINGS_EVENTS] = {"events", NULL, "Print the event log.", 0, 0},
    [SETTINGS_SET_PASSWORD] = {"set-password", NULL,
                               "Set a new password, read from standard input.", 0, 0},
};

const struct config_program settings_program = {
    .name = "system-api",
    .summary = "lets an operator control a sealed node: events, actions, uploads",
    .details =
        "Without a verb, serves the System API. Commands run in a process of their own; the one "
        "that faces the network can neither run programs nor open files that the configuration "
        "does not name.\n"
        "SIGHUP reads the configuration and the certificate again; a bad configuration is refused "
        "and the old one goes on. SIGTERM and SIGINT drain and end.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
    .ignore_unknown_keys = true,
};

// Commands

static const char *shell(void) {
    const char *s = getenv("SHELL_TO_USE");
    if (s && *s) return s;
    return access("/bin/ash", X_OK) == 0 ? "/bin/ash" : "/bin/sh";
}

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for the settings");
}

static int read_words(struct settings *s, struct command *ret, const struct toml *v,
                      struct error *why) {
    const char **argv = arena_alloc_array(&s->arena, v->count + 1, sizeof(char *));
    struct buf text;
    buf_init(&text, 0);
    size_t n = 0;
    int r = argv ? 0 : no_memory(why);
    if (r == 0 && (v->count == 0 || v->count > COMMAND_WORDS_MAX)) {
        r = toml_error(why, ERR_RANGE, v, "a command has 1 to %d words", COMMAND_WORDS_MAX);
    }
    toml_each(word, v) {
        struct bytes w;
        if (r == 0) r = toml_string(&w, word, why);
        if (r == 0 && memchr(w.p, 0, w.n)) {
            r = toml_error(why, ERR_INVALID, word, "a NUL in a command");
        }
        if (r != 0) break;
        argv[n] = arena_str(&s->arena, w);
        if (!argv[n]) r = no_memory(why);
        if (n++) buf_append_byte(&text, ' ');
        buf_append(&text, w);
    }
    if (r == 0) r = buf_check(&text, why);
    if (r == 0) {
        ret->argv = argv;
        ret->text = arena_str(&s->arena, buf_view(&text));
        if (!ret->text) r = no_memory(why);
    }
    buf_free(&text);
    return r;
}

// A command as text for the shell, or as an array that no shell sees.
static int read_command(struct settings *s, struct command *ret, const struct toml *v,
                        struct error *why) {
    ret->timeout_ns = ACTION_TIMEOUT_MS * NS_PER_MS;
    ret->output_bytes = ACTION_OUTPUT_MAX;
    if (v && v->type == TOML_ARRAY) return read_words(s, ret, v, why);
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r != 0) return r;
    const char **argv = arena_alloc_array(&s->arena, 4, sizeof(char *));
    if (!argv) return no_memory(why);
    argv[0] = shell();
    argv[1] = "-c";
    argv[2] = ret->text = arena_str(&s->arena, text);
    ret->argv = argv;
    return ret->text ? 0 : no_memory(why);
}

// A positive integer that may be missing.
static int read_number(uint64_t *ret, const struct toml *table, const char *key, uint64_t most,
                       struct error *why) {
    const struct toml *v = toml_get(table, bytes_from_str(key));
    int64_t number;
    if (!v) return 0;
    int r = toml_i64(&number, v, why);
    if (r != 0) return r;
    if (number < 1 || (uint64_t)number > most) {
        return toml_error(why, ERR_RANGE, v, "%s is 1 to %llu", key, (unsigned long long)most);
    }
    *ret = (uint64_t)number;
    return 0;
}

static int read_action(struct settings *s, struct action *ret, const struct toml *v,
                       struct error *why) {
    struct command *c = &ret->command;
    if (v->type != TOML_TABLE) return read_command(s, c, v, why);
    int r = read_command(s, c, toml_get(v, BYTES_LIT("command")), why);
    uint64_t timeout_ms = ACTION_TIMEOUT_MS, output = ACTION_OUTPUT_MAX;
    if (r == 0) r = read_number(&timeout_ms, v, "timeout_ms", 86400000, why);
    if (r == 0) r = read_number(&output, v, "output_limit_bytes", ACTION_OUTPUT_MAX, why);
    c->timeout_ns = timeout_ms * NS_PER_MS;
    c->output_bytes = (size_t)output;
    return r;
}

// Uploads

static int read_mode(mode_t *ret, const struct toml *v, struct error *why) {
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r != 0) return r;
    mode_t mode = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7' || text.n > 4) {
            return toml_error(why, ERR_SYNTAX, v, "mode is octal digits, like \"0644\"");
        }
        mode = mode * 8 + (mode_t)(text.p[i] - '0');
    }
    if (mode == 0 || mode > 0777) {
        return toml_error(why, ERR_RANGE, v, "mode is \"0001\" to \"0777\"");
    }
    *ret = mode;
    return 0;
}

// "user" or "user:group".
static int read_owner(struct settings *s, struct upload *u, const struct toml *v,
                      struct error *why) {
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r != 0) return r;
    char *user = arena_str(&s->arena, text);
    if (!user) return no_memory(why);
    char *colon = strchr(user, ':');
    if (colon) *colon = '\0';
    const struct passwd *p = getpwnam(user); // called at start and reload, on one thread
    if (!p) return toml_error(why, ERR_NOT_FOUND, v, "no user is named '%s'", user);
    u->uid = p->pw_uid;
    u->gid = p->pw_gid;
    u->set_owner = true;
    if (!colon) return 0;
    const struct group *g = getgrnam(colon + 1);
    if (!g) return toml_error(why, ERR_NOT_FOUND, v, "no group is named '%s'", colon + 1);
    u->gid = g->gr_gid;
    return 0;
}

static int read_path(struct settings *s, struct upload *u, const struct toml *v,
                     struct error *why) {
    struct bytes path;
    int r = toml_string(&path, v, why);
    if (r != 0) return r;
    if (path.n == 0 || memchr(path.p, 0, path.n) || path.p[path.n - 1] == '/') {
        return toml_error(why, ERR_INVALID, v, "an upload's path names a file");
    }
    u->path = arena_str(&s->arena, path);
    return u->path ? 0 : no_memory(why);
}

static int read_upload(struct settings *s, struct upload *u, const struct toml *v,
                       struct error *why) {
    u->mode = 0644;
    u->bytes_max = UPLOAD_BYTES_DEFAULT;
    if (v->type != TOML_TABLE) return read_path(s, u, v, why);
    const struct toml *mode = toml_get(v, BYTES_LIT("mode"));
    const struct toml *owner = toml_get(v, BYTES_LIT("owner"));
    const struct toml *validator = toml_get(v, BYTES_LIT("validator"));
    int r = read_path(s, u, toml_get(v, BYTES_LIT("path")), why);
    if (r == 0 && mode) r = read_mode(&u->mode, mode, why);
    if (r == 0 && owner) r = read_owner(s, u, owner, why);
    if (r == 0) r = read_number(&u->bytes_max, v, "max_bytes", (uint64_t)1 << 40, why);
    if (r == 0 && validator) {
        if (validator->type != TOML_ARRAY) {
            return toml_error(why, ERR_INVALID, validator, "validator is an array of words");
        }
        r = read_command(s, &u->validator, validator, why);
        u->has_validator = true;
    }
    return r;
}

// Tables

static int check_name(const struct toml *v, struct error *why) {
    if (v->key.n && v->key.n <= SETTINGS_NAME_MAX && !memchr(v->key.p, '/', v->key.n) &&
        !memchr(v->key.p, 0, v->key.n)) {
        return 0;
    }
    return toml_error(why, ERR_INVALID, v,
                      "a name is a part of a path, without '/', of at most %d "
                      "bytes",
                      SETTINGS_NAME_MAX);
}

static int read_actions(struct settings *s, struct error *why) {
    const struct toml *table = s->values.actions;
    s->actions = arena_new_array(&s->arena, struct action, table ? table->count : 0);
    if (!s->actions) return no_memory(why);
    toml_each(v, table) {
        struct action *a = &s->actions[s->action_count];
        a->name = arena_str(&s->arena, v->key);
        if (!a->name) return no_memory(why);
        int r = check_name(v, why);
        if (r == 0) r = read_action(s, a, v, why);
        if (r != 0) return error_wrap(why, "[actions] %s", a->name);
        s->action_count++;
    }
    return 0;
}

static int read_uploads(struct settings *s, struct error *why) {
    const struct toml *table = s->values.uploads;
    s->uploads = arena_new_array(&s->arena, struct upload, table ? table->count : 0);
    if (!s->uploads) return no_memory(why);
    toml_each(v, table) {
        struct upload *u = &s->uploads[s->upload_count];
        u->name = arena_str(&s->arena, v->key);
        if (!u->name) return no_memory(why);
        int r = check_name(v, why);
        if (r == 0) r = read_upload(s, u, v, why);
        if (r != 0) return error_wrap(why, "[file_uploads] %s", u->name);
        s->upload_count++;
    }
    return 0;
}

// An integer from MAX_EVENTS; anything else is ignored, as the deployed program does.
static size_t events_from_environment(void) {
    const char *text = getenv("MAX_EVENTS");
    if (!text || !*text) return EVENTS_DEFAULT;
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    return *end || *text == '-' || n == 0 || n > EVENTS_MOST ? EVENTS_DEFAULT : (size_t)n;
}

static int complete(struct settings *s, struct error *why) {
    arena_init(&s->arena, 4u << 20);
    s->events_kept =
        s->values.log_max_entries ? (size_t)s->values.log_max_entries : events_from_environment();
    int r = read_actions(s, why);
    if (r == 0) r = read_uploads(s, why);
    if (r == 0 && s->values.tls_enabled && (!s->values.tls_cert_path || !s->values.tls_key_path)) {
        r = error_set(why, ERR_NOT_FOUND, "tls_enabled needs tls_cert_path and tls_key_path");
    }
    if (r != 0) settings_free(s);
    return r;
}

int settings_load(struct settings *ret, int argc, char **argv, struct error *why) {
    *ret = (struct settings){0};
    int r = config_load(&ret->config, &settings_program, &ret->values, argc, argv, why);
    return r == 0 ? complete(ret, why) : r; // --print-config too refuses what would not serve
}

int settings_reload(struct settings *ret, const struct settings *old, struct buf *changes,
                    struct error *why) {
    *ret = (struct settings){0};
    int r = config_reload(&ret->config, old->config, &ret->values, changes, why);
    return r == 0 ? complete(ret, why) : r;
}

void settings_move(struct settings *ret, struct settings *from) {
    *ret = *from;
    config_moved(ret->config, &ret->values);
    *from = (struct settings){0};
}

void settings_free(struct settings *s) {
    arena_free(&s->arena);
    config_free(s->config);
    *s = (struct settings){0};
}

const struct action *settings_action(const struct settings *s, struct bytes name) {
    for (size_t i = 0; i < s->action_count; i++) {
        if (bytes_equal_str(name, s->actions[i].name)) return &s->actions[i];
    }
    return NULL;
}

const struct upload *settings_upload(const struct settings *s, struct bytes name) {
    for (size_t i = 0; i < s->upload_count; i++) {
        if (bytes_equal_str(name, s->uploads[i].name)) return &s->uploads[i];
    }
    return NULL;
}
