/* SPDX-License-Identifier: MIT */
#include "node/follow.h"

#include "chain/node_link.h"
#include "chain/txpool.h"
#include "net/auth.h"
#include "net/resolver.h"

#include <stdlib.h>

#define NAMES_KEEP_NS (60 * NS_PER_S)

struct follow {
    struct node *node;
    struct resolver *names;
    struct node_link *link;
    struct secret key;
    int subscription;
    atomic_bool ending;
};

static void on_head(void *context) {
    (void)context; // the pool and the subscribers hear of it from the head
}

static void on_transaction(void *context, struct bytes raw, uint64_t took_ns) {
    struct follow *f = context;
    struct hash hash;
    struct error why;
    (void)took_ns;
    int r = txpool_add(f->node->txpool, raw, false, &hash, &why);
    if (r != 0 && r != ERR_CONFLICT) log_debug(f->node->log, "followed_tx_refused", F_ERR(&why));
}

/* A transaction of a user here on its way to the loop. */
struct passed {
    struct follow *follow;
    struct pool_tx *tx;
};

static void pass_on(void *argument) {
    struct passed *p = argument;
    if (!atomic_load(&p->follow->ending)) node_link_send(p->follow->link, p->tx->network);
    pool_tx_release(p->tx);
    free(p);
}

static void on_pending(void *context, struct pool_tx *t) {
    struct follow *f = context;
    struct passed *p = t->local ? malloc(sizeof *p) : NULL;
    if (!p) return;
    *p = (struct passed){f, pool_tx_hold(t)};
    if (loop_post(f->node->loop, pass_on, p) == 0) return;
    pool_tx_release(t);
    free(p);
}

int follow_open(struct follow **ret, struct node *n, struct error *why) {
    struct follow *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory to follow a node");
    f->node = n;
    *ret = f;
    const char *key = n->values->jwt_secret;
    int r = key && *key ? jwt_key_read(&f->key, key, why) : 0;
    if (r == 0) r = resolver_new(&f->names, NAMES_KEEP_NS, why);
    if (r != 0) return r;
    const struct node_link_options o = {.loop = n->loop,
                                        .url = n->values->follow,
                                        .names = f->names,
                                        .tls = n->tls,
                                        .log = n->log,
                                        .head = n->head,
                                        .transactions = true,
                                        .marks = true,
                                        .key = secret_view(&f->key),
                                        .head_changed = on_head,
                                        .transaction = on_transaction,
                                        .context = f};
    r = node_link_new(&f->link, &o, why);
    if (r != 0) return r;
    f->subscription = txpool_subscribe(n->txpool, on_pending, f, why);
    return f->subscription < 0 ? f->subscription : 0;
}

void follow_close(struct follow *f) {
    if (!f) return;
    atomic_store(&f->ending, true);
    if (f->subscription > 0) txpool_unsubscribe(f->node->txpool, f->subscription);
    node_link_free(f->link);
    resolver_free(f->names);
    secret_free(&f->key);
    free(f);
}
