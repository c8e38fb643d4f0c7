/* The admin API, version 1.
 * SPDX-License-Identifier: MIT */
#include "attest/policy.h"
#include "hub/hub_internal.h"

#include <string.h>

#define NAME_BYTES_MAX 255

// Bodies

static void bad_body(struct hub_call *c, const struct error *why) {
    hub_message(c, 400, "failed to unmarshal request body", why->text);
}

static int parse_object(struct hub_call *c, const struct json **ret, struct error *why) {
    int r = hub_parse(c, ret, why);
    if (r == 0 && json_type_of(*ret) != JSON_OBJECT && !json_is_null(*ret)) {
        r = error_set(why, ERR_INVALID, "the body is no object");
    }
    return r;
}

// Where the first JSON value ends; what follows is not looked at.
static struct bytes first_value(struct bytes in) {
    size_t i = 0;
    unsigned depth = 0;
    bool text = false, begun = false;
    for (; i < in.n; i++) {
        uint8_t b = in.p[i];
        bool space = b == ' ' || b == '\t' || b == '\r' || b == '\n';
        if (text) {
            if (b == '\\') i++;
            if (b == '"') text = false;
        } else if (b == '"') {
            text = begun = true;
        } else if (b == '{' || b == '[') {
            depth++;
            begun = true;
        } else if (b == '}' || b == ']') {
            if (depth) depth--;
        } else if (!space) {
            begun = true;
            if (depth == 0) continue; // a bare word goes on
        } else if (depth == 0 && begun) {
            break;
        }
        if (begun && depth == 0 && !text && !space) return bytes_slice(in, 0, i + 1);
    }
    return bytes_slice(in, 0, i);
}

// {"enabled": bool}. False: answered.
static bool read_enabled(struct hub_call *c, bool *ret) {
    const struct json *doc;
    struct error why;
    struct bytes body = first_value(c->req->body);
    *ret = false;
    if (bytes_trim(body).n == 0) {
        hub_message(c, 400, "failed to decode request body", "EOF");
        return false;
    }
    int r = json_parse(&doc, body, &c->arena, &JSONB_LIMITS, &why);
    if (r == 0 && json_type_of(doc) != JSON_OBJECT && !json_is_null(doc)) {
        r = error_set(&why, ERR_INVALID, "the body is no object");
    }
    const struct json *v = r == 0 ? hub_member(doc, "enabled") : NULL;
    if (r == 0 && !json_is_null(v)) r = json_bool(ret, v, &why);
    if (r == 0 && json_is_null(v) && !c->hub->options.compat) {
        r = error_set(&why, ERR_NOT_FOUND, "enabled is missing");
    }
    if (r != 0) hub_message(c, 400, "failed to decode request body", why.text);
    return r == 0;
}

static void finish(struct hub_call *c, struct store_batch *b, struct bytes builder) {
    struct error why;
    int r = hub_change(c->hub, b, builder, &why);
    if (r == 0) {
        hub_status(c, 200);
    } else {
        hub_failure(c, r, &why);
    }
}

bool hub_name_is_good(struct bytes name) {
    return name.n && name.n <= NAME_BYTES_MAX && !memchr(name.p, 0, name.n);
}

// A name of the API's paths and of file names. False: answered.
static bool check_name(struct hub_call *c, struct bytes name) {
    if (c->hub->options.compat || hub_name_is_good(name)) return true;
    hub_message(c, 400, "a name has 1 to 255 bytes", NULL);
    return false;
}

bool hub_knows_builder(struct hub_call *c, struct bytes name) {
    struct hub *h = c->hub;
    (void)pthread_rwlock_rdlock(&h->lock);
    bool known = model_builder(&h->model, name) != NULL;
    (void)pthread_rwlock_unlock(&h->lock);
    if (!known) hub_message(c, 404, "unknown builder", NULL);
    return known;
}

// Measurements

// {"expected": s} or {"expected_any": [s]}, anything else in it ignored.
static int check_register(const struct json *v, bool strict, struct error *why) {
    struct bytes text;
    const struct json *any = hub_member(v, "expected_any");
    if (json_type_of(v) != JSON_OBJECT && !json_is_null(v)) {
        return json_error(why, ERR_INVALID, v, "a register is an object");
    }
    int r = hub_text(&text, v, "expected", why);
    if (r == 0 && !json_is_null(any)) r = json_expect(any, JSON_ARRAY, why);
    if (r != 0) return r;
    json_each(item, any) {
        if (item->type != JSON_STRING && item->type != JSON_NULL) {
            return json_error(why, ERR_INVALID, item, "an expected value is a string");
        }
    }
    if (strict && text.n == 0 && json_count(any) == 0) {
        return json_error(why, ERR_INVALID, v, "a register has no expected value");
    }
    return 0;
}

static void write_register(struct json_writer *w, const struct json *v) {
    const struct json *any = hub_member(v, "expected_any"), *one = hub_member(v, "expected");
    json_begin_object(w, NULL);
    if (json_type_of(one) == JSON_STRING && json_text(one).n) {
        json_add_text(w, "expected", json_text(one));
    }
    if (json_count(any)) json_begin_array(w, "expected_any");
    json_each(item, any) {
        json_add_text(w, NULL, json_is_null(item) ? BYTES_LIT("") : json_text(item));
    }
    if (json_count(any)) json_end(w);
    json_end(w);
}

