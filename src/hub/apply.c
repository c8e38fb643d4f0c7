/* The admin API, version 2: a whole wanted state in one document and one transaction.
 *
 *     {"measurements": [{"measurement_id", "attestation_type", "measurements", "enabled"}],
 *      "builders": [{"name", "ip_address", "dns_name", "network", "enabled", "configuration",
 *                    "shadow_of"}],
 *      "unlisted": "keep" | "disable" | "delete", "dry_run": bool, "expect": "digest"}
 *
 * The answer lists the difference between what is there and what is wanted; without dry_run it has
 * been made. expect: the digest of a dry run; when the difference has become another since, nothing
 * happens (409). enabled is true where it is missing; a configuration that is missing
 * (or null) stays.
 *
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/sha256.h"
#include "hub/hub_internal.h"

#include <stdlib.h>
#include <string.h>

enum unlisted { UNLISTED_KEEP, UNLISTED_DISABLE, UNLISTED_DELETE };

struct wanted_measurement {
    struct bytes name, type;
    struct bytes registers; /* canonical */
    bool enabled, found;
};

struct wanted_builder {
    struct bytes name, ip, network, dns_name;
    struct bytes shadow_of; /* "": none */
    uint8_t address[16];
    struct bytes configuration; /* canonical; p NULL: left as it is */
    bool enabled, found;
    bool shadow_changes;
};

/* An address in use after the change. */
struct taken {
    uint8_t address[16];
    struct bytes name;
};

struct apply {
    struct hub_call *c;
    struct store_batch batch;
    struct buf text; /* the changes, a JSON array */
    struct json_writer w;
    size_t changes;
    bool measurements_changed;
    enum unlisted unlisted;
    bool dry_run;
    struct bytes expect;
    struct wanted_measurement *measurements; /* by name */
    size_t measurement_count;
    struct wanted_builder *builders; /* by name */
    size_t builder_count;
    struct taken *taken;
    size_t taken_count;
    struct bytes *deleted; /* builders */
    size_t deleted_count;
    struct error *why;
};

/* ---- reading ---- */

