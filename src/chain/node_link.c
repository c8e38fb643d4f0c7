/* SPDX-License-Identifier: MIT */
#include "chain/node_link.h"

#include "base/hex.h"
#include "base/list.h"
#include "base/map.h"
#include "base/pool.h"
#include "eth/rpc_json.h"
#include "net/auth.h"
#include "net/jsonrpc.h"
#include "net/url.h"
#include "net/ws.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_NS (NS_PER_S / 2)
#define MESSAGE_BYTES_MAX (64u << 20)
#define REQUESTS_MAX 8192u
#define WAITING_MAX 256u // blocks whose parent is not there yet
#define WINDOW 8u        // blocks asked for at a time while far behind
#define FAR_BEHIND 8u    // blocks: then they are asked for by number
#define LATEST "latest"
#define IMPORTS_MAX 512u
#define TELL_AGAIN_NS (60 * NS_PER_S) // of another genesis

enum ask_kind {
    ASK_SUBSCRIBE_HEADS,
    ASK_SUBSCRIBE_TXS,
    ASK_BLOCK,
    ASK_TX,
    ASK_SEND,
    ASK_GENESIS,
    ASK_SAFE,
    ASK_FINALIZED,
};

struct ask {
    uint64_t id, asked_ns;
    enum ask_kind kind;
    bool is_head;   // the block is to become the head
    char block[72]; // ASK_BLOCK: its hash, number or tag
};

/* A block on its way through the import thread. */
struct import {
    struct list_node link; // among those that wait
    struct node_link *n;
    struct pool_task task;
    struct bytes raw;
    bool is_head, set;
    bool latest; // what the client gave as its newest block, not a head that it told
    uint64_t number;
    struct hash hash, parent;
    struct hash safe, finalized; // zero: not known
    struct head_verdict verdict;
    int code;
    struct error why;
};

struct node_link {
    struct node_link_options o;
    char origin[300], path[300];
    struct client *client;
    struct ws *ws;
    struct loop_timer retry;
    struct map asks; // by id
    uint64_t next_id;
    struct bytes heads, txs; // subscription ids, raw JSON
    struct arena names;
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd watch;
    struct list waiting;
    size_t waiting_count, importing;
    uint64_t tip;      // number of the client's newest block
    uint64_t asked_to; // by number, while far behind
    struct hash tip_hash;
    struct hash safe, finalized; // as the client said last
    bool objects;                // blocks come as objects: the client has no debug_getRawBlock
    bool synced, ending;
    bool foreign;      // another genesis
    struct hash first; // the client's
    uint64_t told_ns;  // when that was logged last
};

/* Asking. */

static struct ask *ask_new(struct node_link *n, enum ask_kind kind) {
    if (n->asks.n >= REQUESTS_MAX) return NULL;
    struct ask *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->id = ++n->next_id;
    a->asked_ns = loop_now_ns(n->o.loop);
    a->kind = kind;
    if (map_put(&n->asks, bytes_make(&a->id, sizeof a->id), a, NULL, NULL) != 0) {
        free(a);
        return NULL;
    }
    return a;
}

static void forget_asks(struct node_link *n) {
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&n->asks, &at, &key, &value)) {
        free(value);
    }
    map_clear(&n->asks);
}

static void send_ask(struct node_link *n, const struct ask *a, const char *method,
                     struct bytes param, bool full) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    jsonrpc_begin_request(&w, a->id, method);
    json_begin_array(&w, NULL);
    json_add_text(&w, NULL, param);
    if (full) json_add_bool(&w, NULL, true);
    json_end(&w);
    jsonrpc_end_request(&w);
    if (n->ws) (void)ws_send(n->ws, true, buf_view(&out));
    buf_free(&out);
}

static void ask(struct node_link *n, enum ask_kind kind, const char *method, struct bytes param,
                bool is_head) {
    struct ask *a = ask_new(n, kind);
    if (!a) return;
    a->is_head = is_head;
    send_ask(n, a, method, param, false);
}

