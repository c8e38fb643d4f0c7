/* SPDX-License-Identifier: MIT */
#include "orderflow/peers.h"

#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

struct peers {
    pthread_rwlock_t lock; /* guards entries, count, by_signer */
    struct peers_entry *entries;
    size_t count;
    struct map by_signer;
    bool has_trusted;
    struct address trusted;
};

int peers_new(struct peers **ret, const struct address *trusted, struct error *why) {
    struct peers *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for peers");
    (void)pthread_rwlock_init(&p->lock, NULL);
    map_init(&p->by_signer, 0);
    p->has_trusted = trusted != NULL;
    if (trusted) p->trusted = *trusted;
    *ret = p;
    return 0;
}

void peers_free(struct peers *p) {
    if (!p) return;
    map_free(&p->by_signer);
    free(p->entries);
    (void)pthread_rwlock_destroy(&p->lock);
    free(p);
}

int peers_set(struct peers *p, const struct peers_entry *entries, size_t count, struct error *why) {
    struct map fresh;
    struct peers_entry *copy = calloc(count > 0 ? count : 1, sizeof *copy);
    if (!copy) return error_set(why, ERR_NO_MEMORY, "no memory for peers");
    map_init(&fresh, 0);
    for (size_t i = 0; i < count; i++) {
        copy[i] = entries[i];
        int r = map_put(&fresh, BYTES_OF(copy[i].signer), &copy[i], NULL, why);
        if (r == 0) continue;
        map_free(&fresh);
        free(copy);
        return r;
    }
    (void)pthread_rwlock_wrlock(&p->lock);
    struct map old = p->by_signer;
    struct peers_entry *old_entries = p->entries;
    p->by_signer = fresh;
    p->entries = copy;
    p->count = count;
    (void)pthread_rwlock_unlock(&p->lock);
    map_free(&old);
    free(old_entries);
    return 0;
}

bool peers_find(struct peers *p, char ret_name[FLOW_PEER_NAME_MAX], bool *ret_trusted,
                const struct address *signer) {
    *ret_trusted = p->has_trusted && address_equal(&p->trusted, signer);
    if (*ret_trusted) {
        memcpy(ret_name, PEER_TRUSTED_NAME, sizeof PEER_TRUSTED_NAME);
        return true;
    }
    (void)pthread_rwlock_rdlock(&p->lock);
    const struct peers_entry *e = map_get(&p->by_signer, BYTES_OF(*signer));
    if (e) memcpy(ret_name, e->name, FLOW_PEER_NAME_MAX);
    (void)pthread_rwlock_unlock(&p->lock);
    return e != NULL;
}

size_t peers_count(struct peers *p) {
    (void)pthread_rwlock_rdlock(&p->lock);
    size_t n = p->count;
    (void)pthread_rwlock_unlock(&p->lock);
    return n;
}
