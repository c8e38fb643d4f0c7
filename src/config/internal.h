/* Shared by the files of config. SPDX-License-Identifier: MIT */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/config.h"

struct config {
    const struct config_program *program;
    uint8_t *values;
    int argc;
    char **argv;
    struct arena arena;
    const struct toml *root;
    const char *file;
    int verb;
    struct config_list arguments;
    struct config_list secret_files;
    struct buf output;
    const char *print; /* "help", "version", "values", "man", or a shell's name; NULL */
    uint8_t source[CONFIG_OPTIONS_MAX];
    struct config *in_force; /* the last that config_took; NULL: this one */
    uint8_t *own_values;     /* a copy that belongs to this one; NULL: the caller's */
};

/* config_set_text / config_set_toml convert one value and store it at its offset. */
int config_set_text(struct config *c, const struct config_option *o, struct bytes text,
                    struct error *why);
int config_set_toml(struct config *c, const struct config_option *o, const struct toml *v,
                    struct error *why);

/* config_keep_value stores the value that `old` holds. A table stays as it was read. */
int config_keep_value(struct config *c, const struct config_option *o, const uint8_t *old,
                      struct error *why);

/* config_append_value prints a stored value as TOML. */
void config_append_value(struct buf *out, const struct config_option *o, const uint8_t *values);

/* Derived names; "" when there is none. */
#define CONFIG_NAME_MAX 128
void config_env_name(char ret[CONFIG_NAME_MAX], const struct config_option *o);
void config_toml_name(char ret[CONFIG_NAME_MAX], const struct config_option *o);
const char *config_hint(const struct config_option *o);

#endif
