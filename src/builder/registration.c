/* SPDX-License-Identifier: MIT */
#include "builder/registration.h"

#include "base/hex.h"
#include "base/random.h"
#include "net/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_NS (5 * NS_PER_S)
#define PAUSE_FIRST_MS 500u
#define PAUSE_MOST_MS 30000u
#define NAP_MS 50u // between looks at the end

struct registration {
    const char *url;
    char body[96];
    struct address address;
    struct log *log;
    pthread_t thread;
    atomic_bool ending;
};

int registration_key(struct build_keys *keys, struct error *why) {
    struct ecdsa_public_key public;
    int r;
    do { // all but some 2^-128 of the numbers are keys
        random_bytes(keys->records.b, sizeof keys->records.b);
        r = ecdsa_public_key_of(keys->signer, &public, &keys->records, why);
    } while (r == ERR_RANGE);
    if (r == 0) keys->records_address = ecdsa_address(&public);
    return r;
}

static int post(const struct registration *g, struct error *why) {
    const struct client_options options = {.url = g->url, .protocol = CLIENT_HTTP1};
    struct http_request q = {.method = HTTP_POST,
                             .path = BYTES_LIT("/api/l1-builder/v1/register_credentials/rbuilder")};
    struct client_answer answer;
    struct arena a;
    arena_init(&a, 1u << 20);
    int r =
        http_fields_put(&q.fields, &a, HTTP_FIELD_CONTENT_TYPE, BYTES_LIT("application/json"), why);
    if (r == 0) {
        r = client_ask(&answer, &a, &options, &q, bytes_from_str(g->body), 64u << 10, TIMEOUT_NS,
                       why);
    }
    if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_UNTRUSTED, "status %u", answer.status);
    }
    arena_free(&a);
    return r;
}

static void pause_ms(struct registration *g, unsigned ms) {
    for (unsigned slept = 0; slept < ms && !atomic_load(&g->ending); slept += NAP_MS) {
        (void)usleep(NAP_MS * 1000);
    }
}

static void *run(void *arg) {
    struct registration *g = arg;
    unsigned pause = PAUSE_FIRST_MS;
    while (!atomic_load(&g->ending)) {
        struct error why;
        if (post(g, &why) == 0) {
            log_info(g->log, "registered", F_HEX("address", BYTES_OF(g->address)));
            break;
        }
        log_warn(g->log, "registration_failed", F_STR("url", g->url), F_ERR(&why));
        pause_ms(g, pause);
        pause = 2 * pause < PAUSE_MOST_MS ? 2 * pause : PAUSE_MOST_MS;
    }
    return NULL;
}

int registration_new(struct registration **ret, const char *url, const struct address *address,
                     struct log *log, struct error *why) {
    char digits[41] = "";
    *ret = NULL;
    if (!url || !*url) return 0;
    struct registration *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for the registration");
    g->url = url;
    g->address = *address;
    g->log = log;
    hex_encode(digits, BYTES_OF(*address));
    (void)snprintf(g->body, sizeof g->body, "{\"ecdsa_pubkey_address\":\"0x%s\"}", digits);
    int failed = pthread_create(&g->thread, NULL, run, g);
    if (failed) {
        free(g);
        return error_set_os(why, ERR_IO, failed, "thread");
    }
    *ret = g;
    return 0;
}

void registration_free(struct registration *g) {
    if (!g) return;
    atomic_store(&g->ending, true);
    (void)pthread_join(g->thread, NULL);
    free(g);
}
