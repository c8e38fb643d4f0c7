/* The reading statements.
 * SPDX-License-Identifier: MIT */
#include "hub/store_internal.h"

// A timestamp as RFC 3339 in UTC, in PostgreSQL.
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

static bool is_true(struct bytes b) {
    return b.n && (b.p[0] == '1' || b.p[0] == 't');
}

// Measurements

struct measurement_reader {
    store_measurement_each *each;
    void *context;
};

static int read_measurement(void *context, const struct bytes *c, struct error *why) {
    const struct measurement_reader *r = context;
    struct store_measurement m = {
        .name = c[0], .type = c[1], .measurement = c[2], .active = is_true(c[3]), .created = c[4]};
    return r->each(r->context, &m, why);
}

static const struct db_statement measurements = {
    "measurements",
    "SELECT name, attestation_type, measurement, is_active, created_at"
    " FROM measurements_whitelist ORDER BY id",
    "SELECT name, attestation_type, measurement, is_active, " TIME(
        "created_at") " FROM measurements_whitelist ORDER BY id"};

int store_measurements(struct store *s, store_measurement_each *each, void *context,
                       struct error *why) {
    struct measurement_reader r = {each, context};
    return store_query(s, &measurements, NULL, 0, read_measurement, &r, why);
}

// Builders

struct builder_reader {
    store_builder_each *each;
    void *context;
};

static int read_builder(void *context, const struct bytes *c, struct error *why) {
    const struct builder_reader *r = context;
    struct store_builder b = {.name = c[0],
                              .ip = c[1],
                              .network = c[2],
                              .dns_name = c[3],
                              .active = is_true(c[4]),
                              .has_config = is_true(c[5]),
                              .hidden = is_true(c[6]),
                              .shadow_of = c[7],
                              .created = c[8]};
    return r->each(r->context, &b, why);
}

#define BUILDER_COLUMNS                                                                            \
    " EXISTS (SELECT 1 FROM builder_configs c WHERE c.builder_name = b.name AND c.is_active),"     \
    " EXISTS (SELECT 1 FROM service_credential_registrations r WHERE r.builder_name = b.name)"     \
    " AND NOT EXISTS (SELECT 1 FROM service_credential_registrations r"                            \
    " WHERE r.builder_name = b.name AND r.is_active),"                                             \
    " (SELECT source_name FROM hub_shadows s WHERE s.builder_name = b.name), "
#define BUILDERS_SQLITE                                                                            \
    "SELECT name, ip_address, network, dns_name, is_active," BUILDER_COLUMNS                       \
    "created_at FROM builders b"
#define BUILDERS_POSTGRES                                                                          \
    "SELECT name, host(ip_address), network, dns_name, is_active," BUILDER_COLUMNS TIME(           \
        "created_at") " FROM builders b"

static const struct db_statement builders = {"builders", BUILDERS_SQLITE " ORDER BY name",
                                             BUILDERS_POSTGRES " ORDER BY name COLLATE \"C\""};
static const struct db_statement builder = {"builder", BUILDERS_SQLITE " WHERE name = $1",
                                            BUILDERS_POSTGRES " WHERE name = $1"};

int store_builders(struct store *s, struct bytes name, store_builder_each *each, void *context,
                   struct error *why) {
    struct builder_reader r = {each, context};
    const struct db_value value = db_text(name);
    if (!name.p) return store_query(s, &builders, NULL, 0, read_builder, &r, why);
    return store_query(s, &builder, &value, 1, read_builder, &r, why);
}

// Credentials

struct credential_reader {
    store_credential_each *each;
    void *context;
};

