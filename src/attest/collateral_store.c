/* SPDX-License-Identifier: MIT */
#include "attest/collateral_store.h"
#include "attest/chain.h"
#include "attest/files.h"
#include "base/hex.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RENEW_AHEAD_S 21600
#define RETRY_S 60

struct collateral_item {
    struct collateral *collateral;
    struct collateral_window window;
    atomic_uint references;
};

struct slot {
    struct collateral_key key;
    struct collateral_item *item; // NULL: wanted, not yet there
    uint64_t due_s;
    uint64_t failures;
    char last_error[120];
    bool busy; // being fetched
};

struct collateral_store {
    struct collateral_store_options o;
    char folder[PATH_MAX / 2];
    pthread_mutex_t lock; // guards everything below
    struct trust_root root;
    pthread_cond_t wake;
    struct slot slots[COLLATERAL_STORE_ITEMS_MAX];
    size_t n;
    bool stopping, running;
    pthread_t thread;
};

static uint64_t now_s(const struct collateral_store *s) {
    return clock_wall_ns(s->o.clock) / NS_PER_S;
}

static bool key_equal(const struct collateral_key *a, const struct collateral_key *b) {
    return a->tee == b->tee && a->platform_ca == b->platform_ca &&
           memcmp(a->fmspc, b->fmspc, 6) == 0;
}

static int read_root(struct trust_root *ret, struct bytes root, struct error *why) {
    return root.n ? trust_root_parse(ret, root, why) : trust_root_intel(ret, why);
}

int collateral_store_new(struct collateral_store **ret, const struct collateral_store_options *o,
                         struct error *why) {
    struct collateral_store *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "collateral store");
    s->o = *o;
    if (!s->o.clock) s->o.clock = &clock_system;
    if (!s->o.renew_ahead_s) s->o.renew_ahead_s = RENEW_AHEAD_S;
    if (!s->o.retry_s) s->o.retry_s = RETRY_S;
    if (o->folder && strlen(o->folder) >= sizeof s->folder) {
        free(s);
        return error_set(why, ERR_LIMIT, "collateral store: path too long");
    }
    if (o->folder) memcpy(s->folder, o->folder, strlen(o->folder) + 1);
    int code = read_root(&s->root, o->root, why);
    if (code < 0) {
        free(s);
        return code;
    }
    s->o.root = (struct bytes){NULL, 0}; // the caller's bytes
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->wake, NULL);
    *ret = s;
    return 0;
}

int collateral_store_trust(struct collateral_store *s, struct bytes root, struct error *why) {
    struct trust_root fresh, old;
    int code = read_root(&fresh, root, why);
    if (code < 0) return code;
    (void)pthread_mutex_lock(&s->lock);
    old = s->root;
    s->root = fresh;
    (void)pthread_mutex_unlock(&s->lock);
    trust_root_free(&old);
    return 0;
}

void collateral_item_free(struct collateral_item *item) {
    if (!item || atomic_fetch_sub(&item->references, 1) != 1) return;
    collateral_free(item->collateral);
    free(item);
}

const struct collateral *collateral_item_view(const struct collateral_item *item) {
    return item->collateral;
}

void collateral_store_free(struct collateral_store *s) {
    if (!s) return;
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    (void)pthread_cond_broadcast(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->running) (void)pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n; i++) {
        collateral_item_free(s->slots[i].item);
    }
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->lock);
    trust_root_free(&s->root);
    free(s);
}

// Of the slots that may go (nothing was to be had for them), the one that failed most often.
static struct slot *slot_to_spare(struct collateral_store *s) {
    struct slot *found = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct slot *at = &s->slots[i];
        if (at->item || at->busy || at->failures == 0) continue;
        if (!found || at->failures > found->failures) found = at;
    }
    return found;
}

// The slot of a key, made when there is room; with the lock held.
static struct slot *slot_of(struct collateral_store *s, const struct collateral_key *key) {
    for (size_t i = 0; i < s->n; i++) {
        if (key_equal(&s->slots[i].key, key)) return &s->slots[i];
    }
    struct slot *slot = s->n < COLLATERAL_STORE_ITEMS_MAX ? &s->slots[s->n++] : slot_to_spare(s);
    if (slot) *slot = (struct slot){.key = *key};
    return slot;
}

static bool is_of_platform(const struct collateral *c, const struct collateral_key *key) {
    static const char platform[] = "Platform";
    struct bytes cn = c->pck_crl.issuer_cn;
    bool is_platform_ca = cn.n > 0 && memmem(cn.p, cn.n, platform, sizeof platform - 1) != NULL;
    return memcmp(c->tcb_info.fmspc, key->fmspc, sizeof key->fmspc) == 0 &&
           (c->tcb_info.id == TCB_INFO_TDX) == (key->tee == QUOTE_TEE_TDX) &&
           is_platform_ca == key->platform_ca;
}

