/* Ssz tool: signatures, roots and SSZ of the consensus layer's containers for the end-to-end tests,
 * a JSON object a line in, one out.
 *
 *     {"do":"pubkey","key":K}                                    -> {"pubkey"}
 *     {"do":"domain","kind":"builder"|"proposer","version":V,"root":R} -> {"domain"}
 *     {"do":"sign","type":T,"fork":F,"domain":D,"key":K,"value":{}} -> {"signature"}
 *     {"do":"verify", … "pubkey":P,"signature":S}                -> {"valid"}
 *     {"do":"ssz","type":T,"fork":F,"value":{}}                  -> {"ssz"}
 *     {"do":"json","type":T,"fork":F,"ssz":X}                    -> {"value"}
 *     {"do":"root","type":T,"fork":F,"value":{}}                 -> {"root"}
 *     {"do":"header","fork":F,"value":payload}                   -> {"value"}
 *
 * With "preset":"minimal" the containers of that preset. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/bls.h"
#include "eth/beacon_block.h"
#include "eth/ssz_json.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

struct task {
    const struct json *doc;
    struct arena *a;
    struct buf *out;
    const struct consensus_types *types;
};

static int find_type(const struct ssz_type **ret, const struct task *t, struct error *why) {
    const struct consensus_types *c = t->types;
    const struct {
        const char *name;
        const struct ssz_type *type;
    } table[] = {
        {"bid_trace", &ssz_bid_trace},
        {"registration", &ssz_validator_registration},
        {"registrations", &ssz_signed_validator_registrations},
        {"requests", &ssz_execution_requests},
        {"commitments", &ssz_commitments},
        {"payload", c->payload},
        {"payload_header", c->payload_header},
        {"submission", c->submit_request},
        {"bid", c->builder_bid},
        {"signed_bid", c->signed_builder_bid},
        {"payload_and_blobs", c->payload_and_blobs},
        {"blinded_block", c->blinded_block},
        {"signed_blinded_block", c->signed_blinded_block},
        {"signed_block", c->signed_block},
        {"block_contents", c->block_contents},
        {"withdrawals", c->withdrawals},
    };
    struct bytes name = json_text(json_get(t->doc, "type"));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].type && bytes_equal_str(name, table[i].name)) {
            *ret = table[i].type;
            return 0;
        }
    }
    return error_set(why, ERR_NOT_FOUND, "no such type");
}

static int read_value(void **ret, const struct ssz_type **ret_type, const struct task *t,
                      struct error *why) {
    int r = find_type(ret_type, t, why);
    if (r != 0) return r;
    *ret = arena_alloc(t->a, (*ret_type)->memory);
    return ssz_json_decode(*ret, *ret_type, json_get(t->doc, "value"), t->a, why);
}

static int signing_root(struct hash *ret, const struct task *t, struct error *why) {
    const struct ssz_type *type;
    void *value;
    struct hash domain;
    int r = read_value(&value, &type, t, why);
    if (r == 0) r = json_get_hash(&domain, t->doc, "domain", why);
    if (r == 0) r = ssz_root(ret, type, value, t->a, why);
    if (r == 0) *ret = ssz_signing_root(ret, &domain);
    return r;
}

static void answer(const struct task *t, const char *key, struct bytes data) {
    buf_printf(t->out, "{\"%s\":\"", key);
    hex_append_data(t->out, data);
    buf_append_str(t->out, "\"}");
}

static int read_key(struct bls_secret_key *ret, const struct task *t, struct error *why) {
    uint8_t key[32];
    int r = json_get_fixed(key, 32, t->doc, "key", why);
    return r == 0 ? bls_secret_key_load(ret, key, why) : r;
}

static int do_pubkey(const struct task *t, struct error *why) {
    struct bls_secret_key key;
    struct bytes48 pubkey;
    int r = read_key(&key, t, why);
    if (r != 0) return r;
    bls_public_key_of(&pubkey, &key);
    answer(t, "pubkey", BYTES_OF(pubkey));
    return 0;
}

static int do_domain(const struct task *t, struct error *why) {
    uint8_t version[4];
    struct hash root = {{0}};
    int r = json_get_fixed(version, 4, t->doc, "version", why);
    if (r == 0 && json_get(t->doc, "root")) r = json_get_hash(&root, t->doc, "root", why);
    if (r != 0) return r;
    bool builder = bytes_equal_str(json_text(json_get(t->doc, "kind")), "builder");
    struct hash domain = ssz_domain_compute(
        builder ? SSZ_DOMAIN_BUILDER : SSZ_DOMAIN_BEACON_PROPOSER, version, builder ? NULL : &root);
    answer(t, "domain", BYTES_OF(domain));
    return 0;
}

static int do_sign(const struct task *t, struct error *why) {
    struct bls_secret_key key;
    struct bytes96 signature;
    struct hash root;
    int r = read_key(&key, t, why);
    if (r == 0) r = signing_root(&root, t, why);
    if (r != 0) return r;
    bls_sign(&signature, &key, BYTES_OF(root));
    answer(t, "signature", BYTES_OF(signature));
    return 0;
}

static int do_verify(const struct task *t, struct error *why) {
    struct bytes48 pubkey;
    struct bytes96 signature;
    struct bls_public_key key;
    struct hash root;
    int r = json_get_fixed(pubkey.b, 48, t->doc, "pubkey", why);
    if (r == 0) r = json_get_fixed(signature.b, 96, t->doc, "signature", why);
    if (r == 0) r = bls_public_key_parse(&key, &pubkey, why);
    if (r == 0) r = signing_root(&root, t, why);
    if (r != 0) return r;
    bool valid = bls_verify(&key, BYTES_OF(root), &signature, why) == 0;
    buf_append_str(t->out, valid ? "{\"valid\":true}" : "{\"valid\":false}");
    return 0;
}

static int do_ssz(const struct task *t, struct error *why) {
    const struct ssz_type *type;
    void *value;
    struct buf ssz;
    int r = read_value(&value, &type, t, why);
    if (r != 0) return r;
    buf_init(&ssz, 0);
    ssz_encode(&ssz, type, value);
    answer(t, "ssz", buf_view(&ssz));
    buf_free(&ssz);
    return 0;
}

static int do_json(const struct task *t, struct error *why) {
    const struct ssz_type *type;
    struct bytes in;
    int r = find_type(&type, t, why);
    if (r == 0) r = json_get_data(&in, t->doc, "ssz", t->a, why);
    if (r != 0) return r;
    void *value = arena_alloc(t->a, type->memory);
    r = ssz_decode(value, type, in, t->a, why);
    if (r != 0) return r;
    buf_append_str(t->out, "{\"value\":");
    ssz_json_encode(t->out, type, value);
    buf_append_byte(t->out, '}');
    return 0;
}

static int do_root(const struct task *t, struct error *why) {
    const struct ssz_type *type;
    void *value;
    struct hash root;
    int r = read_value(&value, &type, t, why);
    if (r == 0) r = ssz_root(&root, type, value, t->a, why);
    if (r != 0) return r;
    answer(t, "root", BYTES_OF(root));
    return 0;
}

static int do_header(const struct task *t, struct error *why) {
    struct execution_payload *payload = arena_new(t->a, struct execution_payload);
    struct execution_payload_header header;
    int r = ssz_json_decode(payload, t->types->payload, json_get(t->doc, "value"), t->a, why);
    if (r == 0) r = payload_header_of_types(&header, payload, t->types, t->a, why);
    if (r != 0) return r;
    buf_append_str(t->out, "{\"value\":");
    ssz_json_encode(t->out, t->types->payload_header, &header);
    buf_append_byte(t->out, '}');
    return 0;
}

static int run(struct task *t, struct bytes line, struct error *why) {
    static const struct {
        const char *name;
        int (*run)(const struct task *t, struct error *why);
    } table[] = {{"pubkey", do_pubkey}, {"domain", do_domain}, {"sign", do_sign},
                 {"verify", do_verify}, {"ssz", do_ssz},       {"json", do_json},
                 {"root", do_root},     {"header", do_header}};
    int r = json_parse(&t->doc, line, t->a, NULL, why);
    if (r != 0) return r;
    bool minimal = bytes_equal_str(json_text(json_get(t->doc, "preset")), "minimal");
    const struct json *fork = json_get(t->doc, "fork");
    int f = fork ? consensus_fork_parse(json_text(fork)) : CONSENSUS_CAPELLA;
    t->types = f < 0 ? NULL
                     : consensus_types_of_preset(minimal ? CONSENSUS_MINIMAL : CONSENSUS_MAINNET,
                                                 (enum consensus_fork)f);
    if (!t->types) return error_set(why, ERR_INVALID, "no such fork");
    struct bytes name = json_text(json_get(t->doc, "do"));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (bytes_equal_str(name, table[i].name)) return table[i].run(t, why);
    }
    return error_set(why, ERR_NOT_FOUND, "nothing to do");
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, stdin)) > 0) {
        struct arena a;
        struct buf out;
        struct error why;
        arena_init(&a, 0);
        buf_init(&out, 0);
        struct task t = {.a = &a, .out = &out};
        if (run(&t, bytes_make(line, (size_t)n), &why) != 0) {
            struct json_writer w;
            buf_clear(&out);
            json_writer_init(&w, &out, 0);
            json_begin_object(&w, NULL);
            json_add_str(&w, "error", why.text);
            json_end(&w);
        }
        (void)fwrite(out.p, 1, out.n, stdout);
        (void)fputc('\n', stdout);
        (void)fflush(stdout);
        buf_free(&out);
        arena_free(&a);
    }
    free(line);
    return 0;
}
