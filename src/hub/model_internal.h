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
                                           const struct model *m, struct error *why);

void model_builder_free(struct model_builder *b);

#endif
