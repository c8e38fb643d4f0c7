/* Recorded sessions of the Engine API, asked anew of a node in this process.
 *
 * What must come out is what the specification says. The client that was recorded deviates from it
 * in error codes, takes chains without the contracts of execution requests, and adds members of its
 * own; those places stand in the tables below. SPDX-License-Identifier: MIT */
#include "test/conformance/l2.h"

#include "base/random.h"
#include "config/config.h"
#include "eth/genesis.h"
#include "net/auth.h"
#include "node/chain_file.h"
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 64

/* Members that the recorded client writes beyond the specification, or that are another's choice:
 * how large a payload's value is, is counted differently (it includes the base fee's burnt part in
 * none, but rounds per transaction). */
static const char *const own_members[] = {"requestsHash", "totalDifficulty", "validationError",
                                          NULL};

/* Its error codes and those of the specification. The client has -32602 for nearly everything:
 * which of its texts is about a fork, or about attributes, tells what it should have been. Text
 * NULL: any. */
static const struct {
    const char *method;
    int64_t recorded;
    const char *text; // in its message
    int64_t specified;
} codes[] = {
    {"engine_getPayload", -32001, NULL, -38001},                // an unknown payload
    {"engine_getPayload", -32601, NULL, -38005},                // a version that it does not have
    {"engine_newPayload", -32602, "NewPayloadV", -38005},       // a version for another fork
    {"engine_forkchoiceUpdated", -32602, "argument 0", -32602}, // the state
    {"engine_forkchoiceUpdated", -32602, "ForkchoiceUpdatedV", -38005}, // another fork's
    {"engine_forkchoiceUpdatedV2", -32602, "PayloadAttributesV", -32602},
    {"engine_forkchoiceUpdatedV2", -32602, "argument 1", -32602},
    {"engine_forkchoiceUpdated", -32602, NULL, -38003}, // attributes
};

struct session {
    struct l2_file *f;
    struct node *node;
    struct node_values values;
    struct config *config;
    uint64_t line;
    struct bytes recorded[IDS_MAX]; // payload ids of the recorded client, and ours
    char own[IDS_MAX][24];
    size_t ids;
};

static struct bytes next_line(struct bytes *rest) {
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '\n') {
        n++;
    }
    struct bytes line = bytes_slice(*rest, 0, n);
    *rest = bytes_slice(*rest, n + 1, rest->n);
    return line;
}

// The node on the genesis file whose block has the hash that was recorded.

static int open_on(struct session *s, const char *genesis, struct error *why) {
    static char program[] = "node", none[] = "", zero[] = "--pool-price-min=0";
    char *path = (char *)(uintptr_t)genesis; // read only; argv wants it so
    char *argv[] = {program,
                    (char[]){"--genesis"},
                    path,
                    (char[]){"--http-addr"},
                    none,
                    (char[]){"--ws-addr"},
                    none,
                    (char[]){"--engine-addr"},
                    none,
                    (char[]){"--metrics-addr"},
                    none,
                    (char[]){"--extra-data"},
                    none,
                    zero,
                    (char[]){"--allow-missing-contracts"}};
    int r = config_load(&s->config, &node_program, &s->values, (int)(sizeof argv / sizeof *argv),
                        argv, why);
    if (r == 0) r = node_open(&s->node, &s->values, NULL, why);
    return r;
}

static void close_node(struct session *s) {
    node_close(s->node);
    config_free(s->config);
    s->node = NULL;
    s->config = NULL;
}

static bool open_session(struct session *s, const struct hash *wanted) {
    struct error why = {.text = "no genesis file has the recorded hash"};
    for (size_t i = 0; i < s->f->memory->genesis_count; i++) {
        int r = open_on(s, s->f->memory->genesis[i], &why);
        if (r == 0 && hash_equal(&s->node->genesis_hash, wanted)) return true;
        close_node(s);
    }
    tally_fail(s->f->t, "genesis", "%s", why.text);
    return false;
}

// Tokens of the recorded kinds, against a key and a time of our own.

static void run_auth(struct session *s, const char *name, struct bytes kind) {
    struct buf token;
    struct arena a;
    uint8_t key[32], other[32];
    const uint64_t now_s = 1700000000;
    struct error why;
    buf_init(&token, 0);
    arena_init(&a, 0);
    random_bytes(key, sizeof key);
    random_bytes(other, sizeof other);
    uint64_t then = bytes_equal_str(kind, "stale")    ? now_s - 65
                    : bytes_equal_str(kind, "future") ? now_s + 65
                                                      : now_s;
    bool bad = bytes_equal_str(kind, "badkey");
    int r = jwt_write(&token, bytes_make(bad ? other : key, 32), then, &why);
    struct bytes text = buf_view(&token);
    if (bytes_equal_str(kind, "none-alg"))
        text = BYTES_LIT("eyJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.");
    if (bytes_equal_str(kind, "missing")) text = (struct bytes){NULL, 0};
    if (r == 0) r = jwt_verify(NULL, text, bytes_make(key, 32), now_s, &a, &why);
    if (r != 0) {
        tally_pass(s->f->t, name);
    } else {
        tally_fail(s->f->t, name, "expected 401, the token is accepted");
    }
    buf_free(&token);
    arena_free(&a);
}

// Asking

// The request with the recorded client's payload ids replaced by ours.
static struct bytes translate(struct session *s, struct bytes request) {
    struct buf out;
    buf_init(&out, 0);
    for (size_t at = 0; at < request.n;) {
        size_t i = 0;
        while (i < s->ids && !(request.n - at >= s->recorded[i].n &&
                               memcmp(request.p + at, s->recorded[i].p, s->recorded[i].n) == 0)) {
            i++;
        }
        if (i < s->ids) {
            buf_append_str(&out, s->own[i]);
            at += s->recorded[i].n;
        } else {
            buf_append_byte(&out, request.p[at++]);
        }
    }
    struct bytes kept = arena_copy(s->f->a, buf_view(&out));
    buf_free(&out);
    return kept;
}

