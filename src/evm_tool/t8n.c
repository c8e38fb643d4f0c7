/* SPDX-License-Identifier: MIT */
#include "evm_tool/t8n.h"

#include "base/hex.h"
#include "chain/requests.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "eth/rpc_json.h"
#include "evm/tracers.h"
#include "evm_tool/fixture.h"
#include "evm_tool/t8n_env.h"
#include "evm_tool/t8n_options.h"
#include "trie/trie_plain.h"
#include "json/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct rejected {
    size_t index;
    const char *text;
};

struct t8n {
    struct t8n_options o;
    struct workbench w;
    struct chain_config config;
    struct t8n_hashes hashes;
    struct block_env env;
    struct block_run run;
    struct block_outcome outcome;
    const struct json *alloc, *env_json, *txs;
    const struct json *from_stdin;
    struct tx *included;
    struct address *senders;
    size_t included_count;
    struct rejected *rejected;
    size_t rejected_count;
    const char *exception; // the block is invalid as a whole; NULL: it is not
    struct memory_state after;
};

static int fail(int status, const char *what, const struct error *why) {
    (void)fprintf(stderr, "ERROR(%d): %s: %s\n", status, what, why->text);
    return status;
}

/* Input. */

static int read_all(struct bytes *ret, const char *path, struct arena *a, struct error *why) {
    FILE *f = strcmp(path, "stdin") == 0 ? stdin : fopen(path, "re");
    struct buf all;
    buf_init(&all, JSON_BYTES_MAX);
    if (!f) return error_set(why, ERR_IO, "%s cannot be read", path);
    for (;;) {
        uint8_t *to = buf_reserve(&all, 1u << 16);
        size_t n = to ? fread(to, 1, 1u << 16, f) : 0;
        if (n == 0) break;
        buf_commit(&all, n);
    }
    if (f != stdin) (void)fclose(f);
    int r = buf_check(&all, why);
    if (r == 0) *ret = arena_copy(a, buf_view(&all));
    buf_free(&all);
    return r;
}

static int read_json(const struct json **ret, struct t8n *t, const char *path, const char *member,
                     struct error *why) {
    struct bytes text;
    struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, true};
    bool is_stdin = strcmp(path, "stdin") == 0;
    if (is_stdin && t->from_stdin) {
        *ret = json_get(t->from_stdin, member);
        return 0;
    }
    int r = read_all(&text, path, &t->w.arena, why);
    const struct json *doc = NULL;
    if (r == 0) r = json_parse(&doc, text, &t->w.arena, &limits, why);
    if (r != 0) return error_wrap(why, "%s", path);
    if (is_stdin) t->from_stdin = doc;
    *ret = is_stdin ? json_get(doc, member) : doc;
    return 0;
}

// A list of objects, or a string that is the RLP list of envelopes: then *ret_count of them.
static int split_rlp(const struct json *in, struct bytes **ret, size_t *ret_count, struct arena *a,
                     struct error *why) {
    struct bytes raw;
    struct rlp_source source;
    int r = fixture_bytes(&raw, in, a, why);
    if (r != 0) return r;
    struct rlp_reader outer = rlp_open(&source, raw, why), list = rlp_list(&outer, "transactions");
    size_t count = rlp_count(&list, 1u << 20, "transactions");
    *ret = arena_new_array(a, struct bytes, count + 1);
    if (!*ret) return error_set(why, ERR_NO_MEMORY, "no memory");
    while (rlp_more(&list)) {
        bool legacy = rlp_peek_is_list(&list);
        (*ret)[(*ret_count)++] =
            legacy ? rlp_raw(&list, "transaction") : rlp_string(&list, "transaction");
    }
    return rlp_finish(&outer, "transactions");
}

/* Running. */

static int root_now(void *ctx, struct state *s, struct hash *ret, struct error *why) {
    struct t8n *t = ctx;
    int r = memory_state_apply(&t->after, s, why);
    return r == 0 ? memory_state_root(ret, &t->after, why) : r;
}

static void write_trace(const struct t8n *t, size_t index, const struct hash *hash,
                        struct bytes text) {
    char path[4096], hex[65] = {0};
    hex_encode(hex, BYTES_OF(*hash));
    (void)snprintf(path, sizeof path, "%s/trace-%zu-0x%s.%s", t->o.base, index, hex,
                   t->o.tracer ? "json" : "jsonl");
    FILE *f = fopen(path, "we");
    if (!f || fwrite(text.p, 1, text.n, f) != text.n) {
        (void)fprintf(stderr, "%s cannot be written\n", path);
    }
    if (f) (void)fclose(f);
}

