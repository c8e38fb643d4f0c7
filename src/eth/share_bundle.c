/* SPDX-License-Identifier: MIT */
#include "eth/bundle.h"

static const char *const revert_modes[] = {
    [REVERT_MODE_FAIL] = "fail", [REVERT_MODE_ALLOW] = "allow", [REVERT_MODE_DROP] = "drop"};

static bool has(const struct json *object, const char *key) {
    return !json_is_null(json_get(object, key));
}

/* A number as QUANTITY or as a JSON number. */
static int get_number(uint64_t *ret, const struct json *object, const char *key,
                      struct error *why) {
    const struct json *v = json_get(object, key);
    int r = json_type_of(v) == JSON_NUMBER ? json_u64(ret, v, why) : json_quantity(ret, v, why);
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

static int get_flag(bool *ret, const struct json *object, const char *key, struct error *why) {
    return has(object, key) ? json_get_bool(ret, object, key, why) : 0;
}

static void *array_memory(int *status, size_t *ret_count, const struct json *v, size_t size,
                          struct arena *a, struct error *why) {
    *ret_count = 0;
    if (*status != 0 || json_is_null(v)) return NULL;
    *status = json_expect(v, JSON_ARRAY, why);
    if (*status != 0) return NULL;
    void *memory = arena_alloc_array(a, json_count(v), size);
    if (!memory) *status = json_error(why, ERR_LIMIT, v, "list does not fit its memory limit");
    *ret_count = memory ? json_count(v) : 0;
    return memory;
}

static int decode(struct share_bundle *ret, const struct json *in, unsigned depth, struct arena *a,
                  struct error *why);

static int decode_item(struct share_item *ret, const struct json *in, unsigned depth,
                       struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    ret->has_hash = has(in, "hash");
    if (r == 0 && ret->has_hash) r = json_get_hash(&ret->hash, in, "hash", why);
    ret->has_tx = has(in, "tx");
    if (r == 0 && ret->has_tx) r = json_get_data(&ret->tx, in, "tx", a, why);
    if (r == 0) r = get_flag(&ret->can_revert, in, "canRevert", why);
    if (r == 0 && has(in, "revertMode")) {
        struct bytes text = {NULL, 0};
        r = json_get_string(&text, in, "revertMode", why);
        for (int mode = 0; r == 0 && mode <= REVERT_MODE_DROP; mode++) {
            if (bytes_equal_str(text, revert_modes[mode])) {
                ret->revert_mode = (enum revert_mode)mode;
            }
        }
        ret->has_revert_mode = true;
        ret->revert_mode_text = text;
    }
    if (r == 0 && has(in, "bundle")) {
        struct share_bundle *inner = arena_new(a, struct share_bundle);
        if (!inner) return json_error(why, ERR_LIMIT, in, "does not fit its memory limit");
        r = decode(inner, json_get(in, "bundle"), depth + 1, a, why);
        ret->bundle = inner;
    }
    return r;
}

static int decode_body(struct share_bundle *b, const struct json *in, unsigned depth,
                       struct arena *a, struct error *why) {
    int r = 0;
    const struct json *list = json_get(in, "body");
    struct share_item *items = array_memory(&r, &b->body_count, list, sizeof *items, a, why);
    b->body = items;
    size_t i = 0;
    if (r == 0) {
        json_each(item, list) {
            r = decode_item(&items[i], item, depth, a, why);
            if (r != 0) return error_wrap(why, "body[%zu]", i);
            i++;
        }
    }
    return r;
}

static int decode_validity(struct share_bundle *b, const struct json *in, struct arena *a,
                           struct error *why) {
    int r = 0;
    const struct json *list = json_get(in, "refund"), *configs = json_get(in, "refundConfig");
    struct share_refund *refunds =
        array_memory(&r, &b->refund_count, list, sizeof *refunds, a, why);
    struct share_refund_config *config =
        array_memory(&r, &b->refund_config_count, configs, sizeof *config, a, why);
    b->refunds = refunds;
    b->refund_configs = config;
    if (r != 0) return r;
    json_each(item, list) {
        r = get_number(&refunds->body_index, item, "bodyIdx", why);
        if (r == 0) r = get_number(&refunds->percent, item, "percent", why);
        if (r != 0) return error_wrap(why, "refund");
        refunds++;
    }
    json_each(entry, configs) {
        r = json_get_address(&config->address, entry, "address", why);
        if (r == 0) r = get_number(&config->percent, entry, "percent", why);
        if (r != 0) return error_wrap(why, "refundConfig");
        config++;
    }
    return 0;
}

static int decode_metadata(struct share_bundle *b, const struct json *in, struct error *why) {
    b->has_metadata = true;
    b->has_signer = has(in, "signer");
    b->has_nonce = has(in, "replacementNonce");
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0 && b->has_signer) r = json_get_address(&b->signer, in, "signer", why);
    if (r == 0 && b->has_nonce) r = get_number(&b->replacement_nonce, in, "replacementNonce", why);
    if (r == 0) r = get_flag(&b->cancelled, in, "cancelled", why);
    return r;
}

