/* SPDX-License-Identifier: MIT */
#include "hub/operator_internal.h"

#include "base/file.h"
#include "hub/jsonb.h"
#include "hub/state_file.h"
#include "net/auth.h"
#include "net/client.h"
#include "net/url.h"
#include "json/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define ASK_NS (60 * NS_PER_S)

#define T operator_values
static const struct config_option options[] = {
    {.flag = "url",
     .type = CONFIG_TYPE_URL,
     .offset = offsetof(struct T, url),
     .value = "http://127.0.0.1:8081",
     .env = "HUB_ADMIN_URL",
     .help = "The hub's admin listener."},
    {.flag = "user",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(struct T, user),
     .value = "admin",
     .env = "HUB_ADMIN_USER",
     .help = "Who to log in as."},
    {.flag = "password",
     .type = CONFIG_TYPE_SECRET,
     .offset = offsetof(struct T, password),
     .env = "HUB_ADMIN_PASSWORD",
     .help = "The admin's password; better in the environment or a file than on the line."},
    CONFIG_PATH(T, ca, "ca", NULL, "Roots for https, PEM; without it the machine's."),
    {.flag = "author",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(struct T, author),
     .env = "HUB_AUTHOR",
     .help = "Who makes the change, for the hub's history; without it the login's name."},
    CONFIG_STRING(T, reason, "reason", NULL, "TEXT", "Why, for the hub's history."),
    CONFIG_BOOL(T, json, "json", "false", "Print the hub's answer as it is."),
    CONFIG_BOOL(T, yes, "yes", "false", "apply, measurements allow: do not ask."),
    CONFIG_STRING(T, id, "name", NULL, "NAME",
                  "measurements allow ADDRESS: what the entry is called; without it the address."),
    {.flag = "protocol",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(struct T, form),
     .value = "ratls",
     .choices = "ratls|atls",
     .help = "measurements allow ADDRESS: how the node attests (as of attested-proxy)."},
    CONFIG_PATH(T, root, "root", NULL,
                "measurements allow ADDRESS: trust root of quotes, PEM, instead of Intel's."),
    CONFIG_LIST(T, collateral, "collateral", NULL, "PATH,...",
                "measurements allow ADDRESS: collateral of the node's platform."),
    CONFIG_PATH(T, ak_roots, "ak-roots", NULL,
                "measurements allow ADDRESS: Azure's roots of attestation keys, PEM, instead of "
                "the built-in ones."),
    CONFIG_PATH(T, policy, "policy", NULL,
                "measurements allow ADDRESS: what the evidence must satisfy; without it: TCB up "
                "to date, no debug."),
    CONFIG_STRING(T, builder, "builder", NULL, "NAME",
                  "measurements allow: whose configuration is set in the same transaction."),
    CONFIG_PATH(T, configuration, "configuration", NULL, "measurements allow: that configuration."),
    CONFIG_PATH(T, file, "file", NULL, "apply, diff: the wanted state (also -f)."),
    CONFIG_STRING(T, ip, "ip", NULL, "ADDRESS", "builders add, set: its address."),
    CONFIG_STRING(T, dns, "dns", NULL, "NAME", "builders add, set: its DNS name."),
    CONFIG_STRING(T, network, "network", NULL, "NAME", "builders add, set: its network."),
    CONFIG_STRING(T, shadow_of, "shadow-of", NULL, "NAME",
                  "builders set: get the configuration of this builder of another network, with "
                  "one's own secrets and peers; \"\" for one's own again."),
    CONFIG_STRING(T, unlisted, "unlisted", "keep", "keep|disable|delete",
                  "apply, diff: what happens to what the file does not name."),
};
#undef T

enum verb { BUILDERS, MEASUREMENTS, CONFIGS, SECRETS, EVENTS, CHANGES, APPLY, DIFF, VERB_COUNT };

static const struct config_verb verbs[VERB_COUNT] = {HUB_OPERATOR_VERBS(NULL)};

const struct config_program hub_operator_program = {
    .name = "hub",
    .summary = "the operator's commands to a running hub",
    .details =
        "Every change is recorded with its author and reason.\n\nExit status: 0 done; 1 the "
        "hub refused, or nobody agreed; 2 there is a difference (diff); 64 usage; 65 a file "
        "or value is not of its form; 66 a file or flag is not known; 69 the hub is away; "
        "74 a file cannot be read; 75 the hub cannot now, try again; 77 the password, or the "
        "hub's certificate, is not right.",
    CONFIG_OPTIONS(options, struct operator_values),
    .verbs = verbs,
    .verb_count = VERB_COUNT,
};

