/* SPDX-License-Identifier: MIT */
#include "net/http.h"

#include "net/http_table.h"

#include <arpa/inet.h>

#define HTTP_FIELDS_ROOM 8u /* for what a proxy adds to a list that it borrows */

static const char *const methods[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_DELETE] = "DELETE", [HTTP_CONNECT] = "CONNECT",
    [HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE",   [HTTP_PATCH] = "PATCH",
};

static const struct bytes names[HTTP_FIELD_COUNT] = {[HTTP_FIELD_OTHER] = {NULL, 0},
#define HTTP_FIELD_TEXT(id, name) [HTTP_FIELD_##id] = {(const uint8_t *)(name), sizeof(name) - 1},
                                                     HTTP_FIELDS(HTTP_FIELD_TEXT)
#undef HTTP_FIELD_TEXT
};

enum http_method http_method_of(struct bytes text) {
    for (unsigned i = 1; i < HTTP_METHOD_COUNT; i++) {
        if (bytes_equal_str(text, methods[i])) return (enum http_method)i;
    }
    return HTTP_METHOD_OTHER;
}

const char *http_method_name(enum http_method method) {
    return method < HTTP_METHOD_COUNT ? methods[method] : NULL;
}

const char *http_status_text(unsigned status) {
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) return table[i].text;
    }
    return "";
}

#define F(id) HTTP_FIELD_##id
static const uint8_t ids_by_length[][6] = {
    [2] = {F(TE)},
    [3] = {F(VIA)},
    [4] = {F(DATE), F(ETAG), F(HOST)},
    [5] = {F(ALLOW)},
    [6] = {F(ACCEPT), F(COOKIE), F(EXPECT), F(ORIGIN), F(SERVER)},
    [7] = {F(TRAILER), F(UPGRADE)},
    [8] = {F(LOCATION)},
    [9] = {F(FORWARDED)},
    [10] = {F(CONNECTION), F(KEEP_ALIVE), F(SET_COOKIE), F(USER_AGENT)},
    [11] = {F(RETRY_AFTER)},
    [12] = {F(CONTENT_TYPE)},
    [13] = {F(AUTHORIZATION), F(CACHE_CONTROL), F(LAST_EVENT_ID)},
    [14] = {F(CONTENT_LENGTH), F(HTTP2_SETTINGS)},
    [15] = {F(ACCEPT_ENCODING), F(X_FORWARDED_FOR)},
    [16] = {F(CONTENT_ENCODING), F(PROXY_CONNECTION), F(WWW_AUTHENTICATE), F(X_FORWARDED_HOST)},
    [17] = {F(SEC_WEBSOCKET_KEY), F(TRANSFER_ENCODING), F(X_FORWARDED_PROTO)},
    [18] = {F(PROXY_AUTHENTICATE)},
    [19] = {F(PROXY_AUTHORIZATION)},
    [20] = {F(SEC_WEBSOCKET_ACCEPT)},
    [21] = {F(SEC_WEBSOCKET_VERSION)},
    [22] = {F(SEC_WEBSOCKET_PROTOCOL)},
    [24] = {F(SEC_WEBSOCKET_EXTENSIONS)},
};
#undef F

enum http_field_id http_field_id_of(struct bytes name) {
    if (name.n >= sizeof ids_by_length / sizeof ids_by_length[0]) return HTTP_FIELD_OTHER;
    const uint8_t *id = ids_by_length[name.n];
    while (*id && memcmp(names[*id].p, name.p, name.n) != 0)
        id++;
    return (enum http_field_id) * id;
}

struct bytes http_field_name(enum http_field_id id) {
    return id < HTTP_FIELD_COUNT ? names[id] : names[0];
}

