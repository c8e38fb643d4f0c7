/* SPDX-License-Identifier: MIT */
#include "devnet/probe.h"

#include "base/hex.h"
#include "base/list.h"
#include "eth/address.h"
#include "eth/dev_accounts.h"
#include "eth/request_signature.h"
#include "eth/tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FEE_WEI 200000000000u     /* 200 gwei */
#define PRIORITY_FEE_WEI 10000000000u /* 10 gwei: what the block is worth */
#define TRANSFER_GAS 21000

struct sender {
    struct probe *probe;
    struct ecdsa_secret_key key;
    struct address address;
    struct query nonce;
    struct target *target; // whose bundle waits for the nonce
};

struct target {
    struct probe *probe;
    struct query query;
    char name[24];
    bool enabled;
    uint64_t block; // that the last bundle was for
    size_t order;   // index + 1 of the order on its way; 0: none
};

struct probe {
    struct probe_options o;
    struct ecdsa_signer *signer;
    struct sender senders[PROBE_SENDERS]; // a node's is that of its index modulo their number
    struct target targets[PROBE_NODES_MAX];
    size_t target_count, next_target;
    uint64_t head;                          // for the bundles after the nonces are known
    uint64_t block;                         // that was sent for last
    struct probe_order orders[PROBES_KEPT]; // a ring
    size_t count;
    struct probe_order proof;
    bool proven;
};

static uint64_t now_ms(const struct probe *p) {
    return clock_wall_ns(loop_clock(p->o.loop)) / NS_PER_MS;
}

static const char *const state_names[] = {"sending", "taken", "refused", "landed", "passed"};

static void write_order(struct json_writer *w, const struct probe_order *k) {
    json_add_data(w, "tx", BYTES_OF(k->tx));
    if (!hash_is_zero(&k->bundle)) json_add_data(w, "bundle", BYTES_OF(k->bundle));
    json_add_str(w, "node", k->node);
    json_add_str(w, "state", state_names[k->state]);
    json_add_u64(w, "target", k->target);
    json_add_u64(w, "sent_ms", k->sent_ms);
    if (k->taken_ms) json_add_u64(w, "taken_ms", k->taken_ms);
    if (k->landed_ms) {
        json_add_u64(w, "landed_ms", k->landed_ms);
        json_add_u64(w, "block", k->block);
        json_add_str(w, "winner", k->winner);
    }
    if (*k->reason) json_add_str(w, "reason", k->reason);
}

static void tell(struct probe *p, const struct probe_order *k) {
    struct json_writer *w = events_begin(p->o.events, "order");
    write_order(w, k);
    events_end(p->o.events);
}

// Sending

static void on_answer(struct query *f, int code, const struct json *doc, const struct error *why) {
    struct target *t = f->context;
    struct probe *p = t->probe;
    struct probe_order *k = &p->orders[(t->order - 1) % PROBES_KEPT];
    t->order = 0;
    if (code == 0) (void)!json_get_hash(&k->bundle, doc, "bundleHash", NULL);
    if (k->state != PROBE_SENDING) return; // it landed before the answer came
    k->state = code == 0 ? PROBE_TAKEN : PROBE_REFUSED;
    k->taken_ms = code == 0 ? now_ms(p) : 0;
    if (code < 0) (void)snprintf(k->reason, sizeof k->reason, "%s", why->text);
    tell(p, k);
}

static int make_tx(struct sender *s, uint64_t nonce, struct arena *a, struct tx *t,
                   struct error *why) {
    struct probe *p = s->probe;
    *t = (struct tx){.type = TX_FEE_MARKET,
                     .has_to = true,
                     .protected = true,
                     .chain_id = p->o.chain_id,
                     .nonce = nonce,
                     .gas = TRANSFER_GAS,
                     .max_fee = u256_from_u64(MAX_FEE_WEI),
                     .max_priority_fee = u256_from_u64(PRIORITY_FEE_WEI),
                     .to = s->address,
                     .value = u256_from_u64(1)};
    return tx_sign(t, p->signer, &s->key, a, why);
}

