/* The admin API, version 2: lists, history, changes, deletes, and "why was I refused".
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "hub/hub_internal.h"

#include <string.h>

#define LIST_LIMIT 1000

struct listing {
    struct json_writer w;
    struct arena *arena;
    bool any;
};

static void begin(struct listing *l, struct hub_call *c) {
    json_writer_init(&l->w, &c->res->body, 0);
    json_begin_array(&l->w, NULL);
    l->arena = &c->arena;
    l->any = false;
}

static void end(struct listing *l, struct hub_call *c, int r, const struct error *why) {
    json_end(&l->w);
    buf_append_byte(&c->res->body, '\n');
    if (r == 0) {
        hub_json(c, 200);
    } else {
        hub_failure(c, r, why);
    }
}

static int each_measurement(void *context, const struct store_measurement *m, struct error *why) {
    struct listing *l = context;
    const struct json *stored;
    int r = json_parse(&stored, m->measurement, l->arena, &JSONB_LIMITS, why);
    if (r != 0) return r;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "measurement_id", m->name);
    json_add_text(&l->w, "attestation_type", m->type);
    json_add_bool(&l->w, "enabled", m->active);
    json_add_text(&l->w, "created_at", m->created);
    if (measurement_image(stored)) {
        json_add_raw(&l->w, "dcap_image_hashes", json_raw(measurement_image(stored)));
    } else {
        json_add_raw(&l->w, "measurements", m->measurement);
    }
    json_end(&l->w);
    return 0;
}

void admin_measurement_list(struct hub_call *c) {
    struct listing l;
    struct error why;
    begin(&l, c);
    int r = store_measurements(c->hub->options.store, each_measurement, &l, &why);
    end(&l, c, r, &why);
}

static void finish(struct hub_call *c, struct store_batch *b, struct bytes builder) {
    struct error why;
    int r = hub_change(c->hub, b, builder, &why);
    if (r == 0) {
        hub_status(c, 200);
    } else if (r == ERR_NOT_FOUND) {
        hub_message(c, 404, "not found", why.text);
    } else {
        hub_failure(c, r, &why);
    }
}

void admin_measurement_delete(struct hub_call *c) {
    struct store_batch b;
    hub_batch(c, &b);
    batch_measurement_delete(&b, c->params[0]);
    finish(c, &b, (struct bytes){NULL, 0});
}

void admin_builder_list(struct hub_call *c) {
    struct hub *h = c->hub;
    struct listing l;
    struct error why;
    begin(&l, c);
    (void)pthread_rwlock_rdlock(&h->lock);
    for (size_t i = 0; i < h->model.count; i++) {
        const struct model_builder *b = h->model.sorted[i];
        uint64_t seen = atomic_load(&b->seen_ns);
        char text[CLOCK_TEXT_MAX];
        json_begin_object(&l.w, NULL);
        json_add_str(&l.w, "name", b->name);
        json_add_str(&l.w, "ip_address", b->ip);
        json_add_str(&l.w, "dns_name", b->dns_name);
        json_add_str(&l.w, "network", b->network);
        json_add_bool(&l.w, "enabled", b->active);
        json_add_bool(&l.w, "has_configuration", model_has_config(&h->model, b));
        if (b->shadow_of[0]) json_add_str(&l.w, "shadow_of", b->shadow_of);
        json_add_bool(&l.w, "registered", b->complete);
        if (seen) {
            json_add_text(&l.w, "last_contact", bytes_make(text, clock_format(text, seen, 3)));
        } else {
            json_add_null(&l.w, "last_contact");
        }
        json_end(&l.w);
    }
    (void)pthread_rwlock_unlock(&h->lock);
    end(&l, c, 0, &why);
}

/* ---- a builder's changes ---- */

struct update {
    struct bytes name, ip, network, dns_name, shadow_of;
    uint8_t address[16];
    bool shadows; /* shadow_of was given */
};

// What is wrong with it, in the model as it is; *ret_status is the answer's. NULL: nothing.
static const char *shadow_fault(const struct model *m, const struct update *u, int *ret_status) {
    if (!u->shadows || u->shadow_of.n == 0) return NULL;
    const struct model_builder *source = model_builder(m, u->shadow_of);
    *ret_status = 400;
    if (!source) return "shadow_of names no builder";
    if (bytes_equal(u->name, u->shadow_of)) return "a builder cannot be its own shadow";
    if (source->shadow_of[0]) return "shadow_of names a builder that is a shadow itself";
    if (bytes_equal_str(u->network, source->network)) {
        return "a shadow is of another network than the builder it shadows";
    }
    *ret_status = 409;
    return model_shadowed(m, u->name) ? "the builder has shadows itself" : NULL;
}

