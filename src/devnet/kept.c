/* SPDX-License-Identifier: MIT */
#include "devnet/kept.h"

#include "base/file.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME "network.json"
#define VERSION 1
#define BYTES_MAX (1u << 20)

/* Choices of parts, by their names in the file and their flags. */
static const struct {
    const char *key;
    size_t offset;
    const char *names[2];
} parts[] = {
    {"db", offsetof(struct devnet_settings, database), {"sqlite", "postgres"}},
    {"archive", offsetof(struct devnet_settings, archive), {"none", "clickhouse"}},
    {"secrets", offsetof(struct devnet_settings, secrets), {"database", "vault"}},
    {"tpm", offsetof(struct devnet_settings, tpm), {"none", "swtpm"}},
    {"metrics", offsetof(struct devnet_settings, monitor), {"none", "prometheus"}},
};
#define PARTS (sizeof parts / sizeof parts[0])

static int *part_of(struct devnet_settings *s, size_t i) {
    return (int *)(void *)((char *)s + parts[i].offset);
}

int kept_store(struct net *n, struct error *why) {
    struct buf out;
    struct json_writer w;
    if (n->shadow || n->s->consensus != CONSENSUS_OWN) return 0; // cannot go on
    buf_init(&out, BYTES_MAX);
    json_writer_init(&w, &out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "version", VERSION);
    json_add_str(&w, "seed", n->s->seed);
    json_add_u64(&w, "slot_ms", n->s->slot_ns / NS_PER_MS);
    json_add_str(&w, "fork", n->s->fork ? n->s->fork : "");
    json_add_u64(&w, "virtual_clock_ms", n->s->virtual_clock_ns / NS_PER_MS);
    json_add_u64(&w, "genesis_time", n->genesis_s);
    for (size_t i = 0; i < PARTS; i++) {
        json_add_str(&w, parts[i].key, parts[i].names[*part_of(n->s, i)]);
    }
    json_begin_array(&w, "nodes");
    for (size_t i = 0; i < n->node_count; i++) {
        json_begin_object(&w, NULL);
        json_add_str(&w, "image", n->nodes[i].image);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    buf_append_byte(&out, '\n');
    int r = buf_check(&out, why);
    if (r == 0) r = plan_store(n, NAME, buf_view(&out), 0600, why);
    buf_free(&out);
    return r;
}

bool kept_there(const char *folder) {
    // In the folder, or set aside by a start that was killed before it had begun.
    static const char *const places[] = {NAME, FOLDER_ENDED "/" NAME, FOLDER_ENDED ".part/" NAME};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", folder, places[i]);
        if (length < (int)sizeof path && access(path, F_OK) == 0) return true;
    }
    return false;
}

bool kept_has(const struct net *n, const char *name) {
    char path[PATH_MAX];
    if (!n->s->resume) return false;
    int length = snprintf(path, sizeof path, "%s/%s", n->folder.path, name);
    return length < (int)sizeof path && access(path, F_OK) == 0;
}

static int other(struct error *why, const char *flag, const char *text) {
    return error_set(
        why, ERR_CONFLICT,
        "--%s: the network was made with %s, and goes on with it: leave the flag away, "
        "or start a new one without --continue",
        flag, *text ? text : "none");
}

// A setting is the network's; one that was given (is not the default) must say the same.
static int take_text(const char **set, const char *standard, const char *flag, const char *kept,
                     struct error *why) {
    const char *given = *set ? *set : "";
    if (strcmp(given, standard) != 0 && strcmp(given, kept) != 0) return other(why, flag, kept);
    *set = kept;
    return 0;
}

static int take_ms(uint64_t *set_ns, uint64_t standard_ns, const char *flag, uint64_t kept_ms,
                   struct error *why) {
    char text[32];
    (void)snprintf(text, sizeof text, "%llums", (unsigned long long)kept_ms);
    if (kept_ms > UINT64_MAX / NS_PER_MS) return error_set(why, ERR_RANGE, NAME ": %s", flag);
    if (*set_ns != standard_ns && *set_ns != kept_ms * NS_PER_MS) return other(why, flag, text);
    *set_ns = kept_ms * NS_PER_MS;
    return 0;
}

