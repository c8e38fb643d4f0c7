/* Relay and builder API messages: JSON, and where the same content is given as SSZ, both ways.
 * SPDX-License-Identifier: MIT */
#include "crypto/bls.h"
#include "eth/containers.h"
#include "eth/ssz_json.h"
#include "test/conformance/evm.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Genesis fork versions of the networks whose messages are published. A message names none. */
static const struct {
    const char *name;
    uint8_t version[4];
} networks[] = {
    {"mainnet", {0, 0, 0, 0}},        {"goerli", {0, 0, 0x10, 0x20}},
    {"sepolia", {0x90, 0, 0, 0x69}},  {"holesky", {0x01, 0x01, 0x70, 0}},
    {"hoodi", {0x10, 0, 0x09, 0x10}}, {"playground", {0x20, 0, 0, 0x89}},
    {"kiln", {0x70, 0, 0, 0x69}},     {"kurtosis", {0x10, 0, 0, 0x38}},
    {"minimal", {0, 0, 0, 0x01}},
};

/* A message on its way: its type and value, and what is signed in it. */
struct message {
    const struct ssz_type *type;
    void *value;
    const struct ssz_type *signed_type; /* of what is signed; NULL for no check */
    const void *signed_value;
    const struct bytes48 *pubkey;
    const struct bytes96 *signature;
};

static int fork_in_path(const struct evm_file *f) {
    for (int fork = CONSENSUS_FORK_COUNT - 1; fork >= 0; fork--) {
        if (evm_path_contains(f, consensus_fork_name((enum consensus_fork)fork))) return fork;
    }
    return -1;
}

/* The fork of a submission, from the members that it has. */
static int fork_of_submission(const struct json *v) {
    const struct json *bundle = json_get(v, "blobs_bundle");
    if (json_get(v, "execution_requests")) {
        size_t blobs = json_count(json_get(bundle, "blobs"));
        return blobs > 0 && json_count(json_get(bundle, "proofs")) == CELLS_PER_BLOB * blobs
                   ? CONSENSUS_FULU
                   : CONSENSUS_ELECTRA;
    }
    if (bundle) return CONSENSUS_DENEB;
    return json_get(json_get(v, "execution_payload"), "withdrawals") ? CONSENSUS_CAPELLA
                                                                     : CONSENSUS_BELLATRIX;
}

static void set_submission(struct message *m, int fork, struct submit_block_request *r) {
    *m = (struct message){consensus_types_of((enum consensus_fork)fork)->submit_request,
                          r,
                          &ssz_bid_trace,
                          &r->message,
                          &r->message.builder_pubkey,
                          &r->signature};
}

static void set_bid(struct message *m, int fork, struct signed_builder_bid *b) {
    const struct consensus_types *types = consensus_types_of((enum consensus_fork)fork);
    *m = (struct message){types->signed_builder_bid, b,
                          types->builder_bid,        &b->message,
                          &b->message.pubkey,        &b->signature};
}

/* 0 when the signature holds on one of the networks. */
static int check_signature(const struct evm_file *f, const struct message *m, struct error *why) {
    struct hash root;
    struct bls_public_key key;
    int r = ssz_root(&root, m->signed_type, m->signed_value, f->a, why);
    if (r == 0) r = bls_public_key_parse(&key, m->pubkey, why);
    if (r != 0) return r;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct hash domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, networks[i].version, NULL);
        struct hash signing = ssz_signing_root(&root, &domain);
        if (bls_verify(&key, BYTES_OF(signing), m->signature, why) == 0) return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "holds on no network that is known here");
}

/* Decodes what was encoded as SSZ into a fresh value, and encodes that: the same bytes and root. */
static int check_again(const struct evm_file *f, const struct message *m, const struct buf *ssz,
                       struct error *why) {
    void *value = arena_alloc(f->a, m->type->memory);
    if (!value) return error_set(why, ERR_NO_MEMORY, "no memory");
    struct hash a = {{0}}, b = {{0}};
    struct buf again;
    buf_init(&again, 0);
    int r = ssz_decode(value, m->type, buf_view(ssz), f->a, why);
    if (r == 0) r = ssz_root(&a, m->type, m->value, f->a, why);
    if (r == 0) r = ssz_root(&b, m->type, value, f->a, why);
    if (r == 0) {
        ssz_encode(&again, m->type, value);
        if (!hash_equal(&a, &b) || !bytes_equal(buf_view(&again), buf_view(ssz))) {
            r = error_set(why, ERR_INVALID, "decoding and encoding again gives another value");
        }
    }
    buf_free(&again);
    return r;
}