static const char *update_fault(const struct model *m, const struct model_builder *old,
                                struct update *u, int *ret_status) {
    *ret_status = 400;
    if (!model_ip(u->address, u->ip)) return "invalid ip address";
    const struct model_builder *other = model_builder_at(m, u->address);
    *ret_status = 409;
    if (old->active && other && other != old) return "another active builder has this address";
    return shadow_fault(m, u, ret_status);
}

static int read_update(struct hub_call *c, struct update *u, const struct json *doc,
                       struct error *why) {
    static const char *const names[] = {"ip_address", "network", "dns_name", "shadow_of", NULL};
    int r = json_expect(doc, JSON_OBJECT, why);
    if (r == 0) r = hub_check_members(doc, names, why);
    if (r == 0) r = hub_text(&u->ip, doc, "ip_address", why);
    if (r == 0) r = hub_text(&u->network, doc, "network", why);
    if (r == 0) r = hub_text(&u->dns_name, doc, "dns_name", why);
    if (r == 0) r = hub_text(&u->shadow_of, doc, "shadow_of", why);
    u->name = c->params[0];
    u->shadows = hub_member(doc, "shadow_of") != NULL;
    return r;
}

static void fill_update(struct hub_call *c, struct update *u, const struct json *doc,
                        const struct model_builder *old) {
    struct arena *a = &c->arena;
    if (u->ip.n == 0) u->ip = arena_copy(a, bytes_from_str(old->ip));
    if (u->network.n == 0) u->network = arena_copy(a, bytes_from_str(old->network));
    if (!hub_member(doc, "dns_name")) u->dns_name = arena_copy(a, bytes_from_str(old->dns_name));
}

// PUT with the members to change; the others stay.
void admin_builder_update(struct hub_call *c) {
    const struct json *doc;
    struct error why;
    struct store_batch b;
    struct hub *h = c->hub;
    struct update u = {.shadows = false};
    const char *fault = "unknown builder";
    int status = 404, r = hub_parse(c, &doc, &why);
    if (r == 0) r = read_update(c, &u, doc, &why);
    if (r != 0) {
        hub_message(c, 400, "failed to unmarshal request body", why.text);
        return;
    }
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct model_builder *old = model_builder(&h->model, u.name);
    if (old) {
        fill_update(c, &u, doc, old);
        fault = update_fault(&h->model, old, &u, &status);
    }
    (void)pthread_rwlock_unlock(&h->lock);
    if (fault) {
        hub_message(c, status, fault, NULL);
        return;
    }
    char text[46];
    model_ip_text(text, u.address);
    hub_batch(c, &b);
    batch_builder_update(&b, u.name, bytes_from_str(text), u.network, u.dns_name);
    if (u.shadows) batch_builder_shadow(&b, u.name, u.shadow_of);
    finish(c, &b, u.name);
}

void admin_builder_delete(struct hub_call *c) {
    struct store_batch b;
    struct hub *h = c->hub;
    if (!hub_knows_builder(c, c->params[0])) return;
    (void)pthread_rwlock_rdlock(&h->lock);
    const char *shadow = model_shadowed(&h->model, c->params[0]);
    if (shadow) shadow = arena_str(&c->arena, bytes_from_str(shadow));
    (void)pthread_rwlock_unlock(&h->lock);
    if (shadow) {
        hub_message(c, 409, "another builder is a shadow of it", shadow);
        return;
    }
    hub_batch(c, &b);
    batch_builder_delete(&b, c->params[0], secrets_apart(h->options.secrets));
    finish(c, &b, c->params[0]);
    if (c->res->status == 200) hub_removed(h, c->params[0]);
}

static int each_config(void *context, const struct store_config *row, struct error *why) {
    struct listing *l = context;
    (void)why;
    l->any = true;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "version", row->version);
    json_add_bool(&l->w, "active", row->active);
    json_add_text(&l->w, "created_at", row->created);
    json_end(&l->w);
    return 0;
}

void admin_config_list(struct hub_call *c) {
    struct listing l;
    struct error why;
    if (!hub_knows_builder(c, c->params[0])) return;
    begin(&l, c);
    int r =
        store_configs(c->hub->options.store, c->params[0], BYTES_LIT(""), each_config, &l, &why);
    end(&l, c, r, &why);
}

static int append_config(void *context, const struct store_config *row, struct error *why) {
    (void)why;
    buf_append(context, row->config);
    return 0;
}

