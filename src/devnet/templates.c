/* SPDX-License-Identifier: MIT */
#include "devnet/templates.h"

#define TEMPLATES(X)                                                                               \
    X(schema, "schema.toml")                                                                       \
    X(system_api, "etc/system-api.toml.mustache_0600")                                             \
    X(orderflow, "etc/orderflow.toml.mustache_0600")                                               \
    X(builder, "etc/builder.toml.mustache_0600")

#define DECLARE(name, path_)                                                                       \
    extern const uint8_t node_template_##name[] __attribute__((visibility("hidden")));             \
    extern const uint8_t node_template_##name##_end[] __attribute__((visibility("hidden")));
TEMPLATES(DECLARE)
DECLARE(archive_tables, )
DECLARE(beacon_bridge, )
DECLARE(lodestar_preload, )

#define ROW(name, path_) {path_, node_template_##name, node_template_##name##_end},

static const struct {
    const char *path;
    const uint8_t *begin, *end;
} table[] = {TEMPLATES(ROW)};

bool node_templates(size_t i, struct node_template *ret) {
    if (i >= sizeof table / sizeof table[0]) return false;
    ret->path = table[i].path;
    ret->content = bytes_make(table[i].begin, (size_t)(table[i].end - table[i].begin));
    return true;
}

struct file {
    const uint8_t *begin, *end;
};

static struct bytes content_of(struct file f) {
    return bytes_make(f.begin, (size_t)(f.end - f.begin));
}

#define GIVE(name)                                                                                 \
    struct bytes name(void) {                                                                      \
        return content_of((struct file){node_template_##name, node_template_##name##_end});        \
    }
GIVE(archive_tables)
GIVE(beacon_bridge)
GIVE(lodestar_preload)
