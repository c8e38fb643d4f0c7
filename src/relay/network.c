/* SPDX-License-Identifier: MIT */
#include "relay/network.h"

#include "base/clock.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOT_NS_MIN (10 * NS_PER_MS)
#define SLOT_NS_MAX (3600 * NS_PER_S)
#define SLOTS_PER_EPOCH_MAX 8192

/* Values of the specification are decimal strings; some clients write numbers. */
static int read_decimal(uint64_t *ret, const struct json *object, const char *key,
                        struct error *why) {
    const struct json *v = json_get(object, key);
    int r = json_type_of(v) == JSON_NUMBER ? json_u64(ret, v, why) : json_decimal(ret, v, why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

static int read_fixed4(uint8_t ret[4], const struct json *object, const char *key,
                       struct error *why) {
    int r = json_fixed(ret, 4, json_get(object, key), why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

/* Seconds with up to nine digits after the point, as nanoseconds. */
static int parse_seconds(uint64_t *ret_ns, struct bytes text, struct error *why) {
    uint64_t ns = 0, unit = NS_PER_S;
    size_t i = 0;
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && ns < SLOT_NS_MAX; i++) {
        ns = ns * 10 + (uint64_t)(text.p[i] - '0') * NS_PER_S;
    }
    bool digits = i > 0;
    if (i < text.n && text.p[i] == '.') i++;
    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && unit > 1; i++) {
        unit /= 10;
        ns += (uint64_t)(text.p[i] - '0') * unit;
        digits = true;
    }
    if (!digits || i != text.n) return error_set(why, ERR_SYNTAX, "SECONDS_PER_SLOT is no number");
    *ret_ns = ns;
    return 0;
}

static int read_slot_time(uint64_t *ret_ns, const struct json *spec, struct error *why) {
    uint64_t ms;
    if (json_get(spec, "SLOT_DURATION_MS")) {
        int r = read_decimal(&ms, spec, "SLOT_DURATION_MS", why);
        if (r == 0 && ms > SLOT_NS_MAX / NS_PER_MS) r = error_set(why, ERR_RANGE, "slot time");
        if (r == 0) *ret_ns = ms * NS_PER_MS;
        return r;
    }
    const struct json *seconds = json_get(spec, "SECONDS_PER_SLOT");
    if (!seconds) return error_set(why, ERR_NOT_FOUND, "the node tells no SECONDS_PER_SLOT");
    return parse_seconds(ret_ns, json_text(seconds), why);
}

static const char *const fork_keys[CONSENSUS_FORK_COUNT] = {"BELLATRIX", "CAPELLA", "DENEB",
                                                            "ELECTRA", "FULU"};

static int read_fork(struct network *n, enum consensus_fork f, const struct json *spec,
                     struct error *why) {
    struct network_fork *fork = &n->forks[f];
    char key[32];
    fork->epoch = NETWORK_NEVER;
    (void)snprintf(key, sizeof key, "%s_FORK_EPOCH", fork_keys[f]);
    if (!json_get(spec, key)) return 0; // an older node does not know the fork
    int r = read_decimal(&fork->epoch, spec, key, why);
    if (r != 0 || fork->epoch == NETWORK_NEVER) return r;
    if (!consensus_types_of_preset(n->preset, f)) {
        return error_set(why, ERR_UNSUPPORTED, "%s is not known for the minimal preset",
                         consensus_fork_name(f));
    }
    (void)snprintf(key, sizeof key, "%s_FORK_VERSION", fork_keys[f]);
    r = read_fixed4(fork->version, spec, key, why);
    if (r != 0) return r;
    fork->proposer_domain =
        ssz_domain_compute(SSZ_DOMAIN_BEACON_PROPOSER, fork->version, &n->genesis_validators_root);
    return 0;
}

int network_read(struct network *ret, const struct json *genesis, const struct json *spec,
                 uint64_t slot_ns, struct error *why) {
    struct network n = {.preset = CONSENSUS_MAINNET, .slot_ns = slot_ns};
    uint64_t zero_ms = 0;
    int r = read_decimal(&n.genesis_s, genesis, "genesis_time", why);
    if (r == 0 && json_get(genesis, "slot_zero_ms")) {
        r = read_decimal(&zero_ms, genesis, "slot_zero_ms", why);
    }
    if (r == 0) {
        r = json_get_hash(&n.genesis_validators_root, genesis, "genesis_validators_root", why);
    }
    if (r == 0) r = read_fixed4(n.genesis_version, genesis, "genesis_fork_version", why);
    // Where a network begins with a later fork, some clients give that fork's version as genesis'.
    if (r == 0 && json_get(spec, "GENESIS_FORK_VERSION")) {
        r = read_fixed4(n.genesis_version, spec, "GENESIS_FORK_VERSION", why);
    }
    if (r == 0) r = read_decimal(&n.slots_per_epoch, spec, "SLOTS_PER_EPOCH", why);
    if (r == 0 && slot_ns == 0) r = read_slot_time(&n.slot_ns, spec, why);
    if (r != 0) return r;
    if (n.slot_ns < SLOT_NS_MIN || n.slot_ns > SLOT_NS_MAX || n.slots_per_epoch == 0 ||
        n.slots_per_epoch > SLOTS_PER_EPOCH_MAX || n.genesis_s > UINT64_MAX / NS_PER_S / 2 ||
        zero_ms > UINT64_MAX / NS_PER_MS / 2) {
        return error_set(why, ERR_RANGE, "genesis, slot time or epoch length out of range");
    }
    n.zero_ns = zero_ms ? zero_ms * NS_PER_MS : n.genesis_s * NS_PER_S;
    if (bytes_equal_str(json_text(json_get(spec, "PRESET_BASE")), "minimal")) {
        n.preset = CONSENSUS_MINIMAL;
    }
    n.builder_domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, n.genesis_version, NULL);
    for (int f = 0; f < CONSENSUS_FORK_COUNT && r == 0; f++) {
        r = read_fork(&n, (enum consensus_fork)f, spec, why);
    }
    if (r == 0) *ret = n;
    return r;
}

int network_fork_at(const struct network *n, uint64_t slot) {
    uint64_t epoch = network_epoch_of(n, slot);
    for (int f = CONSENSUS_FORK_COUNT - 1; f >= 0; f--) {
        if (n->forks[f].epoch != NETWORK_NEVER && n->forks[f].epoch <= epoch) return f;
    }
    return -1;
}

const struct consensus_types *network_types_of(const struct network *n, enum consensus_fork f) {
    return consensus_types_of_preset(n->preset, f);
}

uint64_t network_slot_start_ns(const struct network *n, uint64_t slot) {
    if (slot > (UINT64_MAX - n->zero_ns) / n->slot_ns) return UINT64_MAX;
    return n->zero_ns + slot * n->slot_ns;
}

uint64_t network_slot_at(const struct network *n, uint64_t wall_ns) {
    return wall_ns > n->zero_ns ? (wall_ns - n->zero_ns) / n->slot_ns : 0;
}

int64_t network_into_slot_ns(const struct network *n, uint64_t slot, uint64_t wall_ns) {
    uint64_t start = network_slot_start_ns(n, slot);
    if (start >= wall_ns) {
        uint64_t before = start - wall_ns;
        return before > INT64_MAX ? INT64_MIN : -(int64_t)before;
    }
    uint64_t into = wall_ns - start;
    return into > INT64_MAX ? INT64_MAX : (int64_t)into;
}

uint64_t network_timestamp(const struct network *n, uint64_t slot) {
    uint64_t seconds, ret, step_s = (n->slot_ns + NS_PER_S - 1) / NS_PER_S;
    bool over = __builtin_mul_overflow(slot, step_s, &seconds) ||
                __builtin_add_overflow(seconds, n->genesis_s, &ret);
    return over ? UINT64_MAX : ret;
}
