/* Any answer of a hub: read, or refused; what was read is sorted, within its limits, and equal to
 * itself read once more. SPDX-License-Identifier: MIT */
#include "hub_client/peers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

static void check_peer(const struct hub_peer *p) {
    check(p->name.n > 0 && p->name.n <= HUB_NAME_BYTES_MAX);
    check(p->credential_count <= HUB_SERVICES_MAX);
    for (size_t i = 1; i < p->credential_count; i++) {
        check(bytes_compare(p->credentials[i - 1].service, p->credentials[i].service) <= 0);
    }
    (void)hub_peer_certificate(p);
    (void)hub_peer_host(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a, b;
    struct hub_peers one, two;
    arena_init(&a, 64u << 20);
    arena_init(&b, 64u << 20);
    if (hub_peers_parse(&one, bytes_make(data, size), &a, NULL) == 0) {
        check(one.count <= HUB_PEERS_MAX);
        for (size_t i = 0; i < one.count; i++) {
            check_peer(&one.peers[i]);
            check(i == 0 || bytes_compare(one.peers[i - 1].name, one.peers[i].name) <= 0);
            check(hub_peers_find(&one, one.peers[i].name) != NULL);
        }
        check(hub_peers_parse(&two, bytes_make(data, size), &b, NULL) == 0);
        check(hub_peers_equal(&one, &two));
    }
    arena_free(&a);
    arena_free(&b);
    return 0;
}
