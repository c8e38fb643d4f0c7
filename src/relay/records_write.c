/* What is written, and how. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/ssz_json.h"
#include "relay/records_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define TRACE_NAMES                                                                                \
    "slot, parent_hash, block_hash, builder_pubkey, proposer_pubkey, proposer_fee_recipient,"      \
    " gas_limit, gas_used, value, num_tx, num_blobs, block_number"
#define TRACE_VALUES 12
#define TRACE_PARAMETERS "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12"

static const struct db_statement put_submission = {
    "relay_put_submission",
    "INSERT INTO relay_submissions (" TRACE_NAMES ", received_ms, signature, optimistic,"
    " cancellable, header_only, simulated_ms, simulation_error)"
    " VALUES (" TRACE_PARAMETERS ", $13, $14, $15, $16, $17, $18, $19)",
    NULL};
static const struct db_statement put_payload = {
    "relay_put_payload",
    "INSERT INTO relay_payloads (block_hash, slot, fork, header_only, cancellable, optimistic,"
    " received_ns, sequence, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    " ON CONFLICT (block_hash, slot) DO NOTHING",
    NULL};
static const struct db_statement mark_payload[] = {
    [RECORDS_WITHDRAWN] =
        {"relay_withdraw_payload",
         "UPDATE relay_payloads SET withdrawn = 1 WHERE block_hash = $1 AND slot = $2", NULL},
    [RECORDS_PROVEN] =
        {"relay_prove_payload",
         "UPDATE relay_payloads SET optimistic = 0 WHERE block_hash = $1 AND slot = $2", NULL},
};
static const struct db_statement put_registration = {
    "relay_put_registration",
    "INSERT INTO relay_registrations (pubkey, fee_recipient, gas_limit, timestamp, signature)"
    " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (pubkey) DO UPDATE SET"
    " fee_recipient = excluded.fee_recipient, gas_limit = excluded.gas_limit,"
    " timestamp = excluded.timestamp, signature = excluded.signature"
    " WHERE excluded.timestamp > relay_registrations.timestamp",
    NULL};
static const struct db_statement put_delivered = {
    "relay_put_delivered",
    "INSERT INTO relay_delivered (" TRACE_NAMES ", delivered_ms, blinded_block)"
    " VALUES (" TRACE_PARAMETERS ", $13, $14) ON CONFLICT (slot) DO NOTHING",
    NULL};
static const struct db_statement get_delivered = {
    "relay_get_delivered", "SELECT block_hash FROM relay_delivered WHERE slot = $1", NULL};
static const struct db_statement refund_demotion = {
    "relay_refund_demotion",
    "UPDATE relay_demotions SET blinded_block = $1 WHERE block_hash = $2 AND slot = $3", NULL};
static const struct db_statement put_late = {"relay_put_late",
                                             "INSERT INTO relay_late (" TRACE_NAMES
                                             ", ms_into_slot) VALUES (" TRACE_PARAMETERS ", $13)",
                                             NULL};
static const struct db_statement put_builder = {
    "relay_put_builder",
    "INSERT INTO relay_builders (pubkey, id, high_priority, blacklisted, optimistic,"
    " header_submissions, collateral) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (pubkey) DO UPDATE SET id = excluded.id,"
    " high_priority = excluded.high_priority, blacklisted = excluded.blacklisted,"
    " optimistic = excluded.optimistic, header_submissions = excluded.header_submissions,"
    " collateral = excluded.collateral",
    NULL};
static const struct db_statement put_demotion = {
    "relay_put_demotion",
    "INSERT INTO relay_demotions (" TRACE_NAMES ", demoted_ms, reason, blinded_block, registration)"
    " VALUES (" TRACE_PARAMETERS ", $13, $14,"
    " (SELECT d.blinded_block FROM relay_delivered d WHERE d.block_hash = $3 AND d.slot = $1),"
    " (SELECT r.fee_recipient FROM relay_registrations r WHERE r.pubkey = $5))",
    NULL};
static const struct db_statement prune_payloads = {
    "relay_prune_payloads", "DELETE FROM relay_payloads WHERE slot < $1", NULL};
static const struct db_statement prune_submissions = {
    "relay_prune_submissions", "DELETE FROM relay_submissions WHERE received_ms < $1", NULL};

// Parameters

#define TEXT_MAX 200 /* a signature: "0x" and 192 digits */

