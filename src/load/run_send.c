/* Making and sending orders. SPDX-License-Identifier: MIT */
#include "load/order.h"

#include "base/hex.h"
#include "eth/request_signature.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (1u << 20)
#define BUMP_WEI 1000000000u /* each variant pays a gwei more */

// One request on its way.
struct request {
    struct run *run;
    struct order *order;
    struct buf body;
    unsigned status;
};

void run_note_reason(struct run *r, struct bytes text) {
    struct load_result *v = r->result;
    char kept[sizeof v->reasons[0].text];
    size_t n = 0;
    // Numbers differ from case to case: they are one reason.
    for (size_t i = 0; i < text.n && n < sizeof kept - 1; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        if (digit && n && kept[n - 1] == '#') continue;
        kept[n++] = digit ? '#' : text.p[i] < 0x20 ? ' ' : (char)text.p[i];
    }
    kept[n] = '\0';
    for (size_t i = 0; i < v->reason_count; i++) {
        if (strcmp(v->reasons[i].text, kept) != 0) continue;
        v->reasons[i].count++;
        return;
    }
    size_t place = v->reason_count < LOAD_REASONS_MAX ? v->reason_count++ : LOAD_REASONS_MAX - 1;
    if (v->reasons[place].count) (void)snprintf(kept, sizeof kept, "other reasons");
    memcpy(v->reasons[place].text, kept, sizeof kept);
    v->reasons[place].count++;
}

void run_free_account(struct run *r, struct order *o) {
    (void)r;
    o->account->busy = false;
}

// Answers

static void settle(struct request *q, bool accepted, struct bytes reason) {
    struct run *r = q->run;
    struct order *o = q->order;
    uint64_t us = run_us(r);
    o->account->at_work--;
    histogram_add(&r->result->rpc, us - o->sent_us);
    if (accepted) {
        r->result->accepted++;
        if (o->state == ORDER_SENT) o->state = ORDER_ACCEPTED;
    } else {
        r->result->refused++;
        o->state = ORDER_REFUSED;
        run_note_reason(r, reason);
        // Its nonce is free again, and those behind it are in the air.
        if (!o->bundle) o->account->stale = true;
    }
    buf_free(&q->body);
    free(q);
}

static void on_response(struct client_call *k, void *context, const struct http_response *h) {
    (void)k;
    ((struct request *)context)->status = h->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k;
    buf_append(&((struct request *)context)->body, in);
}

static void on_end(struct client_call *k, void *context) {
    struct request *q = context;
    const struct json *doc;
    struct arena a;
    struct bytes message = BYTES_LIT("no JSON-RPC answer"), data;
    char status[32], both[LOAD_REASON_MAX];
    (void)k;
    arena_init(&a, 4u << 20);
    bool ok = false;
    if (json_parse(&doc, buf_view(&q->body), &a, NULL, NULL) == 0) {
        const struct json *error = json_get(doc, "error");
        ok = json_is_null(error) && q->status == 200;
        if (!json_is_null(error) && json_get_string(&message, error, "message", NULL) < 0) {
            message = json_raw(error);
        } else if (json_get_string(&data, error, "data", NULL) == 0 &&
                   !bytes_starts_with(data, BYTES_LIT("0x"))) {
            // Nodes say in the message what kind it is, and only here what is wrong.
            (void)snprintf(both, sizeof both, "%.*s: %.*s", (int)message.n, (const char *)message.p,
                           (int)data.n, (const char *)data.p);
            message = bytes_from_str(both);
        }
    } else if (q->status != 200) {
        (void)snprintf(status, sizeof status, "HTTP status %u", q->status);
        message = bytes_from_str(status);
    }
    settle(q, ok, message);
    arena_free(&a);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    settle(context, false, bytes_from_str(why->text));
}

static void post(struct run *r, struct order *o, struct bytes body) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    size_t target = r->next_target++ % r->target_count;
    struct http_request request = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = r->target_paths[target],
                                   .body = HTTP_BODY_LENGTH};
    struct request *q = calloc(1, sizeof *q);
    struct buf header;
    struct error why;
    int code = q ? 0 : error_set(&why, ERR_NO_MEMORY, "no memory");
    buf_init(&header, 1024);
    if (code == 0) {
        q->run = r;
        q->order = o;
        buf_init(&q->body, ANSWER_BYTES_MAX);
        code = http_fields_add(&request.fields, &r->scratch, BYTES_LIT("content-type"),
                               BYTES_LIT("application/json"), &why);
    }
    if (code == 0 && r->signs) {
        code = request_signature_make(&header, r->w->signer, &o->account->key, body, &why);
        if (code == 0) {
            code = http_fields_add(&request.fields, &r->scratch, BYTES_LIT("x-flashbots-signature"),
                                   buf_view(&header), &why);
        }
    }
    buf_free(&header);
    o->sent_us = run_us(r);
    o->state = ORDER_SENT;
    o->account->at_work++;
    r->result->sent++;
    size_t second = (size_t)(o->sent_us / 1000000);
    if (second < sizeof r->result->per_second / sizeof r->result->per_second[0]) {
        r->result->per_second[second]++;
    }
    struct client_call *call;
    if (code == 0) {
        code = client_start(&call, r->targets[target], &request, body, false, &events, q, &why);
    }
    if (code < 0 && q) settle(q, false, bytes_from_str(why.text));
}

// Making

