/* Nodes whose quotes are not good: of a platform that nobody trusts, or with a certificate that has
 * expired. SPDX-License-Identifier: MIT */
#include "attest/simulator.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_S 86400u

static int make_other(struct net *n, bool expired, const char *path, struct error *why) {
    struct simulator *s;
    char own[PATH_MAX];
    const uint64_t now = clock_wall_ns(&clock_system) / NS_PER_S;
    const struct simulator_spec spec = {.now = now, .pck_not_after = expired ? now - DAY_S : 0};
    (void)snprintf(own, sizeof own, "%s/platform", n->folder.path);
    int r = expired ? simulator_load(&s, own, why) : simulator_new(&s, &spec, why);
    if (r < 0) return r;
    if (expired) r = simulator_issue(s, &spec, why);
    if (r == 0) r = simulator_save(s, path, why);
    simulator_free(s);
    return r;
}

// The same root with an expired certificate, or another root.
static int other_platform(struct net *n, bool expired, const char **ret_source, struct error *why) {
    char path[PATH_MAX];
    struct stat st;
    const char *name = expired ? "platform-expired" : "platform-wrong";
    *ret_source = expired ? "simulator:platform-expired" : "simulator:platform-wrong";
    (void)snprintf(path, sizeof path, "%s/%s", n->folder.path, name);
    if (stat(path, &st) == 0) return 0; // made before
    int r = make_other(n, expired, path, why);
    return r < 0 ? error_wrap(why, "%s", name) : 0;
}

// Gives a role another word behind a flag (NULL: none), and lets it come again with it.
static int set_word(struct net *n, const struct net_node *node, const char *part, const char *flag,
                    const char *word, struct error *why) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s.%s", node->name, part);
    struct role *r = roles_find(n->roles, name);
    if (!r) return error_set(why, ERR_NOT_FOUND, "there is no role %s", name);
    for (size_t i = 0; flag && i + 1 < r->argc; i++) {
        if (strcmp(r->argv[i], flag) == 0) r->argv[i + 1] = word;
    }
    role_kill(r);
    return 0;
}

int quote_fault(struct net *n, struct net_node *node, const char *kind, struct error *why) {
    const char *source = "simulator:platform";
    int r = 0;
    if (strcmp(kind, "wrong") == 0 || strcmp(kind, "expired") == 0) {
        r = other_platform(n, strcmp(kind, "expired") == 0, &source, why);
    } else if (strcmp(kind, "good") != 0) {
        r = error_set(why, ERR_SYNTAX, "quotes are good, wrong or expired");
    }
    if (r < 0) return r;
    // With a vTPM, the quotes are the metadata service's, and whoever held the TPM holds it no
    // more.
    bool tpm = n->s->tpm != TPM_NONE;
    r = set_word(n, node, tpm ? "paravisor" : "proxy", tpm ? "--platform" : "--quote-source",
                 tpm ? strchr(source, ':') + 1 : source, why);
    return r == 0 && tpm ? set_word(n, node, "proxy", NULL, NULL, why) : r;
}
