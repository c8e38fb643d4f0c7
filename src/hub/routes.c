/* What is served where.
 * SPDX-License-Identifier: MIT */
#include "hub/hub_internal.h"
#include "hub/openapi.h"

#define ALL_READERS (HUB_PUBLIC | HUB_INTERNAL)
#define V1 "/api/admin/v1"
#define V2 "/api/admin/v2"

const struct hub_route hub_routes[] = {
    {HUB_PUBLIC, "GET", "/livez", hub_live, true, HUB_QUICK},
    {HUB_PUBLIC, "GET", "/readyz", hub_readiness, true, HUB_QUICK},
    {HUB_PUBLIC, "GET", "/drain", hub_drain_now, false, HUB_QUICK},
    {HUB_PUBLIC, "GET", "/undrain", hub_undrain_now, false, HUB_QUICK},
    {ALL_READERS, "GET", "/api/l1-builder/v1/measurements", node_measurements, true, HUB_QUICK},
    {HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", node_configuration, true, HUB_QUICK},
    {HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", node_peers, true, HUB_QUICK},
    {HUB_PUBLIC, "POST", "/api/l1-builder/v1/register_credentials/{service}", node_register, true,
     HUB_ASKS_STORE},
    {ALL_READERS, "GET", "/api/internal/l1-builder/v1/builders", internal_peers, false, HUB_QUICK},
    {ALL_READERS, "GET", "/api/internal/l1-builder/v2/network/{network}/builders",
     internal_network_peers, false, HUB_QUICK},
    {HUB_INTERNAL, "GET", "/ui", internal_page, false, HUB_ASKS_STORE},
    {HUB_INTERNAL | HUB_ADMIN, "GET", "/openapi.json", hub_openapi, false, HUB_QUICK},

    {HUB_ADMIN, "POST", V1 "/measurements", admin_measurement_add, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V1 "/measurements/activation/{name}", admin_measurement_enable, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V1 "/builders", admin_builder_add, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V1 "/builders/activation/{name}", admin_builder_enable, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V1 "/builders/configuration/{name}", admin_config_set, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V1 "/builders/secrets/{name}", admin_secret_set, false, HUB_ASKS_SECRETS},
    {HUB_ADMIN, "GET", V1 "/builders/configuration/{name}/active", admin_config_active, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "GET", V1 "/builders/configuration/{name}/full", admin_config_full, false,
     HUB_ASKS_SECRETS},

    {HUB_ADMIN, "GET", V2 "/measurements", admin_measurement_list, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "DELETE", V2 "/measurements/{name}", admin_measurement_delete, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V2 "/match", admin_match, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V2 "/apply", admin_apply, false, HUB_ASKS_SECRETS},
    {HUB_ADMIN, "GET", V2 "/builders", admin_builder_list, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "PUT", V2 "/builders/{name}", admin_builder_update, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "DELETE", V2 "/builders/{name}", admin_builder_delete, false, HUB_ASKS_SECRETS},
    {HUB_ADMIN, "GET", V2 "/builders/{name}/configurations", admin_config_list, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "GET", V2 "/builders/{name}/configurations/{version}", admin_config_one, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "POST", V2 "/builders/{name}/configurations/{version}", admin_config_activate,
     false, HUB_ASKS_STORE},
    {HUB_ADMIN, "GET", V2 "/builders/{name}/credentials", admin_credential_list, false,
     HUB_ASKS_STORE},
    {HUB_ADMIN, "GET", V2 "/events", admin_event_list, false, HUB_ASKS_STORE},
    {HUB_ADMIN, "GET", V2 "/changes", admin_change_list, false, HUB_ASKS_STORE},
};
const size_t hub_route_count = sizeof hub_routes / sizeof hub_routes[0];

void hub_openapi(struct hub_call *c) {
    buf_append(&c->res->body, bytes_make(hub_openapi_json, hub_openapi_json_bytes));
    hub_json(c, 200);
}

void hub_live(struct hub_call *c) {
    hub_status(c, 200);
}

void hub_readiness(struct hub_call *c) {
    hub_status(c, hub_is_ready(c->hub) ? 200 : 503);
}

// Holding the request open until others have noticed is the server's part.
void hub_drain_now(struct hub_call *c) {
    (void)hub_set_ready(c->hub, false);
    hub_status(c, 200);
}

void hub_undrain_now(struct hub_call *c) {
    (void)hub_set_ready(c->hub, true);
    hub_status(c, 200);
}
