/* SPDX-License-Identifier: MIT */
#include "orderflow/order.h"

#include "crypto/keccak.h"
#include "crypto/sha256.h"
#include "orderflow/peer_frame.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the id ---- */

/* Of a bundle: how many transactions, each with its length before it, then the rest as it goes to
 * peers. */
static void hash_bundle(struct sha256 *h, struct buf *out, const struct bundle *bundle) {
    struct bundle b = *bundle;
    uint8_t n[8];
    store_le64(n, b.txs.count);
    sha256_update(h, bytes_make(n, sizeof n));
    for (size_t i = 0; i < b.txs.count; i++) {
        store_le64(n, b.txs.items[i].n);
        sha256_update(h, bytes_make(n, sizeof n));
        sha256_update(h, b.txs.items[i]);
    }
    b.fields &= ~(unsigned)BUNDLE_HASH;
    b.txs.count = 0;
    peer_bundle_encode(out, &b);
}

/* What is hashed: the method, then all that the order says. */
int flow_order_id_of(struct hash *ret, const struct order *o, struct error *why) {
    const uint8_t method = (uint8_t)o->method;
    struct sha256 h;
    struct buf b;
    buf_init(&b, 0);
    sha256_init(&h);
    sha256_update(&h, bytes_make(&method, 1));
    if (o->method == ORDER_SEND_BUNDLE) {
        hash_bundle(&h, &b, &o->bundle);
    } else if (o->method == ORDER_SEND_RAW_TX) {
        sha256_update(&h, o->raw);
    } else {
        order_put_param(&b, o);
    }
    int r = buf_check(&b, why);
    if (r == 0) {
        sha256_update(&h, buf_view(&b));
        *ret = sha256_final(&h);
    }
    buf_free(&b);
    return r;
}

/* ---- making ---- */

/* A text that is not there stays so: p is NULL. */
static struct bytes own_text(struct arena *a, struct bytes text) {
    return text.p ? arena_copy(a, text) : text;
}

/* Texts point into the message, which goes away. */
static int own_texts(struct share_bundle *b, struct arena *a) {
    b->version = own_text(a, b->version);
    struct share_item *items = arena_new_array(a, struct share_item, b->body_count);
    if (!items) return ERR_LIMIT;
    for (size_t i = 0; i < b->body_count; i++) {
        items[i] = b->body[i];
        items[i].revert_mode_text = own_text(a, items[i].revert_mode_text);
        if (!items[i].bundle) continue;
        struct share_bundle *inner = arena_new(a, struct share_bundle);
        if (!inner) return ERR_LIMIT;
        *inner = *items[i].bundle;
        int r = own_texts(inner, a); // as deep as the decoder goes: BUNDLE_DEPTH_MAX
        if (r != 0) return r;
        items[i].bundle = inner;
    }
    b->body = items;
    return 0;
}

static int own_bundle_texts(struct bundle *b, struct arena *a) {
    b->version = own_text(a, b->version);
    if (!b->refund_tx_texts) return 0;
    struct bytes *texts = arena_new_array(a, struct bytes, b->refund_txs.count);
    if (!texts) return ERR_LIMIT;
    for (size_t i = 0; i < b->refund_txs.count; i++) {
        texts[i] = arena_copy(a, b->refund_tx_texts[i]);
        if (!texts[i].p && b->refund_tx_texts[i].n > 0) return ERR_LIMIT;
    }
    b->refund_tx_texts = texts;
    return 0;
}

static struct hash answer_of(const struct order *o, struct arena *a) {
    struct tx tx;
    struct tx_sidecar sidecar;
    if (!hash_is_zero(&o->answer)) return o->answer;
    if (o->method == ORDER_SEND_BUNDLE) return order_flow_hash(&o->bundle);
    if (o->method != ORDER_SEND_RAW_TX) return (struct hash){{0}};
    if (o->tx_count > 0) return o->txs[0].tx.hash;
    struct arena_mark mark = arena_mark(a);
    bool blob = o->raw.n > 0 && o->raw.p[0] == TX_BLOB;
    bool read = blob && tx_decode_network(&tx, &sidecar, o->raw, a, NULL) == 0;
    arena_rewind(a, mark);
    return read ? tx.hash : keccak256(o->raw);
}

static uint64_t target_of(const struct order *o) {
    if (o->method == ORDER_SEND_SHARE) return o->share.block;
    bool bundle = o->method == ORDER_SEND_BUNDLE && o->bundle.fields & BUNDLE_BLOCK_NUMBER;
    return bundle ? o->bundle.block_number : 0;
}

static int fill(struct flow_order *f, const struct flow_order_facts *facts, struct error *why) {
    struct order *o = &f->order;
    int r = 0;
    if (o->method == ORDER_SEND_BUNDLE) r = own_bundle_texts(&o->bundle, &f->arena);
    if (o->method == ORDER_SEND_SHARE) r = own_texts(&o->share, &f->arena);
    if (r != 0) return error_set(why, ERR_LIMIT, "the order does not fit its memory limit");
    r = flow_order_id_of(&f->id, o, why);
    if (r != 0) return r;
    f->answer = answer_of(o, &f->arena);
    f->target_block = target_of(o);
    f->signer = facts->signer;
    f->source = facts->source;
    f->priority = facts->priority;
    f->received_ns = facts->received_ns;
    f->sent_ns = facts->sent_ns;
    f->expires_ns = facts->expires_ns;
    f->kept_ns = facts->kept_ns > facts->expires_ns ? facts->kept_ns : facts->expires_ns;
    f->bytes = facts->bytes;
    if (facts->peer) (void)snprintf(f->peer, sizeof f->peer, "%s", facts->peer);
    return 0;
}

