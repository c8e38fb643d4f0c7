/* Values of the Engine API's examples, and messages of the builder API: read, written, and the same
 * again. SPDX-License-Identifier: MIT */
#include "chain/engine.h"
#include "crypto/bls.h"
#include "eth/blinded_block.h"
#include "eth/ssz_json.h"
#include "test/conformance/l2.h"

#include <stdio.h>
#include <string.h>

static const char *const not_ours[] = {"withdrawalsRoot", "blockAccessList", "slotNumber",
                                       "targetGasLimit", NULL};

static const struct json *written(struct l2_file *f, struct buf *out) {
    struct bytes kept = arena_copy(f->a, buf_view(out));
    buf_free(out);
    return l2_parse(f, kept);
}

static bool is_payload(const struct json *v) {
    return json_get(v, "blockHash") && json_get(v, "receiptsRoot") && json_get(v, "prevRandao");
}

static void run_payload(struct l2_file *f, const char *name, const struct json *in) {
    struct execution_payload p;
    unsigned parts;
    struct error why;
    struct buf out;
    struct json_writer w;
    int r = engine_payload_decode(&p, &parts, in, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    engine_payload_encode(&w, NULL, &p, parts);
    if (l2_same(f, name, in, written(f, &out), not_ours)) tally_pass(f->t, name);
}

static void run_attributes(struct l2_file *f, const char *name, const struct json *in) {
    struct engine_attributes v;
    struct error why;
    struct buf out;
    struct json_writer w;
    int r = engine_attributes_decode(&v, in, f->a, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    engine_attributes_encode(&w, NULL, &v);
    if (l2_same(f, name, in, written(f, &out), not_ours)) tally_pass(f->t, name);
}

static void run_status(struct l2_file *f, const char *name, const struct json *in) {
    struct engine_payload_status s;
    struct error why;
    struct buf out;
    struct json_writer w;
    int r = engine_payload_status_decode(&s, in, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    engine_payload_status_encode(&w, NULL, &s);
    if (l2_same(f, name, in, written(f, &out), NULL)) tally_pass(f->t, name);
}

// Every value within a document whose kind is known by its members.
static void run_values(struct l2_file *f, const char *name, const struct json *in) {
    if (is_payload(in)) {
        run_payload(f, name, in);
    } else if (json_get(in, "suggestedFeeRecipient")) {
        run_attributes(f, name, in);
    } else if (json_get(in, "status") && json_get(in, "latestValidHash")) {
        run_status(f, name, in);
    } else if (json_type_of(in) == JSON_ARRAY) {
        json_each(item, in) {
            run_values(f, name, item);
        }
    } else {
        json_members(key, value, in) {
            run_values(f, name, value);
        }
    }
}

bool l2_run_examples(struct l2_file *f) {
    const struct json *first = json_at(f->root, 0);
    if (!json_get(first, "method") || !json_get(first, "params")) return false;
    json_each(test, f->root) {
        const char *name = arena_str(f->a, json_text(json_get(test, "method")));
        run_values(f, name, json_get(test, "params"));
        run_values(f, name, json_get(test, "result"));
    }
    return true;
}

/* Payloads and attributes of the OP Stack on their own. One whose blob members are missing reads as
 * a payload of an earlier version, which the methods of a later fork refuse. */
bool l2_run_rollup_values(struct l2_file *f) {
    struct execution_payload p;
    unsigned parts;
    if (is_payload(f->root) && strstr(f->path, "faulty")) {
        bool refused = engine_payload_decode(&p, &parts, f->root, f->a, NULL) != 0 ||
                       !(parts & ENGINE_BLOB_GAS);
        if (refused) tally_pass(f->t, "faulty payload");
        if (!refused) tally_fail(f->t, "faulty payload", "it passes as one of V3");
        return true;
    }
    bool known = is_payload(f->root) || json_get(f->root, "suggestedFeeRecipient") ||
                 json_get(f->root, "executionPayload");
    if (known) run_values(f, "value", f->root);
    return known;
}

// Builder API: containers of one fork and preset, JSON to value, SSZ and back

static void run_container(struct l2_file *f, const char *name, const struct ssz_type *type,
                          const struct json *in) {
    void *value = type ? arena_alloc(f->a, type->memory) : NULL;
    void *again = type ? arena_alloc(f->a, type->memory) : NULL;
    struct error why = {.text = "the fork has none of the kind"};
    struct hash a = {{0}}, b = {{0}};
    struct buf ssz, text;
    buf_init(&ssz, 0);
    buf_init(&text, 0);
    int r = value && again ? ssz_json_decode(value, type, in, f->a, &why) : ERR_NOT_FOUND;
    if (r == 0) {
        ssz_encode(&ssz, type, value);
        r = ssz_decode(again, type, buf_view(&ssz), f->a, &why);
    }
    if (r == 0) r = ssz_root(&a, type, value, f->a, &why);
    if (r == 0) r = ssz_root(&b, type, again, f->a, &why);
    if (r == 0 && !hash_equal(&a, &b)) r = error_set(&why, ERR_INVALID, "the roots differ");
    if (r == 0) {
        ssz_json_encode(&text, type, again);
        if (l2_same(f, name, in, l2_parse(f, arena_copy(f->a, buf_view(&text))), NULL)) {
            tally_pass(f->t, name);
        }
    } else {
        tally_fail(f->t, name, "%s", why.text);
    }
    buf_free(&ssz);
    buf_free(&text);
}

// All by keys of validators; the network's genesis version is not in the messages: that of devnets.
static void run_registrations(struct l2_file *f) {
    static const uint8_t versions[][4] = {{0, 0, 0, 1}, {0, 0, 0, 0}, {0x20, 0, 0, 0x89}};
    run_container(f, "registrations", &ssz_signed_validator_registrations, f->root);
    json_each(in, f->root) {
        struct signed_validator_registration r;
        struct bls_public_key key;
        struct hash root;
        struct error why = {.text = "the signature holds on no network that is known here"};
        bool good = false;
        int code = ssz_json_decode(&r, &ssz_signed_validator_registration, in, f->a, &why);
        if (code == 0) code = ssz_root(&root, &ssz_validator_registration, &r.message, f->a, &why);
        if (code == 0) code = bls_public_key_parse(&key, &r.message.pubkey, &why);
        for (size_t i = 0; i < sizeof versions / sizeof *versions && code == 0 && !good; i++) {
            struct hash domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, versions[i], NULL);
            struct hash signing = ssz_signing_root(&root, &domain);
            good = bls_verify(&key, BYTES_OF(signing), &r.signature, NULL) == 0;
        }
        if (good) {
            tally_pass(f->t, "registration's signature");
        } else {
            tally_fail(f->t, "registration's signature", "%s", why.text);
        }
    }
}

bool l2_run_builder_api(struct l2_file *f) {
    const struct json *first = json_at(f->root, 0), *data = json_get(f->root, "data");
    struct bytes version = json_text(json_get(f->root, "version"));
    int fork = consensus_fork_parse(version);
    const struct json *block = json_get(f->root, "message");
    if (json_get(json_get(first, "message"), "fee_recipient")) {
        run_registrations(f);
        return true;
    }
    if (json_get(block, "body")) { // a blinded block, whose fork its members tell
        const struct json *body = json_get(block, "body");
        enum consensus_fork of = json_get(body, "execution_requests")     ? CONSENSUS_ELECTRA
                                 : json_get(body, "blob_kzg_commitments") ? CONSENSUS_DENEB
                                                                          : CONSENSUS_CAPELLA;
        bool minimal =
            json_text(json_get(json_get(body, "sync_aggregate"), "sync_committee_bits")).n <
            2 + 128;
        const struct consensus_types *types =
            consensus_types_of_preset(minimal ? CONSENSUS_MINIMAL : CONSENSUS_MAINNET, of);
        run_container(f, "blinded block", types ? types->signed_blinded_block : NULL, f->root);
        return true;
    }
    if (fork < 0 || !data) return false;
    const struct consensus_types *types = consensus_types_of((enum consensus_fork)fork);
    if (json_get(json_get(data, "message"), "header")) {
        run_container(f, "bid", types->signed_builder_bid, data);
    } else {
        bool both = json_get(data, "execution_payload") != NULL;
        run_container(f, "payload", both ? types->payload_and_blobs : types->payload, data);
    }
    return true;
}
