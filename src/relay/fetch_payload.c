/* SPDX-License-Identifier: MIT */
#include "relay/fetch_payload.h"

#include "eth/ssz_json.h"
#include "net/url.h"
#include "relay/ask.h"

#include <stdlib.h>

#define FETCH_NS (2 * NS_PER_S)

struct get_payload {
    struct hash block_hash;
    uint64_t request_ms;
    struct bytes48 relay_pubkey;
};
struct signed_get_payload {
    struct get_payload message;
    struct bytes96 signature;
};

static const struct ssz_type uint64 = {.kind = SSZ_UINT64, .memory = 8};
static const struct ssz_type bytes32 = {.kind = SSZ_BYTES, .limit = 32, .memory = 32};
static const struct ssz_type bytes48 = {.kind = SSZ_BYTES, .limit = 48, .memory = 48};
static const struct ssz_type bytes96 = {.kind = SSZ_BYTES, .limit = 96, .memory = 96};
static const struct ssz_field message_fields[] = {
    {"block_hash", offsetof(struct get_payload, block_hash), &bytes32},
    {"request_ts", offsetof(struct get_payload, request_ms), &uint64},
    {"relay_public_key", offsetof(struct get_payload, relay_pubkey), &bytes48},
};
static const struct ssz_type message_type = {.kind = SSZ_CONTAINER,
                                             .memory = sizeof(struct get_payload),
                                             .name = "get_payload",
                                             .fields = message_fields,
                                             .field_count = 3};
static const struct ssz_field signed_fields[] = {
    {"message", offsetof(struct signed_get_payload, message), &message_type},
    {"signature", offsetof(struct signed_get_payload, signature), &bytes96},
};
static const struct ssz_type signed_type = {.kind = SSZ_CONTAINER,
                                            .memory = sizeof(struct signed_get_payload),
                                            .name = "signed_get_payload",
                                            .fields = signed_fields,
                                            .field_count = 2};

struct fetch {
    struct relay *relay;
    struct bid *bid, *full;
    struct network network;
    struct client *client;
    struct pool_task task;
    struct loop_task ending; /* the client is freed outside of its own callbacks */
    struct arena arena;
    struct buf request;
    struct submission_input input;
    payload_fetched *done;
    void *context;
    int status;
    struct error why;
};

static void end(struct loop_task *t) {
    struct fetch *f = (struct fetch *)((char *)t - offsetof(struct fetch, ending));
    bool own = f->why.code == ERR_BUSY || f->why.code == ERR_NO_MEMORY; // no fault of the builder's
    if (!f->full && !own) relay_demote(f->relay, f->bid, f->why.text);
    f->done(f->context, f->full, f->why.text);
    client_free(f->client);
    bid_release(f->bid);
    arena_free(&f->arena);
    buf_free(&f->request);
    free(f);
}

// On a worker: the answer must be what the header promised. The bid that stands beside it counts
// for nothing: the one that was signed and offered is what the builder is held to.
static void check_run(void *context) {
    struct fetch *f = context;
    struct submission s;
    f->status = submission_decode(&s, &f->input, &f->network, &f->arena, &f->why);
    s.request.message = f->bid->trace;
    s.request.signature = f->bid->signature;
    s.ssz = (struct bytes){NULL, 0}; // written again, with that bid
    if (f->status == 0) f->status = submission_complete(&s, &f->arena, &f->why);
    if (f->status == 0) {
        f->status = bid_make(&f->full, &s, &f->network, &f->relay->signer, &f->arena, &f->why);
    }
    if (f->status != 0) return;
    bool same = hash_equal(&f->full->header_root, &f->bid->header_root) &&
                hash_equal(&f->full->commitments_root, &f->bid->commitments_root) &&
                hash_equal(&f->full->requests_root, &f->bid->requests_root);
    if (same) return;
    bid_release(f->full);
    f->full = NULL;
    f->status = error_set(&f->why, ERR_INVALID, "the payload is not that of the header");
}

