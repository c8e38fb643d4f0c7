/* SPDX-License-Identifier: MIT */
#include "relay/submission.h"

#include "eth/ssz_json.h"

#include <string.h>

#define JSON_VALUES_PER_BODY (4u << 20)

static int decompress(struct bytes *ret, const struct submission_input *in, struct arena *a,
                      struct error *why) {
    *ret = in->body;
    if (in->coding == CODING_IDENTITY) {
        if (in->body.n > SUBMISSION_BYTES_MAX) return error_set(why, ERR_LIMIT, "body too large");
        return 0;
    }
    struct buf out;
    buf_init(&out, SUBMISSION_BYTES_MAX);
    int r = coding_decode(&out, in->body, in->coding, SUBMISSION_BYTES_MAX, why);
    if (r == 0) {
        *ret = arena_copy(a, buf_view(&out));
        if (out.n && !ret->p) r = error_set(why, ERR_NO_MEMORY, "no memory for the body");
    }
    buf_free(&out);
    return r;
}

// The fork that the builder names, or else the slot's.
static int find_fork(struct submission *s, const struct submission_input *in, uint64_t slot,
                     const struct network *n, struct error *why) {
    int fork = in->version.n ? consensus_fork_parse(in->version) : network_fork_at(n, slot);
    if (fork < 0) {
        return in->version.n ? error_set(why, ERR_INVALID, "unknown consensus version")
                             : error_set(why, ERR_INVALID, "no fork with payloads at slot %llu",
                                         (unsigned long long)slot);
    }
    s->fork = (enum consensus_fork)fork;
    s->types = network_types_of(n, s->fork);
    return s->types ? 0 : error_set(why, ERR_INVALID, "fork unknown on this network");
}

static int decode_json(struct submission *s, struct bytes body, const struct submission_input *in,
                       const struct network *n, struct arena *a, struct error *why) {
    const struct json_limits limits = {SUBMISSION_BYTES_MAX, 16, JSON_VALUES_PER_BODY, false};
    const struct json *doc;
    uint64_t slot = 0;
    int r = json_parse(&doc, body, a, &limits, why);
    if (r == 0) r = json_get_decimal(&slot, json_get(doc, "message"), "slot", why);
    if (r == 0) r = find_fork(s, in, slot, n, why);
    if (r == 0) r = ssz_json_decode(&s->request, s->types->submit_request, doc, a, why);
    return r;
}

static int decode_ssz(struct submission *s, struct bytes body, const struct submission_input *in,
                      const struct network *n, struct arena *a, struct error *why) {
    if (body.n < 8) return error_set(why, ERR_SYNTAX, "the body is cut off");
    int r = find_fork(s, in, load_le64(body.p), n, why);
    if (r == 0) r = ssz_decode(&s->request, s->types->submit_request, body, a, why);
    s->ssz = body;
    return r;
}

// What follows from the payload without hashing its transactions.
static int describe(struct submission *s, struct arena *a, struct error *why) {
    const struct execution_payload *p = &s->request.execution_payload;
    struct execution_payload light = *p;
    light.transactions.count = 0;
    int r = payload_header_of_types(&s->header, &light, s->types, a, why);
    s->num_txs = p->transactions.count;
    s->num_blobs = s->types->blobs_bundle ? s->request.blobs_bundle.blobs.count : 0;
    s->commitments.items = s->request.blobs_bundle.commitments.items;
    s->commitments.count = s->types->blobs_bundle ? s->request.blobs_bundle.commitments.count : 0;
    return r;
}

int submission_decode(struct submission *ret, const struct submission_input *in,
                      const struct network *n, struct arena *a, struct error *why) {
    memset(ret, 0, sizeof *ret);
    struct bytes body;
    int r = decompress(&body, in, a, why);
    if (r == 0) {
        r = in->ssz ? decode_ssz(ret, body, in, n, a, why) : decode_json(ret, body, in, n, a, why);
    }
    return r == 0 ? describe(ret, a, why) : r;
}

int submission_complete(struct submission *s, struct arena *a, struct error *why) {
    if (s->header_only) return 0;
    int r = ssz_root(&s->header.transactions_root, &ssz_transactions,
                     &s->request.execution_payload.transactions, a, why);
    if (r != 0 || s->ssz.n) return r;
    size_t n = ssz_size(s->types->submit_request, &s->request);
    struct buf out;
    buf_init(&out, 0);
    ssz_encode(&out, s->types->submit_request, &s->request);
    r = buf_check(&out, why);
    if (r == 0) {
        s->ssz = arena_copy(a, buf_view(&out));
        if (!s->ssz.p || s->ssz.n != n) r = error_set(why, ERR_NO_MEMORY, "no memory for SSZ");
    }
    buf_free(&out);
    return r;
}

int submission_reload(struct submission *ret, struct bytes ssz, enum consensus_fork fork,
                      const struct network *n, struct arena *a, struct error *why) {
    const struct submission_input in = {
        .body = ssz, .ssz = true, .version = bytes_from_str(consensus_fork_name(fork))};
    int r = submission_decode(ret, &in, n, a, why);
    return r == 0 ? submission_complete(ret, a, why) : r;
}
