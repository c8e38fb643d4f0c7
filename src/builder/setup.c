/* What the settings come to. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "builder/settings.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define ETHER_DIGITS 18
#define MILLIONTH_DIGITS 6

// A decimal number times 10^digits.
static int decimal_parse(struct u256 *ret, struct bytes text, unsigned digits, struct error *why) {
    char all[U256_DECIMAL_MAX + 1];
    size_t n = 0, behind = 0;
    bool point = false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if ((uint8_t)(text.p[i] - '0') > 9) return error_set(why, ERR_SYNTAX, "not a number");
        if (point && behind++ >= digits) return error_set(why, ERR_RANGE, "too many digits");
        if (n + digits >= U256_DECIMAL_MAX) return error_set(why, ERR_RANGE, "too large");
        all[n++] = (char)text.p[i];
    }
    if (n == 0) return error_set(why, ERR_SYNTAX, "not a number");
    for (; behind < digits; behind++) {
        all[n++] = '0';
    }
    return u256_from_decimal(ret, bytes_make(all, n)) ? 0 : error_set(why, ERR_RANGE, "too large");
}

int ether_parse(struct u256 *ret, struct bytes text, struct error *why) {
    return decimal_parse(ret, text, ETHER_DIGITS, why);
}

/* Keys. */

// 32 bytes: hex digits with or without 0x, or the name of a variable that holds them.
static int key_bytes(uint8_t ret[32], const struct secret *s, const char *name, struct error *why) {
    struct bytes text = secret_view(s);
    if (text.n == 0) return error_set(why, ERR_NOT_FOUND, "%s is missing", name);
    if (bytes_starts_with(text, BYTES_LIT("env:"))) {
        char variable[128];
        (void)snprintf(variable, sizeof variable, "%.*s", (int)text.n - 4,
                       (const char *)text.p + 4);
        const char *value = getenv(variable);
        if (!value) return error_set(why, ERR_NOT_FOUND, "%s: %s is not set", name, variable);
        text = bytes_from_str(value);
    }
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    if (text.n != 64 || hex_decode(ret, text, NULL) != 0) {
        return error_set(why, ERR_SYNTAX, "%s: not 64 hex digits", name);
    }
    return 0;
}

static int read_bls(struct bls_secret_key *key, struct bytes48 *pubkey, const struct secret *s,
                    const char *name, struct error *why) {
    uint8_t raw[32];
    int r = key_bytes(raw, s, name, why);
    if (r == 0) r = bls_secret_key_load(key, raw, why);
    bytes_wipe(raw, sizeof raw);
    if (r == 0) bls_public_key_of(pubkey, key);
    return r;
}

static int read_keys(struct builder_setup *s, const struct builder_values *v, struct error *why) {
    struct build_keys *k = &s->keys;
    struct ecdsa_public_key public;
    int r = ecdsa_signer_new(&k->signer, why);
    if (r == 0) r = key_bytes(k->coinbase.b, &v->coinbase_key, "coinbase-secret-key", why);
    if (r == 0) r = ecdsa_public_key_of(k->signer, &public, &k->coinbase, why);
    if (r == 0) k->address = ecdsa_address(&public);
    if (r == 0) r = read_bls(&k->relay, &k->relay_pubkey, &v->relay_key, "relay-secret-key", why);
    if (r == 0 && v->optimistic_key.n) {
        k->has_optimistic = true;
        r = read_bls(&k->optimistic, &k->optimistic_pubkey, &v->optimistic_key,
                     "optimistic-relay-secret-key", why);
    }
    if (r != 0) return r;
    r = hex_decode_fixed(s->fork_version, 4, bytes_from_str(v->fork_version), why);
    if (r != 0) return error_wrap(why, "genesis-fork-version");
    k->domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, s->fork_version, NULL);
    return 0;
}

/* Relays. */

// Origin only: a key in front of the host and a path behind it are left out.
static int relay_url(struct relay_settings *r, struct bytes text, struct error *why) {
    struct url u;
    int code = url_parse(&u, text, why);
    if (code != 0) return code;
    if (u.scheme != URL_HTTP && u.scheme != URL_HTTPS) {
        return error_set(why, ERR_UNSUPPORTED, "a relay is http or https");
    }
    return url_origin(r->url, sizeof r->url, &u, why);
}

static int relay_new(struct relay_settings **ret, struct builder_setup *s, struct error *why) {
    if (s->relay_count == RELAYS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %u relays", RELAYS_MAX);
    }
    *ret = &s->relays[s->relay_count++];
    **ret = (struct relay_settings){.ssz = true, .submits = true, .priority = 10};
    return 0;
}

