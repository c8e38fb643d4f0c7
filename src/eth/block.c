/* SPDX-License-Identifier: MIT */
#include "eth/block.h"

#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "eth/rlp.h"

/* RLP of the shortest items: a legacy transaction of nine bytes, a header without optional fields
 * whose numbers are zero, a withdrawal of zeros. */
#define TX_MIN (1 + 9)
#define HEADER_MIN (3 + 6 * 33 + 21 + 259 + 6 + 9)
#define WITHDRAWAL_MIN (1 + 21 + 3)

const struct hash BLOCK_EMPTY_OMMERS = {{0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a,
                                         0xab, 0x85, 0xb5, 0x67, 0xb6, 0xcc, 0xd4, 0x1a,
                                         0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a, 0x74, 0x13,
                                         0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47}};

void header_encode(struct buf *out, const struct header *h) {
    size_t list = rlp_list_begin(out);
    rlp_put_string(out, BYTES_OF(h->parent_hash));
    rlp_put_string(out, BYTES_OF(h->ommers_hash));
    rlp_put_string(out, BYTES_OF(h->coinbase));
    rlp_put_string(out, BYTES_OF(h->state_root));
    rlp_put_string(out, BYTES_OF(h->transactions_root));
    rlp_put_string(out, BYTES_OF(h->receipts_root));
    rlp_put_string(out, BYTES_OF(h->bloom));
    rlp_put_u256(out, h->difficulty);
    rlp_put_u64(out, h->number);
    rlp_put_u64(out, h->gas_limit);
    rlp_put_u64(out, h->gas_used);
    rlp_put_u64(out, h->timestamp);
    rlp_put_string(out, h->extra_data);
    rlp_put_string(out, BYTES_OF(h->mix_hash));
    rlp_put_string(out, bytes_make(h->nonce, sizeof h->nonce));
    if (h->form >= HEADER_LONDON) rlp_put_u256(out, h->base_fee);
    if (h->form >= HEADER_SHANGHAI) rlp_put_string(out, BYTES_OF(h->withdrawals_root));
    if (h->form >= HEADER_CANCUN) {
        rlp_put_u64(out, h->blob_gas_used);
        rlp_put_u64(out, h->excess_blob_gas);
        rlp_put_string(out, BYTES_OF(h->parent_beacon_root));
    }
    if (h->form >= HEADER_PRAGUE) rlp_put_string(out, BYTES_OF(h->requests_hash));
    rlp_list_close(out, list);
}

int header_hash(struct hash *ret, const struct header *h, struct error *why) {
    struct buf b;
    buf_init(&b, 0);
    header_encode(&b, h);
    int status = buf_check(&b, why);
    if (status == 0) *ret = keccak256(buf_view(&b));
    buf_free(&b);
    return status;
}

/* Reads the optional fields that are there; their number must be that of a fork. */
static void read_optional_fields(struct rlp_reader *r, struct header *h) {
    if (!rlp_more(r)) return;
    h->form = HEADER_LONDON;
    h->base_fee = rlp_u256(r, "header base fee");
    if (!rlp_more(r)) return;
    h->form = HEADER_SHANGHAI;
    rlp_fixed(r, h->withdrawals_root.b, 32, "header withdrawals root");
    if (!rlp_more(r)) return;
    h->form = HEADER_CANCUN;
    h->blob_gas_used = rlp_u64(r, "header blob gas used");
    h->excess_blob_gas = rlp_u64(r, "header excess blob gas");
    rlp_fixed(r, h->parent_beacon_root.b, 32, "header parent beacon root");
    if (!rlp_more(r)) return;
    h->form = HEADER_PRAGUE;
    rlp_fixed(r, h->requests_hash.b, 32, "header requests hash");
}

static void read_header(struct rlp_reader *outer, struct header *h) {
    struct rlp_reader r = rlp_list(outer, "header");
    *h = (struct header){.form = HEADER_FRONTIER};
    rlp_fixed(&r, h->parent_hash.b, 32, "header parent hash");
    rlp_fixed(&r, h->ommers_hash.b, 32, "header ommers hash");
    rlp_fixed(&r, h->coinbase.b, 20, "header coinbase");
    rlp_fixed(&r, h->state_root.b, 32, "header state root");
    rlp_fixed(&r, h->transactions_root.b, 32, "header transactions root");
    rlp_fixed(&r, h->receipts_root.b, 32, "header receipts root");
    rlp_fixed(&r, h->bloom.b, sizeof h->bloom.b, "header bloom");
    h->difficulty = rlp_u256(&r, "header difficulty");
    h->number = rlp_u64(&r, "header number");
    h->gas_limit = rlp_u64(&r, "header gas limit");
    h->gas_used = rlp_u64(&r, "header gas used");
    h->timestamp = rlp_u64(&r, "header timestamp");
    h->extra_data = rlp_string(&r, "header extra data");
    rlp_fixed(&r, h->mix_hash.b, 32, "header mix hash");
    rlp_fixed(&r, h->nonce, sizeof h->nonce, "header nonce");
    read_optional_fields(&r, h);
    rlp_end(&r, "header");
}

