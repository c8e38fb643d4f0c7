/* `devnet allow FILE`: an image's or node's measurement, with a node's configuration, as a wanted
 * state for the hub, which `buildernet hub apply` shows the difference to, asks about, and makes.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/process.h"
#include "devnet/asker.h"
#include "json/write.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES_MAX (16u << 20)
#define MEASURE_NS (60 * NS_PER_S)

bool allow_is_file(const char *word) {
    return strchr(word, '/') || strchr(word, '.');
}

static int find_self(char ret[PATH_MAX], struct error *why) {
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (n <= 0) return error_set(why, ERR_NOT_FOUND, "this program's file is not known");
    ret[n] = '\0';
    return 0;
}

static int read_json(struct asker *k, const char *path, const struct json **ret,
                     struct error *why) {
    struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    int r = file_read(&text, path, why);
    struct bytes kept = arena_copy(&k->arena, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = json_parse(ret, kept, &k->arena, NULL, why);
    return r < 0 ? error_wrap(why, "%s", path) : 0;
}

// What `buildernet attest measurements` says of an image, a quote, or an event log.
static int measure(struct asker *k, const char *path, const struct json **ret, struct error *why) {
    char self[PATH_MAX], absolute[PATH_MAX];
    struct process p;
    int r = find_self(self, why);
    if (r == 0 && !realpath(path, absolute)) {
        r = error_set(why, ERR_NOT_FOUND, "%s cannot be read", path);
    }
    if (r < 0) return r;
    const char *argv[] = {self, "attest", "measurements", absolute, "--json", NULL};
    const struct process_options o = {
        .argv = argv, .limit_ns = MEASURE_NS, .output_bytes = FILE_BYTES_MAX};
    r = process_run(&p, &o, why);
    if (r == 0 && p.exit_status != 0) {
        r = error_set(why, ERR_INVALID, "%s cannot be measured: %.*s", path, (int)p.out[1].n,
                      (const char *)p.out[1].p);
    }
    struct bytes kept = r == 0 ? arena_copy(&k->arena, buf_view(&p.out[0])) : (struct bytes){0};
    process_free(&p);
    return r == 0 ? json_parse(ret, kept, &k->arena, NULL, why) : r;
}

static bool is_json(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".json") == 0;
}

// A list of entries, one entry, or a whole wanted state with a list of them.
static int write_measurements(struct json_writer *w, const struct json *doc, struct error *why) {
    const struct json *list =
        json_type_of(doc) == JSON_OBJECT ? json_get(doc, "measurements") : doc;
    bool one = json_type_of(doc) == JSON_OBJECT && json_get(doc, "measurement_id");
    if (!one && json_type_of(list) != JSON_ARRAY) {
        return error_set(why, ERR_INVALID, "no measurements in it");
    }
    json_begin_array(w, "measurements");
    if (one) json_add_raw(w, NULL, json_raw(doc));
    json_each(item, one ? NULL : list) json_add_raw(w, NULL, json_raw(item));
    json_end(w);
    return 0;
}

static int write_builder(struct asker *k, struct json_writer *w, const struct json *told,
                         const char *name, const char *path, struct error *why) {
    const struct json *configuration = NULL, *found = NULL;
    int r = read_json(k, path, &configuration, why);
    if (r < 0) return r;
    json_each(node, json_get(told, "nodes")) {
        if (strcmp(asker_text(k, node, "name"), name) == 0) found = node;
    }
    if (!found) return error_set(why, ERR_NOT_FOUND, "there is no node %s", name);
    json_begin_array(w, "builders");
    json_begin_object(w, NULL);
    json_add_str(w, "name", asker_text(k, found, "builder_name"));
    json_add_str(w, "ip_address", asker_text(k, found, "ip"));
    // As the devnet set it: its peers are found there.
    const char *peers = asker_text(k, json_get(found, "addresses"), "orderflow.peers");
    const char *host = strstr(peers, "://");
    json_add_str(w, "dns_name", host ? host + 3 : name);
    json_add_str(w, "network", "devnet");
    json_add_raw(w, "configuration", json_raw(configuration));
    json_end(w);
    json_end(w);
    return 0;
}

// The wanted state; a file that is one already, with builders, goes as it is.
static int write_state(struct asker *k, struct buf *out, const struct json *told,
                       struct config_list words, struct error *why) {
    struct json_writer w;
    const struct json *doc = NULL;
    int r = is_json(words.items[0]) ? read_json(k, words.items[0], &doc, why)
                                    : measure(k, words.items[0], &doc, why);
    if (r < 0) return r;
    if (json_type_of(doc) == JSON_OBJECT && json_get(doc, "builders") && words.count == 1) {
        buf_append(out, json_raw(doc));
        return buf_check(out, why);
    }
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    r = write_measurements(&w, doc, why);
    if (r < 0) return error_wrap(why, "%s", words.items[0]);
    if (words.count == 3) r = write_builder(k, &w, told, words.items[1], words.items[2], why);
    json_end(&w);
    return r == 0 ? buf_check(out, why) : r;
}

// The difference, the question and the change are its own: it has our terminal.
static int run_apply(const char *const *argv, struct error *why) {
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (pid < 0) return error_set_os(why, ERR_IO, errno, "fork");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    return error_set(why, ERR_INVALID, "the hub was told nothing");
}

int allow_file(struct asker *k, struct config_list words, struct error *why) {
    char self[PATH_MAX], told_path[PATH_MAX], state_path[PATH_MAX], reason[PATH_MAX];
    const struct json *told = NULL;
    struct buf state;
    if (words.count == 2) {
        return error_set(why, ERR_SYNTAX,
                         "allow FILE [NODE CONFIGURATION]: a file and both, or none");
    }
    (void)snprintf(told_path, sizeof told_path, "%s/devnet.json", k->folder);
    (void)snprintf(state_path, sizeof state_path, "%s/allow.json", k->folder);
    (void)snprintf(reason, sizeof reason, "devnet allow %s", words.items[0]);
    int r = find_self(self, why);
    if (r == 0) r = read_json(k, told_path, &told, why);
    if (r < 0) return r;
    buf_init(&state, FILE_BYTES_MAX);
    r = write_state(k, &state, told, words, why);
    if (r == 0) r = file_write_atomic(state_path, buf_view(&state), NULL, why);
    buf_free(&state);
    if (r < 0) return r;
    const char *url = asker_text(k, json_get(told, "addresses"), "hub.admin");
    const char *argv[] = {self,       "hub",   "apply",
                          state_path, "--url", url,
                          "--reason", reason,  k->s->yes ? "--yes" : NULL,
                          NULL};
    r = run_apply(argv, why);
    return r == 0 ? asker_command(k, "follow-hub", (struct config_list){0}, NULL, why) : r;
}