static int decode(struct share_bundle *ret, const struct json *in, unsigned depth, struct arena *a,
                  struct error *why) {
    if (depth >= BUNDLE_DEPTH_MAX) {
        return json_error(why, ERR_LIMIT, in, "bundles nest too deep");
    }
    struct share_bundle b = {.has_metadata = false};
    const struct json *inclusion = json_get(in, "inclusion");
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_string(&b.version, in, "version", why);
    if (r == 0) r = get_number(&b.block, inclusion, "block", why);
    b.has_max_block = has(inclusion, "maxBlock");
    if (r == 0 && b.has_max_block) r = get_number(&b.max_block, inclusion, "maxBlock", why);
    if (r == 0 && has(in, "replacementUuid")) {
        struct bytes text;
        b.has_replacement_uuid = true;
        r = json_get_string(&text, in, "replacementUuid", why);
        if (r == 0) r = uuid_parse(&b.replacement_uuid, text, why);
    }
    if (r == 0) r = decode_body(&b, in, depth, a, why);
    if (r == 0 && has(in, "validity")) r = decode_validity(&b, json_get(in, "validity"), a, why);
    if (r == 0 && has(in, "metadata")) r = decode_metadata(&b, json_get(in, "metadata"), why);
    b.has_privacy = has(in, "privacy");
    if (r == 0) *ret = b;
    return r;
}

int share_bundle_decode(struct share_bundle *ret, const struct json *in, struct arena *a,
                        struct error *why) {
    return decode(ret, in, 0, a, why);
}

bool share_version_is_known(struct bytes version) {
    return bytes_equal_str(version, "v0.1") || bytes_equal_str(version, "version-1");
}

static void put_item(struct json_writer *w, const struct share_item *item) {
    json_begin_object(w, NULL);
    if (item->has_hash) json_add_data(w, "hash", BYTES_OF(item->hash));
    if (item->has_tx) json_add_data(w, "tx", item->tx);
    if (item->bundle) share_bundle_encode(w, "bundle", item->bundle);
    if (item->can_revert) json_add_bool(w, "canRevert", true);
    if (item->revert_mode_text.p) {
        json_add_text(w, "revertMode", item->revert_mode_text);
    } else if (item->has_revert_mode) {
        json_add_str(w, "revertMode", revert_modes[item->revert_mode]);
    }
    json_end(w);
}

static void put_validity(struct json_writer *w, const struct share_bundle *b) {
    json_begin_object(w, "validity");
    if (b->refund_count > 0) json_begin_array(w, "refund");
    for (size_t i = 0; i < b->refund_count; i++) {
        json_begin_object(w, NULL);
        json_add_u64(w, "bodyIdx", b->refunds[i].body_index);
        json_add_u64(w, "percent", b->refunds[i].percent);
        json_end(w);
    }
    if (b->refund_count > 0) json_end(w);
    if (b->refund_config_count > 0) json_begin_array(w, "refundConfig");
    for (size_t i = 0; i < b->refund_config_count; i++) {
        json_begin_object(w, NULL);
        json_add_data(w, "address", BYTES_OF(b->refund_configs[i].address));
        json_add_u64(w, "percent", b->refund_configs[i].percent);
        json_end(w);
    }
    if (b->refund_config_count > 0) json_end(w);
    json_end(w);
}

void share_bundle_encode(struct json_writer *w, const char *key, const struct share_bundle *b) {
    char text[37];
    json_begin_object(w, key);
    json_add_text(w, "version", b->version);
    if (b->has_replacement_uuid) {
        uuid_format(text, &b->replacement_uuid);
        json_add_str(w, "replacementUuid", text);
    }
    json_begin_object(w, "inclusion");
    json_add_quantity(w, "block", b->block);
    if (b->has_max_block) json_add_quantity(w, "maxBlock", b->max_block);
    json_end(w);
    json_begin_array(w, "body");
    for (size_t i = 0; i < b->body_count; i++) {
        put_item(w, &b->body[i]);
    }
    json_end(w);
    put_validity(w, b);
    if (b->has_metadata) {
        json_begin_object(w, "metadata");
        if (b->has_signer) json_add_data(w, "signer", BYTES_OF(b->signer));
        if (b->has_nonce) json_add_u64(w, "replacementNonce", b->replacement_nonce);
        if (b->cancelled) json_add_bool(w, "cancelled", true);
        json_end(w);
    }
    json_end(w);
}