// A block by hash, number or tag: its bytes, or from clients that do not give them, its object.
static void ask_block(struct node_link *n, const char *block, bool is_head) {
    struct ask *a = ask_new(n, ASK_BLOCK);
    if (!a) return;
    a->is_head = is_head;
    (void)snprintf(a->block, sizeof a->block, "%s", block);
    const char *object = strlen(block) == 66 ? "eth_getBlockByHash" : "eth_getBlockByNumber";
    send_ask(n, a, n->objects ? object : "debug_getRawBlock", bytes_from_str(block), n->objects);
}

static void ask_block_hash(struct node_link *n, const struct hash *hash, bool is_head) {
    char text[67] = "0x";
    hex_encode(text + 2, BYTES_OF(*hash));
    ask_block(n, text, is_head);
}

static void ask_block_number(struct node_link *n, uint64_t number) {
    char text[24];
    (void)snprintf(text, sizeof text, "0x%llx", (unsigned long long)number);
    ask_block(n, text, true);
}

/* Importing. */

static void import_free(struct import *i) {
    list_remove(&i->link);
    free((void *)(uintptr_t)i->raw.p);
    free(i);
}

// The client's marks, where they are on our chain too.
static int set_head(struct head *h, const struct import *i, struct error *why) {
    const struct hash *safe = hash_is_zero(&i->safe) ? NULL : &i->safe;
    const struct hash *finalized = hash_is_zero(&i->finalized) ? NULL : &i->finalized;
    int r = head_set(h, &i->verdict.hash, safe, finalized, why);
    bool marked = safe || finalized;
    if (marked && (r == ERR_NOT_FOUND || r == ERR_CONFLICT)) {
        r = head_set(h, &i->verdict.hash, NULL, NULL, why);
    }
    return r;
}

// On the link's thread.
static void import_run(void *context) {
    struct import *i = context;
    struct head *h = i->n->o.head;
    i->code = head_import(h, &i->verdict, i->raw, &i->why);
    bool good = i->verdict.status == HEAD_VALID || i->verdict.status == HEAD_KNOWN;
    if (i->code != 0 || !good || !i->is_head) return;
    i->code = set_head(h, i, &i->why);
    i->set = i->code == 0;
}

static void submit(struct node_link *n, struct import *i) {
    if (pool_submit(n->pool, &i->task)) {
        n->importing++;
        return;
    }
    log_warn(n->o.log, "block_dropped", F_STR("reason", "too many wait to be imported"));
    import_free(i);
}

static void keep_waiting(struct node_link *n, struct import *i) {
    if (n->waiting_count == WAITING_MAX) {
        import_free(LIST_ENTRY(list_first(&n->waiting), struct import, link));
        n->waiting_count--;
    }
    list_push_back(&n->waiting, &i->link);
    n->waiting_count++;
}

static void import_children(struct node_link *n, const struct hash *parent) {
    list_each_safe(node, &n->waiting) {
        struct import *i = LIST_ENTRY(node, struct import, link);
        if (!hash_equal(&i->parent, parent)) continue;
        list_remove(&i->link);
        n->waiting_count--;
        submit(n, i);
    }
}

static uint64_t latest_number(struct node_link *n) {
    const struct head_block *b = head_latest(n->o.head);
    uint64_t number = b->block.header.number;
    head_block_release(b);
    return number;
}

static void catch_up(struct node_link *n) {
    uint64_t at = latest_number(n);
    if (n->asked_to < at) n->asked_to = at;
    while (n->asked_to < n->tip && n->asked_to < at + WINDOW) {
        ask_block_number(n, ++n->asked_to);
    }
}

static void ask_parent(struct node_link *n, const struct import *i) {
    if (i->number > latest_number(n) + FAR_BEHIND) {
        n->asked_to = 0;
        catch_up(n);
    } else {
        ask_block_hash(n, &i->parent, false);
    }
}

// A block's header and hashes, by number or tag.
static void ask_summary(struct node_link *n, enum ask_kind kind, const char *block) {
    struct ask *a = ask_new(n, kind);
    struct buf out;
    if (!a || !n->ws) return;
    buf_init(&out, 256);
    buf_printf(&out,
               "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"eth_getBlockByNumber\","
               "\"params\":[\"%s\",false]}",
               (unsigned long long)a->id, block);
    (void)ws_send(n->ws, true, buf_view(&out));
    buf_free(&out);
}

