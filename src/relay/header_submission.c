/* The header that a builder sends in place of a block ("optimistic v3"), in SSZ:
 *
 *     0 offset of url | 4 tx_count u32 | 8 offset of submission
 *     submission: 0 offset of message | 4 signature[96]
 *     message:    0 bid trace[236] | 236 offset of the header | 240 of the execution requests
 *                 | 244 of the commitments | 248 of the adjustment data, when the relay asks for it
 *
 * The signature is the builder's over the bid trace, as in a whole submission.
 * SPDX-License-Identifier: MIT */
#include "relay/submission.h"

#include <string.h>

#define OUTER_FIXED 12u
#define SIGNED_FIXED 100u
#define TRACE_BYTES 236u
#define MESSAGE_FIXED 248u
#define MESSAGE_FIXED_ADJUSTABLE 252u
#define PARTS_MAX 4u

// Cuts a container's variable part at its offsets, the first of which ends the fixed part.
static int cut(struct bytes *ret, size_t count, struct bytes in, const uint32_t *at,
               struct error *why) {
    for (size_t i = 0; i < count; i++) {
        uint32_t from = load_le32(in.p + at[i]);
        uint32_t to = i + 1 < count ? load_le32(in.p + at[i + 1]) : (uint32_t)in.n;
        if (from > to || to > in.n) return error_set_at(why, ERR_SYNTAX, at[i], "bad offset");
        ret[i] = bytes_make(in.p + from, to - from);
    }
    return 0;
}

static int decode_message(struct submission *s, struct bytes in, struct arena *a,
                          struct error *why) {
    static const uint32_t at[PARTS_MAX] = {236, 240, 244, 248};
    struct bytes part[PARTS_MAX] = {{NULL, 0}};
    if (in.n < MESSAGE_FIXED) return error_set(why, ERR_SYNTAX, "the message is cut off");
    uint32_t fixed = load_le32(in.p + at[0]);
    bool adjustable = fixed == MESSAGE_FIXED_ADJUSTABLE && in.n >= MESSAGE_FIXED_ADJUSTABLE;
    if (fixed != MESSAGE_FIXED && !adjustable) {
        return error_set(why, ERR_SYNTAX, "the message's fixed part is %u bytes", fixed);
    }
    int r = cut(part, adjustable ? 4 : 3, in, at, why);
    if (r == 0) {
        r = ssz_decode(&s->request.message, &ssz_bid_trace, bytes_make(in.p, TRACE_BYTES), a, why);
    }
    if (r == 0) r = ssz_decode(&s->header, s->types->payload_header, part[0], a, why);
    if (r == 0) {
        r = ssz_decode(&s->request.execution_requests, &ssz_execution_requests, part[1], a, why);
    }
    return r == 0 ? ssz_decode(&s->commitments, &ssz_commitments, part[2], a, why) : r;
}

// Where the message stands, so that the slot can be looked at before the fork is known.
static int find_parts(struct bytes *ret_url, uint32_t *ret_txs, struct bytes *ret_message,
                      struct bytes96 *ret_signature, struct bytes in, struct error *why) {
    static const uint32_t outer_at[2] = {0, 8}, signed_at[1] = {0};
    struct bytes part[2] = {{NULL, 0}};
    if (in.n < OUTER_FIXED || load_le32(in.p) != OUTER_FIXED) {
        return error_set(why, ERR_SYNTAX, "not a header submission");
    }
    int r = cut(part, 2, in, outer_at, why);
    if (r != 0) return r;
    if (part[0].n == 0 || part[0].n > SUBMISSION_URL_MAX) {
        return error_set(why, ERR_LIMIT, "the url has no or too many bytes");
    }
    if (part[1].n < SIGNED_FIXED || load_le32(part[1].p) != SIGNED_FIXED) {
        return error_set(why, ERR_SYNTAX, "not a signed header submission");
    }
    *ret_url = part[0];
    *ret_txs = load_le32(in.p + 4);
    memcpy(ret_signature->b, part[1].p + 4, sizeof ret_signature->b);
    return cut(ret_message, 1, part[1], signed_at, why);
}

int submission_decode_header(struct submission *ret, const struct submission_input *in,
                             const struct network *n, struct arena *a, struct error *why) {
    memset(ret, 0, sizeof *ret);
    ret->header_only = true;
    struct bytes message;
    uint32_t txs = 0;
    if (!in->ssz) return error_set(why, ERR_UNSUPPORTED, "header submissions are SSZ");
    if (in->coding != CODING_IDENTITY) {
        return error_set(why, ERR_UNSUPPORTED, "header submissions are not compressed");
    }
    int r = find_parts(&ret->url, &txs, &message, &ret->request.signature, in->body, why);
    if (r != 0) return r;
    if (message.n < MESSAGE_FIXED) return error_set(why, ERR_SYNTAX, "the message is cut off");
    ret->num_txs = txs;
    ret->ssz = in->body;
    int fork = in->version.n ? consensus_fork_parse(in->version)
                             : network_fork_at(n, load_le64(message.p));
    if (fork < CONSENSUS_ELECTRA) {
        return error_set(why, ERR_INVALID, "header submissions begin with electra");
    }
    ret->fork = (enum consensus_fork)fork;
    ret->types = network_types_of(n, ret->fork);
    if (!ret->types) return error_set(why, ERR_INVALID, "fork unknown on this network");
    r = decode_message(ret, message, a, why);
    if (r == 0) ret->num_blobs = ret->commitments.count;
    return r;
}
