/* `buildernet trie`: roots, proofs, and how fast they are.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/hex.h"
#include "eth/loose_number.h"
#include "main/program.h"
#include "trie/bench.h"
#include "trie/proof.h"
#include "trie/state_file.h"
#include "trie/state_root.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX JSON_BYTES_MAX
#define SLOTS_MAX 4096
#define USAGE 64

/* A command line, and what all verbs need. */
struct command {
    const char *operand[SLOTS_MAX + 2];
    size_t operands;
    const char *check;
    bool json, secure;
    struct arena a;
    struct buf input, out;
    struct json_writer w;
};

static int read_json(const struct json **ret, struct command *c, struct error *why) {
    const struct json_limits limits = {INPUT_MAX, 64, JSON_VALUES_MAX, false};
    int r = file_read_operand(&c->input, c->operand[0], why);
    return r == 0 ? json_parse(ret, buf_view(&c->input), &c->a, &limits, why) : r;
}

static void put_root(struct command *c, const struct hash *root, const struct state_file *f) {
    if (!c->json) {
        hex_append_data(&c->out, BYTES_OF(*root));
        return;
    }
    json_begin_object(&c->w, NULL);
    json_add_data(&c->w, f->is_state ? "stateRoot" : "root", BYTES_OF(*root));
    json_add_u64(&c->w, f->is_state ? "accounts" : "pairs",
                 f->is_state ? f->account_count : f->pair_count);
    json_end(&c->w);
}

static int run_root(struct command *c, struct error *why) {
    const struct json *doc = NULL;
    struct state_file f;
    struct hash root;
    int r = read_json(&doc, c, why);
    if (r == 0) r = state_file_decode(&f, doc, &c->a, why);
    if (r == 0) r = state_file_root(&root, &f, c->secure, why);
    if (r == 0) put_root(c, &root, &f);
    return r;
}

static int run_proof(struct command *c, struct error *why) {
    const struct json *doc = NULL;
    struct state_file f;
    struct state_root *s = NULL;
    struct hash root, *slots = arena_new_array(&c->a, struct hash, c->operands);
    struct address address;
    struct account_proof p;
    if (!slots) return error_set(why, ERR_NO_MEMORY, "no memory");
    int r = hex_decode_address(&address, bytes_from_str(c->operand[1]), why);
    if (r != 0) return error_wrap(why, "ADDRESS");
    for (size_t i = 2; i < c->operands; i++) {
        struct u256 slot;
        r = loose_number_parse(&slot, bytes_from_str(c->operand[i]), why);
        if (r != 0) return error_wrap(why, "SLOT");
        u256_store_be(slots[i - 2].b, slot);
    }
    r = read_json(&doc, c, why);
    if (r == 0) r = state_file_decode(&f, doc, &c->a, why);
    if (r == 0) r = state_file_open(&s, &root, &f, why);
    if (r != 0) return r;
    r = account_proof_make(&p, s, &address, slots, c->operands - 2, &c->a, why);
    state_root_free(s);
    // What is printed has been checked as its readers will check it.
    if (r == 0) r = account_proof_check(NULL, &p, &root, why);
    if (r == 0) account_proof_encode(&c->w, NULL, &p);
    return r;
}

static void put_checked(struct command *c, const struct account_proof *p, bool exists) {
    if (c->json) {
        json_begin_object(&c->w, NULL);
        json_add_bool(&c->w, "valid", true);
        json_add_data(&c->w, "address", BYTES_OF(p->address));
        json_add_bool(&c->w, "exists", exists);
        json_add_u64(&c->w, "slots", p->slot_count);
        json_end(&c->w);
        return;
    }
    buf_append_str(&c->out, "valid: account ");
    hex_append_data(&c->out, BYTES_OF(p->address));
    buf_append_str(&c->out, exists ? " exists" : " does not exist");
    for (size_t i = 0; i < p->slot_count; i++) {
        char value[67];
        (void)u256_to_hex(value, p->slots[i].value);
        buf_append_str(&c->out, "\n  slot ");
        hex_append_data(&c->out, BYTES_OF(p->slots[i].key));
        buf_printf(&c->out, " holds %s", value);
    }
}

static int run_check(struct command *c, struct error *why) {
    const struct json *doc = NULL;
    struct hash root;
    struct account_proof p;
    bool exists = false;
    int r = hex_decode_hash(&root, bytes_from_str(c->check), why);
    if (r != 0) return error_wrap(why, "ROOT");
    r = read_json(&doc, c, why);
    if (r == 0 && json_get(doc, "result")) doc = json_get(doc, "result");
    if (r == 0) r = account_proof_decode(&p, doc, &c->a, why);
    if (r == 0) r = account_proof_check(&exists, &p, &root, why);
    if (r == 0) put_checked(c, &p, exists);
    return r;
}

