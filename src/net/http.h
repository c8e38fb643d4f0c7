/* Http: messages of HTTP, whatever carries them: methods, status codes, header fields, heads.
 *
 * One request and one response type for HTTP/1.1 and HTTP/2; net/http1.h and net/http2.h fill them
 * and write them out. Field names are lower case in memory. Everything a head points to lives in
 * the message's arena (or is static); the arena's limit bounds it. No I/O, no bodies: those pass
 * by as bytes. Not a cache and no content negotiation.
 *
 * Source: RFC 9110. Thread: any, one at a time per message.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/error.h"

enum http_method {
    HTTP_METHOD_OTHER, /* see method_text */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
    HTTP_METHOD_COUNT
};

/* Field names that code asks for; all others are HTTP_FIELD_OTHER and found by text. */
#define HTTP_FIELDS(X)                                                                             \
    X(ACCEPT, "accept")                                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ALLOW, "allow")                                                                              \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(ETAG, "etag")                                                                                \
    X(EXPECT, "expect")                                                                            \
    X(FORWARDED, "forwarded")                                                                      \
    X(HOST, "host")                                                                                \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(LAST_EVENT_ID, "last-event-id")                                                              \
    X(LOCATION, "location")                                                                        \
    X(ORIGIN, "origin")                                                                            \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")                                                \
    X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions")                                        \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key")                                                      \
    X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")                                            \
    X(SEC_WEBSOCKET_VERSION, "sec-websocket-version")                                              \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(UPGRADE, "upgrade")                                                                          \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VIA, "via")                                                                                  \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")

enum http_field_id {
    HTTP_FIELD_OTHER,
#define HTTP_FIELD_ENUM(id, name) HTTP_FIELD_##id,
    HTTP_FIELDS(HTTP_FIELD_ENUM)
#undef HTTP_FIELD_ENUM
        HTTP_FIELD_COUNT
};

struct http_field {
    struct bytes name;  /* lower case */
    struct bytes value; /* without space around it */
    uint8_t id;         /* enum http_field_id */
    bool secret;        /* HTTP/2: never put into the compression tables */
};

#define HTTP_FIELDS_MAX 250 /* of any message, whatever the limits say */

/* The header (or trailer) section, in order of arrival. */
struct http_fields {
    struct http_field *item;
    uint8_t count;
    uint8_t capacity;
    uint8_t first[HTTP_FIELD_COUNT]; /* index + 1 of the first field with that id; 0: none */
};

/* How the body is delimited. Both engines give and take it. */
enum http_body {
    HTTP_BODY_NONE,   /* there is none: HEAD, 1xx, 204, 304, a request without a length */
    HTTP_BODY_LENGTH, /* exactly content_length bytes */
    HTTP_BODY_STREAM, /* unknown length, ended by the protocol (chunked, END_STREAM) */
    HTTP_BODY_CLOSE,  /* unknown length, ended by the end of the connection (HTTP/1 responses) */
    HTTP_BODY_TUNNEL, /* the connection is no longer HTTP (101, CONNECT) */
};

enum http_version {
    HTTP_1_0 = 10,
    HTTP_1_1 = 11,
    HTTP_2 = 20,
};

struct http_request {
    enum http_method method;
    enum http_version version;
    struct bytes method_text; /* "GET" */
    struct bytes scheme;      /* "https"; empty in HTTP/1 origin form */
    struct bytes authority;   /* host[:port] of :authority, the absolute form or Host */
    struct bytes path;        /* path and query as received: "/a?b=c", "*"; empty for CONNECT */
    struct bytes protocol;    /* HTTP/2 extended CONNECT (RFC 8441): "websocket"; else empty */
    struct http_fields fields;
    enum http_body body;
    uint64_t content_length; /* for HTTP_BODY_LENGTH */
    bool keep_alive;         /* HTTP/1: the sender lets the connection go on */
    bool expect_continue;    /* a body comes only after 100 (Continue) */
    bool upgrade;            /* HTTP/1.1: Connection lists "upgrade" and Upgrade is there */
};

struct http_response {
    unsigned status;
    enum http_version version;
    struct bytes reason; /* may be empty; writing HTTP/1 takes the standard text then */
    struct http_fields fields;
    enum http_body body;
    uint64_t content_length;
    bool keep_alive;
    bool upgrade; /* HTTP/1.1: Connection lists "upgrade" and Upgrade is there */
};

/* What a received message may be. One table for both protocols. */
struct http_limits {
    size_t head_bytes;    /* request line or status line and all fields */
    size_t target_bytes;  /* request target */
    unsigned fields;      /* header fields; at most HTTP_FIELDS_MAX */
    unsigned trailers;    /* trailer fields */
    size_t trailer_bytes; /* trailer section */
    size_t chunk_line;    /* HTTP/1: one chunk size with its extensions */
    uint64_t body_bytes;  /* 0: none allowed; UINT64_MAX: no limit */
};
#define HTTP_LIMITS_DEFAULT                                                                        \
    ((struct http_limits){.head_bytes = 16u << 10,                                                 \
                          .target_bytes = 8u << 10,                                                \
                          .fields = 100,                                                           \
                          .trailers = 16,                                                          \
                          .trailer_bytes = 4u << 10,                                               \
                          .chunk_line = 256,                                                       \
                          .body_bytes = 16u << 20})

