/* SPDX-License-Identifier: MIT */
#include "load/assembler.h"

#include "base/hex.h"
#include "base/u256.h"
#include "crypto/keccak.h"
#include "evm/schedule.h"

#define NAME_MAX_BYTES 64

struct label {
    struct bytes name;
    size_t place;
};

struct wanted {
    struct bytes name;
    size_t at; // where its two bytes go
    unsigned line;
};

struct assembly {
    struct buf *out;
    size_t begin;
    struct evm_schedule schedule;
    struct label labels[ASSEMBLER_LABELS_MAX];
    size_t label_count;
    struct wanted wanted[4 * ASSEMBLER_LABELS_MAX];
    size_t wanted_count;
    unsigned line;
};

#define SHOWN(b) (int)((b).n < 40 ? (b).n : 40), (const char *)(b).p

static int complain(const struct assembly *s, enum err code, struct bytes word, const char *what,
                    struct error *why) {
    return error_set(why, code, "line %u: %.*s: %s", s->line, SHOWN(word), what);
}

static void put_push(struct assembly *s, struct bytes value) {
    buf_append_byte(s->out, (uint8_t)(0x5f + value.n)); // PUSH0 for none
    buf_append(s->out, value);
}

static int put_number(struct assembly *s, struct bytes word, struct error *why) {
    struct u256 n;
    uint8_t bytes[32];
    bool ok = bytes_starts_with(word, BYTES_LIT("0x")) ? true : u256_from_decimal(&n, word);
    if (ok && bytes_starts_with(word, BYTES_LIT("0x"))) {
        struct bytes digits = bytes_slice(word, 2, word.n);
        memset(bytes, 0, sizeof bytes);
        ok = digits.n > 0 && digits.n <= 64 && digits.n % 2 == 0 &&
             hex_decode(bytes + 32 - digits.n / 2, digits, NULL) == 0;
        if (ok) n = u256_load_be(bytes);
    }
    if (!ok) return complain(s, ERR_SYNTAX, word, "not a number", why);
    u256_store_be(bytes, n);
    size_t zeros = 0;
    while (zeros < 32 && bytes[zeros] == 0) {
        zeros++;
    }
    put_push(s, bytes_make(bytes + zeros, 32 - zeros));
    return 0;
}

static int put_label(struct assembly *s, struct bytes name, struct error *why) {
    if (s->wanted_count == sizeof s->wanted / sizeof s->wanted[0]) {
        return complain(s, ERR_LIMIT, name, "too many uses of labels", why);
    }
    buf_append_byte(s->out, 0x61); // PUSH2
    s->wanted[s->wanted_count++] = (struct wanted){name, s->out->n, s->line};
    buf_append_fill(s->out, 0, 2);
    return 0;
}

static int set_label(struct assembly *s, struct bytes name, struct error *why) {
    for (size_t i = 0; i < s->label_count; i++) {
        if (bytes_equal(s->labels[i].name, name)) {
            return complain(s, ERR_CONFLICT, name, "stands twice", why);
        }
    }
    if (s->label_count == ASSEMBLER_LABELS_MAX) {
        return complain(s, ERR_LIMIT, name, "too many labels", why);
    }
    s->labels[s->label_count++] = (struct label){name, s->out->n - s->begin};
    return 0;
}

static int put_opcode(struct assembly *s, struct bytes word, struct error *why) {
    for (unsigned i = 0; i < 256; i++) {
        const struct evm_op *op = &s->schedule.op[i];
        if (!op->defined || !bytes_equal_str(word, op->name)) continue;
        buf_append_byte(s->out, (uint8_t)i);
        return 0;
    }
    return complain(s, ERR_SYNTAX, word, "no opcode", why);
}

