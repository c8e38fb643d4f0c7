/* SPDX-License-Identifier: MIT */
#include "builder/testing.h"

#include "crypto/kzg.h"
#include "test/harness/test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define GWEI UINT64_C(1000000000)
#define FINNEY (UINT64_C(1000000) * GWEI)
#define CHAIN 1337u
#define CONTRACT(n) ((struct address){{0xc0, [19] = (n)}})

enum contract { PAY = 1, REVERT, ONCE, FLAG, LISTED, DEEP, DEAR, REFUSE, LOOP };

/* Pays what it is given to the coinbase: CALL(gas, COINBASE, CALLVALUE, 0, 0, 0, 0). */
#define CODE_PAY "\x5f\x5f\x5f\x5f\x34\x41\x5a\xf1\x50\x00"
#define CODE_REVERT "\x5f\x5f\xfd"
/* if (SLOAD(0)) revert; SSTORE(0, 1); pay */
#define CODE_ONCE "\x5f\x54\x15\x60\x09\x57\x5f\x5f\xfd\x5b\x60\x01\x5f\x55" CODE_PAY
/* with data: SSTORE(0, 1). Without: if (SLOAD(0)) pay, else revert. */
#define CODE_FLAG                                                                                  \
    "\x36\x60\x0c\x57\x5f\x54\x60\x12\x57\x5f\x5f\xfd\x5b\x60\x01\x5f\x55\x00\x5b" CODE_PAY
/* Calls the listed contract, whatever comes of it. */
#define CODE_DEEP                                                                                  \
    "\x5f\x5f\x5f\x5f\x5f\x73\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\x5a\xf1\x50\x00"
/* Takes money at a price: SSTORE(0, CALLVALUE). */
#define CODE_DEAR "\x34\x5f\x55\x00"
/* Burns all that it is given. */
#define CODE_LOOP "\x5b\x5f\x56"

struct u256 world_finney(uint64_t n) {
    return u256_mul(u256_from_u64(n), u256_from_u64(FINNEY));
}

static void put_code(struct world *w, enum contract n, const char *code, size_t size) {
    struct error why;
    struct address a = CONTRACT((uint8_t)n);
    CHECK_OK(
        memory_state_set_account(&w->scene.pre, &a, U256_ZERO, 1, bytes_make(code, size), &why),
        &why);
}

static void put_accounts(struct world *w) {
    struct error why;
    for (uint8_t i = 0; i < 26; i++) {
        struct ecdsa_public_key public;
        struct u256 rich = world_finney(1000000);
        w->keys[i] = (struct ecdsa_secret_key){{[30] = 1, [31] = (uint8_t)(i + 1)}};
        CHECK_OK(ecdsa_public_key_of(w->signer, &public, &w->keys[i], &why), &why);
        w->accounts[i] = ecdsa_address(&public);
        bool poor = i == 'p' - 'a' || i == 'z' - 'a';
        if (poor) continue;
        CHECK_OK(memory_state_set_account(&w->scene.pre, &w->accounts[i], rich, 0,
                                          (struct bytes){0}, &why),
                 &why);
    }
}

void world_init(struct world *w) {
    struct error why;
    *w = (struct world){0};
    arena_init(&w->memory, 0);
    CHECK_OK(scene_init(&w->scene, &why), &why);
    CHECK_OK(ecdsa_signer_new(&w->signer, &why), &why);
    put_accounts(w);
    put_code(w, PAY, CODE_PAY, sizeof CODE_PAY - 1);
    put_code(w, REVERT, CODE_REVERT, sizeof CODE_REVERT - 1);
    put_code(w, ONCE, CODE_ONCE, sizeof CODE_ONCE - 1);
    put_code(w, FLAG, CODE_FLAG, sizeof CODE_FLAG - 1);
    put_code(w, LISTED, CODE_PAY, sizeof CODE_PAY - 1);
    put_code(w, DEEP, CODE_DEEP, sizeof CODE_DEEP - 1);
    put_code(w, DEAR, CODE_DEAR, sizeof CODE_DEAR - 1);
    put_code(w, REFUSE, CODE_REVERT, sizeof CODE_REVERT - 1);
    put_code(w, LOOP, CODE_LOOP, sizeof CODE_LOOP - 1);
    CHECK_OK(block_list_parse(&w->listed,
                              BYTES_LIT("# the listed contract\n"
                                        "0xc000000000000000000000000000000000000005\n"),
                              &why),
             &why);
    chain_config_all_at(&w->scene.config, FORK_PRAGUE, CHAIN);
    w->scene.env = (struct block_env){.config = &w->scene.config,
                                      .fork = FORK_PRAGUE,
                                      .coinbase = w->accounts['z' - 'a'],
                                      .number = WORLD_BLOCK,
                                      .timestamp = WORLD_TIME,
                                      .gas_limit = 30000000,
                                      .base_fee = u256_from_u64(GWEI),
                                      .replay = true};
    w->options = (struct fill_options){
        .listed = w->listed, .payer = w->scene.env.coinbase, .can_pay = true, .allow_skip = true};
}

