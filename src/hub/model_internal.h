/* What the parts of the model share. SPDX-License-Identifier: MIT */
#ifndef HUB_MODEL_INTERNAL_H
#define HUB_MODEL_INTERNAL_H

#include "hub/model.h"

/* One member of a builder's object in the peer list. */
struct peer_member {
    struct bytes key, json;
    bool has_address, has_certificate;
    struct peer_member *next;
};

/* peer_add adds a service; peer_write makes the builder's text of all of them. */
[[gnu::warn_unused_result]] int peer_add(struct peer_member **list, struct arena *a,
                                         const struct store_credential *c, struct error *why);
[[gnu::warn_unused_result]] int peer_write(struct model_builder *b, struct peer_member *list,
                                           const struct model_rules *rules, struct error *why);

void model_builder_free(struct model_builder *b);

/* The allow-list as it was read; `memory` holds it. */
struct model_allowed {
    struct arena memory;
    struct model_measurement *items;
    size_t count;
    struct buf published;
};
[[gnu::warn_unused_result]] int allowed_read(struct model_allowed *ret,
                                             const struct model_rules *rules, struct store *s,
                                             struct error *why);
void allowed_free(struct model_allowed *a);

#endif
