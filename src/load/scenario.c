/* SPDX-License-Identifier: MIT */
#include "load/scenario.h"

#include "base/hex.h"
#include "load/assembler.h"
#include "toml/toml.h"

static int too_large(struct error *why) {
    return error_set(why, ERR_LIMIT, "the scenario is too large");
}

// Texts of any scalar: files write numbers with and without quotes.
static int text(struct bytes *ret, const struct toml *v, struct arena *a, struct error *why) {
    char *s = NULL;
    switch (v->type) {
    case TOML_STRING:
        *ret = v->string;
        return 0;
    case TOML_INTEGER:
        s = arena_printf(a, "%lld", (long long)v->integer);
        break;
    case TOML_BOOL:
        s = arena_printf(a, "%s", v->boolean ? "true" : "false");
        break;
    default:
        return toml_error(why, ERR_INVALID, v, "a text is needed");
    }
    if (!s) return too_large(why);
    *ret = bytes_from_str(s);
    return 0;
}

static int texts(const struct bytes **ret, size_t *ret_count, const struct toml *v, struct arena *a,
                 struct error *why) {
    if (v->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, v, "a list is needed");
    struct bytes *list = arena_new_array(a, struct bytes, v->count);
    size_t n = 0;
    if (!list) return too_large(why);
    toml_each(item, v) {
        int r = text(&list[n++], item, a, why);
        if (r < 0) return r;
    }
    *ret = list;
    *ret_count = n;
    return 0;
}

static int u64(uint64_t *ret, const struct toml *v, struct error *why) {
    int64_t n;
    int r = toml_i64(&n, v, why);
    if (r == 0 && n < 0) r = toml_error(why, ERR_RANGE, v, "not negative");
    if (r == 0) *ret = (uint64_t)n;
    return r;
}

static bool is(const struct toml *v, const char *key) {
    return bytes_equal_str(v->key, key);
}

static int unknown(const struct toml *v, struct error *why) {
    return toml_error(why, ERR_INVALID, v, "\"%.*s\" is not known here",
                      (int)(v->key.n < 40 ? v->key.n : 40), (const char *)v->key.p);
}

// Transactions

static int read_fuzz(struct scenario_tx *t, const struct toml *v, struct arena *a,
                     struct error *why) {
    if (v->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, v, "a list is needed");
    struct scenario_fuzz *list = arena_new_array(a, struct scenario_fuzz, v->count);
    if (!list) return too_large(why);
    toml_each(item, v) {
        struct scenario_fuzz *f = &list[t->fuzz_count++];
        int r = 0;
        toml_each(m, item) {
            struct bytes bound;
            if (is(m, "param"))
                r = text(&f->param, m, a, why);
            else if (is(m, "value"))
                r = toml_bool(&f->value, m, why);
            else if (is(m, "max_priority_fee_per_gas"))
                r = toml_bool(&f->priority_fee, m, why);
            else if (is(m, "min") || is(m, "max")) {
                f->bounded = true;
                r = text(&bound, m, a, why);
                if (r == 0) r = scenario_amount(is(m, "min") ? &f->min : &f->max, bound, why);
            } else
                r = unknown(m, why);
            if (r < 0) return r;
        }
    }
    t->fuzz = list;
    return 0;
}

static int read_access(struct scenario_tx *t, const struct toml *v, struct arena *a,
                       struct error *why) {
    if (v->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, v, "a list is needed");
    struct scenario_access *list = arena_new_array(a, struct scenario_access, v->count);
    if (!list) return too_large(why);
    toml_each(item, v) {
        struct scenario_access *e = &list[t->access_count++];
        const struct toml *keys = toml_get(item, BYTES_LIT("storageKeys"));
        int r = toml_string(&e->address, toml_get(item, BYTES_LIT("address")), why);
        if (r == 0 && keys) r = texts(&e->keys, &e->key_count, keys, a, why);
        if (r < 0) return r;
    }
    t->access = list;
    return 0;
}

static int read_member(struct scenario_tx *t, const struct toml *m, struct arena *a,
                       struct error *why) {
    bool ignored;
    if (is(m, "to")) return text(&t->to, m, a, why);
    if (is(m, "from_pool") || is(m, "from")) return text(&t->from_pool, m, a, why);
    if (is(m, "kind")) return text(&t->kind, m, a, why);
    if (is(m, "signature")) return text(&t->signature, m, a, why);
    if (is(m, "args")) return texts(&t->args, &t->arg_count, m, a, why);
    if (is(m, "value")) return text(&t->value, m, a, why);
    if (is(m, "gas_limit")) return u64(&t->gas_limit, m, why);
    if (is(m, "fuzz")) return read_fuzz(t, m, a, why);
    if (is(m, "access_list")) return read_access(t, m, a, why);
    if (is(m, "authorization_address")) return text(&t->authorization, m, a, why);
    if (is(m, "for_all_accounts")) return toml_bool(&t->for_all_accounts, m, why);
    if (is(m, "allow_revert")) return toml_bool(&ignored, m, why);
    if (is(m, "blob_data")) {
        t->has_blob = true;
        return text(&t->blob_data, m, a, why);
    }
    return unknown(m, why);
}