int flow_order_new(struct flow_order **ret, const struct order *order,
                   const struct flow_order_facts *facts, struct arena *arena, struct error *why) {
    struct flow_order *f = calloc(1, sizeof *f);
    if (!f) {
        arena_free(arena);
        return error_set(why, ERR_NO_MEMORY, "no memory for an order");
    }
    atomic_init(&f->holds, 1);
    f->arena = *arena;
    arena_init(arena, arena->limit_bytes);
    f->order = *order;
    int r = fill(f, facts, why);
    if (r != 0) {
        flow_order_release(f);
        return r;
    }
    *ret = f;
    return 0;
}

struct flow_order *flow_order_hold(struct flow_order *o) {
    atomic_fetch_add_explicit(&o->holds, 1, memory_order_relaxed);
    return o;
}

/* Its data is a buffer's memory. */
static void body_free(struct flow_body *b) {
    if (b) free((void *)(uintptr_t)b->data.p);
    free(b);
}

void flow_order_release(struct flow_order *o) {
    if (!o || atomic_fetch_sub_explicit(&o->holds, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < sizeof o->body / sizeof o->body[0]; i++) {
        body_free(atomic_load_explicit(&o->body[i], memory_order_relaxed));
    }
    arena_free(&o->arena);
    free(o);
}

/* ---- forms ---- */

static int put_form(struct buf *out, const struct flow_order *f, enum flow_form form,
                    struct error *why) {
    struct order o = f->order;
    if (o.method == ORDER_SEND_BUNDLE) {
        o.bundle.fields &= ~(unsigned)BUNDLE_HASH;
        if (form != FLOW_JSON_FIRST) {
            o.bundle.bundle_hash = f->answer;
            o.bundle.fields |= BUNDLE_HASH;
        }
    }
    if (form != FLOW_BITCODE) {
        return order_forward(out, &o, form == FLOW_JSON_FIRST ? ORDER_FIRST : ORDER_SECOND, why);
    }
    if (o.method == ORDER_SEND_BUNDLE) {
        peer_bundle_encode(out, &o.bundle);
    } else if (o.method == ORDER_SEND_RAW_TX) {
        buf_append(out, o.raw);
    } else {
        order_put_param(out, &o);
    }
    return buf_check(out, why);
}

/* About what a form needs, so that it need not grow. */
static size_t room_for(const struct order *o, enum flow_form form) {
    size_t n = o->raw.n;
    for (size_t i = 0; o->method == ORDER_SEND_BUNDLE && i < o->bundle.txs.count; i++) {
        n += o->bundle.txs.items[i].n + 4;
    }
    return form == FLOW_BITCODE ? n + 256 : 2 * n + 768;
}

static int build(struct flow_body **ret, const struct flow_order *f, enum flow_form form,
                 const struct flow_identity *signer, struct error *why) {
    struct buf data, header;
    struct flow_body *b = NULL;
    buf_init(&data, 0);
    buf_init(&header, REQUEST_SIGNATURE_HEADER_BYTES);
    (void)buf_reserve(&data, room_for(&f->order, form));
    int r = put_form(&data, f, form, why);
    if (r == 0 && signer) {
        r = request_signature_make(&header, signer->signer, &signer->key, buf_view(&data), why);
    }
    if (r == 0) {
        b = malloc(sizeof *b);
        if (!b) r = error_set(why, ERR_NO_MEMORY, "no memory for an order's form");
    }
    if (b) {
        uint8_t *fit = data.n > 0 ? realloc(data.p, data.n) : NULL; // orders stay for long
        b->data = bytes_make(fit ? fit : data.p, data.n);
        buf_init(&data, 0); // the body's now
        if (header.n > 0) memcpy(b->signature, header.p, header.n);
        b->signature[header.n] = '\0';
        *ret = b;
    }
    buf_free(&data);
    buf_free(&header);
    return r;
}

int flow_order_body(const struct flow_body **ret, struct flow_order *o, enum flow_form form,
                    const struct flow_identity *signer, struct error *why) {
    size_t slot = form * 2u + (signer ? 1u : 0u);
    struct flow_body *have = atomic_load_explicit(&o->body[slot], memory_order_acquire);
    struct flow_body *made = NULL;
    if (!have) {
        int r = build(&made, o, form, signer, why);
        if (r != 0) return r;
        // Another thread may have been first; its body is as good.
        if (atomic_compare_exchange_strong_explicit(&o->body[slot], &have, made,
                                                    memory_order_acq_rel, memory_order_acquire)) {
            have = made;
        } else {
            body_free(made);
        }
    }
    *ret = have;
    return 0;
}