static int compare_names(const void *a, const void *b) {
    // Both structs begin with their name.
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static int canonical_text(struct apply *p, struct bytes *ret, struct bytes json) {
    const struct json *doc;
    int r = json_parse(&doc, json, &p->c->arena, &JSONB_LIMITS, p->why);
    return r == 0 ? jsonb_canonical(ret, doc, &p->c->arena, p->why) : r;
}

static int read_bool(bool *ret, const struct json *object, const char *name, struct error *why) {
    const struct json *v = hub_member(object, name);
    return json_is_null(v) ? 0 : json_bool(ret, v, why);
}

static int read_measurement(struct apply *p, struct wanted_measurement *m, const struct json *v) {
    struct buf text;
    *m = (struct wanted_measurement){.enabled = true};
    static const char *const names[] = {"measurement_id",    "attestation_type", "measurements",
                                        "dcap_image_hashes", "enabled",          NULL};
    int r = json_expect(v, JSON_OBJECT, p->why);
    if (r == 0) r = hub_check_members(v, names, p->why);
    if (r == 0) r = hub_text(&m->name, v, "measurement_id", p->why);
    if (r == 0) r = hub_text(&m->type, v, "attestation_type", p->why);
    if (r == 0) r = read_bool(&m->enabled, v, "enabled", p->why);
    if (r != 0) return r;
    if (!m->type.n || !hub_name_is_good(m->name)) {
        return json_error(p->why, ERR_INVALID, v, "measurement_id and attestation_type are needed");
    }
    buf_init(&text, 0);
    const struct hub_entry_rules rules = {true, atomic_load(&p->c->hub->allow_empty)};
    r = hub_write_entry(&text, v, m->type, rules, p->why);
    if (r == ERR_NOT_FOUND) {
        r = json_error(p->why, ERR_INVALID, v, "%.*s has no measurements: it lets everybody in",
                       (int)m->name.n, (const char *)m->name.p);
    }
    if (r == 0) r = buf_check(&text, p->why);
    struct bytes kept =
        r == 0 ? arena_copy(&p->c->arena, buf_view(&text)) : (struct bytes){NULL, 0};
    buf_free(&text);
    return r == 0 ? canonical_text(p, &m->registers, kept) : r;
}

static int read_builder(struct apply *p, struct wanted_builder *b, const struct json *v) {
    const struct json *configuration = hub_member(v, "configuration");
    struct bytes ip;
    char text[46];
    *b = (struct wanted_builder){.enabled = true};
    static const char *const names[] = {"name",    "ip_address",    "dns_name",  "network",
                                        "enabled", "configuration", "shadow_of", NULL};
    int r = json_expect(v, JSON_OBJECT, p->why);
    if (r == 0) r = hub_check_members(v, names, p->why);
    if (r == 0) r = hub_text(&b->name, v, "name", p->why);
    if (r == 0) r = hub_text(&ip, v, "ip_address", p->why);
    if (r == 0) r = hub_text(&b->network, v, "network", p->why);
    if (r == 0) r = hub_text(&b->dns_name, v, "dns_name", p->why);
    if (r == 0) r = hub_text(&b->shadow_of, v, "shadow_of", p->why);
    if (r == 0) r = read_bool(&b->enabled, v, "enabled", p->why);
    if (r != 0) return r;
    if (!hub_name_is_good(b->name)) {
        return json_error(p->why, ERR_INVALID, v, "a name has 1 to 255 bytes");
    }
    if (!b->network.n || !model_ip(b->address, ip)) {
        return json_error(p->why, ERR_INVALID, v, "%.*s: network and a valid ip_address are needed",
                          (int)b->name.n, (const char *)b->name.p);
    }
    model_ip_text(text, b->address);
    b->ip = arena_copy(&p->c->arena, bytes_from_str(text));
    if (json_is_null(configuration)) return 0;
    return jsonb_canonical(&b->configuration, configuration, &p->c->arena, p->why);
}

static int check_twice(struct apply *p, const struct bytes *names, size_t size, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const struct bytes *a = (const void *)((const char *)names + (i - 1) * size);
        const struct bytes *b = (const void *)((const char *)names + i * size);
        if (bytes_equal(*a, *b)) {
            return error_set(p->why, ERR_INVALID, "%.*s is there twice", (int)a->n,
                             (const char *)a->p);
        }
    }
    return 0;
}

static int read_lists(struct apply *p, const struct json *doc) {
    const struct json *m = hub_member(doc, "measurements"), *b = hub_member(doc, "builders");
    struct arena *a = &p->c->arena;
    int r = json_is_null(m) ? 0 : json_expect(m, JSON_ARRAY, p->why);
    if (r == 0 && !json_is_null(b)) r = json_expect(b, JSON_ARRAY, p->why);
    if (r != 0) return r;
    p->measurements = arena_new_array(a, struct wanted_measurement, json_count(m) + 1);
    p->builders = arena_new_array(a, struct wanted_builder, json_count(b) + 1);
    if (!p->measurements || !p->builders) return error_set(p->why, ERR_NO_MEMORY, "no memory");
    json_each(v, m) {
        if (r == 0) r = read_measurement(p, &p->measurements[p->measurement_count++], v);
    }
    json_each(v, b) {
        if (r == 0) r = read_builder(p, &p->builders[p->builder_count++], v);
    }
    if (r != 0) return r;
    qsort(p->measurements, p->measurement_count, sizeof *p->measurements, compare_names);
    qsort(p->builders, p->builder_count, sizeof *p->builders, compare_names);
    r = check_twice(p, &p->measurements->name, sizeof *p->measurements, p->measurement_count);
    return r == 0 ? check_twice(p, &p->builders->name, sizeof *p->builders, p->builder_count) : r;
}