static int read_tx(struct scenario_tx *t, const struct toml *v, struct arena *a,
                   struct error *why) {
    *t = (struct scenario_tx){.gas_limit = 0};
    if (v->type != TOML_TABLE) return toml_error(why, ERR_INVALID, v, "a table is needed");
    toml_each(m, v) {
        int r = read_member(t, m, a, why);
        if (r < 0) return r;
    }
    return t->to.n ? 0 : toml_error(why, ERR_NOT_FOUND, v, "a transaction needs \"to\"");
}

static int read_txs(const struct scenario_tx **ret, size_t *ret_count, const struct toml *v,
                    struct arena *a, struct error *why) {
    struct scenario_tx *list = arena_new_array(a, struct scenario_tx, v->count);
    if (!list) return too_large(why);
    toml_each(item, v) {
        int r = read_tx(&list[(*ret_count)++], item, a, why);
        if (r < 0) return r;
    }
    *ret = list;
    return 0;
}

// What is sent

static int read_bundle(struct scenario_spam *s, const struct toml *v, struct arena *a,
                       struct error *why) {
    s->bundle = true;
    toml_each(m, v) {
        int r;
        if (is(m, "tx")) {
            if (m->type != TOML_ARRAY) return toml_error(why, ERR_INVALID, m, "a list is needed");
            if (m->count > SCENARIO_BUNDLE_TXS_MAX) {
                return toml_error(why, ERR_LIMIT, m, "at most %d transactions",
                                  SCENARIO_BUNDLE_TXS_MAX);
            }
            r = read_txs(&s->txs, &s->tx_count, m, a, why);
        } else if (is(m, "conflicts")) {
            r = u64(&s->conflicts, m, why);
        } else if (is(m, "replacements")) {
            r = u64(&s->replacements, m, why);
        } else if (is(m, "reverting")) {
            r = toml_bool(&s->reverting, m, why);
        } else {
            r = unknown(m, why);
        }
        if (r < 0) return r;
    }
    return 0;
}

static int read_spam(struct scenario_spam *s, const struct toml *v, struct arena *a,
                     struct error *why) {
    *s = (struct scenario_spam){.weight = 1};
    toml_each(m, v) {
        int r;
        if (is(m, "tx")) {
            struct scenario_tx *t = arena_new(a, struct scenario_tx);
            r = t ? read_tx(t, m, a, why) : too_large(why);
            s->txs = t;
            s->tx_count = 1;
        } else if (is(m, "bundle")) {
            r = read_bundle(s, m, a, why);
        } else if (is(m, "weight")) {
            r = u64(&s->weight, m, why);
        } else {
            r = unknown(m, why);
        }
        if (r < 0) return r;
    }
    return s->tx_count ? 0 : toml_error(why, ERR_NOT_FOUND, v, "a spam entry without transaction");
}

static int read_spams(struct scenario *s, const struct toml *v, struct arena *a,
                      struct error *why) {
    struct scenario_spam *list = arena_new_array(a, struct scenario_spam, v->count);
    if (!list) return too_large(why);
    toml_each(item, v) {
        int r = read_spam(&list[s->spam_count++], item, a, why);
        if (r < 0) return r;
    }
    s->spams = list;
    return 0;
}

// Contracts

static int read_assembly(struct scenario_create *c, const struct toml *v, struct arena *a,
                         struct error *why) {
    struct bytes source;
    struct buf code, deploy;
    int r = toml_string(&source, v, why);
    if (r < 0) return r;
    buf_init(&code, 0);
    buf_init(&deploy, 0);
    r = assemble(&code, source, why);
    if (r == 0) r = assemble_deploy(&deploy, buf_view(&code), why);
    if (r < 0) (void)error_wrap(why, "assembly of line %u", v->line);
    if (r == 0) c->bytecode = arena_copy(a, buf_view(&deploy));
    if (r == 0 && !c->bytecode.p) r = too_large(why);
    c->is_code = true;
    buf_free(&code);
    buf_free(&deploy);
    return r;
}

static int read_create(struct scenario_create *c, const struct toml *v, struct arena *a,
                       struct error *why) {
    toml_each(m, v) {
        int r;
        if (is(m, "name"))
            r = text(&c->name, m, a, why);
        else if (is(m, "bytecode"))
            r = text(&c->bytecode, m, a, why);
        else if (is(m, "assembly"))
            r = read_assembly(c, m, a, why);
        else if (is(m, "signature"))
            r = text(&c->signature, m, a, why);
        else if (is(m, "args"))
            r = texts(&c->args, &c->arg_count, m, a, why);
        else if (is(m, "from") || is(m, "from_pool"))
            r = text(&c->from_pool, m, a, why);
        else
            r = unknown(m, why);
        if (r < 0) return r;
    }
    return c->name.n && c->bytecode.n
               ? 0
               : toml_error(why, ERR_NOT_FOUND, v, "a contract has a name and its code");
}

