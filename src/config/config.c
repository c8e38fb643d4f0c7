/* SPDX-License-Identifier: MIT */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

void config_env_name(char ret[CONFIG_NAME_MAX], const struct config_option *o) {
    if (o->env || o->file_only || o->type == CONFIG_TYPE_TABLE) {
        (void)snprintf(ret, CONFIG_NAME_MAX, "%s", o->env && !o->file_only ? o->env : "");
        return;
    }
    (void)snprintf(ret, CONFIG_NAME_MAX, "BUILDERNET_%s", o->flag);
    for (char *c = ret; *c; c++) {
        *c = *c == '-' || *c == '.' ? '_' : upper(*c); // shells and systemd take no dot in a name
    }
}

void config_toml_name(char ret[CONFIG_NAME_MAX], const struct config_option *o) {
    (void)snprintf(ret, CONFIG_NAME_MAX, "%s", o->toml ? o->toml : o->flag);
    for (char *c = ret; !o->toml && *c; c++) {
        if (*c == '-') *c = '_';
    }
}

static bool has_flag(const struct config_option *o) {
    return !o->file_only && o->type != CONFIG_TYPE_TABLE;
}

// A flag as --flag: one dash does as well, as with the programs whose command lines ours takes.
static const char *flag_text(struct config *c, int at) {
    const char *arg = c->argv[at];
    const char *whole = arg[1] != '-' && arg[2] ? arena_printf(&c->arena, "-%s", arg) : NULL;
    return whole ? whole : arg;
}

static const struct config_option *find_flag(const struct config *c, struct bytes name) {
    for (size_t i = 0; i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        if (has_flag(o) && bytes_equal_str(name, o->flag)) return o;
    }
    return NULL;
}

static int unknown_flag(const char *arg, struct error *why) {
    return error_set(why, ERR_NOT_FOUND, "unknown flag %.100s (see --help)", arg);
}

// Flags that every program has. *ret_taken: how many arguments it was (0: not one of these).
static int built_in_flag(struct config *c, int at, int *ret_taken, struct error *why) {
    static const struct {
        const char *flag;
        const char *print;
    } plain[] = {{"--help", "help"},
                 {"-h", "help"},
                 {"--version", "version"},
                 {"--print-config", "values"},
                 {"--man", "man"}};
    const char *arg = flag_text(c, at);
    *ret_taken = 1;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(arg, plain[i].flag) != 0) continue;
        c->print = plain[i].print;
        return 0;
    }
    static const char *const valued[] = {"--config", "--completion"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(valued[i]);
        if (strncmp(arg, valued[i], n) != 0 || (arg[n] != 0 && arg[n] != '=')) continue;
        const char *value = arg[n] ? arg + n + 1 : at + 1 < c->argc ? c->argv[at + 1] : NULL;
        if (!value) return error_set(why, ERR_SYNTAX, "%s needs a value", valued[i]);
        *(i == 0 ? &c->file : &c->print) = value;
        *ret_taken = arg[n] ? 1 : 2;
        return 0;
    }
    *ret_taken = 0;
    return 0;
}

// A flag of type bool takes no argument of its own, so that a "true" after it was meant for it.
static int check_stray_bool(const struct config *c, int at, const char *flag, struct error *why) {
    const char *next = at + 1 < c->argc ? c->argv[at + 1] : "";
    if (strcmp(next, "true") != 0 && strcmp(next, "false") != 0) return 0;
    return error_set(why, ERR_SYNTAX, "--%s takes its value after an equals sign: --%s=%s", flag,
                     flag, next);
}

