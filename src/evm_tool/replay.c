/* SPDX-License-Identifier: MIT */
#include "evm_tool/replay.h"

#include "base/clock.h"
#include "chain/ahead.h"
#include "chain/block_run.h"
#include "eth/rpc_json.h"
#include "evm_tool/fixture.h"
#include "evm_tool/runner.h"
#include "evm_tool/witness.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

/* What was read, until everything is there. */
struct source {
    struct source *next;
    char *folder; /* of block.json and pre_state.json, or what names of a pair begin with */
    struct bytes block, pre_state;
    struct bytes rlp, witness; /* the other form */
};

struct replay {
    const struct replay_options *o;
    struct arena arena; /* files and their JSON */
    struct source *sources;
    struct memory_state common;        /* codes */
    const struct json *hashes, *codes; /* block_hashes.json, codes.json */
    unsigned passed, failed;
    uint64_t gas;
    double cold_ns, warm_ns;
};

/* Reading. */

static struct source *source_of(struct replay *r, const char *folder) {
    struct source *s = r->sources;
    while (s && strcmp(s->folder, folder) != 0) {
        s = s->next;
    }
    if (s || !(s = arena_new(&r->arena, struct source))) return s;
    s->folder = arena_str(&r->arena, bytes_from_str(folder));
    s->next = r->sources;
    r->sources = s;
    return s->folder ? s : NULL;
}

static const struct json *parse(struct replay *r, struct bytes text, const char *name) {
    const struct json *doc;
    struct error why = {0};
    struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, true};
    if (json_parse(&doc, text, &r->arena, &limits, &why) == 0) return doc;
    (void)fprintf(stderr, "%s: is not JSON: %s\n", name, why.text);
    r->failed++;
    return NULL;
}

// What the name of one half of a pair begins with: the length, 0 for other names.
static size_t stem_of(const char *name, const char *ending) {
    size_t n = strlen(name), m = strlen(ending);
    if (n < m || strcmp(name + n - m, ending) != 0) return 0;
    if (n == m || name[n - m - 1] == '/' || name[n - m - 1] == '_') return n - m;
    return 0;
}

static bool take_pair(struct replay *r, const char *name, struct bytes content) {
    size_t block = stem_of(name, "block.rlp"), witness = stem_of(name, "witness.rlp");
    char stem[4096];
    if (!block && !witness) return false;
    (void)snprintf(stem, sizeof stem, "%.*s", (int)(block ? block : witness), name);
    struct source *s = source_of(r, stem);
    struct bytes copy = arena_copy(&r->arena, content);
    if (s && block) s->rlp = copy;
    if (s && witness) s->witness = copy;
    if (!s) r->failed++;
    return true;
}

bool replay_take(struct replay *r, const char *name, struct bytes content) {
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    bool block = strcmp(base, "block.json") == 0, pre = strcmp(base, "pre_state.json") == 0;
    bool codes = strcmp(base, "codes.json") == 0, hashes = strcmp(base, "block_hashes.json") == 0;
    if (!block && !pre && !codes && !hashes) return take_pair(r, name, content);
    struct bytes copy = arena_copy(&r->arena, content);
    if (codes) r->codes = parse(r, copy, name);
    if (hashes) r->hashes = parse(r, copy, name);
    if (!block && !pre) return true;
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - name) : 1,
                   slash ? name : ".");
    struct source *s = source_of(r, folder);
    if (s && block) s->block = copy;
    if (s && pre) s->pre_state = copy;
    if (!s) r->failed++;
    return true;
}

static bool take_file(void *arg, const char *name, struct bytes content) {
    (void)replay_take(arg, name, content);
    return true;
}

static bool unreadable(void *arg, const char *name, const char *reason) {
    struct replay *r = arg;
    (void)fprintf(stderr, "%s: %s\n", name, reason);
    r->failed++;
    return true;
}

static bool skipped(void *arg, const char *name, const char *reason) {
    (void)arg;
    (void)fprintf(stderr, "%s: skipped: %s\n", name, reason);
    return true;
}

// A block's file alone brings what stands around it.
static void read_path(struct replay *r, const char *path) {
    static const char *const around[] = {"block.json", "pre_state.json", "../../codes.json",
                                         "../../block_hashes.json"};
    static const char *const pair[] = {"block.rlp", "witness.rlp"};
    struct walk_visitor visitor = {r, take_file, unreadable, skipped};
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    bool json = strcmp(base, "block.json") == 0;
    size_t stem = json ? (size_t)(base - path) : stem_of(path, "block.rlp");
    size_t count = json ? sizeof around / sizeof *around : sizeof pair / sizeof *pair;
    if (!json && !stem) {
        (void)walk_path(path, &visitor);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char sub[4096];
        (void)snprintf(sub, sizeof sub, "%.*s%s", (int)stem, path, json ? around[i] : pair[i]);
        (void)walk_path(sub, &visitor);
    }
}