static int read_document(struct apply *p) {
    static const char *const words[] = {"keep", "disable", "delete"};
    static const char *const names[] = {"measurements", "builders", "dry_run",
                                        "expect",       "unlisted", NULL};
    static const struct json_limits limits = {HUB_STATE_BYTES_MAX, 64, 2u << 20, true};
    const struct json *doc;
    struct bytes word;
    int r = json_parse(&doc, p->c->req->body, &p->c->arena, &limits, p->why);
    if (r == 0) r = json_expect(doc, JSON_OBJECT, p->why);
    if (r == 0) r = hub_check_members(doc, names, p->why);
    if (r == 0) r = read_bool(&p->dry_run, doc, "dry_run", p->why);
    if (r == 0) r = hub_text(&p->expect, doc, "expect", p->why);
    if (r == 0) r = hub_text(&word, doc, "unlisted", p->why);
    if (r != 0) return r;
    size_t i = 0;
    while (word.n && i < 3 && !bytes_equal_str(word, words[i]))
        i++;
    if (i == 3) return error_set(p->why, ERR_INVALID, "unlisted is keep, disable or delete");
    p->unlisted = (enum unlisted)i;
    return read_lists(p, doc);
}

/* ---- changes ---- */

static void begin_change(struct apply *p, const char *kind, struct bytes name, const char *change) {
    p->changes++;
    json_begin_object(&p->w, NULL);
    json_add_str(&p->w, "kind", kind);
    json_add_text(&p->w, "name", name);
    json_add_str(&p->w, "change", change);
}

static void change(struct apply *p, const char *kind, struct bytes name, const char *what) {
    begin_change(p, kind, name, what);
    json_end(&p->w);
}

static void measurement_change(struct apply *p, struct bytes name, const char *what) {
    change(p, "measurement", name, what);
    p->measurements_changed = true;
}

static void builder_change(struct apply *p, struct bytes name, const char *what) {
    change(p, "builder", name, what);
    batch_notify(&p->batch, p->c->hub->options.store, name);
}

/* ---- measurements ---- */

static int compare_measurement(void *context, const struct store_measurement *row,
                               struct error *why) {
    struct apply *p = context;
    struct bytes name = arena_copy(&p->c->arena, row->name), stored;
    struct wanted_measurement *m = bsearch(&name, p->measurements, p->measurement_count,
                                           sizeof *p->measurements, compare_names);
    if (m) {
        m->found = true;
        int r = canonical_text(p, &stored, row->measurement);
        if (r != 0) return r;
        if (!bytes_equal(stored, m->registers) || !bytes_equal(row->type, m->type)) {
            return error_set(why, ERR_CONFLICT,
                             "measurement %.*s is there with another content: names stand for "
                             "images, give the new one its own",
                             (int)name.n, (const char *)name.p);
        }
    }
    bool wanted = m ? m->enabled : p->unlisted == UNLISTED_KEEP && row->active;
    if (!m && p->unlisted == UNLISTED_DELETE) {
        batch_measurement_delete(&p->batch, name);
        measurement_change(p, name, "delete");
    } else if (wanted != row->active) {
        batch_measurement_enable(&p->batch, name, wanted, true);
        measurement_change(p, name, wanted ? "enable" : "disable");
    }
    return 0;
}

static int plan_measurements(struct apply *p) {
    int r = store_measurements(p->c->hub->options.store, compare_measurement, p, p->why);
    for (size_t i = 0; r == 0 && i < p->measurement_count; i++) {
        const struct wanted_measurement *m = &p->measurements[i];
        if (m->found) continue;
        batch_measurement_add(&p->batch, m->name, m->type, m->registers);
        measurement_change(p, m->name, "add");
        if (!m->enabled) continue;
        batch_measurement_enable(&p->batch, m->name, true, true);
        measurement_change(p, m->name, "enable");
    }
    return r;
}

/* ---- builders ---- */

static void take_address(struct apply *p, const uint8_t address[16], struct bytes name) {
    struct taken *t = &p->taken[p->taken_count++];
    memcpy(t->address, address, 16);
    t->name = name;
}

