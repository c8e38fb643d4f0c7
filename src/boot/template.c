/* SPDX-License-Identifier: MIT */
#include "boot/template.h"

#include "json/write.h"

#include <stdio.h>

enum node_kind { NODE_TEXT, NODE_VALUE, NODE_RAW, NODE_SECTION, NODE_INVERTED };

struct template_node {
    enum node_kind kind;
    uint32_t line;
    uint32_t end;      // sections: index of the first node behind it
    uint32_t up;       // names: how many sections outward the name is looked up
    struct bytes text; // NODE_TEXT: the text; else the name as written
    const struct variable *variable;
    bool opens; // sections: pushes a scope (lists and objects)
};

// Reading

struct scope {
    uint32_t node;
    struct bytes path; // of the values inside: "a.b", "a.b[]"; empty: the document
};

struct reader {
    const struct schema *schema;
    struct template *t;
    struct arena *arena;
    struct template_node *nodes;
    size_t count, capacity;
    struct bytes open, close; // delimiters
    struct bytes in;
    size_t at;
    uint32_t line;
    struct scope scopes[TEMPLATE_DEPTH_MAX + 1];
    unsigned depth; // scopes[depth] is the innermost; 0: the document
    uint32_t sections[TEMPLATE_DEPTH_MAX];
    unsigned section_depth;
};

[[gnu::format(printf, 4, 5)]] static int complain(const struct reader *r, struct error *why,
                                                  enum err code, const char *text, ...) {
    char message[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(message, sizeof message, text, args);
    va_end(args);
    return error_set(why, code, "%s, line %u: %s", r->t->name, r->line, message);
}

#define SHOWN(b) (int)((b).n < 80 ? (b).n : 80), (const char *)(b).p

static int add(struct reader *r, enum node_kind kind, struct bytes text, struct error *why) {
    if (kind == NODE_TEXT && text.n == 0) return 0;
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        struct template_node *more = r->count < TEMPLATE_NODES_MAX
                                         ? arena_new_array(r->arena, struct template_node, capacity)
                                         : NULL;
        if (!more) return complain(r, why, ERR_LIMIT, "the template is too large");
        if (r->count) memcpy(more, r->nodes, r->count * sizeof *more);
        r->nodes = more;
        r->capacity = capacity;
    }
    r->nodes[r->count++] = (struct template_node){.kind = kind, .line = r->line, .text = text};
    return 0;
}

// Finds the variable that a name stands for: the innermost scope in which the schema lists it.
static int resolve(struct reader *r, struct error *why) {
    if (r->count == 0) return complain(r, why, ERR_INTERNAL, "no node");
    struct template_node *node = &r->nodes[r->count - 1]; // the newest
    struct bytes name = node->text;
    bool self = bytes_equal_str(name, ".");
    for (unsigned up = 0; up <= r->depth; up++) {
        struct bytes path = r->scopes[r->depth - up].path;
        char key[SCHEMA_KEY_BYTES_MAX + 1];
        if (path.n + 1 + name.n > sizeof key) break;
        size_t n = path.n;
        if (n) memcpy(key, path.p, n);
        if (!self) {
            if (n) key[n++] = '.';
            memcpy(key + n, name.p, name.n);
            n += name.n;
        }
        node->variable = schema_find(r->schema, bytes_make(key, n));
        node->up = up;
        if (node->variable) return 0;
        if (self) break;
    }
    return complain(r, why, ERR_NOT_FOUND, "the schema does not list \"%.*s\"", SHOWN(name));
}

static int open_section(struct reader *r, enum node_kind kind, struct bytes name,
                        struct error *why) {
    if (r->section_depth == TEMPLATE_DEPTH_MAX) {
        return complain(r, why, ERR_LIMIT, "sections are nested more than %d deep",
                        TEMPLATE_DEPTH_MAX);
    }
    int code = add(r, kind, name, why);
    if (code < 0 || !r->nodes) return code;
    struct template_node *node = &r->nodes[r->count - 1];
    code = resolve(r, why);
    if (code < 0 || !node->variable) return code;
    r->sections[r->section_depth++] = (uint32_t)(r->count - 1);
    enum variable_type type = node->variable->type;
    node->opens = kind == NODE_SECTION && (type == VARIABLE_LIST || type == VARIABLE_OBJECT);
    if (!node->opens) return 0;
    const struct variable *v = node->variable;
    char *path = arena_printf(r->arena, "%.*s%s", (int)v->key.n, (const char *)v->key.p,
                              type == VARIABLE_LIST ? "[]" : "");
    if (!path) return complain(r, why, ERR_LIMIT, "the template is too large");
    r->scopes[++r->depth] =
        (struct scope){.node = (uint32_t)(r->count - 1), .path = bytes_from_str(path)};
    return 0;
}

