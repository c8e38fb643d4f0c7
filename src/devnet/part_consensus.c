/* Lodestar as the chain's consensus client, with the network's own execution client or another one.
 *
 *     beacon (Lodestar) ── Engine API ──▶ chain                      --el own
 *     beacon ── Engine API ──▶ bridge ──▶ execution, and chain too   --el ethereumjs, PATH
 *     relay, builders ── beacon API ──▶ bridge ──▶ beacon
 *
 * What builders and relay need of an execution client, they always get from the network's own.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/npm.h"
#include "devnet/parts.h"
#include "devnet/plan.h"
#include "devnet/templates.h"
#include "json/json.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOT_NS_MIN (2 * NS_PER_S) /* Lodestar's own work in a slot takes a good part of one */
#define FORK "shanghai"            /* Capella: the last that this Lodestar knows */
#define VALIDATORS "8"
#define FEE_RECIPIENT "0x00000000000000000000000000000000000000fe"
#define ASK_NS (5 * NS_PER_S)
#define NODE_PACKAGE "apt-get install nodejs"
#define PRELOAD "lodestar-preload.cjs"
#define BRIDGE "beacon-bridge.mjs"

enum el { EL_OWN, EL_ETHEREUMJS, EL_PATH };

static enum el execution(const struct devnet_settings *s) {
    if (!s->execution || strcmp(s->execution, "own") == 0) return EL_OWN;
    return strcmp(s->execution, "ethereumjs") == 0 ? EL_ETHEREUMJS : EL_PATH;
}

void part_consensus_settle(struct devnet_settings *s) {
    if (s->consensus != CONSENSUS_OWN && s->slot_ns == DEVNET_SLOT_NS) s->slot_ns = SLOT_NS_MIN;
}

int part_consensus_check(const struct devnet_settings *s, struct error *why) {
    if (s->consensus == CONSENSUS_OWN) {
        return execution(s) == EL_OWN ? 0 : error_set(why, ERR_INVALID, "--el needs --cl lodestar");
    }
    if (s->virtual_clock_ns || (s->shadow_node && *s->shadow_node) || (s->fork && *s->fork)) {
        return error_set(why, ERR_INVALID,
                         "--cl lodestar: its chain is of Capella and of the machine's time: no "
                         "--fork, no --virtual-clock, no --shadow-node");
    }
    if (s->slot_ns < SLOT_NS_MIN || s->slot_ns % NS_PER_S) {
        return error_set(why, ERR_RANGE, "--cl lodestar: slots of whole seconds, from --slot 2s");
    }
    if (execution(s) == EL_PATH && (*s->execution != '/' || access(s->execution, X_OK) < 0)) {
        return error_set(why, ERR_NOT_FOUND,
                         "--el: own, ethereumjs, or the absolute path of a program, not %s",
                         s->execution);
    }
    return 0;
}

int part_consensus_install(const struct devnet_settings *s, struct error *why) {
    if (s->consensus == CONSENSUS_OWN) return 0;
    int r = npm_install(NPM_LODESTAR, s->json, why);
    if (r == 0 && execution(s) == EL_ETHEREUMJS) r = npm_install(NPM_ETHEREUMJS, s->json, why);
    return r < 0 ? error_wrap(why, "--cl lodestar") : 0;
}

/* ---- files ---- */

static int store_parameters(struct net *n, struct error *why) {
    char text[512];
    (void)snprintf(text, sizeof text,
                   "PRESET_BASE: minimal\nCONFIG_NAME: devnet\nSECONDS_PER_SLOT: %llu\n"
                   "MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: " VALIDATORS "\n"
                   "GENESIS_FORK_VERSION: " NET_FORK_VERSION "\n"
                   "ALTAIR_FORK_EPOCH: 0\nBELLATRIX_FORK_EPOCH: 0\nCAPELLA_FORK_EPOCH: 0\n"
                   "TERMINAL_TOTAL_DIFFICULTY: 0\n",
                   (unsigned long long)(n->s->slot_ns / NS_PER_S));
    return plan_store(n, "params.yaml", bytes_from_str(text), 0644, why);
}

static int store_secret(struct net *n, struct error *why) {
    uint8_t key[32];
    char digits[65] = "";
    identity_bytes(key, sizeof key, n->s->seed, "engine");
    hex_encode(digits, bytes_make(key, sizeof key));
    int r = plan_store(n, "jwt.hex", bytes_from_str(digits), 0600, why);
    bytes_wipe(digits, sizeof digits);
    bytes_wipe(key, sizeof key);
    return r;
}

/* ---- roles ---- */