// What differs of a builder that is there, but for its configuration.
static void compare_builder(struct apply *p, const struct model_builder *row,
                            struct wanted_builder *b) {
    struct bytes ip = bytes_from_str(row->ip), network = bytes_from_str(row->network),
                 dns_name = bytes_from_str(row->dns_name), shadow = bytes_from_str(row->shadow_of);
    b->shadow_changes = !bytes_equal(shadow, b->shadow_of);
    if (bytes_equal(ip, b->ip) && bytes_equal(network, b->network) &&
        bytes_equal(dns_name, b->dns_name) && !b->shadow_changes) {
        return;
    }
    batch_builder_update(&p->batch, b->name, b->ip, b->network, b->dns_name);
    begin_change(p, "builder", b->name, "update");
    const struct bytes from[] = {ip, network, dns_name, shadow},
                       to[] = {b->ip, b->network, b->dns_name, b->shadow_of};
    static const char *const keys[] = {"ip_address", "network", "dns_name", "shadow_of"};
    for (int side = 0; side < 2; side++) {
        json_begin_object(&p->w, side ? "to" : "from");
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            if (!bytes_equal(from[i], to[i])) json_add_text(&p->w, keys[i], side ? to[i] : from[i]);
        }
        json_end(&p->w);
    }
    json_end(&p->w);
    batch_notify(&p->batch, p->c->hub->options.store, b->name);
}

static void unlisted_builder(struct apply *p, const struct model_builder *row, struct bytes name) {
    if (p->unlisted == UNLISTED_DELETE) {
        p->deleted[p->deleted_count++] = name; // after the shadows of it have gone
        builder_change(p, name, "delete");
    } else if (p->unlisted == UNLISTED_DISABLE && row->active) {
        batch_builder_enable(&p->batch, name, false, true);
        builder_change(p, name, "disable");
    } else if (row->active) {
        take_address(p, row->address, name);
    }
}

static int append_row(void *context, const struct store_config *row, struct error *why) {
    (void)why;
    buf_append(context, row->config);
    return 0;
}

static int plan_configuration(struct apply *p, const struct wanted_builder *b, bool has_one) {
    struct buf old;
    struct bytes stored = {NULL, 0};
    if (!b->configuration.p) return 0;
    buf_init(&old, 0);
    int r = 0;
    if (has_one) {
        r = store_configs(p->c->hub->options.store, b->name, BYTES_LIT("active"), append_row, &old,
                          p->why);
        if (r == 0 && old.n) r = canonical_text(p, &stored, buf_view(&old));
    }
    buf_free(&old);
    if (r != 0 || bytes_equal(stored, b->configuration)) return r;
    batch_config_set(&p->batch, b->name, b->configuration);
    begin_change(p, "builder", b->name, "configuration");
    if (stored.n) json_add_raw(&p->w, "from", stored);
    json_add_raw(&p->w, "to", b->configuration);
    json_end(&p->w);
    batch_notify(&p->batch, p->c->hub->options.store, b->name);
    return 0;
}

// The rest of a wanted builder, once what is there is known.
static int plan_builder(struct apply *p, struct wanted_builder *b, bool active, bool has_one) {
    if (!b->found) {
        batch_builder_add(&p->batch, b->name, b->ip, b->network, b->dns_name);
        builder_change(p, b->name, "add");
    }
    int r = plan_configuration(p, b, has_one);
    if (r != 0) return r;
    b->shadow_changes |= !b->found && b->shadow_of.n;
    if (b->enabled && !has_one && !b->configuration.p && !b->shadow_of.n) {
        return error_set(p->why, ERR_INVALID, "%.*s is to be enabled and has no configuration",
                         (int)b->name.n, (const char *)b->name.p);
    }
    if (b->enabled) take_address(p, b->address, b->name);
    if (b->enabled == active) return 0;
    batch_builder_enable(&p->batch, b->name, b->enabled, true);
    builder_change(p, b->name, b->enabled ? "enable" : "disable");
    return 0;
}

/* ---- shadows ---- */

