/* Internal API: the standing of builders, for whoever runs the relay. On a listener of its own.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/utf8.h"
#include "relay/relay.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

static void answer_builder(struct exchange *x, const struct builder *b) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_data(&w, "builder_pubkey", BYTES_OF(b->pubkey));
    json_add_str(&w, "builder_id", b->status.id);
    json_add_bool(&w, "is_high_prio", b->status.high_priority);
    json_add_bool(&w, "is_blacklisted", b->status.blacklisted);
    json_add_bool(&w, "is_optimistic", b->status.optimistic);
    json_add_bool(&w, "header_submissions", b->status.header_submissions);
    json_add_decimal256(&w, "collateral", b->status.collateral);
    json_end(&w);
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

struct change {
    struct relay *relay;
    struct exchange *x;
    struct builder *builder;
};

static void on_committed(void *context, int status, const struct error *why) {
    struct change *c = context;
    (void)why;
    if (status != 0) {
        relay_refuse(c->x, 500, "the change could not be stored");
    } else {
        answer_builder(c->x, c->builder);
    }
    exchange_release(c->x);
    free(c);
}

static void store(struct relay *r, struct exchange *x, struct builder *b) {
    struct change *c = malloc(sizeof *c);
    struct error why;
    if (!c) {
        relay_refuse(x, 503, "the relay is busy");
        return;
    }
    *c = (struct change){r, x, b};
    b->listed = true;
    exchange_hold(x);
    if (records_builder(r->records, b, on_committed, c, &why) != 0) {
        relay_refuse(x, 503, why.text);
        exchange_release(x);
        free(c);
    }
}

static struct builder *find(struct relay *r, struct exchange *x, bool make) {
    struct bytes48 pubkey;
    struct bls_public_key key;
    if (hex_decode_fixed(pubkey.b, 48, exchange_param(x, "pubkey"), NULL) != 0 ||
        bls_public_key_parse(&key, &pubkey, NULL) != 0) {
        relay_refuse(x, 400, "invalid pubkey");
        return NULL;
    }
    struct builder *b =
        make ? builders_get(&r->builders, &pubkey) : builders_find(&r->builders, &pubkey);
    if (!b) relay_refuse(x, make ? 503 : 400, make ? "too many builders" : "builder not found");
    return b;
}

// An absent flag stays as it is; a word that is neither would take away or give what nobody meant.
static bool take_flag(bool *flag, struct exchange *x, const char *name) {
    struct bytes v = exchange_query_get(x, name);
    char text[64];
    bool yes = bytes_equal_str(v, "true");
    if (v.n == 0) return true;
    *flag = yes;
    if (yes || bytes_equal_str(v, "false")) return true;
    (void)snprintf(text, sizeof text, "%s is true or false", name);
    relay_refuse(x, 400, text);
    return false;
}

static bool take_flags(struct builder_status *s, struct exchange *x) {
    return take_flag(&s->high_priority, x, "high_prio") &&
           take_flag(&s->blacklisted, x, "blacklisted") &&
           take_flag(&s->optimistic, x, "optimistic") &&
           take_flag(&s->header_submissions, x, "header_submissions");
}

void relay_on_builder(struct exchange *x, void *context) {
    struct relay *r = context;
    bool change = exchange_request(x)->method != HTTP_GET;
    struct builder_status checked = {0};
    if (change && !take_flags(&checked, x)) return;
    struct builder *b = find(r, x, change);
    if (!b) return;
    if (!change) {
        answer_builder(x, b);
        return;
    }
    (void)take_flags(&b->status, x);
    log_info(r->log, "builder_changed", F_HEX("builder", BYTES_OF(b->pubkey)),
             F_BOOL("high_priority", b->status.high_priority),
             F_BOOL("blacklisted", b->status.blacklisted),
             F_BOOL("optimistic", b->status.optimistic));
    store(r, x, b);
}

static bool is_name(struct bytes id) {
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] < ' ') return false;
    }
    return utf8_check(id) == id.n;
}

void relay_on_collateral(struct exchange *x, void *context) {
    struct relay *r = context;
    struct bytes id = exchange_query_get(x, "collateral"), value = exchange_query_get(x, "value");
    struct u256 wei;
    const char *wrong = NULL;
    if (!u256_from_decimal(&wei, value)) wrong = "value is the collateral in wei";
    if (!wrong && id.n >= BUILDER_ID_MAX) wrong = "the collateral's name is too long";
    if (!wrong && !is_name(id)) wrong = "the collateral's name is no text";
    if (wrong) {
        relay_refuse(x, 400, wrong);
        return;
    }
    struct builder *b = find(r, x, true);
    if (!b) return;
    b->status.collateral = wei;
    if (id.n) {
        memset(b->status.id, 0, sizeof b->status.id);
        memcpy(b->status.id, id.p, id.n);
    }
    store(r, x, b);
}
