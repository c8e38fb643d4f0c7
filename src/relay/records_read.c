/* SPDX-License-Identifier: MIT */
#include "relay/records_read.h"

#include "base/hex.h"
#include "relay/records_internal.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACE_NAMES                                                                                \
    "slot, parent_hash, block_hash, builder_pubkey, proposer_pubkey, proposer_fee_recipient,"      \
    " gas_limit, gas_used, value, num_tx, block_number, num_blobs"
static const char *const trace_keys[] = {
    "slot",           "parent_hash",     "block_hash",
    "builder_pubkey", "proposer_pubkey", "proposer_fee_recipient",
    "gas_limit",      "gas_used",        "value",
    "num_tx",         "block_number",    "num_blobs"};
#define TRACE_COUNT 12

/* The statements of the data API: the row filter that an index serves comes first, the others are
 * checked row by row. $1 slot, $2 cursor, $3 block number (-1: any), $4 block hash, $5 builder,
 * $6 proposer (empty: any), $7 limit. */
#define ANY_NUMBER(P) "CAST(" P " AS BIGINT) < 0"
#define BY_SLOT "slot = CAST($1 AS BIGINT)"
#define BY_HASH "block_hash = $4"
#define BY_NUMBER "block_number = CAST($3 AS BIGINT)"
#define BY_BUILDER "builder_pubkey = $5"
#define BY_PROPOSER "proposer_pubkey = $6"
#define BY_CURSOR "slot <= CAST($2 AS BIGINT)"
#define REST                                                                                       \
    " AND (" ANY_NUMBER("$1") " OR " BY_SLOT ") AND (" ANY_NUMBER(                                 \
        "$2") " OR " BY_CURSOR ") AND (" ANY_NUMBER("$3") " OR " BY_NUMBER                         \
                                                          ") AND ($4 = '' OR " BY_HASH             \
                                                          ") AND ($5 = '' OR " BY_BUILDER          \
                                                          ") AND ($6 = '' OR " BY_PROPOSER ")"
#define NEWEST " ORDER BY slot DESC, id DESC"
#define RISING " ORDER BY length(value), value, slot DESC"
#define FALLING " ORDER BY length(value) DESC, value DESC, slot DESC"
#define LIMIT " LIMIT CAST($7 AS BIGINT)"

enum by {
    BY_SLOT_ROW,
    BY_HASH_ROW,
    BY_NUMBER_ROW,
    BY_PROPOSER_ROW,
    BY_BUILDER_ROW,
    BY_NONE_ROW,
    BY_COUNT
};

#define DELIVERED(NAME, FILTER, ORDER)                                                             \
    {                                                                                              \
        "relay_delivered_" NAME,                                                                   \
            "SELECT " TRACE_NAMES " FROM relay_delivered WHERE " FILTER REST ORDER LIMIT, NULL     \
    }
#define DELIVERED_BY(NAME, FILTER)                                                                 \
    {                                                                                              \
        DELIVERED(NAME, FILTER, NEWEST), DELIVERED(NAME "_rising", FILTER, RISING),                \
            DELIVERED(NAME "_falling", FILTER, FALLING)                                            \
    }
static const struct db_statement delivered[BY_COUNT][3] = {
    [BY_SLOT_ROW] = DELIVERED_BY("slot", BY_SLOT),
    [BY_HASH_ROW] = DELIVERED_BY("hash", BY_HASH),
    [BY_NUMBER_ROW] = DELIVERED_BY("number", BY_NUMBER),
    [BY_PROPOSER_ROW] = DELIVERED_BY("proposer", BY_PROPOSER),
    [BY_BUILDER_ROW] = DELIVERED_BY("builder", BY_BUILDER),
    [BY_NONE_ROW] = DELIVERED_BY("all", "1 = 1"),
};
#define SUBMISSIONS(NAME, FILTER)                                                                  \
    {                                                                                              \
        "relay_submissions_" NAME,                                                                 \
            "SELECT " TRACE_NAMES                                                                  \
            ", received_ms, optimistic FROM relay_submissions WHERE " FILTER REST                  \
            " AND simulation_error IS NULL" NEWEST LIMIT,                                          \
            NULL                                                                                   \
    }
static const struct db_statement submissions[BY_COUNT] = {
    [BY_SLOT_ROW] = SUBMISSIONS("slot", BY_SLOT),
    [BY_HASH_ROW] = SUBMISSIONS("hash", BY_HASH),
    [BY_NUMBER_ROW] = SUBMISSIONS("number", BY_NUMBER),
    [BY_PROPOSER_ROW] = SUBMISSIONS("proposer", BY_PROPOSER),
    [BY_BUILDER_ROW] = SUBMISSIONS("builder", BY_BUILDER),
    [BY_NONE_ROW] = SUBMISSIONS("all", "1 = 1"),
};

