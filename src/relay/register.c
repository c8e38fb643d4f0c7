/* Proposer API: registerValidators. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/ssz_json.h"
#include "relay/relay.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX (256u << 20)
#define FUTURE_S 10u /* how far a registration's time may be ahead */
#define BATCH 64u    /* signatures checked together */
#define TEXT_MAX 192

struct registrations {
    struct relay *relay;
    struct exchange *x;
    struct pool_task task;
    struct arena arena;
    struct bytes body;
    bool ssz, keep_on;
    SSZ_LIST_OF(struct signed_validator_registration) all;
    const struct signed_validator_registration **fresh; /* to be verified, then kept */
    size_t fresh_count;
    struct map named; /* validators of `fresh`: struct named, in the arena */
    struct hash domain;
    int status;
    struct error why;
    char refusal[TEXT_MAX]; /* "": none */
    size_t good;            /* of `fresh`, that many are right */
};

struct named {
    size_t at;
};

static void finish(struct registrations *j, int status, const char *text) {
    if (text) {
        relay_refuse(j->x, status, text);
    } else {
        relay_answer_empty(j->x, status);
    }
    exchange_release(j->x);
    map_free(&j->named);
    arena_free(&j->arena);
    free(j);
}

static void on_committed(void *context, int status, const struct error *why) {
    struct registrations *j = context;
    (void)why;
    if (status != 0) {
        finish(j, 500, "the registrations could not be stored");
    } else if (j->refusal[0]) {
        finish(j, 400, j->refusal);
    } else {
        finish(j, 200, NULL);
    }
}

// ---- signatures, on a worker

struct batch {
    struct bls_public_key key[BATCH];
    struct hash root[BATCH];
    struct bls_signed item[BATCH];
    bool bad[BATCH]; /* no key */
};

static bool prepare(struct batch *b, size_t i, const struct signed_validator_registration *reg,
                    struct registrations *j) {
    struct error why;
    if (bls_public_key_parse(&b->key[i], &reg->message.pubkey, &why) != 0 ||
        ssz_root(&b->root[i], &ssz_validator_registration, &reg->message, &j->arena, &why) != 0) {
        return false;
    }
    b->root[i] = ssz_signing_root(&b->root[i], &j->domain);
    b->item[i] = (struct bls_signed){&b->key[i], BYTES_OF(b->root[i]), &reg->signature};
    return true;
}

static void note_bad(struct registrations *j, const struct signed_validator_registration *reg) {
    char pubkey[97] = {0};
    hex_encode(pubkey, BYTES_OF(reg->message.pubkey));
    if (j->refusal[0]) return;
    (void)snprintf(j->refusal, sizeof j->refusal, "failed to verify validator signature for 0x%s",
                   pubkey);
}

/* Verifies a batch; the right ones are gathered at the front of `fresh`. False: stop here. */
static bool verify_batch(struct registrations *j, struct batch *b, size_t from, size_t n) {
    struct bls_signed usable[BATCH];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        b->bad[i] = !prepare(b, i, j->fresh[from + i], j);
        if (!b->bad[i]) usable[count++] = b->item[i];
    }
    bool all = count == n && bls_verify_batch(usable, count, NULL) == 0;
    for (size_t i = 0; i < n; i++) {
        const struct signed_validator_registration *reg = j->fresh[from + i];
        bool right = all || (!b->bad[i] && bls_verify(b->item[i].pk, b->item[i].message,
                                                      b->item[i].signature, NULL) == 0);
        if (right) {
            j->fresh[j->good++] = reg;
            continue;
        }
        if (j->keep_on) continue;
        note_bad(j, reg);
        return false;
    }
    return true;
}

static void verify_run(void *context) {
    struct registrations *j = context;
    struct batch *b = malloc(sizeof *b);
    if (!b) {
        j->status = error_set(&j->why, ERR_NO_MEMORY, "no memory for a batch");
        return;
    }
    for (size_t from = 0; from < j->fresh_count; from += BATCH) {
        size_t n = j->fresh_count - from < BATCH ? j->fresh_count - from : BATCH;
        if (!verify_batch(j, b, from, n)) break;
    }
    free(b);
}

static void verify_done(void *context) {
    struct registrations *j = context;
    struct relay *r = j->relay;
    struct error why;
    bool kept;
    int code = j->status;
    for (size_t i = 0; i < j->good && code == 0; i++) {
        code = duties_register(&r->duties, j->fresh[i], &kept, &why);
        if (code == 0 && kept) relay_count(r, RELAY_REGISTRATIONS, "kept");
    }
    relay_duties_changed(r);
    if (j->refusal[0]) relay_count(r, RELAY_REGISTRATIONS, "refused");
    if (code == 0 && j->good) {
        code = records_registrations(r->records, j->fresh, j->good, on_committed, j, &why);
        if (code == 0) return;
    }
    if (code != 0) {
        log_error(r->log, "registrations_not_stored", F_ERR(&why));
        finish(j, 500, "the registrations could not be stored");
    } else {
        finish(j, j->refusal[0] ? 400 : 200, j->refusal[0] ? j->refusal : NULL);
    }
}

