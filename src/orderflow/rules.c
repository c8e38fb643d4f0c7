/* SPDX-License-Identifier: MIT */
#include "orderflow/rules.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/map.h"
#include "crypto/sha256.h"
#include "eth/address.h"
#include "orderflow/priority.h"
#include "toml/toml.h"

#include <stdlib.h>

struct rules {
    struct rule *items;
    size_t count;
    struct map by_key, by_signer;
};

static int read_name(struct rule *r, const struct toml *v, struct error *why) {
    struct bytes text;
    int status = toml_string(&text, v, why);
    if (status != 0) return status;
    if (text.n == 0 || text.n >= sizeof r->name) {
        return toml_error(why, ERR_RANGE, v, "a name has 1 to %u bytes", RULE_NAME_MAX - 1);
    }
    memcpy(r->name, text.p, text.n);
    return 0;
}

static int read_key(struct rule *r, const struct toml *v, struct error *why) {
    struct bytes text;
    int status = toml_string(&text, v, why);
    if (status == 0 && text.n < 16) {
        return toml_error(why, ERR_RANGE, v, "a key has at least 16 bytes");
    }
    if (status == 0) r->key = sha256(text);
    r->has_key = true;
    return status;
}

static int read_key_hash(struct rule *r, const struct toml *v, struct error *why) {
    struct bytes text;
    int status = toml_string(&text, v, why);
    if (status == 0 && (text.n != 64 || hex_decode(r->key.b, text, NULL) != 0)) {
        return toml_error(why, ERR_SYNTAX, v, "a SHA-256 has 64 hexadecimal digits");
    }
    r->has_key = true;
    return status;
}

static int read_signer(struct rule *r, const struct toml *v, struct error *why) {
    struct bytes text;
    int status = toml_string(&text, v, why);
    if (status == 0 && address_from_text(&r->signer, text, NULL) != 0) {
        return toml_error(why, ERR_SYNTAX, v, "no address");
    }
    r->has_signer = true;
    return status;
}

static int read_priority(struct rule *r, const struct toml *v, struct error *why) {
    struct bytes text;
    int status = toml_string(&text, v, why);
    if (status != 0) return status;
    r->priority = order_priority_parse(text);
    return r->priority >= 0 ? 0 : toml_error(why, ERR_INVALID, v, "one of high, medium, low");
}

static int read_rate(struct rule *r, const struct toml *v, struct error *why) {
    int64_t n;
    int status = toml_i64(&n, v, why);
    if (status != 0) return status;
    if (n < 0 || n > 1000000) return toml_error(why, ERR_RANGE, v, "not within 0 to 1000000");
    r->per_second = (uint64_t)n;
    r->has_rate = true;
    return 0;
}

static const struct member {
    const char *name;
    int (*read)(struct rule *r, const struct toml *v, struct error *why);
} members[] = {
    {"name", read_name},     {"key", read_key},           {"key_sha256", read_key_hash},
    {"signer", read_signer}, {"priority", read_priority}, {"requests_per_second", read_rate},
};

static int read_rule(struct rule *r, const struct toml *table, struct error *why) {
    r->priority = -1;
    if (table->type != TOML_TABLE) return toml_error(why, ERR_INVALID, table, "is no table");
    toml_each(v, table) {
        size_t i = 0, n = sizeof members / sizeof *members;
        while (i < n && !bytes_equal_str(v->key, members[i].name)) {
            i++;
        }
        if (i == n) {
            return toml_error(why, ERR_INVALID, v, "unknown member \"%.*s\"",
                              (int)(v->key.n < 40 ? v->key.n : 40), (const char *)v->key.p);
        }
        int status = members[i].read(r, v, why);
        if (status != 0) return status;
    }
    if (!r->has_key && !r->has_signer) {
        return toml_error(why, ERR_INVALID, table, "a sender has a key or a signer");
    }
    return 0;
}

static int note(struct map *m, struct bytes key, struct rule *r, const struct toml *at,
                struct error *why) {
    if (map_get(m, key)) return toml_error(why, ERR_CONFLICT, at, "this sender is named twice");
    return map_put(m, key, r, NULL, why);
}

static int read_all(struct rules *r, const struct toml *root, struct error *why) {
    const struct toml *list = toml_find(root, "sender");
    toml_each(other, root) {
        if (other != list) return toml_error(why, ERR_INVALID, other, "only [[sender]] is known");
    }
    if (!list) return 0;
    if (list->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, list, "is no array");
    if (list->count > RULES_MAX) {
        return toml_error(why, ERR_LIMIT, list, "more than %u senders", RULES_MAX);
    }
    r->items = calloc(list->count > 0 ? list->count : 1, sizeof *r->items);
    if (!r->items) return error_set(why, ERR_NO_MEMORY, "no memory for rules");
    toml_each(table, list) {
        struct rule *one = &r->items[r->count++];
        int status = read_rule(one, table, why);
        if (status == 0 && one->has_key) {
            status = note(&r->by_key, BYTES_OF(one->key), one, table, why);
        }
        if (status == 0 && one->has_signer) {
            status = note(&r->by_signer, BYTES_OF(one->signer), one, table, why);
        }
        if (status != 0) return status;
    }
    return 0;
}

int rules_parse(struct rules **ret, struct bytes text, const char *name, struct error *why) {
    const struct toml *root;
    struct arena a;
    struct rules *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for rules");
    map_init(&r->by_key, 0);
    map_init(&r->by_signer, 0);
    arena_init(&a, 64u << 20);
    int status = toml_parse(&root, text, &a, why);
    if (status == 0) status = read_all(r, root, why);
    arena_free(&a);
    if (status != 0) {
        rules_free(r);
        (void)error_wrap(why, "%s", name);
        return status;
    }
    *ret = r;
    return 0;
}

int rules_load(struct rules **ret, const char *path, struct error *why) {
    struct buf text;
    buf_init(&text, TOML_BYTES_MAX);
    int status = file_read(&text, path, why);
    if (status == 0) status = rules_parse(ret, buf_view(&text), path, why);
    if (text.p) bytes_wipe(text.p, text.n);
    buf_free(&text);
    return status;
}

void rules_free(struct rules *r) {
    if (!r) return;
    map_free(&r->by_key);
    map_free(&r->by_signer);
    free(r->items);
    free(r);
}

const struct rule *rules_by_key(const struct rules *r, struct bytes key) {
    if (!r || r->by_key.n == 0) return NULL;
    struct hash digest = sha256(key);
    return map_get(&r->by_key, BYTES_OF(digest));
}

const struct rule *rules_by_signer(const struct rules *r, const struct address *signer) {
    return r ? map_get(&r->by_signer, BYTES_OF(*signer)) : NULL;
}

size_t rules_count(const struct rules *r) {
    return r ? r->count : 0;
}
