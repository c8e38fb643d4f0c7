/* What a member of the store does: keys and values in tables. Internal to src/trie.
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_STORE_BACKEND_H
#define TRIE_STORE_BACKEND_H

#include "base/buf.h"
#include "trie/store.h"

enum store_table {
    STORE_HEAD,          /* one entry, "head" */
    STORE_ACCOUNTS,      /* account */
    STORE_SLOTS,         /* owner, slot */
    STORE_ACCOUNT_NODES, /* path */
    STORE_STORAGE_NODES, /* owner, path */
    STORE_BESIDE,        /* the first of enum trie_store_table */
    STORE_TABLES = STORE_BESIDE + TRIE_STORE_TABLES,
};

#define STORE_KEY_MAX 65

/* One collected write. */
struct store_write {
    enum store_table table;
    struct bytes key;
    struct bytes value; /* n = 0: removed */
    bool all;           /* remove all whose key begins with `key`, an owner */
};

/* store_batch_next takes the write at the front of *batch; false at the end. */
bool store_batch_next(struct bytes *batch, struct store_write *ret);

struct store_visitor {
    int (*visit)(void *arg, struct bytes key, struct bytes value, struct error *why);
    void *arg;
};

struct store_backend {
    /* get appends the value. Any thread. ERR_NOT_FOUND, ERR_IO, those of the buf. */
    int (*get)(struct trie_store *s, enum store_table table, struct bytes key, struct buf *ret,
               struct error *why);
    /* each visits what begins with a prefix, in any order, as it was at one time; a negative return
     * of the visitor ends it and is given back. The visitor must not call the store. Any thread. */
    int (*each)(struct trie_store *s, enum store_table table, struct bytes prefix,
                const struct store_visitor *visitor, struct error *why);
    /* commit makes the writes in their order, all or none. */
    int (*commit)(struct trie_store *s, struct bytes batch, struct error *why);
    void (*close)(struct trie_store *s);
};

/* The first member of each backend's own struct. */
struct trie_store {
    const struct store_backend *backend;
    struct buf batch;
};

void store_init(struct trie_store *s, const struct store_backend *backend);

#endif
