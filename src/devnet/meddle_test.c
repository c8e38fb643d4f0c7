/* Requests that are followed and changed. SPDX-License-Identifier: MIT */
#include "devnet/meddle.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <string.h>

#define SSZ_BODY 700u
#define PAYLOAD_AT 344u

// A submission in SSZ: what matters are the payload's offset and its state root.
static size_t make_ssz(uint8_t *out) {
    int head = snprintf((char *)out, 512,
                        "POST /relay/v1/builder/blocks?cancellations=1 HTTP/1.1\r\nhost: relay\r\n"
                        "Content-Type: application/octet-stream\r\ncontent-length: %u\r\n\r\n",
                        SSZ_BODY);
    uint8_t *body = out + head;
    memset(body, 7, SSZ_BODY);
    memcpy(body + 236, (const uint8_t[]){PAYLOAD_AT & 0xff, PAYLOAD_AT >> 8, 0, 0}, 4);
    return (size_t)head + SSZ_BODY;
}

// Where two texts differ; -1 when they do not, -2 at more than one place.
static long difference(const uint8_t *a, const uint8_t *b, size_t n) {
    long at = -1;
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) at = at == -1 ? (long)i : -2;
    }
    return at;
}

TEST(one_byte_of_the_root_changes_however_it_is_cut) {
    uint8_t good[2048], in[2048];
    size_t n = make_ssz(good), head = n - SSZ_BODY;
    for (size_t cut = 1; cut < SSZ_BODY; cut++) {
        struct meddle m = {.left = 0};
        bool changed[2];
        (void)make_ssz(in);
        CHECK(!meddle_follow(&m, in, head + cut, true, &changed[0]));
        CHECK(!meddle_follow(&m, in + head + cut, SSZ_BODY - cut, true, &changed[1]));
        CHECK(difference(good, in, n) == (long)(head + PAYLOAD_AT + 52));
        CHECK(changed[0] + changed[1] == 1);
        CHECK_U64(m.left, 0);
    }
}

TEST(json_is_changed_too) {
    static const char text[] = "POST /relay/v1/builder/blocks HTTP/1.1\r\ncontent-length: 32\r\n"
                               "content-type: application/json\r\n\r\n"
                               "{\"a\":1,\"state_root\":\"0x12ab34cd\"}";
    uint8_t in[sizeof text];
    bool changed;
    struct meddle m = {.left = 0};
    memcpy(in, text, sizeof text);
    CHECK(!meddle_follow(&m, in, sizeof text - 1, true, &changed));
    CHECK(changed && difference(in, (const uint8_t *)text, sizeof text - 1) > 0);
}

TEST(nothing_changes_unasked_and_other_requests_pass) {
    uint8_t good[2048], in[2048];
    size_t n = make_ssz(good);
    bool changed;
    struct meddle m = {.left = 0};
    (void)make_ssz(in);
    CHECK(!meddle_follow(&m, in, n, false, &changed) && !changed);
    CHECK(difference(good, in, n) == -1);
    static const char *const others[] = {
        "GET /eth/v1/builder/status HTTP/1.1\r\n\r\n", "nonsense", "\x16\x03\x01\x02",
        "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
        "POST /eth/v1/builder/validators HTTP/1.1\r\ncontent-length: 2x\r\n\r\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)snprintf((char *)in, sizeof in, "%s", others[i]);
        CHECK(!meddle_follow(&m, in, strlen(others[i]), true, &changed) && !changed);
        CHECK_STR((const char *)in, others[i]);
    }
}

TEST(signed_blocks_are_known_behind_other_requests) {
    uint8_t in[512];
    bool changed;
    struct meddle m = {.left = 0};
    int n = snprintf((char *)in, sizeof in,
                     "POST /eth/v1/builder/validators HTTP/1.1\r\ncontent-length: 3\r\n\r\n[1]"
                     "POST /eth/v1/builder/blinded_blocks HTTP/1.1\r\ncontent-length: 9\r\n\r\n{}");
    CHECK(meddle_follow(&m, in, (size_t)n, true, &changed) && !changed);
    CHECK_U64(m.left, 7);
}

TEST_MAIN()
