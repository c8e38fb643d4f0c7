/* SPDX-License-Identifier: MIT */
#include "crypto/bls_keystore.h"

#include "base/hex.h"
#include "base/random.h"
#include "crypto/bls_scalar.h"
#include "crypto/kdf.h"
#include "crypto/sha256.h"
#include "json/json.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

int bls_derive_master(struct bls_secret_key *ret, struct bytes seed, struct error *why) {
    return bls_secret_key_generate(ret, seed, (struct bytes){0}, why);
}

#define CHUNKS 255
#define CHUNK 32

/* Adds the hashes of one half of the Lamport key. */
static int hash_lamport(struct sha256 *s, struct bytes ikm, struct bytes salt, struct error *why) {
    uint8_t chunks[CHUNKS * CHUNK];
    struct hash prk;
    int r = hkdf_sha256_extract(&prk, salt, ikm, why);
    if (r == 0) r = hkdf_sha256_expand(chunks, sizeof chunks, &prk, (struct bytes){0}, why);
    for (size_t i = 0; i < CHUNKS && r == 0; i++) {
        struct hash h = sha256(bytes_make(chunks + i * CHUNK, CHUNK));
        sha256_update(s, BYTES_OF(h));
    }
    bytes_wipe(chunks, sizeof chunks);
    bytes_wipe(&prk, sizeof prk);
    return r;
}

int bls_derive_child(struct bls_secret_key *ret, const struct bls_secret_key *parent,
                     uint32_t index, struct error *why) {
    uint8_t salt[4], ikm[32];
    struct sha256 s;
    store_be32(salt, index);
    bls_secret_key_store(ikm, parent);
    sha256_init(&s);
    int r = hash_lamport(&s, bytes_make(ikm, 32), bytes_make(salt, 4), why);
    for (size_t i = 0; i < sizeof ikm; i++)
        ikm[i] = (uint8_t)~ikm[i];
    if (r == 0) r = hash_lamport(&s, bytes_make(ikm, 32), bytes_make(salt, 4), why);
    struct hash compressed = sha256_final(&s);
    if (r == 0) r = bls_secret_key_generate(ret, BYTES_OF(compressed), (struct bytes){0}, why);
    bytes_wipe(ikm, sizeof ikm);
    bytes_wipe(&s, sizeof s); // its state is the compressed key, too
    bytes_wipe(&compressed, sizeof compressed);
    return r;
}

/* One "/number" of a path; moves *at past it. */
static int read_index(uint32_t *ret, const char **at, struct error *why) {
    const char *s = *at;
    uint64_t v = 0;
    if (*s++ != '/' || *s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9')) {
        return error_set(why, ERR_SYNTAX, "key path: \"/\" and a number are due at \"%s\"", *at);
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (uint64_t)(*s - '0');
        if (v > UINT32_MAX) return error_set(why, ERR_SYNTAX, "key path: index above 2^32-1");
    }
    *ret = (uint32_t)v;
    *at = s;
    return 0;
}

int bls_derive_path(struct bls_secret_key *ret, struct bytes seed, const char *path,
                    struct error *why) {
    struct bls_secret_key key;
    uint32_t indices[BLS_PATH_DEPTH_MAX];
    size_t depth = 0;
    int r;
    if (*path++ != 'm') return error_set(why, ERR_SYNTAX, "key path does not begin with m");
    while (*path) {
        if (depth == BLS_PATH_DEPTH_MAX) {
            return error_set(why, ERR_LIMIT, "key path deeper than %d", BLS_PATH_DEPTH_MAX);
        }
        if ((r = read_index(&indices[depth++], &path, why)) < 0) return r;
    }
    r = bls_derive_master(&key, seed, why);
    for (size_t i = 0; i < depth && r == 0; i++)
        r = bls_derive_child(&key, &key, indices[i], why);
    if (r == 0) *ret = key;
    bytes_wipe(&key, sizeof key);
    return r;
}

/* Keystores. */

static bool is_control(const uint8_t *p, size_t n) {
    if (*p < 0x20 || *p == 0x7f) return true;
    return n > 1 && *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0; // U+0080 .. U+009F
}