static int reject(struct t8n *t, size_t index, const char *text, struct error *why) {
    char *copy = arena_str(&t->w.arena, bytes_from_str(text));
    if (!copy) return error_set(why, ERR_NO_MEMORY, "no memory");
    t->rejected[t->rejected_count++] = (struct rejected){index, copy};
    return 0;
}

// Ends what a tracer tells of a transaction.
static int end_trace(struct t8n *t, struct tracer *tracer, const struct tx *tx,
                     const struct transact_result *result, struct error *why) {
    const struct tracer_transaction told = {.gas_limit = tx->gas,
                                            .gas_used = result->gas_used,
                                            .log_first = t->run.entries[0].log_first};
    tracer_set_transaction(tracer, &told);
    return tracer_end(tracer, &t->w.state, why);
}

static int run_one(struct t8n *t, size_t index, const struct tx *tx, const struct address *sender,
                   struct error *why) {
    struct transact_result result;
    struct tracer *tracer = NULL;
    struct buf trace;
    int r = 0;
    buf_init(&trace, 0);
    if (t->o.trace) {
        const char *name = t->o.tracer ? t->o.tracer : "structlog";
        r = tracer_new_with(&tracer, name, &t->o.tracing, &trace, why);
        if (r == 0) t->w.vm.tracer = tracer_interface(tracer);
    }
    if (r == 0) r = block_run_tx(&t->run, tx, sender, &result, why);
    t->w.vm.tracer = NULL;
    if (r == 0 && result.fault != TRANSACT_VALID) {
        r = reject(t, index, transact_fault_text(&result), why);
    } else if (r == 0) {
        if (tracer) r = end_trace(t, tracer, tx, &result, why);
        if (tracer && r == 0) write_trace(t, t->included_count, &tx->hash, buf_view(&trace));
        t->included[t->included_count] = *tx;
        t->senders[t->included_count++] = *sender;
    }
    tracer_free(tracer);
    buf_free(&trace);
    return r;
}

static int run_txs(struct t8n *t, struct error *why) {
    struct arena *a = &t->w.arena;
    struct bytes *raw = NULL;
    size_t count = json_count(t->txs), index = 0;
    bool is_rlp = json_type_of(t->txs) == JSON_STRING;
    if (is_rlp) {
        count = 0;
        int r = split_rlp(t->txs, &raw, &count, a, why);
        if (r != 0) return r;
    }
    t->included = arena_new_array(a, struct tx, count + 1);
    t->senders = arena_new_array(a, struct address, count + 1);
    t->rejected = arena_new_array(a, struct rejected, count + 1);
    if (!t->included || !t->senders || !t->rejected) {
        return error_set(why, ERR_NO_MEMORY, "no memory");
    }
    const struct json *item = is_rlp ? NULL : json_first(t->txs);
    for (; index < count; index++) {
        struct error why_not = {.text = ""};
        struct tx tx;
        struct address sender;
        int r = 0;
        if (is_rlp) {
            if (tx_decode(&tx, raw[index], a, &why_not) == 0)
                (void)!tx_sender(&sender, &tx, &why_not);
        } else {
            r = t8n_tx(&tx, &sender, &t->w, item, &t->config, t->env.fork, &why_not, why);
            item = json_next(t->txs, item);
        }
        if (r == 0) {
            r = why_not.text[0] ? reject(t, index, why_not.text, why)
                                : run_one(t, index, &tx, &sender, why);
        }
        if (r != 0) return r;
    }
    return 0;
}

// The fork, and what counts in it.
static int configure(struct t8n *t, enum fork *ret_fork, struct error *why) {
    const struct json *blobs = NULL;
    int fork = chain_config_at_name(&t->config, bytes_from_str(t->o.fork), t->o.chain_id);
    if (fork < 0) return error_set(why, ERR_INVALID, "unsupported fork \"%.64s\"", t->o.fork);
    *ret_fork = (enum fork)fork;
    if (!t->o.blob_params) return 0;
    struct blob_params p;
    int r = read_json(&blobs, t, t->o.blob_params, "blobParams", why);
    if (r == 0) r = fixture_blob_params(&p, blobs, 0, why);
    if (r == 0) (void)chain_config_add_blobs(&t->config, p); // in the place of the fork's own
    return r;
}

