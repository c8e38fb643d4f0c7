/* SPDX-License-Identifier: MIT */
#include "builder/relay_link.h"

#include <stdlib.h>

#define DUTIES_BODY_MAX (16u << 20)
#define ANSWER_BODY_MAX 4096u
#define ASK_AGAIN_NS NS_PER_S
#define SLOTS_AHEAD 2u       // the next proposers are asked for before their slots
#define ASK_FAILURES_MAX 11u // then every twelve seconds
#define SUBMIT_TIMEOUT_NS (2 * NS_PER_S)
#define RATE_PAUSE_NS (NS_PER_S / 2)
#define RETRY_FIRST_NS (10 * NS_PER_MS)
#define RETRY_MOST_NS (NS_PER_S / 2)

struct relay_link {
    struct relay_link_options o;
    struct client *client;
    struct arena memory; // of the duties
    const struct relay_duty *duties;
    size_t duty_count;
    uint64_t first_slot, last_slot; // of the list
    struct client_call *asking;
    uint64_t asked_ns;
    unsigned ask_status, ask_failures;
    struct buf ask_body;
    struct client_call *sending;
    struct built_block *sent, *next;
    unsigned send_status;
    struct buf send_body;
    uint64_t sent_ns, sequence;
    uint64_t over_slot;      // it wants no more of this slot
    uint64_t not_before_ns;  // after it found us too fast
    uint64_t again_ns;       // when the same bid goes again; 0 for none
    uint64_t retry_ns;       // the last pause before one did
    bool plain;              // it takes no bids that replace higher ones
    bool slot_on;            // what could not be taken may be sent again
    struct hash offered;     // the newest block of the slot
    struct loop_timer timer; // the least interval
};

const struct relay_settings *relay_link_settings(const struct relay_link *r) {
    return r->o.settings;
}

/* Proposers. */

static void take_duties(struct relay_link *r) {
    const struct relay_duty *list = NULL;
    size_t count = 0;
    struct arena memory;
    struct error why;
    arena_init(&memory, 64u << 20);
    int code = relay_duties_decode(&list, &count, buf_view(&r->ask_body), &memory, &why);
    if (code != 0) {
        arena_free(&memory);
        log_warn(r->o.log, "relay_validators_refused", F_STR("relay", r->o.settings->name),
                 F_ERR(&why));
        return;
    }
    arena_free(&r->memory);
    r->memory = memory;
    r->duties = list;
    r->duty_count = count;
    r->first_slot = UINT64_MAX;
    r->last_slot = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].slot < r->first_slot) r->first_slot = list[i].slot;
        if (list[i].slot > r->last_slot) r->last_slot = list[i].slot;
    }
    r->o.duties(r->o.context, r);
}

static void ask_response(struct client_call *k, void *context, const struct http_response *in) {
    struct relay_link *r = context;
    (void)k;
    r->ask_status = in->status;
}

static void ask_body(struct client_call *k, void *context, struct bytes in) {
    struct relay_link *r = context;
    (void)k;
    buf_append(&r->ask_body, in);
}

// A relay that is away is asked less often.
static void ask_again_later(struct relay_link *r) {
    if (r->ask_failures < ASK_FAILURES_MAX) r->ask_failures++;
}

static void ask_end(struct client_call *k, void *context) {
    struct relay_link *r = context;
    (void)k;
    r->asking = NULL;
    if (r->ask_status == 200 && buf_check(&r->ask_body, NULL) == 0) {
        r->ask_failures = 0;
        take_duties(r);
        return;
    }
    ask_again_later(r);
    log_warn(r->o.log, "relay_validators_refused", F_STR("relay", r->o.settings->name),
             F_U64("status", r->ask_status));
}

static void ask_failed(struct client_call *k, void *context, const struct error *why) {
    struct relay_link *r = context;
    (void)k;
    r->asking = NULL;
    ask_again_later(r);
    log_warn(r->o.log, "relay_validators_failed", F_STR("relay", r->o.settings->name), F_ERR(why));
}

static const struct client_events ask_events = {
    .response = ask_response, .body = ask_body, .end = ask_end, .failed = ask_failed};

void relay_link_refresh(struct relay_link *r) {
    struct http_request q = {.method = HTTP_GET, .path = BYTES_LIT("/relay/v1/builder/validators")};
    struct error why;
    uint64_t now = loop_now_ns(r->o.loop);
    uint64_t pause_ns = ASK_AGAIN_NS * (1 + r->ask_failures);
    if (r->asking || (r->asked_ns && now < r->asked_ns + pause_ns)) return;
    r->asked_ns = now;
    r->ask_status = 0;
    buf_clear(&r->ask_body);
    if (client_start(&r->asking, r->client, &q, (struct bytes){0}, false, &ask_events, r, &why) !=
        0) {
        r->asking = NULL;
        log_warn(r->o.log, "relay_validators_failed", F_STR("relay", r->o.settings->name),
                 F_ERR(&why));
    }
}