struct pool *records_read_pool(struct records *r) {
    return r->read_pool;
}

static enum by choose(const struct records_filter *f) {
    if (f->slot >= 0) return BY_SLOT_ROW;
    if (f->block_hash.n) return BY_HASH_ROW;
    if (f->block_number >= 0) return BY_NUMBER_ROW;
    if (f->proposer_pubkey.n) return BY_PROPOSER_ROW;
    return f->builder_pubkey.n ? BY_BUILDER_ROW : BY_NONE_ROW;
}

static int write_trace(void *context, const struct bytes *column, struct error *why) {
    struct json_writer *w = context;
    json_begin_object(w, NULL);
    for (size_t i = 0; i < TRACE_COUNT; i++) {
        json_add_text(w, trace_keys[i], column[i]);
    }
    json_end(w);
    return buf_check(w->out, why);
}

static uint64_t number_of(struct bytes column) {
    char text[24] = {0};
    if (column.p) memcpy(text, column.p, column.n < sizeof text ? column.n : sizeof text - 1);
    return strtoull(text, NULL, 10);
}

static int write_submission(void *context, const struct bytes *column, struct error *why) {
    struct json_writer *w = context;
    json_begin_object(w, NULL);
    for (size_t i = 0; i < TRACE_COUNT; i++) {
        json_add_text(w, trace_keys[i], column[i]);
    }
    uint64_t ms = number_of(column[TRACE_COUNT]);
    json_add_decimal(w, "timestamp", ms / 1000);
    json_add_decimal(w, "timestamp_ms", ms);
    json_add_bool(w, "optimistic_submission", number_of(column[TRACE_COUNT + 1]) != 0);
    json_end(w);
    return buf_check(w->out, why);
}

static int query(struct records *r, const struct db_statement *s, const struct records_filter *f,
                 struct buf *out, db_row *row, struct error *why) {
    char numbers[4][24];
    const int64_t values[4] = {f->slot, f->cursor, f->block_number, (int64_t)f->limit};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)values[i]);
    }
    const struct db_value parameters[7] = {
        db_text(bytes_from_str(numbers[0])), db_text(bytes_from_str(numbers[1])),
        db_text(bytes_from_str(numbers[2])), db_text(f->block_hash),
        db_text(f->builder_pubkey),          db_text(f->proposer_pubkey),
        db_text(bytes_from_str(numbers[3]))};
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_array(&w, NULL);
    int status = db_run(r->reader, s, parameters, 7, row, &w, NULL, why);
    json_end(&w);
    return status == 0 ? buf_check(out, why) : status;
}

int records_write_delivered(struct records *r, struct buf *out, const struct records_filter *f,
                            struct error *why) {
    return query(r, &delivered[choose(f)][f->order], f, out, write_trace, why);
}

int records_write_submissions(struct records *r, struct buf *out, const struct records_filter *f,
                              struct error *why) {
    return query(r, &submissions[choose(f)], f, out, write_submission, why);
}

// At start

static const struct db_statement all_registrations = {
    "relay_all_registrations",
    "SELECT pubkey, fee_recipient, gas_limit, timestamp, signature FROM relay_registrations", NULL};
static const struct db_statement all_builders = {
    "relay_all_builders",
    "SELECT pubkey, id, high_priority, blacklisted, optimistic, header_submissions, collateral"
    " FROM relay_builders",
    NULL};
#define PAYLOAD_NAMES(HEX)                                                                         \
    "SELECT fork, header_only, cancellable, optimistic, received_ns, sequence, " HEX               \
    " FROM relay_payloads"
#define PAYLOADS(NAME, REST_OF)                                                                    \
    { NAME, PAYLOAD_NAMES("hex(body)") REST_OF, PAYLOAD_NAMES("encode(body, 'hex')") REST_OF }
static const struct db_statement open_payloads =
    PAYLOADS("relay_open_payloads",
             " WHERE slot >= $1 AND withdrawn = 0 AND optimistic = 0 ORDER BY received_ns");
static const struct db_statement one_payload =
    PAYLOADS("relay_one_payload", " WHERE block_hash = $1 AND slot = $2");
static const struct db_statement last_delivered = {
    "relay_last_delivered",
    "SELECT slot, block_hash FROM relay_delivered ORDER BY slot DESC LIMIT 1", NULL};

