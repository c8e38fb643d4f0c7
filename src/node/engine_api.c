/* newPayload and forkchoiceUpdated. SPDX-License-Identifier: MIT */
#include "node/engine_api.h"

#include "chain/engine_versions.h"
#include "chain/head.h"
#include "chain/new_payload.h"
#include "node/payload.h"

#include <stdio.h>

#define WITHDRAWALS_MAX 1024u /* of one payload; consensus layers have 16 */

static const struct bytes none = {NULL, 0};

unsigned engine_version_of(const struct node_call *c) {
    return c->method.n ? (unsigned)(c->method.p[c->method.n - 1] - '0') : 0;
}

enum fork engine_fork_at(const struct node *n, uint64_t number, uint64_t timestamp) {
    return chain_fork_at(n->config, number, timestamp, true);
}

static int unsupported_fork(struct node_call *c, enum fork f, struct error *why) {
    return node_fail(c, why, ENGINE_UNSUPPORTED_FORK, none, "Unsupported fork: %s", fork_name(f));
}

static void set_status(struct engine_payload_status *s, enum engine_status status,
                       const struct hash *latest_valid, const char *text) {
    *s = (struct engine_payload_status){.status = status};
    if (latest_valid && !hash_is_zero(latest_valid)) {
        s->has_latest_valid = true;
        s->latest_valid = *latest_valid;
    }
    if (text) s->error = bytes_from_str(text);
}

// newPayload

int engine_import(struct node *n, struct engine_payload_status *ret, char *text,
                  const struct block *block, struct error *why) {
    struct head_verdict verdict;
    int r = head_import_block(n->head, &verdict, block, why);
    if (r != 0) return r;
    new_payload_status(ret, &verdict);
    if (verdict.status != HEAD_INVALID) return 0;
    (void)snprintf(text, ERROR_TEXT_MAX, "%s", verdict.reason.text);
    ret->error = bytes_from_str(text);
    log_warn(n->log, "payload_invalid", F_HEX("hash", BYTES_OF(verdict.hash)),
             F_ERR(&verdict.reason));
    return 0;
}

static int new_payload(struct node_call *c, struct error *why) {
    const struct json *params[NEW_PAYLOAD_PARAMS];
    struct new_payload q;
    char text[ERROR_TEXT_MAX];
    int code;
    for (unsigned i = 0; i < NEW_PAYLOAD_PARAMS; i++) {
        params[i] = node_param(c, i);
    }
    int r = new_payload_read(&q, &code, c->node->config, engine_version_of(c), params, c->a, why);
    if (r != 0 && code != 0) {
        struct error own = *why;
        return node_fail(c, why, code, none, "%s", own.text);
    }
    if (r == 0 && q.is_block) r = engine_import(c->node, &q.status, text, &q.block, why);
    if (r == 0) engine_payload_status_encode(c->result, NULL, &q.status);
    return r;
}

// forkchoiceUpdated

static void answer_forkchoice(struct node_call *c, const struct engine_payload_status *status,
                              const struct engine_payload_id *id) {
    json_begin_object(c->result, NULL);
    engine_payload_status_encode(c->result, "payloadStatus", status);
    if (id) {
        json_add_data(c->result, "payloadId", BYTES_OF(*id));
    } else {
        json_add_null(c->result, "payloadId");
    }
    json_end(c->result);
}

// What comes out before the head may move: true when the answer is known.
static bool answer_early(struct node_call *c, const struct engine_forkchoice *f,
                         const struct head_block **ret_block) {
    struct engine_payload_status status;
    struct hash latest_valid;
    if (head_reject_of(c->node->head, &f->head, &latest_valid)) {
        set_status(&status, ENGINE_INVALID, &latest_valid, "links to a block that is invalid");
        answer_forkchoice(c, &status, NULL);
        return true;
    }
    if (head_block_by_hash(c->node->head, ret_block, &f->head, NULL) != 0) {
        set_status(&status, ENGINE_SYNCING, NULL, NULL);
        answer_forkchoice(c, &status, NULL);
        return true;
    }
    return false;
}