static const struct json *ask(struct session *s, struct bytes request, bool engine) {
    struct buf out;
    const struct node_message m = {translate(s, request), engine ? NODE_ENGINE : NODE_USER, true,
                                   0};
    buf_init(&out, 0);
    node_answer(s->node, &m, s->f->a, &out, NULL, NULL);
    struct bytes kept = arena_copy(s->f->a, buf_view(&out));
    buf_free(&out);
    return l2_parse(s->f, kept);
}

static bool has_text(struct bytes in, const char *text) {
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= in.n; i++) {
        if (memcmp(in.p + i, text, n) == 0) return true;
    }
    return false;
}

static bool check_error(struct session *s, const char *name, struct bytes method,
                        const struct json *recorded, const struct json *got) {
    int64_t want = 0, have = 0;
    struct bytes said = json_text(json_get(recorded, "message"));
    if (json_get_i64(&want, recorded, "code", NULL) != 0) want = 0;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (want == codes[i].recorded &&
            bytes_starts_with(method, bytes_from_str(codes[i].method)) &&
            (!codes[i].text || has_text(said, codes[i].text))) {
            want = codes[i].specified;
            break;
        }
    }
    if (json_get_i64(&have, got, "code", NULL) == 0 && have == want) return true;
    struct bytes text = json_raw(got);
    tally_fail(s->f->t, name, "expected error %lld, got %.*s", (long long)want,
               (int)(text.n > 160 ? 160 : text.n), text.n ? (const char *)text.p : "no error");
    return false;
}

// The capabilities of the recorded client that the specification knows are ours too.
static bool check_capabilities(struct session *s, const char *name, const struct json *recorded,
                               const struct json *got) {
    json_each(one, recorded) {
        struct bytes text = json_text(one);
        bool versioned = text.n > 2 && text.p[text.n - 2] == 'V', found = false;
        json_each(own, got) {
            found = found || bytes_equal(json_text(own), text);
        }
        if (versioned && !found) {
            tally_fail(s->f->t, name, "%.*s is not offered", (int)text.n, (const char *)text.p);
            return false;
        }
    }
    return true;
}

static bool check_forkchoice(struct session *s, const char *name, const struct json *recorded,
                             const struct json *got) {
    const struct json *theirs = json_get(recorded, "payloadId"), *ours = json_get(got, "payloadId");
    if (!l2_same(s->f, name, json_get(recorded, "payloadStatus"), json_get(got, "payloadStatus"),
                 own_members)) {
        return false;
    }
    if (json_is_null(theirs) != json_is_null(ours)) {
        tally_fail(s->f->t, name, "payloadId: expected %s", json_is_null(theirs) ? "null" : "one");
        return false;
    }
    if (!json_is_null(theirs) && s->ids < IDS_MAX) {
        struct bytes own = json_text(ours);
        s->recorded[s->ids] = json_text(theirs);
        (void)snprintf(s->own[s->ids++], sizeof s->own[0], "%.*s", (int)own.n, (const char *)own.p);
    }
    return true;
}

static bool check(struct session *s, const char *name, struct bytes method,
                  const struct json *recorded, const struct json *got) {
    const struct json *error = json_get(recorded, "error"), *result = json_get(recorded, "result");
    if (error) return check_error(s, name, method, error, json_get(got, "error"));
    const struct json *own = json_get(got, "result");
    if (!own) {
        struct bytes text = json_raw(json_get(got, "error"));
        tally_fail(s->f->t, name, "expected a result, got %.*s", (int)text.n,
                   text.n ? (const char *)text.p : "nothing");
        return false;
    }
    if (bytes_equal_str(method, "engine_exchangeCapabilities")) {
        return check_capabilities(s, name, result, own);
    }
    if (bytes_starts_with(method, BYTES_LIT("engine_forkchoiceUpdated"))) {
        return check_forkchoice(s, name, result, own);
    }
    return l2_same(s->f, name, result, own, own_members);
}

static void run_line(struct session *s, struct bytes line) {
    const struct json *doc = l2_parse(s->f, line), *request = json_get(doc, "request");
    struct bytes method = json_text(json_get(request, "method"));
    struct bytes port = json_text(json_get(doc, "port")), kind = json_text(json_get(doc, "auth"));
    const char *name = arena_printf(s->f->a, "line %llu %.*s", (unsigned long long)s->line,
                                    (int)method.n, (const char *)method.p);
    uint64_t status = 0;
    if (!request || !name) {
        tally_fail(s->f->t, "line", "is no recorded request");
        return;
    }
    if (json_get_u64(&status, doc, "httpStatus", NULL) == 0 && status == 401) {
        run_auth(s, name, kind);
        return;
    }
    const struct json *got = ask(s, json_raw(request), bytes_equal_str(port, "engine"));
    if (check(s, name, method, json_get(doc, "response"), got)) tally_pass(s->f->t, name);
}

bool l2_run_session(struct l2_file *f) {
    struct session s = {.f = f};
    struct bytes rest = f->content;
    struct hash genesis;
    if (f->root) return false; // one document
    struct bytes line = next_line(&rest);
    const struct json *first = l2_parse(f, line);
    if (json_get_hash(&genesis, json_get(json_get(first, "response"), "result"), "hash", NULL) !=
        0) {
        return false;
    }
    if (!open_session(&s, &genesis)) return true;
    for (s.line = 1; line.n; s.line++) {
        run_line(&s, line);
        line = next_line(&rest);
    }
    close_node(&s);
    return true;
}
