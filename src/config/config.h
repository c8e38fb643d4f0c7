/* Configuration: one table says flag, environment name, TOML key, type, default and help.
 *
 *     struct hub_values { const char *listen; uint64_t drain_ns; struct config_list peers; };
 *     static const struct config_option options[] = {
 *         CONFIG_STRING(hub_values, listen, "listen", "127.0.0.1:8080", "HOST:PORT", "Address to
 * serve."), CONFIG_DURATION(hub_values, drain_ns, "drain", "15s", "Time for open requests at the
 * end."),
 *     };
 *     static const struct config_program hub = {.name = "hub", .summary = "...", .options =
 * options, .option_count = 2}; r = config_load(&config, &hub, &values, argc, argv, why); if (r == 0
 * && config_output(config).n) { print it; return 0; }      --help and the like
 *
 * Precedence: flag > environment > file (--config) > default. The flag "listen-addr" has the
 * environment name BUILDERNET_LISTEN_ADDR and the TOML key listen_addr unless the row says
 * otherwise. The table also prints --help, --version, --print-config (itself a valid file, secrets
 * masked), --completion bash|zsh|fish and --man. Errors name the flag, the variable, or the file
 * with line and column. Values point into the config and live until config_free.
 * Thread: one at a time.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "toml/toml.h"

#include <stddef.h>

#define CONFIG_FILE_MAX (1u << 20)
#define CONFIG_OPTIONS_MAX 256

struct config_list {
    const char **items;
    size_t count;
};

enum config_type { /* C type of the value                          text form        */
                   CONFIG_TYPE_STRING,  /* const char *, NULL when there is none  */
                   CONFIG_TYPE_PATH,    /* const char * (completed as a file name)    */
                   CONFIG_TYPE_ADDRESS, /* const char *, checked HOST:PORT, [V6]:PORT, :PORT,
                                           unix:/PATH */
                   CONFIG_TYPE_URL,     /* const char *, checked scheme://host     */
                   CONFIG_TYPE_U64,  /* uint64_t, within min..max                    1000, 0x10  */
                   CONFIG_TYPE_BOOL, /* bool                                         true, false */
                   CONFIG_TYPE_DURATION, /* uint64_t ns                                  1m30s,
                                            250ms     */
                   CONFIG_TYPE_SIZE, /* uint64_t bytes                               64KiB, 10MB,
                                        512 */
                   CONFIG_TYPE_ENUM, /* int, index into choices                      one of a|b|c */
                   CONFIG_TYPE_LIST, /* struct config_list                           a,b,c or array
                                      */
                   CONFIG_TYPE_ADDRESSES, /* struct config_list of addresses */
                   CONFIG_TYPE_SECRET, /* struct secret                     text, or file:/path */
                   CONFIG_TYPE_TABLE,  /* const struct toml *, a table or an array of tables, NULL;
                                        file  only  */
};

struct config_option {
    const char *flag; /* "listen-addr"; also the name in messages */
    enum config_type type;
    size_t offset;       /* in the program's values */
    const char *value;   /* default in text form; NULL: zero, NULL, empty */
    const char *hint;    /* "HOST:PORT" in help; NULL: by type */
    const char *help;    /* one sentence */
    const char *env;     /* NULL: derived; "": none */
    const char *toml;    /* dotted key; NULL: derived; "": none */
    const char *choices; /* enum: "logfmt|json" */
    const char *hidden;  /* table: members of entries that are never printed, "password|key" */
    uint64_t min, max;   /* u64, size, duration; max 0: none */
    uint64_t unit;       /* ns or bytes that a bare number counts (keys like timeout_ms); 0: numbers
                            of durations need a unit, sizes are bytes */
    bool required;       /* ERR_NOT_FOUND when no source gives it */
    bool restart;        /* a reload reports it and keeps the value of the start */
    bool file_only;      /* no flag and no environment name */
};

#define CONFIG_ROW(kind, type_, field, flag_, value_, hint_, help_)                                \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(struct type_, field),      \
        .value = (value_), .hint = (hint_), .help = (help_)                                        \
    }
#define CONFIG_STRING(t, field, flag, value, hint, help)                                           \
    CONFIG_ROW(STRING, t, field, flag, value, hint, help)
#define CONFIG_PATH(t, field, flag, value, help) CONFIG_ROW(PATH, t, field, flag, value, NULL, help)
#define CONFIG_ADDRESS(t, field, flag, value, help)                                                \
    CONFIG_ROW(ADDRESS, t, field, flag, value, NULL, help)
#define CONFIG_URL(t, field, flag, value, help) CONFIG_ROW(URL, t, field, flag, value, NULL, help)
#define CONFIG_U64(t, field, flag, value, help) CONFIG_ROW(U64, t, field, flag, value, NULL, help)
#define CONFIG_BOOL(t, field, flag, value, help) CONFIG_ROW(BOOL, t, field, flag, value, NULL, help)
#define CONFIG_DURATION(t, field, flag, value, help)                                               \
    CONFIG_ROW(DURATION, t, field, flag, value, NULL, help)
#define CONFIG_SIZE(t, field, flag, value, help) CONFIG_ROW(SIZE, t, field, flag, value, NULL, help)
#define CONFIG_LIST(t, field, flag, value, hint, help)                                             \
    CONFIG_ROW(LIST, t, field, flag, value, hint, help)
#define CONFIG_SECRET(t, field, flag, help) CONFIG_ROW(SECRET, t, field, flag, NULL, NULL, help)
/* Rows that need more members are written out with designated initialisers. */

