/* SPDX-License-Identifier: MIT */
#include "orderflow/trace.h"

#include "base/map.h"
#include "json/write.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES_DEFAULT 65536u
#define SHOWN_MAX 64
#define NAMES_MAX 256

static const char *const stage_names[TRACE_STAGES] = {
    [TRACE_RECEIVED] = "received", [TRACE_VERIFIED] = "verified",   [TRACE_DECODED] = "decoded",
    [TRACE_ACCEPTED] = "accepted", [TRACE_DELIVERED] = "delivered", [TRACE_REPLACED] = "replaced",
};

const char *trace_stage_name(enum trace_stage s) {
    return stage_names[s];
}

struct entry {
    struct hash id, answer;
    struct entry *older, *newer; /* of the same answer */
    enum order_method method;
    enum flow_source source;
    enum order_priority priority;
    uint64_t sent_ns, bytes;
    uint64_t at[TRACE_STAGES];
    uint64_t shared_ns[TRACE_PEERS_MAX];
    uint8_t shared_by[TRACE_PEERS_MAX]; /* number of the peer's name */
    uint8_t shared_count, from;         /* from: number of the peer it came from */
};

struct trace {
    pthread_mutex_t lock; /* guards all below */
    struct entry *ring;
    size_t capacity, next;
    unsigned sample, turn;
    struct map by_id, by_answer;
    char names[NAMES_MAX]
              [FLOW_PEER_NAME_MAX]; /* of peers; 0: none; the last: all that are too many */
    unsigned name_count;
};

int trace_new(struct trace **ret, size_t entries, unsigned sample, struct error *why) {
    struct trace *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for traces");
    t->capacity = entries > 0 ? entries : ENTRIES_DEFAULT;
    t->sample = sample > 0 ? sample : 1;
    t->ring = calloc(t->capacity, sizeof *t->ring);
    if (!t->ring) {
        free(t);
        return error_set(why, ERR_NO_MEMORY, "no memory for traces");
    }
    (void)pthread_mutex_init(&t->lock, NULL);
    map_init(&t->by_id, 0);
    map_init(&t->by_answer, 0);
    t->name_count = 1;
    (void)snprintf(t->names[NAMES_MAX - 1], FLOW_PEER_NAME_MAX, "other");
    *ret = t;
    return 0;
}

void trace_free(struct trace *t) {
    if (!t) return;
    map_free(&t->by_id);
    map_free(&t->by_answer);
    free(t->ring);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Out of the maps; the chain of its answer loses its last link. */
static void forget(struct trace *t, struct entry *e) {
    if (e->bytes == 0 && hash_is_zero(&e->id)) return;
    if (map_get(&t->by_id, BYTES_OF(e->id)) == e) (void)map_remove(&t->by_id, BYTES_OF(e->id));
    // The ring forgets the oldest first, which is the chain's end. Cancellations have one answer
    // all.
    if (e->newer) {
        e->newer->older = NULL;
    } else if (map_get(&t->by_answer, BYTES_OF(e->answer)) == e) {
        (void)map_remove(&t->by_answer, BYTES_OF(e->answer));
    }
    *e = (struct entry){.older = NULL};
}

/* Peers are few: entries hold numbers instead of names. */
static uint8_t number_of(struct trace *t, const char *name) {
    if (!*name) return 0;
    for (unsigned i = 1; i < t->name_count; i++) {
        if (strcmp(t->names[i], name) == 0) return (uint8_t)i;
    }
    if (t->name_count == NAMES_MAX - 1) return NAMES_MAX - 1;
    (void)snprintf(t->names[t->name_count], FLOW_PEER_NAME_MAX, "%s", name);
    return (uint8_t)t->name_count++;
}

void trace_order(struct trace *t, const struct flow_order *o, const uint64_t times[TRACE_STAGES]) {
    pthread_mutex_lock(&t->lock);
    if (t->turn++ % t->sample == 0) {
        struct entry *e = &t->ring[t->next++ % t->capacity];
        forget(t, e);
        *e = (struct entry){.id = o->id,
                            .answer = o->answer,
                            .method = o->order.method,
                            .source = o->source,
                            .priority = o->priority,
                            .sent_ns = o->sent_ns,
                            .bytes = o->bytes};
        e->from = number_of(t, o->peer);
        memcpy(e->at, times, sizeof e->at);
        void *old = NULL;
        (void)!map_put(&t->by_id, BYTES_OF(e->id), e, &old, NULL);
        old = NULL;
        if (map_put(&t->by_answer, BYTES_OF(e->answer), e, &old, NULL) == 0) e->older = old;
        if (e->older) e->older->newer = e;
    }
    pthread_mutex_unlock(&t->lock);
}

void trace_mark(struct trace *t, const struct hash *id, enum trace_stage s, uint64_t at_ns) {
    pthread_mutex_lock(&t->lock);
    struct entry *e = map_get(&t->by_id, BYTES_OF(*id));
    if (e && e->at[s] == 0) e->at[s] = at_ns;
    pthread_mutex_unlock(&t->lock);
}

void trace_peer(struct trace *t, const struct hash *id, const char *peer, uint64_t at_ns) {
    pthread_mutex_lock(&t->lock);
    struct entry *e = map_get(&t->by_id, BYTES_OF(*id));
    if (e && e->shared_count < TRACE_PEERS_MAX) {
        e->shared_by[e->shared_count] = number_of(t, peer);
        e->shared_ns[e->shared_count++] = at_ns;
    }
    pthread_mutex_unlock(&t->lock);
}

static void put_entry(const struct trace *t, struct json_writer *w, const struct entry *e,
                      const char *node) {
    static const char *const sources[] = {"user", "peer", "journal"};
    json_begin_object(w, NULL);
    json_add_str(w, "node", node);
    json_add_data(w, "id", BYTES_OF(e->id));
    json_add_data(w, "hash", BYTES_OF(e->answer));
    json_add_str(w, "method", order_method_name(e->method));
    json_add_str(w, "from", sources[e->source]);
    if (e->from > 0) json_add_str(w, "peer", t->names[e->from]);
    json_add_str(w, "priority", order_priority_name(e->priority));
    json_add_u64(w, "bytes", e->bytes);
    if (e->sent_ns > 0) json_add_u64(w, "sentNs", e->sent_ns);
    json_begin_object(w, "stages");
    for (int s = 0; s < TRACE_STAGES; s++) {
        if (e->at[s] > 0) json_add_u64(w, stage_names[s], e->at[s]);
    }
    json_end(w);
    json_begin_array(w, "peers");
    for (unsigned i = 0; i < e->shared_count; i++) {
        json_begin_object(w, NULL);
        json_add_str(w, "name", t->names[e->shared_by[i]]);
        json_add_u64(w, "acknowledgedNs", e->shared_ns[i]);
        json_end(w);
    }
    json_end(w);
    json_end(w);
}

bool trace_write(struct trace *t, struct buf *out, const struct hash *h, const char *node) {
    struct json_writer w;
    unsigned n = 0;
    json_writer_init(&w, out, 0);
    json_begin_array(&w, NULL);
    pthread_mutex_lock(&t->lock);
    const struct entry *e = map_get(&t->by_answer, BYTES_OF(*h));
    if (!e) {
        e = map_get(&t->by_id, BYTES_OF(*h));
        if (e) put_entry(t, &w, e, node);
        n += e != NULL;
    } else {
        for (; e && n < SHOWN_MAX; e = e->older, n++) {
            put_entry(t, &w, e, node);
        }
    }
    pthread_mutex_unlock(&t->lock);
    json_end(&w);
    return n > 0;
}