/* A builder as it will be. */
struct future {
    bool exists, has_config;
    struct bytes network, shadow_of;
};

// With the model's lock held; the texts are copied.
static struct future future_of(struct apply *p, struct bytes name) {
    struct arena *a = &p->c->arena;
    const struct wanted_builder *b =
        bsearch(&name, p->builders, p->builder_count, sizeof *p->builders, compare_names);
    const struct model_builder *row = model_builder(&p->c->hub->model, name);
    bool has_one = row && row->has_config;
    if (b) return (struct future){true, has_one || b->configuration.p, b->network, b->shadow_of};
    if (!row || p->unlisted == UNLISTED_DELETE) return (struct future){.exists = false};
    return (struct future){true, has_one, arena_copy(a, bytes_from_str(row->network)),
                           arena_copy(a, bytes_from_str(row->shadow_of))};
}

static int shadow_refused(struct apply *p, struct bytes name, const char *what) {
    return error_set(p->why, ERR_INVALID, "%.*s: shadow_of %s", (int)name.n, (const char *)name.p,
                     what);
}

static int check_shadow(struct apply *p, struct bytes name, bool enabled, struct future f) {
    if (f.shadow_of.n == 0) return 0;
    struct future source = future_of(p, f.shadow_of);
    if (!source.exists) return shadow_refused(p, name, "names no builder that will be there");
    if (source.shadow_of.n) return shadow_refused(p, name, "names a shadow, or itself");
    if (bytes_equal(source.network, f.network)) {
        return shadow_refused(p, name, "names a builder of the same network");
    }
    return !enabled || source.has_config
               ? 0
               : shadow_refused(p, name, "names a builder without configuration");
}

// Whoever is there in the end, listed or not.
static int check_shadows(struct apply *p) {
    struct hub *h = p->c->hub;
    int r = 0;
    (void)pthread_rwlock_rdlock(&h->lock);
    for (size_t i = 0; r == 0 && i < p->builder_count; i++) {
        const struct wanted_builder *b = &p->builders[i];
        r = check_shadow(p, b->name, b->enabled, future_of(p, b->name));
    }
    for (size_t i = 0; r == 0 && i < h->model.count; i++) {
        const struct model_builder *row = h->model.sorted[i];
        if (!row->shadow_of[0]) continue;
        struct bytes name = bytes_from_str(row->name);
        struct future f = future_of(p, name);
        if (f.exists) r = check_shadow(p, name, false, f);
    }
    (void)pthread_rwlock_unlock(&h->lock);
    return r;
}

static int plan_shadows(struct apply *p) {
    for (size_t i = 0; i < p->builder_count; i++) {
        const struct wanted_builder *b = &p->builders[i];
        if (b->shadow_changes) batch_builder_shadow(&p->batch, b->name, b->shadow_of);
    }
    bool apart = secrets_apart(p->c->hub->options.secrets);
    for (size_t i = 0; i < p->deleted_count; i++)
        batch_builder_delete(&p->batch, p->deleted[i], apart);
    return check_shadows(p);
}

/* ---- all of them ---- */

static int compare_taken(const void *a, const void *b) {
    return memcmp(((const struct taken *)a)->address, ((const struct taken *)b)->address, 16);
}

static int check_addresses(struct apply *p) {
    qsort(p->taken, p->taken_count, sizeof *p->taken, compare_taken);
    for (size_t i = 1; i < p->taken_count; i++) {
        const struct taken *a = &p->taken[i - 1], *b = &p->taken[i];
        if (compare_taken(a, b) != 0) continue;
        return error_set(p->why, ERR_CONFLICT, "%.*s and %.*s would be active at one address",
                         (int)a->name.n, (const char *)a->name.p, (int)b->name.n,
                         (const char *)b->name.p);
    }
    return 0;
}