static void folder_of(const struct collateral_store *s, const struct collateral_key *key,
                      char ret[PATH_MAX]) {
    char fmspc[13] = {0};
    hex_encode(fmspc, bytes_make(key->fmspc, 6));
    (void)snprintf(ret, PATH_MAX, "%s/%s-%s-%s", s->folder,
                   key->tee == QUOTE_TEE_TDX ? "tdx" : "sgx", fmspc,
                   key->platform_ca ? "platform" : "processor");
}

static int save(const struct collateral_store *s, const struct collateral_key *key,
                struct collateral *c, struct error *why) {
    char folder[PATH_MAX], path[PATH_MAX + 64];
    if (!s->folder[0]) return 0;
    folder_of(s, key, folder);
    int code = files_make_folder(folder, 0755, why);
    for (size_t i = 0; code == 0 && i < COLLATERAL_PARTS; i++) {
        struct bytes part = *collateral_part(&c->parts, i);
        if (part.n == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, collateral_file_names[i]);
        code = files_write(path, part, 0644, why);
    }
    return code;
}

static int check_origin(struct collateral_store *s, const struct collateral *c, struct error *why) {
    (void)pthread_mutex_lock(&s->lock); // a millisecond: the root may be exchanged meanwhile
    int code = collateral_check_origin(c, &s->root, why);
    (void)pthread_mutex_unlock(&s->lock);
    return code;
}

// Takes over *c; *ret is a reference to the item made of it. An item whose documents are older than
// the present one's is refused: a service that serves old collateral must not undo a revocation.
static int install(struct collateral_store *s, const struct collateral_key *key,
                   struct collateral *c, struct collateral_item **ret, struct error *why) {
    struct collateral_item *item = calloc(1, sizeof *item);
    int code = item ? collateral_window_of(&item->window, c, why)
                    : error_set(why, ERR_NO_MEMORY, "collateral store");
    if (code == 0 && !is_of_platform(c, key)) {
        code = error_set(why, ERR_INVALID, "collateral of another platform");
    }
    if (code == 0) code = check_origin(s, c, why);
    if (code < 0) {
        collateral_free(c);
        free(item);
        return code;
    }
    item->collateral = c;
    atomic_init(&item->references, 1);
    (void)pthread_mutex_lock(&s->lock);
    struct slot *slot = slot_of(s, key);
    struct collateral_item *old = slot ? slot->item : NULL;
    if (!slot) {
        code = error_set(why, ERR_LIMIT, "collateral store: full");
    } else if (old && (c->tcb_info.issue_date < old->collateral->tcb_info.issue_date ||
                       c->qe_identity.issue_date < old->collateral->qe_identity.issue_date ||
                       c->pck_crl.this_update < old->collateral->pck_crl.this_update ||
                       c->root_crl.this_update < old->collateral->root_crl.this_update)) {
        code = error_set(why, ERR_STALE, "collateral older than what is there");
    } else {
        uint64_t expiry = item->window.earliest_expiry;
        (void)atomic_fetch_add(&item->references, 1);
        *ret = item;
        slot->item = item;
        slot->due_s = expiry > s->o.renew_ahead_s ? expiry - s->o.renew_ahead_s : 0;
        slot->failures = 0;
        slot->last_error[0] = 0;
        (void)pthread_cond_broadcast(&s->wake);
        item = old;
    }
    (void)pthread_mutex_unlock(&s->lock);
    collateral_item_free(item);
    return code;
}

int collateral_store_put(struct collateral_store *s, const struct collateral_key *key,
                         const struct collateral_parts *parts, struct error *why) {
    struct collateral *c = NULL;
    struct collateral_item *item = NULL;
    int code = collateral_make(&c, parts, why);
    if (code == 0) code = install(s, key, c, &item, why);
    if (code == 0) code = save(s, key, item->collateral, why);
    collateral_item_free(item);
    return code;
}

