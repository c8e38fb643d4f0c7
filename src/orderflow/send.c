/* SPDX-License-Identifier: MIT */
#include "orderflow/send.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "eth/address.h"
#include "eth/request_signature.h"
#include "net/certificate.h"
#include "net/client.h"
#include "net/jsonrpc.h"
#include "net/url.h"
#include "orderflow/order_envelope.h"
#include "orderflow/orderflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (1u << 20)
#define FILE_MAX (32u << 20)

enum { SEND_TX, SEND_BUNDLE, SEND_CANCEL, SEND_STATUS };
enum { EXIT_WRONG = 65, EXIT_AWAY = 69, EXIT_AGAIN = 75, EXIT_REFUSED = 76, EXIT_UNKNOWN = 77 };

struct sending {
    const struct send_values *v;
    struct arena a;
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key;
    struct address address;
    struct tls *tls;
};

static int fail(int status, const char *text) {
    (void)fprintf(stderr, "buildernet send: %s\n", text);
    return status;
}

/* ---- the parameter ---- */

static bool is_number(uint64_t *ret, const char *text) {
    size_t n = strspn(text, "0123456789");
    errno = 0;
    *ret = strtoull(text, NULL, 10);
    return n > 0 && text[n] == '\0' && errno == 0;
}

static void add_number(struct json_writer *w, const char *key, const char *text) {
    uint64_t n;
    if (!text) return;
    if (is_number(&n, text))
        json_add_u64(w, key, n);
    else
        json_add_str(w, key, text); // "0x..." and what the node shall judge
}

static void add_block(struct json_writer *w, const char *text) {
    uint64_t n;
    if (!text) return;
    if (is_number(&n, text))
        json_add_quantity(w, "blockNumber", n);
    else
        json_add_str(w, "blockNumber", text);
}

static void add_list(struct json_writer *w, const char *key, const struct config_list *list) {
    if (list->count == 0) return;
    json_begin_array(w, key);
    for (size_t i = 0; i < list->count; i++) {
        json_add_str(w, NULL, list->items[i]);
    }
    json_end(w);
}

static void add_text(struct json_writer *w, const char *key, const char *text) {
    if (text) json_add_str(w, key, text);
}

/* Members that the command line gives, so that a file's are left out. */
static bool is_given(const struct send_values *v, struct bytes name, bool txs) {
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        {"txs", txs},
        {"blockNumber", v->block != NULL},
        {"replacementUuid", v->uuid != NULL},
        {"replacementNonce", v->nonce != NULL},
        {"minTimestamp", v->min_timestamp != NULL},
        {"maxTimestamp", v->max_timestamp != NULL},
        {"revertingTxHashes", v->reverting.count > 0},
        {"droppingTxHashes", v->dropping.count > 0},
        {"version", v->version != NULL},
        {"refundPercent", v->refund_percent != NULL},
        {"refundRecipient", v->refund_recipient != NULL},
        {"refundTxHashes", v->refund_txs.count > 0},
        {"refundIdentity", v->refund_identity != NULL},
        {"delayedRefund", v->delayed_refund},
        {"desiredState", v->desired_state != NULL},
        {"targetAddresses", v->targets.count > 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (bytes_equal_str(name, rows[i].name)) return rows[i].given;
    }
    for (size_t i = 0; i < v->fields.count; i++) {
        const char *end = strchr(v->fields.items[i], '=');
        if (end && name.n == (size_t)(end - v->fields.items[i]) &&
            memcmp(name.p, v->fields.items[i], name.n) == 0) {
            return true;
        }
    }
    return false;
}

static void add_fields(struct json_writer *w, const struct config_list *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        const char *end = strchr(fields->items[i], '=');
        if (!end) continue;
        json_add_key(w, bytes_make(fields->items[i], (size_t)(end - fields->items[i])));
        json_add_raw(w, NULL, bytes_from_str(end + 1));
    }
}