bool http_is_token(struct bytes text) {
    for (size_t i = 0; i < text.n; i++) {
        if (!http_token_lower[text.p[i]]) return false;
    }
    return text.n > 0;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

bool http_is_field_value(struct bytes text) {
    if (text.n && (is_blank(text.p[0]) || is_blank(text.p[text.n - 1]))) return false;
    return http_value_span(text.p, text.n) == text.n;
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool http_equal_bytes_nocase(struct bytes a, struct bytes b) {
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    }
    return true;
}

bool http_equal_nocase(struct bytes a, const char *b) {
    return http_equal_bytes_nocase(a, bytes_from_str(b));
}

static bool is_host_byte(uint8_t c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static bool is_port(struct bytes text) {
    uint64_t v;
    return text.n <= 5 && bytes_parse_u64(&v, text) && v <= 65535;
}

bool http_is_authority(struct bytes text) {
    size_t i = 0;
    if (text.n && text.p[0] == '[') {
        const uint8_t *end = memchr(text.p, ']', text.n);
        char address[INET6_ADDRSTRLEN];
        struct in6_addr parsed;
        size_t n = end ? (size_t)(end - text.p) - 1 : 0;
        if (n == 0 || n >= sizeof address) return false;
        memcpy(address, text.p + 1, n);
        address[n] = '\0';
        if (strlen(address) != n || inet_pton(AF_INET6, address, &parsed) != 1) return false;
        i = n + 2;
    } else {
        while (i < text.n && is_host_byte(text.p[i])) {
            i++;
        }
        if (i == 0 || i > 255) return false;
    }
    if (i == text.n) return true;
    return text.p[i] == ':' && is_port(bytes_slice(text, i + 1, text.n));
}

static int grow(struct http_fields *f, struct arena *a, struct error *why) {
    if (f->count >= HTTP_FIELDS_MAX) return error_set(why, ERR_LIMIT, "too many header fields");
    unsigned capacity = f->capacity ? f->capacity * 2u : 16u;
    if (capacity > HTTP_FIELDS_MAX) capacity = HTTP_FIELDS_MAX;
    struct http_field *item = arena_alloc_raw(a, capacity * sizeof *item);
    if (!item) return error_set(why, ERR_LIMIT, "no memory for header fields");
    if (f->count) memcpy(item, f->item, f->count * sizeof *item);
    f->item = item;
    f->capacity = (uint8_t)capacity;
    return 0;
}

int http_fields_push(struct http_fields *f, struct arena *a, const struct http_field *field,
                     struct error *why) {
    if (f->count == f->capacity) {
        int r = grow(f, a, why);
        if (r < 0) return r;
    }
    f->item[f->count++] = *field;
    if (field->id && !f->first[field->id]) f->first[field->id] = f->count;
    return 0;
}

bool http_field_is_secret(unsigned id) {
    return id == HTTP_FIELD_AUTHORIZATION || id == HTTP_FIELD_PROXY_AUTHORIZATION ||
           id == HTTP_FIELD_COOKIE || id == HTTP_FIELD_SET_COOKIE;
}

int http_fields_put(struct http_fields *f, struct arena *a, enum http_field_id id,
                    struct bytes value, struct error *why) {
    struct http_field field = {names[id], value, (uint8_t)id, http_field_is_secret(id)};
    return http_fields_push(f, a, &field, why);
}

int http_fields_add(struct http_fields *f, struct arena *a, struct bytes name, struct bytes value,
                    struct error *why) {
    if (!http_is_token(name)) return error_set(why, ERR_SYNTAX, "invalid field name");
    if (!http_is_field_value(value)) return error_set(why, ERR_SYNTAX, "invalid field value");
    uint8_t *p = arena_alloc_raw(a, name.n + value.n);
    if (!p) return error_set(why, ERR_LIMIT, "no memory for a header field");
    for (size_t i = 0; i < name.n; i++) {
        p[i] = http_token_lower[name.p[i]];
    }
    if (value.n) memcpy(p + name.n, value.p, value.n);
    struct http_field field = {{p, name.n}, {p + name.n, value.n}, 0, false};
    field.id = (uint8_t)http_field_id_of(field.name);
    field.secret = http_field_is_secret(field.id);
    return http_fields_push(f, a, &field, why);
}

/* Keeps the fields for which keep() is true, and counts the index anew. */
static void filter(struct http_fields *f, bool (*keep)(const struct http_field *, const void *),
                   const void *context) {
    unsigned count = 0;
    memset(f->first, 0, sizeof f->first);
    for (unsigned i = 0; i < f->count; i++) {
        if (!keep(&f->item[i], context)) continue;
        f->item[count++] = f->item[i];
        uint8_t id = f->item[count - 1].id;
        if (id && !f->first[id]) f->first[id] = (uint8_t)count;
    }
    f->count = (uint8_t)count;
}

static bool has_other_name(const struct http_field *field, const void *context) {
    return !bytes_equal(field->name, *(const struct bytes *)context);
}

void http_fields_remove(struct http_fields *f, struct bytes lower_name) {
    unsigned i = 0;
    while (i < f->count && !bytes_equal(f->item[i].name, lower_name))
        i++;
    if (i < f->count) filter(f, has_other_name, &lower_name);
}

int http_fields_set(struct http_fields *f, struct arena *a, struct bytes name, struct bytes value,
                    struct error *why) {
    int r = http_fields_add(f, a, name, value, why);
    if (r < 0) return r;
    struct http_field field = f->item[--f->count];
    http_fields_remove(f, field.name);
    return http_fields_push(f, a, &field, why);
}

int http_fields_borrow(struct http_fields *ret, struct arena *a, const struct http_fields *from,
                       struct error *why) {
    struct http_fields f = *from;
    f.capacity = (uint8_t)(from->count + HTTP_FIELDS_ROOM);
    if (from->count > HTTP_FIELDS_MAX - HTTP_FIELDS_ROOM) f.capacity = HTTP_FIELDS_MAX;
    f.item = arena_alloc_raw(a, f.capacity * sizeof *f.item);
    if (!f.item) return error_set(why, ERR_LIMIT, "no memory for header fields");
    if (from->count) memcpy(f.item, from->item, from->count * sizeof *f.item);
    *ret = f;
    return 0;
}

int http_fields_copy(struct http_fields *to, struct arena *a, const struct http_fields *from,
                     struct error *why) {
    for (unsigned i = 0; i < from->count; i++) {
        struct http_field field = from->item[i];
        field.value = arena_copy(a, field.value);
        field.name = field.id ? names[field.id] : arena_copy(a, field.name);
        if (!field.name.p || (!field.value.p && from->item[i].value.n)) {
            return error_set(why, ERR_LIMIT, "no memory for header fields");
        }
        int r = http_fields_push(to, a, &field, why);
        if (r < 0) return r;
    }
    return 0;
}

const struct http_field *http_find(const struct http_fields *f, const char *name, unsigned from) {
    for (unsigned i = from; i < f->count; i++) {
        if (http_equal_nocase(f->item[i].name, name)) return &f->item[i];
    }
    return NULL;
}

bool http_list_next(struct bytes *ret, struct bytes *rest) {
    while (rest->n) {
        size_t i = 0;
        bool quoted = false;
        for (; i < rest->n && (quoted || rest->p[i] != ','); i++) {
            if (rest->p[i] == '"') quoted = !quoted;
            if (quoted && rest->p[i] == '\\' && i + 1 < rest->n) i++;
        }
        struct bytes element = bytes_trim((struct bytes){rest->p, i});
        *rest = bytes_slice(*rest, i + 1, rest->n);
        if (element.n) {
            *ret = element;
            return true;
        }
    }
    return false;
}

bool http_has_token(const struct http_fields *f, enum http_field_id id, const char *token) {
    if (!f->first[id]) return false;
    for (unsigned i = f->first[id] - 1u; i < f->count; i++) {
        if (f->item[i].id != id) continue;
        struct bytes rest = f->item[i].value, element;
        while (http_list_next(&element, &rest)) {
            if (http_equal_nocase(element, token)) return true;
        }
    }
    return false;
}

bool http_field_is_hop_by_hop(unsigned id) {
    switch (id) {
    case HTTP_FIELD_CONNECTION:
    case HTTP_FIELD_HTTP2_SETTINGS:
    case HTTP_FIELD_KEEP_ALIVE:
    case HTTP_FIELD_PROXY_AUTHENTICATE:
    case HTTP_FIELD_PROXY_AUTHORIZATION:
    case HTTP_FIELD_PROXY_CONNECTION:
    case HTTP_FIELD_TE:
    case HTTP_FIELD_TRAILER:
    case HTTP_FIELD_TRANSFER_ENCODING:
    case HTTP_FIELD_UPGRADE:
        return true;
    default:
        return false;
    }
}

bool http_field_may_trail(unsigned id) {
    return !http_field_is_hop_by_hop(id) && !http_field_is_secret(id) &&
           id != HTTP_FIELD_CONTENT_LENGTH && id != HTTP_FIELD_HOST &&
           id != HTTP_FIELD_CONTENT_ENCODING && id != HTTP_FIELD_CONTENT_TYPE;
}

/* Marks the fields that a Connection field names, by taking their names. */
static void mark_named(struct http_fields *f, struct bytes list) {
    struct bytes element;
    while (http_list_next(&element, &list)) {
        for (unsigned i = 0; i < f->count; i++) {
            if (http_equal_bytes_nocase(element, f->item[i].name)) f->item[i].name.n = 0;
        }
    }
}

static bool is_unmarked(const struct http_field *field, const void *context) {
    (void)context;
    return field->name.n > 0;
}

void http_fields_remove_hop_by_hop(struct http_fields *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id == HTTP_FIELD_CONNECTION) mark_named(f, f->item[i].value);
    }
    bool any = false; // without a field of these, Connection among them, nothing is marked
    for (unsigned i = 0; i < f->count; i++) {
        if (!http_field_is_hop_by_hop(f->item[i].id)) continue;
        f->item[i].name.n = 0;
        any = true;
    }
    if (any) filter(f, is_unmarked, NULL);
}