static bool is_word(const struct command *c, const char *word) {
    return c->words.count && strcmp(c->words.items[0], word) == 0;
}

static const char *word_at(const struct command *c, size_t i) {
    return i < c->words.count ? c->words.items[i] : NULL;
}

/* ---- asking the hub ---- */

static int add_field(struct command *c, struct http_request *r, const char *name,
                     struct bytes value) {
    return http_fields_add(&r->fields, &c->arena, bytes_from_str(name), value, &c->why);
}

static int add_fields(struct command *c, struct http_request *r) {
    const struct operator_values *v = &c->values;
    int code = 0;
    if (v->password.n) {
        struct buf text;
        buf_init(&text, 0);
        code = auth_basic_write(&text, bytes_from_str(v->user), secret_view(&v->password), &c->why);
        if (code == 0) code = add_field(c, r, "authorization", buf_view(&text));
        bytes_wipe(text.p, text.n);
        buf_free(&text);
    }
    const char *author = v->author ? v->author : getenv("USER");
    if (code == 0 && author) code = add_field(c, r, "x-hub-author", bytes_from_str(author));
    if (code == 0 && v->reason) code = add_field(c, r, "x-hub-reason", bytes_from_str(v->reason));
    return code;
}

static int open_tls(struct command *c, struct client_options *o) {
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_options t = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM, .alpn = alpn};
    struct buf pem;
    int r = 0;
    if (strncmp(c->values.url, "https:", 6) != 0) return 0;
    buf_init(&pem, 1u << 20);
    if (c->values.ca) {
        r = file_read(&pem, c->values.ca, &c->why);
        t.trust = TLS_TRUST_CA;
        t.ca_pem = buf_view(&pem);
    }
    if (r == 0) r = tls_new(&o->tls, &t, &c->why);
    buf_free(&pem);
    return r;
}

static int refused(struct command *c, unsigned status, const char *path) {
    struct bytes text = c->body, detail = {NULL, 0};
    if (c->answer && json_get_string(&text, c->answer, "message", NULL) == 0) {
        (void)!json_get_string(&detail, c->answer, "error", NULL);
    }
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    c->refused = status != 401 && status != 503;
    return error_set(&c->why,
                     status == 401   ? ERR_AUTH
                     : status == 503 ? ERR_BUSY
                                     : ERR_INVALID,
                     "the hub says %u to %s%s%.*s%s%.*s", status, path, text.n ? ": " : "",
                     (int)(text.n < 200 ? text.n : 200), text.n ? (const char *)text.p : "",
                     detail.n ? ": " : "", (int)(detail.n < 200 ? detail.n : 200),
                     detail.n ? (const char *)detail.p : "");
}

/* One request; the path is a prefix and segments that are percent-encoded (ended by NULL). */
int operator_ask(struct command *c, enum http_method method, struct bytes body, const char *prefix,
                 const char *const *segments) {
    struct client_options o = {.url = c->values.url, .response_ns = ASK_NS, .body_ns = ASK_NS};
    struct client_answer answer;
    struct buf path;
    buf_init(&path, 0);
    buf_append_str(&path, prefix);
    for (; segments && *segments; segments++) {
        buf_append_byte(&path, '/');
        url_append_encoded(&path, bytes_from_str(*segments));
    }
    const char *text = arena_str(&c->arena, buf_view(&path));
    buf_free(&path);
    struct http_request r = {.method = method,
                             .method_text = bytes_from_str(http_method_name(method)),
                             .path = bytes_from_str(text ? text : "/"),
                             .body = method == HTTP_GET ? HTTP_BODY_NONE : HTTP_BODY_LENGTH};
    int code = add_fields(c, &r);
    if (code == 0) code = open_tls(c, &o);
    if (code == 0) {
        code = client_ask(&answer, &c->arena, &o, &r, body, ANSWER_BYTES_MAX, ASK_NS, &c->why);
        tls_free(o.tls);
        // Whatever keeps it from answering (but a certificate that is not its own): it is away.
        if (code != 0 && code != ERR_UNTRUSTED) c->why.code = ERR_CLOSED;
        if (code != 0) return error_wrap(&c->why, "%s", c->values.url);
    }
    if (code != 0) return code;
    c->body = answer.body;
    c->answer = NULL;
    struct json_limits limits = {ANSWER_BYTES_MAX, 64, 8u << 20, false};
    if (answer.body.n && json_parse(&c->answer, answer.body, &c->arena, &limits, NULL) != 0) {
        c->answer = NULL;
    }
    return answer.status == 200 ? 0 : refused(c, answer.status, text);
}