// A block that its own system contracts make invalid has a result all the same: that it is so.
static int finish(struct t8n *t, struct error *why) {
    struct arena *a = &t->w.arena;
    struct block_outcome *o = &t->outcome;
    struct error reason = {0};
    int r = block_run_finish(&t->run, o, a, &reason);
    if (r == 0 && t->o.state_test) o->requests_hash = requests_hash(NULL, 0);
    if (r != ERR_INVALID) {
        if (r != 0) *why = reason;
        return r;
    }
    t->exception = arena_str(a, bytes_from_str(reason.text));
    if (!t->exception) return error_set(why, ERR_NO_MEMORY, "no memory");
    o->requests_hash = requests_hash(o->requests, o->request_count);
    return block_withdrawals_root(&o->withdrawals_root, t->env.withdrawals, t->env.withdrawal_count,
                                  a, why);
}

static int run(struct t8n *t, struct error *why) {
    struct workbench *w = &t->w;
    enum fork fork = FORK_FRONTIER;
    int r = configure(t, &fork, why);
    if (r == 0) r = fixture_accounts(&w->memory, t->alloc, &w->arena, why);
    if (r == 0) r = memory_state_copy(&t->after, &w->memory, why);
    if (r == 0) {
        r = t8n_env(&t->env, &t->hashes, t->env_json, &t->config, fork, t->o.state_test, &w->arena,
                    why);
    }
    if (r != 0) return r;
    t->env.state_root = root_now;
    t->env.state_root_ctx = t;
    t->env.no_rewards = t->o.no_reward;
    t->env.reward = &t->o.reward;
    t->env.replay = t->o.state_test; // nothing but the transactions
    block_run_init(&t->run, &w->vm);
    state_reset(&w->state, memory_state_reader(&w->memory));
    r = block_run_begin(&t->run, &w->state, &t->env, why);
    if (r == 0) r = run_txs(t, why);
    if (r == 0) r = finish(t, why);
    return r == 0 ? memory_state_apply(&t->after, &w->state, why) : r;
}

/* Output. */

static void add_account(void *arg, const struct memory_account *a) {
    void **pair = arg;
    struct json_writer *w = pair[0];
    const struct t8n *t = pair[1];
    char hex[43] = "0x";
    hex_encode(hex + 2, BYTES_OF(a->address));
    json_begin_object(w, hex);
    struct bytes code = memory_state_code(&t->after, &a->fields.code_hash);
    if (code.n) json_add_data(w, "code", code);
    bool open = false;
    for (uint32_t i = 0; a->slots && i <= a->slot_mask; i++) {
        if (!a->slots[i].used || u256_is_zero(a->slots[i].value)) continue;
        char key[67] = "0x";
        uint8_t word[32];
        u256_store_be(word, a->slots[i].key);
        hex_encode(key + 2, (struct bytes){word, 32});
        if (!open) json_begin_object(w, "storage");
        open = true;
        u256_store_be(word, a->slots[i].value);
        json_add_data(w, key, (struct bytes){word, 32});
    }
    if (open) json_end(w);
    json_add_quantity256(w, "balance", a->fields.balance);
    if (a->fields.nonce) json_add_quantity(w, "nonce", a->fields.nonce);
    json_end(w);
}

static void write_alloc(const struct t8n *t, struct json_writer *w, const char *key) {
    void *pair[2] = {w, (void *)(uintptr_t)t};
    json_begin_object(w, key);
    memory_state_each(&t->after, add_account, pair);
    json_end(w);
}

static void write_receipts(const struct t8n *t, struct json_writer *w) {
    uint64_t first_log = 0;
    json_begin_array(w, "receipts");
    for (size_t i = 0; i < t->included_count; i++) {
        const struct tx *tx = &t->included[i];
        struct receipt_place place = {
            .tx = {.in_block = true, .block_number = t->env.number, .index = i},
            .tx_hash = tx->hash,
            .from = t->senders[i],
            .has_to = tx->has_to,
            .to = tx->to,
            .has_contract = !tx->has_to,
            .contract = tx_create_address(&t->senders[i], tx->nonce),
            .gas_used = t->run.entries[i].gas_used,
            .effective_price = tx_effective_price(tx, t->w.vm.block.base_fee),
            .blob_gas_used = t->run.entries[i].blob_gas_used,
            .blob_price = t->w.vm.block.blob_base_fee,
            .first_log = first_log};
        receipt_json_encode(w, NULL, &t->outcome.receipts[i], &place);
        first_log += t->outcome.receipts[i].log_count;
    }
    json_end(w);
}