static int close_section(struct reader *r, struct bytes name, struct error *why) {
    if (r->section_depth == 0) {
        return complain(r, why, ERR_SYNTAX, "\"%.*s\" ends and never began", SHOWN(name));
    }
    struct template_node *node = &r->nodes[r->sections[--r->section_depth]];
    if (!bytes_equal(node->text, name)) {
        return complain(r, why, ERR_SYNTAX, "\"%.*s\" ends inside \"%.*s\" of line %u", SHOWN(name),
                        SHOWN(node->text), node->line);
    }
    node->end = (uint32_t)r->count;
    if (node->opens) r->depth--;
    return 0;
}

static int set_delimiters(struct reader *r, struct bytes tag, struct error *why) {
    // "=<% %>="
    tag = bytes_trim(bytes_slice(tag, 1, tag.n - 2));
    const uint8_t *space = tag.n ? memchr(tag.p, ' ', tag.n) : NULL;
    if (!space) return complain(r, why, ERR_SYNTAX, "two delimiters are needed");
    r->open = (struct bytes){tag.p, (size_t)(space - tag.p)};
    r->close = bytes_trim(bytes_slice(tag, r->open.n, tag.n));
    if (!r->open.n || !r->close.n || memchr(r->close.p, ' ', r->close.n)) {
        return complain(r, why, ERR_SYNTAX, "two delimiters are needed");
    }
    return 0;
}

static int add_name(struct reader *r, enum node_kind kind, struct bytes name, struct error *why) {
    if (name.n == 0) return complain(r, why, ERR_SYNTAX, "a tag without a name");
    int code = add(r, kind, name, why);
    if (code == 0) code = resolve(r, why);
    const struct variable *v = code == 0 && r->count ? r->nodes[r->count - 1].variable : NULL;
    if (!v) return code;
    enum variable_type type = v->type;
    if (type == VARIABLE_LIST || type == VARIABLE_OBJECT) {
        return complain(r, why, ERR_INVALID, "\"%.*s\" is of type %s and has no text", SHOWN(name),
                        variable_type_name(type));
    }
    return 0;
}

static int take_tag(struct reader *r, struct bytes tag, struct error *why) {
    uint8_t first = tag.n ? tag.p[0] : 0;
    struct bytes rest = bytes_trim(bytes_slice(tag, 1, tag.n));
    switch (first) {
    case '!':
        return 0;
    case '=':
        if (tag.n < 2 || tag.p[tag.n - 1] != '=') {
            return complain(r, why, ERR_SYNTAX, "a change of delimiters ends with \"=\"");
        }
        return set_delimiters(r, tag, why);
    case '#':
    case '^':
        if (rest.n == 0) return complain(r, why, ERR_SYNTAX, "a tag without a name");
        return open_section(r, first == '#' ? NODE_SECTION : NODE_INVERTED, rest, why);
    case '/':
        return close_section(r, rest, why);
    case '&':
        return add_name(r, NODE_RAW, rest, why);
    case '>':
        return complain(r, why, ERR_UNSUPPORTED, "templates do not include others");
    default:
        return add_name(r, NODE_VALUE, bytes_trim(tag), why);
    }
}

static size_t find(struct bytes in, size_t from, struct bytes what) {
    const uint8_t *p = from < in.n ? memmem(in.p + from, in.n - from, what.p, what.n) : NULL;
    return p ? (size_t)(p - in.p) : SIZE_MAX;
}

static bool is_blank(struct bytes in, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        if (in.p[i] != ' ' && in.p[i] != '\t' && in.p[i] != '\r') return false;
    }
    return true;
}

struct tag {
    struct bytes inside;
    size_t begin, end; // of the whole tag in the text
    bool triple;
};

// The next tag from r->at on; false when there is none.
static int next_tag(struct reader *r, struct tag *ret, bool *ret_found, struct error *why) {
    size_t begin = find(r->in, r->at, r->open);
    *ret_found = begin != SIZE_MAX;
    if (!*ret_found) return 0;
    for (size_t i = r->at; i < begin; i++) {
        if (r->in.p[i] == '\n') r->line++;
    }
    size_t inside = begin + r->open.n;
    ret->triple = bytes_equal_str(r->open, "{{") && inside < r->in.n && r->in.p[inside] == '{';
    struct bytes close = ret->triple ? BYTES_LIT("}}}") : r->close;
    if (ret->triple) inside++;
    size_t end = find(r->in, inside, close);
    if (end == SIZE_MAX) return complain(r, why, ERR_SYNTAX, "a tag does not end");
    ret->begin = begin;
    ret->inside = bytes_trim(bytes_slice(r->in, inside, end - inside));
    ret->end = end + close.n;
    return 0;
}