static void end_runs(struct world *w) {
    if (!w->begun) return;
    fill_free(&w->sim);
    fill_free(&w->fill);
    scene_end(&w->sim_run);
    scene_end(&w->run);
    job_free(w->job);
    w->begun = false;
}

void world_free(struct world *w) {
    end_runs(w);
    block_list_release(w->listed);
    ecdsa_signer_free(w->signer);
    scene_free(&w->scene);
    arena_free(&w->memory);
}

/* Reading. */

struct words {
    struct world *w;
    const char *at;
    uint64_t nonces[26]; // as they will be when the order is good
};

static bool next_word(struct words *s, char ret[128]) {
    while (*s->at == ' ') {
        s->at++;
    }
    size_t n = 0;
    if (*s->at == '(' || *s->at == ')') {
        ret[n++] = *s->at++;
        while (n == 1 && ret[0] == ')' && (*s->at == '?' || *s->at == '!')) {
            ret[n++] = *s->at++;
        }
    } else {
        while (*s->at && *s->at != ' ' && *s->at != ')' && n < 126) {
            ret[n++] = *s->at++;
        }
    }
    ret[n] = 0;
    return n > 0;
}

static struct address account_of(const struct world *w, char c) {
    if (c == 'D') return CONTRACT(DEAR);
    if (c == 'X') return CONTRACT(REFUSE);
    if (c == 'L') return CONTRACT(LOOP);
    return w->accounts[c - 'a'];
}

