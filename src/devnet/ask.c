/* The verbs that talk to a running network. SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "devnet/devnet.h"
#include "devnet/folder.h"
#include "net/client.h"
#include "json/json.h"
#include "json/write.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ASK_NS (30 * NS_PER_S)
#define ANSWER_BYTES_MAX (64u << 20)

struct asker {
    const struct devnet_settings *s;
    struct arena arena;
    const char *folder;
    const char *control; /* "http://127.0.0.1:PORT" */
};

static int open_asker(struct asker *k, struct error *why) {
    char path[PATH_MAX];
    struct buf text;
    const struct json *doc;
    struct bytes control;
    k->folder =
        k->s->folder && *k->s->folder ? k->s->folder : folder_default(&k->arena, k->s->name);
    if (!k->folder) return error_set(why, ERR_NOT_FOUND, "give --folder");
    if (!folder_is_running(k->folder)) {
        return error_set(why, ERR_NOT_FOUND, "no network runs in %s: `buildernet devnet up`",
                         k->folder);
    }
    (void)snprintf(path, sizeof path, "%s/devnet.json", k->folder);
    buf_init(&text, 4u << 20);
    int r = file_read(&text, path, why);
    struct bytes kept = arena_copy(&k->arena, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = json_parse(&doc, kept, &k->arena, NULL, why);
    if (r == 0) r = json_get_string(&control, doc, "control", why);
    if (r == 0) k->control = arena_str(&k->arena, control);
    return r < 0 ? error_wrap(why, "the network is starting or damaged") : 0;
}

static int get(struct asker *k, const char *path, struct client_answer *ret, struct error *why) {
    const struct client_options o = {.url = k->control};
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = bytes_from_str(path)};
    return client_ask(ret, &k->arena, &o, &r, (struct bytes){NULL, 0}, ANSWER_BYTES_MAX, ASK_NS,
                      why);
}

static int get_state(struct asker *k, const struct json **ret, struct bytes *ret_text,
                     struct error *why) {
    struct client_answer answer;
    int r = get(k, "/api/state", &answer, why);
    if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_IO, "the network answers %u", answer.status);
    }
    if (r == 0) r = json_parse(ret, answer.body, &k->arena, NULL, why);
    if (r == 0 && ret_text) *ret_text = answer.body;
    return r;
}

// Commands

static int command(struct asker *k, const char *name, struct config_list words, struct error *why) {
    struct buf body;
    struct json_writer w;
    struct client_answer answer;
    const struct json *doc;
    struct bytes text = {NULL, 0};
    const struct client_options o = {.url = k->control};
    const struct http_request r = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = BYTES_LIT("/api/command"),
                                   .body = HTTP_BODY_LENGTH};
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "words");
    json_add_str(&w, NULL, name);
    for (size_t i = 0; i < words.count; i++) {
        json_add_str(&w, NULL, words.items[i]);
    }
    json_end(&w);
    json_end(&w);
    int code =
        client_ask(&answer, &k->arena, &o, &r, buf_view(&body), ANSWER_BYTES_MAX, ASK_NS, why);
    buf_free(&body);
    if (code == 0) code = json_parse(&doc, answer.body, &k->arena, NULL, why);
    if (code < 0) return code;
    if (answer.status != 200) {
        (void)!json_get_string(&text, doc, "error", NULL);
        return error_set(why, ERR_INVALID, "%.*s", (int)text.n, (const char *)text.p);
    }
    code = json_get_string(&text, doc, "text", why);
    if (code == 0) (void)fwrite(text.p, 1, text.n, stdout);
    return code;
}

static int down(struct asker *k, struct error *why) {
    int r = command(k, "down", (struct config_list){NULL, 0}, why);
    for (unsigned i = 0; r == 0 && folder_is_running(k->folder); i++) {
        if (i == 300) return error_set(why, ERR_TIMEOUT, "the network does not end");
        (void)usleep(100000);
    }
    return r;
}

// Status

static const char *str(struct asker *k, const struct json *v, const char *key) {
    struct bytes text;
    if (json_get_string(&text, v, key, NULL) < 0) return "";
    const char *s = arena_str(&k->arena, text);
    return s ? s : "";
}

static uint64_t u64(const struct json *v, const char *key) {
    uint64_t n = 0;
    (void)!json_get_u64(&n, v, key, NULL);
    return n;
}