// Widens a tag that stands alone on its line to the whole line.
static void take_line(const struct reader *r, struct tag *tag) {
    uint8_t kind = tag->inside.n ? tag->inside.p[0] : 0;
    if (tag->triple || !kind || !strchr("#^/!=", kind)) return;
    size_t begin = tag->begin, end = tag->end;
    while (begin > 0 && r->in.p[begin - 1] != '\n')
        begin--;
    while (end < r->in.n && r->in.p[end] != '\n')
        end++;
    if (begin < r->at || !is_blank(r->in, begin, tag->begin) || !is_blank(r->in, tag->end, end)) {
        return;
    }
    tag->begin = begin;
    tag->end = end < r->in.n ? end + 1 : end;
}

static int read_all(struct reader *r, struct error *why) {
    for (;;) {
        struct tag tag = {.triple = false};
        bool found;
        int code = next_tag(r, &tag, &found, why);
        if (code < 0) return code;
        if (!found) return add(r, NODE_TEXT, bytes_slice(r->in, r->at, r->in.n), why);
        size_t inner = tag.end;
        take_line(r, &tag);
        code = add(r, NODE_TEXT, bytes_slice(r->in, r->at, tag.begin - r->at), why);
        if (code == 0 && tag.triple) code = add_name(r, NODE_RAW, tag.inside, why);
        if (code == 0 && !tag.triple) code = take_tag(r, tag.inside, why);
        if (code < 0) return code;
        for (size_t i = tag.begin; i < inner; i++) {
            if (r->in.p[i] == '\n') r->line++;
        }
        if (tag.end > inner && r->in.p[tag.end - 1] == '\n') r->line++;
        r->at = tag.end;
    }
}

int template_parse(struct template *ret, const char *name, enum template_syntax syntax,
                   struct bytes in, const struct schema *s, struct arena *a, struct error *why) {
    struct template t = {.name = name, .syntax = syntax};
    struct reader r = {.schema = s,
                       .t = &t,
                       .arena = a,
                       .open = BYTES_LIT("{{"),
                       .close = BYTES_LIT("}}"),
                       .in = in,
                       .line = 1};
    if (in.n > TEMPLATE_BYTES_MAX) return complain(&r, why, ERR_LIMIT, "the template is too large");
    if (in.n && memchr(in.p, 0, in.n)) return complain(&r, why, ERR_SYNTAX, "a NUL byte");
    int code = read_all(&r, why);
    if (code == 0 && r.section_depth) {
        const struct template_node *node = &r.nodes[r.sections[r.section_depth - 1]];
        code = complain(&r, why, ERR_SYNTAX, "\"%.*s\" of line %u does not end", SHOWN(node->text),
                        node->line);
    }
    if (code < 0) return code;
    t.nodes = r.nodes;
    t.count = r.count;
    *ret = t;
    return 0;
}

enum template_syntax template_syntax_of(struct bytes name) {
    static const struct {
        const char *ending;
        enum template_syntax syntax;
    } table[] = {{".toml", TEMPLATE_QUOTED},
                 {".json", TEMPLATE_QUOTED},
                 {".yaml", TEMPLATE_QUOTED},
                 {".yml", TEMPLATE_QUOTED},
                 {".env", TEMPLATE_SHELL}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        size_t n = strlen(table[i].ending);
        if (name.n >= n && memcmp(name.p + name.n - n, table[i].ending, n) == 0) {
            return table[i].syntax;
        }
    }
    return TEMPLATE_PLAIN;
}

// Writing

struct writer {
    const struct template *t;
    struct buf *out;
    const struct json *scopes[TEMPLATE_DEPTH_MAX + 1];
    unsigned depth;
};

static const struct json *member(const struct json *object, struct bytes name) {
    json_members(key, value, object) {
        if (bytes_equal(json_text(key), name)) return value;
    }
    return NULL;
}

