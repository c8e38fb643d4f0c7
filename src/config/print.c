/* SPDX-License-Identifier: MIT */
#include "config/internal.h"

#include <stdio.h>
#include <string.h>

static bool has_flag(const struct config_option *o) {
    return !o->file_only && o->type != CONFIG_TYPE_TABLE;
}

static const char built_in[][3][64] = {
    {"config", "FILE", "Read this TOML file (BUILDERNET_CONFIG)."},
    {"print-config", "", "Print the values in force as a TOML file."},
    {"completion", "SHELL", "Print bash, zsh or fish completions; see `buildernet --help`."},
    {"man", "", "Print the manual page."},
    {"version", "", "Print the version."},
    {"help", "", "Print this text."},
};
#define BUILT_IN_COUNT (sizeof built_in / sizeof built_in[0])

// Without settings there is nothing to read from a file or to print.
static size_t first_built_in(const struct config_program *p) {
    return p->option_count ? 0 : 2;
}

const char *config_hint(const struct config_option *o) {
    static const char *const hints[] = {
        "TEXT",    "PATH",          "HOST:PORT",      "URL", "N", "", "TIME", "SIZE", "CHOICE",
        "A,B,...", "HOST:PORT,...", "TEXT|file:PATH", ""};
    if (o->hint) return o->hint;
    return o->choices ? o->choices : hints[o->type];
}

static void append_padded(struct buf *out, const char *name, const char *hint, const char *help) {
    size_t start = out->n;
    buf_printf(out, "  --%s%s%s", name, *hint ? " " : "", hint);
    size_t width = out->n - start;
    if (width > 30) {
        buf_append_str(out, "\n");
        width = 0;
    }
    buf_append_fill(out, ' ', 32 - width);
    buf_append_str(out, help);
}

static void append_usage(struct buf *out, const struct config_program *p, int verb) {
    buf_printf(out, "buildernet %s", p->name);
    if (verb >= 0) {
        const struct config_verb *v = &p->verbs[verb];
        buf_printf(out, " %s%s%s%s", v->name, v->details ? "" : " [FLAGS]", v->arguments ? " " : "",
                   v->arguments ? v->arguments : "");
        return;
    }
    if (p->verb_count) buf_append_str(out, p->verb_optional ? " [VERB]" : " VERB");
    buf_append_str(out, " [FLAGS]");
    if (p->max_arguments || p->verb_count) buf_append_str(out, " [ARGUMENTS]");
}

static void append_sources(struct buf *out, const struct config_option *o) {
    char env[CONFIG_NAME_MAX], toml[CONFIG_NAME_MAX];
    config_env_name(env, o);
    config_toml_name(toml, o);
    const char *between = "";
    if (o->value) {
        buf_printf(out, "default %s", *o->value ? o->value : "empty");
        between = "; ";
    }
    if (env[0]) {
        buf_printf(out, "%s%s", between, env);
        between = "; ";
    }
    if (toml[0]) buf_printf(out, "%s%s", between, toml);
}

static void append_verb(struct buf *out, const struct config_verb *v) {
    buf_printf(out, "  %s%s%s\n        %s\n", v->name, v->arguments ? " " : "",
               v->arguments ? v->arguments : "", v->help);
}

static void append_option(struct buf *out, const struct config_option *o) {
    if (has_flag(o)) {
        append_padded(out, o->flag, config_hint(o), o->help);
    } else {
        buf_printf(out, "  (file only)                   %s", o->help);
    }
    buf_append_str(out, "\n");
    buf_append_fill(out, ' ', 34);
    buf_append_str(out, o->required ? "[required; " : "[");
    append_sources(out, o);
    buf_append_str(out, "]\n");
}

void config_write_help(struct buf *out, const struct config_program *p, int verb) {
    const struct config_verb *own = verb >= 0 ? &p->verbs[verb] : NULL;
    buf_append_str(out, "Usage: ");
    append_usage(out, p, verb);
    buf_printf(out, "\n\n%s\n", own ? own->help : p->summary);
    if (own && own->details) {
        buf_printf(out, "\n%s", own->details);
        return;
    }
    if (!own && p->details) buf_printf(out, "\n%s\n", p->details);
    if (!own && p->verb_count) buf_append_str(out, "\nVerbs:\n");
    bool more = false; // some verb has flags of its own
    for (size_t i = 0; !own && p->verbs && i < p->verb_count; i++) {
        append_verb(out, &p->verbs[i]);
        more = more || p->verbs[i].run;
    }
    if (more) {
        buf_printf(out, "`buildernet %s VERB --help` tells a verb's own flags.\n", p->name);
    }
    buf_append_str(out, p->option_count ? "\nFlags (also environment names and keys of the file):\n"
                                        : "\nFlags:\n");
    for (size_t i = 0; i < p->option_count; i++) {
        append_option(out, &p->options[i]);
    }
    for (size_t i = first_built_in(p); i < BUILT_IN_COUNT; i++) {
        append_padded(out, built_in[i][0], built_in[i][1], built_in[i][2]);
        buf_append_str(out, "\n");
    }
}

