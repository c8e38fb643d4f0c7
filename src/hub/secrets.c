/* SPDX-License-Identifier: MIT */
#include "hub/secrets.h"

#include "hub/vault.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/map.h"
#include "base/random.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEAL_VERSION 1
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define DOCUMENT_MAX (4u << 20)
#define NAME_MAX_BYTES 120 /* of a builder whose file name is its hex digits */

enum kind { MEMORY, FILES, DATABASE, VAULT };

struct secrets {
    enum kind kind;
    char *folder;
    struct store *store;
    struct vault *vault;
    struct secret key;
    pthread_mutex_t lock; /* of the map */
    struct map documents; /* struct document by builder */
};

struct document {
    char *name;
    size_t n;
    uint8_t bytes[];
};

// Sealing

static int run_cipher(EVP_CIPHER_CTX *c, bool seal, uint8_t *ret, uint8_t *tag, struct bytes key,
                      const uint8_t *nonce, struct bytes builder, struct bytes in) {
    int n = 0, rest = 0;
    bool ok = EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key.p, nonce, seal) == 1;
    if (ok && !seal) ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1;
    if (ok && builder.n) ok = EVP_CipherUpdate(c, NULL, &n, builder.p, (int)builder.n) == 1;
    n = 0;
    if (ok && in.n) ok = EVP_CipherUpdate(c, ret, &n, in.p, (int)in.n) == 1;
    if (ok) ok = EVP_CipherFinal_ex(c, ret + n, &rest) == 1;
    if (ok && seal) ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
    return ok ? 0 : ERR_INVALID;
}

static int cipher(bool seal, uint8_t *ret, uint8_t *tag, struct bytes key, const uint8_t *nonce,
                  struct bytes builder, struct bytes in, struct error *why) {
    if (in.n > DOCUMENT_MAX) return error_set(why, ERR_LIMIT, "the document is too large");
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for a cipher");
    int r = run_cipher(c, seal, ret, tag, key, nonce, builder, in);
    EVP_CIPHER_CTX_free(c);
    if (r == 0) return 0;
    return error_set(why, ERR_INVALID, "the secret was sealed with another key, or changed");
}

int secrets_seal(struct buf *out, struct bytes key, struct bytes builder, struct bytes document,
                 struct error *why) {
    uint8_t *p = buf_reserve(out, 1 + NONCE_BYTES + document.n + TAG_BYTES);
    if (!p) return buf_check(out, why);
    p[0] = SEAL_VERSION;
    random_bytes(p + 1, NONCE_BYTES);
    uint8_t *text = p + 1 + NONCE_BYTES;
    int r = cipher(true, text, text + document.n, key, p + 1, builder, document, why);
    if (r == 0) buf_commit(out, 1 + NONCE_BYTES + document.n + TAG_BYTES);
    return r;
}

int secrets_unseal(struct buf *out, struct bytes key, struct bytes builder, struct bytes sealed,
                   struct error *why) {
    uint8_t tag[TAG_BYTES];
    if (sealed.n < 1 + NONCE_BYTES + TAG_BYTES || sealed.p[0] != SEAL_VERSION) {
        return error_set(why, ERR_INVALID, "not a sealed secret");
    }
    struct bytes text =
        bytes_slice(sealed, 1 + NONCE_BYTES, sealed.n - 1 - NONCE_BYTES - TAG_BYTES);
    memcpy(tag, sealed.p + sealed.n - TAG_BYTES, TAG_BYTES);
    uint8_t *p = buf_reserve(out, text.n + 1);
    if (!p) return buf_check(out, why);
    int r = cipher(false, p, tag, key, sealed.p + 1, builder, text, why);
    if (r == 0) buf_commit(out, text.n);
    return r;
}

// Backends

