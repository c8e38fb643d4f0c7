/* The document that a node gets.
 * SPDX-License-Identifier: MIT */
#include "hub/hub_internal.h"

// A deep merge: objects member by member, anything else is replaced.
static void merge(struct json_writer *w, const struct json *base, const struct json *over) {
    if (json_type_of(base) != JSON_OBJECT || json_type_of(over) != JSON_OBJECT) {
        json_add_raw(w, NULL, json_raw(over));
        return;
    }
    json_begin_object(w, NULL);
    json_members(key, value, base) {
        const struct json *other = NULL;
        json_members(k, v, over) {
            if (bytes_equal(json_text(k), json_text(key))) other = v;
        }
        json_add_key(w, json_text(key));
        if (other) {
            merge(w, value, other);
        } else {
            json_add_raw(w, NULL, json_raw(value));
        }
    }
    json_members(key, value, over) {
        bool known = false;
        json_members(k, v, base) {
            (void)v;
            if (bytes_equal(json_text(k), json_text(key))) known = true;
        }
        if (known) continue;
        json_add_key(w, json_text(key));
        json_add_raw(w, NULL, json_raw(value));
    }
    json_end(w);
}

static int append_config(void *context, const struct store_config *row, struct error *why) {
    (void)why;
    buf_append(context, row->config);
    return 0;
}

static int merge_with_config(struct hub *h, struct bytes source, struct bytes secrets,
                             struct buf *out, struct arena *a, struct error *why) {
    struct buf config;
    struct json_writer w;
    const struct json *base, *over;
    const struct json_limits limits = {8u << 20, JSON_WRITE_DEPTH_MAX, 1u << 18, false};
    buf_init(&config, 0);
    int r =
        store_configs(h->options.store, source, BYTES_LIT("active"), append_config, &config, why);
    if (r == 0) r = buf_check(&config, why);
    if (r == 0) r = json_parse(&base, buf_view(&config), a, &limits, why);
    if (r == 0) r = json_parse(&over, secrets, a, &limits, why);
    if (r == 0) {
        json_writer_init(&w, out, 0);
        merge(&w, base, over);
        r = buf_check(out, why);
    }
    if (r == ERR_SYNTAX || r == ERR_INVALID) {
        // The parser's text could quote a secret.
        r = error_set(why, ERR_INVALID, "the configuration and the secrets cannot be merged");
    }
    buf_free(&config);
    return r;
}

// Whose configuration: a shadow's document is always that of its source, with its own secrets.
static bool source_of(struct hub *h, struct bytes builder, struct bytes *ret, struct arena *a) {
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct model_builder *b = model_builder(&h->model, builder);
    bool shadow = b && b->shadow_of[0];
    *ret = shadow ? arena_copy(a, bytes_from_str(b->shadow_of)) : builder;
    (void)pthread_rwlock_unlock(&h->lock);
    return shadow;
}

int hub_document(struct hub *h, struct bytes builder, struct buf *out, struct arena *a,
                 struct error *why) {
    struct buf secrets;
    struct bytes source;
    bool merged = source_of(h, builder, &source, a) || h->options.merge;
    if (!source.p) return error_set(why, ERR_NO_MEMORY, "no memory for a name");
    buf_init(&secrets, 0);
    int r = secrets_get(h->options.secrets, builder, &secrets, why);
    if (r == ERR_NOT_FOUND) { // never written: an empty document
        r = 0;
        if (!h->options.compat || !secrets_raw(h->options.secrets) || merged) {
            buf_append_str(&secrets, "{}");
        }
    }
    if (r == 0 && merged) {
        r = merge_with_config(h, source, buf_view(&secrets), out, a, why);
    } else if (r == 0) {
        buf_append(out, buf_view(&secrets));
        r = buf_check(out, why);
    }
    if (secrets.p) bytes_wipe(secrets.p, secrets.n);
    buf_free(&secrets);
    return r;
}
