/* The writing statements, as steps of a batch.
 * SPDX-License-Identifier: MIT */
#include "hub/store_internal.h"

#define NOW "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

void batch_init(struct store_batch *b, struct arena *a, struct bytes author, struct bytes reason) {
    *b = (struct store_batch){.arena = a, .author = author, .reason = reason};
}

static void add(struct store_batch *b, const struct db_statement *st, const char *must_change,
                const struct db_value *values, size_t n) {
    struct store_step *step = arena_new(b->arena, struct store_step);
    struct db_value *kept = arena_new_array(b->arena, struct db_value, n);
    if (!step || !kept) b->failed = ERR_NO_MEMORY;
    if (b->failed != 0) return;
    memcpy(kept, values, n * sizeof *kept);
    *step =
        (struct store_step){.statement = st, .values = kept, .n = n, .must_change = must_change};
    if (b->last)
        b->last->next = step;
    else
        b->first = step;
    b->last = step;
}

#define ADD(b, statement, must_change, ...)                                                        \
    add((b), (statement), (must_change), (const struct db_value[]){__VA_ARGS__},                   \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))

// Measurements

static const struct db_statement measurement_add = {
    "measurement_add",
    "INSERT INTO measurements_whitelist (name, attestation_type, measurement, is_active)"
    " VALUES ($1, $2, $3, 0)",
    "INSERT INTO measurements_whitelist (name, attestation_type, measurement, is_active)"
    " VALUES ($1, $2, $3::jsonb, false)"};
static const struct db_statement measurement_enable = {
    "measurement_enable",
    "UPDATE measurements_whitelist SET is_active = $2, updated_at = " NOW " WHERE name = $1",
    "UPDATE measurements_whitelist SET is_active = $2::boolean, updated_at = now()"
    " WHERE name = $1"};
static const struct db_statement measurement_forget = {
    "measurement_forget",
    "UPDATE service_credential_registrations SET measurement_id = NULL WHERE measurement_id ="
    " (SELECT id FROM measurements_whitelist WHERE name = $1)",
    NULL};
static const struct db_statement measurement_delete = {
    "measurement_delete", "DELETE FROM measurements_whitelist WHERE name = $1", NULL};

void batch_measurement_add(struct store_batch *b, struct bytes name, struct bytes type,
                           struct bytes json) {
    ADD(b, &measurement_add, NULL, db_text(name), db_text(type), db_text(json));
    batch_change(b, "measurement added", name);
}

void batch_measurement_enable(struct store_batch *b, struct bytes name, bool on, bool must) {
    ADD(b, &measurement_enable, must ? "unknown measurement" : NULL, db_text(name), db_bool(on));
    batch_change(b, on ? "measurement enabled" : "measurement disabled", name);
}

void batch_measurement_delete(struct store_batch *b, struct bytes name) {
    ADD(b, &measurement_forget, NULL, db_text(name));
    ADD(b, &measurement_delete, "unknown measurement", db_text(name));
    batch_change(b, "measurement deleted", name);
}

// Builders

static const struct db_statement builder_add = {
    "builder_add",
    "INSERT INTO builders (name, ip_address, network, dns_name, is_active)"
    " VALUES ($1, $2, $3, $4, 0)",
    "INSERT INTO builders (name, ip_address, network, dns_name, is_active)"
    " VALUES ($1, $2::inet, $3, $4, false)"};
static const struct db_statement builder_update = {
    "builder_update",
    "UPDATE builders SET ip_address = $2, network = $3, dns_name = $4, updated_at = " NOW
    " WHERE name = $1",
    "UPDATE builders SET ip_address = $2::inet, network = $3, dns_name = $4, updated_at = now()"
    " WHERE name = $1"};
static const struct db_statement builder_enable = {
    "builder_enable", "UPDATE builders SET is_active = $2, updated_at = " NOW " WHERE name = $1",
    "UPDATE builders SET is_active = $2::boolean, updated_at = now() WHERE name = $1"};
static const struct db_statement credentials_delete = {
    "credentials_delete", "DELETE FROM service_credential_registrations WHERE builder_name = $1",
    NULL};
static const struct db_statement configs_delete = {
    "configs_delete", "DELETE FROM builder_configs WHERE builder_name = $1", NULL};
static const struct db_statement secret_delete = {
    "secret_delete", "DELETE FROM hub_secrets WHERE builder_name = $1", NULL};
static const struct db_statement builder_delete = {"builder_delete",
                                                   "DELETE FROM builders WHERE name = $1", NULL};

void batch_builder_add(struct store_batch *b, struct bytes name, struct bytes ip,
                       struct bytes network, struct bytes dns_name) {
    ADD(b, &builder_add, NULL, db_text(name), db_text(ip), db_text(network),
        dns_name.p ? db_text(dns_name) : DB_NULL);
    batch_change(b, "builder added", name);
}