static struct account *pick(struct pool_of *p, bool bundle) {
    for (size_t tries = 0; tries < p->count; tries++) {
        struct account *k = &p->accounts[p->next++ % p->count];
        if (k->stale || k->busy || (bundle && k->at_work)) continue;
        return k;
    }
    return NULL;
}

static struct order *new_order(struct run *r, const struct form_group *g, struct account *k) {
    if (r->order_count == r->order_most) return NULL;
    struct order *o = &r->orders[r->order_count++];
    *o = (struct order){.account = k, .group = g, .set = r->sets, .bundle = g->spam->bundle};
    return o;
}

static void remember(struct run *r, struct order *o) {
    if (map_put(&r->by_hash, BYTES_OF(o->tx), o, NULL, NULL) < 0) {
        run_note_reason(r, BYTES_LIT("no memory to watch it"));
    }
}

static void append_hex(struct buf *out, struct bytes raw) {
    buf_append_byte(out, '"');
    hex_append_data(out, raw);
    buf_append_byte(out, '"');
}

static void send_tx(struct run *r, const struct form_group *g, struct account *k) {
    struct order *o = new_order(r, g, k);
    struct bytes raw;
    struct buf body;
    struct error why;
    if (!o) return;
    int code = world_tx(r->w, &g->forms[0], k, k->nonce, r->at, 0, &raw, &o->tx, &r->scratch, &why);
    buf_init(&body, 2u << 20);
    buf_append_str(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendRawTransaction\","
                          "\"params\":[");
    if (code == 0) append_hex(&body, raw);
    buf_append_str(&body, "]}");
    if (code == 0) code = buf_check(&body, &why);
    if (code == 0) {
        k->nonce++;
        remember(r, o);
        post(r, o, buf_view(&body));
    } else {
        run_note_reason(r, bytes_from_str(why.text));
    }
    buf_free(&body);
}

static int write_bundle(struct run *r, struct order *o, struct buf *body, struct error *why) {
    const struct form_group *g = o->group;
    struct hash hashes[SCENARIO_BUNDLE_TXS_MAX];
    int code = 0;
    buf_append_str(body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_sendBundle\",\"params\":[{"
                         "\"txs\":[");
    for (size_t i = 0; i < g->count && code == 0; i++) {
        struct bytes raw;
        code = world_tx(r->w, &g->forms[i], o->account, o->account->nonce + i, r->at,
                        (uint64_t)o->variant * BUMP_WEI, &raw, &hashes[i], &r->scratch, why);
        if (i) buf_append_byte(body, ',');
        if (code == 0) append_hex(body, raw);
    }
    if (code < 0) return code;
    o->tx = hashes[0];
    buf_printf(body, "],\"blockNumber\":\"0x%llx\"", (unsigned long long)o->target);
    if (g->spam->reverting) {
        buf_append_str(body, ",\"revertingTxHashes\":[");
        for (size_t i = 0; i < g->count; i++) {
            if (i) buf_append_byte(body, ',');
            append_hex(body, BYTES_OF(hashes[i]));
        }
        buf_append_byte(body, ']');
    }
    if (g->spam->replacements) {
        buf_printf(body, ",\"replacementUuid\":\"%08x-0000-4000-8000-%012llx\"", o->set,
                   (unsigned long long)(r->begin_ns & 0xffffffffffff));
        buf_printf(body, ",\"replacementNonce\":%u", o->variant + 1u);
    }
    buf_append_str(body, "}]}");
    return buf_check(body, why);
}

static void send_bundles(struct run *r, const struct form_group *g, struct account *k) {
    uint64_t variants = g->spam->conflicts      ? g->spam->conflicts
                        : g->spam->replacements ? g->spam->replacements
                                                : 1;
    k->busy = true;
    for (uint64_t v = 0; v < variants; v++) {
        struct order *o = new_order(r, g, k);
        struct buf body;
        struct error why;
        if (!o) return;
        o->variant = (uint16_t)v;
        o->target = r->announced + 1;
        buf_init(&body, 16u << 20);
        int code = write_bundle(r, o, &body, &why);
        if (code == 0) {
            remember(r, o);
            post(r, o, buf_view(&body));
        } else {
            run_note_reason(r, bytes_from_str(why.text));
        }
        buf_free(&body);
    }
}

void run_send_next(struct run *r) {
    const struct form_group *g = world_group(r->w, r->at);
    struct account *k = pick(g->forms[0].pool, g->spam->bundle);
    r->sets++;
    arena_reset(&r->scratch);
    if (!k) {
        r->result->starved++;
    } else if (g->spam->bundle) {
        send_bundles(r, g, k);
    } else {
        send_tx(r, g, k);
    }
    r->at++;
}

int run_open_client(struct run *r, struct client **ret, struct bytes *ret_path, const char *url,
                    unsigned connections, struct error *why) {
    struct url u;
    char origin[512];
    int code = url_parse(&u, bytes_from_str(url), why);
    if (code < 0) return error_wrap(why, "%s", url);
    if (u.scheme != URL_HTTP || url_origin(origin, sizeof origin, &u, why) != 0) {
        return error_set(why, ERR_UNSUPPORTED, "%s: http://HOST:PORT is needed", url);
    }
    *ret_path = u.target;
    const struct client_options o = {.url = origin,
                                     .connections = connections,
                                     .waiting = 65536,
                                     .connect_ns = r->w->s->rpc_timeout_ns,
                                     .response_ns = r->w->s->rpc_timeout_ns};
    return client_new(ret, r->loop, &o, why);
}
