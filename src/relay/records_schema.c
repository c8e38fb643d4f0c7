/* SPDX-License-Identifier: MIT */
#include "relay/records_internal.h"

#include <stdlib.h>

/* Keys, hashes and amounts are text (0x digits, decimal), so that rows read as the API writes them
 * and both engines hold the same. */
#define TRACE_COLUMNS                                                                              \
    " slot BIGINT NOT NULL,"                                                                       \
    " parent_hash TEXT NOT NULL,"                                                                  \
    " block_hash TEXT NOT NULL,"                                                                   \
    " builder_pubkey TEXT NOT NULL,"                                                               \
    " proposer_pubkey TEXT NOT NULL,"                                                              \
    " proposer_fee_recipient TEXT NOT NULL,"                                                       \
    " gas_limit BIGINT NOT NULL,"                                                                  \
    " gas_used BIGINT NOT NULL,"                                                                   \
    " value TEXT NOT NULL,"                                                                        \
    " num_tx BIGINT NOT NULL,"                                                                     \
    " num_blobs BIGINT NOT NULL,"                                                                  \
    " block_number BIGINT NOT NULL,"

#define TABLES(SERIAL, BLOB)                                                                       \
    "CREATE TABLE relay_registrations ("                                                           \
    " pubkey TEXT PRIMARY KEY,"                                                                    \
    " fee_recipient TEXT NOT NULL,"                                                                \
    " gas_limit BIGINT NOT NULL,"                                                                  \
    " timestamp BIGINT NOT NULL,"                                                                  \
    " signature TEXT NOT NULL);"                                                                   \
    "CREATE TABLE relay_submissions ("                                                             \
    " id " SERIAL "," TRACE_COLUMNS " received_ms BIGINT NOT NULL,"                                \
    " signature TEXT NOT NULL,"                                                                    \
    " optimistic BIGINT NOT NULL,"                                                                 \
    " cancellable BIGINT NOT NULL,"                                                                \
    " header_only BIGINT NOT NULL,"                                                                \
    " simulated_ms BIGINT NOT NULL,"                                                               \
    " simulation_error TEXT);"                                                                     \
    "CREATE INDEX relay_submissions_slot ON relay_submissions (slot);"                             \
    "CREATE INDEX relay_submissions_hash ON relay_submissions (block_hash);"                       \
    "CREATE INDEX relay_submissions_number ON relay_submissions (block_number);"                   \
    "CREATE INDEX relay_submissions_builder ON relay_submissions (builder_pubkey, slot);"          \
    "CREATE INDEX relay_submissions_received ON relay_submissions (received_ms);"                  \
    "CREATE TABLE relay_payloads ("                                                                \
    " block_hash TEXT NOT NULL,"                                                                   \
    " slot BIGINT NOT NULL,"                                                                       \
    " fork TEXT NOT NULL,"                                                                         \
    " header_only BIGINT NOT NULL,"                                                                \
    " cancellable BIGINT NOT NULL,"                                                                \
    " optimistic BIGINT NOT NULL,"                                                                 \
    " received_ns BIGINT NOT NULL,"                                                                \
    " sequence BIGINT NOT NULL,"                                                                   \
    " withdrawn BIGINT NOT NULL DEFAULT 0,"                                                        \
    " body " BLOB " NOT NULL,"                                                                     \
    " PRIMARY KEY (block_hash, slot));"                                                            \
    "CREATE INDEX relay_payloads_slot ON relay_payloads (slot);"                                   \
    "CREATE TABLE relay_delivered ("                                                               \
    " id " SERIAL "," TRACE_COLUMNS " delivered_ms BIGINT NOT NULL,"                               \
    " blinded_block TEXT NOT NULL,"                                                                \
    " UNIQUE (slot));"                                                                             \
    "CREATE INDEX relay_delivered_hash ON relay_delivered (block_hash);"                           \
    "CREATE INDEX relay_delivered_number ON relay_delivered (block_number);"                       \
    "CREATE INDEX relay_delivered_proposer ON relay_delivered (proposer_pubkey, slot);"            \
    "CREATE INDEX relay_delivered_builder ON relay_delivered (builder_pubkey, slot);"              \
    "CREATE TABLE relay_late ("                                                                    \
    " id " SERIAL "," TRACE_COLUMNS " ms_into_slot BIGINT NOT NULL);"                              \
    "CREATE TABLE relay_builders ("                                                                \
    " pubkey TEXT PRIMARY KEY,"                                                                    \
    " id TEXT NOT NULL,"                                                                           \
    " high_priority BIGINT NOT NULL,"                                                              \
    " blacklisted BIGINT NOT NULL,"                                                                \
    " optimistic BIGINT NOT NULL,"                                                                 \
    " header_submissions BIGINT NOT NULL,"                                                         \
    " collateral TEXT NOT NULL);"                                                                  \
    "CREATE TABLE relay_demotions ("                                                               \
    " id " SERIAL "," TRACE_COLUMNS " demoted_ms BIGINT NOT NULL,"                                 \
    " reason TEXT NOT NULL,"                                                                       \
    " blinded_block TEXT,"                                                                         \
    " registration TEXT);"                                                                         \
    "CREATE INDEX relay_demotions_hash ON relay_demotions (block_hash);"

static const struct db_statement find_schema = {
    "relay_schema_find", "SELECT COUNT(*) FROM sqlite_master WHERE name = 'relay_schema'",
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'relay_schema'"
    " AND table_schema = current_schema()"};
static const struct db_statement read_schema = {"relay_schema_read",
                                                "SELECT version FROM relay_schema", NULL};

static int take_number(void *context, const struct bytes *column, struct error *why) {
    (void)why;
    char text[24] = {0};
    if (column[0].p) memcpy(text, column[0].p, column[0].n < 23 ? column[0].n : 23);
    *(unsigned *)context = (unsigned)strtoul(text, NULL, 10);
    return 0;
}

static int create(struct db *d, struct error *why) {
    int r = db_script(d, "BEGIN", why);
    if (r == 0) {
        r = db_script(d,
                      d->ops->kind == DB_SQLITE
                          ? TABLES("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB")
                          : TABLES("BIGSERIAL PRIMARY KEY", "BYTEA"),
                      why);
    }
    if (r == 0) {
        r = db_script(d,
                      "CREATE TABLE relay_schema (version BIGINT NOT NULL);"
                      "INSERT INTO relay_schema VALUES (1);",
                      why);
    }
    if (r == 0) r = db_script(d, "COMMIT", why);
    if (r != 0) db_rollback(d);
    return r;
}

int records_migrate(struct db *d, struct error *why) {
    unsigned there = 0, version = 0;
    int r = db_run(d, &find_schema, NULL, 0, take_number, &there, NULL, why);
    if (r != 0) return r;
    if (there == 0) return create(d, why);
    r = db_run(d, &read_schema, NULL, 0, take_number, &version, NULL, why);
    if (r == 0 && version > RECORDS_SCHEMA_VERSION) {
        r = error_set(why, ERR_UNSUPPORTED, "the database has schema %u, newer than this program",
                      version);
    }
    return r;
}
