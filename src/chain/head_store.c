/* Canonical blocks in the store: keys, values, look-ups. SPDX-License-Identifier: MIT */
#include "chain/head_internal.h"
#include "eth/rlp.h"

#define TX_PLACE_BYTES 12
#define MARK_BYTES 40
#define READ_TRIES 8

struct number_key {
    uint8_t b[8];
};

static struct number_key key_of(uint64_t number) {
    struct number_key k;
    store_be64(k.b, number);
    return k;
}

/* Outcomes: hash of the block, rlp([total difficulty, [sender ...], [receipt envelope ...],
 * [request ...]]). */

static void encode_outcome(struct buf *out, const struct head_block *b) {
    size_t outer = rlp_list_begin(out), inner;
    struct buf one;
    rlp_put_u256(out, b->total_difficulty);
    inner = rlp_list_begin(out);
    for (size_t i = 0; i < b->block.tx_count; i++) {
        rlp_put_string(out, BYTES_OF(b->senders[i]));
    }
    rlp_list_close(out, inner);
    inner = rlp_list_begin(out);
    buf_init(&one, 0);
    for (size_t i = 0; i < b->block.tx_count; i++) {
        buf_clear(&one);
        receipt_encode(&one, &b->receipts[i]);
        if (one.failed) out->failed = one.failed;
        rlp_put_string(out, buf_view(&one));
    }
    buf_free(&one);
    rlp_list_close(out, inner);
    inner = rlp_list_begin(out);
    for (size_t i = 0; i < b->request_count; i++) {
        rlp_put_string(out, b->requests[i]);
    }
    rlp_list_close(out, inner);
    rlp_list_close(out, outer);
}

static int decode_outcome(struct head_node *n, struct bytes in, struct error *why) {
    struct rlp_source source;
    struct head_block *b = &n->block;
    size_t count = b->block.tx_count;
    struct address *senders = arena_new_array(&n->memory, struct address, count);
    struct receipt *receipts = arena_new_array(&n->memory, struct receipt, count);
    struct bytes kept = arena_copy(&n->memory, in); // receipts point into it
    if (!senders || !receipts || !kept.p) {
        return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    }
    struct rlp_reader top = rlp_open(&source, kept, why), all = rlp_list(&top, "outcome");
    b->total_difficulty = rlp_u256(&all, "total difficulty");
    struct rlp_reader list = rlp_list(&all, "senders");
    for (size_t i = 0; i < count; i++) {
        rlp_fixed(&list, senders[i].b, 20, "sender");
    }
    rlp_end(&list, "senders");
    list = rlp_list(&all, "receipts");
    for (size_t i = 0; i < count; i++) {
        struct bytes one = rlp_string(&list, "receipt");
        if (source.failed) break;
        int r = receipt_decode(&receipts[i], one, &n->memory, why);
        if (r != 0) return r;
    }
    rlp_end(&list, "receipts");
    list = rlp_list(&all, "requests");
    while (rlp_more(&list) && b->request_count < 3) {
        b->requests[b->request_count++] = rlp_string(&list, "request");
    }
    rlp_end(&list, "requests");
    rlp_end(&all, "outcome");
    b->senders = senders;
    b->receipts = receipts;
    return rlp_finish(&top, "outcome");
}

/* Writing. */

static int put_txs(struct head *h, const struct head_block *b, bool remove, struct error *why) {
    uint8_t place[TX_PLACE_BYTES];
    int r = 0;
    store_be64(place, b->block.header.number);
    for (size_t i = 0; r == 0 && i < b->block.tx_count; i++) {
        store_be32(place + 8, (uint32_t)i);
        r = trie_store_put(h->store, TRIE_STORE_TXS, BYTES_OF(b->block.txs[i].hash),
                           bytes_make(place, remove ? 0 : sizeof place), why);
    }
    return r;
}

int head_store_put(struct head *h, const struct head_block *b, struct error *why) {
    struct number_key key = key_of(b->block.header.number);
    struct trie_store *s = h->store;
    struct buf value;
    buf_init(&value, 0);
    buf_append(&value, BYTES_OF(b->hash));
    buf_append(&value, b->rlp);
    int r = buf_check(&value, why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_BLOCKS, BYTES_OF(key), buf_view(&value), why);
    buf_clear(&value);
    buf_append(&value, BYTES_OF(b->hash));
    encode_outcome(&value, b);
    if (r == 0) r = buf_check(&value, why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_OUTCOMES, BYTES_OF(key), buf_view(&value), why);
    buf_free(&value);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_HASHES, BYTES_OF(key), BYTES_OF(b->hash), why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_HASHES, BYTES_OF(b->hash), BYTES_OF(key), why);
    return r == 0 ? put_txs(h, b, false, why) : r;
}

