/* SPDX-License-Identifier: MIT */
#include "eth/describe.h"

#include "crypto/keccak.h"
#include "eth/address.h"
#include "eth/beacon_block.h"
#include "eth/fork.h"
#include "eth/rlp.h"
#include "eth/rpc_json.h"
#include "eth/ssz_json.h"
#include "eth/tx_check.h"

#include <stddef.h>
#include <stdio.h>

#define RLP_SHOWN_DEPTH 48 /* of generic RLP; the writer nests no deeper than its own limit */

/* What a kind's function is given. */
struct subject {
    struct bytes in;
    struct arena *a;
    struct json_writer *w;
    struct error *why;
    const struct ssz_type *type; /* of SSZ kinds */
};

static void put_address(struct json_writer *w, const char *key, const struct address *a) {
    char text[43];
    address_to_text(text, a);
    json_add_str(w, key, text);
}

/* Members of the open object: what one asks first, and the transaction's object. */
static void put_tx(struct json_writer *w, const struct tx *t, const struct tx_place *place) {
    struct address from = {{0}};
    struct error why;
    bool known = tx_sender(&from, t, &why) == 0;
    json_add_data(w, "hash", BYTES_OF(t->hash));
    if (known) {
        put_address(w, "sender", &from);
    } else {
        json_add_str(w, "senderError", why.text);
    }
    if (known && !t->has_to) {
        struct address created = tx_create_address(&from, t->nonce);
        put_address(w, "creates", &created);
    }
    json_add_u64(w, "bytes", t->raw.n);
    tx_json_encode(w, "transaction", t, &from, place);
}

static int show_tx(const struct subject *s) {
    struct tx t;
    struct tx_sidecar sidecar;
    int r = tx_decode_network(&t, &sidecar, s->in, s->a, s->why);
    if (r != 0) return r;
    put_tx(s->w, &t, NULL);
    json_add_u64(s->w, "intrinsicGas", tx_intrinsic_gas(&t, fork_rules_of(FORK_OSAKA)));
    json_add_u64(s->w, "floorGas", tx_floor_gas(&t, fork_rules_of(FORK_OSAKA)));
    if (!sidecar.present) return 0;
    struct error why;
    json_begin_object(s->w, "sidecar");
    json_add_u64(s->w, "version", sidecar.version);
    json_add_u64(s->w, "blobs", sidecar.blob_count);
    json_add_u64(s->w, "proofs", sidecar.proof_count);
    json_add_str(s->w, "hashes",
                 tx_sidecar_check(&t, &sidecar, &why) == 0 ? "match the transaction" : why.text);
    json_begin_array(s->w, "commitments");
    for (size_t i = 0; i < sidecar.blob_count; i++) {
        json_add_data(s->w, NULL, BYTES_OF(sidecar.commitments[i]));
    }
    json_end(s->w);
    json_end(s->w);
    return 0;
}

static int show_receipt(const struct subject *s) {
    struct receipt r;
    int status = receipt_decode(&r, s->in, s->a, s->why);
    if (status != 0) return status;
    struct bloom bloom = {{0}};
    bloom_add_logs(&bloom, r.logs, r.log_count);
    json_begin_object(s->w, "receipt");
    json_add_quantity(s->w, "type", r.type);
    if (r.has_state_root) {
        json_add_data(s->w, "root", BYTES_OF(r.state_root));
    } else {
        json_add_quantity(s->w, "status", r.success);
    }
    json_add_quantity(s->w, "cumulativeGasUsed", r.cumulative_gas);
    json_add_data(s->w, "logsBloom", BYTES_OF(r.bloom));
    json_add_bool(s->w, "bloomIsOfLogs", memcmp(&bloom, &r.bloom, sizeof bloom) == 0);
    json_begin_array(s->w, "logs");
    for (size_t i = 0; i < r.log_count; i++) {
        json_begin_object(s->w, NULL);
        json_add_data(s->w, "address", BYTES_OF(r.logs[i].address));
        json_begin_array(s->w, "topics");
        for (unsigned t = 0; t < r.logs[i].topic_count; t++) {
            json_add_data(s->w, NULL, BYTES_OF(r.logs[i].topics[t]));
        }
        json_end(s->w);
        json_add_data(s->w, "data", r.logs[i].data);
        json_end(s->w);
    }
    json_end(s->w);
    if (r.has_deposit_nonce) json_add_quantity(s->w, "depositNonce", r.deposit_nonce);
    if (r.has_deposit_version) json_add_quantity(s->w, "depositReceiptVersion", r.deposit_version);
    json_end(s->w);
    return 0;
}

