/* Replies, byte for byte as each generation writes them. SPDX-License-Identifier: MIT */
#include "orderflow/intake_internal.h"

#include <stdio.h>

/* {"jsonrpc":"2.0","id":1,...}\n in the first generation, {"id":1,"jsonrpc":"2.0",...} in the
 * second. */
static void begin(struct json_writer *w, struct intake_job *job, struct bytes id) {
    buf_clear(&job->reply);
    json_writer_init(w, &job->reply, 0);
    json_begin_object(w, NULL);
    if (!job->first) json_add_raw(w, "id", id);
    json_add_str(w, "jsonrpc", "2.0");
    if (job->first) json_add_raw(w, "id", id);
}

static void end(struct json_writer *w, struct intake_job *job) {
    json_end(w);
    if (job->first) buf_append_byte(&job->reply, '\n');
}

void intake_put_result(struct intake_job *job, struct bytes id) {
    struct json_writer w;
    char ms[40];
    job->http_status = 200;
    begin(&w, job, id);
    if (job->first) {
        json_add_null(&w, "result");
    } else if (job->order.method == ORDER_SEND_RAW_TX) {
        json_add_data(&w, "result", BYTES_OF(job->answer));
    } else {
        json_begin_object(&w, "result");
        json_add_data(&w, "bundleHash", BYTES_OF(job->answer));
        if (job->intake->options.reply_timestamp) {
            uint64_t us = job->received_ns / NS_PER_US;
            (void)snprintf(ms, sizeof ms, "%llu.%03llu", (unsigned long long)(us / 1000),
                           (unsigned long long)(us % 1000));
            json_add_raw(&w, "receivedTimestampMs", bytes_from_str(ms));
        }
        json_end(&w);
    }
    end(&w, job);
}

/* In the second generation the message is one for many reasons: the reason goes beside it. */
static bool has_reason(const struct intake_job *job) {
    return job->why.text[0] && (!job->first || job->fault == ORDER_FAULT_BUSY);
}

void intake_put_refusal(struct intake_job *job, struct bytes id, struct bytes method) {
    struct json_writer w;
    struct order_refusal r = order_refusal_of(job->fault, job->first ? ORDER_FIRST : ORDER_SECOND,
                                              method, &job->why, &job->scratch);
    job->http_status = r.http_status;
    begin(&w, job, r.null_id || id.n == 0 ? BYTES_LIT("null") : id);
    json_begin_object(&w, "error");
    json_add_i64(&w, "code", r.code);
    json_add_str(&w, "message", r.message);
    if (has_reason(job)) json_add_str(&w, "data", job->why.text);
    json_end(&w);
    end(&w, job);
}