static void note_head(struct node_link *n, const struct import *i) {
    // A chain that stands still, or is at its genesis, tells no head: its newest block is enough.
    bool told = !hash_is_zero(&n->tip_hash);
    if (!n->synced && (told ? hash_equal(&i->verdict.hash, &n->tip_hash) : i->latest)) {
        n->synced = true;
        log_info(n->o.log, "node_synced", F_U64("block", i->number));
    }
    if (!n->synced && i->number < n->tip) catch_up(n);
    if (n->o.marks && n->synced) {
        ask_summary(n, ASK_SAFE, "safe");
        ask_summary(n, ASK_FINALIZED, "finalized");
    }
    n->o.head_changed(n->o.context);
}

static void import_done(void *context) {
    struct import *i = context;
    struct node_link *n = i->n;
    n->importing--;
    if (n->ending) {
        import_free(i);
        return;
    }
    if (i->code != 0) {
        log_warn(n->o.log, "block_import_failed", F_U64("block", i->number), F_ERR(&i->why));
    } else if (i->verdict.status == HEAD_INVALID) {
        log_error(n->o.log, "block_invalid", F_U64("block", i->number),
                  F_HEX("hash", BYTES_OF(i->verdict.hash)), F_ERR(&i->verdict.reason));
    } else if (i->verdict.status == HEAD_UNKNOWN_PARENT) {
        keep_waiting(n, i);
        ask_parent(n, i);
        return;
    } else {
        import_children(n, &i->verdict.hash);
        log_debug(n->o.log, "block_imported", F_U64("block", i->number),
                  F_DURATION("execute", i->verdict.execute_ns),
                  F_DURATION("root", i->verdict.root_ns));
        if (i->set) note_head(n, i);
    }
    import_free(i);
}

static int read_block(struct block *ret, struct bytes *ret_raw, const struct json *v,
                      struct arena *a, struct error *why) {
    if (json_type_of(v) != JSON_OBJECT) {
        int r = json_data(ret_raw, v, a, why);
        return r == 0 ? block_decode(ret, *ret_raw, a, why) : r;
    }
    struct buf out;
    buf_init(&out, 0);
    int r = block_json_decode(ret, v, a, why);
    if (r == 0) block_encode(&out, ret);
    if (r == 0) r = buf_check(&out, why);
    if (r == 0) *ret_raw = arena_copy(a, buf_view(&out));
    if (r == 0 && !ret_raw->p) r = error_set(why, ERR_NO_MEMORY, "no memory for a block");
    buf_free(&out);
    return r;
}

// The first block that both have: the genesis, or where our chain begins.
static struct hash first_block(const struct node_link *n) {
    const struct head_block *b = head_genesis(n->o.head);
    struct hash h = b->hash;
    head_block_release(b);
    return h;
}

static void follow(struct node_link *n) {
    ask(n, ASK_SUBSCRIBE_HEADS, "eth_subscribe", BYTES_LIT("newHeads"), false);
    if (n->o.transactions) {
        ask(n, ASK_SUBSCRIBE_TXS, "eth_subscribe", BYTES_LIT("newPendingTransactions"), false);
    }
    ask_block(n, LATEST, true);
}

// Blocks of another chain would all be refused, and nobody would know why.
static void take_genesis(struct node_link *n, const struct json *block) {
    struct hash ours = first_block(n);
    uint64_t now = loop_now_ns(n->o.loop);
    // One that has pruned it, or does not tell, is believed.
    bool known = json_get_hash(&n->first, block, "hash", NULL) == 0;
    n->foreign = known && !hash_equal(&n->first, &ours);
    if (!n->foreign) {
        follow(n);
        return;
    }
    if (n->told_ns && now < n->told_ns + TELL_AGAIN_NS) return;
    n->told_ns = now;
    log_error(n->o.log, "node_on_another_chain", F_STR("node", n->o.url),
              F_HEX("its_genesis", BYTES_OF(n->first)), F_HEX("our_genesis", BYTES_OF(ours)));
}