/* http_method_of: exact (methods are case-sensitive); HTTP_METHOD_OTHER for all others.
 * http_method_name gives "GET", ...; NULL for HTTP_METHOD_OTHER. */
enum http_method http_method_of(struct bytes text);
const char *http_method_name(enum http_method method);

/* http_status_text gives the standard reason phrase ("Not Found"); "" for unknown codes. */
const char *http_status_text(unsigned status);

/* http_field_id_of: name in lower case. http_field_name: the text of a known id. */
enum http_field_id http_field_id_of(struct bytes lower_name);
struct bytes http_field_name(enum http_field_id id);

/* http_is_token: one or more tchar (RFC 9110, 5.6.2). http_is_field_value: no control characters
 * but tab, no space or tab at the ends (5.5; bytes of 0x80 and above are let through). */
bool http_is_token(struct bytes text);
bool http_is_field_value(struct bytes text);
/* http_equal_nocase compares ASCII. */
bool http_equal_nocase(struct bytes a, const char *b);
bool http_equal_bytes_nocase(struct bytes a, struct bytes b);

/* http_is_authority: host[:port] without userinfo: a name, an IPv4 or a bracketed IPv6 address
 * (RFC 9110, 7.2; percent-encoding is refused), and a port of at most 65535. */
bool http_is_authority(struct bytes text);

/* http_fields_add appends a field, copying name (lower-cased) and value into the arena.
 * errors   ERR_SYNTAX (no token, not a value), ERR_LIMIT (count, arena). */
[[gnu::warn_unused_result]] int http_fields_add(struct http_fields *f, struct arena *a,
                                                struct bytes name, struct bytes value,
                                                struct error *why);
/* http_fields_set replaces all fields of that name by one. http_fields_remove removes them. */
[[gnu::warn_unused_result]] int http_fields_set(struct http_fields *f, struct arena *a,
                                                struct bytes name, struct bytes value,
                                                struct error *why);
void http_fields_remove(struct http_fields *f, struct bytes lower_name);

/* http_fields_put is http_fields_add with a known name and text that outlives the message and is
 * right already: nothing is checked or copied. errors  ERR_LIMIT. */
[[gnu::warn_unused_result]] int http_fields_put(struct http_fields *f, struct arena *a,
                                                enum http_field_id id, struct bytes value,
                                                struct error *why);

/* http_fields_push is the engines' way in: name in lower case and value stay where they are. */
[[gnu::warn_unused_result]] int http_fields_push(struct http_fields *f, struct arena *a,
                                                 const struct http_field *field, struct error *why);

/* http_fields_copy appends copies of all fields of `from`, which may live elsewhere. */
[[gnu::warn_unused_result]] int http_fields_copy(struct http_fields *to, struct arena *a,
                                                 const struct http_fields *from, struct error *why);

/* http_fields_borrow makes the same list, to be changed apart from `from`: names and values stay
 * where they are. errors  ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int http_fields_borrow(struct http_fields *ret, struct arena *a,
                                                   const struct http_fields *from,
                                                   struct error *why);

/* http_get gives the value of the first field with the id; p is NULL when there is none. */
static inline struct bytes http_get(const struct http_fields *f, enum http_field_id id) {
    unsigned i = f->first[id];
    return i ? f->item[i - 1].value : (struct bytes){NULL, 0};
}
static inline bool http_has(const struct http_fields *f, enum http_field_id id) {
    return f->first[id] != 0;
}
/* http_find finds by name (any case): the first field at index `from` or after; NULL at the end. */
const struct http_field *http_find(const struct http_fields *f, const char *name, unsigned from);

/* http_has_token: a list-valued field (all its lines) contains the token, ignoring case. */
bool http_has_token(const struct http_fields *f, enum http_field_id id, const char *token);

/* http_list_next takes the next element off a comma-separated list (quoted strings respected,
 * empty elements skipped); false at the end. */
bool http_list_next(struct bytes *ret, struct bytes *rest);

/* http_fields_remove_hop_by_hop removes what a proxy must not pass on: Connection and what it
 * names, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade, HTTP2-Settings. */
void http_fields_remove_hop_by_hop(struct http_fields *f);

/* http_field_is_hop_by_hop: one of these. http_field_is_secret: the value proves who someone is and
 * must not enter HPACK's tables, where its content can be guessed from lengths. */
bool http_field_is_hop_by_hop(unsigned id);
bool http_field_is_secret(unsigned id);

/* http_field_may_trail: it may come after the body. Framing, routing, authentication and what tells
 * how to read the body may not (RFC 9110, 6.5.1). */
bool http_field_may_trail(unsigned id);

/* http_response_has_body: what a response to that method with that status may carry. */
bool http_response_has_body(enum http_method request, unsigned status);

/* http_parse_length reads Content-Length (1*DIGIT; the same number repeated in a list is one).
 * errors   ERR_SYNTAX, ERR_RANGE (above INT64_MAX), ERR_INVALID (differing numbers). */
[[gnu::warn_unused_result]] int http_parse_length(uint64_t *ret, const struct http_fields *f,
                                                  struct error *why);

#endif
