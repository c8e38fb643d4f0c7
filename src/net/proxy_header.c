/* SPDX-License-Identifier: MIT */
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <stddef.h>

#define SIGNATURE BYTES_LIT("\r\n\r\n\0\r\nQUIT\n")
#define HEAD_BYTES 16u
#define LINE_MAX_BYTES 107u /* of version 1, with CR LF */
#define LOCAL_PATH 108u     /* bytes of a path in version 2 */

enum {
    COMMAND_LOCAL = 0x20,
    COMMAND_PROXY = 0x21,
    FAMILY_NONE = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_LOCAL = 0x31,
};

/* ---- version 1 ---- */

/* The next word before exactly one space, or the rest of the line. */
static struct bytes take_word(struct bytes *line) {
    const uint8_t *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
    struct bytes word = bytes_slice(*line, 0, space ? (size_t)(space - line->p) : line->n);
    *line = bytes_slice(*line, word.n + 1, line->n);
    return word;
}

static bool parse_port(unsigned *ret, struct bytes text) {
    uint64_t v;
    if (text.n > 1 && text.p[0] == '0') return false;
    if (!bytes_parse_u64(&v, text) || v > 65535) return false;
    *ret = (unsigned)v;
    return true;
}

static bool parse_ip(uint8_t ret[16], struct bytes text, int family) {
    char copy[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof copy) return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return strlen(copy) == text.n && inet_pton(family, copy, ret) == 1;
}

static int parse_text(struct proxy_header *ret, struct bytes line, struct error *why) {
    struct bytes protocol = take_word(&line);
    if (bytes_equal(protocol, BYTES_LIT("UNKNOWN"))) { // whatever follows is to be ignored
        ret->local = true;
        return 0;
    }
    bool six = bytes_equal(protocol, BYTES_LIT("TCP6"));
    uint8_t ip[2][16];
    unsigned port[2];
    if (!six && !bytes_equal(protocol, BYTES_LIT("TCP4"))) {
        return error_set(why, ERR_SYNTAX, "unknown protocol in a PROXY header");
    }
    for (int i = 0; i < 2; i++) {
        if (!parse_ip(ip[i], take_word(&line), six ? AF_INET6 : AF_INET)) {
            return error_set(why, ERR_SYNTAX, "wrong address in a PROXY header");
        }
    }
    struct bytes first = take_word(&line);
    if (!parse_port(&port[0], first) || !parse_port(&port[1], line)) {
        return error_set(why, ERR_SYNTAX, "wrong port in a PROXY header");
    }
    socket_address_from_bytes(&ret->source, bytes_make(ip[0], six ? 16 : 4), port[0]);
    socket_address_from_bytes(&ret->destination, bytes_make(ip[1], six ? 16 : 4), port[1]);
    return 0;
}

static int parse_version_1(struct proxy_header *ret, size_t *ret_n, struct bytes in,
                           struct error *why) {
    struct bytes looked = bytes_slice(in, 0, LINE_MAX_BYTES);
    const uint8_t *end = looked.n ? memchr(looked.p, '\n', looked.n) : NULL;
    if (!end && in.n < LINE_MAX_BYTES) return error_set(why, ERR_AGAIN, "more is needed");
    if (!end || end == looked.p || end[-1] != '\r') {
        return error_set(why, ERR_SYNTAX, "a PROXY header without line end");
    }
    size_t n = (size_t)(end - looked.p) + 1;
    int r = parse_text(ret, bytes_slice(in, 6, n - 8), why);
    if (r == 0) *ret_n = n;
    return r;
}

/* ---- version 2 ---- */

static void local_address(struct socket_address *ret, const uint8_t path[LOCAL_PATH]) {
    memset(ret, 0, sizeof *ret);
    ret->local.sun_family = AF_UNIX;
    memcpy(ret->local.sun_path, path, LOCAL_PATH);
    size_t n = LOCAL_PATH;
    if (path[0]) {
        n = strnlen((const char *)path, LOCAL_PATH);
    } else {
        while (n > 0 && path[n - 1] == 0) {
            n--;
        }
    }
    ret->n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static int parse_addresses(struct proxy_header *ret, uint8_t family, struct bytes in,
                           struct error *why) {
    size_t one = family == FAMILY_TCP4 ? 4 : family == FAMILY_TCP6 ? 16 : LOCAL_PATH;
    size_t ports = family == FAMILY_LOCAL ? 0 : 4;
    if (in.n < 2 * one + ports) return error_set(why, ERR_SYNTAX, "a PROXY header is too short");
    if (family == FAMILY_LOCAL) {
        local_address(&ret->source, in.p);
        local_address(&ret->destination, in.p + one);
        return 0;
    }
    socket_address_from_bytes(&ret->source, bytes_slice(in, 0, one), load_be16(in.p + 2 * one));
    socket_address_from_bytes(&ret->destination, bytes_slice(in, one, one),
                              load_be16(in.p + 2 * one + 2));
    return 0;
}

static int parse_version_2(struct proxy_header *ret, size_t *ret_n, struct bytes in,
                           struct error *why) {
    if (in.n < HEAD_BYTES) return error_set(why, ERR_AGAIN, "more is needed");
    uint8_t command = in.p[12], family = in.p[13];
    size_t n = load_be16(in.p + 14);
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY) {
        return error_set(why, ERR_SYNTAX, "unknown command in a PROXY header");
    }
    if (HEAD_BYTES + n > PROXY_HEADER_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "a PROXY header is too large");
    }
    bool known = family == FAMILY_TCP4 || family == FAMILY_TCP6 || family == FAMILY_LOCAL;
    if (command == COMMAND_PROXY && !known && family != FAMILY_NONE) {
        return error_set(why, ERR_SYNTAX, "unknown family in a PROXY header");
    }
    if (in.n < HEAD_BYTES + n) return error_set(why, ERR_AGAIN, "more is needed");
    ret->local = command == COMMAND_LOCAL || family == FAMILY_NONE;
    int r = ret->local ? 0 : parse_addresses(ret, family, bytes_slice(in, HEAD_BYTES, n), why);
    if (r == 0) *ret_n = HEAD_BYTES + n;
    return r;
}

