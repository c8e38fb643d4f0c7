/* SPDX-License-Identifier: MIT */
#include "devnet/fault.h"

#include "config/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[FAULT_KINDS] = {
    "delay", "drop", "cut", "reset", "corrupt", "rate", "stall", "withhold", "wrong-root"};

const char *fault_kind_name(enum fault_kind kind) {
    return kind_names[kind];
}

// Reading

static struct bytes next_word(struct bytes *rest) {
    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = bytes_slice(*rest, 1, rest->n);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    struct bytes word = {rest->p, n};
    *rest = bytes_slice(*rest, n, rest->n);
    return word;
}

static int take_name(char ret[FAULT_NAME_MAX], struct bytes name, struct error *why) {
    if (name.n == 0 || name.n >= FAULT_NAME_MAX) {
        return error_set(why, ERR_SYNTAX, "a role's name has 1 to %d bytes", FAULT_NAME_MAX - 1);
    }
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == '*';
        if (!ok) return error_set(why, ERR_SYNTAX, "a role's name has letters, digits, . - _");
    }
    memcpy(ret, name.p, name.n);
    ret[name.n] = '\0';
    return 0;
}

static int take_pair(struct fault *f, struct bytes pair, struct error *why) {
    const uint8_t *arrow = pair.n ? memmem(pair.p, pair.n, "->", 2) : NULL;
    if (!arrow) return error_set(why, ERR_SYNTAX, "a fault begins with FROM->TO or A<->B");
    size_t n = (size_t)(arrow - pair.p);
    f->both_ways = n > 0 && pair.p[n - 1] == '<';
    int r = take_name(f->from, bytes_slice(pair, 0, f->both_ways ? n - 1 : n), why);
    return r == 0 ? take_name(f->to, bytes_slice(pair, n + 2, pair.n), why) : r;
}

static int take_percent(double *ret, struct bytes word, struct error *why) {
    char text[32], *end;
    if (word.n == 0 || word.n >= sizeof text) {
        return error_set(why, ERR_SYNTAX, "a share such as 5%% is needed");
    }
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    double value = strtod(text, &end);
    if (*end == '%') value /= 100, end++;
    if (end == text || *end) return error_set(why, ERR_SYNTAX, "\"%s\" is no share", text);
    if (!(value >= 0 && value <= 1)) return error_set(why, ERR_RANGE, "a share is at most 100%%");
    *ret = value;
    return 0;
}

static int take_slots(struct fault *f, struct bytes word, struct error *why) {
    char text[48], *end;
    if (word.n == 0 || word.n >= sizeof text) {
        return error_set(why, ERR_SYNTAX, "slots FROM-TO are needed");
    }
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    f->slot_from = strtoull(text, &end, 10);
    f->slot_to = f->slot_from;
    if (*end == '-') f->slot_to = strtoull(end + 1, &end, 10);
    if (*end || f->slot_to < f->slot_from || f->slot_to == 0) {
        return error_set(why, ERR_SYNTAX, "slots FROM-TO are needed");
    }
    return 0;
}

static int take_duration(uint64_t *ret, const char *what, struct bytes word, struct error *why) {
    int r = config_parse_duration(ret, word, 0, why);
    if (r < 0) (void)error_wrap(why, "%s such as 40ms is needed", what);
    return r;
}

static int take_argument(struct fault *f, struct bytes *rest, struct error *why) {
    switch (f->kind) {
    case FAULT_DELAY:
        return take_duration(&f->delay_ns, "delay", next_word(rest), why);
    case FAULT_DROP:
    case FAULT_RESET:
    case FAULT_CORRUPT:
        return take_percent(&f->probability, next_word(rest), why);
    case FAULT_RATE: {
        int r = config_parse_size(&f->bytes_per_second, next_word(rest), 1, why);
        if (r == 0 && f->bytes_per_second == 0) {
            r = error_set(why, ERR_RANGE, "a rate is above 0; use stall");
        }
        return r;
    }
    default:
        return 0;
    }
}

int fault_parse(struct fault *ret, struct bytes text, struct error *why) {
    struct fault f = {.id = 0};
    struct bytes rest = text;
    int r = take_pair(&f, next_word(&rest), why);
    if (r < 0) return r;
    struct bytes word = next_word(&rest);
    unsigned kind = 0;
    while (kind < FAULT_KINDS && !bytes_equal_str(word, kind_names[kind])) {
        kind++;
    }
    if (kind == FAULT_KINDS) {
        return error_set(why, ERR_SYNTAX,
                         "faults are delay, drop, cut, reset, corrupt, rate, stall, withhold and "
                         "wrong-root");
    }
    f.kind = (enum fault_kind)kind;
    r = take_argument(&f, &rest, why);
    while (r == 0 && (word = next_word(&rest)).n) {
        if (bytes_equal_str(word, "jitter") && f.kind == FAULT_DELAY) {
            r = take_duration(&f.jitter_ns, "jitter", next_word(&rest), why);
        } else if (bytes_equal_str(word, "slots") || bytes_equal_str(word, "slot")) {
            r = take_slots(&f, next_word(&rest), why);
        } else {
            r = error_set(why, ERR_SYNTAX, "\"%.*s\" is not understood",
                          (int)(word.n < 40 ? word.n : 40), (const char *)word.p);
        }
    }
    if (r == 0) *ret = f;
    return r;
}