static bool starts(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

static void set_action(struct world *w, struct tx *t, const char *action, uint64_t number) {
    t->to = w->accounts['y' - 'a'];
    t->gas = 100000;
    if (starts(action, "pay")) t->to = CONTRACT(PAY);
    if (starts(action, "once")) t->to = CONTRACT(ONCE);
    if (starts(action, "back") || starts(action, "set")) t->to = CONTRACT(FLAG);
    if (starts(action, "revert")) t->to = CONTRACT(REVERT);
    if (starts(action, "list")) t->to = CONTRACT(LISTED);
    if (starts(action, "deep")) t->to = CONTRACT(DEEP);
    if (starts(action, "pay") || starts(action, "once") || starts(action, "back")) {
        t->value = world_finney(number);
    }
    if (starts(action, "set")) t->data = BYTES_LIT("\x01");
    if (starts(action, "gas")) t->gas = number * 1000;
    if (starts(action, "cheap")) t->max_fee = u256_from_u64(GWEI / 2);
}

// Empty blobs: commitment and proof are the point at infinity; a forged commitment is another one.
static struct bytes with_blobs(struct world *w, struct tx *t, size_t count, bool forged) {
    struct tx_sidecar s = {.present = true, .blob_count = count, .proof_count = count};
    struct bytes48 *commitments = arena_new_array(&w->memory, struct bytes48, count);
    struct hash *hashes = arena_new_array(&w->memory, struct hash, count);
    const uint8_t **blobs = arena_new_array(&w->memory, const uint8_t *, count);
    struct buf out;
    struct error why;
    for (size_t i = 0; i < count; i++) {
        commitments[i].b[0] = forged ? (uint8_t)(i + 1) : 0xc0;
        hashes[i] = kzg_versioned_hash(&commitments[i]);
        blobs[i] = arena_alloc(&w->memory, BLOB_BYTES);
    }
    s.blobs = blobs;
    s.commitments = s.proofs = commitments;
    t->type = TX_BLOB;
    t->blob_hashes = hashes;
    t->blob_count = count;
    t->max_blob_fee = u256_from_u64(GWEI);
    CHECK_OK(tx_sign(t, w->signer, &w->keys[0], &w->memory, &why), &why);
    buf_init(&out, 0);
    tx_encode_network(&out, t, &s);
    struct bytes raw = arena_copy(&w->memory, buf_view(&out));
    buf_free(&out);
    return raw;
}

// The authority's next nonce is used up, or the one after the transaction's own.
static void with_authorization(struct words *s, struct tx *t, int authority) {
    struct world *w = s->w;
    struct tx_authorization *a = arena_new(&w->memory, struct tx_authorization);
    struct error why;
    a->chain_id = u256_from_u64(CHAIN);
    a->address = CONTRACT(PAY);
    a->nonce = s->nonces[authority]++;
    struct hash digest = tx_authorization_hash(a);
    CHECK_OK(ecdsa_sign(w->signer, &a->signature, &digest, &w->keys[authority], &why), &why);
    t->type = TX_SET_CODE;
    t->gas = 200000;
    t->authorizations = a;
    t->authorization_count = 1;
}

static struct bytes read_tx(struct words *s, const char *word, struct hash *ret_hash) {
    struct world *w = s->w;
    struct error why;
    int sender = word[0] - 'a';
    const char *action = word + 2, *colon = strchr(action, ':'), *at = strchr(action, '@'),
               *tip = strchr(action, '^');
    uint64_t number = colon ? strtoull(colon + 1, NULL, 10) : 0;
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = CHAIN,
                   .max_fee = u256_from_u64(100 * GWEI)};
    t.nonce = at ? strtoull(at + 1, NULL, 10) : s->nonces[sender];
    if (s->nonces[sender] <= t.nonce) s->nonces[sender] = t.nonce + 1;
    t.max_priority_fee = u256_from_u64(tip ? strtoull(tip + 1, NULL, 10) * GWEI : 0);
    set_action(w, &t, action, number);
    if (starts(action, "allow")) with_authorization(s, &t, action[5] - 'a');
    if (starts(action, "blob")) {
        struct ecdsa_secret_key first = w->keys[0];
        w->keys[0] = w->keys[sender];
        struct bytes raw = with_blobs(w, &t, number, starts(action, "blobforged"));
        w->keys[0] = first;
        *ret_hash = t.hash;
        return raw;
    }
    CHECK_OK(tx_sign(&t, w->signer, &w->keys[sender], &w->memory, &why), &why);
    *ret_hash = t.hash;
    return t.raw;
}

static bool option(const char *word, const char *name, const char **ret_value) {
    size_t n = strlen(name);
    if (strncmp(word, name, n) != 0 || word[n] != '=') return false;
    *ret_value = word + n + 1;
    return true;
}

// "1,3" stands for the hashes of the first and third transaction.
static struct bundle_hashes read_list(struct world *w, const char *v, const struct hash *all) {
    struct hash *list = arena_new_array(&w->memory, struct hash, 16);
    size_t n = 0;
    for (; *v; v++) {
        if (isdigit((unsigned char)*v)) list[n++] = all[*v - '1'];
    }
    return (struct bundle_hashes){list, n};
}

static void bundle_number(struct bundle *b, unsigned field, uint64_t *to, const char *v) {
    b->fields |= field;
    *to = strtoull(v, NULL, 10);
}

static void read_bundle_option(struct world *w, struct feed_order *f, const char *word,
                               const struct hash *hashes) {
    struct bundle *b = &f->bundle;
    const char *v;
    if (option(word, "rev", &v)) b->reverting = read_list(w, v, hashes);
    if (option(word, "drop", &v)) b->dropping = read_list(w, v, hashes);
    if (option(word, "of", &v)) b->refund_txs = read_list(w, v, hashes);
    if (option(word, "pct", &v)) bundle_number(b, BUNDLE_REFUND_PERCENT, &b->refund_percent, v);
    if (option(word, "block", &v)) bundle_number(b, BUNDLE_BLOCK_NUMBER, &b->block_number, v);
    if (option(word, "min", &v)) bundle_number(b, BUNDLE_MIN_TIMESTAMP, &b->min_timestamp, v);
    if (option(word, "max", &v)) bundle_number(b, BUNDLE_MAX_TIMESTAMP, &b->max_timestamp, v);
    if (option(word, "nonce", &v)) {
        bundle_number(b, BUNDLE_REPLACEMENT_NONCE, &b->replacement_nonce, v);
    }
    if (option(word, "uuid", &v)) {
        b->fields |= BUNDLE_REPLACEMENT_UUID;
        b->replacement_uuid.b[0] = (uint8_t)atoi(v);
    }
    if (option(word, "to", &v)) {
        b->fields |= BUNDLE_REFUND_RECIPIENT;
        b->refund_recipient = account_of(w, v[0]);
    }
    if (option(word, "signer", &v)) {
        b->fields |= BUNDLE_SIGNING_ADDRESS;
        b->signing_address = account_of(w, v[0]);
    }
    if (option(word, "v", &v)) {
        b->fields |= BUNDLE_VERSION;
        b->version = arena_copy(&w->memory, bytes_from_str(v));
    }
    if (strcmp(word, "delayed") == 0) {
        b->fields |= BUNDLE_DELAYED_REFUND;
        b->delayed_refund = true;
    }
}