#define NFKD_GROWTH 11 /* U+FDFA becomes 33 bytes of 3; nothing grows more */

/* NFKD without control codes, in memory for the caller to wipe and free. There is room for the
 * longest: libunistring makes no copy of its own, which nobody would wipe. */
static int normalize_password(uint8_t **ret, size_t *ret_n, struct bytes in, struct error *why) {
    if (u8_check(in.p, in.n)) return error_set(why, ERR_SYNTAX, "password is not UTF-8");
    size_t n = NFKD_GROWTH * in.n, kept = 0;
    uint8_t *p = malloc(n + 1);
    if (!p || (in.n && u8_normalize(UNINORM_NFKD, in.p, in.n, p, &n) != p)) {
        free(p);
        return error_set(why, ERR_NO_MEMORY, "no memory for a password");
    }
    for (size_t i = 0; i < n;) {
        if (is_control(p + i, n - i)) {
            i += p[i] == 0xc2 ? 2 : 1;
        } else {
            p[kept++] = p[i++];
        }
    }
    bytes_wipe(p + kept, n - kept);
    *ret = p;
    *ret_n = kept;
    return 0;
}

static int derive_key(uint8_t ret[32], const struct keystore *k, struct bytes password,
                      struct error *why) {
    struct bytes salt = bytes_make(k->salt, k->salt_bytes), normal;
    uint8_t *p = NULL;
    size_t n = 0;
    int r = normalize_password(&p, &n, password, why);
    if (r < 0) return r;
    normal = bytes_make(p, n);
    if (k->kdf == KEYSTORE_SCRYPT) {
        r = scrypt(ret, 32, normal, salt, k->n, k->r, k->p, why);
    } else if (k->iterations > KEYSTORE_ITERATIONS_MAX) {
        r = error_set(why, ERR_LIMIT, "keystore asks for more than %d iterations",
                      KEYSTORE_ITERATIONS_MAX);
    } else {
        r = pbkdf2_sha256(ret, 32, normal, salt, k->iterations, why);
    }
    bytes_wipe(p, n);
    free(p);
    return r;
}

/* SHA-256 of the key's second half and the ciphertext. */
static struct hash checksum_of(const struct keystore *k, const uint8_t key[32]) {
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes_make(key + 16, 16));
    sha256_update(&s, bytes_make(k->message, 32));
    struct hash checksum = sha256_final(&s);
    bytes_wipe(&s, sizeof s);
    return checksum;
}

int keystore_open(struct bls_secret_key *ret, const struct keystore *k, struct bytes password,
                  struct error *why) {
    uint8_t key[32], secret[32];
    struct bls_secret_key sk = {0};
    int r = derive_key(key, k, password, why);
    if (r < 0) return r;
    struct hash checksum = checksum_of(k, key);
    if (!bytes_equal_secret(BYTES_OF(checksum), bytes_make(k->checksum, 32))) {
        r = error_set(why, ERR_AUTH, "wrong password for the keystore");
        goto out;
    }
    if ((r = aes128_ctr(secret, key, k->iv, bytes_make(k->message, 32), why)) < 0) goto out;
    if ((r = bls_secret_key_load(&sk, secret, why)) < 0) goto out;
    if (k->has_public_key) {
        struct bytes48 public_key;
        bls_public_key_of(&public_key, &sk);
        if (memcmp(public_key.b, k->public_key.b, 48) != 0) {
            r = error_set(why, ERR_INVALID, "keystore's key has another public key than it says");
            goto out;
        }
    }
    *ret = sk;
out:
    bytes_wipe(key, sizeof key);
    bytes_wipe(secret, sizeof secret);
    bytes_wipe(&sk, sizeof sk);
    return r;
}