const struct relay_duty *relay_link_duty(struct relay_link *r, uint64_t slot) {
    for (size_t i = 0; i < r->duty_count; i++) {
        if (r->duties[i].slot != slot) continue;
        if (slot + SLOTS_AHEAD > r->last_slot) relay_link_refresh(r);
        return &r->duties[i];
    }
    bool covered = r->duty_count && slot >= r->first_slot && slot + SLOTS_AHEAD <= r->last_slot;
    if (!covered) relay_link_refresh(r);
    return NULL;
}

/* Submissions. */

static void send_next(struct relay_link *r);

// The relay's state stood in the way of the bid, and not the bid.
static bool may_pass_later(enum relay_answer answer) {
    return answer == RELAY_NOT_YET || answer == RELAY_OWN_FAULT || answer == RELAY_CONNECTION ||
           answer == RELAY_RATE_LIMITED;
}

// A bid that no newer one follows would be the slot's last: it goes again after a pause.
static void send_again(struct relay_link *r, struct built_block *b, enum relay_answer answer) {
    uint64_t now = loop_now_ns(r->o.loop);
    uint64_t pause = r->retry_ns ? 2 * r->retry_ns : RETRY_FIRST_NS;
    if (answer == RELAY_RATE_LIMITED) r->not_before_ns = now + RATE_PAUSE_NS;
    if (!r->slot_on || r->next) return;
    r->retry_ns = pause < RETRY_MOST_NS ? pause : RETRY_MOST_NS;
    r->again_ns = now + r->retry_ns;
    r->next = built_block_retain(b);
}

static void finished(struct relay_link *r, enum relay_answer answer, struct bytes text) {
    struct built_block *b = r->sent;
    uint64_t took = loop_now_ns(r->o.loop) - r->sent_ns;
    r->sending = NULL;
    r->sent = NULL;
    if (answer == RELAY_SLOT_OVER || answer == RELAY_BLOCK_INVALID) {
        r->over_slot = b->work->slot;
        relay_link_drop(r);
    }
    if (answer == RELAY_NO_CANCELLATIONS) {
        r->plain = true;
        if (r->slot_on && !r->next) r->next = built_block_retain(b);
    }
    if (may_pass_later(answer)) {
        send_again(r, b, answer);
    } else {
        r->retry_ns = 0;
    }
    r->o.answered(r->o.context, r, b, answer, text, took);
    built_block_release(b);
    send_next(r);
}

static void send_response(struct client_call *k, void *context, const struct http_response *in) {
    struct relay_link *r = context;
    (void)k;
    r->send_status = in->status;
}

static void send_body(struct client_call *k, void *context, struct bytes in) {
    struct relay_link *r = context;
    (void)k;
    size_t room = ANSWER_BODY_MAX - r->send_body.n;
    buf_append(&r->send_body, bytes_slice(in, 0, room));
}

static void send_end(struct client_call *k, void *context) {
    struct relay_link *r = context;
    (void)k;
    struct bytes text = buf_view(&r->send_body);
    finished(r, relay_classify(r->send_status, text), text);
}

static void send_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    finished(context, RELAY_CONNECTION, bytes_from_str(why->text));
}

static const struct client_events send_events = {
    .response = send_response, .body = send_body, .end = send_end, .failed = send_failed};

static int add(struct http_request *q, struct arena *a, const char *name, const char *value,
               struct error *why) {
    if (!value[0]) return 0;
    return http_fields_add(&q->fields, a, bytes_from_str(name), bytes_from_str(value), why);
}

static int head_of(struct http_request *q, struct relay_link *r, const struct built_block *b,
                   struct arena *a, struct error *why) {
    const struct relay_settings *s = r->o.settings;
    // Of equal bids the relay has the first one, unless they replace each other.
    bool replaces = (s->cancellations || b->work->virtual_clock) && !r->plain;
    *q = (struct http_request){
        .method = HTTP_POST,
        .path = replaces ? BYTES_LIT("/relay/v1/builder/blocks?cancellations=1")
                         : BYTES_LIT("/relay/v1/builder/blocks"),
    };
    int code =
        add(q, a, "content-type", s->ssz ? "application/octet-stream" : "application/json", why);
    if (code == 0) {
        code = add(q, a, "eth-consensus-version", consensus_fork_name(b->work->fork), why);
    }
    if (code == 0 && s->gzip) code = add(q, a, "content-encoding", "gzip", why);
    if (code == 0) code = add(q, a, "authorization", s->authorization, why);
    if (code == 0) code = add(q, a, "x-builder-id", s->builder_id, why);
    if (code == 0) code = add(q, a, "x-api-token", s->api_token, why);
    if (code == 0 && s->sequence) {
        const char *text = arena_printf(a, "%llu", (unsigned long long)++r->sequence);
        code = text ? add(q, a, "x-sequence", text, why) : ERR_NO_MEMORY;
    }
    return code;
}

