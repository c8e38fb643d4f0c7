/* Prometheus over all roles. SPDX-License-Identifier: MIT */
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <stdio.h>
#include <string.h>

#define PACKAGE "apt-get install prometheus"

static int store_config(struct net *n, struct error *why) {
    static const char text[] = "global:\n"
                               "  scrape_interval: 1s\n"
                               "scrape_configs:\n"
                               "  - job_name: devnet\n"
                               "    file_sd_configs:\n"
                               "      - files: [targets.json]\n"
                               "        refresh_interval: 1s\n";
    return plan_store(n, "prometheus/prometheus.yml", bytes_from_str(text), 0600, why);
}

int part_monitor(struct net *n, struct error *why) {
    struct role r;
    unsigned port = 0;
    if (n->s->monitor == MONITOR_NONE) return 0;
    int code = RESERVE(n, &port);
    if (code == 0) code = folder_make(&n->folder, "prometheus", why);
    if (code == 0) code = store_config(n, why);
    if (code == 0) code = part_role(&r, n, "prometheus", "prometheus", PACKAGE, why);
    if (code < 0) return code;
    bool ok = WORDS(&r, "--config.file=prometheus/prometheus.yml",
                    "--storage.tsdb.path=prometheus/data") &&
              role_arg(&r, &n->arena, "--web.listen-address=127.0.0.1:%u", port) &&
              role_address(&r, &n->arena, "http", "http", port);
    r.health_url = r.addresses[0].url;
    r.health_path = "/-/ready";
    code = ok ? plan_add(n, &r, why) : plan_too_large(why);
    return code == 0 ? part_monitor_targets(n, why) : code;
}

// The address named "metrics", or where its health is asked: this program's listeners serve both.
static const char *metrics_of(const struct role *r) {
    for (size_t i = 0; i < r->address_count; i++) {
        if (strcmp(r->addresses[i].name, "metrics") == 0) return r->addresses[i].url;
    }
    bool own = r->health_path && strcmp(r->health_path, "/readyz") == 0;
    return own ? r->health_url : NULL;
}

static void write_target(struct json_writer *w, const char *url, const char *role,
                         const char *program, const char *node) {
    const char *host = strstr(url, "://");
    json_begin_object(w, NULL);
    json_begin_array(w, "targets");
    json_add_str(w, NULL, host ? host + 3 : url);
    json_end(w);
    json_begin_object(w, "labels");
    json_add_str(w, "role", role);
    json_add_str(w, "program", program);
    if (node) json_add_str(w, "node", node);
    json_end(w);
    json_end(w);
}

int part_monitor_targets(struct net *n, struct error *why) {
    struct buf out;
    struct json_writer w;
    char url[64];
    if (n->s->monitor == MONITOR_NONE) return 0;
    buf_init(&out, 1u << 20);
    json_writer_init(&w, &out, JSON_PRETTY);
    json_begin_array(&w, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->page_port);
    write_target(&w, url, "devnet", "devnet", NULL);
    for (size_t i = 0; i < roles_count(n->roles); i++) {
        const struct role *r = roles_at(n->roles, i);
        const char *at = metrics_of(r);
        if (at) write_target(&w, at, r->name, r->program, r->node);
    }
    json_end(&w);
    buf_append_byte(&out, '\n');
    int r = buf_check(&out, why);
    if (r == 0) r = plan_store(n, "prometheus/targets.json", buf_view(&out), 0600, why);
    buf_free(&out);
    return r;
}
