/* Schema: which variables a node's configuration has, and of what type each is.
 *
 * A TOML file beside the templates:
 *
 *     [variables]
 *     instance_name = {type = "name"}
 *     "builder.relay_secret_key" = {type = "key", secret = true}
 *     "builder.extra_data" = {type = "text", default = "BuilderNet", max = 32}
 *     "orderflow.api_keys" = {type = "list", required = false}
 *     "orderflow.api_keys[].name" = {type = "name"}
 *
 * Keys are dotted paths into the document; "[]" stands for any element of a list. Templates may use
 * only variables that stand here, and a document must hold every required one in its type: so a
 * misspelt name or a wrong value is found before any file is touched. Members of the document that
 * are not listed are reported, not refused; those that begin with "__" are notes.
 *
 * Pure. Thread: any. SPDX-License-Identifier: MIT */
#ifndef BOOT_SCHEMA_H
#define BOOT_SCHEMA_H

#include "base/arena.h"
#include "base/error.h"
#include "json/json.h"

#define SCHEMA_VARIABLES_MAX 1024
#define SCHEMA_KEY_BYTES_MAX 256

enum variable_type {
    VARIABLE_TEXT,     /* any string; max: bytes */
    VARIABLE_NAME,     /* letters, digits, '.', '_', '-' */
    VARIABLE_NUMBER,   /* not negative; a JSON number or a string of digits; min, max */
    VARIABLE_BOOL,     /* true, false, or these words as strings */
    VARIABLE_ADDRESS,  /* "0x" and 40 hex digits */
    VARIABLE_HASH,     /* "0x" and 64 hex digits */
    VARIABLE_KEY,      /* 64 hex digits with or without "0x": a private key */
    VARIABLE_ENDPOINT, /* HOST:PORT, [V6]:PORT, unix:/PATH */
    VARIABLE_URL,
    VARIABLE_LIST,
    VARIABLE_OBJECT, /* only tested for and opened by sections */
    VARIABLE_TYPES
};

struct variable {
    struct bytes key;
    enum variable_type type;
    bool required, secret, has_default, has_max;
    struct bytes fallback; /* the default, as text */
    uint64_t min, max;
    struct bytes *choices;
    size_t choice_count;
};

struct schema {
    struct variable *variables; /* sorted by key */
    size_t count;
};

const char *variable_type_name(enum variable_type type);

/* schema_parse reads a schema; everything lies in `a`, names in errors are of the TOML text.
 * errors  ERR_SYNTAX, ERR_INVALID (a type, a member), ERR_CONFLICT, ERR_LIMIT. */
[[gnu::warn_unused_result]] int schema_parse(struct schema *ret, struct bytes toml, struct arena *a,
                                             struct error *why);

/* schema_find gives the variable of a key, or NULL. */
const struct variable *schema_find(const struct schema *s, struct bytes key);

/* variable_check tests one value. errors  ERR_INVALID (another type), ERR_RANGE, ERR_SYNTAX; the
 * text names the key, never the value. */
[[gnu::warn_unused_result]] int variable_check(const struct variable *v, const struct json *value,
                                               struct error *why);

/* schema_check tests a whole document (values.h).
 * unknown  called for each member that the schema does not list; NULL: not wanted.
 * errors   ERR_NOT_FOUND (a required variable is missing) and those of variable_check. */
[[gnu::warn_unused_result]] int schema_check(const struct schema *s, const struct json *document,
                                             void (*unknown)(void *context, struct bytes key),
                                             void *context, struct error *why);

#endif
