/* SPDX-License-Identifier: MIT */
#include "eth/request_signature.h"

#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/address.h"

#define ADDRESS_DIGITS 40
#define SIGNATURE_BYTES 65

struct hash request_signature_digest(struct bytes body) {
    static const char prefix[] = "\x19"
                                 "Ethereum Signed Message:\n66"
                                 "0x";
    uint8_t message[sizeof prefix - 1 + 64];
    struct hash k = keccak256(body);
    memcpy(message, prefix, sizeof prefix - 1);
    hex_encode((char *)message + sizeof prefix - 1, BYTES_OF(k));
    return keccak256(bytes_make(message, sizeof message));
}

static bool has_prefix(struct bytes text) {
    return text.n >= 2 && text.p[0] == '0' && (text.p[1] == 'x' || text.p[1] == 'X');
}

static int refuse(struct error *why, enum err code, const char *detail) {
    return error_set(why, code, "invalid signature provided: %s", detail);
}

/* The address with or without its prefix, digits in either case. */
static int parse_claimed(struct address *ret, struct bytes text, struct error *why) {
    if (has_prefix(text)) text = bytes_slice(text, 2, text.n);
    if (text.n != ADDRESS_DIGITS || hex_decode(ret->b, text, NULL) != 0) {
        return refuse(why, ERR_SYNTAX, "signing address mismatch");
    }
    return 0;
}

static int parse_signature(struct ecdsa_signature *ret, struct bytes text, struct error *why) {
    uint8_t raw[SIGNATURE_BYTES], last;
    if (text.n == 0) return refuse(why, ERR_SYNTAX, "empty hex string");
    if (!has_prefix(text)) return refuse(why, ERR_SYNTAX, "hex string without 0x prefix");
    text = bytes_slice(text, 2, text.n);
    if (text.n % 2 != 0) return refuse(why, ERR_SYNTAX, "hex string of odd length");
    if (text.n < 2 || hex_decode(&last, bytes_slice(text, text.n - 2, 2), NULL) != 0) {
        return refuse(why, ERR_SYNTAX, "invalid hex string");
    }
    uint8_t v = last >= 27 ? (uint8_t)(last - 27) : last;
    if (v > 1) return refuse(why, ERR_SYNTAX, "invalid recovery id");
    if (text.n != 2 * SIGNATURE_BYTES) {
        return refuse(why, ERR_SYNTAX, "invalid signature length");
    }
    if (hex_decode(raw, text, NULL) != 0) return refuse(why, ERR_SYNTAX, "invalid hex string");
    memcpy(ret->r, raw, 32);
    memcpy(ret->s, raw + 32, 32);
    ret->y_parity = v;
    return 0;
}

int request_signature_parse(struct request_signature *ret, struct bytes header, struct error *why) {
    struct request_signature s;
    if (header.n == 0) return error_set(why, ERR_AUTH, "no signature provided");
    const uint8_t *colon = memchr(header.p, ':', header.n);
    if (!colon) return refuse(why, ERR_SYNTAX, "missing separator");
    struct bytes address = {header.p, (size_t)(colon - header.p)};
    struct bytes rest = bytes_slice(header, address.n + 1, header.n);
    int r = parse_signature(&s.signature, rest, why);
    if (r == 0) r = parse_claimed(&s.claimed, address, why);
    if (r == 0) *ret = s;
    return r;
}

int request_signature_verify(struct address *ret, struct bytes header, struct bytes body,
                             struct sender_cache *cache, struct error *why) {
    struct request_signature s;
    struct address signer;
    int r = request_signature_parse(&s, header, why);
    if (r != 0) return r;
    if (!ecdsa_s_is_low(s.signature.s)) {
        return refuse(why, ERR_INVALID, "s is in the upper half");
    }
    struct hash digest = request_signature_digest(body);
    r = cache ? sender_cache_recover(cache, &signer, &digest, &s.signature, NULL)
              : ecdsa_recover_address(&signer, &digest, &s.signature, NULL);
    if (r != 0) return refuse(why, ERR_INVALID, "recovery failed");
    if (!address_equal(&signer, &s.claimed)) {
        return refuse(why, ERR_INVALID, "signing address mismatch");
    }
    *ret = signer;
    return 0;
}

int request_signature_make(struct buf *out, const struct ecdsa_signer *signer,
                           const struct ecdsa_secret_key *key, struct bytes body,
                           struct error *why) {
    struct ecdsa_signature s;
    struct ecdsa_public_key public_key;
    struct hash digest = request_signature_digest(body);
    int r = ecdsa_sign(signer, &s, &digest, key, why);
    if (r == 0) r = ecdsa_public_key_of(signer, &public_key, key, why);
    if (r != 0) return r;
    char address[43];
    struct address from = ecdsa_address(&public_key);
    address_to_text(address, &from);
    buf_append_str(out, address);
    buf_append_str(out, ":0x");
    hex_append(out, bytes_make(s.r, 32));
    hex_append(out, bytes_make(s.s, 32));
    uint8_t v = (uint8_t)(27 + s.y_parity);
    hex_append(out, bytes_make(&v, 1));
    return buf_check(out, why);
}