void admin_config_one(struct hub_call *c) {
    struct error why;
    int r = store_configs(c->hub->options.store, c->params[0], c->params[1], append_config,
                          &c->res->body, &why);
    if (r != 0) {
        hub_failure(c, r, &why);
    } else if (c->res->body.n == 0) {
        hub_message(c, 404, "unknown version", NULL);
    } else {
        hub_json(c, 200);
    }
}

void admin_config_activate(struct hub_call *c) {
    struct store_batch b;
    hub_batch(c, &b);
    batch_config_activate(&b, c->params[0], c->params[1]);
    finish(c, &b, c->params[0]);
}

static int each_credential(void *context, const struct store_credential *k, struct error *why) {
    struct listing *l = context;
    (void)why;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "service", k->service);
    json_add_bool(&l->w, "active", k->active);
    json_add_text(&l->w, "created_at", k->created);
    if (k->measurement.p) json_add_text(&l->w, "measurement_id", k->measurement);
    if (k->address.n) json_add_data(&l->w, "ecdsa_pubkey_address", k->address);
    if (k->tls_cert.n) json_add_text(&l->w, "tls_cert", k->tls_cert);
    if (k->region.n) json_add_text(&l->w, "region", k->region);
    json_end(&l->w);
    return 0;
}

void admin_credential_list(struct hub_call *c) {
    struct listing l;
    struct error why;
    if (!hub_knows_builder(c, c->params[0])) return;
    begin(&l, c);
    int r = store_credentials(c->hub->options.store, c->params[0], true, each_credential, &l, &why);
    end(&l, c, r, &why);
}

static int each_event(void *context, const struct store_event *e, struct error *why) {
    struct listing *l = context;
    (void)why;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "id", e->id);
    json_add_text(&l->w, "at", e->created);
    json_add_text(&l->w, "event", e->action);
    json_add_text(&l->w, "builder", e->subject);
    json_add_text(&l->w, "measurement_id", e->author);
    json_end(&l->w);
    return 0;
}

void admin_event_list(struct hub_call *c) {
    struct listing l;
    struct error why;
    begin(&l, c);
    int r = hub_flush_events(c->hub, &why);
    if (r == 0) r = store_events(c->hub->options.store, LIST_LIMIT, each_event, &l, &why);
    end(&l, c, r, &why);
}

static int each_change(void *context, const struct store_event *e, struct error *why) {
    struct listing *l = context;
    (void)why;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "id", e->id);
    json_add_text(&l->w, "at", e->created);
    json_add_text(&l->w, "change", e->action);
    json_add_text(&l->w, "subject", e->subject);
    json_add_text(&l->w, "author", e->author);
    json_add_text(&l->w, "reason", e->reason);
    json_end(&l->w);
    return 0;
}

void admin_change_list(struct hub_call *c) {
    struct listing l;
    struct error why;
    begin(&l, c);
    int r = store_changes(c->hub->options.store, LIST_LIMIT, each_change, &l, &why);
    end(&l, c, r, &why);
}

// {"attestation_type": s, "measurements": {register: value}}: which entries would let it in, and
// for the others the first register that differs.
void admin_match(struct hub_call *c) {
    const struct json *doc;
    struct error why;
    struct bytes type;
    struct hub *h = c->hub;
    int r = hub_parse(c, &doc, &why);
    if (r == 0) r = hub_text(&type, doc, "attestation_type", &why);
    const struct json *claimed = r == 0 ? hub_member(doc, "measurements") : NULL;
    struct model_claim *claims =
        arena_new_array(&c->arena, struct model_claim, json_count(claimed) + 1);
    size_t n = 0;
    if (r != 0 || !claims) {
        hub_message(c, 400, "failed to unmarshal request body", why.text);
        return;
    }
    json_members(key, value, claimed) {
        claims[n++] = (struct model_claim){json_text(key), json_text(value)};
    }
    struct listing l;
    begin(&l, c);
    (void)pthread_rwlock_rdlock(&h->lock);
    for (size_t i = 0; i < h->model.measurement_count; i++) {
        const struct model_measurement *e = &h->model.measurements[i];
        const struct model_register *differs = NULL;
        if (!bytes_equal(e->type, type)) continue;
        bool ok = model_matches(e, claims, n, &differs);
        json_begin_object(&l.w, NULL);
        json_add_text(&l.w, "measurement_id", e->name);
        json_add_bool(&l.w, "enabled", e->active);
        json_add_bool(&l.w, "matches", ok);
        if (!ok && differs) json_add_text(&l.w, "register", differs->key);
        json_end(&l.w);
    }
    (void)pthread_rwlock_unlock(&h->lock);
    end(&l, c, 0, &why);
}