int collateral_store_get(struct collateral_item **ret, struct collateral_store *s,
                         const struct collateral_key *key, struct error *why) {
    int code = 0;
    uint64_t now = now_s(s);
    (void)pthread_mutex_lock(&s->lock);
    struct slot *slot = slot_of(s, key);
    if (!slot || !slot->item) {
        code = error_set(why, ERR_NOT_FOUND, "no collateral for this platform yet");
        if (slot && slot->failures == 0) (void)pthread_cond_broadcast(&s->wake);
    } else if (now > slot->item->window.earliest_expiry + s->o.stale_s) {
        code = error_set(why, ERR_STALE, "the platform's collateral has expired (%s)",
                         slot->item->window.expires_first);
    } else {
        (void)atomic_fetch_add(&slot->item->references, 1);
        *ret = slot->item;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return code;
}

static bool parse_folder_name(const char *name, struct collateral_key *ret) {
    struct bytes in = bytes_from_str(name);
    bool tdx = bytes_starts_with(in, BYTES_LIT("tdx-"));
    if (!tdx && !bytes_starts_with(in, BYTES_LIT("sgx-"))) return false;
    ret->tee = tdx ? QUOTE_TEE_TDX : QUOTE_TEE_SGX;
    if (hex_decode(ret->fmspc, bytes_slice(in, 4, 12), NULL) < 0) return false;
    struct bytes ca = bytes_slice(in, 16, in.n);
    ret->platform_ca = bytes_equal_str(ca, "-platform");
    return ret->platform_ca || bytes_equal_str(ca, "-processor");
}

int collateral_store_load(struct collateral_store *s, struct error *why) {
    if (!s->folder[0]) return 0;
    int code = files_make_folder(s->folder, 0755, why);
    if (code < 0) return code;
    DIR *d = opendir(s->folder);
    if (!d) return error_set(why, ERR_IO, "%s: cannot be read", s->folder);
    struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        struct collateral_key key;
        struct collateral *c = NULL;
        char path[PATH_MAX];
        if (!parse_folder_name(e->d_name, &key)) continue;
        (void)snprintf(path, sizeof path, "%s/%s", s->folder, e->d_name);
        struct collateral_item *item = NULL;
        if (collateral_load(&c, path, NULL) == 0) (void)!install(s, &key, c, &item, NULL);
        collateral_item_free(item);
    }
    (void)closedir(d);
    return 0;
}

static int fetch_one(struct collateral_store *s, const struct collateral_key *key,
                     struct error *why) {
    struct arena a;
    struct collateral_parts parts = {0};
    arena_init(&a, 16u << 20);
    int code = s->o.origin.fetch(s->o.origin.context, &parts, key, &a, why);
    if (code == 0) code = collateral_store_put(s, key, &parts, why);
    arena_free(&a);
    return code;
}

static void note_failure(struct collateral_store *s, const struct collateral_key *key,
                         const struct error *why, uint64_t now) {
    struct slot *slot = slot_of(s, key);
    unsigned doublings = slot->failures < 5 ? (unsigned)slot->failures : 5;
    slot->failures++;
    slot->due_s = now + (s->o.retry_s << doublings);
    (void)snprintf(slot->last_error, sizeof slot->last_error, "%.119s", why->text);
}

size_t collateral_store_renew(struct collateral_store *s, uint64_t *ret_next_s) {
    size_t done = 0;
    uint64_t now = now_s(s), next = UINT64_MAX;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; s->o.origin.fetch && i < s->n && !s->stopping; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->due_s <= now && !slot->busy) {
            struct collateral_key key = slot->key;
            struct error why = {0};
            slot->busy = true;
            (void)pthread_mutex_unlock(&s->lock);
            int code = fetch_one(s, &key, &why);
            (void)pthread_mutex_lock(&s->lock);
            slot->busy = false;
            done++;
            if (code < 0) {
                note_failure(s, &key, &why, now);
            } else if (slot->due_s <= now) {
                slot->due_s = now + s->o.retry_s; // the service had nothing fresher
            }
        }
        if (slot->due_s < next) next = slot->due_s;
    }
    (void)pthread_mutex_unlock(&s->lock);
    *ret_next_s = next;
    return done;
}

static void *run(void *arg) {
    struct collateral_store *s = arg;
    for (;;) {
        uint64_t next;
        (void)collateral_store_renew(s, &next);
        (void)pthread_mutex_lock(&s->lock);
        uint64_t now = now_s(s), wait = next > now ? next - now : 1;
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)(wait < 3600 ? wait : 3600);
        if (!s->stopping) (void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
        bool stop = s->stopping;
        (void)pthread_mutex_unlock(&s->lock);
        if (stop) return NULL;
    }
}

int collateral_store_start(struct collateral_store *s, struct error *why) {
    int os = pthread_create(&s->thread, NULL, run, s);
    if (os != 0) return error_set_os(why, ERR_IO, os, "collateral thread");
    s->running = true;
    return 0;
}

size_t collateral_store_status(struct collateral_store *s, struct collateral_status *ret,
                               size_t room) {
    (void)pthread_mutex_lock(&s->lock);
    size_t n = s->n < room ? s->n : room;
    for (size_t i = 0; i < n; i++) {
        const struct slot *slot = &s->slots[i];
        ret[i] = (struct collateral_status){
            .key = slot->key, .present = slot->item != NULL, .failures = slot->failures};
        if (slot->item) ret[i].expiry_s = slot->item->window.earliest_expiry;
        memcpy(ret[i].last_error, slot->last_error, sizeof ret[i].last_error);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}