// Text of a manual page: a backslash, and a dot or quote at the start of a line, mean something to
// roff; a hyphen must not become a typographic one.
static void append_roff(struct buf *out, const char *s) {
    bool line_start = true;
    for (; *s; s++) {
        if (line_start && (*s == '.' || *s == '\'')) buf_append_str(out, "\\&");
        if (*s == '\\') {
            buf_append_str(out, "\\e");
        } else if (*s == '-') {
            buf_append_str(out, "\\-");
        } else {
            buf_append_byte(out, (uint8_t)*s);
        }
        line_start = *s == '\n';
    }
}

static void append_roff_flag(struct buf *out, const char *flag, const char *hint,
                             const char *help) {
    buf_append_str(out, ".TP\n\\fB\\-\\-");
    append_roff(out, flag);
    buf_append_str(out, "\\fR");
    if (*hint) {
        buf_append_str(out, " \\fI");
        append_roff(out, hint);
        buf_append_str(out, "\\fR");
    }
    buf_append_str(out, "\n");
    append_roff(out, help);
    buf_append_str(out, "\n");
}

static void append_roff_options(struct buf *out, const struct config_program *p) {
    buf_append_str(out, ".SH OPTIONS\nA flag wins over the environment, the environment over the "
                        "file, the file over the default.\n");
    struct buf sources;
    buf_init(&sources, 0);
    for (size_t i = 0; i < p->option_count; i++) {
        const struct config_option *o = &p->options[i];
        append_roff_flag(out, o->flag, config_hint(o), o->help);
        buf_clear(&sources);
        append_sources(&sources, o);
        buf_append_byte(&sources, 0);
        buf_append_str(out, ".br\n[");
        append_roff(out, sources.failed ? "" : (const char *)sources.p);
        buf_append_str(out, "]\n");
    }
    buf_free(&sources);
    for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
        append_roff_flag(out, built_in[i][0], built_in[i][1], built_in[i][2]);
    }
}

void config_write_man(struct buf *out, const struct config_program *p) {
    buf_append_str(out, ".TH \"BUILDERNET\\-");
    append_roff(out, p->name);
    buf_printf(out, "\" 8 \"\" \"buildernet %s\"\n.SH NAME\nbuildernet\\-", BUILDERNET_VERSION);
    append_roff(out, p->name);
    buf_append_str(out, " \\- ");
    append_roff(out, p->summary);
    buf_append_str(out, "\n.SH SYNOPSIS\n.B ");
    append_usage(out, p, -1);
    buf_append_str(out, "\n");
    if (p->details) {
        buf_append_str(out, ".SH DESCRIPTION\n");
        append_roff(out, p->details);
        buf_append_str(out, "\n");
    }
    if (p->verb_count) buf_append_str(out, ".SH VERBS\n");
    for (size_t i = 0; i < p->verb_count; i++) {
        const struct config_verb *v = &p->verbs[i];
        buf_append_str(out, ".TP\n\\fB");
        append_roff(out, v->name);
        buf_append_str(out, "\\fR ");
        append_roff(out, v->arguments ? v->arguments : "");
        buf_append_str(out, "\n");
        append_roff(out, v->help);
        buf_append_str(out, "\n");
        if (!v->details) continue;
        buf_append_str(out, ".nf\n");
        append_roff(out, v->details);
        buf_append_str(out, ".fi\n");
    }
    if (p->option_count) append_roff_options(out, p);
}

