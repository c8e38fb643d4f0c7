/* Which processes a network is, with their command lines, files and addresses.
 * SPDX-License-Identifier: MIT */
#include "devnet/plan.h"
#include "attest/ak_authority.h"
#include "attest/simulator.h"
#include "base/file.h"
#include "base/hex.h"
#include "devnet/evidence.h"
#include "devnet/kept.h"
#include "devnet/parts.h"
#include "devnet/shadow.h"
#include "devnet/templates.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE "node-image"

struct role plan_describe(const struct net *n, const char *name, const char *program) {
    struct role r = {.program = program};
    (void)snprintf(r.name, sizeof r.name, "%s", name);
    r.argv[r.argc++] = n->program;
    r.argv[r.argc++] = program;
    return r;
}

// Words of a command line; the last is NULL.
bool plan_words(struct role *r, const char *const *list) {
    for (; *list; list++) {
        if (r->argc == ROLE_ARGV_MAX - 1) return false;
        r->argv[r->argc++] = *list;
    }
    return true;
}

// "--flag", "127.0.0.1:PORT".
bool plan_listens(struct role *r, struct net *n, const char *flag, unsigned port) {
    return WORDS(r, flag) && role_arg(r, &n->arena, "127.0.0.1:%u", port);
}

int plan_too_large(struct error *why) {
    return error_set(why, ERR_LIMIT, "the network is too large");
}

int plan_add(struct net *n, const struct role *what, struct error *why) {
    struct role *r, placed = *what;
    if (n->places && what->node) {
        placed.netns_fd = places_fd(n->places, places_find(n->places, what->node));
    }
    return roles_add(&r, n->roles, &placed, why);
}

int plan_reserve(struct net *n, unsigned *const *ports, struct error *why) {
    int r = 0;
    for (; *ports && r == 0; ports++) {
        r = ports_reserve(*ports, &n->ports, why);
    }
    return r;
}

// Not synced to disk: a devnet's files do not outlive the machine, and each sync costs its start
// milliseconds.
int plan_store(struct net *n, const char *name, struct bytes content, mode_t mode,
               struct error *why) {
    char path[PATH_MAX], fresh[PATH_MAX];
    int a = snprintf(path, sizeof path, "%s/%s", n->folder.path, name);
    int b = snprintf(fresh, sizeof fresh, "%s/%s.new", n->folder.path, name);
    if (a >= (int)sizeof path || b >= (int)sizeof fresh) {
        return error_set(why, ERR_LIMIT, "%s: name too long", name);
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "%s", fresh);
    int r = file_write_all(fd, content, why);
    if (r < 0) (void)error_wrap(why, "%s", path);
    (void)fchmod(fd, mode);
    (void)close(fd);
    if (r == 0 && rename(fresh, path) < 0) r = error_set_os(why, ERR_IO, errno, "%s", path);
    return r;
}

// Platform

static int make_platform(struct net *n, struct error *why) {
    struct simulator *s;
    char path[PATH_MAX];
    const struct simulator_spec spec = {.now = clock_wall_ns(&clock_system) / NS_PER_S};
    bool kept = kept_has(n, "platform/root.pem");
    (void)snprintf(path, sizeof path, "%s/platform", n->folder.path);
    int r = kept ? simulator_load(&s, path, why) : simulator_new(&s, &spec, why);
    if (r < 0) return r;
    if (kept) r = simulator_issue(s, &spec, why); // what it issued may be out of date
    if (r == 0) r = simulator_save(s, path, why);
    simulator_free(s);
    if (r == 0 && !kept && n->s->tpm != TPM_NONE) r = ak_authority_make(path, spec.now, why);
    return r < 0 ? error_wrap(why, "simulated platform") : 0;
}

// Whoever proves to be a trusted domain of this platform may ask the hub; which images it lets in
// is the hub's word alone.
static int store_images(struct net *n, struct error *why) {
    return plan_store(n, "images.json", bytes_from_str(evidence_any(n)), 0644, why);
}

static int plan_collateral(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "collateral", "collateral");
    unsigned port = 0;
    int code = RESERVE(n, &port);
    if (code < 0) return code;
    bool ok = WORDS(&r, "serve", "platform/collateral", "--max-requests-per-client", "0") &&
              plan_listens(&r, n, "--listen-addr", port) &&
              role_address(&r, &n->arena, "pccs", "http", port);
    r.health_url = r.addresses[0].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

// Hub

static int plan_hub(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "hub", "hub");
    unsigned internal = 0, metrics = 0;
    int code = RESERVE(n, &n->hub_port, &n->hub_admin_port, &internal, &metrics);
    if (code == 0) code = part_database(n, &r, why);
    if (code == 0) code = part_secrets(n, &r, why);
    if (code < 0) return code;
    bool ok = WORDS(&r, "--disable-admin-auth") && plan_listens(&r, n, "--metrics-addr", metrics) &&
              plan_listens(&r, n, "--listen-addr", n->hub_port) &&
              plan_listens(&r, n, "--admin-addr", n->hub_admin_port) &&
              plan_listens(&r, n, "--internal-addr", internal) &&
              role_address(&r, &n->arena, "nodes", "http", n->hub_port) &&
              role_address(&r, &n->arena, "admin", "http", n->hub_admin_port) &&
              role_address(&r, &n->arena, "internal", "http", internal) &&
              role_address(&r, &n->arena, "metrics", "http", metrics);
    r.health_url = r.addresses[0].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