static void put_bundle(struct json_writer *w, const struct send_values *v, const struct json *file,
                       const struct config_list *txs) {
    json_begin_object(w, NULL);
    if (txs->count > 0 || !file) {
        json_begin_array(w, "txs");
        for (size_t i = 0; i < txs->count; i++) {
            json_add_str(w, NULL, txs->items[i]);
        }
        json_end(w);
    }
    add_block(w, v->block);
    add_text(w, "replacementUuid", v->uuid);
    add_number(w, "replacementNonce", v->nonce);
    add_number(w, "minTimestamp", v->min_timestamp);
    add_number(w, "maxTimestamp", v->max_timestamp);
    add_list(w, "revertingTxHashes", &v->reverting);
    add_list(w, "droppingTxHashes", &v->dropping);
    add_text(w, "version", v->version);
    add_number(w, "refundPercent", v->refund_percent);
    add_text(w, "refundRecipient", v->refund_recipient);
    add_list(w, "refundTxHashes", &v->refund_txs);
    add_text(w, "refundIdentity", v->refund_identity);
    if (v->delayed_refund) json_add_bool(w, "delayedRefund", true);
    add_text(w, "desiredState", v->desired_state);
    add_list(w, "targetAddresses", &v->targets);
    add_fields(w, &v->fields);
    json_members(key, value, file) {
        if (is_given(v, json_text(key), txs->count > 0)) continue;
        json_add_key(w, json_text(key));
        json_add_raw(w, NULL, json_raw(value));
    }
    json_end(w);
}

/* ---- files ---- */

static int read_file(struct bytes *ret, struct sending *s, const char *path, struct error *why) {
    struct buf b;
    buf_init(&b, FILE_MAX);
    int r = file_read_operand(&b, path, why);
    if (r == 0) {
        *ret = arena_copy(&s->a, buf_view(&b));
        if (b.n > 0 && !ret->p) r = error_set(why, ERR_LIMIT, "%s is too long", path);
    }
    buf_free(&b);
    return r;
}

/* A bundle's object: alone, or the parameter of a request. */
static int read_bundle(const struct json **ret, struct sending *s, const char *path,
                       struct error *why) {
    struct bytes text;
    const struct json *doc;
    int r = read_file(&text, s, path, why);
    if (r != 0) return r; // it names the file
    r = json_parse(&doc, text, &s->a, NULL, why);
    if (r != 0) return error_wrap(why, "%s", path);
    const struct json *params = json_get(doc, "params");
    *ret = json_count(params) > 0 ? json_first(params) : doc;
    r = json_expect(*ret, JSON_OBJECT, why);
    return r == 0 ? 0 : error_wrap(why, "%s", path);
}

/* The words of a text are added to the list. */
static int add_words(struct config_list *list, struct sending *s, struct bytes text,
                     struct error *why) {
    char *words = arena_str(&s->a, text), *rest = NULL;
    const char **items = arena_new_array(&s->a, const char *, list->count + text.n / 2 + 1);
    if (!words || !items) return error_set(why, ERR_NO_MEMORY, "no memory");
    if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
    list->items = items;
    for (char *word = strtok_r(words, " \t\r\n,\"[]", &rest); word;
         word = strtok_r(NULL, " \t\r\n,\"[]", &rest)) {
        items[list->count++] = word;
    }
    return 0;
}

/* Arguments that are transactions; words of files that are none. */
static int gather_txs(struct config_list *ret, struct sending *s, const char *const *arguments,
                      size_t count, struct error *why) {
    int r = 0;
    *ret = (struct config_list){NULL, 0};
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct bytes text = bytes_from_str(arguments[i]);
        if (strncmp(arguments[i], "0x", 2) != 0) r = read_file(&text, s, arguments[i], why);
        if (r == 0) r = add_words(ret, s, text, why);
    }
    return r;
}

/* ---- asking ---- */