int header_decode(struct header *ret, struct bytes in, struct error *why) {
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, in, why);
    struct header h;
    read_header(&outer, &h);
    int status = rlp_finish(&outer, "header");
    if (status == 0) *ret = h;
    return status;
}

/* Reads one transaction of a body: a list, or a string with a typed envelope. */
static void read_tx(struct rlp_reader *r, struct tx *t, size_t i, struct arena *a) {
    bool legacy = rlp_peek_is_list(r);
    struct bytes envelope = legacy ? rlp_raw(r, "transaction") : rlp_string(r, "transaction");
    if (r->source->failed) return;
    struct error why = {.text = ""};
    int status = tx_decode_unhashed(t, envelope, a, &why);
    if (status == 0 && legacy != (t->type == TX_LEGACY)) {
        status = error_set(&why, ERR_SYNTAX, "a legacy transaction must not be a string");
    }
    if (status == 0) return;
    r->item = envelope.p + why.at;
    rlp_fail(r, (enum err)status, "transaction %zu: %s", i, why.text);
}

static void hash_txs(const struct rlp_reader *r, struct tx *txs, size_t count, struct arena *a) {
    if (r->source->failed || count == 0) return;
    struct arena_mark mark = arena_mark(a);
    struct keccak_job *jobs = arena_alloc_array(a, count, sizeof *jobs);
    if (!jobs) {
        rlp_fail(r, ERR_LIMIT, "transactions do not fit their memory limit");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct keccak_job){txs[i].raw, &txs[i].hash};
    }
    keccak256_scatter(jobs, count);
    arena_rewind(a, mark);
}

static void read_txs(struct rlp_reader *outer, struct block *b, struct arena *a) {
    struct rlp_reader list = rlp_list(outer, "transactions");
    struct tx *txs =
        rlp_array(&list, &b->tx_count, SIZE_MAX, TX_MIN, sizeof *txs, a, "transactions");
    for (size_t i = 0; i < b->tx_count; i++) {
        read_tx(&list, &txs[i], i, a);
    }
    hash_txs(&list, txs, b->tx_count, a);
    b->txs = txs;
}

static void read_ommers(struct rlp_reader *outer, struct block *b, struct arena *a) {
    struct rlp_reader list = rlp_list(outer, "ommers");
    struct header *ommers =
        rlp_array(&list, &b->ommer_count, SIZE_MAX, HEADER_MIN, sizeof *ommers, a, "ommers");
    for (size_t i = 0; i < b->ommer_count; i++) {
        read_header(&list, &ommers[i]);
    }
    b->ommers = ommers;
}

static void read_withdrawal(struct rlp_reader *outer, struct withdrawal *w) {
    struct rlp_reader r = rlp_list(outer, "withdrawal");
    w->index = rlp_u64(&r, "withdrawal index");
    w->validator_index = rlp_u64(&r, "withdrawal validator index");
    rlp_fixed(&r, w->address.b, 20, "withdrawal address");
    w->amount_gwei = rlp_u64(&r, "withdrawal amount");
    rlp_end(&r, "withdrawal");
}

static void read_withdrawals(struct rlp_reader *outer, struct block *b, struct arena *a) {
    struct rlp_reader list = rlp_list(outer, "withdrawals");
    struct withdrawal *w = rlp_array(&list, &b->withdrawal_count, SIZE_MAX, WITHDRAWAL_MIN,
                                     sizeof *w, a, "withdrawals");
    for (size_t i = 0; i < b->withdrawal_count; i++) {
        read_withdrawal(&list, &w[i]);
    }
    b->has_withdrawals = true;
    b->withdrawals = w;
}

int block_decode(struct block *ret, struct bytes in, struct arena *a, struct error *why) {
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, in, why);
    struct rlp_reader r = rlp_list(&outer, "block");
    struct block b = {.has_withdrawals = false};
    read_header(&r, &b.header);
    read_txs(&r, &b, a);
    read_ommers(&r, &b, a);
    if (rlp_more(&r)) read_withdrawals(&r, &b, a);
    rlp_end(&r, "block");
    int status = rlp_finish(&outer, "block");
    if (status == 0) *ret = b;
    return status;
}