static int send_block(struct relay_link *r, struct built_block *b, struct error *why) {
    const struct relay_settings *s = r->o.settings;
    struct http_request q;
    struct bytes body;
    struct buf packed;
    struct arena a;
    bool optimistic = s->optimistic && u256_compare(b->value, r->o.optimistic_max) <= 0 &&
                      !u256_is_zero(b->optimistic_trace.value);
    arena_init(&a, 64u << 10);
    buf_init(&packed, 0);
    int code = relay_body(&body, b, s->ssz, optimistic, why);
    if (code == 0) code = head_of(&q, r, b, &a, why);
    if (code == 0 && s->gzip) {
        code = relay_gzip(&packed, body, why);
        body = buf_view(&packed);
    }
    r->send_status = 0;
    buf_clear(&r->send_body);
    r->sent_ns = loop_now_ns(r->o.loop);
    if (code == 0) {
        code = client_start(&r->sending, r->client, &q, body, false, &send_events, r, why);
    }
    buf_free(&packed);
    arena_free(&a);
    return code;
}

static void send_next(struct relay_link *r) {
    struct error why;
    uint64_t now = loop_now_ns(r->o.loop), due = r->sent_ns + r->o.settings->interval_ns;
    if (r->not_before_ns > due) due = r->not_before_ns;
    if (r->again_ns > due) due = r->again_ns;
    if (!r->next || r->sending) return;
    if (r->sent_ns && now < due) {
        if (loop_timer_set(r->o.loop, &r->timer, due, &why) != 0) {
            log_error(r->o.log, "timer_lost", F_ERR(&why));
        }
        return;
    }
    r->sent = r->next;
    r->next = NULL;
    if (send_block(r, r->sent, &why) == 0) return;
    log_warn(r->o.log, "relay_submit_failed", F_STR("relay", r->o.settings->name), F_ERR(&why));
    built_block_release(r->sent);
    r->sent = NULL;
    r->sending = NULL;
}

static void interval_over(struct loop_timer *t) {
    send_next((struct relay_link *)(void *)((char *)t - offsetof(struct relay_link, timer)));
}

void relay_link_submit(struct relay_link *r, struct built_block *b) {
    if (!r->o.settings->submits || b->work->slot == r->over_slot) return;
    built_block_release(r->next);
    r->next = built_block_retain(b);
    r->slot_on = true;
    r->offered = b->produced.hash;
    r->again_ns = 0;
    send_next(r);
}

bool relay_link_offered(const struct relay_link *r, const struct built_block *b) {
    return hash_equal(&r->offered, &b->produced.hash);
}

void relay_link_drop(struct relay_link *r) {
    built_block_release(r->next);
    r->next = NULL;
    r->slot_on = false;
    r->again_ns = r->retry_ns = 0;
    loop_timer_clear(r->o.loop, &r->timer);
}

/* Life. */

int relay_link_new(struct relay_link **ret, const struct relay_link_options *options,
                   struct error *why) {
    struct relay_link *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for a relay");
    const struct client_options client = {
        .url = options->settings->url,
        .tls = options->tls,
        .names = options->names,
        .protocol = CLIENT_HTTP1,
        .connections = 4,
        .response_ns = SUBMIT_TIMEOUT_NS,
        .body_ns = SUBMIT_TIMEOUT_NS,
        .keep_ns = 60 * NS_PER_S,
        .retry_any = true,
    };
    r->o = *options;
    r->timer.fire = interval_over;
    arena_init(&r->memory, 0);
    buf_init(&r->ask_body, DUTIES_BODY_MAX);
    buf_init(&r->send_body, ANSWER_BODY_MAX);
    int code = client_new(&r->client, options->loop, &client, why);
    if (code != 0) {
        free(r);
        return error_wrap(why, "relay %s", options->settings->name);
    }
    *ret = r;
    return 0;
}

void relay_link_free(struct relay_link *r) {
    if (!r) return;
    relay_link_drop(r);
    if (r->asking) call_cancel(r->asking);
    if (r->sending) call_cancel(r->sending);
    built_block_release(r->sent);
    client_free(r->client);
    arena_free(&r->memory);
    buf_free(&r->ask_body);
    buf_free(&r->send_body);
    free(r);
}
