/* SPDX-License-Identifier: MIT */
#include "trie/account.h"

#include "eth/rlp.h"

#include <assert.h>

const struct hash TRIE_EMPTY_ROOT = {{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6,
                                      0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
                                      0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0,
                                      0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};
const struct hash ACCOUNT_EMPTY_CODE = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c,
                                         0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
                                         0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b,
                                         0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};

bool account_is_empty(const struct account *a) {
    return a->nonce == 0 && u256_is_zero(a->balance) &&
           hash_equal(&a->code_hash, &ACCOUNT_EMPTY_CODE);
}

size_t account_write(uint8_t ret[ACCOUNT_RLP_MAX], const struct account *a) {
    uint8_t memory[ACCOUNT_RLP_MAX + RLP_HEADER_MAX]; // writers want room for any header
    struct buf b = {.p = memory, .capacity = sizeof memory, .limit_bytes = sizeof memory};
    rlp_put_list_header(&b, rlp_size_u64(a->nonce) + rlp_size_u256(a->balance) + 66);
    rlp_put_u64(&b, a->nonce);
    rlp_put_u256(&b, a->balance);
    rlp_put_string(&b, BYTES_OF(a->storage_root));
    rlp_put_string(&b, BYTES_OF(a->code_hash));
    assert(!b.failed && b.n <= ACCOUNT_RLP_MAX);
    memcpy(ret, memory, b.n);
    return b.n;
}

void account_encode(struct buf *out, const struct account *a) {
    uint8_t wire[ACCOUNT_RLP_MAX];
    size_t n = account_write(wire, a);
    buf_append(out, bytes_make(wire, n));
}

int account_decode(struct account *ret, struct bytes in, struct error *why) {
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, in, why);
    struct rlp_reader r = rlp_list(&outer, "account");
    struct account a = {.nonce = 0};
    a.nonce = rlp_u64(&r, "account nonce");
    a.balance = rlp_u256(&r, "account balance");
    rlp_fixed(&r, a.storage_root.b, 32, "account storage root");
    rlp_fixed(&r, a.code_hash.b, 32, "account code hash");
    rlp_end(&r, "account");
    int status = rlp_finish(&outer, "account");
    if (status == 0) *ret = a;
    return status;
}