void batch_builder_update(struct store_batch *b, struct bytes name, struct bytes ip,
                          struct bytes network, struct bytes dns_name) {
    ADD(b, &builder_update, "unknown builder", db_text(name), db_text(ip), db_text(network),
        dns_name.p ? db_text(dns_name) : DB_NULL);
    batch_change(b, "builder changed", name);
}

void batch_builder_enable(struct store_batch *b, struct bytes name, bool on, bool must) {
    ADD(b, &builder_enable, must ? "unknown builder" : NULL, db_text(name), db_bool(on));
    batch_change(b, on ? "builder enabled" : "builder disabled", name);
}

static const struct db_statement removal_add = {
    "removal_add",
    "INSERT INTO hub_secret_removals (builder_name) VALUES ($1) ON CONFLICT DO NOTHING", NULL};
static const struct db_statement removal_done = {
    "removal_done", "DELETE FROM hub_secret_removals WHERE builder_name = $1", NULL};

void batch_removal_done(struct store_batch *b, struct bytes builder) {
    ADD(b, &removal_done, "done already", db_text(builder));
}

void batch_builder_delete(struct store_batch *b, struct bytes name, bool apart) {
    ADD(b, &credentials_delete, NULL, db_text(name));
    ADD(b, &configs_delete, NULL, db_text(name));
    ADD(b, &secret_delete, NULL, db_text(name));
    ADD(b, &builder_delete, "unknown builder", db_text(name));
    if (apart) ADD(b, &removal_add, NULL, db_text(name));
    batch_change(b, "builder deleted", name);
}

static const struct db_statement shadow_delete = {
    "shadow_delete", "DELETE FROM hub_shadows WHERE builder_name = $1", NULL};
static const struct db_statement shadow_add = {
    "shadow_add", "INSERT INTO hub_shadows (builder_name, source_name) VALUES ($1, $2)", NULL};

void batch_builder_shadow(struct store_batch *b, struct bytes name, struct bytes source) {
    ADD(b, &shadow_delete, NULL, db_text(name));
    if (source.n) ADD(b, &shadow_add, NULL, db_text(name), db_text(source));
    batch_change(b, source.n ? "builder made a shadow" : "builder is no shadow", name);
}

// Configurations

static const struct db_statement config_deactivate = {
    "config_deactivate",
    "UPDATE builder_configs SET is_active = 0, updated_at = " NOW
    " WHERE builder_name = $1 AND is_active",
    "UPDATE builder_configs SET is_active = false, updated_at = now()"
    " WHERE builder_name = $1 AND is_active"};
static const struct db_statement config_add = {
    "config_add",
    "INSERT INTO builder_configs (builder_name, config, is_active) VALUES ($1, $2, 1)",
    "INSERT INTO builder_configs (builder_name, config, is_active) VALUES ($1, $2::jsonb, true)"};
static const struct db_statement config_activate = {
    "config_activate",
    "UPDATE builder_configs SET is_active = 1, updated_at = " NOW
    " WHERE builder_name = $1 AND CAST(id AS TEXT) = $2",
    "UPDATE builder_configs SET is_active = true, updated_at = now()"
    " WHERE builder_name = $1 AND CAST(id AS TEXT) = $2"};

void batch_config_set(struct store_batch *b, struct bytes name, struct bytes json) {
    b->again_on_conflict = true;
    ADD(b, &config_deactivate, NULL, db_text(name));
    ADD(b, &config_add, NULL, db_text(name), db_text(json));
    batch_change(b, "configuration set", name);
}

void batch_config_activate(struct store_batch *b, struct bytes name, struct bytes version) {
    b->again_on_conflict = true;
    ADD(b, &config_deactivate, NULL, db_text(name));
    ADD(b, &config_activate, "unknown version", db_text(name), db_text(version));
    batch_change(b, "configuration activated", name);
}

// Credentials

static const struct db_statement credential_retire = {
    "credential_retire",
    "UPDATE service_credential_registrations SET is_active = 0, deprecated_at = " NOW
    " WHERE builder_name = $1 AND service = $2 AND is_active",
    "UPDATE service_credential_registrations SET is_active = false, deprecated_at = now()"
    " WHERE builder_name = $1 AND service = $2 AND is_active"};
#define CREDENTIAL_COLUMNS                                                                         \
    "INSERT INTO service_credential_registrations"                                                 \
    " (builder_name, service, tls_cert, ecdsa_pubkey, region, is_active, measurement_id) "
#define CREDENTIAL_MEASUREMENT                                                                     \
    ", id FROM measurements_whitelist WHERE name = $6 AND attestation_type = $7"
static const struct db_statement credential_add = {
    "credential_add", CREDENTIAL_COLUMNS "SELECT $1, $2, $3, $4, $5, 1" CREDENTIAL_MEASUREMENT,
    CREDENTIAL_COLUMNS "SELECT $1, $2, $3::text, $4::bytea, $5, true" CREDENTIAL_MEASUREMENT};