static int open_any(struct secrets **ret, enum kind kind, struct bytes key, struct error *why) {
    *ret = NULL;
    bool seals = kind == FILES || kind == DATABASE;
    if (seals && key.n != SECRETS_KEY_BYTES) {
        return error_set(why, ERR_RANGE, "the secrets key has %zu bytes instead of %d", key.n,
                         SECRETS_KEY_BYTES);
    }
    struct secrets *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for secrets");
    s->kind = kind;
    (void)pthread_mutex_init(&s->lock, NULL);
    map_init(&s->documents, 0);
    int r = key.n ? secret_copy(&s->key, key, why) : 0;
    if (r != 0) {
        secrets_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int secrets_memory(struct secrets **ret, struct error *why) {
    return open_any(ret, MEMORY, (struct bytes){NULL, 0}, why);
}

int secrets_files(struct secrets **ret, const char *folder, struct bytes key, struct error *why) {
    int r = open_any(ret, FILES, key, why);
    if (r != 0) return r;
    (*ret)->folder = strdup(folder);
    if (!(*ret)->folder) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for secrets");
    } else if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        r = error_set_os(why, ERR_IO, errno, "cannot make the folder %s", folder);
    }
    if (r == 0) return 0;
    secrets_close(*ret);
    *ret = NULL;
    return r;
}

int secrets_database(struct secrets **ret, struct store *store, struct bytes key,
                     struct error *why) {
    int r = open_any(ret, DATABASE, key, why);
    if (r == 0) (*ret)->store = store;
    return r;
}

int secrets_vault(struct secrets **ret, struct vault *v, struct error *why) {
    int r = open_any(ret, VAULT, (struct bytes){NULL, 0}, why);
    if (r == 0) (*ret)->vault = v;
    return r;
}

int secrets_set_token(struct secrets *s, struct bytes token, struct error *why) {
    return s->kind == VAULT ? vault_set_token(s->vault, token, why) : 0;
}

static void document_free(struct document *d) {
    if (!d) return;
    bytes_wipe(d->bytes, d->n);
    free(d->name);
    free(d);
}

void secrets_close(struct secrets *s) {
    size_t at = 0;
    void *value;
    struct bytes key;
    if (!s) return;
    vault_free(s->vault);
    while (map_next(&s->documents, &at, &key, &value)) {
        document_free(value);
    }
    map_free(&s->documents);
    secret_free(&s->key);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->folder);
    free(s);
}

bool secrets_raw(const struct secrets *s) {
    return s->kind == MEMORY;
}

bool secrets_apart(const struct secrets *s) {
    return s->kind != DATABASE;
}

static int get_memory(struct secrets *s, struct bytes builder, struct buf *out, struct error *why) {
    (void)pthread_mutex_lock(&s->lock);
    const struct document *d = map_get(&s->documents, builder);
    if (d) buf_append(out, bytes_make(d->bytes, d->n));
    (void)pthread_mutex_unlock(&s->lock);
    return d ? buf_check(out, why) : error_set(why, ERR_NOT_FOUND, "no secret of this builder");
}

static int set_memory(struct secrets *s, struct bytes builder, struct bytes document,
                      struct error *why) {
    struct document *d = malloc(sizeof *d + document.n);
    void *old = NULL;
    char *name = strndup((const char *)builder.p, builder.n);
    if (!d || !name) {
        free(d);
        free(name);
        return error_set(why, ERR_NO_MEMORY, "no memory for a secret");
    }
    d->name = name;
    d->n = document.n;
    if (document.n) memcpy(d->bytes, document.p, document.n);
    (void)pthread_mutex_lock(&s->lock);
    int r = map_put(&s->documents, bytes_make(d->name, builder.n), d, &old, why);
    (void)pthread_mutex_unlock(&s->lock);
    document_free(r == 0 ? old : d);
    return r;
}

// The name in hex digits: no builder's name can leave the folder.
static int file_path(const struct secrets *s, struct buf *path, struct bytes builder,
                     struct error *why) {
    if (builder.n == 0 || builder.n > NAME_MAX_BYTES) {
        return error_set(why, ERR_RANGE, "a builder with secrets has a name of 1 to %d bytes",
                         NAME_MAX_BYTES);
    }
    buf_append_str(path, s->folder);
    buf_append_byte(path, '/');
    hex_append(path, builder);
    buf_append_str(path, ".sealed");
    buf_append_byte(path, 0);
    return buf_check(path, why);
}

static int get_file(struct secrets *s, struct bytes builder, struct buf *out, struct error *why) {
    struct buf path, sealed;
    buf_init(&path, 0);
    buf_init(&sealed, DOCUMENT_MAX + 64);
    int r = file_path(s, &path, builder, why);
    if (r == ERR_RANGE) r = error_set(why, ERR_NOT_FOUND, "no secret of this builder");
    if (r == 0) r = file_read(&sealed, (const char *)path.p, why);
    if (r == 0) {
        r = secrets_unseal(out, secret_view(&s->key), builder, buf_view(&sealed), why);
    }
    buf_free(&path);
    buf_free(&sealed);
    return r;
}

