/* SPDX-License-Identifier: MIT */
#include "hub/state_file.h"

#include "base/file.h"
#include "toml/toml.h"
#include "json/json.h"
#include "json/write.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

/* ---- TOML ---- */

static void put_toml(struct json_writer *w, const struct toml *v) {
    struct buf text;
    switch (v->type) {
    case TOML_STRING:
        json_add_text(w, NULL, v->string);
        break;
    case TOML_INTEGER:
        json_add_i64(w, NULL, v->integer);
        break;
    case TOML_FLOAT:
        json_add_double(w, NULL, v->number);
        break;
    case TOML_BOOL:
        json_add_bool(w, NULL, v->boolean);
        break;
    case TOML_TIME:
        buf_init(&text, 0);
        toml_write(&text, v);
        json_add_text(w, NULL, buf_view(&text));
        buf_free(&text);
        break;
    case TOML_ARRAY:
        json_begin_array(w, NULL);
        toml_each(item, v) {
            put_toml(w, item);
        }
        json_end(w);
        break;
    case TOML_TABLE:
        json_begin_object(w, NULL);
        toml_each(item, v) {
            json_add_key(w, item->key);
            put_toml(w, item);
        }
        json_end(w);
        break;
    }
}

static int convert_toml(struct json_writer *w, struct bytes text, struct error *why) {
    struct arena a;
    const struct toml *root;
    arena_init(&a, 8u * STATE_FILE_BYTES_MAX);
    int r = toml_parse(&root, text, &a, why);
    if (r == 0) put_toml(w, root);
    if (r == ERR_CONFLICT) r = why->code = ERR_SYNTAX; // of the file, not with what is there
    arena_free(&a);
    return r;
}

/* ---- YAML ---- */

struct yaml_walk {
    yaml_document_t *document;
    struct json_writer *w;
    struct error *why;
};

static int yaml_refused(struct error *why, const yaml_node_t *n, const char *what) {
    return error_set(why, ERR_INVALID, "line %zu, column %zu: %s", n->start_mark.line + 1,
                     n->start_mark.column + 1, what);
}

static bool is_one_of(struct bytes s, const char *const *words) {
    for (; *words; words++) {
        if (bytes_equal_str(s, *words)) return true;
    }
    return false;
}

// A number of the core schema that JSON writes alike; others (0x, .inf) stay text.
static bool is_number(struct bytes s) {
    struct arena a;
    const struct json *v;
    arena_init(&a, 1u << 16);
    bool number = json_parse(&v, s, &a, NULL, NULL) == 0 && v->type == JSON_NUMBER;
    arena_free(&a);
    return number;
}

static void put_scalar(struct json_writer *w, const yaml_node_t *n) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    struct bytes s = bytes_make(n->data.scalar.value, n->data.scalar.length);
    bool plain = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && is_one_of(s, nulls))
        json_add_null(w, NULL);
    else if (plain && (is_one_of(s, yes) || is_one_of(s, no)))
        json_add_bool(w, NULL, is_one_of(s, yes));
    else if (plain && is_number(s))
        json_add_raw(w, NULL, s);
    else
        json_add_text(w, NULL, s);
}

static int put_yaml(struct yaml_walk *y, int index, unsigned depth);

static int put_mapping(struct yaml_walk *y, const yaml_node_t *n, unsigned depth) {
    json_begin_object(y->w, NULL);
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(y->document, p->key);
        if (!key || key->type != YAML_SCALAR_NODE)
            return yaml_refused(y->why, n, "a key is a text");
        struct bytes name = bytes_make(key->data.scalar.value, key->data.scalar.length);
        if (bytes_equal_str(name, "<<"))
            return yaml_refused(y->why, key, "merge keys are not read");
        json_add_key(y->w, name);
        int r = put_yaml(y, p->value, depth + 1);
        if (r != 0) return r;
    }
    json_end(y->w);
    return 0;
}

static int put_yaml(struct yaml_walk *y, int index, unsigned depth) {
    const yaml_node_t *n = yaml_document_get_node(y->document, index);
    if (!n || depth > STATE_FILE_DEPTH_MAX) {
        return error_set(y->why, ERR_LIMIT, "nested deeper than %d", STATE_FILE_DEPTH_MAX);
    }
    switch (n->type) {
    case YAML_SCALAR_NODE:
        put_scalar(y->w, n);
        return 0;
    case YAML_MAPPING_NODE:
        return put_mapping(y, n, depth);
    case YAML_SEQUENCE_NODE:
        json_begin_array(y->w, NULL);
        for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
             i++) {
            int r = put_yaml(y, *i, depth + 1);
            if (r != 0) return r;
        }
        json_end(y->w);
        return 0;
    default:
        return yaml_refused(y->why, n, "nothing that can be read");
    }
}