// --flag value, --flag=value, --bool, --no-bool. *ret_taken as above.
static int option_flag(struct config *c, int at, int *ret_taken, struct error *why) {
    const char *arg = flag_text(c, at);
    if (strncmp(arg, "--", 2) != 0) return unknown_flag(arg, why);
    const char *name = arg + 2;
    size_t n = strcspn(name, "=");
    const char *value = name[n] ? name + n + 1 : NULL;
    const struct config_option *o = find_flag(c, bytes_make(name, n));
    if (!o && strncmp(name, "no-", 3) == 0 && !value) {
        o = find_flag(c, bytes_make(name + 3, n - 3));
        if (o && o->type != CONFIG_TYPE_BOOL) o = NULL;
        value = "false";
    }
    if (!o) return unknown_flag(arg, why);
    *ret_taken = 1;
    if (!value && o->type == CONFIG_TYPE_BOOL) {
        int r = check_stray_bool(c, at, o->flag, why);
        if (r) return r;
        value = "true";
    }
    if (!value) {
        if (at + 1 >= c->argc) return error_set(why, ERR_SYNTAX, "--%s needs a value", o->flag);
        value = c->argv[at + 1];
        *ret_taken = 2;
    }
    uint8_t *source = &c->source[o - c->program->options];
    if (*source == CONFIG_FROM_FLAG)
        return error_set(why, ERR_CONFLICT, "--%s given twice", o->flag);
    *source = CONFIG_FROM_FLAG;
    int r = config_set_text(c, o, bytes_from_str(value), why);
    return r ? error_wrap(why, "--%s", o->flag), r : 0;
}

static int add_argument(struct config *c, const char *arg, struct error *why) {
    const struct config_program *p = c->program;
    if (p->verb_count && c->verb < 0) {
        for (size_t i = 0; i < p->verb_count; i++) {
            if (strcmp(arg, p->verbs[i].name) != 0) continue;
            c->verb = (int)i;
            if (!p->verbs[i].run || c->print) return 0;
            return error_set(why, ERR_SYNTAX,
                             "%s has flags of its own and comes first: "
                             "buildernet %s %s --help",
                             arg, p->name, arg);
        }
        return error_set(why, ERR_NOT_FOUND, "unknown verb %.100s (see --help)", arg);
    }
    size_t most = p->verb_count ? p->verbs[c->verb].max_arguments : p->max_arguments;
    if (c->arguments.count >= most) {
        return error_set(why, ERR_UNSUPPORTED, "unexpected argument %.100s", arg);
    }
    c->arguments.items[c->arguments.count++] = arg;
    return 0;
}

// No flag begins with a digit: "-250ms" is an argument.
static bool is_number(const char *text) {
    return *text >= '0' && *text <= '9';
}

static int read_flags(struct config *c, struct error *why) {
    bool flags = true;
    for (int i = 1; i < c->argc;) {
        const char *arg = c->argv[i];
        int taken = 1;
        int r = 0;
        if (flags && strcmp(arg, "--") == 0) {
            flags = false;
        } else if (flags && arg[0] == '-' && arg[1] && !is_number(arg + 1)) {
            r = built_in_flag(c, i, &taken, why);
            if (r == 0 && taken == 0) r = option_flag(c, i, &taken, why);
        } else {
            r = add_argument(c, arg, why);
        }
        if (r) return r;
        i += taken;
    }
    const struct config_program *p = c->program;
    if (c->print) return 0;
    if (p->verb_count && c->verb < 0 && !p->verb_optional) {
        return error_set(why, ERR_UNSUPPORTED, "no verb given (see --help)");
    }
    if (c->verb >= 0 && c->arguments.count < p->verbs[c->verb].min_arguments) {
        return error_set(why, ERR_UNSUPPORTED, "%s needs %s", p->verbs[c->verb].name,
                         p->verbs[c->verb].arguments);
    }
    return 0;
}

static int read_environment(struct config *c, struct error *why) {
    for (size_t i = 0; i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        char name[CONFIG_NAME_MAX];
        config_env_name(name, o);
        const char *value = name[0] ? getenv(name) : NULL;
        if (!value || c->source[i] > CONFIG_FROM_ENV) continue;
        c->source[i] = CONFIG_FROM_ENV;
        int r = config_set_text(c, o, bytes_from_str(value), why);
        if (r) return error_wrap(why, "%s", name), r;
    }
    return 0;
}

