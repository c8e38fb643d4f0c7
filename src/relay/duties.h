/* Duties: who proposes when, who is a validator, what each registered, and the attributes of the
 * payloads to come.
 *
 * Filled from beacon nodes and registrations, read by every request. Pure; one thread.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_DUTIES_H
#define RELAY_DUTIES_H

#include "base/buf.h"
#include "base/map.h"
#include "relay/network.h"

#define DUTIES_ATTRIBUTES_MAX 64u /* kept, the newest */

struct duty {
    uint64_t slot, validator_index;
    struct bytes48 pubkey;
    bool known;
};

struct validator {
    struct bytes48 pubkey;
    uint8_t index[8];                                   /* little-endian: the key of by_index */
    bool indexed;                                       /* a beacon node lists it */
    struct signed_validator_registration *registration; /* NULL: none */
};

struct payload_attributes {
    uint64_t slot, timestamp, parent_number;
    struct hash parent_hash, parent_root, prev_randao, withdrawals_root;
    struct address fee_recipient;
    bool has_withdrawals, has_parent_root;
};

struct duties {
    struct duty *slots; /* ring: slot modulo ring_size */
    uint64_t ring_size;
    struct map by_key, by_index; /* -> struct validator */
    size_t known;                /* validators that a beacon node lists */
    struct payload_attributes attributes[DUTIES_ATTRIBUTES_MAX];
    size_t attributes_at;
};

/* duties_init: errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int duties_init(struct duties *d, const struct network *n,
                                            struct error *why);
void duties_free(struct duties *d);

/* duties_set notes who proposes a slot; duties_at gives it, NULL when it is not known. */
void duties_set(struct duties *d, uint64_t slot, uint64_t index, const struct bytes48 *pubkey);
const struct duty *duties_at(const struct duties *d, uint64_t slot);

/* duties_add_validator notes a validator that a beacon node lists. errors ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int duties_add_validator(struct duties *d, uint64_t index,
                                                     const struct bytes48 *pubkey,
                                                     struct error *why);
struct validator *duties_validator(const struct duties *d, const struct bytes48 *pubkey);
const struct validator *duties_by_index(const struct duties *d, uint64_t index);

/* duties_register keeps a registration when it is newer than the one that is there. True: kept.
 * errors   ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int duties_register(struct duties *d,
                                                const struct signed_validator_registration *r,
                                                bool *ret_kept, struct error *why);

/* duties_add_attributes replaces those of the same slot and parent. */
void duties_add_attributes(struct duties *d, const struct payload_attributes *p);
const struct payload_attributes *duties_attributes(const struct duties *d, uint64_t slot,
                                                   const struct hash *parent);

/* duties_write_validators writes GET /relay/v1/builder/validators: registered proposers of the
 * `count` slots from `first` on. */
void duties_write_validators(const struct duties *d, struct buf *out, uint64_t first,
                             uint64_t count);

#endif
