/* SPDX-License-Identifier: MIT */
#include "hub/schema.h"

#include <stdlib.h>

#define NOW_SQLITE "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"

static const char sqlite_1[] =
    "CREATE TABLE builders ("
    " name TEXT PRIMARY KEY CHECK (length(name) <= 255),"
    " ip_address TEXT NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT 1,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " updated_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " deprecated_at TEXT,"
    " network TEXT NOT NULL DEFAULT 'production',"
    " dns_name TEXT,"
    " CONSTRAINT active_only_when_not_deprecated CHECK (NOT is_active OR deprecated_at IS NULL));"
    "CREATE INDEX idx_builders_ip_address ON builders (ip_address);"
    "CREATE TABLE measurements_whitelist ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " attestation_type TEXT NOT NULL,"
    " measurement TEXT NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT 1,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " updated_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " deprecated_at TEXT,"
    " CONSTRAINT active_only_when_not_deprecated CHECK (NOT is_active OR deprecated_at IS NULL));"
    "CREATE TABLE service_credential_registrations ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " builder_name TEXT NOT NULL REFERENCES builders (name),"
    " service TEXT NOT NULL,"
    " tls_cert TEXT,"
    " ecdsa_pubkey BLOB,"
    " is_active BOOLEAN NOT NULL DEFAULT 1,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " deprecated_at TEXT,"
    " measurement_id INTEGER REFERENCES measurements_whitelist (id),"
    " region TEXT NOT NULL DEFAULT '',"
    " CONSTRAINT active_only_when_not_deprecated CHECK (NOT is_active OR deprecated_at IS NULL));"
    "CREATE UNIQUE INDEX idx_unique_active_credential_per_builder_service"
    " ON service_credential_registrations (builder_name, service) WHERE is_active;"
    "CREATE TABLE builder_configs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " builder_name TEXT NOT NULL REFERENCES builders (name),"
    " config TEXT NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT 0,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " updated_at TEXT NOT NULL DEFAULT " NOW_SQLITE ");"
    "CREATE UNIQUE INDEX unique_active_config_per_builder"
    " ON builder_configs (builder_name) WHERE is_active;"
    "CREATE TABLE event_log ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " event_name TEXT NOT NULL,"
    " builder_name TEXT REFERENCES builders (name) ON DELETE CASCADE,"
    " measurement_id INTEGER REFERENCES measurements_whitelist (id) ON DELETE SET NULL,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ");";

static const char sqlite_2[] =
    "CREATE INDEX idx_event_log_created_at ON event_log (created_at);"
    "CREATE INDEX idx_builder_configs_name ON builder_configs (builder_name);"
    "CREATE TABLE hub_changes ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " created_at TEXT NOT NULL DEFAULT " NOW_SQLITE ","
    " author TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " subject TEXT NOT NULL);"
    "CREATE TABLE hub_secrets ("
    " builder_name TEXT PRIMARY KEY,"
    " sealed BLOB NOT NULL,"
    " updated_at TEXT NOT NULL DEFAULT " NOW_SQLITE ");";

static const char postgres_1[] =
    "CREATE TABLE IF NOT EXISTS builders ("
    " name VARCHAR(255) PRIMARY KEY,"
    " ip_address INET NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT true,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " deprecated_at TIMESTAMPTZ,"
    " CONSTRAINT active_only_when_not_deprecated"
    "  CHECK (NOT is_active OR deprecated_at IS NULL));"
    "ALTER TABLE builders ADD COLUMN IF NOT EXISTS network TEXT NOT NULL DEFAULT 'production';"
    "ALTER TABLE builders ADD COLUMN IF NOT EXISTS dns_name TEXT;"
    "CREATE INDEX IF NOT EXISTS idx_builders_ip_address ON builders (ip_address);"
    "CREATE TABLE IF NOT EXISTS measurements_whitelist ("
    " id SERIAL PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " attestation_type TEXT NOT NULL,"
    " measurement JSONB NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT true,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " deprecated_at TIMESTAMPTZ,"
    " CONSTRAINT active_only_when_not_deprecated"
    "  CHECK (NOT is_active OR deprecated_at IS NULL));"
    "ALTER TABLE measurements_whitelist"
    " DROP CONSTRAINT IF EXISTS unique_hash_attestation_type;"
    "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
    " WHERE i.indrelid = 'measurements_whitelist'::regclass AND i.indisunique"
    " AND i.indnkeyatts = 1 AND a.attname = 'name') THEN"
    " ALTER TABLE measurements_whitelist"
    "  ADD CONSTRAINT measurements_whitelist_name_key UNIQUE (name); END IF; END $$;"
    "CREATE TABLE IF NOT EXISTS service_credential_registrations ("
    " id SERIAL PRIMARY KEY,"
    " builder_name VARCHAR(255) NOT NULL REFERENCES builders (name),"
    " service TEXT NOT NULL,"
    " tls_cert TEXT,"
    " ecdsa_pubkey BYTEA,"
    " is_active BOOLEAN NOT NULL DEFAULT true,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " deprecated_at TIMESTAMPTZ,"
    " measurement_id INT REFERENCES measurements_whitelist (id),"
    " CONSTRAINT active_only_when_not_deprecated"
    "  CHECK (NOT is_active OR deprecated_at IS NULL));"
    "ALTER TABLE service_credential_registrations"
    " ADD COLUMN IF NOT EXISTS region TEXT NOT NULL DEFAULT '';"
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_unique_active_credential_per_builder_service"
    " ON service_credential_registrations (builder_name, service) WHERE is_active;"
    "CREATE TABLE IF NOT EXISTS builder_configs ("
    " id SERIAL PRIMARY KEY,"
    " builder_name VARCHAR(255) NOT NULL REFERENCES builders (name),"
    " config JSONB NOT NULL,"
    " is_active BOOLEAN NOT NULL DEFAULT false,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " CONSTRAINT unique_active_config_per_builder"
    "  EXCLUDE USING btree (builder_name WITH =) WHERE (is_active));"
    "CREATE TABLE IF NOT EXISTS event_log ("
    " id SERIAL PRIMARY KEY,"
    " event_name TEXT NOT NULL,"
    " builder_name VARCHAR(255) REFERENCES builders (name) ON DELETE CASCADE,"
    " measurement_id INT REFERENCES measurements_whitelist (id) ON DELETE SET NULL,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now());";