struct parameters {
    char text[DB_PARAMETERS_MAX][TEXT_MAX];
    struct db_value value[DB_PARAMETERS_MAX];
    size_t n;
};

static void add_text(struct parameters *p, struct bytes b) {
    p->value[p->n++] = db_text(b);
}
static void add_hex(struct parameters *p, struct bytes b) {
    char *text = p->text[p->n];
    text[0] = '0';
    text[1] = 'x';
    hex_encode(text + 2, b);
    add_text(p, bytes_make(text, 2 + 2 * b.n));
}
// Columns are signed: what a hostile body claims is cut there.
static void add_u64(struct parameters *p, uint64_t v) {
    char *text = p->text[p->n];
    int n = snprintf(text, TEXT_MAX, "%lld", (long long)(v > INT64_MAX ? INT64_MAX : v));
    add_text(p, bytes_make(text, (size_t)n));
}
static void add_bool(struct parameters *p, bool v) {
    add_text(p, v ? BYTES_LIT("1") : BYTES_LIT("0"));
}
static void add_u256(struct parameters *p, struct u256 v) {
    char *text = p->text[p->n];
    add_text(p, bytes_make(text, u256_to_decimal(text, v)));
}
static void add_trace(struct parameters *p, const struct bid *b) {
    const struct bid_trace *t = &b->trace;
    add_u64(p, t->slot);
    add_hex(p, BYTES_OF(t->parent_hash));
    add_hex(p, BYTES_OF(t->block_hash));
    add_hex(p, BYTES_OF(t->builder_pubkey));
    add_hex(p, BYTES_OF(t->proposer_pubkey));
    add_hex(p, BYTES_OF(t->proposer_fee_recipient));
    add_u64(p, t->gas_limit);
    add_u64(p, t->gas_used);
    add_u256(p, t->value);
    add_u64(p, b->num_txs);
    add_u64(p, b->num_blobs);
    add_u64(p, b->block_number);
}
static int execute(struct db *d, const struct db_statement *s, const struct parameters *p,
                   struct error *why) {
    return db_run(d, s, p->value, p->n, NULL, NULL, NULL, why);
}

// Writes about one bid

struct bid_write {
    struct write write;
    struct bid *bid;
    bool with_payload, with_submission;
    enum records_mark mark;
    uint64_t at_ns;
    int64_t into_slot_ns;
    struct buf text; /* simulation error, blinded block, reason of a demotion */
};

static void end_bid_write(struct write *w) {
    struct bid_write *b = (struct bid_write *)w;
    bid_release(b->bid);
    buf_free(&b->text);
    free(b);
}

static struct bid_write *new_bid_write(struct bid *bid, struct bytes text, records_done *done,
                                       void *context) {
    struct bid_write *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    buf_append(&b->text, text);
    if (buf_check(&b->text, NULL) != 0) {
        free(b);
        return NULL;
    }
    b->bid = bid_hold(bid);
    b->write.end = end_bid_write;
    b->write.done = done;
    b->write.context = context;
    return b;
}

static int queue(struct records *r, struct bid_write *b, struct error *why) {
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a record");
    int status = records_add(r, &b->write, why);
    if (status != 0) end_bid_write(&b->write);
    return status;
}

static int apply_payload(const struct bid *b, struct db *d, struct error *why) {
    struct parameters p = {.n = 0};
    add_hex(&p, BYTES_OF(b->trace.block_hash));
    add_u64(&p, b->trace.slot);
    add_text(&p, bytes_from_str(consensus_fork_name(b->fork)));
    add_bool(&p, b->header_only);
    add_bool(&p, b->cancellable);
    add_bool(&p, b->optimistic);
    add_u64(&p, b->received_ns);
    add_u64(&p, b->sequence);
    p.value[p.n++] = db_blob(buf_view(&b->payload));
    return execute(d, &put_payload, &p, why);
}

