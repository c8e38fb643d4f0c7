/* Answers and events, as all endpoints of the System API give them.
 * SPDX-License-Identifier: MIT */
#include "system_api/api.h"
#include "json/write.h"

#include <stdio.h>

int api_keep_event(struct api *a, struct bytes message) {
    struct error why;
    int r = events_add(a->events, message, &why);
    metric_inc(a->counters[r == 0 ? EVENT_KEPT : EVENT_FAILED]);
    if (r != 0) log_error(a->log, "event_not_kept", F_ERR(&why));
    return r;
}

void api_event(struct api *a, const char *format, ...) {
    char text[EVENT_TEXT_MAX] = "[system-api] ";
    size_t n = strlen(text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + n, sizeof text - n, format, args);
    va_end(args);
    (void)api_keep_event(a, bytes_from_str(text));
}

bool api_submit(struct api *a, struct pool_task *task) {
    return a->pool && pool_submit(a->pool, task);
}

void api_respond_json(struct exchange *x, int status, const struct buf *body) {
    if (body->failed) {
        exchange_respond(x, 500, (struct bytes){NULL, 0});
        return;
    }
    exchange_respond_text(x, status, "application/json", buf_view(body));
}

void api_respond_error(struct exchange *x, int status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf body;
    struct json_writer w;
    buf_init(&body, 0);
    json_writer_init(&w, &body, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    json_add_i64(&w, "code", status);
    json_add_str(&w, "message", text);
    json_end(&w);
    buf_append_byte(&body, '\n');
    api_respond_json(x, status, &body);
    buf_free(&body);
}