static int read_relay_urls(struct builder_setup *s, const struct builder_values *v,
                           struct error *why) {
    for (size_t i = 0; i < v->relay_urls.count; i++) {
        struct relay_settings *r = NULL;
        int code = relay_new(&r, s, why);
        if (code == 0) code = relay_url(r, bytes_from_str(v->relay_urls.items[i]), why);
        if (code != 0) return error_wrap(why, "relay %zu", i);
        (void)snprintf(r->name, sizeof r->name, "%s", r->url);
    }
    return 0;
}

static bool is_key(const struct toml *v, const char *name) {
    return bytes_equal_str(v->key, name);
}

static int read_text(char *ret, size_t room, const struct toml *v, struct error *why) {
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r == 0 && bytes_starts_with(text, BYTES_LIT("env:"))) {
        char variable[128];
        (void)snprintf(variable, sizeof variable, "%.*s", (int)text.n - 4,
                       (const char *)text.p + 4);
        const char *value = getenv(variable);
        if (!value) return toml_error(why, ERR_NOT_FOUND, v, "%s is not set", variable);
        text = bytes_from_str(value);
    }
    if (r == 0 && text.n >= room) return toml_error(why, ERR_LIMIT, v, "too long");
    if (r == 0) (void)snprintf(ret, room, "%.*s", (int)text.n, (const char *)text.p);
    return r;
}

static int read_mode(struct relay_settings *r, const struct toml *v, struct error *why) {
    char mode[16];
    int code = read_text(mode, sizeof mode, v, why);
    if (code != 0) return code;
    r->submits = strcmp(mode, "full") == 0 || strcmp(mode, "test") == 0;
    if (!r->submits && strcmp(mode, "slot_info") != 0) {
        return toml_error(why, ERR_INVALID, v, "full, slot_info or test");
    }
    return 0;
}

static int read_u64(uint64_t *ret, const struct toml *v, struct error *why) {
    int64_t n;
    int r = toml_i64(&n, v, why);
    if (r == 0 && n < 0) r = toml_error(why, ERR_RANGE, v, "below 0");
    if (r == 0) *ret = (uint64_t)n;
    return r;
}

static int read_relay_key(struct relay_settings *r, char *name, size_t room, const struct toml *v,
                          struct error *why) {
    struct bytes url;
    if (is_key(v, "name")) return read_text(name, room, v, why);
    if (is_key(v, "url")) {
        int code = toml_string(&url, v, why);
        return code == 0 ? relay_url(r, url, why) : code;
    }
    if (is_key(v, "priority")) return read_u64(&r->priority, v, why);
    if (is_key(v, "mode")) return read_mode(r, v, why);
    if (is_key(v, "use_ssz_for_submit")) return toml_bool(&r->ssz, v, why);
    if (is_key(v, "use_gzip_for_submit")) return toml_bool(&r->gzip, v, why);
    if (is_key(v, "optimistic")) return toml_bool(&r->optimistic, v, why);
    if (is_key(v, "cancellations")) return toml_bool(&r->cancellations, v, why);
    if (is_key(v, "sequence")) return toml_bool(&r->sequence, v, why);
    if (is_key(v, "authorization_header")) {
        return read_text(r->authorization, sizeof r->authorization, v, why);
    }
    if (is_key(v, "builder_id_header")) {
        return read_text(r->builder_id, sizeof r->builder_id, v, why);
    }
    if (is_key(v, "api_token_header")) return read_text(r->api_token, sizeof r->api_token, v, why);
    if (is_key(v, "interval_between_submissions_ms")) {
        int code = read_u64(&r->interval_ns, v, why);
        r->interval_ns *= 1000000;
        return code;
    }
    return toml_error(why, ERR_NOT_FOUND, v, "no such key of a relay");
}

static int read_relays(struct builder_setup *s, const struct builder_values *v, struct error *why) {
    toml_each(table, v->relays) {
        struct relay_settings *r = NULL;
        char name[64] = "";
        int code = relay_new(&r, s, why);
        toml_each(item, table) {
            if (code == 0) code = read_relay_key(r, name, sizeof name, item, why);
        }
        if (code == 0 && !r->url[0]) code = toml_error(why, ERR_NOT_FOUND, table, "url is missing");
        if (code != 0) return error_wrap(why, "relays");
        (void)snprintf(r->name, sizeof r->name, "%s", name[0] ? name : r->url);
    }
    return 0;
}

/* Builders. */