static struct hash logs_hash(const struct t8n *t) {
    struct buf out;
    buf_init(&out, 0);
    size_t begin = rlp_list_begin(&out);
    for (size_t i = 0; i < t->outcome.receipt_count; i++) {
        struct buf one;
        struct rlp_item item;
        buf_init(&one, 0);
        logs_encode(&one, t->outcome.receipts[i].logs, t->outcome.receipts[i].log_count);
        struct bytes in = buf_view(&one);
        if (rlp_next(&item, &in, NULL) == 0) buf_append(&out, item.payload);
        buf_free(&one);
    }
    rlp_list_close(&out, begin);
    struct hash h = keccak256(buf_view(&out));
    buf_free(&out);
    return h;
}

static int write_result(const struct t8n *t, struct json_writer *w, const char *key,
                        struct error *why) {
    struct hash root, txs_root, logs = logs_hash(t);
    struct bytes *raws = calloc(t->included_count + 1, sizeof *raws);
    if (!raws) return error_set(why, ERR_NO_MEMORY, "no memory");
    for (size_t i = 0; i < t->included_count; i++) {
        raws[i] = t->included[i].raw;
    }
    int r = memory_state_root(&root, &t->after, why);
    if (r == 0) r = trie_plain_ordered_root(&txs_root, raws, t->included_count, why);
    free(raws);
    if (r != 0) return r;
    json_begin_object(w, key);
    json_add_data(w, "stateRoot", BYTES_OF(root));
    json_add_data(w, "txRoot", BYTES_OF(txs_root));
    json_add_data(w, "receiptsRoot", BYTES_OF(t->outcome.receipts_root));
    json_add_data(w, "logsHash", BYTES_OF(logs));
    json_add_data(w, "logsBloom", BYTES_OF(t->outcome.bloom));
    write_receipts(t, w);
    if (t->rejected_count) {
        json_begin_array(w, "rejected");
        for (size_t i = 0; i < t->rejected_count; i++) {
            json_begin_object(w, NULL);
            json_add_u64(w, "index", t->rejected[i].index);
            json_add_str(w, "error", t->rejected[i].text);
            json_end(w);
        }
        json_end(w);
    }
    if (t->exception) json_add_str(w, "blockException", t->exception);
    if (t->env.fork < FORK_PARIS) {
        json_add_quantity256(w, "currentDifficulty", t->env.prevrandao);
    } else {
        json_add_null(w, "currentDifficulty");
    }
    json_add_quantity(w, "gasUsed", t->outcome.gas_used);
    if (t->env.fork >= FORK_LONDON) json_add_quantity256(w, "currentBaseFee", t->env.base_fee);
    if (t->env.fork >= FORK_SHANGHAI) {
        json_add_data(w, "withdrawalsRoot", BYTES_OF(t->outcome.withdrawals_root));
    }
    if (t->env.fork >= FORK_CANCUN) {
        json_add_quantity(w, "currentExcessBlobGas", t->env.excess_blob_gas);
        json_add_quantity(w, "blobGasUsed", t->outcome.blob_gas_used);
    }
    if (t->env.fork >= FORK_PRAGUE) {
        json_add_data(w, "requestsHash", BYTES_OF(t->outcome.requests_hash));
        json_begin_array(w, "requests");
        for (size_t i = 0; i < t->outcome.request_count; i++) {
            json_add_data(w, NULL, t->outcome.requests[i]);
        }
        json_end(w);
    }
    json_end(w);
    return 0;
}

static void write_body(const struct t8n *t, struct json_writer *w, const char *key) {
    struct buf out;
    buf_init(&out, 0);
    size_t begin = rlp_list_begin(&out);
    for (size_t i = 0; i < t->included_count; i++) {
        const struct tx *tx = &t->included[i];
        if (tx->type == TX_LEGACY) {
            buf_append(&out, tx->raw);
        } else {
            rlp_put_string(&out, tx->raw);
        }
    }
    rlp_list_close(&out, begin);
    json_add_data(w, key, buf_view(&out));
    buf_free(&out);
}

// The folder of files, with those above it.
static int make_folder(const char *path, struct error *why) {
    char part[4096];
    size_t n = strlen(path);
    if (n >= sizeof part) return error_set(why, ERR_LIMIT, "the folder's name is too long");
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i]) continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return error_set(why, ERR_IO, "%s cannot be made", part);
        }
    }
    return 0;
}