static int open_sender(struct sending *s, struct error *why) {
    struct ecdsa_public_key public_key;
    struct bytes digits = bytes_make(s->v->key.p, s->v->key.n);
    struct buf ca;
    arena_init(&s->a, 512u << 20);
    int r = ecdsa_signer_new(&s->signer, why);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n == 0) ecdsa_secret_key_new(&s->key);
    if (r == 0 && digits.n > 0 && (digits.n != 64 || hex_decode(s->key.b, digits, NULL) != 0)) {
        r = error_set(why, ERR_SYNTAX, "key: not 64 hexadecimal digits");
    }
    if (r == 0) r = ecdsa_public_key_of(s->signer, &public_key, &s->key, why);
    if (r != 0) return r;
    s->address = ecdsa_address(&public_key);
    if (strncmp(s->v->url, "https:", 6) != 0) return 0;
    buf_init(&ca, CERTIFICATE_PEM_MAX);
    if (s->v->ca) r = certificate_read_file(&ca, s->v->ca, why);
    const struct tls_options o = {.role = TLS_CLIENT,
                                  .trust = s->v->ca ? TLS_TRUST_PINS : TLS_TRUST_SYSTEM,
                                  .pins_pem = buf_view(&ca)};
    if (r == 0) r = tls_new(&s->tls, &o, why);
    buf_free(&ca);
    return r;
}

static void close_sender(struct sending *s) {
    bytes_wipe(&s->key, sizeof s->key);
    ecdsa_signer_free(s->signer);
    tls_free(s->tls);
    arena_free(&s->a);
}

/* An origin and a path of a URL, both in the arena. */
static int split_url(const char **ret_origin, struct bytes *ret_path, struct sending *s,
                     const char *url, struct error *why) {
    struct url u;
    int r = url_parse(&u, bytes_from_str(url), why);
    if (r != 0) return error_wrap(why, "url");
    size_t n = u.scheme == URL_UNIX
                   ? strlen(url)
                   : (size_t)(u.authority.p + u.authority.n - (const uint8_t *)url);
    *ret_origin = arena_str(&s->a, bytes_make(url, n));
    *ret_path = u.scheme == URL_UNIX ? BYTES_LIT("/") : u.target;
    return *ret_origin ? 0 : error_set(why, ERR_NO_MEMORY, "no memory");
}

static int ask(struct client_answer *ret, struct sending *s, const char *url, struct bytes body,
               const char *signature, struct error *why) {
    struct http_field fields[3];
    struct http_request r = {.method = HTTP_POST,
                             .method_text = BYTES_LIT("POST"),
                             .fields = {.item = fields, .capacity = 3}};
    struct client_options o = {.tls = s->tls};
    int code = split_url(&o.url, &r.path, s, url, why);
    if (code != 0) return code;
    fields[r.fields.count++] = (struct http_field){.name = BYTES_LIT("content-type"),
                                                   .value = BYTES_LIT("application/json")};
    if (signature) {
        fields[r.fields.count++] = (struct http_field){
            .name = bytes_from_str(s->v->flashbots_header ? "x-flashbots-signature"
                                                          : "x-buildernet-signature"),
            .value = bytes_from_str(signature)};
    }
    if (signature && s->v->api_key.n > 0) {
        fields[r.fields.count++] =
            (struct http_field){.name = BYTES_LIT("x-api-key"),
                                .value = bytes_make(s->v->api_key.p, s->v->api_key.n),
                                .secret = true};
    }
    return client_ask(ret, &s->a, &o, &r, body, ANSWER_MAX, s->v->timeout_ns, why);
}

/* ---- explaining ---- */