struct each {
    union {
        records_registration_each *registration;
        records_builder_each *builder;
        records_payload_each *payload;
    };
    void *context;
    bool found;
};

static int give_registration(void *context, const struct bytes *column, struct error *why) {
    struct each *e = context;
    struct signed_validator_registration reg = {
        .message = {.gas_limit = number_of(column[2]), .timestamp = number_of(column[3])}};
    int r = hex_decode_fixed(reg.message.pubkey.b, 48, column[0], why);
    if (r == 0) r = hex_decode_address(&reg.message.fee_recipient, column[1], why);
    if (r == 0) r = hex_decode_fixed(reg.signature.b, 96, column[4], why);
    return r == 0 ? e->registration(e->context, &reg, why) : r;
}

static int give_builder(void *context, const struct bytes *column, struct error *why) {
    struct each *e = context;
    struct bytes48 pubkey;
    struct builder_status s = {.high_priority = number_of(column[2]) != 0,
                               .blacklisted = number_of(column[3]) != 0,
                               .optimistic = number_of(column[4]) != 0,
                               .header_submissions = number_of(column[5]) != 0};
    if (column[1].n < sizeof s.id) memcpy(s.id, column[1].p, column[1].n);
    int r = hex_decode_fixed(pubkey.b, 48, column[0], why);
    if (r == 0 && !u256_from_decimal(&s.collateral, column[6])) {
        r = error_set(why, ERR_RANGE, "a builder's collateral");
    }
    return r == 0 ? e->builder(e->context, &pubkey, &s, why) : r;
}

static int give_payload(void *context, const struct bytes *column, struct error *why) {
    struct each *e = context;
    int fork = consensus_fork_parse(column[0]);
    if (fork < 0) return error_set(why, ERR_INVALID, "a payload's fork");
    struct records_payload_row row = {.fork = (enum consensus_fork)fork,
                                      .header_only = number_of(column[1]) != 0,
                                      .cancellable = number_of(column[2]) != 0,
                                      .optimistic = number_of(column[3]) != 0,
                                      .received_ns = number_of(column[4]),
                                      .sequence = number_of(column[5])};
    uint8_t *body = malloc(column[6].n / 2 + 1);
    if (!body) return error_set(why, ERR_NO_MEMORY, "no memory for a payload");
    int r = hex_decode(body, column[6], why);
    row.body = bytes_make(body, column[6].n / 2);
    e->found = true;
    if (r == 0) r = e->payload(e->context, &row, why);
    free(body);
    return r;
}

int records_each_registration(struct records *r, records_registration_each *each, void *context,
                              struct error *why) {
    struct each e = {.registration = each, .context = context};
    return db_run(r->reader, &all_registrations, NULL, 0, give_registration, &e, NULL, why);
}

int records_each_builder(struct records *r, records_builder_each *each, void *context,
                         struct error *why) {
    struct each e = {.builder = each, .context = context};
    return db_run(r->reader, &all_builders, NULL, 0, give_builder, &e, NULL, why);
}

int records_each_payload(struct records *r, uint64_t slot, records_payload_each *each,
                         void *context, struct error *why) {
    struct each e = {.payload = each, .context = context};
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)slot);
    const struct db_value parameter = db_text(bytes_from_str(text));
    return db_run(r->reader, &open_payloads, &parameter, 1, give_payload, &e, NULL, why);
}

int records_find_payload(struct records *r, const struct hash *block, uint64_t slot,
                         records_payload_each *each, void *context, struct error *why) {
    struct each e = {.payload = each, .context = context};
    char text[24], hash[67] = "0x";
    hex_encode(hash + 2, BYTES_OF(*block));
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)slot);
    const struct db_value parameters[2] = {db_text(bytes_make(hash, 66)),
                                           db_text(bytes_from_str(text))};
    int status = db_run(r->reader, &one_payload, parameters, 2, give_payload, &e, NULL, why);
    if (status == 0 && !e.found) status = error_set(why, ERR_NOT_FOUND, "no such payload");
    return status;
}

struct last {
    uint64_t slot;
    struct hash hash;
};
static int take_last(void *context, const struct bytes *column, struct error *why) {
    struct last *l = context;
    l->slot = number_of(column[0]);
    return hex_decode_hash(&l->hash, column[1], why);
}

int records_last_delivered(struct records *r, uint64_t *ret_slot, struct hash *ret_hash,
                           struct error *why) {
    struct last l = {.slot = 0};
    int status = db_run(r->reader, &last_delivered, NULL, 0, take_last, &l, NULL, why);
    *ret_slot = l.slot;
    *ret_hash = l.hash;
    return status;
}