static void put_header(struct json_writer *w, const char *key, const struct header *h,
                       const struct hash *hash) {
    json_begin_object(w, key);
    header_json_encode(w, h, hash);
    json_end(w);
}

static int show_header(const struct subject *s) {
    struct header h;
    struct hash hash;
    int r = header_decode(&h, s->in, s->why);
    if (r == 0) r = header_hash(&hash, &h, s->why);
    if (r != 0) return r;
    json_add_data(s->w, "hash", BYTES_OF(hash));
    put_header(s->w, "header", &h, &hash);
    return 0;
}

static int show_block(const struct subject *s) {
    struct block b;
    struct tx_place place = {.in_block = true};
    int r = block_decode(&b, s->in, s->a, s->why);
    if (r == 0) r = header_hash(&place.block_hash, &b.header, s->why);
    if (r != 0) return r;
    place.block_number = b.header.number;
    place.base_fee = b.header.base_fee;
    json_add_data(s->w, "hash", BYTES_OF(place.block_hash));
    json_add_u64(s->w, "bytes", s->in.n);
    put_header(s->w, "header", &b.header, &place.block_hash);
    json_begin_array(s->w, "transactions");
    for (size_t i = 0; i < b.tx_count; i++) {
        place.index = i;
        json_begin_object(s->w, NULL);
        put_tx(s->w, &b.txs[i], &place);
        json_end(s->w);
    }
    json_end(s->w);
    json_begin_array(s->w, "ommers");
    for (size_t i = 0; r == 0 && i < b.ommer_count; i++) {
        struct hash hash;
        r = header_hash(&hash, &b.ommers[i], s->why);
        if (r == 0) put_header(s->w, NULL, &b.ommers[i], &hash);
    }
    json_end(s->w);
    if (!b.has_withdrawals) return r;
    json_begin_array(s->w, "withdrawals");
    for (size_t i = 0; i < b.withdrawal_count; i++) {
        withdrawal_json_encode(s->w, NULL, &b.withdrawals[i]);
    }
    json_end(s->w);
    return r;
}

static int show_withdrawal(const struct subject *s) {
    struct withdrawal v;
    int r = withdrawal_decode(&v, s->in, s->why);
    if (r == 0) withdrawal_json_encode(s->w, "withdrawal", &v);
    return r;
}

static void put_rlp(struct json_writer *w, const char *key, struct bytes *in) {
    struct rlp_item item;
    if (rlp_next(&item, in, NULL) != 0) return; // not after rlp_check
    if (!item.is_list) {
        json_add_data(w, key, item.payload);
        return;
    }
    json_begin_array(w, key);
    while (item.payload.n > 0) {
        put_rlp(w, NULL, &item.payload);
    }
    json_end(w);
}

static int show_rlp(const struct subject *s) {
    struct bytes in = s->in;
    int r = rlp_check(in, RLP_SHOWN_DEPTH, DESCRIBE_RLP_ITEMS_MAX, s->why);
    if (r == 0) put_rlp(s->w, "rlp", &in);
    return r;
}

