/* Json_split: where one JSON value ends and the next begins in a stream without framing, as
 * go-ethereum's IPC has it. Looks only at brackets and strings; the parser judges the rest.
 * Each byte is looked at once. Pure. SPDX-License-Identifier: MIT */
#ifndef JSON_SPLIT_H
#define JSON_SPLIT_H

#include "base/buf.h"

struct json_split {
    size_t at;      /* bytes looked at */
    size_t from;    /* where the value begins */
    unsigned depth; /* open brackets */
    bool in_string, escaped, begun;
};

/* json_split_next: 1: *ret is a whole object or array in `in`, which is all that came and was not
 * taken; 0: more is needed. errors  ERR_SYNTAX: something stands there that is neither. */
int json_split_next(struct json_split *s, struct bytes *ret, struct bytes in);

/* json_split_take drops the value that was just given from the buffer. */
void json_split_take(struct json_split *s, struct buf *in);

#endif
