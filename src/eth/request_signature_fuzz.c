/* The header of a signed request: what is read can be written and is read the same; whoever it
 * names as signer is who a recovery gives, with a cache and without; and what a key signs is
 * believed for the same body alone.
 *
 * Input: the header's value, a line feed, the body. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/address.h"
#include "eth/request_signature.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

static void check_parse(struct bytes header) {
    struct request_signature s, again;
    struct buf out;
    if (request_signature_parse(&s, header, NULL) != 0) return;
    uint8_t v = s.signature.y_parity;
    require(v <= 1);
    buf_init(&out, 0);
    hex_append(&out, BYTES_OF(s.claimed));
    buf_append_str(&out, ":0x");
    hex_append(&out, bytes_make(s.signature.r, 32));
    hex_append(&out, bytes_make(s.signature.s, 32));
    hex_append(&out, bytes_make(&v, 1));
    require(request_signature_parse(&again, buf_view(&out), NULL) == 0);
    require(address_equal(&again.claimed, &s.claimed) && again.signature.y_parity == v);
    require(memcmp(again.signature.r, s.signature.r, 32) == 0);
    require(memcmp(again.signature.s, s.signature.s, 32) == 0);
    buf_free(&out);
}

static void check_verify(struct bytes header, struct bytes body, struct sender_cache *cache) {
    struct address alone, first, second;
    int r = request_signature_verify(&alone, header, body, NULL, NULL);
    require(request_signature_verify(&first, header, body, cache, NULL) == r);
    require(request_signature_verify(&second, header, body, cache, NULL) == r);
    if (r != 0) return;
    struct request_signature s;
    require(address_equal(&first, &alone) && address_equal(&second, &alone));
    require(request_signature_parse(&s, header, NULL) == 0 && address_equal(&s.claimed, &alone));
}

static void check_own(struct bytes body, const struct ecdsa_signer *signer) {
    const struct ecdsa_secret_key key = {{[31] = 1}};
    struct address from;
    struct buf header, other;
    buf_init(&header, 0);
    buf_init(&other, 0);
    require(request_signature_make(&header, signer, &key, body, NULL) == 0);
    require(header.n == REQUEST_SIGNATURE_HEADER_BYTES);
    require(request_signature_verify(&from, buf_view(&header), body, NULL, NULL) == 0);
    buf_append(&other, body);
    buf_append_byte(&other, 0);
    require(request_signature_verify(&from, buf_view(&header), buf_view(&other), NULL, NULL) != 0);
    buf_free(&header);
    buf_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct ecdsa_signer *signer;
    static struct sender_cache *cache;
    if (!signer) {
        require(ecdsa_signer_new(&signer, NULL) == 0 && sender_cache_new(&cache, 0, NULL) == 0);
    }
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t n = line ? (size_t)(line - data) : size;
    struct bytes header = {data, n};
    struct bytes body = line ? bytes_make(line + 1, size - n - 1) : (struct bytes){NULL, 0};
    check_parse(header);
    check_verify(header, body, cache);
    check_own(body, signer);
    return 0;
}