static int explain(int64_t code, unsigned status, struct bytes message, struct bytes data) {
    const char *meaning = "the node refuses the order";
    int exit_status = EXIT_REFUSED;
    if (status == 429 || bytes_equal_str(message, "Rate limited")) {
        meaning = "too many requests of this signer or address: wait, or ask for a higher limit";
        exit_status = EXIT_AGAIN;
    } else if (status == 503 || code == -32005) {
        meaning = "the node has more to do than it can: send again in a moment";
        exit_status = EXIT_AGAIN;
    } else if (bytes_equal_str(message, "Invalid signature") ||
               bytes_starts_with(message, BYTES_LIT("invalid signature")) ||
               bytes_starts_with(message, BYTES_LIT("no signature"))) {
        meaning = "the signature is not of this body and key; was the body changed on its way?";
        exit_status = EXIT_UNKNOWN;
    } else if (code == -32601) {
        meaning = "the node does not know this method";
    } else if (code == -32602 || code == -32000) {
        meaning = "something in the order is wrong";
        exit_status = EXIT_WRONG;
    } else if (code == -32700 || code == -32600) {
        meaning = "the request as such is wrong or too large";
        exit_status = EXIT_WRONG;
    } else if (bytes_equal_str(message, "Disk full")) {
        meaning = "the node cannot keep its history now: send to another, or again later";
        exit_status = EXIT_AGAIN;
    }
    (void)fprintf(stderr, "refused: %.*s (code %lld, HTTP %u)\n  %s\n", (int)message.n,
                  (const char *)message.p, (long long)code, status, meaning);
    if (data.n > 0) {
        (void)fprintf(stderr, "  reason: %.*s\n", (int)data.n, (const char *)data.p);
    }
    return exit_status;
}

static int tell_strange(unsigned status, const char *lacks) {
    (void)fprintf(stderr, "the node answered HTTP %u without %s\n", status, lacks);
    return status == 429 || status == 503 ? EXIT_AGAIN : EXIT_REFUSED;
}

static int tell(struct sending *s, const struct client_answer *answer) {
    const struct json *doc;
    struct error why = {.text = ""};
    int64_t code = 0;
    if (s->v->json) (void)printf("%.*s\n", (int)answer->body.n, (const char *)answer->body.p);
    if (json_parse(&doc, answer->body, &s->a, NULL, &why) != 0) {
        return tell_strange(answer->status, "JSON");
    }
    const struct json *error = json_get(doc, "error"), *result = json_get(doc, "result");
    if (!json_is_null(error)) {
        (void)!json_get_i64(&code, error, "code", NULL);
        return explain(code, answer->status, json_text(json_get(error, "message")),
                       json_text(json_get(error, "data")));
    }
    // A balancer between may speak JSON too; an order is taken only where the node says so.
    if (!result || answer->status != 200) return tell_strange(answer->status, "a result");
    if (s->v->json) return 0;
    const struct json *hash = json_get(result, "bundleHash");
    struct bytes text = json_text(hash ? hash : result);
    (void)printf("taken: %.*s\n", (int)text.n, (const char *)text.p);
    return 0;
}

/* The chain is the node's to judge: here each transaction is of its own. */
static uint64_t chain_of(struct sending *s, const struct order_envelope *e) {
    struct bytes raw;
    struct tx tx;
    struct tx_sidecar sidecar;
    if (!bytes_equal_str(e->method, "eth_sendRawTransaction")) return 1;
    if (json_data(&raw, e->param, &s->a, NULL) != 0) return 1;
    if (tx_decode_network(&tx, &sidecar, raw, &s->a, NULL) != 0) return 1;
    return tx.chain_id > 0 ? tx.chain_id : 1;
}

/* What the node will say, before it is asked. */
static int check(struct sending *s, struct bytes body, struct error *why) {
    struct order_envelope e;
    struct order o;
    enum order_fault fault;
    struct order_context c = {.generation = ORDER_SECOND,
                              .signer = s->address,
                              .now_us = clock_wall_ns(&clock_system) / NS_PER_US};
    int r = order_envelope_parse(&e, &fault, body, ORDER_SECOND, &s->a, why);
    if (r == 0) c.chain_id = chain_of(s, &e);
    return r == 0 ? order_from_param(&o, e.method, e.param, &c, &s->a, why) : r;
}

static int send_body(struct sending *s, struct bytes body) {
    struct buf header;
    struct error why = {.text = ""};
    struct client_answer answer;
    int status;
    char address[43];
    address_to_text(address, &s->address);
    if (!s->v->no_check && check(s, body, &why) != 0) {
        (void)fprintf(stderr, "not sent: %s (--no-check sends it all the same)\n", why.text);
        return EXIT_WRONG;
    }
    buf_init(&header, 0);
    int r = request_signature_make(&header, s->signer, &s->key, body, &why);
    char *text = r == 0 ? arena_str(&s->a, buf_view(&header)) : NULL;
    buf_free(&header);
    if (!text) return fail(EXIT_REFUSED, why.text);
    if (s->v->dry_run) {
        (void)printf("%s: %s\n\n%.*s\n",
                     s->v->flashbots_header ? "X-Flashbots-Signature" : "X-BuilderNet-Signature",
                     text, (int)body.n, (const char *)body.p);
        return 0;
    }
    if (!s->v->json) (void)printf("signed by %s\n", address);
    r = ask(&answer, s, s->v->url, body, text, &why);
    status = r == 0 ? tell(s, &answer) : fail(EXIT_AWAY, why.text);
    return status;
}