int operator_get(struct command *c, const char *prefix, const char *name) {
    const char *segments[] = {name, NULL};
    return operator_ask(c, HTTP_GET, (struct bytes){NULL, 0}, prefix, segments);
}

int operator_post(struct command *c, const char *prefix, const char *name, struct bytes body) {
    const char *segments[] = {name, NULL};
    return operator_ask(c, HTTP_POST, body, prefix, segments);
}

static int switch_on(struct command *c, const char *prefix, const char *name, bool on) {
    return operator_post(c, prefix, name,
                         on ? BYTES_LIT("{\"enabled\":true}") : BYTES_LIT("{\"enabled\":false}"));
}

/* ---- printing ---- */

static void print_body(struct command *c) {
    buf_append(&c->out, c->body);
    if (c->body.n && c->body.p[c->body.n - 1] != '\n') buf_append_byte(&c->out, '\n');
}

static void print_list(struct command *c, const char *const *members) {
    if (c->values.json || !c->answer)
        print_body(c);
    else
        operator_print_table(&c->out, c->answer, members);
}

// The one of a list whose member is that name.
static int print_one(struct command *c, const char *member, const char *name) {
    json_each(row, c->answer) {
        struct bytes text;
        if (json_get_string(&text, row, member, NULL) != 0 || !bytes_equal_str(text, name))
            continue;
        buf_append(&c->out, json_raw(row));
        buf_append_byte(&c->out, '\n');
        return 0;
    }
    c->refused = true;
    return error_set(&c->why, ERR_NOT_FOUND, "nothing is named %s", name);
}

static int usage(struct command *c, enum verb verb) {
    return error_set(&c->why, ERR_UNSUPPORTED, "usage: buildernet hub %s %s", verbs[verb].name,
                     verbs[verb].arguments);
}

/* ---- builders ---- */

static struct bytes builder_body(struct command *c, const char *name) {
    const struct operator_values *v = &c->values;
    struct json_writer w;
    struct buf body;
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    if (name) json_add_str(&w, "name", name);
    if (v->ip) json_add_str(&w, "ip_address", v->ip);
    if (v->dns) json_add_str(&w, "dns_name", v->dns);
    if (v->network) json_add_str(&w, "network", v->network);
    if (v->shadow_of) json_add_str(&w, "shadow_of", v->shadow_of);
    json_end(&w);
    struct bytes kept = arena_copy(&c->arena, buf_view(&body));
    buf_free(&body);
    return kept;
}

static int builders(struct command *c) {
    static const char *const members[] = {"name",    "ip_address", "dns_name",     "network",
                                          "enabled", "registered", "last_contact", NULL};
    const char *name = word_at(c, 1);
    const char *const segments[] = {name, NULL};
    if (is_word(c, "list") && !name) {
        int r = operator_get(c, V2 "builders", NULL);
        if (r == 0) print_list(c, members);
        return r;
    }
    if (!name) return usage(c, BUILDERS);
    if (is_word(c, "show")) {
        int r = operator_get(c, V2 "builders", NULL);
        return r == 0 ? print_one(c, "name", name) : r;
    }
    if (is_word(c, "add") && c->values.shadow_of) return usage(c, BUILDERS);
    if (is_word(c, "add")) return operator_post(c, V1 "builders", NULL, builder_body(c, name));
    if (is_word(c, "set"))
        return operator_ask(c, HTTP_PUT, builder_body(c, NULL), V2 "builders", segments);
    if (is_word(c, "enable")) return switch_on(c, V1 "builders/activation", name, true);
    if (is_word(c, "disable")) return switch_on(c, V1 "builders/activation", name, false);
    if (is_word(c, "delete")) {
        return operator_ask(c, HTTP_DELETE, (struct bytes){NULL, 0}, V2 "builders", segments);
    }
    return usage(c, BUILDERS);
}

/* ---- measurements ---- */

static int measurements(struct command *c, int *ret_status) {
    static const char *const members[] = {"measurement_id", "attestation_type", "enabled",
                                          "created_at", NULL};
    const char *name = word_at(c, 1);
    const char *const segments[] = {name, NULL};
    if (is_word(c, "list") && !name) {
        int r = operator_get(c, V2 "measurements", NULL);
        if (r == 0) print_list(c, members);
        return r;
    }
    if (!name) return usage(c, MEASUREMENTS);
    if (is_word(c, "show")) {
        int r = operator_get(c, V2 "measurements", NULL);
        return r == 0 ? print_one(c, "measurement_id", name) : r;
    }
    if (is_word(c, "add")) return operator_add_measurements(c, name);
    if (is_word(c, "allow")) return operator_allow(c, ret_status, name);
    if (is_word(c, "enable")) return switch_on(c, V1 "measurements/activation", name, true);
    if (is_word(c, "disable")) return switch_on(c, V1 "measurements/activation", name, false);
    if (is_word(c, "delete")) {
        return operator_ask(c, HTTP_DELETE, (struct bytes){NULL, 0}, V2 "measurements", segments);
    }
    return usage(c, MEASUREMENTS);
}