static void put_tx(struct buf *out, const struct tx *t) {
    if (t->raw.n > 0 && t->type == TX_LEGACY) {
        buf_append(out, t->raw);
    } else if (t->raw.n > 0) {
        rlp_put_string(out, t->raw);
    } else if (t->type == TX_LEGACY) {
        tx_encode(out, t);
    } else {
        struct buf envelope;
        buf_init(&envelope, 0);
        tx_encode(&envelope, t);
        if (envelope.failed && !out->failed) out->failed = envelope.failed;
        rlp_put_string(out, buf_view(&envelope));
        buf_free(&envelope);
    }
}

void block_encode(struct buf *out, const struct block *b) {
    size_t block = rlp_list_begin(out);
    header_encode(out, &b->header);
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < b->tx_count; i++) {
        put_tx(out, &b->txs[i]);
    }
    rlp_list_close(out, list);
    list = rlp_list_begin(out);
    for (size_t i = 0; i < b->ommer_count; i++) {
        header_encode(out, &b->ommers[i]);
    }
    rlp_list_close(out, list);
    if (b->has_withdrawals) {
        list = rlp_list_begin(out);
        for (size_t i = 0; i < b->withdrawal_count; i++) {
            withdrawal_encode(out, &b->withdrawals[i]);
        }
        rlp_list_close(out, list);
    }
    rlp_list_close(out, block);
}

static size_t header_size(const struct header *h) {
    size_t n = 5 * 33 + 21 + rlp_size_header(256) + 256 + 33 + 9; // what is of fixed size
    n += rlp_size_u256(h->difficulty) + rlp_size_u64(h->number) + rlp_size_u64(h->gas_limit);
    n += rlp_size_u64(h->gas_used) + rlp_size_u64(h->timestamp) + rlp_size_string(h->extra_data);
    if (h->form >= HEADER_LONDON) n += rlp_size_u256(h->base_fee);
    if (h->form >= HEADER_SHANGHAI) n += 33;
    if (h->form >= HEADER_CANCUN) {
        n += rlp_size_u64(h->blob_gas_used) + rlp_size_u64(h->excess_blob_gas) + 33;
    }
    if (h->form >= HEADER_PRAGUE) n += 33;
    return rlp_size_list(n);
}

static size_t withdrawal_payload(const struct withdrawal *w) {
    return rlp_size_u64(w->index) + rlp_size_u64(w->validator_index) + 21 +
           rlp_size_u64(w->amount_gwei);
}

size_t block_encoded_size(const struct block *b) {
    size_t txs = 0, ommers = 0, withdrawals = 0;
    for (size_t i = 0; i < b->tx_count; i++) {
        const struct tx *t = &b->txs[i];
        txs += t->type == TX_LEGACY ? t->raw.n : rlp_size_string(t->raw);
    }
    for (size_t i = 0; i < b->ommer_count; i++) {
        ommers += header_size(&b->ommers[i]);
    }
    for (size_t i = 0; i < b->withdrawal_count; i++) {
        withdrawals += rlp_size_list(withdrawal_payload(&b->withdrawals[i]));
    }
    size_t n = header_size(&b->header) + rlp_size_list(txs) + rlp_size_list(ommers);
    if (b->has_withdrawals) n += rlp_size_list(withdrawals);
    return rlp_size_list(n);
}

void withdrawal_encode(struct buf *out, const struct withdrawal *w) {
    rlp_put_list_header(out, withdrawal_payload(w));
    rlp_put_u64(out, w->index);
    rlp_put_u64(out, w->validator_index);
    rlp_put_string(out, BYTES_OF(w->address));
    rlp_put_u64(out, w->amount_gwei);
}

int withdrawal_decode(struct withdrawal *ret, struct bytes in, struct error *why) {
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, in, why);
    struct withdrawal w;
    read_withdrawal(&outer, &w);
    int status = rlp_finish(&outer, "withdrawal");
    if (status == 0) *ret = w;
    return status;
}

struct hash requests_hash(const struct bytes *requests, size_t count) {
    struct sha256 all;
    sha256_init(&all);
    for (size_t i = 0; i < count; i++) {
        if (requests[i].n <= 1) continue; // the type alone
        struct hash one = sha256(requests[i]);
        sha256_update(&all, BYTES_OF(one));
    }
    return sha256_final(&all);
}