static int apply_submission(struct write *w, struct db *d, struct error *why) {
    const struct bid_write *b = (const struct bid_write *)w;
    const struct bid *bid = b->bid;
    int r = b->with_payload ? apply_payload(bid, d, why) : 0;
    if (r != 0 || !b->with_submission) return r;
    struct parameters p = {.n = 0};
    add_trace(&p, bid);
    add_u64(&p, bid->received_ns / NS_PER_MS);
    add_hex(&p, BYTES_OF(bid->signature));
    add_bool(&p, bid->optimistic);
    add_bool(&p, bid->cancellable);
    add_bool(&p, bid->header_only);
    add_u64(&p, b->at_ns / NS_PER_MS);
    p.value[p.n++] = b->text.n ? db_text(buf_view(&b->text)) : DB_NULL;
    return execute(d, &put_submission, &p, why);
}

int records_submission(struct records *r, struct bid *bid, bool with_payload,
                       const struct records_simulation *simulation, records_done *done,
                       void *context, struct error *why) {
    struct bid_write *b = new_bid_write(bid, bytes_from_str(simulation->error), done, context);
    if (b) {
        b->write.apply = apply_submission;
        b->with_submission = true;
        b->with_payload = with_payload;
        b->at_ns = simulation->took_ns;
    }
    return queue(r, b, why);
}

int records_payload(struct records *r, struct bid *bid, records_done *done, void *context,
                    struct error *why) {
    struct bid_write *b = new_bid_write(bid, (struct bytes){NULL, 0}, done, context);
    if (b) {
        b->write.apply = apply_submission;
        b->with_payload = true;
    }
    return queue(r, b, why);
}

static int apply_mark(struct write *w, struct db *d, struct error *why) {
    const struct bid_write *b = (const struct bid_write *)w;
    struct parameters p = {.n = 0};
    add_hex(&p, BYTES_OF(b->bid->trace.block_hash));
    add_u64(&p, b->bid->trace.slot);
    return execute(d, &mark_payload[b->mark], &p, why);
}

int records_mark(struct records *r, struct bid *bid, enum records_mark mark, records_done *done,
                 void *context, struct error *why) {
    struct bid_write *b = new_bid_write(bid, (struct bytes){NULL, 0}, done, context);
    if (b) {
        b->write.apply = apply_mark;
        b->mark = mark;
    }
    return queue(r, b, why);
}

// Deliveries

struct other {
    char hash[67];
    bool found;
};
static int take_hash(void *context, const struct bytes *column, struct error *why) {
    (void)why;
    struct other *o = context;
    o->found = column[0].n == 66;
    if (o->found) memcpy(o->hash, column[0].p, 66);
    return 0;
}

static int apply_delivered(struct write *w, struct db *d, struct error *why) {
    const struct bid_write *b = (const struct bid_write *)w;
    struct parameters p = {.n = 0};
    struct other other = {.found = false};
    add_trace(&p, b->bid);
    add_u64(&p, b->at_ns / NS_PER_MS);
    add_text(&p, buf_view(&b->text));
    int r = execute(d, &put_delivered, &p, why);
    if (r == 0) r = db_run(d, &get_delivered, p.value, 1, take_hash, &other, NULL, why);
    if (r != 0) return r;
    if (!other.found || memcmp(other.hash, p.text[2], 66) != 0) {
        return error_set(why, ERR_CONFLICT, "another payload of the slot was delivered");
    }
    struct parameters q = {.n = 0};
    add_text(&q, buf_view(&b->text));
    add_hex(&q, BYTES_OF(b->bid->trace.block_hash));
    add_u64(&q, b->bid->trace.slot);
    return execute(d, &refund_demotion, &q, why);
}

int records_delivered(struct records *r, struct bid *bid, uint64_t wall_ns, struct bytes blinded,
                      records_done *done, void *context, struct error *why) {
    struct bid_write *b = new_bid_write(bid, blinded, done, context);
    if (b) {
        b->write.apply = apply_delivered;
        b->at_ns = wall_ns;
    }
    return queue(r, b, why);
}

static int apply_late(struct write *w, struct db *d, struct error *why) {
    const struct bid_write *b = (const struct bid_write *)w;
    struct parameters p = {.n = 0};
    add_trace(&p, b->bid);
    add_u64(&p, (uint64_t)b->into_slot_ns / NS_PER_MS);
    return execute(d, &put_late, &p, why);
}

int records_late(struct records *r, struct bid *bid, int64_t into_slot_ns, struct error *why) {
    struct bid_write *b = new_bid_write(bid, (struct bytes){NULL, 0}, NULL, NULL);
    if (b) {
        b->write.apply = apply_late;
        b->into_slot_ns = into_slot_ns;
    }
    return queue(r, b, why);
}