// The stored form: known members only, the last of equal registers.
static int write_registers(struct buf *out, const struct json *v, bool strict, struct error *why) {
    struct json_writer w;
    if (json_is_null(v)) {
        buf_append_str(out, "null");
        return 0;
    }
    int r = json_expect(v, JSON_OBJECT, why);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_members(key, value, v) {
        bool repeated = false;
        for (const struct json *k = json_next(v, value); k && !repeated;
             k = json_next(v, json_member_value(k))) {
            repeated = bytes_equal(json_text(k), json_text(key));
        }
        if (r == 0) r = check_register(value, strict, why);
        if (r != 0 || repeated) continue;
        json_add_key(&w, json_text(key));
        write_register(&w, value);
    }
    json_end(&w);
    return r;
}

// In place of the registers, under a name that no proxy reports: a program that does not know image
// hashes lets nobody in by such an entry.
static int write_image(struct buf *out, const struct json *image, struct bytes type,
                       struct error *why) {
    struct policy_image hashes;
    struct json_writer w;
    if (!bytes_equal_str(type, attestation_type_name(ATTESTATION_GCP_TDX))) {
        return json_error(why, ERR_INVALID, image, "dcap_image_hashes are for gcp-tdx");
    }
    int r = measurement_read_image(&hashes, image, why);
    if (r != 0) return r;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    measurement_write_image(&w, &hashes);
    json_end(&w);
    return 0;
}

int hub_write_entry(struct buf *out, const struct json *entry, struct bytes type,
                    struct hub_entry_rules rules, struct error *why) {
    const struct json *registers = hub_member(entry, "measurements");
    const struct json *image = hub_member(entry, "dcap_image_hashes");
    if (!json_is_null(image)) {
        if (json_count(registers)) {
            return json_error(why, ERR_INVALID, image,
                              "an entry has measurements or dcap_image_hashes, not both");
        }
        return write_image(out, image, type, why);
    }
    if (json_get(registers, "dcap_image_hashes")) {
        return json_error(why, ERR_INVALID, registers, "dcap_image_hashes are no register");
    }
    int r = write_registers(out, registers, rules.strict, why);
    if (r != 0 || !rules.strict || rules.allow_empty || json_count(registers)) return r;
    return json_error(why, ERR_NOT_FOUND, entry,
                      "measurements are empty: the entry would let everybody in");
}

// Both databases keep the same text, and refuse the same.
static int as_stored(struct hub_call *c, struct bytes *ret, struct bytes text, struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, text, &c->arena, &JSONB_LIMITS, why);
    return r == 0 ? jsonb_canonical(ret, doc, &c->arena, why) : r;
}

void admin_measurement_add(struct hub_call *c) {
    const struct json *doc;
    struct bytes name, type, stored;
    struct error why;
    struct store_batch b;
    struct buf text;
    bool strict = !c->hub->options.compat;
    int r = parse_object(c, &doc, &why);
    if (r == 0) r = hub_text(&name, doc, "measurement_id", &why);
    if (r == 0) r = hub_text(&type, doc, "attestation_type", &why);
    if (r != 0) {
        bad_body(c, &why);
        return;
    }
    buf_init(&text, 0);
    const struct hub_entry_rules rules = {strict, atomic_load(&c->hub->allow_empty)};
    r = hub_write_entry(&text, doc, type, rules, &why);
    if (strict && (type.n == 0 || name.n == 0)) {
        hub_message(c, 400, "measurement_id and attestation_type are required", NULL);
    } else if (r == ERR_NOT_FOUND) {
        hub_message(c, 400, why.text, NULL);
    } else if (r != 0) {
        bad_body(c, &why);
    } else if ((r = as_stored(c, &stored, buf_view(&text), &why)) != 0) {
        hub_failure(c, r, &why);
    } else {
        hub_batch(c, &b);
        batch_measurement_add(&b, name, type, stored);
        finish(c, &b, (struct bytes){NULL, 0});
    }
    buf_free(&text);
}

void admin_measurement_enable(struct hub_call *c) {
    bool on;
    struct store_batch b;
    if (!read_enabled(c, &on)) return;
    hub_batch(c, &b);
    batch_measurement_enable(&b, c->params[0], on, !c->hub->options.compat);
    finish(c, &b, (struct bytes){NULL, 0});
}

// Builders

