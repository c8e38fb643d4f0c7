/* The operator's command line: a verb is one request to a running System API.
 * SPDX-License-Identifier: MIT */
#include "base/base64.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "net/client.h"
#include "system_api/password.h"
#include "system_api/system_api.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define ASK_NS (30 * NS_PER_S)
#define ACTION_WAIT_NS (86400 * NS_PER_S)

struct ask {
    const struct settings *settings;
    struct arena arena;
    struct tls *tls;
    struct http_request request;
    struct client_options options;
    struct bytes body;
    int file; // the body instead; -1: none
    uint64_t timeout_ns;
};

// Reads 64 hex digits, with colons between bytes or without.
static bool read_fingerprint(struct hash *ret, const char *text) {
    char digits[2 * sizeof ret->b];
    size_t n = 0;
    for (; *text; text++) {
        if (*text == ':' && n % 2 == 0) continue;
        if (n == sizeof digits) return false;
        digits[n++] = *text;
    }
    return n == sizeof digits && hex_decode(ret->b, bytes_make(digits, n), NULL) == 0;
}

// The pin as the option says it: a PEM file, or a fingerprint.
static int open_tls(struct ask *a, struct error *why) {
    static const char *const alpn[] = {"http/1.1", NULL};
    const char *pin = a->settings->values.pin;
    struct tls_options options = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM, .alpn = alpn};
    struct buf pem;
    struct hash fingerprint;
    int r = 0;
    buf_init(&pem, 1u << 20);
    if (pin && read_fingerprint(&fingerprint, pin)) {
        options.trust = TLS_TRUST_PINS;
        options.pins = &fingerprint;
        options.pin_count = 1;
    } else if (pin && *pin) {
        r = file_read(&pem, pin, why);
        options.trust = TLS_TRUST_PINS;
        options.pins_pem = buf_view(&pem);
    }
    if (r == 0) r = tls_new(&a->tls, &options, why);
    buf_free(&pem);
    return r;
}

static int add_field(struct ask *a, const char *name, struct bytes value, struct error *why) {
    return http_fields_add(&a->request.fields, &a->arena, bytes_from_str(name), value, why);
}

static int add_password(struct ask *a, struct error *why) {
    const struct secret *password = &a->settings->values.password;
    if (!password->n) return 0;
    struct buf pair, header;
    buf_init(&pair, 0);
    buf_init(&header, 0);
    buf_append_str(&pair, "admin:");
    buf_append(&pair, secret_view(password));
    buf_append_str(&header, "Basic ");
    base64_append(&header, buf_view(&pair), 0);
    int r = add_field(a, "Authorization", buf_view(&header), why);
    bytes_wipe(pair.p, pair.n);
    bytes_wipe(header.p, header.n);
    buf_free(&pair);
    buf_free(&header);
    return r;
}

static int begin(struct ask *a, enum http_method method, const char *path, struct error *why) {
    a->request.method = method;
    a->request.method_text = bytes_from_str(http_method_name(method));
    a->request.path = bytes_from_str(path);
    a->options.url = a->settings->values.url;
    int r = strncmp(a->options.url, "https:", 6) == 0 ? open_tls(a, why) : 0;
    a->options.tls = a->tls;
    a->options.response_ns = a->options.body_ns = a->timeout_ns;
    return r == 0 ? add_password(a, why) : r;
}

// "message" of a JSON answer, or the answer as it is.
static struct bytes message_of(struct bytes body, struct arena *arena) {
    const struct json *doc;
    struct bytes text;
    if (json_parse(&doc, body, arena, NULL, NULL) == 0 &&
        json_get_string(&text, doc, "message", NULL) == 0) {
        return text;
    }
    while (body.n && body.p[body.n - 1] == '\n') {
        body.n--;
    }
    return body;
}

// Whoever may write an event must not rule the operator's terminal with it, nor, by line breaks,
// speak as another event.
static void put_text(FILE *to, struct bytes text, bool line_breaks) {
    for (size_t i = 0; i < text.n;) {
        uint32_t c = text.p[i];
        size_t n = utf8_decode(&c, bytes_slice(text, i, 4));
        bool control = n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0);
        if (c == '\t' || (c == '\n' && line_breaks)) control = false;
        if (c == '\n' && !line_breaks) {
            (void)fputs("\\n", to);
        } else if (control) {
            (void)fprintf(to, "\\u%04x", c);
        } else {
            (void)fwrite(text.p + i, 1, n, to);
        }
        i += n ? n : 1;
    }
}