static void read_bundle(struct words *s, struct feed_order *f) {
    struct bytes *txs = arena_new_array(&s->w->memory, struct bytes, 300);
    struct hash *hashes = arena_new_array(&s->w->memory, struct hash, 300);
    char word[128];
    size_t n = 0;
    f->method = FEED_SEND_BUNDLE;
    f->bundle.fields |= BUNDLE_TXS;
    while (next_word(s, word)) {
        if (word[1] == '.') {
            txs[n] = read_tx(s, word, &hashes[n]);
            n++;
        } else {
            read_bundle_option(s->w, f, word, hashes);
        }
    }
    f->bundle.txs = (struct bundle_txs){txs, n};
}

static void set_mode(struct share_item *item, const char *word) {
    size_t n = strlen(word);
    char last = n ? word[n - 1] : 0;
    item->can_revert = last == '?';
    item->has_revert_mode = last == '!';
    if (last == '!') item->revert_mode = REVERT_MODE_DROP;
}

static void read_share_option(struct world *w, struct share_bundle *b, const char *word) {
    struct share_refund *refunds = (struct share_refund *)(uintptr_t)b->refunds;
    struct share_refund_config *configs =
        (struct share_refund_config *)(uintptr_t)b->refund_configs;
    const char *v;
    if (option(word, "refund", &v)) {
        char *colon;
        refunds[b->refund_count].body_index = strtoull(v, &colon, 10);
        refunds[b->refund_count++].percent = strtoull(colon + 1, NULL, 10);
    }
    if (option(word, "cfg", &v)) {
        configs[b->refund_config_count].address = account_of(w, v[0]);
        configs[b->refund_config_count++].percent = strtoull(v + 2, NULL, 10);
    }
    if (option(word, "block", &v)) {
        char *end;
        b->block = strtoull(v, &end, 10);
        b->has_max_block = end[0] == '.';
        if (b->has_max_block) b->max_block = strtoull(end + 2, NULL, 10);
    }
    if (option(word, "uuid", &v)) {
        b->has_replacement_uuid = b->has_nonce = b->has_signer = true;
        b->replacement_uuid.b[0] = (uint8_t)atoi(v);
    }
    if (option(word, "nonce", &v)) b->replacement_nonce = strtoull(v, NULL, 10);
    if (option(word, "v", &v)) b->version = arena_copy(&w->memory, bytes_from_str(v));
    if (strcmp(word, "cancel") == 0) b->cancelled = true;
}

// Up to the closing bracket, whose word is left in `word`.
static void read_share(struct words *s, struct share_bundle *b, char word[128]) {
    struct world *w = s->w;
    struct share_item *body = arena_new_array(&w->memory, struct share_item, 16);
    struct hash hash;
    b->body = body;
    b->refunds = arena_new_array(&w->memory, struct share_refund, 16);
    b->refund_configs = arena_new_array(&w->memory, struct share_refund_config, 16);
    b->version = BYTES_LIT("v0.1");
    b->block = WORLD_BLOCK;
    while (next_word(s, word) && word[0] != ')') {
        struct share_item *item = &body[b->body_count];
        if (word[0] == '(') {
            struct share_bundle *inner = arena_new(&w->memory, struct share_bundle);
            read_share(s, inner, word);
            item->bundle = inner;
            set_mode(item, word);
            b->body_count++;
        } else if (word[1] == '.') {
            item->has_tx = true;
            item->tx = read_tx(s, word, &hash);
            set_mode(item, word);
            b->body_count++;
        } else {
            read_share_option(w, b, word);
        }
    }
}