static void bash_completion(struct buf *out, const struct config_program *p) {
    buf_append_str(out, "case \"$prev\" in\n");
    for (size_t i = 0; i < p->option_count; i++) {
        const struct config_option *o = &p->options[i];
        if (!has_flag(o)) continue;
        if (o->type == CONFIG_TYPE_ENUM) {
            buf_printf(out, "    --%s) COMPREPLY=($(compgen -W '", o->flag);
            for (const char *c = o->choices; *c; c++) {
                buf_append_byte(out, *c == '|' ? ' ' : (uint8_t)*c);
            }
            buf_append_str(out, "' -- \"$cur\")); return ;;\n");
        } else if (o->type == CONFIG_TYPE_PATH) {
            buf_printf(out, "    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                       o->flag);
        }
    }
    buf_append_str(out, "    --config) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                        "    --completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")); "
                        "return ;;\n    esac\n    COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < p->verb_count; i++) {
        buf_printf(out, "%s ", p->verbs[i].name);
    }
    for (size_t i = 0; i < p->option_count; i++) {
        if (has_flag(&p->options[i])) buf_printf(out, "--%s ", p->options[i].flag);
    }
    for (size_t i = first_built_in(p); i < BUILT_IN_COUNT; i++) {
        buf_printf(out, "--%s ", built_in[i][0]);
    }
    buf_append_str(out, "' -- \"$cur\"))\n");
}

// A function name may not hold '-'.
static void append_identifier(struct buf *out, const char *name) {
    for (; *name; name++) {
        buf_append_byte(out, *name == '-' ? '_' : (uint8_t)*name);
    }
}

// Help inside single quotes.
static void append_shell_text(struct buf *out, const char *s) {
    for (; *s; s++) {
        if (*s == '\'') {
            buf_append_str(out, "'\\''");
        } else {
            buf_append_byte(out, *s == '[' || *s == ']' || *s == ':' ? ' ' : (uint8_t)*s);
        }
    }
}

static void zsh_flag(struct buf *out, const char *flag, const char *hint, const char *help,
                     const char *action) {
    buf_printf(out, "    '--%s%s[", flag, *hint ? "=" : "");
    append_shell_text(out, help);
    buf_append_str(out, "]");
    if (*hint) buf_printf(out, ":value:%s", action);
    buf_append_str(out, "' \\\n");
}

static void zsh_completion(struct buf *out, const struct config_program *p) {
    buf_append_str(out, "_arguments \\\n");
    for (size_t i = 0; i < p->option_count; i++) {
        const struct config_option *o = &p->options[i];
        if (!has_flag(o)) continue;
        struct buf action;
        buf_init(&action, 0);
        if (o->type == CONFIG_TYPE_PATH) buf_append_str(&action, "_files");
        if (o->type == CONFIG_TYPE_ENUM) {
            buf_append_byte(&action, '(');
            for (const char *c = o->choices; *c; c++) {
                buf_append_byte(&action, *c == '|' ? ' ' : (uint8_t)*c);
            }
            buf_append_byte(&action, ')');
        }
        buf_append_byte(&action, 0);
        zsh_flag(out, o->flag, config_hint(o), o->help, action.failed ? "" : (char *)action.p);
        buf_free(&action);
    }
    for (size_t i = first_built_in(p); i < BUILT_IN_COUNT; i++) {
        zsh_flag(out, built_in[i][0], built_in[i][1], built_in[i][2], i == 0 ? "_files" : "");
    }
    buf_append_str(out, "    '1:verb:(");
    for (size_t i = 0; i < p->verb_count; i++) {
        buf_printf(out, "%s%s", i ? " " : "", p->verbs[i].name);
    }
    buf_append_str(out, ")'\n");
}

static void fish_flag(struct buf *out, const struct config_program *p, const char *flag,
                      const char *extra, const char *help) {
    buf_printf(out, "complete -c buildernet -n '__fish_seen_subcommand_from %s' -l %s%s -d '",
               p->name, flag, extra);
    append_shell_text(out, help);
    buf_append_str(out, "'\n");
}

static void fish_completion(struct buf *out, const struct config_program *p) {
    for (size_t i = 0; i < p->option_count; i++) {
        const struct config_option *o = &p->options[i];
        if (!has_flag(o)) continue;
        char extra[CONFIG_NAME_MAX + 16] = "";
        if (o->type == CONFIG_TYPE_PATH) {
            (void)snprintf(extra, sizeof extra, " -r");
        } else if (o->type == CONFIG_TYPE_ENUM) {
            (void)snprintf(extra, sizeof extra, " -x -a '%s'", o->choices);
            for (char *bar = strchr(extra, '|'); bar; bar = strchr(bar, '|')) {
                *bar = ' ';
            }
        } else if (o->type != CONFIG_TYPE_BOOL) {
            (void)snprintf(extra, sizeof extra, " -x");
        }
        fish_flag(out, p, o->flag, extra, o->help);
    }
    for (size_t i = first_built_in(p); i < BUILT_IN_COUNT; i++) {
        fish_flag(out, p, built_in[i][0], built_in[i][1][0] ? " -r" : "", built_in[i][2]);
    }
    for (size_t i = 0; i < p->verb_count; i++) {
        buf_printf(out, "complete -c buildernet -n '__fish_seen_subcommand_from %s' -f -a %s -d '",
                   p->name, p->verbs[i].name);
        append_shell_text(out, p->verbs[i].help);
        buf_append_str(out, "'\n");
    }
}

int config_write_completion(struct buf *out, const struct config_program *p, const char *shell,
                            struct error *why) {
    if (strcmp(shell, "fish") == 0) {
        fish_completion(out, p);
        return 0;
    }
    bool bash = strcmp(shell, "bash") == 0;
    if (!bash && strcmp(shell, "zsh") != 0) {
        return error_set(why, ERR_SYNTAX, "--completion: is one of bash, zsh, fish");
    }
    buf_append_str(out, "_buildernet_");
    append_identifier(out, p->name);
    buf_append_str(out, "() {\n    ");
    if (bash) {
        buf_append_str(out, "local cur=\"${COMP_WORDS[COMP_CWORD]}\" "
                            "prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n    ");
        bash_completion(out, p);
    } else {
        zsh_completion(out, p);
    }
    buf_append_str(out, "}\n");
    return 0;
}

static bool is_hidden(const struct config_option *o, struct bytes key) {
    for (const char *name = o->hidden; name && *name;) {
        size_t n = strcspn(name, "|");
        if (bytes_equal(key, bytes_make(name, n))) return true;
        name += name[n] ? n + 1 : n;
    }
    return false;
}

// A table without its hidden members.
static void append_shown(struct buf *out, const struct config_option *o, const struct toml *entry) {
    const char *comma = "";
    buf_append_byte(out, '{');
    toml_each(item, entry) {
        if (is_hidden(o, item->key)) continue;
        buf_append_str(out, comma);
        toml_write_key(out, item->key);
        buf_append_str(out, " = ");
        toml_write(out, item);
        comma = ", ";
    }
    buf_append_byte(out, '}');
}

static void append_entry(struct buf *out, const struct config_option *o, const struct toml *entry,
                         const char *behind) {
    const char *word = strchr(behind, '#') ? ", without " : " # without ";
    if (entry->type != TOML_TABLE) {
        toml_write(out, entry);
        buf_printf(out, "%s\n", behind);
        return;
    }
    append_shown(out, o, entry);
    buf_append_str(out, behind);
    toml_each(item, entry) {
        if (!is_hidden(o, item->key)) continue;
        buf_append_str(out, word);
        toml_write_key(out, item->key);
        word = ", ";
    }
    buf_append_byte(out, '\n');
}

// An entry a line, so that those of a long table can be found.
static void append_table(struct buf *out, const char *name, const struct config_option *o,
                         const void *values) {
    const struct toml *table;
    memcpy(&table, (const char *)values + o->offset, sizeof table);
    if (!table) return;
    bool list = table->type == TOML_ARRAY;
    if (list) buf_printf(out, "%s = [ # file\n", name);
    toml_each(entry, table) {
        if (list) {
            buf_append_str(out, "    ");
        } else {
            buf_printf(out, "%s.", name);
            toml_write_key(out, entry->key);
            buf_append_str(out, " = ");
        }
        append_entry(out, o, entry, list ? "," : " # file");
    }
    if (list) buf_append_str(out, "]\n");
}

void config_write_values(struct buf *out, const struct config *c) {
    static const char *const sources[] = {"default", "file", "environment", "flag"};
    if (c->file) buf_printf(out, "# file: %s\n", c->file);
    for (size_t i = 0; i < c->program->option_count; i++) {
        const struct config_option *o = &c->program->options[i];
        char name[CONFIG_NAME_MAX];
        config_toml_name(name, o);
        if (!name[0]) continue;
        if (o->type == CONFIG_TYPE_TABLE) {
            append_table(out, name, o, c->values);
            continue;
        }
        // Dotted keys, so that the order of the table does not matter. A masked secret is a
        // comment: read back it would become the secret.
        buf_printf(out, "%s%s = ", o->type == CONFIG_TYPE_SECRET ? "# " : "", name);
        config_append_value(out, o, c->values);
        buf_printf(out, " # %s\n", sources[c->source[i]]);
    }
}
