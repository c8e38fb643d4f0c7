/* SPDX-License-Identifier: MIT */
#include "devnet/asker.h"

#include "base/file.h"
#include "devnet/folder.h"
#include "json/write.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_NS (30 * NS_PER_S)
#define ANSWER_BYTES_MAX (64u << 20)

static int locate(struct asker *k, struct error *why) {
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

int asker_get(struct asker *k, const char *path, struct client_answer *ret, struct error *why) {
    const struct client_options o = {.url = k->control};
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = bytes_from_str(path)};
    return client_ask(ret, &k->arena, &o, &r, (struct bytes){NULL, 0}, ANSWER_BYTES_MAX, ASK_NS,
                      why);
}

int asker_state(struct asker *k, const struct json **ret, struct bytes *ret_text,
                struct error *why) {
    struct client_answer answer;
    int r = asker_get(k, "/api/state", &answer, why);
    if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_IO, "the network answers %u", answer.status);
    }
    if (r == 0) r = json_parse(ret, answer.body, &k->arena, NULL, why);
    if (r == 0 && ret_text) *ret_text = answer.body;
    return r;
}

// Commands

int asker_command(struct asker *k, const char *name, struct config_list words, struct bytes *ret,
                  struct error *why) {
    struct buf body;
    struct json_writer w;
    struct client_answer answer = {.status = 0};
    const struct json *doc = NULL;
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
    if (code == 0 && ret) *ret = text;
    return code;
}

const char *asker_text(struct asker *k, const struct json *v, const char *key) {
    struct bytes text;
    if (json_get_string(&text, v, key, NULL) < 0) return "";
    const char *s = arena_str(&k->arena, text);
    return s ? s : "";
}

uint64_t asker_u64(const struct json *v, const char *key) {
    uint64_t n = 0;
    (void)!json_get_u64(&n, v, key, NULL);
    return n;
}

double asker_number(const struct json *v, const char *key) {
    double n = 0;
    (void)!json_get_double(&n, v, key, NULL);
    return n;
}

bool asker_bool(const struct json *v, const char *key) {
    bool yes = false;
    (void)!json_get_bool(&yes, v, key, NULL);
    return yes;
}

int asker_open(struct asker *k, const struct devnet_settings *s, struct error *why) {
    *k = (struct asker){.s = s};
    arena_init(&k->arena, 512u << 20);
    int r = locate(k, why);
    if (r < 0) asker_close(k);
    return r;
}

void asker_forget(struct asker *k) {
    char control[64];
    (void)snprintf(control, sizeof control, "%s", k->control);
    char *folder = strdup(k->folder);
    arena_reset(&k->arena);
    k->control = arena_str(&k->arena, bytes_from_str(control));
    k->folder = arena_str(&k->arena, bytes_from_str(folder));
    free(folder);
}

void asker_close(struct asker *k) {
    arena_free(&k->arena);
}
