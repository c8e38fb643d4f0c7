/* `devnet shadow`: what a shadow's nodes would have bid, beside what was delivered.
 * SPDX-License-Identifier: MIT */
#include "base/u256.h"
#include "devnet/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sums {
    uint64_t slots, built, delivered, compared, ahead;
    double ratios[512];
};

static double wei(const char *decimal) {
    return strtod(decimal, NULL);
}

static void add(struct sums *s, const char *own, const char *delivered) {
    struct u256 a, b;
    s->slots++;
    s->built += *own != '\0';
    s->delivered += *delivered != '\0';
    if (!*own || !*delivered) return;
    if (!u256_from_decimal(&a, bytes_from_str(own)) ||
        !u256_from_decimal(&b, bytes_from_str(delivered))) {
        return;
    }
    if (s->compared < sizeof s->ratios / sizeof s->ratios[0]) {
        double all = wei(delivered);
        s->ratios[s->compared++] = all > 0 ? wei(own) / all : 0;
        s->ahead += u256_compare(a, b) >= 0;
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct sums *s) {
    if (!s->compared) return 0;
    qsort(s->ratios, s->compared, sizeof s->ratios[0], compare);
    return s->ratios[s->compared / 2];
}

static void print_line(struct asker *k, const struct json *r, const char *own,
                       const char *delivered) {
    (void)printf("%8llu %8llu %-10s %18.9f %18.9f", (unsigned long long)asker_u64(r, "slot"),
                 (unsigned long long)asker_u64(r, "number"),
                 *own ? asker_text(k, r, "own_builder") : "-", wei(own) / 1e18,
                 wei(delivered) / 1e18);
    if (*own && *delivered && wei(delivered) > 0) {
        (void)printf(" %8.1f%%\n", 100 * wei(own) / wei(delivered));
    } else {
        (void)printf(" %9s\n", *own ? "no relay" : "no bid");
    }
}

static void print_json(struct sums *s) {
    (void)printf("{\"slots\":%llu,\"built\":%llu,\"delivered\":%llu,\"compared\":%llu,"
                 "\"at_least_as_much\":%llu,\"median_share\":%.6f}\n",
                 (unsigned long long)s->slots, (unsigned long long)s->built,
                 (unsigned long long)s->delivered, (unsigned long long)s->compared,
                 (unsigned long long)s->ahead, median(s));
}

int shadow_print(struct asker *k, struct error *why) {
    const struct json *state;
    struct sums s = {.slots = 0};
    int r = asker_state(k, &state, NULL, why);
    if (r < 0) return r;
    if (!asker_bool(state, "shadow")) {
        return error_set(why, ERR_INVALID, "this network is no shadow: see --shadow-node");
    }
    if (!k->s->json) {
        (void)printf("%8s %8s %-10s %18s %18s %9s\n", "SLOT", "BLOCK", "BEST OF", "OWN BID ETH",
                     "DELIVERED ETH", "SHARE");
    }
    json_each(item, json_get(state, "slots")) {
        if (asker_bool(item, "missed") || !json_get(item, "bids")) continue;
        const char *own = asker_text(k, item, "own_wei");
        const char *delivered = asker_text(k, item, "value_wei");
        add(&s, own, delivered);
        if (!k->s->json) print_line(k, item, own, delivered);
    }
    if (k->s->json) {
        print_json(&s);
    } else {
        (void)printf(
            "%llu slots, bids for %llu, %llu delivered by the relay; of %llu with both, %llu "
            "at least as much; median share %.1f%%\n",
            (unsigned long long)s.slots, (unsigned long long)s.built,
            (unsigned long long)s.delivered, (unsigned long long)s.compared,
            (unsigned long long)s.ahead, 100 * median(&s));
    }
    return 0;
}