static int read_builder_key(struct builder_settings *b, const struct toml *v, struct error *why) {
    struct bytes text;
    uint64_t n;
    int r = 0;
    if (is_key(v, "name")) return 0;
    if (is_key(v, "algo") || is_key(v, "sorting")) {
        r = toml_string(&text, v, why);
        if (r != 0 || bytes_equal_str(text, "ordering-builder")) return r;
        int kind = algorithm_find(text);
        if (kind < 0) return toml_error(why, ERR_INVALID, v, "no algorithm of that name");
        b->algorithm.kind = (enum algorithm_kind)kind;
        return 0;
    }
    if (is_key(v, "discard_txs")) return toml_bool(&b->allow_skip, v, why);
    if (is_key(v, "safe_sorting_only")) return toml_bool(&b->algorithm.safe_sorting, v, why);
    if (is_key(v, "failed_order_retries")) {
        r = read_u64(&n, v, why);
        if (r == 0 && n > 100) return toml_error(why, ERR_RANGE, v, "more than 100");
        b->algorithm.retries = (unsigned)n;
        return r;
    }
    static const char *const others[] = {"drop_failed_orders",
                                         "coinbase_payment",
                                         "num_threads",
                                         "build_duration_deadline_ms",
                                         "pre_filtered_build_duration_deadline_ms",
                                         "ignore_mempool_profit_on_bundles"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_key(v, others[i])) return 0; // means nothing here: steps are never repeated
    }
    return toml_error(why, ERR_NOT_FOUND, v, "no such key of a builder");
}

// The builder of that name in the file, else the algorithm of that name.
static int read_builder(struct builder_settings *b, const char *name,
                        const struct builder_values *v, struct error *why) {
    *b = (struct builder_settings){
        .name = name,
        .algorithm = {.retries = ALGORITHM_RETRIES_DEFAULT, .seed = v->seed},
        .allow_skip = true,
    };
    toml_each(table, v->builders) {
        struct bytes given;
        if (toml_string(&given, toml_get(table, BYTES_LIT("name")), NULL) != 0) continue;
        if (!bytes_equal_str(given, name)) continue;
        int r = 0;
        toml_each(item, table) {
            if (r == 0) r = read_builder_key(b, item, why);
        }
        return r;
    }
    int kind = algorithm_find(bytes_from_str(name));
    if (kind < 0) return error_set(why, ERR_NOT_FOUND, "no builder and no algorithm '%s'", name);
    b->algorithm.kind = (enum algorithm_kind)kind;
    return 0;
}

static int read_builders(struct builder_setup *s, const struct builder_values *v,
                         struct error *why) {
    if (v->live_builders.count == 0 || v->live_builders.count > BUILDERS_MAX) {
        return error_set(why, ERR_RANGE, "live-builders: 1 to %u", BUILDERS_MAX);
    }
    for (size_t i = 0; i < v->live_builders.count; i++) {
        int r = read_builder(&s->builders[i], v->live_builders.items[i], v, why);
        if (r != 0) return error_wrap(why, "live-builders");
    }
    s->builder_count = v->live_builders.count;
    return 0;
}

/* Policy. */

static int read_policy(struct builder_setup *s, const struct builder_values *v, struct error *why) {
    struct bid_policy *p = &s->policy;
    const struct {
        const char *name, *text;
        struct u256 *to;
    } amounts[] = {
        {"bid-increment", v->increment, &p->increment},
        {"subsidy", v->subsidy, &p->subsidy},
        {"subsidy-slot-max", v->subsidy_slot_max, &p->subsidy_slot_max},
        {"subsidy-day-max", v->subsidy_day_max, &p->subsidy_day_max},
        {"wallet-floor", v->wallet_floor, &p->wallet_floor},
        {"optimistic-max-bid-value-eth", v->optimistic_max, &s->optimistic_max},
    };
    struct u256 fraction;
    p->kind = (enum bid_policy_kind)v->policy;
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        int r = ether_parse(amounts[i].to, bytes_from_str(amounts[i].text), why);
        if (r != 0) return error_wrap(why, "%s", amounts[i].name);
    }
    int r = decimal_parse(&fraction, bytes_from_str(v->fraction), MILLIONTH_DIGITS, why);
    if (r == 0 && u256_compare(fraction, u256_from_u64(1000000)) > 0) {
        r = error_set(why, ERR_RANGE, "above 1");
    }
    if (r != 0) return error_wrap(why, "bid-fraction");
    p->fraction_millionths = (uint32_t)fraction.w[0];
    return 0;
}

int builder_setup_read(struct builder_setup *ret, const struct builder_values *v,
                       struct error *why) {
    *ret = (struct builder_setup){0};
    int r = read_keys(ret, v, why);
    if (r == 0) r = read_relay_urls(ret, v, why);
    if (r == 0) r = read_relays(ret, v, why);
    if (r == 0) r = read_builders(ret, v, why);
    if (r == 0) r = read_policy(ret, v, why);
    if (r != 0) builder_setup_free(ret);
    return r;
}

void builder_setup_free(struct builder_setup *s) {
    ecdsa_signer_free(s->keys.signer);
    bytes_wipe(&s->keys, sizeof s->keys);
}