static int set_file(struct secrets *s, struct bytes builder, struct bytes sealed,
                    struct error *why) {
    struct buf path;
    buf_init(&path, 0);
    int r = file_path(s, &path, builder, why);
    if (r == 0) r = file_write_atomic((const char *)path.p, sealed, NULL, why);
    buf_free(&path);
    return r;
}

static void delete_memory(struct secrets *s, struct bytes builder) {
    (void)pthread_mutex_lock(&s->lock);
    document_free(map_remove(&s->documents, builder));
    (void)pthread_mutex_unlock(&s->lock);
}

static int delete_file(struct secrets *s, struct bytes builder, struct error *why) {
    struct buf path;
    buf_init(&path, 0);
    int r = file_path(s, &path, builder, why);
    if (r == 0 && unlink((const char *)path.p) != 0 && errno != ENOENT) {
        r = error_set_os(why, ERR_IO, errno, "cannot remove a secret");
    }
    if (r == 0) r = file_sync_folder((const char *)path.p, why);
    buf_free(&path);
    return r == ERR_RANGE ? 0 : r; // no file has such a name
}

static int take_hex(void *context, struct bytes digits, struct error *why) {
    struct buf *out = context;
    uint8_t *p = buf_reserve(out, digits.n / 2 + 1);
    if (!p) return buf_check(out, why);
    int r = hex_decode(p, digits, why);
    if (r == 0) buf_commit(out, digits.n / 2);
    return r;
}

int secrets_get(struct secrets *s, struct bytes builder, struct buf *out, struct error *why) {
    if (s->kind == MEMORY) return get_memory(s, builder, out, why);
    if (s->kind == FILES) return get_file(s, builder, out, why);
    if (s->kind == VAULT) return vault_get(s->vault, builder, out, why);
    struct buf sealed;
    buf_init(&sealed, 0);
    int r = store_secret(s->store, builder, take_hex, &sealed, why);
    if (r == 0) {
        r = secrets_unseal(out, secret_view(&s->key), builder, buf_view(&sealed), why);
    }
    buf_free(&sealed);
    return r;
}

static int set_apart(struct secrets *s, struct bytes builder, struct bytes sealed,
                     struct bytes document, struct error *why) {
    if (s->kind == MEMORY) return set_memory(s, builder, document, why);
    if (s->kind == FILES) return set_file(s, builder, sealed, why);
    return vault_put(s->vault, builder, document, why);
}

// After the change outside the database: what came of it, and that others look again. The document
// is as it is whether this is stored or not; others then see it with their next refresh.
static void tell(struct store *log, const struct store_batch *change, struct bytes builder,
                 bool done) {
    struct store_batch after;
    struct error why;
    batch_init(&after, change->arena, change->author, change->reason);
    if (!done) batch_change(&after, "secret not set", builder);
    batch_notify(&after, log, builder);
    if (after.first) (void)!store_commit(log, &after, NULL, &why);
}

int secrets_set(struct secrets *s, struct store *log, struct store_batch *change,
                struct bytes builder, struct bytes document, struct error *why) {
    struct buf sealed;
    int r = 0;
    buf_init(&sealed, 0);
    if (s->kind == FILES || s->kind == DATABASE) {
        r = secrets_seal(&sealed, secret_view(&s->key), builder, document, why);
    }
    if (s->kind == DATABASE) {
        batch_secret_set(change, builder, buf_view(&sealed));
    } else {
        batch_change(change, "secret set", builder);
    }
    if (r == 0) r = store_commit(log, change, NULL, why);
    if (r == 0 && s->kind != DATABASE) {
        r = set_apart(s, builder, buf_view(&sealed), document, why);
        tell(log, change, builder, r == 0);
    }
    buf_free(&sealed);
    return r;
}

int secrets_delete(struct secrets *s, struct bytes builder, struct error *why) {
    if (s->kind == MEMORY) delete_memory(s, builder);
    if (s->kind == FILES) return delete_file(s, builder, why);
    return s->kind == VAULT ? vault_delete(s->vault, builder, why) : 0;
}