static int plan_builders(struct apply *p) {
    struct hub *h = p->c->hub;
    struct arena *a = &p->c->arena;
    bool *active = arena_new_array(a, bool, p->builder_count + 1);
    bool *has_one = arena_new_array(a, bool, p->builder_count + 1);
    (void)pthread_rwlock_rdlock(&h->lock);
    p->taken = arena_new_array(a, struct taken, h->model.count + p->builder_count + 1);
    p->deleted = arena_new_array(a, struct bytes, h->model.count + 1);
    for (size_t i = 0; p->taken && p->deleted && active && has_one && i < h->model.count; i++) {
        const struct model_builder *row = h->model.sorted[i];
        struct bytes name = arena_copy(a, bytes_from_str(row->name));
        struct wanted_builder *b =
            bsearch(&name, p->builders, p->builder_count, sizeof *p->builders, compare_names);
        if (b) {
            b->found = true;
            active[b - p->builders] = row->active;
            has_one[b - p->builders] = row->has_config;
            compare_builder(p, row, b);
        } else {
            unlisted_builder(p, row, name);
        }
    }
    (void)pthread_rwlock_unlock(&h->lock);
    if (!p->taken || !p->deleted || !active || !has_one)
        return error_set(p->why, ERR_NO_MEMORY, "no memory");
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->builder_count; i++) {
        r = plan_builder(p, &p->builders[i], active[i], has_one[i]);
    }
    if (r == 0) r = plan_shadows(p);
    return r == 0 ? check_addresses(p) : r;
}

/* ---- the whole ---- */

static void refuse(struct apply *p, int r) {
    if (r == ERR_CLOSED || r == ERR_BUSY || r == ERR_IO || r == ERR_NO_MEMORY) {
        hub_failure(p->c, r, p->why);
    } else {
        hub_message(p->c, r == ERR_CONFLICT ? 409 : 400, "the wanted state cannot be",
                    p->why->text);
    }
}

static void answer(struct apply *p, const char digest[65], bool applied) {
    struct json_writer w;
    json_writer_init(&w, &p->c->res->body, 0);
    json_begin_object(&w, NULL);
    json_add_bool(&w, "applied", applied);
    json_add_str(&w, "digest", digest);
    json_add_raw(&w, "changes", buf_view(&p->text));
    json_end(&w);
    buf_append_byte(&p->c->res->body, '\n');
    hub_json(p->c, 200);
}

static void carry_out(struct apply *p) {
    char digest[65] = "";
    struct hash hash = sha256(buf_view(&p->text));
    hex_encode(digest, BYTES_OF(hash));
    if (p->expect.n && !bytes_equal_str(p->expect, digest)) {
        hub_message(p->c, 409, "the difference is another than expected",
                    "the state has changed since the dry run; look again");
        return;
    }
    if (p->dry_run || p->changes == 0) {
        answer(p, digest, false);
        return;
    }
    struct hub *h = p->c->hub;
    if (p->measurements_changed) batch_notify(&p->batch, h->options.store, BYTES_LIT(""));
    for (size_t i = 0; i < p->builder_count; i++) {
        const struct wanted_builder *b = &p->builders[i];
        if (!b->found && !hub_name_is_free(p->c, b->name)) return;
    }
    int r = hub_change_all(h, &p->batch, p->why);
    for (size_t i = 0; r == 0 && i < p->deleted_count; i++)
        hub_removed(h, p->deleted[i]);
    if (r == 0) {
        answer(p, digest, true);
    } else {
        refuse(p, r);
    }
}

void admin_apply(struct hub_call *c) {
    struct error why = {0};
    struct apply p = {.c = c, .why = &why};
    hub_batch(c, &p.batch);
    buf_init(&p.text, 0);
    json_writer_init(&p.w, &p.text, 0);
    json_begin_array(&p.w, NULL);
    int r = read_document(&p);
    if (r == 0) r = plan_measurements(&p);
    if (r == 0) r = plan_builders(&p);
    json_end(&p.w);
    if (r == 0) r = buf_check(&p.text, &why);
    if (r == 0) {
        carry_out(&p);
    } else {
        refuse(&p, r);
    }
    buf_free(&p.text);
}
