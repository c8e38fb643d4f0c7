/* A vTPM for each node: swtpm, and the paravisor over it. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <limits.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#define PACKAGE "apt-get install swtpm"
#define EVENT_BYTES 32 /* of the image's MRTD: what PCR 11 is extended with */

static int opened(const struct role *r, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s/tpm/socket", role_folder(r), r->node);
    return access(path, F_OK) == 0 ? 0 : error_set(why, ERR_BUSY, "swtpm has no socket yet");
}

// A TPM that is killed leaves its socket, which would look as if the next one were there.
static int forget_socket(struct role *r, void *context, struct error *why) {
    char path[PATH_MAX];
    (void)context;
    (void)why;
    (void)snprintf(path, sizeof path, "%s/%s/tpm/socket", role_folder(r), r->node);
    (void)unlink(path);
    return 0;
}

static int plan_tpm(struct net *n, const struct net_node *node, const char *name,
                    struct error *why) {
    struct role r;
    char folder[64];
    (void)snprintf(folder, sizeof folder, "%s/tpm", node->name);
    int code = folder_make(&n->folder, folder, why);
    if (code == 0) code = part_role(&r, n, name, "swtpm", PACKAGE, why);
    if (code < 0) return code;
    r.node = node->name;
    r.healthy = opened;
    r.prepare = forget_socket;
    bool ok =
        WORDS(&r, "socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate") &&
        role_arg(&r, &n->arena, "dir=%s/tpm", node->name) && WORDS(&r, "--server") &&
        role_arg(&r, &n->arena, "type=unixio,path=%s/tpm/socket", node->name);
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

static int plan_paravisor(struct net *n, struct net_node *node, const char *tpm,
                          struct error *why) {
    char *name = plan_name(n, node, "paravisor");
    char digits[2 * EVENT_BYTES + 1] = "";
    if (!name) return plan_too_large(why);
    int code = ports_reserve_pair(&node->tpm_port, &n->ports, why);
    if (code == 0) code = RESERVE(n, &node->metadata_port);
    if (code < 0) return code;
    hex_encode(digits, bytes_make(node->mrtd, EVENT_BYTES));
    struct role r = plan_describe(n, name, "paravisor");
    r.node = node->name;
    bool ok = WORDS(&r, "--platform", "platform", "--authority", "platform", "--image") &&
              role_arg(&r, &n->arena, "%s", digits) && WORDS(&r, "--tpm-socket") &&
              role_arg(&r, &n->arena, "%s/tpm/socket", node->name) &&
              plan_listens(&r, n, "--listen-addr", node->tpm_port) &&
              plan_listens(&r, n, "--metadata-addr", node->metadata_port) && role_need(&r, tpm) &&
              role_address(&r, &n->arena, "tpm", "tcp", node->tpm_port) &&
              role_address(&r, &n->arena, "metadata", "http", node->metadata_port);
    r.health_url = r.addresses[1].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

int part_tpm(struct net *n, struct net_node *node, struct error *why) {
    if (n->s->tpm == TPM_NONE) return 0;
    char *tpm = plan_name(n, node, "tpm");
    if (!tpm) return plan_too_large(why);
    int r = plan_tpm(n, node, tpm, why);
    return r == 0 ? plan_paravisor(n, node, tpm, why) : r;
}
