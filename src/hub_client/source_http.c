/* The hub's HTTP API as a source. SPDX-License-Identifier: MIT */
#include "hub_client/source.h"
#include "net/url.h"
#include "json/write.h"

#include <stdlib.h>

#define HUB_CONNECT_NS (10 * NS_PER_S)
#define HUB_RESPONSE_NS (20 * NS_PER_S)
#define TAG_BYTES_MAX 127 /* a longer ETag is passed over */

struct http_source {
    struct hub_source source; /* first: the interface is a view of this */
    struct client *client;
    enum hub_list list;
    struct buf list_path;             /* NUL-terminated */
    char list_tag[TAG_BYTES_MAX + 1]; /* ETag of the last list; "": none */
    struct asking *askings;           /* at work */
};

// One request on its way.
struct asking {
    struct http_source *source;
    struct hub_request *request;
    struct client_call *call;
    struct asking *next;
    struct buf body;
    unsigned status;
    bool is_list, conditional;   /* conditional: 304 may come */
    char tag[TAG_BYTES_MAX + 1]; /* of the list that comes */
};

static struct http_source *of(struct hub_source *s) {
    return (struct http_source *)(void *)s;
}

static void asking_free(struct asking *k) {
    for (struct asking **at = &k->source->askings; *at; at = &(*at)->next) {
        if (*at == k) {
            *at = k->next;
            break;
        }
    }
    if (k->request) k->request->source = NULL;
    bytes_wipe(k->body.p, k->body.capacity); // configurations hold secrets
    buf_free(&k->body);
    free(k);
}

static void finish(struct asking *k, int code, const struct error *why) {
    struct hub_request *q = k->request;
    struct buf body = k->body;
    struct bytes in = {NULL, 0};
    if (code == 0 && k->status == 200) in = body.n ? buf_view(&body) : BYTES_LIT("");
    buf_init(&k->body, 0);
    asking_free(k);
    q->done(q, code, in, why);
    bytes_wipe(body.p, body.capacity);
    buf_free(&body);
}

static void on_response(struct client_call *c, void *context, const struct http_response *r) {
    struct asking *k = context;
    (void)c;
    k->status = r->status;
    struct bytes tag = http_get(&r->fields, HTTP_FIELD_ETAG);
    if (k->is_list && tag.n && tag.n <= TAG_BYTES_MAX) memcpy(k->tag, tag.p, tag.n);
}

static void on_body(struct client_call *c, void *context, struct bytes in) {
    struct asking *k = context;
    struct error why;
    buf_append(&k->body, in);
    if (!k->body.failed) return;
    int code = error_set(&why, ERR_LIMIT, "the hub's answer is longer than %zu bytes",
                         k->body.limit_bytes);
    call_cancel(c);
    finish(k, code, &why);
}

// 403 is the hub's only way to say "not you"; an attested proxy may answer it too.
static void on_end(struct client_call *c, void *context) {
    struct asking *k = context;
    struct error why = {0};
    int code = 0;
    (void)c;
    if (k->status == 403) {
        code = error_set(&why, ERR_UNTRUSTED, "the hub refuses this node (403)");
    } else if (k->status == 200 && k->is_list) {
        memcpy(k->source->list_tag, k->tag, sizeof k->tag);
    } else if (k->status != 200 && !(k->status == 304 && k->conditional)) {
        code = error_set(&why, k->status == 404 ? ERR_NOT_FOUND : ERR_IO, "the hub answers %u",
                         k->status);
    }
    finish(k, code, &why);
}

static void on_failed(struct client_call *c, void *context, const struct error *why) {
    (void)c;
    finish(context, (int)why->code, why);
}

static int start(struct http_source *s, struct hub_request *q, const struct http_request *r,
                 struct bytes body, size_t limit, struct error *why) {
    static const struct client_events events = {
        .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};
    struct asking *k = calloc(1, sizeof *k);
    if (!k) return error_set(why, ERR_NO_MEMORY, "no memory for a request");
    k->source = s;
    k->request = q;
    buf_init(&k->body, limit);
    k->next = s->askings;
    s->askings = k;
    int code = client_start(&k->call, s->client, r, body, false, &events, k, why);
    if (code < 0) {
        k->request = NULL;
        asking_free(k);
        return code;
    }
    q->source = k;
    return 0;
}

static struct http_request get_of(struct bytes path) {
    return (struct http_request){
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = path, .body = HTTP_BODY_NONE};
}

static int configuration(struct hub_source *s, struct hub_request *q, struct error *why) {
    struct http_request r = get_of(BYTES_LIT("/api/l1-builder/v1/configuration"));
    return start(of(s), q, &r, (struct bytes){NULL, 0}, HUB_CONFIGURATION_BYTES_MAX, why);
}