/* The JSON that we write reads back to the same SSZ. */
static int check_json(const struct evm_file *f, const struct message *m, const struct buf *ssz,
                      struct error *why) {
    void *value = arena_alloc(f->a, m->type->memory);
    const struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, false};
    const struct json *doc = NULL;
    struct buf text, again;
    buf_init(&text, 0);
    buf_init(&again, 0);
    ssz_json_encode(&text, m->type, m->value);
    int r = value ? json_parse(&doc, buf_view(&text), f->a, &limits, why)
                  : error_set(why, ERR_NO_MEMORY, "no memory");
    if (r == 0) r = ssz_json_decode(value, m->type, doc, f->a, why);
    if (r == 0) {
        ssz_encode(&again, m->type, value);
        if (!bytes_equal(buf_view(&again), buf_view(ssz))) {
            r = error_set(why, ERR_INVALID, "its JSON reads back as another value");
        }
    }
    buf_free(&text);
    buf_free(&again);
    return r;
}

static void remember(const struct evm_file *f) {
    const char *end = strstr(f->path, ".json");
    size_t n = end ? (size_t)(end - f->path) : 0;
    if (n >= sizeof f->memory->stem) n = 0;
    memcpy(f->memory->stem, f->path, n);
    f->memory->stem[n] = 0;
}

static void run_message(const struct evm_file *f, struct tally *t, const struct json *in,
                        struct message *m) {
    struct error why;
    struct buf *ssz = f->memory->ssz;
    buf_clear(ssz);
    f->memory->stem[0] = 0;
    int r = ssz_json_decode(m->value, m->type, in, f->a, &why);
    if (r == 0) {
        ssz_encode(ssz, m->type, m->value);
        r = check_again(f, m, ssz, &why);
    }
    if (r == 0) r = check_json(f, m, ssz, &why);
    if (r != 0) {
        tally_fail(t, "json", "%s", why.text);
        return;
    }
    remember(f);
    tally_pass(t, "json");
    if (!m->signed_type) return;
    r = check_signature(f, m, &why);
    if (r == 0) {
        tally_pass(t, "signature");
    } else if (r != ERR_NOT_FOUND) {
        tally_fail(t, "signature", "%s", why.text);
    } else {
        tally_skip(t, "signature", "%s", why.text);
    }
}

static bool run_json(const struct evm_file *f, struct tally *t) {
    const struct json *doc = f->json, *data = json_get(doc, "data");
    struct message m = {NULL};
    if (json_get(doc, "execution_payload") &&
        json_get(json_get(doc, "message"), "builder_pubkey")) {
        int fork = fork_in_path(f);
        if (fork < 0) fork = fork_of_submission(doc);
        set_submission(&m, fork, arena_new(f->a, struct submit_block_request));
        run_message(f, t, doc, &m);
        return true;
    }
    if (json_get(json_get(data, "message"), "header")) {
        int fork = consensus_fork_parse(json_text(json_get(doc, "version")));
        if (fork < 0) {
            tally_fail(t, "bid", "no consensus version that is known");
            return true;
        }
        set_bid(&m, fork, arena_new(f->a, struct signed_builder_bid));
        run_message(f, t, data, &m);
        return true;
    }
    if (!json_get(json_get(json_at(doc, 0), "message"), "fee_recipient")) return false;
    json_each(item, doc) {
        struct signed_validator_registration *v =
            arena_new(f->a, struct signed_validator_registration);
        m = (struct message){&ssz_signed_validator_registration,
                             v,
                             &ssz_validator_registration,
                             &v->message,
                             &v->message.pubkey,
                             &v->signature};
        run_message(f, t, item, &m);
    }
    return true;
}

/* The SSZ half of a pair: the bytes that its JSON half gave. */
static bool run_ssz(const struct evm_file *f, struct tally *t) {
    const char *end = strstr(f->path, ".ssz");
    if (!end) return false;
    size_t n = (size_t)(end - f->path);
    if (strlen(f->memory->stem) != n || strncmp(f->memory->stem, f->path, n) != 0) {
        tally_skip(t, "ssz", "the JSON of the same name did not come before it");
    } else if (!bytes_equal(buf_view(f->memory->ssz), f->content)) {
        tally_fail(t, "ssz", "its JSON gives %zu bytes that are others than these %zu",
                   f->memory->ssz->n, f->content.n);
    } else {
        tally_pass(t, "ssz");
    }
    return true;
}

bool evm_run_relay(const struct evm_file *f, struct tally *t) {
    return f->json ? run_json(f, t) : run_ssz(f, t);
}
