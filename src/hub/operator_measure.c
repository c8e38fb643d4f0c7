/* What goes into the allow-list: measurements of images that are files, and of nodes that run.
 * SPDX-License-Identifier: MIT */
#include "hub/operator_internal.h"

#include "base/clock.h"
#include "base/process.h"
#include "hub/state_file.h"
#include "json/write.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MEASURE_NS (120 * NS_PER_S)

// The first bytes tell: an image may be large.
static int looks_like_json(struct command *c, const char *path, bool *ret) {
    char head[64];
    FILE *f = fopen(path, "re");
    if (!f) return error_set_os(&c->why, ERR_NOT_FOUND, errno, "%s", path);
    size_t n = fread(head, 1, sizeof head - 1, f);
    (void)fclose(f);
    head[n] = '\0';
    size_t blank = strspn(head, " \t\r\n");
    *ret = head[blank] == '{' || head[blank] == '[';
    return 0;
}

/* What `buildernet attest measurements` says of an image, a quote or an event log. */
static int measure(struct command *c, struct buf *out, const char *path) {
    const char *argv[] = {"/proc/self/exe", "attest", "measurements", path, NULL};
    struct process_options o = {
        .argv = argv, .folder = ".", .limit_ns = MEASURE_NS, .output_bytes = 1u << 20};
    struct process p;
    int r = process_run(&p, &o, &c->why);
    if (r != 0) return r;
    if (p.exit_status != 0) {
        struct bytes said = buf_view(&p.out[1]);
        while (said.n && said.p[said.n - 1] == '\n') {
            said.n--;
        }
        r = error_set(&c->why, ERR_INVALID, "%s cannot be measured: %.*s", path,
                      (int)(said.n < 300 ? said.n : 300), said.n ? (const char *)said.p : "");
    } else {
        buf_append(out, buf_view(&p.out[0]));
        r = buf_check(out, &c->why);
    }
    process_free(&p);
    return r;
}

static int read_measurements(struct command *c, struct buf *out, const char *path) {
    bool given = strcmp(path, "-") == 0 || state_file_kind(path) != STATE_FILE_JSON;
    int r = given ? 0 : looks_like_json(c, path, &given);
    if (r != 0) return r;
    return given ? state_file_read(out, path, &c->why) : measure(c, out, path);
}

/* ---- allowing, as a part of the wanted state ---- */

static void copy_members(struct json_writer *w, const struct json *from, const char *const *names) {
    for (; *names; names++) {
        const struct json *v = json_get(from, *names);
        if (!json_is_null(v)) json_add_raw(w, *names, json_raw(v));
    }
}

static void put_entry(struct json_writer *w, const struct json *entry) {
    static const char *const names[] = {"measurement_id", "attestation_type", "measurements",
                                        "dcap_image_hashes", NULL};
    json_begin_object(w, NULL);
    copy_members(w, entry, names);
    json_add_bool(w, "enabled", true);
    json_end(w);
}

// The builder as it is, but for its configuration.
static int put_builder(struct command *c, struct json_writer *w) {
    static const char *const names[] = {"name",    "ip_address", "dns_name", "network",
                                        "enabled", "shadow_of",  NULL};
    const char *builder = c->values.builder, *path = c->values.configuration;
    const struct json *row = NULL;
    struct buf text;
    int r = operator_get(c, V2 "builders", NULL);
    if (r != 0) return r;
    json_each(v, c->answer) {
        struct bytes name;
        if (json_get_string(&name, v, "name", NULL) == 0 && bytes_equal_str(name, builder)) row = v;
    }
    if (!row) {
        c->refused = true;
        return error_set(&c->why, ERR_NOT_FOUND, "no builder is named %s", builder);
    }
    buf_init(&text, STATE_FILE_BYTES_MAX);
    r = state_file_read(&text, path, &c->why);
    if (r == 0) {
        json_begin_object(w, NULL);
        copy_members(w, row, names);
        json_add_raw(w, "configuration", buf_view(&text));
        json_end(w);
    }
    buf_free(&text);
    return r;
}

static int write_state(struct command *c, struct buf *out, const struct json *doc) {
    struct json_writer w;
    int r = 0;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "unlisted", "keep");
    json_begin_array(&w, "measurements");
    if (json_type_of(doc) == JSON_ARRAY) {
        json_each(entry, doc) put_entry(&w, entry);
    } else {
        put_entry(&w, doc);
    }
    json_end(&w);
    if (c->values.builder) {
        json_begin_array(&w, "builders");
        r = put_builder(c, &w);
        json_end(&w);
    }
    json_end(&w);
    return r == 0 ? buf_check(out, &c->why) : r;
}

static int tell(struct command *c, const struct json *entry, const char *what) {
    struct bytes id;
    int r = json_get_string(&id, entry, "measurement_id", &c->why);
    if (r == 0) buf_printf(&c->out, "%.*s: %s\n", (int)id.n, (const char *)id.p, what);
    return r;
}

// One entry, or a list of them, as measurement files are published.
static int each_entry(struct command *c, const struct json *doc,
                      int (*act)(struct command *c, const struct json *entry)) {
    int r = 0;
    if (json_type_of(doc) != JSON_ARRAY) return act(c, doc);
    json_each(entry, doc) {
        if (r == 0) r = act(c, entry);
    }
    return r;
}

static int say_allowed(struct command *c, const struct json *entry) {
    return tell(c, entry, "allowed");
}

static int add_entry(struct command *c, const struct json *entry) {
    int r = operator_post(c, V1 "measurements", NULL, json_raw(entry));
    return r == 0 ? tell(c, entry, "added, not enabled") : r;
}

static int parse(struct command *c, const struct json **ret, struct bytes text) {
    return json_parse(ret, arena_copy(&c->arena, text), &c->arena, NULL, &c->why);
}

// ask: what the hub would change is shown, and somebody agrees.
static int allow(struct command *c, int *ret_status, const struct json *doc, bool ask) {
    const struct json *state;
    struct bytes digest;
    struct buf text;
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = write_state(c, &text, doc);
    if (r == 0) r = parse(c, &state, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = operator_apply_request(c, state, true, (struct bytes){NULL, 0});
    if (r == 0) r = json_get_string(&digest, c->answer, "digest", &c->why);
    if (r != 0) return r;
    if (ask) operator_print_changes(&c->out, json_get(c->answer, "changes"));
    if (ask && !operator_agreed(c, "Allow?")) {
        *ret_status = EXIT_REFUSED;
        return 0;
    }
    r = operator_apply_request(c, state, false, digest);
    return r == 0 ? each_entry(c, doc, say_allowed) : r;
}

int operator_add_measurements(struct command *c, const char *path) {
    const struct json *doc;
    struct buf text;
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = read_measurements(c, &text, path);
    if (r == 0) r = parse(c, &doc, buf_view(&text));
    if (r == 0) r = each_entry(c, doc, add_entry);
    buf_free(&text);
    return r;
}

int operator_allow(struct command *c, int *ret_status, const char *what) {
    bool runs = strncmp(what, "https://", 8) == 0;
    const struct json *doc;
    struct buf text;
    if (!c->values.builder != !c->values.configuration) {
        return error_set(&c->why, ERR_UNSUPPORTED,
                         "--builder and --configuration are given together");
    }
    buf_init(&text, STATE_FILE_BYTES_MAX);
    int r = runs ? operator_probe(c, &text, what) : read_measurements(c, &text, what);
    if (r == 0) r = parse(c, &doc, buf_view(&text));
    if (r == 0) r = allow(c, ret_status, doc, runs);
    buf_free(&text);
    return r;
}