// A list that is still the last one given is answered 304, which saves sending and reading it.
static int peers(struct hub_source *source, struct hub_request *q, struct error *why) {
    struct http_source *s = of(source);
    struct http_request r = get_of(buf_view(&s->list_path));
    struct bytes tag = bytes_from_str(q->has_last ? s->list_tag : "");
    struct arena a;
    arena_init(&a, 4096);
    int code = tag.n ? http_fields_add(&r.fields, &a, BYTES_LIT("if-none-match"), tag, why) : 0;
    if (code == 0) code = start(s, q, &r, (struct bytes){NULL, 0}, HUB_LIST_BYTES_MAX, why);
    arena_free(&a);
    if (code < 0) return code;
    struct asking *k = q->source;
    k->is_list = true;
    k->conditional = tag.n > 0;
    return 0;
}

void hub_registration_write(struct buf *out, const struct hub_registration *r) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    if (r->tls_cert.n) json_add_text(&w, "tls_cert", r->tls_cert);
    if (r->has_address) json_add_data(&w, "ecdsa_pubkey_address", BYTES_OF(r->address));
    if (r->region.n) json_add_text(&w, "region", r->region);
    json_end(&w);
}

static int enrol(struct hub_source *s, struct hub_request *q, const struct hub_registration *r,
                 struct error *why) {
    struct buf path, body;
    struct arena a;
    struct http_request request = {
        .method = HTTP_POST, .method_text = BYTES_LIT("POST"), .body = HTTP_BODY_LENGTH};
    arena_init(&a, 4096);
    buf_init(&path, URL_BYTES_MAX);
    buf_init(&body, 1u << 20);
    buf_append_str(&path, "/api/l1-builder/v1/register_credentials/");
    url_append_encoded(&path, bytes_from_str(r->service));
    hub_registration_write(&body, r);
    int code = buf_check(&path, why);
    if (code == 0) code = buf_check(&body, why);
    if (code == 0) {
        code = http_fields_add(&request.fields, &a, BYTES_LIT("content-type"),
                               BYTES_LIT("application/json"), why);
    }
    request.path = buf_view(&path);
    if (code == 0) code = start(of(s), q, &request, buf_view(&body), 64u << 10, why);
    buf_free(&path);
    buf_free(&body);
    arena_free(&a);
    return code;
}

static void cancel(struct hub_source *s, struct hub_request *q) {
    struct asking *k = q->source;
    (void)s;
    if (!k) return;
    call_cancel(k->call);
    asking_free(k);
}

static void release(struct hub_source *source) {
    struct http_source *s = of(source);
    while (s->askings) {
        struct asking *k = s->askings;
        call_cancel(k->call);
        asking_free(k);
    }
    client_free(s->client);
    buf_free(&s->list_path);
    free(s);
}

static int list_path(struct buf *out, const struct hub_http_options *o, struct error *why) {
    switch (o->list) {
    case HUB_LIST_NODE:
        buf_append_str(out, "/api/l1-builder/v1/builders");
        break;
    case HUB_LIST_INTERNAL:
        buf_append_str(out, "/api/internal/l1-builder/v1/builders");
        break;
    case HUB_LIST_NETWORK:
        if (!o->network || !*o->network) {
            return error_set(why, ERR_INVALID, "the list of a network needs its name");
        }
        buf_append_str(out, "/api/internal/l1-builder/v2/network/");
        url_append_encoded(out, bytes_from_str(o->network));
        buf_append_str(out, "/builders");
        break;
    }
    return buf_check(out, why);
}

int hub_source_http(struct hub_source **ret, struct loop *l, const struct hub_http_options *o,
                    struct error *why) {
    *ret = NULL;
    struct http_source *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for the hub's client");
    s->source = (struct hub_source){configuration, peers, enrol, cancel, release};
    buf_init(&s->list_path, URL_BYTES_MAX);
    struct client_options transport = o->transport;
    if (!transport.connections) transport.connections = 2;
    if (!transport.connect_ns) transport.connect_ns = HUB_CONNECT_NS;
    if (!transport.response_ns) transport.response_ns = HUB_RESPONSE_NS;
    transport.retry_any = true; // registering the same twice is harmless
    int r = list_path(&s->list_path, o, why);
    if (r == 0) r = client_new(&s->client, l, &transport, why);
    if (r < 0) {
        buf_free(&s->list_path);
        free(s);
        return r;
    }
    *ret = &s->source;
    return 0;
}