/* Electra and Fulu differ in how many proofs a blob has, and in nothing that SSZ tells. */
static bool proofs_fit(const struct ssz_type *type, const void *value) {
    const struct consensus_types *electra = consensus_types_of(CONSENSUS_ELECTRA),
                                 *fulu = consensus_types_of(CONSENSUS_FULU);
    if (type == electra->blobs_bundle || type == fulu->blobs_bundle) {
        const struct blobs_bundle *b = value;
        return b->proofs.count ==
               b->blobs.count * (type == fulu->blobs_bundle ? CELLS_PER_BLOB : 1);
    }
    if (type == electra->block_contents || type == fulu->block_contents) {
        const struct block_contents *c = value;
        return c->kzg_proofs.count ==
               c->blobs.count * (type == fulu->block_contents ? CELLS_PER_BLOB : 1);
    }
    for (uint32_t i = 0; type->kind == SSZ_CONTAINER && i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        if (!proofs_fit(f->type, (const uint8_t *)value + f->offset)) return false;
    }
    return true;
}

static int show_ssz(const struct subject *s) {
    void *value = arena_alloc(s->a, s->type->memory);
    struct hash root;
    if (!value) return error_set(s->why, ERR_LIMIT, "value does not fit its memory limit");
    int r = ssz_decode(value, s->type, s->in, s->a, s->why);
    if (r == 0 && !proofs_fit(s->type, value)) {
        r = error_set(s->why, ERR_INVALID, "proofs are not as many as the fork's blobs have");
    }
    if (r == 0) r = ssz_root(&root, s->type, value, s->a, s->why);
    if (r != 0) return r;
    struct buf text;
    buf_init(&text, 0);
    ssz_json_encode(&text, s->type, value);
    r = buf_check(&text, s->why);
    json_add_data(s->w, "hashTreeRoot", BYTES_OF(root));
    if (r == 0) json_add_raw(s->w, "value", buf_view(&text));
    buf_free(&text);
    return r;
}

/* In the order of trying: the narrow before the wide, newer forks before older. A kind of SSZ names
 * its type by fork and place in consensus_types. */
static const struct kind {
    const char *name;
    int (*show)(const struct subject *s);
    const struct ssz_type *type; /* of SSZ kinds without forks */
    int fork;                    /* of SSZ kinds by fork, with the place of their type */
    size_t place;
} kinds[] = {
    {"transaction", show_tx, NULL, 0, 0},
    {"block", show_block, NULL, 0, 0},
    {"header", show_header, NULL, 0, 0},
    {"receipt", show_receipt, NULL, 0, 0},
    {"withdrawal", show_withdrawal, NULL, 0, 0},
    {"rlp", show_rlp, NULL, 0, 0},
    {"bid_trace", show_ssz, &ssz_bid_trace, 0, 0},
    {"signed_validator_registration", show_ssz, &ssz_signed_validator_registration, 0, 0},
    {"validator_registration", show_ssz, &ssz_validator_registration, 0, 0},
#define BY_FORK(NAME, FORK, FORK_NAME)                                                             \
    { #NAME "_" FORK_NAME, show_ssz, NULL, FORK, offsetof(struct consensus_types, NAME) }
#define BY_ALL_FORKS(NAME)                                                                         \
    BY_FORK(NAME, CONSENSUS_FULU, "fulu"), BY_FORK(NAME, CONSENSUS_ELECTRA, "electra"),            \
        BY_FORK(NAME, CONSENSUS_DENEB, "deneb"), BY_FORK(NAME, CONSENSUS_CAPELLA, "capella"),      \
        BY_FORK(NAME, CONSENSUS_BELLATRIX, "bellatrix")
    BY_ALL_FORKS(submit_request),
    BY_ALL_FORKS(signed_blinded_block),
    BY_ALL_FORKS(block_contents),
    BY_ALL_FORKS(signed_block),
    BY_ALL_FORKS(signed_builder_bid),
    BY_ALL_FORKS(payload_and_blobs),
    BY_ALL_FORKS(blobs_bundle),
    BY_ALL_FORKS(payload),
    BY_ALL_FORKS(payload_header),
    BY_ALL_FORKS(blinded_block),
    BY_ALL_FORKS(builder_bid),
    {"execution_requests", show_ssz, &ssz_execution_requests, 0, 0},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const char *describe_kinds(size_t i) {
    return i < KIND_COUNT ? kinds[i].name : NULL;
}

/* Whether the kind has a description (no fork has all of them). */
static bool exists(const struct kind *k, const struct ssz_type **ret) {
    *ret = k->type;
    if (k->show != show_ssz || k->type) return true;
    const char *row = (const char *)consensus_types_of((enum consensus_fork)k->fork);
    *ret = *(const struct ssz_type *const *)(const void *)(row + k->place);
    return *ret != NULL;
}

/* Tries one kind; what it wrote is taken back when it does not fit. */
static int try_kind(const struct kind *k, struct buf *out, struct bytes in, struct arena *a,
                    struct error *why) {
    struct json_writer w;
    struct subject s = {in, a, &w, why, NULL};
    if (!exists(k, &s.type)) return error_set(why, ERR_NOT_FOUND, "%s does not exist", k->name);
    size_t before = out->n;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "kind", k->name);
    int r = k->show(&s);
    if (r == 0) {
        json_end(&w);
        r = buf_check(out, why);
    }
    if (r != 0) out->n = before;
    return r;
}

/* The kind whose reason is told when none fits. */
static const char *likeliest(struct bytes in) {
    if (in.n > 0 && (in.p[0] <= TX_SET_CODE || in.p[0] == TX_DEPOSIT)) return "transaction";
    return "rlp";
}

int describe_json(struct buf *out, const char *kind, struct bytes in, struct arena *a,
                  struct error *why) {
    struct error first = {.text = ""};
    if (in.n == 0) return error_set(why, ERR_SYNTAX, "there are no bytes");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (kind && strcmp(kind, kinds[i].name) != 0) continue;
        struct error reason;
        struct arena_mark mark = arena_mark(a);
        int r = try_kind(&kinds[i], out, in, a, kind ? why : &reason);
        if (r == 0 || kind) return r;
        arena_rewind(a, mark);
        if (strcmp(kinds[i].name, likeliest(in)) == 0) first = reason;
    }
    if (kind) return error_set(why, ERR_NOT_FOUND, "no kind is named '%.64s'", kind);
    return error_set_at(why, ERR_SYNTAX, first.at, "nothing that is known; as %s: %s",
                        likeliest(in), first.text);
}