/* State. */

static int load_codes(struct memory_state *m, const struct json *codes, struct arena *a,
                      struct error *why) {
    json_members(key, value, codes) {
        struct hash hash;
        struct bytes code;
        int r = fixture_fixed(hash.b, 32, key, why);
        if (r == 0) r = fixture_bytes(&code, value, a, why);
        if (r == 0) r = memory_state_set_code(m, &hash, code, why);
        if (r != 0) return r;
    }
    return 0;
}

static int load_account(struct memory_state *m, const struct memory_state *codes,
                        const struct json *key, const struct json *account, struct error *why) {
    struct address address;
    struct state_fields f = {.code_hash = STATE_EMPTY_CODE_HASH, .exists = true};
    int r = fixture_fixed(address.b, 20, key, why);
    if (r == 0) r = fixture_get_u256(&f.balance, account, "balance", why);
    if (r == 0) r = fixture_get_u64(&f.nonce, account, "nonce", why);
    if (r == 0 && !json_is_null(json_get(account, "code_hash"))) {
        r = fixture_get_hash(&f.code_hash, account, "code_hash", why);
        struct bytes code = memory_state_code(codes, &f.code_hash);
        if (r == 0) r = memory_state_set_code(m, &f.code_hash, code, why);
    }
    // What is listed only because it was looked at does not exist.
    f.exists = f.nonce != 0 || !u256_is_zero(f.balance) ||
               !hash_equal(&f.code_hash, &STATE_EMPTY_CODE_HASH);
    if (r == 0) r = memory_state_set_fields(m, &address, &f, why);
    json_members(slot, value, json_get(account, "storage")) {
        struct u256 k, v;
        if (r == 0) r = fixture_u256(&k, slot, why);
        if (r == 0) r = fixture_u256(&v, value, why);
        if (r == 0) r = memory_state_set_slot(m, &address, k, v, why);
    }
    return r;
}

struct hashes {
    const struct json *list;
    const struct header *header;
};

static int block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct hashes *h = ctx;
    char name[24];
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    if (number + 1 == h->header->number) {
        *ret = h->header->parent_hash;
        return 0;
    }
    if (!json_get(h->list, name)) return error_set(why, ERR_NOT_FOUND, "no hash of block %s", name);
    return fixture_get_hash(ret, h->list, name, why);
}

/* Running. */

struct subject {
    struct block block;
    struct address *senders;
    struct memory_state pre;
    struct witness *witness; /* the pre-state in the other form; NULL: pre */
    struct block_env env;
    struct hashes hashes;
};

static int take_block(struct subject *ret, const struct chain_config *config, struct arena *a,
                      struct error *why) {
    int r = 0;
    ret->senders = arena_new_array(a, struct address, ret->block.tx_count + 1);
    if (!ret->senders) return error_set(why, ERR_NO_MEMORY, "no memory");
    for (size_t i = 0; r == 0 && i < ret->block.tx_count; i++) {
        r = tx_sender(&ret->senders[i], &ret->block.txs[i], why);
    }
    ret->env = block_env_of(config, &ret->block);
    return r;
}

// The chain that a block's transactions are signed for; mainnet where none says.
static const struct chain_config *chain_of(const struct block *b) {
    static const char *const names[] = {"mainnet", "sepolia", "holesky", "hoodi"};
    for (size_t i = 0; i < b->tx_count; i++) {
        for (size_t k = 0; b->txs[i].protected && k < sizeof names / sizeof *names; k++) {
            const struct chain_config *c = chain_config_named(bytes_from_str(names[k]));
            if (c->chain_id == b->txs[i].chain_id) return c;
        }
    }
    return chain_config_named(BYTES_LIT("mainnet"));
}

