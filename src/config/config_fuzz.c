/* Text forms of values, and a file against a table of every type.
 * SPDX-License-Identifier: MIT */
#include "config/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    const char *string, *address, *url;
    uint64_t number, duration, size;
    bool yes;
    int choice;
    struct config_list list, addresses;
};

static const struct config_option options[] = {
    CONFIG_STRING(values, string, "string", NULL, NULL, ""),
    CONFIG_ADDRESS(values, address, "address", NULL, ""),
    CONFIG_URL(values, url, "url", NULL, ""),
    CONFIG_U64(values, number, "number", NULL, ""),
    CONFIG_DURATION(values, duration, "duration", NULL, ""),
    CONFIG_SIZE(values, size, "size", NULL, ""),
    CONFIG_BOOL(values, yes, "yes", NULL, ""),
    {.flag = "choice",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(struct values, choice),
     .choices = "a|b"},
    CONFIG_LIST(values, list, "list", NULL, NULL, ""),
    {.flag = "addresses",
     .type = CONFIG_TYPE_ADDRESSES,
     .offset = offsetof(struct values, addresses)},
};
#define COUNT (sizeof options / sizeof options[0])

// What a value prints reads back as the same value.
static void check_printed(struct config *c, const struct config_option *o) {
    struct buf first, second, line;
    buf_init(&first, 0);
    buf_init(&second, 0);
    buf_init(&line, 0);
    config_append_value(&first, o, c->values);
    buf_append_str(&line, "v = ");
    buf_append(&line, buf_view(&first));
    const struct toml *root;
    if (toml_parse(&root, buf_view(&line), &c->arena, NULL)) abort();
    bool empty = bytes_equal_str(buf_view(&first), "\"\"");
    if (!empty && config_set_toml(c, o, toml_find(root, "v"), NULL)) abort();
    config_append_value(&second, o, c->values);
    if (!bytes_equal(buf_view(&first), buf_view(&second))) abort();
    buf_free(&first);
    buf_free(&second);
    buf_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct values values = {0};
    struct config c = {.values = (uint8_t *)&values};
    arena_init(&c.arena, 64u << 20);
    if (size == 0) return 0;
    const struct config_option *o = &options[data[0] % COUNT];
    struct error why;
    if (config_set_text(&c, o, bytes_make(data + 1, size - 1), &why) == 0) check_printed(&c, o);
    arena_free(&c.arena);
    return 0;
}
