/* The store on disk: one LMDB environment, one database for each table.
 *
 * LMDB writes changed pages beside the old ones and then one of two meta pages, so that a commit is
 * there or not, whenever the process or the machine stops. Its map is grown between transactions:
 * a commit that does not fit is made again in a map of twice the size.
 *
 * SPDX-License-Identifier: MIT */
#include "trie/store_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES ((size_t)1 << 30)
#define READERS_MAX 256
#define IDLE_MAX 64

static const char *const table_names[STORE_TABLES] = {
    "head",   "accounts", "slots",  "account_nodes", "storage_nodes", "codes",
    "blocks", "outcomes", "hashes", "txs",           "marks",
};

struct lmdb {
    struct trie_store store;
    MDB_env *env;
    MDB_dbi tables[STORE_TABLES];
    size_t map_bytes;
    int lock_fd;
    pthread_rwlock_t map_lock;  /* of the map's size: readers hold it, growing takes it */
    pthread_mutex_t idle_mutex; /* of the two below */
    MDB_txn *idle[IDLE_MAX];    /* reset read transactions */
    size_t idle_n;
};

static int failed(int code, const char *what, struct error *why) {
    if (code == MDB_NOTFOUND) return error_set(why, ERR_NOT_FOUND, "nothing is stored there");
    if (code == ENOMEM) return error_set(why, ERR_NO_MEMORY, "store: %s: no memory", what);
    return error_set(why, ERR_IO, "store: %s: %s", what, mdb_strerror(code));
}

static MDB_val val(struct bytes b) {
    return (MDB_val){b.n, (void *)(uintptr_t)b.p}; // LMDB only reads it
}

// Reading

static int reader_take(struct lmdb *l, MDB_txn **ret) {
    *ret = NULL;
    (void)pthread_mutex_lock(&l->idle_mutex);
    if (l->idle_n) *ret = l->idle[--l->idle_n];
    (void)pthread_mutex_unlock(&l->idle_mutex);
    return *ret ? mdb_txn_renew(*ret) : mdb_txn_begin(l->env, NULL, MDB_RDONLY, ret);
}

static void reader_give(struct lmdb *l, MDB_txn *txn) {
    mdb_txn_reset(txn);
    (void)pthread_mutex_lock(&l->idle_mutex);
    bool room = l->idle_n < IDLE_MAX;
    if (room) l->idle[l->idle_n++] = txn;
    (void)pthread_mutex_unlock(&l->idle_mutex);
    if (!room) mdb_txn_abort(txn);
}

static int get(struct trie_store *s, enum store_table table, struct bytes key, struct buf *ret,
               struct error *why) {
    struct lmdb *l = (struct lmdb *)s;
    MDB_txn *txn;
    MDB_val k = val(key), v = {0};
    (void)pthread_rwlock_rdlock(&l->map_lock);
    int code = reader_take(l, &txn);
    if (code == 0) {
        code = mdb_get(txn, l->tables[table], &k, &v);
        if (code == 0) buf_append(ret, bytes_make(v.mv_data, v.mv_size));
        reader_give(l, txn);
    } else if (txn) {
        mdb_txn_abort(txn);
    }
    (void)pthread_rwlock_unlock(&l->map_lock);
    return code == 0 ? buf_check(ret, why) : failed(code, "read", why);
}