static int read_text(struct config *c, struct bytes *ret, struct error *why) {
    int fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return error_set_os(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", c->file);
    }
    uint8_t *p = arena_alloc_raw(&c->arena, CONFIG_FILE_MAX + 1);
    size_t n = 0;
    int r = p ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for the configuration");
    while (r == 0 && n <= CONFIG_FILE_MAX) {
        ssize_t got = read(fd, p + n, CONFIG_FILE_MAX + 1 - n);
        if (got == 0) break;
        if (got < 0 && errno != EINTR) r = error_set_os(why, ERR_IO, errno, "%s", c->file);
        if (got > 0) n += (size_t)got;
    }
    (void)close(fd);
    if (r == 0 && n > CONFIG_FILE_MAX) {
        r = error_set(why, ERR_LIMIT, "%s: larger than %u bytes", c->file, CONFIG_FILE_MAX);
    }
    *ret = (struct bytes){p, n};
    return r;
}

// True when an option owns the key, or its key lies below the table `path`.
static bool known_key(const struct config *c, const char *path, bool *ret_whole) {
    *ret_whole = false;
    size_t n = strlen(path);
    bool inside = false;
    for (size_t i = 0; i < c->program->option_count; i++) {
        char name[CONFIG_NAME_MAX];
        config_toml_name(name, &c->program->options[i]);
        if (strcmp(name, path) == 0) *ret_whole = true;
        if (strncmp(name, path, n) == 0 && name[n] == '.') inside = true;
    }
    return *ret_whole || inside;
}

static int check_unknown(const struct config *c, const struct toml *table, const char *prefix,
                         struct error *why) {
    toml_each(v, table) {
        char path[CONFIG_NAME_MAX];
        int n = snprintf(path, sizeof path, "%s%s%.*s", prefix, *prefix ? "." : "", (int)v->key.n,
                         (const char *)v->key.p);
        bool whole = false;
        bool fits = n > 0 && (size_t)n < sizeof path;
        if (!fits || !known_key(c, path, &whole)) {
            return toml_error(why, ERR_NOT_FOUND, v, "unknown key %s", path);
        }
        if (whole) continue;
        if (v->type != TOML_TABLE) return toml_error(why, ERR_INVALID, v, "%s is a table", path);
        int r = check_unknown(c, v, path, why);
        if (r) return r;
    }
    return 0;
}

static int apply_file(struct config *c, struct bytes text, struct error *why) {
    int r = toml_parse(&c->root, text, &c->arena, why);
    if (r == 0 && !c->program->ignore_unknown_keys) r = check_unknown(c, c->root, "", why);
    for (size_t i = 0; r == 0 && i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        char name[CONFIG_NAME_MAX];
        config_toml_name(name, o);
        const struct toml *v = name[0] ? toml_find(c->root, name) : NULL;
        if (!v) continue;
        if (c->source[i] > CONFIG_FROM_FILE) continue;
        c->source[i] = CONFIG_FROM_FILE;
        r = config_set_toml(c, o, v, why);
        if (r) (void)error_wrap(why, "%s", name);
    }
    return r;
}

static int read_file(struct config *c, struct error *why) {
    if (!c->file) c->file = getenv("BUILDERNET_CONFIG");
    if (!c->file && c->program->default_file && access(c->program->default_file, R_OK) == 0) {
        c->file = c->program->default_file;
    }
    if (!c->file) return 0;
    struct bytes text;
    int r = read_text(c, &text, why);
    if (r) return r;
    r = apply_file(c, text, why);
    return r ? error_wrap(why, "%s", c->file), r : 0;
}