int world_order(struct world *w, struct build_request *ret, const char *text, struct error *why) {
    struct words s = {.w = w, .at = text};
    struct feed_order f = {.received_ns = 1};
    char word[128];
    memcpy(s.nonces, w->nonces, sizeof s.nonces);
    CHECK(next_word(&s, word));
    if (strcmp(word, "tx") == 0) {
        struct hash hash;
        CHECK(next_word(&s, word));
        f.method = FEED_SEND_RAW_TX;
        f.raw = read_tx(&s, word, &hash);
    } else if (strcmp(word, "bundle") == 0) {
        read_bundle(&s, &f);
    } else {
        CHECK_STR(word, "share");
        f.method = FEED_SEND_SHARE;
        read_share(&s, &f.share, word);
    }
    const struct build_context c = {CHAIN, BUILD_FROM_RPC, NULL};
    int r = build_request_of(ret, &f, &c, why);
    if (r == 0) memcpy(w->nonces, s.nonces, sizeof s.nonces);
    return r;
}

/* Working. */

void world_begin(struct world *w) {
    struct error why;
    end_runs(w);
    CHECK_OK(job_new(&w->job, 64u << 20, &why), &why);
    CHECK_OK(scene_begin(&w->sim_run, &w->scene, &why), &why);
    CHECK_OK(scene_begin(&w->run, &w->scene, &why), &why);
    fill_init(&w->sim);
    fill_init(&w->fill);
    CHECK_OK(fill_begin(&w->sim, &w->sim_run.run, &w->options, job_effects(w->job), &why), &why);
    CHECK_OK(fill_begin(&w->fill, &w->run.run, &w->options, job_effects(w->job), &why), &why);
    w->begun = true;
}

const struct job_entry *world_add(struct world *w, const char *text) {
    struct build_request request;
    const struct job_entry *e = NULL;
    struct error why = {.text = ""};
    int r = world_order(w, &request, text, &why);
    if (r != 0) FAIL("%s: %s", text, why.text);
    CHECK_U64(request.kind, BUILD_REQUEST_ORDER);
    CHECK_OK(job_add(w->job, request.order, 0, &e, &why), &why);
    build_order_release(request.order);
    return e;
}

void world_simulate(struct world *w) {
    const struct job_entry *e;
    struct error why;
    do {
        CHECK_OK(job_simulate(w->job, &w->sim, 0, &e, &why), &why);
    } while (e);
}

static char letter_of(const struct world *w, const struct address *a) {
    struct address dear = CONTRACT(DEAR);
    for (int i = 0; i < 26; i++) {
        if (address_equal(&w->accounts[i], a)) return (char)('a' + i);
    }
    return address_equal(a, &dear) ? 'D' : '?';
}

const char *world_describe(struct world *w, const struct block_fill *f) {
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < f->tx_count; i++) {
        const struct fill_tx *t = &f->txs[i];
        if (i) buf_append_byte(&out, ' ');
        if (t->job) {
            buf_printf(&out, "%c%llu", letter_of(w, &t->job->t->sender),
                       (unsigned long long)t->job->t->tx.nonce);
        } else {
            buf_printf(&out, ">%c", letter_of(w, &f->payouts[t->payout].to));
        }
        if (f->run->entries[i].status != EVM_SUCCESS) buf_append_byte(&out, '!');
    }
    const char *text = arena_str(&w->memory, buf_view(&out));
    buf_free(&out);
    return text;
}

void world_verify(struct world *w, struct block_fill *f) {
    struct arena a;
    struct error why = {.text = ""};
    const struct tx *const *txs;
    struct block_outcome outcome;
    struct u256 value;
    arena_init(&a, 0);
    CHECK_OK(fill_check(f, &why), &why);
    CHECK_OK(fill_sign(f, &txs, w->signer, &w->keys['z' - 'a'], &a, &why), &why);
    struct address *senders = arena_new_array(&a, struct address, f->tx_count + 1);
    for (size_t i = 0; i < f->tx_count; i++) {
        CHECK_OK(tx_sender(&senders[i], txs[i], &why), &why);
    }
    struct block_mark mark = block_run_mark(f->run);
    CHECK_OK(block_run_finish(f->run, &outcome, &a, &why), &why);
    CHECK_OK(scene_replay(&w->scene, txs, senders, f->tx_count, &outcome, &value, &why), &why);
    CHECK(u256_equal(value, u256_add(fill_profit(f), f->owed)));
    block_run_rewind(f->run, mark);
    arena_free(&a);
}