static int prepare_witnessed(struct subject *ret, const struct source *s, struct arena *a,
                             struct error *why) {
    if (!s->witness.p) return error_set(why, ERR_NOT_FOUND, "there is no witness.rlp beside it");
    if (!s->rlp.p) return error_set(why, ERR_NOT_FOUND, "there is no block.rlp beside it");
    int r = block_decode(&ret->block, s->rlp, a, why);
    if (r == 0) r = witness_open(&ret->witness, s->witness, why);
    if (r == 0) r = take_block(ret, chain_of(&ret->block), a, why);
    if (r != 0) return r;
    struct hash parent;
    r = witness_block_hash(ret->witness, &parent, ret->block.header.number - 1, why);
    if (r == 0 && !hash_equal(&parent, &ret->block.header.parent_hash)) {
        r = error_set(why, ERR_INVALID, "the witness is of another block");
    }
    ret->env.block_hash = witness_block_hash;
    ret->env.block_hash_ctx = ret->witness;
    return r;
}

static int prepare(struct subject *ret, struct replay *r, const struct source *s, struct arena *a,
                   struct error *why) {
    if (s->rlp.p || s->witness.p) return prepare_witnessed(ret, s, a, why);
    const struct json *block = parse(r, s->block, s->folder);
    const struct json *pre = parse(r, s->pre_state, s->folder);
    if (!block || !pre) return error_set(why, ERR_NOT_FOUND, "block.json or pre_state.json");
    int code = block_json_decode(&ret->block, block, a, why);
    json_members(key, account, pre) {
        if (code == 0) code = load_account(&ret->pre, &r->common, key, account, why);
    }
    if (code == 0) code = take_block(ret, chain_config_named(BYTES_LIT("mainnet")), a, why);
    if (code != 0) return code;
    ret->hashes = (struct hashes){r->hashes, &ret->block.header};
    ret->env.block_hash = block_hash;
    ret->env.block_hash_ctx = &ret->hashes;
    ret->env.replay = true;
    return code;
}

static void free_subject(struct subject *s) {
    memory_state_free(&s->pre);
    witness_close(s->witness);
}

// Where the tries are known, so is the root that must come out.
static int check_root(struct subject *s, const struct state *state, struct arena *a,
                      struct error *why) {
    struct state_changes changes;
    struct hash root;
    if (!s->witness) return 0;
    int r = state_changes_of(&changes, state, a, why);
    if (r == 0) r = witness_root(s->witness, &root, &changes, why);
    if (r != 0 || hash_equal(&root, &s->block.header.state_root)) return r;
    return error_set(why, ERR_INVALID, "state root differs from the header's");
}

// One run with its own code cache; `cold` and `warm` get the times of the first and best run.
static int run_rounds(struct subject *s, const struct replay_options *o, double *cold, double *warm,
                      struct error *why) {
    struct workbench w;
    struct report_sink none = {0};
    struct block_run run;
    int r = workbench_init(&w, &none, why);
    if (r != 0) return r;
    struct ahead *ahead = NULL;
    // A witness is read by one thread.
    if (o->jobs > 1 && !s->witness) r = ahead_new(&ahead, o->jobs - 1, w.codes, w.precompiles, why);
    block_run_init(&run, &w.vm);
    for (unsigned i = 0; r == 0 && i <= o->rounds; i++) {
        struct block_outcome outcome;
        state_reset(&w.state,
                    s->witness ? witness_reader(s->witness) : memory_state_reader(&s->pre));
        uint64_t begin = clock_monotonic_ns(&clock_system);
        r = block_run_all(&run, &w.state, &s->env, &s->block, s->senders, ahead, &outcome, &w.arena,
                          why);
        double ns = (double)(clock_monotonic_ns(&clock_system) - begin);
        if (r == 0 && i == 0) r = check_root(s, &w.state, &w.arena, why);
        if (i == 0) *cold = ns;
        if (i == 1 || (i > 1 && ns < *warm)) *warm = ns;
        arena_reset(&w.arena);
    }
    block_run_free(&run);
    ahead_free(ahead);
    workbench_free(&w);
    return r;
}