static void check_done(void *context) {
    struct fetch *f = context;
    if (f->full) {
        f->full->received_ns = f->bid->received_ns;
        f->full->optimistic = true;
    }
    loop_defer(f->relay->loop, &f->ending);
}

static void on_answer(void *context, const struct ask_answer *answer, const struct error *failed) {
    struct fetch *f = context;
    int r = answer ? 0 : (int)failed->code;
    if (!answer) {
        f->why = *failed;
    } else if (answer->status != 200) {
        r = error_set(&f->why, ERR_INVALID, "the builder answered %u", answer->status);
    } else {
        f->input.body = arena_copy(&f->arena, answer->body);
        f->input.ssz = bytes_starts_with(answer->content_type, BYTES_LIT("application/octet"));
        f->input.version = bytes_from_str(consensus_fork_name(f->bid->fork));
        f->task = (struct pool_task){
            .run = check_run, .done = check_done, .context = f, .home = &f->relay->mailbox};
        if (!relay_run(f->relay, &f->task)) {
            r = error_set(&f->why, ERR_BUSY, "the workers are busy");
        }
    }
    if (r != 0) loop_defer(f->relay->loop, &f->ending);
}

static int write_request(struct fetch *f, struct error *why) {
    struct relay *r = f->relay;
    struct signed_get_payload q = {.message = {.block_hash = f->bid->trace.block_hash,
                                               .request_ms = relay_now(r) / NS_PER_MS,
                                               .relay_pubkey = r->signer.pubkey}};
    struct hash root;
    int code = ssz_root(&root, &message_type, &q.message, &f->arena, why);
    if (code != 0) return code;
    root = ssz_signing_root(&root, &f->network.builder_domain);
    bls_sign(&q.signature, &r->signer.key, BYTES_OF(root));
    ssz_json_encode(&f->request, &signed_type, &q);
    return buf_check(&f->request, why);
}

static int ask(struct fetch *f, struct error *why) {
    struct url url;
    int r = url_parse(&url, bytes_from_str((const char *)f->bid->url.p), why);
    if (r != 0) return r;
    if (url.scheme != URL_HTTP && url.scheme != URL_HTTPS) { // a builder's word
        return error_set(why, ERR_UNSUPPORTED, "the payload's url is neither http nor https");
    }
    char origin[URL_BYTES_MAX];
    r = url_origin(origin, sizeof origin, &url, why);
    if (r != 0) return r;
    const struct client_options o = {.url = origin,
                                     .tls = f->relay->tls,
                                     .names = f->relay->names,
                                     .connections = 1,
                                     .connect_ns = NS_PER_S};
    r = client_new(&f->client, f->relay->loop, &o, why);
    if (r != 0) return r;
    const struct ask_request q = {.method = HTTP_POST,
                                  .path = url.target,
                                  .content_type = "application/json",
                                  .accept = "application/octet-stream, application/json;q=0.9",
                                  .version = consensus_fork_name(f->bid->fork),
                                  .body = buf_view(&f->request),
                                  .timeout_ns = FETCH_NS,
                                  .limit_bytes = SUBMISSION_BYTES_MAX};
    return ask_start(NULL, f->client, &q, on_answer, f, why);
}

int fetch_payload(struct relay *r, struct bid *bid, payload_fetched *done, void *context,
                  struct error *why) {
    struct fetch *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory to fetch a payload");
    f->relay = r;
    f->network = r->network;
    f->bid = bid_hold(bid);
    f->done = done;
    f->context = context;
    f->ending.run = end;
    arena_init(&f->arena, SUBMISSION_ARENA_MAX);
    int code = write_request(f, why);
    if (code == 0) code = ask(f, why);
    if (code == 0) return 0;
    client_free(f->client);
    bid_release(f->bid);
    arena_free(&f->arena);
    buf_free(&f->request);
    free(f);
    return code;
}