static int send_bundle(struct sender *s, struct target *t, const struct tx *tx, struct error *why) {
    struct probe *p = s->probe;
    struct buf body, header;
    buf_init(&body, 1u << 16);
    buf_init(&header, 1024);
    buf_append_str(&body,
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendBundle\",\"params\":[{"
                   "\"txs\":[\"");
    hex_append_data(&body, tx->raw);
    buf_printf(&body, "\"],\"blockNumber\":\"0x%llx\"}]}", (unsigned long long)p->head + 1);
    int r = buf_check(&body, why);
    if (r == 0) r = request_signature_make(&header, p->signer, &s->key, buf_view(&body), why);
    if (r == 0) {
        r = query_post(&t->query, "/", buf_view(&body), "X-Flashbots-Signature", buf_view(&header),
                       why);
    }
    buf_free(&body);
    buf_free(&header);
    return r;
}

static struct target *next_target(struct probe *p) {
    for (size_t i = 0; i < p->target_count; i++) {
        struct target *t = &p->targets[p->next_target++ % p->target_count];
        if (t->enabled) return t;
    }
    return NULL;
}

void probe_enable(struct probe *p, const char *name, bool enabled) {
    for (size_t i = 0; i < p->target_count; i++) {
        if (strcmp(p->targets[i].name, name) == 0) p->targets[i].enabled = enabled;
    }
}

static void send_now(struct sender *s, uint64_t nonce) {
    struct probe *p = s->probe;
    struct target *t = s->target;
    struct arena a;
    struct tx tx;
    struct error why;
    if (query_busy(&t->query)) return; // this node does not answer; the next one's turn comes
    arena_init(&a, 64u << 10);
    int r = make_tx(s, nonce, &a, &tx, &why);
    if (r == 0) r = send_bundle(s, t, &tx, &why);
    if (r == 0) {
        struct probe_order *k = &p->orders[p->count % PROBES_KEPT];
        *k = (struct probe_order){
            .tx = tx.hash, .sent_ms = now_ms(p), .target = p->head + 1, .state = PROBE_SENDING};
        k->sender = (size_t)(s - p->senders);
        k->nonce = nonce;
        memcpy(k->node, t->name, sizeof k->node);
        t->order = ++p->count;
        tell(p, k);
    } else {
        log_warn(p->o.log, "probe_failed", F_STR("node", t->name), F_ERR(&why));
    }
    arena_free(&a);
}

static void on_nonce(struct query *f, int code, const struct json *doc, const struct error *why) {
    uint64_t nonce;
    (void)why;
    if (code == 0 && json_quantity(&nonce, doc, NULL) == 0) send_now(f->context, nonce);
}

static void send_through(struct probe *p, struct target *t) {
    char params[80], address[43];
    struct sender *s = &p->senders[(size_t)(t - p->targets) % PROBE_SENDERS];
    if (query_busy(&s->nonce) || t->block == p->head + 1) return;
    t->block = p->head + 1;
    s->target = t;
    address_to_text(address, &s->address);
    (void)snprintf(params, sizeof params, "[\"%s\",\"latest\"]", address);
    (void)!query_rpc(&s->nonce, "eth_getTransactionCount", params, NULL);
}

// One a block; the first once every node takes orders, so that it always goes through the same.
static bool single_is_due(const struct probe *p) {
    for (size_t i = 0; p->block == 0 && i < p->target_count; i++) {
        if (!p->targets[i].enabled) return false;
    }
    return p->block != p->head + 1;
}

void probe_send(struct probe *p, uint64_t head) {
    p->head = head;
    // Until the proof through several nodes at once: whoever wins, a bundle of another's is there.
    bool burst = !p->proven && !p->o.single;
    for (size_t i = 0; burst && i < p->target_count && i < PROBE_SENDERS; i++) {
        if (p->targets[i].enabled) send_through(p, &p->targets[i]);
    }
    if (burst || (p->o.single && !single_is_due(p))) return;
    p->block = head + 1;
    struct target *t = next_target(p);
    if (t) send_through(p, t);
}

// Blocks

static void land(struct probe *p, struct probe_order *k, const struct slot_record *r) {
    k->state = PROBE_LANDED;
    k->landed_ms = r->seen_ms;
    k->block = r->number;
    (void)snprintf(k->winner, sizeof k->winner, "%s", r->winner);
    bool foreign = strcmp(k->winner, k->node) != 0 && strncmp(k->winner, "node-", 5) == 0;
    if (foreign && !p->proven) {
        p->proof = *k;
        p->proven = true;
    }
    tell(p, k);
}