/* ---- verbs ---- */

static struct json_writer *begin_request(struct json_writer *w, struct buf *out,
                                         const char *method) {
    json_writer_init(w, out, 0);
    json_begin_object(w, NULL);
    json_add_str(w, "jsonrpc", "2.0");
    json_add_u64(w, "id", 1);
    json_add_str(w, "method", method);
    json_begin_array(w, "params");
    return w;
}

static void end_request(struct json_writer *w) {
    json_end(w);
    json_end(w);
}

static int send_txs(struct sending *s, const struct config_list *txs) {
    int status = 0;
    for (size_t i = 0; i < txs->count; i++) {
        struct buf body;
        struct json_writer w;
        buf_init(&body, FILE_MAX);
        begin_request(&w, &body, "eth_sendRawTransaction");
        json_add_str(&w, NULL, txs->items[i]);
        end_request(&w);
        int one = buf_check(&body, NULL) == 0 ? send_body(s, buf_view(&body))
                                              : fail(EXIT_WRONG, "the transaction is too large");
        if (one != 0) status = one;
        buf_free(&body);
    }
    return status;
}

/* Members of --field are NAME=JSON: one that is not would be left out of what is signed. The JSON
 * may have commas, at which the list was cut. */
static int join_fields(struct config_list *ret, struct sending *s, const struct config_list *cut,
                       struct error *why) {
    const char **items = arena_new_array(&s->a, const char *, cut->count);
    const struct json *doc;
    *ret = (struct config_list){items, 0};
    for (size_t i = 0; items && i < cut->count; i++) {
        const char *first = cut->items[i], *text = first, *value = strchr(text, '=');
        size_t name = value ? (size_t)(value - text) : 0;
        if (name == 0) return error_set(why, ERR_SYNTAX, "--field: %.40s is not NAME=JSON", text);
        while (json_parse(&doc, bytes_from_str(text + name + 1), &s->a, NULL, NULL) != 0) {
            if (++i < cut->count) text = arena_printf(&s->a, "%s,%s", text, cut->items[i]);
            if (i == cut->count || !text) {
                return error_set(why, ERR_SYNTAX, "--field: what %.*s is to be is not JSON",
                                 (int)(name < 40 ? name : 40), first);
            }
        }
        items[ret->count++] = text;
    }
    return items ? 0 : error_set(why, ERR_NO_MEMORY, "no memory");
}

static int send_bundle(struct sending *s, const struct json *file, const struct config_list *txs) {
    struct buf body;
    struct json_writer w;
    struct send_values joined = *s->v;
    struct error why;
    if (join_fields(&joined.fields, s, &s->v->fields, &why) != 0) {
        return fail(EXIT_WRONG, why.text);
    }
    buf_init(&body, FILE_MAX);
    begin_request(&w, &body, "eth_sendBundle");
    put_bundle(&w, &joined, file, txs);
    end_request(&w);
    int status = buf_check(&body, NULL) == 0 ? send_body(s, buf_view(&body))
                                             : fail(EXIT_WRONG, "the bundle is too large");
    buf_free(&body);
    return status;
}

static const char *tell_rpc_error(struct sending *s, const struct json *doc) {
    struct bytes text = json_text(json_get(json_get(doc, "error"), "message"));
    const char *ret =
        arena_printf(&s->a, "the execution client does not tell: %.*s",
                     (int)(text.n < 200 ? text.n : 200), text.n > 0 ? (const char *)text.p : "");
    return ret ? ret : "no memory";
}