static void print_block(const struct replay *r, const struct subject *s, double cold, double warm,
                        int status, const char *why) {
    const struct header *h = &s->block.header;
    double gas = (double)h->gas_used;
    char name[32];
    (void)snprintf(name, sizeof name, "block %llu", (unsigned long long)h->number);
    if (r->o->json) {
        struct buf line;
        struct json_writer j;
        buf_init(&line, 0);
        json_writer_init(&j, &line, 0);
        json_begin_object(&j, NULL);
        json_add_str(&j, "name", name);
        json_add_str(&j, "fork", fork_name(s->env.fork));
        json_add_u64(&j, "txs", s->block.tx_count);
        json_add_u64(&j, "gas", h->gas_used);
        json_add_u64(&j, "cold_ns", (uint64_t)cold);
        json_add_u64(&j, "ns", (uint64_t)warm);
        json_add_u64(&j, "cold_mgas_s", (uint64_t)(gas * 1e3 / cold));
        json_add_u64(&j, "mgas_s", (uint64_t)(gas * 1e3 / warm));
        json_add_bool(&j, "pass", status == 0);
        if (status != 0) json_add_str(&j, "error", why);
        json_end(&j);
        printf("%.*s\n", (int)line.n, (const char *)line.p);
        buf_free(&line);
    } else {
        printf("%-9llu %-17s %5zu txs %9llu gas  cold %6.0f  warm %6.0f Mgas/s  %s%s\n",
               (unsigned long long)h->number, fork_name(s->env.fork), s->block.tx_count,
               (unsigned long long)h->gas_used, gas * 1e3 / cold, gas * 1e3 / warm,
               status == 0 ? "ok" : "FAILED: ", status == 0 ? "" : why);
    }
}

static void run_source(struct replay *r, const struct source *source) {
    struct arena a;
    struct subject s = {0};
    struct error why = {0};
    double cold = 1, warm = 1;
    arena_init(&a, 0);
    memory_state_init(&s.pre);
    int status = prepare(&s, r, source, &a, &why);
    bool wanted = status != 0 || r->o->fork < 0 || (int)s.env.fork == r->o->fork;
    if (status == 0 && wanted) status = run_rounds(&s, r->o, &cold, &warm, &why);
    if (wanted) print_block(r, &s, cold, warm, status, why.text);
    (void)fflush(stdout);
    if (!wanted) {
        // not counted
    } else if (status == 0) {
        r->passed++;
        r->gas += s.block.header.gas_used;
        r->cold_ns += cold;
        r->warm_ns += warm;
    } else {
        r->failed++;
    }
    free_subject(&s);
    arena_free(&a);
}

struct replay *replay_open(void) {
    static const struct replay_options once = {.jobs = 1, .fork = -1};
    struct replay *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->o = &once;
    arena_init(&r->arena, 0);
    memory_state_init(&r->common);
    return r;
}

void replay_close(struct replay *r) {
    if (!r) return;
    memory_state_free(&r->common);
    arena_free(&r->arena);
    free(r);
}

void replay_check(struct replay *r,
                  void (*report)(void *arg, const char *name, const char *failure), void *arg) {
    struct error why = {0};
    if (load_codes(&r->common, r->codes, &r->arena, &why) != 0) report(arg, "codes.json", why.text);
    for (const struct source *source = r->sources; source; source = source->next) {
        struct arena a;
        struct subject s = {0};
        double cold, warm;
        arena_init(&a, 0);
        memory_state_init(&s.pre);
        int status = prepare(&s, r, source, &a, &why);
        if (status == 0) status = run_rounds(&s, r->o, &cold, &warm, &why);
        report(arg, source->folder, status == 0 ? NULL : why.text);
        free_subject(&s);
        arena_free(&a);
    }
}

int replay_run(const struct replay_options *o) {
    struct replay r = {.o = o};
    struct error why = {0};
    arena_init(&r.arena, 0);
    memory_state_init(&r.common);
    for (size_t i = 0; i < o->path_count; i++) {
        read_path(&r, o->paths[i]);
    }
    if (load_codes(&r.common, r.codes, &r.arena, &why) != 0) {
        (void)fprintf(stderr, "codes.json: %s\n", why.text);
        r.failed++;
    }
    for (const struct source *s = r.sources; s; s = s->next) {
        run_source(&r, s);
    }
    if (r.passed) {
        double gas = (double)r.gas * 1e3;
        printf(o->json ? "{\"name\":\"all blocks\",\"gas\":%llu,\"cold_ns\":%.0f,\"ns\":%.0f,"
                         "\"cold_mgas_s\":%.0f,\"mgas_s\":%.0f}\n"
                       : "all: %llu gas, cold %.0f ns, warm %.0f ns: %.0f and %.0f Mgas/s\n",
               (unsigned long long)r.gas, r.cold_ns, r.warm_ns, gas / r.cold_ns, gas / r.warm_ns);
    }
    if (r.passed + r.failed == 0) (void)fputs("no block with its pre-state was found\n", stderr);
    printf("%u passed, %u failed, 0 skipped\n", r.passed, r.failed);
    memory_state_free(&r.common);
    arena_free(&r.arena);
    return r.failed || !r.passed ? 1 : 0;
}
