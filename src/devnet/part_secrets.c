/* Vault for the hub's secrets: a server in its development mode. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <stdio.h>

#define PACKAGE "Debian has no package of it; its makers' is called vault"

static int plan_vault(struct net *n, unsigned port, const char *token, struct error *why) {
    struct role r;
    int code = part_role(&r, n, "vault", "vault", PACKAGE, why);
    if (code < 0) return code;
    // In the environment, where no other user's ps shows it. Its home is where it would leave a
    // copy.
    r.environment = arena_printf(&n->arena, "VAULT_DEV_ROOT_TOKEN_ID=%s", token);
    bool ok = r.environment && WORDS(&r, "server", "-dev", "-dev-no-store-token") &&
              role_arg(&r, &n->arena, "-dev-listen-address=127.0.0.1:%u", port) &&
              role_address(&r, &n->arena, "api", "http", port);
    r.health_url = r.addresses[0].url;
    r.health_path = "/v1/sys/health";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

int part_secrets(struct net *n, struct role *hub, struct error *why) {
    uint8_t key[32];
    char digits[65] = "";
    unsigned port = 0;
    bool vault = n->s->secrets == SECRETS_VAULT;
    identity_bytes(key, sizeof key, n->s->seed, vault ? "vault/token" : "hub/secrets");
    hex_encode(digits, bytes_make(key, sizeof key));
    int r = plan_store(n, vault ? "vault.token" : "hub.key", bytes_from_str(digits), 0600, why);
    if (r == 0 && vault) r = RESERVE(n, &port);
    if (r == 0 && vault) r = plan_vault(n, port, digits, why);
    bytes_wipe(digits, sizeof digits);
    bytes_wipe(key, sizeof key);
    if (r < 0) return r;
    bool ok = vault ? WORDS(hub, "--vault-enabled", "--vault-token", "file:vault.token",
                            "--vault-address") &&
                          role_arg(hub, &n->arena, "http://127.0.0.1:%u", port) &&
                          role_need(hub, "vault")
                    : WORDS(hub, "--secrets-key", "file:hub.key");
    return ok ? 0 : plan_too_large(why);
}