/* ---- configurations and secrets ---- */

static int set_from_file(struct command *c, const char *prefix, const char *builder,
                         const char *path) {
    struct buf text;
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = state_file_read(&text, path, &c->why);
    if (r == 0) r = operator_post(c, prefix, builder, buf_view(&text));
    if (text.p) bytes_wipe(text.p, text.n);
    buf_free(&text);
    return r;
}

static int config_version(struct command *c, enum http_method method, const char *builder,
                          const char *version) {
    const char *const segments[] = {builder, "configurations", version, NULL};
    return operator_ask(c, method, (struct bytes){NULL, 0}, V2 "builders", segments);
}

static int canonical(struct command *c, const struct json **ret, struct bytes text) {
    const struct json *doc;
    struct buf out;
    buf_init(&out, 0);
    int r = json_parse(&doc, text, &c->arena, NULL, &c->why);
    if (r == 0) r = jsonb_write(&out, doc, &c->arena, &c->why);
    if (r == 0) r = buf_check(&out, &c->why);
    if (r == 0) {
        r = json_parse(ret, arena_copy(&c->arena, buf_view(&out)), &c->arena, NULL, &c->why);
    }
    buf_free(&out);
    return r;
}

static int config_diff(struct command *c, int *ret_status, const char *builder, const char *path) {
    const struct json *from = NULL, *to = NULL;
    struct buf text;
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = state_file_read(&text, path, &c->why);
    if (r == 0) r = canonical(c, &to, buf_view(&text));
    buf_free(&text);
    const char *const segments[] = {builder, "active", NULL};
    if (r == 0) {
        r = operator_ask(c, HTTP_GET, (struct bytes){NULL, 0}, V1 "builders/configuration",
                         segments);
    }
    if (r == 0) r = canonical(c, &from, c->body);
    if (r == 0 && operator_diff(&c->out, from, to) > 0) *ret_status = EXIT_DIFFERS;
    return r;
}

static int configs(struct command *c, int *ret_status) {
    static const char *const members[] = {"version", "active", "created_at", NULL};
    const char *builder = word_at(c, 1), *last = word_at(c, 2);
    if (is_word(c, "list") && !last) {
        int r = config_version(c, HTTP_GET, builder, NULL);
        if (r == 0) print_list(c, members);
        return r;
    }
    if (is_word(c, "show")) {
        int r = config_version(c, HTTP_GET, builder, last ? last : "active");
        if (r == 0) print_body(c);
        return r;
    }
    if (!last) return usage(c, CONFIGS);
    if (is_word(c, "set")) return set_from_file(c, V1 "builders/configuration", builder, last);
    if (is_word(c, "activate")) return config_version(c, HTTP_POST, builder, last);
    if (is_word(c, "diff")) return config_diff(c, ret_status, builder, last);
    return usage(c, CONFIGS);
}

static int secrets(struct command *c) {
    const char *builder = word_at(c, 1), *path = word_at(c, 2);
    if (is_word(c, "set") && path) return set_from_file(c, V1 "builders/secrets", builder, path);
    if (!is_word(c, "show") || path) return usage(c, SECRETS);
    const char *const segments[] = {builder, "full", NULL};
    int r =
        operator_ask(c, HTTP_GET, (struct bytes){NULL, 0}, V1 "builders/configuration", segments);
    if (r == 0) print_body(c);
    return r;
}

static int history(struct command *c, const char *prefix, const char *const *members) {
    if (!is_word(c, "list")) return usage(c, strstr(prefix, "events") ? EVENTS : CHANGES);
    int r = operator_get(c, prefix, NULL);
    if (r == 0) print_list(c, members);
    return r;
}

/* ---- the whole state ---- */

// The file's document with what this run wants of it.
int operator_apply_request(struct command *c, const struct json *state, bool dry_run,
                           struct bytes expect) {
    struct json_writer w;
    struct buf body;
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_members(key, value, state) {
        json_add_key(&w, json_text(key));
        json_add_raw(&w, NULL, json_raw(value));
    }
    if (!json_get(state, "unlisted")) json_add_str(&w, "unlisted", c->values.unlisted);
    json_add_bool(&w, "dry_run", dry_run);
    if (expect.n) json_add_text(&w, "expect", expect);
    json_end(&w);
    int r = buf_check(&body, &c->why);
    if (r == 0) r = operator_post(c, V2 "apply", NULL, buf_view(&body));
    buf_free(&body);
    return r;
}

