/* SPDX-License-Identifier: MIT */
#include "attest/der.h"

bool der_any(struct bytes *in, struct der_item *ret) {
    struct bytes b = *in;
    if (b.n < 2 || (b.p[0] & 0x1f) == 0x1f) return false;
    size_t length = b.p[1], header = 2;
    if (length >= 0x80) {
        size_t count = length & 0x7f;
        if (count == 0 || count > 4 || b.n < 2 + count || b.p[2] == 0) return false;
        length = 0;
        for (size_t i = 0; i < count; i++) {
            length = length << 8 | b.p[2 + i];
        }
        if (length < 0x80) return false;
        header += count;
    }
    if (length > b.n - header) return false;
    ret->tag = b.p[0];
    ret->content = (struct bytes){b.p + header, length};
    ret->whole = (struct bytes){b.p, header + length};
    *in = (struct bytes){b.p + header + length, b.n - header - length};
    return true;
}

bool der_take(struct bytes *in, uint8_t tag, struct der_item *ret) {
    return der_peek(*in, tag) && der_any(in, ret);
}

bool der_magnitude(struct bytes content, struct bytes *ret) {
    if (content.n == 0 || (content.p[0] & 0x80)) return false;
    if (content.n > 1 && content.p[0] == 0) {
        if (!(content.p[1] & 0x80)) return false;
        content.p++;
        content.n--;
    }
    *ret = content;
    return true;
}

bool der_u64(struct bytes content, uint64_t *ret) {
    struct bytes b;
    if (!der_magnitude(content, &b) || b.n > 8) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < b.n; i++) {
        v = v << 8 | b.p[i];
    }
    *ret = v;
    return true;
}

bool der_bits(struct bytes content, struct bytes *ret) {
    if (content.n == 0 || content.p[0] != 0) return false;
    *ret = (struct bytes){content.p + 1, content.n - 1};
    return true;
}

int64_t der_days_from_civil(int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned of_era = (unsigned)(year - era * 400);
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static unsigned two_digits(const uint8_t *p) {
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

bool der_time(const struct der_item *item, uint64_t *ret) {
    struct bytes b = item->content;
    size_t digits = item->tag == DER_UTC_TIME ? 12 : item->tag == DER_GENERALIZED_TIME ? 14 : 0;
    if (digits == 0 || b.n != digits + 1 || b.p[digits] != 'Z') return false;
    for (size_t i = 0; i < digits; i++) {
        if (b.p[i] < '0' || b.p[i] > '9') return false;
    }
    unsigned year = two_digits(b.p);
    const uint8_t *p = b.p + 2;
    if (digits == 14) {
        year = year * 100 + two_digits(p);
        p += 2;
    } else {
        year += year < 50 ? 2000 : 1900; // RFC 5280, 4.1.2.5.1
    }
    unsigned month = two_digits(p), day = two_digits(p + 2), hour = two_digits(p + 4);
    unsigned minute = two_digits(p + 6), second = two_digits(p + 8);
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
        second > 59) {
        return false;
    }
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (unsigned)(leap && month == 2)) return false;
    *ret = (uint64_t)der_days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 +
           second;
    return true;
}

bool der_ecdsa(struct bytes in, uint8_t ret[64]) {
    struct der_item seq, n;
    if (!der_take(&in, DER_SEQUENCE, &seq) || in.n != 0) return false;
    memset(ret, 0, 64);
    for (int i = 0; i < 2; i++) {
        struct bytes m;
        if (!der_take(&seq.content, DER_INTEGER, &n) || !der_magnitude(n.content, &m) || m.n > 32) {
            return false;
        }
        memcpy(ret + 32 * i + 32 - m.n, m.p, m.n);
    }
    return seq.content.n == 0;
}

size_t der_length(struct bytes in) {
    struct der_item item;
    return der_any(&in, &item) ? item.whole.n : 0;
}
