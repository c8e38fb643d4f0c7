/* Sending orders. SPDX-License-Identifier: MIT */
#include "load/presign.h"

#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (1u << 20)

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

// Answers

static void doubt_nonce(struct account *k) {
    k->stale = true;
    k->doubts++;
}

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
        if (!o->bundle) doubt_nonce(o->account);
    }
    bool last = o->bundle && o->account->holder == o->set && o->account->at_work == 0;
    if (last && o->target <= r->head) o->account->holder = 0; // its block came before the answer
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

static void post(struct run *r, struct order *o, const struct presign_request *ready) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    size_t target = r->next_target++ % r->target_count;
    struct http_request request = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = r->target_paths[target],
                                   .body = HTTP_BODY_LENGTH};
    struct request *q = calloc(1, sizeof *q);
    struct error why;
    int code = q ? 0 : error_set(&why, ERR_NO_MEMORY, "no memory");
    if (code == 0) {
        q->run = r;
        q->order = o;
        buf_init(&q->body, ANSWER_BYTES_MAX);
        code = http_fields_add(&request.fields, &r->scratch, BYTES_LIT("content-type"),
                               BYTES_LIT("application/json"), &why);
    }
    if (code == 0 && ready->header.n) {
        code = http_fields_add(&request.fields, &r->scratch, BYTES_LIT("x-flashbots-signature"),
                               ready->header, &why);
    }
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
        code =
            client_start(&call, r->targets[target], &request, ready->body, false, &events, q, &why);
    }
    if (code < 0 && q) settle(q, false, bytes_from_str(why.text));
}

// Sending

static struct order *new_order(struct run *r, const struct presign_order *m, uint64_t variant) {
    if (r->order_count == r->order_most) return NULL;
    struct order *o = &r->orders[r->order_count++];
    *o = (struct order){.account = m->account,
                        .group = m->group,
                        .set = r->at + 1,
                        .variant = (uint16_t)variant,
                        .target = r->announced + 1,
                        .bundle = m->group->spam->bundle};
    return o;
}

static void send_request(struct run *r, const struct presign_order *m, uint64_t variant) {
    struct order *o = new_order(r, m, variant);
    struct presign_request q;
    struct error why;
    if (!o) return;
    if (presign_request(r->presign, variant, o->target, &q, &why) < 0) {
        run_note_reason(r, bytes_from_str(why.text));
        if (!o->bundle) doubt_nonce(m->account); // it was used up for nothing
        return;
    }
    o->tx = q.tx;
    if (map_put(&r->by_hash, BYTES_OF(o->tx), o, NULL, NULL) < 0) {
        run_note_reason(r, BYTES_LIT("no memory to watch it"));
    }
    post(r, o, &q);
}

void run_send_next(struct run *r) {
    struct presign_order m;
    arena_reset(&r->scratch);
    presign_take(r->presign, &m);
    if (!m.account) r->result->starved++;
    if (m.account && !m.group->spam->bundle) m.account->at_work--; // counted when it is on its way
    for (uint64_t v = 0; m.account && v < m.variants; v++) {
        send_request(r, &m, v);
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
