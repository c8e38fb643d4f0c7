/* SPDX-License-Identifier: MIT */
#include "attest/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADERS_BYTES_MAX (64u << 10)

static size_t take(char *p, size_t size, size_t n, void *to) {
    struct buf *b = to;
    buf_append(b, bytes_make(p, size * n));
    return b->failed ? 0 : size * n;
}

static int status_error(long status, const char *url, struct error *why) {
    enum err code = status == 404                    ? ERR_NOT_FOUND
                    : status == 401 || status == 403 ? ERR_AUTH
                    : status == 429 || status == 503 ? ERR_BUSY
                                                     : ERR_INVALID;
    return error_set(why, code, "%.120s: HTTP status %ld", url, status);
}

static struct curl_slist *set_headers(CURL *h, const struct fetch_request *r) {
    struct curl_slist *list = NULL;
    if (r->header) list = curl_slist_append(list, r->header);
    if (r->post_json) list = curl_slist_append(list, "Content-Type: application/json");
    if (list) (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
    return list;
}

static void set_options(CURL *h, const struct fetch_request *r, struct fetch_answer *a) {
    (void)curl_easy_setopt(h, CURLOPT_URL, r->url);
    (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->wait_ms);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, &a->body);
    (void)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take);
    (void)curl_easy_setopt(h, CURLOPT_HEADERDATA, &a->headers);
    (void)curl_easy_setopt(h, CURLOPT_USERAGENT, "buildernet/" BUILDERNET_VERSION);
    if (r->ca_file) (void)curl_easy_setopt(h, CURLOPT_CAINFO, r->ca_file);
    if (r->no_proxy) (void)curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    if (r->post_json) (void)curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->post_json);
    if (r->bearer) {
        (void)curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        (void)curl_easy_setopt(h, CURLOPT_XOAUTH2_BEARER, r->bearer);
    }
}

int fetch_get(struct fetch_answer *ret, const struct fetch_request *r, struct error *why) {
    long status = 0;
    buf_init(&ret->body, r->bytes_max);
    buf_init(&ret->headers, HEADERS_BYTES_MAX);
    CURL *h = curl_easy_init();
    if (!h) return error_set(why, ERR_NO_MEMORY, "HTTP client");
    set_options(h, r, ret);
    struct curl_slist *headers = set_headers(h, r);
    CURLcode result = curl_easy_perform(h);
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    if (ret->body.failed || ret->headers.failed) {
        return error_set(why, ERR_LIMIT, "%.120s: the answer is too large", r->url);
    }
    if (result == CURLE_OPERATION_TIMEDOUT) {
        return error_set(why, ERR_TIMEOUT, "%.120s: no answer in %llu ms", r->url,
                         (unsigned long long)r->wait_ms);
    }
    if (result != CURLE_OK) {
        return error_set(why, ERR_IO, "%.120s: %s", r->url, curl_easy_strerror(result));
    }
    return status == 200 ? 0 : status_error(status, r->url, why);
}

void fetch_answer_free(struct fetch_answer *a) {
    buf_free(&a->body);
    buf_free(&a->headers);
}

struct bytes fetch_header(const struct fetch_answer *a, const char *name) {
    struct bytes rest = buf_view(&a->headers);
    size_t n = strlen(name);
    while (rest.n > 0) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t line = end ? (size_t)(end - rest.p) : rest.n;
        if (line > n && rest.p[n] == ':' && strncasecmp((const char *)rest.p, name, n) == 0) {
            struct bytes value = {rest.p + n + 1, line - n - 1};
            while (value.n > 0 && (value.p[0] == ' ' || value.p[0] == '\t')) {
                value = bytes_slice(value, 1, value.n);
            }
            while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == ' ')) {
                value.n--;
            }
            return value;
        }
        rest = bytes_slice(rest, line + 1, rest.n);
    }
    return (struct bytes){NULL, 0};
}
