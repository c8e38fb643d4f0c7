/* SPDX-License-Identifier: MIT */
#include "json/split.h"

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void step(struct json_split *s, uint8_t c) {
    if (s->in_string) {
        if (s->escaped) {
            s->escaped = false;
        } else if (c == '\\') {
            s->escaped = true;
        } else if (c == '"') {
            s->in_string = false;
        }
    } else if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        s->depth--;
    }
}

int json_split_next(struct json_split *s, struct bytes *ret, struct bytes in) {
    while (s->at < in.n) {
        uint8_t c = in.p[s->at];
        if (!s->begun && is_space(c)) {
            s->at++;
            continue;
        }
        if (!s->begun) {
            if (c != '{' && c != '[') return ERR_SYNTAX;
            s->begun = true;
            s->from = s->at;
        }
        step(s, c);
        s->at++;
        if (s->depth == 0) {
            *ret = bytes_slice(in, s->from, s->at - s->from);
            return 1;
        }
    }
    return 0;
}

void json_split_take(struct json_split *s, struct buf *in) {
    buf_drop_front(in, s->at);
    *s = (struct json_split){0};
}