bool http_response_has_body(enum http_method request, unsigned status) {
    if (request == HTTP_HEAD || status < 200 || status == 204 || status == 304) return false;
    return !(request == HTTP_CONNECT && status < 300);
}

static int parse_digits(uint64_t *ret, struct bytes digits, struct error *why) {
    uint64_t v = 0;
    if (digits.n == 0) return error_set(why, ERR_SYNTAX, "Content-Length is no number");
    for (size_t i = 0; i < digits.n; i++) {
        unsigned d = digits.p[i] - (unsigned)'0';
        if (d > 9) return error_set(why, ERR_SYNTAX, "Content-Length is no number");
        if (v > ((uint64_t)INT64_MAX - d) / 10) {
            return error_set(why, ERR_RANGE, "Content-Length is too large");
        }
        v = v * 10 + d;
    }
    *ret = v;
    return 0;
}

int http_parse_length(uint64_t *ret, const struct http_fields *f, struct error *why) {
    bool found = false;
    uint64_t length = 0;
    for (unsigned i = 0; i < f->count; i++) {
        if (f->item[i].id != HTTP_FIELD_CONTENT_LENGTH) continue;
        struct bytes rest = f->item[i].value;
        for (bool more = true; more;) {
            const uint8_t *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
            size_t n = comma ? (size_t)(comma - rest.p) : rest.n;
            uint64_t v = 0;
            int r = parse_digits(&v, bytes_trim(bytes_slice(rest, 0, n)), why);
            if (r < 0) return r;
            if (found && v != length) {
                return error_set(why, ERR_INVALID, "several values of Content-Length");
            }
            found = true;
            length = v;
            more = comma != NULL;
            rest = bytes_slice(rest, n + 1, rest.n);
        }
    }
    if (!found) return error_set(why, ERR_NOT_FOUND, "no Content-Length");
    *ret = length;
    return 0;
}