static int put_file(const struct t8n *t, const char *name, const struct buf *text,
                    struct error *why) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", t->o.base, name);
    FILE *f = fopen(path, "we");
    if (!f) return error_set(why, ERR_IO, "%s cannot be written", path);
    bool ok = fwrite(text->p, 1, text->n, f) == text->n && fputc('\n', f) != EOF;
    return fclose(f) == 0 && ok ? 0 : error_set(why, ERR_IO, "%s cannot be written", path);
}

static int write_part(const struct t8n *t, struct json_writer *w, unsigned part, const char *key,
                      struct error *why) {
    if (part == 0) write_alloc(t, w, key);
    if (part == 2) write_body(t, w, key);
    return part == 1 ? write_result(t, w, key, why) : 0;
}

// What goes to one stream is one object with the parts as members.
static int write_stream(const struct t8n *t, const char *stream, FILE *to, struct error *why) {
    static const char *const names[] = {"alloc", "result", "body"};
    const char *const targets[] = {t->o.alloc_to, t->o.result_to, t->o.body_to};
    struct buf out;
    struct json_writer w;
    bool any = false;
    int r = 0;
    buf_init(&out, 0);
    json_writer_init(&w, &out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    for (unsigned i = 0; r == 0 && i < 3; i++) {
        if (strcmp(targets[i], stream) != 0) continue;
        any = true;
        r = write_part(t, &w, i, names[i], why);
    }
    json_end(&w);
    if (r == 0) r = buf_check(&out, why);
    if (r == 0 && any) {
        bool good = fwrite(out.p, 1, out.n, to) == out.n && fputc('\n', to) != EOF;
        if (!good || fflush(to) != 0) r = error_set(why, ERR_IO, "%s cannot be written", stream);
    }
    buf_free(&out);
    return r;
}

static int write_all(const struct t8n *t, struct error *why) {
    const char *const targets[] = {t->o.alloc_to, t->o.result_to, t->o.body_to};
    int r = write_stream(t, "stdout", stdout, why);
    if (r == 0) r = write_stream(t, "stderr", stderr, why);
    for (unsigned i = 0; r == 0 && i < 3; i++) {
        bool stream = strcmp(targets[i], "stdout") == 0 || strcmp(targets[i], "stderr") == 0;
        struct buf out;
        struct json_writer w;
        if (stream || targets[i][0] == '\0') continue;
        buf_init(&out, 0);
        json_writer_init(&w, &out, JSON_PRETTY);
        r = write_part(t, &w, i, NULL, why);
        if (r == 0) r = buf_check(&out, why);
        if (r == 0) r = put_file(t, targets[i], &out, why);
        buf_free(&out);
    }
    return r;
}

static int check_inputs(const struct t8n *t, struct error *why) {
    enum json_type txs = json_type_of(t->txs);
    if (!json_as_object(t->alloc)) return error_set(why, ERR_SYNTAX, "alloc is no object");
    if (!json_as_object(t->env_json)) return error_set(why, ERR_SYNTAX, "env is no object");
    if (txs == JSON_ARRAY || txs == JSON_STRING || txs == JSON_NULL) return 0;
    return error_set(why, ERR_SYNTAX, "txs are no list, and no string of one");
}

static int run_tool(struct t8n *t) {
    struct error why = {0};
    int r = read_json(&t->alloc, t, t->o.alloc, "alloc", &why);
    if (r == 0) r = read_json(&t->env_json, t, t->o.env, "env", &why);
    if (r == 0) r = read_json(&t->txs, t, t->o.txs, "txs", &why);
    if (r == 0 && json_is_null(t->txs) && t->from_stdin) t->txs = json_get(t->from_stdin, "txsRlp");
    if (r == 0) r = check_inputs(t, &why);
    if (r == 0) r = make_folder(t->o.base, &why);
    if (r != 0) return fail(r == ERR_IO ? 11 : 10, "input", &why);
    r = run(t, &why);
    if (r != 0) return fail(r == ERR_NOT_FOUND ? 4 : r == ERR_INVALID ? 3 : 10, "transition", &why);
    r = write_all(t, &why);
    return r != 0 ? fail(11, "output", &why) : 0;
}

int t8n_main(int argc, char **argv) {
    struct t8n t = {0};
    struct report_sink none = {0};
    struct error why = {0};
    if (!t8n_options_read(&t.o, argc, argv)) return 2;
    if (workbench_init(&t.w, &none, &why) != 0) return fail(11, "start", &why);
    memory_state_init(&t.after);
    int status = run_tool(&t);
    block_run_free(&t.run);
    memory_state_free(&t.after);
    workbench_free(&t.w);
    return status;
}