static void ask_genesis(struct node_link *n) {
    char number[24];
    const struct head_block *b = head_genesis(n->o.head);
    (void)snprintf(number, sizeof number, "0x%llx", (unsigned long long)b->block.header.number);
    head_block_release(b);
    ask_summary(n, ASK_GENESIS, number);
}

static void take_block(struct node_link *n, const struct json *result, const struct ask *asked) {
    struct arena a;
    struct bytes raw;
    struct block block;
    struct error why;
    arena_init(&a, 0);
    int r = read_block(&block, &raw, result, &a, &why);
    struct import *i = r == 0 ? calloc(1, sizeof *i) : NULL;
    uint8_t *copy = i ? malloc(raw.n) : NULL;
    if (!copy) {
        if (r != 0) log_warn(n->o.log, "block_refused", F_ERR(&why));
        free(i);
        arena_free(&a);
        return;
    }
    memcpy(copy, raw.p, raw.n);
    i->n = n;
    i->raw = (struct bytes){copy, raw.n};
    i->is_head = asked->is_head;
    i->latest = strcmp(asked->block, LATEST) == 0;
    i->number = block.header.number;
    i->parent = block.header.parent_hash;
    i->safe = n->safe;
    i->finalized = n->finalized;
    i->task = (struct pool_task){
        .run = import_run, .done = import_done, .context = i, .home = &n->mailbox};
    if (i->number > n->tip) n->tip = i->number;
    arena_free(&a);
    submit(n, i);
}

/* Messages. */

static void take_head(struct node_link *n, const struct json *header) {
    struct hash hash;
    struct error why;
    uint64_t number;
    if (json_get_hash(&hash, header, "hash", &why) != 0 ||
        json_get_quantity(&number, header, "number", &why) != 0) {
        log_warn(n->o.log, "head_refused", F_ERR(&why));
        return;
    }
    n->tip = number;
    n->tip_hash = hash;
    ask_block_hash(n, &hash, true);
}

static void take_pending(struct node_link *n, const struct json *v) {
    struct bytes text = json_text(v);
    if (json_type_of(v) == JSON_STRING && text.n == 66) {
        ask(n, ASK_TX, "eth_getRawTransactionByHash", text, false);
    }
}

static void take_notification(struct node_link *n, const struct json *doc) {
    const struct json *params = json_get(doc, "params");
    struct bytes id = json_raw(json_get(params, "subscription"));
    const struct json *result = json_get(params, "result");
    if (bytes_equal(id, n->heads)) take_head(n, result);
    if (bytes_equal(id, n->txs)) take_pending(n, result);
}

static void take_result(struct node_link *n, const struct ask *a, const struct jsonrpc_response *in,
                        struct arena *scratch) {
    struct bytes raw;
    struct error why;
    switch (a->kind) {
    case ASK_SUBSCRIBE_HEADS:
        n->heads = arena_copy(&n->names, json_raw(in->result));
        break;
    case ASK_SUBSCRIBE_TXS:
        n->txs = arena_copy(&n->names, json_raw(in->result));
        break;
    case ASK_BLOCK:
        take_block(n, in->result, a);
        break;
    case ASK_TX:
        if (json_is_null(in->result)) break; // it is in a block already, or gone
        if (json_data(&raw, in->result, scratch, &why) == 0) {
            n->o.transaction(n->o.context, raw, loop_now_ns(n->o.loop) - a->asked_ns);
        }
        break;
    case ASK_SAFE:
        (void)!json_get_hash(&n->safe, in->result, "hash", NULL); // null: there is none yet
        break;
    case ASK_FINALIZED:
        (void)!json_get_hash(&n->finalized, in->result, "hash", NULL);
        break;
    case ASK_GENESIS:
        take_genesis(n, in->result);
        break;
    case ASK_SEND:
        break;
    }
}

// Some clients (anvil) do not tell a method that they do not have from params that do not fit.
static bool is_unknown_method(int64_t code) {
    return code == JSONRPC_METHOD_NOT_FOUND || code == JSONRPC_INVALID_PARAMS;
}