static void put_event(const struct json *event) {
    struct bytes at, message;
    if (json_get_string(&at, event, "received_at", NULL) != 0 ||
        json_get_string(&message, event, "message", NULL) != 0) {
        return;
    }
    put_text(stdout, at, false);
    (void)fputs(" \t ", stdout);
    put_text(stdout, message, false);
    (void)fputc('\n', stdout);
}

static int put_events(struct ask *a, struct bytes body, struct error *why) {
    const struct json *list;
    int r = json_parse(&list, body, &a->arena, NULL, why);
    if (r != 0) return r;
    json_each(event, list) {
        put_event(event);
    }
    return 0;
}

enum shape { SHAPE_MESSAGE, SHAPE_WHOLE, SHAPE_EVENTS };

static int print_answer(struct ask *a, const struct client_answer *answer, enum shape shape,
                        struct error *why) {
    if (answer->status < 200 || answer->status >= 300) {
        (void)fprintf(stderr, "buildernet system-api: %u: ", answer->status);
        put_text(stderr, message_of(answer->body, &a->arena), true);
        (void)fputc('\n', stderr);
        return 1;
    }
    if (shape == SHAPE_EVENTS) return put_events(a, answer->body, why);
    if (shape == SHAPE_WHOLE) {
        put_text(stdout, answer->body, true);
        return 0;
    }
    put_text(stdout, message_of(answer->body, &a->arena), true);
    (void)fputc('\n', stdout);
    return 0;
}

static int ask(struct ask *a, enum shape shape, struct error *why) {
    struct client_answer answer;
    int r = a->file >= 0 ? client_ask_file(&answer, &a->arena, &a->options, &a->request, a->file,
                                           ANSWER_MAX, a->timeout_ns, why)
                         : client_ask(&answer, &a->arena, &a->options, &a->request, a->body,
                                      ANSWER_MAX, a->timeout_ns, why);
    return r == 0 ? print_answer(a, &answer, shape, why) : r;
}

// Percent-encodes a path segment.
static const char *segment_path(struct ask *a, const char *prefix, const char *name,
                                const char *suffix) {
    struct buf out;
    buf_init(&out, 0);
    buf_append_str(&out, prefix);
    for (const char *c = name; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        if (plain) {
            buf_append_byte(&out, (uint8_t)*c);
        } else {
            buf_printf(&out, "%%%02X", (unsigned)(uint8_t)*c);
        }
    }
    buf_append_str(&out, suffix);
    const char *path = arena_str(&a->arena, buf_view(&out));
    buf_free(&out);
    return path ? path : "/";
}

static int ask_call(struct ask *a, const char *action, struct error *why) {
    bool wait = a->settings->values.wait;
    if (wait) a->timeout_ns = ACTION_WAIT_NS;
    int r = begin(a, HTTP_GET,
                  segment_path(a, "/api/v1/actions/", action, wait ? "" : "?wait=false"), why);
    return r == 0 ? ask(a, wait ? SHAPE_MESSAGE : SHAPE_WHOLE, why) : r;
}

static int ask_upload(struct ask *a, const char *name, const char *path, struct error *why) {
    a->file = open(path, O_RDONLY | O_CLOEXEC);
    if (a->file < 0) return error_set_os(why, ERR_IO, errno, "cannot open %s", path);
    a->timeout_ns = ACTION_WAIT_NS; // the way may be slow, and the validator is a command
    int r = begin(a, HTTP_POST, segment_path(a, "/api/v1/file-upload/", name, ""), why);
    if (r == 0) r = ask(a, SHAPE_MESSAGE, why);
    (void)close(a->file);
    a->file = -1;
    return r;
}

// The first line of standard input, without its end. *ret_n: its length, at most `room`.
static int read_line(char *to, size_t room, size_t *ret_n, struct error *why) {
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(0, &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_os(why, ERR_IO, errno, "standard input");
        if (got == 0 || c == '\n') break;
        if (n == room) return error_set(why, ERR_LIMIT, "a password has at most %zu bytes", room);
        to[n++] = c;
    }
    *ret_n = n;
    return n ? 0 : error_set(why, ERR_NOT_FOUND, "no password on standard input");
}

// A terminal does not show what is typed.
static int read_password(char *to, size_t room, size_t *ret_n, struct error *why) {
    struct termios shown, hidden;
    if (tcgetattr(0, &shown) != 0) return read_line(to, room, ret_n, why);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)fputs("New password: ", stderr);
    (void)tcsetattr(0, TCSAFLUSH, &hidden);
    int r = read_line(to, room, ret_n, why);
    (void)tcsetattr(0, TCSAFLUSH, &shown);
    (void)fputc('\n', stderr);
    return r;
}

