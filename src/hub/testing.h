/* Asking a hub in tests, as its one node and as its operator, without sockets.
 * SPDX-License-Identifier: MIT */
#ifndef HUB_TESTING_H
#define HUB_TESTING_H

#include "hub/hub.h"
#include "test/harness/test.h"

/* test_hub_ask asks as who comes from 1.2.3.4 through the trusted proxy, and attested by this type
 * that its register 4 is aa; first as the loop does, then as a worker.
 * res  initialised; what it held is freed. Returns the status. */
static inline int test_hub_ask(struct hub_response *res, struct hub *h, enum hub_listener l,
                               const char *method, const char *path, const char *body,
                               const char *type) {
    struct http_field items[] = {
        {.name = BYTES_LIT("x-flashbots-attestation-type"), .value = bytes_from_str(type)},
        {.name = BYTES_LIT("x-flashbots-measurement"), .value = BYTES_LIT("{\"4\":\"aa\"}")},
        {.name = BYTES_LIT("x-forwarded-for"), .value = BYTES_LIT("1.2.3.4")}};
    const struct http_fields fields = {.item = items, .count = 3};
    const struct hub_request req = {.listener = l,
                                    .method = bytes_from_str(method),
                                    .target = bytes_from_str(path),
                                    .fields = &fields,
                                    .body = bytes_from_str(body),
                                    .trusted = true};
    hub_response_free(res);
    hub_response_init(res);
    if (!hub_answer(h, &req, res, false)) CHECK(hub_answer(h, &req, res, true));
    return res->status;
}

#endif
