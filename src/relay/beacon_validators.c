/* The list of validators: long on large networks, so it is read on a worker.
 * SPDX-License-Identifier: MIT */
#include "relay/beacon_internal.h"

#include <stdlib.h>

#define VALUES_MAX (1u << 26)

static int parse_rows(struct beacon *b, const struct json *data, struct error *why) {
    size_t count = json_count(data), i = 0;
    b->parsed = calloc(count ? count : 1, sizeof *b->parsed);
    if (!b->parsed) return error_set(why, ERR_NO_MEMORY, "no memory for validators");
    int r = json_expect(data, JSON_ARRAY, why);
    json_each(row, data) {
        struct beacon_validator *v = &b->parsed[i++];
        if (r == 0) r = json_get_decimal(&v->index, row, "index", why);
        if (r == 0) {
            r = json_get_fixed(v->pubkey.b, sizeof v->pubkey.b, json_get(row, "validator"),
                               "pubkey", why);
        }
        if (r != 0) return r;
    }
    b->parsed_count = count;
    return r;
}

// On a worker.
static void parse(void *context) {
    struct beacon *b = context;
    struct arena a;
    const struct json_limits limits = {BEACON_VALIDATORS_MAX, 16, VALUES_MAX, false};
    const struct json *doc;
    arena_init(&a, 0);
    b->parse_status = json_parse(&doc, buf_view(&b->parse_body), &a, &limits, &b->parse_why);
    if (b->parse_status == 0) {
        b->parse_status = parse_rows(b, json_get(doc, "data"), &b->parse_why);
    }
    arena_free(&a);
}

static void parsed(void *context) {
    struct beacon *b = context;
    int r = b->parse_status;
    for (size_t i = 0; i < b->parsed_count && r == 0; i++) {
        const struct beacon_validator *v = &b->parsed[i];
        r = duties_add_validator(b->options.duties, v->index, &v->pubkey, &b->parse_why);
    }
    if (r != 0) {
        log_warn(b->options.log, "beacon_validators_refused", F_ERR(&b->parse_why));
    } else if (b->parsed_count == 0 && !b->all_statuses) {
        b->all_statuses = true; // some clients filter by the exact status only, and find nobody
        b->validators_due_ns = 0;
    } else {
        b->have_validators = true;
        b->events.duties(b->events.context);
    }
    free(b->parsed);
    b->parsed = NULL;
    b->parsed_count = 0;
    buf_free(&b->parse_body);
    b->parsing = b->asking_validators = false;
}

static void on_validators(void *context, const struct ask_answer *answer,
                          const struct error *failed) {
    struct beacon *b = context;
    struct error why;
    b->validators_ask = NULL;
    int r = 0;
    if (!answer) {
        r = failed ? (int)failed->code : ERR_IO;
    } else if (answer->status != 200) {
        if (answer->status == 400) b->all_statuses = true;
        r = error_set(&why, ERR_INVALID, "HTTP status %u", answer->status);
    } else {
        buf_append(&b->parse_body, answer->body);
        r = buf_check(&b->parse_body, &why);
    }
    if (r == 0) {
        b->parse = (struct pool_task){
            .run = parse, .done = parsed, .context = b, .home = b->options.mailbox};
        b->parsing = pool_submit(b->options.pool, &b->parse);
        if (!b->parsing) r = error_set(&why, ERR_BUSY, "the workers are busy");
    }
    if (r == 0) return;
    b->asking_validators = false;
    b->validators_due_ns = 0; // at the next tick
    log_warn(b->options.log, "beacon_request_failed", F_STR("request", "validators"),
             F_ERR(answer ? &why : failed));
}

void beacon_refresh_validators(struct beacon *b) {
    struct error why;
    b->asking_validators = true;
    int r =
        beacon_get(b, &b->validators_ask,
                   b->all_statuses ? "/eth/v1/beacon/states/head/validators"
                                   : "/eth/v1/beacon/states/head/validators?status=active,pending",
                   BEACON_VALIDATORS_MAX, on_validators, &why);
    if (r == 0) return;
    b->asking_validators = false;
    b->validators_due_ns = 0;
    log_warn(b->options.log, "beacon_request_failed", F_STR("request", "validators"), F_ERR(&why));
}
