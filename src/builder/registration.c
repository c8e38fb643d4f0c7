/* SPDX-License-Identifier: MIT */
#include "builder/registration.h"

#include "base/hex.h"
#include "base/random.h"
#include "net/client.h"

#include <stdio.h>
#include <unistd.h>

#define TRIES 5
#define TRY_AGAIN_US 500000
#define TIMEOUT_NS (5 * NS_PER_S)

static int make_key(struct build_keys *keys, struct error *why) {
    struct ecdsa_public_key public;
    int r;
    do { // all but some 2^-128 of the numbers are keys
        random_bytes(keys->records.b, sizeof keys->records.b);
        r = ecdsa_public_key_of(keys->signer, &public, &keys->records, why);
    } while (r == ERR_RANGE);
    if (r == 0) keys->records_address = ecdsa_address(&public);
    return r;
}

static int post(const char *url, const char *body, struct error *why) {
    const struct client_options options = {.url = url, .protocol = CLIENT_HTTP1};
    struct http_request q = {.method = HTTP_POST,
                             .path = BYTES_LIT("/api/l1-builder/v1/register_credentials/rbuilder")};
    struct client_answer answer;
    struct arena a;
    arena_init(&a, 1u << 20);
    int r =
        http_fields_put(&q.fields, &a, HTTP_FIELD_CONTENT_TYPE, BYTES_LIT("application/json"), why);
    if (r == 0) {
        r = client_ask(&answer, &a, &options, &q, bytes_from_str(body), 64u << 10, TIMEOUT_NS, why);
    }
    if (r == 0 && answer.status != 200) {
        r = error_set(why, ERR_UNTRUSTED, "status %u", answer.status);
    }
    arena_free(&a);
    return r;
}

int registration_send(const char *url, struct build_keys *keys, struct log *log,
                      struct error *why) {
    char body[96], digits[41] = "";
    int r = make_key(keys, why);
    if (r != 0 || !url || !*url) return r;
    hex_encode(digits, BYTES_OF(keys->records_address));
    (void)snprintf(body, sizeof body, "{\"ecdsa_pubkey_address\":\"0x%s\"}", digits);
    for (int i = 0; i < TRIES; i++) {
        struct error failed;
        if (i) (void)usleep(TRY_AGAIN_US);
        r = post(url, body, &failed);
        if (r == 0) {
            log_info(log, "registered", F_HEX("address", BYTES_OF(keys->records_address)));
            return 0;
        }
        log_warn(log, "registration_failed", F_STR("url", url), F_ERR(&failed));
    }
    return 0;
}
