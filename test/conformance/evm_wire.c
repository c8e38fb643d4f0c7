/* RLP, transactions, plain tries and the basic tests of ethereum/tests.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/block.h"
#include "eth/rlp.h"
#include "eth/tx_check.h"
#include "evm_tool/fixture.h"
#include "test/conformance/evm.h"
#include "trie/trie_plain.h"

#include <stdio.h>
#include <stdlib.h>

/* A name as a NUL-terminated string of the file's arena. */
static const char *name_of(const struct evm_file *f, const struct json *key) {
    const char *name = arena_str(f->a, json_text(key));
    return name ? name : "?";
}

/* Bytes of hex digits, with or without 0x; p is NULL when the text is anything else. */
static struct bytes hex_of(const struct evm_file *f, struct bytes text) {
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, SIZE_MAX);
    uint8_t *to = arena_alloc(f->a, text.n / 2 + 1);
    struct error why;
    if (!to || hex_decode(to, text, &why) != 0) return (struct bytes){NULL, 0};
    return bytes_make(to, text.n / 2);
}

/* "#123": an integer of any size, as its shortest big-endian bytes. */
static struct bytes decimal_of(const struct evm_file *f, struct bytes digits) {
    size_t n = digits.n / 2 + 1;
    uint8_t *to = arena_alloc(f->a, n);
    for (size_t i = 0; to && i < digits.n; i++) {
        unsigned carry = (unsigned)(digits.p[i] - '0');
        for (size_t k = n; k-- > 0;) {
            carry += 10u * to[k];
            to[k] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    size_t skip = 0;
    while (to && skip < n && to[skip] == 0) {
        skip++;
    }
    return to ? bytes_make(to + skip, n - skip) : (struct bytes){NULL, 0};
}

static void put_json_as_rlp(const struct evm_file *f, struct buf *out, const struct json *v) {
    struct bytes text = json_text(v);
    uint64_t number;
    if (json_type_of(v) == JSON_ARRAY) {
        size_t list = rlp_list_begin(out);
        json_each(item, v) {
            put_json_as_rlp(f, out, item);
        }
        rlp_list_close(out, list);
    } else if (json_type_of(v) == JSON_NUMBER && json_u64(&number, v, NULL) == 0) {
        rlp_put_u64(out, number);
    } else if (text.n > 0 && text.p[0] == '#') {
        rlp_put_string(out, decimal_of(f, bytes_slice(text, 1, SIZE_MAX)));
    } else {
        rlp_put_string(out, text);
    }
}

static void run_rlp(const struct evm_file *f, struct tally *t) {
    json_members(key, test, f->json) {
        const char *name = name_of(f, key);
        const struct json *in = json_get(test, "in");
        struct bytes out = hex_of(f, json_text(json_get(test, "out")));
        struct error why = {.text = "accepted"};
        bool valid = rlp_check(out, RLP_DEPTH_MAX, 0, &why) == 0;
        struct bytes word = json_text(in);
        if (bytes_equal_str(word, "INVALID") || bytes_equal_str(word, "VALID")) {
            if (valid == bytes_equal_str(word, "VALID")) {
                tally_pass(t, name);
            } else {
                tally_fail(t, name, "expected %.*s: %s", (int)word.n, word.p, why.text);
            }
            continue;
        }
        struct buf b;
        buf_init(&b, 0);
        put_json_as_rlp(f, &b, in);
        if (!valid) {
            tally_fail(t, name, "refused: %s", why.text);
        } else if (!bytes_equal(buf_view(&b), out)) {
            tally_fail(t, name, "encodes to %zu other bytes", b.n);
        } else {
            tally_pass(t, name);
        }
        buf_free(&b);
    }
}

/* What one fork makes of a transaction. */
static int judge(const struct tx *tx, int decoded, enum fork fork, struct address *sender,
                 struct error *why) {
    if (decoded != 0) return decoded;
    enum tx_fault fault = tx_check_static(tx, fork_rules_of(fork), 1);
    if (fault != TX_VALID) return error_set(why, ERR_INVALID, "%s", tx_fault_text(fault));
    return tx_sender(sender, tx, why);
}

// Later files count what the gas limit must reach: the floor, where it is higher (EIP-7623).
static bool is_intrinsic_gas(const struct tx *tx, const struct fork_rules *rules, uint64_t gas) {
    uint64_t intrinsic = tx_intrinsic_gas(tx, rules), floor = tx_floor_gas(tx, rules);
    return gas == intrinsic || (floor > intrinsic && gas == floor);
}

static void check_tx(const struct evm_file *f, struct tally *t, const char *name,
                     const struct tx *tx, int decoded, const struct json *fork_key,
                     const struct json *expected) {
    int fork = fork_parse(json_text(fork_key));
    if (fork < 0) {
        tally_skip(t, name, "fork %s is not one of ours", name_of(f, fork_key));
        return;
    }
    struct error why = {.text = "decoding failed"};
    struct address sender, want_sender;
    struct hash want_hash;
    int got = judge(tx, decoded, (enum fork)fork, &sender, &why);
    if (json_get(expected, "exception")) {
        if (got != 0) {
            tally_pass(t, name);
        } else {
            tally_fail(t, name, "%s: accepted, expected %s", fork_name((enum fork)fork),
                       name_of(f, json_get(expected, "exception")));
        }
        return;
    }
    uint64_t gas;
    struct error bad;
    if (fixture_get_u64(&gas, expected, "intrinsicGas", &bad) != 0 ||
        json_get_address(&want_sender, expected, "sender", &bad) != 0 ||
        json_get_hash(&want_hash, expected, "hash", &bad) != 0) {
        tally_fail(t, name, "%s", bad.text);
    } else if (got != 0) {
        tally_fail(t, name, "%s: refused: %s", fork_name((enum fork)fork), why.text);
    } else if (!address_equal(&sender, &want_sender) || !hash_equal(&tx->hash, &want_hash)) {
        tally_fail(t, name, "%s: another sender or hash", fork_name((enum fork)fork));
    } else if (!is_intrinsic_gas(tx, fork_rules_of((enum fork)fork), gas)) {
        tally_fail(t, name, "%s: intrinsic gas is %llu, expected %llu", fork_name((enum fork)fork),
                   (unsigned long long)tx_intrinsic_gas(tx, fork_rules_of((enum fork)fork)),
                   (unsigned long long)gas);
    } else {
        tally_pass(t, name);
    }
}

static void run_transactions(const struct evm_file *f, struct tally *t) {
    json_members(key, test, f->json) {
        struct bytes raw = hex_of(f, json_text(json_get(test, "txbytes")));
        struct tx tx = {.type = TX_LEGACY};
        int decoded = raw.p ? tx_decode(&tx, raw, f->a, NULL) : ERR_SYNTAX;
        json_members(fork, expected, json_get(test, "result")) {
            check_tx(f, t, name_of(f, key), &tx, decoded, fork, expected);
        }
    }
}

/* Text of the trie tests: hex when it begins with 0x, else as it stands; null is an empty value. */
static struct bytes trie_text(const struct evm_file *f, const struct json *v) {
    struct bytes text = json_text(v);
    if (json_is_null(v)) return (struct bytes){NULL, 0};
    return bytes_starts_with(text, BYTES_LIT("0x")) ? hex_of(f, text) : text;
}

static void run_trie(const struct evm_file *f, struct tally *t) {
    bool secure = evm_path_contains(f, "secure");
    json_members(key, test, f->json) {
        const char *name = name_of(f, key);
        const struct json *in = json_get(test, "in");
        struct trie_pair *pairs = arena_new_array(f->a, struct trie_pair, json_count(in) + 1);
        size_t n = 0;
        if (json_type_of(in) == JSON_ARRAY) {
            json_each(item, in) {
                pairs[n++] = (struct trie_pair){trie_text(f, json_at(item, 0)),
                                                trie_text(f, json_at(item, 1))};
            }
        } else {
            json_members(k, v, in) {
                pairs[n++] = (struct trie_pair){trie_text(f, k), trie_text(f, v)};
            }
        }
        struct hash want, got;
        struct error why;
        if (json_get_hash(&want, test, "root", &why) != 0 ||
            trie_plain_root(&got, pairs, n, secure, &why) != 0) {
            tally_fail(t, name, "%s", why.text);
        } else if (!hash_equal(&want, &got)) {
            tally_fail(t, name, "another root: %s", hex_text(f->a, BYTES_OF(got)));
        } else {
            tally_pass(t, name);
        }
    }
}

/* Address of a private key given as hex. */
static int address_of(const struct evm_file *f, struct address *ret, const struct json *hex,
                      struct error *why) {
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public;
    struct ecdsa_signer *signer = NULL;
    struct bytes secret = hex_of(f, json_text(hex));
    if (secret.n != sizeof key.b) return error_set(why, ERR_SYNTAX, "not a private key");
    memcpy(key.b, secret.p, sizeof key.b);
    int r = ecdsa_signer_new(&signer, why);
    if (r == 0) r = ecdsa_public_key_of(signer, &public, &key, why);
    if (r == 0) *ret = ecdsa_address(&public);
    ecdsa_signer_free(signer);
    return r;
}

/* The fields, the signature of `signed`, and its sender, which is the key's owner. The signatures
 * are older than RFC 6979, so that signing again gives others. */
static void run_signing(const struct evm_file *f, struct tally *t, const struct json *test) {
    struct error why = {.text = "fields cannot be read"};
    struct tx tx = {.type = TX_LEGACY}, given;
    struct address owner, sender;
    struct bytes raw = hex_of(f, json_text(json_get(test, "signed")));
    struct bytes to = hex_of(f, json_text(json_get(test, "to")));
    tx.data = hex_of(f, json_text(json_get(test, "data")));
    tx.has_to = to.n == 20;
    if (tx.has_to) memcpy(tx.to.b, to.p, 20);
    int r = json_get_u64(&tx.nonce, test, "nonce", &why);
    if (r == 0) r = json_get_u256(&tx.max_fee, test, "gasprice", &why);
    if (r == 0) r = json_get_u64(&tx.gas, test, "startgas", &why);
    if (r == 0) r = json_get_u256(&tx.value, test, "value", &why);
    if (r == 0) r = address_of(f, &owner, json_get(test, "key"), &why);
    if (r == 0) r = tx_decode(&given, raw, f->a, &why);
    if (r == 0) r = tx_sender(&sender, &given, &why);
    if (r != 0) {
        tally_fail(t, "signed transaction", "%s", why.text);
        return;
    }
    struct buf again;
    buf_init(&again, 0);
    tx.signature = given.signature;
    tx_encode(&again, &tx);
    if (!bytes_equal(buf_view(&again), raw)) {
        tally_fail(t, "signed transaction", "the fields encode to other bytes");
    } else if (!address_equal(&owner, &sender)) {
        tally_fail(t, "signed transaction", "another sender");
    } else {
        tally_pass(t, "signed transaction");
    }
    buf_free(&again);
}

/* A key made from a seed, and its address. */
static void run_key(const struct evm_file *f, struct tally *t, const struct json *test) {
    struct error why = {.text = ""};
    struct hash seed = keccak256(json_text(json_get(test, "seed")));
    struct address address;
    if (!bytes_equal(BYTES_OF(seed), hex_of(f, json_text(json_get(test, "key"))))) {
        tally_fail(t, "key", "is not the hash of its seed");
    } else if (address_of(f, &address, json_get(test, "key"), &why) != 0) {
        tally_fail(t, "key", "%s", why.text);
    } else if (!bytes_equal(BYTES_OF(address), hex_of(f, json_text(json_get(test, "addr"))))) {
        tally_fail(t, "key", "another address");
    } else {
        tally_pass(t, "key");
    }
    tally_skip(t, "sig_of_emptystring", "a form of message that no client has kept");
}

static void run_genesis_hash(const struct evm_file *f, struct tally *t) {
    struct bytes raw = hex_of(f, json_text(json_get(f->json, "genesis_rlp_hex")));
    struct bytes root = hex_of(f, json_text(json_get(f->json, "genesis_state_root")));
    struct bytes want = hex_of(f, json_text(json_get(f->json, "genesis_hash")));
    struct error why;
    struct block b;
    struct hash hash;
    if (block_decode(&b, raw, f->a, &why) != 0 || header_hash(&hash, &b.header, &why) != 0) {
        tally_fail(t, "genesis", "%s", why.text);
    } else if (!bytes_equal(BYTES_OF(hash), want) ||
               !bytes_equal(BYTES_OF(b.header.state_root), root)) {
        tally_fail(t, "genesis", "another hash or state root");
    } else {
        tally_pass(t, "genesis");
    }
}

bool evm_run_wire(const struct evm_file *f, struct tally *t) {
    const struct json *doc = f->json;
    const struct json *first =
        json_type_of(doc) == JSON_OBJECT ? json_member_value(json_first(doc)) : json_at(doc, 0);
    if (json_get(doc, "genesis_rlp_hex")) {
        run_genesis_hash(f, t);
    } else if (json_get(first, "txbytes") && json_get(first, "result")) {
        run_transactions(f, t);
    } else if (json_get(first, "in") && json_get(first, "root")) {
        run_trie(f, t);
    } else if (json_get(first, "in") && json_get(first, "out")) {
        run_rlp(f, t);
    } else if (json_get(first, "signed") && json_get(first, "unsigned")) {
        json_each(test, doc) {
            run_signing(f, t, test);
        }
    } else if (json_get(first, "sig_of_emptystring")) {
        json_each(test, doc) {
            run_key(f, t, test);
        }
    } else if (json_get(first, "decryption_type")) {
        tally_skip(t, "-", "AES-CTR and ECIES belong to devp2p, which this project does not speak");
    } else if (json_get(first, "inputs") && json_get(first, "result")) {
        tally_skip(t, "-", "headers of a format from before the first release");
    } else if (json_get(first, "seq") && json_get(first, "term")) {
        tally_skip(t, "-", "hex-prefix alone; every trie root goes through it");
    } else if (json_get(first, "in") && json_get(first, "tests")) {
        tally_skip(t, "-", "neighbours of a key: tries here are not walked in order");
    } else {
        return false;
    }
    return true;
}
