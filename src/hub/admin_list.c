/* The admin API, version 2: lists, history, changes, deletes, and "why was I refused".
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "hub/hub_internal.h"

#include <string.h>

#define LIST_LIMIT 1000

struct listing {
    struct json_writer w;
    bool any;
};

static void begin(struct listing *l, struct hub_call *c) {
    json_writer_init(&l->w, &c->res->body, 0);
    json_begin_array(&l->w, NULL);
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
    (void)why;
    json_begin_object(&l->w, NULL);
    json_add_text(&l->w, "measurement_id", m->name);
    json_add_text(&l->w, "attestation_type", m->type);
    json_add_bool(&l->w, "enabled", m->active);
    json_add_text(&l->w, "created_at", m->created);
    json_add_raw(&l->w, "measurements", m->measurement);
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
        json_add_bool(&l.w, "has_configuration", b->has_config);
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

// PUT with the members to change; the others stay.
void admin_builder_update(struct hub_call *c) {
    const struct json *doc;
    struct error why;
    struct store_batch b;
    struct hub *h = c->hub;
    struct bytes ip, network, dns_name;
    uint8_t address[16];
    int r = hub_parse(c, &doc, &why);
    if (r == 0) r = hub_text(&ip, doc, "ip_address", &why);
    if (r == 0) r = hub_text(&network, doc, "network", &why);
    if (r == 0) r = hub_text(&dns_name, doc, "dns_name", &why);
    if (r != 0) {
        hub_message(c, 400, "failed to unmarshal request body", why.text);
        return;
    }
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct model_builder *old = model_builder(&h->model, c->params[0]);
    if (old) {
        struct bytes kept_ip = bytes_from_str(old->ip), kept_network = bytes_from_str(old->network);
        if (ip.n == 0) ip = arena_copy(&c->arena, kept_ip);
        if (network.n == 0) network = arena_copy(&c->arena, kept_network);
        if (!hub_member(doc, "dns_name")) {
            dns_name = arena_copy(&c->arena, bytes_from_str(old->dns_name));
        }
    }
    bool good = old && model_ip(address, ip);
    const struct model_builder *other = good ? model_builder_at(&h->model, address) : NULL;
    bool taken = old && old->active && other && other != old;
    (void)pthread_rwlock_unlock(&h->lock);
    if (!old) {
        hub_message(c, 404, "unknown builder", NULL);
    } else if (!good) {
        hub_message(c, 400, "invalid ip address", NULL);
    } else if (taken) {
        hub_message(c, 409, "another active builder has this address", NULL);
    } else {
        char text[46];
        model_ip_text(text, address);
        hub_batch(c, &b);
        batch_builder_update(&b, c->params[0], bytes_from_str(text), network, dns_name);
        finish(c, &b, c->params[0]);
    }
}

void admin_builder_delete(struct hub_call *c) {
    struct store_batch b;
    hub_batch(c, &b);
    batch_builder_delete(&b, c->params[0]);
    finish(c, &b, c->params[0]);
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
    struct hub *h = c->hub;
    struct listing l;
    struct error why;
    (void)pthread_rwlock_rdlock(&h->lock);
    bool known = model_builder(&h->model, c->params[0]) != NULL;
    (void)pthread_rwlock_unlock(&h->lock);
    if (!known) {
        hub_message(c, 404, "unknown builder", NULL);
        return;
    }
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
        if (!ok) json_add_text(&l.w, "register", differs->key);
        json_end(&l.w);
    }
    (void)pthread_rwlock_unlock(&h->lock);
    end(&l, c, 0, &why);
}