static int set_defaults(struct config *c, struct error *why) {
    const struct config_program *p = c->program;
    if (p->option_count > CONFIG_OPTIONS_MAX) {
        return error_set(why, ERR_INTERNAL, "more than %d options", CONFIG_OPTIONS_MAX);
    }
    for (size_t i = 0; i < p->option_count; i++) {
        if (!p->options[i].value) continue;
        int r = config_set_text(c, &p->options[i], bytes_from_str(p->options[i].value), why);
        if (r) return error_wrap(why, "default of %s", p->options[i].flag), ERR_INTERNAL;
    }
    return 0;
}

static int check_required(const struct config *c, struct error *why) {
    for (size_t i = 0; i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        if (!o->required || c->source[i] != CONFIG_FROM_DEFAULT) continue;
        return error_set(why, ERR_NOT_FOUND, "--%s is needed: %s", o->flag, o->help);
    }
    return 0;
}

static int print(struct config *c, struct error *why) {
    if (strcmp(c->print, "help") == 0) {
        config_write_help(&c->output, c->program, c->verb);
    } else if (strcmp(c->print, "man") == 0) {
        config_write_man(&c->output, c->program);
    } else if (strcmp(c->print, "version") == 0) {
        buf_printf(&c->output, "buildernet %s %s\n", c->program->name, BUILDERNET_VERSION);
    } else if (strcmp(c->print, "values") == 0) {
        config_write_values(&c->output, c);
    } else {
        int r = config_write_completion(&c->output, c->program, c->print, why);
        if (r) return r;
    }
    return buf_check(&c->output, why);
}

static int load(struct config *c, struct error *why) {
    int r = set_defaults(c, why);
    if (r == 0) r = read_flags(c, why);
    if (r) return r;
    if (c->print && strcmp(c->print, "values") != 0) return print(c, why);
    r = read_environment(c, why);
    if (r == 0) r = read_file(c, why);
    if (r) return r;
    return c->print ? print(c, why) : check_required(c, why);
}

bool config_run_verb(int *ret_status, const struct config_program *p, int argc, char **argv) {
    const struct config_verb *v = NULL;
    for (size_t i = 0; argc > 1 && !v && i < p->verb_count; i++) {
        if (p->verbs[i].run && strcmp(argv[1], p->verbs[i].name) == 0) v = &p->verbs[i];
    }
    if (!v) return false;
    bool help = false;
    for (int i = 2; v->details && i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0) help = true;
    }
    if (!help) {
        *ret_status = v->run(argc, argv);
        return true;
    }
    struct buf out;
    buf_init(&out, 0);
    config_write_help(&out, p, (int)(v - p->verbs));
    *ret_status = !out.failed && fwrite(out.p, 1, out.n, stdout) == out.n ? 0 : 1;
    buf_free(&out);
    return true;
}

