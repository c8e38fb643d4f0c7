/* What a scenario says of the chain's slots. SPDX-License-Identifier: MIT */
#include "devnet/playbook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLOT_MAX 1000000

static int take_slot(uint64_t *ret, const struct toml *v, struct error *why) {
    int64_t n;
    int r = toml_i64(&n, v, why);
    if (r == 0 && (n < 0 || n > SLOT_MAX)) r = toml_error(why, ERR_RANGE, v, "out of range");
    if (r == 0) *ret = (uint64_t)n;
    return r;
}

static int take_name(const char **ret, const struct toml *v, struct arena *a, struct error *why) {
    struct bytes text;
    int r = toml_string(&text, v, why);
    if (r == 0) *ret = arena_str(a, text);
    return r == 0 && !*ret ? error_set(why, ERR_NO_MEMORY, "no memory") : r;
}

static int take_truth(bool *ret_has, bool *ret, const struct toml *v, struct error *why) {
    *ret_has = true;
    return toml_bool(ret, v, why);
}

static int take_member(struct chain_check *k, const struct toml *m, struct arena *a,
                       struct error *why) {
    if (bytes_equal_str(m->key, "from")) return take_slot(&k->from, m, why);
    if (bytes_equal_str(m->key, "until")) return take_slot(&k->until, m, why);
    if (bytes_equal_str(m->key, "txs_min")) return take_slot(&k->txs_min, m, why);
    if (bytes_equal_str(m->key, "winner")) return take_name(&k->winner, m, a, why);
    if (bytes_equal_str(m->key, "not_winner")) return take_name(&k->not_winner, m, a, why);
    if (bytes_equal_str(m->key, "missed")) {
        return take_truth(&k->has_missed, &k->missed, m, why);
    }
    if (bytes_equal_str(m->key, "by_relay")) {
        return take_truth(&k->has_by_relay, &k->by_relay, m, why);
    }
    return toml_error(why, ERR_INVALID, m, "\"%.*s\" is not known here",
                      (int)(m->key.n < 40 ? m->key.n : 40), (const char *)m->key.p);
}

int chain_check_read(struct chain_check *ret, const struct toml *v, struct arena *a,
                     struct error *why) {
    *ret = (struct chain_check){.from = UINT64_MAX, .until = UINT64_MAX};
    toml_each(m, v) {
        int r = take_member(ret, m, a, why);
        if (r < 0) return r;
    }
    if (ret->from == UINT64_MAX) return toml_error(why, ERR_NOT_FOUND, v, "\"from\" is missing");
    if (ret->until == UINT64_MAX) ret->until = ret->from;
    bool says = ret->has_missed || ret->has_by_relay || ret->winner || ret->not_winner;
    if (!says && !ret->txs_min) return toml_error(why, ERR_INVALID, v, "it says nothing");
    if (ret->until < ret->from)
        return toml_error(why, ERR_RANGE, v, "\"until\" is before \"from\"");
    return 0;
}

// NULL: the slot is as the check says; else what is wrong.
static const char *wrong(const struct chain_check *k, const struct slot_record *r) {
    if (!r) return "nothing is known of it";
    if (k->has_missed && r->missed != k->missed) return r->missed ? "was missed" : "has a block";
    if (k->has_missed && k->missed) return NULL;
    if (r->missed) return k->has_by_relay || k->winner || k->txs_min ? "was missed" : NULL;
    if (k->has_by_relay && r->by_relay != k->by_relay) {
        return r->by_relay ? "came through the relay" : "did not come through the relay";
    }
    if (k->winner && strcmp(k->winner, r->winner) != 0) return r->winner;
    if (k->not_winner && strcmp(k->not_winner, r->winner) == 0) return r->winner;
    return r->txs < k->txs_min ? "has fewer transactions" : NULL;
}

bool chain_check_verdict(const struct chain_check *k, const struct slots *s, uint64_t first,
                         struct buf *out) {
    for (uint64_t slot = k->from; slot <= k->until; slot++) {
        const char *text = wrong(k, slots_find(s, first + slot));
        if (!text) continue;
        buf_printf(out, "FAILED  chain, slot %" PRIu64 " (%" PRIu64 "): %s\n", slot, first + slot,
                   text);
        return false;
    }
    buf_printf(out, "ok      chain, slots %" PRIu64 " to %" PRIu64 "\n", k->from, k->until);
    return true;
}
