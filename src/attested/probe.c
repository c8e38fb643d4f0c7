/* SPDX-License-Identifier: MIT */
#include "attested/probe.h"

static void settled(void *context, struct conn *c, const struct error *why) {
    struct attested_probe *p = context;
    struct error gone = {0};
    if (why) {
        p->why = *why;
        p->code = (int)why->code;
    } else {
        p->code = p->take(p->context, c, &p->why);
    }
    error_set(&gone, ERR_CANCELLED, "the server was asked");
    client_drop(p->client, c, why ? why : &gone);
}

void attested_probe_admit(struct client *c, struct conn *conn, void *attested) {
    (void)c;
    if (attested_needs_admit(attested))
        attested_admit(attested, conn);
    else
        settled(attested_context(attested), conn, NULL);
}

/* The call only makes the client connect: it ends before anything of it is sent. */
static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k, (void)context, (void)r;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k, (void)context, (void)in;
}

static void on_end(struct client_call *k, void *context) {
    const struct attested_probe *p = context;
    (void)k;
    loop_stop(client_loop(p->client));
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct attested_probe *p = context;
    if (p->code == ERR_CANCELLED) { // it did not come so far
        p->code = (int)why->code;
        p->why = *why;
    }
    on_end(k, context);
}

int attested_probe(struct attested_probe *p, struct error *why) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    const struct http_request request = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT("/")};
    struct client_call *call;
    p->code = error_set(&p->why, ERR_CANCELLED, "ended before the server had answered");
    attested_set_owner(p->attested, settled, NULL, p);
    int r = client_start(&call, p->client, &request, BYTES_LIT(""), false, &events, p, why);
    if (r == 0) r = loop_run(client_loop(p->client), why);
    if (r == 0 && p->code != 0) {
        if (why) *why = p->why;
        r = p->code;
    }
    return r;
}