static int take_part(struct devnet_settings *s, size_t i, const struct json *doc,
                     struct error *why) {
    struct bytes text;
    int r = json_get_string(&text, doc, parts[i].key, why), *set = part_of(s, i);
    if (r < 0) return r;
    int kept = bytes_equal_str(text, parts[i].names[1]);
    if (!kept && !bytes_equal_str(text, parts[i].names[0])) {
        return error_set(why, ERR_UNSUPPORTED, NAME ": \"%s\" is not known", parts[i].key);
    }
    if (*set && *set != kept) return other(why, parts[i].key, parts[i].names[kept]);
    *set = kept;
    return 0;
}

static int take_nodes(struct net *n, const struct json *list, struct error *why) {
    size_t count = 0;
    char text[16];
    json_each(item, list) {
        struct bytes image;
        int r = json_get_string(&image, item, "image", why);
        if (r < 0) return r;
        if (count == NET_NODES_MAX || image.n >= NET_IMAGE_MAX) {
            return error_set(why, ERR_LIMIT, NAME ": too many nodes, or too long a name");
        }
        memcpy(n->nodes[count].image, image.p, image.n);
        n->nodes[count++].image[image.n] = '\0';
    }
    if (count == 0) return error_set(why, ERR_SYNTAX, NAME ": no nodes");
    (void)snprintf(text, sizeof text, "%zu", count);
    if (n->s->nodes != DEVNET_NODES && n->s->nodes != count) return other(why, "nodes", text);
    n->s->nodes = count;
    return 0;
}

static int take(struct net *n, const struct json *doc, struct error *why) {
    struct devnet_settings *s = n->s;
    struct bytes seed = {NULL, 0}, fork = {NULL, 0};
    uint64_t version = 0, slot_ms = 0, clock_ms = 0;
    int r = json_get_u64(&version, doc, "version", why);
    if (r == 0 && version != VERSION) {
        r = error_set(why, ERR_UNSUPPORTED, NAME ": version %llu", (unsigned long long)version);
    }
    if (r == 0) r = json_get_string(&seed, doc, "seed", why);
    if (r == 0) r = json_get_string(&fork, doc, "fork", why);
    if (r == 0) r = json_get_u64(&slot_ms, doc, "slot_ms", why);
    if (r == 0) r = json_get_u64(&clock_ms, doc, "virtual_clock_ms", why);
    if (r == 0) r = json_get_u64(&n->genesis_s, doc, "genesis_time", why);
    if (r < 0) return r;
    const char *seed_text = arena_str(&n->arena, seed), *fork_text = arena_str(&n->arena, fork);
    if (!seed_text || !fork_text) return error_set(why, ERR_NO_MEMORY, "no memory");
    r = take_text(&s->seed, DEVNET_SEED, "seed", seed_text, why);
    if (r == 0) r = take_text(&s->fork, "", "fork", fork_text, why);
    if (r == 0) r = take_ms(&s->slot_ns, DEVNET_SLOT_NS, "slot", slot_ms, why);
    if (r == 0) r = take_ms(&s->virtual_clock_ns, 0, "virtual-clock", clock_ms, why);
    for (size_t i = 0; r == 0 && i < PARTS; i++) {
        r = take_part(s, i, doc, why);
    }
    return r == 0 ? take_nodes(n, json_get(doc, "nodes"), why) : r;
}

int kept_load(struct net *n, struct error *why) {
    char path[PATH_MAX];
    struct buf text;
    const struct json *doc = NULL;
    if (snprintf(path, sizeof path, "%s/" NAME, n->folder.path) >= (int)sizeof path) {
        return error_set(why, ERR_LIMIT, "%s: name too long", n->folder.path);
    }
    buf_init(&text, BYTES_MAX);
    int r = file_read(&text, path, why);
    struct bytes kept = arena_copy(&n->arena, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = json_parse(&doc, kept, &n->arena, NULL, why);
    if (r == 0) r = json_expect(doc, JSON_OBJECT, why);
    if (r < 0) return error_wrap(why, "%s", path);
    return take(n, doc, why);
}