static int ask_password(struct ask *a, struct error *why) {
    char line[PASSWORD_BYTES_MAX];
    size_t n = 0;
    int r = read_password(line, sizeof line, &n, why);
    a->body = bytes_make(line, n);
    if (r == 0) r = begin(a, HTTP_POST, "/api/v1/set-basic-auth", why);
    if (r == 0) r = ask(a, SHAPE_MESSAGE, why);
    a->body = (struct bytes){NULL, 0};
    bytes_wipe(line, sizeof line);
    return r;
}

// Following: pieces of the stream as they come.

struct following {
    struct loop *loop;
    struct buf line;
    int status;
    struct error why;
};

static void follow_head(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    struct following *f = context;
    f->status = r->status == 200 ? 0 : 1;
    if (f->status) (void)fprintf(stderr, "buildernet system-api: %u\n", r->status);
}

static void follow_line(struct bytes line) {
    const struct json *doc;
    struct arena arena;
    if (!bytes_starts_with(line, BYTES_LIT("data: "))) return;
    arena_init(&arena, 1u << 20);
    if (json_parse(&doc, bytes_slice(line, 6, SIZE_MAX), &arena, NULL, NULL) == 0) {
        put_event(doc);
        (void)fflush(stdout);
    }
    arena_free(&arena);
}

static void follow_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    struct following *f = context;
    buf_append(&f->line, in);
    const uint8_t *newline;
    while (f->line.n && (newline = memchr(f->line.p, '\n', f->line.n))) {
        size_t n = (size_t)(newline - f->line.p);
        follow_line(bytes_make(f->line.p, n));
        buf_drop_front(&f->line, n + 1);
    }
}

static void follow_end(struct client_call *k, void *context) {
    (void)k;
    loop_stop(((struct following *)context)->loop);
}

static void follow_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    struct following *f = context;
    f->why = *why;
    f->status = why->code;
    loop_stop(f->loop);
}

static int follow(struct ask *a, const char *path, struct error *why) {
    static const struct client_events events = {
        .response = follow_head, .body = follow_body, .end = follow_end, .failed = follow_failed};
    struct following f = {0};
    struct client *client = NULL;
    struct client_call *call;
    buf_init(&f.line, 1u << 20);
    a->timeout_ns = ACTION_WAIT_NS;
    int r = begin(a, HTTP_GET, path, why);
    if (r == 0) r = loop_new(&f.loop, &(struct loop_options){0}, why);
    if (r == 0) r = client_new(&client, f.loop, &a->options, why);
    if (r == 0) {
        r = client_start(&call, client, &a->request, (struct bytes){NULL, 0}, false, &events, &f,
                         why);
    }
    if (r == 0) r = loop_run(f.loop, why);
    if (r == 0 && f.status < 0) {
        *why = f.why;
        r = f.status;
    }
    client_free(client);
    loop_free(f.loop);
    buf_free(&f.line);
    return r == 0 ? f.status : r;
}

static int ask_events(struct ask *a, struct error *why) {
    const struct settings_values *v = &a->settings->values;
    const char *path = arena_printf(&a->arena, "/api/v1/events?since=%llu%s",
                                    (unsigned long long)v->since, v->follow ? "&follow=1" : "");
    if (!path) return error_set(why, ERR_NO_MEMORY, "no memory for the request");
    if (v->follow) return follow(a, path, why);
    int r = begin(a, HTTP_GET, path, why);
    return r == 0 ? ask(a, SHAPE_EVENTS, why) : r;
}

int system_api_ask(const struct settings *settings) {
    struct ask a = {.settings = settings, .file = -1, .timeout_ns = ASK_NS};
    struct config_list arguments = config_arguments(settings->config);
    struct error why = {0};
    int r = ERR_INTERNAL;
    arena_init(&a.arena, 2 * (size_t)ANSWER_MAX);
    switch (config_verb_index(settings->config)) {
    case SETTINGS_CALL:
        r = ask_call(&a, arguments.items[0], &why);
        break;
    case SETTINGS_UPLOAD:
        r = ask_upload(&a, arguments.items[0], arguments.items[1], &why);
        break;
    case SETTINGS_EVENTS:
        r = ask_events(&a, &why);
        break;
    case SETTINGS_SET_PASSWORD:
        r = ask_password(&a, &why);
        break;
    default:
        break;
    }
    if (r < 0) (void)fprintf(stderr, "buildernet system-api: %s\n", why.text);
    tls_free(a.tls);
    arena_free(&a.arena);
    return r < 0 ? 2 : r;
}