static uint8_t digit(uint8_t c) {
    return (uint8_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

static int read_credential(void *context, const struct bytes *c, struct error *why) {
    const struct credential_reader *r = context;
    uint8_t address[20];
    bool has_address = c[3].n == 2 * sizeof address; // lower-case digits from the database
    for (size_t i = 0; has_address && i < sizeof address; i++) {
        address[i] = (uint8_t)(digit(c[3].p[2 * i]) << 4 | digit(c[3].p[2 * i + 1]));
    }
    struct store_credential row = {.builder = c[0],
                                   .service = c[1],
                                   .tls_cert = c[2],
                                   .address = bytes_make(address, has_address ? 20 : 0),
                                   .region = c[4],
                                   .measurement = c[5],
                                   .active = is_true(c[6]),
                                   .created = c[7]};
    return r->each(r->context, &row, why);
}

#define CREDENTIAL_FROM                                                                            \
    " FROM service_credential_registrations r"                                                     \
    " LEFT JOIN measurements_whitelist m ON m.id = r.measurement_id "
#define CREDENTIALS_SQLITE                                                                         \
    "SELECT builder_name, service, tls_cert, lower(hex(ecdsa_pubkey)), region, m.name,"            \
    " r.is_active, r.created_at" CREDENTIAL_FROM
#define CREDENTIALS_POSTGRES                                                                       \
    "SELECT builder_name, service, tls_cert, encode(ecdsa_pubkey, 'hex'), region, m.name,"         \
    " r.is_active, " TIME("r.created_at") CREDENTIAL_FROM

#define ALL_ACTIVE "WHERE r.is_active ORDER BY builder_name, service"
#define OF_ONE "WHERE r.is_active AND builder_name = $1 ORDER BY service"
#define HISTORY "WHERE builder_name = $1 ORDER BY r.id DESC LIMIT 1000"
static const struct db_statement credentials_all = {
    "credentials_all", CREDENTIALS_SQLITE ALL_ACTIVE, CREDENTIALS_POSTGRES ALL_ACTIVE};
static const struct db_statement credentials_one = {"credentials_one", CREDENTIALS_SQLITE OF_ONE,
                                                    CREDENTIALS_POSTGRES OF_ONE};
static const struct db_statement credentials_history = {
    "credentials_history", CREDENTIALS_SQLITE HISTORY, CREDENTIALS_POSTGRES HISTORY};

int store_credentials(struct store *s, struct bytes name, bool history, store_credential_each *each,
                      void *context, struct error *why) {
    struct credential_reader r = {each, context};
    const struct db_value value = db_text(name);
    if (!name.p) return store_query(s, &credentials_all, NULL, 0, read_credential, &r, why);
    return store_query(s, history ? &credentials_history : &credentials_one, &value, 1,
                       read_credential, &r, why);
}

// Configurations

struct config_reader {
    store_config_each *each;
    void *context;
};

static int read_config(void *context, const struct bytes *c, struct error *why) {
    const struct config_reader *r = context;
    struct store_config row = {
        .version = c[0], .config = c[1], .active = is_true(c[2]), .created = c[3]};
    return r->each(r->context, &row, why);
}

#define CONFIG_SQLITE "SELECT id, config, is_active, created_at FROM builder_configs"
#define CONFIG_POSTGRES "SELECT id, config, is_active, " TIME("created_at") " FROM builder_configs"
#define CONFIG_ALL " WHERE builder_name = $1 ORDER BY id DESC LIMIT 1000"
#define CONFIG_ACTIVE " WHERE builder_name = $1 AND is_active"
#define CONFIG_ONE " WHERE builder_name = $1 AND CAST(id AS TEXT) = $2"
static const struct db_statement configs_all = {"configs_all", CONFIG_SQLITE CONFIG_ALL,
                                                CONFIG_POSTGRES CONFIG_ALL};
static const struct db_statement configs_active = {"configs_active", CONFIG_SQLITE CONFIG_ACTIVE,
                                                   CONFIG_POSTGRES CONFIG_ACTIVE};
static const struct db_statement configs_one = {"configs_one", CONFIG_SQLITE CONFIG_ONE,
                                                CONFIG_POSTGRES CONFIG_ONE};

int store_configs(struct store *s, struct bytes name, struct bytes version, store_config_each *each,
                  void *context, struct error *why) {
    struct config_reader r = {each, context};
    const struct db_value values[] = {db_text(name), db_text(version)};
    if (version.n == 0) return store_query(s, &configs_all, values, 1, read_config, &r, why);
    if (bytes_equal_str(version, "active")) {
        return store_query(s, &configs_active, values, 1, read_config, &r, why);
    }
    return store_query(s, &configs_one, values, 2, read_config, &r, why);
}

// Events and changes

struct event_reader {
    store_event_each *each;
    void *context;
};

static int read_event(void *context, const struct bytes *c, struct error *why) {
    const struct event_reader *r = context;
    struct store_event row = {.id = c[0],
                              .created = c[1],
                              .action = c[2],
                              .subject = c[3],
                              .author = c[4],
                              .reason = c[5]};
    return r->each(r->context, &row, why);
}

#define CHANGES_REST ", action, subject, author, reason FROM hub_changes ORDER BY id DESC LIMIT "
static const struct db_statement changes = {
    "changes", "SELECT id, created_at" CHANGES_REST "CAST($1 AS INTEGER)",
    "SELECT id, " TIME("created_at") CHANGES_REST "CAST($1 AS INTEGER)"};
#define EVENTS_REST                                                                                \
    ", event_name, builder_name, m.name, '' FROM event_log e"                                      \
    " LEFT JOIN measurements_whitelist m ON m.id = e.measurement_id ORDER BY e.id DESC LIMIT "     \
    "CAST($1 AS INTEGER)"
static const struct db_statement events = {"events", "SELECT e.id, e.created_at" EVENTS_REST,
                                           "SELECT e.id, " TIME("e.created_at") EVENTS_REST};

static int list_events(struct store *s, const struct db_statement *st, unsigned limit,
                       store_event_each *each, void *context, struct error *why) {
    struct event_reader r = {each, context};
    char text[16];
    size_t n = 0;
    for (unsigned v = limit, scale = 1000000000u; scale; scale /= 10) {
        if (v >= scale || n || scale == 1) text[n++] = (char)('0' + v / scale % 10);
    }
    const struct db_value value = db_text(bytes_make(text, n));
    return store_query(s, st, &value, 1, read_event, &r, why);
}

int store_changes(struct store *s, unsigned limit, store_event_each *each, void *context,
                  struct error *why) {
    return list_events(s, &changes, limit, each, context, why);
}

int store_events(struct store *s, unsigned limit, store_event_each *each, void *context,
                 struct error *why) {
    return list_events(s, &events, limit, each, context, why);
}

// Secrets

struct bytes_reader {
    store_bytes_each *each;
    void *context;
    bool found;
};

static int read_bytes(void *context, const struct bytes *c, struct error *why) {
    struct bytes_reader *r = context;
    r->found = true;
    return r->each(r->context, c[0], why);
}

static const struct db_statement secret = {
    "secret", "SELECT lower(hex(sealed)) FROM hub_secrets WHERE builder_name = $1",
    "SELECT encode(sealed, 'hex') FROM hub_secrets WHERE builder_name = $1"};

int store_secret(struct store *s, struct bytes name, store_bytes_each *each, void *context,
                 struct error *why) {
    struct bytes_reader r = {each, context, false};
    const struct db_value value = db_text(name);
    int status = store_query(s, &secret, &value, 1, read_bytes, &r, why);
    if (status == 0 && !r.found) return error_set(why, ERR_NOT_FOUND, "no secret of this builder");
    return status;
}

struct removal_reader {
    store_bytes_each *each;
    void *context;
};

static int read_removal(void *context, const struct bytes *c, struct error *why) {
    const struct removal_reader *r = context;
    return r->each(r->context, c[0], why);
}

static const struct db_statement removals_all = {
    "removals", "SELECT builder_name FROM hub_secret_removals ORDER BY builder_name", NULL};
static const struct db_statement removals_one = {
    "removal", "SELECT builder_name FROM hub_secret_removals WHERE builder_name = $1", NULL};

int store_removals(struct store *s, struct bytes name, store_bytes_each *each, void *context,
                   struct error *why) {
    struct removal_reader r = {each, context};
    const struct db_value value = db_text(name);
    return store_query(s, name.p ? &removals_one : &removals_all, &value, name.p ? 1 : 0,
                       read_removal, &r, why);
}