static int apply_demotion(struct write *w, struct db *d, struct error *why) {
    const struct bid_write *b = (const struct bid_write *)w;
    struct parameters p = {.n = 0};
    add_trace(&p, b->bid);
    add_u64(&p, b->at_ns / NS_PER_MS);
    add_text(&p, buf_view(&b->text));
    return execute(d, &put_demotion, &p, why);
}

int records_demotion(struct records *r, struct bid *bid, const char *reason, uint64_t wall_ns,
                     struct error *why) {
    struct bid_write *b = new_bid_write(bid, bytes_from_str(reason), NULL, NULL);
    if (b) {
        b->write.apply = apply_demotion;
        b->at_ns = wall_ns;
    }
    return queue(r, b, why);
}

// Registrations

struct registrations_write {
    struct write write;
    size_t count;
    struct signed_validator_registration items[];
};

static void end_plain(struct write *w) {
    free(w);
}

static int apply_registrations(struct write *w, struct db *d, struct error *why) {
    const struct registrations_write *b = (const struct registrations_write *)w;
    int r = 0;
    for (size_t i = 0; i < b->count && r == 0; i++) {
        const struct validator_registration *m = &b->items[i].message;
        struct parameters p = {.n = 0};
        add_hex(&p, BYTES_OF(m->pubkey));
        add_hex(&p, BYTES_OF(m->fee_recipient));
        add_u64(&p, m->gas_limit);
        add_u64(&p, m->timestamp);
        add_hex(&p, BYTES_OF(b->items[i].signature));
        r = execute(d, &put_registration, &p, why);
    }
    return r;
}

int records_registrations(struct records *r,
                          const struct signed_validator_registration *const *items, size_t count,
                          records_done *done, void *context, struct error *why) {
    struct registrations_write *b = calloc(1, sizeof *b + count * sizeof b->items[0]);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for registrations");
    b->write = (struct write){
        .apply = apply_registrations, .end = end_plain, .done = done, .context = context};
    b->count = count;
    for (size_t i = 0; i < count; i++) {
        b->items[i] = *items[i];
    }
    int status = records_add(r, &b->write, why);
    if (status != 0) free(b);
    return status;
}

// Builders

struct builder_write {
    struct write write;
    struct bytes48 pubkey;
    struct builder_status status;
};

static int apply_builder(struct write *w, struct db *d, struct error *why) {
    const struct builder_write *b = (const struct builder_write *)w;
    struct parameters p = {.n = 0};
    add_hex(&p, BYTES_OF(b->pubkey));
    add_text(&p, bytes_from_str(b->status.id));
    add_bool(&p, b->status.high_priority);
    add_bool(&p, b->status.blacklisted);
    add_bool(&p, b->status.optimistic);
    add_bool(&p, b->status.header_submissions);
    add_u256(&p, b->status.collateral);
    return execute(d, &put_builder, &p, why);
}

int records_builder(struct records *r, const struct builder *builder, records_done *done,
                    void *context, struct error *why) {
    struct builder_write *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a builder's record");
    b->write =
        (struct write){.apply = apply_builder, .end = end_plain, .done = done, .context = context};
    b->pubkey = builder->pubkey;
    b->status = builder->status;
    int status = records_add(r, &b->write, why);
    if (status != 0) free(b);
    return status;
}

// Pruning

struct prune_write {
    struct write write;
    uint64_t slot, before_ns;
};

static int apply_prune(struct write *w, struct db *d, struct error *why) {
    const struct prune_write *b = (const struct prune_write *)w;
    struct parameters p = {.n = 0};
    add_u64(&p, b->slot);
    int r = execute(d, &prune_payloads, &p, why);
    if (r != 0 || b->before_ns == 0) return r;
    p.n = 0;
    add_u64(&p, b->before_ns / NS_PER_MS);
    return execute(d, &prune_submissions, &p, why);
}

int records_prune(struct records *r, uint64_t payloads_before_slot, uint64_t submissions_before_ns,
                  struct error *why) {
    struct prune_write *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for pruning");
    b->write = (struct write){.apply = apply_prune, .end = end_plain};
    b->slot = payloads_before_slot;
    b->before_ns = submissions_before_ns;
    int status = records_add(r, &b->write, why);
    if (status != 0) free(b);
    return status;
}
