/* Rules: what sets a sender apart, from a TOML file.
 *
 *     [[sender]]
 *     name = "searcher-a"            of the metrics' label and the log
 *     key = "..."                    API key (header X-Api-Key), or key_sha256 = "hex"
 *     signer = "0x..."               or the address that signs
 *     priority = "high"              high, medium, low; left out: by the rules of ranking
 *     requests_per_second = 2000     0: no limit; left out: the general one
 *
 * Keys are kept and compared as SHA-256. Immutable after loading; any thread.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_RULES_H
#define ORDERFLOW_RULES_H

#include "base/bytes.h"
#include "base/error.h"

#define RULES_MAX 4096u
#define RULE_NAME_MAX 64u

struct rule {
    char name[RULE_NAME_MAX];
    bool has_key, has_signer, has_rate;
    struct hash key; /* SHA-256 of the API key */
    struct address signer;
    int priority; /* enum order_priority, -1: none */
    uint64_t per_second;
};

struct rules;

/* rules_load reads a file; rules_parse its text (name: for errors).
 * errors  ERR_NOT_FOUND, ERR_IO, ERR_SYNTAX, ERR_INVALID (a rule without key and signer, an unknown
 *         member or priority), ERR_CONFLICT (a key or signer twice), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int rules_load(struct rules **ret, const char *path, struct error *why);
[[gnu::warn_unused_result]] int rules_parse(struct rules **ret, struct bytes text, const char *name,
                                            struct error *why);
void rules_free(struct rules *r);

/* NULL when there is none. rules may be NULL. */
const struct rule *rules_by_key(const struct rules *r, struct bytes key);
const struct rule *rules_by_signer(const struct rules *r, const struct address *signer);
size_t rules_count(const struct rules *r);

#endif