static const char postgres_2[] =
    "CREATE INDEX IF NOT EXISTS idx_event_log_created_at ON event_log (created_at);"
    "CREATE INDEX IF NOT EXISTS idx_builder_configs_name ON builder_configs (builder_name);"
    "CREATE TABLE hub_changes ("
    " id BIGSERIAL PRIMARY KEY,"
    " created_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " author TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " subject TEXT NOT NULL);"
    "CREATE TABLE hub_secrets ("
    " builder_name TEXT PRIMARY KEY,"
    " sealed BYTEA NOT NULL,"
    " updated_at TIMESTAMPTZ NOT NULL DEFAULT now());";

// Not a column of builders: that table is the deployed program's.
static const char sqlite_3[] =
    "CREATE TABLE hub_shadows ("
    " builder_name TEXT PRIMARY KEY REFERENCES builders (name) ON DELETE CASCADE,"
    " source_name TEXT NOT NULL REFERENCES builders (name));";

static const char postgres_3[] =
    "CREATE TABLE hub_shadows ("
    " builder_name VARCHAR(255) PRIMARY KEY REFERENCES builders (name) ON DELETE CASCADE,"
    " source_name VARCHAR(255) NOT NULL REFERENCES builders (name));";

// The deployed index is of active rows only: whether a builder has any cost a look at all rows.
static const char both_4[] = "CREATE INDEX IF NOT EXISTS idx_credentials_builder_name"
                             " ON service_credential_registrations (builder_name);";

// Builders that went, whose secrets outside the database are still to go.
static const char both_5[] = "CREATE TABLE hub_secret_removals (builder_name TEXT PRIMARY KEY);";

static const char *const steps[2][SCHEMA_VERSION] = {
    [DB_SQLITE] = {sqlite_1, sqlite_2, sqlite_3, both_4, both_5},
    [DB_POSTGRES] = {postgres_1, postgres_2, postgres_3, both_4, both_5},
};

static const struct db_statement read_version = {
    "schema_version", "SELECT coalesce(max(version), 0) FROM hub_schema", NULL};
static const struct db_statement write_version = {
    "schema_step", "INSERT INTO hub_schema (version) VALUES ($1)",
    "INSERT INTO hub_schema (version) VALUES ($1::int)"};
static const struct db_statement has_table = {
    "schema_table", "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
    "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1"};

static int take_number(void *context, const struct bytes *column, struct error *why) {
    (void)why;
    unsigned v = 0;
    for (size_t i = 0; i < column[0].n && column[0].p[i] >= '0' && column[0].p[i] <= '9'; i++) {
        v = v * 10 + (unsigned)(column[0].p[i] - '0');
    }
    *(unsigned *)context = v;
    return 0;
}

int schema_version(unsigned *ret, struct db *d, struct error *why) {
    const struct db_value name = db_text(BYTES_LIT("hub_schema"));
    unsigned tables = 0;
    *ret = 0;
    int r = db_run(d, &has_table, &name, 1, take_number, &tables, NULL, why);
    if (r != 0 || tables == 0) return r;
    return db_run(d, &read_version, NULL, 0, take_number, ret, NULL, why);
}

static int migrate_step(struct db *d, unsigned version, struct error *why) {
    char digit[2] = {(char)('0' + version), '\0'};
    const struct db_value value = db_text(bytes_from_str(digit));
    int r = db_script(d, steps[d->ops->kind][version - 1], why);
    return r == 0 ? db_run(d, &write_version, &value, 1, NULL, NULL, NULL, why) : r;
}

// Several hubs may start at once on one database: the first one migrates, the others wait.
static int lock_and_migrate(unsigned *ret_from, struct db *d, struct error *why) {
    int r = 0;
    if (d->ops->kind == DB_POSTGRES) r = db_script(d, "SELECT pg_advisory_xact_lock(7237463)", why);
    if (r == 0) {
        r = db_script(d,
                      "CREATE TABLE IF NOT EXISTS hub_schema (version INT PRIMARY KEY,"
                      " applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
                      why);
    }
    if (r == 0) r = schema_version(ret_from, d, why);
    if (r == 0 && *ret_from > SCHEMA_VERSION) {
        r = error_set(why, ERR_UNSUPPORTED,
                      "the database has schema version %u, this program knows up to %u", *ret_from,
                      SCHEMA_VERSION);
    }
    for (unsigned v = *ret_from + 1; r == 0 && v <= SCHEMA_VERSION; v++) {
        r = migrate_step(d, v, why);
        if (r != 0) r = error_wrap(why, "migration to version %u", v);
    }
    return r;
}

int schema_migrate(unsigned *ret_from, struct db *d, struct error *why) {
    *ret_from = 0;
    int r = db_script(d, d->ops->kind == DB_SQLITE ? "BEGIN IMMEDIATE" : "BEGIN", why);
    if (r != 0) return r;
    r = lock_and_migrate(ret_from, d, why);
    if (r == 0) return db_script(d, "COMMIT", why);
    db_rollback(d);
    return r;
}