int config_load(struct config **ret, const struct config_program *p, void *values, int argc,
                char **argv, struct error *why) {
    *ret = NULL;
    memset(values, 0, p->values_bytes);
    struct config *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for the configuration");
    c->program = p;
    c->values = values;
    c->argc = argc;
    c->argv = argv;
    c->verb = -1;
    arena_init(&c->arena, 64u << 20);
    buf_init(&c->output, 1 << 20);
    c->arguments.items = arena_new_array(&c->arena, const char *, (size_t)argc + 1);
    // A secret is set at most twice: its default, and what outranks it.
    c->secret_files.items = arena_new_array(&c->arena, const char *, 2 * p->option_count + 1);
    int r = c->arguments.items && c->secret_files.items
                ? load(c, why)
                : error_set(why, ERR_NO_MEMORY, "no memory for the configuration");
    if (r == 0 && !c->output.n && p->check) r = p->check(values, why);
    if (r) {
        config_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

int config_main(const struct config_program *p, void *values, int argc, char **argv,
                int (*run)(struct config *c, void *values)) {
    struct config *c;
    struct error why;
    int status = 0;
    int r = config_load(&c, p, values, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet %s: %s\n", p->name, why.text);
        return error_class_of(r)->exit_status;
    }
    if (c->output.n) {
        (void)fwrite(c->output.p, 1, c->output.n, stdout);
    } else {
        status = run(c, values);
    }
    config_free(c);
    return status;
}

void config_moved(struct config *c, void *values) {
    c->values = values;
}

void config_free(struct config *c) {
    if (!c) return;
    for (size_t i = 0; i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        if (o->type != CONFIG_TYPE_SECRET) continue;
        struct secret s;
        memcpy(&s, c->values + o->offset, sizeof s);
        secret_free(&s);
        memcpy(c->values + o->offset, &s, sizeof s);
    }
    config_free(c->in_force);
    free(c->own_values);
    buf_free(&c->output);
    arena_free(&c->arena);
    free(c);
}

void config_took(struct config *started, struct config *fresh) {
    fresh->own_values = malloc(fresh->program->values_bytes);
    if (!fresh->own_values) {
        config_free(fresh);
        return;
    }
    memcpy(fresh->own_values, fresh->values, fresh->program->values_bytes);
    config_moved(fresh, fresh->own_values);
    config_free(started->in_force);
    started->in_force = fresh;
}

static bool same_value(const struct config_option *o, const uint8_t *a, const uint8_t *b,
                       struct buf *text_a, struct buf *text_b) {
    buf_clear(text_a);
    buf_clear(text_b);
    if (o->type == CONFIG_TYPE_SECRET) {
        struct secret x, y;
        memcpy(&x, a + o->offset, sizeof x);
        memcpy(&y, b + o->offset, sizeof y);
        if (secret_equal(&x, secret_view(&y))) return true;
    }
    config_append_value(text_a, o, a);
    config_append_value(text_b, o, b);
    return o->type != CONFIG_TYPE_SECRET && bytes_equal(buf_view(text_a), buf_view(text_b));
}

// One line for each value that is another than before.
static void report_changes(struct buf *changes, const struct config *old, const uint8_t *values) {
    struct buf a, b;
    const uint8_t *in_force = old->in_force ? old->in_force->values : old->values;
    buf_init(&a, 0);
    buf_init(&b, 0);
    for (size_t i = 0; i < old->program->option_count; i++) {
        const struct config_option *o = &old->program->options[i];
        if (same_value(o, o->restart ? old->values : in_force, values, &a, &b)) continue;
        buf_printf(changes, "%s: %.*s -> %.*s%s\n", o->flag, (int)a.n, (const char *)a.p, (int)b.n,
                   (const char *)b.p, o->restart ? " (needs a restart)" : "");
    }
    buf_free(&a);
    buf_free(&b);
}

int config_reload(struct config **ret, const struct config *old, void *values, struct buf *changes,
                  struct error *why) {
    int r = config_load(ret, old->program, values, old->argc, old->argv, why);
    if (r) return r;
    if (changes) report_changes(changes, old, values);
    for (size_t i = 0; i < old->program->option_count && r == 0; i++) {
        const struct config_option *o = &old->program->options[i];
        if (o->restart) r = config_keep_value(*ret, o, old->values, why);
    }
    if (r == 0) return 0;
    config_free(*ret);
    *ret = NULL;
    return r;
}

struct bytes config_output(const struct config *c) {
    return buf_view(&c->output);
}
int config_verb_index(const struct config *c) {
    return c->verb;
}
struct config_list config_arguments(const struct config *c) {
    return c->arguments;
}
struct config_list config_secret_files(const struct config *c) {
    return c->secret_files;
}
const char *config_file(const struct config *c) {
    return c->file;
}
const struct toml *config_toml(const struct config *c) {
    return c->root;
}
enum config_source config_source_of(const struct config *c, size_t option) {
    return option < c->program->option_count ? (enum config_source)c->source[option]
                                             : CONFIG_FROM_DEFAULT;
}