// An attested proxy, up to what its two verbs have in common.
static bool proxy(struct net *n, struct role *r, const char *verb, unsigned port, unsigned health,
                  unsigned target) {
    const struct role *collateral = roles_find(n->roles, "collateral");
    bool ok = WORDS(r, verb, "--measurements-file", "images.json") && evidence_roots(r, n) &&
              plan_listens(r, n, "--listen-addr", port) &&
              plan_listens(r, n, "--listen-addr-healthcheck", health) &&
              plan_listens(r, n, "--target-addr", target) &&
              role_address(r, &n->arena, "health", "http", health);
    r->health_url = r->addresses[0].url;
    r->health_path = "/readyz";
    return ok && (!collateral || role_need(r, "collateral"));
}

static int plan_hub_proxy(struct net *n, struct error *why) {
    struct role r = plan_describe(n, "hub-proxy", "attested-proxy");
    uint8_t mrtd[NET_MRTD_BYTES];
    char digits[2 * NET_MRTD_BYTES + 1] = "";
    unsigned port = 0, health = 0;
    int code = RESERVE(n, &port, &health, &n->hub_front_port);
    if (code < 0) return code;
    net_image_mrtd(mrtd, n->s->seed, IMAGE);
    hex_encode(digits, bytes_make(mrtd, NET_MRTD_BYTES));
    bool ok = proxy(n, &r, "server", port, health, n->hub_port) && role_need(&r, "hub") &&
              WORDS(&r, "--server-attestation-type", "dcap-tdx", "--quote-source",
                    "simulator:platform", "--simulated-fields") &&
              role_arg(&r, &n->arena, "mrtd=%s", digits) &&
              role_address(&r, &n->arena, "nodes", "https", n->hub_front_port);
    if (!ok) return plan_too_large(why);
    code = links_front(n->links, "hub", n->hub_front_port, port, why);
    return code == 0 ? plan_add(n, &r, why) : code;
}

// Nodes

char *plan_name(struct net *n, const struct net_node *node, const char *part) {
    return arena_printf(&n->arena, "%s.%s", node->name, part);
}

static int plan_node_proxy(struct net *n, struct net_node *node, struct error *why) {
    char *name = plan_name(n, node, "proxy");
    unsigned health = 0;
    int code = RESERVE(n, &node->hub_port, &health);
    if (code < 0 || !name) return code < 0 ? code : plan_too_large(why);
    struct role r = plan_describe(n, name, "attested-proxy");
    r.node = node->name;
    r.source = NET_SOURCE_FIRST + node->number;
    char *tpm = n->s->tpm == TPM_NONE ? NULL : plan_name(n, node, "paravisor");
    bool ok = proxy(n, &r, "client", node->hub_port, health, n->hub_front_port) &&
              evidence_flags(&r, n, node) && (!tpm || role_need(&r, tpm)) &&
              WORDS(&r, "--allow-self-signed") && role_need(&r, "hub-proxy") &&
              role_address(&r, &n->arena, "hub", "http", node->hub_port);
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

static int store_templates(struct net *n, struct error *why) {
    struct node_template t;
    int r = folder_make(&n->folder, "templates/etc", why);
    for (size_t i = 0; r == 0 && node_templates(i, &t); i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "templates/%s", t.path);
        r = plan_store(n, name, t.content, 0644, why);
    }
    return r;
}

static int first_certificate(struct net *n, const struct net_node *node, struct error *why) {
    char path[64];
    (void)snprintf(path, sizeof path, "%s/cert.pem", node->name);
    return kept_has(n, path) ? 0 : node_certificate(n, node, why);
}