int head_store_remove(struct head *h, const struct head_block *b, struct error *why) {
    struct number_key key = key_of(b->block.header.number);
    struct trie_store *s = h->store;
    static const struct bytes none;
    int r = trie_store_put(s, TRIE_STORE_BLOCKS, BYTES_OF(key), none, why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_OUTCOMES, BYTES_OF(key), none, why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_HASHES, BYTES_OF(key), none, why);
    if (r == 0) r = trie_store_put(s, TRIE_STORE_HASHES, BYTES_OF(b->hash), none, why);
    return r == 0 ? put_txs(h, b, true, why) : r;
}

int head_store_put_mark(struct head *h, const char *name, uint64_t number, const struct hash *hash,
                        struct error *why) {
    uint8_t value[MARK_BYTES];
    store_be64(value, number);
    memcpy(value + 8, hash->b, 32);
    return trie_store_put(h->store, TRIE_STORE_MARKS, bytes_from_str(name),
                          bytes_make(value, sizeof value), why);
}

/* Reading. */

int head_store_damaged(struct error *why) {
    (void)error_wrap(why, "store");
    if (why) why->code = ERR_IO;
    return ERR_IO;
}

static int get_fixed(struct head *h, enum trie_store_table table, struct bytes key, uint8_t *ret,
                     size_t n, struct error *why) {
    struct buf b = {.p = ret, .capacity = n, .limit_bytes = n};
    int r = trie_store_get(h->store, table, key, &b, why);
    if (r == 0 && b.n != n) r = error_set(why, ERR_IO, "a stored value has %zu bytes", b.n);
    return r;
}

int head_store_mark(struct head *h, const char *name, uint64_t *ret_number, struct hash *ret_hash,
                    struct error *why) {
    uint8_t value[MARK_BYTES];
    int r = get_fixed(h, TRIE_STORE_MARKS, bytes_from_str(name), value, sizeof value, why);
    if (r != 0) return r;
    *ret_number = load_be64(value);
    memcpy(ret_hash->b, value + 8, 32);
    return 0;
}

int head_store_hash(struct head *h, struct hash *ret, uint64_t number, struct error *why) {
    struct number_key key = key_of(number);
    return get_fixed(h, TRIE_STORE_HASHES, BYTES_OF(key), ret->b, 32, why);
}

int head_store_number(struct head *h, uint64_t *ret, const struct hash *hash, struct error *why) {
    uint8_t value[8];
    int r = get_fixed(h, TRIE_STORE_HASHES, BYTES_OF(*hash), value, sizeof value, why);
    if (r == 0) *ret = load_be64(value);
    return r;
}

int head_store_tx(struct head *h, uint64_t *ret_number, size_t *ret_index, const struct hash *tx,
                  struct error *why) {
    uint8_t place[TX_PLACE_BYTES];
    int r = get_fixed(h, TRIE_STORE_TXS, BYTES_OF(*tx), place, sizeof place, why);
    if (r != 0) return r;
    *ret_number = load_be64(place);
    *ret_index = load_be32(place + 8);
    return 0;
}

static int read_once(struct head *h, struct head_node **ret, uint64_t number, struct error *why) {
    struct number_key key = key_of(number);
    struct buf value;
    struct head_node *n = NULL;
    buf_init(&value, 0);
    int r = trie_store_get(h->store, TRIE_STORE_BLOCKS, BYTES_OF(key), &value, why);
    struct bytes in = buf_view(&value);
    if (r == 0) r = head_node_new(&n, bytes_slice(in, 32, SIZE_MAX), why);
    if (r == 0 && !bytes_starts_with(in, BYTES_OF(n->block.hash))) {
        r = error_set(why, ERR_IO, "a stored block has another hash");
    }
    buf_clear(&value);
    if (r == 0) r = trie_store_get(h->store, TRIE_STORE_OUTCOMES, BYTES_OF(key), &value, why);
    in = buf_view(&value);
    if (r == 0 && !bytes_starts_with(in, BYTES_OF(n->block.hash))) {
        r = error_set(why, ERR_BUSY, "the chain changed while a block was read");
    }
    if (r == 0) r = decode_outcome(n, bytes_slice(in, 32, SIZE_MAX), why);
    buf_free(&value);
    if (r != 0) {
        head_node_release(n);
        return r;
    }
    *ret = n;
    return 0;
}

int head_store_read(struct head *h, struct head_node **ret, uint64_t number, struct error *why) {
    int r = ERR_BUSY;
    // Block and outcome are two reads: a reorg may fall between them.
    for (int i = 0; i < READ_TRIES && r == ERR_BUSY; i++) {
        r = read_once(h, ret, number, why);
    }
    return r;
}