// Text in quotes: a selector or a topic.
static void put_hash(struct assembly *s, struct bytes text, bool selector) {
    struct hash h = keccak256(text);
    put_push(s, bytes_make(h.b, selector ? 4 : 32));
}

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The next word; empty at the end.
static struct bytes next(struct assembly *s, struct bytes *rest) {
    size_t i = 0, n = 0;
    for (;; i++) {
        if (i < rest->n && rest->p[i] == ';') {
            while (i < rest->n && rest->p[i] != '\n')
                i++;
        }
        if (i >= rest->n || !is_space(rest->p[i])) break;
        if (rest->p[i] == '\n') s->line++;
    }
    *rest = bytes_slice(*rest, i, rest->n);
    if (rest->n && (rest->p[0] == '\'' || rest->p[0] == '"')) {
        const uint8_t *end = memchr(rest->p + 1, rest->p[0], rest->n - 1);
        n = end ? (size_t)(end - rest->p) + 1 : rest->n;
    } else {
        while (n < rest->n && !is_space(rest->p[n]) && rest->p[n] != ';')
            n++;
    }
    struct bytes word = {rest->p, n};
    *rest = bytes_slice(*rest, n, rest->n);
    return word;
}

static int take(struct assembly *s, struct bytes word, struct bytes *rest, struct error *why) {
    struct bytes inside = bytes_slice(word, 1, word.n > 2 ? word.n - 2 : 0);
    if (word.p[0] == '\'' || word.p[0] == '"') {
        if (word.n < 3 || word.p[word.n - 1] != word.p[0]) {
            return complain(s, ERR_SYNTAX, word, "does not end", why);
        }
        put_hash(s, inside, word.p[0] == '\'');
        return 0;
    }
    if (word.p[0] == '@') return put_label(s, bytes_slice(word, 1, word.n), why);
    if (word.p[word.n - 1] == ':') return set_label(s, bytes_slice(word, 0, word.n - 1), why);
    if (bytes_equal_str(word, "PUSH")) return put_number(s, next(s, rest), why);
    return put_opcode(s, word, why);
}

static int fill_labels(struct assembly *s, struct error *why) {
    for (size_t i = 0; i < s->wanted_count; i++) {
        const struct wanted *w = &s->wanted[i];
        size_t k = 0;
        while (k < s->label_count && !bytes_equal(s->labels[k].name, w->name)) {
            k++;
        }
        s->line = w->line;
        if (k == s->label_count) return complain(s, ERR_NOT_FOUND, w->name, "no such label", why);
        store_be16(s->out->p + w->at, (uint16_t)s->labels[k].place);
    }
    return 0;
}

int assemble(struct buf *out, struct bytes text, struct error *why) {
    struct assembly s = {.out = out, .begin = out->n, .line = 1};
    evm_schedule_init(&s.schedule, (enum fork)(FORK_COUNT - 1));
    for (;;) {
        struct bytes word = next(&s, &text);
        if (!word.n) break;
        int r = take(&s, word, &text, why);
        if (r < 0) return r;
    }
    int r = buf_check(out, why);
    if (r == 0 && out->n - s.begin > ASSEMBLER_CODE_MAX) {
        r = error_set(why, ERR_LIMIT, "code has at most %d bytes", ASSEMBLER_CODE_MAX);
    }
    return r == 0 ? fill_labels(&s, why) : r;
}

int assemble_deploy(struct buf *out, struct bytes code, struct error *why) {
    // PUSH2 length, PUSH1 begin, PUSH0, CODECOPY, PUSH2 length, PUSH0, RETURN: 12 bytes.
    const uint8_t begin = 12;
    if (code.n > ASSEMBLER_CODE_MAX) return error_set(why, ERR_LIMIT, "the code is too long");
    buf_append_byte(out, 0x61);
    buf_append_be16(out, (uint16_t)code.n);
    buf_append(out, bytes_make((const uint8_t[]){0x60, begin, 0x5f, 0x39, 0x61}, 5));
    buf_append_be16(out, (uint16_t)code.n);
    buf_append(out, bytes_make((const uint8_t[]){0x5f, 0xf3}, 2));
    buf_append(out, code);
    return buf_check(out, why);
}