uint64_t probe_block(struct probe *p, const struct slot_record *r, const struct json *block) {
    uint64_t landed = 0;
    json_each(item, json_get(block, "transactions")) {
        struct hash h;
        if (json_hash(&h, item, NULL) < 0) continue;
        for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
            struct probe_order *k = &p->orders[i % PROBES_KEPT];
            if (!hash_equal(&k->tx, &h) || k->state == PROBE_LANDED) continue;
            land(p, k, r);
            landed++;
            break;
        }
    }
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        struct probe_order *k = &p->orders[i % PROBES_KEPT];
        if (k->state != PROBE_TAKEN || k->target > r->number) continue;
        k->state = PROBE_PASSED;
        tell(p, k);
    }
    return landed;
}

const struct probe_order *probe_proof(const struct probe *p) {
    return p->proven ? &p->proof : NULL;
}

// An order whose nonce another one of ours used: that it did not land says nothing.
static bool gave_way(const struct probe *p, const struct probe_order *k) {
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        const struct probe_order *other = &p->orders[i % PROBES_KEPT];
        if (other->state == PROBE_LANDED && other->sender == k->sender &&
            other->nonce == k->nonce) {
            return k->state != PROBE_LANDED;
        }
    }
    return false;
}

void probe_fate(const struct probe *p, uint64_t block, uint64_t *ret_orders, uint64_t *ret_landed) {
    *ret_orders = *ret_landed = 0;
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        const struct probe_order *k = &p->orders[i % PROBES_KEPT];
        if (k->target > block || k->state == PROBE_REFUSED || k->state == PROBE_SENDING) continue;
        if (gave_way(p, k)) continue;
        ++*ret_orders;
        *ret_landed += k->state == PROBE_LANDED;
    }
}

const struct probe_order *probe_find(const struct probe *p, const struct hash *h) {
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        const struct probe_order *k = &p->orders[i % PROBES_KEPT];
        if (hash_equal(&k->tx, h) || hash_equal(&k->bundle, h)) return k;
    }
    return NULL;
}

uint64_t probe_count(const struct probe *p, enum probe_state state) {
    uint64_t n = 0;
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        n += p->orders[i % PROBES_KEPT].state == state;
    }
    return n;
}

void probe_write(struct json_writer *w, const char *key, const struct probe *p) {
    json_begin_array(w, key);
    for (size_t i = p->count > PROBES_KEPT ? p->count - PROBES_KEPT : 0; i < p->count; i++) {
        json_begin_object(w, NULL);
        write_order(w, &p->orders[i % PROBES_KEPT]);
        json_end(w);
    }
    json_end(w);
}

// Life

int probe_node(struct probe *p, const char *name, const char *url, struct error *why) {
    if (p->target_count == PROBE_NODES_MAX) return error_set(why, ERR_LIMIT, "too many nodes");
    struct target *t = &p->targets[p->target_count];
    t->probe = p;
    t->query.done = on_answer;
    t->query.context = t;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    int r = query_open(&t->query, p->o.loop, url, why);
    if (r == 0) p->target_count++;
    return r;
}

static int open_sender(struct probe *p, struct sender *s, unsigned account, struct error *why) {
    struct ecdsa_public_key public;
    s->probe = p;
    s->nonce.done = on_nonce;
    s->nonce.context = s;
    dev_account_key(&s->key, account);
    int r = ecdsa_public_key_of(p->signer, &public, &s->key, why);
    if (r == 0) s->address = ecdsa_address(&public);
    return r == 0 ? query_open(&s->nonce, p->o.loop, p->o.rpc_url, why) : r;
}

int probe_new(struct probe **ret, const struct probe_options *o, struct error *why) {
    struct probe *p = calloc(1, sizeof *p);
    *ret = p;
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for the probe");
    p->o = *o;
    int r = ecdsa_signer_new(&p->signer, why);
    for (unsigned i = 0; r == 0 && i < PROBE_SENDERS; i++) {
        r = open_sender(p, &p->senders[i], o->account - i, why);
    }
    return r;
}

void probe_free(struct probe *p) {
    if (!p) return;
    for (size_t i = 0; i < PROBE_SENDERS; i++) {
        query_close(&p->senders[i].nonce);
    }
    for (size_t i = 0; i < p->target_count; i++) {
        query_close(&p->targets[i].query);
    }
    ecdsa_signer_free(p->signer);
    free(p);
}