static int walk(MDB_txn *txn, MDB_dbi table, struct bytes prefix,
                const struct store_visitor *visitor, int *ret_stopped, struct error *why) {
    MDB_cursor *cursor;
    MDB_val k = val(prefix), v;
    int code = mdb_cursor_open(txn, table, &cursor);
    if (code != 0) return code;
    code = mdb_cursor_get(cursor, &k, &v, prefix.n ? MDB_SET_RANGE : MDB_FIRST);
    while (code == 0 && *ret_stopped == 0) {
        struct bytes key = bytes_make(k.mv_data, k.mv_size);
        if (!bytes_starts_with(key, prefix)) break;
        *ret_stopped = visitor->visit(visitor->arg, key, bytes_make(v.mv_data, v.mv_size), why);
        if (*ret_stopped == 0) code = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int each(struct trie_store *s, enum store_table table, struct bytes prefix,
                const struct store_visitor *visitor, struct error *why) {
    struct lmdb *l = (struct lmdb *)s;
    MDB_txn *txn;
    int stopped = 0;
    (void)pthread_rwlock_rdlock(&l->map_lock);
    int code = reader_take(l, &txn);
    if (code == 0) {
        code = walk(txn, l->tables[table], prefix, visitor, &stopped, why);
        reader_give(l, txn);
    } else if (txn) {
        mdb_txn_abort(txn);
    }
    (void)pthread_rwlock_unlock(&l->map_lock);
    if (code != 0) return failed(code, "read", why);
    return stopped;
}

// Writing

static int delete_all(MDB_txn *txn, MDB_dbi table, struct bytes owner) {
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, table, &cursor);
    if (code != 0) return code;
    for (;;) {
        MDB_val k = val(owner), v;
        code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        if (code != 0 || !bytes_starts_with(bytes_make(k.mv_data, k.mv_size), owner)) break;
        code = mdb_cursor_del(cursor, 0);
        if (code != 0) break;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int write_one(const struct lmdb *l, MDB_txn *txn, const struct store_write *w) {
    MDB_dbi table = l->tables[w->table];
    if (w->all) return delete_all(txn, table, w->key);
    MDB_val k = val(w->key), v = val(w->value);
    if (w->value.n) return mdb_put(txn, table, &k, &v, 0);
    int code = mdb_del(txn, table, &k, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

static int try_commit(const struct lmdb *l, struct bytes batch) {
    MDB_txn *txn;
    struct store_write w;
    int code = mdb_txn_begin(l->env, NULL, 0, &txn);
    if (code != 0) return code;
    while (code == 0 && store_batch_next(&batch, &w)) {
        code = write_one(l, txn, &w);
    }
    if (code == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

static bool has_address_space(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    (void)munmap(p, bytes);
    return true;
}

// LMDB gives the old map up before it asks for the new one, and has none at all when that fails:
// so it is asked for here first.
static int grow(struct lmdb *l) {
    (void)pthread_rwlock_wrlock(&l->map_lock);
    bool room = l->map_bytes <= SIZE_MAX / 4 && has_address_space(2 * l->map_bytes);
    int code = room ? mdb_env_set_mapsize(l->env, 2 * l->map_bytes) : ENOMEM;
    if (code == 0) l->map_bytes *= 2;
    (void)pthread_rwlock_unlock(&l->map_lock);
    return code;
}

static int commit(struct trie_store *s, struct bytes batch, struct error *why) {
    struct lmdb *l = (struct lmdb *)s;
    int code = try_commit(l, batch);
    while (code == MDB_MAP_FULL) {
        code = grow(l);
        if (code == 0) code = try_commit(l, batch);
    }
    return code == 0 ? 0 : failed(code, "commit", why);
}

// Life

static void close_lmdb(struct trie_store *s) {
    struct lmdb *l = (struct lmdb *)s;
    for (size_t i = 0; i < l->idle_n; i++) {
        mdb_txn_abort(l->idle[i]);
    }
    if (l->env) mdb_env_close(l->env);
    if (l->lock_fd >= 0) (void)close(l->lock_fd);
    (void)pthread_mutex_destroy(&l->idle_mutex);
    (void)pthread_rwlock_destroy(&l->map_lock);
    free(l);
}

static int take_folder(struct lmdb *l, const char *folder, struct error *why) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/writer.lock", folder);
    if (n < 0 || (size_t)n >= sizeof path) return error_set(why, ERR_LIMIT, "store: path too long");
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return error_set_os(why, ERR_IO, errno, "store: cannot make '%.80s'", folder);
    }
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0) {
        return error_set_os(why, ERR_IO, errno, "store: cannot open '%.80s'", path);
    }
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(why, ERR_BUSY, "store: another process has '%.80s' open", folder);
    }
    return 0;
}

static int open_tables(struct lmdb *l) {
    MDB_txn *txn;
    int code = mdb_txn_begin(l->env, NULL, 0, &txn);
    if (code != 0) return code;
    for (int i = 0; i < STORE_TABLES && code == 0; i++) {
        code = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &l->tables[i]);
    }
    if (code == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

static int open_environment(struct lmdb *l, const char *folder, bool relaxed) {
    // Pages are found by hashes: reading ahead would only fill memory.
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (relaxed ? MDB_NOMETASYNC : 0);
    int code = mdb_env_create(&l->env);
    if (code == 0) code = mdb_env_set_maxdbs(l->env, STORE_TABLES);
    if (code == 0) code = mdb_env_set_maxreaders(l->env, READERS_MAX);
    if (code == 0) code = mdb_env_set_mapsize(l->env, l->map_bytes);
    if (code == 0) code = mdb_env_open(l->env, folder, flags, 0600);
    MDB_envinfo info;
    if (code == 0) code = mdb_env_info(l->env, &info);
    if (code == 0) l->map_bytes = info.me_mapsize; // a larger one may be on disk
    return code == 0 ? open_tables(l) : code;
}

int trie_store_open_lmdb(struct trie_store **ret, const char *folder,
                         const struct trie_store_lmdb_options *options, struct error *why) {
    static const struct store_backend backend = {get, each, commit, close_lmdb};
    const struct trie_store_lmdb_options none = {0};
    if (!options) options = &none;
    struct lmdb *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for a store");
    store_init(&l->store, &backend);
    l->lock_fd = -1;
    l->map_bytes = options->map_bytes ? options->map_bytes : MAP_BYTES;
    (void)pthread_rwlock_init(&l->map_lock, NULL);
    (void)pthread_mutex_init(&l->idle_mutex, NULL);
    int r = take_folder(l, folder, why);
    int code = r == 0 ? open_environment(l, folder, options->relaxed) : 0;
    if (code != 0) r = failed(code, "open", why);
    if (r != 0) {
        trie_store_close(&l->store);
        return r;
    }
    *ret = &l->store;
    return 0;
}