void admin_builder_add(struct hub_call *c) {
    const struct json *doc;
    struct bytes name, dns_name, ip, network;
    struct error why;
    struct store_batch b;
    uint8_t address[16];
    char text[46];
    int r = parse_object(c, &doc, &why);
    if (r == 0) r = hub_text(&name, doc, "name", &why);
    if (r == 0) r = hub_text(&dns_name, doc, "dns_name", &why);
    if (r == 0) r = hub_text(&ip, doc, "ip_address", &why);
    if (r == 0) r = hub_text(&network, doc, "network", &why);
    if (r != 0) {
        bad_body(c, &why);
        return;
    }
    if (network.n == 0) {
        hub_message(c, 400, "network field is required", NULL);
        return;
    }
    if (!model_ip(address, ip)) {
        hub_message(c, 400, "failed to convert builder to domain builder", "invalid ip address");
        return;
    }
    if (!check_name(c, name) || !hub_name_is_free(c, name)) return;
    model_ip_text(text, address);
    hub_batch(c, &b);
    batch_builder_add(&b, name, bytes_from_str(text), network, dns_name);
    finish(c, &b, name);
}

// Strict: two active builders on one address would be one to the hub.
static const char *other_at_address(struct hub *h, struct bytes name) {
    const struct model_builder *b = model_builder(&h->model, name);
    const struct model_builder *other = b ? model_builder_at(&h->model, b->address) : NULL;
    return other && other != b ? other->name : NULL;
}

void admin_builder_enable(struct hub_call *c) {
    bool on;
    struct store_batch b;
    struct hub *h = c->hub;
    bool strict = !h->options.compat;
    if (!read_enabled(c, &on)) return;
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct model_builder *builder = model_builder(&h->model, c->params[0]);
    bool exists = builder != NULL, has_config = builder && model_has_config(&h->model, builder);
    bool taken = strict && on && other_at_address(h, c->params[0]);
    (void)pthread_rwlock_unlock(&h->lock);
    if (strict && !exists) {
        hub_message(c, 404, "unknown builder", NULL);
    } else if (on && !has_config) {
        hub_message(c, 400, "active config not found: please set config for the builder first",
                    NULL);
    } else if (taken) {
        hub_message(c, 409, "another active builder has this address", NULL);
    } else {
        hub_batch(c, &b);
        batch_builder_enable(&b, c->params[0], on, strict);
        finish(c, &b, c->params[0]);
    }
}

// Configurations and secrets

void admin_config_set(struct hub_call *c) {
    const struct json *doc;
    struct error why;
    struct store_batch b;
    struct bytes text;
    if (!check_name(c, c->params[0])) return;
    if (hub_parse(c, &doc, &why) != 0) {
        hub_message(c, 400, "invalid json", NULL);
        return;
    }
    if (!c->hub->options.compat && !hub_knows_builder(c, c->params[0])) return;
    int r = jsonb_canonical(&text, doc, &c->arena, &why);
    if (r == 0) {
        hub_batch(c, &b);
        batch_config_set(&b, c->params[0], text);
        finish(c, &b, c->params[0]);
    } else {
        hub_failure(c, r, &why);
    }
}

void admin_secret_set(struct hub_call *c) {
    const struct json *doc;
    struct error why;
    struct store_batch b;
    struct hub *h = c->hub;
    bool strict = !h->options.compat;
    if (!check_name(c, c->params[0])) return;
    if (strict && !hub_knows_builder(c, c->params[0])) return;
    bool object = hub_parse(c, &doc, &why) == 0 && json_type_of(doc) == JSON_OBJECT;
    if (!object && strict) {
        hub_message(c, 400, "invalid json", "a secret document is an object");
        return;
    }
    if (!object && !secrets_raw(h->options.secrets)) {
        hub_status(c, 500);
        return;
    }
    hub_batch(c, &b);
    batch_notify(&b, h->options.store, c->params[0]);
    if (!hub_name_is_free(c, c->params[0])) return; // compat: the builder need not be there
    int r = secrets_set(h->options.secrets, h->options.store, &b, c->params[0], c->req->body, &why);
    (void)pthread_rwlock_wrlock(&h->lock);
    struct model_builder *builder = model_builder(&h->model, c->params[0]);
    if (builder && r == 0) model_set_secret(builder, (struct bytes){NULL, 0});
    if (r != 0)
        model_age_secrets(&h->model, c->params[0]); // a backend that fails may have taken it
    (void)pthread_rwlock_unlock(&h->lock);
    if (r == 0) {
        hub_status(c, 200);
    } else {
        hub_failure(c, r, &why);
    }
}

static int append_config(void *context, const struct store_config *row, struct error *why) {
    (void)why;
    buf_append(context, row->config);
    return 0;
}

// False: answered (404, 500).
static bool active_config(struct hub_call *c, struct buf *out) {
    struct error why;
    int r = store_configs(c->hub->options.store, c->params[0], BYTES_LIT("active"), append_config,
                          out, &why);
    if (r != 0) {
        hub_failure(c, r, &why);
    } else if (out->n == 0) {
        hub_status(c, 404);
    }
    return r == 0 && out->n > 0;
}

void admin_config_active(struct hub_call *c) {
    if (active_config(c, &c->res->body)) hub_json(c, 200);
}

void admin_config_full(struct hub_call *c) {
    struct buf config;
    struct error why;
    buf_init(&config, 0);
    if (active_config(c, &config)) {
        int r = hub_document(c->hub, c->params[0], &c->res->body, &c->arena, &why);
        if (r == 0) {
            hub_json(c, 200);
        } else {
            hub_failure(c, r, &why);
        }
    }
    buf_free(&config);
}