static void take_response(struct node_link *n, struct bytes data, struct arena *scratch) {
    struct jsonrpc_responses all;
    struct error why;
    if (jsonrpc_parse_responses(&all, data, scratch, NULL, &why) != 0) {
        log_warn(n->o.log, "node_answer_refused", F_ERR(&why));
        return;
    }
    for (size_t i = 0; i < all.count; i++) {
        char text[24] = "";
        const struct jsonrpc_response *in = &all.item[i];
        (void)snprintf(text, sizeof text, "%.*s", (int)(in->id.n < 20 ? in->id.n : 20),
                       (const char *)in->id.p);
        uint64_t id = strtoull(text, NULL, 10);
        struct ask *a = map_remove(&n->asks, bytes_make(&id, sizeof id));
        if (!a) continue;
        if (jsonrpc_failure_of(in, &why) == 0) {
            take_result(n, a, in, scratch);
        } else if (a->kind == ASK_BLOCK && !n->objects && is_unknown_method(in->code)) {
            n->objects = true;
            log_info(n->o.log, "node_gives_no_raw_blocks", F_STR("node", n->o.url));
            ask_block(n, a->block, a->is_head);
        } else if (a->kind == ASK_GENESIS) {
            follow(n);
        } else if (a->kind != ASK_SEND) { // what it refuses is its matter
            log_warn(n->o.log, "node_request_failed", F_U64("kind", a->kind), F_ERR(&why));
        }
        free(a);
    }
}

static void on_message(struct ws *w, void *context, bool text, struct bytes data) {
    struct node_link *n = context;
    const struct json *doc;
    struct arena a;
    struct error why;
    (void)w;
    (void)text;
    arena_init(&a, 0);
    if (json_parse(&doc, data, &a, NULL, &why) != 0) {
        log_warn(n->o.log, "node_message_refused", F_ERR(&why));
    } else if (json_get(doc, "method")) {
        take_notification(n, doc);
    } else {
        take_response(n, data, &a);
    }
    arena_free(&a);
}

/* The connection. */

static void on_open(struct ws *w, void *context) {
    struct node_link *n = context;
    n->ws = w;
    n->asked_to = 0;
    n->tip_hash = (struct hash){{0}};
    n->objects = false;
    arena_reset(&n->names);
    n->heads = n->txs = (struct bytes){NULL, 0};
    log_info(n->o.log, "node_connected", F_STR("node", n->o.url));
    n->foreign = false;
    ask_genesis(n);
}

static void connect_again(struct node_link *n) {
    struct error why;
    if (loop_timer_set(n->o.loop, &n->retry, loop_now_ns(n->o.loop) + RETRY_NS, &why) != 0) {
        log_error(n->o.log, "timer_lost", F_ERR(&why));
    }
}

static void on_closed(struct ws *w, void *context, unsigned code, const struct error *why) {
    struct node_link *n = context;
    (void)w;
    n->ws = NULL;
    n->synced = false;
    forget_asks(n);
    log_warn(n->o.log, "node_lost", F_STR("node", n->o.url), F_U64("code", code), F_ERR(why));
    connect_again(n);
}

static const struct ws_events events = {
    .open = on_open, .message = on_message, .closed = on_closed};

static int add_token(struct node_link *n, struct http_fields *fields, struct arena *a,
                     struct error *why) {
    struct buf token;
    if (n->o.key.n == 0) return 0;
    buf_init(&token, 0);
    buf_append_str(&token, "Bearer ");
    uint64_t now_s = clock_wall_ns(loop_clock(n->o.loop)) / NS_PER_S;
    int r = jwt_write(&token, n->o.key, now_s, why);
    if (r == 0) {
        r = http_fields_add(fields, a, BYTES_LIT("authorization"), buf_view(&token), why);
    }
    buf_free(&token);
    return r;
}