static const struct json *value_of(const struct writer *w, const struct template_node *node) {
    const struct json *v = w->scopes[w->depth - node->up];
    struct bytes name = node->text;
    if (bytes_equal_str(name, ".")) return v;
    while (name.n && v) {
        const uint8_t *dot = memchr(name.p, '.', name.n);
        struct bytes part = {name.p, dot ? (size_t)(dot - name.p) : name.n};
        v = member(v, part);
        name = bytes_slice(name, part.n + 1, name.n);
    }
    return json_is_null(v) ? NULL : v;
}

static int fail(const struct writer *w, const struct template_node *node, enum err code,
                const char *text, struct error *why) {
    return error_set(why, code, "%s, line %u: \"%.*s\" %s", w->t->name, node->line,
                     SHOWN(node->variable->key), text);
}

static void write_shell(struct buf *out, struct bytes text) {
    for (size_t i = 0; i < text.n; i++) {
        if (strchr("\"\\$`", text.p[i]) && text.p[i]) buf_append_byte(out, '\\');
        buf_append_byte(out, text.p[i]);
    }
}

// JSON's escapes are TOML's and YAML's too; the quotes are the template's.
static void write_quoted(struct buf *out, struct bytes text) {
    size_t begin = out->n;
    json_append_string(out, text, 0);
    if (out->failed) return;
    memmove(out->p + begin, out->p + begin + 1, out->n - begin - 2);
    out->n -= 2;
}

static int write_value(struct writer *w, const struct template_node *node, struct error *why) {
    const struct json *v = value_of(w, node);
    if (!v && !node->variable->has_default) {
        return fail(w, node, ERR_NOT_FOUND, "has no value in the configuration", why);
    }
    struct bytes text = v ? json_text(v) : node->variable->fallback;
    if (node->kind == NODE_RAW) {
        buf_append(w->out, text);
        return 0;
    }
    for (size_t i = 0; i < text.n && w->t->syntax != TEMPLATE_QUOTED; i++) {
        if (text.p[i] < 0x20 || text.p[i] == 0x7f) {
            return fail(w, node, ERR_INVALID, "holds a control character; use {{{...}}}", why);
        }
    }
    if (w->t->syntax == TEMPLATE_QUOTED) {
        write_quoted(w->out, text);
    } else if (w->t->syntax == TEMPLATE_SHELL) {
        write_shell(w->out, text);
    } else {
        buf_append(w->out, text);
    }
    return 0;
}

static bool is_true(const struct json *v, const struct variable *variable) {
    struct bytes text = v ? json_text(v) : variable->fallback;
    switch (json_type_of(v)) {
    case JSON_ARRAY:
        return json_count(v) > 0;
    case JSON_OBJECT:
        return true;
    default:
        if (!v && !variable->has_default) return false;
        return text.n > 0 && !bytes_equal_str(text, "false");
    }
}

static int write_nodes(struct writer *w, size_t from, size_t to, struct error *why);

static int write_scope(struct writer *w, const struct json *scope, size_t from, size_t to,
                       struct error *why) {
    w->scopes[++w->depth] = scope;
    int r = write_nodes(w, from, to, why);
    w->depth--;
    return r;
}

static int write_section(struct writer *w, size_t at, struct error *why) {
    const struct template_node *node = &w->t->nodes[at];
    const struct json *v = value_of(w, node);
    bool wanted = is_true(v, node->variable) == (node->kind == NODE_SECTION);
    if (!wanted) return 0;
    if (!node->opens) return write_nodes(w, at + 1, node->end, why);
    if (node->variable->type == VARIABLE_OBJECT) return write_scope(w, v, at + 1, node->end, why);
    json_each(item, v) {
        int r = write_scope(w, item, at + 1, node->end, why);
        if (r < 0) return r;
    }
    return 0;
}

static int write_nodes(struct writer *w, size_t from, size_t to, struct error *why) {
    int r = 0;
    for (size_t i = from; i < to && r == 0; i++) {
        const struct template_node *node = &w->t->nodes[i];
        switch (node->kind) {
        case NODE_TEXT:
            buf_append(w->out, node->text);
            break;
        case NODE_VALUE:
        case NODE_RAW:
            r = write_value(w, node, why);
            break;
        case NODE_SECTION:
        case NODE_INVERTED:
            r = write_section(w, i, why);
            i = node->end - 1;
            break;
        }
        if (r == 0 && buf_check(w->out, why) < 0) r = error_wrap(why, "%s", w->t->name);
    }
    return r;
}

int template_render(struct buf *out, const struct template *t, const struct json *document,
                    struct error *why) {
    struct writer w = {.t = t, .out = out, .scopes = {document}};
    return write_nodes(&w, 0, t->count, why);
}