static int run(const char *name, int (*body)(struct command *c, struct error *why),
               struct command *c) {
    struct error why;
    arena_init(&c->a, 0);
    buf_init(&c->input, INPUT_MAX);
    buf_init(&c->out, 0);
    json_writer_init(&c->w, &c->out, c->json ? 0 : JSON_PRETTY);
    int r = body(c, &why);
    buf_append_byte(&c->out, '\n');
    if (r == 0) r = buf_check(&c->out, &why);
    if (r == 0 && (fwrite(c->out.p, 1, c->out.n, stdout) != c->out.n || fflush(stdout) != 0)) {
        r = error_set_os(&why, ERR_IO, errno, "cannot write");
    }
    if (r != 0) program_complain(name, &why);
    buf_free(&c->input);
    buf_free(&c->out);
    arena_free(&c->a);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}

static int bench(const struct command *c, unsigned budget_ms) {
    const char *only = c->operands ? c->operand[0] : "";
    if (trie_bench(only, budget_ms) > 0) return 0;
    (void)fprintf(stderr, "buildernet trie bench: no case has '%.64s' in its name\n", only);
    return 1;
}

static int misused(const char *verb) {
    (void)fprintf(stderr, "buildernet trie %s: not its arguments: see --help\n", verb);
    return USAGE;
}

static bool read_number(const char *text, unsigned *ret) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || n > UINT_MAX) return false;
    *ret = (unsigned)n;
    return true;
}

static int run_verb(int argc, char **argv) {
    static struct command c;
    unsigned budget_ms = 1000;
    bool timed = false;
    const char *verb = argv[1];
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            c.json = true;
        } else if (strcmp(argv[i], "--secure") == 0) {
            c.secure = true;
        } else if (strcmp(argv[i], "--check") == 0 && i + 1 < argc) {
            c.check = argv[++i];
        } else if (strcmp(argv[i], "--budget-ms") == 0 && i + 1 < argc) {
            timed = true;
            if (!read_number(argv[++i], &budget_ms)) return misused(verb);
        } else if ((argv[i][0] == '-' && argv[i][1]) || c.operands == SLOTS_MAX + 2) {
            return misused(verb);
        } else {
            c.operand[c.operands++] = argv[i];
        }
    }
    // A flag of another verb, passed over, would let one think that a root was checked.
    bool root = strcmp(verb, "root") == 0, proof = strcmp(verb, "proof") == 0;
    if ((timed && (root || proof)) || (c.secure && !root) || (c.check && !proof)) {
        return misused(verb);
    }
    if (root && c.operands == 1) return run("trie root", run_root, &c);
    if (proof && c.check && c.operands == 1) return run("trie proof", run_check, &c);
    if (proof && !c.check && c.operands >= 2) return run("trie proof", run_proof, &c);
    if (!root && !proof && !c.json && c.operands <= 1) return bench(&c, budget_ms);
    return misused(verb);
}

static const struct config_verb verbs[] = {
    {.name = "root",
     .arguments = "[--json] [--secure] FILE|-",
     .help = "The root of a state or of pairs.",
     .run = run_verb,
     .details =
         "FILE is a genesis file, a JSON map {address: {balance, nonce, code, storage}}, or\n"
         "holds key/value pairs ({key: value} or [[key, value], ...]); -: standard input.\n"
         "  --secure        keys of pairs are hashed first\n"
         "  --json          one JSON object\n"},
    {.name = "proof",
     .arguments = "[--json] FILE|- ADDRESS [SLOT...] | --check ROOT [--json] FILE|-",
     .help = "Prove an account and slots in such a state, as eth_getProof does, or check a proof.",
     .run = run_verb,
     .details = "  --check ROOT    checks an eth_getProof result (or a whole response) against a\n"
                "                  state root\n"
                "  --json          one JSON object\n"},
    {.name = "bench",
     .arguments = "[--budget-ms N] [NAME_PART]",
     .help = "Time state roots.",
     .run = run_verb,
     .details = "One JSON line a case: name, work, unit, ns, limit_ns (what the bare permutations\n"
                "cost in this run), cpu. NAME_PART runs only the cases whose name contains it.\n"
                "  --budget-ms N   time for each case (default 1000)\n"},
};

const struct config_program trie_program = {
    .name = "trie",
    .summary = "state roots and proofs: made, checked, timed",
    CONFIG_VERBS(verbs),
};