// Exactly, so that what is read back is the same.
static void put_duration(struct buf *out, const char *before, uint64_t ns) {
    bool whole = ns % 1000000 == 0;
    buf_printf(out, "%s%llu%s", before, (unsigned long long)(whole ? ns / 1000000 : ns),
               whole ? "ms" : "ns");
}

void fault_text(struct buf *out, const struct fault *f) {
    buf_printf(out, "%s%s->%s %s", f->from, f->both_ways ? "<" : "", f->to, kind_names[f->kind]);
    switch (f->kind) {
    case FAULT_DELAY:
        put_duration(out, " ", f->delay_ns);
        if (f->jitter_ns) put_duration(out, " jitter ", f->jitter_ns);
        break;
    case FAULT_DROP:
    case FAULT_RESET:
    case FAULT_CORRUPT:
        buf_printf(out, " %g%%", f->probability * 100);
        break;
    case FAULT_RATE:
        buf_printf(out, " %llu", (unsigned long long)f->bytes_per_second);
        break;
    default:
        break;
    }
    if (f->slot_to) {
        buf_printf(out, " slots %llu-%llu", (unsigned long long)f->slot_from,
                   (unsigned long long)f->slot_to);
    }
}

void fault_write(struct json_writer *w, const char *key, const struct fault *f) {
    struct buf text;
    buf_init(&text, 512);
    fault_text(&text, f);
    json_begin_object(w, key);
    json_add_u64(w, "id", f->id);
    json_add_text(w, "text", buf_view(&text));
    json_add_str(w, "from", f->from);
    json_add_str(w, "to", f->to);
    json_add_bool(w, "both_ways", f->both_ways);
    json_add_str(w, "kind", kind_names[f->kind]);
    if (f->slot_to) {
        json_add_u64(w, "slot_from", f->slot_from);
        json_add_u64(w, "slot_to", f->slot_to);
    }
    json_end(w);
    buf_free(&text);
}

// A node's name stands for all of its roles: "node-1" for "node-1.orderflow".
static bool names(const char *pattern, const char *role) {
    size_t n = strlen(pattern);
    if (strcmp(pattern, "*") == 0) return true;
    return strncmp(pattern, role, n) == 0 && (role[n] == '\0' || role[n] == '.');
}

bool fault_covers(const struct fault *f, const char *from, const char *to, uint64_t slot) {
    if (f->slot_to && (slot < f->slot_from || slot > f->slot_to)) return false;
    if (names(f->from, from) && names(f->to, to)) return true;
    return f->both_ways && names(f->from, to) && names(f->to, from);
}

// Faults of one kind add up as if the bytes passed one after the other.
void fault_effect(struct fault_effect *ret, const struct fault_list *list, const char *from,
                  const char *to, uint64_t slot) {
    *ret = (struct fault_effect){.cut = false};
    for (size_t i = 0; i < list->count; i++) {
        const struct fault *f = &list->faults[i];
        if (!fault_covers(f, from, to, slot)) continue;
        switch (f->kind) {
        case FAULT_DELAY:
            ret->delay_ns += f->delay_ns;
            ret->jitter_ns += f->jitter_ns;
            break;
        case FAULT_DROP:
            ret->drop = 1 - (1 - ret->drop) * (1 - f->probability);
            break;
        case FAULT_RESET:
            ret->reset = 1 - (1 - ret->reset) * (1 - f->probability);
            break;
        case FAULT_CORRUPT:
            ret->corrupt = 1 - (1 - ret->corrupt) * (1 - f->probability);
            break;
        case FAULT_RATE:
            if (!ret->bytes_per_second || f->bytes_per_second < ret->bytes_per_second) {
                ret->bytes_per_second = f->bytes_per_second;
            }
            break;
        case FAULT_CUT:
            ret->cut = true;
            break;
        case FAULT_STALL:
            ret->stall = true;
            break;
        case FAULT_WITHHOLD:
            ret->withhold = true;
            break;
        case FAULT_WRONG_ROOT:
            ret->wrong_root = true;
            break;
        case FAULT_KINDS:
            break;
        }
    }
}
