/* SPDX-License-Identifier: MIT */
#include "eth/log_filter.h"

#include "crypto/keccak.h"

/* ---- reading ---- */

static int no_room(const struct json *in, struct error *why) {
    return json_error(why, ERR_LIMIT, in, "the filter does not fit its memory limit");
}

static int addresses_decode(struct log_filter *f, const struct json *in, struct arena *a,
                            struct error *why) {
    bool one = json_type_of(in) == JSON_STRING;
    if (json_is_null(in)) return 0;
    if (!one && json_type_of(in) != JSON_ARRAY) {
        return json_error(why, ERR_INVALID, in, "address: neither an address nor a list");
    }
    size_t n = one ? 1 : json_count(in);
    if (n > LOG_FILTER_ADDRESSES_MAX) {
        return json_error(why, ERR_LIMIT, in, "exceed max addresses: %u", LOG_FILTER_ADDRESSES_MAX);
    }
    struct address *list = arena_new_array(a, struct address, n);
    if (!list) return no_room(in, why);
    f->addresses = list;
    if (one) {
        f->address_count = 1;
        int r = json_address(&list[0], in, why);
        return r != 0 ? error_wrap(why, "address") : 0;
    }
    json_each(item, in) {
        int r = json_address(&list[f->address_count++], item, why);
        if (r != 0) return error_wrap(why, "address");
    }
    return 0;
}

static int position_decode(struct log_filter_topics *t, const struct json *in, struct arena *a,
                           struct error *why) {
    bool one = json_type_of(in) == JSON_STRING;
    if (json_is_null(in)) return 0;
    if (!one && json_type_of(in) != JSON_ARRAY) {
        return json_error(why, ERR_INVALID, in, "neither a topic nor a list");
    }
    size_t n = one ? 1 : json_count(in);
    if (n > LOG_FILTER_TOPICS_MAX) {
        return json_error(why, ERR_LIMIT, in, "exceed max topics: %u", LOG_FILTER_TOPICS_MAX);
    }
    struct hash *list = arena_new_array(a, struct hash, n);
    if (!list) return no_room(in, why);
    t->any = list;
    if (one) {
        t->count = 1;
        return json_hash(&list[0], in, why);
    }
    bool anything = false;
    json_each(item, in) {
        anything |= json_is_null(item); // null in a list: every topic will do
        if (json_is_null(item)) continue;
        int r = json_hash(&list[t->count++], item, why);
        if (r != 0) return r;
    }
    if (anything) t->count = 0;
    return 0;
}

static int topics_decode(struct log_filter *f, const struct json *in, struct arena *a,
                         struct error *why) {
    if (json_is_null(in)) return 0;
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "topics");
    if (json_count(in) > LOG_TOPICS_MAX) {
        return json_error(why, ERR_INVALID, in, "exceed max topics: %d positions", LOG_TOPICS_MAX);
    }
    json_each(item, in) {
        r = position_decode(&f->topics[f->topic_count++], item, a, why);
        if (r != 0) return error_wrap(why, "topics");
    }
    return 0;
}

int log_filter_decode(struct log_filter *ret, const struct json *in, struct arena *a,
                      struct error *why) {
    struct log_filter f = {.from = {.kind = BLOCK_PARAM_LATEST},
                           .to = {.kind = BLOCK_PARAM_LATEST}};
    if (json_is_null(in)) {
        *ret = f;
        return 0;
    }
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    const struct json *hash = json_get(in, "blockHash");
    f.has_block_hash = !json_is_null(hash);
    f.has_from = !json_is_null(json_get(in, "fromBlock"));
    f.has_to = !json_is_null(json_get(in, "toBlock"));
    if (f.has_block_hash && (f.has_from || f.has_to)) {
        return json_error(why, ERR_INVALID, in,
                          "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the "
                          "other");
    }
    if (f.has_block_hash) r = json_get_hash(&f.block_hash, in, "blockHash", why);
    if (r == 0) {
        r = block_param_decode_number(&f.from, json_get(in, "fromBlock"), BLOCK_PARAM_LATEST, why);
    }
    if (r == 0) {
        r = block_param_decode_number(&f.to, json_get(in, "toBlock"), BLOCK_PARAM_LATEST, why);
    }
    if (r == 0) r = addresses_decode(&f, json_get(in, "address"), a, why);
    if (r == 0) r = topics_decode(&f, json_get(in, "topics"), a, why);
    if (r == 0) *ret = f;
    return r;
}