static int plan_node_boot(struct net *n, struct net_node *node, struct error *why) {
    char *name = plan_name(n, node, "boot");
    char path[PATH_MAX];
    int code = RESERVE(n, &node->boot_port);
    if (code < 0 || !name) return code < 0 ? code : plan_too_large(why);
    code = folder_make(&n->folder, node->name, why);
    (void)snprintf(path, sizeof path, "%s/%s/events.fifo", n->folder.path, node->name);
    if (code == 0 && mkfifo(path, 0600) < 0 && errno != EEXIST) {
        code = error_set_os(why, ERR_IO, errno, "%s", path);
    }
    if (code == 0) code = first_certificate(n, node, why);
    if (code < 0) return code;
    struct role r = plan_describe(n, name, "boot");
    r.node = node->name;
    bool ok = WORDS(&r, "--templates", "templates", "--poll-peers", "1s", "--poll-configuration",
                    "1s", "--last-good-after", "5s", "--hub-url") &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", node->hub_port) &&
              plan_listens(&r, n, "--listen-addr", node->boot_port) && WORDS(&r, "--target") &&
              role_arg(&r, &n->arena, "%s", node->name) && WORDS(&r, "--state-dir") &&
              role_arg(&r, &n->arena, "%s/boot", node->name) && WORDS(&r, "--events-fifo") &&
              role_arg(&r, &n->arena, "%s/events.fifo", node->name) &&
              WORDS(&r, "--instance-certificate") &&
              role_arg(&r, &n->arena, "%s/cert.pem", node->name) && WORDS(&r, "--enabled-file") &&
              role_arg(&r, &n->arena, "%s/enabled", node->name) &&
              role_address(&r, &n->arena, "status", "http", node->boot_port);
    r.health_url = r.addresses[0].url;
    r.health_path = "/readyz";
    char *proxy_name = plan_name(n, node, "proxy");
    ok = ok && proxy_name && role_need(&r, proxy_name);
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

static int plan_node_api(struct net *n, struct net_node *node, struct error *why) {
    char *name = plan_name(n, node, "system-api"), *boot = plan_name(n, node, "boot");
    char folder[64];
    int code = name && boot ? ports_reserve(&node->api_port, &n->ports, why) : plan_too_large(why);
    (void)snprintf(folder, sizeof folder, "%s/system-api", node->name);
    if (code == 0) code = folder_make(&n->folder, folder, why);
    if (code < 0) return code;
    struct role r = plan_describe(n, name, "system-api");
    r.node = node->name;
    bool ok =
        WORDS(&r, "--config") && role_arg(&r, &n->arena, "%s/etc/system-api.toml", node->name) &&
        role_address(&r, &n->arena, "operator", "https", node->api_port) && role_need(&r, boot);
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

static int open_place(struct net *n, const struct net_node *node, struct error *why) {
    unsigned place;
    int r = places_add(&place, n->places, node->name, true, NET_SOURCE_FIRST + node->number, why);
    return r == 0 ? links_place(n->links, place, why) : r;
}

// The node's ports, for whoever looks at it from outside its place.
static int open_ports(struct net *n, const struct net_node *node, size_t first, struct error *why) {
    unsigned place = places_find(n->places, node->name);
    int r = 0;
    for (size_t i = first; r == 0 && i < n->ports.count; i++) {
        r = links_forward(n->links, place, ports_number(&n->ports, i), why);
    }
    return r;
}

int plan_node(struct net *n, struct net_node *node, struct error *why) {
    char purpose[64];
    size_t first_port = n->ports.count;
    if (!*node->image) (void)snprintf(node->image, sizeof node->image, "%s", IMAGE);
    net_image_mrtd(node->mrtd, n->s->seed, node->image);
    (void)snprintf(purpose, sizeof purpose, "%s/orderflow", node->name);
    int r = identity_ecdsa(&node->orderflow, n->s->seed, purpose, why);
    (void)snprintf(purpose, sizeof purpose, "%s/builder", node->name);
    if (r == 0) r = identity_ecdsa(&node->builder, n->s->seed, purpose, why);
    (void)snprintf(purpose, sizeof purpose, "%s/relay", node->name);
    if (r == 0) r = identity_bls(&node->relay_key, n->s->seed, purpose, why);
    if (r == 0 && n->places) r = open_place(n, node, why);
    if (r == 0) r = part_tpm(n, node, why);
    if (r == 0) r = plan_node_proxy(n, node, why);
    if (r == 0) r = plan_node_boot(n, node, why);
    if (r == 0) r = plan_node_api(n, node, why);
    if (r == 0) r = plan_orderflow(n, node, why);
    if (r == 0) r = plan_builder(n, node, why);
    return r == 0 && n->places ? open_ports(n, node, first_port, why) : r;
}

void net_image_mrtd(uint8_t ret[NET_MRTD_BYTES], const char *seed, const char *image) {
    char purpose[80];
    (void)snprintf(purpose, sizeof purpose, "image/%s", image);
    identity_bytes(ret, NET_MRTD_BYTES, seed, purpose);
}

int plan_network(struct net *n, struct error *why) {
    int r = folder_make(&n->folder, "logs", why);
    if (r == 0) r = make_platform(n, why);
    if (r == 0) r = store_images(n, why);
    if (r == 0) r = store_templates(n, why);
    if (r == 0) r = plan_collateral(n, why);
    if (r == 0) r = plan_hub(n, why);
    if (r == 0) r = plan_hub_proxy(n, why);
    if (r == 0) r = part_archive(n, why);
    bool shadow = shadow_wanted(n->s);
    if (r == 0) r = shadow ? shadow_plan(n, why) : plan_chain(n, why);
    if (r == 0 && !shadow) r = plan_relay(n, why);
    for (unsigned i = 1; r == 0 && i <= n->s->nodes; i++) {
        struct net_node *node = &n->nodes[n->node_count++];
        node->number = i;
        (void)snprintf(node->name, sizeof node->name, "node-%u", i);
        (void)snprintf(node->builder_name, sizeof node->builder_name, "node_%u", i);
        r = plan_node(n, node, why);
    }
    return r == 0 ? part_monitor(n, why) : r;
}