static const struct hash *given(const struct hash *h) {
    return hash_is_zero(h) ? NULL : h;
}

static int set_head(struct node_call *c, const struct engine_forkchoice *f, struct error *why) {
    int r = head_set(c->node->head, &f->head, given(&f->safe), given(&f->finalized), why);
    if (r == ERR_NOT_FOUND || r == ERR_CONFLICT) {
        return node_fail(c, why, ENGINE_INVALID_FORKCHOICE, none, "Invalid forkchoice state");
    }
    if (r == ERR_STALE) {
        return node_fail(c, why, ENGINE_TOO_DEEP_REORG, none, "Too deep reorg");
    }
    return r;
}

// A structure that the method does not take: V3 says -38003, the methods before it -32602.
static int wrong_structure(struct node_call *c, unsigned version, const char *text,
                           struct error *why) {
    return node_fail(c, why, version >= 3 ? ENGINE_INVALID_ATTRIBUTES : JSONRPC_INVALID_PARAMS,
                     none, "Invalid payload attributes: %s", text);
}

static int check_structure(struct node_call *c, const struct engine_attributes *v, enum fork f,
                           unsigned version, struct error *why) {
    bool withdrawals = version >= 3 || (version == 2 && f >= FORK_SHANGHAI);
    if (v->has_rollup) {
        return node_fail(c, why, ENGINE_INVALID_ATTRIBUTES, none,
                         "Invalid payload attributes: members of a rollup");
    }
    if (version == 2 && v->has_beacon_root) { // first, as the Engine API's tests have it
        return node_fail(c, why, ENGINE_INVALID_ATTRIBUTES, none,
                         "Invalid payload attributes: parentBeaconBlockRoot is of V3");
    }
    if (version == 2 && f >= FORK_CANCUN) return unsupported_fork(c, f, why);
    if (v->has_withdrawals != withdrawals || v->has_beacon_root != (version >= 3)) {
        return wrong_structure(c, version, "not of the structure that this method takes", why);
    }
    if (!engine_range_has(engine_forkchoice_range(version), f)) {
        return unsupported_fork(c, f, why);
    }
    return 0;
}

static int check_attributes(struct node_call *c, const struct engine_attributes *v,
                            const struct head_block *head, unsigned version, struct error *why) {
    enum fork f = engine_fork_at(c->node, head->block.header.number + 1, v->timestamp);
    int r = check_structure(c, v, f, version, why);
    if (r != 0) return r;
    if (v->withdrawal_count > WITHDRAWALS_MAX) {
        return node_fail(c, why, ENGINE_INVALID_ATTRIBUTES, none,
                         "Invalid payload attributes: %zu withdrawals, at most %u",
                         v->withdrawal_count, WITHDRAWALS_MAX);
    }
    if (v->timestamp <= head->block.header.timestamp) {
        return node_fail(c, why, ENGINE_INVALID_ATTRIBUTES, none,
                         "Invalid payload attributes: timestamp %llu is not after the head's %llu",
                         (unsigned long long)v->timestamp,
                         (unsigned long long)head->block.header.timestamp);
    }
    return 0;
}

static int start_payload(struct node_call *c, const struct json *in, const struct head_block *head,
                         struct engine_payload_id *ret, struct error *why) {
    unsigned version = engine_version_of(c);
    struct engine_attributes v;
    int r = engine_attributes_decode(&v, in, c->a, why);
    if (r != 0) {
        struct error own = *why;
        return wrong_structure(c, version, own.text, why);
    }
    r = check_attributes(c, &v, head, version, why);
    if (r == 0) r = engine_payload_id_of(ret, &head->hash, &v, (uint8_t)version, why);
    return r == 0 ? payloads_start(c->node->payloads, ret, &head->hash, &v, why) : r;
}