int proxy_header_parse(struct proxy_header *ret, size_t *ret_n, struct bytes in,
                       struct error *why) {
    struct bytes text = BYTES_LIT("PROXY "), binary = SIGNATURE;
    struct proxy_header out = {.local = false};
    int r;
    if (bytes_starts_with(in, text)) {
        r = parse_version_1(&out, ret_n, in, why);
    } else if (bytes_starts_with(in, binary)) {
        r = parse_version_2(&out, ret_n, in, why);
    } else if (bytes_starts_with(text, in) || bytes_starts_with(binary, in)) {
        r = error_set(why, ERR_AGAIN, "more is needed");
    } else {
        r = error_set(why, ERR_SYNTAX, "the connection does not begin with a PROXY header");
    }
    if (r == 0) *ret = out;
    return r;
}

/* ---- writing ---- */

static uint8_t family_of(const struct proxy_header *h) {
    if (h->local || !h->source.n || !h->destination.n ||
        h->source.any.sa_family != h->destination.any.sa_family) {
        return FAMILY_NONE;
    }
    switch (h->source.any.sa_family) {
    case AF_INET:
        return FAMILY_TCP4;
    case AF_INET6:
        return FAMILY_TCP6;
    default:
        return FAMILY_LOCAL;
    }
}

static void write_version_1(struct buf *out, uint8_t family, const struct proxy_header *h) {
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    bool six = family == FAMILY_TCP6;
    const void *from = six ? (const void *)&h->source.v6.sin6_addr : &h->source.v4.sin_addr;
    const void *to = six ? (const void *)&h->destination.v6.sin6_addr : &h->destination.v4.sin_addr;
    int af = six ? AF_INET6 : AF_INET;
    if ((!six && family != FAMILY_TCP4) || !inet_ntop(af, from, source, sizeof source) ||
        !inet_ntop(af, to, destination, sizeof destination)) {
        buf_append_str(out, "PROXY UNKNOWN\r\n");
        return;
    }
    buf_printf(out, "PROXY TCP%c %s %s %u %u\r\n", six ? '6' : '4', source, destination,
               socket_address_port(&h->source), socket_address_port(&h->destination));
}

static void write_path(struct buf *out, const struct socket_address *a) {
    size_t n = a->n - offsetof(struct sockaddr_un, sun_path);
    if (n > LOCAL_PATH) n = LOCAL_PATH;
    buf_append(out, bytes_make(a->local.sun_path, n));
    buf_append_fill(out, 0, LOCAL_PATH - n);
}

static void write_version_2(struct buf *out, uint8_t family, const struct proxy_header *h) {
    buf_append(out, SIGNATURE);
    buf_append_byte(out, h->local ? COMMAND_LOCAL : COMMAND_PROXY);
    buf_append_byte(out, family);
    switch (family) {
    case FAMILY_TCP4:
        buf_append_be16(out, 12);
        buf_append(out, bytes_make(&h->source.v4.sin_addr, 4));
        buf_append(out, bytes_make(&h->destination.v4.sin_addr, 4));
        break;
    case FAMILY_TCP6:
        buf_append_be16(out, 36);
        buf_append(out, bytes_make(&h->source.v6.sin6_addr, 16));
        buf_append(out, bytes_make(&h->destination.v6.sin6_addr, 16));
        break;
    case FAMILY_LOCAL:
        buf_append_be16(out, 2 * LOCAL_PATH);
        write_path(out, &h->source);
        write_path(out, &h->destination);
        return;
    default:
        buf_append_be16(out, 0);
        return;
    }
    buf_append_be16(out, (uint16_t)socket_address_port(&h->source));
    buf_append_be16(out, (uint16_t)socket_address_port(&h->destination));
}

void proxy_header_write(struct buf *out, unsigned version, const struct proxy_header *h) {
    uint8_t family = family_of(h);
    if (version == 1) {
        write_version_1(out, family, h);
    } else {
        write_version_2(out, family, h);
    }
}
