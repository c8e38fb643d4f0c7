/* The policy by which nodes judge each other: the images that the hub lets in, as a file that every
 * orderflow reads again when it changes. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/plan.h"
#include "json/write.h"

#include <stdio.h>
#include <string.h>

static struct net_image *find(struct net *n, const char *name) {
    for (size_t i = 0; i < n->image_count; i++) {
        if (strcmp(n->images[i].name, name) == 0) return &n->images[i];
    }
    return NULL;
}

static void write_image(struct json_writer *w, const struct net_image *image) {
    char digits[2 * NET_MRTD_BYTES + 1] = "";
    hex_encode(digits, bytes_make(image->mrtd, NET_MRTD_BYTES));
    json_begin_object(w, NULL);
    json_add_str(w, "measurement_id", image->name);
    json_add_str(w, "attestation_type", "dcap-tdx");
    json_begin_object(w, "measurements");
    json_begin_object(w, "0");
    json_add_str(w, "expected", digits);
    json_end(w);
    json_end(w);
    json_end(w);
}

int peer_policy_allow(struct net *n, const char *name, const uint8_t mrtd[NET_MRTD_BYTES],
                      bool allowed, struct error *why) {
    struct net_image *image = find(n, name);
    struct buf body;
    struct json_writer w;
    size_t count = 0;
    if (!image) {
        if (n->image_count == NET_IMAGES_MAX) {
            return error_set(why, ERR_LIMIT, "at most %d images", NET_IMAGES_MAX);
        }
        image = &n->images[n->image_count++];
        (void)snprintf(image->name, sizeof image->name, "%s", name);
        memcpy(image->mrtd, mrtd, sizeof image->mrtd);
    }
    image->allowed = allowed;
    buf_init(&body, 0);
    json_writer_init(&w, &body, 0);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < n->image_count; i++) {
        if (!n->images[i].allowed) continue;
        write_image(&w, &n->images[i]);
        count++;
    }
    json_end(&w);
    int r = buf_check(&body, why);
    // Without any image the last policy stays: the hub lists nobody, so nobody is dialed.
    if (r == 0 && count) r = plan_store(n, NET_PEER_POLICY, buf_view(&body), 0644, why);
    buf_free(&body);
    for (size_t i = 0; r == 0 && i < n->node_count; i++) {
        char *role = plan_name(n, &n->nodes[i], "orderflow");
        struct role *orderflow = role ? roles_find(n->roles, role) : NULL;
        if (orderflow) role_reload(orderflow);
    }
    return r;
}