static double number(const struct json *v, const char *key) {
    double n = 0;
    (void)!json_get_double(&n, v, key, NULL);
    return n;
}

static void print_role(struct asker *k, const struct json *r) {
    const struct json *addresses = json_get(r, "addresses");
    const struct json *first = json_member_value(json_first(addresses));
    const char *reason = str(k, r, "reason");
    struct bytes url = first ? json_text(first) : (struct bytes){NULL, 0};
    (void)printf("%-22s %-9s %7llu %8.1fs %5.1f%% %7.1f MB  %s%.*s\n", str(k, r, "name"),
                 str(k, r, "state"), (unsigned long long)u64(r, "pid"),
                 (double)u64(r, "uptime_ms") / 1e3, number(r, "cpu_percent"),
                 (double)u64(r, "resident_bytes") / 1048576, reason, *reason ? 0 : (int)url.n,
                 (const char *)url.p);
}

static void print_node(struct asker *k, const struct json *node) {
    bool enabled = false;
    (void)!json_get_bool(&enabled, node, "enabled", NULL);
    const struct json *identity = json_get(node, "identity");
    (void)printf("%-22s %-9s hub %s, image %s, orderflow %s\n", str(k, node, "name"),
                 enabled ? "enabled" : "disabled", str(k, node, "hub"), str(k, identity, "image"),
                 str(k, identity, "orderflow_address"));
}

static int print_status(struct asker *k, bool *ret_ready, struct error *why) {
    const struct json *state;
    struct bytes text = {NULL, 0};
    int r = get_state(k, &state, &text, why);
    if (r < 0) return r;
    *ret_ready = strcmp(str(k, state, "state"), "ready") == 0;
    if (k->s->json) {
        (void)fwrite(text.p, 1, text.n, stdout);
        (void)printf("\n");
        return 0;
    }
    (void)printf("%s: %s, up %.1f s, ready after %.2f s   %s\n", str(k, state, "name"),
                 str(k, state, "state"), (double)u64(state, "uptime_ms") / 1e3,
                 number(state, "ready_after_ms") / 1e3, str(k, state, "control"));
    (void)printf("%-22s %-9s %7s %9s %6s %10s  %s\n", "ROLE", "STATE", "PID", "UPTIME", "CPU",
                 "RSS", "ADDRESS");
    json_each(item, json_get(state, "roles")) print_role(k, item);
    json_each(node, json_get(state, "nodes")) print_node(k, node);
    json_each(fault, json_get(state, "faults")) {
        (void)printf("fault %llu: %s\n", (unsigned long long)u64(fault, "id"),
                     str(k, fault, "text"));
    }
    return 0;
}

static int status(struct asker *k, struct error *why) {
    bool ready = false;
    bool live = k->s->follow && isatty(STDOUT_FILENO) && !k->s->json;
    for (;;) {
        if (live) (void)printf("\033[H\033[2J");
        int r = print_status(k, &ready, why);
        if (r < 0) return r;
        (void)fflush(stdout);
        if (!k->s->follow) break;
        arena_reset(&k->arena);
        r = open_asker(k, why);
        if (r < 0) return r;
        (void)usleep(1000000);
    }
    return ready ? 0 : error_set(why, ERR_BUSY, "not everything is ready");
}

int devnet_ask(const struct devnet_settings *s, enum devnet_verb verb, struct config_list words) {
    struct asker k = {.s = s};
    struct error why = {0};
    static const char *const names[] = {
        [DEVNET_FAULT] = "fault",       [DEVNET_ROLE] = "role",         [DEVNET_ALLOW] = "allow",
        [DEVNET_REVOKE] = "revoke",     [DEVNET_ADD_NODE] = "add-node", [DEVNET_RECORD] = "record",
        [DEVNET_ROTATE] = "rotate-cert"};
    arena_init(&k.arena, 512u << 20);
    int r = open_asker(&k, &why);
    if (r == 0) {
        switch (verb) {
        case DEVNET_DOWN:
            r = down(&k, &why);
            break;
        case DEVNET_STATUS:
            r = status(&k, &why);
            break;
        default:
            r = names[verb] ? command(&k, names[verb], words, &why)
                            : error_set(&why, ERR_UNSUPPORTED, "no such verb");
            break;
        }
    }
    arena_free(&k.arena);
    if (r < 0) (void)fprintf(stderr, "buildernet devnet: %s\n", why.text);
    return r < 0 ? error_class_of(r)->exit_status : 0;
}
