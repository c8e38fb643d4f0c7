/* Answers, and what clients want. SPDX-License-Identifier: MIT */
#include "relay/relay.h"
#include "json/write.h"

#include <stdlib.h>

#define METRIC_ROW(id, type_, name_, help_, labels_)                                               \
    [id] = {.name = (name_), .type = (type_), .help = (help_), .labels = (labels_)},
const struct metric_desc relay_metric_table[RELAY_METRIC_COUNT] = {RELAY_METRICS(METRIC_ROW)};

static void write_refusal(struct buf *out, int status, const char *message) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_add_i64(&w, "code", status);
    json_add_str(&w, "message", message);
    json_end(&w);
}

void relay_refuse(struct exchange *x, int status, const char *message) {
    struct buf out;
    buf_init(&out, 0);
    write_refusal(&out, status, message);
    exchange_respond_text(x, status, "application/json", buf_view(&out));
    buf_free(&out);
}

bool relay_refuse_unready(struct relay *r, struct exchange *x) {
    if (r->has_network) return false;
    (void)exchange_add_header(x, "Retry-After", BYTES_LIT("1"));
    relay_refuse(x, 503, "the relay has no beacon node yet");
    return true;
}

void relay_answer_empty(struct exchange *x, int status) {
    exchange_respond(x, status, (struct bytes){NULL, 0});
}

void relay_count(struct relay *r, enum relay_metric m, const char *outcome) {
    metric_inc(metrics_get(r->metrics, &relay_metric_table[m], &outcome));
}

// One element of Accept: its media type and weight in thousandths.
static enum relay_media read_range(struct bytes element, unsigned *ret_weight) {
    const uint8_t *semicolon = element.n ? memchr(element.p, ';', element.n) : NULL;
    struct bytes type =
        bytes_trim(bytes_make(element.p, semicolon ? (size_t)(semicolon - element.p) : element.n));
    *ret_weight = 1000;
    while (semicolon) {
        struct bytes rest = bytes_slice(element, (size_t)(semicolon - element.p) + 1, element.n);
        const uint8_t *next = rest.n ? memchr(rest.p, ';', rest.n) : NULL;
        struct bytes p = bytes_trim(bytes_make(rest.p, next ? (size_t)(next - rest.p) : rest.n));
        if (p.n > 2 && (p.p[0] | 0x20) == 'q' && p.p[1] == '=') {
            char text[8] = {0};
            memcpy(text, p.p + 2, p.n - 2 < 7 ? p.n - 2 : 7);
            double q = strtod(text, NULL);
            *ret_weight = q >= 1 ? 1000 : q > 0 ? (unsigned)(q * 1000) : 0;
        }
        semicolon = next;
    }
    if (http_equal_nocase(type, "application/octet-stream")) return MEDIA_SSZ;
    if (http_equal_nocase(type, "application/json") || http_equal_nocase(type, "*/*") ||
        http_equal_nocase(type, "application/*")) {
        return MEDIA_JSON;
    }
    return MEDIA_NONE;
}

enum relay_media relay_accepts(const struct exchange *x) {
    struct bytes rest = http_get(&exchange_request(x)->fields, HTTP_FIELD_ACCEPT), element;
    if (bytes_trim(rest).n == 0) return MEDIA_JSON;
    enum relay_media best = MEDIA_NONE;
    unsigned best_weight = 0, weight;
    while (http_list_next(&element, &rest)) {
        enum relay_media media = read_range(element, &weight);
        if (media == MEDIA_NONE || weight == 0 || weight <= best_weight) continue;
        best = media;
        best_weight = weight;
    }
    return best;
}

enum relay_media relay_content(const struct exchange *x) {
    struct bytes type = http_get(&exchange_request(x)->fields, HTTP_FIELD_CONTENT_TYPE);
    unsigned weight;
    if (bytes_trim(type).n == 0) return MEDIA_JSON;
    return read_range(type, &weight);
}

void relay_answer(struct exchange *x, enum relay_media media, enum consensus_fork fork,
                  const struct buf *json, const struct buf *ssz) {
    (void)exchange_add_header(x, "Eth-Consensus-Version",
                              bytes_from_str(consensus_fork_name(fork)));
    if (media == MEDIA_SSZ) {
        exchange_respond_text(x, 200, "application/octet-stream", buf_view(ssz));
    } else {
        exchange_respond_text(x, 200, "application/json", buf_view(json));
    }
}