static int read_creates(struct scenario *s, const struct toml *v, struct arena *a,
                        struct error *why) {
    struct scenario_create *list = arena_new_array(a, struct scenario_create, v->count);
    if (!list) return too_large(why);
    toml_each(item, v) {
        int r = read_create(&list[s->create_count++], item, a, why);
        if (r < 0) return r;
    }
    s->creates = list;
    return 0;
}

static int read_env(struct scenario *s, const struct toml *v, struct arena *a, struct error *why) {
    struct scenario_variable *list = arena_new_array(a, struct scenario_variable, v->count);
    if (!list) return too_large(why);
    toml_each(m, v) {
        list[s->env_count].name = m->key;
        int r = text(&list[s->env_count++].value, m, a, why);
        if (r < 0) return r;
    }
    s->env = list;
    return 0;
}

static int read_part(struct scenario *s, const struct toml *v, struct arena *a, struct error *why) {
    bool list = v->type == TOML_ARRAY && v->count <= SCENARIO_STEPS_MAX;
    if (is(v, "name")) return toml_string(&s->name, v, why);
    if (is(v, "env")) return read_env(s, v, a, why);
    if (!list) return toml_error(why, ERR_INVALID, v, "at most %d entries", SCENARIO_STEPS_MAX);
    if (is(v, "create")) return read_creates(s, v, a, why);
    if (is(v, "setup")) return read_txs(&s->setups, &s->setup_count, v, a, why);
    if (is(v, "spam")) return read_spams(s, v, a, why);
    return unknown(v, why);
}

int scenario_parse(struct scenario *ret, struct bytes in, struct arena *a, struct error *why) {
    const struct toml *root;
    struct scenario s = {.spam_count = 0};
    if (in.n > SCENARIO_BYTES_MAX) return too_large(why);
    int r = toml_parse(&root, in, a, why);
    toml_each(v, r == 0 ? root : NULL) {
        r = read_part(&s, v, a, why);
        if (r < 0) return r;
    }
    if (r == 0 && s.spam_count == 0) {
        r = error_set(why, ERR_NOT_FOUND, "the scenario sends nothing: it has no [[spam]]");
    }
    if (r == 0) *ret = s;
    return r;
}

// Amounts

int scenario_amount(struct u256 *ret, struct bytes in, struct error *why) {
    static const struct {
        const char *name;
        unsigned digits;
    } units[] = {{"wei", 0}, {"gwei", 9}, {"eth", 18}, {"ether", 18}};
    size_t n = 0, point = SIZE_MAX;
    char digits[128];
    size_t count = 0, behind = 0, decimals = 0;
    while (in.n && in.p[0] == ' ')
        in = bytes_slice(in, 1, in.n);
    if (bytes_starts_with(in, BYTES_LIT("0x"))) {
        uint8_t value[32] = {0};
        char padded[65] = "";
        size_t length = in.n - 2;
        if (length == 0 || length > 64) return error_set(why, ERR_SYNTAX, "not an amount");
        memset(padded, '0', 64 - length);
        memcpy(padded + 64 - length, in.p + 2, length);
        int r = hex_decode(value, bytes_make(padded, 64), why);
        if (r == 0) *ret = u256_load_be(value);
        return r;
    }
    for (; n < in.n && ((in.p[n] >= '0' && in.p[n] <= '9') || in.p[n] == '.' || in.p[n] == '_');
         n++) {
        if (in.p[n] == '_') continue;
        if (in.p[n] == '.') {
            if (point != SIZE_MAX) return error_set(why, ERR_SYNTAX, "not an amount");
            point = n;
            continue;
        }
        if (count == 90) return error_set(why, ERR_RANGE, "an amount of too many digits");
        digits[count++] = (char)in.p[n];
        if (point != SIZE_MAX) behind++;
    }
    struct bytes unit = bytes_slice(in, n, in.n);
    while (unit.n && unit.p[0] == ' ')
        unit = bytes_slice(unit, 1, unit.n);
    while (unit.n && unit.p[unit.n - 1] == ' ')
        unit.n--;
    bool known = unit.n == 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!bytes_equal_str(unit, units[i].name)) continue;
        decimals = units[i].digits;
        known = true;
    }
    if (!known || count == 0) return error_set(why, ERR_SYNTAX, "not an amount");
    if (behind > decimals) return error_set(why, ERR_RANGE, "an amount finer than one wei");
    for (; behind < decimals; behind++) {
        digits[count++] = '0';
    }
    size_t zeros = 0;
    while (zeros + 1 < count && digits[zeros] == '0') {
        zeros++;
    }
    return u256_from_decimal(ret, bytes_make(digits + zeros, count - zeros))
               ? 0
               : error_set(why, ERR_RANGE, "an amount above 256 bits");
}