// ---- checks, on the loop

/* NULL when the registration is to be verified or needs no more (*ret_old). */
static const char *check(struct registrations *j, const struct signed_validator_registration *reg,
                         bool *ret_old) {
    const struct relay *r = j->relay;
    uint64_t latest = relay_now(r) / NS_PER_S + FUTURE_S;
    *ret_old = false;
    uint64_t grace = r->values->registration_grace_ns / NS_PER_S, genesis = r->network.genesis_s;
    uint64_t earliest = genesis > grace ? genesis - grace : 0;
    if (reg->message.timestamp < earliest) return "timestamp too early";
    if (reg->message.timestamp > latest) return "timestamp too far in the future";
    const struct validator *v = duties_validator(&r->duties, &reg->message.pubkey);
    if (!v || !v->indexed) {
        char pubkey[97] = {0};
        hex_encode(pubkey, BYTES_OF(reg->message.pubkey));
        (void)snprintf(j->refusal, sizeof j->refusal, "not a known validator: 0x%s", pubkey);
        return j->refusal;
    }
    *ret_old = v->registration && v->registration->message.timestamp >= reg->message.timestamp;
    return NULL;
}

/* Of a validator that is named more than once the newest counts, as it would one after the other:
 * else a request of the same one, thousands of times, would cost as many signatures. */
static bool take_fresh(struct registrations *j, const struct signed_validator_registration *reg) {
    struct named *n = map_get(&j->named, BYTES_OF(reg->message.pubkey));
    if (n) {
        const struct signed_validator_registration **known = &j->fresh[n->at];
        if (reg->message.timestamp > (*known)->message.timestamp) *known = reg;
        return true;
    }
    n = arena_new(&j->arena, struct named);
    if (!n || map_put(&j->named, BYTES_OF(reg->message.pubkey), n, NULL, NULL) != 0) return false;
    n->at = j->fresh_count;
    j->fresh[j->fresh_count++] = reg;
    return true;
}

static void decode_done(void *context) {
    struct registrations *j = context;
    struct relay *r = j->relay;
    if (j->status != 0) {
        finish(j, 400, j->why.text);
        return;
    }
    j->fresh =
        arena_new_array(&j->arena, const struct signed_validator_registration *, j->all.count + 1);
    if (!j->fresh) {
        finish(j, 503, "the relay is busy");
        return;
    }
    for (size_t i = 0; i < j->all.count; i++) {
        bool old;
        const char *text = check(j, &j->all.items[i], &old);
        if (text) { // what came before it is kept, what comes after it is not looked at
            if (text != j->refusal) (void)snprintf(j->refusal, sizeof j->refusal, "%s", text);
            break;
        }
        if (!old && !take_fresh(j, &j->all.items[i])) {
            finish(j, 503, "the relay is busy");
            return;
        }
    }
    j->task.run = verify_run;
    j->task.done = verify_done;
    if (!relay_run(r, &j->task)) finish(j, 503, "the relay is busy");
}

static void decode_run(void *context) {
    struct registrations *j = context;
    const struct json *doc;
    if (j->ssz) {
        j->status =
            ssz_decode(&j->all, &ssz_signed_validator_registrations, j->body, &j->arena, &j->why);
        return;
    }
    j->status = json_parse(&doc, j->body, &j->arena, NULL, &j->why);
    if (j->status == 0) {
        j->status =
            ssz_json_decode(&j->all, &ssz_signed_validator_registrations, doc, &j->arena, &j->why);
    }
    if (j->status != 0) (void)error_wrap(&j->why, "registration message error");
}

void relay_on_register(struct exchange *x, void *context) {
    struct relay *r = context;
    if (relay_refuse_unready(r, x)) return;
    enum relay_media media = relay_content(x);
    if (media == MEDIA_NONE) {
        relay_refuse(x, 415, "unsupported content type");
        return;
    }
    struct registrations *j = calloc(1, sizeof *j);
    if (!j) {
        relay_refuse(x, 503, "the relay is busy");
        return;
    }
    arena_init(&j->arena, ARENA_MAX);
    map_init(&j->named, 0);
    exchange_hold(x);
    j->relay = r;
    j->x = x;
    j->ssz = media == MEDIA_SSZ;
    j->keep_on = r->values->continue_on_invalid;
    j->domain = r->network.builder_domain;
    j->body = arena_copy(&j->arena, exchange_body(x));
    j->task = (struct pool_task){
        .run = decode_run, .done = decode_done, .context = j, .home = &r->mailbox, .lane = 2};
    if (!relay_run(r, &j->task)) finish(j, 503, "the relay is busy");
}