int keystore_make(struct keystore *ret, const struct bls_secret_key *sk, enum keystore_kdf kdf,
                  struct bytes password, const char *path, struct error *why) {
    struct keystore k = {.kdf = kdf,
                         .n = 262144,
                         .r = 8,
                         .p = 1,
                         .iterations = 262144,
                         .salt_bytes = 32,
                         .has_public_key = true};
    uint8_t key[32], secret[32], u[16];
    if (strlen(path) >= sizeof k.path) return error_set(why, ERR_LIMIT, "key path too long");
    memcpy(k.path, path, strlen(path));
    random_bytes(k.salt, k.salt_bytes);
    random_bytes(k.iv, sizeof k.iv);
    random_bytes(u, sizeof u);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40); // RFC 9562 version 4
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    snprintf(k.uuid, sizeof k.uuid, "%08x-%04x-%04x-%04x-%04x%08x", load_be32(u), load_be16(u + 4),
             load_be16(u + 6), load_be16(u + 8), load_be16(u + 10), load_be32(u + 12));
    int r = derive_key(key, &k, password, why);
    if (r < 0) return r;
    bls_secret_key_store(secret, sk);
    r = aes128_ctr(k.message, key, k.iv, bytes_make(secret, 32), why);
    struct hash checksum = checksum_of(&k, key);
    memcpy(k.checksum, checksum.b, 32);
    bls_public_key_of(&k.public_key, sk);
    bytes_wipe(key, sizeof key);
    bytes_wipe(secret, sizeof secret);
    if (r == 0) *ret = k;
    return r;
}

/* JSON. */

static int get_hex(uint8_t *ret, size_t n, const struct json *object, const char *key,
                   struct error *why) {
    struct bytes text;
    int r = json_get_string(&text, object, key, why);
    if (r < 0) return r;
    if (text.n != 2 * n) {
        return error_set(why, ERR_SYNTAX, "keystore: %s is not %zu bytes of hex", key, n);
    }
    return hex_decode(ret, text, why);
}

static int expect_function(const struct json *module, const char *name, struct error *why) {
    struct bytes text;
    int r = json_get_string(&text, module, "function", why);
    if (r < 0) return r;
    if (!bytes_equal_str(text, name)) {
        return error_set(why, ERR_UNSUPPORTED, "keystore: function is not %s", name);
    }
    return 0;
}

static int parse_kdf(struct keystore *k, const struct json *kdf, struct error *why) {
    const struct json *params = json_get(kdf, "params");
    struct bytes function, text;
    uint64_t dklen;
    int r;
    if ((r = json_get_string(&function, kdf, "function", why)) < 0) return r;
    if ((r = json_get_u64(&dklen, params, "dklen", why)) < 0) return r;
    if (dklen != 32) return error_set(why, ERR_UNSUPPORTED, "keystore: dklen is not 32");
    if ((r = json_get_string(&text, params, "salt", why)) < 0) return r;
    if (text.n > 2 * KEYSTORE_SALT_MAX) return error_set(why, ERR_LIMIT, "keystore: long salt");
    if ((r = hex_decode(k->salt, text, why)) < 0) return r;
    k->salt_bytes = text.n / 2;
    if (bytes_equal_str(function, "scrypt")) {
        k->kdf = KEYSTORE_SCRYPT;
        if ((r = json_get_u64(&k->n, params, "n", why)) < 0) return r;
        if ((r = json_get_u64(&k->r, params, "r", why)) < 0) return r;
        return json_get_u64(&k->p, params, "p", why);
    }
    if (!bytes_equal_str(function, "pbkdf2")) {
        return error_set(why, ERR_UNSUPPORTED, "keystore: unknown key derivation function");
    }
    k->kdf = KEYSTORE_PBKDF2;
    if ((r = json_get_string(&text, params, "prf", why)) < 0) return r;
    if (!bytes_equal_str(text, "hmac-sha256")) {
        return error_set(why, ERR_UNSUPPORTED, "keystore: prf is not hmac-sha256");
    }
    return json_get_u64(&k->iterations, params, "c", why);
}

static int copy_text(char *ret, size_t room, const struct json *object, const char *key,
                     struct error *why) {
    struct bytes text;
    if (json_is_null(json_get(object, key)) || !json_get(object, key)) return 0;
    int r = json_get_string(&text, object, key, why);
    if (r < 0) return r;
    if (text.n >= room) return error_set(why, ERR_LIMIT, "keystore: long %s", key);
    memcpy(ret, text.p, text.n);
    return 0;
}

