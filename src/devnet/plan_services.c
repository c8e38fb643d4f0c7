/* What a node runs once its boot has rendered its files. SPDX-License-Identifier: MIT */
#include "devnet/plan.h"

#include <stdio.h>

int plan_orderflow(struct net *n, struct net_node *node, struct error *why) {
    char *name = plan_name(n, node, "orderflow"), *boot = plan_name(n, node, "boot");
    char folder[64];
    if (!name || !boot) return plan_too_large(why);
    int code = RESERVE(n, &node->user_port, &node->user_front, &node->peers_port,
                       &node->peers_front, &node->orderflow_metrics);
    if (code == 0) code = links_front(n->links, name, node->user_front, node->user_port, why);
    if (code == 0) code = links_front(n->links, name, node->peers_front, node->peers_port, why);
    static const char *const parts[] = {"journal", "spill"};
    for (size_t i = 0; i < 2 && code == 0; i++) {
        (void)snprintf(folder, sizeof folder, "%s/orderflow/%s", node->name, parts[i]);
        code = folder_make(&n->folder, folder, why);
    }
    if (code < 0) return code;
    struct role r = plan_describe(n, name, "orderflow");
    r.node = node->name;
    r.source = NET_SOURCE_FIRST + node->number;
    bool ok = WORDS(&r, "--config") &&
              role_arg(&r, &n->arena, "%s/etc/orderflow.toml", node->name) && role_need(&r, boot) &&
              (n->shadow || role_need(&r, "chain")) &&
              (!n->archive_port || role_need(&r, "archive")) &&
              role_address(&r, &n->arena, "users", "http", node->user_front) &&
              role_address(&r, &n->arena, "peers", "https", node->peers_front) &&
              role_address(&r, &n->arena, "metrics", "http", node->orderflow_metrics);
    r.health_url = r.addresses[2].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

int plan_builder(struct net *n, struct net_node *node, struct error *why) {
    char *name = plan_name(n, node, "builder"), *boot = plan_name(n, node, "boot");
    char folder[64];
    if (!name || !boot) return plan_too_large(why);
    int code = RESERVE(n, &node->builder_port, &node->builder_front, &node->builder_metrics,
                       &node->builder_ready);
    if (code == 0) code = links_front(n->links, name, node->builder_front, node->builder_port, why);
    (void)snprintf(folder, sizeof folder, "%s/builder", node->name);
    if (code == 0) code = folder_make(&n->folder, folder, why);
    if (code < 0) return code;
    struct role r = plan_describe(n, name, "builder");
    r.node = node->name;
    r.source = NET_SOURCE_FIRST + node->number;
    bool ok = WORDS(&r, "--config") && role_arg(&r, &n->arena, "%s/etc/builder.toml", node->name) &&
              role_need(&r, boot) && (n->shadow || role_need(&r, "relay")) &&
              role_address(&r, &n->arena, "rpc", "http", node->builder_front) &&
              role_address(&r, &n->arena, "metrics", "http", node->builder_metrics) &&
              role_address(&r, &n->arena, "redacted", "http", node->builder_ready);
    r.health_url = r.addresses[2].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}