// Ready as soon as the port of its first address takes connections.
static int listens(const struct role *r, struct error *why) {
    const char *colon = strrchr(r->addresses[0].url, ':');
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)},
                            .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0) (void)close(fd);
    return ok ? 0 : error_set(why, ERR_BUSY, "%s takes no connection yet", r->addresses[0].url);
}

static int describe_node(struct role *ret, struct net *n, const char *name, struct error *why) {
    int r = part_role(ret, n, name, "node", NODE_PACKAGE, why);
    ret->program = name; // not this program's node
    return r;
}

int part_engine(struct net *n, struct role *chain, struct error *why) {
    int r = store_secret(n, why);
    if (r == 0) r = RESERVE(n, &n->engine_port);
    if (r < 0) return r;
    n->s->fork = FORK; // genesis.json is made of it
    bool ok = plan_listens(chain, n, "--engine-addr", n->engine_port) &&
              WORDS(chain, "--jwt-secret", "jwt.hex", "--genesis", "genesis.json");
    return ok ? 0 : plan_too_large(why);
}

static int plan_bridge(struct net *n, unsigned port, unsigned beacon, unsigned mirror,
                       unsigned engine, struct error *why) {
    struct role r;
    int code = plan_store(n, BRIDGE, beacon_bridge(), 0644, why);
    if (code == 0) code = links_front(n->links, "bridge", n->chain_beacon, port, why);
    if (code == 0) code = describe_node(&r, n, "bridge", why);
    if (code < 0) return code;
    bool ok = WORDS(&r, BRIDGE) && role_arg(&r, &n->arena, "%u", port) &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", beacon) &&
              role_address(&r, &n->arena, "beacon", "http", n->chain_beacon) &&
              role_address(&r, &n->arena, "own", "http", port);
    if (mirror) {
        ok = ok && role_arg(&r, &n->arena, "%u", mirror) &&
             role_arg(&r, &n->arena, "http://127.0.0.1:%u", engine) &&
             role_arg(&r, &n->arena, "http://127.0.0.1:%u", n->engine_port);
    }
    r.health_url = r.addresses[1].url;
    r.health_path = "/readyz";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

static int plan_execution(struct net *n, unsigned *ret_engine, struct error *why) {
    struct role r;
    char program[PATH_MAX];
    unsigned rpc = 0, network = 0;
    bool js = execution(n->s) == EL_ETHEREUMJS, ok;
    int code = RESERVE(n, &rpc, ret_engine, &network);
    if (code == 0) code = folder_make(&n->folder, "execution", why);
    if (code == 0 && js) code = npm_program(program, NPM_ETHEREUMJS, why);
    if (code == 0 && js) code = describe_node(&r, n, "execution", why);
    if (code < 0) return code;
    if (js) {
        ok = role_arg(&r, &n->arena, "%s", program) &&
             WORDS(&r, "--gethGenesis", "genesis.json", "--dataDir", "execution", "--rpc",
                   "--rpcAddr", "127.0.0.1", "--rpcEngine", "--rpcEngineAddr", "127.0.0.1",
                   "--jwtSecret", "jwt.hex", "--isSingleNode", "--discV4", "false", "--discDns",
                   "false", "--logFile", "false", "--extIP", "127.0.0.1", "--port") &&
             role_arg(&r, &n->arena, "%u", network) && WORDS(&r, "--rpcPort") &&
             role_arg(&r, &n->arena, "%u", rpc) && WORDS(&r, "--rpcEnginePort") &&
             role_arg(&r, &n->arena, "%u", *ret_engine);
    } else {
        r = (struct role){.name = "execution", .program = "execution"};
        ok = role_arg(&r, &n->arena, "%s", n->s->execution) &&
             WORDS(&r, "--genesis", "genesis.json", "--jwt-secret", "jwt.hex", "--data",
                   "execution", "--http-port") &&
             role_arg(&r, &n->arena, "%u", rpc) && WORDS(&r, "--engine-port") &&
             role_arg(&r, &n->arena, "%u", *ret_engine);
    }
    ok = ok && role_address(&r, &n->arena, "engine", "http", *ret_engine) &&
         role_address(&r, &n->arena, "rpc", "http", rpc);
    r.healthy = listens;
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

/* ---- Lodestar ---- */

#define GENESIS_HASH_WORD "--genesisEth1Hash"
#define GENESIS_TIME_WORD "--genesisTime"

static bool set_word(struct role *r, const char *flag, const char *word) {
    for (size_t i = 0; word && i + 1 < r->argc; i++) {
        if (strcmp(r->argv[i], flag) != 0) continue;
        r->argv[i + 1] = word;
        return true;
    }
    return false;
}

static int genesis_hash(struct net *n, char **ret, struct error *why) {
    static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBlockByNumber\","
                               "\"params\":[\"0x0\",false]}";
    struct arena a;
    struct client_answer answer;
    const struct json *doc = NULL;
    struct bytes hash = {NULL, 0};
    const struct client_options o = {.url = n->rpc_url};
    const struct http_request q = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = BYTES_LIT("/"),
                                   .body = HTTP_BODY_LENGTH};
    arena_init(&a, 1u << 20);
    int r = client_ask(&answer, &a, &o, &q, bytes_from_str(body), 64u << 10, ASK_NS, why);
    if (r == 0) r = json_parse(&doc, answer.body, &a, NULL, why);
    if (r == 0) r = json_get_string(&hash, json_get(doc, "result"), "hash", why);
    if (r == 0) *ret = arena_str(&n->arena, hash);
    arena_free(&a);
    return r < 0 ? error_wrap(why, "the chain's genesis") : 0;
}

/* Before its start: the genesis of its chain is now, and the execution client's. There is no second
 * start: what it kept of a chain that is not final it does not take up again, and waits for peers.
 */
static int begin_chain(struct role *r, void *context, struct error *why) {
    struct net *n = context;
    char *hash = NULL;
    if (n->genesis_s) {
        return error_set(why, ERR_UNSUPPORTED,
                         "Lodestar does not go on with a chain that is not final: start the "
                         "network again (role pause, role resume stop it for a while)");
    }
    int code = genesis_hash(n, &hash, why);
    if (code < 0) return code;
    n->genesis_s = clock_wall_ns(&clock_system) / NS_PER_S;
    const char *time = arena_printf(&n->arena, "%llu", (unsigned long long)n->genesis_s);
    bool ok = set_word(r, GENESIS_HASH_WORD, hash) && set_word(r, GENESIS_TIME_WORD, time);
    return ok ? 0 : plan_too_large(why);
}

static int plan_lodestar(struct net *n, unsigned rest, unsigned engine, const char *el,
                         struct error *why) {
    struct role r;
    char program[PATH_MAX];
    unsigned network = 0;
    int code = RESERVE(n, &network);
    if (code == 0) code = store_parameters(n, why);
    if (code == 0) code = plan_store(n, PRELOAD, lodestar_preload(), 0644, why);
    if (code == 0) code = npm_program(program, NPM_LODESTAR, why);
    if (code == 0) code = describe_node(&r, n, "beacon", why);
    if (code < 0) return code;
    bool ok = WORDS(&r, "--require", "./" PRELOAD) && role_arg(&r, &n->arena, "%s", program) &&
              WORDS(&r, "dev", "--network", "dev", "--paramsFile", "params.yaml", "--dataDir",
                    "beacon", "--reset", "--genesisValidators", VALIDATORS, "--startValidators",
                    "0..7", GENESIS_HASH_WORD, "", GENESIS_TIME_WORD, "", "--eth1", "true",
                    "--eth1.providerUrls") &&
              role_arg(&r, &n->arena, "%s", n->rpc_url) && WORDS(&r, "--execution.urls") &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", engine) &&
              WORDS(&r, "--jwt-secret", "jwt.hex", "--rest.address", "127.0.0.1", "--rest.port") &&
              role_arg(&r, &n->arena, "%u", rest) && WORDS(&r, "--beaconNodes") &&
              role_arg(&r, &n->arena, "http://127.0.0.1:%u", rest) &&
              WORDS(&r, "--rest.namespace", "*", "--discv5", "false", "--listenAddress",
                    "127.0.0.1", "--port") &&
              role_arg(&r, &n->arena, "%u", network) &&
              WORDS(&r, "--targetPeers", "0", "--suggestedFeeRecipient", FEE_RECIPIENT, "--logFile",
                    "none", "--builder", "true", "--builder.selection", "builderalways",
                    "--builder.timeout", "1000", "--builder.urls") &&
              role_arg(&r, &n->arena, "%s", n->relay_url) && role_need(&r, "chain") &&
              (!el || role_need(&r, el)) && role_address(&r, &n->arena, "rest", "http", rest);
    r.healthy = listens;
    r.prepare = begin_chain;
    r.context = n;
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

int part_consensus(struct net *n, unsigned beacon, struct error *why) {
    unsigned rest = 0, mirror = 0, engine = 0;
    bool other = execution(n->s) != EL_OWN;
    int r = RESERVE(n, &rest);
    if (r == 0 && other) r = RESERVE(n, &mirror);
    if (r == 0 && other) r = plan_execution(n, &engine, why);
    if (r == 0)
        r = plan_lodestar(n, rest, other ? mirror : n->engine_port, other ? "execution" : NULL,
                          why);
    return r == 0 ? plan_bridge(n, beacon, rest, mirror, engine, why) : r;
}