int keystore_parse(struct keystore *ret, struct bytes json, struct arena *a, struct error *why) {
    struct keystore k = {0};
    const struct json *doc;
    char public_key[sizeof "0x" + 2 * sizeof k.public_key.b] = "";
    uint64_t version;
    int r = json_parse(&doc, json, a, NULL, why);
    if (r < 0) return r;
    if ((r = json_get_u64(&version, doc, "version", why)) < 0) return r;
    if (version != 4) return error_set(why, ERR_UNSUPPORTED, "keystore version is not 4");
    const struct json *crypto = json_get(doc, "crypto"), *checksum = json_get(crypto, "checksum"),
                      *cipher = json_get(crypto, "cipher");
    if ((r = parse_kdf(&k, json_get(crypto, "kdf"), why)) < 0 ||
        (r = expect_function(checksum, "sha256", why)) < 0 ||
        (r = get_hex(k.checksum, 32, checksum, "message", why)) < 0 ||
        (r = expect_function(cipher, "aes-128-ctr", why)) < 0 ||
        (r = get_hex(k.iv, 16, json_get(cipher, "params"), "iv", why)) < 0 ||
        (r = get_hex(k.message, 32, cipher, "message", why)) < 0 ||
        (r = copy_text(k.path, sizeof k.path, doc, "path", why)) < 0 ||
        (r = copy_text(k.uuid, sizeof k.uuid, doc, "uuid", why)) < 0 ||
        (r = copy_text(public_key, sizeof public_key, doc, "pubkey", why)) < 0) {
        return r;
    }
    struct bytes text = bytes_from_str(public_key);
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    k.has_public_key = public_key[0] != 0;
    if (k.has_public_key && text.n != 2 * sizeof k.public_key.b) {
        return error_set(why, ERR_SYNTAX, "keystore: pubkey is not 48 bytes");
    }
    if (k.has_public_key && (r = hex_decode(k.public_key.b, text, why)) < 0) return r;
    *ret = k;
    return 0;
}

static void add_hex(struct json_writer *w, const char *key, const uint8_t *p, size_t n) {
    char text[2 * KEYSTORE_SALT_MAX];
    hex_encode(text, bytes_make(p, n));
    json_add_text(w, key, bytes_make(text, 2 * n));
}

static void write_kdf(struct json_writer *w, const struct keystore *k) {
    json_begin_object(w, "kdf");
    json_add_str(w, "function", k->kdf == KEYSTORE_SCRYPT ? "scrypt" : "pbkdf2");
    json_begin_object(w, "params");
    json_add_u64(w, "dklen", 32);
    if (k->kdf == KEYSTORE_SCRYPT) {
        json_add_u64(w, "n", k->n);
        json_add_u64(w, "r", k->r);
        json_add_u64(w, "p", k->p);
    } else {
        json_add_u64(w, "c", k->iterations);
        json_add_str(w, "prf", "hmac-sha256");
    }
    add_hex(w, "salt", k->salt, k->salt_bytes);
    json_end(w);
    json_add_str(w, "message", "");
    json_end(w);
}

void keystore_write(const struct keystore *k, struct buf *out) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "crypto");
    write_kdf(&w, k);
    json_begin_object(&w, "checksum");
    json_add_str(&w, "function", "sha256");
    json_begin_object(&w, "params");
    json_end(&w);
    add_hex(&w, "message", k->checksum, 32);
    json_end(&w);
    json_begin_object(&w, "cipher");
    json_add_str(&w, "function", "aes-128-ctr");
    json_begin_object(&w, "params");
    add_hex(&w, "iv", k->iv, 16);
    json_end(&w);
    add_hex(&w, "message", k->message, 32);
    json_end(&w);
    json_end(&w);
    json_add_str(&w, "description", "");
    if (k->has_public_key) add_hex(&w, "pubkey", k->public_key.b, 48);
    json_add_str(&w, "path", k->path);
    json_add_str(&w, "uuid", k->uuid);
    json_add_u64(&w, "version", 4);
    json_end(&w);
}
