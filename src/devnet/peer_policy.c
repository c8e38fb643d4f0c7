/* The policy by which nodes judge each other: the measurements that the hub lets in, as a file that
 * every orderflow reads again when it changes. SPDX-License-Identifier: MIT */
#include "devnet/plan.h"
#include "json/json.h"

#include <stdio.h>

#define MEASUREMENTS "/api/l1-builder/v1/measurements"
#define ASK_NS (10 * NS_PER_S)
#define POLICY_BYTES_MAX (4u << 20)

static int ask_hub(const struct net *n, struct client_answer *ret, struct arena *a,
                   struct error *why) {
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->hub_port);
    const struct client_options o = {.url = url};
    const struct http_request q = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT(MEASUREMENTS)};
    int r = client_ask(ret, a, &o, &q, (struct bytes){NULL, 0}, POLICY_BYTES_MAX, ASK_NS, why);
    if (r == 0 && ret->status != 200) {
        r = error_set(why, ERR_INVALID, "the hub answers %u to " MEASUREMENTS, ret->status);
    }
    return r;
}

int peer_policy_follow(struct net *n, struct error *why) {
    struct arena a;
    struct client_answer answer;
    const struct json *list;
    arena_init(&a, 4 * POLICY_BYTES_MAX);
    int r = ask_hub(n, &answer, &a, why);
    if (r == 0) r = json_parse(&list, answer.body, &a, NULL, why);
    // Without any image the last policy stays: the hub lists nobody, so nobody is dialed.
    if (r == 0 && json_count(list)) r = plan_store(n, NET_PEER_POLICY, answer.body, 0644, why);
    arena_free(&a);
    for (size_t i = 0; r == 0 && i < n->node_count; i++) {
        char *role = plan_name(n, &n->nodes[i], "orderflow");
        struct role *orderflow = role ? roles_find(n->roles, role) : NULL;
        if (orderflow) role_reload(orderflow);
    }
    return r < 0 ? error_wrap(why, "peers' policy") : 0;
}
