/* SPDX-License-Identifier: MIT */
#include "eth/address.h"

#include "base/hex.h"
#include "crypto/keccak.h"

void address_to_text(char ret[43], const struct address *a) {
    memcpy(ret, "0x", 2);
    hex_encode(ret + 2, BYTES_OF(*a));
    ret[42] = 0;
    struct hash h = keccak256(bytes_make(ret + 2, 40));
    for (size_t i = 0; i < 40; i++) {
        unsigned nibble = i % 2 ? h.b[i / 2] & 15u : h.b[i / 2] >> 4;
        if (ret[2 + i] >= 'a' && nibble >= 8) ret[2 + i] = (char)(ret[2 + i] - 'a' + 'A');
    }
}

int address_from_text(struct address *ret, struct bytes text, struct error *why) {
    struct address got;
    int r = hex_decode_address(&got, text, why);
    if (r != 0) return r;
    bool upper = false, lower = false;
    for (size_t i = 2; i < text.n; i++) {
        upper |= text.p[i] >= 'A' && text.p[i] <= 'F';
        lower |= text.p[i] >= 'a' && text.p[i] <= 'f';
    }
    char checked[43];
    address_to_text(checked, &got);
    if (upper && lower && !bytes_equal_str(text, checked)) {
        return error_set(why, ERR_INVALID, "address: the case of its letters is not its checksum");
    }
    *ret = got;
    return 0;
}

struct address address_create2(const struct address *creator, const struct hash *salt,
                               const struct hash *initcode_hash) {
    uint8_t in[85];
    in[0] = 0xff;
    memcpy(in + 1, creator->b, 20);
    memcpy(in + 21, salt->b, 32);
    memcpy(in + 53, initcode_hash->b, 32);
    struct hash h = keccak256(bytes_make(in, sizeof in));
    struct address ret;
    memcpy(ret.b, h.b + 12, 20);
    return ret;
}