// Aliases could make a small file a huge document, and of several documents one would be read.
static int check_events(struct bytes text, struct error *why) {
    yaml_parser_t parser;
    yaml_event_t event;
    unsigned documents = 0;
    int r = 0;
    bool more = true;
    if (!yaml_parser_initialize(&parser))
        return error_set(why, ERR_NO_MEMORY, "no memory for YAML");
    yaml_parser_set_input_string(&parser, text.p, text.n);
    while (more && r == 0 && yaml_parser_parse(&parser, &event)) {
        more = event.type != YAML_STREAM_END_EVENT;
        if (event.type == YAML_ALIAS_EVENT) {
            r = error_set(why, ERR_INVALID, "line %zu: aliases are not read",
                          event.start_mark.line + 1);
        }
        if (event.type == YAML_DOCUMENT_START_EVENT && documents++ > 0) {
            r = error_set(why, ERR_INVALID, "line %zu: a second document",
                          event.start_mark.line + 1);
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

static int convert_yaml(struct json_writer *w, struct bytes text, struct error *why) {
    yaml_parser_t parser;
    yaml_document_t document;
    int r = check_events(text, why);
    if (r != 0) return r;
    if (!yaml_parser_initialize(&parser))
        return error_set(why, ERR_NO_MEMORY, "no memory for YAML");
    yaml_parser_set_input_string(&parser, text.p, text.n);
    if (!yaml_parser_load(&parser, &document)) {
        r = error_set(why, ERR_SYNTAX, "line %zu, column %zu: %s", parser.problem_mark.line + 1,
                      parser.problem_mark.column + 1, parser.problem ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return r;
    }
    struct yaml_walk y = {&document, w, why};
    if (yaml_document_get_root_node(&document))
        r = put_yaml(&y, 1, 0);
    else
        json_add_null(w, NULL);
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return r;
}

/* ---- all ---- */

enum state_file_kind state_file_kind(const char *name) {
    const char *dot = strrchr(name, '.');
    if (dot && strcmp(dot, ".toml") == 0) return STATE_FILE_TOML;
    if (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0)) return STATE_FILE_YAML;
    return STATE_FILE_JSON;
}

static int check_json(struct bytes text, struct error *why) {
    static const struct json_limits limits = {STATE_FILE_BYTES_MAX, STATE_FILE_DEPTH_MAX, 1u << 20,
                                              false};
    struct arena a;
    const struct json *doc;
    arena_init(&a, 16u * STATE_FILE_BYTES_MAX);
    int r = json_parse(&doc, text, &a, &limits, why);
    arena_free(&a);
    return r;
}

int state_file_convert(struct buf *out, enum state_file_kind kind, struct bytes text,
                       struct error *why) {
    struct json_writer w;
    int r = 0;
    size_t from = out->n;
    json_writer_init(&w, out, 0);
    if (kind == STATE_FILE_TOML)
        r = convert_toml(&w, text, why);
    else if (kind == STATE_FILE_YAML)
        r = convert_yaml(&w, text, why);
    else
        buf_append(out, text);
    if (r == 0) r = buf_check(out, why);
    // Whatever came in: one document without equal keys.
    return r == 0 ? check_json(bytes_slice(buf_view(out), from, out->n), why) : r;
}

static int read_input(struct buf *out, struct error *why) {
    for (;;) {
        uint8_t *p = buf_reserve(out, 65536);
        if (!p) return buf_check(out, why);
        ssize_t n = read(STDIN_FILENO, p, 65536);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_os(why, ERR_IO, errno, "standard input");
        if (n == 0) return 0;
        buf_commit(out, (size_t)n);
    }
}

int state_file_read(struct buf *out, const char *path, struct error *why) {
    struct buf text;
    buf_init(&text, STATE_FILE_BYTES_MAX);
    bool input = strcmp(path, "-") == 0;
    int r = input ? read_input(&text, why) : file_read(&text, path, why);
    if (r == 0) {
        r = state_file_convert(out, state_file_kind(path), buf_view(&text), why);
        if (r != 0) r = error_wrap(why, "%s", input ? "standard input" : path);
    }
    buf_free(&text);
    return r;
}
