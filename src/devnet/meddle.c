/* SPDX-License-Identifier: MIT */
#include "devnet/meddle.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRACE_BYTES 236u    /* of a submission's bid trace; the payload's offset is behind it */
#define ROOT_IN_PAYLOAD 52u /* behind parent hash and fee recipient */
#define JSON_ROOT "\"state_root\":\"0x"

// The value of a field of the head, which ends with an empty line; n 0: there is none.
static struct bytes field(struct bytes head, const char *name) {
    size_t length = strlen(name);
    for (size_t at = 0; at + length + 1 < head.n; at++) {
        const char *line = (const char *)head.p + at;
        if (line[0] != '\n' || at + 1 + length >= head.n) continue;
        if (strncasecmp(line + 1, name, length) != 0 || line[1 + length] != ':') continue;
        struct bytes v = bytes_slice(head, at + length + 2, head.n);
        const uint8_t *end = memchr(v.p, '\r', v.n);
        v = bytes_slice(v, 0, end ? (size_t)(end - v.p) : v.n);
        while (v.n && v.p[0] == ' ')
            v = bytes_slice(v, 1, v.n);
        return v;
    }
    return (struct bytes){NULL, 0};
}

static uint64_t number(struct bytes text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text.n && n < UINT32_MAX; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return 0;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    return n;
}

static enum meddle_request kind_of(struct bytes head) {
    static const struct {
        const char *begin;
        enum meddle_request kind;
    } table[] = {{"POST /relay/v1/builder/blocks", MEDDLE_SUBMISSION},
                 {"POST /eth/v1/builder/blinded_blocks", MEDDLE_SIGNED_BLOCK},
                 {"POST /eth/v2/builder/blinded_blocks", MEDDLE_SIGNED_BLOCK}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (bytes_starts_with(head, bytes_from_str(table[i].begin))) return table[i].kind;
    }
    return MEDDLE_OTHER;
}

// Takes a head; gives the bytes that it and the empty line have, 0 when there is none.
static size_t take_head(struct meddle *m, struct bytes in) {
    const uint8_t *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    if (!end) return 0;
    struct bytes head = bytes_slice(in, 0, (size_t)(end - in.p) + 2);
    *m = (struct meddle){.left = number(field(head, "content-length")), .request = kind_of(head)};
    m->ssz = bytes_equal_str(field(head, "content-type"), "application/octet-stream");
    return head.n + 2;
}

static bool change_json(struct meddle *m, uint8_t *body, size_t n) {
    uint8_t *at = memmem(body, n, JSON_ROOT, strlen(JSON_ROOT));
    if (!at || at + strlen(JSON_ROOT) >= body + n) return false;
    at += strlen(JSON_ROOT);
    *at = *at == '0' ? '1' : '0';
    m->done = true;
    return true;
}

static bool change_ssz(struct meddle *m, uint8_t *body, size_t n) {
    for (uint64_t i = 0; i < n && !m->root_at; i++) {
        uint64_t at = m->at + i;
        if (at < TRACE_BYTES || at >= TRACE_BYTES + 4) continue;
        m->offset[at - TRACE_BYTES] = body[i];
        if (at == TRACE_BYTES + 3) {
            m->root_at = (uint64_t)m->offset[0] + ((uint64_t)m->offset[1] << 8) +
                         ((uint64_t)m->offset[2] << 16) + ((uint64_t)m->offset[3] << 24) +
                         ROOT_IN_PAYLOAD;
        }
    }
    if (!m->root_at || m->root_at < m->at || m->root_at >= m->at + n) return false;
    body[m->root_at - m->at] ^= 1;
    m->done = true;
    return true;
}

bool meddle_follow(struct meddle *m, uint8_t *data, size_t n, bool wrong_root, bool *ret_changed) {
    bool signed_block = false;
    *ret_changed = false;
    for (size_t at = 0; at < n;) {
        if (m->left == 0) {
            size_t head = take_head(m, bytes_make(data + at, n - at));
            if (!head) return signed_block;
            signed_block |= m->request == MEDDLE_SIGNED_BLOCK;
            at += head;
            continue;
        }
        size_t part = m->left < n - at ? (size_t)m->left : n - at;
        if (wrong_root && m->request == MEDDLE_SUBMISSION && !m->done) {
            *ret_changed |= (m->ssz ? change_ssz : change_json)(m, data + at, part);
        }
        m->at += part;
        m->left -= part;
        at += part;
    }
    return signed_block;
}
