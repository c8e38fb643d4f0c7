/* Our reader beside libsimdjson's DOM in one run, on three shapes of documents that the network
 * sends: a bundle of one transaction, a payload of 250, a list of peers.
 * SPDX-License-Identifier: MIT */
#include "json/json.h"
#include "json/oracle.h"
#include "json/write.h"

#include "base/random.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>

static struct buf document;
static struct arena arena;
static unsigned rounds;

static void add_random(struct json_writer *w, struct random_fast *r, const char *key, size_t n) {
    uint8_t data[600];
    for (size_t i = 0; i < n; i++) {
        data[i] = (uint8_t)random_fast_u64(r);
    }
    json_add_data(w, key, bytes_make(data, n));
}

static void make_bundle(struct json_writer *w, struct random_fast *r) {
    json_begin_object(w, NULL);
    json_add_str(w, "jsonrpc", "2.0");
    json_add_u64(w, "id", 1);
    json_add_str(w, "method", "eth_sendBundle");
    json_begin_array(w, "params");
    json_begin_object(w, NULL);
    json_begin_array(w, "txs");
    add_random(w, r, NULL, 380);
    json_end(w);
    json_add_quantity(w, "blockNumber", 21000000);
    json_begin_array(w, "revertingTxHashes");
    add_random(w, r, NULL, 32);
    json_end(w);
    json_add_str(w, "replacementUuid", "7a9b6c1e-0f3d-4b5a-8c2e-1d0f9e8a7b6c");
    json_end(w);
    json_end(w);
    json_end(w);
}

static void make_payload(struct json_writer *w, struct random_fast *r) {
    json_begin_object(w, NULL);
    add_random(w, r, "parentHash", 32);
    add_random(w, r, "stateRoot", 32);
    add_random(w, r, "logsBloom", 256);
    json_add_quantity(w, "gasUsed", 29999999);
    json_begin_array(w, "transactions");
    for (unsigned i = 0; i < 250; i++) {
        add_random(w, r, NULL, 512);
    }
    json_end(w);
    json_end(w);
}

static void make_peers(struct json_writer *w, struct random_fast *r) {
    json_begin_array(w, NULL);
    for (unsigned i = 0; i < 300; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "builder-%u", i);
        json_begin_object(w, NULL);
        json_add_str(w, "name", name);
        json_add_str(w, "ip", "10.0.0.1");
        json_begin_object(w, "orderflow_proxy");
        json_add_str(w, "tls_cert", "-----BEGIN CERTIFICATE-----\nMIIB\"quoted\"\n\n");
        add_random(w, r, "ecdsa_pubkey_address", 20);
        json_end(w);
        json_end(w);
    }
    json_end(w);
}

static void ours(void *arg) {
    (void)arg;
    for (unsigned i = 0; i < rounds; i++) {
        const struct json *doc;
        arena_reset(&arena);
        if (json_parse(&doc, buf_view(&document), &arena, NULL, NULL)) abort();
    }
}

static void theirs(void *arg) {
    (void)arg;
    if (!oracle_repeat((const char *)document.p, document.n, rounds)) abort();
}

int main(void) {
    static const struct {
        const char *name;
        void (*make)(struct json_writer *, struct random_fast *);
    } shapes[] = {{"bundle", make_bundle}, {"payload", make_payload}, {"peers", make_peers}};
    struct random_fast r;
    random_fast_seed(&r, 1);
    arena_init(&arena, 0);
    for (size_t i = 0; i < 3; i++) {
        struct json_writer w;
        buf_clear(&document);
        json_writer_init(&w, &document, 0);
        shapes[i].make(&w, &r);
        rounds = (unsigned)(4000000 / document.n) + 1;
        double work = (double)document.n * rounds;
        char name[64];
        double limit = bench_best_ns(theirs, NULL, 500);
        (void)snprintf(name, sizeof name, "json read %s beside simdjson", shapes[i].name);
        bench_emit(name, work, "bytes", bench_best_ns(ours, NULL, 500), limit);
    }
    buf_free(&document);
    arena_free(&arena);
    return 0;
}