struct config_verb {
    const char *name;
    const char *arguments; /* "FILE..." for help, NULL: none */
    const char *help;
    unsigned min_arguments;
    unsigned max_arguments;
    /* A verb with a command line of its own, which the program's flags have no part in; counts of
     * arguments do not matter then. argv[0] is the program's name, argv[1] the verb. */
    int (*run)(int argc, char **argv); /* gives the exit status */
    const char *details; /* its flags, whole lines for --help; NULL: run answers --help itself */
};

struct config_program {
    const char *name;    /* "system-api": `buildernet system-api` */
    const char *summary; /* one line */
    const char *details; /* paragraphs for --help and the man page, NULL: none */
    const struct config_option *options;
    size_t option_count;
    size_t values_bytes;             /* sizeof the values */
    const struct config_verb *verbs; /* NULL: no verbs */
    size_t verb_count;
    bool verb_optional;       /* with verbs: none may be given */
    unsigned max_arguments;   /* without verbs */
    bool ignore_unknown_keys; /* of the file; else ERR_NOT_FOUND */
    const char *default_file; /* read when it exists and no --config is given; NULL: none */
    /* Says what no row can: NULL, or refuses values that cannot go together. Not asked when there
     * is only a text to print. */
    int (*check)(const void *values, struct error *why);
};

/* A program's arrays with their sizes, among its other members: the rows and the values that they
 * fill, and the verbs. */
#define CONFIG_OPTIONS(array, type)                                                                \
    .options = (array), .option_count = sizeof(array) / sizeof(array)[0],                          \
    .values_bytes = sizeof(type)
#define CONFIG_VERBS(array) .verbs = (array), .verb_count = sizeof(array) / sizeof(array)[0]

enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config;

/* config_run_verb: argv[1] names a verb with a command line of its own: it runs (or its help is
 * printed), and *ret_status is the exit status. False: the command line is config_load's. */
bool config_run_verb(int *ret_status, const struct config_program *p, int argc, char **argv);

/* config_main is a program's main around its own work: reads argv and all the rest into *values,
 * says on standard error what is wrong with it, prints what is only to be printed (--help), or
 * calls run. return  the exit status: run's, 0, or that of the error's class. */
int config_main(const struct config_program *p, void *values, int argc, char **argv,
                int (*run)(struct config *c, void *values));

/* config_load reads everything and fills *values (values_bytes, all of it).
 * argc/argv  as main got them, argv[0] is the program's name; borrowed until config_free.
 * errors     ERR_SYNTAX, ERR_RANGE, ERR_NOT_FOUND (required, file, unknown flag, key or verb),
 *            ERR_UNSUPPORTED (no verb, too few or too many arguments: usage), ERR_CONFLICT (flag
 *            twice), ERR_IO, ERR_LIMIT. On error *ret is NULL. */
[[gnu::warn_unused_result]] int config_load(struct config **ret, const struct config_program *p,
                                            void *values, int argc, char **argv, struct error *why);

/* config_moved: the owner copied the values to another place; the old one is not used any more. */
void config_moved(struct config *c, void *values);

/* config_free frees all and wipes secrets in *values. NULL is allowed. */
void config_free(struct config *c);

/* config_output: text to print instead of running (--help, ...); empty when the program runs. */
struct bytes config_output(const struct config *c);

/* The verb's index (-1: none) and the arguments behind it. */
int config_verb_index(const struct config *c);
struct config_list config_arguments(const struct config *c);

/* config_secret_files: what secrets in force were read from ("file:PATH"); a reload reads them
 * again. */
struct config_list config_secret_files(const struct config *c);

/* config_file gives the file that was read, NULL when there was none; config_toml its root. */
const char *config_file(const struct config *c);
const struct toml *config_toml(const struct config *c);
enum config_source config_source_of(const struct config *c, size_t option);

/* config_reload reads file and environment again with the same command line into new values; rows
 * that need a restart keep the old value (a table is as it was read).
 * changes  one line "flag: old -> new" a change, " (needs a restart)" where the row says so;
 *          secrets are masked. NULL: not wanted.
 *          What is in force is `old`, or what config_took.
 * On error the old config goes on, unchanged. On success the caller frees the old one after its
 * last use, or takes the new one by config_took. */
[[gnu::warn_unused_result]] int config_reload(struct config **ret, const struct config *old,
                                              void *values, struct buf *changes, struct error *why);

/* config_took: what a reload read (`fresh`) is in force now, but `started` and its values go on, as
 * in programs that take over a few settings. The next reload of `started` then tells what differs
 * from `fresh`, rows that need a restart as before from the start. fresh is started's from now on,
 * its values are copied and not used any more; without memory it is freed and forgotten. */
void config_took(struct config *started, struct config *fresh);

/* What the table prints. verb  index of the one that help is wanted for; -1: of all. */
void config_write_help(struct buf *out, const struct config_program *p, int verb);
void config_write_man(struct buf *out, const struct config_program *p);
/* shell   "bash", "zsh", "fish"; ERR_SYNTAX otherwise. */
[[gnu::warn_unused_result]] int config_write_completion(struct buf *out,
                                                        const struct config_program *p,
                                                        const char *shell, struct error *why);
/* config_write_values prints the values in force as a TOML file, each with its source. */
void config_write_values(struct buf *out, const struct config *c);

/* Text forms, for verbs that take such values. errors  ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int config_parse_duration(uint64_t *ret_ns, struct bytes text,
                                                      uint64_t unit, struct error *why);
[[gnu::warn_unused_result]] int config_parse_size(uint64_t *ret, struct bytes text, uint64_t unit,
                                                  struct error *why);
[[gnu::warn_unused_result]] int config_check_address(struct bytes text, struct error *why);

#endif