static void connect_now(struct loop_timer *t) {
    struct node_link *n =
        (struct node_link *)(void *)((char *)t - offsetof(struct node_link, retry));
    const struct ws_options options = {.message_bytes_max = MESSAGE_BYTES_MAX};
    struct http_fields fields = {0};
    struct error why;
    struct arena a;
    struct ws *w;
    arena_init(&a, 0);
    int r = add_token(n, &fields, &a, &why);
    if (r == 0) {
        r = ws_connect(&w, n->client, bytes_from_str(n->path), &fields, &options, &events, n, &why);
    }
    arena_free(&a);
    if (r == 0) {
        n->ws = w;
        return;
    }
    log_warn(n->o.log, "node_lost", F_STR("node", n->o.url), F_ERR(&why));
    connect_again(n);
}

void node_link_send(struct node_link *n, struct bytes raw) {
    struct buf text;
    struct ask *a = n->ws ? ask_new(n, ASK_SEND) : NULL;
    if (!a) return;
    buf_init(&text, 0);
    hex_append_data(&text, raw);
    if (!text.failed) send_ask(n, a, "eth_sendRawTransaction", buf_view(&text), false);
    buf_free(&text);
}

int node_link_ready(const struct node_link *n, struct error *why) {
    if (n->ws && n->synced) return 0;
    if (!n->ws || !n->foreign) {
        return error_set(why, ERR_BUSY, "the execution client's head is not known");
    }
    char theirs[67] = "0x", ours[67] = "0x";
    hex_encode(theirs + 2, BYTES_OF(n->first));
    hex_encode(ours + 2, BYTES_OF(first_block(n)));
    return error_set(why, ERR_CONFLICT,
                     "the execution client is on another chain: its genesis is %s, ours %s", theirs,
                     ours);
}

static void drain(struct loop_fd *watch, unsigned what) {
    (void)what;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct node_link, watch)->mailbox);
}

static int split_url(struct node_link *n, struct error *why) {
    struct url u;
    int r = url_parse(&u, bytes_from_str(n->o.url), why);
    if (r != 0) return r;
    if (u.target.n >= sizeof n->path) return error_set(why, ERR_LIMIT, "the URL is too long");
    (void)snprintf(n->path, sizeof n->path, "%.*s", (int)u.target.n, (const char *)u.target.p);
    return url_origin(n->origin, sizeof n->origin, &u, why);
}

int node_link_new(struct node_link **ret, const struct node_link_options *options,
                  struct error *why) {
    struct node_link *n = calloc(1, sizeof *n);
    if (!n) return error_set(why, ERR_NO_MEMORY, "no memory for an execution client");
    n->o = *options;
    n->retry.fire = connect_now;
    map_init(&n->asks, 0);
    list_init(&n->waiting);
    arena_init(&n->names, 0);
    n->mailbox.fd = -1;
    int r = split_url(n, why);
    const struct client_options client = {.url = n->origin,
                                          .tls = options->tls,
                                          .names = options->names,
                                          .protocol = CLIENT_HTTP1,
                                          .connections = 2};
    if (r == 0) r = client_new(&n->client, options->loop, &client, why);
    if (r == 0) r = pool_start(&n->pool, 1, IMPORTS_MAX, why);
    if (r == 0) r = pool_mailbox_open(&n->mailbox, why);
    if (r == 0) {
        n->watch = (struct loop_fd){n->mailbox.fd, LOOP_READ, drain};
        r = loop_fd_add(options->loop, &n->watch, why);
    }
    if (r != 0) {
        n->watch.ready = NULL;
        node_link_free(n);
        return error_wrap(why, "node %s", options->url);
    }
    connect_now(&n->retry);
    *ret = n;
    return 0;
}

void node_link_free(struct node_link *n) {
    if (!n) return;
    loop_timer_clear(n->o.loop, &n->retry);
    n->ending = true;
    if (n->ws) ws_drop(n->ws);
    n->ws = NULL;
    client_free(n->client);
    pool_stop(n->pool);
    if (n->watch.ready) {
        (void)pool_mailbox_drain(&n->mailbox);
        loop_fd_remove(n->o.loop, &n->watch);
    }
    if (n->mailbox.fd >= 0) pool_mailbox_close(&n->mailbox);
    while (!list_is_empty(&n->waiting)) {
        import_free(LIST_ENTRY(list_first(&n->waiting), struct import, link));
    }
    forget_asks(n);
    map_free(&n->asks);
    arena_free(&n->names);
    free(n);
}