int log_filter_copy(struct log_filter *ret, const struct log_filter *f, struct arena *a,
                    struct error *why) {
    struct log_filter copy = *f;
    struct address *addresses = arena_new_array(a, struct address, f->address_count);
    if (!addresses) return error_set(why, ERR_LIMIT, "no memory for the filter");
    if (f->address_count) memcpy(addresses, f->addresses, f->address_count * sizeof *addresses);
    copy.addresses = addresses;
    for (unsigned i = 0; i < f->topic_count; i++) {
        size_t n = f->topics[i].count;
        struct hash *topics = arena_new_array(a, struct hash, n);
        if (!topics) return error_set(why, ERR_LIMIT, "no memory for the filter");
        if (n) memcpy(topics, f->topics[i].any, n * sizeof *topics);
        copy.topics[i].any = topics;
    }
    *ret = copy;
    return 0;
}

/* ---- matching ---- */

static bool topic_matches(const struct log_filter_topics *t, const struct hash *topic) {
    for (size_t i = 0; i < t->count; i++) {
        if (hash_equal(&t->any[i], topic)) return true;
    }
    return t->count == 0;
}

bool log_filter_matches(const struct log_filter *f, const struct event_log *l) {
    bool found = f->address_count == 0;
    for (size_t i = 0; i < f->address_count && !found; i++) {
        found = address_equal(&f->addresses[i], &l->address);
    }
    if (!found || l->topic_count < f->topic_count) return false;
    for (unsigned i = 0; i < f->topic_count; i++) {
        if (!topic_matches(&f->topics[i], &l->topics[i])) return false;
    }
    return true;
}

/* Adds a group of alternatives, unless it lets everything through. */
static void add_group(struct log_filter_bits *b, const uint8_t *values, size_t size, size_t count) {
    unsigned at = b->groups ? b->group_end[b->groups - 1] : 0;
    if (count == 0 || b->all) return;
    if (count > LOG_FILTER_BITS_MAX - at) {
        b->all = true;
        return;
    }
    for (size_t i = 0; i < count; i++, at++) {
        struct hash h = keccak256((struct bytes){values + i * size, size});
        for (unsigned k = 0; k < 3; k++) {
            b->value[at].bit[k] = load_be16(h.b + 2 * k) & 2047;
        }
    }
    b->group_end[b->groups++] = at;
}

void log_filter_bits_init(struct log_filter_bits *ret, const struct log_filter *f) {
    ret->groups = 0;
    ret->all = false;
    add_group(ret, (const uint8_t *)f->addresses, sizeof(struct address), f->address_count);
    for (unsigned i = 0; i < f->topic_count; i++) {
        add_group(ret, (const uint8_t *)f->topics[i].any, sizeof(struct hash), f->topics[i].count);
    }
}

static bool bit_is_set(const struct bloom *bloom, unsigned bit) {
    return bloom->b[255 - bit / 8] >> (bit % 8) & 1;
}

bool log_filter_may_match(const struct log_filter_bits *bits, const struct bloom *bloom) {
    unsigned at = 0;
    for (unsigned g = 0; g < bits->groups && !bits->all; g++) {
        bool any = false;
        for (; at < bits->group_end[g]; at++) {
            const uint16_t *b = bits->value[at].bit;
            any |= bit_is_set(bloom, b[0]) && bit_is_set(bloom, b[1]) && bit_is_set(bloom, b[2]);
        }
        if (!any) return false;
    }
    return true;
}