/* What an execution client knows of a transaction. */
static int tell_receipt(struct sending *s, const char *hash) {
    struct buf body;
    struct json_writer w;
    struct client_answer answer;
    struct error why = {.text = ""};
    const struct json *doc = NULL;
    uint64_t block = 0, good = 0;
    struct hash h;
    if (hex_decode_hash(&h, bytes_from_str(hash), NULL) != 0) {
        return fail(EXIT_WRONG, "a transaction's hash is 0x and 64 hex digits");
    }
    buf_init(&body, 4096);
    begin_request(&w, &body, "eth_getTransactionReceipt");
    json_add_str(&w, NULL, hash);
    end_request(&w);
    int r = ask(&answer, s, s->v->rpc_url, buf_view(&body), NULL, &why);
    buf_free(&body);
    if (r == 0) r = json_parse(&doc, answer.body, &s->a, NULL, &why);
    if (r != 0) return fail(EXIT_AWAY, why.text);
    const struct json *receipt = json_get(doc, "result");
    if (!receipt) return fail(EXIT_AWAY, tell_rpc_error(s, doc));
    if (json_is_null(receipt)) {
        (void)printf("%s  not included\n", hash);
        return EXIT_REFUSED;
    }
    r = json_get_quantity(&block, receipt, "blockNumber", &why);
    if (r == 0) r = json_get_quantity(&good, receipt, "status", &why);
    if (r != 0) return fail(EXIT_REFUSED, why.text);
    (void)printf("%s  included in block %llu, %s\n", hash, (unsigned long long)block,
                 good ? "succeeded" : "reverted");
    return 0;
}

static int tell_status(struct sending *s, const struct config_list *hashes) {
    const struct send_values *v = s->v;
    int status = 0;
    if (!v->rpc_url && v->nodes.count == 0) {
        return fail(64, "status needs --rpc-endpoint or --node");
    }
    for (size_t i = 0; i < hashes->count; i++) {
        int one = v->rpc_url ? tell_receipt(s, hashes->items[i]) : 0;
        if (one != 0) status = one;
        if (v->nodes.count == 0) continue;
        const char **arguments = arena_new_array(&s->a, const char *, v->nodes.count + 1);
        if (!arguments) return EXIT_REFUSED;
        arguments[0] = hashes->items[i];
        memcpy(arguments + 1, v->nodes.items, v->nodes.count * sizeof *arguments);
        one = orderflow_trace(&(struct orderflow_values){0}, arguments, v->nodes.count + 1);
        if (one != 0 && !v->rpc_url) status = one;
    }
    return status;
}

int send_run(const struct config *config, const struct send_values *values) {
    struct sending s = {.v = values};
    struct error why = {.text = ""};
    struct config_list arguments = config_arguments(config), txs = {NULL, 0};
    const struct json *file = NULL;
    int verb = config_verb_index(config), status;
    bool from_file =
        verb == SEND_BUNDLE && arguments.count > 0 && strncmp(arguments.items[0], "0x", 2) != 0;
    int r = open_sender(&s, &why);
    if (r == 0 && from_file) r = read_bundle(&file, &s, arguments.items[0], &why);
    if (r == 0 && (verb == SEND_TX || verb == SEND_BUNDLE)) {
        size_t skip = from_file ? 1 : 0;
        r = gather_txs(&txs, &s, arguments.items + skip, arguments.count - skip, &why);
    }
    if (r != 0) {
        status = fail(error_class_of(r)->exit_status, why.text);
    } else if (verb == SEND_TX) {
        status = send_txs(&s, &txs);
    } else if (verb == SEND_STATUS) {
        status = tell_status(&s, &arguments);
    } else if (verb == SEND_CANCEL && !values->uuid) {
        status = fail(64, "cancel needs --uuid");
    } else if (verb == SEND_CANCEL && secret_view(&values->key).n == 0 && !values->no_check) {
        status = fail(64, "cancel needs the --key that signed the bundle: a uuid is its signer's");
    } else {
        status = send_bundle(&s, file, &txs);
    }
    close_sender(&s);
    return status;
}