void batch_register(struct store_batch *b, const struct store_credential *c, struct bytes type) {
    b->again_on_conflict = true;
    ADD(b, &credential_retire, NULL, db_text(c->builder), db_text(c->service));
    ADD(b, &credential_add, "unknown measurement", db_text(c->builder), db_text(c->service),
        c->tls_cert.n ? db_text(c->tls_cert) : DB_NULL,
        c->address.n ? db_blob(c->address) : DB_NULL, db_text(c->region), db_text(c->measurement),
        db_text(type));
}

// Events, secrets, changes

static const struct db_statement event_add = {
    "event_add",
    "INSERT INTO event_log (event_name, builder_name, measurement_id)"
    " SELECT $1, $2, (SELECT id FROM measurements_whitelist WHERE name = $3)"
    " WHERE EXISTS (SELECT 1 FROM builders WHERE name = $2)",
    "INSERT INTO event_log (event_name, builder_name, measurement_id)"
    " SELECT $1, $2::varchar, (SELECT id FROM measurements_whitelist WHERE name = $3)"
    " WHERE EXISTS (SELECT 1 FROM builders WHERE name = $2::varchar)"};
static const struct db_statement secret_set = {
    "secret_set",
    "INSERT INTO hub_secrets (builder_name, sealed) VALUES ($1, $2)"
    " ON CONFLICT (builder_name) DO UPDATE SET sealed = excluded.sealed, updated_at = " NOW,
    "INSERT INTO hub_secrets (builder_name, sealed) VALUES ($1, $2::bytea)"
    " ON CONFLICT (builder_name) DO UPDATE SET sealed = excluded.sealed, updated_at = now()"};
static const struct db_statement change_add = {
    "change_add",
    "INSERT INTO hub_changes (action, subject, author, reason) VALUES ($1, $2, $3, $4)", NULL};
static const struct db_statement notify = {"notify", "SELECT $1",
                                           "SELECT pg_notify('" STORE_CHANNEL "', $1)"};
// In portions: a database that is taken over may have years of rows, and one statement for all of
// them keeps writers waiting, or is given up each time.
static const struct db_statement prune = {
    "prune",
    "DELETE FROM event_log WHERE id IN (SELECT id FROM event_log WHERE created_at < $1"
    " ORDER BY created_at LIMIT CAST($2 AS INTEGER))",
    "DELETE FROM event_log WHERE id IN (SELECT id FROM event_log WHERE created_at < $1::timestamptz"
    " ORDER BY created_at LIMIT $2::bigint)"};
#define REPLACED                                                                                   \
    " AND EXISTS (SELECT 1 FROM service_credential_registrations n WHERE"                          \
    " n.builder_name = r.builder_name AND n.service = r.service AND n.id > r.id)"
#define PRUNE_CREDENTIALS                                                                          \
    "DELETE FROM service_credential_registrations WHERE id IN"                                     \
    " (SELECT id FROM service_credential_registrations r WHERE NOT is_active"                      \
    " AND coalesce(deprecated_at, created_at) < "
static const struct db_statement prune_credentials = {
    "prune_credentials", PRUNE_CREDENTIALS "$1" REPLACED " LIMIT CAST($2 AS INTEGER))",
    PRUNE_CREDENTIALS "$1::timestamptz" REPLACED " LIMIT $2::bigint)"};

void batch_event(struct store_batch *b, struct bytes event, struct bytes builder,
                 struct bytes measurement) {
    ADD(b, &event_add, NULL, db_text(event), db_text(builder), db_text(measurement));
}

void batch_secret_set(struct store_batch *b, struct bytes builder, struct bytes sealed) {
    ADD(b, &secret_set, NULL, db_text(builder), db_blob(sealed));
    batch_change(b, "secret set", builder);
}

void batch_change(struct store_batch *b, const char *action, struct bytes subject) {
    if (b->author.n == 0) return;
    ADD(b, &change_add, NULL, db_text(bytes_from_str(action)), db_text(subject), db_text(b->author),
        db_text(b->reason));
}

void batch_notify(struct store_batch *b, struct store *s, struct bytes builder) {
    if (store_kind(s) != DB_POSTGRES) return;
    // A payload has at most 8,000 bytes; names are far shorter.
    char *text = arena_printf(b->arena, "%s %.*s", store_origin(s), (int)builder.n,
                              builder.p ? (const char *)builder.p : "");
    if (!text) {
        b->failed = ERR_NO_MEMORY;
        return;
    }
    ADD(b, &notify, NULL, db_text(bytes_from_str(text)));
}

static struct db_value count_text(struct store_batch *b, uint64_t n) {
    const char *text = arena_printf(b->arena, "%llu", (unsigned long long)n);
    if (!text) b->failed = ERR_NO_MEMORY;
    return db_text(bytes_from_str(text ? text : "0"));
}

void batch_prune(struct store_batch *b, struct bytes before, uint64_t most) {
    ADD(b, &prune, NULL, db_text(before), count_text(b, most));
}

void batch_prune_credentials(struct store_batch *b, struct bytes before, uint64_t most) {
    ADD(b, &prune_credentials, NULL, db_text(before), count_text(b, most));
}