static bool is_leaf(const struct json *v) {
    return json_type_of(v) < JSON_ARRAY || json_count(v) == 0;
}

static void put_leaf(struct buf *out, const struct json *v) {
    struct bytes text = json_text(v);
    buf_append(out, text.n == 0 && json_type_of(v) == JSON_STRING ? BYTES_LIT("\"\"") : text);
    buf_append_byte(out, '\n');
}

/* Lines of a container's children, indented; names padded to the longest of them. */
static void put_lines(struct buf *out, const struct json *v, size_t indent) {
    size_t width = 0, i = 0;
    json_members(key, value, v) {
        size_t n = json_text(key).n;
        if (is_leaf(value) && n > width) width = n;
    }
    if (json_type_of(v) == JSON_ARRAY) {
        json_each(item, v) {
            buf_append_fill(out, ' ', indent);
            buf_printf(out, "%zu", i++);
            if (is_leaf(item)) {
                buf_append_str(out, "  ");
                put_leaf(out, item);
            } else {
                buf_append_byte(out, '\n');
                put_lines(out, item, indent + 2);
            }
        }
        return;
    }
    json_members(key, value, v) {
        buf_append_fill(out, ' ', indent);
        buf_append(out, json_text(key));
        if (is_leaf(value)) {
            buf_append_fill(out, ' ', width - json_text(key).n + 2);
            put_leaf(out, value);
        } else {
            buf_append_byte(out, '\n');
            put_lines(out, value, indent + 2);
        }
    }
}

int describe_table(struct buf *out, struct bytes json, struct arena *a, struct error *why) {
    const struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, true};
    const struct json *doc;
    int r = json_parse(&doc, json, a, &limits, why);
    if (r != 0) return r;
    put_lines(out, doc, 0);
    return buf_check(out, why);
}