// An ancestor of the head that is named again changes nothing, and no payload is begun on it.
static bool is_behind(struct node *n, const struct head_block *b) {
    const struct head_block *latest = head_latest(n->head);
    bool behind =
        b->block.header.number < latest->block.header.number && head_is_canonical(n->head, b);
    head_block_release(latest);
    return behind;
}

static int forkchoice_updated(struct node_call *c, struct error *why) {
    struct engine_forkchoice f;
    struct engine_payload_status status;
    struct engine_payload_id id;
    const struct head_block *head = NULL;
    const struct json *attributes = node_param(c, 1);
    int r = engine_forkchoice_decode(&f, node_param(c, 0), why);
    if (r == 0 && attributes) r = json_expect(attributes, JSON_OBJECT, why);
    if (r != 0) return node_bad_params(c, why);
    if (answer_early(c, &f, &head)) return 0;
    set_status(&status, ENGINE_VALID, &f.head, NULL);
    if (is_behind(c->node, head)) {
        head_block_release(head);
        answer_forkchoice(c, &status, NULL);
        return 0;
    }
    r = set_head(c, &f, why);
    // Attributes that are refused leave the head where it is now.
    if (r == 0 && attributes) r = start_payload(c, attributes, head, &id, why);
    head_block_release(head);
    if (r == 0) answer_forkchoice(c, &status, attributes ? &id : NULL);
    return r;
}

// The table

#define ORDERED (NODE_ENGINE | NODE_ORDERED)
static const struct node_method methods[] = {
    {"engine_newPayloadV1", new_payload, ORDERED},
    {"engine_newPayloadV2", new_payload, ORDERED},
    {"engine_newPayloadV3", new_payload, ORDERED},
    {"engine_newPayloadV4", new_payload, ORDERED},
    {"engine_forkchoiceUpdatedV1", forkchoice_updated, ORDERED},
    {"engine_forkchoiceUpdatedV2", forkchoice_updated, ORDERED},
    {"engine_forkchoiceUpdatedV3", forkchoice_updated, ORDERED},
    {"engine_getPayloadV1", engine_get_payload, NODE_ENGINE},
    {"engine_getPayloadV2", engine_get_payload, NODE_ENGINE},
    {"engine_getPayloadV3", engine_get_payload, NODE_ENGINE},
    {"engine_getPayloadV4", engine_get_payload, NODE_ENGINE},
    {"engine_getPayloadV5", engine_get_payload, NODE_ENGINE},
    {"engine_getPayloadBodiesByHashV1", engine_bodies_by_hash, NODE_ENGINE},
    {"engine_getPayloadBodiesByRangeV1", engine_bodies_by_range, NODE_ENGINE},
    {"engine_getBlobsV1", engine_get_blobs, NODE_ENGINE},
    {"engine_getBlobsV2", engine_get_blobs, NODE_ENGINE},
    {"engine_getBlobsV3", engine_get_blobs, NODE_ENGINE},
    {"engine_getClientVersionV1", engine_client_version, NODE_ENGINE | NODE_QUICK},
    {"engine_exchangeTransitionConfigurationV1", engine_transition, NODE_ENGINE | NODE_QUICK},
    {"engine_exchangeCapabilities", engine_capabilities, NODE_ENGINE | NODE_QUICK},
};

#define METHODS (sizeof methods / sizeof methods[0])

int engine_capabilities(struct node_call *c, struct error *why) {
    int r = json_expect(node_param(c, 0), JSON_ARRAY, why);
    if (r != 0) return node_bad_params(c, why);
    json_begin_array(c->result, NULL);
    for (size_t i = 0; i + 1 < METHODS; i++) { // not itself, as the specification says
        json_add_str(c->result, NULL, methods[i].name);
    }
    json_end(c->result);
    return 0;
}

int engine_api_open(struct node *n, struct error *why) {
    return node_add_methods(n, methods, METHODS, NULL, why);
}