bool operator_agreed(struct command *c, const char *question) {
    char line[16] = "";
    if (c->values.yes) return true;
    if (!isatty(STDIN_FILENO)) {
        (void)fputs("buildernet hub: nothing was changed: give --yes where nobody can be asked\n",
                    stderr);
        return false;
    }
    (void)fwrite(c->out.p ? (const char *)c->out.p : "", 1, c->out.n, stdout);
    buf_clear(&c->out);
    (void)printf("%s [y/N] ", question);
    (void)fflush(stdout);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static int read_state(struct command *c, const struct json **ret) {
    const char *path = c->values.file ? c->values.file : word_at(c, 0);
    struct buf text;
    if (!path) return error_set(&c->why, ERR_UNSUPPORTED, "name the file: -f FILE");
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = state_file_read(&text, path, &c->why);
    if (r == 0) {
        r = json_parse(ret, arena_copy(&c->arena, buf_view(&text)), &c->arena, NULL, &c->why);
    }
    if (r == 0 && json_expect(*ret, JSON_OBJECT, &c->why) != 0) r = error_wrap(&c->why, "%s", path);
    buf_free(&text);
    return r;
}

static int apply(struct command *c, bool carry_out, int *ret_status) {
    const struct json *state;
    struct bytes digest;
    int r = read_state(c, &state);
    if (r == 0) r = operator_apply_request(c, state, true, (struct bytes){NULL, 0});
    if (r == 0) r = json_get_string(&digest, c->answer, "digest", &c->why);
    if (r != 0) return r;
    const struct json *changes = json_get(c->answer, "changes");
    if (c->values.json)
        print_body(c);
    else
        operator_print_changes(&c->out, changes);
    if (json_count(changes) == 0) {
        if (!c->values.json) buf_append_str(&c->out, "nothing to change\n");
        return 0;
    }
    if (!carry_out) {
        *ret_status = EXIT_DIFFERS;
        return 0;
    }
    if (!operator_agreed(c, "Apply?")) {
        *ret_status = EXIT_REFUSED;
        return 0;
    }
    r = operator_apply_request(c, state, false, digest);
    if (r == 0 && !c->values.json) buf_append_str(&c->out, "applied\n");
    return r;
}

/* ---- the line ---- */

static int run(struct command *c, enum verb verb, int *ret_status) {
    static const char *const event_members[] = {"at", "event", "builder", "measurement_id", NULL};
    static const char *const change_members[] = {"at",     "change", "subject",
                                                 "author", "reason", NULL};
    switch (verb) {
    case BUILDERS:
        return builders(c);
    case MEASUREMENTS:
        return measurements(c, ret_status);
    case CONFIGS:
        return configs(c, ret_status);
    case SECRETS:
        return secrets(c);
    case EVENTS:
        return history(c, V2 "events", event_members);
    case CHANGES:
        return history(c, V2 "changes", change_members);
    case APPLY:
    case DIFF:
        return apply(c, verb == APPLY, ret_status);
    case VERB_COUNT:
        break;
    }
    return ERR_INTERNAL;
}

static int run_loaded(struct command *c, const struct config *config) {
    int status = EXIT_GOOD;
    c->words = config_arguments(config);
    arena_init(&c->arena, 16u * ANSWER_BYTES_MAX);
    buf_init(&c->out, 0);
    int r = run(c, (enum verb)config_verb_index(config), &status);
    if (c->out.n) (void)fwrite(c->out.p, 1, c->out.n, stdout);
    if (r != 0) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "buildernet hub: %s\n", c->why.text);
        status = c->refused ? EXIT_REFUSED : error_class_of(r)->exit_status;
    }
    if (c->out.p) bytes_wipe(c->out.p, c->out.n);
    buf_free(&c->out);
    arena_wipe(&c->arena); // passwords, and secrets that were shown or set
    return status;
}

int hub_operator(int argc, char **argv) {
    static char file_flag[] = "--file";
    struct command c = {.answer = NULL};
    struct config *config;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0) argv[i] = file_flag;
    }
    int r = config_load(&config, &hub_operator_program, &c.values, argc, argv, &c.why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet hub: %s\n", c.why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = EXIT_GOOD;
    if (text.n)
        (void)fwrite(text.p, 1, text.n, stdout);
    else
        status = run_loaded(&c, config);
    config_free(config);
    return status;
}
